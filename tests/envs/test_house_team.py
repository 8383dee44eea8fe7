"""Several agents in one house: seen, in each other's way, the same for a seed, and none is favoured."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.envs.house import Action, House, HouseEnv
from placecell.envs.house_team import HouseTeam
from placecell.pathfinder import PathFinder


@pytest.fixture(scope="module")
def house() -> House:
    return House.generate(seed=5)


def open_spot(house: House, room_m: float = 0.9) -> np.ndarray:
    """Where nothing is near."""
    finder: PathFinder = house.pathfinder(0.18)
    finder.seed(0)
    for _ in range(1000):
        point = finder.get_random_navigable_point()
        if finder.distance_to_closest_obstacle(point) > room_m:
            return point
    raise AssertionError("this house has no open floor")


def facing(house: House, metres: float) -> HouseTeam:
    """Two agents that look at each other."""
    team = HouseTeam(house, ["ann", "bob"], resolution=(64, 64))
    spot = open_spot(house)
    team.reset(
        seed=0,
        options={
            "starts": {
                "ann": {"position": spot + (0, 0, metres / 2), "yaw_rad": 0.0},
                "bob": {"position": spot - (0, 0, metres / 2), "yaw_rad": math.pi},
            }
        },
    )
    return team


def gaps(team: HouseTeam) -> float:
    spots = [member.position_m for member in team.members.values()]
    return min(float(np.linalg.norm(a - b)) for i, a in enumerate(spots) for b in spots[:i])


def test_agents_see_each_other_where_they_are(house: House) -> None:
    team = facing(house, 1.2)
    seen = {name: member._observe() for name, member in team.members.items()}
    for name, other in (("ann", "bob"), ("bob", "ann")):
        is_body = seen[name]["semantic"] == team.body_ids[other]
        assert is_body.mean() > 0.02 and team.body_ids[name] not in seen[name]["semantic"]
        assert 1.0 < float(np.median(seen[name]["depth"][is_body])) < 1.15  # its front
        columns = np.flatnonzero(is_body.any(axis=0))
        assert abs(columns.mean() - 31.5) < 1.5
    # Ann is red, Bob is blue, whatever the light.
    colour = seen["bob"]["rgb"][seen["bob"]["semantic"] == team.body_ids["ann"]].mean(axis=0)
    assert colour[0] > 1.3 * colour[2]


def test_what_hides_an_agent_hides_it(house: House) -> None:
    alone = HouseEnv(house, resolution=(64, 64))
    team = HouseTeam(house, 3, resolution=(64, 64))
    for seed in range(4):
        observations, _ = team.reset(seed=seed)
        for name, seen in observations.items():
            bare = alone.render_at(seen["pose"])
            is_body = np.isin(seen["semantic"], list(team.body_ids.values()))
            assert (seen["depth"] <= bare[1] + 1e-6)[bare[1] > 0].all()
            for part, whole in zip(bare, (seen["rgb"], seen["depth"], seen["semantic"]), strict=True):
                assert np.array_equal(part[~is_body], whole[~is_body])
            assert team.body_ids[name] not in seen["semantic"]


def test_two_who_want_the_same_spot_both_stop(house: House) -> None:
    team = facing(house, 0.7)
    before = {name: member.position_m for name, member in team.members.items()}
    *_, infos = team.step({"ann": Action.MOVE_FORWARD, "bob": Action.MOVE_FORWARD})
    moved = {name: float(np.linalg.norm(team.members[name].position_m - before[name])) for name in before}
    assert moved["ann"] == pytest.approx(moved["bob"]) and gaps(team) >= team.gap_m
    assert infos["ann"]["collided"] and infos["ann"]["met"] == ("bob",) and infos["bob"]["met"] == ("ann",)
    *_, infos = team.step({"ann": Action.TURN_LEFT, "bob": Action.TURN_LEFT})
    assert not infos["ann"]["collided"] and infos["ann"]["met"] == ()


def test_one_who_stands_is_in_the_way_and_one_behind_may_follow(house: House) -> None:
    team = facing(house, 0.5)
    *_, infos = team.step({"ann": Action.MOVE_FORWARD, "bob": Action.TURN_LEFT})
    assert infos["ann"]["collided"] and not infos["bob"]["collided"] and gaps(team) >= team.gap_m
    spot = open_spot(house)
    options = {name: {"position": spot + (0, 0, k), "yaw_rad": 0.0} for name, k in (("ann", 0.4), ("bob", 0.0))}
    team.reset(seed=0, options={"starts": options})
    *_, infos = team.step({"ann": Action.MOVE_FORWARD, "bob": Action.MOVE_FORWARD})
    assert not infos["ann"]["collided"] and not infos["bob"]["collided"]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(3)))
def test_the_order_of_agents_changes_nothing_and_nobody_overlaps(seed: int, order: list[int]) -> None:
    house = _HOUSE
    names = ["a", "b", "c"]
    first = HouseTeam(house, names, resolution=(8, 8), starts="together", max_steps=60)
    second = HouseTeam(house, [names[i] for i in order], resolution=(8, 8), max_steps=60)
    first.reset(seed=seed)
    starts = {n: {"position": m.position_m, "yaw_rad": m.yaw_rad} for n, m in first.members.items()}
    second.reset(seed=seed, options={"starts": starts})
    rng = np.random.default_rng(seed)
    for _ in range(15):
        actions = {name: int(action) for name, action in zip(names, rng.choice([1, 1, 1, 2, 3], 3), strict=True)}
        one, two = first.step(actions), second.step(actions)
        assert gaps(first) >= first.gap_m - 1e-9
        for name in names:
            assert np.array_equal(one[0][name]["pose"], two[0][name]["pose"])
            assert one[4][name]["collided"] == two[4][name]["collided"]
            assert set(one[4][name]["met"]) == set(two[4][name]["met"])


_HOUSE = House.generate(seed=1)


def test_the_same_seed_gives_the_same_episode(house: House) -> None:
    def play() -> list[bytes]:
        team = HouseTeam(house, 3, resolution=(24, 24))
        observations, _ = team.reset(seed=4)
        rng = np.random.default_rng(0)
        out = []
        for _ in range(10):
            observations, *_ = team.step({name: int(rng.integers(1, 4)) for name in team.agents})
            out += [seen[key].tobytes() for seen in observations.values() for key in sorted(seen)]
        return out

    assert play() == play()


def test_a_team_of_one_is_a_house_env(house: House) -> None:
    team, env = HouseTeam(house, ["robot"], resolution=(24, 24)), HouseEnv(house, resolution=(24, 24))
    pairs = [(team.reset(seed=2)[0]["robot"], env.reset(seed=2)[0])]
    for action in (1, 1, 2, 1, 1, 3, 4, 1):
        pairs.append((team.step({"robot": action})[0]["robot"], env.step(np.int64(action))[0]))
    assert all(np.array_equal(a[key], b[key]) for a, b in pairs for key in b)


def test_starts_apart_and_together(house: House) -> None:
    far, near = HouseTeam(house, 4, resolution=(8, 8)), HouseTeam(house, 4, resolution=(8, 8), starts="together")
    for seed in range(2):
        far.reset(seed=seed)
        near.reset(seed=seed)
        spots = [member.position_m for member in near.members.values()]
        assert np.array_equal(spots[0], far.members["robot-0"].position_m)
        assert max(float(np.linalg.norm(spot - spots[0])) for spot in spots) <= 2.1
        assert min(gaps(far), gaps(near)) >= far.gap_m


def test_who_stops_leaves_the_agents_and_stays_in_the_house(house: House) -> None:
    team = facing(house, 0.5)
    seen, rewards, terminated, truncated, _ = team.step({"ann": Action.TURN_LEFT, "bob": Action.STOP})
    assert terminated == {"ann": False, "bob": True} and not any(truncated.values()) and team.agents == ["ann"]
    assert set(seen) == set(rewards) == {"ann", "bob"}
    team.step({"ann": Action.TURN_RIGHT})
    assert team.step({"ann": Action.MOVE_FORWARD})[4]["ann"]["met"] == ("bob",)
    with pytest.raises(ValueError, match="for each of ann, got ann, bob"):
        team.step({"ann": 1, "bob": 1})
    team.step({"ann": Action.STOP})
    assert team.step({}) == ({}, {}, {}, {}, {})


def test_bad_input_is_said_in_one_line(house: House) -> None:
    with pytest.raises(ValueError, match="names that differ"):
        HouseTeam(house, ["a", "a"])
    with pytest.raises(ValueError, match="apart, together"):
        HouseTeam(house, 2, starts="anywhere")
    team = HouseTeam(house, ["a", "b"], resolution=(8, 8))
    with pytest.raises(ValueError, match="got c"):
        team.reset(options={"starts": {"c": {}}})
    spot = open_spot(house)
    with pytest.raises(ValueError, match="at least 0.36 m apart"):
        team.reset(seed=0, options={"starts": {"a": {"position": spot}, "b": {"position": spot}}})
    with pytest.raises(RuntimeError, match="call reset"):
        team.step({})
    team.reset(seed=0)
    with pytest.raises(ValueError, match="action must lie between 0 and 5"):
        team.step({"a": 9, "b": 1})


def test_pettingzoos_own_checks(house: House) -> None:
    test = pytest.importorskip("pettingzoo.test", reason="pettingzoo is not installed")
    test.parallel_api_test(HouseTeam(house, 2, resolution=(8, 8), max_steps=40), num_cycles=60)
