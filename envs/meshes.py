"""Meshes that users bring (GLB, glTF, OBJ, PLY, ...) as painted triangles: textures in one atlas, or vertex colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from placecell.envs.render import PaintedMesh
from placecell.errors import PlacecellError

__all__ = ["MAX_TEXELS", "SceneMesh", "load_mesh", "scene_mesh"]

MAX_TEXELS: Final = 48 << 20  # of the atlas; larger textures shrink to fit, all by the same factor
_ALIGN: Final = 16  # so that the smaller copies of one texture do not bleed into the next
_GREY: Final = np.array([160, 160, 160], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SceneMesh:
    """A mesh as it was brought.

    Args:
        mesh: Its triangles; a part's id is its number, from 1 on.
        names: Name of each part.
        notes: What could not be used, for the person who brought it.
    """

    mesh: PaintedMesh
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class _Part:
    name: str
    vertices: np.ndarray  # (v, 3)
    faces: np.ndarray  # (f, 3)
    rgb: np.ndarray  # (f, 3, 3), 0-255
    uv: np.ndarray | None = None  # (f, 3, 2), fractions of the texture, x right, y down
    texture: int = -1


def load_mesh(path: str | Path, up: Literal["y", "z"] = "y") -> SceneMesh:
    """Read a mesh file with everything that it brings or that lies beside it.

    Colours are the texture's times the material's factor, else the vertices', else the material's. Where a file brings
    neither texture nor vertex colours, no light is baked into it: its parts are then lit from above, so that edges
    show. A texture that is missing leaves its material's colour, and a note.

    Args:
        path: GLB, glTF with its pictures beside it, OBJ with its MTL, PLY: whatever `trimesh` reads.
        up: Axis that points up in the file; scans of buildings often have z up.

    Raises:
        PlacecellError: If there is no such file, or it cannot be read, or holds no triangles.
    """
    path = Path(path)
    if up not in ("y", "z"):
        raise ValueError(f"up must be 'y' or 'z', got {up!r}")
    if not path.is_file():
        raise PlacecellError(f"{path} is no file: give the path of a GLB, glTF, OBJ or PLY scene")
    scene, missing = _read(path)
    notes = []
    if missing:
        few = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        notes.append(f"{len(missing)} textures could not be read ({few}): those parts have one colour each")
    return replace(scene_mesh(scene, up, str(path)), notes=tuple(notes))


def scene_mesh(scene: Any, up: Literal["y", "z"] = "y", name: str = "the scene") -> SceneMesh:
    """A `trimesh.Scene` or `trimesh.Trimesh` as painted triangles; see `load_mesh`.

    Raises:
        PlacecellError: If it holds no triangles; `name` says which scene that was.
    """
    import trimesh

    scene = scene if isinstance(scene, trimesh.Scene) else trimesh.Scene([scene])
    textures: list[UInt8[np.ndarray, "h w 3"]] = []
    known: dict[Any, int] = {}
    parts = []
    for node in scene.graph.nodes_geometry:
        transform, geometry = scene.graph[node]
        part = _part(str(node), scene.geometry[geometry], np.asarray(transform, np.float64), textures, known)
        if part is not None:
            parts.append(part)
    if not parts:
        raise PlacecellError(f"{name} holds no triangles: a scene needs surfaces, not only points or lines")
    return SceneMesh(_joined(parts, textures, up), tuple(part.name for part in parts))


def _read(path: Path) -> tuple[Any, set[str]]:
    """The file as a `trimesh.Scene`, and the names of what it refers to and does not bring."""
    import trimesh
    from trimesh.resolvers import FilePathResolver

    missing: set[str] = set()

    class Noting(FilePathResolver):  # type: ignore[misc]
        def get(self, name: str) -> Any:
            try:
                return super().get(name)
            except (OSError, ValueError):
                missing.add(Path(name).name)
                raise

    try:
        with path.open("rb") as stream:
            scene = trimesh.load_scene(stream, file_type=path.suffix.lstrip("."), resolver=Noting(str(path)))
    except Exception as error:  # trimesh raises whatever its parsers meet
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise PlacecellError(f"{path} cannot be read as a mesh: {line}") from error
    return scene, missing


def _part(
    name: str, geometry: Any, transform: np.ndarray, textures: list[UInt8[np.ndarray, "h w 3"]], known: dict[Any, int]
) -> _Part | None:
    faces = getattr(geometry, "faces", None)
    if faces is None or not len(faces):
        return None
    vertices = np.asarray(geometry.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
    faces = np.asarray(faces, np.int32)
    whole = np.isfinite(vertices[faces]).all(axis=(1, 2))
    faces = faces[whole]
    if not len(faces):
        return None
    vertices = np.nan_to_num(vertices)
    visual, material = geometry.visual, getattr(geometry.visual, "material", None)
    part = _Part(name, vertices, faces, np.broadcast_to(_GREY, (len(faces), 3, 3)))
    kind = getattr(visual, "kind", None)
    if kind in ("vertex", "face"):
        if kind == "vertex":
            part.rgb = np.asarray(visual.vertex_colors, np.float32)[:, :3][faces]
        else:
            part.rgb = np.repeat(np.asarray(visual.face_colors, np.float32)[whole, None, :3], 3, axis=1)
        return part
    factor = _factor(material)
    picture = _picture(material)
    uv = getattr(visual, "uv", None)
    if picture is not None and uv is not None and len(uv) == len(vertices):
        key = (id(picture), factor.tobytes())
        if key not in known:
            known[key] = len(textures)
            textures.append(_tinted(np.asarray(picture.convert("RGB")), factor))
        part.texture = known[key]
        part.uv = np.asarray(uv, np.float64)[faces] * (1, -1) + (0, 1)  # trimesh counts v from the bottom
        part.uv = np.nan_to_num(part.uv - np.floor(part.uv.min(axis=1, keepdims=True)))
        return part
    part.rgb = _lit(vertices, faces, _GREY if material is None else _srgb(factor[:3]))
    return part


def _picture(material: Any) -> Any:
    for name in ("baseColorTexture", "image"):
        found = getattr(material, name, None)
        if found is not None and hasattr(found, "convert"):
            return found
    return None


def _factor(material: Any) -> Float32[np.ndarray, "4"]:
    """Base colour of a material in linear light, 0-1."""
    value = getattr(material, "baseColorFactor", None)
    if value is not None:
        value = np.asarray(value, np.float32).ravel()[:4]
        value = value / 255 if np.asarray(material.baseColorFactor).dtype == np.uint8 else value
    elif getattr(material, "diffuse", None) is not None and _picture(material) is None:
        value = (np.asarray(material.diffuse, np.float32).ravel()[:4] / 255) ** 2.2  # MTL colours are meant for the eye
    else:
        value = np.ones(4, np.float32)
    return np.pad(np.clip(value, 0, 1).astype(np.float32), (0, 4 - len(value)), constant_values=1)


def _srgb(linear: np.ndarray) -> np.ndarray:
    return np.asarray(255 * np.clip(linear, 0, 1) ** (1 / 2.2), np.float32)


def _tinted(picture: UInt8[np.ndarray, "h w 3"], factor: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """A texture times its material's factor; the product is formed in linear light, as glTF 2.0 section 3.9.2 says."""
    if np.allclose(factor[:3], 1):
        return picture
    levels = (np.arange(256) / 255.0) ** 2.2
    table = np.stack([_srgb(levels * factor[i]) for i in range(3)], axis=1).astype(np.uint8)
    return np.stack([table[picture[..., i], i] for i in range(3)], axis=-1)


