"""Routes: a question by name, by use or about the whole goes its own way, and says which."""

from __future__ import annotations

import numpy as np
import pytest

from placecell.memory.affordances import AFFORDANCES, Affordances, stem
from placecell.memory.chunks import ChunkIndex
from placecell.memory.forest import Forest
from placecell.memory.object_states import SceneObject, Sighting
from placecell.memory.queries import parse_query
from placecell.memory.recall import Recaller
from placecell.memory.records import Record, RecordId
from placecell.memory.routing import Ground, find, needs_of, room_name, seek
from placecell.memory.space_feed import SpaceFeed, ViewSpots, is_view
from placecell.memory.space_tree import SpaceTree
from placecell.memory.timeline import Timeline

THINGS = {
    "sink": "bathroom", "bathtub": "bathroom", "towel": "bathroom", "sofa": "living room", "tv": "living room",
    "stove": "kitchen", "fridge": "kitchen", "mug": "kitchen", "bed": "bedroom", "wardrobe": "bedroom",
}  # fmt: skip


def home(copies: int = 1) -> SpaceTree:
    tree = SpaceTree()
    rooms = sorted(set(THINGS.values()))
    for copy in range(copies):
        for i, (name, room) in enumerate(THINGS.items()):
            position = (6.0 * rooms.index(room), 0.5, 20.0 * copy + 0.3 * i)
            tree.upsert(f"{name} {copy}", position, labels=(name,), region=(f"{room} {copy}",))
    return tree


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("somewhere to wash my hands", "sink"),
        ("where can I take a nap?", "bed"),
        ("I want to cook", "stove"),
        ("something to drink coffee from", "mug"),
        ("where could I hang my shirts?", "wardrobe"),
        ("where should the milk be stored to stay cold?", "fridge"),
    ],
)
def test_a_use_leads_to_what_serves_it(text: str, thing: str) -> None:
    tree = home(copies=30)
    assert parse_query(text).route == "implicit"
    found = seek(tree, needs_of(text, tree, Affordances()), 5)
    assert [leaf.labels for leaf, _ in found[:3]] == [(thing,)] * 3


@pytest.mark.parametrize("text", ["throw away rubbish", "throw away my garbage", "get rid of waste", "throw out trash"])
def test_rubbish_goes_into_the_bin_and_not_with_the_ball(text: str) -> None:
    assert next(iter(Affordances().expand(text, ["ball", "fridge", "trash can", "wardrobe"]))) == "trash can"


def test_no_picture_is_looked_for_as_if_a_room_were_a_thing() -> None:
    uses = Affordances()
    tree = home()
    tree.upsert("washing machine", (40.0, 0.5, 0.0), labels=("washing machine",), region=("laundry room",))
    needs = needs_of("somewhere to wash clothes", tree, uses, uses.names)
    assert needs.best[0] == "washing machine" and "laundry room" in needs.rooms
    assert not {"laundry room", "bathroom", "garage"} & set(needs.things)


def test_a_beam_for_a_use_of_full_width_is_a_scan_and_a_narrow_one_loses_nothing_of_the_best() -> None:
    tree = home(copies=20)
    needs = needs_of("somewhere to sit and watch tv", tree, Affordances())
    assert tree.root is not None
    leaves = [(leaf, needs.of_leaf(leaf)) for leaf in tree.root.all_leaves() if needs.of_leaf(leaf) > 0]
    scan = sorted(((-round(score, 6), leaf.key) for leaf, score in leaves))[:8]
    assert [(-score, leaf.key) for leaf, score in seek(tree, needs, 8, width=None)] == scan
    assert [-score for _, score in seek(tree, needs, 8)] == [score for score, _ in scan]
    hidden = seek(tree, needs, 3, visible=lambda leaf: leaf.labels != ("tv",))
    assert hidden and all(leaf.labels != ("tv",) for leaf, _ in hidden)


