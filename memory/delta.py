"""What two memories exchange: ranges of records, and deltas.

An agent numbers its records 1, 2, 3, ... A memory that heard of an agent in pieces keeps which numbers it lacks
(`Ranges`); its *version vector* names, for every agent, the last record of the unbroken run from 1. A `Delta` carries
records that a peer lacks. Merging one is idempotent, so deltas may arrive in any order, overlap, and repeat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from placecell.errors import ProtocolVersionError
from placecell.memory.records import Record, RecordId
from placecell.memory.wire import check_msgpack
from placecell.perception.scene import Scene

__all__ = ["DELTA_VERSION", "MAX_SEQ", "PRIVATE", "Delta", "Ranges"]

DELTA_VERSION = 2
_DEPTH = 5  # message, records, record, its field, what that holds
MAX_SEQ = (1 << 40) - 1  # a record's key in the log packs the agent's number above 40 bits of sequence
PRIVATE = "private"  # records with this label never leave the memory in which they were made
_F2, _F8 = np.dtype("<f2"), np.dtype("<f8")
_EYE = np.eye(4)
_KINDS = ("moment", "text", "retraction")


@dataclass(slots=True)
class Ranges:
    """Which of the numbers 1, 2, ... are here: all up to `top`, less the gaps in `missing`.

    Example:
        >>> ranges = Ranges()
        >>> for seq in (1, 2, 6, 4): ranges.add(seq)
        >>> ranges.prefix, ranges.top, ranges.missing, len(ranges)
        (2, 6, [(3, 3), (5, 5)], 4)
    """

    top: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)  # closed intervals below `top`, ascending

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> Ranges:
        """The numbers of closed intervals, in any order; they may overlap.

        Example:
            >>> Ranges.of([(4, 6), (1, 2)])
            Ranges(top=6, missing=[(3, 3)])
        """
        found = cls()
        for lo, hi in sorted(intervals):
            if lo > found.top + 1:
                found.missing.append((found.top + 1, lo - 1))
            found.top = max(found.top, hi)
        return found

    @property
    def prefix(self) -> int:
        """Last number of the unbroken run from 1; 0 if 1 itself is not here."""
        return self.missing[0][0] - 1 if self.missing else self.top

    def __len__(self) -> int:
        return self.top - sum(hi - lo + 1 for lo, hi in self.missing)

    def __contains__(self, seq: int) -> bool:
        return 1 <= seq <= self.top and not any(lo <= seq <= hi for lo, hi in self.missing)

    def add(self, seq: int) -> None:
        """Note that `seq` is here; nothing happens if it already was."""
        if seq > self.top:
            if seq > self.top + 1:
                self.missing.append((self.top + 1, seq - 1))
            self.top = seq
            return
        for i, (lo, hi) in enumerate(self.missing):
            if lo <= seq <= hi:
                self.missing[i : i + 1] = [(a, b) for a, b in ((lo, seq - 1), (seq + 1, hi)) if a <= b]
                return

    def present(self) -> list[tuple[int, int]]:
        """Closed intervals of the numbers that are here, ascending."""
        found, start = [], 1
        for lo, hi in self.missing:
            if start < lo:
                found.append((start, lo - 1))
            start = hi + 1
        if start <= self.top:
            found.append((start, self.top))
        return found

    def beyond(self, other: Ranges) -> list[tuple[int, int]]:
        """Closed intervals of the numbers that are here and not in `other`, ascending."""
        absent = [*other.missing, (other.top + 1, self.top)]
        return [(max(a, c), min(b, d)) for a, b in self.present() for c, d in absent if max(a, c) <= min(b, d)]

    def union(self, other: Ranges) -> Ranges:
        """The numbers of both."""
        return Ranges.of([*self.present(), *other.present()])

    def copy(self) -> Ranges:
        """An independent copy."""
        return Ranges(self.top, list(self.missing))


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """Records on their way from one memory to another, with the names of the encoders that made their vectors.

    Args:
        records: Any records of any agents, in any order.
        pictures: JPEG bytes of some of them.
        encoder: Name of the image encoder, or None if no record holds image vectors.
        text_encoder: Name of the text encoder, or None.
        version: Version of the wire format.

    Example:
        >>> delta = Delta((Record("robot", 1, "text", 0.0, 0.0, text="hello"),))
        >>> Delta.from_bytes(delta.to_bytes()).records[0].text
        'hello'
    """

    records: tuple[Record, ...]
    pictures: Mapping[RecordId, bytes] = field(default_factory=dict)
    encoder: str | None = None
    text_encoder: str | None = None
    version: int = DELTA_VERSION

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(
        cls,
        records: Iterable[Record],
        encoder: str | None = None,
        text_encoder: str | None = None,
        picture: Callable[[RecordId], bytes | None] | None = None,
        max_bytes: int | None = None,
    ) -> Delta:
        """A delta of the first of `records`, as many as `max_bytes` on the wire allow, with pictures if wanted.

        Raises:
            ValueError: If there are records and not one of them fits.
        """
        taken: list[Record] = []
        pictures: dict[RecordId, bytes] = {}
        # Five bytes for the length of each of the two lists, where an empty one takes one.
        left = math.inf if max_bytes is None else max_bytes - len(cls((), {}, encoder, text_encoder).to_bytes()) - 8
        for record in records:
            jpeg = None if picture is None else picture(record.record_id)
            if max_bytes is not None:
                size = len(msgpack.packb(_pack(record)))
                if jpeg is not None:
                    size += len(msgpack.packb([*record.record_id, jpeg]))
                if size > left:
                    if not taken:
                        raise ValueError(f"max_bytes {max_bytes} has no room for one record: {max_bytes - left + size}")
                    break
                left -= size
            taken.append(record)
            if jpeg is not None:
                pictures[record.record_id] = jpeg
        return cls(tuple(taken), pictures, encoder, text_encoder)

    def to_bytes(self) -> bytes:
        """The delta as msgpack; `len` of it is what the wire carries."""
        message = {
            "version": self.version,
            "encoder": self.encoder,
            "text_encoder": self.text_encoder,
            "records": [_pack(record) for record in self.records],
            "pictures": [[*record_id, jpeg] for record_id, jpeg in self.pictures.items()],
        }
        packed: bytes = msgpack.packb(message, use_bin_type=True)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes, max_bytes: int | None = None) -> Delta:
        """Read what `to_bytes` wrote, trusting nothing; nothing is decoded before size and depth were checked.

        Raises:
            ProtocolVersionError: If the message is of another version of the format.
            ValueError: If it is longer than `max_bytes`, is no delta, is cut short, or holds a value of the wrong type,
                shape or range.
        """
        try:
            check_msgpack(data, "a delta", max_bytes, _DEPTH)
            message = msgpack.unpackb(data, raw=False, strict_map_key=True)
        except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
            raise ValueError(f"these {len(data)} bytes are no delta: {error or type(error).__name__}") from error
        if not isinstance(message, dict) or not isinstance(message.get("version"), int):
            raise ValueError(f"a delta is a map with an integer 'version', got {type(message).__name__}")
        if message["version"] != DELTA_VERSION:
            raise ProtocolVersionError(
                f"this delta speaks version {message['version']}, this Placecell speaks {DELTA_VERSION}: "
                "update the older of the two"
            )
        expected = {"version", "encoder", "text_encoder", "records", "pictures"}
        if set(message) != expected:
            raise ValueError(f"a delta holds {sorted(expected)}, got {sorted(map(str, message))}")
        encoder = _typed(message["encoder"], (str, type(None)), "encoder")
        text_encoder = _typed(message["text_encoder"], (str, type(None)), "text_encoder")
        numbers: list[tuple[str, np.ndarray]] = []
        records = tuple(_unpack(row, i, numbers) for i, row in enumerate(_typed(message["records"], list, "records")))
        _check_finite(numbers)
        pictures = {}
        for row in _typed(message["pictures"], list, "pictures"):
            if not (isinstance(row, list) and len(row) == 3 and isinstance(row[2], bytes)):
                raise ValueError("a picture is [agent, seq, JPEG bytes]")
            pictures[_record_id(row[0], row[1], "picture")] = row[2]
        return cls(records, pictures, encoder, text_encoder, DELTA_VERSION)


def _pack(record: Record) -> list[Any]:
    vectors, scene = record.embeddings, record.scene
    return [
        record.agent_id,
        record.seq,
        _KINDS.index(record.kind),
        record.stamp_s,
        record.end_s,
        record.recorded_s,
        None if vectors is None else [len(vectors), np.ascontiguousarray(vectors, dtype="<f2").tobytes()],
        record.text,
        None if record.text_embedding is None else np.asarray(record.text_embedding, dtype="<f2").tobytes(),
        list(record.labels),
        None if record.pose is None else np.ascontiguousarray(record.pose[:3], dtype="<f8").tobytes(),
        record.source,
        record.is_event_start,
        None if record.target is None else list(record.target),
        None if scene is None else [scene.camera_bytes, scene.detection_bytes, scene.scan_bytes],
    ]


def _unpack(row: object, index: int, numbers: list[tuple[str, np.ndarray]]) -> Record:
    name = f"record {index}"
    if not isinstance(row, list) or len(row) != 15:
        raise ValueError(f"{name} must be a list of 15 fields")
    *row, scene = row
    agent, seq, kind, stamp, end, recorded, vectors, text, text_vector, labels, pose, source, is_start, target = row
    agent_id, seq = _record_id(agent, seq, name)
    if type(kind) is not int or not 0 <= kind < len(_KINDS):
        raise ValueError(f"{name}: unknown kind {kind!r}")
    for value, field_name in ((stamp, "stamp_s"), (end, "end_s"), (recorded, "recorded_s")):
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}: {field_name} must be a finite number that is not negative, got {value!r}")
    if end < stamp:
        raise ValueError(f"{name}: end_s {end} is before stamp_s {stamp}")
    if (_KINDS[kind] == "retraction") != (target is not None):
        raise ValueError(f"{name}: a retraction, and only a retraction, has a target")
    if target is not None and not (isinstance(target, list) and len(target) == 2):
        raise ValueError(f"{name}: a target is [agent, seq], got {target!r}")
    labels = _typed(labels, list, f"{name}: labels")
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{name}: labels must be strings")
    embeddings = None
    if vectors is not None:
        if not (isinstance(vectors, list) and len(vectors) == 2 and type(vectors[0]) is int and vectors[0] > 0):
            raise ValueError(f"{name}: embeddings are [rows, bytes]")
        flat = _floats(vectors[1], _F2, f"{name}: embeddings", numbers)
        if len(flat) == 0 or len(flat) % vectors[0]:
            raise ValueError(f"{name}: {len(flat)} numbers are no {vectors[0]} vectors")
        embeddings = flat.reshape(vectors[0], -1)
    matrix = None
    if pose is not None:
        rows = _floats(pose, _F8, f"{name}: pose", numbers)
        if len(rows) != 12:
            raise ValueError(f"{name}: a pose has 12 numbers, got {len(rows)}")
        matrix = _EYE.copy()
        matrix[:3] = rows.reshape(3, 4)
    return Record(
        agent_id=agent_id,
        seq=seq,
        kind=_KINDS[kind],
        stamp_s=float(stamp),
        end_s=float(end),
        embeddings=embeddings,
        text=_typed(text, str, f"{name}: text"),
        text_embedding=None if text_vector is None else _floats(text_vector, _F2, f"{name}: text_embedding", numbers),
        labels=tuple(labels),
        pose=matrix,
        source=_typed(source, str, f"{name}: source"),
        is_event_start=_typed(is_start, bool, f"{name}: is_event_start"),
        target=None if target is None else _record_id(target[0], target[1], f"{name}: target"),
        recorded_s=float(recorded),
        scene=_scene(scene, name),
    )


def _scene(parts: object, name: str) -> Scene | None:
    if parts is None:
        return None
    if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(part, bytes | None) for part in parts):
        raise ValueError(f"{name}: a scene is the bytes of a camera, of detections and of a scan, each or None")
    scene = Scene(*parts)
    try:
        scene.check()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error
    return scene


def _record_id(agent: object, seq: object, name: str) -> RecordId:
    if not isinstance(agent, str) or not agent or "/" in agent or "\0" in agent:
        raise ValueError(f"{name}: agent must be a non-empty name without '/', got {agent!r}")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= MAX_SEQ:
        raise ValueError(f"{name}: seq must be an integer from 1 to {MAX_SEQ}, got {seq!r}")
    return RecordId(agent, seq)


def _floats(data: object, dtype: np.dtype[Any], name: str, numbers: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """The numbers in some bytes, noted in `numbers` to be checked together: one by one costs more than all else."""
    if not isinstance(data, bytes) or len(data) % dtype.itemsize:
        raise ValueError(f"{name} must be bytes of {dtype.str} numbers")
    values = np.frombuffer(data, dtype=dtype)
    numbers.append((name, values))
    return values


def _check_finite(numbers: Sequence[tuple[str, np.ndarray]]) -> None:
    for dtype in (_F2, _F8):
        rows = [values for _, values in numbers if values.dtype == dtype]
        if rows and not np.isfinite(np.concatenate(rows)).all():
            name = next(name for name, values in numbers if not np.isfinite(values).all())
            raise ValueError(f"{name} must be finite, got NaN or infinity")


def _typed(value: Any, kind: type | tuple[type, ...], name: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{name} has the wrong type {type(value).__name__}")
    return value
