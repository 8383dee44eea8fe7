"""Answers about what was seen: where it is, how many, of which colour, in which room, whether it is there at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from placecell.agents.answer import Answer, clock, no_match
from placecell.agents.choices import is_none
from placecell.agents.evidence import Finding, Scope, distinct_instances, located_m, recollection_of, spans
from placecell.agents.questions import Question
from placecell.agents.search import ROOM_NAMES, Searcher, notes_of, refusal
from placecell.agents.vocabulary import COLOURS, ROOMS
from placecell.memory.records import Recollection

__all__ = ["colour", "describe", "how_many", "is_there", "room", "what", "where"]

_VOTERS = 8  # hits that vote on a colour


def where(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Room, neighbours and position of the latest sure sighting, or the sentence that says where it is."""
    if not question.subject:
        hits = search.around(question, scope)
        return describe(search, question, hits, scope) if hits else no_match(question.kind, question.text, 0.0)
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    finding = search.sightings(question.subject, inner, question.place)
    if not finding.hits:
        return refusal(question, finding)
    spoken = search.statement(finding, wants_place=True)
    seen = finding.seen
    if question.turn and seen:
        edge = search.edge(finding, question.turn, inner, question.place)
        seen = tuple(hit for hit in seen if abs(hit.stamp_s - edge.stamp_s) <= 3.0) or (edge,)
    else:  # things move: of the sightings that are about as sure, the latest counts
        sure = [hit for hit in seen if hit.probability >= 0.9 * finding.best]
        if sure:
            last = max(sure, key=lambda hit: hit.stamp_s)
            seen = tuple(hit for hit in seen if abs(hit.stamp_s - last.stamp_s) <= 6.0)
    value: dict[str, Any] = {"room": None, "position_m": None, "seen_from_m": None, "near": [], "time_s": None}
    parts: list[str] = []
    if seen:
        best = seen[0]
        rooms = search.room_at(seen, inner)
        near = [name for name, _ in search.things(seen[:3], question.subject)]
        point = located_m(seen, search.memory)
        value |= {"time_s": best.stamp_s, "near": near, "room": rooms[0][0] if rooms else None}
        value |= {"position_m": None if point is None else [round(x, 2) for x in point]}
        value |= {"seen_from_m": None if best.position_m is None else [round(x, 2) for x in best.position_m]}
        if value["room"]:
            parts.append(f"in the {value['room']}")
        if near:
            parts.append("near the " + ", ".join(near))
        if value["position_m"]:
            parts.append("about at ({:.1f}, {:.1f}, {:.1f}) m".format(*value["position_m"]))
        if value["seen_from_m"]:
            parts.append("seen from ({:.1f}, {:.1f}, {:.1f}) m".format(*value["seen_from_m"]))
        parts.append(f"at {clock(best.stamp_s)}")
    if spoken is None and not seen:  # only spoken of, in words that name no place
        spoken = finding.hits[0]
    shown = (*([spoken] if spoken else []), *seen)
    if spoken is not None:
        value |= {"sentence": spoken.text, "time_s": spoken.stamp_s if value["time_s"] is None else value["time_s"]}
        parts.insert(0, f'"{spoken.text}" ({clock(spoken.stamp_s)})' + ("; seen" if parts else ""))
    evidence = tuple({hit.record_id: hit for hit in (*shown[:1], *search.cite(shown))}.values())[:5]
    return Answer(
        " ".join(parts).replace(" about at", ", about at").replace(" seen from", ", seen from"),
        question.kind,
        value,
        max(search.sure(seen), spoken.probability if spoken else 0.0),
        evidence,
        notes=notes_of(finding),
    )


