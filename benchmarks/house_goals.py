"""Goals in a house, drawn from its ground truth: what to look for, where it can be seen from, how far it is.

Everything here is privileged; planners get the words or the picture only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64, UInt8

from placecell.agents.goals import Goal
from placecell.benchmarks.floor_graph import FloorGraph
from placecell.envs.house import CATEGORIES, COLOURS, House, HouseEnv, HouseObject
from placecell.envs.walk import visible_objects
from placecell.geometry import Camera, look_at, pose_from
from placecell.pathfinder import CELL_M

__all__ = ["KINDS", "GoalSite", "HouseGoal", "draw_goals"]

KINDS: Final = ("category", "description", "image")
MIN_SIDE_PX: Final = 32  # in a picture of 256 x 256 with 90 degrees
VIEW_POINT_M: Final = 1.0  # a view point lies within this distance of the thing
NEXT_GOAL_M: Final = 2.0  # geodesic distance from one goal of a sequence to the next, at least
_FAR_M: Final = 3.0
_SLACK_M: Final = 0.1
_RING_M: Final = 0.25
_SMALL_CAMERA: Final = Camera(128, 128)
_SMALL_GOAL_CAMERA: Final = Camera.from_degrees(32, 32, 60.0)
_GOAL_CAMERA: Final = Camera.from_degrees(256, 256, 60.0)
_BESIDE_M: Final = 0.7
_AWAY_M: Final = 1.6

Kind = Literal["category", "description", "image"]


@dataclass(frozen=True, slots=True, eq=False)
class HouseGoal:
    """One goal of a sequence.

    Args:
        kind: How it is told.
        category: What it is.
        text: The words that a planner gets; empty for a picture.
        image: The picture that it gets, uint8 `(h, w, 3)`, or None.
        object_ids: Things that satisfy it: every instance for a category, else one; empty if the house has none.
    """

    kind: Kind
    category: str
    text: str
    image: np.ndarray | None
    object_ids: tuple[int, ...]

    @property
    def is_absent(self) -> bool:
        """Whether nothing in the house satisfies it."""
        return not self.object_ids


class GoalSite:
    """A house with the means to say how far and how visible its things are.

    Args:
        env: Its floor, camera height and step size are those that count; it is not moved.

    Example:
        >>> site = GoalSite(HouseEnv(seed=2_000_000, resolution=(8, 8)))
        >>> sofa = next(thing for thing in site.house.objects if thing.category == "sofa")
        >>> site.distance_m(site.nearest_points(sofa.id)[0], [sofa.id])
        0.0
    """

    def __init__(self, env: HouseEnv) -> None:
        self.env, self.house, self.finder = env, env.house, env.pathfinder
        self._near: dict[int, Float64[np.ndarray, "n 3"]] = {}
        self._fields: dict[tuple[int, ...], PointDistances] = {}

    @cached_property
    def graph(self) -> FloorGraph:
        """The floor as a graph."""
        return FloorGraph(self.finder)

    @cached_property
    def _floor(self) -> Float64[np.ndarray, "n 3"]:
        """Middle of every cell of the largest island."""
        cells = self.graph.cells
        return np.asarray(
            self.graph.points[self.finder.islands[cells[:, 0], cells[:, 1]] == self.finder.largest_island]
        )

    def nearest_points(self, object_id: int) -> Float64[np.ndarray, "n 3"]:
        """Where an agent can stand nearest to a thing: on the floor of its room, within 0.1 m of as near as can be.

        A long thing has many such points; all of them count, or who stands on the wrong side of a bed would be far off.
        """
        if object_id not in self._near:
            thing = self.house.object(object_id)
            room = self.house.rooms[thing.room_id]
            floor = self._floor
            x, z = floor[:, 0], floor[:, 2]
            inside = (room.x0 <= x) & (x <= room.x1) & (room.z0 <= z) & (z <= room.z1)
            floor = floor[inside] if inside.any() else floor
            away = _box_distance(floor, thing)
            self._near[object_id] = floor[away <= away.min() + _SLACK_M]
        return self._near[object_id]

    def is_fair(self, object_id: int) -> bool:
        """Whether the thing can be found: a level camera sees it clearly on the way, and it has a view point."""
        return any(self._views(object_id)) and any(
            self._is_view_point(object_id, point) for point in self._ring(object_id, VIEW_POINT_M)
        )

    def is_at_view_point(self, point: np.ndarray, object_ids: Sequence[int], radius_m: float = 0.25) -> bool:
        """Whether one of these things has a view point less than `radius_m` (geodesic) from a point of the floor.

        A view point lies within a metre of the thing's box, in its room, and sees it at `MIN_SIDE_PX`, the camera being
        level or tilted by 30 degrees. Points of a grid of 0.25 m are tried, and the point itself.
        """
        for number in object_ids:
            ring = self._ring(number, VIEW_POINT_M)
            near = ring[np.hypot(ring[:, 0] - point[0], ring[:, 2] - point[2]) < radius_m]
            here = np.asarray(point, float)
            within = _box_distance(here[None], self.house.object(number))[0] <= VIEW_POINT_M
            for spot in (*([here] if within else []), *near):
                is_near = self.finder.geodesic_distance(spot, here) < radius_m
                if is_near and self._is_view_point(number, spot):
                    return True
        return False

    def distances(self, object_ids: Sequence[int]) -> PointDistances:
        """Distances to the nearest points of whichever of these things is nearest."""
        key = tuple(sorted(object_ids))
        if key not in self._fields:
            points = [self.nearest_points(i) for i in key]
            self._fields[key] = PointDistances(self.graph, np.concatenate(points))
        return self._fields[key]

    def distance_m(self, point: np.ndarray, object_ids: Sequence[int]) -> float:
        """Geodesic distance from a point of the floor to the nearest of these things' nearest points, metres."""
        return self.distances(object_ids)(point)

    def picture(self, object_id: int, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"] | None:
        """The thing in the middle of a picture, as an image goal shows it; None if it fills too little of any view."""
        thing = self.house.object(object_id)
        ring = self._ring(object_id, _FAR_M)
        for index in rng.permutation(len(ring))[:24]:
            pose = look_at(ring[int(index)] + self._eye_m, thing.centre_m)
            shown = self.env.render_at(pose, _SMALL_GOAL_CAMERA)[2] == object_id
            if shown.mean() >= 0.04 and shown[12:20, 12:20].mean() >= 0.25:
                return self.env.render_at(pose, _GOAL_CAMERA, antialias=2)[0]
        return None

    @property
    def _eye_m(self) -> Float64[np.ndarray, "3"]:
        return np.array([0.0, self.env.sensor_height_m, 0.0])

    def _is_view_point(self, object_id: int, point: np.ndarray) -> bool:
        thing = self.house.object(object_id)
        room = self.house.rooms[thing.room_id]
        return (
            room.contains(float(point[0]), float(point[2]))
            and self._side_px(thing, point, is_level=False) >= MIN_SIDE_PX
        )

    def _views(self, object_id: int) -> Iterator[bool]:
        """Whether a level camera sees the thing clearly, from one point of the floor around it after another."""
        thing = self.house.object(object_id)
        ring = self._ring(object_id, _FAR_M)
        for index in np.random.default_rng(object_id).permutation(len(ring))[:40]:
            yield self._side_px(thing, ring[int(index)]) >= MIN_SIDE_PX

    def _ring(self, object_id: int, far_m: float) -> Float64[np.ndarray, "n 3"]:
        """Points of the floor on a grid, within a distance of a thing's box, nearest first."""
        step = round(_RING_M / CELL_M)
        floor = self._floor
        on_grid = (np.floor(floor[:, 0] / CELL_M) % step == 0) & (np.floor(floor[:, 2] / CELL_M) % step == 0)
        floor = floor[on_grid]
        away = _box_distance(floor, self.house.object(object_id))
        order = np.argsort(away, kind="stable")
        return np.asarray(floor[order[away[order] <= far_m]])

    def _side_px(self, thing: HouseObject, point: np.ndarray, is_level: bool = True) -> int:
        """Longer side, in pixels of a 256 x 256 picture, of what is seen of a thing by a camera turned towards it."""
        eye = point + self._eye_m
        dx, dy, dz = thing.centre_m - eye
        tilt = 0.0
        if not is_level:
            steps = round(math.atan2(dy, math.hypot(dx, dz)) / self.env.tilt_rad)
            tilt = self.env.tilt_rad * min(max(steps, -1), 1)
        _, _, ids = self.env.render_at(pose_from(eye, math.atan2(-dx, -dz), tilt), _SMALL_CAMERA)
        scale = 256 // _SMALL_CAMERA.width
        return scale * visible_objects(ids, min_side_px=2, first_id=thing.id).get(thing.id, 0)


class PointDistances:
    """Geodesic distance from anywhere to the nearest of several points.

    Which one is nearest is read off a flood of the grid from all of them; how far it is, the path finder says.

    Args:
        graph: The floor.
        points: Points to reach, `(n, 3)`.
    """

    def __init__(self, graph: FloorGraph, points: Float64[np.ndarray, "n 3"]) -> None:
        self._graph, self.points = graph, points
        self._field = graph.nearest(points) if len(points) else None

    def roughly(self, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n"]:
        """Distances along the grid, up to 8 % too long; infinite where there is no way."""
        if self._field is None:
            return np.full(len(points), math.inf)
        return np.asarray(self._field[0][self._graph.numbers(points)])

    def nearest(self, point: np.ndarray | Sequence[float]) -> Float64[np.ndarray, "3"] | None:
        """The nearest of the points, by the grid; None where there is no way."""
        if self._field is None:
            return None
        where = int(self._field[1][self._graph.numbers(np.asarray(point, float)[None])[0]])
        return None if where < 0 else self.points[where]

    def __call__(self, point: np.ndarray | Sequence[float]) -> float:
        """Metres from a point of the floor; infinite where there are no points to reach.

        From a pocket of the floor that the grid cuts off, and into which an agent gets between two cells, the way
        begins at the nearest floor from which one leads.
        """
        if self._field is None:
            return math.inf
        finder, start = self._graph.finder, np.asarray(point, float)
        goal = self.nearest(start)
        length_m = math.inf if goal is None else finder.geodesic_distance(start, goal)
        if math.isfinite(length_m):
            return length_m
        floor = self._graph.points[np.isfinite(self._field[0])]
        away_m = np.hypot(floor[:, 0] - start[0], floor[:, 2] - start[2])
        start = floor[int(away_m.argmin())]
        goal = self.nearest(start)
        assert goal is not None
        return float(away_m.min()) + finder.geodesic_distance(start, goal)


def draw_goals(
    site: GoalSite, rng: np.random.Generator, num_goals: int | None = None, num_absent: int = 0
) -> list[HouseGoal]:
    """A sequence of goals: categories, descriptions and pictures in turn, in an order that is drawn.

    Two that follow each other lie at least `NEXT_GOAL_M` apart, and no thing is asked for twice.

    Args:
        site: The house.
        rng: Draws everything.
        num_goals: How many; 5 to 10 if not given.
        num_absent: How many goals, of the text kinds, that the house has not got are put among them.

    Returns:
        The goals; fewer than asked for if the house does not hold so many fair ones.
    """
    wanted = int(rng.integers(5, 11)) if num_goals is None else num_goals
    kinds = [KINDS[i % 3] for i in range(wanted)]
    kinds = [kinds[int(i)] for i in rng.permutation(wanted)]
    goals: list[HouseGoal] = []
    used: set[int] = set()
    for kind in kinds:
        goal = _draw(site, kind, rng, used, goals[-1] if goals else None)
        if goal is not None:
            goals.append(goal)
            used.update(goal.object_ids)
    for _ in range(num_absent):
        goals.insert(int(rng.integers(1, len(goals) + 1)), _absent(site.house, rng))
    return goals


def _draw(
    site: GoalSite, kind: str, rng: np.random.Generator, used: set[int], before: HouseGoal | None
) -> HouseGoal | None:
    things = site.house.objects
    # Categories first: else a house with five books would ask for little else.
    names = sorted({thing.category for thing in things})
    for name in rng.permutation(names):
        instances = [thing for thing in things if thing.category == name]
        if used & {thing.id for thing in instances}:
            continue
        thing = instances[int(rng.integers(len(instances)))]
        wanted = instances if kind == "category" else [thing]
        if before is not None and not _is_away(site, before, wanted):
            continue
        if not any(site.is_fair(each.id) for each in wanted):
            continue
        ids = tuple(each.id for each in wanted)
        if kind == "category":
            return HouseGoal("category", name, name, None, ids)
        if kind == "image":
            picture = site.picture(thing.id, rng)
            if picture is not None:
                return HouseGoal("image", name, "", picture, ids)
            continue
        texts = descriptions(site.house, thing)
        if texts:
            return HouseGoal("description", name, texts[int(rng.integers(len(texts)))], None, ids)
    return None


def _is_away(site: GoalSite, before: HouseGoal, wanted: Sequence[HouseObject]) -> bool:
    """Whether nothing wanted is near to anything that the goal before asked for."""
    distances = site.distances([thing.id for thing in wanted])
    return all(distances.roughly(site.nearest_points(number)).min() >= NEXT_GOAL_M for number in before.object_ids)


def descriptions(house: House, thing: HouseObject) -> list[str]:
    """Texts that fit exactly one thing of the house: this one.

    Example:
        >>> house = House.generate(2_000_000)
        >>> sofa = next(thing for thing in house.objects if thing.category == "sofa")
        >>> f"the {sofa.colour} sofa in the living room" in descriptions(house, sofa)
        True
    """
    same = [other for other in house.objects if other.category == thing.category and other.id != thing.id]
    colour = f"{thing.colour} " if thing.colour_asked else ""
    alike = [other for other in same if not thing.colour_asked or other.colour == thing.colour]
    texts = []
    if not any(other.room_type == thing.room_type for other in alike):
        texts.append(f"the {colour}{thing.category} in the {thing.room_type}")
    if thing.on is not None:
        carrier = house.object(thing.on).category
        on = {other.id for other in alike if other.on is not None and house.object(other.on).category == carrier}
        if not on:
            texts.append(f"the {colour}{thing.category} on the {carrier}")
        return texts
    for other in house.objects:
        if other.category == thing.category or other.room_id != thing.room_id or other.on is not None:
            continue
        peers = [peer for peer in house.objects if peer.category == other.category]
        beside = _gap_m(thing, other) <= _BESIDE_M
        if beside and not any(_gap_m(one, peer) <= _AWAY_M for one in alike for peer in peers):
            texts.append(f"the {colour}{thing.category} next to the {other.category}")
    return texts


def _absent(house: House, rng: np.random.Generator) -> HouseGoal:
    """Something that the house has not got: a category without an instance, or a thing in a colour that none has."""
    missing = [name for name in CATEGORIES if not any(thing.category == name for thing in house.objects)]
    if missing and rng.random() < 0.5:
        name = missing[int(rng.integers(len(missing)))]
        return HouseGoal("category", name, name, None, ())
    asked = [thing for thing in house.objects if thing.colour_asked]
    thing = asked[int(rng.integers(len(asked)))]
    worn = {other.colour for other in house.objects if other.category == thing.category}
    free = [name for name in COLOURS if name not in worn]
    return HouseGoal(
        "description", thing.category, f"the {free[int(rng.integers(len(free)))]} {thing.category}", None, ()
    )


def _box_distance(points: np.ndarray, thing: HouseObject) -> Float64[np.ndarray, "n"]:
    """Horizontal distance of points to a thing's box, metres."""
    dx = np.maximum(np.maximum(thing.low_m[0] - points[:, 0], points[:, 0] - thing.high_m[0]), 0.0)
    dz = np.maximum(np.maximum(thing.low_m[2] - points[:, 2], points[:, 2] - thing.high_m[2]), 0.0)
    return np.asarray(np.hypot(dx, dz))


def _gap_m(a: HouseObject, b: HouseObject) -> float:
    """Distance between two things' boxes; infinite across rooms."""
    if a.room_id != b.room_id:
        return math.inf
    return float(np.linalg.norm(np.maximum(np.maximum(a.low_m - b.high_m, b.low_m - a.high_m), 0.0)))


def agent_goal(goal: HouseGoal, goal_id: str) -> Goal:
    """The goal as planners get it."""
    if goal.kind == "image":
        return Goal("image", image=goal.image, goal_id=goal_id)
    return Goal(goal.kind, goal.text, goal_id=goal_id)
