"""What an agent goes by in one step, all in one place: what it sees, has, knows, and what the ways cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_cdt, uniform_filter

from placecell.agents.crafting import DIRECTIONS, MINED_WITH, Cell, Sight
from placecell.agents.known_map import KnownMap
from placecell.agents.ways import BLOCKED, Ways, entering_costs

__all__ = ["Goal", "Situation"]

_OPEN = ("grass", "sand", "path")
_GROVE: Final = 5  # cells across in which other trees are company
_COMPANY: Final = 0.5  # steps that one of them is worth
_MOST_COMPANY: Final = 4  # no more than these count
_RIVALRY: Final = 3.0  # steps that a tree is farther where somebody else is nearer


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to do now.

    Args:
        kind: "collect", "place", "make", "explore", "eat", "drink", "sleep", "fight", "shelter", "rest", "give", "meet"
            or "wait".
        item: Material, item or creature that it is about; what is looked for when exploring.
        target: Cell, where there is one.
        cost: Steps until it is done, about.
        reason: Why, in a few words.
        peer: Agent that it is about.
    """

    kind: str
    item: str = ""
    target: Cell | None = None
    cost: float = 0.0
    reason: str = ""
    peer: str = ""


@dataclass(eq=False)
class Situation:
    """One step of one agent, with helpers that turn goals into actions."""

    sight: Sight
    known: KnownMap
    view: Cell
    cows: Mapping[Cell, int] = field(default_factory=dict)  # where cows were seen, and when
    has_monsters: bool = False  # whether any were met in this world

    @property
    def inventory(self) -> Mapping[str, int]:
        """What the agent has."""
        return self.sight.inventory

    @property
    def position(self) -> Cell:
        """Where it stands."""
        return self.sight.position

    @cached_property
    def costs(self) -> np.ndarray:
        """Of entering each cell now, creatures included."""
        costs = entering_costs(self.known, self.inventory)
        players = self.sight.players
        for cell, kind in self.sight.creatures_at.items():
            if 0 <= cell[0] < costs.shape[0] and 0 <= cell[1] < costs.shape[1]:
                costs[cell] += {1: 4.0, 2: 6.0, 3: 6.0, 4: 2.0}.get(kind, 3.0 if cell in players else BLOCKED)
        if self.has_monsters and self.sight.daylight < 0.4:
            costs[self.known.mask("grass")] += 1.0  # where zombies come up
        for cell, kind in self.sight.creatures_at.items():
            if kind in (2, 3):
                window = costs[self.around(cell, 2)]
                window += np.where(window < BLOCKED, 1.5, 0.0)
            if kind == 3:  # shoots along rows and columns
                for line in (costs[cell[0], self.around(cell, 5)[1]], costs[self.around(cell, 5)[0], cell[1]]):
                    line += np.where(line < BLOCKED, 1.5, 0.0)
        return costs

    @cached_property
    def ways(self) -> Ways:
        """From where the agent stands to all cells."""
        return Ways(self.costs, self.position)

    # --- finding ------------------------------------------------------------------------------------------------

    def towards(self, *materials: str) -> np.ndarray | None:
        """Cells along the axes from each cell to the nearest known one of the materials; None if none is known."""
        mask = self.known.mask(*materials)
        return distance_transform_cdt(~mask, "taxicab").astype(float) if mask.any() else None

    def nearest(
        self, material: str, skip: Iterable[Cell] = (), then: np.ndarray | None = None, weight: float = 1.0
    ) -> tuple[float, Cell | None]:
        """Cost of getting beside the nearest known cell of a material that can be reached, and the cell.

        With `then`, the cell is chosen for which the cost and `weight` times what comes after it is least.
        """
        mask = self.known.mask(material)
        for cell in skip:
            mask[cell] = False
        reach = np.full((mask.shape[0] + 2, mask.shape[1] + 2), np.inf)
        reach[1:-1, 1:-1] = self.ways.distance
        beside = np.minimum.reduce([reach[:-2, 1:-1], reach[2:, 1:-1], reach[1:-1, :-2], reach[1:-1, 2:]])
        beside = np.where(mask, beside, np.inf)
        score = beside if then is None else beside + weight * then
        best = int((score + self._tree_costs if material == "tree" else score).argmin())
        cell = (best // mask.shape[1], best % mask.shape[1])
        return (float(beside[cell]), cell) if np.isfinite(beside[cell]) else (float("inf"), None)

    @cached_property
    def _tree_costs(self) -> np.ndarray:
        """What a tree costs besides the way there: more where another player in sight is nearer, less among others."""
        trees = self.known.mask("tree").astype(float)
        costs = -_COMPANY * np.minimum(uniform_filter(trees, _GROVE, mode="constant") * _GROVE**2 - 1, _MOST_COMPANY)
        return np.asarray(costs + self.rivalry + _COMPANY * _MOST_COMPANY)

    @cached_property
    def rivalry(self) -> np.ndarray:
        """Steps that a tree is worth less where another player in sight is nearer to it."""
        xs, ys = np.mgrid[: self.known.area[0], : self.known.area[1]]
        far = np.abs(xs - self.position[0]) + np.abs(ys - self.position[1])
        is_rivals = np.zeros(self.known.area, bool)
        for x, y in self.sight.players:
            is_rivals |= np.abs(xs - x) + np.abs(ys - y) < far
        return np.where(is_rivals, _RIVALRY, 0.0)

    def around(self, cell: Cell, reach: int = 1) -> tuple[slice, slice]:
        """The window of cells within `reach` of a cell along both axes."""
        return (
            slice(max(cell[0] - reach, 0), cell[0] + reach + 1),
            slice(max(cell[1] - reach, 0), cell[1] + reach + 1),
        )

    def is_near(self, material: str, cell: Cell | None = None) -> bool:
        """Whether one stands within one cell of the agent, or of another cell: near enough to craft."""
        return bool(self.known.mask(material)[self.around(cell or self.position)].any())

    def crafting_place(self, *stations: str) -> tuple[float, Cell | None]:
        """The cheapest cell to reach from which all these are near."""
        allowed = np.isfinite(self.ways.distance)
        for station in stations:
            mask = self.known.mask(station)
            grown = np.zeros_like(mask)
            for x, y in np.argwhere(mask).tolist():
                grown[self.around((x, y))] = True
            allowed &= grown
        costs = np.where(allowed, self.ways.distance, np.inf)
        best = int(costs.argmin())
        cell = (best // costs.shape[1], best % costs.shape[1])
        return (float(costs[cell]), cell) if np.isfinite(costs[cell]) else (float("inf"), None)

    # --- acting -------------------------------------------------------------------------------------------------

    def is_open(self, cell: Cell) -> bool:
        """Whether one could step, or place something, onto a cell now."""
        return self.known.at(cell) in _OPEN and cell not in self.sight.creatures_at

    def can_mine(self, cell: Cell) -> bool:
        """Whether the agent has what the material of a cell takes."""
        material = self.known.at(cell)
        if material not in MINED_WITH:
            return False
        tool = MINED_WITH[material]
        return tool is None or self.inventory[tool] > 0

    def go(self, cell: Cell) -> str:
        """The action that leads onto a cell."""
        return "noop" if cell == self.position else self.enter(self.ways.first_step(cell))

    def enter(self, cell: Cell) -> str:
        """The action that leads onto the next cell: turn, strike, dig, lay a stone, or walk."""
        move = DIRECTIONS[cell[0] - self.position[0], cell[1] - self.position[1]]
        faces = self.sight.ahead == cell
        kind = self.sight.creatures_at.get(cell, 0)
        if kind:
            return "do" if faces and kind in (1, 2, 3) else ("noop" if faces else move)
        material = self.known.at(cell)
        if material == "lava":
            return "noop"
        if material == "water":
            return "place_stone" if faces else move
        if material in MINED_WITH:
            return "do" if faces else move
        return move

    def use(self, cell: Cell) -> str:
        """The action that leads beside a cell, towards it, and then works on it."""
        step = (cell[0] - self.position[0], cell[1] - self.position[1])
        if step in DIRECTIONS:
            return "do" if self.sight.ahead == cell else DIRECTIONS[step]
        _, stand = self.ways.beside(cell)
        return "noop" if stand is None else self.go(stand)

    def place(self, item: str, near: tuple[str, ...] = ()) -> str:
        """The action that leads to placing a station, so that those in `near` stay within one cell."""
        if self.is_open(self.sight.ahead) and all(self.is_near(station) for station in near):
            return f"place_{item}"
        best, action = float("inf"), "noop"
        for (dx, dy), move in DIRECTIONS.items():
            cell = (self.position[0] + dx, self.position[1] + dy)
            stand = cell if self.is_open(cell) else self.position
            ahead = (stand[0] + dx, stand[1] + dy)
            if not all(self.is_near(station, stand) for station in near) or self.known.at(cell) == "lava":
                continue
            is_facing = stand == self.position and self.sight.ahead == ahead
            if self.is_open(ahead):
                cost = 1.0
            elif self.can_mine(ahead):
                cost = 1.0 if is_facing else 2.0
            else:
                continue
            if cost < best:
                best, action = cost, "do" if is_facing and not self.is_open(ahead) else move
        return action
