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
    is_found = any(score > 0 for i, score in enumerate(scores) if i not in nones)
    if nones:
        for i in nones:
            scores[i] = 0.0 if is_found else 1.0
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
    if answer.is_refusal:
        return None
    if kind == "how_many":
        numbers = [number_in(choice) for choice in choices]
        if all(number is not None for number in numbers):
            return [math.exp(-abs(float(n or 0) - float(answer.value))) for n in numbers]
    if kind in ("when", "first", "last"):
        times = [times_in(choice) for choice in choices]
        if any(time is not None for time in times):
            return [0.0 if t is None else math.exp(-_gap(float(answer.value), t) / _FADE_S) for t in times]
    if kind == "how_long":
        times = [times_in(choice) for choice in choices]
        if any(time is not None for time in times):
            scale = max(float(answer.value), 1.0)
            return [0.0 if t is None else math.exp(-4.0 * _gap(float(answer.value), t) / scale) for t in times]
    if kind in ("colour", "room"):
        names = COLOUR_NAMES if kind == "colour" else ROOM_NAMES
        named = [_name_in(choice, names) for choice in choices]
        if any(name is not None for name in named):
            hits = [hit for hit in answer.evidence if len(search.views(hit))]
            if kind == "colour":
                votes = dict(search.colour_votes(hits, question.subject, search.groups_for(choices, COLOURS)))
            else:
                votes = dict(search.room_at(hits, scope, search.groups_for(choices, ROOMS)))
            votes = votes or {str(answer.value): 1.0}
            return [votes.get(name, 0.0) if name else 0.0 for name in named]
    if kind == "order" and isinstance(answer.value, str):
        scores = [covers(answer.value, choice) for choice in choices]
        return scores if any(scores) else None
    return None


def _name_in(choice: str, names: dict[str, str]) -> str | None:
    """Canonical name of the longest colour or room that a choice holds."""
    held = [name for name in names if f" {name} " in f" {' '.join(words_of(choice))} "]
    return names[max(held, key=len)] if held else None


def _gap(value: float, span: tuple[float, float]) -> float:
    """Distance of a number from an interval."""
    return max(span[0] - value, value - span[1], 0.0)


def _by_search(search: Searcher, question: Question, answer: Answer, scope: Scope) -> tuple[list[float], tuple, float]:  # type: ignore[type-arg]
    """Scores from a search for each choice, together with the subject where there is one."""
    inner, anchor = search.narrow(question, scope)
    start = None
    if anchor is not None and anchor.hits:
        start = search.edge(anchor, "first", scope).stamp_s
    if question.at_s is not None:
        inner = inner.within(question.at_s - 5.0, question.at_s + 5.0)
    scores: list[float] = []
    hits = []
    said = [hit for hit in answer.evidence if hit.text]
    for choice in question.choices:
        if is_none(choice):
            scores.append(0.0)
            hits.append(None)
            continue
        bare = parse_question(choice).subject or choice
        phrase = bare if not question.subject or covers(question.subject, bare) == 1.0 else f"{question.subject} {bare}"
        found = [search.sightings(phrase, inner, question.place)]
        if question.subject and not answer.is_refusal and not found[0].hits and question.kind == "what":
            around = [(hit.stamp_s - 3.0, hit.end_s + 3.0) for hit in answer.evidence[:3]]
            found += [search.sightings(bare, inner.within(*window)) for window in around]
        elif not question.subject:
            pass
        found = [finding for finding in found if finding.hits]
        score, top = 0.0, None
        for finding in found:
            for hit in finding.hits[:8]:
                fade = 1.0 if start is None else math.exp(-abs(hit.stamp_s - start) / (2.0 * _FADE_S))
                if hit.probability * fade > score:
                    score, top = hit.probability * fade, hit
        told = max((covers(bare, hit.text) * hit.probability for hit in said), default=0.0)
        if told == max(told, score) and told > 0:
            score, top = told, max(said, key=lambda hit: covers(bare, hit.text))
        scores.append(score)
        hits.append(top)
    order = sorted((i for i, hit in enumerate(hits) if hit is not None), key=lambda i: -scores[i])
    evidence = tuple({hits[i].record_id: hits[i] for i in order[:1]}.values())  # type: ignore[union-attr]
    rest = tuple(hit for hit in answer.evidence if hit.record_id not in {e.record_id for e in evidence})
    return scores, (*evidence, *rest)[:5], max((hits[i].probability for i in order[:1]), default=0.0)  # type: ignore[union-attr]
