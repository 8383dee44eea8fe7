"""The place map: floors with what is free on them, frontiers, rooms and doors; a fold over records."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from jaxtyping import Float64

from placecell.geometry import check_pose
from placecell.memory.floor_plan import FloorPlan, RoomBook, floor_of, place_graph
from placecell.memory.frontiers import BEHIND_M, Frontier, View, borders, glimpse_of, match, opened_m2
from placecell.memory.occupancy import floor_areas
from placecell.memory.records import Record, RecordId
from placecell.memory.room_names import Namer
from placecell.memory.rooms import Door, Room
from placecell.memory.storeys import FLOOR_M2, KEPT_VIEWS, Floor, Level, Storey, merged
from placecell.pathfinder import CELL_M, PathFinder
from placecell.perception.scan import Scan

if TYPE_CHECKING:
    import networkx

    from placecell.memory.object_states import SceneObject

__all__ = ["Door", "Floor", "Frontier", "Places", "Room"]

STOREY_M: Final = 1.2  # a camera that rose or sank by more, with floor below it, is on another floor
_SAME_STOREY_M: Final = 0.6
_CANDIDATES: Final = 4  # views looked at to find a frontier's glimpse
_STEP_M: Final = 1.5  # two records of one walk are not further apart


@dataclass(slots=True)
class _Walker:
    """What is kept of one agent."""

    storeys: list[Storey] = field(default_factory=list)
    position_m: np.ndarray | None = None
    stamp_s: float = -math.inf
    on: Storey | None = None  # the last floor that it was on
    left_m: np.ndarray | None = None  # where it left that floor


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
        self._levels: tuple[int, list[Level]] = (-1, [])
        self._finders: OrderedDict[tuple[int, int, float, bool], PathFinder] = OrderedDict()
        self._seen: dict[float, tuple[int, list[Frontier]]] = {}  # by the radius of the agent that asked
        self._next_id = 0
        self._plans: tuple[int, list[FloorPlan]] = (-1, [])
        self._book = RoomBook()
        self._stairs: list[tuple[Storey, Storey, np.ndarray, np.ndarray]] = []

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a file needs; ways are worked out again."""
        return {**self.__dict__, "_finders": OrderedDict()}

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
            if not storey.learn(scan, pose, record.stamp_s, number):
                return
            self._num_views += 1
            self._views[number] = View(record.record_id, pose, scan.camera)
            storey.views.append(number)
            if storey.is_settled and len(storey.views) > storey.max_views:
                self._thin(storey)
            walker.on, walker.left_m = storey, pose[:3, 3].copy()
        walker.position_m, walker.stamp_s = pose[:3, 3].copy(), record.stamp_s
        self.version += 1

    def _thin(self, storey: Storey) -> None:
        """Drop the views that are the best of no cell, so that a long life in one house fills no memory."""
        best = set(np.unique(storey.grid.view).tolist())
        for number in storey.views:
            if number not in best:
                del self._views[number]
        storey.views = [number for number in storey.views if number in best]
        storey.max_views = 2 * len(storey.views) + KEPT_VIEWS

    def _storey_of(self, walker: _Walker, scan: Scan, pose: Float64[np.ndarray, "4 4"]) -> Storey | None:
        """The floor that the camera is over, a new one, or None on the stairs."""
        height = float(pose[1, 3])
        if not walker.storeys:
            walker.storeys.append(Storey(camera_m=height))
            return walker.storeys[0]
        nearest = min(walker.storeys, key=lambda storey: abs(height - storey.camera_m))
        off = abs(height - nearest.camera_m)
        if off < _SAME_STOREY_M or nearest.height_m is None:
            return nearest
        if off < STOREY_M:
            return None
        heights, areas = floor_areas(scan, pose)
        expected = height - (nearest.camera_m - nearest.height_m)
        if float(areas[np.abs(heights - expected) < 0.12].sum()) < FLOOR_M2 * 0.6:
            return None
        walker.storeys.append(Storey(camera_m=height))
        return walker.storeys[-1]

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def floors(self) -> list[Floor]:
        """Floors from the lowest up."""
        return [level.floor for level in self._all_levels()]

    def _all_levels(self) -> list[Level]:
        if self._levels[0] != self.version:
            pieces = sorted(
                (storey.height_m, agent_id, number, storey)
                for agent_id, walker in self._walkers.items()
                for number, storey in enumerate(walker.storeys)
                if storey.height_m is not None and storey.grid.score.size
            )
            groups: list[list[Storey]] = []
            before = -math.inf
            for height, _, _, storey in pieces:
                if height - before > _SAME_STOREY_M:
                    groups.append([])
                groups[-1].append(storey)
                before = height
            self._levels = self.version, [merged(number, group) for number, group in enumerate(groups)]
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
        version, before = self._seen.get(agent_radius_m, (-1, []))
        if version != self.version:
            found = [frontier for level in self._all_levels() for frontier in self._frontiers_of(level, agent_radius_m)]
            named, self._next_id = match(found, before, self._next_id)
            self._seen[agent_radius_m] = self.version, named
        return list(self._seen[agent_radius_m][1])

    def _frontiers_of(self, level: Level, agent_radius_m: float) -> list[Frontier]:
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
            row, column = border.middle.tolist()
            direction = math.atan2(-dx, -dz)
            glimpse = self._glimpse(level, border.cells, direction)
            found.append(
                Frontier(
                    -1,
                    floor.point(*border.stand),
                    floor.point(row, column),
                    direction,
                    len(border.cells) * CELL_M,
                    opened_m2(floor.free, floor.occupied, (row, column)),
                    floor.number,
                    float(level.first_s[rows, columns].min()),
                    *(glimpse or (None, None)),
                )
            )
        return found

    def _glimpse(
        self, level: Level, cells: np.ndarray, direction_rad: float
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
