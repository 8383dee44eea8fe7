"""Facts that were said: kept by the noun that they are about, closed by what was said later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from placecell.memory.fact import EVIDENCE, Fact
from placecell.memory.records import Record, RecordId
from placecell.memory.said import Said, read_facts

__all__ = ["ToldFacts"]

_ROOMS: Final = frozenset(
    """attic balcony basement bathroom bedroom cellar corridor garage garden hall hallway kitchen lounge nursery office
    pantry porch room study toilet""".split()  # noqa: SIM905
)


class ToldFacts:
    """What texts say, whatever the order in which they come.

    Attributes:
        size: How many sayings there are.
    """

    def __init__(self) -> None:
        self.size = 0  # how many sayings
        self._said: dict[str, list[tuple[float, RecordId, Said]]] = {}
        self._facts: dict[str, list[Fact]] = {}

    def fold(self, record: Record) -> None:
        """Read the text of a record."""
        self.tell(record.stamp_s, record.record_id, read_facts(record.text))

    def tell(self, stamp_s: float, record_id: RecordId, sayings: Iterable[Said]) -> None:
        """Take in what a record says."""
        for said in sayings:
            self._said.setdefault(said.subject, []).append((stamp_s, record_id, said))
            self._facts.pop(said.subject, None)
            self.size += 1

    def all(self) -> Iterator[Fact]:
        """All facts, subject by subject."""
        for subject in self._said:
            yield from self.about(subject)

    def about(self, subject: str) -> Sequence[Fact]:
        """Facts about one noun, in the order in which they were said."""
        if subject not in self._facts:
            sayings = sorted(self._said.get(subject, ()), key=lambda row: row[:2])
            self._facts[subject] = _told(sayings)
        return self._facts[subject]

    def nouns(self) -> dict[str, tuple[float, RecordId]]:
        """Every noun of a fact, with when and where it first came up."""
        first: dict[str, tuple[float, RecordId]] = {}
        for subject, sayings in self._said.items():
            for stamp_s, key, said in sayings:
                for noun in (subject, said.object):
                    first[noun] = min(first.get(noun, (math.inf, key)), (stamp_s, key))
        return first


def _told(sayings: Sequence[tuple[float, RecordId, Said]]) -> list[Fact]:
    """Facts of one noun, from what was said of it in the order of time: what cannot be both closes what was before."""
    facts: list[Fact] = []
    for stamp_s, key, said in sayings:
        closed = []
        for fact in facts:
            is_same = (fact.relation, fact.object) == (said.relation, said.object)
            if fact.valid_to_s is not None:
                pass
            elif not said.holds:
                fact = replace(fact, valid_to_s=stamp_s, superseded_s=stamp_s) if is_same else fact
            elif not is_same and _contradicts(said, fact):
                fact = replace(fact, valid_to_s=stamp_s, superseded_s=stamp_s)
            closed.append(fact)
        facts = closed
        known = [
            i
            for i, f in enumerate(facts)
            if f.valid_to_s is None and (f.relation, f.object) == (said.relation, said.object)
        ]
        if known:
            facts[known[0]] = replace(facts[known[0]], evidence=(*facts[known[0]].evidence, key)[:EVIDENCE])
        elif said.holds:
            facts.append(Fact(said.subject, said.relation, said.object, stamp_s, None, stamp_s, None, (key,)))
    return facts


def _contradicts(said: Said, fact: Fact) -> bool:
    """Whether both cannot hold: a thing is in one room and on or in one thing, and what moves leaves its neighbours."""
    if said.relation not in ("in", "on"):
        return False
    if fact.relation in ("in", "on"):
        return _is_room(said.object) == _is_room(fact.object)
    return fact.relation in ("near", "next to")


def _is_room(noun: str) -> bool:
    return noun.split(" ")[-1] in _ROOMS
