from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents.cooperation import Cooperator
from placecell.agents.crafting import ACTIONS, DIRECTIONS, ITEMS, MATERIALS, Sight
from placecell.agents.known_map import KnownMap
from placecell.agents.shelter import find_shelter, is_closed
from placecell.agents.situation import Situation
from placecell.memory.memory import Memory

MOVES = {move: step for step, move in DIRECTIONS.items()}
GRASS, STONE, PATH = (MATERIALS.index(name) for name in ("grass", "stone", "path"))


class Ground:
    """A map, one player on it, and what its actions do, by the rules of the game."""

    def __init__(self, materials: np.ndarray, position: tuple[int, int], stones: int) -> None:
        self.materials, self.position, self.facing = materials.copy(), position, (0, 1)
        self.inventory = dict.fromkeys(ITEMS, 0) | {"health": 9, "stone": stones, "wood_pickaxe": 1}

    def situation(self, creatures: Mapping[tuple[int, int], int] | None = None) -> Situation:
        known = KnownMap(self.materials.shape)
        known.materials[:] = self.materials
        nobody = np.zeros((1, 1), np.uint8)
        sight = Sight(
            0, nobody, nobody, self.position, self.position, self.facing, self.inventory, 0.1, False, creatures or {}
        )
        return Situation(sight, known, (9, 7), has_monsters=True)

    def seen(self, creatures: np.ndarray) -> dict[str, np.ndarray]:
        """What a player observes here at night who sees the whole map."""
        return {
            "materials": self.materials,
            "creatures": creatures,
            "inventory": np.array([self.inventory[item] for item in ITEMS], np.int32),
            "position": np.array(self.position, np.int32),
            "facing": np.array(self.facing, np.int32),
            "daylight": np.array([0.1], np.float32),
            "sleeping": np.zeros(1, np.int8),
        }

    def do(self, action: str) -> None:
        ahead = (self.position[0] + self.facing[0], self.position[1] + self.facing[1])
        if action in MOVES:
            self.facing = MOVES[action]
            ahead = (self.position[0] + self.facing[0], self.position[1] + self.facing[1])
            if self.materials[ahead] in (GRASS, PATH):
                self.position = ahead
        elif action == "do" and self.materials[ahead] == STONE:
            self.materials[ahead] = PATH
            self.inventory["stone"] += 1
        elif action == "place_stone" and self.materials[ahead] != STONE and self.inventory["stone"]:
            self.materials[ahead] = STONE
            self.inventory["stone"] -= 1


def closed_after(ground: Ground, most: int = 60) -> bool:
    cost, shelter = find_shelter(ground.situation())
    assert shelter is not None and cost < most
    for _ in range(most):
        now = ground.situation()
        if ground.position in shelter.cells and is_closed(now):
            return True
        action = shelter.action(now)
        if action == "noop":  # a wall that it needed went on the way in
            shelter = find_shelter(now)[1]
            assert shelter is not None
        else:
            ground.do(action)
    return False


@pytest.mark.parametrize(("fill", "stones"), [(GRASS, 8), (STONE, 0), (PATH, 9)])
def test_a_room_is_closed_anywhere(fill, stones):
    materials = np.full((15, 15), fill, np.uint8)
    materials[7, 7] = GRASS
    assert closed_after(Ground(materials, (7, 7), stones))


@given(st.integers(0, 5000))
@settings(max_examples=30, deadline=None)
def test_a_room_is_closed_in_any_terrain(seed):
    rng = np.random.default_rng(seed)
    materials = rng.choice([GRASS, STONE, PATH], size=(13, 13), p=[0.4, 0.4, 0.2]).astype(np.uint8)
    materials[6, 6] = GRASS
    assert closed_after(Ground(materials, (6, 6), 9))


def test_there_is_no_room_without_stones():
    assert find_shelter(Ground(np.full((15, 15), GRASS, np.uint8), (7, 7), 7).situation())[1] is None


def test_a_room_with_a_monster_in_it_is_open():
    materials = np.full((9, 9), STONE, np.uint8)
    materials[4:6, 4] = PATH
    ground = Ground(materials, (4, 4), 0)
    assert is_closed(ground.situation()) and not is_closed(ground.situation({(5, 4): 2}))
    materials[6, 4] = MATERIALS.index("water")  # arrows fly over it
    assert is_closed(Ground(materials, (4, 4), 0).situation())  # a bay of one cell holds no archer
    materials[6:, 3:6] = MATERIALS.index("water")
    assert not is_closed(Ground(materials, (4, 4), 0).situation())


@pytest.mark.parametrize("gap", DIRECTIONS)
def test_a_room_whose_wall_was_dug_through_is_closed_again_or_left_for_another(gap):
    ground = Ground(np.full((21, 21), STONE, np.uint8), (10, 10), 9)
    ground.materials[10, 6:15] = PATH  # a corridor
    ground.inventory |= {"energy": 1, "food": 9, "drink": 9, "sapling": 1}
    agent = Cooperator("ann", Memory(), area=ground.materials.shape)
    creatures = np.zeros(ground.materials.shape, np.uint8)
    creatures[0, 0] = 2  # a zombie that is gone in the next step
    is_closed_once = False
    for step in range(80):
        agent.observe(step, ground.seen(creatures))
        creatures = np.zeros_like(creatures)
        action = ACTIONS[agent.act()]
        if action == "sleep" and is_closed_once:
            return
        if action != "sleep":
            ground.do(action)
            continue
        is_closed_once = True
        for far in range(1, 10):
            x, y = ground.position[0] + far * gap[0], ground.position[1] + far * gap[1]
            if 0 <= x < 21 and 0 <= y < 21:
                ground.materials[x, y] = PATH
    pytest.fail("the room was not closed again")
