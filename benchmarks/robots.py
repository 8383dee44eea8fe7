"""Several robots explore one house: rounds until 95 % of the floor has been in a picture, against one robot alone.

In a round every robot acts once, so rounds are to a team what actions are to one. Each robot has its own start, memory
and map; what they share goes through the protocol, and its bytes are counted. A team of one is the same robot.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from placecell.agents.house_team import RobotMaker
from placecell.agents.team import Team
from placecell.benchmarks import bootstrap
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.coverage_figures import coverage_figures, step_ratio
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.benchmarks.players import BlindEncoder
from placecell.envs.house_team import HouseTeam
from placecell.geometry import pose_from
from placecell.perception.objects import MaskDetector

__all__ = ["MARK", "RobotsSettings", "aggregate", "play", "robots", "summary"]

LEVELS: Final = (0.5, 0.8, 0.9, 0.95)
_CURVE_ROUNDS: Final = 5
MARK: Final = 0.35  # of one robot's rounds, for four


@dataclass(frozen=True, slots=True)
class RobotsSettings:
    """What an episode depends on, besides its house and how many robots there are.

    Args:
        seed: Draws starts.
        share: Share of the floor at which an episode ends.
        max_steps: Rounds after which it is given up; they are what is counted then.
        side_px: Height and width of the pictures.
        starts: "apart" or "together", see `HouseTeam`.
        is_sharing: Whether the robots tell each other anything.
        knows_frames: Whether the robots know how their starts lie to each other. If not, each has poses in the frame of
            its own start, and aligns the others by things that the simulator's masks name (privileged).
    """

    seed: int = 0
    share: float = 0.95
    max_steps: int = 1500
    side_px: int = 256
    starts: str = "apart"
    is_sharing: bool = True
    knows_frames: bool = True


def play(settings: RobotsSettings, episode: Episode) -> dict[str, Any]:
    """Explore one house with as many robots as the episode's planner is a number.

    Args:
        settings: See there.
        episode: House, number of the starts, how many robots.

    Returns:
        Rounds to each of `LEVELS` (None if it was not reached), bytes by kind, collisions, and what a turn cost.
    """
    num, seed = int(episode.planner), episode.seed(settings.seed) % 2**31
    side = settings.side_px
    env = HouseTeam(seed=episode.house, agents=num, starts=settings.starts, resolution=(side, side), max_steps=10**9)
    observations, infos = env.reset(seed)
    meter = FloorMeter(env.members[env.agents[0]])
    encoder, detector = BlindEncoder(), None
    frames = dict.fromkeys(env.agents, np.eye(4))
    if not settings.knows_frames:
        detector = MaskDetector({thing.id: thing.category for thing in env.house.objects})
        frames = {
            name: np.linalg.inv(pose_from(member.position_m, member.yaw_rad)) for name, member in env.members.items()
        }
    team = Team(
        {
            name: RobotMaker(
                name,
                env.camera,
                None,
                encoder,
                detector,
                is_alone=not settings.is_sharing,
                knows_frames=settings.knows_frames,
            )
            for name in env.agents
        }
    )
    agent_s = 0.0
    collisions: Counter[str] = Counter()

    def look() -> float:
        for seen in observations.values():
            meter.add(seen["depth"], seen["pose"])
        return meter.share

    shares = [look()]
    while shares[-1] < settings.share and len(shares) <= settings.max_steps:
        began = time.perf_counter()
        own = {name: {**seen, "pose": frames[name] @ seen["pose"]} for name, seen in observations.items()}
        turns = team.round(own, infos)
        agent_s += time.perf_counter() - began
        if all(turn.is_done for turn in turns.values()):
            break
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
        for info in infos.values():
            collisions["robots" if info["met"] else "walls"] += info["collided"]
        shares.append(look())
    rounds = len(shares) - 1
    reached = {str(level): next((i for i, share in enumerate(shares) if share >= level), None) for level in LEVELS}
    last = next((i for i, share in enumerate(shares) if share >= settings.share), None)
    reports = team.reports().values()
    sent: Counter[str] = Counter()
    for report in reports:
        sent.update(report["sent"])
    quarantined = sum(report["quarantined"] for report in reports)
    aligned = sum(len(report.get("aligned", ())) for report in reports)
    return {
        "steps": settings.max_steps if last is None else last,
        "reached": last is not None,
        "share": round(shares[-1], 4),
        "steps_to": reached,
        "curve": [round(share, 4) for share in shares[::_CURVE_ROUNDS]],
        "rounds": rounds,
        "bytes": dict(sorted(sent.items())),
        "bytes_per_robot_step": round(sum(sent.values()) / max(num * rounds, 1), 1),
        "collisions": dict(collisions),
        "quarantined": quarantined,
        "aligned": aligned,
        "ms_per_turn": round(1e3 * agent_s / max(num * rounds, 1), 2),
    }


def robots(
    runner: Runner,
    settings: RobotsSettings,
    houses: Sequence[int],
    sizes: Sequence[int] = (1, 2, 4),
    num_each: int = 1,
) -> dict[str, Any]:
    """Explore every house with teams of each size and aggregate; see `Runner` for the folder.

    Raises:
        ValueError: If a size is below 1.
    """
    if min(sizes, default=0) < 1:
        raise ValueError(f"sizes of teams must be 1 or more, got {list(sizes)}")
    rows = runner.run(
        {"experiment": "robots", **asdict(settings)},
        episodes_of(houses, num_each, [str(size) for size in dict.fromkeys(sizes)]),
        partial(play, settings),
        shown=lambda result: f"{result['share']:.1%} after {result['rounds']} rounds",
    )
    return aggregate(rows, settings)


def aggregate(rows: Sequence[Mapping[str, Any]], settings: RobotsSettings) -> dict[str, Any]:
    """Rounds by size of the team, their ratio to one robot's, bytes and collisions, with intervals over houses."""
    sizes = list(dict.fromkeys(row["planner"] for row in rows))
    of = {size: [row for row in rows if row["planner"] == size] for size in sizes}
    result: dict[str, Any] = {
        "experiment": "robots",
        "settings": asdict(settings),
        "houses": sorted({row["house"] for row in rows}),
        "num_episodes": len(of[sizes[0]]),
        "teams": {size: _figures(of[size], int(size)) for size in sizes},
        "ratios": {size: step_ratio(of[size], of["1"]) for size in sizes if size != "1" and "1" in of},
        "privileged": {} if settings.knows_frames else {"alignment": ["the detector"]},
        "marks": {},
    }
    if "4" in result["ratios"]:
        result["marks"][f"rounds of four <= {MARK} x one robot's"] = result["ratios"]["4"]["value"] <= MARK
    return result


