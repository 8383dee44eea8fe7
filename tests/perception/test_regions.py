import json

import numpy as np
import pytest

from placecell.benchmarks import regions as bench
from placecell.benchmarks.region_views import match_masks, views_of_house
from placecell.errors import ModelUnavailableError
from placecell.geometry import Camera
from placecell.perception.encoders import OnnxEncoder
from placecell.perception.objects import Detector, open_detector
from placecell.perception.regions import REGIONS_FILE, RegionDetector

SEED = 900_030  # neither trained on nor judged


@pytest.fixture(scope="module")
def detector():
    return RegionDetector(OnnxEncoder(threads=1))


@pytest.fixture(scope="module")
def views():
    return views_of_house(SEED, 12)


def test_most_large_things_of_an_unseen_house_are_cut_out(detector, views):
    assert isinstance(detector, Detector) and not detector.is_privileged
    found, right = [], []
    for view in views:
        cut = detector.regions(view.rgb, view.depth_m, view.camera, view.pose)
        kept = np.concatenate([[False], cut.confidence >= 0.5])
        for match in match_masks(view.ids, np.where(kept[cut.labels], cut.labels, 0)):
            if match.side_px >= 32 and match.thing:
                found.append(match.region > 0)
            if match.side_px >= 32 and match.region:
                right.append(match.thing > 0)
    assert np.mean(found) > 0.5 and np.mean(right) > 0.75


def test_detections_lie_where_the_masks_are_and_only_the_largest_are_described(views):
    detector = RegionDetector(OnnxEncoder(threads=1), max_described=3, min_confidence=0.1)
    num_described = 0
    for view in views[:4]:
        cut = detector.regions(view.rgb, view.depth_m, view.camera, view.pose)
        found = detector.describe(cut, view.rgb)
        same = detector.detect(view.rgb, view.depth_m, view.camera, view.pose)
        assert [thing.box for thing in same] == [thing.box for thing in found.values()]
        for place, (number, thing) in enumerate(found.items()):
            rows, columns = np.nonzero(cut.labels == number)
            size = np.array(cut.labels.shape)
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / np.tile(size[::-1], 2)
            assert np.allclose(thing.box, box) and thing.num_px == round(len(rows) * view.ids.size / cut.labels.size)
            assert (thing.embedding is not None) == (len(thing.labels) == 3) == (place < 3)
            assert thing.confidence == pytest.approx(cut.confidence[number - 1]) and thing.source == "regions"
            num_described += place < 3
    assert num_described > 4


def test_it_never_looks_at_the_instance_image(detector, views):
    view = views[0]
    args = (view.rgb, view.depth_m, view.camera, view.pose)
    boxes = [[thing.box for thing in detector.detect(*args, ids)] for ids in (None, view.ids, np.zeros_like(view.ids))]
    assert boxes[0] == boxes[1] == boxes[2]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.0])
def test_a_picture_without_depth_gives_nothing(detector, value):
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert detector.detect(rgb, np.full((48, 64), value, np.float32), Camera(64, 48), np.eye(4)) == []


def test_bad_input_and_missing_weights_are_one_clear_line(detector, tmp_path):
    rgb, depth = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), np.float32)
    with pytest.raises(ValueError, match="rigid"):
        detector.detect(rgb, depth, Camera(32, 32), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="as the camera says"):
        detector.detect(rgb, depth, Camera(64, 64), np.eye(4))
    encoder = OnnxEncoder(threads=1)
    for wrong in ({"threads": -1}, {"min_confidence": 2.0}, {"max_described": -1}, {"names": ()}):
        with pytest.raises(ValueError):
            RegionDetector(encoder, **wrong)
    with pytest.raises(ModelUnavailableError, match="no region network"):
        RegionDetector(encoder, path=tmp_path / "none.onnx")
    card = json.loads(REGIONS_FILE.with_suffix(".json").read_text())
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    (tmp_path / "broken.json").write_text(json.dumps(card))
    with pytest.raises(ModelUnavailableError, match="does not load"):
        RegionDetector(encoder, path=tmp_path / "broken.onnx")
    (tmp_path / "broken.json").write_text(json.dumps({**card, "confidence": [1.0]}))
    with pytest.raises(ModelUnavailableError, match="another version"):
        RegionDetector(encoder, path=tmp_path / "broken.onnx")


def test_it_opens_by_name(detector):
    encoder = OnnxEncoder(threads=1)
    assert isinstance(open_detector("regions", encoder), RegionDetector)
    assert open_detector(encoder=encoder, names={3: "mug"}).name == detector.name
    assert len(REGIONS_FILE.read_bytes()) < 4_000_000


def test_the_benchmark_judges_every_source_on_the_same_views():
    result = bench.run(num_houses=2, num_views=3, first_seed=SEED)
    sources = result["sources"]
    assert set(sources) == {"regions", "geometry", "masks"} and result["num_views"] == 6
    assert len({source["num_things"] for source in sources.values()}) == 1
    assert sources["masks"]["found"]["value"] > 0.95 and sources["masks"]["right"]["value"] == 1.0
    assert sources["geometry"]["found"]["value"] < sources["regions"]["found"]["value"]
    assert "regions" in bench.summary(result)
    with pytest.raises(ValueError, match="no peer owl"):
        bench.run(peers=["owl"])


def test_masks_match_by_their_overlap():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 5, (8, 8)).repeat(8, 0).repeat(8, 1) * 10
    labels = rng.integers(0, 4, (8, 8)).repeat(8, 0).repeat(8, 1)
    labels[:32] = ids[:32] // 10
    matches = match_masks(ids, labels)
    assert sorted(m.thing for m in matches if m.thing) == sorted(set(np.unique(ids)) - {0})
    assert sorted(m.region for m in matches if m.region) == sorted(set(np.unique(labels)) - {0})
    for m in matches:
        if m.thing and m.region:
            a, b = ids == m.thing, labels == m.region
            assert m.iou == pytest.approx((a & b).sum() / (a | b).sum()) and m.iou >= 0.5
        if m.region:
            assert m.on_structure == pytest.approx((ids[labels == m.region] < 10).mean())
