"""Streams as agents see them: correlated in time, places visited again, labels, positions that are a walk.

A row is a unit vector: a cone that all share, plus 256 hidden numbers whose variances fall as 1/i, seen through a
random map, plus noise. The hidden ones are a topic (what stands there), an offset of the event (light, side), and an
autoregressive walk inside the event. Topics belong to cells of a floor on which agents walk, so that who comes back
sees the same things in another way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placecell.memory.predicates import Predicate
from placecell.perception.events import SceneTiler

__all__ = ["FILTERS", "Query", "Streams", "make_queries", "make_streams"]

FILTERS = ("none", "time", "space", "label", "all")
_LATENT, _FLOOR_M, _CELL_M = 256, 120.0, 10.0
_SIZES = {"cone": 0.7, "event": 0.4, "walk": 0.5, "noise": 0.2}  # against 1 for the topic
_RHO = 0.95  # of the walk inside an event, from one second to the next


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Rows of several agents, one agent after the other, each in the order of time; one row a second.

    Attributes:
        vectors: Unit length (n, d) float32.
        agent: Number of the agent (n,).
        stamp_s: Seconds (n,).
        position: Metres (n, 3).
        labels: Number of each row's set of labels (n,), and the sets.
        is_event_start: Where `SceneTiler` begins an event (n,); found from the vectors alone.
        hidden: Topic, event offset and walk of each row (n, 256), what queries are made from.
    """

    vectors: np.ndarray
    agent: np.ndarray
    stamp_s: np.ndarray
    position: np.ndarray
    labels: np.ndarray
    label_sets: list[tuple[str, ...]]
    is_event_start: np.ndarray
    hidden: np.ndarray
    mixing: np.ndarray
    cone: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def rows_of(self, agent: int) -> slice:
        """Where the rows of an agent are."""
        low, high = np.searchsorted(self.agent, [agent, agent + 1])
        return slice(int(low), int(high))


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A vector and what the answer is limited to."""

    vector: np.ndarray
    where: Predicate | None
    kind: str  # "look" or "text"


def make_streams(num_rows: int, dim: int = 512, seed: int = 0, num_agents: int = 8) -> Streams:
    """Streams of `num_rows` rows in all."""
    rng = np.random.default_rng([seed, 1])
    length = num_rows // num_agents
    if length < 200:
        raise ValueError(f"num_rows must be at least {200 * num_agents}, got {num_rows}")
    cells = int(_FLOOR_M / _CELL_M)
    num_topics = max(4 * cells * cells, num_rows // 500)
    spectrum = np.arange(1, _LATENT + 1) ** -0.5
    spectrum = spectrum / np.sqrt((spectrum**2).sum())
    topics = (rng.standard_normal((num_topics, _LATENT)) * spectrum).astype(np.float32)
    mixing = np.linalg.qr(rng.standard_normal((dim, _LATENT)))[0].T.astype(np.float32)
    cone = rng.standard_normal(dim).astype(np.float32)
    cone *= _SIZES["cone"] / np.linalg.norm(cone)
    frequency = 1.0 / np.arange(1, 101)
    topic_labels = [
        sorted({f"label{number:02d}" for number in rng.choice(100, rng.integers(1, 4), p=frequency / frequency.sum())})
        for _ in range(num_topics)
    ]
    sets: dict[tuple[str, ...], int] = {(): 0}
    full_sets = np.array([sets.setdefault(tuple(names), len(sets)) for names in topic_labels])
    part_sets = np.array([sets.setdefault(tuple(names[:-1]), len(sets)) for names in topic_labels])

    at = rng.uniform(0, _FLOOR_M, (num_agents, 2))
    heading = rng.uniform(0, 2 * np.pi, num_agents)
    left = np.zeros(num_agents, np.int64)
    topic = np.zeros(num_agents, np.int64)
    offset = np.zeros((num_agents, _LATENT))
    walk = np.zeros((num_agents, _LATENT))
    hidden = np.empty((num_agents, length, _LATENT), np.float16)
    place = np.zeros((num_agents, length, 3))
    shown = np.empty((num_agents, length), np.int64)
    for t in range(length):
        heading += rng.normal(0, 0.25, num_agents)
        at += 0.8 * np.stack([np.cos(heading), np.sin(heading)], 1)
        out = (at < 0) | (at > _FLOOR_M)
        if out.any():
            at = np.clip(at, 0, _FLOOR_M)
            heading[out.any(axis=1)] += np.pi * rng.uniform(0.5, 1.5)
        for a in np.flatnonzero(left == 0).tolist():
            left[a] = int(np.clip(rng.lognormal(3.0, 0.7), 3, 240))
            cell = np.minimum(at[a] // _CELL_M, cells - 1) @ (cells, 1)
            is_near = rng.random() < 0.8
            topic[a] = (
                cell + cells * cells * rng.integers(num_topics // (cells * cells))
                if is_near
                else rng.integers(num_topics)
            )
            offset[a] = _SIZES["event"] * spectrum * rng.standard_normal(_LATENT)
        left -= 1
        step = _SIZES["walk"] * np.sqrt(1 - _RHO**2) * spectrum * rng.standard_normal((num_agents, _LATENT))
        walk = _RHO * walk + step
        hidden[:, t] = topics[topic] + offset + walk
        place[:, t, 0], place[:, t, 2] = at[:, 0], at[:, 1]
        shown[:, t] = topic
    vectors = np.empty((num_agents * length, dim), np.float32)
    flat_hidden = hidden.reshape(-1, _LATENT)
    for start in range(0, len(vectors), 8192):
        part = slice(start, start + 8192)
        rows = flat_hidden[part].astype(np.float32) @ mixing + cone
        rows += rng.standard_normal(rows.shape, np.float32) * np.float32(_SIZES["noise"] / np.sqrt(dim))
        vectors[part] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    topic_of = shown.reshape(-1)
    labels = np.where(rng.random(len(topic_of)) < 0.8, full_sets[topic_of], part_sets[topic_of])
    stamps = np.tile(np.arange(length, dtype=np.float64), num_agents)
    is_start = np.concatenate([_event_starts(vectors[a * length : (a + 1) * length]) for a in range(num_agents)])
    agent = np.repeat(np.arange(num_agents), length)
    return Streams(
        vectors, agent, stamps, place.reshape(-1, 3), labels, list(sets), is_start, flat_hidden, mixing, cone
    )


def make_queries(streams: Streams, name: str, num: int, seed: int = 0) -> list[Query]:
    """Held-out queries: half are another look at a moment, half are like texts (far from all rows, in another cone).

    Args:
        streams: What they ask about.
        name: One of `FILTERS`; each lets about 1 % of the rows through ("none": all).
        num: How many.
        seed: Of the queries.

    Half of the looks and texts are about a moment that their filter lets through, the others about any.
    """
    rng = np.random.default_rng([seed, 2, FILTERS.index(name)])
    n, duration_s = len(streams), float(streams.stamp_s.max()) + 1.0
    gap = np.random.default_rng([seed, 3]).standard_normal((streams.vectors.shape[1],))
    gap *= _SIZES["cone"] / float(np.linalg.norm(gap))
    sample = rng.choice(n, min(n, 20_000), replace=False)
    found = []
    for i in range(num):
        inside = int(rng.integers(n))
        about = inside if i % 4 < 2 else int(rng.integers(n))
        hidden = streams.hidden[about].astype(np.float64)
        if i % 2 == 0:
            vector = (hidden + 0.3 * _noise(rng, _LATENT)) @ streams.mixing + streams.cone
            vector = vector + _SIZES["noise"] * _noise(rng, len(vector))
        else:
            vector = (hidden + 0.6 * _noise(rng, _LATENT)) @ streams.mixing + gap + 1.5 * _noise(rng, len(gap))
        near = between = labels = None
        if name in ("time", "all"):
            width = duration_s * (0.01 if name == "time" else 0.25)
            start = np.clip(streams.stamp_s[inside] - rng.uniform(0, width), 0, duration_s - width)
            between = (float(start), float(start + width))
        if name in ("space", "all"):
            x, y, z = streams.position[inside].tolist()
            away = np.linalg.norm(streams.position[sample] - (x, y, z), axis=1)
            near = ((x, y, z), float(np.quantile(away, 0.01 if name == "space" else 0.25)))
        if name in ("label", "all"):
            labels = (_label(streams, inside, 0.01 if name == "label" else 0.16, rng),)
        where = None if name == "none" else Predicate(near=near, between=between, labels=labels)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        found.append(Query(vector, where, "look" if i % 2 == 0 else "text"))
    return found


def _label(streams: Streams, inside: int, share: float, rng: np.random.Generator) -> str:
    """A label of about this share: one of the row's own if that is near enough, else one of the three nearest."""
    share_of: dict[str, float] = {}
    for names, count in zip(
        streams.label_sets, np.bincount(streams.labels, minlength=len(streams.label_sets)), strict=True
    ):
        for label in names:
            share_of[label] = share_of.get(label, 0.0) + float(count) / len(streams)
    nearest = sorted(share_of, key=lambda label: abs(np.log(share_of[label] / share)))[:3]
    own = [label for label in streams.label_sets[streams.labels[inside]] if label in nearest]
    return own[0] if own else str(rng.choice(nearest))


def _noise(rng: np.random.Generator, num: int) -> np.ndarray:
    noise: np.ndarray = rng.standard_normal(num) / np.sqrt(num)
    return noise


def _event_starts(vectors: np.ndarray) -> np.ndarray:
    tiler = SceneTiler()
    found = [stamp for t, vector in enumerate(vectors) for stamp in tiler.push(t, vector)] + tiler.flush()
    starts = np.zeros(len(vectors), bool)
    starts[0] = True
    starts[np.array(found, np.int64)] = True
    return starts
