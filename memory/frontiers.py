"""Frontiers: where known floor that the agent can reach borders on what nobody has seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from placecell.geometry import Camera
from placecell.memory.records import RecordId
from placecell.pathfinder import CELL_M, PathFinder

__all__ = ["BEHIND_M", "Border", "Frontier", "View", "borders", "glimpse_of", "match", "opened_m2"]

MIN_SIZE_M: Final = 0.2
MIN_UNKNOWN_M2: Final = 0.1  # smaller holes are specks that no scan happened to hit
BEHIND_M: Final = 2.5  # so far behind a frontier the unknown counts as its own,
_BESIDE: Final = 3  # and so many cells from its middle it begins
SPLIT_M: Final = 2.0
_SAME_M: Final = 1.0  # a frontier may move so far between two looks and keep its name
_TALL_M: Final = 1.8  # height of the box in the glimpse
_NARROW: Final = 0.1  # of the picture's width: no box is narrower
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture that was taken: by which record, from where."""

    record_id: RecordId
    pose: Float64[np.ndarray, "4 4"]
    camera: Camera


@dataclass(frozen=True, slots=True, eq=False)
class Frontier:
    """A stretch of the border between floor that is known and reachable, and the unknown.

    Args:
        frontier_id: Stays the same from one look to the next while the frontier stays where it is.
        position_m: Floor point near its middle on which the agent can stand.
        middle_m: Its middle.
        direction_rad: Heading towards the unknown, 0 along -z, positive to the left.
        size_m: Its length.
        opens_m2: Unknown floor in a square of 5 m around it that no known wall cuts off, see `opened_m2`.
        floor: Number of the floor.
        first_s: When its cells were first seen.
        glimpse: The record whose picture shows it best.
        glimpse_box: Where in that picture: left, top, right, bottom as fractions.
    """

    frontier_id: int
    position_m: Float64[np.ndarray, "3"]
    middle_m: Float64[np.ndarray, "3"]
    direction_rad: float
    size_m: float
    opens_m2: float
    floor: int
    first_s: float
    glimpse: RecordId | None = None
    glimpse_box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """Cells (row, column) of one stretch, its middle and the unit vector (z, x) towards the unknown."""

    cells: np.ndarray
    middle: np.ndarray
    outward: np.ndarray
    stand: tuple[int, int]


def borders(
    free: Bool[np.ndarray, "rows columns"],
    known: PathFinder,
    possible: PathFinder,
    places: Sequence[tuple[int, int]],
) -> list[Border]:
    """Stretches of border that can be reached from any of `places` (row, column).

    Args:
        free: Cells of known floor.
        known: Where the agent can stand for certain.
        possible: Where it could stand if all that is unknown were free.
        places: Where agents are.

    Returns:
        Stretches ordered by their first cell; none without a place to start from.
    """
    standing, ground = known.navigable, possible.navigable
    # Unknown cells where the agent could stand, but for specks.
    unknown = ground & ~free
    _, parts, stats, _ = cv2.connectedComponentsWithStats(unknown.astype(np.uint8), connectivity=4)
    unknown &= (stats[:, cv2.CC_STAT_AREA] * CELL_M**2 >= MIN_UNKNOWN_M2)[parts]
    # Known cells that are blocked by nothing known: the agent may come to the edge of what it knows.
    walkable = free & ground
    count, islands = cv2.connectedComponents(walkable.astype(np.uint8), connectivity=4)
    is_reached = np.zeros(count, bool)
    for place in places:
        start = _nearest(walkable, place)
        if start is not None:
            is_reached[islands[start]] = True
    reached = is_reached[islands]
    spots = np.argwhere(standing & reached)
    edge = reached & (cv2.dilate(unknown.astype(np.uint8), _CROSS) > 0)
    cells = np.argwhere(edge)
    if not len(spots) or not len(cells):
        return []
    _, clusters = cv2.connectedComponents(cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)), connectivity=8)
    numbers = clusters[edge]
    found = []
    for number in np.unique(numbers).tolist():
        for part in _split(cells[numbers == number]):
            if len(part) * CELL_M >= MIN_SIZE_M:
                found.append(_border(part, unknown, spots))
    return found


