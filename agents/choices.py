"""Multiple choice: read the choices, and turn scores into a chosen letter."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from placecell.agents.questions import parse_time_s

__all__ = ["clean_choice", "is_none", "number_in", "pick", "times_in", "yes_no"]

_COUNTS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen"),
)
_NUMBERS = {word: number for number, word in enumerate(_COUNTS)} | {"none": 0, "no": 0, "once": 1, "twice": 2}
_NONE = re.compile(
    r"(?:none|neither|nowhere|never\b|no match|nothing of|unknown|unanswerable|n/?a$|i (?:don't|do not) know|"
    r"not (?:there|seen|shown|visible|present|known|sure|mentioned|answerable)|(?:cannot|can't) (?:tell|say|be)|"
    r"it (?:was|is) (?:not|never)|there (?:is|was|are|were) (?:no|none))"
)


def clean_choice(text: str) -> str:
    """A choice without its letter, outer punctuation and case.

    Example:
        >>> clean_choice("(B) On the table."), clean_choice("C. red")
        ('on the table', 'red')
    """
    text = re.sub(r"^\s*\(?[A-Ha-h](?:[).:]|\s*[-–])\s+", "", text)
    return re.sub(r"\bcolor\b", "colour", re.sub(r"\bgray\b", "grey", text.strip(" \t\r\n.,;!?\"'").lower()))


def is_none(choice: str) -> bool:
    """Whether a cleaned choice says that none of the others is right."""
    return bool(_NONE.match(choice))


def yes_no(choice: str) -> bool | None:
    """True for yes, False for no, None for anything else."""
    first = re.match(r"(yes|true|yeah|no|false|nope)\b", choice)
    return None if first is None else first[1] in ("yes", "true", "yeah")


def number_in(choice: str) -> int | None:
    """The whole number that a cleaned choice names, in digits or in words."""
    if found := re.search(r"\d+", choice):
        return int(found[0])
    return next((_NUMBERS[word] for word in re.findall(r"[a-z]+", choice) if word in _NUMBERS), None)


def times_in(choice: str) -> tuple[float, float] | None:
    """Seconds from and to that a cleaned choice names; both are the same for a moment."""
    parts = re.split(r"\s*(?:-|–|to|and|until)\s*", re.sub(r"^(?:at|around|about|between|from)\s+", "", choice))
    times = [time for time in map(parse_time_s, parts) if time is not None]
    return (min(times), max(times)) if times and len(times) == len(parts) else None


def pick(scores: Sequence[float]) -> tuple[int | None, tuple[float, ...]]:
    """Best index and the scores divided by their sum; no index where nothing scores.

    Example:
        >>> pick([0.2, 0.6])
        (1, (0.25, 0.75))
    """
    values = np.array([score if math.isfinite(score) and score > 0 else 0.0 for score in scores], dtype=np.float64)
    total = float(values.sum())
    if total <= 0.0:
        return None, tuple(1.0 / len(values) for _ in values)
    return int(values.argmax()), tuple(round(float(value / total), 6) for value in values)
