"""The way to the diamond as a symbolic plan: what is lacking, where it is known to be, and what to do next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placecell.agents.crafting import Cell
from placecell.agents.situation import Goal, Situation
from placecell.agents.whole_way import WholeWay

__all__ = ["TechTree"]


_UNKNOWN: Final = 60.0  # steps to something that nobody has seen


@dataclass(frozen=True, slots=True)
class TechTree:
    """Decides what of the tech tree comes next for one agent.

    Args:
        near_steps: What is known and this near is fetched before anything else is explored.
        spare_wood_steps: Wood for a second table is taken where a tree is this near.
        far_tree_steps: With wood for a table and a tool in hand, a tree that is farther away than this can wait.
        foresight: What a step is worth, of 1, that lies between the thing that is fetched and what is needed next.
        table_steps: A table that is farther away than this is not gone back to while wood for another can be had.
        whole_way: Decides instead once everything up to the diamond is known.
    """

    near_steps: float = 10.0
    spare_wood_steps: float = 2.0
    table_steps: float = 25.0
    far_tree_steps: float = 8.0
    foresight: float = 0.8
    whole_way: WholeWay = field(default_factory=WholeWay)

    def next_goal(self, now: Situation, skip: Collection[Cell] = ()) -> Goal:
        """What to do next. `skip` holds cells that others will take."""
        have = now.inventory
        if have["iron_pickaxe"]:
            return self._collect_or_explore(now, "diamond", skip)
        goal = self.whole_way.next_goal(now, skip)
        if goal is not None:
            return goal
        if not have["wood_pickaxe"]:
            return self._wood_pickaxe(now, skip)
        if not have["stone_pickaxe"]:
            return self._stone_pickaxe(now, skip)
        return self._iron_pickaxe(now, skip)

    def _collect_or_explore(self, now: Situation, item: str, skip: Collection[Cell]) -> Goal:
        cost, cell = now.nearest("tree" if item == "wood" else item, skip, self._after(now, item), self.foresight)
        if cell is not None:
            return Goal("collect", item, cell, cost)
        material = "tree" if item == "wood" else item
        if now.inventory["wood_pickaxe"] and not now.inventory["stone"] and now.known.mask(material).any():
            cost, cell = now.nearest("stone")  # no way there without a stone to lay over water
            if cell is not None:
                return Goal("collect", "stone", cell, cost, f"a stone for the way to the {item}")
        return Goal("explore", item, reason=f"no {item} known")

    def _after(self, now: Situation, item: str) -> np.ndarray | None:
        """How far it is from each cell to what will be needed after this item."""
        order = ("wood", "stone", "coal", "iron", "diamond")
        for later in order[order.index(item) + 1 :]:
            if later == "diamond" or now.inventory[later] < 1:
                grid = now.towards(later)
                if grid is not None:
                    return grid
        return None

    def _wood_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have = now.inventory
        table_cost, table = now.crafting_place("table")
        has_table = table_cost < self.table_steps
        needed = 3 - have["stone_pickaxe"] + (0 if has_table else 2)
        tree_cost, tree = now.nearest("tree", skip, self._after(now, "wood"), self.foresight / 2)
        is_spare = have["wood"] < min(needed + 2, 9) and tree_cost <= self.spare_wood_steps
        if table is not None and table_cost <= 1 and have["wood"]:
            return self._make(now, "wood_pickaxe", table, table_cost)
        # Where the next tree is far, tools come first: later ones are found on the way.
        can_wait = (
            have["wood"] >= needed - 1 - (tree_cost > 2 * self.far_tree_steps) and tree_cost > self.far_tree_steps
        )
        if (have["wood"] < needed and not can_wait) or is_spare:
            if tree is None:
                return Goal("explore", "wood", reason="no tree known")
            return Goal("collect", "wood", tree, tree_cost)
        if has_table and table is not None and have["wood"]:
            return self._make(now, "wood_pickaxe", table, table_cost)
        stone_cost, stone = now.nearest("stone", skip, self._after(now, "stone"), self.foresight)
        if stone is None:
            return Goal("explore", "stone", reason="no stone known")
        if stone_cost > 1:
            return Goal("collect", "stone", stone, stone_cost, "a table beside the stone")
        return Goal("place", "table", cost=1.0)

    def _stone_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have = now.inventory
        if have["stone"] < 1:
            return self._collect_or_explore(now, "stone", skip)
        if have["wood"] < 1:
            return self._collect_or_explore(now, "wood", skip)
        return self._at_table(now, "stone_pickaxe", skip)

    def _at_table(self, now: Situation, item: str, skip: Collection[Cell]) -> Goal:
        cost, cell = now.crafting_place("table")
        if cell is not None and (cost < self.table_steps or now.inventory["wood"] < 4):
            return self._make(now, item, cell, cost)
        if now.inventory["wood"] < 3:
            return self._collect_or_explore(now, "wood", skip)
        return Goal("place", "table", cost=1.0)

    def _make(self, now: Situation, item: str, cell: Cell, cost: float) -> Goal:
        return Goal("make", item, cell, cost)

    def _iron_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have = now.inventory
        both_cost, both = now.crafting_place("table", "furnace")
        table_cost, table = now.crafting_place("table")
        fetch: list[Goal] = []
        unknown: list[str] = []
        stone_needed = 0 if both_cost < self.table_steps else 4
        if have["iron"] < 1 or have["coal"] < 1:
            stone_needed = 0  # the ways to them are dug through stone anyway
        for item, count in (("iron", 1), ("coal", 1), ("wood", 1), ("stone", stone_needed)):
            if have[item] < count:
                goal = self._collect_or_explore(now, item, skip)
                if goal.kind == "collect":
                    fetch.append(goal)
                else:
                    unknown.append(item)
        fetch.sort(key=lambda goal: goal.cost)
        if fetch and (not unknown or fetch[0].cost <= self.near_steps):
            return self._timber(now, fetch[0], skip) or fetch[0]
        if unknown:
            return Goal("explore", unknown[0], reason=f"no {' and no '.join(unknown)} known")
        # Everything is in hand: choose where to craft.
        stones, lacking = 0.0, max(4 - have["stone"], 0)
        quarry = self._collect_or_explore(now, "stone", skip)
        if lacking:
            stones = quarry.cost + 2.5 * lacking if quarry.kind == "collect" else float("inf")
        timber, wood_lacking = 0.0, max(3 - have["wood"], 0)
        felling = self._collect_or_explore(now, "wood", skip)
        if wood_lacking:
            timber = felling.cost + 3.0 * wood_lacking if felling.kind == "collect" else float("inf")
        new_table = 4.0 + stones + timber
        beyond = now.towards("diamond")
        costs = [both_cost, table_cost + 2.0 + stones, new_table]
        for option, cell in enumerate((both, table, now.position)):
            if beyond is not None and cell is not None:
                costs[option] += self.foresight * float(beyond[cell])
        option = min(range(3), key=costs.__getitem__)
        cost = (both_cost, table_cost + 2.0 + stones, new_table)[option]
        if option == 0 and both is not None:
            return self._make(now, "iron_pickaxe", both, cost)
        if option == 2 and wood_lacking and cost < float("inf"):
            return felling
        if option and lacking and cost < float("inf"):
            return quarry
        if option == 1 and table is not None:
            if table_cost > 0:
                return Goal("meet", "table", table, table_cost, "a furnace beside the table")
            return Goal("place", "furnace", cost=2.0)
        if option == 2 and cost < float("inf"):
            return Goal("place", "table", cost=cost)
        return self._collect_or_explore(now, "wood", skip)

    def _timber(self, now: Situation, goal: Goal, skip: Collection[Cell]) -> Goal | None:
        """Wood that is taken on the way for another table, where the ways back to those that stand are long."""
        lacking = 3 - now.inventory["wood"]
        tables = now.towards("table")
        if goal.target is None or lacking <= 0 or tables is None or goal.cost <= self.spare_wood_steps:
            return None
        cost, tree = now.nearest("tree", skip)
        if tree is None or cost > self.spare_wood_steps or float(tables[goal.target]) < 4.0 * lacking + 2.0:
            return None
        return Goal("collect", "wood", tree, cost, "a table farther on")

    def steps_left(self, now: Situation) -> float:
        """About how many steps this agent is from an iron pickaxe, and with it from the nearest known diamond."""
        have, left = now.inventory, 0.0
        if not have["iron_pickaxe"]:
            has_table = now.crafting_place("table")[0] < self.table_steps
            tools = have["wood_pickaxe"] + have["stone_pickaxe"]
            wood = 3 - tools + (0 if has_table else 2)
            lacks = {"wood": wood, "coal": 1, "iron": 1, "stone": 5 - have["stone_pickaxe"]}
            for item, count in lacks.items():
                if have[item] < count:
                    cost, cell = now.nearest("tree" if item == "wood" else item)
                    if cell is None:  # perhaps behind what it has no tool for yet
                        cells = now.known.cells("tree" if item == "wood" else item)
                        x, y = now.position
                        cost = min((abs(x - i) + abs(y - j) for i, j in cells), default=_UNKNOWN)
                    left += min(cost, _UNKNOWN) + 2.5 * (count - have[item])
            left += 3.0 * (2 - tools) + 5.0
        cost, cell = now.nearest("diamond")
        if cell is None:
            x, y = now.position
            cost = min((abs(x - i) + abs(y - j) for i, j in now.known.cells("diamond")), default=_UNKNOWN)
        return left + min(cost, _UNKNOWN)
