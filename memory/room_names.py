"""What kind of room is this? Told by what is in it, by its shape, and by what its pictures look like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from placecell.memory.records import RecordId

__all__ = ["FURNITURE", "Namer", "room_shares", "view_namer"]

Namer = Callable[[Sequence[RecordId]], Mapping[str, float]]
"""Gives for the views taken inside a room how much they look like each kind of room (shares)."""

# Common sense, as anybody would put it: what a thing says of the room that it stands in. 3: nearly certain, 1: a hint.
FURNITURE: Final[Mapping[str, Mapping[str, float]]] = {
    "sofa": {"living room": 3.0},
    "couch": {"living room": 3.0},
    "armchair": {"living room": 2.0},
    "coffee table": {"living room": 2.0},
    "fireplace": {"living room": 2.0},
    "tv": {"living room": 2.5},
    "television": {"living room": 2.5},
    "piano": {"living room": 1.0},
    "beanbag": {"living room": 0.5, "nursery": 0.5},
    "bed": {"bedroom": 3.0},
    "wardrobe": {"bedroom": 2.0},
    "nightstand": {"bedroom": 2.0},
    "dresser": {"bedroom": 0.7},
    "crib": {"nursery": 4.0},
    "rocking horse": {"nursery": 3.0},
    "teddy bear": {"nursery": 0.7},
    "toy car": {"nursery": 0.7},
    "fridge": {"kitchen": 3.0},
    "refrigerator": {"kitchen": 3.0},
    "stove": {"kitchen": 3.0},
    "oven": {"kitchen": 3.0},
    "dishwasher": {"kitchen": 3.0},
    "kitchen counter": {"kitchen": 3.0},
    "microwave": {"kitchen": 1.5},
    "kettle": {"kitchen": 1.0},
    "toaster": {"kitchen": 1.5},
    "toilet": {"bathroom": 4.0},
    "bathtub": {"bathroom": 4.0},
    "shower": {"bathroom": 4.0},
    "sink": {"bathroom": 1.5, "kitchen": 1.0},
    "rubber duck": {"bathroom": 1.0},
    "towel": {"bathroom": 1.0},
    "dining table": {"dining room": 3.0},
    "table": {"dining room": 1.0, "kitchen": 0.5, "living room": 0.5},
    "chair": {"dining room": 1.0, "office": 0.5},
    "desk": {"office": 2.0, "bedroom": 0.5},
    "bookshelf": {"office": 1.5, "living room": 0.7},
    "computer": {"office": 1.5},
    "laptop": {"office": 0.5},
    "printer": {"office": 1.5},
    "washing machine": {"laundry room": 2.5, "bathroom": 0.5},
    "dryer": {"laundry room": 2.5},
    "ironing board": {"laundry room": 2.5},
    "coat rack": {"hallway": 3.0},
    "shoe rack": {"hallway": 2.0},
    "umbrella": {"hallway": 0.7},
    "boots": {"hallway": 0.5, "laundry room": 0.3},
    "bicycle": {"hallway": 0.5},
}
NOTHING: Final = 0.5  # a room with less to say for it has no name
_VIEWS: Final = 3.0  # weight of the pictures, where they are sure
_CORRIDOR: Final = 2.0  # weight of the shape of a corridor


def room_shares(
    things: Iterable[tuple[Sequence[tuple[str, float]], float]],
    looks: Mapping[str, float] | None = None,
    is_corridor: bool = False,
) -> dict[str, float]:
    """How much speaks for each kind of room, most first; empty where nothing does.

    Args:
        things: For each thing in the room its names with their shares, and how sure it is that it is there at all.
        looks: How much the pictures look like each kind of room, shares.
        is_corridor: Whether the room is long, narrow, and has doors to many others.

    Example:
        >>> room_shares([([("bed", 0.8), ("sofa", 0.2)], 1.0), ([("lamp", 1.0)], 1.0)])
        {'bedroom': 2.4, 'living room': 0.6}
    """
    said: dict[str, float] = {}  # surest thing of each name: ten chairs are one hint
    for names, sure in things:
        for name, share in names:
            said[name.lower()] = max(said.get(name.lower(), 0.0), share * sure)
    scores: dict[str, float] = {}
    for name, share in said.items():
        for room, weight in _told_by(name).items():
            scores[room] = scores.get(room, 0.0) + weight * share
    for room, share in (looks or {}).items():
        scores[room] = scores.get(room, 0.0) + _VIEWS * share
    if is_corridor:
        scores["hallway"] = scores.get("hallway", 0.0) + _CORRIDOR
    return {
        room: round(score, 4) for room, score in sorted(scores.items(), key=lambda x: (-x[1], x[0])) if score >= NOTHING
    }


def _told_by(name: str) -> Mapping[str, float]:
    """What a name says; "red kitchen counter" says what its ending does."""
    words = name.split()
    for start in range(len(words)):
        told = FURNITURE.get(" ".join(words[start:]))
        if told is not None:
            return told
    return {}


def view_namer(
    vectors_of: Callable[[RecordId], np.ndarray | None],
    prompts: Mapping[str, Float[np.ndarray, "d"]],
    scale: float = 30.0,
) -> Namer:
    """A namer by pictures: the mean share of each prompt over the views.

    Args:
        vectors_of: Unit vector of a record's picture, None where it has none.
        prompts: Unit text vector for each kind of room, of the same encoder ("a photo of a kitchen").
        scale: Of the cosines before they become shares.
    """
    names, texts = list(prompts), np.stack([np.asarray(v, np.float32) for v in prompts.values()])

    def name(record_ids: Sequence[RecordId]) -> dict[str, float]:
        vectors = [vector for vector in map(vectors_of, record_ids) if vector is not None]
        if not vectors:
            return {}
        score = np.stack(vectors).astype(np.float32) @ texts.T * scale  # (n, names)
        share = np.exp(score - score.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        return dict(zip(names, share.mean(axis=0).tolist(), strict=True))

    return name
