"""What came and what went, checked against the space that filled and the space that emptied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from placecell.memory.association import box_features
from placecell.memory.differences import VOXEL_M, Volume
from placecell.memory.stays import StayNode
from placecell.memory.track import SOON_S, Presence, Track
from placecell.memory.tracks import AgentTracks

__all__ = ["reconcile"]

_MARGIN_M: Final = 0.03
_LEAST: Final = 4  # voxels
_COVERED: Final = 0.3  # share of a box that changed space spans
_DENSE: Final = 0.1  # voxels per voxel of the largest face
_FAINT: Final = 0.3  # below it, nothing filled
_SURELY_COVERED: Final = 0.5  # so much gone means that what is seen there since is another thing
_SURELY_DENSE: Final = 0.4
_LATER_S: Final = 60.0  # a stay that begins so soon after the place was seen empty was overlooked
_FULL: Final = 8  # voxels
_HELD: Final = 0.08  # share from which on changed space may be the thing, and the rest what is around it
_HINTED: Final = 3  # voxels that make a stay missed, and a missed one over
_SOLID: Final = 12  # voxels of what has no name
_REST_M: Final = 2 * VOXEL_M  # so near to a thing that left, what emptied is its own
_SHARED: Final = 0.2  # share of a box in another, the less distance of their middles, and the less difference of
_OFFSET: Final = 0.75  # their sizes (see `box_features`), at which two things cannot be in one place at one time
_GROWTH: Final = 1.0
_THICK_M: Final = 0.1
_SLENDER: Final = 0.35  # middle side over longest: edges of doors and shelves are no things
_LONG_M: Final = 1.2


def reconcile(nodes: Sequence[StayNode], tracks: AgentTracks, as_of: float = math.inf) -> list[StayNode]:
    """Stays with what the changed space says about their beginnings and ends.

    A stay begins at a place that was seen empty before if most of its box is space that filled; it is over if most of
    its box is space that emptied since it was last seen. A beginning that no such space speaks for is taken back. Space
    that emptied and belongs to no stay becomes a stay without name or look.

    Args:
        nodes: Stays of one agent.
        tracks: The agent's.
        as_of: The time that is asked about.
    """
    found = list(nodes)
    appeared = _Space(tracks.differences.appeared(as_of), nodes)
    vanished = _Space(tracks.differences.vanished(as_of), nodes)
    hints: list[Volume] = []

    def hinted() -> Volume:
        if not hints:  # few need them, and there are many
            hints.append(tracks.differences.appeared(as_of, is_hint_enough=True))
        return hints[0]

    # Each voxel is one stay's: those that are told by themselves come first, small ones before what holds them.
    order = sorted(range(len(found)), key=lambda i: (not found[i].track.is_confirmed, _volume(found[i])))
    for i in order:
        if found[i].index == 0 and (found[i].is_confirmed or found[i].presence.empty_s is not None):
            found[i] = _begun(found[i], i, appeared, vanished, hinted)
    for i in order:
        if found[i].index == len(found[i].track.presences) - 1:
            found[i] = _ended(found[i], i, vanished)
    found = _displaced(found)
    return found + _nameless(tracks, vanished, [node for node in found if node.presence.is_over])


def _displaced(nodes: Sequence[StayNode]) -> list[StayNode]:
    """Stays, those over in whose place another thing was found later: there is no room for two."""
    found = list(nodes)
    told = [i for i, node in enumerate(nodes) if node.is_confirmed]
    if not told:
        return found
    low, high = np.array([nodes[i].low_m for i in told]), np.array([nodes[i].high_m for i in told])
    first_s, last_s = np.array([(nodes[i].presence.first_s, nodes[i].presence.last_s) for i in told]).T
    middle, reach = (low + high) / 2, np.linalg.norm(high - low, axis=1) * _OFFSET
    for a, near in enumerate(cKDTree(middle).query_ball_point(middle, reach + 2 * VOXEL_M)):
        old = nodes[told[a]]
        for b in near:
            if first_s[b] <= last_s[a] + SOON_S:
                continue
            _, inside, covers, offset, growth = box_features(low[[a]], high[[a]], low[[b]], high[[b]])
            if max(inside[0, 0], covers[0, 0]) > _SHARED and offset[0, 0] < _OFFSET and abs(growth[0, 0]) < _GROWTH:
                new, since_s = found[told[b]], max(float(first_s[b]), old.presence.missed_s or 0.0)
                if not old.presence.is_over:
                    over = replace(old.presence, missed_s=old.presence.missed_s or since_s, gone_s=since_s)
                    found[told[a]] = replace(found[told[a]], presence=over)
                if new.presence.empty_s is None:
                    found[told[b]] = replace(new, presence=replace(new.presence, empty_s=float(last_s[a])))
    return found


class _Space:
    """Voxels that changed, which of them lie in which stay's box, and which are no stay's yet."""

    def __init__(self, volume: Volume, nodes: Sequence[StayNode]) -> None:
        self.volume = volume
        self.free = np.ones(len(volume.low_m), bool)
        self._inside: list[np.ndarray] = [np.zeros(0, np.intp) for _ in nodes]
        if not len(volume.low_m) or not nodes:
            return
        middle = volume.low_m + VOXEL_M / 2
        low = np.array([node.low_m for node in nodes]) - _MARGIN_M
        high = np.array([node.high_m for node in nodes]) + _MARGIN_M
        near = cKDTree(middle).query_ball_point((low + high) / 2, (high - low).max(axis=1) / 2 + VOXEL_M, p=np.inf)
        for i, around in enumerate(near):
            chosen = np.array(sorted(around), np.intp)
            self._inside[i] = chosen[((middle[chosen] > low[i]) & (middle[chosen] < high[i])).all(axis=1)]

    def inside(self, i: int) -> np.ndarray:
        """Numbers of the voxels in the box of the `i`-th stay."""
        return self._inside[i]

    def left(self, chosen: np.ndarray) -> np.ndarray:
        """Those of some voxels that are no stay's yet."""
        return np.asarray(chosen[self.free[chosen]])

    def num_sure(self, chosen: np.ndarray) -> int:
        """How many of some voxels certain evidence speaks for."""
        return int(np.count_nonzero(self.volume.is_sure[chosen]))


