"""From a picture with depth to the things in it: one interface, several sources.

`MaskDetector` asks the simulator (privileged). `placecell.perception.regions.RegionDetector` cuts the picture itself
and is what results that claim anything rest on. `placecell.perception.open_vocabulary.OpenVocabularyDetector` runs a
large detector for real footage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Integer, UInt8

from placecell.geometry import Camera, check_pose, unproject
from placecell.perception.detection import Detection, lift
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.region_grid import RegionGrid, sampled
from placecell.perception.reidentification import Reidentifier
from placecell.perception.tiles import cut_square, resize
from placecell.perception.vocabulary import NOUNS

__all__ = ["FIRST_THING", "CropNamer", "Detector", "MaskDetector", "check_view", "open_detector"]

#: Instance ids below this one are structure (floor, walls, doors), as `placecell.envs` numbers them.
FIRST_THING: Final = 10
Labels = tuple[tuple[str, float], ...]


@runtime_checkable
class Detector(Protocol):
    """What finds things in one picture with depth.

    Attributes:
        name: What it is; written beside results.
        is_privileged: Whether it uses what no real sensor gives.
    """

    name: str
    is_privileged: bool

    def detect(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        depth_m: Float[np.ndarray, "h w"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
        instances: Integer[np.ndarray, "h w"] | None = None,
    ) -> list[Detection]:
        """Things in the picture, largest first.

        Args:
            rgb: The picture.
            depth_m: Planar depth, metres; 0, NaN, infinite or negative where unknown.
            camera: Intrinsics of both.
            pose: `world_from_camera`.
            instances: The simulator's instance image; only privileged detectors look at it.
        """
        ...


class CropNamer:
    """Describes what is in boxes of a picture: a vector of each crop, and which names fit it.

    Crops are square with a margin, as those that the built-in encoder was trained on. Chances are a softmax over the
    names.

    Args:
        encoder: What compares crops with names.
        names: What things may be called; the built-in vocabulary if not given.
        margin: Surroundings on each side, as a fraction of the box's longer side.
        num_labels: Names that are kept per crop.
        sharpness: Scale of the cosines in the softmax; chosen by the encoder's calibration if not given.

    Example:
        >>> namer = CropNamer(open_encoder("builtin"))
        >>> vectors, labels = namer(np.full((64, 64, 3), 200, np.uint8), [(8, 8, 40, 40)])
        >>> vectors.shape[0], len(labels[0])
        (1, 3)
    """

    def __init__(
        self,
        encoder: Encoder,
        names: Sequence[str] | None = None,
        margin: float = 0.2,
        num_labels: int = 3,
        sharpness: float | None = None,
    ):
        if names is not None and not names:
            raise ValueError("names must hold at least one name, got none; leave it out for the built-in vocabulary")
        self.encoder = encoder
        self.names = tuple(NOUNS if names is None else names)
        self._margin, self._num_labels = margin, num_labels
        if sharpness is None:
            # The scale of a calibration is that of yes or no to one pair; half of it makes the chances of a choice
            # right (measured on crops of perfect masks: expected calibration error 0.04). CLIP's own scale is 100.
            sharpness = 100.0 if encoder.calibration is None else encoder.calibration[0] / 2
        self._sharpness = sharpness
        self._texts: np.ndarray | None = None

    def __call__(
        self, rgb: UInt8[np.ndarray, "h w 3"], boxes: Sequence[Sequence[float] | Sequence[int]]
    ) -> tuple[Float32[np.ndarray, "n d"], list[Labels]]:
        """Vectors and names of the boxes.

        Args:
            rgb: The picture.
            boxes: Left, top, right, bottom in pixels, right and bottom excluded.
        """
        vectors = self.encode(rgb, boxes)
        return vectors, self.label(vectors)

    def encode(
        self, rgb: UInt8[np.ndarray, "h w 3"], boxes: Sequence[Sequence[float] | Sequence[int]]
    ) -> Float32[np.ndarray, "n d"]:
        """Vectors of the boxes alone."""
        size = self.encoder.image_size
        crops = np.empty((len(boxes), size, size, 3), np.uint8)
        for crop, box in zip(crops, boxes, strict=True):
            crop[:] = resize(cut_square(rgb, box, self._margin), size)
        return self.encoder.encode_images(crops)

    def label(self, vectors: Float32[np.ndarray, "n d"]) -> list[Labels]:
        """The names that fit each vector best, with chances."""
        if self._texts is None:
            prompt = self.encoder.prompts["object"]
            self._texts = self.encoder.encode_texts([prompt.format(name) for name in self.names])
        logits = self._sharpness * (vectors @ self._texts.T)  # (n, names)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        chances /= chances.sum(axis=1, keepdims=True)
        best = np.argsort(-chances, axis=1)[:, : self._num_labels]
        return [tuple((self.names[i], float(row[i])) for i in top) for row, top in zip(chances, best, strict=True)]


def check_view(
    rgb: UInt8[np.ndarray, "h w 3"],
    depth_m: Float[np.ndarray, "h w"],
    camera: Camera,
    pose: Float64[np.ndarray, "4 4"],
) -> tuple[Float32[np.ndarray, "h w"], Float64[np.ndarray, "4 4"]]:
    """Depth with 0 wherever it is unknown, and the pose, after checking that all belong together.

    Raises:
        ValueError: If sizes differ, the picture is not uint8, or the pose is not rigid.
    """
    size = (camera.height, camera.width)
    if rgb.shape != (*size, 3) or rgb.dtype != np.uint8:
        raise ValueError(f"rgb must be uint8 with shape {(*size, 3)}, as the camera says; got {rgb.dtype} {rgb.shape}")
    if depth_m.shape != size:
        raise ValueError(f"depth_m must have shape {size}, as the camera says; got {depth_m.shape}")
    known = np.isfinite(depth_m) & (depth_m > 0)
    return np.where(known, depth_m, 0).astype(np.float32), check_pose(pose)


class MaskDetector:
    """Things as the simulator's instance image tells them apart: privileged, an upper bound.

    Args:
        names: What each instance is called; instances without a name are left out. If not given, every id from
            `FIRST_THING` on is a thing and the encoder names it.
        encoder: Gives vectors of the crops, and names where there are none; the built-in one if neither is given.
        min_px: Smaller masks are left out.
        max_described: Only so many of the largest get a vector.

    Example:
        >>> ids = np.zeros((64, 64), np.int32)
        >>> ids[20:40, 20:40] = 12
        >>> detector = MaskDetector({12: "mug"})
        >>> view = np.zeros((64, 64, 3), np.uint8), np.full((64, 64), 2.0, np.float32), Camera(64, 64), np.eye(4)
        >>> [found.labels for found in detector.detect(*view, ids)]
        [(('mug', 1.0),)]
    """

    def __init__(
        self,
        names: Mapping[int, str] | None = None,
        encoder: Encoder | None = None,
        min_px: int = 40,
        max_described: int = 20,
    ):
        if min_px < 1 or max_described < 0:
            raise ValueError(
                f"min_px must be positive and max_described not negative, got {min_px} and {max_described}"
            )
        if encoder is None and names is None:
            encoder = open_encoder("builtin")
        self.name, self.is_privileged = "masks", True
        self._names = None if names is None else dict(names)
        self._namer = None if encoder is None else CropNamer(encoder)
        self._reidentifier = None if encoder is None else Reidentifier()
        self._min_px, self._max_described = min_px, max_described

    def detect(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        depth_m: Float[np.ndarray, "h w"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
        instances: Integer[np.ndarray, "h w"] | None = None,
    ) -> list[Detection]:
        """Things in the picture, largest first; see `Detector.detect`.

        Raises:
            ValueError: If there is no instance image, or sizes differ.
        """
        depth_m, pose = check_view(rgb, depth_m, camera, pose)
        if instances is None:
            raise ValueError("MaskDetector needs the simulator's instance image; without one, use RegionDetector")
        if instances.shape != depth_m.shape:
            raise ValueError(f"instances must have shape {depth_m.shape}, as the depth; got {instances.shape}")
        ids, counts = np.unique(instances, return_counts=True)
        chosen = [
            int(i)
            for i, count in sorted(zip(ids, counts, strict=True), key=lambda pair: -pair[1])
            if count >= self._min_px and (i >= FIRST_THING if self._names is None else int(i) in self._names)
        ]
        points = unproject(depth_m, camera, pose)
        masks = [instances == i for i in chosen]
        described = masks[: self._max_described]
        vectors, labels = self._describe(rgb, described)
        identities: Sequence[np.ndarray | None] = ()
        if self._reidentifier is not None:
            grid = RegionGrid.from_view(rgb, depth_m, camera, pose)
            identities = self._reidentifier(grid, [sampled(mask, grid.depth_m.shape) for mask in described])
        found = []
        for i, (instance, mask) in enumerate(zip(chosen, masks, strict=True)):
            own = labels[i] if i < len(labels) else ()
            if self._names is not None:
                own = ((self._names[instance], 1.0),)
            vector = vectors[i] if i < len(vectors) else None
            identity = identities[i] if i < len(identities) else None
            found.append(lift(mask, points, vector, own, source="masks", rgb=rgb, identity=identity))
        return [detection for detection in found if detection is not None]

    def _describe(self, rgb: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], list[Labels]]:
        if self._namer is None or not masks:
            return (), []
        boxes = []
        for mask in masks:
            columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
            boxes.append((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
        vectors, labels = self._namer(rgb, boxes)
        return list(vectors), labels


def open_detector(
    spec: str = "regions", encoder: Encoder | None = None, names: Mapping[int, str] | Sequence[str] | None = None
) -> Detector:
    """The detector of this name.

    Args:
        spec: `regions`, `masks` (privileged: the simulator's), or `open_vocabulary:MODEL`.
        encoder: The memory's encoder; what `open_encoder("auto")` opens if not given.
        names: For masks: names by instance id. For the others: what things may be called.

    Raises:
        ValueError: If the name is none of these.
        MissingDependencyError: If it needs something that is not installed.
        ModelUnavailableError: If its weights are not here and cannot be fetched.
    """
    kind, _, model = spec.partition(":")
    if spec == "masks":
        if names is not None and not isinstance(names, Mapping):
            raise ValueError("masks take names by instance id, such as {12: 'mug'}; got a list of names")
        return MaskDetector(names, open_encoder() if encoder is None else encoder)
    if isinstance(names, Mapping):
        names = tuple(dict.fromkeys(names.values()))
    if spec == "regions":
        from placecell.perception.regions import RegionDetector

        return RegionDetector(encoder, names)
    if kind == "open_vocabulary" and model:
        from placecell.perception.open_vocabulary import OpenVocabularyDetector

        return OpenVocabularyDetector(model, names, encoder)
    raise ValueError(f"no detector {spec!r}: expected regions, masks, or open_vocabulary:MODEL")
