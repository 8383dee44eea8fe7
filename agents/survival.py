"""Staying alive: drink, eat, sleep, and what to do about whoever bites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placecell.agents.crafting import DIRECTIONS, Cell
from placecell.agents.situation import Goal, Situation

__all__ = ["Survival"]

_COW, _ZOMBIE, _SKELETON = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Survival:
    """When bodily needs come before everything else.

    Args:
        thirst: Drink where `drink` is at most this.
        hunger: Eat where `food` is at most this.
        near_steps: How near water or a cow has to be to be taken early, at `early`.
        early: Value of `drink` or `food` from which on what is near is taken.
        weary: Sleep where `energy` is at most this and health is at most `weak`, as tiredness takes long to hurt.
        weak: See `weary`.
    """

    thirst: int = 2
    hunger: int = 2
    near_steps: float = 3.0
    early: int = 3
    weary: int = 0
    weak: int = 4

    def next_goal(self, now: Situation, previous: Goal | None) -> Goal | None:
        """The need that cannot wait, or None."""
        have = now.inventory
        danger = self._fight(now)
        if danger is not None:
            return danger
        if self._is_nearly_done(now):
            return None
        water_cost, water = now.nearest("water")
        is_drinking = previous is not None and previous.kind == "drink" and have["drink"] < 9 and water_cost <= 1
        is_thirsty = have["drink"] <= self.thirst or (have["drink"] <= self.early and water_cost <= self.near_steps)
        if water is not None and (is_drinking or is_thirsty):
            return Goal("drink", "water", water, water_cost)
        if water is None and have["drink"] <= 1:
            return Goal("explore", "water", reason="no water known")
        cow_cost, cow = self._nearest_cow(now)
        if cow is not None and (
            have["food"] <= self.hunger or (have["food"] <= self.early and cow_cost <= self.near_steps)
        ):
            return Goal("eat", "cow", cow, cow_cost)
        if cow is None and have["food"] <= 0:
            return Goal("explore", "cow", reason="no cow known")
        if have["energy"] <= self.weary and have["health"] <= self.weak:
            return Goal("sleep", reason="worn out")
        return None

    def _is_nearly_done(self, now: Situation) -> bool:
        """Whether the diamond is so near that hunger and thirst can take no more than health allows."""
        if not now.inventory["iron_pickaxe"]:
            return False
        cost, _ = now.nearest("diamond")
        return cost < 10.0 * (now.inventory["health"] - 2)

    def _nearest_cow(self, now: Situation) -> tuple[float, Cell | None]:
        best, where = float("inf"), None
        for cell in now.cows:
            cost, _ = now.ways.beside(cell)
            if cost < best:
                best, where = cost, cell
        return best, where

    def _fight(self, now: Situation) -> Goal | None:
        """Strike what stands beside; it follows anyway."""
        x, y = now.position
        for dx, dy in DIRECTIONS:
            cell = (x + dx, y + dy)
            kind = now.sight.creatures_at.get(cell, 0)
            if kind in (_ZOMBIE, _SKELETON):
                return Goal("fight", "zombie" if kind == _ZOMBIE else "skeleton", cell, 1.0)
        return None


def is_dark(now: Situation) -> bool:
    """Whether zombies are about."""
    return bool(np.float32(now.sight.daylight) < 0.4)
