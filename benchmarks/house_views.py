"""Labelled views of seeded houses: what the built-in encoder is trained on and measured by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from placecell.envs.house import CATEGORIES, COLOURS, ROOM_TYPES, House, HouseEnv, HouseObject
from placecell.envs.render import PaintedMesh, Renderer
from placecell.geometry import Camera, look_at, pose_from

__all__ = ["OBJECT_COLUMNS", "HouseView", "Outlines", "house_views", "render_view"]

COLOUR_NAMES = tuple(COLOURS)
#: Columns of `HouseView.objects`. `shown` is the visible box over the projected box, which the picture's edge and what
#: stands before it make smaller; `clear` is the share of its outline in the picture that nothing hides, 1 if not asked.
OBJECT_COLUMNS = (
    "id", "category", "colour", "asked", "room", "left", "top", "right", "bottom", "pixels", "shown", "clear",
)  # fmt: skip
_CAMERAS = ((256, 256, 90.0), (320, 240, 79.0), (480, 360, 85.0))
_ROOM_GRID = 16


@dataclass(frozen=True, slots=True, eq=False)
class HouseView:
    """One picture with what is in it; names are indices into CATEGORIES, COLOURS and ROOM_TYPES.

    Args:
        rgb_jpeg: The picture, JPEG.
        ids_png: Instance ids (1-255, 0 is the shell), half the picture's size, PNG.
        size: Width and height.
        objects: One row per visible object, see `OBJECT_COLUMNS`.
        room: Type of the room that the camera is in, -1 on a doorstep.
        room_grid: Type of the room seen at 16 x 16 points of the picture, 255 where nothing is.
        seed: The house.
    """

    rgb_jpeg: bytes
    ids_png: bytes
    size: tuple[int, int]
    objects: Float32[np.ndarray, "o columns"]
    room: int
    room_grid: UInt8[np.ndarray, "g g"]
    seed: int

    def rgb(self) -> UInt8[np.ndarray, "h w 3"]:
        """The picture."""
        bgr = np.asarray(cv2.imdecode(np.frombuffer(self.rgb_jpeg, np.uint8), cv2.IMREAD_COLOR))
        return np.ascontiguousarray(bgr[..., ::-1])

    def ids(self) -> UInt8[np.ndarray, "h2 w2"]:
        """Instance ids at half the picture's size."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.ids_png, np.uint8), cv2.IMREAD_GRAYSCALE))


def house_views(
    seed: int,
    num_walk: int = 10,
    num_close: int = 14,
    cameras: bool = True,
    quality: tuple[int, int] = (45, 95),
    occlusion: bool = False,
) -> list[HouseView]:
    """Views of the house of a seed, drawn from that seed alone.

    Args:
        seed: The house's.
        num_walk: Views from random navigable points, looking anywhere, at eye height.
        num_close: Views towards an object from up to 3 m away in its room, rare categories and small things first.
        cameras: Vary size, field of view, height and tilt; else 256 x 256, 90 degrees, 0.88 m, level.
        quality: Range of the JPEG quality.
        occlusion: Measure `clear` for every object, which takes a second look at each alone.
    """
    house = House.generate(seed)
    env = HouseEnv(house)
    rng = np.random.default_rng([seed, 77])
    env.pathfinder.seed(int(rng.integers(2**31)))
    points = np.array([env.pathfinder.get_random_navigable_point() for _ in range(160)])
    alone = Outlines(house) if occlusion else None
    views = []
    for i in range(num_walk + num_close):
        height, pitch, camera, antialias = 0.88, 0.0, Camera.from_degrees(256, 256, 90.0), 1
        if cameras:
            width, rows, fov = _CAMERAS[int(rng.choice(3, p=(0.82, 0.11, 0.07)))]
            camera = Camera.from_degrees(width, rows, fov + rng.uniform(-8, 4))
            antialias = 2 if width == 256 and rng.random() < 0.12 else 1
            height = 0.88 if rng.random() < 0.6 else rng.uniform(0.6, 1.5)
            pitch = 0.0 if rng.random() < 0.65 else rng.uniform(-0.6, 0.2)
        if i < num_walk:
            x, _, z = points[int(rng.integers(len(points)))]
            pose = pose_from(np.array([x, height, z]), rng.uniform(-math.pi, math.pi), pitch)
        else:
            thing = _pick(house.objects, rng)
            off = np.hypot(points[:, 0] - thing.centre_m[0], points[:, 2] - thing.centre_m[2])
            room = house.rooms[thing.room_id]
            inside = np.array([room.contains(x, z) for x, _, z in points])
            large = float(np.linalg.norm(thing.high_m - thing.low_m))
            near = np.flatnonzero(inside & (off < 1.2 + 1.6 * large) & (off > 0.3 + 0.4 * large))
            near = near if len(near) else np.argsort(off)[:5]
            x, _, z = points[int(rng.choice(near))]
            eye = np.array([x, height, z])
            aim = thing.centre_m + rng.normal(0, 0.12, 3) * off.min().clip(0.5, 3)
            pose = look_at(eye, aim)
        rgb, depth, ids = env.render_at(pose, camera, antialias)
        views.append(render_view(house, rgb, depth, ids, pose, camera, int(rng.integers(*quality)), alone))
    return views


