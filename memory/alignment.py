"""Where another agent's frame lies in one's own: an estimate from things and places that both have seen.

Frames differ by a turn about the vertical and a shift (gravity is known to all). Things that may be the same, by name,
look and height, vote for turns and shifts; the free floor and what stands on it, which took no part in the vote, must
then agree. Weak evidence is refused, and so is evidence for two answers at once, as in a home whose halves are alike: a
wrong transform spoils a map, a missing one only makes it wait.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from jaxtyping import Complex128, Float64, Int64

from placecell.geometry import pose_from
from placecell.memory.object_states import SceneObject
from placecell.memory.storeys import Floor

__all__ = ["Alignment", "Landmark", "Landmarks", "Transform", "align"]

_REACH_M: Final = 0.4  # between two agents' notions of where one thing is
_LIFT_M: Final = 0.35  # the same along the vertical
_BASE_M: Final = 1.0  # two things that are nearer to each other give no direction
_MIN_SHARED: Final = 5
_MIN_SPREAD_M: Final = 1.5
_MIN_KNOWN: Final = 120  # occupied cells of one map that the other must know before they can agree
_MIN_AGREEMENT: Final = 0.8
_RIVAL: Final = 0.7  # of the best hypothesis' evidence, at which another is as good
_APART_M, _APART_RAD = 0.8, math.radians(15)  # hypotheses further apart than this are different ones
_DRAWS: Final = 4000
_CANDIDATES: Final = 6
_SLACK_CELLS: Final = 3


@dataclass(frozen=True, slots=True)
class Transform:
    """From another agent's frame into one's own: a left turn about the vertical, then a shift.

    Example:
        >>> there = Transform(math.pi / 2, 1.0, 0.0, 0.0)
        >>> np.allclose(there.apply(np.array([[0.0, 0.0, -2.0]])), [[-1.0, 0.0, 0.0]])
        True
    """

    yaw_rad: float
    x_m: float
    y_m: float
    z_m: float

    @property
    def matrix(self) -> Float64[np.ndarray, "4 4"]:
        """The same as a 4x4 rigid transform."""
        return pose_from(np.array([self.x_m, self.y_m, self.z_m]), self.yaw_rad)

    def apply(self, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
        """Points of the other frame in one's own."""
        matrix = self.matrix
        return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])

    def inverse(self) -> Transform:
        """From one's own frame into the other."""
        x, y, z = (-self.matrix[:3, :3].T @ self.matrix[:3, 3]).tolist()
        return Transform(-self.yaw_rad, x, y, z)

    def off(self, other: Transform, at: Float64[np.ndarray, "3"] | None = None) -> tuple[float, float]:
        """Metres (at a point of the other frame, its origin if not given) and radians between two transforms."""
        spot = np.zeros((1, 3)) if at is None else np.asarray(at, float)[None]
        turn = (self.yaw_rad - other.yaw_rad + math.pi) % (2 * math.pi) - math.pi
        return float(np.linalg.norm(self.apply(spot) - other.apply(spot))), abs(turn)


