"""Answers from the scene: the objects of the memory, where they stand, what became of them, and the rooms around them.

What is asked of things themselves stands in `placecell.agents.scene_things`; here are changes, rooms and uses, and the
choice of the function that answers a form of question (see `placecell.agents.scene_forms`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from placecell.agents.answer import Answer
from placecell.agents.choices import clean_choice
from placecell.agents.goals import Mention
from placecell.agents.purposes import things_for, things_that_are
from placecell.agents.scene import Match
from placecell.agents.scene_things import NAMED, ROOM_OF, SURE, ThingReader

__all__ = ["SceneReader"]

_HALF: Final = 0.5  # chance that what is gone, or new, was moved
_UNDERSTOOD: Final = 0.7  # a purpose that is understood less well is taken for what may be said of things


class SceneReader(ThingReader):
    """Answers questions about one reading of a scene.

    Args:
        scene: The scene.
        question: The question, taken apart.
        text: The question as it was asked.
        options: Choices as they were given; empty for a free answer.
    """

    def answer(self) -> Answer | None:
        """The answer, or None where the scene cannot tell: words that mean nothing to it, or no map of rooms."""
        question = self._question
        named = (question.thing, *question.other)
        if any(mention.phrase and not self._scene.is_known(mention) for mention in named):
            return None
        answer = _ANSWERS[question.kind](self)
        if answer is None or not self._options or answer.choice_index is not None:
            return answer
        return self._chosen(answer)

    # --- change ------------------------------------------------------------------------------------------------------

    def _fates(self) -> tuple[dict[str, float], list[Match]]:
        """How likely what the phrase means is here unmoved, moved, gone or new, and the things that it may mean."""
        found = self._scene.find(self._question.thing, self._question.room, with_gone=True)
        return self._fates_of(found), found

    def _fates_of(self, found: Sequence[Match]) -> dict[str, float]:
        fates = dict.fromkeys(("here", "moved", "gone", "new"), 0.0)
        kinds = {change.object_id: change.kind for change in self._scene.changes}
        for match in found:
            kind = kinds.get(match.thing.object_id, "here")
            if match.thing.state == "gone":
                kind = "gone"
            elif match.thing.state == "moved":
                kind = "moved"
            fates[kind] = max(fates[kind], match.chance)
        left, came = fates["gone"], fates["new"]
        fates["moved"] = max(fates["moved"], min(left, came))  # it went there, and one like it came here
        return fates

    def moved(self) -> Answer | None:
        """Whether a thing is elsewhere than it was."""
        fates, found = self._fates()
        best = max(fates.values())
        if best < NAMED:
            return self._refuse(self._question.thing.phrase, best)
        away = max(fates["moved"], fates["gone"], fates["new"])  # where it is now need not be known
        is_so = away >= 0.7 * fates["here"]
        rival = fates["here"] if is_so else away
        chance = best * best / max(best + rival, 1e-9)
        return self._yes_no(is_so, chance, [match.thing for match in found[:2]])

    def gone(self) -> Answer | None:
        """Whether a thing is no longer there."""
        fates, found = self._fates()
        best = max(fates.values())
        if best < NAMED:
            return self._refuse(self._question.thing.phrase, best)
        there = max(fates["here"], fates["moved"], fates["new"])
        is_so = fates["gone"] > there
        chance = best * max(fates["gone"], there) / max(fates["gone"] + there, 1e-9)
        return self._yes_no(is_so, chance, [match.thing for match in found[:2]])

    def was_where(self) -> Answer | None:
        """Where a thing was before it was moved or taken away."""
        fates, found = self._fates()
        best = max(fates.values())
        if best < NAMED:
            return self._refuse(self._question.thing.phrase, best)
        likely = [match for match in found if match.chance >= 0.5 * best]
        past = [match for match in likely if len(match.thing.stays) > 1] or [
            match for match in likely if match.thing.state == "gone"
        ]
        match = (past or likely)[0]
        stays = match.thing.stays
        stay = stays[-2] if len(stays) > 1 else stays[-1]
        room = self._scene.room_at(stay.position_m)
        position = [round(x, 2) for x in stay.position_m]
        if room is None:
            return None
        value = {"room": room.name, "position_m": position, "time_s": stay.from_s}
        text = "in the {}, at ({:.1f}, {:.1f}, {:.1f}) m".format(room.name, *position)
        return self._say(text, value, match.chance * (1.0 if past else 0.5), [match.thing])

    def changed(self) -> Answer | None:
        """What moved, is gone, or is new."""
        kind = self._question.words
        kinds = ("moved", "gone", "new") if kind == "any" else (kind,)
        if self._options:
            scores, things = [], []
            for mention in self._mentions:
                found = self._scene.find(mention, with_gone=True)
                fates = self._fates_of(found)
                if kind == "moved":  # it left its place, and where to was not seen; or it stands where nothing stood
                    fates["moved"] = max(fates["moved"], _HALF * max(fates["gone"], fates["new"]))
                    fates["gone"], fates["new"] = _HALF * fates["gone"], _HALF * fates["new"]
                rest = max(value for name, value in fates.items() if name not in kinds)
                score = max(fates[name] for name in kinds)
                scores.append(score * score / max(score + rest, 1e-9) + (0.05 * fates["moved"] if score == 0 else 0.0))
                things.append(found[0].thing if found else None)
            if max(scores, default=0.0) < 0.02:  # nothing is known to have changed so: what is least surely unchanged
                rests = [max(self._fates_of(self._scene.find(m, with_gone=True)).values()) for m in self._mentions]
                scores = [0.03 + 0.05 * (1 - rest if kind == "gone" else rest) for rest in rests]
            return self._choose(scores, things)
        changes = [change for change in self._scene.changes if change.kind in kinds]
        known = [self._scene.memory.objects.get(change.object_id) for change in changes]
        changed = [thing for thing in known if thing is not None]  # a change may be of what nobody can name
        if not changed:
            return self._say("nothing", "nothing", 0.5)
        names = list(dict.fromkeys(self._scene.name_of(thing) for thing in changed))
        return self._say("the " + ", the ".join(names), names, 0.7, changed)

    # --- rooms -------------------------------------------------------------------------------------------------------

    def rooms(self) -> Answer | None:
        """Which rooms there are, the largest first; of several of one name, how many."""
        order = sorted(self._scene.rooms, key=lambda room: (-room.area_m2, room.room_id))
        if not order:
            return None
        names = Counter(room.name for room in order)
        told = [f"{count} {name}s" if count > 1 else name for name, count in names.items()]
        chance = sum(self._scene.room_chance(room) for room in order) / len(order)
        standing = {thing.object_id: thing for thing in self._scene.things}
        shown = [next((standing[i] for i in room.object_ids if i in standing), None) for room in order]
        things = [thing for thing in shown if thing is not None]
        return self._say(", ".join(told), [room.name for room in order], chance, things)

    def num_rooms(self) -> Answer | None:
        """How many rooms there are."""
        found = self.rooms()
        return found and replace(found, text=f"{len(found.value)}: {found.text}", value=len(found.value))

    def door(self) -> Answer | None:
        """Whether a door joins two rooms."""
        first, second = self._question.words.split("|")
        named = {room.room_id: room.name for room in self._scene.rooms}
        missing = [name for name in (first, second) if name not in named.values()]
        if missing:
            return self._refuse(missing[0], 0.2) if named else None
        joined = any(
            {named.get(room_id) for room_id in door.rooms} == {first, second}
            for door in self._scene.memory.places.doors()
        )
        chance = min(self._scene.room_chance(room) for room in self._scene.rooms if room.name in (first, second))
        return self._yes_no(joined, 0.9 * chance)

    def room_size(self) -> Answer | None:
        """The largest or smallest room, of all or of those named."""
        names = [name for name in self._question.words.split("|") if name]
        names = names or [ROOM_OF[clean_choice(o)] for o in self._options if clean_choice(o) in ROOM_OF]
        rooms = [room for room in self._scene.rooms if not names or room.name in names]
        if len(rooms) < max(len(names), 1):
            return self._refuse(", ".join(names) or "room", 0.2) if self._scene.rooms else None
        order = sorted(rooms, key=lambda room: (room.area_m2, room.room_id), reverse=not self._question.negated)
        ratio = order[0].area_m2 / max(order[1].area_m2, 0.1) if len(order) > 1 else 2.0
        sure = 1.0 / (1.0 + math.exp(-8.0 * abs(math.log(max(ratio, 1e-3)))))
        return self._say(f"the {order[0].name}, {order[0].area_m2:.0f} m2", order[0].name, sure)

    # --- uses --------------------------------------------------------------------------------------------------------

    def _serving(self) -> dict[str, float]:
        """Categories that the question's words mean, with how well they serve."""
        words = self._question.words
        if self._kind() in ("which_is", "any_is") or words.startswith("that "):
            return dict.fromkeys(things_that_are(words), 1.0) or dict(things_for(words))
        known, meant = things_for(words), things_that_are(words)
        return (
            dict(known) if max(known.values(), default=0.0) >= _UNDERSTOOD or not meant else dict.fromkeys(meant, 1.0)
        )

    def _server(self, room: str | None = None) -> tuple[float, Match | None]:
        """The thing that serves best, and how well."""
        serving = self._serving()
        top = max(serving.values(), default=1.0)
        best: tuple[float, Match | None] = (0.0, None)
        for name, worth in serving.items():
            if worth < 0.8 * top:
                continue
            match = self._scene.best(Mention(name, (name,)), room)
            if match and match.chance * worth / top > best[0]:
                best = match.chance * worth / top, match
        return best

    def place_for(self) -> Answer | None:
        """Where one could do something."""
        if not self._serving():
            return None
        score, match = self._server()
        if match is None or score < SURE:
            return self._refuse(self._question.words, score)
        room = self._scene.room_of(match.thing)
        if room is None:
            return None
        name = self._scene.name_of(match.thing)
        value = {"room": room.name, "position_m": [round(x, 2) for x in match.thing.position_m], "near": [name]}
        chance = score * self._scene.room_chance(room)
        return self._say(f"in the {room.name}, at the {name}", value, chance, [match.thing])

    def able(self) -> Answer | None:
        """Whether one could do something here, or whether something here is so."""
        if not self._serving():
            return None
        score, match = self._server(self._question.room)
        if match is None or score < SURE:
            return self._yes_no(False, 1.0 - score, [], "nothing for it was seen")
        return self._yes_no(True, score, [match.thing], f"the {self._scene.name_of(match.thing)}")

    def use_for(self) -> Answer | None:
        """With what one could do something, or what is so: one of the choices, or the best that is there."""
        serving = self._serving() if self._question.words else {}
        if self._question.words and not serving:
            return None
        top = max(serving.values(), default=1.0)
        if self._options:
            scores, things = [], []
            for mention in self._mentions:
                match = self._scene.best(mention, self._question.room)
                worth = max((serving.get(name, 0.0) for name in mention.names), default=0.0) / top if serving else 1.0
                scores.append((match.chance if match else 0.0) * (worth**2 + 0.001))
                things.append(match.thing if match else None)
            return self._choose(scores, things)
        if not serving:
            names = [
                self._scene.name_of(t)
                for t in self._scene.things
                if self._scene.in_room(t, self._question.room or "") > 0.5
            ]
            names = list(dict.fromkeys(names))
            return self._say(", ".join(names), names, 0.5) if names else self._refuse(self._question.room or "", 0.0)
        score, match = self._server(self._question.room)
        if match is None or score < SURE:
            return self._refuse(self._question.words, score)
        name = self._scene.name_of(match.thing)
        return self._say(f"the {name}", name, score, [match.thing])


_ANSWERS: Final[dict[str, Callable[[SceneReader], Answer | None]]] = {
    "where": SceneReader.where,
    "room": SceneReader.where,
    "colour": SceneReader.colour,
    "is_colour": SceneReader.is_colour,
    "how_many": SceneReader.how_many,
    "is_there": SceneReader.is_there,
    "is_in": SceneReader.is_in,
    "moved": SceneReader.moved,
    "gone": SceneReader.gone,
    "was_where": SceneReader.was_where,
    "changed": SceneReader.changed,
    "closer": SceneReader.closer,
    "room_size": SceneReader.room_size,
    "rooms": SceneReader.rooms,
    "num_rooms": SceneReader.num_rooms,
    "door": SceneReader.door,
    "next_to": SceneReader.next_to,
    "is_next_to": SceneReader.is_next_to,
    "is_on": SceneReader.is_on,
    "anything_on": SceneReader.anything_on,
    "what_on": SceneReader.what_on,
    "on_what": SceneReader.on_what,
    "place_for": SceneReader.place_for,
    "able": SceneReader.able,
    "use_for": SceneReader.use_for,
    "which_is": SceneReader.use_for,
    "any_is": SceneReader.able,
}
