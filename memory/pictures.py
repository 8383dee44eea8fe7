"""Pictures as they are stored: JPEG, small enough to keep many, large enough to be shown as evidence."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from placecell.errors import PlacecellError

__all__ = ["PICTURE_QUALITY", "PICTURE_SIDE_PX", "from_jpeg", "to_jpeg"]

PICTURE_SIDE_PX = 640
PICTURE_QUALITY = 85


def to_jpeg(rgb: UInt8[np.ndarray, "h w 3"], side_px: int = PICTURE_SIDE_PX, quality: int = PICTURE_QUALITY) -> bytes:
    """The picture as JPEG, shrunk so that its longer side is `side_px` at most.

    Example:
        >>> from_jpeg(to_jpeg(np.zeros((1280, 960, 3), np.uint8))).shape
        (640, 480, 3)
    """
    import cv2  # a tenth of a second, which a memory of finished vectors and words need not wait for

    height, width = rgb.shape[:2]
    scale = side_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    is_done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_done:
        raise PlacecellError(f"a picture of {width} x {height} cannot be stored as JPEG")
    return bytes(data)


def from_jpeg(jpeg: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, RGB.

    Raises:
        PlacecellError: If the bytes are no picture.
    """
    import cv2

    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if decoded is None:
        raise PlacecellError(f"{len(jpeg)} bytes do not decode as a picture: they came damaged")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
