"""Score answers as OpenEQA does: a judge marks every one of them, what goes wrong is counted, and figures come out.

The judge is a language model behind any server that speaks the OpenAI chat-completions protocol. A request is repeated
a few times at most; an answer that gets no reply is left out and counted; a judge that fails several times in a row is
not asked again. Its replies are read as numbers and as nothing else.

Source: Majumdar et al., OpenEQA, CVPR 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from placecell.agents.chat_client import ChatClient
from placecell.benchmarks import bootstrap
from placecell.benchmarks.openeqa import (
    CATEGORIES,
    EqaQuestion,
    Judge,
    judge_prediction,
    load_predictions,
    load_questions,
    score_marks,
    shorten,
)
from placecell.errors import ServerError

__all__ = ["Judged", "judge_all", "judge_rows", "judged_words", "score_file", "summary"]

MAX_FAILURES: Final = 3  # in a row, after which the judge is not asked again
_SAY_EVERY: Final = 100
_UNKNOWABLE: Final = "It cannot be told: the house has no such thing."
_NEEDS: Final = (
    "the score needs a judge: add --judge URL --judge-model NAME, any server of the OpenAI chat-completions protocol"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of many answers.

    Args:
        marks: By question id, from 1 to 5 as it was said; 0 for an empty answer, and where a reply held no mark.
        num_empty: Empty answers, for which nobody was asked.
        num_unreadable: Replies without a mark; they count as the lowest, as in the benchmark.
        num_failed: Answers to which no reply came.
        num_not_asked: Answers left when it was given up.
        error: The last failure in words; "" if there was none.
    """

    marks: Mapping[str, int]
    num_empty: int = 0
    num_unreadable: int = 0
    num_failed: int = 0
    num_not_asked: int = 0
    error: str = ""


