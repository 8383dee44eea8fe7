"""The forms that questions take: one small function for each, tried in order; the first that fits decides.

All of them read the normal form that `placecell.agents.questions` makes: lower case, British spelling, no contractions,
no punctuation but commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from placecell.agents.vocabulary import COLOURS, singular

__all__ = ["KINDS", "Question", "classify", "thing"]

KINDS = ("when", "where", "how_many", "colour", "room", "order", "is_there", "first", "last", "how_long", "what")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    Args:
        text: The question as it was asked, choices removed.
        kind: One of `KINDS`.
        subject: The thing asked about, without articles, in the singular where it was counted; empty if none is named.
        relation: "before" or "after" where the question orders things in time.
        anchor: What the relation refers to.
        turn: "first" or "last" where one of several sightings is meant.
        place: Room that the subject is said to be in ("how many chairs are in the kitchen").
        at_s: Moment that the question names, seconds.
        between: Span that the question names, seconds.
        options: Things to choose from inside the question ("what did I see first, the sofa or the bed").
        choices: Choices written inside the question after letters ("A) red B) blue").
        is_yes_no: Whether the answer is yes or no.
    """

    text: str
    kind: str
    subject: str = ""
    relation: str = ""
    anchor: str = ""
    turn: str = ""
    place: str = ""
    at_s: float | None = None
    between: tuple[float, float] | None = None
    options: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    is_yes_no: bool = False


_ARTICLE = r"(?:the|a|an|any|some|my|your|our|their|his|her|its|this|that|these|those|another|other|one of the)"
_WHO = r"(?:i|we|you|they|he|she|it|the (?:agent|robot|camera|walker|person)|anyone|someone|anybody|somebody|one)"
_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|am|will|would|be|been)"
_SEE = (
    r"(?:see|saw|seen|spot|spotted|find|found|notice|noticed|pass|passed|encounter|encountered|meet|met|visit|visited|"
    r"look at|looked at|come across|came across|walk past|walked past|go past|went past|hear|heard|get to|enter|"
    r"entered|reach|reached|observe|observed|have)"
)
_FILLER_END = re.compile(
    r"(?:^|\s)(?:in (?:the|this|that|my|our) (?:house|home|video|film|clip|scene|recording|walk|world|memory|building|"
    r"flat|apartment|footage|picture|view|tour)|in total|in all|altogether|at all|so far|here|there|anywhere|somewhere|"
    r"during (?:the|my) (?:walk|video|recording|tour)|on (?:the|my) (?:walk|tour|way)|overall|again|exactly|right now|"
    r"now|currently|today|please|ever|yet|around|visible|located|placed|kept|situated|lying|standing|hidden|left|seen|"
    r"shown|found|mentioned|appear|appears|appeared|appearing|exist|exists|be|being|present|got|go|gone|been|in view|"
    r"in sight|on screen|on camera|first|last|at first|at last|for the (?:first|last) time|of|in|at|to|located in|"
    r"is|are|was|were|do|did|come up|show up|happen|happened)$"
)


def thing(text: str) -> str:
    """The noun phrase in `text`: articles, fillers and verbs at its edges removed."""
    text = text.strip(" ,")
    while True:
        shorter = re.sub(rf"^(?:{_ARTICLE}|of|for|that|which|who|to|at|in|on|about|there|all|both)\s+", "", text)
        shorter = re.sub(rf"^(?:{_AUX}\s+)?{_WHO}\s+(?:{_AUX}\s+)?(?:ever\s+|also\s+)?{_SEE}\s+", "", shorter)
        shorter = re.sub(
            rf"\s+(?:that\s+|which\s+)?(?:{_AUX}\s+)?{_WHO}\s+(?:{_AUX}\s+)?(?:ever\s+)?{_SEE}$", "", shorter
        )
        shorter = re.sub(rf"\s+{_AUX}\s+(?:there|seen|here|in|visible|located)$", "", shorter)
        shorter = _FILLER_END.sub("", shorter).strip(" ,")
        if shorter == text:
            break
        text = shorter
    text = re.sub(rf"\b(?:on|in|under|near|by|at|behind|beside|above|below|next to|with|of) {_ARTICLE} ",
                  lambda m: m[0].rsplit(" ", 2)[0] + " ", text)  # fmt: skip
    return (
        ""
        if re.fullmatch(rf"(?:{_ARTICLE}|{_WHO}|{_AUX}|thing|things|something|anything|object|objects|)", text)
        else text
    )


