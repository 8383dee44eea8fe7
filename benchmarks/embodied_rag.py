"""The forest of Embodied-RAG, from its description: the baseline that the spatial tree is measured against.

Level by level, all nodes are clustered anew: similarity `(1 - w) exp(-d / 50 m) + w cos`, complete linkage, a threshold
that grows with the level; any new node means building all levels again. Its language model, which writes summaries and
picks children, is stood in for: a cluster's summary is the list of what is in it, and the children are picked by the
similarity of their summaries to the question, as many as there (three).

Source: Xie et al. 2024 (arXiv 2409.18313) and the constants of its released code: w = 0.6, 50 m,
0.4 (1 + 0.1 (l - 1)), five levels, k = 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["Level", "Tree", "build", "choose"]

WEIGHT: Final = 0.6
RANGE_M: Final = 50.0
THRESHOLD: Final = 0.4
LEVELS: Final = 5
BRANCHES: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Nodes of one level: their members are nodes of the level below (the items, for the first)."""

    members: list[list[int]]
    positions: Float[np.ndarray, "n 3"]
    vectors: Float32[np.ndarray, "n d"]


Tree = list[Level]  # [0] holds the items, each a node by itself


def build(
    positions: Float[np.ndarray, "n 3"],
    vectors: Float32[np.ndarray, "n d"],
    embed: Callable[[list[list[int]]], Float32[np.ndarray, "m d"]] | None = None,
) -> Tree:
    """All levels, from nothing.

    Args:
        positions: Metres.
        vectors: Unit vectors of the items.
        embed: Vectors of clusters (lists of items), of their summaries; by default the direction of their mean.
    """
    level = Level([[i] for i in range(len(positions))], positions, vectors)
    tree, items = [level], level.members
    for number in range(1, LEVELS + 1):
        if len(level.members) < 2:
            break
        groups = _clusters(level, THRESHOLD * (1 + 0.1 * (number - 1)))
        items = [[item for node in group for item in items[node]] for group in groups]
        middles = np.stack([level.positions[group].mean(axis=0) for group in groups])
        if embed is None:
            sums = np.stack([level.vectors[group].sum(axis=0) for group in groups])
            looks = (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)
        else:
            looks = embed(items)
        level = Level(groups, middles, looks)
        tree.append(level)
    return tree


def _clusters(level: Level, threshold: float) -> list[list[int]]:
    """Complete linkage, cut at a distance."""
    from scipy.cluster.hierarchy import fcluster, linkage

    number = len(level.members)
    distances = np.empty(number * (number - 1) // 2)
    start = 0
    for i in range(number - 1):
        metres = np.linalg.norm(level.positions[i + 1 :] - level.positions[i], axis=1)
        near = (1 - WEIGHT) * np.exp(-metres / RANGE_M)
        end = start + number - 1 - i
        distances[start:end] = 1 - (near + WEIGHT * (level.vectors[i + 1 :] @ level.vectors[i]))
        start = end
    labels = fcluster(linkage(np.maximum(distances, 0.0), "complete"), threshold, "distance")
    groups: dict[int, list[int]] = {}
    for node, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(node)
    return list(groups.values())


def choose(tree: Tree, query: Float32[np.ndarray, "d"]) -> list[tuple[int, float]]:
    """Items that the search down the tree reaches, best first: the three children most like the query, everywhere."""
    top = len(tree) - 1
    nodes: Sequence[int] = _best(tree[top], range(len(tree[top].members)), query)
    for number in range(top, 0, -1):
        below = tree[number - 1]
        nodes = [child for node in nodes for child in _best(below, tree[number].members[node], query)]
    scores = tree[0].vectors[list(nodes)] @ query
    order = np.argsort(-scores, kind="stable")
    return [(int(nodes[i]), float(scores[i])) for i in order]


def _best(level: Level, nodes: Sequence[int], query: Float32[np.ndarray, "d"]) -> list[int]:
    chosen = np.asarray(nodes)
    return [int(node) for node in chosen[np.argsort(-(level.vectors[chosen] @ query), kind="stable")[:BRANCHES]]]
