"""Score the choices of a multiple-choice question by the evidence for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from placecell.agents.answer import Answer
from placecell.agents.choices import is_none, number_in, pick, times_in, yes_no
from placecell.agents.evidence import Scope, covers
from placecell.agents.questions import Question, parse_question
from placecell.agents.search import COLOUR_NAMES, ROOM_NAMES, Searcher
from placecell.agents.vocabulary import COLOURS, ROOMS, words_of
from placecell.memory.records import Recollection

__all__ = ["choose"]

_FADE_S = 10.0  # how fast "after" and "when" lose to distance in time


def choose(search: Searcher, question: Question, options: Sequence[str], answer: Answer, scope: Scope) -> Answer:
    """The answer with the best choice: what fits the open answer, else what fits the evidence.

    Args:
        search: Where to look.
        question: The question; its `choices` are cleaned.
        options: The choices as they were given.
        answer: The open answer.
        scope: Which records may be looked at.
    """
    cleaned = question.choices
    nones = [i for i, choice in enumerate(cleaned) if is_none(choice) and yes_no(choice) is None]
    scores = _by_answer(search, question, answer, scope)
    evidence = answer.evidence
    best_hit = 0.0
    if scores is None:
        scores, evidence, best_hit = _by_search(search, question, answer, scope)
        if not question.subject and not question.anchor:  # the choices name what is asked about
            answer = replace(answer, probability=best_hit, notes=())
    is_found = any(score > 0 for i, score in enumerate(scores) if i not in nones)
    for i in nones:
        scores[i] = scores[i] if is_found else 1.0
    index, shares = pick(scores)
    if index is None:
        return replace(answer, choice_scores=shares)
    if index in nones:
        text = options[index] if not answer.is_refusal else f"{options[index]} ({answer.text})"
        return replace(answer, text=text, choice_index=index, choice_scores=shares)
    is_yes_no = yes_no(cleaned[index]) is not None
    if answer.is_refusal and is_yes_no:
        return replace(answer, choice_index=index, choice_scores=shares)
    return replace(
        answer,
        text=options[index],
        probability=shares[index] * max(answer.probability if not answer.is_refusal else 0.0, best_hit),
        evidence=evidence,
        is_refusal=False,
        choice_index=index,
        choice_scores=shares,
        notes=(*answer.notes, f"open answer: {answer.text}") if answer.text != options[index] else answer.notes,
    )


def _by_answer(search: Searcher, question: Question, answer: Answer, scope: Scope) -> list[float] | None:
    """Scores from the open answer's value, None where choices and value cannot be compared."""
    choices = question.choices
    kind = question.kind
    said = [yes_no(choice) for choice in choices]
    if (
        any(s is not None for s in said)
        and all(s is not None or is_none(c) for s, c in zip(said, choices, strict=True))
        and isinstance(answer.value, bool)
    ):
        sure = answer.probability if not answer.is_refusal else 1.0 - answer.probability
        return [0.0 if s is None else sure if s == answer.value else 1.0 - sure for s in said]
    numbers = [number_in(choice) for choice in choices] if kind == "how_many" else []
    if answer.is_refusal:
        return [float(number == 0) for number in numbers] if 0 in numbers else None
    if kind == "how_many" and all(number is not None for number in numbers):
        # The count is a lower bound, so a choice above it is less wrong than one below.
        off = [float(n or 0) - float(answer.value) for n in numbers]
        return [math.exp(-difference if difference >= 0 else 2.0 * difference) for difference in off]
    if kind in ("when", "first", "last"):
        times = [times_in(choice) for choice in choices]
        if any(time is not None for time in times):
            return [0.0 if t is None else math.exp(-_gap(float(answer.value), t) / _FADE_S) for t in times]
    if kind == "how_long":
        times = [times_in(choice) for choice in choices]
        if any(time is not None for time in times):
            scale = max(float(answer.value), 1.0)
            return [0.0 if t is None else math.exp(-4.0 * _gap(float(answer.value), t) / scale) for t in times]
    if kind in ("colour", "room", "where"):
        names = COLOUR_NAMES if kind == "colour" else ROOM_NAMES
        named = [_name_in(choice, names) for choice in choices]
        if sum(name is not None for name in named) > (kind == "where"):
            votes = _votes(search, question, answer, scope, has_none=any(map(is_none, choices)))
            if votes:
                rest = max((vote for name, vote in votes.items() if name not in named), default=0.0)
                return [rest if is_none(c) else votes.get(n or "", 0.0) for c, n in zip(choices, named, strict=True)]
    if kind == "order" and isinstance(answer.value, str):
        scores = [covers(answer.value, choice) for choice in choices]
        return scores if any(scores) else None
    return None


