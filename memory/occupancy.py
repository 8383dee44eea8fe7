"""Which cells of the floor are free, from depth: what one scan shows, and evidence that adds up and can be overturned.

All grids lie on one lattice of `CELL_M` cells whose corner is the world's origin, so grids of several agents fit
together. Rows run along z, columns along x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16

from placecell.geometry import Camera
from placecell.pathfinder import CELL_M
from placecell.perception.scan import Scan

__all__ = ["BLOCK_TOP_M", "MAX_CELLS", "WALL_M", "Grid", "Sweep", "floor_areas", "sweep"]

BLOCK_TOP_M: Final = 1.5  # what hangs higher is walked under
WALL_M: Final = (1.6, 1.95)  # heights at which there is little but walls, and doors are open
FREE_RANGE_M: Final = 5.0
BLOCK_RANGE_M: Final = 6.0
MAX_CELLS: Final = 4096  # of a grid's side (205 m); a pose that would need more is taken for an error
_TOLERANCE_M, _TOLERANCE_SHARE = 0.05, 0.01  # how far a floor sample may lie off the floor, and more with distance
_PUSH_M: Final = CELL_M / 2  # behind a surface: the cell whose middle lies inside the thing is the blocked one
_BEND: Final = 0.01  # inverse depth of three neighbours on a plane is that close to a line
_GAP_M: Final = 1.0  # neighbouring samples further apart are not joined
_END_M: Final = 0.4  # nor are those so far apart of which one alone lies in line with its neighbours
_TALLEST_M: Final = 2.2  # no camera is higher above its floor; what lies deeper is the floor of another storey
_BODY_M, _REACH_M = 0.15, 0.25  # around a camera: certainly, probably free
_BLIND_M: Final = 3.0  # floor below the picture, in front of the first floor that is seen
_HIT, _CLEAR, _LOW, _HIGH = 2, -1, -3, 6
_CHUNK: Final = 64
_MARGIN: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What one scan says of the floor, on a window of the lattice.

    Args:
        row: First row of the window.
        column: First column of the window.
        clear: Floor was seen here.
        blocked: Something stands, or there is no floor here.
        wall: Something is as high as walls are.
        assumed: Floor too near below the camera to be in the picture.
        quality: How well the picture shows a clear cell, 0 to 1.
    """

    row: int
    column: int
    clear: np.ndarray
    blocked: np.ndarray
    wall: np.ndarray
    assumed: np.ndarray
    quality: np.ndarray


@lru_cache(maxsize=8)
def _rays(camera: Camera) -> Float32[np.ndarray, "h w 3"]:
    return camera.directions()


def _world(scan: Scan, pose: Float64[np.ndarray, "4 4"]) -> Float32[np.ndarray, "h w 3"]:
    """Points relative to the camera's place in the directions of the world; not a number where unknown."""
    depth = np.where(scan.depth_m > 0, scan.depth_m, np.float32(np.nan))
    return np.asarray((_rays(scan.camera) * depth[..., None]) @ pose[:3, :3].T.astype(np.float32))


def floor_areas(scan: Scan, pose: Float64[np.ndarray, "4 4"]) -> tuple[np.ndarray, np.ndarray]:
    """Level surfaces below the camera: height in the world and square metres, per pair of samples.

    A pair are two samples above each other at one height; its area is the floor between them, one sample wide.
    """
    points = _world(scan, pose)
    step = points[:-1] - points[1:]
    gap = np.hypot(step[..., 0], step[..., 2])
    depth = np.minimum(scan.depth_m[:-1], scan.depth_m[1:])
    with np.errstate(invalid="ignore"):
        is_below = (points[1:, :, 1] < -0.2) & (points[1:, :, 1] > -_TALLEST_M)
        is_level = (np.abs(step[..., 1]) < 0.2 * gap) & (gap < _GAP_M) & is_below & (depth > 0)
    heights = (points[1:, :, 1] + points[:-1, :, 1])[is_level] / 2 + pose[1, 3]
    area = gap[is_level] * depth[is_level] / scan.camera.focal_px
    return heights.astype(np.float64), area.astype(np.float64)


