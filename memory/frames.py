"""One space of agents whose frames differ: records are mapped when they are read, and stay in the log as sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.memory.alignment import Alignment, Landmarks, Transform, align
from placecell.memory.objects import ObjectMap
from placecell.memory.places import Places
from placecell.memory.records import Record, RecordId
from placecell.perception.detection import Detection, Point, pack_detections
from placecell.perception.scene import Scene

if TYPE_CHECKING:
    from placecell.memory.memory import Memory

__all__ = ["SharedSpace", "mapped"]

_MIN_RECORDS: Final = 8  # of another agent, before it is tried to align it
_EVERY: Final = 5  # new records of it, before it is tried again


class SharedSpace:
    """Objects and places of one memory, with other agents' records in the frame of the memory's own agent.

    Agents whose frame is not known are left out of both until `update` finds it.

    Args:
        memory: Holds the records of all.
        agent_id: Whose frame is used.
        frames: Transforms that are known, by agent.
        seed: See `placecell.memory.alignment.align`.

    Example:
        >>> from placecell.memory.memory import Memory
        >>> space = SharedSpace(Memory(), "ann")
        >>> space.update(), space.objects.objects(), space.places.floors
        ({}, [], [])
    """

    def __init__(
        self, memory: Memory, agent_id: str, frames: Mapping[str, Transform] | None = None, seed: int = 0
    ) -> None:
        self._memory, self._agent_id, self._seed = memory, agent_id, seed
        self.frames: dict[str, Transform] = dict(frames or {})
        self._whole = _Views()
        self._apart: dict[str, _Views] = {}
        self._tried: dict[str, int] = {}

    @property
    def objects(self) -> ObjectMap:
        """Things, where they are in the agent's own frame."""
        return self._synced().objects

    @property
    def places(self) -> Places:
        """The map in the agent's own frame."""
        return self._synced().places

    def update(self) -> dict[str, Alignment]:
        """Try to align every agent whose frame is not known and that has said enough since the last try.

        Returns:
            What came of it, by agent; those that were not refused are in `frames` from now on.
        """
        found = {}
        for name, count in sorted(self._memory.version().items()):
            if name == self._agent_id or name in self.frames or count < self._tried.get(name, _MIN_RECORDS):
                continue
            self._tried[name] = count + _EVERY
            theirs = self._apart[name] = _synced(self._apart.get(name), self._memory, {name: None})
            found[name] = align(self._synced().landmarks(), theirs.landmarks(), self._seed)
            transform = found[name].transform
            if transform is not None:
                self.frames[name] = transform
                del self._apart[name]
        return found

    def _synced(self) -> _Views:
        self._whole = _synced(self._whole, self._memory, {self._agent_id: None, **self.frames})
        return self._whole


class _Views:
    """Two folds over some agents' records."""

    def __init__(self) -> None:
        self.objects, self.places = ObjectMap(), Places()
        self._done: dict[str, int] = {}

    def sync(self, memory: Memory, frames: Mapping[str, Transform | None]) -> bool:
        """Fold what is new; False if that takes back something, so that all must be folded anew."""
        news = [
            memory.get(RecordId(name, seq))
            for name, last in memory.version().items()
            if name in frames
            for seq in range(self._done.get(name, 0) + 1, last + 1)
        ]
        if self._done and any(record.kind == "retraction" for record in news):
            return False
        for record in news:
            if record.kind != "retraction" and not memory.is_retracted(record.record_id):
                here = mapped(record, frames[record.agent_id])
                self.places.fold(here)
                self.objects.fold(here)
            self._done[record.agent_id] = record.seq
        return True

    def landmarks(self) -> Landmarks:
        return Landmarks.of(self.objects.objects(), self.places.floors)


def _synced(views: _Views | None, memory: Memory, frames: Mapping[str, Transform | None]) -> _Views:
    """The views with all that is new in them, or new ones."""
    if views is None or not views.sync(memory, frames):
        views = _Views()
        views.sync(memory, frames)
    return views


def mapped(record: Record, transform: Transform | None) -> Record:
    """The record as if its author had known our frame; the record itself without a transform or a pose."""
    if transform is None or record.pose is None:
        return record
    scene = record.scene
    if scene is not None and scene.detection_bytes is not None:
        moved = pack_detections([_moved(found, transform) for found in scene.detections])
        scene = Scene(scene.camera_bytes, moved, scene.scan_bytes)
    return replace(record, pose=transform.matrix @ record.pose, scene=scene)


def _moved(found: Detection, transform: Transform) -> Detection:
    box = np.array([found.low_m, found.high_m])
    corners = np.stack(np.meshgrid(*box.T), axis=-1).reshape(-1, 3)
    around = transform.apply(corners)
    middle = transform.apply(np.array([found.position_m]))[0]
    return replace(
        found, low_m=_point(around.min(axis=0)), high_m=_point(around.max(axis=0)), position_m=_point(middle)
    )


def _point(values: np.ndarray) -> Point:
    x, y, z = values.tolist()
    return x, y, z
