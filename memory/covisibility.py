"""Which views to keep, as 3D-Mem chooses them: sets of objects, halved by k-means until some view shows each whole.

A baseline for `placecell.memory.snapshots`, written from a description of the method. Every object belongs to exactly
one snapshot; how well a view shows it does not count.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from scipy.cluster.vq import kmeans2

from placecell.memory.records import RecordId

__all__ = ["INCLUDE_M", "CoVisibility"]

INCLUDE_M: Final = 4.0
_SEED: Final = 66
_RESTARTS: Final = 10


class CoVisibility:
    """Snapshots by co-visibility clustering, step by step.

    Args:
        include_m: Objects within this horizontal distance of the agent are clustered anew at every step.

    Attributes:
        clusters: The objects of each snapshot; every object is in exactly one.

    Source: 3D-Mem (Yang et al. 2025), section 3; k-means as shipped: two clusters, 10 restarts, seed 66.
    """

    def __init__(self, include_m: float = INCLUDE_M) -> None:
        self._include_m = include_m
        self._frames: dict[RecordId, dict[str, float]] = {}  # what every view shows, with the confidence
        self._centres: dict[str, np.ndarray] = {}
        self._snapshot_of: dict[str, RecordId] = {}
        self.clusters: dict[RecordId, set[str]] = {}

    def update(
        self,
        frames: Mapping[RecordId, Mapping[str, float]],
        centres: Mapping[str, tuple[float, float]],
        position: tuple[float, float],
        gone: Iterable[str] = (),
    ) -> None:
        """One step.

        Args:
            frames: New or changed views, each with the objects that it shows and the confidence of each detection.
            centres: Horizontal (x, z) box centres, metres, of the objects that are new or have moved.
            position: Where the agent stands, (x, z).
            gone: Objects that are no longer there.
        """
        for name in gone:
            self._centres.pop(name, None)
            for shown in self._frames.values():
                shown.pop(name, None)
            self._dissolve(self._snapshot_of.get(name))
        self._frames.update({key: dict(shown) for key, shown in frames.items()})
        self._centres.update({name: np.asarray(centre, np.float64) for name, centre in centres.items()})
        here = np.asarray(position, np.float64)
        wanted = {
            name
            for name, centre in self._centres.items()
            if name not in self._snapshot_of or float(np.hypot(*(centre - here))) <= self._include_m
        }
        for key in {self._snapshot_of[name] for name in wanted if name in self._snapshot_of}:
            wanted |= self._dissolve(key)
        self._place({name for name in wanted if name in self._centres})

    def _dissolve(self, key: RecordId | None) -> set[str]:
        members = self.clusters.pop(key, set()) if key is not None else set()
        for name in members:
            self._snapshot_of.pop(name, None)
        return members

    def _place(self, objects: set[str]) -> None:
        leaves = [sorted(objects)] if objects else []
        while leaves:
            leaves.sort(key=len)
            leaf = leaves.pop()
            key = self._frame_of(leaf)
            if key is None:
                leaves += self._halves(leaf)
                continue
            self.clusters.setdefault(key, set()).update(leaf)
            for name in leaf:
                self._snapshot_of[name] = key

    def _frame_of(self, leaf: list[str]) -> RecordId | None:
        candidates = [key for key, shown in self._frames.items() if all(name in shown for name in leaf)]
        if not candidates:
            if len(leaf) == 1:
                raise ValueError(f"no view shows object {leaf[0]!r}")
            return None
        candidates.sort(key=lambda key: (-len(self._frames[key]), -sum(self._frames[key][name] for name in leaf), key))
        return next((key for key in candidates if key in self.clusters), candidates[0])

    def _halves(self, leaf: list[str]) -> list[list[str]]:
        if len(leaf) == 2:
            return [[leaf[0]], [leaf[1]]]
        points = np.stack([self._centres[name] for name in leaf])
        labels = _two_means(points)
        parts = [[name for name, label in zip(leaf, labels, strict=True) if label == side] for side in (0, 1)]
        return parts if all(parts) else [leaf[:1], leaf[1:]]  # all in one spot: k-means has no answer


def _two_means(points: np.ndarray) -> np.ndarray:
    """Labels of the best of several runs."""
    best, best_cost = np.zeros(len(points), int), np.inf
    for run in range(_RESTARTS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run that leaves a cluster empty just loses
            centres, labels = kmeans2(points, 2, minit="++", rng=np.random.default_rng([_SEED, run]))
        cost = float(((points - centres[labels]) ** 2).sum())
        if cost < best_cost and len(np.unique(labels)) == 2:
            best, best_cost = labels, cost
    return best