def _turn(text: str) -> tuple[str, str]:
    """Take "first" or "last" out of a question."""
    found = re.search(r"\b(?:for the )?(?:very )?(first|last|latest|earliest|most recently)(?: time| ever)?\b", text)
    if not found or re.search(r"\b(?:at last)\b", text):
        return text, ""
    turn = "first" if found[1] in ("first", "earliest") else "last"
    return re.sub(r"\s+", " ", text[: found.start()] + text[found.end() :]).strip(" ,"), turn


def _order(text: str) -> tuple[str, str, str]:
    """Part "... before/after X" into (rest, relation, anchor)."""
    found = re.search(r"\b(?:right |just |immediately |shortly |directly )?(before|after)\b (.+)$", text)
    if not found:
        return text, "", ""
    anchor = thing(re.sub(rf"^(?:{_WHO} {_SEE} |seeing |passing |visiting |leaving |entering )", "", found[2]))
    return text[: found.start()].strip(" ,"), found[1], anchor


_SOON = r"(?:right |just |immediately |shortly |directly )?"
_TIME_WORD = r"(?:at |around )?(?:what|which) (?:time|moment|timestamp|point|second|minute)"
_PLACE_WORD = (
    r"(?:where|(?:in|at) (?:what|which) (?:place|location|position)|what is the (?:location|position) of|"
    r"what (?:place|location)|find|locate|go to)"
)
_COLOUR_NAMES = "|".join(name for group in COLOURS for name in group)


def _cut(text: str, *patterns: str) -> str:
    """`text` without what the patterns match, taken off in this order."""
    for pattern in patterns:
        text = re.sub(pattern, "", text)
    return text


def _how_long(text: str) -> Question | None:
    found = re.match(r"(?:for )?how (?:long|many (?:seconds|minutes|hours)|much time) ?(.*)$", text)
    if not found:
        return None
    rest, relation, anchor = _order(found[1])
    subject = thing(
        _cut(
            rest,
            rf"^{_AUX} {_WHO} (?:spend |stay |spent |stayed )?",
            rf"^{_AUX} (?:there )?|^(?:{_SEE} |look at |watch )",
            rf"^(?:{_SEE}|spend|stay|watch|in|at|last) ",
        )
    )
    is_all = bool(re.fullmatch(r"(?:video|recording|walk|film|memory|clip|tour|stream|)", subject))
    return Question(text, "how_long", "" if is_all else subject, relation, anchor)


def _how_many(text: str) -> Question | None:
    found = re.match(r"(?:how many|how often|count|(?:what is )?the number of|number of|how much) (.+)$", text)
    if not found:
        return None
    rest, relation, anchor = _order(found[1])
    rest = re.sub(rf" {_AUX} (?:there|{_WHO} {_SEE}|{_WHO})(?= |$)", " ", rest)
    rest = re.sub(rf" {_AUX} (?=in |on |at |inside |under |near )", " ", rest)
    rest = re.sub(rf" (?:different|distinct)\b|^(?:different|distinct) | {_AUX} (?:seen|visible|shown)", " ", rest)
    is_times = text.startswith("how often") or rest.startswith("times ")
    rest = _cut(rest.removeprefix("times "), rf"^{_AUX} ", rf"^{_WHO} {_SEE} ") if is_times else rest
    subject = re.sub(r"\s+", " ", thing(re.sub(r"\s+", " ", rest)))
    base, where, place = subject.partition(" in ")
    return Question(text, "how_many", ("times " if is_times else "") + singular(base) + where + place, relation, anchor)


