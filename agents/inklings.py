"""Inklings: single views that fit the goal where the map has made something else, or nothing, of what they show.

The map asks what was seen as one thing again and again; a kettle that mostly was seen together with the bottle beside
it may be told as a bottle. Views that cut it out are remembered all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from placecell.memory.object_states import SceneObject, Sighting
from placecell.memory.records import RecordId

if TYPE_CHECKING:
    from placecell.perception.detection import Detection

__all__ = ["Inklings", "View"]

_FITS: Final = 0.5  # chance from which on a view fits
_SAME_M: Final = 0.4  # views that fit so near to each other show one thing
#: Chance that there is such a thing where one view fitted, and where several did: of the places in six explored houses
#: (seeds 50,201 to 50,206) that fitted goals which the map could not meet, 5 of 9 and 8 of 9 were right.
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

    def things(self, views: Sequence[View]) -> list[SceneObject]:
        """What may be the goal, as things with the best view's place and look, those that fit best first.

        Args:
            views: All views so far, in the order of time; those that were given before are not compared again.
        """
        for view in views[self._num_read :]:
            chance = self._chance_of(view.found)
            if chance >= _FITS:
                self._put(chance, view)
        self._num_read = len(views)
        ranked = sorted(enumerate(self._places), key=lambda place: -place[1][0][0])
        return [_thing(number, place) for number, place in ranked]

    def _put(self, chance: float, view: View) -> None:
        """Add a view to the place where it belongs, the best one first."""
        for place in self._places:
            if math.dist(place[0][1].found.position_m, view.found.position_m) < _SAME_M:
                place.insert(0 if chance > place[0][0] else len(place), (chance, view))
                return
        self._places.append([(chance, view)])


def _thing(number: int, place: Sequence[tuple[float, View]]) -> SceneObject:
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
        confidence=_ONCE if len(place) == 1 else _OFTEN,
        first_s=min(stamps),
        last_s=max(stamps),
        state="here",
        since_s=min(stamps),
        stays=(),
        sightings=(Sighting(best.record_id, best.stamp_s, place[0][0], found.box),),
        is_privileged=found.is_privileged,
    )