def _begun(node: StayNode, i: int, appeared: _Space, vanished: _Space, hinted: Callable[[], Volume]) -> StayNode:
    """A stay, with whether its place was seen empty before; takes its voxels."""
    before_s = node.presence.first_s - _LATER_S
    inside = _older(appeared, i, before_s)
    own = appeared.left(inside)
    share, density = _filled(node, appeared.volume, own)
    num_sure = appeared.num_sure(own)
    if num_sure and density >= _DENSE and (share >= _COVERED or (share >= _HELD and num_sure >= _FULL)):
        appeared.free[inside] = False
        return _in_place_since(node, float(np.median(appeared.volume.old_s[inside])))
    held = _older(vanished, i, before_s)
    share, density = _filled(node, vanished.volume, held)
    if node.track.is_confirmed and share >= _SURELY_COVERED and density >= _DENSE:  # in place of another
        return _in_place_since(node, float(np.median(vanished.volume.old_s[held])))
    if node.presence.empty_s is None or share >= _COVERED:
        return node
    hints = hinted()
    middle = hints.low_m + VOXEL_M / 2
    is_inside = ((middle > node.low_m - _MARGIN_M) & (middle < node.high_m + _MARGIN_M)).all(axis=1)
    share, density = _filled(node, hints, np.flatnonzero(is_inside & (hints.old_s < before_s)))
    if density < _FAINT or share < _COVERED:
        return replace(node, presence=replace(node.presence, empty_s=None))
    return node


def _older(space: _Space, i: int, before_s: float) -> np.ndarray:
    """Voxels in a stay's box whose earlier state was last seen before some time."""
    inside = space.inside(i)
    return np.asarray(inside[space.volume.old_s[inside] < before_s])


def _in_place_since(node: StayNode, empty_s: float) -> StayNode:
    return replace(node, presence=replace(node.presence, empty_s=empty_s), is_filled=True)


