"""The scene that a memory knows: which of its things a phrase means, of which colour they are, where and on what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from placecell.agents.evidence import recollection_of
from placecell.agents.glimpses import Glimpses, Spot, spots_of
from placecell.agents.goals import Mention
from placecell.agents.looking import Looker
from placecell.agents.resting import gap_m, rests_on, shelved
from placecell.agents.sizes import SIZES, size_fit
from placecell.agents.thing_colours import ThingColours, coloured
from placecell.agents.usual import is_usual
from placecell.memory.object_states import ObjectChange, SceneObject, Sighting
from placecell.memory.records import Recollection, RecordId
from placecell.memory.room_names import Namer, view_namer
from placecell.memory.rooms import Room
from placecell.perception.scan import Scan
from placecell.perception.vocabulary import COLOUR_WORDS, NOUNS, ROOM_WORDS

__all__ = ["CARRIERS", "MAX_PICTURES", "MappedScene", "Match"]

MAX_PICTURES: Final = 4
NAMES: Final = tuple(NOUNS)
_COLUMN: Final = {name: i for i, name in enumerate(NAMES)}
_SURE_SIGHTINGS: Final = 2.0  # views after which a thing is taken to be no accident
_LIKELY: Final = 0.3  # a thing that fits worse is not what was meant
CARRIERS: Final = ("table", "desk", "dresser", "kitchen counter", "washing machine", "bookshelf", "bathtub", "tv")
_FAINT: Final = 0.1  # chance of a thing that only single views tell of, below which it is left out
_BOARDED: Final = ("bookshelf", "kitchen counter")
_BESIDE_M: Final = 0.2
_NEAR_M: Final = 0.6  # a thing on a wall or in a doorway belongs to a room that near
_REACH_M: Final = 0.3  # things of one name closer than this are one thing seen as two


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A thing, and the chance that it is what a phrase means."""

    thing: SceneObject
    chance: float


