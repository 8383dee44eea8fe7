"""When was it seen, from MP4 files of walks through unseen houses: the same as `placecell bench localise`.

Example: python scripts/bench_localise.py --json
"""

import sys

from placecell.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "localise", *sys.argv[1:]]))
