"""The page of an experiment: its figures with their intervals, plots, the ways that were walked; one HTML file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.benchmarks import bootstrap
from placecell.benchmarks.episodes import EPISODES, read_episodes
from placecell.benchmarks.eqa_report import answer_cards, eqa_sections
from placecell.benchmarks.house_goals import KINDS
from placecell.benchmarks.page_parts import STYLE, escaped, html_table, jpeg_url
from placecell.benchmarks.plots import COLOURS, bars, lines

__all__ = ["render_report", "write_report"]

RESULT: Final = "result.json"
PAGE: Final = "report.html"


def write_report(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write `result.json` and `report.html` into a folder of episodes; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).write_text(json.dumps(result, indent=1) + "\n")
    rows = read_episodes(folder) if (folder / EPISODES).is_file() else []
    page = folder / PAGE
    page.write_text(render_report(result, rows))
    return page


def render_report(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page as one text.

    Args:
        result: What `explore`, `navigate`, `lifetime`, `eqa`, `cooperate` or `robots` gave.
        rows: The lines of the episodes, for the pictures; without them there are none.
    """
    kind = str(result["experiment"])
    title, lead, sections = {
        "explore": _explore,
        "navigate": _navigate,
        "lifetime": _lifetime,
        "eqa": _eqa,
        "cooperate": _cooperate,
        "robots": _robots,
    }[kind](result)
    if kind == "eqa":
        sections.insert(1, ("Some answers and what they stand on", answer_cards(rows)))
    elif rows and kind not in ("cooperate", "robots"):
        sections.append(("Where they went", _ways(rows)))
        if kind == "navigate":
            sections.append(("Every goal", _goals(rows)))
    marks = "".join(
        f'<div><b class="{"ok" if is_met else "bad"}">{"met" if is_met else "missed"}</b>'
        f"<span>{escaped(mark)}</span></div>"
        for mark, is_met in result["marks"].items()
    )
    shown = [(name, content) for name, content in sections if content]
    body = "".join(f"<section><h2>{escaped(name)}</h2>{content}</section>" for name, content in shown)
    privileged = "; ".join(f"{name}: {', '.join(what)}" for name, what in result["privileged"].items()) or "none"
    settings = ", ".join(f"{key} {value}" for key, value in result["settings"].items() if value is not None)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title><style>{STYLE}</style></head><body>
