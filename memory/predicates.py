"""What a recall may be limited to: an exact conjunction over place, time, stream and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from placecell.memory.records import Moment

__all__ = ["Predicate"]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A conjunction of exact predicates; None lets everything through.

    Args:
        near: Point (metres, world frame) and radius; what has no position is not near anything.
        between: Seconds of stream time; a record counts if its time meets the interval, ends included.
        streams: Agents.
        labels: A record must have all of them.

    Raises:
        ValueError: If a point is not finite, a radius negative, or an interval runs backwards.

    Example:
        >>> Predicate(between=(0.0, 60.0)).within(30.0, 90.0)
        Predicate(near=None, between=(30.0, 60.0), streams=None, labels=None)
    """

    near: tuple[tuple[float, float, float], float] | None = None
    between: tuple[float, float] | None = None
    streams: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.near is not None:
            (x, y, z), radius = self.near
            if not all(map(math.isfinite, (x, y, z))) or not radius >= 0:
                raise ValueError(f"near must be ((x, y, z), radius_m) with finite numbers, got {self.near}")
        if self.between is not None and not self.between[0] <= self.between[1]:
            raise ValueError(f"between must be (start_s, end_s) with start_s <= end_s, got {self.between}")

    def lets_through(self, moment: Moment) -> bool:
        """Whether a moment satisfies every predicate."""
        if self.streams is not None and moment.record_id.agent_id not in self.streams:
            return False
        if self.between is not None and not (moment.stamp_s <= self.between[1] and moment.end_s >= self.between[0]):
            return False
        if self.labels is not None and not set(self.labels) <= set(moment.labels):
            return False
        if self.near is not None:
            return moment.position_m is not None and math.dist(moment.position_m, self.near[0]) <= self.near[1]
        return True

    def within(self, start_s: float, end_s: float) -> Predicate | None:
        """This predicate, and nothing outside of an interval; None when nothing is left."""
        low, high = self.between or (-math.inf, math.inf)
        low, high = max(low, start_s), min(high, end_s)
        return replace(self, between=(low, high)) if low <= high else None

    def known_at(self, stamp_s: float) -> Predicate:
        """This predicate with its interval cut where nothing that began by `stamp_s` is lost."""
        low, high = self.between or (-math.inf, math.inf)
        return replace(self, between=(low, max(low, min(high, stamp_s))))

    @property
    def is_open(self) -> bool:
        """Whether everything is let through."""
        return self == Predicate()
