"""What came and what went, checked against the space that filled and the space that emptied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from placecell.memory.association import box_features
from placecell.memory.changed_space import COVERED, DENSE, LATER_S, MARGIN_M, ChangedSpace, spanned
from placecell.memory.cutouts import Cutouts
from placecell.memory.differences import VOXEL_M, Volume
from placecell.memory.stays import StayNode
from placecell.memory.track import SOON_S, Presence, Track
from placecell.memory.tracks import AgentTracks

__all__ = ["reconcile"]

_FAINT: Final = 0.3  # below it, nothing filled
_SURELY_COVERED: Final = 0.5  # so much gone means that what is seen there since is another thing
_SURELY_DENSE: Final = 0.4
_FULL: Final = 8  # voxels
_HELD: Final = 0.08  # share from which on changed space may be the thing, and the rest what is around it
_HINTED: Final = 3  # voxels that make a stay missed, and a missed one over
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
    appeared = ChangedSpace(tracks.differences.appeared(as_of), nodes)
    vanished = ChangedSpace(tracks.differences.vanished(as_of), nodes)
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
    cutouts = Cutouts(found, tracks, as_of)
    cutouts.cut(vanished, is_filled=False)
    cutouts.cut(appeared, is_filled=True)
    found = _displaced(found)
    over = [node for node in found if node.presence.is_over]
    return found + _nameless(tracks, vanished, over, cutouts.num)


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


def _begun(
    node: StayNode, i: int, appeared: ChangedSpace, vanished: ChangedSpace, hinted: Callable[[], Volume]
) -> StayNode:
    """A stay, with whether its place was seen empty before; takes its voxels."""
    before_s = node.presence.first_s - LATER_S
    inside = _older(appeared, i, before_s)
    own = appeared.left(inside)
    share, density = _filled(node, appeared.volume, own)
    num_sure = appeared.num_sure(own)
    if num_sure and density >= DENSE and (share >= COVERED or (share >= _HELD and num_sure >= _FULL)):
        found = _in_place_since(node, float(np.median(appeared.volume.old_s[inside])))
        if found.is_confirmed and share >= COVERED:
            appeared.free[inside] = False
        return found
    held = _older(vanished, i, before_s)
    share, density = _filled(node, vanished.volume, held)
    if node.track.is_confirmed and share >= _SURELY_COVERED and density >= DENSE:  # in place of another
        return _in_place_since(node, float(np.median(vanished.volume.old_s[held])))
    if node.presence.empty_s is None or share >= COVERED:
        return node
    hints = hinted()
    middle = hints.low_m + VOXEL_M / 2
    is_inside = ((middle > node.low_m - MARGIN_M) & (middle < node.high_m + MARGIN_M)).all(axis=1)
    share, density = _filled(node, hints, np.flatnonzero(is_inside & (hints.old_s < before_s)))
    if density < _FAINT or share < COVERED:
        return replace(node, presence=replace(node.presence, empty_s=None))
    return node


def _older(space: ChangedSpace, i: int, before_s: float) -> np.ndarray:
    """Voxels in a stay's box whose earlier state was last seen before some time."""
    inside = space.inside(i)
    return np.asarray(inside[space.volume.old_s[inside] < before_s])


def _in_place_since(node: StayNode, empty_s: float) -> StayNode:
    return replace(node, presence=replace(node.presence, empty_s=empty_s), is_filled=True)


def _ended(node: StayNode, i: int, vanished: ChangedSpace) -> StayNode:
    """A stay, with whether it is over; takes its voxels."""
    presence, volume = node.presence, vanished.volume
    every = vanished.inside(i)
    every = every[volume.old_s[every] >= presence.first_s - LATER_S]
    inside = every[volume.new_s[every] > presence.last_s]
    own = vanished.left(inside)
    share, density = _filled(node, volume, own)
    num_sure = vanished.num_sure(own)
    is_empty = bool(num_sure) and density >= DENSE and share >= COVERED
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


def _nameless(tracks: AgentTracks, vanished: ChangedSpace, over: Sequence[StayNode], num_cut: int) -> list[StayNode]:
    """Stays of what no view told apart from what was around it: space that emptied and belongs to no known thing.

    What touches a thing that left is the rest of it: a box leaves out what few views showed. Of space that filled the
    like is not believed: what came is there to be seen, and no view showed a thing.
    """
    volume = vanished.volume
    found: list[StayNode] = []
    for own in vanished.lumps():
        corner, top = volume.low_m[own].min(axis=0), volume.low_m[own].max(axis=0) + VOXEL_M
        short, middle, long = sorted((top - corner).tolist())
        is_slender = middle < max(_THICK_M, _SLENDER * long)
        if short < 2 * VOXEL_M or is_slender or long > _LONG_M:
            continue
        if any(((corner < node.high_m + _REST_M) & (top > node.low_m - _REST_M)).all() for node in over):
            continue
        old_s, new_s = vanished.times_s(own)
        presence = Presence(old_s, old_s, missed_s=new_s, gone_s=new_s)
        track = Track(-1 - num_cut - len(found), [presence], size_m=tuple((top - corner).tolist()))
        found.append(StayNode(tracks, track, 0, presence, corner, top, is_filled=True))
    return found


def _volume(node: StayNode) -> float:
    return float(np.prod(node.high_m - node.low_m + VOXEL_M))


def _filled(node: StayNode, volume: Volume, chosen: np.ndarray) -> tuple[float, float]:
    """Share of a stay's box that chosen voxels span, and how densely; see `spanned`."""
    return spanned(node.low_m, node.high_m, volume.low_m[chosen])
