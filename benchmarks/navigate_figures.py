"""What sequences of goals come to: figures with 95 % intervals over houses, what memory gains, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from placecell.benchmarks import bootstrap
from placecell.benchmarks.chat_players import asked_figures, asked_lines
from placecell.benchmarks.house_goals import KINDS

if TYPE_CHECKING:
    from placecell.benchmarks.navigate import NavigateSettings

__all__ = ["BUDGETS", "MARKS", "aggregate", "summary"]

MARKS: Final = {"regions": (0.90, 0.60), "masks": (0.97, 0.60)}  # success, SPL
GAINS: Final = (0.105, 0.104)  # success, SPL over a memory that forgets between goals
BUDGETS: Final = (100, 200, 500)  # actions within which success is counted as well


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
        "settings": settings.to_dict(),
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
        *([f"houses of {settings['num_rooms']} rooms"] if "num_rooms" in settings else []),
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
