"""Training pictures for the built-in encoder, cut from labelled views: crops of objects, tiles, whole views.

A picture comes with every thing that it shows: a tile matches the captions of all of them, and does not match the
captions of what is absent, nor of the wrong colour. What is too small or too cut off to judge counts as neither.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from placecell.benchmarks.house_views import COLOUR_NAMES, HouseView
from placecell.envs.house import CATEGORIES, ROOM_TYPES
from placecell.perception.tiles import cut_square, resize
from placecell.perception.tokens import WordTokenizer
from placecell.perception.vocabulary import GROUPS, Phrases

__all__ = ["Captions", "Samples", "make_captions", "sample_batches", "tile_labels"]

K, C, R = len(CATEGORIES), len(COLOUR_NAMES), len(ROOM_TYPES)
ABSENT, UNCLEAR, PRESENT = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures with their labels.

    Args:
        images: Squares of the encoder's size.
        things: ABSENT, UNCLEAR or PRESENT for every category and colour.
        plain: The same where the colour is a fair question, for captions of a colour alone.
        placed: The same for every category and type of room.
        rooms: ABSENT, UNCLEAR or PRESENT for every type of room.
        centre: Category and colour of the thing in the middle of a crop, -1 for other pictures, and whether its colour
            is a fair question.
    """

    images: UInt8[np.ndarray, "n s s 3"]
    things: UInt8[np.ndarray, "n k c"]
    plain: UInt8[np.ndarray, "n k c"]
    placed: UInt8[np.ndarray, "n k r"]
    rooms: UInt8[np.ndarray, "n r"]
    centre: Int64[np.ndarray, "n 3"]


