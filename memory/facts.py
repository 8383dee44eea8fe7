"""Facts: what holds between things, rooms and words, since when, until when, and since when that is known.

Relations come from where things stand (boxes, rooms, moves) and from what was said. A fact that is contradicted is
closed, never deleted: "the mug was on the table, is now in the sink" keeps both. Everything is a function of the maps
and the texts, so that it does not matter in which order they came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from placecell.memory.fact import RELATIONS, SYMMETRIC, Fact
from placecell.memory.fact_walk import FactWalk, Node
from placecell.memory.notes import Notes
from placecell.memory.queries import singular
from placecell.memory.records import Record, RecordId
from placecell.memory.scene_facts import Plan, Scene, SceneFacts, shown_best
from placecell.memory.told_facts import ToldFacts

__all__ = ["RELATIONS", "Fact", "FactGraph"]

_WALKS: Final = 8  # graphs of other times that are kept
_WORDS: Final = 3  # that a name has at most, where a text is searched for names


class FactGraph:
    """Facts of one memory.

    Args:
        objects: The map of things, or what gives it; None for none.
        places: The map of rooms, or what gives it; None for none.
        told: What was said, where that is read already.

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
        self,
        objects: Scene | Callable[[], Scene] | None = None,
        places: Plan | Callable[[], Plan] | None = None,
        told: ToldFacts | None = None,
    ) -> None:
        self._scene = SceneFacts(
            objects if callable(objects) else lambda: objects, places if callable(places) else lambda: places
        )
        self._told = ToldFacts() if told is None else told
        self.notes = Notes()
        self._walks: dict[tuple[object, ...], FactWalk] = {}
        self._walked: tuple[object, ...] = ()

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

    def named_in(self, text: str) -> dict[str, tuple[str, ...]]:
        """Names of known things, rooms and nouns that a text holds, longest first, with the nodes that go by each.

        Example:
            >>> graph = FactGraph()
            >>> graph.fold(Record("ann", 1, "text", 1.0, 1.0, text="the red mug is on the table"))
            >>> graph.named_in("are there tables beside the red mug?")
            {'red mug': ('red mug',), 'table': ('table',)}
        """
        self._scene.sync()
        known: dict[str, set[str]] = {noun: {noun} for noun in self._told.nouns()}
        for key, thing in self._scene.things.items():
            known.setdefault(_singular(thing.name), set()).add(key)
        for key, room in self._scene.rooms.items():
            known.setdefault(room.name, set()).add(key)
        tokens = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())
        taken = [False] * len(tokens)
        found: dict[str, tuple[str, ...]] = {}
        for size in range(_WORDS, 0, -1):
            for start in range(len(tokens) - size + 1):
                name = _singular(" ".join(tokens[start : start + size]))
                if name in known and not any(taken[start : start + size]):
                    taken[start : start + size] = [True] * size
                    found[name] = tuple(sorted(known[name]))
        return found

    def walk(self, at_s: float | None = None, as_of_s: float | None = None, with_notes: bool = True) -> FactWalk:
        """The graph to walk on: facts, names, evidence and linked notes; kept until something changes.

        Args:
            at_s: Only what held then; by default all that ever held, what holds still counting twice.
            as_of_s: Only what was known then, as it was known then.
            with_notes: Whether texts are tied to texts that are like them.
        """
        self._scene.sync()
        state = (self._scene.state, self._told.size, len(self.notes))
        if state != self._walked:
            self._walks, self._walked = {}, state
        key = (at_s, as_of_s, with_notes)
        if key not in self._walks:
            if len(self._walks) >= _WALKS:
                self._walks.clear()
            known = self._all() if as_of_s is None else (f for g in self._all() if (f := g.known_at(as_of_s)))
            views = {node: {s.record_id for s in thing.sightings} for node, thing in self._scene.things.items()}
            walk = FactWalk(
                (fact for fact in known if at_s is None or fact.holds_at(at_s)),
                lambda node, record_id: node not in views or record_id in views[node],
            )
            for node in (*self._scene.things, *self._scene.rooms):
                if self._name(node):
                    walk.tie(node, self._name(node), 1.0)
            for node, thing in self._scene.things.items():
                for record_id in shown_best(thing, as_of_s):
                    walk.show(node, record_id)
            if with_notes:
                for (later, earlier), likeness in self.notes.ties().items():
                    walk.tie(later, earlier, likeness)
            self._walks[key] = walk
        return self._walks[key]

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
        """
        walk = self.walk(at_s)
        starts: dict[Node, float] = {}
        for seed, weight in seeds.items():
            nodes: list[Node] = [seed] if isinstance(seed, RecordId) else [*sorted(self._nodes_called(seed))]
            nodes = [node for node in nodes if node in walk]
            for node in nodes:
                starts[node] = starts.get(node, 0.0) + max(weight, 0.0) / len(nodes)
        return walk.shares(starts)[:k]


def _singular(name: str) -> str:
    words = name.split()
    return " ".join([*words[:-1], singular(words[-1])]) if words else ""


def _order(fact: Fact) -> tuple[float, str, str, str, float]:
    return fact.valid_from_s, fact.subject, fact.relation, fact.object, fact.recorded_s
