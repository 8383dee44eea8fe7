"""Staying alive: drink, eat, sleep behind a stone, and what to do about whoever bites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placecell.agents.crafting import DIRECTIONS, Cell
from placecell.agents.shelter import find_shelter, is_closed
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
        calm: With more health than this, and where no monsters were seen, neither thirst nor hunger matters.
        weary: Sleep where `energy` is at most this and health is at most `weak`, as tiredness takes long to hurt.
        weak: See `weary`.
        sword_steps: Steps that a sword may cost. This and what follows holds where monsters were seen; a sword is made
            then once the iron pickaxe lacks nothing for it, and later wherever no diamond is known.
        tired: Dig in and sleep where `energy` is at most this.
        frail: Dig in where health is at most this, and it is dark or somebody bites.
        fit: Come out again at this health.
        dusk: Daylight below which the night is near, so that it drinks and eats what is within `dusk_steps` from
            `early_at_dusk` on.
        dusk_steps: See `dusk`.
        early_at_dusk: See `dusk`.
        stones: Where the night is near, it takes so many along.
        shelter_steps: How many steps a shelter may cost.
    """

    thirst: int = 2
    hunger: int = 2
    near_steps: float = 3.0
    early: int = 3
    calm: int = 8
    weary: int = 0
    weak: int = 4
    sword_steps: float = 12.0
    tired: int = 2
    frail: int = 4
    fit: int = 7
    dusk: float = 0.7
    dusk_steps: float = 8.0
    early_at_dusk: int = 6
    stones: int = 8
    shelter_steps: float = 25.0

    def next_goal(self, now: Situation, previous: Goal | None) -> Goal | None:
        """The need that cannot wait, or None."""
        have = now.inventory
        danger = self._fight(now)
        if danger is not None:
            return danger
        if self._is_nearly_done(now):
            return None
        if self._stays(now, previous):
            return self._rest(now)
        is_starving = have["drink"] < 1 or have["food"] < 1
        if now.has_monsters and is_dark(now) and not is_starving:
            goal = self._hide(now, previous)
            if goal is not None:
                return goal
        early, near_steps = self.early, self.near_steps
        if now.has_monsters and 0.4 <= now.sight.daylight < self.dusk:
            early, near_steps = self.early_at_dusk, self.dusk_steps
        water_cost, water = now.nearest("water")
        # To have nothing left costs a point of health in 16 steps: where nobody bites, that can wait.
        is_calm = not now.has_monsters and have["health"] > self.calm
        is_drinking = previous is not None and previous.kind == "drink" and have["drink"] < 9 and water_cost <= 1
        is_thirsty = have["drink"] <= self.thirst or (have["drink"] <= early and water_cost <= near_steps)
        if water is not None and (is_drinking or (is_thirsty and not is_calm)):
            return Goal("drink", "water", water, water_cost)
        if water is None and have["drink"] <= 1 and not is_calm:
            return Goal("explore", "water", reason="no water known")
        cow_cost, cow = self._nearest_cow(now)
        is_hungry = have["food"] <= self.hunger or (have["food"] <= early and cow_cost <= near_steps)
        if cow is not None and is_hungry and not is_calm:
            return Goal("eat", "cow", cow, cow_cost)
        if cow is None and have["food"] <= 0 and not is_calm:
            return Goal("explore", "cow", reason="no cow known")
        if now.has_monsters:
            goal = self._hide(now, previous) or self._arm(now) or self._gather(now)
            if goal is not None:
                return goal
        if have["energy"] <= self.weary and have["health"] <= self.weak:
            return Goal("sleep", reason="worn out")
        return None

    def _hide(self, now: Situation, previous: Goal | None) -> Goal | None:
        """Behind a stone: sleep if that is possible, or wait for health."""
        have, is_night = now.inventory, is_dark(now)
        is_hiding = previous is not None and previous.kind in ("shelter", "sleep", "rest")
        is_bitten = any(kind in (_ZOMBIE, _SKELETON) for kind in now.sight.creatures_at.values())
        is_tired = have["energy"] <= self.tired
        is_frail = have["health"] <= self.frail and (is_night or is_bitten)
        if not (is_tired or is_frail or (is_hiding and have["health"] < self.fit)):
            return None
        if is_closed(now):
            return self._rest(now)
        cost, shelter = find_shelter(now)
        if shelter is None or cost > self.shelter_steps:
            return None
        return Goal("shelter", target=shelter.cells[0], cost=cost, reason="tired" if is_tired else "hurt")

    def _gather(self, now: Situation) -> Goal | None:
        """Stones for the night, where they lie near."""
        if (
            not now.inventory["wood_pickaxe"]
            or now.inventory["stone"] >= self.stones
            or now.sight.daylight >= self.dusk
        ):
            return None
        cost, cell = now.nearest("stone")
        far = self.shelter_steps if is_dark(now) else self.near_steps
        return None if cell is None or cost > far else Goal("collect", "stone", cell, cost, "for the night")

    def _stays(self, now: Situation, previous: Goal | None) -> bool:
        """Whether it is wiser to stay behind the stone, though hunger and thirst begin."""
        if previous is None or previous.kind not in ("sleep", "rest") or not now.has_monsters:
            return False
        have = now.inventory
        is_starving = (have["drink"] < 1 or have["food"] < 1) and have["health"] <= self.frail
        return not is_starving and is_dark(now) and is_closed(now)

    def _rest(self, now: Situation) -> Goal:
        return Goal("sleep", reason="behind a stone") if now.inventory["energy"] < 9 else Goal("rest")

    def _arm(self, now: Situation) -> Goal | None:
        """A sword of stone, where it costs little."""
        have = now.inventory
        if have["stone_sword"] or have["iron_sword"] or not have["stone_pickaxe"] or have["stone"] < 1:
            return None
        is_done = have["iron_pickaxe"] > 0
        wood = 1 if is_done else 2
        table_cost, table = now.crafting_place("table")
        near = self.sword_steps if is_done or now.sight.daylight < self.dusk else 4.0
        if table is not None and table_cost <= near and have["wood"] >= wood:
            return Goal("make", "stone_sword", table, table_cost, "monsters")
        if not is_done or now.known.mask("diamond").any():
            return None
        lacking = 1 - have["wood"] if table_cost <= self.sword_steps else 3 - have["wood"]
        if lacking <= 0:
            return Goal("place", "table", cost=1.0, reason="for a sword")
        tree_cost, tree = now.nearest("tree")
        if tree is None or tree_cost + 2 * lacking > self.sword_steps:
            return None
        return Goal("collect", "wood", tree, tree_cost, "for a sword")

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
