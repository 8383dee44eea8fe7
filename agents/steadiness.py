"""Not going to and fro: an agent that comes back to where it was, with nothing gained, stays with what it began."""

from __future__ import annotations

from typing import Any, Final

from placecell.agents.situation import Goal, Situation

__all__ = ["Steadiness"]

_BACK_STEPS: Final = 8  # a way back that takes no more steps than this is to and fro
_HELD_STEPS: Final = 8  # for how long the goal is held on to then
_STILL: Final = ("wait", "sleep", "rest", "shelter", "drink", "eat", "fight")


class Steadiness:
    """What one agent did in the last steps, and the goal that it holds on to.

    Attributes:
        is_held: Whether the agent holds on to a goal, which a place to look at is part of.
        is_blocked: Whether it came back though its goal had not changed: the way changes, as somebody is in it.
    """

    def __init__(self) -> None:
        self._was: dict[
            tuple[Any, ...], tuple[int, Goal]
        ] = {}  # when what was aimed at, by place, facing and belongings
        self._held: tuple[Goal, int, tuple[int, ...]] | None = None
        self.is_held = self.is_blocked = False

    def keep(self, now: Situation, goal: Goal) -> Goal:
        """The goal to follow: the one given, or the one that is held on to."""
        step, belongings = now.sight.step, tuple(now.inventory.values())[4:]
        self.is_blocked = False
        if goal.kind in _STILL:
            self._held, self.is_held = None, False
            return goal
        if self._held is not None:
            held, until, had = self._held
            if step < until and belongings == had and _is_possible(now, held):
                return held
            self._held, self.is_held = None, False
            self._was.clear()
        key = (now.position, now.sight.facing, belongings)
        before = self._was.get(key)
        self._was[key] = (step, goal)
        if before is not None and 1 < step - before[0] <= _BACK_STEPS:
            self.is_blocked = (before[1].kind, before[1].target) == (goal.kind, goal.target) and goal.kind != "explore"
            self._held, self.is_held = (goal, step + _HELD_STEPS, belongings), True
        return goal


def _is_possible(now: Situation, goal: Goal) -> bool:
    if goal.kind != "collect" or goal.target is None:
        return True
    return now.known.at(goal.target) == ("tree" if goal.item == "wood" else goal.item)
