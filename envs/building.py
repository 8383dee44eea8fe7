"""A seeded house: generate it, look at its ground truth, rearrange it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from placecell.envs.catalogue import CATALOGUE, CATEGORIES
from placecell.envs.contents import SIGNATURES
from placecell.envs.floorplan import MOST_ROOMS, FloorPlan, Room, draw_plan
from placecell.envs.footprints import clear_floor
from placecell.envs.layout import Furnisher, Placement, furnish
from placecell.envs.render import PaintedMesh, Renderer
from placecell.envs.stage import STRUCTURE, Light, build_mesh
from placecell.envs.walker import AGENT_RADIUS_M
from placecell.geometry import Camera, pose_from
from placecell.pathfinder import CELL_M, PathFinder

__all__ = ["Change", "House", "HouseObject"]

_MIN_SHARE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class HouseObject:
    """Ground truth of one thing.

    Args:
        id: Its value in the semantic image.
        category: One of `CATEGORIES`.
        colour: One of `COLOURS`; the category's `colour_governs` says of which part.
        room_id: Index into `House.rooms`.
        room_type: One of `ROOM_TYPES`.
        low_m: Lowest corner of its axis-aligned box, world frame.
        high_m: Highest corner of that box.
        on: Id of the thing that carries it, None on the floor or a wall.
    """

    id: int
    category: str
    colour: str
    room_id: int
    room_type: str
    low_m: Float64[np.ndarray, "3"]
    high_m: Float64[np.ndarray, "3"]
    on: int | None

    @property
    def centre_m(self) -> Float64[np.ndarray, "3"]:
        """Middle of the box."""
        return np.asarray((self.low_m + self.high_m) / 2)

    @property
    def aabb(self) -> Float64[np.ndarray, "2 3"]:
        """Lowest and highest corner, stacked."""
        return np.stack([self.low_m, self.high_m])

    @property
    def colour_asked(self) -> bool:
        """Whether asking for this thing's colour is fair."""
        return CATALOGUE[self.category].colour_asked


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What `House.relocate` did to one thing: `before` is None for an added one, `after` for a removed one."""

    kind: Literal["moved", "added", "removed"]
    object_id: int
    before: HouseObject | None
    after: HouseObject | None


class House:
    """Rooms, furniture and light of one house; values only, so every change makes a new house.

    Example:
        >>> house = House.generate(seed=7, num_rooms=6)
        >>> len(house.rooms), house.digest() == House.generate(seed=7, num_rooms=6).digest()
        (6, True)
    """

    def __init__(
        self, seed: int, plan: FloorPlan, placements: tuple[Placement, ...], light: Light, next_id: int | None = None
    ) -> None:
        self.seed, self.plan, self.placements, self.light = seed, plan, placements, light
        # An id is never given twice, even when its first owner is gone.
        self.next_id = 1 + max(p.id for p in placements) if next_id is None else next_id

    @classmethod
    def generate(cls, seed: int, num_rooms: int | None = None) -> House:
        """The house of a seed, every room reachable, with its signature objects.

        Args:
            seed: Draws everything.
            num_rooms: 5 to `MOST_ROOMS`; drawn from 5 to 9 if not given. From ten on there are several of a type.

        Raises:
            ValueError: If `num_rooms` lies outside 5..16 or the seed is negative.
        """
        if num_rooms is not None and not 5 <= num_rooms <= MOST_ROOMS:
            raise ValueError(f"num_rooms must lie between 5 and {MOST_ROOMS}, got {num_rooms}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        for attempt in range(200):
            rng = np.random.default_rng([seed, num_rooms or 0, attempt])
            count = num_rooms if num_rooms is not None else int(rng.integers(5, 10))
            plan = draw_plan(rng, count)
            light = Light(
                round(float(rng.uniform(0.75, 1.15)), 4),
                round(float(rng.uniform(0.38, 0.55)), 4),
                round(float(rng.uniform(-1, 1)), 4),
            )
            things = _repair(plan, furnish(plan, rng))
            if things is not None and _has_signatures(plan, things):
                return cls(seed, plan, tuple(things), light)
        raise RuntimeError(f"no connected house was found for seed {seed}")

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Rooms; a room's id is its index."""
        return self.plan.rooms

    @cached_property
    def objects(self) -> tuple[HouseObject, ...]:
        """Ground truth of every thing, ordered by id."""
        return tuple(self._describe(thing) for thing in sorted(self.placements, key=lambda p: p.id))

    def object(self, object_id: int) -> HouseObject:
        """The thing with this id.

        Raises:
            KeyError: If there is none.
        """
        for thing in self.objects:
            if thing.id == object_id:
                return thing
        raise KeyError(f"house {self.seed} has no object {object_id}")

    @cached_property
    def mesh(self) -> PaintedMesh:
        """Every triangle with its light, id and texture."""
        return build_mesh(self.plan, self.placements, self.light, self.seed)

    @cached_property
    def renderer(self) -> Renderer:
        """Renders the house; shared by all environments in it."""
        return Renderer(self.mesh)

    @cached_property
    def scene(self) -> Any:
        """The house as a `trimesh.Scene`; see `placecell.envs.export.house_scene`."""
        from placecell.envs.export import house_scene

        return house_scene(self)

    def digest(self) -> str:
        """SHA-256 over triangles, unlit layout and ids: equal for equal houses in any process."""
        mesh, sha = self.mesh, hashlib.sha256()
        for array in (mesh.vertices, mesh.faces, mesh.face_ids):
            sha.update(np.ascontiguousarray(array).tobytes())
        sha.update(repr((self.plan, self.placements, self.light)).encode())
        return sha.hexdigest()

    @cached_property
    def free(self) -> Bool[np.ndarray, "rows columns"]:
        """Floor grid in `CELL_M` cells from (0, 0), rows along z: True where nothing stands."""
        free = _free_floor(self.plan, ())
        for thing in self.placements:
            if thing.blocks:
                clear_floor(free, thing)
        return free

    def pathfinder(self, agent_radius_m: float = AGENT_RADIUS_M) -> PathFinder:
        """A new path finder for a disc of this radius."""
        return PathFinder(self.free, agent_radius_m)

    def room_at(self, x: float, z: float) -> Room | None:
        """The room that holds a point of the floor."""
        return self.plan.room_at(x, z)

    def relocate(
        self, rng: np.random.Generator, moved: int = 0, added: int = 0, removed: int = 0
    ) -> tuple[House, list[Change]]:
        """Rearrange small and light things as people do between two visits.

        A moved thing keeps its id and goes to another room or surface; what carries others stays. The house stays
        connected.

        Args:
            rng: Decides what changes.
            moved: How many things change their place.
            added: How many new things come, with new ids.
            removed: How many things disappear.

        Returns:
            The new house, and exactly what changed.

        Raises:
            ValueError: If the house has too few things that can change.
        """
        if min(moved, added, removed) < 0:
            raise ValueError(f"counts must not be negative, got moved={moved}, added={added}, removed={removed}")
        carriers = {p.on for p in self.placements}
        loose = [
            p for p in self.placements if CATALOGUE[p.category].place in ("surface", "floor") and p.id not in carriers
        ]
        loose = [loose[int(i)] for i in rng.permutation(len(loose))]
        if moved + removed > len(loose):
            raise ValueError(
                f"this house has {len(loose)} things that can move or go, {moved + removed} were asked for"
            )
        gone, placed = loose[:removed], [p for p in self.placements if p not in loose[:removed]]
        changes = [Change("removed", p.id, self._describe(p), None) for p in gone]
        work = Furnisher(self.plan, rng, placed, self.next_id)
        left = moved
        for thing in loose[removed:]:
            if left == 0:
                break
            work.placed.remove(thing)
            new = self._put_somewhere(work, thing, rng, thing.room_id)
            if new is None:
                work.placed.append(thing)
                continue
            changes.append(Change("moved", thing.id, self._describe(thing), self._describe(new)))
            left -= 1
        names = [name for name in CATEGORIES if CATALOGUE[name].place in ("surface", "floor")]
        missing = added
        for _ in range(added * 20):
            if missing == 0:
                break
            new = self._put_somewhere(work, work.draw(names[int(rng.integers(len(names)))], self.rooms[0]), rng, -1)
            if new is not None:
                changes.append(Change("added", new.id, None, self._describe(new)))
                missing -= 1
        if left or missing:
            raise ValueError(f"no space was found for {left} things to move and {missing} to add")
        order = sorted(work.placed, key=lambda p: p.id)
        return House(self.seed, self.plan, tuple(order), self.light, work.next_id), changes

    def _put_somewhere(
        self, work: Furnisher, thing: Placement, rng: np.random.Generator, not_room: int
    ) -> Placement | None:
        for index in rng.permutation(len(self.rooms)):
            if int(index) == not_room:
                continue
            new = work.put(thing, self.rooms[int(index)])
            if new is None:
                continue
            finder = PathFinder(_free_floor(self.plan, tuple(work.placed)), AGENT_RADIUS_M)
            if not new.blocks or (finder.largest_share >= _MIN_SHARE and _all_rooms_open(self.plan, finder)):
                return new
            work.placed.remove(new)
        return None

    def _describe(self, thing: Placement) -> HouseObject:
        low, high = thing.extent()
        x0, z0, x1, z1 = thing.bounds()
        room = self.rooms[thing.room_id]
        low_m, high_m = np.array([x0, thing.y + low[1], z0]), np.array([x1, thing.y + high[1], z1])
        return HouseObject(thing.id, thing.category, thing.colour, room.id, room.type, low_m, high_m, thing.on)

    def topdown(self, meters_per_pixel: float = 0.02) -> tuple[UInt8[np.ndarray, "h w 3"], Float64[np.ndarray, "2 3"]]:
        """The house from above with its roof off, rooms labelled, for reports.

        Returns:
            The picture, and the affine map: `pixel (column, row) = map @ (x, z, 1)` for world metres.
        """
        if meters_per_pixel <= 0:
            raise ValueError(f"meters_per_pixel must be positive, got {meters_per_pixel}")
        margin, height = 0.25, 60.0  # so high up that the view is all but orthographic
        w = math.ceil((self.plan.width + 2 * margin) / meters_per_pixel)
        h = math.ceil((self.plan.depth + 2 * margin) / meters_per_pixel)
        camera = Camera(w, h, 2.0 * math.atan(w * meters_per_pixel / (2.0 * height)))
        middle = np.array([w * meters_per_pixel / 2 - margin, height, h * meters_per_pixel / 2 - margin])
        roofless = self.mesh.without({STRUCTURE["ceiling"], STRUCTURE["ceiling lamp"]})
        picture, _, _ = Renderer(roofless, (84, 84, 90)).render(
            pose_from(middle, 0.0, -math.pi / 2), camera, antialias=2
        )
        k = 1.0 / meters_per_pixel
        to_pixel = np.array([[k, 0.0, margin * k], [0.0, k, margin * k]])
        outside = np.ones((h, w), bool)
        border = round(margin * k)
        outside[border : h - border, border : w - border] = False
        picture[outside] = 255
        size = max(0.3, 0.0085 * k)
        for room in self.rooms:
            (tw, th), _ = cv2.getTextSize(room.type, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            x, y = to_pixel @ (*room.centre, 1.0)
            low, high = (int(x - tw / 2), int(y + th / 2)), (int(x + tw / 2), int(y - th / 2))
            cv2.rectangle(picture, (low[0] - 4, low[1] + 5), (high[0] + 4, high[1] - 4), (255, 255, 255), -1)
            cv2.putText(picture, room.type, low, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
        return picture, to_pixel


def _free_floor(plan: FloorPlan, things: tuple[Placement, ...] | list[Placement]) -> Bool[np.ndarray, "rows columns"]:
    """Cells of floor on which nothing stands; things take up their boxes, so that whoever furnishes leaves room."""
    rows, columns = int(np.ceil(plan.depth / CELL_M)) + 1, int(np.ceil(plan.width / CELL_M)) + 1
    free = np.zeros((rows, columns), bool)
    boxes = [(room.x0, room.z0, room.x1, room.z1) for room in plan.rooms]
    for door in plan.doors:
        # A doorway reaches one cell into both rooms, so that rounding leaves no sill between them.
        dx, dz = (0.0, CELL_M) if door.along_x else (CELL_M, 0.0)
        boxes.append((door.x0 - dx, door.z0 - dz, door.x1 + dx, door.z1 + dz))
    for x0, z0, x1, z1 in boxes:
        # A cell is floor when its centre is.
        r0, r1 = math.ceil(z0 / CELL_M - 0.5), math.floor(z1 / CELL_M - 0.5) + 1
        c0, c1 = math.ceil(x0 / CELL_M - 0.5), math.floor(x1 / CELL_M - 0.5) + 1
        free[max(r0, 0) : r1, max(c0, 0) : c1] = True
    for thing in things:
        if thing.blocks:
            _block(free, thing)
    return free


def _block(free: np.ndarray, thing: Placement) -> None:
    """Clear the cells whose centre lies in a thing's footprint."""
    x0, z0, x1, z1 = thing.bounds(0.01)
    r0, r1 = max(int(z0 / CELL_M), 0), min(int(z1 / CELL_M) + 1, free.shape[0])
    c0, c1 = max(int(x0 / CELL_M), 0), min(int(x1 / CELL_M) + 1, free.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    dx = (np.arange(c0, c1)[None] + 0.5) * CELL_M - thing.x
    dz = (np.arange(r0, r1)[:, None] + 0.5) * CELL_M - thing.z
    c, s = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
    low, high = thing.extent()
    u, v = c * dx - s * dz, s * dx + c * dz
    inside = (u > low[0] - 0.025) & (u < high[0] + 0.025) & (v > low[2] - 0.025) & (v < high[2] + 0.025)
    free[r0:r1, c0:c1] &= ~inside


def _all_rooms_open(plan: FloorPlan, finder: PathFinder) -> bool:
    """Whether every room has a square metre's worth of standing room on the largest island."""
    main = finder.islands == finder.largest_island
    for room in plan.rooms:
        r0, c0 = finder.cell(room.x0, room.z0)
        r1, c1 = finder.cell(room.x1, room.z1)
        if main[r0:r1, c0:c1].sum() * CELL_M**2 < 0.6:
            return False
    return True


def _repair(plan: FloorPlan, things: list[Placement]) -> list[Placement] | None:
    """Take out what cuts the floor into pieces; None when the house cannot be saved."""
    things = list(things)
    for _ in range(25):
        finder = PathFinder(_free_floor(plan, things), AGENT_RADIUS_M)
        if finder.largest_share >= _MIN_SHARE and _all_rooms_open(plan, finder):
            return things
        blockers = [p for p in things if p.blocks and p.category not in SIGNATURES[plan.rooms[p.room_id].type]]
        best, best_score = None, (finder.largest_share * finder.navigable_area, 0.0)
        stray = finder.navigable & (finder.islands != finder.largest_island)
        near = cv2.dilate(stray.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
        for thing in blockers:
            row, column = finder.cell(thing.x, thing.z)
            x0, z0, x1, z1 = thing.bounds()
            (r0, c0), (r1, c1) = finder.cell(x0, z0), finder.cell(x1, z1)
            if stray.any() and not near[max(r0, 0) : r1 + 1, max(c0, 0) : c1 + 1].any():
                continue
            trial = PathFinder(_free_floor(plan, [p for p in things if p.id != thing.id]), AGENT_RADIUS_M)
            low, high = thing.extent()
            score = (round(trial.largest_share * trial.navigable_area, 3), -float(high[0] - low[0]))
            if score > best_score:
                best, best_score = thing, score
        if best is None:
            return None
        things = [p for p in things if p.id != best.id and p.on != best.id]
    return None


def _has_signatures(plan: FloorPlan, things: list[Placement]) -> bool:
    present = {(p.room_id, p.category) for p in things}
    return all((room.id, name) in present for room in plan.rooms for name in SIGNATURES[room.type])
