"""What the object map hands out: things, where they stood and when, the views that show them, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from placecell.memory.records import RecordId

__all__ = ["ObjectChange", "SceneObject", "Sighting", "State", "Stay"]

Point = tuple[float, float, float]
State = Literal["here", "moved", "gone", "unsure"]


@dataclass(frozen=True, slots=True)
class Stay:
    """A stretch of time that a thing spent at one place; `to_s` is when it was last seen there, None if it still is."""

    position_m: Point
    from_s: float
    to_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A view that shows a thing.

    Args:
        record_id: The record of the view.
        stamp_s: When.
        quality: How well it is seen, in [0, 1]: large, whole, and surely one thing.
        box: Left, top, right, bottom as fractions of the picture.
    """

    record_id: RecordId
    stamp_s: float
    quality: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class SceneObject:
    """One thing of the scene, as all views together tell of it.

    Args:
        object_id: `agent:number`; stays the same while the thing moves.
        agent_id: Who saw it first.
        name: What it is most likely called; empty if no view named it.
        labels: Names with their shares of the votes, best first; the shares add up to at most one.
        embedding: Direction of all its crops together, unit length `(d,)` float32, or None.
        position_m: Middle of its box, world frame.
        low_m: Lowest corner of its box.
        high_m: Highest corner of its box.
        num_sightings: How often it was seen.
        confidence: How sure the map is that this is one thing, in [0, 1].
        first_s: When it was first seen, anywhere.
        last_s: When it was last seen.
        state: "here" where it was last seen; "moved": here, and it was elsewhere before; "gone": its last place was
            seen empty; "unsure": its last place was seen empty, but not clearly enough, or views contradict each other.
        since_s: When that state began: first seen at this place, or first missed.
        stays: Its places, oldest first.
        sightings: The best views of it, latest place first, best first.
        is_privileged: Whether a simulator's masks told of it.
    """

    object_id: str
    agent_id: str
    name: str
    labels: tuple[tuple[str, float], ...]
    embedding: np.ndarray | None
    position_m: Point
    low_m: Point
    high_m: Point
    num_sightings: int
    confidence: float
    first_s: float
    last_s: float
    state: State
    since_s: float
    stays: tuple[Stay, ...]
    sightings: tuple[Sighting, ...]
    is_privileged: bool = False

    @property
    def size_m(self) -> Point:
        """Extent of its box along x, y and z."""
        (a, b, c), (x, y, z) = self.low_m, self.high_m
        return x - a, y - b, z - c

    def share(self, name: str) -> float:
        """Share of the votes for a name, 0 if nobody called it so."""
        return next((share for label, share in self.labels if label == name), 0.0)


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """Something that is not where it was.

    Args:
        kind: "moved" from `before_m` to `after_m`; "gone" from `before_m`; "new" at `after_m`, a place that had been
            seen without it.
        object_id: Which thing; of what no view told apart from its surroundings, an id that no thing of the map has.
        before_m: Where it was, None for a new one.
        after_m: Where it is, None for one that is gone.
        stamp_s: When it was noticed.
    """

    kind: Literal["moved", "gone", "new"]
    object_id: str
    before_m: Point | None
    after_m: Point | None
    stamp_s: float
