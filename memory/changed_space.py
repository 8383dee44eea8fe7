"""Space that filled, or that emptied, and whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from placecell.memory.stays import StayNode
from placecell.memory.voxels import VOXEL_M, Volume

__all__ = ["COVERED", "DENSE", "LATER_S", "MARGIN_M", "ChangedSpace", "spanned"]

COVERED: Final = 0.3  # share of a box that changed space spans from which on it is the thing in it that changed, and
DENSE: Final = 0.1  # voxels per voxel of the largest face
LATER_S: Final = 60.0  # what is seen so soon after its place was seen empty was overlooked
MARGIN_M: Final = 0.03  # a box leaves out what few views showed
_LEAST: Final = 4  # voxels
_SOLID: Final = 12  # voxels of a lump
_TOUCH: Final = 1.8  # voxels from middle to middle


class ChangedSpace:
    """Voxels that changed, which of them lie in which stay's box, and which are no stay's yet.

    Args:
        volume: The voxels.
        nodes: The stays.

    Attributes:
        free: Which voxels are no stay's yet.
    """

    def __init__(self, volume: Volume, nodes: Sequence[StayNode]) -> None:
        self.volume = volume
        self.free = np.ones(len(volume.low_m), bool)
        self._inside: list[np.ndarray] = [np.zeros(0, np.intp) for _ in nodes]
        if not len(volume.low_m) or not nodes:
            return
        middle = volume.low_m + VOXEL_M / 2
        low = np.array([node.low_m for node in nodes]) - MARGIN_M
        high = np.array([node.high_m for node in nodes]) + MARGIN_M
        near = cKDTree(middle).query_ball_point((low + high) / 2, (high - low).max(axis=1) / 2 + VOXEL_M, p=np.inf)
        for i, around in enumerate(near):
            chosen = np.array(sorted(around), np.intp)
            self._inside[i] = chosen[((middle[chosen] > low[i]) & (middle[chosen] < high[i])).all(axis=1)]

    def inside(self, i: int) -> Int64[np.ndarray, "n"]:
        """Numbers of the voxels in the box of the `i`-th stay."""
        return self._inside[i]

    def left(self, chosen: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "k"]:
        """Those of some voxels that are no stay's yet."""
        return np.asarray(chosen[self.free[chosen]])

    def num_sure(self, chosen: Int64[np.ndarray, "n"]) -> int:
        """How many of some voxels certain evidence speaks for."""
        return int(np.count_nonzero(self.volume.is_sure[chosen]))

    def lumps(self) -> list[Int64[np.ndarray, "n"]]:
        """Numbers of the voxels that surely changed and are no stay's, those that touch each other together."""
        chosen = np.flatnonzero(self.free & self.volume.is_sure)
        if len(chosen) < _SOLID:
            return []
        low = self.volume.low_m[chosen]
        near = cKDTree(low).query_pairs(_TOUCH * VOXEL_M, output_type="ndarray")
        graph = coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(len(low), len(low)))
        num, part = connected_components(graph, directed=False)
        return [chosen[part == k] for k in np.flatnonzero(np.bincount(part, minlength=num) >= _SOLID)]

    def times_s(self, chosen: Int64[np.ndarray, "n"]) -> tuple[float, float]:
        """When some voxels were last seen as they were before, and first as they are since: the median of each."""
        return float(np.median(self.volume.old_s[chosen])), float(np.median(self.volume.new_s[chosen]))


def spanned(
    low_m: Float64[np.ndarray, "3"], high_m: Float64[np.ndarray, "3"], corners_m: Float64[np.ndarray, "n 3"]
) -> tuple[float, float]:
    """How much of a box voxels in it span.

    Args:
        low_m: Its lowest corner.
        high_m: Its highest corner.
        corners_m: Lowest corners of the voxels.

    Returns:
        The share of the box that they span, and how many there are for each voxel of the largest face of that part.
        Zeros for fewer than four.
    """
    if len(corners_m) < _LEAST:
        return 0.0, 0.0
    low = np.maximum(low_m, corners_m.min(axis=0))
    high = np.maximum(np.minimum(high_m, corners_m.max(axis=0) + VOXEL_M), low)
    size = np.maximum(high - low, VOXEL_M)
    share = np.prod(size / np.maximum(high_m - low_m, VOXEL_M))
    face = np.prod(np.sort(size)[1:]) / VOXEL_M**2
    return float(share), float(len(corners_m) / face)
