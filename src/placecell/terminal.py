"""What the command line prints: data to stdout, messages and wrong usage to stderr."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

__all__ = ["print_json", "say", "usage_error"]


def usage_error(verb: str, message: str) -> NoReturn:
    """Say what is wrong with the words of a command, and end with code 2."""
    print(f"placecell {verb}: error: {message} (see placecell {verb} --help)", file=sys.stderr, flush=True)
    raise SystemExit(2)


def print_json(value: object) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(value, ensure_ascii=False))


def say(message: str) -> None:
    """A message to whoever waits, on stderr."""
    print(f"placecell: {message}", file=sys.stderr, flush=True)
