"""Words that a reader compares pictures with: colours, rooms and everyday things.

Each tuple lists synonyms, the name to answer with first. A reader keeps only the names that its encoder knows.
"""

from __future__ import annotations

__all__ = ["COLOURS", "ROOMS", "THINGS", "is_plural", "singular", "stem", "words_of"]

import re

COLOURS: tuple[tuple[str, ...], ...] = (
    ("red",),
    ("orange",),
    ("yellow",),
    ("green",),
    ("blue",),
    ("purple", "violet"),
    ("pink",),
    ("brown",),
    ("black",),
    ("white",),
    ("grey", "gray"),
    ("beige",),
    ("turquoise", "teal"),
)

ROOMS: tuple[tuple[str, ...], ...] = (
    ("kitchen",),
    ("living room", "lounge", "sitting room"),
    ("bedroom",),
    ("bathroom", "washroom", "restroom"),
    ("dining room",),
    ("study", "office", "home office"),
    ("hallway", "corridor", "hall"),
    ("laundry room", "laundry", "utility room"),
    ("nursery", "kids room", "playroom"),
    ("garage",),
    ("storage room", "storeroom", "pantry"),
    ("library",),
    ("gym",),
    ("entrance", "foyer", "lobby"),
    ("balcony",),
    ("workshop",),
)

THINGS: tuple[tuple[str, ...], ...] = (
    ("sofa", "couch"),
    ("armchair",),
    ("chair",),
    ("stool",),
    ("table", "dining table"),
    ("coffee table",),
    ("desk",),
    ("bed",),
    ("wardrobe", "closet"),
    ("dresser", "chest of drawers"),
    ("nightstand", "bedside table"),
    ("bookshelf", "bookcase"),
    ("shelf",),
    ("cabinet", "cupboard"),
    ("fridge", "refrigerator"),
    ("stove", "oven", "cooker"),
    ("microwave",),
    ("sink",),
    ("toilet",),
    ("bathtub", "bath"),
    ("shower",),
    ("washing machine", "washer"),
    ("dishwasher",),
    ("television", "tv"),
    ("computer", "monitor", "screen"),
    ("laptop",),
    ("keyboard",),
    ("telephone", "phone"),
    ("lamp", "floor lamp"),
    ("clock",),
    ("mirror",),
    ("picture", "painting"),
    ("rug", "carpet"),
    ("curtain",),
    ("window",),
    ("door",),
    ("stairs", "staircase"),
    ("fireplace",),
    ("radiator", "heater"),
    ("piano",),
    ("guitar",),
    ("plant", "potted plant"),
    ("vase",),
    ("mug", "cup"),
    ("plate",),
    ("bowl",),
    ("bottle",),
    ("kettle",),
    ("teapot",),
    ("toaster",),
    ("pan", "pot"),
    ("book",),
    ("candle",),
    ("box",),
    ("basket",),
    ("bin", "trash can"),
    ("bucket",),
    ("towel",),
    ("pillow", "cushion"),
    ("teddy bear", "teddy"),
    ("ball",),
    ("toy",),
    ("umbrella",),
    ("bag", "backpack"),
    ("shoe",),
    ("hat",),
    ("suitcase",),
    ("bicycle", "bike"),
    ("apple",),
    ("banana",),
    ("car",),
    ("person",),
    ("dog",),
    ("cat",),
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
