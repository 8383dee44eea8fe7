"""Keeps the spatial tree abreast of the things of a memory, the rooms that they are in, and views of every place.

A view of each place and direction stands in the tree beside the things: it answers for a place where nothing has a
name, and for rooms in which nothing was found at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from placecell.memory.records import Record, RecordId
from placecell.memory.space_tree import SpaceTree

if TYPE_CHECKING:
    from placecell.memory.object_states import SceneObject
    from placecell.memory.rooms import Room

__all__ = ["SpaceFeed", "Spot", "ViewSpots", "is_view"]

_LEAST_SHARE: Final = 0.25  # a name with fewer votes is no label
_SPOT_M: Final = 2.0
_DIRECTIONS: Final = 4  # views of one place, by the quarter of the circle that they look into
_VIEW: Final = "view "

Point = tuple[float, float, float]


def is_view(key: str) -> bool:
    """Whether a leaf that the feed put into the tree is a view, and no thing.

    Example:
        >>> is_view("view ann/3"), is_view("ann:3")
        (True, False)
    """
    return key.startswith(_VIEW)


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A view that stands for a place and a direction."""

    record_id: RecordId
    stamp_s: float
    position_m: Point
    vector: Float[np.ndarray, "d"] | None


class ViewSpots:
    """A fold that keeps the first view of each place and direction: what it holds grows with the space that was seen.

    Example:
        >>> spots, pose = ViewSpots(), np.eye(4)
        >>> for seq in (1, 2):
        ...     spots.fold(Record("ann", seq, "moment", float(seq), float(seq), np.eye(4)[:1], pose=pose))
        >>> [str(spot.record_id) for spot in spots.spots()]
        ['ann/1']
    """

    def __init__(self) -> None:
        self.version = 0
        self._spots: dict[tuple[int, ...], Spot] = {}

    def fold(self, record: Record) -> None:
        """Take in a record; only those with a picture and a pose count."""
        where = record.position_m
        if where is None or record.pose is None or record.embeddings is None or not all(map(math.isfinite, where)):
            return
        x, _, z = record.pose[:3, 2].tolist()
        turn = math.atan2(-x, -z) if math.isfinite(x) and math.isfinite(z) else 0.0
        quarter = math.floor((turn / (2 * math.pi) + 0.5 / _DIRECTIONS) * _DIRECTIONS) % _DIRECTIONS
        key = (*(math.floor(value / _SPOT_M) for value in where), quarter)
        known = self._spots.get(key)
        if known is None or (record.stamp_s, record.record_id) < (known.stamp_s, known.record_id):
            vector = record.embeddings[0] if len(record.embeddings) else None
            self._spots[key] = Spot(record.record_id, record.stamp_s, where, vector)
            self.version += 1

    def spots(self) -> list[Spot]:
        """One view of each place and direction, in the order of places."""
        return [self._spots[key] for key in sorted(self._spots)]


class SpaceFeed:
    """Puts things and views into a spatial tree; moves and removes those that changed, the rest costs nothing.

    Args:
        tree: The tree to keep.

    Attributes:
        tree: That tree.
    """

    def __init__(self, tree: SpaceTree) -> None:
        self.tree = tree
        self._known: dict[str, tuple[SceneObject | Spot, tuple[str, ...]]] = {}

    def follow(
        self,
        things: Iterable[SceneObject],
        rooms: Iterable[Room] = (),
        spots: Iterable[Spot] = (),
        room_at: Callable[[np.ndarray], str | None] = lambda point: None,
    ) -> SpaceTree:
        """Bring the tree up to date.

        Args:
            things: All things of the memory now; those that are gone leave the tree.
            rooms: Rooms that say which things are in them; they stand above the cells.
            spots: Views to stand beside the things.
            room_at: Key of the room at a point, None where there is none.
        """
        rooms = list(rooms)
        has_floors = len({room.floor for room in rooms}) > 1
        region: dict[str, tuple[str, ...]] = {}
        path_of: dict[str | None, tuple[str, ...]] = {}
        for room in rooms:
            name = f"{room.name} {room.room_id.rpartition(':')[2]}"
            path = (f"floor {room.floor}", name) if has_floors else (name,)
            region |= dict.fromkeys(room.object_ids, path)
            path_of[room.room_id] = path
        seen: dict[str, tuple[SceneObject | Spot, tuple[str, ...]]] = {}
        changed = []
        for thing in things:
            if thing.state == "gone":
                continue
            now = (thing, region.get(thing.object_id, ()))
            seen[thing.object_id] = now
            before = self._known.get(thing.object_id)
            if before is None or before[1] != now[1] or before[0] is not thing:
                changed.append(_row(*now))
        for spot in spots:
            key, above = f"{_VIEW}{spot.record_id}", path_of.get(room_at(np.asarray(spot.position_m)), ())
            seen[key] = (spot, above)
            before = self._known.get(key)
            if before is None or before[1] != above:
                changed.append(_view(key, spot, above))
        for object_id in self._known.keys() - seen.keys():
            self.tree.remove(object_id)
        self.tree.upsert_many(changed)
        self._known = seen
        return self.tree


def _row(thing: SceneObject, region: tuple[str, ...]) -> dict[str, Any]:
    names = [name for name, share in thing.labels if share >= _LEAST_SHARE]
    return {
        "key": thing.object_id,
        "position_m": thing.position_m,
        "vector": thing.embedding,
        "low_m": thing.low_m,
        "high_m": thing.high_m,
        "start_s": thing.first_s,
        "end_s": thing.last_s,
        "labels": [thing.name, *names] if thing.name else names,
        "region": region,
        "sources": [sighting.record_id for sighting in thing.sightings],
    }


def _view(key: str, spot: Spot, region: tuple[str, ...]) -> dict[str, Any]:
    return {
        "key": key, "position_m": spot.position_m, "vector": spot.vector, "start_s": spot.stamp_s, "region": region,
        "sources": (spot.record_id,),
    }  # fmt: skip
