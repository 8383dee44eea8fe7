"""A thing seen in one picture, lifted to 3D: where, how large, what it looks like, and what it may be called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8

from placecell.perception.colours import NUM_COLOURS, colours_of

__all__ = ["NUM_IDENTITY", "Detection", "lift", "pack_detections", "unpack_detections"]

_FIELDS: Final = 12
_FIELDS_BEFORE: Final = 10  # memories that were written before colours, and then identities, were kept
#: Numbers of the vector by which a thing is known again, see `placecell.perception.reidentification`.
NUM_IDENTITY: Final = 32
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One thing in one picture. What is hidden or cut off by the border is not in the box.

    Args:
        box: Left, top, right, bottom as fractions of the picture.
        num_px: Pixels of its mask.
        low_m: Lowest corner of the axis-aligned box around its visible points, world frame, metres.
        high_m: Highest corner of that box.
        position_m: Middle of the visible points (median along each axis), world frame, metres.
        embedding: Unit vector `(d,)` of its crop by the memory's encoder, or None.
        labels: What it may be called, best first, each with a chance in [0, 1].
        confidence: How sure the source is that this is one whole thing, in [0, 1].
        source: Who found it: "masks" (the simulator's: privileged), "regions", or the name of a detector.
        is_cut: Whether it touches the picture's border.
        colours: Histogram of its pixels' colours (see `placecell.perception.colours`), or None.
        identity: By what it is known again elsewhere (see `placecell.perception.reidentification`), or None.

    Raises:
        ValueError: If a number is not finite or a box is turned inside out.
    """

    box: tuple[float, float, float, float]
    num_px: int
    low_m: Point
    high_m: Point
    position_m: Point
    embedding: np.ndarray | None = None
    labels: tuple[tuple[str, float], ...] = ()
    confidence: float = 1.0
    source: str = "regions"
    is_cut: bool = False
    colours: UInt8[np.ndarray, "16"] | None = None
    identity: Float[np.ndarray, "32"] | None = None

    def __post_init__(self) -> None:
        numbers = (*self.box, *self.low_m, *self.high_m, *self.position_m, self.confidence)
        if not all(math.isfinite(value) for value in numbers):
            raise ValueError(f"a detection's numbers must be finite, got {numbers}")
        if self.box[0] > self.box[2] or self.box[1] > self.box[3] or self.num_px < 1:
            raise ValueError(f"a box is left, top, right, bottom with at least one pixel, got {self.box}")
        if any(low > high for low, high in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError(f"low_m must not lie above high_m, got {self.low_m} and {self.high_m}")

    @property
    def is_privileged(self) -> bool:
        """Whether a simulator gave it away."""
        return self.source == "masks"

    def side_px(self, width: int, height: int) -> float:
        """Longer side of the box in a picture of this size."""
        return max((self.box[2] - self.box[0]) * width, (self.box[3] - self.box[1]) * height)


def lift(
    mask: Bool[np.ndarray, "h w"],
    points: Float64[np.ndarray, "h w 3"],
    embedding: Float[np.ndarray, "d"] | None = None,
    labels: Sequence[tuple[str, float]] = (),
    confidence: float = 1.0,
    source: str = "regions",
    min_points: int = 16,
    rgb: UInt8[np.ndarray, "h w 3"] | None = None,
    identity: Float[np.ndarray, "32"] | None = None,
) -> Detection | None:
    """The detection of a mask, or None if fewer than `min_points` of its pixels have depth.

    The box leaves out one point in fifty at either end of each axis: a mask's rim often catches what lies behind.

    Args:
        mask: Pixels of the thing.
        points: World point of every pixel, NaN where unknown (see `placecell.geometry.unproject`).
        embedding: Vector of its crop.
        labels: Names with chances.
        confidence: See `Detection`.
        source: See `Detection`.
        min_points: Pixels with depth that are needed.
        rgb: The picture, for the thing's colours.
        identity: See `Detection`.
    """
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    if len(rows) < min_points:
        return None
    known = points[rows, columns]
    known = known[np.isfinite(known[:, 0])]
    if len(known) < min_points:
        return None
    low, middle, high = np.percentile(known, (2, 50, 98), axis=0)
    top, bottom, left, right = int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1
    return Detection(
        (left / width, top / height, right / width, bottom / height),
        len(rows),
        _point(low),
        _point(high),
        _point(middle),
        None if embedding is None else np.asarray(embedding, np.float16),
        tuple((str(name), float(chance)) for name, chance in labels),
        float(confidence),
        source,
        top == 0 or left == 0 or bottom == height or right == width,
        None if rgb is None else colours_of(rgb[top:bottom, left:right], mask[top:bottom, left:right]),
        None if identity is None else np.asarray(identity, np.float16),
    )


def _point(values: np.ndarray) -> Point:
    x, y, z = values.tolist()
    return x, y, z


def pack_detections(detections: Sequence[Detection]) -> bytes:
    """Detections as msgpack; positions keep a tenth of a millimetre."""
    rows = [
        [
            [round(value, 5) for value in found.box],
            found.num_px,
            [round(value, 4) for value in found.low_m],
            [round(value, 4) for value in found.high_m],
            [round(value, 4) for value in found.position_m],
            None if found.embedding is None else np.asarray(found.embedding, "<f2").tobytes(),
            [[name, round(chance, 4)] for name, chance in found.labels],
            round(found.confidence, 4),
            found.source,
            found.is_cut,
            None if found.colours is None else found.colours.tobytes(),
            None if found.identity is None else np.asarray(found.identity, "<f2").tobytes(),
        ]
        for found in detections
    ]
    packed: bytes = msgpack.packb(rows, use_bin_type=True)
    return packed


def unpack_detections(data: bytes) -> tuple[Detection, ...]:
    """Read what `pack_detections` wrote, trusting nothing.

    Raises:
        ValueError: If the bytes hold no detections, or a value of the wrong type, shape or range.

    Example:
        >>> corners = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)
        >>> found = Detection((0.1, 0.1, 0.3, 0.2), 40, *corners, labels=(("mug", 0.9),))
        >>> unpack_detections(pack_detections([found]))[0].labels
        (('mug', 0.9),)
    """
    try:
        rows = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"these {len(data)} bytes are no detections: {error or type(error).__name__}") from error
    if not isinstance(rows, list):
        raise ValueError(f"detections are a list, got {type(rows).__name__}")
    return tuple(_unpack(row, i) for i, row in enumerate(rows))