def _colour_or(text: str) -> Question | None:
    """Take "is the sofa red or blue"."""
    found = re.match(
        rf"(?:is|are|was|were) (.+?) ((?:{_COLOUR_NAMES})(?:,? (?:{_COLOUR_NAMES}))*,? or (?:{_COLOUR_NAMES}))$", text
    )
    if not found:
        return None
    options = tuple(re.findall(_COLOUR_NAMES, found[2]))
    return Question(text, "colour", singular(thing(found[1])), options=options)


def _colour(text: str) -> Question | None:
    if "colour" not in text.split():
        return None
    rest = re.sub(
        r"^(?:of |in )?(?:what|which)(?: is)?(?: the)? colour\b(?: of)?(?: (?:is|are|was|were|does|do|did|has))?",
        "",
        text,
    )
    rest = re.sub(r"^(?:what|which) (?:is|was|are|were) (?=.*colour$)", "", rest)
    rest = re.sub(
        r"^the colour of |\b(?:is|are|was|were|of|in|has|have)? ?(?:what|which|the) colour(?: (?:of|is|was|are))?",
        " ",
        rest,
    )
    rest = re.sub(r"(?:'s| s)? colour$", "", rest.strip())
    rest, turn = _turn(rest)
    rest, relation, anchor = _order(rest)
    subject = thing(_cut(rest, rf"^ ?{_AUX} "))
    return Question(text, "colour", singular(subject), relation, anchor, turn) if subject else None


def _room(text: str) -> Question | None:
    found = re.match(r"(?:in |into |from )?(?:what|which)(?: (?:kind|type|sort) of)? rooms?\b ?(.*)$", text)
    if not found:
        return None
    rest, turn = _turn(found[1])
    rest, relation, anchor = _order(rest)
    rest = _cut(
        rest,
        rf"^{_AUX} {_WHO} (?={_SEE} )",
        rf"^{_SEE} ",
        rf"^(?:{_AUX} )?{_WHO}(?: (?:{_SEE}|go|went|go to|walk into|in|standing|standing in))?$",
        rf"^(?:{_AUX}|contains?|holds?|houses|with) (?:there )?",
    )
    return Question(text, "room", thing(rest), relation, anchor, turn)


def _which_first(text: str) -> Question | None:
    found = re.match(
        rf"(?:what|which)(?: (?:thing|object|one|room))? (?:(?:did|do|have|had) {_WHO} {_SEE}(?: come)?|came|comes|"
        r"appeared|was seen|is seen) (first|last|earlier|later)[ ,:]+(.+?) or (.+)$",
        text,
    )
    if not found:
        return None
    turn = "first" if found[1] in ("first", "earlier") else "last"
    return Question(text, "order", turn=turn, options=(thing(found[2]), thing(found[3])))


def _when(text: str) -> Question | None:
    if not re.match(rf"(?:when|{_TIME_WORD})\b", text):
        return None
    rest, turn = _turn(_cut(text, rf"^(?:when|{_TIME_WORD}(?: in time)?) ?"))
    rest, relation, anchor = _order(rest)
    rest = _cut(rest, rf"^{_AUX} (?=\w)", rf"^{_WHO} (?:{_AUX} )?(?:{_SEE} |in |at |inside )?")
    return Question(text, turn or "when", singular(thing(rest)), relation, anchor, turn)


def _where(text: str) -> Question | None:
    if not re.match(rf"{_PLACE_WORD}\b", text):
        return None
    rest, turn = _turn(_cut(text, rf"^{_PLACE_WORD} ?"))
    rest, relation, anchor = _order(rest)
    rest = _cut(
        rest,
        rf"^(?:{_AUX}|should) (?=\w)",
        rf"^{_WHO} (?:{_AUX} )?(?:{_SEE} |leave |left |put |last |go |walk )?",
    )
    return Question(text, "where", thing(rest), relation, anchor, turn)


