"""Walks through houses as MP4 files, with the times at which each thing was truly in view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from placecell.envs.catalogue import CATALOGUE, CATEGORIES, COLOURS
from placecell.envs.house import House, HouseEnv, tour
from placecell.envs.walk import ACTION_S, film
from placecell.geometry import Camera
from placecell.perception.clips import VideoWriter

__all__ = ["FPS", "HFOV_DEG", "SIZE", "Question", "Walk", "film_walk", "questions_of", "sides_px"]

SIZE = (320, 240)  # width, height
HFOV_DEG = 79.0
FPS = 8.0
_MAX_STEPS = 1_000_000
_FIRST_ID = 10  # smaller ids are walls, floor and the like


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a walk.

    Args:
        phrase: The thing, for example "red mug"; without a colour where the category's colour is no fair question.
        kind: "present", "absent category" (the house has none of it) or "absent colour" (it has one of another colour).
        spans_s: When the thing is in view: first and last frame of each stretch, seconds.
        is_wide: Whether it is in view so long even if the shorter side of the box is measured.
    """

    phrase: str
    kind: str
    spans_s: tuple[tuple[float, float], ...] = ()
    is_wide: bool = False

    @property
    def text(self) -> str:
        """The question as a person asks it."""
        return f"When did I see the {self.phrase}?"

    def is_right(self, stamp_s: float, tolerance_s: float) -> bool:
        """Whether the thing is in view at that time, give or take a tolerance."""
        return any(start - tolerance_s <= stamp_s <= end + tolerance_s for start, end in self.spans_s)


@dataclass(frozen=True, slots=True)
class Walk:
    """A film of a walk and its ground truth (privileged: taken from instance images).

    Args:
        seed: The house's.
        path: The MP4.
        num_frames: Frames at `FPS`.
        kinds: Id of every thing of the house -> its category and colour.
        sightings: For each frame, id of each thing in view -> longer and shorter side, pixels, of the box around what
            is seen of it.
    """

    seed: int
    path: Path
    num_frames: int
    kinds: Mapping[int, tuple[str, str]]
    sightings: tuple[Mapping[int, tuple[int, int]], ...]

    @property
    def duration_s(self) -> float:
        """Length of the film."""
        return self.num_frames / FPS


def film_walk(seed: int, path: Path, seconds: float) -> Walk:
    """Walk from room to room, turning once around in each, and write what the camera sees as H.264 MP4.

    Args:
        seed: Of the house, and of where the walk starts.
        path: The MP4 to write.
        seconds: Length of the film; the tour begins anew when every room was visited.
    """
    house = House.generate(seed)
    env = HouseEnv(house, resolution=(8, 8), max_steps=_MAX_STEPS)
    env.reset(seed=seed)
    sightings: list[Mapping[int, tuple[int, int]]] = []
    camera = Camera.from_degrees(*SIZE, HFOV_DEG)
    with VideoWriter(path, FPS, SIZE) as writer:
        frames = film(env, _tours(env), camera, fps=FPS, action_s=ACTION_S)
        for frame in islice(frames, round(seconds * FPS)):
            writer.write(frame.rgb)
            sightings.append(sides_px(frame.semantic))
    kinds = {thing.id: (thing.category, thing.colour) for thing in house.objects}
    return Walk(seed, path, len(sightings), kinds, tuple(sightings))


def _tours(env: HouseEnv) -> Iterator[int]:
    while True:
        for action in tour(env):
            yield int(action)


def sides_px(semantic: Int32[np.ndarray, "h w"]) -> dict[int, tuple[int, int]]:
    """Longer and shorter side, pixels, of the box around what is seen of every thing in view.

    Example:
        >>> semantic = np.zeros((6, 8), np.int32)
        >>> semantic[1:3, 2:7] = 12
        >>> sides_px(semantic)
        {12: (5, 2)}
    """
    found = {}
    for number in np.flatnonzero(np.bincount(semantic.ravel())).tolist():
        if number < _FIRST_ID:
            continue
        mask = semantic == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        sides = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        found[number] = (max(sides), min(sides))
    return found


def questions_of(
    walk: Walk, rng: np.random.Generator, min_side_px: int = 32, min_seconds: float = 1.0
) -> list[Question]:
    """Everything that can be asked about a walk, and as many questions about things that its house does not have.

    Args:
        walk: The walk.
        rng: Draws the absent things.
        min_side_px: A thing is in view while the box around what is seen of it has a longer side of so many pixels.
        min_seconds: Asked for are things that are in view so long at a stretch.

    Returns:
        First the things seen, by name; then absent ones, half of whose categories the house has in other colours.
    """
    shorter = {phrase for phrase, spans in _in_view(walk, 1, min_side_px).items() if _longest_s(spans) >= min_seconds}
    present = [
        Question(phrase, "present", spans, phrase in shorter)
        for phrase, spans in sorted(_in_view(walk, 0, min_side_px).items())
        if _longest_s(spans) >= min_seconds
    ]
    has = {_phrase(*kind) for kind in walk.kinds.values()}
    categories = {category for category, _ in walk.kinds.values()}
    missing = [_phrase(name, colour) for name in CATEGORIES if name not in categories for colour in COLOURS]
    in_sight = sorted({category for category, _ in (walk.kinds[thing] for frame in walk.sightings for thing in frame)})
    others = [
        _phrase(name, colour)
        for name in in_sight
        if CATALOGUE[name].colour_asked
        for colour in COLOURS
        if _phrase(name, colour) not in has
    ]
    half = (len(present) + 1) // 2
    absent = [Question(phrase, "absent category") for phrase in _draw(missing, half, rng)]
    absent += [Question(phrase, "absent colour") for phrase in _draw(others, len(present) - half, rng)]
    return present + absent


def _in_view(walk: Walk, side: int, min_side_px: int) -> dict[str, tuple[tuple[float, float], ...]]:
    """When each kind of thing is in view; `side` 0 measures the longer side, 1 the shorter one."""
    seen: dict[str, list[bool]] = {}
    for number, frame in enumerate(walk.sightings):
        for thing, sides in frame.items():
            if sides[side] >= min_side_px:
                seen.setdefault(_phrase(*walk.kinds[thing]), [False] * walk.num_frames)[number] = True
    return {phrase: _spans_s(is_seen) for phrase, is_seen in seen.items()}


def _longest_s(spans_s: tuple[tuple[float, float], ...]) -> float:
    return max(end - start + 1 / FPS for start, end in spans_s)


def _phrase(category: str, colour: str) -> str:
    return f"{colour} {category}" if CATALOGUE[category].colour_asked else category


def _draw(phrases: list[str], count: int, rng: np.random.Generator) -> list[str]:
    options = list(dict.fromkeys(phrases))
    return [options[i] for i in rng.permutation(len(options))[:count]]


def _spans_s(is_seen: list[bool]) -> tuple[tuple[float, float], ...]:
    """First and last stamp of every run of frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(is_seen, np.int8), [0]])))
    return tuple((first / FPS, (end - 1) / FPS) for first, end in edges.reshape(-1, 2).tolist())