def sweep(scan: Scan, pose: Float64[np.ndarray, "4 4"], floor_m: float) -> Sweep:
    """What a scan says of a floor.

    A cell is clear when the samples around the place where its middle appears all lie on the floor: seen floor is
    filled up between samples, and never across a jump in depth. Surfaces are filled where neighbouring samples lie on
    one plane (inverse depth is linear over the picture of a plane).
    """
    points = _world(scan, pose)
    camera_m = pose[:3, 3]
    height = points[..., 1] + np.float32(camera_m[1] - floor_m)
    depth = scan.depth_m
    tolerance = _TOLERANCE_M + _TOLERANCE_SHARE * depth
    with np.errstate(invalid="ignore"):
        is_floor = np.abs(height) <= tolerance
        is_block = (height > tolerance) & (height < WALL_M[1]) & (depth < BLOCK_RANGE_M)
        is_void = (height < -2 * tolerance) & (depth < 2 * BLOCK_RANGE_M)
    hits = _surface(points, depth, is_block)
    high = hits[:, 1] + (camera_m[1] - floor_m)
    hits = hits[:, [0, 2]]
    blind = _blind_fans(points, is_floor)

    # The window: everything that was hit, seen or assumed, and the body.
    near = points[is_floor & (depth < FREE_RANGE_M)][:, [0, 2]]
    every = np.concatenate([hits, near, *blind, [[-0.3, -0.3], [0.3, 0.3]]])
    every = np.clip(every, -FREE_RANGE_M * 1.5, FREE_RANGE_M * 1.5) + camera_m[[0, 2]]
    column, row = (np.floor(every.min(axis=0) / CELL_M).astype(int) - 1).tolist()
    columns, rows = (np.floor(every.max(axis=0) / CELL_M).astype(int) + 2 - (column, row)).tolist()

    x = ((np.arange(columns) + (column + 0.5)) * CELL_M - camera_m[0]).astype(np.float32)
    z = ((np.arange(rows) + (row + 0.5)) * CELL_M - camera_m[2]).astype(np.float32)
    clear, void, quality = _seen_cells(scan, pose, floor_m, x, z, is_floor, is_void)
    distance2 = x[None, :] ** 2 + z[:, None] ** 2
    clear |= distance2 < _BODY_M**2
    blocked = void
    at = np.floor((hits + camera_m[[0, 2]]) / CELL_M).astype(int) - (column, row)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < columns) & (at[:, 1] < rows)
    low = inside & (high < BLOCK_TOP_M)
    blocked[at[low, 1], at[low, 0]] = True
    wall, tall = np.zeros_like(blocked), inside & (high > WALL_M[0])
    wall[at[tall, 1], at[tall, 0]] = True
    assumed = (distance2 < _REACH_M**2).astype(np.uint8)
    for fan in blind:
        corners = np.concatenate([[[0.0, 0.0]], fan]) + camera_m[[0, 2]]
        cv2.fillPoly(
            assumed, [np.rint((corners / CELL_M - (column + 0.5, row + 0.5)) * 16).astype(np.int32)], 1, shift=4
        )
    return Sweep(row, column, clear & ~blocked, blocked, wall, assumed > 0, quality)


def _seen_cells(
    scan: Scan,
    pose: Float64[np.ndarray, "4 4"],
    floor_m: float,
    x: Float32[np.ndarray, "columns"],
    z: Float32[np.ndarray, "rows"],
    is_floor: Bool[np.ndarray, "h w"],
    is_void: Bool[np.ndarray, "h w"],
) -> tuple[Bool[np.ndarray, "rows columns"], Bool[np.ndarray, "rows columns"], Float32[np.ndarray, "rows columns"]]:
    """Cells whose middle is seen as floor, those where the view passes below the floor, and how good the view is."""
    camera = scan.camera
    turn = pose[:3, :3].astype(np.float32)
    down = np.float32(floor_m - pose[1, 3])
    # Camera axes of the point (x, floor, z): sums of a row and a column.
    right, up, ahead = ((turn[0, i] * x + turn[1, i] * down)[None, :] + (turn[2, i] * z)[:, None] for i in range(3))
    depth = np.maximum(-ahead, np.float32(1e-3))
    focal = np.float32(camera.focal_px)
    u = focal * right / depth + np.float32(camera.width / 2)
    v = np.float32(camera.height / 2) - focal * up / depth
    is_seen = (-ahead > 0.05) & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height) & (depth < FREE_RANGE_M)
    r, c = np.nonzero(is_seen)
    column = np.clip(u[r, c] - 0.5, 0, camera.width - 2).astype(np.intp)
    row = np.clip(v[r, c] - 0.5, 0, camera.height - 2).astype(np.intp)
    clear, void = np.zeros(is_seen.shape, bool), np.zeros(is_seen.shape, bool)
    quality = np.zeros(is_seen.shape, np.float32)
    far = depth[r, c]
    # The foot of a wall passes for floor: what lies behind it is further away than the sample above.
    upper = np.minimum(scan.depth_m[row, column], scan.depth_m[row, np.minimum(column + 1, camera.width - 1)])
    clear[r, c] = _all_four(is_floor)[row, column] & (far < upper + CELL_M / 2)
    if is_void.any():
        void[r, c] = _all_four(is_void)[row, column]
    # Best from two metres, in the middle of the picture.
    aside = np.abs(u[r, c] / np.float32(camera.width / 2) - 1)
    quality[r, c] = np.minimum(far / 2, 1 - (far - 2) / 6) * (1 - np.float32(0.7) * aside)
    return clear, void, quality


