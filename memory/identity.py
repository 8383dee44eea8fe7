"""Which thing that vanished here is the thing that turned up there? Stays, linked to lives of things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nsmallest
from typing import Final

import numpy as np

from placecell.memory.association import agreement, assign, nearness
from placecell.memory.stays import StayNode
from placecell.memory.track import OTHER, cosine, differ
from placecell.perception.colours import shared_colours

__all__ = ["alike", "lives"]

# Logistic regressions on pairs of stays that ended and stays that began, of two walks through each of some generated
# houses: of twenty (seeds 50,101, 50,103 to 50,105, 50,107, 50,108, 50,110, 50,111, 2,000,031 to 2,000,034, 2,000,040
# to 2,000,043 and 2,000,045 to 2,000,048), cut by regions,
_SIZE: Final = 2.1
_HEIGHT_SPREAD: Final = 0.1
_WIDTH_SPREAD: Final = 0.25
_IDENTITY: Final = 5.9
_BIAS: Final = -9.7
# and where no identities were kept, of the first eight, cut by regions and by masks.
_PLAIN_HEIGHT: Final = 3.2
_PLAIN_SIZE: Final = 1.4
_NARROW: Final = 1.0  # logarithm of the ratio of two widths beyond which they are not two sides of one thing,
_NARROWER: Final = -4.0  # and what each more costs
_PLAIN_LOOK: Final = 1.1
_PLAIN_COLOUR: Final = 4.6
_PLAIN_NAME: Final = 2.3
_PLAIN_BIAS: Final = -7.8
_LEAST: Final = -2.1  # below even: pairs are one to one, and what the regression does not know, few
_NO_LOOK: Final = 0.5
_NO_COLOUR: Final = 0.6
_NEAR_M: Final = 0.3  # what is so near is in the same place
_BODY_M: Final = 0.02
_KNOWN_NAMES: Final = 1.1  # who knows the names for certain need not link what is less likely than not
_NOT_NEW: Final = 2.0  # what it costs that nobody saw the new place without the thing


def alike(a: StayNode, b: StayNode) -> float:
    """Logarithm of the odds that two stays are those of one thing.

    By identity, which was learned for that (see `placecell.perception.reidentification`), and by size: a thing that is
    carried elsewhere is turned about the vertical at most, so its height stays what it was, to a few hundredths; its
    width depends on the side that one saw. Names and looks tell nothing more. Where no identity was kept, they and the
    colours have to do; crops differ more than one would like, for they show the surroundings, too.
    """
    height, width = _log_ratios(a, b)
    same_height = math.exp(-height / _HEIGHT_SPREAD)
    same_size = same_height * math.exp(-width / _WIDTH_SPREAD)
    identity = cosine(a.track.identity, b.track.identity)
    if identity is not None:
        return _SIZE * same_size + _IDENTITY * float(nearness(np.array(identity))) + _BIAS
    look = cosine(a.vector, b.vector)
    colours = float(np.nan_to_num(shared_colours(a.track.colours, b.track.colours), nan=_NO_COLOUR))
    odds = _PLAIN_LOOK * (_NO_LOOK if look is None else look) + _PLAIN_COLOUR * colours
    odds += _PLAIN_HEIGHT * same_height + _PLAIN_SIZE * same_size + _NARROWER * max(width - _NARROW, 0.0)
    return odds + _PLAIN_NAME * agreement(a.track.shares, b.track.shares) + _PLAIN_BIAS


def _log_ratios(a: StayNode, b: StayNode) -> tuple[float, float]:
    """How far two stays' heights, and their widths, are apart, as logarithms of their ratios.

    A box spans all views, and a single wrong one makes it too large; a view shows what nothing hides from it. So the
    better of both counts: of the ratio of the boxes, and of that of what the median view shows.
    """
    sizes = []
    for node in (a, b):
        x, y, z = (node.high_m - node.low_m).tolist()
        sizes.append(np.array([(y, max(x, z)), node.track.usual_size_m]) + _BODY_M)
    height, width = np.abs(np.log(sizes[0] / sizes[1])).min(axis=0).tolist()
    return height, width


def lives(nodes: Sequence[StayNode]) -> list[list[StayNode]]:
    """Stays of one agent, put together to lives: each a list of stays, oldest first.

    A stay that ended is linked to one that began later elsewhere, one to one, so that the whole assignment is the
    likeliest: of two mugs that vanished and two that turned up, each gets its own. A thing that came back to the same
    place continues its own life if nothing better is found. What no view told apart from what was around it is linked
    to nothing: a size alone says too little.
    """
    ended = [
        node for node in nodes
        if node.presence.missed_s is not None and node.is_confirmed and node.track.num_sightings
    ]  # fmt: skip
    earliest = nsmallest(2, nodes, key=lambda node: node.presence.last_s)
    begun = [node for node in nodes if _may_have_come(node, earliest)]
    follows: dict[tuple[int, int], StayNode] = {}
    taken: set[tuple[int, int]] = set()
    if ended and begun:
        scores = np.full((len(ended), len(begun)), -math.inf)
        for i, a in enumerate(ended):
            for j, b in enumerate(begun):
                if a is b or b.presence.first_s < a.presence.last_s or _is_another(a, b):
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
                if a.track.is_privileged and b.track.is_privileged:  # whose names are no guesses
                    score -= _KNOWN_NAMES if agreement(a.track.shares, b.track.shares) else math.inf
                scores[i, j] = score
        for i, j in assign(scores, _LEAST)[0]:
            follows[_key(ended[i])] = begun[j]
            taken.add(_key(begun[j]))
    nodes_by_key = {_key(node): node for node in nodes}
    for node in nodes:  # a thing that came back
        back = nodes_by_key.get((node.track.number, node.index + 1))
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


def _is_another(a: StayNode, b: StayNode) -> bool:
    """Whether two stays are surely of two things: of other colours, or in one place though they do not look alike.

    Colours tell less than identities, and elsewhere the light is another: there they count only without those.
    """
    if a.track is b.track:
        return False
    is_near = math.dist(a.centre_m, b.centre_m) < _NEAR_M
    if is_near and differ(a.track, b.track):
        return True
    is_plain = cosine(a.track.identity, b.track.identity) is None
    return (is_near or is_plain) and bool(shared_colours(a.track.colours, b.track.colours) < OTHER)


def _key(node: StayNode) -> tuple[int, int]:
    return node.track.number, node.index


def _may_have_come(node: StayNode, earliest: Sequence[StayNode]) -> bool:
    """Whether a stay may be one that began after another ended: it was not there before, or nobody had looked.

    Args:
        node: The stay.
        earliest: The two stays that ended first.
    """
    if node.presence.empty_s is not None or node.index:
        return True
    return any(other.presence.last_s < node.presence.first_s for other in earliest if other is not node)
