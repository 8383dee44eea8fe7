"""Where an agent can stand and how it gets from here to there, on a grid; shaped like `habitat_sim.PathFinder`."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64

__all__ = ["PathFinder", "ShortestPath"]

CELL_M = 0.05
_STEPS = tuple((dr, dc, math.hypot(dr, dc) * CELL_M) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc)


@dataclass(slots=True)
class ShortestPath:
    """A question and its answer, as in `habitat_sim.ShortestPath`: fill the ends, call `PathFinder.find_path`.

    Args:
        requested_start: Point (x, y, z), metres.
        requested_end: Point (x, y, z), metres.
        points: Corners of the way found, from start to end.
        geodesic_distance: Its length in metres; infinite when there is none.
    """

    requested_start: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0)
    requested_end: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0)
    points: list[np.ndarray] = field(default_factory=list)
    geodesic_distance: float = math.inf


class PathFinder:
    """Navigable floor of one level.

    Args:
        free: True where nothing stands on the floor; rows run along z, columns along x.
        agent_radius_m: The agent is a disc of this radius.
        origin_m: World (x, z) of the corner of cell (0, 0).
        height_m: Height of the floor.

    Example:
        >>> import numpy as np
        >>> finder = PathFinder(np.pad(np.ones((60, 60), bool), 1), 0.18)
        >>> path = ShortestPath((0.5, 0.0, 0.5), (2.5, 0.0, 0.5))
        >>> finder.find_path(path), round(path.geodesic_distance, 2)
        (True, 2.0)
    """

    def __init__(
        self,
        free: Bool[np.ndarray, "rows columns"],
        agent_radius_m: float = 0.18,
        origin_m: tuple[float, float] = (0.0, 0.0),
        height_m: float = 0.0,
    ) -> None:
        if free.ndim != 2 or free.size == 0:
            raise ValueError(f"free must be a grid (rows, columns), got shape {free.shape}")
        self.free = np.asarray(free, bool)
        self.agent_radius_m, self.origin_m, self.height_m = agent_radius_m, origin_m, height_m
        padded = np.pad(self.free, 1).astype(np.uint8)
        distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        # From the cell's centre to the edge of the nearest blocked cell.
        self._clearance: Float32[np.ndarray, "rows columns"] = (
            np.maximum(distance - 0.5, 0.0).astype(np.float32) * CELL_M
        )
        self.navigable = (self._clearance >= agent_radius_m) & self.free
        self._cost: np.ndarray | None = None
        self._rng = np.random.default_rng(0)
        self._settle()

    def _settle(self) -> None:
        """Forget what followed from another `navigable`."""
        self._routes: OrderedDict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = OrderedDict()
        for name in ("islands", "_island_cells", "_graph"):
            self.__dict__.pop(name, None)

    @cached_property
    def islands(self) -> Int32[np.ndarray, "rows columns"]:
        """Number of the island of each cell, 0 where the agent cannot stand."""
        _, islands = cv2.connectedComponents(self.navigable.astype(np.uint8), connectivity=4)
        return np.asarray(islands, np.int32)

    @cached_property
    def _island_cells(self) -> Int64[np.ndarray, "islands"]:
        counts = np.bincount(self.islands.ravel())
        counts[0] = 0
        return np.asarray(counts)

    @property
    def largest_island(self) -> int:
        """Number of the island with the most cells."""
        return int(self._island_cells.argmax())

    def restricted(self, allowed: Bool[np.ndarray, "rows columns"]) -> PathFinder:
        """The same floor, but the agent's centre must stay on the `allowed` cells.

        Example:
            >>> finder = PathFinder(np.pad(np.ones((60, 60), bool), 1))
            >>> finder.restricted(np.arange(62)[None] + 0 * np.arange(62)[:, None] < 20).is_navigable((1.5, 0.0, 1.5))
            False
        """
        if allowed.shape != self.navigable.shape:
            raise ValueError(f"allowed must have the grid's shape {self.navigable.shape}, got {allowed.shape}")
        other = copy.copy(self)
        other.navigable = self.navigable & allowed
        other._settle()
        return other

    def weighted(self, cost: Float[np.ndarray, "rows columns"]) -> PathFinder:
        """The same floor, where a metre counts for as many as `cost` says, so that a detour may be worth it.

        `distance_field` and `cells_to` heed it; `find_path` still pulls its string straight.

        Example:
            >>> finder = PathFinder(np.pad(np.ones((20, 20), bool), 1), agent_radius_m=0.0)
            >>> dear = finder.weighted(np.full((22, 22), 3.0))
            >>> a, b = (0.33, 0.0, 0.53), (0.83, 0.0, 0.53)
            >>> [round(float(one.distance_field(a)[one.cell(b[0], b[2])]), 2) for one in (finder, dear)]
            [0.5, 1.5]
        """
        if cost.shape != self.navigable.shape or not (cost > 0).all():
            raise ValueError(
                f"cost must be positive and have the grid's shape {self.navigable.shape}, got {cost.shape}"
            )
        other = copy.copy(self)
        other._cost = np.asarray(cost, np.float64)
        other._settle()
        return other

    def has_clearance(self, radius_m: float) -> Bool[np.ndarray, "rows columns"]:
        """Cells from whose middle nothing that blocks is nearer than so."""
        return np.asarray(self._clearance >= radius_m)

    def cells_to(
        self, start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray
    ) -> Int64[np.ndarray, "n 2"]:
        """Rows and columns of the cells on the cheapest way between two points, snapped; none where there is no way."""
        start, end = self.snap_point(start), self.snap_point(end)
        if np.isnan(start).any() or np.isnan(end).any() or self.get_island(start) != self.get_island(end):
            return np.zeros((0, 2), np.int64)
        _, towards = self._route(self.cell(end[0], end[2]))
        row, column = self.cell(start[0], start[2])
        at, way = row * self.navigable.shape[1] + column, []
        while at >= 0:
            way.append(divmod(at, self.navigable.shape[1]))
            at = int(towards[way[-1]])
        return np.array(way, np.int64)

    @property
    def is_loaded(self) -> bool:
        """Whether there is anywhere to stand."""
        return bool(self.navigable.any())

    @property
    def navigable_area(self) -> float:
        """Square metres on which the agent's centre can stand."""
        return float(self.navigable.sum()) * CELL_M**2

    @property
    def largest_share(self) -> float:
        """Share of the navigable cells that lie in the largest island."""
        total = int(self._island_cells.sum())
        return float(self._island_cells[self.largest_island]) / total if total else 0.0

    def seed(self, seed: int) -> None:
        """Restart the generator of `get_random_navigable_point`."""
        self._rng = np.random.default_rng(seed)

    def get_bounds(self) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Lowest and highest corner of the level, metres."""
        rows, columns = self.free.shape
        x, z = self.origin_m
        return np.array([x, self.height_m, z]), np.array([x + columns * CELL_M, self.height_m, z + rows * CELL_M])

    def cell(self, x: float, z: float) -> tuple[int, int]:
        """Row and column of a point."""
        return math.floor((z - self.origin_m[1]) / CELL_M), math.floor((x - self.origin_m[0]) / CELL_M)

    def is_navigable(self, point: Sequence[float] | np.ndarray, max_y_delta: float = 0.5) -> bool:
        """Whether the agent can stand at a point, not further than `max_y_delta` above or below the floor."""
        x, y, z = (float(v) for v in point)
        return abs(y - self.height_m) <= max_y_delta and self._open(x, z)

    def _open(self, x: float, z: float) -> bool:
        row, column = self.cell(x, z)
        rows, columns = self.navigable.shape
        return 0 <= row < rows and 0 <= column < columns and bool(self.navigable[row, column])

    def snap_point(self, point: Sequence[float] | np.ndarray, island_index: int = -1) -> Float64[np.ndarray, "3"]:
        """Nearest navigable point (of one island where given); NaN when there is none."""
        x, _, z = (float(v) for v in point)
        if island_index < 0 and self._open(x, z):
            return np.array([x, self.height_m, z])
        rows, columns = np.nonzero(self.navigable if island_index < 0 else self.islands == island_index)
        if not len(rows):
            return np.full(3, np.nan)
        cx, cz = (columns + 0.5) * CELL_M + self.origin_m[0], (rows + 0.5) * CELL_M + self.origin_m[1]
        best = int(((cx - x) ** 2 + (cz - z) ** 2).argmin())
        return np.array([cx[best], self.height_m, cz[best]])

    def get_island(self, point: Sequence[float] | np.ndarray) -> int:
        """Number of the island that holds a point; 0 where the agent cannot stand."""
        row, column = self.cell(float(point[0]), float(point[2]))
        rows, columns = self.navigable.shape
        return int(self.islands[row, column]) if 0 <= row < rows and 0 <= column < columns else 0

    def island_radius(self, point: Sequence[float] | np.ndarray) -> float:
        """Radius in metres of a circle around the island's cells; 0 where the agent cannot stand."""
        number = self.get_island(point)
        if number == 0:
            return 0.0
        rows, columns = np.nonzero(self.islands == number)
        return float(
            np.hypot(rows - (rows.min() + rows.max()) / 2, columns - (columns.min() + columns.max()) / 2).max() * CELL_M
        )

    def distance_to_closest_obstacle(
        self, point: Sequence[float] | np.ndarray, max_search_radius: float = 2.0
    ) -> float:
        """Metres from a point to what blocks the floor, at most `max_search_radius`; 0 outside.

        Measured from the middle of the point's cell; up to 0.2 cells (1 cm) too long towards the corner of an obstacle.
        """
        row, column = self.cell(float(point[0]), float(point[2]))
        rows, columns = self.free.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return 0.0
        return float(min(self._clearance[row, column], max_search_radius))

    def get_random_navigable_point(self, max_tries: int = 10, island_index: int = -1) -> Float64[np.ndarray, "3"]:
        """A uniformly drawn point where the agent can stand, in the largest island unless one is named.

        `max_tries` is accepted for habitat_sim's sake; one try always suffices here.
        """
        rows, columns = np.nonzero(self.islands == (self.largest_island if island_index < 0 else island_index))
        if not len(rows):
            return np.full(3, np.nan)
        pick = int(self._rng.integers(len(rows)))
        dx, dz = self._rng.random(2)
        return np.array(
            [
                (columns[pick] + dx) * CELL_M + self.origin_m[0],
                self.height_m,
                (rows[pick] + dz) * CELL_M + self.origin_m[1],
            ]
        )

    def get_topdown_view(
        self, meters_per_pixel: float, height: float = 0.0, eps: float = 0.5
    ) -> Bool[np.ndarray, "rows columns"]:
        """Map of where the agent can stand; rows along z, columns along x, from `get_bounds()[0]`."""
        if meters_per_pixel <= 0:
            raise ValueError(f"meters_per_pixel must be positive, got {meters_per_pixel}")
        rows, columns = self.free.shape
        h, w = max(1, round(rows * CELL_M / meters_per_pixel)), max(1, round(columns * CELL_M / meters_per_pixel))
        if abs(height - self.height_m) > eps:
            return np.zeros((h, w), bool)
        r = np.minimum(((np.arange(h) + 0.5) * meters_per_pixel / CELL_M).astype(int), rows - 1)
        c = np.minimum(((np.arange(w) + 0.5) * meters_per_pixel / CELL_M).astype(int), columns - 1)
        return np.asarray(self.navigable[np.ix_(r, c)])

    def find_path(self, path: ShortestPath) -> bool:
        """Fill in the shortest way between the two ends, each snapped to where the agent can stand.

        Works on any object with the fields of `ShortestPath`, so habitat_sim's own fits.
        """
        start, end = self.snap_point(path.requested_start), self.snap_point(path.requested_end)
        path.points, path.geodesic_distance = [], math.inf
        if np.isnan(start).any() or np.isnan(end).any() or self.get_island(start) != self.get_island(end):
            return False
        _, towards = self._route(self.cell(end[0], end[2]))
        cell = self.cell(start[0], start[2])
        # By way of the middle of its own cell, since a straight line to the next one could cut a corner.
        way = [start, self._middle(cell)]
        columns = self.navigable.shape[1]
        at = int(towards[cell])
        while at >= 0:
            cell = divmod(at, columns)
            way.append(self._middle(cell))
            at = int(towards[cell])
        way.append(end)
        path.points = self._tighten(way)
        path.geodesic_distance = float(
            sum(np.linalg.norm(b - a) for a, b in zip(path.points[:-1], path.points[1:], strict=True))
        )
        return True

    def geodesic_distance(self, start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray) -> float:
        """Length in metres of the shortest way; infinite when there is none."""
        path = ShortestPath(start, end)
        self.find_path(path)
        return path.geodesic_distance

    def _middle(self, cell: tuple[int, int]) -> Float64[np.ndarray, "3"]:
        x, z = (cell[1] + 0.5) * CELL_M + self.origin_m[0], (cell[0] + 0.5) * CELL_M + self.origin_m[1]
        return np.array([x, self.height_m, z])

    def distance_field(
        self, point: Sequence[float] | np.ndarray, limit_m: float = math.inf
    ) -> Float64[np.ndarray, "rows columns"]:
        """Metres from every cell to a point (snapped) over eight neighbours; infinite where no way leads.

        Up to 8 % longer than the straight way, as steps go in eight directions only. Cells further off than `limit_m`
        count as infinitely far. A few milliseconds for a house.
        """
        end = self.snap_point(point)
        if np.isnan(end).any():
            return np.full(self.free.shape, np.inf)
        cell = self.cell(end[0], end[2])
        return (self._route(cell) if limit_m == math.inf else self._flood(cell, limit_m))[0].copy()

    def _route(self, goal: tuple[int, int]) -> tuple[Float64[np.ndarray, "r c"], Int64[np.ndarray, "r c"]]:
        """Distance of every cell to the goal, and the next cell on the way (flat index); the last 64 goals are kept."""
        if goal in self._routes:
            self._routes.move_to_end(goal)
            return self._routes[goal]
        route = self._routes[goal] = self._flood(goal, math.inf)
        if len(self._routes) > 64:
            self._routes.popitem(last=False)
        return route

    def _flood(
        self, goal: tuple[int, int], limit_m: float
    ) -> tuple[Float64[np.ndarray, "r c"], Int64[np.ndarray, "r c"]]:
        """Dijkstra over the graph of navigable cells."""
        from scipy.sparse.csgraph import dijkstra  # takes a third of a second to import: not before it is needed

        cells = np.flatnonzero(self.navigable)
        source = int(np.searchsorted(cells, goal[0] * self.navigable.shape[1] + goal[1]))
        lengths, before = dijkstra(self._graph, indices=source, limit=limit_m, return_predecessors=True)
        distance, towards = np.full(self.navigable.shape, np.inf), np.full(self.navigable.shape, -1)
        distance[self.navigable] = lengths
        towards[self.navigable] = np.where(before >= 0, cells[np.maximum(before, 0)], -1)
        return distance, towards

    @cached_property
    def _graph(self) -> Any:
        """Navigable cells, numbered row by row, with the lengths of the steps between them; no step cuts a corner."""
        from scipy.sparse import csr_array

        width = self.navigable.shape[1] + 2
        padded = np.pad(self.navigable, 1).ravel()
        cells = np.flatnonzero(padded)
        number = np.zeros(len(padded), np.int32)
        number[cells] = np.arange(len(cells), dtype=np.int32)
        offsets = np.array([dr * width + dc for dr, dc, _ in _STEPS])
        targets = cells[:, None] + offsets
        is_open = padded[targets]
        for k, (dr, dc, _) in enumerate(_STEPS):
            if dr and dc:
                is_open[:, k] &= padded[cells + dr * width] & padded[cells + dc]
        starts = np.concatenate([[0], np.cumsum(is_open.sum(axis=1))]).astype(np.int32)
        lengths = np.broadcast_to(np.array([cost for _, _, cost in _STEPS]), is_open.shape)
        if self._cost is not None:
            cost = np.pad(self._cost, 1).ravel()
            lengths = lengths * (cost[cells][:, None] + cost[targets]) / 2
        return csr_array((lengths[is_open], number[targets[is_open]], starts), shape=(len(cells), len(cells)))

    def _sees(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Whether the agent can walk the straight line from `a` to `b`."""
        start = np.array([a[0] - self.origin_m[0], a[2] - self.origin_m[1]]) / CELL_M
        along = np.array([b[0] - a[0], b[2] - a[2]]) / CELL_M
        # A hair to both sides, so that a line exactly through the corner of four cells needs all that it touches.
        hair = np.array([-along[1], along[0]]) * (1e-4 / max(float(np.hypot(*along)), 1e-9))
        return self._crosses_open(start + hair, along) and self._crosses_open(start - hair, along)

    def _crosses_open(self, start: np.ndarray, along: np.ndarray) -> bool:
        """Whether every cell that a segment (in cells) crosses is navigable."""
        cuts = [np.array([0.0, 1.0])]
        for axis in (0, 1):
            low, high = sorted((float(start[axis]), float(start[axis] + along[axis])))
            if high - low > 1e-9:
                cuts.append((np.arange(math.ceil(low), math.floor(high) + 1) - start[axis]) / along[axis])
        # Between two crossings of grid lines the segment stays in one cell: its middle tells which.
        t = np.sort(np.clip(np.concatenate(cuts), 0.0, 1.0))
        columns, rows = np.floor(start[:, None] + along[:, None] * (t[:-1] + t[1:]) / 2).astype(int)
        return bool(self.navigable[rows, columns].all())

    def _tighten(self, way: list[np.ndarray]) -> list[np.ndarray]:
        """Pull the string: keep only the corners that the straight line cannot skip."""
        points, at = [way[0]], 0
        while at < len(way) - 1:
            reach, step = at + 1, 1
            while reach + step < len(way) and self._sees(way[at], way[reach + step]):
                reach += step
                step *= 2
            while step >= 1:
                if reach + step < len(way) and self._sees(way[at], way[reach + step]):
                    reach += step
                step //= 2
            points.append(way[reach])
            at = reach
        return points
