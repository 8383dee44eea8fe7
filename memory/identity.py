"""Which thing that vanished here is the thing that turned up there? Stays at places, linked to lives of things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from placecell.memory.association import agreement, assign
from placecell.memory.track import Presence, Track
from placecell.memory.tracks import AgentTracks
from placecell.memory.turnover import reconcile

__all__ = ["StayNode", "alike", "lives", "stays_of"]

# Logistic regression on pairs of stays that ended and stays that began, of two walks through each of five generated
# houses (seeds 50,101, 50,105, 50,108, 50,110 and 50,111), cut by regions and by masks; the bias lies between the two.
_HEIGHT: Final = 3.1
_HEIGHT_SPREAD: Final = 0.1
_SIZE: Final = 3.3
_WIDTH_SPREAD: Final = 0.25
_LOOK: Final = 3.6
_NAME: Final = 2.4
_BIAS: Final = -6.5
_UNSEEN: Final = 1.5  # what no view told apart is not known well enough
_LEAST: Final = -0.3  # a little below even: pairs are one to one, which the regression does not know
_NO_LOOK: Final = 0.5
_NO_NAME: Final = 0.4
_ROUGH_SPREAD: Final = 0.2  # where voxels tell the height
_BODY_M: Final = 0.02
_FEW: Final = 2  # sightings
_UNSURE: Final = 0.1  # chance of being a thing
_NOT_NEW: Final = 2.0  # what it costs that nobody saw the new place without the thing


@dataclass(frozen=True, slots=True, eq=False)
class StayNode:
    """One thing at one place for one stretch of time, as one agent saw it."""

    tracks: AgentTracks
    track: Track
    index: int  # which of the track's presences
    presence: Presence  # as it was known at the time that is asked about
    low_m: np.ndarray
    high_m: np.ndarray
    is_filled: bool = False  # whether its place was seen to fill

    @property
    def is_confirmed(self) -> bool:
        """Whether it is told by itself."""
        return self.track.is_confirmed or self.is_filled

    @property
    def object_id(self) -> str:
        """Name of a life that begins here."""
        suffix = f".{self.index}" if self.index else ""
        return f"{self.tracks.agent_id}:{self.track.number}{suffix}"

    @property
    def vector(self) -> np.ndarray | None:
        """Direction of its crops."""
        return None if self.track.vector is None else self.tracks.unit_vector(self.track.number)

    @property
    def centre_m(self) -> np.ndarray:
        """Middle of its box."""
        return np.asarray((self.low_m + self.high_m) / 2)


def stays_of(tracks: AgentTracks, as_of: float = math.inf) -> list[StayNode]:
    """Stays of one agent's things, known at a time: those it is sure of, and those that may explain another's end."""
    nodes = []
    for track in tracks.live:
        if not track.is_confirmed and not _may_be_what_moved(track):
            continue
        low, high = tracks.box(track.number)
        for i, presence in enumerate(track.presences):
            if presence.first_s <= as_of:
                nodes.append(StayNode(tracks, track, i, _known_at(presence, as_of), low, high))
    changed = tracks.differences
    return reconcile(nodes, tracks, changed.appeared(as_of), changed.vanished(as_of))


def _may_be_what_moved(track: Track) -> bool:
    """Whether a track that is not sure enough to be told by itself may yet be a thing that vanished elsewhere."""
    is_new = len(track.presences) == 1 and track.now.empty_s is not None and not track.now.is_over
    return is_new and track.num_sightings >= _FEW and track.confidence >= _UNSURE


def _known_at(presence: Presence, as_of: float) -> Presence:
    if as_of == math.inf:
        return presence
    missed_s = presence.missed_s if presence.missed_s is not None and presence.missed_s <= as_of else None
    gone_s = presence.gone_s if presence.gone_s is not None and presence.gone_s <= as_of else None
    return replace(presence, last_s=min(presence.last_s, as_of), missed_s=missed_s, gone_s=gone_s)


def alike(a: StayNode, b: StayNode) -> float:
    """Logarithm of the odds that two stays are those of one thing, by height, width, look and name.

    A thing that is carried elsewhere is turned about the vertical at most: its height stays what it was, to a few
    hundredths. Its crops differ more than one would like, for they show its surroundings, too; its width depends on
    the side that one saw, so that it counts only beside the height.
    """
    cosine = _NO_LOOK
    va, vb = a.vector, b.vector
    if va is not None and vb is not None and len(va) == len(vb):
        cosine = float(va @ vb)
    tall, other = (float(node.high_m[1] - node.low_m[1]) + _BODY_M for node in (a, b))
    wide, its = (float((node.high_m - node.low_m)[[0, 2]].max()) + _BODY_M for node in (a, b))
    is_seen = bool(a.track.num_sightings) and bool(b.track.num_sightings)
    same_height = math.exp(-abs(math.log(tall / other)) / (_HEIGHT_SPREAD if is_seen else _ROUGH_SPREAD))
    same_size = same_height * math.exp(-abs(math.log(wide / its)) / _WIDTH_SPREAD)
    names = agreement(a.track.shares, b.track.shares) if is_seen else _NO_NAME
    return _HEIGHT * same_height + _SIZE * same_size + _LOOK * cosine + _NAME * names + _BIAS - (not is_seen) * _UNSEEN


def lives(nodes: Sequence[StayNode]) -> list[list[StayNode]]:
    """Stays of one agent, put together to lives: each a list of stays, oldest first.

    A stay that ended is linked to one that began later elsewhere, one to one, so that the whole assignment is the
    likeliest: of two mugs that vanished and two that turned up, each gets its own. A thing that came back to the same
    place continues its own life if nothing better is found.
    """
    ended = [node for node in nodes if node.presence.missed_s is not None and node.track.is_confirmed]
    begun = [node for node in nodes if _may_have_come(node, nodes)]
    follows: dict[tuple[int, int], StayNode] = {}
    taken: set[tuple[int, int]] = set()
    if ended and begun:
        scores = np.full((len(ended), len(begun)), -math.inf)
        for i, a in enumerate(ended):
            for j, b in enumerate(begun):
                if a is b or b.presence.first_s < a.presence.last_s:
                    continue
                score = alike(a, b)
                if b.presence.empty_s is None:
                    score -= _NOT_NEW
                if not a.presence.is_over:
                    score -= 0.5
                if not b.is_confirmed:
                    score += min(math.log(b.track.confidence / (1.0 - b.track.confidence)), 0.0)
                if a.track is b.track:
                    score += 1.0
                scores[i, j] = score
        for i, j in assign(scores, _LEAST)[0]:
            follows[_key(ended[i])] = begun[j]
            taken.add(_key(begun[j]))
    for node in nodes:  # a thing that came back
        back = next((n for n in nodes if n.track is node.track and n.index == node.index + 1), None)
        if back is not None and _key(node) not in follows and _key(back) not in taken:
            follows[_key(node)] = back
            taken.add(_key(back))
    found = []
    for node in nodes:
        if _key(node) in taken or not node.is_confirmed:
            continue
        life = [node]
        while (following := follows.get(_key(life[-1]))) is not None:
            life.append(following)
        found.append(life)
    return found


def _key(node: StayNode) -> tuple[int, int]:
    return node.track.number, node.index


def _may_have_come(node: StayNode, nodes: Sequence[StayNode]) -> bool:
    """Whether a stay may be one that began after another ended: it was not there before, or nobody had looked."""
    if node.presence.empty_s is not None or node.index:
        return True
    return any(other.presence.last_s < node.presence.first_s for other in nodes if other is not node)
