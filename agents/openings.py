"""How much a frontier opens: unknown floor behind it that no known wall cuts off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from placecell.memory.frontiers import BEHIND_M

if TYPE_CHECKING:
    from placecell.memory.frontiers import Frontier
    from placecell.memory.storeys import Floor

__all__ = ["opened_m2"]

_BESIDE = 3  # cells: the unknown that begins so near to the middle of a frontier is behind it


def opened_m2(frontier: Frontier, floor: Floor) -> float:
    """Unknown floor in a square of 5 m around a frontier that is connected to it, square metres.

    A slit behind a chair opens next to nothing, however much is unknown beyond the wall behind it.

    Args:
        frontier: Which.
        floor: The floor that it is on.
    """
    reach = round(BEHIND_M / floor.cell_m)
    row, column = floor.cell(float(frontier.middle_m[0]), float(frontier.middle_m[2]))
    unknown = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)  # so is all that lies off the map
    rows, columns = floor.free.shape
    top, left = max(row - reach, 0), max(column - reach, 0)
    known = (floor.free | floor.occupied)[top : max(row + reach + 1, 0), left : max(column + reach + 1, 0)]
    r, c = top - (row - reach), left - (column - reach)
    unknown[r : r + known.shape[0], c : c + known.shape[1]] = ~known
    _, parts, stats, _ = cv2.connectedComponentsWithStats(unknown, connectivity=4)
    near = parts[reach - _BESIDE : reach + _BESIDE + 1, reach - _BESIDE : reach + _BESIDE + 1]
    numbers = np.unique(near[near > 0])
    return float(stats[numbers, cv2.CC_STAT_AREA].sum()) * floor.cell_m**2
