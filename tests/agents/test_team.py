"""Teams: who is killed goes on from its log; in this process or as Ray actors, the same run for the same seed."""

from pathlib import Path

import pytest

from placecell.agents.house_team import RobotMaker
from placecell.agents.team import RayTeam, Team
from placecell.benchmarks.players import BlindEncoder
from placecell.envs.house import House
from placecell.envs.house_team import HouseTeam

NAMES = ["ann", "bob"]


@pytest.fixture(scope="module")
def house() -> House:
    return House.generate(seed=5)


def play(house: House, kind: type[Team], folder: Path, rounds: int, kills: dict[int, str]) -> tuple[Team, list]:
    """Rounds of two robots, each killed before the rounds that are said."""
    env = HouseTeam(house, NAMES, resolution=(32, 32), max_steps=10**6, starts="together")
    observations, infos = env.reset(seed=0)
    team = kind({name: RobotMaker(name, env.camera, folder / name, BlindEncoder()) for name in NAMES})
    way = []
    for i in range(rounds):
        if i in kills:
            team.kill(kills[i])
        turns = team.round(observations, infos)
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
        way.append({name: seen["pose"].tobytes() for name, seen in observations.items()})
    return team, way


def test_who_is_killed_replays_its_log_catches_up_and_goes_on(house: House, tmp_path: Path) -> None:
    team, way = play(house, Team, tmp_path, 26, {8: "bob"})
    ann, bob = (team.members[name] for name in NAMES)
    assert team.lives == {"ann": 0, "bob": 1}
    # Nothing that was seen is lost, and all numbers are given once.
    assert bob.memory.version() == {"ann": 25, "bob": 26} and ann.memory.version() == {"ann": 26, "bob": 25}
    assert way[-1]["bob"] != way[9]["bob"]
    reports = team.reports()
    assert set(reports["ann"]["sent"]) >= {"query", "inform", "claim"} and reports["bob"]["version"]["bob"] == 26
    team.close()
    assert team.members == {}


def play_crafter(kind: type[Team], folder: Path, steps: int, kills: dict[int, str]) -> tuple[Team, list]:
    """Steps of two agents in Crafter, each killed before the steps that are said."""
    from placecell.agents.crew_team import CooperatorMaker
    from placecell.envs.crafter import CrafterTeamEnv

    env = CrafterTeamEnv(2, "peaceful")
    observations, infos = env.reset(seed=1000)
    names = tuple(env.possible_agents)
    team = kind({name: CooperatorMaker(name, names, folder / name) for name in names})
    trail = []
    for i in range(steps):
        if i in kills:
            team.kill(kills[i])
        turns = team.round({name: observations[name] for name in env.agents}, infos)
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
        trail.append({name: (seen["position"].tolist(), turns[name].action) for name, seen in observations.items()})
    return team, trail


def test_crafters_are_members_too(tmp_path: Path) -> None:
    pytest.importorskip("crafter", reason="needs the [team] extra")
    team, trail = play_crafter(Team, tmp_path / "one", 60, {30: "player_1"})
    again, same = play_crafter(Team, tmp_path / "two", 60, {30: "player_1"})
    assert trail == same and team.reports() == again.reports() and team.lives == {"player_0": 0, "player_1": 1}
    versions = [report["version"] for report in team.reports().values()]
    # Each knows all of the other but what is on its way, also what was said before the one was killed.
    assert all(abs(versions[0][name] - versions[1][name]) <= 2 for name in versions[0])
    assert min(versions[1].values()) >= 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves processes to themselves
def test_ray_actors_do_the_same_as_members_in_this_process(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")  # a machine may be busy
    ray = pytest.importorskip("ray", reason="needs the [team] extra")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        kills = {4: "bob"}
        team, way = play(house, Team, tmp_path / "here", 10, kills)
        other, there = play(house, RayTeam, tmp_path / "ray", 10, kills)
        assert there == way and other.lives == team.lives == {"ann": 0, "bob": 1}
        assert other.reports() == team.reports()
        other.close()
    finally:
        ray.shutdown()
