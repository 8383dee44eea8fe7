from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents.chain import Chain
from placecell.agents.crafting import DIRECTIONS, ITEMS, LETTERS, Sight
from placecell.agents.known_map import KnownMap
from placecell.agents.situation import Goal, Situation
from placecell.agents.steadiness import Steadiness
from placecell.agents.survival import Survival
from placecell.agents.tech_tree import TechTree
from placecell.agents.whole_way import WholeWay

TOOLS = {"wood_pickaxe": 1, "stone_pickaxe": 1}


def situation(rows, step=0, facing=(0, 1), others=(), **inventory):
    """A map of letters with one agent at `@`, which stands on grass."""
    letters = np.array([list(row) for row in rows]).T
    known = KnownMap(letters.shape)
    place = tuple(int(i) for i in np.argwhere(letters == "@")[0])
    letters[place] = "g"
    known.materials[:] = np.vectorize(LETTERS.index)(letters)
    have = dict.fromkeys(ITEMS, 0) | {"health": 9, "food": 9, "drink": 9, "energy": 9} | inventory
    nobody = np.zeros((1, 1), np.uint8)
    sight = Sight(step, nobody, nobody, place, place, facing, have, 1.0, False, dict.fromkeys(others, 7))
    return Situation(sight, known, (9, 7))


def test_a_furnace_is_not_begun_without_stones_for_it():
    rows = ["gggggggg", "gT@ggssg", "gggggggg"]
    short = situation(rows, wood=1, coal=1, iron=1, stone=3, **TOOLS)
    goal = TechTree().next_goal(short)
    assert (goal.kind, goal.item) == ("collect", "stone")
    enough = situation(rows, wood=1, coal=1, iron=1, stone=4, **TOOLS)
    assert TechTree().next_goal(enough).item == "furnace"


def test_stones_of_the_furnace_come_last():
    now = situation(["sssssssss", "g@gggggci"], wood=3, **TOOLS)
    assert TechTree().next_goal(now).item == "coal"
    now = situation(["sssssssss", "g@ggggggg"], wood=3, coal=1, iron=1, **TOOLS)
    assert TechTree().next_goal(now).item == "stone"


@pytest.mark.parametrize(("far", "item"), [(3, "iron"), (14, "wood")])
def test_wood_for_another_table_is_taken_on_long_ways(far, item):
    now = situation(["ggggt" + "g" * (far + 2), "gTgg@g" + "g" * far + "i"], wood=1, coal=1, stone=4, **TOOLS)
    assert TechTree().next_goal(now).item == item


def test_where_all_is_known_the_trees_on_the_way_are_felled():
    rows = ["g" * 24, "tttttttg@gggtttttttsssss", "g" * 19 + "scisd"]
    goal = WholeWay().next_goal(situation(rows))
    assert (goal.item, goal.target) == ("wood", (12, 1)) and TechTree().next_goal(situation(rows)) == goal
    assert WholeWay().next_goal(situation([row.replace("d", "s") for row in rows])) is None


