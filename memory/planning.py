"""Planning a recall: the exact predicates, and what each channel is to look for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from placecell.errors import UnknownWordError
from placecell.memory.queries import Query, content_words, parse_query

if TYPE_CHECKING:
    from placecell.perception.encoders import Encoder

__all__ = ["Plan", "Planner"]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a query turned into.

    Attributes:
        query: Its keys; None for an image or a vector.
        vector: What the visual channel looks for; None if it cannot.
        text_vector: What the dense text channel looks for; None if it cannot.
        notes: Lines for the person who asked, such as "unknown word: 'xylophone'".
    """

    query: Query | None
    vector: Float32[np.ndarray, "d"] | None
    text_vector: Float32[np.ndarray, "d_text"] | None
    notes: tuple[str, ...] = ()


class Planner:
    """Reads queries and embeds them.

    Args:
        encoder: Gives the encoder of the pictures; called when a query has to be embedded. None: only vectors.
        text_encoder: The same for texts.
    """

    def __init__(self, encoder: Callable[[], Encoder] | None, text_encoder: Callable[[], Any] | None) -> None:
        self._encoder = encoder
        self._text_encoder = text_encoder
        self._cache: dict[tuple[str, str], Float32[np.ndarray, "d"]] = {}

    @property
    def calibration(self) -> tuple[float, float] | None:
        """Scale and bias of the picture encoder's sigmoid; None if it was not calibrated."""
        found: tuple[float, float] | None = getattr(self._encoder(), "calibration", None) if self._encoder else None
        return found

    def plan(self, query: str | Query | np.ndarray) -> Plan:
        """Read a query and embed it; words that the encoder never learned are noted, never embedded.

        Raises:
            ValueError: If the query is empty, or neither words, nor an image `(h, w, 3)` uint8, nor a vector.
        """
        if isinstance(query, np.ndarray):
            return Plan(None, self._embed_array(query), None)
        parsed = query if isinstance(query, Query) else parse_query(query)
        if not parsed.semantic:
            return Plan(parsed, None, None)
        notes: list[str] = []
        vector = None
        if self._encoder is not None:
            vector = self._embed_words(parsed, self._encoder(), notes)
        text_vector = None
        if self._text_encoder is not None:
            text_vector = self._cached("text", parsed.semantic, self._text_encoder())
        return Plan(parsed, vector, text_vector, tuple(notes))

    def knows(self, name: str) -> bool:
        """Whether pictures can be searched for a thing of this name."""
        if self._encoder is None:
            return False
        ask = getattr(self._encoder(), "unknown_words", None)
        return ask is None or not ask(name)

    def look_of(self, name: str) -> Float32[np.ndarray, "d"]:
        """What a thing of a name that is known looks like to the encoder."""
        assert self._encoder is not None
        encoder = self._encoder()
        return self._cached("image", _prompt(encoder, name), encoder)

    def meanings(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d_text"]:
        """Vectors of texts by the text encoder, which must be there."""
        assert self._text_encoder is not None
        return np.stack([self._cached("text", text, self._text_encoder()) for text in texts])

    @property
    def has_meanings(self) -> bool:
        """Whether there is a text encoder."""
        return self._text_encoder is not None

    def _embed_array(self, query: np.ndarray) -> Float32[np.ndarray, "d"]:
        if query.ndim == 3 and query.dtype == np.uint8 and query.shape[2] == 3 and 0 not in query.shape:
            if self._encoder is None:
                raise ValueError("a picture can only be looked for in a memory that has an encoder")
            encoded: Float32[np.ndarray, "1 d"] = np.asarray(self._encoder().encode_images([query]), np.float32)
            return encoded.reshape(-1)
        vector = np.asarray(query, np.float32).squeeze() if query.dtype != np.uint8 else np.empty(0, np.float32)
        norm = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
        if vector.ndim != 1 or not vector.size or not math.isfinite(norm) or norm == 0:
            raise ValueError(
                f"a query is words, an image uint8 (h, w, 3) or a finite vector (d,), got {query.dtype} {query.shape}"
            )
        return np.asarray(vector / norm, np.float32)

    def _embed_words(self, query: Query, encoder: Encoder, notes: list[str]) -> Float32[np.ndarray, "d"] | None:
        """The thing that is looked for, in the encoder's own wording; None if the encoder does not know it."""
        ask = getattr(encoder, "unknown_words", None)
        unknown = tuple(ask(query.semantic)) if ask is not None else ()
        notes += [f"unknown word: {word!r}" for word in unknown]
        text = query.semantic
        if unknown:
            # "a mug on the veranda": the mug can be looked for even if a veranda cannot.
            text = query.subject if query.place and ask is not None and not ask(query.subject) else ""
        if not content_words(text):
            return None
        try:
            return self._cached("image", _prompt(encoder, text), encoder)
        except (UnknownWordError, ValueError) as error:  # no word that a picture shows, or too many of them
            notes.append(str(error))
            return None

    def _cached(self, role: str, text: str, encoder: Any) -> Float32[np.ndarray, "d"]:
        if (role, text) not in self._cache:
            if len(self._cache) >= 2048:
                self._cache.pop(next(iter(self._cache)))
            self._cache[role, text] = np.asarray(encoder.encode_texts([text]), np.float32)[0]
        return self._cache[role, text]


def _prompt(encoder: Encoder, text: str) -> str:
    """A text in the encoder's own wording: anywhere in a view, not only in its middle."""
    prompts: Mapping[str, str] = getattr(encoder, "prompts", None) or {}
    return (prompts.get("seen") or prompts.get("object", "{}")).format(text)
