"""What tests of a memory need, and the conformance suite that every memory must pass, other people's included.

import pytest
from placecell.memory.testing import CHECKS

@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check, tmp_path):
    check(lambda: Memory.open(tmp_path / "m", encoder=HashEncoder()))
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from placecell.memory.delta import Delta
from placecell.memory.memory import Memory
from placecell.memory.records import Record, RecordId
from placecell.perception.observation import Observation

__all__ = ["CHECKS", "HashEncoder", "plain_image", "same_record", "walk", "write_forever"]

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}


class HashEncoder:
    """A tiny deterministic encoder: a text is the sum of its words' random directions, a picture that of its colours.

    It knows that a red picture and the word "red" belong together, and nothing else; it loads nothing.

    Example:
        >>> encoder = HashEncoder()
        >>> picture, = encoder.encode_images([plain_image("red")])
        >>> red, blue = encoder.encode_texts(["red", "blue"])
        >>> bool(picture @ red > picture @ blue)
        True
    """

    def __init__(self, dim: int = 64, name: str = "hash") -> None:
        self.dim = dim
        self.name = f"{name}-{dim}"
        self.image_size = 32
        self.calibration: tuple[float, float] | None = None
        self.prompts: Mapping[str, str] = {}
        self.notice = ""
        self._directions: dict[str, np.ndarray] = {}
        self.num_images = 0  # how often it was asked

    def _direction(self, word: str) -> np.ndarray:
        if word not in self._directions:
            seed = int.from_bytes(hashlib.blake2b(f"{self.name}:{word}".encode(), digest_size=8).digest(), "big")
            vector = np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)
            self._directions[word] = vector / np.linalg.norm(vector)
        return self._directions[word]

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of images by their shares of eight colours."""
        names = np.stack([self._direction(name) for name in COLOURS])
        palette = np.array(list(COLOURS.values()), dtype=np.float32)
        found = np.empty((len(images), self.dim), np.float32)
        for row, image in zip(found, images, strict=True):
            self.num_images += 1
            pixels = np.asarray(image, np.float32).reshape(-1, 3)[:: max(1, np.asarray(image).size // 3 // 1024)]
            nearest = ((pixels[:, None, :] - palette[None]) ** 2).sum(-1).argmin(1)
            row[:] = np.bincount(nearest, minlength=len(palette)).astype(np.float32) @ names
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """Unit vectors of texts by their words."""
        found = np.empty((len(texts), self.dim), np.float32)
        for row, text in zip(found, texts, strict=True):
            words = re.findall(r"\w+", text.lower()) or [""]
            row[:] = np.sum([self._direction(word) for word in words], axis=0)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: every word has a direction."""
        return ()


def plain_image(colour: str, size: int = 32) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """A square of one colour."""
    return np.full((size, size, 3), COLOURS[colour], np.uint8)


def walk(
    seed: int,
    num: int,
    agent_id: str = "agent",
    dim: int = 64,
    tiles: int = 0,
    start_s: float = 0.0,
    words: Sequence[str] = ("door", "table", "lamp", "mug", "keys", "sofa"),
) -> list[Observation]:
    """A seeded stream like a camera's: vectors that drift and now and then jump, positions of a walk, some words.

    Args:
        seed: Same seed, same stream.
        num: Moments.
        agent_id: Whose.
        dim: Length of the vectors.
        tiles: Vectors of each moment besides the first.
        start_s: Stamp of the first; one a second.
        words: Every fifth moment or so says two of them.
    """
    rng = np.random.default_rng([seed, *agent_id.encode()])
    view, position = rng.standard_normal(dim), np.zeros(3)
    found = []
    for i in range(num):
        if rng.random() < 0.05:
            view = rng.standard_normal(dim)
        view = view + 0.2 * rng.standard_normal(dim)
        position = position + rng.normal(0.0, 0.3, 3) * (1, 0, 1)
        pose = np.eye(4)
        pose[:3, 3] = position
        text = " ".join(rng.choice(words, 2)) if rng.random() < 0.2 else None
        found.append(
            Observation(
                stamp_s=start_s + i,
                agent_id=agent_id,
                embeddings=view + (0.3 * rng.standard_normal((1 + tiles, dim)) if tiles else np.zeros((1, dim))),
                pose=pose,
                text=text,
                labels=("even",) if i % 2 == 0 else (),
            )
        )
    return found


def same_record(a: Record, b: Record) -> bool:
    """Whether two records are equal, arrays included."""
    arrays = ((a.embeddings, b.embeddings), (a.text_embedding, b.text_embedding), (a.pose, b.pose))
    if not all(
        (x is None and y is None) or (x is not None and y is not None and np.array_equal(x, y)) for x, y in arrays
    ):
        return False
    names = (
        "record_id",
        "kind",
        "stamp_s",
        "end_s",
        "text",
        "labels",
        "source",
        "is_event_start",
        "target",
        "recorded_s",
    )
    return all(getattr(a, name) == getattr(b, name) for name in names)


def write_forever(folder: str | Path, seed: int) -> None:
    """Write random moments until the process is killed, printing each id once it was returned.

    It lives here, and not in a test, so that another process can run it.
    """
    rng = random.Random(seed)
    with Memory.open(folder, encoder=HashEncoder()) as memory:
        stamp_s = max((record.stamp_s for record in memory.records(agents=["crash"])), default=0.0)
        while True:
            batch = []
            for _ in range(rng.choice((1, 1, 1, 1, 7))):
                stamp_s += 1.0
                vectors = np.random.default_rng(int(stamp_s)).standard_normal((rng.choice((1, 4)), 64))
                picture = plain_image(rng.choice(list(COLOURS))) if rng.random() < 0.3 else None
                text = f"note {int(stamp_s)}" if rng.random() < 0.3 else None
                batch.append(Observation(stamp_s, "crash", rgb=picture, embeddings=vectors, text=text))
            ids = memory.observe_many(batch, journal={"last_s": stamp_s})
            if rng.random() < 0.02:
                ids.append(memory.retract(rng.choice(ids), reason="by chance"))
            if rng.random() < 0.02:
                memory.flush()
            print("\n".join(map(str, ids)), flush=True)


# --- the conformance suite --------------------------------------------------------------------------------------------


def check_ids_are_given_in_order(make: Callable[[], Memory]) -> None:
    """An agent's records are numbered 1, 2, ...; a moment with words gives two."""
    with make() as memory:
        ids = memory.observe(Observation(0.0, "a", rgb=plain_image("red"), text="a red wall"))
        ids += memory.observe(Observation(1.0, "a", text="later"))
        ids += memory.observe(Observation(0.0, "b", text="somebody else"))
        assert ids == [RecordId("a", 1), RecordId("a", 2), RecordId("a", 3), RecordId("b", 1)]
        assert [memory.get(i).kind for i in ids] == ["moment", "text", "text", "text"]
        assert memory.agents() == ("a", "b") and len(memory) == 4 and memory.version() == {"a": 3, "b": 1}


def check_records_come_back_as_given(make: Callable[[], Memory]) -> None:
    """What `get` returns is what `observe` was given."""
    pose = np.eye(4)
    pose[:3, 3] = (1.0, 2.0, 3.0)
    vectors = np.random.default_rng(0).standard_normal((3, 64))
    given = Observation(2.5, "a", embeddings=vectors, pose=pose, labels=("x", "y"), end_s=4.0, source="clip.mp4")
    with make() as memory:
        record = memory.get(memory.observe(given)[0])
        assert (record.stamp_s, record.end_s, record.source, record.labels) == (2.5, 4.0, "clip.mp4", ("x", "y"))
        assert record.position_m == (1.0, 2.0, 3.0)
        assert record.embeddings is not None and given.embeddings is not None
        np.testing.assert_allclose(record.embeddings.astype(np.float32), given.embeddings, atol=1e-3)


def check_backward_stamps_write_nothing(make: Callable[[], Memory]) -> None:
    """A stamp before the agent's last one is refused, and with it the whole batch."""
    with make() as memory:
        memory.observe(Observation(5.0, "a", text="now"))
        for stamps in ((4.0,), (6.0, 7.0, 6.5)):
            try:
                memory.observe_many([Observation(stamp, "a", text="then") for stamp in stamps])
            except ValueError as error:
                assert "backwards" in str(error) and "\n" not in str(error)
            else:
                raise AssertionError("a stamp that runs backwards must be refused")
        assert len(memory) == 1
        memory.observe(Observation(5.0, "a", text="at the same time"))
        memory.observe(Observation(0.0, "b", text="another clock"))


def check_retraction_hides_and_history_shows(make: Callable[[], Memory]) -> None:
    """A retracted record is not recalled, but its history and the past know it; taking that back restores it."""
    with make() as memory:
        (wrong,) = memory.observe(Observation(1.0, "a", text="the keys are in the drawer"))
        memory.observe(Observation(9.0, "a", text="nothing here"))
        taken_back = memory.retract(wrong, reason="they are not")
        assert memory.is_retracted(wrong) and not memory.is_retracted(wrong, as_of=8.0)
        assert [r.record_id for r in memory.history(wrong)] == [wrong, taken_back]
        assert all(hit.record_id != wrong for hit in memory.recall("keys drawer"))
        assert any(hit.record_id == wrong for hit in memory.recall("keys drawer", as_of=8.0))
        assert wrong not in [record.record_id for record in memory.records()]
        memory.retract(taken_back, reason="they are after all")
        assert not memory.is_retracted(wrong)
        assert any(hit.record_id == wrong for hit in memory.recall("keys drawer"))


def check_recall_finds_and_filters(make: Callable[[], Memory]) -> None:
    """Words, a picture and a vector find the same view; predicates are exact; an empty question is refused."""
    encoder = HashEncoder()
    with make() as memory:
        assert memory.recall("red") == [] and memory.recall(np.ones(64)) == []
        for i, colour in enumerate(("blue", "red", "green", "white", "yellow")):
            pose = np.eye(4)
            pose[0, 3] = 10.0 * i
            memory.observe(Observation(10.0 * i, "a", rgb=plain_image(colour), pose=pose, labels=(colour[0],)))
        queries = ("red", plain_image("red"), encoder.encode_texts(["red"])[0])
        assert [memory.recall(query, k=1)[0].record_id for query in queries] == [RecordId("a", 2)] * 3
        assert [hit.stamp_s for hit in memory.recall("red", between=(15.0, 25.0))] == [20.0]
        assert [hit.stamp_s for hit in memory.recall("red", near=((30.0, 0.0, 0.0), 1.0))] == [30.0]
        assert [hit.stamp_s for hit in memory.recall("red", labels=["y"])] == [40.0]
        assert memory.recall("red", agents=["b"]) == []
        assert sorted(hit.stamp_s for hit in memory.recall("red", as_of=10.0)) == [0.0, 10.0]
        for query in ("", "  "):
            try:
                memory.recall(query)
            except ValueError:
                continue
            raise AssertionError("an empty question must be refused")


def check_merging_is_idempotent(make: Callable[[], Memory]) -> None:
    """A delta brings what is missing, once, whatever its way over the wire."""
    with Memory(HashEncoder()) as source, make() as memory:
        source.observe_many(walk(0, 30, "far"))
        memory.observe_many(walk(1, 10, "near"))
        delta = Delta.from_bytes(source.delta(memory.version()).to_bytes())
        assert memory.merge(delta) == len(source) and memory.merge(delta) == 0
        assert memory.version() == {**source.version(), **{"near": memory.version()["near"]}}
        assert all(same_record(record, memory.get(record.record_id)) for record in source.records())
        assert len(source.delta(memory.version())) == 0


CHECKS: tuple[Callable[[Callable[[], Memory]], None], ...] = (
    check_ids_are_given_in_order,
    check_records_come_back_as_given,
    check_backward_stamps_write_nothing,
    check_retraction_hides_and_history_shows,
    check_recall_finds_and_filters,
    check_merging_is_idempotent,
)
