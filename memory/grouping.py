"""Summaries of summaries: the chunks of each stream in groups of those that look alike, wherever they lie in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

__all__ = ["MAX_MEMBERS", "Board", "Groups"]

MAX_MEMBERS: Final = 64
_ROUNDS: Final = 6


class Board:
    """The groups of all streams side by side, so that a query meets them in one product.

    Attributes:
        members: Chunks of each group (n, 64), filled up with -1.
    """

    def __init__(self, dim: int) -> None:
        self._directions = np.zeros((8, dim), np.float32)
        self.members = np.full((8, MAX_MEMBERS), -1, np.int64)
        self.length = 0

    @property
    def directions(self) -> np.ndarray:
        """Direction of each group's mean (n, d); rows of zeros fill up to a multiple of eight.

        A product with a multiple of eight rows gives each row the same bits wherever it stands.
        """
        return self._directions[: -(-self.length // 8) * 8]

    def add(self) -> int:
        """Make room for one more group; returns its slot."""
        if self.length == len(self.members):
            self._directions = np.concatenate([self._directions, np.zeros_like(self._directions)])
            self.members = np.concatenate([self.members, np.full_like(self.members, -1)])
        self.length += 1
        return self.length - 1

    def put(self, slot: int, direction: np.ndarray, members: list[int]) -> None:
        """Say what a group is now."""
        self._directions[slot] = direction
        self.members[slot, : len(members)] = members
        self.members[slot, len(members) :] = -1

    def clear(self, slot: int) -> None:
        """Leave a group empty; its slot is not used again."""
        self._directions[slot] = 0.0
        self.members[slot] = -1


class Groups:
    """Groups of one stream's chunks, grown by insertion: a chunk joins the group that it resembles most; a full one splits.

    Nothing else is ever touched: an insertion costs a product with the groups' directions and, once in some 32 times, a
    2-means over 64 members. What comes out depends on the stream's chunks and their order alone.

    Args:
        dim: Length of the summaries.
        board: Where all streams post their groups.
        directions_of: Gives the summaries of chunks by their numbers.
    """

    def __init__(self, dim: int, board: Board, directions_of: Callable[[np.ndarray], np.ndarray]) -> None:
        self._board = board
        self._directions_of = directions_of
        self._sums = np.zeros((8, dim), np.float32)
        self._directions = np.zeros((8, dim), np.float32)
        self._slots: list[int] = []
        self._members: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._members)

    @property
    def nbytes(self) -> int:
        """About how many bytes this and its part of the board take."""
        return len(self) * (3 * self._sums.shape[1] * 4 + 16 * MAX_MEMBERS)

    def add(self, chunk: int, direction: np.ndarray) -> None:
        """Put a chunk into the group that it resembles most."""
        if not self._members:
            self._new([chunk], direction)
            return
        known = self._directions[: -(-len(self._members) // 8) * 8]
        best = int(np.argmax((known @ direction)[: len(self._members)]))
        self._members[best].append(chunk)
        if len(self._members[best]) > MAX_MEMBERS:
            self._split(best)
        else:
            self._set(best, self._sums[best] + direction)

    def clear(self) -> None:
        """Forget all groups."""
        for slot in self._slots:
            self._board.clear(slot)
        self._slots, self._members = [], []
        self._directions[:] = 0.0

    def _new(self, members: list[int], total: np.ndarray) -> None:
        if len(self._members) == len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
            self._directions = np.concatenate([self._directions, np.zeros_like(self._directions)])
        self._members.append(members)
        self._slots.append(self._board.add())
        self._set(len(self._members) - 1, total)

    def _set(self, group: int, total: np.ndarray) -> None:
        self._sums[group] = total
        self._directions[group] = _unit(total)
        self._board.put(self._slots[group], self._directions[group], self._members[group])

    def _split(self, group: int) -> None:
        members = np.array(self._members[group])
        vectors = self._directions_of(members)
        first = vectors[np.argmin(vectors @ self._directions[group])]
        second = vectors[np.argmin(vectors @ first)]
        is_second = np.zeros(len(members), bool)
        for _ in range(_ROUNDS):
            before, is_second = is_second, vectors @ (second - first) > 0
            if is_second.all() or not is_second.any():  # all alike: halves in time are as good as any
                is_second = np.arange(len(members)) >= len(members) // 2
            totals = vectors[~is_second].sum(axis=0), vectors[is_second].sum(axis=0)
            if np.array_equal(before, is_second):
                break
            first, second = _unit(totals[0]), _unit(totals[1])
        self._members[group] = members[~is_second].tolist()
        self._set(group, totals[0])
        self._new(members[is_second].tolist(), totals[1])

    def state(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums (n, d), sizes (n,) and members, one group after the other."""
        sizes = np.array([len(members) for members in self._members], np.int64)
        return self._sums[: len(self)], sizes, np.array([m for members in self._members for m in members], np.int64)

    def restore(self, sums: np.ndarray, sizes: np.ndarray, members: np.ndarray) -> None:
        """Take over what `state` gave; this must be empty."""
        end = 0
        for total, size in zip(sums, sizes.tolist(), strict=True):
            self._new(members[end : end + size].tolist(), total)
            end += size


def _unit(total: np.ndarray) -> np.ndarray:
    return total / max(float(np.sqrt(total @ total)), 1e-12)
