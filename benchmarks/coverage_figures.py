"""Figures of episodes that end once so much of the floor has been seen, whoever played them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from placecell.benchmarks import bootstrap

__all__ = ["coverage_figures", "step_ratio"]


def coverage_figures(rows: Sequence[Mapping[str, Any]], every: int) -> dict[str, Any]:
    """Steps, share of the floor and mean curve, with 95 % intervals over houses.

    Args:
        rows: Episodes, as `Runner` gives them.
        every: Steps between two points of a curve.
    """
    houses, results = [row["house"] for row in rows], [row["result"] for row in rows]
    length = 1 + max(len(result["curve"]) for result in results)
    # Who has finished keeps the share that it has.
    curves = np.array([result["curve"] + [result["share"]] * (length - len(result["curve"])) for result in results])
    return {
        "steps": bootstrap.mean(houses, [result["steps"] for result in results], digits=1),
        "reached": sum(result["reached"] for result in results),
        "num_episodes": len(results),
        "share": bootstrap.mean(houses, [result["share"] for result in results]),
        "curve": {"every": every, "share": np.round(curves.mean(axis=0), 4).tolist()},
    }


def step_ratio(ours: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Steps of one over those of another, over the episodes that both played, with a 95 % interval over houses."""
    by_key = {(row["house"], row["number"]): row["result"]["steps"] for row in others}
    pairs = [(row, by_key[row["house"], row["number"]]) for row in ours if (row["house"], row["number"]) in by_key]
    own = np.array([row["result"]["steps"] for row, _ in pairs], float)
    other = np.array([steps for _, steps in pairs], float)
    return bootstrap.interval(
        [row["house"] for row, _ in pairs], lambda rows: float(own[rows].sum() / max(other[rows].sum(), 1.0))
    )
