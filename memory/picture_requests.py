"""Pictures on request: whom to ask for which, and which of those asked for are sent together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from placecell.memory.delta import Ranges
from placecell.memory.peers import Peer
from placecell.memory.records import RecordId

if TYPE_CHECKING:
    from placecell.memory.memory import Memory

__all__ = ["answered", "asked"]

_MOST = 256  # of one request


def asked(
    record_ids: Iterable[RecordId], reached: Collection[str], peer: str | None = None
) -> Iterator[tuple[str, list[list[Any]]]]:
    """Whom to ask, and for which pictures, a request at a time.

    Args:
        record_ids: Whose pictures are wanted.
        reached: Agents that can be reached now.
        peer: Whom to ask; by default the author of each, if it can be reached, or else everybody.
    """
    rows: dict[str, list[list[Any]]] = {}
    for record_id in record_ids:
        author = record_id[0] if peer is None else peer
        for name in [author] if author in reached else reached:
            rows.setdefault(name, []).append(list(record_id))
    for name, wanted in rows.items():
        for start in range(0, len(wanted), _MOST):
            yield name, wanted[start : start + _MOST]


def answered(
    memory: Memory, peer: Peer, rows: Sequence[Sequence[Any]], room: int
) -> Iterator[Mapping[RecordId, bytes]]:
    """Pictures that a peer asked for and may have, as many together as fit into `room` bytes."""
    found: dict[RecordId, bytes] = {}
    left, have = room, memory.have()
    for record_id in dict.fromkeys(RecordId(*row) for row in rows):
        if record_id.seq not in have.get(record_id.agent_id, Ranges()):
            continue
        is_taken = peer.takes is None or record_id.agent_id in peer.takes
        jpeg = memory.picture_jpeg(record_id)
        if jpeg is None or not is_taken or memory.is_private(memory.get(record_id)):
            continue
        size = len(jpeg) + len(record_id.agent_id.encode()) + 32
        if found and size > left:
            yield found
            found, left = {}, room
        if size <= left:
            found[record_id] = jpeg
            left -= size
    if found:
        yield found
