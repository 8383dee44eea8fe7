"""The localise benchmark: its truth is what was in view, its questions are fair, its figures follow from them."""

from pathlib import Path

import numpy as np
import pytest

from placecell.benchmarks.house_walks import FPS, Walk, film_walk, questions_of, sides_px
from placecell.benchmarks.localise import PEERS, run, summary
from placecell.envs.house import CATALOGUE, House
from placecell.perception.video import Video

SEED = 2_000_100


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return film_walk(SEED, tmp_path_factory.mktemp("walk") / "walk.mp4", 4.0)


def test_sides_are_those_of_the_box_around_what_is_seen() -> None:
    rng = np.random.default_rng(0)
    semantic = rng.choice([0, 3, 11, 12, 40], size=(24, 32), p=[0.9, 0.08, 0.01, 0.005, 0.005]).astype(np.int32)
    expected = {}
    for number in np.unique(semantic[semantic >= 10]).tolist():
        y, x = np.nonzero(semantic == number)
        sides = int(np.ptp(y)) + 1, int(np.ptp(x)) + 1
        expected[number] = (max(sides), min(sides))
    assert sides_px(semantic) == expected and expected


def test_a_film_lasts_as_long_as_its_ground_truth(walk: Walk) -> None:
    with Video.open(walk.path) as video:
        assert video.info.duration_s == pytest.approx(walk.duration_s, abs=1 / FPS)
        assert (video.info.width, video.info.height) == (320, 240)
    assert walk.num_frames == len(walk.sightings) == 32
    assert {thing for frame in walk.sightings for thing in frame} <= set(walk.kinds)


def test_what_is_asked_for_was_in_view_and_what_is_absent_is_not_in_the_house(walk: Walk) -> None:
    questions = questions_of(walk, np.random.default_rng(0))
    things = House.generate(SEED).objects
    names = {f"{t.colour} {t.category}" if CATALOGUE[t.category].colour_asked else t.category for t in things}
    categories = {t.category for t in things}
    present = [q for q in questions if q.kind == "present"]
    assert present and len(questions) <= 2 * len(present)
    for question in present:
        assert question.phrase in names
        assert max(end - start for start, end in question.spans_s) + 1 / FPS >= 1.0
        for start, end in question.spans_s:
            for number in range(round(start * FPS), round(end * FPS) + 1):
                seen = walk.sightings[number]
                assert any(seen[i][0] >= 32 and question.phrase.endswith(walk.kinds[i][0]) for i in seen)
        first = question.spans_s[0][0]
        assert question.is_right(first, 0.0) and not question.is_right(walk.duration_s + 9.0, 0.5)
    for question in questions[len(present) :]:
        assert question.phrase not in names and not question.spans_s
        has_kind = any(question.phrase.endswith(name) for name in categories)
        assert has_kind or question.kind == "absent category"
        assert question.kind != "absent colour" or has_kind


def test_a_quick_run_gives_every_figure_and_the_memory_beats_chance(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    result = run(seed=0, say=lines.append, num_houses=2, seconds=11.0, first_seed=SEED, workers=1)
    assert result["minutes"] == pytest.approx(22 / 60, abs=0.01) and len(lines) == 3
    found = result["recall_at_5"]
    assert set(found) == {"placecell", *PEERS}
    for mark in found.values():
        assert 0.0 <= mark["low"] <= mark["value"] <= mark["high"] <= 1.0
    assert found["placecell"]["value"] >= found["random"]["value"]
    assert result["auroc"]["placecell"]["all"]["value"] > 0.6  # the same question mostly scores higher when it is there
    assert 0.0 <= result["calibration_error"] <= 1.0
    assert result["mp4_bytes"] > 10_000 and result["memory_bytes"] > 10_000
    assert set(result["marks"].values()) <= {True, False}
    text = summary(result)
    assert all(name in text for name in ("placecell", "whole", "random", "reader: right within 1 s"))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="peers of this benchmark are tiles, whole, random, blind, got faiss"):
        run(peers=["faiss"])
    with pytest.raises(ValueError, match="must be positive"):
        run(num_houses=0)


def test_films_are_the_same_every_time(walk: Walk, tmp_path: Path) -> None:
    again = film_walk(SEED, tmp_path / "again.mp4", 1.0)
    assert again.kinds == walk.kinds and again.sightings == walk.sightings[:8]
