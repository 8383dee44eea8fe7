"""Read what a chat model says: one JSON object, wherever it stands in the reply, and nothing that is guessed.

Models are asked for an object and nothing else; many put it into a fenced block, or write a sentence before it. One
object is taken from there; two different ones, half of one, or none are refused. Every field is then checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ChatReply", "ReplyError", "choice_schema", "parse_reply", "reply_object", "reply_schema", "shown"]

_MAX_CHARS: Final = 100_000
_MAX_ANSWER: Final = 300  # characters, where a schema binds them
_MAX_STARTS: Final = 64  # braces at which an object is looked for
_DECODER: Final = json.JSONDecoder(parse_constant=lambda name: _no_constant(name))


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A model's answer to a question, after strict parsing.

    Args:
        answer: The answer in words.
        evidence: Ids of the records that the model cites, as it wrote them.
        confidence: 0 to 1, as the model says.
        choice: Letter of the chosen option, upper case; None if there is none.
    """

    answer: str
    evidence: tuple[str, ...]
    confidence: float
    choice: str | None = None


class ReplyError(ValueError):
    """A model's text is not the JSON object that was asked for; the message says in one line what is wrong."""


def reply_object(text: str) -> dict[str, Any]:
    r"""The one JSON object in a reply: bare, in a fenced block, or among words; thoughts before it are passed over.

    Raises:
        ReplyError: If there is none, or there are several that differ.

    Example:
        >>> reply_object('Sure! Here it is:\n```json\n{"goal": 2}\n```')
        {'goal': 2}
    """
    plain = re.sub(r"^\s*<think>.*?</think>", "", text[:_MAX_CHARS], count=1, flags=re.DOTALL).strip()
    found: list[dict[str, Any]] = []
    for one in _objects(plain):
        if one not in found:
            found.append(one)
    if not found:
        raise ReplyError(f"not a JSON object: {shown(plain)}")
    if len(found) > 1:
        raise ReplyError(f"{len(found)} JSON objects where one is expected: {shown(plain)}")
    return found[0]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Objects that stand in `text` side by side, those inside others left out; none if the text is a list."""
    if text.startswith("["):
        return
    start, tried = text.find("{"), 0
    while start >= 0 and tried < _MAX_STARTS:
        tried += 1
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            # What is broken here must not hand out its own inner objects as the answer.
            end = _end_of_broken(text, start)
        else:
            yield value
        start = text.find("{", end)


def _end_of_broken(text: str, start: int) -> int:
    """Where braces that open at `start` are closed again; the end of the text if they are not."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return i + 1
    return len(text)


def parse_reply(text: str, num_choices: int = 0) -> ChatReply:
    """Read `{"answer": str, "evidence": [ids], "confidence": 0..1, "choice": letter or null}`.

    Raises:
        ReplyError: If it is anything else.

    Example:
        >>> parse_reply('{"answer": "red", "evidence": ["robot/7"], "confidence": 0.9, "choice": null}').answer
        'red'
    """
    reply = reply_object(text)
    missing = [key for key in ("answer", "evidence", "confidence") if key not in reply]
    if missing:
        raise ReplyError(f"without {', '.join(missing)}: {shown(text)}")
    answer, evidence, confidence, choice = (reply.get(k) for k in ("answer", "evidence", "confidence", "choice"))
    if not isinstance(answer, str) or not answer.strip():
        raise ReplyError(f"answer must be text, got {shown(json.dumps(answer))}")
    if not isinstance(evidence, list) or not all(isinstance(item, str) for item in evidence):
        raise ReplyError(f"evidence must be a list of record ids, got {shown(json.dumps(evidence))}")
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence <= 1:
        raise ReplyError(f"confidence must be a number from 0 to 1, got {shown(json.dumps(confidence))}")
    if choice is not None:
        letter = re.fullmatch(r"\(?([A-Za-z])[).]?", choice.strip()) if isinstance(choice, str) else None
        if letter is None or ord(letter[1].upper()) - 65 >= max(num_choices, 0 if num_choices else 26):
            raise ReplyError(f"choice must be a letter of the choices or null, got {shown(json.dumps(choice))}")
        choice = letter[1].upper()
    return ChatReply(answer.strip(), tuple(dict.fromkeys(evidence)), float(confidence), choice)


def reply_schema(record_ids: Sequence[str], num_choices: int = 0) -> dict[str, Any]:
    """What `parse_reply` reads, as a JSON schema: a server that keeps to it lets a model cite only what it was shown.

    Example:
        >>> reply_schema(["robot/7"], 2)["properties"]["choice"]
        {'enum': ['A', 'B', None]}
    """
    # Bounds on length: bound to a schema, a small model that repeats itself would otherwise never close what it opened.
    known = list(dict.fromkeys(record_ids))
    cited: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "maxItems": len(known)}
    if known:
        cited["items"]["enum"] = known
    choice: list[Any] = [chr(65 + i) for i in range(num_choices)]
    return choice_schema(
        {
            "answer": {"type": "string", "maxLength": _MAX_ANSWER},
            "evidence": cited,
            "confidence": {"enum": [tenth / 10 for tenth in range(11)]},
            "choice": {"enum": [*choice, None]},
        }
    )


def choice_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object that has all of these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def shown(text: str) -> str:
    """The start of `text` on one line, for messages."""
    plain = re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()
    return repr(plain[:120] + ("..." if len(plain) > 120 else "")) if plain else "nothing"
