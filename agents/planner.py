"""What planners share: what they are told at every step, what they answer, and how what is seen reaches the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from placecell.geometry import Camera, heading_rad
from placecell.memory.records import RecordId
from placecell.perception.detection import Detection
from placecell.perception.observation import Observation

if TYPE_CHECKING:
    from placecell.agents.goals import Goal
    from placecell.memory.memory import Memory
    from placecell.perception.objects import Detector

__all__ = [
    "FORWARD",
    "LEFT",
    "LOOK_DOWN",
    "LOOK_UP",
    "RIGHT",
    "STOP",
    "Decision",
    "Experience",
    "Planner",
    "Sensed",
]

#: Habitat's numbers of the actions.
STOP, FORWARD, LEFT, RIGHT, LOOK_UP, LOOK_DOWN = range(6)

STEP_S: Final = 0.5  # one action takes half a second: a calm walk


@dataclass(frozen=True, slots=True, eq=False)
class Sensed:
    """What an agent knows right after an action: nothing in it is privileged but `detections` of a privileged source.

    Args:
        step: Number of observations before this one.
        stamp_s: Time of the observation.
        pose: `world_from_camera`, 4x4.
        rgb: Picture, uint8 `(h, w, 3)`.
        depth_m: Planar depth, float32 `(h, w)`.
        detections: What was found in the picture.
        has_collided: Whether the last step forward was blocked.
        record_ids: What the memory wrote of it; empty where its gate let nothing in.
    """

    step: int
    stamp_s: float
    pose: np.ndarray
    rgb: np.ndarray
    depth_m: np.ndarray
    detections: tuple[Detection, ...] = ()
    has_collided: bool = False
    record_ids: tuple[RecordId, ...] = ()

    @property
    def position_m(self) -> Float64[np.ndarray, "3"]:
        """Where the camera is, world frame."""
        return np.asarray(self.pose[:3, 3])

    @property
    def heading_rad(self) -> float:
        """Turn about the y axis, 0 along -z, positive to the left."""
        return heading_rad(self.pose)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What a planner does next, and why.

    Args:
        action: One of Habitat's actions; `STOP` ends the goal.
        reason: For people: "to the frontier f12", "at the mug robot:7".
        target_m: Where it is heading, world frame.
        is_refusal: With `STOP`: the goal was looked for and is not there.
        object_id: With `STOP`: the object of the memory that it takes for the goal.
        covered: With a refusal: share of the known floor that was seen, in [0, 1].
    """

    action: int
    reason: str = ""
    target_m: tuple[float, float, float] | None = None
    is_refusal: bool = False
    object_id: str | None = None
    covered: float | None = None


class Experience:
    """Carries what an environment shows into a memory, and hands planners what they may know of it.

    Args:
        memory: Where observations go.
        camera: Intrinsics of the environment's pictures.
        detector: Finds things in them; None leaves that to the memory's own detector.
        agent_id: Who sees.
        step_s: Time between two observations.
        start_s: Time of the first observation; a memory that has lived before needs a later one than its last.

    Example:
        >>> from placecell.memory.memory import Memory
        >>> from placecell.geometry import Camera
        >>> Experience(Memory(), Camera(64, 64)).step
        0
    """

    def __init__(
        self,
        memory: Memory,
        camera: Camera,
        detector: Detector | None = None,
        agent_id: str = "robot",
        step_s: float = STEP_S,
        start_s: float = 0.0,
    ) -> None:
        self.memory, self.camera, self.detector, self.agent_id = memory, camera, detector, agent_id
        self.step_s, self.start_s, self.step = step_s, start_s, 0

    @property
    def stamp_s(self) -> float:
        """Time of the next observation."""
        return self.start_s + self.step * self.step_s

    def observe(self, observation: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> Sensed:
        """Remember one observation of an environment (`rgb depth pose`, and `semantic` for a privileged detector)."""
        rgb, pose = observation["rgb"], np.asarray(observation["pose"], np.float64)
        depth = np.asarray(observation["depth"], np.float32)
        depth = depth[..., 0] if depth.ndim == 3 else depth
        found: tuple[Detection, ...] = ()
        if self.detector is not None:
            instances = observation.get("semantic") if self.detector.is_privileged else None
            found = tuple(self.detector.detect(rgb, depth, self.camera, pose, instances))
        stamp_s = self.stamp_s
        moment = Observation(
            stamp_s,
            self.agent_id,
            rgb=rgb,
            depth_m=depth,
            camera=self.camera,
            pose=pose,
            end_s=stamp_s + self.step_s,
            detections=found,
        )
        ids = tuple(self.memory.observe(moment))
        has_collided = bool((info or {}).get("collided", False))
        sensed = Sensed(self.step, stamp_s, pose, rgb, depth, found, has_collided, ids)
        self.step += 1
        return sensed


@runtime_checkable
class Planner(Protocol):
    """What decides where to go.

    Attributes:
        name: For tables.
        is_privileged: Whether it uses what no real sensor gives.
        is_forgetful: Whether it must be given an empty memory for every goal.
    """

    name: str
    is_privileged: bool
    is_forgetful: bool

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin to look for `goal`; None is to explore until all that can be reached was seen."""
        ...

    def act(self, sensed: Sensed) -> Decision:
        """What to do now; `sensed` is what followed from the last decision. After STOP comes `reset`."""
        ...
