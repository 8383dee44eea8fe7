"""How a query is answered from chunks: by attention to their summaries, then in full inside the best ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from placecell.memory.chunk_store import ChunkStore
from placecell.memory.columns import Pages, ranges
from placecell.memory.pruning import Pruner
from placecell.memory.sketches import Sketches

__all__ = ["Attention", "best_of", "same_bits_product"]

FULL_STRANDS: Final = 384  # summaries up to this number are all compared in full, more by their sketches first
SHORTLIST: Final = 256  # summaries that are compared in full after their sketches were, or four for each that is read
_NEAR_TIE: Final = 2e-5  # scores in float32 that are closer than this are computed again before they are ordered
_SKETCH_SAMPLE: Final = 4096  # summaries from which sketches learn


class Attention:
    """Attention of queries to what a store holds; the store must be settled.

    Attributes:
        sketches: Of the summaries, brought up to date when they are needed.
    """

    def __init__(self, store: ChunkStore) -> None:
        self._store = store
        self.sketches = Sketches(store.dim)
        self._version = -1  # of the store, when sketches were brought up to date

    def best_strands(self, unit: np.ndarray, strands: np.ndarray | None, num: int) -> np.ndarray:
        """The `num` strands whose summaries are most similar to the query, out of `strands` or all."""
        table = self._store.strands
        count = len(table) if strands is None else len(strands)
        shortlist = max(SHORTLIST, 4 * num)
        if count > max(FULL_STRANDS, shortlist):
            self._update_sketches()
            best = self._best(self.sketches.scores(unit, strands, count), strands, shortlist, 4 * shortlist)
            strands = best if strands is None else strands[best]
        elif strands is None:
            strands = np.arange(count)
        summaries = np.zeros((-(-len(strands) // 8) * 8, self._store.dim), np.float32)
        summaries[: len(strands)] = table["summary"].take(strands, axis=0)
        scores = (summaries @ unit)[: len(strands)]
        return np.asarray(strands[self._best(scores, strands, num, num)])

    def _best(self, scores: np.ndarray, strands: np.ndarray | None, num: int, most: int) -> np.ndarray:
        """Where the `num` best scores are, ascending, with what ties with the last of them.

        If that makes more than `most`, what comes first in the order of streams and time is taken.
        """
        if num >= len(scores):
            return np.arange(len(scores))
        best = _at_least(scores, num)
        if len(best) <= most:
            return best
        numbers = best if strands is None else strands[best]
        streams = self._store.chunks["stream"][self._store.strands["chunk"][numbers]]
        return np.sort(best[np.lexsort((numbers, self._store.ranks[streams], -scores[best]))[:num]])

    def _update_sketches(self) -> None:
        store = self._store
        if self._version != store.version:
            signature = self._signature()
            summaries, num_final = store.strands["summary"], store.num_sealed[1]
            self.sketches.update(signature, lambda: self._sketch_sample(signature), summaries, num_final)
            self._version = store.version

    def _signature(self) -> tuple[tuple[str, int], ...]:
        """Which summaries sketches learn from: of each stream, the first 4**i, the most that there are."""
        sizes = ((name, len(stream.strands)) for name, stream in self._store.streams.items())
        return tuple(sorted((name, 1 << ((size.bit_length() - 1) // 2 * 2)) for name, size in sizes if size))

    def _sketch_sample(self, signature: tuple[tuple[str, int], ...]) -> np.ndarray:
        most = 1 << max(_SKETCH_SAMPLE // max(len(signature), 1), 1).bit_length() - 1
        chosen = [
            number
            for name, size in signature
            for number in self._store.streams[name].strands[: size : -(-size // most)]
        ]
        return self._store.strands["summary"][chosen]

    def read(self, unit: np.ndarray, strands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Entries of whole strands, and their scores."""
        store = self._store
        chunks = store.strands["chunk"][strands]
        counts = store.chunks["num_entries"][chunks]
        rows = np.empty((int(counts.sum()), self._store.dim), np.float32)
        at = 0
        for first, count in zip(store.strands["row"][strands].tolist(), counts.tolist(), strict=True):
            rows[at : at + count] = store.pages.span(first, count)
            at += count
        return ranges(store.chunks["entry"][chunks], counts), rows @ (unit * Pages.SCALE)

    def passing_rows(self, strands: np.ndarray, pruner: Pruner | None) -> tuple[np.ndarray, np.ndarray]:
        """Entries in strands that pass, and their rows there."""
        store = self._store
        chunks = store.strands["chunk"][strands]
        counts = store.chunks["num_entries"][chunks]
        entries, rows = ranges(store.chunks["entry"][chunks], counts), ranges(store.strands["row"][strands], counts)
        keep = pruner.passing(store.entries, entries) if pruner else np.flatnonzero(store.entries["is_live"][entries])
        return entries[keep], rows[keep]

    def strands_of(self, chunks: np.ndarray) -> np.ndarray:
        """All strands of chunks."""
        table = self._store.chunks
        return (
            ranges(table["strand"][chunks], table["width"][chunks]) if self._store.is_wide else table["strand"][chunks]
        )

    def all_rows(self, chunks: np.ndarray | None, pruner: Pruner | None) -> tuple[np.ndarray, np.ndarray]:
        """Entries of chunks (None: all) that pass, once for each of their rows, and these rows."""
        if chunks is None:
            chunks = np.arange(len(self._store.chunks))
        return self.passing_rows(self.strands_of(chunks), pruner)

    def scores(self, unit: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Products of rows with the query in float32, in blocks that fit into the cache."""
        scaled = unit * Pages.SCALE
        scores = np.empty(len(rows), np.float32)
        block = np.empty((min(512, len(rows)), self._store.dim), np.float32)
        for start in range(0, len(rows), 512):
            part = rows[start : start + 512]
            floats = block[: len(part)]
            floats[...] = self._store.pages.take(part)
            np.dot(floats, scaled, out=scores[start : start + len(part)])
        return scores

    def ranked(
        self, unit: np.ndarray, k: int, entries: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best `k` entries, each of which may occur more than once, by their scores computed anew in float64."""
        if self._store.is_wide and len(entries):
            order = np.lexsort((-scores, entries))
            entries, scores = entries[order], scores[order]
            is_first = np.concatenate([[True], entries[1:] != entries[:-1]])
            entries, scores = entries[is_first], scores[is_first]
        if len(entries) > k:
            entries = entries[scores >= np.partition(scores, -k)[-k] - _NEAR_TIE]
        exact, rows = self.exact_scores(unit, entries)
        table = self._store.entries
        order = np.lexsort((entries, self._store.ranks[table["stream"][entries]], -exact))[:k]
        return table["item"][entries[order]], exact[order], rows[order]

    def exact_scores(self, unit: np.ndarray, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score of each entry, the same bits wherever it lies, and which of its rows it is."""
        wide = unit.astype(np.float64) * float(Pages.SCALE)
        rows, widths = self._store.rows(entries)
        scores = np.empty(len(rows))
        for start in range(0, len(rows), 1024):
            codes = self._store.pages.take_any(rows[start : start + 1024])
            scores[start : start + 1024] = np.add.reduce(codes * wide, axis=1)
        if len(rows) == len(entries):
            return scores, np.zeros(len(entries), np.int64)
        best = best_of(scores, widths)
        hits = np.flatnonzero(scores == np.repeat(best, widths))
        owners = np.repeat(np.arange(len(entries)), widths)[hits]
        _, first = np.unique(owners, return_index=True)
        return best, hits[first] - (np.cumsum(widths) - widths)


def same_bits_product(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Product that gives a row the same bits wherever it stands: the odd rows at the end go a way of their own."""
    whole = len(matrix) // 8 * 8
    if whole == len(matrix):
        return np.asarray(matrix @ vector)
    rest = np.zeros((8, matrix.shape[1]), matrix.dtype)
    rest[: len(matrix) - whole] = matrix[whole:]
    return np.concatenate([matrix[:whole] @ vector, (rest @ vector)[: len(matrix) - whole]])


def _at_least(scores: np.ndarray, num: int) -> np.ndarray:
    """Where the `num` best scores are, and what ties with the last of them."""
    if len(scores) > 64 * num:  # a look at some of them leaves few to be sorted out
        some = scores[:: len(scores) // (16 * num)]
        few = np.flatnonzero(scores >= np.partition(some, -48)[-48])  # about 3 x num
        if len(few) >= num:
            found = scores[few]
            kept: np.ndarray = few[found >= np.partition(found, -num)[-num]]
            return kept
    best: np.ndarray = np.flatnonzero(scores >= np.partition(scores, -num)[-num])
    return best


def best_of(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Highest score of each run of `counts` scores."""
    if len(scores) == len(counts):
        return scores
    return np.asarray(np.maximum.reduceat(scores, np.cumsum(counts) - counts))
