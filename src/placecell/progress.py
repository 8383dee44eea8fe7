"""A progress bar for ingests: seconds of video, times real time, time left, resident memory."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

from placecell.clock import format_time
from placecell.ingest import Progress, resident_mb

__all__ = ["IngestBar"]

_LINE_EVERY_S = 10.0


class IngestBar:
    """On a terminal a bar; elsewhere a line every ten seconds, so that logs stay readable."""

    def __init__(self, name: str) -> None:
        self._name, self._bar, self._last_line_s = name, None, time.monotonic()
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
