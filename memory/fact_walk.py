"""A walk over facts: from what a question names, over what holds of it, to the records that show or say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from placecell.memory.fact import Fact
from placecell.memory.graph import pagerank
from placecell.memory.records import RecordId

__all__ = ["FactWalk", "Node"]

DAMPING: Final = 0.5
_TIES: Final = {"in": 1.0, "on": 1.0, "near": 0.25, "next to": 0.5, "same as": 1.0, "moved from": 0.5}
_SHOWN_BY: Final = 0.25  # tie of a fact's ends with the records that show it
_OVER: Final = 0.5  # share of its weight that a fact keeps which no longer holds

Node = str | RecordId


class FactWalk:
    """An undirected weighted graph of things, rooms, nouns and records.

    Args:
        facts: What holds.
        is_shown: Whether a record that a fact cites shows or speaks of one of its ends.

    Example:
        >>> walk = FactWalk([Fact("key", "in", "drawer", 1.0, None, 1.0, None, (RecordId("ann", 1),)),
        ...                  Fact("drawer", "in", "study", 2.0, None, 2.0, None, (RecordId("ann", 2),))])
        >>> [str(node) for node, _ in walk.shares({"key": 1.0})]
        ['drawer', 'ann/1', 'study', 'ann/2']

    Source: HippoRAG 2 (Gutierrez et al. 2025): damping 0.5, undirected, weighted.
    """

    def __init__(
        self, facts: Iterable[Fact], is_shown: Callable[[str, RecordId], bool] = lambda node, record_id: True
    ) -> None:
        self._edges: dict[tuple[Node, Node], float] = {}
        self._shown: dict[RecordId, list[Fact]] = {}
        self._views: dict[str, set[RecordId]] = {}  # records that show or speak of a node
        self._same: dict[str, set[str]] = {}
        for fact in facts:
            self.tie(fact.subject, fact.object, _TIES[fact.relation] * (1.0 if fact.valid_to_s is None else _OVER))
            for key in fact.evidence:
                for end in (fact.subject, fact.object):
                    if is_shown(end, key):
                        self.show(end, key)
                self._shown.setdefault(key, []).append(fact)
            if fact.relation == "same as":
                self._same.setdefault(fact.subject, set()).add(fact.object)
                self._same.setdefault(fact.object, set()).add(fact.subject)
        self._rows: dict[Node, int] | None = None
        self._ends = np.empty((0, 2), np.int64)
        self._weights = np.empty(0)

    def tie(self, a: Node, b: Node, weight: float) -> None:
        """Tie two nodes, if they are not tied more strongly already."""
        key = (a, b) if _order(a) <= _order(b) else (b, a)
        self._edges[key] = max(self._edges.get(key, 0.0), weight)
        self._rows = None

    def show(self, node: str, record_id: RecordId) -> None:
        """Tie a node to a record that shows it or speaks of it."""
        self.tie(node, record_id, _SHOWN_BY)
        self._views.setdefault(node, set()).add(record_id)

    def __contains__(self, node: object) -> bool:
        return node in self._placed()

    def shown_by(self, record_id: RecordId) -> list[Fact]:
        """The facts that a record shows or says."""
        return self._shown.get(record_id, [])

    def beside(self, record_id: RecordId) -> set[RecordId]:
        """The records that show or speak of what the facts of a record are about."""
        ends = {end for fact in self.shown_by(record_id) for end in (fact.subject, fact.object)}
        ends = ends.union(*(self._same.get(end, ()) for end in ends))
        return set[RecordId]().union(*(self._views.get(end, ()) for end in ends)) - {record_id}

    def shares(self, seeds: Mapping[Node, float]) -> list[tuple[Node, float]]:
        """Share of its time that a walker from the seeds spends at each other node, best first.

        Args:
            seeds: Nodes to start from, with positive weights; those that are not in the graph are passed over.
        """
        rows = self._placed()
        restart = np.zeros(len(rows))
        for node, weight in seeds.items():
            if node in rows:
                restart[rows[node]] += max(weight, 0.0)
        if not restart.any():
            return []
        rank = pagerank(len(rows), self._ends[:, 0], self._ends[:, 1], self._weights, restart, DAMPING)
        found = [(node, round(float(rank[i]), 9)) for node, i in rows.items() if restart[i] == 0]
        return sorted((pair for pair in found if pair[1] > 0), key=lambda pair: (-pair[1], _order(pair[0])))

    def _placed(self) -> dict[Node, int]:
        """Rows of the nodes; in an order of their own, so that sums do not depend on what came first."""
        if self._rows is None:
            nodes = sorted({node for pair in self._edges for node in pair}, key=_order)
            self._rows = rows = {node: i for i, node in enumerate(nodes)}
            edges = sorted((rows[a], rows[b], weight) for (a, b), weight in self._edges.items())
            self._ends = np.array([edge[:2] for edge in edges], np.int64).reshape(-1, 2)
            self._weights = np.array([edge[2] for edge in edges], np.float64)
        return self._rows


def _order(node: Node) -> tuple[int, str, str, int]:
    return (0, node, "", 0) if isinstance(node, str) else (1, "", node.agent_id, node.seq)
