"""What the chunk index keeps: vectors of streams in chunks that end where events end, and what is known of each.

A *chunk* is a run of items of one stream. An item has one vector or several (a whole view and its tiles); the vectors
that lie in the same place of neighbouring items form a *strand*, which has a summary: the direction of its mean. Chunks
that are closed never change. The open chunk of each stream is put behind them when somebody reads.
"""

from __future__ import annotations

import io
import json
import math
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.errors import MemoryCorruptError, MemoryVersionError
from placecell.memory.columns import Pages, Table
from placecell.memory.cutting import Stream

__all__ = ["ChunkStore", "units"]

_VERSION: Final = 1
_MANIFEST: Final = "chunks.json"
AXES: Final = ("x", "y", "z")

_ENTRIES: Final = {
    "item": (np.int64, 0),
    "chunk": (np.int32, 0),
    "stream": (np.int32, 0),
    "ordinal": (np.int64, 0),
    "start_s": (np.float64, 0),
    "end_s": (np.float64, 0),
    "position": (np.float64, 3),
    "labels": (np.int32, 0),
    "is_live": (np.bool_, 0),
}
_CHUNKS: Final = {
    "stream": (np.int32, 0),
    "row": (np.int64, 0),
    "width": (np.int32, 0),  # vectors of each item
    "entry": (np.int64, 0),
    "num_entries": (np.int64, 0),
    "strand": (np.int64, 0),
    "live": (np.int32, 0),
    "start_s": (np.float64, 0),
    "end_s": (np.float64, 0),
    **dict.fromkeys(AXES, (np.float32, 0)),  # middle of the box that holds its positions; NaN without any
    **{f"{axis}_half": (np.float32, 0) for axis in AXES},  # half its extent, rounded up
}


