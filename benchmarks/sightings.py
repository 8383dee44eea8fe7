"""Who sees what from where: streams of views of houses and of made-up large worlds, for benchmarks of snapshots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Int32

from placecell.envs.house import House, HouseEnv, tour
from placecell.geometry import Camera, pose_from, position_m
from placecell.memory.records import RecordId
from placecell.memory.track import KEPT_VIEWS

__all__ = [
    "Eye",
    "Glimpse",
    "SeenThing",
    "Sighting",
    "SightingTable",
    "Step",
    "house_steps",
    "quality_of",
    "world_steps",
]

_FIRST_ID: Final = 10  # smaller ids are walls, floor and the like
_MIN_PX: Final = 64
_ROOM_M: Final = 6.0
_RANGE_M: Final = 6.0
_HALF_FOV: Final = math.pi / 4


class Sighting(NamedTuple):
    """One view of one thing."""

    record_id: RecordId
    quality: float


class Glimpse(NamedTuple):
    """One thing in one view: how well it is shown, how sure the detection is, and where the thing stands (x, z)."""

    object_id: str
    quality: float
    confidence: float
    centre: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """One view, and what it shows. `position` is where the camera stands, (x, z) in metres."""

    record_id: RecordId
    position: tuple[float, float]
    glimpses: tuple[Glimpse, ...]


@dataclass(frozen=True, slots=True)
class SeenThing:
    """An object as the cover sees it."""

    object_id: str
    sightings: tuple[Sighting, ...]
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


class SightingTable:
    """Objects and the views that show them, with the face of `placecell.memory.objects.ObjectMap`.

    Args:
        most: Of each object only so many of the best views are told, as many as the map of things keeps.

    Attributes:
        seen: By object, how well every view of it shows it, kept or not.
    """

    def __init__(self, most: int = KEPT_VIEWS) -> None:
        self.version = 0
        self.seen: dict[str, dict[RecordId, float]] = {}
        self._most = most
        self._things: dict[str, SeenThing] = {}
        self._changed: list[str] = []  # one object a version

    def add(self, step: Step) -> None:
        """Take in one view."""
        for glimpse in step.glimpses:
            name = glimpse.object_id
            views = self.seen.setdefault(name, {})
            views[step.record_id] = glimpse.quality
            best = nsmallest(self._most, [(-quality, view) for view, quality in views.items()])
            where = (glimpse.centre[0], 0.0, glimpse.centre[1])
            self._things[name] = SeenThing(name, tuple(Sighting(view, -worth) for worth, view in best), where)
            self._changed.append(name)
            self.version += 1

    def touched(self, since_version: int) -> Collection[str]:
        """See `placecell.memory.snapshots.SeenObjects`."""
        return set(self._changed[since_version:])

    def objects(self) -> Iterable[SeenThing]:
        """See `placecell.memory.snapshots.SeenObjects`."""
        return list(self._things.values())


def quality_of(box: tuple[float, float, float, float]) -> float:
    """How well a box shows a thing: half for its being central, half for its size; 0 to 1.

    Example:
        >>> quality_of((0.25, 0.25, 0.75, 0.75)), round(quality_of((0.0, 0.0, 0.1, 0.1)), 2)
        (1.0, 0.15)

    Source: the two terms of DAAAM's choice of frames, 0.5 centredness + 0.5 size.
    """
    left, top, right, bottom = box
    off = math.hypot((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5) / math.hypot(0.5, 0.5)
    size = min(1.0, 2 * max(right - left, bottom - top))
    return 0.5 * (1 - off) + 0.5 * size


@dataclass(frozen=True, slots=True)
class Eye:
    """How a tour is looked at.

    Args:
        hfov_deg: Horizontal field of view of the square picture.
        height_m: Of the camera over the floor.
        turns_deg: Views at every stop, by their turn from straight ahead; the main view last.
        stride: Actions from stop to stop.
        resolution: Side of the picture, pixels.
    """

    hfov_deg: float = 90.0
    height_m: float = 0.88
    turns_deg: tuple[float, ...] = (0.0,)
    stride: int = 1
    resolution: int = 128


def house_steps(seed: int, eye: Eye | None = None, max_steps: int = 500) -> Iterator[Step]:
    """Views of a tour through a house; instance masks (privileged) are the detections."""
    eye = eye or Eye()
    house = House.generate(seed)
    env = HouseEnv(house, resolution=(8, 8), sensor_height_m=eye.height_m, max_steps=max_steps)
    env.reset(seed=seed)
    camera = Camera.from_degrees(eye.resolution, eye.resolution, eye.hfov_deg)
    centres = {thing.id: (float(thing.centre_m[0]), float(thing.centre_m[2])) for thing in house.objects}
    actions = tour(env, max_steps=max_steps)
    number = 0
    for stop in itertools.count():
        if stop % eye.stride == 0:
            for turn_deg in eye.turns_deg:
                number += 1
                pose = pose_from(position_m(env.pose), env.yaw_rad + math.radians(turn_deg))
                boxes = _boxes(env.render_at(pose, camera)[2])
                x, _, z = env.position_m.tolist()
                glimpses = tuple(
                    Glimpse(str(thing), quality_of(box), min(1.0, px / 1000), centres[thing])
                    for thing, (box, px) in boxes.items()
                )
                yield Step(RecordId("robot", number), (x, z), glimpses)
        action = next(actions, None)
        if action is None:
            return
        env.step(np.int64(action))


def _boxes(semantic: Int32[np.ndarray, "h w"]) -> dict[int, tuple[tuple[float, float, float, float], int]]:
    height, width = semantic.shape
    counts = np.bincount(semantic.ravel())
    found = {}
    for number in np.flatnonzero(counts >= _MIN_PX).tolist():
        if number >= _FIRST_ID:
            rows, columns = np.nonzero(semantic == number)
            top, left = int(rows.min()), int(columns.min())
            bottom, right = int(rows.max()) + 1, int(columns.max()) + 1
            found[number] = ((left / width, top / height, right / width, bottom / height), int(counts[number]))
    return found


def world_steps(seed: int, num_objects: int = 1000, num_views: int = 5000) -> Iterator[Step]:
    """Views along a random walk through a square grid of rooms, each with doors to the rooms beside it.

    A thing is seen within 6 m and a right angle of view, from its own room or through the door of the next; one look in
    five misses it. Objects are the same number in all rooms but for chance, about twenty.
    """
    rng = np.random.default_rng(seed)
    side = max(1, round(math.sqrt(num_objects / 20)))
    places = rng.uniform(0, side * _ROOM_M, (num_objects, 2))
    sizes = rng.uniform(0.1, 1.2, num_objects)
    rooms = np.floor(places / _ROOM_M).astype(int)
    room, position, yaw = np.array([side // 2, side // 2]), np.array([side // 2 + 0.5] * 2) * _ROOM_M, 0.0
    order = _rounds(rng, side)
    goal = position
    for number in range(1, num_views + 1):
        if float(np.hypot(*(goal - position))) < 0.5:
            if rng.random() < 0.25:
                room = next(order)
            goal = (room + rng.uniform(0.2, 0.8, 2)) * _ROOM_M
        way = goal - position
        position = position + way * min(1.0, 0.5 / max(float(np.hypot(*way)), 1e-9))
        yaw = math.atan2(way[1], way[0]) if rng.random() < 0.5 else yaw + float(rng.choice([-1, 1])) * math.pi / 6
        here = np.floor(position / _ROOM_M).astype(int)
        glimpses = _seen_from(position, yaw, here, places, rooms, sizes, rng)
        yield Step(RecordId("robot", number), (float(position[0]), float(position[1])), glimpses)


def _rounds(rng: np.random.Generator, side: int) -> Iterator[np.ndarray]:
    """Every room in a snake, again and again."""
    while True:
        for row in range(side):
            for column in range(side) if row % 2 == 0 else range(side - 1, -1, -1):
                yield np.array([row, column])


def _seen_from(
    position: np.ndarray,
    yaw: float,
    here: np.ndarray,
    places: np.ndarray,
    rooms: np.ndarray,
    sizes: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Glimpse, ...]:
    offset = places - position
    distance = np.hypot(offset[:, 0], offset[:, 1])
    angle = (np.arctan2(offset[:, 1], offset[:, 0]) - yaw + math.pi) % (2 * math.pi) - math.pi
    step = rooms - here
    beside = np.abs(step).sum(axis=1) == 1
    # Through a door: the line of sight must cross the shared wall within half a metre of its middle.
    axis = np.argmax(np.abs(step), axis=1)
    rows = np.arange(len(places))
    wall = (np.maximum(rooms, here)[rows, axis]) * _ROOM_M
    with np.errstate(divide="ignore", invalid="ignore"):
        part = (wall - position[axis]) / offset[rows, axis]
    across = position[1 - axis] + part * offset[rows, 1 - axis]
    middle = (here[1 - axis] + 0.5) * _ROOM_M
    through = beside & (np.abs(across - middle) < 0.5)
    is_seen = (step == 0).all(axis=1) | through
    is_seen &= (distance > 0.3) & (distance < _RANGE_M) & (np.abs(angle) < _HALF_FOV)
    is_seen &= rng.random(len(places)) < 0.8
    centred = 1 - np.abs(angle) / _HALF_FOV
    large = np.minimum(1.0, sizes / distance)
    return tuple(
        Glimpse(
            str(i), float(0.5 * centred[i] + 0.5 * large[i]), float(0.5 + 0.5 * large[i]), tuple(places[i].tolist())
        )
        for i in np.flatnonzero(is_seen).tolist()
    )
