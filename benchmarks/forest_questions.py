"""Questions for the forest, with what answers them in any house: written before anything was tuned, and split in two.

`DEVELOPMENT` may be looked at while the search is built; `JUDGING` may not: no affordance of its `OWN` half is among
those of the development questions, and its `PEOPLE` half is in the words of people who were shown scans of homes.
What answers a question is given by category, so that the ground truth of a generated house says which things do.

Source: `PEOPLE` are the questions of OpenEQA's category "functional reasoning" (Majumdar et al. 2024, MIT licence) that
a thing of the catalogue can answer, words unchanged, answers by common sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from placecell.envs.building import House
from placecell.perception.vocabulary import NOUNS

__all__ = ["DEVELOPMENT", "JUDGING", "Question", "explicit_questions", "global_questions", "implicit_questions"]

Kind = Literal["explicit", "implicit", "global"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of one house.

    Attributes:
        kind: What kind of question it is; no system is told.
        group: "development", "own" or "people"; for explicit and global ones the half that they belong to.
        text: Its words.
        accepted: Ids of the things that answer it. Of a global question: all things, each room counts once.
    """

    kind: Kind
    group: str
    text: str
    accepted: frozenset[int]


def _uses(templates: Sequence[str], uses: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(template.format(use), things) for use, things in uses for template in templates]


_DEVELOPMENT = _uses(
    ("somewhere to {}", "where can I {}?"),
    (
        ("wash my hands", "sink"),
        ("sit and read in quiet", "sofa, beanbag, bed, chair"),
        ("cook dinner", "stove, kitchen counter, microwave"),
        ("sleep tonight", "bed, sofa"),
        ("do the laundry", "washing machine"),
        ("take a long bath", "bathtub"),
        ("keep the milk cold", "fridge"),
        ("lay the baby down", "crib"),
        ("hang my coat", "coat rack, wardrobe"),
        ("play some music", "piano, guitar"),
        ("see what time it is", "clock"),
        ("put the plates while I chop vegetables", "kitchen counter, table"),
    ),
) + _uses(
    ("I want to {}", "something to {}"),
    (
        ("keep dry in the rain", "umbrella"),
        ("write an e-mail on", "laptop"),
        ("drink tea from", "mug"),
        ("carry my books to school in", "backpack"),
    ),
)

_DEVELOPMENT += [
    ("I spilled juice on my shirt, where do I clean it?", "washing machine, sink"),
    ("Where would a guest spend the night?", "bed, sofa"),
    ("My back hurts, where can I stretch out?", "bed, sofa, rug"),
    ("Where can two people chat comfortably?", "sofa, chair, beanbag"),
    ("What keeps ice cream from melting?", "fridge"),
    ("It is raining and I have to go out, what should I bring?", "umbrella, boots"),
    ("Which device shows the evening news?", "tv, laptop"),
    ("How late is it?", "clock"),
    ("Where do I shave?", "sink"),
    ("Where is a good spot for a novel?", "sofa, bed, beanbag, chair"),
    ("Where does the toddler sleep?", "crib"),
    ("I'd like a hot drink", "kettle, mug, stove"),
    ("Where do I leave my wet coat?", "coat rack"),
    ("I want to practise for the concert", "piano, guitar"),
    ("Where should the groceries go?", "fridge, kitchen counter"),
    ("Where can I slice an onion?", "kitchen counter, table"),
    ("I need to soak in hot water", "bathtub"),
    ("Where do dirty socks go?", "washing machine"),
    ("Where can I put my feet up?", "sofa, bed, stool, beanbag"),
    ("Where can I hang this sweater?", "wardrobe, coat rack"),
    ("How can I stay warm tonight?", "bed"),
    ("Is there something green to care for?", "potted plant"),
    ("somewhere soft to sit", "sofa, beanbag, bed"),
    ("a quiet place to read", "sofa, bed, beanbag, chair"),
]