def _next(text: str) -> Question | None:
    """Take "what did I see after the red mug"."""
    found = re.match(
        rf"(?:what|which|who)(?: (?:thing|object|else|things|objects))? (?:(?:did|do|have) {_WHO} {_SEE}|"
        rf"did {_WHO} do|came|comes|happened|was|is|was seen|appeared|could be seen|was there|is there)(?: next)? "
        rf"{_SOON}(before|after) (.+)$",
        text,
    )
    return Question(text, "order", "", found[1], thing(_cut(found[2], rf"^{_WHO} {_SEE} "))) if found else None


def _was_before(text: str) -> Question | None:
    """Take "did I see the sofa before the bed"."""
    found = re.match(rf"{_AUX} (.+?) {_SOON}(before|after) (.+)$", text)
    if not found:
        return None
    subject = _cut(
        found[1],
        rf"^(?:{_WHO}|there) (?:{_AUX} |ever )?(?:{_SEE} )?",
        rf" (?:{_AUX} )?(?:come|came|appear|seen|shown|happen)$",
    )
    anchor = _cut(found[3], rf"^{_WHO} {_SEE} ")
    return Question(text, "order", thing(subject), found[2], thing(anchor), is_yes_no=True)


def _is_there(text: str) -> Question | None:
    """Any question that begins with an auxiliary verb."""
    if found := re.match(r"there (?:is|are|was|were) (.+)", text):  # "tell me whether there is a mug"
        return Question(text, "is_there", thing(found[1]), is_yes_no=True)
    if not re.match(rf"{_AUX}\b", text):
        return None
    rest, turn = _turn(_cut(text, rf"^{_AUX} "))
    rest = _cut(rest, rf"^(?:{_WHO}|there) (?=\w)(?:{_AUX} )?(?:ever |already |also )?(?:{_AUX} )?(?:{_SEE} )?")
    rest = _cut(
        thing(rest), rf"^(?:house|home|room|video|place|flat|scene|walk|tour|camera) (?:{_SEE}|contain|show|include) "
    )
    return Question(text, "is_there", thing(rest), turn=turn, is_yes_no=True)


def _first_time(text: str) -> Question | None:
    """Take "the first time I saw the kettle"."""
    found = re.match(
        r"(?:the |what was the |when was the )?(first|last|latest|earliest) (?:time|sighting|moment|view|occurrence|"
        r"appearance)(?: of| that| when)? ?(.*)$",
        text,
    )
    if not found:
        return None
    turn = "first" if found[1] in ("first", "earliest") else "last"
    return Question(text, turn, singular(thing(_cut(found[2], rf"^{_WHO} {_SEE} "))), turn=turn)


def _open(text: str) -> Question:
    """Whatever else: the words that carry meaning are what it is about."""
    rest, turn = _turn(text)
    rest = _cut(
        rest,
        rf"^(?:what|which|who|why|how)(?: else)?(?: (?:kind|type|sort)s? of)? ?(?:{_AUX} )?(?:there )?",
        rf"^{_WHO} (?:{_SEE}|look at|do|say|said)?(?: |$)",
        r"^(?:say|said|tell|told|talk|talked)(?: (?:about|of))? ",
    )
    rest, relation, anchor = _order(rest)
    return Question(text, "what", thing(rest), relation, anchor, turn)


_FORMS: Final[tuple[Callable[[str], Question | None], ...]] = (
    _how_long,
    _how_many,
    _colour_or,
    _colour,
    _room,
    _which_first,
    _when,
    _where,
    _next,
    _was_before,
    _first_time,
    _is_there,
)


def classify(text: str) -> Question:
    """The question's kind and parts, from its normal form."""
    for form in _FORMS:
        if (question := form(text)) is not None:
            return question
    return _open(text)
