"""Exploration of houses never seen before: actions until 95 % of the free floor has been in a picture.

What counts is the floor of the largest island on which an agent can stand; whether it was seen, the simulator's depth
tells (see `placecell.benchmarks.coverage`). Planners build their map from their own depth pictures. The traveller knows
the whole map and every view beforehand: a privileged tour in the order of a travelling salesman, which is about as
short as it can be, though no proven lower bound. Its `travel` is the way between its stops alone, without any turn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from placecell.agents.embodied import pursue
from placecell.agents.planner import STOP, Decision, Experience, Planner, Sensed
from placecell.benchmarks import bootstrap
from placecell.benchmarks.coverage import FloorMeter, Traveller
from placecell.benchmarks.coverage_figures import coverage_figures, step_ratio
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.benchmarks.players import TimedEnv, film_of, floor_way, new_experience, open_explorer
from placecell.envs.house import HouseEnv

__all__ = ["PLANNERS", "ExploreSettings", "aggregate", "explore", "play", "summary"]

PLANNERS: Final = ("ours", "nearest", "random", "traveller")
LEVELS: Final = (0.5, 0.8, 0.9, 0.95)
MARK: Final = 1.15  # times the steps of nearest frontier
_CURVE_STEPS: Final = 10


@dataclass(frozen=True, slots=True)
class ExploreSettings:
    """What an episode depends on, besides its house and its planner.

    Args:
        seed: Draws starts.
        share: Share of the floor at which an episode ends.
        max_steps: Actions after which it is given up; they are what is counted then.
        side_px: Height and width of the pictures.
    """

    seed: int = 0
    share: float = 0.95
    max_steps: int = 1500
    side_px: int = 256


class _Until:
    """Stops a planner when enough was seen, which it cannot know itself; passes everything else through."""

    def __init__(self, planner: Planner, meter: FloorMeter, share: float) -> None:
        self._planner, self._meter, self._share = planner, meter, share
        self.name, self.is_privileged, self.is_forgetful = planner.name, planner.is_privileged, planner.is_forgetful

    def reset(self, goal: Any, experience: Experience) -> None:
        self._planner.reset(goal, experience)

    def act(self, sensed: Sensed) -> Decision:
        if self._meter.share >= self._share:
            return Decision(STOP, "enough was seen")
        return self._planner.act(sensed)


def play(settings: ExploreSettings, videos: Path | None, episode: Episode) -> dict[str, Any]:
    """Explore one house with one planner.

    Args:
        settings: See there.
        videos: Folder for a video of the episode; None for none.
        episode: House, number of the start, planner.

    Returns:
        The steps to each of `LEVELS` (None if it was not reached), the curve, and what the agent cost.
    """
    seed = episode.seed(settings.seed)
    env = HouseEnv(seed=episode.house, resolution=(settings.side_px, settings.side_px), max_steps=10**9)
    meter = FloorMeter(env)
    world = TimedEnv(env, meter)
    world.reset(seed % 2**31)
    shares = [meter.share]
    began = time.perf_counter()
    extra: dict[str, Any] = {}
    if episode.planner == "traveller":
        traveller = Traveller(env, meter)
        extra["travel_steps"] = round(traveller.plan(settings.share).length_m / env.forward_step_m, 1)
        for action in traveller.actions(settings.share):
            if len(shares) > settings.max_steps:
                break
            world.step(action)
            shares.append(meter.share)
    else:
        experience = new_experience(env, None, is_blind=True)
        film = film_of(videos, episode, env)
        planner = _Until(open_explorer(episode.planner, seed), meter, settings.share)

        def watch(sensed: Sensed, decision: Decision, info: Mapping[str, Any]) -> None:
            if film is not None:
                film.add(experience, None, sensed, decision, dict(info))
            if sensed.step:
                shares.append(meter.share)

        sensed = experience.observe(world.last, world.info)
        pursuit = pursue(world, planner, experience, None, sensed, world.info, settings.max_steps, watch)
        if not pursuit.has_stopped:
            shares.append(meter.share)
        extra |= {"reason": pursuit.decision.reason, "path_m": round(pursuit.path_m, 2)}
        extra["way"] = floor_way(pursuit.way_m)
        if film is not None:
            film.close()
    agent_s = time.perf_counter() - began - world.seconds
    reached = {str(level): next((i for i, share in enumerate(shares) if share >= level), None) for level in LEVELS}
    last = next((i for i, share in enumerate(shares) if share >= settings.share), None)
    return extra | {
        "steps": settings.max_steps if last is None else last,
        "reached": last is not None,
        "share": round(shares[-1], 4),
        "steps_to": reached,
        "curve": [round(share, 4) for share in shares[::_CURVE_STEPS]],
        "floor_m2": round(len(meter.points) * 0.0025, 2),
        "agent_s": round(agent_s, 3),
        "num_steps": world.num_steps,
    }


def explore(
    runner: Runner,
    settings: ExploreSettings,
    houses: Sequence[int],
    planners: Sequence[str] = PLANNERS,
    num_each: int = 1,
    *,
    videos: Path | None = None,
) -> dict[str, Any]:
    """Explore every house with every planner and aggregate; see `Runner` for the folder.

    Raises:
        ValueError: If a planner is unknown.
    """
    if unknown := set(planners) - set(PLANNERS):
        raise ValueError(f"planners are {', '.join(PLANNERS)}, got {', '.join(sorted(unknown))}")
    rows = runner.run(
        {"experiment": "explore", **asdict(settings)},
        episodes_of(houses, num_each, planners),
        partial(play, settings, videos),
        shown=lambda result: f"{result['share']:.1%} after {result['num_steps']} steps",
    )
    return aggregate(rows, settings)


def aggregate(rows: Sequence[Mapping[str, Any]], settings: ExploreSettings) -> dict[str, Any]:
    """Steps by planner, their ratios and the mean curves, with 95 % intervals over houses.

    An episode that did not get there counts with `max_steps`, which flatters whoever fails.
    """
    planners = list(dict.fromkeys(row["planner"] for row in rows))
    of = {name: [row for row in rows if row["planner"] == name] for name in planners}
    result: dict[str, Any] = {
        "experiment": "explore",
        "settings": asdict(settings),
        "houses": sorted({row["house"] for row in rows}),
        "num_episodes": len(of[planners[0]]),
        "privileged": {"traveller": ["the planner"]} if "traveller" in planners else {},
        "planners": {name: _figures(of[name]) for name in planners},
        "ratios": {},
    }
    if "ours" in of:
        for other in planners:
            if other != "ours":
                result["ratios"][other] = step_ratio(of["ours"], of[other])
    result["marks"] = {}
    if "nearest" in result["ratios"]:
        result["marks"][f"steps <= {MARK} x nearest frontier"] = result["ratios"]["nearest"]["value"] <= MARK
    return result


def _figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    houses, results = [row["house"] for row in rows], [row["result"] for row in rows]
    steps = sum(result["num_steps"] for result in results)
    figures = coverage_figures(rows, _CURVE_STEPS)
    figures["ms_per_step"] = round(1e3 * sum(result["agent_s"] for result in results) / max(steps, 1), 2)
    travel = [result["travel_steps"] for result in results if "travel_steps" in result]
    if travel:
        figures["travel_steps"] = bootstrap.mean(houses, travel, digits=1)
    return figures


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    settings, houses = result["settings"], result["houses"]
    lines = [
        f"{result['num_episodes']} starts in {len(houses)} houses ({houses[0]} to {houses[-1]}), seed "
        f"{settings['seed']}, at most {settings['max_steps']} actions; 95 % intervals over houses",
        f"{'planner':11}{'steps to ' + format(settings['share'], '.0%'):>24}{'reached':>10}{'floor seen %':>22}",
    ]
    for name, row in result["planners"].items():
        lines.append(
            f"{name:11}{bootstrap.shown(row['steps'], 1, 0):>24}{row['reached']:>6}/{row['num_episodes']:<3}"
            f"{bootstrap.shown(row['share'], 100, 1):>22}"
        )
    if "traveller" in result["planners"]:
        travel = bootstrap.shown(result["planners"]["traveller"]["travel_steps"], 1, 0)
        lines.append(f"the traveller's way alone, without its turns: {travel} steps forward")
    for other, ratio in result["ratios"].items():
        lines.append(f"ours takes {bootstrap.shown(ratio, 1, 3)} times the steps of {other}")
    for name, what in result["privileged"].items():
        lines.append(f"privileged in {name}: {', '.join(what)}")
    lines.append("the pose is exact, as with Habitat's GPS and compass")
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
