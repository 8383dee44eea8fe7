from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.thing_colours import ThingColours, coloured
from placecell.geometry import Camera, pose_from
from placecell.memory.memory import Memory
from placecell.memory.object_states import SceneObject, Sighting
from placecell.memory.records import RecordId
from placecell.perception.colours import NUM_COLOURS
from placecell.perception.detection import Detection
from placecell.perception.observation import Observation

POINT = (0.0, 0.5, -2.0)
NAMES = ("red", "green", "blue", "white")


def seen(box: tuple[float, float, float, float], entry: int | None) -> Detection:
    colours = None if entry is None else (np.eye(NUM_COLOURS)[entry] * 255).astype(np.uint8)
    return Detection(box, 400, (-0.2, 0.3, -2.2), (0.2, 0.7, -1.8), POINT, source="masks", colours=colours)


def thing(*sightings: Sighting) -> SceneObject:
    return SceneObject(
        "a:1", "a", "mug", (("mug", 1.0),), None, POINT, POINT, POINT, len(sightings), 1.0, 0.0, 1.0, "here", 0.0, (),
        sightings,
    )  # fmt: skip


def test_colours_are_those_of_the_views_that_show_it() -> None:
    boxes = (0.1, 0.1, 0.3, 0.3), (0.6, 0.1, 0.8, 0.3)
    with Memory() as memory:
        for step, entries in enumerate([(0, 4), (0, 4), (None, 4)]):
            found = tuple(seen(box, entry) for box, entry in zip(boxes, entries, strict=True))
            memory.observe(
                Observation(
                    float(step), "a", rgb=np.zeros((8, 8, 3), np.uint8), camera=Camera.from_degrees(8, 8, 90.0),
                    pose=pose_from(np.zeros(3), 0.0), detections=found,
                )
            )  # fmt: skip
        views = [record for record in memory.records() if record.detections]
        assert len(views) == 3
        left = [Sighting(view.record_id, view.stamp_s, 0.5, boxes[0]) for view in views]
        right = [replace(sighting, box=boxes[1]) for sighting in left]
        colours = ThingColours(memory)
        first, second = colours.of(thing(*left)), colours.of(thing(*right))
        assert first is not None and second is not None
        assert int(first.argmax()) == 0
        assert int(second.argmax()) == 4
        assert second.sum() == pytest.approx(1.5 * first.sum())
        assert colours.of(thing(left[2])) is None  # it was seen, its colours are not known
        assert colours.of(thing(replace(left[0], record_id=RecordId("a", 99)))) is None
        assert colours.of(thing()) is None


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4), st.lists(st.integers(0, 255), min_size=16, max_size=16))
def test_colours_share_out_what_there_was(chances: list[float], histogram: list[int]) -> None:
    before = dict(zip(NAMES, chances, strict=True))
    after = coloured(before, np.array(histogram, np.uint8))
    assert sum(after.values()) == pytest.approx(sum(before.values()), abs=1e-9)
    assert all((after[name] > 0) == (before[name] > 0) or before[name] < 1e-300 for name in NAMES)


def test_pixels_overrule_an_unsure_encoder_only() -> None:
    green = np.eye(NUM_COLOURS)[4]
    assert max(coloured({"red": 0.6, "green": 0.4}, green).items(), key=lambda item: item[1])[0] == "green"
    assert coloured({"red": 0.6, "green": 0.0}, green) == {"red": 0.6, "green": 0.0}
    assert coloured({"red": 0.6, "green": 0.4}, None) == {"red": 0.6, "green": 0.4}
