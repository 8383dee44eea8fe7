"""Sequences of goals in one house, as GOAT-Bench asks for them: by category, by description, by picture.

Success is a STOP strictly less than a metre (geodesic) from where one can stand nearest to the thing; the second,
harder column is a STOP less than 0.25 m from a view point: within a metre of the thing's box, and it is seen from
there. SPL is taken per goal with l, the distance to the same points when the goal is told, and p, the sum of the
straight displacements until the STOP. STOP moves nothing, so the distances before and after it are the same. Success
within fewer actions than the budget is read off the same episodes: nobody was told to hurry. Goals, distances and view
points come from the house's ground truth; planners never see it unless they are marked privileged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.chat_model import ChatModel
from placecell.agents.chat_planner import ChatPlanner
from placecell.agents.embodied import Pursuit, pursue
from placecell.agents.goals import Goal
from placecell.benchmarks.chat_players import asked
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.benchmarks.goat import spl
from placecell.benchmarks.house_goals import GoalSite, HouseGoal, agent_goal, draw_goals
from placecell.benchmarks.navigate_figures import BUDGETS, MARKS, aggregate, summary
from placecell.benchmarks.players import (
    CHOOSERS,
    TimedEnv,
    film_of,
    floor_way,
    house_detector,
    new_experience,
    open_player,
)
from placecell.envs.house import HouseEnv

__all__ = [
    "BUDGETS",
    "FIRST_HOUSE",
    "PLANNERS",
    "NavigateSettings",
    "aggregate",
    "judged",
    "navigate",
    "play",
    "summary",
]

PLANNERS: Final = ("ours", "forgetful", "nearest", "random", "oracle")  # and, if asked for, CHOOSERS
FIRST_HOUSE: Final = 2_000_000
SUCCESS_M: Final = 1.0
VIEW_M: Final = 0.25


@dataclass(frozen=True, slots=True)
class NavigateSettings:
    """What an episode depends on, besides its house and its planner.

    Args:
        seed: Draws starts and goals.
        detector: "regions", or "masks" (privileged).
        num_goals: Goals of a sequence; 5 to 10 are drawn if None.
        num_absent: Goals that the house has not got, put among them.
        max_steps: Actions per goal, STOP included.
        side_px: Height and width of the pictures.
        num_rooms: Rooms of every house; drawn from 5 to 9 if None.
        chat: Who chooses for the planner `chat`.
    """

    seed: int = 0
    detector: str = "regions"
    num_goals: int | None = None
    num_absent: int = 0
    max_steps: int = 500
    side_px: int = 256
    num_rooms: int | None = None
    chat: ChatModel | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what was not asked for, a size or a model, is not told of."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in ("num_rooms", "chat") or value is not None
        }

    def house(self, seed: int) -> HouseEnv:
        """The house of a seed, with a camera in it."""
        return HouseEnv(seed=seed, num_rooms=self.num_rooms, resolution=(self.side_px, self.side_px), max_steps=10**9)


def play(settings: NavigateSettings, videos: Path | None, episode: Episode) -> dict[str, Any]:
    """Play one sequence of goals with one planner.

    Args:
        settings: See there.
        videos: Folder for a video of the episode; None for none.
        episode: House, number of the sequence, planner.

    Returns:
        `goals` (one row each), and what the agent cost: seconds of perception, memory and planning, bytes over time.
    """
    seed = episode.seed(settings.seed)
    env = settings.house(episode.house)
    site = GoalSite(env)
    goals = draw_goals(site, np.random.default_rng(seed), settings.num_goals, settings.num_absent)
    meter = FloorMeter(env)
    world = TimedEnv(env, meter)
    world.reset(seed % 2**31)
    is_blind = episode.planner == "oracle"  # it looks at nothing
    detector = None if is_blind else house_detector(settings.detector, env)
    planner = open_player(episode.planner, env, seed, partial(_targets, site, goals), settings.chat)
    notes: list[str] = []
    experience = new_experience(env, detector, is_blind=is_blind)
    film = film_of(videos, episode, env)
    rows, growth = [], [(0, 0)]
    agent_s = agent_cpu_s = 0.0
    sensed = experience.observe(world.last, world.info)
    for number, goal in enumerate(goals):
        if planner.is_forgetful and number:
            experience = new_experience(env, detector, start_s=experience.stamp_s)
            sensed = experience.observe(world.last, world.info)
        began, before_s, steps = time.perf_counter(), world.seconds, world.num_steps
        began_cpu, before_cpu_s = time.process_time(), world.cpu_s
        start = env.position_m
        told = agent_goal(goal, str(number))
        watch = None if film is None else partial(film.add, experience, told)
        pursuit = pursue(world, planner, experience, told, sensed, world.info, settings.max_steps, watch)
        spent_s = time.perf_counter() - began - (world.seconds - before_s)
        agent_s += spent_s
        agent_cpu_s += time.process_time() - began_cpu - (world.cpu_s - before_cpu_s)
        sensed = pursuit.sensed
        notes += planner.notes if isinstance(planner, ChatPlanner) else ()
        row = judged(site, goal, start, env.position_m, pursuit, meter)
        rows.append(row | {"agent_s": round(spent_s, 3), "moves": world.num_steps - steps})
        growth.append((world.num_steps, experience.memory.nbytes()))
    if film is not None:
        film.close()
    return {
        "goals": rows,
        "num_steps": world.num_steps,
        "agent_s": round(agent_s, 3),
        "agent_cpu_s": round(agent_cpu_s, 3),
        "render_s": round(world.seconds, 3),
        "memory_bytes": growth,
        "privileged": ["the planner"] * planner.is_privileged
        + ["the detector"] * (detector is not None and detector.is_privileged),
        **({"asked": asked(planner.client, notes)} if isinstance(planner, ChatPlanner) else {}),
    }


def _targets(site: GoalSite, goals: Sequence[HouseGoal], goal: Goal) -> list[np.ndarray]:
    """Where an oracle goes."""
    wanted = goals[int(goal.goal_id)]
    point = None if wanted.is_absent else site.distances(wanted.object_ids).nearest(site.env.position_m)
    return [] if point is None else [point]


def judged(
    site: GoalSite, goal: HouseGoal, start: np.ndarray, end: np.ndarray, pursuit: Pursuit, meter: FloorMeter
) -> dict[str, Any]:
    """What came of one goal, as plain values: success, SPL, both again for view points, distances, the way."""
    decision = pursuit.decision
    row: dict[str, Any] = {
        "kind": goal.kind,
        "category": goal.category,
        "text": goal.text,
        "object_ids": list(goal.object_ids),
        "stopped": pursuit.has_stopped,
        "refused": pursuit.has_stopped and decision.is_refusal,
        "steps": pursuit.num_steps,
        "path_m": round(pursuit.path_m, 3),
        "floor_seen": round(meter.share, 4),
        "reason": decision.reason,
        "way": floor_way(pursuit.way_m),
    }
    if goal.is_absent:
        covered = None if decision.covered is None else round(float(decision.covered), 4)
        return row | {"absent": True, "covered": covered}
    shortest = site.distance_m(start, goal.object_ids)
    distance = site.distance_m(end, goal.object_ids)
    is_there = pursuit.has_stopped and not decision.is_refusal
    success = is_there and distance < SUCCESS_M
    at_view = is_there and site.is_at_view_point(end, goal.object_ids, VIEW_M)
    return row | {
        "absent": False,
        "shortest_m": round(shortest, 3),
        "distance_m": round(distance, 3),
        "success": success,
        "spl": round(spl(success, shortest, pursuit.path_m), 4),
        "at_view_point": at_view,
        "view_spl": round(spl(at_view, shortest, pursuit.path_m), 4),
    }


# --- the experiment --------------------------------------------------------------------------------------------------


def navigate(
    runner: Runner,
    settings: NavigateSettings,
    houses: Sequence[int],
    planners: Sequence[str] = PLANNERS,
    num_each: int = 1,
    *,
    videos: Path | None = None,
) -> dict[str, Any]:
    """Play every planner in every house and aggregate; see `Runner` for the folder.

    Raises:
        ValueError: If a planner or the detector is unknown.
    """
    if unknown := set(planners) - {*PLANNERS, *CHOOSERS}:
        raise ValueError(f"planners are {', '.join((*PLANNERS, *CHOOSERS))}, got {', '.join(sorted(unknown))}")
    if "chat" in planners and settings.chat is None:
        raise ValueError("the planner chat needs a model: name it (--chat-url, --chat-model)")
    if settings.detector not in MARKS:
        raise ValueError(f"the detector must be {' or '.join(MARKS)}, got {settings.detector!r}")
    rows = runner.run(
        {"experiment": "navigate", **settings.to_dict()},
        episodes_of(houses, num_each, planners),
        partial(play, settings, videos),
        shown=_words,
    )
    return aggregate(rows, settings)


def _words(result: Mapping[str, Any]) -> str:
    present = [goal for goal in result["goals"] if not goal["absent"]]
    return f"{sum(goal['success'] for goal in present)}/{len(present)} found"
