"""What is worth its bytes: the order in which a full memory forgets, and which moments it takes in at all.

A byte budget takes pictures first, then the vectors of tiles; never the row that says that something was seen, when,
where, and how the whole view looked. In which order is a strategy object's to say.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from placecell.memory.holdings import Holding
from placecell.memory.records import RecordId
from placecell.perception.observation import Observation

__all__ = [
    "Coverage",
    "Eviction",
    "FirstIn",
    "ForgettingCurve",
    "Gate",
    "LastIn",
    "LeastVisited",
    "MostVisited",
    "NearDuplicateGate",
    "chosen",
]

Vectors = Callable[[Iterable[RecordId]], Sequence[np.ndarray | None]]


@runtime_checkable
class Eviction(Protocol):
    """A strategy: which holding goes first."""

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Indices of `holdings`, the first to be dropped first; all of them, each once.

        Args:
            holdings: What could be dropped, agent by agent in the order of time.
            now_s: Latest stamp in the memory (stream time, seconds).
            vectors: Looks up whole-view vectors, for strategies that compare what was seen.
        """
        ...


@dataclass(frozen=True, slots=True)
class FirstIn:
    """First in, first out: the oldest goes first."""

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Oldest first."""
        yield from sorted(range(len(holdings)), key=lambda i: (holdings[i].stamp_s, holdings[i].record_id))


@dataclass(frozen=True, slots=True)
class LastIn:
    """Last in, first out: the newest goes first, the beginning of the story stays."""

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Newest first."""
        yield from sorted(range(len(holdings)), key=lambda i: (-holdings[i].stamp_s, holdings[i].record_id))


@dataclass(frozen=True, slots=True)
class LeastVisited:
    """What was recalled least goes first; of equals, the oldest."""

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Fewest visits first."""
        yield from sorted(range(len(holdings)), key=lambda i: (holdings[i].visits, holdings[i].stamp_s, i))


@dataclass(frozen=True, slots=True)
class MostVisited:
    """What was recalled most goes first, so that the rare and unasked stays; of equals, the oldest."""

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Most visits first."""
        yield from sorted(range(len(holdings)), key=lambda i: (-holdings[i].visits, holdings[i].stamp_s, i))


@dataclass(frozen=True, slots=True)
class ForgettingCurve:
    """Ebbinghaus' curve: retention R = exp(-t / S) falls with the time since the last visit, slower after each visit.

    Args:
        strength_s: How long one unit of strength lasts; a record starts with one and gains one with each visit.

    Example:
        >>> curve = ForgettingCurve(strength_s=5.0)
        >>> round(curve.retention(5.0, 0), 2), round(curve.retention(5.0, 4), 2)
        (0.37, 0.82)

    Source: MemoryBank (Zhong et al. 2024), section 2.3. Its code computes `exp(-t / 5 * S)`, by which what is recalled
    often fades *faster*; here S divides, as in its text. It drops at random with chance 1 - R; here the least retained
    goes first, so that the same memory forgets the same things.
    """

    strength_s: float = 3600.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength_s) and self.strength_s > 0):
            raise ValueError(f"strength_s must be positive, got {self.strength_s}")

    def retention(self, age_s: float, visits: int) -> float:
        """R in (0, 1] after `age_s` seconds without a visit and `visits` visits in all."""
        return math.exp(-max(age_s, 0.0) / (self.strength_s * (1 + visits)))

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Least retained first."""
        # The exponent orders as R does, and still tells apart what R rounds to zero.
        ages = [(now_s - held.visited_s) / (1 + held.visits) for held in holdings]
        yield from sorted(range(len(holdings)), key=lambda i: (-ages[i], i))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What its neighbours in time already show goes first, so that every view stays covered by one like it.

    A moment is as redundant as it is similar (cosine of whole views) to the moment held before or after it. When one
    goes, its neighbours are compared with each other instead.
    """

    def order(self, holdings: Sequence[Holding], now_s: float, vectors: Vectors) -> Iterator[int]:
        """Most redundant first."""
        n = len(holdings)
        looks = list(vectors(held.record_id for held in holdings))
        before = [i - 1 if i and self._agent(holdings, i - 1) == self._agent(holdings, i) else -1 for i in range(n)]
        after = [-1] * n
        for i, j in enumerate(before):
            if j >= 0:
                after[j] = i

        def redundancy(i: int) -> float:
            own = looks[i]
            near = [looks[j] for j in (before[i], after[i]) if j >= 0]
            if own is None:
                return 2.0  # nothing is known of how it looked: nothing is lost that could be compared
            return max((float(own.astype(np.float32) @ other) for other in near if other is not None), default=-1.0)

        heap = [(-redundancy(i), i) for i in range(n)]
        heapq.heapify(heap)
        is_gone = [False] * n
        while heap:
            cost, i = heapq.heappop(heap)
            if is_gone[i]:
                continue
            current = -redundancy(i)
            if current != cost:  # a neighbour went since
                heapq.heappush(heap, (current, i))
                continue
            is_gone[i] = True
            yield i
            if before[i] >= 0:
                after[before[i]] = after[i]
            if after[i] >= 0:
                before[after[i]] = before[i]

    @staticmethod
    def _agent(holdings: Sequence[Holding], i: int) -> str:
        return holdings[i].record_id.agent_id


