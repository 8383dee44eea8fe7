"""A node of the tree over time: what a group of moments has in common, in constant size; and who writes summaries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["Node", "Summary", "Writer"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a node holds, in short.

    Attributes:
        agent_id: Whose stream.
        level: 1 for an event, 2 for an episode, and so on.
        start_s: Begin of the first moment.
        end_s: End of the last one.
        count: Number of moments and texts.
        item: The one that stands for them.
        labels: Most frequent labels, with their numbers.
        words: Words that are frequent here and rare elsewhere.
        text: One line, by the summariser if there is one.
    """

    agent_id: str
    level: int
    start_s: float
    end_s: float
    count: int
    item: int
    labels: tuple[tuple[str, int], ...]
    words: tuple[str, ...]
    text: str


class Writer:
    """Lines of summaries by a summariser, as long as its calls last; the extractive ones after that.

    Args:
        summariser: Writes a line from a summary and those of its children that were made before.
        max_calls: How often it may be called in all.

    Example:
        >>> from types import SimpleNamespace
        >>> write = Writer(lambda summary, below: summary.text.upper(), max_calls=1)
        >>> [write(SimpleNamespace(text=text), []) for text in ("mug, sink", "bed")]
        ['MUG, SINK', 'bed']
    """

    def __init__(self, summariser: Callable[[Any, Sequence[Any]], str], max_calls: int = 100) -> None:
        self._summariser = summariser
        self.calls_left = max_calls

    def __call__(self, summary: Any, below: Sequence[Any]) -> str:
        """The line of a summary."""
        if self.calls_left <= 0:
            return str(summary.text)
        self.calls_left -= 1
        return self._summariser(summary, below)


class Node:
    """A group of moments: how many, what they look like on average, and where and when they lie.

    Example:
        >>> node = Node(1)
        >>> node.absorb(np.array([1.0, 0.0], np.float32), 2.0, 3.0, (0.0, 1.0, 0.0), ("mug",), ())
        >>> node.count, node.start_s, node.end_s, node.labels["mug"]
        (1, 2.0, 3.0, 1)
    """

    __slots__ = (
        "children", "count", "end_s", "high", "items", "labels", "level", "low", "num_vectors", "start_s", "summary",
        "total", "unit", "words",
    )  # fmt: skip

    def __init__(self, level: int) -> None:
        self.level = level
        self.count = 0
        self.num_vectors = 0
        self.total: Float32[np.ndarray, "d"] | None = None
        self.start_s, self.end_s = math.inf, -math.inf
        self.low: tuple[float, ...] | None = None
        self.high: tuple[float, ...] | None = None
        self.labels: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.children: list[Node] = []
        self.items: list[int] = []
        self.summary: Summary | None = None  # None: dirty
        self.unit: Float32[np.ndarray, "d"] | None = None  # None: dirty

    def absorb(
        self,
        vector: Float[np.ndarray, "d"] | None,
        start_s: float,
        end_s: float,
        position: Sequence[float] | None,
        labels: Iterable[str],
        words: Iterable[str],
    ) -> None:
        """Take one moment into account, in time that does not depend on how many are in."""
        self.count += 1
        if vector is not None:
            self.num_vectors += 1
            if self.total is None:
                self.total = np.array(vector, dtype=np.float32)
            else:
                self.total += vector
            self.unit = None
        if start_s < self.start_s:
            self.start_s = start_s
        if end_s > self.end_s:
            self.end_s = end_s
        if position is not None:
            self._reach(position, position)
        for label in labels:
            self.labels[label] += 1
        for word in words:
            self.words[word] += 1
        self.summary = None

    def adopt(self, child: Node) -> None:
        """Take a whole node as a child; its moments count with their number."""
        self.children.append(child)
        self.count += child.count
        self.num_vectors += child.num_vectors
        if child.total is not None:
            self.total = child.total.copy() if self.total is None else self.total + child.total
        self.start_s, self.end_s = min(self.start_s, child.start_s), max(self.end_s, child.end_s)
        if child.low is not None and child.high is not None:
            self._reach(child.low, child.high)
        self.labels.update(child.labels)
        self.words.update(child.words)
        self.summary = self.unit = None

    def _reach(self, low: Sequence[float], high: Sequence[float]) -> None:
        if self.low is None or self.high is None:
            self.low, self.high = tuple(map(float, low)), tuple(map(float, high))
        else:
            self.low = tuple(map(min, self.low, map(float, low)))
            self.high = tuple(map(max, self.high, map(float, high)))

    @property
    def centroid(self) -> Float32[np.ndarray, "d"] | None:
        """Mean of the vectors below, each counted once; None if there is none."""
        return None if self.total is None else self.total / np.float32(self.num_vectors)

    @property
    def direction(self) -> Float32[np.ndarray, "d"] | None:
        """Direction of the centroid, unit length: the mean of unlike vectors is short, which must not count."""
        if self.unit is None and self.total is not None:
            self.unit = self.total / max(np.float32(1e-12), np.float32(np.linalg.norm(self.total)))
        return self.unit

    def leaves(self) -> Iterator[int]:
        """Items below, in the order of time."""
        yield from self.items
        for child in self.children:
            yield from child.leaves()
