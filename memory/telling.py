"""What a peer is told next: which records it lacks, wants and may have, and how much of them fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from placecell.memory.delta import Delta, Ranges
from placecell.memory.peers import Peer
from placecell.memory.policy import Policy
from placecell.memory.records import Record
from placecell.memory.subscriptions import trimmed
from placecell.memory.value import by_value

if TYPE_CHECKING:
    from placecell.memory.memory import Memory

__all__ = ["OVERHEAD_BYTES", "fitting", "wanted"]

OVERHEAD_BYTES = 512  # most that a frame takes around a delta
_USUAL_BYTES = 160  # what one takes that is signed and deflated, which is what a budget is reckoned by
_LEAST_BYTES = 64  # a record takes more


def wanted(memory: Memory, peer: Peer, policy: Policy, now_s: float) -> tuple[list[Record], list[Record]]:
    """Some retractions, and some other records, that a peer lacks and wants and may have.

    Both are oldest first or, where bytes are counted, the others most valuable first. What is not for it is noted with
    the peer, so that it is not considered again.
    """
    wants = peer.wants
    assert wants is not None
    urgent: list[Record] = []
    others: list[Record] = []
    for record in islice(memory.lacking(peer.lacks(now_s, policy.patience_s)), 2048):
        is_taken = peer.takes is None or record.agent_id in peer.takes
        if is_taken and wants.matches(record) and not memory.is_private(record):
            (urgent if record.kind == "retraction" else others).append(record)
        else:
            peer.passed.setdefault(record.agent_id, Ranges()).add(record.seq)
    if peer.budget is not None and others:
        num = max(int(peer.budget.left(now_s)), 0) // _LEAST_BYTES + 1
        others = by_value(others, peer.looks, peer.named, most=num)
    return urgent, others


def fitting(
    memory: Memory, peer: Peer, records: Sequence[Record], policy: Policy, now_s: float, is_paid: bool
) -> Delta | None:
    """As many of the records as fit into one frame and the peer's budget, in as much detail as it wants.

    Args:
        memory: Where the records are from.
        peer: For whom.
        records: The first goes first.
        policy: How long a frame may be.
        now_s: What the budget is reckoned by.
        is_paid: Whether the budget holds for them.

    Returns:
        A delta; an empty one if the first record will never fit; None if it has to be saved up for.
    """
    assert peer.wants is not None
    detail = peer.wants.detail
    room = most = policy.max_frame_bytes - OVERHEAD_BYTES
    if peer.budget is not None and is_paid:
        most = min(most, int(policy.burst_bytes) - _USUAL_BYTES)
        room = min(most, int(peer.budget.left(now_s)) - _USUAL_BYTES)
    delta = _delta(memory, [trimmed(record, detail) for record in records], room, detail == "picture")
    if delta is None and room < most:
        return None
    if delta is None:  # it will never fit whole
        delta = _delta(memory, [trimmed(records[0], "descriptor")], room, False)
    return Delta(()) if delta is None else delta


def _delta(memory: Memory, records: Iterable[Record], room: int, pictures: bool) -> Delta | None:
    try:
        return Delta.of(
            records,
            memory.encoder_name,
            memory.text_encoder_name,
            picture=memory.picture_jpeg if pictures else None,
            max_bytes=room,
        )
    except ValueError:
        return None
