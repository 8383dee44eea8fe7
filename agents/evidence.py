"""From a phrase to the sightings that show it: search, grouping in time, and telling instances apart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from placecell.agents.vocabulary import stem, words_of
from placecell.errors import MissingDependencyError, ModelUnavailableError, UnknownWordError
from placecell.memory.records import Recollection, Record, RecordId

__all__ = [
    "Finding",
    "MemoryLike",
    "Scope",
    "content",
    "covers",
    "distinct_instances",
    "encoder_of",
    "find",
    "located_m",
    "recollection_of",
    "spans",
    "unknown_words",
]

# Words that carry no meaning of their own when a sentence is held against a phrase.
_STOP = frozenset(
    re.findall(
        r"\w+",
        """a an and any are as at be been being by can did do does for from had has have he her his i in is it its me my
        no of on or our she so some that the their them there they this to was we were will with you your""",
    )
)
_BESIDE = re.compile(r" (?:on|in|under|near|by|at|behind|beside|above|below|next to|inside|with|of) ")
_SAME_PLACE_M = 1.0  # two lines of sight closer than this may end at one thing
_REACH_M = (0.2, 8.0)  # how far away a thing that is recognised indoors may be
_ASSUMED_HFOV_RAD = math.pi / 2  # records hold no intrinsics; 90 degrees is Habitat's usual camera


@runtime_checkable
class MemoryLike(Protocol):
    """What readers need of a memory; `placecell.memory.memory.Memory` is one.

    It also has an attribute `encoder`, the image-text encoder of its vectors. That is not declared here because a
    check of the protocol at run time would then load the encoder's weights; `encoder_of` reads it when it is needed.
    """

    @property
    def encoder_name(self) -> str | None:
        """Name of the encoder of the memory's vectors, None if it holds none."""

    def recall(
        self,
        query: Any,
        *,
        near: tuple[Sequence[float], float] | None = None,
        between: tuple[float, float] | None = None,
        agents: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        as_of: float | None = None,
        k: int = 10,
    ) -> Sequence[Recollection]:
        """The best hits for `query`, best first."""

    def get(self, record_id: RecordId) -> Record:
        """The record with its vectors."""

    def records(
        self,
        between: tuple[float, float] | None = None,
        agents: Sequence[str] | None = None,
        as_of: float | None = None,
    ) -> Iterable[Record]:
        """Records in the order of time."""

    def picture_jpeg(self, record_id: RecordId) -> bytes | None:
        """The record's picture as JPEG, or None where it was not kept."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records may be looked at."""

    between: tuple[float, float] | None = None
    agents: tuple[str, ...] | None = None
    as_of: float | None = None
    near: tuple[tuple[float, ...], float] | None = None
    labels: tuple[str, ...] | None = None

    def within(self, start_s: float, end_s: float) -> Scope:
        """This scope, and nothing outside of `start_s` to `end_s`."""
        low, high = self.between or (-math.inf, math.inf)
        return replace(self, between=(max(low, start_s), min(high, end_s)))

    def lets_through(self, record: Record) -> bool:
        """Whether a record has the labels and lies in the region; time and agents are the memory's to check."""
        if self.labels is not None and not set(self.labels) <= set(record.labels):
            return False
        if self.near is None:
            return True
        return record.position_m is not None and math.dist(record.position_m, self.near[0]) <= self.near[1]

    @property
    def filters(self) -> dict[str, Any]:
        """Arguments for `recall`."""
        named = {"near": self.near, "between": self.between, "agents": self.agents, "labels": self.labels}
        return {name: value for name, value in {**named, "as_of": self.as_of}.items() if value is not None}

    @property
    def is_empty(self) -> bool:
        """Whether no moment can lie in it."""
        return self.between is not None and self.between[0] > self.between[1]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What a search for one phrase gave.

    Args:
        phrase: What was looked for.
        hits: Sightings and sentences at or above the threshold, best first.
        said: Those of `hits` whose words contain the phrase.
        best: Probability of the best hit, 0 if there is none.
        unknown: Words of `phrase` that the encoder does not know.
        others: Sightings that fit but for their colour or their room.
        notes: What the search could not do.
    """

    phrase: str
    hits: tuple[Recollection, ...]
    said: tuple[Recollection, ...] = ()
    best: float = 0.0
    unknown: tuple[str, ...] = ()
    others: tuple[Recollection, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> tuple[Recollection, ...]:
        """Hits that pictures gave."""
        said = {hit.record_id for hit in self.said}
        return tuple(hit for hit in self.hits if hit.record_id not in said)


def encoder_of(memory: MemoryLike) -> Any:
    """The memory's encoder; None where it holds no vectors (words alone need no model) or the model is not at hand."""
    try:
        return None if memory.encoder_name is None else getattr(memory, "encoder")  # noqa: B009
    except (ModelUnavailableError, MissingDependencyError):  # recall says so in its notes, and searches words
        return None


def content(text: str) -> list[str]:
    """Stems of the words that mean something, in order, each once."""
    return list(dict.fromkeys(stem(word) for word in words_of(text) if word not in _STOP))


def covers(phrase: str, text: str) -> float:
    """Part of the phrase's content words that `text` contains, 0 to 1.

    Example:
        >>> covers("the keys", "the key is on the shelf"), covers("red mug", "a mug")
        (1.0, 0.5)
    """
    wanted = content(phrase)
    if not wanted or not text:
        return 0.0
    present = {stem(word) for word in words_of(text)}
    return sum(word in present for word in wanted) / len(wanted)