def _all_four(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h-1 w-1"]:
    if min(mask.shape) < 2:
        return np.broadcast_to(mask.all(), (max(mask.shape[0] - 1, 1), max(mask.shape[1] - 1, 1)))
    return np.asarray(mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:])


def _surface(
    points: Float32[np.ndarray, "h w 3"], depth: Float32[np.ndarray, "h w"], is_block: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "n 3"]:
    """Points of what blocks, relative to the camera; joined up where samples lie on one plane."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / depth
        inside = points.copy()
        inside[..., [0, 2]] += _behind(points[..., [0, 2]], inverse)
        found = [inside[is_block]]
        for axis in (0, 1):
            if depth.shape[axis] < 3:
                continue
            a, b, c = (_part(inverse, axis, i, i - 2) for i in range(3))
            is_plane = np.zeros(depth.shape, bool)
            _part(is_plane, axis, 1, -1)[...] = np.abs(a - 2 * b + c) < _BEND * b
            joined = _part(is_block, axis, 0, -1) & _part(is_block, axis, 1, 0)
            ends = _part(is_plane, axis, 0, -1)[joined], _part(is_plane, axis, 1, 0)[joined]
            p, q = _part(inside, axis, 0, -1)[joined], _part(inside, axis, 1, 0)[joined]
            gap = np.hypot(q[:, 0] - p[:, 0], q[:, 2] - p[:, 2])
            # The top of a bed may by chance go on in line to one sample of the wall behind: no bar across the gap.
            is_one = np.where(gap < _END_M, ends[0] | ends[1], ends[0] & ends[1])
            wide = is_one & (gap > CELL_M * 0.8) & (gap < _GAP_M)
            p, q = p[wide], q[wide]
            count = np.ceil(gap[wide] / (CELL_M * 0.8)).astype(int) - 1
            number = np.repeat(np.arange(len(count)), count)
            part = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count) + 1
            share = (part / (count[number] + 1)).astype(np.float32)
            found.append(p[number] + share[:, None] * (q - p)[number])
    return np.concatenate(found)


def _behind(flat: Float32[np.ndarray, "h w 2"], inverse: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 2"]:
    """Step into the thing: across its surface where neighbours tell how that lies, along the ray elsewhere."""
    step = flat / np.maximum(np.hypot(flat[..., 0], flat[..., 1]), np.float32(0.1))[..., None]
    if flat.shape[1] > 2:
        along = flat[:, 2:] - flat[:, :-2]
        length = np.hypot(along[..., 0], along[..., 1])
        bend = np.abs(inverse[:, 2:] - 2 * inverse[:, 1:-1] + inverse[:, :-2])
        is_plane = (bend < _BEND * inverse[:, 1:-1]) & (length > 1e-6)
        along, here = along[is_plane], flat[:, 1:-1][is_plane]
        side = np.sign(along[:, 1] * here[:, 0] - along[:, 0] * here[:, 1]) / length[is_plane]
        step[:, 1:-1][is_plane] = np.stack([along[:, 1] * side, -along[:, 0] * side], axis=-1)
    return np.asarray(step * np.float32(_PUSH_M))


def _part(array: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    cut = slice(start, stop or None)
    return array[cut] if axis == 0 else array[:, cut]


def _blind_fans(
    points: Float32[np.ndarray, "h w 3"], is_floor: Bool[np.ndarray, "h w"]
) -> list[Float64[np.ndarray, "n 2"]]:
    """Outer edges (x, z) of the floor between the camera's foot and the bottom of the picture."""
    bottom = points[-1][:, [0, 2]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        is_good = is_floor[-1] & (np.hypot(bottom[:, 0], bottom[:, 1]) < _BLIND_M)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_good.astype(np.int8), [0]])))
    return [bottom[a:b] for a, b in edges.reshape(-1, 2).tolist() if b - a > 1]


