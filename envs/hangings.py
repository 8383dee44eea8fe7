"""What hangs on walls and at windows, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, INK, METAL
from placecell.envs.solids import Shape, rotation_x, rotation_z

__all__: list[str] = []

Rng = np.random.Generator


def clock(s: Shape, rng: Rng, variant: int) -> None:
    r = rng.uniform(0.17, 0.24)
    flat = rotation_x(math.pi / 2)
    y = r
    if variant == 2:
        s.box((2 * r, 2 * r, 0.04), (0, 0, 0.02))
    else:
        s.cylinder(r, 0.04, (0, y, 0), turn=flat, sides=24)
        if variant == 1:
            for side in (-1, 1):
                s.sphere(r * 0.32, (side * r * 0.6, y + r * 0.9, 0.03), METAL, sides=8)
    face = CREAM if s.main != CREAM and sum(s.main) < 2.4 else INK
    for i in range(12):
        a = i * math.pi / 6
        long = 0.16 if i % 3 == 0 else 0.08
        s.box(
            (r * 0.05, r * long, 0.006),
            (r * 0.8 * math.sin(a), y + r * 0.8 * math.cos(a) - r * long / 2, 0.043),
            face,
            turn=None,
        )
    for length, thick in ((0.5, 0.08), (0.72, 0.05)):
        s.box((r * thick, r * length, 0.008), (0, y, 0.046), face, turn=rotation_z(float(rng.uniform(0, 6.28))))
    s.sphere(r * 0.06, (0, y, 0.05), face, sides=6)


def painting(s: Shape, rng: Rng, variant: int) -> None:
    w, h = rng.uniform(0.55, 1.0), rng.uniform(0.45, 0.75)
    s.box((w, h, 0.03), (0, 0, 0.015))
    cw, ch, y0, z = w - 0.1, h - 0.1, 0.05, 0.031
    tint = [tuple(float(v) for v in rng.uniform(0.15, 0.95, 3)) for _ in range(6)]
    s.box((cw, ch, 0.004), (0, y0, z), (0.62, 0.80, 0.93) if variant == 0 else (0.94, 0.92, 0.86))
    if variant == 0:
        s.box((cw, ch * 0.35, 0.002), (0, y0, z + 0.003), (0.30, 0.55, 0.25))
        for i in range(2):
            x = float(rng.uniform(-cw * 0.3, cw * 0.1))
            s.panel(
                [
                    (x - cw * 0.2, y0 + ch * 0.35, z + 0.006 + i * 0.001),
                    (x + cw * 0.2, y0 + ch * 0.35, z + 0.006 + i * 0.001),
                    (x, y0 + ch * rng.uniform(0.6, 0.85), z + 0.006 + i * 0.001),
                ],
                (0.45, 0.42, 0.5),
                1.0 - 0.2 * i,
            )
        s.cylinder(
            ch * 0.1, 0.002, (cw * 0.3, y0 + ch * 0.78, z + 0.004), (0.98, 0.85, 0.35), turn=rotation_x(math.pi / 2)
        )
    elif variant == 1:
        for i in range(5):
            bw, bh = cw * rng.uniform(0.2, 0.5), ch * rng.uniform(0.2, 0.5)
            s.box(
                (bw, bh, 0.001),
                (rng.uniform(-1, 1) * (cw - bw) / 2, y0 + rng.uniform(0, 1) * (ch - bh), z + 0.004 + 0.0012 * i),
                tint[i],
            )
    elif variant == 2:
        for i in range(4):
            r = min(cw, ch) * rng.uniform(0.1, 0.26)
            s.cylinder(
                r,
                0.001,
                (rng.uniform(-1, 1) * (cw / 2 - r), y0 + r + rng.uniform(0, 1) * (ch - 2 * r), z + 0.004 + 0.0012 * i),
                tint[i],
                turn=rotation_x(math.pi / 2),
                sides=16,
            )
    else:
        s.cylinder(
            min(cw, ch) * 0.24,
            0.002,
            (0, y0 + ch * 0.6, z + 0.004),
            (0.90, 0.72, 0.58),
            turn=rotation_x(math.pi / 2),
            sides=16,
        )
        s.panel(
            [
                (-cw * 0.3, y0, z + 0.005),
                (cw * 0.3, y0, z + 0.005),
                (cw * 0.14, y0 + ch * 0.36, z + 0.005),
                (-cw * 0.14, y0 + ch * 0.36, z + 0.005),
            ],
            tint[0],
        )
        for x in (-0.08, 0.08):
            s.box((0.02, 0.02, 0.002), (x * ch, y0 + ch * 0.64, z + 0.007), INK)


def curtain(s: Shape, rng: Rng, variant: int) -> None:
    """Two lengths of cloth beside a window; the builder of the room hangs it around one."""
    w, h = rng.uniform(1.7, 1.95), rng.uniform(1.95, 2.1)
    s.tube([(-w / 2 - 0.08, h, 0.09), (w / 2 + 0.08, h, 0.09)], 0.016, DARK_WOOD if variant else METAL)
    for x in (-w / 2 - 0.1, w / 2 + 0.1):
        s.sphere(0.035, (x, h, 0.09), DARK_WOOD if variant else METAL, sides=8)
    low = 0.0 if variant != 1 else h * 0.3
    cloth = w * rng.uniform(0.2, 0.25)
    for side in (-1, 1):
        folds = 5
        for i in range(folds):
            x = side * (w / 2 - (i + 0.5) * cloth / folds)
            if variant == 2 and i > 1:
                s.frustum(
                    cloth / folds * 0.6, cloth / folds * 0.6, h * 0.55, (x - side * 0.02, h * 0.45, 0.08), sides=6
                )
                s.frustum(
                    cloth / folds * 0.6,
                    cloth / folds * 0.5,
                    h * 0.47,
                    (x + side * cloth * 0.35, 0, 0.08),
                    sides=6,
                    turn=rotation_z(side * 0.08),
                )
            else:
                s.frustum(cloth / folds * 0.6, cloth / folds * 0.6, h - low, (x, low, 0.08), sides=6)