def _ended(node: StayNode, i: int, vanished: _Space) -> StayNode:
    """A stay, with whether it is over; takes its voxels."""
    presence, volume = node.presence, vanished.volume
    every = vanished.inside(i)
    every = every[volume.old_s[every] >= presence.first_s - _LATER_S]
    inside = every[volume.new_s[every] > presence.last_s]
    own = vanished.left(inside)
    share, density = _filled(node, volume, own)
    num_sure = vanished.num_sure(own)
    is_empty = bool(num_sure) and density >= _DENSE and share >= _COVERED
    if not is_empty and not presence.is_over:
        share, density = _filled(node, volume, vanished.left(every))
        if density >= _SURELY_DENSE and share >= _SURELY_COVERED:  # what was seen there since is another
            before = [s.stamp_s for s in node.track.sightings if s.stamp_s < np.median(volume.new_s[every])]
            if before:
                is_empty, inside, presence = True, every, replace(presence, last_s=max(before))
    if is_empty or (presence.missed_s is not None and num_sure >= _HINTED):
        vanished.free[inside] = False
        gone_s = presence.gone_s if presence.is_over else float(np.median(volume.new_s[inside]))
        missed_s = gone_s if presence.missed_s is None else presence.missed_s
        is_filled = node.is_filled or (is_empty and num_sure >= _FULL)
        return replace(node, presence=replace(presence, gone_s=gone_s, missed_s=missed_s), is_filled=is_filled)
    if presence.missed_s is None and num_sure >= _HINTED:
        return replace(node, presence=replace(presence, missed_s=float(np.median(volume.new_s[inside]))))
    return node


def _nameless(tracks: AgentTracks, vanished: _Space, over: Sequence[StayNode]) -> list[StayNode]:
    """Stays of what no view told apart from what was around it: space that emptied and belongs to no known thing.

    What touches a thing that left is the rest of it: a box leaves out what few views showed. Of space that filled the
    like is not believed: what came is there to be seen, and no view showed a thing.
    """
    volume = vanished.volume
    chosen = np.flatnonzero(vanished.free & volume.is_sure)
    if len(chosen) < _SOLID:
        return []
    low = volume.low_m[chosen]
    near = cKDTree(low).query_pairs(1.8 * VOXEL_M, output_type="ndarray")
    graph = coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(len(low), len(low)))
    num, part = connected_components(graph, directed=False)
    found: list[StayNode] = []
    for k in range(num):
        own = chosen[part == k]
        corner, top = volume.low_m[own].min(axis=0), volume.low_m[own].max(axis=0) + VOXEL_M
        short, middle, long = sorted((top - corner).tolist())
        is_slender = middle < max(_THICK_M, _SLENDER * long)
        if len(own) < _SOLID or short < 2 * VOXEL_M or is_slender or long > _LONG_M:
            continue
        if any(((corner < node.high_m + _REST_M) & (top > node.low_m - _REST_M)).all() for node in over):
            continue
        old_s, new_s = float(np.median(volume.old_s[own])), float(np.median(volume.new_s[own]))
        presence = Presence(old_s, old_s, missed_s=new_s, gone_s=new_s)
        track = Track(-1 - len(found), [presence], size_m=tuple((top - corner).tolist()))
        found.append(StayNode(tracks, track, 0, presence, corner, top, is_filled=True))
    return found


def _volume(node: StayNode) -> float:
    return float(np.prod(node.high_m - node.low_m + VOXEL_M))


def _filled(node: StayNode, volume: Volume, chosen: np.ndarray) -> tuple[float, float]:
    """Share of a stay's box that chosen voxels span, and how densely they fill the largest face of that part."""
    if len(chosen) < _LEAST:
        return 0.0, 0.0
    corners = volume.low_m[chosen]
    low = np.maximum(node.low_m, corners.min(axis=0))
    high = np.maximum(np.minimum(node.high_m, corners.max(axis=0) + VOXEL_M), low)
    size = np.maximum(high - low, VOXEL_M)
    share = np.prod(size / np.maximum(node.high_m - node.low_m, VOXEL_M))
    face = np.prod(np.sort(size)[1:]) / VOXEL_M**2
    return float(share), float(len(chosen) / face)
