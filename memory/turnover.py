"""What came and what went, checked against the space that filled and the space that emptied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from placecell.memory.differences import VOXEL_M, Volume
from placecell.memory.stays import StayNode
from placecell.memory.track import Presence, Track
from placecell.memory.tracks import AgentTracks

__all__ = ["reconcile"]

_MARGIN_M: Final = 0.03
_LEAST: Final = 4  # voxels
_COVERED: Final = 0.3  # share of a box that changed space spans
_DENSE: Final = 0.1  # voxels per voxel of the largest face
_FAINT: Final = 0.02  # below it, nothing filled
_SURELY_COVERED: Final = 0.5  # so much gone means that what is seen there since is another thing
_SURELY_DENSE: Final = 0.4
_LATER_S: Final = 60.0  # a stay that begins so soon after the place was seen empty was overlooked
_FULL: Final = 8  # voxels
_HELD: Final = 0.08  # share from which on changed space may be the thing, and the rest what is around it
_HINTED: Final = 3  # voxels that make a stay missed, and a missed one over
_SOLID: Final = 12  # voxels of what has no name
_THICK_M: Final = 0.1
_SLENDER: Final = 0.35  # middle side over longest: edges of doors and shelves are no things
_LONG_M: Final = 1.2


def reconcile(nodes: Sequence[StayNode], tracks: AgentTracks, as_of: float = math.inf) -> list[StayNode]:
    """Stays with what the changed space says about their beginnings and ends.

    A stay begins at a place that was seen empty before if most of its box is space that filled; it is over if most of
    its box is space that emptied since it was last seen. A beginning that no such space speaks for is taken back. Space
    that changed and belongs to no stay becomes a stay without name or look.

    Args:
        nodes: Stays of one agent.
        tracks: The agent's.
        as_of: The time that is asked about.
    """
    appeared, vanished = tracks.differences.appeared(as_of), tracks.differences.vanished(as_of)
    hints = tracks.differences.appeared(as_of, is_hint_enough=True)
    found = list(nodes)
    # Each voxel is one stay's: those that are told by themselves come first, small ones before what holds them.
    order = sorted(range(len(found)), key=lambda i: (not found[i].track.is_confirmed, _volume(found[i])))
    filled, emptied = np.ones(len(appeared.low_m), bool), np.ones(len(vanished.low_m), bool)
    for i in order:
        if found[i].index == 0:
            found[i] = _begun(found[i], appeared, vanished, hints, filled)
    for i in order:
        if found[i].index == len(found[i].track.presences) - 1:
            found[i] = _ended(found[i], vanished, emptied)
    came, went = (_nameless(tracks, volume, free, has_come) for volume, free, has_come in
                  ((appeared, filled, True), (vanished, emptied, False)))  # fmt: skip
    return found + came + went


def _begun(node: StayNode, appeared: Volume, vanished: Volume, hints: Volume, free: np.ndarray) -> StayNode:
    """A stay, with whether its place was seen empty before; takes its voxels out of `free`."""
    inside = _inside(node, appeared) & (appeared.old_s < node.presence.first_s - _LATER_S)
    share, density = _filled(node, appeared, inside & free)
    num_sure = np.count_nonzero(appeared.is_sure & inside & free)
    if num_sure and density >= _DENSE and (share >= _COVERED or (share >= _HELD and num_sure >= _FULL)):
        free &= ~inside
        return _in_place_since(node, float(np.median(appeared.old_s[inside])))
    held = _inside(node, vanished) & (vanished.old_s < node.presence.first_s - _LATER_S)
    share, density = _filled(node, vanished, held)
    if node.track.is_confirmed and share >= _SURELY_COVERED and density >= _DENSE:  # in place of another
        return _in_place_since(node, float(np.median(vanished.old_s[held])))
    hinted = _filled(node, hints, _inside(node, hints) & (hints.old_s < node.presence.first_s - _LATER_S))[1]
    if node.presence.empty_s is not None and hinted < _FAINT and not held.any():
        return replace(node, presence=replace(node.presence, empty_s=None))
    return node


def _in_place_since(node: StayNode, empty_s: float) -> StayNode:
    return replace(node, presence=replace(node.presence, empty_s=empty_s), is_filled=True)


def _ended(node: StayNode, vanished: Volume, free: np.ndarray) -> StayNode:
    """A stay, with whether it is over; takes its voxels out of `free`."""
    presence = node.presence
    every = _inside(node, vanished) & (vanished.old_s >= presence.first_s - _LATER_S)
    inside = every & (vanished.new_s > presence.last_s)
    share, density = _filled(node, vanished, inside & free)
    num_sure = np.count_nonzero(vanished.is_sure & inside & free)
    is_empty = bool(num_sure) and density >= _DENSE and share >= _COVERED
    if not is_empty and not presence.is_over:
        share, density = _filled(node, vanished, every & free)
        if density >= _SURELY_DENSE and share >= _SURELY_COVERED:  # what was seen there since is another
            before = [s.stamp_s for s in node.track.sightings if s.stamp_s < np.median(vanished.new_s[every])]
            if before:
                is_empty, inside, presence = True, every, replace(presence, last_s=max(before))
    if is_empty or (presence.missed_s is not None and num_sure >= _HINTED):
        free &= ~inside
        gone_s = presence.gone_s if presence.is_over else float(np.median(vanished.new_s[inside]))
        missed_s = gone_s if presence.missed_s is None else presence.missed_s
        return replace(node, presence=replace(presence, gone_s=gone_s, missed_s=missed_s))
    if presence.missed_s is None and num_sure >= _HINTED:
        return replace(node, presence=replace(presence, missed_s=float(np.median(vanished.new_s[inside]))))
    return node


def _nameless(tracks: AgentTracks, volume: Volume, free: np.ndarray, has_come: bool) -> list[StayNode]:
    """Stays of what no view told apart from what is around it: changed space that belongs to no known thing."""
    chosen = np.flatnonzero(free & volume.is_sure)
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
        old_s, new_s = float(np.median(volume.old_s[own])), float(np.median(volume.new_s[own]))
        number = -1 - 2 * len(found) - has_come
        if has_come:
            presence = Presence(new_s, new_s, empty_s=old_s)
        else:
            presence = Presence(old_s, old_s, missed_s=new_s, gone_s=new_s)
        size = tuple((top - corner).tolist())
        found.append(StayNode(tracks, Track(number, [presence], size_m=size), 0, presence, corner, top, is_filled=True))
    return found


def _volume(node: StayNode) -> float:
    return float(np.prod(node.high_m - node.low_m + VOXEL_M))


def _inside(node: StayNode, volume: Volume) -> np.ndarray:
    x, y, z = _middles(volume)
    low, high = node.low_m - _MARGIN_M, node.high_m + _MARGIN_M
    found: np.ndarray = (x > low[0]) & (x < high[0])
    near = np.flatnonzero(found)
    y, z = y[near], z[near]
    found[near] = (y > low[1]) & (y < high[1]) & (z > low[2]) & (z < high[2])
    return found


@lru_cache(maxsize=4)
def _middles(volume: Volume) -> np.ndarray:
    return np.ascontiguousarray((volume.low_m + VOXEL_M / 2).T)


def _filled(node: StayNode, volume: Volume, chosen: np.ndarray) -> tuple[float, float]:
    """Share of a stay's box that chosen voxels span, and how densely they fill the largest face of that part."""
    if np.count_nonzero(chosen) < _LEAST:
        return 0.0, 0.0
    corners = volume.low_m[chosen]
    low = np.maximum(node.low_m, corners.min(axis=0))
    high = np.maximum(np.minimum(node.high_m, corners.max(axis=0) + VOXEL_M), low)
    size = np.maximum(high - low, VOXEL_M)
    share = np.prod(size / np.maximum(node.high_m - node.low_m, VOXEL_M))
    face = np.prod(np.sort(size)[1:]) / VOXEL_M**2
    return float(share), float(np.count_nonzero(chosen) / face)
