"""What came or went as one is one thing: the sightings that changed space cuts out of a track.

A single view says little, and it is by single views that tracks grow: of two things that stand side by side, views may
end up in one track. When one of them is carried away, the space that empties says which of the sightings were its own;
when one is put there, the space that fills does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from placecell.memory.changed_space import COVERED, DENSE, LATER_S, MARGIN_M, ChangedSpace, spanned
from placecell.memory.stays import StayNode
from placecell.memory.track import SOON_S, Presence, Track
from placecell.memory.tracks import AgentTracks
from placecell.memory.voxels import VOXEL_M

__all__ = ["Cutouts"]

_SPANNED: Final = 0.15  # share of a sighting's box that a lump of changed space spans, densely, and
_MOSTLY: Final = 0.6  # share of the lump in the box, from which on it shows what changed;
_SOME: Final = 0.3  # from this share of the lump on it may show that and what is beside it
_FEW: Final = 2  # sightings


@dataclass(slots=True, eq=False)
class Cutouts:
    """Makes two stays of one that holds what changed and what did not.

    Args:
        nodes: Stays of one agent; they are changed.
        tracks: The agent's.
        as_of: The time that is asked about.

    Attributes:
        num: How many were cut out.
    """

    nodes: list[StayNode]
    tracks: AgentTracks
    as_of: float = math.inf
    num: int = 0
    _used: dict[int, list[set[int]]] = field(default_factory=dict)  # sightings of what was cut out of a track

    def cut(self, space: ChangedSpace, is_filled: bool) -> None:
        """Find the sightings of what changed, lump by lump.

        Args:
            space: That filled, or that emptied; what is explained is taken from it.
            is_filled: Which of the two.
        """
        for lump in space.lumps():
            old_s, new_s = space.times_s(lump)
            if new_s - old_s < SOON_S:
                continue
            best = self._best(space.volume.low_m[lump], old_s, new_s, is_filled)
            if best is None:
                continue
            presence = Presence(0.0, 0.0, missed_s=new_s, gone_s=new_s)
            if is_filled:
                presence = Presence(0.0, 0.0, empty_s=old_s)
            if self._part(*best, presence):
                space.free[lump] = False

    def _best(
        self, corners: Float64[np.ndarray, "n 3"], old_s: float, new_s: float, is_filled: bool
    ) -> tuple[Track, list[int], list[int]] | None:
        """The track most of whose sightings fit a lump: it, those, and those that show more besides."""
        from_s, until_s = (old_s + LATER_S, self.as_of) if is_filled else (-math.inf, new_s)
        best: tuple[Track, list[int], list[int]] | None = None
        for track in self.tracks.near(corners.min(axis=0), corners.max(axis=0) + VOXEL_M):
            if not self._is_open(track, corners, is_filled):
                continue
            low, high = (np.array(sides) for sides in zip(*((s.low_m, s.high_m) for s in track.seen), strict=True))
            middle = corners + VOXEL_M / 2
            around = (middle > low[:, None] - MARGIN_M) & (middle < high[:, None] + MARGIN_M)
            inside = np.asarray(around.all(axis=2))
            num_inside = np.count_nonzero(inside, axis=1)
            is_then = [from_s <= sighting.stamp_s <= until_s for sighting in track.sightings]
            some = np.flatnonzero(is_then & (num_inside >= _SOME * len(corners))).tolist()
            most = [i for i in some if num_inside[i] >= _MOSTLY * len(corners)]
            fitting = [i for i in most if _fits(low[i], high[i], corners[inside[i]])]
            if len(fitting) >= _FEW and (best is None or len(fitting) > len(best[1])):
                best = track, fitting, [i for i in some if i not in fitting]
        return best

    def _is_open(self, track: Track, corners: Float64[np.ndarray, "n 3"], is_filled: bool) -> bool:
        """Whether a track may hold what changed: not if it is told as that; what changed beside it is its rest."""
        if len(track.presences) > 1:
            return False
        for node in self.nodes:
            if node.track.number == track.number and node.is_confirmed:
                if is_filled and node.presence.empty_s is not None:
                    return spanned(node.low_m, node.high_m, corners)[0] < COVERED
                return is_filled or not node.presence.is_over
        return True

    def _part(self, track: Track, fitting: Sequence[int], around: Sequence[int], presence: Presence) -> bool:
        """Make a stay of what sightings of a track fit a lump, and another of those that show nothing of it.

        Those that show more than what changed say where neither of both is; if the track holds nothing else, they are
        of what changed as well.

        Returns:
            Whether the lump is explained.
        """
        cuts = self._used.setdefault(track.number, [])
        if any(not known.isdisjoint(fitting) for known in cuts):  # another part of what was cut out already
            return True
        taken = {*fitting, *around}.union(*cuts)
        rest = [i for i in range(len(track.sightings)) if i not in taken]
        stamps = [track.sightings[i].stamp_s for i in fitting]
        presence.first_s, presence.last_s = min(stamps), max(stamps)
        if presence.empty_s is not None:
            presence.last_s = max(presence.last_s, track.now.last_s)
        number, origin = -1 - self.num, f"{track.number}~{len(cuts) + 1}"
        is_all = len(rest) < _FEW
        if is_all:  # it goes by the track's name
            number, origin = track.number, str(track.number)
        box = track.of_sightings(fitting, number, presence, origin)
        cut = track.of_sightings(sorted([*fitting, *around]), number, presence, origin) if is_all else box
        node = StayNode(self.tracks, cut, 0, presence, box.low_m, box.high_m, is_filled=True)
        if not node.is_confirmed:
            return False
        own = next((i for i, known in enumerate(self.nodes) if known.track.number == track.number), None)
        if own is not None and is_all:
            del self.nodes[own]
        elif own is not None:
            self.nodes[own] = self._without(self.nodes[own], track, rest, presence)
        self.nodes.append(node)
        cuts.append({*fitting, *around})
        self.num += 1
        return True

    def _without(self, node: StayNode, whole: Track, rest: Sequence[int], changed: Presence) -> StayNode:
        """A stay of what is left of a track when something was cut out of it."""
        stamps = [whole.sightings[i].stamp_s for i in rest]
        presence = replace(node.presence, empty_s=None)
        if changed.empty_s is not None and max(stamps) < changed.first_s:
            presence.last_s = max(stamps)
        elif changed.gone_s is not None and min(stamps) > changed.gone_s:
            presence.first_s = min(stamps)
        track = whole.of_sightings(rest, whole.number, presence)
        return StayNode(self.tracks, track, node.index, presence, track.low_m, track.high_m)


def _fits(
    low_m: Float64[np.ndarray, "3"], high_m: Float64[np.ndarray, "3"], corners: Float64[np.ndarray, "n 3"]
) -> bool:
    """Whether what a sighting showed is not much larger than the changed space in it."""
    share, density = spanned(low_m, high_m, corners)
    return share >= _SPANNED and density >= DENSE
