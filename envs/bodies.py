"""What agents look like to each other: a body on a round foot, in a colour of its own, with a dark face in front."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from placecell.envs.render import PaintedMesh, Renderer
from placecell.geometry import Camera

__all__ = ["BODY_COLOURS", "BODY_HEIGHT_M", "body_mesh", "show_body"]

BODY_COLOURS: Final = ((214, 64, 52), (52, 104, 214), (240, 176, 32), (44, 160, 88), (150, 72, 190), (24, 170, 180))
#: Height and radius of the outline, from the floor up; its widest is a little narrower than the disc that collides.
_OUTLINE: Final = (
    (0.0, 0.16),
    (0.12, 0.16),
    (0.16, 0.1),
    (0.5, 0.14),
    (0.92, 0.15),
    (1.0, 0.06),
    (1.08, 0.1),
    (1.22, 0.11),
)
BODY_HEIGHT_M: Final = 1.3
_SIDES: Final = 20
_LIGHT: Final = np.array([0.3, 0.8, 0.5]) / math.sqrt(0.98)
_REACH_M: Final = 0.7  # of a ball around the body's middle


@lru_cache(maxsize=64)
def _renderer(colour: tuple[int, int, int], number: int) -> Renderer:
    return Renderer(body_mesh(colour, number))


def body_mesh(colour: tuple[int, int, int], number: int) -> PaintedMesh:
    """A body at the origin that faces -z, its floor at y = 0.

    Args:
        colour: Of all but the face.
        number: Its id in the semantic image.

    Example:
        >>> mesh = body_mesh((200, 0, 0), 7)
        >>> round(float(mesh.vertices[:, 1].max()), 2), set(mesh.face_ids.tolist())
        (1.3, {7})
    """
    around = np.arange(_SIDES) * 2 * math.pi / _SIDES
    rings = [(height, radius * np.sin(around), -radius * np.cos(around)) for height, radius in _OUTLINE]
    points = [np.stack([x, np.full(_SIDES, height), z], axis=1) for height, x, z in rings]
    vertices = np.concatenate([*points, [[0.0, BODY_HEIGHT_M, 0.0]]])
    faces, is_face = [], []
    for ring in range(len(_OUTLINE)):
        low = ring * _SIDES
        for side in range(_SIDES):
            a, b = low + side, low + (side + 1) % _SIDES
            # Two facets to either side of the front of the head.
            looks = _OUTLINE[ring][0] == 1.08 and min(side, _SIDES - 1 - side) < 3
            if ring == len(_OUTLINE) - 1:
                faces.append((a, b, len(vertices) - 1))
                is_face.append(False)
            else:
                faces += [(a, b, a + _SIDES), (b, b + _SIDES, a + _SIDES)]
                is_face += [looks, looks]
    corners = vertices[np.array(faces)]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = corners.mean(axis=1) * (1.0, 0.0, 1.0)
    normals *= np.where((normals * outward).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    light = 0.7 + 0.3 * np.clip(normals @ _LIGHT, -1, 1)
    paint = np.where(np.array(is_face)[:, None], (30.0, 30.0, 36.0), np.asarray(colour, float)) * light[:, None]
    corner_rgb = np.repeat(paint[:, None], 3, axis=1).astype(np.float32)
    ids = np.full(len(faces), number, np.int32)
    return PaintedMesh(vertices.astype(np.float32), np.array(faces, np.int32), corner_rgb, ids)


def show_body(
    view: tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]],
    body_pose: Float64[np.ndarray, "4 4"],
    colour: tuple[int, int, int],
    number: int,
    pose: Float64[np.ndarray, "4 4"],
    camera: Camera,
) -> None:
    """Draw a body into a view (RGB, depth, ids), in place, where nothing hides it.

    Args:
        view: What a camera saw without it.
        body_pose: Where it stands: a point of the floor, and its heading.
        colour: See `body_mesh`.
        number: See `body_mesh`.
        pose: Of the camera.
        camera: Of all three pictures.
    """
    middle = body_pose[:3, 3] + (0.0, BODY_HEIGHT_M / 2, 0.0)
    across, _, back = (middle - pose[:3, 3]) @ pose[:3, :3]
    slope = camera.width / 2 / camera.focal_px
    if back > _REACH_M or abs(across) - slope * -back > _REACH_M * math.hypot(1.0, slope):
        return  # behind, or beside the picture
    local = pose.copy()
    local[:3, :3] = body_pose[:3, :3].T @ pose[:3, :3]
    local[:3, 3] = body_pose[:3, :3].T @ (pose[:3, 3] - body_pose[:3, 3])
    rgb, depth, ids = _renderer(colour, number).render(local, camera)
    is_seen = (depth > 0) & ((view[1] <= 0) | (depth < view[1]))
    for whole, part in zip(view, (rgb, depth, ids), strict=True):
        whole[is_seen] = part[is_seen]
