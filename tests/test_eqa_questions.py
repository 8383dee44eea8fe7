"""Generated questions are true of their house, and their files are read strictly."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from placecell.agents.answer import Answer, no_match
from placecell.benchmarks.eqa_questions import (
    CATEGORIES,
    EqaQuestion,
    generate_questions,
    load_questions,
    save_questions,
)
from placecell.benchmarks.eqa_score import BlindGuesser, canonical, is_right, said
from placecell.benchmarks.eqa_world import visible_sides
from placecell.envs.house import House


def _everything(house: House) -> dict[int, int]:
    return {thing.id: 64 for thing in house.objects}


@pytest.fixture(scope="module")
def changed() -> tuple[House, House, list[EqaQuestion]]:
    before = House.generate(2_000_004, 6)
    rng = np.random.default_rng(5)
    after, changes = before.relocate(rng, moved=4, added=3, removed=3)
    return before, after, generate_questions(
        after, rng, changes, before=before, num_per_category=40, visible=_everything(after),
        visible_before=_everything(before),
    )  # fmt: skip


def test_every_category_is_asked_with_and_without_an_answer(changed: tuple[House, House, list[EqaQuestion]]) -> None:
    asked = Counter((question.category, question.is_answerable) for question in changed[2])
    assert all(asked[category, True] >= 8 for category in CATEGORIES)
    assert {category for category, answerable in asked if not answerable} == set(CATEGORIES) - {"object recognition"}
    assert len({question.question_id for question in changed[2]}) == len(changed[2])


def test_yes_and_no_are_asked_equally_often(changed: tuple[House, House, list[EqaQuestion]]) -> None:
    per_template: dict[str, Counter[str]] = {}
    for question in changed[2]:
        if question.kind == "yes_no":
            per_template.setdefault(question.template, Counter())[question.answer] += 1
    assert len(per_template) >= 10
    assert all(abs(counts["yes"] - counts["no"]) <= 1 for counts in per_template.values())


def test_answers_are_true_of_the_house(changed: tuple[House, House, list[EqaQuestion]]) -> None:
    before, after, asked = changed
    checked = Counter[str]()
    for question in asked:
        if not question.is_answerable:
            continue
        things = [after.object(number) for number in question.target_ids if number in {t.id for t in after.objects}]
        if question.template == "colour":
            assert question.answer == things[0].colour
        elif question.template == "which_room":
            assert question.answer == things[0].room_type
            words = question.question.lower()
            assert things[0].category in words
            twins = [t for t in after.objects if t.category == things[0].category]
            assert len(twins) == 1 or sum(t.colour in words for t in twins) == 1
        elif question.template.startswith("count"):
            room = things[0].room_type if " are in the " in question.question else None
            same = [t for t in after.objects if t.category == things[0].category and room in (None, t.room_type)]
            assert question.answer == str(len(same))
        elif question.template == "on_what":
            assert things[0].on is not None
            assert question.answer == after.object(things[0].on).category
        elif question.template == "anything_on":
            assert (question.answer == "yes") == any(t.on == things[0].id for t in after.objects)
        elif question.template == "moved_from":
            assert question.answer == before.object(question.target_ids[0]).room_type
        elif question.template == "exists":
            assert (question.answer == "yes") == bool(things)
        else:
            continue
        checked[question.template] += 1
    assert len(checked) >= 7


def test_nothing_that_does_not_show_is_asked_for() -> None:
    house = House.generate(2_000_003)
    shown = {thing.id: 64 if thing.id % 2 else 20 for thing in house.objects}
    asked = generate_questions(house, np.random.default_rng(0), num_per_category=30, visible=shown)
    named = [q for q in asked if q.template in ("colour", "which_room", "exists", "next_to", "closer", "count")]
    assert all(number % 2 for question in named for number in question.target_ids)


def test_visible_sides_grow_with_nearness() -> None:
    house = House.generate(2_000_003, 5)
    few, more = visible_sides(house, 1, 2), visible_sides(house, 2, 4)
    assert set(few) <= {thing.id for thing in house.objects}
    assert len([side for side in more.values() if side >= 32]) > 0.7 * len(house.objects)
    assert sum(more.values()) > sum(few.values())


def test_questions_survive_a_file(changed: tuple[House, House, list[EqaQuestion]], tmp_path: Path) -> None:
    assert save_questions(tmp_path / "q.jsonl", changed[2]) == len(changed[2])
    assert load_questions(tmp_path / "q.jsonl") == changed[2]
    (tmp_path / "q.json").write_text(json.dumps([question.to_dict() for question in changed[2]]))
    assert load_questions(tmp_path / "q.json") == changed[2]


_GOOD = {"question_id": "a", "category": "world knowledge", "question": "Who?", "answer": "me"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question_id": "a", "question": "Who?"}, "line 1: category, answer missing"),
        ({**_GOOD, "category": "poetry"}, "category must be one of"),
        ({**_GOOD, "question": 3}, "question must be a text"),
        ({**_GOOD, "choices": "ab"}, "choices must be a list of texts"),
        ({**_GOOD, "kind": "colour", "choices": ["red", "blue"]}, "is none of the choices"),
        ({**_GOOD, "is_answerable": 1}, "is_answerable must be true or false"),
        ("x", "line 1: a question is an object"),
    ],
)
def test_a_bad_question_is_named_with_its_line(row: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=message):
        load_questions(path)


def test_a_file_that_is_no_json_or_repeats_an_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(_GOOD) + "\nnot json\n")
    with pytest.raises(ValueError, match="line 2: no JSON"):
        load_questions(tmp_path / "a.jsonl")
    (tmp_path / "b.json").write_text(json.dumps([_GOOD, _GOOD]))
    with pytest.raises(ValueError, match="'a' comes twice"):
        load_questions(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("text", "kind", "plain"),
    [
        ("The lounge", "room", "living room"),
        ("Yes.", "yes_no", "yes"),
        ("three chairs", "number", "3"),
        ("crimson", "colour", "red"),
        ("a red couch", "name", "red sofa"),
        ("bookcase", "name", "bookshelf"),
    ],
)
def test_answers_are_compared_by_meaning(text: str, kind: str, plain: str) -> None:
    assert canonical(text, kind) == plain


def test_refusals_are_right_only_where_there_is_no_answer() -> None:
    there = EqaQuestion("1", "object localization", "Where is the mug?", "kitchen", kind="room")
    absent = EqaQuestion("2", "object localization", "Where is it?", "unanswerable", kind="room", is_answerable=False)
    found = Answer("in the kitchen", "where", {"room": "kitchen"}, 0.9)
    lost = no_match("where", "mug", 0.1)
    assert is_right(there, said(there, found))
    assert not is_right(there, said(there, lost))
    assert is_right(absent, said(absent, lost))
    assert not is_right(absent, said(absent, found))


def test_the_blind_guesser_knows_what_is_usual_and_nothing_else() -> None:
    def asked(number: int, thing: str, room: str) -> EqaQuestion:
        return EqaQuestion(str(number), "object localization", f"Where is the {thing}?", room, kind="room")

    blind = BlindGuesser([asked(i, "fridge", "kitchen") for i in range(4)] + [asked(9, "red mug", "office")])
    assert blind.guess("Where is the fridge?") == "kitchen"
    assert blind.guess("Where is the sofa?") == "kitchen"  # never asked: the answer to such a question
    assert blind.guess("Where is the sofa?", ("office", "nursery")) == "nursery"  # too few to count
