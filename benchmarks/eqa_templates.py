"""The forms of the questions: each template gives everything that it can ask about one house.

Two wordings of most questions are in use, drawn at random. What things are used for stands in `PURPOSES` and `TRAITS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from placecell.benchmarks.eqa_world import Draft, World, plural
from placecell.envs.catalogue import CATALOGUE, CATEGORIES, COLOURS
from placecell.envs.house import HouseObject

__all__ = ["PURPOSES", "TEMPLATES", "TRAITS"]

Rng = np.random.Generator
_NEXT_M, _AWAY_M = 0.5, 1.5  # "next to" up to here, not next to from here; in between nobody is asked
_NUM_CHOICES: Final = 4
_EVERYWHERE: Final = frozenset(  # what every house has is not worth asking for
    {"bed", "wardrobe", "kitchen counter", "fridge", "stove", "bathtub", "toilet", "sink", "sofa", "tv", "coat rack"}
)
_FLAT: Final = ("rug", "clock", "painting", "curtain")  # nobody says that a thing stands beside these

#: What a person may want to do, and the categories that serve it.
PURPOSES: Final[dict[str, frozenset[str]]] = {
    "wash my hands": frozenset({"sink"}),
    "take a bath": frozenset({"bathtub"}),
    "keep milk cold": frozenset({"fridge"}),
    "wash my clothes": frozenset({"washing machine"}),
    "iron a shirt": frozenset({"ironing board"}),
    "sleep at night": frozenset({"bed"}),
    "put a baby to sleep": frozenset({"crib"}),
    "watch a film": frozenset({"tv"}),
    "boil water for tea": frozenset({"kettle"}),
    "throw away rubbish": frozenset({"trash can"}),
    "hang up my coat": frozenset({"coat rack"}),
    "reach something high up": frozenset({"ladder"}),
    "stay dry in the rain": frozenset({"umbrella"}),
    "find out what time it is": frozenset({"clock"}),
    "ride to the shops": frozenset({"bicycle"}),
    "look up a country": frozenset({"globe"}),
    "write an email": frozenset({"laptop"}),
    "put clothes away": frozenset({"wardrobe", "dresser"}),
    "drink coffee": frozenset({"mug"}),
    "eat soup": frozenset({"bowl"}),
    "put cut flowers in water": frozenset({"vase"}),
    "sit down": frozenset({"sofa", "chair", "stool", "beanbag"}),
    "make music": frozenset({"piano", "guitar"}),
    "heat food": frozenset({"stove", "microwave"}),
    "light up a dark evening": frozenset({"floor lamp", "desk lamp"}),
    "keep a child busy": frozenset({"teddy bear", "ball", "toy car", "rubber duck", "rocking horse"}),
    "write a letter": frozenset({"desk", "table"}),
}

#: What may be said of a thing, and the categories of which it is true.
TRAITS: Final[dict[str, frozenset[str]]] = {
    "is a musical instrument": frozenset({"piano", "guitar"}),
    "is a toy": frozenset({"teddy bear", "ball", "toy car", "rubber duck", "rocking horse"}),
    "is a vehicle": frozenset({"bicycle"}),
    "is a living thing": frozenset({"potted plant"}),
    "tells the time": frozenset({"clock"}),
    "is worn on the feet": frozenset({"boots"}),
    "runs on electricity": frozenset(
        {"fridge", "stove", "washing machine", "tv", "microwave", "laptop", "kettle", "floor lamp", "desk lamp"}
    ),
    "gives light": frozenset({"floor lamp", "desk lamp"}),
    "is made for babies": frozenset({"crib"}),
    "is a work of art": frozenset({"painting"}),
}

#: What a visitor may conclude, and the categories of which one is needed.
_SIGNS: Final[dict[str, frozenset[str]]] = {
    "Does a baby live here?": frozenset({"crib"}),
    "Does anyone here play a musical instrument?": frozenset({"piano", "guitar"}),
    "Does anyone here ride a bike?": frozenset({"bicycle"}),
    "Does anyone here use a computer?": frozenset({"laptop"}),
    "Does anyone here iron their clothes?": frozenset({"ironing board"}),
    "Does anyone here drink from a mug?": frozenset({"mug"}),
    "Does anyone here watch television?": frozenset({"tv"}),
    "Does anyone here take care of plants?": frozenset({"potted plant"}),
}


def _one_of(rng: Rng, *wordings: str) -> str:
    return wordings[int(rng.integers(len(wordings)))]


def _some(items: Iterable[str], count: int, rng: Rng) -> list[str]:
    names = list(dict.fromkeys(items))
    return [names[int(i)] for i in rng.permutation(len(names))[:count]]


def _choices(right: str, wrong: Sequence[str], rng: Rng) -> tuple[str, ...]:
    """The right choice among wrong ones, in any order."""
    return tuple(_some((right, *wrong), _NUM_CHOICES, rng))


def _a(noun: str) -> str:
    return "some boots" if noun == "boots" else f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _is(noun: str) -> str:
    return "are" if noun.endswith("boots") or " boots " in noun else "is"


# --- object recognition ----------------------------------------------------------------------------------------------


def _exists(world: World, rng: Rng) -> Iterator[Draft]:
    for name in CATEGORIES:
        if name not in _EVERYWHERE and (name in world.shown or name in world.absent):
            text = _one_of(rng, f"Is there {_a(name)} in the house?", f"Does this house have {_a(name)}?")
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
                wrong = _some(world.shown - held, 2, rng) + _some(set(world.absent), 1, rng)
                text = _one_of(rng, f"Which of these is in the {room}?", f"Which of these can be found in the {room}?")
                choices = _choices(thing.category, wrong, rng)
                yield Draft("which_in_room", text, thing.category, "name", (thing.id,), choices)


# --- attribute recognition -------------------------------------------------------------------------------------------


def _colour(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            text = _one_of(rng, f"What colour {_is(phrase)} the {phrase}?", f"What is the colour of the {phrase}?")
            yield Draft("colour", text, thing.colour, "colour", (thing.id,))
    for name in world.absent:
        if CATALOGUE[name].colour_asked:
            yield Draft("colour", f"What colour {_is(name)} the {name}?", "", "colour", is_answerable=False)


def _colour_or(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            other = _some([name for name in COLOURS if name != thing.colour], 1, rng)[0]
            pair = _some((thing.colour, other), 2, rng)
            text = f"{_is(phrase).capitalize()} the {phrase} {pair[0]} or {pair[1]}?"
            yield Draft("colour_or", text, thing.colour, "colour", (thing.id,))


def _is_colour(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(colour=False):
        if thing.colour_asked:
            other = _some([name for name in COLOURS if name != thing.colour], 1, rng)[0]
            for colour, answer in ((thing.colour, "yes"), (other, "no")):
                text = f"{_is(phrase).capitalize()} the {phrase} {colour}?"
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
            text = _one_of(
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
                pair = _some((a, b), 2, rng)
                text = f"Which room is larger, the {pair[0]} or the {pair[1]}?"
                yield Draft("larger_room", text, a, "room", (), tuple(pair))


def _door(world: World, rng: Rng) -> Iterator[Draft]:
    joined = {frozenset(door.rooms) for door in world.house.plan.doors}
    for a, id_a in world.rooms.items():
        for b, id_b in world.rooms.items():
            if a != b:
                text = _one_of(
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
                choices = _choices(thing.category, _some(small, 3, rng), rng)
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


# --- functional reasoning --------------------------------------------------------------------------------------------


def _where_could_i(world: World, rng: Rng) -> Iterator[Draft]:
    for purpose, serving in PURPOSES.items():
        able = [thing for thing in world.house.objects if thing.category in serving]
        text = _one_of(rng, f"Where could I {purpose}?", f"In which room could I {purpose}?")
        if not able:
            yield Draft("where_could_i", text, "", "room", is_answerable=False)
        elif len({thing.room_type for thing in able}) == 1 and any(world.shows(thing.id) for thing in able):
            yield Draft("where_could_i", text, able[0].room_type, "room", tuple(thing.id for thing in able))


def _could_i(world: World, rng: Rng) -> Iterator[Draft]:
    for purpose, serving in PURPOSES.items():
        if serving & _EVERYWHERE:
            continue
        if serving & world.shown:
            yield Draft("could_i", f"Could I {purpose} in this house?", "yes", "yes_no")
        elif serving <= set(world.absent):
            yield Draft("could_i", f"Could I {purpose} in this house?", "no", "yes_no")


def _what_to_use(world: World, rng: Rng) -> Iterator[Draft]:
    """The other choices are things that would serve but are not there, and things of the house that do not."""
    for purpose, serving in PURPOSES.items():
        missing = serving & set(world.absent)
        for name in sorted(serving & world.shown) if missing else ():
            wrong = _some(missing, 2, rng)
            wrong += _some(world.shown - serving, 3 - len(wrong), rng)
            text = _one_of(rng, f"What could I use here to {purpose}?", f"Which of these is here to {purpose}?")
            yield Draft("what_to_use", text, name, "name", (), _choices(name, wrong, rng))


# --- world knowledge -------------------------------------------------------------------------------------------------


def _which_trait(world: World, rng: Rng) -> Iterator[Draft]:
    for trait, having in TRAITS.items():
        missing = having & set(world.absent)
        for name in sorted(having & world.shown) if missing else ():
            wrong = _some(missing, 2, rng)
            wrong += _some(world.shown - having, 3 - len(wrong), rng)
            text = f"Which of these {trait} and is in the house?"
            yield Draft("which_trait", text, name, "name", (), _choices(name, wrong, rng))


def _signs(world: World, rng: Rng) -> Iterator[Draft]:
    for text, needed in _SIGNS.items():
        if needed & world.shown:
            yield Draft("signs", text, "yes", "yes_no")
        elif needed <= set(world.absent):
            yield Draft("signs", text, "no", "yes_no")


def _trait_in_room(world: World, rng: Rng) -> Iterator[Draft]:
    for trait, having in TRAITS.items():
        for room, room_id in world.rooms.items():
            here = [thing for thing in world.in_room(room_id) if thing.category in having]
            text = f"Is there anything in the {room} that {trait}?"
            if not here:
                yield Draft("trait_in_room", text, "no", "yes_no")
            elif any(world.shows(thing.id) for thing in here):
                yield Draft("trait_in_room", text, "yes", "yes_no", tuple(thing.id for thing in here))


def _trait_room(world: World, rng: Rng) -> Iterator[Draft]:
    for trait, having in TRAITS.items():
        able = [thing for thing in world.house.objects if thing.category in having]
        text = f"In which room is something that {trait}?"
        if not able:
            yield Draft("trait_room", text, "", "room", is_answerable=False)
        elif len({thing.room_type for thing in able}) == 1 and any(world.shows(thing.id) for thing in able):
            yield Draft("trait_room", text, able[0].room_type, "room", tuple(thing.id for thing in able))


# --- object localization ---------------------------------------------------------------------------------------------


def _which_room(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(room=False):
        text = _one_of(rng, f"Which room {_is(phrase)} the {phrase} in?", f"Where {_is(phrase)} the {phrase}?")
        yield Draft("which_room", text, thing.room_type, "room", (thing.id,))
    for phrase in world.nobody(rng):
        text = _one_of(rng, f"Which room {_is(phrase)} the {phrase} in?", f"Where {_is(phrase)} the {phrase}?")
        yield Draft("which_room", text, "", "room", is_answerable=False)


def _on_what(world: World, rng: Rng) -> Iterator[Draft]:
    for thing, phrase in world.referable(room=False):
        if thing.on is not None and world.shows(thing.on):
            text = _one_of(rng, f"What is the {phrase} standing on?", f"What is the {phrase} on?")
            yield Draft("on_what", text, world.house.object(thing.on).category, "name", (thing.id, thing.on))
    for name in world.absent:
        if CATALOGUE[name].place == "surface":
            yield Draft("on_what", f"What is the {name} standing on?", "", "name", is_answerable=False)


# --- change ----------------------------------------------------------------------------------------------------------


def _moved(world: World) -> Iterator[tuple[HouseObject, HouseObject, str]]:
    """What moved and showed both times: before, after, name."""
    for change in world.changes:
        if change.before is not None and change.after is not None:
            phrase = world.refer(change.after, room=False, also_before=True)
            if phrase and world.shows(change.object_id) and world.showed(change.object_id):
                yield change.before, change.after, phrase


def _stayed(world: World) -> Iterator[tuple[HouseObject, str]]:
    """What could have moved, and did not."""
    changed = {change.object_id for change in world.changes}
    for thing in world.things:
        if thing.id not in changed and world.showed(thing.id) and CATALOGUE[thing.category].place in (
            "surface", "floor"):  # fmt: skip
            phrase = world.refer(thing, room=False, also_before=True)
            if phrase:
                yield thing, phrase


def _has_moved(world: World, rng: Rng) -> Iterator[Draft]:
    def text(phrase: str) -> str:
        have = "Have" if _is(phrase) == "are" else "Has"
        return _one_of(rng, f"{have} the {phrase} moved?", f"{have} the {phrase} been moved?")

    for before, _, phrase in _moved(world):
        yield Draft("has_moved", text(phrase), "yes", "yes_no", (before.id,))
    for thing, phrase in _stayed(world):
        yield Draft("has_moved", text(phrase), "no", "yes_no", (thing.id,))


def _moved_from_to(world: World, rng: Rng) -> Iterator[Draft]:
    for before, after, phrase in _moved(world):
        if before.room_type == after.room_type:
            continue
        was = "were" if _is(phrase) == "are" else "was"
        text = _one_of(
            rng, f"Which room {was} the {phrase} in before?", f"Where {was} the {phrase} before it was moved?"
        )
        yield Draft("moved_from", text, before.room_type, "room", (before.id,))
        yield Draft("moved_to", f"Where {_is(phrase)} the {phrase} now?", after.room_type, "room", (before.id,))
    for phrase in world.nobody(rng):
        was = "were" if _is(phrase) == "are" else "was"
        yield Draft("moved_from", f"Where {was} the {phrase} before?", "", "room", is_answerable=False)


def _is_gone(world: World, rng: Rng) -> Iterator[Draft]:
    for phrase, answer, number in _goings(world):
        text = _one_of(rng, f"Has the {phrase} gone?", f"Is the {phrase} gone?") if _is(phrase) == "is" else (
            f"Are the {phrase} gone?")  # fmt: skip
        yield Draft("is_gone", text, answer, "yes_no", (number,))


def _goings(world: World) -> Iterator[tuple[str, str, int]]:
    """Name, whether it is gone, id: what was taken away, and what stayed."""
    for change in world.changes:
        if change.after is None and change.before is not None and world.showed(change.object_id):
            plain, coloured, _ = change.before.category, f"{change.before.colour} {change.before.category}", ""
            same = [t for h in (world.before, world.house) if h for t in h.objects if t.category == plain]
            if len(same) == 1:
                yield plain, "yes", change.object_id
            elif change.before.colour_asked and sum(t.colour == change.before.colour for t in same) == 1:
                yield coloured, "yes", change.object_id
    for thing, phrase in _stayed(world):
        yield phrase, "no", thing.id


def _which_changed(world: World, rng: Rng) -> Iterator[Draft]:
    """Which of four things moved, is gone, or is new."""
    stayed = [phrase for _, phrase in _stayed(world)]
    if len(stayed) < 3:
        return
    for _, _, phrase in _moved(world):
        choices = _choices(phrase, _some(stayed, 3, rng), rng)
        yield Draft("which_moved", "Which of these has been moved?", phrase, "name", (), choices)
    for phrase, answer, number in _goings(world):
        if answer == "yes":
            choices = _choices(phrase, _some(stayed, 3, rng), rng)
            yield Draft("which_gone", "Which of these is gone?", phrase, "name", (number,), choices)
    for change in world.changes:
        if change.before is None and change.after is not None and world.shows(change.object_id):
            name = world.refer(change.after, room=False, also_before=True)
            if name:
                choices = _choices(name, _some(stayed, 3, rng), rng)
                yield Draft("which_new", "Which of these is new?", name, "name", (change.object_id,), choices)


TEMPLATES: Final[dict[str, tuple[Callable[[World, Rng], Iterator[Draft]], ...]]] = {
    "object recognition": (_exists, _exists_in_room, _which_in_room),
    "attribute recognition": (_colour, _colour_or, _is_colour),
    "spatial understanding": (_count, _next_to, _closer, _larger_room, _door),
    "object state recognition": (_anything_on, _is_on, _which_on),
    "functional reasoning": (_where_could_i, _could_i, _what_to_use),
    "world knowledge": (_which_trait, _signs, _trait_in_room, _trait_room),
    "object localization": (_which_room, _on_what),
    "change": (_has_moved, _moved_from_to, _is_gone, _which_changed),
}
