"""Explore a place that nobody has seen: go where most of the unknown can be seen for the fewest actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.agents.planner import LEFT, STOP, Decision, Experience, Sensed
from placecell.agents.roaming import Reach, Roamer

if TYPE_CHECKING:
    from placecell.agents.goals import Goal

__all__ = ["Choice", "Explorer", "nearest_frontier"]

_MAX_TRIES: Final = 16

#: Picks one of several frontiers, given the name of the last choice.
Choice = Callable[[Roamer, Sequence[Reach], int | None], Reach]


def nearest_frontier(roamer: Roamer, options: Sequence[Reach], current: int | None) -> Reach:
    """The one that the fewest actions lead to."""
    return min(options, key=lambda reach: reach.steps)


class Explorer:
    """Visits frontiers until none is left that can be reached.

    Args:
        choose: Picks the next frontier.
        roam: Makes the roamer that knows the ways.
    """

    name = "explorer"
    is_privileged = False
    is_forgetful = False

    def __init__(self, choose: Choice = nearest_frontier, roam: Callable[[Experience], Roamer] = Roamer) -> None:
        self._choose, self._roam = choose, roam
        self._roamer: Roamer | None = None
        self._current: int | None = None

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin anew; the goal does not matter."""
        self._roamer, self._current = self._roam(experience), None

    def act(self, sensed: Sensed) -> Decision:
        """Go on to the next frontier."""
        assert self._roamer is not None
        if not self._roamer.update(sensed):
            return Decision(LEFT, "no floor in view")
        for _ in range(_MAX_TRIES):
            options = self._roamer.frontiers()
            if not options:
                break
            frontier = self._choose(self._roamer, options, self._current).frontier
            self._current = frontier.frontier_id
            action = self._roamer.go(frontier.position_m, frontier.direction_rad)
            if action is not None:
                x, y, z = np.asarray(frontier.position_m).tolist()
                return Decision(action, f"to frontier {frontier.frontier_id}", (x, y, z))
            self._roamer.drop(frontier)
        return Decision(STOP, "everything that can be reached was seen")
