"""What answers about houses add up to, in figures, in words and on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from placecell.benchmarks.eqa import EqaSettings
from placecell.benchmarks.eqa_figures import aggregate, summary
from placecell.benchmarks.experiment_report import render_report, write_report

PIXEL = "/9j/4AAQSkZJRg=="


def asked(number: int, category: str, is_right: bool, is_answerable: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"1:form:{number}",
        "category": category,
        "question": "Is the <sofa> red?",
        "answer": "yes" if is_answerable else "unanswerable",
        "is_answerable": is_answerable,
        "reply": "yes, it is",
        "said": {"placecell": "yes" if is_right else "no", "blind": "no", "frames": "yes"},
        "right": {"placecell": is_right, "blind": False, "frames": True},
        "probability": 0.9 if is_answerable else 0.1,
        "num_pictures": 2,
        "evidence": ["robot/1", "robot/2"],
        "seconds": 0.01,
        **more,
    }


def rows() -> list[dict[str, Any]]:
    early = {"active": {"step": 50, "said": "yes", "right": True}, "pictures": [PIXEL, PIXEL]}
    questions = [
        asked(0, "world knowledge", True, **early),
        asked(1, "world knowledge", False, active={"step": 100, "said": "no", "right": False}),
        asked(2, "change", True),
        asked(3, "change", True, is_answerable=False),
    ]
    result = {"questions": questions, "num_steps": [100, 40]}
    return [{"episode": f"{house}/0/placecell", "house": house, "number": 0, "result": result} for house in (1, 2)]


def test_figures_are_shares_by_category_and_method() -> None:
    result = aggregate(rows(), EqaSettings())
    assert (result["num_questions"], result["num_answerable"]) == (8, 6)
    assert result["methods"]["placecell"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    knowledge, change = result["categories"]["world knowledge"], result["categories"]["change"]
    assert knowledge["placecell"]["value"] == knowledge["active"]["value"] == 0.5 and knowledge["num_questions"] == 4
    assert change["placecell"]["value"] == 1.0 and "active" not in change
    assert result["refusal"]["auroc"]["value"] == 1.0 and result["active"]["steps_share"]["value"] == 0.75
    assert result["templates"] == {"form": {"right": 4, "num_questions": 6}}
    assert "AUROC of the chance 1.000" in summary(result) and "MISSED: right >= 85%" in summary(result)


def test_the_page_shows_the_table_and_the_pictures_of_an_answer(tmp_path: Path) -> None:
    result = aggregate(rows(), EqaSettings(detector="masks"))
    result["judged"] = {
        "judge": "m", "num_questions": 8, "score": {"value": 50.0, "low": 40.0, "high": 60.0}, "num_empty": 0,
        "num_unreadable": 0, "num_failed": 0, "num_not_asked": 0, "error": "",
        "by_category": {"change": {"num_questions": 2, "value": 25.0, "low": 25.0, "high": 25.0}},
    }  # fmt: skip
    page = render_report(result, rows())
    assert page.count("Is the &lt;sofa&gt; red?") == 2 and page.count(PIXEL) == 4  # one answer of each house
    for words in ("world knowledge", "50.0 [50.0, 50.0]", "AUROC", "OpenEQA&#x27;s score 50.0", "masks and names"):
        assert words in page
    assert "<h2>Some answers" not in render_report(result)  # without the lines there are no pictures
    written = write_report(tmp_path, result)
    assert written.name == "report.html" and (tmp_path / "result.json").is_file()
