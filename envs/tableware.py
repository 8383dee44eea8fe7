"""What stands on tables and worktops, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, INK, LEAF, METAL, SCREEN
from placecell.envs.solids import Shape, rotation_x

__all__: list[str] = []

Rng = np.random.Generator


def mug(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.045, 0.055), rng.uniform(0.1, 0.125)
    profile = [(0, 0), (r, 0), (r, h), (r * 0.88, h), (r * 0.86, h * 0.8)]
    if variant == 1:
        profile = [(0, 0), (r * 0.7, 0), (r * 1.1, h * 0.5), (r, h), (r * 0.88, h), (r * 0.86, h * 0.8)]
    s.lathe(profile, (0, 0, 0), sides=16)
    s.lathe([(r * 0.88, 0), (0, 0)], (0, h * 0.85, 0), (0.25, 0.14, 0.08), sides=16)
    if variant == 2:
        s.tube([(r, h * 0.85, 0), (r * 2.0, h * 0.8, 0), (r * 2.0, h * 0.25, 0), (r, h * 0.2, 0)], 0.011)
        s.lathe([(r * 1.02, h * 0.4), (r * 1.02, h * 0.6)], (0, 0, 0), CREAM, sides=16)
    else:
        s.ring(h * 0.3, 0.011, (r * 1.05, h * 0.5, 0), arc_rad=math.pi, start_rad=-math.pi / 2, sides=8)


def bowl(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.12, 0.16), rng.uniform(0.075, 0.1)
    s.lathe(
        [
            (0, 0),
            (r * 0.4, 0),
            (r * 0.45, h * 0.15),
            (r * 0.8, h * 0.5),
            (r, h),
            (r * 0.94, h),
            (r * 0.7, h * 0.45),
            (0, h * 0.3),
        ],
        (0, 0, 0),
        sides=20,
        smooth=variant != 2,
    )
    fruit = ((0.85, 0.15, 0.12), (0.95, 0.8, 0.2), (0.45, 0.7, 0.2), (0.95, 0.55, 0.1))
    if variant == 0:
        for i in range(5):
            a = i * 1.257
            s.sphere(
                0.042, (r * 0.45 * math.cos(a), h * 0.95, r * 0.45 * math.sin(a)), fruit[int(rng.integers(4))], sides=8
            )
        s.sphere(0.045, (0, h * 1.2, 0), fruit[int(rng.integers(4))], sides=8)
    elif variant == 2:
        s.lathe([(r * 0.8, 0), (0, 0.01)], (0, h * 0.7, 0), (0.85, 0.55, 0.25), sides=16)


def bottle(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.038, 0.05), rng.uniform(0.27, 0.33)
    if variant == 0:
        profile = [(0, 0), (r, 0), (r, h * 0.58), (r * 0.35, h * 0.74), (r * 0.32, h), (0, h)]
    elif variant == 1:
        profile = [
            (0, 0),
            (r * 1.15, 0),
            (r * 1.2, h * 0.25),
            (r * 0.9, h * 0.5),
            (r * 0.36, h * 0.66),
            (r * 0.34, h),
            (0, h),
        ]
    else:
        profile = [
            (0, 0),
            (r, 0),
            (r, h * 0.35),
            (r * 0.9, h * 0.4),
            (r, h * 0.45),
            (r, h * 0.78),
            (r * 0.5, h * 0.88),
            (r * 0.5, h * 0.94),
            (0, h * 0.94),
        ]
    s.lathe(profile, (0, 0, 0), sides=14)
    s.cylinder(
        r * (0.42 if variant < 2 else 0.58),
        0.03,
        (0, h * (0.98 if variant < 2 else 0.92), 0),
        (DARK_WOOD, METAL, CREAM)[variant],
        sides=10,
    )
    if variant != 1:
        s.lathe([(r * 1.03, h * 0.2), (r * 1.03, h * 0.4)], (0, 0, 0), CREAM, sides=14)


def vase(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.075, 0.095), rng.uniform(0.22, 0.28)
    profiles = (
        [(0, 0), (r * 0.5, 0), (r, h * 0.4), (r * 0.45, h * 0.85), (r * 0.65, h), (r * 0.55, h)],
        [(0, 0), (r * 0.8, 0), (r * 0.5, h * 0.3), (r * 0.9, h * 0.9), (r, h), (r * 0.85, h)],
        [
            (0, 0),
            (r * 0.7, 0),
            (r * 1.15, h * 0.25),
            (r * 1.1, h * 0.45),
            (r * 0.35, h * 0.65),
            (r * 0.4, h),
            (r * 0.3, h),
        ],
    )
    s.lathe(profiles[variant % 3], (0, 0, 0), sides=16)
    petal = ((0.97, 0.95, 0.9), (0.95, 0.45, 0.55), (0.98, 0.85, 0.25))[int(rng.integers(3))]
    for i in range(6):
        a = i * 1.05 + float(rng.uniform(0, 0.5))
        out, up = rng.uniform(0.05, 0.13), h + rng.uniform(0.1, 0.2)
        tip = (out * math.cos(a), up, out * math.sin(a))
        s.tube([(0, h * 0.9, 0), tip], 0.006, LEAF, sides=4)
        s.sphere(0.034, tip, petal, stretch=(1, 0.6, 1), sides=8)
        s.sphere(0.014, (tip[0], up + 0.015, tip[2]), (0.9, 0.7, 0.15), sides=6)


def kettle(s: Shape, rng: Rng, variant: int) -> None:
    r, h = rng.uniform(0.09, 0.11), rng.uniform(0.15, 0.18)
    if variant == 0:
        profile = [(0, 0), (r, 0), (r * 1.05, h * 0.25), (r * 0.6, h * 0.9), (r * 0.55, h), (0, h)]
    elif variant == 1:
        profile = [(0, 0), (r * 0.8, 0), (r * 1.1, h * 0.35), (r * 0.95, h * 0.75), (r * 0.5, h), (0, h)]
    else:
        h *= 1.3
        profile = [(0, 0), (r, 0), (r * 0.9, h * 0.4), (r * 0.72, h), (0, h)]
    s.lathe(profile, (0, 0, 0), sides=16)
    s.sphere(0.018, (0, h + 0.014, 0), INK, sides=8)
    s.tube([(r * 0.8, h * 0.4, 0), (r * 1.35, h * 0.7, 0), (r * 1.6, h * 0.95, 0)], 0.02, sides=8)
    if variant == 2:
        s.tube(
            [(-r * 0.7, h * 0.92, 0), (-r * 1.6, h * 0.85, 0), (-r * 1.6, h * 0.3, 0), (-r * 0.9, h * 0.2, 0)],
            0.015,
            INK,
        )
    else:
        s.ring(r * 0.85, 0.012, (0, h * 0.85, 0), INK, arc_rad=math.pi, sides=10)


def microwave(s: Shape, rng: Rng, variant: int) -> None:
    w, h, d = rng.uniform(0.46, 0.54), rng.uniform(0.27, 0.31), rng.uniform(0.32, 0.38)
    s.box((w, h - 0.015, d), (0, 0.015, 0))
    x = -w * 0.12
    s.box((w * 0.6, h * 0.62, 0.008), (x, h * 0.2, d / 2), INK)
    s.box((w * 0.48, h * 0.42, 0.004), (x, h * 0.3, d / 2 + 0.005), SCREEN)
    if variant == 0:
        s.box((0.02, h * 0.7, 0.03), (w * 0.22, h * 0.16, d / 2 + 0.012), METAL)
    elif variant == 1:
        for y in (0.35, 0.7):
            s.cylinder(0.03, 0.025, (w * 0.37, h * y, d / 2), METAL, turn=rotation_x(math.pi / 2))
    s.box((w * 0.16, 0.04, 0.006), (w * 0.37, h * 0.78 if variant != 1 else h * 0.9, d / 2), (0.2, 0.6, 0.4))
    if variant != 1:
        for i in range(3):
            for j in range(3):
                s.box((0.018, 0.018, 0.006), (w * 0.37 + (i - 1) * 0.026, h * 0.25 + j * 0.032, d / 2), CREAM)