def _votes(search: Searcher, question: Question, answer: Answer, scope: Scope, has_none: bool) -> dict[str, float]:
    """How the evidence divides among colours or rooms: those of the choices, or all if none of them may be right."""
    choices = () if has_none else question.choices
    hits = [hit for hit in answer.evidence if len(search.views(hit))]
    if question.kind == "colour":
        votes = dict(search.colour_votes(hits, question.subject, search.groups_for(choices, COLOURS)))
    else:
        votes = dict(search.room_at(hits, scope, search.groups_for(choices, ROOMS)))
    return votes or ({} if question.kind == "where" else {str(answer.value): 1.0})


def _name_in(choice: str, names: dict[str, str]) -> str | None:
    """Canonical name of the longest colour or room that a choice holds."""
    held = [name for name in names if f" {name} " in f" {' '.join(words_of(choice))} "]
    return names[max(held, key=len)] if held else None


def _gap(value: float, span: tuple[float, float]) -> float:
    """Distance of a number from an interval."""
    return max(span[0] - value, value - span[1], 0.0)


def _by_search(
    search: Searcher, question: Question, answer: Answer, scope: Scope
) -> tuple[list[float], tuple[Recollection, ...], float]:
    """Scores from a search for each choice, together with the subject where there is one; evidence; its best chance."""
    inner, anchor = search.narrow(question, scope)
    start = None
    if anchor is not None and anchor.hits:
        start = search.edge(anchor, "first", scope).stamp_s
    if question.at_s is not None:
        inner = inner.within(question.at_s - 5.0, question.at_s + 5.0)
    said = [hit for hit in answer.evidence if hit.text]
    scores: list[float] = []
    tops: list[Recollection | None] = []
    for choice in question.choices:
        score, top = 0.0, None
        if not is_none(choice):
            bare = parse_question(choice).subject or choice
            for hit in _candidates(search, question, answer, inner, bare):
                fade = 1.0 if start is None else math.exp(-abs(hit.stamp_s - start) / (2.0 * _FADE_S))
                if hit.probability * fade > score:
                    score, top = hit.probability * fade, hit
            for hit in said:
                told = covers(bare, hit.text) * hit.probability
                if told > score:
                    score, top = told, hit
        scores.append(score)
        tops.append(top)
    best = tops[max(range(len(tops)), key=lambda i: scores[i])]
    if best is None:
        return scores, answer.evidence, 0.0
    rest = tuple(hit for hit in answer.evidence if hit.record_id != best.record_id)
    return scores, (best, *rest)[:5], best.probability


def _candidates(search: Searcher, question: Question, answer: Answer, scope: Scope, bare: str) -> list[Recollection]:
    """Sightings of a choice: with the question's thing in one phrase, else on its own beside that thing."""
    is_named = not question.subject or covers(question.subject, bare) == 1.0
    phrase = bare if is_named else f"{question.subject} {bare}"
    hits = list(search.sightings(phrase, scope, question.place).hits[:8])
    if not hits and not is_named and not answer.is_refusal:
        for near in answer.evidence[:3]:
            hits += search.sightings(bare, scope.within(near.stamp_s - 3.0, near.end_s + 3.0)).hits[:8]
    return hits
