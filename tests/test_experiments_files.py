"""The files and formulas of GOAT-Bench and OpenEQA, on files small enough to check by hand."""

from __future__ import annotations

import copy
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.agents.chat_client import ChatClient
from placecell.agents.testing import ChatServer
from placecell.benchmarks import openeqa
from placecell.benchmarks.goat import GoatFileError, GoatTask, Subtask, load_goat, score_subtasks, spl
from placecell.benchmarks.openeqa import EqaFileError, EqaQuestion, load_predictions, load_questions

lengths = st.floats(0, 1e3, allow_nan=False)


def goal(category: str, object_id: str, x: float, text: str | None = None, children: Any = ()) -> dict[str, Any]:
    view = {"agent_state": {"position": [x, 0.0, 1.0], "rotation": [0, 0, 0, 1]}, "iou": 0.1}
    return {
        "object_category": category,
        "object_id": object_id,
        "position": [x, 0.5, 0.0],
        "view_points": [view, view],
        "children_object_categories": list(children),
        "lang_desc": text,
        "image_goals": [],
    }


SCENE: dict[str, Any] = {
    "episodes": [
        {
            "episode_id": 4,
            "scene_id": "hm3d/val/00800-TEEsavR23oF/TEEsavR23oF.basis.glb",
            "start_position": [1.0, 0.1, 2.0],
            "start_rotation": [0.0, 0.7071067811865476, 0.0, 0.7071067811865476],
            "tasks": [
                ["lamp", "object", None],
                ["bed", "description", "bed_3"],
                ["bed", "description", "bed_7"],
                ["bed", "image", "bed_3", 2],
            ],
        }
    ],
    "goals": {
        "TEEsavR23oF.basis.glb_lamp": [goal("lamp", "lamp_1", 1.0, children=["floor lamp"])],
        "TEEsavR23oF.basis.glb_floor lamp": [goal("floor lamp", "floor_lamp_2", 2.0)],
        "TEEsavR23oF.basis.glb_bed": [
            goal("bed", "bed_3", 3.0, "the bed by the window"),
            goal("bed", "bed_7", 4.0, "x " * 56),
        ],
    },
}


def written(tmp_path: Path, content: object, name: str = "TEEsavR23oF.json") -> Path:
    path = tmp_path / name
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("name", ["TEEsavR23oF.json", "TEEsavR23oF.json.gz"])
def test_a_goat_file_says_what_satisfies_each_task(tmp_path: Path, name: str) -> None:
    scene = load_goat(written(tmp_path, SCENE, name))
    (episode,) = scene.episodes
    assert (scene.scene, episode.episode_id, len(episode.tasks)) == ("TEEsavR23oF", "4", 4)
    assert episode.start_yaw_rad == pytest.approx(math.pi / 2)
    lamp, short, long, image = episode.tasks
    assert [each.object_id for each in scene.goals_of(lamp)] == ["lamp_1", "floor_lamp_2"]
    assert [each.object_id for each in scene.goals_of(short)] == ["bed_3"]
    assert scene.tasks_of(episode) == (lamp, short, image)  # 56 words are too many
    assert image == GoatTask("bed", "image", "bed_3", 2)
    np.testing.assert_array_equal(scene.view_points(lamp), [[1, 0, 1], [1, 0, 1], [2, 0, 1], [2, 0, 1]])


