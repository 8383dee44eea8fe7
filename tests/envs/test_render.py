"""The renderer against geometry done by hand."""

import numpy as np
import pytest
import trimesh

from placecell.envs.meshes import scene_mesh
from placecell.envs.render import PaintedMesh, Renderer
from placecell.envs.solids import Shape, rotation_x
from placecell.geometry import Camera, look_at, pose_from


def wall(z: float, face_id: int = 3, **more: object) -> PaintedMesh:
    """A square of 20 m, `-z` metres ahead of the origin."""
    corners = np.array([[-10, -10, z], [10, -10, z], [10, 10, z], [-10, 10, z]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    rgb = np.full((2, 3, 3), (10.0, 200.0, 30.0), np.float32)
    return PaintedMesh(corners, faces, rgb, np.full(2, face_id, np.int32), **more)  # type: ignore[arg-type]


def test_depth_is_planar_and_not_ray_length() -> None:
    rgb, depth, ids = Renderer(wall(-3.0)).render(np.eye(4), Camera.from_degrees(33, 33, 90.0))
    assert np.allclose(depth, 3.0, atol=1e-4)
    assert (ids == 3).all() and (rgb == (10, 200, 30)).all()


def test_misses_are_zero_depth_zero_id_and_background() -> None:
    rgb, depth, ids = Renderer(wall(-3.0), background=(1, 2, 3)).render(pose_from(np.zeros(3), np.pi), Camera(8, 6))
    assert not depth.any() and not ids.any() and (rgb == (1, 2, 3)).all()


def test_sphere_agrees_with_its_equation() -> None:
    shape = Shape((1.0, 1.0, 1.0))
    shape.sphere(1.0, (0.0, 0.0, 0.0), sides=96)
    triangles = shape.triangles().astype(np.float32)
    mesh = PaintedMesh(
        triangles.reshape(-1, 3), np.arange(triangles.shape[0] * 3, dtype=np.int32).reshape(-1, 3),
        np.full(triangles.shape, 128.0, np.float32), np.ones(len(triangles), np.int32),
    )  # fmt: skip
    camera = Camera.from_degrees(65, 65, 60.0)
    eye = np.array([1.0, 1.5, 2.5])
    pose = look_at(eye, np.zeros(3))
    _, depth, ids = Renderer(mesh).render(pose, camera)
    rays = camera.directions().astype(np.float64) @ pose[:3, :3].T
    a, b, c = (rays**2).sum(-1), 2 * rays @ eye, eye @ eye - 1.0
    root = b * b - 4 * a * c
    exact = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), 0)
    both = (ids == 1) & (root > 0)
    assert ((ids == 1) != (root > 0)).mean() < 0.01
    assert np.abs(depth[both] - exact[both]).max() < 0.06
    assert np.median(np.abs(depth[both] - exact[both])) < 2e-3


def test_texture_shows_the_right_texel() -> None:
    atlas = np.zeros((64, 64, 3), np.uint8)
    atlas[:32, :32], atlas[:32, 32:], atlas[32:, :32], atlas[32:, 32:] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (9, 9, 9),
    )
    uv = np.array([[0, 64], [64, 64], [64, 0], [0, 0]], np.float32) * 0.999
    corner_uv = np.stack([uv[[0, 1, 2]], uv[[0, 2, 3]]])
    rgb, _, _ = Renderer(wall(-10.0, corner_uv=corner_uv, atlas=atlas, texels_per_m=3.2)).render(
        np.eye(4), Camera(64, 64)
    )
    assert tuple(rgb[16, 16]) == (255, 0, 0) and tuple(rgb[16, 48]) == (0, 255, 0)
    assert tuple(rgb[48, 16]) == (0, 0, 255) and tuple(rgb[48, 48]) == (9, 9, 9)


def test_colours_interpolate_between_corners() -> None:
    mesh = wall(-5.0)
    rgb = np.zeros((2, 3, 3), np.float32)
    rgb[0, :, 0], rgb[1, :, 0] = (0, 200, 200), (0, 200, 0)
    painted = PaintedMesh(mesh.vertices, mesh.faces, rgb, mesh.face_ids)
    seen = Renderer(painted).render(np.eye(4), Camera(32, 32))[0][16, :, 0].astype(int)
    assert np.all(np.diff(seen) >= 0) and seen[-1] - seen[0] > 80


def test_antialias_changes_colours_at_edges_only() -> None:
    shape = Shape((1.0, 0.0, 0.0))
    shape.box((1.0, 1.0, 1.0), (0.0, -0.5, 0.0), turn=rotation_x(0.3))
    triangles = shape.triangles().astype(np.float32)
    mesh = PaintedMesh(
        triangles.reshape(-1, 3), np.arange(36, dtype=np.int32).reshape(-1, 3), np.full((12, 3, 3), 255.0, np.float32),
        np.ones(12, np.int32),
    )  # fmt: skip
    pose = pose_from(np.array([0.0, 0.0, 3.0]), 0.0)
    plain, smooth = (Renderer(mesh).render(pose, Camera(48, 48), antialias)[0] for antialias in (1, 2))
    assert set(np.unique(plain)) == {0, 255}
    assert len(np.unique(smooth)) > 2 and (smooth != plain).mean() < 0.15


@pytest.mark.parametrize("colour", ["face", "vertex", "scene"])
def test_trimesh_meshes_can_be_rendered(colour: str) -> None:
    box = trimesh.creation.box((2.0, 2.0, 2.0))
    if colour == "vertex":
        box.visual = trimesh.visual.ColorVisuals(box, vertex_colors=np.tile([5, 100, 250, 255], (len(box.vertices), 1)))
    else:
        box.visual = trimesh.visual.ColorVisuals(box, face_colors=np.tile([5, 100, 250, 255], (len(box.faces), 1)))
    mesh = scene_mesh(trimesh.Scene([box]) if colour == "scene" else box).mesh
    rgb, depth, ids = Renderer(mesh).render(pose_from(np.array([0.0, 0.0, 4.0]), 0.0), Camera(17, 17))
    assert tuple(rgb[8, 8]) == (5, 100, 250) and depth[8, 8] == pytest.approx(3.0) and ids[8, 8] == 1


def test_meshes_that_make_no_sense_are_refused() -> None:
    good = wall(-1.0)
    with pytest.raises(ValueError, match="outside"):
        PaintedMesh(good.vertices, good.faces + 3, good.corner_rgb, good.face_ids)
    with pytest.raises(ValueError, match="belong together"):
        PaintedMesh(good.vertices, good.faces, good.corner_rgb, good.face_ids, atlas=np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="antialias"):
        Renderer(good).render(np.eye(4), Camera(4, 4), antialias=0)
    with pytest.raises(ValueError, match="finite"):
        Renderer(good).render(np.full((4, 4), np.nan), Camera(4, 4))
