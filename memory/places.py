"""The place map: floors with what is free on them, frontiers, rooms and doors; a fold over records."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from placecell.geometry import check_pose
from placecell.memory.floor_plan import FloorPlan, RoomBook, floor_of, place_graph
from placecell.memory.frontiers import BEHIND_M, Frontier, View, borders, glimpse_of, match
from placecell.memory.occupancy import Grid, floor_areas, sweep
from placecell.memory.records import Record, RecordId
from placecell.memory.room_names import Namer
from placecell.memory.rooms import Door, Room
from placecell.pathfinder import CELL_M, PathFinder
from placecell.perception.scan import Scan

if TYPE_CHECKING:
    import networkx

    from placecell.memory.object_states import SceneObject

__all__ = ["Door", "Floor", "Frontier", "Places", "Room"]

BIN_M: Final = 0.02  # of the histogram of heights
STOREY_M: Final = 1.2  # a camera that rose or sank by more, with floor below it, is on another floor
_SAME_STOREY_M: Final = 0.6
_SETTLE: Final = 64  # records after which the height of a floor is settled
_FLOOR_M2: Final = 0.5  # seen of a level before it may be the floor
_CANDIDATES: Final = 4  # views looked at to find a frontier's glimpse
_AROUND: Final = 20  # cells of the unknown shown around what is known
_VIEWS: Final = 1024  # kept of a floor at least, before the needless ones are dropped
_STEP_M: Final = 1.5  # two records of one walk are not further apart
_FRESH_S: Final = 60.0  # evidence of one agent that is older than another's by more does not count


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
class _Storey:
    """One agent's evidence about one floor."""

    grid: Grid = field(default_factory=Grid)
    height_m: float | None = None
    camera_m: float = 0.0  # height of the camera while the agent is here
    areas: dict[int, tuple[float, float]] = field(default_factory=dict)  # per bin of height: area, and area x height
    early: list[tuple[Scan, np.ndarray, float, int]] = field(default_factory=list)
    is_settled: bool = False
    views: list[int] = field(default_factory=list)
    max_views: int = _VIEWS


@dataclass(slots=True)
class _Walker:
    """What is kept of one agent."""

    storeys: list[_Storey] = field(default_factory=list)
    position_m: np.ndarray | None = None
    stamp_s: float = -math.inf
    on: _Storey | None = None  # the last floor that it was on
    left_m: np.ndarray | None = None  # where it left that floor


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """All agents' evidence about one floor."""

    floor: Floor
    first_s: np.ndarray
    view: np.ndarray
    quality: np.ndarray
    storeys: tuple[_Storey, ...]


