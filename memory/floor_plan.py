"""The plan of what was mapped: rooms with their names and things, doors, and the graph that ties them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from placecell.memory.room_names import Namer, room_shares
from placecell.memory.rooms import Cut, Door, Room, cut_rooms
from placecell.pathfinder import CELL_M

if TYPE_CHECKING:
    import networkx

    from placecell.memory.frontiers import Frontier, View
    from placecell.memory.object_states import SceneObject
    from placecell.memory.storeys import Floor

__all__ = ["FloorPlan", "RoomBook", "floor_of", "place_graph"]

_NEAR_M: Final = 0.5  # a thing on a wall or in a doorway belongs to a room that near
_BELOW_M: Final = 0.3  # a thing's base may seem to lie so far under its floor
_LONG: Final = 2.2  # a corridor is so much longer than wide
_NARROW_M: Final = 2.4
_FULL: Final = 0.7  # share of its box that it fills
_CORRIDOR_DOORS: Final = 3
_VIEWS: Final = 24  # pictures shown to the namer per room


class RoomBook:
    """Gives rooms their ids: those of the rooms that they overlap most from the last look, or new ones."""

    def __init__(self) -> None:
        self._next = 0
        self._before: list[tuple[str, int, np.ndarray]] = []

    def ids(self, floor: int, origin: tuple[int, int], masks: Sequence[Bool[np.ndarray, "rows columns"]]) -> list[str]:
        """Ids of the rooms of one floor; `origin` is the (row, column) of the grid on the lattice of all grids."""
        cells = [_lattice(origin, mask) for mask in masks]
        pairs = sorted(
            (-len(np.intersect1d(new, old, assume_unique=True)), i, j)
            for i, new in enumerate(cells)
            for j, (_, number, old) in enumerate(self._before)
            if number == floor
        )
        names: dict[int, str] = {}
        for overlap, i, j in pairs:
            if overlap < 0 and i not in names and self._before[j][0] not in names.values():
                names[i] = self._before[j][0]
        for i in range(len(masks)):
            if i not in names:
                names[i] = f"room:{self._next}"
                self._next += 1
        self._before = [row for row in self._before if row[1] != floor]
        self._before += [(names[i], floor, cells[i]) for i in range(len(masks))]
        return [names[i] for i in range(len(masks))]


def _lattice(origin: tuple[int, int], mask: Bool[np.ndarray, "rows columns"]) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.asarray((rows + origin[0] + (1 << 30)) * np.int64(1 << 31) + (columns + origin[1] + (1 << 30)))


class FloorPlan:
    """Rooms and doors of one floor.

    Args:
        floor: The map.
        book: Gives the rooms their ids.
    """

    def __init__(self, floor: Floor, book: RoomBook) -> None:
        self.floor = floor
        self.cut: Cut = cut_rooms(floor.free, floor.occupied, floor.wall)
        x, z = floor.origin_m
        origin = round(z / CELL_M), round(x / CELL_M)
        masks = [self.cut.labels == number for number in range(1, int(self.cut.labels.max(initial=0)) + 1)]
        ids = book.ids(floor.number, origin, masks)
        self._shapes = [_shape(floor, room_id, mask) for room_id, mask in zip(ids, masks, strict=True)]
        self.doors = [self._door(number, *door) for number, door in enumerate(self.cut.doors)]

    def _door(self, number: int, pair: tuple[int, int], middle: tuple[float, float], width_m: float) -> Door:
        rooms = self._shapes[pair[0] - 1].room_id, self._shapes[pair[1] - 1].room_id
        x, z = self.floor.origin_m
        at = np.array([x + (middle[1] + 0.5) * CELL_M, self.floor.height_m, z + (middle[0] + 0.5) * CELL_M])
        return Door(f"door:{self.floor.number}.{number}", at, rooms, width_m, self.floor.number)

    def rooms(self, objects: Iterable[SceneObject], views: Sequence[View], namer: Namer | None) -> list[Room]:
        """The rooms with their things and names.

        Args:
            objects: Things of this floor.
            views: Pictures taken on this floor, shown to the namer.
            namer: Names a room by pictures taken in it.
        """
        held: dict[int, list[SceneObject]] = {}
        for thing in objects:
            number = self.room_number(float(thing.position_m[0]), float(thing.position_m[2]))
            held.setdefault(number, []).append(thing)
        shot: dict[int, list[View]] = {}
        if namer is not None:
            for view in views:
                shot.setdefault(self.room_number(float(view.pose[0, 3]), float(view.pose[2, 3])), []).append(view)
        found = []
        for number, shape in enumerate(self._shapes, start=1):
            things = held.get(number, [])
            pictures = shot.get(number, [])
            chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(len(pictures), _VIEWS)).astype(int)]
            looks = namer([view.record_id for view in chosen]) if namer is not None and chosen else None
            doors = sum(shape.room_id in door.rooms for door in self.doors)
            names = room_shares(
                ((thing.labels or ((thing.name, 1.0),), thing.confidence) for thing in things if thing.state != "gone"),
                looks,
                doors >= _CORRIDOR_DOORS and _is_long(shape.mask),
            )
            found.append(
                Room(
                    shape.room_id,
                    next(iter(names), "room"),
                    tuple(names.items()),
                    shape.floor,
                    shape.centre_m,
                    shape.area_m2,
                    shape.mask,
                    shape.low_m,
                    shape.high_m,
                    tuple(thing.object_id for thing in things if thing.state != "gone"),
                )
            )
        return found

    def room_id(self, number: int) -> str:
        """Id of the room with a label."""
        return self._shapes[number - 1].room_id

    def room_number(self, x: float, z: float) -> int:
        """Label of the room that holds a point or is next to it; 0 where there is none."""
        row, column = self.floor.cell(x, z)
        labels = self.cut.labels
        reach = round(_NEAR_M / CELL_M)
        r0, c0 = max(row - reach, 0), max(column - reach, 0)
        near = labels[r0 : max(row + reach + 1, 0), c0 : max(column + reach + 1, 0)]
        rows, columns = np.nonzero(near)
        if not len(rows):
            return 0
        best = int(((rows + r0 - row) ** 2 + (columns + c0 - column) ** 2).argmin())
        return int(near[rows[best], columns[best]])


def _shape(floor: Floor, room_id: str, mask: Bool[np.ndarray, "rows columns"]) -> Room:
    rows, columns = np.nonzero(mask)
    free = mask & floor.free
    r, c = np.nonzero(free if free.any() else mask)
    best = int(((r - rows.mean()) ** 2 + (c - columns.mean()) ** 2).argmin())
    half = np.array([CELL_M / 2, 0.0, CELL_M / 2])
    low = floor.point(int(rows.min()), int(columns.min())) - half
    high = floor.point(int(rows.max()), int(columns.max())) + half
    area_m2 = len(rows) * CELL_M**2
    return Room(room_id, "room", (), floor.number, floor.point(int(r[best]), int(c[best])), area_m2, mask, low, high)


def _is_long(mask: Bool[np.ndarray, "rows columns"]) -> bool:
    """Whether a room has the shape of a corridor."""
    contour, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    _, sides, _ = cv2.minAreaRect(max(contour, key=len))
    narrow, long = sorted(side * CELL_M for side in sides)
    is_full = int(mask.sum()) * CELL_M**2 > _FULL * narrow * long
    return bool(narrow < _NARROW_M and long > _LONG * narrow and is_full)


def place_graph(
    floors: Sequence[Floor],
    rooms: Sequence[Room],
    doors: Sequence[Door],
    objects: Mapping[str, SceneObject],
    frontiers: Sequence[Frontier],
    room_of: Mapping[int, str],
    stairs: Sequence[tuple[int, int, Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]],
) -> networkx.Graph[str]:
    """Floors, rooms, doors, things and frontiers as one graph; every node has a `kind`, every edge a `relation`.

    Edges: a floor *contains* rooms, a room *contains* things; a room is tied to a *door*; a frontier *leads from* its
    room; floors that an agent walked between are tied by *stairs*.
    """
    import networkx

    graph: networkx.Graph[str] = networkx.Graph()
    for floor in floors:
        graph.add_node(f"floor:{floor.number}", kind="floor", height_m=floor.height_m)
    for room in rooms:
        graph.add_node(
            room.room_id, kind="room", name=room.name, position_m=room.centre_m, area_m2=room.area_m2, floor=room.floor
        )
        graph.add_edge(f"floor:{room.floor}", room.room_id, relation="contains")
        for object_id in room.object_ids:
            thing = objects[object_id]
            graph.add_node(object_id, kind="object", name=thing.name, position_m=thing.position_m, state=thing.state)
            graph.add_edge(room.room_id, object_id, relation="contains")
    centres = {room.room_id: room.centre_m for room in rooms}
    for door in doors:
        graph.add_node(door.door_id, kind="door", position_m=door.position_m, width_m=door.width_m, floor=door.floor)
        for room_id in door.rooms:
            length = float(np.linalg.norm(centres[room_id] - door.position_m))
            graph.add_edge(room_id, door.door_id, relation="door", length_m=length)
    for frontier in frontiers:
        node = f"frontier:{frontier.frontier_id}"
        graph.add_node(
            node, kind="frontier", position_m=frontier.position_m, size_m=frontier.size_m, floor=frontier.floor
        )
        room_id = room_of.get(frontier.frontier_id, f"floor:{frontier.floor}")
        graph.add_edge(room_id, node, relation="leads to")
    for lower, upper, start, end in stairs:
        graph.add_edge(f"floor:{lower}", f"floor:{upper}", relation="stairs", from_m=start, to_m=end)
    return graph


def floor_of(floors: Sequence[Floor], thing: Any) -> int | None:
    """Number of the floor that a thing stands on; None below all."""
    base = float(thing.low_m[1])
    under = [floor.number for floor in floors if floor.height_m - _BELOW_M <= base]
    return max(under, default=None)
