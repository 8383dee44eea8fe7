"""The way to the diamond as a symbolic plan: what is lacking, where it is known to be, and what to do next."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from placecell.agents.chain import Chain, near
from placecell.agents.crafting import Cell
from placecell.agents.situation import Goal, Situation
from placecell.agents.ways import BLOCKED

__all__ = ["TechTree"]


_UNKNOWN: Final = 60.0  # steps to something that nobody has seen
_TOOLS: Final = 5.5  # steps of a table, two pickaxes and the stone of one, turns included


@dataclass(frozen=True, slots=True)
class TechTree:
    """Decides what of the tech tree comes next for one agent.

    Args:
        near_steps: What is known and this near is fetched before anything else is explored.
        spare_wood_steps: Wood for a second table is taken where a tree is this near.
        far_tree_steps: With wood for a table and a tool in hand, a tree that is farther away than this can wait.
        return_steps: What the way back to the only table is reckoned to be while coal or iron is unknown.
        table_steps: A table that is farther away than this is not gone back to while wood for another can be had.
    """

    near_steps: float = 10.0
    spare_wood_steps: float = 2.0
    return_steps: float = 6.0
    table_steps: float = 25.0
    far_tree_steps: float = 8.0

    def next_goal(self, now: Situation, skip: Collection[Cell] = ()) -> Goal:
        """What to do next. `skip` holds cells that others will take."""
        have = now.inventory
        if have["iron_pickaxe"]:
            return self._collect_or_explore(now, "diamond", skip)
        if not have["wood_pickaxe"]:
            return self._wood_pickaxe(now, skip)
        if not have["stone_pickaxe"]:
            return self._stone_pickaxe(now, skip)
        return self._iron_pickaxe(now, skip)

    def _collect_or_explore(self, now: Situation, item: str, skip: Collection[Cell]) -> Goal:
        cost, cell = now.nearest("tree" if item == "wood" else item, skip)
        if cell is not None:
            return Goal("collect", item, cell, cost)
        material = "tree" if item == "wood" else item
        if now.inventory["wood_pickaxe"] and not now.inventory["stone"] and now.known.mask(material).any():
            cost, cell = now.nearest("stone")  # no way there without a stone to lay over water
            if cell is not None:
                return Goal("collect", "stone", cell, cost, f"a stone for the way to the {item}")
        return Goal("explore", item, reason=f"no {item} known")

    def _wood_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have = now.inventory
        table_cost, table = now.crafting_place("table")
        if table is not None and table_cost <= 1 and have["wood"]:
            return Goal("make", "wood_pickaxe", table, table_cost)
        if table_cost >= self.table_steps:
            table = None
        if not now.known.mask("stone").any():
            return self._look_for_stone(now, table, table_cost, skip)
        chain = Chain(now, skip)
        options: list[tuple[float, Goal]] = []
        for num, is_new, field in self._ways_to_tools(now, chain, table is not None):
            lacking = num - have["wood"]
            if lacking > 0:
                total, cost, tree = chain.felling(lacking, field)
                if tree is not None:
                    options.append((total, Goal("collect", "wood", tree, cost)))
            elif is_new:
                total, cost, stone = chain.best("stone", field)
                if stone is not None:
                    beside = Goal("collect", "stone", stone, cost, "a table beside the stone")
                    options.append((total, beside if cost > 1 else Goal("place", "table", cost=1.0)))
            elif table is not None:
                options.append((float(field[now.position]), Goal("make", "wood_pickaxe", table, table_cost)))
        if not options:
            return Goal("explore", "wood", reason="no tree known")
        return min(options, key=lambda option: option[0])[1]

    def _look_for_stone(self, now: Situation, table: Cell | None, table_cost: float, skip: Collection[Cell]) -> Goal:
        """Wood first where no stone is known."""
        wood, needed = now.inventory["wood"], 3 if table is not None else 5
        cost, tree = now.nearest("tree", skip)
        # Where the next tree is far, tools come first: later ones are found on the way.
        can_wait = wood >= needed - 1 - (cost > 2 * self.far_tree_steps) and cost > self.far_tree_steps
        if (wood < needed and not can_wait) or (wood < needed + 2 and cost <= self.spare_wood_steps):
            return Goal("collect", "wood", tree, cost) if tree is not None else Goal("explore", "wood")
        if table is not None and wood:
            return Goal("make", "wood_pickaxe", table, table_cost)
        return Goal("explore", "stone", reason="no stone known")

    def _ways_to_tools(self, now: Situation, chain: Chain, has_table: bool) -> Iterator[tuple[int, bool, np.ndarray]]:
        """How much wood is taken before the first tool, whether to a new table, and the steps from there on.

        With two pieces more another table can be placed for the iron pickaxe, wherever that is made.
        """
        ores = ("coal", "iron")
        back = 0.0 if all(now.known.mask(item).any() for item in ores) else self.return_steps
        twice = chain.ores(ores, chain.ready(3, 1)) + _TOOLS
        at_stone = np.where(chain.beside("stone"), twice, BLOCKED)
        there = chain.to(0, at_stone)
        yield 7, True, there
        place = int(np.where(chain.beside("stone"), now.ways.distance + twice, np.inf).argmin())
        only = np.zeros(at_stone.shape, bool)
        only.ravel()[place] = True
        once = chain.ores(ores, chain.ready(1, 1, near(only))) + _TOOLS + back
        yield 5, True, chain.to(0, np.where(only, once, BLOCKED))
        if now.inventory["wood"] >= 4:
            later = chain.ores(ores, chain.ready(0, 1, near(only))) + _TOOLS + back
            yield 4, True, chain.to(0, np.where(only, later, BLOCKED))
        if has_table:
            tables = near(now.known.mask("table"))
            for num, after in ((5, twice), (3, chain.ores(ores, chain.ready(1, 1)) + _TOOLS + back)):
                again = chain.to(1, np.where(tables, after - 1.0, BLOCKED))
                stones = chain.to(1, np.where(chain.beside("stone"), again, BLOCKED))
                yield num, False, chain.to(0, np.where(tables, stones, BLOCKED))

    def _stone_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have = now.inventory
        if have["stone"] < 1:
            chain = Chain(now, skip)
            after = chain.ores(("coal", "iron"), chain.ready(max(have["wood"] - 1, 0), 1))
            _, cost, cell = chain.best("stone", chain.to(1, np.where(near(now.known.mask("table")), after, BLOCKED)))
            if cell is not None:
                return Goal("collect", "stone", cell, cost)
            return self._collect_or_explore(now, "stone", skip)
        if have["wood"] < 1:
            return self._collect_or_explore(now, "wood", skip)
        cost, cell = now.crafting_place("table")
        if cell is not None and (cost < self.table_steps or have["wood"] < 4):
            return Goal("make", "stone_pickaxe", cell, cost)
        if have["wood"] < 3:
            return self._collect_or_explore(now, "wood", skip)
        return Goal("place", "table", cost=1.0)

    def _iron_pickaxe(self, now: Situation, skip: Collection[Cell]) -> Goal:
        have, chain = now.inventory, Chain(now, skip)
        lacking = [item for item in ("iron", "coal", "wood") if have[item] < 1]
        known = [item for item in lacking if chain.beside(item).any()]
        ready = chain.ready(max(have["wood"], 1), have["stone"])
        fetch: list[tuple[float, Goal]] = []
        for item in known:
            after = chain.ores([other for other in known if other != item], ready)
            total, cost, cell = chain.best(item, after)
            if cell is not None:
                fetch.append((total, Goal("collect", item, cell, cost)))
        reached = {goal.item for _, goal in fetch}
        unknown = [item for item in lacking if item not in reached]
        if unknown and not any(goal.cost <= self.near_steps for _, goal in fetch):
            return self._collect_or_explore(now, unknown[0], skip)
        if unknown:
            return min((goal for _, goal in fetch), key=lambda goal: goal.cost)
        if lacking and have["wood"] < 3:
            ores = [item for item in lacking if item != "wood"]
            total, cost, tree = chain.felling(3 - have["wood"], chain.ores(ores, chain.ready(3, have["stone"])))
            if tree is not None and cost <= self.spare_wood_steps:
                fetch.append((total, Goal("collect", "wood", tree, cost, "a table farther on")))
        return min(fetch, key=lambda row: row[0])[1] if lacking else self._craft(now, chain, skip)

    def _craft(self, now: Situation, chain: Chain, skip: Collection[Cell]) -> Goal:
        """Everything is in hand: choose where to make the iron pickaxe."""
        have = now.inventory
        places = chain.places(have["wood"], have["stone"])
        totals = {built: now.ways.distance + field for built, field in places.items()}
        built = min(totals, key=lambda name: float(totals[name].min()))
        best = int(totals[built].argmin())
        cell = (best // now.known.area[1], best % now.known.area[1])
        if totals[built][now.position] <= totals[built][cell] + 0.5:
            cell = now.position
        cost = now.ways.to(cell)
        if not totals[built][cell] < BLOCKED:
            return self._collect_or_explore(now, "wood", skip)
        if not built:
            return Goal("make", "iron_pickaxe", cell, cost)
        if built == "table" and have["wood"] < 3:
            _, cost, tree = chain.felling(3 - have["wood"], chain.ready(3, have["stone"]))
            return Goal("collect", "wood", tree, cost) if tree is not None else Goal("explore", "wood")
        if have["stone"] < 4:
            _, cost, stone = chain.best("stone", chain.ready(have["wood"], have["stone"] + 1))
            return Goal("collect", "stone", stone, cost) if stone is not None else Goal("explore", "stone")
        if cell == now.position:
            return Goal("place", built, cost=2.0)
        return Goal("meet", "table", cell, cost, "a place for what is lacking")

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