class Grid:
    """Evidence of one agent about one floor; grows in every direction.

    The evidence of a cell saturates, so that what was seen last wins after a few looks.
    """

    def __init__(self) -> None:
        self.row = self.column = 0
        self.score: Int16[np.ndarray, "rows columns"] = np.zeros((0, 0), np.int16)
        self.wall: Int16[np.ndarray, "rows columns"] = np.zeros((0, 0), np.int16)
        self.assumed: Bool[np.ndarray, "rows columns"] = np.zeros((0, 0), bool)
        self.first_s = np.zeros((0, 0), np.float32)  # first seen, infinite if never
        self.last_s = np.zeros((0, 0), np.float32)  # last seen, minus infinite if never
        self.view = np.zeros((0, 0), np.int32)  # number of the view that shows the cell best, -1 if none
        self.quality = np.zeros((0, 0), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.score.shape[0], self.score.shape[1]

    def add(self, part: Sweep, stamp_s: float, view: int) -> bool:
        """Add what a scan says; False (and nothing happens) if the grid would grow beyond `MAX_CELLS`."""
        rows, columns = part.clear.shape
        if not self._cover(part.row, part.column, rows, columns):
            return False
        at = np.s_[
            part.row - self.row : part.row - self.row + rows,
            part.column - self.column : part.column - self.column + columns,
        ]
        seen = part.clear | part.blocked
        score = self.score[at] + _HIT * part.blocked.astype(np.int16) + _CLEAR * part.clear.astype(np.int16)
        self.score[at] = np.clip(score, _LOW, _HIGH)
        tall = self.wall[at] + _HIT * part.wall.astype(np.int16) + _CLEAR * part.clear.astype(np.int16)
        self.wall[at] = np.clip(tall, _LOW, _HIGH)
        self.assumed[at] |= part.assumed
        self.last_s[at][seen] = stamp_s
        fresh = seen & np.isinf(self.first_s[at])
        self.first_s[at][fresh] = stamp_s
        better = part.clear & (part.quality > self.quality[at])
        self.view[at][better] = view
        self.quality[at][better] = part.quality[better]
        return True

    def _cover(self, row: int, column: int, rows: int, columns: int) -> bool:
        """Grow, in chunks, until a window lies inside with a margin of unknown cells around it."""
        low = [row - _MARGIN, column - _MARGIN]
        high = [row + rows + _MARGIN, column + columns + _MARGIN]
        if self.score.size:
            low = [min(low[0], self.row), min(low[1], self.column)]
            high = [max(high[0], self.row + self.shape[0]), max(high[1], self.column + self.shape[1])]
        low = [math.floor(v / _CHUNK) * _CHUNK for v in low]
        high = [math.ceil(v / _CHUNK) * _CHUNK for v in high]
        if max(high[0] - low[0], high[1] - low[1]) > MAX_CELLS:
            return False
        before, shape = (self.row - low[0], self.column - low[1]), (high[0] - low[0], high[1] - low[1])
        if shape == self.shape and before == (0, 0):
            return True
        for name, empty in (
            ("score", 0),
            ("wall", 0),
            ("assumed", False),
            ("first_s", np.inf),
            ("last_s", -np.inf),
            ("view", -1),
            ("quality", 0.0),
        ):
            old = getattr(self, name)
            new = np.full(shape, empty, old.dtype)
            if old.size:
                new[before[0] : before[0] + old.shape[0], before[1] : before[1] + old.shape[1]] = old
            setattr(self, name, new)
        self.row, self.column = low
        return True