def chosen(
    eviction: Eviction, holdings: Sequence[Holding], num_bytes: int, now_s: float, vectors: Vectors
) -> tuple[list[RecordId], list[RecordId], list[RecordId]]:
    """What to drop so that `num_bytes` go, or everything there is: records that lose pictures, tiles, scans.

    No tile goes before the last picture has, and no scan before the last tile.
    """
    pictures: list[RecordId] = []
    details: list[RecordId] = []
    scans: list[RecordId] = []
    left = num_bytes
    for kind, taken in (("picture_bytes", pictures), ("detail_bytes", details), ("scan_bytes", scans)):
        candidates = [held for held in holdings if getattr(held, kind)]
        if left <= 0 or not candidates:
            continue
        for i in eviction.order(candidates, now_s, vectors):
            taken.append(candidates[i].record_id)
            left -= getattr(candidates[i], kind)
            if left <= 0:
                break
    return pictures, details, scans


@runtime_checkable
class Gate(Protocol):
    """Decides which moments are worth a record."""

    def keeps(self, observation: Observation, vectors: np.ndarray) -> bool:
        """Whether to remember this moment; called once for each, in the order of time of its agent.

        Args:
            observation: The moment.
            vectors: Its unit vectors `(v, d)`; row 0 is the whole view.
        """
        ...


@dataclass(slots=True)
class NearDuplicateGate:
    """Drops moments that look like the last one kept of the same agent.

    Args:
        max_cosine: A moment more similar than this to the last one kept adds nothing.
        max_gap_s: A moment is kept at least this often, whatever it shows.

    Example:
        >>> gate = NearDuplicateGate()
        >>> view = np.ones((1, 4), np.float32) / 2
        >>> gate.keeps(Observation(0.0, embeddings=view), view), gate.keeps(Observation(1.0, embeddings=view), view)
        (True, False)
    """

    max_cosine: float = 0.98
    max_gap_s: float = 30.0
    _last: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict, repr=False)

    def keeps(self, observation: Observation, vectors: np.ndarray) -> bool:
        """Whether the moment is new enough; the first of an event always is."""
        view = np.asarray(vectors[0], dtype=np.float32)
        stamp_s, last = self._last.get(observation.agent_id, (-math.inf, view))
        is_new = (
            observation.stamp_s - stamp_s >= self.max_gap_s
            or bool(observation.is_event_start)
            or float(view @ last) <= self.max_cosine
        )
        if is_new:
            self._last[observation.agent_id] = (observation.stamp_s, view)
        return is_new
