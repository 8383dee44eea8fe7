"""Marks of an encoder on houses that it never saw: by text alone, with intervals over houses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64

from placecell.benchmarks.encoder_samples import PRESENT, UNCLEAR, tile_labels
from placecell.benchmarks.house_views import COLOUR_NAMES, HouseView, house_views
from placecell.envs.house import CATALOGUE, CATEGORIES, ROOM_TYPES
from placecell.perception.encoders import Encoder, zero_shot
from placecell.perception.tiles import cut_square, encode_moments

__all__ = ["TEST_SEEDS", "VALIDATION_SEEDS", "Mark", "fit_calibration", "marks", "render_seeds"]

#: Houses of the published figures; never trained on, and nothing was chosen by looking at them.
TEST_SEEDS = range(1_000_000, 1_000_020)
#: Houses for choices and for calibration.
VALIDATION_SEEDS = range(900_000, 900_016)
MIN_SIDE_PX, MIN_SHOWN, MIN_CLEAR = 32, 0.25, 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure: its value, 95 % interval (bootstrap over houses), and on how many cases it stands."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}], n = {self.n}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def render_seeds(seeds: Sequence[int], workers: int = 1) -> list[list[HouseView]]:
    """Views of every house at 256 x 256, 90 degrees, 0.88 m, level: 24 at random points and 24 towards objects."""
    if workers == 1:
        return [_test_views(seed) for seed in seeds]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_test_views, seeds))


def _test_views(seed: int) -> list[HouseView]:
    cv2.setNumThreads(1)
    return house_views(seed, num_walk=24, num_close=24, cameras=False, quality=(70, 90), occlusion=True)


def marks(encoder: Encoder, houses: Sequence[Sequence[HouseView]], num_walk: int = 24) -> dict[str, Any]:
    """Figures of an encoder on labelled views, 24 random ones first in every house (see `render_seeds`).

    - category: best of all categories for square crops (20 % margin) of every object at least 32 px long, at most half
      of whose outline is hidden by other things and at least a quarter of whose projected box lies in the picture; of
      all such crops (micro) and averaged over categories (macro). `category_hidden`: whatever is hidden or cut off.
    - colour: best of all colours for those crops whose category's colour is a fair question.
    - room: best of all types for random views of which 60 % lies in the camera's own room with two objects of 32 px in
      sight; `room_any` for all random views.
    - refusal: area under the curve, per house, of the best cosine over all views and tiles, things that were in sight
      at 32 px against coloured things that the house does not have; half of those differ from one that it has in the
      colour alone.
    """
    crops, truth, rooms = [], [], []
    for h, views in enumerate(houses):
        for v, view in enumerate(views):
            image = view.rgb()
            big = 0
            for row in view.objects:
                side = max(row[7] - row[5], row[8] - row[6])
                big += side >= MIN_SIDE_PX
                if side >= MIN_SIDE_PX:
                    clear = row[10] >= MIN_SHOWN and row[11] >= MIN_CLEAR
                    crops.append(cut_square(image, [float(x) for x in row[5:9]], 0.2))
                    truth.append((h, int(row[1]), int(row[2]), int(row[3]), int(clear)))
            if v < num_walk and view.room >= 0:
                own = float((view.room_grid == view.room).mean())
                rooms.append((h, view.room, int(own >= 0.6 and big >= 2), image))
    house, category, colour, asked, seen = np.array(truth).T
    squares = np.stack([cv2.resize(c, (encoder.image_size,) * 2, interpolation=_how(c, encoder)) for c in crops])
    named, _ = zero_shot(encoder, squares, CATEGORIES, "object")
    right = np.array([CATEGORIES.index(name) for name in named]) == category
    painted, _ = zero_shot(encoder, squares, COLOUR_NAMES, "colour")
    colour_right = np.array([COLOUR_NAMES.index(name) for name in painted]) == colour
    fair, good = (asked == 1) & (seen == 1), seen == 1
    room_named, _ = zero_shot(encoder, [r[3] for r in rooms], ROOM_TYPES, "room")
    room_house, room_type, is_clear = np.array([r[:3] for r in rooms]).T
    room_right = np.array([ROOM_TYPES.index(name) for name in room_named]) == room_type
    ok = is_clear == 1
    by_category = {name: _share(right[good & (category == k)]) for k, name in enumerate(CATEGORIES)}
    return {
        "encoder": encoder.name,
        "houses": len(houses),
        "category_micro": _bootstrap(house[good], right[good]),
        "category_macro": _bootstrap(house[good], right[good], category[good]),
        "category_hidden": _bootstrap(house, right),
        "colour": _bootstrap(house[fair], colour_right[fair]),
        "room": _bootstrap(room_house[ok], room_right[ok]),
        "room_any": _bootstrap(room_house, room_right),
        **_refusal(encoder, houses),
        "by_category": dict(sorted(by_category.items(), key=lambda item: item[1])),
        "confusions": _confusions(category[good], [name for name, use in zip(named, good, strict=True) if use]),
    }


def _how(crop: np.ndarray, encoder: Encoder) -> int:
    return cv2.INTER_AREA if crop.shape[0] > encoder.image_size else cv2.INTER_LINEAR


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4) if len(right) else 1.0


def _confusions(category: np.ndarray, named: Sequence[str]) -> list[str]:
    pairs = [f"{CATEGORIES[k]} -> {name}" for k, name in zip(category, named, strict=True) if CATEGORIES[k] != name]
    return [f"{count} x {pair}" for pair, count in sorted(_count(pairs).items(), key=lambda item: -item[1])[:12]]


def _count(items: Sequence[str]) -> dict[str, int]:
    names, counts = np.unique(np.array(items, dtype=str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _mean(right: np.ndarray, groups: np.ndarray | None) -> float:
    if groups is None:
        return float(right.mean())
    return float(np.mean([right[groups == g].mean() for g in np.unique(groups)]))


def _bootstrap(house: np.ndarray, right: np.ndarray, groups: np.ndarray | None = None, draws: int = 400) -> Mark:
    """Mean (over groups, if given) with the interval that 400 draws of houses give."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(house == h) for h in np.unique(house)]
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        values.append(_mean(right[chosen], None if groups is None else groups[chosen]))
    low, high = np.quantile(values, (0.025, 0.975))
    return Mark(_mean(right, groups), float(low), float(high), len(right))


