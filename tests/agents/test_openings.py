"""What a frontier opens, against a flood fill by hand; and when narrow gaps are squeezed through for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.openings import opened_m2
from placecell.memory.frontiers import BEHIND_M, Frontier
from placecell.memory.storeys import Floor

CELL_M = 0.25


def frontier_at(floor: Floor, row: int, column: int) -> Frontier:
    middle = floor.point(row, column)
    return Frontier(1, middle, middle, 0.0, 0.5, 99.0, 0, 0.0)


def floor_of(free: np.ndarray, occupied: np.ndarray) -> Floor:
    return Floor(0, 0.0, (0.0, 0.0), free, occupied, occupied, CELL_M)


def flooded_m2(floor: Floor, row: int, column: int) -> float:
    """Unknown cells joined to those within three cells of the frontier; what lies off the map is unknown."""
    reach, known = round(BEHIND_M / CELL_M), floor.free | floor.occupied

    def is_unknown(r: int, c: int) -> bool:
        inside = 0 <= r < known.shape[0] and 0 <= c < known.shape[1]
        return max(abs(r - row), abs(c - column)) <= reach and not (inside and known[r, c])

    near = [(row + i, column + k) for i in range(-3, 4) for k in range(-3, 4) if is_unknown(row + i, column + k)]
    found, todo = set(near), list(near)
    while todo:
        r, c = todo.pop()
        for at in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
            if at not in found and is_unknown(*at):
                found.add(at)
                todo.append(at)
    return len(found) * CELL_M**2


@given(st.integers(0, 2**32 - 1), st.integers(0, 11), st.integers(0, 14))
def test_a_frontier_opens_what_a_flood_from_it_reaches(seed: int, row: int, column: int) -> None:
    kind = np.random.default_rng(seed).choice(3, (12, 15), p=(0.4, 0.3, 0.3))
    floor = floor_of(kind == 1, kind == 2)
    assert opened_m2(frontier_at(floor, row, column), floor) == pytest.approx(flooded_m2(floor, row, column))


def test_what_lies_behind_a_wall_is_not_opened() -> None:
    free, wall = np.ones((40, 40), bool), np.zeros((40, 40), bool)
    free[:16] = False  # nobody knows what is there
    floor = floor_of(free, wall)
    wide_m2 = opened_m2(frontier_at(floor, 16, 20), floor)
    wall[13] = True
    slit_m2 = opened_m2(frontier_at(floor, 16, 20), floor)
    assert slit_m2 == pytest.approx(2 * 21 * CELL_M**2) and wide_m2 == pytest.approx(10 * 21 * CELL_M**2)
