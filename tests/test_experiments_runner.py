"""The runner of experiments: nothing that was played is lost or played twice, whatever interrupts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.benchmarks import bootstrap
from placecell.benchmarks.episodes import (
    CONFIGURATION,
    EPISODES,
    Episode,
    ExperimentError,
    Runner,
    episodes_of,
    read_episodes,
)

EPISODES_6 = episodes_of([5, 6, 7], 1, ["ours", "random"])


def play(episode: Episode) -> dict[str, Any]:
    return {"drawn": int(np.random.default_rng(episode.seed(3)).integers(1000))}


def test_a_line_for_each_episode_and_the_configuration_beside_them(tmp_path: Path) -> None:
    rows = Runner(tmp_path).run({"seed": 3, "sizes": (1, 2)}, EPISODES_6, play)
    assert [row["episode"] for row in rows] == [episode.name for episode in EPISODES_6]
    assert read_episodes(tmp_path) == rows
    assert json.loads((tmp_path / CONFIGURATION).read_text()) == {"seed": 3, "sizes": [1, 2]}


def test_the_seed_is_the_houses_and_not_the_planners() -> None:
    assert Episode(5, 0, "ours").seed(3) == Episode(5, 0, "random").seed(3)
    assert len({Episode(h, n).seed(s) for h in range(5) for n in range(5) for s in range(5)}) == 125


@given(cut=st.integers(1, 400))
def test_a_torn_line_is_dropped_and_its_episode_replayed(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    whole = [row["result"] for row in Runner(folder).run({"seed": 3}, EPISODES_6, play)]
    data = (folder / EPISODES).read_bytes()
    (folder / EPISODES).write_bytes(data[: max(0, len(data) - cut)])
    played: list[str] = []

    def counted(episode: Episode) -> dict[str, Any]:
        played.append(episode.name)
        return play(episode)

    rows = Runner(folder, resume=True).run({"seed": 3}, EPISODES_6, counted)
    assert [row["result"] for row in rows] == whole
    assert len(played) == len(EPISODES_6) - data[: max(0, len(data) - cut)].count(b"\n")
    assert len(read_episodes(folder)) == len(EPISODES_6)


def test_a_used_folder_is_refused_without_resume_and_another_configuration_always(tmp_path: Path) -> None:
    Runner(tmp_path).run({"seed": 3, "steps": 500}, EPISODES_6[:2], play)
    with pytest.raises(ExperimentError, match=r"holds 2 episodes: --resume goes on"):
        Runner(tmp_path).run({"seed": 3, "steps": 500}, EPISODES_6, play)
    with pytest.raises(ExperimentError, match=r"made with steps = 500, not 400: give the same"):
        Runner(tmp_path, resume=True).run({"seed": 3, "steps": 400}, EPISODES_6, play)
    with pytest.raises(ExperimentError, match=r"made with steps = 500, not null"):
        Runner(tmp_path, resume=True).run({"seed": 3}, EPISODES_6, play)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    Runner(tmp_path).run({}, EPISODES_6[:2], play)
    lines = (tmp_path / EPISODES).read_text().splitlines()
    (tmp_path / EPISODES).write_text("\n".join([lines[0][:20], lines[1], ""]))
    with pytest.raises(ExperimentError, match="line 1 is no episode"):
        Runner(tmp_path, resume=True).run({}, EPISODES_6, play)


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    def nested(episode: Episode) -> dict[str, Any]:
        with pytest.raises(ExperimentError, match="another process writes"):
            Runner(tmp_path, resume=True).run({}, EPISODES_6, play)
        return {}

    Runner(tmp_path).run({}, EPISODES_6[:1], nested)


def test_a_failing_episode_leaves_the_others(tmp_path: Path) -> None:
    def failing(episode: Episode) -> dict[str, Any]:
        if episode.house == 6:
            raise ValueError("no way")
        return play(episode)

    with pytest.raises(ValueError, match="no way"):
        Runner(tmp_path).run({}, EPISODES_6, failing)
    assert [row["house"] for row in read_episodes(tmp_path)] == [5, 5]
    with pytest.raises(ValueError, match="same house"):
        Runner(tmp_path).run({}, [Episode(1), Episode(1)], play)


_SLOW = """
import sys, time
from pathlib import Path
from placecell.benchmarks.episodes import Runner, episodes_of

def play(episode):
    time.sleep(0.05)
    return {"house": episode.house}

Runner(Path(sys.argv[1]), resume=True).run({}, episodes_of(range(400), 1, ["ours"]), play)
"""


def test_what_was_played_survives_a_kill(tmp_path: Path) -> None:
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", _SLOW, str(tmp_path)])
        before = (tmp_path / EPISODES).stat().st_size if (tmp_path / EPISODES).exists() else 0
        for _ in range(600):
            time.sleep(0.02)
            if (tmp_path / EPISODES).exists() and (tmp_path / EPISODES).stat().st_size > before + 200:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = read_episodes(tmp_path)
    assert len(kept) >= 4
    houses = [row["house"] for row in kept]
    assert houses == list(range(len(kept)))


def test_intervals_hold_the_value_and_widen_with_what_houses_share() -> None:
    rng = np.random.default_rng(0)
    house = np.repeat(np.arange(40), 10)
    alike = np.repeat(rng.normal(size=40), 10)
    single = rng.normal(size=400)
    for values in (alike, single):
        figure = bootstrap.mean(house, values)
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["value"] == pytest.approx(values.mean(), abs=1e-4)
    wide, narrow = bootstrap.mean(house, alike), bootstrap.mean(house, single)
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])
    paired = bootstrap.difference(house, alike + 0.1, alike)
    assert paired == {"value": 0.1, "low": 0.1, "high": 0.1}
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap.mean([], [])
