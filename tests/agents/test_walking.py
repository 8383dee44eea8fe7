from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from placecell.agents.planner import FORWARD, LEFT, RIGHT, Sensed
from placecell.agents.walking import Walker, turn_towards
from placecell.agents.wriggling import wriggle
from placecell.geometry import pose_from
from placecell.pathfinder import PathFinder

EMPTY = np.zeros((4, 4), np.float32)


class Body:
    """A disc that moves on the true floor as the environments do: ten small steps forward, and no sliding."""

    def __init__(self, finder: PathFinder, x: float, z: float, yaw: float = 0.0) -> None:
        self.finder, self.x, self.z, self.yaw, self.has_collided, self.path_m = finder, x, z, yaw, False, 0.0

    @property
    def pose(self) -> np.ndarray:
        return pose_from(np.array([self.x, 0.9, self.z]), self.yaw)

    def do(self, action: int) -> None:
        self.has_collided = False
        if action in (LEFT, RIGHT):
            self.yaw += math.pi / 6 if action == LEFT else -math.pi / 6
        for _ in range(10 if action == FORWARD else 0):
            x, z = self.x - 0.025 * math.sin(self.yaw), self.z - 0.025 * math.cos(self.yaw)
            if not self.finder.is_navigable((x, 0.0, z)):
                self.has_collided = True
                return
            self.x, self.z, self.path_m = x, z, self.path_m + 0.025


def walk(body: Body, known: PathFinder, target: tuple[float, float], walker: Walker, max_steps: int = 300) -> int:
    for step in range(max_steps):
        rgb = np.zeros((4, 4, 3), np.uint8)
        walker.observe(Sensed(step, 0.5 * step, body.pose, rgb, EMPTY, has_collided=body.has_collided))
        action = walker.action(walker.patched(known), body.pose, (target[0], 0.0, target[1]))
        if action is None:
            return step
        body.do(action)
    return max_steps


def floor(*blocks: tuple[int, int, int, int], size: int = 100) -> PathFinder:
    free = np.pad(np.ones((size, size), bool), 1)
    for r0, c0, r1, c1 in blocks:
        free[r0:r1, c0:c1] = False
    return PathFinder(free)


@pytest.mark.parametrize("seed", range(12))
def test_it_arrives_on_a_way_about_as_long_as_the_shortest(seed: int) -> None:
    finder = floor((20, 0, 26, 70), (60, 30, 66, 102), (40, 45, 50, 55))
    finder.seed(seed)
    start, goal = finder.get_random_navigable_point(), finder.get_random_navigable_point()
    body = Body(finder, start[0], start[2], yaw=seed * math.pi / 6)
    walk(body, finder, (goal[0], goal[2]), Walker())
    shortest_m = finder.geodesic_distance(start, goal)
    assert finder.geodesic_distance((body.x, 0.0, body.z), goal) < 0.3
    assert body.path_m <= 1.15 * shortest_m + 0.4


def test_what_the_map_does_not_show_is_learned_by_bumping_and_walked_around() -> None:
    known, true = floor(), floor((45, 40, 52, 62))
    walker, body = Walker(), Body(true, 2.5, 4.0)
    walk(body, known, (2.5, 1.0), walker)
    assert math.hypot(body.x - 2.5, body.z - 1.0) < 0.3
    assert 0 < len(walker.bumps) < 20


def test_a_target_that_cannot_be_reached_ends_the_walk() -> None:
    walker, body = Walker(), Body(floor((45, 0, 52, 102)), 2.5, 4.0)
    assert walk(body, floor((45, 0, 52, 102)), (2.5, 1.0), walker) == 0
    # The map shows no wall: the walker finds it out, and does not go on for ever.
    assert walk(body, floor(), (2.5, 1.0), Walker()) < 300


def test_from_a_place_that_the_map_calls_blocked_it_steps_back_onto_the_floor() -> None:
    known = floor((0, 0, 102, 30))
    body = Body(floor(), 1.55, 2.5, yaw=math.pi / 2)
    walk(body, known, (4.0, 2.5), Walker())
    assert math.hypot(body.x - 4.0, body.z - 2.5) < 0.3


def test_turns_go_the_short_way() -> None:
    assert turn_towards(3.05, -3.05) is None
    assert turn_towards(2.5, -2.5) == LEFT
    assert turn_towards(0.3, -0.5) == RIGHT


@pytest.mark.parametrize("seed", range(8))
def test_a_gap_as_wide_as_the_agent_is_squeezed_through(seed: int) -> None:
    finder = floor((50, 0, 56, 40), (50, 49, 56, 102))  # its middle fits into one column of cells
    finder.seed(seed)
    start, goal = (0.0, 0.0, 0.0), (0.0, 0.0, 5.0)
    while start[2] < 3.2:
        start = finder.get_random_navigable_point()
    while goal[2] > 2.2:
        goal = finder.get_random_navigable_point()
    body = Body(finder, start[0], start[2], yaw=seed * math.pi / 6)
    walk(body, finder, (goal[0], goal[2]), Walker())
    assert finder.geodesic_distance((body.x, 0.0, body.z), goal) < 0.3


@pytest.mark.parametrize("caution", [1.0, 0.5])
def test_it_does_not_press_on_where_it_was_stopped(caution: float) -> None:
    true = floor((45, 0, 52, 102))  # the map shows no wall
    walker, body = Walker(), Body(true, 2.5, 4.0)
    walker.caution = caution
    pressed: Counter[tuple[float, float, float]] = Counter()
    for step in range(60):
        rgb = np.zeros((4, 4, 3), np.uint8)
        walker.observe(Sensed(step, 0.5 * step, body.pose, rgb, EMPTY, has_collided=body.has_collided))
        # The target moves about a little, as frontiers do.
        action = walker.action(walker.patched(floor()), body.pose, (2.5 + 0.4 * (step % 2), 0.0, 1.0))
        if action is None:
            break
        body.do(action)
        if body.has_collided:
            pressed[round(body.x, 2), round(body.z, 2), round(body.yaw % (2 * math.pi), 1)] += 1
    assert sum(pressed.values()) >= 2 and max(pressed.values()) <= 3


@pytest.mark.parametrize("seed", range(6))
def test_steps_that_are_planned_can_be_taken_and_lead_nearer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    free = np.pad(rng.random((60, 60)) > 0.01, 1)
    finder = PathFinder(free)
    finder.seed(seed)
    start, goal = finder.get_random_navigable_point(), finder.get_random_navigable_point()
    steps = wriggle(finder, np.array(start), 0.3, np.array(goal))
    x, z = start[0], start[2]
    for heading in steps:
        assert math.isclose((heading - 0.3) % (math.pi / 6), 0.0, abs_tol=1e-6) or math.isclose(
            (heading - 0.3) % (math.pi / 6), math.pi / 6, abs_tol=1e-6
        )
        x, z = x - 0.25 * math.sin(heading), z - 0.25 * math.cos(heading)
        assert finder.is_navigable((x, 0.0, z))
    if steps:
        field = finder.distance_field(goal)
        assert field[finder.cell(x, z)] < field[finder.cell(start[0], start[2])]
