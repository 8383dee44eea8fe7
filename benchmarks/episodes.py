"""Run many episodes: one JSON line each, in a folder that survives `kill -9` and goes on where it was.

The configuration is written first, beside the lines. A line is on disk before the next episode begins; a line that was
cut off by a crash is dropped, and its episode played again. An episode's result depends on its own seed and the
configuration alone, so that a run that was interrupted ten times, or had two processes, says the same.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from placecell.errors import PlacecellError

__all__ = ["CONFIGURATION", "EPISODES", "Episode", "ExperimentError", "Runner", "episodes_of", "read_episodes"]

CONFIGURATION: Final = "configuration.json"
EPISODES: Final = "episodes.jsonl"
_LINE_EVERY_S: Final = 10.0

Play = Callable[["Episode"], dict[str, Any]]


class ExperimentError(PlacecellError):
    """A folder of results is damaged, in use, or belongs to another experiment."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One thing to play: by whom, in which house, the how-manieth there.

    Args:
        house: Seed of the house.
        number: Which episode of this house, from 0 on.
        planner: Who plays it. All planners play the same episodes: the seed does not depend on it.
    """

    house: int
    number: int = 0
    planner: str = ""

    @property
    def name(self) -> str:
        """Its key in the folder."""
        return f"{self.house}/{self.number}/{self.planner}"

    def seed(self, base: int = 0) -> int:
        """Seed of all that is drawn in the episode, the same for every planner.

        Args:
            base: Seed of the experiment.
        """
        return int(np.random.SeedSequence([self.house, self.number, base]).generate_state(1)[0])


def episodes_of(houses: Sequence[int], num_each: int, planners: Sequence[str]) -> list[Episode]:
    """Every planner in every house, house by house, so that what is done early can be compared."""
    return [Episode(house, i, planner) for house in houses for i in range(num_each) for planner in planners]


@dataclass(frozen=True, slots=True)
class Runner:
    """How episodes are played, and where their lines go.

    Args:
        folder: Where the lines are; made if absent.
        resume: Go on in a folder that holds episodes already.
        workers: Processes.
        cluster: Play on Ray instead, at this address ("local" for one on this machine).
        say: Told how it goes where there is no terminal for a progress bar.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = Runner(folder).run({"steps": 3}, episodes_of([7, 8], 1, ["ours"]), lambda e: {"steps": e.house})
        >>> [row["result"]["steps"] for row in rows], len(read_episodes(folder))
        ([7, 8], 2)
    """

    folder: Path
    resume: bool = False
    workers: int = 1
    cluster: str | None = None
    say: Callable[[str], None] = lambda line: None

    def run(
        self,
        configuration: Mapping[str, Any],
        episodes: Sequence[Episode],
        play: Play,
        shown: Callable[[Mapping[str, Any]], str] = lambda row: "",
    ) -> list[dict[str, Any]]:
        """Play what has not been played, and return every episode's line, in the order of `episodes`.

        Args:
            configuration: All that the results depend on, as plain JSON values.
            episodes: What to play; names must differ.
            play: Plays one; returns plain JSON values. With several workers or a cluster it must be picklable.
            shown: A few words on one line's result, for the progress bar.

        Raises:
            ExperimentError: If the folder is in use, damaged, holds episodes and `resume` is False, or belongs to
                another configuration.
            ValueError: If two episodes have one name, or `workers` is not positive.
        """
        names = [episode.name for episode in episodes]
        if len(set(names)) != len(names):
            raise ValueError("two episodes have the same house, number and planner")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder) as lines:
            done = {row["episode"]: row for row in _mend(lines, self.folder / EPISODES)}
            _check_configuration(self.folder, configuration, done, self.resume)
            left = [episode for episode in episodes if episode.name not in done]
            if done and left:
                self.say(f"{len(names) - len(left)} of {len(names)} episodes are done already")
            with _Bar(len(names), len(names) - len(left), self.say) as bar:
                for row in self._played(left, play):
                    _append(lines, row)
                    done[row["episode"]] = row
                    bar.update(row, shown(row["result"]))
        return [done[name] for name in names]

    def _played(self, episodes: Sequence[Episode], play: Play) -> Iterator[dict[str, Any]]:
        if self.cluster is not None:
            return _played_on_ray(episodes, play, self.cluster)
        return _played(episodes, play, self.workers)


def read_episodes(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder, a torn last one left out.

    Raises:
        ExperimentError: If there are none, or one is damaged.
    """
    path = folder / EPISODES
    if not path.is_file():
        raise ExperimentError(f"no episodes in {folder}: expected a file {EPISODES}")
    return _parsed(path.read_bytes(), path)[0]


