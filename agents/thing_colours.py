"""What colours a thing of the map has, by the views that show it best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float64

from placecell.errors import UnknownRecordError
from placecell.perception.colours import NUM_COLOURS, named_colours

if TYPE_CHECKING:
    from placecell.memory.memory import Memory
    from placecell.memory.object_states import SceneObject, Sighting
    from placecell.memory.records import RecordId

__all__ = ["ThingColours", "coloured"]

_SAME: Final = 1e-3  # boxes that differ by less are one
_BEST: Final = 24  # views that tell enough
_MANY: Final = 20_000  # sightings whose colours are kept at hand
_LEAST: Final = 0.01  # a thing may be of a colour that none of its pixels has: in the dark, say


class ThingColours:
    """Histograms of things, read from the detections that their sightings point to.

    Args:
        memory: Has the records.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._seen: dict[tuple[RecordId, tuple[float, float, float, float]], np.ndarray | None] = {}

    def of(self, thing: SceneObject) -> Float64[np.ndarray, "16"] | None:
        """Its histogram (see `placecell.perception.colours`), good views counting for more; None if none is known."""
        total = np.zeros(NUM_COLOURS)
        for sighting in thing.sightings[:_BEST]:
            colours = self._in(sighting)
            if colours is not None:
                total += sighting.quality * colours
        return total if total.any() else None

    def _in(self, sighting: Sighting) -> np.ndarray | None:
        key = sighting.record_id, sighting.box
        if key not in self._seen:
            if len(self._seen) >= _MANY:
                self._seen.clear()
            try:
                found = self._memory.get(sighting.record_id).detections
            except UnknownRecordError:  # forgotten since
                found = ()
            self._seen[key] = next(
                (each.colours for each in found if np.abs(np.subtract(each.box, sighting.box)).max() < _SAME), None
            )
        return self._seen[key]


def coloured(chances: Mapping[str, float], colours: np.ndarray | None) -> dict[str, float]:
    """Chances of colours that an encoder gives a thing, corrected by the colours that its pixels have.

    What an encoder calls red is the thing's main colour; which colours there are at all, the pixels say.

    Example:
        >>> chances = coloured({"red": 0.6, "orange": 0.4}, np.eye(16)[1])
        >>> max(chances, key=lambda name: chances[name])
        'orange'
    """
    shares = {} if colours is None else named_colours(colours)
    if not shares:
        return dict(chances)
    both = {name: chance * (shares.get(name, 0.0) + _LEAST) for name, chance in chances.items()}
    total, whole = sum(both.values()), sum(chances.values())
    return {name: value * whole / total for name, value in both.items()} if total > 0 else dict(chances)