def _nearest(mask: Bool[np.ndarray, "rows columns"], cell: tuple[int, int], reach: int = 10) -> tuple[int, int] | None:
    """The cell itself or the nearest that is set, at most `reach` cells away along an axis."""
    low = max(cell[0] - reach, 0), max(cell[1] - reach, 0)
    near = np.argwhere(mask[low[0] : cell[0] + reach + 1, low[1] : cell[1] + reach + 1]) + low
    if not len(near):
        return None
    row, column = near[((near - cell) ** 2).sum(axis=1).argmin()].tolist()
    return row, column


def _split(cells: np.ndarray) -> list[np.ndarray]:
    """Cut a stretch that is long into equal parts along its main direction."""
    off = (cells - cells.mean(axis=0)).astype(np.float64)
    _, axes = np.linalg.eigh(off.T @ off)
    along = off @ axes[:, 1]
    if axes[np.abs(axes[:, 1]).argmax(), 1] < 0:
        along = -along
    span = float(along.max() - along.min()) * CELL_M
    count = math.ceil(span / SPLIT_M - 1e-9)
    if count <= 1:
        return [cells]
    part = np.minimum((along - along.min()) / (along.max() - along.min()) * count, count - 1).astype(int)
    return [cells[part == i] for i in range(count) if (part == i).any()]


def _border(cells: np.ndarray, unknown: Bool[np.ndarray, "rows columns"], spots: np.ndarray) -> Border:
    centre = cells.mean(axis=0)
    middle = cells[((cells - centre) ** 2).sum(axis=1).argmin()]
    reach = round(BEHIND_M / CELL_M)
    low = np.maximum(middle - reach, 0)
    behind = np.argwhere(unknown[low[0] : middle[0] + reach + 1, low[1] : middle[1] + reach + 1]) + low
    # Towards the unknown cells next to the stretch.
    near, far = np.maximum(cells.min(axis=0) - 3, 0), cells.max(axis=0) + 4
    around = np.argwhere(unknown[near[0] : far[0], near[1] : far[1]]) + near
    outward = around.mean(axis=0) - centre if len(around) else np.zeros(2)
    length = float(np.hypot(*outward))
    if length < 0.3 and len(behind):  # unknown on all sides
        outward = behind.mean(axis=0) - centre
        length = float(np.hypot(*outward))
    outward = outward / length if length > 1e-6 else np.array([-1.0, 0.0])
    stand = spots[((spots - middle) ** 2).sum(axis=1).argmin()]
    return Border(cells, middle, outward, (int(stand[0]), int(stand[1])))


def opened_m2(
    free: Bool[np.ndarray, "rows columns"], occupied: Bool[np.ndarray, "rows columns"], middle: tuple[int, int]
) -> float:
    """Unknown floor in a square of 5 m around a frontier that is connected to it, square metres.

    A slit behind a chair opens next to nothing, however much is unknown beyond the wall behind it.

    Args:
        free: Cells of known floor.
        occupied: Cells of known walls and things.
        middle: The frontier's middle (row, column).

    Example:
        >>> free = np.ones((40, 40), bool)
        >>> free[:16] = False  # nobody knows what is there
        >>> walls = np.zeros((40, 40), bool)
        >>> whole_m2 = opened_m2(free, walls, (16, 20))
        >>> walls[13] = True
        >>> opened_m2(free, walls, (16, 20)) < whole_m2
        True
    """
    row, column = middle
    reach = round(BEHIND_M / CELL_M)
    unknown = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)  # so is all that lies off the map
    top, left = max(row - reach, 0), max(column - reach, 0)
    near = slice(top, row + reach + 1), slice(left, column + reach + 1)
    known = free[near] | occupied[near]
    r, c = top - (row - reach), left - (column - reach)
    unknown[r : r + known.shape[0], c : c + known.shape[1]] = ~known
    _, parts, stats, _ = cv2.connectedComponentsWithStats(unknown, connectivity=4)
    beside = parts[reach - _BESIDE : reach + _BESIDE + 1, reach - _BESIDE : reach + _BESIDE + 1]
    numbers = np.unique(beside[beside > 0])
    return float(stats[numbers, cv2.CC_STAT_AREA].sum()) * CELL_M**2


