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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.chat_model import ChatModel
from placecell.agents.chat_planner import ChatPlanner
from placecell.agents.embodied import Pursuit, pursue
from placecell.agents.goals import Goal
from placecell.benchmarks import bootstrap
from placecell.benchmarks.chat_players import asked, asked_figures, asked_lines
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.episodes import Episode, episodes_of, run_episodes
from placecell.benchmarks.goat import spl
from placecell.benchmarks.house_goals import KINDS, GoalSite, HouseGoal, agent_goal, draw_goals
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

__all__ = ["FIRST_HOUSE", "PLANNERS", "NavigateSettings", "aggregate", "judged", "navigate", "play", "summary"]

PLANNERS: Final = ("ours", "forgetful", "nearest", "random", "oracle")  # and, if asked for, CHOOSERS
FIRST_HOUSE: Final = 2_000_000
SUCCESS_M: Final = 1.0
VIEW_M: Final = 0.25
MARKS: Final = {"regions": (0.90, 0.60), "masks": (0.97, 0.60)}  # success, SPL
GAINS: Final = (0.105, 0.104)  # success, SPL over a memory that forgets between goals
BUDGETS: Final = (100, 200, 500)  # actions within which success is counted as well


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
        chat: Who chooses for the planner `chat`.
    """

    seed: int = 0
    detector: str = "regions"
    num_goals: int | None = None
    num_absent: int = 0
    max_steps: int = 500
    side_px: int = 256
    chat: ChatModel | None = None


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
    env = HouseEnv(seed=episode.house, resolution=(settings.side_px, settings.side_px), max_steps=10**9)
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
    folder: Path,
    settings: NavigateSettings,
    houses: Sequence[int],
    planners: Sequence[str] = PLANNERS,
    num_each: int = 1,
    *,
    resume: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    videos: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Play every planner in every house and aggregate; see `run_episodes` for the folder.

    Raises:
        ValueError: If a planner or the detector is unknown.
    """
    if unknown := set(planners) - {*PLANNERS, *CHOOSERS}:
        raise ValueError(f"planners are {', '.join((*PLANNERS, *CHOOSERS))}, got {', '.join(sorted(unknown))}")
    if "chat" in planners and settings.chat is None:
        raise ValueError("the planner chat needs a model: name it (--chat-url, --chat-model)")
    if settings.detector not in MARKS:
        raise ValueError(f"the detector must be {' or '.join(MARKS)}, got {settings.detector!r}")
    rows = run_episodes(
        folder,
        {"experiment": "navigate", **_plain(settings)},
        episodes_of(houses, num_each, planners),
        partial(play, settings, videos),
        resume=resume,
        workers=workers,
        cluster=cluster,
        say=say,
        shown=_words,
    )
    return aggregate(rows, settings)


def _plain(settings: NavigateSettings) -> dict[str, Any]:
    """Settings as plain values; a model that is not there is not told of."""
    return {name: value for name, value in asdict(settings).items() if name != "chat" or value is not None}


def _words(result: Mapping[str, Any]) -> str:
    present = [goal for goal in result["goals"] if not goal["absent"]]
    return f"{sum(goal['success'] for goal in present)}/{len(present)} found"


def aggregate(rows: Sequence[Mapping[str, Any]], settings: NavigateSettings) -> dict[str, Any]:
    """Figures with 95 % intervals over houses: by planner, by kind of goal, and what ours has over the others."""
    planners = list(dict.fromkeys(row["planner"] for row in rows))
    goals = {
        name: [
            goal | {"house": row["house"], "key": (row["house"], row["number"], i)}
            for row in rows
            if row["planner"] == name
            for i, goal in enumerate(row["result"]["goals"])
        ]
        for name in planners
    }
    result: dict[str, Any] = {
        "experiment": "navigate",
        "settings": _plain(settings),
        "houses": sorted({row["house"] for row in rows}),
        "num_sequences": len({(row["house"], row["number"]) for row in rows}),
        "num_goals": len([goal for goal in goals[planners[0]] if not goal["absent"]]),
        "privileged": {
            row["planner"]: row["result"]["privileged"] for row in reversed(rows) if row["result"]["privileged"]
        },
        "planners": {name: _figures(goals[name]) | _costs(rows, name) for name in planners},
        "gains": {},
        "asked": {
            name: told
            for name in planners
            if (told := asked_figures([row for row in rows if row["planner"] == name])) is not None
        },
    }
    for other in ("forgetful", "nearest", "random"):
        if "ours" in goals and other in goals:
            result["gains"][other] = _gain(goals["ours"], goals[other])
    result["marks"] = _marks(result, settings)
    return result


