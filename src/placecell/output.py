"""What the command line prints and writes about evidence: rows, pictures, clips, exports, a memory's summary."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from placecell.clock import format_time
from placecell.errors import PlacecellError, VideoError
from placecell.memory.memory import Memory
from placecell.memory.records import Recollection, Record

__all__ = [
    "evidence_lines",
    "export_lines",
    "memory_summary",
    "read_image",
    "save_evidence",
    "summary_lines",
    "write_lines",
]


def evidence_lines(hits: Sequence[Recollection], extras: Sequence[dict[str, str]]) -> Iterator[str]:
    """One line per hit: interval, probability, who saw it, where, and what was said."""
    for hit, extra in zip(hits, extras, strict=True):
        parts = [
            f"  {format_time(hit.stamp_s)}-{format_time(hit.end_s)}",
            f"p {hit.probability:.2f}",
            f"{hit.score:5.1f} sd",
            str(hit.record_id),
        ]
        if hit.position_m is not None:
            parts.append("at ({:.1f}, {:.1f}, {:.1f}) m".format(*hit.position_m))
        if hit.labels:
            parts.append(" ".join(f"#{label}" for label in hit.labels))
        if hit.text:
            parts.append(f'"{hit.text}"')
        parts += [f"[{path}]" for path in extra.values()]
        yield "  ".join(parts)


def save_evidence(
    memory: Memory, hits: Sequence[Recollection], thumbs: Path | None, clips: Path | None
) -> tuple[list[dict[str, str]], list[str]]:
    """Write a picture and a clip of every hit where asked.

    Pictures come from the video at full size while it is still there, else from the memory's own small copy.

    Returns:
        For each hit the paths of its "thumb" and its "clip", as far as they could be made; and one line for people on
        each kind of thing that could not.

    Raises:
        PlacecellError: If a folder or a file cannot be written.
    """
    for folder in (thumbs, clips):
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PlacecellError(f"{folder} cannot be made a folder of evidence: {error.strerror}") from error
    extras: list[dict[str, str]] = [{} for _ in hits]
    if thumbs is None and clips is None:
        return extras, []
    from placecell.ingest import place_of  # reads videos: only who wants pictures pays for it

    missing: dict[str, str] = {}
    for rank, (hit, extra) in enumerate(zip(hits, extras, strict=True), start=1):
        name = f"{rank:02d}_{hit.record_id.agent_id}_{format_time(hit.stamp_s).replace(':', '-')}"
        place = place_of(memory, hit.record_id.agent_id, hit.source)
        if thumbs is not None:
            picture = _picture(memory, hit, place)
            if picture is None:
                missing["no picture"] = f"{hit.record_id} kept none, and its video is not at hand"
            else:
                extra["thumb"] = str(_write_jpeg(thumbs / f"{name}.jpg", picture))
        if clips is not None:
            try:
                extra["clip"] = str(_clip(place, hit, clips / f"{name}.mp4"))
            except VideoError as error:
                missing["no clip"] = str(error)
    return extras, [f"{what}: {why}" for what, why in missing.items()]


def _clip(place: str, hit: Recollection, path: Path) -> Path:
    from placecell.perception.clips import save_clip

    if not place or not Path(place).is_file():
        raise VideoError(f"the video of {hit.record_id} is not at hand ({place or 'it has none'})")
    start_s, end_s = hit.interval_s or (hit.stamp_s, hit.end_s)
    try:
        save_clip(place, start_s, max(end_s, start_s + 1.0), path)
    except ValueError as error:  # words may be stamped after the last picture
        raise VideoError(f"{hit.record_id}: {error}") from error
    return path


def _picture(memory: Memory, hit: Recollection, place: str) -> np.ndarray | None:
    if place and Path(place).is_file():
        from placecell.perception.clips import thumbnail

        try:
            return thumbnail(place, hit.stamp_s, 640)
        except VideoError:
            pass  # moved or changed since: the memory's own copy is next
    return memory.picture(hit.record_id)


def _write_jpeg(path: Path, rgb: np.ndarray) -> Path:
    import cv2

    path.write_bytes(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return path


def read_image(path: Path) -> np.ndarray:
    """Picture of a file as uint8 RGB `(h, w, 3)`.

    Raises:
        PlacecellError: If the file is missing or is no picture.
    """
    import cv2

    if not path.is_file():
        raise PlacecellError(f"no such picture: {path}")
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if image is None:
        raise PlacecellError(f"{path} is no picture that can be read; JPEG and PNG are")
    return np.ascontiguousarray(image[..., ::-1])


def memory_summary(memory: Memory) -> dict[str, Any]:
    """What a memory holds: its encoder, its bytes, and one row per agent or video."""
    rows: dict[str, dict[str, Any]] = {}
    for record in memory.records():
        row = rows.setdefault(
            record.agent_id,
            {"agent": record.agent_id, "moments": 0, "texts": 0, "events": 0, "from": record.stamp_s, "to": 0.0},
        )
        row["moments"] += record.kind == "moment"
        row["texts"] += record.kind == "text"
        row["events"] += record.is_event_start
        row["to"] = max(row["to"], record.end_s)
        row["source"] = record.source or row.get("source", "")
    for row in rows.values():
        row["from"], row["to"] = format_time(row["from"]), format_time(row["to"])
    return {
        "encoder": memory.encoder_name,
        "records": len(memory),
        "bytes": memory.nbytes(),
        "agents": list(rows.values()),
    }


def summary_lines(summary: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    for name, value in summary.items():
        if isinstance(value, list):
            yield f"{name}: {len(value)}"
            for row in value:
                yield "  " + "  ".join(f"{key} {item}" for key, item in row.items() if item not in ("", 0))
        else:
            yield f"{name}: {value}"


def write_lines(path: Path, lines: Iterator[str]) -> int:
    """Write lines into a file that appears only when it is whole; returns how many.

    Raises:
        PlacecellError: If it cannot be written. A file that was there before is then as it was.
    """
    part = path if path.exists() and not path.is_file() else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        num = 0
        with open(part, "w", encoding="utf-8", newline="") as file:
            for line in lines:
                file.write(line + "\n")
                num += 1
        if part != path:
            part.replace(path)
        return num
    except OSError as error:
        raise PlacecellError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if part != path:
            part.unlink(missing_ok=True)


def export_lines(memory: Memory, form: str) -> Iterator[str]:
    """A memory's records in time order of each agent, as `jsonl`, `csv`, or what was said as `srt` or `vtt`."""
    if form == "jsonl":
        for record in memory.records():
            yield json.dumps(_plain(record), ensure_ascii=False)
    elif form == "csv":
        names = ("record_id", "kind", "start_s", "end_s", "position_m", "text", "labels", "source")
        yield _csv_row(names)
        for record in memory.records():
            row = _plain(record)
            yield _csv_row([_cell(row[name]) for name in names])
    else:
        said = (record for record in memory.records() if record.kind == "text")
        if form == "vtt":
            yield "WEBVTT\n"
        for number, record in enumerate(said, start=1):
            start, end = format_time(record.stamp_s), format_time(record.end_s)
            if form == "srt":
                start, end = start.replace(".", ","), end.replace(".", ",")
                yield str(number)
            yield f"{start} --> {end}\n{record.text}\n"


def _plain(record: Record) -> dict[str, Any]:
    return {
        "record_id": str(record.record_id),
        "kind": record.kind,
        "start_s": record.stamp_s,
        "end_s": record.end_s,
        "position_m": record.position_m,
        "pose": None if record.pose is None else record.pose.tolist(),
        "text": record.text,
        "labels": list(record.labels),
        "source": record.source,
        "is_event_start": record.is_event_start,
        "target": None if record.target is None else str(record.target),
    }


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else value


def _csv_row(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
