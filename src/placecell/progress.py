"""What an ingest tells: where it stands, as a bar or as lines, and what came of it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from placecell.clock import format_time

__all__ = ["IngestBar", "IngestReport", "Progress", "resident_mb"]

_LINE_EVERY_S = 10.0


@dataclass(slots=True)
class IngestReport:
    """What one video gave.

    Attributes:
        source: The video file.
        agent_id: Under which name its records stand in the memory.
        state: "done", or "unchanged" if it was in the memory already.
        duration_s: Length of the video.
        num_moments: Moments in the memory, those of earlier, interrupted runs included.
        num_texts: Subtitle cues, likewise.
        num_events: Events that the moments were cut into, likewise.
        num_vectors: Vectors of each moment: 1 for the whole view, and one of each tile.
        resumed_at_s: Where in the video this run went on from; None for the beginning.
        seconds: How long this run took.
        times_real_time: Seconds of video per second of this run.
        plan: How the video was read, and why so.
        damage: Spans `(from_s, to_s)` that did not decode cleanly.
        stage_seconds: What this run spent decoding, encoding and writing; they overlap.
        notes: Lines for people.
        rss_mb: `(seconds of video, resident megabytes)` over the run; at most 128 samples.
    """

    source: str
    agent_id: str
    state: str = "done"
    duration_s: float = 0.0
    num_moments: int = 0
    num_texts: int = 0
    num_events: int = 0
    num_vectors: int = 0
    resumed_at_s: float | None = None
    seconds: float = 0.0
    times_real_time: float = 0.0
    plan: str = ""
    damage: list[tuple[float, float]] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rss_mb: list[tuple[float, float]] = field(default_factory=list)

    def summary(self, memory: str | Path = "the memory") -> str:
        """The report in one line."""
        if self.state == "unchanged":
            return f"{self.source}: is in {memory} already ({self.num_moments} moments), nothing to do"
        onward = "" if self.resumed_at_s is None else f", went on from {format_time(self.resumed_at_s)}"
        return (
            f"{self.source}: {self.num_moments} moments, {self.num_texts} texts, {self.num_events} events "
            f"in {self.seconds:.1f} s ({self.times_real_time:.0f} x real time){onward}"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for a progress bar; all in seconds of the video."""

    source: str
    at_s: float
    start_s: float
    end_s: float


class IngestBar:
    """On a terminal a bar; elsewhere a line every ten seconds, so that logs stay readable."""

    def __init__(self, name: str) -> None:
        self._name, self._last_line_s = name, time.monotonic()
        self._bar: Any = None
        self._began: tuple[float, float] | None = None  # (wall clock, seconds of video) of the first report

    def __enter__(self) -> IngestBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, progress: Progress) -> None:
        """Show where the run stands."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, progress.at_s)
        rate = (progress.at_s - self._began[1]) / max(now - self._began[0], 1e-6)
        if sys.stderr.isatty():
            if self._bar is None:
                from tqdm import tqdm  # only a terminal needs it

                self._bar = tqdm(
                    total=round(progress.end_s - progress.start_s),
                    desc=self._name[:32],
                    unit="s",
                    bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} s  {postfix}  ETA {remaining}",
                    leave=False,
                )
            self._bar.set_postfix_str(f"{rate:.0f} x real time, {resident_mb():.0f} MB", refresh=False)
            self._bar.update(round(progress.at_s - progress.start_s) - self._bar.n)
        elif now - self._last_line_s >= _LINE_EVERY_S:
            self._last_line_s = now
            left_s = (progress.end_s - progress.at_s) / max(rate, 1e-6)
            print(
                f"placecell: {self._name}: {format_time(progress.at_s)} of {format_time(progress.end_s)}, "
                f"{rate:.0f} x real time, {left_s:.0f} s left, {resident_mb():.0f} MB",
                file=sys.stderr,
                flush=True,
            )


def resident_mb() -> float:
    """Resident memory of this process in megabytes (its peak where the system does not tell the present value)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
