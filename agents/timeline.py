"""Answers about time: when, before or after what, and for how long."""

from __future__ import annotations

import math

from placecell.agents.answer import Answer, clock, no_match
from placecell.agents.evidence import Scope, recollection_of, spans
from placecell.agents.questions import Question
from placecell.agents.search import Searcher, notes_of, refusal
from placecell.memory.records import Recollection

__all__ = ["how_long", "order", "when"]

_AFTER_S = 20.0  # how far "what did I see after" looks


def when(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Times of the sightings, the surest first, or the first or last of all."""
    if not question.subject:
        return no_match(question.kind, question.text, 0.0)
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    finding = search.sightings(question.subject, inner, question.place)
    if not finding.hits:
        return refusal(question, finding)
    sure = search.sure(finding.hits)
    groups = spans(finding.hits, search.gap_s(finding.hits))
    if question.turn:
        edge = search.edge(finding, question.turn, inner, question.place)
        others = [hit for hit in search.cite(finding.hits) if hit.record_id != edge.record_id]
        text = f"{clock(edge.stamp_s)} ({question.turn} sighting)"
        return Answer(text, question.kind, edge.stamp_s, edge.probability, (edge, *others[:4]), notes=notes_of(finding))
    groups.sort(key=lambda group: -max(hit.probability for hit in group))
    best = max(groups[0], key=lambda hit: hit.probability)
    text = f"at {clock(best.stamp_s)}"
    if groups[0][-1].end_s - groups[0][0].stamp_s >= 1.0:
        text += f" (in view from {clock(groups[0][0].stamp_s)} to {clock(groups[0][-1].end_s)})"
    if len(groups) > 1:
        again = sorted(group[0].stamp_s for group in groups[1:4])
        text += "; also at " + ", ".join(clock(stamp) for stamp in again)
    evidence = search.cite(finding.hits)
    return Answer(text, question.kind, best.stamp_s, sure, evidence, notes=notes_of(finding))


def order(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Which of two came first, whether one came before the other, or what came next."""
    if question.options:
        return _which_first(search, question, scope)
    anchor = search.sightings(question.anchor, scope)
    if not anchor.hits:
        return refusal(question, anchor)
    if not question.subject:
        return _next_things(search, question, scope)
    subject = search.sightings(question.subject, scope, question.place)
    if not subject.hits:
        return refusal(question, subject)
    mark = search.edge(anchor, "first", scope)
    first = search.edge(subject, "first", scope, question.place)
    if question.relation == "before":
        shown, is_so = first, first.stamp_s < mark.stamp_s
    else:
        last = search.edge(subject, "last", scope, question.place)
        shown = first if first.stamp_s > mark.stamp_s else last
        is_so = shown.stamp_s > mark.stamp_s
    text = (
        f"{'yes' if is_so else 'no'}: {question.subject} at {clock(shown.stamp_s)}, "
        f"{question.anchor} first at {clock(mark.stamp_s)}"
    )
    notes = ("both are in one moment",) if shown.stamp_s == mark.stamp_s else ()
    notes = (*notes, *notes_of(subject), *notes_of(anchor))
    return Answer(text, "order", is_so, shown.probability * mark.probability, (shown, mark), notes=notes)


def _which_first(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Which of the question's options was seen first (or last)."""
    findings = [search.sightings(option, scope) for option in question.options]
    found = [(f, search.edge(f, question.turn, scope)) for f in findings if f.hits]
    if not found:
        return refusal(question, max(findings, key=lambda finding: finding.best))
    notes = tuple(f"no match for {finding.phrase!r}" for finding in findings if not finding.hits)
    sign = 1.0 if question.turn == "first" else -1.0
    found.sort(key=lambda pair: sign * pair[1].stamp_s)
    text = f"{found[0][0].phrase} (" + ", ".join(f"{f.phrase} at {clock(hit.stamp_s)}" for f, hit in found) + ")"
    sure = math.prod(hit.probability for _, hit in found)
    return Answer(text, "order", found[0][0].phrase, sure, tuple(hit for _, hit in found), notes=notes)


def _next_things(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Things and words that follow the anchor's first sighting, or lead up to it, nearest in time first."""
    anchor = search.sightings(question.anchor, scope)
    first = search.edge(anchor, "first", scope)
    run = next(g for g in spans([first, *anchor.hits], search.gap_s(anchor.hits)) if first.stamp_s == g[0].stamp_s)
    is_after = question.relation == "after"
    start = run[-1].end_s if is_after else first.stamp_s
    window = (start + 1e-3, start + _AFTER_S) if is_after else (start - _AFTER_S, start - 1e-3)
    moments = search.records(scope.within(*window))
    if not is_after:
        moments = moments[::-1]
    in_view = {name for name, _ in search.things([first], question.anchor, 5)}
    found: dict[str, Recollection] = {}
    for record in moments:
        if record.kind == "text":
            found.setdefault(f'"{record.text}"', recollection_of(record, 1.0, f"{question.relation} it in time"))
            continue
        hit = recollection_of(record, first.probability, f"{question.relation} it in time")
        for name, chance in search.things([hit], question.anchor, 2):
            if name not in in_view and name not in found:
                found[name] = recollection_of(record, chance, f"looks like a {name}")
        if len(found) >= 4:
            break
    side = f"{question.relation} {question.anchor} ({clock(first.stamp_s)})"
    if not found:
        if not moments:
            return no_match("order", f"anything {question.relation} {question.anchor}", 0.0)
        hits = [recollection_of(record, first.probability, f"{question.relation} it in time") for record in moments[:4]]
        notes = ("no name that the encoder knows stands out in these views: see the evidence",)
        text = f"{side}: see the views from {clock(hits[0].stamp_s)}"
        return Answer(text, "order", [], 0.5 * first.probability, (*hits, first), notes=notes)
    text = f"{side}: " + ", ".join(f"{name} at {clock(hit.stamp_s)}" for name, hit in found.items())
    hits = list(found.values())
    sure = first.probability * max(hit.probability for hit in hits)
    return Answer(text, "order", list(found), sure, (*hits[:4], first), notes=notes_of(anchor))


def how_long(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Time in view, or inside a room, or of the whole memory."""
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    if not question.subject:
        ends = search.extent_s(inner)
        if ends is None:
            return no_match("how_long", question.text, 0.0)
        total = ends[1].end_s - ends[0].stamp_s
        return Answer(f"{_length(total)}, the whole of what is remembered", "how_long", total, 1.0, ends)
    finding = search.sightings(question.subject, inner, question.place, k=512)
    hits = finding.seen
    if not hits:
        return refusal(question, finding)
    step = search.step_s(inner)
    runs = [(group[0].stamp_s, group[-1].end_s) for group in spans(hits, max(2.5 * step, 1.0))]
    # A moment without a length of its own stands for the time until the next one.
    own = step if all(hit.end_s <= hit.stamp_s for hit in hits) else 0.0
    total = sum(end - start + own for start, end in runs)
    text = f"about {_length(total)}: " + ", ".join(f"{clock(start)}-{clock(end + own)}" for start, end in runs[:4])
    if len(runs) > 4:
        text += f" and {len(runs) - 4} more times"
    sure = search.sure(hits)
    return Answer(text, "how_long", total, sure, search.cite(hits), notes=notes_of(finding))


def _length(seconds: float) -> str:
    """A duration in words."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60:02d} min"
