"""Tracks that turned out to be one thing: counted view by view, then joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from placecell.memory.association import agreement, box_features, discord
from placecell.memory.track import OTHER, Track, differ
from placecell.memory.track_table import FALSE_ALARM_S, SMALL_M, TrackTable
from placecell.perception.colours import shared_colours

__all__ = ["Duplicates"]

# Logistic regression on pairs of tracks that touch, of two walks through each of eight generated houses (seeds 50,101,
# 50,103 to 50,105, 50,107, 50,108, 50,110 and 50,111), cut by regions and by masks: are both mostly sightings of one
# thing?
_INSIDE: Final = 3.1
_COVERS: Final = 1.5
_GAP: Final = -0.6
_NAMES: Final = 2.1
_CLASH: Final = -2.9
_TOGETHER: Final = -2.0
_SWALLOWED: Final = 1.1
_COLOURS: Final = 6.7
_BIAS: Final = -2.6
_NO_COLOURS: Final = 0.5
_LEAST: Final = 1.0  # joining cannot be undone
_ALIKE: Final = 0.4  # agreement of names; with less, things on desks and shelves become parts of them
_LIES_IN: Final = 0.3  # share of a box in a larger one from which on it may be a part
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
        gap, inside, covers, _, growth = box_features(
            table.low[mine], table.high[mine], table.low[near], table.high[near]
        )
        for i, number in enumerate(mine.tolist()):
            is_in = (inside[i] > _LIES_IN) & (growth[i] < 0)
            self._weigh(table.tracks[number], inside[i][is_in], near[is_in])
        changed: set[int] = set()
        for i, j in zip(*np.nonzero((gap <= _TOUCH_M) & (mine[:, None] != near[None])), strict=True):
            a, b = table.resolve(int(mine[i])), table.resolve(int(near[j]))
            if a != b and self._are_one(
                table.tracks[a], table.tracks[b], float(inside[i, j]), float(covers[i, j]), float(gap[i, j])
            ):
                changed |= {a, b}
                table.join(*sorted((table.tracks[a], table.tracks[b]), key=lambda track: track.number))
        return changed

    def _weigh(self, track: Track, inside: np.ndarray, around: np.ndarray) -> None:
        """Say how much of a track lies in a larger one beside which it is not seen."""
        beside = [self._together.get(_ordered(track.number, other), 0) for other in around.tolist()]
        alone = 1.0 - np.minimum(np.array(beside) / track.num_sightings, 1.0)
        track.part = float((inside * alone).max(initial=0.0))

    def _are_one(self, a: Track, b: Track, inside: float, covers: float, gap: float) -> bool:
        """Whether two tracks are rather one thing than two: by place, name, colours, and the views that showed both."""
        if a.now.is_over or b.now.is_over:
            return False
        pair = _ordered(a.number, b.number)
        names = agreement(a.shares, b.shares)
        if names < _ALIKE:
            return False
        clash = discord(max(a.shares.values(), default=0.0), b.shares, names)
        inside, covers = max(inside, covers), min(inside, covers)
        shared = float(shared_colours(a.colours, b.colours))
        earlier, later = sorted((a, b), key=lambda track: track.presences[0].first_s)
        is_later = later.presences[0].first_s - earlier.presences[0].first_s > FALSE_ALARM_S
        if is_later and earlier.length_m < SMALL_M and (shared < OTHER or differ(a, b)):
            return False
        colours = float(np.nan_to_num(shared, nan=_NO_COLOURS))
        odds = (
            _INSIDE * inside + _COVERS * covers + _GAP * gap + _NAMES * names + _CLASH * clash
            + _COLOURS * colours + _TOGETHER * math.log1p(self._together.get(pair, 0))
            + _SWALLOWED * math.log1p(self._swallowed.get(pair, 0)) + _BIAS
        )  # fmt: skip
        return odds > _LEAST


def _ordered(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
