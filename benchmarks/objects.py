"""Does the object map hold what was seen, where it is, and notice what changed?

An agent walks through a house that it has not seen, the house is rearranged, it walks through it again. After the first
walk the map is compared with the things that were seen at 32 pixels or more; after the second, its changes with those
that the walks could show (`placecell.benchmarks.object_walks.true_changes`). Ground truth judges and tells nobody. The
detector "masks" is the simulator's own and knows every name (privileged, an upper bound); "regions" cuts the picture
itself and is named by the encoder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from placecell.benchmarks.bootstrap import interval, mean, shown
from placecell.benchmarks.object_walks import MIN_SIDE_PX, TrueChange, Walks, rearranged, true_changes, walk_twice
from placecell.envs.house import HouseObject
from placecell.geometry import Camera, pose_from
from placecell.memory.object_states import ObjectChange, SceneObject
from placecell.memory.objects import ObjectMap
from placecell.memory.records import Record
from placecell.perception.detection import Detection
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import Detector, MaskDetector, open_detector
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

__all__ = ["DETECTORS", "crowded_fold_ms", "judge", "run", "summary"]

DETECTORS: Final = ("masks", "regions")
JUDGING: Final = 3_000_100
_NEAR_M: Final = 0.5
_KINDS: Final = ("moved", "gone", "new")
Counts = dict[str, int | float]


def run(
    seed: int = 0,
    num_rows: int = 20,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    encoder: str = "builtin",
) -> dict[str, Any]:
    """Walk, rearrange, walk again, judge.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses.
        peers: Only these of `DETECTORS`.
        say: Takes one line per house and detector.
        encoder: Describes and names what is found.

    Raises:
        ValueError: If `peers` names no detector.
    """
    chosen = DETECTORS if peers is None else tuple(peers)
    if unknown := set(chosen) - set(DETECTORS):
        raise ValueError(f"detectors are {', '.join(DETECTORS)}, got {', '.join(sorted(unknown))}")
    first, looks = seed or JUDGING, open_encoder(encoder)
    rows: dict[str, list[Counts]] = {name: [] for name in chosen}
    for number in range(first, first + num_rows):
        for name, counts in _house(number, chosen, looks).items():
            rows[name].append(counts)
            changes = ", ".join(f"{_sum(counts, what):.0f} {what}" for what in ("right", "wrong", "missed"))
            say(f"house {number}, {name}: found {counts['found']:.0f} of {counts['seen']:.0f}; "
                f"{counts['spurious']:.0f} of {counts['told']:.0f} spurious; changes {changes}")  # fmt: skip
    result: dict[str, Any] = {
        "seeds": [first, first + num_rows - 1],
        "houses": num_rows,
        "encoder": looks.name,
        "min_side_px": MIN_SIDE_PX,
        "near_m": _NEAR_M,
        "privileged": "the path, and pose; of the detector masks: all it says",
    }
    result |= {name: _figures(found) for name, found in rows.items()}
    result["crowded_fold_ms"] = {str(num): crowded_fold_ms(num) for num in (100, 1000)}
    return result


def crowded_fold_ms(num_things: int, num_views: int = 60, seed: int = 0) -> dict[str, int | float]:
    """Processor time of a fold, in milliseconds, when the map holds so many things, ten of which are in each view.

    The things stand on a grid of 1 m, one thing per square metre, whatever their number: a larger house, not a fuller
    room.
    """
    rng = np.random.default_rng(seed)
    side = math.ceil(math.sqrt(num_things))
    places = [(float(x), 0.5, float(z)) for x in range(side) for z in range(side)][:num_things]
    vectors = rng.normal(size=(num_things, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    objects, camera = ObjectMap(), Camera(96, 96)

    def look(number: int, middle: int, stamp_s: float) -> Record:
        x, _, z = places[middle]
        pose = pose_from(np.array([x + 0.1 * (number % 5), 1.2, z + 2.5]), 0.0)
        shown = sorted(range(num_things), key=lambda i: abs(places[i][0] - x) + abs(places[i][2] - z))[:10]
        found = [_detection(places[i], vectors[i], f"kind {i % 50}") for i in shown]
        scan = Scan.from_depth(np.full((96, 96), 2.4, np.float32), camera)
        return Record("robot", number, "moment", stamp_s, stamp_s, pose=pose, scene=Scene.of(camera, found, scan))

    number = 0
    for middle in range(0, num_things, 4):
        for _ in range(2):
            objects.fold(look(number, middle, 10.0 * number))
            number += 1
    spent = []
    for middle in rng.integers(num_things, size=num_views).tolist():
        record = look(number, middle, 10.0 * number)
        _ = record.detections, record.scan  # reading them is not the map's work
        began = time.thread_time()
        objects.fold(record)
        spent.append(1000 * (time.thread_time() - began))
        number += 1
    return {
        "things": len(objects.objects()),
        "mean": round(float(np.mean(spent)), 2),
        "p99": round(float(np.quantile(spent, 0.99)), 2),
    }


def _detection(place: tuple[float, float, float], vector: np.ndarray, name: str) -> Detection:
    x, y, z = place
    low, high = (x - 0.2, y - 0.2, z - 0.2), (x + 0.2, y + 0.2, z + 0.2)
    return Detection((0.3, 0.3, 0.6, 0.6), 900, low, high, place, vector.astype(np.float16), ((name, 0.9),))


def _sum(counts: Mapping[str, int | float], what: str) -> float:
    return sum(counts[f"{what} {kind}"] for kind in _KINDS)


def _house(number: int, chosen: Sequence[str], encoder: Encoder) -> dict[str, Counts]:
    house, changed, _ = rearranged(number)
    names = {thing.id: thing.category for thing in (*house.objects, *changed.objects)}
    detectors: dict[str, Detector] = {
        name: MaskDetector(names, encoder) if name == "masks" else open_detector(name, encoder) for name in chosen
    }
    walks = walk_twice(number, detectors)
    return {name: judge(walks, name) for name in chosen}


def judge(walks: Walks, detector: str) -> Counts:
    """Fold both walks into a new map and count what is right and wrong."""
    objects, spent = ObjectMap(), []
    counts: Counts = {}
    for records, check in ((walks.first[detector], True), (walks.second[detector], False)):
        for record in records:
            began = time.thread_time()
            objects.fold(record)
            spent.append(1000 * (time.thread_time() - began))
        if check:
            counts |= _judge_things(walks, objects.objects())
            counts["early changes"] = len(objects.changes())
    counts |= _judge_changes(walks, objects.changes())
    return counts | {"fold_ms": float(np.mean(spent)), "fold_p99_ms": float(np.quantile(spent, 0.99))}


def _judge_things(walks: Walks, told: Sequence[SceneObject]) -> Counts:
    told = [thing for thing in told if thing.state != "gone"]
    seen = [thing for thing in walks.house.objects if walks.seen[0].get(thing.id, 0) >= MIN_SIDE_PX]
    strict = _pairs(seen, told, _to_centre, with_name=True)
    loose = _pairs(seen, told, _to_box, with_name=True)
    nameless = _pairs(seen, told, _to_centre)
    real = _pairs(walks.house.objects, told, _to_centre)
    errors = [error for _, _, error in strict]
    return {
        "seen": len(seen),
        "found": len(strict),
        "found nearest": len(loose),
        "found any name": len(nameless),
        "told": len(told),
        "spurious": len(told) - len(real),
        "misnamed": sum(told[j].name != walks.house.objects[i].category for i, j, _ in real),
        "error_m": float(np.median(errors)) if errors else math.nan,
    }


def _pairs(
    truth: Sequence[HouseObject],
    told: Sequence[SceneObject],
    distance: Callable[[HouseObject, SceneObject], float],
    with_name: bool = False,
) -> list[tuple[int, int, float]]:
    """True things and things of the map that lie near, one to one: those of one name first, then nearest first."""
    near = [
        (true.category != thing.name, far, i, j)
        for i, true in enumerate(truth)
        for j, thing in enumerate(told)
        if (far := distance(true, thing)) < _NEAR_M and (true.category == thing.name or not with_name)
    ]
    found: list[tuple[int, int, float]] = []
    rows: set[int] = set()
    columns: set[int] = set()
    for _, far, i, j in sorted(near):
        if i not in rows and j not in columns:
            rows.add(i)
            columns.add(j)
            found.append((i, j, far))
    return found


def _to_centre(true: HouseObject, thing: SceneObject) -> float:
    return math.dist(true.centre_m, thing.position_m)


def _to_box(true: HouseObject, thing: SceneObject) -> float:
    place = np.array(thing.position_m)
    return float(np.linalg.norm(np.maximum(np.maximum(true.low_m - place, place - true.high_m), 0)))


def _judge_changes(walks: Walks, told: Sequence[ObjectChange]) -> Counts:
    must, may = true_changes(walks.changes, walks.seen, walks.would_be_seen)
    left, counts = list(told), dict.fromkeys((f"{w} {k}" for w in ("right", "wrong", "missed") for k in _KINDS), 0.0)
    for true in must:
        match = next((change for change in left if _is_same(change, true)), None)
        counts[f"{'missed' if match is None else 'right'} {true.kind}"] += 1
        if match is not None:
            left.remove(match)
    for change in left:
        if not any(_is_same(change, true) for true in may):
            counts[f"wrong {change.kind}"] += 1
    return counts


def _is_same(change: ObjectChange, true: TrueChange) -> bool:
    return change.kind == true.kind and all(
        (a is None) == (b is None) and (a is None or b is None or math.dist(a, b) < _NEAR_M)
        for a, b in ((change.before_m, true.before_m), (change.after_m, true.after_m))
    )


def _figures(rows: Sequence[Counts]) -> dict[str, Any]:
    group = np.arange(len(rows))
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def share(part: str, whole: str) -> dict[str, int | float]:
        a, b = columns[part], columns[whole]
        return interval(group, lambda i: float(a[i].sum() / max(b[i].sum(), 1)), b > 0) | {"of": int(b.sum())}

    def f1(*kinds: str) -> dict[str, int | float]:
        right, wrong, missed = (
            np.sum([columns[f"{what} {kind}"] for kind in kinds], axis=0) for what in ("right", "wrong", "missed")
        )
        whole = 2 * right + wrong + missed
        figure = interval(group, lambda i: float(2 * right[i].sum() / whole[i].sum()), whole > 0)
        return figure | {"right": int(right.sum()), "wrong": int(wrong.sum()), "missed": int(missed.sum())}

    figures: dict[str, Any] = {
        "found": share("found", "seen"),
        "found_nearest_point": share("found nearest", "seen"),
        "found_any_name": share("found any name", "seen"),
        "spurious": share("spurious", "told"),
        "misnamed": share("misnamed", "told"),
        "error_m": mean(group, columns["error_m"].tolist()),
        "change_f1": f1(*_KINDS),
    }
    figures |= {f"{kind}_f1": f1(kind) for kind in _KINDS}
    figures["changes_in_first_walk"] = int(columns["early changes"].sum())
    figures["fold_ms"] = mean(group, columns["fold_ms"].tolist())
    figures["fold_ms"]["worst_p99"] = round(float(columns["fold_p99_ms"].max()), 2)
    return figures


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    titles = {
        "found": f"found: right name, centre within {_NEAR_M} m of the true box's (mark 0.90)",
        "found_nearest_point": f"right name, centre within {_NEAR_M} m of the true box",
        "found_any_name": f"centre within {_NEAR_M} m, any name",
        "spurious": "of the things in the map: no true thing, or one told twice (mark 0.10)",
        "misnamed": "of the things in the map: a true thing by another name",
        "error_m": "distance from the true centre, metres, median per house",
        "change_f1": "changes, F1 (mark 0.85)",
        "moved_f1": "  moved, from and to",
        "gone_f1": "  gone",
        "new_f1": "  new",
        "fold_ms": "a fold, ms of processor time",
    }
    chosen = [name for name in DETECTORS if name in result]
    lines = [
        f"{result['houses']} houses, seeds {result['seeds'][0]} to {result['seeds'][1]}; things seen at "
        f"{result['min_side_px']} px; encoder {result['encoder']}; privileged: {result['privileged']}",
        f"{'':74}" + "".join(f"{name:>26}" for name in chosen),
    ]
    for key, title in titles.items():
        lines.append(f"{title:74}" + "".join(f"{shown(result[name][key], digits=3):>26}" for name in chosen))
    for num, spent in result["crowded_fold_ms"].items():
        lines.append(f"a fold with {num} things in the map: {spent['mean']} ms, p99 {spent['p99']} ms")
    return "\n".join(lines)