@dataclass(frozen=True, slots=True, eq=False)
class Landmark:
    """A thing that both may have seen.

    Args:
        position_m: Middle of its box, in the frame of whoever saw it.
        names: What it may be called, with shares.
        size_m: Its longest side.
        look: Unit vector, or None.
    """

    position_m: tuple[float, float, float]
    names: tuple[tuple[str, float], ...] = ()
    size_m: float = 0.5
    look: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What one agent knows of a place, in its own frame.

    Args:
        things: Its things.
        floor: What is free on its floor; None if there is no map.
    """

    things: tuple[Landmark, ...]
    floor: Floor | None = None

    @classmethod
    def of(cls, objects: Sequence[SceneObject], floors: Sequence[Floor], min_sightings: int = 2) -> Landmarks:
        """The lasting part of two maps: things that are there and were seen more than once, and the lowest floor."""
        things = [
            Landmark(thing.position_m, thing.labels, max(thing.size_m), thing.embedding)
            for thing in objects
            if thing.state in ("here", "moved") and thing.num_sightings >= min_sightings
        ]
        return cls(tuple(things), floors[0] if floors else None)


@dataclass(frozen=True, slots=True)
class Alignment:
    """What came of it.

    Args:
        transform: From their frame into ours; None if it was refused.
        reason: Why it was refused; empty if it was not.
        num_shared: Things that fit.
        agreement: Share of what stands in one map, and lies where the other map knows, that stands there too.
        rival: Evidence for the best other hypothesis, as a share of that for this one.
        error_m: Root mean square distance between the two positions of a shared thing.
        best: The best hypothesis, refused or not, for people to look at.
    """

    transform: Transform | None
    reason: str = ""
    num_shared: int = 0
    agreement: float = 0.0
    rival: float = 0.0
    error_m: float = math.inf
    best: Transform | None = None


@dataclass(slots=True)
class _Hypothesis:
    turn: complex
    shift: complex
    score: float = 0.0
    shared: list[int] = field(default_factory=list)  # rows of the pairs that fit
    error_m: float = math.inf


def align(ours: Landmarks, theirs: Landmarks, seed: int = 0) -> Alignment:
    """The transform from their frame into ours, or a refusal that says what was missing.

    Args:
        ours: What we know.
        theirs: What they know, in their frame.
        seed: Draws hypotheses; the same input and seed give the same answer.

    Source: RANSAC (Fischler and Bolles 1981) over pairs of matches, refined by weighted least squares on the inliers
    (Kabsch 1976, Umeyama 1991; here without scale, in the plane, where a rotation is one complex number).
    """
    if ours.floor is None or theirs.floor is None:
        return Alignment(None, "one of us has no map yet")
    lift_m = ours.floor.height_m - theirs.floor.height_m
    a, b = _plane(ours.things), _plane(theirs.things)
    rows, columns, weights = _matches(ours.things, theirs.things, lift_m)
    if len(rows) < _MIN_SHARED:
        return Alignment(None, f"{len(rows)} pairs of things may be the same, fewer than {_MIN_SHARED}")
    found = _voted(a[rows], b[columns], rows, columns, weights, np.random.default_rng(seed))
    if not found:
        return Alignment(None, "no two pairs of things lie as far apart from each other in both maps")
    transforms = [_transform(hypothesis, lift_m) for hypothesis in found]
    agreements = [_agreement(ours.floor, theirs.floor, transform) for transform in transforms]
    evidence = [h.score * max(share, 0.05) for h, (share, _) in zip(found, agreements, strict=True)]
    order = sorted(range(len(found)), key=lambda i: -evidence[i])
    best = order[0]
    rival = evidence[order[1]] / max(evidence[best], 1e-9) if len(order) > 1 else 0.0
    (agreement, num_known), shared = agreements[best], found[best].shared
    spots = a[rows[shared]]
    spread_m = float(np.abs(spots - spots.mean()).max()) if len(spots) else 0.0
    reason = ""
    if len(shared) < _MIN_SHARED:
        reason = f"{len(shared)} things are shared, fewer than {_MIN_SHARED}"
    elif spread_m < _MIN_SPREAD_M:
        reason = f"what is shared lies within {spread_m:.1f} m"
    elif num_known < _MIN_KNOWN:
        reason = f"the maps have {num_known} occupied cells in common, fewer than {_MIN_KNOWN}"
    elif agreement < _MIN_AGREEMENT:
        reason = f"the maps agree on {agreement:.0%} of what stands there, less than {_MIN_AGREEMENT:.0%}"
    elif rival > _RIVAL:
        reason = f"another transform has {rival:.0%} of the evidence"
    return Alignment(
        None if reason else transforms[best],
        reason,
        len(shared),
        round(agreement, 4),
        round(rival, 4),
        round(found[best].error_m, 4),
        transforms[best],
    )


def _plane(things: Sequence[Landmark]) -> Complex128[np.ndarray, "n"]:
    """Positions seen from above, x - iz: a left turn by an angle is a product with e^(i angle)."""
    return np.array([complex(thing.position_m[0], -thing.position_m[2]) for thing in things], np.complex128)


def _matches(
    ours: Sequence[Landmark], theirs: Sequence[Landmark], lift_m: float
) -> tuple[Int64[np.ndarray, "p"], Int64[np.ndarray, "p"], Float64[np.ndarray, "p"]]:
    """Pairs that may be one thing, with weights: a thing that fits many counts little in each."""
    alike = np.zeros((len(ours), len(theirs)))
    for i, one in enumerate(ours):
        shares = dict(one.names)
        for j, other in enumerate(theirs):
            if abs(one.position_m[1] - other.position_m[1] - lift_m) > _LIFT_M:
                continue
            if abs(math.log(max(one.size_m, 0.02) / max(other.size_m, 0.02))) > math.log(2.5):
                continue
            name = sum(min(share, shares.get(label, 0.0)) for label, share in other.names)
            if one.look is not None and other.look is not None:
                name *= max(float(one.look @ other.look), 0.0)
            alike[i, j] = name if name >= 0.2 else 0.0
    rarity = np.sqrt(np.maximum(alike.sum(axis=1, keepdims=True), 1.0) * np.maximum(alike.sum(axis=0), 1.0))
    rows, columns = np.nonzero(alike)
    return rows, columns, (alike / rarity)[rows, columns]


def _voted(
    a: Complex128[np.ndarray, "p"],
    b: Complex128[np.ndarray, "p"],
    rows: Int64[np.ndarray, "p"],
    columns: Int64[np.ndarray, "p"],
    weights: Float64[np.ndarray, "p"],
    rng: np.random.Generator,
) -> list[_Hypothesis]:
    """The hypotheses that most pairs speak for, refined, all different from each other, best first."""
    ours, theirs = np.abs(a[:, None] - a), np.abs(b[:, None] - b)
    is_base = (np.abs(ours - theirs) < _REACH_M) & (np.minimum(ours, theirs) >= _BASE_M)
    first, second = np.nonzero(np.triu(is_base, 1))
    if not len(first):
        return []
    if len(first) > _DRAWS:
        chance = weights[first] * weights[second]
        drawn = rng.choice(len(first), _DRAWS, replace=False, p=chance / chance.sum())
        first, second = first[drawn], second[drawn]
    turns = (a[first] - a[second]) / (b[first] - b[second])
    turns /= np.abs(turns)
    shifts = (a[first] + a[second]) / 2 - turns * (b[first] + b[second]) / 2
    scores = np.concatenate(
        [
            _score(np.abs(a - part[:, :1] * b - part[:, 1:]), rows, columns, weights)
            for part in np.array_split(np.stack([turns, shifts], axis=1), max(1, len(turns) // 256))
        ]
    )
    middle = b.mean()
    found: list[_Hypothesis] = []
    for i in np.argsort(-scores, kind="stable"):
        hypothesis = _refined(_Hypothesis(complex(turns[i]), complex(shifts[i])), a, b, rows, columns, weights)
        if all(_is_apart(hypothesis, other, middle) for other in found):
            found.append(hypothesis)
        if len(found) == _CANDIDATES or scores[i] < 0.3 * scores.max():
            break
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def _score(
    off_m: Float64[np.ndarray, "h p"],
    rows: Int64[np.ndarray, "p"],
    columns: Int64[np.ndarray, "p"],
    weights: Float64[np.ndarray, "p"],
) -> Float64[np.ndarray, "h"]:
    """Weight of what fits, each thing at most once on either side."""
    fits = weights * np.clip(1.0 - (off_m / _REACH_M) ** 2, 0.0, None)
    sums = []
    for side in (rows, columns):
        order = np.argsort(side, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(side[order]) > 0])
        sums.append(np.maximum.reduceat(fits[:, order], starts, axis=1).sum(axis=1))
    return np.asarray(np.minimum(*sums))


def _refined(
    hypothesis: _Hypothesis,
    a: Complex128[np.ndarray, "p"],
    b: Complex128[np.ndarray, "p"],
    rows: Int64[np.ndarray, "p"],
    columns: Int64[np.ndarray, "p"],
    weights: Float64[np.ndarray, "p"],
) -> _Hypothesis:
    """Least squares over what fits, one to one, until nothing changes."""
    turn, shift, shared = hypothesis.turn, hypothesis.shift, list[int]()
    for _ in range(8):
        off_m = np.abs(a - turn * b - shift)
        before, shared = shared, []
        taken: set[tuple[bool, int]] = set()
        for k in np.argsort(off_m, kind="stable"):
            if off_m[k] >= _REACH_M:
                break
            sides = {(True, int(rows[k])), (False, int(columns[k]))}
            if not sides & taken:
                taken |= sides
                shared.append(int(k))
        if len(shared) < 2 or shared == before:
            break
        w = weights[shared] / weights[shared].sum()
        ma, mb = (w * a[shared]).sum(), (w * b[shared]).sum()
        product = (w * (a[shared] - ma) * np.conj(b[shared] - mb)).sum()
        if abs(product) < 1e-12:
            break
        turn = complex(product / abs(product))
        shift = complex(ma - turn * mb)
    off_m = np.abs(a - turn * b - shift)
    error_m = float(np.sqrt((off_m[shared] ** 2).mean())) if shared else math.inf
    score = float(_score(off_m[None], rows, columns, weights)[0])
    return _Hypothesis(turn, shift, score, shared, error_m)


def _is_apart(one: _Hypothesis, other: _Hypothesis, at: complex) -> bool:
    """Whether two hypotheses say something different about a point of the other frame."""
    turn = abs(np.angle(one.turn / other.turn))
    away = abs(one.turn * at + one.shift - other.turn * at - other.shift)
    return bool(turn > _APART_RAD or away > _APART_M)


def _transform(hypothesis: _Hypothesis, lift_m: float) -> Transform:
    yaw = math.atan2(hypothesis.turn.imag, hypothesis.turn.real)
    return Transform(yaw, hypothesis.shift.real, lift_m, -hypothesis.shift.imag)


def _agreement(ours: Floor, theirs: Floor, transform: Transform) -> tuple[float, int]:
    """Share of what stands in either map, where both know, that stands in both; and how many cells that were asked."""
    right = asked = 0
    for here, there, way in ((ours, theirs, transform), (theirs, ours, transform.inverse())):
        r, c = np.nonzero(there.occupied & (cv2.dilate(there.free.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0))
        points = np.zeros((len(r), 3))
        x, z = there.origin_m
        points[:, 0], points[:, 2] = (c + 0.5) * there.cell_m + x, (r + 0.5) * there.cell_m + z
        points = way.apply(points)
        row = np.floor((points[:, 2] - here.origin_m[1]) / here.cell_m).astype(int)
        column = np.floor((points[:, 0] - here.origin_m[0]) / here.cell_m).astype(int)
        is_in = (row >= 0) & (row < here.free.shape[0]) & (column >= 0) & (column < here.free.shape[1])
        row, column = row[is_in], column[is_in]
        side = 2 * _SLACK_CELLS + 1
        stands = cv2.dilate(here.occupied.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        is_known = (here.free | here.occupied)[row, column]
        asked += int(is_known.sum())
        right += int((is_known & stands[row, column]).sum())
    return right / max(asked, 1), asked
