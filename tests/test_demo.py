"""The demonstration: its questions, its map, its page, and (slow) the whole of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from placecell.demo import DemoResult, run_demo
from placecell.demo_map import UNKNOWN, Layer, Map, View, draw, plain_map_of
from placecell.demo_questions import Sightings
from placecell.memory.places import Places
from placecell.report import render
from placecell.report_parts import Branch, Card, Event, Evidence, GoalCard, Growth, MovedCard, Question, Report, Shot

PICTURE = np.full((24, 32, 3), 90, np.uint8)
STOP = Evidence(PICTURE, "the mug that it stopped at, seen 3 s before", 4.0)


def a_map() -> Map:
    base = np.full((60, 80, 3), UNKNOWN, np.uint8)
    base[10:50, 10:70] = 250
    return Map(
        base,
        (0.0, 0.0),
        0.05,
        rooms=[("kitchen", (2.0, 1.5))],
        doors=[(0.5, 1.0)],
        things=[("mug", (1.0, 1.0)), ("mug", (1.02, 1.0)), ("a <b>", (3.0, 2.0))],
        views=[View(1, (2.0, 2.0), 0.0, "snapshot 1")],
        frontiers=[(3.4, 1.0)],
        floor_m2=6.0,
    )


def a_report() -> Report:
    card = Card("live", "yes", True, 0.9, 3.0, (Evidence(PICTURE, "0:01", 1.0, box=(0.1, 0.1, 0.5, 0.5)),))
    question = Question("Is there a mug?", "yes", (card, replace(card, memory="from the video", is_right=False)))
    way = [(1.0, 1.0), (2.0, 1.0), (3.0, 2.0)]
    goal = GoalCard("category", "mug", None, True, [("its way", "1 m")], "1", "at mug", STOP, way, way)
    return Report(
        title="A house",
        lead="Lead.",
        drawn=a_map(),
        way=way,
        duration_s=10.0,
        growth=[Growth(2.0, a_map(), way[:2])],
        goals=[goal, replace(goal, kind="picture", image=PICTURE, is_right=False)],
        moved=MovedCard(False, "the mug", "It noticed nothing of it.", ("the bed is gone",), None, None, (), way),
        shots=[Shot(1, PICTURE, ["mug"], [(0.0, 0.0, 0.5, 0.5)])],
        branches=[Branch("kitchen 1", "2 things", [("mug", 2)])],
        levels=[[(0.0, 10.0, 20)]],
        events=[("live", [Event(0.0, 10.0, PICTURE)])],
        questions=[question],
        figures=[("per step", "70 ms")],
    )


class _Tags(HTMLParser):
    """Opening and closing tags must match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_spans_join_frames_that_follow_each_other() -> None:
    sightings = Sightings(0.25)
    sightings.stamps = {1: [0.0, 0.25, 0.5, 2.0], 2: [0.75]}
    assert sightings.spans([1]) == ((0.0, 0.5), (2.0, 2.0))
    assert sightings.spans([1, 2]) == ((0.0, 0.75), (2.0, 2.0))
    assert sightings.spans([3]) == ()


def test_the_map_is_drawn_to_scale_and_cut_to_what_is_known() -> None:
    drawn = draw(a_map(), [Layer([(1.0, 1.0), (2.0, 1.0)]), Layer([(2.0, 1.0)], "mark", "S")])
    assert 'viewBox="0 0 350 250"' in drawn  # 3 x 2 m and a margin, 100 units to the metre
    assert 'points="75.0,75.0 175.0,75.0"' in drawn
    assert "a &lt;b&gt;" in drawn and "<b>" not in drawn


def test_labels_on_the_map_do_not_hide_each_other() -> None:
    crowd = replace(a_map(), things=[("wardrobe", (2.0 + 0.01 * i, 1.0)) for i in range(30)], views=(), rooms=())
    spots = [(float(x), float(y)) for x, y in re.findall(r'class="label" x="([\d.-]+)" y="([\d.-]+)"', draw(crowd))]
    assert 1 <= len(spots) < 30
    for i, (x, y) in enumerate(spots):
        assert all(abs(x - a) > 60 or abs(y - b) > 14 for a, b in spots[:i])
    assert draw(crowd).count("<title>wardrobe</title>") == 30


def test_a_map_of_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="no floor is known"):
        plain_map_of(Places())


def test_the_page_is_whole_and_shows_failures_as_failures() -> None:
    page = render(a_report())
    tags = _Tags()
    tags.feed(page)
    assert not tags.open
    text = text_of(page)
    assert "1 of 2 goals found" in text and "0 of 1 moved things noticed" in text and "1 of 2 answers right" in text
    assert "not found" in text and "not noticed" in text and "wrong" in text
    assert "the bed is gone" in text and "mug 2" in text
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)


def test_a_result_is_right_only_if_everything_is() -> None:
    good = {
        "is_right": True,
        "kind": "category",
        "text": "mug",
        "reason": "",
        "truth": "",
        "said": "",
        "memory": "live",
    }
    good |= {"question": "?", "answer": "!"}
    moved = good | {"wrongly_told": []}
    result = DemoResult(Path("r"), Path("v"), [good], [good] * 3, moved, {})
    assert result.is_right
    for part in ({"rows": [good | {"is_right": False}]}, {"goals": [good] * 2}, {"moved": moved | {"is_right": False}}):
        assert not replace(result, **part).is_right
    assert "NOT noticed" in replace(result, moved=moved | {"is_right": False}).summary()


@pytest.mark.slow
def test_the_demonstration_runs_and_is_mostly_right_on_its_own_house(tmp_path: Path) -> None:
    lines: list[str] = []
    result = run_demo(tmp_path, say=lines.append)
    assert len(result.rows) == 17 and len(result.goals) == 3 and len(lines) > 5
    assert sum(row["is_right"] for row in result.rows) >= 14, result.summary()
    assert sum(goal["is_right"] for goal in result.goals) >= 2, result.summary()
    tags = _Tags()
    tags.feed(result.report.read_text(encoding="utf-8"))
    assert not tags.open
