"""The channels of a recall, one way of looking each, and what they need to know of the memory.

Every channel hands over its candidates with raw scores, and what the scores of the same query look like over everything
else (its background), so that unlike scores can be put on one scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from placecell.memory.calibration import (
    CERTAIN,
    best_of_logit,
    coverage_probability,
    extreme_value_probability,
    sigmoid,
)
from placecell.memory.lexicon import Lexicon
from placecell.memory.records import Moment, Record, RecordId

if TYPE_CHECKING:
    from placecell.memory.forest import Forest

__all__ = [
    "MIN_TEXTS",
    "Channel",
    "Glance",
    "Moment",
    "Moments",
    "VectorIndex",
    "calibrated",
    "drift",
    "event_of",
    "forest_channel",
    "lexical_channel",
    "reasons",
    "sighting_of",
    "tile_box",
    "vector_channel",
]

DRIFT_BINS: Final = 8
MIN_DRIFT_ROWS: Final = 512
BEAM: Final = 48  # events that a search down the forest follows
MIN_TEXTS: Final = 16  # fewer texts than this have no background of their own: silent ones are imagined beside them
LIKENESS: Final = 40.0  # pictures of one thing lie above a cosine of 0.9, those of two below

Box = tuple[float, float, float, float]
Visible = Callable[[int], bool]


@runtime_checkable
class Moments(Protocol):
    """The memory's table of what its indexes call items."""

    def moment(self, item: int) -> Moment:
        """Key, time and event of an item."""
        ...

    def neighbours(self, item: int) -> Sequence[int]:
        """Items right before and right after this one in the stream of its agent, in the order of time."""
        ...

    def record(self, item: int) -> Record:
        """The whole record."""
        ...

    def extent_s(self) -> tuple[float, float]:
        """First and last stamp of everything."""
        ...


class Glance:
    """The table of items as one query sees it: what was read once is not read again until `forget`."""

    def __init__(self, moments: Moments) -> None:
        self._table = moments
        self._moments: dict[int, Moment] = {}
        self._beside: dict[int, Sequence[int]] = {}

    def forget(self) -> None:
        """Start anew: records may have been added."""
        self._moments.clear()
        self._beside.clear()

    def moment(self, item: int) -> Moment:
        """See `Moments`."""
        found = self._moments.get(item)
        if found is None:
            found = self._moments[item] = self._table.moment(item)
        return found

    def neighbours(self, item: int) -> Sequence[int]:
        """See `Moments`."""
        found = self._beside.get(item)
        if found is None:
            found = self._beside[item] = self._table.neighbours(item)
        return found

    def record(self, item: int) -> Record:
        """See `Moments`."""
        return self._table.record(item)

    def extent_s(self) -> tuple[float, float]:
        """See `Moments`."""
        return self._table.extent_s()


@runtime_checkable
class VectorIndex(Protocol):
    """What recall needs of an index of vectors; `placecell.memory.chunks.ChunkIndex` is one."""

    def search(self, query: Float32[np.ndarray, "d"], k: int, where: Any = None) -> Any:
        """Best items, their scores (the best of each item's rows), and which row that was."""
        ...

    def background(self, query: Float32[np.ndarray, "d"], where: Any = None) -> Any:
        """Mean, standard deviation and number of the scores of everything that `where` lets through."""
        ...


@dataclass(slots=True, eq=False)
class Channel:
    """Candidates of one way of looking, on the scale of its own background.

    Attributes:
        name: "visual", "dense", "words", "graph", "facts", "forest", "uses" or "space".
        raw: Score of each candidate: a cosine, a BM25, a share of a walk.
        chance: Calibrated chance of each candidate.
        mean: Mean score of the background.
        std: Its standard deviation; positive.
        trust: How sure the channel is of its best candidate for this query, in [0, 1].
        rows: Which row of its vectors each candidate matched with.
        drift: Change of the background per second that was taken out of `raw`.
        count: How many were compared, candidates or not.
        notes: What there is to say of a candidate, for people.
        links: Candidates that a text among them leads to by what it states, each with a share of up to one.
    """

    name: str
    raw: dict[int, float]
    chance: dict[int, float]
    mean: float
    std: float
    trust: float
    rows: dict[int, int] = field(default_factory=dict)
    drift: float = 0.0
    count: int = 0
    notes: dict[int, str] = field(default_factory=dict)
    links: dict[int, dict[int, float]] = field(default_factory=dict)

    def z(self, item: int) -> float:
        """Standard deviations above the background; 0 for what is no candidate."""
        return (self.raw[item] - self.mean) / self.std if item in self.raw else 0.0