def _in_sight(views: Sequence[HouseView]) -> tuple[np.ndarray, np.ndarray]:
    """For every view, category and colour: whether it is clearly there at 32 px, and whether it is there at all."""
    clear = np.zeros((len(views), len(CATEGORIES), len(COLOUR_NAMES)), bool)
    any_ = np.zeros_like(clear)
    for v, view in enumerate(views):
        for row, state in tile_labels(view.ids(), view.objects, [0, 0, *view.size], 256):
            k, c = int(row[1]), int(row[2])
            any_[v, k, c] |= state >= UNCLEAR
            side = max(row[7] - row[5], row[8] - row[6])
            seen = row[10] >= MIN_SHOWN and row[11] >= MIN_CLEAR
            clear[v, k, c] |= state == PRESENT and side >= MIN_SIDE_PX and seen
    return clear, any_


def _refusal(encoder: Encoder, houses: Sequence[Sequence[HouseView]]) -> dict[str, Any]:
    """Area under the curve of present against absent things, over houses, and recall of a right view among five."""
    words = [f"a {c} {k}" for k in CATEGORIES for c in COLOUR_NAMES]
    texts = encoder.encode_texts(words)
    fair = np.repeat([CATALOGUE[k].colour_asked for k in CATEGORIES], len(COLOUR_NAMES))
    areas: list[float] = []
    hits: list[bool] = []
    hard_areas: list[float] = []
    num = 0
    for views in houses:
        clear, any_ = (x.reshape(len(views), -1) for x in _in_sight(views))
        vectors = encode_moments(encoder, [view.rgb() for view in views])
        cosines = (vectors @ texts.T).max(axis=1)  # (views, words)
        present = clear.any(axis=0) & fair
        absent = ~any_.any(axis=0) & fair
        kinds = clear.reshape(len(views), len(CATEGORIES), -1).any(axis=(0, 2)).repeat(len(COLOUR_NAMES))
        hard, easy = np.flatnonzero(absent & kinds), np.flatnonzero(absent & ~kinds)
        half = min(len(hard), len(easy))
        rng = np.random.default_rng(0)
        negatives = np.concatenate([rng.permutation(hard)[:half], rng.permutation(easy)[:half]])
        best = cosines.max(axis=0)
        areas.append(_area(best[present], best[negatives]))
        hard_areas.append(_area(best[present], best[hard]))
        top = np.argsort(-cosines[:, present], axis=0)[:5]
        hits += [bool(clear[rows, word].any()) for rows, word in zip(top.T, np.flatnonzero(present), strict=True)]
        num += int(present.sum())
    low, high = np.quantile(np.random.default_rng(0).choice(areas, (400, len(areas))).mean(axis=1), (0.025, 0.975))
    return {
        "refusal_auroc": Mark(float(np.mean(areas)), float(low), float(high), num),
        "refusal_auroc_colour_alone": round(float(np.mean(hard_areas)), 4),
        "recall_at_5": round(float(np.mean(hits)), 4),
    }


def _area(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative; ties count half."""
    order = np.sort(negative)
    below = np.searchsorted(order, positive, side="left")
    upto = np.searchsorted(order, positive, side="right")
    return float((below + upto).mean() / (2 * len(order)))


def fit_calibration(encoder: Encoder, houses: Sequence[Sequence[HouseView]]) -> tuple[float, float]:
    """Scale and bias of the chance that a view shows a coloured thing, given its best cosine over view and tiles.

    Asked of every view: all coloured things that its house has and as many that it has not, clear cases only; logistic
    regression by Newton's method.
    """
    words = [f"a {c} {k}" for k in CATEGORIES for c in COLOUR_NAMES]
    texts = encoder.encode_texts(words)
    scores, labels = [], []
    rng = np.random.default_rng(0)
    for views in houses:
        clear, any_ = (x.reshape(len(views), -1) for x in _in_sight(views))
        cosines = (encode_moments(encoder, [view.rgb() for view in views]) @ texts.T).max(axis=1)
        has = any_.any(axis=0)
        others = rng.permutation(np.flatnonzero(~has))[: int(has.sum())]
        asked = np.concatenate([np.flatnonzero(has), others])
        use = clear[:, asked] | ~any_[:, asked]
        scores.append(cosines[:, asked][use])
        labels.append(clear[:, asked][use])
    return _logistic(np.concatenate(scores).astype(np.float64), np.concatenate(labels).astype(np.float64))


def _logistic(x: Float64[np.ndarray, "n"], y: Float64[np.ndarray, "n"]) -> tuple[float, float]:
    design = np.stack([x, np.ones_like(x)], axis=1)
    weights = np.array([10.0, -5.0])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -40, 40)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (p - y))
        weights -= step * min(1.0, 8.0 / float(np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return round(float(weights[0]), 4), round(float(weights[1]), 4)
