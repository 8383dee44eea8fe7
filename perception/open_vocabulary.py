"""Things by name in any footage: a zero-shot detector of the transformers library, its boxes cut out by depth."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Integer, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from placecell.errors import MissingDependencyError, ModelUnavailableError
from placecell.geometry import Camera, unproject
from placecell.perception.detection import Detection, lift
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import CropNamer, check_view
from placecell.perception.vocabulary import NOUNS

__all__ = ["OpenVocabularyDetector", "cut_box", "keep_best"]


class OpenVocabularyDetector:
    """A model of `transformers` for zero-shot object detection: OWL-ViT, OWLv2, Grounding DINO and their kin.

    Args:
        model: Name on the hub, or a folder with weights and processor.
        names: What to look for; the built-in vocabulary if not given.
        encoder: Gives vectors of the crops; what `open_encoder("auto")` opens if not given.
        threshold: Boxes with a lower score are left out.
        max_overlap: Of two boxes whose IoU is higher, only the better one stays.
        device: Where torch computes.

    Raises:
        MissingDependencyError: If torch or transformers is not installed.
        ModelUnavailableError: If the weights are neither here nor can be fetched, or are of another kind of model.
    """

    def __init__(
        self,
        model: str | Path,
        names: Sequence[str] | None = None,
        encoder: Encoder | None = None,
        threshold: float = 0.2,
        max_overlap: float = 0.6,
        device: str = "cpu",
    ):
        if names is not None and (isinstance(names, str) or not names):
            raise ValueError(f"names must be a list of at least one name, got {names!r}")
        if not (0 <= threshold <= 1 and 0 <= max_overlap <= 1):
            raise ValueError(f"threshold and max_overlap must lie between 0 and 1, got {threshold} and {max_overlap}")
        self._torch, transformers = _import_transformers()
        self.names = tuple(NOUNS if names is None else names)
        self.name, self.is_privileged = f"open_vocabulary:{model}", False
        self._threshold, self._max_overlap, self._device = threshold, max_overlap, device
        try:
            self._processor = transformers.AutoProcessor.from_pretrained(str(model))
            network = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(str(model))
        except Exception as error:  # each hub and file format raises its own kinds
            raise _unavailable(str(model), error) from error
        self._model = network.eval().requires_grad_(False).to(device)
        accepted = inspect.signature(self._processor.post_process_grounded_object_detection).parameters
        self._wants_ids = "input_ids" in accepted
        self._namer = CropNamer(open_encoder() if encoder is None else encoder, self.names)

    def detect(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        depth_m: Float[np.ndarray, "h w"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
        instances: Integer[np.ndarray, "h w"] | None = None,
    ) -> list[Detection]:
        """Things in the picture, largest first; see `Detector.detect`. `instances` is not looked at."""
        depth_m, pose = check_view(rgb, depth_m, camera, pose)
        points = unproject(depth_m, camera, pose)
        found = []
        for box, name, score in self._boxes(rgb):
            thing = lift(cut_box(depth_m, box), points, None, ((name, score),), score, self.name, rgb=rgb)
            if thing is not None:
                found.append(thing)
        found.sort(key=lambda thing: -thing.num_px)
        size = np.tile((camera.width, camera.height), 2)
        vectors = self._namer.encode(rgb, [(np.array(thing.box) * size).tolist() for thing in found])
        return [
            replace(thing, embedding=vector.astype(np.float16)) for thing, vector in zip(found, vectors, strict=True)
        ]

    def _boxes(self, rgb: np.ndarray) -> list[tuple[np.ndarray, str, float]]:
        """Boxes in pixels with name and score, best first."""
        height, width = rgb.shape[:2]
        names = list(self.names)
        inputs = self._processor(images=rgb, text=[names], return_tensors="pt").to(self._device)
        with self._torch.inference_mode():
            outputs = self._model(**inputs)
        options: dict[str, Any] = {"threshold": self._threshold, "target_sizes": [(height, width)]}
        options |= {"input_ids": inputs["input_ids"]} if self._wants_ids else {"text_labels": [names]}
        (result,) = self._processor.post_process_grounded_object_detection(outputs, **options)
        boxes = result["boxes"].float().cpu().numpy().reshape(-1, 4)
        boxes = np.clip(boxes, 0, np.tile((width, height), 2))
        scores = result["scores"].float().cpu().numpy()
        labels = [_nearest_name(str(label), names) for label in result["text_labels"]]
        kept = keep_best(boxes, scores, self._max_overlap)
        return [(boxes[i], labels[i], float(scores[i])) for i in kept]


def keep_best(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, "n"], max_overlap: float = 0.6) -> list[int]:
    """Boxes that no better one covers, best first; empty boxes are left out.

    Example:
        >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]], float)
        >>> keep_best(boxes, np.array([0.5, 0.9, 0.4]))
        [1, 2]
    """
    left, top, right, bottom = boxes.T
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if area[i] < 1:
            continue
        wide = np.minimum(right[i], right[kept]) - np.maximum(left[i], left[kept])
        high = np.minimum(bottom[i], bottom[kept]) - np.maximum(top[i], top[kept])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        if (shared <= max_overlap * (area[i] + area[kept] - shared)).all():
            kept.append(int(i))
    return kept


def cut_box(
    depth_m: Float32[np.ndarray, "h w"], box: Float[np.ndarray, "4"], jump: float = 0.04
) -> Bool[np.ndarray, "h w"]:
    """The thing in a box: of the surfaces that depth parts, the one that fills the middle of the box most.

    Args:
        depth_m: Planar depth, 0 where unknown.
        box: Left, top, right, bottom in pixels.
        jump: Neighbours lie on two surfaces if their depths differ by more than this share of the nearer one.

    Example:
        >>> depth = np.full((8, 8), 3.0, np.float32)
        >>> depth[2:6, 2:6] = 1.0
        >>> int(cut_box(depth, np.array([1.0, 1.0, 7.0, 7.0])).sum())
        16
    """
    h, w = depth_m.shape
    x0, y0 = int(max(box[0], 0)), int(max(box[1], 0))
    x1, y1 = int(min(np.ceil(box[2]), w)), int(min(np.ceil(box[3]), h))
    mask = np.zeros((h, w), bool)
    part = depth_m[y0:y1, x0:x1]
    rows, columns = part.shape
    if rows * columns == 0:
        return mask
    known = part > 0
    number = np.arange(rows * columns).reshape(rows, columns)
    ends = []
    for one, two in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        near = np.minimum(part[one], part[two])
        joined = (near > 0) & (np.abs(part[one] - part[two]) <= jump * near)
        ends.append((number[one][joined], number[two][joined]))
    a, b = (np.concatenate(pair) for pair in zip(*ends, strict=True))
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(rows * columns, rows * columns))
    _, piece = connected_components(graph, directed=False)
    y, x = (np.arange(rows) + 0.5) / rows - 0.5, (np.arange(columns) + 0.5) / columns - 0.5
    weight = np.exp(-8 * (y[:, None] ** 2 + x[None, :] ** 2)) * known
    best = int(np.argmax(np.bincount(piece, weight.ravel())))
    mask[y0:y1, x0:x1] = (piece == best).reshape(rows, columns) & known
    return mask


def _nearest_name(label: str, names: Sequence[str]) -> str:
    """The name that a phrase of the model stands for: models that read all names as one text give back parts of it."""
    if label in names:
        return label
    words = set(label.split())
    return max(names, key=lambda name: (len(words & set(name.split())), -len(name)))


def _import_transformers() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            f"OpenVocabularyDetector needs torch and transformers: pip install 'placecell[detect]' ({error})"
        ) from error
    return torch, transformers


def _unavailable(model: str, error: Exception) -> Exception:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    offline = " HF_HUB_OFFLINE is set." if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else ""
    return ModelUnavailableError(
        f"the detector {model} cannot be had ({reason}).{offline} Fetch it on a connected machine and pass its folder, "
        f"or use the regions of the package (open_detector('regions'))"
    )
