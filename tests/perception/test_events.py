"""Scene tiling against a brute-force reading of its definition; the surprise gate; resuming both."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.perception.events import RunningStats, SceneTiler, Surprise


def brute_force(
    stamps: list[float], vectors: np.ndarray, lookahead: int, alpha: float, min_len_s: float, min_depth: float
) -> list[float]:
    """The definition, with every value known: O(n^2), two-sided, the right side no further than `lookahead`."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = [float(a @ b) for a, b in zip(units, units[1:], strict=False)]
    depths: list[float] = []
    found: list[float] = []
    event_s = stamps[0] if stamps else 0.0
    for i, valley in enumerate(similarity):
        left = i
        while left > 0 and similarity[left - 1] >= similarity[left]:
            left -= 1
        right = i
        while right + 1 < len(similarity) and right + 1 <= i + lookahead and similarity[right + 1] >= similarity[right]:
            right += 1
        depths.append(similarity[left] + similarity[right] - 2 * valley)
        threshold = max(np.mean(depths) + alpha * np.std(depths), min_depth)
        falls = i == 0 or similarity[i - 1] > valley
        rises = similarity[right] > valley or i == len(similarity) - 1
        if falls and rises and depths[-1] > threshold and stamps[i + 1] - event_s >= min_len_s:
            found.append(stamps[i + 1])
            event_s = stamps[i + 1]
    return found


def tile(tiler: SceneTiler, stamps: list[float], vectors: np.ndarray) -> list[float]:
    found = [b for stamp_s, vector in zip(stamps, vectors, strict=True) for b in tiler.push(stamp_s, vector)]
    return found + tiler.flush()


def walk(seed: int, n: int, d: int = 6) -> tuple[list[float], np.ndarray]:
    """A stream of scenes with drift inside and cuts between, at uneven times."""
    rng = np.random.default_rng(seed)
    scene, vectors = rng.normal(size=d), []
    for _ in range(n):
        if rng.uniform() < 0.12:
            scene = rng.normal(size=d)
        scene = scene + rng.normal(0, 0.05, d)
        vectors.append(scene + rng.normal(0, 0.1, d))
    return np.cumsum(rng.uniform(0.2, 2.0, n)).tolist(), np.asarray(vectors).reshape(n, d)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(0, 70),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 3.0]),
)
def test_tiling_equals_the_definition(seed: int, n: int, lookahead: int, alpha: float, min_len_s: float) -> None:
    stamps, vectors = walk(seed, n)
    expected = brute_force(stamps, vectors, lookahead, alpha, min_len_s, 0.02)
    assert tile(SceneTiler(lookahead, alpha, min_len_s, 0.02), stamps, vectors) == expected


def test_a_boundary_is_told_within_the_lookahead() -> None:
    stamps, vectors = walk(3, 400)
    tiler = SceneTiler(lookahead=5)
    count = 0
    for i, (stamp_s, vector) in enumerate(zip(stamps, vectors, strict=True)):
        for boundary in tiler.push(stamp_s, vector):
            assert i - stamps.index(boundary) == 5
            count += 1
    assert count > 10


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_streams_without_events_have_no_boundaries(n: int) -> None:
    same = np.tile(np.random.default_rng(0).normal(size=512), (n, 1))
    assert tile(SceneTiler(), list(range(n)), same) == []
    noisy = same + np.random.default_rng(1).normal(0, 1e-3, same.shape)
    assert tile(SceneTiler(), list(range(n)), noisy) == []


def test_two_different_moments_are_no_event_boundary_of_their_own() -> None:
    assert tile(SceneTiler(), [0.0, 1.0], np.eye(2)) == []


def test_events_are_found_where_scenes_change() -> None:
    rng = np.random.default_rng(5)
    scenes = rng.normal(size=(12, 64))
    vectors = np.repeat(scenes, 20, axis=0) + rng.normal(0, 0.15, (240, 64))
    assert tile(SceneTiler(), list(range(240)), vectors) == [float(20 * i) for i in range(1, 12)]


