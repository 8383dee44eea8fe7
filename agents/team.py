"""Agents that act together: one turn of each per round, and mail between rounds, in this process or in others.

A member is anything with a `turn`: it is handed what it sees and the frames that came for it, and hands back its action
and the frames that it sends. Nothing else passes between members, and what is sent in one round arrives in the next, in
the order of names. So a run depends on its seeds alone, and not on where its members live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

__all__ = ["Mail", "Mailbox", "Member", "Team", "Turn"]

#: Frames with the name of who sent them (inbox), or whom they are for (outbox).
Mail = list[tuple[str, bytes]]


class Turn(NamedTuple):
    """What a member does in a round: an action of its environment, and frames for others."""

    action: Any
    mail: Mail
    is_done: bool = False  # it has nothing left to do, as far as it knows


@runtime_checkable
class Member(Protocol):
    """One agent of a team. Its memory is its own, and all that must survive it lies in that memory's folder."""

    name: str

    def turn(self, observation: Any, info: Mapping[str, Any], mail: Mail, peers: Sequence[str]) -> Turn:
        """Take in what is seen and what came, and act.

        Args:
            observation: What its environment shows it.
            info: What its environment says besides.
            mail: Frames that were sent to it in the last round, in the order of their senders' names.
            peers: Who can be reached now, sorted.
        """
        ...


@dataclass(slots=True)
class Mailbox:
    """A transport whose frames somebody else carries; see `placecell.memory.transports.Transport`.

    Example:
        >>> box = Mailbox("ann")
        >>> box.open([("bob", b"hello")], ["bob"])
        >>> box.receive(), box.send("bob", b"hello to you"), box.send("cat", b"?"), box.taken()
        ([('bob', b'hello')], True, False, [('bob', b'hello to you')])
    """

    name: str
    _inbox: Mail = field(default_factory=list)
    _outbox: Mail = field(default_factory=list)
    _peers: tuple[str, ...] = ()

    def open(self, mail: Mail, peers: Sequence[str]) -> None:
        """Put in what came, and say who can be reached from now on."""
        self._inbox += mail
        self._peers = tuple(sorted(peer for peer in peers if peer != self.name))

    def taken(self) -> Mail:
        """What was sent since the last call."""
        mail, self._outbox = self._outbox, []
        return mail

    def peers(self) -> tuple[str, ...]:
        """Who can be reached."""
        return self._peers

    def send(self, peer: str, frame: bytes) -> bool:
        """Put a frame out; False if the peer cannot be reached."""
        if peer not in self._peers:
            return False
        self._outbox.append((peer, frame))
        return True

    def receive(self) -> Mail:
        """What has come since the last call."""
        mail, self._inbox = self._inbox, []
        return mail

    def close(self) -> None:
        """Leave."""
        self._peers, self._inbox = (), []


class Team:
    """Members, and the mail between them.

    Args:
        members: Each with a name of its own.
        carry: Called with sender, peer and frame of everything that is sent; False loses it.

    Raises:
        ValueError: If two members have one name.
    """

    def __init__(
        self, members: Sequence[Member], carry: Callable[[str, str, bytes], bool] = lambda sender, peer, frame: True
    ) -> None:
        self.members = {member.name: member for member in members}
        if len(self.members) != len(members):
            raise ValueError(f"members need names that differ, got {[member.name for member in members]}")
        self._carry = carry
        self._mail: dict[str, Mail] = {name: [] for name in self.members}

    def round(self, observations: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]]) -> dict[str, Turn]:
        """One turn of every member that observes something; what they send arrives in the next round."""
        turns = {}
        for name, mail in self._delivered(observations).items():
            turns[name] = self.members[name].turn(observations[name], infos.get(name, {}), mail, list(observations))
        self._post(turns)
        return turns

    def _delivered(self, names: Mapping[str, Any]) -> dict[str, Mail]:
        mail = {name: self._mail[name] for name in names}
        self._mail |= {name: [] for name in names}
        return mail

    def _post(self, turns: Mapping[str, Turn]) -> None:
        for sender in sorted(turns):
            for peer, frame in turns[sender].mail:
                if peer in self._mail and self._carry(sender, peer, frame):
                    self._mail[peer].append((sender, frame))
