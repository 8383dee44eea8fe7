"""The chunk index against brute force, on streams, under filters, in any order, and after saving."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.errors import MemoryCorruptError, MemoryVersionError
from placecell.memory import columns
from placecell.memory.chunks import EXACT_ROWS, ChunkIndex, Predicate

DIM = 32
LABELS = [f"label{i}" for i in range(70)]  # more than one word of bits


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class Item:
    """One item as a test remembers it."""

    def __init__(self, item, stream, vectors, start_s, end_s, position, labels, is_event_start):
        self.item, self.stream, self.vectors, self.start_s, self.end_s = item, stream, vectors, start_s, end_s
        self.position, self.labels, self.is_event_start = position, labels, is_event_start

    def add_to(self, index: ChunkIndex, item: int | None = None) -> None:
        index.append(
            self.item if item is None else item,
            self.vectors,
            stream=self.stream,
            start_s=self.start_s,
            end_s=self.end_s,
            position=self.position,
            labels=self.labels,
            is_event_start=self.is_event_start,
        )

    def passes(self, where: Predicate) -> bool:
        if where.streams is not None and self.stream not in where.streams:
            return False
        if where.between is not None and not (self.start_s <= where.between[1] and self.end_s >= where.between[0]):
            return False
        if where.labels is not None and not set(where.labels) <= set(self.labels):
            return False
        if where.near is not None:
            return self.position is not None and math.dist(self.position, where.near[0]) <= where.near[1]
        return True


def world(seed: int, num: int, streams: int = 3, tiles: int = 0, dim: int = DIM, topics: int = 40) -> list[Item]:
    """Streams of events of varying length that show topics again and again."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((topics, dim))
    found: list[Item] = []
    item = 0
    for number in range(streams):
        left, centre, at = 0, centres[0], rng.normal(0, 5, 3)
        for t in range(num // streams):
            is_start = left == 0
            if is_start:
                left, centre = int(rng.integers(3, 40)), centres[rng.integers(topics)] + 0.4 * rng.standard_normal(dim)
            left -= 1
            at = at + rng.normal(0, 0.3, 3)
            width = 1 + (tiles if rng.random() < 0.98 else 0)
            vectors = unit(centre + 0.4 * rng.standard_normal((width, dim)))
            labels = tuple(rng.choice(LABELS, rng.integers(0, 4), replace=False).tolist())
            place = tuple(at.tolist()) if rng.random() < 0.9 else None
            found.append(Item(item, f"s{number}", vectors, float(t), t + rng.uniform(0, 2), place, labels, is_start))
            item += 1
    return found


def build(items: list[Item]) -> ChunkIndex:
    index = ChunkIndex(items[0].vectors.shape[1])
    for item in items:
        item.add_to(index)
    return index


def brute(items: list[Item], query: np.ndarray, where: Predicate | None = None) -> dict[int, float]:
    passing = [item for item in items if where is None or item.passes(where)]
    if not passing:
        return {}
    scores = np.concatenate([item.vectors for item in passing]) @ unit(query)
    ends = np.cumsum([len(item.vectors) for item in passing])
    best = np.maximum.reduceat(scores, np.concatenate([[0], ends[:-1]]))
    return dict(zip([item.item for item in passing], best.tolist(), strict=True))


def check_equal(found, truth: dict[int, float], k: int) -> None:
    """What was found is the best of the truth; what scores alike may change places."""
    best = sorted(truth.values(), reverse=True)[:k]
    assert len(found.items) == len(best) == len(set(found.items.tolist()))
    np.testing.assert_allclose(found.scores, best, atol=1e-4)
    np.testing.assert_allclose([truth[item] for item in found.items.tolist()], best, atol=1e-4)


WORLD = world(0, 3000)
TILED = world(1, 300, tiles=9)
INDEX, TILED_INDEX = build(WORLD), build(TILED)

PREDICATES = st.fixed_dictionaries(
    {
        "near": st.none() | st.tuples(st.tuples(*[st.floats(-12, 12)] * 3), st.floats(0, 15) | st.just(math.inf)),
        "between": st.none() | st.tuples(st.floats(-5, 1100), st.floats(0, 400)).map(lambda p: (p[0], p[0] + p[1])),
        "streams": st.none() | st.lists(st.sampled_from(["s0", "s1", "s2", "nobody"]), max_size=3).map(tuple),
        "labels": st.none() | st.lists(st.sampled_from([*LABELS, "nothing"]), max_size=2, unique=True).map(tuple),
    }
)


@settings(max_examples=150, deadline=None)
@given(parts=PREDICATES, k=st.integers(1, 40), seed=st.integers(0, 99), is_tiled=st.booleans())
def test_few_candidates_are_searched_exactly_under_any_filter(parts, k, seed, is_tiled) -> None:
    where = Predicate(**parts)
    items, index = (TILED, TILED_INDEX) if is_tiled else (WORLD, INDEX)
    query = np.random.default_rng(seed).standard_normal(DIM)
    truth = brute(items, query, where)
    found = index.search(query, k, where)
    check_equal(found, truth, k)
    again = index.exact(query, k, where)
    assert found.items.tolist() == again.items.tolist() and found.scores.tolist() == again.scores.tolist()
    by_item = {item.item: item for item in items}
    for item, score, row in zip(*found, strict=True):
        assert float(by_item[int(item)].vectors[row] @ unit(query)) == pytest.approx(score, abs=1e-4)


def test_a_rim_is_inside_and_what_has_no_place_is_not() -> None:
    index = ChunkIndex(2)
    places = [(3.0, 0.0, 4.0), (0.1, 0.2, 0.3), None]
    for item, place in enumerate(places):
        index.append(item, np.ones((1, 2)), stream="a", start_s=float(item), position=place)
    query = np.ones(2)
    assert index.search(query, 9, Predicate(near=((0.0, 0.0, 0.0), 5.0))).items.tolist() == [0, 1]
    radius = math.dist((0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert index.search(query, 9, Predicate(near=((1.0, 1.0, 1.0), radius))).items.tolist() == [1]
    less = math.nextafter(radius, 0.0)
    assert len(index.search(query, 9, Predicate(near=((1.0, 1.0, 1.0), less))).items) == 0


@pytest.fixture(scope="module")
def large() -> tuple[list[Item], ChunkIndex]:
    items = world(2, 14_000, streams=4, dim=64, topics=200)
    return items, build(items)


@pytest.mark.parametrize("where", [None, Predicate(between=(500.0, 2500.0)), Predicate(labels=("label3",))])
def test_many_candidates_are_found_by_attention(large, where) -> None:
    items, index = large
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(40):
        query = items[rng.integers(len(items))].vectors[0] + 0.1 * rng.standard_normal(64)
        truth = sorted(((score, item) for item, score in brute(items, query, where).items()), reverse=True)[:10]
        hits += len({item for _, item in truth} & set(index.search(query, 10, where).items.tolist()))
    assert hits >= 0.98 * 400


def test_a_filter_that_lets_little_through_still_fills_k(large) -> None:
    items, index = large
    where = Predicate(labels=("label3", "label4"))
    query = np.random.default_rng(0).standard_normal(64)
    truth = brute(items, query, where)
    check_equal(index.search(query, 10, where), truth, 10)
    wide = Predicate(labels=("label5",))  # in nearly every chunk, but in few items
    found = index.search(query, 200, wide)
    assert len(found.items) == 200 and all(item in brute(items, query, wide) for item in found.items.tolist())


@pytest.mark.parametrize("seed", range(3))
def test_answers_do_not_depend_on_how_streams_interleave(large, seed) -> None:
    items, alone = large  # stream after stream
    rng = np.random.default_rng(seed)
    queues = {n: [item for item in items if item.stream == f"s{n}"] for n in range(4)}
    rng.shuffle(order := [n for n, queue in queues.items() for _ in range(-(-len(queue) // 37))])
    mixed = ChunkIndex(64)
    query = rng.standard_normal(64)
    for step, n in enumerate(order):
        for item in queues[n][:37]:
            item.add_to(mixed)
        del queues[n][:37]
        if step % 50 == 0:
            mixed.search(query, 3)  # asking in between changes nothing
    for where in (None, Predicate(between=(0.0, 3000.0)), Predicate(labels=("label1",))):
        for vector in (query, items[5000].vectors[0]):
            a, b = alone.search(vector, 20, where), mixed.search(vector, 20, where)
            assert a.items.tolist() == b.items.tolist() and a.scores.tolist() == b.scores.tolist()
            assert alone.background(vector, where) == mixed.background(vector, where)


def test_equal_vectors_come_in_the_order_of_streams_and_time() -> None:
    """A still camera: thousands of equal vectors, more than are read."""
    vector = unit(np.ones((1, 64)))
    for order in (("b", "a"), ("a", "b")):
        index = ChunkIndex(64)
        for name in order:
            for t in range(0, 5000, 1000):
                index.extend(
                    10_000 * (name == "b") + np.arange(t, t + 1000),
                    np.repeat(vector, 1000, axis=0),
                    stream=name,
                    start_s=np.arange(t, t + 1000, dtype=float),
                    is_event_start=np.arange(1000) % 5 == 0,
                )
        assert index.search(np.ones(64), 5).items.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("page", [64, 100, 65_536])
def test_extend_is_append_for_each(monkeypatch, page) -> None:
    monkeypatch.setattr(columns, "PAGE", page)
    items = world(4, 2000, streams=1)
    rows = np.concatenate([item.vectors for item in items])
    together = ChunkIndex(DIM)
    for low, high in pairwise([0, 1, 700, 701, 2000]):
        part = items[low:high]
        together.extend(
            np.array([item.item for item in part]),
            rows[low:high],
            stream="s0",
            start_s=np.array([item.start_s for item in part]),
            end_s=np.array([item.end_s for item in part]),
            positions=np.array([item.position or (math.nan,) * 3 for item in part]),
            labels=[item.labels for item in part],
            is_event_start=np.array([item.is_event_start for item in part]),
        )
    one_by_one = build(items)
    query = np.random.default_rng(0).standard_normal(DIM)
    for where in (None, Predicate(near=((0.0, 0.0, 0.0), 4.0)), Predicate(labels=("label2",))):
        a, b = together.search(query, 50, where), one_by_one.search(query, 50, where)
        assert a.items.tolist() == b.items.tolist() and a.scores.tolist() == b.scores.tolist()
    query = items[1500].vectors[0]
    truth = brute(items, query)
    np.testing.assert_allclose(together.scores(query, list(truth)), list(truth.values()), atol=1e-4)
    for name in ("row", "num_entries", "start_s", "end_s", "x", "x_half"):
        np.testing.assert_array_equal(together._store.chunks[name], one_by_one._store.chunks[name])


def test_chunks_end_where_events_end_and_where_neighbours_are_unlike() -> None:
    items = world(5, 900, streams=1)
    index = build(items)
    index._store.settle()
    entry, size = index._store.chunks["entry"], index._store.chunks["num_entries"]
    assert size.max() <= 64 and size.sum() == 900
    starts = {item.item for item in items if item.is_event_start}
    assert sum(int(e) in starts for e in entry) >= 0.9 * len(entry) and len(entry) >= 0.8 * len(starts)
    rng = np.random.default_rng(0)
    texts = ChunkIndex(DIM)
    for i, vector in enumerate(unit(rng.standard_normal((500, DIM)))):
        texts.append(i, vector[None], stream="said", start_s=float(i))
    texts._store.settle()
    assert len(texts._store.chunks) > 450
    still = ChunkIndex(DIM)
    for i in range(640):
        still.append(i, unit(1 + 0.05 * rng.standard_normal((1, DIM))), stream="still", start_s=float(i))
    still._store.settle()
    assert len(still._store.chunks) == 10


def test_unrelated_texts_are_found_among_many() -> None:
    rng = np.random.default_rng(6)
    rows = unit(rng.standard_normal((20_000, 64)))
    index = ChunkIndex(64)
    index.extend(np.arange(len(rows)), rows, stream="said", start_s=np.arange(len(rows), dtype=float))
    hits = sum(
        int(index.search(rows[target] + 0.12 * rng.standard_normal(64), 1).items[0] == target)
        for target in rng.choice(len(rows), 100, replace=False)
    )
    assert hits >= 95


def test_dropped_items_are_gone_and_an_emptied_stream_starts_anew() -> None:
    items = world(7, 1500)
    index = build(items)
    rng = np.random.default_rng(0)
    query = rng.standard_normal(DIM)
    gone = set(rng.choice(1500, 400, replace=False).tolist()) | {1499}  # one of an open chunk too
    assert index.drop([*gone, 123_456]) == len(gone) and index.drop(gone) == 0
    left = [item for item in items if item.item not in gone]
    assert len(index) == len(left)
    for where in (None, Predicate(between=(50.0, 300.0))):
        check_equal(index.search(query, 30, where), brute(left, query, where), 30)
    first = [item for item in items if item.stream == "s0"]
    assert index.drop([item.item for item in first if item.item not in gone]) == len(left) - len(
        [item for item in left if item.stream != "s0"]
    )
    for item in first:
        item.add_to(index, item.item + 1_000_000)
    whole = [item for item in left if item.stream != "s0"] + first
    fresh = ChunkIndex(DIM)
    for item in first:
        item.add_to(fresh, item.item + 1_000_000)
    only = Predicate(streams=("s0",))
    a, b = index.search(query, 25, only), fresh.search(query, 25, only)
    assert a.items.tolist() == b.items.tolist() and a.scores.tolist() == b.scores.tolist()
    assert len(index) == len(whole)


def test_a_stream_that_was_folded_anew_is_searched_as_if_it_were_the_first_time(large) -> None:
    items, _ = large
    part = [item for item in items if item.stream == "s1"][:3000] + [i for i in items if i.stream == "s2"][:3000]
    index, fresh = ChunkIndex(64), ChunkIndex(64)
    for item in part:
        item.add_to(index, item.item)
        item.add_to(fresh, item.item + (1_000_000 if item.stream == "s1" else 0))
    index.drop([item.item for item in part if item.stream == "s1"])
    for item in part:
        if item.stream == "s1":
            item.add_to(index, item.item + 1_000_000)
    rng = np.random.default_rng(1)
    for _ in range(10):
        query = rng.standard_normal(64)
        a, b = index.search(query, 20), fresh.search(query, 20)
        assert a.items.tolist() == b.items.tolist() and a.scores.tolist() == b.scores.tolist()
        assert index.background(query) == fresh.background(query)


def test_background_tells_mean_deviation_and_number(large) -> None:
    items, index = large
    query = np.random.default_rng(5).standard_normal(64)
    for where in (None, Predicate(between=(100.0, 2000.0)), Predicate(labels=("label7",)), Predicate(labels=("x",))):
        scores = np.array(list(brute(items, query, where).values()))
        mean, std, count = index.background(query, where)
        if not len(scores):
            assert (mean, std, count) == (0.0, 0.0, 0)
            continue
        assert abs(mean - scores.mean()) < 0.2 * scores.std() and std == pytest.approx(scores.std(), rel=0.15)
        assert count == pytest.approx(len(scores), rel=0.1)
    query = np.ones(DIM)
    few = np.array(list(brute(WORLD, query).values()))
    assert INDEX.background(query) == pytest.approx((few.mean(), few.std(), len(few)), abs=1e-4)


def test_scores_of_chosen_items() -> None:
    query = np.random.default_rng(0).standard_normal(DIM)
    truth = brute(TILED, query)
    found = TILED_INDEX.scores(query, [5, 9999, 0])
    assert found[[0, 2]] == pytest.approx([truth[5], truth[0]], abs=1e-4) and math.isnan(found[1])
    assert [hits.items.tolist() for hits in INDEX.search_many(np.stack([query, -query]), 3)] == [
        INDEX.search(q, 3).items.tolist() for q in (query, -query)
    ]


@pytest.mark.parametrize("tiles", [0, 3])
def test_saved_and_read_back_it_goes_on_as_before(tmp_path, monkeypatch, tiles) -> None:
    monkeypatch.setattr(columns, "BLOCK", 256)
    monkeypatch.setattr(columns, "PAGE", 1024)
    items = world(8, 3000, tiles=tiles)
    index, twin = ChunkIndex(DIM), build(items)
    previous = None
    for number, (low, high) in enumerate(pairwise([0, 900, 901, 2500, 3000])):
        for item in items[low:high]:
            item.add_to(index)
        folder = tmp_path / str(number)
        index.save(folder, previous)
        previous = folder
        index = ChunkIndex.load(folder)
    linked = [path for path in previous.iterdir() if path.stat().st_nlink > 1]
    assert sum(path.stat().st_size for path in linked) > 0
    for where in (None, Predicate(between=(100.0, 400.0)), Predicate(labels=("label9",))):
        for seed in range(5):
            query = np.random.default_rng(seed).standard_normal(DIM)
            a, b = index.search(query, 20, where), twin.search(query, 20, where)
            assert a.items.tolist() == b.items.tolist() and a.scores.tolist() == b.scores.tolist()
            assert a.rows.tolist() == b.rows.tolist()
            assert index.background(query, where) == twin.background(query, where)


def test_drops_are_saved(tmp_path) -> None:
    index = build(WORLD[:500])
    index.save(tmp_path / "a")
    index.drop(range(100))
    index.save(tmp_path / "b", tmp_path / "a")
    again = ChunkIndex.load(tmp_path / "b")
    assert len(again) == 400 and len(ChunkIndex.load(tmp_path / "a")) == 500
    assert min(again.search(np.ones(DIM), 400).items) == 100


def test_another_index_is_never_linked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", 64)
    build(WORLD[:800]).save(tmp_path / "a")
    build(WORLD[800:1600]).save(tmp_path / "b", tmp_path / "a")
    assert ChunkIndex.load(tmp_path / "b").search(np.ones(DIM), 1).items[0] >= 800


def test_what_is_damaged_or_newer_is_said(tmp_path) -> None:
    build(WORLD[:500]).save(tmp_path / "a")
    manifest = tmp_path / "a" / "chunks.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"version": 1', '"version": 99'))
    with pytest.raises(MemoryVersionError, match="newer version"):
        ChunkIndex.load(tmp_path / "a")
    manifest.write_text(text)
    for path in sorted((tmp_path / "a").iterdir()):
        whole = path.read_bytes()
        for part in (None, whole[: len(whole) // 2]):
            path.unlink()
            if part is not None:
                path.write_bytes(part)
            with pytest.raises(MemoryCorruptError, match="no whole vector index"):
                ChunkIndex.load(tmp_path / "a")
            path.write_bytes(whole)
    assert len(ChunkIndex.load(tmp_path / "a")) == 500
    with pytest.raises(MemoryCorruptError):
        ChunkIndex.load(tmp_path / "nowhere")


def test_an_empty_index_has_no_answers(tmp_path) -> None:
    index = ChunkIndex(4)
    query = np.ones(4)
    assert len(index) == 0 and len(index.search(query, 3).items) == 0 and index.background(query) == (0.0, 0.0, 0)
    assert len(index.search(query, 3, Predicate(labels=("x",))).items) == 0 and index.drop([1]) == 0
    index.save(tmp_path / "empty")
    again = ChunkIndex.load(tmp_path / "empty")
    again.append(7, np.ones((2, 4)), stream="a", start_s=0)
    found = again.search(query, 3)
    assert found.items.tolist() == [7] and found.scores.tolist() == pytest.approx([1.0], abs=1e-4)


def test_bad_input_gets_one_line_and_adds_nothing() -> None:
    index = ChunkIndex(4)
    for vectors in (np.ones((1, 5)), np.full((1, 4), np.nan), np.full((1, 4), np.inf), np.ones((0, 4))):
        with pytest.raises((ValueError, TypeError)):
            index.append(0, vectors, stream="a", start_s=0.0)
    with pytest.raises((ValueError, TypeError)):
        index.extend(np.arange(2), np.array([[1.0] * 4, [np.nan] * 4]), stream="a", start_s=np.zeros(2))
    with pytest.raises(ValueError, match="one row for each of the 2"):
        index.extend(np.arange(2), np.ones((2, 4)), stream="a", start_s=np.zeros(2), labels=[()])
    assert len(index) == 0
    index.append(0, np.ones((1, 4)), stream="a", start_s=0.0)
    for query, k in ((np.zeros(4), 1), (np.full(4, np.nan), 1), (np.ones(3), 1), (np.ones(4), 0)):
        with pytest.raises((ValueError, TypeError)):
            index.search(query, k)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        ChunkIndex(0)


def test_exact_rows_is_what_the_tests_above_stay_below() -> None:
    assert sum(len(item.vectors) for item in WORLD) <= EXACT_ROWS
    assert sum(len(item.vectors) for item in TILED) <= EXACT_ROWS