def test_rooms_tip_the_scales_between_equals() -> None:
    tree = SpaceTree()
    for room in ("kitchen 1", "bedroom 2", "office 3"):
        tree.upsert(f"lamp in {room}", (float(len(room)), 0.0, 0.0), labels=("floor lamp",), region=("floor 0", room))
    found = seek(tree, needs_of("a place to read in the dark and to sleep", tree, Affordances()), 3)
    assert found[0][0].region == ("floor 0", "bedroom 2") and found[0][1] > found[1][1]
    assert room_name("bedroom 2") == "bedroom"


def test_a_name_finds_leaves_by_other_names_and_in_the_room_that_is_named() -> None:
    tree = home(copies=2)
    assert [leaf.key for leaf, _ in find(tree, parse_query("where is the couch?"), 2, Affordances())] == [
        "sofa 0",
        "sofa 1",
    ]
    tree.upsert("mug in the bathroom", (0.0, 1.0, 0.0), labels=("mug",), region=("bathroom 0",))
    assert find(tree, parse_query("mug in the bathroom"), 1, Affordances())[0][0].key == "mug in the bathroom"
    assert find(tree, parse_query("xylophone"), 3, Affordances()) == []


def test_uses_are_matched_by_words_or_by_meaning() -> None:
    names = ["sofa", "red bar stool", "clock", "thing"]
    plain = Affordances()
    assert plain.uses("red bar stool") == plain.uses("stool") and plain.uses("thing") == ()
    assert "couch" in plain.words("sofa") and next(iter(plain.expand("what time is it", names))) == "clock"
    assert plain.expand("zzz", names) == {} and plain.likeness("couch", "sofa") == 0.0

    def encode(texts) -> np.ndarray:  # knows of "late" and "time" that they mean the same
        known = [np.array([1.0, 0.1 * len(text) % 1]) if {"late", "time"} & set(text.split()) else np.array([0.0, 1.0])
                 for text in texts]  # fmt: skip
        return np.array([v / np.linalg.norm(v) for v in known], np.float32)

    assert next(iter(Affordances(encode=encode).expand("late", names))) == "clock"
    with pytest.raises(ValueError, match="a line of uses looks like"):
        Affordances("sofa, couch")
    assert all(len(Affordances().uses(name)) >= 1 for name in ("sofa", "kitchen", "nursery"))
    assert [stem(word) for word in ("reading", "sitting", "glasses")] == ["read", "sit", "glas"] or AFFORDANCES


# --- in recall -------------------------------------------------------------------------------------------------------

DIM = 12


class Words:
    """An encoder that knows the names of the things, one direction each, and nothing else."""

    prompts = {"object": "{}"}
    names = tuple(THINGS)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in text.split() if word not in self.names)

    def encode_texts(self, texts) -> np.ndarray:
        return np.array([np.eye(DIM, dtype=np.float32)[self.names.index(text)] for text in texts])


