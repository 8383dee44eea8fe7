"""Stays: one thing at one place for one stretch of time, as one agent saw it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from placecell.memory.track import Presence, Track
from placecell.memory.tracks import AgentTracks

__all__ = ["StayNode", "stays_of"]

_FEW: Final = 2  # sightings
_UNSURE: Final = 0.04  # chance of being a thing, and
_LIKELY: Final = 0.2  # that of what is told as its space was seen to fill or to empty


@dataclass(frozen=True, slots=True, eq=False)
class StayNode:
    """One thing at one place for one stretch of time, as one agent saw it."""

    tracks: AgentTracks
    track: Track
    index: int  # which of the track's presences
    presence: Presence  # as it was known at the time that is asked about
    low_m: np.ndarray
    high_m: np.ndarray
    is_filled: bool = False  # whether its place was seen to fill, or to empty

    @property
    def is_confirmed(self) -> bool:
        """Whether it is told by itself; of emptied space without a name nothing but its shape is known."""
        is_likely = self.track.confidence >= _LIKELY or not self.track.num_sightings
        return self.track.is_confirmed or (self.is_filled and is_likely)

    @property
    def object_id(self) -> str:
        """Name of a life that begins here."""
        suffix = f".{self.index}" if self.index else ""
        return f"{self.tracks.agent_id}:{self.track.origin or self.track.number}{suffix}"

    @property
    def vector(self) -> np.ndarray | None:
        """Direction of its crops."""
        return None if self.track.vector is None else self.tracks.unit_vector(self.track.number)

    @property
    def centre_m(self) -> np.ndarray:
        """Middle of its box."""
        return np.asarray((self.low_m + self.high_m) / 2)


def stays_of(tracks: AgentTracks, as_of: float = math.inf) -> list[StayNode]:
    """Stays of one agent's things, known at a time: those it is sure of, and those that may explain another's end.

    What the changed space says of them `placecell.memory.turnover.reconcile` adds.
    """
    nodes = []
    for track in tracks.live:
        if not track.is_confirmed and not (_may_be_what_moved(track) or track.may_have_gone):
            continue
        low, high = tracks.box(track.number)
        for i, presence in enumerate(track.presences):
            if presence.first_s <= as_of:
                nodes.append(StayNode(tracks, track, i, _known_at(presence, as_of), low, high))
    return nodes


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
