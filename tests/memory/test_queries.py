"""The question parser: keys of a question, and that nothing breaks it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.queries import content_words, parse_query, seconds, singular


@pytest.mark.parametrize(
    ("text", "semantic", "kind"),
    [
        ("red mug", "red mug", "what"),
        ("When did I see the red mug?", "red mug", "when"),
        ("Where's the dog?", "dog", "where"),
        ("How many chairs did I see in the kitchen?", "chair in the kitchen", "count"),
        ("what color is the sofa?", "sofa", "colour"),
        ("In which room did I see the piano?", "piano", "room"),
        ("Is there a piano?", "piano", "exists"),
        ("Did the robot ever see a green plant?", "green plant", "exists"),
        ("Has the red mug moved?", "red mug", "moved"),
        ("What did they say about the keys?", "keys", "said"),
        ("Show me the first aid kit", "first aid kit", "what"),
        ("the door on the left", "door on the left", "what"),
        ("What happened?", "", "summary"),
    ],
)
def test_scaffolding_is_taken_off(text: str, semantic: str, kind: str) -> None:
    query = parse_query(text)
    assert (query.semantic, query.kind) == (semantic, kind)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("red mug after 10:30", (630.0, math.inf)),
        ("red mug between 00:05 and 00:10", (5.0, 10.0)),
        ("red mug from 10 to 20 seconds", (10.0, 20.0)),
        ("red mug between 2 and 4 minutes", (120.0, 240.0)),
        ("red mug in the first minute", (0.0, 60.0)),
        ("red mug in the last two minutes", (880.0, 1000.0)),
        ("red mug at the end", (900.0, 1000.0)),
        ("red mug at the beginning of the video", (0.0, 100.0)),
        ("red mug until 1:00", (0.0, 60.0)),
        ("red mug at 1:20", (75.0, 85.0)),
        ("red mug after 1:00 and before 2:00", (60.0, 120.0)),
        ("red mug", None),
    ],
)
def test_time_phrases_become_intervals(text: str, window: tuple[float, float] | None) -> None:
    query = parse_query(text)
    assert query.semantic == "red mug"
    assert query.window(0.0, 1000.0) == window


@pytest.mark.parametrize(
    ("text", "order", "anchor"),
    [
        ("When did I first see the red mug?", "first", None),
        ("when was the red mug last seen?", "last", None),
        ("What did I see before the red mug?", "before", "red mug"),
        ("What did I see right after the sofa?", "after", "sofa"),
        ("When do I see the second book?", None, None),
        ("mugs before 2 minutes", None, None),
    ],
)
def test_order_and_anchor(text: str, order: str | None, anchor: str | None) -> None:
    query = parse_query(text)
    assert (query.order, query.anchor) == (order, anchor)


def test_places_and_coordinates_become_spatial_keys() -> None:
    query = parse_query("how many chairs are in the kitchen?")
    assert (query.subject, query.place) == ("chair", "kitchen")
    query = parse_query("mug within 2.5 m of (1, 0, -3)")
    assert query.near == ((1.0, 0.0, -3.0), 2.5) and query.semantic == "mug"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("red mug", "explicit"),
        ("somewhere to sit", "implicit"),
        ("where can I wash my hands?", "implicit"),
        ("what could somebody use to reach the ceiling?", "implicit"),
        ("where do dirty socks go?", "implicit"),
        ("I'd like a hot drink", "implicit"),
        ("a quiet place to read", "implicit"),
        ("what is to the left of the mirror?", "explicit"),
        ("where is the trash can in the bathroom?", "explicit"),
        ("where can I see the red mug?", "explicit"),
        ("how many chairs do I have?", "explicit"),
        ("summarise the walk", "global"),
        ("what kinds of rooms are there?", "global"),
    ],
)
def test_route(text: str, route: str) -> None:
    assert parse_query(text).route == route


@pytest.mark.parametrize("text", ["", "  ", "?!", "\n"])
def test_a_question_without_words_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        parse_query(text)


def test_seconds_reads_clocks_and_durations() -> None:
    assert [seconds(t) for t in ("1:02:03.5", "90", "90 s", "half a minute", "zero seconds")] == [3723.5, 90, 90, 30, 0]
    with pytest.raises(ValueError, match="a time looks like"):
        seconds("soon")


def test_singular_and_content_words() -> None:
    assert [singular(w) for w in ("shelves", "boxes", "glasses", "keys", "bus")] == [
        "shelf", "box", "glass", "key", "bus",
    ]  # fmt: skip
    assert content_words("The dog's bowl, the DOG!") == ("dog", "bowl")


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("abc when did i see the red mug before after 10:30 first in last minute?,("),
        max_size=60,
    )
)
def test_any_text_with_a_word_parses_to_the_same_query_twice(text: str) -> None:
    if not any(c.isalnum() for c in text):
        return
    assert parse_query(text) == parse_query(text)
    assert parse_query("red mug " + text).text == "red mug " + text
