"""How two boxes stand to each other: one on the other, in it, next to it, near it."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

__all__ = ["CONTAINERS", "NEAR_M", "NEXT_M", "relations_of"]

NEAR_M: Final = 1.0
NEXT_M: Final = 0.3
CONTAINERS: Final = frozenset(
    """basin basket bath bathtub bin bookcase bookshelf bowl box bucket cabinet closet cot crate cupboard dishwasher
    drawer dresser dustbin fridge oven refrigerator shelf sideboard sink toilet trash trolley tub vase wardrobe
    washer""".split()  # noqa: SIM905
)
_SINKS_M: Final = 0.08  # what rests on a thing may begin so far under its top, as boxes of what is seen go
_RISES_M: Final = 0.12  # and so far above
_OVER: Final = 0.5  # of its footprint
_INSIDE: Final = 0.8  # of its volume
_LIFTED_M: Final = 0.15  # what is inside the box of a thing that holds nothing, and off its bottom, rests on it


def relations_of(
    low: Float64[np.ndarray, "3"],
    high: Float64[np.ndarray, "3"],
    lows: Float64[np.ndarray, "n 3"],
    highs: Float64[np.ndarray, "n 3"],
    holds: Bool[np.ndarray, "n"],
) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """How one box stands to others.

    Args:
        low: Lowest corner, world frame (y up), metres.
        high: Highest corner.
        lows: Lowest corners of the others.
        highs: Highest corners of the others.
        holds: Which of the others are made to hold things inside.

    Returns:
        Whether it is on each, whether it is in each, and the gap between the two in metres (0 where they meet).

    Example:
        >>> mug, table = np.array([[0.4, 0.75, 0.4], [0.5, 0.85, 0.5]]), np.array([[0.0, 0.0, 0.0], [1.0, 0.75, 1.0]])
        >>> on, within, gap = relations_of(*mug, table[:1], table[1:], np.array([False]))
        >>> bool(on[0]), bool(within[0]), float(gap[0])
        (True, False, 0.0)
    """
    apart = np.maximum(np.maximum(lows - high, low - highs), 0.0)
    gap = np.linalg.norm(apart, axis=1)
    shared = np.maximum(np.minimum(highs, high) - np.maximum(lows, low), 0.0)
    size = np.maximum(high - low, 0.01)
    over = (np.maximum(shared[:, [0, 2]], 0.0) / size[[0, 2]]).prod(axis=1)
    inside = (shared / size).prod(axis=1) >= _INSIDE
    is_larger = (highs - lows)[:, [0, 2]].prod(axis=1) >= size[[0, 2]].prod() * _OVER
    step = low[1] - highs[:, 1]
    rests = (step >= -_SINKS_M) & (step <= _RISES_M) & (over >= _OVER) & is_larger
    seated = inside & ~holds & (low[1] - lows[:, 1] >= _LIFTED_M)
    return (rests & ~(inside & holds)) | seated, inside & holds, gap
