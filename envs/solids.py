"""Parametric solids that furniture is made of: boxes, lathes, spheres, tubes, each with the normals it is lit by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

__all__ = ["Shape", "put_legs", "rotation_x", "rotation_y", "rotation_z"]

# Written out, because a run-time checker does not take an int for a float.
Number = float | int
Colour = tuple[Number, ...]
Point = tuple[Number, Number, Number]


def rotation_x(angle_rad: float) -> Float64[np.ndarray, "3 3"]:
    """Turn about the x axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle_rad: float) -> Float64[np.ndarray, "3 3"]:
    """Turn about the y axis, to the left."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])


def rotation_z(angle_rad: float) -> Float64[np.ndarray, "3 3"]:
    """Turn about the z axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


_BOX = np.array(
    [[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1], [-1, 1, -1], [1, 1, -1], [1, 1, 1], [-1, 1, 1]], np.float64
) * (0.5, 1.0, 0.5)
_BOX_QUADS = [(0, 1, 2, 3), (7, 6, 5, 4), (4, 5, 1, 0), (5, 6, 2, 1), (6, 7, 3, 2), (7, 4, 0, 3)]


class Shape:
    """Triangles of one object, in its own frame: y up, standing on y = 0, the front looks along +z.

    A part without a colour takes the object's own, `main`, times `shade`; a part with one keeps it whatever the
    object's colour is.

    Args:
        main: The object's colour, RGB in 0-1.

    Example:
        >>> shape = Shape((1.0, 0.0, 0.0))
        >>> shape.box((0.4, 0.8, 0.4), (0.0, 0.0, 0.0))
        >>> shape.triangles().shape
        (12, 3, 3)
    """

    def __init__(self, main: Colour) -> None:
        self.main = main
        self.surfaces: list[tuple[Number, Number, Number, Number, Number]] = []
        self._triangles: list[np.ndarray] = []
        self._normals: list[np.ndarray] = []
        self._colours: list[np.ndarray] = []
        self._is_main: list[np.ndarray] = []

    def triangles(self) -> Float64[np.ndarray, "f 3 3"]:
        """Corners, metres."""
        return np.concatenate(self._triangles)

    def normals(self) -> Float64[np.ndarray, "f 3 3"]:
        """Unit normal of every corner."""
        return np.concatenate(self._normals)

    def colours(self) -> Float64[np.ndarray, "f 3"]:
        """RGB of every face, 0-1, before light."""
        return np.concatenate(self._colours)

    def is_main(self) -> np.ndarray:
        """Whether a face shows the object's own colour."""
        return np.concatenate(self._is_main)

    def surface(self, x: Number, z: Number, width: Number, depth: Number, height: Number) -> None:
        """Note a level rectangle (centre x, z) that smaller things may stand on."""
        self.surfaces.append((x - width / 2, z - depth / 2, x + width / 2, z + depth / 2, height))

    def box(
        self, size: Point, at: Point, colour: Colour | None = None, shade: Number = 1.0, turn: np.ndarray | None = None
    ) -> None:
        """Box whose base has its centre at `at`; `turn` rotates it about that point."""
        corners = _BOX * np.asarray(size)
        quads = np.array([[corners[i] for i in quad] for quad in _BOX_QUADS])
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        self._add(triangles, None, at, colour, shade, turn)

    def lathe(
        self,
        profile: Sequence[tuple[Number, Number]],
        at: Point,
        colour: Colour | None = None,
        shade: Number = 1.0,
        turn: np.ndarray | None = None,
        sides: int = 12,
        smooth: bool = True,
        stretch: Point = (1.0, 1.0, 1.0),
    ) -> None:
        """Solid of revolution of (radius, height) pairs around y; `turn` rotates it about its origin `at`."""
        angles = np.linspace(0, 2 * math.pi, sides, endpoint=False)
        cos, sin = np.cos(angles), np.sin(angles)
        after = np.roll(np.arange(sides), -1)
        triangles, normals = [], []
        for (r0, y0), (r1, y1) in zip(profile[:-1], profile[1:], strict=True):
            low = np.stack([r0 * cos, np.full(sides, y0), r0 * sin], axis=1)
            high = np.stack([r1 * cos, np.full(sides, y1), r1 * sin], axis=1)
            slope = math.hypot(r1 - r0, y1 - y0) or 1.0
            normal = np.stack(
                [cos * (y1 - y0) / slope, np.full(sides, (r0 - r1) / slope), sin * (y1 - y0) / slope], axis=1
            )
            if r0 > 1e-6:
                triangles.append(np.stack([low, high[after], low[after]], axis=1))
                normals.append(np.stack([normal, normal[after], normal[after]], axis=1))
            if r1 > 1e-6:
                triangles.append(np.stack([low, high, high[after]], axis=1))
                normals.append(np.stack([normal, normal, normal[after]], axis=1))
        faces, lit = np.concatenate(triangles) * stretch, np.concatenate(normals) / stretch
        lit /= np.linalg.norm(lit, axis=-1, keepdims=True)
        self._add(faces, lit if smooth else None, at, colour, shade, turn)

    def frustum(
        self,
        r0: Number,
        r1: Number,
        height: Number,
        at: Point,
        colour: Colour | None = None,
        shade: Number = 1.0,
        turn: np.ndarray | None = None,
        sides: int = 12,
        smooth: bool = True,
    ) -> None:
        """Closed frustum from radius `r0` at the base to `r1` at the top: a cylinder, cone or tapered leg."""
        self.lathe([(0, 0), (r0, 0), (r1, height), (0, height)], at, colour, shade, turn, sides, smooth)

    def cylinder(
        self,
        radius: Number,
        height: Number,
        at: Point,
        colour: Colour | None = None,
        shade: Number = 1.0,
        turn: np.ndarray | None = None,
        sides: int = 12,
    ) -> None:
        """Closed upright cylinder standing at `at`, then turned about that point."""
        self.frustum(radius, radius, height, at, colour, shade, turn, sides)

    def sphere(
        self,
        radius: Number,
        at: Point,
        colour: Colour | None = None,
        shade: Number = 1.0,
        stretch: Point = (1.0, 1.0, 1.0),
        turn: np.ndarray | None = None,
        sides: int = 12,
    ) -> None:
        """Ball or ellipsoid around `at`."""
        steps = np.linspace(-math.pi / 2, math.pi / 2, max(4, sides // 2) + 1)
        angles = np.linspace(0, 2 * math.pi, sides + 1)
        ring = np.stack(
            [
                np.cos(steps)[:, None] * np.cos(angles),
                np.broadcast_to(np.sin(steps)[:, None], (len(steps), sides + 1)),
                np.cos(steps)[:, None] * np.sin(angles),
            ],
            axis=-1,
        )
        a, b, c, d = ring[:-1, :-1], ring[1:, :-1], ring[1:, 1:], ring[:-1, 1:]
        first = np.stack([a, b, c], axis=2)[:-1].reshape(-1, 3, 3)
        second = np.stack([a, c, d], axis=2)[1:].reshape(-1, 3, 3)
        unit = np.concatenate([first, second])
        lit = unit / stretch
        lit /= np.linalg.norm(lit, axis=-1, keepdims=True)
        self._add(unit * radius * np.asarray(stretch), lit, at, colour, shade, turn)

    def tube(
        self, points: Sequence[Point], radius: Number, colour: Colour | None = None, shade: Number = 1.0, sides: int = 6
    ) -> None:
        """Round bar along a polyline."""
        for start, end in zip(points[:-1], points[1:], strict=True):
            along = np.subtract(end, start).astype(np.float64)
            length = float(np.linalg.norm(along))
            if length < 1e-6:
                continue
            y = along / length
            x = np.cross(y, (0.0, 0.0, 1.0) if abs(y[2]) < 0.9 else (1.0, 0.0, 0.0))
            x /= np.linalg.norm(x)
            turn = np.stack([x, y, np.cross(x, y)], axis=1)
            self.cylinder(radius, length, start, colour, shade, turn, sides)

    def ring(
        self,
        radius: Number,
        thickness: Number,
        at: Point,
        colour: Colour | None = None,
        shade: Number = 1.0,
        turn: np.ndarray | None = None,
        sides: int = 16,
        arc_rad: Number = 2 * math.pi,
        start_rad: Number = 0.0,
    ) -> None:
        """Torus (or an arc of one) in the x-y plane around `at`, built of bars."""
        angles = np.linspace(start_rad, start_rad + arc_rad, sides + 1)
        circle = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(sides + 1)], axis=1)
        if turn is not None:
            circle = circle @ turn.T
        circle += np.asarray(at)
        self.tube([(float(x), float(y), float(z)) for x, y, z in circle], thickness, colour, shade, sides=5)

    def panel(self, corners: Sequence[Point], colour: Colour | None = None, shade: Number = 1.0) -> None:
        """Convex polygon, seen from both sides."""
        points = np.asarray(corners, np.float64)
        fan = np.stack([np.stack([points[0], points[i], points[i + 1]]) for i in range(1, len(points) - 1)])
        self._add(fan, None, (0.0, 0.0, 0.0), colour, shade, None)

    def _add(
        self,
        triangles: np.ndarray,
        normals: np.ndarray | None,
        at: Point,
        colour: Colour | None,
        shade: Number,
        turn: np.ndarray | None,
    ) -> None:
        if normals is None:
            flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
            flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
            normals = np.repeat(flat[:, None], 3, axis=1)
        if turn is not None:
            triangles, normals = triangles @ turn.T, normals @ turn.T
        rgb = np.asarray(self.main if colour is None else colour, np.float64) * shade
        self._triangles.append(triangles + np.asarray(at))
        self._normals.append(normals)
        self._colours.append(np.repeat(np.clip(rgb, 0, 1)[None], len(triangles), axis=0))
        self._is_main.append(np.full(len(triangles), colour is None))


def put_legs(s: Shape, width: Number, depth: Number, height: Number, r: Number, colour: Colour, square: bool) -> None:
    """Four legs under a rectangle of `width` by `depth`, square or turned."""
    for x in (-width / 2 + r, width / 2 - r):
        for z in (-depth / 2 + r, depth / 2 - r):
            if square:
                s.box((2 * r, height, 2 * r), (x, 0, z), colour)
            else:
                s.frustum(r * 0.6, r, height, (x, 0, z), colour, sides=8)
