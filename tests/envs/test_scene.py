"""Any home: meshes that people bring, the map found in them, and what is said when they hold no home."""

import importlib.util
import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from placecell.envs.building import House
from placecell.envs.export import export_glb, export_habitat
from placecell.envs.house import HouseEnv
from placecell.envs.meshes import load_mesh
from placecell.envs.render import Renderer
from placecell.envs.scene import SceneEnv
from placecell.envs.testing import check_env_contract, check_two_views
from placecell.errors import MissingDependencyError, PlacecellError
from placecell.geometry import Camera, look_at, pose_from


@pytest.fixture(scope="module")
def house() -> House:
    return House.generate(3, 5)


@pytest.fixture(scope="module")
def home(house, tmp_path_factory):
    return export_glb(house, tmp_path_factory.mktemp("scene") / "home.glb")


def a_room(size=(6.0, 2.6, 4.0)):
    """An empty room from y = 0, without a ceiling's worth of thickness: six sheets."""
    room = trimesh.creation.box(size)
    room.apply_translation((0, size[1] / 2, 0))
    return room


def put(mesh, path):
    path.write_bytes(mesh.export(file_type=path.suffix[1:]))
    return path


def test_a_brought_scene_keeps_the_contract_of_every_environment(home):
    check_env_contract(lambda: SceneEnv(home, resolution=(48, 64)))


def test_a_house_looks_the_same_through_a_file(house, home):
    env, there = SceneEnv(home, resolution=(96, 96)), HouseEnv(house, resolution=(96, 96))
    for seed in range(3):
        seen, _ = env.reset(seed=seed)
        rgb, depth, _ = there.render_at(env.pose)
        assert np.abs(seen["rgb"].astype(int) - rgb).mean() < 1.0
        assert np.abs(seen["depth"] - depth).max() < 1e-3


def test_the_map_computed_from_a_mesh_is_that_of_the_house(house, home):
    found, truth = SceneEnv(home, resolution=(8, 8)).pathfinder, house.pathfinder()
    truth.seed(0)
    agrees = [found.is_navigable(truth.get_random_navigable_point()) for _ in range(300)]
    found.seed(1)
    back = [truth.is_navigable(found.get_random_navigable_point()) for _ in range(300)]
    # The house blocks a thing's whole footprint, its mesh only where something stands in the way.
    assert np.mean(agrees) > 0.9 and np.mean(back) > 0.85


def test_textures_are_shown_whether_inside_the_file_or_beside_it(tmp_path):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = (250, 10, 10)
    picture[32:] = (10, 10, 250)
    corners = np.array([[-1, -1, -2], [1, -1, -2], [1, 1, -2], [-1, 1, -2]], float)
    uv = np.array([[0, 0], [3, 0], [3, 1], [0, 1]], float)  # three times across
    visual = trimesh.visual.TextureVisuals(
        uv=uv,
        material=trimesh.visual.material.PBRMaterial(
            baseColorTexture=Image.fromarray(picture), baseColorFactor=[255, 255, 255, 255]
        ),
    )
    wall = trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False)
    inside = put(trimesh.Scene([wall]), tmp_path / "wall.glb")
    folder = tmp_path / "beside"
    folder.mkdir()
    for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene([wall])).items():
        (folder / name).write_bytes(data)
    described = json.loads((folder / "model.gltf").read_text())
    described["images"] = [{"uri": "wall.png"}]
    (folder / "model.gltf").write_text(json.dumps(described))
    Image.fromarray(picture).save(folder / "wall.png")
    for path in (inside, folder / "model.gltf"):
        mesh = load_mesh(path)
        rgb, _, _ = Renderer(mesh.mesh).render(np.eye(4), Camera(32, 32, np.pi / 4))
        assert np.abs(rgb[8, 16].astype(int) - (250, 10, 10)).max() < 4, path
        assert np.abs(rgb[24, 16].astype(int) - (10, 10, 250)).max() < 4, path
        assert mesh.notes == ()
    (folder / "wall.png").unlink()
    mesh = load_mesh(folder / "model.gltf")
    assert "wall.png" in mesh.notes[0] and mesh.mesh.atlas is None


