"""Read a question: what kind of answer it wants, about which thing, before or after which other one.

No model is needed: questions about what was seen take few forms, and each form is one pattern below. What fits none of
them is an open question, answered by the best evidence there is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from placecell.agents.forms import KINDS, Question, classify, thing
from placecell.agents.vocabulary import ROOMS

__all__ = ["KINDS", "Question", "normal_form", "parse_question", "parse_time_s", "split_choices"]

_CONTRACTIONS = (
    (r"\b(what|where|when|who|how|which|there|here|it|that)['’]s\b", r"\1 is"),
    (r"\b(what|where|when|who|how|which|there)['’]re\b", r"\1 are"),
    (r"\b(is|are|was|were|do|does|did|has|have|had|can|could)n['’]t\b", r"\1"),
    (r"\b(i|you|we|they)['’]ve\b", r"\1 have"),
    (r"\b(i|you|we|they)['’]d\b", r"\1 had"),
    (r"\bwheres\b", "where is"),
    (r"\bwhats\b", "what is"),
    (r"\bcolo(u?)rs\b", "colour"),
    (r"\bcolor(ed)?\b", r"colour\1"),
    (r"\bgray\b", "grey"),
)
_POLITE = re.compile(
    r"^(?:hey|hi|hello|please|so|and|ok|okay|well|now)[, ]+|"
    r"^(?:please |(?:can|could|would|will) you (?:please )?)?(?:tell|show|remind) me[,:]? (?:if |whether )?|"
    r"^do you (?:know|remember) (?:if |whether )?(?=what|where|when|which|how|who|there|i |we |the )|"
    r"^i (?:wonder|want to know|would like to know) (?:if |whether )?"
)
# "somewhere to sit", "a quiet place to read", "a spot where I can charge my phone"
_SOMEWHERE = re.compile(
    r"^(?:find |give |show |i (?:want|need|look for|am looking for) )?(?:me )?"
    r"(?:somewhere|someplace|(?:a|any|some)(?: \w+)? (?:place|spot|room|corner))(?: \w+)? "
    r"(?:to|where i (?:can|could)) "
)
_CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:\.\d+)?"
_UNIT = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
_AMOUNT = rf"\d+(?:\.\d+)?\s*{_UNIT}(?:\s+(?:and\s+)?\d+(?:\.\d+)?\s*{_UNIT})?\b"
_TIME = rf"(?:{_CLOCK}|(?:second|minute|hour) \d+(?:\.\d+)?|{_AMOUNT}|\d+(?:\.\d+)?)"
_TIME_STRICT = rf"(?:{_CLOCK}|(?:second|minute|hour) \d+(?:\.\d+)?|{_AMOUNT})"
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_time_s(text: str) -> float | None:
    """Seconds that `text` names, or None if it is no time.

    Example:
        >>> parse_time_s("00:40"), parse_time_s("1:02:03"), parse_time_s("2 min 5 s"), parse_time_s("the mug")
        (40.0, 3723.0, 125.0, None)
    """
    text = re.sub(r"^(?:the|at|about|around|t\s*=)\s+", "", text.strip().lower()).strip(" .")
    if re.fullmatch(_CLOCK, text):
        total = 0.0
        for part in text.split(":"):
            total = total * 60.0 + float(part)
        return total
    if named := re.fullmatch(r"(second|minute|hour) (\d+(?:\.\d+)?)", text):
        return float(named[2]) * _UNIT_S[named[1][0]]
    if re.fullmatch(_AMOUNT, text):
        return sum(float(n) * _UNIT_S[unit[0]] for n, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([smh])", text))
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    return None


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """Part a question from the choices written behind letters: "A) red B) blue", "(a) red, (b) blue", "A. red".

    Example:
        >>> split_choices("What colour is the mug? A) red B) dark blue")
        ('What colour is the mug?', ('red', 'dark blue'))
    """
    marks = list(re.finditer(r"(?:(?<=^)|(?<=[\s,;?]))\(?([A-Ha-h])[).:](?=\s)", text))
    for start in range(len(marks)):
        run = marks[start:]
        letters = [mark[1].lower() for mark in run]
        if len(run) >= 2 and letters == [chr(97 + i) for i in range(len(run))]:
            ends = [mark.start() for mark in run[1:]] + [len(text)]
            parts = [text[mark.end() : end].strip(" \t\r\n,;") for mark, end in zip(run, ends, strict=True)]
            parts = [re.sub(r"\s+(?:or|and)$", "", part) for part in parts]
            if all(parts):
                return text[: run[0].start()].strip(), tuple(parts)
    return text.strip(), ()


def normal_form(text: str) -> str:
    """Lower case, one spelling, contractions opened, politeness and outer punctuation gone."""
    text = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip(" ?!.,;\"'")
    for pattern, new in _CONTRACTIONS:
        text = re.sub(pattern, new, text)
    text = re.sub(r"[\"“”?!;]", " ", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|,(?!\d)|(?<!\d):|:(?!\d)", lambda m: " , " if m[0] == "," else " ", text)
    text = re.sub(r"\s+", " ", text).strip(" ,")
    while (shorter := _POLITE.sub("", text, count=1)) != text:
        text = shorter
    return _SOMEWHERE.sub("where can i ", text, count=1)


_ROOM_NAMES = sorted((name for group in ROOMS for name in group), key=len, reverse=True)
_PLACE = re.compile(rf"\s*\b(?:in|inside|within) (?:the |my |our |a )?({'|'.join(_ROOM_NAMES)})$")


def _with_place(question: Question) -> Question:
    """Move "in the kitchen" from the subject's end to `place`."""
    found = _PLACE.search(" " + question.subject)
    if found is None or question.kind in ("where", "room"):
        return question
    rest = (" " + question.subject)[: found.start()]
    return replace(question, subject=thing(rest), place=found[1])


