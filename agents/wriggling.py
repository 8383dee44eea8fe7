"""Through a gap that is hardly wider than the agent: search the places that its very steps and turns can reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from placecell.pathfinder import CELL_M, PathFinder

__all__ = ["wriggle"]

_SAME_M: Final = 0.025  # places nearer than this are one
_CLEAR_M: Final = 0.05  # from where something was bumped into
_PARTS: Final = 8  # points at which a step is checked


def wriggle(
    finder: PathFinder,
    here: np.ndarray,
    yaw: float,
    target: np.ndarray,
    forward_m: float = 0.25,
    num_headings: int = 12,
    bumps: Sequence[tuple[float, float]] = (),
    depth: int = 6,
    least_m: float = 0.25,
) -> list[float]:
    """Headings of the steps that bring the agent on, where a step straight along the way is blocked.

    Breadth first over at most `depth` steps, each in any of the headings that turns lead to; of what is reached the
    place is taken from which the target is the fewest actions away, those on the way there counted.

    Args:
        finder: The known map.
        here: Where the agent is, (x, y, z).
        yaw: Its heading, radians.
        target: Where it wants to go.
        forward_m: Length of a step.
        num_headings: Headings that turns can reach.
        bumps: Points (x, z) that something was bumped into at; no step leads within 5 cm of one.
        depth: Steps to look ahead.
        least_m: Nothing is returned unless the way gets shorter by as much.

    Returns:
        One heading per step, radians; empty where no steps help.

    Example:
        >>> free = np.ones((40, 40), bool)
        >>> free[20:24, :19] = free[20:24, 28:] = False  # a gap of 45 cm: its middle fits into one column of cells
        >>> finder = PathFinder(np.pad(free, 1))
        >>> steps = wriggle(finder, np.array([1.1, 0.0, 1.6]), 0.0, np.array([1.22, 0.0, 0.4]))
        >>> [round(heading / (np.pi / 6)) % 12 for heading in steps]
        [11]
    """
    field = finder.distance_field(target)
    turn = 2 * math.pi / num_headings
    x, z, heading = np.array([float(here[0])]), np.array([float(here[2])]), np.zeros(1, np.int64)
    cost, parent = np.zeros(1), np.full(1, -1)
    first_m = _at(field, finder, x, z)[0]
    all_headings, all_parents = [heading], [parent]
    best_actions, best = math.inf, -1
    seen: np.ndarray = np.zeros(0, np.int64)
    count = 1
    for layer in range(depth):
        k = np.repeat(np.arange(num_headings)[None], len(x), 0)
        angle = yaw + k * turn
        dx, dz = -np.sin(angle) * forward_m, -np.cos(angle) * forward_m
        turns = np.abs((k - heading[:, None] + num_headings // 2) % num_headings - num_headings // 2)
        free = _are_free(finder, x, z, dx, dz, bumps, may_begin_off=layer == 0)
        rows, columns = np.nonzero(free)
        if not len(rows):
            break
        new_cost = (cost[:, None] + 1 + turns)[rows, columns]
        new_x, new_z = x[rows] + dx[rows, columns], z[rows] + dz[rows, columns]
        new_parent = rows + count - len(x)
        # The cheapest of those at one place with one heading, unless it was reached by fewer steps.
        key = (np.round(new_x / _SAME_M).astype(np.int64) * 1_000_003 + np.round(new_z / _SAME_M).astype(np.int64)) * 64
        key += columns
        order = np.argsort(new_cost, kind="stable")
        _, at = np.unique(key[order], return_index=True)
        keep = order[at]
        keep = keep[~np.isin(key[keep], seen)]
        if not len(keep):
            break
        seen = np.concatenate([seen, key[keep]])
        x, z, heading, cost = new_x[keep], new_z[keep], columns[keep], new_cost[keep]
        all_headings.append(heading)
        all_parents.append(new_parent[keep])
        left_m = _at(field, finder, x, z)
        actions = np.where(left_m <= first_m - least_m, cost + left_m / forward_m, math.inf)
        if actions.min() < best_actions - 1e-9:
            best_actions, best = float(actions.min()), count + int(actions.argmin())
        count += len(keep)
    headings, parents = np.concatenate(all_headings), np.concatenate(all_parents)
    steps: list[float] = []
    while best > 0:
        steps.append(yaw + float(headings[best]) * turn)
        best = int(parents[best])
    return steps[::-1]


def _are_free(
    finder: PathFinder,
    x: Float64[np.ndarray, "n"],
    z: Float64[np.ndarray, "n"],
    dx: Float64[np.ndarray, "n k"],
    dz: Float64[np.ndarray, "n k"],
    bumps: Sequence[tuple[float, float]],
    may_begin_off: bool,
) -> Bool[np.ndarray, "n k"]:
    """Which steps stay on the map and clear of bumps; those that begin off the map need only end on it."""
    parts = np.arange(1, _PARTS + 1) / _PARTS
    way_x, way_z = x[:, None, None] + dx[..., None] * parts, z[:, None, None] + dz[..., None] * parts
    is_open = _open(finder, way_x, way_z)
    is_free = is_open[..., -1] if may_begin_off and not _open(finder, x, z).all() else is_open.all(axis=-1)
    for bump_x, bump_z in bumps:
        is_free &= (np.hypot(way_x - bump_x, way_z - bump_z) >= _CLEAR_M).all(axis=-1)
    return np.asarray(is_free)


def _open(finder: PathFinder, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    rows, columns, inside = _cells(finder, x, z)
    return np.asarray(finder.navigable[rows, columns] & inside)


def _at(field: np.ndarray, finder: PathFinder, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Values of a field at points; where the nearest cells have none, infinite."""
    rows, columns, _ = _cells(finder, x, z)
    values = field[rows, columns]
    if np.isinf(values).any():  # beside the map by a cell
        padded = np.pad(field, 1, constant_values=np.inf)
        near = np.min([padded[rows + i, columns + j] for i in range(3) for j in range(3)], axis=0) + CELL_M
        values = np.where(np.isinf(values), near, values)
    return np.asarray(values)


def _cells(finder: PathFinder, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    num_rows, num_columns = finder.navigable.shape
    rows = np.floor((z - finder.origin_m[1]) / CELL_M).astype(int)
    columns = np.floor((x - finder.origin_m[0]) / CELL_M).astype(int)
    inside = (rows >= 0) & (rows < num_rows) & (columns >= 0) & (columns < num_columns)
    return np.clip(rows, 0, num_rows - 1), np.clip(columns, 0, num_columns - 1), inside
