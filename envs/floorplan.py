"""Rooms, doors and windows of a seeded one-storey house, before any furniture.

Plan coordinates are the world's x and z in metres; a side is "n" (low z), "s" (high z), "w" (low x) or "e" (high x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

__all__ = ["MOST_ROOMS", "ROOM_TYPES", "SIDES", "Door", "FloorPlan", "Room", "Window", "draw_plan"]

ROOM_TYPES: tuple[str, ...] = (
    "living room",
    "bedroom",
    "kitchen",
    "dining room",
    "office",
    "bathroom",
    "hallway",
    "laundry room",
    "nursery",
)
SIDES = ("n", "e", "s", "w")
WALL_M = 0.12
_EVERY_HOUSE = ("living room", "bedroom", "kitchen", "bathroom")
_EXTRA = ("dining room", "office", "nursery", "laundry room")
_MORE = ("bedroom", "bathroom", "office", "bedroom", "living room", "bathroom", "bedroom")  # of large houses
MOST_ROOMS = 1 + len(_EVERY_HOUSE) + len(_EXTRA) + len(_MORE)
_BIG = ("living room", "bedroom", "kitchen", "dining room", "nursery", "office", "laundry room", "bathroom")


@dataclass(frozen=True, slots=True)
class Room:
    """A rectangular room; the box is its inside, wall to wall, metres."""

    id: int
    type: str
    x0: float
    z0: float
    x1: float
    z1: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the floor, (x, z)."""
        return (self.x0 + self.x1) / 2, (self.z0 + self.z1) / 2

    @property
    def area_m2(self) -> float:
        """Floor area."""
        return (self.x1 - self.x0) * (self.z1 - self.z0)

    @property
    def polygon(self) -> Float64[np.ndarray, "4 2"]:
        """Corners (x, z), counter-clockwise seen from above with x right and z up the page."""
        return np.array([[self.x0, self.z0], [self.x1, self.z0], [self.x1, self.z1], [self.x0, self.z1]])

    def contains(self, x: float, z: float) -> bool:
        """Whether a point of the plan lies inside."""
        return self.x0 <= x <= self.x1 and self.z0 <= z <= self.z1

    def wall(self, side: str) -> tuple[tuple[float, float], tuple[float, float]]:
        """End points of one wall, left to right as seen from inside the room."""
        ends = {
            "n": ((self.x0, self.z0), (self.x1, self.z0)),
            "e": ((self.x1, self.z0), (self.x1, self.z1)),
            "s": ((self.x1, self.z1), (self.x0, self.z1)),
            "w": ((self.x0, self.z1), (self.x0, self.z0)),
        }
        return ends[side]


