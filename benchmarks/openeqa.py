"""OpenEQA: its question file, its judge's scale, its scores.

A judge (any server that speaks the OpenAI chat-completions protocol) marks each answer from 1 to 5; the score is
100 times the mean of (mark - 1) / 4. For answers found by walking (A-EQA) every mark is also weighted by the length of
the way. The judge's words here are this project's own; to compare with published scores give the benchmark's own prompt
files, with `{question}`, `{answer}`, `{prediction}` and `{extra_answers}` in them, as `prompts`.

Source: Majumdar et al., OpenEQA, CVPR 2024.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from placecell.agents.chat_replies import ReplyError, choice_schema, reply_object
from placecell.benchmarks import bootstrap
from placecell.errors import PlacecellError

__all__ = [
    "CATEGORIES",
    "EqaFileError",
    "EqaQuestion",
    "Judge",
    "PROMPTS",
    "efficiency",
    "judge_messages",
    "judge_prediction",
    "load_predictions",
    "load_questions",
    "parse_mark",
    "score_marks",
    "shorten",
]

CATEGORIES: Final = (
    "object recognition",
    "object localization",
    "attribute recognition",
    "spatial understanding",
    "object state recognition",
    "functional reasoning",
    "world knowledge",
)
_NEEDED: Final = ("question_id", "question", "answer", "category", "episode_history")

PROMPTS: Final = (
    "Mark how well a reply answers a question about a place. 5 means that it says the same as the true answer, 1 that "
    "it is plainly wrong; use 2, 3 and 4 for what lies between. Give one whole number and nothing else.\n\n"
    "Question: {question}\nTrue answer: {answer}\nReply: {prediction}\nYour mark:",
    "Mark how well a reply answers a question about a place. 5 means that it says the same as one of the true answers, "
    "1 that it is plainly wrong; use 2, 3 and 4 for what lies between. Give one whole number and nothing else.\n\n"
    "Question: {question}\nTrue answer: {answer}\nOther true answers: {extra_answers}\nReply: {prediction}\n"
    "Your mark:",
)
_MARK: Final = choice_schema({"mark": {"type": "integer", "enum": [1, 2, 3, 4, 5]}})


class EqaFileError(PlacecellError):
    """A file of questions or predictions is not in the format; the message names the question."""


@runtime_checkable
class Judge(Protocol):
    """What marks answers; `placecell.agents.chat_client.ChatClient` fits."""

    def complete(self, messages: Sequence[Mapping[str, Any]], *, schema: Mapping[str, Any] | None = None) -> str:
        """The model's reply, which it may keep to a JSON schema."""
        ...


@dataclass(frozen=True, slots=True)
class EqaQuestion:
    """One question, as the file has it."""

    question_id: str
    question: str
    answer: str
    category: str
    episode_history: str
    extra_answers: tuple[str, ...] = ()


def load_questions(path: Path) -> list[EqaQuestion]:
    """Read a question file.

    Raises:
        EqaFileError: If it is missing, no list, or a question lacks a field or repeats an id.
    """
    questions: list[EqaQuestion] = []
    for number, row in enumerate(_rows(path)):
        where = f"{path}: question {number}"
        if isinstance(row, dict) and isinstance(row.get("question_id"), str):
            where += f" ({row['question_id']})"
        fields = {name: _text(row, name, where) for name in _NEEDED}
        extra = row.get("extra_answers") or []
        if not isinstance(extra, list) or not all(isinstance(text, str) for text in extra):
            raise EqaFileError(f"{where}: extra_answers must be a list of texts")
        if fields["category"] not in CATEGORIES:
            raise EqaFileError(f"{where}: the category {fields['category']!r} is none of {', '.join(CATEGORIES)}")
        questions.append(EqaQuestion(**fields, extra_answers=tuple(extra)))
    _check_unique([question.question_id for question in questions], path)
    return questions


def load_predictions(path: Path, questions: Sequence[EqaQuestion], is_partial: bool = False) -> dict[str, str]:
    """Read predictions, a list of `{"question_id", "answer"}`.

    Args:
        path: The file.
        questions: What was asked.
        is_partial: Let questions without a prediction be; they are left out of the score.

    Raises:
        EqaFileError: If the file is malformed, answers what was not asked, or leaves a question out.
    """
    found: dict[str, str] = {}
    rows = _rows(path)
    for number, row in enumerate(rows):
        where = f"{path}: prediction {number}"
        name, answer = _text(row, "question_id", where), row.get("answer")
        if answer is not None and not isinstance(answer, str):
            raise EqaFileError(f"{where} ({name}): the answer must be a text or null")
        found[name] = answer or ""
    _check_unique([row["question_id"] for row in rows], path)
    asked = {question.question_id for question in questions}
    if unknown := found.keys() - asked:
        raise EqaFileError(f"{path}: {len(unknown)} predictions answer no question, {min(unknown)} for one")
    if (missing := asked - found.keys()) and not is_partial:
        raise EqaFileError(
            f"{path}: {len(missing)} questions have no prediction, {min(missing)} for one (--partial leaves them out)"
        )
    return found


def shorten(prediction: str) -> str:
    """What is judged: text after the last full stop is cut, as the benchmark does.

    Example:
        >>> shorten("It is red. I think"), shorten("red")
        ('It is red.', 'red')
    """
    end = prediction.rfind(".")
    return prediction[: end + 1] if end >= 0 else prediction


