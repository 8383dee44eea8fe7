"""What a question leads to over facts: a channel of recall, by personalised PageRank from the things that it names.

"Which room is the umbrella in?" - the umbrella was said to be beside the sofa, and the sofa was seen in the living
room: neither the sentence nor the view answers alone, and the walk finds both. In a memory of space the facts are those
of its maps and texts. In one of words alone the facts around a question are read off the lexicon when it is asked, so
that nothing is kept up to date, and a memory that states no facts pays for looking at a few texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from placecell.memory.channels import MIN_TEXTS, Channel, Moments, Visible
from placecell.memory.fact import Fact
from placecell.memory.fact_walk import Node
from placecell.memory.facts import FactGraph
from placecell.memory.lexicon import Lexicon, terms
from placecell.memory.records import RecordId
from placecell.memory.said import Said, read_facts
from placecell.memory.told_facts import ToldFacts

__all__ = ["ToldAround", "fact_channel"]

TRUST: Final = 0.8  # of what a question leads to that names nothing but known things
_HOPS: Final = 3
_TEXTS: Final = 64  # latest texts of a word that are read


class ToldAround:
    """Reads what texts state about the words of a question, and about what they lead to.

    Args:
        lexicon: Where the words are.
        moments: What the items of the lexicon are.
    """

    def __init__(self, lexicon: Lexicon, moments: Moments) -> None:
        self._lexicon, self._moments = lexicon, moments
        self._read: dict[int, tuple[Said, ...]] = {}

    def facts(self, text: str, known: Visible) -> FactGraph | None:
        """The facts around a question; None if there are none.

        Args:
            text: The question.
            known: Whether an item may be read.
        """
        told, nouns = ToldFacts(), terms(text)
        asked: set[str] = set()
        seen: set[int] = set()
        for _ in range(_HOPS):
            fresh = sorted(set(nouns) - asked)
            asked.update(fresh)
            nouns = []
            for term in fresh:
                for item in self._holders(term, known):
                    if item in seen:
                        continue
                    seen.add(item)
                    if item not in self._read:
                        self._read[item] = tuple(read_facts(self._moments.record(item).text))
                    if sayings := self._read[item]:
                        moment = self._moments.moment(item)
                        told.tell(moment.stamp_s, moment.record_id, sayings)
                        nouns += [term for said in sayings for term in terms(f"{said.subject} {said.object}")]
        return FactGraph(told=told) if told.size else None

    def _holders(self, term: str, known: Visible) -> list[int]:
        """The latest texts with a word."""

        def when(item: int) -> tuple[float, RecordId]:
            moment = self._moments.moment(item)
            return moment.stamp_s, moment.record_id

        held = [item for item in self._lexicon.holders(term).tolist() if known(item)]
        return sorted(held, key=when)[-_TEXTS:] if len(held) > _TEXTS else held


def fact_channel(
    graph: FactGraph,
    text: str,
    *,
    moments: Moments,
    item: Callable[[RecordId], int | None],
    pool: int,
    count: int,
    visible: Visible,
    as_of_s: float | None = None,
) -> Channel | None:
    """Records that show or say what the things of a question lead to; None if it names nothing that is known.

    Args:
        graph: The facts.
        text: The question.
        moments: What items are.
        item: Item of a record, None if it is not folded.
        pool: Candidates wanted.
        count: Number of records that there are.
        visible: Whether an item counts.
        as_of_s: Only what was known then.
    """
    named = graph.named_in(text)
    if not named:
        return None
    walk = graph.walk(as_of_s=as_of_s, with_notes=False)  # like texts are tied by their rare words already
    seeds: dict[Node, float] = {node: 1.0 / len(nodes) for nodes in named.values() for node in nodes}
    ranked = walk.shares(seeds)
    share = dict(ranked)
    raw: dict[int, float] = {}
    notes: dict[int, str] = {}
    lowest = 0.0
    for node, weight in ranked:
        place = item(node) if isinstance(node, RecordId) else None
        if place is None or not visible(place) or not isinstance(node, RecordId):
            continue
        if len(raw) >= pool and weight < lowest:
            break  # all that tie with the last one are in
        lowest = weight
        raw[place] = math.sqrt(weight)  # shares fall steeply with every step: the second one must still be seen
        notes[place] = _reason(graph, walk.shown_by(node), seeds, share)
    if not raw:
        return None
    links: dict[int, dict[int, float]] = {}
    for node, _ in ranked:
        place = item(node) if isinstance(node, RecordId) else None
        if place in raw and isinstance(node, RecordId) and moments.moment(place).kind == "text":
            links[place] = {}
            beside = {other: share[key] for key in walk.beside(node) if (other := item(key)) in raw}
            for kind in ("moment", "text"):  # a text speaks of more than a view shows
                alike = {other: value for other, value in beside.items() if moments.moment(other).kind == kind}
                links[place] |= {other: value / max(alike.values()) for other, value in alike.items()}
    asked = set(terms(text))
    covered = {term for name in named for term in terms(name)}
    count = max(count, MIN_TEXTS, len(raw))
    total = math.fsum(raw.values())
    mean = total / count
    std = math.sqrt(max(math.fsum(score**2 for score in raw.values()) / count - mean**2, 1e-18))
    trust = TRUST * len(asked & covered) / max(len(asked), 1)
    return Channel("facts", raw, {}, mean, std, trust, notes=notes, count=count, links=links)


def _reason(graph: FactGraph, shown: Sequence[Fact], seeds: Mapping[Node, float], share: Mapping[Node, float]) -> str:
    """The fact that a record bears out and that matters most to the question; of a mere view that it shows a thing."""

    def weight(fact: Fact) -> tuple[float, str, str]:
        ends = (seeds.get(end, share.get(end, 0.0)) for end in (fact.subject, fact.object))
        return sum(ends), fact.subject, fact.object

    if not shown:
        return "shows what the question leads to"
    fact = max(shown, key=weight)
    return f"the {graph.name(fact.subject)} {fact.relation} the {graph.name(fact.object)}"
