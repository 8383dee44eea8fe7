"""Which things stand in which kinds of room: counted in the rooms that were lived in, nothing said beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from placecell.memory.object_states import SceneObject
    from placecell.memory.rooms import Room

__all__ = ["RoomPriors"]

Kinds = Sequence[tuple[str, float]]

_MOST: Final = 3.0  # a room is thought at most so much likelier, or less likely, than any other


class RoomPriors:
    """Counts of rooms by kind, and of those in which a thing stood.

    Kinds and names are what the memory made of rooms and things; both may be divided among several. A thing that never
    was seen anywhere says nothing of rooms, and nothing said is a factor of one.

    Args:
        smoothing: So many rooms' worth of the belief that a thing stands in all kinds of room alike.

    Example:
        >>> priors = RoomPriors()
        >>> for _ in range(4):
        ...     priors.count([("kitchen", 1.0)], {"kettle": 1.0})
        ...     priors.count([("bedroom", 1.0)], {"bed": 1.0})
        >>> round(priors.factor({"kettle": 1.0}, [("kitchen", 2.0)]), 2)
        1.67
        >>> round(priors.factor({"kettle": 1.0}, [("bedroom", 2.0)]), 2), priors.factor({"violin": 1.0}, [])
        (0.33, 1.0)
    """

    def __init__(self, smoothing: float = 2.0) -> None:
        if not smoothing > 0:
            raise ValueError(f"smoothing must be positive, got {smoothing}")
        self.smoothing = smoothing
        self._rooms: dict[str, float] = {}
        self._held: dict[str, dict[str, float]] = {}

    @property
    def num_rooms(self) -> float:
        """Rooms that were counted."""
        return sum(self._rooms.values(), 0.0)

    def learn(self, rooms: Sequence[Room], things: Sequence[SceneObject]) -> RoomPriors:
        """Count the rooms of a place, with the things in them; returns itself."""
        by_id = {thing.object_id: thing for thing in things if thing.state != "gone"}
        for room in rooms:
            held: dict[str, float] = {}
            for object_id in room.object_ids:
                if (thing := by_id.get(object_id)) is not None:
                    for name, share in thing.labels:
                        held[name] = max(held.get(name, 0.0), share * thing.confidence)
            self.count(room.names, held)
        return self

    def count(self, kinds: Kinds, held: Mapping[str, float]) -> None:
        """Count one room.

        Args:
            kinds: What it may be, with weights of any scale; a room of no known kind is left out.
            held: Things in it, each with the chance that it is there.
        """
        for kind, part in _shares(kinds):
            self._rooms[kind] = self._rooms.get(kind, 0.0) + part
            for name, chance in held.items():
                row = self._held.setdefault(name, {})
                row[kind] = row.get(kind, 0.0) + part * chance

    def plus(self, other: RoomPriors) -> RoomPriors:
        """What both have counted."""
        both = RoomPriors(self.smoothing)
        for each in (self, other):
            for kind, count in each._rooms.items():
                both._rooms[kind] = both._rooms.get(kind, 0.0) + count
            for name, held in each._held.items():
                row = both._held.setdefault(name, {})
                for kind, count in held.items():
                    row[kind] = row.get(kind, 0.0) + count
        return both

    def factor(self, names: Mapping[str, float], kinds: Kinds, said: str | None = None) -> float:
        """How much likelier a thing is in a room than in any other.

        Args:
            names: What the thing may be called, with chances that add up to at most one.
            kinds: What the room may be, with weights of any scale; nothing is known of a room without.
            said: The kind of room that it is said to be in.

        Returns:
            In [1/3, 3]; 1 where nothing speaks for or against the room.
        """
        shares = _shares(kinds)
        if not shares:
            return 1.0
        if said is not None:
            usual = (self._rooms.get(said, 0.0) + 0.1 * self.smoothing) / (self.num_rooms + self.smoothing)
            return _bounded(dict(shares).get(said, 0.0) / usual)
        lift = 1.0 - sum(names.values())
        for name, chance in names.items():
            lift += chance * self._lift(name, shares)
        return _bounded(lift)

    def _lift(self, name: str, shares: Kinds) -> float:
        """Chance that a room of these kinds holds a thing, over that of any room."""
        held = self._held.get(name, {})
        usual = sum(held.values()) / max(self.num_rooms, 1e-9)
        if usual <= 0:
            return 1.0
        smooth = self.smoothing
        return sum(
            part * (held.get(kind, 0.0) + smooth * usual) / (self._rooms.get(kind, 0.0) + smooth) / usual
            for kind, part in shares
        )


def _shares(kinds: Kinds) -> list[tuple[str, float]]:
    total = sum(weight for _, weight in kinds)
    return [(kind, weight / total) for kind, weight in kinds] if total > 0 else []


def _bounded(factor: float) -> float:
    return min(max(factor, 1 / _MOST), _MOST)
