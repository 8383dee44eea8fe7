"""Fittings of kitchens, bathrooms and laundries, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, INK, METAL, SCREEN, STEEL, WATER, WOOD
from placecell.envs.solids import Shape, rotation_x, rotation_y

__all__: list[str] = []

Rng = np.random.Generator


def fridge(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(0.6, 0.72), rng.uniform(0.6, 0.68), rng.uniform(1.6, 1.9)
    s.box((w, h, d - 0.06), (0, 0.02, -0.03), shade=0.9)
    if variant == 2:
        w += 0.2
        s.box((w, h, d - 0.06), (0, 0.02, -0.03), shade=0.9)
        for side in (-1, 1):
            s.box((w / 2 - 0.01, h - 0.04, 0.06), (side * w / 4, 0.04, d / 2 - 0.03))
            s.box((0.03, h * 0.5, 0.04), (side * 0.05, h * 0.3, d / 2 + 0.02), METAL)
        s.box((0.16, 0.26, 0.02), (-w / 4, h * 0.55, d / 2 + 0.005), INK)
        return
    split = h * (0.66 if variant == 0 else 0.36)
    s.box((w, split - 0.06, 0.06), (0, 0.04, d / 2 - 0.03))
    s.box((w, h - split - 0.02, 0.06), (0, split + 0.02, d / 2 - 0.03))
    s.box((w - 0.02, 0.025, 0.05), (0, split - 0.01, d / 2 - 0.04), INK)
    for y in (split - 0.4 if variant == 0 else split - 0.3, split + 0.08):
        s.box((0.03, 0.28, 0.04), (w / 2 - 0.07, y, d / 2 + 0.02), METAL)
    if variant == 1:
        s.box((w, 0.06, d), (0, h + 0.02, 0), shade=0.95)


def stove(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(0.58, 0.7), 0.6, rng.uniform(0.86, 0.92)
    s.box((w, h - 0.03, d), (0, 0, 0))
    s.box((w, 0.03, d), (0, h - 0.03, 0), STEEL)
    s.box((w * 0.74, h * 0.32, 0.02), (0, h * 0.3, d / 2), INK)
    s.box((w * 0.8, 0.025, 0.045), (0, h * 0.68, d / 2 + 0.02), METAL)
    for i in range(4):
        s.cylinder(
            0.024, 0.03, (-w / 2 + (i + 0.5) * w / 4, h - 0.09, d / 2), INK, turn=rotation_x(math.pi / 2), sides=10
        )
    for x in (-w / 4, w / 4):
        for z in (-0.14, 0.14):
            if variant == 1:
                s.lathe([(0, 0), (0.09, 0), (0.09, 0.006), (0, 0.006)], (x, h, z), (0.55, 0.12, 0.1), sides=16)
            else:
                s.ring(0.08, 0.012, (x, h + 0.015, z), INK, turn=rotation_x(math.pi / 2))
    if variant == 2:
        s.box((w, 0.22, 0.05), (0, h, -d / 2 + 0.03))
        s.box((0.16, 0.08, 0.01), (0, h + 0.08, -d / 2 + 0.06), INK)
    elif variant == 3:
        s.frustum(w * 0.55, 0.14, 0.3, (0, h + 0.75, -0.02), METAL, sides=4, smooth=False, turn=rotation_y(math.pi / 4))
        s.box((0.22, 0.45, 0.2), (0, h + 1.05, -0.1), METAL)


def counter(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.3, 1.9), 0.6, rng.uniform(0.86, 0.92)
    stone = ((0.72, 0.7, 0.66), (0.25, 0.25, 0.27), (0.6, 0.42, 0.26))[int(rng.integers(3))]
    s.box((w, h - 0.14, d - 0.04), (0, 0.1, -0.02), shade=0.85)
    s.box((w - 0.04, 0.1, d - 0.12), (0, 0, -0.04), INK)
    s.box((w + 0.04, 0.04, d + 0.03), (0, h - 0.04, 0), stone)
    num = max(2, round(w / 0.5))
    for i in range(num):
        x = -w / 2 + (i + 0.5) * w / num
        if variant == 1 and i == 0:
            for j in range(3):
                s.box((w / num - 0.02, 0.22, 0.02), (x, 0.12 + 0.24 * j, d / 2 - 0.03))
                s.box((0.14, 0.015, 0.03), (x, 0.26 + 0.24 * j, d / 2 - 0.01), METAL)
        else:
            s.box((w / num - 0.02, h - 0.18, 0.02), (x, 0.12, d / 2 - 0.03))
            s.box((0.015, 0.14, 0.03), (x + w / num / 2 - 0.05, h - 0.36, d / 2 - 0.01), METAL)
    side = -1 if variant == 2 else 1
    x = side * w * 0.26
    s.box((0.46, 0.012, 0.36), (x, h - 0.004, 0.02), METAL)
    s.box((0.4, 0.005, 0.3), (x, h + 0.009, 0.02), STEEL)
    s.tube([(x, h, -0.2), (x, h + 0.26, -0.2), (x, h + 0.3, -0.12), (x, h + 0.22, -0.03)], 0.014, METAL)
    s.surface(-side * w * 0.22, 0.02, w * 0.46, d - 0.14, h)
    if variant == 3:
        s.box((w, 0.55, 0.3), (0, h + 0.55, -d / 2 + 0.15))
        for i in range(num):
            xd = -w / 2 + (i + 0.5) * w / num
            s.box((w / num - 0.02, 0.5, 0.02), (xd, h + 0.57, -d / 2 + 0.31), shade=0.9)


def washing_machine(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = 0.6, rng.uniform(0.55, 0.62), rng.uniform(0.84, 0.9)
    s.box((w, h, d), (0, 0, 0))
    r = rng.uniform(0.17, 0.2)
    y = h * 0.45
    if variant == 2:
        s.lathe([(0, 0), (0.22, 0), (0.22, 0.04), (0, 0.05)], (0, h, 0.02), STEEL, sides=20)
        s.box((w, 0.18, 0.1), (0, h, -d / 2 + 0.05), shade=0.9)
        y, r = h * 0.5, 0.17
    s.ring(r, 0.035, (0, y, d / 2 + 0.01), METAL, sides=20)
    s.lathe([(0, 0), (r, 0), (r * 0.8, 0.05), (0, 0.07)], (0, y, d / 2), SCREEN, turn=rotation_x(math.pi / 2), sides=20)
    s.box((w - 0.04, 0.1, 0.015), (0, h - 0.12, d / 2), CREAM)
    s.cylinder(0.035, 0.03, (w * 0.3, h - 0.07, d / 2), METAL, turn=rotation_x(math.pi / 2))
    s.box((0.12, 0.04, 0.02), (-w * 0.2 if variant == 0 else 0.0, h - 0.09, d / 2 + 0.005), INK)
    if variant == 1:
        s.box((w + 0.02, 0.03, d + 0.02), (0, h, 0), WOOD)
        s.surface(0, 0, w - 0.06, d - 0.06, h + 0.03)


def sink(s: Shape, rng: Rng, variant: int) -> None:
    h, w = rng.uniform(0.82, 0.9), rng.uniform(0.5, 0.62)
    if variant == 0:
        s.lathe([(0, 0), (0.14, 0), (0.08, 0.2), (0.07, h - 0.2)], (0, 0, -0.05))
        s.lathe(
            [(0.05, 0), (w * 0.4, 0.1), (w * 0.5, 0.2), (w * 0.42, 0.2), (w * 0.3, 0.1), (0, 0.08)],
            (0, h - 0.2, 0),
            sides=18,
            stretch=(1, 1, 0.8),
        )
    elif variant == 1:
        s.box((w, 0.16, 0.45), (0, h - 0.16, 0))
        s.box((w * 0.72, 0.005, 0.28), (0, h, 0.04), shade=0.7)
        s.box((0.16, h - 0.16, 0.16), (0, 0, -0.1), shade=0.9)
    else:
        s.lathe(
            [(0, 0), (0.2, 0), (w * 0.42, 0.14), (w * 0.36, 0.14), (0.1, 0.04), (0, 0.03)], (0, h - 0.14, 0), sides=18
        )
        for x in (-w * 0.3, w * 0.3):
            for z in (-0.12, 0.12):
                s.cylinder(0.016, h - 0.08, (x, 0, z), METAL, sides=8)
        s.ring(0.2, 0.012, (0, h * 0.4, 0), METAL, turn=rotation_x(math.pi / 2))
    s.tube([(0, h - 0.02, -0.2), (0, h + 0.16, -0.19), (0, h + 0.16, -0.04), (0, h + 0.12, -0.04)], 0.016, METAL)
    for x in (-0.1, 0.1):
        s.cylinder(0.018, 0.07, (x, h - 0.02, -0.18), METAL, sides=8)


def toilet(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.95, 1.08)
    s.lathe(
        [(0, 0), (0.15, 0), (0.11, 0.14), (0.16, 0.3), (0.2, 0.38), (0.2, 0.42), (0, 0.42)],
        (0, 0, 0.1),
        sides=16,
        stretch=(0.95, k, 1.2),
    )
    s.lathe(
        [(0.12, 0), (0.21, 0), (0.21, 0.025), (0.12, 0.025), (0.12, 0)],
        (0, 0.42 * k, 0.1),
        shade=0.9,
        sides=16,
        stretch=(0.95, 1, 1.2),
    )
    s.lathe([(0, 0), (0.12, 0)][::-1], (0, 0.421 * k, 0.1), WATER, sides=16, stretch=(0.95, 1, 1.2))
    if variant == 0:
        s.box((0.4, 0.36, 0.18), (0, 0.4 * k, -0.24))
        s.box((0.43, 0.035, 0.2), (0, 0.4 * k + 0.36, -0.24), shade=0.92)
    elif variant == 1:
        s.lathe([(0, 0), (0.2, 0), (0.21, 0.32), (0, 0.34)], (0, 0.4 * k, -0.24), stretch=(1, 1, 0.5))
        s.sphere(0.03, (0, 0.4 * k + 0.36, -0.24), METAL, sides=8)
    else:
        s.box((0.4, 0.3, 0.17), (0, 0.5 * k, -0.26))
        s.box((0.18, 0.2, 0.14), (0, 0.36 * k, -0.24), shade=0.9)
    s.box((0.22, 0.36 * k, 0.26), (0, 0, -0.16), shade=0.92)
    if variant != 1:
        lid = rotation_x(-0.18)
        s.lathe(
            [(0, 0), (0.2, 0), (0.2, 0.02), (0, 0.02)],
            (0, 0.44 * k + 0.2, -0.11),
            shade=0.96,
            sides=16,
            turn=lid @ rotation_x(math.pi / 2),
            stretch=(0.95, 1, 1.05),
        )


def bathtub(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.5, 1.75), rng.uniform(0.68, 0.78), rng.uniform(0.52, 0.6)
    if variant == 0:
        s.box((w, h - 0.04, 0.08), (0, 0, d / 2 - 0.04))
        s.box((w, h - 0.04, 0.08), (0, 0, -d / 2 + 0.04))
        for x in (-w / 2 + 0.05, w / 2 - 0.05):
            s.box((0.1, h - 0.04, d), (x, 0, 0))
        s.box((w - 0.1, h - 0.16, d - 0.1), (0, 0, 0), WATER)
        for z in (-d / 2 + 0.05, d / 2 - 0.05):
            s.box((w + 0.02, 0.04, 0.1), (0, h - 0.04, z), shade=0.95)
    else:
        low = 0.0 if variant == 1 else 0.12
        s.lathe(
            [(0, low), (0.36, low), (0.46, h * 0.6), (0.5, h), (0.52, h + 0.015), (0.46, h + 0.015), (0.43, h * 0.78)],
            (0, 0, 0),
            sides=24,
            stretch=(w, 1, d),
        )
        s.lathe([(0.44, 0), (0, 0)], (0, h * 0.8, 0), WATER, sides=24, stretch=(w, 1, d))
        if variant == 2:
            for x in (-w * 0.28, w * 0.28):
                for z in (-d * 0.28, d * 0.28):
                    s.frustum(0.03, 0.05, 0.16, (x, 0, z), METAL, sides=8)
    x = -w / 2 + 0.08
    s.tube([(x, h - 0.04, 0), (x, h + 0.2, 0), (x + 0.14, h + 0.2, 0), (x + 0.14, h + 0.15, 0)], 0.018, METAL)
    s.surface(0.1, 0, w * 0.5, d * 0.5, h - 0.14 if variant == 0 else h * 0.8)


def ironing_board(s: Shape, rng: Rng, variant: int) -> None:
    w, h = rng.uniform(1.15, 1.35), rng.uniform(0.82, 0.92)
    y = h
    s.panel(
        [
            (-w / 2, y, -0.19),
            (-w / 2, y, 0.19),
            (w * 0.25, y, 0.19),
            (w * 0.42, y, 0.1),
            (w / 2, y, 0),
            (w * 0.42, y, -0.1),
            (w * 0.25, y, -0.19),
        ]
    )
    s.box((w * 0.75, 0.035, 0.38), (-w * 0.125, y - 0.036, 0))
    s.frustum(0.19, 0.19, 0.034, (w * 0.25, y - 0.036, 0), sides=16)
    for side in (-1, 1):
        s.tube([(-side * w * 0.3, y - 0.03, 0), (side * w * 0.3, 0.02, 0)], 0.018, METAL)
        s.tube([(side * w * 0.3, 0.02, -0.2), (side * w * 0.3, 0.02, 0.2)], 0.016, METAL)
    if variant == 1:
        for i in range(4):
            s.box((0.04, 0.002, 0.3), (-w * 0.4 + i * 0.22, y + 0.001, 0), CREAM)
    elif variant == 2:
        s.box((0.26, 0.03, 0.12), (-w * 0.1, y, 0), METAL)
        s.ring(0.07, 0.014, (-w * 0.1, y + 0.06, 0), INK)
