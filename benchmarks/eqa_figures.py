"""What answers to questions about houses add up to: shares that are right, refusals, steps; as figures and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from placecell.benchmarks import bootstrap
from placecell.benchmarks.eqa_questions import CATEGORIES
from placecell.benchmarks.eqa_visits import PICTURES
from placecell.benchmarks.openeqa_judge import judged_words
from placecell.memory.calibration import auroc

if TYPE_CHECKING:
    from placecell.benchmarks.eqa import EqaSettings

__all__ = ["METHODS", "aggregate", "summary"]

METHODS: Final = ("placecell", "blind", "frames")
MARK, MARK_AUROC = 0.85, 0.90


def aggregate(rows: Sequence[Mapping[str, Any]], settings: EqaSettings) -> dict[str, Any]:
    """Shares of right answers by category and method, with 95 % intervals over houses, and what it took."""
    flat = [(row["house"], asked) for row in rows for asked in row["result"]["questions"]]
    closed = [(house, asked) for house, asked in flat if asked["is_answerable"]]
    absent = [(house, asked) for house, asked in flat if not asked["is_answerable"]]
    result: dict[str, Any] = {
        "experiment": "eqa",
        "settings": asdict(settings),
        "houses": sorted({row["house"] for row in rows}),
        "num_questions": len(flat),
        "num_answerable": len(closed),
        "privileged": {"placecell": ["masks and names of things"]} if settings.detector == "masks" else {},
        "methods": {name: _figures(closed, name) for name in METHODS},
        "categories": {
            category: {name: _figures(part, name) for name in METHODS}
            | _active_by_category(part)
            | {"num_questions": len(part)}
            for category in CATEGORIES
            if (part := [pair for pair in closed if pair[1]["category"] == category])
        },
        "templates": {
            name: {"right": sum(own), "num_questions": len(own)} for name, own in sorted(_by_template(closed))
        },
        "pictures": {
            "most": max(asked["num_pictures"] for _, asked in flat),
            "mean": round(float(np.mean([asked["num_pictures"] for _, asked in flat])), 2),
        },
        "ms_per_answer": round(1e3 * float(np.median([asked["seconds"] for _, asked in flat])), 2),
        "steps": [round(float(np.mean([row["result"]["num_steps"][i] for row in rows])), 1) for i in (0, 1)],
        "active": _active_figures(rows),
    }
    if absent:
        houses = np.array([house for house, _ in flat])
        chance = np.array([asked["probability"] for _, asked in flat])
        there = np.array([asked["is_answerable"] for _, asked in flat])
        result["refusal"] = {
            "num_unanswerable": len(absent),
            "refused": bootstrap.mean([h for h, _ in absent], [asked["right"]["placecell"] for _, asked in absent]),
            "auroc": bootstrap.interval(
                houses,
                lambda drawn: auroc(chance[drawn[there[drawn]]].tolist(), chance[drawn[~there[drawn]]].tolist()),
                there,
                ~there,
            ),
        }
    result["marks"] = {f"right >= {MARK:.0%} with <= {PICTURES} pictures": bool(
        result["methods"]["placecell"]["value"] >= MARK and result["pictures"]["most"] <= PICTURES
    )}  # fmt: skip
    if absent:
        result["marks"][f"AUROC of refusing >= {MARK_AUROC}"] = result["refusal"]["auroc"]["value"] >= MARK_AUROC
    return result


def _figures(pairs: Sequence[tuple[int, Mapping[str, Any]]], method: str) -> dict[str, float]:
    return bootstrap.mean([house for house, _ in pairs], [asked["right"][method] for _, asked in pairs])


def _by_template(pairs: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[str, list[bool]]]:
    groups: dict[str, list[bool]] = {}
    for _, asked in pairs:
        groups.setdefault(asked["question_id"].split(":")[1], []).append(asked["right"]["placecell"])
    yield from groups.items()


def _active_by_category(pairs: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """What it said when it first was sure; nothing for changes, which are asked after the second visit."""
    asked = [(house, row["active"]["right"]) for house, row in pairs if "active" in row]
    return {"active": bootstrap.mean([h for h, _ in asked], [right for _, right in asked])} if asked else {}


def _active_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Right answers and steps of the agent that stops when it is sure."""
    found = [
        (row["house"], asked["active"], row["result"]["num_steps"][0])
        for row in rows
        for asked in row["result"]["questions"]
        if "active" in asked and asked["is_answerable"]
    ]
    houses = [house for house, _, _ in found]
    return {
        "right": bootstrap.mean(houses, [active["right"] for _, active, _ in found]),
        "steps_share": bootstrap.mean(houses, [min(active["step"] / max(n, 1), 1.0) for _, active, n in found]),
        "early": round(float(np.mean([active["step"] < n for _, active, n in found])), 4),
    }


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    houses, settings = result["houses"], result["settings"]
    lines = [
        f"{result['num_questions']} questions in {len(houses)} houses ({houses[0]} to {houses[-1]}), seed "
        f"{settings['seed']}, detector {settings['detector']}; right answers in %, 95 % intervals over houses",
        f"{'category':28}{'n':>5}{'placecell':>22}{'blind':>22}{str(settings['frames']) + ' frames':>22}",
    ]
    shown = partial(bootstrap.shown, scale=100, digits=1)
    for name, row in result["categories"].items():
        figures = "".join(f"{shown(row[method]):>22}" for method in METHODS)
        lines.append(f"{name:28}{row['num_questions']:>5}{figures}")
    figures = "".join(f"{shown(result['methods'][method]):>22}" for method in METHODS)
    lines.append(f"{'all':28}{result['num_answerable']:>5}{figures}")
    if "refusal" in result:
        refusal = result["refusal"]
        lines.append(
            f"unanswerable: {refusal['num_unanswerable']}, refused {shown(refusal['refused'])} %; AUROC of the chance "
            f"{bootstrap.shown(refusal['auroc'])}"
        )
    active = result["active"]
    lines.append(
        f"stopping when sure: {shown(active['right'])} % right after {shown(active['steps_share'])} % of the steps"
    )
    lines.append(
        f"at most {result['pictures']['most']} pictures an answer (mean {result['pictures']['mean']}); "
        f"{result['ms_per_answer']} ms an answer; {result['steps'][0]} steps to explore, {result['steps'][1]} later"
    )
    privileged = ", ".join(result["privileged"].get("placecell", ())) or "nothing"
    lines.append(f"privileged: {privileged}; the pose is exact, as with Habitat's GPS and compass")
    if "judged" in result:
        lines += judged_words(result["judged"])
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
