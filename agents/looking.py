"""Name what vectors show: colours, rooms and things, by comparing them with the vectors of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from placecell.agents.evidence import unknown_words
from placecell.agents.vocabulary import ROOMS, THINGS
from placecell.errors import UnknownWordError

__all__ = ["Looker"]

_DEFAULT_SCALE = 100.0  # CLIP's learned temperature, the usual one where a model does not state its own


class Looker:
    """Compares picture vectors with word vectors of one encoder; word vectors are kept.

    Args:
        encoder: Has `encode_texts`, and where it can `calibration` `(scale, bias)` and `unknown_words`.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._texts: dict[str, np.ndarray] = {}
        prompts = getattr(encoder, "prompts", None) or {}
        # Tiles are not close-ups, and the calibration was fitted with the prompt that recall uses.
        self._object = prompts.get("seen") or prompts.get("object", "{}")
        self._close_up = prompts.get("object", "{}")
        self._room = prompts.get("room", "{}")
        calibration = getattr(encoder, "calibration", None)
        self._calibration: tuple[float, float] | None = (
            None if calibration is None else (calibration[0], calibration[1])
        )

    @property
    def scale(self) -> float:
        """Factor from cosine to logit."""
        return _DEFAULT_SCALE if self._calibration is None else float(self._calibration[0])

    @property
    def object_prompt(self) -> str:
        """Template for naming what fills a picture."""
        return str(self._close_up)

    @property
    def room_prompt(self) -> str:
        """Template for naming the room that a whole view shows."""
        return str(self._room)

    @property
    def thing_prompt(self) -> str:
        """Template for naming a thing wherever it is in a picture."""
        return str(self._object)

    def knows(self, phrase: str) -> bool:
        """Whether the encoder knows every word of `phrase`, and any of them names what a picture shows."""
        if self._encoder is None or unknown_words(self._encoder, phrase):
            return False
        try:
            self.vectors([self._object.format(phrase)])
        except UnknownWordError:
            return False
        return True

    def vectors(self, phrases: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of `phrases`; words that the encoder does not know are left out of them."""
        missing = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._texts]
        if missing:
            encoded = np.asarray(self._encoder.encode_texts([self._plain(p) for p in missing]), dtype=np.float32)
            for phrase, vector in zip(missing, encoded, strict=True):
                self._texts[phrase] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return np.stack([self._texts[phrase] for phrase in phrases])

    def _plain(self, phrase: str) -> str:
        """`phrase` without unknown words, unless that leaves nothing."""
        unknown = set(unknown_words(self._encoder, phrase))
        kept = " ".join(word for word in phrase.split() if word.lower().strip(".,;:!?'\"") not in unknown)
        return kept if unknown and kept else phrase

    def known(self, groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """The synonyms that the encoder knows, groups without any left out."""
        if self._encoder is None:
            return []
        kept = [tuple(name for name in group if not unknown_words(self._encoder, name)) for group in groups]
        return [group for group in kept if group]

    def shares(
        self,
        views: Float32[np.ndarray, "v d"],
        groups: Sequence[tuple[str, ...]],
        prompt: str | None = None,
        weights: Float64[np.ndarray, "v"] | None = None,
    ) -> Float64[np.ndarray, "g"]:
        """How the views divide among the groups: per view a softmax over the groups' best synonyms, then the mean."""
        soft = self.divide(views, groups, prompt or self._object)
        part = np.full(len(soft), 1.0) if weights is None else weights
        return np.asarray((soft * part[:, None]).sum(axis=0) / max(float(part.sum()), 1e-12))

    def divide(
        self, views: Float32[np.ndarray, "v d"], groups: Sequence[tuple[str, ...]], prompt: str
    ) -> Float64[np.ndarray, "v g"]:
        """How each view divides among the groups; rows add up to 1."""
        names = [prompt.format(name) for group in groups for name in group]
        cosines = views.astype(np.float32) @ self.vectors(names).T  # (v, names)
        starts = np.cumsum([0, *(len(group) for group in groups)])[:-1]
        logits = self.scale * np.maximum.reduceat(cosines, starts, axis=1).astype(np.float64)  # (v, g)
        soft = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(soft / soft.sum(axis=1, keepdims=True))

    def focus(self, views: Float32[np.ndarray, "v d"], phrase: str) -> Float64[np.ndarray, "v"]:
        """Weight of each view by how much it shows `phrase`; adds up to 1."""
        logits = self.scale * (
            views.astype(np.float64) @ self.vectors([self._object.format(phrase)])[0].astype(np.float64)
        )
        soft = np.exp(logits - logits.max())
        return np.asarray(soft / soft.sum())

    def room_shares(
        self, views: Float32[np.ndarray, "v d"], groups: Sequence[tuple[str, ...]]
    ) -> Float64[np.ndarray, "v g"]:
        """How each whole view divides among rooms."""
        return self.divide(views, groups, self._room)

    def colours(
        self, views: Float32[np.ndarray, "v d"], subject: str, groups: Sequence[tuple[str, ...]]
    ) -> Float64[np.ndarray, "g"]:
        """How a thing divides among colours, each view weighted by how much it shows the thing."""
        return self.shares(views, groups, self._object.format("{} " + subject), self.focus(views, subject))

    def chances(self, views: Float32[np.ndarray, "v d"], phrase: str) -> Float64[np.ndarray, "v"] | None:
        """Calibrated chance that each view shows `phrase`; None where the encoder has no calibration."""
        if self._calibration is None or not len(views):
            return None
        scale, bias = self._calibration
        cosines = views.astype(np.float64) @ self.vectors([self._object.format(phrase)])[0].astype(np.float64)
        return np.asarray(1.0 / (1.0 + np.exp(-(scale * cosines + bias))))

    def rooms(
        self, views: Float32[np.ndarray, "v d"], names: Sequence[tuple[str, ...]] = ROOMS
    ) -> list[tuple[str, float]]:
        """Rooms that whole views show, likeliest first, with their shares."""
        groups = self.known(names)
        if not groups or not len(views):
            return []
        shares = self.shares(views, groups, self._room)
        return sorted(((group[0], float(s)) for group, s in zip(groups, shares, strict=True)), key=lambda x: -x[1])

    def things(
        self,
        views: Float32[np.ndarray, "v d"],
        besides: Sequence[str] = (),
        k: int = 3,
        names: Sequence[tuple[str, ...]] = THINGS,
    ) -> list[tuple[str, float]]:
        """Up to `k` things that the views show, surest first, with probabilities; `besides` are left out."""
        groups = [group for group in self.known(names) if not set(group) & set(besides)]
        if not groups or not len(views):
            return []
        flat = [self._object.format(name) for group in groups for name in group]
        cosines = views.astype(np.float32) @ self.vectors(flat).T  # (v, names)
        if self._calibration is not None:
            scale, bias = self._calibration
            chance = 1.0 / (1.0 + np.exp(-(scale * cosines.astype(np.float64) + bias)))
            floor = 0.5
        else:  # no absolute meaning: a view's best name must stand out among all names
            logits = self.scale * cosines.astype(np.float64)
            chance = np.exp(logits - logits.max(axis=1, keepdims=True))
            chance /= chance.sum(axis=1, keepdims=True)
            floor = 0.25
        starts = np.cumsum([0, *(len(group) for group in groups)])[:-1]
        best = np.maximum.reduceat(chance.max(axis=0), starts)
        order = np.argsort(-best, kind="stable")[:k]
        return [(groups[i][0], float(best[i])) for i in order if best[i] >= floor]
