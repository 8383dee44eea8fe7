"""Does one thing rest on another, by the boxes around what was seen of them?"""

from __future__ import annotations

import math

from placecell.memory.object_states import SceneObject

__all__ = ["gap_m", "rests_on", "shelved"]


def gap_m(a: SceneObject, b: SceneObject) -> float:
    """Distance between the boxes of two things on the floor plan, metres."""
    apart = [max(0.0, a.low_m[i] - b.high_m[i], b.low_m[i] - a.high_m[i]) for i in (0, 2)]
    return math.hypot(*apart)


def rests_on(thing: SceneObject, carrier: SceneObject) -> float:
    """How well a thing fits on top of another, in [0, 1]: above it in plan, its foot at its height or on a board."""
    margin = 0.15  # of a carrier, only what its things leave free is seen
    low, high = thing.low_m, thing.high_m
    inside = 1.0
    for i in (0, 2):
        size = max(high[i] - low[i], 0.02)
        common = min(high[i], carrier.high_m[i] + margin) - max(low[i], carrier.low_m[i] - margin)
        inside *= min(max(common / size, 0.0), 1.0)
    if inside < 0.4 or low[1] < 0.2 or high[1] < carrier.high_m[1] - 0.35:
        return 0.0
    area, under = ((t.high_m[0] - t.low_m[0]) * (t.high_m[2] - t.low_m[2]) for t in (thing, carrier))
    if area > under + 0.02:
        return 0.0
    lift = low[1] - carrier.high_m[1]
    fit = math.exp(-((max(lift - 0.05, 0.0) / 0.15) ** 2)) if lift > 0 else math.exp(-((lift / 0.5) ** 2))
    return inside * fit


def shelved(thing: SceneObject, carrier: SceneObject) -> float:
    """Share of a thing's footprint within the box of another, where it begins above its foot and ends below its top."""
    if thing.low_m[1] < carrier.low_m[1] + 0.25 or thing.high_m[1] > carrier.high_m[1] + 0.1:
        return 0.0
    inside = 1.0
    for i in (0, 2):
        common = min(thing.high_m[i], carrier.high_m[i] + 0.1) - max(thing.low_m[i], carrier.low_m[i] - 0.1)
        inside *= min(max(common / max(thing.high_m[i] - thing.low_m[i], 0.02), 0.0), 1.0)
    return inside
