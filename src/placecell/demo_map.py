"""The map that an agent made, as SVG: floor, rooms, doors, things, snapshots, frontiers, and ways over it."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from placecell.memory.memory import Memory
    from placecell.memory.places import Places

__all__ = ["Layer", "Map", "View", "draw", "map_of", "plain_map_of"]

SCALE: Final = 100.0  # units of the drawing per metre
MARGIN_M: Final = 0.25
UNKNOWN: Final = (233, 235, 241)
FREE: Final = (252, 252, 250)
WALL: Final = (52, 60, 80)
TAKEN: Final = (176, 182, 196)
TINTS: Final = (
    (221, 234, 250), (253, 232, 211), (222, 242, 220), (240, 226, 246), (252, 225, 226), (217, 240, 239),
    (246, 240, 208), (229, 229, 238), (240, 230, 220),
)  # fmt: skip
_LABEL: Final = 15.0  # size of a thing's name
_WIDTH: Final = 0.56  # of a letter, as a share of its size
Point = tuple[float, float]  # x and z, metres


@dataclass(frozen=True, slots=True)
class View:
    """A kept view: where the camera stood and which way it looked (0 along -z, positive to the left)."""

    number: int
    at: Point
    heading_rad: float
    title: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """What is known of a floor; points are (x, z) in metres.

    Args:
        base: A pixel per cell, uint8 `(rows, columns, 3)`.
        origin: Corner of the first cell.
        cell_m: Side of a cell.
        rooms: Names and where to write them.
        doors: Their middles.
        things: Names and places.
        views: Snapshots.
        frontiers: Their middles.
        floor_m2: Free floor that was seen.
    """

    base: UInt8[np.ndarray, "rows columns 3"]
    origin: Point
    cell_m: float
    rooms: Sequence[tuple[str, Point]] = ()
    doors: Sequence[Point] = ()
    things: Sequence[tuple[str, Point]] = ()
    views: Sequence[View] = ()
    frontiers: Sequence[Point] = ()
    floor_m2: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A way, or a mark with a number or letter, on top of a map.

    Args:
        points: Corners of the way; one point for a mark.
        kind: Class of style: "way", "shortest", "arrow", "mark", "start".
        text: Written into a mark.
        colour: Of the way or the mark.
    """

    points: Sequence[Point]
    kind: str = "way"
    text: str = ""
    colour: str = "#2b5dff"


def map_of(memory: Memory) -> Map:
    """What a memory knows now of the floor that it knows most of."""
    things = [thing for thing in memory.objects.objects() if thing.state != "gone"]
    drawn = plain_map_of(memory.places, things)
    views = []
    by_id = {thing.object_id: thing.name for thing in things}
    for number, snapshot in enumerate(memory.snapshots.snapshots(), start=1):
        pose = memory.get(snapshot.record_id).pose
        if pose is not None:
            names = ", ".join(by_id.get(key, "") for key in snapshot.object_ids)
            heading = math.atan2(pose[0, 2], pose[2, 2])
            views.append(View(number, (float(pose[0, 3]), float(pose[2, 3])), heading, f"snapshot {number}: {names}"))
    placed = [(thing.name or "something", (thing.position_m[0], thing.position_m[2])) for thing in things]
    return replace(drawn, things=placed, views=views)


def plain_map_of(places: Places, things: Sequence[object] = ()) -> Map:
    """Floor, rooms, doors and frontiers alone.

    Raises:
        ValueError: If no floor is known.
    """
    floors = places.floors
    if not floors:
        raise ValueError("no floor is known: the memory has no depth pictures, or none that shows a floor")
    floor = max(floors, key=lambda each: int(each.free.sum()))
    rooms = [room for room in places.rooms(things) if room.floor == floor.number]  # type: ignore[arg-type]
    base = np.full((*floor.free.shape, 3), UNKNOWN, np.uint8)
    for number, room in enumerate(rooms):
        base[room.mask] = TINTS[number % len(TINTS)]
    base[floor.free & (base == np.array(UNKNOWN)).all(axis=2)] = FREE
    base[floor.occupied] = TAKEN
    base[floor.occupied & floor.wall] = WALL
    return Map(
        base,
        floor.origin_m,
        floor.cell_m,
        [(room.name or "room", (float(room.centre_m[0]), float(room.centre_m[2]))) for room in rooms],
        [
            (float(door.position_m[0]), float(door.position_m[2]))
            for door in places.doors()
            if door.floor == floor.number
        ],
        frontiers=[
            (float(each.middle_m[0]), float(each.middle_m[2]))
            for each in places.frontiers()
            if each.floor == floor.number
        ],
        floor_m2=float(floor.free.sum()) * floor.cell_m**2,
    )


