"""The words of the built-in encoder: how people name the things, colours and rooms of rendered houses.

Captions for training and the vocabulary of the tokenizer both come from here, so a word is known exactly if it was
trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from placecell.perception.tokens import STOP_WORDS

__all__ = ["COLOUR_WORDS", "GROUPS", "NOUNS", "PROMPTS", "ROOM_WORDS", "SPELLINGS", "Phrases", "vocabulary"]

#: What people call each category. Every name is trained as often as the others.
NOUNS: dict[str, tuple[str, ...]] = {
    "sofa": ("sofa", "couch", "settee"),
    "beanbag": ("beanbag", "bean bag", "beanbag chair"),
    "bed": ("bed",),
    "crib": ("crib", "cot"),
    "chair": ("chair", "dining chair"),
    "stool": ("stool", "bar stool"),
    "table": ("table", "dining table"),
    "desk": ("desk", "writing desk"),
    "bookshelf": ("bookshelf", "bookcase", "book shelf", "shelf"),
    "wardrobe": ("wardrobe", "closet"),
    "dresser": ("dresser", "chest of drawers", "drawers"),
    "fridge": ("fridge", "refrigerator"),
    "stove": ("stove", "oven", "cooker"),
    "kitchen counter": ("kitchen counter", "counter", "countertop", "worktop"),
    "washing machine": ("washing machine", "washer"),
    "sink": ("sink", "basin", "washbasin"),
    "toilet": ("toilet", "loo"),
    "bathtub": ("bathtub", "bath", "tub"),
    "tv": ("tv", "television", "tv set"),
    "floor lamp": ("floor lamp", "standing lamp"),
    "rug": ("rug", "carpet", "mat"),
    "potted plant": ("potted plant", "plant", "houseplant"),
    "trash can": ("trash can", "bin", "dustbin", "garbage can", "rubbish bin"),
    "piano": ("piano",),
    "ironing board": ("ironing board",),
    "rocking horse": ("rocking horse", "toy horse", "horse"),
    "bicycle": ("bicycle", "bike"),
    "guitar": ("guitar",),
    "ladder": ("ladder", "stepladder"),
    "coat rack": ("coat rack", "coat stand", "clothes rack"),
    "clock": ("clock", "wall clock"),
    "painting": ("painting", "artwork", "framed painting"),
    "curtain": ("curtain", "drape"),
    "mug": ("mug", "cup", "coffee mug", "coffee cup"),
    "bowl": ("bowl",),
    "bottle": ("bottle",),
    "vase": ("vase", "flower vase"),
    "book": ("book",),
    "laptop": ("laptop", "computer", "laptop computer"),
    "teddy bear": ("teddy bear", "teddy", "stuffed bear"),
    "ball": ("ball", "toy ball"),
    "desk lamp": ("desk lamp", "table lamp", "reading lamp"),
    "kettle": ("kettle", "teapot"),
    "microwave": ("microwave", "microwave oven"),
    "globe": ("globe", "world globe"),
    "toy car": ("toy car", "car"),
    "rubber duck": ("rubber duck", "duck", "toy duck"),
    "backpack": ("backpack", "rucksack", "schoolbag"),
    "boots": ("boots", "boot", "pair of boots", "shoes"),
    "umbrella": ("umbrella",),
}

#: Words for several categories at once.
GROUPS: dict[str, tuple[str, ...]] = {
    "lamp": ("floor lamp", "desk lamp"),
    "toy": ("teddy bear", "ball", "toy car", "rubber duck", "rocking horse"),
    "instrument": ("piano", "guitar"),
    "musical instrument": ("piano", "guitar"),
}

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "black": ("black",),
    "white": ("white",),
}

ROOM_WORDS: dict[str, tuple[str, ...]] = {
    "living room": ("living room", "lounge", "sitting room"),
    "kitchen": ("kitchen",),
    "bedroom": ("bedroom", "sleeping room"),
    "bathroom": ("bathroom", "washroom"),
    "dining room": ("dining room",),
    "office": ("office", "study", "home office"),
    "hallway": ("hallway", "hall", "corridor", "entrance hall"),
    "nursery": ("nursery", "kids room", "childrens room", "playroom"),
    "laundry room": ("laundry room", "laundry", "utility room"),
}

#: Other spellings, read as the known word.
SPELLINGS = {"closeup": "close"}

#: Templates for naming what a picture shows; "close-up" asks for the thing in the middle, not for all that is there.
#: "seen" is for finding a thing wherever it stands in a picture.
PROMPTS = {
    "object": "a close-up of a {}",
    "colour": "a close-up of something {}",
    "room": "a view of the {}",
    "seen": "a {}",
}

_THINGS = ("something", "thing", "object", "anything")


class Phrases:
    """Draws a wording at random for what a caption is to say.

    Args:
        rng: Where the choices come from.

    Example:
        >>> phrases = Phrases(np.random.default_rng(0))
        >>> set(phrases.thing("mug", "red").split()) >= {"red"}
        True
    """

    def __init__(self, rng: np.random.Generator):
        self._rng = rng

    def _one(self, options: Sequence[str]) -> str:
        return options[int(self._rng.integers(len(options)))]

    def noun(self, category: str) -> str:
        """A name of the category; its own name half the time."""
        options = NOUNS.get(category, (category,))
        return options[0] if self._rng.random() < 0.4 else self._one(options)

    def thing(self, category: str | None, colour: str | None = None, close: bool = False) -> str:
        """A caption of a thing, its colour, or both; `close` asks for the thing in the middle of the picture."""
        noun = self._one(_THINGS) if category is None else self.noun(category)
        text = noun
        if colour is not None:
            word = COLOUR_WORDS[colour][0] if self._rng.random() < 0.7 else self._one(COLOUR_WORDS[colour])
            text = f"{word} {noun}" if self._rng.random() < 0.75 else f"{noun} that is {word}"
            if category is None and self._rng.random() < 0.25:
                text = word
        return f"close-up {text}" if close else text

    def group(self, name: str) -> str:
        """A caption of a group of categories."""
        return name

    def room(self, room: str) -> str:
        """A caption of a room."""
        return self._one(ROOM_WORDS.get(room, (room,)))

    def thing_in_room(self, category: str, room: str) -> str:
        """A caption of a thing and the room it is in."""
        noun, place = self.noun(category), self.room(room)
        return f"{noun} in the {place}" if self._rng.random() < 0.8 else f"{place} with a {noun}"


def vocabulary(extra: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Every word that a caption can hold, sorted; stop words left out."""
    phrases = [*_THINGS, "close", *GROUPS]
    for table in (NOUNS, COLOUR_WORDS, ROOM_WORDS, extra or {}):
        phrases += [phrase for names in table.values() for phrase in names]
    words = {word for phrase in phrases for word in phrase.lower().split()}
    return sorted(words - STOP_WORDS)
