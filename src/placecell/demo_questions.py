"""The questions of the demonstration: drawn from what was truly in view, judged by it, and never told to a memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from placecell.agents.answer import Answer
from placecell.clock import format_time
from placecell.envs.house import CATEGORIES, COLOURS, Change, House
from placecell.envs.walk import Frame, visible_objects

__all__ = ["CLEAR_S", "Inquiry", "Sightings", "inquire", "moved_inquiry"]

CLEAR_SIDE_PX: Final = 48  # a thing that a question is about was seen at least so large ...
CLEAR_S: Final = 3.0  # ... for at least so long
SLACK_S: Final = 1.0


@dataclass(slots=True)
class Sightings:
    """When each object was truly in view (privileged: from the simulator's instance ids)."""

    frame_s: float
    stamps: dict[int, list[float]] = field(default_factory=dict)
    clear: Counter[int] = field(default_factory=Counter)
    rooms: list[tuple[float, int | None]] = field(default_factory=list)

    def add(self, frame: Frame) -> None:
        """Take note of what one frame shows."""
        self.rooms.append((frame.stamp_s, frame.room_id))
        for number, side in visible_objects(frame.semantic, min_side_px=24).items():
            self.stamps.setdefault(number, []).append(frame.stamp_s)
            self.clear[number] += side >= CLEAR_SIDE_PX

    def spans(self, numbers: Iterable[int]) -> tuple[tuple[float, float], ...]:
        """Stretches of time in which at least one of these objects was in view."""
        stamps = sorted({stamp for number in numbers for stamp in self.stamps.get(number, ())})
        spans: list[list[float]] = []
        for stamp in stamps:
            if spans and stamp - spans[-1][1] <= 1.5 * self.frame_s:
                spans[-1][1] = stamp
            else:
                spans.append([stamp, stamp])
        return tuple((first, last) for first, last in spans)


@dataclass(frozen=True, slots=True, eq=False)
class Inquiry:
    """A question with its truth, and the judge of an answer."""

    text: str
    truth: str
    is_right: Callable[[Answer], bool]
    spans: tuple[tuple[float, float], ...] = ()


def inquire(house: House, sightings: Sightings, rng: np.random.Generator) -> list[Inquiry]:
    """Eight questions about a walk: six that it answers, two that it does not.

    Things asked about were in clear view for some seconds and are the only ones of their name, so that there is one
    right answer; among those, chance decides.
    """
    seen = [thing for thing in house.objects if sightings.clear[thing.id] * sightings.frame_s >= CLEAR_S]
    names = Counter((thing.category, thing.colour) for thing in house.objects)
    kinds = Counter(thing.category for thing in house.objects)
    named = [thing for thing in seen if names[thing.category, thing.colour] == 1 and thing.colour_asked]
    only = [thing for thing in seen if kinds[thing.category] == 1 and thing.colour_asked]
    rng.shuffle(named)
    rng.shuffle(only)
    if len(named) < 5 or len(only) < 2:
        raise ValueError("this walk saw too little to ask about; take another seed")
    when, where, room = named[:3]
    first, second = _ordered(sightings, named[3:])
    colour, there = only[:2]
    category = str(rng.choice([name for name in CATEGORIES if name not in kinds]))
    other = str(rng.choice([name for name in CATEGORIES if name not in kinds and name != category]))
    room_name = {each.id: each.type for each in house.rooms}

    def spans(thing: Any) -> tuple[tuple[float, float], ...]:
        return sightings.spans([thing.id])

    def name(thing: Any) -> str:
        return f"{thing.colour} {thing.category}"

    return [
        Inquiry(f"When did I see the {name(when)}?", _times(spans(when)), _sees(spans(when)), spans(when)),
        Inquiry(
            f"Where is the {name(where)}?", f"in the {room_name[where.room_id]}", _sees(spans(where)), spans(where)
        ),
        Inquiry(
            f"Which room is the {name(room)} in?",
            room_name[room.room_id],
            lambda answer: answer.value == room_name[room.room_id],
            spans(room),
        ),
        Inquiry(
            f"What colour is the {colour.category}?",
            colour.colour,
            lambda answer: answer.value == colour.colour,
            spans(colour),
        ),
        Inquiry(
            f"Is there a {there.category} in this home?",
            "yes",
            lambda answer: answer.value is True and _sees(spans(there))(answer),
            spans(there),
        ),
        Inquiry(
            f"Did I see the {name(first)} before the {name(second)}?",
            "yes",
            lambda answer: answer.value is True,
            sightings.spans([first.id, second.id]),
        ),
        Inquiry(f"When did I see the {rng.choice(list(COLOURS))} {category}?", "never: there is none", _declines),
        Inquiry(f"Where is the {other}?", "nowhere: there is none", _declines),
    ]


def moved_inquiry(change: Change) -> Inquiry:
    """Whether the thing that was moved has been moved."""
    thing = change.before
    assert thing is not None
    return Inquiry(
        f"{'Have' if thing.category.endswith('s') else 'Has'} the {thing.colour} {thing.category} been moved?",
        "yes",
        lambda answer: answer.value is True,
    )


def _ordered(sightings: Sightings, things: Sequence[Any]) -> tuple[Any, Any]:
    """Two things of which one was clearly first seen earlier: all sightings of it start well before the other's."""
    by_time = sorted(things, key=lambda thing: sightings.stamps[thing.id][0])
    return by_time[0], by_time[-1]


def _sees(spans: Sequence[tuple[float, float]]) -> Callable[[Answer], bool]:
    """Whether the best evidence of an answer is from a moment at which the thing was in view."""

    def judge(answer: Answer) -> bool:
        if answer.is_refusal or not answer.evidence:
            return False
        stamp_s = answer.evidence[0].stamp_s
        return any(start - SLACK_S <= stamp_s <= end + SLACK_S for start, end in spans)

    return judge


def _declines(answer: Answer) -> bool:
    return answer.is_refusal


def _times(spans: Sequence[tuple[float, float]]) -> str:
    shown = [f"{format_time(start)[3:-2]}-{format_time(end)[3:-2]}" for start, end in spans]
    return ", ".join(shown[:6]) + (" and more" if len(shown) > 6 else "")
