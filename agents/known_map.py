"""The map that an agent knows: a view of the log, folded from its own finds and those that others shared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from jaxtyping import Bool

from placecell.agents.crafting import LETTERS, MATERIALS, Cell
from placecell.agents.seen_blocks import read_seen
from placecell.memory.records import Record

__all__ = ["Find", "KnownMap", "read_finds", "write_finds"]

_NUMBER: Final = {letter: number for number, letter in enumerate(LETTERS)}
_STRIP: Final = re.compile(r"(\d{1,3}),(\d{1,3})(?:([>v])|\*(\d{1,3})\*)((?:[a-zA-Z?]\d{0,3})+)")
_RUN: Final = re.compile(r"([a-zA-Z?])(\d{0,3})")
_MOST_CELLS: Final = 4096  # of one block


@dataclass(frozen=True, slots=True)
class Find:
    """One cell and what it is made of."""

    cell: Cell
    material: int


def write_finds(finds: Iterable[Find]) -> str:
    """Finds as text, in whichever way is shorter.

    Strips of cells: `x,y>` or `x,yv` (to the right or down), then letters and runs. Or one block: `x,y*w*`, then
    letters and runs of its cells row after row, `w` to a row, with `?` for cells that are not told.

    Example:
        >>> write_finds([Find((3, 4), 2), Find((3, 5), 2), Find((3, 6), 3), Find((9, 9), 10)])
        '3,4vg2s 9,9>d'
        >>> write_finds(Find((x, y), 2 + (x == y)) for x in range(4) for y in range(3))
        '0,0*4*sg4sg4sg'
    """
    told = {find.cell: find.material for find in finds}
    across, down = _strips(told, (1, 0)), _strips(told, (0, 1))
    strips = _write_strips(told, across, (1, 0)) if len(across) < len(down) else _write_strips(told, down, (0, 1))
    block = _write_block(told)
    return block if block and len(block) < len(strips) else strips


def _write_strips(told: Mapping[Cell, int], strips: list[tuple[Cell, int]], step: Cell) -> str:
    sign = ">" if step == (1, 0) else "v"
    parts = []
    for (x, y), length in strips:
        cells = [told[x + i * step[0], y + i * step[1]] for i in range(length)]
        parts.append(f"{x},{y}{sign if length > 1 else '>'}{_runs(cells)}")
    return " ".join(parts)


def _write_block(told: Mapping[Cell, int]) -> str:
    """All finds as one block; empty if there are none, or the block would be long."""
    xs, ys = sorted({x for x, _ in told}), sorted({y for _, y in told})
    if not told or (xs[-1] - xs[0] + 1) * (ys[-1] - ys[0] + 1) > _MOST_CELLS:
        return ""
    row = range(xs[0], xs[-1] + 1)
    cells = [told.get((x, y), 0) for y in range(ys[0], ys[-1] + 1) for x in row]
    while not cells[-1]:
        cells.pop()
    return f"{xs[0]},{ys[0]}*{len(row)}*{_runs(cells)}"


def _runs(cells: Iterable[int]) -> str:
    runs = []
    for number, same in groupby(cells):
        count = len(list(same))
        while count:  # no run has more than three digits
            runs.append(LETTERS[number] + (str(min(count, 999)) if count > 1 else ""))
            count -= min(count, 999)
    return "".join(runs)


def _strips(cells: Mapping[Cell, int], step: Cell) -> list[tuple[Cell, int]]:
    found = []
    for x, y in sorted(cells):
        if (x - step[0], y - step[1]) not in cells:
            length = 1
            while (x + length * step[0], y + length * step[1]) in cells:
                length += 1
            found.append(((x, y), length))
    return found


def read_finds(text: str) -> list[Find]:
    """Read what `write_finds` wrote; parts that are none are passed over, as anybody may have written them.

    Example:
        >>> read_finds("3,4vg2s hello")
        [Find(cell=(3, 4), material=2), Find(cell=(3, 5), material=2), Find(cell=(3, 6), material=3)]
        >>> read_finds("3,4*2*g?s")
        [Find(cell=(3, 4), material=2), Find(cell=(3, 5), material=3)]
    """
    found = []
    for part in text.split():
        match = _STRIP.fullmatch(part)
        if match is None or match[4] == "0":
            continue
        x, y, wide = int(match[1]), int(match[2]), int(match[4] or 1)
        is_down, number = match[3] == "v", 0
        for letter, count in _RUN.findall(match[5]):
            for _ in range(int(count or 1)):
                if _NUMBER.get(letter) and number < _MOST_CELLS:
                    down, right = divmod(number, wide) if match[4] else (number * is_down, number * (not is_down))
                    found.append(Find((x + right, y + down), _NUMBER[letter]))
                number += 1
    return found


class KnownMap:
    """What each cell is made of, as far as anybody who shares has seen it.

    The same records give the same map in any order: of two finds of one cell the later holds, and of two at the same
    time the one with the greater number.

    Args:
        area: Cells across and down.

    Attributes:
        told: Cells that somebody said to have seen, where others would have been told of a first ore.

    Example:
        >>> known = KnownMap((16, 16))
        >>> known.fold(Record("ann", 1, "text", 5.0, 5.0, text="3,4vg2s"))
        >>> known.at((3, 6)), known.at((0, 0))
        ('stone', '')
    """

    def __init__(self, area: Cell) -> None:
        self.area = area
        self.materials = np.zeros(area, np.uint8)
        self.stamps = np.full(area, -1, np.int32)
        self.told = np.zeros(area, bool)
        self.version = 0

    def fold(self, record: Record) -> None:
        """Take in one record; those without finds, and without words of where somebody looked, change nothing."""
        if record.kind == "text":
            self.put(read_finds(record.text), int(record.stamp_s))
            self.told |= read_seen(record.text, self.area)

    def put(self, finds: Iterable[Find], step: int) -> None:
        """Take in finds of one step."""
        w, h = self.area
        for find in finds:
            x, y = find.cell
            if x < w and y < h and (step, find.material) > (int(self.stamps[x, y]), int(self.materials[x, y])):
                self.version += int(self.materials[x, y] != find.material)
                self.materials[x, y], self.stamps[x, y] = find.material, step

    def news(self, corner: Cell, seen: np.ndarray, step: int) -> list[Find]:
        """Cells of a view, its first cell at `corner`, that differ from what is known. They become known."""
        w, h = self.area
        x0, y0 = max(corner[0], 0), max(corner[1], 0)
        part = seen[x0 - corner[0] : w - corner[0], y0 - corner[1] : h - corner[1]]
        here = (slice(x0, x0 + part.shape[0]), slice(y0, y0 + part.shape[1]))
        differs = (self.materials[here] != part) & (part > 0)
        found = [Find((x0 + i, y0 + j), int(part[i, j])) for i, j in np.argwhere(differs).tolist()]
        self.materials[here] = np.where(part > 0, part, self.materials[here])
        self.stamps[here] = np.where(part > 0, step, self.stamps[here])
        self.version += len(found)
        return found

    def at(self, cell: Cell) -> str:
        """What a cell is made of; empty if that is unknown, or outside."""
        x, y = cell
        return MATERIALS[self.materials[x, y]] if 0 <= x < self.area[0] and 0 <= y < self.area[1] else ""

    def cells(self, *materials: str) -> list[Cell]:
        """Known cells of any of these materials, ascending."""
        return [(x, y) for x, y in np.argwhere(self.mask(*materials)).tolist()]

    def mask(self, *materials: str) -> Bool[np.ndarray, "w h"]:
        """Where any of these materials is known to be."""
        return np.asarray(_LOOKUP(materials)[self.materials])

    def forget(self) -> None:
        """Know nothing any more."""
        self.materials[:], self.stamps[:], self.told[:] = 0, -1, False


def _LOOKUP(materials: tuple[str, ...]) -> np.ndarray:
    return np.array([name in materials for name in MATERIALS])
