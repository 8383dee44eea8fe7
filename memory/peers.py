"""What one agent knows of each other one: session and replay window, quotas and budgets, what it has and wants."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from placecell.memory.delta import Ranges
from placecell.memory.records import Record, RecordId
from placecell.memory.subscriptions import Subscription
from placecell.memory.value import look, names_of

__all__ = ["Bucket", "Peer", "Quarantine", "Refused", "Traffic", "Window"]

_MAX_SESSIONS = 64
_NUM_LOOKS = 256


class Window:
    """Which numbers of a session have been heard; those that fell out of it count as heard.

    Example:
        >>> window = Window(size=3)
        >>> [window.admit(seq) for seq in (1, 5, 4, 5, 2)]
        [True, True, True, False, False]
    """

    def __init__(self, size: int = 4096) -> None:
        self._size, self._top, self._bits = size, 0, 0

    def admit(self, seq: int) -> bool:
        """Note a number; False if it was heard before, or is too old to know."""
        if seq > self._top:
            shift = seq - self._top
            self._bits = 1 if shift >= self._size else (self._bits << shift | 1) & ((1 << self._size) - 1)
            self._top = seq
            return True
        bit = 1 << self._top - seq if self._top - seq < self._size else 0
        is_new = bit != 0 and not self._bits & bit
        self._bits |= bit
        return is_new


class Bucket:
    """So much a second, and what was saved up, but no more than `most`.

    Example:
        >>> bucket = Bucket(10.0, 100.0)
        >>> bucket.take(90.0, now_s=0.0), bucket.take(90.0, now_s=1.0), bucket.left(1.0)
        (True, False, 20.0)
    """

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s, self._most, self._left, self._then_s = per_s, most, most, 0.0

    def left(self, now_s: float) -> float:
        """What could be taken now. A clock that runs backwards gives nothing."""
        self._left = min(self._most, self._left + self._per_s * max(now_s - self._then_s, 0.0))
        self._then_s = now_s
        return self._left

    def take(self, amount: float, now_s: float) -> bool:
        """Take it if it is there."""
        if self.left(now_s) < amount:
            return False
        self._left -= amount
        return True

    def spend(self, amount: float, now_s: float) -> None:
        """Take it even if it is not there; later ones wait for it."""
        self.left(now_s)
        self._left -= amount


class Refused(NamedTuple):
    """A frame that did not count."""

    peer: str
    reason: str
    num_bytes: int
    head: bytes  # its first bytes


class Quarantine:
    """What did not parse, did not verify or was not allowed: counted for each peer, and the last ones kept to look at.

    A message is never half taken in: what is here left no other trace.
    """

    def __init__(self, keep: int = 64) -> None:
        self.last: deque[Refused] = deque(maxlen=keep)
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.counts.total()

    def add(self, peer: str, reason: str, frame: bytes) -> None:
        """Keep a frame that does not count."""
        self.counts[peer] += 1
        self.last.append(Refused(peer, reason, len(frame), frame[:64]))


class Traffic:
    """Messages and bytes, exactly, by direction ("sent", "received") and kind.

    A kind is a performative, "picture" for an inform with pictures, or "quarantine" for what did not count.
    """

    def __init__(self) -> None:
        self.messages: Counter[tuple[str, str]] = Counter()
        self.bytes: Counter[tuple[str, str]] = Counter()

    def add(self, direction: str, kind: str, num_bytes: int) -> None:
        """Count a frame."""
        self.messages[direction, kind] += 1
        self.bytes[direction, kind] += num_bytes

    def total(self, direction: str) -> int:
        """Bytes in one direction."""
        return sum(count for (way, _), count in self.bytes.items() if way == direction)


@dataclass(slots=True)
class Peer:
    """One other agent, as far as it is known."""

    name: str
    quota: Bucket
    budget: Bucket | None
    session: str | None = None
    sessions: list[str] = field(default_factory=list)  # earlier ones, which never come back
    window: Window = field(default_factory=Window)
    heard_s: float = 0.0
    offset_s: float | None = None  # our clock less the peer's, at most; the least over all messages
    asked_s: float | None = None  # when it was last sent a query
    wants: Subscription | None = None  # None until it asks
    takes: frozenset[str] | None = None
    have: dict[str, Ranges] = field(default_factory=dict)
    passed: dict[str, Ranges] = field(default_factory=dict)  # considered, and not for this peer
    flying: deque[tuple[float, RecordId]] = field(default_factory=deque)  # sent a short while ago
    looks: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=_NUM_LOOKS))
    named: set[str] = field(default_factory=set)
    scolded_s: float | None = None  # when it was last told that something was refused

    def begin(self, session: str) -> bool:
        """Go on with another session; False if that one is over."""
        if session in self.sessions or len(self.sessions) >= _MAX_SESSIONS:
            return False
        if self.session is not None:
            self.sessions.append(self.session)
        self.session, self.window, self.offset_s = session, Window(), None
        self.asked_s, self.wants = None, None
        return True

    def is_over(self, session: str) -> bool:
        """Whether the session was followed by another."""
        return session in self.sessions

    def lacks(self, now_s: float, patience_s: float) -> dict[str, Ranges]:
        """Per agent the numbers not to send: what it has, what is on the way to it, and what is not for it."""
        while self.flying and self.flying[0][0] + patience_s <= now_s:
            self.flying.popleft()
        found = {name: ranges.copy() for name, ranges in self.have.items()}
        for _, (agent_id, seq) in self.flying:
            found.setdefault(agent_id, Ranges()).add(seq)
        for agent_id, ranges in self.passed.items():
            found[agent_id] = found[agent_id].union(ranges) if agent_id in found else ranges.copy()
        return found

    def ask(self, have: Mapping[str, Ranges], wants: Subscription, takes: frozenset[str] | None) -> None:
        """Take in a query: it holds until the next one."""
        if (wants, takes) != (self.wants, self.takes):
            self.passed = {}
        self.have, self.wants, self.takes = dict(have), wants, takes

    def note(self, records: Iterable[Record]) -> None:
        """The peer has these records."""
        for record in records:
            vector = look(record)
            if vector is not None:
                self.looks.append(vector)
            self.named.update(names_of(record))
