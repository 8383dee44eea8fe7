"""What an agent wants to be told: where, when, with which labels, of whom, and in how much detail."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from placecell.memory.records import Record
from placecell.perception.scene import Scene

__all__ = ["DETAILS", "Subscription", "trimmed"]

#: From least to most bytes. A descriptor is a vector, a time and a place; a summary also names the things in view; a
#: record is whole; a picture comes with its JPEG. Any picture can be requested at any level.
DETAILS = ("descriptor", "summary", "record", "picture")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which records a peer wants; by default all, whole, without pictures.

    Args:
        near: A point (metres, world frame) and a radius; records without a position are not wanted then.
        between: Two stamps (seconds of the author's stream); records whose time meets the interval, ends included.
        labels: Records with any of these labels; None for all.
        agents: Records of these agents; None for all.
        detail: How much of each, see `DETAILS`.

    Raises:
        ValueError: If an argument is malformed.

    Example:
        >>> wanted = Subscription(near=((0.0, 0.0, 0.0), 5.0), detail="summary")
        >>> Subscription.from_dict(wanted.to_dict()) == wanted
        True
    """

    near: tuple[tuple[float, float, float], float] | None = None
    between: tuple[float, float] | None = None
    labels: tuple[str, ...] | None = None
    agents: tuple[str, ...] | None = None
    detail: str = "record"

    def __post_init__(self) -> None:
        if self.near is not None:
            point, radius_m = self.near
            if len(point) != 3 or not all(map(math.isfinite, point)) or not radius_m >= 0:
                raise ValueError(f"near must be a point (x, y, z) and a radius that is not negative, got {self.near}")
        if self.between is not None and not self.between[0] <= self.between[1]:
            raise ValueError(f"between must be two ascending stamps, got {self.between}")
        if self.detail not in DETAILS:
            raise ValueError(f"detail must be one of {', '.join(DETAILS)}, got {self.detail!r}")

    def matches(self, record: Record) -> bool:
        """Whether the record is wanted. Retractions always are: they say that something does not hold."""
        if self.agents is not None and record.agent_id not in self.agents:
            return False
        if record.kind == "retraction":
            return True
        if self.between is not None and not (record.stamp_s <= self.between[1] and self.between[0] <= record.end_s):
            return False
        if self.labels is not None and not set(self.labels) & set(record.labels):
            return False
        if self.near is not None:
            place = record.position_m
            return place is not None and math.dist(place, self.near[0]) <= self.near[1]
        return True

    def to_dict(self) -> dict[str, Any]:
        """The subscription as plain lists and numbers; what is None is left out."""
        found: dict[str, Any] = {"detail": self.detail}
        if self.near is not None:
            found["near"] = [*map(float, (*self.near[0], self.near[1]))]
        if self.between is not None:
            found["between"] = [*map(float, self.between)]
        for name in ("labels", "agents"):
            if getattr(self, name) is not None:
                found[name] = list(getattr(self, name))
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Subscription:
        """Read what `to_dict` wrote, trusting nothing.

        Raises:
            ValueError: If a value is missing, unknown, or of the wrong type.
        """
        if "detail" not in values or not set(values) <= {"detail", "near", "between", "labels", "agents"}:
            raise ValueError(f"wants holds detail, near, between, labels and agents, got {sorted(values)}")
        near, between = _numbers(values, "near", 4), _numbers(values, "between", 2)
        return cls(
            None if near is None else ((near[0], near[1], near[2]), near[3]),
            None if between is None else (between[0], between[1]),
            _texts(values, "labels"),
            _texts(values, "agents"),
            values["detail"],
        )


def trimmed(record: Record, detail: str) -> Record:
    """As much of the record as a level of detail holds."""
    if detail not in DETAILS[:2]:
        return record
    vectors, scene = record.embeddings, record.scene
    if scene is not None:
        scene = Scene(scene.camera_bytes, scene.detection_bytes, None) if detail == "summary" else None
    return dataclasses.replace(record, embeddings=None if vectors is None else vectors[:1], scene=scene)


def _numbers(values: Mapping[str, Any], name: str, num: int) -> Sequence[float] | None:
    row = values.get(name)
    if row is None:
        return None
    if not isinstance(row, list) or len(row) != num or not all(type(x) is float and math.isfinite(x) for x in row):
        raise ValueError(f"{name} must be {num} finite numbers, got {str(row)[:80]}")
    return row


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    row = values.get(name)
    if row is None:
        return None
    if not isinstance(row, list) or len(row) > 256 or not all(isinstance(text, str) for text in row):
        raise ValueError(f"{name} must be up to 256 texts, got {str(row)[:80]}")
    return tuple(row)
