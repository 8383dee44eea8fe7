"""Films of episodes: what the agent sees, beside the map and the memory that it has at that moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from placecell.agents.goals import Goal
from placecell.agents.planner import Decision, Experience, Sensed
from placecell.envs.house import HouseEnv
from placecell.memory.places import Floor
from placecell.perception.clips import VideoWriter

__all__ = ["Film", "draw_map"]

_SIDE: Final = 480
_BAR: Final = 56
_ROOMS_EVERY: Final = 10  # steps: rooms change slowly, and cost more than all the rest
_UNKNOWN, _FREE, _TAKEN = (206, 209, 216), (250, 250, 247), (74, 80, 96)
_TINTS: Final = ((214, 232, 250), (252, 230, 208), (220, 242, 218), (238, 222, 244), (252, 222, 222), (218, 240, 240))
_WAY, _AGENT, _GOAL, _FRONTIER, _THING = (43, 93, 255), (255, 59, 107), (228, 30, 60), (245, 133, 24), (28, 35, 51)
_INK, _DIM = (28, 35, 51), (104, 112, 134)
Colour = tuple[int, int, int]


class Film:
    """Writes one episode as an MP4.

    Args:
        path: Where to; the folder must exist.
        env: The house, whose size alone is used: it keeps the map's scale fixed.
        fps: Steps shown per second.
    """

    def __init__(self, path: Path, env: HouseEnv, fps: float | int = 8) -> None:
        self._writer = VideoWriter(path, fps, (2 * _SIDE, _SIDE + _BAR))
        plan = env.house.plan
        self._scale = _SIDE / (max(plan.width, plan.depth) + 0.6)
        self._corner = (plan.width / 2 - _SIDE / 2 / self._scale, plan.depth / 2 - _SIDE / 2 / self._scale)
        self._way: list[tuple[float, float]] = []
        self._rooms: list[Any] = []
        self._memory: Any = None
        self._shape: tuple[int, ...] | None = None
        self._since_rooms = 0

    def add(
        self, experience: Experience, goal: Goal | None, sensed: Sensed, decision: Decision, info: Mapping[str, Any]
    ) -> None:
        """Show one step."""
        memory = experience.memory
        if memory is not self._memory:  # the agent has forgotten all
            self._memory, self._way, self._since_rooms = memory, [], 0
        self._way.append((float(sensed.pose[0, 3]), float(sensed.pose[2, 3])))
        objects = memory.objects.objects() if sensed.detections else []
        floors = memory.places.floors
        shape = floors[0].free.shape if floors else None
        if self._since_rooms % _ROOMS_EVERY == 0 or shape != self._shape:
            self._rooms, self._shape = memory.places.rooms(objects), shape
        self._since_rooms += 1
        frontiers = [frontier.middle_m for frontier in memory.places.frontiers()]
        picture = np.full((_SIDE + _BAR, 2 * _SIDE, 3), 255, np.uint8)
        picture[:_SIDE, :_SIDE] = _view(sensed, goal)
        picture[:_SIDE, _SIDE:] = draw_map(
            floors[0] if floors else None,
            self._rooms,
            objects,
            frontiers,
            self._way,
            sensed.pose,
            decision.target_m,
            self._scale,
            self._corner,
        )
        told = "exploring" if goal is None else f"goal: {goal}"
        _write(picture, told, (12, _SIDE + 22), 0.55, _INK)
        _write(picture, f"step {sensed.step}: {decision.reason}", (12, _SIDE + 45), 0.47, _DIM)
        counts = f"{len(objects)} things, {len(self._rooms)} rooms, {len(frontiers)} frontiers, {len(memory)} records"
        _write(picture, counts, (_SIDE + 12, _SIDE + 22), 0.47, _DIM)
        self._writer.write(picture)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def draw_map(
    floor: Floor | None,
    rooms: Sequence[Any],
    objects: Sequence[Any],
    frontiers: Sequence[np.ndarray],
    way: Sequence[tuple[float, float]],
    pose: Float64[np.ndarray, "4 4"],
    target_m: tuple[float, float, float] | None,
    scale: float,
    corner: tuple[float, float],
    side: int = _SIDE,
) -> UInt8[np.ndarray, "h w 3"]:
    """The known map from above.

    Args:
        floor: Free, occupied and unknown cells; None before anything is known.
        rooms: With `mask`, `name`, `centre_m`.
        objects: With `position_m`, `name`, `state`.
        frontiers: Their middles.
        way: Points (x, z) where the agent has been.
        pose: Where it is.
        target_m: Where it is heading.
        scale: Pixels per metre.
        corner: World (x, z) of the upper left corner.
        side: Height and width of the picture.
    """
    picture = np.full((side, side, 3), _UNKNOWN, np.uint8)
    if floor is not None:
        colours = np.full((*floor.free.shape, 3), _UNKNOWN, np.uint8)
        colours[floor.free] = _FREE
        for number, room in enumerate(rooms):
            if room.mask.shape == floor.free.shape:  # drawn when the map was as large as now
                colours[room.mask & floor.free] = _TINTS[number % len(_TINTS)]
        colours[floor.occupied] = _TAKEN
        k, (x0, z0) = floor.cell_m * scale, floor.origin_m
        place = np.array([[k, 0.0, (x0 - corner[0]) * scale], [0.0, k, (z0 - corner[1]) * scale]])
        cv2.warpAffine(
            colours, place, (side, side), picture, cv2.INTER_NEAREST, cv2.BORDER_TRANSPARENT, borderValue=_UNKNOWN
        )

    def at(x: float, z: float) -> tuple[int, int]:
        return round((x - corner[0]) * scale), round((z - corner[1]) * scale)

    for frontier in frontiers:
        cv2.circle(picture, at(float(frontier[0]), float(frontier[2])), 5, _FRONTIER, 2, cv2.LINE_AA)
    if len(way) > 1:
        cv2.polylines(picture, [np.array([at(x, z) for x, z in way], np.int32)], False, _WAY, 2, cv2.LINE_AA)
    for thing in objects:
        if thing.state != "gone":
            column, row = at(thing.position_m[0], thing.position_m[2])
            cv2.circle(picture, (column, row), 3, _THING, -1, cv2.LINE_AA)
            _write(picture, thing.name, (column + 5, row + 3), 0.32, _THING)
    for room in rooms:
        column, row = at(float(room.centre_m[0]), float(room.centre_m[2]))
        _write(picture, room.name or "room", (column - 24, row), 0.42, _DIM)
    if target_m is not None:
        cv2.drawMarker(picture, at(target_m[0], target_m[2]), _GOAL, cv2.MARKER_CROSS, 16, 2, cv2.LINE_AA)
    x, z = float(pose[0, 3]), float(pose[2, 3])
    yaw = math.atan2(pose[0, 2], pose[2, 2])
    nose, tail = 0.32, 0.22
    corners = [(yaw, nose), (yaw + 2.5, tail), (yaw - 2.5, tail)]
    shape = [at(x - math.sin(angle) * far, z - math.cos(angle) * far) for angle, far in corners]
    cv2.fillPoly(picture, [np.array(shape, np.int32)], _AGENT, cv2.LINE_AA)
    return picture


def _view(sensed: Sensed, goal: Goal | None) -> UInt8[np.ndarray, "h w 3"]:
    """What the agent sees, with what was found in it, and the picture that it looks for."""
    picture = cv2.resize(sensed.rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    for found in sensed.detections:
        left, top, right, bottom = (round(value * _SIDE) for value in found.box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (255, 214, 0), 1)
        if found.labels and right - left > 30:
            _write(picture, found.labels[0][0], (left + 2, max(top - 3, 10)), 0.36, (255, 255, 255), True)
    if goal is not None and goal.image is not None:
        inset = _SIDE // 4
        picture[8 : 8 + inset, 8 : 8 + inset] = cv2.resize(goal.image, (inset, inset), interpolation=cv2.INTER_AREA)
        cv2.rectangle(picture, (7, 7), (8 + inset, 8 + inset), (255, 255, 255), 2)
    return np.asarray(picture, np.uint8)


def _write(
    picture: np.ndarray, text: str, at: tuple[int, int], size: float, colour: Colour, is_dark: bool = False
) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    halo = (28, 35, 51) if is_dark else (255, 255, 255)
    cv2.putText(picture, text, at, font, size, halo, 3 if size > 0.4 else 2, cv2.LINE_AA)
    cv2.putText(picture, text, at, font, size, colour, 1, cv2.LINE_AA)
