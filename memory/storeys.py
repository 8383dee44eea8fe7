"""One floor: what one agent knows of it and how high it lies, and what all agents together know."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from placecell.memory.occupancy import Grid, floor_areas, sweep
from placecell.pathfinder import CELL_M
from placecell.perception.scan import Scan

__all__ = ["FLOOR_M2", "KEPT_VIEWS", "Floor", "Level", "Storey", "merged"]

_BIN_M: Final = 0.02  # of the histogram of heights
_SETTLE: Final = 64  # records after which the height of a floor is settled
FLOOR_M2: Final = 0.5  # seen of a level before it may be the floor
_FRESH_S: Final = 60.0  # evidence of one agent that is older than another's by more does not count
_AROUND: Final = 20  # cells of the unknown shown around what is known
KEPT_VIEWS: Final = 1024  # kept of a floor at least, before the needless ones are dropped


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What is known of one floor; rows run along z, columns along x; a cell that is neither is unknown.

    Args:
        number: 0 for the lowest.
        height_m: Height of the floor.
        origin_m: World (x, z) of the corner of cell (0, 0).
        free: Nothing stands here.
        occupied: Something stands here, or there is no floor.
        wall: Something here is as high as walls are.
        cell_m: Side of a cell.
    """

    number: int
    height_m: float
    origin_m: tuple[float, float]
    free: Bool[np.ndarray, "rows columns"]
    occupied: Bool[np.ndarray, "rows columns"]
    wall: Bool[np.ndarray, "rows columns"]
    cell_m: float = CELL_M

    def cell(self, x: float, z: float) -> tuple[int, int]:
        """Row and column of a point, which may lie outside."""
        return math.floor((z - self.origin_m[1]) / self.cell_m), math.floor((x - self.origin_m[0]) / self.cell_m)

    def point(self, row: int, column: int) -> Float64[np.ndarray, "3"]:
        """Middle of a cell, on the floor."""
        x, z = self.origin_m
        return np.array([x + (column + 0.5) * self.cell_m, self.height_m, z + (row + 0.5) * self.cell_m])


@dataclass(slots=True)
class Storey:
    """One agent's evidence about one floor."""

    grid: Grid = field(default_factory=Grid)
    height_m: float | None = None
    camera_m: float = 0.0  # height of the camera while the agent is here
    areas: dict[int, tuple[float, float]] = field(default_factory=dict)  # per bin of height: area, and area x height
    early: list[tuple[Scan, np.ndarray, float, int]] = field(default_factory=list)
    is_settled: bool = False
    views: list[int] = field(default_factory=list)
    max_views: int = KEPT_VIEWS

    def learn(self, scan: Scan, pose: Float64[np.ndarray, "4 4"], stamp_s: float, view: int) -> bool:
        """Add a scan; False if it lies too far from everything else to be true.

        The height of the floor may change while it is not settled; what was added before is then added anew.
        """
        if not self.is_settled:
            heights, areas = floor_areas(scan, pose)
            values, where = np.unique(np.floor(heights / _BIN_M).astype(np.int64), return_inverse=True)
            sums = np.bincount(where, areas), np.bincount(where, areas * heights)
            for number, area, moment in zip(values.tolist(), sums[0].tolist(), sums[1].tolist(), strict=True):
                before = self.areas.get(number, (0.0, 0.0))
                self.areas[number] = before[0] + area, before[1] + moment
            self.early.append((scan, pose, stamp_s, view))
            level = _lowest_level(self.areas)
            if level is not None and (self.height_m is None or abs(level - self.height_m) > 0.03):
                self.height_m, self.grid = level, Grid()
                for early in self.early[:-1]:
                    self.grid.add(sweep(early[0], early[1], level), early[2], early[3])
            if len(self.early) >= _SETTLE:
                if self.height_m is None:
                    del self.early[0]
                else:
                    self.camera_m = float(np.median([early[1][1, 3] for early in self.early]))
                    self.early, self.areas, self.is_settled = [], {}, True
        return self.height_m is None or self.grid.add(sweep(scan, pose, self.height_m), stamp_s, view)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """All agents' evidence about one floor."""

    floor: Floor
    first_s: np.ndarray
    view: np.ndarray
    quality: np.ndarray
    storeys: tuple[Storey, ...]


def _lowest_level(areas: dict[int, tuple[float, float]]) -> float | None:
    """Height of the lowest level surface of note; None before enough is seen."""
    if not areas:
        return None
    low, high = min(areas) - 3, max(areas) + 4
    area, moment = np.zeros(high - low), np.zeros(high - low)
    where = [number - low for number in areas]
    area[where], moment[where] = np.array(list(areas.values())).T
    smooth = np.convolve(area, np.ones(5), "same")
    candidates = np.flatnonzero(smooth >= max(FLOOR_M2, 0.25 * float(smooth.max())))
    if not candidates.size:
        return None
    first = int(candidates[0])
    top = first + int(smooth[first : first + 5].argmax())
    part = slice(max(top - 2, 0), top + 3)
    return float(moment[part].sum() / area[part].sum())


def merged(number: int, storeys: list[Storey]) -> Level:
    """Evidence of several agents: the sum, without what is much older than another's."""
    grids = [storey.grid for storey in storeys]
    heights = [storey.height_m for storey in storeys if storey.height_m is not None]
    row, column = min(grid.row for grid in grids), min(grid.column for grid in grids)
    shape = (
        max(grid.row + grid.shape[0] for grid in grids) - row,
        max(grid.column + grid.shape[1] for grid in grids) - column,
    )
    if len(grids) == 1:
        grid = grids[0]
        score, wall, assumed = grid.score, grid.wall, grid.assumed
        first_s, view, quality = grid.first_s, grid.view, grid.quality
    else:
        newest = np.full(shape, -np.inf, np.float32)
        places = [
            np.s_[
                grid.row - row : grid.row - row + grid.shape[0],
                grid.column - column : grid.column - column + grid.shape[1],
            ]
            for grid in grids
        ]
        for grid, at in zip(grids, places, strict=True):
            np.maximum(newest[at], grid.last_s, out=newest[at])
        score, wall, assumed = np.zeros(shape, np.int16), np.zeros(shape, np.int16), np.zeros(shape, bool)
        first_s, view = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
        quality = np.zeros(shape, np.float32)
        for grid, at in zip(grids, places, strict=True):
            is_fresh = grid.last_s >= newest[at] - np.float32(_FRESH_S)
            score[at] += np.where(is_fresh, grid.score, 0)
            wall[at] += grid.wall
            assumed[at] |= grid.assumed
            np.minimum(first_s[at], grid.first_s, out=first_s[at])
            better = grid.quality > quality[at]
            view[at][better], quality[at][better] = grid.view[better], grid.quality[better]
    free = (score < 0) | (assumed & (score == 0))
    occupied = score > 0
    cut = tuple(_extent(free | occupied, axis) for axis in (1, 0))
    origin_m = (column + cut[1].start) * CELL_M, (row + cut[0].start) * CELL_M
    floor = Floor(number, float(np.mean(heights)), origin_m, free[cut], occupied[cut], wall[cut] > 0)
    return Level(floor, first_s[cut], view[cut], quality[cut], tuple(storeys))


def _extent(known: Bool[np.ndarray, "rows columns"], axis: int) -> slice:
    """Where along the other axis anything is known, and a metre around it as far as the grid reaches."""
    where = np.flatnonzero(known.any(axis=axis))
    low, high = (int(where[0]), int(where[-1])) if len(where) else (0, 0)
    return slice(max(low - _AROUND, 0), high + _AROUND + 1)