def _unpack(row: Any, index: int) -> Detection:
    name = f"detection {index}"
    if not isinstance(row, list) or not _FIELDS_BEFORE <= len(row) <= _FIELDS:
        raise ValueError(f"{name} must be a list of {_FIELDS} fields")
    rest = (*row, None, None)[:_FIELDS]
    box, num_px, low, high, position, vector, labels, confidence, source, is_cut, colours, identity = rest
    if colours is not None and not (isinstance(colours, bytes) and len(colours) == NUM_COLOURS):
        raise ValueError(f"{name}: colours are {NUM_COLOURS} bytes")
    if type(num_px) is not int or type(is_cut) is not bool or not isinstance(source, str):
        raise ValueError(f"{name} holds a value of the wrong type")
    if not isinstance(labels, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in labels
    ):
        raise ValueError(f"{name}: labels are pairs of a name and a chance")
    embedding, known_by = _vector(vector, f"{name}: an embedding"), _vector(identity, f"{name}: an identity")
    if known_by is not None and len(known_by) != NUM_IDENTITY:
        raise ValueError(f"{name}: an identity has {NUM_IDENTITY} numbers, got {len(known_by)}")
    left, top, right, bottom = _numbers(box, 4, f"{name}: box")
    return Detection(
        (left, top, right, bottom),
        num_px,
        _triple(low, f"{name}: low_m"),
        _triple(high, f"{name}: high_m"),
        _triple(position, f"{name}: position_m"),
        embedding,
        tuple((pair[0], _numbers([pair[1]], 1, f"{name}: chance")[0]) for pair in labels),
        _numbers([confidence], 1, f"{name}: confidence")[0],
        source,
        is_cut,
        None if colours is None else np.frombuffer(colours, np.uint8),
        known_by,
    )


def _vector(data: Any, name: str) -> np.ndarray | None:
    if data is None:
        return None
    if not isinstance(data, bytes) or not data or len(data) % 2:
        raise ValueError(f"{name} is bytes of 16-bit numbers")
    vector = np.frombuffer(data, "<f2")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name} must be finite")
    return vector


def _triple(values: Any, name: str) -> Point:
    x, y, z = _numbers(values, 3, name)
    return x, y, z


def _numbers(values: Any, count: int, name: str) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) != count or not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{name} must be {count} numbers, got {values!r}")
    return tuple(float(value) for value in values)
