"""How sure a figure is: 95 % intervals from drawing whole groups (houses, films) again with replacement.

Rows of one house are alike, so rows drawn one by one would make every interval too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

__all__ = ["DRAWS", "difference", "interval", "mean", "shown"]

DRAWS: Final = 1000


def interval(
    group: np.ndarray | Sequence[Any],
    of: Callable[[np.ndarray], float],
    *needed: np.ndarray,
    draws: int = DRAWS,
    digits: int = 4,
) -> dict[str, float]:
    """A figure of all rows, with the 2.5 and 97.5 % quantiles over draws of groups.

    Args:
        group: The group of each row `(n,)`.
        of: The figure of some rows, given their indices.
        needed: Rows of which every draw must hold at least one, each a mask `(n,)`; draws without are left out.
        draws: How many draws; they are the same ones in every call.
        digits: Digits that are kept.

    Returns:
        `value`, `low` and `high`.

    Raises:
        ValueError: If there is no row.

    Example:
        >>> right = np.array([1, 1, 0, 1])
        >>> interval([0, 0, 1, 1], lambda rows: right[rows].mean())
        {'value': 0.75, 'low': 0.5, 'high': 1.0}

    Source: the percentile bootstrap over clusters, Efron and Tibshirani 1993, chapters 8 and 13.
    """
    groups = np.asarray(group)
    if not len(groups):
        raise ValueError("an interval needs at least one row, got none")
    rows = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    rng = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        if all(where[drawn].any() for where in needed):
            values.append(of(drawn))
    value = float(of(np.arange(len(groups))))
    low, high = np.quantile(values, (0.025, 0.975)) if values else (value, value)
    return {"value": round(value, digits), "low": round(float(low), digits), "high": round(float(high), digits)}


def mean(
    group: np.ndarray | Sequence[Any], values: np.ndarray | Sequence[float | int], digits: int = 4
) -> dict[str, float]:
    """The mean of one value per row, with its interval; see `interval`."""
    row_values = np.asarray(values, float)
    return interval(group, lambda rows: float(row_values[rows].mean()), digits=digits)


def difference(
    group: np.ndarray | Sequence[Any],
    values: np.ndarray | Sequence[float | int],
    others: np.ndarray | Sequence[float | int],
    digits: int = 4,
) -> dict[str, float]:
    """The mean of what `values` has over `others`, row by row (paired), with its interval; see `interval`."""
    return mean(group, np.asarray(values, float) - np.asarray(others, float), digits)


def shown(figure: Mapping[str, float | int], scale: float | int = 1.0, digits: int = 3) -> str:
    """A figure and its interval for people.

    Example:
        >>> shown({"value": 0.914, "low": 0.88, "high": 0.94}, scale=100, digits=1)
        '91.4 [88.0, 94.0]'
    """
    value, low, high = (f"{figure[name] * scale:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
