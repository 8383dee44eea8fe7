"""Cutting a view into overlapping tiles, so that small things get vectors of their own.

A vector of a whole view says which room it is and names what is large. A mug that is 32 pixels wide in a view of 256
covers 1.5 % of it and is lost there; in a tile of half the width it covers 6 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

if TYPE_CHECKING:
    from placecell.perception.encoders import Encoder

__all__ = ["cut_square", "cut_tiles", "encode_moments", "resize", "tile_boxes"]


def tile_boxes(width: int, height: int, scales: Sequence[int] | None = None) -> Float64[np.ndarray, "v 4"]:
    """Where the tiles of a view lie: row 0 the whole view, then overlapping tiles, row by row.

    A scale of `s` means tiles of 1/s of the width and of the height, each overlapping the next by half, hence
    `(2 s - 1) ** 2` of them: 9 at scale 2, 25 at scale 3. Half-size tiles suffice up to 448 pixels; above that a
    thing of 32 pixels would shrink below 14 in the encoder's input, so thirds are used instead.

    Args:
        width: Pixels across of the view.
        height: Pixels down.
        scales: Tile sizes; chosen from the view's size if not given. An empty sequence gives the whole view only.

    Returns:
        Fractions of the view: left, top, right, bottom, each in [0, 1].

    Example:
        >>> tile_boxes(256, 256).shape, tile_boxes(256, 256)[1].tolist()
        ((10, 4), [0.0, 0.0, 0.5, 0.5])
    """
    if width < 1 or height < 1:
        raise ValueError(f"a view needs at least one pixel, got {width} x {height}")
    if scales is None:
        scales = (2,) if max(width, height) <= 448 else (3,)
    boxes = [(0.0, 0.0, 1.0, 1.0)]
    for scale in scales:
        if scale < 2:
            raise ValueError(f"a scale of tiles must be 2 or more, got {scale}")
        starts = [i / (2 * scale) for i in range(2 * scale - 1)]
        boxes += [(x, y, x + 1 / scale, y + 1 / scale) for y in starts for x in starts]
    return np.array(boxes)


def resize(image: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Image at `size` x `size`, squashed to a square; averaged when it shrinks, linear when it grows."""
    if image.shape[:2] == (size, size):
        return image
    shrinks = image.shape[0] * image.shape[1] > size * size
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def cut_tiles(
    image: UInt8[np.ndarray, "h w 3"], boxes: Float64[np.ndarray, "v 4"], size: int
) -> UInt8[np.ndarray, "v {size} {size} 3"]:
    """Every tile of `image`, resized to `size` x `size`."""
    height, width = image.shape[:2]
    tiles = np.empty((len(boxes), size, size, 3), np.uint8)
    for tile, (left, top, right, bottom) in zip(tiles, boxes, strict=True):
        x, y = round(left * width), round(top * height)
        x1, y1 = max(round(right * width), x + 1), max(round(bottom * height), y + 1)
        tile[:] = resize(image[min(y, height - 1) : y1, min(x, width - 1) : x1], size)
    return tiles


def cut_square(
    image: UInt8[np.ndarray, "h w 3"], box: Sequence[float] | Sequence[int], margin: float = 0.2
) -> UInt8[np.ndarray, "side side 3"]:
    """Square crop around an object, with some of what surrounds it; the image's edge is repeated where it ends.

    Args:
        image: The view.
        box: Left, top, right, bottom in pixels, right and bottom excluded.
        margin: Surroundings on each side, as a fraction of the box's longer side.
    """
    left, top, right, bottom = box
    if not (right > left and bottom > top):
        raise ValueError(f"box must be left, top, right, bottom with a positive size, got {tuple(box)}")
    side = max(2, round(max(right - left, bottom - top) * (1 + 2 * margin)))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    height, width = image.shape[:2]
    columns = np.clip(np.arange(x, x + side), 0, width - 1)
    rows = np.clip(np.arange(y, y + side), 0, height - 1)
    return image[rows[:, None], columns[None, :]]


def encode_moments(
    encoder: Encoder,
    images: Sequence[UInt8[np.ndarray, "h w 3"]],
    scales: Sequence[int] | None = None,
    batch: int = 64,
) -> Float32[np.ndarray, "n v d"]:
    """Vectors of the whole view and of every tile of each image.

    Args:
        encoder: What turns pictures into vectors.
        images: Views of one size.
        scales: See `tile_boxes`.
        batch: Tiles that are handed to the encoder at once; bounds the memory that is used.
    """
    if len(images) == 0:
        raise ValueError("encode_moments needs at least one image")
    shapes = {np.shape(image) for image in images}
    if len(shapes) > 1:
        raise ValueError(f"images of one call must have one size, got {sorted(shapes)}")
    height, width = np.shape(images[0])[:2]
    boxes = tile_boxes(width, height, scales)
    vectors = np.empty((len(images), len(boxes), encoder.dim), np.float32)
    step = max(1, batch // len(boxes))
    for start in range(0, len(images), step):
        group = images[start : start + step]
        tiles = np.concatenate([cut_tiles(np.asarray(image), boxes, encoder.image_size) for image in group])
        vectors[start : start + step] = encoder.encode_images(tiles).reshape(len(group), len(boxes), encoder.dim)
    return vectors
