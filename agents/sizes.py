"""How tall and how wide household things are, and whether they stand, are put on something, or hang."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["SIZES", "size_fit"]

# Least and greatest height, least and greatest longer side on the floor plan, in metres; "stands", "put" or "hangs".
SIZES: Final[dict[str, tuple[float, float, float, float, str]]] = {
    "sofa": (0.7, 1.0, 1.5, 2.3, "stands"),
    "beanbag": (0.5, 0.9, 0.7, 1.1, "stands"),
    "bed": (0.5, 1.8, 1.9, 2.3, "stands"),
    "crib": (0.8, 1.5, 1.1, 1.4, "stands"),
    "chair": (0.8, 1.1, 0.4, 0.6, "stands"),
    "stool": (0.45, 0.8, 0.35, 0.5, "stands"),
    "table": (0.7, 0.8, 0.9, 1.9, "stands"),
    "desk": (0.7, 1.1, 1.1, 1.5, "stands"),
    "bookshelf": (0.9, 2.1, 0.8, 1.7, "stands"),
    "wardrobe": (1.8, 2.2, 0.9, 1.5, "stands"),
    "dresser": (0.7, 1.2, 0.6, 1.3, "stands"),
    "fridge": (1.5, 2.0, 0.6, 0.9, "stands"),
    "stove": (0.8, 2.4, 0.6, 0.7, "stands"),
    "kitchen counter": (0.85, 2.1, 1.3, 2.0, "stands"),
    "washing machine": (0.8, 1.1, 0.6, 0.7, "stands"),
    "sink": (0.8, 1.1, 0.4, 0.7, "stands"),
    "toilet": (0.7, 0.9, 0.6, 0.8, "stands"),
    "bathtub": (0.5, 0.9, 1.5, 1.9, "stands"),
    "tv": (0.9, 1.3, 1.1, 1.6, "stands"),
    "floor lamp": (1.3, 1.9, 0.3, 0.6, "stands"),
    "rug": (0.0, 0.04, 1.2, 2.4, "stands"),
    "potted plant": (0.7, 1.4, 0.4, 0.8, "stands"),
    "trash can": (0.4, 0.7, 0.3, 0.45, "stands"),
    "piano": (1.0, 1.4, 1.3, 1.7, "stands"),
    "ironing board": (0.8, 1.1, 1.1, 1.5, "stands"),
    "rocking horse": (0.8, 1.2, 0.8, 1.2, "stands"),
    "bicycle": (0.9, 1.1, 1.5, 1.9, "stands"),
    "guitar": (1.0, 1.4, 0.4, 0.6, "stands"),
    "ladder": (1.2, 1.9, 0.6, 0.9, "stands"),
    "coat rack": (1.6, 2.0, 0.5, 0.9, "stands"),
    "clock": (0.3, 0.6, 0.3, 0.5, "hangs"),
    "painting": (0.4, 0.9, 0.5, 1.2, "hangs"),
    "curtain": (1.3, 2.2, 1.6, 2.4, "hangs"),
    "mug": (0.08, 0.15, 0.1, 0.18, "put"),
    "bowl": (0.06, 0.18, 0.2, 0.35, "put"),
    "bottle": (0.25, 0.38, 0.07, 0.14, "put"),
    "vase": (0.3, 0.55, 0.2, 0.35, "put"),
    "book": (0.03, 0.3, 0.15, 0.4, "put"),
    "laptop": (0.18, 0.3, 0.3, 0.45, "put"),
    "teddy bear": (0.3, 0.5, 0.25, 0.55, "stands"),
    "ball": (0.2, 0.35, 0.2, 0.35, "stands"),
    "desk lamp": (0.35, 0.55, 0.3, 0.5, "put"),
    "kettle": (0.18, 0.3, 0.22, 0.4, "put"),
    "microwave": (0.22, 0.35, 0.42, 0.6, "put"),
    "globe": (0.3, 0.45, 0.25, 0.4, "put"),
    "toy car": (0.1, 0.2, 0.2, 0.35, "stands"),
    "rubber duck": (0.15, 0.32, 0.2, 0.38, "put"),
    "backpack": (0.45, 0.65, 0.3, 0.5, "stands"),
    "boots": (0.15, 0.35, 0.25, 0.35, "stands"),
    "umbrella": (0.6, 1.0, 0.7, 1.1, "stands"),
}
_OVER, _UNDER = 0.2, 0.45  # what is seen of a thing is sooner too small than too large; logarithms
_LEAST: Final = 0.02
_ROUND_M: Final = 0.04  # error of an edge


def size_fit(name: str, low_m: Sequence[float], high_m: Sequence[float], floor_m: float = 0.0) -> float:
    """How well the box around what was seen of a thing goes with a name, from `_LEAST` to 1; 1 for an unknown name.

    Args:
        name: A category.
        low_m: Lowest corner of the box.
        high_m: Highest corner.
        floor_m: Height of the floor.

    Example:
        >>> size_fit("mug", (0.0, 0.7, 0.0), (0.1, 0.8, 0.1)), size_fit("mug", (0.0, 0.0, 0.0), (1.5, 0.8, 0.7))
        (1.0, 0.02)
    """
    known = SIZES.get(name)
    if known is None:
        return 1.0
    low_h, high_h, low_w, high_w, place = known
    height, wide = high_m[1] - low_m[1], max(high_m[0] - low_m[0], high_m[2] - low_m[2])
    off = 0.0
    for value, low, high in ((height, low_h, high_h), (wide, low_w, high_w)):
        if value > high + _ROUND_M:
            off += (math.log(value / (high + _ROUND_M)) / _OVER) ** 2
        elif value < low - _ROUND_M:
            off += (math.log((low - _ROUND_M) / max(value, 0.02)) / _UNDER) ** 2
    base = low_m[1] - floor_m
    if place == "stands":
        off += (max(base - 0.35, 0.0) / 0.25) ** 2
    elif place == "put":
        off += (max(0.35 - base, 0.0) / 0.12) ** 2
    elif low_h < 1.0:  # a curtain reaches the floor
        off += (max(0.9 - base, 0.0) / 0.2) ** 2
    return max(math.exp(-off / 2), _LEAST)
