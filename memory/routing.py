"""Which way a question goes, and the ways that lead through the spatial tree.

An *explicit* question names a thing: the chunk index and the leaves answer it. An *implicit* one names a use
("somewhere to wash my hands"): it is turned into the things and rooms that serve it, and a beam goes down the trees
after those. A *global* one is about the whole: summaries of one level answer it, rooms where it asks for places, times
otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from placecell.memory.affordances import Affordances
from placecell.memory.calibration import CERTAIN
from placecell.memory.channels import Channel
from placecell.memory.queries import Query, content_words, singular
from placecell.memory.records import RecordId
from placecell.memory.space_feed import is_view
from placecell.perception.vocabulary import ROOM_WORDS

if TYPE_CHECKING:
    from placecell.memory.space_cells import Cell, Leaf
    from placecell.memory.space_tree import SpaceTree

__all__ = [
    "Ground",
    "Needs",
    "asks_for_places",
    "find",
    "needs_of",
    "room_name",
    "seek",
    "space_channel",
    "uses_channel",
]

ROOM_WEIGHT: Final = 0.15  # what a fitting room adds to a thing in it
NAMED: Final = 4  # things that an explanation names, and that pictures are searched for
NEAR_BEST: Final = 0.6  # share of the best weight below which a thing is not worth looking for

_ROOMS: Final = frozenset(word for words in ROOM_WORDS.values() for word in words) | {
    "balcony",
    "garage",
    "garden",
    "terrace",
}
_PLACES = re.compile(r"\b(?:rooms?|places?|floors?|house|home|flat|apartment|building|layout|where)\b")


@dataclass(frozen=True, slots=True)
class Ground:
    """The spatial tree, and what its sources are in the memory's indexes.

    Attributes:
        tree: Things and views.
        item: Item of a record, None if it is not folded.
    """

    tree: SpaceTree
    item: Callable[[RecordId], int | None]


@dataclass(frozen=True, slots=True)
class Needs:
    """What serves a use.

    Attributes:
        things: Weight of each name of a thing, best first, in (0, 1].
        rooms: The same of rooms.
    """

    things: Mapping[str, float]
    rooms: Mapping[str, float]

    @property
    def best(self) -> tuple[str, ...]:
        """The few things that serve it about as well as the best one does."""
        least = NEAR_BEST * max(self.things.values(), default=0.0)
        return tuple(name for name in list(self.things)[:NAMED] if self.things[name] >= least)

    def served(self, leaf: Leaf) -> float:
        """How well a leaf serves it by what it is."""
        return max((self.things.get(label, 0.0) for label in leaf.labels), default=0.0)

    def of_leaf(self, leaf: Leaf) -> float:
        """How well a leaf serves it: its best label, and a little for the room that it is in."""
        own = self.served(leaf)
        return own + ROOM_WEIGHT * self._of_rooms([leaf.region]) if own > 0 else -math.inf

    def of_cell(self, cell: Cell) -> float:
        """The most that a leaf below can reach."""
        own = max((self.things.get(label, 0.0) for label in cell.labels), default=0.0)
        if own <= 0:
            return -math.inf
        rooms = max(self.rooms.values(), default=0.0) if cell.is_mixed else self._of_rooms([cell.region])
        return own + ROOM_WEIGHT * rooms

    def _of_rooms(self, regions: Iterable[Sequence[str]]) -> float:
        return max((self.rooms.get(room_name(name), 0.0) for region in regions for name in region), default=0.0)


def room_name(region: str) -> str:
    """What kind of room a region's name tells of: "bedroom 2" is a bedroom.

    Example:
        >>> room_name("bedroom 2"), room_name("floor_0")
        ('bedroom', 'floor')
    """
    return " ".join(re.findall(r"[^\W\d_]+", region.lower()))


def needs_of(text: str, space: SpaceTree | None, affordances: Affordances, names: Iterable[str] = ()) -> Needs:
    """Turn a question that names a use into what serves it.

    Args:
        text: The question.
        space: Whose things and rooms may serve it.
        affordances: What things are good for.
        names: Further names of things to choose from; those of rooms are left out, since no single view is one.
    """
    rooms: set[str] = set()
    things = {name for name in names if name not in _ROOMS}
    if space is not None and space.root is not None:
        rooms = {room_name(name) for cell in space.rooms() for name in cell.region} - {""}
        things |= set(space.root.labels)
    found = affordances.expand(text, things | rooms)
    return Needs(
        {name: weight for name, weight in found.items() if name in things},
        {name: weight for name, weight in found.items() if name in rooms},
    )


def seek(
    space: SpaceTree, needs: Needs, k: int, width: int | None = 8, visible: Callable[[Leaf], bool] | None = None
) -> list[tuple[Leaf, float]]:
    """The leaves that serve a use best, by a beam down the tree.

    Cells promise the most that a leaf below can reach, so that a beam misses a leaf only where more than `width` cells
    promise as much.

    Example:
        >>> from placecell.memory.space_tree import SpaceTree
        >>> space = SpaceTree()
        >>> for name, room in (("sink", "bathroom"), ("sofa", "living room"), ("mug", "kitchen")):
        ...     space.upsert(name, (0.0, 0.0, 0.0), labels=(name,), region=(room,))
        >>> needs = needs_of("somewhere to wash my hands", space, Affordances())
        >>> [leaf.key for leaf, _ in seek(space, needs, 1)]
        ['sink']
    """

    def score(leaf: Leaf) -> float:
        return needs.of_leaf(leaf) if visible is None or visible(leaf) else -math.inf

    return space.beam(score, needs.of_cell, k, width)


def find(space: SpaceTree, query: Query, k: int, affordances: Affordances) -> list[tuple[Leaf, float]]:
    """The leaves that a question names: by the words of their labels and texts, in the room that it names.

    A leaf scores the share of the subject's words that it holds, other names of its labels included, and with a text
    encoder half of that and half the cosine of their meanings; out of the room that was named, half of all.
    """
    subject = query.subject or query.semantic
    wanted = {singular(word) for word in content_words(subject)}
    place = room_name(query.place or "")
    root = space.root
    alike = {label: affordances.likeness(subject, label) for label in (() if root is None else root.labels)}

    def of_leaf(leaf: Leaf) -> float:
        words = {singular(word) for word in leaf.words}
        own = max(
            (
                alike[label] + len(wanted & (words | affordances.words(label))) / max(len(wanted), 1)
                for label in leaf.labels
            ),
            default=0.0,
        )
        fits = not place or any(room_name(name) in place for name in leaf.region)
        return own * (1.0 if fits else 0.5) if own > 0 else -math.inf

    return space.beam(of_leaf, lambda cell: 0.0, k, width=None)


def asks_for_places(query: Query) -> bool:
    """Whether a global question is about where rather than when: "which rooms are there?", "describe the house"."""
    return _PLACES.search(query.text.lower()) is not None and query.order is None


def space_channel(ground: Ground, needs: Needs, pool: int, visible: Callable[[int], bool]) -> Channel | None:
    """Views of the things that a beam down the spatial tree reaches, scored by how well those serve the use."""

    def is_shown(leaf: Leaf) -> bool:
        return any((item := ground.item(source)) is not None and visible(item) for source in leaf.sources)

    raw: dict[int, float] = {}
    chance: dict[int, float] = {}
    notes: dict[int, str] = {}
    for leaf, score in seek(ground.tree, needs, pool, visible=is_shown):
        items = [item for source in leaf.sources if (item := ground.item(source)) is not None and visible(item)]
        for place, item in enumerate(items):
            held = score * 0.99**place  # the best view of a thing first
            if held > raw.get(item, 0.0):
                raw[item], chance[item] = held, min(needs.served(leaf), CERTAIN)
                notes[item] = " in the ".join([leaf.labels[0], *(room_name(name) for name in leaf.region[-1:])])
    if not raw:
        return None
    # Things that do not serve it make the background: their number counts, their score is 0.
    count = max(sum(not is_view(key) for key in ground.tree), len(raw))
    mean = sum(raw.values()) / count
    std = math.sqrt(max(sum(score**2 for score in raw.values()) / count - mean**2, 1e-4))
    return Channel("space", raw, chance, mean, std, max(chance.values()), notes=notes, count=count)


def uses_channel(found: Sequence[tuple[str, float, Channel]]) -> Channel | None:
    """Several looks for one use as one channel: each candidate by the thing that it shows best.

    Args:
        found: Name of each thing, how well it serves the use, and its own channel.
    """
    if not found:
        return None
    best = max(weight for _, weight, _ in found)
    raw: dict[int, float] = {}
    merged = Channel("uses", raw, {}, 0.0, 1.0, 0.0, count=max(channel.count for _, _, channel in found))
    for name, weight, channel in found:
        share = weight / best
        merged.trust = max(merged.trust, share * channel.trust)
        for item in channel.raw:
            z = share * channel.z(item)
            if z > raw.get(item, -math.inf):
                raw[item] = z
                merged.chance[item] = share * channel.chance.get(item, 0.0)
                merged.notes[item] = f"looks like {name}, {channel.z(item):.1f} sd above the background"
                if item in channel.rows:
                    merged.rows[item] = channel.rows[item]
    return merged
