"""The tracks of one agent, with boxes and vectors in columns: what is far from a view costs next to nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.memory.association import agreement
from placecell.memory.object_states import Sighting
from placecell.memory.records import Record
from placecell.memory.track import Presence, Track
from placecell.perception.colours import NUM_COLOURS, shared_colours
from placecell.perception.detection import Detection

__all__ = ["FALSE_ALARM_S", "OTHER", "REACH_M", "SMALL_M", "SOON_S", "TrackTable"]

REACH_M: Final = 0.3  # a detection may belong to a track whose box is so near
FALSE_ALARM_S: Final = 120.0  # what comes back so soon was never gone
SOON_S: Final = 600.0  # things are seldom put elsewhere within so short a time: that takes what shape alone tells
OTHER: Final = 0.55  # share of colours below which a small thing that is met later is another one
SMALL_M: Final = 0.8  # what is no longer than this has the same colours from all sides
_KEPT_SIGHTINGS: Final = 24
_ENOUGH_WHOLE: Final = 3
_TRIM: Final = 0.1


class TrackTable:
    """Tracks by number; those that turned out to be parts of others stay as aliases.

    Attributes:
        tracks: All of them, by number.
        low: Lowest corners of their boxes, NaN where there is none.
        high: Highest corners.
        vectors: Directions of their crops, a row each.
        is_live: Whether they are tracks of their own.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.low, self.high = np.zeros((0, 3)), np.zeros((0, 3))
        self.vectors = np.zeros((0, 0), np.float32)
        self.is_live = np.zeros(0, bool)
        self._alias: dict[int, int] = {}

    @property
    def live(self) -> list[Track]:
        """Tracks that are not part of others."""
        return [track for track in self.tracks if self.is_live[track.number]]

    def resolve(self, number: int) -> int:
        """Number of the track that took this one in, or the same."""
        while number in self._alias:
            number = self._alias[number]
        return number

    def near(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Numbers of the tracks whose boxes come near a box."""
        apart = (self.low > high + REACH_M) | (self.high < low - REACH_M)
        return np.flatnonzero(self.is_live & ~apart.any(axis=1))

    def cosines(self, found: Sequence[Detection], near: np.ndarray) -> Float64[np.ndarray, "a b"]:
        """Likeness of crops and tracks; 0.8, which says nothing, where one of them has no vector."""
        cosine = np.full((len(found), len(near)), 0.8)
        for row, detection in enumerate(found):
            vector = detection.embedding
            if vector is None or len(vector) != self.vectors.shape[1] or not len(near):
                continue
            cosine[row] = self.vectors[near] @ vector.astype(np.float32)
        has_none = [self.tracks[number].vector is None for number in near]
        cosine[:, has_none] = 0.8
        return cosine

    def shared_colours(self, found: Sequence[Detection], near: np.ndarray) -> Float64[np.ndarray, "a b"]:
        """How much of their colours detections and tracks share; NaN where one of them has none."""
        none = np.zeros(NUM_COLOURS)
        own = [none if detection.colours is None else detection.colours for detection in found]
        theirs = [self.tracks[number].colours for number in near]
        return shared_colours(
            np.array(own, np.float64).reshape(-1, 1, NUM_COLOURS), np.array(theirs).reshape(1, -1, NUM_COLOURS)
        )

    def likeness(self, a: Track, b: Track) -> float:
        """Names and looks of two tracks; about 0 where they say nothing."""
        cosine = 0.8
        if a.vector is not None and b.vector is not None:
            cosine = float(self.vectors[a.number] @ self.vectors[b.number])
        return 1.5 * (agreement(a.shares, b.shares) - 0.5) + 5.0 * (cosine - 0.8)

    def start(self, detection: Detection, record: Record, cell: tuple[int, ...], fold: int) -> int:
        """Begin a track; its number."""
        number = len(self.tracks)
        if number == len(self.low):
            self._grow(max(64, 2 * number))
        self.tracks.append(Track(number, [Presence(record.stamp_s, record.stamp_s)]))
        self.is_live[number] = True
        self.update(self.tracks[number], detection, record, cell, fold)
        return number

    def _grow(self, rows: int) -> None:
        more = rows - len(self.low)
        far = np.full((more, 3), np.nan)
        self.low, self.high = np.concatenate([self.low, far]), np.concatenate([self.high, far])
        self.is_live = np.concatenate([self.is_live, np.zeros(more, bool)])
        width = self.vectors.shape[1]
        self.vectors = np.concatenate([self.vectors, np.zeros((more, width), np.float32)])

    def update(self, track: Track, detection: Detection, record: Record, cell: tuple[int, ...], fold: int) -> None:
        """Add a sighting to a track."""
        quality = _quality(detection)
        for name, chance in detection.labels:
            track.votes[name] = track.votes.get(name, 0.0) + chance * quality
        track.sightings.append(Sighting(record.record_id, record.stamp_s, quality, detection.box))
        track.boxes.append((*detection.low_m, *detection.high_m))
        track.cuts.append(detection.is_cut)
        track.num_sightings += 1
        track.last_fold = fold
        track.poses.add(cell)
        track.best_confidence = max(track.best_confidence, detection.confidence)
        track.sum_confidence += detection.confidence
        track.best_quality = max(track.best_quality, quality)
        track.is_privileged |= detection.is_privileged
        if detection.embedding is not None:
            self._look_like(track, quality * detection.embedding.astype(np.float32))
        if detection.colours is not None:
            track.colours = track.colours + quality * detection.colours
        now = track.now
        if now.gone_s is not None and record.stamp_s - now.last_s < 2 * FALSE_ALARM_S:
            track.num_alarms, now.gone_s = track.num_alarms + 1, None
        if now.is_over:
            track.presences.append(Presence(record.stamp_s, record.stamp_s, empty_s=now.gone_s))
        else:
            now.last_s, now.missed_s, now.num_empty, now.num_filled = record.stamp_s, None, 0, 0
        track.empty_poses.clear()
        self._settle(track)

    def _look_like(self, track: Track, vector: np.ndarray) -> None:
        if not self.vectors.shape[1]:
            self.vectors = np.zeros((len(self.low), len(vector)), np.float32)
        if len(vector) != self.vectors.shape[1]:
            return
        track.vector = vector if track.vector is None else track.vector + vector
        length = float(np.linalg.norm(track.vector))
        if length > 0:
            self.vectors[track.number] = track.vector / length

    def _settle(self, track: Track) -> None:
        """Work out shares and box from what is kept, and keep no more than is needed."""
        while len(track.sightings) > _KEPT_SIGHTINGS:
            worst = min(range(len(track.sightings) - 1), key=lambda i: track.sightings[i].quality)
            for kept in (track.sightings, track.boxes, track.cuts):
                del kept[worst]
        total = sum(track.votes.values())
        track.shares = {name: votes / total for name, votes in track.votes.items()} if total > 0 else {}
        boxes = [box for box, is_cut in zip(track.boxes, track.cuts, strict=True) if not is_cut]
        ordered = np.sort(np.array(boxes if len(boxes) >= _ENOUGH_WHOLE else track.boxes), axis=0)
        last = len(ordered) - 1
        trimmed = round(_TRIM * last)  # a box that is too large now and then does no harm
        self.low[track.number] = ordered[trimmed, :3]
        self.high[track.number] = ordered[last - trimmed, 3:]
        track.size_m = tuple((self.high[track.number] - self.low[track.number]).tolist())

    def bury(self, track: Track) -> None:
        """Forget a track."""
        track.sightings, track.boxes, track.cuts, track.vector = [], [], [], None
        track.votes, track.shares, track.poses, track.colours = {}, {}, set(), np.zeros(NUM_COLOURS)
        self.is_live[track.number] = False
        self.low[track.number] = self.high[track.number] = np.nan

    def join(self, keep: Track, drop: Track) -> None:
        """Make one track of two. If they are not alike, it is the better known one that says what it looks like."""
        if self.likeness(keep, drop) > -1.0:
            for name, votes in drop.votes.items():
                keep.votes[name] = keep.votes.get(name, 0.0) + votes
            if drop.vector is not None:
                self._look_like(keep, drop.vector)
            keep.colours = keep.colours + drop.colours
        elif drop.num_sightings > keep.num_sightings:
            keep.votes, keep.vector, keep.colours = drop.votes, None, drop.colours
            if drop.vector is not None:
                self._look_like(keep, drop.vector)
        order = sorted(
            zip([*keep.sightings, *drop.sightings], [*keep.boxes, *drop.boxes], [*keep.cuts, *drop.cuts], strict=True),
            key=lambda row: (row[0].stamp_s, row[0].record_id),
        )
        keep.sightings, keep.boxes, keep.cuts = (list(values) for values in zip(*order, strict=True))
        keep.num_sightings += drop.num_sightings
        keep.poses |= drop.poses
        keep.num_misses = min(keep.num_misses, drop.num_misses)
        keep.best_confidence = max(keep.best_confidence, drop.best_confidence)
        keep.sum_confidence += drop.sum_confidence
        keep.best_quality = max(keep.best_quality, drop.best_quality)
        keep.is_privileged |= drop.is_privileged
        keep.now.last_s = max(keep.now.last_s, drop.now.last_s)
        if drop.presences[0].first_s < keep.presences[0].first_s:
            keep.presences[0].first_s, keep.presences[0].empty_s = drop.presences[0].first_s, drop.presences[0].empty_s
        keep.absorbed += [drop.number, *drop.absorbed]
        keep.last_fold = max(keep.last_fold, drop.last_fold)
        self.bury(drop)
        self._alias[drop.number] = keep.number
        self._settle(keep)


def _quality(detection: Detection) -> float:
    left, top, right, bottom = detection.box
    side = max(right - left, bottom - top)
    return detection.confidence * math.sqrt(min(1.0, side / 0.3)) * (0.4 if detection.is_cut else 1.0)
