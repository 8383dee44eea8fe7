"""Where one can walk in a mesh that knows nothing of floors: found with rays, storey by storey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from placecell.envs.render import Renderer
from placecell.errors import PlacecellError
from placecell.pathfinder import CELL_M, PathFinder

__all__ = ["MAX_CLIMB_M", "Floor", "find_floors"]

MAX_CLIMB_M: Final = 0.2
MAX_SLOPE_DEG: Final = 45.0  # this and the climb are habitat_sim's NavMeshSettings as shipped
_LAYERS: Final = 24  # surfaces above each other that are looked through
_STOREY_M: Final = 1.6  # two floors lie at least this far apart
_MIN_AREA_M2: Final = 1.0
_MAX_CELLS: Final = 16_000_000  # 200 m x 200 m


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """One storey.

    Args:
        height_m: Height of its floor, world frame.
        free: True where nothing stands, in cells of `CELL_M`; rows run along z, columns along x.
        origin_m: World (x, z) of the corner of cell (0, 0).
        is_covered: Whether most of it lies under something, as a room does and a roof does not.
    """

    height_m: float
    free: Bool[np.ndarray, "rows columns"]
    origin_m: tuple[float, float]
    is_covered: bool

    @property
    def area_m2(self) -> float:
        """Free floor, square metres."""
        return float(self.free.sum()) * CELL_M**2

    def pathfinder(self, agent_radius_m: float) -> PathFinder:
        """A path finder for a disc of this radius on this floor."""
        return PathFinder(self.free, agent_radius_m, self.origin_m, self.height_m)


def find_floors(renderer: Renderer, agent_height_m: float = 1.5) -> list[Floor]:
    """Storeys of a mesh, covered ones first, then the larger ones.

    A cell is free if a ray from above meets a surface there that is not steep, with `agent_height_m` of air above it,
    and no surface crosses the cell in between (a wall may be a sheet that no ray from above ever meets).

    Args:
        renderer: Of the mesh.
        agent_height_m: Air that the agent needs.

    Raises:
        PlacecellError: If there is nowhere to stand, or the mesh is too large for a grid of 5 cm.
    """
    low, high = renderer.mesh.vertices.min(axis=0), renderer.mesh.vertices.max(axis=0)
    columns, rows = (max(1, math.ceil(float(high[i] - low[i]) / CELL_M)) for i in (0, 2))
    if rows * columns > _MAX_CELLS:
        size = " x ".join(f"{span:.0f}" for span in high - low)
        raise PlacecellError(
            f"the scene measures {size} m, expected a building of at most 200 m: is its unit the metre?"
        )
    heights, air = _surfaces(renderer, low, high, rows, columns, agent_height_m)
    levels = _levels(heights, air)
    origin = (float(low[0]), float(low[2]))
    floors = []
    for level in levels:
        on_floor = np.abs(heights - level) <= MAX_CLIMB_M
        free: Bool[np.ndarray, "rows columns"] = np.asarray(on_floor.any(axis=0))
        is_covered = bool(np.isfinite(np.where(on_floor, air, -np.inf).max(axis=0)[free]).mean() > 0.5)
        free &= ~_crossed(renderer, free, origin, level, agent_height_m)
        if free.sum() * CELL_M**2 >= _MIN_AREA_M2:
            floors.append(Floor(round(level, 4), free, origin, is_covered))
    if not floors:
        raise PlacecellError(
            "the scene has no floor: nowhere is a square metre of level surface under free air. If z points up in the "
            "file, say up='z'; if its unit is not the metre, scale it"
        )
    return sorted(floors, key=lambda floor: (not floor.is_covered, -floor.area_m2))


def _surfaces(
    renderer: Renderer, low: np.ndarray, high: np.ndarray, rows: int, columns: int, agent_height_m: float
) -> tuple[Float32[np.ndarray, "layers rows columns"], Float32[np.ndarray, "layers rows columns"]]:
    """Heights of the level surfaces under every cell with room to stand (else NaN), and the air above them."""
    x = low[0] + (np.arange(columns, dtype=np.float32) + 0.5) * CELL_M
    z = low[2] + (np.arange(rows, dtype=np.float32) + 0.5) * CELL_M
    origins = np.empty((rows * columns, 3), np.float32)
    origins[:, 0], origins[:, 2] = np.tile(x, rows), np.repeat(z, columns)
    origins[:, 1] = float(high[1]) + 1.0
    above = np.full(rows * columns, np.inf, np.float32)  # height of the surface met before
    alive = np.arange(rows * columns)
    steepest = math.cos(math.radians(MAX_SLOPE_DEG))
    upright = _upright(renderer)
    layers = []
    for _ in range(_LAYERS):
        face, distance = renderer.cast(origins[alive], np.array([0.0, -1.0, 0.0]))
        hit = face >= 0
        alive, face, distance = alive[hit], face[hit], distance[hit]
        if not len(alive):
            break
        height = origins[alive, 1] - distance
        air = above[alive] - height
        stands = (upright[face] >= steepest) & (air >= agent_height_m)
        layer = np.full((2, rows * columns), np.nan, np.float32)
        layer[0, alive[stands]], layer[1, alive[stands]] = height[stands], air[stands]
        layers.append(layer)
        above[alive] = height
        origins[alive, 1] = height - 1e-3
    if not layers:
        layers.append(np.full((2, rows * columns), np.nan, np.float32))
    stacked = np.stack(layers).reshape(len(layers), 2, rows, columns)
    return stacked[:, 0], stacked[:, 1]


def _upright(renderer: Renderer) -> Float64[np.ndarray, "f"]:
    """How much each face looks up or down: 1 for level ones, 0 for walls. Winding is not to be trusted."""
    vertices, faces = renderer.mesh.vertices.astype(np.float64), renderer.mesh.faces
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    return np.asarray(np.abs(normal[:, 1]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-12))


def _levels(heights: np.ndarray, air: np.ndarray) -> list[float]:
    """Heights of floors: where most level surface lies, each at least a storey from a larger one."""
    known = heights[~np.isnan(heights)].astype(np.float64)
    # What has nothing above it is outdoors, or a roof: it counts for little beside rooms.
    weight = np.where(np.isfinite(air[~np.isnan(heights)]), 1.0, 0.2)
    if not len(known):
        return []
    cells = np.floor((known - known.min()) / CELL_M).astype(np.int64)
    counts = np.bincount(cells, weight)
    found: list[float] = []
    while counts.max() * CELL_M**2 >= 0.2 * _MIN_AREA_M2:
        best = int(counts.argmax())
        near = np.abs(cells - best) <= 1
        found.append(float(np.median(known[near])))
        reach = int(_STOREY_M / CELL_M)
        counts[max(0, best - reach) : best + reach + 1] = 0
    return found


def _crossed(
    renderer: Renderer, free: np.ndarray, origin: tuple[float, float], level: float, agent_height_m: float
) -> Bool[np.ndarray, "rows columns"]:
    """Cells that something crosses between the climb and the agent's height."""
    rows, columns = np.nonzero(cv2.dilate(free.astype(np.uint8), np.ones((3, 3), np.uint8)))
    starts = np.empty((len(rows), 3), np.float32)
    starts[:, 0] = origin[0] + (columns + 0.5) * CELL_M
    starts[:, 2] = origin[1] + (rows + 0.5) * CELL_M
    crossed = np.zeros(free.shape, bool)
    for height in np.arange(MAX_CLIMB_M + 0.02, agent_height_m, 0.12):
        starts[:, 1] = level + height
        for dx, dz in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            face, distance = renderer.cast(starts, np.array([float(dx), 0.0, float(dz)]))
            near = (face >= 0) & (distance <= CELL_M / 2)
            crossed[rows[near], columns[near]] = True
    return crossed
