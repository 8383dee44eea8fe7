"""Small things that people own and leave about, each category built from parametric solids in several variants.

A builder gets a `Shape` (the thing's own colour in `shape.main`), a generator for the proportions, and the number of
the variant. Local frame: y up, base on y = 0, centred on x = z = 0, the front looks along +z.
"""

from __future__ import annotations

import math

import numpy as np

from placecell.envs.materials import CREAM, DARK_WOOD, INK, METAL, STEEL, WATER, WOOD
from placecell.envs.solids import Shape, rotation_x, rotation_y, rotation_z

__all__: list[str] = []

Rng = np.random.Generator


def book(s: Shape, rng: Rng, variant: int) -> None:
    page = (0.95, 0.93, 0.87)
    if variant == 0:
        y = 0.0
        for _ in range(int(rng.integers(2, 4))):
            w, d, t = rng.uniform(0.17, 0.2), rng.uniform(0.23, 0.27), rng.uniform(0.03, 0.045)
            turn = rotation_y(float(rng.uniform(-0.3, 0.3)))
            s.box((w, 0.006, d), (0, y, 0), turn=turn)
            s.box((w - 0.012, t, d - 0.012), (0, y + 0.006, 0), page, turn=turn)
            s.box((w, 0.006, d), (0, y + t + 0.006, 0), turn=turn)
            edge = turn @ np.array([-w / 2, 0, 0])
            s.box((0.007, t + 0.01, d), (float(edge[0]), y, float(edge[2])), turn=turn)
            y += t + 0.013
    elif variant == 1:
        for side in (-1, 1):
            tilt = rotation_z(side * 0.18)
            s.box((0.18, 0.008, 0.26), (side * 0.09, 0.016, 0), turn=tilt)
            s.box((0.165, 0.016, 0.24), (side * 0.088, 0.025, 0), page, turn=tilt)
            for i in range(5):
                s.box((0.12, 0.001, 0.008), (side * 0.085, 0.043, -0.08 + i * 0.04), STEEL, turn=tilt)
    else:
        w, h, t = rng.uniform(0.17, 0.2), rng.uniform(0.25, 0.29), 0.04
        for z in (-t / 2, t / 2):
            s.box((w, h, 0.006), (0, 0, z))
        s.box((w - 0.01, h - 0.012, t - 0.006), (0.004, 0.006, 0), page)
        s.box((0.006, h, t), (-w / 2, 0, 0))
        s.box((w * 0.6, 0.05, 0.001), (0, h * 0.62, t / 2 + 0.004), CREAM)


def laptop(s: Shape, rng: Rng, variant: int) -> None:
    w, d = rng.uniform(0.32, 0.38), rng.uniform(0.23, 0.26)
    s.box((w, 0.018, d), (0, 0, 0.0))
    s.box((w * 0.86, 0.002, d * 0.48), (0, 0.018, -d * 0.12), INK)
    s.box((w * 0.3, 0.002, d * 0.24), (0, 0.018, d * 0.3), STEEL)
    lean = rotation_x(-0.25 - 0.12 * variant)
    s.box((w, d, 0.012), (0, 0.016, -d / 2), turn=lean)
    glow = ((0.35, 0.6, 0.9), (0.92, 0.93, 0.95), (0.12, 0.2, 0.3))[variant % 3]
    at = lean @ np.array([0, 0.012, 0.0075])
    s.box((w * 0.92, d * 0.88, 0.002), (0, 0.016 + float(at[1]), -d / 2 + float(at[2])), glow, turn=lean)
    if variant != 2:
        for i in range(4):
            line = lean @ np.array([-w * 0.1, 0.05 + 0.04 * i, 0.0095])
            s.box(
                (w * (0.6 - 0.1 * (i % 2)), 0.014, 0.001),
                (float(line[0]), 0.016 + float(line[1]), -d / 2 + float(line[2])),
                (0.2, 0.25, 0.35),
                turn=lean,
            )


