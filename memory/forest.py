"""The semantic forest: what happened, at every grain from an event to a whole life, and where.

One tree of nodes over each agent's stream: moments in events, events in episodes, episodes in longer ones. It grows at
its right edge only, by insertion; nothing is ever rebuilt, and what one agent sees never moves another agent's nodes.
Beside them stands one tree over space (`placecell.memory.space_tree`), of all agents.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float32, Float64

from placecell.memory.node import Node, Summary, Writer
from placecell.memory.queries import content_words
from placecell.memory.space_tree import SpaceTree

__all__ = ["Forest", "Node", "Summary"]

FAN_OUT: Final = 12  # children of a node at most
MIN_CHILDREN: Final = 3  # before a change of scene may close a node
MAX_EVENT: Final = 256  # moments of an event at most: a camera that stares at a wall has events, too
TOP: Final = 5


class _Tree:
    """The right edge of one agent's tree: its open node at each level, and what new children looked like so far."""

    def __init__(self) -> None:
        self.open: list[Node] = []  # open[0] is the open event
        self.seen: list[list[float]] = []  # per level: number, mean and sum of squared deviations of similarities

    @property
    def root(self) -> Node:
        return self.open[-1]


class Forest:
    """Trees over time, one per agent, and one tree over space.

    Args:
        vectors: Gives the vectors of items, to choose the moment that stands for an event; the middle one without it.
        summariser: Writes the line of a summary (`Summary` in time, `placecell.memory.space_tree.Part` in space) from
            the extractive one and those of its children.
        max_calls: How often the summariser may be called in all; extractive lines after that.

    Attributes:
        space: Things and views by where they are.

    Example:
        >>> forest = Forest()
        >>> for i in range(4):
        ...     forest.insert("robot", i, np.eye(2, dtype=np.float32)[i // 2], float(i), is_event_start=i == 2)
        >>> [(s.start_s, s.end_s, s.count) for s in forest.level(1)]
        [(0.0, 1.0, 2), (2.0, 3.0, 2)]
    """

    def __init__(
        self,
        vectors: Callable[[Sequence[int]], Sequence[np.ndarray | None]] | None = None,
        summariser: Callable[[Any, Sequence[Any]], str] | None = None,
        max_calls: int = 100,
    ) -> None:
        self._vectors = vectors
        self._write = None if summariser is None else Writer(summariser, max_calls)
        self.space = SpaceTree(self._write)
        self._trees: dict[str, _Tree] = {}

    def __len__(self) -> int:
        return sum(tree.root.count for tree in self._trees.values())

    @property
    def depth(self) -> int:
        """Level of the highest node; 0 when empty."""
        return max((len(tree.open) for tree in self._trees.values()), default=0)

    def insert(
        self,
        agent_id: str,
        item: int,
        vector: Float[np.ndarray, "d"] | None,
        start_s: float,
        end_s: float | None = None,
        position: Sequence[float] | None = None,
        labels: Iterable[str] = (),
        text: str = "",
        is_event_start: bool = False,
    ) -> None:
        """Add a moment or a text at the end of its agent's stream; logarithmic in the number of events.

        Args:
            agent_id: Whose stream; its moments must come in their order, those of several agents in any.
            item: Number of the moment in the memory.
            vector: Whole-view vector, unit length; None for a text.
            start_s: When it begins.
            end_s: When it ends; `start_s` if not given.
            position: Where, metres.
            labels: Exact labels.
            text: Words heard or read.
            is_event_start: Whether a new event begins here.
        """
        tree = self._trees.setdefault(agent_id, _Tree())
        if not tree.open:
            tree.open.append(Node(1))
            tree.seen.append([0.0, 0.0, 0.0])
        elif is_event_start or len(tree.open[0].items) >= MAX_EVENT:
            self._start_node(tree, 1, vector)
        tree.open[0].items.append(item)
        end_s = start_s if end_s is None else end_s
        labels, words = tuple(labels), content_words(text) if text else ()
        for node in tree.open:
            node.absorb(vector, start_s, end_s, position, labels, words)

    def drop(self, agent_id: str) -> None:
        """Forget an agent's whole tree; one that was never seen is ignored."""
        self._trees.pop(agent_id, None)

    def _start_node(self, tree: _Tree, level: int, vector: Float[np.ndarray, "d"] | None) -> None:
        """Close the open node of a level and open the next one, below the right parent."""
        node = Node(level)
        if level == len(tree.open):  # the root gets a sibling, so both get a parent
            parent = Node(level + 1)
            parent.adopt(tree.open[-1])
            tree.open.append(parent)
            tree.seen.append([0.0, 0.0, 0.0])
        elif self._is_over(tree, level, vector):
            self._start_node(tree, level + 1, vector)
        tree.open[level].children.append(node)
        tree.open[level - 1] = node

    def _is_over(self, tree: _Tree, level: int, vector: Float[np.ndarray, "d"] | None) -> bool:
        """Whether the parent is full, or what begins now looks less like it than is usual (one deviation below)."""
        parent, seen = tree.open[level], tree.seen[level]
        if len(parent.children) >= FAN_OUT:
            return True
        if vector is None or parent.direction is None:
            return False
        similarity = float(parent.direction @ vector)
        number, mean, squares = seen
        spread = math.sqrt(squares / number) if number else 0.0
        is_over = number >= 8 and len(parent.children) >= MIN_CHILDREN and similarity < mean - max(spread, 1e-3)
        seen[0] = number + 1
        seen[1] = mean + (similarity - mean) / seen[0]
        seen[2] = squares + (similarity - mean) * (similarity - seen[1])
        return is_over

    def roots(self) -> dict[str, Node]:
        """Top node of every agent, agents in the order of their names."""
        return {agent_id: self._trees[agent_id].root for agent_id in sorted(self._trees)}

    def nodes(self, level: int) -> list[tuple[str, Node]]:
        """Nodes of one level, in the order of time; an agent whose tree is lower gives its root."""
        found: list[tuple[str, Node]] = []
        for agent_id, root in self.roots().items():
            layer = [root]
            while layer[0].level > level:
                layer = [child for node in layer for child in node.children]
            found += [(agent_id, node) for node in layer]
        return sorted(found, key=lambda pair: (pair[1].start_s, pair[0]))

    def level(self, level: int) -> list[Summary]:
        """Summaries of one level, in the order of time: 1 for events, 2 for episodes, and so on up to `depth`.

        Raises:
            ValueError: If `level` is below 1.
        """
        if level < 1:
            raise ValueError(f"level must be 1 (events) or more, got {level}")
        return [self._summary(agent_id, node) for agent_id, node in self.nodes(level)]

    def overview(self, k: int, visible: Callable[[int], bool] | None = None) -> list[Summary]:
        """At most `k` summaries of the largest parts of what is visible, in the order of time.

        Taken from the coarsest level that has `k` visible nodes (or from the events, if there are fewer than `k`).
        """
        found: list[tuple[str, Node, list[int]]] = []
        for level in range(max(self.depth, 1), 0, -1):
            found = []
            for agent_id, node in self.nodes(level):
                seen = [item for item in node.leaves() if visible is None or visible(item)]
                if seen:
                    found.append((agent_id, node, seen))
            if len(found) >= k:
                break
        largest = sorted(found, key=lambda part: (-len(part[2]), part[1].start_s, part[0]))[:k]
        summaries = []
        for agent_id, node, seen in sorted(largest, key=lambda part: (part[1].start_s, part[0])):
            summary = self._summary(agent_id, node)
            if summary.item not in seen:
                summary = replace(summary, count=len(seen), item=self._middle(seen, node))
            summaries.append(summary)
        return summaries

    def beam(self, query: Float[np.ndarray, "d"], width: int = 8) -> list[tuple[str, Node, float]]:
        """Events that a search down from the roots reaches, best first, with the cosine of their direction.

        Args:
            query: Unit vector.
            width: Nodes that are followed at each level.
        """
        vector = np.asarray(query, dtype=np.float32)
        layer = [(agent_id, root) for agent_id, root in self.roots().items()]
        while True:
            scored = []
            for agent_id, node in layer:
                if node.direction is not None:
                    scored.append((agent_id, node, float(node.direction @ vector)))
            scored.sort(key=lambda entry: (-round(entry[2], 6), entry[1].start_s, entry[0]))
            scored = scored[:width]
            if all(node.level == 1 for _, node, _ in scored):
                return scored
            layer = [
                (agent_id, below)
                for agent_id, node, _ in scored
                for below in (node.children if node.level > 1 else [node])
            ]

    # --- summaries ----------------------------------------------------------------------------------------------

    def _summary(self, agent_id: str, node: Node) -> Summary:
        """Summary of a node; made when it is asked for and kept until something is added below."""
        if node.summary is None:
            everywhere = self._trees[agent_id].root.words
            telling = {
                word: count * math.log1p(everywhere.total() / everywhere[word]) for word, count in node.words.items()
            }
            words = tuple(sorted(telling, key=lambda word: (-telling[word], word))[:TOP])
            labels = tuple(sorted(node.labels.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP])
            line = ", ".join([label for label, _ in labels] + [f"'{word}'" for word in words])
            node.summary = Summary(
                agent_id, node.level, node.start_s, node.end_s, node.count, self._standing(node), labels, words, line
            )
            if self._write is not None:
                below = [child.summary for child in node.children if child.summary is not None]
                node.summary = replace(node.summary, text=self._write(node.summary, below))
        return node.summary

    def _standing(self, node: Node) -> int:
        """The item nearest the node's direction, found by going down to the nearest child."""
        while node.children:
            up = node.direction
            node = min(
                node.children,
                key=lambda child: (
                    -round(float(up @ child.direction), 6) if up is not None and child.direction is not None else 2.0,
                    child.start_s,
                ),
            )
        return self._middle(node.items, node)

    def _middle(self, items: Sequence[int], node: Node) -> int:
        direction = node.direction
        if self._vectors is not None and direction is not None:
            vectors = self._vectors(items)
            known = [(item, vector) for item, vector in zip(items, vectors, strict=True) if vector is not None]
            if known:
                return max(known, key=lambda pair: round(float(direction @ pair[1].astype(np.float32)), 6))[0]
        return items[len(items) // 2]

    # --- storage ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays, to be stored; `from_state` reads it back."""
        rows: list[tuple[int, int, int, int, float, float]] = []
        boxes: list[tuple[float, ...]] = []
        totals: list[Float32[np.ndarray, "d"]] = []
        counts: list[tuple[dict[str, int], dict[str, int]]] = []
        items: list[int] = []
        names: list[tuple[str, int, list[list[float]]]] = []

        def walk(node: Node, parent: int) -> None:
            row = len(rows)
            rows.append((node.level, parent, node.count, node.num_vectors, node.start_s, node.end_s))
            boxes.append((*(node.low or (math.nan,) * 3), *(node.high or (math.nan,) * 3), float(len(node.items))))
            counts.append((dict(node.labels), dict(node.words)))
            items.extend(node.items)
            if node.total is not None:
                totals.append(node.total)
            for child in node.children:
                walk(child, row)

        for agent_id in sorted(self._trees):
            names.append((agent_id, len(rows), self._trees[agent_id].seen))
            walk(self._trees[agent_id].root, -1)
        return {
            "rows": np.array(rows, dtype=np.float64).reshape(-1, 6),
            "boxes": np.array(boxes, dtype=np.float64).reshape(-1, 7),
            "totals": np.array(totals, dtype=np.float32),
            "items": np.array(items, dtype=np.int64),
            "words": np.frombuffer(json.dumps({"agents": names, "counts": counts}).encode(), np.uint8),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Replace all trees by those that `state` described."""
        rows: Float64[np.ndarray, "n 6"] = state["rows"]
        words = json.loads(state["words"].tobytes())
        nodes: list[Node] = []
        vector = item = 0
        for (level, parent, count, num_vectors, start_s, end_s), box, (labels, said) in zip(
            rows.tolist(), state["boxes"].tolist(), words["counts"], strict=True
        ):
            node = Node(int(level))
            node.count, node.num_vectors, node.start_s, node.end_s = int(count), int(num_vectors), start_s, end_s
            if not math.isnan(box[0]):
                node.low, node.high = tuple(box[:3]), tuple(box[3:6])
            node.labels, node.words = Counter(labels), Counter(said)
            if num_vectors:
                node.total = np.array(state["totals"][vector])
                vector += 1
            node.items = state["items"][item : item + int(box[6])].tolist()
            item += int(box[6])
            if parent >= 0:
                nodes[int(parent)].children.append(node)
            nodes.append(node)
        self._trees = {}
        for agent_id, first, seen in words["agents"]:
            tree = self._trees[agent_id] = _Tree()
            tree.seen = seen
            node = nodes[first]
            edge = [node]
            while node.children:
                node = node.children[-1]
                edge.append(node)
            tree.open = edge[::-1]
