"""Which things there are: 50 categories, 9 colours, how each is built, where it stands, and what its colour governs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from placecell.envs import belongings, fixtures, hangings, seating, standing, storage, tableware
from placecell.envs.solids import Shape

__all__ = ["CATALOGUE", "CATEGORIES", "COLOURS", "Category"]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.09, 0.09),
    "orange": (0.97, 0.50, 0.07),
    "yellow": (0.96, 0.86, 0.16),
    "green": (0.12, 0.55, 0.18),
    "blue": (0.10, 0.28, 0.80),
    "purple": (0.46, 0.16, 0.66),
    "pink": (0.97, 0.56, 0.74),
    "black": (0.075, 0.075, 0.085),
    "white": (0.95, 0.95, 0.94),
}

Place = Literal["wall_side", "middle", "corner", "surface", "floor", "wall", "window"]


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of thing.

    Args:
        name: The word for it.
        build: Fills a `Shape`, given a generator for the proportions and the number of the variant.
        variants: How many distinct shapes `build` knows.
        place: Where it goes: with its back to a wall, in the middle of a room, in a corner, on a surface, on the
            floor as clutter, hung on a wall, or hung at a window.
        colour_governs: The part that shows the object's colour.
        colour_asked: Whether that part dominates, so that "which colour" is a fair question.
    """

    name: str
    build: Callable[[Shape, np.random.Generator, int], None]
    variants: int
    place: Place
    colour_governs: str
    colour_asked: bool = True


def _kinds() -> tuple[Category, ...]:
    return (
        Category("sofa", seating.sofa, 4, "wall_side", "upholstery"),
        Category("beanbag", seating.beanbag, 3, "corner", "cloth"),
        Category("bed", seating.bed, 4, "wall_side", "blanket"),
        Category("crib", seating.crib, 3, "wall_side", "frame"),
        Category("chair", seating.chair, 4, "middle", "seat and back"),
        Category("stool", seating.stool, 3, "middle", "seat"),
        Category("table", storage.table, 4, "middle", "top"),
        Category("desk", storage.desk, 3, "wall_side", "top and drawers"),
        Category("bookshelf", storage.bookshelf, 3, "wall_side", "boards", False),
        Category("wardrobe", storage.wardrobe, 3, "wall_side", "body"),
        Category("dresser", storage.dresser, 3, "wall_side", "body"),
        Category("fridge", fixtures.fridge, 3, "wall_side", "body"),
        Category("stove", fixtures.stove, 4, "wall_side", "body", False),
        Category("kitchen counter", fixtures.counter, 4, "wall_side", "doors"),
        Category("washing machine", fixtures.washing_machine, 3, "wall_side", "body"),
        Category("sink", fixtures.sink, 3, "wall_side", "basin"),
        Category("toilet", fixtures.toilet, 3, "wall_side", "ceramic"),
        Category("bathtub", fixtures.bathtub, 3, "wall_side", "tub"),
        Category("tv", storage.tv, 3, "wall_side", "bench", False),
        Category("floor lamp", standing.floor_lamp, 4, "corner", "shade"),
        Category("rug", standing.rug, 4, "middle", "cloth"),
        Category("potted plant", standing.plant, 4, "corner", "pot", False),
        Category("trash can", standing.bin_, 3, "corner", "body"),
        Category("piano", storage.piano, 3, "wall_side", "body"),
        Category("ironing board", fixtures.ironing_board, 3, "middle", "cover"),
        Category("rocking horse", standing.rocking_horse, 3, "middle", "body"),
        Category("bicycle", standing.bicycle, 3, "wall_side", "frame", False),
        Category("guitar", standing.guitar, 3, "corner", "body"),
        Category("ladder", standing.ladder, 3, "wall_side", "frame"),
        Category("coat rack", standing.coat_rack, 3, "corner", "coats"),
        Category("clock", hangings.clock, 3, "wall", "dial"),
        Category("painting", hangings.painting, 4, "wall", "frame", False),
        Category("curtain", hangings.curtain, 3, "window", "cloth"),
        Category("mug", tableware.mug, 3, "surface", "body"),
        Category("bowl", tableware.bowl, 3, "surface", "body"),
        Category("bottle", tableware.bottle, 3, "surface", "body"),
        Category("vase", tableware.vase, 3, "surface", "body"),
        Category("book", belongings.book, 3, "surface", "cover"),
        Category("laptop", belongings.laptop, 3, "surface", "case", False),
        Category("teddy bear", belongings.teddy_bear, 3, "floor", "fur"),
        Category("ball", belongings.ball, 3, "floor", "skin"),
        Category("desk lamp", belongings.desk_lamp, 3, "surface", "head and base"),
        Category("kettle", tableware.kettle, 3, "surface", "body"),
        Category("microwave", tableware.microwave, 3, "surface", "body", False),
        Category("globe", belongings.globe, 3, "surface", "ocean", False),
        Category("toy car", belongings.toy_car, 3, "floor", "body"),
        Category("rubber duck", belongings.duck, 3, "surface", "body"),
        Category("backpack", belongings.backpack, 3, "floor", "cloth"),
        Category("boots", belongings.boots, 3, "floor", "leather"),
        Category("umbrella", belongings.umbrella, 3, "floor", "canopy"),
    )


CATALOGUE: dict[str, Category] = {kind.name: kind for kind in _kinds()}
CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)