_OWN: Final = _uses(
    ("somewhere to {}", "I need a place to {}"),
    (
        ("iron a shirt", "ironing board"),
        ("have dinner with guests", "table, chair"),
        ("get rid of a banana peel", "trash can"),
        ("pee", "toilet"),
        ("put away folded sweaters", "dresser, wardrobe"),
        ("do my homework", "desk, table"),
    ),
) + _uses(
    ("something to {}", "I want to {}"),
    (
        ("boil water for tea", "kettle, stove"),
        ("reheat leftovers", "microwave, stove"),
        ("climb up to the ceiling light", "ladder, stool, chair"),
        ("ride to work on", "bicycle"),
        ("eat soup from", "bowl"),
        ("arrange flowers in", "vase"),
        ("find out where a country lies", "globe, laptop"),
        ("rock a toddler to and fro on", "rocking horse, crib"),
        ("cuddle with", "teddy bear"),
        ("play catch with", "ball"),
    ),
)

_PEOPLE: Final = (
    ("Where can I take a nap?", "bed, sofa"),
    ("Where can I wash my hands?", "sink"),
    ("Where should I store fruits that I want to last long?", "fridge"),
    ("Where can I take notes?", "desk, table"),
    ("Where can I brush my teeth?", "sink"),
    ("Where should I put my jackets and shoes?", "coat rack, wardrobe"),
    ("Where can I put my jacket?", "coat rack, wardrobe"),
    ("Where can I put my hat?", "coat rack, wardrobe"),
    ("What can be used to provide privacy in the dining room?", "curtain"),
    ("What can I use to entertain my guests with music?", "piano, guitar"),
    ("Where can I lay down and read a book?", "sofa, bed"),
    ("It's too bright in the living room, how can I make it darker?", "curtain"),
    ("where can I keep a new ironed shirt?", "wardrobe, dresser"),
    ("How can I reach the wine glasses if I'm too short?", "ladder, stool, chair"),
    ("where can I store clothes", "wardrobe, dresser"),
    ("where can I store books", "bookshelf"),
    ("how can I warm up dinner?", "microwave, stove"),
    ("Where should I look if I want to research a topic?", "bookshelf, laptop, book"),
    ("Where can I relax and watch TV", "sofa, beanbag, tv"),
    ("where can i find something to drink", "fridge, bottle"),
    ("Where can i relax a bit", "sofa, beanbag, bed, bathtub"),
    ("There is an object to tell the time in this scene, in which room is it?", "clock"),
    ("Is there a room to work? If so which room is it?", "desk, laptop"),
    ("Where can I find the time?", "clock"),
    ("Where should I sit to watch tv?", "sofa, beanbag, chair"),
    ("Is there anything I can pour my soda into?", "mug, bowl"),
    ("Where can I watch a movie?", "tv, laptop"),
    ("Where can I store my luggage?", "wardrobe"),
    ("What device can I use to send an email?", "laptop"),
    ("Where can I get water?", "sink, bottle, fridge"),
    ("Where can I keep my shirt?", "wardrobe, dresser"),
    ("Where can the baby play?", "crib, rocking horse, teddy bear, ball, toy car, rug"),
    ("Where can the adult take a nap?", "sofa, bed"),
    ("I am going out of the room. Which foot wear should I use?", "boots"),
    ("My friends and I need to work and use the internet, what can I use?", "laptop"),
    ("I need to carry things to class, what can I use?", "backpack"),
    ("I'm feeling cold, is there anything I can use in the scene?", "coat rack, bed, wardrobe"),
    ("What can I use for entertainment?", "tv, laptop, piano, guitar, book"),
    ("Where can I have a seat?", "chair, stool, sofa, beanbag, bed"),
    ("Where can I sit down and rest?", "sofa, chair, beanbag, bed, stool"),
    ("I am so tired and I want to rest somewhere.", "bed, sofa, beanbag"),
    ("How can I clean the plastic cup?", "sink"),
    ("How do I reach the top layer of the shelf?", "ladder, stool, chair"),
    ("How can I work on my essay without using papers?", "laptop"),
    ("Where can I store some fruits so that they last long?", "fridge"),
    ("Where do I throw away food packages?", "trash can"),
    ("Where I can read a book?", "sofa, bed, chair, beanbag, desk"),
    ("How I can be entertained?", "tv, laptop, piano, guitar, book"),
    ("How I can write a code?", "laptop"),
    ("Where I can get something to read?", "bookshelf, book"),
    ("What can I use in this kitchen to warm up a burrito?", "stove, microwave"),
    ("How can I make this room darker?", "curtain"),
    ("Where would you suggest placing a computer in this room?", "desk, table"),
    (
        "I'm thirsty. What can I use in this room to pour myself some water, and where is it located?",
        "bottle, mug, kettle",
    ),
    ("Is there something that I can use to throw away my garbage?", "trash can"),
    ("where can I sit to rest?", "sofa, chair, beanbag, bed, stool"),
    ("where can I place my food for comfortably having lunch?", "table, kitchen counter"),
    ("How can I get more light to work at the desk?", "desk lamp, floor lamp"),
    ("What can I use to watch a TV show?", "tv, laptop"),
    ("What can I use to carry some snacks on a hike?", "backpack"),
    ("How can I watch a movie?", "tv, laptop"),
    ("How can I play and sing a song from the couch?", "guitar"),
    ("What can I wear from the scene to warm my feet?", "boots"),
    ("What can I use to better light my workspace in this room?", "desk lamp, floor lamp"),
    ("Where can I set up a place to study?", "desk, table"),
    ("Is there anything on this scene that I can use to tell the time? If so what?", "clock"),
    ("Where can I work in this place?", "desk, table"),
    ("Where can I sit to work?", "chair, stool"),
    ("Where can I rest?", "sofa, chair, beanbag, bed, stool"),
    ("Where can I write something?", "desk, table"),
    ("Where can I dispose of small bathroom waste items like tissue paper?", "trash can"),
)

