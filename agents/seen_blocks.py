"""Where somebody has looked, in a few letters: blocks of four by four cells, as lengths of runs."""

from __future__ import annotations

import re
from itertools import accumulate, groupby
from typing import Final

import numpy as np
from jaxtyping import Bool

from placecell.agents.crafting import Cell

__all__ = ["read_seen", "write_seen"]

_SIDE: Final = 4  # cells across and down
_MOST: Final = 0.75  # of a block that was seen so far is seen
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
_WORD: Final = re.compile(r"%([0-9a-zA-Z_-]{1,4096})")


def write_seen(seen: Bool[np.ndarray, "w h"]) -> str:
    """One word that tells which blocks were seen: `%`, then lengths of runs, of unseen and of seen blocks in turn.

    Example:
        >>> seen = np.zeros((16, 16), bool); seen[4:8, :8] = True
        >>> write_seen(seen)
        '%42a'
    """
    w, h = (-(-side // _SIDE) for side in seen.shape)
    whole = np.ones((w * _SIDE, h * _SIDE), bool)
    whole[: seen.shape[0], : seen.shape[1]] = seen
    blocks = whole.reshape(w, _SIDE, h, _SIDE).mean((1, 3)) >= _MOST
    runs = [(is_seen, len(list(same))) for is_seen, same in groupby(blocks.ravel().tolist())]
    word = "%0" if runs[0][0] else "%"
    for _, length in runs:
        word += (_DIGITS[-1] + "0") * (length // 63) + _DIGITS[length % 63]  # none of the other kind in between
    return word


def read_seen(text: str, area: Cell) -> Bool[np.ndarray, "w h"]:
    """The cells of all blocks that a text tells of; other words are passed over, and what lies outside of the map.

    Example:
        >>> read_seen("hello %42a", (16, 16))[3:9, 0].tolist()
        [False, True, True, True, True, False]
    """
    w, h = (-(-side // _SIDE) for side in area)
    blocks = np.zeros(w * h, bool)
    for part in text.split():
        match = _WORD.fullmatch(part)
        runs = [] if match is None else [_DIGITS.index(letter) for letter in match[1]]
        for i, end in enumerate(accumulate(runs)):
            if i % 2:
                blocks[end - runs[i] : end] = True
    cells = blocks.reshape(w, h).repeat(_SIDE, 0).repeat(_SIDE, 1)
    return np.asarray(cells[: area[0], : area[1]])
