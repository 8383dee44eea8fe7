import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.errors import PlacecellError
from placecell.memory.budget import (
    Coverage,
    FirstIn,
    ForgettingCurve,
    LastIn,
    LeastVisited,
    MostVisited,
    chosen,
)
from placecell.memory.forgetting import folder_bytes
from placecell.memory.holdings import Holding
from placecell.memory.records import RecordId
from placecell.memory.testing import HashEncoder, walk

STRATEGIES = [FirstIn(), LastIn(), LeastVisited(), MostVisited(), ForgettingCurve(), Coverage()]
VIEWS = np.eye(4, dtype=np.float16)


def holdings(visits=(0, 3, 1, 0), looks=(0, 0, 1, 2)) -> tuple[list[Holding], dict[RecordId, np.ndarray]]:
    found = [
        Holding(RecordId("a", i + 1), 10.0 * i, 1000, 500, count, 10.0 * i + (50.0 if count else 0.0))
        for i, count in enumerate(visits)
    ]
    return found, {held.record_id: VIEWS[look] for held, look in zip(found, looks, strict=True)}


def order(strategy, now_s=100.0) -> list[int]:
    found, looks = holdings()
    return list(strategy.order(found, now_s, lambda ids: [looks[record_id] for record_id in ids]))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
def test_every_strategy_orders_everything_once_and_always_alike(strategy):
    assert sorted(order(strategy)) == [0, 1, 2, 3] and order(strategy) == order(strategy)
    assert list(strategy.order([], 0.0, lambda ids: [])) == []


def test_strategies_begin_where_their_names_say():
    assert order(FirstIn()) == [0, 1, 2, 3] and order(LastIn()) == [3, 2, 1, 0]
    assert order(LeastVisited()) == [0, 3, 2, 1] and order(MostVisited()) == [1, 2, 0, 3]
    # Ages since the last visit are 100, 40, 30, 70 and strengths 1, 4, 2, 1.
    assert order(ForgettingCurve()) == [0, 3, 2, 1]
    assert order(Coverage())[0] in (0, 1)  # these two look alike: one of them stands for both


def test_what_is_recalled_often_fades_more_slowly():
    curve = ForgettingCurve(strength_s=5.0)
    retained = [curve.retention(5.0, visits) for visits in range(6)]
    assert retained == sorted(retained) and retained[0] == pytest.approx(np.exp(-1))
    with pytest.raises(ValueError, match="strength_s"):
        ForgettingCurve(0.0)


def test_coverage_keeps_one_view_of_everything():
    looks = [0] * 20 + [1] * 3 + [2] * 20 + [3]
    found, vectors = holdings([0] * len(looks), looks)
    dropped, _, _ = chosen(Coverage(), found, 1000 * (len(looks) - 4), 0.0, lambda ids: [vectors[i] for i in ids])
    kept = {look for held, look in zip(found, looks, strict=True) if held.record_id not in set(dropped)}
    assert len(dropped) == len(looks) - 4 and kept == {0, 1, 2, 3}


def test_no_tile_goes_before_the_last_picture():
    found, _ = holdings()
    for num_bytes, num_pictures, num_details in ((1, 1, 0), (4000, 4, 0), (4001, 4, 1), (5001, 4, 3), (10**9, 4, 4)):
        pictures, details, _ = chosen(FirstIn(), found, num_bytes, 0.0, lambda ids: [])
        assert (len(pictures), len(details)) == (num_pictures, num_details)


def noise(seed: int, size: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def stream(num: int, start: int = 0) -> list[Observation]:
    """Moments with a picture of about 8 kB and 3 kB of tiles each."""
    return [
        Observation(o.stamp_s + start, o.agent_id, rgb=noise(start + i), embeddings=o.embeddings, text=o.text)
        for i, o in enumerate(walk(start, num, tiles=24))
    ]


@pytest.mark.parametrize("batch", [1, 10])
def test_a_cap_on_disk_is_kept_at_every_moment(tmp_path, batch):
    cap = 4 << 20
    with Memory.open(tmp_path / "m", HashEncoder(), max_bytes=cap) as memory:
        most = 0
        for start in range(0, 400, batch):
            memory.observe_many(stream(batch, start))
            most = max(most, folder_bytes(tmp_path / "m"))
            assert most <= cap, start
        assert most > cap // 2
        pictures = [memory.picture_jpeg(record.record_id) for record in memory.records() if record.kind == "moment"]
        assert len(pictures) == 400 and pictures[0] is None and pictures[-1] is not None
        assert memory.recall(np.ones(64), k=3)
    assert folder_bytes(tmp_path / "m") <= cap
    with Memory.open(tmp_path / "m", HashEncoder(), max_bytes=cap) as memory:
        memory.observe_many(stream(10, 800))
        assert folder_bytes(tmp_path / "m") <= cap and memory.nbytes() <= cap


def test_a_cap_in_ram_is_kept_and_counts_the_views():
    cap = 5 << 20
    with Memory(HashEncoder(), max_bytes=cap) as memory:
        for start in range(0, 600, 10):
            memory.observe_many(stream(10, start))
            if start % 100 == 0:
                memory.recall(np.ones(64))
            assert memory.nbytes() <= cap
        assert sum(record.kind == "moment" for record in memory.records()) == 600


def test_facts_are_never_forgotten_and_a_cap_that_they_exceed_is_said(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder(), max_bytes=1 << 20) as memory:
        written = 0
        with pytest.raises(PlacecellError, match="raise max_bytes") as error:
            for start in range(0, 10_000, 10):
                memory.observe_many(stream(10, start))
                written += 10
        assert "\n" not in str(error.value) and written > 100
        assert sum(record.kind == "moment" for record in memory.records()) == written
        with pytest.raises(PlacecellError, match="write fewer at once"):
            memory.observe_many(stream(60, 10_000))
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:  # without the cap it goes on
        memory.observe_many(stream(5, 20_000))


def test_forgetting_shrinks_the_folder_and_spares_what_was_visited(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(stream(200))
        before = memory.nbytes()
        loved = memory.recall(np.ones(64), k=1)[0].record_id
        moments = [record.record_id for record in memory.records() if record.kind == "moment"]
        freed = memory.forget(3 * before // 4, LeastVisited())
        assert freed > 0 and memory.nbytes() <= 3 * before // 4
        assert memory.picture_jpeg(loved) is not None
        assert [record.record_id for record in memory.records() if record.kind == "moment"] == moments
        hits = memory.recall(np.ones(64), k=5)
        with pytest.raises(PlacecellError, match="facts alone"):
            memory.forget(300_000)
        assert all(memory.picture_jpeg(record_id) is None for record_id in moments)
        assert {len(memory.get(record_id).embeddings) for record_id in moments} == {1}
        again = memory.recall(np.ones(64), k=5)
        assert len(again) == len(hits) == 5
        with Memory(HashEncoder()) as rebuilt:
            rebuilt.merge(memory.delta({}))
            assert [(h.record_id, h.score) for h in rebuilt.recall(np.ones(64), k=5)] == [
                (h.record_id, h.score) for h in again
            ]


def test_visits_survive_reopening(tmp_path):
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(stream(30))
        for _ in range(3):
            first = memory.recall(np.ones(64), k=1)[0].record_id
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.recall(np.ones(64), k=1)
        memory.flush()
        assert {held.record_id: held.visits for held in memory._holdings.list()}[first] == 4
