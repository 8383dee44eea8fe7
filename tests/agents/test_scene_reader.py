"""Questions about a scene are answered from the objects of the memory, with pictures, or declined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from placecell.agents.goals import parse_mention
from placecell.agents.looking import Looker
from placecell.agents.reader import EvidenceReader
from placecell.agents.resting import rests_on, shelved
from placecell.agents.scene import MappedScene
from placecell.agents.scene_forms import parse_scene_question
from placecell.geometry import Camera, look_at
from placecell.memory.memory import Memory
from placecell.memory.object_states import SceneObject
from placecell.perception.detection import Detection
from placecell.perception.observation import Observation

# name, colour, middle, size; boxes stand on the floor or on what is under them
ROOM = (
    ("table", "white", (0.0, 0.36, -2.0), (1.2, 0.72, 0.8)),
    ("vase", "red", (0.2, 0.97, -2.0), (0.4, 0.5, 0.4)),
    ("chair", "blue", (1.1, 0.45, -2.0), (0.45, 0.9, 0.45)),
    ("chair", "blue", (-1.1, 0.45, -2.0), (0.45, 0.9, 0.45)),
    ("piano", "black", (-3.0, 0.6, -3.0), (1.4, 1.2, 0.6)),
    ("desk", "yellow", (3.2, 0.36, -3.0), (1.2, 0.72, 0.6)),
)
MOVED = tuple(row for row in ROOM if row[0] != "vase") + (("vase", "red", (3.2, 0.97, -3.0), (0.4, 0.5, 0.4)),)


class _Words:
    """An encoder whose vectors are sums of random directions, one per word that names something."""

    name, dim, image_size, calibration, notice = "words", 128, 32, (24.0, -15.0), ""
    prompts = {"object": "{}", "seen": "{}", "colour": "{}", "room": "{}"}

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in text.split() if word in ("zebra", "quantum"))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vector(text) for text in texts])

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([self._vector("view") for _ in images])

    def _vector(self, text: str) -> np.ndarray:
        whole = sum(np.random.default_rng([ord(c) for c in word]).standard_normal(self.dim) for word in text.split())
        return np.asarray(whole / np.linalg.norm(whole), np.float32)


def _view(stamp_s: float, things: Sequence[tuple], eye: tuple[float, float, float]) -> Observation:
    """What a camera that looks around the room sees: every thing, with the surface behind it as depth."""
    encoder, camera = _Words(), Camera(64, 64, math.radians(90))
    pose = look_at(np.array(eye), np.array([0.0, 0.5, -2.5]))
    directions = camera.directions() @ pose[:3, :3].T
    depth = np.full((64, 64), 5.0, np.float32)
    found = []
    for name, colour, middle, size in things:
        low, high = (np.array(middle) - np.array(size) / 2, np.array(middle) + np.array(size) / 2)
        with np.errstate(divide="ignore"):
            a, b = (low - pose[:3, 3]) / directions, (high - pose[:3, 3]) / directions
        near, far = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
        hit = (near < far) & (near > 0.05)
        mask = hit & (near < depth)
        depth = np.where(mask, near, depth).astype(np.float32)
        if hit.sum() < 2:
            continue
        rows, columns = np.nonzero(hit)
        box = (columns.min() / 64, rows.min() / 64, (columns.max() + 1) / 64, (rows.max() + 1) / 64)
        found.append(
            Detection(
                tuple(float(x) for x in box),
                int(hit.sum()) * 9,
                tuple(low.tolist()),
                tuple(high.tolist()),
                tuple(float(x) for x in middle),
                encoder.encode_texts([f"{colour} {name}"])[0],
                ((name, 0.9),),
                source="masks",
            )  # fmt: skip
        )
    rgb = np.zeros((64, 64, 3), np.uint8)
    return Observation(stamp_s, "robot", rgb=rgb, depth_m=depth, camera=camera, pose=pose, detections=tuple(found))


def _walk(things: Sequence[tuple], start_s: float) -> list[Observation]:
    return [_view(start_s + i, things, (2.0 * math.sin(i / 2), 1.2, 1.0 + 0.4 * math.cos(i / 2))) for i in range(14)]


@pytest.fixture(scope="module")
def reader() -> EvidenceReader:
    memory = Memory(encoder=_Words())
    memory.observe_many(_walk(ROOM, 0.0))
    return EvidenceReader(memory)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("What colour is the vase?", "red"),
        ("Is the piano black or white?", "black"),
        ("Is the desk yellow?", True),
        ("Is the desk purple?", False),
        ("How many chairs are there?", 2),
        ("Is there a piano in the house?", True),
        ("Does this house have a bicycle?", False),
        ("What is the vase standing on?", "table"),
        ("Is the vase on the table?", True),
        ("Is the vase on the desk?", False),
        ("Is there anything on the table?", True),
        ("Is the top of the desk empty?", True),
        ("What is on the table?", "vase"),
        ("Is the chair next to the table?", True),
        ("Is the piano next to the desk?", False),
        ("Which is closer to the vase, the table or the piano?", "table"),
        ("Could I make music here?", True),
        ("Could I iron a shirt in this house?", False),
        ("Is there anything that is a musical instrument?", True),
        ("Is the vase on the bathtub?", False),  # nobody saw a bathtub
        ("Is the kettle on the kitchen counter?", True),  # nor these: it is where kettles are
        ("Could I keep a child busy in this house?", False),
    ],
)
def test_closed_questions_are_answered_with_pictures(reader: EvidenceReader, question: str, value: object) -> None:
    answer = reader.ask(question, k=4)
    assert answer.value == value, answer.text
    assert not answer.is_refusal
    assert len(answer.evidence) <= 4
    assert answer.evidence or answer.value is False or answer.probability <= 0.1
    assert all(hit.box is not None for hit in answer.evidence)
    assert 0.0 < answer.probability <= 1.0


@pytest.mark.parametrize(
    "question",
    [
        "What colour is the sofa?",
        "Where is the guitar?",
        "What is the kettle standing on?",
        "Is the bed next to the table?",
        "Has the sofa moved?",
        "Where was the globe before?",
        "Where is the green vase?",
        "Where could I find out what time it is?",
        "Which is closer to the sofa, the table or the desk?",
    ],
)
def test_what_is_not_there_is_declined(reader: EvidenceReader, question: str) -> None:
    answer = reader.ask(question)
    assert answer.is_refusal
    assert answer.probability < 0.2
    assert answer.text.startswith("no match")


def test_choices_are_weighed(reader: EvidenceReader) -> None:
    answer = reader.ask("What could I use here to make music?", choices=["guitar", "piano", "desk", "bed"])
    assert answer.choice_index == 1
    answer = reader.ask("Which of these is on the table?", choices=("A) a book", "B) the vase"))
    assert answer.choice_index == 1
    assert reader.ask("What colour is the vase? A) blue B) red").choice_index == 1


def test_of_two_the_one_that_nobody_saw_is_the_nearer_where_the_other_is_far(reader: EvidenceReader) -> None:
    assert reader.ask("Which is closer to the vase, the globe or the piano?").value == "globe"
    assert reader.ask("Which is closer to the vase, the globe or the table?").value == "table"


def test_what_views_tell_and_the_map_merged_with_its_table_is_found() -> None:
    def seen_from(moment: Observation) -> Observation:
        return replace(moment, detections=tuple(_as_regions(found) for found in moment.detections))

    memory = Memory(encoder=_Words())
    memory.observe_many(seen_from(moment) for moment in _walk(ROOM, 0.0))
    scene = MappedScene(memory, Looker(_Words()))
    assert not any(":glimpse" in thing.object_id for thing in scene.things)  # the map has the vase already

    class _Merged:
        version = 1

        def objects(self, as_of: float | None = None) -> list[SceneObject]:
            return [thing for thing in memory.objects.objects(as_of) if thing.name != "vase"]

    class _Bare:
        objects, places, encoder = _Merged(), memory.places, memory.encoder
        records, get = memory.records, memory.get

    scene = MappedScene(_Bare(), Looker(_Words()))
    found = scene.best(parse_mention("the vase"))
    assert found is not None and ":glimpse" in found.thing.object_id
    assert math.dist(found.thing.position_m, (0.2, 0.97, -2.0)) < 0.1
    carrier = scene.carrier_of(found.thing)
    assert carrier is not None and carrier[0].name == "table"
    assert scene.pictures([found.thing], 0.5)


def _as_regions(found: Detection) -> Detection:
    return replace(found, source="regions")


def test_what_has_boards_holds_things_between_them() -> None:
    def thing(name: str, low: tuple[float, float, float], high: tuple[float, float, float]) -> SceneObject:
        middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        return SceneObject(name, "robot", name, ((name, 1.0),), None, middle, low, high, 9, 1.0, 0.0, 1.0, "here", 0.0,
                           (), (), True)  # fmt: skip

    shelf = thing("bookshelf", (0.0, 0.0, 0.0), (1.0, 2.0, 0.4))
    book, under = thing("book", (0.4, 1.0, 0.1), (0.6, 1.2, 0.3)), thing("ball", (0.4, 0.0, 0.1), (0.6, 0.2, 0.3))
    assert rests_on(book, shelf) == 0.0
    assert shelved(book, shelf) == 1.0
    assert shelved(under, shelf) == 0.0


def test_a_moved_thing_is_noticed() -> None:
    memory = Memory(encoder=_Words())
    memory.observe_many(_walk(ROOM, 0.0))
    memory.observe_many(_walk(MOVED, 100.0))
    reader = EvidenceReader(memory)
    assert reader.ask("Has the vase moved?").value is True
    assert reader.ask("Is the vase still where it was?").value is False
    assert reader.ask("Has the piano moved?").value is False
    assert reader.ask("Is the vase gone?").value is False
    assert reader.ask("What is the vase standing on?").value == "desk"
    assert reader.ask("Which of these has been moved?", choices=["the piano", "the vase"]).choice_index == 1
    assert reader.ask("Has the vase moved?", as_of=50.0).value is False


def test_what_left_its_place_was_moved_wherever_it_is_now() -> None:
    memory = Memory(encoder=_Words())
    memory.observe_many(_walk(ROOM, 0.0))
    memory.observe_many(_walk(tuple(row for row in ROOM if row[0] != "vase"), 100.0))
    reader = EvidenceReader(memory)
    assert reader.ask("Is the vase gone?").value is True
    assert reader.ask("Has the vase been moved?").value is True
    assert reader.ask("Has the piano been moved?").value is False
    assert reader.ask("Which of these has been moved?", choices=["the piano", "the vase"]).choice_index == 1


def test_a_film_has_no_scene_and_is_read_as_before() -> None:
    memory = Memory(encoder=_Words())
    memory.observe_many(Observation(float(t), text="the keys are on the shelf") for t in range(3))
    assert "shelf" in EvidenceReader(memory).ask("Where are the keys?").text


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Where could I wash my hands?", "place_for"),
        ("Is there a door between the kitchen and the hallway?", "door"),
        ("Can I walk directly from the hall into the study?", "door"),
        ("Which room is the largest?", "room_size"),
        ("What rooms are there?", "rooms"),
        ("Which rooms does the house have?", "rooms"),
        ("How many rooms did I see in the house?", "num_rooms"),
        ("How many bedrooms are there?", "how_many"),
        ("What is next to the sofa?", "next_to"),
        ("Did the teddy bear move?", "moved"),
        ("Is the teddy bear still there?", "gone"),
        ("Where was the ball before it was moved?", "was_where"),
        ("What has changed?", "changed"),
        ("Is the kettle in the kitchen?", "is_in"),
        ("Which of these is in the office?", "which_is"),
        ("Does anyone here ride a bike?", "any_is"),
        ("When did I see the vase?", None),
        ("What did I see after the sofa?", None),
    ],
)
def test_forms_are_told_apart(question: str, kind: str | None) -> None:
    asked = parse_scene_question(question)
    assert (asked.kind if asked else None) == kind


@pytest.mark.slow
def test_rooms_are_told_and_counted() -> None:
    from placecell.envs.building import House
    from placecell.envs.house import HouseEnv, tour
    from placecell.perception.objects import MaskDetector

    env = HouseEnv(House.generate(2_000_003), resolution=(96, 96), max_steps=600)
    memory = Memory(encoder="builtin", detector=MaskDetector({one.id: one.category for one in env.house.objects}))
    observation, _ = env.reset(seed=0)
    for i, action in enumerate(tour(env, max_steps=300)):
        observation, *_ = env.step(action)
        memory.observe(
            Observation(stamp_s=float(i), rgb=observation["rgb"], depth_m=observation["depth"], camera=env.camera,
                        pose=observation["pose"], instances=observation["semantic"])
        )  # fmt: skip
    reader = EvidenceReader(memory)
    told = reader.ask("What rooms are there?")
    assert sorted(told.value) == sorted(room.name for room in memory.places.rooms(memory.objects.objects()))
    assert told.evidence and reader.ask("How many rooms does the house have?").value == len(told.value) > 1