class Places:
    """Floors, frontiers, rooms and doors, from the scans of all agents.

    The answers depend on the records only, not on how those of several agents interleave; names of frontiers
    are given when somebody looks and stay while the frontier does.

    Example:
        >>> import numpy as np
        >>> from placecell.geometry import Camera, pose_from
        >>> from placecell.perception.scene import Scene
        >>> places = Places()
        >>> camera, pose = Camera(96, 96), pose_from(np.array([0.0, 1.0, 0.0]), 0.0)
        >>> down = -camera.directions()[..., 1]
        >>> depth = np.where(down > 0.25, 1 / np.maximum(down, 0.01), 0).astype(np.float32)
        >>> scene = Scene.of(camera, scan=Scan.from_depth(depth, camera))
        >>> places.fold(Record("robot", 0, "moment", 0.0, 0.0, pose=pose, scene=scene))
        >>> abs(places.floors[0].height_m) < 0.01, len(places.frontiers()) > 0
        (True, True)
    """

    def __init__(self) -> None:
        self.version = 0
        self._walkers: dict[str, _Walker] = {}
        self._views: dict[int, View] = {}
        self._num_views = 0
        self._levels: tuple[int, list[_Level]] = (-1, [])
        self._finders: OrderedDict[tuple[int, int, float, bool], PathFinder] = OrderedDict()
        self._seen: tuple[int, float, list[Frontier]] = (-1, 0.0, [])
        self._next_id = 0
        self._plans: tuple[int, list[FloorPlan]] = (-1, [])
        self._book = RoomBook()
        self._stairs: list[tuple[_Storey, _Storey, np.ndarray, np.ndarray]] = []

    # --- folding ---------------------------------------------------------------------------------------------------

    def fold(self, record: Record) -> None:
        """Take in a record; one without scan or pose changes nothing."""
        scan, pose = record.scan, record.pose
        if scan is None or pose is None or scan.num_known == 0:
            return
        try:
            pose = check_pose(pose)
        except ValueError:
            return
        walker = self._walkers.setdefault(record.agent_id, _Walker())
        storey = self._storey_of(walker, scan, pose)
        if walker.position_m is not None and float(np.linalg.norm(pose[:3, 3] - walker.position_m)) > _STEP_M:
            walker.on, walker.left_m = None, None  # carried, or lost: no stairs lead here
        if storey is not None:
            if walker.on is not None and walker.on is not storey and walker.left_m is not None:
                self._stairs.append((walker.on, storey, walker.left_m, pose[:3, 3].copy()))
            number = self._num_views
            if not self._learn(storey, scan, pose, record.stamp_s, number):
                return
            self._num_views += 1
            self._views[number] = View(record.record_id, pose, scan.camera)
            storey.views.append(number)
            if storey.is_settled and len(storey.views) > storey.max_views:
                self._thin(storey)
            walker.on, walker.left_m = storey, pose[:3, 3].copy()
        walker.position_m, walker.stamp_s = pose[:3, 3].copy(), record.stamp_s
        self.version += 1

    def _thin(self, storey: _Storey) -> None:
        """Drop the views that are the best of no cell, so that a long life in one house fills no memory."""
        best = set(np.unique(storey.grid.view).tolist())
        for number in storey.views:
            if number not in best:
                del self._views[number]
        storey.views = [number for number in storey.views if number in best]
        storey.max_views = 2 * len(storey.views) + _VIEWS

    def _storey_of(self, walker: _Walker, scan: Scan, pose: Float64[np.ndarray, "4 4"]) -> _Storey | None:
        """The floor that the camera is over, a new one, or None on the stairs."""
        height = float(pose[1, 3])
        if not walker.storeys:
            walker.storeys.append(_Storey(camera_m=height))
            return walker.storeys[0]
        nearest = min(walker.storeys, key=lambda storey: abs(height - storey.camera_m))
        off = abs(height - nearest.camera_m)
        if off < _SAME_STOREY_M or nearest.height_m is None:
            return nearest
        if off < STOREY_M:
            return None
        heights, areas = floor_areas(scan, pose)
        expected = height - (nearest.camera_m - nearest.height_m)
        if float(areas[np.abs(heights - expected) < 0.12].sum()) < _FLOOR_M2 * 0.6:
            return None
        walker.storeys.append(_Storey(camera_m=height))
        return walker.storeys[-1]

    def _learn(self, storey: _Storey, scan: Scan, pose: Float64[np.ndarray, "4 4"], stamp_s: float, view: int) -> bool:
        if not storey.is_settled:
            heights, areas = floor_areas(scan, pose)
            values, where = np.unique(np.floor(heights / BIN_M).astype(np.int64), return_inverse=True)
            sums = np.bincount(where, areas), np.bincount(where, areas * heights)
            for number, area, moment in zip(values.tolist(), sums[0].tolist(), sums[1].tolist(), strict=True):
                before = storey.areas.get(number, (0.0, 0.0))
                storey.areas[number] = before[0] + area, before[1] + moment
            storey.early.append((scan, pose, stamp_s, view))
            level = _lowest_level(storey.areas)
            if level is not None and (storey.height_m is None or abs(level - storey.height_m) > 0.03):
                storey.height_m, storey.grid = level, Grid()
                for early in storey.early[:-1]:
                    storey.grid.add(sweep(early[0], early[1], level), early[2], early[3])
            if len(storey.early) >= _SETTLE:
                if storey.height_m is None:
                    del storey.early[0]
                else:
                    storey.camera_m = float(np.median([early[1][1, 3] for early in storey.early]))
                    storey.early, storey.areas, storey.is_settled = [], {}, True
        return storey.height_m is None or storey.grid.add(sweep(scan, pose, storey.height_m), stamp_s, view)

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def floors(self) -> list[Floor]:
        """Floors from the lowest up."""
        return [level.floor for level in self._all_levels()]

    def _all_levels(self) -> list[_Level]:
        if self._levels[0] != self.version:
            pieces = sorted(
                (storey.height_m, agent_id, number, storey)
                for agent_id, walker in self._walkers.items()
                for number, storey in enumerate(walker.storeys)
                if storey.height_m is not None and storey.grid.score.size
            )
            groups: list[list[_Storey]] = []
            before = -math.inf
            for height, _, _, storey in pieces:
                if height - before > _SAME_STOREY_M:
                    groups.append([])
                groups[-1].append(storey)
                before = height
            self._levels = self.version, [_merged(number, group) for number, group in enumerate(groups)]
        return self._levels[1]

    def _here(self) -> int:
        """Number of the floor of the agent that was heard of last."""
        levels = self._all_levels()
        latest = max(((walker.stamp_s, agent_id) for agent_id, walker in self._walkers.items()), default=(0.0, ""))
        on = self._walkers[latest[1]].on if latest[1] in self._walkers else None
        return next((level.floor.number for level in levels if any(on is storey for storey in level.storeys)), 0)

    def pathfinder(
        self, agent_radius_m: float = 0.18, floor: int | None = None, optimistic: bool = False
    ) -> PathFinder:
        """Ways over the known map.

        Args:
            agent_radius_m: The agent is a disc of this radius.
            floor: Number of the floor; None for that of the agent heard of last.
            optimistic: Whether the unknown counts as free.

        Raises:
            ValueError: If nothing is known of that floor.
        """
        levels = self._all_levels()
        number = self._here() if floor is None else floor
        if not 0 <= number < len(levels):
            raise ValueError(f"floor must be one of the {len(levels)} known floors, counted from 0, got {number}")
        key = (self.version, number, agent_radius_m, optimistic)
        if key not in self._finders:
            known = levels[number].floor
            free = ~known.occupied if optimistic else known.free
            self._finders[key] = PathFinder(free, agent_radius_m, known.origin_m, known.height_m)
            while len(self._finders) > 8:
                self._finders.popitem(last=False)
        return self._finders[key]

    def frontiers(self, agent_radius_m: float = 0.18) -> list[Frontier]:
        """Where reachable known floor borders on the unknown, on every floor that an agent has been on."""
        if self._seen[:2] != (self.version, agent_radius_m):
            found = [frontier for level in self._all_levels() for frontier in self._frontiers_of(level, agent_radius_m)]
            named, self._next_id = match(found, self._seen[2], self._next_id)
            self._seen = self.version, agent_radius_m, named
        return list(self._seen[2])

    def _frontiers_of(self, level: _Level, agent_radius_m: float) -> list[Frontier]:
        floor = level.floor
        places = [
            floor.cell(float(walker.left_m[0]), float(walker.left_m[2]))
            for _, walker in sorted(self._walkers.items())
            if walker.left_m is not None and any(walker.on is storey for storey in level.storeys)
        ]
        known = self.pathfinder(agent_radius_m, floor.number)
        possible = self.pathfinder(agent_radius_m, floor.number, optimistic=True)
        found = []
        for border in borders(floor.free, known, possible, places):
            dz, dx = border.outward
            rows, columns = border.cells.T
            middle = floor.point(int(border.middle[0]), int(border.middle[1]))
            direction = math.atan2(-dx, -dz)
            glimpse = self._glimpse(level, border.cells, direction)
            found.append(
                Frontier(
                    -1,
                    floor.point(*border.stand),
                    middle,
                    direction,
                    len(border.cells) * CELL_M,
                    border.unknown_m2,
                    floor.number,
                    float(level.first_s[rows, columns].min()),
                    *(glimpse or (None, None)),
                )
            )
        return found

    def _glimpse(
        self, level: _Level, cells: np.ndarray, direction_rad: float
    ) -> tuple[RecordId, tuple[float, float, float, float]] | None:
        numbers, quality = level.view[tuple(cells.T)], level.quality[tuple(cells.T)]
        values, where = np.unique(numbers[numbers >= 0], return_inverse=True)
        weights = np.bincount(where, quality[numbers >= 0], len(values))
        x, z = level.floor.origin_m
        points = np.full((len(cells), 3), level.floor.height_m)
        points[:, 0], points[:, 2] = (cells[:, 1] + 0.5) * CELL_M + x, (cells[:, 0] + 0.5) * CELL_M + z
        best = np.argsort(-weights, kind="stable")[:_CANDIDATES]
        return glimpse_of(points, direction_rad, [self._views[int(values[i])] for i in best], weights[best].tolist())

    # --- rooms -------------------------------------------------------------------------------------------------------

    def rooms(self, objects: Iterable[SceneObject] = (), namer: Namer | None = None) -> list[Room]:
        """Rooms of all floors, named by what is in them.

        Args:
            objects: Things, for example `ObjectMap.objects()`.
            namer: Names rooms by the pictures taken in them, see `placecell.memory.room_names.view_namer`.
        """
        floors = self.floors
        on: dict[int | None, list[SceneObject]] = {}
        for thing in objects:
            on.setdefault(floor_of(floors, thing), []).append(thing)
        found = []
        for plan, level in zip(self._all_plans(), self._all_levels(), strict=True):
            views = [] if namer is None else [self._views[i] for storey in level.storeys for i in storey.views]
            found += plan.rooms(on.get(plan.floor.number, ()), views, namer)
        return found

    def doors(self) -> list[Door]:
        """Passages between rooms."""
        return [door for plan in self._all_plans() for door in plan.doors]

    def room_at(
        self, position_m: Sequence[float] | np.ndarray, objects: Iterable[SceneObject] = (), namer: Namer | None = None
    ) -> Room | None:
        """The room that holds a point, or is within half a metre of it; None where there is none."""
        x, y, z = (float(v) for v in position_m)
        floors = [floor for floor in self.floors if floor.height_m - 0.3 <= y]
        if not floors:
            return None
        plan = self._all_plans()[floors[-1].number]
        number = plan.room_number(x, z)
        if not number:
            return None
        return next(room for room in self.rooms(objects, namer) if room.room_id == plan.room_id(number))

    def graph(self, objects: Iterable[SceneObject] = (), namer: Namer | None = None) -> networkx.Graph[str]:
        """Floors, rooms, doors, things and frontiers, tied together; see `place_graph`."""
        things = {thing.object_id: thing for thing in objects}
        plans, frontiers = self._all_plans(), self.frontiers()
        room_of = {}
        for frontier in frontiers:
            plan = plans[frontier.floor]
            number = plan.room_number(float(frontier.middle_m[0]), float(frontier.middle_m[2]))
            if number:
                room_of[frontier.frontier_id] = plan.room_id(number)
        number_of = {id(storey): level.floor.number for level in self._all_levels() for storey in level.storeys}
        stairs = [
            (number_of[id(a)], number_of[id(b)], start, end)
            for a, b, start, end in self._stairs
            if id(a) in number_of and id(b) in number_of
        ]
        rooms = self.rooms(things.values(), namer)
        return place_graph(self.floors, rooms, self.doors(), things, frontiers, room_of, stairs)

    def seen_share(self, agent_radius_m: float = 0.18) -> float:
        """Known floor as a share of itself and of what may lie within 2.5 m behind frontiers; 0 for an empty map."""
        known = possible = 0.0
        for floor in self.floors:
            near = np.zeros(floor.free.shape, np.uint8)
            for frontier in self.frontiers(agent_radius_m):
                if frontier.floor == floor.number:
                    row, column = floor.cell(float(frontier.middle_m[0]), float(frontier.middle_m[2]))
                    cv2.circle(near, (column, row), round(BEHIND_M / CELL_M), 1, -1)
            unknown = self.pathfinder(agent_radius_m, floor.number, optimistic=True).navigable & ~floor.free
            known += float(floor.free.sum())
            possible += float((unknown & (near > 0)).sum())
        return known / (known + possible) if known else 0.0

    def _all_plans(self) -> list[FloorPlan]:
        if self._plans[0] != self.version:
            self._plans = self.version, [FloorPlan(floor, self._book) for floor in self.floors]
        return self._plans[1]


