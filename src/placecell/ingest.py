"""From a video, or a folder of videos, to records in a memory: decode, encode, cut into events, write.

The work is cut into batches. Each batch is committed together with a journal entry that holds what is needed to go on
(the next moment's time and the state of the event detector), so a run that was stopped anywhere, by Ctrl-C or by
`kill -9`, continues inside the video and ends with the records that an undisturbed run would have written.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from placecell.clock import format_time
from placecell.errors import VideoError
from placecell.memory.memory import Memory
from placecell.perception.encoders import Encoder
from placecell.perception.events import SceneTiler
from placecell.perception.observation import Observation
from placecell.perception.subtitles import Cue, find_sidecar, read_embedded, read_subtitles
from placecell.perception.tiles import encode_moments
from placecell.perception.video import Frame, Video

__all__ = ["IngestReport", "IngestSettings", "Progress", "ingest", "video_files"]

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".flv", ".3gp"}


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What decides which records a video gives; with the video's content and the encoder it is the key of a run.

    Args:
        every_s: Seconds between kept moments.
        start_s: Where in the video to begin, seconds.
        end_s: Where to stop; None is the end.
        subtitles: "auto" (a file beside the video, else an embedded track), "off", or a subtitle file.
        picture_side: Longest side, pixels, of the picture kept as evidence; 0 keeps none.
        batch_size: Moments encoded and committed together.
    """

    every_s: float = 1.0
    start_s: float = 0.0
    end_s: float | None = None
    subtitles: str = "auto"
    picture_side: int = 320
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not self.every_s > 0:
            raise ValueError(f"every_s must be positive, got {self.every_s}")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"--to must lie after --from = {format_time(self.start_s)}, got {format_time(self.end_s)}")

    def key(self, content_key: str, encoder_name: str) -> str:
        """Name of a run: the same content, encoder and sampling give the same key, whatever the file is called."""
        sampling = [self.every_s, self.start_s, self.end_s, self.subtitles]
        text = json.dumps([content_key, encoder_name, sampling], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class IngestReport:
    """What one video gave."""

    source: str
    agent_id: str
    state: str  # "ready", "unchanged" (was in already) or "empty"
    duration_s: float = 0.0
    num_moments: int = 0
    num_texts: int = 0
    num_events: int = 0
    resumed_at_s: float | None = None
    seconds: float = 0.0
    times_real_time: float = 0.0
    plan: str = ""
    notes: list[str] = field(default_factory=list)
    rss_mb: list[tuple[float, float]] = field(default_factory=list)  # (seconds of video, resident megabytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for a progress bar."""

    source: str
    at_s: float
    start_s: float
    end_s: float


def video_files(source: Path) -> list[Path]:
    """The video itself, or the videos of a folder, sorted by path.

    Raises:
        VideoError: If there is no such file, or the folder holds no video.
    """
    if not source.exists():
        raise VideoError(f"no such file or folder: {source}")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    if not found:
        raise VideoError(f"no video in {source}: looked for {', '.join(sorted(VIDEO_SUFFIXES))}")
    return found


def ingest(
    source: str | Path,
    memory: Memory,
    settings: IngestSettings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Write what one video shows and says into `memory`; go on where an earlier run stopped.

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
    with Video.open(path) as video:
        key = settings.key(video.info.content_key, memory.encoder_name)
        state = _read_journal(memory, key)
        agent_id = state.get("agent_id") or f"{path.stem.replace('/', '_') or 'video'}-{key[:8]}"
        report = IngestReport(source=str(path), agent_id=agent_id, state="ready", duration_s=video.info.duration_s)
        if state.get("done"):
            report.state = "unchanged"
            report.seconds = time.perf_counter() - began
            return report
        run = _Run(video, path, memory, settings, key, agent_id, state, report, on_progress)
        run.go()
    report.seconds = time.perf_counter() - began
    covered = (report.duration_s if settings.end_s is None else min(settings.end_s, report.duration_s)) - (
        report.resumed_at_s or settings.start_s
    )
    report.times_real_time = max(covered, 0.0) / max(report.seconds, 1e-9)
    return report


class _Run:
    """One pass over one video. Moments wait in `pending` until the event detector has decided about them."""

    def __init__(
        self,
        video: Video,
        path: Path,
        memory: Memory,
        settings: IngestSettings,
        key: str,
        agent_id: str,
        state: dict[str, Any],
        report: IngestReport,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.video, self.memory, self.settings, self.key, self.agent_id = video, memory, settings, key, agent_id
        self.report, self.on_progress, self.path = report, on_progress, path
        self.encoder: Encoder = memory.encoder
        self.tiler = SceneTiler()
        if "tiler" in state:
            self.tiler.load_state_dict(state["tiler"])
        self.next_s: float = state.get("next_s", settings.start_s)
        if self.next_s > settings.start_s:
            report.resumed_at_s = self.next_s
        self.end_s = settings.end_s if settings.end_s is not None else float("inf")
        self.cues = deque(cue for cue in self._cues() if self.next_s <= cue.start_s < self.end_s)
        self.pending: deque[tuple[dict[str, Any], Observation]] = deque()  # (detector before it, moment)
        self.boundaries: set[float] = set()

    def go(self) -> None:
        report, settings = self.report, self.settings
        plan = self.video.plan(settings.every_s, start_s=self.next_s, end_s=settings.end_s)
        report.plan = f"{plan.kind}: {plan.reason}"
        size = _working_size(self.video.info.width, self.video.info.height, self.encoder.image_size)
        last_s = None
        for frames in _batches(self.video.frames(plan, size=size), settings.batch_size):
            vectors = encode_moments(self.encoder, [frame.rgb for frame in frames])
            for frame, vector in zip(frames, vectors, strict=True):
                self._push(frame, vector)
            last_s = frames[-1].stamp_s
            self._commit(final=False)
            self._tell(last_s)
        self.boundaries.update(self.tiler.flush())
        self._commit(final=True)
        if self.video.damage:
            report.notes.extend(self.video.damage_lines())
        if last_s is None and report.resumed_at_s is None and not report.num_texts:
            raise VideoError(f"no frame between {format_time(settings.start_s)} and the end decodes in {self.path}")
        self._tell(self.video.info.duration_s)

    def _push(self, frame: Frame, vectors: np.ndarray) -> None:
        before = self.tiler.state_dict()
        self.boundaries.update(self.tiler.push(frame.stamp_s, vectors[0]))
        moment = Observation(
            stamp_s=frame.stamp_s,
            end_s=frame.stamp_s + self.settings.every_s,
            agent_id=self.agent_id,
            rgb=_shrunk(frame.rgb, self.settings.picture_side) if self.settings.picture_side else None,
            embeddings=vectors,
            source=str(self.path),
        )
        self.pending.append((before, moment))

    def _commit(self, final: bool) -> None:
        """Write the moments that the detector has decided about, and the words said up to them, in one transaction."""
        keep = 0 if final else self.tiler.lookahead
        ready: list[Observation] = []
        while len(self.pending) > keep:
            _, moment = self.pending.popleft()
            is_start = moment.stamp_s in self.boundaries
            self.boundaries.discard(moment.stamp_s)
            self._take_cues(ready, moment.stamp_s)
            ready.append(_marked(moment, is_start))
            self.report.num_events += is_start
            self.report.num_moments += 1
        if final:
            self._take_cues(ready, self.end_s)
        if not ready and not final:
            return
        state: dict[str, Any] = {"agent_id": self.agent_id, "source": str(self.path), "done": final}
        if self.pending:
            before, moment = self.pending[0]
            state.update(next_s=moment.stamp_s, tiler=before)
        self.memory.observe_many(ready, journal={f"ingest:{self.key}": json.dumps(state)})

    def _take_cues(self, ready: list[Observation], up_to_s: float) -> None:
        while self.cues and self.cues[0].start_s <= up_to_s:
            cue = self.cues.popleft()
            ready.append(
                Observation(
                    stamp_s=cue.start_s,
                    end_s=cue.end_s,
                    agent_id=self.agent_id,
                    text=cue.text,
                    source=str(self.path),
                )
            )
            self.report.num_texts += 1

    def _cues(self) -> Sequence[Cue]:
        wanted = self.settings.subtitles
        if wanted == "off":
            return ()
        sidecar = find_sidecar(self.path) if wanted == "auto" else Path(wanted)
        if sidecar is not None:
            subtitles = read_subtitles(sidecar)
        elif self.video.info.subtitle_tracks:
            subtitles = read_embedded(self.path)
        else:
            return ()
        if subtitles.skipped:
            self.report.notes.append(f"subtitles: {len(subtitles.skipped)} broken rows skipped in {sidecar or self.path}")
        return subtitles.cues

    def _tell(self, at_s: float) -> None:
        self.report.rss_mb.append((round(at_s, 3), round(resident_mb(), 1)))
        if self.on_progress is not None:
            end_s = min(self.end_s, self.video.info.duration_s)
            self.on_progress(Progress(str(self.path), min(at_s, end_s), self.settings.start_s, end_s))


def _read_journal(memory: Memory, key: str) -> dict[str, Any]:
    text = memory.journal(f"ingest:{key}")
    return {} if text is None else dict(json.loads(text))


def _marked(moment: Observation, is_start: bool) -> Observation:
    object.__setattr__(moment, "is_event_start", is_start)  # ours alone until it is written; spares a second check
    return moment


def _working_size(width: int, height: int, image_size: int) -> tuple[int, int]:
    """Frame size whose half-size tiles still fill the encoder: twice its input on the short side, never enlarged."""
    scale = min(1.0, 2 * image_size / min(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))


def _shrunk(rgb: np.ndarray, side: int) -> np.ndarray:
    import cv2

    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Lists of up to `size` frames, decoded in a second thread while the caller encodes; at most three wait."""
    waiting: queue.Queue[list[Frame] | BaseException | None] = queue.Queue(maxsize=3)
    stop = threading.Event()

    def put(item: list[Frame] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.2)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            batch: list[Frame] = []
            for frame in frames:
                if stop.is_set():
                    return
                batch.append(frame)
                if len(batch) == size:
                    put(batch)
                    batch = []
            if batch:
                put(batch)
            put(None)
        except BaseException as error:  # handed to the caller, who raises it
            put(error)

    thread = threading.Thread(target=decode, name="placecell-decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def resident_mb() -> float:
    """Resident memory of this process in megabytes (its peak where the system does not tell the present value)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import os

    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
