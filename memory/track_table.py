"""The tracks of one agent, with boxes and vectors in columns: what is far from a view costs next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.memory.association import agreement
from placecell.memory.records import Record
from placecell.memory.track import SOON_S, Presence, Track
from placecell.perception.colours import NUM_COLOURS, shared_colours
from placecell.perception.detection import NUM_IDENTITY, Detection

__all__ = ["FALSE_ALARM_S", "REACH_M", "SMALL_M", "TrackTable"]

REACH_M: Final = 0.3  # a detection may belong to a track whose box is so near
FALSE_ALARM_S: Final = 120.0  # what comes back so soon was never gone
SMALL_M: Final = 0.8  # what is no longer than this has the same colours from all sides
_FEW: Final = 2  # sightings
_AS_WELL: Final = 0.7  # of the quality of earlier views; from afar everything looks different


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

    def identities(self, found: Sequence[Detection], near: np.ndarray) -> Float64[np.ndarray, "a b"]:
        """Cosines of the identities of detections and tracks; NaN where one of them has none."""
        none = np.zeros(NUM_IDENTITY)
        own = [none if detection.identity is None else detection.identity for detection in found]
        theirs = [self.tracks[number].identity for number in near]
        a, b = (np.array(rows, np.float64).reshape(-1, NUM_IDENTITY) for rows in (own, theirs))
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        return np.asarray(np.divide(a @ b.T, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0))

    def likeness(self, a: Track, b: Track) -> float:
        """Names and looks of two tracks; about 0 where they say nothing."""
        cosine = 0.8
        if a.vector is not None and b.vector is not None:
            cosine = float(self.vectors[a.number] @ self.vectors[b.number])
        return 1.5 * (agreement(a.shares, b.shares) - 0.5) + 5.0 * (cosine - 0.8)

    def start(self, detection: Detection, record: Record, cell: tuple[int, ...], fold: int) -> int:
        """Begin a track; its number."""
        track = Track(len(self.tracks), [Presence(record.stamp_s, record.stamp_s)])
        self._append(track)
        self.update(track, detection, record, cell, fold)
        return track.number

    def _grow(self, rows: int) -> None:
        more = rows - len(self.low)
        far = np.full((more, 3), np.nan)
        self.low, self.high = np.concatenate([self.low, far]), np.concatenate([self.high, far])
        self.is_live = np.concatenate([self.is_live, np.zeros(more, bool)])
        width = self.vectors.shape[1]
        self.vectors = np.concatenate([self.vectors, np.zeros((more, width), np.float32)])

    def update(self, track: Track, detection: Detection, record: Record, cell: tuple[int, ...], fold: int) -> None:
        """Add a sighting to a track."""
        now = track.now
        if record.stamp_s - now.last_s > SOON_S:
            track.visit, track.before_s = Track(track.number, [Presence(record.stamp_s, record.stamp_s)]), now.last_s
        if detection.embedding is not None and self.vectors.shape[1] not in (0, len(detection.embedding)):
            detection = replace(detection, embedding=None)
        track.add(detection, record, cell, fold)
        if track.visit is not None:
            track.visit.add(detection, record, cell, fold)
            track.visit.now.last_s = record.stamp_s
        if now.gone_s is not None and record.stamp_s - now.last_s < 2 * FALSE_ALARM_S:
            track.num_alarms, now.gone_s = track.num_alarms + 1, None
        if now.is_over:
            track.presences.append(Presence(record.stamp_s, record.stamp_s, empty_s=now.gone_s))
        else:
            now.last_s, now.missed_s, now.num_empty, now.num_filled = record.stamp_s, None, 0, 0
        track.empty_poses.clear()
        self._settle(track)

    def part(self, track: Track) -> int:
        """Number of the thing that was seen last as this track: another, if one was put where the first had been.

        A single view says little, and it is by single views that tracks grow. All views since one came back together
        say whether it is the same thing that they show.
        """
        visit = track.visit
        if visit is None or visit.num_sightings < _FEW or len(track.presences) > 1 or not track.looked_other(visit):
            return track.number
        if track.sightings[0].stamp_s >= visit.presences[0].first_s:  # of before nothing is kept
            return track.number
        before = track.without(visit)
        if before.length_m >= SMALL_M or visit.best_quality < _AS_WELL * before.best_quality:
            return track.number
        number = self._append(visit)
        self.tracks[track.number] = before
        self._settle(before)
        self._settle(visit)
        return number

    def _append(self, track: Track) -> int:
        """Make a track one of the table; its number."""
        number = track.number = len(self.tracks)
        if number == len(self.low):
            self._grow(max(64, 2 * number))
        self.tracks.append(track)
        self.is_live[number] = True
        return number

    def _settle(self, track: Track) -> None:
        """Work out what follows from a track's sightings, and write box and direction into the columns."""
        track.settle()
        self.low[track.number], self.high[track.number] = track.low_m, track.high_m
        vector = track.vector
        if vector is None:
            return
        if not self.vectors.shape[1]:
            self.vectors = np.zeros((len(self.low), len(vector)), np.float32)
        self.vectors[track.number] = vector / max(float(np.linalg.norm(vector)), 1e-12)

    def bury(self, track: Track) -> None:
        """Forget a track."""
        track.sightings, track.views, track.seen, track.cells, track.vector = [], [], [], [], None
        track.votes, track.shares, track.poses, track.visit = {}, {}, set(), None
        track.colours, track.identity = np.zeros(NUM_COLOURS), np.zeros(NUM_IDENTITY, np.float32)
        self.is_live[track.number] = False
        self.low[track.number] = self.high[track.number] = np.nan

    def join(self, keep: Track, drop: Track) -> None:
        """Make one track of two. If they are not alike, it is the better known one that says what it looks like."""
        is_like = self.likeness(keep, drop) > -1.0
        keep.take(drop, is_like)
        if not is_like:
            keep.visit = None
        elif keep.visit is None and drop.presences[0].first_s > keep.now.last_s + SOON_S:
            keep.visit, keep.before_s = replace(drop), keep.now.last_s
        elif keep.visit is None:
            keep.visit, keep.before_s = drop.visit, drop.before_s
        else:
            visit = drop if drop.presences[0].first_s >= keep.visit.presences[0].first_s else drop.visit
            if visit is not None:
                keep.visit.take(visit, is_like)
        keep.now.last_s = max(keep.now.last_s, drop.now.last_s)
        if drop.presences[0].first_s < keep.presences[0].first_s:
            keep.presences[0].first_s, keep.presences[0].empty_s = drop.presences[0].first_s, drop.presences[0].empty_s
        keep.absorbed += [drop.number, *drop.absorbed]
        self.bury(drop)
        self._alias[drop.number] = keep.number
        self._settle(keep)
