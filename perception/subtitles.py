"""Words that come with a video: SubRip and WebVTT files, and the tracks inside the video."""

from __future__ import annotations

import codecs
import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from placecell.errors import PlacecellError, VideoError

__all__ = [
    "Cue",
    "Subtitles",
    "find_sidecar",
    "parse_subtitles",
    "read_embedded",
    "read_subtitles",
]

_SUFFIXES = (".srt", ".vtt")
#: A cue's times: hours may be missing, milliseconds come after a comma or a point, and WebVTT puts settings behind.
_TIMES = re.compile(
    r"^\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?\s*-+>\s*"
    r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?(?=\s|$)"
)
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|</?>|\{\\[^{}]*\}")
_SIGNATURES = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Cue:
    """Words shown from `start_s` to `end_s`, seconds, as plain text."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Subtitles:
    """Cues in the order of time, and what could not be read.

    Attributes:
        cues: What was read.
        skipped: For each broken row `(line number from 1, the line)`.
    """

    cues: tuple[Cue, ...]
    skipped: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.cues)

    def __iter__(self) -> Iterator[Cue]:
        return iter(self.cues)

    @property
    def skipped_line(self) -> str:
        """One line on what was skipped; empty if nothing was."""
        if not self.skipped:
            return ""
        number, row = self.skipped[0]
        return f"{len(self.skipped)} broken subtitle rows skipped, the first in line {number}: {row[:60]!r}"


def read_subtitles(path: str | os.PathLike[str]) -> Subtitles:
    """Read a SubRip (.srt) or WebVTT (.vtt) file; which of the two it is shows in the file itself.

    Encodings: by byte-order mark, else UTF-8, else Windows-1252 (which reads anything). Broken rows are skipped and
    listed; the rest is kept.

    Raises:
        PlacecellError: If there is no such file, it is a folder, or it is no text.
    """
    file = Path(path)
    if not file.exists():
        raise PlacecellError(f"{file}: no such subtitle file")
    if file.is_dir():
        raise PlacecellError(f"{file}: expected a subtitle file (.srt or .vtt), this is a folder")
    try:
        return parse_subtitles(_decoded(file.read_bytes()))
    except OSError as error:
        raise PlacecellError(f"{file}: could not be read ({error.strerror})") from error
    except UnicodeError as error:
        raise PlacecellError(f"{file}: expected subtitles as text, got bytes of another kind") from error


def parse_subtitles(text: str) -> Subtitles:
    r"""Cues of SubRip or WebVTT text.

    A cue is a row of times and the rows after it up to an empty one; its number or name is not needed. Tags are taken
    out and character entities read. A cue is skipped if its times cannot be read or run backwards.

    Example:
        >>> parse_subtitles("WEBVTT\n\n00:01.500 --> 00:03.000 align:start\n<v Ann>Tea &amp; <i>cake</i>").cues
        (Cue(start_s=1.5, end_s=3.0, text='Tea & cake'),)

    Source: W3C WebVTT, section 4; SubRip has no standard, its rows are read as players read them.
    """
    rows = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    cues: list[Cue] = []
    skipped: list[tuple[int, str]] = []
    loose: tuple[int, str] | None = None  # first row that belongs to no cue
    at = _block_end(rows, 0, stop_at_times=True) if rows[0].startswith("WEBVTT") else 0
    while at < len(rows):
        if re.match(r"(NOTE|STYLE|REGION)(\s|$)", rows[at]) and (at == 0 or not rows[at - 1].strip()):
            at = _block_end(rows, at, stop_at_times=False)
            continue
        times = _TIMES.match(rows[at])
        if times is None:
            if "-->" in rows[at]:
                skipped.append((at + 1, rows[at]))
                at = _block_end(rows, at + 1)
            else:
                if rows[at].strip() and loose is None:
                    loose = (at + 1, rows[at])
                at += 1
            continue
        until = _block_end(rows, at + 1)
        start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        if start_s is None or end_s is None or end_s < start_s:
            skipped.append((at + 1, rows[at]))
        elif words := _plain("\n".join(rows[at + 1 : until])):
            cues.append(Cue(start_s, end_s, words))
        at = until
    if loose and not cues and not skipped:
        skipped.append(loose)  # text, but no subtitles
    return Subtitles(tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))), tuple(skipped))


def read_embedded(path: str | os.PathLike[str], track: int = 0) -> Subtitles:
    """Cues of a text subtitle track inside a video.

    Args:
        path: The video.
        track: Which one, counted from 0 among its subtitle tracks.

    Raises:
        VideoError: If the file cannot be read, has no such track, or the track holds pictures rather than text.
    """
    file = Path(path)
    try:
        container = av.open(f"file:{file}", metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{file}: not a video that can be read ({error})") from error
    with container:
        streams = container.streams.subtitles
        if not 0 <= track < len(streams):
            raise VideoError(f"{file}: no subtitle track {track}, the file has {len(streams)}")
        stream: Any = streams[track]
        if stream.codec_context is None:
            raise VideoError(f"{file}: no decoder for subtitle track {track}")
        cues: list[Cue] = []
        skipped: list[tuple[int, str]] = []
        try:
            for number, packet in enumerate(container.demux(stream), start=1):
                if packet.pts is None or packet.size == 0:
                    continue
                start_s = float(packet.pts * packet.time_base)
                end_s = start_s + float((packet.duration or 0) * packet.time_base)
                words = _packet_text(packet, stream.codec_context.name)
                if words is None:
                    raise VideoError(f"{file}: subtitle track {track} holds pictures, not text")
                if words and end_s >= start_s >= 0:
                    cues.append(Cue(start_s, end_s, words))
                elif words:
                    skipped.append((number, words))
        except (av.FFmpegError, OSError) as error:  # what came before the damage is kept
            skipped.append((len(cues) + 1, str(error)))
    return Subtitles(tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))), tuple(skipped))


def find_sidecar(path: str | os.PathLike[str], language: str | None = None) -> Path | None:
    """Subtitle file beside a video: `movie.srt` or `movie.vtt`, else `movie.LANGUAGE.srt` or `movie.LANGUAGE.vtt`.

    Args:
        path: The video.
        language: Wanted language tag, such as "en"; None takes the plain name, else the first in the alphabet.
    """
    video = Path(path)
    if not video.parent.is_dir():
        return None
    found: list[tuple[bool, str, str, Path]] = []
    for file in video.parent.iterdir():
        if file.suffix.lower() not in _SUFFIXES or not file.is_file():
            continue
        if file.stem == video.stem:
            found.append((language is not None, "", file.suffix.lower(), file))
        elif file.stem.startswith(video.stem + "."):
            tag = file.stem[len(video.stem) + 1 :]
            if re.fullmatch(r"[A-Za-z]{2,3}([-_.][A-Za-z0-9]+)*", tag):
                is_wanted = language is not None and re.split(r"[-_.]", tag.lower())[0] == language.lower()
                if language is None or is_wanted:
                    found.append((not is_wanted, tag.lower(), file.suffix.lower(), file))
    return min(found)[3] if found else None


def _decoded(raw: bytes) -> str:
    for mark, encoding in _SIGNATURES:
        if raw.startswith(mark):
            return raw.decode(encoding)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        raise UnicodeError("zero bytes")
    return text


def _block_end(rows: list[str], at: int, stop_at_times: bool = True) -> int:
    """First row from `at` on that ends a block: an empty one, or the times of a cue whose empty row is missing."""
    while at < len(rows) and rows[at].strip():
        if stop_at_times and _TIMES.match(rows[at]):
            return at
        if stop_at_times and rows[at].strip().isdigit() and at + 1 < len(rows) and _TIMES.match(rows[at + 1]):
            return at
        at += 1
    return at


def _seconds(parts: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds, fraction = parts
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return None
    millis = int((fraction or "0").ljust(3, "0"))
    return (((int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) * 1000 + millis) / 1000


def _plain(text: str) -> str:
    """Words without tags, entities and doubled blanks; rows stay rows."""
    text = html.unescape(_TAGS.sub("", text)).replace("\u00a0", " ").replace("\u200b", "")
    return "\n".join(filter(None, (" ".join(row.split()) for row in text.split("\n"))))


def _packet_text(packet: Any, codec: str) -> str | None:
    """Words of one packet, "" if it is empty or damaged, None if it holds pictures."""
    if codec == "webvtt":
        return _plain(bytes(packet).decode("utf-8", errors="replace"))
    try:
        parts = packet.decode()
    except (av.FFmpegError, OSError):
        return ""
    if any(not hasattr(part, "ass") for part in parts):
        return None
    rows = []
    for part in parts:
        # "read order,layer,style,name,left,right,vertical,effect,text", where the text may hold commas
        row = bytes(part.ass).decode("utf-8", errors="replace")
        fields = row.split(",", 8)
        words = fields[8] if len(fields) == 9 else row
        rows.append(words.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " "))
    return _plain("\n".join(rows))
