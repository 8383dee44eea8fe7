"""The chunk index: hierarchical chunk attention, used as an index of vectors that come in streams.

A query meets short sketches of all chunk summaries, then the best summaries in full, then every vector of the best
chunks. Nothing is built beforehand: an insert is an append. Predicates on time, place, stream and labels remove chunks
exactly before anything is scored, and few candidates are scanned exactly.

What is found depends on what each stream holds, in its order, and not on how the streams came in between one another.

Source: after Lampinen et al. 2021, "Towards mental time travel" (arXiv 2105.14039): attention over chunk summaries,
then inside the best chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from placecell.memory.chunk_attention import Attention, best_of, same_bits_product
from placecell.memory.chunk_store import ChunkStore, units
from placecell.memory.predicates import Predicate
from placecell.memory.pruning import Pruner
from placecell.memory.sampling import Sample

__all__ = ["Background", "ChunkIndex", "Found", "Predicate"]

EXACT_ROWS: Final = 4096  # candidates up to this number are all scored


class Found(NamedTuple):
    """Result of a search, best first: items, their scores, and which of an item's vectors it was."""

    items: Int64[np.ndarray, "k"]
    scores: Float64[np.ndarray, "k"]
    rows: Int64[np.ndarray, "k"]


class Background(NamedTuple):
    """Scores of a query over everything: mean, standard deviation, and of how many items."""

    mean: float
    std: float
    count: int  # type: ignore[assignment]  # a field here hides a method of tuples that nobody calls


