"""Furnishing: which things each type of room holds, where they stand, and how they move between visits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from placecell.envs.catalogue import CATALOGUE, COLOURS
from placecell.envs.contents import OPTIONAL, SIGNATURES, SMALL
from placecell.envs.floorplan import SIDES, FloorPlan, Room, Window
from placecell.envs.solids import Shape

__all__ = ["FIRST_OBJECT_ID", "Furnisher", "Placement", "built", "furnish"]

FIRST_OBJECT_ID = 10  # smaller ids are the shell's

_HANG_Y = {"clock": 1.7, "painting": 1.35}


@dataclass(frozen=True, slots=True)
class Placement:
    """One thing in the house: what it is, how it is built, and where it stands.

    Args:
        id: Its value in the semantic image; stays the same when it is moved.
        category: A key of `CATALOGUE`.
        colour: A key of `COLOURS`.
        variant: Which of the category's shapes.
        build_seed: Seed of its proportions.
        room_id: The room that it stands in.
        x: Position of its base's centre, metres.
        y: Height of its base, metres.
        z: Position of its base's centre, metres.
        yaw_rad: Left turn; 0 looks along +z.
        on: Id of the thing that carries it, None for floor and walls.
    """

    id: int
    category: str
    colour: str
    variant: int
    build_seed: int
    room_id: int
    x: float
    y: float
    z: float
    yaw_rad: float
    on: int | None = None

    @property
    def blocks(self) -> bool:
        """Whether an agent has to walk around it."""
        return self.on is None and self.category != "rug" and CATALOGUE[self.category].place not in ("wall", "window")

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner in its own frame, metres."""
        triangles = built(self.category, self.colour, self.variant, self.build_seed).triangles().reshape(-1, 3)
        low = triangles.min(axis=0)
        low[1] = max(float(low[1]), 0.0)  # what lies under the floor or the table top does not show
        return low, triangles.max(axis=0)

    def footprint(self, margin_m: float = 0.0) -> np.ndarray:
        """Corners (x, z) of its box on the floor, grown by a margin."""
        low, high = self.extent()
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        xs = (low[0] - margin_m, high[0] + margin_m, high[0] + margin_m, low[0] - margin_m)
        zs = (low[2] - margin_m, low[2] - margin_m, high[2] + margin_m, high[2] + margin_m)
        return np.array([[self.x + c * x + s * z, self.z - s * x + c * z] for x, z in zip(xs, zs, strict=True)])

    def bounds(self, margin_m: float = 0.0) -> tuple[float, float, float, float]:
        """Axis-aligned x0, z0, x1, z1 of the footprint."""
        corners = self.footprint(margin_m)
        (x0, z0), (x1, z1) = corners.min(axis=0), corners.max(axis=0)
        return float(x0), float(z0), float(x1), float(z1)


@lru_cache(maxsize=4096)
def built(category: str, colour: str, variant: int, build_seed: int) -> Shape:
    """The shape of a thing in its own frame; the same arguments give the same triangles."""
    rng = np.random.default_rng(build_seed)
    main = tuple(float(v) for v in np.clip(np.array(COLOURS[colour]) + rng.normal(0, 0.012, 3), 0, 1))
    shape = Shape((main[0], main[1], main[2]))
    CATALOGUE[category].build(shape, rng, variant)
    return shape


