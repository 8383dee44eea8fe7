"""Which things there are: 50 categories, 9 colours, how each is built, where it stands, and what its colour governs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from placecell.envs import furniture, props
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
    f, p = furniture, props
    return (
        Category("sofa", f.sofa, 4, "wall_side", "upholstery"),
        Category("beanbag", f.beanbag, 3, "corner", "cloth"),
        Category("bed", f.bed, 4, "wall_side", "blanket"),
        Category("crib", f.crib, 3, "wall_side", "frame"),
        Category("chair", f.chair, 4, "middle", "seat and back"),
        Category("stool", f.stool, 3, "middle", "seat"),
        Category("table", f.table, 4, "middle", "top"),
        Category("desk", f.desk, 3, "wall_side", "top and drawers"),
        Category("bookshelf", f.bookshelf, 3, "wall_side", "boards", False),
        Category("wardrobe", f.wardrobe, 3, "wall_side", "body"),
        Category("dresser", f.dresser, 3, "wall_side", "body"),
        Category("fridge", f.fridge, 3, "wall_side", "body"),
        Category("stove", f.stove, 4, "wall_side", "body", False),
        Category("kitchen counter", f.counter, 4, "wall_side", "doors"),
        Category("washing machine", f.washing_machine, 3, "wall_side", "body"),
        Category("sink", f.sink, 3, "wall_side", "basin"),
        Category("toilet", f.toilet, 3, "wall_side", "ceramic"),
        Category("bathtub", f.bathtub, 3, "wall_side", "tub"),
        Category("tv", f.tv, 3, "wall_side", "bench", False),
        Category("floor lamp", f.floor_lamp, 4, "corner", "shade"),
        Category("rug", f.rug, 4, "middle", "cloth"),
        Category("potted plant", f.plant, 4, "corner", "pot", False),
        Category("trash can", f.bin_, 3, "corner", "body"),
        Category("piano", f.piano, 3, "wall_side", "body"),
        Category("ironing board", f.ironing_board, 3, "middle", "cover"),
        Category("rocking horse", f.rocking_horse, 3, "middle", "body"),
        Category("bicycle", f.bicycle, 3, "wall_side", "frame", False),
        Category("guitar", f.guitar, 3, "corner", "body"),
        Category("ladder", f.ladder, 3, "wall_side", "frame"),
        Category("coat rack", f.coat_rack, 3, "corner", "coats"),
        Category("clock", p.clock, 3, "wall", "dial"),
        Category("painting", p.painting, 4, "wall", "frame", False),
        Category("curtain", p.curtain, 3, "window", "cloth"),
        Category("mug", p.mug, 3, "surface", "body"),
        Category("bowl", p.bowl, 3, "surface", "body"),
        Category("bottle", p.bottle, 3, "surface", "body"),
        Category("vase", p.vase, 3, "surface", "body"),
        Category("book", p.book, 3, "surface", "cover"),
        Category("laptop", p.laptop, 3, "surface", "case", False),
        Category("teddy bear", p.teddy_bear, 3, "floor", "fur"),
        Category("ball", p.ball, 3, "floor", "skin"),
        Category("desk lamp", p.desk_lamp, 3, "surface", "head and base"),
        Category("kettle", p.kettle, 3, "surface", "body"),
        Category("microwave", p.microwave, 3, "surface", "body", False),
        Category("globe", p.globe, 3, "surface", "ocean", False),
        Category("toy car", p.toy_car, 3, "floor", "body"),
        Category("rubber duck", p.duck, 3, "surface", "body"),
        Category("backpack", p.backpack, 3, "floor", "cloth"),
        Category("boots", p.boots, 3, "floor", "leather"),
        Category("umbrella", p.umbrella, 3, "floor", "canopy"),
    )


CATALOGUE: dict[str, Category] = {kind.name: kind for kind in _kinds()}
CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)
