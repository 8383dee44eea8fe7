"""How frames get from one agent to another: one small protocol, and the network in one process that tests it hard."""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Endpoint", "Faults", "Network", "Transport"]


@runtime_checkable
class Transport(Protocol):
    """Carries frames between named agents. It may lose, repeat and reorder them; it never changes one.

    Nothing blocks, and a peer that is gone is no error. `placecell.memory.sharing_testing` has the conformance suite.
    """

    name: str

    def peers(self) -> tuple[str, ...]:
        """Names of the agents that can be reached at the moment, sorted, without one's own."""
        ...

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame; False if it is certain that it cannot arrive."""
        ...

    def receive(self) -> list[tuple[str, bytes]]:
        """What has come since the last call: the name of the peer that sent it, and the frame."""
        ...

    def close(self) -> None:
        """Leave. Closing twice does no harm."""
        ...


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the way.

    Args:
        loss: Chance that a frame is lost.
        duplication: Chance that a frame comes twice.
        delay_s: Least and greatest seconds on the way, drawn for each frame, so that a span reorders them.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay_s: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not (0 <= self.loss <= 1 and 0 <= self.duplication <= 1 and 0 <= self.delay_s[0] <= self.delay_s[1]):
            raise ValueError(f"faults are chances from 0 to 1 and ascending seconds from 0 on, got {self}")


class Network:
    """All agents in one process; the same seed and calls give the same deliveries.

    Args:
        faults: What goes wrong; by default nothing, and every frame arrives at once and in order.
        seed: Of the faults.
        max_waiting: Most frames that wait for one agent; beyond that new ones are lost.

    Example:
        >>> network = Network()
        >>> ann, bob = network.join("ann"), network.join("bob")
        >>> ann.send("bob", b"hello"), bob.receive()
        (True, [('ann', b'hello')])
    """

    def __init__(self, faults: Faults | None = None, seed: int = 0, max_waiting: int = 10_000) -> None:
        self.faults = faults or Faults()
        self.now_s = 0.0
        self._random = random.Random(seed)
        self._max_waiting = max_waiting
        self._waiting: dict[str, list[tuple[float, int, str, bytes]]] = {}  # heaps by time of arrival
        self._islands: list[frozenset[str]] = []
        self._num = 0

    def join(self, name: str) -> Endpoint:
        """The way of one agent into the network.

        Raises:
            ValueError: If an agent of this name is there already.
        """
        if name in self._waiting:
            raise ValueError(f"an agent named {name!r} is here already: give every agent a name of its own")
        self._waiting[name] = []
        return Endpoint(name, self)

    def advance(self, seconds: float) -> None:
        """Let time pass; what is on the way arrives."""
        self.now_s += seconds

    def partition(self, *islands: Iterable[str]) -> None:
        """From now on only agents of one island reach each other; whoever is on none is alone."""
        self._islands = [frozenset(island) for island in islands]

    def heal(self) -> None:
        """All reach all again."""
        self._islands = []

    def reaches(self, sender: str, peer: str) -> bool:
        """Whether a frame could get from one to the other now."""
        is_one = not self._islands or any(sender in island and peer in island for island in self._islands)
        return sender != peer and sender in self._waiting and peer in self._waiting and is_one

    def names(self) -> Collection[str]:
        """Who is in the network."""
        return self._waiting.keys()

    def carry(self, sender: str, peer: str, frame: bytes) -> bool:
        """Put a frame on its way; also for tests that speak for somebody else."""
        if peer not in self._waiting or (sender in self._waiting and not self.reaches(sender, peer)):
            return False
        faults, heap = self.faults, self._waiting[peer]
        for _ in range(2 if self._random.random() < faults.duplication else 1):
            is_lost = self._random.random() < faults.loss
            arrival_s = self.now_s + self._random.uniform(*faults.delay_s)
            if not is_lost and len(heap) < self._max_waiting:
                self._num += 1
                heapq.heappush(heap, (arrival_s, self._num, sender, frame))
        return True

    def arrived(self, name: str) -> list[tuple[str, bytes]]:
        """Hand over what has arrived for an agent."""
        heap, found = self._waiting.get(name, []), []
        while heap and heap[0][0] <= self.now_s:
            _, _, sender, frame = heapq.heappop(heap)
            found.append((sender, frame))
        return found

    def leave(self, name: str) -> None:
        """Forget an agent, and what was on its way to it."""
        self._waiting.pop(name, None)


class Endpoint:
    """One agent's end of a `Network`."""

    def __init__(self, name: str, network: Network) -> None:
        self.name, self._network, self._is_open = name, network, True

    def peers(self) -> tuple[str, ...]:
        """Names of the agents that can be reached at the moment."""
        network = self._network
        return tuple(sorted(name for name in network.names() if self._is_open and network.reaches(self.name, name)))

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame; False if it is certain that it cannot arrive."""
        return self._is_open and peer != self.name and self._network.carry(self.name, peer, frame)

    def receive(self) -> list[tuple[str, bytes]]:
        """What has come since the last call."""
        return self._network.arrived(self.name) if self._is_open else []

    def close(self) -> None:
        """Leave the network; the name is free again."""
        if self._is_open:
            self._is_open = False
            self._network.leave(self.name)
