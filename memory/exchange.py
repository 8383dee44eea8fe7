"""Handing records to another memory and taking them in: what a delta holds, and what of it is new."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

from placecell.errors import RecordConflictError
from placecell.memory.delta import PRIVATE, Delta, Ranges
from placecell.memory.home import GIVEN, Home
from placecell.memory.log import Log
from placecell.memory.records import Record, RecordId

__all__ = ["delta_since", "fresh_records", "is_private", "lacking"]


def delta_since(log: Log, home: Home, since: Mapping[str, int], max_bytes: int | None, pictures: bool) -> Delta:
    """Records of `log` beyond the version vector `since`, oldest first, as many as fit; private ones stay here.

    Raises:
        ValueError: If a version is negative or no integer, or `max_bytes` has no room for a single record.
    """
    for agent_id, seq in since.items():
        if not isinstance(agent_id, str) or not isinstance(seq, int) or seq < 0:
            raise ValueError(f"a version vector maps names to numbers from 0 on, got {agent_id!r}: {seq!r}")
    found = lacking(log, {name: Ranges(seq) for name, seq in since.items()})
    return Delta.of(
        (record for record in found if not is_private(log, record)),
        encoder=home.name_of("encoder"),
        text_encoder=home.name_of("text_encoder"),
        picture=log.picture if pictures else None,
        max_bytes=max_bytes,
    )


def lacking(log: Log, have: Mapping[str, Ranges]) -> Iterator[Record]:
    """Records of `log` that are not among `have`, oldest first."""
    scans = [_scan(log, name, have.get(name, Ranges())) for name in log.agents()]
    return heapq.merge(*scans, key=lambda record: (record.stamp_s, record.record_id))


def _scan(log: Log, agent_id: str, have: Ranges) -> Iterator[Record]:
    for lo, hi in log.ranges(agent_id).beyond(have):
        yield from log.scan(agent_id, lo, hi)


def is_private(log: Log, record: Record) -> bool:
    """Whether the record must not leave: it is labelled so, or takes back one that is."""
    if PRIVATE in record.labels:
        return True
    target = None if record.target is None else log.get(record.target)
    return target is not None and is_private(log, target)


def fresh_records(log: Log, home: Home, delta: Delta) -> tuple[list[Record], dict[RecordId, bytes]]:
    """What of a delta the log lacks, in the order of ids, and the pictures that belong to records it has or will have.

    A memory without vectors takes over the delta's encoders.

    Raises:
        EncoderMismatchError: If the vectors are of another encoder than the memory's.
        RecordConflictError: If a record differs from the one that the log has under the same id.
        ValueError: If an agent's stamps run backwards within the delta.
    """
    fresh: dict[RecordId, Record] = {}
    for record in delta.records:
        record_id = record.record_id
        known = fresh.get(record_id) or log.get(record_id)
        if known is None:
            fresh[record_id] = record
        elif (known.kind, known.stamp_s, known.recorded_s) != (record.kind, record.stamp_s, record.recorded_s):
            raise RecordConflictError(
                f"two memories wrote different records as {record_id}: give every agent a name of its own"
            )
    records = [fresh[record_id] for record_id in sorted(fresh)]
    last: dict[str, Record] = {}
    for record in records:
        if record.kind != "retraction":
            before = last.get(record.agent_id, record)
            if record.stamp_s < before.stamp_s:
                raise ValueError(
                    f"stamps of agent {record.agent_id!r} must not run backwards: {record.stamp_s} s "
                    f"({record.record_id}) after {before.stamp_s} s ({before.record_id})"
                )
            last[record.agent_id] = record
    views = {record.embeddings.shape[1] for record in records if record.embeddings is not None}
    words = {record.text_embedding.shape[0] for record in records if record.text_embedding is not None}
    for dim in sorted(views):
        home.adopt("encoder", delta.encoder or GIVEN, dim)
    for dim in sorted(words):
        home.adopt("text_encoder", delta.text_encoder or GIVEN, dim)
    pictures = {key: jpeg for key, jpeg in delta.pictures.items() if key in fresh or key in log}
    return records, pictures
