"""CLIP through open_clip and torch: every model name, pretrained tag or checkpoint that open_clip reads."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from placecell.errors import MissingDependencyError, ModelUnavailableError
from placecell.perception.onnx_encoder import square_images, unit

__all__ = ["OpenClipEncoder", "bf16_pays", "import_open_clip"]

_PROMPTS = {"object": "a photo of a {}.", "colour": "a photo of something {}.", "room": "a photo of a {}."}
_HUB_NAMES = ("hf-hub:", "local-dir:")


def import_open_clip() -> tuple[Any, Any]:
    """The modules torch and open_clip.

    Raises:
        MissingDependencyError: If one is missing, or torch and torchvision do not belong together.
    """
    try:
        import open_clip
        import torch
    except ImportError as error:
        raise MissingDependencyError(f"open_clip models need torch: pip install 'placecell[clip]' ({error})") from error
    except RuntimeError as error:
        # A CPU build of torch beside the registry's torchvision fails with "operator torchvision::nms does not exist".
        message = "torch and torchvision do not match; install both in one command: pip install -U 'placecell[clip]'"
        raise MissingDependencyError(f"{message} ({str(error).splitlines()[0]})") from error
    return torch, open_clip


def bf16_pays(device: str) -> bool:
    """Whether bfloat16 is faster than float32: on GPUs, and on processors that multiply it in hardware."""
    torch, _ = import_open_clip()
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    if device != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False  # other systems: float32 is always right, only perhaps slower
    return "amx_bf16" in flags or "avx512_bf16" in flags


class OpenClipEncoder:
    """Any CLIP that open_clip can build.

    Args:
        model: Name from `open_clip.list_models()`, or `hf-hub:OWNER/NAME`, or `local-dir:PATH`.
        pretrained: Tag from `open_clip.list_pretrained_tags_by_model(model)`; the first of them if not given. `"none"`
            leaves the weights random, for timing.
        checkpoint: File with weights, instead of a tag.
        device: Where torch computes: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
        precision: `"fp32"`, `"bf16"`, or `"auto"`: bf16 where the hardware multiplies it (see `bf16_pays`).
        batch: Images or texts per run.
        calibration: `(scale, bias)` for chances, see `placecell.perception.encoders.Encoder`. Taken from the model
            itself where it was trained with a sigmoid (SigLIP).

    Raises:
        MissingDependencyError: If torch or open_clip is not installed.
        ModelUnavailableError: If the weights are neither here nor can be fetched.
        ValueError: If the model or the tag does not exist.
    """

    def __init__(
        self,
        model: str,
        pretrained: str | None = None,
        checkpoint: str | Path | None = None,
        device: str = "cpu",
        precision: str = "auto",
        batch: int = 32,
        calibration: tuple[float, float] | None = None,
    ):
        if precision not in ("auto", "fp32", "bf16"):
            raise ValueError(f"precision must be auto, fp32 or bf16, got {precision!r}")
        if pretrained is not None and checkpoint is not None:
            raise ValueError("give a pretrained tag or a checkpoint, not both")
        torch, open_clip = import_open_clip()
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"device {device!r} was asked for, but torch finds no GPU; use device='cpu'")
        tag = _check_names(open_clip, model, pretrained, checkpoint)
        if precision == "auto":
            precision = "bf16" if bf16_pays(device) else "fp32"
        source = str(checkpoint) if checkpoint is not None else tag
        try:
            # Built in float32 first: the name's hash must not depend on the precision.
            built = open_clip.create_model(model, pretrained=source, precision="fp32", device="cpu")
            tokenizer = open_clip.get_tokenizer(model)
        except Exception as error:  # each hub and file format raises its own kinds
            raise _unavailable(model, source, checkpoint, error) from error
        self.name = f"open_clip:{model}" + (f"/{tag}" if tag else "") + f"@{_weights_hash(built)}"
        self.precision, self.device, self._batch = precision, device, batch
        self._torch, self._tokenizer = torch, tokenizer
        visual = built.visual
        size = visual.image_size
        self.image_size = int(size[0] if isinstance(size, (tuple, list)) else size)
        self._mean = [float(v) for v in visual.preprocess_cfg["mean"]]
        self._std = [float(v) for v in visual.preprocess_cfg["std"]]
        if calibration is None and getattr(built, "logit_bias", None) is not None:
            calibration = (float(built.logit_scale.exp()), float(built.logit_bias))
        self.calibration = calibration
        self.prompts: Mapping[str, str] = dict(_PROMPTS)
        self.notice = ""
        self.model = built.eval().requires_grad_(False).to(device)
        if precision == "bf16":
            open_clip.model.convert_weights_to_lp(self.model, dtype=torch.bfloat16)
        self.context_length = int(getattr(built, "context_length", None) or tokenizer.context_length)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.dim = int(self._texts(["a"]).shape[1])

    def __repr__(self) -> str:
        return f"OpenClipEncoder({self.name!r}, dim={self.dim}, device={self.device!r}, precision={self.precision!r})"

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Always empty: the vocabulary is open."""
        return ()

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of images, uint8 `(h, w, 3)` each, of any sizes.

        Raises:
            ValueError: If an image is not uint8 with shape (h, w, 3), or is empty.
        """
        squares = square_images(images, self.image_size)
        if len(squares) == 0:
            return np.empty((0, self.dim), np.float32)
        parts = [self._images(squares[i : i + self._batch]) for i in range(0, len(squares), self._batch)]
        return unit(np.concatenate(parts))

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of texts."""
        if isinstance(texts, str):
            raise TypeError("texts must be a sequence of strings, got one string; wrap it in a list")
        if len(texts) == 0:
            return np.empty((0, self.dim), np.float32)
        parts = [self._texts(list(texts[i : i + self._batch])) for i in range(0, len(texts), self._batch)]
        return unit(np.concatenate(parts))

    def _images(self, part: np.ndarray) -> np.ndarray:
        torch = self._torch
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(part)).to(self.device).permute(0, 3, 1, 2).float() / 255
            mean = torch.tensor(self._mean, device=self.device)[:, None, None]
            std = torch.tensor(self._std, device=self.device)[:, None, None]
            vectors = self.model.encode_image(((pixels - mean) / std).to(self._dtype))
            return np.asarray(vectors.float().cpu().numpy())

    def _texts(self, texts: list[str]) -> np.ndarray:
        with self._torch.inference_mode():
            ids = self._tokenizer(texts).to(self.device)
            return np.asarray(self.model.encode_text(ids).float().cpu().numpy())


