"""Walk to a point on a known map, in steps of 0.25 m and turns of 30 degrees, and out of what the map does not show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import cv2
import numpy as np

from placecell.agents.planner import FORWARD, LEFT, RIGHT, Sensed
from placecell.agents.wriggling import wriggle
from placecell.pathfinder import CELL_M, PathFinder, ShortestPath

__all__ = ["Finder", "Walker", "turn_towards"]

_STILL_M: Final = 0.05  # a step forward that moves less was blocked
_BLOCK_M: Final = 0.1  # radius of what is assumed to stand where a step ended
_PARTS: Final = 8  # points at which a step is checked
_FORGET: Final = 300  # steps after which a blocked place is tried again
_LESSON: Final = 10  # actions that a bump is worth, as it teaches where the way is not
_PATIENCE: Final = 40  # actions without progress after which a target is given up
_AT_A_LOSS: Final = 15  # actions without progress after which more than the next step is thought of
_SAME_M: Final = 0.05  # what is bumped into so near to an earlier bump is the same thing


@runtime_checkable
class Finder(Protocol):
    """What a walker needs of a path finder; `placecell.PathFinder` and `habitat_sim.PathFinder` have it."""

    def find_path(self, path: ShortestPath) -> bool:
        """Fill in the shortest way between two points."""
        ...

    def is_navigable(self, point: np.ndarray, max_y_delta: float = ...) -> bool:
        """Whether the agent can stand at a point."""
        ...

    def distance_to_closest_obstacle(self, point: np.ndarray, max_search_radius: float = ...) -> float:
        """Metres to what blocks the floor."""
        ...


@dataclass(slots=True)
class _Bump:
    """A place that a step forward could not reach."""

    x: float
    z: float
    step: int


class Walker:
    """Turns targets into actions, one at a time, and learns from the steps that did not move.

    Of the twelve headings it takes the one whose step is free on the map and shortens the way most, a turn costing a
    few centimetres; where none does, or nothing was gained for long, it plans several steps (see `wriggle`). What
    blocked a step is taken for an obstacle for a while, on top of the map.

    Args:
        forward_m: Length of a step.
        turn_rad: Angle of a turn.
        turn_cost_m: Metres that a turn may save no less than.
        margin_m: Distance from obstacles below which a step counts as so much longer as it is nearer.

    Example:
        >>> from placecell.geometry import pose_from
        >>> finder = PathFinder(np.pad(np.ones((60, 60), bool), 1))
        >>> at = pose_from(np.array([1.0, 0.9, 2.0]), 0.0)
        >>> walker = Walker()
        >>> walker.action(finder, at, (1.0, 0.0, 1.0)) == FORWARD, walker.action(finder, at, (2.0, 0.0, 2.0)) == RIGHT
        (True, True)
    """

    def __init__(
        self, forward_m: float = 0.25, turn_rad: float = math.pi / 6, turn_cost_m: float = 0.03, margin_m: float = 0.24
    ) -> None:
        self.forward_m, self.turn_rad = forward_m, turn_rad
        self.turn_cost_m, self.margin_m = turn_cost_m, margin_m
        self.caution = 1.0  # how much of what was bumped into counts; less where there would be no way out
        self._num_headings = max(4, round(2 * math.pi / turn_rad))
        self._bumps: list[_Bump] = []
        self._last: tuple[int, np.ndarray] | None = None
        self._aim: float | None = None  # heading of a turn under way
        self._plan: list[float] = []  # headings of the next steps, where one at a time does not do
        self._target: tuple[float, float, float] | None = None
        self._best_m, self._since_best, self._step = math.inf, 0, 0
        self._visits: dict[tuple[int, int], int] = {}

    @property
    def bumps(self) -> tuple[int, ...]:
        """Steps at which something was bumped into that still counts."""
        return tuple(bump.step for bump in self._bumps)

    def observe(self, sensed: Sensed) -> None:
        """Learn from the last action; to be called once for every observation, before `action`."""
        self._step = sensed.step
        self._bumps = [bump for bump in self._bumps if sensed.step - bump.step < _FORGET]
        if self._last is not None and self._last[0] == FORWARD:
            moved = float(np.hypot(*(sensed.position_m - self._last[1])[[0, 2]]))
            if sensed.has_collided or moved < _STILL_M:
                x, z = _ahead(sensed.position_m, sensed.heading_rad, 0.07)
                self._plan = []
                if all(math.hypot(bump.x - x, bump.z - z) > _SAME_M for bump in self._bumps):
                    self._bumps.append(_Bump(x, z, sensed.step))
                    self._since_best = max(self._since_best - _LESSON, 0)
        self._last = None

    def excuse(self) -> None:
        """Learn nothing of the last step: what may have blocked it, another agent say, will not stay there."""
        self._last = None

    def patched(self, finder: PathFinder) -> PathFinder:
        """The map with what was bumped into; the map itself where there is nothing of the kind."""
        if not self._bumps or self.caution <= 0:
            return finder
        allowed = np.ones(finder.navigable.shape, np.uint8)
        for bump in self._bumps:
            row, column = finder.cell(bump.x, bump.z)
            cv2.circle(allowed, (column, row), max(round(_BLOCK_M * self.caution / CELL_M), 0), 0, -1)
        return finder.restricted(allowed > 0)

    def action(
        self, finder: Finder, pose: np.ndarray, target: Sequence[float] | np.ndarray, arrive_m: float = 0.15
    ) -> int | None:
        """What to do next on the way to `target`; None once there, or when no step leads nearer.

        Args:
            finder: The known map.
            pose: Where the camera is, `world_from_camera`.
            target: Point (x, y, z), snapped to the map.
            arrive_m: Near enough.
        """
        here = np.array([pose[0, 3], float(target[1]), pose[2, 3]])
        yaw = math.atan2(pose[0, 2], pose[2, 2])
        path = ShortestPath(here, target)
        if not finder.find_path(path):
            return None
        self._note_progress(tuple(float(v) for v in path.points[-1]), path.geodesic_distance)
        if path.geodesic_distance <= arrive_m or self._since_best > _PATIENCE:
            return None
        if not self._plan and self._since_best >= _AT_A_LOSS:
            self._plan = self._steps(finder, here, yaw, path)
        heading = self._plan[0] if self._plan else self._heading(finder, here, yaw, path)
        if heading is None:
            return None
        action = turn_towards(yaw, heading, self.turn_rad)
        self._aim = heading if action is not None else None
        if action is None:
            action = FORWARD
            self._plan = self._plan[1:]
            spot = _spot(*_ahead(here, yaw, self.forward_m))
            self._visits[spot] = self._visits.get(spot, 0) + 1
        self._last = (action, np.asarray(pose[:3, 3], np.float64).copy())
        return action

    def _note_progress(self, target: tuple[float, ...], left_m: float) -> None:
        """Count actions since the way to this target was last the shortest so far."""
        if self._target is None or math.dist(target, self._target) > 0.3:
            self._best_m, self._visits, self._plan = math.inf, {}, []
        self._target = (target[0], target[1], target[2])
        if left_m < self._best_m - 0.05:
            self._best_m, self._since_best = left_m, 0
        else:
            self._since_best += 1

    def _heading(self, finder: Finder, here: np.ndarray, yaw: float, path: ShortestPath) -> float | None:
        """Heading of the best free step, None if none leads nearer."""
        corners = [np.asarray(point)[[0, 2]] for point in path.points]
        rest = [0.0] * len(corners)
        for i in range(len(corners) - 2, -1, -1):
            rest[i] = rest[i + 1] + float(np.hypot(*(corners[i + 1] - corners[i])))
        at = here[[0, 2]]
        # The next corner; one that the step would pass already, with the one behind it.
        first = min(1, len(corners) - 1)
        aims = [first]
        if first + 1 < len(corners) and float(np.hypot(*(corners[first] - at))) < 1.2 * self.forward_m:
            aims.append(first + 1)
        options = []
        for k in range(self._num_headings):
            heading = yaw + k * self.turn_rad
            turns = min(k, self._num_headings - k)
            x, z = _ahead(here, heading, self.forward_m)
            left = min(float(np.hypot(corners[i][0] - x, corners[i][1] - z)) + rest[i] for i in aims)
            if self._aim is not None and abs(_wrapped(heading - self._aim)) < self.turn_rad / 2:
                turns -= 6  # a turn that was begun is finished, unless much speaks for another
            tight = self.margin_m - finder.distance_to_closest_obstacle(np.array([x, here[1], z]), 1.0)
            left += 0.1 * self._visits.get(_spot(x, z), 0)  # round in circles is no way
            options.append((left + turns * self.turn_cost_m + max(tight, 0.0), left, heading))
        options.sort()
        is_lost = not finder.is_navigable(here)
        for _, left, heading in options:
            if left < rest[0] + 1.5 * self.forward_m and self._is_free(finder, here, heading, is_lost):
                is_worth = left < rest[0] - 0.02 or rest[0] > 2 * self.forward_m or is_lost
                return heading if is_worth else None
        self._plan = self._steps(finder, here, yaw, path)
        if self._plan:
            return self._plan[0]
        # Nowhere to go on the map: try what lies most in the open.
        return max(options, key=lambda option: self._openness(finder, here, option[2]))[2]

    def _is_free(self, finder: Finder, here: np.ndarray, heading: float, is_lost: bool) -> bool:
        """Whether the map and the bumps allow a step; one that begins off the map must end on it."""
        for part in range(1, _PARTS + 1):
            x, z = _ahead(here, heading, self.forward_m * part / _PARTS)
            if any(math.hypot(bump.x - x, bump.z - z) < _BLOCK_M * self.caution for bump in self._bumps):
                return False
            is_open = finder.is_navigable(np.array([x, here[1], z]))
            if not is_open and (not is_lost or part == _PARTS):
                return False
            is_lost = is_lost and not is_open
        return True

    def _steps(self, finder: Finder, here: np.ndarray, yaw: float, path: ShortestPath) -> list[float]:
        """Headings of the next steps, thought of together; none where that does not help either."""
        if not isinstance(finder, PathFinder):
            return []
        near = [(bump.x, bump.z) for bump in self._bumps if math.hypot(bump.x - here[0], bump.z - here[2]) < 2.0]
        return wriggle(finder, here, yaw, np.asarray(path.points[-1]), self.forward_m, self._num_headings, near)

    def _openness(self, finder: Finder, here: np.ndarray, heading: float) -> float:
        """How free the floor is at the end of a step; less than nothing where something was bumped into on it."""
        for part in range(1, _PARTS + 1):
            x, z = _ahead(here, heading, self.forward_m * part / _PARTS)
            if any(math.hypot(bump.x - x, bump.z - z) < _SAME_M for bump in self._bumps):
                return -1.0
        return finder.distance_to_closest_obstacle(np.array([x, here[1], z]), 1.0)


def turn_towards(yaw: float, heading: float, turn_rad: float = math.pi / 6) -> int | None:
    """The turn that brings `yaw` nearer to `heading`; None when half a turn or less is missing.

    Example:
        >>> turn_towards(0.0, 1.0) == LEFT, turn_towards(0.0, -1.0) == RIGHT, turn_towards(0.0, 0.2)
        (True, True, None)
    """
    off = _wrapped(heading - yaw)
    if abs(off) <= turn_rad * 0.5 + 1e-6:
        return None
    return LEFT if off > 0 else RIGHT


def _ahead(here: np.ndarray, heading: float, metres: float) -> tuple[float, float]:
    """Point (x, z) so far along a heading."""
    return float(here[0]) - math.sin(heading) * metres, float(here[2]) - math.cos(heading) * metres


def _spot(x: float, z: float) -> tuple[int, int]:
    """A place, 15 cm coarse."""
    return math.floor(x / 0.15), math.floor(z / 0.15)


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
