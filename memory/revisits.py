"""A gate for those who live in one place: a look from where one looked before, at what is as it was, is dropped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from placecell.geometry import heading_rad
from placecell.memory.records import Record
from placecell.perception.observation import Observation

__all__ = ["RevisitGate"]

Key = tuple[str, int, int, int, int, int]


@dataclass(slots=True)
class _Look:
    """The last look that was kept from one place in one direction."""

    stamp_s: float
    wait_s: float
    view: np.ndarray


@dataclass(slots=True)
class RevisitGate:
    """Keeps one look per place and heading, and looks again ever more seldom while nothing changes.

    A moment is kept if nothing was kept from its place and heading before, if it looks different from what was, or if
    the last look there is `refresh_s` old; each such look that finds nothing new doubles the wait. So a life of n
    steps in one place keeps of the order of log n looks per place and heading, and a thing that was taken away is
    missed at the latest at the second look. A moment without a pose is kept.

    Args:
        cell_m: Side of a place.
        num_headings: Directions that are told apart.
        refresh_s: First wait, seconds of stream time.
        min_cosine: A whole view less similar than this to the one kept has changed.

    Example:
        >>> from placecell.geometry import pose_from
        >>> gate, view = RevisitGate(), np.ones((1, 4), np.float32) / 2
        >>> here = pose_from(np.zeros(3), 0.0)
        >>> [gate.keeps(Observation(float(t), embeddings=view, pose=here), view) for t in (0, 1, 60, 61, 119, 180)]
        [True, False, True, False, False, True]
    """

    cell_m: float = 0.5
    num_headings: int = 12
    refresh_s: float = 60.0
    min_cosine: float = 0.8
    _looks: dict[Key, _Look] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cell_m) and self.cell_m > 0 and self.num_headings >= 1 and self.refresh_s > 0):
            raise ValueError(
                f"cell_m, num_headings and refresh_s must be positive, got {self.cell_m}, {self.num_headings}, "
                f"{self.refresh_s}"
            )

    def keeps(self, observation: Observation, vectors: np.ndarray) -> bool:
        """Whether this look may teach something."""
        if observation.pose is None:
            return True
        key = self._key(observation.agent_id, observation.pose)
        view = np.asarray(vectors[0], np.float32)
        look = self._looks.get(key)
        if look is None or len(look.view) != len(view) or float(view @ look.view) < self.min_cosine:
            self._looks[key] = _Look(observation.stamp_s, self.refresh_s, view)
            return True
        if observation.stamp_s - look.stamp_s < look.wait_s:
            return False
        self._looks[key] = _Look(observation.stamp_s, 2 * look.wait_s, view)
        return True

    def learn(self, records: Iterable[Record]) -> None:
        """Take over the looks that a memory holds already, as when it is opened again; in the order of time."""
        for record in records:
            if record.pose is None or record.embeddings is None:
                continue
            key = self._key(record.agent_id, record.pose)
            wait_s = 2 * self._looks[key].wait_s if key in self._looks else self.refresh_s
            self._looks[key] = _Look(record.stamp_s, wait_s, np.asarray(record.embeddings[0], np.float32))

    def _key(self, agent_id: str, pose: np.ndarray) -> Key:
        x, y, z = (math.floor(float(v) / self.cell_m) for v in pose[:3, 3])
        turn = 2 * math.pi / self.num_headings
        pitch = math.asin(max(-1.0, min(1.0, -float(pose[1, 2]))))
        return agent_id, x, y, z, round(heading_rad(pose) / turn) % self.num_headings, round(pitch / turn)
