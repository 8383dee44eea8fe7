"""Records: the immutable rows of the log, and what recall hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from placecell.geometry import Camera
from placecell.perception.detection import Detection
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

__all__ = ["Moment", "Recollection", "Record", "RecordId"]


class RecordId(NamedTuple):
    """Key of a record: who wrote it, and as which of its records. Prints as `agent/seq`.

    Example:
        >>> str(RecordId("robot", 7)), RecordId.parse("robot/7")
        ('robot/7', RecordId(agent_id='robot', seq=7))
    """

    agent_id: str
    seq: int

    def __str__(self) -> str:
        return f"{self.agent_id}/{self.seq}"

    @classmethod
    def parse(cls, text: str) -> RecordId:
        """Read what `str` printed.

        Raises:
            ValueError: If `text` is not `agent/seq`.
        """
        agent_id, slash, seq = text.rpartition("/")
        if not slash or not agent_id or not seq.isdecimal():
            raise ValueError(f"a record id looks like 'robot/7', got {text!r}")
        return cls(agent_id, int(seq))


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One immutable row of the log.

    `kind` is "moment" (something seen), "text" (something said or read) or "retraction" (`target` no longer holds).
    Vectors are unit length, float16; row 0 of `embeddings` is the whole view, the others are its tiles.
    """

    agent_id: str
    seq: int
    kind: str
    stamp_s: float
    end_s: float
    embeddings: np.ndarray | None = None  # (v, d) float16, of the memory's image encoder
    text: str = ""
    text_embedding: np.ndarray | None = None  # (d_text,) float16, of the memory's text encoder
    labels: tuple[str, ...] = ()
    pose: np.ndarray | None = None  # (4, 4) float64 world_from_camera
    source: str = ""
    is_event_start: bool = False
    target: RecordId | None = None  # what a retraction takes back
    recorded_s: float = 0.0  # wall clock (Unix seconds) when it was written
    scene: Scene | None = None  # things and depth of the view

    @property
    def record_id(self) -> RecordId:
        """Key in the log."""
        return RecordId(self.agent_id, self.seq)

    @property
    def position_m(self) -> tuple[float, float, float] | None:
        """Where the camera stood, world frame, metres."""
        if self.pose is None:
            return None
        x, y, z = self.pose[:3, 3]
        return float(x), float(y), float(z)

    @property
    def camera(self) -> Camera | None:
        """Intrinsics of the picture, where they were given."""
        return None if self.scene is None else self.scene.camera

    @property
    def detections(self) -> tuple[Detection, ...]:
        """Things found in the picture."""
        return () if self.scene is None else self.scene.detections

    @property
    def scan(self) -> Scan | None:
        """Depth of the view on a coarse grid, where it was measured and not forgotten."""
        return None if self.scene is None else self.scene.scan


class Moment(NamedTuple):
    """What recall has to know of a record to rank it; the rest is read for the hits only."""

    record_id: RecordId
    kind: str  # "moment" or "text"
    stamp_s: float
    end_s: float
    event: int  # number of its event in the stream of its agent
    position_m: tuple[float, float, float] | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Recollection:
    """One hit of a recall, best first, with what is needed to show it and to trust it."""

    record_id: RecordId
    score: float  # fused z-score: how far above this query's own background
    probability: float  # calibrated: the chance that this record shows what was asked
    stamp_s: float
    end_s: float
    agent_id: str
    position_m: tuple[float, float, float] | None
    text: str
    labels: tuple[str, ...]
    source: str
    channels: Mapping[str, float] = field(default_factory=dict)  # z-score of each channel that took part
    box: tuple[float, float, float, float] | None = None  # best tile: left, top, right, bottom as fractions of the view
    why: str = ""
    interval_s: tuple[float, float] | None = None  # from when to when neighbouring moments show the same
