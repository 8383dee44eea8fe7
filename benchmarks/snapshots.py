"""How many views show every object, and how well: the snapshot cover beside 3D-Mem's co-visibility clustering.

Both see the same views with the same instance masks (privileged; only the choice of views is measured) and are updated
at every view. Streams: tours of unseen houses, one view of 90 degrees per action; the same with three views of 120
degrees at every second action from 1.5 m, as 3D-Mem looks; and made-up large worlds. `smallest` is the proven optimum:
no choice of fewer views shows everything. Quality is half centredness, half size; of each object the best kept view
counts, also for the baseline, which assigns each object to one view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from placecell.benchmarks.bootstrap import interval, shown
from placecell.benchmarks.sightings import Eye, SightingTable, Step, house_steps, world_steps
from placecell.memory.covisibility import CoVisibility
from placecell.memory.records import RecordId
from placecell.memory.snapshots import SnapshotCover

__all__ = ["STREAMS", "compare", "run", "summary"]

JUDGING: Final = 3_000_100
STREAMS: Final = ("house", "house-wide", "world")
_EYES: Final = {
    "house": Eye(90.0, 0.88, (0.0,), 1, 256),
    "house-wide": Eye(120.0, 1.5, (-60.0, 60.0, 0.0), 2, 256),
}
_PICTURE_BYTES: Final = 12_000  # of a 256 x 256 JPEG
_EXACT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Row:
    """What one stream gave.

    Args:
        stream: Its kind.
        seed: Of the house or world.
        num_views: Views looked at.
        num_objects: Objects that they show.
        ours: Views that the cover keeps.
        theirs: Views that the clustering keeps.
        smallest: The fewest that there can be, or the best lower bound that was proven in time.
        our_quality: Mean quality over objects of the best kept view.
        their_quality: The same for the clustering.
        our_lowest: Lowest of these qualities.
        their_lowest: The same for the clustering.
        covered: Share of the objects that a view of ours shows.
        our_ms: CPU time of each update.
        their_ms: The same for the clustering.
    """

    stream: str
    seed: int
    num_views: int
    num_objects: int
    ours: int
    theirs: int
    smallest: int
    our_quality: float
    their_quality: float
    our_lowest: float
    their_lowest: float
    covered: float
    our_ms: tuple[float, ...]
    their_ms: tuple[float, ...]


def run(
    seed: int = 0,
    num_rows: int = 10,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    num_objects: int = 1000,
    num_views: int = 2500,
    baseline_every: int = 250,
) -> dict[str, Any]:
    """Look, choose, compare.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses; of large worlds there is one for every ten.
        peers: Only these of `STREAMS`.
        say: Takes one line per stream.
        num_objects: Objects of a large world.
        num_views: Views of a large world.
        baseline_every: In large worlds the baseline is updated once in so many views: it takes seconds.

    Raises:
        ValueError: If `peers` names no stream.
    """
    chosen = STREAMS if peers is None else tuple(peers)
    if unknown := set(chosen) - set(STREAMS):
        raise ValueError(f"streams are {', '.join(STREAMS)}, got {', '.join(sorted(unknown))}")
    first = seed or JUDGING
    rows: list[Row] = []
    for name in chosen:
        for number in range(first, first + (num_rows if name in _EYES else max(1, num_rows // 10))):
            steps = house_steps(number, _EYES[name]) if name in _EYES else world_steps(number, num_objects, num_views)
            row = compare(name, number, steps, 1 if name in _EYES else baseline_every)
            rows.append(row)
            say(f"{name} {number}: {row.num_objects} objects in {row.num_views} views; kept {row.ours}, "
                f"clustering {row.theirs}, smallest {row.smallest}")  # fmt: skip
    return {
        "seeds": [first, first + num_rows - 1],
        "privileged": "instance masks, for both",
        "streams": {name: _figures([row for row in rows if row.stream == name]) for name in chosen},
        "rows": [{k: v for k, v in asdict(row).items() if not k.endswith("_ms")} for row in rows],
    }


def compare(stream: str, seed: int, steps: Iterable[Step], baseline_every: int = 1) -> Row:
    """Both on one stream."""
    table, baseline = SightingTable(), CoVisibility()
    cover = SnapshotCover(table)
    our_ms, their_ms = [], []
    waiting: list[Step] = []
    num_views = 0
    for step in steps:
        num_views += 1
        table.add(step)
        our_ms.append(_timed_ms(cover.update))
        waiting.append(step)
        if len(waiting) == baseline_every:
            their_ms.append(_timed_ms(partial(_advance, baseline, waiting)))
            waiting = []
    if waiting:
        _advance(baseline, waiting)
    things = table.seen
    kept = {snapshot.record_id for snapshot in cover.snapshots()}
    ours, theirs = _best(things.values(), kept), _best(things.values(), baseline.clusters)
    return Row(
        stream, seed, num_views, len(things), len(kept), len(baseline.clusters), _smallest(list(things.values())),
        float(np.mean(ours)), float(np.mean(theirs)), float(np.min(ours)), float(np.min(theirs)),
        float(np.mean([bool(kept & views.keys()) for views in things.values()])), tuple(our_ms), tuple(their_ms),
    )  # fmt: skip


def _advance(baseline: CoVisibility, steps: Sequence[Step]) -> None:
    frames = {step.record_id: {g.object_id: g.confidence for g in step.glimpses} for step in steps}
    centres = {g.object_id: g.centre for step in steps for g in step.glimpses}
    baseline.update(frames, centres, steps[-1].position)


def _timed_ms(update: Callable[[], None]) -> float:
    began = time.thread_time()
    update()
    return 1000 * (time.thread_time() - began)


def _best(things: Iterable[dict[RecordId, float]], kept: Collection[RecordId]) -> list[float]:
    return [max((quality for view, quality in views.items() if view in kept), default=0.0) for views in things]


def _smallest(things: Sequence[dict[RecordId, float]]) -> int:
    """Lower bound of the number of views that show everything, by integer programming."""
    number = {view: i for i, view in enumerate(sorted({view for views in things for view in views}))}
    rows = [i for i, views in enumerate(things) for _ in views]
    columns = [number[view] for views in things for view in views]
    table = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(things), len(number)))
    found = milp(
        np.ones(len(number)),
        constraints=LinearConstraint(table, lb=1.0),
        integrality=np.ones(len(number)),
        bounds=Bounds(0.0, 1.0),
        options={"time_limit": _EXACT_S},
    )
    return int(np.ceil(float(found.mip_dual_bound) - 1e-6))


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    group = [row.seed for row in rows]
    ours, theirs, least = (np.array([getattr(row, k) for row in rows], float) for k in ("ours", "theirs", "smallest"))
    our_ms, their_ms = (np.concatenate([getattr(row, k) for row in rows]) for k in ("our_ms", "their_ms"))
    weights = np.array([row.num_objects for row in rows], float)
    gain = np.array([row.our_quality - row.their_quality for row in rows])
    return {
        "streams": len(rows),
        "views": int(sum(row.num_views for row in rows)),
        "objects": int(weights.sum()),
        "kept": {"ours": int(ours.sum()), "theirs": int(theirs.sum()), "smallest": int(least.sum())},
        "bytes": {"ours": int(ours.sum()) * _PICTURE_BYTES, "theirs": int(theirs.sum()) * _PICTURE_BYTES},
        "ratio": interval(group, lambda picked: float(ours[picked].sum() / theirs[picked].sum())),
        "ratio_of_smallest": interval(group, lambda picked: float(least[picked].sum() / theirs[picked].sum())),
        "quality": {
            "ours": round(float(np.average([row.our_quality for row in rows], weights=weights)), 4),
            "theirs": round(float(np.average([row.their_quality for row in rows], weights=weights)), 4),
            "gain": interval(group, lambda picked: float(np.average(gain[picked], weights=weights[picked]))),
            "our_lowest": round(float(np.mean([row.our_lowest for row in rows])), 4),
            "their_lowest": round(float(np.mean([row.their_lowest for row in rows])), 4),
        },
        "covered": min(row.covered for row in rows),
        "update_ms": {name: [round(float(q), 3) for q in np.quantile(ms, (0.5, 0.99, 1.0))] if len(ms) else []
                      for name, ms in (("ours", our_ms), ("theirs", their_ms))},
    }  # fmt: skip


def summary(result: dict[str, Any]) -> str:
    """A line per kind of stream and figure."""
    lines = [f"seeds {result['seeds'][0]}-{result['seeds'][1]}; privileged: {result['privileged']}"]
    for name, found in result["streams"].items():
        kept, quality, ms = found["kept"], found["quality"], found["update_ms"]
        lines += [
            f"{name}: {found['streams']} streams, {found['views']} views, {found['objects']} objects; "
            f"covered {100 * found['covered']:.1f} %",
            f"  views kept      ours {kept['ours']}, clustering {kept['theirs']}, proven smallest {kept['smallest']}",
            f"  ours / theirs   {shown(found['ratio'])}   smallest / theirs {shown(found['ratio_of_smallest'])}",
            f"  quality         ours {quality['ours']:.3f}, theirs {quality['theirs']:.3f}, "
            f"gain {shown(quality['gain'])}; lowest {quality['our_lowest']:.3f}, {quality['their_lowest']:.3f}",
            f"  update ms (p50, p99, most)   ours {ms['ours']}, theirs {ms['theirs']}",
        ]
    return "\n".join(lines)