def judge_all(
    judge: Judge,
    questions: Sequence[EqaQuestion],
    predictions: Mapping[str, str],
    say: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Let a judge mark every prediction.

    Args:
        judge: Raises `ServerError` where no reply comes; `ChatClient` does, after its own few tries.
        questions: What was asked; those without a prediction are passed over.
        predictions: Answers by question id.
        say: Told how it goes.
    """
    marks: dict[str, int] = {}
    asked = [question for question in questions if question.question_id in predictions]
    num_empty = num_unreadable = num_failed = in_a_row = 0
    error = ""
    for number, question in enumerate(asked):
        if number and number % _SAY_EVERY == 0:
            say(f"{number} of {len(asked)} answers judged")
        prediction = predictions[question.question_id]
        try:
            mark = judge_prediction(judge, question, prediction)
        except ServerError as failure:
            num_failed, in_a_row, error = num_failed + 1, in_a_row + 1, str(failure)
            if in_a_row == MAX_FAILURES:
                say(f"the judge failed {MAX_FAILURES} times in a row and is not asked again: {error}")
                return Judged(marks, num_empty, num_unreadable, num_failed, len(asked) - number - 1, error)
            continue
        in_a_row = 0 if prediction.strip() else in_a_row  # an empty answer asks nobody
        num_empty += not prediction.strip()
        num_unreadable += mark == 0 and bool(prediction.strip())
        marks[question.question_id] = mark
    return Judged(marks, num_empty, num_unreadable, num_failed, 0, error)


def judge_rows(
    judge: ChatClient, rows: Sequence[Mapping[str, Any]], say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """OpenEQA's score of the answers that an agent gave in houses, in its own words.

    A refusal is right where the house does not hold the answer: the judge is told so.

    Args:
        judge: Marks them.
        rows: Lines of the episodes of `placecell.benchmarks.eqa`.
        say: Told how it goes.
    """
    questions, replies = [], {}
    for row in rows:
        for asked in row["result"]["questions"]:
            name = f"{row['episode']}/{asked['question_id']}"
            answer = asked["answer"] if asked["is_answerable"] else _UNKNOWABLE
            questions.append(EqaQuestion(name, asked["question"], answer, asked["category"], str(row["house"])))
            replies[name] = asked.get("reply") or asked["said"]["placecell"]
    return _scores(judge, questions, judge_all(judge, questions, replies, say))


def score_file(
    questions_path: Path,
    predictions_path: Path,
    judge: ChatClient | None = None,
    *,
    is_partial: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Score a file of predictions for OpenEQA's questions.

    Without a judge there is no score: only how many questions there are, how many have an answer, and how many answers
    are the true one word for word.

    Args:
        questions_path: OpenEQA's question file.
        predictions_path: A list of `{"question_id", "answer"}`.
        judge: Marks the answers; None to count only.
        is_partial: Let questions without a prediction be.
        say: Told how it goes.

    Raises:
        EqaFileError: If one of the files is malformed, or they do not fit together.
    """
    questions = load_questions(questions_path)
    predictions = load_predictions(predictions_path, questions, is_partial)
    result: dict[str, Any] = {
        "experiment": "open-eqa",
        "num_questions": len(questions),
        "num_predictions": len(predictions),
        "counts": {
            name: _counts([question for question in questions if name in ("all", question.category)], predictions)
            for name in ("all", *CATEGORIES)
        },
        "judged": None,
    }
    if judge is not None:
        judged = judge_all(judge, questions, predictions, say)
        asked = [question for question in questions if question.question_id in predictions]
        result["judged"] = _scores(judge, asked, judged) | {"marks": dict(judged.marks)}
    return result


def _counts(questions: Sequence[EqaQuestion], predictions: Mapping[str, str]) -> dict[str, int]:
    answers = [(question, predictions.get(question.question_id, "")) for question in questions]
    return {
        "num_questions": len(questions),
        "num_answered": sum(bool(text.strip()) for _, text in answers),
        "num_word_for_word": sum(
            bool(text.strip()) and _plain(text) in {_plain(true) for true in (question.answer, *question.extra_answers)}
            for question, text in answers
        ),
    }


def _plain(text: str) -> str:
    return " ".join(shorten(text).casefold().strip(" .!\t\n").split())


def _scores(judge: Judge, questions: Sequence[EqaQuestion], judged: Judged) -> dict[str, Any]:
    is_silent = judged.num_failed > 0 and len(judged.marks) == judged.num_empty
    scored = {} if is_silent or not judged.marks else score_marks(questions, judged.marks)
    return {
        "judge": judge.model if isinstance(judge, ChatClient) else type(judge).__name__,
        **(scored or {"num_questions": 0, "score": None}),
        "num_empty": judged.num_empty,
        "num_unreadable": judged.num_unreadable,
        "num_failed": judged.num_failed,
        "num_not_asked": judged.num_not_asked,
        "error": judged.error,
    }


def judged_words(scores: Mapping[str, Any]) -> list[str]:
    """What a judge's scores say, for people: one line for the score, one for each thing that went wrong."""
    if scores["score"] is None:
        return [f"no answer was judged: {scores['error'] or 'there was none'}"]
    lines = [
        f"OpenEQA's score {bootstrap.shown(scores['score'], 1, 1)} of 100, {scores['num_questions']} answers marked by "
        f"{scores['judge']}"
    ]
    if scores["num_empty"]:
        lines.append(f"empty answers, which count 0: {scores['num_empty']}")
    if scores["num_unreadable"]:
        lines.append(f"replies of the judge without a mark, which count 0: {scores['num_unreadable']}")
    if scores["num_failed"]:
        lines.append(
            f"left out of the score: {scores['num_failed']} answers to which no reply came, {scores['num_not_asked']} "
            f"not asked after that ({scores['error']})"
        )
    return lines


def summary(result: Mapping[str, Any]) -> str:
    """The result of `score_file` as a table for people."""
    judged = result["judged"]
    by_category = {} if judged is None else judged.get("by_category", {})
    head = f"{'category':28}{'questions':>10}{'answered':>10}{'word for word':>15}"
    lines = [head + (f"{'score, 0 to 100':>24}" if by_category else "")]
    for name, counts in (*list(result["counts"].items())[1:], ("all", result["counts"]["all"])):
        line = f"{name:28}{counts['num_questions']:>10}{counts['num_answered']:>10}{counts['num_word_for_word']:>15}"
        figure = judged["score"] if name == "all" and by_category else by_category.get(name)
        lines.append(line + (f"{bootstrap.shown(figure, 1, 1):>24}" if figure else ""))
    return "\n".join([*lines, *([_NEEDS] if judged is None else judged_words(judged))])
