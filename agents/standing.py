"""Where to stand to be at a thing: as near as the floor allows, on the side from which it was seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.agents.roaming import SQUEEZE, Roamer

if TYPE_CHECKING:
    from placecell.agents.planner import Sensed
    from placecell.memory.memory import Memory
    from placecell.memory.object_states import SceneObject
    from placecell.memory.rooms import Room

__all__ = ["BESIDE_M", "Stand", "floor_gap_m"]

BESIDE_M: Final = 0.9  # so near to a thing one need not squeeze nearer
_CLOSER_M: Final = 0.2  # what squeezing must gain
_FAR_M: Final = 1.5  # farther from a thing one does not stand at it
_SERVES: Final = 6  # steps for which a place serves: the map grows, and with it where one can stand


class Stand:
    """Where to stand at one thing.

    Args:
        memory: Has the views of the thing.
        roamer: Knows where one can go.
        room_at: The room at a point.
    """

    def __init__(self, memory: Memory, roamer: Roamer, room_at: Callable[[Sequence[float]], Room | None]) -> None:
        self._memory, self._roamer, self._room_at = memory, roamer, room_at
        self._spot: tuple[np.ndarray, int] | None = None
        self.bad: list[np.ndarray] = []  # where one would stand, and did not get to

    def at(self, sensed: Sensed, thing: SceneObject) -> np.ndarray | None:
        """The point of the floor, squeezing where that leads nearer; None where none is near."""
        if self._spot is not None and sensed.step - self._spot[1] < _SERVES:
            return self._spot[0]
        found: tuple[float, np.ndarray, int] | None = None
        for number in range(len(SQUEEZE)):
            self._roamer.squeeze(number)
            spot = self._nearest_floor(thing)
            if spot is not None and (found is None or spot[0] < found[0] - _CLOSER_M):
                found = *spot, number
            if found is not None and found[0] <= BESIDE_M:
                break
        if found is None or found[0] > _FAR_M:
            return None
        self._roamer.squeeze(found[2])
        self._spot = found[1], sensed.step
        return self._spot[0]

    def avoid(self, spot: np.ndarray) -> None:
        """Try another side: something that no picture shows is in the way to this one."""
        self.bad.append(spot)
        self._spot = None

    def _nearest_floor(self, thing: SceneObject) -> tuple[float, np.ndarray] | None:
        """Reachable floor beside a thing, and how far from it that is, metres."""
        floor = self._roamer.floor()
        if not len(floor.x):
            return None
        x, z = floor.x, floor.z
        dx = np.maximum(np.maximum(thing.low_m[0] - x, x - thing.high_m[0]), 0.0)
        dz = np.maximum(np.maximum(thing.low_m[2] - z, z - thing.high_m[2]), 0.0)
        gap = np.hypot(dx, dz)
        cost = gap + 0.02 * floor.way_m
        room = self._room_at(thing.position_m)
        if room is not None and room.mask.shape == self._roamer.field.shape:
            inside = room.mask[floor.rows, floor.columns]
            cost = cost + np.where(inside, 0.0, 0.5)
        eye = self._eye(thing)
        if eye is not None:
            off = float(np.hypot(eye[0] - thing.position_m[0], eye[2] - thing.position_m[2]))
            round_m = self._roamer.finder.distance_field(eye, limit_m=2.0 * off + 4.0)
            behind = round_m[floor.rows, floor.columns]
            cost = cost + 0.05 * np.minimum(behind, 20.0)
            if np.isfinite(round_m).any():  # however near it is: what is so far round lies behind a wall
                cost = np.where(np.isfinite(behind), cost, np.inf)
        for bad in self.bad:
            cost = cost + np.where(np.hypot(x - bad[0], z - bad[2]) < 0.35, 1.0, 0.0)
        at = int(cost.argmin())
        return (float(gap[at]), floor.point(at)) if math.isfinite(cost[at]) else None

    def _eye(self, thing: SceneObject) -> np.ndarray | None:
        """From where a thing was seen best."""
        for sighting in thing.sightings[:1]:
            pose = self._memory.get(sighting.record_id).pose
            if pose is not None:
                return np.asarray(pose[:3, 3])
        return None


def floor_gap_m(position_m: np.ndarray, thing: SceneObject) -> float:
    """Metres on the floor from a point to a thing's box."""
    x, _, z = position_m.tolist()
    dx = max(thing.low_m[0] - x, x - thing.high_m[0], 0.0)
    return math.hypot(dx, max(thing.low_m[2] - z, z - thing.high_m[2], 0.0))