class Furnisher:
    """Finds places for things in a plan, one after the other; keeps what it has placed in `placed`."""

    def __init__(self, plan: FloorPlan, rng: np.random.Generator, placed: list[Placement], next_id: int) -> None:
        self.plan, self.rng, self.placed, self.next_id = plan, rng, placed, next_id
        self.keep_clear = []
        for door in plan.doors:
            ax, az = (0.1, 0.75) if door.along_x else (0.75, 0.1)
            self.keep_clear.append((door.x0 - ax, door.z0 - az, door.x1 + ax, door.z1 + az))

    def draw(self, category: str, room: Room) -> Placement:
        """A new thing at the origin of a room, not yet placed."""
        kind, names = CATALOGUE[category], list(COLOURS)
        return Placement(
            self.next_id,
            category,
            names[int(self.rng.integers(len(names)))],
            int(self.rng.integers(kind.variants)),
            int(self.rng.integers(2**31)),
            room.id,
            *room.centre[:1],
            0.0,
            room.centre[1],
            0.0,
        )

    def put(self, thing: Placement, room: Room) -> Placement | None:
        """Place `thing` in `room` where its kind belongs, or return None when there is no space."""
        place = CATALOGUE[thing.category].place
        thing = replace(thing, room_id=room.id, on=None)
        for attempt in range(40):
            candidate: Placement | None
            if place == "surface":
                candidate = self._on_surface(thing, room)
            elif place == "wall":
                candidate = self._on_wall(thing, room)
            elif place == "window":
                candidate = self._at_window(thing, room)
            elif place == "wall_side" or (place == "floor" and attempt % 2 == 0):
                candidate = self._along_wall(thing, room)
            elif place == "corner" and attempt < 20:
                candidate = self._in_corner(thing, room)
            else:
                candidate = self._in_middle(thing, room)
            if candidate is not None:
                self.placed.append(candidate)
                self.next_id = max(self.next_id, candidate.id + 1)
                return candidate
        return None

    def add(self, category: str, room: Room) -> Placement | None:
        """Draw and place a new thing."""
        return self.put(self.draw(category, room), room)

    def _along_wall(self, thing: Placement, room: Room) -> Placement | None:
        side = SIDES[int(self.rng.integers(4))]
        low, high = thing.extent()
        back, half = -float(low[2]) + 0.02, float(max(-low[0], high[0])) + 0.03
        length = room.x1 - room.x0 if side in "ns" else room.z1 - room.z0
        if 2 * half > length:
            return None
        t = float(self.rng.uniform(half, length - half))
        if self.rng.random() < 0.35:
            t = half if self.rng.random() < 0.5 else length - half
        x, z, yaw = {
            "n": (room.x0 + t, room.z0 + back, 0.0),
            "s": (room.x0 + t, room.z1 - back, math.pi),
            "w": (room.x0 + back, room.z0 + t, math.pi / 2),
            "e": (room.x1 - back, room.z0 + t, -math.pi / 2),
        }[side]
        tall = float(high[1]) > 1.0
        candidate = replace(thing, x=round(x, 4), y=0.0, z=round(z, 4), yaw_rad=yaw)
        return candidate if self._fits(candidate, room, 0.04, tall) else None

    def _in_corner(self, thing: Placement, room: Room) -> Placement | None:
        low, high = thing.extent()
        r = float(max(-low[0], high[0], -low[2], high[2])) + float(self.rng.uniform(0.04, 0.1))
        right, far = bool(self.rng.random() < 0.5), bool(self.rng.random() < 0.5)
        x, z = room.x1 - r if right else room.x0 + r, room.z1 - r if far else room.z0 + r
        cx, cz = room.centre
        yaw = round(math.atan2(cx - x, cz - z), 4)
        candidate = replace(thing, x=round(x, 4), y=0.0, z=round(z, 4), yaw_rad=yaw)
        return candidate if self._fits(candidate, room, 0.0, False) else None

    def _in_middle(self, thing: Placement, room: Room) -> Placement | None:
        low, high = thing.extent()
        r = float(max(-low[0], high[0], -low[2], high[2]))
        gap = 0.45 if r > 0.3 and thing.category != "rug" else 0.1
        x = float(self.rng.uniform(room.x0 + 0.2, room.x1 - 0.2))
        z = float(self.rng.uniform(room.z0 + 0.2, room.z1 - 0.2))
        quarter = int(self.rng.integers(4)) * math.pi / 2
        yaw = quarter if r > 0.5 else quarter + float(self.rng.uniform(-0.5, 0.5))
        candidate = replace(thing, x=round(x, 4), y=0.0, z=round(z, 4), yaw_rad=round(yaw, 4))
        return candidate if self._fits(candidate, room, gap, False) else None

    def _fits(self, thing: Placement, room: Room, gap: float, under_window: bool) -> bool:
        x0, z0, x1, z1 = thing.bounds()
        edge = 0.0 if gap < 0.1 else gap if thing.category != "rug" else 0.1
        if x0 < room.x0 + edge or z0 < room.z0 + edge or x1 > room.x1 - edge or z1 > room.z1 - edge:
            return False
        box = (x0 - gap, z0 - gap, x1 + gap, z1 + gap)
        rug = thing.category == "rug"
        if not rug and any(_overlap((x0, z0, x1, z1), clear) for clear in self.keep_clear):
            return False
        for other in self.placed:
            if other.room_id != room.id or other.on is not None:
                continue
            if rug and other.category == "rug" and _overlap(box, other.bounds()):
                return False
            if not rug and other.blocks and _overlap(box, other.bounds()):
                return False
        if under_window:
            for window in self.plan.windows:
                if window.room == room.id and _overlap((x0, z0, x1, z1), _window_zone(window, room)):
                    return False
        return True

    def _on_surface(self, thing: Placement, room: Room) -> Placement | None:
        carriers = [
            p
            for p in self.placed
            if p.room_id == room.id and built(p.category, p.colour, p.variant, p.build_seed).surfaces
        ]
        if thing.category != "rubber duck":
            carriers = [p for p in carriers if p.category != "bathtub"]
        if not carriers:
            return None
        carrier = carriers[int(self.rng.integers(len(carriers)))]
        surfaces = built(carrier.category, carrier.colour, carrier.variant, carrier.build_seed).surfaces
        x0, z0, x1, z1, top = surfaces[int(self.rng.integers(len(surfaces)))]
        low, high = thing.extent()
        yaw = float(self.rng.uniform(-0.6, 0.6))
        reach = 0.9 * float(max(high[0], -low[0])), 0.9 * float(max(high[2], -low[2]))
        if x1 - x0 < 2 * reach[0] or z1 - z0 < 2 * reach[1]:
            return None
        x, z = (
            float(self.rng.uniform(x0 + reach[0], x1 - reach[0])),
            float(self.rng.uniform(z0 + reach[1], z1 - reach[1])),
        )
        c, s = math.cos(carrier.yaw_rad), math.sin(carrier.yaw_rad)
        candidate = replace(
            thing,
            x=round(carrier.x + c * x + s * z, 4),
            y=round(carrier.y + top, 4),
            z=round(carrier.z - s * x + c * z, 4),
            yaw_rad=round(carrier.yaw_rad + yaw, 4),
            on=carrier.id,
        )
        box = candidate.bounds(0.015)
        taken = any(p.on == carrier.id and _overlap(box, p.bounds()) for p in self.placed)
        return None if taken else candidate

    def _on_wall(self, thing: Placement, room: Room) -> Placement | None:
        side = SIDES[int(self.rng.integers(4))]
        low, high = thing.extent()
        half = float(high[0] - low[0]) / 2 + 0.08
        length = room.x1 - room.x0 if side in "ns" else room.z1 - room.z0
        if 2 * half > length:
            return None
        t = float(self.rng.uniform(half, length - half))
        x, z, yaw = _wall_point(room, side, t, 0.005)
        y = round(_HANG_Y.get(thing.category, 1.4) + float(self.rng.uniform(-0.08, 0.08)), 4)
        candidate = replace(thing, x=x, y=y, z=z, yaw_rad=yaw)
        box = candidate.bounds(0.06)
        if any(_overlap(box, (d.x0 - 0.1, d.z0 - 0.1, d.x1 + 0.1, d.z1 + 0.1)) for d in self.plan.doors):
            return None
        if any(w.room == room.id and _overlap(box, _window_zone(w, room)) for w in self.plan.windows):
            return None
        for other in self.placed:
            if other.room_id != room.id or not _overlap(box, other.bounds(0.05)):
                continue
            if other.y + float(other.extent()[1][1]) > y - 0.05:
                return None
        return candidate

    def _at_window(self, thing: Placement, room: Room) -> Placement | None:
        windows = [w for w in self.plan.windows if w.room == room.id]
        if not windows:
            return None
        window = windows[int(self.rng.integers(len(windows)))]
        middle = (window.start + window.stop) / 2
        start = room.x0 if window.side in "ns" else room.z0
        x, z, yaw = _wall_point(room, window.side, middle - start, 0.01)
        height = float(thing.extent()[1][1])
        candidate = replace(
            thing, x=x, y=round(min(window.top + 0.12, self.plan.height - 0.08) - height, 4), z=z, yaw_rad=yaw
        )
        x0, z0, x1, z1 = candidate.bounds()
        if x0 < room.x0 - 0.01 or z0 < room.z0 - 0.01 or x1 > room.x1 + 0.01 or z1 > room.z1 + 0.01 or candidate.y < 0:
            return None
        if any(_overlap((x0, z0, x1, z1), (d.x0, d.z0, d.x1, d.z1)) for d in self.plan.doors):
            return None
        taken = any(
            p.room_id == room.id and _overlap((x0, z0, x1, z1), p.bounds(0.02)) and float(p.extent()[1][1]) + p.y > 0.6
            for p in self.placed
        )
        return None if taken else candidate


