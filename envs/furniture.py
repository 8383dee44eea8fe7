"""Furniture that stands on the floor, each category built from parametric solids in several variants.

A builder gets a `Shape` (its own colour in `shape.main`), a generator for the proportions, and the variant's number.
Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.solids import Shape, rotation_x, rotation_y, rotation_z

__all__: list[str] = []

WOOD = (0.56, 0.37, 0.21)
DARK_WOOD = (0.33, 0.20, 0.12)
METAL = (0.64, 0.65, 0.68)
STEEL = (0.36, 0.37, 0.40)
INK = (0.07, 0.07, 0.08)
CREAM = (0.93, 0.90, 0.83)
LEAF = (0.20, 0.48, 0.20)
SCREEN = (0.10, 0.16, 0.27)
WATER = (0.55, 0.75, 0.88)

Rng = np.random.Generator


def _legs(
    s: Shape, width: float, depth: float, height: float, r: float, colour: tuple[float, float, float], square: bool
) -> None:
    for x in (-width / 2 + r, width / 2 - r):
        for z in (-depth / 2 + r, depth / 2 - r):
            if square:
                s.box((2 * r, height, 2 * r), (x, 0, z), colour)
            else:
                s.frustum(r * 0.6, r, height, (x, 0, z), colour, sides=8)


def sofa(s: Shape, rng: Rng, variant: int) -> None:
    w, d, seat = rng.uniform(1.6, 2.1), rng.uniform(0.82, 0.95), rng.uniform(0.38, 0.44)
    back, arm = rng.uniform(0.78, 0.92), rng.uniform(0.14, 0.22)
    s.box((w, seat - 0.22, d), (0, 0.1, 0), shade=0.85)
    for x in (-w / 2 + 0.08, w / 2 - 0.08):
        for z in (-d / 2 + 0.08, d / 2 - 0.08):
            s.frustum(0.02, 0.03, 0.1, (x, 0, z), DARK_WOOD, sides=6)
    num = 2 if w < 1.8 else 3
    inner = w - 2 * arm
    for i in range(num):
        x = -inner / 2 + (i + 0.5) * inner / num
        s.box((inner / num - 0.02, 0.14, d - 0.22), (x, seat - 0.12, 0.1))
        if variant != 1:
            s.box(
                (inner / num - 0.03, back - seat - 0.04, 0.16), (x, seat + 0.02, -d / 2 + 0.26), turn=rotation_x(-0.15)
            )
    s.box((w, back - 0.1, 0.2), (0, 0.1, -d / 2 + 0.1), shade=0.92)
    for side in (-1, 1):
        x = side * (w / 2 - arm / 2)
        if variant == 2:
            s.cylinder(arm / 2 + 0.02, d, (x, seat + 0.16, -d / 2), turn=rotation_x(math.pi / 2))
            s.box((arm, seat + 0.06, d), (x, 0.1, 0), shade=0.9)
        else:
            s.box((arm, seat + 0.1, d), (x, 0.1, 0), shade=0.9)
    if variant == 1:
        s.cylinder(0.12, w, (-w / 2, back, -d / 2 + 0.12), turn=rotation_z(-math.pi / 2))
    if variant == 3:
        for side in (-1, 1):
            s.box((0.36, 0.36, 0.1), (side * inner * 0.36, seat + 0.05, 0.02), CREAM, turn=rotation_x(-0.35))


def beanbag(s: Shape, rng: Rng, variant: int) -> None:
    r = rng.uniform(0.38, 0.48)
    if variant == 0:
        s.lathe([(0, 0), (r * 0.9, 0), (r, 0.15), (r * 0.85, 0.38), (r * 0.4, 0.66), (0.05, 0.78), (0, 0.8)], (0, 0, 0))
        s.cylinder(0.04, 0.07, (0, 0.78, 0), shade=0.8)
    elif variant == 1:
        s.sphere(r, (0, 0.24, 0.05), stretch=(1, 0.55, 1))
        s.sphere(r * 0.72, (0, 0.5, -0.14), stretch=(1.15, 0.75, 0.6))
    else:
        s.lathe([(0, 0), (r, 0.02), (r * 1.05, 0.2), (r * 0.8, 0.42), (r * 0.3, 0.52), (0, 0.53)], (0, 0, 0))
        for i in range(6):
            a = i * math.pi / 3
            s.tube(
                [
                    (r * 1.05 * math.cos(a), 0.2, r * 1.05 * math.sin(a)),
                    (r * 0.8 * math.cos(a), 0.43, r * 0.8 * math.sin(a)),
                    (0, 0.54, 0),
                ],
                0.012,
                CREAM,
                sides=4,
            )


def bed(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.1, 1.7), rng.uniform(1.95, 2.1), rng.uniform(0.42, 0.52)
    wood = WOOD if rng.random() < 0.5 else DARK_WOOD
    s.box((w, 0.2, d), (0, 0.12, 0), wood)
    _legs(s, w, d, 0.12, 0.04, wood, True)
    s.box((w - 0.04, h - 0.3, d - 0.06), (0, 0.3, 0.02), CREAM)
    fold = rng.uniform(0.5, 0.66)
    s.box((w + 0.05, h - 0.2, d * fold), (0, 0.22, d / 2 - d * fold / 2 + 0.03))
    s.box((w + 0.06, 0.05, 0.24), (0, h - 0.01, d / 2 - d * fold - 0.05), CREAM, 1.05)
    num = 1 if w < 1.35 else 2
    for i in range(num):
        s.sphere(
            0.5,
            ((i - (num - 1) / 2) * w * 0.46, h + 0.06, -d / 2 + 0.3),
            (0.97, 0.97, 0.95),
            stretch=(0.56, 0.16, 0.36),
            sides=12,
        )
    if variant == 0:
        s.box((w + 0.06, rng.uniform(0.85, 1.1), 0.07), (0, 0, -d / 2 - 0.02), wood)
    elif variant == 1:
        for i in range(7):
            s.tube([((i - 3) * w / 6, 0.2, -d / 2), ((i - 3) * w / 6, 1.0, -d / 2)], 0.018, METAL)
        s.tube([(-w / 2, 1.0, -d / 2), (w / 2, 1.0, -d / 2)], 0.025, METAL)
    elif variant == 2:
        s.lathe(
            [(0, 0), (w / 2 + 0.03, 0), (w / 2 + 0.03, 0.08), (0, 0.08)],
            (0, h, -d / 2 - 0.04),
            shade=0.8,
            turn=rotation_x(math.pi / 2),
            sides=20,
            smooth=False,
        )
        s.box((w + 0.04, h + 0.2, 0.07), (0, 0, -d / 2 - 0.01), shade=0.8)
    else:
        for x in (-w / 2, w / 2):
            for z in (-d / 2, d / 2):
                s.cylinder(0.035, 1.75, (x, 0, z), wood, sides=8)
        for z in (-d / 2, d / 2):
            s.tube([(-w / 2, 1.74, z), (w / 2, 1.74, z)], 0.025, wood)
        s.box((w, 0.6, 0.05), (0, 0.2, -d / 2), wood)


def crib(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.1, 1.3), rng.uniform(0.6, 0.7), rng.uniform(0.85, 1.0)
    s.box((w - 0.04, 0.14, d - 0.04), (0, 0.36, 0), CREAM)
    _legs(s, w, d, h, 0.03, s.main, True)
    s._is_main[-4:] = [np.ones_like(flag) for flag in s._is_main[-4:]]
    for z in (-d / 2 + 0.03, d / 2 - 0.03):
        s.box((w, 0.06, 0.04), (0, h - 0.06, z))
        s.box((w, 0.08, 0.04), (0, 0.26, z))
        for i in range(1, 11):
            s.box((0.022, h - 0.36, 0.022), (-w / 2 + i * w / 11, 0.32, z))
    for x in (-w / 2 + 0.03, w / 2 - 0.03):
        if variant == 0:
            s.box((0.04, h - 0.2, d), (x, 0.22, 0))
        else:
            s.box((0.04, 0.06, d), (x, h - 0.06, 0))
            s.box((0.04, 0.08, d), (x, 0.26, 0))
            for i in range(1, 6):
                s.box((0.022, h - 0.36, 0.022), (x, 0.32, -d / 2 + i * d / 6))
    if variant == 2:
        s.tube([(-w / 2 + 0.05, h, -d / 2), (-w / 2 + 0.05, h + 0.5, -d / 2), (-w / 4, h + 0.55, 0)], 0.015, METAL)
        for i in range(3):
            s.sphere(
                0.05,
                (-w / 4 + 0.12 * math.cos(i * 2.1), h + 0.36, 0.12 * math.sin(i * 2.1)),
                [(0.9, 0.3, 0.3), (0.95, 0.8, 0.3), (0.3, 0.6, 0.9)][i],
                sides=8,
            )


def chair(s: Shape, rng: Rng, variant: int) -> None:
    w, seat, h = rng.uniform(0.4, 0.47), rng.uniform(0.43, 0.48), rng.uniform(0.85, 1.02)
    legs = (WOOD, DARK_WOOD, METAL)[int(rng.integers(3))]
    _legs(s, w, w, seat, 0.022, legs, variant != 2)
    s.box((w, 0.05, w), (0, seat - 0.02, 0))
    if variant == 0:
        s.box((w, h - seat - 0.05, 0.04), (0, seat + 0.05, -w / 2 + 0.03), turn=rotation_x(-0.1))
    elif variant == 1:
        for i in range(3):
            s.box((w, 0.09, 0.03), (0, seat + 0.12 + i * 0.15, -w / 2 + 0.02 - i * 0.012))
        for x in (-w / 2 + 0.02, w / 2 - 0.02):
            s.box((0.045, h - seat, 0.045), (x, seat, -w / 2 + 0.01), turn=rotation_x(-0.08))
    elif variant == 2:
        s.lathe(
            [(0, 0), (w * 0.52, 0), (w * 0.52, 0.04), (0, 0.04)],
            (0, seat + 0.28, -w / 2 + 0.01),
            turn=rotation_x(math.pi / 2),
            sides=16,
            smooth=False,
        )
        for x in (-0.1, 0.1):
            s.box((0.03, 0.2, 0.03), (x, seat, -w / 2 + 0.03), legs)
    else:
        s.box((w, h - seat, 0.07), (0, seat, -w / 2 + 0.04), turn=rotation_x(-0.12))
        for x in (-w / 2, w / 2):
            s.box((0.05, 0.05, w * 0.9), (x, seat + 0.2, 0), legs)
            s.box((0.05, 0.2, 0.05), (x, seat, w / 2 - 0.06), legs)


def stool(s: Shape, rng: Rng, variant: int) -> None:
    h, r = rng.uniform(0.6, 0.75), rng.uniform(0.17, 0.21)
    s.lathe([(0, 0), (r, 0), (r * 1.04, 0.04), (r * 0.95, 0.1), (0, 0.11)], (0, h - 0.1, 0), sides=16)
    if variant == 0:
        for i in range(4):
            a = i * math.pi / 2 + 0.78
            s.tube(
                [
                    (r * 0.7 * math.cos(a), h - 0.1, r * 0.7 * math.sin(a)),
                    (r * 1.25 * math.cos(a), 0, r * 1.25 * math.sin(a)),
                ],
                0.02,
                WOOD,
            )
        s.ring(r * 1.02, 0.012, (0, 0.22, 0), WOOD, turn=rotation_x(math.pi / 2))
    elif variant == 1:
        s.cylinder(0.03, h - 0.1, (0, 0, 0), METAL)
        s.frustum(r * 1.1, 0.04, 0.05, (0, 0, 0), METAL, sides=16)
        s.ring(r * 0.9, 0.012, (0, 0.25, 0), METAL, turn=rotation_x(math.pi / 2))
    else:
        for i in range(3):
            a = i * 2 * math.pi / 3
            s.tube(
                [
                    (r * 0.8 * math.cos(a), h - 0.1, r * 0.8 * math.sin(a)),
                    (r * 1.3 * math.cos(a), 0, r * 1.3 * math.sin(a)),
                ],
                0.022,
                DARK_WOOD,
            )


def table(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.2, 1.7), rng.uniform(0.75, 0.95), rng.uniform(0.7, 0.77)
    legs = (WOOD, DARK_WOOD, METAL)[int(rng.integers(3))]
    if variant == 1:
        r = rng.uniform(0.5, 0.62)
        s.lathe([(0, 0), (r, 0), (r, 0.05), (0, 0.05)], (0, h - 0.05, 0), sides=24, smooth=False)
        s.lathe([(0, 0), (r * 0.6, 0), (r * 0.5, 0.04), (0.06, 0.1), (0.05, h - 0.05)], (0, 0, 0), legs)
        s.surface(0, 0, r * 1.35, r * 1.35, h)
        return
    s.box((w, 0.05, d), (0, h - 0.05, 0))
    s.surface(0, 0, w - 0.1, d - 0.1, h)
    if variant == 0:
        _legs(s, w - 0.06, d - 0.06, h - 0.05, 0.035, legs, True)
        s.box((w - 0.15, 0.08, d - 0.15), (0, h - 0.13, 0), legs)
    elif variant == 2:
        for x in (-w * 0.36, w * 0.36):
            for side in (-1, 1):
                s.tube([(x, h - 0.05, side * d * 0.38), (x, 0, -side * d * 0.38)], 0.03, legs)
        s.tube([(-w * 0.36, h / 2, 0), (w * 0.36, h / 2, 0)], 0.025, legs)
    else:
        s.box((w + 0.04, 0.16, d + 0.04), (0, h - 0.15, 0))
        _legs(s, w - 0.06, d - 0.06, h - 0.1, 0.03, legs, False)


def desk(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(1.1, 1.4), rng.uniform(0.55, 0.68), rng.uniform(0.72, 0.77)
    s.box((w, 0.04, d), (0, h - 0.04, 0))
    s.surface(0, 0, w - 0.1, d - 0.1, h)
    sides = [1] if variant == 0 else [-1, 1] if variant == 1 else [-1]
    for side in sides:
        x = side * (w / 2 - 0.2)
        s.box((0.38, h - 0.1, d - 0.04), (x, 0.06, 0), shade=0.92)
        for i in range(3):
            s.box((0.34, 0.18, 0.02), (x, 0.09 + i * 0.2, d / 2 - 0.01), shade=0.8)
            s.box((0.12, 0.02, 0.03), (x, 0.18 + i * 0.2, d / 2), METAL)
    if len(sides) == 1:
        x = -sides[0] * (w / 2 - 0.03)
        if variant == 0:
            s.box((0.04, h - 0.04, d - 0.04), (x, 0, 0), shade=0.92)
        else:
            for z in (-d / 2 + 0.04, d / 2 - 0.04):
                s.box((0.04, h - 0.04, 0.04), (x, 0, z), METAL)
    s.box((w - 0.06, 0.35, 0.02), (0, h - 0.4, -d / 2 + 0.03), shade=0.75)
    if variant == 2:
        s.box((w, 0.3, 0.02), (0, h, -d / 2 + 0.01), shade=0.9)
        s.box((w, 0.02, 0.2), (0, h + 0.3, -d / 2 + 0.1))
        for x in (-w / 2 + 0.01, w / 2 - 0.01):
            s.box((0.02, 0.3, 0.2), (x, h, -d / 2 + 0.1))


def bookshelf(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(0.8, 1.2), rng.uniform(0.26, 0.34), rng.uniform(1.6, 2.05)
    if variant == 2:
        w, h = rng.uniform(1.2, 1.6), rng.uniform(0.95, 1.2)
        s.surface(0, 0, w - 0.1, d - 0.06, h)
    rows = max(2, round(h / 0.38))
    for x in (-w / 2 + 0.015, w / 2 - 0.015):
        s.box((0.03, h, d), (x, 0, 0))
    if variant != 1:
        s.box((w, h, 0.015), (0, 0, -d / 2 + 0.008), shade=0.75)
    for i in range(rows + 1):
        s.box((w - 0.03, 0.03, d), (0, i * (h - 0.03) / rows, 0))
    step = (h - 0.03) / rows
    for i in range(rows):
        x = -w / 2 + 0.04
        stop = w / 2 - 0.04 - rng.uniform(0, 0.25)
        while x < stop:
            t = rng.uniform(0.025, 0.06)
            tall = step * rng.uniform(0.55, 0.85)
            colour = tuple(float(v) for v in rng.uniform(0.15, 0.85, 3))
            s.box((t, tall, d * rng.uniform(0.6, 0.85)), (x + t / 2, i * step + 0.03, -0.01), colour)
            x += t + 0.003
            if rng.random() < 0.06:
                x += rng.uniform(0.08, 0.2)


def wardrobe(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(0.95, 1.4), rng.uniform(0.52, 0.6), rng.uniform(1.85, 2.1)
    s.box((w, h - 0.08, d), (0, 0.08, 0))
    s.box((w - 0.06, 0.08, d - 0.06), (0, 0, 0), DARK_WOOD)
    num = 2 if w < 1.2 else 3
    for i in range(num):
        x = -w / 2 + (i + 0.5) * w / num
        s.box((w / num - 0.02, h - 0.16, 0.02), (x, 0.12, d / 2), shade=0.9)
        if variant == 1:
            s.box((w / num - 0.14, h * 0.35, 0.02), (x, 0.25, d / 2 + 0.01), shade=0.75)
            s.box((w / num - 0.14, h * 0.35, 0.02), (x, 0.35 + h * 0.4, d / 2 + 0.01), shade=0.75)
        side = 1 if i % 2 == 0 else -1
        s.box((0.025, 0.2, 0.03), (x + side * (w / num / 2 - 0.06), h * 0.48, d / 2 + 0.02), METAL)
    if variant == 0:
        s.box((w + 0.06, 0.07, d + 0.05), (0, h, 0), shade=0.8)
    elif variant == 2:
        for i in range(8):
            s.box((w - 0.06, 0.02, 0.015), (0, 0.3 + i * (h - 0.5) / 8, d / 2 + 0.015), shade=0.7)


def dresser(s: Shape, rng: Rng, variant: int) -> None:
    w, d, h = rng.uniform(0.8, 1.2), rng.uniform(0.42, 0.5), rng.uniform(0.72, 0.95)
    if variant == 2:
        w, h = rng.uniform(0.55, 0.7), rng.uniform(0.95, 1.15)
    rows, columns = (3, 2) if variant == 0 else (4, 1) if variant == 1 else (5, 1)
    s.box((w, h - 0.12, d), (0, 0.1, 0), shade=0.85)
    _legs(s, w, d, 0.1, 0.03, DARK_WOOD, False)
    s.box((w + 0.04, 0.03, d + 0.03), (0, h - 0.03, 0))
    s.surface(0, 0, w - 0.06, d - 0.06, h)
    for i in range(rows):
        for j in range(columns):
            x, y = -w / 2 + (j + 0.5) * w / columns, 0.12 + i * (h - 0.17) / rows
            s.box((w / columns - 0.03, (h - 0.17) / rows - 0.025, 0.025), (x, y, d / 2))
            knobs = (0.0,) if columns == 2 else (-w * 0.28, w * 0.28)
            for k in knobs:
                s.sphere(0.022, (x + k, y + (h - 0.17) / rows / 2, d / 2 + 0.03), METAL, sides=8)


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


def tv(s: Shape, rng: Rng, variant: int) -> None:
    w = rng.uniform(0.9, 1.25)
    h = w * 0.57
    bench = rng.uniform(0.38, 0.5)
    s.box((w + 0.3, bench, 0.38), (0, 0, 0))
    s.box((w + 0.24, 0.02, 0.01), (0, bench * 0.5, 0.19), shade=0.6)
    for x in (-w * 0.3, w * 0.3):
        s.box((0.1, 0.02, 0.03), (x, bench * 0.7, 0.19), METAL)
    y = bench + 0.07
    if variant == 0:
        s.box((0.4, 0.02, 0.22), (0, bench, 0), INK)
        s.box((0.06, 0.08, 0.04), (0, bench, 0), INK)
    elif variant == 1:
        for x in (-w * 0.35, w * 0.35):
            s.tube([(x - 0.06, bench, 0.08), (x, y, 0), (x + 0.06, bench, -0.08)], 0.012, METAL)
    else:
        y = bench
        s.box((w * 0.8, h * 0.8, 0.3), (0, y, -0.04), INK)
    s.box((w, h, 0.05), (0, y, 0.06), INK)
    glow = [(0.25, 0.45, 0.75), (0.16, 0.22, 0.34), (0.30, 0.55, 0.50)][int(rng.integers(3))]
    s.box((w - 0.05, h - 0.05, 0.01), (0, y + 0.025, 0.085), glow)
    s.panel(
        [(-w / 2 + 0.04, y + h * 0.4, 0.0965), (w * 0.1, y + h - 0.04, 0.0965), (-w / 2 + 0.04, y + h - 0.04, 0.0965)],
        tuple(min(1.0, v * 1.5) for v in glow),
    )


def floor_lamp(s: Shape, rng: Rng, variant: int) -> None:
    h, r = rng.uniform(1.4, 1.7), rng.uniform(0.18, 0.24)
    pole = (METAL, INK, WOOD)[int(rng.integers(3))]
    if variant == 1:
        for i in range(3):
            a = i * 2.094 + 0.5
            s.tube([(0, h - 0.25, 0), (0.28 * math.cos(a), 0, 0.28 * math.sin(a))], 0.016, WOOD)
    else:
        s.frustum(0.15, 0.12, 0.03, (0, 0, 0), pole, sides=16)
        s.cylinder(0.014, h - 0.2, (0, 0, 0), pole, sides=8)
    if variant == 2:
        s.sphere(r * 0.85, (0, h - 0.1, 0), shade=1.1, sides=14)
    elif variant == 3:
        s.lathe([(0.06, 0.0), (0.1, 0.05), (r * 1.2, 0.22)], (0, h - 0.2, 0), shade=1.05, sides=16)
        s.lathe([(r * 1.1, 0.18), (0, 0.18)], (0, h - 0.2, 0), (1, 0.97, 0.85), sides=16)
    else:
        s.lathe([(r, 0), (r * (0.6 if variant == 0 else 0.95), 0.28)], (0, h - 0.26, 0), shade=1.1, sides=18)
        s.sphere(0.06, (0, h - 0.14, 0), (1, 0.97, 0.85), sides=8)


def rug(s: Shape, rng: Rng, variant: int) -> None:
    w, d = rng.uniform(1.5, 2.1), rng.uniform(1.0, 1.4)
    if variant == 0:
        s.box((w, 0.012, d), (0, 0, 0))
        s.box((w - 0.2, 0.003, d - 0.2), (0, 0.012, 0), CREAM)
        s.box((w - 0.3, 0.003, d - 0.3), (0, 0.015, 0))
        for x in (-w / 2 - 0.03, w / 2 + 0.03):
            for i in range(12):
                s.box((0.06, 0.006, 0.02), (x, 0, -d / 2 + (i + 0.5) * d / 12), CREAM)
    elif variant == 1:
        r = rng.uniform(0.65, 0.9)
        for k, (radius, cream) in enumerate(
            [(r, False), (r * 0.78, True), (r * 0.68, False), (r * 0.3, True), (r * 0.2, False)]
        ):
            s.lathe(
                [(radius, 0.012 + 0.003 * k), (0, 0.012 + 0.003 * k)], (0, 0, 0), CREAM if cream else None, sides=24
            )
    elif variant == 2:
        s.box((w, 0.012, d), (0, 0, 0))
        for i in range(-2, 3):
            s.box((w * 0.05, 0.003, d), (i * w * 0.19, 0.012, 0), shade=0.55)
    else:
        s.box((w, 0.012, d), (0, 0, 0))
        for i in range(3):
            x = (i - 1) * w * 0.3
            s.panel(
                [(x - w * 0.11, 0.015, 0), (x, 0.015, d * 0.35), (x + w * 0.11, 0.015, 0), (x, 0.015, -d * 0.35)], CREAM
            )
            s.panel([(x - w * 0.06, 0.018, 0), (x, 0.018, d * 0.19), (x + w * 0.06, 0.018, 0), (x, 0.018, -d * 0.19)])


def plant(s: Shape, rng: Rng, variant: int) -> None:
    r, pot = rng.uniform(0.14, 0.2), rng.uniform(0.24, 0.34)
    leaf = (LEAF, (0.28, 0.55, 0.22), (0.12, 0.38, 0.2))[int(rng.integers(3))]
    s.lathe(
        [(0, 0), (r * 0.7, 0), (r, pot), (r * 1.1, pot), (r * 1.1, pot + 0.04), (r * 0.9, pot + 0.04)],
        (0, 0, 0),
        sides=14,
    )
    s.lathe([(r, 0), (0, 0)], (0, pot, 0), (0.2, 0.13, 0.08))
    if variant == 0:
        for _ in range(16):
            a, out, up = rng.uniform(0, 6.28), rng.uniform(0.18, 0.36), rng.uniform(0.35, 0.85)
            tip = (out * math.cos(a), pot + up, out * math.sin(a))
            side = (0.07 * -math.sin(a), 0.0, 0.07 * math.cos(a))
            mid = (tip[0] * 0.6, pot + up * 0.75, tip[2] * 0.6)
            s.panel(
                [
                    (0, pot, 0),
                    (mid[0] + side[0], mid[1], mid[2] + side[2]),
                    tip,
                    (mid[0] - side[0], mid[1], mid[2] - side[2]),
                ],
                leaf,
                float(rng.uniform(0.8, 1.25)),
            )
    elif variant == 1:
        s.cylinder(0.03, 0.5, (0, pot, 0), WOOD, sides=8)
        for _ in range(6):
            x, y, z = rng.uniform(-0.18, 0.18), rng.uniform(0.45, 0.9), rng.uniform(-0.18, 0.18)
            s.sphere(rng.uniform(0.14, 0.22), (x, pot + y, z), leaf, float(rng.uniform(0.85, 1.15)), sides=8)
    elif variant == 2:
        s.sphere(0.15, (0, pot + 0.3, 0), leaf, stretch=(1, 2.2, 1), sides=10)
        for side in (-1, 1):
            s.tube(
                [(0, pot + 0.3, 0), (side * 0.22, pot + 0.32, 0), (side * 0.24, pot + 0.52, 0)],
                0.06,
                leaf,
                0.95,
                sides=8,
            )
    else:
        for _ in range(22):
            a, out, up = rng.uniform(0, 6.28), rng.uniform(0.02, 0.16), rng.uniform(0.5, 0.95)
            s.frustum(
                0.035,
                0.002,
                up,
                (0.4 * out * math.cos(a), pot, 0.4 * out * math.sin(a)),
                leaf,
                float(rng.uniform(0.8, 1.3)),
                turn=rotation_y(-a) @ rotation_z(-out * 2.0),
                sides=4,
            )


def bin_(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.14, 0.18), rng.uniform(0.4, 0.55)
    if variant == 0:
        s.frustum(r, r, h, (0, 0, 0), sides=16)
        s.lathe([(r * 1.03, 0), (r * 1.03, 0.04), (r * 0.7, 0.11), (0, 0.13)], (0, h, 0), METAL, sides=16)
        s.box((0.1, 0.02, 0.06), (0, 0.02, r + 0.03), INK)
    elif variant == 1:
        s.box((2 * r, h, 2 * r), (0, 0, 0))
        s.box((2 * r + 0.03, 0.05, 2 * r + 0.03), (0, h, 0), shade=0.75)
        s.box((2 * r * 0.6, 0.12, 0.01), (0, h * 0.72, r), INK)
    else:
        s.lathe(
            [
                (0, 0.005),
                (r * 0.75, 0),
                (r * 1.05, h * 0.85),
                (r * 1.1, h * 0.85),
                (r * 1.0, h * 0.83),
                (r * 0.72, 0.02),
            ],
            (0, 0, 0),
            sides=16,
        )
        s.lathe([(r * 0.95, h * 0.7), (0, h * 0.7)], (0, 0, 0), INK, sides=16)
        for _ in range(3):
            s.sphere(
                0.07,
                (float(rng.uniform(-0.07, 0.07)), h * 0.78, float(rng.uniform(-0.07, 0.07))),
                (0.92, 0.92, 0.9),
                sides=6,
            )


def piano(s: Shape, rng: Rng, variant: int) -> None:
    w, h = rng.uniform(1.35, 1.5), rng.uniform(1.1, 1.25)
    if variant == 2:
        s.lathe(
            [(0, 0), (0.72, 0), (0.72, 0.28), (0, 0.28)], (0, 0.62, -0.15), sides=20, smooth=False, stretch=(1, 1, 0.8)
        )
        s.box((1.44, 0.28, 0.3), (0, 0.62, 0.35))
        for x, z in ((-0.55, 0.35), (0.55, 0.35), (0, -0.6)):
            s.frustum(0.03, 0.06, 0.62, (x, 0, z), None, 0.8, sides=8)
        y, z0 = 0.72, 0.55
        w = 1.44
        s.box((1.1, 0.03, 0.9), (-0.1, 0.92, -0.25), shade=0.9, turn=rotation_z(0.6))
    else:
        s.box((w, h, 0.34), (0, 0, -0.14))
        s.box((w, 0.16, 0.34), (0, 0.6, 0.18), shade=0.9)
        for x in (-w / 2 + 0.06, w / 2 - 0.06):
            s.box((0.08, 0.6, 0.08), (x, 0, 0.28), shade=0.85)
        s.box((w + 0.04, 0.03, 0.4), (0, h, -0.14), shade=0.9)
        if variant == 1:
            s.box((0.5, 0.3, 0.02), (0, 0.85, 0.06), CREAM, turn=rotation_x(-0.2))
        y, z0 = 0.76, 0.27
    s.box((w - 0.14, 0.015, 0.15), (0, y + (0.19 if variant == 2 else 0), z0 - 0.02), (0.97, 0.97, 0.94))
    for i in range(22):
        if i % 7 not in (2, 6):
            s.box(
                (0.025, 0.015, 0.09),
                (-w / 2 + 0.1 + (i + 0.5) * (w - 0.2) / 22, y + 0.013 + (0.19 if variant == 2 else 0), z0 - 0.05),
                INK,
            )


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


def rocking_horse(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.9, 1.1)
    for z in (-0.14, 0.14):
        s.ring(0.75 * k, 0.025, (0, 0.76 * k, z), WOOD, sides=10, arc_rad=1.5, start_rad=-math.pi / 2 - 0.75)
        for x in (-0.22, 0.22):
            s.tube([(x * 1.3, 0.08 * k, z), (x, 0.45 * k, z * 0.6)], 0.03)
    s.sphere(0.17 * k, (0, 0.52 * k, 0), stretch=(1.9, 1, 0.95), sides=14)
    s.tube([(0.22, 0.55 * k, 0), (0.36, 0.85 * k, 0)], 0.09 * k, sides=10)
    s.sphere(0.1 * k, (0.42, 0.88 * k, 0), stretch=(1.5, 0.95, 0.8), turn=rotation_z(-0.5))
    mane = (WOOD, CREAM, INK)[variant % 3]
    for i in range(5):
        s.sphere(0.05, (0.2 + 0.04 * i, (0.62 + 0.08 * i) * k, 0), mane, sides=6)
    for z in (-0.05, 0.05):
        s.frustum(0.025, 0.005, 0.08, (0.36, 0.95 * k, z), None, 0.8, sides=6)
        s.sphere(0.016, (0.46, 0.91 * k, z * 1.5), INK, sides=6)
    s.tube([(-0.3, 0.56 * k, 0), (-0.42, 0.5 * k, 0), (-0.45, 0.34 * k, 0)], 0.035, mane)
    if variant != 1:
        s.sphere(0.14, (0, 0.63 * k, 0), DARK_WOOD, stretch=(0.9, 0.4, 1.0), sides=10)
    if variant == 2:
        s.tube([(0.36, 0.8 * k, -0.2), (0.36, 0.8 * k, 0.2)], 0.018, WOOD)


def bicycle(s: Shape, rng: Rng, variant: int) -> None:
    r, base = rng.uniform(0.29, 0.33), rng.uniform(0.5, 0.54)
    for x in (-base, base):
        s.ring(r, 0.022, (x, r, 0), INK, sides=20)
        s.ring(r * 0.08, 0.02, (x, r, 0), METAL, sides=6)
        for i in range(4):
            a = i * math.pi / 4
            s.tube(
                [(x - r * math.cos(a), r - r * math.sin(a), 0), (x + r * math.cos(a), r + r * math.sin(a), 0)],
                0.004,
                METAL,
                sides=3,
            )
    crank, seat, head = (-0.05, r, 0.0), (-0.22, r + 0.45, 0.0), (0.36, r + 0.42, 0.0)
    t = 0.028
    bars = [
        (crank, seat),
        (crank, head),
        (seat, head),
        (seat, (-base, r, 0.0)),
        (crank, (-base, r, 0.0)),
        (head, (base, r, 0.0)),
    ]
    if variant == 1:
        bars[2] = ((-0.14, r + 0.22, 0.0), head)
    for a, b in bars:
        s.tube([a, b], t)
    s.tube([seat, (-0.26, r + 0.56, 0)], 0.016, METAL)
    s.sphere(0.12, (-0.25, r + 0.58, 0), INK, stretch=(1.1, 0.35, 0.6), sides=8)
    s.tube([head, (0.34, r + 0.58, 0)], 0.016, METAL)
    s.tube([(0.28, r + 0.6, -0.26), (0.36, r + 0.6, 0), (0.28, r + 0.6, 0.26)], 0.016, INK)
    s.ring(0.08, 0.012, (crank[0], r, 0.03), METAL, sides=8)
    if variant == 2:
        s.box((0.24, 0.2, 0.3), (0.52, r + 0.36, 0), WOOD)


def guitar(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.95, 1.1)
    tilt = rotation_x(-0.2)
    if variant == 0:
        lower, upper, deep = 0.2, 0.15, 0.1
    elif variant == 1:
        lower, upper, deep = 0.23, 0.17, 0.11
    else:
        lower, upper, deep = 0.19, 0.14, 0.05

    def put(x: float, y: float, z: float) -> tuple[float, float, float]:
        p = tilt @ np.array([x, y * k, z])
        return float(p[0]), float(p[1]) + 0.1, float(p[2])

    flat = tilt @ rotation_x(math.pi / 2)
    s.cylinder(lower, deep, put(0, 0.22, -deep / 2), turn=flat, sides=18)
    s.cylinder(upper, deep, put(0, 0.48, -deep / 2), turn=flat, sides=18)
    s.cylinder((lower + upper) * 0.36, deep, put(0, 0.36, -deep / 2), turn=flat, sides=14)
    if variant == 2:
        for side in (-1, 1):
            s.frustum(0.06, 0.01, 0.2, put(side * 0.1, 0.52, 0), turn=tilt @ rotation_z(-side * 0.4), sides=8)
        s.box((0.2, 0.16, 0.01), put(0, 0.22, deep / 2), CREAM, turn=tilt)
    else:
        s.cylinder(0.055, 0.004, put(0, 0.38, deep / 2), INK, turn=flat, sides=14)
    s.box((0.12, 0.03, 0.02), put(0, 0.16, deep / 2), DARK_WOOD, turn=tilt)
    s.box((0.055, 0.62 * k, 0.03), put(0, 0.46, deep / 2 - 0.005), DARK_WOOD, turn=tilt)
    s.box((0.09, 0.15, 0.03), put(0, 1.06, deep / 2 - 0.01), WOOD, turn=tilt)
    for x in (-0.012, 0.012):
        s.tube([put(x, 0.16, deep / 2 + 0.025), put(x, 1.06, deep / 2 + 0.03)], 0.003, METAL, sides=3)
    for x in (-0.14, 0.14):
        s.tube([(x, 0, 0.14), (x * 0.7, 0.18, 0.02), (0, 0.55, -0.16), (0, 0, -0.3)], 0.012, INK)


def ladder(s: Shape, rng: Rng, variant: int) -> None:
    h, w = rng.uniform(1.2, 1.65), rng.uniform(0.4, 0.5)
    rungs, spread = max(4, round(h / 0.27)), 0.34
    for x in (-1, 1):
        s.tube([(x * w / 2, 0, spread), (x * w * 0.38, h, 0.02)], 0.024)
        s.tube([(x * w / 2, 0, -spread), (x * w * 0.38, h, -0.02)], 0.02, shade=0.85)
    for i in range(1, rungs):
        f = i / rungs
        half = w / 2 * (1 - f) + w * 0.38 * f
        s.box((2 * half, 0.03, 0.09 if variant != 1 else 0.035), (0, f * h, spread * (1 - f) + 0.02))
    s.box((w * 0.9, 0.04, 0.2 if variant == 0 else 0.12), (0, h - 0.02, 0))
    s.tube([(-w * 0.44, h * 0.4, -spread * 0.6), (w * 0.44, h * 0.4, -spread * 0.6)], 0.014, METAL)
    if variant == 2:
        s.ring(w * 0.35, 0.018, (0, h, 0), METAL, arc_rad=math.pi, sides=8)


def coat_rack(s: Shape, rng: Rng, variant: int) -> None:
    h = rng.uniform(1.65, 1.85)
    s.cylinder(0.028, h, (0, 0, 0), WOOD, sides=8)
    for i in range(4):
        a = i * math.pi / 2 + 0.4
        c, q = math.cos(a), math.sin(a)
        s.tube([(0, 0.2, 0), (0.26 * c, 0, 0.26 * q)], 0.022, WOOD)
        s.tube([(0, h - 0.18, 0), (0.16 * c, h - 0.06, 0.16 * q), (0.2 * c, h + 0.02, 0.2 * q)], 0.016, WOOD)
    coats = (0, 2) if variant == 0 else (0, 1, 2) if variant == 1 else (1, 3)
    for i in coats:
        a = i * math.pi / 2 + 0.4
        x, z = 0.17 * math.cos(a), 0.17 * math.sin(a)
        long = rng.uniform(0.65, 0.9)
        s.lathe(
            [(0, 0), (0.19, 0.0), (0.15, long * 0.6), (0.13, long * 0.85), (0.03, long)],
            (x, h - 0.1 - long, z),
            None,
            (1.0, 0.85, 0.92)[i % 3],
            stretch=(1, 1, 0.7),
            turn=rotation_y(-a),
            sides=10,
        )
        s.tube(
            [(x * 1.5 + 0.1, h - 0.3, z * 1.5), (x * 1.6 + 0.12, h - 0.2 - long * 0.7, z * 1.5)],
            0.045,
            None,
            0.9,
            sides=8,
        )
    if variant == 2:
        s.lathe(
            [(0, 0.1), (0.09, 0.1), (0.1, 0.0), (0.19, 0.0), (0.19, -0.015), (0, -0.015)][::-1],
            (0, h - 0.02, 0),
            sides=14,
        )
