import textwrap
from pathlib import Path

import numpy as np
import pytest

from placecell.envs.house import HouseEnv
from placecell.geometry import Camera, look_at, unproject
from placecell.perception.detection import lift
from placecell.perception.encoders import OnnxEncoder
from placecell.perception.objects import CropNamer, Detector, MaskDetector, check_view, open_detector


@pytest.fixture(scope="module")
def encoder():
    return OnnxEncoder(threads=1)


@pytest.fixture(scope="module")
def view():
    """A view of a house towards its largest thing."""
    env = HouseEnv(seed=3)
    thing = max(env.house.objects, key=lambda thing: np.prod(thing.high_m - thing.low_m))
    room = env.house.rooms[thing.room_id]
    spot = max(
        (env.pathfinder.snap_point(np.array([x, 0.0, z])) for x in (room.x0, room.x1) for z in (room.z0, room.z1)),
        key=lambda p: np.linalg.norm(p - thing.centre_m),
    )
    pose = look_at(spot + (0, 0.88, 0), thing.centre_m)
    return env.house, env.camera, pose, *env.render_at(pose)


def test_masks_become_detections_where_the_things_are(view, encoder):
    house, camera, pose, rgb, depth, ids = view
    things = {thing.id: thing for thing in house.objects}
    names = {i: thing.category for i, thing in things.items()}
    detector = MaskDetector(names, encoder)
    found = detector.detect(rgb, depth, camera, pose, ids)
    counts = {int(i): int((ids == i).sum()) for i in np.unique(ids) if i in things and (ids == i).sum() >= 40}
    assert [each.num_px for each in found] == sorted(counts.values(), reverse=True)
    for each in found:
        assert each.is_privileged and each.source == "masks" and each.labels[0][1] == 1.0
        same = [t for t in things.values() if t.category == each.labels[0][0] and t.id in counts]
        slack = 0.02
        assert any(
            (np.array(each.low_m) >= t.aabb[0] - slack).all() and (np.array(each.high_m) <= t.aabb[1] + slack).all()
            for t in same
        )
        assert each.embedding is None or abs(np.linalg.norm(each.embedding.astype(float)) - 1) < 1e-2
    assert sum(each.embedding is not None for each in found) == min(20, len(found))


def test_without_names_the_encoder_names_what_is_not_structure(view, encoder):
    house, camera, pose, rgb, depth, ids = view
    found = MaskDetector(None, encoder).detect(rgb, depth, camera, pose, ids)
    shown = sum((ids == t.id).sum() >= 40 for t in house.objects)
    assert len(found) == shown > 0
    for each in found:
        chances = [chance for _, chance in each.labels]
        assert len(chances) == 3 and chances == sorted(chances, reverse=True) and sum(chances) <= 1 + 1e-6
    only_structure = np.where(ids < 10, ids, 1)
    assert MaskDetector(None, encoder).detect(rgb, depth, camera, pose, only_structure) == []


def test_a_crop_is_described_alike_wherever_it_stands_in_the_batch(view, encoder):
    *_, rgb, _, _ = view
    namer = CropNamer(encoder, ("sofa", "mug", "bed"))
    boxes = [(10, 10, 60, 90), (100, 120, 140, 150), (200, 0, 256, 256)]
    vectors, labels = namer(rgb, boxes)
    alone, own = namer(rgb, boxes[1:2])
    assert np.allclose(alone[0], vectors[1], atol=1e-4) and [n for n, _ in own[0]] == [n for n, _ in labels[1]]
    assert {name for name, _ in labels[0]} == {"sofa", "mug", "bed"}
    vectors, labels = namer(rgb, [])
    assert vectors.shape == (0, encoder.dim) and labels == []
    with pytest.raises(ValueError, match="at least one name"):
        CropNamer(encoder, ())


def test_unknown_depth_gives_nothing_and_bad_input_one_clear_line(encoder):
    camera, pose = Camera(32, 32), np.eye(4)
    rgb, ids = np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 11)
    detector = MaskDetector(None, encoder)
    for value in (0.0, np.nan, np.inf, -1.0):
        assert detector.detect(rgb, np.full((32, 32), value, np.float32), camera, pose, ids) == []
    depth = np.ones((32, 32), np.float32)
    assert len(detector.detect(rgb, depth, camera, pose, ids)) == 1
    with pytest.raises(ValueError, match="needs the simulator's instance image"):
        detector.detect(rgb, depth, camera, pose)
    for wrong in ((rgb[:16], depth, ids), (rgb, depth[:16], ids), (rgb, depth, ids[:16])):
        with pytest.raises((ValueError, TypeError)):
            detector.detect(wrong[0], wrong[1], camera, pose, wrong[2])
    with pytest.raises(ValueError, match="rigid"):
        detector.detect(rgb, depth, camera, np.diag([1.0, 1, 2, 1]), ids)
    with pytest.raises(ValueError, match="min_px"):
        MaskDetector({}, min_px=0)


def test_detectors_open_by_name(encoder):
    detector = open_detector("masks", encoder, {11: "mug"})
    assert isinstance(detector, Detector) and detector.is_privileged
    with pytest.raises(ValueError, match="expected regions, masks, or open_vocabulary:MODEL"):
        open_detector("owl")
    with pytest.raises(ValueError, match="by instance id"):
        open_detector("masks", encoder, ["mug"])


def test_the_detector_of_the_docs_runs():
    text = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
    scope = {"lift": lift, "check_view": check_view, "unproject": unproject}
    exec(textwrap.dedent(text[text.index("    class RedThings") :]), scope)
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[20:40, 10:30, 0] = 255
    (found,) = scope["RedThings"]().detect(rgb, np.full((64, 64), 2.0, np.float32), Camera(64, 64), np.eye(4))
    assert found.num_px == 400 and found.labels[0][0] == "something red"
    assert isinstance(scope["RedThings"](), Detector)
