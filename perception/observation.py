"""What an agent, or a video, hands to the memory: one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from placecell.geometry import Camera, check_pose
from placecell.perception.detection import Detection

__all__ = ["Observation"]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One moment of one agent. Everything but the time is optional; what is given is checked.

    Args:
        stamp_s: Seconds from the start of the agent's stream; finite and not negative.
        agent_id: Who saw it. One video is one agent.
        rgb: Picture, uint8 `(h, w, 3)`.
        depth_m: Planar depth, float32 metres `(h, w)`, 0 where unknown.
        camera: Intrinsics of `rgb` and `depth_m`.
        pose: `world_from_camera`, 4x4 (see `placecell.geometry`).
        text: Words heard or read at this moment.
        labels: Exact labels that `recall(labels=...)` filters by.
        detections: Things found in the picture by others; the memory's own detector is then not run.
        instances: A simulator's instance ids `(h, w)`, integers; privileged, and read by `MaskDetector` alone.
        embeddings: Vectors `(v, d)` made elsewhere by the memory's own encoder; the encoder is then not run.
        end_s: When the moment ends; `stamp_s` if not given.
        source: Where it comes from, for example a video file's name.
        is_event_start: Whether a new event begins here; None lets the memory decide.

    Raises:
        ValueError: If a value is not finite, has the wrong shape or type, or runs backwards.

    Example:
        >>> Observation(stamp_s=3.2, text="the keys are on the shelf").end_s
        3.2
    """

    stamp_s: float
    agent_id: str = "agent"
    rgb: np.ndarray | None = None
    depth_m: np.ndarray | None = None
    camera: Camera | None = None
    pose: np.ndarray | None = None
    text: str | None = None
    labels: tuple[str, ...] = ()
    embeddings: np.ndarray | None = None
    end_s: float | None = None
    source: str = ""
    is_event_start: bool | None = None
    detections: tuple[Detection, ...] | None = None
    instances: np.ndarray | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        if not (math.isfinite(self.stamp_s) and self.stamp_s >= 0):
            raise ValueError(f"stamp_s must be finite and not negative, got {self.stamp_s}")
        set_(self, "stamp_s", float(self.stamp_s))
        set_(self, "end_s", self.stamp_s if self.end_s is None else float(self.end_s))
        assert self.end_s is not None
        if not (math.isfinite(self.end_s) and self.end_s >= self.stamp_s):
            raise ValueError(f"end_s must be finite and not before stamp_s = {self.stamp_s}, got {self.end_s}")
        if not self.agent_id or "/" in self.agent_id or "\0" in self.agent_id:
            raise ValueError(f"agent_id must be a non-empty name without '/', got {self.agent_id!r}")
        if isinstance(self.labels, str):
            raise ValueError(f"labels must be a sequence of strings, got the string {self.labels!r}")
        set_(self, "labels", tuple(self.labels))
        if self.rgb is not None:
            image = np.asarray(self.rgb)
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
                raise ValueError(f"rgb must be uint8 with shape (h, w, 3), got {image.dtype} {image.shape}")
        if self.depth_m is not None:
            depth = np.asarray(self.depth_m, dtype=np.float32)
            if depth.ndim == 3 and depth.shape[2] == 1:
                depth = depth[..., 0]
            if depth.ndim != 2 or (self.rgb is not None and depth.shape != self.rgb.shape[:2]):
                expected = "(h, w)" if self.rgb is None else str(self.rgb.shape[:2])
                raise ValueError(f"depth_m must have shape {expected}, got {depth.shape}")
            # A sensor's holes come as NaN, infinity or negative numbers: all of them mean "unknown", which is 0 here.
            set_(self, "depth_m", np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0)))
        if self.camera is not None:
            size = (self.camera.height, self.camera.width)
            for name, picture in (("rgb", self.rgb), ("depth_m", self.depth_m)):
                if picture is not None and picture.shape[:2] != size:
                    raise ValueError(f"{name} must be of its camera's size {size}, got {picture.shape[:2]}")
        if self.instances is not None:
            ids = np.asarray(self.instances)
            if (
                ids.ndim != 2
                or ids.dtype.kind not in "iu"
                or (self.rgb is not None and ids.shape != self.rgb.shape[:2])
            ):
                raise ValueError(f"instances must be integers of the picture's size, got {ids.dtype} {ids.shape}")
        if self.detections is not None:
            set_(self, "detections", tuple(self.detections))
        if self.pose is not None:
            set_(self, "pose", check_pose(self.pose))
        if self.embeddings is not None:
            vectors = np.atleast_2d(np.asarray(self.embeddings, dtype=np.float32))
            if vectors.ndim != 2 or 0 in vectors.shape:
                raise ValueError(f"embeddings must have shape (v, d), got {np.shape(self.embeddings)}")
            if not np.isfinite(vectors).all():
                raise ValueError("embeddings must be finite, got NaN or infinity")
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            if (norms == 0).any():
                raise ValueError("embeddings must not be zero: a direction is needed")
            set_(self, "embeddings", vectors / norms)
