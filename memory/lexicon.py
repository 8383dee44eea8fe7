"""Words of text records: BM25 and the rare terms that tie records together.

Postings live in two parts: a packed one (arrays sorted by term, cheap to store and load) and a small tail of what was
added since. The tail is packed when it has outgrown the rest, so an insert costs amortised constant time per word.
Every score depends on the set of records only, not on the order in which they came.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from placecell.memory.queries import STOP_WORDS, singular

__all__ = ["LexicalScores", "Lexicon", "stem", "terms"]

K1: Final = 1.2
B: Final = 0.75
RARE_SHARE: Final = 0.05
MAX_RARE_DF: Final = 256  # "5 % of the records" of a large memory is not rare, and would make a query slow
_TAIL_MIN: Final = 20_000

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])[^\W_])+(?:['’][^\W\d_]+)?")


def stem(word: str) -> str:
    """Cut plural, -ing, -ed and a final -e, so that "moving", "moved" and "move" meet.

    Example:
        >>> [stem(word) for word in ("moving", "moved", "move", "mugs", "string", "red", "running")]
        ['mov', 'mov', 'mov', 'mug', 'string', 'red', 'run']

    Source: steps 1a, 1b and 5a of Porter 1980, simplified.
    """
    word = singular(word)
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and re.search("[aeiouy]", base) and not word.endswith("eed"):
            word = base[:-1] if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz" else base
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def terms(text: str) -> list[str]:
    """Stemmed content words of `text` in order, with repeats; a character of Chinese, Japanese or Korean is a term.

    Example:
        >>> terms("The keys are on the shelf; the KEYS!")
        ['key', 'shelf', 'key']
    """
    found = (token.replace("’", "'").removesuffix("'s") for token in _TOKEN.findall(text.lower()))
    return [stem(token) for token in found if token not in STOP_WORDS]


@dataclass(frozen=True, slots=True, eq=False)
class LexicalScores:
    """BM25 of every record that shares a term with the query.

    Attributes:
        items: Records, ascending.
        by_term: Score that each term of the query gives to each record; a row's sum is its BM25.
        idf: Weight of each term; a word that no record holds weighs most.
        mean: Mean BM25 over all records, those without a match included.
        std: Standard deviation over the same.
        n: Number of records.
    """

    items: Int64[np.ndarray, "m"]
    by_term: Float64[np.ndarray, "m q"]
    idf: Float64[np.ndarray, "q"]
    mean: float
    std: float
    n: int

    @property
    def totals(self) -> Float64[np.ndarray, "m"]:
        """BM25 of each record."""
        summed: Float64[np.ndarray, "m"] = self.by_term.sum(axis=1)
        return summed

    @property
    def coverage(self) -> Float64[np.ndarray, "m"]:
        """Share of the query that each record holds, its terms weighted by idf; 1 when it holds them all."""
        total = float(self.idf.sum())
        return (self.by_term > 0) @ self.idf / total if total > 0 else np.zeros(len(self.items))


class Lexicon:
    """An inverted index that only grows, except that records can be taken back.

    Example:
        >>> lexicon = Lexicon()
        >>> lexicon.add(7, "the keys are on the shelf")
        >>> lexicon.add(9, "dinner is on the table")
        >>> lexicon.score("where are the keys?").items.tolist()
        [7]
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._words: list[str] = []
        self._df: array[int] = array("q")
        self._docs: dict[int, tuple[int, int]] = {}  # item -> where its terms start in the forward arrays, how many
        self._lengths: dict[int, int] = {}
        self._sum_length = 0
        # Forward arrays: one entry per distinct term of a record.
        self._entry_item: array[int] = array("q")
        self._entry_term: array[int] = array("i")
        self._entry_count: array[int] = array("i")
        self._packed_entries = 0
        self._order = np.empty(0, np.int64)  # packed part of the entries, sorted by term
        self._starts = np.zeros(1, np.int64)
        self._tail: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._docs)

    def __contains__(self, item: object) -> bool:
        return item in self._docs

    def add(self, item: int, text: str) -> None:
        """Index the words of record `item`; a text without content words counts as an empty record.

        Raises:
            ValueError: If `item` is already in.
        """
        if item in self._docs:
            raise ValueError(f"item {item} is already in the lexicon; discard it first")
        counts = Counter(terms(text))
        self._docs[item] = (len(self._entry_item), len(counts))
        for word, count in counts.items():
            term = self._ids.get(word)
            if term is None:
                term = self._ids[word] = len(self._words)
                self._words.append(word)
                self._df.append(0)
            self._df[term] += 1
            self._tail.setdefault(term, []).append(len(self._entry_item))
            self._entry_item.append(item)
            self._entry_term.append(term)
            self._entry_count.append(count)
        self._lengths[item] = counts.total()
        self._sum_length += counts.total()
        if len(self._entry_item) - self._packed_entries > max(_TAIL_MIN, self._packed_entries):
            self._pack()

    def discard(self, item: int) -> None:
        """Take a record back; scores are then as if it had never been added. Unknown items are ignored."""
        if item not in self._docs:
            return
        start, count = self._docs.pop(item)
        for entry in range(start, start + count):
            self._df[self._entry_term[entry]] -= 1
            self._entry_count[entry] = 0  # a dead posting
        self._sum_length -= self._lengths.pop(item)

    def df(self, word: str) -> int:
        """Number of records that hold `word`, whatever its ending."""
        term = self._ids.get(stem(word.lower()))
        return 0 if term is None else self._df[term]

    def idf(self, df: int) -> float:
        """Weight of a term that `df` records hold.

        Source: Robertson & Zaragoza 2009, with Lucene's "+1", which keeps it positive.
        """
        return math.log1p((len(self._docs) - df + 0.5) / (df + 0.5))

    def score(self, query: str | Sequence[str]) -> LexicalScores:
        """BM25 of every record that shares a term with `query` (text, or words of it); repeats in the query count once.

        Source: Robertson & Zaragoza 2009, eq. 3.15; k1 = 1.2, b = 0.75.
        """
        words = list(dict.fromkeys(terms(query if isinstance(query, str) else " ".join(query))))
        n = len(self._docs)
        idf = np.array([self.idf(self._df[self._ids[w]] if w in self._ids else 0) for w in words])
        postings = [self._postings(self._ids[word]) if word in self._ids else _NONE for word in words]
        items = np.unique(np.concatenate([p[0] for p in postings])) if postings else _NONE[0]
        by_term = np.zeros((len(items), len(words)))
        mean_length = max(self._sum_length / n, 1e-9) if n else 1.0
        lengths = np.array([self._lengths[item] for item in items.tolist()], dtype=np.float64)
        for column, (holders, counts) in enumerate(postings):
            rows = np.searchsorted(items, holders)
            saturation = K1 * (1 - B + B * lengths[rows] / mean_length)
            by_term[rows, column] = idf[column] * counts * (K1 + 1) / (counts + saturation)
        totals = np.sort(by_term.sum(axis=1))  # sorted: the sum below must not depend on the order of arrival
        mean = float(totals.sum()) / n if n else 0.0
        variance = max(float((totals**2).sum()) / n - mean**2, 0.0) if n else 0.0
        return LexicalScores(items, by_term, idf, mean, math.sqrt(variance), n)

    def rare_terms(self, item: int) -> list[tuple[str, float]]:
        """Terms of a record that 2 to 5 % of all records share (never more than 256 of them), with their idf."""
        start, count = self._docs.get(item, (0, 0))
        most = min(MAX_RARE_DF, max(2, int(RARE_SHARE * len(self._docs))))
        found = ((self._words[term], self._df[term]) for term in self._entry_term[start : start + count])
        return sorted((word, self.idf(df)) for word, df in found if 2 <= df <= most)

    def holders(self, term: str) -> Int64[np.ndarray, "m"]:
        """Records that hold a (stemmed) term, ascending."""
        return np.sort(self._postings(self._ids[term])[0]) if term in self._ids else _NONE[0]

    def _postings(self, term: int) -> tuple[Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]]:
        packed = self._order[self._starts[term] : self._starts[term + 1]] if term + 1 < len(self._starts) else _NONE[0]
        entries = np.concatenate([packed, np.array(self._tail.get(term, ()), dtype=np.int64)])
        items = np.array(self._entry_item, copy=False)[entries] if len(entries) else _NONE[0]
        counts = np.array(self._entry_count, copy=False)[entries] if len(entries) else _NONE[0]
        alive = counts > 0
        return items[alive].astype(np.int64), counts[alive].astype(np.int64)

    def _pack(self) -> None:
        by_entry = np.array(self._entry_term, dtype=np.int64)
        self._order = np.argsort(by_entry, kind="stable")
        self._starts = np.searchsorted(by_entry[self._order], np.arange(len(self._words) + 1))
        self._packed_entries = len(by_entry)
        self._tail.clear()

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays, to be stored; `from_state` reads it back without touching a text."""
        items = np.fromiter(self._docs, np.int64, len(self._docs))
        spans = np.array([self._docs[item] for item in items.tolist()], dtype=np.int64).reshape(-1, 2)
        return {
            "words": np.frombuffer("\n".join(self._words).encode(), np.uint8),
            "df": np.array(self._df, dtype=np.int64),
            "items": items,
            "spans": spans,
            "lengths": np.fromiter(self._lengths.values(), np.int64, len(items)),
            "entry_item": np.array(self._entry_item, dtype=np.int64),
            "entry_term": np.array(self._entry_term, dtype=np.int32),
            "entry_count": np.array(self._entry_count, dtype=np.int32),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Lexicon:
        """Lexicon that `state` describes."""
        lexicon = cls()
        joined = state["words"].tobytes().decode()
        lexicon._words = joined.split("\n") if joined else []
        lexicon._ids = {word: term for term, word in enumerate(lexicon._words)}
        items = state["items"].tolist()
        lexicon._docs = {
            item: (start, count) for item, (start, count) in zip(items, state["spans"].tolist(), strict=True)
        }
        lexicon._lengths = dict(zip(items, state["lengths"].tolist(), strict=True))
        lexicon._sum_length = int(state["lengths"].sum())
        lexicon._df.frombytes(state["df"].astype(np.int64).tobytes())
        lexicon._entry_item.frombytes(state["entry_item"].astype(np.int64).tobytes())
        lexicon._entry_term.frombytes(state["entry_term"].astype(np.int32).tobytes())
        lexicon._entry_count.frombytes(state["entry_count"].astype(np.int32).tobytes())
        lexicon._pack()
        return lexicon


_NONE: Final = (np.empty(0, np.int64), np.empty(0, np.int64))
