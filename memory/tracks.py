"""What one agent's views tell of things at places: a track per thing and place, grown view by view."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.memory.association import agreement, assign, box_features
from placecell.memory.emptiness import KeyViews, gaze, pose_cell
from placecell.memory.object_states import Sighting
from placecell.memory.records import Record
from placecell.memory.trust import chance_of_thing
from placecell.perception.detection import Detection

__all__ = ["AgentTracks", "Presence", "Track"]

_KEPT_SIGHTINGS: Final = 24
_REACH_M: Final = 0.3  # a detection may belong to a track whose box is so near
_MATCH: Final = 0.0  # least score of a pair
_PIECE: Final = 0.6  # share of a detection in a thing's box that makes it a piece of it
_FAR_M: Final = 6.0  # negative evidence from further away is not believed
_EMPTY_BELOW: Final = 0.25  # of the usual share of hits
_PRESENT_ABOVE: Final = 0.6
_JUMP_M: Final = 1.5
_SPEED: Final = 2.0
_EARLIER_S: Final = 30.0
_PART_OF: Final = 0.75  # share of a part's box in the box of the whole
_BESIDE: Final = 0.35  # of a part's sightings at most show the whole beside it
_LISTED: Final = 0.5  # chance of being a thing from which on it is told
_CLEAR: Final = 0.8  # quality, and
_SURE: Final = 0.9  # confidence, of a view that needs no second
_SOLID: Final = 4  # what was seen less often before it was seen through was never there
_LEAST_USUAL: Final = 0.3
_USUAL: Final = 0.6
_EMPTY_VIEWS: Final = 3
_STRANGE: Final = 0.5
_FALSE_ALARM_S: Final = 120.0
_ASK_AT: Final = (2, 5)
_ENOUGH_WHOLE: Final = 3
_TRIM: Final = 0.1
_TIDY_EVERY: Final = 256  # folds
_RETURN: Final = 2.0
_TOUCH_M: Final = 0.1


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
        return chance_of_thing(len(self.poses), mean, self.best_quality, name_share, self.size_m)

    @property
    def usual_hits(self) -> float:
        """Share of the rays through its box that it stops, 0 if that could never be measured."""
        return self.fill if self.num_fills else 0.0

    @property
    def now(self) -> Presence:
        """The latest stretch of time."""
        return self.presences[-1]


class AgentTracks:
    """The tracks of one agent: a deterministic fold over its records, in order.

    Boxes and vectors lie in columns, so that what is far from a view costs next to nothing.

    Args:
        agent_id: The agent.
    """

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.tracks: list[Track] = []
        self.alias: dict[int, int] = {}
        self.keys = KeyViews()
        self._low, self._high = np.zeros((0, 3)), np.zeros((0, 3))
        self._vectors = np.zeros((0, 0), np.float32)
        self._is_live = np.zeros(0, bool)
        self._together: dict[tuple[int, int], int] = {}  # views in which two tracks were two things
        self._swallowed: dict[tuple[int, int], int] = {}  # views in which one detection held both
        self._to_ask: deque[int] = deque()
        self._num_folds = 0
        self._last: tuple[float, np.ndarray] | None = None

    def resolve(self, number: int) -> int:
        """Number of the track that took this one in, or the same."""
        while number in self.alias:
            number = self.alias[number]
        return number

    def box(self, number: int) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Corners of a track's box."""
        return self._low[number], self._high[number]

    def unit_vector(self, number: int) -> np.ndarray | None:
        """Direction of a track's crops together."""
        return self._vectors[number] if self.tracks[number].vector is not None else None

    @property
    def live(self) -> list[Track]:
        """Tracks that are not part of others."""
        return [track for track in self.tracks if self._is_live[track.number]]

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
        if found:
            explained = self._associate(record, found, pose_cell(pose))
            changed |= explained
        if record.scan is not None and record.scan.num_known:
            changed |= self._look(record, found, explained)
            self.keys.add(record.stamp_s, pose, record.scan)
        for number in sorted(explained):
            track = self.tracks[number]
            if len(track.poses) in _ASK_AT and track.num_asked < len(track.poses) and len(track.presences) == 1:
                track.num_asked = len(track.poses)
                self._to_ask.append(number)
        if explained:
            changed |= self._absorb_duplicates(explained)
        if self._to_ask:  # one at a time: it takes a millisecond
            changed |= self._ask_before(self._to_ask.popleft())
        for number in changed:
            self.tracks[number].changed = version
        return changed

    def _jumps(self, stamp_s: float, pose: np.ndarray) -> bool:
        here = pose[:3, 3]
        last, self._last = self._last, (stamp_s, here)
        if last is None:
            return False
        return math.dist(here, last[1]) > _JUMP_M + _SPEED * max(stamp_s - last[0], 0.0)

    def _tidy(self) -> None:
        """Forget what was seen from one place only, and long ago: spurious regions must not pile up over a lifetime."""
        for track in self.live:
            if not track.is_confirmed and self._num_folds - track.last_fold > _TIDY_EVERY:
                self._bury(track)

    def _bury(self, track: Track) -> None:
        track.sightings, track.boxes, track.cuts, track.vector = [], [], [], None
        track.votes, track.shares, track.poses = {}, {}, set()
        self._is_live[track.number] = False
        self._low[track.number] = self._high[track.number] = np.nan

    # --- what is seen ------------------------------------------------------------------------------------------------

    def _associate(self, record: Record, found: list[Detection], cell: tuple[int, ...]) -> set[int]:
        low, high = np.array([d.low_m for d in found]), np.array([d.high_m for d in found])
        near = self._near(low.min(axis=0), high.max(axis=0))
        touched: set[int] = set()
        features = box_features(low, high, self._low[near], self._high[near])
        gap, inside, covers, offset, growth = features
        cosine = self._cosines(found, near)
        scores, names = self._score(found, near, features, cosine)
        self._refuse_strangers(scores, found, near, cosine, names, record.stamp_s)
        pairs, alone, _ = assign(scores, _MATCH)
        for row, column in pairs:
            number = int(near[column])
            self._update(self.tracks[number], found[row], record, cell)
            touched.add(number)
        self._compare(pairs, near, covers, (gap <= _REACH_M) & ((names > 0.3) | (cosine > 0.85)))
        for row in alone:
            is_piece = (inside[row] >= _PIECE) & (growth[row] < 0) & ((names[row] > 0.4) | (cosine[row] > 0.85))
            if is_piece.any():
                continue
            touched.add(self._start(found[row], record, cell))
        return touched

    def _compare(
        self, pairs: Sequence[tuple[int, int]], near: np.ndarray, covers: np.ndarray, is_like: np.ndarray
    ) -> None:
        """Count views that show two tracks as two things, and views that show them as one."""
        taken = sorted(column for _, column in pairs)
        for row, column in pairs:
            one = int(near[column])
            for other in taken:
                if other > column:
                    pair = _ordered(one, int(near[other]))
                    self._together[pair] = self._together.get(pair, 0) + 1
            for other in np.flatnonzero((covers[row] > 0.7) & is_like[row]).tolist():
                if other not in taken:
                    pair = _ordered(one, int(near[other]))
                    self._swallowed[pair] = self._swallowed.get(pair, 0) + 1

    def _score(
        self, found: list[Detection], near: np.ndarray, features: tuple[np.ndarray, ...], cosine: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        gap, inside, covers, offset, growth = features
        names = np.zeros(gap.shape)
        close = gap <= _REACH_M
        for row, column in zip(*np.nonzero(close), strict=True):
            names[row, column] = agreement(dict(found[row].labels), self.tracks[near[column]].shares)
        one, both = np.maximum(inside, covers), np.minimum(inside, covers)
        scores = 3.9 * one + 4.7 * both - 0.4 * np.minimum(offset, 2.0) - 3.7 * gap + 3.1 * cosine + 0.9 * names - 2.4
        # What was seen to be gone must be recognised, not only met at its place.
        scores[:, [self.tracks[number].now.is_over for number in near]] -= _RETURN
        return np.where(close, scores, -np.inf), names

    def _refuse_strangers(
        self,
        scores: np.ndarray,
        found: list[Detection],
        near: np.ndarray,
        cosine: np.ndarray,
        names: np.ndarray,
        stamp_s: float,
    ) -> None:
        """After a while a place alone does not tell a thing: seen whole, it must look or be called like itself."""
        is_old = np.array([stamp_s - self.tracks[number].now.last_s > _FALSE_ALARM_S for number in near], bool)
        is_whole = np.array([not detection.is_cut for detection in found])
        is_strange = (cosine < _STRANGE) & (names < 0.2) & is_old[None] & is_whole[:, None]
        scores[is_strange] = -np.inf

    def _near(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        apart = (self._low > high + _REACH_M) | (self._high < low - _REACH_M)
        return np.flatnonzero(self._is_live & ~apart.any(axis=1))

    def _cosines(self, found: Sequence[Detection], near: np.ndarray) -> Float64[np.ndarray, "a b"]:
        """Likeness of crops and tracks; 0.8, which says nothing, where one of them has no vector."""
        cosine = np.full((len(found), len(near)), 0.8)
        for row, detection in enumerate(found):
            vector = detection.embedding
            if vector is None or len(vector) != self._vectors.shape[1] or not len(near):
                continue
            cosine[row] = self._vectors[near] @ vector.astype(np.float32)
        has_none = [self.tracks[number].vector is None for number in near]
        cosine[:, has_none] = 0.8
        return cosine

    def _start(self, detection: Detection, record: Record, cell: tuple[int, ...]) -> int:
        number = len(self.tracks)
        if number == len(self._low):
            self._grow(max(64, 2 * number))
        self.tracks.append(Track(number, [Presence(record.stamp_s, record.stamp_s)]))
        self._is_live[number] = True
        self._update(self.tracks[number], detection, record, cell)
        return number

    def _grow(self, rows: int) -> None:
        more = rows - len(self._low)
        far = np.full((more, 3), np.nan)
        self._low, self._high = np.concatenate([self._low, far]), np.concatenate([self._high, far])
        self._is_live = np.concatenate([self._is_live, np.zeros(more, bool)])
        width = self._vectors.shape[1]
        self._vectors = np.concatenate([self._vectors, np.zeros((more, width), np.float32)])

    def _update(self, track: Track, detection: Detection, record: Record, cell: tuple[int, ...]) -> None:
        quality = _quality(detection)
        for name, chance in detection.labels:
            track.votes[name] = track.votes.get(name, 0.0) + chance * quality
        track.sightings.append(Sighting(record.record_id, record.stamp_s, quality, detection.box))
        track.boxes.append((*detection.low_m, *detection.high_m))
        track.cuts.append(detection.is_cut)
        track.num_sightings += 1
        track.last_fold = self._num_folds
        track.poses.add(cell)
        track.best_confidence = max(track.best_confidence, detection.confidence)
        track.sum_confidence += detection.confidence
        track.best_quality = max(track.best_quality, quality)
        track.is_privileged |= detection.is_privileged
        if detection.embedding is not None:
            self._look_like(track, quality * detection.embedding.astype(np.float32))
        now = track.now
        if now.gone_s is not None and record.stamp_s - now.last_s < 2 * _FALSE_ALARM_S:
            track.num_alarms, now.gone_s = track.num_alarms + 1, None
        if now.is_over:
            track.presences.append(Presence(record.stamp_s, record.stamp_s, empty_s=now.gone_s))
        else:
            now.last_s, now.missed_s, now.num_empty, now.num_filled = record.stamp_s, None, 0, 0
        track.empty_poses.clear()
        self._settle(track)

    def _look_like(self, track: Track, vector: np.ndarray) -> None:
        if not self._vectors.shape[1]:
            self._vectors = np.zeros((len(self._low), len(vector)), np.float32)
        if len(vector) != self._vectors.shape[1]:
            return
        track.vector = vector if track.vector is None else track.vector + vector
        length = float(np.linalg.norm(track.vector))
        if length > 0:
            self._vectors[track.number] = track.vector / length

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
        self._low[track.number] = ordered[trimmed, :3]
        self._high[track.number] = ordered[last - trimmed, 3:]
        track.size_m = tuple((self._high[track.number] - self._low[track.number]).tolist())

    # --- what is not seen --------------------------------------------------------------------------------------------

    def _look(self, record: Record, found: list[Detection], explained: set[int]) -> set[int]:
        pose, scan = record.pose, record.scan
        assert pose is not None and scan is not None
        offset = (self._low + self._high)[: len(self.tracks)] / 2 - pose[:3, 3]
        distance = np.sqrt((offset**2).sum(axis=1))
        ahead = -offset @ pose[:3, 2]
        is_seen = self._is_live[: len(self.tracks)] & (distance < _FAR_M) & (ahead > 0.35 * distance)
        numbers = np.flatnonzero(is_seen)
        if not len(numbers):
            return set()
        seen = gaze(scan, pose, self._low[numbers], self._high[numbers])
        low, high = (
            np.array([d.low_m for d in found]).reshape(-1, 3),
            np.array([d.high_m for d in found]).reshape(-1, 3),
        )
        covered = (
            box_features(low, high, self._low[numbers], self._high[numbers])[2]
            if found
            else np.zeros((0, len(numbers)))
        )
        is_covered = np.asarray((covered > 0.3).any(axis=0)).reshape(-1)
        empty, filled = [], []
        for i in np.flatnonzero(seen.is_clear):
            track, hits = self.tracks[int(numbers[i])], float(seen.hits[i])
            if track.number in explained:
                track.num_fills += 1
                track.fill += (hits - track.fill) / track.num_fills
                continue
            usual = track.usual_hits
            if usual < _LEAST_USUAL:
                continue  # too thin to stop rays even when it is there
            if hits <= _EMPTY_BELOW * usual:
                empty.append(track)
            elif hits >= _PRESENT_ABOVE * usual:
                filled.append((track, bool(is_covered[i]), float(seen.side_px[i])))
        num_known = len(explained) + len(filled)
        if len(empty) >= 4 and len(empty) > 2 * num_known:
            return set()  # everything gone at once: the pose is wrong, not the world
        cell = pose_cell(pose)
        changed = set()
        for track, is_explained, side_px in filled:
            if track.now.missed_s is not None:
                track.now.num_filled += 1
                changed.add(track.number)
            elif not is_explained and record.detections and side_px >= 6:
                track.num_misses += 1
        for track in empty:
            now = track.now
            if cell in track.empty_poses or now.last_s >= record.stamp_s:
                continue
            track.empty_poses.add(cell)
            now.num_empty += 1
            if now.missed_s is None:
                now.missed_s = record.stamp_s
            # Things seldom vanish while one looks: that takes twice the evidence, and more after every false alarm.
            is_sudden = record.stamp_s - now.last_s < _FALSE_ALARM_S
            needed = _EMPTY_VIEWS * (1 + track.num_alarms) * (2 if is_sudden else 1)
            if now.gone_s is None and now.num_empty >= needed and now.num_empty > 2 * now.num_filled:
                now.gone_s = record.stamp_s
            changed.add(track.number)
        return changed

    def _ask_before(self, number: int) -> set[int]:
        """Ask earlier views whether a place was empty before a thing was first seen there."""
        track = self.tracks[number]
        if not self._is_live[number] or len(track.presences) > 1:
            return set()
        presence = track.presences[0]
        views = self.keys.before(presence.first_s - _EARLIER_S, self._low[number], self._high[number])
        usual = track.usual_hits if track.num_fills else _USUAL
        if usual < _LEAST_USUAL:
            return set()
        empty = [stamp for stamp, hits in views if hits <= _EMPTY_BELOW * usual]
        filled = [stamp for stamp, hits in views if hits >= _PRESENT_ABOVE * usual]
        was, presence.empty_s = presence.empty_s, None
        if len(empty) >= 2 and len(empty) > 2 * len(filled):
            presence.empty_s = empty[-1]
        return {number} if presence.empty_s != was else set()

    # --- duplicates --------------------------------------------------------------------------------------------------

    def _absorb_duplicates(self, explained: set[int]) -> set[int]:
        """Join tracks that turned out to be one thing."""
        mine = np.array(sorted(explained))
        near = self._near(self._low[mine].min(axis=0), self._high[mine].max(axis=0))
        gap, inside, covers, _, _ = box_features(self._low[mine], self._high[mine], self._low[near], self._high[near])
        shared = np.maximum(inside, covers)
        changed: set[int] = set()
        for i, j in zip(*np.nonzero((gap <= _TOUCH_M) & (mine[:, None] != near[None])), strict=True):
            a, b = self.resolve(int(mine[i])), self.resolve(int(near[j]))
            if a != b and self._are_one(self.tracks[a], self.tracks[b], float(shared[i, j])):
                changed |= {a, b}
                self._join(*sorted((self.tracks[a], self.tracks[b]), key=lambda track: track.number))
        return changed

    def _are_one(self, a: Track, b: Track, shared: float) -> bool:
        """Whether two tracks are one thing.

        Either they are alike and one lies in the other, or a view took them for one; or one lies in the other and is
        hardly ever seen beside it: then it is what is sometimes taken for the whole.
        """
        if a.now.is_over or b.now.is_over:
            return False
        pair = _ordered(a.number, b.number)
        swallowed, together = self._swallowed.get(pair, 0), self._together.get(pair, 0)
        fewer, more = sorted((a.num_sightings, b.num_sightings))
        is_rare = 3 <= fewer <= 0.5 * more and together <= _BESIDE * fewer
        if shared >= _PART_OF and is_rare and self._likeness(a, b) > -2.0:
            return True
        if shared < 0.5 and not (swallowed >= 2 and swallowed > together):
            return False
        alike = 2.0 * (shared - 0.5) + self._likeness(a, b) + 0.5 * min(swallowed, 4)
        return alike - (0.05 if shared >= 0.5 else 0.3) * min(together, 10) > 0.3

    def _likeness(self, a: Track, b: Track) -> float:
        """Names and looks of two tracks; about 0 where they say nothing."""
        cosine = 0.8
        if a.vector is not None and b.vector is not None:
            cosine = float(self._vectors[a.number] @ self._vectors[b.number])
        return 1.5 * (agreement(a.shares, b.shares) - 0.5) + 5.0 * (cosine - 0.8)

    def _join(self, keep: Track, drop: Track) -> None:
        """Make one track of two. If they are not alike, it is the better known one that says what it looks like."""
        if self._likeness(keep, drop) > -1.0:
            for name, votes in drop.votes.items():
                keep.votes[name] = keep.votes.get(name, 0.0) + votes
            if drop.vector is not None:
                self._look_like(keep, drop.vector)
        elif drop.num_sightings > keep.num_sightings:
            keep.votes, keep.vector = drop.votes, None
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
        self._bury(drop)
        self.alias[drop.number] = keep.number
        self._settle(keep)


def _ordered(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _is_sane(detection: Detection) -> bool:
    return detection.confidence > 0 and max(abs(value) for value in (*detection.low_m, *detection.high_m)) < 1e5


def _quality(detection: Detection) -> float:
    left, top, right, bottom = detection.box
    side = max(right - left, bottom - top)
    return detection.confidence * math.sqrt(min(1.0, side / 0.3)) * (0.4 if detection.is_cut else 1.0)
