"""What a sentence says of where things are: a few strict patterns; what fits none of them says nothing.

Guesses, questions, conditions and wishes are passed over: "the keys may be in the car" is no fact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from placecell.memory.queries import singular

__all__ = ["Said", "read_facts"]

_RELATIONS: Final = {
    "in": "in", "inside": "in", "into": "in", "inside of": "in", "on": "on", "onto": "on", "on top of": "on",
    "upon": "on", "near": "near", "close to": "near", "next to": "next to", "beside": "next to", "by": "next to",
    "the same as": "same as",
}  # fmt: skip
_PLACE: Final = "|".join(sorted((re.escape(word) for word in _RELATIONS), key=len, reverse=True))
_ARTICLE: Final = r"(?:the|a|an|my|your|our|his|her|their|some)"
_THING: Final = rf"(?:{_ARTICLE} )?(?P<{{0}}>[a-z][a-z'-]*(?: [a-z][a-z'-]*){{{{0,2}}}}?)"
_WHO: Final = r"(?:i|we|he|she|they|you|someone|somebody|the robot|[a-z]+)"
_ADVERB: Final = r"(?: (?:now|still|again|currently|just|already|back|any ?more))?"
_PUT: Final = r"(?:put|puts|left|leaves|placed|places|dropped|stored|moved|moves|brought|set|laid|hung)"
_UNSURE: Final = re.compile(
    r"\?|\b(?:if|maybe|may|might|perhaps|probably|possibly|could|would|should|think|thinks|guess|hope|will|want|wants|"
    r"wish|unless|whether|never|who|what|when|where|why|which|how|let us|please|don't|didn't|go to|or)\b"
)
_NOT_A_THING: Final = frozenset(
    """it this that there he she they we i you here everything something nothing anything someone one all both not time
    way fact case mind order general front charge love trouble""".split()  # noqa: SIM905
)


def _compiled(pattern: str) -> re.Pattern[str]:
    for name in ("thing", "place", "old"):
        pattern = pattern.replace(f"<{name}>", _THING.format(name).replace("{{", "{").replace("}}", "}"))
    return re.compile(pattern.replace("<how>", f"(?P<how>{_PLACE})"))


_ENDED: Final = _compiled(rf"<thing> (?:is|are) (?:no longer|not|not any ?more|n't) <how> <place>{_ADVERB}")
_IS: Final = _compiled(
    rf"<thing> (?:is|are|was|were|lies|lie|stands|stand|sits|sit|hangs|hang){_ADVERB} <how> <place>{_ADVERB}"
)
_MOVED: Final = _compiled(
    rf"{_WHO}(?: has| have)?{_ADVERB} (?:moved|brought|took|carried) <thing> from <old> "
    rf"(?P<to>to|{_PLACE}) <place>{_ADVERB}"
)
_WAS_PUT: Final = _compiled(rf"<thing> (?:was|were|is|are|has been|have been){_ADVERB} {_PUT} <how> <place>{_ADVERB}")
_WERE_PUT: Final = _compiled(rf"{_WHO}(?: has| have)?{_ADVERB} {_PUT} <thing>{_ADVERB} <how> <place>{_ADVERB}")


@dataclass(frozen=True, slots=True)
class Said:
    """One relation that a sentence states.

    Args:
        subject: The thing, in the singular and without article.
        relation: "in", "on", "near", "next to", "same as" or "moved from".
        object: Where it is, likewise; of "moved from" where it was.
        holds: False for "is no longer in".
    """

    subject: str
    relation: str
    object: str
    holds: bool = True


def read_facts(text: str) -> list[Said]:
    """The relations that a text states outright, in its order.

    Example:
        >>> [(f.subject, f.relation, f.object) for f in read_facts("Someone says: the keys are on the shelf.")]
        [('key', 'on', 'shelf')]
        >>> read_facts("Are the keys on the shelf? They may be in the car.")
        []
    """
    found: list[Said] = []
    for sentence in re.findall(r"[^.!?;\n]+[.!?;\n]?", text.lower().replace("’", "'")):
        said = re.sub(r"^.*?\b(?:says?|said|tells?|told me)\b[:,]?(?: that)? |^[\w ]{1,20}: ", "", sentence.strip())
        if _UNSURE.search(said):
            continue
        for clause in re.split(r",? (?:and|but|then) (?=(?:the|a|an|my|our|some|someone|he|she|i|we|they) )|, ", said):
            found += _read(re.sub(r"\s+", " ", clause).strip(' .,!;:"'))
    return found


def _read(clause: str) -> list[Said]:
    clause = (
        re.sub(r"^(?:and|but|then|now|so|well|yes|ok|okay) ", "", clause)
        .replace("isn't", "is not")
        .replace("aren't", "are not")
    )
    if match := _ENDED.fullmatch(clause):
        return _of(match, _RELATIONS[match["how"]], holds=False)
    if match := _MOVED.fullmatch(clause):
        relation = _RELATIONS.get(match["to"], "in")
        old = Said(_noun(match["thing"]), "moved from", _noun(match["old"]))
        new = _of(match, relation)
        return [*([old] if new and _is_thing(old.object) else []), *new]
    for pattern in (_WAS_PUT, _IS, _WERE_PUT):
        if match := pattern.fullmatch(clause):
            return _of(match, _RELATIONS[match["how"]])
    return []


def _of(match: re.Match[str], relation: str, holds: bool = True) -> list[Said]:
    subject, place = _noun(match["thing"]), _noun(match["place"])
    return [Said(subject, relation, place, holds)] if _is_thing(subject) and _is_thing(place) else []


def _is_thing(noun: str) -> bool:
    return bool(noun) and not _NOT_A_THING & set(noun.split())


def _noun(text: str) -> str:
    words = re.sub(rf"^{_ARTICLE} ", "", text.strip()).split()
    return " ".join([*words[:-1], singular(words[-1])]) if words else ""
