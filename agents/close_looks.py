"""Close looks: what is whole and near in the picture tells more of a thing than all its far views together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from placecell.memory.object_states import SceneObject
    from placecell.perception.detection import Detection

__all__ = ["NEAR_M", "CloseLooks"]

NEAR_M: Final = 2.5  # what is seen from within this distance is looked at closely
_LOOKS: Final = 6  # close looks at a thing that count, the last ones
_FEWEST: Final = 2  # of them, before they count


class CloseLooks:
    """Chances that close views of things show the goal.

    Args:
        chance_of: Chance that a view or a thing shows the goal, by name and look alone.
    """

    def __init__(self, chance_of: Callable[[Detection | SceneObject], float]) -> None:
        self._chance_of = chance_of
        self._chances: dict[str, list[float]] = {}

    def add(self, found: Iterable[Detection], position_m: np.ndarray, things: Sequence[SceneObject]) -> None:
        """Compare what is whole and near in a picture, seen from `position_m`, with the goal."""
        for detection in found:
            away = detection.position_m[0] - position_m[0], detection.position_m[2] - position_m[2]
            if detection.is_cut or math.hypot(*away) > NEAR_M:
                continue
            chance = None
            for thing in things:
                if _is_view_of(detection, thing):
                    chance = self._chance_of(detection) if chance is None else chance
                    self._chances[thing.object_id] = [*self.at(thing)[1 - _LOOKS :], chance]

    def at(self, thing: SceneObject) -> list[float]:
        """What the last close looks at a thing said, oldest first."""
        return self._chances.get(thing.object_id, [])

    def factor(self, thing: SceneObject) -> float:
        """By how much close looks change what the map says of a thing; 1 while there were too few."""
        looks = self.at(thing)
        mapped = self._chance_of(thing) if len(looks) >= _FEWEST else 0.0
        return 0.5 + 0.5 * float(np.mean(looks)) / mapped if mapped > 0 else 1.0


def _is_view_of(found: Detection, thing: SceneObject) -> bool:
    """Whether a detection lies where a thing is and is about as large: what stands on a desk is no view of it."""
    bounds = zip(thing.low_m, found.position_m, thing.high_m, strict=True)
    if not all(low - 0.1 <= at <= high + 0.1 for low, at, high in bounds):
        return False
    seen_m = max(high - low for low, high in zip(found.low_m, found.high_m, strict=True))
    return 0.5 * max(thing.size_m) <= seen_m <= 1.5 * max(thing.size_m) + 0.1
