"""Tracks that turned out to be one thing: counted view by view, then joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from placecell.memory.association import box_features
from placecell.memory.track import Track
from placecell.memory.track_table import TrackTable

__all__ = ["Duplicates"]

_PART_OF: Final = 0.75  # share of a part's box in the box of the whole
_BESIDE: Final = 0.35  # of a part's sightings at most show the whole beside it
_TOUCH_M: Final = 0.1


class Duplicates:
    """Which tracks of a table are one; it remembers in how many views two tracks were two, and in how many one.

    Args:
        table: The tracks.
    """

    def __init__(self, table: TrackTable) -> None:
        self._table = table
        self._together: dict[tuple[int, int], int] = {}  # views in which two tracks were two things
        self._swallowed: dict[tuple[int, int], int] = {}  # views in which one detection held both

    def compare(
        self, pairs: Sequence[tuple[int, int]], near: np.ndarray, covers: np.ndarray, is_like: np.ndarray
    ) -> None:
        """Count views that show two tracks as two things, and views that show them as one."""
        taken = sorted(column for _, column in pairs)
        for row, column in pairs:
            one = int(near[column])
            for other in taken:
                if other > column:
                    pair = _ordered(one, int(near[other]))
                    self._together[pair] = self._together.get(pair, 0) + 1
            for other in np.flatnonzero((covers[row] > 0.7) & is_like[row]).tolist():
                if other not in taken:
                    pair = _ordered(one, int(near[other]))
                    self._swallowed[pair] = self._swallowed.get(pair, 0) + 1

    def absorb(self, explained: set[int]) -> set[int]:
        """Join tracks that turned out to be one thing."""
        table = self._table
        mine = np.array(sorted(explained))
        near = table.near(table.low[mine].min(axis=0), table.high[mine].max(axis=0))
        gap, inside, covers, _, _ = box_features(table.low[mine], table.high[mine], table.low[near], table.high[near])
        shared = np.maximum(inside, covers)
        changed: set[int] = set()
        for i, j in zip(*np.nonzero((gap <= _TOUCH_M) & (mine[:, None] != near[None])), strict=True):
            a, b = table.resolve(int(mine[i])), table.resolve(int(near[j]))
            if a != b and self._are_one(table.tracks[a], table.tracks[b], float(shared[i, j])):
                changed |= {a, b}
                table.join(*sorted((table.tracks[a], table.tracks[b]), key=lambda track: track.number))
        return changed

    def _are_one(self, a: Track, b: Track, shared: float) -> bool:
        """Whether two tracks are one thing.

        Either they are alike and one lies in the other, or a view took them for one; or one lies in the other and is
        hardly ever seen beside it: then it is what is sometimes taken for the whole.
        """
        if a.now.is_over or b.now.is_over:
            return False
        pair = _ordered(a.number, b.number)
        swallowed, together = self._swallowed.get(pair, 0), self._together.get(pair, 0)
        fewer, more = sorted((a.num_sightings, b.num_sightings))
        is_rare = 3 <= fewer <= 0.5 * more and together <= _BESIDE * fewer
        if shared >= _PART_OF and is_rare and self._table.likeness(a, b) > -2.0:
            return True
        if shared < 0.5 and not (swallowed >= 2 and swallowed > together):
            return False
        alike = 2.0 * (shared - 0.5) + self._table.likeness(a, b) + 0.5 * min(swallowed, 4)
        return alike - (0.05 if shared >= 0.5 else 0.3) * min(together, 10) > 0.3


def _ordered(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
