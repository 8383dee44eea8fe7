"""From what the region network says of every cell to whole things.

The network says of each cell whether it belongs to a thing, whether it belongs together with its right and its lower
neighbour, and where the middle of its thing lies. Cells that surely belong together form pieces; a piece joins the
neighbour to which its border is most open, as long as the border is open on average (one leaking cell joins nothing);
pieces that are apart in the picture join if they point at one middle, as the two ends of a sofa behind a table do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["NUM_CUES", "Groups", "group_cells"]

_THING: Final = 0.4
_SURE: Final = 0.9
_OPEN: Final = 0.5
_CLOSED: Final = 0.25  # a border this closed, and this long, parts two pieces whatever they point at
_VOTERS: Final = 3
_CLOSED_CELLS: Final = 4
_SAME_MIDDLE_M: Final = 0.18
_SPREADS: Final = 0.8
NUM_CUES: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Things on the grid.

    Args:
        labels: Number of the group of every cell, from 1, largest first; 0 where there is none.
        cues: What each group's confidence is judged by, a row per group.
        middles_m: Where its cells say that its middle lies, in the frame of the heading.
    """

    labels: Int32[np.ndarray, "h w"]
    cues: Float32[np.ndarray, "n cues"]
    middles_m: Float64[np.ndarray, "n 3"]

    def __len__(self) -> int:
        return len(self.cues)


def group_cells(
    output: Float32[np.ndarray, "outputs h w"], points: Float32[np.ndarray, "h w 3"], min_cells: int = 10
) -> Groups:
    """Group the cells of a view.

    Args:
        output: Of the network: logits of thing, joined to the right, joined below; offset to the middle, metres.
        points: Points in the frame of the heading, NaN where unknown.
        min_cells: Smaller groups are left out.
    """
    h, w = output.shape[1:]
    chances = 1 / (1 + np.exp(-np.clip(output[:3], -30, 30)))
    thing = chances[0] > _THING
    cell = np.full((h, w), -1, np.intp)
    num = int(thing.sum())
    cell[thing] = np.arange(num)
    a, b, p = _edges(thing, cell, chances[1:])
    sure = _edges(thing, cell, _thinned(thing, chances[1:]))[2] > _SURE
    _, piece = connected_components(coo_array((sure[sure], (a[sure], b[sure])), shape=(num, num)), directed=False)
    piece = _join_open(piece.astype(np.intp), a, b, p)
    votes = (points + output[3:].transpose(1, 2, 0))[thing].astype(np.float64)  # (num, 3)
    piece = _join_middles(piece, a, b, p, votes)
    return _describe(piece, thing, chances[0], a, b, p, votes, min_cells, border=_border(h, w)[thing])


