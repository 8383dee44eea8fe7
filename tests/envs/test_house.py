"""Houses: same seed same house, connected, furnished by type; the environment keeps Habitat's conventions."""

import hashlib
import json
import math
import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from placecell.envs.contents import SIGNATURES
from placecell.envs.house import CATALOGUE, CATEGORIES, COLOURS, ROOM_TYPES, STRUCTURE, Action, House, HouseEnv, tour
from placecell.envs.layout import built
from placecell.envs.testing import check_env_contract, check_two_views
from placecell.geometry import Camera, look_at, pose_from, unproject

SEEDS = (1, 11, 5)


@pytest.fixture(scope="module")
def house() -> House:
    return House.generate(seed=5)


@pytest.fixture(scope="module", params=SEEDS)
def any_house(request: pytest.FixtureRequest) -> House:
    return House.generate(seed=request.param)


def test_world_is_as_large_as_promised() -> None:
    assert len(CATEGORIES) >= 40 and len(COLOURS) >= 8 and len(ROOM_TYPES) >= 7
    assert all(kind.variants >= 3 for kind in CATALOGUE.values())


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_variant_is_built_and_shows_its_colour(category: str) -> None:
    shapes = [built(category, "red", variant, 7) for variant in range(CATALOGUE[category].variants)]
    for shape in shapes:
        low, high = shape.triangles().reshape(-1, 3).min(axis=0), shape.triangles().reshape(-1, 3).max(axis=0)
        assert np.isfinite(shape.triangles()).all() and np.allclose(
            np.linalg.norm(shape.normals(), axis=-1), 1, atol=1e-6
        )
        assert np.all(high - low > 0.005) and np.all(high - low < 2.45)
        assert shape.is_main().any()
    outlines = {shape.triangles().shape for shape in shapes}
    spans = {tuple(np.round(np.ptp(shape.triangles().reshape(-1, 3), axis=0), 3)) for shape in shapes}
    assert len(outlines) > 1 or len(spans) > 1, "variants must differ in shape"


