from __future__ import annotations

from dataclasses import replace

import pytest

from placecell.agents import crafting
from placecell.agents.cooperation import Cooperator, Style
from placecell.agents.crew import AGREED, make_crew, play
from placecell.agents.known_map import read_finds
from placecell.agents.teammates import read_status

pytest.importorskip("crafter", reason="needs the [team] extra")
pytest.importorskip("pettingzoo", reason="needs the [team] extra")
pytest.importorskip("cryptography", reason="needs the [team] extra")

from placecell.benchmarks.cooperate import CooperateSettings, play_one  # noqa: E402
from placecell.benchmarks.episodes import Episode  # noqa: E402
from placecell.envs import crafter  # noqa: E402

RICH = 1033  # a world with iron and a diamond near the start
TERSE = Style(thrifty=True, fetches_alone=True, terse=True, sectors=True)


def world(num, steps):
    return crafter.CrafterTeamEnv(num, replace(crafter.PRESETS["peaceful"], length=steps))


def heard(crew, name, sender):
    return [record for record in crew.agents[name].memory.records(agents=[sender])]


def test_others_hear_of_the_first_ores_alone_and_its_own_log_holds_the_map():
    env = world(2, 45)
    crew = make_crew(env.possible_agents, TERSE, shares=True, policy=AGREED)
    episode = play(env, crew, RICH)
    assert 0 < episode.bytes_sent < 2 * 45 * 6
    records = heard(crew, "player_0", "player_1") + heard(crew, "player_1", "player_0")
    told = [find for record in records for find in read_finds(record.text)]
    assert {crafting.MATERIALS[find.material] for find in told} <= {"iron", "diamond"} and told
    kept = heard(crew, "player_0", "player_0")
    assert sum(len(read_finds(record.text)) for record in kept) > 100


def test_each_tells_in_turn_where_it_and_those_that_it_heard_of_looked():
    env = world(3, 60)
    style = replace(TERSE, seen_steps=30, silent_steps=20)
    crew = make_crew(env.possible_agents, style, shares=True, policy=AGREED)

    def watch(step, seen):
        if step == 45:
            anybody = sum((agent.known.materials > 0) for agent in crew.agents.values()) > 0
            for agent in crew.agents.values():
                unknown = agent.common.told & (agent.known.materials == 0)
                assert agent.common.told.sum() > 100 and unknown.any() and anybody[unknown].mean() > 0.75

    play(env, crew, RICH, watch)
    told = {}
    for name in crew.agents:
        records = [record for record in heard(crew, name, name) if "private" not in record.labels]
        told[name] = {int(r.stamp_s) for r in records if not read_finds(r.text) and not read_status(r)}
    assert told == {"player_0": {20, 50}, "player_1": {30}, "player_2": {40}}
    restarted = Cooperator("player_0", crew.agents["player_0"].memory, style=style)
    assert (restarted.common.told >= crew.agents["player_0"].common.told).all()


def test_who_lacks_a_pickaxe_looks_for_a_diamond_once_somebody_has_one():
    env = world(2, 40)
    crew = make_crew(env.possible_agents, TERSE, shares=True, policy=AGREED)
    env.reset(seed=1004)
    for player in env.players:
        player.inventory.update(stone_pickaxe=1, wood_pickaxe=1, wood=3, coal=1)
    env.players[0].inventory.update(iron_pickaxe=1)
    seen = env.step({})[0]
    aims = []
    for step in range(6):
        seen = env.step(crew.act(step, seen))[0]
        aims.append(crew.agents["player_1"].goal)
    mate = crew.agents["player_1"].mates["player_0"]
    assert mate.inventory["iron_pickaxe"] == 1 and mate.step == 0
    assert read_status(heard(crew, "player_1", "player_0")[0]).inventory == {"iron_pickaxe": 1}
    assert not crew.agents["player_0"].mates
    assert all(aim.item != "diamond" for aim in aims[:1])
    assert (aims[-1].kind, aims[-1].item, aims[-1].reason) == ("explore", "diamond", "looks for the others")


def test_of_those_who_see_the_same_ore_one_tells_of_it():
    env = world(3, 5)
    crew = make_crew(env.possible_agents, TERSE, shares=True, policy=AGREED)
    env.reset(seed=1004)
    x, y = env.players[1].pos.tolist()
    env.world[x, y - 1] = "iron"
    seen = env.step({})[0]
    for step in range(3):
        seen = env.step(crew.act(step, seen))[0]
    told = {name: {f.cell for r in heard(crew, name, name) for f in read_finds(r.text)} for name in crew.agents}
    public = [
        record.agent_id
        for name in crew.agents
        for record in heard(crew, name, name)
        if "private" not in record.labels and read_finds(record.text)
    ]
    assert public == ["player_0"]
    assert all((x, y - 1) in cells for cells in told.values())
    assert all(agent.known.at((x, y - 1)) == "iron" for agent in crew.agents.values())


@pytest.mark.slow
def test_a_budget_of_six_bytes_is_kept():
    settings = CooperateSettings(bytes_per_step=6.0, max_steps=200)
    played = [play_one(settings, None, Episode(seed, 0, "both/6/partial")) for seed in (1044, 1051, 1040)]
    assert 3.0 < sum(row["bytes"] for row in played) / sum(row["agent_steps"] for row in played) <= 6.0
