"""An agent in a mesh: a disc with a camera on a stick, with Habitat's actions, names and conventions."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, Float64, Int32, UInt8

from placecell.envs.render import Renderer
from placecell.geometry import Camera, pose_from
from placecell.pathfinder import PathFinder

__all__ = ["AGENT_RADIUS_M", "Action", "Walker", "as_action", "sensor_space", "wrap_rad"]

AGENT_RADIUS_M = 0.18
SUBSTEPS = 10
_FAR_M = 1000.0


class Action(IntEnum):
    """What an agent can do; the numbers are Habitat's."""

    STOP = 0
    MOVE_FORWARD = 1
    TURN_LEFT = 2
    TURN_RIGHT = 3
    LOOK_UP = 4
    LOOK_DOWN = 5


class Walker(gymnasium.Env[dict[str, np.ndarray], np.int64]):
    """One agent on one floor of one mesh; `HouseEnv` and `SceneEnv` are its kinds.

    An observation holds `rgb` (uint8 h w 3), `depth` (float32 h w, planar metres, 0 unknown), `semantic` (int32 h w,
    ids of the mesh), `gps` (float32 2: metres forward and right of the start, in the frame of the start), `compass`
    (float32 1: radians turned left since the start, in (-pi, pi]) and `pose` (float64 4x4, `world_from_camera`). The
    environment gives no reward: tasks do. An episode terminates with STOP and truncates after `max_steps`. `info` has
    `collided`, `position_m`, `num_steps`.

    Args:
        renderer: Shows the mesh.
        pathfinder: Where the agent can stand.
        resolution: Height and width in pixels.
        hfov_deg: Horizontal field of view.
        sensor_height_m: Height of the camera over the floor, 0.1 to 2.0.
        forward_step_m: Length of MOVE_FORWARD.
        turn_deg: Angle of the turns.
        tilt_deg: Angle of LOOK_UP and LOOK_DOWN; the camera tilts at most 60 degrees either way.
        allow_sliding: Whether a blocked step goes on along the wall.
        max_steps: Truncate the episode after so many steps.
        antialias: Rays per pixel and direction; 2 is prettier and four times slower.
        render_mode: None or "rgb_array".
        num_ids: Ids in the semantic image are below this.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        renderer: Renderer,
        pathfinder: PathFinder,
        *,
        resolution: tuple[int, int] = (256, 256),
        hfov_deg: float = 90.0,
        sensor_height_m: float = 0.88,
        forward_step_m: float = 0.25,
        turn_deg: float = 30.0,
        tilt_deg: float = 30.0,
        allow_sliding: bool = False,
        max_steps: int = 500,
        antialias: int = 1,
        render_mode: str | None = None,
        num_ids: int = 1 << 20,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        if not 0.1 <= sensor_height_m <= 2.0:
            raise ValueError(f"sensor_height_m must lie between 0.1 and 2.0, got {sensor_height_m}")
        if min(forward_step_m, turn_deg, tilt_deg) <= 0 or max_steps < 1:
            raise ValueError("forward_step_m, turn_deg, tilt_deg and max_steps must be positive")
        self.renderer, self.pathfinder = renderer, pathfinder
        self.camera = Camera.from_degrees(resolution[1], resolution[0], hfov_deg)
        self.sensor_height_m, self.forward_step_m = sensor_height_m, forward_step_m
        self.turn_rad, self.tilt_rad = math.radians(turn_deg), math.radians(tilt_deg)
        self.allow_sliding, self.max_steps, self.antialias, self.render_mode = (
            allow_sliding,
            max_steps,
            antialias,
            render_mode,
        )
        self.action_space = spaces.Discrete(len(Action))
        self.observation_space = sensor_space(resolution, num_ids)
        self._x = self._z = self._yaw = self._pitch = 0.0
        self._start = (0.0, 0.0, 0.0)
        self._num_steps, self._collided, self._ready, self._over = 0, False, False, False

    @property
    def pose(self) -> Float64[np.ndarray, "4 4"]:
        """The camera's pose, `world_from_camera`."""
        return pose_from(
            np.array([self._x, self.pathfinder.height_m + self.sensor_height_m, self._z]), self._yaw, self._pitch
        )

    @property
    def position_m(self) -> Float64[np.ndarray, "3"]:
        """Where the agent stands on the floor."""
        return np.array([self._x, self.pathfinder.height_m, self._z])

    @property
    def yaw_rad(self) -> float:
        """Heading, 0 along -z, positive to the left."""
        return self._yaw

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode at a random point of the largest island.

        Args:
            seed: Restarts the generator that draws start points; the house stays.
            options: `position` (x, y, z) and `yaw_rad` put the agent there instead.

        Raises:
            ValueError: If the agent cannot stand at `position`.
        """
        super().reset(seed=seed)
        options = options or {}
        unknown = set(options) - {"position", "yaw_rad"}
        if unknown:
            raise ValueError(f"options may hold position and yaw_rad, got {sorted(unknown)}")
        self.pathfinder.seed(int(self.np_random.integers(2**31)))
        point = self.pathfinder.get_random_navigable_point()
        yaw = int(self.np_random.integers(12)) * math.pi / 6
        if "position" in options:
            point = np.asarray(options["position"], np.float64)
            if point.shape != (3,) or not self.pathfinder.is_navigable(point):
                raise ValueError(f"position must be a navigable point (x, y, z), got {options['position']}")
        self._x, self._z = float(point[0]), float(point[2])
        self._yaw, self._pitch = wrap_rad(float(options.get("yaw_rad", yaw))), 0.0
        self._start = (self._x, self._z, self._yaw)
        self._num_steps, self._collided, self._ready, self._over = 0, False, True, False
        return self._observe(), self._info()

    def step(self, action: int | np.int64) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Do one action and look.

        Raises:
            ValueError: If `action` is none of `Action`.
            RuntimeError: If the episode has not begun or is over.
        """
        terminated, truncated = self._act(as_action(action, self._ready and not self._over))
        return self._observe(), 0.0, terminated, truncated, self._info()

    def _act(self, action: Action) -> tuple[bool, bool]:
        """Do one action without looking; says whether the episode terminated, or was truncated."""
        self._collided = False
        if action == Action.MOVE_FORWARD:
            self._move()
        elif action in (Action.TURN_LEFT, Action.TURN_RIGHT):
            self._yaw = wrap_rad(self._yaw + (self.turn_rad if action == Action.TURN_LEFT else -self.turn_rad))
        elif action in (Action.LOOK_UP, Action.LOOK_DOWN):
            tilt = self._pitch + (self.tilt_rad if action == Action.LOOK_UP else -self.tilt_rad)
            self._pitch = min(max(tilt, -math.pi / 3), math.pi / 3)
        self._num_steps += 1
        terminated = action == Action.STOP
        truncated = not terminated and self._num_steps >= self.max_steps
        self._over = terminated or truncated
        return terminated, truncated

    def _move(self) -> None:
        for _ in range(SUBSTEPS):
            end = self._part(self._x, self._z, self._yaw, self._can_stand)
            if end is None:
                self._collided = True
                return
            self._collided |= end[2]
            self._x, self._z = end[:2]

    def _part(
        self, x: float, z: float, yaw: float, can_stand: Callable[[float, float], bool]
    ) -> tuple[float, float, bool] | None:
        """Where a part of a step forward ends, and whether it slid along a wall; None where it is blocked."""
        dx, dz = (-f(yaw) * self.forward_step_m / SUBSTEPS for f in (math.sin, math.cos))
        if can_stand(x + dx, z + dz):
            return x + dx, z + dz, False
        if self.allow_sliding and can_stand(x + dx, z):
            return x + dx, z, True
        if self.allow_sliding and can_stand(x, z + dz):
            return x, z + dz, True
        return None

    def _can_stand(self, x: float, z: float) -> bool:
        return self.pathfinder.is_navigable((x, self.pathfinder.height_m, z))

    def _observe(self) -> dict[str, np.ndarray]:
        pose = self.pose
        rgb, depth, semantic = self.render_at(pose)
        x, z, yaw = self._start
        dx, dz = self._x - x, self._z - z
        forward, right = -math.sin(yaw) * dx - math.cos(yaw) * dz, math.cos(yaw) * dx - math.sin(yaw) * dz
        return {
            "rgb": rgb,
            "depth": depth,
            "semantic": semantic,
            "gps": np.array([forward, right], np.float32),
            "compass": np.clip(
                np.array([wrap_rad(self._yaw - yaw)], np.float32), -np.float32(3.1415925), np.float32(3.1415925)
            ),
            "pose": pose,
        }

    def _info(self) -> dict[str, Any]:
        return {"collided": self._collided, "position_m": self.position_m, "num_steps": self._num_steps}

    def render_at(
        self, pose: Float64[np.ndarray, "4 4"], camera: Camera | None = None, antialias: int | None = None
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]]:
        """RGB, depth and ids from any pose, by any camera, without moving the agent."""
        return self.renderer.render(pose, camera or self.camera, antialias or self.antialias)

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """What the agent sees, anti-aliased; None unless `render_mode` is "rgb_array"."""
        return self.render_at(self.pose, antialias=2)[0] if self.render_mode == "rgb_array" else None


