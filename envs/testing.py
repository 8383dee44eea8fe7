"""What every simulator behind Placecell must do, as checks that anybody can run on their own environment.

An environment passes when it keeps Habitat's conventions: actions 0-5 of `Action`, observations `rgb depth semantic
gps compass pose`, planar depth in metres, and a `pathfinder` shaped like `habitat_sim.PathFinder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from placecell.envs.walker import Action
from placecell.geometry import check_pose, heading_rad, unproject
from placecell.pathfinder import ShortestPath

__all__ = ["check_env_contract", "check_pathfinder", "check_two_views"]


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def check_env_contract(make_env: Callable[[], Any], forward_step_m: float = 0.25, turn_deg: float = 30.0) -> None:
    """Walk about in a fresh environment and compare what it says with what it must mean.

    Args:
        make_env: Returns a new environment; called twice.
        forward_step_m: Length of its MOVE_FORWARD.
        turn_deg: Angle of its turns.

    Raises:
        AssertionError: With one line that says what was expected and what came.

    Example:
        >>> from placecell.envs.house import HouseEnv
        >>> check_env_contract(lambda: HouseEnv(seed=3, resolution=(48, 64)))
    """
    env, twin = make_env(), make_env()
    first, _ = env.reset(seed=11)
    second, _ = twin.reset(seed=11)
    for key in ("rgb", "depth", "semantic", "gps", "compass", "pose"):
        _expect(key in first, f"an observation must hold {key!r}, got {sorted(first)}")
        _expect(np.array_equal(first[key], second[key]), f"two environments reset with one seed differ in {key!r}")
    _check_observation(first)
    _expect(not first["gps"].any() and not first["compass"].any(), "gps and compass must be 0 at the start")
    _check_turns(env, first, turn_deg)
    rng = np.random.default_rng(5)
    start, moved = first["pose"], 0
    before = env.step(Action.TURN_LEFT)[0]
    for _ in range(60):
        action = Action(int(rng.choice([1, 1, 1, 2, 3])))
        now, _, terminated, _, info = env.step(action)
        _expect(not terminated, f"{action.name} must not end the episode")
        _check_observation(now)
        step = now["pose"][:3, 3] - before["pose"][:3, 3]
        length = float(np.linalg.norm(step))
        if action == Action.MOVE_FORWARD:
            _expect(length <= forward_step_m + 1e-4, f"a step must not be longer than {forward_step_m} m, got {length}")
            if not info["collided"]:
                _expect(abs(length - forward_step_m) < 1e-3, f"a free step must be {forward_step_m} m, got {length}")
                _expect(float(-before["pose"][:3, 2] @ step) > 0.9 * length, "a step must go where the camera looks")
                moved += 1
        else:
            _expect(length < 1e-6, f"{action.name} must not move the agent, it moved {length} m")
        _check_gps(start, now)
        before = now
    _expect(moved > 0, "no step of 60 was free")
    _, _, terminated, _, _ = env.step(Action.STOP)
    _expect(bool(terminated), "STOP must end the episode")
    check_pathfinder(env.pathfinder, path_type=getattr(env, "path_type", ShortestPath))


def _check_turns(env: Any, first: dict[str, np.ndarray], turn_deg: float) -> None:
    left = env.step(Action.TURN_LEFT)[0]
    got = math.degrees(float(left["compass"][0]))
    _expect(abs(got - turn_deg) < 1e-2, f"TURN_LEFT must add {turn_deg} degrees to the compass, got {got}")
    delta = heading_rad(left["pose"]) - heading_rad(first["pose"])
    delta = math.degrees(math.atan2(math.sin(delta), math.cos(delta)))
    _expect(abs(delta - turn_deg) < 1e-2, f"TURN_LEFT must turn the pose by {turn_deg} degrees, got {delta}")
    back = env.step(Action.TURN_RIGHT)[0]
    _expect(np.allclose(back["pose"], first["pose"], atol=1e-6), "TURN_RIGHT must undo TURN_LEFT")
    up = env.step(Action.LOOK_UP)[0]
    _expect(float(-up["pose"][1, 2]) > 0.1, "LOOK_UP must raise the optical axis")
    level = env.step(Action.LOOK_DOWN)[0]
    _expect(np.allclose(level["pose"], first["pose"], atol=1e-6), "LOOK_DOWN must undo LOOK_UP")


def _check_observation(seen: dict[str, np.ndarray]) -> None:
    h, w = seen["depth"].shape
    _expect(seen["rgb"].shape == (h, w, 3) and seen["rgb"].dtype == np.uint8, "rgb must be uint8 h w 3")
    _expect(seen["depth"].dtype == np.float32, f"depth must be float32, got {seen['depth'].dtype}")
    _expect(bool(np.isfinite(seen["depth"]).all() and (seen["depth"] >= 0).all()), "depth must be finite and >= 0")
    _expect(seen["semantic"].shape == (h, w) and seen["semantic"].dtype == np.int32, "semantic must be int32 h w")
    _expect(seen["gps"].shape == (2,) and seen["compass"].shape == (1,), "gps must have shape (2,), compass (1,)")
    check_pose(seen["pose"])


def _check_gps(start: np.ndarray, now: dict[str, np.ndarray]) -> None:
    """Position and compass in the frame of the start must be those that the poses imply."""
    moved = start[:3, :3].T @ (now["pose"][:3, 3] - start[:3, 3])
    wanted = np.array([-moved[2], moved[0]])
    _expect(np.allclose(now["gps"], wanted, atol=1e-3), f"gps must be (forward, right) = {wanted}, got {now['gps']}")
    turn = heading_rad(now["pose"]) - heading_rad(start) - float(now["compass"][0])
    _expect(abs(math.sin(turn)) < 1e-3 and math.cos(turn) > 0, f"compass disagrees with the pose by {turn} rad")


def check_pathfinder(finder: Any, num: int = 20, path_type: Any = ShortestPath) -> None:
    """Check a path finder on random pairs of points.

    Args:
        finder: Shaped like `habitat_sim.PathFinder`.
        num: Pairs.
        path_type: What its `find_path` takes: a class with the fields of `ShortestPath`.

    Raises:
        AssertionError: With one line that says what was expected and what came.
    """
    finder.seed(3)
    low, high = finder.get_bounds()
    for _ in range(num):
        a, b = (np.asarray(finder.get_random_navigable_point(), np.float64) for _ in range(2))
        _expect(bool((a >= low - 1e-6).all() and (a <= high + 1e-6).all()), f"{a} lies outside {low}, {high}")
        _expect(finder.is_navigable(a) and finder.is_navigable(b), "a random navigable point must be navigable")
        _expect(np.allclose(finder.snap_point(a), a, atol=1e-3), "snapping a navigable point must keep it")
        _expect(finder.distance_to_closest_obstacle(a) >= 0, "the distance to an obstacle must not be negative")
        path = path_type()
        path.requested_start, path.requested_end = a, b
        _expect(finder.find_path(path), "two points of the largest island must be connected")
        straight = float(np.linalg.norm(b - a))
        _expect(
            path.geodesic_distance >= straight - 1e-6,
            f"{path} beats the straight line",
        )
        length = sum(float(np.linalg.norm(q - p)) for p, q in zip(path.points[:-1], path.points[1:], strict=True))
        _expect(abs(length - path.geodesic_distance) < 1e-3, "geodesic_distance must be the length of points")
        for p, q in zip(path.points[:-1], path.points[1:], strict=True):
            for t in np.linspace(0, 1, 9):
                _expect(finder.is_navigable(p + t * (q - p)), f"the path leaves the navigable floor near {p}")
    view = finder.get_topdown_view(0.1, float(low[1]))
    _expect(view.dtype == np.bool_ and bool(view.any()), "the top-down view must be a boolean map with free cells")


def check_two_views(env: Any, camera: Any, pose_a: np.ndarray, pose_b: np.ndarray, tolerance_m: float = 0.05) -> float:
    """Share of the points seen from `pose_a` that `pose_b`, where it sees them, puts at the same distance.

    Depth that is ray length instead of planar z, or a flipped axis, drives the share to nearly 0.
    """
    _, depth_a, _ = env.render_at(pose_a, camera)
    _, depth_b, _ = env.render_at(pose_b, camera)
    points = unproject(depth_a, camera, pose_a).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    local = (points - pose_b[:3, 3]) @ pose_b[:3, :3]
    z = -local[:, 2]
    ahead = z > 0.1
    local, z = local[ahead], z[ahead]
    column = np.floor(local[:, 0] / z * camera.focal_px + camera.width / 2).astype(int)
    row = np.floor(camera.height / 2 - local[:, 1] / z * camera.focal_px).astype(int)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    if not inside.any():
        raise ValueError("the two poses share no view")
    seen = depth_b[row[inside], column[inside]]
    z = z[inside]
    visible = seen > z - 4 * tolerance_m  # what stands further away than pose_b's surface is hidden from it
    return float((np.abs(seen[visible] - z[visible]) < tolerance_m).mean())
