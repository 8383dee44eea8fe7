"""Durable writes per second, with their peers: the same as `placecell bench write`.

Example: python scripts/bench_write.py --json
"""

import sys

from placecell.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "write", *sys.argv[1:]]))
