"""The forms of the questions about things: which there are, what they look like, where and beside what they are.

Each template gives everything that it can ask about one house. Two wordings of most questions are in use, drawn at
random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from placecell.benchmarks.eqa_world import Draft, World, plural
from placecell.envs.catalogue import CATALOGUE, CATEGORIES, COLOURS

__all__ = [
    "ATTRIBUTES", "EVERYWHERE", "LOCALIZATION", "RECOGNITION", "SPACE", "STATES", "Rng", "Templates", "choices_of",
    "verb", "one_of", "some",
]  # fmt: skip

Rng = np.random.Generator
Templates = tuple[Callable[[World, Rng], Iterator[Draft]], ...]
_NEXT_M, _AWAY_M = 0.5, 1.5  # "next to" up to here, not next to from here; in between nobody is asked
_NUM_CHOICES: Final = 4
EVERYWHERE: Final = frozenset(  # what every house has is not worth asking for
    {"bed", "wardrobe", "kitchen counter", "fridge", "stove", "bathtub", "toilet", "sink", "sofa", "tv", "coat rack"}
)
_FLAT: Final = ("rug", "clock", "painting", "curtain")  # nobody says that a thing stands beside these


def one_of(rng: Rng, *wordings: str) -> str:
    """One of several ways to say it."""
    return wordings[int(rng.integers(len(wordings)))]


def some(items: Iterable[str], count: int, rng: Rng) -> list[str]:
    """At most `count` of the items, in any order."""
    names = list(dict.fromkeys(items))
    return [names[int(i)] for i in rng.permutation(len(names))[:count]]


def choices_of(right: str, wrong: Sequence[str], rng: Rng) -> tuple[str, ...]:
    """The right choice among wrong ones, in any order."""
    return tuple(some((right, *wrong), _NUM_CHOICES, rng))


def _a(noun: str) -> str:
    return "some boots" if noun == "boots" else f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def verb(noun: str) -> str:
    """Is or are."""
    return "are" if noun.endswith("boots") or " boots " in noun else "is"


# --- object recognition ----------------------------------------------------------------------------------------------


def _exists(world: World, rng: Rng) -> Iterator[Draft]:
    for name in CATEGORIES:
        if name not in EVERYWHERE and (name in world.shown or name in world.absent):
            text = one_of(rng, f"Is there {_a(name)} in the house?", f"Does this house have {_a(name)}?")
            targets = tuple(t.id for t in world.things if t.category == name)
            yield Draft("exists", text, "yes" if targets else "no", "yes_no", targets)


def _exists_in_room(world: World, rng: Rng) -> Iterator[Draft]:
    for room, room_id in world.rooms.items():
        held = {thing.category for thing in world.in_room(room_id)}
        for thing in world.in_room(room_id):
            if thing.id in {t.id for t in world.things}:
                text = f"Is there {_a(thing.category)} in the {room}?"
                yield Draft("exists_in_room", text, "yes", "yes_no", (thing.id,))
        for name in sorted(world.shown - held):
            yield Draft("exists_in_room", f"Is there {_a(name)} in the {room}?", "no", "yes_no")


def _which_in_room(world: World, rng: Rng) -> Iterator[Draft]:
    for room, room_id in world.rooms.items():
        held = {thing.category for thing in world.in_room(room_id)}
        for thing in world.things:
            if thing.room_id == room_id:
                wrong = some(world.shown - held, 2, rng) + some(set(world.absent), 1, rng)
                text = one_of(rng, f"Which of these is in the {room}?", f"Which of these can be found in the {room}?")
                choices = choices_of(thing.category, wrong, rng)
                yield Draft("which_in_room", text, thing.category, "name", (thing.id,), choices)


# --- attribute recognition -------------------------------------------------------------------------------------------


def _colour(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            text = one_of(rng, f"What colour {verb(phrase)} the {phrase}?", f"What is the colour of the {phrase}?")
            yield Draft("colour", text, thing.colour, "colour", (thing.id,))
    for name in world.absent:
        if CATALOGUE[name].colour_asked:
            yield Draft("colour", f"What colour {verb(name)} the {name}?", "", "colour", is_answerable=False)


def _colour_or(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            other = some([name for name in COLOURS if name != thing.colour], 1, rng)[0]
            pair = some((thing.colour, other), 2, rng)
            text = f"{verb(phrase).capitalize()} the {phrase} {pair[0]} or {pair[1]}?"
            yield Draft("colour_or", text, thing.colour, "colour", (thing.id,))


def _is_colour(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            other = some([name for name in COLOURS if name != thing.colour], 1, rng)[0]
            for colour, answer in ((thing.colour, "yes"), (other, "no")):
                text = f"{verb(phrase).capitalize()} the {phrase} {colour}?"
                yield Draft("is_colour", text, answer, "yes_no", (thing.id,))


# --- spatial understanding -------------------------------------------------------------------------------------------


def _count(world: World, rng: Rng) -> Iterator[Draft]:
    for name in sorted(world.shown):
        everywhere = [thing for thing in world.house.objects if thing.category == name]
        if all(world.shows(thing.id) for thing in everywhere) and 2 <= len(everywhere) <= 5:
            text = f"How many {plural(name)} are there in the house?"
            yield Draft("count", text, str(len(everywhere)), "number", tuple(t.id for t in everywhere))
        for room, room_id in world.rooms.items():
            here = [thing for thing in everywhere if thing.room_id == room_id]
            if here and all(world.shows(thing.id) for thing in here) and len(here) <= 6:
                text = f"How many {plural(name)} are in the {room}?"
                template = "count_several" if len(here) > 1 else "count_one"
                yield Draft(template, text, str(len(here)), "number", tuple(t.id for t in here))


def _next_to(world: World, rng: Rng) -> Iterator[Draft]:
    named = [(t, p) for t, p in world.referable(room=False) if t.on is None and t.category not in _FLAT]
    for a, phrase_a in named:
        for b, phrase_b in named:
            gap = world.gap_m(a, b)
            if a.id == b.id or a.category == b.category or a.room_id != b.room_id or _NEXT_M < gap < _AWAY_M:
                continue
            text = one_of(
                rng, f"Is the {phrase_a} next to the {phrase_b}?", f"Does the {phrase_a} stand beside the {phrase_b}?"
            )
            yield Draft("next_to", text, "yes" if gap <= _NEXT_M else "no", "yes_no", (a.id, b.id))


def _closer(world: World, rng: Rng) -> Iterator[Draft]:
    named = [(t, p) for t, p in world.referable(room=False) if t.category not in _FLAT]
    for anchor, phrase in named:
        others = [(t, p) for t, p in named if t.room_id == anchor.room_id and t.id != anchor.id]
        for number, (a, phrase_a) in enumerate(others):
            for b, phrase_b in others[:number]:
                far_a, far_b = (float(np.linalg.norm((t.centre_m - anchor.centre_m)[[0, 2]])) for t in (a, b))
                gap_a, gap_b = world.gap_m(anchor, a), world.gap_m(anchor, b)
                near, far = sorted((far_a, far_b))
                if a.category == b.category or far < 1.6 * near or far - near < 0.8:
                    continue
                if (far_a < far_b) != (gap_a < gap_b):
                    continue  # the middles say one thing, the edges another
                right = phrase_a if far_a < far_b else phrase_b
                text = f"Which is closer to the {phrase}, the {phrase_a} or the {phrase_b}?"
                yield Draft("closer", text, right, "name", (anchor.id, a.id, b.id), (phrase_a, phrase_b))
        for nobody in world.nobody(rng, 2) if others else ():
            pair = (others[0][1], phrase)
            text = f"Which is closer to the {nobody}, the {pair[0]} or the {pair[1]}?"
            yield Draft("closer", text, "", "name", (), pair, is_answerable=False)


def _larger_room(world: World, rng: Rng) -> Iterator[Draft]:
    for a in world.rooms:
        for b in world.rooms:
            area_a, area_b = (world.house.rooms[world.rooms[name]].area_m2 for name in (a, b))
            if area_a > 1.3 * area_b:
                pair = some((a, b), 2, rng)
                text = f"Which room is larger, the {pair[0]} or the {pair[1]}?"
                yield Draft("larger_room", text, a, "room", (), tuple(pair))


def _door(world: World, rng: Rng) -> Iterator[Draft]:
    joined = {frozenset(door.rooms) for door in world.house.plan.doors}
    for a, id_a in world.rooms.items():
        for b, id_b in world.rooms.items():
            if a != b:
                text = one_of(
                    rng, f"Is there a door between the {a} and the {b}?", f"Does a door lead from the {a} to the {b}?"
                )
                yield Draft("door", text, "yes" if frozenset((id_a, id_b)) in joined else "no", "yes_no")


# --- object state recognition ----------------------------------------------------------------------------------------


def _anything_on(world: World, rng: Rng) -> Iterator[Draft]:
    for carrier in world.carriers:
        phrase, held = world.refer(carrier), world.on(carrier)
        if phrase is None or (held and not any(world.shows(thing.id) for thing in held)):
            continue
        yield Draft(
            "anything_on",
            f"Is there anything on the {phrase}?",
            "yes" if held else "no",
            "yes_no",
            (carrier.id, *(thing.id for thing in held)),
        )
        yield Draft("is_free", f"Is the top of the {phrase} empty?", "no" if held else "yes", "yes_no", (carrier.id,))


def _is_on(world: World, rng: Rng) -> Iterator[Draft]:
    carriers = [(c, p) for c in world.carriers if (p := world.refer(c)) is not None]
    for thing, phrase in world.referable(room=False):
        if CATALOGUE[thing.category].place != "surface":
            continue
        for carrier, carrier_phrase in carriers:
            answer = "yes" if thing.on == carrier.id else "no"
            yield Draft("is_on", f"Is the {phrase} on the {carrier_phrase}?", answer, "yes_no", (thing.id, carrier.id))


def _which_on(world: World, rng: Rng) -> Iterator[Draft]:
    for carrier in world.carriers:
        phrase, held = world.refer(carrier), world.on(carrier)
        small = {name for name in world.shown if CATALOGUE[name].place == "surface"} - {t.category for t in held}
        for thing in held:
            if phrase and world.shows(thing.id) and len(small) >= 2:
                choices = choices_of(thing.category, some(small, 3, rng), rng)
                yield Draft(
                    "which_on",
                    f"Which of these is on the {phrase}?",
                    thing.category,
                    "name",
                    (thing.id, carrier.id),
                    choices,
                )
    for name in world.absent:
        if CATALOGUE[name].place == "surface":
            for carrier in world.carriers[:1]:
                phrase = world.refer(carrier)
                if phrase:
                    text = f"What is beside the {name} on the {phrase}?"
                    yield Draft("which_on", text, "", "name", is_answerable=False)


# --- object localization ---------------------------------------------------------------------------------------------


def _which_room(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(room=False):
        text = one_of(rng, f"Which room {verb(phrase)} the {phrase} in?", f"Where {verb(phrase)} the {phrase}?")
        yield Draft("which_room", text, thing.room_type, "room", (thing.id,))
    for phrase in world.nobody(rng):
        text = one_of(rng, f"Which room {verb(phrase)} the {phrase} in?", f"Where {verb(phrase)} the {phrase}?")
        yield Draft("which_room", text, "", "room", is_answerable=False)


def _on_what(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(room=False):
        if thing.on is not None and world.shows(thing.on):
            text = one_of(rng, f"What is the {phrase} standing on?", f"What is the {phrase} on?")
            yield Draft("on_what", text, world.house.object(thing.on).category, "name", (thing.id, thing.on))
    for name in world.absent:
        if CATALOGUE[name].place == "surface":
            yield Draft("on_what", f"What is the {name} standing on?", "", "name", is_answerable=False)


RECOGNITION: Final[Templates] = (_exists, _exists_in_room, _which_in_room)
ATTRIBUTES: Final[Templates] = (_colour, _colour_or, _is_colour)
SPACE: Final[Templates] = (_count, _next_to, _closer, _larger_room, _door)
STATES: Final[Templates] = (_anything_on, _is_on, _which_on)
LOCALIZATION: Final[Templates] = (_which_room, _on_what)
