"""Ways over a known grid: what it costs to get to each cell, and the first step there."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float64, Int
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from placecell.agents.crafting import MATERIALS, Cell
from placecell.agents.known_map import KnownMap

__all__ = ["BLOCKED", "Ways", "entering_costs", "steps_to"]

BLOCKED: Final = 1e6
_NO_WAY: Final = 1e5


def entering_costs(
    known: KnownMap, inventory: Mapping[str, int], is_bridging: bool = True
) -> Float64[np.ndarray, "w h"]:
    """Steps that it takes to enter each cell: 1 to walk, 2 to dig first, more to lay a stone over water.

    Lava is never entered, and neither is what there is no tool for. Unknown cells cost a little more than open ones.
    """
    has_wood, has_stone = inventory["wood_pickaxe"] > 0, inventory["stone_pickaxe"] > 0
    can_bridge = is_bridging and has_wood and inventory["stone"] > 0
    by_name = {
        "": 1.7 if has_wood else 2.0,
        "grass": 1.0,
        "sand": 1.0,
        "path": 1.0,
        "tree": 2.2,
        "stone": 2.1 if has_wood else BLOCKED,
        "coal": 2.0 if has_wood else BLOCKED,
        "iron": 2.0 if has_stone else BLOCKED,
        "diamond": 2.0 if inventory["iron_pickaxe"] > 0 else BLOCKED,
        "water": 3.2 if can_bridge else BLOCKED,
    }
    costs = np.array([by_name.get(name, BLOCKED) for name in MATERIALS])
    return np.asarray(costs[known.materials])


class Ways:
    """The cheapest ways from one cell to all others.

    Args:
        costs: Of entering each cell.
        start: Where from.

    Example:
        >>> costs = np.ones((4, 3)); costs[1, :2] = BLOCKED
        >>> ways = Ways(costs, (0, 0))
        >>> ways.to((2, 0)), ways.first_step((2, 0)), ways.to((1, 0)) < 1e5
        (6.0, (0, 1), False)
    """

    def __init__(self, costs: Float64[np.ndarray, "w h"], start: Cell) -> None:
        self.area = (costs.shape[0], costs.shape[1])
        self.start = start
        graph = _graph(self.area)
        matrix = csr_matrix((costs.ravel()[graph.indices], graph.indices, graph.indptr), shape=graph.shape)
        distance, before = dijkstra(matrix, indices=start[0] * self.area[1] + start[1], return_predecessors=True)
        distance[distance >= _NO_WAY] = np.inf
        self.distance: Float64[np.ndarray, "w h"] = distance.reshape(self.area)
        self.before: Int[np.ndarray, "cells"] = before

    def to(self, cell: Cell) -> float:
        """Cost of getting onto a cell; infinite if there is no way."""
        return float(self.distance[cell])

    def beside(self, cell: Cell) -> tuple[float, Cell | None]:
        """Cost of getting onto the best cell next to this one, and that cell."""
        best, where = float("inf"), None
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            x, y = cell[0] + dx, cell[1] + dy
            if 0 <= x < self.area[0] and 0 <= y < self.area[1] and self.distance[x, y] < best:
                best, where = float(self.distance[x, y]), (x, y)
        return best, where

    def first_step(self, cell: Cell) -> Cell:
        """The first cell on the way to one that can be reached; the start itself if that is it."""
        h = self.area[1]
        index, start = cell[0] * h + cell[1], self.start[0] * h + self.start[1]
        while index != start and self.before[index] != start:
            index = int(self.before[index])
        return index // h, index % h


def steps_to(costs: Float64[np.ndarray, "w h"], ends: Float64[np.ndarray, "w h"]) -> Float64[np.ndarray, "w h"]:
    """Least cost from each cell to anywhere, with what it costs to end there.

    Args:
        costs: Of entering each cell.
        ends: Cost of ending in each cell; `BLOCKED` and more where nothing ends.

    Example:
        >>> ends = np.full((3, 1), BLOCKED); ends[2] = 5.0
        >>> steps_to(np.ones((3, 1)), ends).ravel().tolist()
        [7.0, 6.0, 5.0]
    """
    graph, flat = _graph((costs.shape[0], costs.shape[1])), ends.ravel()
    cells = np.flatnonzero(flat < BLOCKED)
    data = np.concatenate([np.repeat(costs.ravel(), np.diff(graph.indptr)), flat[cells]])  # ways, from back to front
    indices = np.concatenate([graph.indices, cells]).astype(np.int32)
    indptr = np.append(graph.indptr, len(indices)).astype(np.int32)
    matrix = csr_matrix((data, indices, indptr), shape=(len(flat) + 1, len(flat) + 1))
    return np.asarray(dijkstra(matrix, indices=len(flat))[:-1].reshape(costs.shape))


@functools.lru_cache(maxsize=8)
def _graph(area: Cell) -> csr_matrix:
    """Every cell with the up to four next to it."""
    number = np.arange(area[0] * area[1]).reshape(area)
    pairs = [(number[1:], number[:-1]), (number[:-1], number[1:]), (number[:, 1:], number[:, :-1])]
    pairs.append((number[:, :-1], number[:, 1:]))
    rows = np.concatenate([a.ravel() for a, _ in pairs])
    columns = np.concatenate([b.ravel() for _, b in pairs])
    graph = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(number.size, number.size))
    graph.sort_indices()
    return graph
