"""Rooms and the doors between them, cut out of the map of a floor where walls leave only narrow passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int32

from placecell.pathfinder import CELL_M

__all__ = ["Cut", "Door", "Room", "cut_rooms"]

CORE_M: Final = 0.62  # from walls: no door leaf is so wide that its middle is further from both jambs
DOOR_M: Final = 1.4  # wider passages do not part rooms
ROOM_M2: Final = 1.5  # smaller pieces belong to their neighbour,
GLIMPSE_M2: Final = 0.5  # but for those of which more remains to be seen
_OPEN_M: Final = 0.3  # border with the unknown of such a piece
_PASSAGE_M: Final = 0.5  # of free floor in a door
_PILLAR_M: Final = 0.9  # tall things whose box is smaller stand in a room and are no wall
_HOLE_M2: Final = 5.0  # unknown patches inside a room, under beds and behind sofas, belong to it
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A room of the map.

    Args:
        room_id: Stays the same from one look to the next while the room stays where it is.
        name: What kind of room; "room" where nothing tells.
        names: What else it may be: how much speaks for each kind, most first.
        floor: Number of its floor.
        centre_m: Floor point inside, near its middle.
        area_m2: Its area, furniture included.
        mask: Its cells on the grid of the floor.
        low_m: Lowest corner (x, y, z) of its box; y is that of the floor.
        high_m: Highest corner (x, y, z) of its box.
        object_ids: Things that stand in it.
    """

    room_id: str
    name: str
    names: tuple[tuple[str, float], ...]
    floor: int
    centre_m: Float64[np.ndarray, "3"]
    area_m2: float
    mask: Bool[np.ndarray, "rows columns"]
    low_m: Float64[np.ndarray, "3"]
    high_m: Float64[np.ndarray, "3"]
    object_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """A passage between two rooms.

    Args:
        door_id: Made of the rooms' ids.
        position_m: Its middle, on the floor.
        rooms: Ids of the rooms.
        width_m: Its width.
        floor: Number of its floor.
    """

    door_id: str
    position_m: Float64[np.ndarray, "3"]
    rooms: tuple[str, str]
    width_m: float
    floor: int


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Rooms of a floor and the passages between them.

    Args:
        labels: Number of the room of each cell, 1 and up; 0 where there is none.
        doors: For each door its two rooms, its middle (row, column) and its width in metres.
    """

    labels: Int32[np.ndarray, "rows columns"]
    doors: tuple[tuple[tuple[int, int], tuple[float, float], float], ...]


def cut_rooms(
    free: Bool[np.ndarray, "rows columns"],
    occupied: Bool[np.ndarray, "rows columns"],
    wall: Bool[np.ndarray, "rows columns"],
) -> Cut:
    """Cut a floor into rooms.

    What lies far from all walls is the core of a room; cores grow until they meet, which they do in doorways. Pieces
    that meet along more than a door's width are one room.

    Args:
        free: Known floor.
        occupied: Cells that something stands on.
        wall: Cells where something is as high as walls are.

    Example:
        >>> free = np.zeros((60, 140), bool)
        >>> free[5:55, 5:68] = free[5:55, 72:135] = free[20:38, 68:72] = True
        >>> cut = cut_rooms(free, ~free, ~free)
        >>> int(cut.labels.max()), [round(width, 1) for _, _, width in cut.doors]
        (2, [0.9])
    """
    walls = _without_pillars(wall)
    inside = _filled((free | occupied) & ~walls, walls)
    from_wall = cv2.distanceTransform(np.pad(~walls, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] * CELL_M
    count, cores, stats, _ = cv2.connectedComponentsWithStats((inside & (from_wall > CORE_M)).astype(np.uint8))
    specks = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] * CELL_M**2 < 0.05)
    cores[np.isin(cores, specks)] = 0
    unknown = ~(inside | wall | occupied)
    labels = _merged(_grown(cores.astype(np.int32), inside), unknown)
    return Cut(labels, tuple(_doors(labels, free)))


def _without_pillars(wall: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Walls, without tall things that stand alone."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(wall.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), connectivity=8
    )
    is_long = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) * CELL_M > _PILLAR_M
    is_long[0] = False
    return np.asarray(is_long[parts])


def _filled(
    inside: Bool[np.ndarray, "rows columns"], walls: Bool[np.ndarray, "rows columns"]
) -> Bool[np.ndarray, "rows columns"]:
    """The same with its holes, but for large ones and those that reach the edge of the map."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats((~inside & ~walls).astype(np.uint8), connectivity=4)
    rows, columns = inside.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    is_hole = (left > 0) & (top > 0)
    is_hole &= (left + stats[:, cv2.CC_STAT_WIDTH] < columns) & (top + stats[:, cv2.CC_STAT_HEIGHT] < rows)
    is_hole &= stats[:, cv2.CC_STAT_AREA] * CELL_M**2 < _HOLE_M2
    is_hole[0] = False
    return np.asarray(inside | is_hole[parts])