DEVELOPMENT: Final = tuple(("development", text, things) for text, things in _DEVELOPMENT)
JUDGING: Final = tuple(("own", text, things) for text, things in _OWN) + tuple(
    ("people", text, things) for text, things in _PEOPLE
)

_GLOBAL: Final = {
    "development": (
        "give me an overview of the house",
        "which rooms are there?",
        "what is this house like in general?",
    ),
    "judging": (
        "summarise the house",
        "what kinds of rooms are there?",
        "describe the house",
        "what are the main places here?",
        "how many rooms does it have?",
        "what is there to see here overall?",
    ),
}


def implicit_questions(house: House, is_judging: bool) -> Iterator[Question]:
    """Every question that names a use and that something in this house answers."""
    for group, text, things in JUDGING if is_judging else DEVELOPMENT:
        names = things.split(", ")
        accepted = frozenset(thing.id for thing in house.objects if thing.category in names)
        if accepted:
            yield Question("implicit", group, text, accepted)


def explicit_questions(house: House, is_judging: bool, number: int = 12) -> Iterator[Question]:
    """Questions that name a thing of this house by one of its names, with its colour or its room."""
    rng = np.random.default_rng([house.seed, 5])
    things = house.objects
    for place in rng.choice(len(things), min(number, len(things)), replace=False).tolist():
        thing = things[place]
        noun = str(rng.choice(NOUNS[thing.category]))
        with_colour = thing.colour_asked and rng.random() < 0.5
        text = f"{thing.colour} {noun}" if with_colour else f"{noun} in the {thing.room_type}"
        accepted = frozenset(
            other.id
            for other in things
            if other.category == thing.category
            and (other.colour == thing.colour if with_colour else other.room_type == thing.room_type)
        )
        yield Question("explicit", "judging" if is_judging else "development", f"where is the {text}?", accepted)


def global_questions(house: House, is_judging: bool) -> Iterator[Question]:
    """Questions about the whole house; a list answers them that shows something of every room."""
    group = "judging" if is_judging else "development"
    for text in _GLOBAL[group]:
        yield Question("global", group, text, frozenset(thing.id for thing in house.objects))