def tile_labels(
    ids: UInt8[np.ndarray, "h2 w2"], objects: Float32[np.ndarray, "o columns"], box: Sequence[int], size: int
) -> list[tuple[np.ndarray, int]]:
    """Objects in a box (pixels of the view) with UNCLEAR or PRESENT each.

    A thing is there if its visible part in the box is at least 24 pixels long in the view, at least 9 in the encoder's
    input, and either a good part of what the view shows of it or a good part of the box.
    """
    left, top, right, bottom = box
    part = ids[top // 2 : max(bottom // 2, top // 2 + 1), left // 2 : max(right // 2, left // 2 + 1)]
    counts = np.bincount(part.ravel(), minlength=256)
    found = []
    scale = size / max(right - left, bottom - top)
    for row in objects:
        count = counts[int(row[0])]
        if count == 0:
            continue
        inside = (min(right, row[7]) - max(left, row[5]), min(bottom, row[8]) - max(top, row[6]))
        side = float(max(inside))
        share = 4 * count / max(row[9], 1)
        fills = count / part.size
        clear = side >= 24 and side * scale >= 9 and 4 * count >= 60 and (share >= 0.35 or fills >= 0.06)
        clear = clear and (row[10] >= 0.12 or row[10] == 0)
        found.append((row, PRESENT if clear else UNCLEAR))
    return found


def _distort(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera and a video codec do: light, gamma, tint, blur, noise, compression; colours stay what they are."""
    size = image.shape[0]
    if rng.random() < 0.25:
        small = int(size * rng.uniform(0.4, 0.9))
        image = np.asarray(cv2.resize(resize(image, small), (size, size)))
    elif rng.random() < 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2)))
    if rng.random() < 0.7:
        gamma, gain = rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, 3)
        ramp = (np.arange(256)[:, None] / 255.0) ** gamma * gain * 255.0 + rng.uniform(-10, 10)
        table = np.clip(ramp, 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, np.ascontiguousarray(table[None])))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(1, 6), (size // 2, size // 2, 1)).repeat(2, 0).repeat(2, 1)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return image[:, ::-1] if rng.random() < 0.5 else image


def _box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Tile of about the sizes that `tile_boxes` cuts, anywhere."""
    scale = rng.choice((2.0, 2.0, 3.0)) if width <= 448 else rng.choice((2.0, 3.0, 3.0))
    scale *= rng.uniform(0.85, 1.15)
    w, h = int(width / scale), int(height / scale)
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return x, y, x + w, y + h


def _view_rooms(view: HouseView, box: Sequence[int], whole: bool) -> np.ndarray:
    """PRESENT where most of the box is of a type of room, ABSENT where none is; the camera's own room for a view."""
    g = view.room_grid.shape[0]
    width, height = view.size
    x0, y0 = box[0] * g // width, box[1] * g // height
    part = view.room_grid[y0 : max(-(-box[3] * g // height), y0 + 1), x0 : max(-(-box[2] * g // width), x0 + 1)]
    share = np.bincount(part[part < R].ravel(), minlength=R)[:R] / part.size
    labels = np.where(share >= (0.5 if whole else 0.6), PRESENT, np.where(share > 0.04, UNCLEAR, ABSENT))
    if whole and view.room >= 0:
        labels[view.room] = PRESENT if share[view.room] >= 0.4 else UNCLEAR
    return labels.astype(np.uint8)


def sample_batches(
    folder: str | Path, size: int, batch: int, seed: int, shares: tuple[float, float, float] = (0.42, 0.43, 0.15)
) -> Iterator[Samples]:
    """Endless batches from the pickled views in a folder; files that appear later are taken in as they come.

    Args:
        folder: Holds `*.pkl`, each a list of `HouseView`.
        size: Side of the pictures.
        batch: Pictures per batch.
        seed: Of the draw.
        shares: Of crops, tiles and whole views.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    read: set[Path] = set()
    views: list[HouseView] = []
    crops: list[tuple[int, int, int]] = []
    weights = np.empty(0)
    count = 0
    while True:
        if count % 100 == 0:
            for path in sorted(set(Path(folder).glob("*.pkl")) - read):
                read.add(path)
                new: list[HouseView] = pickle.loads(path.read_bytes())
                for view in new:
                    for j, row in enumerate(view.objects):
                        side = max(row[7] - row[5], row[8] - row[6])
                        if side >= 24 and row[9] >= 80 and row[10] >= 0.25:
                            crops.append((len(views), j, int(row[1])))
                    views.append(view)
            if not views:
                raise FileNotFoundError(f"no views in {folder}")
            categories = np.array([crop[2] for crop in crops])
            weights = 1.0 / np.bincount(categories, minlength=K)[categories] ** 0.6
            weights = np.cumsum(weights / weights.sum())
        count += 1
        n = Samples(
            np.empty((batch, size, size, 3), np.uint8),
            np.zeros((batch, K, C), np.uint8),
            np.zeros((batch, K, C), np.uint8),
            np.zeros((batch, K, R), np.uint8),
            np.zeros((batch, R), np.uint8),
            np.full((batch, 3), -1, np.int64),
        )
        kinds = rng.choice(3, batch, p=shares)
        for i, kind in enumerate(kinds):
            centre: np.ndarray | None = None
            if kind == 0:
                index, j, _ = crops[min(int(np.searchsorted(weights, rng.random())), len(crops) - 1)]
                view = views[index]
                row = centre = view.objects[j]
                n.centre[i] = row[1:4]
                image = view.rgb()
                margin = rng.uniform(0.0, 0.4)
                jitter = rng.normal(0, 0.04, 4) * np.tile(row[7:9] - row[5:7], 2)
                picture = resize(cut_square(image, row[5:9] + jitter, margin), size)
                grow = margin * max(row[7] - row[5], row[8] - row[6])
                box = [int(row[5] - grow), int(row[6] - grow), int(row[7] + grow), int(row[8] + grow)]
                box = [max(box[0], 0), max(box[1], 0), min(box[2], view.size[0]), min(box[3], view.size[1])]
            else:
                view = views[int(rng.integers(len(views)))]
                image = view.rgb()
                box = list(_box(*view.size, rng)) if kind == 1 else [0, 0, *view.size]
                picture = resize(image[box[1] : box[3], box[0] : box[2]], size)
            n.images[i] = _distort(picture, rng)
            n.rooms[i] = _view_rooms(view, box, kind == 2)
            if kind == 0:
                n.rooms[i][n.rooms[i] == PRESENT] = UNCLEAR
            _label(n, i, tile_labels(view.ids(), view.objects, box, size), centre)
        yield n


def _label(n: Samples, i: int, found: list[tuple[np.ndarray, int]], centre: np.ndarray | None) -> None:
    for row, state in found:
        category, colour, asked, room = (int(v) for v in row[1:5])
        if centre is not None and row[0] == centre[0]:
            state = PRESENT
        n.things[i, category, colour] = max(n.things[i, category, colour], state)
        n.placed[i, category, room] = max(n.placed[i, category, room], state if centre is None else UNCLEAR)
        # A thing whose own colour is hardly seen must not teach what "something red" looks like.
        n.plain[i, category, colour] = max(n.plain[i, category, colour], state if asked else UNCLEAR)


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """Captions of one step: their tokens, and which things, rooms, or both each one matches.

    Args:
        tokens: Rows of ids, cut to the longest.
        categories: Which categories a caption names; all of them where it names a colour alone.
        colours: Which colours; all of them where it names none.
        rooms: Which rooms; none where it names none.
        kind: 0 things, 1 colour alone, 2 thing in a room, 3 room, 4 close-up of a category, 5 close-up of a colour.
    """

    tokens: Int64[np.ndarray, "t context"]
    categories: Bool[np.ndarray, "t k"]
    colours: Bool[np.ndarray, "t c"]
    rooms: Bool[np.ndarray, "t r"]
    kind: Int64[np.ndarray, "t"]


def make_captions(
    tokenizer: WordTokenizer, samples: Samples, rng: np.random.Generator, num_pairs: int = 130, num_placed: int = 16
) -> Captions:
    """One wording of everything simple, and of coloured and placed things: those that are there, and others."""
    say = Phrases(rng)
    rows: list[tuple[str, int, list[int], list[int], list[int]]] = []
    every_k, every_c = list(range(K)), list(range(C))
    for k, name in enumerate(CATEGORIES):
        rows.append((say.thing(name), 0, [k], every_c, []))
        rows.append((say.thing(name, close=True), 4, [k], every_c, []))
    for group, names in GROUPS.items():
        rows.append((say.group(group), 0, [CATEGORIES.index(name) for name in names], every_c, []))
    for c, colour in enumerate(COLOUR_NAMES):
        rows.append((say.thing(None, colour), 1, every_k, [c], []))
        rows.append((say.thing(None, colour, close=True), 5, every_k, [c], []))
    for r, room in enumerate(ROOM_TYPES):
        rows.append((say.room(room), 3, [], [], [r]))
    there = np.argwhere((samples.things == PRESENT).any(axis=0))
    others = np.argwhere(~(samples.things == PRESENT).any(axis=0))
    pairs = np.concatenate([rng.permutation(there)[: num_pairs * 2 // 3], rng.permutation(others)])[:num_pairs]
    for k, c in pairs:
        rows.append((say.thing(CATEGORIES[k], COLOUR_NAMES[c]), 0, [int(k)], [int(c)], []))
    placed = rng.permutation(np.argwhere((samples.placed == PRESENT).any(axis=0)))[:num_placed]
    for k, r in placed:
        if rng.random() < 0.25:
            r = int(rng.integers(R))
        rows.append((say.thing_in_room(CATEGORIES[k], ROOM_TYPES[r]), 2, [int(k)], every_c, [int(r)]))
    tokens = tokenizer([row[0] for row in rows])
    masks = tuple(np.zeros((len(rows), n), bool) for n in (K, C, R))
    for t, row in enumerate(rows):
        for mask, chosen in zip(masks, row[2:], strict=True):
            mask[t, chosen] = True
    used = int((tokens != 0).any(axis=0).sum())
    return Captions(tokens[:, :used], masks[0], masks[1], masks[2], np.array([row[1] for row in rows]))