class MappedScene:
    """A reading of the memory's objects and places.

    Args:
        memory: A memory with `objects` and `places`.
        look: Names vectors of the memory's encoder.
        as_of: The scene as it was known at this time, seconds; None for now.
        glimpses: What was read of the memory's views before; it reads on.
    """

    def __init__(self, memory: Any, look: Looker, as_of: float | None = None, glimpses: Glimpses | None = None) -> None:
        self.memory, self.look, self._as_of = memory, look, as_of
        self._mapped: tuple[SceneObject, ...] = tuple(memory.objects.objects(as_of))
        self._glimpsed = self._overlooked(glimpses or Glimpses())
        self.things = (*self._mapped, *self._glimpsed)
        self._row = {thing.object_id: i for i, thing in enumerate(self.things)}
        self._thing_colours = ThingColours(memory)

    def _overlooked(self, glimpses: Glimpses) -> tuple[SceneObject, ...]:
        """Small things that views tell of where the map has none."""
        found: list[SceneObject] = []

        def scan_of(record_id: RecordId) -> Scan | None:
            scan: Scan | None = self.memory.get(record_id).scan
            return scan

        for spot in spots_of(glimpses.read(self.memory.records(), self._as_of)):
            if any(_explains(thing, spot) for thing in self._mapped):
                continue
            thing = spot.thing(len(found), 0.0)
            carried = max(
                (
                    rests_on(thing, other) * (0.2 + 0.8 * sum(other.share(name) for name in CARRIERS))
                    for other in self._mapped
                    if other.state != "gone"
                ),
                default=0.0,
            )
            chance = spot.chance(carried)
            if chance >= _FAINT and not glimpses.has_left(spot, scan_of, self._as_of):
                found.append(replace(thing, confidence=chance))
        return tuple(found)

    # --- names and colours -------------------------------------------------------------------------------------------

    @cached_property
    def chances(self) -> Float64[np.ndarray, "n c"]:
        """Chance of each thing to be of each category: what its views were called, what they look like, how large."""
        extra = np.zeros((len(self._glimpsed), len(NAMES)))
        for row, thing in zip(extra, self._glimpsed, strict=True):
            row[_COLUMN[thing.name]] = thing.confidence
        votes = np.zeros((len(self._mapped), len(NAMES)))
        for row, thing in zip(votes, self._mapped, strict=True):
            for name, share in thing.labels:
                if name in _COLUMN:
                    row[_COLUMN[name]] = share
        if not len(votes):
            return extra
        looks = votes.copy()
        seen = [i for i, thing in enumerate(self._mapped) if thing.embedding is not None]
        if seen:
            vectors = np.stack([np.asarray(self._mapped[i].embedding, np.float32) for i in seen])
            groups = [NOUNS[name][:1] for name in NAMES]
            looks[seen] = self.look.divide(vectors, groups, self.look.object_prompt)
        floors = [floor.height_m for floor in self.memory.places.floors] or [0.0]
        fits = [
            [size_fit(name, thing.low_m, thing.high_m, self._floor_under(thing, floors)) for name in NAMES]
            for thing in self._mapped
        ]
        both = (votes + looks) * np.sqrt(fits)  # (n, c)
        both /= np.maximum(both.sum(axis=1, keepdims=True), 1e-9)
        return np.concatenate([both * np.array([self._is_real(thing) for thing in self._mapped])[:, None], extra])

    @staticmethod
    def _floor_under(thing: SceneObject, floors: Sequence[float]) -> float:
        return max((height for height in floors if height <= thing.low_m[1] + 0.3), default=min(floors))

    def _is_real(self, thing: SceneObject) -> float:
        """Chance that a thing is one, and no accident of a few views."""
        if self._row[thing.object_id] >= len(self._mapped):
            return thing.confidence
        if thing.is_privileged:
            return 1.0
        return thing.confidence * (1.0 - math.exp(-thing.num_sightings / _SURE_SIGHTINGS))

    def name_of(self, thing: SceneObject) -> str:
        """What a thing is most likely called."""
        row = self.chances[self._row[thing.object_id]]
        return NAMES[int(row.argmax())] if row.any() else thing.name

    def colours(self, thing: SceneObject, names: Sequence[str]) -> dict[str, float]:
        """How likely a thing, taken for one of `names`, is of each colour; empty where nothing of it was seen."""
        if thing.embedding is None:
            return {}
        noun = max(names, key=lambda name: self.chance(thing, (name,))) if names else self.name_of(thing)
        groups = [(f"{colour} {noun}",) for colour in COLOUR_WORDS]
        shares = self.look.divide(np.asarray(thing.embedding, np.float32)[None], groups, self.look.thing_prompt)[0]
        return coloured(dict(zip(COLOUR_WORDS, shares.tolist(), strict=True)), self._thing_colours.of(thing))

    def chance(self, thing: SceneObject, names: Sequence[str]) -> float:
        """Chance that a thing is of one of these categories."""
        row = self.chances[self._row[thing.object_id]]
        return min(1.0, float(sum(row[_COLUMN[name]] for name in names if name in _COLUMN)))

    # --- what a phrase means -----------------------------------------------------------------------------------------

    def find(self, mention: Mention, room: str | None = None, with_gone: bool = False) -> list[Match]:
        """Things that a phrase may mean, likeliest first.

        Args:
            mention: The phrase; its colour, room and neighbours count.
            room: Only things in rooms of this type.
            with_gone: Whether things count that are no longer there.
        """
        found = []
        for thing in self.things:
            if thing.state == "gone" and not with_gone:
                continue
            chance = self._fits(thing, mention)
            if chance < 0.02:
                continue
            if mention.colour is not None:
                chance *= self.colours(thing, mention.names).get(mention.colour, 0.0)
            place = room or mention.room
            if place is not None:
                chance *= self.in_room(thing, place)
            if chance >= 0.02:
                found.append(Match(thing, chance))
        for relation, other in mention.near:
            anchors = [match for match in self.find(other) if match.chance >= _LIKELY]
            kept = []
            for match in found:
                holds = max(
                    (self._relates(match.thing, relation, anchor.thing) * anchor.chance for anchor in anchors),
                    default=0.0,
                )
                if holds > 0:
                    kept.append(Match(match.thing, match.chance * holds))
            found = kept
        return sorted(found, key=lambda match: (-match.chance, match.thing.object_id))

    def _fits(self, thing: SceneObject, mention: Mention) -> float:
        if mention.names:
            return self.chance(thing, mention.names)
        if thing.embedding is None or not mention.phrase:
            return 0.0
        known = self.look.chances(np.asarray(thing.embedding, np.float32)[None], mention.phrase)
        return 0.0 if known is None else float(known[0]) * self._is_real(thing)

    def is_known(self, mention: Mention) -> bool:
        """Whether the words of a phrase mean anything to the scene: a category, or words of the encoder."""
        return bool(mention.names) or (bool(mention.phrase) and self.look.knows(mention.phrase))

    def best(self, mention: Mention, room: str | None = None, with_gone: bool = False) -> Match | None:
        """What a phrase most likely means; None where nothing fits at all."""
        found = self.find(mention, room, with_gone)
        return found[0] if found else None

    def all_of(self, mention: Mention, room: str | None = None) -> list[Match]:
        """Every thing that a phrase fits better than not, one thing seen as two counted once."""
        kept: list[Match] = []
        for match in self.find(mention, room):
            if match.chance >= 0.5 and all(
                gap_m(match.thing, other.thing) > 0.0
                or math.dist(match.thing.position_m, other.thing.position_m) > _REACH_M
                for other in kept
            ):
                kept.append(match)
        return kept

    # --- space -------------------------------------------------------------------------------------------------------

    @cached_property
    def rooms(self) -> list[Room]:
        """Rooms of the map, named by the things in them and by the pictures taken there."""
        return list(self.memory.places.rooms(self._mapped, self._namer()))

    def _namer(self) -> Namer:
        names = [name for group in self.look.known(tuple(ROOM_WORDS.values())) for name in group[:1]]
        texts = self.look.vectors([self.look.room_prompt.format(name) for name in names])

        def vector_of(record_id: RecordId) -> np.ndarray | None:
            vectors = self.memory.get(record_id).embeddings
            return None if vectors is None else np.asarray(vectors[0], np.float32)

        return view_namer(vector_of, dict(zip(names, texts, strict=True)), self.look.scale)

    @cached_property
    def _room_of(self) -> dict[str, Room]:
        return {object_id: room for room in self.rooms for object_id in room.object_ids}

    def room_at(self, position_m: Sequence[float]) -> Room | None:
        """The room that holds a point, or is within `_NEAR_M` of it; None where there is none."""
        nearest: tuple[float, Room | None] = (_NEAR_M, None)
        floors = {floor.number: floor for floor in self.memory.places.floors}
        for room in self.rooms:
            rows, columns = np.nonzero(room.mask)
            (x0, z0), cell_m = floors[room.floor].origin_m, floors[room.floor].cell_m
            dx, dz = x0 + (columns + 0.5) * cell_m - position_m[0], z0 + (rows + 0.5) * cell_m - position_m[2]
            away_m = float(np.sqrt((dx * dx + dz * dz).min()))
            if away_m < nearest[0]:
                nearest = away_m, room
        return nearest[1]

    def room_of(self, thing: SceneObject) -> Room | None:
        """The room that a thing stands in."""
        return self._room_of.get(thing.object_id) or self.room_at(thing.position_m)

    @staticmethod
    def room_chance(room: Room, name: str | None = None) -> float:
        """Chance that a room is what it is called, or what somebody else calls it."""
        shares = dict(room.names)
        total = sum(shares.values())
        return shares.get(name or room.name, 0.0) / total if total > 0 else 0.0

    def in_room(self, thing: SceneObject, name: str) -> float:
        """Chance that a thing stands in a room of this type."""
        room = self.room_of(thing)
        return 0.0 if room is None else 1.0 if room.name == name else self.room_chance(room, name)

    def holds(self, carrier: SceneObject, thing: SceneObject) -> float:
        """How well a thing fits on top of another, or on a board of what has boards, in [0, 1]."""
        fit = rests_on(thing, carrier)
        boarded = self.chance(carrier, _BOARDED) if fit < 0.8 else 0.0
        return max(fit, 0.8 * boarded * shelved(thing, carrier)) if boarded > 0.3 else fit

    def foot_m(self, thing: SceneObject) -> float:
        """How high above its floor a thing begins, metres."""
        floors = [floor.height_m for floor in self.memory.places.floors] or [0.0]
        return float(thing.low_m[1] - self._floor_under(thing, floors))

    def below(self, thing: SceneObject, names: Sequence[str]) -> SceneObject | None:
        """What most likely carries a thing that is put on others and that none fits under; None where it may lie."""
        is_put = any(name in SIZES and SIZES[name][4] == "put" for name in names or (self.name_of(thing),))
        near = [
            (self.chance(other, CARRIERS) * (2.0 if is_usual(names, (self.name_of(other),)) else 1.0), other)
            for other in self._mapped
            if other is not thing and other.state != "gone" and gap_m(thing, other) <= _BESIDE_M
        ]
        best = max(near, key=lambda pair: (pair[0], pair[1].object_id), default=(0.0, thing))
        return best[1] if is_put and best[0] >= 0.3 else None

    def carrier_of(self, thing: SceneObject) -> tuple[SceneObject, float] | None:
        """What a thing stands on, and how well that fits: by geometry, and by whether things are put on such things."""
        held = [
            (other, self.holds(other, thing) * (0.2 + 0.8 * self.chance(other, CARRIERS)))
            for other in self._mapped
            if other is not thing and other.state != "gone"
        ]
        held = [pair for pair in held if pair[1] > 0.1]
        return max(held, key=lambda pair: (pair[1], pair[0].object_id)) if held else None

    def on(self, carrier: SceneObject) -> list[Match]:
        """What stands on a thing, surest first."""
        found = [
            Match(thing, self.holds(carrier, thing) * self._is_real(thing))
            for thing in self.things
            if thing is not carrier and thing.state != "gone"
        ]
        return sorted((m for m in found if m.chance > 0.2), key=lambda m: (-m.chance, m.thing.object_id))

    def _relates(self, thing: SceneObject, relation: str, anchor: SceneObject) -> float:
        if thing is anchor:
            return 0.0
        if relation == "on":
            return self.holds(anchor, thing)
        return 1.0 if gap_m(thing, anchor) <= 1.0 else 0.0

    # --- change ------------------------------------------------------------------------------------------------------

    @cached_property
    def changes(self) -> list[ObjectChange]:
        """What moved, went or came, as the object map noticed it."""
        return [
            change for change in self.memory.objects.changes() if self._as_of is None or change.stamp_s <= self._as_of
        ]

    def change_of(self, thing: SceneObject) -> ObjectChange | None:
        """The last change of a thing."""
        own = [change for change in self.changes if change.object_id == thing.object_id]
        return own[-1] if own else None

    # --- evidence ----------------------------------------------------------------------------------------------------

    def pictures(self, things: Iterable[SceneObject], chance: float, why: str = "") -> tuple[Recollection, ...]:
        """At most `MAX_PICTURES` records that show the things, those that show several of them first."""
        left = {thing.object_id: thing for thing in things}
        views: dict[RecordId, dict[str, Sighting]] = {}
        for thing in left.values():
            for sighting in thing.sightings:
                views.setdefault(sighting.record_id, {})[thing.object_id] = sighting
        chosen: list[Recollection] = []
        while left and views and len(chosen) < MAX_PICTURES:
            record_id = max(
                views,
                key=lambda key: (
                    sum(s.quality for name, s in views[key].items() if name in left),
                    key.agent_id,
                    key.seq,
                ),
            )
            shown = views.pop(record_id)
            new = [name for name in shown if name in left]
            if not new:
                break
            names = ", ".join(dict.fromkeys(self.name_of(left[name]) for name in new))
            hit = recollection_of(self.memory.get(record_id), chance, why or f"shows the {names}")
            box = shown[new[0]].box
            chosen.append(replace(hit, box=box))
            for name in new:
                del left[name]
        return tuple(chosen)


def _explains(thing: SceneObject, spot: Spot) -> bool:
    """Whether a thing of the map is what was seen there: about as large, and called so too."""
    if thing.share(spot.name) <= 0.2:
        return False
    least = np.maximum(np.asarray(thing.size_m), 0.0).max()
    inside = all(
        low - 0.1 < at < high + 0.1
        for at, low, high in zip((spot.low_m + spot.high_m) / 2, thing.low_m, thing.high_m, strict=True)
    )
    return bool(inside and least <= max(1.0, 2.2 * float((spot.high_m - spot.low_m).max())))
