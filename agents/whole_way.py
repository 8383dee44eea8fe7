"""The tech tree where all of it is known: what to do next, so that the whole way to the diamond is shortest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from placecell.agents.chain import Chain, near
from placecell.agents.crafting import Cell
from placecell.agents.situation import Goal, Situation
from placecell.agents.ways import BLOCKED

__all__ = ["WholeWay"]

_TOOLS: Final = 5.5  # steps of a table, two pickaxes and the stone of one, turns included


@dataclass(frozen=True, slots=True)
class WholeWay:
    """Decides what comes next by the steps of everything that is still to be done.

    Args:
        spare_wood_steps: Wood for another table is thought of where a tree is this near.
        table_steps: A table that is farther away than this is not thought of while there is none of one's own.
    """

    spare_wood_steps: float = 2.0
    table_steps: float = 25.0

    def next_goal(self, now: Situation, skip: Collection[Cell] = ()) -> Goal | None:
        """What to do next up to the iron pickaxe; None where something is unknown or cannot be reached.

        Args:
            now: What the agent knows and has.
            skip: Cells that others will take.
        """
        have = now.inventory
        lacking = [item for item in ("stone", "coal", "iron", "diamond") if not have[item]]
        if have["iron_pickaxe"] or not all(now.known.mask(item).any() for item in lacking):
            return None
        chain = Chain(now, skip)
        if not have["wood_pickaxe"]:
            return self._wood_pickaxe(now, chain)
        return self._iron_pickaxe(now, chain) if have["stone_pickaxe"] else self._stone_pickaxe(now, chain)

    def _wood_pickaxe(self, now: Situation, chain: Chain) -> Goal | None:
        have = now.inventory
        table_cost, table = now.crafting_place("table")
        if table is not None and table_cost <= 1 and have["wood"]:
            return Goal("make", "wood_pickaxe", table, table_cost)
        if table_cost >= self.table_steps:
            table = None
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
        return min(options, key=lambda option: option[0])[1] if options else None

    def _ways_to_tools(self, now: Situation, chain: Chain, has_table: bool) -> Iterator[tuple[int, bool, np.ndarray]]:
        """How much wood is taken before the first tool, whether to a new table, and the steps from there on.

        With two pieces more another table can be placed for the iron pickaxe, wherever that is made.
        """
        ores = ("coal", "iron")
        twice = chain.ores(ores, chain.ready(3, 1)) + _TOOLS
        at_stone = np.where(chain.beside("stone"), twice, BLOCKED)
        there = chain.to(0, at_stone)
        yield 7, True, there
        place = int(np.where(chain.beside("stone"), now.ways.distance + twice, np.inf).argmin())
        only = np.zeros(at_stone.shape, bool)
        only.ravel()[place] = True
        once = chain.ores(ores, chain.ready(1, 1, near(only))) + _TOOLS
        yield 5, True, chain.to(0, np.where(only, once, BLOCKED))
        if now.inventory["wood"] >= 4:
            later = chain.ores(ores, chain.ready(0, 1, near(only))) + _TOOLS
            yield 4, True, chain.to(0, np.where(only, later, BLOCKED))
        if has_table:
            tables = near(now.known.mask("table"))
            for num, after in ((5, twice), (3, chain.ores(ores, chain.ready(1, 1)) + _TOOLS)):
                again = chain.to(1, np.where(tables, after - 1.0, BLOCKED))
                stones = chain.to(1, np.where(chain.beside("stone"), again, BLOCKED))
                yield num, False, chain.to(0, np.where(tables, stones, BLOCKED))

    def _stone_pickaxe(self, now: Situation, chain: Chain) -> Goal | None:
        have, table = now.inventory, near(now.known.mask("table"))
        if have["stone"] or not table.any():
            return None
        after = chain.ores(("coal", "iron"), chain.ready(max(have["wood"] - 1, 0), 1))
        _, cost, cell = chain.best("stone", chain.to(1, np.where(table, after, BLOCKED)))
        return None if cell is None else Goal("collect", "stone", cell, cost)

    def _iron_pickaxe(self, now: Situation, chain: Chain) -> Goal | None:
        have = now.inventory
        lacking = [item for item in ("iron", "coal", "wood") if have[item] < 1]
        ready = chain.ready(max(have["wood"], 1), have["stone"])
        fetch: list[tuple[float, Goal]] = []
        for item in lacking:
            after = chain.ores([other for other in lacking if other != item], ready)
            total, cost, cell = chain.best(item, after)
            if cell is None:
                return None
            fetch.append((total, Goal("collect", item, cell, cost)))
        if lacking and have["wood"] < 3:
            ores = [item for item in lacking if item != "wood"]
            total, cost, tree = chain.felling(3 - have["wood"], chain.ores(ores, chain.ready(3, have["stone"])))
            if tree is not None and cost <= self.spare_wood_steps:
                fetch.append((total, Goal("collect", "wood", tree, cost, "a table farther on")))
        return min(fetch, key=lambda row: row[0])[1] if lacking else self._craft(now, chain)

    def _craft(self, now: Situation, chain: Chain) -> Goal | None:
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
            return None
        if not built:
            return Goal("make", "iron_pickaxe", cell, cost)
        if built == "table" and have["wood"] < 3:
            _, cost, tree = chain.felling(3 - have["wood"], chain.ready(3, have["stone"]))
            return Goal("collect", "wood", tree, cost) if tree is not None else None
        if have["stone"] < 4:
            _, cost, stone = chain.best("stone", chain.ready(have["wood"], have["stone"] + 1))
            return Goal("collect", "stone", stone, cost) if stone is not None else None
        if cell == now.position:
            return Goal("place", built, cost=2.0)
        return Goal("meet", "table", cell, cost, "a place for what is lacking")