def _edges(thing: np.ndarray, cell: np.ndarray, joined: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbouring cells of things: both numbers, and the chance that they belong together."""
    across, down = thing[:, :-1] & thing[:, 1:], thing[:-1] & thing[1:]
    return (
        np.concatenate([cell[:, :-1][across], cell[:-1][down]]),
        np.concatenate([cell[:, 1:][across], cell[1:][down]]),
        np.concatenate([joined[0][:, :-1][across], joined[1][:-1][down]]),
    )


def _thinned(thing: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """The least of each joint and of the two beside it: a bridge between two things must be three cells wide."""
    across = np.where(thing & np.roll(thing, -1, axis=1), joined[0], 1)
    down = np.where(thing & np.roll(thing, -1, axis=0), joined[1], 1)
    across[1:-1] = np.minimum(np.minimum(across[:-2], across[2:]), across[1:-1])
    down[:, 1:-1] = np.minimum(np.minimum(down[:, :-2], down[:, 2:]), down[:, 1:-1])
    return np.stack([across, down])


def _borders(
    piece: np.ndarray, a: np.ndarray, b: np.ndarray, p: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of pieces that touch: both numbers, mean openness, length in cells."""
    one, two = piece[a], piece[b]
    cross = one != two
    count = int(piece.max(initial=-1)) + 1
    key = np.minimum(one, two)[cross] * count + np.maximum(one, two)[cross]
    pairs, which = np.unique(key, return_inverse=True)
    length = np.bincount(which, minlength=len(pairs))
    mean = np.bincount(which, p[cross], len(pairs)) / np.maximum(length, 1)
    return pairs // max(count, 1), pairs % max(count, 1), mean, length


def _join_open(piece: np.ndarray, a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Every piece joins the larger neighbour to which its border is most open, until none is open enough."""
    while True:
        crosses = piece[a] != piece[b]
        a, b, p = a[crosses], b[crosses], p[crosses]
        one, two, mean, _ = _borders(piece, a, b, p)
        is_open = mean > _OPEN
        if not is_open.any():
            return piece
        sizes = np.bincount(piece)
        rank = np.empty(len(sizes), np.intp)
        rank[np.argsort(sizes, kind="stable")] = np.arange(len(sizes))
        one, two, mean = one[is_open], two[is_open], mean[is_open]
        small, large = np.where(rank[one] < rank[two], one, two), np.where(rank[one] < rank[two], two, one)
        order = np.argsort(mean, kind="stable")
        parent = np.arange(len(sizes))
        parent[small[order]] = large[order]  # of several, the last and most open one counts
        while (parent[parent] != parent).any():
            parent = parent[parent]
        piece = parent[piece]


def _join_middles(piece: np.ndarray, a: np.ndarray, b: np.ndarray, p: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Pieces that point at one middle and that no closed border parts become one."""
    names, piece, sizes = np.unique(piece, return_inverse=True, return_counts=True)
    known = np.isfinite(votes[:, 0])
    counts = np.bincount(piece[known], minlength=len(names))
    good = np.flatnonzero(counts >= _VOTERS)
    if len(good) < 2:
        return piece
    sums = np.stack([np.bincount(piece[known], votes[known, k], len(names)) for k in range(3)], axis=1)
    means = sums[good] / counts[good, None]
    far = votes[known] - (sums / np.maximum(counts, 1)[:, None])[piece[known]]
    spread = np.sqrt(np.bincount(piece[known], (far * far).sum(axis=1), len(names)) / np.maximum(counts, 1))[good]
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)
    near = apart < _SAME_MIDDLE_M + _SPREADS * np.minimum(spread[:, None], spread[None])
    place = np.full(len(names), -1)
    place[good] = np.arange(len(good))
    one, two, mean, length = _borders(piece, a, b, p)
    closed = (mean < _CLOSED) & (length >= _CLOSED_CELLS) & (place[one] >= 0) & (place[two] >= 0)
    near[place[one[closed]], place[two[closed]]] = near[place[two[closed]], place[one[closed]]] = False
    _, merged = connected_components(coo_array(near), directed=False)
    target = np.arange(len(names))
    firsts = np.full(int(merged.max()) + 1, -1)
    firsts[merged[::-1]] = good[::-1]
    target[good] = firsts[merged]
    return target[piece]


def _describe(
    piece: np.ndarray,
    thing: np.ndarray,
    chance: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    p: np.ndarray,
    votes: np.ndarray,
    min_cells: int,
    border: np.ndarray,
) -> Groups:
    sizes = np.bincount(piece)
    kept: Int64[np.ndarray, "n"] = np.flatnonzero(sizes >= min_cells)
    kept = kept[np.argsort(-sizes[kept], kind="stable")]
    number = np.zeros(len(sizes) + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    own = number[piece]  # (cells,), 0 for what is left out
    labels = np.zeros(thing.shape, np.int32)
    labels[thing] = own
    n = len(kept) + 1
    cells = np.maximum(np.bincount(own, minlength=n), 1)
    known = np.isfinite(votes[:, 0])
    num_known = np.maximum(np.bincount(own[known], minlength=n), 1)
    middles = np.stack([np.bincount(own[known], votes[known, k], n) for k in range(3)], axis=1) / num_known[:, None]
    far = np.linalg.norm(votes[known] - middles[own[known]], axis=1)
    inside = own[a] == own[b]
    num_inside = np.maximum(np.bincount(own[a][inside], minlength=n), 1)
    crossing = ~inside
    ends, open_p = np.concatenate([own[a][crossing], own[b][crossing]]), np.tile(p[crossing], 2)
    cues = np.stack(
        [
            np.log(cells),
            np.bincount(own, chance[thing], n) / cells,
            np.bincount(own[a][inside], p[inside], n) / num_inside,
            np.bincount(ends, open_p, n) / np.sqrt(cells),
            np.minimum(np.bincount(own[known], far, n) / num_known, 1.0),
            np.bincount(own, border, n) / np.sqrt(cells),
            np.bincount(own[known], minlength=n) / cells,
        ],
        axis=1,
    )
    return Groups(labels, cues[1:].astype(np.float32), middles[1:])


def _border(h: int, w: int) -> np.ndarray:
    border = np.zeros((h, w), bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    return border
