"""Small cubes of space, with what was counted for and against a change of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float64, Int8

__all__ = ["VOXEL_M", "Volume", "Voxels"]

VOXEL_M: Final = 0.04
_SUDDEN_S: Final = 60.0  # nothing changes while one looks: what seems to is an edge
_OFFSET: Final = 2**20
_COLUMNS: Final = ("keys", "old_s", "new_s", "num_sure", "num_likely", "num_against", "cell", "is_twice")


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxels that changed, `n` of them.

    Attributes:
        low_m: Lowest corner of each.
        is_sure: Whether certain evidence speaks for it.
        old_s: When each was last seen as it was before.
        new_s: When each was first seen as it is since.
    """

    low_m: Float64[np.ndarray, "n 3"]
    is_sure: np.ndarray
    old_s: Float64[np.ndarray, "n"]
    new_s: Float64[np.ndarray, "n"]


@dataclass(slots=True, eq=False)
class Voxels:
    """What was counted for and against a change of each voxel; rows in the order in which voxels were first met.

    Example:
        >>> voxels = Voxels()
        >>> for cell in ((0, 0, 0, 0, 0), (1, 0, 0, 0, 0)):
        ...     voxels.tally(np.array([[0.1, 0.1, 0.1]]), np.array([2], np.int8), 0.0, 100.0, cell)
        >>> voxels.volume().low_m.round(2).tolist()
        [[0.08, 0.08, 0.08]]
    """

    rows: dict[int, int] = field(default_factory=dict)  # by key
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    old_s: np.ndarray = field(default_factory=lambda: np.zeros(0))  # latest view before the change
    new_s: np.ndarray = field(default_factory=lambda: np.zeros(0))  # first view after it
    num_sure: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    num_likely: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    num_against: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    cell: np.ndarray = field(default_factory=lambda: np.zeros((0, 5), np.int32))  # the first that told of it
    is_twice: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # whether another one did, too

    def tally(
        self,
        points_m: Float64[np.ndarray, "n 3"],
        verdicts: Int8[np.ndarray, "n"],
        then_s: float,
        now_s: float,
        cell: tuple[int, ...],
    ) -> None:
        """Count what a view says of the points of another.

        Args:
            points_m: The points.
            verdicts: 2 and 1: the other saw past them, for certain or rather; 0: it saw a surface; -1: nothing.
            then_s: Time of the earlier of the two views.
            now_s: Time of the later.
            cell: Where the later was made, in five numbers.
        """
        past = verdicts > 0
        if past.any():
            keys = _keys(points_m[past])
            sure = set(keys[verdicts[past] == 2].tolist())
            told = list(set(keys.tolist()))
            self._start([key for key in told if key not in self.rows], then_s, now_s, cell)
            at = np.array([self.rows[key] for key in told])
            self.num_likely[at] += 1
            self.num_sure[at] += np.array([key in sure for key in told])
            self.old_s[at] = np.maximum(self.old_s[at], np.minimum(then_s, self.new_s[at]))
            self.is_twice[at] |= (self.cell[at] != cell).any(axis=1)
        if self.rows and (verdicts == 0).any():
            known = self.rows.keys() & set(_keys(points_m[verdicts == 0]).tolist())
            at = np.array([self.rows[key] for key in known], np.intp)
            # There all the time; what was seen later tells nothing of the change.
            self.num_against[at[then_s <= self.old_s[at]]] += 1

    def _start(self, keys: Sequence[int], then_s: float, now_s: float, cell: tuple[int, ...]) -> None:
        """Make rows for voxels that are not known yet."""
        first = len(self.rows)
        self.rows.update(zip(keys, range(first, first + len(keys)), strict=True))
        if len(self.rows) > len(self.keys):
            more = max(1024, len(self.keys), len(self.rows) - len(self.keys))
            for name in _COLUMNS:
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros((more, *old.shape[1:]), old.dtype)]))
        new = slice(first, len(self.rows))
        self.keys[new], self.old_s[new], self.new_s[new], self.cell[new] = keys, then_s, now_s, cell

    def volume(self, as_of: float = np.inf, is_hint_enough: bool = False) -> Volume:
        """The voxels that more speaks for than against, as far as was known at a time.

        Args:
            as_of: The time.
            is_hint_enough: Whether a single view may speak for a voxel, rather than two from different cells.
        """
        count = len(self.rows)
        old_s, new_s = self.old_s[:count], self.new_s[:count]
        is_told = (self.num_likely[:count] >= 2) & self.is_twice[:count]
        is_right = (self.num_against[:count] <= self.num_likely[:count]) & (old_s < new_s - _SUDDEN_S)
        chosen = np.flatnonzero((is_told | is_hint_enough) & is_right & (new_s <= as_of))
        keys, mask = self.keys[chosen], 2**21 - 1
        corner = np.stack([keys >> 42, keys >> 21 & mask, keys & mask], axis=1) - _OFFSET
        return Volume(corner * VOXEL_M, self.num_sure[chosen] >= 2, old_s[chosen], new_s[chosen])


def _keys(points_m: np.ndarray) -> np.ndarray:
    x, y, z = (np.floor(points_m / VOXEL_M).astype(np.int64) + _OFFSET).T
    return np.asarray((x << 42) | (y << 21) | z)
