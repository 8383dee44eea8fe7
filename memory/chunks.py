"""The chunk index: hierarchical chunk attention, used to find vectors.

A chunk is a run of one event: up to 32 vectors of one stream that look in one direction (the same tile of neighbouring
moments). It is summarised by the direction of its mean. A query attends to the summaries, then in full detail inside
the best chunks only. Nothing is ever built or rebuilt: an insert is an append.

Three precisions. One bit per dimension to find (a sign and a population count, 64 bytes for 512 dimensions), 16 bits
kept, float32 to rank. What is asked for by place, time, stream and label is decided exactly, chunks first and rows
then, before anything is scored; few rows are scanned exactly.

Results depend on which rows each stream holds, not on how streams were interleaved: chunks are cut per stream, rows at
a cut-off all stay in, final scores are summed in one order, and ties are broken by stream and time.

Source: Lampinen et al. 2021 (arXiv 2105.14039) for attention over chunk summaries; Charikar 2002 for signs as codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from placecell.memory.growing import Columns
from placecell.memory.predicates import Predicate

__all__ = ["Background", "ChunkIndex", "Found"]

MIN_CHUNK, MAX_CHUNK = 4, 32  # rows; an event shorter than 4 rows joins the next one
EXACT_ROWS = 2_048  # so many are simply scanned
SIGN_ROWS = 200_000  # so many are all compared by sign; beyond, only the best chunks' are
KEPT_BY_SIGN = 1_024  # candidates that are scored in float32
CHUNKS_BY_SIGN = 1_024  # summaries that are scored in float32
CHUNKS_READ = 48  # chunks that are read in full
SAMPLE_ROWS = 4_096  # background of a query
_SCALE = 32_767.0  # components of unit vectors as int16: the rounding is below that of float16


class Found(NamedTuple):
    """Result of a search, best first: items, the score of each, and which of its own rows that was."""

    items: Int[np.ndarray, "k"]
    scores: Float32[np.ndarray, "k"]
    rows: Int[np.ndarray, "k"]


class Background(NamedTuple):
    """Scores of a query over everything: mean, standard deviation, and of how many rows."""

    mean: float
    std: float
    count: int


class ChunkIndex:
    """Vectors of many streams, found by direction and filtered exactly.

    Args:
        dim: Length of the vectors; a multiple of 8 uses the sign codes best.

    Example:
        >>> index = ChunkIndex(2)
        >>> for item, angle in enumerate((0.0, 0.5, 1.0)):
        ...     vector = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
        ...     index.append(item, vector, stream="robot", start_s=float(item), end_s=float(item))
        >>> index.search(np.array([0.0, 1.0], np.float32), k=1).items.tolist()
        [2]
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"dim must be positive, got {dim}")
        self.dim = dim
        self._words = -(-dim // 64)
        self._rows = Columns(
            vector=((dim,), np.int16),
            item=((), np.int64),
            sub=((), np.int16),  # which row of its item
            place=((), np.int32),  # how many rows of its lane came before: where it stands in its stream
            stream=((), np.int32),
            start_s=((), np.float64),
            end_s=((), np.float64),
            position=((3,), np.float64),
            labels=((), np.int32),  # index into `_label_sets`
            alive=((), np.bool_),
        )
        self._signs = Columns(column=((self._words,), np.uint64), is_transposed=True)
        self._chunks = Columns(
            mean=((dim,), np.float32),  # unit length: the direction of the mean
            first=((), np.int64),  # where its rows begin in `_members`
            count=((), np.int32),
            stream=((), np.int32),
            start_s=((), np.float64),
            end_s=((), np.float64),
            low=((3,), np.float64),
            high=((3,), np.float64),
        )
        self._chunk_signs = Columns(column=((self._words,), np.uint64), is_transposed=True)
        self._members = Columns(row=((), np.int64))
        self._open: dict[tuple[int, int], list[int]] = {}  # rows of (stream, lane) that wait for their chunk to end
        self._lengths: dict[tuple[int, int], int] = {}  # rows of (stream, lane) so far
        self._streams: dict[str, int] = {}
        self._label_sets: list[frozenset[str]] = [frozenset()]
        self._label_ids: dict[frozenset[str], int] = {frozenset(): 0}
        self._sample: tuple[int, np.ndarray, np.ndarray] | None = None  # (rows then, sampled rows, their vectors)
        self._scored: tuple[bytes, np.ndarray] | None = None  # (query, its scores over the sample)
        self._num_dropped = 0

    def __len__(self) -> int:
        return len(self._rows) - self._num_dropped

    @property
    def nbytes(self) -> int:
        """Bytes that the rows and chunks take."""
        parts = (self._rows, self._signs, self._chunks, self._chunk_signs, self._members)
        return sum(part.nbytes for part in parts)

    @property
    def num_chunks(self) -> int:
        """Chunks that have ended."""
        return len(self._chunks)

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(
        self,
        item: int,
        vectors: Float[np.ndarray, "v d"],
        *,
        stream: str,
        start_s: float,
        end_s: float,
        position: Sequence[float] | None = None,
        labels: Iterable[str] = (),
        is_event_start: bool = False,
    ) -> None:
        """Add one moment; moments of one stream come in the order of time.

        Args:
            item: Number of the moment, the caller's own.
            vectors: Unit vectors `(v, d)`: the whole view, then tiles. Row `i` continues row `i` of the moment before.
            stream: Whose moment.
            start_s: Begin, seconds.
            end_s: End, seconds.
            position: Where, metres; None if unknown.
            labels: Exact labels.
            is_event_start: Whether a chunk may not reach across from the moment before.

        Raises:
            ValueError: If `vectors` has another length than `dim`.
        """
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"vectors must have shape (v, {self.dim}), got {vectors.shape}")
        number = self._streams.setdefault(stream, len(self._streams))
        first, count = len(self._rows), len(vectors)
        where = (np.nan,) * 3 if position is None else position
        lanes = np.arange(count)
        places = [self._lengths.get((number, lane), 0) for lane in range(count)]
        self._rows.extend(
            count,
            vector=np.rint(vectors * _SCALE),
            item=item,
            sub=lanes,
            place=places,
            stream=number,
            start_s=start_s,
            end_s=end_s,
            position=where,
            labels=self._label_set(labels),
            alive=True,
        )
        self._signs.extend(count, column=_signs(vectors))
        for lane in range(count):
            key = (number, lane)
            waiting = self._open.setdefault(key, [])
            if waiting and ((is_event_start and len(waiting) >= MIN_CHUNK) or len(waiting) >= MAX_CHUNK):
                self._close(number, waiting)
                waiting = self._open[key] = []
            waiting.append(first + lane)
            self._lengths[key] = places[lane] + 1

    def extend(
        self,
        items: Int[np.ndarray, "n"],
        vectors: Float[np.ndarray, "n d"],
        *,
        stream: str,
        start_s: Float[np.ndarray, "n"],
        end_s: Float[np.ndarray, "n"],
        position: Float[np.ndarray, "n 3"] | None = None,
        labels: Sequence[Iterable[str]] | None = None,
        is_event_start: Bool[np.ndarray, "n"] | None = None,
    ) -> None:
        """Add many moments of one vector each; the same as `append` one by one, and much faster."""
        number = self._streams.setdefault(stream, len(self._streams))
        count, key = len(vectors), (number, 0)
        if count == 0:
            return
        first, before = len(self._rows), self._lengths.get(key, 0)
        sets = 0 if labels is None else np.fromiter((self._label_set(each) for each in labels), np.int32, count)
        vectors = np.asarray(vectors, np.float32)
        self._rows.extend(
            count,
            vector=np.rint(vectors * _SCALE),
            item=items,
            sub=0,
            place=np.arange(before, before + count),
            stream=number,
            start_s=start_s,
            end_s=end_s,
            position=np.nan if position is None else position,
            labels=sets,
            alive=True,
        )
        self._signs.extend(count, column=_signs(vectors))
        self._lengths[key] = before + count
        waiting = self._open.setdefault(key, [])
        rows = np.concatenate([np.array(waiting, np.int64), np.arange(first, first + count)])
        starts = np.zeros(len(rows), np.bool_)
        if is_event_start is not None:
            starts[len(waiting) :] = is_event_start
        cuts = _cuts(starts)
        for low, high in zip(cuts, cuts[1:], strict=False):
            self._close(number, rows[low:high])
        self._open[key] = rows[cuts[-1] :].tolist()

    def drop(self, items: Iterable[int]) -> None:
        """Forget items: they are never found again. Their space comes back when the index is made anew."""
        found = np.isin(self._rows["item"], np.fromiter(items, np.int64)) & self._rows["alive"]
        self._rows["alive"][found] = False
        self._num_dropped += int(found.sum())
        self._sample = self._scored = None

    def _close(self, stream: int, members: Sequence[int] | np.ndarray) -> None:
        rows = np.asarray(members, np.int64)
        total = self._rows["vector"][rows].astype(np.float32).sum(axis=0)
        norm = float(np.linalg.norm(total))
        mean = total / norm if norm > 0 else total
        place = self._rows["position"][rows]
        known = place[~np.isnan(place[:, 0])]
        self._chunks.extend(
            1,
            mean=mean,
            first=len(self._members),
            count=len(rows),
            stream=stream,
            start_s=self._rows["start_s"][rows].min(),
            end_s=self._rows["end_s"][rows].max(),
            low=known.min(axis=0) if len(known) else np.inf,
            high=known.max(axis=0) if len(known) else -np.inf,
        )
        self._chunk_signs.extend(1, column=_signs(mean[None]))
        self._members.extend(len(rows), row=rows)

    def _label_set(self, labels: Iterable[str]) -> int:
        found = frozenset(labels)
        if found not in self._label_ids:
            self._label_ids[found] = len(self._label_sets)
            self._label_sets.append(found)
        return self._label_ids[found]

    # --- reading ----------------------------------------------------------------------------------------------------

    def search(self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None) -> Found:
        """The `k` items with the most similar row, best first.

        Exact for up to `EXACT_ROWS` rows that `where` lets through, or if `k` asks for most of them; else the rows are
        first compared by sign, and beyond `SIGN_ROWS` only those of the best chunks.

        Args:
            query: Unit vector.
            k: How many items at most.
            where: What is let through; everything if not given.
        """
        query = self._checked(query)
        if k < 1:
            raise ValueError(f"k must be positive, got {k}")
        rows = self._let_through(where)
        num_rows = len(self._rows) if rows is None else len(rows)
        widen = max(1.0, k * self._rows_per_item() / 128)  # a longer list needs more candidates
        if num_rows <= EXACT_ROWS * widen:
            return self._rank(query, self._all_rows() if rows is None else rows, k)
        if rows is None and num_rows > SIGN_ROWS:
            return self._rank(query, self._of_best_chunks(query, int(CHUNKS_READ * widen)), k)
        distances = self._distances(query, self._signs, rows)
        near = _nearest(distances, int(KEPT_BY_SIGN * widen))
        return self._rank(query, near if rows is None else rows[near], k)

    def exact(self, query: Float[np.ndarray, "d"], k: int, where: Predicate | None = None) -> Found:
        """What `search` approximates, by scoring every row; the judge in tests and benchmarks."""
        rows = self._let_through(where)
        return self._rank(self._checked(query), self._all_rows() if rows is None else rows, k)

    def background(self, query: Float[np.ndarray, "d"], where: Predicate | None = None) -> Background:
        """Mean and deviation of the query's scores over what `where` lets through, from a fixed sample of rows."""
        query = self._checked(query)
        sampled, vectors = self._sampled()
        if len(sampled) == 0:
            return Background(0.0, 0.0, 0)
        key = query.tobytes()
        if self._scored is None or self._scored[0] != key:
            self._scored = (key, vectors @ query)
        scores, count = self._scored[1], len(self)
        if where is not None and not where.is_open:
            inside = self._passes(where, sampled)
            count = round(len(self) * float(inside.mean()))
            scores = scores[inside]
            if len(scores) < 256 and len(sampled) < len(self):
                rows = self._let_through(where)
                assert rows is not None
                count = len(rows)
                scores = self._scores(query, rows[:: max(1, count // 256)])
        if len(scores) == 0:
            return Background(0.0, 0.0, 0)
        return Background(float(scores.mean()), float(scores.std()), max(count, 1))

    def _checked(self, query: Float[np.ndarray, "d"]) -> Float32[np.ndarray, "d"]:
        query = np.ascontiguousarray(query, np.float32)
        if query.shape != (self.dim,):
            raise ValueError(f"query must have shape ({self.dim},), got {query.shape}")
        return query

    def _rows_per_item(self) -> float:
        return max(1, len(self._lengths)) / max(1, len({stream for stream, _ in self._lengths}))

    def _all_rows(self) -> Int[np.ndarray, "n"]:
        return np.flatnonzero(self._rows["alive"]) if self._num_dropped else np.arange(len(self._rows))

    def _scores(self, query: Float32[np.ndarray, "d"], rows: Int[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
        vectors, scores = self._rows["vector"], np.empty(len(rows), np.float32)
        for low in range(0, len(rows), 1024):  # blocks that stay in the cache
            part = rows[low : low + 1024]
            np.dot(vectors[part].astype(np.float32), query, out=scores[low : low + len(part)])
        scores *= np.float32(1 / _SCALE)
        return scores

    def _rank(self, query: Float32[np.ndarray, "d"], rows: Int[np.ndarray, "n"], k: int) -> Found:
        if self._num_dropped:
            rows = rows[self._rows["alive"][rows]]
        scores = self._scores(query, rows)
        keep = int(k * 2 * self._rows_per_item()) + 8
        while True:
            head = np.arange(len(rows)) if keep >= len(rows) else _nearest(-scores, keep, slack=2e-5)
            chosen = rows[head]
            # Summed row by row, so that a score does not depend on which rows it was computed beside.
            fine = (self._rows["vector"][chosen].astype(np.float32) * query).sum(axis=1) * np.float32(1 / _SCALE)
            columns = (self._rows["sub"], self._rows["start_s"], self._stream_ranks()[self._rows["stream"][chosen]])
            order = np.lexsort((columns[0][chosen], columns[1][chosen], columns[2], -fine))
            items = self._rows["item"][chosen][order]
            _, firsts = np.unique(items, return_index=True)
            if len(firsts) >= k or len(head) == len(rows):
                best = order[np.sort(firsts)[:k]]
                rows_of = self._rows["sub"][chosen][best].astype(np.int64)
                return Found(self._rows["item"][chosen][best], fine[best], rows_of)
            keep *= 4

    def _stream_ranks(self) -> Int[np.ndarray, "s"]:
        ranks = np.empty(len(self._streams), np.int64)
        for rank, name in enumerate(sorted(self._streams)):
            ranks[self._streams[name]] = rank
        return ranks

    def _distances(
        self, query: Float32[np.ndarray, "d"], signs: Columns, rows: Int[np.ndarray, "n"] | None
    ) -> Int[np.ndarray, "n"]:
        """Hamming distance between the signs of the query and those of rows."""
        code, columns = _signs(query[None])[:, 0], signs["column"]
        total = np.zeros(columns.shape[1] if rows is None else len(rows), np.int16)
        for word in range(self._words):
            column = columns[word] if rows is None else columns[word][rows]
            total += np.bitwise_count(column ^ code[word])
        return total

    def _of_best_chunks(self, query: Float32[np.ndarray, "d"], count: int) -> Int[np.ndarray, "n"]:
        """Rows of the chunks whose summaries match best, and rows that are in no chunk yet."""
        near = _nearest(self._distances(query, self._chunk_signs, None), max(CHUNKS_BY_SIGN, 8 * count))
        scores = self._chunks["mean"][near] @ query
        best = near[_nearest(-scores, count, slack=1e-6)]
        return np.concatenate([self._rows_of(best), self._open_rows()])

    def _rows_of(self, chunks: Int[np.ndarray, "c"]) -> Int[np.ndarray, "n"]:
        first, count = self._chunks["first"][chunks], self._chunks["count"][chunks].astype(np.int64)
        ends = np.cumsum(count)
        inside = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - (ends - count), count)
        return self._members["row"][inside]

    def _open_rows(self) -> Int[np.ndarray, "n"]:
        return np.fromiter((row for rows in self._open.values() for row in rows), np.int64)

    # --- predicates -------------------------------------------------------------------------------------------------

    def _let_through(self, where: Predicate | None) -> Int[np.ndarray, "n"] | None:
        """Rows that a predicate lets through, in ascending order; None for all. Chunks are pruned first."""
        if where is None or where.is_open:
            return None
        rows = np.concatenate([self._rows_of(np.flatnonzero(self._chunks_pass(where))), self._open_rows()])
        rows = rows[self._passes(where, rows)]
        rows.sort()
        return rows

    def _chunks_pass(self, where: Predicate) -> Bool[np.ndarray, "c"]:
        chunks = self._chunks
        passes = np.ones(len(chunks), np.bool_)
        if where.between is not None:
            passes &= (chunks["start_s"] <= where.between[1]) & (chunks["end_s"] >= where.between[0])
        if where.near is not None:
            centre, radius = np.array(where.near[0]), where.near[1]
            gap = np.maximum(np.maximum(chunks["low"] - centre, centre - chunks["high"]), 0.0)
            passes &= (gap**2).sum(axis=1) <= radius**2 * (1 + 1e-9) + 1e-12
        if where.streams is not None:
            wanted = np.array([self._streams[name] for name in where.streams if name in self._streams], np.int32)
            passes &= np.isin(chunks["stream"], wanted)
        return passes

    def _passes(self, where: Predicate, rows: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        columns = self._rows
        passes = columns["alive"][rows]
        if where.between is not None:
            passes &= (columns["start_s"][rows] <= where.between[1]) & (columns["end_s"][rows] >= where.between[0])
        if where.labels is not None:
            wanted = frozenset(where.labels)
            passes &= np.array([wanted <= held for held in self._label_sets])[columns["labels"][rows]]
        if where.streams is not None:
            wanted_streams = [self._streams[name] for name in where.streams if name in self._streams]
            passes &= np.isin(columns["stream"][rows], np.array(wanted_streams, np.int32))
        if where.near is not None:
            gaps = columns["position"][rows] - np.array(where.near[0])
            with np.errstate(invalid="ignore"):
                passes &= np.sqrt((gaps**2).sum(axis=1)) <= where.near[1]  # False where the position is unknown
        return np.asarray(passes)

    def _sampled(self) -> tuple[Int[np.ndarray, "n"], Float32[np.ndarray, "n d"]]:
        """Every 2^s-th row of each lane, about `SAMPLE_ROWS` of them: the same ones in whatever order streams came."""
        total = len(self._rows)
        if self._sample is None or total > 1.25 * self._sample[0] or total < EXACT_ROWS and total != self._sample[0]:
            step = 1 << max(0, int(np.ceil(np.log2(max(1, total) / SAMPLE_ROWS))))
            rows = np.flatnonzero(((self._rows["place"] + self._rows["sub"]) % step == 0) & self._rows["alive"])
            vectors = self._rows["vector"][rows].astype(np.float32) * np.float32(1 / _SCALE)
            self._sample, self._scored = (total, rows, vectors), None
        return self._sample[1], self._sample[2]

    # --- put away ---------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write everything into a new folder, to be mapped by `load` without reading it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self._parts().items():
            part.save(folder, name)
        state = {
            "dim": self.dim,
            "streams": list(self._streams),
            "label_sets": [sorted(labels) for labels in self._label_sets],
            "open": [[stream, lane, rows] for (stream, lane), rows in self._open.items()],
            "lengths": [[stream, lane, length] for (stream, lane), length in self._lengths.items()],
            "num_dropped": self._num_dropped,
        }
        (folder / "index.json").write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> ChunkIndex:
        """What `save` wrote. Vectors stay on the disk until they are read; the first append copies them into RAM.

        Raises:
            OSError, ValueError, KeyError: If a file is missing or damaged.
        """
        folder = Path(folder)
        state = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        index = cls(int(state["dim"]))
        for name, part in index._parts().items():
            part.load(folder, name)
        index._streams = {name: number for number, name in enumerate(state["streams"])}
        index._label_sets = [frozenset(labels) for labels in state["label_sets"]]
        index._label_ids = {labels: number for number, labels in enumerate(index._label_sets)}
        index._open = {(stream, lane): list(rows) for stream, lane, rows in state["open"]}
        index._lengths = {(stream, lane): length for stream, lane, length in state["lengths"]}
        index._num_dropped = int(state["num_dropped"])
        return index

    def _parts(self) -> dict[str, Columns]:
        return {
            "rows": self._rows,
            "signs": self._signs,
            "chunks": self._chunks,
            "chunk_signs": self._chunk_signs,
            "members": self._members,
        }


def _signs(vectors: Float32[np.ndarray, "n d"]) -> np.ndarray:
    """Signs of the components as bits, `(words, n)` uint64."""
    bits = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(vectors), -(-vectors.shape[1] // 64) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.ascontiguousarray(padded.view(np.uint64).T)


def _nearest(distances: np.ndarray, count: int, slack: float = 0.0) -> Int[np.ndarray, "n"]:
    """Indices of the `count` smallest and of all that tie with the last of them, so that no order of rows shows."""
    if count >= len(distances):
        return np.arange(len(distances))
    limit = np.partition(distances, count - 1)[count - 1]
    return np.flatnonzero(distances <= limit + slack if slack else distances <= limit)


def _cuts(starts: Bool[np.ndarray, "n"]) -> list[int]:
    """Where chunks begin in a run of rows; the last one is still open."""
    cuts, low = [0], 0
    events = np.flatnonzero(starts).tolist()
    for event in [*events, len(starts)]:
        while event - low > MAX_CHUNK:
            low += MAX_CHUNK
            cuts.append(low)
        if event < len(starts) and event - low >= MIN_CHUNK:
            low = event
            cuts.append(low)
    return cuts
