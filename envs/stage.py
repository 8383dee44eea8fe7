"""The triangles of a house: its shell with textures, its furniture, and the light baked into both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from placecell.envs.floorplan import SIDES, WALL_M, FloorPlan, Room
from placecell.envs.layout import Placement, built
from placecell.envs.render import PaintedMesh
from placecell.envs.solids import Shape, rotation_y
from placecell.envs.surfaces import TEXELS_PER_M, floor_pattern, wall_pattern

__all__ = ["STRUCTURE", "Light", "build_mesh"]

STRUCTURE: dict[str, int] = {"floor": 1, "wall": 2, "ceiling": 3, "door frame": 4, "window": 5, "ceiling lamp": 6}

_GAMMA = 2.2
_ATLAS_WIDTH = 2048
_ALIGN = 16  # texels: no mip level mixes two regions


@dataclass(frozen=True, slots=True)
class Light:
    """How a house is lit: one lamp under the ceiling of every room, and light from everywhere.

    Args:
        brightness: Of the lamps; 1 is a usual evening.
        ambient: Light that comes from everywhere, so that no surface is black.
        warmth: -1 bluish to 1 yellowish.
    """

    brightness: float
    ambient: float
    warmth: float

    def tint(self) -> np.ndarray:
        """RGB factor of the lamps' light."""
        return np.array([1.0 + 0.07 * self.warmth, 1.0, 1.0 - 0.10 * self.warmth])

    def at(
        self, points: Float64[np.ndarray, "n 3"], normals: Float64[np.ndarray, "n 3"], lamp: tuple[float, float, float]
    ) -> Float64[np.ndarray, "n 3"]:
        """Linear light that arrives at points of one room."""
        to_lamp = np.asarray(lamp) - points
        distance = np.linalg.norm(to_lamp, axis=1) + 1e-9
        facing = np.einsum("ij,ij->i", normals, to_lamp) / distance
        lambert = np.maximum(0.0, (facing + 0.25) / 1.25)
        around = self.ambient * (0.86 + 0.14 * normals[:, 1] + 0.05 * normals[:, 0])
        direct = self.brightness * 0.95 * lambert / (1.0 + (distance / 2.9) ** 2)
        return np.asarray(around[:, None] + direct[:, None] * self.tint())


def lamp_of(room: Room, height: float) -> tuple[float, float, float]:
    """Where a room's lamp hangs."""
    return room.centre[0], height - 0.35, room.centre[1]


