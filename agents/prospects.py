"""What may be the goal: things of the map, and what only single views show; and what may be taken for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from placecell.agents.close_looks import CloseLooks
from placecell.agents.inklings import Inklings
from placecell.agents.matching import Matcher
from placecell.agents.planner import Sensed
from placecell.agents.roaming import Reach, Roamer
from placecell.agents.sizes import SIZES
from placecell.agents.surroundings import Surroundings

if TYPE_CHECKING:
    from placecell.agents.navigator import NavigatorConfig
    from placecell.memory.object_states import SceneObject

__all__ = ["Candidate", "Prospects"]

_VAIN_M: Final = 0.6  # so near to what was looked at in vain nothing new is looked for
_LARGE_M: Final = 0.9  # the map does not overlook what is at least so tall or wide
_EVEN, _STAYS = 0.85, 0.5  # of the best odds: what is as likely, and what keeps one from turning to another
_BEHIND: Final = 0.25  # chance that the goal is behind a frontier, at most
_UNSURE: Final = 0.5  # chance that a thing is there still when its place looked empty


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A thing that may be the goal.

    Args:
        thing: Which.
        chance: That it is the goal.
        metres: Way to it.
        is_inkling: Whether the map does not tell of it, only single views do.
    """

    thing: SceneObject
    chance: float
    metres: float
    is_inkling: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether one view alone tells of it, or most others disagree: worth going to, but not to be taken for it."""
        return self.is_inkling and self.thing.state == "unsure"


class Prospects:
    """Chances of things to be the goal, by the map, by close looks, and by what was looked at in vain.

    Args:
        matcher: Compares things with the goal.
        config: Thresholds.
        around: What is known of the place.
        roamer: Knows the ways.

    Attributes:
        rejected: Things that were looked at in vain, with how often they had been seen then.
        missed: Inklings of which no view from near told.
        stop: Chance that a thing must have, seen from near, to be taken for the goal.
        settle: Chance that is good enough once nothing is left to explore.
    """

    def __init__(self, matcher: Matcher, config: NavigatorConfig, around: Surroundings, roamer: Roamer) -> None:
        self._matcher, self._config, self._around, self._roamer = matcher, config, around, roamer
        alike = config.alike if matcher.goal.kind == "image" else 0.0  # others of its kind look like it somewhat
        self.stop = max(config.stop, alike)
        # Many signs that must all fit make a small chance of even the right thing.
        self.settle = config.settle / 4 if matcher.goal.is_unique else config.settle
        self.rejected: dict[str, int] = {}
        self.missed: set[str] = set()
        self._looks = CloseLooks(matcher.detection_chance)
        self._inklings = Inklings(matcher.detection_chance)

    def update(self, sensed: Sensed) -> None:
        """Take in an observation, after the surroundings did."""
        self._looks.add(sensed.detections, sensed.position_m, self._around.things)

    def chance(self, thing: SceneObject) -> float:
        """Chance to be the goal, by the map and by what close views showed."""
        chance = self._matcher.chance(thing, self._around.things, self._around.room_of)
        return chance * self._looks.factor(thing) if chance > 0 else chance

    def candidate(self, thing: SceneObject) -> Candidate:
        """A thing, with what speaks for its being the goal and the way to it."""
        return Candidate(thing, self.chance(thing), self._roamer.metres_to(thing.position_m))

    def candidates(self, is_last: bool = False) -> list[Candidate]:
        """Things that may be the goal; those looked at in vain only if more was seen of them, or at last."""
        found = []
        for thing in self._around.things:
            if thing.state == "gone":
                continue
            chance = self.chance(thing) * (_UNSURE if thing.state == "unsure" else 1.0)
            rejected = self.rejected.get(thing.object_id)
            if rejected is not None and not is_last and thing.num_sightings < 1.5 * rejected + 3:
                continue
            if chance >= min(self._config.maybe, self.settle):
                found.append(Candidate(thing, chance, self._roamer.metres_to(thing.position_m)))
        return found

    def inkling(self, is_last: bool = False) -> Candidate | None:
        """The likeliest of what only single views show, where nothing that the map tells of was looked at in vain.

        Close looks do not count against it: most views take it for a part of something else. That happens to small
        things only.
        """
        vain = [thing for thing in self._around.things if thing.object_id in self.rejected]
        found = []
        for thing in self._inklings.things(self._around.views):
            if thing.object_id in self.missed or _least_m(thing.name) >= _LARGE_M:
                continue
            is_vain = any(math.dist(thing.position_m, other.position_m) < _VAIN_M for other in vain)
            if is_vain or (not is_last and thing.num_sightings < 2 * self.rejected.get(thing.object_id, 0)):
                continue
            chance = self._matcher.chance(thing, self._around.things, self._around.room_of) * thing.confidence
            if chance >= self._config.stop:
                found.append(Candidate(thing, chance, self._roamer.metres_to(thing.position_m), is_inkling=True))
        if is_last:
            found = [candidate for candidate in found if not candidate.is_doubtful]
        return max(found, key=lambda c: (c.chance, c.thing.object_id), default=None)

    def takes(self, candidate: Candidate, is_last: bool) -> bool:
        """Whether a thing that was gone to is taken for the goal.

        At last little is enough, but its name and look must fit as well as those of a bare category: a small chance
        is to make up for a room or a neighbour that the map has wrong, not for a colour that the thing has not got.
        """
        if candidate.is_doubtful or candidate.thing.object_id in self.missed:
            return False
        if candidate.is_inkling:
            return candidate.chance >= self._config.stop
        if not is_last:
            return candidate.chance >= self.stop
        is_described = self._matcher.goal.kind == "description"
        fits = not is_described or self._matcher.detection_chance(candidate.thing) >= self._config.settle
        return fits and candidate.chance >= self.settle

    def at_last(self) -> Candidate | None:
        """The best there is, once everything was seen: what was looked at in vain may be it."""
        known = self.best([option for option in self.candidates(is_last=True) if self.takes(option, is_last=True)])
        options = [option for option in (known, self.inkling(is_last=True)) if option is not None]
        return max(options, key=lambda option: option.chance, default=None)

    def best(self, candidates: Sequence[Candidate], current: SceneObject | None = None) -> Candidate | None:
        """The likeliest; of things about as likely the nearest, and the `current` target sooner than another."""
        if not candidates:
            return None
        kept = None if current is None else current.object_id
        if self._matcher.goal.kind == "image":  # of two of a kind and colour one is the likelier, sure as both look
            top = max(_odds(candidate.chance) for candidate in candidates)
            shares = {True: _STAYS, False: _EVEN}
            alike = [c for c in candidates if _odds(c.chance) >= shares[c.thing.object_id == kept] * top]
        else:
            share = 0.92 if self._matcher.goal.is_unique else 0.8
            top = max(candidate.chance for candidate in candidates)
            alike = [candidate for candidate in candidates if candidate.chance >= share * top]
        return min(alike, key=lambda c: (c.metres - (1.0 if c.thing.object_id == kept else 0.0), c.thing.object_id))

    def worth_a_look(self, candidates: Sequence[Candidate], frontiers: Sequence[Reach]) -> Candidate | None:
        """An unlikely thing that is so near that it is worth a look before the next frontier."""
        options = [candidate for candidate in candidates if candidate.chance >= self._config.maybe]
        if not options:
            return None
        best = max(options, key=lambda c: c.chance / (c.metres + 1.0))
        if not frontiers:
            return best
        beyond = max(min(reach.share, _BEHIND) / (reach.metres + 1.0) for reach in frontiers)
        return best if best.chance / (best.metres + 1.0) > beyond else None


def _least_m(name: str) -> float:
    """How tall or wide even the smallest thing of a name is, metres."""
    return max(SIZES[name][0], SIZES[name][2]) if name in SIZES else 0.0


def _odds(chance: float) -> float:
    return chance / max(1.0 - chance, 1e-6)
