"""Experiments with teams of robots: counted rounds, bytes and collisions; the same on Ray; goals that others saw."""

from functools import partial
from pathlib import Path

import pytest

from placecell.benchmarks.alignment import summary as alignment_summary
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.benchmarks.experiment_report import write_report
from placecell.benchmarks.robots import RobotsSettings, aggregate, play, robots, summary

SETTINGS = RobotsSettings(max_steps=6, side_px=32)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return robots(Runner(tmp_path_factory.mktemp("robots")), SETTINGS, [2_000_050], (1, 2))


def test_teams_are_counted_in_rounds_and_bytes(result: dict, tmp_path: Path) -> None:
    assert result["teams"]["1"]["bytes_per_robot_step"] == {}
    assert set(result["teams"]["2"]["bytes_per_robot_step"]) >= {"inform", "query", "claim"}
    assert result["teams"]["2"]["quarantined"] == 0
    # Nobody sees 95 % in six rounds: both count as given up.
    assert result["ratios"]["2"]["value"] == 1.0 and result["teams"]["2"]["reached"] == 0
    assert result["teams"]["2"]["share"]["value"] > result["teams"]["1"]["share"]["value"]
    text = summary(result)
    assert "rounds to 95%" in text and "bytes of 2 robots by kind" in text
    assert "Robots that explore together" in write_report(tmp_path, result).read_text()


def test_a_mark_is_given_for_four(result: dict) -> None:
    rows = [
        {"house": 1, "number": 0, "planner": size, "result": _row(steps)} for size, steps in (("1", 200), ("4", 60))
    ]
    found = aggregate(rows, SETTINGS)
    assert found["ratios"]["4"]["value"] == 0.3 and list(found["marks"].values()) == [True]
    with pytest.raises(ValueError, match="1 or more"):
        robots(Runner(Path("nowhere")), SETTINGS, [1], (0,))


def _row(steps: int) -> dict:
    return {
        "steps": steps, "reached": True, "share": 0.95, "curve": [0.5, 0.95], "rounds": steps, "bytes": {"inform": 10},
        "collisions": {"walls": 1}, "quarantined": 0, "aligned": 0, "ms_per_turn": 1.0,
    }  # fmt: skip


def test_alignment_says_what_was_wrong() -> None:
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    text = alignment_summary(
        {
            "houses": [1, 2], "detector": "masks", "aligned": figure, "num_tries": 9, "aligned_at_the_end": figure,
            "wrong": 0, "strangers": 1, "strangers_aligned": 0, "error_m": figure, "error_deg": figure,
        }
    )  # fmt: skip
    assert "privileged" in text and "wrong by more than 0.5 m or 10 degrees: 0" in text


def test_lost_robots_are_not_aligned_by_six_rounds() -> None:
    settings = RobotsSettings(max_steps=6, side_px=32, knows_frames=False)
    row = play(settings, Episode(2_000_050, 0, "2"))
    assert row["aligned"] == 0 and row["quarantined"] == 0 and row["rounds"] == 6
    known = {"house": 1, "number": 0, "planner": "2", "result": row}
    found = aggregate([known], settings)
    assert "0 % of the pairs of 2 robots" in summary(found) and found["privileged"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves processes to themselves
def test_episodes_on_ray_say_the_same(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the [team] extra")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        episodes = episodes_of([2_000_050], 1, ["1", "2"])
        here = Runner(tmp_path / "here").run({}, episodes, partial(play, SETTINGS))
        there = Runner(tmp_path / "ray", cluster="local").run({}, episodes, partial(play, SETTINGS))
        for one, other in zip(here, there, strict=True):
            assert one["episode"] == other["episode"]
            one["result"].pop("ms_per_turn"), other["result"].pop("ms_per_turn")
            assert one["result"] == other["result"]
    finally:
        ray.shutdown()
