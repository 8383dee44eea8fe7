"""What was carried elsewhere is known again, whatever stands around it."""

import math

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.envs.house import House, HouseEnv
from placecell.errors import ModelUnavailableError
from placecell.geometry import Camera, look_at, pose_from
from placecell.perception.detection import NUM_IDENTITY, lift, pack_detections, unpack_detections
from placecell.perception.encoders import OnnxEncoder
from placecell.perception.objects import MaskDetector
from placecell.perception.region_grid import RegionGrid, sampled
from placecell.perception.regions import RegionDetector
from placecell.perception.reidentification import PATCH_SIDE, Reidentifier, patch

SEED = 900_031  # neither trained on nor judged
CAMERA = Camera(64, 64)


@pytest.fixture(scope="module")
def reidentify():
    return Reidentifier()


def a_view(seed=0, pose=None):
    """A picture of noise and the depth of a bumpy wall."""
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (64, 64, 3), np.uint8)
    depth = (2.0 + 0.3 * np.sin(np.arange(64) / 5)[:, None] + np.zeros((64, 64))).astype(np.float32)
    return RegionGrid.from_view(rgb, depth, CAMERA, pose_from(np.zeros(3), 0.0) if pose is None else pose)


def a_mask(grid, top=40, left=50, bottom=90, right=80):
    mask = np.zeros(grid.depth_m.shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def sums_of(house, detector, wanted):
    """Of each wanted thing, the sum of the vectors of a few views."""
    env = HouseEnv(house)
    env.pathfinder.seed(3)
    points = np.array([env.pathfinder.get_random_navigable_point() for _ in range(150)])
    found = {}
    for thing in (thing for thing in house.objects if thing.id in wanted):
        off = np.hypot(points[:, 0] - thing.centre_m[0], points[:, 2] - thing.centre_m[2])
        for x, _, z in points[np.flatnonzero((off > 0.4) & (off < 2.5))[:6]]:
            towards = look_at(np.array([x, 0.88, z]), np.asarray(thing.centre_m))
            pose = pose_from(np.array([x, 0.88, z]), math.atan2(towards[0, 2], towards[2, 2]))
            rgb, depth, ids = env.render_at(pose)
            if np.count_nonzero(ids == thing.id) < 100:
                continue
            for seen in detector.detect(rgb, depth, env.camera, pose):
                if max(np.abs(np.subtract(seen.position_m, thing.centre_m))) < 0.15 and seen.identity is not None:
                    found[thing.id] = found.get(thing.id, 0) + seen.identity.astype(np.float32)
    return {number: vector / np.linalg.norm(vector) for number, vector in found.items()}


def test_most_things_of_an_unseen_house_are_known_again_where_they_were_carried_to():
    house = House.generate(SEED)
    changed, changes = house.relocate(np.random.default_rng(1), moved=9)
    wanted, detector = {change.object_id for change in changes}, RegionDetector(OnnxEncoder(threads=1))
    here, there = sums_of(house, detector, wanted), sums_of(changed, detector, wanted)
    both = sorted(here.keys() & there.keys())
    likeness = np.array([[here[a] @ there[b] for b in both] for a in both])
    assert len(both) >= 5 and np.mean(likeness.argmax(axis=1) == np.arange(len(both))) > 0.75
    others = likeness[~np.eye(len(both), dtype=bool)]
    assert np.median(np.diag(likeness)) > 0.9 and np.median(others) < 0.5


def test_what_is_around_a_thing_changes_nothing():
    grid = a_view()
    mask = a_mask(grid)
    before = patch(grid, mask)
    other = RegionGrid(
        np.where(mask[..., None], grid.rgb, 255 - grid.rgb),
        grid.depth_m,
        np.where(mask[..., None], grid.points, grid.points + 1),
        grid.world_from_heading,
    )
    assert before.shape == (7, PATCH_SIDE, PATCH_SIDE) and np.array_equal(before, patch(other, mask))
    assert before[3].mean() > 0.3 and not before[:, before[3] == 0].any()


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.floats(-20, 20)] * 3), st.floats(-math.pi, math.pi))
def test_where_the_camera_stands_and_whereto_it_looks_changes_nothing(at, heading):
    grid = a_view()
    carried = a_view(pose=pose_from(np.array(at), heading))
    assert np.allclose(patch(grid, a_mask(grid)), patch(carried, a_mask(grid)), atol=1e-4)


def test_a_thing_half_as_far_and_half_as_large_is_not_the_same():
    far = a_view()
    near = RegionGrid(far.rgb, far.depth_m / 2, far.points / 2, far.world_from_heading)
    one, two = patch(far, a_mask(far)), patch(near, a_mask(far))
    assert np.array_equal(one[:4], two[:4]) and np.allclose(one[4:], 2 * two[4:], atol=1e-4) and one[4:].any()


def test_too_few_cells_with_depth_have_no_identity(reidentify):
    grid = a_view()
    blind = RegionGrid(grid.rgb, 0 * grid.depth_m, np.full_like(grid.points, np.nan), grid.world_from_heading)
    speck, whole = a_mask(grid, 40, 50, 43, 53), a_mask(grid)
    assert reidentify(blind, [whole]) == [None] and reidentify(grid, []) == []
    none, vector = reidentify(grid, [speck, whole])
    assert none is None and vector.shape == (NUM_IDENTITY,) and vector.dtype == np.float16
    assert np.array_equal(vector, reidentify(grid, [whole])[0])


def test_both_detectors_give_identities_and_memories_keep_them():
    env = HouseEnv(House.generate(SEED))
    view, _ = env.reset(seed=2)
    seen = view["rgb"], view["depth"], env.camera, view["pose"], view["semantic"]
    encoder = OnnxEncoder(threads=1)
    for detector in (RegionDetector(encoder), MaskDetector(None, encoder)):
        found = detector.detect(*seen)
        assert any(thing.identity is not None for thing in found)
        for thing, back in zip(found, unpack_detections(pack_detections(found)), strict=True):
            assert (back.identity is None) == (thing.identity is None)
            assert thing.identity is None or np.array_equal(back.identity, thing.identity)
    assert all(thing.identity is None for thing in MaskDetector({11: "mug"}).detect(*seen))


def test_an_identity_of_another_length_is_refused():
    points = np.dstack([*np.meshgrid(np.linspace(0, 1, 16), np.linspace(0, 1, 16)), np.full((16, 16), 2.0)])
    found = pack_detections([lift(np.ones((16, 16), bool), points, identity=np.ones(NUM_IDENTITY))])
    for length in (1, NUM_IDENTITY + 1):
        (row,) = msgpack.unpackb(found)
        packed = msgpack.packb([[*row[:-1], bytes(2 * length)]])
        with pytest.raises(ValueError, match=f"an identity has 32 numbers, got {length}"):
            unpack_detections(packed)


def test_samples_are_pixels_in_the_middles_of_cells():
    image = np.arange(64).reshape(8, 8)
    assert np.array_equal(sampled(image, (8, 8)), image)
    assert np.array_equal(sampled(image, (2, 4)), image[[2, 6]][:, [1, 3, 5, 7]])


def test_a_network_that_is_not_there_is_said_in_one_line(tmp_path):
    with pytest.raises(ModelUnavailableError, match="none.onnx does not load"):
        Reidentifier(tmp_path / "none.onnx")
