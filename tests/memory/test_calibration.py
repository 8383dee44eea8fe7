"""Chances against simulations: nulls, signals, and the sigmoid fit."""

import numpy as np
import pytest

from placecell.memory.calibration import (
    NO_MATCH_BELOW,
    auroc,
    best_of_background,
    calibration_error,
    coverage_probability,
    extreme_value_probability,
    fit_sigmoid,
    noisy_or,
)


@pytest.mark.parametrize("n", [10, 300, 5000])
def test_best_of_background_is_what_simulation_gives(n: int) -> None:
    rng = np.random.default_rng(n)
    best = np.array([rng.standard_normal(n).max() for _ in range(2000)])
    for z in (2.0, 3.0, 3.5):
        assert best_of_background(z, n) == pytest.approx(float((best >= z).mean()), abs=0.03)
    # Under the null the chance is uniform: a memory of any size is refused equally often.
    chances = np.sort([best_of_background(z, n) for z in best])
    assert float(np.abs(chances - np.linspace(0, 1, len(best))).max()) < 0.04


def simulated(seed: int, questions: int = 600) -> tuple[list[float], list[bool], list[bool]]:
    """Chances of the best hit over memories of many sizes; half of the questions have an answer."""
    rng = np.random.default_rng(seed)
    chances, is_there, is_best_right = [], [], []
    for _ in range(questions):
        n = int(10 ** rng.uniform(1.5, 4))
        scores = rng.standard_normal(n)
        present = bool(rng.random() < 0.5)
        if present:
            scores[0] += rng.uniform(3, 9)
        z = (scores.max() - scores.mean()) / scores.std()
        chances.append(extreme_value_probability(z, n))
        is_there.append(present)
        is_best_right.append(present and int(scores.argmax()) == 0)
    return chances, is_there, is_best_right


def test_chances_from_the_background_separate_and_are_calibrated() -> None:
    chances, is_there, is_right = simulated(0)
    hits = [c for c, there in zip(chances, is_there, strict=True) if there]
    misses = [c for c, there in zip(chances, is_there, strict=True) if not there]
    area, gap = auroc(hits, misses), calibration_error(chances, is_right)
    print(f"AUROC {area:.3f}, calibration error {gap:.3f}, n = {len(chances)}")
    assert area > 0.93 and gap < 0.08
    assert np.mean(np.array(misses) >= NO_MATCH_BELOW) < 0.15 and np.mean(np.array(hits) >= NO_MATCH_BELOW) > 0.8


def test_chances_grow_with_the_score_and_fall_with_the_size_of_the_memory() -> None:
    grid = [extreme_value_probability(z, 1000) for z in np.linspace(-2, 40, 200)]
    assert all(a <= b for a, b in zip(grid, grid[1:], strict=False)) and 0 < grid[0] < 0.2 and grid[-1] > 0.99
    assert extreme_value_probability(4.0, 100) > extreme_value_probability(4.0, 100_000)


def test_fit_sigmoid_recovers_its_parameters() -> None:
    rng = np.random.default_rng(2)
    scores = rng.uniform(0, 0.5, 20_000)
    is_hit = rng.random(20_000) < 1 / (1 + np.exp(-(30 * scores - 8)))
    scale, bias = fit_sigmoid(scores, is_hit)
    assert (scale, bias) == pytest.approx((30, -8), rel=0.08)
    with pytest.raises(ValueError, match="hits and misses"):
        fit_sigmoid(scores, np.ones(len(scores), bool))


def test_separable_scores_give_a_finite_sigmoid() -> None:
    scale, bias = fit_sigmoid(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert np.isfinite([scale, bias]).all() and scale > 0


def test_noisy_or_is_bounded_and_coverage_rises() -> None:
    assert noisy_or([]) == 0.0 and noisy_or([1.0, 1.0]) <= 0.995 and noisy_or([0.2, -1.0]) == pytest.approx(0.2)
    steps = [coverage_probability(c) for c in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert steps == sorted(steps) and steps[0] == 0.0 and steps[-1] > 0.9


def test_measures_refuse_what_they_cannot_measure() -> None:
    with pytest.raises(ValueError, match="hits and misses"):
        auroc([], [0.1])
    assert calibration_error([0.05, 0.95], [False, True]) == pytest.approx(0.05)
