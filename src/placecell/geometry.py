"""Frames and cameras.

One convention everywhere, Habitat's: right-handed, y up, -z forward, metres. A pose is `world_from_camera`, a 4x4
rigid transform in float64. Depth is planar z (distance along the optical axis, not along the ray), float32 metres, 0
where unknown. Pixel (0, 0) is the top left one; rays go through pixel centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

__all__ = ["Camera", "check_pose", "heading_rad", "look_at", "pose_from", "position_m", "unproject"]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera with square pixels and the principal point at the centre.

    Args:
        width: Pixels across.
        height: Pixels down.
        hfov_rad: Horizontal field of view, between 0 and pi.

    Example:
        >>> Camera.from_degrees(256, 256, 90.0).focal_px
        128.0
    """

    width: int
    height: int
    hfov_rad: float = math.pi / 2

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a camera needs at least one pixel, got {self.width} x {self.height}")
        if not 0.0 < self.hfov_rad < math.pi:
            raise ValueError(f"hfov_rad must lie between 0 and pi, got {self.hfov_rad}")

    @classmethod
    def from_degrees(cls, width: int, height: int, hfov_deg: float) -> Camera:
        """Camera whose horizontal field of view is given in degrees."""
        return cls(width, height, math.radians(hfov_deg))

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return round(self.width / (2.0 * math.tan(self.hfov_rad / 2.0)), 9)

    def directions(self) -> Float32[np.ndarray, "h w 3"]:
        """Ray of every pixel in the camera frame, scaled so that its planar z is one metre (z = -1)."""
        x = (np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) / self.focal_px
        y = (self.height / 2 - np.arange(self.height, dtype=np.float32) - 0.5) / self.focal_px
        rays = np.empty((self.height, self.width, 3), np.float32)
        rays[..., 0], rays[..., 1], rays[..., 2] = x[None, :], y[:, None], -1.0
        return rays


def check_pose(pose: np.ndarray, name: str = "pose") -> Float64[np.ndarray, "4 4"]:
    """Return `pose` as float64 after checking that it is a finite rigid transform.

    Raises:
        ValueError: If the shape is not (4, 4), an entry is not finite, or the rotation is not orthonormal.
    """
    pose = np.asarray(pose, dtype=np.float64)
    if pose.shape != (4, 4):
        raise ValueError(f"{name} must have shape (4, 4), got {pose.shape}")
    # Plain numbers: an agent's every observation passes here, and numpy takes 27 us where this takes 5.
    (a, b, c, _), (d, e, f, _), (g, h, i, _), last = rows = pose.tolist()
    if not all(math.isfinite(value) for row in rows for value in row):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    squares = (a * a + b * b + c * c, d * d + e * e + f * f, g * g + h * h + i * i)
    products = (a * d + b * e + c * f, a * g + b * h + c * i, d * g + e * h + f * i)
    is_orthonormal = all(abs(s - 1) <= 1e-3 for s in squares) and all(abs(p) <= 1e-3 for p in products)
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    is_affine = all(abs(value - one) <= 1e-5 for value, one in zip(last, (0, 0, 0, 1), strict=True))
    if not (is_orthonormal and determinant > 0 and is_affine):
        raise ValueError(f"{name} must be a rigid transform (orthonormal rotation, last row 0 0 0 1)")
    return pose


def position_m(pose: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3"]:
    """Where the camera stands, in the world frame."""
    return pose[:3, 3]


def heading_rad(pose: Float64[np.ndarray, "4 4"]) -> float:
    """Turn about the y axis, 0 when facing -z, positive to the left, in (-pi, pi]."""
    forward = -pose[:3, 2]
    return math.atan2(-forward[0], -forward[2])


def pose_from(position: Float[np.ndarray, "3"], yaw_rad: float, pitch_rad: float = 0.0) -> Float64[np.ndarray, "4 4"]:
    """Pose at `position` after a left turn by `yaw_rad` and a look up by `pitch_rad`."""
    cy, sy, cp, sp = math.cos(yaw_rad), math.sin(yaw_rad), math.cos(pitch_rad), math.sin(pitch_rad)
    pose = np.eye(4)
    pose[:3, :3] = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    pose[:3, 3] = position
    return pose


def look_at(eye: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "4 4"]:
    """Pose at `eye`, upright, with `target` on the optical axis."""
    dx, dy, dz = np.asarray(target, float) - np.asarray(eye, float)
    return pose_from(np.asarray(eye, float), math.atan2(-dx, -dz), math.atan2(dy, math.hypot(dx, dz)))


def unproject(
    depth_m: Float32[np.ndarray, "h w"], camera: Camera, pose: Float64[np.ndarray, "4 4"]
) -> Float64[np.ndarray, "h w 3"]:
    """World point of every pixel; NaN where the depth is unknown (0)."""
    points = camera.directions().astype(np.float64) * depth_m[..., None]
    points[depth_m <= 0] = np.nan
    world: np.ndarray = points @ pose[:3, :3].T + pose[:3, 3]
    return world
