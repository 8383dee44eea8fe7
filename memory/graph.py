"""Association: personalised PageRank from the best records over rare words and neighbours in time.

A record that was not found itself, but lies between records that were, or shares a rare word with them, is found here.
The graph is never stored: it is read off the lexicon and the timeline around the seeds of each query, so nothing has to
be kept up to date and a query costs the same in a memory of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from placecell.memory.lexicon import Lexicon

__all__ = ["DAMPING", "NEXT_WEIGHT", "SEEDS", "pagerank", "spread"]

DAMPING: Final = 0.85
NEXT_WEIGHT: Final = 4.0  # weight of the edge between a record and the next one of the same stream
SEEDS: Final = 40
MAX_NODES: Final = 2000  # records looked at for one query


def pagerank(
    size: int,
    sources: Int64[np.ndarray, "e"],
    targets: Int64[np.ndarray, "e"],
    weights: Float64[np.ndarray, "e"],
    restart: Float64[np.ndarray, "n"],
    damping: float = DAMPING,
    rounds: int = 60,
) -> Float64[np.ndarray, "n"]:
    """Share of its time that a walker spends at each node who starts again at `restart` every few steps.

    Args:
        size: Number of nodes, n.
        sources: One end of every edge; edges are undirected and are given once.
        targets: The other end.
        weights: Positive weights of the edges.
        restart: Where the walker starts; non-negative, not all zero.
        damping: Chance of walking on; a node without edges sends the walker back to `restart`.
        rounds: Power iterations at most; stops when nothing moves by more than 1e-10.

    Returns:
        Shares that sum to one.

    Raises:
        ValueError: If `restart` has no positive entry.

    Example:
        >>> ends = np.array([0, 1]), np.array([1, 2])
        >>> pagerank(3, *ends, np.ones(2), np.array([1.0, 0.0, 0.0])).round(2).tolist()
        [0.35, 0.46, 0.2]

    Source: Page et al. 1999; personalised restart as in Haveliwala 2002.
    """
    total = float(restart.sum())
    if len(restart) != size or not total > 0:
        raise ValueError(f"restart must hold {size} non-negative numbers, some positive, got a sum of {total}")
    start = restart / total
    tails, heads = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    both = np.concatenate([weights, weights])
    degree = np.bincount(tails, both, minlength=size)
    is_dangling = degree <= 0
    share = both / degree[tails]
    rank: Float64[np.ndarray, "n"] = start.copy()
    for _ in range(rounds):
        arrived = np.bincount(heads, rank[tails] * share, minlength=size)
        walked = damping * (arrived + float(rank[is_dangling].sum()) * start) + (1 - damping) * start
        moved = float(np.abs(walked - rank).max())
        rank = walked
        if moved < 1e-10:
            break
    return rank


def spread(
    seeds: Mapping[int, float],
    lexicon: Lexicon,
    neighbours: Callable[[int], Sequence[int]],
    order: Callable[[int], object],
) -> tuple[Int64[np.ndarray, "m"], Float64[np.ndarray, "m"]]:
    """Records that the seeds lead to over rare words and over time, with their PageRank.

    Args:
        seeds: Best records of a query and their positive weights.
        lexicon: Where the words of the records are.
        neighbours: Records right before and right after one in its stream.
        order: Sort key of a record that does not depend on when it arrived, so that sums are formed in one order.

    Returns:
        Records (seeds included) and their shares, in the order of `order`.

    Source: the graph of turns, rare terms (2 <= df <= 5 %, weight idf) and next-turn edges (weight 4).
    """
    words: dict[str, float] = {}
    near: set[int] = set(seeds)
    for item in seeds:
        words |= dict(lexicon.rare_terms(item))
        for step in neighbours(item):
            near.add(step)
            near.update(neighbours(step))
    holders: dict[str, list[int]] = {}
    for word in sorted(words, key=lambda word: (-words[word], word)):  # rarest first: they tie records the most
        if len(near) >= MAX_NODES:
            break
        holders[word] = lexicon.holders(word).tolist()
        near.update(holders[word])
    nodes = sorted(near, key=order)  # type: ignore[arg-type]
    row = {item: i for i, item in enumerate(nodes)}
    edges: dict[tuple[int, int], float] = {}
    for item in nodes:
        for other in neighbours(item):
            if other in row:
                a, b = sorted((row[item], row[other]))
                edges[a, b] = NEXT_WEIGHT
    for i, word in enumerate(sorted(holders)):
        for item in holders[word]:
            edges[row[item], len(nodes) + i] = words[word]
    ends = np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)
    weights = np.array([edges[a, b] for a, b in ends.tolist()], dtype=np.float64)
    restart = np.zeros(len(nodes) + len(holders))
    for item, weight in seeds.items():
        restart[row[item]] = weight
    rank = pagerank(len(restart), ends[:, 0], ends[:, 1], weights, restart)
    return np.array(nodes, dtype=np.int64), rank[: len(nodes)]
