"""What small things of a home are usually put on: common sense, for what was not seen well enough to tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["is_usual", "usual_for"]

_USUAL: Final[dict[str, str]] = {
    "mug": "table, desk, kitchen counter",
    "bowl": "table, kitchen counter",
    "bottle": "table, kitchen counter",
    "vase": "table, dresser",
    "book": "bookshelf, desk, table",
    "laptop": "desk, table",
    "desk lamp": "desk, dresser",
    "kettle": "kitchen counter, stove",
    "microwave": "kitchen counter",
    "globe": "desk, bookshelf, dresser",
    "rubber duck": "bathtub",
    "teddy bear": "bed",
    "toy car": "table",
}


def is_usual(things: Iterable[str], carriers: Iterable[str]) -> bool:
    """Whether anybody would look for one of these things on one of those.

    Example:
        >>> is_usual(("microwave",), ("kitchen counter",)), is_usual(("microwave",), ("bathtub",))
        (True, False)
    """
    held = set(carriers)
    return any(held & set(_USUAL.get(name, "").split(", ")) for name in things)


def usual_for(things: Iterable[str]) -> str | None:
    """What one of these things is most usually put on; None where there is no such habit.

    Example:
        >>> usual_for(("mug",)), usual_for(("sofa",))
        ('table', None)
    """
    return next((_USUAL[name].split(", ")[0] for name in things if name in _USUAL), None)
