"""What changed, by shape alone: surfaces where free space was seen before, and free space where there were surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float, Float64, Int8

from placecell.geometry import Camera
from placecell.memory.emptiness import KeyViews, pose_cell
from placecell.memory.voxels import VOXEL_M, Volume, Voxels
from placecell.perception.detection import Detection
from placecell.perception.scan import Scan

__all__ = ["VOXEL_M", "Differences", "Volume", "compare"]

_SLACK_M: Final = 0.02
_SLACK_SHARE: Final = 0.006  # of the distance
_FLAT: Final = 0.02
_FAR_M: Final = 5.0
_LATER_S: Final = 120.0  # views that lie further apart are compared
_VIEWS: Final = 3  # compared per fold,
_TURNS: Final = 3  # of so many times as many that see the place, in turn
_PROBES: Final = 16
_MARGIN_M: Final = 0.03
_FEW: Final = 4  # points
_MOSTLY: Final = 0.6
_RING: Final = np.array(
    [(i, j) for i in (-1, 0, 1, 2) for j in (-1, 0, 1, 2) if not (0 <= i <= 1 and 0 <= j <= 1)], np.intp
)


@cache
def _directions(camera: Camera) -> Float64[np.ndarray, "h w 3"]:
    return camera.directions().astype(np.float64)


@cache
def _places(camera: Camera) -> Float64[np.ndarray, "h w 2"]:
    found = np.empty((camera.height, camera.width, 2))
    found[..., 0] = (np.arange(camera.width) + 0.5) / camera.width
    found[..., 1] = ((np.arange(camera.height) + 0.5) / camera.height)[:, None]
    return found


def compare(
    points_m: Float64[np.ndarray, "n 3"],
    depth_m: Float[np.ndarray, "h w"],
    camera: Camera,
    pose: Float64[np.ndarray, "4 4"],
) -> Int8[np.ndarray, "n"]:
    """What a view says about points: 2 and 1: it looked past them, for certain or rather; 0: a surface; -1: nothing.

    At the edge of what stands in front, the rays around a point end in front of it or beside it, and a sampled depth
    says neither for certain: certainty takes that all sixteen samples around the point lie behind it, or on one plane
    that does.

    Args:
        points_m: World points.
        depth_m: Of the view, 0 unknown.
        camera: Its intrinsics.
        pose: Its `world_from_camera`.

    Example:
        >>> wall = np.full((96, 96), 3.0)
        >>> compare(np.array([[0, 0, -2.0], [0, 0, -3.0], [0, 0, -4.0]]), wall, Camera(96, 96), np.eye(4)).tolist()
        [2, 0, -1]
    """
    found = np.full(len(points_m), -1, np.int8)
    height, width = camera.height, camera.width
    local = (points_m - pose[:3, 3]) @ pose[:3, :3]
    ahead = np.maximum(-local[:, 2], 0.1)
    u = width / 2 + camera.focal_px * local[:, 0] / ahead - 0.5
    v = height / 2 - camera.focal_px * local[:, 1] / ahead - 0.5
    chosen = np.flatnonzero((local[:, 2] < -0.1) & (u >= 1) & (v >= 1) & (u < width - 2) & (v < height - 2))
    if not len(chosen):
        return found
    u, v, z = u[chosen], v[chosen], ahead[chosen]
    slack = _SLACK_M + _SLACK_SHARE * z
    nearest = depth_m[(v + 0.5).astype(np.intp), (u + 0.5).astype(np.intp)]
    found[chosen[(nearest > 0) & (np.abs(nearest - z) < slack)]] = 0
    asked = np.flatnonzero(nearest > z + slack)
    chosen, u, v, z, slack = chosen[asked], u[asked], v[asked], z[asked], slack[asked]
    i, j = v.astype(np.intp), u.astype(np.intp)
    flat_depth = depth_m.ravel()
    corner = i * width + j
    four = flat_depth[corner[None] + np.array([0, 1, width, width + 1])[:, None]].astype(np.float64)
    ring = flat_depth[corner[None] + (_RING[:, 0] * width + _RING[:, 1])[:, None]].astype(np.float64)
    is_known = (four > 0).all(axis=0)
    four = np.where(four > 0, four, 1e-3)
    inverse = 1.0 / four
    du, dv = u - j, v - i
    middle = inverse.mean(axis=0)
    right = (inverse[1] + inverse[3] - inverse[0] - inverse[2]) / 2
    down = (inverse[2] + inverse[3] - inverse[0] - inverse[1]) / 2
    around = middle + (_RING[:, 1:] - 0.5) * right + (_RING[:, :1] - 0.5) * down
    off = np.abs(1.0 / np.where(ring > 0, ring, 1e-3) - around).max(axis=0)
    is_plane = off < _FLAT * middle
    plane = 1.0 / np.maximum(middle + (du - 0.5) * right + (dv - 0.5) * down, 1e-3)
    rather = np.where(is_plane, plane, four.min(axis=0))
    surely = np.where(is_plane, plane, np.minimum(four.min(axis=0), ring.min(axis=0)))
    found[chosen[is_known & (rather > z + slack)]] = 1
    found[chosen[is_known & (surely > z + slack)]] = 2
    return found


class Differences:
    """Voxels in which something appeared and voxels from which something vanished, as views of the same place tell.

    A view is compared with some of the kept views of an earlier time that see the same place. Its points that those
    looked past appeared; their points that it looks past vanished. What no ray reached before is neither.

    Args:
        views: The kept views.
    """

    def __init__(self, views: KeyViews) -> None:
        self._views = views
        self._num_folds = 0
        self._appeared, self._vanished = Voxels(), Voxels()
        none = np.zeros(0)
        self._latest = none.reshape(0, 3), none.reshape(0, 2), none, none.astype(bool)

    def fold(self, stamp_s: float, pose: Float64[np.ndarray, "4 4"], scan: Scan) -> Float64[np.ndarray, "k 3"]:
        """Compare a view with earlier ones; world points at which something changed."""
        self._num_folds += 1
        turn = self._num_folds
        points, places = _points(scan.depth_m, scan.camera, pose, turn)
        free_s, is_solid = np.full(len(points), -np.inf), np.zeros(len(points), bool)
        self._latest = points, places, free_s, is_solid
        if len(points) < _PROBES:
            return points[:0]
        views = self._views.around(
            points[:: len(points) // _PROBES], stamp_s - _LATER_S, _VIEWS * _TURNS
        )[turn % _TURNS :: _TURNS]  # fmt: skip
        if not views:
            return points[:0]
        cell = pose_cell(pose)
        changed = []
        for view in views:
            depth = view.depth_m
            verdicts = compare(points, depth, view.camera, view.pose)
            free_s[verdicts > 0] = np.maximum(free_s[verdicts > 0], view.stamp_s)
            is_solid |= verdicts == 0
            self._appeared.tally(points, verdicts, view.stamp_s, stamp_s, cell)
            changed.append(points[verdicts > 0])
            before, _ = _points(depth.astype(np.float32), view.camera, view.pose, turn // _TURNS)
            before = before[((before - pose[:3, 3]) ** 2).sum(axis=1) < _FAR_M**2]
            verdicts = compare(before, scan.depth_m, scan.camera, pose)
            self._vanished.tally(before, verdicts, view.stamp_s, stamp_s, cell)
            changed.append(before[verdicts > 0])
        return np.concatenate(changed)

    def filled_since(self, found: Sequence[Detection]) -> Float64[np.ndarray, "n"]:
        """Of each detection of the latest view, when its space was last seen free; minus infinity if it never was."""
        points, places, free_s, is_solid = self._latest
        since_s = np.full(len(found), -np.inf)
        for i, detection in enumerate(found):
            left, top, right, bottom = detection.box
            inside = np.flatnonzero(((places >= (left, top)) & (places <= (right, bottom))).all(axis=1))
            low, high = np.array(detection.low_m) - _MARGIN_M, np.array(detection.high_m) + _MARGIN_M
            inside = inside[((points[inside] > low) & (points[inside] < high)).all(axis=1)]
            is_free = np.isfinite(free_s[inside]) & ~is_solid[inside]
            num_told = np.count_nonzero(is_free | is_solid[inside])
            if num_told >= _FEW and np.count_nonzero(is_free) > _MOSTLY * num_told:
                since_s[i] = float(np.median(free_s[inside][is_free]))
        return since_s

    def appeared(self, as_of: float = np.inf, is_hint_enough: bool = False) -> Volume:
        """Where something is that was not there before, as far as was known at a time.

        Args:
            as_of: The time.
            is_hint_enough: Whether a single view may speak for a voxel: enough where something else tells the thing.
        """
        return self._appeared.volume(as_of, is_hint_enough)

    def vanished(self, as_of: float = np.inf) -> Volume:
        """Where something was that is there no more, as far as was known at a time."""
        return self._vanished.volume(as_of)


def _points(depth_m: np.ndarray, camera: Camera, pose: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """World points of every fourth sample, others each turn, no further than can be believed; and their places."""
    row, column = turn % 2, turn // 2 % 2
    depth = depth_m[row::2, column::2].reshape(-1)
    towards = _directions(camera)[row::2, column::2].reshape(-1, 3)
    is_near = (depth > 0) & (depth < _FAR_M)
    places = _places(camera)[row::2, column::2].reshape(-1, 2)
    return (towards[is_near] * depth[is_near, None]) @ pose[:3, :3].T + pose[:3, 3], places[is_near]