def furnish(plan: FloorPlan, rng: np.random.Generator) -> list[Placement]:
    """Fill every room: what makes its type first, then furniture, then small things."""
    work = Furnisher(plan, rng, [], FIRST_OBJECT_ID)
    for room in plan.rooms:
        for category in SIGNATURES[room.type]:
            if category == "chair" and room.type == "dining room":
                _seat(work, room)
            else:
                work.add(category, room)
        if room.type in ("office", "kitchen", "nursery") and rng.random() < 0.7:
            _seat(work, room)
        pool = OPTIONAL[room.type]
        count = min(len(pool), int(rng.integers(4, 8)) + int(room.area_m2 > 13))
        chosen = [pool[int(index)] for index in rng.permutation(len(pool))[:count]]
        # What needs most space goes first, or it would hardly ever find any.
        chosen.sort(key=lambda name: name not in ("beanbag", "umbrella", "bookshelf"))
        for category in chosen:
            work.add(category, room)
        small = [SMALL[room.type][int(i)] for i in rng.permutation(len(SMALL[room.type]))]
        small.sort(key=lambda name: name not in ("microwave", "laptop"))
        for number in range(int(rng.integers(2, 4)) if len(small) == 1 else int(rng.integers(4, 8))):
            work.add(small[number % len(small)], room)
    return work.placed


