"""From a video, or a folder of videos, to records in a memory: decode, encode, cut into events, write.

The work is cut into batches. Each batch is committed together with a journal entry that holds what is needed to go on
(the next moment's time and the state of the event detector), so a run that was stopped anywhere, by Ctrl-C or by
`kill -9`, continues inside the video and ends with the records that an undisturbed run would have written.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from placecell.errors import VideoError
from placecell.memory.memory import Memory
from placecell.perception.encoders import Encoder
from placecell.perception.events import SceneTiler
from placecell.perception.observation import Observation
from placecell.perception.subtitles import Cue, find_sidecar, read_embedded, read_subtitles
from placecell.perception.tiles import encode_moments
from placecell.perception.video import Frame, Video, content_key
from placecell.pipeline import Stopwatch, ahead, in_batches
from placecell.progress import IngestReport, Progress, resident_mb
from placecell.settings import IngestSettings

__all__ = ["DAMAGED", "IngestReport", "IngestSettings", "Progress", "ingest", "place_of", "video_files"]

DAMAGED = "damaged"  # label of moments whose picture did not decode cleanly

_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".flv", ".3gp")
_MAX_SAMPLES = 128  # of resident memory, in a report


def video_files(source: Path) -> list[Path]:
    """The video itself, or the videos of a folder and the folders in it, sorted by path.

    Raises:
        VideoError: If there is no such file, or the folder holds no video.
    """
    if not source.exists():
        raise VideoError(f"no such file or folder: {source}")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not found:
        raise VideoError(f"no video in {source}: looked for {', '.join(_SUFFIXES)}")
    return found


def ingest(
    source: str | Path,
    memory: Memory,
    settings: IngestSettings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Write what one video shows and says into `memory`; go on where an earlier run stopped.

    A video that is in already, under whatever name, is not opened again.

    Raises:
        VideoError: If the file is missing, is no video, or holds no frame that decodes.
        EncoderMismatchError: If the memory belongs to another encoder.

    Example:
        >>> report = ingest("walk.mp4", Memory.open("walk.memory"))  # doctest: +SKIP
        >>> report.num_moments  # doctest: +SKIP
        121
    """
    settings = settings or IngestSettings()
    path = Path(source)
    began = time.perf_counter()
    key = settings.key(content_key(path), memory.encoder_name or memory.encoder.name)
    state = _State.read(memory, key, path)
    where = _readable(os.path.abspath(path))
    report = IngestReport(source=str(path), agent_id=state.agent_id)
    if state.is_done:
        report.state = "unchanged"
        if memory.journal(_place_key(state.agent_id)) != where:  # it was moved: clips are cut out of where it is now
            memory.observe_many((), journal={_place_key(state.agent_id): where})
    else:
        with Video.open(path) as video:
            _Run(video, where, memory, settings, key, state, report, on_progress).go()
    state.tell(report)
    report.seconds = time.perf_counter() - began
    if report.state == "done":
        begin_s = settings.start_s if report.resumed_at_s is None else report.resumed_at_s
        end_s = report.duration_s if settings.end_s is None else min(settings.end_s, report.duration_s)
        report.times_real_time = max(end_s - begin_s, 0.0) / max(report.seconds, 1e-9)
    return report


def place_of(memory: Memory, agent_id: str, source: str) -> str:
    """Path of the video of a record: where it was last ingested from, else its `source`."""
    return str(memory.journal(_place_key(agent_id)) or source)


def _place_key(agent_id: str) -> str:
    return f"place:{agent_id}"


