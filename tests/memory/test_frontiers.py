"""What a frontier opens, against a flood fill by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.frontiers import BEHIND_M, opened_m2
from placecell.pathfinder import CELL_M

REACH = round(BEHIND_M / CELL_M)


def flooded_m2(known: np.ndarray, row: int, column: int) -> float:
    """Unknown cells joined to those within three cells of the frontier; what lies off the map is unknown."""

    def is_unknown(r: int, c: int) -> bool:
        inside = 0 <= r < known.shape[0] and 0 <= c < known.shape[1]
        return max(abs(r - row), abs(c - column)) <= REACH and not (inside and known[r, c])

    near = [(row + i, column + k) for i in range(-3, 4) for k in range(-3, 4) if is_unknown(row + i, column + k)]
    found, todo = set(near), list(near)
    while todo:
        r, c = todo.pop()
        for at in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
            if at not in found and is_unknown(*at):
                found.add(at)
                todo.append(at)
    return len(found) * CELL_M**2


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 11), st.integers(0, 14), st.sampled_from([(12, 15), (70, 75)]))
def test_a_frontier_opens_what_a_flood_from_it_reaches(
    seed: int, row: int, column: int, shape: tuple[int, int]
) -> None:
    kind = np.random.default_rng(seed).choice(3, shape, p=(0.4, 0.3, 0.3))
    found = opened_m2(kind == 1, kind == 2, (row, column))
    assert found == pytest.approx(flooded_m2(kind > 0, row, column))


def test_what_lies_behind_a_wall_is_not_opened() -> None:
    side, edge, wall = 4 * REACH, 2 * REACH, 2 * REACH - 3
    free, occupied = np.ones((side, side), bool), np.zeros((side, side), bool)
    free[:edge] = False  # nobody knows what is there
    width_m = (2 * REACH + 1) * CELL_M
    assert opened_m2(free, occupied, (edge, edge)) == pytest.approx(REACH * CELL_M * width_m)
    occupied[wall] = True
    assert opened_m2(free, occupied, (edge, edge)) == pytest.approx((edge - wall - 1) * CELL_M * width_m)
