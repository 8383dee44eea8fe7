"""What a picture tells of the space before the camera: the things in it, and its depth; read only when asked for."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from placecell.geometry import Camera
from placecell.perception.detection import Detection, pack_detections, unpack_detections
from placecell.perception.scan import Scan

__all__ = ["Scene"]

_CAMERA = struct.Struct("<IId")


class Scene:
    """Camera, detections and scan of one view, kept as the bytes that they are stored in.

    Args:
        camera: Stored intrinsics (16 bytes), or None.
        detections: Stored detections (see `pack_detections`), or None where nobody looked for things.
        scan: Stored scan (see `Scan.to_bytes`), or None.

    Example:
        >>> Scene.of(Camera(320, 240)).camera.width
        320
    """

    __slots__ = ("_detections", "_scan", "camera_bytes", "detection_bytes", "scan_bytes")

    def __init__(self, camera: bytes | None, detections: bytes | None, scan: bytes | None) -> None:
        self.camera_bytes, self.detection_bytes, self.scan_bytes = camera, detections, scan
        self._detections: tuple[Detection, ...] | None = None
        self._scan: Scan | None = None

    @classmethod
    def of(
        cls, camera: Camera | None = None, detections: Sequence[Detection] | None = None, scan: Scan | None = None
    ) -> Scene:
        """The scene of a view, packed."""
        return cls(
            None if camera is None else _CAMERA.pack(camera.width, camera.height, camera.hfov_rad),
            None if detections is None else pack_detections(detections),
            None if scan is None else scan.to_bytes(),
        )

    @property
    def camera(self) -> Camera | None:
        """Intrinsics of the picture; None where they were not given."""
        if self.camera_bytes is None:
            return None
        width, height, hfov_rad = _CAMERA.unpack(self.camera_bytes)
        return Camera(width, height, hfov_rad)

    @property
    def detections(self) -> tuple[Detection, ...]:
        """Things found in the picture; empty also where nobody looked for any."""
        if self._detections is None:
            self._detections = () if self.detection_bytes is None else unpack_detections(self.detection_bytes)
        return self._detections

    @property
    def scan(self) -> Scan | None:
        """Depth on a coarse grid; None without a depth sensor, or when a byte budget took it."""
        if self._scan is None and self.scan_bytes is not None:
            self._scan = Scan.from_bytes(self.scan_bytes)
        return self._scan

    @property
    def nbytes(self) -> int:
        """Bytes as stored."""
        return sum(len(part) for part in (self.camera_bytes, self.detection_bytes, self.scan_bytes) if part)

    def check(self) -> None:
        """Read everything, for what came from somebody else.

        Raises:
            ValueError: If a part is damaged.
        """
        if self.camera_bytes is not None:
            if len(self.camera_bytes) != _CAMERA.size:
                raise ValueError(f"a camera has {_CAMERA.size} bytes, got {len(self.camera_bytes)}")
            if not math.isfinite(_CAMERA.unpack(self.camera_bytes)[2]):
                raise ValueError("a camera's field of view must be finite")
        _ = self.camera, self.detections, self.scan