def teddy_bear(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.9, 1.15)
    belly = CREAM if variant != 1 else None
    s.sphere(0.1 * k, (0, 0.11 * k, 0), stretch=(1, 1.1, 0.9))
    s.sphere(0.065 * k, (0, 0.11 * k, 0.04 * k), belly, 0.95, stretch=(1, 1.1, 0.9))
    s.sphere(0.085 * k, (0, 0.27 * k, 0))
    for x in (-1, 1):
        s.sphere(0.034 * k, (x * 0.066 * k, 0.335 * k, 0), sides=8)
        s.sphere(0.02 * k, (x * 0.066 * k, 0.335 * k, 0.02 * k), CREAM, sides=6)
        s.sphere(0.011 * k, (x * 0.032 * k, 0.29 * k, 0.075 * k), INK, sides=6)
        if variant == 2:
            s.tube([(x * 0.08 * k, 0.17 * k, 0), (x * 0.19 * k, 0.27 * k, 0.03)], 0.034 * k, sides=8)
            s.sphere(0.036 * k, (x * 0.19 * k, 0.27 * k, 0.03), sides=8)
        else:
            s.sphere(
                0.042 * k,
                (x * 0.115 * k, 0.14 * k, 0.04 * k),
                stretch=(0.8, 1.5, 0.9),
                turn=rotation_z(x * 0.5),
                sides=8,
            )
        s.sphere(0.05 * k, (x * 0.075 * k, 0.045 * k, 0.1 * k), stretch=(0.9, 0.9, 1.4), sides=8)
        s.sphere(0.028 * k, (x * 0.08 * k, 0.05 * k, 0.155 * k), CREAM, sides=6)
    s.sphere(0.04 * k, (0, 0.25 * k, 0.07 * k), CREAM, stretch=(1, 0.8, 0.8), sides=8)
    s.sphere(0.014 * k, (0, 0.262 * k, 0.1 * k), INK, sides=6)
    if variant == 1:
        for x in (-1, 1):
            s.frustum(
                0.035 * k,
                0.004,
                0.07 * k,
                (0, 0.19 * k, 0.085 * k),
                (0.8, 0.1, 0.15),
                turn=rotation_z(x * math.pi / 2),
                sides=6,
            )


def ball(s: Shape, rng: Rng, variant: int) -> None:
    r = rng.uniform(0.11, 0.15)
    s.sphere(r, (0, r, 0), sides=20)
    if variant == 0:
        for turn in (np.eye(3), rotation_x(math.pi / 2), rotation_z(0.7) @ rotation_x(0.8)):
            s.ring(r * 0.985, 0.007, (0, r, 0), INK if sum(s.main) > 0.5 else CREAM, turn=turn, sides=20)
    elif variant == 1:
        for i in range(3):
            s.lathe(
                [(r * 1.01 * math.cos(b), r * 1.01 * math.sin(b)) for b in (-0.16, 0, 0.16)],
                (0, r, 0),
                CREAM,
                turn=rotation_z(0.5) @ rotation_x(i * math.pi / 3),
                sides=20,
            )
            if i == 0:
                break
    else:
        dot = INK if sum(s.main) > 1.2 else CREAM
        for a, b in ((0, 0.2), (1.3, -0.3), (2.5, 0.5), (3.8, -0.1), (5.0, 0.4), (0.6, 1.2), (3.2, -1.1)):
            p = (r * 0.93 * math.cos(b) * math.cos(a), r + r * 0.93 * math.sin(b), r * 0.93 * math.cos(b) * math.sin(a))
            s.sphere(r * 0.2, p, dot, sides=8)


def desk_lamp(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.9, 1.1)
    s.lathe([(0, 0), (0.1, 0), (0.1, 0.015), (0.03, 0.035), (0, 0.035)], (0, 0, 0), sides=16)
    if variant == 1:
        elbow, head = (0.0, 0.4 * k, 0.0), (0.16, 0.46 * k, 0.0)
        s.ring(0.09, 0.012, (0.09, 0.36 * k, 0), METAL, arc_rad=math.pi, sides=8)
        s.tube([(0, 0.03, 0), (0, 0.36 * k, 0)], 0.014, METAL)
        head = (0.18, 0.36 * k, 0.0)
    else:
        elbow, head = (-0.14, 0.26 * k, 0.0), (0.1, 0.42 * k, 0.0)
        s.tube([(0, 0.03, 0), elbow], 0.013, METAL)
        s.sphere(0.022, elbow, INK, sides=8)
        s.tube([elbow, head], 0.013, METAL)
    tilt = rotation_z(0.6 if variant != 1 else 0.0)
    width = 0.1 if variant != 2 else 0.08
    s.lathe([(width, -0.13), (0.035, -0.02), (0.03, 0.03), (0, 0.035)], head, turn=tilt, sides=16, smooth=variant != 2)
    s.lathe([(width * 0.95, -0.125), (0, -0.1)], head, (1, 0.95, 0.7), turn=tilt, sides=12)