def _lit(vertices: np.ndarray, faces: np.ndarray, rgb: np.ndarray) -> Float32[np.ndarray, "f 3 3"]:
    """One colour, darker where a face looks down or sideways (hemisphere light)."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    length = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    # Winding is not to be trusted: the sides of a face are lit alike.
    tilt = np.abs(normal[:, 1]) / length
    side = 0.06 * np.abs(normal[:, 0]) / length
    light = 0.72 + 0.22 * tilt + side
    return np.repeat((rgb * light[:, None])[:, None].astype(np.float32), 3, axis=1)


def _joined(parts: Sequence[_Part], textures: list[UInt8[np.ndarray, "h w 3"]], up: str) -> PaintedMesh:
    starts = np.cumsum([0, *[len(part.vertices) for part in parts]])
    vertices = np.concatenate([part.vertices for part in parts])
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * (1, 1, -1)
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    rgb = np.concatenate([part.rgb for part in parts]).astype(np.float32)
    ids = np.concatenate([np.full(len(part.faces), number, np.int32) for number, part in enumerate(parts, start=1)])
    mesh = PaintedMesh(vertices.astype(np.float32), faces.astype(np.int32), rgb, ids)
    if not textures:
        return mesh
    atlas, places = _atlas(textures)
    uv = np.full((len(faces), 3, 2), np.nan, np.float32)
    regions = np.zeros((len(faces), 4), np.float32)
    at = 0
    for part in parts:
        span = slice(at, at + len(part.faces))
        if part.uv is not None:
            x, y, width, height = places[part.texture]
            uv[span] = part.uv * (width, height) + (x, y)
            regions[span] = (x, y, width, height)
        at += len(part.faces)
    return PaintedMesh(mesh.vertices, mesh.faces, rgb, ids, uv, atlas, _density(mesh.vertices, mesh.faces, uv), regions)


def _density(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> float:
    """Texels per metre of the textured surface, by its area."""
    on = ~np.isnan(uv[:, 0, 0])
    a, b, c = (vertices[faces[on, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    p, q = uv[on, 1] - uv[on, 0], uv[on, 2] - uv[on, 0]
    texels = np.abs(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()
    return float(np.clip(math.sqrt(float(texels) / float(area)), 1.0, 1e4)) if area > 0 and texels > 0 else 64.0


def _atlas(textures: list[UInt8[np.ndarray, "h w 3"]]) -> tuple[UInt8[np.ndarray, "h w 3"], list[tuple[int, ...]]]:
    """All textures in one picture, in shelves of falling height; and where each lies (x, y, width, height)."""
    total = sum(picture.shape[0] * picture.shape[1] for picture in textures)
    shrink = min(1.0, math.sqrt(MAX_TEXELS / total))
    sizes = [
        tuple(max(_ALIGN, round(side * shrink / _ALIGN) * _ALIGN) for side in picture.shape[:2]) for picture in textures
    ]
    width = max(max(w for _, w in sizes), math.ceil(math.sqrt(sum(h * w for h, w in sizes)) / _ALIGN) * _ALIGN)
    places: list[tuple[int, ...]] = [()] * len(textures)
    x = y = shelf = 0
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i][0], i)):
        h, w = sizes[i]
        if x + w > width:
            x, y, shelf = 0, y + shelf, 0
        places[i] = (x, y, w, h)
        x, shelf = x + w, max(shelf, h)
    atlas = np.zeros((y + shelf, width, 3), np.uint8)
    for picture, (left, top, w, h) in zip(textures, places, strict=True):
        atlas[top : top + h, left : left + w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
    return atlas, places
