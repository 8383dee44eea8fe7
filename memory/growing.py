"""Columns that grow: arrays of equal length, appended to in place, written to disk and mapped from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Columns"]


class Columns:
    """Named arrays with a common number of rows; room doubles when it runs out, so an append costs O(1).

    Args:
        is_transposed: Whether rows lie along the last axis, so that each component is contiguous over all rows.
        **fields: Shape of one row and type, by name.

    Example:
        >>> points = Columns(x=((2,), np.float32))
        >>> points.extend(3, x=1.5)
        >>> points["x"].shape
        (3, 2)
    """

    def __init__(self, is_transposed: bool = False, **fields: tuple[tuple[int, ...], Any]) -> None:
        self._is_transposed = is_transposed
        self._count = 0
        self._arrays: dict[str, np.ndarray] = {
            name: np.empty((*shape, 0) if is_transposed else (0, *shape), dtype)
            for name, (shape, dtype) in fields.items()
        }

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        return array[..., : self._count] if self._is_transposed else array[: self._count]

    @property
    def nbytes(self) -> int:
        """Bytes of the rows, without the room to grow."""
        return sum(self[name].nbytes for name in self._arrays)

    def extend(self, num_rows: int, /, **values: Any) -> None:
        """Add `num_rows` rows; a single value fills all of them."""
        low, high = self._count, self._count + num_rows
        for name, array in self._arrays.items():
            capacity = array.shape[-1] if self._is_transposed else len(array)
            if high > capacity or not array.flags.writeable:
                array = self._arrays[name] = self._grown(array, max(high, 2 * low, 256))
            if self._is_transposed:
                array[..., low:high] = values[name]
            else:
                array[low:high] = values[name]
        self._count = high

    def _grown(self, array: np.ndarray, capacity: int) -> np.ndarray:
        shape = (*array.shape[:-1], capacity) if self._is_transposed else (capacity, *array.shape[1:])
        grown = np.empty(shape, array.dtype)
        if self._is_transposed:
            grown[..., : self._count] = array[..., : self._count]
        else:
            grown[: self._count] = array[: self._count]
        return grown

    def save(self, folder: Path, prefix: str) -> None:
        """Write each column as `prefix.name.npy`."""
        for name in self._arrays:
            np.save(folder / f"{prefix}.{name}.npy", self[name], allow_pickle=False)

    def load(self, folder: Path, prefix: str) -> None:
        """Map what `save` wrote; small columns are read.

        Raises:
            ValueError: If the columns differ in length, type or shape from what they should be.
        """
        counts = set()
        for name, expected in self._arrays.items():
            path = folder / f"{prefix}.{name}.npy"
            is_large = path.stat().st_size > 1 << 24
            array = np.load(path, mmap_mode="r" if is_large else None, allow_pickle=False)
            last = self._is_transposed
            rest, expected_rest = (
                (array.shape[:-1], expected.shape[:-1]) if last else (array.shape[1:], expected.shape[1:])
            )
            if array.dtype != expected.dtype or rest != expected_rest:
                raise ValueError(f"{path.name} holds {array.dtype} {rest}, expected {expected.dtype} {expected_rest}")
            counts.add(array.shape[-1] if last else len(array))
            self._arrays[name] = array
        if len(counts) != 1:
            raise ValueError(f"columns of {prefix} have different lengths: {sorted(counts)}")
        self._count = counts.pop()
