"""Patterns of floors and walls: planks, tiles, carpet, stripes, as pictures of albedo (0-1, sRGB) per type of room."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

__all__ = ["TEXELS_PER_M", "floor_pattern", "wall_pattern"]

TEXELS_PER_M = 48

Colour = tuple[float, float, float]
Rng = np.random.Generator

_WALLS: dict[str, tuple[Colour, ...]] = {
    "living room": ((0.90, 0.84, 0.72), (0.80, 0.84, 0.78), (0.88, 0.78, 0.68)),
    "bedroom": ((0.80, 0.84, 0.92), (0.90, 0.82, 0.84), (0.86, 0.84, 0.90)),
    "kitchen": ((0.95, 0.91, 0.76), (0.92, 0.92, 0.88), (0.95, 0.86, 0.72)),
    "dining room": ((0.78, 0.66, 0.55), (0.72, 0.76, 0.66), (0.84, 0.70, 0.60)),
    "office": ((0.76, 0.80, 0.82), (0.70, 0.77, 0.74), (0.80, 0.80, 0.78)),
    "bathroom": ((0.86, 0.94, 0.96), (0.90, 0.95, 0.92), (0.84, 0.90, 0.95)),
    "hallway": ((0.93, 0.90, 0.84), (0.90, 0.86, 0.80), (0.88, 0.89, 0.86)),
    "laundry room": ((0.90, 0.92, 0.92), (0.86, 0.90, 0.84), (0.92, 0.90, 0.86)),
    "nursery": ((0.98, 0.93, 0.74), (0.80, 0.92, 0.96), (0.97, 0.84, 0.88)),
}


def _flat(h: int, w: int, colour: Colour) -> np.ndarray:
    return np.broadcast_to(np.asarray(colour, np.float32), (h, w, 3)).copy()


def _noise(picture: np.ndarray, rng: Rng, amount: float) -> np.ndarray:
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)
    return np.asarray(picture * (1.0 + amount * grain)[..., None])


def _planks(h: int, w: int, rng: Rng, colour: Colour, wide: int) -> np.ndarray:
    picture = _flat(h, w, colour)
    column = np.arange(w)
    for top in range(0, h, wide):
        long = int(rng.integers(40, 75))
        shift = int(rng.integers(0, long))
        tone = rng.uniform(0.8, 1.18, w // long + 3).astype(np.float32)
        row = tone[(column + shift) // long]
        grain = 1.0 + 0.04 * rng.standard_normal((min(wide, h - top), 1)).astype(np.float32)
        picture[top : top + wide] *= (row[None] * grain)[..., None]
        picture[top] *= 0.72
        picture[top : top + wide, (column + shift) % long == 0] *= 0.72
    return picture


def _tiles(h: int, w: int, rng: Rng, a: Colour, b: Colour, size: int, grout: float) -> np.ndarray:
    rows, columns = h // size + 1, w // size + 1
    checker = (np.arange(rows)[:, None] + np.arange(columns)) % 2
    tile = np.where(checker[..., None] == 0, np.asarray(a, np.float32), np.asarray(b, np.float32))
    tile = tile * rng.uniform(0.94, 1.05, (rows, columns, 1)).astype(np.float32)
    picture = np.repeat(np.repeat(tile, size, axis=0), size, axis=1)[:h, :w].copy()
    picture[::size] *= grout
    picture[:, ::size] *= grout
    return picture


def _parquet(h: int, w: int, rng: Rng, colour: Colour) -> np.ndarray:
    block, strip = 20, 5
    y, x = np.mgrid[0:h, 0:w]
    upright = ((y // block) + (x // block)) % 2 == 0
    index = np.where(upright, x // strip, y // strip) + 997 * np.where(upright, y // block, x // block)
    tone = rng.uniform(0.78, 1.15, 4096).astype(np.float32)[index % 4096]
    seam = np.where(upright, x % strip == 0, y % strip == 0) | (y % block == 0) | (x % block == 0)
    shade = tone * np.where(seam, np.float32(0.75), np.float32(1.0))
    return np.asarray(np.asarray(colour, np.float32) * shade[..., None])


def floor_pattern(kind: str, h: int, w: int, rng: Rng) -> Float32[np.ndarray, "h w 3"]:
    """Floor of a room of type `kind`, `h` by `w` texels."""
    pick = int(rng.integers(3))
    if kind == "living room":
        picture = _planks(h, w, rng, ((0.52, 0.33, 0.19), (0.62, 0.42, 0.25), (0.42, 0.27, 0.17))[pick], 7)
    elif kind == "bedroom":
        picture = _noise(_flat(h, w, ((0.80, 0.72, 0.62), (0.62, 0.66, 0.76), (0.78, 0.66, 0.68))[pick]), rng, 0.09)
    elif kind == "kitchen":
        dark = ((0.22, 0.23, 0.25), (0.30, 0.42, 0.45), (0.55, 0.22, 0.18))[pick]
        picture = _tiles(h, w, rng, (0.90, 0.89, 0.85), dark, 16, 0.8)
    elif kind == "dining room":
        picture = _parquet(h, w, rng, ((0.72, 0.52, 0.30), (0.60, 0.40, 0.22), (0.78, 0.60, 0.38))[pick])
    elif kind == "office":
        tone = ((0.36, 0.40, 0.48), (0.34, 0.42, 0.38), (0.40, 0.38, 0.40))[pick]
        picture = _noise(_tiles(h, w, rng, tone, (tone[0] * 0.86, tone[1] * 0.86, tone[2] * 0.86), 24, 0.95), rng, 0.12)
    elif kind == "bathroom":
        pair = (
            ((0.62, 0.78, 0.84), (0.70, 0.84, 0.88)),
            ((0.80, 0.84, 0.84), (0.86, 0.89, 0.88)),
            ((0.50, 0.70, 0.68), (0.58, 0.76, 0.74)),
        )[pick]
        picture = _tiles(h, w, rng, pair[0], pair[1], 7, 1.16 if pick != 1 else 0.8)
    elif kind == "hallway":
        stone = ((0.68, 0.42, 0.31), (0.62, 0.58, 0.52), (0.76, 0.68, 0.54))[pick]
        picture = _noise(
            _tiles(h, w, rng, stone, (stone[0] * 0.9, stone[1] * 0.92, stone[2] * 0.94), 24, 0.68), rng, 0.035
        )
    elif kind == "laundry room":
        picture = _flat(h, w, ((0.66, 0.72, 0.64), (0.70, 0.70, 0.70), (0.58, 0.66, 0.72))[pick])
        speck = rng.random((h, w), dtype=np.float32)
        picture[speck < 0.06] *= 0.68
        picture[speck > 0.95] *= 1.25
    elif kind == "nursery":
        size = 22
        pastel = np.array([(0.96, 0.70, 0.66), (0.98, 0.88, 0.58), (0.66, 0.86, 0.72), (0.64, 0.80, 0.94)], np.float32)
        index = (np.arange(h // size + 1)[:, None] + 2 * np.arange(w // size + 1)[None] + pick) % 4
        picture = np.repeat(np.repeat(pastel[index], size, axis=0), size, axis=1)[:h, :w].copy()
        picture[::size] *= 0.88
        picture[:, ::size] *= 0.88
    else:
        raise ValueError(f"no floor is known for a room of type {kind!r}")
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def wall_pattern(kind: str, h: int, w: int, style: int, rng: Rng) -> Float32[np.ndarray, "h w 3"]:
    """Wall of a room of type `kind`, top row first; walls of one room share `style` (any integer)."""
    colour = _WALLS[kind][style % 3]
    picture = _flat(h, w, colour)
    row = (h - 1 - np.arange(h)) / TEXELS_PER_M
    more = (style // 3) % 2 == 0
    if kind == "bedroom":
        picture[:, (np.arange(w) // 8) % 2 == 0] *= 0.93
    elif kind == "kitchen":
        belt = (row > 0.92) & (row < 1.5)
        tile = _tiles(h, w, rng, (0.93, 0.95, 0.95), (0.62, 0.80, 0.78) if more else (0.93, 0.95, 0.95), 7, 0.82)
        picture[belt] = tile[belt]
    elif kind == "dining room":
        low = row < 0.95
        panel = _planks(w, h, rng, (0.50, 0.32, 0.20), 9).transpose(1, 0, 2)
        picture[low] = panel[low] * 0.95
        picture[(row > 0.93) & (row < 1.0)] = (0.38, 0.24, 0.15)
    elif kind == "bathroom":
        low = row < (1.7 if more else 1.2)
        tile = _tiles(h, w, rng, (0.93, 0.97, 0.98), (0.88, 0.94, 0.96), 10, 0.82)
        picture[low] = tile[low]
        edge = 1.7 if more else 1.2
        picture[(row > edge - 0.06) & (row < edge + 0.02)] = (0.30, 0.55, 0.65)
    elif kind == "hallway":
        picture[row < 1.05] = np.asarray(colour, np.float32) * (0.72, 0.74, 0.76)
        picture[(row > 1.02) & (row < 1.1)] = (0.97, 0.96, 0.94)
    elif kind == "laundry room":
        low = row < 1.3
        tile = _tiles(h, w, rng, (0.94, 0.95, 0.95), (0.94, 0.95, 0.95), 14, 0.85)
        picture[low] = tile[low]
    elif kind == "nursery":
        y, x = np.mgrid[0:h, 0:w]
        step = 20
        shift = (y // step % 2) * (step // 2)
        dot = ((y % step - step / 2) ** 2 + ((x + shift) % step - step / 2) ** 2) < 12
        tint = np.array([(0.95, 0.55, 0.55), (0.45, 0.70, 0.90), (0.55, 0.80, 0.55)], np.float32)[
            ((x + shift) // step + y // step) % 3
        ]
        picture[dot] = tint[dot]
    elif kind == "living room" and more:
        picture[row > 2.15] *= (1.06, 1.06, 1.08)
        picture[(row > 2.1) & (row < 2.17)] = (0.95, 0.94, 0.92)
    skirting = (0.95, 0.94, 0.92) if kind != "dining room" else (0.36, 0.23, 0.15)
    picture[row < 0.08] = skirting
    return np.asarray(np.clip(picture, 0, 1), np.float32)