def draw(shown: Map, layers: Sequence[Layer] = (), with_names: bool = True, window: Map | None = None) -> str:
    """The map as an `<svg>`.

    Args:
        shown: What is known.
        layers: Ways and marks, drawn on top in this order.
        with_names: Whether the names of things are written beside them, where there is room.
        window: Draw the part of the world that this map covers, so that several maps have one scale.
    """
    left, top, right, bottom = _bounds(window or shown)
    width, height = (right - left) * SCALE, (bottom - top) * SCALE

    def at(point: Point) -> tuple[float, float]:
        return (point[0] - left) * SCALE, (point[1] - top) * SCALE

    x, y = at(shown.origin)
    rows, columns = shown.base.shape[:2]
    side = shown.cell_m * SCALE
    pieces = [
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="rgb{UNKNOWN}"/>',
        f'<image href="{_png(shown.base)}" x="{x:.1f}" y="{y:.1f}" width="{columns * side:.1f}" '
        f'height="{rows * side:.1f}" preserveAspectRatio="none" style="image-rendering:pixelated"/>',
    ]
    for point in shown.doors:
        x, y = at(point)
        pieces.append(f'<rect class="door" x="{x - 11:.1f}" y="{y - 11:.1f}" width="22" height="22" rx="4"/>')
    for view in shown.views:
        pieces.append(_wedge(view, *at(view.at)))
    for point in shown.frontiers:
        x, y = at(point)
        pieces.append(f'<circle class="frontier" cx="{x:.1f}" cy="{y:.1f}" r="13"/>')
    pieces += [_layer(layer, [at(point) for point in layer.points]) for layer in layers if layer.kind != "mark"]
    taken: list[tuple[float, float, float, float]] = []
    for name, point in shown.rooms:
        x, y = at(point)
        half = 0.6 * 20 * len(name) / 2
        taken.append((x - half, y - 18, x + half, y + 8))
    things = [(name, at(point)) for name, point in shown.things]
    taken += [(x - 6, y - 6, x + 6, y + 6) for _, (x, y) in things]
    for name, (x, y) in things:
        pieces.append(f'<circle class="thing" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{_text(name)}</title></circle>')
        place = _free_place(name, x, y, taken, width, height) if with_names else None
        if place is not None:
            pieces.append(f'<text class="label" x="{place[0]:.1f}" y="{place[1]:.1f}">{_text(name)}</text>')
    for name, point in shown.rooms:
        x, y = at(point)
        pieces.append(f'<text class="room" x="{x:.1f}" y="{y:.1f}">{_text(name)}</text>')
    pieces += [_layer(layer, [at(point) for point in layer.points]) for layer in layers if layer.kind == "mark"]
    return f'<svg class="map" viewBox="0 0 {width:.0f} {height:.0f}">{"".join(pieces)}</svg>'


def _bounds(shown: Map) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is known, metres."""
    rows, columns = np.nonzero((shown.base != np.array(UNKNOWN, np.uint8)).any(axis=2))
    (x0, z0), cell = shown.origin, shown.cell_m
    return (
        x0 + int(columns.min()) * cell - MARGIN_M,
        z0 + int(rows.min()) * cell - MARGIN_M,
        x0 + int(columns.max() + 1) * cell + MARGIN_M,
        z0 + int(rows.max() + 1) * cell + MARGIN_M,
    )


def _free_place(
    name: str, x: float, y: float, taken: list[tuple[float, float, float, float]], width: float, height: float
) -> tuple[float, float] | None:
    """Where a name beside a point hides nothing, None if nowhere; what is found is taken from then on."""
    long, tall = _WIDTH * _LABEL * len(name), _LABEL
    places = [
        (x + 9, y + 5), (x - 9 - long, y + 5), (x - long / 2, y - 9), (x - long / 2, y + 9 + 0.75 * tall),
        (x + 7, y - 7), (x + 7, y + 17), (x - 7 - long, y - 7), (x - 7 - long, y + 17),
    ]  # fmt: skip
    for left, base in places:
        box = (left - 1, base - 0.8 * tall, left + long + 1, base + 0.25 * tall)
        is_inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
        own = (x - 6, y - 6, x + 6, y + 6)
        if is_inside and not any(_overlap(box, other) for other in taken if other != own):
            taken.append(box)
            return left, base
    return None


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _wedge(view: View, x: float, y: float) -> str:
    corners = []
    for turn in (-0.5, 0.5):
        angle = view.heading_rad + turn
        corners.append(f"L{x - math.sin(angle) * 46:.1f} {y - math.cos(angle) * 46:.1f}")
    return (
        f'<g class="view"><path d="M{x:.1f} {y:.1f}{"".join(corners)}z"/><circle cx="{x:.1f}" cy="{y:.1f}" r="10"/>'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}">{view.number}</text><title>{_text(view.title)}</title></g>'
    )


def _layer(layer: Layer, points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    x, y = points[-1]
    if layer.kind == "mark":
        return (
            f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="17" fill="{layer.colour}"/>'
            f'<text class="marknum" x="{x:.1f}" y="{y + 7:.1f}">{_text(layer.text)}</text>'
        )
    if layer.kind == "trail":  # from blue to red
        pieces = []
        for i, ((x0, y0), (x1, y1)) in enumerate(zip(points, points[1:], strict=False)):
            part = i / max(len(points) - 2, 1)
            colour = f"rgb({int(43 + 212 * part)},{int(93 - 34 * part)},{int(255 - 148 * part)})"
            pieces.append(
                f'<line class="trail" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"/>'
            )
        return "".join(pieces)
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawn = f'<polyline class="{layer.kind}" points="{way}" stroke="{layer.colour}"/>'
    if layer.kind == "arrow" and len(points) > 1:
        before = points[-2]
        angle = math.atan2(y - before[1], x - before[0])
        head = [(x - 26 * math.cos(angle + turn), y - 26 * math.sin(angle + turn)) for turn in (-0.45, 0.45)]
        corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), *head))
        drawn += f'<polygon points="{corners}" fill="{layer.colour}"/>'
    return drawn


def _png(rgb: np.ndarray) -> str:
    data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _text(value: str) -> str:
    return html.escape(value)
