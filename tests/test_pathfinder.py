"""Paths against a plain search that shares no code with the product."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.envs.testing import check_pathfinder
from placecell.pathfinder import CELL_M, PathFinder, ShortestPath


def floor_with(*blocks: tuple[int, int, int, int], size: int = 60) -> np.ndarray:
    free = np.pad(np.ones((size, size), bool), 1)
    for r0, c0, r1, c1 in blocks:
        free[r0:r1, c0:c1] = False
    return free


def test_straight_way_is_the_straight_line() -> None:
    path = ShortestPath((0.5, 0.0, 0.5), (2.5, 0.0, 2.0))
    assert PathFinder(floor_with()).find_path(path)
    assert path.geodesic_distance == pytest.approx(math.hypot(2.0, 1.5), rel=1e-6) and len(path.points) == 2


def test_way_around_a_wall_goes_by_its_end() -> None:
    finder = PathFinder(floor_with((28, 0, 32, 45)))
    path = ShortestPath((0.5, 0.0, 0.5), (0.5, 0.0, 2.7))
    assert finder.find_path(path)
    end = 45 * CELL_M + 0.18
    # Not shorter than through the middle of the gap, not longer than around its corners.
    least = math.hypot(end - 0.5, 1.0) + math.hypot(end - 0.5, 1.2)
    most = math.hypot(end + 0.06 - 0.5, 0.66) + 0.7 + math.hypot(end + 0.06 - 0.5, 0.84)
    assert least < path.geodesic_distance < most
    check_pathfinder(finder)


def test_two_islands_are_not_connected() -> None:
    finder = PathFinder(floor_with((0, 28, 62, 34)))
    path = ShortestPath((0.5, 0.0, 0.5), (2.7, 0.0, 0.5))
    assert not finder.find_path(path) and math.isinf(path.geodesic_distance) and path.points == []
    assert finder.largest_share < 0.6


def test_a_gap_narrower_than_the_agent_is_closed() -> None:
    free = floor_with((28, 0, 32, 62))
    free[28:32, 20:26] = True
    start, end = (0.5, 0.0, 0.5), (0.5, 0.0, 2.7)
    assert math.isinf(PathFinder(free, 0.18).geodesic_distance(start, end))
    assert PathFinder(free, 0.1).geodesic_distance(start, end) < 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_reachability_and_lengths_agree_with_plain_breadth_first_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    free = floor_with(size=24)
    for _ in range(int(rng.integers(0, 7))):
        r, c = rng.integers(1, 22, 2)
        free[r : r + rng.integers(1, 9), c : c + rng.integers(1, 9)] = False
    free[0] = free[-1] = free[:, 0] = free[:, -1] = False
    finder = PathFinder(free, 0.06)
    cells = np.argwhere(finder.navigable)
    if len(cells) < 2:
        return
    a, b = (tuple(int(v) for v in cells[int(rng.integers(len(cells)))]) for _ in range(2))
    steps = {a: 0}
    queue = deque([a])
    while queue:
        r, c = queue.popleft()
        for cell in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
            if finder.navigable[cell] and cell not in steps:
                steps[cell] = steps[(r, c)] + 1
                queue.append(cell)
    ends = [((c + 0.5) * CELL_M, 0.0, (r + 0.5) * CELL_M) for r, c in (a, b)]
    path = ShortestPath(*ends)
    assert finder.find_path(path) == (b in steps)
    if b in steps:
        straight = math.dist(ends[0], ends[1])
        assert straight - 1e-9 <= path.geodesic_distance <= steps[b] * CELL_M + 1e-9
        back = finder.geodesic_distance(ends[1], ends[0])
        assert back == pytest.approx(path.geodesic_distance, rel=0.12, abs=2 * CELL_M)


def test_clearance_agrees_with_brute_force() -> None:
    free = floor_with((20, 10, 30, 40), size=50)
    finder = PathFinder(free)
    blocked = np.argwhere(~np.pad(free, 1)) - 1
    for r, c in np.argwhere(free)[::97]:
        gap = np.maximum(np.abs(blocked - (r, c)) - 0.5, 0)
        exact = np.hypot(gap[:, 0], gap[:, 1]).min() * CELL_M
        told = finder.distance_to_closest_obstacle(((c + 0.5) * CELL_M, 0.0, (r + 0.5) * CELL_M))
        assert min(exact, 2.0) - 1e-6 <= told <= exact + 0.21 * CELL_M


def test_points_off_the_floor_are_snapped_to_it() -> None:
    finder = PathFinder(floor_with())
    assert not finder.is_navigable((-1.0, 0.0, 1.0)) and not finder.is_navigable((1.0, 2.0, 1.0))
    snapped = finder.snap_point((-1.0, 0.0, 1.0))
    assert finder.is_navigable(snapped) and snapped[0] < 0.4 and snapped[2] == pytest.approx(1.0, abs=0.06)
    assert np.isnan(PathFinder(np.zeros((5, 5), bool)).snap_point((0.1, 0.0, 0.1))).all()
    assert finder.get_topdown_view(0.05, height=3.0).sum() == 0


def test_random_points_follow_the_seed() -> None:
    finder = PathFinder(floor_with())
    draws = []
    for _ in range(2):
        finder.seed(4)
        draws.append([finder.get_random_navigable_point() for _ in range(5)])
    assert np.array_equal(draws[0], draws[1])


def test_the_distance_field_agrees_with_a_plain_search() -> None:
    rng = np.random.default_rng(5)
    finder = PathFinder(np.pad(rng.random((24, 30)) > 0.25, 1), 0.03)
    goal = finder.get_random_navigable_point()
    found = finder.distance_field(goal)
    expected = np.full(finder.free.shape, np.inf)
    expected[finder.cell(goal[0], goal[2])] = 0.0
    for _ in range(finder.free.size):  # Bellman and Ford: slow, and plainly right
        before = expected.copy()
        for row, column in np.argwhere(finder.navigable):
            for dr in (-1, 0, 1):
                for dc in (-1, 0, 1):
                    r, c = row + dr, column + dc
                    if finder.navigable[r, c] and finder.navigable[row, c] and finder.navigable[r, column]:
                        step = 0.05 * np.hypot(dr, dc)
                        expected[row, column] = min(expected[row, column], expected[r, c] + step)
        if np.array_equal(before, expected):
            break
    np.testing.assert_allclose(found, expected, atol=1e-9)
    near = finder.distance_field(goal, limit_m=0.4)
    np.testing.assert_allclose(near, np.where(expected <= 0.4 + 1e-9, expected, np.inf), atol=1e-9)


def test_the_cheapest_way_makes_a_detour_round_what_is_dear():
    finder = PathFinder(np.pad(np.ones((40, 40), bool), 1), agent_radius_m=0.0)
    cost = np.ones(finder.navigable.shape)
    cost[18:22, :30] = 10.0  # a band that leaves a cheap gap at one end
    start, end = (0.3, 0.0, 0.3), (0.3, 0.0, 1.7)
    plain, dear = finder.cells_to(start, end), finder.weighted(cost).cells_to(start, end)
    assert cost[tuple(plain.T)].max() == 10.0 and cost[tuple(dear.T)].max() == 1.0
    field = finder.weighted(cost).distance_field(end)
    assert 2.5 < field[finder.cell(0.3, 0.3)] < 1.4 + 4 * 0.05 * 10


def test_a_cost_of_another_shape_or_sign_is_refused():
    finder = PathFinder(np.ones((10, 10), bool), agent_radius_m=0.0)
    for cost in (np.ones((3, 3)), np.zeros((10, 10))):
        with pytest.raises(ValueError, match="cost must be positive"):
            finder.weighted(cost)