def _grown(labels: Int32[np.ndarray, "rows columns"], inside: Bool[np.ndarray, "rows columns"]) -> np.ndarray:
    """Labels spread over `inside`, step by step from all cores at once."""
    labels = labels.astype(np.float32)  # what OpenCV dilates
    while True:
        spread = cv2.dilate(labels, _CROSS)
        fresh = inside & (labels == 0) & (spread > 0)
        if not fresh.any():
            return labels.astype(np.int32)
        labels[fresh] = spread[fresh]


def _meetings(labels: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """For each two rooms that touch, the points (row, column) between their cells."""
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for axis in (0, 1):
        a, b = (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])
        rows, columns = np.nonzero((a != b) & (a > 0) & (b > 0))
        pairs = np.sort(np.stack([a[rows, columns], b[rows, columns]], axis=1), axis=1)
        points = np.stack([rows, columns], axis=1) + (np.array([0.5, 0.0]) if axis == 0 else np.array([0.0, 0.5]))
        for pair in np.unique(pairs, axis=0).tolist():
            found.setdefault((pair[0], pair[1]), []).append(points[(pairs == pair).all(axis=1)])
    return {pair: np.concatenate(points) for pair, points in found.items()}


def _passages(points: np.ndarray) -> list[np.ndarray]:
    """Points of a meeting, one array per passage."""
    low = points.min(axis=0).astype(int) - 1
    picture = np.zeros((points.max(axis=0).astype(int) - low + 3).tolist(), np.uint8)
    at = (points - low).astype(int)
    picture[at[:, 0], at[:, 1]] = 1
    count, parts = cv2.connectedComponents(cv2.dilate(picture, np.ones((3, 3), np.uint8)), connectivity=8)
    numbers = parts[at[:, 0], at[:, 1]]
    return [points[numbers == number] for number in range(1, count)]


def _width_m(points: np.ndarray) -> float:
    return float(np.hypot(*np.ptp(points, axis=0)) + 1) * CELL_M


def _merged(labels: np.ndarray, unknown: Bool[np.ndarray, "rows columns"]) -> np.ndarray:
    """Join what meets along more than a door, widest first, and pieces too small for a room to their neighbours."""
    while True:
        is_room = _are_rooms(labels, unknown)
        meetings = _meetings(labels)
        widest = {pair: max(_width_m(part) for part in _passages(points)) for pair, points in meetings.items()}
        joins = [(width, pair) for pair, width in widest.items() if width > DOOR_M]
        if not joins:
            joins = [(width, pair) for pair, width in widest.items() if not is_room[list(pair)].all()]
        if not joins:
            break
        keep, drop = max(joins)[1]
        labels = np.where(labels == drop, keep, labels)
    number = np.where(is_room, np.cumsum(is_room), 0).astype(np.int32)
    return np.asarray(number[labels])


def _are_rooms(labels: np.ndarray, unknown: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "labels"]:
    """Which pieces are large enough for a room; 0 is none."""
    count = int(labels.max()) + 1
    areas = np.bincount(labels.ravel(), minlength=count) * CELL_M**2
    beside = cv2.dilate(unknown.astype(np.uint8), _CROSS) > 0
    is_open = np.bincount(labels[beside], minlength=count) * CELL_M >= _OPEN_M
    is_room = (areas >= ROOM_M2) | ((areas >= GLIMPSE_M2) & is_open)
    is_room[0] = False
    return np.asarray(is_room)


def _doors(
    labels: np.ndarray, free: Bool[np.ndarray, "rows columns"]
) -> list[tuple[tuple[int, int], tuple[float, float], float]]:
    found = []
    for pair, points in sorted(_meetings(labels).items()):
        for part in _passages(points):
            is_free = free[tuple(np.floor(part).astype(int).T)] & free[tuple(np.ceil(part).astype(int).T)]
            if is_free.sum() * CELL_M >= _PASSAGE_M:
                row, column = part.mean(axis=0).tolist()
                found.append((pair, (row, column), _width_m(part)))
    return found
