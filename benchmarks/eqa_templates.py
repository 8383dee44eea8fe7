"""The forms of the questions: of things themselves (`eqa_things`), and here of uses, of what is known, of changes.

Each template gives everything that it can ask about one house. Two wordings of most questions are in use, drawn at
random. What things are used for stands in `PURPOSES` and `TRAITS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from placecell.benchmarks.eqa_things import (
    ATTRIBUTES,
    EVERYWHERE,
    LOCALIZATION,
    RECOGNITION,
    SPACE,
    STATES,
    Rng,
    Templates,
    choices_of,
    one_of,
    some,
    verb,
)
from placecell.benchmarks.eqa_world import Draft, World
from placecell.envs.catalogue import CATALOGUE
from placecell.envs.house import HouseObject

__all__ = ["PURPOSES", "TEMPLATES", "TRAITS"]

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


# --- functional reasoning --------------------------------------------------------------------------------------------


def _where_could_i(world: World, rng: Rng) -> Iterator[Draft]:
    for purpose, serving in PURPOSES.items():
        able = [thing for thing in world.house.objects if thing.category in serving]
        text = one_of(rng, f"Where could I {purpose}?", f"In which room could I {purpose}?")
        if not able:
            yield Draft("where_could_i", text, "", "room", is_answerable=False)
        elif len({thing.room_type for thing in able}) == 1 and any(world.shows(thing.id) for thing in able):
            yield Draft("where_could_i", text, able[0].room_type, "room", tuple(thing.id for thing in able))


def _could_i(world: World, rng: Rng) -> Iterator[Draft]:
    for purpose, serving in PURPOSES.items():
        if serving & EVERYWHERE:
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
            wrong = some(missing, 2, rng)
            wrong += some(world.shown - serving, 3 - len(wrong), rng)
            text = one_of(rng, f"What could I use here to {purpose}?", f"Which of these is here to {purpose}?")
            yield Draft("what_to_use", text, name, "name", (), choices_of(name, wrong, rng))


# --- world knowledge -------------------------------------------------------------------------------------------------


def _which_trait(world: World, rng: Rng) -> Iterator[Draft]:
    for trait, having in TRAITS.items():
        missing = having & set(world.absent)
        for name in sorted(having & world.shown) if missing else ():
            wrong = some(missing, 2, rng)
            wrong += some(world.shown - having, 3 - len(wrong), rng)
            text = f"Which of these {trait} and is in the house?"
            yield Draft("which_trait", text, name, "name", (), choices_of(name, wrong, rng))


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
        have = "Have" if verb(phrase) == "are" else "Has"
        return one_of(rng, f"{have} the {phrase} moved?", f"{have} the {phrase} been moved?")

    for before, _, phrase in _moved(world):
        yield Draft("has_moved", text(phrase), "yes", "yes_no", (before.id,))
    for thing, phrase in _stayed(world):
        yield Draft("has_moved", text(phrase), "no", "yes_no", (thing.id,))


def _moved_from_to(world: World, rng: Rng) -> Iterator[Draft]:
    for before, after, phrase in _moved(world):
        if before.room_type == after.room_type:
            continue
        was = "were" if verb(phrase) == "are" else "was"
        text = one_of(
            rng, f"Which room {was} the {phrase} in before?", f"Where {was} the {phrase} before it was moved?"
        )
        yield Draft("moved_from", text, before.room_type, "room", (before.id,))
        yield Draft("moved_to", f"Where {verb(phrase)} the {phrase} now?", after.room_type, "room", (before.id,))
    for phrase in world.nobody(rng):
        was = "were" if verb(phrase) == "are" else "was"
        yield Draft("moved_from", f"Where {was} the {phrase} before?", "", "room", is_answerable=False)


def _is_gone(world: World, rng: Rng) -> Iterator[Draft]:
    for phrase, answer, number in _goings(world):
        text = one_of(rng, f"Has the {phrase} gone?", f"Is the {phrase} gone?") if verb(phrase) == "is" else (
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
        choices = choices_of(phrase, some(stayed, 3, rng), rng)
        yield Draft("which_moved", "Which of these has been moved?", phrase, "name", (), choices)
    for phrase, answer, number in _goings(world):
        if answer == "yes":
            choices = choices_of(phrase, some(stayed, 3, rng), rng)
            yield Draft("which_gone", "Which of these is gone?", phrase, "name", (number,), choices)
    for change in world.changes:
        if change.before is None and change.after is not None and world.shows(change.object_id):
            name = world.refer(change.after, room=False, also_before=True)
            if name:
                choices = choices_of(name, some(stayed, 3, rng), rng)
                yield Draft("which_new", "Which of these is new?", name, "name", (change.object_id,), choices)


TEMPLATES: Final[dict[str, Templates]] = {
    "object recognition": RECOGNITION,
    "attribute recognition": ATTRIBUTES,
    "spatial understanding": SPACE,
    "object state recognition": STATES,
    "functional reasoning": (_where_could_i, _could_i, _what_to_use),
    "world knowledge": (_which_trait, _signs, _trait_in_room, _trait_room),
    "object localization": LOCALIZATION,
    "change": (_has_moved, _moved_from_to, _is_gone, _which_changed),
}