def encode(albedo: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colours as shown, 0-255: sRGB albedo made linear, lit, and encoded again."""
    linear = np.asarray(albedo, np.float32) ** np.float32(_GAMMA) * light.astype(np.float32)
    return np.asarray(np.clip(linear, 0, 1) ** np.float32(1 / _GAMMA) * np.float32(255.0))


class _Pile:
    """Triangles collected from everywhere."""

    def __init__(self) -> None:
        self.triangles: list[np.ndarray] = []
        self.colours: list[np.ndarray] = []
        self.ids: list[np.ndarray] = []
        self.uvs: list[np.ndarray] = []

    def add(self, triangles: np.ndarray, colours: np.ndarray, face_id: int, uv: np.ndarray | None = None) -> None:
        num = len(triangles)
        self.triangles.append(triangles.astype(np.float32))
        self.colours.append(colours.astype(np.float32))
        self.ids.append(np.full(num, face_id, np.int32))
        self.uvs.append(np.full((num, 3, 2), np.nan, np.float32) if uv is None else uv.astype(np.float32))

    def add_shape(
        self,
        shape: Shape,
        face_id: int,
        at: tuple[float, float, float],
        yaw_rad: float,
        light: Light,
        lamp: tuple[float, float, float],
    ) -> None:
        turn = rotation_y(yaw_rad)
        triangles = np.round(shape.triangles() @ turn.T + np.asarray(at), 5)
        normals = shape.normals() @ turn.T
        arriving = light.at(triangles.reshape(-1, 3), normals.reshape(-1, 3), lamp).reshape(-1, 3, 3)
        self.add(triangles, encode(shape.colours()[:, None], arriving), face_id)


class _Atlas:
    """Places pictures side by side in one, each on texels that a mip level never shares."""

    def __init__(self) -> None:
        self.pictures: list[tuple[int, int, np.ndarray]] = []
        self.x = self.y = self.tall = 0

    def add(self, picture: np.ndarray) -> tuple[int, int]:
        h, w = picture.shape[:2]
        pad_h, pad_w = -h % _ALIGN + _ALIGN, -w % _ALIGN + _ALIGN
        if self.x + w + pad_w > _ATLAS_WIDTH:
            self.x, self.y, self.tall = 0, self.y + self.tall, 0
        place = self.x, self.y
        self.pictures.append((self.x, self.y, cv2.copyMakeBorder(picture, 0, pad_h, 0, pad_w, cv2.BORDER_REPLICATE)))
        self.x += w + pad_w
        self.tall = max(self.tall, h + pad_h)
        return place

    def picture(self) -> np.ndarray:
        out = np.zeros((self.y + self.tall, _ATLAS_WIDTH, 3), np.uint8)
        for x, y, part in self.pictures:
            out[y : y + part.shape[0], x : x + part.shape[1]] = part
        return out


def build_mesh(plan: FloorPlan, things: Sequence[Placement], light: Light, style_seed: int) -> PaintedMesh:
    """Everything that can be seen in the house, lit; the same arguments give the same arrays."""
    rng = np.random.default_rng(style_seed)
    pile, atlas = _Pile(), _Atlas()
    frame_colour = ((0.95, 0.94, 0.91), (0.52, 0.34, 0.20), (0.78, 0.74, 0.68))[int(rng.integers(3))]
    for room in plan.rooms:
        lamp = lamp_of(room, plan.height)
        _floor(pile, atlas, room, things, light, lamp, rng)
        style = int(rng.integers(12))
        for side in SIDES:
            _wall(pile, atlas, plan, room, side, light, lamp, style, rng)
        _ceiling(pile, room, plan.height, light, lamp)
        _lamp_shade(pile, room, plan.height, light, rng)
    _doors(pile, plan, light, frame_colour)
    _windows(pile, plan, light, rng)
    for thing in things:
        room = plan.rooms[thing.room_id]
        shape = built(thing.category, thing.colour, thing.variant, thing.build_seed)
        pile.add_shape(shape, thing.id, (thing.x, thing.y, thing.z), thing.yaw_rad, light, lamp_of(room, plan.height))
    triangles = np.concatenate(pile.triangles)
    return PaintedMesh(
        np.ascontiguousarray(triangles.reshape(-1, 3)),
        np.arange(3 * len(triangles), dtype=np.int32).reshape(-1, 3),
        np.concatenate(pile.colours),
        np.concatenate(pile.ids),
        np.concatenate(pile.uvs),
        atlas.picture(),
        float(TEXELS_PER_M),
    )


def _quad(corners: np.ndarray) -> np.ndarray:
    return np.stack([corners[[0, 1, 2]], corners[[0, 2, 3]]])


def _lit_picture(
    albedo: np.ndarray,
    points: np.ndarray,
    normal: tuple[float, float, float],
    light: Light,
    lamp: tuple[float, float, float],
    shade: np.ndarray,
) -> np.ndarray:
    """Texels with light sampled on the coarse grid `points` (rows columns 3) and an extra `shade` per texel."""
    rows, columns = points.shape[:2]
    flat = points.reshape(-1, 3)
    arriving = light.at(flat, np.broadcast_to(np.asarray(normal, np.float64), flat.shape), lamp)
    grid = arriving.reshape(rows, columns, 3).astype(np.float32)
    full = cv2.resize(grid, (albedo.shape[1], albedo.shape[0]), interpolation=cv2.INTER_LINEAR)
    return encode(albedo, full * shade[..., None]).astype(np.uint8)


def _floor(
    pile: _Pile,
    atlas: _Atlas,
    room: Room,
    things: Sequence[Placement],
    light: Light,
    lamp: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    h, w = math.ceil((room.z1 - room.z0) * TEXELS_PER_M), math.ceil((room.x1 - room.x0) * TEXELS_PER_M)
    albedo = floor_pattern(room.type, h, w, rng)
    shade = np.ones((h, w), np.float32)
    for thing in things:
        if thing.room_id == room.id and thing.blocks:
            outline = np.round((thing.footprint(-0.02) - (room.x0, room.z0)) * TEXELS_PER_M).astype(np.int32)
            cv2.fillConvexPoly(shade, outline, 0.62)
    bordered = cv2.copyMakeBorder(shade, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=0.7)
    shade = np.asarray(cv2.GaussianBlur(bordered, (0, 0), 4.5), np.float32)[8:-8, 8:-8]
    xs, zs = np.linspace(room.x0, room.x1, 9), np.linspace(room.z0, room.z1, 9)
    points = np.stack(np.broadcast_arrays(xs[None, :], 0.0, zs[:, None]), axis=-1)
    x, y = atlas.add(_lit_picture(albedo, points, (0.0, 1.0, 0.0), light, lamp, shade))
    corners = np.array([[room.x0, 0, room.z0], [room.x0, 0, room.z1], [room.x1, 0, room.z1], [room.x1, 0, room.z0]])
    uv = np.array([[x, y], [x, y + h], [x + w, y + h], [x + w, y]], np.float64)
    pile.add(_quad(corners), np.full((2, 3, 3), 128.0), STRUCTURE["floor"], _quad(uv))


def _openings(plan: FloorPlan, room: Room, side: str) -> list[tuple[float, float, float, float]]:
    """Holes in a wall: start and stop along x or z, bottom and top, metres."""
    holes = []
    line = {"n": room.z0, "s": room.z1, "w": room.x0, "e": room.x1}[side]
    for door in plan.doors:
        if room.id in door.rooms and door.along_x == (side in "ns"):
            near = (door.z0, door.z1) if door.along_x else (door.x0, door.x1)
            if min(abs(near[0] - line), abs(near[1] - line)) < 1e-6:
                holes.append(
                    (door.x0, door.x1, 0.0, door.height) if door.along_x else (door.z0, door.z1, 0.0, door.height)
                )
    holes += [(w.start, w.stop, w.sill, w.top) for w in plan.windows if w.room == room.id and w.side == side]
    return sorted(holes)


def _wall(
    pile: _Pile,
    atlas: _Atlas,
    plan: FloorPlan,
    room: Room,
    side: str,
    light: Light,
    lamp: tuple[float, float, float],
    style: int,
    rng: np.random.Generator,
) -> None:
    low, high = (room.x0, room.x1) if side in "ns" else (room.z0, room.z1)
    line = {"n": room.z0, "s": room.z1, "w": room.x0, "e": room.x1}[side]
    normal = {"n": (0.0, 0.0, 1.0), "s": (0.0, 0.0, -1.0), "w": (1.0, 0.0, 0.0), "e": (-1.0, 0.0, 0.0)}[side]

    def place(along: float, y: float) -> list[float]:
        return [along, y, line] if side in "ns" else [line, y, along]

    h, w = math.ceil(plan.height * TEXELS_PER_M), math.ceil((high - low) * TEXELS_PER_M)
    albedo = wall_pattern(room.type, h, w, style, rng)
    points = np.array([[place(a, y) for a in np.linspace(low, high, 9)] for y in np.linspace(plan.height, 0, 7)])
    rows = (np.arange(h) + 0.5) / TEXELS_PER_M
    ends = (np.arange(w) + 0.5) / TEXELS_PER_M
    vertical = 1.0 - 0.16 * np.exp(-rows / 0.18) - 0.22 * np.exp(-(rows[-1] - rows) / 0.15)
    across = 1.0 - 0.16 * np.exp(-ends / 0.2) - 0.16 * np.exp(-(ends[-1] - ends) / 0.2)
    shade = (vertical[:, None] * across[None]).astype(np.float32)
    x, y = atlas.add(_lit_picture(albedo, points, normal, light, lamp, shade))
    holes = _openings(plan, room, side)
    edges = sorted({low, high, *(v for hole in holes for v in hole[:2])})
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        middle = (a + b) / 2
        spans = [(0.0, plan.height)]
        for start, stop, bottom, top in holes:
            if start < middle < stop:
                spans = [(s0, s1) for s0, s1 in ((0.0, bottom), (top, plan.height)) if s1 - s0 > 1e-6]
        for y0, y1 in spans:
            corners = np.array([place(a, y0), place(b, y0), place(b, y1), place(a, y1)])
            u0, u1 = x + (a - low) * TEXELS_PER_M, x + (b - low) * TEXELS_PER_M
            v0, v1 = y + (plan.height - y0) * TEXELS_PER_M, y + (plan.height - y1) * TEXELS_PER_M
            pile.add(
                _quad(corners),
                np.full((2, 3, 3), 128.0),
                STRUCTURE["wall"],
                _quad(np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])),
            )


def _ceiling(pile: _Pile, room: Room, height: float, light: Light, lamp: tuple[float, float, float]) -> None:
    xs, zs = np.linspace(room.x0, room.x1, 6), np.linspace(room.z0, room.z1, 6)
    grid = np.stack(np.broadcast_arrays(xs[:, None], height, zs[None, :]), axis=-1)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 3), np.stack([a, c, d], 2).reshape(-1, 3, 3)])
    points = triangles.reshape(-1, 3)
    # The room below throws light up: more than a lamp just under the ceiling gives by itself.
    glow = light.at(points - (0, 0.5, 0), np.broadcast_to(np.array([0.0, 1.0, 0.0]), points.shape), lamp) * 1.06
    far = np.maximum(np.abs(points[:, 0] - lamp[0]), np.abs(points[:, 2] - lamp[2]))
    glow *= (1.0 - 0.05 * far)[:, None]
    pile.add(triangles, encode(np.full((len(triangles), 3, 3), 0.93), glow.reshape(-1, 3, 3)), STRUCTURE["ceiling"])


def _lamp_shade(pile: _Pile, room: Room, height: float, light: Light, rng: np.random.Generator) -> None:
    shape = Shape((1.0, 0.97, 0.88))
    x, z = room.centre
    kind = int(rng.integers(3))
    if kind == 0:
        shape.lathe([(0, -0.1), (0.16, -0.06), (0.2, 0)], (0, 0, 0), sides=14)
    elif kind == 1:
        shape.cylinder(0.008, 0.16, (0, -0.16, 0), (0.3, 0.3, 0.3), sides=5)
        shape.sphere(0.13, (0, -0.27, 0), sides=14)
    else:
        shape.box((0.5, 0.05, 0.18), (0, -0.05, 0))
    triangles = np.round(shape.triangles() + (x, height, z), 5)
    glow = np.full((len(triangles), 3, 3), 1.0) * (1.05 + 0.1 * shape.normals()[..., 1:2])
    pile.add(triangles, encode(shape.colours()[:, None], glow), STRUCTURE["ceiling lamp"])


def _doors(pile: _Pile, plan: FloorPlan, light: Light, colour: tuple[float, float, float]) -> None:
    for door in plan.doors:
        wide = (door.x1 - door.x0) if door.along_x else (door.z1 - door.z0)
        shape = Shape(colour)
        deep, jamb = WALL_M + 0.03, 0.05
        for side in (-1, 1):
            shape.box((jamb, door.height, deep), (side * (wide - jamb) / 2, 0, 0))
        shape.box((wide, jamb, deep), (0, door.height - jamb, 0))
        shape.box((wide - 2 * jamb, 0.006, deep - 0.01), (0, -0.004, 0), (0.45, 0.36, 0.28))
        for face in (-1, 1):
            z = face * (deep / 2 + 0.004)
            for side in (-1, 1):
                shape.box((0.07, door.height + 0.05, 0.014), (side * (wide / 2 + 0.02), 0, z), shade=0.96)
            shape.box((wide + 0.11, 0.07, 0.014), (0, door.height - 0.01, z), shade=0.96)
        x, z = door.centre
        near = plan.rooms[door.rooms[0]]
        lamp = (x * 0.5 + near.centre[0] * 0.5, plan.height - 0.4, z * 0.5 + near.centre[1] * 0.5)
        pile.add_shape(shape, STRUCTURE["door frame"], (x, 0.0, z), 0.0 if door.along_x else math.pi / 2, light, lamp)


def _windows(pile: _Pile, plan: FloorPlan, light: Light, rng: np.random.Generator) -> None:
    sky = np.array(((0.55, 0.75, 0.95), (0.72, 0.82, 0.92), (0.95, 0.78, 0.62))[int(rng.integers(3))])
    ground = np.array(((0.42, 0.58, 0.30), (0.50, 0.60, 0.38))[int(rng.integers(2))])
    for window in plan.windows:
        room = plan.rooms[window.room]
        wide, tall = window.stop - window.start, window.top - window.sill
        middle = (window.start + window.stop) / 2
        x, z, yaw = {
            "n": (middle, room.z0, 0.0),
            "s": (middle, room.z1, math.pi),
            "w": (room.x0, middle, math.pi / 2),
            "e": (room.x1, middle, -math.pi / 2),
        }[window.side]
        frame = Shape((0.96, 0.96, 0.95))
        for side in (-1, 1):
            frame.box((0.06, tall, WALL_M), (side * (wide / 2 - 0.03), 0, -WALL_M / 2))
        frame.box((0.035, tall, 0.04), (0, 0, -0.05))
        for y in (0.0, tall - 0.05):
            frame.box((wide, 0.05, WALL_M), (0, y, -WALL_M / 2))
        frame.box((wide, 0.03, 0.04), (0, tall * 0.6, -0.05))
        frame.box((wide + 0.12, 0.035, 0.12), (0, -0.03, 0.03))
        at = (x, window.sill, z)
        pile.add_shape(frame, STRUCTURE["window"], at, yaw, light, lamp_of(room, plan.height))
        turn = rotation_y(yaw)
        levels = [(0.0, ground * 0.9), (tall * 0.3, ground), (tall * 0.3, sky * 1.0), (tall, sky * 0.82)]
        for (y0, c0), (y1, c1) in ((levels[0], levels[1]), (levels[2], levels[3])):
            corners = np.array(
                [
                    [-wide / 2, y0, -WALL_M + 0.01],
                    [wide / 2, y0, -WALL_M + 0.01],
                    [wide / 2, y1, -WALL_M + 0.01],
                    [-wide / 2, y1, -WALL_M + 0.01],
                ]
            )
            shades = np.array([c0, c0, c1, c1]) * 255.0
            pile.add(
                np.round(_quad(corners @ turn.T + np.asarray(at)), 5),
                np.clip(_quad(shades), 0, 255),
                STRUCTURE["window"],
            )
