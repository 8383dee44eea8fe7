"""A fixed sample of all items, to know what the scores of a query look like over everything."""

from __future__ import annotations

from typing import Final

import numpy as np

from placecell.memory.chunk_store import ChunkStore
from placecell.memory.columns import ranges
from placecell.memory.pruning import Pruner

__all__ = ["Sample"]

SAMPLE_ROWS: Final = 4096
_ENOUGH: Final = 256  # items of the sample that tell enough about what a predicate lets through


class Sample:
    """Every i-th item of every stream, i a power of two, so that the vectors are at most `SAMPLE_ROWS`.

    Which items are chosen depends on what each stream holds and not on how the streams came in between one another.

    Attributes:
        stride: i; 1 when the sample is everything.
        entries: The chosen entries, stream by stream in the order of names.
        matrix: Their vectors, in the same order, one entry after the other (n, d) float32.
        widths: How many vectors each entry has.
    """

    def __init__(self, store: ChunkStore) -> None:
        self._store = store
        self._forget()

    def _forget(self) -> None:
        self.stride = 1
        self._version = -1
        self._num_seen, self._final = 0, np.zeros(0, np.int64)
        self._had_dead = 0
        self.entries = self._final
        self.widths = self._final
        self.matrix = np.zeros((0, self._store.dim), np.float32)

    def of(self, pruner: Pruner | None) -> tuple[np.ndarray, np.ndarray, int]:
        """Vectors that stand for what a predicate lets through.

        Args:
            pruner: The predicate; None for everything. The store must be settled.

        Returns:
            Vectors, item by item (n, d), how many each item has, and how many items are let through in all. The last is
            an estimate if the sample holds enough of them to tell.
        """
        self._update()
        store, is_all = self._store, self.stride == 1
        num_live = len(self.entries) if is_all else int(store.chunks["live"].sum())
        if pruner is None:
            return self.matrix, self.widths, num_live
        passing = pruner.passing(store.entries, self.entries)
        if is_all or len(passing) >= _ENOUGH:
            starts = np.cumsum(self.widths) - self.widths
            widths = self.widths[passing]
            count = len(passing) if is_all else round(len(passing) / len(self.entries) * num_live)
            return self.matrix[ranges(starts[passing], widths)], widths, count
        chunks = pruner.chunks(store.chunks, store.chunk_labels)
        found = ranges(store.chunks["entry"][chunks], store.chunks["num_entries"][chunks])
        found = found[pruner.passing(store.entries, found)]
        table = store.entries
        chosen = found[np.lexsort((table["ordinal"][found], store.ranks[table["stream"][found]]))]
        widths = store.chunks["width"][table["chunk"][chosen]]
        step = max(1, -(-int(widths.sum()) // SAMPLE_ROWS))
        return store.decoded(chosen[::step]), widths[::step], len(found)

    def _update(self) -> None:
        store = self._store
        if self._version == store.version:
            return
        if self._had_dead != store.num_dropped:
            self._forget()
            self._had_dead = store.num_dropped
        table, num_final = store.entries, store.num_sealed[2]
        ordinal, live = table["ordinal"], table["is_live"]
        fresh = np.arange(self._num_seen, len(table))
        chosen = np.concatenate([self._final, fresh[live[fresh] & (ordinal[fresh] % self.stride == 0)]])
        widths = store.chunks["width"][table["chunk"][chosen]]
        while int(widths.sum()) > SAMPLE_ROWS and len(chosen) > 64:
            self.stride *= 2
            keep = ordinal[chosen] % self.stride == 0
            chosen, widths = chosen[keep], widths[keep]
        self._num_seen, self._final = num_final, chosen[chosen < num_final]
        order = np.lexsort((ordinal[chosen], store.ranks[table["stream"][chosen]]))
        self.entries, self.widths = chosen[order], widths[order]
        self.matrix = store.decoded(self.entries)
        self._version = store.version
