"""The chunk index: hierarchical chunk attention, used as an index of vectors that come in streams.

Vectors of one stream lie in the order of time; a chunk is one event. A query meets the summaries of groups of chunks, then
the summaries of chunks in the best groups, then every row of the best chunks. Nothing is ever built or rebuilt: an insert
is an append. Predicates on time, place, stream and labels remove chunks exactly before anything is scored, and few
candidates are scanned exactly.

What is found depends on what each stream holds, in its order, and not on how the streams came in between one another.

Source: after Lampinen et al. 2021, "Towards mental time travel: a hierarchical memory for reinforcement learning agents".
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from placecell.errors import MemoryCorruptError, MemoryVersionError
from placecell.memory.columns import Pages, Table, ranges
from placecell.memory.grouping import Board, Groups
from placecell.memory.predicates import Predicate
from placecell.memory.pruning import Pruner

__all__ = ["ChunkIndex", "Predicate"]

EXACT_ROWS: Final = 4096  # candidates up to this number are all scored
MIN_ITEMS: Final = 4  # an event shorter than this is joined to the next
MAX_ROWS: Final = 64  # a chunk is cut here even if its event goes on
GROUPED_CHUNKS: Final = 4096  # from here on chunks are found through groups of them
SAMPLE_ROWS: Final = 4096  # rows that stand for all in `background`
_VERSION: Final = 1
_MANIFEST: Final = "chunks.json"
_NEAR_TIE: Final = 2e-5  # scores in float32 that are closer than this are computed again before they are ordered
_AXES: Final = tuple(f"{axis}_{side}" for axis in "xyz" for side in ("low", "high"))

_ENTRIES: Final = {
    "item": (np.int64, 0),
    "stream": (np.int32, 0),
    "ordinal": (np.int64, 0),
    "row": (np.int64, 0),
    "num_rows": (np.int32, 0),
    "start_s": (np.float64, 0),
    "end_s": (np.float64, 0),
    "position": (np.float64, 3),
    "labels": (np.int32, 0),
    "is_live": (np.bool_, 0),
}
_CHUNKS: Final = {
    "stream": (np.int32, 0),
    "row": (np.int64, 0),
    "num_rows": (np.int32, 0),
    "entry": (np.int64, 0),
    "num_entries": (np.int32, 0),
    "live": (np.int32, 0),
    "start_s": (np.float64, 0),
    "end_s": (np.float64, 0),
    **dict.fromkeys(_AXES, (np.float64, 0)),
}


class _Stream:
    """What one stream has not put into a chunk yet, and its groups."""

    __slots__ = ("codes", "entries", "groups", "number", "num_rows", "ordinal")

    def __init__(self, number: int, groups: Groups) -> None:
        self.number = number
        self.groups = groups
        self.ordinal = 0  # of the next entry
        self.codes: list[np.ndarray] = []
        self.entries: list[tuple[int, int, float, float, float, float, float, int]] = []
        self.num_rows = 0


class ChunkIndex:
    """Vectors of items (records) in streams (agents), found by similarity under exact predicates.

    Args:
        dim: Length of the vectors.

    Example:
        >>> index = ChunkIndex(2)
        >>> index.append(0, np.array([[1.0, 0.0]]), stream="robot", start_s=0.0)
        >>> index.append(1, np.array([[0.0, 1.0]]), stream="robot", start_s=1.0, labels=("mug",))
        >>> items, scores, rows = index.search(np.array([0.6, 0.8]), k=2)
        >>> items.tolist(), scores.round(3).tolist()
        ([1, 0], [0.8, 0.6])
        >>> index.search(np.array([0.0, 1.0]), k=2, where=Predicate(between=(0.0, 0.5)))[0].tolist()
        [0]
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim
        self._pages = Pages(dim)
        self._entries = Table(_ENTRIES)
        self._chunks = Table({**_CHUNKS, "summary": (np.float32, dim)})
        self._chunk_labels = np.zeros((64, 1), np.uint64)
        self._board = Board(dim)
        self._streams: dict[str, _Stream] = {}
        self._ranks = np.zeros(0, np.int64)  # place of each stream in the order of names
        self._labels: dict[str, int] = {}
        self._label_sets: dict[tuple[str, ...], int] = {(): 0}
        self._label_bits = np.zeros((1, 1), np.uint64)
        self._sealed = (0, 0, 0)  # chunks, entries and rows of closed chunks; behind them stand the open ones
        self._is_settled = True
        self._has_dead = False
        self._sample: tuple[int, int, np.ndarray] = (0, 1, np.zeros(0, np.int64))
        self._sampled: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._by_item: tuple[np.ndarray, np.ndarray] | None = None
        self._token = uuid.uuid4().hex  # tells saved blocks of this index from those of another

    # --- adding ---------------------------------------------------------------------------------------------------

    def append(
        self,
        item: int,
        vectors: Float[np.ndarray, "v d"],
        *,
        stream: str,
        start_s: float,
        end_s: float | None = None,
        position: Sequence[float] | None = None,
        labels: Sequence[str] = (),
        is_event_start: bool = False,
    ) -> None:
        """Add the vectors of one item at the end of its stream; O(1), amortised.

        Args:
            item: Whatever number the caller knows it by; each is added once.
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
        vectors = self._units(vectors)
        if not len(vectors):
            raise ValueError(f"item {item} must have at least one vector, got none")
        to = self._streams.get(stream) or self._open(stream)
        if to.entries and ((is_event_start and len(to.entries) >= MIN_ITEMS) or to.num_rows + len(vectors) > MAX_ROWS):
            self._seal(to)
        x, y, z = (math.nan, math.nan, math.nan) if position is None else position
        label_set = self._label_sets.get(tuple(labels))
        if label_set is None:
            label_set = self._new_label_set(tuple(labels))
        end_s = start_s if end_s is None else end_s
        to.entries.append((item, len(vectors), start_s, end_s, x, y, z, label_set))
        to.codes.append(Pages.encode(vectors))
        to.num_rows += len(vectors)
        self._is_settled = False

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
        """Add many items of one vector each at the end of a stream; as `append` for each of them, but faster.

        Positions that are not known are NaN.

        Raises:
            ValueError: If a vector has the wrong length or is not finite, or the arrays differ in length.
        """
        n = len(items)
        if not all(v is None or len(v) == n for v in (vectors, start_s, end_s, positions, labels, is_event_start)):
            raise ValueError(f"every array must have one row for each of the {n} items")
        to = self._streams.get(stream) or self._open(stream)
        known, sets = self._label_sets, [0] * n
        if labels is not None:
            sets = [known[s] if s in known else self._new_label_set(s) for s in map(tuple, labels)]
        ends = (start_s if end_s is None else end_s).tolist()
        places = [(math.nan, math.nan, math.nan)] * n if positions is None else positions.tolist()
        starts = [False] * n if is_event_start is None else is_event_start.tolist()
        codes = np.concatenate([Pages.encode(self._units(vectors[i : i + 512])) for i in range(0, n, 512)] or [[]])
        self._is_settled = False
        rows = zip(items.tolist(), start_s.tolist(), ends, places, sets, starts, strict=True)
        first = 0  # of the codes that are not handed over yet
        for i, (item, start, end, (x, y, z), label_set, is_start) in enumerate(rows):
            if to.entries and ((is_start and len(to.entries) >= MIN_ITEMS) or to.num_rows + 1 > MAX_ROWS):
                if first < i:
                    to.codes.append(codes[first:i])
                    first = i
                self._seal(to)
            to.entries.append((item, 1, start, end, x, y, z, label_set))
            to.num_rows += 1
        if first < n:
            to.codes.append(codes[first:].copy())

    def drop(self, items: Iterable[int]) -> int:
        """Take items out; returns how many of them were there. A stream that is left empty starts anew."""
        wanted = np.fromiter(items, np.int64)
        for stream in self._streams.values():
            if stream.entries and np.isin(wanted, [entry[0] for entry in stream.entries]).any():
                self._seal(stream)
        self._settle()
        entries = self._entries_of(wanted)
        entries = entries[entries >= 0]
        if not len(entries):
            return 0
        self._entries["is_live"][entries] = False
        self._has_dead = True
        chunk = np.searchsorted(self._chunks["entry"], entries, side="right") - 1
        np.subtract.at(self._chunks["live"], chunk, 1)
        left = np.zeros(len(self._streams), np.int64)
        np.add.at(left, self._chunks["stream"], self._chunks["live"])
        for number in np.unique(self._entries["stream"][entries]).tolist():
            if left[number] == 0:
                stream = next(s for s in self._streams.values() if s.number == number)
                stream.groups.clear()
                stream.ordinal = 0
        self._sample, self._sampled, self._by_item = (0, 1, np.zeros(0, np.int64)), None, None
        return len(entries)

    # --- asking ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Items that are there."""
        self._settle()
        return int(self._chunks["live"].sum())

    @property
    def num_rows(self) -> int:
        """Vectors ever added."""
        self._settle()
        return int(self._chunks["num_rows"].sum())

    @property
    def nbytes(self) -> int:
        """About how many bytes the index takes, pages on disk included."""
        groups = sum(stream.groups.nbytes for stream in self._streams.values())
        return self._pages.nbytes + self._entries.nbytes + self._chunks.nbytes + groups

    def search(
        self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None, *, num_chunks: int | None = None
    ) -> tuple[Int64[np.ndarray, "k"], Float64[np.ndarray, "k"], Int64[np.ndarray, "k"]]:
        """The items most similar to `query`, best first; an item counts with its best row.

        Args:
            query: Any length but zero.
            k: How many; fewer come back if fewer are let through.
            where: What items must satisfy, exactly.
            num_chunks: Chunks to read in full where not all candidates are; more find more.

        Returns:
            Items, cosines, and which of the item's rows it was.

        Raises:
            ValueError: If `k` is less than 1 or the query has the wrong length or is not finite.
        """
        unit = self._unit(query, k)
        self._settle()
        pruner = None if where is None or where.is_open else self._pruner(where)
        chunks = None if pruner is None else pruner.chunks(self._chunks, self._chunk_labels)
        total = self._pages.end if chunks is None else int(self._chunks["num_rows"][chunks].sum())
        num_chunks = num_chunks or 16 + 2 * k
        if total <= EXACT_ROWS:
            entries = self._passing(chunks, pruner)
        else:
            best, wanted = self._attend(unit, chunks, num_chunks), 4 * k
            entries = self._passing(np.sort(best), pruner)
            while pruner is not None and len(entries) < wanted and len(best) >= num_chunks:
                num_chunks *= 4
                best = self._attend(unit, chunks, num_chunks)
                entries = self._passing(np.sort(best), pruner)
        return self._ranked(unit, k, entries)

    def search_many(
        self, queries: Float[np.ndarray, "q d"], k: int, where: Predicate | None = None
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """`search` for each of several queries."""
        return [self.search(query, k, where) for query in queries]

    def exact(
        self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None
    ) -> tuple[Int64[np.ndarray, "k"], Float64[np.ndarray, "k"], Int64[np.ndarray, "k"]]:
        """As `search`, by scoring everything that is let through: the judge of `search`, and slow."""
        unit = self._unit(query, k)
        self._settle()
        entries = np.arange(len(self._entries))
        pruner = None if where is None else self._pruner(where)
        entries = entries[self._entries["is_live"]] if pruner is None else pruner.entries(self._entries, entries)
        return self._ranked(unit, k, entries)

    def scores(self, query: Float[np.ndarray, "d"], items: Sequence[int]) -> Float64[np.ndarray, "n"]:
        """Cosine of each of these items; NaN for what is not there."""
        unit = self._unit(query, 1)
        self._settle()
        entries = self._entries_of(np.asarray(items, np.int64))
        found = np.full(len(entries), np.nan)
        known = entries >= 0
        found[known] = self._exact_scores(unit, entries[known])[0]
        return found

    def background(self, query: Float[np.ndarray, "d"], where: Predicate | None = None) -> tuple[float, float, int]:
        """Mean and standard deviation of the items' scores over everything that is let through, and how many those are.

        Few items are all scored; many are represented by a fixed sample, and a selective predicate by a sample of what it
        lets through. Their number is exact unless the sample was asked, which then estimates it.
        """
        unit = self._unit(query, 1)
        self._settle()
        entries, rows, matrix = self._background_sample()
        num_live = len(entries) if self._sample[1] == 1 else int(self._chunks["live"].sum())
        num = num_live
        if where is not None and not where.is_open:
            pruner = self._pruner(where)
            passing = pruner.entries(self._entries, entries)
            if self._sample[1] == 1 or len(passing) >= 256:
                keep = np.isin(entries, passing, assume_unique=True)
                matrix, rows = matrix[np.repeat(keep, rows)], rows[keep]
                num = len(passing) if self._sample[1] == 1 else round(len(passing) / len(entries) * num_live)
            else:
                found = self._passing(pruner.chunks(self._chunks, self._chunk_labels), pruner)
                num = len(found)
                order = np.lexsort((self._entries["ordinal"][found], self._ranks[self._entries["stream"][found]]))
                found = found[order]
                total = int(self._entries["num_rows"][found].sum())
                found = found[:: max(1, -(-total // SAMPLE_ROWS))]
                rows, matrix = self._entries["num_rows"][found], self._decoded(found)
        if not len(rows):
            return 0.0, 0.0, 0
        best = _best_of(_dot(matrix, unit), rows).astype(np.float64)
        return float(best.mean()), float(best.std()), num

    # --- the read ---------------------------------------------------------------------------------------------------

    def _attend(self, unit: np.ndarray, chunks: np.ndarray | None, num: int) -> np.ndarray:
        """The `num` chunks whose summaries are most similar to the query, out of `chunks` or all."""
        count = len(self._chunks)
        if count > GROUPED_CHUNKS and (chunks is None or len(chunks) > GROUPED_CHUNKS):
            chunks = self._in_best_groups(unit, chunks, max(24 * num, 1024))
        if chunks is None:
            chunks = np.arange(count)
            scores = _dot(self._chunks["summary"], unit)
        else:
            scores = _dot(self._chunks["summary"][_padded(chunks)], unit)[: len(chunks)]
        if self._has_dead:
            scores = np.where(self._chunks["live"][chunks] > 0, scores, np.float32(-2.0))
        return chunks[self._top(scores, num, chunks)]

    def _in_best_groups(self, unit: np.ndarray, chunks: np.ndarray | None, wanted: int) -> np.ndarray:
        """Members of the groups most similar to the query, at least `wanted` of them, and the open chunks."""
        board = self._board
        scores = (board.directions @ unit)[: board.length]
        is_in = None
        if chunks is not None:
            is_in = np.zeros(len(self._chunks), bool)
            is_in[chunks] = True
        num_groups = max(1, wanted // 32)
        while True:
            if num_groups >= board.length:
                groups = np.arange(board.length)
            else:
                lowest = np.partition(scores, -num_groups)[-num_groups]
                groups = np.flatnonzero(scores >= lowest)
            members = board.members[groups].ravel()
            members = members[members >= 0]
            if is_in is not None:
                members = members[is_in[members]]
            if len(members) >= wanted or num_groups >= board.length:
                break
            num_groups *= 2
        still_open = np.arange(self._sealed[0], len(self._chunks))
        if is_in is not None:
            still_open = still_open[is_in[still_open]]
        return np.concatenate([members, still_open])

    def _top(self, scores: np.ndarray, num: int, chunks: np.ndarray) -> np.ndarray:
        """Where the `num` best scores are; what ties is taken in the order of streams and time."""
        if num >= len(scores):
            return np.arange(len(scores))
        lowest = np.partition(scores, -num)[-num]
        best = np.flatnonzero(scores >= lowest)
        if len(best) > num:
            numbers = chunks[best]
            order = np.lexsort((numbers, self._ranks[self._chunks["stream"][numbers]], -scores[best]))
            best = best[order[:num]]
        return best

    def _passing(self, chunks: np.ndarray | None, pruner: Pruner | None) -> np.ndarray:
        """Entries of chunks that pass, ascending."""
        if chunks is None:
            entries = np.arange(len(self._entries))
        else:
            entries = ranges(self._chunks["entry"][chunks], self._chunks["num_entries"][chunks])
        if pruner is not None:
            return pruner.entries(self._entries, entries)
        return entries[self._entries["is_live"][entries]] if self._has_dead else entries

    def _ranked(self, unit: np.ndarray, k: int, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best `k` of some entries (ascending): found in float32 blocks, ordered in float64."""
        if len(entries) > k:
            scores = self._fast_scores(unit, entries)
            entries = entries[scores >= np.partition(scores, -k)[-k] - _NEAR_TIE]
        exact, rows = self._exact_scores(unit, entries)
        order = np.lexsort((entries, self._ranks[self._entries["stream"][entries]], -exact))[:k]
        return self._entries["item"][entries[order]], exact[order], rows[order]

    def _fast_scores(self, unit: np.ndarray, entries: np.ndarray) -> np.ndarray:
        counts = self._entries["num_rows"][entries]
        first = self._entries["row"][entries]
        is_single = bool((counts == 1).all())
        numbers = first if is_single else ranges(first, counts)
        scaled = unit * Pages.SCALE
        scores = np.empty(len(numbers), np.float32)
        block = np.empty((min(512, len(numbers)), self.dim), np.float32)
        for start in range(0, len(numbers), 512):
            part = numbers[start : start + 512]
            floats = block[: len(part)]
            if (
                int(part[-1]) - int(part[0]) == len(part) - 1
                and part[0] // self._pages.rows == part[-1] // self._pages.rows
            ):
                floats[...] = self._pages.span(int(part[0]), len(part))
            else:
                floats[...] = self._pages.take(part)
            np.dot(floats, scaled, out=scores[start : start + len(part)])
        return scores if is_single else _best_of(scores, counts)

    def _exact_scores(self, unit: np.ndarray, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score of each entry (the same bits wherever it lies), and which of its rows it is."""
        counts = self._entries["num_rows"][entries]
        rows = ranges(self._entries["row"][entries], counts)
        order = np.argsort(rows)
        scores = np.empty(len(rows))
        wide = unit.astype(np.float64) * float(Pages.SCALE)
        for start in range(0, len(rows), 1024):
            part = order[start : start + 1024]
            scores[part] = np.add.reduce(self._pages.take(rows[part]) * wide, axis=1)
        if len(rows) == len(entries):
            return scores, np.zeros(len(entries), np.int64)
        best = _best_of(scores, counts)
        hits = np.flatnonzero(scores == np.repeat(best, counts))
        owners = np.repeat(np.arange(len(entries)), counts)[hits]
        _, first = np.unique(owners, return_index=True)
        return best, hits[first] - (np.cumsum(counts) - counts)

    def _decoded(self, entries: np.ndarray) -> np.ndarray:
        """Rows of entries, in their order, as float32."""
        rows = ranges(self._entries["row"][entries], self._entries["num_rows"][entries])
        order = np.argsort(rows)
        found = np.empty((len(rows), self.dim), np.float32)
        found[order] = self._pages.take(rows[order]) * Pages.SCALE
        return found

    def _background_sample(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entries that stand for all, how many rows each has, and these rows; the same whatever came first."""
        if self._sampled is not None:
            return self._sampled
        seen, stride, sealed = self._sample
        live, ordinal, counts = (self._entries[name] for name in ("is_live", "ordinal", "num_rows"))
        fresh = np.arange(seen, len(self._entries))
        chosen = np.concatenate([sealed, fresh[live[fresh] & (ordinal[fresh] % stride == 0)]])
        while int(counts[chosen].sum()) > SAMPLE_ROWS and len(chosen) > 64:
            stride *= 2
            chosen = chosen[ordinal[chosen] % stride == 0]
        self._sample = (self._sealed[1], stride, chosen[chosen < self._sealed[1]])
        chosen = chosen[np.lexsort((ordinal[chosen], self._ranks[self._entries["stream"][chosen]]))]
        self._sampled = (chosen, counts[chosen], self._decoded(chosen))
        return self._sampled

    # --- chunks -----------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> _Stream:
        groups = Groups(self.dim, self._board, lambda chunks: self._chunks["summary"][chunks])
        stream = self._streams[name] = _Stream(len(self._streams), groups)
        self._ranks = np.empty(len(self._streams), np.int64)
        for rank, other in enumerate(sorted(self._streams)):
            self._ranks[self._streams[other].number] = rank
        return stream

    def _new_label_set(self, labels: tuple[str, ...]) -> int:
        for label in labels:
            self._labels.setdefault(label, len(self._labels))
        words = -(-max(len(self._labels), 1) // 64)
        if words > self._label_bits.shape[1]:
            self._label_bits, self._chunk_labels = (
                _widened(self._label_bits, words),
                _widened(self._chunk_labels, words),
            )
        bits = np.zeros((1, words), np.uint64)
        for label in labels:
            word, bit = divmod(self._labels[label], 64)
            bits[0, word] |= np.uint64(1 << bit)
        self._label_bits = np.concatenate([self._label_bits, bits])
        self._label_sets[labels] = len(self._label_bits) - 1
        return len(self._label_bits) - 1

    def _seal(self, stream: _Stream) -> None:
        """Close the open chunk of a stream; it never changes again."""
        self._unsettle()
        summary = self._place(stream)
        stream.groups.add(self._sealed[0], summary)
        self._sealed = (len(self._chunks), len(self._entries), self._pages.end)
        stream.ordinal += len(stream.entries)
        stream.entries, stream.codes, stream.num_rows = [], [], 0
        self._is_settled = False

    def _unsettle(self) -> None:
        """Take the open chunks back out."""
        num_chunks, num_entries, num_rows = self._sealed
        if len(self._chunks) > num_chunks:
            self._chunks.truncate(num_chunks)
            self._entries.truncate(num_entries)
            self._pages.truncate(num_rows)

    def _settle(self) -> None:
        """Put the open chunk of every stream behind the closed ones, so that a search sees chunks only."""
        if self._is_settled:
            return
        self._unsettle()
        for stream in self._streams.values():
            if stream.entries:
                self._place(stream)
        self._is_settled = True
        self._sampled, self._by_item = None, None

    def _place(self, stream: _Stream) -> np.ndarray:
        """Write the open chunk of a stream into pages and tables; returns its summary."""
        codes = stream.codes[0] if len(stream.codes) == 1 else np.concatenate(stream.codes)
        row = self._pages.append(codes)
        table = np.array(stream.entries)  # (n, 8); items are exact in float64 up to 2**53
        count = len(table)
        num_rows = table[:, 1].astype(np.int32)
        labels = table[:, 7].astype(np.int32)
        position = table[:, 4:7]
        ends = np.cumsum(num_rows)
        chunk, entry = len(self._chunks), len(self._entries)
        self._entries.append(
            item=table[:, 0],
            stream=np.full(count, stream.number),
            ordinal=np.arange(stream.ordinal, stream.ordinal + count),
            row=row + ends - num_rows,
            num_rows=num_rows,
            start_s=table[:, 2],
            end_s=table[:, 3],
            position=position,
            labels=labels,
            is_live=np.ones(count, bool),
        )
        total = codes.sum(axis=0, dtype=np.float32)
        summary = total / max(float(np.sqrt(total @ total)), 1e-12)
        low = np.fmin.reduce(position, axis=0)
        high = np.fmax.reduce(position, axis=0)
        if np.isnan(low).any():
            low, high = np.full(3, np.inf), np.full(3, -np.inf)
        sides = dict(zip(_AXES, np.stack([low, high], 1).reshape(6, 1), strict=True))
        self._chunks.append(
            stream=np.array([stream.number]),
            row=np.array([row]),
            num_rows=np.array([len(codes)]),
            entry=np.array([entry]),
            num_entries=np.array([count]),
            live=np.array([count]),
            start_s=table[:, 2].min(keepdims=True),
            end_s=table[:, 3].max(keepdims=True),
            summary=summary[None],
            **sides,
        )
        if chunk == len(self._chunk_labels):
            self._chunk_labels = np.concatenate([self._chunk_labels, np.zeros_like(self._chunk_labels)])
        self._chunk_labels[chunk] = np.bitwise_or.reduce(self._label_bits[labels], axis=0)
        return summary

    def _pruner(self, where: Predicate) -> Pruner:
        streams = {name: stream.number for name, stream in self._streams.items()}
        return Pruner(where, streams, self._labels, self._label_bits)

    def _entries_of(self, items: np.ndarray) -> np.ndarray:
        """The live entry of each item; -1 for what is not there."""
        if self._by_item is None:
            live = np.flatnonzero(self._entries["is_live"])
            order = np.argsort(self._entries["item"][live], kind="stable")
            self._by_item = self._entries["item"][live][order], live[order]
        known, entries = self._by_item
        if not len(known):
            return np.full(len(items), -1)
        at = np.minimum(np.searchsorted(known, items), len(known) - 1)
        return np.where(known[at] == items, entries[at], -1)

    # --- checking what comes in ---------------------------------------------------------------------------------------

    def _units(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"vectors must have shape (n, {self.dim}), got {vectors.shape}")
        squares = np.einsum("ij,ij->i", vectors, vectors)
        if not np.isfinite(squares).all():
            raise ValueError("vectors must be finite, got NaN or infinity")
        return vectors / np.sqrt(np.maximum(squares, 1e-24))[:, None]

    def _unit(self, query: np.ndarray, k: int) -> np.ndarray:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        query = np.asarray(query, np.float32)
        if query.shape != (self.dim,):
            raise ValueError(f"query must have shape ({self.dim},), got {query.shape}")
        length = float(np.sqrt(query @ query))
        if not 0.0 < length < math.inf:
            raise ValueError(f"query must be finite and not zero, got a vector of length {length}")
        return query / np.float32(length)

    # --- put away and read back -----------------------------------------------------------------------------------------

    def save(self, folder: Path, previous: Path | None = None) -> None:
        """Write the index into a new folder.

        Args:
            folder: Where; created if absent.
            previous: Where an earlier state of this index was saved: what has not changed since is linked, not written.

        Raises:
            OSError: If it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._unsettle()
        self._is_settled = not any(stream.entries for stream in self._streams.values())
        if previous is not None and not self._is_mine(previous):
            previous = None
        num_chunks, num_entries, num_rows = self._sealed
        self._pages.save(folder, num_rows, previous)
        self._entries.save(folder, "entries", num_entries, previous if not self._has_dead else None)
        self._chunks.save(folder, "chunks", num_chunks, previous if not self._has_dead else None)
        arrays = {"chunk_labels": self._chunk_labels[:num_chunks], "label_bits": self._label_bits}
        for stream in self._streams.values():
            names = ("sums", "sizes", "members")
            arrays |= {f"{name}{stream.number}": a for name, a in zip(names, stream.groups.state(), strict=True)}
            if stream.entries:
                arrays[f"codes{stream.number}"] = np.concatenate(stream.codes)
                arrays[f"entries{stream.number}"] = np.array(stream.entries, np.float64)
        np.savez(folder / "streams.npz", **arrays)  # type: ignore[arg-type]
        manifest = {
            "version": _VERSION,
            "token": self._token,
            "dim": self.dim,
            "sealed": self._sealed,
            "has_dead": self._has_dead,
            "streams": [[name, stream.ordinal] for name, stream in self._streams.items()],
            "labels": list(self._labels),
            "label_sets": [list(labels) for labels in self._label_sets],
        }
        draft = folder / f"{_MANIFEST}.new"
        draft.write_text(json.dumps(manifest), encoding="utf-8")
        draft.replace(folder / _MANIFEST)

    def _is_mine(self, folder: Path) -> bool:
        try:
            return bool(json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["token"] == self._token)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @classmethod
    def load(cls, folder: Path) -> ChunkIndex:
        """Read back what `save` wrote; vectors stay on disk until they are needed.

        Raises:
            MemoryCorruptError: If a file is missing or damaged.
            MemoryVersionError: If a newer version of Placecell wrote it.
        """
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["version"] > _VERSION:
                raise MemoryVersionError(f"{folder} was written by a newer version of Placecell: update this one")
            index = cls(manifest["dim"])
            index._restore(folder, manifest)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise MemoryCorruptError(
                f"{folder} holds no whole index of vectors ({error}): delete it, it is remade"
            ) from error
        return index

    def _restore(self, folder: Path, manifest: dict[str, object]) -> None:
        num_chunks, num_entries, num_rows = manifest["sealed"]  # type: ignore[misc, str-unpack]
        self._pages.load(folder, num_rows)
        self._entries.load(folder, "entries", num_entries)
        self._chunks.load(folder, "chunks", num_chunks)
        self._sealed = (num_chunks, num_entries, num_rows)
        self._token, self._has_dead = str(manifest["token"]), bool(manifest["has_dead"])
        self._labels = {label: number for number, label in enumerate(manifest["labels"])}  # type: ignore[arg-type, var-annotated]
        self._label_sets = {tuple(labels): number for number, labels in enumerate(manifest["label_sets"])}  # type: ignore[arg-type, var-annotated]
        with np.load(folder / "streams.npz", allow_pickle=False) as stored:
            self._label_bits = stored["label_bits"]
            self._chunk_labels = np.zeros((max(64, 2 * num_chunks), self._label_bits.shape[1]), np.uint64)
            self._chunk_labels[:num_chunks] = stored["chunk_labels"]
            for name, ordinal in manifest["streams"]:  # type: ignore[attr-defined]
                stream = self._open(name)
                stream.ordinal = ordinal
                stream.groups.restore(*(stored[f"{part}{stream.number}"] for part in ("sums", "sizes", "members")))
                if f"codes{stream.number}" in stored:
                    stream.codes = [stored[f"codes{stream.number}"]]
                    stream.num_rows = len(stream.codes[0])
                    stream.entries = [
                        (int(item), int(rows), start, end, x, y, z, int(labels))
                        for item, rows, start, end, x, y, z, labels in stored[f"entries{stream.number}"].tolist()
                    ]
                    self._is_settled = False


def _dot(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Product that gives a row the same bits wherever it stands: the odd rows at the end go a way of their own."""
    whole = len(matrix) // 8 * 8
    if whole == len(matrix):
        return np.asarray(matrix @ vector)
    rest = np.zeros((8, matrix.shape[1]), matrix.dtype)
    rest[: len(matrix) - whole] = matrix[whole:]
    return np.concatenate([matrix[:whole] @ vector, (rest @ vector)[: len(matrix) - whole]])


def _padded(numbers: np.ndarray) -> np.ndarray:
    """Numbers, with the first repeated up to a multiple of eight."""
    return np.concatenate([numbers, np.repeat(numbers[:1], -len(numbers) % 8)])


def _best_of(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Highest score of each run of `counts` scores."""
    if len(scores) == len(counts):
        return scores
    return np.asarray(np.maximum.reduceat(scores, np.cumsum(counts) - counts))


def _widened(bits: np.ndarray, words: int) -> np.ndarray:
    return np.concatenate([bits, np.zeros((len(bits), words - bits.shape[1]), np.uint64)], axis=1)
