"""Inklings: single views that fit the goal where the map has made something else, or nothing, of what they show.

The map asks what was seen as one thing again and again; a kettle that mostly was seen together with the bottle beside
it may be told as a bottle. Views that cut it out are remembered all the same; but where most views of something of its
size at that place show something else, it is most likely that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.memory.object_states import SceneObject, Sighting
from placecell.memory.records import RecordId

if TYPE_CHECKING:
    from placecell.perception.detection import Detection

__all__ = ["Inklings", "View"]

_FITS: Final = 0.5  # chance from which on a view fits
_SAME_M: Final = 0.4  # views that fit so near to each other show one thing
_SAME_SIZE: Final = 2.5  # and other views so near to it, of a volume at most so many times as large or small
_THIN_M: Final = 0.02  # added to each side, so that what is flat has a volume
_AGREEING: Final = 2  # views that must fit
_MOST: Final = 0.5  # mean chance over all views of something of that size there, of what is there rather than not
#: Chance that there is such a thing where one view fitted or most views there disagree, and where several and most did:
#: of the places in six explored houses (seeds 50,201 to 50,206) that fitted goals which the map could not meet, 5 of 9
#: (one view) and 8 of 9 (several) were right.
_ONCE, _OFTEN = 0.55, 0.85


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A thing in one view.

    Args:
        record_id: The view.
        stamp_s: When.
        found: What it shows.
    """

    record_id: RecordId
    stamp_s: float
    found: Detection


class Inklings:
    """Places at which views fit a goal.

    Args:
        chance_of: Chance that a view shows the goal, by name and look alone.
    """

    def __init__(self, chance_of: Callable[[Detection], float]) -> None:
        self._chance_of = chance_of
        self._places: list[list[tuple[float, View]]] = []
        self._num_read = 0
        self._chances = np.zeros(0)
        self._boxes = np.zeros((0, 4))  # centre in metres, and log of the volume

    def things(self, views: Sequence[View]) -> list[SceneObject]:
        """What may be the goal, as things with the best view's place and look, those that fit best first.

        They are "here" where several views fit, and most of what shows something of that size there; else "unsure".

        Args:
            views: All views so far, in the order of time; those that were given before are not compared again.
        """
        news = views[self._num_read :]
        if news:
            chances = [self._chance_of(view.found) for view in news]
            for view, chance in zip(news, chances, strict=True):
                if chance >= _FITS:
                    self._put(chance, view)
            self._chances = np.append(self._chances, chances)
            self._boxes = np.concatenate([self._boxes, [_box(view.found) for view in news]])
            self._num_read = len(views)
        ranked = sorted(enumerate(self._places), key=lambda place: -place[1][0][0])
        return [_thing(number, place, self._is_sure(place)) for number, place in ranked]

    def _is_sure(self, place: Sequence[tuple[float, View]]) -> bool:
        """Whether several views fit there, and most views of something of that size there."""
        apart = np.abs(self._boxes - _box(place[0][1].found))
        is_there = (np.linalg.norm(apart[:, :3], axis=1) < _SAME_M) & (apart[:, 3] < math.log(_SAME_SIZE))
        return len(place) >= _AGREEING and float(self._chances[is_there].mean()) >= _MOST

    def _put(self, chance: float, view: View) -> None:
        """Add a view to the place where it belongs, the best one first."""
        for place in self._places:
            if math.dist(place[0][1].found.position_m, view.found.position_m) < _SAME_M:
                place.insert(0 if chance > place[0][0] else len(place), (chance, view))
                return
        self._places.append([(chance, view)])


def _box(found: Detection) -> np.ndarray:
    sides = np.subtract(found.high_m, found.low_m) + _THIN_M
    return np.append(found.position_m, np.log(sides).sum())


def _thing(number: int, place: Sequence[tuple[float, View]], is_sure: bool) -> SceneObject:
    best, found = place[0][1], place[0][1].found
    stamps = [view.stamp_s for _, view in place]
    labels = tuple(sorted(found.labels, key=lambda label: -label[1]))
    return SceneObject(
        object_id=f"{best.record_id.agent_id}:inkling{number}",
        agent_id=best.record_id.agent_id,
        name=labels[0][0] if labels else "",
        labels=labels,
        embedding=found.embedding,
        position_m=found.position_m,
        low_m=found.low_m,
        high_m=found.high_m,
        num_sightings=len(place),
        confidence=_OFTEN if is_sure else _ONCE,
        first_s=min(stamps),
        last_s=max(stamps),
        state="here" if is_sure else "unsure",
        since_s=min(stamps),
        stays=(),
        sightings=(Sighting(best.record_id, best.stamp_s, place[0][0], found.box),),
        is_privileged=found.is_privileged,
    )
