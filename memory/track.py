"""One thing at one place, as one agent saw it: what its views add up to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placecell.memory.object_states import Sighting
from placecell.memory.trust import chance_of_thing
from placecell.perception.colours import NUM_COLOURS

__all__ = ["Presence", "Track"]

_LISTED: Final = 0.25  # chance of being a thing from which on it is told
_CLEAR: Final = 0.8  # quality, and
_SURE: Final = 0.9  # confidence, of a view that needs no second
_SOLID: Final = 4  # what was seen less often before it was seen through was never there


@dataclass(slots=True)
class Presence:
    """A stretch of time for which a track's thing was there."""

    first_s: float
    last_s: float
    missed_s: float | None = None  # first view of the empty place since
    gone_s: float | None = None  # when that was certain
    empty_s: float | None = None  # when the place was last seen without it, before
    num_empty: int = 0  # distinct views of the empty place since
    num_filled: int = 0  # views since in which something was there that nobody named

    @property
    def is_over(self) -> bool:
        """Whether the place was seen empty for certain."""
        return self.gone_s is not None


@dataclass(slots=True, eq=False)
class Track:
    """One thing at one place, as one agent saw it; `AgentTracks` alone changes it."""

    number: int
    presences: list[Presence]
    votes: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    vector: np.ndarray | None = None  # sum of weighted unit vectors
    colours: np.ndarray = field(default_factory=lambda: np.zeros(NUM_COLOURS))  # sum of weighted histograms
    boxes: list[tuple[float, ...]] = field(default_factory=list)  # low, high of each kept sighting
    cuts: list[bool] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    num_sightings: int = 0
    poses: set[tuple[int, ...]] = field(default_factory=set)
    empty_poses: set[tuple[int, ...]] = field(default_factory=set)
    num_misses: int = 0
    num_asked: int = 0
    num_alarms: int = 0  # how often it was thought gone and was not
    last_fold: int = 0
    best_confidence: float = 0.0
    sum_confidence: float = 0.0
    best_quality: float = 0.0
    size_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    part: float = 0.0  # share of its box in a larger track beside which it is not seen
    fill: float = 0.0  # mean share of hits when it was seen
    num_fills: int = 0
    is_privileged: bool = False
    changed: int = 0
    absorbed: list[int] = field(default_factory=list)  # numbers of the duplicates that became part of it

    @property
    def is_confirmed(self) -> bool:
        """Whether it is rather a thing than not: seen from two places, or once beyond doubt, and never a ghost."""
        enough = len(self.poses) >= 2 or (self.best_quality >= _CLEAR and self.best_confidence >= _SURE)
        is_ghost = self.num_sightings < _SOLID and any(presence.is_over for presence in self.presences)
        return enough and not is_ghost and self.num_sightings * 3 >= self.num_misses and self.confidence >= _LISTED

    @property
    def confidence(self) -> float:
        """Chance that this is one thing; see `chance_of_thing`."""
        name_share = max(self.shares.values(), default=None)
        mean = self.sum_confidence / max(self.num_sightings, 1)
        return chance_of_thing(len(self.poses), mean, self.best_quality, name_share, self.size_m, self.part)

    @property
    def length_m(self) -> float:
        """Diagonal of its box."""
        return math.hypot(*self.size_m)

    @property
    def usual_hits(self) -> float:
        """Share of the rays through its box that it stops, 0 if that could never be measured."""
        return self.fill if self.num_fills else 0.0

    @property
    def now(self) -> Presence:
        """The latest stretch of time."""
        return self.presences[-1]