def test_vertex_colours_are_shown(tmp_path):
    corners = np.array([[-1, -1, -2], [1, -1, -2], [0, 1, -2]], float)
    sheet = trimesh.Trimesh(corners, [[0, 1, 2]], vertex_colors=[[0, 200, 0, 255]] * 3, process=False)
    for name in ("sheet.glb", "sheet.ply"):
        rgb, _, ids = Renderer(load_mesh(put(sheet, tmp_path / name)).mesh).render(np.eye(4), Camera(9, 9))
        assert tuple(rgb[4, 4]) == (0, 200, 0) and ids[4, 4] == 1


def test_sheets_of_no_thickness_block_the_way(tmp_path):
    room = a_room()
    wall = trimesh.creation.box((0.0, 2.6, 3.0))  # a sheet with a gap of one metre beside it
    wall.apply_translation((0.0, 1.3, -0.5))
    env = SceneEnv(put(trimesh.Scene([room, wall]), tmp_path / "two.glb"), resolution=(8, 8))
    assert not env.pathfinder.is_navigable((0.0, 0.0, -0.5))
    direct, way = 2.0, env.pathfinder.geodesic_distance((-1.0, 0.0, -1.5), (1.0, 0.0, -1.5))
    assert direct + 1.0 < way < 8.0


def test_every_storey_is_found_and_the_roof_comes_last(tmp_path):
    storeys = [a_room(), a_room()]
    storeys[1].apply_translation((0, 3.0, 0))
    path = put(trimesh.Scene(storeys), tmp_path / "tower.glb")
    env = SceneEnv(path, floor=1, resolution=(16, 16))
    assert [round(floor.height_m, 1) for floor in env.floors if floor.is_covered] == [0.0, 3.0]
    env.reset(seed=0)
    assert abs(env.pose[1, 3] - 3.88) < 0.01
    with pytest.raises(ValueError, match="floor must be one of"):
        SceneEnv(path, floor=9)


def test_z_up_files_are_turned(tmp_path):
    room = a_room((6.0, 2.6, 4.0))
    room.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    env = SceneEnv(put(room, tmp_path / "z.glb"), up="z", resolution=(8, 8))
    low, high = env.pathfinder.get_bounds()
    assert np.allclose((high - low)[[0, 2]], (6.0, 4.0), atol=0.1)


def test_a_file_without_a_floor_is_refused_in_one_line(tmp_path):
    ball = trimesh.creation.icosphere(radius=0.3)
    with pytest.raises(PlacecellError, match="no floor") as caught:
        SceneEnv(put(ball, tmp_path / "ball.glb"))
    assert "\n" not in str(caught.value) and "up='z'" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"), [(b"", "cannot be read"), (b"glTF rubbish", "cannot be read"), (b"\x00" * 999, "cannot be read")]
)
def test_a_file_that_is_no_mesh_is_refused_in_one_line(tmp_path, data, said):
    (tmp_path / "x.glb").write_bytes(data)
    with pytest.raises(PlacecellError, match=said) as caught:
        load_mesh(tmp_path / "x.glb")
    assert "\n" not in str(caught.value)
    with pytest.raises(PlacecellError, match="is no file"):
        load_mesh(tmp_path / "absent.glb")


def test_a_scene_in_millimetres_is_told_apart(tmp_path):
    with pytest.raises(PlacecellError, match="unit the metre"):
        SceneEnv(put(a_room((6000.0, 2600.0, 4000.0)), tmp_path / "mm.glb"))


