"""Judging answers: OpenEQA's formula over a real connection, with everything that goes wrong counted."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from placecell.agents.chat_client import ChatClient
from placecell.agents.testing import ChatServer
from placecell.benchmarks import openeqa_judge
from placecell.benchmarks.openeqa import CATEGORIES, EqaQuestion, load_questions
from placecell.cli import main

QUESTIONS = [EqaQuestion(f"q{i}", f"Where is thing {i}?", "On the shelf", CATEGORIES[i % 2], f"h{i}") for i in range(6)]
ROWS = [
    {
        "question_id": question.question_id,
        "question": question.question,
        "answer": question.answer,
        "category": question.category,
        "episode_history": question.episode_history,
    }
    for question in QUESTIONS
]
ANSWERS = ["On the shelf.", "in the hall", "", "on the floor", "  ON THE SHELF", "prose"]


def marking(messages: list[dict[str, Any]]) -> str:
    reply = messages[0]["content"].split("Reply: ")[1].split("\n")[0]
    return {"in the hall": "1", "on the floor": "Your mark: 3", "prose": "__import__('os').abort()"}.get(reply, "5")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    questions, predictions = tmp_path / "questions.json", tmp_path / "predictions.json"
    questions.write_text(json.dumps(ROWS))
    rows = [{"question_id": row["question_id"], "answer": text} for row, text in zip(ROWS, ANSWERS, strict=True)]
    predictions.write_text(json.dumps(rows))
    return questions, predictions


def test_every_answer_is_marked_and_what_goes_wrong_is_counted(files: tuple[Path, Path]) -> None:
    with ChatServer(answer=marking) as server:
        judge = ChatClient(server.base_url, "a judge", backoff_s=0.0)
        judged = openeqa_judge.score_file(*files, judge)["judged"]
    assert judged["marks"] == {"q0": 5, "q1": 1, "q2": 0, "q3": 3, "q4": 5, "q5": 0}
    assert judged["score"]["value"] == pytest.approx(100 * (1 + 0 + 0 + 0.5 + 1 + 0) / 6, abs=0.01)
    assert (judged["num_empty"], judged["num_unreadable"], judged["num_failed"]) == (1, 1, 0)
    assert judge.usage.requests == 5 and judged["judge"] == "a judge"


def test_a_judge_is_bound_to_a_mark_where_the_server_keeps_to_a_schema() -> None:
    answers = {question.question_id: "on the shelf" for question in QUESTIONS}
    with ChatServer(answer=lambda messages: '{\n  "mark": 4\n}') as server:
        judged = openeqa_judge.judge_all(ChatClient(server.base_url, "a judge"), QUESTIONS, answers)
    assert set(judged.marks.values()) == {4} and judged.num_unreadable == 0
    schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["mark"]["enum"] == [1, 2, 3, 4, 5]


def test_a_hiccup_is_repeated_and_a_dead_judge_is_given_up() -> None:
    said: list[str] = []
    answers = {question.question_id: "on the shelf" for question in QUESTIONS}
    with ChatServer("error_once", marking) as server:
        once = openeqa_judge.judge_all(ChatClient(server.base_url, "judge", backoff_s=0.0), QUESTIONS, answers)
    assert len(once.marks) == 6 and once.num_failed == 0
    with ChatServer("error", marking) as server:
        judge = ChatClient(server.base_url, "judge", max_retries=1, backoff_s=0.0)
        dead = openeqa_judge.judge_all(judge, QUESTIONS, answers, said.append)
    assert judge.usage.requests == 6  # three answers, two tries each
    assert (dead.marks, dead.num_failed, dead.num_not_asked) == ({}, 3, 3)
    assert "HTTP 500" in dead.error and "3 times in a row" in said[-1]


def test_answers_in_houses_are_judged_in_the_words_of_the_agent() -> None:
    asked = {"question_id": "1:a", "question": "What colour?", "answer": "red", "is_answerable": True}
    asked |= {"category": "change", "said": {"placecell": "red"}, "reply": "a kind of red"}
    absent = asked | {
        "question_id": "1:b",
        "answer": "unanswerable",
        "is_answerable": False,
        "reply": "no match: zebra",
    }
    prompts: list[str] = []

    def mark(messages: list[dict[str, Any]]) -> str:
        prompts.append(messages[0]["content"])
        return "5" if len(prompts) == 1 else "2"

    with ChatServer(answer=mark) as server:
        judge = ChatClient(server.base_url, "judge")
        rows = [{"episode": "1/0/placecell", "house": 1, "result": {"questions": [asked, absent]}}]
        scores = openeqa_judge.judge_rows(judge, rows)
    assert scores["score"]["value"] == 62.5 and scores["by_category"]["change"]["num_questions"] == 2
    assert "Reply: a kind of red" in prompts[0] and "True answer: It cannot be told" in prompts[1]
    assert openeqa_judge.judged_words(scores)[0].startswith("OpenEQA's score 62.5 [62.5, 62.5] of 100, 2 answers")


def test_the_command_scores_a_file(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eqa", "--open-eqa", str(files[0]), "--predictions", str(files[1])]
    assert main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["object", "recognition", "3", "2", "2"] and out[-2].split() == ["all", "6", "5", "2"]
    assert out[-1].startswith("the score needs a judge: add --judge URL --judge-model NAME")
    with ChatServer(answer=marking) as server:
        assert main([*words, "--judge", server.base_url, "--judge-model", "m"]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[-3].startswith("OpenEQA's score 41.7 [") and "a mark, which count 0: 1" in out[-1]
        assert main([*words, "--judge", server.base_url, "--judge-model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["judged"]["marks"]["q3"] == 3


def test_a_judge_that_never_answers_leaves_no_score(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eqa", "--open-eqa", str(files[0]), "--predictions", str(files[1])]
    with ChatServer("refused") as server:  # the empty answer alone makes no score
        assert main([*words, "--judge", server.base_url, "--judge-model", "m"]) == 1
    out = capsys.readouterr().out
    assert "no answer was judged" in out and "HTTP 401" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--open-eqa", "q.json"], "go together"),
        (["--predictions", "q.json"], "go together"),
        (["--partial"], "--partial goes with"),
        (["--judge", "http://localhost:1/v1"], "needs --judge-model"),
        (["--judge-model", "m"], "--judge-model needs --judge"),
    ],
)
def test_options_that_do_not_fit_are_told(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["eqa", *words])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_a_bad_file_is_one_line(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eqa", "--open-eqa", str(files[0]), "--predictions", str(files[1])]
    files[1].write_text(json.dumps([{"question_id": "q0", "answer": "here"}]))
    assert main(words) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "5 questions have no prediction" in err and "--partial" in err
    assert main([*words, "--partial"]) == 0
    assert capsys.readouterr().out.splitlines()[-2].split() == ["all", "6", "1", "0"]
    assert main([*words, "--judge", "ftp://x", "--judge-model", "m"]) == 1
    assert "base_url must look like" in capsys.readouterr().err


REAL = Path(os.environ.get("OPEN_EQA_FILE", "data/open-eqa-v0.json"))


@pytest.mark.skipif(not REAL.is_file(), reason="OpenEQA's question file is not at hand: set OPEN_EQA_FILE")
def test_the_real_file_loads_and_its_own_answers_are_right_word_for_word(tmp_path: Path) -> None:
    questions = load_questions(REAL)
    assert len(questions) == 1636 and set(Counter(question.category for question in questions)) == set(CATEGORIES)
    path = tmp_path / "own.json"
    path.write_text(json.dumps([{"question_id": q.question_id, "answer": q.answer} for q in questions]))
    counts = openeqa_judge.score_file(REAL, path)["counts"]["all"]
    assert counts == {"num_questions": 1636, "num_answered": 1636, "num_word_for_word": 1636}
