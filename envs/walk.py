"""A walk through a house as a camera would film it: smooth, with what was truly in view at every frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.envs.house import HouseEnv
from placecell.geometry import Camera, heading_rad, pose_from

__all__ = ["ACTION_S", "Frame", "film", "visible_objects"]

ACTION_S: Final = 0.5  # 0.25 m or 30 degrees in half a second: a calm walk


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of the film.

    `rgb` is uint8 `(h, w, 3)`, `depth_m` float32 `(h, w)` planar metres, `semantic` int32 `(h, w)` instance ids
    (privileged), `pose` world_from_camera, `room_id` the room that the camera stands in (privileged).
    """

    stamp_s: float
    rgb: np.ndarray
    depth_m: np.ndarray
    semantic: np.ndarray
    pose: np.ndarray
    room_id: int | None


def film(
    env: HouseEnv, actions: Iterable[int], camera: Camera, fps: float = 10.0, action_s: float = ACTION_S
) -> Iterator[Frame]:
    """Take `actions` and render the way between each two poses.

    Args:
        env: After `reset`; its own sensors may be tiny, frames are rendered with `camera`.
        actions: For example `tour(env)`; each is taken before the next is asked for.
        camera: Size and field of view of the frames.
        fps: Frames a second.
        action_s: Seconds that one action takes.

    Example:
        >>> env = HouseEnv(seed=3, resolution=(8, 8))
        >>> _ = env.reset(seed=0)
        >>> [round(frame.stamp_s, 1) for frame in film(env, [2], Camera(32, 24), fps=4.0)]
        [0.0, 0.2, 0.5]
    """
    per_action = max(1, round(fps * action_s))
    number = 0

    def shoot(pose: Float64[np.ndarray, "4 4"]) -> Frame:
        rgb, depth_m, semantic = env.render_at(pose, camera)
        room = env.house.room_at(float(pose[0, 3]), float(pose[2, 3]))
        depth_m = depth_m[..., 0] if depth_m.ndim == 3 else depth_m
        room_id = None if room is None else room.id
        return Frame(number * action_s / per_action, rgb, depth_m, semantic, pose, room_id)

    yield shoot(env.pose)
    for action in actions:
        before = env.pose
        env.step(np.int64(action))
        for part in range(1, per_action + 1):
            number += 1
            yield shoot(_between(before, env.pose, part / per_action))


def _between(a: Float64[np.ndarray, "4 4"], b: Float64[np.ndarray, "4 4"], part: float) -> Float64[np.ndarray, "4 4"]:
    """Pose on the way from `a` to `b`, upright."""
    turn = (heading_rad(b) - heading_rad(a) + math.pi) % (2 * math.pi) - math.pi
    tilt_a, tilt_b = math.asin(-a[1, 2]), math.asin(-b[1, 2])
    place = a[:3, 3] + part * (b[:3, 3] - a[:3, 3])
    return pose_from(place, heading_rad(a) + part * turn, tilt_a + part * (tilt_b - tilt_a))


def visible_objects(semantic: np.ndarray, min_side_px: int = 32, first_id: int = 10) -> dict[int, int]:
    """Objects in view and the longer side, pixels, of the box around what is seen of each; smaller ones left out."""
    found = {}
    ids, counts = np.unique(semantic, return_counts=True)
    for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
        if number < first_id or count < min_side_px:
            continue
        rows, columns = np.nonzero(semantic == number)
        side = int(max(np.ptp(rows), np.ptp(columns))) + 1
        if side >= min_side_px:
            found[number] = side
    return found
