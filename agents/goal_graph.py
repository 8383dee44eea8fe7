"""What an agent was after, as a graph folded from its log: long-term aims, the goals under each, the steps of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import networkx as nx

from placecell.agents.teammates import read_status
from placecell.memory.records import Record

__all__ = ["AIMS", "GoalGraph", "aim_of"]

#: Long-term aims in their order; the last is the diamond itself.
AIMS: Final = ("wood_pickaxe", "stone_pickaxe", "iron_pickaxe", "diamond")


def aim_of(inventory: Mapping[str, int]) -> str:
    """The first aim that these belongings do not reach yet.

    Example:
        >>> aim_of({"wood_pickaxe": 1}), aim_of({"iron_pickaxe": 1})
        ('stone_pickaxe', 'diamond')
    """
    reached = [number for number, aim in enumerate(AIMS) if inventory.get(aim, 0)]
    return AIMS[min(max(reached, default=-1) + 1, len(AIMS) - 1)]


class GoalGraph:
    """Aim -> goal -> step, for every agent whose records are folded.

    Nodes are `(agent, aim)`, `(agent, aim, goal, number)` for each time that a goal was taken up, and record ids, which
    cite the evidence. An edge leads from an aim to the next, from an aim to its goals, from a goal to the one that
    followed it, and from a goal to its steps; edges have a `kind`: "then" or "by". Records of one agent come in the
    order of their numbers; agents may interleave.

    Example:
        >>> graph = GoalGraph()
        >>> for seq, text in enumerate(("@1,1,9:!collect.wood", "@2,1,9:w1!collect.wood", "@2,1,9:w1x1!make.table")):
        ...     graph.fold(Record("ann", seq + 1, "text", 8.0 * seq, 8.0 * seq, text=text))
        >>> graph.spent("ann")
        {'wood_pickaxe': {'collect.wood': 16}}
        >>> [str(step) for step in graph.steps("ann", "wood_pickaxe", "collect.wood")]
        ['ann/1', 'ann/2']
    """

    def __init__(self) -> None:
        self.graph: nx.DiGraph = nx.DiGraph()
        self._last: dict[str, tuple[tuple[str, str, str, int], float]] = {}
        self._count = 0

    def fold(self, record: Record) -> None:
        """Take in one record; those without a status change nothing."""
        mate = read_status(record)
        if mate is None or not mate.doing:
            return
        agent, aim = record.agent_id, aim_of(mate.inventory)
        before = self._last.get(agent)
        if before is not None:
            node, stamp_s = before
            self.graph.nodes[node]["steps"] += max(record.stamp_s - stamp_s, 0.0)
        if before is not None and before[0][1:3] == (aim, mate.doing):
            node = before[0]
        else:
            self._count += 1
            node = (agent, aim, mate.doing, self._count)
            self.graph.add_node(node, steps=0.0)
            self.graph.add_edge((agent, aim), node, kind="by")
            if before is not None:
                self.graph.add_edge(before[0], node, kind="then")
                if before[0][1] != aim:
                    self.graph.add_edge((agent, before[0][1]), (agent, aim), kind="then")
        self.graph.add_edge(node, record.record_id, kind="by")
        self._last[agent] = (node, record.stamp_s)

    def spent(self, agent: str) -> dict[str, dict[str, int]]:
        """Steps that an agent told to have spent on each goal, by aim."""
        found: dict[str, dict[str, int]] = {}
        for node, steps in self.graph.nodes(data="steps"):
            if steps and len(node) == 4 and node[0] == agent:
                goals = found.setdefault(node[1], {})
                goals[node[2]] = goals.get(node[2], 0) + round(steps)
        return found

    def steps(self, agent: str, aim: str, goal: str) -> list[tuple[str, int]]:
        """Ids of the records that tell of a goal, as evidence, in their order."""
        nodes = [node for node in self.graph if len(node) == 4 and node[:3] == (agent, aim, goal)]
        return sorted(
            step
            for node in nodes
            for step in self.graph.successors(node)
            if self.graph.edges[node, step]["kind"] == "by"
        )
