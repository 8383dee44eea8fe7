"""What household things serve a purpose, and of which of them something may be said: what anybody knows of a home.

A reader knows this without looking; which of the things are there, and where, it must have seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from placecell.memory.affordances import Affordances
from placecell.perception.vocabulary import NOUNS

__all__ = ["things_for", "things_that_are"]

_TOYS: Final = "teddy bear, ball, toy car, rubber duck, rocking horse"
#: Words for what may be said of a thing -> the things of which it is true.
_TRAITS: Final[tuple[tuple[str, str], ...]] = (
    (r"instrument|makes? music|plays? music", "piano, guitar"),
    (r"\btoys?\b|plaything", _TOYS),
    (r"vehicle|means of transport|rides? (?:a )?(?:bike|bicycle)", "bicycle"),
    (r"living|alive|\bplants?\b|garden", "potted plant"),
    (r"(?:tells?|shows?) (?:the )?time", "clock"),
    (r"\bfeet\b|footwear|shoes", "boots"),
    (
        r"electric|plugged|socket|appliance|electronic",
        "fridge, stove, washing machine, tv, microwave, laptop, kettle, floor lamp, desk lamp",
    ),
    (r"\blight\b|lights? up|shines?", "floor lamp, desk lamp"),
    (r"bab(?:y|ies)|infant", "crib"),
    (r"child|children|kids?\b", f"crib, {_TOYS}"),
    (r"\bart\b|artwork", "painting"),
    (r"\bseats?\b|sit on|sat on", "sofa, chair, stool, beanbag"),
    (r"furniture", "sofa, bed, chair, table, desk, wardrobe, dresser, bookshelf, stool, crib, piano"),
    (r"\bcold\b|cools?", "fridge"),
    (r"\bhot\b|heats?", "stove, kettle, microwave"),
    (r"holds? (?:a )?(?:liquid|drink|water)|vessel|container", "mug, bottle, bowl, kettle, vase"),
    (r"computer", "laptop"),
    (r"irons? ", "ironing board"),
    (r"television|watch(?:es)? tv", "tv"),
)


def things_that_are(trait: str) -> tuple[str, ...]:
    """Categories of which something may be said; none if it is not understood.

    Example:
        >>> things_that_are("is a musical instrument")
        ('piano', 'guitar')
    """
    for pattern, names in _TRAITS:
        if re.search(pattern, trait.lower()):
            return tuple(name.strip() for name in names.split(","))
    return ()


@lru_cache(maxsize=1)
def _uses() -> Affordances:
    return Affordances()


@lru_cache(maxsize=1024)
def things_for(purpose: str) -> Mapping[str, float]:
    """How well each category serves a purpose, from 0 to 1, best first; empty if the purpose is not understood.

    Example:
        >>> next(iter(things_for("wash my hands")))
        'sink'
    """
    return _uses().expand(purpose, NOUNS)
