"""The forest: exact statistics, independence of agents, storage, search, and speed."""

from collections import Counter

import numpy as np
import pytest

from placecell.memory.forest import FAN_OUT, Forest, Node, Summary
from placecell.memory.node import Node as SpatialNode

DIM = 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def stream(seed: int, length: int, event: int = 8) -> list[dict]:
    """Moments of one agent: events of similar vectors, a walk, labels and now and then words."""
    rng = np.random.default_rng(seed)
    scenes = unit(rng.standard_normal((length // event + 1, DIM)))
    position = np.zeros(3)
    moments = []
    for i in range(length):
        position = position + rng.normal(0, 0.2, 3)
        moments.append(
            {
                "item": seed * 100_000 + i,
                "vector": unit(scenes[i // event] + 0.1 * rng.standard_normal(DIM)),
                "start_s": float(i),
                "end_s": i + 0.5,
                "position": tuple(position.tolist()),
                "labels": (f"room{i // 40}",),
                "text": f"scene{i // event} talk" if i % 10 == 0 else "",
                "is_event_start": i % event == 0,
            }
        )
    return moments


def grown(*streams: tuple[str, list[dict]], **options) -> Forest:
    forest = Forest(**options)
    for agent_id, moments in streams:
        for moment in moments:
            forest.insert(agent_id, **moment)
    return forest


def everything(forest: Forest) -> list[tuple]:
    return [
        (
            agent_id,
            level,
            n.count,
            n.start_s,
            n.end_s,
            n.low,
            n.high,
            dict(n.labels),
            list(n.leaves()),
            n.total.tobytes(),
        )
        for level in range(1, forest.depth + 1)
        for agent_id, n in forest.nodes(level)
    ]


def test_every_node_holds_exactly_what_lies_below_it() -> None:
    moments = stream(1, 700)
    forest = grown(("a", moments))
    by_item = {moment["item"]: moment for moment in moments}

    def check(node: Node) -> None:
        below = [by_item[item] for item in node.leaves()]
        assert node.count == len(below)
        assert (node.start_s, node.end_s) == (min(m["start_s"] for m in below), max(m["end_s"] for m in below))
        np.testing.assert_allclose(node.centroid, np.mean([m["vector"] for m in below], axis=0), atol=1e-4)
        places = np.array([m["position"] for m in below])
        assert node.low == pytest.approx(tuple(places.min(axis=0))) and node.high == pytest.approx(places.max(axis=0))
        assert node.labels == Counter(label for m in below for label in m["labels"])
        assert len(node.children) <= FAN_OUT and all(child.level == node.level - 1 for child in node.children)
        for child in node.children:
            check(child)

    root = forest.roots()["a"]
    check(root)
    assert list(root.leaves()) == [moment["item"] for moment in moments]
    assert [node.count for _, node in forest.nodes(1)] == [8] * 87 + [4]


def test_interleaving_of_agents_changes_no_bit() -> None:
    first, second = stream(1, 300), stream(2, 200)
    apart = grown(("a", first), ("b", second))
    mixed = Forest()
    rng = np.random.default_rng(0)
    queues = {"a": list(first), "b": list(second)}
    while any(queues.values()):
        agent_id = str(rng.choice([name for name in queues if queues[name]]))
        mixed.insert(agent_id, **queues[agent_id].pop(0))
    assert everything(apart) == everything(mixed)


def test_dropping_an_agent_leaves_the_others_alone() -> None:
    forest = grown(("a", stream(1, 300)), ("b", stream(2, 200)))
    forest.drop("a")
    forest.drop("nobody")
    assert everything(forest) == everything(grown(("b", stream(2, 200))))


def test_insertion_never_moves_an_older_node() -> None:
    moments = stream(3, 400)
    forest = Forest()
    groups: dict[int, list[int]] = {}
    for moment in moments:
        forest.insert("a", **moment)
        closed = [node.items for _, node in forest.nodes(1)][:-1]
        for i, items in enumerate(closed):
            assert groups.setdefault(i, list(items)) == items


def test_state_round_trip_and_growth_afterwards() -> None:
    moments, other = stream(4, 500), stream(5, 50)
    forest = grown(("a", moments[:300]), ("b", other))
    loaded = Forest()
    loaded.restore(forest.state())
    assert everything(loaded) == everything(forest)
    for both in (forest, loaded):
        for moment in moments[300:]:
            both.insert("a", **moment)
    assert everything(loaded) == everything(forest) and loaded.level(2) == forest.level(2)
    empty = Forest()
    empty.restore(Forest().state())
    assert len(empty) == 0 and empty.depth == 0 and empty.overview(3) == []


def test_beam_finds_the_event_that_a_scan_finds() -> None:
    moments = stream(6, 2000)
    forest = grown(("a", moments[:1000]), ("b", moments[1000:]))
    events = forest.nodes(1)
    directions = np.array([node.direction for _, node in events])
    rng = np.random.default_rng(0)
    asked = rng.choice(len(events), 60, replace=False)
    found = 0
    for event in asked:
        query = unit(directions[event] + 0.1 * rng.standard_normal(DIM))
        best = events[int((directions @ query).argmax())][1]
        beam = forest.beam(query, width=16)
        assert beam == sorted(beam, key=lambda entry: -entry[2]) and len(beam) <= 16
        found += beam[0][1] is best
    assert found >= 0.9 * len(asked)


def test_beam_reads_a_small_part_of_the_tree() -> None:
    forest = grown(("a", stream(7, 2000)))
    levels = {level: len(forest.nodes(level)) for level in range(1, forest.depth + 1)}
    assert (
        levels[1] == 250
        and levels[forest.depth] == 1
        and all(levels[i + 1] < levels[i] / 2 for i in range(1, forest.depth))
    )


def test_summaries_are_lazy_and_refreshed_when_something_is_added() -> None:
    moments = stream(8, 100)
    calls: list[Summary] = []

    def summarise(summary: Summary, below) -> str:
        calls.append(summary)
        return f"{summary.count} moments"

    forest = grown(("a", moments[:80]), summariser=summarise, max_calls=12)
    assert calls == []
    first = forest.level(1)
    assert len(calls) == 10 and first[0].text == "8 moments" and forest.level(1) == first and len(calls) == 10
    forest.insert("a", **moments[80])
    assert forest.level(1)[:10] == first and len(calls) == 11
    for moment in moments[81:]:
        forest.insert("a", **moment)
    assert all(summary.text for summary in forest.level(1)) and len(calls) == 12  # the cap
    assert "room" in forest.level(1)[-1].text


def test_a_summary_names_labels_telling_words_and_a_typical_moment() -> None:
    moments = stream(9, 160)
    vectors = {moment["item"]: moment["vector"] for moment in moments}
    forest = grown(("a", moments), vectors=lambda items: [vectors[item] for item in items])
    summary = forest.level(1)[5]
    assert summary.labels == (("room1", 8),) and summary.words[0] == "scene5"
    node = forest.nodes(1)[5][1]
    assert summary.item == max(node.items, key=lambda item: float(vectors[item] @ node.direction))


def test_overview_gives_visible_parts_in_the_order_of_time() -> None:
    forest = grown(("a", stream(10, 400)), ("b", stream(11, 100)))
    for k in (1, 3, 10, 1000):
        parts = forest.overview(k)
        assert 1 <= len(parts) <= k and parts == sorted(parts, key=lambda part: (part.start_s, part.agent_id))
    visible = set(range(1_000_000, 1_000_050))
    parts = forest.overview(10, lambda item: item in visible)
    assert sum(part.count for part in parts) == 50 and {part.item for part in parts} <= visible


def test_texts_without_vectors_and_a_single_moment() -> None:
    forest = Forest()
    forest.insert("a", 1, None, 0.0, text="the keys are on the shelf")
    forest.insert("a", 2, None, 1.0, text="the keys are gone", is_event_start=True)
    assert forest.beam(np.ones(4, np.float32)) == [] and forest.roots()["a"].centroid is None
    assert [summary.words[:1] for summary in forest.level(2)] == [("keys",)]
    with pytest.raises(ValueError, match="level"):
        forest.level(0)


def test_a_tree_over_space_is_made_of_the_same_nodes() -> None:
    shelf, kitchen = SpatialNode(1), SpatialNode(2)
    for x in (1.0, 3.0):
        shelf.absorb(np.array([1, 0], np.float32), x, x, (x, 1.0, 0.0), ("mug",), ("red",))
    kitchen.adopt(shelf)
    assert kitchen.low == (1.0, 1.0, 0.0) and kitchen.high == (3.0, 1.0, 0.0) and kitchen.labels["mug"] == 2
    assert kitchen.direction.tolist() == [1.0, 0.0] and list(kitchen.leaves()) == []


def test_depth_grows_with_the_logarithm_so_an_insert_touches_few_nodes() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((256, 32)))
    forest, depths = Forest(), {}
    for i in range(10_000):
        forest.insert("a", i, vectors[i % 256], float(i), labels=("kitchen",), is_event_start=i % 10 == 0)
        if i + 1 in (100, 1_000, 10_000):
            depths[i + 1] = forest.depth
    assert depths[10_000] - depths[1_000] <= depths[1_000] - depths[100] + 1
    assert depths[10_000] <= 8
