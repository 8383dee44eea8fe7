"""Agents that act together: one turn of each per round, and mail between rounds, in this process or in others.

A member is anything with a `turn`: it is handed what it sees and the frames that came for it, and hands back its action
and the frames that it sends. Nothing else passes between members, and what is sent in one round arrives in the next, in
the order of names. So a run depends on its seeds alone, and not on where its members live.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from placecell.errors import MemoryLockedError, PlacecellError
from placecell.memory.ray_transport import ray_module

__all__ = ["Mail", "Mailbox", "Maker", "Member", "RayTeam", "Team", "Turn"]

_TRIES: Final = 50
_WAIT_S: Final = 0.1

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

    def turn(self, step: int, observation: Any, info: Mapping[str, Any], mail: Mail, peers: Sequence[str]) -> Turn:
        """Take in what is seen and what came, and act.

        Args:
            step: Number of the round, the same for all; a member that was started anew learns the time from it.
            observation: What its environment shows it.
            info: What its environment says besides.
            mail: Frames that were sent to it in the last round, in the order of their senders' names.
            peers: Who can be reached now, sorted.
        """
        ...

    def report(self) -> Mapping[str, Any]:
        """What there is to say of it, in plain values."""
        ...


#: Makes a member, given the number of its life: 0, and one more each time that it is started anew.
Maker = Callable[[int], Member]


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
    """Members in this process, and the mail between them.

    Args:
        makers: By name, what makes each member.
        carry: Called with sender, peer and frame of everything that is sent; False loses it.

    Raises:
        ValueError: If there is no member.
    """

    def __init__(
        self,
        makers: Mapping[str, Maker],
        carry: Callable[[str, str, bytes], bool] = lambda sender, peer, frame: True,
    ) -> None:
        if not makers:
            raise ValueError("a team needs at least one member, got none")
        self._makers, self._carry = dict(makers), carry
        self.lives = dict.fromkeys(makers, 0)
        self.step = 0
        self._mail: dict[str, Mail] = {name: [] for name in makers}
        self.members: dict[str, Any] = {}
        for name in makers:
            self.members[name] = self._made(name)

    def round(
        self, observations: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dict[str, Turn]:
        """One turn of every member that observes something; what they send arrives in the next round."""
        peers = sorted(observations)
        calls = {}
        for name, seen in observations.items():
            calls[name] = (self.step, seen, dict((infos or {}).get(name, {})), self._mail[name], peers)
            self._mail[name] = []
        turns = self._turns(calls)
        for sender in sorted(turns):
            for peer, frame in turns[sender].mail:
                if peer in self._mail and self._carry(sender, peer, frame):
                    self._mail[peer].append((sender, frame))
        self.step += 1
        return turns

    def kill(self, name: str) -> None:
        """Take a member's life without warning, and give it the next: what is not in its folder is lost."""
        self._end(name)
        self.lives[name] += 1
        self.members[name] = self._made(name)

    def reports(self) -> dict[str, Mapping[str, Any]]:
        """What each member says of itself."""
        return {name: member.report() for name, member in self.members.items()}

    def close(self) -> None:
        """Let all members go."""
        for name in list(self.members):
            self._end(name)

    def _made(self, name: str) -> Any:
        return self._makers[name](self.lives[name])

    def _end(self, name: str) -> None:
        del self.members[name]
        gc.collect()  # its memory's folder is free once nobody holds the memory any more

    def _turns(self, calls: Mapping[str, tuple[Any, ...]]) -> dict[str, Turn]:
        return {name: self.members[name].turn(*call) for name, call in calls.items()}


class RayTeam(Team):
    """The same, with each member an actor of Ray, on one machine or over a cluster. Needs the extra `[team]`.

    One call per member and round. A member whose process dies is started anew and handed the same round again; it opens
    its folder, replays its log, and hears from its peers what it missed.

    Args:
        makers: See `Team`; what they make, and they themselves, must be picklable. Folders must be reachable from where
            actors run.
        carry: See `Team`.
        patience: How often a member is started anew within one round.

    Raises:
        MissingDependencyError: If ray is not installed.
    """

    def __init__(
        self,
        makers: Mapping[str, Maker],
        carry: Callable[[str, str, bytes], bool] = lambda sender, peer, frame: True,
        patience: int = 3,
    ) -> None:
        self._ray, self._patience = ray_module(), patience
        super().__init__(makers, carry)

    def kill(self, name: str) -> None:
        """Kill a member's process; it is started anew in the next round, as after any other death."""
        self._ray.kill(self.members[name])

    def reports(self) -> dict[str, Mapping[str, Any]]:
        """What each member says of itself."""
        return {name: self._ray.get(member.report.remote()) for name, member in self.members.items()}

    def _made(self, name: str) -> Any:
        actor = self._ray.remote(_Actor).options(num_cpus=0, max_restarts=0, scheduling_strategy="SPREAD")
        return actor.remote(self._makers[name], self.lives[name])

    def _end(self, name: str) -> None:
        self._ray.kill(self.members.pop(name))

    def _turns(self, calls: Mapping[str, tuple[Any, ...]]) -> dict[str, Turn]:
        waiting = {name: self.members[name].turn.remote(*call) for name, call in calls.items()}
        turns = {}
        for name, answer in waiting.items():
            for attempt in range(self._patience + 1):
                try:
                    turns[name] = self._ray.get(answer)
                    break
                except self._ray.exceptions.RayActorError as error:
                    if attempt == self._patience:
                        raise PlacecellError(
                            f"member {name!r} died {attempt + 1} times in one round: {error}"
                        ) from error
                    self.lives[name] += 1
                    self.members[name] = self._made(name)
                    answer = self.members[name].turn.remote(*calls[name])
        return {name: turns[name] for name in calls}


class _Actor:
    """A member in a process of its own."""

    def __init__(self, maker: Maker, life: int) -> None:
        for attempt in range(_TRIES):
            try:
                self._member = maker(life)
                return
            except MemoryLockedError:  # the process of the life before has not quite gone
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_WAIT_S)

    def turn(self, *call: Any) -> Turn:
        return self._member.turn(*call)

    def report(self) -> Mapping[str, Any]:
        return self._member.report()
