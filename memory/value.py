"""Which records are worth their bytes to a peer: what it has nothing like first."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from jaxtyping import Float32

from placecell.memory.records import Record

__all__ = ["by_value", "look", "names_of"]

_HALF_LIFE_S = 60.0


def look(record: Record) -> Float32[np.ndarray, "d"] | None:
    """Unit vector of what the record shows or, failing that, says; None if it has neither."""
    vectors = record.embeddings[0] if record.embeddings is not None else record.text_embedding
    if vectors is None:
        return None
    vector = np.asarray(vectors, np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else None


def names_of(record: Record) -> set[str]:
    """The record's labels, and the likeliest name of each thing in it."""
    return {*record.labels, *(detection.labels[0][0] for detection in record.detections if detection.labels)}


def by_value(
    records: Sequence[Record],
    known: Iterable[Float32[np.ndarray, "d"]] = (),
    named: Collection[str] = (),
    now_s: float | None = None,
    most: int | None = None,
) -> list[Record]:
    """The records, most valuable first: each adds most to what the peer has and to those before it.

    A record is worth its novelty (one less the greatest cosine with a vector that the peer has), one for each thing or
    label that the peer never heard of, and up to a half for being recent. Retractions come before all others, in the
    order of time: what does not hold must not be believed any longer. Takes time in n d for
    each record that is given back.

    Args:
        records: What the peer lacks.
        known: Vectors of what it has; a sample will do. Those of another length are passed over.
        named: Names of things and labels that it has heard of.
        now_s: The latest stamp; by default that of the records.
        most: How many to give back besides retractions; by default all.

    Example:
        >>> seen, other = np.eye(2, dtype=np.float16)
        >>> records = [Record("a", i + 1, "moment", 0.0, 0.0, row[None]) for i, row in enumerate((seen, seen, other))]
        >>> [record.seq for record in by_value(records, known=[seen.astype(np.float32)])]
        [3, 1, 2]
    """
    first = sorted((r for r in records if r.kind == "retraction"), key=lambda r: (r.stamp_s, r.record_id))
    rest = sorted((r for r in records if r.kind != "retraction"), key=lambda r: (r.stamp_s, r.record_id))
    if not rest:
        return first
    now_s = max(record.stamp_s for record in rest) if now_s is None else now_s
    score = np.array([0.5 * math.exp2(-max(now_s - r.stamp_s, 0.0) / _HALF_LIFE_S) for r in rest])
    looks = [look(record) for record in rest]
    owners: dict[str, list[int]] = {}  # rows by each name that the peer has not heard
    for i, record in enumerate(rest):
        for name in names_of(record).difference(named):
            owners.setdefault(name, []).append(i)
            score[i] += 1.0
    # Rows and vectors of each length, pictures and texts apart, and how far each is from all that the peer has.
    groups: dict[int, tuple[list[int], np.ndarray, np.ndarray]] = {}
    known = list(known)
    for dim in {len(vector) for vector in looks if vector is not None}:
        rows = [i for i, vector in enumerate(looks) if vector is not None and len(vector) == dim]
        matrix = np.stack([vector for vector in looks if vector is not None and len(vector) == dim])
        near = [vector for vector in known if len(vector) == dim]
        novelty = 1.0 - (matrix @ np.stack(near).T).max(1) if near else np.ones(len(rows))
        groups[dim] = (rows, matrix, novelty)
        score[rows] += novelty
    found: list[Record] = []
    is_left = np.ones(len(rest), bool)
    for _ in rest[:most]:
        best = int(np.argmax(np.where(is_left, score, -np.inf)))
        is_left[best] = False
        found.append(rest[best])
        for name in names_of(rest[best]):
            score[np.array(owners.pop(name, []), np.intp)] -= 1.0
        vector = looks[best]
        if vector is not None:
            rows, matrix, novelty = groups[len(vector)]
            closer = np.minimum(novelty, 1.0 - matrix @ vector)
            score[rows] -= novelty - closer
            novelty[:] = closer
    return first + found
