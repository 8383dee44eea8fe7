"""Words that a reader compares pictures with: colours, rooms and everyday things.

Each tuple lists synonyms, the name to answer with first. A reader keeps only the names that its encoder knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from placecell.perception.vocabulary import COLOUR_WORDS, NOUNS, ROOM_WORDS

__all__ = ["COLOURS", "ROOMS", "THINGS", "is_plural", "singular", "stem", "words_of"]


def _with(known: Mapping[str, tuple[str, ...]], *more: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The built-in encoder's synonyms, and further groups that other encoders know."""
    return (*known.values(), *more)


COLOURS: Final = _with(COLOUR_WORDS, ("brown",), ("grey", "gray"), ("beige",), ("turquoise", "teal"))

ROOMS: Final = _with(
    ROOM_WORDS,
    ("garage",),
    ("storage room", "storeroom", "pantry"),
    ("library",),
    ("gym",),
    ("balcony",),
    ("workshop",),
)

THINGS: Final = _with(
    NOUNS,
    *(
        ("armchair",),
        ("bench",),
        ("nightstand", "bedside table"),
        ("cabinet", "cupboard"),
        ("shower",),
        ("dishwasher",),
    ),
    *(("keyboard",), ("telephone", "phone"), ("mirror",), ("window",), ("door",), ("stairs", "staircase")),
    *(("fireplace",), ("radiator", "heater"), ("plate",), ("toaster",), ("pan", "saucepan"), ("candle",), ("box",)),
    *(("basket",), ("bucket",), ("towel",), ("pillow", "cushion"), ("bag", "handbag"), ("hat",), ("suitcase",)),
    *(("apple",), ("banana",), ("person", "man", "woman"), ("child",), ("dog",), ("cat",), ("bus",), ("truck",)),
)

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "feet": "foot",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "scarves": "scarf",
    "wolves": "wolf",
}
# Words that end in s and are no plurals, or whose singular nobody says.
_ALIKE = {"glasses", "scissors", "stairs", "trousers", "jeans", "shorts", "chess", "news", "series", "drawers", "pants"}


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers of `text`, apostrophes and hyphens kept inside words.

    Example:
        >>> words_of("Where's the T-shirt?")
        ["where's", 't-shirt']
    """
    return [word for word in re.findall(r"[^\W_]+(?:['’\-][^\W_]+)*", text.lower()) if word != "the"]


def singular(phrase: str) -> str:
    """`phrase` with its last word in the singular.

    Example:
        >>> singular("red boxes"), singular("bookshelves"), singular("glass")
        ('red box', 'bookshelf', 'glass')
    """
    head, space, word = phrase.rpartition(" ")
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif word in _ALIKE or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        pass
    elif word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("ses", "xes", "zes", "ches", "shes")) and not word.endswith(("vases", "houses", "nurses")):
        word = word[:-2]
    else:
        word = word[:-1]
    return head + space + word


def is_plural(word: str) -> bool:
    """Whether `word` has a singular that is written otherwise."""
    return singular(word) != word


def stem(word: str) -> str:
    """A word's form for matching: singular, apostrophe-s removed, US spelling folded into the British one."""
    word = singular(re.sub(r"['’]s$", "", word.lower()))
    return {"gray": "grey", "color": "colour", "tv": "television", "couch": "sofa"}.get(word, word)