def _seat(work: Furnisher, room: Room) -> None:
    """Chairs at the sides of the room's table or desk, looking at it; a chair somewhere when there is neither."""
    hosts = [p for p in work.placed if p.room_id == room.id and p.category in ("table", "desk")]
    if not hosts:
        work.add("chair", room)
        return
    host = hosts[0]
    low, high = host.extent()
    model = work.draw("chair", room)
    c, s = math.cos(host.yaw_rad), math.sin(host.yaw_rad)
    front = float(high[2]) + 0.12
    spots = [(0.0, front, math.pi)]
    if host.category == "table":
        wide = float(high[0] - low[0])
        spots += [
            (0.0, -front, 0.0),
            (float(high[0]) + 0.12, 0.0, -math.pi / 2),
            (float(low[0]) - 0.12, 0.0, math.pi / 2),
        ]
        if wide > 1.35:
            spots = [(dx, z, yaw) for x, z, yaw in spots for dx in ((-0.32, 0.32) if x == 0.0 else (x,))]
    for x, z, yaw in spots:
        chair = replace(
            model,
            id=work.next_id,
            x=round(host.x + c * x + s * z, 4),
            z=round(host.z - s * x + c * z, 4),
            yaw_rad=round(host.yaw_rad + yaw + float(work.rng.uniform(-0.15, 0.15)), 4),
        )
        others = [p for p in work.placed if p.room_id == room.id and p.blocks and p.id != host.id]
        x0, z0, x1, z1 = chair.bounds(0.02)
        inside = room.x0 < x0 and room.z0 < z0 and x1 < room.x1 and z1 < room.z1
        if (
            inside
            and not any(_overlap((x0, z0, x1, z1), p.bounds()) for p in others)
            and not any(_overlap((x0, z0, x1, z1), k) for k in work.keep_clear)
        ):
            work.placed.append(chair)
            work.next_id += 1


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _wall_point(room: Room, side: str, t: float, off: float) -> tuple[float, float, float]:
    """Point `t` metres along a wall (from low x or z), `off` metres inside, and the yaw that looks into the room."""
    x, z, yaw = {
        "n": (room.x0 + t, room.z0 + off, 0.0),
        "s": (room.x0 + t, room.z1 - off, math.pi),
        "w": (room.x0 + off, room.z0 + t, math.pi / 2),
        "e": (room.x1 - off, room.z0 + t, -math.pi / 2),
    }[side]
    return round(x, 4), round(z, 4), yaw


def _window_zone(window: Window, room: Room) -> tuple[float, float, float, float]:
    """The strip of floor in front of a window."""
    a, b = window.start - 0.1, window.stop + 0.1
    return {
        "n": (a, room.z0 - 0.2, b, room.z0 + 0.3),
        "s": (a, room.z1 - 0.3, b, room.z1 + 0.2),
        "w": (room.x0 - 0.2, a, room.x0 + 0.3, b),
        "e": (room.x1 - 0.3, a, room.x1 + 0.2, b),
    }[window.side]
