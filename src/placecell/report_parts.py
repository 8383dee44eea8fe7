"""What the demo's page is made of: pictures that answers stand on, goals, moved things, branches, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from placecell.demo_map import Map, Point

__all__ = [
    "Box", "Branch", "Card", "Event", "Evidence", "GoalCard", "Growth", "MovedCard", "Question", "Report", "Shot",
]  # fmt: skip

Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A picture that an answer stands on."""

    picture: np.ndarray  # (h, w, 3) uint8
    caption: str
    stamp_s: float
    position_m: tuple[float, float, float] | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One memory's answer to one question."""

    memory: str
    answer: str
    is_right: bool
    probability: float
    latency_ms: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question, what is true, and the answers."""

    text: str
    truth: str
    cards: tuple[Card, ...]
    seen_s: tuple[tuple[float, float], ...] = ()  # when the thing was really in view


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A stretch of the walk that the memory holds as one."""

    start_s: float
    end_s: float
    picture: np.ndarray | None  # (h, w, 3) uint8


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """The map at one moment of the exploration."""

    stamp_s: float
    drawn: Map
    way: Sequence[Point]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A snapshot: the view, and what it is kept for."""

    number: int
    picture: np.ndarray  # (h, w, 3) uint8
    names: Sequence[str]
    boxes: Sequence[Box] = ()


@dataclass(frozen=True, slots=True, eq=False)
class GoalCard:
    """One goal: what was asked for, and what the agent stopped at."""

    kind: str
    text: str
    image: np.ndarray | None  # (h, w, 3) uint8
    is_right: bool
    facts: Sequence[tuple[str, str]]
    truth: str
    reason: str
    stop: Evidence
    way: Sequence[Point]
    shortest: Sequence[Point]


@dataclass(frozen=True, slots=True, eq=False)
class MovedCard:
    """One thing that was moved, and what the memory tells of it."""

    is_right: bool
    truth: str
    said: str
    others: Sequence[str]  # changes that it tells and that did not happen
    before: Evidence | None
    after: Evidence | None
    arrow: Sequence[Point]
    way: Sequence[Point]
    question: Question | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A room in the spatial tree, with the things in it and how many there are of each."""

    name: str
    line: str
    leaves: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that the page shows; `way` has one point per step of the exploration, which took `duration_s`."""

    title: str
    lead: str
    drawn: Map
    way: Sequence[Point]
    duration_s: float
    growth: Sequence[Growth]
    goals: Sequence[GoalCard]
    moved: MovedCard | None
    shots: Sequence[Shot]
    branches: Sequence[Branch]
    levels: Sequence[Sequence[tuple[float, float, int]]]  # of the tree over time, highest first: spans and counts
    events: Sequence[tuple[str, Sequence[Event]]]
    questions: Sequence[Question]
    figures: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=tuple)
