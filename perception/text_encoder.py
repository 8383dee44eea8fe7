"""Sentences to vectors, for what is heard, read or written: subtitles, captions, notes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from placecell.errors import MissingDependencyError, ModelUnavailableError

__all__ = ["TextEncoder"]


class TextEncoder:
    """A sentence-transformers model.

    Args:
        model: Name on the hub, or the path of a folder with a copy; with HF_HUB_OFFLINE set, names are looked up among
            the local copies only.
        device: Where torch computes.
        batch: Texts per run.

    Attributes:
        name: Unique: the model's name and a hash of its weights' files.
        dim: Length of a vector.

    Raises:
        MissingDependencyError: If sentence-transformers is not installed.
        ModelUnavailableError: If the model is neither here nor can be fetched.
    """

    def __init__(self, model: str = "sentence-transformers/all-MiniLM-L6-v2", device: str = "cpu", batch: int = 64):
        try:
            import sentence_transformers
        except ImportError as error:
            message = f"sentence models need sentence-transformers: pip install 'placecell[text]' ({error})"
            raise MissingDependencyError(message) from error
        path = Path(model).expanduser()
        source = str(path) if path.is_dir() else model
        try:
            self._model = sentence_transformers.SentenceTransformer(source, device=device)
        except Exception as error:  # hub, HTTP and file errors of several libraries
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else ""
            raise ModelUnavailableError(
                f"the text model {model} is neither here nor can be fetched{offline}: {reason}; copy it from a "
                f"connected machine and pass the folder's path"
            ) from error
        self.name = f"text:{path.resolve().name if path.is_dir() else model}@{self._weights_hash()}"
        self._batch = batch
        self.dim = int(self.encode_texts(["a"]).shape[1])

    def __repr__(self) -> str:
        return f"TextEncoder({self.name!r}, dim={self.dim})"

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of texts."""
        if isinstance(texts, str):
            raise TypeError("texts must be a sequence of strings, got one string; wrap it in a list")
        if len(texts) == 0:
            return np.empty((0, self.dim), np.float32)
        vectors = self._model.encode(
            list(texts), batch_size=self._batch, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)

    def _weights_hash(self) -> str:
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            flat = tensor.detach().cpu().flatten()
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(flat[:256].float().numpy().tobytes() + flat[-256:].float().numpy().tobytes())
        return digest.hexdigest()[:12]
