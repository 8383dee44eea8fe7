"""Who may say what: whether a frame is its sender's, new, of the right session, and about agents it may speak for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placecell.memory.delta import Delta
from placecell.memory.envelope import Envelope, open_frame
from placecell.memory.peers import Peer
from placecell.memory.policy import Policy

if TYPE_CHECKING:
    from placecell.memory.memory import Memory
    from placecell.memory.signing import KeyRegistry

__all__ = ["NameTaken", "admitted", "check_authors"]


class NameTaken(ValueError):
    """Two sessions speak under one name."""


def admitted(frame: bytes, name: str, peer: Peer, keys: KeyRegistry | None, policy: Policy, now_s: float) -> Envelope:
    """The message in a frame, once it is certain who said it, and that it was not heard before.

    Args:
        frame: As it came.
        name: The agent to whom it came.
        peer: From whom the transport has it; its session, window and clock are brought up to date.
        keys: Whose signatures count; None for messages without.
        policy: How long a frame may be, and how long a name belongs to a session.
        now_s: The clock of whoever hears it.

    Raises:
        NameTaken: If another session speaks under the name.
        ProtocolVersionError: If it is of another version of the protocol.
        ValueError: If it does not count for any other reason.
    """
    whole, signature = open_frame(frame, policy.max_frame_bytes)
    envelope = Envelope.from_bytes(whole, policy.max_frame_bytes)
    if envelope.sender != peer.name:
        raise ValueError(f"a message of {envelope.sender!r} came from {peer.name!r}")
    if keys is not None and not keys.verifies(envelope.sender, whole, signature):
        raise ValueError(f"no registered key of {envelope.sender!r} signed this message")
    if envelope.sender == name:
        raise NameTaken(f"two agents are named {name!r}: give every agent a name of its own")
    if envelope.session != peer.session:
        silent_s = now_s - peer.heard_s
        if peer.session is not None and not peer.is_over(envelope.session) and silent_s < policy.name_lease_s:
            raise NameTaken(
                f"two agents are named {peer.name!r}, sessions {peer.session} and {envelope.session}: give every "
                f"agent a name of its own; one that was started anew is heard after {policy.name_lease_s:g} s"
            )
        if not peer.begin(envelope.session):
            raise ValueError(f"session {envelope.session} of {peer.name!r} is over")
    if not peer.window.admit(envelope.seq):
        raise ValueError(f"message {envelope.seq} of {peer.name!r} was heard before, or is too old to know")
    peer.heard_s = now_s
    offset_s = now_s - envelope.sent_s
    peer.offset_s = offset_s if peer.offset_s is None else min(peer.offset_s, offset_s)
    return envelope


def check_authors(delta: Delta, peer: Peer, keys: KeyRegistry | None, memory: Memory) -> None:
    """See to it that a peer may speak for all whose records, pictures and retractions it brings.

    Raises:
        ValueError: If it may not.
    """
    authors = {record.agent_id for record in delta.records} | {agent_id for agent_id, _ in delta.pictures}
    if keys is not None:
        stranger = min(authors - keys.agents(peer.name), default=None)
        if stranger is not None:
            raise ValueError(f"{peer.name!r} may not speak for {stranger!r}")
        if not keys.may_retract(peer.name):
            for record in delta.records:
                if record.target is not None and record.target.agent_id not in keys.agents(peer.name):
                    raise ValueError(f"{peer.name!r} may not take back {record.target}")
    have = memory.have()
    for agent_id in authors & set(memory.own_agents()):
        if any(r.agent_id == agent_id and r.seq > have[agent_id].top for r in delta.records):
            raise ValueError(f"{peer.name!r} sent records of {agent_id!r}, which only this memory numbers")