def _lowest_level(areas: dict[int, tuple[float, float]]) -> float | None:
    """Height of the lowest level surface of note; None before enough is seen."""
    if not areas:
        return None
    low, high = min(areas) - 3, max(areas) + 4
    area, moment = np.zeros(high - low), np.zeros(high - low)
    where = [number - low for number in areas]
    area[where], moment[where] = np.array(list(areas.values())).T
    smooth = np.convolve(area, np.ones(5), "same")
    candidates = np.flatnonzero(smooth >= max(_FLOOR_M2, 0.25 * float(smooth.max())))
    if not candidates.size:
        return None
    first = int(candidates[0])
    top = first + int(smooth[first : first + 5].argmax())
    part = slice(max(top - 2, 0), top + 3)
    return float(moment[part].sum() / area[part].sum())


def _merged(number: int, storeys: list[_Storey]) -> _Level:
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
    return _Level(floor, first_s[cut], view[cut], quality[cut], tuple(storeys))


def _extent(known: Bool[np.ndarray, "rows columns"], axis: int) -> slice:
    """Where along the other axis anything is known, and a metre around it as far as the grid reaches."""
    where = np.flatnonzero(known.any(axis=axis))
    low, high = (int(where[0]), int(where[-1])) if len(where) else (0, 0)
    return slice(max(low - _AROUND, 0), high + _AROUND + 1)
