"""From a question in words to its keys: what to look for, when, where, and in which order.

Plain rules over English; nothing is guessed that the words do not say. Encoders are trained on captions, so the
scaffolding of a question ("when did I see ...?") is taken off before anything is embedded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["STOP_WORDS", "Query", "content_words", "parse_query", "seconds", "singular"]

Order = Literal["first", "last", "before", "after"]
Kind = Literal["when", "where", "room", "count", "colour", "exists", "moved", "said", "what", "summary"]
Route = Literal["explicit", "implicit", "global"]
Window = tuple[float, float]

FOREVER: Final = float("inf")
AROUND_S: Final = 5.0  # "at 1:20" means within five seconds of it
_DAY_S: Final = 86400.0

STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """a about am an and any anything are as at be been being but by can could did do does doing done for from get
        got had has have he her here hers him his how i if in into is it its just me my of on or our out over she so
        some somebody someone something such than that the their them then there these they this those to too under up
        us was we were what when where which while who whom whose why will with would you your""",
    )
)

_NUMBERS: Final = {
    word: float(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"a": 1.0, "an": 1.0, "half a": 0.5, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "sixty": 60.0}
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY_S}

_CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:\.\d+)?"
_NUMBER = r"\d+(?:\.\d+)?|" + "|".join(sorted(_NUMBERS, key=len, reverse=True))
_UNIT = r"s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?"
_SPAN = rf"(?:(?:{_NUMBER})\s*(?:{_UNIT})\b)"
_TIME = rf"(?:{_CLOCK}|{_SPAN})"
_FLOAT = r"[-+]?\d+(?:\.\d+)?"


@dataclass(frozen=True, slots=True)
class Query:
    """The keys of one question.

    Attributes:
        text: The question as it was asked.
        semantic: What to embed and to look for, without scaffolding, times and coordinates; may be empty.
        subject: `semantic` without the phrase that names a place.
        place: Named place ("kitchen" of "in the kitchen"), if any.
        between: Seconds from the start of the stream; either end may be infinite.
        from_end: Seconds counted back from the stream's end, `(farther, nearer)`: "the last minute" is `(60, 0)`.
        fraction: Part of the stream: "at the end" is `(0.9, 1.0)`.
        near: A point in the world and a radius, metres.
        order: Whether the first or last such moment is meant, or those before or after `anchor`.
        anchor: The thing that `order` "before" and "after" refer to.
        kind: What the answer should be.
        route: "explicit" names a thing, "implicit" a use ("somewhere to sit"), "global" the whole stream.
    """

    text: str
    semantic: str
    subject: str = ""
    place: str | None = None
    between: Window | None = None
    from_end: Window | None = None
    fraction: Window | None = None
    near: tuple[tuple[float, float, float], float] | None = None
    order: Order | None = None
    anchor: str | None = None
    kind: Kind = "what"
    route: Route = "explicit"

    @property
    def words(self) -> tuple[str, ...]:
        """Content words of `semantic`, in order, each once."""
        return content_words(self.semantic)

    def window(self, first_s: float, last_s: float) -> Window | None:
        """The asked interval, in seconds of a stream that lasts from `first_s` to `last_s`; None when none was asked.

        Example:
            >>> parse_query("what is seen in the last minute?").window(0.0, 600.0)
            (540.0, 600.0)
        """
        if self.between is None and self.from_end is None and self.fraction is None:
            return None
        start, end = -FOREVER, FOREVER
        if self.between is not None:
            start, end = self.between
        if self.from_end is not None:
            start, end = max(start, last_s - self.from_end[0]), min(end, last_s - self.from_end[1])
        if self.fraction is not None:
            length = last_s - first_s
            start, end = max(start, first_s + self.fraction[0] * length), min(end, first_s + self.fraction[1] * length)
        return start, end


def seconds(text: str) -> float:
    """Read a time or a duration: "10:30", "1:02:03.5", "90", "90 s", "two minutes".

    Raises:
        ValueError: If `text` is none of these.

    Example:
        >>> seconds("10:30"), seconds("two minutes"), seconds("1:00:00")
        (630.0, 120.0, 3600.0)
    """
    text = text.strip().lower()
    if re.fullmatch(_CLOCK, text):
        total = 0.0
        for part in text.split(":"):
            total = total * 60 + float(part)
        return total
    match = re.fullmatch(rf"({_NUMBER})\s*({_UNIT})?", text)
    if match is None:
        raise ValueError(f"a time looks like '10:30', '90 s' or 'two minutes', got {text!r}")
    number, unit = match.groups()
    value = _NUMBERS[number] if number in _NUMBERS else float(number)
    return value * _UNITS[(unit or "s")[0]]


def singular(word: str) -> str:
    """Singular of a regular English plural; other words come back as they are.

    Example:
        >>> [singular(w) for w in ("mugs", "shelves", "boxes", "berries", "glass", "bus")]
        ['mug', 'shelf', 'box', 'berry', 'glass', 'bus']
    """
    irregular = {"shelves": "shelf", "knives": "knife", "people": "person", "men": "man", "women": "woman",
                 "children": "child", "feet": "foot", "loaves": "loaf", "scarves": "scarf"}  # fmt: skip
    if word in irregular:
        return irregular[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if re.search(r"(?:x|ch|sh|ss|zz)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def content_words(text: str) -> tuple[str, ...]:
    """Lower-case words of `text` that carry meaning, in order, each once.

    Example:
        >>> content_words("When did I see the red mug?")
        ('see', 'red', 'mug')
    """
    found = re.findall(r"[^\W_]+(?:['’][^\W\d_]+)?", text.lower())
    plain = (word.replace("’", "'").removesuffix("'s") for word in found)
    return tuple(dict.fromkeys(word for word in plain if word not in STOP_WORDS))


_STREAM = r"(?:video|walk|stream|recording|day|house|home)"
_SPEECH = r"(?:say|says|said|tell|told|mention\w*|talk\w*|spoken|speak|heard|hear)"
_VERBS = (
    r"(?:see|saw|seen|seeing|notice[ds]?|look(?:ed)? at|find|found|spot(?:ted)?|pass(?:ed)?|encounter(?:ed)?|"
    r"meet|met|appear(?:s|ed)?|visible|shown?|observed?|recorded|visit(?:ed)?|come across|came across|leave)"
)
_WHO = r"(?:i|you|we|they|it|he|she|there|any ?one|the (?:robot|agent|camera))"

# A kind, and the pattern that shows it; the first that matches wins.
_KINDS: Final[tuple[tuple[Kind, str], ...]] = (
    (
        "summary",
        rf"\b(?:summar\w+|overview|overall|describe the {_STREAM}|what (?:is|was) (?:this|the) {_STREAM} about|"
        r"what happen(?:s|ed)\b(?! (?:to|with)))",
    ),
    ("moved", r"\b(?:moved?|displaced|relocated|still (?:in|on|at|there)|changed (?:its )?place)\b"),
    ("count", r"\b(?:how many|number of|count)\b"),
    ("colour", r"\b(?:what|which) colou?r\b|\bcolou?r (?:of|is|was|are|were)\b"),
    ("room", r"\b(?:which|what) (?:kind of |type of )?(?:room|place)\b"),
    ("said", rf"\b{_SPEECH}\b"),
    ("when", r"\b(?:when|what time|at which time|how long ago|which moment)\b"),
    ("where", r"\bwhere\b"),
    ("exists", rf"^(?:is|are|was|were) there\b|^(?:did|do|have|has|had) {_WHO} (?:ever )?{_VERBS}\b|^is any\b"),
)

# What is taken off to leave the thing itself. Applied once each, in this order.
_SCAFFOLD: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?:(?:please|can you|could you|tell me|show me|find me|find|give me|i want to know|do you remember|"
        r"do you know) )+",
        r"\b(?:what|which) colou?r(?: of)?\b|\bcolou?r of\b",
        r"\b(?:how many(?: times)?|(?:the )?number of|count(?: the)?)\b",
        r"\b(?:in )?(?:which|what) (?:(?:kind|type)s? of )?(?:rooms?|place)\b(?! are there)",
        r"\bat (?:what|which) (?:time|moment)\b|\bwhat time\b",
        rf"\b(?:did|do|does|have|has|had|was|were|is|are|could|can) {_WHO}\b(?: ever| also| already)?"
        rf"(?: (?:been )?{_VERBS}| left)?",
        rf"\b{_WHO} (?:{_VERBS}|walk(?:ed)?(?: past| by)?)\b",
        rf"\b(?:did|does|do|was|were|is|are|has|have)\b(?= .*\b{_VERBS}\b)",
        rf"(?:\b(?:been|be|to be) )?\b{_VERBS}\b(?= *\??$)",
        r"\b(?:moved?|displaced|relocated|still there|changed (?:its )?place)\b(?= *\??$)",
        r"\b(?:is|are|was|were|has|have|had|did|does|do)\b(?= )",
        r"^(?:when|where|what|which|who|how|why|whose)\b(?:'s\b)?",
        r"\b(?:located|placed|kept|there|anywhere|somewhere(?! to)|anything|something(?! to)|ever)\b",
        r"\b(?:in|on|at|from|and)\s*\??$",
        r"^(?:a |an |the |any )?(?:photo|picture|image|view|frame|(?:kinds?|types?|sorts?)) of\b",
    )
)
_ORDERS: Final[tuple[tuple[Order, str], ...]] = (
    (
        "first",
        rf"\b(?:for )?the (?:very )?first time\b|\bfirst(?= (?:time )?(?:{_WHO} )?{_VERBS})|\bfirst\s*\??$|"
        rf"\bfirst (?:thing|object)(?= (?:that )?{_WHO}\b)|\bat first\b|\bearliest\b|\binitially\b",
    ),
    (
        "last",
        rf"\b(?:for )?the (?:very )?last time\b|\blast(?= (?:time )?(?:{_WHO} )?{_VERBS})|\blast\s*\??$|"
        rf"\blast (?:thing|object)(?= (?:that )?{_WHO}\b)|\b(?:most recently|most recent|latest|finally)\b",
    ),
)
_ACTOR = r"(?:i|we|you|one|people|someone|somebody|(?:the|a|an|my|our|two) \w+)"
_MAY = r"(?:can|could|should|shall|may|might|must|would|do|does)"
_IMPLICIT = re.compile(
    r"\b(?:some(?:where|thing|place)|a place|any(?:where|thing)) (?:\w+ ){0,3}?(?:to|for|i can|can i)\b|"
    r"\b(?:place|spot|corner|room|object|tool|device|furniture) (?:to|for|where|in which|that (?:i|one) can)\b|"
    rf"\b(?:where|what|how|which)\b(?! many| often| long| old)(?: (?!{_MAY}\b)[\w-]+){{0,3}} (?:{_MAY} {_ACTOR}|"
    rf"(?:i|we|you|one) {_MAY}|(?<!next )(?<!close )(?<!closest )to(?! (?:the|a|an|my|our)\b))\b"
    rf"(?! (?:ever )?{_VERBS}\b(?! (?:some|any|what|how)))"
    r"(?! (?:say|think|know|remember)\b)|"
    r"\b(?:i|we) (?:am|are|need to|need a place|want to|have to|would like)\b|\bi'(?:m(?! looking for)|d like)\b|"
    r"\bwhere (?:do|does|should|would) .*\b(?:go|belong)\b|\bgood for\b|\bused? (?:to|for)\b|\buseful (?:to|for)\b"
)
_GLOBAL = re.compile(
    r"\b(?:overall|in general|most (?:often|common\w*)|mainly|how many (?:rooms|events|scenes)|kinds? of rooms|"
    r"(?:which|what) rooms|everything|all the (?:rooms|things|events)|main (?:events|topics|places))\b"
)
_PLACE = re.compile(
    r"\b(?:in|inside|near|beside|by|next to|close to|around|within|at) (?:the |a |an |my |our )?([^,?]+)$"
)
_LEADING = re.compile(
    r"^(?:(?:the|a|an|any|some|my|our|of|that|this|these|those|about|with|on|in|at|inside|near|under|beside|by|next to)"
    r"\b ?)+"
)


def parse_query(text: str) -> Query:
    """Split a question into its semantic, spatial and temporal keys.

    Args:
        text: A question or a description, in English.

    Returns:
        The keys; a description such as "red mug" comes back as it is.

    Raises:
        ValueError: If `text` holds no word and no number.

    Example:
        >>> q = parse_query("When did I first see the red mug after 10:30?")
        >>> q.semantic, q.between, q.order, q.kind
        ('red mug', (630.0, inf), 'first', 'when')
        >>> q = parse_query("What did I see before the blue lamp?")
        >>> q.semantic, q.order, q.anchor
        ('', 'before', 'blue lamp')
    """
    if not re.search(r"\w", text):
        raise ValueError(f"a question must hold at least one word, got {text!r}")
    rest = re.sub(r"\s+", " ", text.replace("’", "'")).strip().lower()
    kind: Kind = next((name for name, pattern in _KINDS if re.search(pattern, rest)), "what")
    is_global = kind == "summary" or _GLOBAL.search(rest) is not None
    route: Route = "global" if is_global else "implicit" if _IMPLICIT.search(rest) else "explicit"

    rest, near = _take_near(rest)
    rest, between, from_end, fraction = _take_times(rest)
    order: Order | None = None
    anchor: str | None = None
    match = re.search(r"\b(?:(?:right|just|shortly|immediately|directly|sometime) )?(before|after)\b(.*)$", rest)
    if match is not None and content_words(match[2]):
        order, anchor = ("before" if match[1] == "before" else "after"), _strip(match[2])
        rest = rest[: match.start()]
    else:
        for name, pattern in _ORDERS:
            shorter = re.sub(pattern, " ", rest)
            if shorter != rest:
                order, rest = name, shorter
                break
    semantic = "" if kind == "summary" else _strip(rest)
    if kind == "said":
        people = r"they|someone|somebody|anyone|people|he|she|i|we|you|us|me"
        semantic = _strip(re.sub(rf"\b{_SPEECH}\b(?: about)?|\b(?:{people})\b", " ", semantic))
    if not content_words(semantic) or re.fullmatch(r"happen\w*|going on|seen?|visible|else|next|thing", semantic):
        semantic = ""
    if kind == "count":
        semantic = " ".join(singular(word) for word in semantic.split())
    place = _PLACE.search(semantic)
    subject = semantic[: place.start()].strip() if place is not None else semantic
    place_name = place[1].strip() if place is not None else None
    if semantic and not subject:  # "what is near the bed?" names the place only
        semantic = subject = place_name or semantic
    semantic, subject = _LEADING.sub("", semantic), _LEADING.sub("", subject)
    return Query(
        text=text,
        semantic=semantic,
        subject=subject,
        place=place_name,
        between=between,
        from_end=from_end,
        fraction=fraction,
        near=near,
        order=order,
        anchor=anchor,
        kind=kind,
        route=route,
    )


def _strip(rest: str) -> str:
    """The thing that a question is about: scaffolding, leading articles and trailing marks taken off."""
    rest = re.sub(r"\s+", " ", rest).strip(" ?!.,;:")
    for pattern in _SCAFFOLD:
        shorter = re.sub(r"\s+", " ", pattern.sub(" ", rest, count=1)).strip(" ?!.,;:")
        rest = shorter
    return re.sub(r"^(?:(?:the|a|an|any|some|my|our|of|that|this|these|those|about|with)\b ?)+", "", rest).strip()


def _take_near(rest: str) -> tuple[str, tuple[tuple[float, float, float], float] | None]:
    """Coordinates: "within 2 m of (1, 0, -3)", "near 1, 0, -3"."""
    pattern = (
        rf"\b(?:within ({_FLOAT}) ?m(?:et(?:er|re)s?)? of|near|around|at|by) "
        rf"\(?\s*({_FLOAT})\s*,\s*({_FLOAT})\s*,\s*({_FLOAT})\s*\)?"
    )
    match = re.search(pattern, rest)
    if match is None:
        return rest, None
    radius, x, y, z = match.groups()
    cut = rest[: match.start()] + " " + rest[match.end() :]
    return cut, ((float(x), float(y), float(z)), float(radius) if radius else 2.0)


def _take_times(rest: str) -> tuple[str, Window | None, Window | None, Window | None]:
    """Take every time phrase out of `rest`; intervals that are named twice are intersected."""
    between: Window | None = None
    from_end: Window | None = None
    fraction: Window | None = None

    def narrow(start: float, end: float) -> None:
        nonlocal between
        low, high = between or (0.0, FOREVER)
        between = (max(low, start), min(high, end))

    def take(pattern: str) -> re.Match[str] | None:
        nonlocal rest
        match = re.search(pattern, rest)
        if match is not None:
            rest = rest[: match.start()] + " " + rest[match.end() :]
        return match

    lead = r"\b(?:in |within |during |at |over |for )?(?:the )?"
    while match := take(rf"\b(?:between|from) ({_TIME}|{_NUMBER}) (?:and|to|until|till|-) ({_TIME})"):
        first, second = match.groups()
        unit = re.search(rf"(?:{_UNIT})$", second)
        if re.fullmatch(_NUMBER, first) and unit is not None:
            first = f"{first} {unit[0]}"  # "between 10 and 20 seconds"
        narrow(*sorted((seconds(first), seconds(second))))
    if match := take(rf"{lead}first ({_TIME}|second|minute|hour|day)\b"):
        narrow(0.0, seconds(_counted(match[1])))
    if match := take(rf"{lead}(?:last|final|past) ({_TIME}|second|minute|hour|day)\b"):
        from_end = (seconds(_counted(match[1])), 0.0)
    if match := take(rf"\b({_SPAN}) ago\b"):
        back = seconds(match[1])
        from_end = (back + max(AROUND_S, back / 10), max(0.0, back - max(AROUND_S, back / 10)))
    while match := take(rf"\b(?:after|since|later than|from) (?:the )?({_TIME})(?: on(?:wards?)?\b)?"):
        narrow(seconds(match[1]), FOREVER)
    while match := take(rf"\b(?:before|until|till|earlier than|up to|by) (?:the )?({_TIME})"):
        narrow(0.0, seconds(match[1]))
    while match := take(rf"\b(?:at|around|about|near) (?:about |around |the )?({_CLOCK}|{_NUMBER} ?(?:s|seconds)\b)"):
        at = seconds(match[1])
        narrow(max(0.0, at - AROUND_S), at + AROUND_S)
    for pattern, part in (
        (r"(?:very )?(?:end|ending)(?: of the (?:video|walk|stream|recording|day))?\b", (0.9, 1.0)),
        (r"(?:very )?(?:beginning|start)(?: of the (?:video|walk|stream|recording|day))?\b", (0.0, 0.1)),
        (r"middle of the (?:video|walk|stream|recording|day)\b", (0.4, 0.6)),
        (r"first half(?: of the (?:video|walk|stream|recording|day))?\b", (0.0, 0.5)),
        (r"second half(?: of the (?:video|walk|stream|recording|day))?\b", (0.5, 1.0)),
    ):
        if take(r"\b(?:in|within|during|at|near|towards?|from) the " + pattern):
            fraction = part
            break
    if take(r"\btoday\b"):
        from_end = (_DAY_S, 0.0)
    elif take(r"\byesterday\b"):
        from_end = (2 * _DAY_S, _DAY_S)
    return rest, between, from_end, fraction


def _counted(span: str) -> str:
    """Read the "minute" of "the first minute" as one minute."""
    return f"one {span}" if span in ("second", "minute", "hour", "day") else span