def vector_channel(
    name: str,
    index: VectorIndex,
    query: Float[np.ndarray, "d"],
    moments: Moments,
    *,
    pool: int,
    where: Any,
    visible: Visible,
    calibration: tuple[float, float] | None,
    bins: Sequence[tuple[float, Any]] = (),
    is_likeness: bool = False,
) -> Channel | None:
    """Nearest vectors of an index; None if there is nothing to compare with.

    Args:
        name: Name of the channel.
        index: Where the vectors are.
        query: Unit vector.
        moments: The table of items.
        pool: Candidates wanted.
        where: Predicate that the index applies exactly.
        visible: Whether an item counts; more are fetched until the pool is full.
        calibration: Scale and bias of the encoder's sigmoid, if it was calibrated.
        is_likeness: Whether like is compared with like (a picture with pictures): a cosine near 1 then is a match even
            in a memory that is too small to have a background.
        bins: Centre (seconds) and predicate of time bins, to measure and take out drift; empty to leave that out.
    """
    vector = np.ascontiguousarray(query, dtype=np.float32)
    mean, std, n = (float(value) for value in index.background(vector, where))
    if n < 1:
        return None
    slope, middle_s = _drift(index, vector, bins, max(std, 1e-4), int(n))
    wanted = [where] if slope == 0.0 else [part for _, part in bins]  # else the late ones would crowd out the early
    found = [hit for part in wanted for hit in _search(index, vector, max(8, pool // len(wanted)), part, visible)]
    if not found:
        return None
    std = max(std, 1e-4)
    cosine = {item: score for item, score, _ in found}
    raw = {item: score - slope * (moments.moment(item).stamp_s - middle_s) for item, score in cosine.items()}
    events = len({sighting_of(moments.moment(item)) for item in raw})
    independent = max(2.0, n * events / len(raw))
    chance = {
        item: calibrated(cosine[item], calibration, n)
        if calibration is not None
        else extreme_value_probability((score - mean) / std, independent)
        for item, score in raw.items()
    }
    if is_likeness:
        chance = {
            item: max(value, min(sigmoid(LIKENESS * (cosine[item] - 0.9)), CERTAIN)) for item, value in chance.items()
        }
    surprise = extreme_value_probability((max(raw.values()) - mean) / std, independent)
    trust = max(surprise, max(chance.values()))
    return Channel(name, raw, chance, mean, std, trust, {item: row for item, _, row in found}, slope, int(n))


def calibrated(cosine: float, calibration: tuple[float, float], n: int | float) -> float:
    """Chance that one of the best of `n` moments shows what was asked, by the sigmoid of a calibrated encoder."""
    return sigmoid(best_of_logit(calibration[0] * cosine + calibration[1], n))


def _search(
    index: VectorIndex, vector: Float32[np.ndarray, "d"], pool: int, where: Any, visible: Visible
) -> list[tuple[int, float, int]]:
    """The best `pool` visible items, or all of them."""
    asked = pool
    while True:
        items, scores, rows = index.search(vector, asked, where)
        found = [
            (int(item), float(score), int(row))
            for item, score, row in zip(items, scores, rows, strict=True)
            if visible(int(item))
        ]
        if len(found) >= pool or len(items) < asked:
            return found[:pool]
        asked *= 4


def _drift(
    index: VectorIndex, vector: Float32[np.ndarray, "d"], bins: Sequence[tuple[float, Any]], std: float, n: int
) -> tuple[float, float]:
    """Slope of the background over time (0 if there is none to speak of), and the time it is taken from."""
    if len(bins) < DRIFT_BINS or n < MIN_DRIFT_ROWS:
        return 0.0, 0.0
    measured = [(centre, *index.background(vector, part)) for centre, part in bins]
    filled = [(centre, float(mean)) for centre, mean, _, count in measured if count >= MIN_DRIFT_ROWS / DRIFT_BINS / 4]
    centres, means = np.array([c for c, _ in filled]), np.array([m for _, m in filled])
    slope = drift(centres, means, std, n)
    return slope, float(centres.mean()) if slope else 0.0


def drift(centres_s: Float[np.ndarray, "b"], means: Float[np.ndarray, "b"], std: float, rows: int) -> float:
    """Change of a query's background per second, or 0 where there is none that can be measured.

    Similarity to any query may creep up (or down) along a stream: light changes, a camera gets dirty. It counts as
    drift when the means of the time bins keep one order (Kendall's tau at the 1 % level) and differ by more than half
    a standard deviation in all; a thing that was seen in one or two bins does neither.

    Args:
        centres_s: Middle of each time bin, ascending.
        means: Mean score of each bin.
        std: Standard deviation of all scores.
        rows: Number of scores; too few (under 512) give 0.

    Returns:
        The median of the slopes between all pairs of bins.

    Source: Theil 1950, Sen 1968 for the slope; Kendall 1938 for the test.

    Example:
        >>> drift(np.arange(8.0), np.arange(8.0) * 0.1, 0.2, 5000)
        0.1
    """
    if rows < MIN_DRIFT_ROWS or len(means) < DRIFT_BINS:
        return 0.0
    low, high = np.triu_indices(len(means), 1)
    steps = means[high] - means[low]
    tau = float(np.sign(steps).sum()) / len(steps)
    slope = float(np.median(steps / (centres_s[high] - centres_s[low])))
    # 0.714 is the critical value for 8 bins, two-sided 1 %; more bins only make it stricter.
    is_steady = abs(tau) >= 0.714 and abs(slope) * float(centres_s[-1] - centres_s[0]) > 0.5 * std
    return round(slope, 12) if is_steady else 0.0


def forest_channel(forest: Forest, query: Float[np.ndarray, "d"], visual: Channel, visible: Visible) -> Channel | None:
    """Events that look as a whole like what is asked, found by a beam down the forest.

    For questions that name a use and no thing ("somewhere to sit"): a place answers them better than a detail. Every
    visual candidate of an event gets its event's score, and so does the event's middle moment.
    """
    events = forest.beam(query, BEAM)
    if len(events) < 2:
        return None
    scores = np.array([score for _, _, score in events])
    raw: dict[int, float] = {}
    for _, node, score in events:
        inside = [item for item in node.items if item in visual.raw] or [node.items[len(node.items) // 2]]
        raw |= {item: score for item in inside if visible(item)}
    if not raw:
        return None
    return Channel("forest", raw, {}, float(scores.mean()), max(float(scores.std()), 1e-4), visual.trust)


def lexical_channel(lexicon: Lexicon, query: str, *, pool: int, visible: Visible) -> Channel | None:
    """Texts that share words with the query, by BM25; None if no text does.

    Its trust is the share of the query that its best text holds, times how much those words tell: a text with all of
    the query's words decides, one with a single common word does not.
    """
    scored = lexicon.score(query)
    if not len(scored.items):
        return None
    totals, coverage = scored.totals, scored.coverage
    raw: dict[int, float] = {}
    chance: dict[int, float] = {}
    trust = lowest = 0.0
    for i in np.argsort(-totals, kind="stable").tolist():
        if len(raw) >= pool and totals[i] < lowest:
            break  # all that tie with the last one are in: none is left out by its number
        item = int(scored.items[i])
        if not visible(item):
            continue
        raw[item] = lowest = float(totals[i])
        chance[item] = coverage_probability(float(coverage[i]))
        telling = float(scored.idf[scored.by_term[i] > 0].sum()) / lexicon.idf(1)
        trust = max(trust, float(coverage[i]) ** 2 * min(1.0, telling))
    if not raw:
        return None
    share = scored.n / max(scored.n, MIN_TEXTS)
    mean = share * scored.mean
    std = math.sqrt(max(share * (scored.std**2 + scored.mean**2) - mean**2, 1e-12))
    return Channel("words", raw, chance, mean, std, trust)


def tile_box(row: int, num_rows: int) -> Box | None:
    """Where a tile lies in its view, as fractions: left, top, right, bottom; None for the whole view.

    Example:
        >>> tile_box(1, 10), tile_box(0, 10)
        ((0.0, 0.0, 0.5, 0.5), None)
    """
    from placecell.perception.tiles import tile_boxes

    side = math.isqrt(max(num_rows - 1, 0))
    if row <= 0 or side * side != num_rows - 1 or side % 2 == 0 or side < 3 or row >= num_rows:
        return None  # vectors that came from elsewhere: their layout is not known
    left, top, right, bottom = tile_boxes(1, 1, ((side + 1) // 2,))[row].tolist()
    return left, top, right, bottom


def reasons(record: Record, item: int, took_part: Sequence[Channel]) -> str:
    """One line for a person: what speaks for this hit."""
    parts: list[str] = []
    for channel in took_part:
        z = channel.z(item)
        if channel.name == "visual":
            parts.append(f"visual {z:.1f} sd above this query's background")
        elif item in channel.notes:
            parts.append(channel.notes[item])
        elif channel.name == "dense" and z > 2:
            parts.append(f"meaning {z:.1f} sd above the other texts")
    if record.text:
        short = record.text if len(record.text) <= 60 else record.text[:57].rstrip() + "..."
        parts.append(f"says {short!r}")
    elif not parts:
        parts.append("right beside a better hit")
    return "; ".join(parts)


def sighting_of(moment: Moment) -> tuple[str, int] | RecordId:
    """What a moment is counted with: pictures of one event show the same, every text stands for itself."""
    return event_of(moment) if moment.kind == "moment" else moment.record_id


def event_of(moment: Moment) -> tuple[str, int]:
    """Key of a moment's event: events are numbered per agent."""
    return moment.record_id.agent_id, moment.event
