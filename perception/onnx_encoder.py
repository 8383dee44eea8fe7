"""CLIP from ONNX files: pictures and texts to vectors with onnxruntime alone, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from placecell.errors import ModelUnavailableError
from placecell.perception.networks import open_network
from placecell.perception.tiles import resize
from placecell.perception.tokens import Tokenizer, tokenizer_from_json

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["BUILTIN_DIR", "OnnxEncoder", "square_images", "unit"]

BUILTIN_DIR = Path(__file__).parent / "builtin"
CARD_VERSION = 1
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# Where other exporters put the towers: (vision, text, tokenizer, preprocessing), relative to the folder.
_FOREIGN = (
    ("onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json", "preprocessor_config.json"),
    ("vision_model.onnx", "text_model.onnx", "tokenizer.json", "preprocessor_config.json"),
    ("visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json", "visual/preprocess_cfg.json"),
)
_PROMPTS = {"object": "a photo of a {}.", "colour": "a photo of something {}.", "room": "a photo of a {}."}


def unit(vectors: np.ndarray) -> Float32[np.ndarray, "n d"]:
    """Rows scaled to length one, float32."""
    vectors = np.asarray(vectors, np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def square_images(images: Sequence[np.ndarray] | np.ndarray, size: int) -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """Images of any sizes, squashed to `size` x `size` each.

    Raises:
        ValueError: If an image is not uint8 with shape (h, w, 3), or is empty.
    """
    if isinstance(images, np.ndarray) and images.ndim == 4 and images.shape[1:] == (size, size, 3):
        if images.dtype != np.uint8:
            raise ValueError(f"images must be uint8, got {images.dtype}")
        return images
    squares = np.empty((len(images), size, size, 3), np.uint8)
    for i, image in enumerate(images):
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"images must be uint8 with shape (h, w, 3), got {image.dtype} {image.shape} at index {i}")
        squares[i] = resize(image, size)
    return squares


@dataclass(frozen=True, slots=True)
class _Export:
    """What a folder holds: its files and how to feed them."""

    vision: Path
    text: Path
    tokenizer: Path
    card: Mapping[str, Any] = field(default_factory=dict)


class OnnxEncoder:
    """A CLIP that was exported to ONNX, run by onnxruntime.

    Reads the folders that `placecell encoder export` writes, and those of two common exporters (towers as
    `onnx/vision_model.onnx` and `onnx/text_model.onnx`, or as `visual/model.onnx` and `textual/model.onnx`). Towers are
    loaded when first used, so that a question alone never loads the vision tower.

    Args:
        path: Folder of the export; the encoder that comes with the package if not given.
        threads: Threads per tower; 0 lets onnxruntime decide.
        batch: Images or texts per run; bounds the memory that is used.

    Attributes:
        name: Unique, with a hash of the weights: vectors of two encoders are never compared.
        calibration: `(scale, bias)` with `sigmoid(scale * cosine + bias)` the chance that an image shows what a text
            says; None where nobody measured it.
        notice: One line that a person should read before trusting the answers, or an empty string.

    Raises:
        ModelUnavailableError: If the folder is not there or holds no export.

    Example:
        >>> encoder = OnnxEncoder()
        >>> encoder.encode_texts(["a red mug", "the kitchen"]).shape == (2, encoder.dim)
        True
    """

    def __init__(self, path: str | Path | None = None, threads: int = 0, batch: int = 64):
        if batch < 1 or threads < 0:
            raise ValueError(f"batch must be positive and threads not negative, got {batch} and {threads}")
        self.path = BUILTIN_DIR if path is None else Path(path)
        self._threads, self._batch = threads, batch
        self._export = _find_export(self.path)
        card = self._export.card
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._mean = np.array(card.get("mean", _CLIP_MEAN), np.float32)
        self._std = np.array(card.get("std", _CLIP_STD), np.float32)
        self.prompts: Mapping[str, str] = {**_PROMPTS, **card.get("prompts", {})}
        self.notice: str = card.get("notice", "")
        calibration = card.get("calibration")
        self.calibration: tuple[float, float] | None = tuple(calibration) if calibration else None
        if "name" in card:
            self.name, self.dim, self.image_size = str(card["name"]), int(card["dim"]), int(card["image_size"])
        else:
            digest = hashlib.sha256(self._export.vision.read_bytes() + self._export.text.read_bytes())
            self.name = f"{self.path.resolve().name}@{digest.hexdigest()[:12]}"
            vision = self._session("vision")
            size, dim = vision.get_inputs()[0].shape[-1], _embedding_output(vision).shape[-1]
            self.image_size = int(size if isinstance(size, int) else card.get("image_size", 224))
            self.dim = int(dim) if isinstance(dim, int) else self._probe_dim()
        self._tokenizer: Tokenizer | None = None

    def __repr__(self) -> str:
        return f"OnnxEncoder({self.name!r}, dim={self.dim}, image_size={self.image_size})"

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns texts into the ids that the text tower reads."""
        if self._tokenizer is None:
            length = self._session("text").get_inputs()[0].shape[-1]
            self._tokenizer = tokenizer_from_json(self._export.tokenizer, length if isinstance(length, int) else None)
        return self._tokenizer

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the encoder never learned; always empty for open vocabularies."""
        return self.tokenizer.unknown_words(text)

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of images, uint8 `(h, w, 3)` each, of any sizes.

        Raises:
            ValueError: If an image is not uint8 with shape (h, w, 3), or is empty.
        """
        squares = square_images(images, self.image_size)
        if len(squares) == 0:
            return np.empty((0, self.dim), np.float32)
        session = self._session("vision")
        feed, output = session.get_inputs()[0], _embedding_output(session).name
        vectors = []
        for start in range(0, len(squares), self._batch):
            part = squares[start : start + self._batch]
            pixels = part if feed.type == "tensor(uint8)" else self._normalise(part, feed.type)
            vectors.append(session.run([output], {feed.name: pixels})[0])
        return unit(np.concatenate(vectors))

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of texts.

        Raises:
            UnknownWordError: If a text holds words that the encoder never learned (built-in encoder).
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a sequence of strings, got one string; wrap it in a list")
        if len(texts) == 0:
            return np.empty((0, self.dim), np.float32)
        ids = self.tokenizer(texts)
        session = self._session("text")
        feeds = session.get_inputs()
        vectors = []
        for start in range(0, len(ids), self._batch):
            part = ids[start : start + self._batch]
            values = {"mask": (part != 0).astype(np.int64), "ids": part}
            inputs = {f.name: _cast(values["mask" if "mask" in f.name else "ids"], f.type) for f in feeds}
            vectors.append(session.run([_embedding_output(session).name], inputs)[0])
        return unit(np.concatenate(vectors))

    def _normalise(self, part: np.ndarray, kind: str) -> np.ndarray:
        pixels = (part.astype(np.float32) / 255 - self._mean) / self._std
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))  # (n, 3, h, w)
        return pixels.astype(np.float16) if kind == "tensor(float16)" else pixels

    def _probe_dim(self) -> int:
        session, size = self._session("vision"), self.image_size
        pixels = self._normalise(np.zeros((1, size, size, 3), np.uint8), session.get_inputs()[0].type)
        output = session.run([_embedding_output(session).name], {session.get_inputs()[0].name: pixels})[0]
        return int(output.shape[-1])

    def _session(self, tower: str) -> onnxruntime.InferenceSession:
        if tower not in self._sessions:
            path = self._export.vision if tower == "vision" else self._export.text
            self._sessions[tower] = open_network(path, self._threads)
        return self._sessions[tower]


