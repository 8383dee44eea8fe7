"""Short forms of summaries: a few numbers that tell which summaries are worth comparing in full."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

import numpy as np

__all__ = ["Sketches"]

SIZE: Final = 64
_EXTRA, _ROUNDS = 8, 8


class Sketches:
    """Products of summaries with the directions in which a sample of them differs most.

    The sample is chosen by its caller as a function of what is stored; the directions are found anew when it changes,
    which takes some 20 ms, and the summaries are projected again then, which takes 3 us each.

    Args:
        dim: Length of the summaries.

    Source: Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithm 4.4 (subspace iteration).
    """

    def __init__(self, dim: int) -> None:
        self._size = min(SIZE, dim)
        self._basis = np.zeros((self._size, dim), np.float32)
        self._signature: Hashable = None
        self._rows = np.empty((0, self._size), np.float32)
        self._num_done = 0

    @property
    def nbytes(self) -> int:
        """Bytes of what is filled."""
        return self._num_done * self._size * 4

    def update(
        self, signature: Hashable, sample: Callable[[], np.ndarray], summaries: np.ndarray, num_final: int
    ) -> None:
        """Make the sketches fit the summaries.

        Args:
            signature: Tells one sample from another.
            sample: Gives the sample (m, d).
            summaries: All of them, int16 (n, d).
            num_final: How many of these, from the first, will not change any more.
        """
        if signature != self._signature:
            self._basis = _principal(sample().astype(np.float32), self._size)
            self._signature, self._num_done = signature, 0
        if len(self._rows) < len(summaries):
            grown = np.zeros((2 * len(summaries) + 8, self._size), np.float32)
            grown[: self._num_done] = self._rows[: self._num_done]
            self._rows = grown
        for number in range(self._num_done, len(summaries)):  # one by one: equal summaries get equal bits
            np.dot(self._basis, summaries[number].astype(np.float32), out=self._rows[number])
        self._num_done = num_final

    def scores(self, unit: np.ndarray, which: np.ndarray | None, count: int) -> np.ndarray:
        """How similar summaries are to a query, roughly, times a constant.

        Args:
            unit: The query (d,).
            which: Numbers of the summaries; None for the first `count`.
            count: How many those are.
        """
        query = self._basis @ unit
        if which is None:
            whole = -(-count // 8) * 8  # a product with a multiple of eight rows gives each the same bits anywhere
            return np.asarray(self._rows[:whole] @ query)[:count]
        filled = np.concatenate([which, np.repeat(which[:1], -len(which) % 8)])
        return np.asarray(self._rows.take(filled, axis=0) @ query)[: len(which)]


def _principal(rows: np.ndarray, size: int) -> np.ndarray:
    """The `size` leading right singular vectors of rows (m, d), as rows."""
    moments = rows.T @ rows / np.float32(max(float((rows * rows).sum()), 1.0))  # (d, d)
    start = np.random.default_rng(0).standard_normal((rows.shape[1], min(size + _EXTRA, rows.shape[1])))
    basis = np.linalg.qr(start.astype(np.float32))[0]
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(moments @ basis)[0]
    _, turn = np.linalg.eigh(basis.T @ moments @ basis)
    return np.ascontiguousarray((basis @ turn[:, ::-1][:, :size]).T)
