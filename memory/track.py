"""One thing at one place, as one agent saw it: what its views add up to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from placecell.memory.object_states import Sighting
from placecell.memory.records import Record
from placecell.memory.trust import chance_of_thing
from placecell.perception.colours import NUM_COLOURS, shared_colours
from placecell.perception.detection import NUM_IDENTITY, Detection

__all__ = ["KEPT_VIEWS", "OTHER", "SOON_S", "Presence", "Track", "cosine", "differ"]

SOON_S: Final = 600.0  # things are seldom put elsewhere within so short a time: that takes what shape alone tells
OTHER: Final = 0.55  # share of colours below which a small thing that is met later is another one
_OTHER_IDENTITY: Final = 0.72  # the same of the cosine of identities,
_OTHER_LOOK: Final = 1.45  # and of colours and likeness of crops together

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
    sightings: list[Sighting] = field(default_factory=list)
    seen: list[Detection] = field(default_factory=list)  # what each kept sighting showed,
    cells: list[tuple[int, ...]] = field(default_factory=list)  # and from where
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
    origin: str = ""  # what names it if it was cut out of another, see `placecell.memory.cutouts`

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
            boxes = np.array(self._boxes(1) or [(0.0, 0.0, 0.0, *self.size_m)])
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
        sighting = Sighting(record.record_id, record.stamp_s, _quality(detection), detection.box)
        self.last_fold = fold
        self._count(sighting, detection, cell)

    def _count(self, sighting: Sighting, detection: Detection, cell: tuple[int, ...]) -> None:
        quality = sighting.quality
        for name, chance in detection.labels:
            self.votes[name] = self.votes.get(name, 0.0) + chance * quality
        self.sightings.append(sighting)
        self.views.append(sighting)
        self.seen.append(detection)
        self.cells.append(cell)
        self.num_sightings += 1
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

    def of_sightings(self, chosen: Sequence[int], number: int, presence: Presence, origin: str = "") -> Track:
        """What some of the kept sightings tell by themselves.

        Args:
            chosen: Their places among `sightings`.
            number: Of the new track.
            presence: When its thing was there.
            origin: See `origin`.
        """
        found = Track(number, [presence], changed=self.changed, origin=origin)
        for i in chosen:
            found._count(self.sightings[i], self.seen[i], self.cells[i])
        found.settle()
        return found

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
            zip([*self.sightings, *other.sightings], [*self.seen, *other.seen], [*self.cells, *other.cells],
                strict=True),
            key=lambda row: (row[0].stamp_s, row[0].record_id),
        )  # fmt: skip
        self.sightings, self.seen, self.cells = (list(values) for values in zip(*order, strict=True))
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
        return differ(self._before(visit), visit)

    def _before(self, visit: Track) -> Track:
        """What its views before a visit tell of its looks."""
        return Track(
            self.number,
            [],
            vector=self.vector if self.vector is None or visit.vector is None else self.vector - visit.vector,
            colours=np.maximum(self.colours - visit.colours, 0.0),
            identity=self.identity - visit.identity,
        )

    def without(self, visit: Track) -> Track:
        """The track as it would be without a visit's sightings."""
        since_s = visit.presences[0].first_s
        old, looks = [i for i, sighting in enumerate(self.sightings) if sighting.stamp_s < since_s], self._before(visit)
        found = replace(
            self,
            presences=[*self.presences[:-1], replace(self.now, last_s=self.before_s)],
            votes={
                name: left for name, votes in self.votes.items() if (left := votes - visit.votes.get(name, 0.0)) > 0
            },
            vector=looks.vector,
            colours=looks.colours,
            identity=looks.identity,
            sightings=[self.sightings[i] for i in old],
            seen=[self.seen[i] for i in old],
            cells=[self.cells[i] for i in old],
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
            for kept in (self.sightings, self.seen, self.cells):
                del kept[worst]
        while len(self.views) > KEPT_VIEWS:
            del self.views[min(range(len(self.views) - 1), key=lambda i: self.views[i].quality)]

    def _boxes(self, enough: int) -> list[tuple[float, ...]]:
        """Low and high corners of what each kept sighting showed; of whole things alone if so many are."""
        whole = [detection for detection in self.seen if not detection.is_cut]
        return [(*each.low_m, *each.high_m) for each in (whole if len(whole) >= enough else self.seen)]

    def _look_like(self, vector: np.ndarray) -> None:
        self.vector = vector if self.vector is None else self.vector + vector

    def settle(self) -> None:
        """Work out shares and box from what is kept."""
        total = sum(self.votes.values())
        self.shares = {name: votes / total for name, votes in self.votes.items()} if total > 0 else {}
        ordered = np.sort(np.array(self._boxes(_ENOUGH_WHOLE)), axis=0)
        last = len(ordered) - 1
        trimmed = round(_TRIM * last)  # a box that is too large now and then does no harm
        self.low_m, self.high_m = ordered[trimmed, :3], ordered[last - trimmed, 3:]
        self.size_m, self.view_size_m = tuple((self.high_m - self.low_m).tolist()), None


def differ(a: Track, b: Track) -> bool:
    """Whether two tracks of one place and of different times are of two things: by identity.

    A thing looks the same when one comes back, for one comes back by the same ways; another in its place does not.
    Where no identities were kept, it is colours and crops together that tell; False where not even they are known.
    """
    identity = cosine(a.identity, b.identity)
    if identity is not None:
        return identity < _OTHER_IDENTITY
    look = cosine(a.vector, b.vector)
    return look is not None and float(shared_colours(a.colours, b.colours)) + look < _OTHER_LOOK


def cosine(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    """Of two vectors; None where one is not known."""
    if a is None or b is None or len(a) != len(b):
        return None
    lengths = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / lengths if lengths > 0 else None


def _quality(detection: Detection) -> float:
    left, top, right, bottom = detection.box
    side = max(right - left, bottom - top)
    return detection.confidence * math.sqrt(min(1.0, side / 0.3)) * (0.4 if detection.is_cut else 1.0)
