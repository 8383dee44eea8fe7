"""What close looks at things change, and where a value map is highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.close_looks import CloseLooks
from placecell.agents.values import CELL_M, ValueMap
from placecell.memory.object_states import SceneObject
from placecell.perception.detection import Detection

LOW, HIGH = (1.0, 0.4, 1.0), (1.4, 0.8, 1.4)
MUG = SceneObject(
    "robot:1", "robot", "mug", (("mug", 0.8),), None, (1.2, 0.6, 1.2), LOW, HIGH, 5, 0.9, 0.0, 1.0, "here", 0.0, (), ()
)
FAR_MUG = replace(MUG, object_id="robot:2", low_m=(5.0, 0.4, 1.0), high_m=(5.4, 0.8, 1.4), position_m=(5.2, 0.6, 1.2))
VIEW = Detection((0.4, 0.4, 0.6, 0.6), 400, LOW, HIGH, (1.2, 0.6, 1.2), labels=(("mug", 0.4),))


def named_mug(found: Detection | SceneObject) -> float:
    return dict(found.labels).get("mug", 0.0)


def looks_after(views: Sequence[Detection], x: float = 0.0) -> CloseLooks:
    looks = CloseLooks(named_mug)
    for view in views:
        looks.add([view], np.array([x, 1.0, 1.0]), [MUG, FAR_MUG])
    return looks


def test_views_that_say_less_than_the_map_make_a_thing_less_likely() -> None:
    assert looks_after([VIEW]).factor(MUG) == 1.0  # one is none
    looks = looks_after([VIEW, VIEW])
    assert looks.factor(MUG) == pytest.approx(0.75) and looks.factor(FAR_MUG) == 1.0


def test_views_that_say_more_make_it_likelier() -> None:
    assert looks_after([replace(VIEW, labels=(("mug", 1.0),))] * 3).factor(MUG) == pytest.approx(1.125)


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, is_cut=True),
        replace(VIEW, position_m=(1.2, 1.1, 1.2), high_m=(1.4, 1.3, 1.4)),
        replace(VIEW, low_m=(1.15, 0.55, 1.15), high_m=(1.25, 0.65, 1.25)),
    ],
    ids=["cut off", "above it", "far smaller"],
)
def test_what_is_no_whole_view_of_it_says_nothing(view: Detection) -> None:
    assert looks_after([view] * 3).at(MUG) == []


def test_a_far_view_says_nothing() -> None:
    assert looks_after([VIEW] * 3, x=-2.0).at(MUG) == []


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_the_last_six_count_and_at_least_half_of_the_map_stays(chances: list[float]) -> None:
    looks = looks_after([replace(VIEW, labels=(("mug", chance),)) for chance in chances])
    assert looks.at(MUG) == chances[-6:]
    assert looks.factor(MUG) == pytest.approx(0.5 + 0.5 * float(np.mean(chances[-6:])) / 0.8)


def test_peaks_are_taken_highest_first_and_none_twice() -> None:
    values = ValueMap()
    values.value = np.zeros((64, 64), np.float32)
    values.confidence = np.ones((64, 64), np.float32)
    values.value[10, 20], values.value[12, 22], values.value[50, 50] = 0.9, 0.8, 0.4
    first = values.peak(0.3)
    assert first == pytest.approx((20.5 * CELL_M, 10.5 * CELL_M))
    assert first is not None
    second = values.peak(0.3, [first])
    assert second == pytest.approx((50.5 * CELL_M, 50.5 * CELL_M))
    assert second is not None and values.peak(0.3, [first, second]) is None and values.peak(0.95) is None