# --- the file --------------------------------------------------------------------------------------------------------


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    with (folder / EPISODES).open("a+b") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExperimentError(f"another process writes {folder}: wait for it, or name another --output") from None
        yield lines


def _mend(lines: IO[bytes], path: Path) -> list[dict[str, Any]]:
    """Read the lines, and cut a torn one off the end of the file."""
    lines.seek(0)
    rows, num_bytes = _parsed(lines.read(), path)
    lines.truncate(num_bytes)
    return rows


def _parsed(data: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Rows, and the bytes that hold whole ones."""
    end = data.rfind(b"\n") + 1
    rows = []
    for number, line in enumerate(data[:end].splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("episode"), str) or "result" not in row:
            raise ExperimentError(f"{path}: line {number} is no episode: delete the line, and the episode is replayed")
        rows.append(row)
    return rows, end


def _append(lines: IO[bytes], row: Mapping[str, Any]) -> None:
    lines.write(json.dumps(row, allow_nan=False).encode() + b"\n")
    lines.flush()
    os.fsync(lines.fileno())


def _check_configuration(folder: Path, configuration: Mapping[str, Any], done: Mapping[str, Any], resume: bool) -> None:
    path, wanted = folder / CONFIGURATION, json.loads(json.dumps(configuration))
    if done and not resume:
        raise ExperimentError(
            f"{folder} holds {len(done)} episodes: --resume goes on with them, or name another --output"
        )
    if done:
        try:
            written = json.loads(path.read_text())
        except (OSError, ValueError):
            raise ExperimentError(
                f"{folder} holds episodes but no readable {CONFIGURATION}: name another --output"
            ) from None
        for key in sorted(written.keys() | wanted.keys()):
            if written.get(key) != wanted.get(key):
                before, now = json.dumps(written.get(key)), json.dumps(wanted.get(key))
                raise ExperimentError(
                    f"{folder} was made with {key} = {before}, not {now}: give the same options, or another --output"
                )
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps(wanted, indent=1) + "\n")
    part.replace(path)


# --- playing ---------------------------------------------------------------------------------------------------------


def _play_one(play: Play, episode: Episode) -> dict[str, Any]:
    began = time.perf_counter()
    result = play(episode)
    seconds = round(time.perf_counter() - began, 2)
    return {"episode": episode.name, **asdict(episode), "seconds": seconds, "result": result}


def _played(episodes: Sequence[Episode], play: Play, workers: int) -> Iterator[dict[str, Any]]:
    if workers == 1 or len(episodes) < 2:
        for episode in episodes:
            yield _play_one(play, episode)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(episodes)), mp_context=context) as pool:
        jobs = [pool.submit(_play_one, play, episode) for episode in episodes]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def _played_on_ray(episodes: Sequence[Episode], play: Play, address: str) -> Iterator[dict[str, Any]]:
    """Episodes as they are done, each a task on one core; one whose machine dies is played again."""
    if not episodes:
        return
    from placecell.memory.ray_transport import ray_module

    ray = ray_module(address)
    task = ray.remote(_play_one).options(num_cpus=1, max_retries=2)
    shared = ray.put(play)
    jobs = [task.remote(shared, episode) for episode in episodes]
    try:
        while jobs:
            done, jobs = ray.wait(jobs)
            yield ray.get(done[0])
    finally:
        for job in jobs:
            ray.cancel(job, force=True)


class _Bar:
    """On a terminal a bar; elsewhere a line every ten seconds."""

    def __init__(self, total: int, done: int, say: Callable[[str], None]) -> None:
        self._total, self._done, self._say = total, done, say
        self._last_line_s = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # only a terminal needs it

            self._bar = tqdm(total=total, initial=done, unit="episode", leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, row: Mapping[str, Any], words: str) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.set_postfix_str(f"{row['episode']} {words}", refresh=False)
            self._bar.update()
        elif self._done == self._total or time.monotonic() - self._last_line_s >= _LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            self._say(f"{self._done} of {self._total} episodes; {row['episode']} {words} ({row['seconds']:.0f} s)")
