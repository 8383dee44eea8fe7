"""From observations to records: checked, embedded, numbered, and not yet written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from placecell.memory.budget import Gate
from placecell.memory.home import Home
from placecell.memory.log import Log
from placecell.memory.marking import EventMarks
from placecell.memory.pictures import to_jpeg
from placecell.memory.records import Record, RecordId
from placecell.perception.observation import Observation
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

if TYPE_CHECKING:
    from placecell.perception.objects import Detector

__all__ = ["Intake"]


class Intake:
    """Makes the records of one memory.

    Args:
        home: Whose encoders embed.
        log: What is known of each agent so far.
        gate: Decides which moments are worth a record; None keeps all.
        clock: Wall clock, Unix seconds.
        detector: Finds things in pictures with depth; None, a name, or the detector itself.
    """

    def __init__(
        self,
        home: Home,
        log: Log,
        gate: Gate | None,
        clock: Callable[[], float],
        detector: Detector | str | None = None,
    ) -> None:
        self._home, self._log, self._gate, self._clock = home, log, gate, clock
        self._detector = detector
        self._marks = EventMarks()

    def records_of(self, batch: Sequence[Observation]) -> tuple[list[Record], dict[RecordId, bytes]]:
        """Records of some observations, in their order, and the pictures of those that have one.

        Raises:
            ValueError: If a stamp lies before the one before it of the same agent.
        """
        self._check_stamps(batch)
        views = self._home.embed_views(batch)
        texts = iter(self._home.embed_texts([o.text for o in batch if o.text and o.text.strip()]))
        recorded_s = self._clock()
        tops: dict[str, int] = {}
        records: list[Record] = []
        pictures: dict[RecordId, bytes] = {}
        for observation, embeddings in zip(batch, views, strict=True):
            agent_id, stamp_s = observation.agent_id, observation.stamp_s
            seq = tops[agent_id] if agent_id in tops else self._log.top(agent_id)
            end_s = stamp_s if observation.end_s is None else observation.end_s
            if embeddings is not None and (self._gate is None or self._gate.keeps(observation, embeddings)):
                seq += 1
                records.append(
                    Record(
                        agent_id,
                        seq,
                        "moment",
                        stamp_s,
                        end_s,
                        embeddings=embeddings,
                        labels=observation.labels,
                        pose=observation.pose,
                        source=observation.source,
                        is_event_start=self._is_start(observation, embeddings),
                        recorded_s=recorded_s,
                        scene=self._scene_of(observation),
                    )
                )
                if observation.rgb is not None:
                    pictures[RecordId(agent_id, seq)] = to_jpeg(observation.rgb)
            if observation.text and observation.text.strip():
                seq += 1
                records.append(
                    Record(
                        agent_id,
                        seq,
                        "text",
                        stamp_s,
                        end_s,
                        text=observation.text.strip(),
                        text_embedding=next(texts),
                        labels=observation.labels,
                        pose=observation.pose,
                        source=observation.source,
                        recorded_s=recorded_s,
                    )
                )
            tops[agent_id] = seq
        return records, pictures

    def _scene_of(self, observation: Observation) -> Scene | None:
        """What an observation tells of the space before its camera; None if it says nothing of it."""
        camera, depth_m, pose = observation.camera, observation.depth_m, observation.pose
        if camera is None and depth_m is not None and pose is not None:
            raise ValueError("depth_m and pose need the camera that they belong to: give camera=Camera(...)")
        detections, scan = observation.detections, None
        if camera is not None and depth_m is not None and pose is not None:
            scan = Scan.from_depth(depth_m, camera)
            if detections is None and observation.rgb is not None and self._detector is not None:
                detector = self._detector = self._loaded(self._detector)
                detections = tuple(detector.detect(observation.rgb, depth_m, camera, pose, observation.instances))
        if camera is None and detections is None:
            return None
        return Scene.of(camera, detections, scan)

    def _loaded(self, detector: Detector | str) -> Detector:
        if not isinstance(detector, str):
            return detector
        from placecell.perception.objects import open_detector

        return open_detector(detector, self._home.encoder("encoder"))

    def _check_stamps(self, batch: Sequence[Observation]) -> None:
        stamps: dict[str, float] = {}
        for observation in batch:
            agent_id = observation.agent_id
            last = stamps[agent_id] if agent_id in stamps else self._log.last_stamp_s(agent_id)
            if observation.stamp_s < last:
                raise ValueError(
                    f"stamps of agent {agent_id!r} must not run backwards: {observation.stamp_s} s after {last} s"
                )
            stamps[agent_id] = observation.stamp_s

    def _is_start(self, observation: Observation, embeddings: np.ndarray) -> bool:
        if observation.is_event_start is not None:
            return observation.is_event_start
        return self._marks.is_start(observation.agent_id, observation.stamp_s, embeddings[0].astype(np.float32))

    def retraction_of(self, target: Record, reason: str, stamp_s: float | None) -> Record:
        """The record that takes `target` back.

        Raises:
            ValueError: If `stamp_s` is not finite or is negative.
        """
        if stamp_s is None:
            stamp_s = max(self._log.last_stamp_s(target.agent_id), target.stamp_s)
        elif not (math.isfinite(stamp_s) and stamp_s >= 0):
            raise ValueError(f"stamp_s must be finite and not negative, got {stamp_s}")
        author = target.agent_id
        if not self._log.is_local(author):
            # Another agent's numbers are its own to give: two memories might give the same one.
            local = [name for name in self._log.agents() if self._log.is_local(name)]
            author = local[0] if local else f"memory-{self._home.header.uid}"
        return Record(
            author,
            self._log.top(author) + 1,
            "retraction",
            float(stamp_s),
            float(stamp_s),
            text=reason,
            target=target.record_id,
            recorded_s=self._clock(),
        )
