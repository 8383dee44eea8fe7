"""Which floor a thing takes up: what lies under its triangles, and not the box around it."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool

from placecell.envs.layout import Placement, built
from placecell.pathfinder import CELL_M

__all__ = ["REACH_M", "clear_floor"]

REACH_M: Final = 1.5  # what hangs higher is passed under
_FINE: Final = 5  # pixels per cell and direction
_SHIFT: Final = 4  # fractional bits of OpenCV's coordinates


def clear_floor(free: Bool[np.ndarray, "rows columns"], thing: Placement) -> None:
    """Clear the cells that a thing covers, seen from above; between the legs of a table one cannot stand either."""
    triangles = built(thing.category, thing.colour, thing.variant, thing.build_seed).triangles()
    triangles = triangles[triangles[:, :, 1].min(axis=1) + thing.y < REACH_M]
    if not len(triangles):
        return
    c, s = math.cos(thing.yaw_rad), math.sin(thing.yaw_rad)
    x = thing.x + c * triangles[:, :, 0] + s * triangles[:, :, 2]
    z = thing.z - s * triangles[:, :, 0] + c * triangles[:, :, 2]
    r0, c0 = max(math.floor(z.min() / CELL_M), 0), max(math.floor(x.min() / CELL_M), 0)
    r1 = min(math.floor(z.max() / CELL_M) + 1, free.shape[0])
    c1 = min(math.floor(x.max() / CELL_M) + 1, free.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    picture = np.zeros(((r1 - r0) * _FINE, (c1 - c0) * _FINE), np.uint8)
    corners = np.stack([(x / CELL_M - c0) * _FINE - 0.5, (z / CELL_M - r0) * _FINE - 0.5], axis=-1)
    for corner in np.rint(corners * (1 << _SHIFT)).astype(np.int32):
        cv2.fillConvexPoly(picture, corner, 1, lineType=cv2.LINE_8, shift=_SHIFT)
    covered = picture.reshape(r1 - r0, _FINE, c1 - c0, _FINE).any(axis=(1, 3))
    free[r0:r1, c0:c1] &= ~covered
