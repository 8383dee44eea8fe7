"""The page of the demonstration, put together from what was done, what is in the memories, and what they answered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from placecell.agents.answer import Answer
from placecell.clock import format_time
from placecell.demo_life import Exploration, Find, Return
from placecell.demo_map import Map, map_of, plain_map_of
from placecell.demo_questions import Inquiry
from placecell.memory.memory import Memory
from placecell.memory.object_states import Sighting
from placecell.memory.places import Places
from placecell.report_parts import Branch, Card, Event, Evidence, GoalCard, Growth, MovedCard, Question, Report, Shot

__all__ = ["Asked", "Explored", "compose", "explored"]

PARTS: Final = (0.06, 0.3, 0.6)  # of the exploration, at which the map is shown as it was
Asked = tuple[Inquiry, Sequence[tuple[str, Answer, float]]]  # a question, and per memory the answer and milliseconds


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """What the memory held when the exploration ended: later walks change it."""

    drawn: Map
    growth: Sequence[Growth]
    shots: Sequence[Shot]
    branches: Sequence[Branch]
    levels: Sequence[Sequence[tuple[float, float, int]]]
    events: Sequence[Event]
    num_things: int
    num_rooms: int
    num_doors: int


def explored(memory: Memory, walk: Exploration) -> Explored:
    """Draw what a memory holds now: the map, how it came about, snapshots, the tree over space and that over time."""
    things = {thing.object_id: thing for thing in memory.objects.objects() if thing.state != "gone"}
    forest, drawn = memory.forest, map_of(memory)
    shots = []
    for number, snapshot in enumerate(memory.snapshots.snapshots(), start=1):
        picture = memory.picture(snapshot.record_id)
        shown = [things[key] for key in snapshot.object_ids if key in things]
        if picture is not None:
            boxes = [each.box for thing in shown for each in thing.sightings if each.record_id == snapshot.record_id]
            shots.append(Shot(number, picture, [thing.name for thing in shown], boxes))
    branches = []
    for cell in forest.space.rooms():
        part, names = forest.space.part(cell), Counter[str]()
        stack = [cell]
        while stack:
            below = stack.pop()
            stack += below.ordered()
            names.update(things[key].name or "something" for key in below.leaves if key in things)
        size = [b - a for a, b in zip(part.low_m, part.high_m, strict=True)]
        name = part.region[-1] if part.region else "between rooms"
        if not names:
            continue  # views only: nothing was found there
        line = f"{names.total()} things on {size[0]:.1f} x {size[2]:.1f} m"
        branches.append(Branch(name, line, sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))))
    branches.sort(key=lambda branch: (branch.name == "between rooms", branch.name))
    levels = [
        [(node.start_s, node.end_s, node.count) for node in forest.level(level)] for level in range(forest.depth, 1, -1)
    ]
    return Explored(
        drawn, _growth(memory, walk), shots, branches, levels, events_of(memory, walk.end_s),
        len(things), len(drawn.rooms), len(drawn.doors),
    )  # fmt: skip


def _growth(memory: Memory, walk: Exploration) -> list[Growth]:
    """The map as it was earlier, folded anew from the first records."""
    places, grown = Places(), []
    records = [record for record in memory.records() if record.kind == "moment"]
    before = 0
    for part in PARTS:
        upto = max(1, int(part * len(records)))
        for record in records[before:upto]:
            places.fold(record)
        before = upto
        if places.floors:
            stamp_s = records[upto - 1].stamp_s
            drawn = plain_map_of(places, memory.objects.objects(as_of=stamp_s))
            grown.append(Growth(stamp_s, drawn, walk.way[:upto]))
    return grown


def compose(
    *,
    seed: int,
    num_rooms: int,
    walk: Exploration,
    known: Explored,
    memories: Mapping[str, Memory],
    filmed: Memory,
    asked: Sequence[Asked],
    finds: Sequence[Find],
    back: Return | None,
    back_asked: Asked | None,
    figures: Mapping[str, float],
    notice: str | None,
) -> Report:
    """The report of one demonstration; see `placecell.demo.run_demo`."""
    live = memories["live"]
    return Report(
        title="Placecell: an agent gets to know a house",
        lead=f"An agent was put into a house of {num_rooms} rooms (seed {seed}) that it had never seen. It explored it "
        f"by itself in {walk.num_steps} actions, was asked eight questions, two of which have no answer, and looked "
        "for three things. Then it went away, one thing was moved, and it came back. The same questions were "
        "put to a second memory, made from nothing but the MP4 of the exploration.",
        drawn=known.drawn,
        way=walk.way,
        duration_s=walk.end_s,
        growth=known.growth,
        goals=[_goal(live, find) for find in finds],
        moved=None if back is None else _moved(live, back, back_asked),
        shots=known.shots,
        branches=known.branches,
        levels=known.levels,
        events=[("live", known.events), ("from the video", events_of(filmed, walk.end_s))],
        questions=[_question(each, memories) for each in asked],
        figures=[
            (f"of the floor seen, {walk.num_steps} actions", f"{100 * walk.seen_share:.0f} %"),
            (f"things on its map, in {known.num_rooms} rooms", f"{known.num_things}"),
            ("per step: find things, write", f"{figures['observe_ms']:.0f} ms"),
            ("per answer (median)", f"{figures['answer_ms']:.0f} ms"),
            ("real time: ingest of the MP4", f"{figures['times_real_time']:.0f} x"),
            ("live memory, both walks", f"{figures['live_bytes'] / 1e6:.1f} MB"),
        ],
        notes=[
            "The simulator's ground truth drew the questions, the goals and the thing that was moved, and judged; the "
            "agent and its memories never saw it. Its pose is exact, as with Habitat's GPS and compass.",
            f"The map is the agent's own: the simulator's is shown nowhere. It stopped because: {walk.reason}.",
            "A yellow frame shows the thing, or the tile of the view, that matched.",
            *([notice] if notice else []),
        ],
    )


def _goal(memory: Memory, find: Find) -> GoalCard:
    return GoalCard(
        {"image": "picture"}.get(find.goal.kind, find.goal.kind),
        find.goal.text,
        find.goal.image,
        find.is_right,
        [
            ("its way", f"{find.path_m:.1f} m"),
            ("shortest way", f"{find.shortest_m:.1f} m"),
            ("SPL", f"{find.spl:.2f}"),
            ("off in the end", f"{find.left_m:.1f} m"),
        ],
        find.truth,
        f"{find.num_steps} actions; its last word: {find.reason}",
        _stop(memory, find),
        find.way,
        find.shortest,
    )


def _stop(memory: Memory, find: Find) -> Evidence:
    """What it stopped at: where that lies outside the last picture (at its feet, often), as it saw it best."""
    seen = _picture(memory, find.seen)
    if seen is None:
        return Evidence(find.picture, "where it stopped", find.end_s)
    if seen.stamp_s == find.end_s:
        return replace(seen, caption="where it stopped")
    return replace(seen, caption=f"the {find.thing} that it stopped at, seen {find.end_s - seen.stamp_s:.0f} s before")


def _moved(memory: Memory, back: Return, asked: Asked | None) -> MovedCard:
    before, after = back.change.before, back.change.after
    assert before is not None and after is not None
    far = math.dist(before.centre_m, after.centre_m)
    arrow = [] if back.noticed is None else [back.noticed.before_m, back.noticed.after_m]
    return MovedCard(
        back.noticed is not None,
        f"the {before.colour} {before.category}, {far:.1f} m, from the {before.room_type} to the {after.room_type}",
        back.words[:1].upper() + back.words[1:] if back.words else "It noticed nothing of it.",
        back.others,
        _picture(memory, back.before),
        _picture(memory, back.after),
        [(point[0], point[2]) for point in arrow if point is not None],
        back.way,
        None if asked is None else _question(asked, {"live": memory}),
    )


def _picture(memory: Memory, sighting: Sighting | None) -> Evidence | None:
    picture = None if sighting is None else memory.picture(sighting.record_id)
    if sighting is None or picture is None:
        return None
    caption = f"{format_time(sighting.stamp_s)[:-4]}, record {sighting.record_id}"
    return Evidence(picture, caption, sighting.stamp_s, box=sighting.box)


def _question(asked: Asked, memories: Mapping[str, Memory]) -> Question:
    question, answers = asked
    return Question(
        question.text,
        question.truth,
        tuple(
            Card(
                name,
                answer.text,
                question.is_right(answer),
                answer.probability,
                latency_ms,
                _evidence(memories[name], answer),
            )
            for name, answer, latency_ms in answers
        ),
        question.spans,
    )


def _evidence(memory: Memory, answer: Answer) -> tuple[Evidence, ...]:
    shown = []
    for hit in answer.evidence[: 0 if answer.is_refusal else 1]:
        picture = memory.picture(hit.record_id)
        if picture is not None:
            caption = f"{format_time(hit.stamp_s)[3:-2]}, record {hit.record_id}, p {hit.probability:.2f}"
            shown.append(Evidence(picture, caption, hit.stamp_s, hit.position_m, hit.box))
    return tuple(shown)


def events_of(memory: Memory, end_s: float) -> list[Event]:
    """The events of the stream up to now, with their first pictures."""
    starts = [record for record in memory.records() if record.kind == "moment"]
    heads = [record for i, record in enumerate(starts) if i == 0 or record.is_event_start]
    ends = [record.stamp_s for record in heads[1:]] + [end_s]
    return [
        Event(record.stamp_s, end_s, memory.picture(record.record_id))
        for record, end_s in zip(heads, ends, strict=True)
    ]