def test_a_million_triangles_are_walked_in(tmp_path):
    room = a_room()
    vertices, faces = trimesh.remesh.subdivide_loop(room.vertices, room.faces, 0)
    ball = trimesh.creation.icosphere(subdivisions=8, radius=0.4)  # 1.3 million
    ball.apply_translation((1.5, 0.4, 0.0))
    assert len(ball.faces) > 1_000_000 and len(faces) == 12
    env = SceneEnv(put(trimesh.Scene([room, ball]), tmp_path / "large.glb"), resolution=(32, 32))
    env.reset(seed=0)
    rgb, depth, ids = env.render_at(look_at(np.array([-1.0, 1.0, 0.0]), np.array([1.5, 0.4, 0.0])))
    assert len(np.unique(ids)) == 2 and abs(depth[16, 16] - (np.hypot(2.5, 0.6) - 0.4)) < 0.02
    assert not env.pathfinder.is_navigable((1.5, 0.0, 0.0))


def test_two_views_of_a_brought_scene_agree(home):
    env = SceneEnv(home, resolution=(64, 64))
    env.reset(seed=4)
    turned = pose_from(env.pose[:3, 3], env.yaw_rad + 0.3)
    assert check_two_views(env, env.camera, env.pose, turned) > 0.9


def test_a_house_is_written_as_habitat_reads_it(house, tmp_path):
    config = export_habitat(house, tmp_path)
    kinds = json.loads(config.read_text())
    assert {kind: value["paths"][".json"] for kind, value in kinds.items()} == {
        "stages": ["stages"],
        "objects": ["objects"],
        "scene_instances": ["scenes"],
    }
    (scene,) = tmp_path.glob("scenes/*.scene_instance.json")
    scene = json.loads(scene.read_text())
    stage = scene["stage_instance"]["template_name"]
    stage = json.loads((tmp_path / "stages" / f"{stage}.stage_config.json").read_text())
    assert (tmp_path / "stages" / stage["render_asset"]).is_file()
    assert len(scene["object_instances"]) == len(house.objects)
    for instance in scene["object_instances"]:
        name = instance["template_name"]
        described = json.loads((tmp_path / "objects" / f"{name}.object_config.json").read_text())
        mesh = house.mesh
        truth = mesh.vertices[mesh.faces[mesh.face_ids == described["semantic_id"]]].reshape(-1, 3)
        bounds = trimesh.load_scene(tmp_path / "objects" / described["render_asset"]).bounds
        placed = bounds + np.asarray(instance["translation"])
        assert np.allclose(placed, [truth.min(axis=0), truth.max(axis=0)], atol=1e-3)


def test_habitat_itself_keeps_the_contract(house, tmp_path):
    pytest.importorskip("habitat_sim", reason="habitat-sim comes from conda only: -c aihabitat -c conda-forge")
    from placecell.envs.habitat import HabitatEnv

    config = export_habitat(house, tmp_path, "home")
    check_env_contract(lambda: HabitatEnv("home", dataset=config, resolution=(48, 64)))


@pytest.mark.skipif(importlib.util.find_spec("habitat_sim") is not None, reason="habitat-sim is installed")
def test_what_to_type_is_said_where_habitat_is_missing():
    from placecell.envs.habitat import HabitatEnv

    with pytest.raises(MissingDependencyError, match="conda install habitat-sim -c aihabitat"):
        HabitatEnv("any.glb")


def test_habitats_buffers_become_ours():
    from placecell.envs.habitat import depth_from, ids_from, pose_from_quaternion, rgb_from

    rgba = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(rgb_from(rgba), rgba[..., :3])
    depth = np.array([[[1.5], [np.inf]], [[np.nan], [-1.0]]], np.float32)
    assert depth_from(depth).tolist() == [[1.5, 0.0], [0.0, 0.0]]
    assert ids_from(np.array([[[7], [0]]], np.uint32)).dtype == np.int32
    turn = 0.7
    pose = pose_from_quaternion(np.array([1.0, 2.0, 3.0]), (np.cos(turn / 2), 0.0, np.sin(turn / 2), 0.0))
    assert np.allclose(pose, pose_from(np.array([1.0, 2.0, 3.0]), turn))
