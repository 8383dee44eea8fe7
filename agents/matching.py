"""How well a thing of the memory fits a goal: its names, its colour and look, its room, and what is near it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float, Float32

from placecell.agents.goals import Goal, Mention
from placecell.agents.thing_colours import coloured
from placecell.errors import UnknownWordError
from placecell.perception.colours import colours_of, shared_colours
from placecell.perception.detection import Detection
from placecell.perception.vocabulary import COLOUR_WORDS, NOUNS

if TYPE_CHECKING:
    from placecell.memory.object_states import SceneObject
    from placecell.perception.encoders import Encoder

__all__ = ["Matcher", "RoomOf", "gap_m"]

#: Chance that the room at a point is of a kind, None where nothing is known of it.
RoomOf = Callable[[Sequence[float], str], float | None]

_ZOOMS: Final = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.22)  # of an image goal, around its middle
_NAMED: Final = 3  # of them, the widest, tell what it is
_NEAR_M, _FAR_M = 0.8, 1.6
_SURE, _UNSURE, _WRONG = 0.95, 0.6, 0.25  # chances that a said room or neighbour is right, as the map sees it
#: Logit of a thing to be the one in a picture: weights of the best cosine of its crops with the picture's zooms and of
#: the agreement of their names. Fitted on 150 pictures in 6 houses (seeds 2,000,050-55): the right one of 57 things on
#: average is first for 93 % of them.
_COSINE, _NAMES, _OFFSET = 18.0, 3.5, -16.6
#: The same with the colours that the thing shares with the middle of the picture, where its colours are known. Fitted
#: on 375 pictures in 36 houses (seeds 60,000-35).
_COLOUR_WEIGHTS: Final = (14.65, 3.86, 3.33, -16.31)  # of cosine, names, colours; offset
_MIDDLE: Final = 0.2  # side of the picture's middle whose colours are taken for the thing's


class Matcher:
    """Compares one goal with things and with views.

    Args:
        goal: What is looked for.
        encoder: The memory's encoder.
        thing_colours: The colours of a thing of the map (see `placecell.perception.colours`), None where not known.
    """

    def __init__(
        self, goal: Goal, encoder: Encoder, thing_colours: Callable[[SceneObject], np.ndarray | None] | None = None
    ) -> None:
        self._thing_colours = thing_colours
        self.goal, self.mention, self._encoder = goal, goal.mention, encoder
        self._scale, self._bias = encoder.calibration or (100.0, -25.0)
        self._nouns = tuple(NOUNS)
        self._noun_vectors = _encoded(encoder, [encoder.prompts["object"].format(name) for name in self._nouns])
        self._colour_words = tuple(COLOUR_WORDS)
        self._colour_vectors = _encoded(
            encoder, [encoder.prompts["colour"].format(name) for name in self._colour_words]
        )
        self._crops: Float32[np.ndarray, "z d"] | None = None
        self._image_names: dict[str, float] = {}
        if goal.image is not None:
            self._crops = encoder.encode_images([_zoomed(goal.image, zoom) for zoom in _ZOOMS])
            middle = _zoomed(goal.image, _MIDDLE)
            self._image_colours = colours_of(middle, np.ones(middle.shape[:2], bool))
            if self._noun_vectors is not None:
                chances = _softmax(self._scale * (self._crops[:_NAMED] @ self._noun_vectors.T)).mean(axis=0)
                self._image_names = dict(zip(self._nouns, chances.tolist(), strict=True))
        self._text = self._text_vector()

    def _text_vector(self) -> Float32[np.ndarray, "1 d"] | None:
        template = self._encoder.prompts.get("seen", self._encoder.prompts["object"])
        if self.goal.kind == "image":
            return None if self._crops is None else self._crops[2:3]
        for phrase in (self.mention.phrase, *self.mention.names):
            found = _encoded(self._encoder, [template.format(phrase)])
            if found is not None:
                return found
        return None

    @property
    def names(self) -> dict[str, float]:
        """Categories that the goal may be, with chances that add up to at most one."""
        if self.goal.kind == "image":
            return self._image_names
        return {name: 1.0 / len(self.mention.names) for name in self.mention.names}

    def view_chances(self, vectors: Float[np.ndarray, "v d"]) -> Float[np.ndarray, "v"]:
        """Chance of each view or tile to show the goal, as the encoder's calibration has it; 0 for unknown words."""
        if self._text is None:
            return np.zeros(len(vectors))
        cosines = np.asarray(vectors, np.float32) @ self._text[0]
        scale, bias = (_COSINE, _OFFSET) if self.goal.kind == "image" else (self._scale, self._bias)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scale * cosines + bias, -30.0, 30.0))))

    def detection_chance(self, found: SceneObject | Detection) -> float:
        """Chance that it is what the goal means, by name and look alone."""
        if self.goal.kind == "image":
            return self._image_chance(found)
        return self._name_chance(found) * self._look_chance(found)

    def chance(self, thing: SceneObject, things: Sequence[SceneObject], room_of: RoomOf | None = None) -> float:
        """Chance that a thing is what the goal means, by all that is known of it.

        Args:
            thing: A thing of the map.
            things: All things of the map, for neighbours.
            room_of: Tells rooms.
        """
        chance = self.detection_chance(thing)
        if chance < 0.01 or self.goal.kind != "description":
            return chance
        if self.mention.room is not None:
            room = None if room_of is None else room_of(thing.position_m, self.mention.room)
            chance *= _UNSURE if room is None else _WRONG + (_SURE - _WRONG) * room
        for relation, other in self.mention.near:
            chance *= _near_chance(thing, relation, other, things)
        return chance

    def _image_chance(self, thing: SceneObject | Detection) -> float:
        """Chance that it is what the picture shows."""
        if thing.embedding is None or self._crops is None:
            return 0.0
        cosine = float((self._crops @ np.asarray(thing.embedding, np.float32)).max())
        agreement = sum(share * self._image_names.get(name, 0.0) for name, share in thing.labels)
        colours = self._colours(thing)
        shared = math.nan if colours is None else float(shared_colours(self._image_colours, colours))
        if math.isnan(shared):
            return 1.0 / (1.0 + math.exp(-(_COSINE * cosine + _NAMES * agreement + _OFFSET)))
        look, name, colour, offset = _COLOUR_WEIGHTS
        return 1.0 / (1.0 + math.exp(-(look * cosine + name * agreement + colour * shared + offset)))

    def _colours(self, thing: SceneObject | Detection) -> np.ndarray | None:
        """Histogram of its colours, None where not known."""
        if isinstance(thing, Detection):
            return thing.colours
        return None if self._thing_colours is None else self._thing_colours(thing)

    def _name_chance(self, thing: SceneObject | Detection) -> float:
        """Chance that it is of the goal's category."""
        votes = dict(thing.labels)
        if not self.mention.names:
            return self._word_chance(thing)
        chance = sum(votes.get(name, 0.0) for name in self.mention.names)
        if thing.is_privileged or thing.embedding is None or self._noun_vectors is None:
            return chance
        looks = _softmax(self._scale * (np.asarray(thing.embedding, np.float32)[None] @ self._noun_vectors.T))[0]
        return 0.5 * chance + 0.5 * float(sum(looks[self._nouns.index(name)] for name in self.mention.names))

    def _word_chance(self, thing: SceneObject | Detection) -> float:
        """The same for words that are no known category."""
        if any(name in self.mention.phrase for name, _ in thing.labels):
            return max(share for name, share in thing.labels if name in self.mention.phrase)
        if thing.embedding is None or self._text is None:
            return 0.0
        return float(self.view_chances(thing.embedding[None])[0])

    def _look_chance(self, thing: SceneObject | Detection) -> float:
        """Chance that colour or picture fit."""
        if thing.embedding is None:
            return 0.5 if self.mention.colour else 1.0
        if self.mention.colour in self._colour_words and self._colour_vectors is not None:
            logits = self._scale * (np.asarray(thing.embedding, np.float32)[None] @ self._colour_vectors.T)
            chances = dict(zip(self._colour_words, _softmax(logits)[0].tolist(), strict=True))
            return coloured(chances, self._colours(thing))[self.mention.colour]
        return 1.0


