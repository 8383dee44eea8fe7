"""Two walks through a house that was rearranged in between, with what an agent on them could have known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from placecell.envs.house import Change, House, HouseEnv, HouseObject, steps_to, tour
from placecell.envs.walk import ACTION_S, visible_objects
from placecell.memory.records import Record
from placecell.perception.objects import Detector
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

__all__ = ["MIN_SIDE_PX", "TrueChange", "Walks", "rearranged", "true_changes", "walk_twice"]

MIN_SIDE_PX: Final = 32
_BARELY_PX: Final = 6
_PAUSE_S: Final = 3600.0
_SPOTS_PER_ROOM: Final = 1
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class TrueChange:
    """A change that the two walks could show; see `true_changes`."""

    kind: str
    before_m: Point | None
    after_m: Point | None


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """What was recorded and what is true.

    Args:
        house: Before.
        changed: After.
        changes: What was done to it.
        first: Records of the first walk, by detector.
        second: Records of the second walk, by detector.
        seen: Of either walk, the longest side in pixels of the visible box of each thing.
        would_be_seen: The same in the other state of the house: of the first walk in the changed house, and so on.
    """

    house: House
    changed: House
    changes: Sequence[Change]
    first: Mapping[str, list[Record]]
    second: Mapping[str, list[Record]]
    seen: tuple[Mapping[int, int], Mapping[int, int]]
    would_be_seen: tuple[Mapping[int, int], Mapping[int, int]]


def rearranged(seed: int, moved: int = 6, removed: int = 3, added: int = 3) -> tuple[House, House, list[Change]]:
    """A house before and after; fewer things change where it has few that can."""
    house = House.generate(seed)
    while True:
        try:
            changed, changes = house.relocate(np.random.default_rng([seed, 9]), moved, added, removed)
            return house, changed, changes
        except ValueError:
            if moved <= 1:
                raise
            moved, removed = moved - 1, min(removed, moved - 1)


def walk_twice(seed: int, detectors: Mapping[str, Detector], with_other: bool = True) -> Walks:
    """Visit every room and a random spot per room, turning around in each; rearrange; do it again from elsewhere.

    The path knows the house (it is privileged); what is recorded is what the sensors give, and what each detector makes
    of it.

    Args:
        seed: Of the house.
        detectors: By name.
        with_other: Whether to look at the other state of the house too, for `Walks.would_be_seen`; half of the time.
    """
    house, changed, changes = rearranged(seed)
    other = (changed, house) if with_other else (None, None)
    first, seen_first, else_first = _walk(house, other[0], seed, 0, 0.0, detectors)
    start = len(next(iter(first.values()), []))
    second, seen_second, else_second = _walk(changed, other[1], seed + 7, start, _PAUSE_S + start * ACTION_S, detectors)
    return Walks(house, changed, changes, first, second, (seen_first, seen_second), (else_first, else_second))


def _walk(
    house: House, other: House | None, seed: int, first_seq: int, start_s: float, detectors: Mapping[str, Detector]
) -> tuple[dict[str, list[Record]], dict[int, int], dict[int, int]]:
    env = HouseEnv(house, max_steps=1_000_000, allow_sliding=True)
    observation, _ = env.reset(seed=seed)
    records: dict[str, list[Record]] = {name: [] for name in detectors}
    seen: dict[int, int] = {}
    otherwise: dict[int, int] = {}
    path, number = _patrol(env, np.random.default_rng([seed, 5])), 0
    while True:
        depth, pose, ids = observation["depth"], observation["pose"], observation["semantic"]
        scan, stamp_s = Scan.from_depth(depth, env.camera), start_s + number * ACTION_S
        for name, detector in detectors.items():
            found = detector.detect(observation["rgb"], depth, env.camera, pose, ids)
            scene = Scene.of(env.camera, found, scan)
            seq = first_seq + number
            records[name].append(Record("robot", seq, "moment", stamp_s, stamp_s, pose=pose, scene=scene))
        _most(seen, visible_objects(ids, _BARELY_PX))
        if other is not None:
            _most(otherwise, visible_objects(other.renderer.render(pose, env.camera, 1)[2], MIN_SIDE_PX))
        action = next(path, None)
        if action is None:
            return records, seen, otherwise
        observation, number = env.step(np.int64(action))[0], number + 1


def _patrol(env: HouseEnv, rng: np.random.Generator) -> Iterator[int]:
    yield from (int(action) for action in tour(env))
    env.pathfinder.seed(int(rng.integers(2**31)))
    for _ in range(_SPOTS_PER_ROOM * len(env.house.rooms)):
        yield from (int(action) for action in steps_to(env, env.pathfinder.get_random_navigable_point()))
        for _ in range(round(2 * math.pi / env.turn_rad)):
            yield 2


def _most(largest: dict[int, int], sides: Mapping[int, int]) -> None:
    for thing, side in sides.items():
        largest[thing] = max(largest.get(thing, 0), side)


def true_changes(
    changes: Sequence[Change],
    seen: tuple[Mapping[int, int], Mapping[int, int]],
    would_be_seen: tuple[Mapping[int, int], Mapping[int, int]],
) -> tuple[list[TrueChange], list[TrueChange]]:
    """What the walks could show, and what they half showed.

    A thing moved if it was seen before and after, at 32 pixels each, and would have been seen on the second walk had it
    stayed: else nobody can tell it from another of its kind. It is gone if it was seen before and would have
    been seen on the second walk, had it stayed; it is new if it was seen after and would have been seen on the first
    walk, had it been there. What moved out of sight is gone, what moved in from out of sight is new.

    Args:
        changes: What was done to the house.
        seen: See `Walks`.
        would_be_seen: See `Walks`.

    Returns:
        Changes that have to be found, and changes that may be (seen, but smaller): those count neither way.
    """
    other = would_be_seen
    must: list[TrueChange] = []
    may: list[TrueChange] = []
    for change in changes:
        i, before, after = change.object_id, _centre(change.before), _centre(change.after)
        moved, gone, new = (
            TrueChange("moved", before, after), TrueChange("gone", before, None), TrueChange("new", None, after),
        )  # fmt: skip
        was_seen, is_seen = (side.get(i, 0) >= MIN_SIDE_PX for side in seen)
        is_missed, was_missed = other[1].get(i, 0) >= MIN_SIDE_PX, other[0].get(i, 0) >= MIN_SIDE_PX
        if before and after and was_seen and is_seen:
            (must if is_missed else may).append(moved)
            may += [] if is_missed else [new]
            continue
        if before and was_seen and is_missed and i not in seen[1]:
            must.append(gone)
        elif before:
            may.append(gone)
        if after and is_seen and was_missed and i not in seen[0]:
            must.append(new)
        elif after:
            may.append(new)
        if before and after:
            may.append(moved)
    return must, may


def _centre(thing: HouseObject | None) -> Point | None:
    if thing is None:
        return None
    x, y, z = thing.centre_m.tolist()
    return x, y, z
