"""Goals that a robot finds later though only others saw them, against the same goals from a robot's own memory.

A team explores a house and shares. Then, for each goal that one robot never had in a picture and another one had, two
walk from the same place: one with the memory of the robot that was only told, one with the records of the robot that
saw it, and nothing else. What was in a picture the simulator's instance image tells (at least 40 pixels of it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from placecell.agents.embodied import pursue
from placecell.agents.house_team import RobotMaker
from placecell.agents.navigator import Navigator
from placecell.agents.planner import STEP_S, Experience
from placecell.agents.team import Team
from placecell.benchmarks import bootstrap
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.house_goals import GoalSite, HouseGoal, agent_goal, draw_goals
from placecell.benchmarks.navigate import judged
from placecell.benchmarks.players import DETECTORS, TimedEnv, house_detector
from placecell.envs.house import HouseEnv
from placecell.envs.house_team import HouseTeam
from placecell.memory.memory import Memory
from placecell.perception.encoders import open_encoder

__all__ = ["MARK", "run", "summary"]

JUDGING: Final = 3_000_100
MARK: Final = 0.03
SHARE: Final = 0.95
_MIN_PX: Final = 40
_SIDE_PX: Final = 256
_MAX_ROUNDS: Final = 400


def run(
    seed: int = 0,
    num_rows: int = 4,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    num_robots: int = 4,
    num_goals: int = 8,
    max_steps: int = 300,
) -> dict[str, Any]:
    """Explore as a team, then look for what one robot saw and another did not.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses.
        peers: One detector of `regions` (the default) and `masks` (privileged, and faster).
        say: Takes one line per goal.
        num_robots: In the team.
        num_goals: Drawn in every house; those that all or none saw do not count.
        max_steps: Actions per goal.

    Raises:
        ValueError: If `peers` is not one detector.
    """
    (detector,) = peers if peers is not None and len(peers) == 1 else (DETECTORS[0],) if not peers else ("",)
    if detector not in DETECTORS:
        raise ValueError(f"expected one detector of {', '.join(DETECTORS)}, got {', '.join(peers or ())}")
    first = seed or JUDGING
    rows = [
        row
        for house in range(first, first + num_rows)
        for row in _house(house, detector, num_robots, num_goals, max_steps, say)
    ]
    if not rows:
        raise ValueError("no goal was seen by one robot and not by another: take more houses or goals")
    houses = [row["house"] for row in rows]
    told, own = ([float(row[who]["success"]) for row in rows] for who in ("told", "own"))
    gain = bootstrap.difference(houses, told, own)
    return {
        "benchmark": "told_goals",
        "houses": sorted(set(houses)),
        "num_goals": len(rows),
        "num_robots": num_robots,
        "detector": detector,
        "told": {"success": bootstrap.mean(houses, told), "spl": _mean(rows, "told", "spl")},
        "own": {"success": bootstrap.mean(houses, own), "spl": _mean(rows, "own", "spl")},
        "difference": gain,
        "marks": {f"success told >= own - {MARK:.0%}": gain["value"] >= -MARK},
        "goals": rows,
    }


def _mean(rows: Sequence[Mapping[str, Any]], who: str, what: str) -> dict[str, float]:
    return bootstrap.mean([row["house"] for row in rows], [float(row[who][what]) for row in rows])


def _house(
    house: int, spec: str, num_robots: int, num_goals: int, max_steps: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    env = HouseTeam(seed=house, agents=num_robots, resolution=(_SIDE_PX, _SIDE_PX), max_steps=10**9)
    single = HouseEnv(env.house, resolution=(_SIDE_PX, _SIDE_PX), max_steps=10**9)
    encoder = open_encoder("builtin", threads=1)
    detector = house_detector(spec, single)
    observations, infos = env.reset(house % 2**31)
    team = Team({name: RobotMaker(name, env.camera, encoder=encoder, detector=detector) for name in env.agents})
    meter = FloorMeter(single)
    num_ids = max(env.body_ids.values()) + 1
    pixels = {name: np.zeros(num_ids, np.int64) for name in env.agents}
    for _ in range(_MAX_ROUNDS):
        for name, seen in observations.items():
            meter.add(seen["depth"], seen["pose"])
            np.maximum(pixels[name], np.bincount(seen["semantic"].ravel(), minlength=num_ids), out=pixels[name])
        turns = team.round(observations, infos)
        if meter.share >= SHARE or all(turn.is_done for turn in turns.values()):
            break
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
    for _ in range(3):  # what was said last arrives
        team.round(observations, infos)
    site = GoalSite(single)
    rows = []
    for number, goal in enumerate(draw_goals(site, np.random.default_rng(house), num_goals)):
        saw = {name: bool((counts[list(goal.object_ids)] >= _MIN_PX).any()) for name, counts in pixels.items()}
        seers, others = ([name for name in saw if saw[name] is is_seer] for is_seer in (True, False))
        if not seers or not others:
            continue
        listener, seer = others[number % len(others)], seers[number % len(seers)]
        member = env.members[listener]
        start = {"position": member.position_m, "yaw_rad": member.yaw_rad}
        own = team.members[seer].memory
        told = team.members[listener].memory
        stamp_s = (team.step + 10) * STEP_S
        row: dict[str, Any] = {"house": house, "goal": goal.text or f"a picture of a {goal.category}"}
        for who, memory in (
            ("told", _copy(told, encoder)),
            ("own", _copy(own, encoder, seer)),
        ):
            experience = Experience(memory, single.camera, detector, agent_id="visitor", start_s=stamp_s)
            row[who] = _found(single, site, goal, str(number), experience, start, max_steps)
        rows.append(row)
        how = {who: "found" if row[who]["success"] else "missed" for who in ("told", "own")}
        words = ", ".join(f"{who} {how[who]} in {row[who]['steps']} steps" for who in how)
        say(f"house {house}, {row['goal']}: {words}")
    team.close()
    return rows


def _copy(memory: Memory, encoder: Any, agent_id: str | None = None) -> Memory:
    """A memory with the same records, or only those of one agent."""
    found = Memory(encoder)
    since = {} if agent_id is None else {name: last for name, last in memory.version().items() if name != agent_id}
    found.merge(memory.delta(since, pictures=True))
    return found


def _found(
    env: HouseEnv,
    site: GoalSite,
    goal: HouseGoal,
    goal_id: str,
    experience: Experience,
    start: Mapping[str, Any],
    max_steps: int,
) -> dict[str, Any]:
    """One walk to one goal."""
    meter = FloorMeter(env)
    world = TimedEnv(env, meter)
    world.last, world.info = env.reset(options=dict(start))
    sensed = experience.observe(world.last, world.info)
    told = agent_goal(goal, goal_id)
    pursuit = pursue(world, Navigator(), experience, told, sensed, world.info, max_steps)
    row = judged(site, goal, np.asarray(start["position"]), env.position_m, pursuit, meter)
    return {name: row[name] for name in ("success", "spl", "steps", "distance_m", "reason")}


def summary(result: Mapping[str, Any]) -> str:
    """The result as text for people."""
    houses = result["houses"]
    lines = [
        f"{result['num_goals']} goals in {len(houses)} houses ({houses[0]} to {houses[-1]}), each seen by one of "
        f"{result['num_robots']} robots and not by another; detector {result['detector']}"
        f"{' (privileged)' if result['detector'] == 'masks' else ''}; 95 % intervals over houses",
        f"{'':28}{'success %':>22}{'SPL':>24}",
    ]
    for who, words in (("told", "never saw it, was told"), ("own", "saw it, own records only")):
        row = result[who]
        lines.append(f"{words:28}{bootstrap.shown(row['success'], 100, 1):>22}{bootstrap.shown(row['spl']):>24}")
    lines.append(f"difference in success: {bootstrap.shown(result['difference'], 100, 1)} points")
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
