"""Recall: plan a query, ask every channel, fuse, and say how sure the answer is.

The parts are elsewhere: `queries` reads the question, `channels` look, `ranking` orders, `calibration` turns scores
into chances. Here they are put together, deterministically: the same records give the same hits in whatever order they
came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from placecell.memory.affordances import Affordances
from placecell.memory.calibration import NO_MATCH_BELOW, noisy_or
from placecell.memory.channels import (
    DRIFT_BINS,
    Channel,
    Glance,
    Moments,
    VectorIndex,
    Visible,
    forest_channel,
    lexical_channel,
    reasons,
    tile_box,
    vector_channel,
)
from placecell.memory.fact_channel import ToldAround, fact_channel
from placecell.memory.fusion import diversify as diversified
from placecell.memory.fusion import intervals
from placecell.memory.lexicon import Lexicon
from placecell.memory.overview import events_seen, rooms_seen
from placecell.memory.planning import Plan, Planner
from placecell.memory.predicates import Predicate
from placecell.memory.queries import Query
from placecell.memory.ranking import EXACT_ROUND, REREAD, Ranking
from placecell.memory.records import Recollection, RecordId
from placecell.memory.routing import Ground, Needs, asks_for_places, needs_of, space_channel, uses_channel

if TYPE_CHECKING:
    from placecell.memory.facts import FactGraph
    from placecell.memory.forest import Forest
    from placecell.perception.encoders import Encoder

__all__ = ["NO_MATCH_BELOW", "Plan", "Recaller", "Recollections", "is_match"]

POOL: Final = 256  # candidates per channel

Number = int | float
Near = tuple[Any, Number]  # a point (three numbers, in any sequence or array) and a radius


class Recollections(list[Recollection]):
    """Hits, best first, with notes on how they were found."""

    def __init__(self, hits: Iterable[Recollection] = (), notes: Sequence[str] = ()) -> None:
        super().__init__(hits)
        self.notes = tuple(notes)


def is_match(hits: Sequence[Recollection], threshold: float = NO_MATCH_BELOW) -> bool:
    """Whether any hit is likelier than `threshold` to show what was asked; if not, say "no match".

    Example:
        >>> is_match([])
        False
    """
    return any(hit.probability >= threshold for hit in hits)


class Recaller:
    """Answers queries from the views of one memory. Every view is optional but the table of moments.

    Args:
        moments: What the items of the indexes are.
        visual: Vectors of pictures.
        dense: Vectors of texts.
        lexicon: Words of texts.
        forest: Tree over time, for questions about the whole.
        encoder: Gives the encoder of the pictures; called when a query has to be embedded.
        text_encoder: The same for texts.
        ground: Gives the tree over space; called when a question asks for a use or for places.
        facts: Gives the facts of a memory of space; None where there are only those that texts state.
        item: Item of a record; needed to walk over facts.
    """

    def __init__(
        self,
        moments: Moments,
        visual: VectorIndex | None = None,
        dense: VectorIndex | None = None,
        lexicon: Lexicon | None = None,
        forest: Forest | None = None,
        encoder: Callable[[], Encoder] | None = None,
        text_encoder: Callable[[], Any] | None = None,
        ground: Callable[[], Ground] | None = None,
        facts: Callable[[], FactGraph] | None = None,
        item: Callable[[RecordId], int | None] | None = None,
    ) -> None:
        self._moments = Glance(moments)
        self._visual = visual
        self._dense = dense
        self._lexicon = lexicon
        self._forest = forest
        self._ground = ground
        self._facts, self._item = facts, item
        self._told = None if lexicon is None or item is None else ToldAround(lexicon, self._moments)
        self._ranking = Ranking(self._moments, lexicon)
        self._planner = Planner(encoder if visual is not None else None, text_encoder if dense is not None else None)
        self._affordances = Affordances(encode=self._planner.meanings if self._planner.has_meanings else None)

    def plan(self, query: str | Query | np.ndarray) -> Plan:
        """What a query turns into; see `Planner.plan`."""
        return self._planner.plan(query)

    def explain(self, query: str | Query | np.ndarray) -> tuple[str, ...]:
        """How a query is understood, line by line."""
        plan = self.plan(query)
        if plan.query is None:
            return ("a picture or a vector: looked for by likeness", *plan.notes)
        parsed = plan.query
        lines = [f"looks for {parsed.semantic!r}" if parsed.semantic else "names no thing: gives what happened"]
        lines += [f"{parsed.order} {parsed.anchor!r}"] if parsed.anchor else []
        window = parsed.window(*self._moments.extent_s())
        lines += [f"between {window[0]:.1f} and {window[1]:.1f} s"] if window else []
        lines += [f"within {parsed.near[1]} m of {parsed.near[0]}"] if parsed.near else []
        return (self._route_line(plan), *lines, *self._notes(plan))

    def _route_line(self, plan: Plan) -> str:
        """Which way a question goes."""
        assert plan.query is not None
        if self._is_overview(plan):
            return f"route: global, summaries of {'events' if self._rooms(plan.query) is None else 'rooms'}"
        if plan.query.route != "implicit":
            return "route: explicit, the chunk index"
        best = self._needs(plan.query)[0].best
        return f"route: implicit, a beam down the trees{' for ' if best else ''}{', '.join(best)}"

    def _notes(self, plan: Plan) -> tuple[str, ...]:
        """What was not understood; a use whose words no picture shows was, if things are known that serve it."""
        if plan.query is None or plan.query.route != "implicit":
            return plan.notes
        best = self._needs(plan.query)[0].best
        return (f"a use, looked for as {', '.join(best)}",) if best else plan.notes

    def _is_overview(self, plan: Plan) -> bool:
        if plan.query is None or self._forest is None:
            return False
        is_global = plan.query.route == "global"
        if is_global and plan.query.kind != "count" and self._rooms(plan.query) is not None:
            return True  # rooms are known: no picture of "rooms" is looked for
        return (is_global or not plan.query.semantic) and plan.vector is None

    def _rooms(self, query: Query) -> Ground | None:
        """The tree over space, if a question about the whole asks for places and rooms are known."""
        if self._ground is None or not asks_for_places(query):
            return None
        ground = self._ground()
        return ground if any(cell.region for cell in ground.tree.rooms()) else None

    def _needs(self, query: Query) -> tuple[Needs, Ground | None]:
        """What serves the use that a question names, among things of the tree and those that the encoder knows."""
        ground = None if self._ground is None else self._ground()
        known = [name for name in self._affordances.names if self._planner.knows(name)]
        return needs_of(
            query.semantic or query.text, None if ground is None else ground.tree, self._affordances, known
        ), ground

    # --- recall -------------------------------------------------------------------------------------------------

    def recall(
        self,
        query: str | Query | np.ndarray,
        *,
        near: Near | None = None,
        between: tuple[Number, Number] | None = None,
        agents: Iterable[str] | None = None,
        labels: Iterable[str] | None = None,
        as_of: Number | None = None,
        k: int = 5,
        diversify: bool = True,
        visible: Visible | None = None,
    ) -> Recollections:
        """The `k` records that answer a query best.

        Args:
            query: Words, an image, or a vector of the memory's encoder.
            near: Point and radius in metres.
            between: Interval of stream time, seconds.
            agents: Only records of these agents.
            labels: Only records with all of these labels.
            as_of: The memory as it was at this stamp.
            k: Number of hits wanted.
            diversify: Give one hit per event before a second one of any.
            visible: Further test of an item, for example that it was not retracted.

        Returns:
            Hits, best first, also when none is good: see `is_match`. `notes` says what was not understood.

        Raises:
            ValueError: If an argument is malformed.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        for name, value in (("agents", agents), ("labels", labels)):
            if isinstance(value, str):
                raise ValueError(f"{name} must be a sequence of strings, got the string {value!r}")
        where: Predicate | None = Predicate(
            None if near is None else (_point(near[0]), float(near[1])),
            None if between is None else (float(between[0]), float(between[1])),
            None if agents is None else tuple(sorted(set(agents))),
            None if labels is None else tuple(sorted(set(labels))),
        )
        self._moments.forget()
        plan = self.plan(query)
        notes = list(self._notes(plan))
        if plan.query is not None:
            where = self._narrow(plan.query, where or Predicate(), as_of, visible, notes)
        if where is None:
            return Recollections((), (*notes, "nothing lies in that interval"))
        if as_of is not None:
            where = where.known_at(float(as_of))
        test = self._test(where, as_of, visible)
        if self._is_overview(plan) and plan.query is not None:
            assert self._forest is not None
            ground = self._rooms(plan.query)
            hits = [] if ground is None else rooms_seen(ground, self._moments, k, test)
            is_backwards = plan.query.order in ("last", "before")
            return Recollections(hits or events_seen(self._forest, self._moments, k, test, is_backwards), notes)
        channels = self._channels(plan, where, test, k)
        facts = self._by_facts(plan, test, self._test(Predicate(), as_of, visible), as_of, channels)
        channels += [] if facts is None else [facts]
        if not channels:
            empty = "nothing to compare with" if where.is_open else "nothing satisfies the filters"
            return Recollections((), (*notes, empty))
        is_by_words = plan.query is not None and plan.vector is not None
        calibration = self._planner.calibration if is_by_words else None  # asking for it loads the encoder
        scores, scale = self._ranking.scores(channels, plan.vector, calibration, test, k)
        head = self._ranking.order(scores)[: max(4 * k, POOL)]
        runs = intervals(head[: max(4 * k, REREAD)], scores, self._moments)
        order = diversified(list(runs), self._moments, runs) if diversify else list(runs)
        hits = [self._recollection(item, scores[item], channels, scale, runs[item]) for item in order[:k]]
        return Recollections(hits, notes)

    def _narrow(
        self, query: Query, where: Predicate, as_of: Number | None, visible: Visible | None, notes: list[str]
    ) -> Predicate | None:
        """Add what the question itself says of time and space."""
        found: Predicate | None = where
        window = query.window(*self._moments.extent_s())
        if window is not None:
            found = where.within(*window)
        if found is not None and query.near is not None and where.near is None:
            found = replace(found, near=query.near)
        if found is not None and query.anchor is not None and query.order in ("before", "after"):
            anchors = self.recall(
                query.anchor, between=found.between, agents=found.streams, as_of=as_of, k=5, visible=visible
            )
            notes += anchors.notes
            if not is_match(anchors):
                notes.append(f"no match for {query.anchor!r}, so {query.order!r} was left out")
                return found
            seen = [hit.interval_s for hit in anchors if hit.probability >= NO_MATCH_BELOW and hit.interval_s]
            if query.order == "before":
                found = found.within(-math.inf, min(start for start, _ in seen))
            else:
                found = found.within(max(end for _, end in seen), math.inf)
        return found

    def _test(self, where: Predicate, as_of: Number | None, visible: Visible | None) -> Visible:
        limit = math.inf if as_of is None else as_of

        def test(item: int) -> bool:
            moment = self._moments.moment(item)
            is_inside = moment.stamp_s <= limit and where.lets_through(moment)
            return is_inside and (visible is None or visible(item))

        return test

    def _channels(self, plan: Plan, where: Predicate, test: Visible, k: int) -> list[Channel]:
        pool = max(POOL, 4 * k)
        limit = None if where.is_open else where
        found: list[Channel | None] = []
        if plan.vector is not None and self._visual is not None:
            calibration = self._planner.calibration if plan.query is not None else None
            found.append(
                vector_channel(
                    "visual", self._visual, plan.vector, self._moments, pool=pool, where=limit,
                    visible=test, calibration=calibration, bins=self._bins(where), is_likeness=plan.query is None,
                )
            )  # fmt: skip
        visual = found[0] if found else None
        if plan.query is not None and plan.query.route == "implicit" and visual is not None and plan.vector is not None:
            found.append(forest_channel(self._forest, plan.vector, visual, test) if self._forest is not None else None)
        if plan.query is not None and plan.query.route == "implicit":
            found += self._by_use(plan.query, limit, test, pool)
        if plan.text_vector is not None and self._dense is not None:
            found.append(
                vector_channel(
                    "dense", self._dense, plan.text_vector, self._moments, pool=pool, where=limit,
                    visible=test, calibration=None,
                )
            )  # fmt: skip
        if plan.query is not None and plan.query.semantic and self._lexicon is not None:
            found.append(lexical_channel(self._lexicon, plan.query.semantic, pool=pool, visible=test))
        return [channel for channel in found if channel is not None]

    def _by_use(self, query: Query, where: Predicate | None, test: Visible, pool: int) -> list[Channel | None]:
        """What serves a use: things of the spatial tree, and pictures that look like such things."""
        needs, ground = self._needs(query)
        looks = []
        for name in needs.best:
            if self._visual is not None and self._planner.knows(name):
                look = vector_channel(
                    "visual", self._visual, self._planner.look_of(name), self._moments, pool=pool, where=where,
                    visible=test, calibration=self._planner.calibration,
                )  # fmt: skip
                looks += [] if look is None else [(name, needs.things[name], look)]
        return [uses_channel(looks), None if ground is None else space_channel(ground, needs, pool, test)]

    def _by_facts(
        self, plan: Plan, test: Visible, known: Visible, as_of: Number | None, channels: Sequence[Channel]
    ) -> Channel | None:
        """What the things of a question lead to over facts."""
        if plan.query is None or self._item is None or not plan.query.semantic:
            return None
        graph = self._facts() if self._facts is not None else None
        if graph is None and self._told is not None:
            graph = self._told.facts(plan.query.semantic, known)
        if graph is None:
            return None
        return fact_channel(
            graph, plan.query.semantic, moments=self._moments, item=self._item, pool=POOL, visible=test,
            count=max((channel.count for channel in channels), default=0) + len(self._lexicon or ()),
            as_of_s=None if as_of is None else float(as_of),
        )  # fmt: skip

    def _bins(self, where: Predicate) -> list[tuple[float, Any]]:
        """Time bins of equal length over what is asked for."""
        first, last = self._moments.extent_s()
        low, high = where.between or (first, last)
        low, high = max(low, first), min(high, last)
        if not high > low:
            return []
        edges = np.linspace(low, high, DRIFT_BINS + 1).tolist()
        return [
            ((start + end) / 2, replace(where, between=(start, end)))
            for start, end in zip(edges, edges[1:], strict=False)
        ]

    # --- hits ---------------------------------------------------------------------------------------------------

    def _recollection(
        self, item: int, score: float, channels: Sequence[Channel], scale: dict[str, float], run: Sequence[int]
    ) -> Recollection:
        record = self._moments.record(item)
        took_part = [channel for channel in channels if item in channel.raw]
        visual = next((channel for channel in took_part if channel.name in ("visual", "uses")), None)
        box = None
        if visual is not None and record.embeddings is not None and item in visual.rows:
            box = tile_box(visual.rows[item], len(record.embeddings))
        moments = [self._moments.moment(other) for other in run]
        return Recollection(
            record_id=record.record_id,
            score=round(score, EXACT_ROUND),
            probability=noisy_or(channel.chance.get(item, 0.0) for channel in took_part),
            stamp_s=record.stamp_s,
            end_s=record.end_s,
            agent_id=record.agent_id,
            position_m=record.position_m,
            text=record.text,
            labels=record.labels,
            source=record.source,
            channels={channel.name: round(channel.z(item), 4) for channel in took_part},
            box=box,
            why=reasons(record, item, took_part),
            interval_s=(min(m.stamp_s for m in moments), max(m.end_s for m in moments)),
        )


def _point(point: Any) -> tuple[float, float, float]:
    values = tuple(float(value) for value in point)
    if len(values) != 3:
        raise ValueError(f"near must be ((x, y, z), radius_m), got a point of {len(values)} numbers")
    return values[0], values[1], values[2]
