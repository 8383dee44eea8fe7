"""Facts: bi-temporal, contradicted but never deleted, the same in any order, and a graph to walk on."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.facts import Fact, FactGraph
from placecell.memory.object_states import ObjectChange, SceneObject, Sighting, Stay
from placecell.memory.records import Record, RecordId
from placecell.memory.relations import relations_of
from placecell.memory.said import Said, read_facts


def text(seq: int, words: str, stamp_s: float | None = None, agent: str = "robot") -> Record:
    stamp_s = float(seq) if stamp_s is None else stamp_s
    return Record(agent, seq, "text", stamp_s, stamp_s, text=words)


def told(*sentences: str) -> FactGraph:
    graph = FactGraph()
    for seq, words in enumerate(sentences, 1):
        graph.fold(text(seq, words))
    return graph


def brief(facts: Sequence[Fact]) -> list[tuple[str, str, str]]:
    return [(fact.subject, fact.relation, fact.object) for fact in facts]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("the keys are on the shelf", [("key", "on", "shelf", True)]),
        ("Someone says: the keys are on the shelf.", [("key", "on", "shelf", True)]),
        ("someone put the mug in the sink", [("mug", "in", "sink", True)]),
        ("The red mug isn't on the table any more", [("red mug", "on", "table", False)]),
        ("the mug is no longer on the table", [("mug", "on", "table", False)]),
        ("I moved the mug from the table to the kitchen", [("mug", "moved from", "table", True),
                                                            ("mug", "in", "kitchen", True)]),
        ("the phone is beside the lamp and the book is on the bed", [("phone", "next to", "lamp", True),
                                                                     ("book", "on", "bed", True)]),
        ("are the keys on the shelf?", []),
        ("the keys may be in the car", []),
        ("if the mug is in the sink, wash it", []),
        ("it is in the box", []),
        ("the dog is happy", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_say_what_they_say_and_no_more(words: str, expected: list[tuple[str, str, str, bool]]) -> None:
    assert read_facts(words) == [Said(*row) for row in expected]


def test_a_contradiction_closes_the_old_fact_and_keeps_it() -> None:
    graph = told("the mug is on the table", "the mug is in the kitchen", "someone put the mug in the sink")
    assert [(f.relation, f.object, f.valid_from_s, f.valid_to_s) for f in graph.facts("mug")] == [
        ("on", "table", 1.0, 3.0), ("in", "kitchen", 2.0, None), ("in", "sink", 3.0, None),
    ]  # fmt: skip
    assert brief(graph.facts("mug", at_s=1.5)) == [("mug", "on", "table")]
    (then,) = graph.facts("mug", as_of_s=1.5)
    assert then.valid_to_s is None and then.superseded_s is None and then.evidence == (RecordId("robot", 1),)
    assert brief(graph.facts(object="sinks")) == [("mug", "in", "sink")]


def test_what_is_denied_ends_and_what_is_repeated_gains_evidence() -> None:
    graph = told("the mug is in the sink", "the mug is in the sink", "the mug is no longer in the sink")
    (fact,) = graph.facts("mug")
    assert (fact.valid_to_s, fact.superseded_s, len(fact.evidence)) == (3.0, 3.0, 2)


SENTENCES = ("the mug is on the table", "the mug is in the sink", "the mug is no longer in the sink",
             "the pen is next to the mug", "the table is in the kitchen", "a mug is a cup")  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(SENTENCES), st.integers(0, 5)), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_facts_and_notes_do_not_depend_on_how_agents_interleave(
    rows: list[tuple[str, str, int]], random: object
) -> None:
    records: dict[str, list[Record]] = {"a": [], "b": []}
    for agent, words, stamp in rows:
        stream = records[agent]
        start = stream[-1].stamp_s if stream else 0.0
        stream.append(text(len(stream) + 1, words, start + stamp, agent))
    one, other = FactGraph(), FactGraph()
    for record in records["a"] + records["b"]:
        one.fold(record)
    left = {agent: list(stream) for agent, stream in records.items()}
    while any(left.values()):
        agent = random.choice([agent for agent, stream in left.items() if stream])  # type: ignore[attr-defined]
        other.fold(left[agent].pop(0))
        other.facts()  # reading in between changes nothing
        other.notes.notes()
    assert one.facts() == other.facts() and one.notes.notes() == other.notes.notes()
    assert one.associate({"mug": 1.0}) == other.associate({"mug": 1.0})


def thing(number: int, name: str, low: Sequence[float], size: Sequence[float], from_s: float = 0.0,
          stays: tuple[Stay, ...] | None = None, state: str = "here", since_s: float = 0.0) -> SceneObject:  # fmt: skip
    corner = np.asarray(low, float)
    high = corner + np.asarray(size, float)
    middle = tuple(float(v) for v in (corner + high) / 2)
    return SceneObject(
        object_id=f"robot:{number}", agent_id="robot", name=name, labels=((name, 1.0),), embedding=None,
        position_m=middle, low_m=tuple(corner.tolist()), high_m=tuple(high.tolist()), num_sightings=3, confidence=1.0,
        first_s=from_s, last_s=99.0, state=state, since_s=since_s,
        stays=stays or (Stay(middle, from_s),),
        sightings=tuple(
            Sighting(RecordId("robot", 10 * number + i), from_s + i, 0.5, (0.0, 0.0, 1.0, 1.0)) for i in range(3)
        ),
        is_privileged=True,
    )  # type: ignore[arg-type] # fmt: skip


class Shelf:
    """A map of things that a test arranges."""

    def __init__(self, *things: SceneObject) -> None:
        self.version = 0
        self.things: dict[str, SceneObject] = {}
        self.moves: list[ObjectChange] = []
        self._when: dict[str, int] = {}
        self.put(*things)

    def put(self, *things: SceneObject) -> None:
        self.version += 1
        for one in things:
            self.things[one.object_id] = one
            self._when[one.object_id] = self.version

    def touched(self, since_version: int) -> set[str]:
        return {name for name, version in self._when.items() if version > since_version}

    def objects(self) -> list[SceneObject]:
        return list(self.things.values())

    def changes(self) -> list[ObjectChange]:
        return self.moves


TABLE = thing(1, "table", (0.0, 0.0, 0.0), (1.2, 0.75, 0.8))
SINK = thing(2, "sink", (5.0, 0.5, 0.0), (0.6, 0.4, 0.5))
LAMP = thing(3, "lamp", (0.8, 0.76, 0.3), (0.2, 0.4, 0.2))
ON_TABLE, IN_SINK = (0.3, 0.8, 0.3), (5.3, 0.7, 0.25)


def test_things_rest_on_lie_in_and_stand_beside_each_other() -> None:
    mug = thing(4, "mug", (0.25, 0.74, 0.25), (0.1, 0.12, 0.1))
    plate = thing(5, "plate", (5.2, 0.6, 0.1), (0.2, 0.1, 0.2))
    graph = FactGraph(Shelf(TABLE, SINK, LAMP, mug, plate))
    assert brief(graph.facts("mug", "on")) == [("robot:4", "on", "robot:1")]
    assert brief(graph.facts("plate", "in")) == [("robot:5", "in", "robot:2")]
    assert brief(graph.facts("lamp", "near")) == [("robot:3", "near", "robot:4")]
    assert brief(graph.facts("mug", "near")) == [("robot:4", "near", "robot:3")]
    assert graph.name("robot:1") == "table" and not graph.facts("table", "near", "sink")


def moved_mug() -> Shelf:
    """A mug seen on the table from 2 s, in the sink from 30 s; at 40 s the table is seen without it."""
    shelf = Shelf(TABLE, SINK, LAMP)
    at = np.subtract(IN_SINK, 0.05).tolist()
    shelf.put(thing(4, "mug", at, (0.1, 0.1, 0.1), 2.0, (Stay(ON_TABLE, 2.0, 9.0), Stay(IN_SINK, 30.0)), "moved", 30.0))
    shelf.moves = [ObjectChange("moved", "robot:4", ON_TABLE, IN_SINK, 40.0)]
    return shelf


def test_a_move_is_known_later_than_it_is_true() -> None:
    graph = FactGraph(moved_mug())
    assert brief(graph.facts("mug", "on")) == [("robot:4", "on", "robot:1")]
    assert [f.object for f in graph.facts("mug", "in")] == ["robot:2"]
    assert brief(graph.facts("mug", "moved from")) == [("robot:4", "moved from", "robot:1")]
    (on,) = graph.facts("mug", "on")
    assert (on.valid_from_s, on.valid_to_s, on.superseded_s) == (2.0, 30.0, 40.0)
    assert graph.facts("mug", "on", at_s=35.0) == [] and len(graph.facts("mug", "on", at_s=35.0, as_of_s=35.0)) == 1
    assert graph.facts("mug", "moved from", as_of_s=35.0) == []


def test_things_are_found_by_names_in_the_plural_too() -> None:
    boots = thing(4, "boots", (0.25, 0.74, 0.25), (0.1, 0.12, 0.1))
    graph = FactGraph(Shelf(TABLE, boots))
    assert brief(graph.facts("boots", "on")) == brief(graph.facts("boot", "on")) == [("robot:4", "on", "robot:1")]


def test_what_is_gone_is_no_longer_where_it_was() -> None:
    mug = thing(4, "mug", np.subtract(ON_TABLE, 0.05).tolist(), (0.1, 0.1, 0.1), 2.0, None, "gone", 50.0)
    graph = FactGraph(Shelf(TABLE, mug))
    (fact,) = graph.facts("mug", "on")
    assert (fact.valid_to_s, fact.superseded_s) == (50.0, 50.0)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=12))
@settings(max_examples=40, deadline=None)
def test_looking_again_around_changes_gives_what_looking_at_all_gives(rows: list[tuple[int, int, int, bool]]) -> None:
    shelf = Shelf(TABLE)
    graph = FactGraph(shelf)
    for number, x, y, is_read in rows:
        shelf.put(thing(number + 1, "box", (0.2 * x, 0.375 * y, 0.1), (0.25, 0.25, 0.25), float(number)))
        if is_read:
            graph.facts()
    assert graph.facts() == FactGraph(shelf).facts()


def test_association_finds_what_stands_beside_the_thing_on_the_table() -> None:
    mug = thing(4, "mug", (0.65, 0.76, 0.3), (0.1, 0.12, 0.1))
    far = [thing(10 + i, "chair", (10.0 + 3 * i, 0.0, 10.0), (0.5, 0.9, 0.5)) for i in range(5)]
    graph = FactGraph(Shelf(TABLE, LAMP, mug, *far))
    nodes = [node for node, _ in graph.associate({"table": 1.0}, k=3)]
    assert nodes[:2] == ["robot:3", "robot:4"] or nodes[:2] == ["robot:4", "robot:3"]
    assert graph.associate({"unicorn": 1.0}) == []


def test_what_was_said_of_the_only_thing_of_its_name_is_about_it() -> None:
    graph = FactGraph(Shelf(TABLE, SINK))
    graph.fold(text(1, "the keys are on the table", 7.0))
    assert brief(graph.facts("table", "same as")) == [("table", "same as", "robot:1")]
    assert [node for node, _ in graph.associate({"keys": 1.0}, k=4)].count("robot:1") == 1


def test_notes_link_to_related_notes_and_teach_them_their_words() -> None:
    graph = told("the passport is in the drawer", "the weather is fine", "the drawer with the passport is stuck")
    first = graph.notes.note(RecordId("robot", 1))
    assert first is not None and first.links == (RecordId("robot", 3),)
    words = dict(first.keywords)
    assert words["passport"] == 1.0 and 0 < words["stuck"] < 1 and first.text == "the passport is in the drawer"
    assert graph.notes.note(RecordId("robot", 9)) is None


def test_boxes_rest_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        low, lows = rng.uniform(0, 1, 3), rng.uniform(0, 1, (5, 3))
        high, highs = low + rng.uniform(0.1, 0.4, 3), lows + rng.uniform(0.1, 0.9, (5, 3))
        on, within, gap = relations_of(low, high, lows, highs, np.zeros(5, bool))
        assert not within.any()
        for i in range(5):
            axes = [max(lows[i, a] - high[a], low[a] - highs[i, a], 0.0) for a in range(3)]
            assert gap[i] == pytest.approx(float(np.linalg.norm(axes)))
            if on[i]:
                assert all(min(highs[i, a], high[a]) > max(lows[i, a], low[a]) for a in (0, 2))


def test_relations_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="a relation is one of"):
        FactGraph().facts(relation="under")
    assert not list(itertools.chain(FactGraph().facts(), FactGraph().associate({"mug": 1.0})))
