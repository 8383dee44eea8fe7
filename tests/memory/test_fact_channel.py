"""Facts as a channel of recall: what is one fact away is found, whatever the order in which it was told."""

import random

import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.geometry import Camera, pose_from
from placecell.memory.fact_channel import ToldAround, fact_channel
from placecell.memory.facts import FactGraph
from placecell.memory.lexicon import Lexicon
from placecell.memory.recall import Recaller
from placecell.memory.records import Record, RecordId
from placecell.memory.sharing import Delta
from placecell.memory.testing import HashEncoder
from placecell.memory.timeline import Timeline
from placecell.perception.detection import Detection

TOLD = (
    "the parcel is next to the piano",
    "the piano is in the study",
    "the drum is in the cellar",
    "the study was painted last year",
    "anna is in the garden",
    "someone put the parcel in the trunk",
    "the trunk is in the attic",
    *(f"we had {dish} for dinner" for dish in ("soup", "fish", "rice", "beans", "pasta", "bread", "eggs", "cake")),
)


def told(*sentences: str) -> list[Record]:
    return [Record("ann", i, "text", float(i), float(i), text=words) for i, words in enumerate(sentences, 1)]


def view_of(records: list[Record], with_facts: bool = True) -> Recaller:
    kept = {record.record_id: record for record in records}
    table, lexicon = Timeline(kept.get), Lexicon()
    for record in records:
        lexicon.add(table.add(record), record.text)
    return Recaller(table, lexicon=lexicon, item=table.item if with_facts else None)


def test_a_record_that_shares_no_word_with_the_question_is_found_over_two_facts() -> None:
    records = told(*TOLD)
    hits = view_of(records).recall("where is the parcel?", k=4)
    texts = [hit.text for hit in hits]
    assert {TOLD[0], TOLD[5]} <= set(texts[:2]) and {TOLD[1], TOLD[6]} <= set(texts)
    (attic,) = (hit for hit in hits if hit.text == TOLD[6])
    assert "facts" in attic.channels and "trunk" in attic.why


def test_a_memory_that_states_no_facts_answers_as_before() -> None:
    records = told(*TOLD[7:], "it was cold", "we sang a song about soup")
    for question in ("soup", "when did we have fish?", "the song"):
        with_facts, without = (view_of(records, flag).recall(question, k=5) for flag in (True, False))
        assert [(hit.record_id, hit.score, hit.channels) for hit in with_facts] == [
            (hit.record_id, hit.score, hit.channels) for hit in without
        ]


def test_what_was_told_later_or_taken_back_leads_nowhere() -> None:
    records = told(*TOLD)
    recaller = view_of(records)
    found = {hit.text for hit in recaller.recall("parcel", as_of=5.5, k=5) if "facts" in hit.channels}
    assert found == {TOLD[0], TOLD[1]}
    hidden = {1}  # items are numbers in the order of folding: the piano in the study
    found = {hit.text for hit in recaller.recall("parcel", k=5, visible=lambda item: item not in hidden)}
    assert TOLD[1] not in found


def test_facts_around_a_question_are_those_of_the_whole() -> None:
    records = told(*TOLD)
    kept = {record.record_id: record for record in records}
    table, lexicon, whole = Timeline(kept.get), Lexicon(), FactGraph()
    for record in records:
        lexicon.add(table.add(record), record.text)
        whole.fold(record)
    near = ToldAround(lexicon, table).facts("the parcel", lambda item: True)
    assert near is not None
    assert near.facts("parcel") == whole.facts("parcel") and near.facts("piano") == whole.facts("piano")
    assert near.facts("drum") == []
    assert ToldAround(lexicon, table).facts("dinner", lambda item: True) is None
    assert (
        fact_channel(whole, "a unicorn", moments=table, item=table.item, pool=9, count=20, visible=lambda item: True)
        is None
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_arrival_changes_nothing(seed: int) -> None:
    records = told(*TOLD)
    rng = random.Random(seed)
    shuffled = rng.sample(records, len(records))
    cut = rng.randrange(1, len(records))
    question = "who knows where the parcel and the drum are?"
    with Memory(HashEncoder()) as one, Memory(HashEncoder()) as other:
        one.merge(Delta(tuple(records)))
        for part in (shuffled[:cut], shuffled[cut:]):
            other.merge(Delta(tuple(part)))
            other.recall("piano")
        first, second = (
            [(hit.record_id, hit.score, sorted(hit.channels.items()), hit.why) for hit in memory.recall(question, k=9)]
            for memory in (one, other)
        )
        assert first == second and any("facts" in dict(row[2]) for row in first)


def test_a_sentence_leads_to_the_view_of_the_only_thing_that_it_names() -> None:
    camera, pose = Camera.from_degrees(64, 64, 90.0), pose_from(np.array([0.0, 1.0, 0.0]), 0.0)
    low, high = (-0.5, 0.2, -2.5), (0.5, 0.9, -1.5)
    chest = Detection((0.3, 0.3, 0.7, 0.7), 900, low, high, (0.0, 0.5, -2.0), labels=(("chest", 0.9),), confidence=0.9)
    rng = np.random.default_rng(0)
    with Memory(HashEncoder()) as memory:
        for i in range(40):
            vector = rng.standard_normal(64).astype(np.float32)
            memory.observe(
                Observation(stamp_s=float(i), agent_id="robot", camera=camera, pose=pose,
                            embeddings=vector[None] / np.linalg.norm(vector),
                            detections=(chest,) if i in (4, 5, 6) else ())
            )  # fmt: skip
        memory.observe(Observation(stamp_s=50.0, agent_id="robot", text="the parcel is in the chest"))
        hits = memory.recall("parcel", k=4)
    shown = [hit for hit in hits if not hit.text and "facts" in hit.channels]
    assert hits[0].text and {hit.stamp_s for hit in shown} <= {4.0, 5.0, 6.0} and shown


def test_a_walk_needs_no_index_of_pictures() -> None:
    assert view_of(told("the mug is in the sink")).recall("mug", k=1)[0].record_id == RecordId("ann", 1)
