"""What changed by shape alone, in a world of boxes; rays through every voxel are the judge."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.geometry import Camera, look_at
from placecell.memory.differences import VOXEL_M, Differences, compare
from placecell.memory.emptiness import KeyViews
from placecell.perception.detection import Detection
from placecell.perception.scan import Scan

CAMERA = Camera.from_degrees(96, 96, 90.0)
LOW, HIGH = np.array([-3.0, 0.0, -3.0]), np.array([3.0, 2.6, 3.0])
BOX = np.array([-0.3, 0.0, -0.3]), np.array([0.3, 0.6, 0.3])


def view(pose: np.ndarray, boxes=()) -> Scan:
    """Depth of an empty room with boxes in it, cast ray by ray."""
    rows, columns = np.mgrid[0:96, 0:96] + 0.5
    rays = np.stack([(columns - 48) / CAMERA.focal_px, (48 - rows) / CAMERA.focal_px, -np.ones((96, 96))], axis=-1)
    towards = rays @ pose[:3, :3].T
    towards = np.where(np.abs(towards) < 1e-9, 1e-9, towards)

    def cross(low, high):
        near, far = (low - pose[:3, 3]) / towards, (high - pose[:3, 3]) / towards
        return np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)

    depth = cross(LOW, HIGH)[1]
    for low, high in boxes:
        enter, leave = cross(low, high)
        depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
    return Scan.from_depth(depth.astype(np.float32), CAMERA)


def around(turns: int = 16) -> list[np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, turns, endpoint=False)
    return [look_at(np.array([2 * np.cos(a), 1.4, 2 * np.sin(a)]), np.array([0.0, 0.3, 0.0])) for a in angles]


def told(before, after, laps: int = 2) -> Differences:
    """Walk around the middle of the room, come back after an hour, walk around it again."""
    views = KeyViews()
    found = Differences(views)
    for start_s, boxes in ((0.0, before), (3600.0, after)):
        for number, pose in enumerate(around() * laps):
            scan = view(pose, boxes)
            found.fold(start_s + number, pose, scan)
            views.add(start_s + number, pose, scan)
    return found


def test_what_stays_changes_nothing():
    found = told([BOX], [BOX])
    assert not len(found.appeared().low_m) and not len(found.vanished().low_m)


def test_what_comes_fills_its_box_and_what_goes_empties_it():
    for volume, other in (
        ((came := told([], [BOX])).appeared(), came.vanished()),
        ((went := told([BOX], [])).vanished(), went.appeared()),
    ):
        low, high = volume.low_m.min(axis=0), volume.low_m.max(axis=0) + VOXEL_M
        assert np.abs(low - BOX[0]).max() < 2 * VOXEL_M and np.abs(high - BOX[1]).max() < 2 * VOXEL_M
        assert volume.is_sure.mean() > 0.5 and not other.is_sure.any()
        assert (volume.old_s < 100).all() and (volume.new_s >= 3600).all()


def test_nothing_is_known_before_it_is_seen():
    found = told([], [BOX])
    assert len(found.appeared(3700.0).low_m) and not len(found.appeared(3599.0).low_m)


def test_a_detection_in_filled_space_is_told_from_an_old_one():
    old = np.array([0.5, 0.0, -0.2]), np.array([0.9, 0.4, 0.2])
    found = told([old], [old, BOX])
    pose = look_at(np.array([0.2, 1.4, 2.0]), np.array([0.2, 0.3, 0.0]))
    for i in range(3):
        found.fold(3700.0 + i, pose, view(pose, [old, BOX]))
    boxes = [Detection((0.0, 0.0, 1.0, 1.0), 500, tuple(a), tuple(b), tuple((a + b) / 2)) for a, b in (BOX, old)]
    new_s, old_s = found.filled_since(boxes)
    assert 0 <= new_s < 100 and old_s == -np.inf


@settings(max_examples=60, deadline=None)
@given(
    at=st.tuples(st.floats(-1, 1), st.floats(0.3, 1.2), st.floats(-1, 1)),
    angle=st.floats(0, 6.28),
    point=st.tuples(st.floats(-2.5, 2.5), st.floats(0.1, 2.4), st.floats(-2.5, 2.5)),
)
def test_no_ray_looks_past_what_is_in_or_behind_a_thing(at, angle, point):
    box = np.array(at) - 0.25, np.array(at) + 0.25
    eye = np.array([2.8 * np.cos(angle), 1.4, 2.8 * np.sin(angle)])
    pose = look_at(eye, np.array(at))
    verdict = compare(np.array([point]), view(pose, [box]).depth_m, CAMERA, pose)[0]
    towards = np.array(point) - eye
    towards = np.where(np.abs(towards) < 1e-9, 1e-9, towards)
    near, far = (box[0] - eye) / towards, (box[1] - eye) / towards
    enter, leave = np.minimum(near, far).max(), np.maximum(near, far).min()
    if verdict == 2:  # then the ray to the point ends at the point: nothing stands before it
        assert not (enter < leave and 0 < enter < 0.98)


def test_depth_of_zeros_tells_nothing():
    views = KeyViews()
    found = Differences(views)
    nothing = Scan.from_depth(np.zeros((96, 96), np.float32), CAMERA)
    for stamp_s in (0.0, 1000.0):
        assert not len(found.fold(stamp_s, around()[0], nothing))
        views.add(stamp_s, around()[0], nothing)
    assert not len(found.appeared().low_m)
