"""The place map of unseen houses: free floor, rooms with their names, doors; and what a step of it costs.

An explorer walks by the frontiers of the very map that is judged; nothing is privileged but the exact pose and, where a
row says so, the truth about which things there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from jaxtyping import Bool

from placecell.agents.embodied import pursue
from placecell.agents.explorer import Explorer
from placecell.agents.looking import Looker
from placecell.agents.planner import Decision, Experience, Sensed
from placecell.benchmarks.bootstrap import interval, mean, shown
from placecell.benchmarks.coverage import in_view
from placecell.envs.house import House, HouseEnv
from placecell.memory.object_states import SceneObject
from placecell.memory.places import Floor, Places, Room
from placecell.memory.records import Record, RecordId
from placecell.memory.room_names import Namer
from placecell.pathfinder import CELL_M, PathFinder
from placecell.perception.encoders import open_encoder
from placecell.perception.observation import Observation
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

__all__ = ["JUDGING", "run", "summary"]

JUDGING: Final = 3_000_100
_MAX_STEPS: Final = 600
_SIZE: Final = 256
_LOOK_EVERY: Final = 5  # steps between pictures that are encoded
_DOOR_M: Final = 0.7
_SAME_ROOM: Final = 0.5  # intersection over union


@dataclass(frozen=True, slots=True)
class _Share:
    """Right ones of so many, in one house."""

    right: float
    of: float


def run(
    seed: int = 0,
    num_rows: int = 16,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    encoder: str = "builtin",
) -> dict[str, Any]:
    """Walk through houses, map them, compare with the truth.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses.
        peers: Not used.
        say: Takes one line per house.
        encoder: Names rooms by pictures.
    """
    first = seed or JUDGING
    looker_of = open_encoder(encoder)
    houses = []
    for number in range(first, first + num_rows):
        houses.append(_judge(number, looker_of))
        say(f"house {number}: " + ", ".join(f"{k} {v.right:.0f}/{v.of:.0f}" for k, v in houses[-1][0].items()))
    group = np.arange(num_rows)
    result: dict[str, Any] = {
        "seeds": [first, first + num_rows - 1],
        "houses": num_rows,
        "encoder": looker_of.name,
        "steps": int(sum(row[1]["steps"] for row in houses)),
    }
    for name in houses[0][0]:
        right = np.array([row[0][name].right for row in houses])
        of = np.array([row[0][name].of for row in houses])
        result[name] = interval(group, _ratio(right, of), of > 0)
        result[name]["of"] = int(of.sum())
    for name in ("fold_ms", "frontiers_ms", "rooms_ms"):
        result[name] = mean(group, [row[1][name] for row in houses])
        result[name]["worst"] = round(max(row[1][name + "_p99"] for row in houses), 2)
    return result


def _ratio(right: np.ndarray, of: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda rows: float(right[rows].sum() / of[rows].sum()) if of[rows].sum() else 1.0


def _judge(seed: int, encoder: Any) -> tuple[dict[str, _Share], dict[str, float]]:
    house = House.generate(seed)
    env = HouseEnv(house, resolution=(_SIZE, _SIZE), max_steps=_MAX_STEPS + 1)
    walk, floor = _Walk(), np.argwhere(house.free)
    points = np.stack([(floor[:, 1] + 0.5) * CELL_M, np.zeros(len(floor)), (floor[:, 0] + 0.5) * CELL_M], axis=1)
    shown = np.zeros(len(floor), bool)
    experience = Experience(cast(Any, walk), env.camera)
    observation, info = env.reset(seed=seed)

    def watch(sensed: Sensed, decision: Decision, info: Mapping[str, Any]) -> None:
        nonlocal shown
        shown |= in_view(points, sensed.depth_m, env.camera, sensed.pose)

    pursue(env, Explorer(), experience, None, experience.observe(observation, info), info, _MAX_STEPS, watch)
    looker = Looker(encoder)
    vectors: dict[RecordId, np.ndarray] = {}
    for start in range(0, len(walk.pictures), 16):
        ids = list(walk.pictures)[start : start + 16]
        block = encoder.encode_images(np.stack([walk.pictures[record_id] for record_id in ids]))
        vectors.update(zip(ids, np.asarray(block, np.float32), strict=True))
    walk.spent["rooms_ms"].append(_ms(walk.places.rooms))
    figures = _floor_figures(house, walk.places.floors[0], floor[shown])
    figures |= _room_figures(house, walk.places, _namer(looker, vectors))
    costs = {name: float(np.median(values)) for name, values in walk.spent.items()}
    costs |= {name + "_p99": float(np.percentile(values, 99)) for name, values in walk.spent.items()}
    return figures, costs | {"steps": float(len(walk.spent["fold_ms"]))}


class _Walk:
    """A memory that keeps nothing but the map, and takes the time of it."""

    def __init__(self) -> None:
        self.places = Places()
        self.pictures: dict[RecordId, np.ndarray] = {}
        self.spent: dict[str, list[float]] = {"fold_ms": [], "frontiers_ms": [], "rooms_ms": []}

    def observe(self, seen: Observation) -> list[RecordId]:
        """Fold one observation into the map and look for frontiers."""
        assert seen.camera is not None and seen.depth_m is not None
        number = len(self.spent["fold_ms"])
        scene = Scene.of(seen.camera, scan=Scan.from_depth(seen.depth_m, seen.camera))
        record = Record(seen.agent_id, number, "moment", seen.stamp_s, seen.stamp_s, pose=seen.pose, scene=scene)
        self.spent["fold_ms"].append(_ms(lambda: self.places.fold(record)))
        self.spent["frontiers_ms"].append(_ms(self.places.frontiers))
        if number % _LOOK_EVERY == 0 and seen.rgb is not None:
            self.pictures[record.record_id] = seen.rgb
        return [record.record_id]


def _ms(call: Callable[[], object]) -> float:
    """Milliseconds of this thread on the processor, which other processes do not lengthen."""
    start = time.thread_time()
    call()
    return (time.thread_time() - start) * 1e3


def _namer(looker: Looker, vectors: Mapping[RecordId, np.ndarray]) -> Namer:
    def name(record_ids: Sequence[RecordId]) -> dict[str, float]:
        near = [vectors[record_id] for record_id in record_ids if record_id in vectors]
        return dict(looker.rooms(np.stack(near))) if near else {}

    return name


def _on_grid(house: House, grid: Bool[np.ndarray, "r c"], floor: Floor) -> Bool[np.ndarray, "rows columns"]:
    """A grid of the house on that of the map."""
    rows, columns = floor.free.shape
    row, column = round(floor.origin_m[1] / CELL_M), round(floor.origin_m[0] / CELL_M)
    r, c = np.arange(rows) + row, np.arange(columns) + column
    inside = ((r >= 0) & (r < grid.shape[0]))[:, None] & ((c >= 0) & (c < grid.shape[1]))
    picked = grid[np.clip(r, 0, grid.shape[0] - 1)][:, np.clip(c, 0, grid.shape[1] - 1)]
    return np.asarray(inside & picked)


def _floor_figures(house: House, floor: Floor, shown: np.ndarray) -> dict[str, _Share]:
    true = _on_grid(house, house.free, floor)
    in_rooms = np.zeros_like(house.free)
    boxes = [(room.x0, room.z0, room.x1, room.z1) for room in house.rooms]
    for x0, z0, x1, z1 in boxes + [(door.x0, door.z0, door.x1, door.z1) for door in house.plan.doors]:
        in_rooms[round(z0 / CELL_M) : round(z1 / CELL_M), round(x0 / CELL_M) : round(x1 / CELL_M)] = True
    in_rooms |= house.free
    seen = np.zeros_like(house.free)
    seen[shown[:, 0], shown[:, 1]] = True
    seen = _on_grid(house, seen, floor)
    finder = house.pathfinder()
    main = finder.islands == finder.largest_island
    where = floor.free.nonzero()
    stand = _on_grid(house, main, floor)
    own = PathFinder(floor.free, finder.agent_radius_m, floor.origin_m).navigable
    count = len(where[0])
    return {
        "free_precision": _Share(float((floor.free & true).sum()), count),
        "free_precision_but_boxes": _Share(float((floor.free & _on_grid(house, in_rooms, floor)).sum()), count),
        "free_recall": _Share(float((floor.free & seen).sum()), float(seen.sum())),
        "stand_precision": _Share(float((own & stand).sum()), float(own.sum())),
        "stand_recall": _Share(float((own & stand).sum()), float(stand.sum())),
    }


def _room_figures(house: House, places: Places, namer: Namer) -> dict[str, _Share]:
    floor = places.floors[0]
    things = [_as_seen(house, thing) for thing in house.objects]
    by_things = places.rooms(things)
    by_views = {room.room_id: room.name for room in places.rooms(namer=namer)}
    by_both = {room.room_id: room.name for room in places.rooms(things, namer)}
    pairs = _matched(house, floor, by_things)
    doors, found = [np.array(door.centre) for door in house.plan.doors], [d.position_m[[0, 2]] for d in places.doors()]
    hits = _paired(doors, found)
    return {
        "rooms_matched": _Share(len(pairs), len(house.rooms)),
        "rooms_right": _Share(len(pairs), len(by_things)),
        "names_by_true_things": _Share(sum(r.name == t for t, r in pairs), len(pairs)),
        "names_by_views": _Share(sum(by_views[r.room_id] == t for t, r in pairs), len(pairs)),
        "names_by_both": _Share(sum(by_both[r.room_id] == t for t, r in pairs), len(pairs)),
        "doors_recall": _Share(hits, len(doors)),
        "doors_precision": _Share(hits, len(found)),
    }


def _as_seen(house: House, thing: Any) -> SceneObject:
    """A true thing as the object map would tell of it (privileged)."""
    low, high, middle = ((float(v[0]), float(v[1]), float(v[2])) for v in (thing.low_m, thing.high_m, thing.centre_m))
    labels, name = ((thing.category, 1.0),), thing.category
    return SceneObject(
        f"robot:{thing.id}", "robot", name, labels, None, middle, low, high, 1, 1.0, 0.0, 0.0, "here", 0.0, (), (), True
    )


def _matched(house: House, floor: Floor, rooms: Sequence[Room]) -> list[tuple[str, Room]]:
    """True types with the rooms of the map that overlap them by half or more of their union."""
    rows, columns = np.indices(floor.free.shape)
    x = (columns + 0.5) * CELL_M + floor.origin_m[0]
    z = (rows + 0.5) * CELL_M + floor.origin_m[1]
    pairs = []
    for true in house.rooms:
        box = (x > true.x0) & (x < true.x1) & (z > true.z0) & (z < true.z1)
        shares = [float((room.mask & box).sum() / (room.mask | box).sum()) for room in rooms]
        if shares and max(shares) >= _SAME_ROOM:
            pairs.append((true.type, rooms[int(np.argmax(shares))]))
    return pairs


def _paired(true: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> int:
    """How many points can be paired within reach, nearest first."""
    near = sorted((float(np.hypot(*(a - b))), i, j) for i, a in enumerate(true) for j, b in enumerate(found))
    left, right = set(range(len(true))), set(range(len(found)))
    count = 0
    for metres, i, j in near:
        if metres <= _DOOR_M and i in left and j in right:
            left.remove(i)
            right.remove(j)
            count += 1
    return count


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    titles = {
        "free_precision": "free floor, precision (the boxes of things count as blocked)",
        "free_precision_but_boxes": "free floor that lies in rooms, boxes of things let be",
        "free_recall": "free floor, recall of what was in view within 5 m",
        "stand_precision": "where an agent of 0.18 m can stand, precision",
        "stand_recall": "where it can stand, recall of the whole house",
        "rooms_matched": f"true rooms matched (intersection over union >= {_SAME_ROOM})",
        "rooms_right": "rooms of the map that match a true one",
        "names_by_true_things": "names of matched rooms right, from the true things (privileged)",
        "names_by_views": "names right, from pictures alone",
        "names_by_both": "names right, from both (privileged)",
        "doors_recall": f"doors found within {_DOOR_M} m",
        "doors_precision": "doors of the map that are doors",
    }
    lines = [
        f"{result['houses']} houses, seeds {result['seeds'][0]} to {result['seeds'][1]}, {result['steps']} steps of an "
        f"explorer; depth and pose are exact; encoder {result['encoder']}"
    ]
    lines += [f"{title:68}{shown(result[key]):>24}  of {result[key]['of']}" for key, title in titles.items()]
    for key, title in (
        ("fold_ms", "a fold"),
        ("frontiers_ms", "frontiers after it"),
        ("rooms_ms", "rooms"),
    ):
        row = f"{title + ', ms of processor time (and p99 of the worst house)':68}{shown(result[key], digits=1):>24}"
        lines.append(f"{row}  {result[key]['worst']}")
    return "\n".join(lines)