def judge_messages(question: EqaQuestion, prediction: str, prompts: tuple[str, str] = PROMPTS) -> list[dict[str, str]]:
    """What a judge is asked: the second prompt where there are extra answers, else the first."""
    fields = {
        "question": question.question,
        "answer": question.answer,
        "prediction": shorten(prediction),
        "extra_answers": json.dumps(list(question.extra_answers), ensure_ascii=False),
    }
    prompt = prompts[1 if question.extra_answers else 0]
    # In one pass: an answer may itself hold what looks like a field.
    text = re.sub(r"\{(" + "|".join(fields) + r")\}", lambda found: fields[found[1]], prompt)
    return [{"role": "user", "content": text}]


def parse_mark(reply: str) -> int | None:
    r"""The mark in a judge's reply: a bare number, `{"mark": number}`, or what follows "Your mark:" in its line.

    Returns:
        The number as it was said; None if there is none.

    Example:
        >>> parse_mark("4"), parse_mark("Close. Your mark: 2\nbecause"), parse_mark('{"mark": 5}'), parse_mark("good")
        (4, 2, 5, None)
    """
    text = reply.strip()
    if text.isdecimal():
        return int(text)
    with contextlib.suppress(ReplyError):
        if type(mark := reply_object(text).get("mark")) is int:
            return mark
    _, found, rest = reply.partition("Your mark:")
    number = rest.split("\n", 1)[0].strip()
    return int(number) if found and number.isdecimal() else None


def judge_prediction(judge: Judge, question: EqaQuestion, prediction: str, prompts: tuple[str, str] = PROMPTS) -> int:
    """A judge's mark; 0 where there is no answer, or no mark in the reply."""
    if not prediction.strip():
        return 0
    return parse_mark(judge.complete(judge_messages(question, prediction, prompts), schema=_MARK)) or 0


def worth(mark: float | int) -> float:
    """A mark on the scale from 0 to 1: (clip(mark, 1, 5) - 1) / 4.

    Example:
        >>> worth(0), worth(3), worth(5)
        (0.0, 0.5, 1.0)
    """
    return (min(max(mark, 1.0), 5.0) - 1.0) / 4.0


def efficiency(mark: float | int, shortest: float, taken: float) -> float:
    """A mark weighted by the way: (mark - 1) / 4 times l / max(p, l), from 0 to 1.

    Args:
        mark: The judge's.
        shortest: Length l of the shortest way that answers the question; steps, or metres, as `taken`.
        taken: Length p of the way that was taken.

    Raises:
        ValueError: If a length is negative or not finite.

    Example:
        >>> efficiency(5, 10.0, 20.0), efficiency(3, 10.0, 5.0)
        (0.5, 0.5)
    """
    if not (math.isfinite(shortest) and math.isfinite(taken)) or min(shortest, taken) < 0:
        raise ValueError(f"lengths must be finite and not negative, got {shortest} and {taken}")
    longest = max(shortest, taken)
    return worth(mark) if longest == 0 else worth(mark) * (shortest / longest)


def score_marks(
    questions: Sequence[EqaQuestion],
    marks: Mapping[str, float | int],
    ways: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """Scores from 0 to 100 over all questions and by category, with 95 % intervals over episodes.

    Args:
        questions: What was asked; those without a mark are left out, and counted.
        marks: The judge's, by question id.
        ways: Shortest and taken length by question id, for A-EQA.

    Raises:
        ValueError: If no question has a mark.
    """
    marked = [question for question in questions if question.question_id in marks]
    if not marked:
        raise ValueError("no question has a mark")
    result: dict[str, Any] = {"num_questions": len(marked), "num_left_out": len(questions) - len(marked)}
    result["score"] = _mean(marked, lambda question: worth(marks[question.question_id]))
    result["by_category"] = {
        name: {"num_questions": len(part)} | _mean(part, lambda question: worth(marks[question.question_id]))
        for name in dict.fromkeys((*CATEGORIES, *(question.category for question in marked)))
        if (part := [question for question in marked if question.category == name])
    }
    if ways is not None:
        walked = [question for question in marked if question.question_id in ways]
        if walked:
            result["efficiency"] = {"num_questions": len(walked)} | _mean(
                walked, lambda question: efficiency(marks[question.question_id], *ways[question.question_id])
            )
    return result


def _mean(questions: Sequence[EqaQuestion], of: Callable[[EqaQuestion], float]) -> dict[str, float]:
    values = [100 * of(question) for question in questions]
    return bootstrap.mean([question.episode_history for question in questions], values, digits=2)


def _rows(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise EqaFileError(f"{path}: could not be read ({error.strerror or error})") from error
    except ValueError as error:
        raise EqaFileError(f"{path}: expected JSON, {error}") from error
    if not isinstance(rows, list) or not rows:
        raise EqaFileError(f"{path}: expected a list with at least one entry")
    return rows


def _text(row: Any, name: str, where: str) -> str:
    if not isinstance(row, dict):
        raise EqaFileError(f"{where}: expected an object, got {type(row).__name__}")
    if name not in row:
        raise EqaFileError(f"{where}: the field {name} is missing")
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise EqaFileError(f"{where}: {name} must be a text that is not empty")
    return value


def _check_unique(names: Sequence[str], path: Path) -> None:
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise EqaFileError(f"{path}: the question_id {twice} comes twice")