def _figures(goals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    present, absent = [goal for goal in goals if not goal["absent"]], [goal for goal in goals if goal["absent"]]
    figures: dict[str, Any] = {}
    for kind in ("all", *KINDS):
        part = [goal for goal in present if kind in ("all", goal["kind"])]
        if not part:
            continue
        houses = [goal["house"] for goal in part]
        figures[kind] = {"num_goals": len(part)} | {
            name: bootstrap.mean(houses, [float(goal[key]) for goal in part])
            for name, key in (
                ("success", "success"),
                ("spl", "spl"),
                ("at_view_point", "at_view_point"),
                ("view_spl", "view_spl"),
                ("steps", "steps"),
            )
        }
        figures[kind]["within"] = {
            str(budget): bootstrap.mean(houses, [float(_within(goal, budget)) for goal in part]) for budget in BUDGETS
        }
        figures[kind]["wrongly_refused"] = sum(goal["refused"] for goal in part)
        figures[kind]["out_of_steps"] = sum(not goal["stopped"] for goal in part)
    if absent:
        refused = [goal for goal in absent if goal["refused"]]
        covered = [goal["covered"] for goal in refused if goal["covered"] is not None]
        figures["absent"] = {
            "num_goals": len(absent),
            "refused": bootstrap.mean([goal["house"] for goal in absent], [float(goal["refused"]) for goal in absent]),
            "steps": round(float(np.mean([goal["steps"] for goal in absent])), 1),
            "said_covered": round(float(np.mean(covered)), 4) if covered else None,
            "floor_seen": round(float(np.mean([goal["floor_seen"] for goal in absent])), 4),
        }
    return figures


def _costs(rows: Sequence[Mapping[str, Any]], planner: str) -> dict[str, Any]:
    results = [row["result"] for row in rows if row["planner"] == planner]
    steps = sum(result["num_steps"] for result in results)
    seconds = sum(result["agent_s"] for result in results)
    return {
        "num_steps": steps,
        "ms_per_step": round(1e3 * seconds / max(steps, 1), 2),
        "cpu_ms_per_step": round(1e3 * sum(result["agent_cpu_s"] for result in results) / max(steps, 1), 2),
        "steps_per_s": round(steps / seconds, 2) if seconds else None,
        "memory_bytes": round(float(np.mean([result["memory_bytes"][-1][1] for result in results]))),
    }


def _within(goal: Mapping[str, Any], budget: int) -> bool:
    """Whether a goal was found by so many actions, STOP included."""
    return bool(goal["success"] and goal["steps"] <= budget)


def _gain(ours: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    by_key = {goal["key"]: goal for goal in others}
    pairs = [(goal, by_key[goal["key"]]) for goal in ours if not goal["absent"] and goal["key"] in by_key]
    houses = [goal["house"] for goal, _ in pairs]
    gain: dict[str, Any] = {
        name: bootstrap.difference(houses, [float(a[name]) for a, _ in pairs], [float(b[name]) for _, b in pairs])
        for name in ("success", "spl", "at_view_point")
    }
    gain["within"] = {
        str(budget): bootstrap.difference(
            houses, [float(_within(a, budget)) for a, _ in pairs], [float(_within(b, budget)) for _, b in pairs]
        )
        for budget in BUDGETS
    }
    return gain


def _marks(result: Mapping[str, Any], settings: NavigateSettings) -> dict[str, bool]:
    ours = result["planners"].get("ours", {}).get("all")
    if ours is None:
        return {}
    success, length = MARKS[settings.detector]
    marks = {
        f"success >= {success:.0%}": ours["success"]["value"] >= success,
        f"SPL >= {length:.2f}": ours["spl"]["value"] >= length,
    }
    if "forgetful" in result["gains"]:
        gain = result["gains"]["forgetful"]
        marks[f"success over no memory across goals >= +{100 * GAINS[0]:.1f} points"] = (
            gain["success"]["value"] >= GAINS[0]
        )
        marks[f"SPL over no memory across goals >= +{100 * GAINS[1]:.1f} points"] = gain["spl"]["value"] >= GAINS[1]
    if {"forgetful", "nearest"} <= result["gains"].keys():
        near, forgetful = result["gains"]["nearest"]["spl"]["value"], result["gains"]["forgetful"]["spl"]["value"]
        marks["SPL over nearest frontier more than that over no memory"] = near > forgetful
    if "ours" in result["planners"]:
        marks["at least 5 steps/s"] = (result["planners"]["ours"]["steps_per_s"] or 0.0) >= 5.0
    return marks


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    settings = result["settings"]
    houses = result["houses"]
    lines = [
        f"{result['num_goals']} goals in {len(houses)} houses ({houses[0]} to {houses[-1]}), seed {settings['seed']}, "
        f"detector {settings['detector']}, {settings['max_steps']} actions per goal; 95 % intervals over houses",
        f"{'planner':11}{'goals':12}{'n':>5}{'success %':>21}{'SPL':>23}{'at view point %':>21}{'steps':>21}",
    ]
    for name, figures in result["planners"].items():
        for kind in ("all", *KINDS):
            if kind not in figures:
                continue
            row = figures[kind]
            lines.append(
                f"{name if kind == 'all' else '':11}{kind:12}{row['num_goals']:5}"
                f"{bootstrap.shown(row['success'], 100, 1):>21}{bootstrap.shown(row['spl']):>23}"
                f"{bootstrap.shown(row['at_view_point'], 100, 1):>21}{bootstrap.shown(row['steps'], 1, 0):>21}"
            )
    lines.append(f"{'success % within so many actions':40}" + "".join(f"{budget:>21}" for budget in BUDGETS))
    lines += [_hurried(name, figures["all"]["within"]) for name, figures in result["planners"].items()]
    lines += [_hurried(f"ours over {other}", gain["within"]) for other, gain in result["gains"].items()]
    for name, figures in result["planners"].items():
        if "absent" in figures:
            row = figures["absent"]
            lines.append(
                f"{name}: {row['num_goals']} goals that do not exist: refused {bootstrap.shown(row['refused'], 100, 1)}"
                f" % after {row['steps']:.0f} steps; it said that it had covered {_percent(row['said_covered'])}, "
                f"truly {_percent(row['floor_seen'])} of the floor"
            )
    for other, gain in result["gains"].items():
        lines.append(
            f"ours over {other}: success {bootstrap.shown(gain['success'], 100, 1)}, SPL "
            f"{bootstrap.shown(gain['spl'], 100, 1)} points"
        )
    for name, figures in result["planners"].items():
        lines.append(
            f"{name}: {figures['ms_per_step']:.0f} ms a step for perception, memory and planning "
            f"({figures['steps_per_s']} steps/s; {figures['cpu_ms_per_step']:.0f} ms of processor), "
            f"{figures['memory_bytes'] / 1e6:.1f} MB at the end of an episode"
        )
    lines += asked_lines(result["asked"])
    for name, what in result["privileged"].items():
        lines.append(f"privileged in {name}: {', '.join(what)}")
    lines.append("the pose is exact, as with Habitat's GPS and compass")
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)


def _hurried(name: str, within: Mapping[str, Any]) -> str:
    return f"{name:40}" + "".join(f"{bootstrap.shown(within[str(budget)], 100, 1):>21}" for budget in BUDGETS)


def _percent(value: float | None) -> str:
    return "nothing" if value is None else f"{100 * value:.1f} %"
