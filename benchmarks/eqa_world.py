"""What can be asked about a house: its things, how to name one so that no other is meant, and which of them show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from placecell.benchmarks.house_walks import sides_px
from placecell.envs.catalogue import CATALOGUE, CATEGORIES, COLOURS
from placecell.envs.house import Change, House, HouseEnv, HouseObject
from placecell.envs.layout import built
from placecell.geometry import pose_from

__all__ = ["KINDS", "MIN_SIDE_PX", "Draft", "World", "plural", "visible_sides"]

KINDS: Final = ("yes_no", "name", "colour", "room", "number")
MIN_SIDE_PX: Final = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it has an id; see `placecell.benchmarks.eqa_questions.EqaQuestion`."""

    template: str
    question: str
    answer: str
    kind: str
    target_ids: tuple[int, ...] = ()
    choices: tuple[str, ...] = ()
    is_answerable: bool = True


def visible_sides(house: House, points_per_room: int = 6, num_headings: int = 6) -> dict[int, int]:
    """Longest side, pixels, at which the agent's own camera sees each thing from a few places in every room.

    Args:
        house: The house.
        points_per_room: Places in each room, far from one another.
        num_headings: Views at each, evenly turned.
    """
    env = HouseEnv(house)
    rng = np.random.default_rng(house.seed)
    best: dict[int, int] = {}
    main = env.pathfinder.largest_island
    for room in house.rooms:
        spots = rng.uniform((room.x0, room.z0), (room.x1, room.z1), (200, 2))
        spots = np.array([p for p in spots if env.pathfinder.get_island(np.array([p[0], 0.0, p[1]])) == main])
        if not len(spots):
            continue
        chosen = [spots[0]]
        while len(chosen) < min(points_per_room, len(spots)):
            gaps = np.linalg.norm(spots[:, None] - np.array(chosen)[None], axis=2).min(axis=1)
            chosen.append(spots[int(gaps.argmax())])
        for x, z in chosen:
            for turn in range(num_headings):
                pose = pose_from(np.array([x, env.sensor_height_m, z]), 2 * math.pi * turn / num_headings, 0.0)
                for number, sides in sides_px(env.render_at(pose)[2]).items():
                    best[number] = max(best.get(number, 0), sides[0])
    return best


def plural(noun: str) -> str:
    """The plural of a category's name."""
    if noun == "boots":
        return "pairs of boots"
    if noun.endswith("shelf"):
        return noun[:-1] + "ves"
    return noun + ("es" if noun.endswith(("x", "sh", "ch")) else "s")


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """How many things of a house each phrase fits."""

    house: House
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for thing in self.house.objects:
            self.counts.update(self.of(thing))

    @staticmethod
    def of(thing: HouseObject) -> tuple[str, str, str]:
        """Its plain name, with its colour, with its room."""
        coloured = f"{thing.colour} {thing.category}" if thing.colour_asked else ""
        return thing.category, coloured, f"{thing.category} in the {thing.room_type}"


class World:
    """A house and its ground truth, as the templates need it.

    Args:
        house: As it is now.
        visible: Longest side of each thing in pixels, from the best place.
        before: As it was, or None.
        visible_before: The same for the house before.
        changes: What happened in between.
    """

    def __init__(
        self,
        house: House,
        visible: Mapping[int, int],
        before: House | None = None,
        visible_before: Mapping[int, int] | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        self.house, self.before, self.changes = house, before, tuple(changes)
        self._visible, self._visible_before = visible, visible_before or {}
        self._names = _Names(house)
        self._names_before = None if before is None else _Names(before)

    @cached_property
    def things(self) -> tuple[HouseObject, ...]:
        """Things that show."""
        return tuple(thing for thing in self.house.objects if self.shows(thing.id))

    def shows(self, object_id: int) -> bool:
        """Whether a thing fills `MIN_SIDE_PX` from somewhere."""
        return self._visible.get(object_id, 0) >= MIN_SIDE_PX

    def showed(self, object_id: int) -> bool:
        """Whether it did before the changes."""
        return self._visible_before.get(object_id, 0) >= MIN_SIDE_PX

    @cached_property
    def counts(self) -> Counter[str]:
        """How many things of each category there are, seen or not."""
        return Counter(thing.category for thing in self.house.objects)

    @cached_property
    def shown(self) -> frozenset[str]:
        """Categories of which something shows."""
        return frozenset(thing.category for thing in self.things)

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Categories that the house has not (and had not before the changes)."""
        had = set(self.counts) | ({t.category for t in self.before.objects} if self.before else set())
        return tuple(name for name in CATEGORIES if name not in had)

    @cached_property
    def rooms(self) -> dict[str, int]:
        """Type -> id of the rooms that are the only one of their type."""
        counts = Counter(room.type for room in self.house.rooms)
        return {room.type: room.id for room in self.house.rooms if counts[room.type] == 1}

    def in_room(self, room_id: int) -> list[HouseObject]:
        """Everything in a room, seen or not."""
        return [thing for thing in self.house.objects if thing.room_id == room_id]

    def refer(
        self, thing: HouseObject, colour: bool = True, room: bool = True, also_before: bool = False
    ) -> str | None:
        """A phrase that fits this thing alone, the shortest; None if there is none.

        Args:
            thing: What to name.
            colour: Whether its colour may be said.
            room: Whether its room may be said.
            also_before: Whether the phrase must fit no other thing before the changes either.
        """
        plain, coloured, placed = _Names.of(thing)
        for phrase, allowed in ((plain, True), (coloured, colour and bool(coloured)), (placed, room)):
            if not allowed or self._names.counts[phrase] > 1:
                continue
            if also_before and self._names_before is not None and self._names_before.counts[phrase] > 1:
                continue
            if also_before and phrase == placed:
                continue  # it may have been elsewhere
            return phrase
        return None

    def referable(self, colour: bool = True, room: bool = True) -> Iterator[tuple[HouseObject, str]]:
        """Things that show, with the phrase for each."""
        for thing in self.things:
            if phrase := self.refer(thing, colour, room):
                yield thing, phrase

    def nobody(self, rng: np.random.Generator, count: int = 12) -> list[str]:
        """Phrases that fit nothing in the house, half of them by the colour alone."""
        other = [
            f"{colour} {name}"
            for name in sorted(self.shown)
            if CATALOGUE[name].colour_asked
            for colour in COLOURS
            if not self._names.counts[f"{colour} {name}"]
            and not (self._names_before and self._names_before.counts[f"{colour} {name}"])
        ]
        half = count // 2
        picked = [other[int(i)] for i in rng.permutation(len(other))[:half]]
        return picked + [self.absent[int(i)] for i in rng.permutation(len(self.absent))[: count - half]]

    @cached_property
    def carriers(self) -> tuple[HouseObject, ...]:
        """Things that show and have a surface to put things on."""
        with_surface = {
            p.id for p in self.house.placements if built(p.category, p.colour, p.variant, p.build_seed).surfaces
        }
        return tuple(thing for thing in self.things if thing.id in with_surface)

    def on(self, carrier: HouseObject) -> list[HouseObject]:
        """What stands on a thing, seen or not."""
        return [thing for thing in self.house.objects if thing.on == carrier.id]

    @staticmethod
    def gap_m(a: HouseObject, b: HouseObject) -> float:
        """Distance between the boxes of two things on the floor plan."""
        apart = np.maximum(0.0, np.maximum(a.low_m - b.high_m, b.low_m - a.high_m))
        return float(math.hypot(apart[0], apart[2]))
