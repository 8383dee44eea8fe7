"""Questions over several facts: what was said leads to what was seen. Recall with the walk over facts, and without it.

Of things that are the only ones of their category, somebody tells what is with them ("the parcel is on the sofa"), and
what is in that ("the ticket is in the parcel"). Asked is where the parcel is, and where the ticket: an answer needs the
sentences and a view of the sofa. Both ways of recall have the same records: the views of a walk, the things said, and
sentences that have nothing to do with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from placecell.benchmarks.bootstrap import difference, mean
from placecell.envs.house import House
from placecell.envs.walk import visible_objects
from placecell.geometry import Camera
from placecell.memory.log import Log
from placecell.memory.pictures import from_jpeg, to_jpeg
from placecell.memory.recall import Recaller
from placecell.memory.records import Record, RecordId
from placecell.memory.routing import Ground
from placecell.memory.scene_views import SceneViews
from placecell.memory.views import Views
from placecell.perception.detection import Detection
from placecell.perception.encoders import Encoder
from placecell.perception.objects import Detector

__all__ = ["Hop", "Witness", "ask_over_facts", "figures"]

K: Final = 5
_MIN_VIEWS: Final = 3
_THINGS: Final = 6
_BATCH: Final = 32
_CARRIED: Final = ("parcel", "suitcase", "handbag", "toolbox", "envelope", "briefcase")
_INSIDE: Final = ("ticket", "passport", "charger", "screwdriver", "letter", "contract")
_HOW: Final = ("on", "next to", "near")
_SMALL_TALK: Final = tuple(
    f"{start} {end}"
    for start in ("we talked about", "somebody sang of", "there was news of", "they laughed at")
    for end in ("the weather", "a long train journey", "the football match", "an old film", "the neighbours",
                "a recipe", "the holidays", "a birthday", "the election", "a walk by the sea")
)  # fmt: skip


class Witness:
    """A detector that also keeps every picture, and what is seen of each thing at 32 pixels or more.

    Args:
        detector: What detects.
    """

    def __init__(self, detector: Detector) -> None:
        self.name, self.is_privileged = detector.name, detector.is_privileged
        self._detector = detector
        self.pictures: list[bytes] = []
        self.shown: list[dict[int, int]] = []

    def detect(self, rgb: Any, depth: Any, camera: Camera, pose: Any, instances: Any = None) -> list[Detection]:
        """See `placecell.perception.objects.Detector`."""
        self.pictures.append(to_jpeg(rgb))
        self.shown.append(visible_objects(instances))
        return self._detector.detect(rgb, depth, camera, pose, instances)


@dataclass(frozen=True, slots=True)
class Hop:
    """One question: over how many facts, and for either way of recall the share of its links among the first five.

    Args:
        hops: 0 for a question that names the thing itself.
        with_view: Whether a view of the thing is among the first five, with the walk over facts.
        without_view: The same without it.
        with_all: Share of the sentences and the view that are there, with the walk.
        without_all: The same without it.
    """

    hops: int
    with_view: float
    without_view: float
    with_all: float
    without_all: float


def ask_over_facts(house: House, records: Sequence[Record], witness: Witness, encoder: Encoder) -> list[Hop]:
    """Tell, ask both, judge.

    Args:
        house: Ground truth.
        records: The views of a walk, without vectors.
        witness: What detected in them.
        encoder: Of the pictures.
    """
    pictures = witness.pictures[: len(records)]
    vectors = [encoder.encode_images([from_jpeg(jpeg) for jpeg in pictures[i : i + _BATCH]])
               for i in range(0, len(pictures), _BATCH)]  # fmt: skip
    seen = [replace(r, seq=i + 1, embeddings=v[None].astype(np.float16), is_event_start=i % 8 == 0)
            for i, (r, v) in enumerate(zip(records, np.concatenate(vectors), strict=True))]  # fmt: skip
    views_of: dict[int, set[RecordId]] = {}
    for record, shown in zip(seen, witness.shown, strict=False):
        for thing in shown:
            views_of.setdefault(thing, set()).add(record.record_id)
    rng = np.random.default_rng([house.seed, 17])
    counts = Counter(thing.category for thing in house.objects)
    fair = [t for t in house.objects if counts[t.category] == 1 and len(views_of.get(t.id, ())) >= _MIN_VIEWS]
    things = [fair[i] for i in rng.permutation(len(fair))[:_THINGS].tolist()]
    told: list[str] = []
    asked: list[tuple[int, str, list[str], int]] = []
    for thing, carried, inside in zip(things, _CARRIED, _INSIDE, strict=False):
        first = f"the {carried} is {_HOW[int(rng.integers(3))]} the {thing.category}"
        second = f"the {inside} is in the {carried}"
        told += [first, second]
        asked += [
            (0, f"the {thing.category}", [], thing.id),
            (1, f"where is the {carried}?", [first], thing.id),
            (2, f"where is the {inside}?", [second, first], thing.id),
        ]
    texts = [*told, *_SMALL_TALK]
    start_s = seen[-1].stamp_s + 1.0
    said = [Record("ann", i, "text", start_s + i, start_s + i, text=texts[n])
            for i, n in enumerate(rng.permutation(len(texts)).tolist(), 1)]  # fmt: skip
    id_of = {record.text: record.record_id for record in said}
    log = Log()
    log.append([*seen, *said])
    found: list[Hop] = []
    recallers = _recallers(log, encoder)
    for hops, question, links, thing_id in asked:
        scores = []
        for recaller in recallers:
            hits = {hit.record_id for hit in recaller.recall(question, k=K)}
            view = float(bool(hits & views_of[thing_id]))
            scores.append((view, (view + sum(id_of[link] in hits for link in links)) / (1 + len(links))))
        (with_view, with_all), (without_view, without_all) = scores
        found.append(Hop(hops, with_view, without_view, with_all, without_all))
    log.close()
    return found


def _recallers(log: Log, encoder: Encoder) -> tuple[Recaller, Recaller]:
    """Recall with the walk over facts, and without it."""
    views = Views(log)
    views.sync()
    scene = SceneViews(log, frozenset)
    parts = (views.timeline, views.visual, views.dense, views.lexicon, views.forest)
    ground = Ground(scene.fill(views.forest.space), views.timeline.item)
    without = Recaller(*parts, encoder=lambda: encoder, ground=lambda: ground)
    facts, item = scene.facts, views.timeline.item
    return Recaller(*parts, encoder=lambda: encoder, ground=lambda: ground, facts=facts, item=item), without


def figures(rows: Sequence[tuple[int, Hop]]) -> dict[str, Any]:
    """Recall@5 by number of facts, with its interval over houses, and what the walk adds.

    Args:
        rows: Seed of the house, and the question.
    """
    found: dict[str, Any] = {}
    for hops in sorted({hop.hops for _, hop in rows}):
        part = [(str(house), hop) for house, hop in rows if hop.hops == hops]
        houses = [house for house, _ in part]
        columns = {name: np.array([getattr(hop, name) for _, hop in part], float)
                   for name in ("with_view", "without_view", "with_all", "without_all")}  # fmt: skip
        row: dict[str, Any] = {name: mean(houses, values) for name, values in columns.items()}
        row["gain_view"] = difference(houses, columns["with_view"], columns["without_view"])
        row["gain_all"] = difference(houses, columns["with_all"], columns["without_all"])
        found[str(hops)] = {"n": len(part), **row}
    return found