def how_many(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Instances told apart by their lines of sight, or by their looks where no pose is known."""
    is_times = question.subject.startswith("times ")
    subject = question.subject.removeprefix("times ")
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    finding = search.find(subject, inner, question.place, k=256)
    if not finding.hits:
        return refusal(question, finding, 0)
    floor = max(search.threshold, 0.6 * finding.best)
    seen = [hit for hit in finding.seen if hit.probability >= floor] or list(finding.hits)
    groups = spans(seen, search.gap_s(seen))
    at_once = 1 if is_times else max(search.at_once(hit, subject) for hit in seen[:32])
    posed = [hit for hit in seen if hit.position_m is not None]
    if is_times:
        count, text = len(groups), f"{len(groups)} separate sightings"
        notes: tuple[str, ...] = ()
    elif posed:
        instances = distinct_instances(posed, search.memory)
        count = max(len(instances), at_once)
        text = f"at least {count}"
        notes = ("a lower bound: sightings whose lines of sight can meet are counted as one thing",)
    else:
        looks = search.distinct_looks(groups)
        count = max(looks, at_once)
        text = f"at least {count}" if count == at_once else f"about {count}"
        notes = (
            f"a lower bound of {at_once}, the most in view at once; without poses, {looks} of {len(groups)} sightings "
            "that look different are counted, and one thing seen from two sides may count twice",
        )
    evidence = search.cite(seen)
    return Answer(text, question.kind, count, search.sure(seen), evidence, notes=(*notes, *notes_of(finding)))


def colour(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Vote of the best sightings, each looking where the thing is."""
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    finding = search.find(question.subject, inner, question.place)
    if not finding.hits:
        return refusal(question, finding)
    hits = list(finding.seen)
    if question.turn and hits:
        edge = search.edge(finding, question.turn, inner, question.place)
        hits = [hit for hit in hits if abs(hit.stamp_s - edge.stamp_s) <= 3.0] or [edge]
    names = search.groups_for(_named(question), COLOURS)
    votes = search.colour_votes(hits[:_VOTERS], question.subject, names)
    said = search.said_name(finding, COLOURS)
    if said is not None and (not votes or votes[0][1] < 0.5):
        name, spoken = said
        return Answer(name, "colour", name, spoken.probability, (spoken,), notes=notes_of(finding))
    if not votes:
        return refusal(question, finding)
    (name, share), *rest = votes
    notes = notes_of(finding)
    if rest and rest[0][1] >= 0.5 * share:
        notes = (f"the sightings are divided: {name} {share:.2f}, {rest[0][0]} {rest[0][1]:.2f}", *notes)
    return Answer(name, "colour", name, share * search.sure(hits), search.cite(hits), notes=notes)


def room(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Vote of the whole views around the best sightings, or around the moment that the question names."""
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    names = search.groups_for(_named(question), ROOMS)
    if not question.subject:
        if anchor is not None:
            return _next_room(search, question, inner, names)
        hits = search.around(question, inner)
        finding = Finding(question.text, tuple(hits))
    else:
        finding = search.sightings(question.subject, inner)
        hits = list(finding.seen)
    if question.turn and hits:
        edge = search.edge(finding, question.turn, inner)
        hits = [hit for hit in hits if abs(hit.stamp_s - edge.stamp_s) <= 3.0] or [edge]
    if not finding.hits:
        return refusal(question, finding)
    rooms = search.room_at(hits, inner, names) if hits else []
    said = search.said_name(finding, names)
    if said is not None and not rooms:
        return Answer(said[0], "room", said[0], said[1].probability, (said[1],))
    if not rooms:
        return refusal(question, finding)
    (name, share), *rest = rooms
    notes = (f"perhaps the {rest[0][0]} ({rest[0][1]:.2f})",) if rest and rest[0][1] >= 0.5 * share else ()
    sure = search.sure(hits) if question.subject else 1.0
    evidence = search.cite(hits)
    return Answer(f"the {name}", "room", name, share * sure, evidence, notes=(*notes, *notes_of(finding)))


def _named(question: Question) -> tuple[str, ...]:
    """Names to choose among; none if "none of these" may be right, so that all are compared."""
    names = question.choices or question.options
    return () if any(map(is_none, names)) else names


def _next_room(search: Searcher, question: Question, scope: Scope, names: Sequence[tuple[str, ...]]) -> Answer:
    """The first other room after, or the last before, the anchor."""
    reach = 600.0 if question.relation == "after" else -600.0
    edge = scope.between[0 if question.relation == "after" else 1] if scope.between else 0.0
    moments = search.moments(scope.within(*sorted((edge, edge + reach))))
    if question.relation == "before":
        moments = moments[::-1]
    avoid = ROOM_NAMES.get(question.anchor)
    run: list[Recollection] = []
    last = ""
    for record in moments:
        rooms = search.room_at([recollection_of(record, 1.0, "next in time")], scope, names)
        if not rooms or rooms[0][0] == avoid:
            last, run = "", []
            continue
        if rooms[0][0] != last:
            last, run = rooms[0][0], []
        run.append(recollection_of(record, rooms[0][1], f"looks like a {last}"))
        if len(run) >= 2:  # one moment may be misread, two in a row are a room
            return Answer(f"the {last}", "room", last, search.sure(run), tuple(run))
    return no_match("room", f"a room {question.relation} {question.anchor}", 0.0)


def is_there(search: Searcher, question: Question, scope: Scope) -> Answer:
    """Yes with evidence, or a refusal whose value is False: what was not seen may still be there."""
    if not question.subject:
        return no_match(question.kind, question.text, 0.0)
    finding = search.sightings(question.subject, scope, question.place)
    sure = search.sure(finding.hits)
    if not finding.hits or sure < search.threshold:
        return refusal(question, finding, False)
    best = finding.hits[0]
    how = "mentioned" if best in finding.said else "seen"
    groups = spans(finding.hits, search.gap_s(finding.hits))
    times = f" and {len(groups) - 1} more time{'s' if len(groups) > 2 else ''}" if len(groups) > 1 else ""
    text = f"yes, {how} at {clock(best.stamp_s)}{times}"
    return Answer(text, question.kind, True, sure, search.cite(finding.hits), notes=notes_of(finding))


def what(search: Searcher, question: Question, scope: Scope) -> Answer:
    """An open question: the sentence that speaks of it, or what is seen beside it."""
    inner, anchor = search.narrow(question, scope)
    if anchor is not None and not anchor.hits:
        return refusal(question, anchor)
    if not question.subject:
        hits = search.around(question, search.in_room(question.place, inner))
        return describe(search, question, hits, scope) if hits else no_match(question.kind, question.text, 0.0)
    if question.at_s is not None:
        inner = inner.within(question.at_s - 5.0, question.at_s + 5.0)
    finding = search.sightings(question.subject, inner, question.place)
    spoken = search.statement(finding)
    if spoken is None and not finding.hits:
        finding = search.find(question.text, inner, question.place)
        spoken = search.statement(finding) or next((hit for hit in finding.hits if hit.text), None)
        if spoken is None:
            return refusal(question, search.find(question.subject, inner, question.place))
    if spoken is not None:
        others = tuple(hit for hit in search.cite(finding.hits) if hit.record_id != spoken.record_id)
        return Answer(spoken.text, "what", spoken.text, spoken.probability, (spoken, *others[:4]))
    shown = finding.seen or finding.hits
    return describe(search, question, shown[:6], inner, question.subject, notes_of(finding))


def describe(
    search: Searcher,
    question: Question,
    hits: Sequence[Recollection],
    scope: Scope,
    besides: str = "",
    notes: tuple[str, ...] = (),
) -> Answer:
    """Room, things and words of the moments given; `besides` is what the question has named already."""
    rooms = search.room_at(hits, scope)
    things = search.things(hits, besides, 5)
    texts = list(dict.fromkeys(hit.text for hit in hits if hit.text))
    best = min(hits, key=lambda hit: (-hit.probability, hit.stamp_s))
    names = [name for name, _ in things]
    parts = [", ".join(names)] if names else []
    if rooms:
        parts.append(f"in the {rooms[0][0]}")
    parts += [f'"{text}"' for text in texts[:3]]
    time_s = best.stamp_s if question.at_s is None else question.at_s
    parts.append(f"at {clock(time_s)}")
    value = {"things": names, "room": rooms[0][0] if rooms else None, "texts": texts, "time_s": time_s}
    sure = max((chance for _, chance in things), default=rooms[0][1] if rooms else best.probability)
    if not names and not texts:
        notes = ("no name that the encoder knows stands out in these views: see the evidence", *notes)
    evidence = search.cite(hits)
    return Answer(" ".join(parts), question.kind, value, sure * search.sure(hits), evidence, notes=notes)
