import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from placecell.agents.reader import Answer, EvidenceReader
from placecell.geometry import look_at
from placecell.perception.observation import Observation

Build = Callable[..., Any]


def _text(answer: Answer) -> str:
    return answer.text.lower()


# ------------------------------------------------------------------------------------------------ when


@pytest.mark.parametrize(("thing", "start", "end"), [("blue sofa", 42, 50), ("lamp", 25, 29), ("white bed", 62, 70)])
def test_when_names_a_moment_of_the_sighting(memory: Any, thing: str, start: int, end: int) -> None:
    answer = EvidenceReader(memory).ask(f"When did I see the {thing}?")
    assert answer.kind == "when" and start <= answer.value <= end and answer.probability > 0.5
    assert all(start <= hit.stamp_s <= end for hit in answer.evidence)
    assert all(memory.get(hit.record_id).stamp_s == hit.stamp_s for hit in answer.evidence)


def test_first_and_last_are_the_edges_of_all_sightings(memory: Any) -> None:
    reader = EvidenceReader(memory)
    assert reader.ask("When did I first see the red mug?").value == 5.0
    assert reader.ask("When did I last see the red mug?").value == 86.0


def test_when_after_something_looks_only_after_it(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("When did I see the mug after the sofa?")
    assert 83 <= answer.value <= 86


def test_when_inside_a_room_is_answered_from_the_views(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("When was I in the bedroom?")
    assert 60 <= answer.value < 80


# ----------------------------------------------------------------------------------------- where and rooms


def test_where_gives_room_and_place_of_the_thing(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("Where is the blue sofa?")
    assert answer.value["room"] == "living room" and "living room" in answer.text
    x, _, z = answer.value["position_m"]
    assert math.hypot(x - 10.0, z + 3.0) < 1.5  # along the line of sight the depth is the least sure


def test_where_without_poses_gives_room_and_time(video: Any) -> None:
    answer = EvidenceReader(video).ask("where is the blue sofa")
    assert answer.value["room"] == "living room" and answer.value["position_m"] is None
    assert 42 <= answer.value["time_s"] <= 50


def test_where_is_answered_by_the_sentence_that_says_so(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("Where are the keys?")
    assert "the keys are on the shelf" in answer.text
    assert [hit.text for hit in answer.evidence] == ["the keys are on the shelf"]  # and not the question about them


@pytest.mark.parametrize(
    ("question", "room"),
    [
        ("In which room is the sofa?", "living room"),
        ("which room has the bed", "bedroom"),
        ("Which room was I in at 00:30?", "hallway"),
        ("What room was I in at 10 seconds?", "kitchen"),
        ("Which room did I visit after the kitchen?", "hallway"),
    ],
)
def test_rooms_are_told_from_whole_views(memory: Any, question: str, room: str) -> None:
    answer = EvidenceReader(memory).ask(question)
    assert (answer.kind, answer.value) == ("room", room)


# ----------------------------------------------------------------------------------- how many and colours


def test_counting_tells_two_places_apart_and_says_that_it_is_a_bound(memory: Any) -> None:
    reader = EvidenceReader(memory)
    chairs = reader.ask("How many chairs are there?")
    assert chairs.value == 2 and "at least" in chairs.text and "lower bound" in chairs.notes[0]
    assert reader.ask("How many red mugs did I see?").value == 1  # seen twice, from one side, at one place
    assert reader.ask("How many times did I see the mug?").value == 2
    nothing = reader.ask("How many pianos are there?")
    assert nothing.is_refusal and nothing.value == 0


def test_counting_merges_sightings_of_one_place_from_two_sides(build: Build) -> None:
    mug = (0.0, 1.0, 0.0)
    eyes = [(2.0, 1.4, 0.0), (0.0, 1.4, 2.0), (-2.0, 1.4, 0.5)]
    memory = build([(10.0 * t, "red mug", eye, mug) for t, eye in enumerate(eyes)])
    assert EvidenceReader(memory).ask("how many mugs are there").value == 1
    apart = build([(0.0, "red mug", (0.0, 1.4, 2.0), mug), (9.0, "red mug", (9.0, 1.4, 2.0), (9.0, 1.0, 0.0))])
    assert EvidenceReader(apart).ask("how many mugs are there").value == 2


def test_things_in_one_view_are_counted_by_tiles_that_do_not_overlap(build: Build) -> None:
    memory = build([(0.0, "red mug", None, None)], tiles=(1, 9))
    answer = EvidenceReader(memory).ask("how many mugs are there")
    assert answer.value == 2 and "lower bound of 2" in answer.notes[0]


@pytest.mark.parametrize(
    ("question", "colour"),
    [
        ("What colour is the mug?", "red"),
        ("what color is the sofa", "blue"),
        ("Which colour was the plant?", "green"),
        ("What's the bed's color?", "white"),
        ("Is the sofa red or blue?", "blue"),
        ("What colour is the car?", "red"),  # only spoken of
    ],
)
def test_colours_are_told_from_the_tile_that_shows_the_thing(memory: Any, question: str, colour: str) -> None:
    answer = EvidenceReader(memory).ask(question)
    assert (answer.kind, answer.value) == ("colour", colour)
    assert answer.probability > 0.5


def test_a_divided_colour_says_so(build: Build) -> None:
    memory = build([(0.0, "red mug", None, None), (30.0, "blue mug", None, None)])
    answer = EvidenceReader(memory).ask("what colour is the mug")
    assert answer.value in ("red", "blue") and answer.probability < 0.75
    assert "red" in answer.notes[0] and "blue" in answer.notes[0]


# ------------------------------------------------------------------------------------- before and after


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("Did I see the sofa before the bed?", True),
        ("Did I see the bed before the sofa?", False),
        ("Was the mug seen after the bed?", True),  # a second time
        ("Was the lamp seen after the bed?", False),
        ("What did I see first, the sofa or the bed?", "sofa"),
        ("Which did I see last: the sofa or the bed?", "bed"),
    ],
)
def test_order_in_time(memory: Any, question: str, value: Any) -> None:
    answer = EvidenceReader(memory).ask(question)
    assert (answer.kind, answer.value) == ("order", value)
    assert len(answer.evidence) == 2


def test_what_came_next_is_named_with_its_time(memory: Any) -> None:
    reader = EvidenceReader(memory)
    after = reader.ask("What did I see after the lamp?")
    assert "sofa" in after.value and "bed" not in after.value
    assert "plant" in reader.ask("What did I see right before the bed?").value
    assert reader.ask("What did I see after the piano?").is_refusal


# ------------------------------------------------------------------------------ is there, how long, open


def test_is_there_says_yes_with_evidence(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("Is there a red mug?")
    assert answer.value is True and _text(answer).startswith("yes") and answer.evidence


@pytest.mark.parametrize("question", ["Is there a piano?", "Did I see a blue mug?", "Is there a mug in the bedroom?"])
def test_what_was_not_seen_is_refused(memory: Any, question: str) -> None:
    answer = EvidenceReader(memory).ask(question)
    assert answer.is_refusal and answer.value is False and answer.text.startswith("no match")
    assert answer.evidence == () and answer.probability < 0.5


def test_unknown_words_are_named(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("Where is the purple elephant?")
    assert answer.is_refusal
    assert "no match: nothing like 'purple elephant' in this memory (best probability 0.00)" in answer.text
    assert "'elephant'" in answer.text and answer.notes == ("unknown words: elephant",)


def test_durations(memory: Any) -> None:
    reader = EvidenceReader(memory)
    assert reader.ask("How long did I see the sofa?").value == pytest.approx(9.0, abs=1.0)
    assert reader.ask("How long was I in the kitchen?").value == pytest.approx(30.0, abs=2.0)
    assert reader.ask("How long is the video?").value == 89.0
    assert reader.ask("how long did I see the piano").is_refusal


def test_speech_answers_open_questions(memory: Any) -> None:
    assert EvidenceReader(memory).ask("What did he say about dinner?").text == "dinner is at seven"


def test_a_moment_is_described(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("What did I see at 00:44?")
    assert answer.value["things"] == ["sofa"] and answer.value["room"] == "living room"


def test_windows_agents_and_as_of_limit_what_is_looked_at(memory: Any) -> None:
    reader = EvidenceReader(memory)
    assert reader.ask("When did I see the mug?", between=(60.0, 90.0)).value >= 83
    assert reader.ask("When did I last see the mug?", as_of=40.0).value == 9.0
    assert reader.ask("Is there a mug?", agents=["somebody else"]).is_refusal
    assert reader.ask("Did I see a mug between 00:20 and 00:40?").is_refusal
    assert reader.ask("Is there a mug?", near=((5.0, 1.4, 0.0), 1.0)).is_refusal
    assert reader.ask("When did I see the mug in the last 20 seconds?").value >= 83


# ------------------------------------------------------------------------------------------- choices


@pytest.mark.parametrize(
    ("question", "choices", "index"),
    [
        ("What colour is the mug?", ["A. blue", "B. red", "C. green"], 1),
        ("What colour is the piano?", ["blue", "red", "None of the above"], 2),
        ("What colour is the mug?", ["blue", "green", "none of the above"], 2),
        ("Where is the sofa?", ["in the kitchen", "in the living room", "in the bathroom"], 1),
        ("In which room is the bed?", ["kitchen", "bedroom", "living room", "hallway"], 1),
        ("What did I see after the lamp?", ["a bed", "a sofa", "a piano"], 1),
        ("How many chairs are there?", ["one", "two", "5"], 1),
        ("How many pianos are there?", ["0", "1", "2"], 0),
        ("Is there a piano?", ["yes", "no"], 1),
        ("Is there a sofa?", ["No", "Yes"], 1),
        ("When did I see the sofa?", ["at 00:10", "00:40-00:50", "01:20"], 1),
        ("Which of these did I see?", ["a piano", "a green plant", "a clock"], 1),
        ("Where are the keys?", ["on the table", "on the shelf", "in the car"], 1),
        ("What did I see first, the bed or the sofa?", ["the bed", "the sofa"], 1),
    ],
)
def test_the_right_choice_is_picked(memory: Any, question: str, choices: list[str], index: int) -> None:
    answer = EvidenceReader(memory).ask(question, choices=choices)
    assert answer.choice_index == index
    assert sum(answer.choice_scores) == pytest.approx(1.0, abs=1e-4) and len(answer.choice_scores) == len(choices)


def test_choices_inside_the_question(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("What color is the sofa? A) red B) blue C) green")
    assert (answer.choice_index, answer.text) == (1, "blue")
    assert answer.to_dict()["choice"] == "B"


def test_nothing_is_chosen_where_nothing_fits(memory: Any) -> None:
    answer = EvidenceReader(memory).ask("Which of these did I see?", choices=["a piano", "a clock"])
    assert answer.choice_index is None and answer.choice_scores == (0.5, 0.5)


# ------------------------------------------------------------------------------------- shape and errors


def test_an_answer_is_plain_json_with_evidence_rows(memory: Any) -> None:
    for question in ("Where is the sofa?", "Is there a piano?", "What did I see after the lamp?", "how many mugs"):
        row = json.loads(json.dumps(EvidenceReader(memory).ask(question).to_dict()))
        assert {"answer", "kind", "value", "probability", "is_refusal", "evidence", "notes"} <= row.keys()
        for evidence in row["evidence"]:
            assert list(evidence) == [
                *("record_id", "start_s", "end_s", "score", "probability", "source", "agent_id", "position_m"),
                *("caption", "channels"),
            ]


def test_an_empty_memory_refuses_everything(empty: Any) -> None:
    reader = EvidenceReader(empty())
    questions = ["When did I see a mug?", "Where is the mug?", "how many mugs", "what colour is the mug", "red mug"]
    questions += [
        "which room was I in at 00:10",
        "what did I see after the mug",
        "how long is the video",
        "what is here",
    ]
    for question in questions:
        assert reader.ask(question).is_refusal, question


def test_a_memory_of_words_alone_needs_no_encoder(empty: Any) -> None:
    memory = empty()
    memory.observe(Observation(stamp_s=3.0, text="the red keys are on the shelf"))
    reader = EvidenceReader(memory)
    assert "on the shelf" in reader.ask("where are the keys?").text
    assert reader.ask("what colour are the keys").value == "red"
    assert reader.ask("is there a dog?").is_refusal


def test_a_question_overheard_is_quoted_where_nothing_else_is_known(empty: Any) -> None:
    memory = empty()
    memory.observe(Observation(stamp_s=0.0, text="have you seen the keys?"))
    answer = EvidenceReader(memory).ask("where are the keys")
    assert "have you seen the keys?" in answer.text and answer.value["time_s"] == 0.0
    assert "have you seen the keys?" in EvidenceReader(memory).ask("what about the keys").text


def test_bad_arguments_are_refused_in_one_line(memory: Any) -> None:
    reader = EvidenceReader(memory)
    for question, options in (("", {}), (" ?", {}), ("where?", {"choices": ["one"]}), ("where", {"choices": "ab"})):
        with pytest.raises(ValueError) as error:
            reader.ask(question, **options)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="threshold"):
        EvidenceReader(memory, threshold=1.5)
    with pytest.raises(ValueError, match="k must"):
        reader.ask("where is the mug", k=0)
    assert len(reader.ask("when did I see the mug", k=2).evidence) == 2


def test_a_higher_threshold_never_finds_more(memory: Any) -> None:
    low, high = EvidenceReader(memory, 0.2), EvidenceReader(memory, 0.9)
    for question in ("Is there a red mug?", "Is there a chair?", "Is there a white chair?", "Is there a piano?"):
        assert low.ask(question).value or not high.ask(question).value


def test_lines_of_sight_locate_a_thing_better_with_two_sides(build: Build) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        place = rng.uniform(-1, 1, 3) + (0, 1, 0)
        eyes = [place + (2.5 * math.cos(a), 0.3, 2.5 * math.sin(a)) for a in rng.uniform(0, 2, 1) + (0.0, 1.2)]
        memory = build([(float(t), "red mug", tuple(eye), tuple(place)) for t, eye in enumerate(eyes)])
        found = EvidenceReader(memory).ask("where is the red mug").value["position_m"]
        assert found is not None and np.linalg.norm(np.array(found) - place) < 0.2


def test_look_at_is_what_the_rays_assume() -> None:
    pose = look_at(np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.0, -1.0]))
    assert np.allclose(pose[:3, :3] @ (0, 0, -1), np.array([1, 0, -1]) / math.sqrt(2))
