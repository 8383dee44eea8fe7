"""What the region network reads: a picture with depth on a coarse grid, as colour and geometry of every cell.

Geometry stands in the frame of the camera's heading: its origin in the camera, x to the right, y up against gravity,
z backwards. So the network need not learn the world's axes, and a tilted camera sees the same floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8

from placecell.geometry import Camera, heading_rad

__all__ = ["CHANNELS", "GRID_SIDE", "RegionGrid", "features", "sampled"]

GRID_SIDE: Final = 160
_MULTIPLE: Final = 16  # the network halves the grid four times
CHANNELS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class RegionGrid:
    """A view on the grid, longer side `GRID_SIDE` cells.

    Args:
        rgb: Colour, averaged over each cell.
        depth_m: Planar depth of each cell's sample, 0 where unknown.
        points: Its point in the frame of the heading, metres; NaN where the depth is unknown.
        world_from_heading: Rigid transform of that frame.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    depth_m: Float32[np.ndarray, "h w"]
    points: Float32[np.ndarray, "h w 3"]
    world_from_heading: Float64[np.ndarray, "4 4"]

    @classmethod
    def from_view(
        cls,
        rgb: UInt8[np.ndarray, "rows columns 3"],
        depth_m: Float32[np.ndarray, "rows columns"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
        side: int = GRID_SIDE,
    ) -> RegionGrid:
        """Sample a view: colour averaged, depth of one pixel per cell (an average over an edge lies in the air)."""
        scale = side / max(camera.width, camera.height)
        w, h = (max(_MULTIPLE, round(n * scale / _MULTIPLE) * _MULTIPLE) for n in (camera.width, camera.height))
        rows, columns = _middles(camera.height, h), _middles(camera.width, w)
        small = np.asarray(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA))
        depth = sampled(depth_m, (h, w))
        rays = np.empty((h, w, 3), np.float32)
        rays[..., 0] = ((columns + 0.5 - camera.width / 2) / camera.focal_px)[None, :]
        rays[..., 1] = ((camera.height / 2 - rows - 0.5) / camera.focal_px)[:, None]
        rays[..., 2] = -1.0
        turn = heading_rad(pose)
        c, s = math.cos(turn), math.sin(turn)
        world_from_heading = np.eye(4)
        world_from_heading[:3, :3] = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
        world_from_heading[:3, 3] = pose[:3, 3]
        rotation = (world_from_heading[:3, :3].T @ pose[:3, :3]).astype(np.float32)
        points = (rays * depth[..., None]) @ rotation.T
        points[depth <= 0] = np.nan
        return cls(small, depth, points, world_from_heading)

    @property
    def known(self) -> Bool[np.ndarray, "h w"]:
        """Cells whose depth is known."""
        return np.asarray(np.isfinite(self.points[..., 0]))


def sampled(image: Shaped[np.ndarray, "rows columns"], shape: tuple[int, int]) -> Shaped[np.ndarray, "h w"]:
    """The pixel in the middle of each cell of a grid of this shape.

    Args:
        image: Numbers that must not be averaged: depths, instances, a mask.
        shape: Height and width of the grid, cells.
    """
    rows, columns = (_middles(pixels, cells) for pixels, cells in zip(image.shape, shape, strict=True))
    return np.asarray(image[np.ix_(rows, columns)])


def _middles(pixels: int, cells: int) -> np.ndarray:
    return np.asarray(((np.arange(cells) + 0.5) * pixels / cells).astype(np.intp))


def features(grid: RegionGrid) -> Float32[np.ndarray, "c h w"]:
    """What the network reads of every cell, all of order one.

    Colour, inverse distance, point, surface normal, and how the inverse depth bends across and down: next to nothing on
    a plane, for inverse depth is linear in the picture there, and much at creases and outlines.
    """
    h, w, _ = grid.rgb.shape
    known = grid.known
    filled = np.where(known[..., None], grid.points, np.float32(0))
    out = np.zeros((CHANNELS, h, w), np.float32)
    out[:3] = (grid.rgb.transpose(2, 0, 1).astype(np.float32) - 128) / 64
    distance = np.sqrt((filled * filled).sum(axis=2))
    out[3] = np.where(known, 1 / np.maximum(distance, 0.25), 0)
    out[4:7] = np.clip(filled, -8, 8).transpose(2, 0, 1) * np.array([0.4, 1.0, 0.4], np.float32)[:, None, None]
    across, down = np.zeros_like(filled), np.zeros_like(filled)
    across[:, 1:-1] = filled[:, 2:] - filled[:, :-2]
    down[1:-1] = filled[2:] - filled[:-2]
    normal = np.empty_like(filled)
    normal[..., 0] = down[..., 1] * across[..., 2] - down[..., 2] * across[..., 1]
    normal[..., 1] = down[..., 2] * across[..., 0] - down[..., 0] * across[..., 2]
    normal[..., 2] = down[..., 0] * across[..., 1] - down[..., 1] * across[..., 0]
    length = np.sqrt((normal * normal).sum(axis=2, keepdims=True))
    out[7:10] = (normal / np.maximum(length, 1e-9)).transpose(2, 0, 1)
    inverse = np.where(known, 1 / np.maximum(grid.depth_m, 0.1), np.float32(np.nan))
    out[10, :, 1:-1] = inverse[:, 2:] + inverse[:, :-2] - 2 * inverse[:, 1:-1]
    out[11, 1:-1] = inverse[2:] + inverse[:-2] - 2 * inverse[1:-1]
    out[10:] = np.clip(np.nan_to_num(20 * out[10:]), -3, 3)
    return out
