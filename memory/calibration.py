"""From scores to chances: how likely it is that a hit shows what was asked.

Two sources. Where a model was calibrated on labelled pairs, a sigmoid of its cosine, corrected for how many moments
were compared: see `best_of_logit`. Else the query's own background: a memory of `n` moments that do not show the thing
still has a best one, and the question is whether the best at hand is better than that one would be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float64

__all__ = [
    "NO_MATCH_BELOW",
    "auroc",
    "best_of_background",
    "best_of_logit",
    "calibration_error",
    "coverage_probability",
    "extreme_value_probability",
    "fit_sigmoid",
    "noisy_or",
    "sigmoid",
]

NO_MATCH_BELOW: Final = 0.5  # a best hit with a smaller chance is no answer
SURPRISE: Final = 0.05  # shape of the p-values of real hits, see `extreme_value_probability`
PER_MOMENT: Final = 0.75  # what the logit of a hit loses whenever e times as many moments were compared
ASKED_FOR: Final = 3.8  # what it gains because people ask for what may well be there
FEWEST: Final = 10  # the two were measured for 10 to 2880 moments
CERTAIN: Final = 0.995  # no channel alone is surer than this: cameras, captions and encoders err


def sigmoid(logit: float) -> float:
    """Logistic function, safe for any finite argument.

    Example:
        >>> sigmoid(0.0), sigmoid(-1000.0)
        (0.5, 0.0)
    """
    return 1.0 / (1.0 + math.exp(-logit)) if logit > -700 else 0.0


def best_of_background(z: float, n: int | float) -> float:
    """Chance that the best of `n` background scores reaches `z` standard deviations above their mean.

    Uses the normal tail, exact where rounding would lose it: 1 - F(z)^n.

    Example:
        >>> round(best_of_background(2.0, 1), 4), best_of_background(2.0, 1000) > 0.999
        (0.0228, True)
    """
    tail = 0.5 * math.erfc(z / math.sqrt(2.0))
    if tail >= 1.0:
        return 1.0
    return -math.expm1(max(n, 1.0) * math.log1p(-tail))


def best_of_logit(logit: float, n: int | float) -> float:
    """Logit of the chance that a hit shows what was asked, when it is among the best of `n` moments.

    A calibrated sigmoid speaks of one view and one text. The best of many views scores high by chance, the sooner the
    more there are; and half of what people ask for is there, which is more than half of all pairs of views and texts.
    If the views were independent, and a thing shown by one of them, Bayes' rule would take log n off. Neighbours look
    alike, and a thing is shown by several: less is due.

    Args:
        logit: Of the encoder's sigmoid for the best of a moment's views.
        n: Moments that were compared.

    Example:
        >>> best_of_logit(1.0, 10) > best_of_logit(1.0, 1000)
        True

    Source: fitted on 24 walks of two minutes through houses, memories of 10 s to 48 min, half of the questions about
    absent things; 3.3 and 0.63, 3.7 and 0.73, 4.0 and 0.80 with three stages of the built-in encoder's training.
    """
    return logit + ASKED_FOR - PER_MOMENT * math.log(max(n, FEWEST))


def extreme_value_probability(z: float, n: int | float, prior: float = 0.5) -> float:
    """Chance that a best score of `z` is a real hit and not the best of `n` background scores.

    With p the chance that the background reaches z: p is uniform when nothing is there; when something is, it is small,
    with density a p^(a - 1). Bayes' rule then gives the chance.

    Args:
        z: Standard deviations of the score above the background's mean.
        n: Independent background scores; events rather than frames, since frames of one event are nearly equal.
        prior: Share of questions whose answer is in the memory.

    Example:
        >>> extreme_value_probability(3.0, 1000) < 0.5 < extreme_value_probability(5.0, 1000)
        True

    Source: the alternatives are those of Sellke, Bayarri & Berger 2001, "Calibration of p values".
    """
    p = max(best_of_background(z, n), 1e-300)
    odds = prior / (1.0 - prior) * SURPRISE * math.exp((SURPRISE - 1.0) * math.log(p))
    return min(odds / (1.0 + odds), CERTAIN)


def coverage_probability(coverage: float) -> float:
    """Chance that a text speaks of what was asked, from the idf-weighted share of the query's words that it holds.

    All of them: 0.95; three quarters: 0.5; half of them: 0.05.

    Example:
        >>> [round(coverage_probability(share), 2) for share in (1.0, 0.75, 0.5, 0.0)]
        [0.95, 0.5, 0.05, 0.0]
    """
    return sigmoid(12.0 * (coverage - 0.75)) if coverage > 0 else 0.0


def noisy_or(chances: Iterable[float]) -> float:
    """Chance that at least one of several independent signs holds, each capped at 0.995.

    Example:
        >>> noisy_or([0.5, 0.5])
        0.75
    """
    miss = 1.0
    for chance in chances:
        miss *= 1.0 - min(max(chance, 0.0), CERTAIN)
    return min(1.0 - miss, CERTAIN)


def fit_sigmoid(scores: Float[np.ndarray, "n"], is_hit: Bool[np.ndarray, "n"]) -> tuple[float, float]:
    """Scale and bias such that `sigmoid(scale * score + bias)` is the chance of a hit, by maximum likelihood.

    Raises:
        ValueError: If there are fewer than two scores, or all are hits, or none is.

    Source: Platt 1999, with his smoothed targets; solved by Newton steps.
    """
    hits = int(is_hit.sum())
    misses = len(is_hit) - hits
    if hits == 0 or misses == 0:
        raise ValueError(f"a calibration needs hits and misses, got {hits} and {misses}")
    target = np.where(is_hit, (hits + 1) / (hits + 2), 1 / (misses + 2))
    mean, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    design = np.column_stack([(scores.astype(np.float64) - mean) / spread, np.ones(len(scores))])
    weights = np.array([0.0, math.log((hits + 1) / (misses + 1))])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (chance - target)
        curvature = (design.T * (chance * (1 - chance))) @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        weights = weights - step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    scale = float(weights[0]) / spread
    return scale, float(weights[1]) - scale * mean


def auroc(hits: Sequence[float], misses: Sequence[float]) -> float:
    """Chance that a random hit scores above a random miss; ties count half.

    Example:
        >>> auroc([0.9, 0.8, 0.4], [0.1, 0.4])
        0.9166666666666666
    """
    if not len(hits) or not len(misses):
        raise ValueError(f"auroc needs hits and misses, got {len(hits)} and {len(misses)}")
    below = np.sort(np.asarray(misses, dtype=np.float64))
    asked = np.asarray(hits, dtype=np.float64)
    wins = (np.searchsorted(below, asked, "left") + np.searchsorted(below, asked, "right")) / 2
    return float(wins.mean() / len(below))


def calibration_error(chances: Sequence[float], is_hit: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: mean gap between stated chance and observed share of hits, over equal-width bins.

    Example:
        >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
        0.0
    """
    stated: Float64[np.ndarray, "n"] = np.asarray(chances, dtype=np.float64)
    truth = np.asarray(is_hit, dtype=np.float64)
    where = np.minimum((stated * bins).astype(np.int64), bins - 1)
    gap = 0.0
    for i in range(bins):
        inside = where == i
        if inside.any():
            gap += float(inside.mean()) * abs(float(stated[inside].mean()) - float(truth[inside].mean()))
    return gap
