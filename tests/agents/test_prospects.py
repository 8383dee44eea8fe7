"""Which of several things is gone to, and which is worth a look on the way."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.goals import Goal
from placecell.agents.inklings import Inklings, View
from placecell.agents.matching import Matcher
from placecell.agents.navigator import NavigatorConfig
from placecell.agents.planner import Experience
from placecell.agents.prospects import Candidate, Prospects
from placecell.agents.roaming import Reach, Roamer
from placecell.agents.room_priors import RoomPriors
from placecell.agents.surroundings import Surroundings
from placecell.geometry import Camera
from placecell.memory.memory import Memory
from placecell.memory.object_states import SceneObject, State
from placecell.memory.places import Frontier
from placecell.memory.records import RecordId
from placecell.perception.detection import Detection
from placecell.perception.encoders import open_encoder

ENCODER = open_encoder("builtin", threads=1)
SPOT = (0.0, 0.0, 0.0)


def prospects(goal: Goal | str = "mug") -> Prospects:
    experience = Experience(Memory(ENCODER), Camera(32, 32))
    around, roamer = Surroundings(experience, RoomPriors()), Roamer(experience)
    around.begin(experience, roamer)
    goal = Goal.from_text(goal) if isinstance(goal, str) else goal
    return Prospects(Matcher(goal, ENCODER), NavigatorConfig(), around, roamer)


def candidate(number: int, chance: float, metres: float) -> Candidate:
    thing = SceneObject(
        f"a:{number}", "a", "mug", (("mug", 1.0),), None, SPOT, SPOT, SPOT, 5, 1.0, 0.0, 1.0, "here", 0.0, (), ()
    )
    return Candidate(thing, chance, metres)


def reach(metres: float, share: float = 0.3) -> Reach:
    return Reach(cast("Frontier", SimpleNamespace(frontier_id=1)), metres, 4 * metres, share)


def test_of_things_about_as_likely_the_nearest_is_taken() -> None:
    far, near, unlike = candidate(1, 0.9, 8.0), candidate(2, 0.8, 2.0), candidate(3, 0.5, 0.5)
    assert prospects("mug").best([far, near, unlike]) is near
    # Exactly one is meant: what is clearly likelier is gone to, however far it is.
    assert prospects("the red mug").best([far, near, unlike]) is far
    assert prospects().best([]) is None


def test_what_is_gone_to_already_is_not_given_up_for_a_little() -> None:
    here, there = candidate(1, 0.9, 3.0), candidate(2, 0.9, 2.5)
    assert prospects().best([here, there]) is there
    assert prospects().best([here, there], here.thing) is here


@pytest.mark.parametrize(
    ("metres", "beyond_m", "share", "is_worth"),
    [(1.0, 4.0, 0.3, True), (6.0, 2.0, 0.3, False), (6.0, 20.0, 0.3, True), (6.0, 2.0, 0.02, True)],
)
def test_an_unlikely_thing_is_worth_a_look_when_it_is_near_or_little_else_is_left(
    metres: float, beyond_m: float, share: float, is_worth: bool
) -> None:
    found = prospects().worth_a_look([candidate(1, 0.2, metres)], [reach(beyond_m, share)])
    assert (found is not None) == is_worth
    assert prospects().worth_a_look([candidate(1, 0.2, metres)], []) is not None
    assert prospects().worth_a_look([candidate(1, 0.1, metres)], []) is None


@pytest.mark.parametrize(
    ("text", "name", "red", "at_once", "at_last"),
    [
        ("the red mug", 0.9, 1.0, True, True),
        ("the red mug in the kitchen", 0.9, 0.3, False, True),  # no room is known: much less may still be it
        ("the red mug in the kitchen", 0.9, 0.05, False, False),  # it is of another colour
        ("the red mug in the kitchen", 0.1, 1.0, False, False),  # it is hardly a mug
        ("mug", 0.2, 0.05, False, True),
        ("mug", 0.05, 1.0, False, False),
    ],
)
def test_little_is_enough_at_last_but_not_in_name_and_colour(
    text: str, name: float, red: float, at_once: bool, at_last: bool
) -> None:
    judge = prospects(text)
    fits = name * (red if "red" in text else 1.0)
    judge._matcher.detection_chance = lambda found: fits  # type: ignore[method-assign]
    option = candidate(1, fits * (0.6 if "kitchen" in text else 1.0), 1.0)
    assert (judge.takes(option, is_last=False), judge.takes(option, is_last=True)) == (at_once, at_last)


@pytest.mark.parametrize(("chance", "at_once"), [(0.4, False), (0.6, True)])
def test_what_looks_somewhat_like_a_picture_is_taken_only_once_all_was_seen(chance: float, at_once: bool) -> None:
    judge = prospects(Goal.from_image(np.zeros((32, 32, 3), np.uint8)))
    option = candidate(1, chance, 1.0)
    assert judge.takes(option, is_last=False) == at_once and judge.takes(option, is_last=True)
    assert prospects("mug").takes(option, is_last=False)  # one of a kind is as good as another


@pytest.mark.parametrize(
    ("state", "chance", "is_taken"), [("unsure", 0.9, False), ("here", 0.9, True), ("here", 0.3, False)]
)
def test_single_views_must_agree_and_be_sure_even_at_last(state: State, chance: float, is_taken: bool) -> None:
    known = candidate(1, chance, 1.0)
    seen = Candidate(replace(known.thing, state=state), chance, 1.0, is_inkling=True)
    assert prospects().takes(seen, is_last=True) == prospects().takes(seen, is_last=False) == is_taken


def test_of_two_that_look_like_the_picture_the_likelier_is_gone_to_unless_the_other_is_at_hand() -> None:
    judge = prospects(Goal.from_image(np.zeros((32, 32, 3), np.uint8)))
    right, twin = candidate(1, 0.97, 6.0), candidate(2, 0.95, 1.0)
    assert judge.best([right, twin]) is right
    assert judge.best([right, candidate(2, 0.969, 1.0)]) is not right
    assert judge.best([right, twin], twin.thing) is twin  # no going to and fro
    assert judge.best([right, candidate(2, 0.9, 1.0)], twin.thing) is right


@pytest.mark.parametrize(("name", "is_found"), [("mug", True), ("piano", False)])
def test_single_views_tell_of_small_things_only(name: str, is_found: bool) -> None:
    judge = prospects(name)
    judge._matcher.detection_chance = lambda found: 0.9  # type: ignore[method-assign]
    judge._inklings = Inklings(lambda found: 0.9)
    judge._roamer.metres_to = lambda point: 1.0  # type: ignore[method-assign]
    seen = Detection(
        (0.1, 0.1, 0.3, 0.3), 300, (0.0, 0.7, 0.0), (0.2, 0.9, 0.2), (0.1, 0.8, 0.1), labels=((name, 0.9),)
    )
    judge._around.views += [View(RecordId("a", number), float(number), seen) for number in (1, 2)]
    found = judge.inkling(is_last=True)
    assert (found is not None) == is_found
    if found is not None:
        assert judge.takes(found, is_last=True)
        judge.missed.add(found.thing.object_id)  # no view from near showed it
        assert not judge.takes(found, is_last=True) and judge.inkling(is_last=True) is None


JUDGE, ONE = prospects("mug"), prospects("the red mug")


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 30.0)), min_size=1, max_size=8), st.booleans())
def test_the_best_is_never_much_less_likely_than_another(rows: list[tuple[float, float]], is_unique: bool) -> None:
    options = [candidate(i, chance, metres) for i, (chance, metres) in enumerate(rows)]
    best = (ONE if is_unique else JUDGE).best(options)
    assert best is not None and best.chance >= (0.92 if is_unique else 0.8) * max(option.chance for option in options)
    assert math.isclose(JUDGE.settle, 4 * ONE.settle)  # a description has many signs that must all fit
