"""Which thing of the map is this detection? Place, looks and names, weighed against each other, one to one per view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import linear_sum_assignment

__all__ = ["agreement", "assign", "belongs", "box_features", "discord", "nearness"]

# Logistic regressions on pairs of detections and the tracks that they touch, from two walks through each of eight
# generated houses (seeds 50,101, 50,103 to 50,105, 50,107, 50,108, 50,110 and 50,111), cut by regions: is the detection
# of the track's thing? With identities, and without. Weights of: the larger and the smaller share of one box in the
# other, the gap, likeness of looks, agreement of names, their discord, how much smaller and how much larger the
# detection is, shared colours, nearness of identities, and one.
_WEIGHTS: Final = np.array([0.71, 2.27, -3.91, 1.38, 1.49, 0.62, -0.13, 0.49, 0.73, 2.03, -5.25])
_PLAIN: Final = np.array([1.24, 3.28, -5.2, 1.1, 1.2, -0.44, -1.0, 1.02, 4.66, 0.0, -4.45])
_NO_COLOURS: Final = 0.84  # where nothing is known of them, they speak neither way
_ALWAYS_APART: Final = 0.1  # identities of two sets of views are never quite the same
_THIN_M: Final = 0.02
_FORBIDDEN: Final = -1e6


def box_features(
    low_a: Float64[np.ndarray, "a 3"],
    high_a: Float64[np.ndarray, "a 3"],
    low_b: Float64[np.ndarray, "b 3"],
    high_b: Float64[np.ndarray, "b 3"],
) -> tuple[Float64[np.ndarray, "a b"], ...]:
    """How boxes lie to each other, pair by pair.

    Returns:
        - gap: metres between their nearest points, 0 where they touch;
        - inside_a, inside_b: share of a's (of b's) volume that lies in the other;
        - offset: distance of their middles over the mean of their half diagonals;
        - growth: natural logarithm of a's diagonal over b's.

    Example:
        >>> cube = np.zeros((1, 3)), np.ones((1, 3))
        >>> gap, inside, *_ = box_features(*cube, cube[0] + (0.5, 0, 0), cube[1] + (0.5, 0, 0))
        >>> float(gap[0, 0]), float(inside[0, 0].round(2))
        (0.0, 0.51)
    """
    low_a, high_a, low_b, high_b = (values[:, None] if i < 2 else values[None]
                                    for i, values in enumerate((low_a, high_a, low_b, high_b)))  # fmt: skip
    apart = np.maximum(np.maximum(low_a - high_b, low_b - high_a), 0)
    gap = np.sqrt((apart**2).sum(axis=-1))
    # Flat things (a book, a picture) get a little body: their volume would be noise.
    pad = _THIN_M / 2
    overlap = np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b) + 2 * pad, 0).prod(axis=-1)
    overlap = np.where(gap > 0, 0.0, overlap)
    volume_a, volume_b = (high_a - low_a + 2 * pad).prod(axis=-1), (high_b - low_b + 2 * pad).prod(axis=-1)
    size_a = np.sqrt(((high_a - low_a) ** 2).sum(axis=-1)) + _THIN_M
    size_b = np.sqrt(((high_b - low_b) ** 2).sum(axis=-1)) + _THIN_M
    between = np.sqrt((((low_a + high_a) - (low_b + high_b)) ** 2).sum(axis=-1)) / 2
    growth = np.log(size_a) - np.log(size_b)
    return gap, overlap / volume_a, overlap / volume_b, between / ((size_a + size_b) / 4), growth


def agreement(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """Share of the votes that two distributions over names have in common, in [0, 1].

    Example:
        >>> agreement({"mug": 0.7, "bowl": 0.3}, {"mug": 0.5, "vase": 0.5})
        0.5
    """
    if len(b) < len(a):
        a, b = b, a
    return float(sum(min(share, b[name]) for name, share in a.items() if name in b))


def discord(chance: float, shares: Mapping[str, float], names: float) -> float:
    """How surely two things go by different names: both are sure of theirs, and they do not agree, in [0, 1].

    Args:
        chance: Of the one's first name, 0 if it has none.
        shares: Names of the other.
        names: Their agreement.

    Example:
        >>> discord(1.0, {"mug": 1.0}, 0.0), discord(0.0, {"mug": 1.0}, 0.0)
        (1.0, 0.0)
    """
    return chance * max(shares.values(), default=0.0) * (1.0 - names)


def belongs(
    gap: Float64[np.ndarray, "a b"],
    inside: Float64[np.ndarray, "a b"],
    covers: Float64[np.ndarray, "a b"],
    growth: Float64[np.ndarray, "a b"],
    cosine: Float64[np.ndarray, "a b"],
    names: Float64[np.ndarray, "a b"],
    clash: Float64[np.ndarray, "a b"],
    colours: Float64[np.ndarray, "a b"],
    identity: Float64[np.ndarray, "a b"],
) -> Float64[np.ndarray, "a b"]:
    """Logarithm of the odds that detections (rows) show the things of tracks (columns).

    A piece of a thing lies in it as a thing that stands on it does: what tells them apart is the name.

    Args:
        gap: See `box_features`.
        inside: See `box_features`.
        covers: See `box_features`.
        growth: See `box_features`.
        cosine: Of their looks.
        names: Agreement of their names.
        clash: Their discord.
        colours: How much of their colours they share, NaN where that is not known.
        identity: Cosines of their identities, NaN where they are not known.
    """
    is_known = np.isfinite(identity)
    features = [
        np.maximum(inside, covers), np.minimum(inside, covers), gap, cosine, names, clash,
        np.maximum(-growth, 0), np.maximum(growth, 0), np.nan_to_num(colours, nan=_NO_COLOURS),
        nearness(np.where(is_known, identity, 0.0)), np.ones(gap.shape),
    ]  # fmt: skip
    table = np.stack(features, axis=-1)
    return np.asarray(np.where(is_known, table @ _WEIGHTS, table @ _PLAIN))


def nearness(cosine: Float[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch"]:
    """How near two identities are: grows steeply at the end, for it is the last hundredths of a cosine that tell.

    Args:
        cosine: Of the sums of the vectors of both.

    Example:
        >>> nearness(np.array([0.0, 0.9, 1.0])).round(2).tolist()
        [-0.1, 1.61, 2.3]
    """
    return np.asarray(-np.log(1.0 + _ALWAYS_APART - cosine))


def assign(
    scores: Float[np.ndarray, "a b"], threshold: float
) -> tuple[Sequence[tuple[int, int]], Sequence[int], Sequence[int]]:
    """Pairs, one to one, whose scores add up to the most; what scores below the threshold stays alone.

    Returns:
        Pairs, and the rows and columns that got no partner.
    """
    worth = np.where(scores >= threshold, scores - threshold, _FORBIDDEN)
    # A row may also stay alone, at no gain: so a good pair is never given up to save a hopeless one.
    rows, columns = worth.shape
    padded = np.zeros((rows, columns + rows))
    padded[:, :columns] = worth
    pairs = [
        (int(row), int(column))
        for row, column in zip(*linear_sum_assignment(padded, maximize=True), strict=True)
        if column < columns and worth[row, column] > _FORBIDDEN
    ]
    taken_rows, taken_columns = {row for row, _ in pairs}, {column for _, column in pairs}
    return (
        pairs,
        [row for row in range(rows) if row not in taken_rows],
        [column for column in range(columns) if column not in taken_columns],
    )
