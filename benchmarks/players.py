"""Who plays an episode: planners by name, with the memory and the detector that they get."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from placecell.agents.goals import Goal
from placecell.agents.planner import FORWARD, LEFT, RIGHT, STOP, Decision, Experience, Planner, Sensed
from placecell.benchmarks.coverage import FloorMeter
from placecell.envs.house import HouseEnv, steps_to
from placecell.memory.memory import Memory
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import Detector, open_detector

__all__ = [
    "DETECTORS",
    "OracleWalk",
    "TimedEnv",
    "floor_way",
    "house_detector",
    "new_experience",
    "open_explorer",
    "open_player",
]

DETECTORS: Final = ("regions", "masks")
AGENT: Final = "robot"
Targets = Callable[[str, np.ndarray], np.ndarray | None]


class TimedEnv:
    """An environment that keeps count of the time that it takes itself, so that the agent's own can be told.

    Args:
        env: After `reset`.
        meter: Shown every observation.
    """

    def __init__(self, env: HouseEnv, meter: FloorMeter) -> None:
        self._env, self._meter = env, meter
        self.seconds, self.num_steps = 0.0, 0
        self.last: dict[str, np.ndarray] = {}
        self.info: dict[str, Any] = {}

    def reset(self, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start the episode at a drawn point."""
        self.last, self.info = self._env.reset(seed=seed)
        self._meter.add(self.last["depth"], self.last["pose"])
        return self.last, self.info

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Do one action."""
        began = time.perf_counter()
        result = self._env.step(np.int64(action))
        self.last, self.info = result[0], result[4]
        self._meter.add(self.last["depth"], self.last["pose"])
        self.seconds += time.perf_counter() - began
        self.num_steps += 1
        return result


@cache
def _encoder() -> Encoder:
    return open_encoder("builtin", threads=1)


def house_detector(spec: str, env: HouseEnv) -> Detector:
    """A detector for the pictures of a house; `masks` is told what each thing is (privileged)."""
    names = {thing.id: thing.category for thing in env.house.objects} if spec == "masks" else None
    return open_detector(spec, _encoder(), names)


def floor_way(way_m: Sequence[np.ndarray]) -> list[list[float]]:
    """A way as points (x, z) in centimetres' precision, those where it stood still left out.

    Example:
        >>> floor_way([np.array([0.0, 0.9, 0.0]), np.array([0.0, 0.9, 0.0]), np.array([0.125, 0.9, 1.0])])
        [[0.0, 0.0], [0.12, 1.0]]
    """
    points = [[round(float(point[0]), 2), round(float(point[2]), 2)] for point in way_m]
    return [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]


def new_experience(
    env: HouseEnv, detector: Detector | None, start_s: float = 0.0, max_bytes: int | None = None, is_blind: bool = False
) -> Experience:
    """An empty memory in RAM, and what carries observations into it.

    Args:
        env: Whose camera it is.
        detector: Finds things; None for none.
        start_s: Time of the first observation.
        max_bytes: Cap on the memory.
        is_blind: Give every picture the same vector: for planners that only need the map.
    """
    memory = Memory(_Blind() if is_blind else _encoder(), max_bytes=max_bytes)
    return Experience(memory, env.camera, detector, agent_id=AGENT, start_s=start_s)


class _Blind:
    """An encoder to which everything looks the same."""

    name, dim, image_size, calibration, notice = "blind", 2, 8, None, ""
    prompts: Mapping[str, str] = MappingProxyType({"object": "{}"})

    def encode_images(self, images: Any) -> np.ndarray:
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(images), 1))

    def encode_texts(self, texts: Any) -> np.ndarray:
        return np.tile(np.array([[0.0, 1.0]], np.float32), (len(texts), 1))

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()


def open_player(name: str, env: HouseEnv, seed: int, targets: Targets) -> Planner:
    """The planner of this name.

    Args:
        name: ours, forgetful, nearest, random or oracle.
        env: The house; only privileged planners look at it.
        seed: For those that draw.
        targets: Where goals truly are, for privileged planners.
    """
    if name == "oracle":
        return OracleWalk(env, targets)
    if name in ("ours", "forgetful"):
        from placecell.agents.navigator import Navigator

        return Navigator(name=name, is_forgetful=name == "forgetful")
    raise ValueError(f"no planner {name!r}")


def open_explorer(name: str, seed: int) -> Planner:
    """The planner of this name that explores without a goal: ours, nearest or random."""
    from placecell.agents.explorer import Explorer, nearest_frontier

    if name == "random":
        return _RandomWalk(seed)
    return Explorer() if name == "ours" else Explorer(nearest_frontier)


class _RandomWalk:
    """Steps forward until blocked, turns by a drawn angle, and so on."""

    name, is_privileged, is_forgetful = "random", False, False

    def __init__(self, seed: int) -> None:
        self._rng, self._turns, self._turn = np.random.default_rng(seed), 0, LEFT

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        self._turns = 0

    def act(self, sensed: Sensed) -> Decision:
        if self._turns == 0 and (sensed.has_collided or self._rng.random() < 0.1):
            self._turns, self._turn = int(self._rng.integers(1, 7)), int(self._rng.choice((LEFT, RIGHT)))
        if self._turns:
            self._turns -= 1
            return Decision(self._turn, "turning")
        return Decision(FORWARD, "forward")


class OracleWalk:
    """Walks the shortest way to where the goal truly is, on the true floor (privileged).

    Args:
        env: The house.
        targets: Points to reach for a goal, by its `goal_id`; without any, the goal is refused at once.
    """

    name = "oracle"
    is_privileged = True
    is_forgetful = False

    def __init__(self, env: HouseEnv, targets: Targets) -> None:
        self._env, self._targets = env, targets
        self._steps: Any = iter(())
        self._is_absent = False

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Plan the way."""
        target = None if goal is None else self._targets(goal.goal_id, self._env.position_m)
        self._is_absent = target is None
        self._steps = iter(()) if target is None else steps_to(self._env, target, 0.2)

    def act(self, sensed: Sensed) -> Decision:
        """The next step of it."""
        action = next(self._steps, None)
        if action is None:
            return Decision(STOP, "there", is_refusal=self._is_absent, covered=1.0 if self._is_absent else None)
        return Decision(int(action), "on the way")
