"""Finding memories under filters, with peers: the same as `placecell bench recall`.

Example: python scripts/bench_recall.py --rows 100000 --json
"""

import sys

from placecell.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "recall", *sys.argv[1:]]))
