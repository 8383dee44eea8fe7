"""Notes: what was said, tied to what is like it, and understood better as more is said.

A note is a view of a text record, never an edit of it. Each new note is linked to the most related earlier ones, and
these learn from it: its words join their keywords, the weaker the less the two have in common. What comes out depends
on which records there are, not on the order in which they came.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placecell.memory.queries import content_words, singular
from placecell.memory.records import Record, RecordId

__all__ = ["Note", "Notes"]

LINKS: Final = 5
_MIN_WORDS: Final = 0.2  # share of words (Jaccard) from which two notes are related
_MIN_COSINE: Final = 0.6
_MAX_KEYWORDS: Final = 24


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of one text.

    Args:
        record_id: Its record.
        stamp_s: When it was said.
        text: Its words.
        keywords: Words that it is about, own ones (weight 1) and those learned from later notes, heaviest first.
        links: Related notes, in the order of time.
    """

    record_id: RecordId
    stamp_s: float
    text: str
    keywords: tuple[tuple[str, float], ...]
    links: tuple[RecordId, ...]


@dataclass(slots=True, eq=False)
class _Entry:
    record_id: RecordId
    stamp_s: float
    text: str
    words: frozenset[str]
    vector: np.ndarray | None
    learned: dict[str, float] = field(default_factory=dict)
    links: dict[RecordId, float] = field(default_factory=dict)


class Notes:
    """Notes and their links.

    Source: A-MEM (Xu et al. 2025): link to the nearest notes, then let them evolve; here without a language model.
    """

    def __init__(self) -> None:
        self._order: list[tuple[float, RecordId]] = []
        self._entries: dict[RecordId, _Entry] = {}
        self._holders: dict[str, list[RecordId]] = {}
        self._linked = 0  # how many, in the order of time, are linked

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, record: Record) -> None:
        """Take in a text record."""
        key = record.record_id
        vector = None if record.text_embedding is None else np.asarray(record.text_embedding, np.float32)
        words = frozenset(singular(word) for word in content_words(record.text))
        self._entries[key] = _Entry(key, record.stamp_s, record.text, words, vector)
        place = bisect.bisect(self._order, (record.stamp_s, key))
        self._order.insert(place, (record.stamp_s, key))
        if place < self._linked:
            self._linked = 0

    def note(self, record_id: RecordId) -> Note | None:
        """The note of a record; None if it is no text."""
        self._link()
        entry = self._entries.get(record_id)
        if entry is None:
            return None
        weights = {**{word: round(w, 6) for word, w in entry.learned.items()}, **dict.fromkeys(entry.words, 1.0)}
        ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_KEYWORDS]
        links = sorted(entry.links, key=lambda key: (self._entries[key].stamp_s, key))
        return Note(entry.record_id, entry.stamp_s, entry.text, tuple(ranked), tuple(links))

    def notes(self) -> list[Note]:
        """All notes in the order of time."""
        found = (self.note(key) for _, key in self._order)
        return [note for note in found if note is not None]

    def ties(self) -> Mapping[tuple[RecordId, RecordId], float]:
        """How alike linked notes are, by the later and the earlier one, in (0, 1]."""
        self._link()
        return {(key, other): s for _, key in self._order for other, s in self._entries[key].links.items() if
                (self._entries[other].stamp_s, other) < (self._entries[key].stamp_s, key)}  # fmt: skip

    def _link(self) -> None:
        if self._linked == 0:
            self._holders = {}
            for entry in self._entries.values():
                entry.learned, entry.links = {}, {}
        for _, key in self._order[self._linked :]:
            entry = self._entries[key]
            for likeness, other_key in self._related(entry):
                other = self._entries[other_key]
                entry.links[other_key] = other.links[key] = likeness
                for word in entry.words - other.words:
                    other.learned[word] = max(other.learned.get(word, 0.0), likeness)
            for word in sorted(entry.words):
                self._holders.setdefault(word, []).append(key)
        self._linked = len(self._order)

    def _related(self, entry: _Entry) -> list[tuple[float, RecordId]]:
        candidates = {key for word in entry.words for key in self._holders.get(word, ())}
        found = []
        for key in candidates:
            other = self._entries[key]
            likeness = len(entry.words & other.words) / len(entry.words | other.words)
            least = _MIN_WORDS
            if entry.vector is not None and other.vector is not None and len(entry.vector) == len(other.vector):
                likeness, least = float(entry.vector @ other.vector), _MIN_COSINE
            if likeness >= least:
                found.append((min(likeness, 1.0), key))
        return sorted(found, key=lambda pair: (-pair[0], pair[1]))[:LINKS]
