"""What colours a thing has: a small histogram of the pixels of its mask, which tells things of one kind apart.

A vector of a crop says what something is; two vases have nearly the same. Their colours say which of the two it is, and
they stay what they are wherever the thing is carried.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8

__all__ = ["NUM_COLOURS", "colours_of", "named_colours", "shared_colours"]

_HUES: Final = 12
_GREYS: Final = 4
#: Entries of a histogram: twelve hues from red on, 30 degrees apart, then four greys from black to white.
NUM_COLOURS: Final = _HUES + _GREYS
_BITS: Final = 5  # per channel
_FEW: Final = 16
_MANY: Final = 400  # pixels that are looked at
_DARK: Final = 0.15
_PALE: Final = 0.1  # saturation below which a pixel is grey,
_COLOURED: Final = 0.35  # and above which it is not; between the two it is partly both
#: What people call the entries of a histogram; what lies between two names counts for both in part.
_NAMED: Final[dict[str, dict[int, float]]] = {
    "red": {0: 1.0, 11: 0.5},
    "orange": {0: 0.5, 1: 1.0, 2: 0.3},
    "yellow": {1: 0.3, 2: 1.0, 3: 0.3},
    "green": {3: 1.0, 4: 1.0, 5: 1.0},
    "blue": {6: 0.5, 7: 1.0, 8: 1.0},
    "purple": {8: 0.3, 9: 1.0, 10: 0.5},
    "pink": {0: 0.3, 10: 0.7, 11: 1.0},
    "black": {12: 1.0, 13: 0.3},
    "white": {14: 0.6, 15: 1.0},
}


def colours_of(rgb: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "16"]:
    """Histogram of the colours in a mask; its entries add up to about 255.

    The rim of the mask is left out where enough remains, for it mixes with what lies behind. Each pixel is shared
    between neighbouring entries, so that a little more light does not change the histogram by leaps.

    Args:
        rgb: The picture.
        mask: Pixels of the thing; all zero if there are none.

    Source: Swain and Ballard, "Color Indexing", International Journal of Computer Vision 7, 1991.

    Example:
        >>> picture = np.zeros((8, 8, 3), np.uint8)
        >>> picture[..., 0] = 200
        >>> int(colours_of(picture, np.ones((8, 8), bool)).argmax())  # red
        0
    """
    inner = np.zeros_like(mask)  # pixels whose four neighbours are the thing's, too
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    places = np.flatnonzero(inner)
    if len(places) < _FEW:
        places = np.flatnonzero(mask)
    if not len(places):
        return np.zeros(NUM_COLOURS, np.uint8)
    places = places[:: max(1, len(places) // _MANY)]
    pixels = rgb[places // mask.shape[1], places % mask.shape[1]].astype(np.intp) >> (8 - _BITS)
    index = (pixels[:, 0] << 2 * _BITS) | (pixels[:, 1] << _BITS) | pixels[:, 2]
    return np.asarray(np.rint(_palette()[index].mean(axis=0) * 255), np.uint8)


def shared_colours(
    a: Float[np.ndarray, "*#batch 16"] | UInt8[np.ndarray, "*#batch 16"],
    b: Float[np.ndarray, "*#batch 16"] | UInt8[np.ndarray, "*#batch 16"],
) -> Float[np.ndarray, "..."]:
    """How much of their colours two things share, in [0, 1]: the intersection of their histograms.

    Histograms need not be scaled; broadcasting works as everywhere. NaN where one of them is empty: nothing is known.

    Source: as `colours_of`.

    Example:
        >>> red, half = np.eye(16)[0], np.eye(16)[:2].sum(axis=0)
        >>> float(shared_colours(red, red)), float(shared_colours(red, half)), float(shared_colours(red, np.eye(16)[3]))
        (1.0, 0.5, 0.0)
    """
    x, y = (np.asarray(values, np.float64) for values in (a, b))
    whole_x, whole_y = (values.sum(axis=-1, keepdims=True) for values in (x, y))
    shared = np.minimum(x / np.maximum(whole_x, 1e-9), y / np.maximum(whole_y, 1e-9)).sum(axis=-1)
    return np.asarray(np.where((whole_x > 0)[..., 0] & (whole_y > 0)[..., 0], shared, np.nan))


def named_colours(colours: Float[np.ndarray, "16"] | UInt8[np.ndarray, "16"]) -> dict[str, float]:
    """How much of a histogram goes by the name of each colour, in [0, 1]; the shares of neighbours overlap.

    Empty where the histogram is: nothing is known.

    Example:
        >>> shares = named_colours(np.eye(16)[4])
        >>> shares["green"], shares["red"]
        (1.0, 0.0)
    """
    whole = float(np.sum(colours, dtype=np.float64))
    if whole <= 0:
        return {}
    return {
        name: min(1.0, sum(part * float(colours[entry]) for entry, part in entries.items()) / whole)
        for name, entries in _NAMED.items()
    }


@cache
def _palette() -> Float[np.ndarray, "n 16"]:
    """Which entries each colour belongs to, for colours of five bits per channel."""
    steps = (np.arange(1 << _BITS, dtype=np.float32) + 0.5) / (1 << _BITS)
    red, green, blue = (axis.ravel() for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    top, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    chroma = top - low
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(
        top == red, (green - blue) / safe % 6, np.where(top == green, (blue - red) / safe + 2, (red - green) / safe + 4)
    )
    hue = np.where(chroma > 0, hue, 0.0) * (_HUES / 6)
    coloured = np.clip((chroma / np.maximum(top, _DARK) - _PALE) / (_COLOURED - _PALE), 0, 1)
    found = np.zeros((len(top), NUM_COLOURS), np.float32)
    rows = np.arange(len(top))
    first = np.floor(hue).astype(np.intp)
    found[rows, first % _HUES] += coloured * (1 - (hue - first))
    found[rows, (first + 1) % _HUES] += coloured * (hue - first)
    bright = np.clip(top * _GREYS - 0.5, 0, _GREYS - 1)
    first = np.minimum(np.floor(bright).astype(np.intp), _GREYS - 2)
    found[rows, _HUES + first] += (1 - coloured) * (1 - (bright - first))
    found[rows, _HUES + first + 1] += (1 - coloured) * (bright - first)
    return found
