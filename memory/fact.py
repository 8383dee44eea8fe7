"""A fact: one relation, with when it holds in the world and when the memory knew of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from placecell.memory.records import RecordId

__all__ = ["EVIDENCE", "RELATIONS", "SYMMETRIC", "Fact"]

RELATIONS: Final = ("in", "on", "near", "next to", "same as", "moved from")
SYMMETRIC: Final = frozenset({"near", "next to", "same as"})
EVIDENCE: Final = 3  # records that a fact cites at most


@dataclass(frozen=True, slots=True)
class Fact:
    """One relation, bi-temporal.

    Args:
        subject: Key of a thing or a room, or a noun.
        relation: One of `RELATIONS`.
        object: What it stands in relation to: likewise.
        valid_from_s: Since when it holds in the world, seconds of the stream.
        valid_to_s: Until when; None if it still does as far as is known.
        recorded_s: Since when the memory knows it.
        superseded_s: When the memory learned that it no longer holds; None if it has not.
        evidence: Records that show or say it.
    """

    subject: str
    relation: str
    object: str
    valid_from_s: float
    valid_to_s: float | None
    recorded_s: float
    superseded_s: float | None
    evidence: tuple[RecordId, ...] = ()

    def holds_at(self, at_s: float) -> bool:
        """Whether it held in the world at a time."""
        return self.valid_from_s <= at_s and (self.valid_to_s is None or at_s < self.valid_to_s)

    def known_at(self, as_of_s: float) -> Fact | None:
        """The fact as it was known at a time; None if it was not."""
        if self.recorded_s > as_of_s:
            return None
        is_open = self.superseded_s is None or self.superseded_s > as_of_s
        return replace(self, valid_to_s=None, superseded_s=None) if is_open else self
