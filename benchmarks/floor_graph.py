"""Distances over the floor from many points at once: the path finder's grid as a sparse graph."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from placecell.pathfinder import CELL_M, PathFinder

__all__ = ["FloorGraph"]


class FloorGraph:
    """The cells on which an agent can stand, joined to their eight neighbours where no corner is cut.

    Distances are those of steps from cell to cell, up to 8 % longer than the straight ways that `PathFinder` tightens.

    Args:
        finder: The floor.

    Example:
        >>> finder = PathFinder(np.ones((40, 40), bool), 0.1)
        >>> graph = FloorGraph(finder)
        >>> round(float(graph.between(np.array([[0.5, 0, 0.5]]), np.array([[1.5, 0, 0.5]]))[0, 0]), 3)
        1.0
    """

    def __init__(self, finder: PathFinder) -> None:
        self.finder = finder
        is_open = np.pad(finder.navigable, 1)
        self._number = np.full(is_open.shape, -1, np.int64)
        self._number[is_open] = np.arange(int(is_open.sum()))
        here = np.argwhere(is_open)
        rows, columns, costs = [], [], []
        for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
            there = here + (dr, dc)
            joined = is_open[there[:, 0], there[:, 1]]
            if dr and dc:
                joined &= is_open[here[:, 0] + dr, here[:, 1]] & is_open[here[:, 0], here[:, 1] + dc]
            rows.append(self._number[here[joined, 0], here[joined, 1]])
            columns.append(self._number[there[joined, 0], there[joined, 1]])
            costs.append(np.full(int(joined.sum()), CELL_M * math.hypot(dr, dc)))
        num = len(here)
        self.cells = here - 1
        self._graph = coo_array(
            (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(num, num)
        ).tocsr()

    @property
    def points(self) -> Float64[np.ndarray, "n 3"]:
        """Middle of every cell, in the order of `cells`."""
        x0, z0 = self.finder.origin_m
        x, z = (self.cells[:, 1] + 0.5) * CELL_M + x0, (self.cells[:, 0] + 0.5) * CELL_M + z0
        return np.stack([x, np.full(len(x), self.finder.height_m), z], axis=1)

    def numbers(self, points: Float64[np.ndarray, "n 3"]) -> np.ndarray:
        """Index into `cells` of each point's cell; of the nearest cell for a point off the floor."""
        found = []
        for point in points:
            row, column = self.finder.cell(float(point[0]), float(point[2]))
            inside = 0 <= row < self.finder.navigable.shape[0] and 0 <= column < self.finder.navigable.shape[1]
            number = int(self._number[row + 1, column + 1]) if inside else -1
            if number < 0:
                number = int(np.hypot(self.cells[:, 0] - row, self.cells[:, 1] - column).argmin())
            found.append(number)
        return np.array(found, np.int64)

    def between(
        self, starts: Float64[np.ndarray, "n 3"], ends: Float64[np.ndarray, "m 3"]
    ) -> Float64[np.ndarray, "n m"]:
        """Distance from every start to every end, metres; infinite where there is no way."""
        fields = dijkstra(self._graph, directed=False, indices=self.numbers(starts))
        return np.asarray(fields)[:, self.numbers(ends)]

    def nearest(self, points: Float64[np.ndarray, "n 3"]) -> tuple[Float64[np.ndarray, "c"], np.ndarray]:
        """For every cell the distance to the nearest of `points`, and which one that is (-1: none)."""
        numbers = self.numbers(points)
        away, _, sources = dijkstra(
            self._graph, directed=False, indices=numbers, min_only=True, return_predecessors=True
        )
        which = {int(number): i for i, number in reversed(list(enumerate(numbers)))}
        return np.asarray(away), np.array([which.get(int(source), -1) for source in sources])
