"""Things that stand free on the floor, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, INK, LEAF, METAL, WOOD
from placecell.envs.solids import Shape, rotation_x, rotation_y, rotation_z

__all__: list[str] = []

Rng = np.random.Generator


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
        for way in (-1, 1):
            s.tube(
                [(0, pot + 0.3, 0), (way * 0.22, pot + 0.32, 0), (way * 0.24, pot + 0.52, 0)],
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
    for start, end in bars:
        s.tube([start, end], t)
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

    def put(x: float | int, y: float, z: float | int) -> tuple[float, float, float]:
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
