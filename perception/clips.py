"""Write what was seen: an H.264 MP4 of a walk, a clip of a moment, a thumbnail."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from placecell.errors import VideoError
from placecell.perception.video import Video

__all__ = ["VideoWriter", "save_clip", "thumbnail"]

_CLOCK = 90_000  # ticks per second of written videos: holds the usual frame rates exactly


class VideoWriter:
    """Writes frames to an H.264 MP4 that every browser plays.

    The file appears under its name when it is closed, complete; an error or Ctrl-C in the `with` block leaves none
    behind.

    Args:
        path: Where to; the folder must exist.
        fps: Frames per second of frames that are written without a stamp.
        size: `(width, height)` of the video. Odd sizes lose their last column or row: its colour is stored for 2 x 2.
        crf: Quality, 0 (lossless) to 51; 23 is x264's own default.
        keyframe_s: Seconds between keyframes at most. One second makes it cheap to read again at one frame a second.

    Raises:
        ValueError: If an argument is out of range.
        VideoError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> with VideoWriter(tempfile.mkdtemp() + "/black.mp4", fps=5, size=(64, 48)) as writer:
        ...     writer.write(np.zeros((48, 64, 3), np.uint8))
        >>> writer.num_frames
        1
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float | int,
        size: tuple[int, int],
        crf: int = 23,
        *,
        keyframe_s: float | int = 1.0,
        preset: str = "veryfast",
    ) -> None:
        if not 0 < fps <= 1000:
            raise ValueError(f"fps must lie between 0 and 1000, got {fps}")
        if min(size) < 2:
            raise ValueError(f"size must be (width, height) of at least 2 pixels each, got {size}")
        if not 0 <= crf <= 51:
            raise ValueError(f"crf must lie between 0 and 51, got {crf}")
        self.path = Path(path)
        self.size = size
        self.num_frames = 0
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._last_ticks = -1
        self._step = Fraction(1) / Fraction(fps).limit_denominator(1001)
        self._container = _create(self._part, self.path)
        rate = Fraction(fps).limit_denominator(1001)
        stream: Any = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size[0] // 2 * 2, size[1] // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.codec_context.gop_size = max(1, round(fps * keyframe_s))
        stream.options = {"crf": str(crf), "preset": preset}
        self._stream = stream

    def write(self, rgb: UInt8[np.ndarray, "h w 3"], stamp_s: float | int | None = None) -> None:
        """Append one frame.

        Args:
            rgb: The picture, of the writer's size.
            stamp_s: When it is first shown; one step after the frame before if not given.

        Raises:
            ValueError: If the picture has another size or type, or the stamp does not rise.
        """
        if rgb.shape != (self.size[1], self.size[0], 3) or rgb.dtype != np.uint8:
            expected = (self.size[1], self.size[0], 3)
            raise ValueError(f"rgb must be uint8 with shape {expected}, got {rgb.dtype} {rgb.shape}")
        if stamp_s is None:
            ticks = 0 if self._last_ticks < 0 else self._last_ticks + round(self._step * _CLOCK)
        else:
            ticks = round(stamp_s * _CLOCK)
        if ticks <= self._last_ticks:
            raise ValueError(f"stamps must rise, got {stamp_s} s after {self._last_ticks / _CLOCK} s")
        even = np.ascontiguousarray(rgb[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts, frame.time_base = ticks, Fraction(1, _CLOCK)
        self._mux(frame)
        self._last_ticks = ticks
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and give it its name. Without a frame there is no file."""
        if self._container is None:
            return
        if self.num_frames:
            self._mux(None)
        self._finish(keep=self.num_frames > 0)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif self._container is not None:
            self._finish(keep=False)

    def _mux(self, frame: Any) -> None:
        if self._container is None:
            raise ValueError(f"{self.path}: the writer is closed")
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            self._finish(keep=False)
            raise VideoError(f"{self.path}: could not be written ({error})") from error

    def _finish(self, keep: bool) -> None:
        container, self._container = self._container, None
        try:
            if keep:
                container.close()
                self._part.replace(self.path)
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self.path}: could not be written ({error})") from error
        finally:
            self._part.unlink(missing_ok=True)


def save_clip(
    path: str | os.PathLike[str],
    start_s: float | int,
    end_s: float | int,
    out: str | os.PathLike[str],
    exact: bool = False,
) -> tuple[float, float]:
    """Cut a span of a video into an MP4 of its own.

    Args:
        path: The video.
        start_s: Where the span begins, seconds.
        end_s: Where it ends, after `start_s`.
        out: The clip's file.
        exact: Whether to encode anew, for a clip of just these frames, upright and without sound. Otherwise the packets
            are copied: fast, lossless, and from the keyframe before `start_s` on; MP4 must know the codec.

    Returns:
        From when to when the clip really goes, in the video's seconds.

    Raises:
        ValueError: If the span is empty or lies outside the video.
        VideoError: If the video cannot be read or the clip not be written.
    """
    with Video.open(path) as video:
        index = video.index
        if not start_s < end_s:
            raise ValueError(f"a clip must end after it starts, got {start_s} s to {end_s} s")
        if start_s >= index.duration_s or end_s <= 0:
            raise ValueError(f"{start_s} s to {end_s} s lies outside the video of {index.duration_s:.3f} s")
        return _encode_clip(video, start_s, end_s, Path(out)) if exact else _copy_clip(video, start_s, end_s, Path(out))


def thumbnail(path: str | os.PathLike[str], stamp_s: float | int, max_side: int = 320) -> UInt8[np.ndarray, "h w 3"]:
    """The picture on display at a moment, shrunk so that its longer side is `max_side` pixels at most.

    Raises:
        ValueError: If `max_side` is not positive.
        VideoError: If nothing decodes there.
    """
    if max_side < 1:
        raise ValueError(f"max_side must be positive, got {max_side}")
    with Video.open(path) as video:
        width, height = video.display_size
        scale = min(1.0, max_side / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        for frame in video.frames_at([stamp_s], size):
            return frame.rgb
    raise VideoError(f"{path}: no frame decodes at {stamp_s} s")


def _encode_clip(video: Video, start_s: float, end_s: float, out: Path) -> tuple[float, float]:
    fps = min(1000.0, max(1.0, video.info.mean_fps))
    stamps_s = [start_s]
    with VideoWriter(out, fps, video.display_size) as writer:
        for frame in video.frames(0, start_s, end_s, video.display_size, exact=True):
            stamps_s = [stamps_s[0] if writer.num_frames else frame.stamp_s, frame.stamp_s]
            writer.write(frame.rgb, frame.stamp_s - stamps_s[0])
    if not writer.num_frames:
        raise VideoError(f"{video.path}: no frame decodes between {start_s} s and {end_s} s")
    return stamps_s[0], min(end_s, video.index.duration_s)


def _copy_clip(video: Video, start_s: float, end_s: float, out: Path) -> tuple[float, float]:
    index = video.index
    key_s = index.stamps_s[index.keys]
    begin_s = float(key_s[max(0, int(np.searchsorted(np.sort(key_s), start_s, side="right")) - 1)])
    shown_until_s = begin_s
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    target = _create(part, out)
    try:
        with av.open(f"file:{video.path}") as source:
            video_stream: Any = source.streams[video.stream_index]
            kept = [video_stream, *source.streams.audio[:1]]
            copies = {s.index: target.add_stream_from_template(s) for s in kept}
            origin = Fraction(begin_s).limit_denominator(10**6) + Fraction(index.origin_s).limit_denominator(10**6)
            source.seek(int(origin / video_stream.time_base), stream=video_stream, backward=True)
            for packet in source.demux(kept):
                if packet.pts is None or packet.dts is None:
                    continue
                at_s = float(packet.pts * packet.time_base) - index.origin_s
                decoded_s = float(packet.dts * packet.time_base) - index.origin_s
                is_picture = packet.stream_index == video.stream_index
                if is_picture and decoded_s >= end_s:
                    break
                # A picture stamped past the end may still be what one before the end is predicted from.
                if at_s < begin_s - 1e-6 or (at_s >= end_s and not is_picture):
                    continue
                if is_picture:
                    shown_until_s = max(shown_until_s, at_s + float((packet.duration or 0) * packet.time_base))
                shift = round(origin / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
        target.close()
        part.replace(out)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{out}: could not copy the clip ({error}); exact=True encodes it anew") from error
    finally:
        part.unlink(missing_ok=True)
    return begin_s, shown_until_s


def _create(part: Path, path: Path) -> Any:
    if not path.parent.is_dir():
        raise VideoError(f"{path}: could not be written (no such folder)")
    try:
        return av.open(f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"})
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: could not be written ({error})") from error
