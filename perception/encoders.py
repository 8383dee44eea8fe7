"""Pictures and texts to vectors of one space: the interface, and the choice of an encoder by name."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from placecell.errors import MissingDependencyError, ModelUnavailableError
from placecell.perception.onnx_encoder import BUILTIN_DIR, OnnxEncoder
from placecell.perception.open_clip_encoder import OpenClipEncoder

__all__ = [
    "BUILTIN_DIR",
    "ENCODER_VARIABLE",
    "Encoder",
    "OnnxEncoder",
    "OpenClipEncoder",
    "list_encoders",
    "open_encoder",
    "zero_shot",
]

ENCODER_VARIABLE = "PLACECELL_ENCODER"
BUILTIN_NOTICE = (
    "the built-in encoder knows rendered houses only; for real footage: pip install 'placecell[clip]' and "
    "--encoder open_clip:ViT-B-32/laion2b_s34b_b79k, or --encoder with the folder or hub name of an ONNX CLIP export"
)


@runtime_checkable
class Encoder(Protocol):
    """What turns pictures and texts into unit vectors that can be compared.

    Attributes:
        name: Unique, weights included; stored with every vector.
        dim: Length of a vector.
        image_size: Side of the square that pictures are resized to; hand over pictures of this size to save work.
        calibration: `(scale, bias)` such that `sigmoid(scale * cosine + bias)` is the chance that a picture (a view, a
            tile or a crop) shows what a text says; None where that was not measured.
        prompts: Templates with one `{}` for naming what a picture shows: "object", "colour", "room"; "seen" for
            finding a thing anywhere in a picture, where that differs from "object".
        notice: One line for the person who reads the answers, or an empty string.
    """

    name: str
    dim: int
    image_size: int
    calibration: tuple[float, float] | None
    prompts: Mapping[str, str]
    notice: str

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of images, uint8 `(h, w, 3)` each, of any sizes."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of texts; `UnknownWordError` if a text holds words that the encoder never learned."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the encoder never learned; always empty for open vocabularies."""
        ...


def open_encoder(name: str = "auto", threads: int = 0) -> Encoder:
    """The encoder of this name.

    Args:
        name: One of

            - `auto`: what the environment variable PLACECELL_ENCODER names, else the built-in one;
            - `builtin`: the small CLIP that comes with the package and knows rendered houses;
            - the path of an ONNX export's folder;
            - `open_clip:MODEL`, `open_clip:MODEL/TAG`, or `open_clip:MODEL/FILE` with a checkpoint;
            - `hf-hub:OWNER/NAME`: an ONNX CLIP export on the hub, or a model for open_clip.
        threads: Threads for ONNX towers; 0 lets onnxruntime decide.

    Raises:
        ValueError: If the name is none of these.
        ModelUnavailableError: If it is not here and cannot be fetched.
        MissingDependencyError: If it needs something that is not installed.

    Example:
        >>> open_encoder("builtin").notice.startswith("the built-in encoder knows rendered houses only")
        True
    """
    if name == "auto":
        name = os.environ.get(ENCODER_VARIABLE, "").strip() or "builtin"
        if name == "auto":
            name = "builtin"
    if name == "builtin":
        encoder = OnnxEncoder(threads=threads)
        encoder.notice = BUILTIN_NOTICE
        return encoder
    if name.startswith("open_clip:"):
        model, _, tag = name.removeprefix("open_clip:").partition("/")
        if model.startswith("hf-hub"):  # open_clip:hf-hub:OWNER/NAME
            return OpenClipEncoder(name.removeprefix("open_clip:"))
        if tag and Path(tag).is_file():
            return OpenClipEncoder(model, checkpoint=tag)
        return OpenClipEncoder(model, pretrained=tag or None)
    if name.startswith("hf-hub:"):
        return _from_hub(name, threads)
    if name and Path(name).expanduser().exists():
        return OnnxEncoder(Path(name).expanduser(), threads=threads)
    raise ValueError(
        f"no encoder {name!r}: expected auto, builtin, the folder of an ONNX export, open_clip:MODEL/TAG, or "
        f"hf-hub:OWNER/NAME"
    )


def _from_hub(name: str, threads: int) -> Encoder:
    """An ONNX export from the hub (or its local copy) if the repository holds one, else open_clip's reading of it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(f"{name} needs the hub's client: pip install huggingface_hub") from error
    patterns = ["encoder.json", "*tokenizer.json", "*preprocessor_config.json", "*preprocess_cfg.json", "vision.onnx"]
    patterns += ["text.onnx", "*vision_model.onnx", "*text_model.onnx", "visual/model.onnx*", "textual/model.onnx*"]
    try:
        folder = huggingface_hub.snapshot_download(name.removeprefix("hf-hub:"), allow_patterns=patterns)
    except Exception as error:  # the client raises its own kinds, and those of its HTTP library
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelUnavailableError(
            f"{name} cannot be fetched ({reason}); fetch it on a connected machine and pass its folder, or use the "
            f"built-in encoder (--encoder builtin)"
        ) from error
    if any(Path(folder).rglob("*.onnx")):
        return OnnxEncoder(folder, threads=threads)
    return OpenClipEncoder(name)


def list_encoders() -> list[dict[str, str]]:
    """What `open_encoder` accepts here, one row each: name, whether it is ready, what it is. Loads no model.

    Example:
        >>> list_encoders()[0]["name"], list_encoders()[0]["state"]
        ('builtin', 'ready')
    """
    builtin = OnnxEncoder()
    what = f"{builtin.name}, {builtin.dim} numbers, {builtin.image_size} px; rendered houses only"
    rows = [{"name": "builtin", "state": "ready", "what": what}]
    if configured := os.environ.get(ENCODER_VARIABLE, "").strip():
        rows.append({"name": "auto", "state": "configured", "what": f"{ENCODER_VARIABLE}={configured}"})
    else:
        rows.append({"name": "auto", "state": "builtin", "what": f"set {ENCODER_VARIABLE} to choose another"})
    has_clip = all(importlib.util.find_spec(module) is not None for module in ("torch", "open_clip"))
    state = "installed" if has_clip else "pip install 'placecell[clip]'"
    rows.append({"name": "open_clip:MODEL/TAG", "state": state, "what": "any model of open_clip, or FILE for TAG"})
    has_hub = importlib.util.find_spec("huggingface_hub") is not None
    state = "installed" if has_hub else "pip install huggingface_hub"
    rows.append({"name": "hf-hub:OWNER/NAME", "state": state, "what": "an ONNX CLIP export, or a model for open_clip"})
    rows.append({"name": "FOLDER", "state": "ready", "what": "written by `placecell encoder export`"})
    return rows


def zero_shot(
    encoder: Encoder, images: Sequence[np.ndarray] | np.ndarray, names: Sequence[str], kind: str = "object"
) -> tuple[list[str], Float32[np.ndarray, "n c"]]:
    """The name that fits each image best, and every name's cosine; no classifier is involved, only prompts.

    Args:
        encoder: What compares pictures and texts.
        images: Pictures, uint8 `(h, w, 3)` each.
        names: What to choose from.
        kind: Which of the encoder's prompts to put the names into: "object", "colour" or "room".
    """
    if not names:
        raise ValueError("names must not be empty")
    texts = encoder.encode_texts([encoder.prompts[kind].format(name) for name in names])
    cosines = encoder.encode_images(images) @ texts.T
    return [names[i] for i in cosines.argmax(axis=1)], cosines