def test_same_seed_gives_the_same_bytes_in_any_process() -> None:
    code = (
        "import hashlib, json; from placecell.envs.house import House; h = House.generate(4);"
        "seen = h.mesh.corner_rgb.tobytes() + h.mesh.atlas.tobytes();"
        "print(json.dumps([h.digest(), hashlib.sha256(seen).hexdigest()]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here = House.generate(4)
    assert json.loads(run.stdout) == [
        here.digest(),
        hashlib.sha256(here.mesh.corner_rgb.tobytes() + here.mesh.atlas.tobytes()).hexdigest(),
    ]
    assert here.digest() != House.generate(6).digest()


def test_rooms_do_not_overlap_and_carry_a_known_type(any_house: House) -> None:
    rooms = any_house.rooms
    assert 5 <= len(rooms) <= 9
    for room in rooms:
        assert room.type in ROOM_TYPES and room.area_m2 > 4
        for other in rooms[room.id + 1 :]:
            apart = room.x1 <= other.x0 or other.x1 <= room.x0 or room.z1 <= other.z0 or other.z1 <= room.z0
            assert apart


def test_every_room_holds_its_signature_objects(any_house: House) -> None:
    for room in any_house.rooms:
        inside = {thing.category for thing in any_house.objects if thing.room_id == room.id}
        assert inside >= set(SIGNATURES[room.type])


def test_objects_stay_inside_their_room_and_ids_are_unique(any_house: House) -> None:
    ids = [thing.id for thing in any_house.objects]
    assert len(set(ids)) == len(ids) and min(ids) > max(STRUCTURE.values())
    for thing in any_house.objects:
        room = any_house.rooms[thing.room_id]
        assert room.contains(float(thing.centre_m[0]), float(thing.centre_m[2])), thing
        assert thing.room_type == room.type and thing.category in CATEGORIES and thing.colour in COLOURS
        assert -0.01 <= thing.low_m[1] < thing.high_m[1] <= any_house.plan.height + 0.01, thing


def test_small_things_stand_on_what_carries_them(any_house: House) -> None:
    carried = [thing for thing in any_house.objects if thing.on is not None]
    assert carried
    for thing in carried:
        carrier = any_house.object(thing.on)
        assert carrier.low_m[0] - 0.05 <= thing.centre_m[0] <= carrier.high_m[0] + 0.05
        assert carrier.low_m[2] - 0.05 <= thing.centre_m[2] <= carrier.high_m[2] + 0.05
        assert carrier.low_m[1] < thing.low_m[1] + 0.05


def test_aabb_is_that_of_the_mesh(house: House) -> None:
    mesh = house.mesh
    for thing in house.objects[::7]:
        corners = mesh.vertices[mesh.faces[mesh.face_ids == thing.id]].reshape(-1, 3)
        shown = corners[corners[:, 1] >= thing.low_m[1] - 1e-3]
        assert np.all(shown.min(axis=0) >= thing.low_m - 1e-3) and np.all(shown.max(axis=0) <= thing.high_m + 1e-3)


def test_free_floor_is_one_component_and_touches_every_room(any_house: House) -> None:
    finder = any_house.pathfinder()
    assert finder.largest_share >= 0.99
    for room in any_house.rooms:
        spot = finder.snap_point((room.centre[0], 0.0, room.centre[1]), finder.largest_island)
        found = any_house.room_at(float(spot[0]), float(spot[2]))
        assert found is not None and found.id == room.id


def test_an_object_that_is_seen_is_where_it_is_said_to_be(house: House) -> None:
    camera = Camera.from_degrees(128, 128, 90.0)
    finder, rng = house.pathfinder(), np.random.default_rng(0)
    seen = 0
    for _ in range(12):
        point = finder.get_random_navigable_point()
        pose = pose_from(point + np.array([0, 1.2, 0]), float(rng.uniform(0, 6.28)))
        _, depth, ids = house.renderer.render(pose, camera)
        points = unproject(depth, camera, pose)
        for object_id in set(np.unique(ids).tolist()) - set(STRUCTURE.values()) - {0}:
            thing = house.object(object_id)
            part = points[ids == object_id]
            assert np.all(part > thing.low_m - 0.02) and np.all(part < thing.high_m + 0.02)
            seen += 1
    assert seen > 10


def test_colour_of_an_object_dominates_its_pixels_when_it_is_asked(house: House) -> None:
    names = list(COLOURS)
    table = np.array([COLOURS[name] for name in names])
    right = total = 0
    for thing in house.objects:
        if not thing.colour_asked or thing.colour in ("black", "white"):
            continue
        size = float(np.linalg.norm(thing.high_m - thing.low_m))
        room = house.rooms[thing.room_id]
        toward = np.array([room.centre[0] - thing.centre_m[0], 0.0, room.centre[1] - thing.centre_m[2]])
        toward /= max(float(np.linalg.norm(toward)), 1e-6)
        pose = look_at(thing.centre_m + toward * (size * 0.9 + 0.2) + (0, size * 0.4, 0), thing.centre_m)
        rgb, _, ids = house.renderer.render(pose, Camera(64, 64))
        pixels = rgb[ids == thing.id].astype(float) / 255
        if len(pixels) < 80:
            continue
        hue = pixels / np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
        guess = (hue @ (table / np.linalg.norm(table, axis=1, keepdims=True)).T).argmax(axis=1)
        share = np.bincount(guess[np.ptp(pixels, axis=1) > 0.15], minlength=len(names))
        right += names[int(share.argmax())] == thing.colour
        total += 1
    assert total > 15 and right / total > 0.9


def test_ceilings_are_not_black(any_house: House) -> None:
    mesh = any_house.mesh
    assert mesh.corner_rgb[mesh.face_ids == STRUCTURE["ceiling"]].min() > 90


@pytest.mark.filterwarnings("error")
def test_gymnasium_checks_pass() -> None:
    env = gymnasium.make("placecell/House-v0", seed=11, resolution=(48, 64), render_mode="rgb_array")
    check_env(env.unwrapped)


def test_env_keeps_the_contract(house: House) -> None:
    check_env_contract(lambda: HouseEnv(house, resolution=(48, 64)))
    check_env_contract(
        lambda: HouseEnv(house, resolution=(32, 32), forward_step_m=0.1, turn_deg=15.0),
        forward_step_m=0.1,
        turn_deg=15.0,
    )


def test_depth_of_two_views_agrees(house: House) -> None:
    env = HouseEnv(house, resolution=(96, 128))
    observation, _ = env.reset(seed=3)
    pose = observation["pose"]
    other = pose.copy()
    other[:3, 3] += 0.1 * pose[:3, 0]
    assert check_two_views(env, Camera.from_degrees(128, 96, 90.0), pose, other) > 0.93


def test_the_agent_never_touches_anything(house: House) -> None:
    for sliding in (False, True):
        env = HouseEnv(house, resolution=(8, 8), allow_sliding=sliding, max_steps=400)
        env.reset(seed=1)
        collided = 0
        for action in np.random.default_rng(2).choice([1, 1, 1, 1, 2, 3], 300):
            _, _, _, _, info = env.step(int(action))
            collided += info["collided"]
            point = info["position_m"]
            assert env.pathfinder.is_navigable(point)
            assert env.pathfinder.distance_to_closest_obstacle(point) >= 0.18
        assert collided > 10


def test_a_large_house_has_as_many_rooms_as_asked_for_and_several_of_a_type() -> None:
    large = House.generate(2_000_064, num_rooms=14)
    assert len(large.rooms) == 14 and large.pathfinder().largest_share >= 0.99
    kinds = [room.type for room in large.rooms]
    assert kinds.count("bedroom") >= 3 and kinds.count("bathroom") >= 2 and kinds.count("hallway") == 1
    assert sum(room.area_m2 for room in large.rooms) > 150
    assert large.digest() == House.generate(2_000_064, num_rooms=14).digest() != House.generate(2_000_064).digest()


def test_tour_visits_every_room() -> None:
    env = HouseEnv(seed=11, resolution=(8, 8), max_steps=3000)
    _, info = env.reset(seed=0)
    visited, count = {info["room_id"]}, 0
    for action in tour(env):
        _, _, _, truncated, info = env.step(action)
        visited.add(info["room_id"])
        count += 1
        assert not truncated
    assert visited >= set(range(len(env.house.rooms)))
    assert 60 < count < 900
    env.reset(seed=0)
    assert sum(1 for action in tour(env, max_steps=25) if env.step(action)) == 25


def test_relocate_tells_exactly_what_changed(house: House) -> None:
    changed, changes = house.relocate(np.random.default_rng(0), moved=4, added=2, removed=3)
    again, _ = house.relocate(np.random.default_rng(0), moved=4, added=2, removed=3)
    assert changed.digest() == again.digest() != house.digest()
    kinds = [change.kind for change in changes]
    assert (kinds.count("moved"), kinds.count("added"), kinds.count("removed")) == (4, 2, 3)
    before, after = {t.id: t for t in house.objects}, {t.id: t for t in changed.objects}
    touched = {change.object_id for change in changes}
    for object_id in set(before) | set(after):
        if object_id not in touched:
            assert np.array_equal(before[object_id].aabb, after[object_id].aabb)
    for change in changes:
        assert (change.object_id in before) == (change.kind != "added")
        assert (change.object_id in after) == (change.kind != "removed")
        if change.kind == "moved":
            assert change.before is not None and change.after is not None
            assert change.before.room_id != change.after.room_id
            assert (change.before.category, change.before.colour) == (change.after.category, change.after.colour)
            assert np.array_equal(change.after.aabb, after[change.object_id].aabb)
    assert changed.pathfinder().largest_share >= 0.99
    later, more = changed.relocate(np.random.default_rng(1), added=2)
    assert not {c.object_id for c in more} & (set(before) | set(after)), "ids of removed things are not given again"
    assert len(later.objects) == len(changed.objects) + 2


def test_topdown_maps_world_to_pixels(house: House) -> None:
    picture, to_pixel = house.topdown(0.02)
    for room in house.rooms:
        column, row = to_pixel @ (room.x0 + 0.03, room.z0 + 0.03, 1.0)
        column_1, row_1 = to_pixel @ (room.x1, room.z1, 1.0)
        assert 0 <= column < column_1 < picture.shape[1] and 0 <= row < row_1 < picture.shape[0]
    column, row = to_pixel @ (house.plan.width / 2, -0.15, 1.0)
    assert (picture[int(row), int(column)] == 255).all()


def test_scene_is_a_trimesh_scene_with_every_object(house: House) -> None:
    scene = house.scene
    names = {f"{thing.id}_{thing.category.replace(' ', '_')}" for thing in house.objects}
    assert set(scene.geometry) == names | {"shell", "shell_patterned"}
    assert sum(len(part.faces) for part in scene.geometry.values()) == len(house.mesh.faces)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: House.generate(0, num_rooms=4), "between 5 and 16"),
        (lambda: House.generate(0, num_rooms=17), "between 5 and 16"),
        (lambda: House.generate(-1), "must not be negative"),
        (lambda: HouseEnv(seed=0, sensor_height_m=9.0), "sensor_height_m"),
        (lambda: HouseEnv(House.generate(11), agent_radius_m=50.0), "fits nowhere"),
        (lambda: HouseEnv(seed=0, render_mode="human"), "render_mode"),
        (lambda: House.generate(1).relocate(np.random.default_rng(0), moved=500), "were asked for"),
    ],
)
def test_bad_arguments_get_one_clear_line(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


def test_misuse_of_an_episode_is_refused(house: House) -> None:
    env = HouseEnv(house, resolution=(8, 8), max_steps=2)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(Action.MOVE_FORWARD)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.step(7)
    env.step(Action.TURN_LEFT)
    assert env.step(Action.TURN_LEFT)[3], "the episode is truncated after max_steps"
    with pytest.raises(RuntimeError, match="over"):
        env.step(Action.TURN_LEFT)
    with pytest.raises(ValueError, match="navigable"):
        env.reset(options={"position": (-5.0, 0.0, 0.0)})
    with pytest.raises(ValueError, match="options"):
        env.reset(options={"house": 3})


def test_reset_puts_the_agent_where_it_is_told(house: House) -> None:
    env = HouseEnv(house, resolution=(8, 8))
    point = env.pathfinder.get_random_navigable_point()
    observation, info = env.reset(options={"position": point, "yaw_rad": math.pi / 3})
    assert np.allclose(info["position_m"], point) and env.yaw_rad == pytest.approx(math.pi / 3)
    assert observation["pose"][1, 3] == pytest.approx(env.sensor_height_m)