class ChunkStore:
    """Tables of entries (items), chunks and strands, and pages of vectors.

    Args:
        dim: Length of the vectors.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim
        self.pages = Pages(dim)
        self.entries = Table(_ENTRIES)
        self.chunks = Table(_CHUNKS)
        self.strands = Table({"chunk": (np.int64, 0), "row": (np.int64, 0), "summary": (np.int16, dim)})
        self.chunk_labels = np.zeros((64, 1), np.uint64)
        self.streams: dict[str, Stream] = {}
        self.ranks = np.zeros(0, np.int64)  # place of each stream in the order of names
        self.labels: dict[str, int] = {}
        self.label_sets: dict[tuple[str, ...], int] = {(): 0}
        self.label_bits = np.zeros((1, 1), np.uint64)
        self.num_sealed = (0, 0, 0, 0)  # chunks, strands, entries and rows of closed chunks
        self.version = 0  # rises when what a reader sees changes
        self.num_dropped = 0
        self.is_wide = False  # whether any item has several vectors
        self._is_settled = True
        self._token = uuid.uuid4().hex  # tells saved blocks of this store from those of another

    # --- adding -----------------------------------------------------------------------------------------------------

    def stream(self, name: str) -> Stream:
        """The stream of this name, new or not."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = Stream(len(self.streams), self.dim)
            self.ranks = np.empty(len(self.streams), np.int64)
            for rank, other in enumerate(sorted(self.streams)):
                self.ranks[self.streams[other].number] = rank
        return found

    def add(self, name: str, entries: np.ndarray, vectors: np.ndarray, width: int, is_start: np.ndarray) -> None:
        """Append items of one stream.

        Args:
            name: Of the stream.
            entries: item, start_s, end_s, x, y, z, label set of each (n, 7); items up to 2**53.
            vectors: Unit length, `width` of each item (n * width, d).
            width: Vectors of each item.
            is_start: Where events begin (n,).
        """
        stream = self.stream(name)
        if stream.width != width:
            if stream.entries:
                self._seal(stream, np.zeros(0, np.int64))
            stream.width = width
            self.is_wide |= width > 1
        cuts = stream.cuts(vectors[::width], is_start)
        stream.entries.append(entries)
        stream.codes.append(Pages.encode(vectors))
        if len(cuts):
            self._seal(stream, cuts)
        self._is_settled = False

    def label_set(self, labels: tuple[str, ...]) -> int:
        """Number of a set of labels, new or not."""
        number = self.label_sets.get(labels)
        if number is not None:
            return number
        for label in labels:
            self.labels.setdefault(label, len(self.labels))
        words = -(-max(len(self.labels), 1) // 64)
        if words > self.label_bits.shape[1]:
            self.label_bits, self.chunk_labels = _widened(self.label_bits, words), _widened(self.chunk_labels, words)
        bits = np.zeros((1, words), np.uint64)
        for label in labels:
            word, bit = divmod(self.labels[label], 64)
            bits[0, word] |= np.uint64(1 << bit)
        self.label_bits = np.concatenate([self.label_bits, bits])
        self.label_sets[labels] = len(self.label_bits) - 1
        return len(self.label_bits) - 1

    # --- chunks -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Put the open chunk of every stream behind the closed ones, so that a reader sees chunks only."""
        if self._is_settled:
            return
        self._unsettle()
        for stream in self.streams.values():
            if stream.entries:
                entries, codes = stream.joined()
                self._place(stream, entries, codes, np.zeros(1, np.int64))
        self._is_settled = True
        self.version += 1

    def _unsettle(self) -> None:
        num_chunks, num_strands, num_entries, num_rows = self.num_sealed
        if len(self.chunks) > num_chunks:
            self.chunks.truncate(num_chunks)
            self.strands.truncate(num_strands)
            self.entries.truncate(num_entries)
            self.pages.truncate(num_rows)

    def _seal(self, stream: Stream, cuts: np.ndarray) -> None:
        """Close the open chunk of a stream at each cut, or, without cuts, where it ends."""
        self._unsettle()
        entries, codes = stream.joined()
        end = int(cuts[-1]) if len(cuts) else len(entries)
        self._place(stream, entries[:end], codes[: end * stream.width], np.concatenate([[0], cuts[cuts < end]]))
        stream.strands += range(self.num_sealed[1], len(self.strands))
        self.num_sealed = (len(self.chunks), len(self.strands), len(self.entries), self.pages.end)
        stream.keep_from(end)
        self._is_settled = False

    def _place(self, stream: Stream, entries: np.ndarray, codes: np.ndarray, starts: np.ndarray) -> None:
        """Write chunks that begin at `starts` into pages and tables."""
        count, width = len(entries), stream.width
        sizes = np.diff(starts, append=count)
        if width > 1:  # rows of a strand side by side
            parts = [codes[a * width : (a + n) * width] for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
            codes = np.concatenate([p.reshape(-1, width, self.dim).swapaxes(0, 1).reshape(-1, self.dim) for p in parts])
        rows = self._write(codes, (starts * width).tolist())
        first_chunk, first_entry, first_strand = len(self.chunks), len(self.entries), len(self.strands)
        numbers = np.arange(len(starts))
        positions, labels = entries[:, 3:6], entries[:, 6].astype(np.int32)
        self.entries.append(
            item=entries[:, 0],
            chunk=first_chunk + np.repeat(numbers, sizes),
            stream=stream.number,
            ordinal=np.arange(stream.ordinal, stream.ordinal + count),
            start_s=entries[:, 1],
            end_s=entries[:, 2],
            position=positions,
            labels=labels,
            is_live=True,
        )
        low, high = np.fmin.reduceat(positions, starts), np.fmax.reduceat(positions, starts)
        middle = (0.5 * (low + high)).astype(np.float32)
        half = (np.maximum(high - middle, middle - low) * (1 + 1e-6) + 1e-37).astype(np.float32)
        self.chunks.append(
            stream=np.full(len(starts), stream.number),
            row=rows,
            width=width,
            entry=first_entry + starts,
            num_entries=sizes,
            strand=first_strand + numbers * width,
            live=sizes,
            start_s=np.minimum.reduceat(entries[:, 1], starts),
            end_s=np.maximum.reduceat(entries[:, 2], starts),
            **dict(zip(AXES, middle.T, strict=True)),
            **{f"{axis}_half": extent for axis, extent in zip(AXES, half.T, strict=True)},
        )
        steps = np.arange(width)[None] * sizes[:, None]  # (chunk, width)
        sums = _sums(codes, (starts[:, None] * width + steps).ravel())
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        self.strands.append(
            chunk=first_chunk + np.repeat(numbers, width),
            row=(rows[:, None] + steps).ravel(),
            summary=Pages.encode(sums / np.maximum(lengths, 1e-12)[:, None]),
        )
        while len(self.chunk_labels) < len(self.chunks):
            self.chunk_labels = np.concatenate([self.chunk_labels, np.zeros_like(self.chunk_labels)])
        self.chunk_labels[first_chunk : len(self.chunks)] = np.bitwise_or.reduceat(self.label_bits[labels], starts)

    def _write(self, codes: np.ndarray, starts: list[int]) -> np.ndarray:
        """Put the codes of chunks into pages, none across two; returns the number of each chunk's first row."""
        rows, first = [], 0  # `first`: of those that are not written yet
        base = self.pages.end
        for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
            if base // self.pages.rows != (base + end - first - 1) // self.pages.rows:
                self.pages.append(codes[first:start])
                first, base = start, self.pages.place(end - start)
            rows.append(base + start - first)
        self.pages.append(codes[first:])
        return np.array(rows)

    def drop(self, found: np.ndarray) -> None:
        """Take entries out; a stream that is left empty starts anew."""
        chunk = self.entries["chunk"][found]
        self.entries["is_live"][found] = False
        np.subtract.at(self.chunks["live"], chunk, 1)
        self.num_dropped += len(found)
        left = np.bincount(self.chunks["stream"], self.chunks["live"], len(self.streams))
        touched = np.unique(self.entries["stream"][found]).tolist()
        for stream in self.streams.values():
            if stream.number in touched and left[stream.number] == 0:
                stream.restart(len(self.chunks))
        self.version += 1

    def seal_streams_of(self, items: Iterable[int]) -> None:
        """Close the open chunks that hold any of these items."""
        wanted = set(items)
        for stream in self.streams.values():
            if any(not wanted.isdisjoint(part[:, 0].tolist()) for part in stream.entries):
                self._seal(stream, np.zeros(0, np.int64))

    def rows(self, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of all rows of entries, one entry after the other, and how many each has."""
        chunk = self.entries["chunk"][entries]
        first = self.chunks["row"][chunk] + entries - self.chunks["entry"][chunk]
        widths = self.chunks["width"][chunk]
        if not self.is_wide:
            return first, widths
        ends = np.cumsum(widths)
        which = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - widths, widths)
        return np.repeat(first, widths) + which * np.repeat(self.chunks["num_entries"][chunk], widths), widths

    def decoded(self, entries: np.ndarray) -> np.ndarray:
        """All rows of entries, one entry after the other, as float32 (n, d)."""
        return self.pages.take_any(self.rows(entries)[0]) * Pages.SCALE

    @property
    def nbytes(self) -> int:
        """About how many bytes this takes, pages on disk included."""
        return self.pages.nbytes + self.entries.nbytes + self.chunks.nbytes + self.strands.nbytes

    # --- put away and read back ---------------------------------------------------------------------------------

    def save(self, folder: Path, previous: Path | None = None) -> None:
        """Write everything into a new folder; see `ChunkIndex.save`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._unsettle()
        self._is_settled = not any(stream.entries for stream in self.streams.values())
        known = self._saved_in(previous)
        before = [None if known is None or previous is None else (previous, count) for count in known or (0, 0, 0, 0)]
        if self.num_dropped:
            before[0] = before[2] = None  # what is there has changed
        num_chunks, num_strands, num_entries, num_rows = self.num_sealed
        self.chunks.save(folder, "chunks", num_chunks, before[0])
        self.strands.save(folder, "strands", num_strands, before[1])
        self.entries.save(folder, "entries", num_entries, before[2])
        self.pages.save(folder, num_rows, before[3])
        arrays: dict[str, np.ndarray] = {"chunk_labels": self.chunk_labels[:num_chunks], "label_bits": self.label_bits}
        for stream in self.streams.values():
            arrays[f"recent{stream.number}"] = stream.recent
            if stream.entries:
                arrays[f"entries{stream.number}"], arrays[f"codes{stream.number}"] = stream.joined()
        np.savez(folder / "streams.npz", **arrays)  # type: ignore[arg-type]
        manifest = {
            "version": _VERSION,
            "token": self._token,
            "dim": self.dim,
            "num_sealed": self.num_sealed,
            "num_dropped": self.num_dropped,
            "streams": [
                [name, stream.ordinal, stream.first_chunk, stream.width, stream.alike_sum.hex()]
                for name, stream in self.streams.items()
            ],
            "labels": list(self.labels),
            "label_sets": [list(labels) for labels in self.label_sets],
        }
        draft = folder / f"{_MANIFEST}.new"
        draft.write_text(json.dumps(manifest), encoding="utf-8")
        draft.replace(folder / _MANIFEST)

    def _saved_in(self, folder: Path | None) -> tuple[int, ...] | None:
        """How much of this store was saved in a folder; None if what is there is not of this store."""
        if folder is None:
            return None
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            return tuple(manifest["num_sealed"]) if manifest["token"] == self._token else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @classmethod
    def load(cls, folder: Path) -> ChunkStore:
        """Read back what `save` wrote; see `ChunkIndex.load`."""
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["version"] > _VERSION:
                raise MemoryVersionError(f"{folder} was written by a newer version of Placecell: update this one")
            store = cls(manifest["dim"])
            store._restore(folder, manifest)
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise MemoryCorruptError(f"{folder} is no whole vector index ({error}): delete it, it is remade") from error
        return store

    def _restore(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        num_chunks, num_strands, num_entries, num_rows = self.num_sealed = tuple(manifest["num_sealed"])
        self.pages.load(folder, num_rows)
        self.strands.load(folder, "strands", num_strands)
        self.entries.load(folder, "entries", num_entries)
        self.chunks.load(folder, "chunks", num_chunks)
        self._token, self.num_dropped = manifest["token"], manifest["num_dropped"]
        self.labels = {label: number for number, label in enumerate(manifest["labels"])}
        self.label_sets = {tuple(labels): number for number, labels in enumerate(manifest["label_sets"])}
        with np.load(io.BytesIO((folder / "streams.npz").read_bytes()), allow_pickle=False) as stored:
            self.label_bits = stored["label_bits"]
            self.chunk_labels = np.zeros((max(64, 2 * num_chunks), self.label_bits.shape[1]), np.uint64)
            self.chunk_labels[:num_chunks] = stored["chunk_labels"]
            for name, ordinal, first_chunk, width, alike_sum in manifest["streams"]:
                stream = self.stream(name)
                stream.ordinal, stream.first_chunk, stream.width = ordinal, first_chunk, width
                stream.alike_sum = float.fromhex(alike_sum)
                stream.recent = stored[f"recent{stream.number}"]
                if f"codes{stream.number}" in stored:
                    stream.codes = [stored[f"codes{stream.number}"]]
                    stream.entries = [stored[f"entries{stream.number}"]]
                    self._is_settled = False
        owners = self.chunks["stream"][self.strands["chunk"]]
        for stream in self.streams.values():
            mine = np.flatnonzero((owners == stream.number) & (self.strands["chunk"] >= stream.first_chunk))
            stream.strands = mine.tolist()
        self.is_wide = bool((self.chunks["width"] > 1).any()) or any(s.width > 1 for s in self.streams.values())


def units(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Rows made unit length; rows of zeros stay.

    Raises:
        ValueError: If they have the wrong length or are not finite.
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors must have shape (n, {dim}), got {vectors.shape}")
    squares = np.einsum("ij,ij->i", vectors, vectors)
    if not math.isfinite(float(squares.sum())):
        raise ValueError("vectors must be finite, got NaN or infinity")
    return np.asarray(vectors / np.sqrt(np.maximum(squares, 1e-24))[:, None])


def _sums(codes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum of the rows from each start to the next, in float32."""
    sums = np.empty((len(starts), codes.shape[1]), np.float32)
    cuts = [*starts.tolist(), len(codes)]
    for total, low, high in zip(sums, cuts[:-1], cuts[1:], strict=True):
        np.add.reduce(codes[low:high].astype(np.float32), axis=0, out=total)
    return sums


def _widened(bits: np.ndarray, words: int) -> np.ndarray:
    return np.concatenate([bits, np.zeros((len(bits), words - bits.shape[1]), np.uint64)], axis=1)
