"""Facts that the maps show: what rests on, lies in and stands beside what, in which room, and what was moved.

Each thing has been at one place after the other. A relation of two things holds while both are where it holds; only the
pairs around things that changed are looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from placecell.memory.fact import EVIDENCE, Fact
from placecell.memory.object_states import ObjectChange, SceneObject
from placecell.memory.records import RecordId
from placecell.memory.relations import CONTAINERS, NEAR_M, NEXT_M, relations_of

if TYPE_CHECKING:
    from placecell.memory.places import Floor
    from placecell.memory.rooms import Room

__all__ = ["Plan", "RoomMap", "Scene", "SceneFacts", "shown_best"]

_STAYED_M: Final = 0.3  # what is found again within so far has not moved
_BESIDE_M: Final = 0.5  # what stands in a wall's cells belongs to the room within so far


@runtime_checkable
class Scene(Protocol):
    """What the graph needs of a map of things; `placecell.memory.objects.ObjectMap` is one."""

    @property
    def version(self) -> int:
        """Grows with every change."""
        ...

    def touched(self, since_version: int) -> set[str]:
        """Keys of things that may have changed since."""
        ...

    def objects(self) -> list[SceneObject]:
        """All things."""
        ...

    def changes(self) -> list[ObjectChange]:
        """What moved, went or came."""
        ...


@runtime_checkable
class Plan(Protocol):
    """What the graph needs of a map of rooms; `placecell.memory.places.Places` is one."""

    @property
    def version(self) -> int:
        """Grows with every change."""
        ...

    @property
    def floors(self) -> list[Floor]:
        """Grids of the floors."""
        ...

    def rooms(self, objects: Iterable[SceneObject] = ()) -> list[Room]:
        """Rooms, named by what is in them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Stand:
    """A thing at one place, from when until when."""

    low: Float64[np.ndarray, "3"]
    high: Float64[np.ndarray, "3"]
    from_s: float
    to_s: float | None
    known_s: float
    ended_s: float | None  # when it was noticed that it is over

    @property
    def volume_m3(self) -> float:
        return float((self.high - self.low).prod())


