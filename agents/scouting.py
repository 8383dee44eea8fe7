"""Where to look next: how much of what is wanted a walk to each cell would probably bring into view."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import gaussian_filter, uniform_filter1d

from placecell.agents.crafting import Cell
from placecell.agents.known_map import KnownMap
from placecell.agents.ways import Ways

__all__ = ["best_walk", "likely", "rock", "walk_gains", "worth_seeing"]

_ROCK = ("stone", "coal", "iron", "diamond", "path", "lava", "table", "furnace")
_TOLD = 0.1  # what a cell is worth, of 1, where somebody looked who would have told of an ore


def likely(known: KnownMap, *materials: str, prior: float = 0.3, reach: float = 4.0) -> Float64[np.ndarray, "w h"]:
    """Chance that each cell is of such a material: the share among known cells around it, weighed by nearness.

    Where nothing near is known, `prior`.
    """
    is_known = (known.materials > 0).astype(np.float64)
    share = gaussian_filter(known.mask(*materials).astype(np.float64), reach, mode="constant", truncate=3.0)
    weight = gaussian_filter(is_known, reach, mode="constant", truncate=3.0)
    return np.asarray((share + 0.03 * prior) / (weight + 0.03))


def rock(known: KnownMap) -> Float64[np.ndarray, "w h"]:
    """Chance that each cell is part of a mountain, where ores lie."""
    return likely(known, *_ROCK, prior=0.35)


def worth_seeing(known: KnownMap, wanted: str) -> Float64[np.ndarray, "w h"]:
    """What seeing each cell is worth to whoever looks for "wood", "water", "cow" or an ore; 0 for known cells.

    Where others looked and told of no ore, there is little more to be seen of ores.
    """
    if wanted == "wood":
        worth = 3 * likely(known, "tree", prior=0.1, reach=3.0) + likely(known, "grass", "tree", prior=0.5)
    elif wanted == "water":
        worth = likely(known, "water", prior=0.2) + 0.2 * likely(known, "sand", prior=0.1)
    elif wanted == "cow":
        worth = likely(known, "grass", prior=0.3)
    else:
        worth = rock(known) * np.where(known.told, _TOLD, 1.0)
    return np.where(known.materials == 0, worth + 0.02, 0.0)


def walk_gains(worth: Float64[np.ndarray, "w h"], ways: Ways, view: Cell) -> Float64[np.ndarray, "w h"]:
    """What the cheapest way to each cell brings into view on all of its steps.

    Args:
        worth: Of seeing each cell; 0 for those that were seen.
        ways: From where the agent stands.
        view: Cells across and down that it sees around itself.

    Each step shows one strip at the far side of the view. Strips that a winding way shows twice count twice.
    """
    w, h = worth.shape
    a, b = view[0] // 2, view[1] // 2
    columns = uniform_filter1d(worth, view[1], axis=1, mode="constant") * view[1]
    rows = uniform_filter1d(worth, view[0], axis=0, mode="constant") * view[0]
    strips = np.zeros((4, w, h))  # shown by a step to the left, right, up, down onto the cell
    strips[0, a:] = columns[: w - a]
    strips[1, : w - a] = columns[a:]
    strips[2, :, b:] = rows[:, : h - b]
    strips[3, :, : h - b] = rows[:, b:]
    before = ways.before
    cells = np.arange(w * h)
    start = ways.start[0] * h + ways.start[1]
    move = cells - before
    number = np.select([move == -h, move == h, move == -1], [0, 1, 2], 3)
    has_way = before >= 0
    gains = np.where(has_way, strips.reshape(4, -1)[number, cells], 0.0)
    gains[start] = 0.0
    back = np.where(has_way, before, start)
    back[start] = start
    for _ in range(12):  # doubling: the sum over the whole way back to the start
        if (back == start).all():
            break
        gains = gains + gains[back]
        back = back[back]
    return np.asarray(gains.reshape(w, h))


def best_walk(
    gains: Float64[np.ndarray, "w h"],
    ways: Ways,
    patience: float = 6.0,
    kept: Cell | None = None,
    loyalty: float = 1.15,
    allowed: Bool[np.ndarray, "w h"] | None = None,
) -> tuple[Cell, float] | None:
    """The cell whose way brings most for its cost, and its rate; None if none brings anything.

    Args:
        gains: From `walk_gains`.
        ways: To all cells.
        patience: Added to every cost: the greater, the farther it looks.
        kept: The cell of the last choice, which is held on to unless another is better by `loyalty`.
        loyalty: How much better.
        allowed: Where one may go; by default anywhere.
    """
    rates = np.where(np.isfinite(ways.distance), gains, 0.0) / (
        np.where(np.isfinite(ways.distance), ways.distance, 0.0) + patience
    )
    if allowed is not None:
        rates = np.where(allowed, rates, 0.0)
    best = np.unravel_index(int(rates.argmax()), rates.shape)
    cell = (int(best[0]), int(best[1]))
    if rates[cell] <= 1e-6:
        return None
    if kept is not None and rates[kept] > 0 and rates[kept] * loyalty >= rates[cell]:
        cell = kept
    return cell, float(rates[cell])
