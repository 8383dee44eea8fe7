"""What one agent's views tell of things at places: a track per thing and place, grown view by view."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.memory.absence import ask_before, look
from placecell.memory.association import agreement, assign, belongs, box_features, discord
from placecell.memory.differences import Differences
from placecell.memory.duplicates import Duplicates
from placecell.memory.emptiness import KeyViews, pose_cell
from placecell.memory.records import Record
from placecell.memory.track import OTHER, Track
from placecell.memory.track_table import FALSE_ALARM_S, REACH_M, SMALL_M, TrackTable
from placecell.perception.detection import Detection

__all__ = ["AgentTracks"]

_MATCH: Final = 0.0  # least score of a pair
_PIECE: Final = 0.6  # share of a detection in a thing's box that makes it a piece of it
_JUMP_M: Final = 1.5
_SPEED: Final = 2.0
_ASK_AT: Final = (2, 5)
_TIDY_EVERY: Final = 256  # folds
_RETURN: Final = 2.0


class AgentTracks:
    """The tracks of one agent: a deterministic fold over its records, in order.

    Args:
        agent_id: The agent.
    """

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self._table = TrackTable()
        self._duplicates = Duplicates(self._table)
        self._keys = KeyViews()
        self.differences = Differences(self._keys)
        self._to_ask: deque[int] = deque()
        self._num_folds = 0
        self._last: tuple[float, np.ndarray] | None = None

    @property
    def tracks(self) -> list[Track]:
        """All tracks by number, those that are part of others included."""
        return self._table.tracks

    @property
    def live(self) -> list[Track]:
        """Tracks that are not part of others."""
        return self._table.live

    def box(self, number: int) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Corners of a track's box."""
        return self._table.low[number], self._table.high[number]

    def near(self, low: Float64[np.ndarray, "3"], high: Float64[np.ndarray, "3"]) -> list[Track]:
        """Live tracks whose boxes come near a box."""
        return [self.tracks[number] for number in self._table.near(low, high).tolist()]

    def unit_vector(self, number: int) -> np.ndarray | None:
        """Direction of a track's crops together."""
        return self._table.vectors[number] if self.tracks[number].vector is not None else None

    def fold(self, record: Record, version: int) -> set[int]:
        """Take in a record and say which tracks it changed."""
        pose = record.pose
        if pose is None or self._jumps(record.stamp_s, pose):
            return set()
        found = [detection for detection in record.detections if _is_sane(detection)]
        changed: set[int] = set()
        explained: set[int] = set()
        self._num_folds += 1
        if self._num_folds % _TIDY_EVERY == 0:
            self._tidy()
        if record.scan is not None:
            changed |= self._around(self.differences.fold(record.stamp_s, pose, record.scan))
        if found:
            explained = self._associate(record, found, pose_cell(pose))
            changed |= explained
        if record.scan is not None and record.scan.num_known:
            changed |= look(self._table, record, found, explained)
            self._keys.add(record.stamp_s, pose, record.scan)
        for number in sorted(explained):
            track = self.tracks[number]
            if len(track.poses) in _ASK_AT and track.num_asked < len(track.poses) and len(track.presences) == 1:
                track.num_asked = len(track.poses)
                self._to_ask.append(number)
        if explained:
            changed |= self._duplicates.absorb(explained)
        if self._to_ask:  # one at a time: it takes a millisecond
            changed |= ask_before(self._table, self._keys, self._to_ask.popleft())
        for number in changed:
            self.tracks[number].changed = version
        return changed

    def _around(self, points: np.ndarray) -> set[int]:
        """Tracks that points lie in."""
        if not len(points):
            return set()
        near = self._table.near(points.min(axis=0), points.max(axis=0))
        low, high = self._table.low[near, None], self._table.high[near, None]
        inside: np.ndarray = np.all((points > low) & (points < high), axis=2)
        return set(near[np.any(inside, axis=1)].tolist())

    def _jumps(self, stamp_s: float, pose: np.ndarray) -> bool:
        here = pose[:3, 3]
        last, self._last = self._last, (stamp_s, here)
        if last is None:
            return False
        return math.dist(here, last[1]) > _JUMP_M + _SPEED * max(stamp_s - last[0], 0.0)

    def _tidy(self) -> None:
        """Forget what was seen seldom, and long ago: spurious regions must not pile up over a lifetime."""
        for track in self.live:
            is_old = self._num_folds - track.last_fold > _TIDY_EVERY * track.num_sightings
            if is_old and not track.is_confirmed and not track.may_have_gone:
                self._table.bury(track)

    def _associate(self, record: Record, found: list[Detection], cell: tuple[int, ...]) -> set[int]:
        low, high = np.array([d.low_m for d in found]), np.array([d.high_m for d in found])
        near = self._table.near(low.min(axis=0), high.max(axis=0))
        touched: set[int] = set()
        features = box_features(low, high, self._table.low[near], self._table.high[near])
        gap, inside, covers, offset, growth = features
        cosine = self._table.cosines(found, near)
        scores, names = self._score(record.stamp_s, found, near, features, cosine)
        if record.scan is not None:  # what was there before its place was free is not what fills it
            from_s = np.array([self.tracks[number].now.first_s for number in near])
            scores[from_s[None] < self.differences.filled_since(found)[:, None]] = -np.inf
        pairs, alone, _ = assign(scores, _MATCH)
        for row, column in pairs:
            number = int(near[column])
            self._table.update(self.tracks[number], found[row], record, cell, self._num_folds)
            touched |= {number, self._table.part(self.tracks[number])}
        self._duplicates.compare(pairs, near, covers, (gap <= REACH_M) & ((names > 0.3) | (cosine > 0.85)))
        for row in alone:
            is_piece = (inside[row] >= _PIECE) & (growth[row] < 0) & (names[row] > 0.4) & (scores[row] > -np.inf)
            if is_piece.any():
                continue
            touched.add(self._table.start(found[row], record, cell, self._num_folds))
        return touched

    def _score(
        self,
        stamp_s: float,
        found: list[Detection],
        near: np.ndarray,
        features: tuple[np.ndarray, ...],
        cosine: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        gap, inside, covers, _, growth = features
        names, clash = np.zeros(gap.shape), np.zeros(gap.shape)
        close = gap <= REACH_M
        for row, column in zip(*np.nonzero(close), strict=True):
            shares, labels = self.tracks[near[column]].shares, found[row].labels
            names[row, column] = agreement(dict(labels), shares)
            clash[row, column] = discord(labels[0][1] if labels else 0.0, shares, names[row, column])
        colours, identity = self._table.shared_colours(found, near), self._table.identities(found, near)
        scores = belongs(gap, inside, covers, growth, cosine, names, clash, colours, identity)
        # What was seen to be gone must be recognised, not only met at its place.
        scores[:, [self.tracks[number].now.is_over for number in near]] -= _RETURN
        # A thing looks the same when one comes back; another that was put in its place does not.
        tracks = [self.tracks[number] for number in near]
        may_differ = [t.length_m < SMALL_M and stamp_s - t.now.last_s > FALSE_ALARM_S for t in tracks]
        close &= ~((colours < OTHER) & np.array(may_differ, bool))
        return np.where(close, scores, -np.inf), names


def _is_sane(detection: Detection) -> bool:
    return detection.confidence > 0 and max(abs(value) for value in (*detection.low_m, *detection.high_m)) < 1e5
