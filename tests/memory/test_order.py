import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell import Memory
from placecell.errors import ProtocolVersionError
from placecell.memory.records import Record
from placecell.memory.sharing import Delta
from placecell.memory.testing import HashEncoder, walk

QUERIES = [np.random.default_rng(seed).standard_normal(64) for seed in range(2)]
WORDS = ["the lamp on the table"]


def world() -> list[Record]:
    """Records of three agents with retractions, as one memory of each would write them."""
    records: list[Record] = []
    for seed, name in enumerate(("ann", "bob", "cat")):
        with Memory(HashEncoder(), text_encoder=HashEncoder(32, "text")) as memory:
            ids = memory.observe_many(walk(seed, 20, name, tiles=2))
            wrong = memory.retract(ids[10], "mistaken")
            memory.retract(ids[15], "mistaken too")
            memory.retract(wrong, "it was right")
            records += memory.records(include_retracted=True)
    return records


RECORDS = world()


def answers(memory: Memory) -> list[object]:
    """All that a person sees of some recalls."""
    found: list[object] = [memory.version(), len(memory)]
    for query in (*QUERIES, *WORDS):
        for options in ({}, {"between": (5.0, 15.0), "labels": ["even"]}, {"agents": ["bob"], "as_of": 12.0}):
            for hit in memory.recall(query, k=8, **options):
                found.append(
                    (hit.record_id, hit.score, hit.probability, hit.box, hit.interval_s, sorted(hit.channels.items()))
                )
    return found


def merged(parts) -> Memory:
    memory = Memory(HashEncoder(), text_encoder=HashEncoder(32, "text"))
    for part in parts:
        delta = Delta(tuple(part), encoder="hash-64", text_encoder="text-32")
        memory.merge(Delta.from_bytes(delta.to_bytes()))
    return memory


@pytest.fixture(scope="module")
def expected() -> list[object]:
    with merged([RECORDS]) as memory:
        return answers(memory)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_any_order_and_grouping_of_merges_gives_the_same_answers(expected, seed):
    rng = random.Random(seed)
    shuffled = rng.sample(RECORDS, len(RECORDS))
    parts, start = [], 0
    while start < len(shuffled):
        size = rng.randint(1, 30)
        parts.append(shuffled[start : start + size] + rng.sample(RECORDS, rng.randint(0, 5)))  # some come twice
        start += size
    with merged([]) as memory:
        for number, part in enumerate(parts):
            delta = Delta(tuple(part), encoder="hash-64", text_encoder="text-32")
            before = len(memory)
            assert memory.merge(delta) == len(memory) - before
            assert memory.merge(delta) == 0
            if number % 4 == 0:
                memory.recall("keys")  # views that were folded in between must not show it
        assert answers(memory) == expected


def test_exchange_by_version_vectors_ends_with_equal_memories(expected):
    rng = random.Random(0)
    peers = [merged([]) for _ in range(4)]
    for number, agent_id in enumerate(("ann", "bob", "cat")):
        own = [record for record in RECORDS if record.agent_id == agent_id]
        peers[number].merge(Delta(tuple(own), encoder="hash-64", text_encoder="text-32"))
    for _ in range(60):
        giver, taker = rng.sample(peers, 2)
        taker.merge(giver.delta(taker.version(), max_bytes=rng.choice((None, 5000))))
    for taker in peers:
        for giver in peers:
            taker.merge(giver.delta(taker.version()))
    assert all(answers(peer) == expected for peer in peers)
    for peer in peers:
        peer.close()


def test_a_late_record_in_the_middle_is_folded_where_it_belongs(tmp_path):
    own = [record for record in RECORDS if record.agent_id == "ann"]
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.merge(Delta(tuple(own[:10] + own[12:]), encoder="hash-64", text_encoder="text-32"))
        assert memory.version() == {"ann": own[9].seq}
        memory.recall("keys")
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        assert len(memory.delta(memory.version())) == len(own) - 12
        memory.merge(Delta(tuple(own[10:12]), encoder="hash-64", text_encoder="text-32"))
        assert memory.version() == {"ann": max(record.seq for record in own)}
        with merged([own]) as straight:
            for query in QUERIES:
                assert [h.record_id for h in memory.recall(query)] == [h.record_id for h in straight.recall(query)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_deltas_are_refused_and_never_half_read(data):
    whole = Delta(tuple(RECORDS[:3]), encoder="hash-64").to_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.sampled_from(["cut", "flip", "drop"]))
    if damage == "cut":
        wire = whole[:position]
    elif damage == "flip":
        wire = whole[:position] + bytes([whole[position] ^ data.draw(st.integers(1, 255))]) + whole[position + 1 :]
    else:
        wire = whole[:position] + whole[position + 1 :]
    try:
        delta = Delta.from_bytes(wire)
    except (ValueError, ProtocolVersionError) as error:
        assert "\n" not in str(error)
    else:  # a flipped bit inside a number or a text cannot be told from another number or text
        assert damage == "flip" and len(delta) == 3


def test_a_delta_of_another_version_is_named():
    newer = Delta((), version=3).to_bytes()
    with pytest.raises(ProtocolVersionError, match="version 3"):
        Delta.from_bytes(newer)
    with pytest.raises(ValueError, match="no delta"):
        Delta.from_bytes(b"")
