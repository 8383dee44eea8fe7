import errno
import json
import os
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.errors import (
    EncoderMismatchError,
    MemoryCorruptError,
    MemoryLockedError,
    MemoryVersionError,
    ModelUnavailableError,
    PlacecellError,
)
from placecell.memory.folder import write_header
from placecell.memory.testing import HashEncoder, plain_image, walk


def one_line(error) -> str:
    text = str(error.value)
    assert text and "\n" not in text
    return text


@pytest.fixture
def folder(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(walk(0, 20))
    return tmp_path / "m"


def test_a_folder_that_another_process_writes_is_named_with_its_owner(folder):
    code = f"from placecell import Memory; m = Memory.open({str(folder)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        with pytest.raises(MemoryLockedError) as error:
            Memory.open(folder)
        assert f"process {child.pid}" in one_line(error)
        with Memory.open(folder, HashEncoder(), mode="r") as reader:
            assert len(reader.recall("lamp")) > 0
            with pytest.raises(MemoryLockedError, match="mode 'r'"):
                reader.observe(Observation(99.0, text="no"))
        child.kill()
    Memory.open(folder).close()  # the lock went with its owner


def test_two_writers_in_one_process_are_one_too_many(folder):
    with Memory.open(folder), pytest.raises(MemoryLockedError, match=str(os.getpid())):
        Memory.open(folder)
    Memory.open(folder).close()


@pytest.mark.parametrize("name", ["memory.json", "log.sqlite"])
def test_a_half_deleted_folder_is_named(folder, name):
    (folder / name).unlink()
    for mode in ("a", "r"):
        with pytest.raises(MemoryCorruptError) as error:
            Memory.open(folder, mode=mode)
        assert name in one_line(error) and "missing" in one_line(error)


def test_a_crash_in_the_first_instant_leaves_a_folder_that_can_be_used(tmp_path):
    with Memory.open(tmp_path / "m") as memory:
        memory.flush()
    (tmp_path / "m" / "memory.json").unlink()  # the log was begun, the header not yet written
    with Memory.open(tmp_path / "m") as memory:
        memory.observe(Observation(0.0, text="here"))
    assert (tmp_path / "m" / "memory.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": "x", "uid": ""}'])
def test_a_damaged_header_is_named(folder, text):
    (folder / "memory.json").write_text(text)
    with pytest.raises(MemoryCorruptError) as error:
        Memory.open(folder)
    assert "memory.json is damaged" in one_line(error)


def test_a_damaged_log_is_named(folder):
    data = bytearray((folder / "log.sqlite").read_bytes())
    data[:4096] = os.urandom(4096)
    (folder / "log.sqlite").write_bytes(data)
    with pytest.raises(MemoryCorruptError) as error:
        Memory.open(folder)
    assert "damaged" in one_line(error)


def test_a_newer_format_is_named(folder):
    header = json.loads((folder / "memory.json").read_text())
    (folder / "memory.json").write_text(json.dumps({**header, "format": 99, "something": "new"}))
    for mode in ("a", "r"):
        with pytest.raises(MemoryVersionError, match="format 99.*update placecell"):
            Memory.open(folder, mode=mode)


def test_what_is_no_memory_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for path, word in ((tmp_path, "notes.txt"), (tmp_path / "notes.txt", "is a file")):
        with pytest.raises(PlacecellError) as error:
            Memory.open(path)
        assert word in one_line(error)
    with pytest.raises(PlacecellError, match="holds no memory"):
        Memory.open(tmp_path / "nowhere", mode="r")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]
    for options, word in (({"mode": "w"}, "mode"), ({"max_bytes": 10}, "max_bytes")):
        with pytest.raises((ValueError, TypeError), match=word):
            Memory.open(tmp_path / "m", **options)
    with pytest.raises(ValueError, match="needs a folder"):
        Memory(mode="r")


@pytest.mark.parametrize(
    "given",
    [
        {"stamp_s": float("nan")},
        {"stamp_s": -1.0},
        {"embeddings": np.full((1, 64), np.nan)},
        {"embeddings": np.zeros((1, 64))},
        {"embeddings": np.ones((2, 3, 64))},
        {"pose": np.full((4, 4), np.inf)},
        {"pose": np.ones((3, 4))},
        {"pose": 2 * np.eye(4)},
        {"rgb": np.zeros((4, 4), np.uint8)},
        {"rgb": np.zeros((4, 4, 3))},
        {"rgb": plain_image("red"), "depth_m": np.ones((2, 2))},
        {"end_s": 0.5},
        {"agent_id": ""},
        {"agent_id": "a/b"},
    ],
    ids=str,
)
def test_observations_that_make_no_sense_are_refused_in_one_line(given):
    with pytest.raises((ValueError, TypeError)) as error:
        Observation(**{"stamp_s": 1.0, **given})
    assert one_line(error)


