import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.geometry import Camera, pose_from, unproject
from placecell.perception.region_grid import CHANNELS, GRID_SIDE, RegionGrid, features
from placecell.perception.region_groups import NUM_CUES, group_cells


def spoken(ids, points, doubt=0.0, rng=None):
    """What a network that knows the truth says of a grid of instance ids."""
    output = np.full((6, *ids.shape), -8.0, np.float32)
    output[0] = np.where(ids > 0, 8, -8)
    output[1, :, :-1] = np.where(ids[:, 1:] == ids[:, :-1], 8, -8)
    output[2, :-1] = np.where(ids[1:] == ids[:-1], 8, -8)
    for i in np.unique(ids[ids > 0]):
        output[3:, ids == i] = points[ids == i].mean(axis=0)[:, None] - points[ids == i].T
    if rng is not None:
        output[:3] += rng.normal(0, doubt, output[:3].shape)
    return output


def flat_points(h, w):
    y, x = np.mgrid[:h, :w].astype(np.float32)
    return np.stack([x / 32, -y / 32, np.full((h, w), -2.0, np.float32)], axis=-1)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_true_answers_give_back_the_true_things(seed):
    rng = np.random.default_rng(seed)
    ids = np.zeros((64, 64), np.int32)
    for i in range(1, 6):  # later ones hide earlier ones and may cut them in two
        x, y, w, h = rng.integers(0, 48, 2).tolist() + rng.integers(4, 40, 2).tolist()
        ids[y : y + h, x : x + w] = i
    points = flat_points(64, 64)
    groups = group_cells(spoken(ids, points), points, min_cells=1)
    for i in np.unique(ids[ids > 0]):
        numbers, counts = np.unique(groups.labels[ids == i], return_counts=True)
        if counts.sum() >= 6:  # slivers vote for nothing
            assert counts.max() >= 0.85 * counts.sum() and numbers[counts.argmax()] > 0
    assert ((groups.labels > 0) == (ids > 0)).all()
    sizes = np.bincount(groups.labels.ravel(), minlength=len(groups) + 1)[1:]
    assert (np.diff(sizes) <= 0).all() and groups.cues.shape == (len(groups), NUM_CUES)


def test_a_leak_joins_nothing_and_a_thing_cut_in_two_is_one():
    ids = np.zeros((32, 64), np.int32)
    ids[4:28, 4:30], ids[4:28, 30:60] = 1, 2
    ids[:, 44:48] = 3  # stands before the second one and parts it
    points = flat_points(32, 64)
    points[ids == 1] -= (1, 0, 0)
    output = spoken(ids, points)
    output[1, 16, 29] = 8  # one cell of the border says that the two belong together
    labels = group_cells(output, points, min_cells=4).labels
    assert labels.max() == 3
    assert all(len(np.unique(labels[ids == i])) == 1 for i in (1, 2, 3))


def test_small_groups_are_left_out_and_nothing_gives_nothing():
    ids = np.zeros((32, 32), np.int32)
    ids[2:4, 2:4], ids[10:20, 10:20] = 1, 2
    points = flat_points(32, 32)
    groups = group_cells(spoken(ids, points), points, min_cells=10)
    assert len(groups) == 1 and (groups.labels == (ids == 2)).all()
    assert np.allclose(groups.middles_m[0], points[ids == 2].mean(axis=0), atol=1e-4)
    empty = group_cells(spoken(np.zeros_like(ids), points), points)
    assert len(empty) == 0 and not empty.labels.any() and empty.cues.shape == (0, NUM_CUES)
    unknown = np.full_like(points, np.nan)
    assert len(group_cells(spoken(ids, points), unknown, min_cells=10)) == 1


@pytest.mark.parametrize(("width", "height"), [(256, 256), (320, 240), (64, 48), (1920, 1080)])
def test_a_grid_keeps_points_of_pixels_and_has_a_side_that_halves_four_times(width, height):
    camera = Camera.from_degrees(width, height, 80.0)
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 5, (height, width)).astype(np.float32)
    depth[: height // 3, : width // 3] = 0
    pose = pose_from(np.array([1.0, 0.9, -2.0]), 0.7, -0.4)
    grid = RegionGrid.from_view(np.zeros((height, width, 3), np.uint8), depth, camera, pose)
    h, w = grid.depth_m.shape
    assert h % 16 == 0 and w % 16 == 0 and max(h, w) == GRID_SIDE
    rows = ((np.arange(h) + 0.5) * height / h).astype(int)
    columns = ((np.arange(w) + 0.5) * width / w).astype(int)
    expected = unproject(depth, camera, pose)[rows[:, None], columns[None, :]]
    turn = grid.world_from_heading
    assert np.allclose(grid.points @ turn[:3, :3].T + turn[:3, 3], expected, atol=1e-4, equal_nan=True)
    assert (grid.known == (grid.depth_m > 0)).all()
    values = features(grid)
    assert values.shape == (CHANNELS, h, w) and np.isfinite(values).all() and np.abs(values).max() < 10


def test_features_do_not_know_where_in_the_world_the_camera_is():
    camera, rng = Camera(128, 128), np.random.default_rng(1)
    rgb, depth = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8), rng.uniform(1, 4, (128, 128)).astype(np.float32)
    one, other = (
        features(RegionGrid.from_view(rgb, depth, camera, pose_from(np.array(at), yaw, -0.3)))
        for at, yaw in (((0.0, 0.88, 0.0), 0.0), ((5.0, 3.0, -7.0), 2.1))
    )
    assert np.allclose(one, other, atol=1e-3)


def test_a_plane_does_not_bend():
    camera = Camera(GRID_SIDE, GRID_SIDE)
    rays = camera.directions()
    tilted = (2.0 / (1.0 + 0.3 * rays[..., 0] - 0.2 * rays[..., 1])).astype(np.float32)
    grid = RegionGrid.from_view(np.zeros((GRID_SIDE, GRID_SIDE, 3), np.uint8), tilted, camera, np.eye(4))
    assert np.abs(features(grid)[10:]).max() < 1e-3
    tilted[40:80, 40:80] *= 0.7
    grid = RegionGrid.from_view(np.zeros((GRID_SIDE, GRID_SIDE, 3), np.uint8), tilted, camera, np.eye(4))
    assert np.abs(features(grid)[10:]).max() > 1
