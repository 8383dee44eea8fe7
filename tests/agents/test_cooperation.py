from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents import crafting
from placecell.agents.cooperation import Cooperator, Style
from placecell.agents.crew import STEPS, make_crew, play
from placecell.agents.known_map import Find, KnownMap, read_finds, write_finds
from placecell.agents.scouting import best_walk, walk_gains
from placecell.agents.teammates import read_status, write_status
from placecell.agents.ways import BLOCKED, Ways
from placecell.memory.memory import Memory
from placecell.memory.records import Record

pytest.importorskip("crafter", reason="needs the [team] extra")
pytest.importorskip("pettingzoo", reason="needs the [team] extra")
pytest.importorskip("cryptography", reason="needs the [team] extra")

from placecell.envs import crafter  # noqa: E402

EASY = 1004  # a world in which one agent takes a diamond within 100 steps
CELLS = st.tuples(st.integers(0, 15), st.integers(0, 15))
FINDS = st.dictionaries(CELLS, st.integers(1, 12), max_size=40)


def world(num, steps=150, **rules):
    return crafter.CrafterTeamEnv(num, replace(crafter.PRESETS["peaceful"], length=steps, **rules))


# --- the map -----------------------------------------------------------------------------------------------------


@given(FINDS)
def test_finds_survive_being_written(cells):
    finds = [Find(cell, material) for cell, material in cells.items()]
    assert {find.cell: find.material for find in read_finds(write_finds(finds))} == cells


@given(st.lists(st.tuples(st.integers(0, 5), FINDS), max_size=6), st.randoms())
@settings(max_examples=40)
def test_records_in_any_order_give_one_map(batches, random):
    records = [
        Record("ann", i + 1, "text", float(step), float(step), text=write_finds(Find(*item) for item in cells.items()))
        for i, (step, cells) in enumerate(batches)
    ]
    maps = []
    for _ in range(2):
        known = KnownMap((16, 16))
        for record in records:
            known.fold(record)
        maps.append(known.materials.copy())
        random.shuffle(records)
    assert (maps[0] == maps[1]).all()


@given(st.text(max_size=60))
def test_words_that_are_none_are_passed_over(text):
    record = Record("eve", 1, "text", 0.0, 0.0, text=text)
    KnownMap((16, 16)).fold(record)
    mate = read_status(record)
    assert mate is None or mate.name == "eve"


@pytest.mark.parametrize("text", ["999,999>g999", "3,4>", "3,4>Z9", "-1,4>g", "0,0vg999", "@3,4,9:w2!explore~99999"])
def test_finds_outside_of_the_map_change_nothing_elsewhere(text):
    known = KnownMap((4, 4))
    known.fold(Record("eve", 1, "text", 0.0, 0.0, text=text))
    assert known.materials.shape == (4, 4) and (known.materials[1:] == 0).all()


def test_a_status_survives_being_written():
    inventory = dict.fromkeys(crafting.ITEMS, 0) | {"health": 7, "wood": 9, "iron_pickaxe": 1, "stone_sword": 1}
    told = write_status((12, 60), inventory, "collect", 41.6)
    mate = read_status(Record("ann", 1, "text", 5.0, 5.0, text=f"3,4>g {told}"))
    assert (mate.position, mate.health, mate.doing, mate.left_steps, mate.step) == ((12, 60), 7, "collect", 42, 5)
    assert mate.inventory == {"wood": 9, "iron_pickaxe": 1, "stone_sword": 1}


# --- ways and walks ----------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_ways_are_shortest(seed):
    rng = np.random.default_rng(seed)
    costs = rng.choice([1.0, 2.0, 3.2, BLOCKED], size=(7, 6), p=[0.5, 0.2, 0.1, 0.2])
    ways, best = Ways(costs, (3, 3)), {(3, 3): 0.0}
    queue = [(0.0, (3, 3))]
    while queue:
        cost, (x, y) = heapq.heappop(queue)
        for cell in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            is_open = 0 <= cell[0] < 7 and 0 <= cell[1] < 6 and costs[cell] < BLOCKED
            if is_open and cost + costs[cell] < best.get(cell, np.inf):
                best[cell] = cost + costs[cell]
                heapq.heappush(queue, (best[cell], cell))
    for cell in np.ndindex(7, 6):
        assert ways.to(cell) == pytest.approx(best.get(cell, np.inf))
    for cell in best:
        x, y = ways.first_step(cell)
        assert cell == (3, 3) or abs(x - 3) + abs(y - 3) == 1


