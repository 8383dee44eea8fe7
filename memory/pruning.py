"""Exact predicates over many chunks and entries at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from placecell.memory.columns import Table
from placecell.memory.predicates import Predicate

__all__ = ["Pruner"]

_SLACK = 1e-9  # relative; what lies so close to the rim of a disc is measured again as `math.dist` does


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
        self.is_impossible = False
        if where.streams is not None:
            self._streams = np.zeros(len(streams), bool)
            self._streams[[streams[name] for name in where.streams if name in streams]] = True
            self.is_impossible |= not self._streams.any()
            if self._streams.all():
                self._streams = None
        if where.labels:
            self.is_impossible |= any(name not in labels for name in where.labels)
            if not self.is_impossible:
                self._bits = np.zeros(label_sets.shape[1], np.uint64)
                for name in where.labels:
                    word, bit = divmod(labels[name], 64)
                    self._bits[word] |= np.uint64(1 << bit)
                self._is_set_good = ((label_sets & self._bits) == self._bits).all(axis=1)

    def chunks(self, table: Table, chunk_labels: np.ndarray) -> np.ndarray:
        """Numbers of the chunks that may hold an entry that passes, ascending."""
        keep = np.flatnonzero(table["live"] > 0) if not self.is_impossible else np.zeros(0, np.int64)
        if self._between is not None:
            low, high = self._between
            keep = keep[table["start_s"][keep] <= high]
            keep = keep[table["end_s"][keep] >= low]
        if self._streams is not None:
            keep = keep[self._streams[table["stream"][keep]]]
        if self._bits is not None:
            for word, bits in enumerate(self._bits):
                if bits:
                    keep = keep[chunk_labels[keep, word] & bits == bits]
        if self._near is not None:
            centre, radius = self._near
            reach = radius * (1 + _SLACK)
            squared: np.ndarray | float = 0.0
            for axis, at in zip("xyz", centre, strict=True):
                low_m, high_m = table[f"{axis}_low"][keep], table[f"{axis}_high"][keep]
                away = np.maximum(np.maximum(low_m - at, at - high_m), 0.0)
                near = away <= reach
                keep, away = keep[near], away[near]
                squared = (squared[near] if isinstance(squared, np.ndarray) else 0.0) + away * away
            keep = keep[squared <= reach * reach * (1 + _SLACK)]
        return keep

    def entries(self, table: Table, candidates: np.ndarray) -> np.ndarray:
        """Those of the candidates (entries, ascending) that pass."""
        if self.is_impossible:
            return candidates[:0]
        keep = candidates[table["is_live"][candidates]]
        if self._between is not None:
            low, high = self._between
            keep = keep[table["start_s"][keep] <= high]
            keep = keep[table["end_s"][keep] >= low]
        if self._streams is not None:
            keep = keep[self._streams[table["stream"][keep]]]
        if self._bits is not None:
            keep = keep[self._is_set_good[table["labels"][keep]]]
        if self._near is not None:
            centre, radius = self._near
            positions = table["position"][keep]
            away = np.sqrt(((positions - centre) ** 2).sum(axis=1))
            near = away <= radius  # NaN, for what has no position, is not
            for i in np.flatnonzero(np.abs(away - radius) <= _SLACK * max(radius, 1e-300)).tolist():
                near[i] = math.dist(positions[i].tolist(), centre) <= radius
            keep = keep[near]
        return keep
