"""One thing at one place, as one agent saw it: what its views add up to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from placecell.memory.object_states import Sighting
from placecell.memory.records import Record
from placecell.memory.trust import chance_of_thing
from placecell.perception.colours import NUM_COLOURS, shared_colours
from placecell.perception.detection import NUM_IDENTITY, Detection

__all__ = ["KEPT_VIEWS", "OTHER", "SOON_S", "Presence", "Track", "differ"]

SOON_S: Final = 600.0  # things are seldom put elsewhere within so short a time: that takes what shape alone tells
OTHER: Final = 0.55  # share of colours below which a small thing that is met later is another one
_OTHER_LOOK: Final = 1.45  # the same of colours and likeness of crops together

_LISTED: Final = 0.35  # chance of being a thing from which on it is told
_CLEAR: Final = 0.8  # quality, and
_SURE: Final = 0.9  # confidence, of a view that needs no second
KEPT_VIEWS: Final = 64  # the best, which snapshots are chosen among: among 24 it takes a tenth more of them
_KEPT_SIGHTINGS: Final = 24  # of those that say what it is and where
_ENOUGH_WHOLE: Final = 3
_TRIM: Final = 0.1
_SOME: Final = 3  # sightings
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

    @property
    def is_missed_soon(self) -> bool:
        """Whether its place was seen empty before one had been away, as that of what never was there is."""
        return self.missed_s is not None and self.missed_s - self.last_s < SOON_S


@dataclass(slots=True, eq=False)
class Track:
    """One thing at one place, as one agent saw it; `AgentTracks` alone changes it."""

    number: int
    presences: list[Presence]
    votes: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    vector: np.ndarray | None = None  # sum of weighted unit vectors
    colours: np.ndarray = field(default_factory=lambda: np.zeros(NUM_COLOURS))  # sum of weighted histograms
    identity: np.ndarray = field(default_factory=lambda: np.zeros(NUM_IDENTITY, np.float32))  # sum over sightings
    boxes: list[tuple[float, ...]] = field(default_factory=list)  # low, high of each kept sighting
    cuts: list[bool] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    views: list[Sighting] = field(default_factory=list)
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
    low_m: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))  # corners of its box
    high_m: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    size_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    view_size_m: tuple[float, float] | None = None  # height and width in the median view, once it was asked for
    part: float = 0.0  # share of its box in a larger track beside which it is not seen
    fill: float = 0.0  # mean share of hits when it was seen
    num_fills: int = 0
    is_privileged: bool = False
    changed: int = 0
    visit: Track | None = None  # what its views since one came back tell by themselves,
    before_s: float = 0.0  # and when it had been seen last
    absorbed: list[int] = field(default_factory=list)  # numbers of the duplicates that became part of it

    @property
    def is_confirmed(self) -> bool:
        """Whether it is rather a thing than not: seen from two places, or once beyond doubt, and never a ghost."""
        enough = len(self.poses) >= 2 or (self.best_quality >= _CLEAR and self.best_confidence >= _SURE)
        is_ghost = self.num_sightings < _SOLID and any(p.is_over and p.is_missed_soon for p in self.presences)
        return enough and not is_ghost and self.num_sightings * 3 >= self.num_misses and self.confidence >= _LISTED

    @property
    def confidence(self) -> float:
        """Chance that this is one thing; see `chance_of_thing`."""
        name_share = max(self.shares.values(), default=None)
        mean = self.sum_confidence / max(self.num_sightings, 1)
        return chance_of_thing(len(self.poses), mean, self.best_quality, name_share, self.size_m, self.part)

    @property
    def may_have_gone(self) -> bool:
        """Whether it may have been a thing, however unsure, if its space was seen to empty when one came back."""
        is_missed = self.now.missed_s is not None and not self.now.is_missed_soon
        return is_missed and len(self.presences) == 1 and self.num_sightings >= _SOME

    @property
    def length_m(self) -> float:
        """Diagonal of its box."""
        return math.hypot(*self.size_m)

    @property
    def usual_size_m(self) -> tuple[float, float]:
        """Height, and the longer side of the ground plan, in the median view; those of the box if there is none."""
        if self.view_size_m is None:
            whole = [box for box, is_cut in zip(self.boxes, self.cuts, strict=True) if not is_cut] or self.boxes
            boxes = np.array(whole or [(0.0, 0.0, 0.0, *self.size_m)])
            sides = boxes[:, 3:] - boxes[:, :3]
            height, width = np.median(sides[:, 1]), np.median(np.maximum(sides[:, 0], sides[:, 2]))
            self.view_size_m = float(height), float(width)
        return self.view_size_m

    @property
    def usual_hits(self) -> float:
        """Share of the rays through its box that it stops, 0 if that could never be measured."""
        return self.fill if self.num_fills else 0.0

    @property
    def now(self) -> Presence:
        """The latest stretch of time."""
        return self.presences[-1]

    def add(self, detection: Detection, record: Record, cell: tuple[int, ...], fold: int) -> None:
        """Count a sighting in; `settle` says what follows from it."""
        quality = _quality(detection)
        for name, chance in detection.labels:
            self.votes[name] = self.votes.get(name, 0.0) + chance * quality
        self.sightings.append(Sighting(record.record_id, record.stamp_s, quality, detection.box))
        self.views.append(self.sightings[-1])
        self.boxes.append((*detection.low_m, *detection.high_m))
        self.cuts.append(detection.is_cut)
        self.num_sightings += 1
        self.last_fold = fold
        self.poses.add(cell)
        self.best_confidence = max(self.best_confidence, detection.confidence)
        self.sum_confidence += detection.confidence
        self.best_quality = max(self.best_quality, quality)
        self.is_privileged |= detection.is_privileged
        if detection.embedding is not None:
            self._look_like(quality * detection.embedding.astype(np.float32))
        if detection.colours is not None:
            self.colours = self.colours + quality * detection.colours
        if detection.identity is not None:
            self.identity = self.identity + detection.identity.astype(np.float32)
        self._forget()

    def take(self, other: Track, is_like: bool) -> None:
        """Count another track's sightings in.

        Args:
            other: The other.
            is_like: Whether both look alike; else it is the better known one that says what the thing looks like.
        """
        if is_like:
            for name, votes in other.votes.items():
                self.votes[name] = self.votes.get(name, 0.0) + votes
            if other.vector is not None:
                self._look_like(other.vector)
            self.colours, self.identity = self.colours + other.colours, self.identity + other.identity
        elif other.num_sightings > self.num_sightings:
            vector = self.vector if other.vector is None else other.vector
            self.votes, self.vector = dict(other.votes), vector
            self.colours, self.identity = other.colours, other.identity
        order = sorted(
            zip([*self.sightings, *other.sightings], [*self.boxes, *other.boxes], [*self.cuts, *other.cuts],
                strict=True),
            key=lambda row: (row[0].stamp_s, row[0].record_id),
        )  # fmt: skip
        self.sightings, self.boxes, self.cuts = (list(values) for values in zip(*order, strict=True))
        self.views = sorted([*self.views, *other.views], key=lambda view: (view.stamp_s, view.record_id))
        self.num_sightings += other.num_sightings
        self.poses |= other.poses
        self.num_misses = min(self.num_misses, other.num_misses)
        self.best_confidence = max(self.best_confidence, other.best_confidence)
        self.sum_confidence += other.sum_confidence
        self.best_quality = max(self.best_quality, other.best_quality)
        self.is_privileged |= other.is_privileged
        self.last_fold = max(self.last_fold, other.last_fold)
        self._forget()

    def looked_other(self, visit: Track) -> bool:
        """Whether it looked otherwise before a visit; see `differ`."""
        if self.vector is None or visit.vector is None:
            return False
        colours = np.maximum(self.colours - visit.colours, 0.0)
        return _differ(colours, self.vector - visit.vector, visit.colours, visit.vector)

    def without(self, visit: Track) -> Track:
        """The track as it would be without a visit's sightings."""
        since_s = visit.presences[0].first_s
        old = [i for i, sighting in enumerate(self.sightings) if sighting.stamp_s < since_s]
        found = replace(
            self,
            presences=[*self.presences[:-1], replace(self.now, last_s=self.before_s)],
            votes={
                name: left for name, votes in self.votes.items() if (left := votes - visit.votes.get(name, 0.0)) > 0
            },
            vector=self.vector if self.vector is None or visit.vector is None else self.vector - visit.vector,
            colours=np.maximum(self.colours - visit.colours, 0.0),
            identity=self.identity - visit.identity,
            sightings=[self.sightings[i] for i in old],
            boxes=[self.boxes[i] for i in old],
            cuts=[self.cuts[i] for i in old],
            views=[view for view in self.views if view.stamp_s < since_s],
            num_sightings=self.num_sightings - visit.num_sightings,
            sum_confidence=self.sum_confidence - visit.sum_confidence,
            best_quality=max((self.sightings[i].quality for i in old), default=0.0),
            visit=None,
        )
        found.settle()
        return found

    def _forget(self) -> None:
        while len(self.sightings) > _KEPT_SIGHTINGS:
            worst = min(range(len(self.sightings) - 1), key=lambda i: self.sightings[i].quality)
            for kept in (self.sightings, self.boxes, self.cuts):
                del kept[worst]
        while len(self.views) > KEPT_VIEWS:
            del self.views[min(range(len(self.views) - 1), key=lambda i: self.views[i].quality)]

    def _look_like(self, vector: np.ndarray) -> None:
        self.vector = vector if self.vector is None else self.vector + vector

    def settle(self) -> None:
        """Work out shares and box from what is kept."""
        total = sum(self.votes.values())
        self.shares = {name: votes / total for name, votes in self.votes.items()} if total > 0 else {}
        boxes = [box for box, is_cut in zip(self.boxes, self.cuts, strict=True) if not is_cut]
        ordered = np.sort(np.array(boxes if len(boxes) >= _ENOUGH_WHOLE else self.boxes), axis=0)
        last = len(ordered) - 1
        trimmed = round(_TRIM * last)  # a box that is too large now and then does no harm
        self.low_m, self.high_m = ordered[trimmed, :3], ordered[last - trimmed, 3:]
        self.size_m, self.view_size_m = tuple((self.high_m - self.low_m).tolist()), None


def differ(a: Track, b: Track) -> bool:
    """Whether two tracks of one place and of different times are of two things: by colours and crops together.

    A thing looks the same when one comes back, for one comes back by the same ways; another in its place does not.
    False where the looks of one are not known.
    """
    return _differ(a.colours, a.vector, b.colours, b.vector)


def _differ(
    a_colours: np.ndarray, a_vector: np.ndarray | None, b_colours: np.ndarray, b_vector: np.ndarray | None
) -> bool:
    if a_vector is None or b_vector is None or len(a_vector) != len(b_vector):
        return False
    lengths = math.sqrt(float(a_vector @ a_vector) * float(b_vector @ b_vector))
    cosine = float(a_vector @ b_vector) / max(lengths, 1e-12)
    return float(shared_colours(a_colours, b_colours)) + cosine < _OTHER_LOOK


def _quality(detection: Detection) -> float:
    left, top, right, bottom = detection.box
    side = max(right - left, bottom - top)
    return detection.confidence * math.sqrt(min(1.0, side / 0.3)) * (0.4 if detection.is_cut else 1.0)
