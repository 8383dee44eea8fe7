"""Questions about a house, made from its ground truth: OpenEQA's seven categories, and what changed between two visits.

Every question has one right answer that is closed: yes or no, a name, a colour, a type of room, a number. Asked is only
after things that fill 32 pixels from somewhere in the house; a phrase that names a thing fits no other thing of the
house, seen or not. Some questions ask after things that the house does not have: the right answer is a refusal.

Nothing in these houses opens or is switched on, so the object states are those of place: what stands on what, what is
free, what stands beside what.

Source: Majumdar et al. 2024, OpenEQA (the categories, and the fields of a question).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.benchmarks import eqa_templates as templates
from placecell.benchmarks.eqa_world import KINDS, Draft, World, visible_sides
from placecell.envs.house import Change, House

__all__ = ["CATEGORIES", "KINDS", "EqaQuestion", "generate_questions", "load_questions", "save_questions"]

CATEGORIES: Final = (
    "object recognition",
    "attribute recognition",
    "spatial understanding",
    "object state recognition",
    "functional reasoning",
    "world knowledge",
    "object localization",
    "change",
)
UNANSWERABLE: Final = "unanswerable"
_FIELDS: Final = ("question_id", "category", "question", "answer")


@dataclass(frozen=True, slots=True)
class EqaQuestion:
    """One question and its answer.

    Args:
        question_id: Unique among all questions, with the template's name in it: "2000001:colour:3".
        category: One of `CATEGORIES`.
        question: As a person asks it.
        answer: The right answer in its canonical word, or "unanswerable".
        choices: What to choose from; empty where the answer is free.
        kind: What the answer is, one of `KINDS`; "open" for a question that only a judge can score.
        target_ids: Ids of the things asked about (privileged, for analysis).
        is_answerable: Whether the house holds the answer.
        episode_history: Name of the walk that shows the answer.

    Raises:
        ValueError: If a field has no value that it may have.
    """

    question_id: str
    category: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    kind: str = "open"
    target_ids: tuple[int, ...] = ()
    is_answerable: bool = True
    episode_history: str = ""

    def __post_init__(self) -> None:
        for name in _FIELDS:
            if not getattr(self, name).strip():
                raise ValueError(f"{name} must not be empty")
        if self.category not in CATEGORIES:
            raise ValueError(f"category must be one of {', '.join(CATEGORIES)}; got {self.category!r}")
        if self.kind not in (*KINDS, "open"):
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, open; got {self.kind!r}")
        if self.choices and self.is_answerable and self.kind != "open" and self.answer not in self.choices:
            raise ValueError(f"the answer {self.answer!r} is none of the choices {', '.join(self.choices)}")

    @property
    def template(self) -> str:
        """Name of the template that made it, the whole id if none did."""
        parts = self.question_id.split(":")
        return parts[1] if len(parts) == 3 else self.question_id

    def to_dict(self) -> dict[str, Any]:
        """Plain values; OpenEQA's own fields have OpenEQA's names."""
        return {
            "question_id": self.question_id,
            "category": self.category,
            "question": self.question,
            "answer": self.answer,
            "choices": list(self.choices),
            "kind": self.kind,
            "target_ids": list(self.target_ids),
            "is_answerable": self.is_answerable,
            "episode_history": self.episode_history,
        }

    @classmethod
    def from_dict(cls, row: object) -> EqaQuestion:
        """Read what `to_dict` or OpenEQA wrote.

        Raises:
            ValueError: If a field is missing or holds a value of the wrong type.
        """
        if not isinstance(row, Mapping):
            raise ValueError(f"a question is an object with {', '.join(_FIELDS)}; got {type(row).__name__}")
        if missing := [name for name in _FIELDS if name not in row]:
            raise ValueError(f"{', '.join(missing)} missing: a question needs {', '.join(_FIELDS)}")
        for name in _FIELDS:
            if not isinstance(row[name], str):
                raise ValueError(f"{name} must be a text, got {row[name]!r}")
        choices, targets, answerable = row.get("choices", []), row.get("target_ids", []), row.get("is_answerable", True)
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise ValueError(f"choices must be a list of texts, got {choices!r}")
        if not isinstance(targets, list) or not all(type(target) is int for target in targets):
            raise ValueError(f"target_ids must be a list of whole numbers, got {targets!r}")
        if type(answerable) is not bool:
            raise ValueError(f"is_answerable must be true or false, got {answerable!r}")
        kind, history = row.get("kind", "open"), row.get("episode_history", "")
        if not isinstance(kind, str) or not isinstance(history, str):
            raise ValueError(f"kind and episode_history must be texts, got {kind!r} and {history!r}")
        return cls(
            row["question_id"],
            row["category"],
            row["question"],
            row["answer"],
            choices=tuple(choices),
            kind=kind,
            target_ids=tuple(targets),
            is_answerable=answerable,
            episode_history=history,
        )


def generate_questions(
    house: House,
    rng: np.random.Generator,
    changes: Sequence[Change] | None = None,
    *,
    before: House | None = None,
    categories: Sequence[str] | None = None,
    num_per_category: int = 8,
    unanswerable_share: float = 0.25,
    visible: Mapping[int, int] | None = None,
    visible_before: Mapping[int, int] | None = None,
) -> list[EqaQuestion]:
    """Questions about a house as it is now, by category, templates and yes/no balanced.

    Args:
        house: The house, after the changes.
        rng: Draws the questions.
        changes: What `House.relocate` did; needed for the category "change".
        before: The house before them; needed with `changes`.
        categories: Only these; by default all seven, and "change" where changes are given.
        num_per_category: Most questions in each; fewer where the house holds fewer.
        unanswerable_share: Of them about things that the house does not have, where the category has such questions.
        visible: Longest side in pixels of each thing from the best place; by default rendered (see `visible_sides`).
        visible_before: The same in the house before the changes.

    Raises:
        ValueError: If changes are given without the house before them, or a category is unknown.

    Example:
        >>> house = House.generate(7, 5)
        >>> seen = {thing.id: 64 for thing in house.objects}
        >>> asked = generate_questions(house, np.random.default_rng(0), visible=seen)
        >>> len({question.category for question in asked}), any(not question.is_answerable for question in asked)
        (7, True)
    """
    if (changes is None) != (before is None):
        raise ValueError("changes and before belong together: give both or neither")
    names = CATEGORIES[: 7 if changes is None else 8] if categories is None else tuple(categories)
    if unknown := set(names) - set(CATEGORIES):
        raise ValueError(f"categories are {', '.join(CATEGORIES)}; got {', '.join(sorted(unknown))}")
    if "change" in names and changes is None:
        raise ValueError("questions about changes need changes and the house before them")
    world = World(
        house,
        visible_sides(house) if visible is None else visible,
        before,
        {} if before is None else visible_sides(before) if visible_before is None else visible_before,
        tuple(changes or ()),
    )
    asked: list[EqaQuestion] = []
    for category in names:
        drafts = [draft for make in templates.TEMPLATES[category] for draft in make(world, rng)]
        num_without = round(num_per_category * unanswerable_share)
        without = _draw([draft for draft in drafts if not draft.is_answerable], num_without, rng)
        with_answer = [draft for draft in drafts if draft.is_answerable]
        chosen = _draw(with_answer, num_per_category - len(without), rng) + without
        asked += [
            EqaQuestion(
                f"{house.seed}:{draft.template}:{len(asked) + number}",
                category,
                draft.question,
                draft.answer if draft.is_answerable else UNANSWERABLE,
                draft.choices,
                draft.kind,
                draft.target_ids,
                draft.is_answerable,
                f"house-{house.seed}",
            )
            for number, draft in enumerate(chosen)
        ]
    return asked


def _draw(drafts: Sequence[Draft], count: int, rng: np.random.Generator) -> list[Draft]:
    """Templates in turn, and of each template yes and no in turn, so that neither is worth a guess."""
    groups: dict[str, dict[str, list[Draft]]] = {}
    for index in rng.permutation(len(drafts)):
        draft = drafts[int(index)]
        side = draft.answer if draft.kind == "yes_no" else ""
        groups.setdefault(draft.template, {}).setdefault(side, []).append(draft)
    order = sorted(groups)
    turns = {name: int(rng.integers(2)) for name in order}
    chosen: list[Draft] = []
    texts: set[str] = set()
    while len(chosen) < count and any(groups.values()):
        for name in [order[int(i)] for i in rng.permutation(len(order))]:
            sides = groups[name]
            if {"yes", "no"} & set(sides) and len(sides) < 2:
                sides.clear()  # one side is used up: what is left would give the answer away
            if not sides or len(chosen) >= count:
                continue
            side = sorted(sides)[turns[name] % len(sides)]
            turns[name] += 1
            draft = sides[side].pop()
            if not sides[side]:
                del sides[side]
            if draft.question not in texts:
                texts.add(draft.question)
                chosen.append(draft)
    return chosen


def save_questions(path: str | Path, questions: Iterable[EqaQuestion]) -> int:
    """Write questions as JSON lines; returns how many."""
    rows = [json.dumps(question.to_dict(), ensure_ascii=False) for question in questions]
    Path(path).write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return len(rows)


def load_questions(path: str | Path) -> list[EqaQuestion]:
    """Read a file of questions: JSON lines, or one JSON list as OpenEQA has it.

    Raises:
        ValueError: With the place in the file, if it is no JSON, a field is missing or wrong, or an id comes twice.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            rows = [(f"question {number}", row) for number, row in enumerate(json.loads(text))]
        else:
            lines = [(f"line {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
            rows = []
            for place, line in lines:
                try:
                    rows.append((place, json.loads(line)))
                except json.JSONDecodeError as error:
                    raise ValueError(f"{path}, {place}: no JSON ({error})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} holds no JSON: {error}") from None
    questions: list[EqaQuestion] = []
    ids: set[str] = set()
    for place, row in rows:
        try:
            question = EqaQuestion.from_dict(row)
        except ValueError as error:
            raise ValueError(f"{path}, {place}: {error}") from None
        if question.question_id in ids:
            raise ValueError(f"{path}, {place}: question_id {question.question_id!r} comes twice")
        ids.add(question.question_id)
        questions.append(question)
    return questions