def glimpse_of(
    points_m: Float64[np.ndarray, "n 3"], direction_rad: float, views: Sequence[View], weights: Sequence[float]
) -> tuple[RecordId, tuple[float, float, float, float]] | None:
    """The view that shows a frontier best and looks the same way, with the frontier's box in its picture.

    Args:
        points_m: The frontier's cells, on the floor.
        direction_rad: Towards the unknown.
        views: The choice.
        weights: How well each shows the cells.
    """
    ahead = np.array([-math.sin(direction_rad), 0.0, -math.cos(direction_rad)])
    best, best_score = None, 0.0
    for view, weight in zip(views, weights, strict=True):
        box, share = _box(view, points_m)
        score = weight * share * (1.2 - float(view.pose[:3, 2] @ ahead))
        if score > best_score:
            best, best_score = (view.record_id, box), score
    return best


def _box(view: View, points_m: Float64[np.ndarray, "n 3"]) -> tuple[tuple[float, float, float, float], float]:
    """Box around the part of a frontier in the picture, from the floor to a door's height; and which share that is."""
    offsets = points_m - view.pose[:3, 3]
    focal, width, height = view.camera.focal_px, view.camera.width, view.camera.height
    spots = []
    for lift in (0.0, _TALL_M):
        seen = (offsets + (0.0, lift, 0.0)) @ view.pose[:3, :3]
        ahead = np.maximum(-seen[:, 2], 1e-3)
        spots.append((0.5 + focal * seen[:, 0] / ahead / width, 0.5 - focal * seen[:, 1] / ahead / height, -seen[:, 2]))
    (x, y, near), (_, top, _) = spots
    is_shown = (near > 0.1) & (x >= -0.02) & (x <= 1.02)
    if not is_shown.any():
        return (0.0, 0.0, 1.0, 1.0), 0.0
    middle, half = (x[is_shown].max() + x[is_shown].min()) / 2, (x[is_shown].max() - x[is_shown].min()) / 2
    half = max(half, _NARROW / 2)
    middle = min(max(middle, _NARROW / 2), 1 - _NARROW / 2)
    upper, lower = float(np.clip(top[is_shown].min(), 0, 0.95)), float(np.clip(y[is_shown].max(), 0, 1))
    box = (max(middle - half, 0.0), upper, min(middle + half, 1.0), max(lower, upper + 0.05))
    return (float(box[0]), box[1], float(box[2]), box[3]), float(is_shown.mean())


def match(found: Sequence[Frontier], before: Sequence[Frontier], next_id: int) -> tuple[list[Frontier], int]:
    """Give frontiers the names of those of the last look that they continue, nearest pairs first, or new ones."""
    pairs = sorted(
        (float(np.linalg.norm(new.middle_m - old.middle_m)), i, j)
        for i, new in enumerate(found)
        for j, old in enumerate(before)
        if new.floor == old.floor
    )
    names: dict[int, Frontier] = {}
    used: set[int] = set()
    for distance, i, j in pairs:
        if distance <= _SAME_M and i not in names and j not in used:
            names[i] = before[j]
            used.add(j)
    out = []
    for i, frontier in enumerate(found):
        if i in names:
            first_s = min(frontier.first_s, names[i].first_s)
            out.append(replace(frontier, frontier_id=names[i].frontier_id, first_s=first_s))
        else:
            out.append(replace(frontier, frontier_id=next_id))
            next_id += 1
    return out, next_id
