import json
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.errors import MemoryCorruptError, MemoryVersionError, PlacecellError
from placecell.memory.database import FORMAT_VERSION
from placecell.memory.holdings import Holdings
from placecell.memory.log import Log
from placecell.memory.records import Record, RecordId
from placecell.memory.sharing import Ranges
from placecell.memory.testing import same_record


def moment(agent_id: str, seq: int, stamp_s: float | None = None, tiles: int = 0) -> Record:
    vectors = np.random.default_rng([seq, *agent_id.encode()]).standard_normal((1 + tiles, 16)).astype(np.float16)
    stamp_s = float(seq) if stamp_s is None else stamp_s
    return Record(agent_id, seq, "moment", stamp_s, stamp_s + 0.5, embeddings=vectors, pose=np.eye(4), recorded_s=1e9)


def test_every_field_of_a_record_comes_back(tmp_path):
    full = Record(
        "robot",
        1,
        "moment",
        3.0,
        4.5,
        embeddings=np.eye(3, 8, dtype=np.float16),
        text="",
        labels=("a", 'with "quotes" and ü'),
        pose=np.eye(4),
        source="/videos/clip.mp4",
        is_event_start=True,
        recorded_s=1.7e9,
    )
    said = Record("robot", 2, "text", 3.0, 3.0, text="hello", text_embedding=np.arange(4, dtype=np.float16))
    undone = Record("robot", 3, "retraction", 3.0, 3.0, text="wrong", target=RecordId("other", 17))
    log = Log(tmp_path / "log.sqlite")
    log.append([full, said, undone], {full.record_id: b"jpeg"})
    log.close()
    again = Log(tmp_path / "log.sqlite", is_writer=False)
    assert all(same_record(record, again.get(record.record_id)) for record in (full, said, undone))
    assert [same_record(a, b) for a, b in zip(again.scan("robot"), (full, said, undone), strict=True)] == [True] * 3
    assert again.picture(full.record_id) == b"jpeg" and again.picture(said.record_id) is None
    assert again.agents() == ("robot",) and again.version() == {"robot": 3}
    again.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), unique=True, max_size=40))
def test_ranges_agree_with_a_set_of_numbers(seqs):
    ranges = Ranges()
    for seq in seqs:
        ranges.add(seq)
        ranges.add(seq)
    assert len(ranges) == len(seqs) and all((seq in ranges) == (seq in seqs) for seq in range(43))
    assert ranges.prefix == next(i for i in range(50) if i + 1 not in seqs)
    assert [s for lo, hi in ranges.present() for s in range(lo, hi + 1)] == sorted(seqs)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_beyond_is_the_difference_of_sets(mine, theirs):
    a, b = Ranges(), Ranges()
    for seq in mine:
        a.add(seq)
    for seq in theirs:
        b.add(seq)
    assert [s for lo, hi in a.beyond(b) for s in range(lo, hi + 1)] == sorted(mine - theirs)


def test_gaps_survive_reopening_and_are_filled_later(tmp_path):
    log = Log(tmp_path / "log.sqlite")
    log.append([moment("a", seq) for seq in (1, 2, 6, 7, 10)])
    assert log.version() == {"a": 2} and len(log) == 5
    log.close()
    log = Log(tmp_path / "log.sqlite")
    assert log.ranges("a").missing == [(3, 5), (8, 9)]
    log.append([moment("a", seq) for seq in (4, 3, 5)])
    assert log.version() == {"a": 7}
    assert [record.seq for record in log.scan("a")] == [1, 2, 3, 4, 5, 6, 7, 10]
    assert [record.seq for record in log.scan("a", 3, 6)] == [3, 4, 5, 6]
    log.close()


def test_a_reader_sees_what_a_writer_appends(tmp_path):
    writer = Log(tmp_path / "log.sqlite")
    writer.append([moment("a", 1)])
    reader = Log(tmp_path / "log.sqlite", is_writer=False)
    assert reader.refresh() == {}
    writer.append([moment("a", 2), moment("b", 1), moment("b", 5)])
    assert len(reader) == 1
    assert reader.refresh() == {"a": [(2, 2)], "b": [(1, 1), (5, 5)]}
    writer.append([moment("b", 3)])
    assert reader.refresh() == {"b": [(3, 3)]} and reader.version() == {"a": 2, "b": 1}
    assert same_record(reader.get(RecordId("b", 3)), moment("b", 3))
    with pytest.raises(PlacecellError):
        reader.append([moment("c", 1)])
    writer.close()
    reader.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.floats(-1, 22))
def test_first_seq_from_agrees_with_a_scan(gaps, stamp_s):
    log = Log()
    stamps = np.cumsum(gaps).astype(float) / 10
    log.append([moment("a", i + 1, stamp) for i, stamp in enumerate(stamps.tolist())])
    expected = next((i + 1 for i, stamp in enumerate(stamps) if stamp >= stamp_s), len(stamps) + 1)
    assert log.first_seq_from("a", stamp_s) == expected
    log.close()


def test_a_failed_append_leaves_no_trace():
    log = Log()
    log.append([moment("a", 1)])
    with pytest.raises(PlacecellError):
        log.append([moment("a", 2), moment("new", 1), moment("a", 1)])  # the last is there already
    assert log.agents() == ("a",) and len(log) == 1 and log.get(RecordId("a", 2)) is None
    log.append([moment("a", 2), moment("new", 1)])
    assert log.version() == {"a": 2, "new": 1}
    log.close()


def test_holdings_forget_pictures_and_tiles_but_no_fact():
    log = Log()
    records = [moment("a", seq, tiles=4) for seq in range(1, 21)]
    log.append(records, {record.record_id: b"x" * 5000 for record in records})
    holdings = Holdings(log)
    assert [(h.picture_bytes, h.detail_bytes) for h in holdings.list()] == [(5000, 4 * 16 * 2)] * 20
    holdings.drop([r.record_id for r in records[:10]], [r.record_id for r in records[:5]])
    assert holdings.generation() == 1 and len(holdings.list()) == 15
    assert log.picture(records[3].record_id) is None and log.picture(records[15].record_id) is not None
    assert [len(record.embeddings) for record in log.scan("a")] == [1] * 5 + [5] * 15
    log.close()


def test_journal_is_written_with_its_records_or_not_at_all():
    log = Log()
    log.append([moment("a", 1)], journal={"k": {"next_s": 2.5, "list": [1, None]}})
    with pytest.raises(PlacecellError):
        log.append([moment("a", 1)], journal={"k": "lost"})
    assert log.journal("k") == {"next_s": 2.5, "list": [1, None]} and log.journal("other") is None
    log.close()


def test_a_newer_format_is_named(tmp_path):
    Log(tmp_path / "log.sqlite").close()
    db = sqlite3.connect(tmp_path / "log.sqlite")
    db.execute(f"PRAGMA user_version={FORMAT_VERSION + 1}")
    db.close()
    with pytest.raises(MemoryVersionError, match="update placecell"):
        Log(tmp_path / "log.sqlite")


def test_garbage_is_no_log(tmp_path):
    (tmp_path / "log.sqlite").write_bytes(json.dumps({"not": "a log"}).encode() * 500)
    for is_writer in (True, False):
        with pytest.raises(MemoryCorruptError, match="damaged"):
            Log(tmp_path / "log.sqlite", is_writer=is_writer)
