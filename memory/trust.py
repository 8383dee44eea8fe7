"""Is a track a thing, or a part, or several things taken for one? A chance, from how it was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["chance_of_thing"]

_MANY_POSES: Final = 60
_BODY_M: Final = 0.02
# Logistic regression on the tracks of two walks through each of eight generated houses (seeds 50,101, 50,103 to 50,105,
# 50,107, 50,108, 50,110 and 50,111), cut by `placecell.perception.regions.RegionDetector`; a track is a thing if it
# pairs one to one with a true one.
_POSES: Final = 1.39
_CONFIDENCE: Final = 2.17
_QUALITY: Final = 2.06
_NAME: Final = 4.77
_LENGTH: Final = -1.66
_THICKNESS: Final = 0.75
_PART: Final = -2.51
_BIAS: Final = -7.40


def chance_of_thing(
    num_poses: int,
    confidence: float,
    quality: float,
    name_share: float | None,
    size_m: Sequence[float],
    part: float = 0.0,
) -> float:
    """Chance that a track is one whole thing, and not a part of one, a part of a wall, or several.

    What is real looks the same from everywhere: it is seen from many places and goes by one name.

    Args:
        num_poses: Places and headings from which it was seen.
        confidence: Mean of its detections'.
        quality: Of its best sighting, in [0, 1].
        name_share: Share of the votes for its first name; None if nobody named it, which says nothing.
        size_m: Extent of its box along each axis.
        part: Share of its box that lies in a larger thing, times the share of its views that did not show both.

    Example:
        >>> chance_of_thing(8, 0.9, 0.9, 0.9, (0.4, 0.4, 0.4)) > 0.9
        True
        >>> chance_of_thing(2, 0.5, 0.3, 0.4, (1.0, 1.0, 0.1)) < 0.3
        True
    """
    length = math.sqrt(sum(side * side for side in size_m))
    margin = (
        _BIAS
        + _POSES * math.log(max(1, min(num_poses, _MANY_POSES)))
        + _CONFIDENCE * confidence
        + _QUALITY * quality
        + _NAME * (0.7 if name_share is None else name_share)
        + _LENGTH * math.log(length + _BODY_M)
        + _THICKNESS * math.log(min(size_m) + _BODY_M)
        + _PART * part
    )
    return 1 / (1 + math.exp(-margin))
