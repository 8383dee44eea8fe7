"""Where one chunk of a stream ends and the next begins."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["MAX_ITEMS", "Stream"]

MIN_ITEMS: Final = 4  # an event shorter than this is joined to the next
MAX_ITEMS: Final = 64  # a chunk is cut here even if its event goes on; sums of so many codes are exact in float32
_LAG: Final = 32  # items so far apart tell how alike unrelated ones are
_COHERENT: Final = 0.8  # cosine of neighbours from which they always belong together


class Stream:
    """The open chunk of one stream, and what decides where it ends.

    A chunk ends where an event ends, and where an item is no more like the one before it than half-way between what is
    usual for unrelated items of this stream and equality: a stream of unrelated texts falls into chunks of one.

    Attributes:
        number: Of the stream.
        codes: Vectors of the open chunk, item by item, as they came.
        entries: item, start_s, end_s, x, y, z, label set of each open item (n, 7), as they came.
        width: Vectors of each item.
        ordinal: How many items its closed chunks hold.
        first_chunk: Chunks before this one are not of this stream any more.
        strands: Numbers of the strands of its closed chunks.
    """

    def __init__(self, number: int, dim: int) -> None:
        self.number = number
        self.codes: list[np.ndarray] = []
        self.entries: list[np.ndarray] = []
        self.width = 0
        self.recent = np.zeros((_LAG, dim), np.float32)  # first vectors of the last items: item i at i % _LAG
        self.restart(0)

    def restart(self, first_chunk: int) -> None:
        """Begin anew, as if nothing had ever come."""
        self.ordinal = 0
        self.first_chunk = first_chunk
        self.strands: list[int] = []
        self.alike_sum = 0.0  # of the cosines of items that lie `_LAG` apart

    @property
    def num_open(self) -> int:
        """Items of the open chunk."""
        return sum(map(len, self.entries))

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Entries and codes of the open chunk, each in one piece."""
        if len(self.entries) > 1:
            self.entries, self.codes = [np.concatenate(self.entries)], [np.concatenate(self.codes)]
        return self.entries[0], self.codes[0]

    def keep_from(self, end: int) -> None:
        """Forget the first `end` open items: they are in closed chunks now."""
        entries, codes = self.joined()
        self.ordinal += end
        is_rest = end < len(entries)
        self.entries = [entries[end:].copy()] if is_rest else []
        self.codes = [codes[end * self.width :].copy()] if is_rest else []

    def cuts(self, firsts: np.ndarray, is_start: np.ndarray) -> np.ndarray:
        """Where, counted from the first open item, new chunks begin once these items have come.

        Args:
            firsts: First vector of each new item, unit length (n, d).
            is_start: Where events begin (n,).
        """
        n, num_open = len(firsts), self.num_open
        seen = self.ordinal + num_open
        if n == 1:
            return self._cut(firsts, bool(is_start[0]), seen, num_open)
        lined = np.concatenate([np.roll(self.recent, -(seen % _LAG), axis=0), firsts])
        self.recent = np.roll(lined[-_LAG:], (seen + n) % _LAG, axis=0)
        beside = np.einsum("ij,ij->i", lined[_LAG - 1 : -1], firsts)
        apart = np.einsum("ij,ij->i", lined[:n], firsts).astype(np.float64)
        num_apart = np.arange(seen + 1, seen + n + 1) - _LAG  # pairs up to each item
        apart[num_apart <= 0] = 0.0
        sums = np.cumsum(np.concatenate([[self.alike_sum], apart]))[1:]
        self.alike_sum = float(sums[-1])
        is_apart = beside < np.minimum(0.5 + 0.5 * sums / np.maximum(num_apart, 1), _COHERENT)
        found: list[int] = []
        begin = 0
        for i in (np.flatnonzero(is_start | is_apart) + num_open).tolist():
            while i - begin >= MAX_ITEMS:
                begin += MAX_ITEMS
                found.append(begin)
            if i > begin and (i - begin >= MIN_ITEMS or is_apart[i - num_open]):
                begin = i
                found.append(begin)
        while num_open + n - begin > MAX_ITEMS:
            begin += MAX_ITEMS
            found.append(begin)
        return np.array(found, np.int64)

    def _cut(self, first: np.ndarray, is_start: bool, seen: int, num_open: int) -> np.ndarray:
        """`cuts` for one item, several times faster."""
        slot, num_apart = seen % _LAG, seen + 1 - _LAG
        if num_apart > 0:
            self.alike_sum += float(np.einsum("ij,ij->i", self.recent[slot : slot + 1], first)[0])
        least = min(0.5 + 0.5 * self.alike_sum / max(num_apart, 1), _COHERENT)
        before = (seen - 1) % _LAG
        is_apart = float(np.einsum("ij,ij->i", self.recent[before : before + 1], first)[0]) < least
        self.recent[slot] = first[0]
        is_cut = is_apart or num_open >= MAX_ITEMS or (is_start and num_open >= MIN_ITEMS)
        return np.array([num_open] if is_cut and num_open else [], np.int64)
