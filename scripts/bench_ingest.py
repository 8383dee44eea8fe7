"""Video to memory, against the same pipeline written plainly: the same as `placecell bench ingest`.

Example: python scripts/bench_ingest.py --json
"""

import sys

from placecell.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "ingest", *sys.argv[1:]]))