def _check_names(open_clip: Any, model: str, pretrained: str | None, checkpoint: str | Path | None) -> str | None:
    """The tag to load (None for random or hub weights); complains of names that do not exist."""
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise ModelUnavailableError(f"no checkpoint at {checkpoint}: expected a file with weights of {model}")
    if model.startswith(_HUB_NAMES):
        return None
    known = open_clip.list_models()
    if model not in known:
        near = difflib.get_close_matches(model, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "see open_clip.list_models()"
        raise ValueError(f"open_clip has no model {model!r}; {hint}")
    if checkpoint is not None or pretrained == "none":
        return None
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained is None:
        if not tags:
            raise ValueError(f"{model} has no pretrained weights; give a checkpoint, or pretrained='none'")
        return str(tags[0])
    if pretrained.lower().replace("-", "_") not in {tag.lower().replace("-", "_") for tag in tags}:
        raise ValueError(f"{model} has no pretrained tag {pretrained!r}; it has {', '.join(tags) or 'none'}")
    return pretrained


def _unavailable(model: str, source: str | None, checkpoint: str | Path | None, error: Exception) -> Exception:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    if checkpoint is not None:
        return ModelUnavailableError(f"{checkpoint} does not load as {model}: {reason}")
    what = f"{model}/{source}" if source else model
    offline = " HF_HUB_OFFLINE is set." if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else ""
    return ModelUnavailableError(
        f"the weights of {what} cannot be fetched ({reason}).{offline} Fetch them on a connected machine and pass the "
        f"file with --checkpoint, pass an ONNX export's folder, or use the built-in encoder (--encoder builtin)"
    )


def _weights_hash(model: Any) -> str:
    """Hash of every tensor's name, shape and ends: tells weights apart without reading gigabytes twice."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().flatten()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(flat[:256].float().numpy().tobytes() + flat[-256:].float().numpy().tobytes())
    return digest.hexdigest()[:12]
