"""Columns that grow by appending, and blocks of them that are written to disk once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["Pages", "Table", "ranges"]

BLOCK = 65_536  # entries of a table in one file; a full block never changes and is not written again
PAGE = 65_536  # rows of a page of vectors


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers `starts[i], ..., starts[i] + counts[i] - 1` of every i, one range after the other.

    Example:
        >>> ranges(np.array([5, 9]), np.array([2, 3])).tolist()
        [5, 6, 9, 10, 11]
    """
    ends = np.cumsum(counts)
    if not len(ends):
        return np.zeros(0, np.int64)
    joined: np.ndarray = np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)
    return joined


class Table:
    """Columns of equal length in RAM; appending is O(1), amortised, and what is there is never moved about.

    Args:
        columns: Name of each column, its type, and how many numbers an entry holds (0: a plain number).

    Example:
        >>> table = Table({"stamp_s": (np.float64, 0)})
        >>> table.append(stamp_s=np.array([1.0, 2.0]))
        >>> len(table), table["stamp_s"].tolist()
        (2, [1.0, 2.0])
    """

    def __init__(self, columns: Mapping[str, tuple[Any, int]]) -> None:
        self._full = {
            name: np.empty((64, width) if width else 64, dtype=dtype) for name, (dtype, width) in columns.items()
        }
        self._capacity = 64
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> np.ndarray:
        """A view of one column; it shares memory with the table until that grows."""
        return self._full[name][: self._length]

    @property
    def nbytes(self) -> int:
        """Bytes of what is filled."""
        return sum(self[name].nbytes for name in self._full)

    def append(self, **values: Any) -> None:
        """Add entries; every column is given, the first as an array, others may be one value for all."""
        count = len(next(iter(values.values())))
        end = self._length + count
        if end > self._capacity:
            self._reserve(max(end, 2 * self._capacity))
        for name, column in self._full.items():
            column[self._length : end] = values[name]
        self._length = end

    def truncate(self, length: int) -> None:
        """Forget all entries from `length` on."""
        self._length = length

    def _reserve(self, capacity: int) -> None:
        for name, column in self._full.items():
            grown = np.empty((capacity, *column.shape[1:]), column.dtype)
            grown[: self._length] = column[: self._length]
            self._full[name] = grown
        self._capacity = capacity

    def save(self, folder: Path, name: str, length: int, previous: tuple[Path, int] | None) -> None:
        """Write the first `length` entries as blocks.

        Full blocks of `previous` (an earlier folder and how many entries were saved there) are linked, not written.
        """
        for number, start in enumerate(range(0, length, BLOCK)):
            end = min(start + BLOCK, length)
            for column, values in self._full.items():
                path = _block(folder, f"{name}-{column}", number)
                if not _linked(previous, start + BLOCK, path):
                    np.save(path, values[start:end])

    def load(self, folder: Path, name: str, length: int) -> None:
        """Replace the contents by the first `length` entries of what `save` wrote.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file does not hold what it should.
        """
        self._length = 0
        self._reserve(max(64, length + length // 8))
        for column, values in self._full.items():
            for number, start in enumerate(range(0, length, BLOCK)):
                end = min(start + BLOCK, length)
                stored = np.load(_block(folder, f"{name}-{column}", number), mmap_mode="r", allow_pickle=False)
                if stored.shape[1:] != values.shape[1:] or stored.dtype != values.dtype or len(stored) < end - start:
                    raise ValueError(f"{name}-{column} must hold {end - start} entries of {values.dtype}: is damaged")
                values[start:end] = stored[: end - start]
        self._length = length


class Pages:
    """Rows of unit vectors in fixed point, 2 bytes a number, in pages that are never moved.

    A number is stored as a multiple of 1/32767. The error (at most 1.6e-5) is that of float16 at the size that
    components of embeddings have, and NumPy turns integers into float32 in a tenth of the time that it takes for
    float16.

    Args:
        dim: Numbers of a row.
        rows: Rows of a page; `PAGE` unless given.
    """

    SCALE: Final = np.float32(1.0 / 32767.0)

    def __init__(self, dim: int, rows: int | None = None) -> None:
        self.dim = dim
        self.rows = rows or PAGE
        self._pages: list[np.ndarray] = []
        self.end = 0  # number of the next row

    @property
    def nbytes(self) -> int:
        """Bytes of what is filled, wherever it lies."""
        return 2 * self.dim * self.end

    @staticmethod
    def encode(vectors: np.ndarray) -> np.ndarray:
        """Fixed-point form of float32 rows whose numbers lie in [-1, 1]."""
        scaled = vectors * np.float32(32767.0)
        return np.rint(scaled, out=scaled).astype(np.int16)

    def place(self, count: int) -> int:
        """Number that the first of `count` rows would get if they were appended now: they share a page."""
        used = self.end % self.rows
        return self.end if used + count <= self.rows else self.end + self.rows - used

    def append(self, codes: np.ndarray) -> int:
        """Add rows that lie in one page; returns the number of the first."""
        first = self.place(len(codes))
        page, offset = divmod(first, self.rows)
        assert offset + len(codes) <= self.rows, "rows that share a page must fit into one"
        while len(self._pages) <= page:
            self._pages.append(np.empty((self.rows, self.dim), np.int16))
        self._pages[page][offset : offset + len(codes)] = codes
        self.end = first + len(codes)
        return first

    def truncate(self, end: int) -> None:
        """Forget all rows from number `end` on."""
        self.end = end

    def span(self, first: int, count: int) -> np.ndarray:
        """Codes of `count` rows of one page, not copied."""
        page, offset = divmod(first, self.rows)
        return self._pages[page][offset : offset + count]

    def take_any(self, numbers: np.ndarray) -> np.ndarray:
        """Codes of rows by their numbers, in whatever order."""
        if len(self._pages) <= 1:
            return self.take(numbers)
        order = np.argsort(numbers)
        found = np.empty((len(numbers), self.dim), np.int16)
        found[order] = self.take(numbers[order])
        return found

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Codes of rows by their numbers, which ascend page by page."""
        found = np.empty((len(numbers), self.dim), np.int16)
        if not len(numbers):
            return found
        cuts = np.searchsorted(numbers, np.arange(1, len(self._pages)) * self.rows).tolist()
        for page, (low, high) in enumerate(zip([0, *cuts], [*cuts, len(numbers)], strict=True)):
            if low < high:
                np.take(
                    self._pages[page], numbers[low:high] - page * self.rows, axis=0, out=found[low:high], mode="clip"
                )
        return found

    def save(self, folder: Path, end: int, previous: tuple[Path, int] | None) -> None:
        """Write the first `end` rows; full pages of `previous` (see `Table.save`) are linked, not written."""
        for number, start in enumerate(range(0, end, self.rows)):
            path, count = _block(folder, "rows", number), min(self.rows, end - start)
            if not _linked(previous, start + self.rows, path):
                np.save(path, self._pages[number][:count])

    def load(self, folder: Path, end: int) -> None:
        """Replace the contents by the first `end` rows of what `save` wrote; full pages stay on disk until read.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file does not hold what it should.
        """
        self._pages, self.end = [], end
        for number, start in enumerate(range(0, end, self.rows)):
            count = min(self.rows, end - start)
            stored = np.load(_block(folder, "rows", number), mmap_mode="r", allow_pickle=False)
            if stored.dtype != np.int16 or stored.shape[1:] != (self.dim,) or len(stored) < count:
                raise ValueError(f"a page must hold {count} rows of {self.dim} int16 numbers: it is damaged")
            if count < self.rows:  # it will be written to
                page = np.empty((self.rows, self.dim), np.int16)
                page[:count] = stored[:count]
                stored = page
            self._pages.append(np.asarray(stored))


def _block(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}-{number:06d}.npy"


def _linked(previous: tuple[Path, int] | None, end: int, path: Path) -> bool:
    """Give the file of the same name in `previous`, if `end` was saved there, a second name."""
    if previous is None or previous[1] < end:
        return False
    with contextlib.suppress(OSError):
        os.link(previous[0] / path.name, path)
        return True
    return False
