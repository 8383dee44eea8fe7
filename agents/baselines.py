"""What a navigator is compared with, behind the same interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from placecell.agents.matching import Matcher
from placecell.agents.navigator import Navigator, NavigatorConfig
from placecell.agents.planner import FORWARD, LEFT, RIGHT, STOP, Decision, Experience, Sensed
from placecell.agents.walking import Finder, Walker

if TYPE_CHECKING:
    from placecell.agents.goals import Goal
    from placecell.perception.detection import Detection

__all__ = ["OraclePath", "RandomWalk", "nearest_frontier_search", "no_memory"]

#: Points of the floor that satisfy a goal.
PointsOf = Callable[["Goal"], Sequence[np.ndarray]]


def no_memory() -> Navigator:
    """The navigator without memory across goals: it must be given an empty memory for each."""
    return Navigator(name="no memory", is_forgetful=True)


def nearest_frontier_search() -> Navigator:
    """Explores frontier by frontier, the nearest first, until the goal is detected; remembers nothing across goals."""
    config = NavigatorConfig(value_weight=0.0, is_nearest=True, looks_around=False)
    return Navigator(config, name="nearest frontier", is_forgetful=True)


class RandomWalk:
    """Walks at random, and stops where something that fits the goal is detected right in front.

    Args:
        seed: Of the walk.
        stop_m: How near it must be, on the floor plan.
        chance: How well it must fit.
    """

    name, is_privileged, is_forgetful = "random", False, True

    def __init__(self, seed: int = 0, stop_m: float = 0.9, chance: float = 0.5) -> None:
        self._rng, self._stop_m, self._chance = np.random.default_rng(seed), stop_m, chance
        self._matcher: Matcher | None = None
        self._turns = 0

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin anew."""
        self._matcher = None if goal is None else Matcher(goal, experience.memory.encoder)
        self._turns = 0

    def act(self, sensed: Sensed) -> Decision:
        """Go straight until something is in the way, then turn by chance."""
        for found in sensed.detections:
            if self._matcher is not None and _gap_m(found, sensed) <= self._stop_m:
                chance = self._matcher.detection_chance(found)
                if chance >= self._chance:
                    return Decision(STOP, f"{found.labels[0][0] if found.labels else 'it'} in front", found.position_m)
        if self._turns == 0 and (sensed.has_collided or self._rng.random() < 0.15):
            self._turns = int(self._rng.integers(1, 7)) * (1 if self._rng.random() < 0.5 else -1)
        if self._turns:
            action = LEFT if self._turns > 0 else RIGHT
            self._turns -= 1 if self._turns > 0 else -1
            return Decision(action, "at random")
        return Decision(FORWARD, "straight on")


class OraclePath:
    """Walks the shortest path to the goal: privileged, an upper bound.

    Args:
        finder: The true path finder of the environment.
        points_of: Where a goal is satisfied; none for a goal that is not there.
    """

    name, is_privileged, is_forgetful = "oracle", True, False

    def __init__(self, finder: Finder, points_of: PointsOf) -> None:
        self._finder, self._points_of = finder, points_of
        self._walker = Walker()
        self._goal: Goal | None = None
        self._target: np.ndarray | None = None

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin to walk to `goal`."""
        self._goal, self._target, self._walker = goal, None, Walker()

    def act(self, sensed: Sensed) -> Decision:
        """The next step of the shortest path."""
        from placecell.pathfinder import PathFinder, ShortestPath

        self._walker.observe(sensed)
        if self._target is None and self._goal is not None:
            best_m = math.inf
            for point in self._points_of(self._goal):
                path = ShortestPath(np.array([sensed.position_m[0], float(point[1]), sensed.position_m[2]]), point)
                if self._finder.find_path(path) and path.geodesic_distance < best_m:
                    best_m, self._target = path.geodesic_distance, np.asarray(point, float)
        if self._target is None:
            return Decision(STOP, "there is no such thing", is_refusal=True, covered=1.0)
        finder = self._walker.patched(self._finder) if isinstance(self._finder, PathFinder) else self._finder
        action = self._walker.action(finder, sensed.pose, self._target)
        x, y, z = self._target.tolist()
        return Decision(STOP if action is None else action, "along the shortest path", (x, y, z))


def _gap_m(found: Detection, sensed: Sensed) -> float:
    """Metres on the floor plan from the camera to what was detected."""
    x, _, z = sensed.position_m.tolist()
    dx = max(found.low_m[0] - x, x - found.high_m[0], 0.0)
    dz = max(found.low_m[2] - z, z - found.high_m[2], 0.0)
    return math.hypot(dx, dz)