def test_a_walk_gains_what_comes_into_view():
    rng = np.random.default_rng(0)
    worth = rng.random((30, 30))
    start = (12, 12)
    worth[8:17, 9:16] = 0  # what a view of 9x7 shows from the start
    ways = Ways(np.ones((30, 30)), start)
    gains = walk_gains(worth, ways, (9, 7))
    for cell in ((18, 12), (12, 20), (7, 12), (12, 5)):  # straight walks show every cell once
        seen = np.zeros((30, 30), bool)
        for i in range(31):
            x = start[0] + round((cell[0] - start[0]) * i / 30)
            y = start[1] + round((cell[1] - start[1]) * i / 30)
            seen[max(x - 4, 0) : x + 5, max(y - 3, 0) : y + 4] = True
        assert gains[cell] == pytest.approx(worth[seen].sum())
    assert best_walk(np.zeros((30, 30)), ways) is None


# --- the agent ---------------------------------------------------------------------------------------------------


def test_it_knows_the_game_by_the_same_names():
    assert crafting.MATERIALS[1:] == crafter.MATERIALS[1:]
    assert crafting.ITEMS == crafter.ITEMS and crafting.STACKED == crafter.GIFTS
    assert crafting.ACTIONS == crafter.ACTIONS
    assert len(crafting.LETTERS) == len(set(crafting.LETTERS)) == len(crafting.MATERIALS)


def test_one_agent_takes_a_diamond_and_its_log_holds_the_map():
    env = world(1)
    crew = make_crew(env.possible_agents, Style(), shares=False)
    episode = play(env, crew, EASY)
    assert episode.is_solved and list(episode.first)[-1] == "collect_diamond"
    (agent,) = crew.agents.values()
    again = Cooperator("player_0", agent.memory)  # as after a crash
    known = again.known.materials > 0
    truth = env.state()[0]
    assert known.sum() >= 0.9 * (agent.known.materials > 0).sum() > 200
    assert (again.known.materials == truth)[known].mean() > 0.97  # what changed a moment ago is not told yet


def test_a_team_repeats_itself_and_counts_its_bytes():
    episodes = []
    for _ in range(2):
        env = world(3, 40)
        crew = make_crew(env.possible_agents, Style(), shares=True)
        episodes.append(play(env, crew, EASY))
    first, second = episodes
    assert first.trail == second.trail and first.bytes_by_kind == second.bytes_by_kind
    assert first.bytes_sent == sum(first.bytes_by_kind.values()) > 0
    agents = list(crew.agents.values())
    for agent in agents:
        assert not agent.sharing.quarantine.counts
        assert set(agent.mates) == set(crew.agents) - {agent.name}
    sizes = [(agent.known.materials > 0).sum() for agent in agents]
    alone = world(1, 40)
    single = make_crew(alone.possible_agents, Style(), shares=False)
    play(alone, single, EASY)
    assert min(sizes) > (single.agents["player_0"].known.materials > 0).sum()


def test_what_a_dead_agent_knew_lives_on_in_the_others():
    env = world(2, 30)
    crew = make_crew(env.possible_agents, Style(), shares=True)

    def kill(step, seen):
        if step == 20:
            env.players[1].health = 1
            env.players[1].inventory.update(food=0, drink=0, energy=0)
            env.players[1]._recover = -15

    episode = play(env, crew, EASY, kill)
    assert list(episode.deaths) == ["player_1"]
    dead, alive = crew.agents["player_1"], crew.agents["player_0"]
    told = {find.cell for record in dead.memory.records(agents=["player_1"]) for find in read_finds(record.text)}
    assert len(told) > 80
    assert all(alive.known.materials[cell] > 0 for cell in told)


