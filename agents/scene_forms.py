"""The forms of questions about a scene: what is on, next to or in what, what moved, what one could do where.

They read the normal form of `placecell.agents.questions`; what fits none of them is asked like any other question.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from placecell.agents.goals import Mention, parse_mention
from placecell.agents.questions import normal_form, parse_question
from placecell.agents.vocabulary import COLOURS, ROOMS

__all__ = ["SCENE_KINDS", "SceneQuestion", "parse_scene_question"]

SCENE_KINDS = (
    *("where", "room", "colour", "is_colour", "how_many", "is_there", "moved", "gone", "was_where", "changed"),
    *("closer", "next_to", "is_next_to", "is_in", "is_on", "anything_on", "what_on", "on_what"),
    *("rooms", "num_rooms", "room_size", "door", "place_for", "able", "use_for", "which_is", "any_is"),
)
_ROOM_OF: Final = {name: group[0] for group in ROOMS for name in group}
_COLOUR_OF: Final = {name: group[0] for group in COLOURS for name in group}
_ROOM = "|".join(sorted(_ROOM_OF, key=len, reverse=True))
_COLOUR = "|".join(_COLOUR_OF)
_BE = r"(?:is|are|was|were)"
_STAND = r"(?:standing |lying |sitting |placed |located |resting |found |put |kept )?"
_NEXT = r"(?:right )?(?:next to|beside|near(?:by| to)?|close to|by the side of|adjacent to)"
_ON = r"(?:on top of|on|upon)"
_OR = r"(?:,? or )"
_OF_THESE = r"which of (?:these|those|the following)(?: things?)?"
_WHICH = r"(?:which|what)(?: of (?:these|those|the following))?(?: things?| objects?)?"
_THINGS = r"(?:anything|something|things|any things|any objects?)"
_CLOSER = r"(?:which|what)(?: thing| one| object)? (?:is|are|stands) (closer|nearer|further|farther) (?:to|from)"
_DOOR = r"(?:door|doorway|passage|opening|way)s?"
_SOMEBODY = r"(?:i|one|we|you|someone|somebody|people|a person)"
_WHERE = r"(?:where|in (?:which|what) room|(?:which|what) room|which place)"


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """A question about a scene, taken apart.

    Args:
        kind: One of `SCENE_KINDS`.
        thing: What is asked about; its `names` are empty where nothing known is named.
        other: The second thing, or the two to choose from.
        room: Room that the question is confined to.
        words: What is left to be understood: a purpose, what is said of a thing, a kind of change, a colour.
        negated: Whether "yes" means that it is not so ("is the table empty").
    """

    kind: str
    thing: Mention = Mention("")
    other: tuple[Mention, ...] = ()
    room: str | None = None
    words: str = ""
    negated: bool = False


def _mention(text: str) -> Mention:
    text = re.sub(r"\b(?:one|that is|which is)\b", " ", text).strip(" ,")
    return parse_mention(text)


def _moved(text: str) -> SceneQuestion | None:
    if found := re.match(
        r"(?:has|have|had|was|were|did|is|are) (.+?) (?:been )?(?:moved?|displaced|relocated|shifted|in another place|"
        r"somewhere else)(?: (?:since|to|from) .*| somewhere else)?$",
        text,
    ):
        return SceneQuestion("moved", _mention(found[1]))
    if found := re.match(r"(?:is|are) (.+?) (?:still )?(?:where (?:it|they) (?:was|were)|in the same place)", text):
        return SceneQuestion("moved", _mention(found[1]), negated=True)
    if found := re.match(
        r"(?:has|have|had|is|are|was|were|did) (.+?) (?:been )?(?:gone|missing|disappeared|disappear|vanished|"
        r"taken away|removed|no longer (?:here|there))$",
        text,
    ):
        return SceneQuestion("gone", _mention(found[1]))
    if found := re.match(r"(?:is|are) (.+?) still (?:here|there|present|around)", text):
        return SceneQuestion("gone", _mention(found[1]), negated=True)
    return None


def _was_where(text: str) -> SceneQuestion | None:
    for pattern in (
        r"(?:where|(?:in )?(?:what|which) room|from where|from which room) (?:was|were|did|has|have) (.+?) "
        rf"{_STAND}(?:stand |been )?(?:in )?(?:before|earlier|originally|previously|at first|moved from|taken from)"
        r"(?: (?:it|they|the).*)?$",
        r"where (?:did|was) (.+?) (?:come|moved) from$",
        r"(?:from (?:which|what) room|from where) (?:was|were|has|have) (.+?) (?:been )?(?:moved|taken)$",
    ):
        if found := re.match(pattern, text):
            return SceneQuestion("was_where", _mention(found[1]))
    if found := re.match(rf"where {_BE} (.+?) (?:now|currently|at the moment)$", text):
        return SceneQuestion("where", _mention(found[1]))
    return None


_CHANGES: Final = {
    "moved": r"moved|another place|displaced|relocated",
    "gone": r"gone|missing|disappeared|removed|taken away|vanished|no longer here",
    "new": r"new|added|appeared|come|arrived|brought",
}


def _changed(text: str) -> SceneQuestion | None:
    found = re.match(
        r"(?:which|what)(?: of (?:these|those|them|the following))?(?: things?| objects?| one)? "
        r"(?:is|are|has|have|was|were)?(?: been)? ?(.+?)(?: in the house| here| since .*)?$",
        text,
    )
    if not found:
        return None
    for kind, pattern in _CHANGES.items():
        if re.fullmatch(rf"(?:been )?(?:{pattern})", found[1]):
            return SceneQuestion("changed", words=kind)
    return SceneQuestion("changed", words="any") if re.fullmatch(r"changed|different", found[1]) else None


def _rooms(text: str) -> SceneQuestion | None:
    listed = re.match(
        rf"(what|which|how many)(?: other)? rooms (?:{_BE} (?:there|seen)|(?:does|did) .+ have|"
        rf"(?:did|have) {_SOMEBODY} (?:see|seen|visit|visited)|(?:has|have) been (?:seen|visited))(?: in .+)?$|"
        r"(?:list|name) (?:all )?(?:the )?rooms$",
        text,
    )
    if listed:
        return SceneQuestion("num_rooms" if listed[1] == "how many" else "rooms")
    door = re.match(
        rf"(?:is|are|does|do) (?:there )?(?:an?y? )?(?:open )?{_DOOR} (?:lead |go |run )?"
        rf"(?:directly )?(?:between|from) (?:the )?({_ROOM}) (?:and|to|into) (?:the )?({_ROOM})$",
        text,
    ) or re.match(
        rf"(?:can|could) (?:i|one|you|we) (?:walk|go|get|step) (?:directly |straight )?from (?:the )?({_ROOM}) "
        rf"(?:in)?to (?:the )?({_ROOM})$",
        text,
    )
    if door:
        return SceneQuestion("door", words=f"{_ROOM_OF[door[1]]}|{_ROOM_OF[door[2]]}")
    size = re.match(
        r"(?:which|what)(?: room)?(?: of (?:these|the)(?: rooms)?)? (?:is|are) (?:the )?"
        rf"(larg|bigg|small|tini)[a-z]+(?: room)?(?:[, ]+(?:the )?({_ROOM}){_OR}(?:the )?({_ROOM}))?"
        r"(?: in the house)?$",
        text,
    )
    if size:
        pair = "|".join(_ROOM_OF[name] for name in size.groups()[1:] if name)
        return SceneQuestion("room_size", words=pair, negated=size[1] in ("small", "tini"))
    return None


def _closer(text: str) -> SceneQuestion | None:
    found = re.match(rf"{_CLOSER} (.+?)[, ]+(?:the )?((?:(?!, ).)+?){_OR}(.+)$", text)
    if not found and not (found := re.match(rf"{_CLOSER} (.+)()()$", text)):
        return None
    pair = tuple(_mention(part) for part in found.groups()[2:] if part)
    return SceneQuestion("closer", _mention(found[2]), pair, negated=found[1].startswith(("fur", "far")))


def _beside(text: str) -> SceneQuestion | None:
    if found := re.match(rf"(?:is|are|does|do) (.+?) (?:stand |lie |sit )?{_STAND}{_NEXT} (.+)$", text):
        if re.match(r"there (?:anything|something)", found[1]):
            return SceneQuestion("next_to", other=(_mention(found[2]),))
        thing = re.sub(r"^there ", "", found[1])
        return SceneQuestion("is_next_to", _mention(thing), (_mention(found[2]),))
    if found := re.match(
        rf"{_WHICH} (?:is|are|stands?) {_STAND}{_NEXT} (.+)$",
        text,
    ):
        return SceneQuestion("next_to", other=(_mention(found[1]),))
    if found := re.match(rf"what (?:is|are|stands) (?:beside|next to) (.+?) {_ON} (.+)$", text):
        return SceneQuestion("next_to", other=(_mention(found[1]),))
    return None


def _upon(text: str) -> SceneQuestion | None:
    if found := re.match(
        rf"(?:is|are|does|do) (?:there )?{_THINGS} (?:stand |lie )?{_STAND}{_ON} (.+)$",
        text,
    ):
        return SceneQuestion("anything_on", other=(_mention(found[1]),))
    if found := re.match(
        r"(?:is|are) (?:the )?(?:top of |surface of |space on )?(.+?)(?:'s (?:top|surface))? (?:empty|free|clear|bare|"
        r"unoccupied)(?: on top)?$",
        text,
    ):
        return SceneQuestion("anything_on", other=(_mention(found[1]),), negated=True)
    if found := re.match(
        rf"{_WHICH} (?:is|are|stands?|lies) (?:there )?"
        rf"{_STAND}{_ON} (.+)$",
        text,
    ):
        return SceneQuestion("what_on", other=(_mention(found[1]),))
    if found := re.match(rf"(?:on )?what (?:is|are|was|were|does|do) (.+?) (?:stand |lie |sit |{_STAND}){_ON}$", text):
        return SceneQuestion("on_what", _mention(found[1]))
    if found := re.match(r"on what (?:is|are|does|do) (.+?)(?: stand(?:ing)?| l(?:ie|ying)| sit(?:ting)?)?$", text):
        return SceneQuestion("on_what", _mention(found[1]))
    if found := re.match(rf"(?:is|are|does|do) (?:there )?(.+?) (?:stand |lie |sit )?{_STAND}{_ON} (.+)$", text):
        return SceneQuestion("is_on", _mention(found[1]), (_mention(found[2]),))
    return None


_TO = r"(?: here| in (?:this|the) house)?"


def _purpose(text: str) -> SceneQuestion | None:
    if found := re.match(
        rf"{_WHERE} (?:could|can|should|would|do|might) {_SOMEBODY}(?: go)? (?:to )?(.+)$",
        text,
    ):
        if re.match(r"(?:find(?! out)|see|saw|seen|look for|get) ", found[1]) or re.search(
            r"\b(?:see|find|put|leave|left)$", found[1]
        ):
            return None
        return SceneQuestion("place_for", words=found[1])
    if found := re.match(rf"(?:what|which thing) (?:could|can|should) {_SOMEBODY} use{_TO} (?:to|for) (.+)$", text):
        return SceneQuestion("use_for", words=found[1])
    if found := re.match(rf"{_OF_THESE} (?:is|are)(?: here)? to (.+)$", text):
        return SceneQuestion("use_for", words=found[1])
    if found := re.match(rf"(?:could|can) {_SOMEBODY} (.+?)(?: here| in (?:this|the) house)$", text):
        return SceneQuestion("able", words=found[1])
    if found := re.match(
        r"does (?:anyone|anybody|someone|somebody)(?: here| in (?:this|the) house)? (.+?)(?: here)?$", text
    ):
        return SceneQuestion("any_is", words=found[1])
    if found := re.match(r"does (an? .+?) live here$", text):
        return SceneQuestion("any_is", words=found[1])
    return None


def _trait(text: str) -> SceneQuestion | None:
    if found := re.match(
        rf"(?:is|are) there (?:anything|something)(?: (?:in|inside) (?:the )?({_ROOM}))? (?:that|which) (.+)$", text
    ):
        return SceneQuestion("any_is", room=_ROOM_OF.get(found[1] or ""), words=found[2])
    if found := re.match(
        rf"{_WHERE} (?:is|are|has|holds)(?: there)? (?:{_THINGS}|a thing) (?:that|which) (.+)$",
        text,
    ):
        return SceneQuestion("place_for", words=f"that {found[1]}")
    if found := re.match(
        rf"{_OF_THESE} (.+?)(?: and)? (?:is|are) (?:here|there|in (?:the|this) house)$",
        text,
    ):
        return SceneQuestion("which_is", words=found[1])
    return None


def _in_room(text: str) -> SceneQuestion | None:
    if found := re.match(
        rf"{_WHICH} (?:is|are|can be found|could be found|stands?)(?: there)? (?:in|inside) (?:the )?({_ROOM})$",
        text,
    ):
        return SceneQuestion("which_is", room=_ROOM_OF[found[1]])
    if found := re.match(rf"(?:is|are) (?:the |my |our )(.+?) (?:in|inside) (?:the )?({_ROOM})$", text):
        return SceneQuestion("is_in", _mention(found[1]), room=_ROOM_OF[found[2]])
    return None


def _colour(text: str) -> SceneQuestion | None:
    if found := re.match(rf"(?:is|are) (.+?) ((?:{_COLOUR})(?:,? (?:{_COLOUR}))*{_OR}(?:{_COLOUR}))$", text):
        names = [_COLOUR_OF[name] for name in re.findall(rf"\b(?:{_COLOUR})\b", found[2])]
        return SceneQuestion("colour", _mention(found[1]), words="|".join(names))
    if found := re.match(rf"(?:is|are) (?:the |my |our )?(.+?) ({_COLOUR})$", text):
        return SceneQuestion("is_colour", _mention(found[1]), words=_COLOUR_OF[found[2]])
    return None


_FORMS: Final[tuple[Callable[[str], SceneQuestion | None], ...]] = (
    _colour,
    _was_where,
    _rooms,
    _closer,
    _trait,
    _changed,
    _purpose,
    _moved,
    _beside,
    _upon,
    _in_room,
)


def parse_scene_question(text: str) -> SceneQuestion | None:
    """Take a question about a scene apart; None if it has none of the known forms.

    Example:
        >>> question = parse_scene_question("Is there anything on the blue desk?")
        >>> question.kind, question.other[0].names, question.other[0].colour
        ('anything_on', ('desk',), 'blue')
        >>> parse_scene_question("Why is the sky blue?") is None
        True
    """
    plain = normal_form(text)
    for form in _FORMS:
        if (question := form(plain)) is not None:
            return question
    asked = parse_question(text)
    if asked.turn or asked.relation or asked.anchor or asked.at_s is not None or asked.between or not asked.subject:
        return None
    if asked.kind in ("where", "room", "colour", "how_many", "is_there"):
        if asked.subject.startswith("times "):
            return None
        place = _ROOM_OF.get(asked.place) if asked.place else None
        mention = parse_mention(asked.subject)
        room = place or mention.room
        return SceneQuestion(asked.kind, mention, room=room, words="|".join(asked.options))
    return None
