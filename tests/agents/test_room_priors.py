from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.room_priors import RoomPriors
from placecell.memory.object_states import SceneObject
from placecell.memory.rooms import Room

KINDS = ("kitchen", "bedroom", "office")
THINGS = ("kettle", "bed", "laptop")
rows = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(KINDS), st.floats(0.1, 3.0), min_size=1),
        st.dictionaries(st.sampled_from(THINGS), st.floats(0.0, 1.0)),
    ),
    max_size=12,
)
Rows = list[tuple[dict[str, float], dict[str, float]]]


def counted(many: Rows) -> RoomPriors:
    priors = RoomPriors()
    for kinds, held in many:
        priors.count(list(kinds.items()), held)
    return priors


@given(rows, st.dictionaries(st.sampled_from(KINDS), st.floats(0.1, 2.0)))
def test_a_factor_is_bounded_and_what_was_never_seen_says_nothing(many: Rows, room: dict[str, float]) -> None:
    priors, kinds = counted(many), list(room.items())
    for name in THINGS:
        assert 1 / 3 <= priors.factor({name: 1.0}, kinds) <= 3
    assert priors.factor({"violin": 1.0}, kinds) == 1.0 and priors.factor({"bed": 1.0}, []) == 1.0


@given(rows, rows, st.sampled_from(THINGS), st.sampled_from(KINDS))
def test_two_lives_count_as_one(first: Rows, second: Rows, name: str, kind: str) -> None:
    both, one = counted(first).plus(counted(second)), counted([*first, *second])
    assert both.num_rooms == pytest.approx(one.num_rooms)
    assert both.factor({name: 1.0}, [(kind, 1.0)]) == pytest.approx(one.factor({name: 1.0}, [(kind, 1.0)]))


def test_rooms_that_held_a_thing_promise_more_and_a_said_room_most() -> None:
    priors = counted([({"kitchen": 1.0}, {"kettle": 0.9}), ({"bedroom": 1.0}, {"bed": 1.0})] * 3)
    assert priors.factor({"kettle": 1.0}, [("kitchen", 1.0)]) > 1.5 > priors.factor({"kettle": 1.0}, [("bedroom", 1.0)])
    unsure = priors.factor({"kettle": 1.0}, [("kitchen", 1.0), ("bedroom", 1.0)])
    assert unsure == pytest.approx(1.0)
    assert priors.factor({"kettle": 1.0}, [("bedroom", 1.0)], said="bedroom") > 1.5
    assert priors.factor({"kettle": 1.0}, [("kitchen", 1.0)], said="bedroom") < 0.5


def test_it_learns_from_the_rooms_and_things_of_a_map() -> None:
    def thing(number: int, name: str, state: str = "here") -> SceneObject:
        spot = (0.0, 0.0, 0.0)
        labels = ((name, 0.8), ("box", 0.2))
        return SceneObject(
            f"a:{number}", "a", name, labels, None, spot, spot, spot, 5, 1.0, 0.0, 1.0, state, 0.0, (), ()
        )

    def room(number: int, kind: str, *ids: str) -> Room:
        middle, mask = np.zeros(3), np.ones((2, 2), bool)
        names = ((kind, 2.0),) if kind else ()
        return Room(f"r{number}", kind, names, 0, middle, 9.0, mask, middle, middle, ids)

    things = [thing(0, "kettle"), thing(1, "bed"), thing(2, "laptop", "gone")]
    rooms = [room(0, "kitchen", "a:0", "a:2"), room(1, "bedroom", "a:1"), room(2, "", "a:1")]
    priors = RoomPriors().learn(rooms, things)
    assert priors.num_rooms == 2
    assert priors.factor({"kettle": 1.0}, [("kitchen", 1.0)]) > 1 > priors.factor({"kettle": 1.0}, [("bedroom", 1.0)])
    assert priors.factor({"laptop": 1.0}, [("kitchen", 1.0)]) == 1.0


def test_bad_smoothing_is_told() -> None:
    with pytest.raises(ValueError, match="smoothing must be positive, got 0.0"):
        RoomPriors(0.0)
