"""Are things cut out whole, and named right? Region sources on single views of unseen houses.

Every view is from a random navigable point by the agent's camera. The truth is the simulator's instance image, which
only the source "masks" sees (privileged: it shows how well crops of perfect masks are named). A thing is found if a
region covers it with an IoU of one half; a region that covers no thing like that is spurious, whether it lies on
structure, is a part of a thing, or holds two.

The peer "geometry" has no training: neighbouring cells belong together unless the depth jumps between them; floor and
ceiling are cut away by height, and what covers a quarter of the picture is taken for a wall.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from placecell.benchmarks.bootstrap import mean, shown
from placecell.benchmarks.region_views import MIN_SIDE_PX, JudgedView, match_masks, views_of_house
from placecell.perception.detection import Detection, lift
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import FIRST_THING, MaskDetector
from placecell.perception.region_grid import RegionGrid
from placecell.perception.regions import RegionDetector

__all__ = ["PEERS", "run", "summary"]

PEERS: Final = ("regions", "geometry", "masks")
FIRST_SEED: Final = 3_000_100  # houses that no training and no choice has seen
CENTRE_M: Final = 0.5
_MARK: Final = 0.9
Found = tuple[np.ndarray, dict[int, Detection]]


@dataclass(frozen=True, slots=True)
class _Row:
    """A true thing of at least 32 px, or a region of at least 32 px that matches none."""

    house: int
    is_thing: bool
    is_found: bool
    is_structure: bool = False
    is_named: float = np.nan
    is_named_top3: float = np.nan
    is_near: float = np.nan
    confidence: float = np.nan


def run(
    seed: int = 0,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    *,
    num_houses: int = 20,
    num_views: int = 16,
    first_seed: int = FIRST_SEED,
    encoder: str = "builtin",
) -> dict[str, Any]:
    """Render, detect, judge.

    Args:
        seed: Shifts the houses by 1000 each.
        peers: Only these of `PEERS`; all by default.
        say: Told about progress.
        num_houses: Houses.
        num_views: Views of each.
        first_seed: The first house.
        encoder: Names the crops.

    Raises:
        ValueError: If a peer is unknown.
    """
    chosen = tuple(PEERS if peers is None else peers)
    if unknown := sorted(set(chosen) - set(PEERS)):
        raise ValueError(f"no peer {', '.join(unknown)}: expected some of {', '.join(PEERS)}")
    names = open_encoder(encoder, threads=1)
    sources = {name: _source(name, names) for name in chosen}
    rows: dict[str, list[_Row]] = {name: [] for name in chosen}
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    first = first_seed + 1000 * seed
    for house in range(num_houses):
        for view in views_of_house(first + house, num_views):
            for name, source in sources.items():
                start = time.process_time()
                labels, found = source(view)
                seconds[name].append(time.process_time() - start)
                rows[name] += _judge(house, view, labels, found)
        say(f"house {house + 1} of {num_houses}")
    results = {name: _figures(rows[name], seconds[name]) for name in chosen}
    marks = {}
    if "regions" in results:
        own = results["regions"]
        marks = {
            f"regions: things of {MIN_SIDE_PX} px found >= {_MARK}": own["found"]["value"] >= _MARK,
            f"regions: right regions >= {_MARK}": own["right"]["value"] >= _MARK,
        }
    return {
        "seeds": [first, first + num_houses - 1],
        "num_houses": num_houses,
        "num_views": num_houses * num_views,
        "encoder": names.name,
        "sources": results,
        "marks": marks,
    }


def _source(name: str, encoder: Encoder) -> Callable[[JudgedView], Found]:
    if name == "regions":
        detector = RegionDetector(encoder)

        def regions(view: JudgedView) -> Found:
            cut = detector.regions(view.rgb, view.depth_m, view.camera, view.pose)
            found = detector.describe(cut, view.rgb)
            return np.where(np.isin(cut.labels, list(found)), cut.labels, 0), found

        return regions
    if name == "masks":
        masks = MaskDetector(None, encoder)

        def perfect(view: JudgedView) -> Found:
            found = masks.detect(view.rgb, view.depth_m, view.camera, view.pose, view.ids)
            ids, counts = np.unique(view.ids[view.ids >= FIRST_THING], return_counts=True)
            order = [int(i) for i, count in sorted(zip(ids, counts, strict=True), key=lambda p: -p[1]) if count >= 40]
            return np.where(np.isin(view.ids, order), view.ids, 0), dict(zip(order, found, strict=True))

        return perfect
    return _geometry


def _geometry(view: JudgedView, jump: float = 0.06, min_cells: int = 8) -> Found:
    """Connected components of the depth, between floor and ceiling."""
    grid = RegionGrid.from_view(view.rgb, view.depth_m, view.camera, view.pose)
    points = grid.points
    h, w, _ = points.shape
    height = points[..., 1] + view.pose[1, 3]
    above = grid.known & (height > 0.04) & (height < 2.3)
    distance = np.linalg.norm(points, axis=2)
    number = np.arange(h * w).reshape(h, w)
    ends = []
    for one, two in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart = np.linalg.norm(points[one] - points[two], axis=2)
        joined = above[one] & above[two] & (apart < np.maximum(jump * np.minimum(distance[one], distance[two]), 0.03))
        ends.append((number[one][joined], number[two][joined]))
    a, b = (np.concatenate(part) for part in zip(*ends, strict=True))
    _, piece = connected_components(coo_array((np.ones(len(a), bool), (a, b)), shape=(h * w, h * w)), directed=False)
    sizes = np.bincount(piece)
    kept = np.flatnonzero((sizes >= min_cells) & (sizes < h * w / 4))
    names = np.zeros(len(sizes), np.int32)
    names[kept] = np.arange(1, len(kept) + 1)
    labels = np.where(above, names[piece].reshape(h, w), 0)
    turn = grid.world_from_heading
    world = points.astype(np.float64) @ turn[:3, :3].T + turn[:3, 3]
    lifted = {int(i): lift(labels == i, world, min_points=min_cells) for i in np.unique(labels[labels > 0])}
    found = {i: thing for i, thing in lifted.items() if thing is not None}
    return np.where(np.isin(labels, list(found)), labels, 0), found


def _judge(house: int, view: JudgedView, labels: np.ndarray, found: Mapping[int, Detection]) -> list[_Row]:
    rows = []
    for match in match_masks(view.ids, labels):
        if match.side_px < MIN_SIDE_PX:
            continue
        is_thing, thing = match.thing > 0, found.get(match.region)
        if thing is None:
            rows.append(_Row(house, is_thing, False))
            continue
        called = [name for name, _ in thing.labels]
        true = view.names[match.thing] if is_thing else ""
        near = np.nan
        if is_thing:
            near = float(np.linalg.norm(np.array(thing.position_m) - view.centres_m[match.thing]) <= CENTRE_M)
        rows.append(
            _Row(
                house,
                is_thing,
                is_thing,
                match.on_structure > 0.5,
                float(called[0] == true) if called and is_thing else np.nan,
                float(true in called) if called and is_thing else np.nan,
                near,
                thing.confidence,
            )
        )
    return rows


def _figures(rows: Sequence[_Row], seconds: Sequence[float]) -> dict[str, Any]:
    house = np.array([row.house for row in rows])

    def of(chosen: Sequence[_Row], values: Sequence[float | bool]) -> dict[str, float] | None:
        pairs = [(row.house, value) for row, value in zip(chosen, values, strict=True) if not np.isnan(value)]
        return mean(*np.array(pairs, float).T) if pairs else None

    things = [row for row in rows if row.is_thing]
    regions = [row for row in rows if row.is_found or not row.is_thing]
    named = [row for row in things if not np.isnan(row.is_named)]
    return {
        "num_houses": len(np.unique(house)),
        "num_things": len(things),
        "num_regions": len(regions),
        "found": of(things, [row.is_found for row in things]),
        "right": of(regions, [row.is_thing for row in regions]),
        "on_structure": of(regions, [row.is_structure and not row.is_thing for row in regions]),
        "near": of(things, [row.is_near for row in things]),
        "named": of(named, [row.is_named for row in named]),
        "named_top3": of(named, [row.is_named_top3 for row in named]),
        "calibration_error": _calibration_error(regions),
        "ms_per_view": {
            "p50": round(1e3 * float(np.median(seconds)), 2),
            "p95": round(1e3 * float(np.quantile(seconds, 0.95)), 2),
        },
    }


def _calibration_error(regions: Sequence[_Row], bins: int = 10) -> float:
    """Mean distance between confidence and the share of right regions, over bins of equal size."""
    confidence = np.array([row.confidence for row in regions])
    right = np.array([row.is_thing for row in regions], float)
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts if len(part)]
    return round(float(sum(gaps)) / max(len(regions), 1), 4)


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    lines = [
        f"{result['num_views']} views of {result['num_houses']} houses, seeds {result['seeds'][0]} to "
        f"{result['seeds'][1]}; things and regions of {MIN_SIDE_PX} px; encoder {result['encoder']}",
        f"{'':10}{'things':>8}{'found %':>22}{'regions':>9}{'right %':>22}{'near %':>22}{'named %':>22}"
        f"{'in first 3 %':>22}{'ms p50':>9}{'p95':>8}",
    ]
    for name, row in result["sources"].items():
        cells = [
            "-" if row[key] is None else shown(row[key], 100.0, 1)
            for key in ("found", "right", "near", "named", "named_top3")
        ]
        lines.append(
            f"{name:10}{row['num_things']:>8}{cells[0]:>22}{row['num_regions']:>9}"
            + "".join(f"{cell:>22}" for cell in cells[1:])
            + f"{row['ms_per_view']['p50']:>9.1f}{row['ms_per_view']['p95']:>8.1f}"
        )
    if "regions" in result["sources"]:
        own = result["sources"]["regions"]
        lines.append(
            f"regions mostly on structure: {shown(own['on_structure'], 100.0, 1)} %; calibration error of their "
            f"confidence {own['calibration_error']:.3f}"
        )
    lines.append("ms: of the processor, one thread, network, crops and names together")
    lines.append(f"near: middle of the visible points within {CENTRE_M} m of the middle of the thing's box")
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