def globe(s: Shape, rng: Rng, variant: int) -> None:
    r = rng.uniform(0.12, 0.15)
    base = (WOOD, METAL, DARK_WOOD)[variant % 3]
    s.frustum(r * 0.7, r * 0.5, 0.03, (0, 0, 0), base, sides=14)
    s.cylinder(0.015, 0.08, (0, 0.02, 0), base, sides=8)
    y = 0.09 + r
    if variant == 1:
        s.ring(r * 1.08, 0.009, (0, y, 0), base, turn=rotation_x(math.pi / 2))
    elif variant == 2:
        for i in range(3):
            a = i * 2.094
            s.sphere(0.022, (r * 0.6 * math.cos(a), 0.012, r * 0.6 * math.sin(a)), base, sides=8)
    s.ring(r * 1.12, 0.01, (0, y, 0), base, arc_rad=math.pi * 1.15, start_rad=math.pi * 0.95, sides=14)
    s.sphere(r, (0, y, 0), sides=18)
    land = (0.35, 0.58, 0.25) if variant != 1 else (0.80, 0.65, 0.40)
    for a, b, size in (
        (0.3, 0.5, 0.42),
        (0.6, -0.4, 0.34),
        (2.2, 0.35, 0.5),
        (2.5, -0.3, 0.3),
        (4.0, -0.5, 0.26),
        (4.4, 0.6, 0.45),
        (5.4, 0.2, 0.36),
    ):
        p = (r * 0.8 * math.cos(b) * math.cos(a), y + r * 0.8 * math.sin(b), r * 0.8 * math.cos(b) * math.sin(a))
        s.sphere(r * size, p, land, stretch=(1, 1.15, 1), sides=8)


def toy_car(s: Shape, rng: Rng, variant: int) -> None:
    w, h = rng.uniform(0.24, 0.3), rng.uniform(0.055, 0.07)
    s.box((w, h, 0.13), (0, 0.03, 0))
    if variant == 0:
        s.box((w * 0.5, 0.055, 0.115), (-0.01, 0.03 + h, 0))
        s.box((w * 0.42, 0.035, 0.118), (-0.01, 0.04 + h, 0), WATER)
    elif variant == 1:
        s.box((w * 0.3, 0.09, 0.12), (w * 0.24, 0.03 + h, 0))
        s.box((w * 0.2, 0.04, 0.124), (w * 0.26, 0.06 + h, 0), WATER)
        s.box((w * 0.6, 0.05, 0.13), (-w * 0.2, 0.03 + h, 0), shade=0.8)
    else:
        s.sphere(w * 0.3, (-0.01, 0.03 + h, 0), stretch=(1, 0.75, 0.7), sides=12)
        s.sphere(w * 0.25, (0.012, 0.034 + h, 0), WATER, stretch=(1, 0.75, 0.78), sides=10)
    for x in (-w * 0.3, w * 0.3):
        for z in (-0.072, 0.072):
            s.cylinder(0.038, 0.03, (x, 0.038, z - 0.015), INK, turn=rotation_x(math.pi / 2), sides=12)
            s.cylinder(0.018, 0.034, (x, 0.038, z - 0.017), METAL, turn=rotation_x(math.pi / 2), sides=8)
    for z in (-0.045, 0.045):
        s.sphere(0.014, (w / 2, 0.03 + h * 0.6, z), (1, 0.95, 0.6), sides=6)


def duck(s: Shape, rng: Rng, variant: int) -> None:
    k = rng.uniform(0.9, 1.2)
    beak = (0.95, 0.5, 0.1) if s.main[0] < 0.85 or s.main[1] > 0.7 else (0.95, 0.85, 0.2)
    s.sphere(0.085 * k, (0, 0.065 * k, 0), stretch=(1.25, 0.78, 0.95))
    s.sphere(0.055 * k, (0.065 * k, 0.16 * k, 0))
    s.frustum(0.05 * k, 0.005, 0.08 * k, (-0.07 * k, 0.08 * k, 0), turn=rotation_z(0.8), sides=8)
    s.sphere(0.026 * k, (0.122 * k, 0.152 * k, 0), beak, stretch=(1.2, 0.45, 1.0), sides=8)
    for z in (-1, 1):
        s.sphere(0.011 * k, (0.098 * k, 0.18 * k, z * 0.034 * k), INK, sides=6)
        s.sphere(0.045 * k, (-0.012 * k, 0.08 * k, z * 0.07 * k), None, 0.88, stretch=(1.3, 0.7, 0.4), sides=8)
    if variant == 1:
        s.lathe([(0, 0), (0.06, 0), (0.03, 0.005), (0.03, 0.04), (0, 0.042)], (0.06 * k, 0.205 * k, 0), INK, sides=10)
    elif variant == 2:
        s.ring(0.04 * k, 0.012, (0.045 * k, 0.115 * k, 0), CREAM, turn=rotation_x(math.pi / 2), sides=10)


