"""Facts: what holds between things, rooms and words, since when, until when, and since when that is known.

Relations come from where things stand (boxes, rooms, moves) and from what was said. A fact that is contradicted is
closed, never deleted: "the mug was on the table, is now in the sink" keeps both. Everything is a function of the maps
and the texts, so that it does not matter in which order they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from placecell.memory.fact import RELATIONS, SYMMETRIC, Fact
from placecell.memory.graph import pagerank
from placecell.memory.notes import Notes
from placecell.memory.queries import singular
from placecell.memory.records import Record, RecordId
from placecell.memory.scene_facts import Plan, Scene, SceneFacts
from placecell.memory.told_facts import ToldFacts

__all__ = ["RELATIONS", "Fact", "FactGraph"]

DAMPING: Final = 0.5
_TIES: Final = {"in": 1.0, "on": 1.0, "near": 0.25, "next to": 0.5, "same as": 1.0, "moved from": 0.5}
_SHOWN_BY: Final = 0.25  # tie of a fact's ends with the records that show it

Node = str | RecordId


class FactGraph:
    """Facts of one memory.

    Args:
        objects: The map of things, or what gives it; None for none.
        places: The map of rooms, or what gives it; None for none.

    Attributes:
        notes: The texts, tied to what is like them.

    Example:
        >>> graph = FactGraph()
        >>> for seq, text in enumerate(("the mug is on the table", "someone put the mug in the sink"), 1):
        ...     graph.fold(Record("robot", seq, "text", float(seq), float(seq), text=text))
        >>> [(f.relation, f.object, f.valid_from_s, f.valid_to_s) for f in graph.facts("mug")]
        [('on', 'table', 1.0, 2.0), ('in', 'sink', 2.0, None)]
        >>> [f.object for f in graph.facts("mug", at_s=1.5)]
        ['table']
    """

    def __init__(
        self, objects: Scene | Callable[[], Scene] | None = None, places: Plan | Callable[[], Plan] | None = None
    ) -> None:
        self._scene = SceneFacts(
            objects if callable(objects) else lambda: objects, places if callable(places) else lambda: places
        )
        self._told = ToldFacts()
        self.notes = Notes()

    def fold(self, record: Record) -> None:
        """Take in a record; only texts say anything here, the rest comes from the maps."""
        if record.text:
            self.notes.add(record)
            self._told.fold(record)

    # --- asking -------------------------------------------------------------------------------------------------

    def facts(
        self,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
        at_s: float | None = None,
        as_of_s: float | None = None,
    ) -> list[Fact]:
        """Facts that fit all that is given, in the order in which they began to hold.

        Args:
            subject: A key, or a name: "mug" finds what is said of mugs and every thing that is called so. What is near
                another thing is near it both ways.
            relation: One of `RELATIONS`.
            object: Likewise a key or a name.
            at_s: Only what held in the world then.
            as_of_s: Only what was known then, as it was known then.

        Raises:
            ValueError: If there is no such relation.
        """
        if relation is not None and relation not in RELATIONS:
            raise ValueError(f"a relation is one of {', '.join(RELATIONS)}, got {relation!r}")
        self._scene.sync()
        subjects = None if subject is None else self._nodes_called(subject)
        objects = None if object is None else self._nodes_called(object)
        found: list[Fact] = []
        for fact in self._all() if subjects is None and objects is None else self._about(subjects, objects):
            if relation is not None and fact.relation != relation:
                continue
            faces = [fact]
            if fact.relation in SYMMETRIC and (subjects is not None or objects is not None):
                faces.append(replace(fact, subject=fact.object, object=fact.subject))
            for face in faces:
                if (subjects is None or face.subject in subjects) and (objects is None or face.object in objects):
                    known = face if as_of_s is None else face.known_at(as_of_s)
                    if known is not None and (at_s is None or known.holds_at(at_s)):
                        found.append(known)
                    break
        return sorted(found, key=_order)

    def name(self, node: str) -> str:
        """What a thing or a room is called; a noun is itself."""
        self._scene.sync()
        return self._name(node)

    def _name(self, node: str) -> str:
        if node in self._scene.things:
            return self._scene.things[node].name
        return self._scene.rooms[node].name if node in self._scene.rooms else node

    def _nodes_called(self, text: str) -> set[str]:
        name = _singular(text.lower())
        found = {text, name}
        found |= {key for key, thing in self._scene.things.items() if _singular(thing.name) == name}
        return found | {key for key, room in self._scene.rooms.items() if room.name == name}

    def _about(self, subjects: set[str] | None, objects: set[str] | None) -> Iterator[Fact]:
        """Facts that touch some of the nodes, and perhaps more; each once."""
        nodes = (subjects or set()) | (objects or set())
        if nodes & self._scene.rooms.keys():
            yield from self._all()
            return
        yield from self._scene.about(nodes & self._scene.things.keys())
        for facts in (self._told.all(), self._sames()):
            yield from (fact for fact in facts if fact.subject in nodes or fact.object in nodes)

    def _all(self) -> Iterator[Fact]:
        yield from self._scene.all()
        yield from self._told.all()
        yield from self._sames()

    def _sames(self) -> Iterator[Fact]:
        """A noun that was said and the only thing or room of that name are the same."""
        for noun, (stamp_s, key) in sorted(self._told.nouns().items()):
            head = noun.split(" ")[-1]
            named = [k for k, thing in self._scene.things.items() if _singular(thing.name) in (noun, head)]
            named += [k for k, room in self._scene.rooms.items() if room.name == noun]
            if len(named) == 1:
                thing = self._scene.things.get(named[0])
                since_s = stamp_s if thing is None else max(stamp_s, thing.first_s)
                yield Fact(noun, "same as", named[0], since_s, None, since_s, None, (key,))

    # --- association --------------------------------------------------------------------------------------------

    def associate(
        self, seeds: Mapping[Node, float], k: int = 10, at_s: float | None = None
    ) -> list[tuple[Node, float]]:
        """What the seeds lead to over facts, names, evidence and linked notes: personalised PageRank.

        Args:
            seeds: Keys of things or rooms, names, or record ids, with positive weights; what is unknown is passed over.
            k: Number of nodes wanted.
            at_s: Walk only over what held then; by default over all that ever held, what holds still counting twice.

        Returns:
            Nodes (keys, nouns, record ids) other than the seeds with their share of the walk, best first. Empty if no
            seed is known.

        Source: HippoRAG 2 (Gutierrez et al. 2025): damping 0.5, undirected, weighted.
        """
        self._scene.sync()
        edges: dict[tuple[Node, Node], float] = {}

        def tie(a: Node, b: Node, weight: float) -> None:
            key = (a, b) if _node_order(a) <= _node_order(b) else (b, a)
            edges[key] = max(edges.get(key, 0.0), weight)

        for fact in self._all():
            if at_s is not None and not fact.holds_at(at_s):
                continue
            weight = _TIES[fact.relation] * (1.0 if fact.valid_to_s is None else 0.5)
            tie(fact.subject, fact.object, weight)
            for key in fact.evidence:
                tie(fact.subject, key, _SHOWN_BY)
                tie(fact.object, key, _SHOWN_BY)
        for node in (*self._scene.things, *self._scene.rooms):
            if self._name(node):
                tie(node, self._name(node), 1.0)
        for (later, earlier), likeness in self.notes.ties().items():
            tie(later, earlier, likeness)
        nodes = sorted({node for pair in edges for node in pair}, key=_node_order)
        row = {node: i for i, node in enumerate(nodes)}
        restart = np.zeros(len(nodes))
        for seed, weight in seeds.items():
            starts: list[Node] = [seed] if isinstance(seed, RecordId) else [*sorted(self._nodes_called(seed))]
            starts = [start for start in starts if start in row]
            for start in starts:
                restart[row[start]] += max(weight, 0.0) / len(starts)
        if not restart.any():
            return []
        ends = np.array([(row[a], row[b]) for a, b in edges], np.int64).reshape(-1, 2)
        rank = pagerank(len(nodes), ends[:, 0], ends[:, 1], np.array(list(edges.values())), restart, DAMPING)
        found = [(node, round(float(rank[i]), 9)) for node, i in row.items() if restart[i] == 0]
        return sorted(found, key=lambda pair: (-pair[1], _node_order(pair[0])))[:k]


def _singular(name: str) -> str:
    words = name.split()
    return " ".join([*words[:-1], singular(words[-1])]) if words else ""


def _node_order(node: str | RecordId) -> tuple[int, str, int]:
    return (1, node.agent_id, node.seq) if isinstance(node, RecordId) else (0, node, 0)


def _order(fact: Fact) -> tuple[float, str, str, str, float]:
    return fact.valid_from_s, fact.subject, fact.relation, fact.object, fact.recorded_s