def test_events_are_no_shorter_than_asked() -> None:
    stamps, vectors = walk(11, 500)
    for min_len_s in (0.0, 5.0, 20.0):
        found = tile(SceneTiler(min_len_s=min_len_s), stamps, vectors)
        assert found
        assert np.diff([stamps[0], *found]).min() >= min_len_s


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([math.inf, 20.0]))
def test_tiling_and_gate_go_on_from_a_saved_state(seed: int, cut: int, half_life_s: float) -> None:
    stamps, vectors = walk(seed, 60)
    whole, first, second = (SceneTiler(half_life_s=half_life_s) for _ in range(3))
    expected = tile(whole, stamps, vectors)
    found = [b for s, v in zip(stamps[:cut], vectors[:cut], strict=True) for b in first.push(s, v)]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert found + tile(second, stamps[cut:], vectors[cut:]) == expected

    gate, before, after = Surprise(), Surprise(), Surprise()
    verdicts = [gate.push(s, v) for s, v in zip(stamps, vectors, strict=True)]
    resumed = [before.push(s, v) for s, v in zip(stamps[:cut], vectors[:cut], strict=True)]
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert resumed + [after.push(s, v) for s, v in zip(stamps[cut:], vectors[cut:], strict=True)] == verdicts


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.sampled_from([math.inf, 3.0]))
def test_running_statistics_equal_those_of_the_whole(values: list[float], half_life_s: float) -> None:
    stats = RunningStats(half_life_s)
    for i, value in enumerate(values):
        stats.add(float(i), value)
    weights = 0.5 ** ((len(values) - 1 - np.arange(len(values))) / half_life_s)
    mean = np.average(values, weights=weights)
    assert stats.mean == pytest.approx(mean, abs=1e-9)
    assert stats.std == pytest.approx(np.sqrt(np.average((values - mean) ** 2, weights=weights)), abs=1e-6)


def test_forgetting_finds_the_small_events_of_a_calm_stretch_after_a_wild_one() -> None:
    rng = np.random.default_rng(2)
    wild = np.repeat(rng.normal(size=(100, 32)), 3, axis=0)
    calm = np.repeat(rng.normal(size=32) + rng.normal(0, 0.6, (10, 32)), 20, axis=0)
    vectors = np.concatenate([wild, calm]) + rng.normal(0, 0.01, (500, 32))
    stamps = np.arange(500.0).tolist()
    cuts = {320.0 + 20 * i for i in range(9)}
    always = cuts & set(tile(SceneTiler(alpha=2.0), stamps, vectors))
    fading = cuts & set(tile(SceneTiler(alpha=2.0, half_life_s=15.0), stamps, vectors))
    assert len(fading) > len(always) + 2


def test_gate_keeps_the_first_what_is_new_and_one_in_a_while() -> None:
    rng = np.random.default_rng(0)
    wall, cat = rng.normal(size=(2, 64))
    gate = Surprise(max_gap_s=25.0)
    stream = np.array([wall] * 30 + [cat] + [wall] * 29) + rng.normal(0, 0.01, (60, 64))
    kept = [i for i, vector in enumerate(stream) if gate.push(i, vector).is_kept]
    assert {0, 25, 30} <= set(kept)
    assert len(kept) <= 6


@pytest.mark.parametrize("make", [SceneTiler, Surprise])
def test_bad_moments_are_refused_and_change_nothing(make: type[SceneTiler] | type[Surprise]) -> None:
    judge = make()
    judge.push(1.0, np.array([1.0, 0.0]))
    before = judge.state_dict()
    for stamp_s, vector, message in [
        (0.5, np.ones(2), "rise"),
        (math.nan, np.ones(2), "rise"),
        (2.0, np.ones(3), "shape"),
        (2.0, np.ones((1, 2)), "shape"),
        (2.0, np.zeros(2), "zero"),
        (2.0, np.array([math.nan, 1.0]), "finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            judge.push(stamp_s, vector)
    assert judge.state_dict() == before


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (SceneTiler, {"lookahead": 0}),
        (SceneTiler, {"alpha": -1.0}),
        (SceneTiler, {"min_len_s": math.nan}),
        (SceneTiler, {"half_life_s": 0.0}),
        (Surprise, {"memory_s": 0.0}),
        (Surprise, {"alpha": math.inf}),
    ],
)
def test_bad_settings_are_refused(make: type[SceneTiler] | type[Surprise], arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        make(**arguments)
