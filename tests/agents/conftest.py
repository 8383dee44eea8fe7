"""A walk whose contents are known, remembered with an encoder whose vectors are made of words."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placecell.agents.evidence import Scope, covers, recollection_of
from placecell.agents.testing import ChatServer
from placecell.errors import UnknownWordError
from placecell.geometry import look_at
from placecell.memory.memory import Memory
from placecell.memory.records import Recollection
from placecell.perception.observation import Observation
from placecell.perception.tiles import tile_boxes

DIM = 256
KNOWN = frozenset(
    re.findall(
        r"\w+",
        """red blue green white yellow black purple kitchen hallway living room bedroom bathroom mug cup stove lamp sofa
        bed chair plant table clock book piano shelf keys""",
    )
)
MIDDLE, TOP_LEFT, BOTTOM_RIGHT = 5, 1, 9  # rows of a view's vectors: tiles of half the view


class WordEncoder:
    """Each word a fixed random direction, a text their sum: likeness is then the share of common words."""

    name = "words"
    dim = DIM
    image_size = 32
    calibration = (24.0, -15.0)  # one of two words in common: 0.05; a noun of "red mug": 0.88; nothing: 0
    prompts = {"object": "{}", "colour": "{}", "room": "{}"}
    notice = ""

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in re.findall(r"[a-z']+", text.lower()) if word not in KNOWN)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        for text in texts:
            if unknown := self.unknown_words(text):
                raise UnknownWordError(f"unknown words: {unknown}")
        return np.stack([_unit(sum(_direction(w) for w in text.lower().split())) for text in texts])

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([_unit(_direction(str(np.asarray(image).mean(axis=(0, 1)).round()))) for image in images])


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return _unit(np.random.default_rng(seed).standard_normal(DIM))


# What is in view: from and to in seconds, what, its place in the world, the tile that shows it.
THINGS = (
    (5, 9, "red mug", (1.0, 1.0, -2.0), MIDDLE),
    (12, 16, "white stove", (-1.0, 1.0, -2.0), MIDDLE),
    (25, 29, "yellow lamp", (5.0, 1.0, -3.0), MIDDLE),
    (42, 50, "blue sofa", (10.0, 0.5, -3.0), MIDDLE),
    (52, 56, "green plant", (12.0, 1.0, -2.0), MIDDLE),
    (62, 70, "white bed", (15.0, 0.5, -3.0), MIDDLE),
    (72, 75, "black chair", (17.0, 0.5, -2.0), MIDDLE),
    (76, 79, "black chair", (13.0, 0.5, -2.0), MIDDLE),
    (83, 86, "red mug", (1.0, 1.0, -2.0), MIDDLE),
)
ROOMS = ((0, 20, "kitchen", 0.0), (20, 40, "hallway", 5.0), (40, 60, "living room", 10.0), (60, 80, "bedroom", 15.0),
         (80, 90, "kitchen", 0.0))  # fmt: skip
SAID = {30: "the keys are on the shelf", 31: "have you seen the keys?", 45: "dinner is at seven",
        55: "the red car is parked outside"}  # fmt: skip


def walk(has_pose: bool = True, agent_id: str = "robot") -> list[Observation]:
    """Ninety seconds through a house, one moment a second."""
    rng = np.random.default_rng(0)
    encoder = WordEncoder()
    observations = []
    for t in range(90):
        room, x = next((room, x) for start, end, room, x in ROOMS if start <= t < end)
        views = rng.standard_normal((10, DIM)) * 0.02
        views += encoder.encode_texts([room])[0] * 0.6
        views[0] += encoder.encode_texts([room])[0]
        target = (x, 1.0, -3.0)
        for start, end, name, place, tile in THINGS:
            if start <= t <= end:
                views[tile] += 4.0 * encoder.encode_texts([name])[0]
                views[0] += 0.3 * encoder.encode_texts([name])[0]
                target = place
        eye = np.array([x + 0.02 * (t % 20), 1.4, 0.0])
        observations.append(
            Observation(
                stamp_s=float(t),
                end_s=float(t),
                agent_id=agent_id,
                embeddings=views,
                pose=look_at(eye, np.array(target)) if has_pose else None,
                text=SAID.get(t),
                source="walk",
                is_event_start=t % 20 == 0,
            )
        )
    return observations


class ExactMemory(Memory):
    """A memory that compares a query with every record, and knows no other channel than likeness and whole words."""

    def recall(self, query: Any, **options: Any) -> list[Recollection]:
        scope = Scope(*(options.get(name) for name in ("between", "agents", "as_of", "near", "labels")))
        encoder = self.encoder if self.encoder_name else None
        vector = None if encoder is None or encoder.unknown_words(query) else encoder.encode_texts([query])[0]
        hits = []
        for record in self.records(between=scope.between, agents=scope.agents, as_of=scope.as_of):
            if not scope.lets_through(record):
                continue
            box, chance = None, 0.95 * (covers(query, record.text) == 1.0)
            if record.embeddings is not None and vector is not None:
                cosines = record.embeddings.astype(np.float32) @ vector
                row = int(cosines.argmax())
                box = tuple(float(x) for x in tile_boxes(256, 256)[row])
                chance = 1 / (1 + math.exp(-encoder.calibration[0] * float(cosines[row]) - encoder.calibration[1]))
            hits.append(replace(recollection_of(record, chance, "compared"), box=box))
        return sorted(hits, key=lambda hit: -hit.probability)[: options.get("k", 5)]


def remember(observations: Sequence[Observation], kind: type[Memory] = Memory) -> Memory:
    memory = kind(encoder=WordEncoder())
    memory.observe_many(observations)
    return memory


KINDS = [ExactMemory, *([Memory] if hasattr(Memory, "recall") else [])]


@pytest.fixture(scope="session", params=KINDS)
def memory(request: pytest.FixtureRequest) -> Memory:
    """The walk with poses."""
    return remember(walk(), request.param)


@pytest.fixture(scope="session", params=KINDS)
def video(request: pytest.FixtureRequest) -> Memory:
    """The same walk as a video has it: without poses."""
    return remember(walk(has_pose=False, agent_id="walk.mp4"), request.param)


@pytest.fixture(params=KINDS)
def build(request: pytest.FixtureRequest) -> Callable[..., Memory]:
    """Makes a memory of moments `(seconds, thing, eye or None, place or None)`."""

    def make(moments: Sequence[tuple[float, str, Any, Any]], tiles: Sequence[int] = (MIDDLE,)) -> Memory:
        rng = np.random.default_rng(1)
        encoder = WordEncoder()
        observations = []
        for stamp_s, name, eye, place in moments:
            views = rng.standard_normal((10, DIM)) * 0.02 + 0.5 * encoder.encode_texts(["kitchen"])[0]
            views[list(tiles)] += 4.0 * encoder.encode_texts([name])[0]
            pose = None if eye is None else look_at(np.array(eye), np.array(place))
            observations.append(Observation(stamp_s=stamp_s, embeddings=views, pose=pose))
        return remember(observations, request.param)

    return make


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest) -> Callable[[], Memory]:
    """Makes an empty memory without an encoder."""
    kind: type[Memory] = request.param
    return lambda: kind()


@pytest.fixture(scope="session", params=KINDS)
def pictured(request: pytest.FixtureRequest) -> Memory:
    """Twelve moments with pictures and words."""
    rng = np.random.default_rng(0)
    memory: Memory = request.param(encoder=WordEncoder())
    for t in range(12):
        rgb = np.full((48, 64, 3), rng.integers(0, 255, 3), np.uint8)
        memory.observe(Observation(stamp_s=float(t), rgb=rgb, text=f"the keys are on shelf {t}"))
    return memory


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running