<header><h1>{escaped(title)}</h1><p>{escaped(lead)}</p></header>
<div class="figures">{marks}</div>{body}
<footer><p>Intervals: 95 %, bootstrap over houses. Privileged: {escaped(privileged)}. The pose is exact, as with
Habitat's GPS and compass. Settings: {escaped(settings)}.</p></footer></body></html>
"""


Page = tuple[str, str, list[tuple[str, str]]]


def _span(houses: Sequence[int]) -> str:
    return f"{len(houses)} houses (seeds {houses[0]} to {houses[-1]})" if len(houses) > 1 else f"house {houses[0]}"


def _colours(names: Sequence[str]) -> dict[str, str]:
    fixed = ("ours", "forgetful", "nearest", "random", "oracle", "traveller", "chat", "chance")
    return {name: COLOURS[fixed.index(name) % len(COLOURS)] for name in names}


def _explore(result: Mapping[str, Any]) -> Page:
    planners, settings = result["planners"], result["settings"]
    colours = _colours(list(planners))
    curves = {
        name: [(i * row["curve"]["every"], 100 * share) for i, share in enumerate(row["curve"]["share"])]
        for name, row in planners.items()
    }
    table = html_table(
        ("planner", f"steps to {settings['share']:.0%}", "got there", "floor seen, %", "ms a step"),
        [
            (
                name,
                bootstrap.shown(row["steps"], 1, 0),
                f"{row['reached']} of {row['num_episodes']}",
                bootstrap.shown(row["share"], 100, 1),
                f"{row['ms_per_step']:.0f}",
            )
            for name, row in planners.items()
        ],
    )
    ratios = html_table(
        ("steps of ours over those of", "ratio"),
        [(name, bootstrap.shown(ratio)) for name, ratio in result["ratios"].items()],
    )
    plot = lines(curves, "actions", "floor seen, % (mean)", 100.0, 100 * settings["share"], colours)
    lead = f"{result['num_episodes']} starts in {_span(result['houses'])}."
    return "Exploration", lead, [("Floor seen over time", plot), ("Figures", table + ratios)]


def _robots(result: Mapping[str, Any]) -> Page:
    teams, settings = result["teams"], result["settings"]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(teams)}
    curves = {
        name: [(i * row["curve"]["every"], 100 * share) for i, share in enumerate(row["curve"]["share"])]
        for name, row in teams.items()
    }
    table = html_table(
        (
            "robots",
            f"rounds to {settings['share']:.0%}",
            "of one robot's",
            "got there",
            "ran into robots",
            "into walls",
        ),
        [
            (
                name,
                bootstrap.shown(row["steps"], 1, 0),
                bootstrap.shown(result["ratios"][name]) if name in result["ratios"] else "",
                f"{row['reached']} of {row['num_episodes']}",
                *(f"{row['collisions_per_100_steps'].get(what, 0.0):.2f}" for what in ("robots", "walls")),
            )
            for name, row in teams.items()
        ],
    )
    kinds = sorted({kind for row in teams.values() for kind in row["bytes_per_robot_step"]})
    sent = html_table(
        ("robots", *kinds),
        [
            (name, *(f"{row['bytes_per_robot_step'].get(kind, 0.0):,.0f}" for kind in kinds))
            for name, row in teams.items()
        ],
    )
    plot = lines(curves, "rounds", "floor seen, % (mean)", 100.0, 100 * settings["share"], colours)
    lead = f"{result['num_episodes']} starts in {_span(result['houses'])}; robots start {settings['starts']}."
    sections = [("Floor seen", plot + table), ("Bytes sent by a robot in a step, to all others", sent)]
    return "Robots that explore together", lead + " Collisions are per 100 steps of a robot.", sections


def _navigate(result: Mapping[str, Any]) -> Page:
    planners = result["planners"]
    colours = _colours(list(planners))
    kinds = [kind for kind in ("all", *KINDS) if any(kind in row for row in planners.values())]

    def series(key: str) -> dict[str, list[Mapping[str, float] | None]]:
        return {name: [row[kind][key] if kind in row else None for kind in kinds] for name, row in planners.items()}

    plots = (
        f'<div class="two"><div><h3>Success, %</h3>{bars(kinds, series("success"), 1.0, 100, "", colours)}</div>'
        f"<div><h3>SPL</h3>{bars(kinds, series('spl'), 1.0, 1.0, '', colours)}</div></div>"
    )
    table = html_table(
        ("planner", "goals", "n", "success, %", "SPL", "at a view point, %", "SPL there", "actions", "ms a step"),
        [
            (
                name if kind == "all" else "",
                kind,
                str(row[kind]["num_goals"]),
                bootstrap.shown(row[kind]["success"], 100, 1),
                bootstrap.shown(row[kind]["spl"]),
                bootstrap.shown(row[kind]["at_view_point"], 100, 1),
                bootstrap.shown(row[kind]["view_spl"]),
                bootstrap.shown(row[kind]["steps"], 1, 0),
                f"{row['ms_per_step']:.0f}" if kind == "all" else "",
            )
            for name, row in planners.items()
            for kind in kinds
            if kind in row
        ],
    )
    gains = html_table(
        ("ours over", "success, points", "SPL, points", "at a view point, points"),
        [
            (name, *(bootstrap.shown(gain[key], 100, 1) for key in ("success", "spl", "at_view_point")))
            for name, gain in result["gains"].items()
        ],
    )
    budgets = list(next(iter(planners.values()))["all"]["within"])
    hurried = html_table(
        ("success, %, within so many actions", *budgets),
        [
            (name, *(bootstrap.shown(within[budget], 100, 1) for budget in budgets))
            for name, within in (
                *((name, row["all"]["within"]) for name, row in planners.items()),
                *((f"ours over {name}", gain["within"]) for name, gain in result["gains"].items()),
            )
        ],
    )
    sections = [("Found, and by how short a way", plots), ("Figures", table)]
    sections += [("What memory is worth", gains), ("Who is in a hurry", hurried)]
    absent = [(name, row["absent"]) for name, row in planners.items() if "absent" in row]
    if absent:
        rows = [
            (
                name,
                str(row["num_goals"]),
                bootstrap.shown(row["refused"], 100, 1),
                f"{row['steps']:.0f}",
                "" if row["said_covered"] is None else f"{100 * row['said_covered']:.1f}",
                f"{100 * row['floor_seen']:.1f}",
            )
            for name, row in absent
        ]
        head = ("planner", "n", "refused, %", "actions", "it said that it covered, %", "floor truly seen, %")
        sections.append(("Goals that do not exist", html_table(head, rows)))
    lead = f"{result['num_goals']} goals, sequences: {result['num_sequences']}, {_span(result['houses'])}."
    return "Many goals in one house", lead, sections


def _lifetime(result: Mapping[str, Any]) -> Page:
    parts = result["parts"]
    time_plot = lines(
        {
            "mean": [(part["step"], part["mean_ms"]) for part in parts],
            "95th percentile": [(part["step"], part["p95_ms"]) for part in parts],
            "mean processor time": [(part["step"], part["cpu_ms"]) for part in parts],
        },
        "actions",
        "milliseconds a step",
    )
    cap = result["max_bytes"] / 1e6
    memory = lines(
        {"memory": [(part["step"], part["bytes"] / 1e6) for part in parts]}, "actions", "megabytes", 1.1 * cap, cap
    )
    table = html_table(
        ("actions", "mean ms a step", "p95 ms", "processor ms", "memory, MB", "records", "process, MB"),
        [
            (
                f"{part['step']:.0f}",
                f"{part['mean_ms']:.1f}",
                f"{part['p95_ms']:.1f}",
                f"{part['cpu_ms']:.1f}",
                f"{part['bytes'] / 1e6:.2f}",
                f"{part['records']:.0f}",
                f"{part['resident_mb']:.0f}",
            )
            for part in parts
        ],
    )
    plots = f'<div class="two"><div>{time_plot}</div><div>{memory}</div></div>'
    lead = (
        f"{result['num_steps']} actions in house {result['house']} under a cap of {cap:.0f} MB; {result['num_found']} "
        f"of {result['num_goals']} goals found; {result['steps_per_s']} steps a second."
    )
    return "A long life in one house", lead, [("Cost over time", plots), ("Figures", table)]


def _eqa(result: Mapping[str, Any]) -> Page:
    refused = result["num_questions"] - result["num_answerable"]
    lead = f"{result['num_questions']} questions, {refused} of them without an answer, in {_span(result['houses'])}."
    return "Questions about houses", lead, eqa_sections(result)


def _cooperate(result: Mapping[str, Any]) -> Page:
    settings, rows = result["settings"], result["conditions"]
    top = max(row["steps"]["high"] for row in rows.values())
    sections = []
    for view in dict.fromkeys(name.split("/")[2] for name in rows):
        sizes = list(dict.fromkeys(name.split("/")[1] for name in rows if name.endswith(view)))
        kinds = list(dict.fromkeys(name.split("/")[0] for name in rows if name.endswith(view)))
        series = {
            kind: [
                rows[f"{kind}/{size}/{view}"]["steps"] if f"{kind}/{size}/{view}" in rows else None for size in sizes
            ]
            for kind in kinds
        }
        sections.append((f"Steps to the diamond, {view} view, by the size of the team", bars(sizes, series, top)))
    table = html_table(
        ("shared/agents/view", "steps (mean)", "median", "diamond, %", "fewer than one, %", "fewer than forgetful, %",
         "bytes per agent and step", "deaths", "hand-overs", "s per episode"),
        [
            (
                name,
                bootstrap.shown(row["steps"], 1, 0),
                bootstrap.shown(row["median"], 1, 0),
                bootstrap.shown(row["solved"], 100, 0),
                *(
                    bootstrap.shown(result["fewer"][name][other], 100, 0) if other in result["fewer"][name] else ""
                    for other in ("alone", "forgetful")
                ),
                f"{row['bytes']:.0f}",
                str(row["deaths"]),
                str(row["gifts"]),
                f"{row['seconds']:.1f}",
            )
            for name, row in rows.items()
        ],
    )  # fmt: skip
    sections.append(("Figures", table))
    names = list(next(iter(rows.values()))["first"])
    milestones = html_table(
        ("mean first step, where it was reached", *(name.replace("_", " ") for name in names)),
        [
            (name, *("" if one is None else f"{one['mean']:.0f}" for one in row["first"].values()))
            for name, row in rows.items()
        ],
    )
    sections.append(("Milestones", milestones))
    worlds = result["houses"]
    lead = (
        f"{len(worlds)} worlds of Crafter (seeds {worlds[0]} to {worlds[-1]}), rules {settings['rules']}; whoever "
        f"takes the first diamond ends the episode; without one it counts {settings['max_steps']} steps."
    )
    return "Teams on the way to the diamond", lead, sections


# --- pictures --------------------------------------------------------------------------------------------------------


def _ways(rows: Sequence[Mapping[str, Any]], num_houses: int = 2) -> str:
    """The ways of the first episodes over their houses from above, planner beside planner."""
    from placecell.envs.house import House

    pictures = []
    for house_seed in list(dict.fromkeys(row["house"] for row in rows))[:num_houses]:
        picture, to_pixel = House.generate(house_seed).topdown(0.025)
        plan = jpeg_url(picture)
        shown = []
        for row in rows:
            if row["house"] == house_seed and row["number"] == 0:
                ways = [goal["way"] for goal in row["result"].get("goals", [])] or [row["result"].get("way", [])]
                if any(ways):
                    shown.append(_way_figure(row, ways, plan, picture.shape, to_pixel))
        pictures.append(f'<h3>House {house_seed}</h3><div class="ways">{"".join(shown)}</div>')
    return "".join(pictures) + '<p class="small">One colour per goal, in their order; a dot ends each.</p>'


def _way_figure(
    row: Mapping[str, Any], ways: Sequence[Any], plan: str, shape: tuple[int, ...], to_pixel: np.ndarray
) -> str:
    height, width = shape[:2]
    pieces = []
    for number, way in enumerate(ways):
        if not way:
            continue
        points = np.c_[np.asarray(way, float), np.ones(len(way))] @ to_pixel.T
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = COLOURS[number % len(COLOURS)]
        pieces.append(f'<polyline points="{line}" stroke="{colour}"/>')
        pieces.append(f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="6" fill="{colour}"/>')
    result = row["result"]
    if "goals" in result:
        present = [goal for goal in result["goals"] if not goal["absent"]]
        words = f"{sum(goal['success'] for goal in present)} of {len(present)} found, {result['num_steps']} actions"
    else:
        words = f"{result['share']:.1%} after {result['num_steps']} actions"
    return (
        f'<figure><svg viewBox="0 0 {width} {height}"><image href="{plan}" width="{width}" height="{height}"/>'
        f'<g class="way">{"".join(pieces)}</g></svg><figcaption><b>{escaped(row["planner"])}</b> {words}</figcaption>'
        "</figure>"
    )


def _goals(rows: Sequence[Mapping[str, Any]], limit: int = 200) -> str:
    """What came of every goal of ours, failures first."""
    found = [
        (row, goal) for row in rows if row["planner"] == "ours" for goal in row["result"]["goals"] if not goal["absent"]
    ]
    found.sort(key=lambda pair: (pair[1]["success"], pair[1]["spl"]))
    table = [
        (
            f"{row['house']}/{row['number']}",
            goal["kind"],
            goal["text"] or f"a picture of a {goal['category']}",
            "yes" if goal["success"] else "no",
            f"{goal['spl']:.2f}",
            f"{goal['distance_m']:.2f}",
            f"{goal['steps']}",
            goal["reason"],
        )
        for row, goal in found[:limit]
    ]
    if not table:
        return "<p>ours did not play.</p>"
    more = f'<p class="small">The first {limit} of {len(found)}.</p>' if len(found) > limit else ""
    head = ("house", "kind", "goal", "found", "SPL", "left, m", "actions", "its last word")
    return f"<details><summary>{len(found)} goals, failures first</summary>{html_table(head, table)}{more}</details>"