class ChunkIndex:
    """Vectors of items (records) in streams (agents), found by similarity under exact predicates.

    Args:
        dim: Length of the vectors.

    Example:
        >>> index = ChunkIndex(2)
        >>> index.append(0, np.array([[1.0, 0.0]]), stream="robot", start_s=0.0)
        >>> index.append(1, np.array([[0.0, 1.0]]), stream="robot", start_s=1.0, labels=("mug",))
        >>> found = index.search(np.array([0.6, 0.8]), k=2)
        >>> found.items.tolist(), found.scores.round(3).tolist()
        ([1, 0], [0.8, 0.6])
        >>> index.search(np.array([0.0, 1.0]), k=2, where=Predicate(between=(0.0, 0.5))).items.tolist()
        [0]
    """

    def __init__(self, dim: int) -> None:
        self._use(ChunkStore(dim))

    def _use(self, store: ChunkStore) -> None:
        self.dim = store.dim
        self._store = store
        self._sample = Sample(store)
        self._attention = Attention(store)
        self._by_item: tuple[int, np.ndarray, np.ndarray] = (-1, np.zeros(0), np.zeros(0))

    # --- adding ---------------------------------------------------------------------------------------------------

    def append(
        self,
        item: int,
        vectors: Float[np.ndarray, "v d"],
        *,
        stream: str,
        start_s: float | int,
        end_s: float | int | None = None,
        position: Sequence[float] | None = None,
        labels: Sequence[str] = (),
        is_event_start: bool = False,
    ) -> None:
        """Add the vectors of one item at the end of its stream; O(1), amortised.

        Args:
            item: Whatever number the caller knows it by, at most 2**53; each is added once.
            vectors: One or more; made unit length here.
            stream: Whose stream it belongs to.
            start_s: When it began, seconds.
            end_s: When it ended; `start_s` if not given.
            position: Where, metres in the world frame.
            labels: What `Predicate.labels` can ask for.
            is_event_start: Whether a new event begins here; chunks end where events end.

        Raises:
            ValueError: If a vector has the wrong length or is not finite, or the item has no vector.
        """
        rows = units(vectors, self.dim)
        if not len(rows):
            raise ValueError(f"item {item} must have at least one vector, got none")
        x, y, z = (math.nan, math.nan, math.nan) if position is None else position
        end_s = start_s if end_s is None else end_s
        label_set = self._store.label_set(tuple(labels))
        entry = np.array([[item, start_s, end_s, x, y, z, label_set]], np.float64)
        self._store.add(stream, entry, rows, len(rows), np.array([is_event_start]))

    def extend(
        self,
        items: Int64[np.ndarray, "n"],
        vectors: Float[np.ndarray, "n d"],
        *,
        stream: str,
        start_s: Float64[np.ndarray, "n"],
        end_s: Float64[np.ndarray, "n"] | None = None,
        positions: Float[np.ndarray, "n 3"] | None = None,
        labels: Sequence[Sequence[str]] | None = None,
        is_event_start: Bool[np.ndarray, "n"] | None = None,
    ) -> None:
        """Add many items of one vector each at the end of a stream: as `append` for each of them, but faster.

        Positions that are not known are NaN.

        Raises:
            ValueError: If a vector has the wrong length or is not finite, or the arrays differ in length; then none of
                them was added.
        """
        n = len(items)
        if not all(v is None or len(v) == n for v in (vectors, start_s, end_s, positions, labels, is_event_start)):
            raise ValueError(f"every array must have one row for each of the {n} items")
        entries = np.full((n, 7), np.nan)
        entries[:, 0], entries[:, 1], entries[:, 2] = items, start_s, start_s if end_s is None else end_s
        if positions is not None:
            entries[:, 3:6] = positions
        rows = [units(vectors[i : i + 2048], self.dim) for i in range(0, n, 2048)]
        entries[:, 6] = 0 if labels is None else list(map(self._store.label_set, map(tuple, labels)))
        is_start = np.zeros(n, bool) if is_event_start is None else is_event_start
        for i, part in enumerate(rows):
            span = slice(2048 * i, 2048 * i + 2048)
            self._store.add(stream, entries[span], part, 1, is_start[span])

    def drop(self, items: Iterable[int]) -> int:
        """Take items out; returns how many of them were there. A stream that is left empty starts anew."""
        wanted = np.unique(np.fromiter(items, np.int64))
        self._store.seal_streams_of(wanted.tolist())
        self._store.settle()
        entries = self._entries_of(wanted)
        entries = entries[entries >= 0]
        if len(entries):
            self._store.drop(entries)
        return len(entries)

    # --- asking ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Items that are there."""
        self._store.settle()
        return int(self._store.chunks["live"].sum())

    @property
    def nbytes(self) -> int:
        """About how many bytes the index takes, pages on disk included."""
        return self._store.nbytes + self._attention.sketches.nbytes + self._sample.matrix.nbytes

    def search(
        self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None, *, num_chunks: int | None = None
    ) -> Found:
        """The items most similar to `query`, best first; an item counts with its best vector.

        Args:
            query: Any length but zero.
            k: How many; fewer come back if fewer are let through.
            where: What items must satisfy, exactly.
            num_chunks: Chunks to read in full where there are too many candidates to score all; more find more.

        Raises:
            ValueError: If `k` is less than 1 or the query has the wrong length or is not finite.
        """
        unit = self._unit(query, k)
        store = self._store
        store.settle()
        pruner = None if where is None or where.is_open else self._pruner(where)
        table = store.chunks
        chunks: np.ndarray | None = None
        if pruner is not None:
            chunks = pruner.chunks(table, store.chunk_labels)
        elif store.num_dropped:
            chunks = np.flatnonzero(table["live"] > 0)
        num_rows = store.pages.end if chunks is None else int((table["live"][chunks] * table["width"][chunks]).sum())
        if num_rows <= EXACT_ROWS:
            entries, rows = self._attention.all_rows(chunks, pruner)
            return self._ranked(unit, k, entries, rows)
        strands = None if chunks is None else self._attention.strands_of(chunks)
        num = num_chunks or (max(8, k) if pruner is None else 28 + 2 * k)
        while True:
            best = self._attention.best_strands(unit, strands, num)
            if chunks is None:
                return Found(*self._attention.ranked(unit, k, *self._attention.read(unit, best)))
            entries, rows = self._attention.passing_rows(best, pruner)
            if len(entries) >= 4 * k or len(best) < num:
                return self._ranked(unit, k, entries, rows)
            num *= 4  # most of what was read did not pass

    def search_many(self, queries: Float[np.ndarray, "q d"], k: int, where: Predicate | None = None) -> list[Found]:
        """`search` for each of several queries."""
        return [self.search(query, k, where) for query in queries]

    def exact(self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None) -> Found:
        """As `search`, by scoring everything that is let through: the judge of `search`, and slow."""
        unit = self._unit(query, k)
        self._store.settle()
        entries, rows = self._attention.all_rows(None, None if where is None else self._pruner(where))
        return self._ranked(unit, k, entries, rows)

    def scores(self, query: Float[np.ndarray, "d"], items: Sequence[int]) -> Float64[np.ndarray, "n"]:
        """Cosine of each of these items; NaN for what is not there."""
        unit = self._unit(query, 1)
        self._store.settle()
        entries = self._entries_of(np.asarray(items, np.int64))
        found = np.full(len(entries), np.nan)
        found[entries >= 0] = self._attention.exact_scores(unit, entries[entries >= 0])[0]
        return found

    def background(self, query: Float[np.ndarray, "d"], where: Predicate | None = None) -> Background:
        """Mean and standard deviation of the items' scores over everything that is let through, and how many those are.

        Few items are all scored; many are represented by a fixed sample, and what a selective predicate lets through by
        a sample of its own. The count is exact unless the fixed sample was asked under a predicate.
        """
        unit = self._unit(query, 1)
        self._store.settle()
        pruner = None if where is None or where.is_open else self._pruner(where)
        matrix, widths, count = self._sample.of(pruner)
        if not len(widths):
            return Background(0.0, 0.0, 0)
        best = best_of(same_bits_product(matrix, unit), widths).astype(np.float64)
        return Background(float(best.mean()), float(best.std()), count)

    def _ranked(self, unit: np.ndarray, k: int, entries: np.ndarray, rows: np.ndarray) -> Found:
        return Found(*self._attention.ranked(unit, k, entries, self._attention.scores(unit, rows)))

    def _pruner(self, where: Predicate) -> Pruner:
        streams = {name: stream.number for name, stream in self._store.streams.items()}
        return Pruner(where, streams, self._store.labels, self._store.label_bits)

    def _entries_of(self, items: np.ndarray) -> np.ndarray:
        """The live entry of each item; -1 for what is not there."""
        table = self._store.entries
        if self._by_item[0] != self._store.version:
            live = np.flatnonzero(table["is_live"])
            order = np.argsort(table["item"][live], kind="stable")
            self._by_item = self._store.version, table["item"][live][order], live[order]
        _, known, entries = self._by_item
        if not len(known):
            return np.full(len(items), -1)
        at = np.minimum(np.searchsorted(known, items), len(known) - 1)
        return np.where(known[at] == items, entries[at], -1)

    def _unit(self, query: np.ndarray, k: int) -> np.ndarray:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        query = np.asarray(query, np.float32)
        if query.shape != (self.dim,):
            raise ValueError(f"query must have shape ({self.dim},), got {query.shape}")
        length = math.sqrt(float(query @ query))
        if not 0.0 < length < math.inf:
            raise ValueError(f"query must be finite and not zero, got a vector of length {length}")
        return query / np.float32(length)

    # --- put away and read back ---------------------------------------------------------------------------------

    def save(self, folder: Path, previous: Path | None = None) -> None:
        """Write the index into a new folder.

        Args:
            folder: Where; created if absent.
            previous: Where an earlier state of this index was saved: what has not changed since is linked, not written.

        Raises:
            OSError: If it cannot be written.
        """
        self._store.save(folder, previous)

    @classmethod
    def load(cls, folder: Path) -> ChunkIndex:
        """Read back what `save` wrote; most vectors stay on disk until they are needed.

        Raises:
            MemoryCorruptError: If a file is missing or damaged.
            MemoryVersionError: If a newer version of Placecell wrote it.
        """
        store = ChunkStore.load(folder)
        index = cls(store.dim)
        index._use(store)
        return index
