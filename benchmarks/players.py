"""Who plays an episode: planners by name, with the memory and the detector that they get."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from placecell.agents.goals import Goal
from placecell.agents.planner import Experience, Planner
from placecell.benchmarks.coverage import FloorMeter
from placecell.envs.house import HouseEnv
from placecell.memory.memory import Memory
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import Detector, open_detector

if TYPE_CHECKING:
    from placecell.agents.chat_model import ChatModel
    from placecell.benchmarks.episodes import Episode
    from placecell.benchmarks.filming import Film
    from placecell.memory.budget import Gate

__all__ = [
    "CHOOSERS",
    "DETECTORS",
    "BlindEncoder",
    "TimedEnv",
    "film_of",
    "floor_way",
    "house_detector",
    "new_experience",
    "open_explorer",
    "open_player",
]

CHOOSERS: Final = ("chat", "chance")  # planners whose choices a chat model makes, or chance
DETECTORS: Final = ("regions", "masks")
AGENT: Final = "robot"
Targets = Callable[[Goal], Sequence[np.ndarray]]


class TimedEnv:
    """An environment that keeps count of the time that it takes itself, so that the agent's own can be told.

    Args:
        env: After `reset`.
        meter: Shown every observation.
    """

    def __init__(self, env: HouseEnv, meter: FloorMeter) -> None:
        self._env, self._meter = env, meter
        self.seconds, self.cpu_s, self.num_steps = 0.0, 0.0, 0
        self.last: dict[str, np.ndarray] = {}
        self.info: dict[str, Any] = {}

    def reset(self, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start the episode at a drawn point."""
        self.last, self.info = self._env.reset(seed=seed)
        self._meter.add(self.last["depth"], self.last["pose"])
        return self.last, self.info

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Do one action."""
        began, began_cpu = time.perf_counter(), time.process_time()
        result = self._env.step(np.int64(action))
        self.last, self.info = result[0], result[4]
        self._meter.add(self.last["depth"], self.last["pose"])
        self.seconds += time.perf_counter() - began
        self.cpu_s += time.process_time() - began_cpu
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
    env: HouseEnv,
    detector: Detector | None,
    start_s: float = 0.0,
    max_bytes: int | None = None,
    is_blind: bool = False,
    gate: Gate | None = None,
) -> Experience:
    """An empty memory in RAM, and what carries observations into it.

    Args:
        env: Whose camera it is.
        detector: Finds things; None for none.
        start_s: Time of the first observation.
        max_bytes: Cap on the memory.
        is_blind: Give every picture the same vector: for planners that only need the map.
        gate: Decides what is worth a record; None keeps all.
    """
    memory = Memory(BlindEncoder() if is_blind else _encoder(), max_bytes=max_bytes, gate=gate)
    return Experience(memory, env.camera, detector, agent_id=AGENT, start_s=start_s)


class BlindEncoder:
    """An encoder to which everything looks the same, for planners that only need the map."""

    name, dim, image_size, notice = "blind", 2, 8, ""
    calibration: tuple[float, float] | None = None
    prompts: Mapping[str, str] = MappingProxyType({"object": "{}"})

    def encode_images(self, images: Any) -> np.ndarray:
        """One and the same vector for each."""
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(images), 1))

    def encode_texts(self, texts: Any) -> np.ndarray:
        """A vector that no picture has."""
        return np.tile(np.array([[0.0, 1.0]], np.float32), (len(texts), 1))

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: it knows all words equally well."""
        return ()


def open_player(name: str, env: HouseEnv, seed: int, targets: Targets, chat: ChatModel | None = None) -> Planner:
    """The planner of this name.

    Args:
        name: ours, forgetful, nearest, random, oracle, chat or chance.
        env: The house; only privileged planners look at it.
        seed: For those that draw.
        targets: Where to stand for a goal, for privileged planners; nowhere for what is not there.
        chat: The model that chooses for `chat`.
    """
    from placecell.agents import baselines
    from placecell.agents.navigator import Navigator

    if name == "oracle":
        return baselines.OraclePath(env.pathfinder, targets)
    if name == "random":
        return baselines.RandomWalk(seed)
    if name in CHOOSERS:
        from placecell.agents.chat_planner import ChatPlanner
        from placecell.benchmarks.chat_players import chooser

        pictures, questions = (0, 20) if chat is None else (chat.max_pictures, chat.max_questions)
        return ChatPlanner(chooser(name, chat, seed), max_pictures=pictures, max_requests=questions)
    made = {"ours": Navigator, "forgetful": baselines.no_memory, "nearest": baselines.nearest_frontier_search}
    if name not in made:
        raise ValueError(f"planners are {', '.join((*made, 'random', 'oracle', *CHOOSERS))}, got {name!r}")
    return made[name]()


def open_explorer(name: str, seed: int) -> Planner:
    """The planner of this name that explores without a goal: ours, nearest or random."""
    from placecell.agents.baselines import RandomWalk
    from placecell.agents.explorer import Explorer, nearest_frontier

    if name == "random":
        return RandomWalk(seed)
    return Explorer() if name == "ours" else Explorer(nearest_frontier)


def film_of(videos: Path | None, episode: Episode, env: HouseEnv) -> Film | None:
    """The film of an episode, in a folder of its own; None where none is wanted."""
    if videos is None:
        return None
    from placecell.benchmarks.filming import Film

    videos.mkdir(parents=True, exist_ok=True)
    return Film(videos / f"{episode.house}-{episode.number}-{episode.planner}.mp4", env)
