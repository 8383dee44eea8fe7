"""The search behind a reader: sightings of a thing, checked for colour and room, their edges in time, their rooms."""

from __future__ import annotations

import math
import re
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from placecell.agents.answer import Answer, clock, no_match
from placecell.agents.evidence import Finding, MemoryLike, Scope, content, encoder_of, find, recollection_of, spans
from placecell.agents.looking import Looker
from placecell.agents.questions import Question
from placecell.agents.vocabulary import COLOURS, ROOMS, THINGS, stem, words_of
from placecell.memory.queries import parse_query
from placecell.memory.records import Recollection, Record

__all__ = ["COLOUR_NAMES", "ROOM_NAMES", "Searcher", "notes_of", "refusal"]

_VOTERS = 8  # hits that vote on a colour or a room
_NEAR_S = 2.5  # moments this close in time show the same room, at walking pace
_EVIDENCE = 5
ROOM_NAMES = {name: group[0] for group in ROOMS for name in group}
_ASKS = re.compile(r"\?$|^(?:where|what|when|who|which|how|why|is|are|do|does|did|has|have|can|could)\b")
_PLACES = re.compile(
    r"\b(?:on|in|under|behind|at|near|inside|beside|below|above|by|next to|to the|here|there|between|against)\b"
)
COLOUR_NAMES = {name: group[0] for group in COLOURS for name in group}


