import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.errors import EncoderMismatchError, PlacecellError, UnknownRecordError
from placecell.memory.budget import NearDuplicateGate
from placecell.memory.records import RecordId
from placecell.memory.sharing import Delta
from placecell.memory.testing import CHECKS, HashEncoder, plain_image, same_record, walk


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory_in_ram_conforms(check):
    check(lambda: Memory(HashEncoder()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory_on_disk_conforms(check, tmp_path):
    check(lambda: Memory.open(tmp_path / "house.memory", HashEncoder()))


def test_reopening_gives_the_same_records_and_answers(tmp_path):
    query = np.random.default_rng(1).standard_normal(64)
    with Memory.open(tmp_path / "m") as memory:
        memory.observe_many(walk(0, 80, tiles=3))
        records, hits = list(memory.records()), memory.recall(query, k=10)
        version = memory.version()
    with Memory.open(tmp_path / "m") as memory:
        assert memory.version() == version and len(memory) == len(records)
        assert all(same_record(a, b) for a, b in zip(memory.records(), records, strict=True))
        assert [(h.record_id, h.score) for h in memory.recall(query, k=10)] == [(h.record_id, h.score) for h in hits]
        memory.observe(Observation(200.0, text="and on"))


def test_a_reader_in_the_same_folder_sees_new_records_by_itself(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder()) as writer, Memory.open(tmp_path / "m", mode="r") as early:
        assert early.recall("red") == [] and early.encoder_name is None
        writer.observe(Observation(0.0, rgb=plain_image("red")))
        with Memory.open(tmp_path / "m", HashEncoder(), mode="r") as reader:
            assert reader.recall("red")[0].stamp_s == 0.0
            writer.observe_many([Observation(1.0, rgb=plain_image("blue")), Observation(2.0, text="a blue whale")])
            assert len(reader) == 1 and reader.refresh() and len(reader) == 3 and not reader.refresh()
            writer.observe(Observation(3.0, rgb=plain_image("green")))
            assert reader.recall("green", k=1)[0].stamp_s == 3.0
            assert writer.recall("green", k=1)[0].record_id == reader.recall("green", k=1)[0].record_id
        assert early.recall("blue whale", k=1)[0].stamp_s == 2.0 and early.encoder_name == "hash-64"


def test_nothing_is_embedded_or_loaded_before_it_is_needed(tmp_path):
    encoder = HashEncoder()
    with Memory.open(tmp_path / "m", encoder) as memory:
        memory.observe(Observation(0.0, text="only words"))
        memory.observe_many(walk(0, 5, "b"))
        assert encoder.num_images == 0
        memory.observe(Observation(1.0, rgb=plain_image("red")))
        assert encoder.num_images == 10  # the view and nine tiles
    code = (
        "import sys; from placecell import Memory, Observation\n"
        f"with Memory.open({str(tmp_path / 'm')!r}) as memory:\n"
        "    memory.observe(Observation(9.0, text='more words')); memory.recall('more words', agents=['nobody'])\n"
        "    assert memory.get(memory.observe(Observation(10.0, text='x'))[0]).text == 'x'\n"
        "print(sorted({'torch', 'onnxruntime', 'cv2', 'av'} & set(sys.modules)))\n"
    )
    code = code.replace("; memory.recall('more words', agents=['nobody'])", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_importing_the_package_waits_for_nothing():
    code = (
        "import placecell\n"
        "import sys; print(sorted({'torch', 'numpy', 'onnxruntime', 'cv2', 'av'} & set(sys.modules)))\n"
        "from placecell import Camera, Memory, Observation; print(placecell.__version__, Memory.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["[]", "0.1.0 Memory"], done.stderr


def test_pictures_are_kept_small_and_come_back(tmp_path):
    wide = np.zeros((500, 1000, 3), np.uint8)
    wide[:, 500:] = (255, 0, 0)
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        seen, said = memory.observe(Observation(0.0, rgb=wide, text="half red"))
        picture = memory.picture(seen)
        assert picture is not None and picture.shape == (320, 640, 3) and picture.dtype == np.uint8
        assert np.abs(picture[100, 600].astype(int) - (255, 0, 0)).max() < 12
        jpeg = memory.picture_jpeg(seen)
        assert jpeg is not None and jpeg[:2] == b"\xff\xd8"
        assert memory.picture(said) is None
        with pytest.raises(UnknownRecordError):
            memory.picture(RecordId("agent", 99))


def test_records_come_in_the_order_of_time_and_by_agent():
    with Memory() as memory:
        memory.observe_many(walk(0, 10, "b", start_s=0.5))
        memory.observe_many(walk(0, 10, "a"))
        stamps = [record.stamp_s for record in memory.records()]
        assert stamps == sorted(stamps)
        inside = list(memory.records(between=(3.0, 5.5), agents=["b", "nobody"]))
        assert {record.agent_id for record in inside} == {"b"}
        assert {record.stamp_s for record in inside} == {3.5, 4.5, 5.5}
        assert max(record.stamp_s for record in memory.records(as_of=4.0)) == 4.0


def test_as_of_knows_nothing_of_later_retractions():
    with Memory() as memory:
        ids = memory.observe_many([Observation(float(i), text=f"note {i}") for i in range(6)])
        undo = memory.retract(ids[1], "wrong", stamp_s=4.0)
        assert memory.get(undo).target == ids[1] and memory.get(undo).text == "wrong"
        assert ids[1] in [r.record_id for r in memory.records(as_of=3.0)]
        assert ids[1] not in [r.record_id for r in memory.records(as_of=4.0)]
        assert [r.record_id for r in memory.records(include_retracted=True)].count(undo) == 1
        with pytest.raises(UnknownRecordError):
            memory.retract(RecordId("agent", 99))


def test_a_retraction_of_another_agents_record_takes_none_of_its_numbers():
    with Memory() as far, Memory() as near, Memory() as hub:
        far.observe_many([Observation(float(i), "far", text="far away") for i in range(3)])
        near.observe(Observation(0.0, "near", text="close by"))
        near.merge(far.delta({}))
        hub.merge(far.delta({}))
        by_near, by_hub = near.retract(RecordId("far", 2)), hub.retract(RecordId("far", 3))
        assert by_near == RecordId("near", 2) and by_hub.agent_id.startswith("memory-")
        far.merge(near.delta(far.version()))
        far.merge(hub.delta(far.version()))
        far.observe(Observation(5.0, "far", text="and on"))
        assert far.is_retracted(RecordId("far", 2)) and far.is_retracted(RecordId("far", 3))
        assert far.version() == {"far": 4, "near": 2, by_hub.agent_id: 1}


def test_a_gate_drops_near_duplicates_but_no_words():
    with Memory(HashEncoder(), gate=NearDuplicateGate(max_gap_s=100.0)) as memory:
        assert len(memory.observe(Observation(0.0, rgb=plain_image("red")))) == 1
        assert memory.observe(Observation(1.0, rgb=plain_image("red"))) == []
        assert [memory.get(i).kind for i in memory.observe(Observation(2.0, rgb=plain_image("red"), text="red"))] == [
            "text"
        ]
        assert len(memory.observe(Observation(3.0, rgb=plain_image("blue")))) == 1
        assert len(memory.observe(Observation(103.0, rgb=plain_image("blue")))) == 1


def test_journal_goes_with_its_records(tmp_path):
    with Memory.open(tmp_path / "m") as memory:
        memory.observe_many([Observation(1.0, text="a")], journal={"ingest:x": {"next_s": 2.0}})
        with pytest.raises(ValueError, match="backwards"):
            memory.observe_many([Observation(0.0, text="b")], journal={"ingest:x": "lost"})
        assert memory.observe_many([], journal={"done": True}) == []
    with Memory.open(tmp_path / "m", mode="r") as memory:
        assert memory.journal("ingest:x") == {"next_s": 2.0} and memory.journal("done") is True
        assert memory.journal("never") is None


def test_a_delta_fits_its_budget_and_the_rest_comes_later():
    with Memory(HashEncoder()) as source, Memory(HashEncoder()) as target:
        source.observe_many(walk(0, 40, "a", tiles=2))
        source.observe_many(walk(1, 40, "b"))
        source.observe(Observation(99.0, "a", rgb=plain_image("red")))
        rounds = 0
        while len(delta := source.delta(target.version(), max_bytes=6000, pictures=True)):
            wire = delta.to_bytes()
            assert len(wire) <= 6000
            assert target.merge(Delta.from_bytes(wire)) == len(delta)
            rounds += 1
        assert rounds > 3 and target.version() == source.version()
        assert all(same_record(a, b) for a, b in zip(source.records(), target.records(), strict=True))
        last = [record for record in source.records()][-1].record_id
        assert target.picture_jpeg(last) == source.picture_jpeg(last) is not None
        with pytest.raises(ValueError, match="no room for one record"):
            source.delta({}, max_bytes=100)


def test_two_memories_that_write_as_one_agent_are_told_so():
    with Memory(clock=lambda: 1.0) as a, Memory(clock=lambda: 2.0) as b:
        a.observe(Observation(0.0, text="mine"))
        b.observe(Observation(0.0, text="yours"))
        with pytest.raises(PlacecellError, match="a name of its own"):
            a.merge(b.delta({}))
        assert len(a) == 1


def test_vectors_of_two_encoders_never_meet(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe(Observation(0.0, rgb=plain_image("red")))
    with pytest.raises(EncoderMismatchError, match="'hash-64'.*'other-64'.*another folder"):
        Memory.open(tmp_path / "m", HashEncoder(name="other"))
    with pytest.raises(EncoderMismatchError, match="not to 'open_clip:ViT-B-32'.*leave the encoder out"):
        Memory.open(tmp_path / "m", "open_clip:ViT-B-32")
    with Memory.open(tmp_path / "m", HashEncoder()) as memory, Memory(HashEncoder(name="other")) as other:
        other.observe(Observation(0.0, "b", rgb=plain_image("red")))
        for attempt in (
            lambda: memory.merge(other.delta({})),
            lambda: memory.observe(Observation(1.0, embeddings=np.ones(32))),
            lambda: memory.recall(np.ones(32)),
        ):
            with pytest.raises(EncoderMismatchError, match="hash-64"):
                attempt()
        assert len(memory) == 1


def test_a_memory_survives_its_views(tmp_path):
    query = np.random.default_rng(2).standard_normal(64)
    with Memory.open(tmp_path / "m") as memory:
        memory.observe_many(walk(0, 2100))
        before = [(hit.record_id, hit.score) for hit in memory.recall(query, k=10)]
    views = tmp_path / "m" / "views"
    assert (views / "manifest.json").exists()

    def answers():
        with Memory.open(tmp_path / "m", mode="r") as memory:
            return [(hit.record_id, hit.score) for hit in memory.recall(query, k=10)]

    assert answers() == before
    files = [path for path in sorted(views.rglob("*")) if path.is_file()]
    for path in (views / "manifest.json", views / "timeline.npz", files[-1]):
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2])
        assert answers() == before, f"{path} was cut"
        path.write_bytes(kept)
    os.remove(files[0])
    assert answers() == before, f"{files[0]} was deleted"
    shutil.rmtree(views)
    assert answers() == before