def _figures(rows: Sequence[Mapping[str, Any]], num: int) -> dict[str, Any]:
    results = [row["result"] for row in rows]
    robot_steps = max(num * sum(result["rounds"] for result in results), 1)
    sent: Counter[str] = Counter()
    collisions: Counter[str] = Counter()
    for result in results:
        sent.update(result["bytes"])
        collisions.update(result["collisions"])
    return coverage_figures(rows, _CURVE_ROUNDS) | {
        "bytes_per_robot_step": {kind: round(count / robot_steps, 1) for kind, count in sorted(sent.items())},
        "collisions_per_100_steps": {kind: round(100 * n / robot_steps, 2) for kind, n in sorted(collisions.items())},
        "quarantined": sum(result["quarantined"] for result in results),
        "aligned_pairs": sum(result["aligned"] for result in results) / max(num * (num - 1) * len(results), 1),
        "ms_per_turn": round(float(np.mean([result["ms_per_turn"] for result in results])), 1),
    }


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    settings, houses = result["settings"], result["houses"]
    lines = [
        f"{result['num_episodes']} starts in {len(houses)} houses ({houses[0]} to {houses[-1]}), seed "
        f"{settings['seed']}, starts {settings['starts']}, at most {settings['max_steps']} rounds; 95 % intervals over "
        "houses",
        f"{'robots':>6}{'rounds to ' + format(settings['share'], '.0%'):>24}{'of one':>22}{'reached':>9}"
        f"{'bytes sent/robot/step':>24}{'ran into robots, walls (100 steps)':>37}",
    ]
    for size, row in result["teams"].items():
        ratio = bootstrap.shown(result["ratios"][size], 1, 3) if size in result["ratios"] else ""
        met = row["collisions_per_100_steps"]
        lines.append(
            f"{size:>6}{bootstrap.shown(row['steps'], 1, 0):>24}{ratio:>22}{row['reached']:>5}/{row['num_episodes']:<3}"
            f"{sum(row['bytes_per_robot_step'].values()):>24,.0f}{met.get('robots', 0.0):>30.2f}"
            f"{met.get('walls', 0.0):>7.2f}"
        )
    for size, row in result["teams"].items():
        if row["bytes_per_robot_step"]:
            kinds = ", ".join(f"{kind} {count:,.0f}" for kind, count in row["bytes_per_robot_step"].items())
            lines.append(f"bytes of {size} robots by kind: {kinds}")
    if settings["knows_frames"]:
        lines.append("the poses are exact and relative starts are known, as with Habitat's GPS and compass")
    else:
        aligned = {size: row["aligned_pairs"] for size, row in result["teams"].items() if size != "1"}
        shares = ", ".join(f"{100 * share:.0f} % of the pairs of {size}" for size, share in aligned.items())
        lines.append(f"frames were not known: {shares} robots were aligned at the end, by masks (privileged)")
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
