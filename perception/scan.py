"""The shape of what is in view, small enough to keep: depth on a coarse grid, in millimetres, with its camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from placecell.geometry import Camera, check_pose, unproject

__all__ = ["SCAN_SIDE_PX", "Scan"]

SCAN_SIDE_PX: Final = 96
_MAX_MM: Final = 65535
_HEADER: Final = 16


@dataclass(frozen=True, slots=False, eq=False)
class Scan:
    """Depth of a view, sampled at `SCAN_SIDE_PX` pixels along its longer side; 0 where unknown.

    Every pixel is one that the sensor measured (no average over an edge, which would lie in the air between two
    things). Depth beyond 65.5 m counts as unknown.

    Args:
        depth_m: Planar depth, float32 metres `(h, w)`.
        camera: Its intrinsics.

    Example:
        >>> scan = Scan.from_depth(np.full((240, 320), 2.0, np.float32), Camera(320, 240))
        >>> scan.depth_m.shape, float(scan.depth_m[0, 0]), len(scan.to_bytes()) < 500
        ((72, 96), 2.0, True)
    """

    depth_m: np.ndarray
    camera: Camera

    def __post_init__(self) -> None:
        if self.depth_m.shape != (self.camera.height, self.camera.width):
            raise ValueError(
                f"depth_m must have shape {(self.camera.height, self.camera.width)}, got {self.depth_m.shape}"
            )

    @classmethod
    def from_depth(cls, depth_m: Float32[np.ndarray, "h w"], camera: Camera, side_px: int = SCAN_SIDE_PX) -> Scan:
        """Sample a depth image; NaN, infinite and negative values count as unknown.

        Raises:
            ValueError: If the depth is not of the camera's size.
        """
        h, w = depth_m.shape
        if (h, w) != (camera.height, camera.width):
            raise ValueError(f"depth_m must have shape {(camera.height, camera.width)}, got {depth_m.shape}")
        scale = min(1.0, side_px / max(h, w))
        rows, columns = max(1, round(h * scale)), max(1, round(w * scale))
        r = ((np.arange(rows) + 0.5) * h / rows).astype(np.intp)
        c = ((np.arange(columns) + 0.5) * w / columns).astype(np.intp)
        picked = depth_m[r[:, None], c[None, :]]
        known = np.isfinite(picked) & (picked > 0) & (picked * 1000 < _MAX_MM)
        return cls(np.where(known, picked, np.float32(0)), Camera(columns, rows, camera.hfov_rad))

    def points(self, pose: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "h w 3"]:
        """World points of the samples, NaN where the depth is unknown."""
        return unproject(self.depth_m, self.camera, check_pose(pose))

    @cached_property
    def num_known(self) -> int:
        """Samples whose depth is known."""
        return int(np.count_nonzero(self.depth_m))

    def to_bytes(self) -> bytes:
        """The scan as a lossless picture of whole millimetres behind a short header."""
        import cv2

        grid = np.rint(self.depth_m * 1000).astype(np.uint16)
        is_done, data = cv2.imencode(".png", grid, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if not is_done:
            raise ValueError(f"a scan of {self.camera.width} x {self.camera.height} cannot be stored")
        return np.array([self.camera.hfov_rad, 0.0], "<f8").tobytes() + bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> Scan:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: If the bytes are no scan.
        """
        import cv2

        body = np.frombuffer(data[_HEADER:], np.uint8)
        grid = cv2.imdecode(body, cv2.IMREAD_UNCHANGED) if len(body) else None
        if grid is None or grid.ndim != 2 or grid.dtype != np.uint16:
            raise ValueError(f"these {len(data)} bytes are no scan")
        hfov_rad = float(np.frombuffer(data[:8], "<f8")[0])
        if not (math.isfinite(hfov_rad) and 0 < hfov_rad < math.pi):
            raise ValueError(f"a scan's field of view must lie between 0 and pi, got {hfov_rad}")
        height, width = grid.shape
        return cls(grid.astype(np.float32) / np.float32(1000), Camera(width, height, hfov_rad))