def without(path: str) -> dict[str, Any]:
    content: Any = copy.deepcopy(SCENE)
    *way, last = path.split("/")
    row: Any = content
    for step in way:
        row = row[int(step)] if isinstance(row, list) else row[step]
    del row[last]
    return content  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected an object with episodes and goals"),
        (without("goals"), "expected an object with episodes and goals"),
        (without("episodes/0/tasks"), "episode 0: the field tasks is missing"),
        (without("goals/TEEsavR23oF.basis.glb_bed/1/position"), "goal 1 of 'TEEsavR23oF.basis.glb_bed': the field pos"),
        (SCENE | {"episodes": [SCENE["episodes"][0] | {"tasks": [["bed", "smell", "b"]]}]}, "task 0: the kind must be"),
        (SCENE | {"episodes": [SCENE["episodes"][0] | {"tasks": [["bed", "image"]]}]}, "must name its instance"),
        (SCENE | {"episodes": [SCENE["episodes"][0] | {"start_position": [1, 2]}]}, "expected 3 numbers"),
    ],
)
def test_a_malformed_goat_file_is_told_in_one_line(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(GoatFileError, match=message) as caught:
        load_goat(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_goat_file_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(GoatFileError, match="could not be read"):
        load_goat(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(GoatFileError, match="expected JSON"):
        load_goat(tmp_path / "bad.json")
    scene = load_goat(written(tmp_path, SCENE))
    with pytest.raises(GoatFileError, match="no goal 'bed bed_9'"):
        scene.goals_of(GoatTask("bed", "image", "bed_9"))


def test_a_subtask_counts_as_the_benchmark_does() -> None:
    task = Subtask(shortest_m=1.0)
    for i in range(9):
        task.walk((0.25 * i, 0.0, 0.0), 2.0 - 0.25 * i)
    assert not task.is_success and not task.is_over
    task.stop()
    assert task.is_over and task.is_success and task.num_steps == 9
    assert task.path_m == pytest.approx(2.0) and task.spl == pytest.approx(0.5)
    edge = Subtask(shortest_m=1.0)
    edge.walk((0.0, 0.0, 0.0), 0.25)
    edge.stop()
    assert not edge.is_success  # strictly nearer


def test_a_subtask_out_of_budget_fails() -> None:
    task = Subtask(shortest_m=1.0, max_steps=3)
    for _ in range(4):
        task.walk((0.0, 0.0, 0.0), 0.1)
    assert task.is_over and not task.is_success and task.spl == 0.0
    task.stop()
    assert not task.is_success


@given(lengths, lengths)
def test_spl_lies_between_nothing_and_one_and_only_detours_cost(shortest: float, path: float) -> None:
    value = spl(True, shortest, path)
    assert 0.0 <= value <= 1.0 and spl(False, shortest, path) == 0.0
    assert (value == 1.0) == (path <= shortest)


def test_scores_are_means_over_tasks_by_kind() -> None:
    rows = [
        {"scene": "a", "kind": "object", "success": True, "spl": 0.5},
        {"scene": "a", "kind": "image", "success": False, "spl": 0.0},
        {"scene": "b", "kind": "object", "success": True, "spl": 1.0},
    ]
    scores = score_subtasks(rows)
    assert scores["all"]["success"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["object"]["spl"]["value"] == 0.75 and scores["image"]["num_tasks"] == 1


# --- OpenEQA ---------------------------------------------------------------------------------------------------------


def question(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "question_id": f"q{number}",
        "question": "What is red?",
        "answer": "The {answer} sofa",
        "category": openeqa.CATEGORIES[number % 7],
        "episode_history": f"hm3d-v0/00{number}",
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


def test_questions_load_with_their_extra_answers(tmp_path: Path) -> None:
    path = written(tmp_path, [question(0), question(1, extra_answers=["a couch", "a settee"])])
    first, second = load_questions(path)
    assert first.extra_answers == () and second.extra_answers == ("a couch", "a settee")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([question(0), question(1, answer=None)], r"question 1 \(q1\): the field answer is missing"),
        ([question(0), question(1, category="cooking")], r"question 1 \(q1\): the category 'cooking' is none of"),
        ([question(0, question=" ")], r"question 0 \(q0\): question must be a text that is not empty"),
        ([question(0, question_id=None)], r"question 0: the field question_id is missing"),
        ([question(0, extra_answers="yes")], r"extra_answers must be a list of texts"),
        ([question(0), question(0)], r"the question_id q0 comes twice"),
        ([7], r"question 0: expected an object"),
        ([], r"expected a list with at least one entry"),
        ({}, r"expected a list with at least one entry"),
    ],
)
def test_a_malformed_question_is_named_in_one_line(tmp_path: Path, rows: object, message: str) -> None:
    with pytest.raises(EqaFileError, match=message) as caught:
        load_questions(written(tmp_path, rows))
    assert "\n" not in str(caught.value)


def test_predictions_must_fit_the_questions(tmp_path: Path) -> None:
    questions = load_questions(written(tmp_path, [question(0), question(1)]))
    both = [{"question_id": "q0", "answer": "red."}, {"question_id": "q1", "answer": None}]
    assert load_predictions(written(tmp_path, both, "p.json"), questions) == {"q0": "red.", "q1": ""}
    one = written(tmp_path, both[:1], "one.json")
    with pytest.raises(EqaFileError, match="1 questions have no prediction, q1 for one"):
        load_predictions(one, questions)
    assert load_predictions(one, questions, is_partial=True) == {"q0": "red."}
    with pytest.raises(EqaFileError, match="answer no question, q9 for one"):
        load_predictions(written(tmp_path, [*both, {"question_id": "q9", "answer": ""}], "q9.json"), questions)


def test_what_a_judge_is_asked_holds_each_part_once() -> None:
    row = EqaQuestion("q", "Where {answer}?", "There", openeqa.CATEGORIES[0], "h", ("Here", "Yonder"))
    (message,) = openeqa.judge_messages(row, "On {question}. I guess")
    assert "Question: Where {answer}?\n" in message["content"] and "Reply: On {question}.\n" in message["content"]
    assert '["Here", "Yonder"]' in message["content"]
    (plain,) = openeqa.judge_messages(row, "x", ("{prediction}", "{prediction}|{answer}"))
    assert plain["content"] == "x|There"


@pytest.mark.parametrize(
    ("reply", "mark"),
    [("5", 5), (" 3\n", 3), ("Your mark: 4", 4), ("so\nYour mark: 2\nas", 2), ("four", None), ("Your mark: x", None)],
)
def test_marks_are_read_strictly(reply: str, mark: int | None) -> None:
    assert openeqa.parse_mark(reply) == mark


def test_the_score_is_that_of_the_benchmark() -> None:
    questions = [EqaQuestion(f"q{i}", "?", "!", openeqa.CATEGORIES[i % 2], f"h{i}") for i in range(4)]
    marks = {"q0": 0, "q1": 5, "q2": 2, "q3": 9}  # 0 counts as 1, 9 as 5
    scores = openeqa.score_marks(questions, marks, {"q1": (10.0, 20.0), "q2": (10.0, 5.0)})
    assert scores["score"]["value"] == pytest.approx(100 * (0 + 1 + 0.25 + 1) / 4, abs=0.01)
    assert scores["by_category"][openeqa.CATEGORIES[0]]["value"] == 12.5
    assert scores["efficiency"]["value"] == pytest.approx(100 * (1.0 * 0.5 + 0.25 * 1.0) / 2)
    partial = openeqa.score_marks(questions, {"q1": 5})
    assert (partial["num_questions"], partial["num_left_out"], partial["score"]["value"]) == (1, 3, 100.0)
    with pytest.raises(ValueError, match="no question has a mark"):
        openeqa.score_marks(questions, {})


@given(st.floats(-10, 10), lengths, lengths)
def test_efficiency_never_exceeds_the_mark(mark: float, shortest: float, taken: float) -> None:
    value = openeqa.efficiency(mark, shortest, taken)
    assert 0.0 <= value <= openeqa.worth(mark) <= 1.0
    if taken <= shortest:
        assert value == openeqa.worth(mark)


def test_a_judge_over_the_wire_marks_and_an_empty_answer_costs_no_call() -> None:
    row = EqaQuestion("q", "Where?", "There", openeqa.CATEGORIES[0], "h")
    with ChatServer(answer=lambda messages: "Your mark: 4" if "Reply: there" in str(messages) else "no idea") as server:
        judge = ChatClient(server.base_url, "judge", max_retries=0)
        assert openeqa.judge_prediction(judge, row, "there") == 4
        assert openeqa.judge_prediction(judge, row, "elsewhere") == 0
        assert openeqa.judge_prediction(judge, row, " ") == 0
        assert judge.usage.requests == 2
