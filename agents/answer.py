"""What a reader hands back: the answer, how sure it is, and the records that it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from placecell.memory.records import Recollection

__all__ = ["Answer", "clock", "evidence_row", "no_match"]


def clock(stamp_s: float) -> str:
    """Time of day of a stream, `mm:ss` or, from an hour on, `h:mm:ss`.

    Example:
        >>> clock(40.4), clock(3723.0)
        ('00:40', '1:02:03')
    """
    whole = int(stamp_s)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def evidence_row(hit: Recollection) -> dict[str, Any]:
    """One recollection as plain values: the row that the command line prints, one shape for every verb."""
    return {
        "record_id": str(hit.record_id),
        "start_s": round(float(hit.stamp_s), 3),
        "end_s": round(float(hit.end_s), 3),
        "score": round(float(hit.score), 4),
        "probability": round(float(hit.probability), 4),
        "source": hit.source,
        "agent_id": hit.agent_id,
        "position_m": None if hit.position_m is None else [round(float(x), 3) for x in hit.position_m],
        "caption": hit.text,
        "channels": {name: round(float(score), 3) for name, score in hit.channels.items()},
    }


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer and its evidence.

    Args:
        text: The answer in words; starts with "no match" where the memory does not hold it.
        kind: What was asked for, one of `placecell.agents.questions.KINDS`.
        value: The answer for programs: seconds, a count, a colour, a room, True or False, a place, names.
        probability: The chance that the answer is right, as far as the evidence tells.
        evidence: Records that it stands on, best first.
        is_refusal: Whether the reader declined because nothing in the memory matches.
        choice_index: Index of the chosen one of the choices, None if there were none or none fits.
        choice_scores: One score per choice; they add up to 1.
        notes: What a careful reader of the answer should know.
    """

    text: str
    kind: str
    value: Any
    probability: float
    evidence: tuple[Recollection, ...] = ()
    is_refusal: bool = False
    choice_index: int | None = None
    choice_scores: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; evidence as rows (see `evidence_row`)."""
        return {
            "answer": self.text,
            "kind": self.kind,
            "value": self.value,
            "probability": round(float(self.probability), 4),
            "is_refusal": self.is_refusal,
            "choice": None if self.choice_index is None else chr(ord("A") + self.choice_index),
            "choice_index": self.choice_index,
            "choice_scores": [round(float(score), 4) for score in self.choice_scores],
            "evidence": [evidence_row(hit) for hit in self.evidence],
            "notes": list(self.notes),
        }


def no_match(kind: str, phrase: str, best: float, unknown: tuple[str, ...] = (), value: Any = None) -> Answer:
    """Refusal that says what was looked for, how close the memory came, and which words mean nothing to it."""
    text = f"no match: nothing like {phrase!r} in this memory (best probability {best:.2f})"
    notes: tuple[str, ...] = ()
    if unknown:
        words = ", ".join(repr(word) for word in unknown)
        text += f"; unknown to its encoder: {words}"
        notes = (f"unknown words: {', '.join(unknown)}",)
    return Answer(text, kind, value, best, is_refusal=True, notes=notes)
