"""A place to sleep where nothing gets in: a room of two or four cells, with stones put where it has no wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from placecell.agents.crafting import DIRECTIONS, Cell
from placecell.agents.situation import Situation

__all__ = ["Shelter", "find_shelter", "is_closed"]

_WALLS: Final = ("stone", "tree", "coal", "iron", "diamond", "table", "furnace")  # arrows fly over water and lava
_FLOORS: Final = ("path", "grass", "sand")
_SHAPES: Final[tuple[tuple[Cell, ...], ...]] = (((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 0), (1, 0), (0, 1), (1, 1)))


@dataclass(frozen=True, slots=True)
class Shelter:
    """A room to be closed.

    Nobody can turn towards a free cell without stepping onto it. So a gap in the wall is closed by whoever comes to the
    cell before it from the cell behind that, which has to be in the room as well.
    """

    cells: tuple[Cell, ...]

    def action(self, now: Situation) -> str:
        """What comes next until the room is closed."""
        here, wall = now.position, now.known.mask(*_WALLS)
        if here not in self.cells:
            return now.go(min(self.cells, key=now.ways.to))
        if now.sight.ahead not in self.cells and not wall[now.sight.ahead] and self._is_behind(here, now.sight.ahead):
            return "place_stone"
        todo: list[tuple[int, Cell]] = []
        for x, y in self.cells:
            if wall[x, y] or (x, y) in now.sight.creatures_at:
                continue
            for dx, dy in DIRECTIONS:
                gap, behind = (x + dx, y + dy), (x - dx, y - dy)
                if gap not in self.cells and behind in self.cells and not wall[gap]:
                    far = abs(behind[0] - here[0]) + abs(behind[1] - here[1])
                    todo.append((far, (x, y) if far == 0 else behind))
        if not todo:  # only what is not dug yet has walls that are missing
            rest = [cell for cell in self.cells if wall[cell] and abs(cell[0] - here[0]) + abs(cell[1] - here[1]) == 1]
            return now.enter(rest[0]) if rest else "noop"
        goal = min(todo)[1]
        ways = [cell for cell in self.cells if abs(cell[0] - here[0]) + abs(cell[1] - here[1]) == 1]
        return now.enter(min(ways, key=lambda cell: abs(cell[0] - goal[0]) + abs(cell[1] - goal[1])))

    def _is_behind(self, here: Cell, gap: Cell) -> bool:
        return (2 * here[0] - gap[0], 2 * here[1] - gap[1]) in self.cells


def is_closed(now: Situation, most: int = 8) -> bool:
    """Whether nothing that walks can get to the agent: free cells around it are few, known, and without monsters."""
    seen, todo = {now.position}, [now.position]
    while todo:
        x, y = todo.pop()
        for dx, dy in DIRECTIONS:
            cell = (x + dx, y + dy)
            if cell in seen or now.known.at(cell) in _WALLS:
                continue
            if now.sight.creatures_at.get(cell, 0) in (2, 3, 4):
                return False
            seen.add(cell)
            todo.append(cell)
        if len(seen) > most:
            return False
    return True


def find_shelter(now: Situation) -> tuple[float, Shelter | None]:
    """The room that is closed soonest, and the steps until then; None if there is none, or too few stones.

    Example:
        >>> find_shelter(now)                                                     # doctest: +SKIP
        (5.1, Shelter(cells=((4, 3), (5, 3))))
    """
    best, found = float("inf"), None
    if not now.inventory["wood_pickaxe"]:
        return best, found
    wall, stone, floor = (now.known.mask(*names) for names in (_WALLS, ("stone",), _FLOORS))
    gap = floor | now.known.mask("water")
    for cell in now.sight.creatures_at:
        if 0 <= cell[0] < floor.shape[0] and 0 <= cell[1] < floor.shape[1]:
            floor[cell] = gap[cell] = False
    for shape in _SHAPES:
        is_room, dug, gaps = np.ones_like(floor), np.zeros(floor.shape), np.zeros(floor.shape)
        way = np.full(floor.shape, np.inf)
        for x, y in shape:
            is_room &= _shifted(floor | stone, x, y)
            dug += _shifted(stone, x, y)
            way = np.minimum(way, _shifted(now.ways.distance, x, y, np.inf))
            for dx, dy in DIRECTIONS:
                if (x + dx, y + dy) in shape:
                    continue
                is_wall = _shifted(wall, x + dx, y + dy)
                if (x - dx, y - dy) in shape:
                    gaps += ~is_wall
                    is_wall = is_wall | _shifted(gap, x + dx, y + dy)
                is_room &= is_wall
        is_room &= now.inventory["stone"] + dug >= gaps
        costs = np.where(is_room, way + 2.0 * dug + 2.0 * gaps, np.inf)
        index = int(costs.argmin())
        i, j = index // costs.shape[1], index % costs.shape[1]
        if costs[i, j] < best:
            best, found = float(costs[i, j]), Shelter(tuple((i + x, j + y) for x, y in shape))
    return best, found


def _shifted(mask: np.ndarray, dx: int, dy: int, outside: float = 0) -> np.ndarray:
    """What a mask has so far from each cell."""
    (w, h), padded = mask.shape, np.pad(mask, 2, constant_values=outside)
    return padded[2 + dx : 2 + dx + w, 2 + dy : 2 + dy + h]
