"""Things to sit and lie on, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, METAL, WOOD
from placecell.envs.solids import Shape, put_legs, rotation_x, rotation_z

__all__: list[str] = []

Rng = np.random.Generator


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
    put_legs(s, w, d, 0.12, 0.04, wood, True)
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
    put_legs(s, w, d, h, 0.03, s.main, True)
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
    put_legs(s, w, w, seat, 0.022, legs, variant != 2)
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
