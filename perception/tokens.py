"""Text to token ids without torch: whole words for the built-in encoder, byte pairs for exported CLIP models.

Both give what open_clip's text towers expect: ids padded with 0 to the context length, the end token last. CLIP's own
tower reads its answer at the *highest* id of a row, so the end token is the highest of the vocabulary.
"""

from __future__ import annotations

import difflib
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from placecell.errors import MissingDependencyError, UnknownWordError

__all__ = ["STOP_WORDS", "BpeTokenizer", "Tokenizer", "WordTokenizer", "singular", "tokenizer_from_json"]

# Words that carry nothing that a picture shows; a query may hold any of them and means the same without.
_STOP = """
    a an the this that these those some any of with and or in on at by to from for near next beside
    is are was were be been being has have had having do does did can could you i me my we our us he she they it its
    one there here when where what which who how see saw seen seeing look looks looking looked find found show shows
    showing showed shown spot spotted notice noticed appear appears appeared watch watched
    view views image images picture pictures photo photos frame moment moments video scene shot
    please tell about inside into onto out up down s colored coloured color colour colors colours
    ever last first time times then before after
"""
STOP_WORDS = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_STRAIGHT = {ord(c): "'" for c in "‘’‚‛"} | {ord(c): '"' for c in "“”„‟"}
_ENDS = (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", ""))  # tried in order, a known stem wins


@runtime_checkable
class Tokenizer(Protocol):
    """Turns texts into rows of token ids."""

    context_length: int

    def __call__(self, texts: Sequence[str]) -> Int64[np.ndarray, "n context"]:
        """Ids of every text, one row each."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the tokenizer cannot express; empty for open vocabularies."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """What `tokenizer_from_json` needs to build it again."""
        ...


def singular(word: str, known: Iterable[str]) -> str | None:
    """The known word of which `word` is a plural or possessive form, else None.

    Example:
        >>> singular("shelves", {"shelf"}), singular("boxes", {"box"}), singular("dog", {"mug"})
        ('shelf', 'box', None)
    """
    known = known if isinstance(known, (set, frozenset, dict)) else set(known)
    word = re.sub(r"['’].*$", "", word)
    if word in known:
        return word
    for end, stem in _ENDS:
        if word.endswith(end) and word[: -len(end)] + stem in known:
            return word[: -len(end)] + stem
    return None


class WordTokenizer:
    """One token per known word; stop words are skipped, plurals read as singulars, anything else is reported.

    Args:
        words: The vocabulary, in the order of its ids (1, 2, ...). 0 pads; the two ids above the words start and end
            a row.
        context_length: Ids per row, start and end included. Longer texts are refused rather than cut.
        spellings: Other spellings of known words, e.g. `{"gray": "grey"}`.

    Example:
        >>> tokenizer = WordTokenizer(["red", "mug"], context_length=6)
        >>> tokenizer(["When did I see the red mugs?"]).tolist()
        [[3, 1, 2, 4, 0, 0]]
        >>> tokenizer.unknown_words("a red giraffe")
        ('giraffe',)
    """

    def __init__(self, words: Sequence[str], context_length: int = 16, spellings: Mapping[str, str] | None = None):
        if len(set(words)) != len(words) or not words:
            raise ValueError("words must be distinct and not empty")
        self.words = tuple(words)
        self.context_length = context_length
        self.spellings = dict(spellings or {})
        self._ids = {word: i + 1 for i, word in enumerate(self.words)}
        self.start_id, self.end_id = len(words) + 1, len(words) + 2
        self.vocab_size = len(words) + 3

    def _scan(self, text: str) -> Iterator[tuple[str, str | None]]:
        """Pairs of a word as written and the known word it stands for; stop words are left out."""
        for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
            word = match.group()
            word = self.spellings.get(word, word)
            if word in self._ids:
                yield word, word
            elif word not in STOP_WORDS and re.sub(r"['’].*$", "", word) not in STOP_WORDS:
                yield word, singular(word, self._ids)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that are neither known nor stop words, as written, in order, once each."""
        return tuple(dict.fromkeys(word for word, known in self._scan(text) if known is None))

    def nearest(self, word: str, k: int = 3) -> tuple[str, ...]:
        """Known words spelt most like `word`."""
        return tuple(difflib.get_close_matches(word, [*self.words, *self.spellings], n=k, cutoff=0.6))

    def __call__(self, texts: Sequence[str]) -> Int64[np.ndarray, "n context"]:
        """Ids of every text.

        Raises:
            UnknownWordError: If a text has a word that is not known, or no word at all that a picture could show.
            ValueError: If a text has more known words than fit.
        """
        rows = np.zeros((len(texts), self.context_length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            if unknown := self.unknown_words(text):
                raise UnknownWordError(self._complaint(unknown))
            ids = [self._ids[known] for _, known in self._scan(text) if known is not None]
            if not ids:
                raise UnknownWordError(f"{text!r} names nothing that a picture shows; name an object, colour or room")
            if len(ids) > self.context_length - 2:
                limit = self.context_length - 2
                raise ValueError(f"a text may hold {limit} words that carry meaning, got {len(ids)}: {text[:60]!r}")
            row[: len(ids) + 2] = [self.start_id, *ids, self.end_id]
        return rows

    def _complaint(self, unknown: Sequence[str]) -> str:
        parts = []
        for word in unknown:
            near = self.nearest(word)
            parts.append(f"{word!r}" + (f" (did you mean {' or '.join(near)}?)" if near else ""))
        several = "words" if len(unknown) > 1 else "word"
        return (
            f"this encoder does not know the {several} {', '.join(parts)}; it knows {len(self.words)} words of houses"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `tokenizer_from_json`."""
        return {
            "kind": "words",
            "context_length": self.context_length,
            "words": list(self.words),
            "spellings": self.spellings,
        }


@lru_cache(maxsize=1)
def _byte_letters() -> dict[int, str]:
    """A printable character for every byte, so that byte pairs can be stored as text.

    Source: Radford et al. 2019 (GPT-2), `bytes_to_unicode`: printable Latin-1 bytes stand for themselves, the others
    are moved above 255.
    """
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in keep}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(keep))
    return letters


class BpeTokenizer:
    """CLIP's byte-pair tokenizer in plain Python: lower case, word ends marked `</w>`, merges by rank.

    Args:
        vocabulary: Token to id.
        merges: Pairs in the order in which they were learned; earlier ones are applied first.
        context_length: Ids per row; a longer text is cut and still ends with the end token.

    Source: Sennrich et al. 2016 (byte pair encoding), Radford et al. 2021 (CLIP's `SimpleTokenizer`). CLIP also repairs
    mojibake and ligatures with ftfy; here only accents are composed and quotes straightened.
    """

    START, END = "<|startoftext|>", "<|endoftext|>"

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], context_length: int = 77):
        if self.START not in vocabulary or self.END not in vocabulary:
            raise ValueError(f"a CLIP vocabulary holds {self.START} and {self.END}; this one does not")
        self.vocabulary = dict(vocabulary)
        self.merges = [tuple(pair) for pair in merges]
        self.context_length = context_length
        self.start_id, self.end_id = self.vocabulary[self.START], self.vocabulary[self.END]
        self.vocab_size = len(self.vocabulary)
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_merges(cls, merges: Sequence[tuple[str, str]], context_length: int = 77) -> BpeTokenizer:
        """Tokenizer whose vocabulary follows from its merges, as in CLIP's `bpe_simple_vocab_16e6`."""
        letters = list(_byte_letters().values())
        tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
        tokens += [cls.START, cls.END]
        return cls({token: i for i, token in enumerate(tokens)}, merges, context_length)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Always empty: bytes spell every text."""
        return ()

    def __call__(self, texts: Sequence[str]) -> Int64[np.ndarray, "n context"]:
        """Ids of every text, one row each."""
        rows = np.zeros((len(texts), self.context_length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            text = unicodedata.normalize("NFC", html.unescape(html.unescape(text))).translate(_STRAIGHT)
            text = " ".join(text.lower().split())
            ids = [i for word in _clip_words(text) for i in self._encode_word(word)]
            ids = [self.start_id, *ids[: self.context_length - 2], self.end_id]
            row[: len(ids)] = ids
        return rows

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if word in self._cache:
            return self._cache[word]
        letters = _byte_letters()
        parts = [letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:], strict=False))
            best = min(pairs, key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            merged, i = [], 0
            while i < len(parts):
                joined = i + 1 < len(parts) and (parts[i], parts[i + 1]) == best
                merged.append(parts[i] + parts[i + 1] if joined else parts[i])
                i += 2 if joined else 1
            parts = merged
        ids = tuple(self.vocabulary[part] for part in parts)
        if len(self._cache) < 65536:
            self._cache[word] = ids
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `tokenizer_from_json`."""
        tokens = sorted(self.vocabulary, key=lambda token: self.vocabulary[token])
        return {
            "kind": "bpe",
            "context_length": self.context_length,
            "vocabulary": tokens,
            "merges": [list(pair) for pair in self.merges],
        }


def _clip_words(text: str) -> Iterator[str]:
    """Split like CLIP's pattern: contractions, runs of letters, single digits, runs of anything else but space."""
    i, n = 0, len(text)
    kinds = [_kind(char) for char in text]
    while i < n:
        if kinds[i] == " ":
            i += 1
            continue
        if text[i] == "'" and (match := re.match(r"'(?:s|t|re|ve|m|ll|d)", text[i:])):
            yield match.group()
            i += match.end()
            continue
        end = i + 1
        if kinds[i] != "N":
            while end < n and kinds[end] == kinds[i]:
                end += 1
        yield text[i:end]
        i = end


def _kind(char: str) -> str:
    if char.isspace():
        return " "
    kind = unicodedata.category(char)[0]
    return kind if kind in "LN" else "*"


class _LibraryTokenizer:
    """Any `tokenizer.json` through the `tokenizers` library, for models whose tokens are not CLIP's (SigLIP ...)."""

    def __init__(self, path: Path, context_length: int, pad_id: int = 0):
        try:
            import tokenizers
        except ImportError as error:
            message = f"{path} is no CLIP byte-pair tokenizer; to read it: pip install tokenizers"
            raise MissingDependencyError(message) from error
        self.context_length = context_length
        self._pad_id = pad_id
        self._text = path.read_text(encoding="utf-8")
        self._tokenizer = tokenizers.Tokenizer.from_str(self._text)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context_length)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def __call__(self, texts: Sequence[str]) -> Int64[np.ndarray, "n context"]:
        rows = np.full((len(texts), self.context_length), self._pad_id, np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = self._tokenizer.encode(text).ids
            row[: len(ids)] = ids
        return rows

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "library", "context_length": self.context_length, "text": self._text, "pad_id": self._pad_id}


def tokenizer_from_json(path: str | Path, context_length: int | None = None) -> Tokenizer:
    """Tokenizer from our own `tokenizer.json` or from one in the format of the Hugging Face hub.

    Args:
        path: The file.
        context_length: Ids per row where the file does not say; 77, CLIP's, by default.

    Raises:
        ValueError: If the file is neither.
        MissingDependencyError: If it is a hub tokenizer of a kind that needs the `tokenizers` library.
    """
    path = Path(path)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    kind = card.get("kind")
    if kind == "words":
        return WordTokenizer(card["words"], card["context_length"], card.get("spellings"))
    if kind == "bpe":
        vocabulary = {token: i for i, token in enumerate(card["vocabulary"])}
        return BpeTokenizer(vocabulary, [(a, b) for a, b in card["merges"]], card["context_length"])
    model = card.get("model", {})
    length = context_length or 77
    if model.get("type") == "BPE" and BpeTokenizer.END in model.get("vocab", {}):
        # The hub writes merges as "a b" (older files) or as ["a", "b"].
        pairs = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
        return BpeTokenizer(model["vocab"], [(a, b) for a, b in pairs], length)
    if model:
        return _LibraryTokenizer(path, length)
    raise ValueError(f"{path} is no tokenizer: expected a kind of 'words' or 'bpe', or a hub tokenizer.json")