@dataclass(slots=True)
class _State:
    """What an interrupted run needs to go on; stored with every batch, in the same transaction."""

    agent_id: str
    is_done: bool = False
    duration_s: float = 0.0
    num_moments: int = 0
    num_texts: int = 0
    num_events: int = 0
    num_vectors: int = 0
    batch_s: float | None = None  # first moment of the batch that holds the next one: batches are cut alike again,
    next_s: float | None = None  # as an encoder's last bits may depend on what it encodes together
    told_s: float = -1.0  # subtitles that begin up to here are in
    tiler: dict[str, Any] | None = None
    damage: list[list[float]] = field(default_factory=list)

    @classmethod
    def read(cls, memory: Memory, key: str, path: Path) -> _State:
        stored = memory.journal(f"ingest:{key}")
        return cls(agent_id=f"{_readable(path.stem)}-{key[:8]}") if stored is None else cls(**stored)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def tell(self, report: IngestReport) -> None:
        for name in ("duration_s", "num_moments", "num_texts", "num_events", "num_vectors"):
            setattr(report, name, getattr(self, name))
        report.damage = [(a, b) for a, b in self.damage]


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A moment about which the event detector has not decided yet, and where to go on if it is the next one."""

    moment: Observation
    batch_s: float
    tiler: dict[str, Any]  # the detector before it


class _Run:
    """One pass over one video: a thread decodes, a thread encodes, and this one cuts into events and writes."""

    def __init__(
        self,
        video: Video,
        where: str,
        memory: Memory,
        settings: IngestSettings,
        key: str,
        state: _State,
        report: IngestReport,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.video, self.where, self.memory, self.settings, self.key = video, where, memory, settings, key
        self.state, self.report, self.on_progress = state, report, on_progress
        self.encoder: Encoder = memory.encoder
        self.tiler = SceneTiler()
        self.end_s = float("inf") if settings.end_s is None else float(settings.end_s)
        if state.next_s is not None:
            report.resumed_at_s = state.next_s
            self.tiler.load_state_dict(state.tiler or {})
            video.damage.extend((a, b) for a, b in state.damage if (a, b) not in video.damage)
        self.cues = deque(c for c in self._cues() if settings.start_s <= c.start_s < self.end_s)
        while self.cues and self.cues[0].start_s <= state.told_s:
            self.cues.popleft()
        self.pending: deque[_Pending] = deque()
        self.boundaries: set[float] = set()
        self.watch = Stopwatch()
        self.sample_gap_s = 0.0

    def go(self) -> None:
        state, settings = self.state, self.settings
        begin_s = settings.start_s if state.batch_s is None else state.batch_s
        plan = self.video.plan(settings.every_s, start_s=begin_s, end_s=settings.end_s)
        self.report.plan = f"{plan.kind}: {plan.reason}"
        state.duration_s = self.video.info.duration_s
        scales, size = settings.tiling(self.video.display_size, self.encoder.image_size)
        frames = self.watch.each("decode", self.video.frames(plan, size=size))
        encoded = self._encoded(ahead(in_batches(frames, settings.batch_size)), scales)
        for batch in ahead(encoded):
            self.watch.timed("write", self._take, batch)
            self._progress(batch[-1][0].stamp_s)
        self.boundaries.update(self.tiler.flush())
        self.watch.timed("write", self._commit, True)
        if not (state.num_moments or state.num_texts):
            raise VideoError(f"{self.video.path}: no frame decodes {settings.span}")
        if not state.num_moments:
            self.report.notes.append(f"{self.video.path}: no frame decodes {settings.span}; its words are kept")
        self.report.notes += self.video.damage_lines()
        self.report.stage_seconds = {stage: round(took, 3) for stage, took in self.watch.seconds.items()}
        self._progress(state.duration_s)

    def _encoded(
        self, batches: Generator[list[Frame], None, None], scales: Sequence[int]
    ) -> Iterator[list[tuple[Frame, np.ndarray]]]:
        try:
            for frames in batches:
                pictures = [frame.rgb for frame in frames]
                vectors = self.watch.timed("encode", encode_moments, self.encoder, pictures, scales)
                yield list(zip(frames, vectors, strict=True))
        finally:
            batches.close()  # stops its thread

    def _take(self, batch: list[tuple[Frame, np.ndarray]]) -> None:
        for frame, vectors in batch:
            if self.state.next_s is None or frame.stamp_s >= self.state.next_s:  # else in already
                self._push(frame, vectors, batch[0][0].stamp_s)
        self._commit(is_last=False)

    def _push(self, frame: Frame, vectors: np.ndarray, batch_s: float) -> None:
        before = self.tiler.state_dict()
        if not frame.is_damaged:  # grey blocks are no new scene
            self.boundaries.update(self.tiler.push(frame.stamp_s, vectors[0]))
        end_s = min(frame.stamp_s + self.settings.every_s, self.state.duration_s, self.end_s)
        moment = Observation(
            stamp_s=frame.stamp_s,
            end_s=max(frame.stamp_s, end_s),
            agent_id=self.state.agent_id,
            rgb=_shrunk(frame.rgb, self.settings.picture_side) if self.settings.picture_side else None,
            embeddings=vectors,
            labels=(DAMAGED,) if frame.is_damaged else (),
            source=self.where,
        )
        self.pending.append(_Pending(moment, batch_s, before))
        self.state.num_vectors = len(vectors)

    def _commit(self, is_last: bool) -> None:
        """Write the moments that the detector has decided about, and the words said up to them, in one transaction."""
        state = self.state
        keep = 0 if is_last else self.tiler.lookahead
        ready: list[Observation] = []
        while len(self.pending) > keep:
            moment = self.pending.popleft().moment
            is_start = moment.stamp_s in self.boundaries or not state.num_moments
            self.boundaries.discard(moment.stamp_s)
            self._take_cues(ready, moment.stamp_s)
            ready.append(_marked(moment, is_start))
            state.num_events += is_start
            state.num_moments += 1
        if is_last:
            self._take_cues(ready, self.end_s)
        if not ready and not is_last:
            return
        state.is_done = is_last and bool(state.num_moments or state.num_texts)
        state.damage = [[a, b] for a, b in self.video.damage]
        if self.pending:
            state.batch_s, state.next_s = self.pending[0].batch_s, self.pending[0].moment.stamp_s
            state.tiler = self.pending[0].tiler
        if is_last:
            state.batch_s = state.tiler = None
        journal = {f"ingest:{self.key}": state.to_dict(), _place_key(state.agent_id): self.where}
        self.memory.observe_many(ready, journal=journal)

    def _take_cues(self, ready: list[Observation], up_to_s: float) -> None:
        while self.cues and self.cues[0].start_s <= up_to_s:
            cue = self.cues.popleft()
            ready.append(
                Observation(
                    stamp_s=cue.start_s,
                    end_s=cue.end_s,
                    agent_id=self.state.agent_id,
                    text=cue.text,
                    source=self.where,
                )
            )
            self.state.num_texts += 1
        if np.isfinite(up_to_s):
            self.state.told_s = max(self.state.told_s, up_to_s)

    def _cues(self) -> Sequence[Cue]:
        wanted = self.settings.subtitles
        if wanted == "off":
            return ()
        sidecar = find_sidecar(self.video.path) if wanted == "auto" else Path(wanted)
        if sidecar is not None:
            subtitles = read_subtitles(sidecar)
        elif self.video.info.subtitle_tracks:
            subtitles = read_embedded(self.video.path)
        else:
            return ()
        if subtitles.skipped:
            self.report.notes.append(f"{sidecar or self.video.path}: {subtitles.skipped_line}")
        return subtitles.cues

    def _progress(self, at_s: float) -> None:
        samples = self.report.rss_mb
        if not samples or at_s - samples[-1][0] >= self.sample_gap_s:
            samples.append((round(at_s, 3), round(resident_mb(), 1)))
        if len(samples) > _MAX_SAMPLES:  # half of them, evenly, and from now on half as often
            del samples[1::2]
            self.sample_gap_s = 2 * max(self.sample_gap_s, (samples[-1][0] - samples[0][0]) / _MAX_SAMPLES)
        if self.on_progress is not None:
            end_s = min(self.end_s, self.state.duration_s)
            self.on_progress(Progress(str(self.video.path), min(at_s, end_s), self.settings.start_s, end_s))


def _marked(moment: Observation, is_start: bool) -> Observation:
    object.__setattr__(moment, "is_event_start", is_start)  # ours alone until it is written; spares a second check
    return moment


def _readable(name: str) -> str:
    """A file's name as text that can be stored: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


def _shrunk(rgb: np.ndarray, side: int) -> np.ndarray:
    import cv2

    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