class SceneFacts:
    """Facts of the maps of one memory.

    Args:
        give_objects: Gives the map of things.
        give_places: Gives the map of rooms.

    Attributes:
        things: Things by key, as of the last `sync`.
        rooms: Rooms by key, as of the last `sync`.
        state: Grows with every `sync` that finds something changed.
    """

    def __init__(self, give_objects: Callable[[], Scene | None], give_places: Callable[[], Plan | None]) -> None:
        self._give_objects, self._give_places = give_objects, give_places
        self._scene: Scene | None = None
        self._scene_version = self._places_version = -1
        self._places: Plan | None = None
        self.things: dict[str, SceneObject] = {}
        self.rooms: dict[str, Room] = {}
        self.state = 0
        self._stands: dict[str, list[_Stand]] = {}
        self._pairs: dict[tuple[str, str], list[Fact]] = {}
        self._partners: dict[str, set[str]] = {}
        self._housed: dict[str, list[Fact]] = {}  # in which room each thing is
        self._moves: dict[str, list[Fact]] = {}
        self._room_map: RoomMap | None = None

    def sync(self) -> None:
        """Take in what has changed in the maps."""
        scene, places = self._give_objects(), self._give_places()
        before = (self._scene, self._scene_version, self._places, self._places_version)
        if scene is not self._scene:
            self._scene, self._scene_version = scene, -1
            self.things, self._stands, self._pairs, self._partners = {}, {}, {}, {}
            self._housed, self._moves = {}, {}
        touched: set[str] = set()
        if scene is not None and scene.version != self._scene_version:
            touched = self._take_things(scene)
        if places is not None and (places is not self._places or places.version != self._places_version):
            rooms = places.rooms(self.things.values())
            self.rooms = {room.room_id: room for room in rooms}
            self._room_map = RoomMap(places, rooms)
            self._places, self._places_version, touched = places, places.version, set(self.things)
        for name in touched:
            self._house(name)
        beside = {other for name in touched for other in self._partners.get(name, ())}
        for name in touched | beside:
            self._move(name)
        self.state += before != (self._scene, self._scene_version, self._places, self._places_version)

    def all(self) -> Iterator[Fact]:
        """All facts."""
        for table in (self._housed, self._moves, self._pairs):
            for facts in table.values():
                yield from facts

    def about(self, nodes: Iterable[str]) -> Iterator[Fact]:
        """Facts that touch one of some things, each once."""
        seen = set()
        for node in sorted(nodes):
            yield from self._housed.get(node, ())
            yield from self._moves.get(node, ())
            for other in self._partners.get(node, ()):
                key = (min(node, other), max(node, other))
                if key not in seen:
                    seen.add(key)
                    yield from self._pairs.get(key, ())

    def _take_things(self, scene: Scene) -> set[str]:
        things = {thing.object_id: thing for thing in scene.objects()}
        touched = (scene.touched(self._scene_version) & things.keys()) | (things.keys() - self.things.keys())
        for name in touched | (self.things.keys() - things.keys()):
            for other in self._partners.pop(name, ()):
                self._pairs.pop((name, other), None)
                self._pairs.pop((other, name), None)
                self._partners.get(other, set()).discard(name)
            self._stands.pop(name, None)
            self._housed.pop(name, None)
            self._moves.pop(name, None)
        self.things, self._scene_version = things, scene.version
        noticed: dict[str, list[ObjectChange]] = {}
        for change in scene.changes():
            noticed.setdefault(change.object_id, []).append(change)
        for name in touched:
            self._stands[name] = _stands(things[name], noticed.get(name, ()))
        self._pair_up(touched)
        return touched

    def _pair_up(self, touched: set[str]) -> None:
        rows = [(name, stand) for name in sorted(self._stands) for stand in self._stands[name]]
        if not rows or not touched:
            return
        lows, highs = np.stack([stand.low for _, stand in rows]), np.stack([stand.high for _, stand in rows])
        holds = np.array([self.things[name].name.split(" ")[-1] in CONTAINERS for name, _ in rows])
        for name in sorted(touched):
            for stand in self._stands[name]:
                on, within, gap = relations_of(stand.low, stand.high, lows, highs, holds)
                holds_it = np.array([self.things[name].name.split(" ")[-1] in CONTAINERS])
                for i in np.flatnonzero(gap < NEAR_M).tolist():
                    other, its = rows[i]
                    if other == name or (other in touched and other < name):
                        continue
                    up, inner, _ = relations_of(its.low, its.high, stand.low[None], stand.high[None], holds_it)
                    is_carried, carries = bool(on[i] or within[i]), bool(up[0] or inner[0])
                    if is_carried and carries:  # two boxes that are one: the smaller is carried
                        is_carried = (stand.volume_m3, name) < (its.volume_m3, other)
                    if is_carried:
                        found = [("in" if within[i] else "on", name, other)]
                    elif carries:
                        found = [("in" if inner[0] else "on", other, name)]
                    else:
                        a, b = sorted((name, other))
                        found = [("near", a, b), *([("next to", a, b)] if gap[i] < NEXT_M else [])]
                    self._note_pair(name, stand, other, its, found)

    def _note_pair(
        self, name: str, stand: _Stand, other: str, its: _Stand, found: Sequence[tuple[str, str, str]]
    ) -> None:
        from_s = max(stand.from_s, its.from_s)
        to_s = _earlier(stand.to_s, its.to_s)
        if to_s is not None and to_s <= from_s:
            return
        ended_s = None
        if to_s is not None:
            ended_s = min(s.ended_s for s in (stand, its) if s.to_s == to_s and s.ended_s is not None)
        evidence = _both_shown(self.things[name], self.things[other], from_s, to_s)
        known_s = max(stand.known_s, its.known_s)
        facts = [Fact(a, relation, b, from_s, to_s, known_s, ended_s, evidence) for relation, a, b in found]
        self._pairs.setdefault((min(name, other), max(name, other)), []).extend(facts)
        self._partners.setdefault(name, set()).add(other)
        self._partners.setdefault(other, set()).add(name)

    def _house(self, name: str) -> None:
        facts: list[Fact] = []
        for stand in self._stands.get(name, ()):
            room = None if self._room_map is None else self._room_map.at((stand.low + stand.high) / 2)
            if room is None:
                continue
            evidence = _shown(self.things[name], stand.from_s, stand.to_s)
            fact = Fact(name, "in", room, stand.from_s, stand.to_s, stand.known_s, stand.ended_s, evidence)
            last = facts[-1] if facts else None
            if last is not None and last.object == room and last.valid_to_s == stand.from_s:  # to and fro in one room
                fact = replace(fact, valid_from_s=last.valid_from_s, recorded_s=last.recorded_s, evidence=last.evidence)
                facts.pop()
            facts.append(fact)
        self._housed[name] = facts

    def _move(self, name: str) -> None:
        facts = []
        stands = self._stands.get(name, [])
        for before, after in zip(stands, stands[1:], strict=False):
            at_s = (before.from_s + (before.to_s if before.to_s is not None else before.from_s)) / 2
            for fact in self._placed(name):
                is_left = fact.holds_at(at_s) and not fact.holds_at(after.from_s)
                if fact.subject == name and fact.relation in ("in", "on") and is_left:
                    evidence = (*fact.evidence[:1], *_shown(self.things[name], after.from_s, after.to_s)[:1])
                    known_s = before.ended_s if before.ended_s is not None else after.known_s
                    facts.append(Fact(name, "moved from", fact.object, after.from_s, None, known_s, None, evidence))
        self._moves[name] = facts

    def _placed(self, name: str) -> Iterator[Fact]:
        yield from self._housed.get(name, ())
        for other in sorted(self._partners.get(name, ())):
            yield from self._pairs.get((min(name, other), max(name, other)), ())


