"""What explorer and navigator share: the known map as ways from where the agent stands, and its frontiers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from placecell.agents.planner import LEFT, Experience, Sensed
from placecell.agents.walking import Walker, turn_towards
from placecell.pathfinder import CELL_M, PathFinder

if TYPE_CHECKING:
    from placecell.memory.places import Frontier, Places

__all__ = ["AGENT_RADIUS_M", "SQUEEZE", "Floor", "Reach", "Roamer", "known_ways"]

AGENT_RADIUS_M: Final = 0.18
#: Parts of radius and caution to try when nothing else is left: maps err by a cell, and bumps are thought wider.
SQUEEZE: Final = ((1.0, 1.0), (0.4, 0.25))
#: What a metre counts for where the agent has less room than so many parts of its radius.
_TIGHT: Final = ((1.0, 3.0), (0.7, 10.0))
_SQUEEZED: Final = 8  # steps for which narrow gaps stay the only way, before wider ones are looked for again
_REDRAW: Final = 3  # steps for which a map serves: drawing it and its distances anew costs more than they change
_RETRY: Final = 1000  # steps after which another goal may lead to a frontier that was given up
_SLIT: Final = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
_FORWARD_M: Final = 0.25
_TURN_RAD: Final = math.pi / 6


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """A frontier that can be reached.

    Args:
        frontier: Which.
        metres: Way to it.
        steps: Actions that it takes, turns included.
        share: What it opens, as a share of that and all known floor: in a large home that is known a room's corner is
            little.
    """

    frontier: Frontier
    metres: float
    steps: float
    share: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """The cells of the floor that an agent can reach.

    Args:
        rows: Their rows in the map of ways.
        columns: Their columns.
        x: East of their middles, metres.
        z: South of their middles, metres.
        way_m: Way to each, metres.
        height_m: Height of the floor.
    """

    rows: Int64[np.ndarray, "n"]
    columns: Int64[np.ndarray, "n"]
    x: Float64[np.ndarray, "n"]
    z: Float64[np.ndarray, "n"]
    way_m: Float64[np.ndarray, "n"]
    height_m: float

    def point(self, number: int) -> Float64[np.ndarray, "3"]:
        """Middle of a cell, world frame."""
        return np.array([self.x[number], self.height_m, self.z[number]])


class Roamer:
    """Where an agent can go from where it is, and the next action on the way there.

    Args:
        experience: Whose memory knows the map.
        agent_radius_m: The agent is a disc of this radius.
        before: Who roamed in the same memory before: what it gave up lately is not tried again.
    """

    def __init__(
        self, experience: Experience, agent_radius_m: float = AGENT_RADIUS_M, before: Roamer | None = None
    ) -> None:
        self.experience, self.agent_radius_m = experience, agent_radius_m
        self.walker = Walker(_FORWARD_M, _TURN_RAD)
        self._sensed: Sensed | None = None
        self._drawn: tuple[float, tuple[int, ...], int] = (0.0, (), -_REDRAW)
        self._finder: PathFinder | None = None
        self._field: np.ndarray | None = None
        lately: dict[tuple[int, int, int], int] = {} if before is None else before._dropped
        self._dropped: dict[tuple[int, int, int], int] = {
            spot: step for spot, step in lately.items() if experience.step - step < _RETRY
        }
        self._radius_m = agent_radius_m
        self._squeezed = 0, -_SQUEEZED  # which part of the radius was needed last, and since when

    @property
    def places(self) -> Places:
        """The memory's map."""
        return self.experience.memory.places

    def update(self, sensed: Sensed) -> bool:
        """Take in an observation; False while no floor is known."""
        self.walker.observe(sensed)
        self._sensed, self._field = sensed, None
        return bool(self.places.floors)

    @property
    def finder(self) -> PathFinder:
        """Ways over what was seen, less what was bumped into."""
        assert self._sensed is not None
        radius_m, bumps, step = self._drawn
        is_stale = self._sensed.step - step >= _REDRAW or radius_m != self._radius_m or bumps != self._bumps()
        if self._finder is None or is_stale:
            self._finder = self.walker.patched(known_ways(self.places, self._radius_m))
            self._drawn = self._radius_m, self._bumps(), self._sensed.step
        return self._finder

    @property
    def field(self) -> Float64[np.ndarray, "rows columns"]:
        """Way from the agent to every cell of `finder`, metres; infinite where none leads."""
        if self._field is None:
            assert self._sensed is not None
            self._field = self._weighted().distance_field(self._sensed.position_m)
        return self._field

    def floor(self) -> Floor:
        """The floor that the agent can reach."""
        rows, columns = np.nonzero(np.isfinite(self.field))
        x0, z0 = self.finder.origin_m
        x, z = (columns + 0.5) * CELL_M + x0, (rows + 0.5) * CELL_M + z0
        return Floor(rows, columns, x, z, self.field[rows, columns], self.finder.height_m)

    def metres_to(self, point: Sequence[float] | np.ndarray) -> float:
        """Way to a point (to the nearest cell within 0.5 m where the agent can stand); infinite if there is none."""
        field = self.field
        row, column = self.finder.cell(float(point[0]), float(point[2]))
        rows, columns = field.shape
        if 0 <= row < rows and 0 <= column < columns and math.isfinite(field[row, column]):
            return float(field[row, column])
        r0, c0 = max(row - 10, 0), max(column - 10, 0)
        near = field[r0 : max(row + 11, 0), c0 : max(column + 11, 0)]
        if not near.size or not np.isfinite(near).any():
            return math.inf
        r, c = np.indices(near.shape)
        off = np.hypot(r + r0 - row, c + c0 - column) + np.where(np.isfinite(near), 0.0, np.inf)
        return float(near.ravel()[int(off.argmin())])

    def frontiers(self, least: float = 0.0) -> list[Reach]:
        """Frontiers that can be reached and were not given up, squeezing through narrow gaps when there is no other.

        Args:
            least: Squeeze as well where none opens such a share of the floor, but one behind a narrow gap does.
        """
        assert self._sensed is not None
        step = self._sensed.step
        first = self._squeezed[0] if step - self._squeezed[1] < _SQUEEZED else 0
        kept: tuple[int, list[Reach]] = 0, []
        for number in range(first, len(SQUEEZE)):
            self.squeeze(number)
            found = self._reached()
            is_wide = any(reach.share >= least for reach in found)
            if found and (is_wide or not kept[1]):
                kept = number, found
            if is_wide:
                break
        number, found = kept
        self.squeeze(number)
        if number > first:
            self._squeezed = number, step
        return found

    def _reached(self) -> list[Reach]:
        found = []
        known_m2 = sum(float(floor.free.sum()) * floor.cell_m**2 for floor in self.places.floors)
        for frontier in self.places.frontiers(self._radius_m):
            metres = math.inf if self._is_dropped(frontier) else self.metres_to(frontier.position_m)
            if math.isfinite(metres):
                share = frontier.opens_m2 / (frontier.opens_m2 + known_m2)
                found.append(Reach(frontier, metres, self._steps(frontier, metres), share))
        return found

    @property
    def is_squeezing(self) -> bool:
        """Whether the agent is taken for narrower than it is."""
        return self._radius_m < self.agent_radius_m

    def squeeze(self, number: int) -> None:
        """Take the agent for as narrow as the `number`-th part of `SQUEEZE` says; 0 is its true width."""
        share, caution = SQUEEZE[number]
        radius_m = self.agent_radius_m * share
        if radius_m != self._radius_m:
            self._radius_m, self._field, self.walker.caution = radius_m, None, caution

    def drop(self, frontier: Frontier) -> None:
        """Give a frontier up: it cannot be reached, or looking at it does not help."""
        assert self._sensed is not None
        self._dropped[_spot(frontier)] = self._sensed.step

    def go(self, target: Sequence[float] | np.ndarray, facing_rad: float | None = None) -> int | None:
        """Next action towards a point, then to face a heading; None once there (or as near as it gets)."""
        assert self._sensed is not None
        action = self.walker.action(self._way_to(target), self._sensed.pose, target)
        if action is None and facing_rad is not None:
            action = turn_towards(self._sensed.heading_rad, facing_rad, _TURN_RAD)
        return action

    def _weighted(self) -> PathFinder:
        """The ways, with a detour rather than a squeeze."""
        if self._radius_m >= self.agent_radius_m:
            return self.finder
        cost = np.ones(self.finder.navigable.shape)
        for share, factor in _TIGHT:
            cost[~self.finder.has_clearance(self.agent_radius_m * share)] = factor
        return self.finder.weighted(cost)

    def _way_to(self, target: Sequence[float] | np.ndarray) -> PathFinder:
        """The ways, less all squeezes but those that the cheapest way to a point needs."""
        assert self._sensed is not None
        if self._radius_m >= self.agent_radius_m:
            return self.finder
        allowed = self.finder.has_clearance(self.agent_radius_m).astype(np.uint8)
        here = np.array([self._sensed.position_m[0], float(target[1]), self._sensed.position_m[2]])
        for row, column in self._weighted().cells_to(here, target):
            allowed[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 1
        return self.finder.restricted(allowed > 0)

    def turn(self) -> int:
        """Just look around."""
        return LEFT

    def _bumps(self) -> tuple[int, ...]:
        return self.walker.bumps if self.walker.caution > 0 else ()

    def _steps(self, frontier: Frontier, metres: float) -> float:
        assert self._sensed is not None
        dx, dz = (frontier.middle_m - self._sensed.position_m)[[0, 2]]
        off = (math.atan2(-dx, -dz) - self._sensed.heading_rad + math.pi) % (2 * math.pi) - math.pi
        return metres / _FORWARD_M + abs(off) / _TURN_RAD

    def _is_dropped(self, frontier: Frontier) -> bool:
        row, column, floor = _spot(frontier)
        return any((row + dr, column + dc, floor) in self._dropped for dr in (-1, 0, 1) for dc in (-1, 0, 1))


def _spot(frontier: Frontier) -> tuple[int, int, int]:
    """A frontier's place, half a metre coarse."""
    x, _, z = frontier.middle_m.tolist()
    return math.floor(x / 0.5), math.floor(z / 0.5), frontier.floor


def known_ways(places: Places, agent_radius_m: float) -> PathFinder:
    """Ways over floor that was seen, up to its very edge: what is unknown beside it does not keep the agent off.

    Slits that no ray fell into, behind the leg of a chair say, are less than a step wide and count as seen.
    """
    ways = places.pathfinder(agent_radius_m, optimistic=True)
    floor = next(floor for floor in places.floors if floor.height_m == ways.height_m)
    closed = cv2.morphologyEx(floor.free.astype(np.uint8), cv2.MORPH_CLOSE, _SLIT)
    return ways.restricted(floor.free | ((closed > 0) & ~floor.occupied))
