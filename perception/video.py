"""Read a video at the pace that a memory needs: true stamps, right way up, and only the frames that are wanted.

Stamps are the file's own (presentation stamp x time base), never `frame number / rate`, so uneven frame times stay
uneven. What is damaged is passed over and reported; what decodes is kept.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8

from placecell.errors import VideoError
from placecell.perception.demux import PacketReader
from placecell.perception.plan import PacketIndex, Plan, make_plan, plan_stamps

__all__ = ["Frame", "SubtitleTrack", "Video", "VideoInfo", "content_key"]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        stamp_s: When it is first shown, seconds from the start of the video.
        rgb: The picture, right way up.
        is_damaged: Whether the data at or before it, back to its keyframe, did not decode cleanly.
    """

    stamp_s: float
    rgb: UInt8[np.ndarray, "h w 3"]
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """A subtitle track inside a video file; `track` counts from 0 among the subtitle tracks."""

    track: int
    language: str
    codec: str
    title: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is.

    Attributes:
        duration_s: When the last frame that could be read ends, seconds.
        width: Pixels across, as shown (after rotation).
        height: Pixels down, as shown.
        rotation_deg: Clockwise turn that shows the stored picture upright: 0, 90, 180 or 270.
        codec: Short name, for example "h264".
        mean_fps: Frames per second over the whole; 0 for a single frame.
        is_variable_rate: Whether frames are unevenly spaced.
        num_frames: Frames shown.
        num_keyframes: Packets at which decoding can start.
        subtitle_tracks: Tracks inside the file.
        has_audio: Whether there is sound.
        content_key: See `content_key`.
    """

    duration_s: float
    width: int
    height: int
    rotation_deg: int
    codec: str
    mean_fps: float
    is_variable_rate: bool
    num_frames: int
    num_keyframes: int
    subtitle_tracks: tuple[SubtitleTrack, ...]
    has_audio: bool
    content_key: str


def content_key(path: str | os.PathLike[str]) -> str:
    """Name of a file's content: the same for copies and renamed files, whatever their name or date.

    Files up to 32 MiB are hashed whole; of larger ones the size and 256 blocks of 64 KiB, spread evenly and including
    both ends, so the answer takes well under 0.3 s for any size.

    Raises:
        VideoError: If there is no such file.
    """
    file = _existing(path)
    digest = hashlib.blake2b(digest_size=16)
    size = file.stat().st_size
    digest.update(size.to_bytes(8, "little"))
    with file.open("rb") as stream:
        if size <= 512 * _BLOCK:
            for block in iter(lambda: stream.read(16 * _BLOCK), b""):
                digest.update(block)
        else:
            for i in range(256):
                stream.seek((size - _BLOCK) * i // 255)
                digest.update(stream.read(_BLOCK))
    return digest.hexdigest()


class Video:
    """A video file, opened for reading at any pace from any moment.

    Use `Video.open`. Opening decodes one frame, so a `Video` always has something to show; the index of its packets is
    made on first need (about 1.3 s per hour of video) and shared by everything after. Iterators are independent.

    Attributes:
        path: The file.
        codec: Short name of the codec.
        stream_index: Which of the file's streams is shown.
        damage: Spans `(from_s, to_s)` that did not decode, as far as was read; sorted and merged.

    Example:
        >>> import tempfile
        >>> from placecell.perception.clips import VideoWriter
        >>> path = tempfile.mkdtemp() + "/grey.mp4"
        >>> with VideoWriter(path, fps=10, size=(64, 48)) as writer:
        ...     for _ in range(30):
        ...         writer.write(np.full((48, 64, 3), 128, np.uint8))
        >>> with Video.open(path) as video:
        ...     [frame.stamp_s for frame in video.frames(every_s=1.0)]
        [0.0, 1.0, 2.0]
    """

    def __init__(self, path: Path, num_threads: int) -> None:
        self.path = path
        self.damage: list[tuple[float, float]] = []
        self._num_threads = num_threads
        with PacketReader(path, num_threads) as reader:
            first = reader.first_frame()
            self.stream_index = int(reader.stream.index)
            self.codec = str(reader.stream.codec_context.name)
            self._turn, self._mirror = _orientation(first)
            self._stored_size = (int(first.width), int(first.height))
            self._has_audio = bool(reader.container.streams.audio)
            self._tracks = tuple(
                SubtitleTrack(i, s.language or "", s.codec_context.name if s.codec_context else "", _title(s))
                for i, s in enumerate(reader.container.streams.subtitles)
            )

    @classmethod
    def open(cls, path: str | os.PathLike[str], num_threads: int = 1) -> Video:
        """Open a video file.

        Args:
            path: The file.
            num_threads: Threads that decode. One is the most video per core; more are sooner done with one file. 0
                means one per core.

        Raises:
            VideoError: If there is no such file, it is a folder or no video, has sound only, or holds no frame that
                decodes.
            ValueError: If `num_threads` is negative.
        """
        if num_threads < 0:
            raise ValueError(f"num_threads must not be negative, got {num_threads}")
        return cls(_existing(path), num_threads)

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the index; open files belong to iterators and are closed with them."""
        self.__dict__.pop("index", None)

    @cached_property
    def index(self) -> PacketIndex:
        """Stamps and keyframes of all packets."""
        with PacketReader(self.path, self._num_threads) as reader:
            index, missing = reader.read_index()
        for packet in np.flatnonzero(index.is_broken):
            self._add_damage(float(index.stamps_s[packet]), index.next_key_s(int(packet)))
        for from_s, to_s in missing:
            self._add_damage(from_s, to_s)
        return index

    @cached_property
    def info(self) -> VideoInfo:
        """What the video is; reads the index."""
        shown_s = self.index.shown_s
        width, height = self.display_size
        span_s = float(shown_s[-1] - shown_s[0])
        return VideoInfo(
            duration_s=self.index.duration_s,
            width=width,
            height=height,
            rotation_deg=self._turn,
            codec=self.codec,
            mean_fps=(len(shown_s) - 1) / span_s if span_s > 0 else 0.0,
            is_variable_rate=_is_uneven(shown_s, self.index.tick[0] / self.index.tick[1]),
            num_frames=len(shown_s),
            num_keyframes=int(self.index.is_key.sum()),
            subtitle_tracks=self._tracks,
            has_audio=self._has_audio,
            content_key=content_key(self.path),
        )

    @property
    def display_size(self) -> tuple[int, int]:
        """`(width, height)` as shown, after rotation."""
        width, height = self._stored_size
        return (width, height) if self._turn % 180 == 0 else (height, width)

    def damage_lines(self) -> list[str]:
        """For people: one line per damaged span, saying from where to where; none if nothing is known to be damaged."""
        return [f"{self.path.name}: damaged from {_clock(a)} to {_clock(b)}" for a, b in self.damage]

    def plan(
        self,
        every_s: float | int = 1.0,
        start_s: float | int = 0.0,
        end_s: float | int | None = None,
        exact: bool = False,
    ) -> Plan:
        """Choose how to read the video once every `every_s` seconds; see `placecell.perception.plan.make_plan`."""
        return make_plan(self.index, every_s, start_s, end_s, exact)

    def frames(
        self,
        every_s: float | int | Plan = 1.0,
        start_s: float | int = 0.0,
        end_s: float | int | None = None,
        size: tuple[int, int] | None = None,
        exact: bool = False,
    ) -> Iterator[Frame]:
        """Frames in the order of time, decoded as they are asked for.

        Args:
            every_s: Seconds between wanted moments, counted from the start of the video, 0 for every frame; or a plan
                made before, which then says all but the size.
            start_s: Frames stamped before are left out. A run that stopped after a frame goes on with that frame's
                stamp plus anything, and gets the same frames that it would have got.
            end_s: Frames stamped from here on are left out.
            size: `(width, height)` of the pictures, reached in one step from the decoder's own; None keeps the video's.
            exact: See `plan`.

        Raises:
            ValueError: If an argument makes no sense.
        """
        chosen = every_s if isinstance(every_s, Plan) else self.plan(every_s, start_s, end_s, exact)
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f"size must be (width, height) of at least one pixel, got {size}")
        return self._decode(chosen, size)

    def frames_at(
        self, stamps_s: Sequence[float | int] | np.ndarray, size: tuple[int, int] | None = None
    ) -> Iterator[Frame]:
        """The frames on display at the given moments, exactly, in the order of time, each once."""
        return self.frames(plan_stamps(self.index, np.asarray(stamps_s, np.float64).reshape(-1)), size=size)

    def _decode(self, plan: Plan, size: tuple[int, int] | None) -> Iterator[Frame]:
        convert = _Converter(size, self._turn, self._mirror)
        bounds = np.searchsorted(plan.stamps_s, self.index.stamps_s[plan.groups[:, 0]])
        with PacketReader(self.path, self._num_threads, plan.skips_loop_filter) as reader:
            for group, begin, end in zip(plan.groups, bounds, [*bounds[1:], len(plan)], strict=False):
                yield from self._decode_group(reader, plan, group, plan.targets[begin:end], convert)

    def _decode_group(
        self, reader: PacketReader, plan: Plan, group: np.ndarray, targets: np.ndarray, convert: _Converter
    ) -> Iterator[Frame]:
        """Decode one stretch and hand out its targets; what fails is noted down and passed over."""
        index = self.index
        wanted = {int(index.pts[t]): float(index.stamps_s[t]) for t in targets}
        broken = np.flatnonzero(index.is_broken[group[0] : group[1] + 1]) + group[0]
        bad_from_s = float(index.stamps_s[broken].min(initial=math.inf))
        for packet, frames in reader.decode(index, int(group[0]), int(group[1]), plan.needed):
            if frames is None:  # this packet did not decode: what leans on it may look wrong up to the next keyframe
                at_s = float(index.stamps_s[packet])
                bad_from_s = min(bad_from_s, at_s)
                self._add_damage(at_s, index.next_key_s(packet))
                continue
            for frame in frames:
                stamp_s = wanted.pop(frame.pts, None) if frame.pts is not None else None
                if frame.is_corrupt and frame.pts is not None:
                    at_s = index.seconds(frame.pts)
                    bad_from_s = min(bad_from_s, at_s)
                    self._add_damage(at_s, index.next_key_s(packet))
                if stamp_s is not None:
                    yield Frame(stamp_s, convert(frame), stamp_s >= bad_from_s)
        for stamp_s in wanted.values():
            row = int(np.searchsorted(index.shown_s, stamp_s + 1e-9))
            until_s = float(index.shown_s[row]) if row < len(index.shown_s) else index.duration_s
            self._add_damage(stamp_s, until_s)

    def _add_damage(self, from_s: float, to_s: float) -> None:
        merged: list[tuple[float, float]] = []
        for a, b in sorted([*self.damage, (from_s, max(from_s, to_s))]):
            if merged and a <= merged[-1][1] + 1e-6:
                merged[-1] = (merged[-1][0], max(merged[-1][1], b))
            else:
                merged.append((a, b))
        self.damage[:] = merged


