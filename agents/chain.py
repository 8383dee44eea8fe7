"""How far every cell is from the diamond: the steps of all that is still to be fetched and made, by the known map.

Fields are worked out backwards. Who has the iron pickaxe is as far from the diamond as the way; who has all for the
pickaxe is that far from a place to make it, plus what follows from there; and so on to the first tree. What is not
known to be anywhere costs nothing, as it is as far from everywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from placecell.agents.crafting import DIRECTIONS, Cell
from placecell.agents.situation import Situation
from placecell.agents.ways import entering_costs, steps_to

__all__ = ["Chain", "near"]

_FAR: Final = 1e6
_OPEN: Final = ("grass", "sand", "path")
_DUG: Final = ("stone", "coal", "iron", "tree")  # what gives way to what is placed
_USE: Final = 1.5  # steps to turn to a thing and take it
_STONES: Final = 1.5  # for each stone that is lacking, as there are many where ores are
_NEXT_TREE: Final = 3.0  # for a tree, where others stand
_WIDTH: Final = 16  # rows of trees that are thought of at once
_SIDES: Final = (np.s_[:-2, 1:-1], np.s_[2:, 1:-1], np.s_[1:-1, :-2], np.s_[1:-1, 2:])  # of a padded map
_TREES: Final = 5  # next trees that are thought of for each


class Chain:
    """Costs to go, for one agent in one step.

    Args:
        now: What it knows and has.
        skip: Cells that others will take.
    """

    def __init__(self, now: Situation, skip: Collection[Cell] = ()) -> None:
        self._now, self._skip = now, list(skip)
        self._costs: dict[int, Float64[np.ndarray, "w h"]] = {}
        self._beside: dict[str, Bool[np.ndarray, "w h"]] = {}

    # --- fields -------------------------------------------------------------------------------------------------

    @cached_property
    def diamond(self) -> Float64[np.ndarray, "w h"]:
        """Steps to the nearest known diamond with an iron pickaxe in hand; 0 if none is known."""
        return self.to(3, np.where(self.beside("diamond"), _USE, _FAR))

    def places(
        self, wood: int, stone: int, tables: Bool[np.ndarray, "w h"] | None = None
    ) -> dict[str, Float64[np.ndarray, "w h"]]:
        """Steps to the diamond from where an iron pickaxe can be made, coal and iron in hand, by what is built there.

        Args:
            wood: Pieces in hand.
            stone: The same.
            tables: Where a table is near; by default as the map tells.
        """
        known, after = self._now.known, self.diamond
        table = near(known.mask("table")) if tables is None else tables
        stones = _STONES * max(4 - stone, 0)
        timber = 0.0 if wood >= 3 else 1.5 + _NEXT_TREE * (2 - wood)
        anew = np.where(self._has_room(), after + timber + 4.0 + stones, _FAR)
        beside = table & self._has_room_beside(table)
        beside[self._now.position] |= table[self._now.position] and self._now.is_open(self._now.sight.ahead)
        return {
            "": np.where(table & near(known.mask("furnace")) & (wood >= 1), after + 1.0, _FAR),
            "furnace": np.where(beside & (wood >= 1), after + 2.5 + stones, _FAR),
            "table": anew if wood >= 3 else np.where(self.beside("tree"), anew, _FAR),
        }

    def _has_room(self) -> Bool[np.ndarray, "w h"]:
        """Where a table can be placed ahead and a furnace to one side, whichever way the agent faces."""
        sides = [shifted(self._now.known.mask(*_OPEN, *_DUG), step) for step in DIRECTIONS]
        return np.asarray(np.sum(sides, axis=0) >= 3)

    def _has_room_beside(self, tables: Bool[np.ndarray, "w h"]) -> Bool[np.ndarray, "w h"]:
        """Where a furnace can be placed so that tables stay near: into rock that is dug, or ahead of a step aside."""
        dug, is_open = self._now.known.mask(*_DUG), self._now.known.mask(*_OPEN)
        aside = {(dx, dy): is_open & tables & shifted(is_open | dug, (dx, dy)) for dx, dy in DIRECTIONS}
        return np.asarray(np.logical_or.reduce([shifted(dug | aside[step], step) for step in DIRECTIONS]))

    def ready(self, wood: int, stone: int, tables: Bool[np.ndarray, "w h"] | None = None) -> Float64[np.ndarray, "w h"]:
        """Steps to the diamond with coal and iron in hand: the best of `places` comes first."""
        return self.to(2, np.minimum.reduce(list(self.places(wood, stone, tables).values())))

    def ores(self, lacking: Collection[str], ready: Float64[np.ndarray, "w h"]) -> Float64[np.ndarray, "w h"]:
        """Steps to the diamond where these materials have to be fetched before `ready` holds, in the best order."""
        lacking = [item for item in lacking if self.beside(item).any()]
        fields = {frozenset[str](): ready}
        for size in range(1, len(lacking) + 1):
            for number in range(1 << len(lacking)):
                chosen = frozenset(item for i, item in enumerate(lacking) if number >> i & 1)
                if len(chosen) == size:
                    ends = np.full(ready.shape, _FAR)
                    for item in chosen:
                        after = fields[chosen - {item}] + _USE
                        ends = np.where(self.beside(item), np.minimum(ends, after), ends)
                    fields[chosen] = self.to(2, ends)
        return fields[frozenset(lacking)]

    def beside(self, material: str) -> Bool[np.ndarray, "w h"]:
        """Cells next to a known one of a material that nobody else takes."""
        if material not in self._beside:
            mask = self._free(material)
            self._beside[material] = np.logical_or.reduce([shifted(mask, step) for step in DIRECTIONS])
        return self._beside[material]

    def _free(self, material: str) -> Bool[np.ndarray, "w h"]:
        """Known cells of a material that nobody else takes."""
        mask = self._now.known.mask("tree" if material == "wood" else material)
        for cell in self._skip:
            mask[cell] = False
        return mask

    def to(self, tool: int, ends: Float64[np.ndarray, "w h"]) -> Float64[np.ndarray, "w h"]:
        """Steps to wherever `ends` is least with the way there, with so many tools; 0 if the agent cannot get there."""
        if not (ends < _FAR).any():
            return np.zeros(ends.shape)
        if tool not in self._costs:
            have = {"wood_pickaxe": tool > 0, "stone_pickaxe": tool > 1, "iron_pickaxe": tool > 2, "stone": tool > 0}
            self._costs[tool] = entering_costs(self._now.known, have)
        steps = steps_to(self._costs[tool], ends)
        return steps if steps[self._now.position] < _FAR else np.zeros(ends.shape)

    # --- choosing -----------------------------------------------------------------------------------------------

    def best(self, material: str, after: Float64[np.ndarray, "w h"]) -> tuple[float, float, Cell | None]:
        """The cell of a material for which the way to it and what comes after is least.

        Returns:
            All steps, those until the agent is beside it, and the cell; None if none can be reached.
        """
        now = self._now
        mask = self._free(material)
        reach = np.pad(now.ways.distance, 1, constant_values=np.inf)
        there = np.pad(now.ways.distance + after, 1, constant_values=np.inf)
        total = np.where(mask, np.minimum.reduce([there[side] for side in _SIDES]), np.inf)
        best = int(total.argmin())
        cell = (best // total.shape[1], best % total.shape[1])
        if not np.isfinite(total[cell]):
            return float("inf"), float("inf"), None
        cost = min((float(there[side][cell]), float(reach[side][cell])) for side in _SIDES)[1]
        return float(total[cell]) + _USE, cost, cell

    def felling(self, num: int, after: Float64[np.ndarray, "w h"]) -> tuple[float, float, Cell | None]:
        """The first of `num` trees, felled one after the other, for which all steps and what comes after are least.

        Returns:
            All steps, those until the agent is beside the first tree, and the tree; None if none can be reached.
        """
        now = self._now
        mask = self._free("wood")
        reach = np.pad(now.ways.distance, 1, constant_values=np.inf)
        reach = np.where(mask, np.minimum.reduce([reach[side] for side in _SIDES]), np.inf)
        beyond = np.pad(after, 1, constant_values=np.inf)
        beyond = np.minimum.reduce([beyond[side] for side in _SIDES])
        trees = np.argwhere(np.isfinite(reach))
        if not len(trees):
            return float("inf"), float("inf"), None
        first = reach[tuple(trees.T)]
        order = np.lexsort((trees[:, 1], trees[:, 0], first))[:80]
        trees, rivalry = trees[order], now.rivalry[tuple(trees[order].T)]
        first = first[order] + rivalry
        last = beyond[tuple(trees.T)]
        apart = np.maximum(np.abs(trees[:, None] - trees[None]).sum(-1) - 1.0, 0.5) + 1.0 + rivalry
        nearest = np.argsort(apart, axis=1, kind="stable")
        beam: list[tuple[float, tuple[int, ...]]] = [(float(first[i]) + 1.5, (int(i),)) for i in range(len(trees))]
        for _ in range(num - 1):
            beam = sorted(beam, key=lambda row: (row[0] + 0.9 * last[row[1][-1]], row[1]))[:_WIDTH]
            longer: dict[tuple[int, frozenset[int], int], tuple[float, tuple[int, ...]]] = {}
            for steps, row in beam:
                free = [int(i) for i in nearest[row[-1]][: _TREES + len(row)] if i not in row][:_TREES]
                for i in free:
                    key = (i, frozenset(row), row[0])
                    one = (steps + float(apart[row[-1], i]), (*row, i))
                    if key not in longer or one < longer[key]:
                        longer[key] = one
                if not free:
                    longer[row[-1], frozenset(row), row[0]] = (steps + 2 * _NEXT_TREE, row)
            beam = list(longer.values())
        steps, row = min(beam, key=lambda row: (row[0] + last[row[1][-1]], row[1]))
        tree = (int(trees[row[0]][0]), int(trees[row[0]][1]))
        return steps + float(last[row[-1]]), float(reach[tree]), tree


def shifted(mask: Bool[np.ndarray, "w h"], step: Cell) -> Bool[np.ndarray, "w h"]:
    """Whether the mask holds one step farther."""
    grown = np.pad(mask, 1)
    w, h = mask.shape
    return np.asarray(grown[1 + step[0] : 1 + step[0] + w, 1 + step[1] : 1 + step[1] + h])


def near(mask: Bool[np.ndarray, "w h"]) -> Bool[np.ndarray, "w h"]:
    """Cells within one cell of those in the mask."""
    grown = np.pad(mask, 1)
    rows = grown[:-2] | grown[1:-1] | grown[2:]
    return np.asarray(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])
