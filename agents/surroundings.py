"""What an agent knows of where it is: from where it looked, the rooms as they are cut now, and what they speak for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.agents.inklings import View
from placecell.agents.room_priors import RoomPriors
from placecell.agents.values import Glance
from placecell.memory.records import RecordId

if TYPE_CHECKING:
    from placecell.agents.planner import Experience
    from placecell.agents.roaming import Roamer
    from placecell.memory.object_states import SceneObject
    from placecell.memory.places import Frontier
    from placecell.memory.rooms import Room

__all__ = ["Surroundings"]

_ROOMS_SERVE: Final = 8  # steps after which rooms are cut anew
_BEYOND_M: Final = 0.7  # behind a frontier lies the room that it leads to
_LOOK_M: Final = 0.5  # places nearer than this were looked from alike
_A_TURN: Final = 12  # views
_NEAR_M: Final = 3.0  # from how far single views are worth keeping
_MOST_VIEWS: Final = 10_000  # kept from goal to goal, about 1 kB each
_HEADING: Final = math.pi / 6  # views from one place that differ by less look the same way


class Surroundings:
    """What the memory knows of the place around an agent, over all goals that it had there.

    Args:
        experience: Whose memory.
        priors: What is known of rooms from elsewhere.

    Attributes:
        glances: What every view says of space, oldest first; between goals only the last from each place and heading
            stay.
        things: Things of the map, as of the last `note`.
        views: Whole things in single views from near, oldest first; between goals the oldest of very many go.
    """

    def __init__(self, experience: Experience, priors: RoomPriors) -> None:
        self._experience, self._priors = experience, priors
        self.glances: list[Glance] = []
        self.things: list[SceneObject] = []
        self.views: list[View] = []
        self._looked: dict[tuple[int, int], int] = {}
        self._seq: dict[str, int] = {}
        self._roamer: Roamer | None = None
        self._rooms: tuple[int, list[Room]] = (-_ROOMS_SERVE, [])
        self._here_and_before = priors

    def begin(self, experience: Experience, roamer: Roamer) -> None:
        """Serve another goal; `roamer` knows where one can go."""
        self._experience, self._roamer, self.things = experience, roamer, []
        self._rooms = (-_ROOMS_SERVE, [])
        del self.views[:-_MOST_VIEWS]
        last = {(*_cell(seen.x, seen.z), round(seen.heading_rad / _HEADING) % _A_TURN): seen for seen in self.glances}
        kept = set(map(id, last.values()))
        self.glances = [seen for seen in self.glances if id(seen) in kept]

    def note(self) -> None:
        """Take in what the memory wrote since the last look."""
        memory = self._experience.memory
        for agent_id in memory.agents():
            top = memory.version().get(agent_id, 0)
            for seq in range(self._seq.get(agent_id, 0) + 1, top + 1):
                record = memory.get(RecordId(agent_id, seq))
                if record.kind == "moment" and record.scan is not None and record.pose is not None:
                    if record.embeddings is not None:
                        self.glances.append(Glance(record))
                    x, _, z = record.pose[:3, 3].tolist()
                    for found in record.detections:
                        away_m = math.hypot(found.position_m[0] - x, found.position_m[2] - z)
                        if not found.is_cut and away_m <= _NEAR_M:
                            self.views.append(View(record.record_id, record.stamp_s, found))
                    self._looked[_cell(x, z)] = self._looked.get(_cell(x, z), 0) + 1
            self._seq[agent_id] = top
        self.things = memory.objects.objects()

    # --- rooms -------------------------------------------------------------------------------------------------------

    def room_of(self, point: Sequence[float], kind: str) -> float | None:
        """Chance that the room at a point is of a kind, as what stands in it tells; None where nothing is known."""
        room = self.room_at(point)
        total = 0.0 if room is None else sum(weight for _, weight in room.names)
        return None if room is None or total <= 0 else dict(room.names).get(kind, 0.0) / total

    def room_at(self, point: Sequence[float]) -> Room | None:
        """The room at a point of the agent's floor, or the one that most of what is 0.2 m around it belongs to."""
        assert self._roamer is not None
        places = self._experience.memory.places
        if self._experience.step - self._rooms[0] >= _ROOMS_SERVE:
            self._rooms = self._experience.step, places.rooms(self.things)
            self._here_and_before = self._priors.plus(RoomPriors().learn(self._rooms[1], self.things))
        floor = next((floor for floor in places.floors if floor.height_m == self._roamer.finder.height_m), None)
        if floor is None:
            return None
        row, column = floor.cell(float(point[0]), float(point[2]))
        best: tuple[int, Room] | None = None
        for room in self._rooms[1]:
            mask = room.mask[max(row - 4, 0) : max(row + 5, 0), max(column - 4, 0) : max(column + 5, 0)]
            count = int(mask.sum()) if room.floor == floor.number and room.mask.shape == floor.free.shape else 0
            if count and (best is None or count > best[0]):
                best = count, room
        return None if best is None else best[1]

    def room_factor(self, frontier: Frontier, names: Mapping[str, float], said: str | None) -> float:
        """How much the room that a frontier leads to, else the one that it lies in, speaks for things of these names.

        Args:
            frontier: Which.
            names: What is looked for, with chances.
            said: The kind of room that it is said to be in.
        """
        x, y, z = np.asarray(frontier.middle_m).tolist()
        ahead = -math.sin(frontier.direction_rad), -math.cos(frontier.direction_rad)
        room = self.room_at((x + _BEYOND_M * ahead[0], y, z + _BEYOND_M * ahead[1])) or self.room_at((x, y, z))
        return 1.0 if room is None else self._here_and_before.factor(names, room.names, said)

    # --- from where it looked ----------------------------------------------------------------------------------------

    def is_new(self, position_m: np.ndarray) -> bool:
        """Whether fewer than half a turn of views were taken around a point."""
        x, _, z = position_m.tolist()
        cells = {_cell(x + dx, z + dz) for dx in (-1.0, 0.0, 1.0) for dz in (-1.0, 0.0, 1.0)}
        return sum(self._looked.get(cell, 0) for cell in cells) < 8

    def has_looked_around(self, spot: np.ndarray) -> None:
        """Take it that a whole turn of views was taken at a point."""
        for dx in (-_LOOK_M, 0.0, _LOOK_M):
            for dz in (-_LOOK_M, 0.0, _LOOK_M):
                self._looked[_cell(float(spot[0]) + dx, float(spot[2]) + dz)] = _A_TURN

    def unwatched(self, radius_m: float) -> np.ndarray | None:
        """The nearest reachable floor that no view was taken from within a radius; None if there is hardly any."""
        assert self._roamer is not None
        floor = self._roamer.floor()
        keep = np.ones(len(floor.x), bool)
        for (i, k), count in self._looked.items():
            if count >= 2:
                keep &= np.hypot(floor.x - (i + 0.5) * _LOOK_M, floor.z - (k + 0.5) * _LOOK_M) > radius_m
        if keep.sum() < 40:  # a tenth of a square metre
            return None
        return floor.point(int(np.where(keep, floor.way_m, np.inf).argmin()))

    def covered(self, radius_m: float) -> float:
        """Share of the reachable floor within a radius of which views were taken."""
        assert self._roamer is not None
        floor = self._roamer.floor()
        near = np.zeros(len(floor.x), bool)
        for i, k in self._looked:
            near |= np.hypot(floor.x - (i + 0.5) * _LOOK_M, floor.z - (k + 0.5) * _LOOK_M) <= radius_m
        return float(near.mean()) if len(near) else 0.0


def _cell(x: float, z: float) -> tuple[int, int]:
    return math.floor(x / _LOOK_M), math.floor(z / _LOOK_M)