def _cast(ids: np.ndarray, kind: str) -> np.ndarray:
    return ids.astype(np.int32) if kind == "tensor(int32)" else ids


def _embedding_output(session: onnxruntime.InferenceSession) -> Any:
    """The joint embedding among a tower's outputs; exporters also put out hidden states."""
    outputs = session.get_outputs()
    return next((o for o in outputs if "embed" in o.name and "last" not in o.name), outputs[0])


def _find_export(path: Path) -> _Export:
    if not path.is_dir():
        raise ModelUnavailableError(f"no encoder at {path}: expected a folder written by `placecell encoder export`")
    card_path = path / "encoder.json"
    if card_path.is_file():
        try:
            card = json.loads(card_path.read_text(encoding="utf-8"))
            version = card["version"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ModelUnavailableError(f"{card_path} is damaged ({error}); export the encoder again") from error
        if version > CARD_VERSION:
            message = f"{path} was written by a newer version (card {version}, this one reads {CARD_VERSION}); update"
            raise ModelUnavailableError(message)
        vision, text, tokenizer = "vision.onnx", "text.onnx", "tokenizer.json"
        if missing := [name for name in (vision, text, tokenizer) if not (path / name).is_file()]:
            raise ModelUnavailableError(f"{path} lacks {', '.join(missing)}; export the encoder again")
        return _Export(path / vision, path / text, path / tokenizer, card)
    for vision, text, tokenizer, config in _FOREIGN:
        if all((path / name).is_file() for name in (vision, text, tokenizer)):
            return _Export(path / vision, path / text, path / tokenizer, _foreign_card(path / config))
    message = f"{path} holds no CLIP export: expected encoder.json, or vision and text towers with a tokenizer.json"
    raise ModelUnavailableError(message)


def _foreign_card(config: Path) -> dict[str, Any]:
    """Mean, standard deviation and size from the preprocessing files of other exporters."""
    if not config.is_file():
        return {}
    values = json.loads(config.read_text(encoding="utf-8"))
    card = {"mean": values.get("image_mean") or values.get("mean"), "std": values.get("image_std") or values.get("std")}
    size = values.get("crop_size") or values.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    card["image_size"] = size[0] if isinstance(size, list) else size
    return {key: value for key, value in card.items() if value is not None}
