"""What a record keeps of the space before the camera survives disk, wire, upgrade and budget."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell import Memory, Observation
from placecell.envs.house import HouseEnv
from placecell.geometry import Camera, pose_from
from placecell.memory.sharing import Delta
from placecell.perception.detection import Detection, pack_detections, unpack_detections
from placecell.perception.scan import Scan

CAMERA = Camera(64, 48)
POSE = pose_from(np.array([1.0, 0.9, 2.0]), 0.3)
FOUND = Detection(
    (0.1, 0.2, 0.4, 0.5), 90, (0.0, 0.0, 0.0), (1.0, 0.5, 1.0), (0.5, 0.2, 0.5), np.eye(4)[1], (("mug", 0.75),)
)


def a_view(stamp_s=0.0, depth=2.0, **given):
    depth_m = np.full((48, 64), depth, np.float32)
    vectors = np.eye(4)[:1]
    return Observation(stamp_s, embeddings=vectors, depth_m=depth_m, camera=CAMERA, pose=POSE, **given)


def test_things_depth_and_camera_come_back_from_disk(tmp_path):
    with Memory.open(tmp_path / "m") as memory:
        (record_id,) = memory.observe(a_view(detections=(FOUND,)))
    with Memory.open(tmp_path / "m", mode="r") as memory:
        record = memory.get(record_id)
    assert record.camera == CAMERA and record.scan.depth_m.max() == 2.0
    (found,) = record.detections
    assert (found.box, found.num_px, found.labels) == (FOUND.box, 90, (("mug", 0.75),))
    assert np.array_equal(found.embedding, np.eye(4)[1])


def test_they_travel_with_a_delta_and_damage_is_named():
    here, there = Memory(), Memory()
    (record_id,) = here.observe(a_view(detections=(FOUND,)))
    there.merge(Delta.from_bytes(here.delta({}).to_bytes()))
    assert there.get(record_id).detections[0].labels == FOUND.labels
    assert there.get(record_id).scan.num_known == 48 * 64
    wire = here.delta({}).to_bytes()
    with pytest.raises(ValueError, match="scan"):
        Delta.from_bytes(wire.replace(b"\x89PNG", b"\x89PNX"))


def test_a_memory_of_the_first_format_is_read_as_it_is_and_upgraded_by_its_writer(tmp_path):
    with Memory.open(tmp_path / "m") as memory:
        memory.observe(Observation(1.0, text="the keys are on the shelf"))
    (log,) = (tmp_path / "m").glob("*.sqlite*")
    db = sqlite3.connect(log)
    db.executescript(
        "DROP TABLE scenes; DROP TABLE scans; ALTER TABLE holdings DROP COLUMN scan_bytes; PRAGMA user_version=1;"
    )
    db.close()
    with Memory.open(tmp_path / "m", mode="r") as memory:
        assert memory.recall("keys")[0].text.startswith("the keys")
    with Memory.open(tmp_path / "m") as memory:
        (record_id,) = memory.observe(a_view(2.0))
        assert memory.get(record_id).scan is not None


def test_a_budget_takes_scans_last_and_never_the_things(tmp_path):
    rng = np.random.default_rng(0)
    with Memory.open(tmp_path / "m", max_bytes=2 << 20) as memory:
        for i in range(300):
            depth_m = rng.uniform(1, 4, (48, 64)).astype(np.float32)
            vectors = rng.normal(size=(3, 64))
            memory.observe(
                Observation(
                    float(i), embeddings=vectors, depth_m=depth_m, camera=CAMERA, pose=POSE, detections=(FOUND,)
                )
            )
        records = list(memory.records())
        assert memory.nbytes() <= 2 << 20
    assert len(records) == 300 and all(record.detections and record.camera == CAMERA for record in records)
    assert records[0].scan is None and records[-1].scan is not None
    assert not any(len(record.embeddings) > 1 for record in records if record.scan is None)


def test_unknown_depth_of_every_kind_is_zero_in_the_scan():
    depth = np.full((48, 64), 1.5, np.float32)
    depth[0], depth[1], depth[2], depth[3] = np.nan, np.inf, -1.0, 90.0
    scan = Scan.from_depth(depth, CAMERA)
    assert scan.num_known == 44 * 64 and np.isfinite(scan.depth_m).all()
    assert np.isnan(scan.points(POSE)[0]).all()


def test_a_scan_of_a_house_lies_on_its_surfaces():
    env = HouseEnv(seed=3, resolution=(256, 256))
    seen, _ = env.reset(seed=1)
    scan = Scan.from_bytes(Scan.from_depth(seen["depth"], env.camera).to_bytes())
    _, wanted, _ = env.render_at(env.pose, scan.camera)
    assert np.median(np.abs(scan.depth_m - wanted)) < 0.02  # neighbouring pixels of the sensor


@given(st.binary(max_size=60))
def test_bytes_that_are_no_detections_are_refused_in_one_line(data):
    try:
        unpack_detections(data)
    except ValueError as error:
        assert "\n" not in str(error)


def test_detections_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="finite"):
        Detection((0.0, 0.0, 1.0, 1.0), 5, (0.0, 0.0, 0.0), (1.0, np.nan, 1.0), (0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="low_m"):
        Detection((0.0, 0.0, 1.0, 1.0), 5, (2.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert unpack_detections(pack_detections([])) == ()
    with pytest.raises(ValueError, match="camera's size"):
        Observation(0.0, depth_m=np.ones((10, 10), np.float32), camera=CAMERA)