def _cut_times(text: str) -> tuple[str, float | None, tuple[float, float] | None]:
    """Take "at 00:40", "between 1:00 and 2:00", "in the first minute", "before 1:30" out of a question."""

    def time(word: str) -> float:
        value = parse_time_s(word)
        assert value is not None
        return value

    span = re.search(rf"\b(?:between|from) ({_TIME}) (?:and|to|until|till) ({_TIME})\b", text)
    if span:
        low, high = sorted((time(span[1]), time(span[2])))
        if (
            parse_time_s(span[1]) is not None
            and re.fullmatch(r"[\d.]+", span[1])
            and (unit := re.search(r"[smh]", re.sub(r"[\d.:\s]", "", span[2])))
        ):  # "between 10 and 20 seconds": the unit stands once
            low = min(float(span[1]) * _UNIT_S[unit[0]], high)
        return text[: span.start()] + text[span.end() :], None, (low, high)
    head = re.search(rf"\b(?:in|within|during) the first ({_AMOUNT}|minute|hour)\b", text)
    if head:
        end = {"minute": 60.0, "hour": 3600.0}.get(head[1]) or time(head[1])
        return text[: head.start()] + text[head.end() :], None, (0.0, end)
    # Parts of the stream are left to `placecell.memory.queries`, which knows where it ends; here they only go.
    text = re.sub(
        rf"\b(?:in|within|during|over) the (?:last|final|past) (?:{_AMOUNT}|second|minute|hour)\b|"
        r"\b(?:in|within|during|at|near|towards?) the (?:very )?(?:end|beginning|start|middle|(?:first|second) half)"
        r"(?: of (?:the|this|my) (?:video|walk|stream|recording|day|tour))?\b",
        "",
        text,
    )
    limit = re.search(rf"\b(before|after|until|since|by) ({_TIME_STRICT})(?= |$)", text)
    if limit:
        edge = time(limit[2])
        rest = text[: limit.start()] + text[limit.end() :]
        return rest, None, (0.0, edge) if limit[1] in ("before", "until", "by") else (edge, float("inf"))
    point = re.search(rf"\b(?:at|around|about)(?: (?:time|about|around))? ({_TIME_STRICT}|\d+(?:\.\d+)?$)(?= |$)", text)
    if point:
        return text[: point.start()] + text[point.end() :], time(point[1]), None
    return text, None, None


def parse_question(text: str) -> Question:
    """Take a question apart.

    Raises:
        ValueError: If `text` holds no word.

    Example:
        >>> question = parse_question("What color is the mug?")
        >>> question.kind, question.subject
        ('colour', 'mug')
        >>> question = parse_question("Did I see the sofa before the bed?")
        >>> question.kind, question.subject, question.relation, question.anchor
        ('order', 'sofa', 'before', 'bed')
    """
    stem, choices = split_choices(text)
    if not re.search(r"\w", stem):
        raise ValueError("a question needs at least one word, got an empty one: ask for example 'where is the red mug'")
    plain, at_s, between = _cut_times(normal_form(stem))
    plain = re.sub(r"\s+", " ", plain).strip(" ,")
    question = _with_place(classify(plain))
    return replace(question, text=stem, at_s=at_s, between=between, choices=choices)
