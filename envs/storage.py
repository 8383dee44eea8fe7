"""Tables, cupboards and other large pieces of wood, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, INK, METAL, WOOD
from placecell.envs.solids import Shape, put_legs, rotation_x, rotation_z

__all__: list[str] = []

Rng = np.random.Generator


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
        put_legs(s, w - 0.06, d - 0.06, h - 0.05, 0.035, legs, True)
        s.box((w - 0.15, 0.08, d - 0.15), (0, h - 0.13, 0), legs)
    elif variant == 2:
        for x in (-w * 0.36, w * 0.36):
            for side in (-1, 1):
                s.tube([(x, h - 0.05, side * d * 0.38), (x, 0, -side * d * 0.38)], 0.03, legs)
        s.tube([(-w * 0.36, h / 2, 0), (w * 0.36, h / 2, 0)], 0.025, legs)
    else:
        s.box((w + 0.04, 0.16, d + 0.04), (0, h - 0.15, 0))
        put_legs(s, w - 0.06, d - 0.06, h - 0.1, 0.03, legs, False)


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
    put_legs(s, w, d, 0.1, 0.03, DARK_WOOD, False)
    s.box((w + 0.04, 0.03, d + 0.03), (0, h - 0.03, 0))
    s.surface(0, 0, w - 0.06, d - 0.06, h)
    for i in range(rows):
        for j in range(columns):
            x, y = -w / 2 + (j + 0.5) * w / columns, 0.12 + i * (h - 0.17) / rows
            s.box((w / columns - 0.03, (h - 0.17) / rows - 0.025, 0.025), (x, y, d / 2))
            knobs = (0.0,) if columns == 2 else (-w * 0.28, w * 0.28)
            for k in knobs:
                s.sphere(0.022, (x + k, y + (h - 0.17) / rows / 2, d / 2 + 0.03), METAL, sides=8)


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
