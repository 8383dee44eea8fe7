"""Read a video file packet by packet: what there is, what depends on what, what is missing; and decode some of it."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from placecell.errors import VideoError
from placecell.perception.plan import PacketIndex

__all__ = ["PacketReader"]

#: Containers whose clock starts anywhere; their first stamp becomes zero. Others mean zero when they say it.
_FREE_CLOCKS = frozenset({"mpegts", "mpeg", "hls", "rtsp"})
#: Readers that make a "video" of any text or of a single image.
_NO_VIDEOS = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "ico"})
#: A file that ends this much before it says it would, seconds, was cut off.
_CUT_S = 0.5
#: Containers in which a seek lands where it should, with the same stamps as read through; others are read through.
_SEEKABLE = frozenset({"mov", "matroska", "avi", "mpegts"})
#: Packets that are cheaper to read past than to seek over.
SEEK_GAP = 200
#: Read errors without a packet in between after which the rest of a file is given up.
_MAX_READ_ERRORS = 64


class PacketReader:
    """One open container and decoder; knows where in the file it stands."""

    def __init__(self, path: Path, num_threads: int, skips_loop_filter: bool = False) -> None:
        self.path, self.num_threads, self.skips_loop_filter = path, num_threads, skips_loop_filter
        self.has_timeless = False  # whether there were packets that say neither when to decode nor when to show them
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

    def __enter__(self) -> PacketReader:
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
                    else:
                        self.has_timeless = True
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
        if num_packets == 0 and self.has_timeless:
            raise VideoError(f"{self.path}: a raw stream without times; put it into a container such as .mp4 or .mkv")
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
        can_seek = self.container.format.name.split(",")[0] in _SEEKABLE
        if self.position <= first and (first < self.position + SEEK_GAP or not can_seek):
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


def _level_reader(context: Any) -> Callable[[Any], int]:
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
