"""The spatial tree: exact after any comings and goings, the same in any order, searched as a scan would."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.forest import Forest
from placecell.memory.space_tree import CAPACITY, Cell, SpaceTree

DIM = 6
ROOMS = [(), ("kitchen",), ("upstairs", "bedroom"), ("upstairs", "bath"), ("upstairs",)]


def leaf(seed: int) -> dict:
    """Something at a crowded place: few positions, so that cells fill up and coincide."""
    rng = np.random.default_rng(seed)
    position = rng.integers(-3, 4, 3) * rng.choice([0.01, 0.5, 20.0])
    return {
        "position_m": position.tolist(),
        "vector": None if seed % 7 == 0 else rng.standard_normal(DIM) / np.sqrt(DIM),
        "low_m": (position - 0.1).tolist(),
        "high_m": (position + 0.2).tolist(),
        "start_s": float(seed % 13),
        "end_s": float(seed % 13 + seed % 5),
        "labels": [f"label{seed % 4}"],
        "text": f"word{seed % 3} thing",
        "region": ROOMS[seed % len(ROOMS)],
    }


def described(cell: Cell | None) -> tuple | None:
    """Everything there is to know of a tree."""
    if cell is None:
        return None
    total = cell.total
    return (
        cell.address, cell.count, cell.num_vectors, cell.low_m, cell.high_m, cell.start_s, cell.end_s,
        dict(cell.labels), dict(cell.words), None if total is None else total.tobytes(), sorted(cell.leaves),
        [described(child) for child in cell.ordered()],
    )  # fmt: skip


def check(cell: Cell) -> None:
    """Every cell against what a scan of its leaves gives."""
    leaves = list(cell.all_leaves())
    vectors = [one.vector for one in leaves if one.vector is not None]
    assert cell.count == len(leaves) and cell.num_vectors == len(vectors)
    assert cell.low_m == tuple(np.min([one.low_m for one in leaves], axis=0))
    assert cell.high_m == tuple(np.max([one.high_m for one in leaves], axis=0))
    assert (cell.start_s, cell.end_s) == (min(one.start_s for one in leaves), max(one.end_s for one in leaves))
    assert cell.labels == Counter(name for one in leaves for name in one.labels)
    assert cell.words == Counter(word for one in leaves for word in set(one.text.split()))
    if vectors:
        np.testing.assert_array_equal(cell.centroid, np.mean(np.array(vectors, np.float64), axis=0))
    else:
        assert cell.centroid is None and cell.direction is None
    assert bool(cell.children) != bool(cell.leaves)
    if cell.children:
        assert len(cell.children) >= 2 and (cell.count > CAPACITY or cell.is_mixed)
        for child in cell.children.values():
            assert child.address[: len(cell.address)] == cell.address
            check(child)
    else:
        assert cell.count <= CAPACITY and len({one.region for one in leaves}) == 1


steps = st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(0, 40), st.integers(0, 200)), max_size=80)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_every_cell_is_exact_after_any_comings_and_goings_and_nothing_is_left_of_what_went(steps) -> None:
    tree, held = SpaceTree(), {}
    for verb, key, seed in steps:
        if verb == "put":
            tree.upsert(f"k{key}", **leaf(seed))
            held[f"k{key}"] = seed
        else:
            assert tree.remove(f"k{key}") == (held.pop(f"k{key}", None) is not None)
    assert len(tree) == len(held)
    if tree.root is not None:
        check(tree.root)
    fresh = SpaceTree()
    for key in sorted(held):
        fresh.upsert(key, **leaf(held[key]))
    assert described(fresh.root) == described(tree.root)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 300), unique=True, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_bit_of_tree_search_or_summary(seeds, shuffler) -> None:
    first, second = SpaceTree(), SpaceTree()
    for seed in seeds:
        first.upsert(f"k{seed}", **leaf(seed))
    shuffler.shuffle(seeds)
    for seed in seeds:
        second.upsert(f"k{seed}", **leaf(seed))
    assert described(first.root) == described(second.root)
    at_once = SpaceTree()
    at_once.upsert_many({"key": f"k{seed}", **leaf(seed)} for seed in seeds)
    assert described(at_once.root) == described(first.root)
    at_once.upsert_many([{"key": "k0", **leaf(7)}])
    second.upsert("k0", **leaf(7))
    assert described(at_once.root) == described(second.root)
    second.remove("k0")
    if 0 in seeds:
        second.upsert("k0", **leaf(0))
    query = np.ones(DIM, np.float32) / np.sqrt(DIM)
    found = [[(one.key, score) for one, score in tree.nearest(query, 5, width=2)] for tree in (first, second)]
    assert found[0] == found[1] and first.overview(4) == second.overview(4)


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_of_full_width_is_exact_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = SpaceTree()
    vectors = rng.standard_normal((300, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    for i, vector in enumerate(vectors):
        tree.upsert(f"k{i:03d}", rng.normal(0, 5, 3).tolist(), vector, region=ROOMS[i % 4])
    query = vectors[0].astype(np.float32)
    exact = np.argsort(-(vectors.astype(np.float32) @ query).round(6), kind="stable")[:10]
    assert [one.key for one, _ in tree.nearest(query, 10, width=None)] == [f"k{i:03d}" for i in exact]
    assert tree.nearest(query, 1, width=None, visible=lambda one: one.key != "k000")[0][0].key == f"k{exact[1]:03d}"


def test_a_narrow_beam_reads_a_small_part_and_finds_what_is_gathered_in_one_place() -> None:
    rng = np.random.default_rng(0)
    looks = np.linalg.qr(rng.standard_normal((32, 32)))[0]
    tree = SpaceTree()
    for i in range(800):
        corner = i % 20
        vector = looks[corner] + 0.1 * rng.standard_normal(32)
        tree.upsert(str(i), (4.0 * (corner % 5), 1.0, 4.0 * (corner // 5) + rng.normal(0, 0.5)),
                    vector / np.linalg.norm(vector))  # fmt: skip
    read = []

    def score(one) -> float:
        read.append(one.key)
        return float(one.vector.astype(np.float32) @ looks[7].astype(np.float32))

    found = tree.beam(score, lambda cell: float(cell.direction @ looks[7].astype(np.float32)), 5, width=4)
    assert all(int(one.key) % 20 == 7 for one, _ in found) and len(read) < 200


def test_rooms_stand_above_cells_and_give_the_overview() -> None:
    tree = SpaceTree()
    things = {"kitchen": ["sink", "stove", "mug", "mug"], "bedroom": ["bed", "lamp"], "": ["ball"]}
    for room, names in things.items():
        for i, name in enumerate(names):
            tree.upsert(f"{room}{i}", (0.1 * i, 0.5, 0.0), labels=(name,), region=(room,) if room else ())
    assert [cell.region for cell in tree.rooms()] == [(), ("bedroom",), ("kitchen",)]
    parts = tree.overview(2)
    assert [part.region for part in parts] == [("bedroom",), ("kitchen",)]
    assert parts[1].text == "kitchen: 2 mug, sink, stove" and parts[1].count == 4
    assert [part.count for part in tree.overview(1)] == [4]
    empty = SpaceTree()
    assert empty.overview(3) == [] and empty.rooms() == [] and empty.nearest(np.ones(3, np.float32), 1) == []


def test_without_rooms_the_overview_divides_the_fullest_cells() -> None:
    tree = SpaceTree()
    for i in range(40):
        tree.upsert(f"k{i:02d}", ((i % 4) * 10.0, 0.0, i * 0.01), labels=(f"spot{i % 4}",))
    parts = tree.overview(4)
    assert sum(part.count for part in parts) == 40 and [len(part.labels) for part in parts] == [1] * 4
    assert len(tree.overview(1)) == 1


def test_summaries_are_lazy_and_share_the_cap_on_calls_with_those_over_time() -> None:
    calls = []

    def summarise(summary, below) -> str:
        calls.append(summary)
        return f"{summary.count} in all"

    forest = Forest(summariser=summarise, max_calls=3)
    for i in range(4):
        forest.space.upsert(f"k{i}", (float(i), 0.0, 0.0), labels=("mug",), region=(f"room{i % 2}",))
    forest.insert("a", 1, None, 0.0, text="hello there")
    assert calls == []
    assert [part.text for part in forest.space.overview(2)] == ["2 in all", "2 in all"] and len(calls) == 2
    forest.space.overview(2)
    assert len(calls) == 2
    forest.space.upsert("k0", (0.0, 0.0, 0.0), labels=("cup",), region=("room0",))
    assert forest.level(1)[0].text == "1 in all" and len(calls) == 3
    assert forest.space.overview(2)[0].text == "room0: cup, mug"


def test_what_moves_is_in_its_new_place_only() -> None:
    tree = SpaceTree()
    tree.upsert("mug", (0.0, 1.0, 0.0), labels=("mug",), region=("kitchen",))
    tree.upsert("bed", (9.0, 0.0, 0.0), labels=("bed",), region=("bedroom",))
    tree.upsert("mug", (9.0, 0.5, 1.0), labels=("mug",), region=("bedroom",))
    assert [(part.region, part.count) for part in tree.overview(9)] == [(("bedroom",), 2)]
    assert tree["mug"].position_m == (9.0, 0.5, 1.0) and "mug" in tree and "cup" not in tree
    assert not tree.remove("cup")


def test_bad_input_gets_one_clear_line() -> None:
    tree = SpaceTree()
    tree.upsert("a", (0.0, 0.0, 0.0), np.ones(3))
    for arguments, message in (
        (((0.0, np.nan, 0.0),), "position_m must be three finite numbers"),
        (((0.0, 0.0),), "position_m must be three"),
        (((0.0, 0.0, 0.0), np.ones(4)), r"vector must be finite, of shape \(3,\)"),
        (((0.0, 0.0, 0.0), np.full(3, np.inf)), "vector must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            tree.upsert("b", *arguments)
    with pytest.raises(ValueError, match="outermost first"):
        tree.upsert("b", (0.0, 0.0, 0.0), region="kitchen")
    with pytest.raises(ValueError, match="query must have shape"):
        tree.nearest(np.ones(4, np.float32), 1)
    with pytest.raises(ValueError, match="k must be"):
        tree.overview(0)
    assert len(tree) == 1
    tree.upsert("far", (1e9, -1e9, 0.0), np.ones(3))  # beyond the largest cell: at its edge
    assert tree.root is not None and tree.root.count == 2 and tree.root.high_m[0] == 1e9


def test_a_summary_stands_for_its_cell_by_the_leaf_nearest_its_direction() -> None:
    tree = SpaceTree()
    for i, angle in enumerate((0.0, 0.3, 0.5, 2.0)):
        tree.upsert(f"k{i}", (float(i), 0.0, 0.0), np.array([np.cos(angle), np.sin(angle)]))
    assert tree.overview(1)[0].key == "k2"
