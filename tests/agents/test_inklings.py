"""Views that fit the goal are put together by place, and gone near before a goal is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.inklings import Inklings, View
from placecell.memory.object_states import SceneObject
from placecell.memory.records import RecordId
from placecell.perception.detection import Detection

Point = tuple[float, float, float]


def view(seq: int, at: Point, chance: float) -> View:
    low, high = (at[0] - 0.1, at[1] - 0.1, at[2] - 0.1), (at[0] + 0.1, at[1] + 0.1, at[2] + 0.1)
    found = Detection((0.4, 0.4, 0.5, 0.5), 90, low, high, at, labels=(("bottle", 0.3), ("kettle", chance)))
    return View(RecordId("robot", seq), float(seq), found)


def is_kettle(found: Detection | SceneObject) -> float:
    return dict(found.labels)["kettle"]


def test_views_of_one_place_make_one_thing_with_the_look_of_the_best() -> None:
    views = [view(1, (1.0, 0.8, 1.0), 0.6), view(2, (1.1, 0.8, 1.0), 0.9), view(3, (4.0, 0.8, 1.0), 0.7)]
    first, second = Inklings(is_kettle).things([*views, view(4, (1.0, 0.8, 1.1), 0.2)])
    assert (first.name, first.share("kettle"), first.num_sightings) == ("kettle", 0.9, 2)
    assert first.sightings[0].record_id == RecordId("robot", 2) and first.position_m == (1.1, 0.8, 1.0)
    assert (second.num_sightings, second.position_m) == (1, (4.0, 0.8, 1.0))
    assert second.confidence < first.confidence


@pytest.mark.parametrize(("others", "state"), [(1, "here"), (4, "unsure")])
def test_most_views_of_what_is_there_decide(others: int, state: str) -> None:
    fitting = [view(i, (1.0, 0.8, 1.0), 0.9) for i in range(2)]
    against = [view(i, (1.1, 0.8, 1.0), 0.05) for i in range(2, 2 + others)]
    large = [
        replace(each, found=replace(each.found, low_m=(0.6, 0.4, 0.6), high_m=(1.4, 1.2, 1.4))) for each in against
    ]
    elsewhere = [view(i, (2.0, 0.8, 1.0), 0.05) for i in range(6, 12)]
    for order in ([*fitting, *against], [*against, *fitting], [*fitting, *elsewhere, *large, *against]):
        (thing,) = Inklings(is_kettle).things(order)
        assert thing.state == state and thing.num_sightings == 2
    (thing,) = Inklings(is_kettle).things([*fitting, *elsewhere, *large])
    assert thing.state == "here"


def test_nothing_fits_nothing_is_told() -> None:
    assert Inklings(is_kettle).things([]) == []
    assert Inklings(is_kettle).things([view(1, (0.0, 0.0, 0.0), 0.49)]) == []


places = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.floats(0.0, 1.0)), max_size=20)


@given(places, st.integers(0, 20))
def test_ids_stay_and_news_add_up_as_if_all_had_come_at_once(seen: list[tuple[float, float]], cut: int) -> None:
    views = [view(i, (x, 0.5, 0.0), chance) for i, (x, chance) in enumerate(seen)]
    inklings = Inklings(is_kettle)
    before = {thing.object_id: thing.position_m for thing in inklings.things(views[:cut])}
    after = inklings.things(views)
    whole = Inklings(is_kettle).things(views)
    assert [(t.object_id, t.num_sightings, t.share("kettle"), t.state) for t in after] == [
        (t.object_id, t.num_sightings, t.share("kettle"), t.state) for t in whole
    ]
    assert all(math.dist(t.position_m, before.get(t.object_id, t.position_m)) < 0.4 for t in after)
    assert sum(t.num_sightings for t in after) == sum(chance >= 0.5 for _, chance in seen)
    assert np.all(np.diff([t.share("kettle") for t in after]) <= 0) and len({t.position_m for t in after}) == len(after)


@pytest.mark.parametrize("num_views", [1, 4])
def test_what_was_seen_oftener_is_likelier(num_views: int) -> None:
    (thing,) = Inklings(is_kettle).things([view(i, (0.0, 0.5, 0.0), 0.8) for i in range(num_views)])
    assert 0.5 < thing.confidence < 0.6 if num_views == 1 else thing.confidence > 0.8
