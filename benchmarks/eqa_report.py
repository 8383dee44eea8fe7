"""What the page on questions about houses shows: right answers by category, refusals, answers with their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from placecell.benchmarks import bootstrap
from placecell.benchmarks.page_parts import escaped, html_table
from placecell.benchmarks.plots import COLOURS, bars

__all__ = ["answer_cards", "eqa_sections"]

_METHODS: Final = {"placecell": "ours", "active": "active", "frames": "frames", "blind": "blind"}
_SHORT: Final = {
    "object recognition": "objects",
    "attribute recognition": "attributes",
    "spatial understanding": "space",
    "object state recognition": "states",
    "functional reasoning": "uses",
    "world knowledge": "knowledge",
    "object localization": "where",
    "change": "change",
}
_PER_CATEGORY: Final = 3


def eqa_sections(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and contents of the page's sections, from what `placecell.benchmarks.eqa.eqa` gave."""
    categories = result["categories"]
    total = {**result["methods"], "active": result["active"]["right"], "num_questions": result["num_answerable"]}
    rows = {**categories, "all": total}
    series = {name: [row.get(method) for row in rows.values()] for method, name in _METHODS.items()}
    colours = dict(zip(series, COLOURS, strict=False))
    plot = bars([_SHORT.get(name, name) for name in rows], series, 1.0, 100, "", colours)
    table = html_table(
        ("category", "n", "ours", "active", f"{result['settings']['frames']} frames", "blind"),
        [
            (name, str(row["num_questions"]), *(_percent(row.get(method)) for method in _METHODS))
            for name, row in rows.items()
        ],
    )
    words = (
        '<p class="small">Questions that the house answers. <b>ours</b>: after the exploration, from at most '
        f"{result['pictures']['most']} pictures an answer. <b>active</b>: what it said on the way, as soon as it was "
        "sure (never of changes, which come later). <b>frames</b>: evenly spaced pictures without a map, the same "
        "encoder. <b>blind</b>: what was right in other houses, nothing seen.</p>"
    )
    sections = [("Right answers, %", f"{plot}{table}{words}"), ("Refusing, and stopping when sure", _sureness(result))]
    if result.get("judged"):
        sections.append(("OpenEQA's score", _judged(result["judged"])))
    forms = [(name, f"{row['right']} of {row['num_questions']}") for name, row in result["templates"].items()]
    thirds = [forms[i::3] for i in range(3)]
    columns = "".join(f"<div>{html_table(('form of question', 'ours right'), part)}</div>" for part in thirds)
    sections.append(("Forms of questions", f'<div class="three">{columns}</div>'))
    return sections


def answer_cards(rows: Sequence[Mapping[str, Any]]) -> str:
    """An answer of each category with its pictures, from the first houses: the first question that had any."""
    cards: dict[str, list[str]] = {}
    for row in rows:
        for asked in row["result"]["questions"]:
            of_category = cards.setdefault(asked["category"], [])
            if asked.get("pictures") and len(of_category) < _PER_CATEGORY:
                of_category.append(_card(row["house"], asked))
    shown = [card for of_category in cards.values() for card in of_category]
    return f'<div class="answers">{"".join(shown)}</div>' if shown else ""


def _card(house: int, asked: Mapping[str, Any]) -> str:
    is_right = asked["right"]["placecell"]
    pictures = "".join(f'<img src="data:image/jpeg;base64,{data}" alt="evidence">' for data in asked["pictures"])
    truth = "" if is_right else f", truly <b>{escaped(asked['answer'])}</b>"
    return (
        f'<article><h3>{escaped(asked["question"])}</h3><p><b class="{"ok" if is_right else "bad"}">'
        f"{escaped(asked['said']['placecell'])}</b>{truth} <span>chance {asked['probability']:.2f}</span></p>"
        f'<div class="evidence">{pictures}</div><p class="small">{escaped(asked["category"])}, house {house}; '
        f"frames: {escaped(asked['said']['frames'])}, blind: {escaped(asked['said']['blind'])}</p></article>"
    )


def _sureness(result: Mapping[str, Any]) -> str:
    active = result["active"]
    rows = []
    if "refusal" in result:
        refusal = result["refusal"]
        rows += [
            (f"questions without an answer that it refuses, % (n {refusal['num_unanswerable']})",
             _percent(refusal["refused"])),
            ("AUROC of the chance that it gives: answerable against not", bootstrap.shown(refusal["auroc"])),
        ]  # fmt: skip
    rows += [
        ("right answers of the one that stops when sure, %", _percent(active["right"])),
        ("share of the exploration that it took, %", _percent(active["steps_share"])),
        ("questions answered before the end of the exploration, %", f"{100 * active['early']:.1f}"),
        ("steps to explore, and later after the changes", " and ".join(f"{n:.0f}" for n in result["steps"])),
        ("pictures an answer, mean", f"{result['pictures']['mean']}"),
        ("milliseconds an answer, median", f"{result['ms_per_answer']}"),
    ]
    return html_table(("figure", "value"), rows)


def _judged(scores: Mapping[str, Any]) -> str:
    from placecell.benchmarks.openeqa_judge import judged_words

    words = "".join(f"<p>{escaped(line)}</p>" for line in judged_words(scores))
    rows = [
        (name, str(row["num_questions"]), bootstrap.shown(row, 1, 1))
        for name, row in scores.get("by_category", {}).items()
    ]
    return words + html_table(("category", "n", "score, 0 to 100"), rows)


def _percent(figure: Mapping[str, float] | None) -> str:
    return "" if figure is None else bootstrap.shown(figure, 100, 1)
