"""Answers about the things of a scene: one of them, two beside each other, one on top of another.

One function per form of question (see `placecell.agents.scene_forms`). Each gives the answer, the chance that it is
right, and at most four pictures that show what it speaks of; it declines where the scene holds no such thing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from placecell.agents.answer import Answer, no_match
from placecell.agents.choices import clean_choice, is_none, number_in, pick, yes_no
from placecell.agents.goals import Mention, parse_mention
from placecell.agents.resting import gap_m
from placecell.agents.scene import CARRIERS, MappedScene, Match
from placecell.agents.scene_forms import SceneQuestion
from placecell.agents.usual import is_usual, usual_for
from placecell.agents.vocabulary import COLOURS, ROOMS
from placecell.memory.object_states import SceneObject

__all__ = ["NAMED", "ROOM_OF", "SURE", "ThingReader"]

SURE: Final = 0.2  # a thing that fits a phrase worse is not there
NAMED: Final = 0.12  # the same where the question takes it for granted that there is one: "where is the red mug"
_NEXT_M: Final = 0.9
_CLOSED: Final = ("is_on", "anything_on", "is_next_to", "is_in", "is_colour")  # yes or no, however unsure
_GUESS: Final = 0.1  # chance of an answer that rests on what is usual alone
_AT_HAND_M: Final = 1.5
_LOW_M: Final = 0.3  # what begins higher above the floor stands on something
_COLOUR_OF: Final = {name: group[0] for group in COLOURS for name in group}
ROOM_OF: Final = {name: group[0] for group in ROOMS for name in group}


class ThingReader:
    """Answers about things; `placecell.agents.scene_reader.SceneReader` adds the other forms and chooses among all.

    Args:
        scene: The scene.
        question: The question, taken apart.
        text: The question as it was asked.
        options: Choices as they were given; empty for a free answer.
    """

    def __init__(self, scene: MappedScene, question: SceneQuestion, text: str, options: Sequence[str] = ()) -> None:
        self._scene, self._question, self._text, self._options = scene, question, text, tuple(options)
        self._mentions = tuple(parse_mention(clean_choice(option)) for option in options)

    # --- parts that several answers share ----------------------------------------------------------------------------

    def _kind(self) -> str:
        return self._question.kind

    def _say(
        self, text: str, value: Any, chance: float, things: Sequence[SceneObject] = (), notes: tuple[str, ...] = ()
    ) -> Answer:
        evidence = self._scene.pictures(things, min(max(chance, 0.0), 1.0))
        return Answer(text, self._kind(), value, min(max(chance, 0.0), 1.0), evidence, notes=notes)

    def _refuse(self, phrase: str, best: float) -> Answer:
        return no_match(self._kind(), phrase, min(best, 1.0))

    def _yes_no(self, is_so: bool, chance: float, things: Sequence[SceneObject] = (), why: str = "") -> Answer:
        """Yes or no, the other way round where the question is negated."""
        value = is_so != self._question.negated
        return self._say(f"{'yes' if value else 'no'}{', ' + why if why else ''}", value, chance, things)

    def _chosen(self, answer: Answer) -> Answer:
        """The choice that says what the open answer says."""
        if answer.is_refusal:
            nones = [i for i, option in enumerate(self._options) if is_none(clean_choice(option))]
            return replace(answer, choice_index=nones[0]) if nones else answer
        scores = []
        for option, mention in zip(self._options, self._mentions, strict=True):
            plain = clean_choice(option)
            if isinstance(answer.value, bool):
                scores.append(float(yes_no(plain) == answer.value))
            elif self._kind() == "how_many":
                number = number_in(plain)
                scores.append(0.0 if number is None else math.exp(-abs(number - int(answer.value))))
            else:
                said = str(answer.value["room"] if isinstance(answer.value, dict) else answer.value)
                names = {_COLOUR_OF.get(plain, plain), ROOM_OF.get(plain, plain), *mention.names}
                scores.append(float(said in names))
        index, shares = pick(scores)
        if index is None:
            return replace(answer, choice_scores=shares)
        return replace(answer, text=self._options[index], choice_index=index, choice_scores=shares)

    def _choose(self, scores: Sequence[float], things: Sequence[SceneObject | None]) -> Answer:
        """The choice with the best score."""
        index, shares = pick(scores)
        if index is None or scores[index] < 0.02:
            return self._refuse(", ".join(self._options), max(scores, default=0.0))
        shown = [thing for thing in (things[index],) if thing is not None]
        answer = self._say(self._options[index], clean_choice(self._options[index]), shares[index], shown)
        return replace(answer, choice_index=index, choice_scores=shares)

    def _one(self, mention: Mention, with_gone: bool = False) -> Match | None:
        """What a phrase means, if anything fits well enough."""
        room = self._question.room if mention is self._question.thing else None
        return self._scene.best(mention, room, with_gone)

    def _missing(self, *pairs: tuple[Mention, Match | None]) -> Answer | None:
        """A refusal if one of the things is not there; whoever asks for yes or no is told the likelier of the two."""
        if self._kind() in _CLOSED and all(match is not None for _, match in pairs):
            return None
        worst = min(pairs, key=lambda pair: pair[1].chance if pair[1] else 0.0)
        chance = worst[1].chance if worst[1] else 0.0
        return self._refuse(worst[0].phrase, chance) if chance < NAMED else None

    # --- one thing ---------------------------------------------------------------------------------------------------

    def where(self) -> Answer | None:
        """Room, neighbours and position."""
        mention = self._question.thing
        found = self._one(mention)
        if (refusal := self._missing((mention, found))) or found is None:
            return refusal
        thing, room = found.thing, self._scene.room_of(found.thing)
        if room is None and self._kind() == "room":
            return None
        carrier = self._scene.carrier_of(thing)
        near = [self._scene.name_of(carrier[0])] if carrier else []
        position = [round(x, 2) for x in thing.position_m]
        value = {"room": room.name if room else None, "position_m": position, "near": near, "time_s": thing.last_s}
        parts = [f"in the {room.name}"] if room else []
        parts += [f"on the {near[0]}"] if near else []
        parts.append("at ({:.1f}, {:.1f}, {:.1f}) m".format(*position))
        if thing.state == "unsure":
            parts.append("though it was not seen there lately")
        chance = found.chance * (self._scene.room_chance(room) if room else 1.0)
        return self._say(", ".join(parts), value if self._kind() == "where" else value["room"], chance, [thing])

    def colour(self) -> Answer | None:
        """The colour of what the phrase means."""
        mention = self._question.thing
        found = self._one(mention)
        if (refusal := self._missing((mention, found))) or found is None:
            return refusal
        shares = self._scene.colours(found.thing, mention.names)
        if not shares:
            return None
        among = [name for name in self._question.words.split("|") if name in shares] or [
            _COLOUR_OF[clean_choice(o)] for o in self._options if clean_choice(o) in _COLOUR_OF
        ]
        total = sum(shares[name] for name in among) if among else 1.0
        name = max(among or shares, key=lambda key: shares[key])
        return self._say(name, name, found.chance * shares[name] / max(total, 1e-9), [found.thing])

    def is_colour(self) -> Answer | None:
        """Whether what the phrase means is of a colour."""
        mention, colour = self._question.thing, self._question.words
        found = self._one(mention)
        if (refusal := self._missing((mention, found))) or found is None:
            return refusal
        shares = self._scene.colours(found.thing, mention.names)
        if not shares:
            return None
        share = shares.get(colour, 0.0)
        best = max(shares, key=lambda key: shares[key])
        is_so = share >= 0.5 or best == colour
        return self._yes_no(is_so, found.chance * (share if is_so else 1.0 - share), [found.thing], f"it is {best}")

    def how_many(self) -> Answer | None:
        """How many things a phrase fits."""
        mention, room = self._question.thing, self._question.room
        found = self._scene.all_of(mention, room)
        if not found:
            best = self._scene.best(mention, room)
            if best is None or best.chance < _GUESS:
                return self._refuse(mention.phrase, best.chance if best else 0.0)
            found = [best]
        chance = math.prod(match.chance for match in found)
        where = f" in the {room}" if room else ""
        return self._say(f"{len(found)}{where}", len(found), chance, [match.thing for match in found])

    def is_there(self) -> Answer | None:
        """Whether a phrase fits anything, in a room where one is named."""
        mention, room = self._question.thing, self._question.room
        found = self._scene.best(mention, room)
        if found is None or found.chance < SURE:
            chance = found.chance if found else 0.0
            return self._yes_no(False, 1.0 - chance, [], f"none was seen{f' in the {room}' if room else ''}")
        place = self._scene.room_of(found.thing)
        return self._yes_no(True, found.chance, [found.thing], f"in the {place.name}" if place else "")

    def is_in(self) -> Answer | None:
        """Whether a certain thing is in a room."""
        mention, room = self._question.thing, self._question.room
        found = self._scene.best(mention)
        if (refusal := self._missing((mention, found))) or found is None or room is None:
            return refusal
        here = self._scene.best(mention, room)
        share = here.chance / found.chance if here else 0.0
        return self._yes_no(share >= 0.5, found.chance * max(share, 1 - share), [(here or found).thing])

    # --- two things --------------------------------------------------------------------------------------------------

    def is_next_to(self) -> Answer | None:
        """Whether two things stand side by side."""
        mention, other = self._question.thing, self._question.other[0]
        pairs = [
            (a.chance * b.chance, gap_m(a.thing, b.thing), a, b)
            for a in self._scene.find(mention)[:6]
            for b in self._scene.find(other)[:6]
            if a.thing is not b.thing
        ]
        first, second = self._one(mention), self._one(other)
        if refusal := self._missing((mention, first), (other, second)):
            return refusal
        if not pairs:
            return None
        best = max(chance for chance, *_ in pairs)
        likely = [pair for pair in pairs if pair[0] >= 0.6 * best]
        chance, gap, a, b = min(likely, key=lambda pair: pair[1])
        sure = 1.0 / (1.0 + math.exp(-abs(gap - _NEXT_M) / 0.2))
        return self._yes_no(gap <= _NEXT_M, chance * sure, [a.thing, b.thing], f"{gap:.1f} m apart")

    def next_to(self) -> Answer | None:
        """What stands beside a thing."""
        anchor = self._one(self._question.other[0])
        if (refusal := self._missing((self._question.other[0], anchor))) or anchor is None:
            return refusal
        if self._options:
            found = [self._near_best(mention, anchor.thing) for mention in self._mentions]
            return self._choose(
                [match.chance if match else 0.0 for match in found], [match.thing if match else None for match in found]
            )
        near = sorted(
            (gap_m(thing, anchor.thing), thing.object_id, thing)
            for thing in self._scene.things
            if thing is not anchor.thing and thing.state != "gone"
        )
        beside = [thing for gap, _, thing in near if gap <= _NEXT_M][:3]
        if not beside:
            return self._say("nothing", "nothing", anchor.chance * 0.5, [anchor.thing])
        names = [self._scene.name_of(thing) for thing in beside]
        return self._say("the " + ", the ".join(names), names[0], anchor.chance * 0.7, [anchor.thing, *beside])

    def _near_best(self, mention: Mention, anchor: SceneObject) -> Match | None:
        fits = [
            Match(match.thing, match.chance / (1.0 + math.exp((gap_m(match.thing, anchor) - _NEXT_M) / 0.2)))
            for match in self._scene.find(mention)
            if match.thing is not anchor
        ]
        return max(fits, key=lambda match: match.chance, default=None)

    def closer(self) -> Answer | None:
        """Which of two things (or of the choices) is nearer to a third."""
        anchor = self._one(self._question.thing)
        mentions = self._question.other or self._mentions
        found = [self._one(mention) for mention in mentions]
        pairs = [(self._question.thing, anchor), *zip(mentions, found, strict=True)]
        if not mentions or (refusal := self._missing(pairs[0])) or anchor is None:
            return refusal if mentions else None
        if len(found) != 2 or all(match is None or match.chance < SURE for match in found):
            if refusal := self._missing(*pairs[1:]):
                return refusal
        elif any(match is None or match.chance < SURE for match in found):  # one is unseen: is the other at hand?
            seen = 0 if found[0] is not None and found[0].chance >= SURE else 1
            other = found[seen]
            assert other is not None
            near = (_apart_m(other.thing, anchor.thing) <= _AT_HAND_M) != self._question.negated
            return self._nearer(mentions, seen if near else 1 - seen, _GUESS, [anchor.thing, other.thing])
        gaps = [_apart_m(match.thing, anchor.thing) if match else math.inf for match in found]
        order = sorted(range(len(gaps)), key=lambda i: gaps[i], reverse=self._question.negated)
        index = order[0]
        ratio = abs(gaps[order[0]] - gaps[order[1]]) / max(*gaps, 1e-6) if len(gaps) > 1 else 1.0
        chance = math.prod(match.chance for _, match in pairs if match) * (0.5 + 0.5 * min(1.0, 2 * ratio))
        return self._nearer(mentions, index, chance, [match.thing for match in (anchor, found[index]) if match])

    def _nearer(self, mentions: Sequence[Mention], index: int, chance: float, things: Sequence[SceneObject]) -> Answer:
        answer = self._say(f"the {mentions[index].phrase}", mentions[index].phrase, chance, things)
        if not self._options:
            return answer
        phrases = [mention.phrase for mention in self._mentions]
        chosen = phrases.index(mentions[index].phrase) if mentions[index].phrase in phrases else None
        return replace(answer, text=self._options[chosen], choice_index=chosen) if chosen is not None else answer

    # --- on top ------------------------------------------------------------------------------------------------------

    def anything_on(self) -> Answer | None:
        """Whether something stands on a thing."""
        mention = self._question.other[0]
        carrier = self._one(mention)
        if (refusal := self._missing((mention, carrier))) or carrier is None:
            return refusal
        held = self._scene.on(carrier.thing)
        chance = held[0].chance if held else 0.0
        is_so = chance >= 0.5
        names = ", ".join(self._scene.name_of(match.thing) for match in held[:3]) if is_so else "nothing"
        things = [carrier.thing, *(match.thing for match in held[:3] if is_so)]
        return self._yes_no(is_so, carrier.chance * max(chance, 1 - chance), things, names)

    def what_on(self) -> Answer | None:
        """What stands on a thing."""
        mention = self._question.other[0]
        found = self._scene.find(mention)
        carriers = [match for match in found if match.chance >= SURE] or (found[:1] if self._options else [])
        if not carriers and not self._options:
            return self._refuse(mention.phrase, found[0].chance if found else 0.0)
        held = {match.thing.object_id: match.chance for carrier in carriers for match in self._scene.on(carrier.thing)}
        if self._options:
            scores, things = [], []
            for option in self._mentions:
                usual = 0.05 if is_usual(option.names, mention.names) else 0.02
                fits = [
                    (match.chance * (usual + held.get(match.thing.object_id, 0.0)), match.thing)
                    for match in self._scene.find(option)
                ]
                best_fit = max(fits, key=lambda pair: pair[0], default=(0.0, None))
                scores.append(best_fit[0])
                things.append(best_fit[1])
            return self._choose(scores, things)
        there = [match for match in self._scene.on(carriers[0].thing) if match.chance >= 0.5]
        if not there:
            return self._say("nothing", "nothing", carriers[0].chance * 0.5, [carriers[0].thing])
        names = list(dict.fromkeys(self._scene.name_of(match.thing) for match in there))
        shown = [carriers[0].thing, *(match.thing for match in there)]
        return self._say("the " + ", the ".join(names), names[0], carriers[0].chance * there[0].chance, shown)

    def on_what(self) -> Answer | None:
        """What a thing stands on."""
        mention = self._question.thing
        found = [match for match in self._scene.find(mention) if match.chance >= NAMED]
        if not found:
            best = self._scene.best(mention)
            return self._refuse(mention.phrase, best.chance if best else 0.0)
        match = found[0]
        carrier = self._scene.carrier_of(match.thing)
        if carrier is None and (below := self._scene.below(match.thing, mention.names)) is not None:
            carrier = below, 0.3
        if carrier is None:
            is_low = self._scene.foot_m(match.thing) < _LOW_M
            name = "floor" if is_low else usual_for(mention.names) or "floor"
            return self._say(f"the {name}", name, match.chance * (0.5 if is_low else 0.2), [match.thing])
        name = max(CARRIERS, key=lambda name: self._scene.chance(carrier[0], (name,)))
        if self._scene.chance(carrier[0], (name,)) < 0.1:
            name = self._scene.name_of(carrier[0])
        sure = self._scene.chance(carrier[0], (name,)) * carrier[1]
        return self._say(f"the {name}", name, match.chance * sure, [match.thing, carrier[0]])

    def is_on(self) -> Answer | None:
        """Whether one thing stands on another."""
        mention, other = self._question.thing, self._question.other[0]
        first, second = self._one(mention), self._one(other)
        if first is None or second is None:
            things = [match.thing for match in (first, second) if match is not None]
            return self._yes_no(is_usual(mention.names, other.names), _GUESS, things, "to judge by what is usual")
        best = 0.0
        things = [first.thing, second.thing]
        for a in (match for match in self._scene.find(mention) if match.chance >= 0.6 * first.chance):
            for b in (match for match in self._scene.find(other) if match.chance >= 0.6 * second.chance):
                fit = self._scene.holds(b.thing, a.thing)
                carrier = self._scene.carrier_of(a.thing)
                if carrier is not None and carrier[0] is not b.thing:
                    fit *= 0.5  # something else carries it better
                if fit > best:
                    best, things = fit, [a.thing, b.thing]
        return self._yes_no(best >= 0.3, first.chance * second.chance * max(best, 1 - best), things)


def _apart_m(a: SceneObject, b: SceneObject) -> float:
    return math.hypot(a.position_m[0] - b.position_m[0], a.position_m[2] - b.position_m[2])
