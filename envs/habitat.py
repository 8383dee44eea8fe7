"""Habitat's simulator behind the interface of `HouseEnv`: an adapter on `habitat_sim` itself, without habitat-lab.

    conda install habitat-sim -c aihabitat -c conda-forge

What a release offers is found out by looking at it, not at its version, which has been wrong in a release before.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Float32, Float64, Int32, UInt8

from placecell.envs.walker import AGENT_RADIUS_M, Action, as_action, sensor_space, wrap_rad
from placecell.errors import MissingDependencyError, PlacecellError
from placecell.geometry import Camera, heading_rad

__all__ = ["HabitatEnv", "depth_from", "ids_from", "pose_from_quaternion", "rgb_from"]

_NAMES = {
    Action.MOVE_FORWARD: "move_forward",
    Action.TURN_LEFT: "turn_left",
    Action.TURN_RIGHT: "turn_right",
    Action.LOOK_UP: "look_up",
    Action.LOOK_DOWN: "look_down",
}


class HabitatEnv(gymnasium.Env[dict[str, np.ndarray], np.int64]):
    """One agent in a scene of `habitat_sim`, with the observations, actions and `info` of `Walker`.

    `pathfinder` is habitat_sim's own, passed through, and `path_type` its `ShortestPath`. `semantic` holds the scene's
    instance ids where it is annotated, else 0. Both are privileged.

    Args:
        scene: Path of a GLB or PLY, or name of a scene in `dataset`.
        dataset: Path of a `.scene_dataset_config.json`; `placecell.envs.export.export_habitat` writes one.
        resolution: Height and width in pixels.
        hfov_deg: Horizontal field of view.
        sensor_height_m: Height of the camera over the floor.
        forward_step_m: Length of MOVE_FORWARD.
        turn_deg: Angle of the turns.
        tilt_deg: Angle of LOOK_UP and LOOK_DOWN.
        agent_radius_m: For collisions and the navigation mesh.
        agent_height_m: For the navigation mesh.
        allow_sliding: Whether a blocked step goes on along the wall.
        max_steps: Truncate the episode after so many steps.
        gpu_device_id: CUDA device that renders; -1 (the default) where there is none. Any other number makes
            habitat_sim look for a CUDA device and abort the process when there is none.

    Raises:
        MissingDependencyError: If habitat_sim is not installed.
        PlacecellError: If the scene cannot be loaded or has no floor.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        scene: str | Path,
        *,
        dataset: str | Path | None = None,
        resolution: tuple[int, int] = (256, 256),
        hfov_deg: float = 90.0,
        sensor_height_m: float = 0.88,
        forward_step_m: float = 0.25,
        turn_deg: float = 30.0,
        tilt_deg: float = 30.0,
        agent_radius_m: float = AGENT_RADIUS_M,
        agent_height_m: float = 1.5,
        allow_sliding: bool = False,
        max_steps: int = 500,
        gpu_device_id: int = -1,
    ) -> None:
        try:
            import habitat_sim
        except ImportError as error:
            raise MissingDependencyError(
                "HabitatEnv needs habitat-sim: conda install habitat-sim -c aihabitat -c conda-forge (Python 3.9 for "
                "0.3.2 and 0.3.3, Python 3.10 to 3.12 for 0.3.4)"
            ) from error
        self._habitat = habitat_sim
        self.camera = Camera.from_degrees(resolution[1], resolution[0], hfov_deg)
        self.sensor_height_m, self.forward_step_m = sensor_height_m, forward_step_m
        self.turn_rad, self.tilt_rad = math.radians(turn_deg), math.radians(tilt_deg)
        self.max_steps = max_steps
        backend = habitat_sim.SimulatorConfiguration()
        backend.scene_id = str(scene)
        if dataset is not None:
            backend.scene_dataset_config_file = str(dataset)
        backend.gpu_device_id = gpu_device_id
        backend.allow_sliding = allow_sliding
        agent = habitat_sim.agent.AgentConfiguration()
        agent.height, agent.radius = agent_height_m, agent_radius_m
        agent.sensor_specifications = [
            self._sensor(uuid, resolution, hfov_deg) for uuid in ("rgb", "depth", "semantic")
        ]
        amounts = {
            "move_forward": forward_step_m, "turn_left": turn_deg, "turn_right": turn_deg, "look_up": tilt_deg,
            "look_down": tilt_deg,
        }  # fmt: skip
        agent.action_space = {
            name: habitat_sim.agent.ActionSpec(name, habitat_sim.agent.ActuationSpec(amount=amount))
            for name, amount in amounts.items()
        }
        try:
            self.sim = habitat_sim.Simulator(habitat_sim.Configuration(backend, [agent]))
        except Exception as error:  # its errors have many types, from C++ among others
            raise PlacecellError(f"habitat_sim cannot load {scene}: {str(error).splitlines()[0]}") from error
        self._map(agent_radius_m, agent_height_m)
        self.action_space = spaces.Discrete(len(Action))
        self.observation_space = sensor_space(resolution, int(np.iinfo(np.int32).max))
        self._start: Float64[np.ndarray, "4 4"] = np.eye(4)
        self._num_steps, self._ready, self._over = 0, False, False

    def _sensor(self, uuid: str, resolution: tuple[int, int], hfov_deg: float) -> Any:
        kinds = self._habitat.SensorType
        spec = self._habitat.CameraSensorSpec()
        spec.uuid = uuid
        spec.sensor_type = {"rgb": kinds.COLOR, "depth": kinds.DEPTH, "semantic": kinds.SEMANTIC}[uuid]
        spec.sensor_subtype = self._habitat.SensorSubType.PINHOLE
        spec.resolution = list(resolution)
        spec.hfov = hfov_deg
        spec.position = [0.0, self.sensor_height_m, 0.0]
        return spec

    def _map(self, radius_m: float, height_m: float) -> None:
        """See to it that there is a navigation mesh of this agent, static objects included."""
        settings = self._habitat.NavMeshSettings()
        settings.set_defaults()
        settings.agent_radius, settings.agent_height = radius_m, height_m
        if hasattr(settings, "include_static_objects"):
            settings.include_static_objects = True
        if not self.sim.recompute_navmesh(self.sim.pathfinder, settings) or not self.sim.pathfinder.is_loaded:
            raise PlacecellError("the scene has no floor that habitat_sim could make a navigation mesh of")

    @property
    def pathfinder(self) -> Any:
        """`habitat_sim.PathFinder` of the scene."""
        return self.sim.pathfinder

    @property
    def path_type(self) -> Any:
        """What `pathfinder.find_path` takes."""
        return self._habitat.ShortestPath

    @property
    def pose(self) -> Float64[np.ndarray, "4 4"]:
        """The camera's pose, `world_from_camera`."""
        state = self.sim.get_agent(0).get_state().sensor_states["rgb"]
        turn = state.rotation
        return pose_from_quaternion(np.asarray(state.position, np.float64), (turn.w, turn.x, turn.y, turn.z))

    @property
    def position_m(self) -> Float64[np.ndarray, "3"]:
        """Where the agent stands on the floor."""
        return np.asarray(self.sim.get_agent(0).get_state().position, np.float64)

    @property
    def yaw_rad(self) -> float:
        """Heading, 0 along -z, positive to the left."""
        return heading_rad(self.pose)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode at a random navigable point; `options` may hold `position` and `yaw_rad`."""
        super().reset(seed=seed)
        options = options or {}
        unknown = set(options) - {"position", "yaw_rad"}
        if unknown:
            raise ValueError(f"options may hold position and yaw_rad, got {sorted(unknown)}")
        self.sim.reset()
        number = int(self.np_random.integers(2**31))
        self.sim.seed(number)
        self.pathfinder.seed(number)
        point = np.asarray(options.get("position", self.pathfinder.get_random_navigable_point()), np.float64)
        if point.shape != (3,) or not self.pathfinder.is_navigable(point):
            raise ValueError(f"position must be a navigable point (x, y, z), got {options.get('position')}")
        yaw = float(options.get("yaw_rad", int(self.np_random.integers(12)) * math.pi / 6))
        state = self._habitat.AgentState()
        state.position = point.astype(np.float32)
        state.rotation = np.array([0.0, math.sin(yaw / 2), 0.0, math.cos(yaw / 2)], np.float32)  # x y z w
        self.sim.get_agent(0).set_state(state)
        self._start, self._num_steps, self._ready, self._over = self.pose, 0, True, False
        return self._observe(self.sim.get_sensor_observations()), self._info(False)

    def step(self, action: int | np.int64) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Do one action and look.

        Raises:
            ValueError: If `action` is none of `Action`.
            RuntimeError: If the episode has not begun or is over.
        """
        action = as_action(action, self._ready and not self._over)
        seen = self.sim.get_sensor_observations() if action == Action.STOP else self.sim.step(_NAMES[action])
        self._num_steps += 1
        terminated = action == Action.STOP
        truncated = not terminated and self._num_steps >= self.max_steps
        self._over = terminated or truncated
        return self._observe(seen), 0.0, terminated, truncated, self._info(bool(seen.get("collided", False)))

    def _observe(self, seen: dict[str, Any]) -> dict[str, np.ndarray]:
        pose = self.pose
        moved = self._start[:3, :3].T @ (pose[:3, 3] - self._start[:3, 3])
        turn = wrap_rad(heading_rad(pose) - heading_rad(self._start))
        return {
            "rgb": rgb_from(np.asarray(seen["rgb"])),
            "depth": depth_from(np.asarray(seen["depth"])),
            "semantic": ids_from(np.asarray(seen["semantic"])),
            "gps": np.array([-moved[2], moved[0]], np.float32),
            "compass": np.clip(np.array([turn], np.float32), -np.float32(3.1415925), np.float32(3.1415925)),
            "pose": pose,
        }

    def _info(self, collided: bool) -> dict[str, Any]:
        return {"collided": collided, "position_m": self.position_m, "num_steps": self._num_steps}

    def close(self) -> None:
        """Free the simulator."""
        self.sim.close()


def rgb_from(rgba: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Habitat's RGBA without its fourth channel, which holds nothing of use."""
    return np.ascontiguousarray(rgba[..., :3])


def depth_from(depth: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, "h w"]:
    """Depth in metres `(h, w)`; what is not finite is 0, unknown."""
    flat = np.asarray(depth, np.float32).reshape(depth.shape[:2])
    return np.where(np.isfinite(flat) & (flat > 0), flat, np.float32(0))


def ids_from(ids: np.ndarray) -> Int32[np.ndarray, "h w"]:
    """Instance ids `(h, w)` as int32; habitat_sim gives uint32, or int32 on some back ends."""
    return np.ascontiguousarray(ids.reshape(ids.shape[:2]).astype(np.int32))


def pose_from_quaternion(
    position: Float[np.ndarray, "3"], wxyz: tuple[float, float, float, float]
) -> Float64[np.ndarray, "4 4"]:
    """Pose at `position` with the rotation of a unit quaternion, real part first.

    Example:
        >>> float(pose_from_quaternion(np.zeros(3), (1.0, 0.0, 0.0, 0.0)).trace())
        4.0
    """
    w, x, y, z = np.asarray(wxyz, np.float64) / float(np.linalg.norm(wxyz))
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose
