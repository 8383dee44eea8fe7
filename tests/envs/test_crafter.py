from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("crafter", reason="needs the [team] extra")
pettingzoo_test = pytest.importorskip("pettingzoo.test", reason="needs the [team] extra")

from crafter import objects  # noqa: E402

from placecell.envs.crafter import ACTIONS, CREATURES, GIFTS, ITEMS, MATERIALS, CrafterTeamEnv, Rules  # noqa: E402
from placecell.envs.crafter_balance import balance  # noqa: E402
from placecell.envs.crafter_world import Cow, Player, Skeleton, Zombie, fresh_world  # noqa: E402

SMALL = (24, 24)  # worlds take a second to make at full size


def make(num_agents=2, rules="strict", **options):
    return CrafterTeamEnv(num_agents, rules, area=SMALL, require_diamond=False, **options)


def put(env, player, cell, facing=(0, 1)):
    """Move a player to a cell and make the cell it looks at grass."""
    x, y = cell
    for place in (cell, (x + facing[0], y + facing[1])):
        thing = env.world[place][1]
        if thing is not None and thing is not player and not isinstance(thing, Player):
            env.world.remove(thing)
        env.world[place] = "grass"
    if tuple(player.pos) != cell:
        env.world.move(player, cell)
    player.facing = facing


def fingerprint(seed, steps=60, draw=False, num_agents=3):
    env = make(num_agents)
    env.reset(seed=seed)
    digest, rng = hashlib.sha256(), np.random.default_rng(seed)
    for _ in range(steps):
        if not env.agents:
            break
        actions = {name: int(rng.integers(env.action_space(name).n)) for name in env.agents}
        observations, rewards, *_ = env.step(actions)
        for name, seen in observations.items():
            digest.update(name.encode() + str(rewards[name]).encode())
            digest.update(b"".join(np.ascontiguousarray(part).tobytes() for part in seen.values()))
        digest.update(env.state().tobytes())
        if draw:
            for name in env.possible_agents:
                env.picture(name)
    return digest.hexdigest()


def test_pettingzoo_accepts_it():
    pettingzoo_test.parallel_api_test(make(3, Rules(length=60)), num_cycles=150)
    pettingzoo_test.parallel_seed_test(lambda: make(2, Rules(length=60)), num_cycles=30)


def test_a_seed_replays_in_processes_that_hash_differently_and_whether_it_is_drawn_or_not():
    code = "from test_crafter import fingerprint; print(fingerprint(7))"
    found = {fingerprint(7), fingerprint(7, draw=True)}
    for hash_seed in ("1",):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=os.path.dirname(__file__),
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert fingerprint(8) not in found


def test_nearby_finds_a_table_at_each_edge_of_the_map():
    env = make(1, "peaceful")
    env.reset(seed=1)
    last = SMALL[0] - 1
    for cell, table in {(0, 0): (1, 0), (0, 5): (0, 6), (5, 0): (6, 0), (last, last): (last - 1, last)}.items():
        env.world[table] = "table"
        assert "table" in env.world.nearby(cell, 1)[0], cell


def test_monsters_go_after_whoever_is_nearest_and_lives():
    env = make(2)
    env.reset(seed=1)
    first, second = env.players
    put(env, first, (4, 4))
    put(env, second, (18, 18))
    for kind in (Zombie, Skeleton):
        for thing in env.world.objects:
            if not isinstance(thing, Player):
                env.world.remove(thing)
        env.world[16, 18] = "path"
        monster = kind(env.world, (16, 18), env.players)
        env.world.add(monster)
        monster.update()
        assert monster.player is second
        env.world.remove(second)
        monster.update()
        assert monster.player is first
        env.world.add(second)
        second.removed = False


def test_a_fence_in_the_way_is_no_error():
    env = make(1, "peaceful")
    env.reset(seed=1)
    player = env.players[0]
    put(env, player, (5, 5))
    env.world.add(objects.Fence(env.world, (5, 6)))
    env.step({"player_0": ACTIONS.index("do")})
    assert "fence" not in player.inventory


def test_creatures_do_not_appear_beside_any_player():
    env = make(2)
    env.reset(seed=3)
    put(env, env.players[0], (2, 2))
    put(env, env.players[1], (20, 20))
    before = {id(thing) for thing in env.world.objects}
    for _ in range(300):
        env.world.daylight = 0.0
        balance(env.world, env.players, True, env._spawn)
    new = [thing for thing in env.world.objects if id(thing) not in before]
    assert any(isinstance(thing, Zombie) for thing in new)
    for thing in new:
        least = {Zombie: 6, Skeleton: 7, Cow: 5}[type(thing)]
        assert min(thing.distance(player) for player in env.players) >= least


def test_grounds_count_what_masks_count():
    env = make(1)
    env.reset(seed=3)
    for material in ("grass", "path", "stone"):
        for (x, y), count in env.world.grounds(material).items():
            chunk = env.world.chunk_key((x, y))
            assert count == env.world.mask(*chunk, material).sum()


def test_an_item_goes_to_the_player_in_front_and_only_there():
    env = make(2, "peaceful")
    env.reset(seed=1)
    giver, taker = env.players
    put(env, giver, (5, 5), facing=(0, 1))
    put(env, taker, (9, 9))
    giver.inventory["wood"], taker.inventory["wood"] = 2, 9
    give = env.action("give_wood")
    *_, infos = env.step({"player_0": give})
    assert infos["player_0"]["gave"] is None and giver.inventory["wood"] == 2  # nobody there
    put(env, taker, (5, 6), facing=(1, 0))
    *_, infos = env.step({"player_0": give})
    assert infos["player_0"]["gave"] is None and giver.inventory["wood"] == 2  # has 9 already
    taker.inventory["wood"] = 0
    *_, infos = env.step({"player_0": give})
    assert infos["player_0"]["gave"] == ("wood", "player_1")
    assert giver.inventory["wood"] == 1 and taker.inventory["wood"] == 1
    with pytest.raises(ValueError, match="cannot be done to 'player_1'"):
        env.action("give_wood", to="player_1")


def test_presets_differ_as_they_say():
    damcs = make(2, "damcs")
    damcs.reset(seed=1)
    giver, taker = damcs.players
    put(damcs, giver, (3, 3))
    put(damcs, taker, (20, 20))
    giver.inventory["wood"] = 500
    damcs.step({"player_0": damcs.action("give_wood", to="player_1")})
    assert taker.inventory["wood"] == 1 and giver.inventory["wood"] == 499
    giver.inventory.update(coal=1, iron=1)
    damcs.world[2, 3] = "furnace"
    make_pickaxe = damcs.action("make_iron_pickaxe")
    damcs.step({"player_0": make_pickaxe})
    assert giver.inventory["iron_pickaxe"] == 1
    assert not any(isinstance(thing, Zombie | Skeleton) for thing in damcs.world.objects)
    strict = make(1, "strict")
    strict.reset(seed=1)
    (player,) = strict.players
    put(strict, player, (3, 3))
    player.inventory.update(wood=1, coal=1, iron=1)
    strict.world[2, 3] = "furnace"
    strict.step({"player_0": make_pickaxe})
    assert player.inventory["iron_pickaxe"] == 0
    strict.world[2, 2] = "table"
    strict.step({"player_0": make_pickaxe})
    assert player.inventory["iron_pickaxe"] == 1


def test_a_view_is_a_window_of_the_map_and_the_whole_map_where_asked():
    for rules, view in ((Rules(), (9, 7)), (Rules(view=None), SMALL), (Rules(view=(5, 3)), (5, 3))):
        env = make(2, rules)
        observations, _ = env.reset(seed=2)
        put(env, env.players[1], (1, 0))
        observations, *_ = env.step({})
        materials, creatures = env.state()
        for number, (name, player) in enumerate(zip(env.possible_agents, env.players, strict=True)):
            seen = observations[name]
            assert seen["materials"].shape == seen["creatures"].shape == view
            x, y = player.pos
            assert creatures[x, y] == len(CREATURES) + number
            if rules.view is None:
                assert (seen["materials"] == materials).all() and (seen["creatures"] == creatures).all()
                continue
            for i in range(view[0]):
                for j in range(view[1]):
                    cx, cy = x + i - view[0] // 2, y + j - view[1] // 2
                    is_in = 0 <= cx < SMALL[0] and 0 <= cy < SMALL[1]
                    assert seen["materials"][i, j] == (materials[cx, cy] if is_in else 0)
                    assert seen["creatures"][i, j] == (creatures[cx, cy] if is_in else 0)


def test_kinds_follow_the_objects():
    env = make(3)
    env.reset(seed=5)
    rng = np.random.default_rng(5)
    for _ in range(150):
        if not env.agents:
            break
        for player in env.players:
            player.inventory["sapling"] = 1
        env.step({name: int(rng.integers(17)) for name in env.agents})
        kinds = env.state()[1]
        assert np.count_nonzero(kinds) == len(env.world.objects)
        for thing in env.world.objects:
            number = kinds[tuple(thing.pos)]
            name = CREATURES[number] if number < len(CREATURES) else "player"
            assert type(thing).__name__.lower() in name