def wrap_rad(angle_rad: float) -> float:
    """The same angle in (-pi, pi]."""
    return math.pi - (math.pi - angle_rad) % (2 * math.pi)


def as_action(action: int | np.int64, is_running: bool) -> Action:
    """A number as what it means.

    Raises:
        ValueError: If it is none of `Action`.
        RuntimeError: If the episode is not running.
    """
    if not is_running:
        raise RuntimeError("call reset() first: the episode has not begun or is over")
    if not 0 <= int(action) < len(Action):
        raise ValueError(f"action must lie between 0 and {len(Action) - 1}, got {action}")
    return Action(int(action))


def sensor_space(resolution: tuple[int, int], num_ids: int) -> spaces.Space[dict[str, np.ndarray]]:
    """What an observation holds, for pictures of (height, width) pixels and ids up to `num_ids`."""
    h, w = resolution
    sensors: dict[str, spaces.Space[Any]] = {
        "rgb": spaces.Box(0, 255, (h, w, 3), np.uint8),
        "depth": spaces.Box(0.0, _FAR_M, (h, w), np.float32),
        "semantic": spaces.Box(0, num_ids, (h, w), np.int32),
        "gps": spaces.Box(-_FAR_M, _FAR_M, (2,), np.float32),
        "compass": spaces.Box(-math.pi, math.pi, (1,), np.float32),
        "pose": spaces.Box(-_FAR_M, _FAR_M, (4, 4), np.float64),
    }
    return cast("spaces.Space[dict[str, np.ndarray]]", spaces.Dict(sensors))