class Searcher:
    """Finds sightings in one memory.

    Args:
        memory: Where to look.
        threshold: A hit whose probability is below this is no evidence.
    """

    def __init__(self, memory: MemoryLike, threshold: float) -> None:
        self.memory = memory
        self.threshold = threshold
        self._looker: Looker | None = None
        self._found: dict[tuple[str, Scope, str, int], Finding] = {}

    def forget(self) -> None:
        """Drop what was found: between two questions the memory may have grown."""
        self._found.clear()

    @property
    def look(self) -> Looker:
        """What names things; made when it is first needed."""
        if self._looker is None:
            self._looker = Looker(encoder_of(self.memory))
        return self._looker

    def scope(self, question: Question, scope: Scope) -> Scope:
        """The records that a question may look at: what the caller allows, and the times that it names."""
        window = question.between
        if window is None and question.at_s is None:
            query = parse_query(question.text)
            if query.from_end is not None or query.fraction is not None:
                ends = self.extent_s(scope)
                if ends is not None:
                    window = query.window(ends[0].stamp_s, ends[1].end_s)
        return scope if window is None else scope.within(*window)

    def stream(self, scope: Scope) -> Iterator[Record]:
        """Everything in the scope, in the order of time, one by one: a long memory does not fit into RAM."""
        if scope.is_empty:
            return
        for record in self.memory.records(between=scope.between, agents=scope.agents, as_of=scope.as_of):
            if scope.lets_through(record):
                yield record

    def records(self, scope: Scope) -> list[Record]:
        """Everything in a short scope, in the order of time."""
        return list(self.stream(scope))

    def views_in(self, scope: Scope) -> Iterator[tuple[Record, np.ndarray]]:
        """Seen moments in the scope with their vectors, in the order of time."""
        for record in self.stream(scope):
            if record.kind == "moment" and record.embeddings is not None:
                yield record, record.embeddings

    def moments(self, scope: Scope, around: tuple[float, float] | None = None) -> list[Record]:
        """Seen moments in a short scope, in the order of time."""
        return [record for record, _ in self.views_in(scope if around is None else scope.within(*around))]

    def extent_s(self, scope: Scope) -> tuple[Recollection, Recollection] | None:
        """The first record in the scope, and the one that ends last."""
        first = last = None
        for record in self.stream(scope):
            first = first or recollection_of(record, 1.0, "the first record")
            if last is None or record.end_s >= last.end_s:
                last = recollection_of(record, 1.0, "the last record")
        return None if first is None or last is None else (first, last)

    def find(self, phrase: str, scope: Scope, place: str = "", k: int = 64) -> Finding:
        """Search; sightings of another colour than the one asked for, or in another room, do not count."""
        key = (phrase, scope, place, k)
        if key not in self._found:  # one question may look for one thing several times
            self._found[key] = self._checked(find(self.memory, phrase, scope, self.threshold, k), scope, place)
        return self._found[key]

    def _checked(self, finding: Finding, scope: Scope, place: str) -> Finding:
        """Without the sightings of another colour or in another room than the question says."""
        phrase = finding.phrase
        seen, said = list(finding.seen), finding.said
        colour = next((COLOUR_NAMES[word] for word in words_of(phrase) if word in COLOUR_NAMES), None)
        if colour and seen and len(content(phrase)) > 1:
            groups = self.look.known(COLOURS)
            bare = " ".join(word for word in phrase.split() if word not in COLOUR_NAMES)
            index = next((i for i, group in enumerate(groups) if group[0] == colour), None)
            if index is not None:
                shares = [self.colour_shares(hit, bare, groups) for hit in seen]
                seen = [hit for hit, s in zip(seen, shares, strict=True) if s[index] >= 0.5 * s.max()]
        if place and seen:
            seen = [hit for hit in seen if self.is_room(hit, place, scope)]
        if len(seen) == len(finding.seen):
            return finding
        kept_ids = {hit.record_id for hit in (*seen, *said)}
        hits = tuple(hit for hit in finding.hits if hit.record_id in kept_ids)
        others = tuple(hit for hit in finding.seen if hit.record_id not in kept_ids)
        best = hits[0].probability if hits else 0.0
        return Finding(
            f"{phrase} in the {place}" if place else phrase, hits, said, best, finding.unknown, others, finding.notes
        )

    def views(self, hit: Recollection) -> Float32[np.ndarray, "v d"]:
        """Vectors of a hit, whole view first; none for one that was only said."""
        vectors = self.memory.get(hit.record_id).embeddings
        return np.zeros((0, 1), np.float32) if vectors is None else np.asarray(vectors, dtype=np.float32)

    def gap_s(self, hits: Sequence[Recollection]) -> float:
        """Longest pause inside one sighting: three times the usual step between moments, 3 s at least."""
        stamps = sorted({hit.stamp_s for hit in hits})
        steps = [b - a for a, b in zip(stamps, stamps[1:], strict=False)]
        return max(3.0, 3.0 * min(statistics.median(steps), 5.0)) if steps else 3.0

    def cite(self, hits: Sequence[Recollection], k: int = _EVIDENCE) -> tuple[Recollection, ...]:
        """The best hit of each sighting first, then the next best, few enough to read."""
        groups = spans(hits, self.gap_s(hits))
        heads = [max(group, key=lambda hit: hit.probability) for group in groups]
        head_ids = {hit.record_id for hit in heads}
        order = sorted(heads, key=lambda hit: -hit.probability)
        order += sorted((hit for hit in hits if hit.record_id not in head_ids), key=lambda hit: -hit.probability)
        return tuple(order[:k])

    @staticmethod
    def sure(hits: Sequence[Recollection]) -> float:
        """Probability that at least the best few agree on: their mean, weighted by itself."""
        top = sorted((hit.probability for hit in hits), reverse=True)[:3]
        return sum(p * p for p in top) / sum(top) if sum(top) > 0 else 0.0

    def colour_shares(
        self, hit: Recollection, subject: str, groups: Sequence[tuple[str, ...]]
    ) -> Float64[np.ndarray, "g"]:
        """How one hit divides among colours, looking where the thing is."""
        views = self.views(hit)
        if not len(views):
            return np.full(len(groups), 1.0 / len(groups))
        return self.look.colours(views, subject, groups)

    def room_at(self, hits: Sequence[Recollection], scope: Scope, names: Any = ROOMS) -> list[tuple[str, float]]:
        """Rooms of the given sightings, by the whole views around each, weighted by the hits' probabilities."""
        total: dict[str, float] = {}
        weight = 0.0
        for hit in list(hits)[:_VOTERS]:
            near = self.moments(Scope(None, (hit.agent_id,), scope.as_of), (hit.stamp_s - _NEAR_S, hit.end_s + _NEAR_S))
            if not near:
                continue
            views = np.stack([np.asarray(record.embeddings, dtype=np.float32)[0] for record in near])
            for name, share in self.look.rooms(views, names):
                total[name] = total.get(name, 0.0) + hit.probability * share
            weight += hit.probability
        if weight <= 0.0:
            return []
        return sorted(((name, part / weight) for name, part in total.items()), key=lambda item: -item[1])

    def is_room(self, hit: Recollection, place: str, scope: Scope) -> bool:
        """Whether a sighting may lie in the room called `place`."""
        rooms = self.room_at([hit], scope)
        name = ROOM_NAMES.get(place, place)
        best = rooms[0][1] if rooms else 0.0
        return any(room == name and share >= 0.5 * best for room, share in rooms)

    def room_moments(self, name: str, scope: Scope) -> list[Recollection]:
        """Moments whose view is likelier that room than any other, smoothed over neighbours in time."""
        groups = self.look.known(ROOMS)
        index = next((i for i, group in enumerate(groups) if name in group or ROOM_NAMES.get(name) in group), None)
        if index is None:
            return []
        moments: list[Recollection] = []
        parts: list[np.ndarray] = []
        views = self.views_in(scope)
        while batch := list(islice(views, 256)):
            moments += [recollection_of(record, 1.0, f"looks like a {name}") for record, _ in batch]
            parts.append(self.look.room_shares(np.stack([v[0] for _, v in batch]).astype(np.float32), groups))
        if not moments:
            return []
        shares = np.concatenate(parts)
        smooth = shares.copy()
        if len(shares) > 2:
            smooth[1:-1] = (shares[:-2] + 2.0 * shares[1:-1] + shares[2:]) / 4.0
        inside = np.flatnonzero(smooth.argmax(axis=1) == index)
        return [replace(moments[i], probability=float(smooth[i, index])) for i in inside]

    def sightings(self, phrase: str, scope: Scope, place: str = "", k: int = 64) -> Finding:
        """Search for a thing, or for the moments inside a room if `phrase` is the name of one."""
        if ROOM_NAMES.get(phrase) and (moments := self.room_moments(phrase, scope)):
            kept = [hit for hit in moments if hit.probability >= self.threshold]
            best = max(hit.probability for hit in moments)
            return Finding(phrase, tuple(sorted(kept, key=lambda hit: -hit.probability)), (), best)
        return self.find(phrase, scope, place, k)

    def edge(self, finding: Finding, turn: str, scope: Scope, place: str = "") -> Recollection:
        """The first or last of all sightings; a search keeps the best ones, so the rest of the time is searched too."""
        sign = 1.0 if turn == "first" else -1.0
        edge = min(finding.hits, key=lambda hit: sign * hit.stamp_s)
        if ROOM_NAMES.get(finding.phrase):
            return edge
        for _ in range(6):
            rest = (-math.inf, edge.stamp_s - 1e-3) if turn == "first" else (edge.stamp_s + 1e-3, math.inf)
            further = self.find(finding.phrase, scope.within(*rest), place)
            # A faint match far from the others is rather a mistake than the first sighting.
            floor = max(self.threshold, 0.75 * finding.best)
            hits = [hit for hit in further.hits if hit.probability >= floor]
            if not hits:
                return edge
            edge = min(hits, key=lambda hit: sign * hit.stamp_s)
        return edge

    def narrow(self, question: Question, scope: Scope) -> tuple[Scope, Finding | None]:
        """Scope before or after the question's anchor; the finding is None if there is no relation."""
        if not question.relation:
            return scope, None
        anchor = self.sightings(question.anchor, scope)
        if not anchor.hits:
            return scope, anchor
        first = self.edge(anchor, "first", scope)
        if question.relation == "before":
            return scope.within(-math.inf, first.stamp_s - 1e-3), anchor
        return scope.within(first.end_s + 1e-3, math.inf), anchor

    def in_room(self, place: str, scope: Scope) -> Scope:
        """The scope cut to the longest stay in a room, or as it is if no room is named or none looks like it."""
        inside = self.room_moments(ROOM_NAMES.get(place, place), scope) if place else []
        if not inside:
            return scope
        stay = max(spans(inside, self.gap_s(inside)), key=lambda group: group[-1].end_s - group[0].stamp_s)
        return scope.within(stay[0].stamp_s, stay[-1].stamp_s)

    def step_s(self, scope: Scope) -> float:
        """Usual time between two moments, from a sample."""
        stamps = [record.stamp_s for record, _ in islice(self.views_in(scope), 512)]
        steps = [b - a for a, b in zip(stamps, stamps[1:], strict=False) if b > a]
        return statistics.median(steps) if steps else 0.0

    def around(self, question: Question, scope: Scope) -> list[Recollection]:
        """Moments at the time that the question names, or the latest ones if it names none."""
        near: list[Record] = []
        if question.at_s is not None:
            at = question.at_s
            for reach in (2.0, 6.0):  # a memory that keeps a moment every few seconds needs the wider one
                near = near or self.moments(scope, (at - reach, at + reach))
            near = sorted(near, key=lambda record: abs(min(max(at, record.stamp_s), record.end_s) - at))[:5]
        else:
            views = (record for record, _ in self.views_in(scope))
            if question.turn == "first":
                near = list(islice(views, 3))
            elif question.turn or scope.between is None:
                near = list(deque(views, maxlen=3))
            else:
                near = list(islice(views, 2000))
            near = near[:: max(1, len(near) // 12)]
        return [recollection_of(record, 1.0, "at the time asked for") for record in near]

    def things(self, hits: Sequence[Recollection], besides: str = "", k: int = 3) -> list[tuple[str, float]]:
        """Names of what the hits show; synonyms of the words in `besides` are left out."""
        views = [view for view in map(self.views, hits) if len(view)]
        if not views:
            return []
        words = {stem(word) for word in words_of(besides)}
        same = [name for group in THINGS for name in group if words & {stem(w) for n in group for w in n.split()}]
        return self.look.things(np.concatenate(views), same, k)

    def colour_votes(
        self, hits: Sequence[Recollection], subject: str, groups: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, float]]:
        """Colours of a thing, likeliest first: each hit votes with its probability."""
        known = self.look.known(groups)
        posed = [hit for hit in list(hits)[:_VOTERS] if len(self.views(hit))]
        if not known or not posed:
            return []
        weights = np.array([hit.probability for hit in posed])
        shares = np.stack([self.colour_shares(hit, subject, known) for hit in posed])
        votes = (weights[:, None] * shares).sum(axis=0) / max(float(weights.sum()), 1e-12)
        return sorted(((g[0], float(v)) for g, v in zip(known, votes, strict=True)), key=lambda item: -item[1])

    def at_once(self, hit: Recollection, subject: str) -> int:
        """How many instances one view shows at least: tiles that do not overlap and show the thing about as well."""
        from placecell.perception.tiles import tile_boxes

        views = self.views(hit)
        boxes = next((b for s in ((2,), (3,), (2, 3)) if len(b := tile_boxes(256, 256, s)) == len(views)), None)
        chances = self.look.chances(views, subject) if boxes is not None else None
        if boxes is None or chances is None:
            return 1
        taken: list[int] = []
        for i in np.argsort(-chances):
            if chances[i] < max(self.threshold, 0.9 * chances.max()):
                break
            is_apart = all(
                boxes[i][2] <= boxes[j][0]
                or boxes[j][2] <= boxes[i][0]
                or boxes[i][3] <= boxes[j][1]
                or boxes[j][3] <= boxes[i][1]
                for j in taken
            )
            if is_apart:
                taken.append(int(i))
        return max(1, len(taken))

    def distinct_looks(self, groups: Sequence[Sequence[Recollection]]) -> int:
        """How many of the sightings look different: the same are those whose views are more than half way to alike."""
        views = [[self.views(hit)[0] for hit in group[:6] if len(self.views(hit))] for group in groups[:64]]
        kept: list[np.ndarray] = []
        every = [view for group in views for view in group]
        if not every:
            return 1
        end = max(hit.end_s for group in groups for hit in group) + 60.0
        windows = [Scope((start, start + 2.0)) for start in np.linspace(0.0, end, 33)[:-1].tolist()]
        near = [next(self.views_in(window), None) for window in windows]
        sample = [np.asarray(pair[1][0], dtype=np.float32) for pair in near if pair is not None]
        background = float(np.mean(np.stack(sample) @ np.stack(every).T)) if sample else 0.0
        limit = (1.0 + background) / 2.0
        for group in views:
            if group and not any(float((np.stack(group) @ seen.T).max()) >= limit for seen in kept):
                kept.append(np.stack(group))
        return max(1, len(kept))

    @staticmethod
    def statement(finding: Finding, wants_place: bool = False) -> Recollection | None:
        """The latest sentence that says something about the phrase, not one that asks for it."""
        told = [hit for hit in finding.said if not _ASKS.search(hit.text.strip().lower())]
        if wants_place:
            told = [hit for hit in told if _PLACES.search(hit.text.lower())]
        return max(told, key=lambda hit: hit.stamp_s, default=None)

    @staticmethod
    def said_name(finding: Finding, groups: Sequence[tuple[str, ...]]) -> tuple[str, Recollection] | None:
        """A colour or room that the latest sentence about the phrase names."""
        for hit in sorted(finding.said, key=lambda hit: -hit.stamp_s):
            text = " ".join(stem(word) for word in words_of(hit.text))
            for group in groups:
                if any(f" {name} " in f" {text} " for name in group):
                    return group[0], hit
        return None

    @staticmethod
    def groups_for(choices: Sequence[str], groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Those groups that the choices name, all if fewer than two are named."""
        named = [group for group in groups if any(name in words_of(c) or name == c for c in choices for name in group)]
        named += [g for g in groups if g not in named and any(f" {n} " in f" {c} " for c in choices for n in g)]
        return named if len(named) > 1 else list(groups)


def refusal(question: Question, finding: Finding, value: Any = None) -> Answer:
    """No match for what was looked for."""
    answer = no_match(question.kind, finding.phrase, finding.best, finding.unknown, value)
    answer = replace(answer, notes=(*answer.notes, *finding.notes))
    if not finding.others:
        return answer
    note = f"of another colour or in another room at {clock(finding.others[0].stamp_s)}"
    return replace(answer, notes=(*answer.notes, note))


def notes_of(finding: Finding) -> tuple[str, ...]:
    """What the search could not take into account."""
    return (*((f"unknown words: {', '.join(finding.unknown)}",) if finding.unknown else ()), *finding.notes)