def remembered(with_things: bool, with_encoder: bool) -> tuple[Recaller, dict[str, Record]]:
    """Forty views, each thing in one of them; and the same things in a spatial tree."""
    rng = np.random.default_rng(0)
    records = []
    for i in range(40):
        row = 0.2 * rng.standard_normal(DIM)
        if i % 4 == 0:
            row[i // 4] += 1.0
        pose = np.eye(4)
        pose[:3, 3] = (float(i), 1.0, 0.0)
        vectors = (row / np.linalg.norm(row)).astype(np.float16)[None]
        records.append(Record("a", i + 1, "moment", float(i), i + 1.0, vectors, pose=pose, is_event_start=i % 8 == 0))
    by_id = {record.record_id: record for record in records}
    timeline, visual, forest = Timeline(by_id.get), ChunkIndex(DIM), Forest()
    for record in records:
        item = timeline.add(record)
        vector = record.embeddings[0].astype(np.float32)
        visual.append(item, record.embeddings, stream="a", start_s=record.stamp_s, end_s=record.end_s,
                      position=record.position_m, labels=(), is_event_start=record.is_event_start)  # fmt: skip
        forest.insert("a", item, vector, record.stamp_s, record.end_s, is_event_start=record.is_event_start)
    shown = {name: records[4 * i] for i, name in enumerate(THINGS)}
    if with_things:
        for i, (name, room) in enumerate(THINGS.items()):
            forest.space.upsert(
                name, (4.0 * i, 0.5, 0.0), labels=(name,), region=(room,), sources=[shown[name].record_id]
            )
    encoder = Words()
    recaller = Recaller(
        timeline, visual, forest=forest, encoder=(lambda: encoder) if with_encoder else None,
        ground=(lambda: Ground(forest.space, timeline.item)) if with_things else None,
    )  # fmt: skip
    return recaller, shown


@pytest.mark.parametrize(("with_things", "with_encoder"), [(True, True), (True, False), (False, True)])
def test_recall_of_a_use_gives_views_of_what_serves_it(with_things: bool, with_encoder: bool) -> None:
    recaller, shown = remembered(with_things, with_encoder)
    hits = recaller.recall("somewhere to wash my hands", k=3)
    assert hits[0].record_id == shown["sink"].record_id and "sink" in hits[0].why
    assert set(hits[0].channels) == {
        name for name, is_there in (("space", with_things), ("uses", with_encoder)) if is_there
    }
    assert len(hits.notes) == 1 and hits.notes[0].startswith("a use, looked for as sink")
    assert recaller.explain("somewhere to wash my hands")[0].startswith(
        "route: implicit, a beam down the trees for sink"
    )


@pytest.mark.parametrize(
    ("text", "thing", "other"),
    [("somewhere to wash my hands", "sink", "bicycle"), ("a quiet place to read", "book", "globe")],
)
def test_words_for_any_place_are_no_use(text: str, thing: str, other: str) -> None:
    found = Affordances().expand(text, [thing, other])
    assert next(iter(found)) == thing and other not in found


def test_each_kind_of_question_goes_its_own_way_and_says_so() -> None:
    recaller, shown = remembered(True, True)
    assert recaller.explain("where is the sofa?")[0] == "route: explicit, the chunk index"
    assert recaller.explain("which rooms are there?")[0] == "route: global, summaries of rooms"
    assert recaller.explain("what happened?")[0] == "route: global, summaries of events"
    named = recaller.recall("where is the sofa?", k=1)
    assert named[0].record_id == shown["sofa"].record_id and not {"space", "uses"} & set(named[0].channels)
    rooms = recaller.recall("which rooms are there?", k=5)
    assert [hit.text.split(":")[0] for hit in rooms] == ["bathroom", "bedroom", "kitchen", "living room"]
    assert all(hit.record_id in {record.record_id for record in shown.values()} for hit in rooms)
    events = recaller.recall("what happened?", k=5)
    assert [hit.stamp_s for hit in events] == sorted(hit.stamp_s for hit in events) and len(events) == 5


def test_filters_hold_on_every_route() -> None:
    recaller, shown = remembered(True, True)
    late = (4.5, 100.0)
    assert all(hit.stamp_s >= 4 for hit in recaller.recall("somewhere to wash my hands", between=late, k=9))
    assert shown["sink"].record_id not in [h.record_id for h in recaller.recall("which rooms are there?", between=late)]
    sink = shown["sink"].record_id
    hits = recaller.recall("somewhere to wash my hands", visible=lambda item: item != 0, k=9)
    assert sink not in [hit.record_id for hit in hits]


# --- the feed --------------------------------------------------------------------------------------------------------


def thing(name: str, x: float, state: str = "here", number: int = 0) -> SceneObject:
    return SceneObject(
        f"a:{number}", "a", name, ((name, 0.8), ("junk", 0.1)), np.eye(3, dtype=np.float32)[0], (x, 0.5, 0.0),
        (x - 0.1, 0.4, -0.1), (x + 0.1, 0.6, 0.1), 3, 0.9, 1.0, 5.0, state, 1.0, (),
        (Sighting(RecordId("a", 7), 5.0, 0.9, (0.0, 0.0, 1.0, 1.0)),),
    )  # fmt: skip


def test_the_feed_follows_things_that_come_move_and_go() -> None:
    feed = SpaceFeed(SpaceTree())
    mug, bed = thing("mug", 1.0), thing("bed", 5.0, number=1)
    tree = feed.follow([mug, bed])
    leaf = tree["a:0"]
    assert len(tree) == 2 and leaf.labels == ("mug",) and leaf.sources == (RecordId("a", 7),)
    feed.follow([mug, bed])
    assert tree["a:0"] is leaf  # untouched
    feed.follow([thing("mug", 4.0), bed])
    assert tree["a:0"].position_m == (4.0, 0.5, 0.0)
    feed.follow([thing("mug", 4.0, state="gone"), bed])
    assert "a:0" not in tree and len(tree) == 1
    feed.follow([])
    assert len(tree) == 0 and tree.root is None


def test_a_place_with_no_thing_in_it_is_answered_by_a_view() -> None:
    spots = ViewSpots()
    rng = np.random.default_rng(0)
    looks = rng.standard_normal((6, 3)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    for i, vector in enumerate(looks, 1):
        pose = np.eye(4)
        pose[:3, 3] = (5.0 * i, 0.9, 0.0)
        spots.fold(Record("a", i, "moment", float(i), float(i), vector[None], pose=pose))
        pose[:3, 3] += 0.1  # the same place again
        spots.fold(Record("a", 10 + i, "moment", 9.0 + i, 9.0 + i, vector[None], pose=pose))
    assert [spot.record_id.seq for spot in spots.spots()] == [1, 2, 3, 4, 5, 6]
    feed = SpaceFeed(SpaceTree())
    tree = feed.follow([thing("mug", 1.0)], (), spots.spots())
    ((leaf, score),) = tree.nearest(looks[3], 1)
    assert is_view(leaf.key) and leaf.sources == (RecordId("a", 4),) and score > 0.99
    needs = needs_of("somewhere to drink", tree, Affordances())
    assert [found.key for found, _ in seek(tree, needs, 5)] == ["a:0"]  # a view serves no use
    assert len(feed.follow([], (), spots.spots()[:2])) == 2


@pytest.mark.slow
def test_a_memory_of_a_house_answers_by_use_and_by_room() -> None:
    from placecell import Memory, Observation
    from placecell.envs.building import House
    from placecell.envs.house import HouseEnv, tour
    from placecell.perception.objects import MaskDetector

    env = HouseEnv(House.generate(2_000_003), resolution=(96, 96), max_steps=400)
    memory = Memory(encoder="builtin", detector=MaskDetector({one.id: one.category for one in env.house.objects}))
    observation, _ = env.reset(seed=0)
    for i, action in enumerate(tour(env, max_steps=120)):
        observation, *_ = env.step(action)
        memory.observe(
            Observation(stamp_s=float(i), rgb=observation["rgb"], depth_m=observation["depth"], camera=env.camera,
                        pose=observation["pose"], instances=observation["semantic"])
        )  # fmt: skip
    space = memory.forest.space
    leaves = list(space.root.all_leaves())
    assert (
        sum(not is_view(leaf.key) for leaf in leaves)
        == sum(thing.state != "gone" for thing in memory.objects.objects())
        > 5
    )
    assert any(is_view(leaf.key) and leaf.region for leaf in leaves)
    hits = memory.recall("somewhere to wash my hands", k=3)
    assert hits and "sink" in hits[0].why and "space" in hits[0].channels
    assert memory.explain("which rooms are there?")[0] == "route: global, summaries of rooms"
    assert len(memory.recall("which rooms are there?", k=5)) >= 2
