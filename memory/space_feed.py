"""Keeps the spatial tree abreast of the things of a memory and the rooms that they are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from placecell.memory.space_tree import SpaceTree

if TYPE_CHECKING:
    from placecell.memory.object_states import SceneObject
    from placecell.memory.rooms import Room

__all__ = ["SpaceFeed"]

_LEAST_SHARE = 0.25  # a name with fewer votes is no label


class SpaceFeed:
    """Puts things into a spatial tree, and moves or removes those that changed; what did not change costs nothing.

    Args:
        tree: The tree to keep.

    Attributes:
        tree: That tree.
    """

    def __init__(self, tree: SpaceTree) -> None:
        self.tree = tree
        self._known: dict[str, tuple[SceneObject, tuple[str, ...]]] = {}

    def follow(self, things: Iterable[SceneObject], rooms: Iterable[Room] = ()) -> SpaceTree:
        """Bring the tree up to date.

        Args:
            things: All things of the memory now; those that are gone leave the tree.
            rooms: Rooms that say which things are in them; they stand above the cells.
        """
        rooms = list(rooms)
        has_floors = len({room.floor for room in rooms}) > 1
        region: dict[str, tuple[str, ...]] = {}
        for room in rooms:
            name = f"{room.name} {room.room_id.rpartition(':')[2]}"
            path = (f"floor {room.floor}", name) if has_floors else (name,)
            region |= dict.fromkeys(room.object_ids, path)
        seen, changed = {}, []
        for thing in things:
            if thing.state == "gone":
                continue
            seen[thing.object_id] = now = (thing, region.get(thing.object_id, ()))
            before = self._known.get(thing.object_id)
            if before is None or before[1] != now[1] or before[0] is not thing:
                changed.append(_row(*now))
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