class _Converter:
    """Turns decoded frames into upright RGB of the wanted size, in one pass of the scaler."""

    def __init__(self, size: tuple[int, int] | None, turn: int, mirror: bool) -> None:
        self.size, self.turn, self.mirror = size, turn, mirror
        self.scaler = VideoReformatter()  # keeps its tables from frame to frame

    def __call__(self, frame: Any) -> UInt8[np.ndarray, "h w 3"]:
        width, height = frame.width, frame.height
        if self.size is not None:
            width, height = self.size if self.turn % 180 == 0 else self.size[::-1]
        # Area averages what a small pixel covers. FAST_BILINEAR reads two pixels of it and costs half, but its
        # pictures differ from the averaged ones by five times as much as all other shortcuts together.
        shrinks = width < frame.width or height < frame.height
        method = Interpolation.AREA if shrinks else Interpolation.BICUBIC
        rgb = self.scaler.reformat(frame, width, height, "rgb24", interpolation=method).to_ndarray()
        if self.mirror:
            rgb = rgb[:, ::-1]
        if self.turn:
            rgb = np.rot90(rgb, -self.turn // 90)
        return np.ascontiguousarray(rgb)


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.exists():
        raise VideoError(f"{file}: no such file")
    if file.is_dir():
        raise VideoError(f"{file}: expected a video file, this is a folder")
    return file


def _orientation(frame: Any) -> tuple[int, bool]:
    """Clockwise turn in degrees, and whether to mirror left and right before it, from the display matrix."""
    return round(-frame.rotation / 90) * 90 % 360, False


def _is_uneven(stamps_s: np.ndarray, tick_s: float) -> bool:
    steps = np.diff(stamps_s)
    if len(steps) < 2:
        return False
    usual = float(np.median(steps))
    return bool((np.abs(steps - usual) > max(0.1 * usual, 1.5 * tick_s)).any())


def _title(stream: Any) -> str:
    return str(stream.metadata.get("title", ""))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60.0)
    return f"{int(minutes) // 60:d}:{int(minutes) % 60:02d}:{rest:06.3f}"
