"""The value map: how much what was seen of a place speaks for the goal being there, painted view by view."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float, Float32

from placecell.geometry import heading_rad
from placecell.memory.records import Record

__all__ = ["CELL_M", "Glance", "ValueMap"]

CELL_M: Final = 0.1
RANGE_M: Final = 5.0
_COLUMNS: Final = 32
_CHUNK: Final = 64
_EDGE: Final = 0.25  # confidence at the edge of a view
_REACH: Final = math.ceil(RANGE_M / CELL_M)


class Glance:
    """What a view says of space: from where, how far it sees in every direction, with which vectors.

    Args:
        record: A moment with pose, scan and embeddings.
    """

    __slots__ = ("columns", "hfov_rad", "heading_rad", "range_m", "vectors", "x", "z")

    def __init__(self, record: Record) -> None:
        scan, pose = record.scan, record.pose
        if scan is None or pose is None or record.embeddings is None:
            raise ValueError(f"record {record.record_id} has no pose, scan or embeddings to look along")
        self.x, self.z, self.heading_rad = float(pose[0, 3]), float(pose[2, 3]), heading_rad(pose)
        self.hfov_rad, self.vectors = scan.camera.hfov_rad, record.embeddings
        # How far one sees: the farthest surface of each of some columns.
        edges = np.linspace(0, scan.camera.width, _COLUMNS + 1).astype(int)
        far = scan.depth_m.max(axis=0)
        rays = np.hypot(1.0, np.linspace(-1, 1, scan.camera.width) * math.tan(self.hfov_rad / 2))
        self.range_m = np.array([(far * rays)[a : max(b, a + 1)].max() for a, b in zip(edges, edges[1:], strict=False)])
        left_right = np.array(_lateral(len(self.vectors)))
        middles = (np.arange(_COLUMNS) + 0.5) / _COLUMNS
        # Tiles that show each column: rows of a table, columns of the picture.
        self.columns = (left_right[:, :1] <= middles) & (middles < left_right[:, 1:])


class ValueMap:
    """Values in [0, 1] of the cells of one floor, with confidences; both 0 where nothing was seen.

    A view's value goes into its field of view as far as it sees, with the confidence cos^2 of the angle off its axis;
    views are fused by their confidences.

    Source: VLFM (Yokoyama et al. 2024), section IV-B; values per tile column and occlusion by depth are added.
    """

    def __init__(self) -> None:
        self._row = self._column = 0
        self.value: Float32[np.ndarray, "rows columns"] = np.zeros((0, 0), np.float32)
        self.confidence: Float32[np.ndarray, "rows columns"] = np.zeros((0, 0), np.float32)

    @property
    def origin_m(self) -> tuple[float, float]:
        """World (x, z) of the corner of cell (0, 0)."""
        return self._column * CELL_M, self._row * CELL_M

    def paint(self, glance: Glance, chances: Float[np.ndarray, "v"]) -> None:
        """Add a view.

        Args:
            glance: The view.
            chances: Chance of each of its vectors to show the goal; row 0 is the whole view.
        """
        row, column = math.floor(glance.z / CELL_M), math.floor(glance.x / CELL_M)
        self._cover(row, column)
        r, c = row - self._row - _REACH, column - self._column - _REACH
        rows, columns, distance, number, weight = _sector(glance.heading_rad, glance.hfov_rad)
        inside = np.flatnonzero(distance <= np.minimum(glance.range_m[number] + CELL_M, RANGE_M))
        per_column = np.where(glance.columns, np.asarray(chances)[:, None], 0.0).max(axis=0).astype(np.float32)
        at = r + rows[inside], c + columns[inside]
        new, old = weight[inside], self.confidence[at]
        total = np.maximum(new + old, np.float32(1e-9))
        self.value[at] = (new * per_column[number[inside]] + old * self.value[at]) / total
        self.confidence[at] = (new**2 + old**2) / total

    def near(self, x: float, z: float, radius_m: float = 0.5) -> float:
        """Highest value within a radius; 0 where nothing was seen."""
        reach = math.ceil(radius_m / CELL_M)
        row, column = math.floor(z / CELL_M) - self._row, math.floor(x / CELL_M) - self._column
        part = self.value[
            max(row - reach, 0) : max(row + reach + 1, 0), max(column - reach, 0) : max(column + reach + 1, 0)
        ]
        return float(part.max()) if part.size else 0.0

    def peak(
        self, least: float, but: Iterable[tuple[float, float]] = (), radius_m: float = 1.25
    ) -> tuple[float, float] | None:
        """Where the highest value is that is at least so high.

        Args:
            least: So high.
            but: Points (x, z) that are known already.
            radius_m: What lies nearer to one of them is passed over.

        Returns:
            (x, z), metres; None where no value is left.
        """
        rows, columns = np.nonzero((self.value >= least) & (self.confidence > 0))
        x0, z0 = self.origin_m
        x, z = x0 + (columns + 0.5) * CELL_M, z0 + (rows + 0.5) * CELL_M
        keep = np.ones(len(x), bool)
        for old_x, old_z in but:
            keep &= np.hypot(x - old_x, z - old_z) > radius_m
        if not keep.any():
            return None
        at = int(np.where(keep, self.value[rows, columns], -1.0).argmax())
        return float(x[at]), float(z[at])

    def _cover(self, row: int, column: int) -> None:
        """Grow, in chunks, until a view from a cell fits."""
        low = [row - _REACH, column - _REACH]
        high = [row + _REACH + 1, column + _REACH + 1]
        rows, columns = self.value.shape
        if self.value.size:
            low = [min(low[0], self._row), min(low[1], self._column)]
            high = [max(high[0], self._row + rows), max(high[1], self._column + columns)]
        low = [math.floor(v / _CHUNK) * _CHUNK for v in low]
        high = [math.ceil(v / _CHUNK) * _CHUNK for v in high]
        shape = (high[0] - low[0], high[1] - low[1])
        if shape == self.value.shape:
            return
        r, c = self._row - low[0], self._column - low[1]
        for name in ("value", "confidence"):
            old, new = getattr(self, name), np.zeros(shape, np.float32)
            if old.size:
                new[r : r + rows, c : c + columns] = old
            setattr(self, name, new)
        self._row, self._column = low


@lru_cache(maxsize=64)
def _sector(heading_rad: float, hfov_rad: float) -> tuple[np.ndarray, ...]:
    """Cells that a view may see: row, column, distance, column of the table of tiles, confidence. Turns come again."""
    offsets = np.arange(-_REACH, _REACH + 1) * CELL_M
    distance = np.hypot(offsets[None, :], offsets[:, None]).astype(np.float32)
    bearing = np.arctan2(-offsets[None, :], -offsets[:, None]).astype(np.float32)
    off = (bearing - heading_rad + math.pi) % (2 * math.pi) - math.pi
    half = hfov_rad / 2
    rows, columns = np.nonzero((np.abs(off) < half) & (distance <= RANGE_M))
    off = off[rows, columns]
    # A column's place in the picture follows the tangent; to the left is positive.
    number = np.clip(((1 - np.tan(off) / math.tan(half)) / 2 * _COLUMNS).astype(int), 0, _COLUMNS - 1)
    weight = (_EDGE + (1 - _EDGE) * np.cos(off / half * math.pi / 2) ** 2).astype(np.float32)
    return rows, columns, distance[rows, columns], number, weight


def _lateral(count: int) -> list[tuple[float, float]]:
    """Left and right end of each of a moment's vectors, as `placecell.perception.tiles.tile_boxes` lays them out."""
    for scale in (2, 3):
        starts = [i / (2 * scale) for i in range(2 * scale - 1)]
        if count == 1 + len(starts) ** 2:
            return [(0.0, 1.0), *[(x, x + 1 / scale) for _ in starts for x in starts]]
    return [(0.0, 1.0)] * count