def unknown_words(encoder: Any, phrase: str) -> tuple[str, ...]:
    """Words of `phrase` that the encoder says it never learned; none where it cannot tell."""
    ask = getattr(encoder, "unknown_words", None)
    return tuple(dict.fromkeys(ask(phrase))) if ask is not None else ()


def find(memory: MemoryLike, phrase: str, scope: Scope, threshold: float, k: int = 64) -> Finding:
    """Search for `phrase` and keep what is at or above `threshold`.

    A phrase whose noun (the last word before any preposition) is unknown to the encoder is not looked for in pictures:
    what would be found is whatever matches the rest of it. Sentences that contain the whole phrase count as they are.
    """
    if scope.is_empty:
        return Finding(phrase, ())
    notes: tuple[str, ...] = ()
    try:
        hits = memory.recall(phrase, k=k, **scope.filters)
        notes = tuple(note for note in getattr(hits, "notes", ()) if "not searched" in note)
    except UnknownWordError:
        hits = []
    unknown = unknown_words(encoder_of(memory), phrase)
    said = [hit for hit in hits if covers(phrase, hit.text) == 1.0]
    nouns = content(_BESIDE.split(phrase)[0]) or content(phrase)
    if unknown and (not nouns or nouns[-1] in {stem(word) for word in unknown}):
        best = max((hit.probability for hit in said), default=0.0)
        hits = said
    else:
        best = max((hit.probability for hit in hits), default=0.0)
    kept = sorted((hit for hit in hits if hit.probability >= threshold), key=lambda hit: -hit.probability)
    kept_ids = {hit.record_id for hit in kept}
    return Finding(
        phrase, tuple(kept), tuple(hit for hit in said if hit.record_id in kept_ids), best, unknown, notes=notes
    )


def recollection_of(record: Record, probability: float, why: str) -> Recollection:
    """A record that was reached by its time and not by a search, as evidence."""
    return Recollection(
        record.record_id,
        0.0,
        probability,
        record.stamp_s,
        record.end_s,
        record.agent_id,
        record.position_m,
        record.text,
        record.labels,
        record.source,
        {},
        None,
        why,
    )


def spans(hits: Iterable[Recollection], gap_s: float) -> list[list[Recollection]]:
    """Hits of one agent that follow each other within `gap_s`, as groups in the order of time."""
    groups: list[list[Recollection]] = []
    for hit in sorted(hits, key=lambda hit: (hit.agent_id, hit.stamp_s)):
        last = groups[-1][-1] if groups else None
        if last is not None and last.agent_id == hit.agent_id and hit.stamp_s - last.end_s <= gap_s:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    return sorted(groups, key=lambda group: group[0].stamp_s)


def _ray(record: Record, box: tuple[float, float, float, float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Line of sight through the middle of `box`: origin (3,) and unit direction (3,), world frame."""
    assert record.pose is not None
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    spread = 2.0 * math.tan(_ASSUMED_HFOV_RAD / 2.0)
    ray = np.array([((left + right) / 2 - 0.5) * spread, (0.5 - (top + bottom) / 2) * spread, -1.0])
    direction = record.pose[:3, :3] @ ray
    return record.pose[:3, 3], direction / np.linalg.norm(direction)


def _meeting(rays: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray | None:
    """Point nearest to all lines of sight, None if it lies behind one or out of reach.

    Parallel lines of sight (an agent that walks straight at a thing) meet two metres ahead of the last one.
    """
    origins = np.array([origin for origin, _ in rays])  # (n, 3)
    directions = np.array([direction for _, direction in rays])  # (n, 3)
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]  # (n, 3, 3)
    total = across.sum(axis=0)
    if np.linalg.cond(total) > 400.0:  # all within about six degrees of each other
        point = origins[-1] + 2.0 * directions[-1]
    else:
        point = np.linalg.solve(total, (across @ origins[:, :, None]).sum(axis=0))[:, 0]
    ahead = ((point - origins) * directions).sum(axis=1)
    if (ahead < _REACH_M[0]).any() or (ahead > _REACH_M[1]).any():
        return None
    away = np.linalg.norm((point - origins) - ahead[:, None] * directions, axis=1)
    return point if bool((away <= _SAME_PLACE_M).all()) else None


def distinct_instances(hits: Sequence[Recollection], memory: MemoryLike) -> list[list[Recollection]]:
    """Group sightings with poses into things that cannot be one and the same.

    Two sightings belong together when their lines of sight can end at one point within reach. Lines that cross by
    chance merge two things into one, so the number of groups is a lower bound.

    Returns:
        One group of hits per thing, the best hit of each first. Hits without a pose are left out.
    """
    groups: list[tuple[list[Recollection], list[tuple[np.ndarray, np.ndarray]]]] = []
    for hit in sorted(hits, key=lambda hit: -hit.probability):
        record = memory.get(hit.record_id)
        if record.pose is None:
            continue
        ray = _ray(record, hit.box)
        for members, rays in groups:
            if _meeting([*rays, ray]) is not None:
                members.append(hit)
                if len(rays) < 6:  # more rays add no knowledge, and each one costs
                    rays.append(ray)
                break
        else:
            groups.append(([hit], [ray]))
    return [members for members, _ in groups]


def located_m(hits: Sequence[Recollection], memory: MemoryLike) -> tuple[float, float, float] | None:
    """Where the lines of sight of `hits` meet, world frame, metres; None if they do not or no pose is known."""
    records = [(memory.get(hit.record_id), hit.box) for hit in hits[:6]]
    rays = [_ray(record, box) for record, box in records if record.pose is not None]
    if len(rays) < 2:
        return None
    point = _meeting(rays)
    return None if point is None else (float(point[0]), float(point[1]), float(point[2]))
