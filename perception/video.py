"""Read a video at the pace that a memory needs: true stamps, right way up, and only the frames that are wanted.

Stamps are the file's own (presentation stamp x time base), never `frame number / rate`, so uneven frame times stay
uneven. What is damaged is passed over and reported; what decodes is kept.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8

from placecell.errors import VideoError
from placecell.perception.plan import PacketIndex, Plan, make_plan, plan_stamps

__all__ = ["Frame", "SubtitleTrack", "Video", "VideoInfo", "content_key"]

#: Containers whose clock starts anywhere; their first stamp becomes zero. Others mean zero when they say it.
_FREE_CLOCKS = frozenset({"mpegts", "mpeg", "hls", "rtsp"})
#: Readers that make a "video" of any text or of a single image.
_NO_VIDEOS = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "ico"})
#: A file that ends this much before it says it would, seconds, was cut off.
_CUT_S = 0.5
#: Packets that are cheaper to read past than to seek over.
_SEEK_GAP = 200
#: Read errors without a packet in between after which the rest of a file is given up.
_MAX_READ_ERRORS = 64
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
        with _Reader(path, num_threads) as reader:
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
        with _Reader(self.path, self._num_threads) as reader:
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
        with _Reader(self.path, self._num_threads, plan.skips_loop_filter) as reader:
            for group, begin, end in zip(plan.groups, bounds, [*bounds[1:], len(plan)], strict=False):
                yield from self._decode_group(reader, plan, group, plan.targets[begin:end], convert)

    def _decode_group(
        self, reader: _Reader, plan: Plan, group: np.ndarray, targets: np.ndarray, convert: _Converter
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


class _Reader:
    """One open container and decoder; knows where in the file it stands."""

    def __init__(self, path: Path, num_threads: int, skips_loop_filter: bool = False) -> None:
        self.path, self.num_threads, self.skips_loop_filter = path, num_threads, skips_loop_filter
        self._open()

    def _open(self) -> None:
        try:
            # Without "file:", a name such as "10:30.mp4" would be taken for a protocol.
            self.container = av.open(f"file:{self.path}", metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            why = str(getattr(error, "strerror", None) or error).lower()
            raise VideoError(f"{self.path}: no video that can be read, or cut off near its start ({why})") from error
        try:
            kind = self.container.format.name
            if kind in _NO_VIDEOS or kind.endswith("_pipe"):
                raise VideoError(f"{self.path}: expected a video, this is a text or an image")
            videos = [s for s in self.container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not videos:
                what = "sound only" if self.container.streams.audio else "no pictures"
                raise VideoError(f"{self.path}: expected a video, the file holds {what}")
            best = self.container.streams.best("video")
            self.stream: Any = best if best in videos else videos[0]
            context = self.stream.codec_context
            if context is None:
                raise VideoError(f"{self.path}: no decoder for this video's codec")
            context.thread_count = self.num_threads
            context.thread_type = "NONE" if self.num_threads == 1 else "AUTO"
            if self.skips_loop_filter:
                context.options = {"skip_loop_filter": "all"}
            for other in self.container.streams:
                if other.index != self.stream.index:
                    other.discard = av.stream.Discard.all
        except BaseException:
            self.container.close()
            raise
        self.context = context
        self.packets = self._demux()
        self.position = 0

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def _demux(self) -> Iterator[Any]:
        """Packets up to the end of the file, past read errors where the container can go on."""
        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self.container.demux(self.stream):
                    if packet.size == 0:
                        continue
                    errors = 0
                    if packet.pts is None:
                        packet.pts = packet.dts  # AVI and raw streams know decoding order only
                    if packet.pts is not None:
                        yield packet
                return
            except (av.FFmpegError, OSError):
                errors += 1

    def first_frame(self) -> Any:
        """The first frame that decodes, wherever it is.

        Raises:
            VideoError: If there is none.
        """
        num_packets = 0
        for packet in itertools.chain(self._demux(), [None]):
            num_packets += packet is not None
            frames = self._feed(packet)
            if frames:
                return frames[0]
        if num_packets == 0:
            raise VideoError(f"{self.path}: the video holds no frames")
        raise VideoError(f"{self.path}: none of the video's {num_packets} packets decodes: truncated or corrupt")

    def read_index(self) -> tuple[PacketIndex, list[tuple[float, float]]]:
        """Read all packets; also the spans `(from_s, to_s)` whose packets are missing from the file."""
        pts, flags, levels, holes = array("q"), array("b"), array("b"), array("q")
        end = -1  # byte after the packet before, where the container tells
        level_of = _level_reader(self.context)
        duration = 0
        for packet in self.packets:
            pts.append(packet.pts)
            flags.append(packet.is_keyframe + 2 * (not packet.is_discard) + 4 * packet.is_corrupt)
            levels.append(level_of(packet))
            holes.append(packet.pos - end if packet.pos is not None and end >= 0 else 0)
            end = packet.pos + packet.size if packet.pos is not None else -1
            duration = packet.duration or duration
        tick, origin_s = self.stream.time_base, 0.0
        if self.container.format.name.split(",")[0] in _FREE_CLOCKS and self.container.start_time is not None:
            origin_s = self.container.start_time / av.time_base
        stamps = np.frombuffer(pts, np.int64)
        level = np.frombuffer(levels, np.int8)
        flag = np.frombuffer(flags, np.int8)
        if not duration and len(pts) > 1:
            duration = int(np.median(np.diff(np.sort(stamps))))
        index = PacketIndex(
            pts=stamps,
            is_key=(flag & 1) > 0,
            is_droppable=(level > 0) & (level == np.abs(level).max(initial=0)),
            is_shown=(flag & 2) > 0,
            is_broken=(flag & 4) > 0,
            tick=(tick.numerator, tick.denominator),
            origin_s=origin_s,
            last_duration_s=float(duration * tick),
        )
        missing = _lost(index, np.frombuffer(holes, np.int64)) if self.container.format.name[:8] == "matroska" else []
        declared_s = self._declared_s()
        if (self.stream.frames > len(pts) or declared_s - index.duration_s > _CUT_S) and declared_s > index.duration_s:
            missing.append((index.duration_s, declared_s))
        return index, missing

    def _declared_s(self) -> float:
        """When the video ends by what the file says of itself, seconds; 0 where it says nothing."""
        if self.container.format.name.split(",")[0] in _FREE_CLOCKS:
            return 0.0  # these say nothing, the reader guesses
        if self.stream.duration:
            return float(((self.stream.start_time or 0) + self.stream.duration) * self.stream.time_base)
        noted = str(self.stream.metadata.get("DURATION", "")).split(":")  # Matroska's tag, 00:00:10.040000000
        if len(noted) == 3 and all(part.replace(".", "", 1).isdigit() for part in noted):
            return int(noted[0]) * 3600 + int(noted[1]) * 60 + float(noted[2])
        is_alone = len(self.container.streams) == 1  # else sound may be what is longer
        return self.container.duration / av.time_base if is_alone and self.container.duration else 0.0

    def decode(
        self, index: PacketIndex, first: int, last: int, needed: np.ndarray
    ) -> Iterator[tuple[int, list[Any] | None]]:
        """Decode the needed packets of `first..last`; yields each packet with its frames, None where it failed."""
        self._go_to(index, first)
        self.context.flush_buffers()
        packet_row = first
        while self.position <= last:
            packet = next(self.packets, None)
            if packet is None:
                break
            packet_row = self._row(index, packet.pts)
            if packet_row < 0 or packet_row > last:
                continue
            self.position = packet_row + 1
            if packet_row >= first and needed[packet_row]:
                yield packet_row, self._feed(packet)
        yield min(packet_row, last), self._feed(None) or []

    def _row(self, index: PacketIndex, pts: int) -> int:
        """Row of a packet: the next one as a rule, looked up where the file skips."""
        if self.position < len(index) and index.pts[self.position] == pts:
            return self.position
        row = index.find(pts)
        return -1 if row is None else row

    def _go_to(self, index: PacketIndex, first: int) -> None:
        """Stand before packet `first`, by seeking where that is shorter than reading."""
        if self.position <= first < self.position + _SEEK_GAP:
            return
        try:
            self.container.seek(int(index.pts[first]), stream=self.stream, backward=True)
            self.packets = self._demux()
            head = next(self.packets, None)
            row = -1 if head is None else self._row(index, head.pts)
        except (av.FFmpegError, OSError):
            head, row = None, -1
        if head is not None and 0 <= row <= first:
            self.packets = itertools.chain([head], self.packets)
            self.position = row
        else:  # the seek went past it or nowhere: start over, which always arrives
            self.container.close()
            self._open()

    def _feed(self, packet: Any) -> list[Any] | None:
        try:
            return list(self.context.decode(packet))
        except (av.FFmpegError, OSError):
            return None


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


def _level_reader(context: Any) -> Any:
    """Function from a packet to +level if nothing at or under that temporal level leans on it, else -level."""
    extra = bytes(context.extradata or b"")
    name = context.name
    if name == "h264":
        length = (extra[4] & 3) + 1 if len(extra) > 6 and extra[0] == 1 else 0
        return lambda packet: _h264_level(memoryview(packet), length)
    if name == "hevc":
        length = (extra[21] & 3) + 1 if len(extra) > 22 and extra[0] == 1 else 0
        return lambda packet: _hevc_level(memoryview(packet), length)
    return lambda packet: 1 if packet.is_disposable else -1


def _lost(index: PacketIndex, holes: np.ndarray) -> list[tuple[float, float]]:
    """Spans whose packets a Matroska reader passed over in silence, as it does with what it cannot parse.

    A span without frames may also be a still picture. But then no bytes are missing, other than those of the other
    tracks, which flow at their usual pace.

    Args:
        index: The packets that were read.
        holes: For each the bytes of the file between it and the one before.
    """
    if len(index) < 3:
        return []
    latest = np.maximum.accumulate(index.stamps_s)[:-1]
    earliest = np.minimum.accumulate(index.stamps_s[::-1])[::-1][1:]
    gap_s = earliest - latest
    usual_s = max(float(np.median(np.diff(np.sort(index.stamps_s)))), 1e-3)
    others = float(np.median(holes[1:])) / usual_s  # bytes per second of headers and of other tracks
    rows = np.flatnonzero((gap_s > 1.5 * usual_s) & (holes[1:] > 256 + 2.0 * others * gap_s))
    return [(float(latest[row]) + usual_s, float(earliest[row])) for row in rows]


def _units(data: memoryview, length: int) -> Iterator[int]:
    """Offsets of a packet's NAL units: after a length field of so many bytes, or after a start code where 0."""
    at = 0
    if length:
        while at + length + 1 < len(data):
            yield at + length
            at += length + int.from_bytes(data[at : at + length], "big")
    else:
        raw = bytes(data)
        at = raw.find(b"\0\0\1")
        while 0 <= at < len(raw) - 4:
            yield at + 3
            at = raw.find(b"\0\0\1", at + 3)


def _h264_level(data: memoryview, length: int) -> int:
    # Source: ITU-T H.264, 7.3.1 and 7.4.1: nal_ref_idc 0 on a slice (types 1-5) says "not used for reference".
    for at in _units(data, length):
        if 1 <= data[at] & 31 <= 5:
            return 1 if data[at] & 0x60 == 0 else -1
    return -1


def _hevc_level(data: memoryview, length: int) -> int:
    # Source: ITU-T H.265, table 7-1: even types under 16 are sub-layer non-reference pictures; nothing leans on them
    # if no picture has a higher temporal id.
    for at in _units(data, length):
        kind = data[at] >> 1 & 63
        if kind < 32:
            level = max(1, data[at + 1] & 7)
            return level if kind < 16 and kind % 2 == 0 else -level
    return -1


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