def test_worlds_without_a_diamond_are_passed_over_and_counted():
    poor = next(seed for seed in range(200) if not fresh_world(seed, SMALL).count("diamond"))
    env = CrafterTeamEnv(1, "peaceful", area=SMALL)
    _, infos = env.reset(seed=poor)
    assert infos["player_0"]["skipped_worlds"] >= 1 and env.world_seed != poor
    assert (env.state()[0] == MATERIALS.index("diamond")).any()
    again = env.world_seed
    env.reset(seed=poor)
    assert env.world_seed == again
    rich = env.world_seed
    _, infos = env.reset(seed=rich)
    assert infos["player_0"]["skipped_worlds"] == 0 and env.world_seed == rich


def test_worlds_whose_diamond_nobody_can_get_to_are_passed_over():
    """In the middle of world 5317 is an island with trees and without stone."""
    island = fresh_world(5317)
    assert island.count("diamond") and not island.has_diamond()
    env = CrafterTeamEnv(1, "peaceful")
    _, infos = env.reset(seed=5317)
    assert infos["player_0"]["skipped_worlds"] == 1 and env.world_seed != 5317


def test_a_death_ends_one_player_and_a_diamond_ends_all():
    env = make(3, "peaceful")
    env.reset(seed=1)
    first, second, _ = env.players
    first.health = 0
    *_, terminations, _, _ = env.step({})
    assert terminations == {"player_0": True, "player_1": False, "player_2": False}
    assert env.agents == ["player_1", "player_2"]
    put(env, second, (5, 5))
    env.world[5, 6] = "diamond"
    second.inventory["iron_pickaxe"] = 1
    observations, rewards, terminations, _, infos = env.step({"player_1": ACTIONS.index("do")})
    assert terminations == {"player_1": True, "player_2": True} and env.agents == []
    assert infos["player_1"]["unlocked"] == ["collect_diamond"] and rewards["player_1"] >= 1
    assert observations["player_1"]["inventory"][ITEMS.index("diamond")] == 1
    with pytest.raises(RuntimeError, match="call reset"):
        env.step({})


def test_pictures_are_crafters_own():
    env = make(1, "strict", pictures=True, picture_px=72, render_mode="rgb_array")
    observations, _ = env.reset(seed=1)
    assert observations["player_0"]["rgb"].shape == (72, 72, 3) and observations["player_0"]["rgb"].std() > 10
    assert env.render().shape == (8 * SMALL[1], 8 * SMALL[0], 3)
    assert make(1).render() is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CrafterTeamEnv(0), "num_agents must lie between 1 and 100"),
        (lambda: CrafterTeamEnv(1, "easy"), "rules must be one of"),
        (lambda: CrafterTeamEnv(1, area=(8, 8)), "at least 16 cells"),
        (lambda: Rules(view=(8, 7)), "two odd numbers"),
        (lambda: Rules(stack_cap=0), "must be positive"),
        (lambda: make(1).action("fly"), "action must be one of"),
        (lambda: make(1, Rules(sharing=None)).action(f"give_{GIFTS[0]}"), "action must be one of"),
        (lambda: make(1).step({}), "call reset"),
    ],
)
def test_bad_input_gets_one_clear_line(call, words):
    with pytest.raises((ValueError, RuntimeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_actions_that_are_none_are_refused():
    env = make(1)
    env.reset(seed=1)
    with pytest.raises(ValueError, match="a number below"):
        env.step({"player_0": 99})
    with pytest.raises(ValueError, match="got one for"):
        env.step({"somebody": 0})


def test_rllib_takes_it():
    pytest.importorskip("tree", reason="needs ray[rllib]")
    pytest.importorskip("ray.rllib", reason="needs ray[rllib]")
    from ray.rllib.env.multi_agent_env import MultiAgentEnv
    from ray.rllib.utils.pre_checks.env import check_multiagent_environments

    from placecell.envs.crafter_rllib import rllib_env

    rules = Rules(monsters=False, night=False, length=5)
    env = rllib_env({"num_agents": 3, "rules": rules, "area": SMALL, "require_diamond": False})
    assert isinstance(env, MultiAgentEnv)
    check_multiagent_environments(env)
    observations, _ = env.reset(seed=1)
    assert list(observations) == env.agents == env.possible_agents == ["player_0", "player_1", "player_2"]
    for step in range(5):
        if step == 4:  # one dies in the step in which the others run out of time
            env.env.players[1].health = -9
        actions = {name: space.sample() for name, space in env.action_spaces.items()}
        observations, _, terminated, truncated, _ = env.step(actions)
        assert all(env.observation_spaces[name].contains(seen) for name, seen in observations.items())
        assert (terminated["__all__"], truncated["__all__"]) == (False, step == 4)
    assert terminated["player_1"] and truncated["player_0"] and env.agents == []