@pytest.mark.parametrize(("finds", "expected"), [(True, True), (False, False)])
def test_finds_are_told_only_where_they_are_to_be(finds, expected):
    env = world(2, 25)
    crew = make_crew(env.possible_agents, Style(tells_finds=finds), shares=True)
    play(env, crew, EASY)
    first = crew.agents["player_0"]
    heard = [record.text for record in first.memory.records(agents=["player_1"])]
    assert heard and any(read_finds(text) for text in heard) is expected
    assert first.mates["player_1"].health == 9


def test_a_budget_is_kept():
    spent = {}
    for budget in (None, 2.0):
        env = world(2, 60)
        policy = STEPS if budget is None else replace(STEPS, bytes_per_s=budget, burst_bytes=400.0)
        crew = make_crew(env.possible_agents, Style(), shares=True, policy=policy)
        episode = play(env, crew, EASY)
        spent[budget] = episode.bytes_sent / episode.agent_steps
    assert spent[2.0] < spent[None]


def test_what_somebody_lacks_who_is_nearer_is_handed_over():
    env = world(2, 40)
    crew = make_crew(env.possible_agents, Style(), shares=True)
    env.reset(seed=EASY)
    giver, taker = env.players
    giver.inventory.update(iron=1)
    taker.inventory.update(wood=1, coal=1, stone=5, wood_pickaxe=1, stone_pickaxe=1)
    gifts = []
    seen = env.step({})[0]
    for step in range(20):
        actions = crew.act(step, seen)
        if step < 3:  # until each has heard of the other, they stand side by side
            actions = {}
        seen, _, _, _, infos = env.step(actions)
        gifts += [info["gave"] for info in infos.values() if info["gave"] is not None]
    assert gifts == [("iron", "player_1")]
    assert giver.inventory["iron"] == 0 and taker.achievements["collect_iron"] == 0
    told = {kind for kind, _ in crew.agents["player_0"].sharing.traffic.messages.items()}
    assert ("sent", "propose") in told and ("received", "accept") in told


def test_claims_are_told_within_records_where_bytes_are_dear():
    sent = {}
    for is_thrifty in (False, True):
        env = world(2, 60)
        crew = make_crew(env.possible_agents, Style(thrifty=is_thrifty), shares=True)
        episode = play(env, crew, EASY)
        sent[is_thrifty] = episode.bytes_by_kind.get("claim", 0)
        told = [read_status(record) for record in crew.agents["player_0"].memory.records(agents=["player_1"])]
        assert any(mate is not None and mate.target is not None for mate in told) is is_thrifty
    assert sent[True] == 0 < sent[False]


def test_an_observation_that_is_none_is_refused():
    agent = Cooperator("ann", Memory())
    with pytest.raises(ValueError, match="an observation of Crafter has"):
        agent.observe(0, {"materials": np.zeros((9, 7), np.uint8)})


def test_who_fetches_alone_goes_by_what_it_saw_and_looks_where_nobody_did():
    env = world(3, 40)
    crew = make_crew(env.possible_agents, Style(thrifty=True, fetches_alone=True), shares=True)
    own = {name: np.zeros((64, 64), bool) for name in crew.agents}

    def note(step, seen):
        for name, agent in crew.agents.items():
            (x, y), (w, h) = agent.now.sight.corner, agent.now.sight.materials.shape
            own[name][max(x, 0) : x + w, max(y, 0) : y + h] = True

    play(env, crew, EASY, note)
    for name, agent in crew.agents.items():
        others = np.isin(agent.known.materials, [crafting.MATERIALS.index(item) for item in ("iron", "diamond")])
        assert (own[name] | others >= (agent.known.materials > 0)).all()
        known, common = (agent.known.materials > 0).sum(), (agent.common.materials > 0).sum()
        assert 100 < known < common
        assert (agent.common.materials == agent.known.materials)[agent.known.materials > 0].mean() > 0.97
    alone = Cooperator("player_0", Memory(), style=Style(fetches_alone=True))
    assert not alone.common.materials.any()
