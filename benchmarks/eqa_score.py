"""Is a closed answer right, and how far does one get without looking?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from placecell.agents.answer import Answer
from placecell.agents.choices import number_in
from placecell.agents.vocabulary import singular
from placecell.benchmarks.eqa_questions import UNANSWERABLE, EqaQuestion, generate_questions
from placecell.envs.house import House
from placecell.perception.vocabulary import COLOUR_WORDS, NOUNS, ROOM_WORDS

__all__ = ["TRAIN_SEED", "BlindGuesser", "canonical", "is_right", "said", "trained_guesser"]

TRAIN_SEED: Final = 60_000  # first of the houses whose answers the blind guesser has read
_NAMES: Final = {
    "name": {word: name for name, words in NOUNS.items() for word in words},
    "colour": {word: name for name, words in COLOUR_WORDS.items() for word in words},
    "room": {word: name for name, words in ROOM_WORDS.items() for word in words},
}


def canonical(text: str, kind: str) -> str:
    """An answer in the word that the questions use, for comparison.

    Example:
        >>> canonical("The lounge", "room"), canonical("Yes, it is", "yes_no"), canonical("two", "number")
        ('living room', 'yes', '2')
    """
    text = re.sub(r"^(?:in |on |it is |they are )?(?:the |an? |some )?", "", text.strip().lower().strip(" .!?"))
    if kind == "yes_no":
        return "yes" if re.match(r"(?:yes|true)\b", text) else "no" if re.match(r"(?:no|false)\b", text) else text
    if kind == "number":
        number = number_in(text)
        return text if number is None else str(number)
    names = _NAMES.get(kind, {})
    if text in names:
        return names[text]
    if kind == "name":  # "the red mug": the noun may have another name
        for words in range(1, len(text.split())):
            head, noun = " ".join(text.split()[:words]), " ".join(text.split()[words:])
            if noun in names or singular(noun) in names:
                return f"{head} {names.get(noun) or names[singular(noun)]}"
        return names.get(singular(text), text)
    return text


def said(question: EqaQuestion, answer: Answer) -> str:
    """What a reader's answer says, in one canonical word; "unanswerable" for a refusal.

    A refusal to a question after the mere presence of a thing says no.
    """
    if question.kind == "yes_no" and isinstance(answer.value, bool):
        return "yes" if answer.value else "no"
    if answer.is_refusal:
        return UNANSWERABLE
    if question.choices and answer.choice_index is not None:
        return canonical(question.choices[answer.choice_index], question.kind)
    if question.kind in ("room", "colour", "name", "number"):
        value = answer.value
        if isinstance(value, dict):
            value = value.get(question.kind)
        if value is not None and not isinstance(value, (list, tuple)):
            return canonical(str(value), question.kind)
    return canonical(answer.text, question.kind)


def is_right(question: EqaQuestion, text: str) -> bool:
    """Whether a short answer (see `said`) is the right one."""
    if not question.is_answerable:
        return text == UNANSWERABLE
    return canonical(text, question.kind) == canonical(question.answer, question.kind)


class BlindGuesser:
    """Answers by what was most often right for such a question, without looking.

    It knows the answers of other houses: to the same question, else to the same but for the place and the colour, else
    to the same but for every name.

    Args:
        questions: Those of other houses, with their answers.
    """

    def __init__(self, questions: Iterable[EqaQuestion]) -> None:
        self._counts: list[dict[str, Counter[str]]] = [{}, {}, {}]
        for question in questions:
            if question.is_answerable:
                for table, key in zip(self._counts, _keys(question.question), strict=True):
                    table.setdefault(key, Counter())[question.answer] += 1

    def guess(self, question: str, choices: Sequence[str] = ()) -> str:
        """The likeliest answer; of equally likely ones the first in the alphabet."""
        for table, key in zip(self._counts, _keys(question), strict=True):
            counts = table.get(key, Counter())
            held = {choice: counts[choice] for choice in choices} if choices else dict(counts)
            if sum(held.values()) >= 3:
                return min(held, key=lambda name: (-held[name], name))
        return min(choices) if choices else "no"


_PLACES = "|".join(sorted((word for words in ROOM_WORDS.values() for word in words), key=len, reverse=True))
_COLOURS = "|".join(COLOUR_WORDS)
_THINGS = "|".join(
    f"{word}(?:e?s)?" for word in sorted((w for words in NOUNS.values() for w in words), key=len, reverse=True)
)


def _keys(text: str) -> tuple[str, str, str]:
    """A question at three levels of detail."""
    text = text.lower()
    some = re.sub(rf"\b(?:{_COLOURS}) ", "", re.sub(rf"\b(?:{_PLACES})\b", "ROOM", text))
    return text, some, re.sub(rf"\b(?:an? )?(?:{_THINGS})\b", "THING", some)


@lru_cache(maxsize=4)
def trained_guesser(num_houses: int = 30, first_seed: int = TRAIN_SEED) -> BlindGuesser:
    """The guesser that has read the answers of `num_houses` training houses."""
    asked: list[EqaQuestion] = []
    for seed in range(first_seed, first_seed + num_houses):
        house = House.generate(seed)
        rng = np.random.default_rng(seed)
        every = {thing.id: 64 for thing in house.objects}
        try:
            after, changes = house.relocate(rng, moved=4, added=2, removed=2)
        except ValueError:
            asked += generate_questions(house, rng, num_per_category=60, visible=every)
            continue
        more = {thing.id: 64 for thing in after.objects}
        asked += generate_questions(after, rng, changes, before=house, num_per_category=60, visible=more,
                                    visible_before=every)  # fmt: skip
    return BlindGuesser(asked)
