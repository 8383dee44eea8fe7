"""Does a view look right through the place of a thing? What tells an empty place from a hidden one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from placecell.geometry import Camera
from placecell.perception.scan import Scan

__all__ = ["Gaze", "KeyView", "KeyViews", "gaze", "pose_cell"]

_GRID: Final = 8  # rays per side through a box
_SLACK_M: Final = 0.01
_SLACK_SHARE: Final = 0.005  # of the distance
_SIDES: Final = 0.15  # a box is judged by its core: so much is cut off at each side,
_BOTTOM: Final = 0.2  # and so much at the bottom, where what carries it begins
_TOP: Final = 0.1
_MIN_RAYS: Final = 6
_MIN_CLEAR: Final = 0.6
_MIN_IN_VIEW: Final = 0.7
_CORNERS: Final = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], bool)
_CELL_M: Final = 0.5
_SECTOR_RAD: Final = math.pi / 6
_IN_VIEW: Final = 0.8  # cosine


@dataclass(frozen=True, slots=True, eq=False)
class Gaze:
    """What the rays of one view tell of the cores of `n` boxes.

    Attributes:
        is_clear: Whether the view can tell at all: the box is in the picture, near enough, and nothing hides it.
        hits: Of the rays that come as far as the box, the share that ends inside it.
        side_px: Longer side of the box in the scan, pixels.
    """

    is_clear: Bool[np.ndarray, "n"]
    hits: Float64[np.ndarray, "n"]
    side_px: Float64[np.ndarray, "n"]


def gaze(
    scan: Scan,
    pose: Float64[np.ndarray, "4 4"],
    low_m: Float64[np.ndarray, "n 3"],
    high_m: Float64[np.ndarray, "n 3"],
) -> Gaze:
    """Send rays of a scan through boxes: ended before, inside, or went through.

    A place is empty where rays leave the box at its far side and go on; a thing that is hidden stops none of them
    inside, but they do not get there. Rays of unknown depth tell nothing.

    Args:
        scan: The depth that was measured.
        pose: `world_from_camera` of the scan.
        low_m: Lowest corners.
        high_m: Highest corners.

    Example:
        >>> wall = Scan.from_depth(np.full((96, 96), 3.0, np.float32), Camera(96, 96))
        >>> box = np.array([[-0.2, -0.2, -2.2]]), np.array([[0.2, 0.2, -1.8]])
        >>> seen = gaze(wall, np.eye(4), *box)
        >>> bool(seen.is_clear[0]), float(seen.hits[0])
        (True, 0.0)
    """
    n, camera = len(low_m), scan.camera
    if n == 0:
        return Gaze(np.zeros(0, bool), np.zeros(0), np.zeros(0))
    rotation, eye, focal = pose[:3, :3], pose[:3, 3], camera.focal_px
    size = high_m - low_m
    low, high = low_m + size * (_SIDES, _BOTTOM, _SIDES), high_m - size * (_SIDES, _TOP, _SIDES)
    corners = np.where(_CORNERS[None], high[:, None], low[:, None])  # (n, 8, 3)
    local = (corners - eye) @ rotation
    ahead = -local[..., 2]
    is_ahead = ahead.min(axis=1) > 0.05
    depth = np.maximum(ahead, 0.05)
    u = camera.width / 2 + focal * local[..., 0] / depth
    v = camera.height / 2 - focal * local[..., 1] / depth
    left, right, top, bottom = u.min(axis=1), u.max(axis=1), v.min(axis=1), v.max(axis=1)
    whole = np.maximum(right - left, 1e-6) * np.maximum(bottom - top, 1e-6)
    l2, r2 = np.clip(left, 0, camera.width), np.clip(right, 0, camera.width)
    t2, b2 = np.clip(top, 0, camera.height), np.clip(bottom, 0, camera.height)
    in_view = (r2 - l2) * (b2 - t2) / whole
    is_clear = is_ahead & (in_view >= _MIN_IN_VIEW)
    hits = np.zeros(n)
    side = np.maximum(right - left, bottom - top)
    chosen = np.flatnonzero(is_clear)
    if len(chosen):
        steps = (np.arange(_GRID) + 0.5) / _GRID
        x = l2[chosen, None] + (r2 - l2)[chosen, None] * steps  # (m, grid)
        y = t2[chosen, None] + (b2 - t2)[chosen, None] * steps
        columns = np.minimum(x.astype(np.intp), camera.width - 1)
        rows = np.minimum(y.astype(np.intp), camera.height - 1)
        seen = scan.depth_m[rows[:, :, None], columns[:, None, :]].reshape(len(chosen), -1)
        shape = (len(chosen), _GRID, _GRID)
        rays = np.empty((*shape, 3))
        rays[..., 0] = ((columns + 0.5 - camera.width / 2) / focal)[:, None, :]
        rays[..., 1] = ((camera.height / 2 - rows - 0.5) / focal)[:, :, None]
        rays[..., 2] = -1.0
        towards = rays.reshape(len(chosen), -1, 3) @ rotation.T
        towards = np.where(np.abs(towards) < 1e-9, 1e-9, towards)
        near, far = (low[chosen, None] - eye) / towards, (high[chosen, None] - eye) / towards
        enter, leave = np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)
        crosses = enter < leave
        # What stands there stops the rays at its skin, before they reach the core.
        near, far = (low_m[chosen, None] - eye) / towards, (high_m[chosen, None] - eye) / towards
        enter = np.minimum(near, far).max(axis=-1)
        slack = _SLACK_M + _SLACK_SHARE * enter
        known = crosses & (seen > 0)
        through = known & (seen > leave + slack)
        inside = known & ~through & (seen >= enter - slack)
        num_inside, num_through = inside.sum(axis=1), through.sum(axis=1)
        num_crossing = np.maximum(crosses.sum(axis=1), 1)
        num_told = num_inside + num_through
        distinct = np.minimum(_GRID**2, ((r2 - l2) * (b2 - t2))[chosen])
        enough = distinct * num_told / _GRID**2 >= _MIN_RAYS
        is_clear[chosen] = enough & (num_told / num_crossing >= _MIN_CLEAR)
        hits[chosen] = num_inside / np.maximum(num_told, 1)
    return Gaze(is_clear, hits, side)


@dataclass(frozen=True, slots=True, eq=False)
class KeyView:
    """A scan that was kept, and where it was made."""

    stamp_s: float
    pose: np.ndarray
    depth_m: np.ndarray  # float16: half the bytes, and finer than the slack that rays are given
    camera: Camera


class KeyViews:
    """Scans from places where an agent stood, to ask later whether something had been there before.

    Of every half metre and twelfth of a turn the latest view is kept and one from an earlier visit, so memory is
    bounded by the size of the scene and not by time.

    Args:
        visit_s: Views of one place that lie no further apart belong to one visit; its first view is kept.
        side_px: Longer side of the kept scans.
        reach_m: Views from further away are not asked.
    """

    def __init__(self, visit_s: float = 60.0, side_px: int = 96, reach_m: float = 4.0, most: int = 24) -> None:
        self._visit_s, self._side_px, self._reach_m, self._most = visit_s, side_px, reach_m, most
        self._cells: dict[tuple[int, ...], list[int]] = {}
        self._views: list[KeyView] = []
        self._eyes, self._looks = np.zeros((0, 3)), np.zeros((0, 3))
        self._stamps = np.zeros(0)

    def __len__(self) -> int:
        return len(self._views)

    def add(self, stamp_s: float, pose: Float64[np.ndarray, "4 4"], scan: Scan) -> None:
        """Keep a view if its place was not seen from here during this visit."""
        slots = self._cells.setdefault(pose_cell(pose), [])
        if slots and stamp_s - self._views[slots[-1]].stamp_s < self._visit_s:
            return
        small = Scan.from_depth(scan.depth_m, scan.camera, self._side_px)
        view = KeyView(stamp_s, pose, small.depth_m.astype(np.float16), small.camera)
        if len(slots) < 2:
            slots.append(len(self._views))
            self._views.append(view)
            if len(self._views) > len(self._stamps):
                more = max(64, len(self._stamps))
                self._eyes, self._looks = (np.concatenate([a, np.zeros((more, 3))]) for a in (self._eyes, self._looks))
                self._stamps = np.concatenate([self._stamps, np.zeros(more)])
        else:
            slots.reverse()  # the older one makes room
            self._views[slots[-1]] = view
        slot = slots[-1]
        self._eyes[slot], self._looks[slot], self._stamps[slot] = pose[:3, 3], -pose[:3, 2], stamp_s

    def before(
        self, stamp_s: float, low_m: Float64[np.ndarray, "3"], high_m: Float64[np.ndarray, "3"]
    ) -> list[tuple[float, float]]:
        """Stamp and share of hits of the earlier views that could see a box, the nearest `most`, oldest first."""
        count = len(self._views)
        offset = (low_m + high_m) / 2 - self._eyes[:count]
        distance = np.sqrt((offset**2).sum(axis=1))
        ahead = (offset * self._looks[:count]).sum(axis=1)
        able = (self._stamps[:count] < stamp_s) & (distance < self._reach_m) & (ahead > 0.5 * distance)
        slots = np.flatnonzero(able)
        slots = slots[np.argsort(distance[slots], kind="stable")]
        found: list[tuple[float, float]] = []
        for slot in slots.tolist():
            view = self._views[slot]
            scan = Scan(view.depth_m.astype(np.float32), view.camera)
            seen = gaze(scan, view.pose, low_m[None], high_m[None])
            if seen.is_clear[0]:
                found.append((view.stamp_s, float(seen.hits[0])))
                if len(found) == self._most:
                    break
        return sorted(found)

    def around(self, points_m: Float64[np.ndarray, "n 3"], until_s: float, most: int) -> list[KeyView]:
        """The views made until a time that see the most of some points, from nearby."""
        count = len(self._views)
        offset = points_m.mean(axis=0) - self._eyes[:count]
        able = (self._stamps[:count] < until_s) & ((offset**2).sum(axis=1) < self._reach_m**2 * 2)
        slots = np.flatnonzero(able)
        if not len(slots):
            return []
        towards = points_m[None] - self._eyes[slots, None]
        distance = np.sqrt((towards**2).sum(axis=2))
        ahead = (towards * self._looks[slots, None]).sum(axis=2)
        worth = ((ahead > _IN_VIEW * distance) / (1.0 + distance**2)).sum(axis=1)
        best = np.argsort(-worth, kind="stable")[:most]
        return [self._views[slot] for slot in slots[best[worth[best] > 0]].tolist()]


def pose_cell(pose: Float64[np.ndarray, "4 4"]) -> tuple[int, ...]:
    """Half metre and twelfth of a turn, and of a tilt, that a pose lies in; poses of one cell show much the same."""
    x, y, z = (math.floor(value / _CELL_M) for value in pose[:3, 3].tolist())
    turn, tilt = math.atan2(-pose[0, 2], -pose[2, 2]), math.asin(max(-1.0, min(1.0, -float(pose[1, 2]))))
    return x, y, z, round(turn / _SECTOR_RAD) % 12, round(tilt / _SECTOR_RAD)
