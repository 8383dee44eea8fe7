"""Exact predicates over many chunks and entries at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from placecell.memory.columns import Table
from placecell.memory.predicates import Predicate

__all__ = ["Pruner"]

_SLACK = 1e-9  # relative; what lies so close to the rim of a disc is measured again as `math.dist` does
_SLACK_32 = 4e-6  # relative; more than float32 rounds away


class Pruner:
    """One predicate, prepared: names are numbers, sets are bits.

    Args:
        where: The predicate.
        streams: Number of each stream.
        labels: Number of each label.
        label_sets: Bits of the labels of every set that occurs (n, words).
    """

    def __init__(
        self, where: Predicate, streams: Mapping[str, int], labels: Mapping[str, int], label_sets: np.ndarray
    ) -> None:
        self._between, self._near = where.between, where.near
        self._streams: np.ndarray | None = None
        self._bits: np.ndarray | None = None
        self._is_impossible = False
        if where.streams is not None:
            self._streams = np.zeros(len(streams), bool)
            self._streams[[streams[name] for name in where.streams if name in streams]] = True
            self._is_impossible |= not self._streams.any()
            if self._streams.all():
                self._streams = None
        if where.labels:
            self._is_impossible |= any(name not in labels for name in where.labels)
            if not self._is_impossible:
                self._bits = np.zeros(label_sets.shape[1], np.uint64)
                for name in where.labels:
                    word, bit = divmod(labels[name], 64)
                    self._bits[word] |= np.uint64(1 << bit)
                self._is_set_good = ((label_sets & self._bits) == self._bits).all(axis=1)

    def chunks(self, table: Table, chunk_labels: np.ndarray) -> np.ndarray:
        """Numbers of the chunks that may hold an entry that passes, ascending."""
        if self._is_impossible:
            return np.zeros(0, np.int64)
        keep: np.ndarray | None = None  # None: all so far
        if self._between is not None:
            low, high = self._between
            keep = np.flatnonzero((table["start_s"] <= high) & (table["end_s"] >= low))
        if self._bits is not None:
            for word in np.flatnonzero(self._bits):
                has = _of(chunk_labels[: len(table), word], keep) & self._bits[word] == self._bits[word]
                keep = _narrowed(keep, has)
        if self._near is not None:
            centre, radius = self._near
            far = radius + _SLACK_32 * (max(map(abs, centre)) + radius)
            is_near = _away(table, keep, "x", centre[0]) <= far
            is_near &= _away(table, keep, "z", centre[2]) <= far
            keep = _narrowed(keep, is_near)
            squared = np.zeros(len(keep), np.float32)
            for axis, at in zip("xyz", centre, strict=True):
                squared += np.maximum(_away(table, keep, axis, at), np.float32(0.0)) ** 2
            keep = keep[squared <= far * far * (1 + _SLACK_32)]
        if self._streams is not None:
            keep = _narrowed(keep, self._streams[_of(table["stream"], keep)])
        return _narrowed(keep, _of(table["live"], keep) > 0)

    def passing(self, table: Table, candidates: np.ndarray) -> np.ndarray:
        """Where in the candidates (entries) those stand that pass."""
        if self._is_impossible:
            return np.zeros(0, np.int64)
        keep: np.ndarray | None = None
        if self._between is not None:
            low, high = self._between
            starts, ends = table["start_s"][candidates], table["end_s"][candidates]
            keep = _narrowed(keep, (starts <= high) & (ends >= low))
        if self._bits is not None:
            keep = _narrowed(keep, self._is_set_good[table["labels"][_of(candidates, keep)]])
        if self._near is not None:
            centre, radius = self._near
            positions = table["position"].take(_of(candidates, keep), axis=0)
            positions -= centre
            positions *= positions
            away = np.sqrt(positions[:, 0] + positions[:, 1] + positions[:, 2])
            near = away <= radius  # NaN, for what has no position, is not
            rim = np.flatnonzero(np.abs(away - radius) <= _SLACK * max(radius, 1e-300))
            for i, position in zip(rim, table["position"][_of(candidates, keep)[rim]].tolist(), strict=True):
                near[i] = math.dist(position, centre) <= radius
            keep = _narrowed(keep, near)
        if self._streams is not None:
            keep = _narrowed(keep, self._streams[table["stream"][_of(candidates, keep)]])
        return _narrowed(keep, table["is_live"][_of(candidates, keep)])


def _away(table: Table, keep: np.ndarray | None, axis: str, at: float) -> np.ndarray:
    """How far boxes of chunks are from a coordinate, negative inside, in float32: what that rounds is in the slack."""
    away = _of(table[axis], keep) - np.float32(at)
    np.abs(away, out=away)
    away -= _of(table[f"{axis}_half"], keep)
    return away


def _of(values: np.ndarray, keep: np.ndarray | None) -> np.ndarray:
    return values if keep is None else values[keep]


def _narrowed(keep: np.ndarray | None, mask: np.ndarray) -> np.ndarray:
    return np.flatnonzero(mask) if keep is None else keep[mask]