@dataclass(frozen=True, slots=True)
class Door:
    """An open doorway: the box (x0, z0)-(x1, z1) through the wall between two rooms, from the floor to `height`."""

    rooms: tuple[int, int]
    x0: float
    z0: float
    x1: float
    z1: float
    height: float
    along_x: bool

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the doorway, (x, z)."""
        return (self.x0 + self.x1) / 2, (self.z0 + self.z1) / 2


@dataclass(frozen=True, slots=True)
class Window:
    """A window in the outer wall `side` of a room; `start` and `stop` run along x or z, metres."""

    room: int
    side: str
    start: float
    stop: float
    sill: float
    top: float


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """The shell of a house: it spans (0, 0) to (width, depth) and is `height` high, metres."""

    width: float
    depth: float
    height: float
    rooms: tuple[Room, ...]
    doors: tuple[Door, ...]
    windows: tuple[Window, ...]

    def room_at(self, x: float, z: float) -> Room | None:
        """The room that holds a point, doorways counted to their nearer room; None outside."""
        for room in self.rooms:
            if room.contains(x, z):
                return room
        for door in self.doors:
            if door.x0 <= x <= door.x1 and door.z0 <= z <= door.z1:
                pair = [self.rooms[i] for i in door.rooms]
                return min(pair, key=lambda r: max(r.x0 - x, x - r.x1, r.z0 - z, z - r.z1))
        return None


def draw_plan(rng: np.random.Generator, num_rooms: int) -> FloorPlan:
    """Draw a plan with `num_rooms` rooms, all of them reachable through doors."""
    along_corridor = rng.random() < 0.6 or num_rooms < 6
    cells = _corridor_cells(rng, num_rooms) if along_corridor else _split_cells(rng, num_rooms)
    if rng.random() < 0.5:
        cells = [(z0, x0, z1, x1) for x0, z0, x1, z1 in cells]
    cells = [(round(a, 3), round(b, 3), round(c, 3), round(d, 3)) for a, b, c, d in cells]
    half = WALL_M / 2
    types = _assign_types(rng, cells)
    rooms = tuple(
        Room(i, kind, round(x0 + half, 3), round(z0 + half, 3), round(x1 - half, 3), round(z1 - half, 3))
        for i, ((x0, z0, x1, z1), kind) in enumerate(zip(cells, types, strict=True))
    )
    width, depth = max(c[2] for c in cells), max(c[3] for c in cells)
    height = round(float(rng.uniform(2.5, 2.8)), 3)
    doors = _draw_doors(rng, rooms)
    return FloorPlan(width, depth, height, rooms, doors, _draw_windows(rng, rooms, width, depth))


def _corridor_cells(rng: np.random.Generator, num_rooms: int) -> list[tuple[float, float, float, float]]:
    """A corridor across the house, the first cell, with rooms on both sides."""
    front = (num_rooms - 1) // 2
    back = num_rooms - 1 - front
    width = max(front, back) * float(rng.uniform(3.2, 3.8)) + 0.4
    near, far = float(rng.uniform(3.2, 4.3)), float(rng.uniform(3.2, 4.3))
    aisle = float(rng.uniform(1.7, 2.2))
    cells = [(0.0, near, width, near + aisle)]
    for count, z0, z1 in ((front, 0.0, near), (back, near + aisle, near + aisle + far)):
        share = rng.uniform(0.75, 1.3, count)
        edges = np.concatenate([[0.0], np.cumsum(share / share.sum() * width)])
        cells += [(float(edges[i]), z0, float(edges[i + 1]), z1) for i in range(count)]
    return cells


def _split_cells(rng: np.random.Generator, num_rooms: int) -> list[tuple[float, float, float, float]]:
    """A rectangle split again and again at its largest cell."""
    area = num_rooms * float(rng.uniform(12.5, 15.0))
    ratio = float(rng.uniform(1.0, 1.5))
    cells = [(0.0, 0.0, (area * ratio) ** 0.5, (area / ratio) ** 0.5)]
    while len(cells) < num_rooms:
        cells.sort(key=lambda c: -(c[2] - c[0]) * (c[3] - c[1]))
        x0, z0, x1, z1 = cells.pop(0)
        part = float(rng.uniform(0.4, 0.6))
        if x1 - x0 > z1 - z0:
            cut = x0 + part * (x1 - x0)
            cells += [(x0, z0, cut, z1), (cut, z0, x1, z1)]
        else:
            cut = z0 + part * (z1 - z0)
            cells += [(x0, z0, x1, cut), (x0, cut, x1, z1)]
    cells.sort(key=lambda c: (c[2] - c[0]) * (c[3] - c[1]))
    return cells


def _assign_types(rng: np.random.Generator, cells: list[tuple[float, float, float, float]]) -> list[str]:
    """The first cell becomes the hallway; the larger a cell, the larger the kind of room it gets."""
    extra = [_EXTRA[int(i)] for i in rng.permutation(len(_EXTRA))]
    wanted = [*_EVERY_HOUSE, *extra, *_MORE][: len(cells) - 1]
    if len(wanted) > 5 and rng.random() < 0.15:
        wanted[-1] = "bedroom"
    areas = [(x1 - x0) * (z1 - z0) * float(rng.uniform(0.85, 1.15)) for x0, z0, x1, z1 in cells]
    order = sorted(range(1, len(cells)), key=lambda i: -areas[i])
    types = ["hallway"] * len(cells)
    for cell, kind in zip(order, sorted(wanted, key=_BIG.index), strict=True):
        types[cell] = kind
    return types


def _draw_doors(rng: np.random.Generator, rooms: tuple[Room, ...]) -> tuple[Door, ...]:
    """Doors on a random spanning tree of the walls that rooms share, and some more; the hallway comes first."""
    shared = []
    for a in rooms:
        for b in rooms[a.id + 1 :]:
            low, high = max(a.z0, b.z0), min(a.z1, b.z1)
            if min(abs(a.x1 - b.x0), abs(b.x1 - a.x0)) < WALL_M + 0.02 and high - low > 1.5:
                x = a.x1 if abs(a.x1 - b.x0) < WALL_M + 0.02 else b.x1
                shared.append((a.id, b.id, False, x, low, high))
            low, high = max(a.x0, b.x0), min(a.x1, b.x1)
            if min(abs(a.z1 - b.z0), abs(b.z1 - a.z0)) < WALL_M + 0.02 and high - low > 1.5:
                z = a.z1 if abs(a.z1 - b.z0) < WALL_M + 0.02 else b.z1
                shared.append((a.id, b.id, True, z, low, high))
    shared = [shared[int(i)] for i in rng.permutation(len(shared))]
    shared.sort(key=lambda wall: rooms[wall[0]].type != "hallway" and rooms[wall[1]].type != "hallway")
    group = list(range(len(rooms)))
    doors = []
    for first, second, along_x, line, low, high in shared:
        fresh = group[first] != group[second]
        if not fresh and rng.random() > 0.2:
            continue
        if fresh:
            group = [group[first] if g == group[second] else g for g in group]
        width = float(rng.uniform(0.95, 1.1))
        start = round(float(rng.uniform(low + 0.2, high - 0.2 - width)), 3)
        stop, other, top = round(start + width, 3), round(line + WALL_M, 3), round(float(rng.uniform(2.02, 2.12)), 3)
        box = (start, line, stop, other) if along_x else (line, start, other, stop)
        doors.append(Door((first, second), *box, top, along_x))
    return tuple(doors)


def _draw_windows(rng: np.random.Generator, rooms: tuple[Room, ...], width: float, depth: float) -> tuple[Window, ...]:
    windows = []
    for room in rooms:
        for side in SIDES:
            outer = {
                "n": room.z0 < WALL_M,
                "w": room.x0 < WALL_M,
                "s": room.z1 > depth - WALL_M,
                "e": room.x1 > width - WALL_M,
            }
            low, high = (room.x0, room.x1) if side in "ns" else (room.z0, room.z1)
            if not outer[side] or high - low < 2.2 or rng.random() > 0.75:
                continue
            wide = float(rng.uniform(1.0, 1.4))
            start = round((low + high - wide) / 2 + float(rng.uniform(-0.2, 0.2)) * (high - low - wide - 0.6), 3)
            sill = round(float(rng.uniform(0.85, 1.05)), 3)
            windows.append(
                Window(
                    room.id, side, start, round(start + wide, 3), sill, round(sill + float(rng.uniform(1.0, 1.25)), 3)
                )
            )
    return tuple(windows)