def test_nothing_is_built_where_there_is_no_room_for_the_rest():
    """Between a diamond and lava, a table ahead leaves no place for the furnace."""
    rows = ["ssssdss", "sssp@ps", "sslllss", "ggggggg"]
    now = situation(rows, facing=(-1, 0), wood=3, coal=1, iron=1, stone=4, **TOOLS)
    goal = WholeWay().next_goal(now)
    assert goal.kind == "meet" and goal.target != now.position


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_what_is_to_come_is_what_the_best_order_takes(seed):
    """Where coal, iron and a place to craft are single cells, the field is the better of two orders of walks."""
    rng = np.random.default_rng(seed)
    cells = [tuple(cell) for cell in (rng.permutation(64)[:5, None] // [8, 1] % 8).tolist()]
    rows, here = np.full((8, 8), "g"), cells[2]
    for (x, y), letter in zip(cells, "ci@ww", strict=True):
        rows[y, x] = letter
    now = situation(["".join(row) for row in rows], **TOOLS)
    chain = Chain(now)
    ends = np.full((8, 8), 1e6)
    ends[here] = 2.0
    field = chain.ores(("coal", "iron"), chain.to(2, ends))
    one = chain.ores(("coal",), chain.ores(("iron",), chain.to(2, ends)))
    other = chain.ores(("iron",), chain.ores(("coal",), chain.to(2, ends)))
    assert field == pytest.approx(np.minimum(one, other))


def test_another_table_is_made_where_the_way_back_is_longer_than_to_the_trees():
    now = situation(["g" * 28, "ttgg@gg" + "g" * 20 + "T", "g" * 28], wood=1, coal=1, iron=1, stone=4, **TOOLS)
    assert TechTree().next_goal(now).item == "wood"
    now = situation(["g" * 22, "g@gT" + "g" * 16 + "tt", "g" * 22], wood=1, coal=1, iron=1, stone=4, **TOOLS)
    assert TechTree().next_goal(now).item == "table" and TechTree().next_goal(now).kind == "meet"


def test_a_tree_is_left_to_whoever_is_nearer():
    rows = ["ggggggggggg", "ggtgg@gggtg", "ggggggggggg"]
    assert TechTree().next_goal(situation(rows)).target == (2, 1)
    assert TechTree().next_goal(situation(rows, others=[(1, 2)])).target == (9, 1)


def test_thirst_waits_while_health_is_good():
    rows = ["ggwg@ggg"]
    assert Survival().next_goal(situation(rows, drink=0), None) is None
    assert Survival().next_goal(situation(rows, drink=0, health=8), None).kind == "drink"
    with_monsters = situation(rows, drink=0)
    with_monsters.has_monsters = True
    assert Survival().next_goal(with_monsters, None).kind == "drink"


@given(st.integers(2, 6), st.integers(0, 3))
@settings(max_examples=20)
def test_nobody_goes_to_and_fro_between_two_goals(wide, turns):
    """Whatever two goals pull to opposite sides, one of them is reached."""
    steady, x, facing = Steadiness(), wide, (1, 0)
    goals = [Goal("collect", "stone", (0, 0)), Goal("collect", "stone", (2 * wide, 0))]
    for step in range(8 * wide + 20):
        row = "s" + "g" * (2 * wide - 1) + "s"
        now = situation([row[:x] + "@" + row[x + 1 :]], step=step, facing=facing, wood_pickaxe=1)
        goal = steady.keep(now, goals[(step + turns) % 2])
        move = now.use(goal.target)
        if move == "do":
            return
        facing = next(way for way, name in DIRECTIONS.items() if name == move)
        x += facing[0] if 0 < x + facing[0] < 2 * wide else 0
    pytest.fail("to and fro")


def test_what_is_done_is_not_held_on_to():
    steady = Steadiness()
    for step in range(4):
        here = ["sg@gs", "sgg@s"][step % 2]
        goal = steady.keep(situation([here], step=step, wood_pickaxe=1), Goal("collect", "stone", (4 * (step % 2), 0)))
    assert steady.is_held and goal.target == (0, 0)
    now = situation(["pgg@s"], step=4, wood_pickaxe=1)
    assert steady.keep(now, Goal("collect", "stone", (4, 0))).target == (4, 0)


def test_whoever_has_no_stone_for_the_water_before_the_diamond_fetches_one():
    rows = ["gsg@wwwd"]
    now = situation(rows, iron_pickaxe=1, **TOOLS)
    goal = TechTree().next_goal(now)
    assert (goal.kind, goal.item, goal.target) == ("collect", "stone", (1, 0))
    now = situation(rows, iron_pickaxe=1, stone=1, **TOOLS)
    assert TechTree().next_goal(now).item == "diamond"
    assert TechTree().next_goal(situation(["ggg@wwwd"], iron_pickaxe=1, **TOOLS)).kind == "explore"