def backpack(s: Shape, rng: Rng, variant: int) -> None:
    w, h, d = rng.uniform(0.28, 0.33), rng.uniform(0.38, 0.46), rng.uniform(0.14, 0.18)
    s.box((w, h * 0.8, d), (0, 0, 0))
    s.cylinder(w / 2, d, (0, h * 0.8, -d / 2), turn=rotation_x(math.pi / 2), sides=16)
    s.box((w * 0.74, h * 0.4, 0.07), (0, 0.02, d / 2 + 0.03), shade=0.82)
    s.box((w * 0.74, 0.012, 0.075), (0, h * 0.34, d / 2 + 0.03), INK)
    s.ring(0.05, 0.012, (0, h * 0.8 + w / 2, -d * 0.2), INK, arc_rad=math.pi, sides=8)
    for x in (-w * 0.3, w * 0.3):
        s.tube([(x, h * 0.85, -d / 2), (x, h * 0.6, -d / 2 - 0.06), (x, 0.08, -d / 2 - 0.01)], 0.018, INK)
    if variant == 1:
        for x in (-w / 2 - 0.025, w / 2 + 0.025):
            s.box((0.06, h * 0.34, d * 0.7), (x, 0.02, 0), shade=0.75)
    elif variant == 2:
        s.box((w * 1.02, h * 0.12, d * 1.02), (0, 0, 0), (0.45, 0.3, 0.18))
        s.box((w * 0.2, 0.05, 0.01), (0, h * 0.18, d / 2 + 0.07), CREAM)


def boots(s: Shape, rng: Rng, variant: int) -> None:
    h, r = rng.uniform(0.24, 0.32), rng.uniform(0.05, 0.058)
    if variant == 2:
        h *= 0.6
    for side in (-1, 1):
        x = side * 0.085
        s.lathe(
            [(0, 0.02), (r, 0.02), (r, h * 0.7), (r * 1.1, h), (r * 0.9, h), (r * 0.8, h * 0.7)],
            (x, 0, -0.04),
            sides=12,
        )
        s.sphere(r, (x, 0.055, 0.06), stretch=(1.0, 0.85, 1.75), sides=10)
        s.box((2 * r, 0.025, 0.26), (x, 0, 0.02), INK if sum(s.main) > 0.5 else CREAM)
        s.lathe([(r * 0.9, 0), (0, 0)], (x, h * 0.96, -0.04), INK)
        if variant == 1:
            for i in range(3):
                s.box((0.05, 0.012, 0.012), (x, 0.1 + i * 0.045, r - 0.04), CREAM)


def umbrella(s: Shape, rng: Rng, variant: int) -> None:
    """Left open on the floor to dry, leaning on its rim."""
    r = rng.uniform(0.42, 0.5)
    lean = rotation_x(1.0 + 0.2 * (variant == 1))
    sides = 8
    k = 0.62 if variant != 2 else 0.95
    profile = [(r, 0.0), (r * 0.8, r * 0.3 * k), (r * 0.45, r * 0.55 * k), (0, r * 0.66 * k)]
    at = np.array([0.0, r * 0.92, -0.05])
    where = (float(at[0]), float(at[1]), float(at[2]))
    s.lathe(profile, where, turn=lean, sides=sides, smooth=False)
    s.lathe([(a * 0.985, b - 0.01) for a, b in profile], where, turn=lean, sides=sides, smooth=False)
    top, grip = at + lean @ np.array([0, r * 0.66 * k + 0.08, 0]), at + lean @ np.array([0, -0.42, 0])
    s.tube([(0.0, float(top[1]), float(top[2])), (0.0, float(grip[1]), float(grip[2]))], 0.012, METAL)
    s.ring(
        0.05,
        0.014,
        (float(grip[0]) + 0.05, float(grip[1]), float(grip[2])),
        DARK_WOOD,
        arc_rad=math.pi,
        start_rad=math.pi,
        sides=8,
        turn=None,
    )
    if variant == 1:
        s.lathe([(r * 1.005, 0.004), (r * 0.9, r * 0.16 * k)], where, CREAM, turn=lean, sides=sides, smooth=False)
