"""Several channels' scores to one order: weighted z-scores, support by neighbours in time, diversity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from placecell.memory.channels import Channel, Moments, event_of, sighting_of

__all__ = ["compress", "diversify", "fuse", "intervals", "support", "weights"]

LINEAR_Z: Final = 4.0
SHARPNESS: Final = 4  # one noise channel in twenty has a trust of 0.46 by chance; this leaves it 0.04
# Likeness is graded, and tells a little even where nothing stands out; a text with the wrong words tells nothing.
FLOOR: Final = {"visual": 0.1, "dense": 0.1}
SUPPORT: Final = 0.5  # what a neighbour in time adds of its own score
RUN_SHARE: Final = 0.6  # a neighbour that scores this share of a hit belongs to the same sighting


def compress(z: float) -> float:
    """Scale of evidence: linear up to 4 standard deviations, then logarithmic.

    A word that one text in 10,000 holds stands 100 deviations above the background; it is strong evidence, but not
    twenty times that of a picture at 5.

    Example:
        >>> compress(3.0), round(compress(100.0), 1)
        (3.0, 16.9)
    """
    return z if z <= LINEAR_Z else LINEAR_Z * (1.0 + math.log(z / LINEAR_Z))


def weights(channels: Sequence[Channel]) -> dict[str, float]:
    """Weight of each channel for this query: a power of its trust, scaled so that the squares add up to one.

    A channel whose best candidate is what its background would give anyway gets next to nothing; a channel that is
    absent takes no part and costs nothing. A weighted sum of unit variances then keeps unit variance.

    Source: Stouffer's weighted z.
    """
    raw = {c.name: max(c.trust**SHARPNESS, FLOOR.get(c.name, 1e-8)) for c in channels}
    norm = math.sqrt(sum(weight**2 for weight in raw.values())) or 1.0
    return {name: weight / norm for name, weight in raw.items()}


def fuse(channels: Sequence[Channel], scale: Mapping[str, float]) -> dict[int, float]:
    """Weighted sum of the channels' compressed z-scores for every candidate of any of them."""
    items = {item for channel in channels for item in channel.raw}
    return {item: math.fsum(scale[c.name] * compress(c.z(item)) for c in channels) for item in items}


Links = Mapping[int, Mapping[int, float]]


def support(own: Mapping[int, float], moments: Moments, links: Links | None = None) -> dict[int, float]:
    """Scores in which each candidate is held up by its neighbours in time, within its event.

    A moment is seen together with the ones before and after it: half of the better neighbour's score is added. The
    neighbours of candidates become candidates, so that an answer is found beside its question. Likewise a record is
    held up by the texts that lead to it.

    Args:
        own: Score of each candidate.
        moments: What they are.
        links: Of texts, what they lead to, with a share of up to one; see `Channel.links`.
    """
    event = {item: event_of(moments.moment(item)) for item in own}
    held = dict(own)
    for item in own:
        for other in moments.neighbours(item):
            if other not in held:
                held[other] = 0.0
                event[other] = event_of(moments.moment(other))
    lift = dict.fromkeys(held, 0.0)
    for item, score in own.items():
        for other in moments.neighbours(item):
            if event[other] == event[item]:
                lift[other] = max(lift[other], score)
    for item, linked in (links or {}).items():
        for other, share in linked.items():
            if item in own and other in own:
                lift[other] = max(lift[other], share * own[item])
    return {item: score + SUPPORT * lift[item] for item, score in held.items() if item in own or lift[item] > 0}


def intervals(ranked: Sequence[int], scores: Mapping[int, float], moments: Moments) -> dict[int, list[int]]:
    """The run of moments around each hit that show the same: neighbours in its event that score nearly as high.

    Returns:
        For each hit, the items of its run, itself included, in the order of time.
    """
    runs: dict[int, list[int]] = {}
    for item in ranked:
        own, event = scores[item], event_of(moments.moment(item))
        run, frontier = {item}, [item]
        while frontier:
            for other in moments.neighbours(frontier.pop()):
                if other in run or event_of(moments.moment(other)) != event:
                    continue
                if scores.get(other, 0.0) >= RUN_SHARE * own > 0:
                    run.add(other)
                    frontier.append(other)
        runs[item] = sorted(run, key=lambda i: (moments.moment(i).stamp_s, moments.moment(i).record_id))
    return runs


def diversify(ranked: Sequence[int], moments: Moments, runs: Mapping[int, Sequence[int]]) -> list[int]:
    """Order in which no event comes twice before every event came once; moments of one sighting come last.

    Texts stand for themselves: two sentences of one event are two hits.
    """
    seen: set[object] = set()
    merged: set[int] = set()
    first: list[int] = []
    second: list[int] = []
    last: list[int] = []
    for item in ranked:
        moment = moments.moment(item)
        key = sighting_of(moment)
        if item in merged:
            last.append(item)
        elif key in seen:
            second.append(item)
            merged.update(_same_kind(runs[item], moment.kind, moments))
        else:
            seen.add(key)
            first.append(item)
            merged.update(_same_kind(runs[item], moment.kind, moments))
    return first + second + last


def _same_kind(run: Sequence[int], kind: str, moments: Moments) -> list[int]:
    """Those of a run that a hit stands for: pictures for pictures; every text stands for itself."""
    return [item for item in run if kind == "moment" and moments.moment(item).kind == "moment"]
