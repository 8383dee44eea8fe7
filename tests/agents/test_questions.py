import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents.questions import KINDS, normal_form, parse_question, parse_time_s, split_choices


@pytest.mark.parametrize(
    ("text", "kind", "subject"),
    [
        ("When did I see the red mug?", "when", "red mug"),
        ("when did i first see the sofa", "first", "sofa"),
        ("When was the last time I saw the blue teapot?", "last", "blue teapot"),
        ("What time did the dog appear?", "when", "dog"),
        ("Where's my umbrella", "where", "umbrella"),
        ("Where did I leave the keys?", "where", "keys"),
        ("Can you tell me where the mug is?", "where", "mug"),
        ("How many chairs are there?", "how_many", "chair"),
        ("HOW MANY RED CHAIRS DID I SEE IN THE HOUSE??", "how_many", "red chair"),
        ("How many times did I see the mug?", "how_many", "times mug"),
        ("Count the lamps.", "how_many", "lamp"),
        ("What color is the mug?", "colour", "mug"),
        ("which colour was the mug", "colour", "mug"),
        ("What's the mug's color?", "colour", "mug"),
        ("The sofa is what color?", "colour", "sofa"),
        ("what colour are the curtains?", "colour", "curtain"),
        ("In which room is the sofa?", "room", "sofa"),
        ("which room is the bed in?", "room", "bed"),
        ("Which room has the piano?", "room", "piano"),
        ("Is there a purple elephant?", "is_there", "purple elephant"),
        ("Isn't there a piano in the house?", "is_there", "piano"),
        ("Have you seen my keys?", "is_there", "keys"),
        ("Is the mug on the table?", "is_there", "mug on table"),
        ("I wonder if there is a stove", "is_there", "stove"),
        ("How long did I see the sofa?", "how_long", "sofa"),
        ("how many minutes did I spend in the bedroom", "how_long", "bedroom"),
        ("How long is the video?", "how_long", ""),
        ("What did she say about the keys?", "what", "keys"),
        ("red mug", "what", "red mug"),
    ],
)
def test_each_form_gives_its_kind_and_subject(text: str, kind: str, subject: str) -> None:
    question = parse_question(text)
    assert (question.kind, question.subject) == (kind, subject)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Somewhere to wash my hands", "where can i wash my hands"),
        ("a quiet place to read", "where can i read"),
        ("I need somewhere quiet to work.", "where can i work"),
        ("find me a spot where I can sit", "where can i sit"),
        ("Is there somewhere to sit?", "is there somewhere to sit"),
    ],
)
def test_a_place_for_a_use_is_a_question_where(text: str, plain: str) -> None:
    assert normal_form(text) == plain


def test_order_in_time_names_both_things() -> None:
    after = parse_question("What did I see right after the red mug?")
    assert (after.kind, after.subject, after.relation, after.anchor) == ("order", "", "after", "red mug")
    before = parse_question("Did I see the sofa before the bed?")
    assert (before.subject, before.relation, before.anchor, before.is_yes_no) == ("sofa", "before", "bed", True)
    first = parse_question("What did I see first, the sofa or the bed?")
    assert (first.kind, first.turn, first.options) == ("order", "first", ("sofa", "bed"))
    assert parse_question("When did I see the sofa after the bed?").anchor == "bed"


def test_times_and_places_are_taken_out_of_the_subject() -> None:
    question = parse_question("Which room was I in at 00:40?")
    assert (question.kind, question.subject, question.at_s) == ("room", "", 40.0)
    assert parse_question("Was there a clock before 1:30?").between == (0.0, 90.0)
    assert parse_question("did I pass a toilet between 10 and 20 seconds?").between == (10.0, 20.0)
    assert parse_question("did I see a clock between 2 and 3 minutes?").between == (120.0, 180.0)
    kitchen = parse_question("How many bookshelves are in the kitchen?")
    assert (kitchen.subject, kitchen.place) == ("bookshelf", "kitchen")


def test_choices_are_read_from_the_question() -> None:
    question = parse_question("What color is the mug? (A) red (B) blue (C) none of the above")
    assert question.choices == ("red", "blue", "none of the above")
    assert (question.kind, question.subject) == ("colour", "mug")
    assert parse_question("Is the sofa red or blue?").options == ("red", "blue")
    assert split_choices("Where is plan B. kept?") == ("Where is plan B. kept?", ())


@pytest.mark.parametrize("text", ["", "   ", "?!", "\n\t"])
def test_an_empty_question_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="at least one word") as error:
        parse_question(text)
    assert "\n" not in str(error.value)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_question_or_a_value_error(text: str) -> None:
    try:
        question = parse_question(text)
    except ValueError as error:
        assert "at least one word" in str(error)
    else:
        assert question.kind in KINDS


_WORDS = "what when where which how many colour room did i see the red mug before after first is there in at 00:40 or a"


@given(st.lists(st.sampled_from(_WORDS.split()), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_order_of_question_words_parses(words: list[str]) -> None:
    assert parse_question(" ".join(words)).kind in KINDS


@given(st.integers(0, 359_999))
def test_clock_times_read_back(total: int) -> None:
    assert parse_time_s(f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}") == total
