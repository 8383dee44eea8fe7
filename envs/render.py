"""Rays into coloured triangles: RGB, metric depth and ids of any mesh, on one core and with no display.

Light is baked into the corners of the triangles and the texels, so that a frame costs one Embree query and a few
gathers. The colours interpolate over a triangle; a face may instead look up a texture, whose smaller copies (a mip
pyramid) serve what is far away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float, Float32, Float64, Int32, UInt8

from placecell.geometry import Camera, check_pose

__all__ = ["PaintedMesh", "Renderer"]

_LEVELS = 5  # of the mip pyramid: texels grow up to 16-fold


@dataclass(frozen=True, slots=True, eq=False)
class PaintedMesh:
    """Triangles with an id, a colour per corner, and where wanted a texture.

    Args:
        vertices: Metres, in the world frame.
        faces: Three vertex indices per triangle.
        corner_rgb: Colour of every corner, 0-255, light included.
        face_ids: What a pixel of this face carries in the semantic image.
        corner_uv: Texel coordinates (x right, y down) of every corner; NaN on faces without texture.
        atlas: The picture that `corner_uv` points into, light included.
        texels_per_m: How many texels a metre of textured surface has; picks the mip level.
        regions: Part of the atlas (x, y, width, height) that repeats over a face whose `corner_uv` leave it.

    Raises:
        ValueError: If shapes disagree or a face names a vertex that does not exist.
    """

    vertices: Float32[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]
    corner_rgb: Float32[np.ndarray, "f 3 3"]
    face_ids: Int32[np.ndarray, "f"]
    corner_uv: Float32[np.ndarray, "f 3 2"] | None = None
    atlas: UInt8[np.ndarray, "h w 3"] | None = None
    texels_per_m: float = 64.0
    regions: Float32[np.ndarray, "f 4"] | None = None

    def __post_init__(self) -> None:
        num = len(self.faces)
        if num == 0:
            raise ValueError("a mesh needs at least one triangle, got none")
        if len(self.corner_rgb) != num or len(self.face_ids) != num:
            raise ValueError(
                f"{num} faces need as many colours and ids, got {len(self.corner_rgb)}, {len(self.face_ids)}"
            )
        if self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise ValueError(f"faces name vertices outside 0..{len(self.vertices) - 1}")
        if (self.corner_uv is None) != (self.atlas is None):
            raise ValueError("corner_uv and atlas belong together: give both or neither")

    def without(self, ids: set[int]) -> PaintedMesh:
        """The same mesh without the faces that carry one of `ids`."""
        keep = ~np.isin(self.face_ids, list(ids))
        uv = None if self.corner_uv is None else self.corner_uv[keep]
        return replace(
            self,
            faces=self.faces[keep],
            corner_rgb=self.corner_rgb[keep],
            face_ids=self.face_ids[keep],
            corner_uv=uv,
            regions=None if self.regions is None else self.regions[keep],
        )


class Renderer:
    """Renders one mesh from any pose; keeps the rays of the cameras that it has served.

    Args:
        mesh: What to look at.
        background: Colour of pixels whose ray hits nothing; their depth and id are 0.

    Example:
        >>> import numpy as np
        >>> mesh = PaintedMesh(np.array([[-9, -9, -2], [9, -9, -2], [0, 9, -2]], np.float32),
        ...     np.array([[0, 1, 2]], np.int32), np.full((1, 3, 3), 200, np.float32), np.array([7], np.int32))
        >>> rgb, depth, ids = Renderer(mesh).render(np.eye(4), Camera(8, 8))
        >>> int(rgb[4, 4, 0]), float(depth[4, 4]), int(ids[4, 4])
        (200, 2.0, 7)
    """

    def __init__(self, mesh: PaintedMesh, background: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.mesh = mesh
        self._scene = EmbreeScene()
        # Embree keeps pointers to these arrays, so they live as long as the renderer.
        self._vertices = np.ascontiguousarray(mesh.vertices, np.float32)
        self._faces = np.ascontiguousarray(mesh.faces, np.int32)
        self._geometry = TriangleMesh(self._scene, self._vertices, self._faces)
        num = len(mesh.faces)
        # One more row for rays that miss (primID -1 is the last row): background colour, id 0.
        base, du, dv = _planes(mesh.corner_rgb, np.asarray(background, np.float32))
        self._paint = np.concatenate([base, du, dv], axis=1)
        self._flat = np.zeros(num + 1, bool)
        self._flat[:-1] = (np.abs(du[:-1]) + np.abs(dv[:-1])).max(axis=1) < 0.5
        self._flat[-1] = True
        self._packed = _pack(base)
        self._ids = np.append(mesh.face_ids, 0).astype(np.int32)
        self._textured = np.zeros(num + 1, bool)
        if mesh.corner_uv is not None and mesh.atlas is not None:
            self._textured[:-1] = ~np.isnan(mesh.corner_uv[:, 0, 0])
            uv = np.nan_to_num(mesh.corner_uv)
            self._uv = np.concatenate(_planes(uv, np.zeros(2, np.float32)), axis=1)
            self._texels, self._level_start, self._level_width = _pyramid(mesh.atlas)
        # 0: one colour, 1: colours of the corners interpolate, 2: texture.
        self._kind = np.where(self._textured, 2, np.where(self._flat, 0, 1)).astype(np.uint8)
        self._rays: dict[Camera, tuple[np.ndarray, np.ndarray, float]] = {}

    def render(
        self, pose: Float64[np.ndarray, "4 4"], camera: Camera, antialias: int = 1
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]]:
        """What a camera at `pose` sees.

        Args:
            pose: `world_from_camera`.
            camera: The pinhole camera.
            antialias: Rays per pixel and direction for the colours; 2 costs four times as much and looks better.

        Returns:
            RGB; planar depth in metres, 0 where nothing was hit; ids, 0 where nothing was hit. Depth and ids are
            never averaged: with `antialias` they are those of the ray nearest to the pixel's centre.
        """
        pose = check_pose(pose)
        if antialias < 1:
            raise ValueError(f"antialias must be at least 1, got {antialias}")
        fine = (
            camera if antialias == 1 else Camera(camera.width * antialias, camera.height * antialias, camera.hfov_rad)
        )
        rgb, depth, ids = self._trace(pose, fine)
        if antialias > 1:
            rgb = np.asarray(cv2.resize(rgb, (camera.width, camera.height), interpolation=cv2.INTER_AREA), np.uint8)
            middle = slice(antialias // 2, None, antialias)
            depth, ids = np.ascontiguousarray(depth[middle, middle]), np.ascontiguousarray(ids[middle, middle])
        return rgb, depth, ids

    def cast(
        self, origins: Float32[np.ndarray, "n 3"], direction: Float[np.ndarray, "3"]
    ) -> tuple[Int32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
        """Parallel rays: the face that each meets first (-1 for none) and the distance in lengths of `direction`."""
        directions = np.empty_like(origins)
        directions[:] = direction
        hit = self._scene.run(np.ascontiguousarray(origins), directions, output=1)
        return np.asarray(hit["primID"], np.int32), np.asarray(hit["tfar"], np.float32)

    def _trace(self, pose: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if camera not in self._rays:
            if len(self._rays) > 8:
                self._rays.clear()
            rays = camera.directions()
            self._rays[camera] = (rays[0, :, 0].copy(), rays[:, 0, 1].copy(), camera.focal_px)
        across, down, focal_px = self._rays[camera]
        right, up, back = pose[:3, :3].T.astype(np.float32)
        # A sum of two small arrays instead of a matrix product, for which BLAS would start its threads.
        directions = (down[:, None] * up - back)[:, None] + across[:, None] * right
        directions = directions.reshape(-1, 3)
        origins = np.empty_like(directions)
        origins[:] = pose[:3, 3]
        hit = self._scene.run(origins, directions, output=1)
        face, depth = hit["primID"], hit["tfar"]
        depth[face < 0] = 0.0
        packed = self._packed[face]
        kind = self._kind[face]
        blend = np.flatnonzero(kind == 1)
        if len(blend):
            paint = self._paint[face[blend]]
            rgb = paint[:, 0:3] + hit["u"][blend, None] * paint[:, 3:6] + hit["v"][blend, None] * paint[:, 6:9]
            packed[blend] = _pack(rgb)
        texture = np.flatnonzero(kind == 2)
        if len(texture):
            uv = self._uv[face[texture]]
            place = uv[:, 0:2] + hit["u"][texture, None] * uv[:, 2:4] + hit["v"][texture, None] * uv[:, 4:6]
            if self.mesh.regions is not None:
                region = self.mesh.regions[face[texture]]
                place = region[:, :2] + np.mod(place - region[:, :2], np.maximum(region[:, 2:], 1))
            packed[texture] = self._texel(place, depth[texture], focal_px)
        shape = (camera.height, camera.width)
        rgb = packed.view(np.uint8).reshape(*shape, 4)[..., :3].copy()
        return rgb, depth.reshape(shape), self._ids[face].reshape(shape)

    def _texel(self, place: np.ndarray, depth_m: np.ndarray, focal_px: float) -> np.ndarray:
        """Packed colours of the texels at `place`, from the mip level whose texels are about a pixel wide."""
        per_pixel = depth_m * np.float32(1.4 * self.mesh.texels_per_m / focal_px)
        level = np.clip(np.frexp(per_pixel)[1], 0, _LEVELS - 1).astype(np.int32)
        cell = place.astype(np.int32)
        row, column = cell[:, 1] >> level, cell[:, 0] >> level
        return np.asarray(self._texels[self._level_start[level] + row * self._level_width[level] + column])


def _planes(corners: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value at the first corner and its slopes along u and v, with one more row of the constant `last`."""
    base = np.concatenate([corners[:, 0], last[None]]).astype(np.float32)
    zero = np.zeros((1, corners.shape[2]), np.float32)
    du = np.concatenate([corners[:, 1] - corners[:, 0], zero]).astype(np.float32)
    dv = np.concatenate([corners[:, 2] - corners[:, 0], zero]).astype(np.float32)
    return base, du, dv


def _pack(rgb: np.ndarray) -> np.ndarray:
    """Colours as one uint32 each, so that a gather moves one word."""
    out = np.zeros((len(rgb), 4), np.uint8)
    out[:, :3] = np.clip(rgb, 0, 255)
    return out.view(np.uint32)[:, 0]


def _pyramid(atlas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Packed texels of every mip level in one array, with each level's start and width."""
    step = 1 << (_LEVELS - 1)
    height, width = atlas.shape[:2]
    picture = cv2.copyMakeBorder(atlas, 0, -height % step + step, 0, -width % step + step, cv2.BORDER_REPLICATE)
    texels, starts, widths, start = [], [], [], 0
    for _ in range(_LEVELS):
        texels.append(_pack(picture.reshape(-1, 3)))
        starts.append(start)
        widths.append(picture.shape[1])
        start += len(texels[-1])
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.concatenate(texels), np.asarray(starts, np.int32), np.asarray(widths, np.int32)