class Outlines:
    """How much of the picture each object of a house would cover if it stood there alone."""

    def __init__(self, house: House) -> None:
        self._mesh = house.mesh
        self._renderers: dict[int, Renderer] = {}

    def num_pixels(self, object_id: int, pose: np.ndarray, camera: Camera) -> int:
        """Pixels of the object's outline, whatever stands before it."""
        if object_id not in self._renderers:
            mesh, own = self._mesh, self._mesh.face_ids == object_id
            faces = mesh.faces[own]
            used, renumbered = np.unique(faces, return_inverse=True)
            self._renderers[object_id] = Renderer(
                PaintedMesh(
                    mesh.vertices[used],
                    renumbered.reshape(faces.shape).astype(np.int32),
                    mesh.corner_rgb[own],
                    mesh.face_ids[own],
                )
            )
        return int((self._renderers[object_id].render(pose, camera)[2] == object_id).sum())


def _pick(things: tuple[HouseObject, ...], rng: np.random.Generator) -> HouseObject:
    """An object whose category is rare in the house, or that is small, sooner than another."""
    names = [thing.category for thing in things]
    weights = np.array([1.0 / names.count(name) ** 0.7 for name in names])
    weights *= np.array([2.0 if np.linalg.norm(thing.high_m - thing.low_m) < 0.7 else 1.0 for thing in things])
    return things[int(rng.choice(len(things), p=weights / weights.sum()))]


def render_view(
    house: House,
    rgb: UInt8[np.ndarray, "h w 3"],
    depth_m: Float32[np.ndarray, "h w"],
    ids: Int32[np.ndarray, "h w"],
    pose: np.ndarray,
    camera: Camera,
    quality: int = 90,
    alone: Outlines | None = None,
) -> HouseView:
    """Pack a rendered picture with its labels."""
    things = {thing.id: thing for thing in house.objects}
    kept = np.where(np.isin(ids, list(things)) & (ids < 256), ids, 0).astype(np.uint8)
    rows = []
    for i in np.flatnonzero(np.bincount(kept.ravel(), minlength=256)):
        if i == 0:
            continue
        thing = things[int(i)]
        mask = kept == i
        x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        box = (x[0], y[0], x[-1] + 1, y[-1] + 1)
        names = CATEGORIES.index(thing.category), COLOUR_NAMES.index(thing.colour), thing.colour_asked
        room = ROOM_TYPES.index(thing.room_type)
        clear = 1.0 if alone is None else min(1.0, mask.sum() / max(alone.num_pixels(int(i), pose, camera), 1))
        rows.append((i, *names, room, *box, mask.sum(), _shown(thing, box, pose, camera), clear))
    here = house.room_at(float(pose[0, 3]), float(pose[2, 3]))
    return HouseView(
        cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(),
        cv2.imencode(".png", kept[::2, ::2])[1].tobytes(),
        (camera.width, camera.height),
        np.array(rows, np.float32).reshape(-1, len(OBJECT_COLUMNS)),
        -1 if here is None else ROOM_TYPES.index(here.type),
        _room_grid(house, depth_m, pose, camera),
        house.seed,
    )


def _shown(thing: HouseObject, box: tuple[float, ...], pose: np.ndarray, camera: Camera) -> float:
    bounds = thing.aabb
    corners = np.array([[bounds[i, 0], bounds[j, 1], bounds[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    local = (corners - pose[:3, 3]) @ pose[:3, :3]
    ahead = -local[:, 2]
    if ahead.min() < 0.05:
        return 0.0
    projected = local[:, :2] / ahead[:, None] * camera.focal_px
    area = float(np.prod(np.maximum(np.ptp(projected, axis=0), 1.0)))
    return float((box[2] - box[0]) * (box[3] - box[1])) / area


def _room_grid(house: House, depth_m: np.ndarray, pose: np.ndarray, camera: Camera) -> UInt8[np.ndarray, "g g"]:
    rows = ((np.arange(_ROOM_GRID) + 0.5) / _ROOM_GRID * camera.height).astype(int)
    columns = ((np.arange(_ROOM_GRID) + 0.5) / _ROOM_GRID * camera.width).astype(int)
    depth = depth_m[rows[:, None], columns[None, :]]
    rays = np.stack(
        np.broadcast_arrays(
            (columns[None, :] + 0.5 - camera.width / 2) / camera.focal_px,
            (camera.height / 2 - rows[:, None] - 0.5) / camera.focal_px,
            -1.0,
        ),
        axis=-1,
    )
    points = (rays * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]
    grid = np.full(depth.shape, 255, np.uint8)
    slack = 0.06  # walls and doors: half a wall's thickness
    for room in house.rooms:
        x, z = points[..., 0], points[..., 2]
        inside = (x > room.x0 - slack) & (x < room.x1 + slack) & (z > room.z0 - slack) & (z < room.z1 + slack)
        grid[inside & (depth > 0) & (grid == 255)] = ROOM_TYPES.index(room.type)
    return grid