def test_a_refused_batch_writes_nothing():
    with Memory(HashEncoder()) as memory:
        memory.observe(Observation(5.0, embeddings=np.ones(64)))
        for batch, kind in (
            ([Observation(6.0, text="a"), Observation(5.5, text="b")], ValueError),
            ([Observation(6.0, text="a"), Observation(7.0, embeddings=np.ones(32))], EncoderMismatchError),
        ):
            with pytest.raises(kind) as error:
                memory.observe_many(batch)
            assert one_line(error) and len(memory) == 1
        assert memory.observe(Observation(5.0, text="still fine")) and memory.observe(Observation(6.0)) == []


def test_questions_that_make_no_sense_are_refused(folder):
    with Memory.open(folder, HashEncoder()) as memory:
        for query, options in (
            ("", {}),
            (" \n ", {}),
            ("keys", {"k": 0}),
            ("keys", {"between": (5.0, 1.0)}),
            ("keys", {"near": ((0.0, 0.0), 1.0)}),
            ("keys", {"near": ((0.0, 0.0, float("nan")), 1.0)}),
            ("keys", {"agents": "agent"}),
            ("keys", {"labels": "even"}),
            (np.full(64, np.nan), {}),
            (np.zeros(64), {}),
        ):
            with pytest.raises((ValueError, TypeError)):
                memory.recall(query, **options)
        with pytest.raises(EncoderMismatchError, match="64 numbers, got a query of 3"):
            memory.recall(np.ones(3))
        assert memory.recall("keys", between=(500.0, 600.0)) == [] and memory.recall("keys", agents=[]) == []


def test_an_empty_memory_answers_nothing(tmp_path):
    with Memory.open(tmp_path / "m") as memory:
        assert memory.recall("anything at all") == [] and memory.agents() == () and memory.version() == {}
        assert list(memory.records()) == [] and len(memory.delta({})) == 0 and memory.merge(memory.delta({})) == 0
        with pytest.raises(ValueError, match="empty"):
            memory.recall("")


def test_a_full_disk_says_so_and_keeps_what_was_written(folder):
    with Memory.open(folder, HashEncoder()) as memory:
        written = len(memory)
        (pages,) = memory._log.db.execute("PRAGMA page_count").fetchone()
        memory._log.db.execute(f"PRAGMA max_page_count={pages + 4}")
        with pytest.raises(PlacecellError) as error:
            for i in range(200):
                memory.observe(Observation(100.0 + i, rgb=plain_image("red"), embeddings=np.ones((9, 64))))
                written += 1
        assert "no space left" in one_line(error) and len(memory) == written
    with Memory.open(folder, HashEncoder()) as memory:
        assert len(memory) == written == len(list(memory.records()))
        memory.observe(Observation(900.0, text="room again"))


def test_a_file_that_may_not_grow_says_so_and_keeps_what_was_written(folder):
    """The same as a full disk as the operating system sees it: a write that is refused."""
    code = (
        "import resource, sys, numpy as np\n"
        "from placecell import Memory, Observation\n"
        "from placecell.errors import PlacecellError\n"
        f"memory = Memory.open({str(folder)!r})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    for i in range(10_000):\n"
        "        print(*memory.observe(Observation(100.0 + i, text='word ' * 500)), flush=True)\n"
        "except PlacecellError as error:\n"
        "    print(error, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "no space left to write" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    ids = done.stdout.split()
    with Memory.open(folder) as memory:
        assert len(ids) > 3 and {str(record.record_id) for record in memory.records()} >= set(ids)


def test_a_header_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    with Memory.open(tmp_path / "m") as memory:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(PlacecellError, match="memory.json cannot be written: No space left"):
            memory.observe(Observation(0.0, embeddings=np.ones(8)))
        monkeypatch.undo()
        assert len(memory) == 0 and memory.observe(Observation(0.0, embeddings=np.ones(8)))
        assert write_header.__doc__ and [p.name for p in (tmp_path / "m").glob("memory.json.*")] == []


def test_threads_may_share_a_memory():
    with Memory() as memory:
        threads = [threading.Thread(target=memory.observe_many, args=(walk(i, 50, f"t{i}"),)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert memory.agents() == ("t0", "t1", "t2", "t3") and all(top >= 50 for top in memory.version().values())


def test_words_are_searched_when_the_encoder_is_not_at_hand():
    with Memory() as memory:
        memory.observe(Observation(0.0, embeddings=np.ones(8)))
        with pytest.raises(ModelUnavailableError, match="'given'.*query with a vector of 8 numbers"):
            memory.recall("keys")
        memory.observe(Observation(1.0, text="the keys are here"))
        hits = memory.recall("keys")
        assert hits[0].stamp_s == 1.0 and any("pictures were not searched" in note for note in hits.notes)
        assert memory.recall(np.ones(8), k=1)[0].stamp_s == 0.0