def _earlier(a: float | None, b: float | None) -> float | None:
    return min((end for end in (a, b) if end is not None), default=None)


class RoomMap:
    """Which room a point is in."""

    def __init__(self, places: Plan, rooms: Iterable[Room]) -> None:
        self._floors = [(floor, np.zeros(floor.free.shape, np.int32)) for floor in places.floors]
        self._keys = [room.room_id for room in rooms]
        number_of = {floor.number: labels for floor, labels in self._floors}
        for i, room in enumerate(rooms, 1):
            number_of[room.floor][room.mask] = i

    def at(self, point: Float64[np.ndarray, "3"]) -> str | None:
        """Key of the room that a point is in or within half a metre of; None where there is none."""
        below = [pair for pair in self._floors if pair[0].height_m - 0.3 <= point[1]]
        if not below:
            return None
        floor, labels = below[-1]
        row, column = floor.cell(float(point[0]), float(point[2]))
        reach = max(1, round(_BESIDE_M / floor.cell_m))
        top, left = max(0, row - reach), max(0, column - reach)
        window = labels[top : max(0, row + reach + 1), left : max(0, column + reach + 1)]
        rows, columns = np.nonzero(window)
        if not len(rows):
            return None
        away = np.hypot(rows + top - row, columns + left - column)
        nearest = int(away.argmin())
        return self._keys[int(window[rows[nearest], columns[nearest]]) - 1] if away[nearest] <= reach else None


def _stands(thing: SceneObject, changes: Sequence[ObjectChange]) -> list[_Stand]:
    """The places of a thing, one after the other: each is believed in until the next one, or until it was missed."""
    low, high = np.asarray(thing.low_m, np.float64), np.asarray(thing.high_m, np.float64)
    stays = [thing.stays[0]]
    for stay in thing.stays[1:]:
        if math.dist(stay.position_m, stays[-1].position_m) > _STAYED_M:
            stays.append(stay)
    moved = {change.after_m: change.stamp_s for change in changes if change.kind == "moved"}
    found: list[_Stand] = []
    for i, stay in enumerate(stays):
        offset = np.asarray(stay.position_m) - np.asarray(thing.position_m)
        to_s = ended_s = None
        if i + 1 < len(stays):
            to_s = stays[i + 1].from_s
            ended_s = moved.get(stays[i + 1].position_m, to_s)
        elif thing.state == "gone":
            to_s = ended_s = thing.since_s
        found.append(_Stand(low + offset, high + offset, stay.from_s, to_s, stay.from_s, ended_s))
    return found


def shown_best(thing: SceneObject, until_s: float | None = None) -> tuple[RecordId, ...]:
    """The best views of a thing up to a time (seconds, that one included; None for all)."""
    seen = [s for s in thing.sightings if until_s is None or s.stamp_s <= until_s]
    return tuple(s.record_id for s in sorted(seen, key=lambda s: (-s.quality, s.record_id))[:EVIDENCE])


def _shown(thing: SceneObject, from_s: float, to_s: float | None) -> tuple[RecordId, ...]:
    """The best views of a thing within a time."""
    inside = [s for s in thing.sightings if s.stamp_s >= from_s and (to_s is None or s.stamp_s < to_s)]
    return tuple(s.record_id for s in sorted(inside, key=lambda s: (-s.quality, s.record_id))[:EVIDENCE])


def _both_shown(a: SceneObject, b: SceneObject, from_s: float, to_s: float | None) -> tuple[RecordId, ...]:
    """Views that show both things, or else the best one of each."""
    a, b = sorted((a, b), key=lambda thing: thing.object_id)
    both = {s.record_id for s in a.sightings} & {s.record_id for s in b.sightings}
    seen = [
        s for s in a.sightings if s.record_id in both and s.stamp_s >= from_s and (to_s is None or s.stamp_s < to_s)
    ]
    if seen:
        return tuple(s.record_id for s in sorted(seen, key=lambda s: (-s.quality, s.record_id))[:EVIDENCE])
    return (*_shown(a, from_s, to_s)[:1], *_shown(b, from_s, to_s)[:1])