def gap_m(a: SceneObject, b: SceneObject) -> float:
    """Metres between the boxes of two things on the floor plan."""
    dx = max(a.low_m[0] - b.high_m[0], b.low_m[0] - a.high_m[0], 0.0)
    dz = max(a.low_m[2] - b.high_m[2], b.low_m[2] - a.high_m[2], 0.0)
    return math.hypot(dx, dz)


def _near_chance(thing: SceneObject, relation: str, other: Mention, things: Sequence[SceneObject]) -> float:
    """Chance that what is said of a neighbour holds, as the map sees it."""
    best = 0.0
    for each in things:
        share = sum(each.share(name) for name in other.names)
        if each is thing or each.object_id == thing.object_id or each.state == "gone" or share < 0.2:
            continue
        gap = gap_m(thing, each)
        fits = _SURE if gap <= _NEAR_M else _UNSURE if gap <= _FAR_M else 0.0
        if relation in ("on", "in"):
            is_above = (
                abs(thing.low_m[1] - each.high_m[1]) < 0.3 or each.low_m[1] - 0.1 < thing.low_m[1] < each.high_m[1]
            )
            fits = _SURE if gap <= 0.1 and is_above else _UNSURE if gap <= 0.3 else 0.0
        best = max(best, fits * min(1.0, 1.5 * share))
    return max(best, _WRONG)


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Float32[np.ndarray, "n d"] | None:
    try:
        return encoder.encode_texts(list(texts))
    except UnknownWordError:
        return None


def _softmax(logits: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _zoomed(image: np.ndarray, zoom: float) -> np.ndarray:
    """The middle of a picture."""
    height, width = image.shape[:2]
    h, w = max(1, round(height * zoom)), max(1, round(width * zoom))
    top, left = (height - h) // 2, (width - w) // 2
    return image[top : top + h, left : left + w]
