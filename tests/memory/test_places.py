"""The place map against houses whose floor is known, and against rooms made by hand."""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from placecell.envs.floorplan import Room as TrueRoom
from placecell.envs.house import Action, House, HouseEnv, tour
from placecell.geometry import Camera, pose_from
from placecell.memory.object_states import SceneObject
from placecell.memory.places import Floor, Places
from placecell.memory.records import Record
from placecell.memory.room_names import view_namer
from placecell.memory.rooms import cut_rooms
from placecell.pathfinder import CELL_M
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

CAMERA = Camera(96, 96)


def record(
    seq: int, pose: np.ndarray | None, depth_m: np.ndarray | None, agent_id: str = "robot", stamp_s: float | None = None
) -> Record:
    scan = None if depth_m is None else Scan.from_depth(depth_m.astype(np.float32), CAMERA)
    return Record(
        agent_id,
        seq,
        "moment",
        float(seq) if stamp_s is None else stamp_s,
        float(seq),
        pose=pose,
        scene=Scene.of(CAMERA, scan=scan),
    )


def box_depth(pose: np.ndarray, low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """Depth of the inside of a box, by hand: where each ray leaves it."""
    rays = CAMERA.directions().astype(np.float64) @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        leave = np.where(rays > 0, (np.array(high) - pose[:3, 3]) / rays, (np.array(low) - pose[:3, 3]) / rays)
    return leave.min(axis=-1)


def turn_around(
    x: float,
    z: float,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    first: int = 0,
    y: float = 1.0,
) -> Iterator[Record]:
    for i in range(12):
        pose = pose_from(np.array([x, low[1] + 1.0, z]), i * math.pi / 6)
        yield record(first + i, pose, box_depth(pose, low, high))


def true_on(house: House, floor: Floor) -> np.ndarray:
    rows, columns = floor.free.shape
    row, column = round(floor.origin_m[1] / CELL_M), round(floor.origin_m[0] / CELL_M)
    r, c = np.arange(rows) + row, np.arange(columns) + column
    inside = ((r >= 0) & (r < house.free.shape[0]))[:, None] & ((c >= 0) & (c < house.free.shape[1]))
    return inside & house.free[np.clip(r, 0, house.free.shape[0] - 1)][:, np.clip(c, 0, house.free.shape[1] - 1)]


@pytest.fixture(scope="module")
def walk() -> tuple[House, list[Record]]:
    house = House.generate(11, 5)
    env = HouseEnv(house, resolution=(96, 96), max_steps=10_000)
    seen, _ = env.reset(seed=1)
    records = [record(0, seen["pose"], seen["depth"])]
    for action in islice(tour(env), 90):
        seen = env.step(np.int64(action))[0]
        records.append(record(len(records), seen["pose"], seen["depth"]))
    return house, records


def test_a_bare_room_is_mapped_to_the_cell() -> None:
    places = Places()
    for seen in turn_around(2.0, 1.5, (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)):
        places.fold(seen)
    (floor,) = places.floors
    assert floor.height_m == pytest.approx(0.0, abs=0.01)
    assert floor.free.sum() == pytest.approx(80 * 60, rel=0.01)
    rows, columns = np.nonzero(floor.free)
    x, z = floor.origin_m
    assert columns.min() * CELL_M + x == pytest.approx(0.0, abs=0.051)
    assert columns.max() * CELL_M + x == pytest.approx(3.95, abs=0.051)
    assert rows.min() * CELL_M + z == pytest.approx(0.0, abs=0.051)
    assert places.frontiers() == []


def test_one_look_leaves_a_frontier_with_its_glimpse() -> None:
    places = Places()
    first = next(turn_around(2.0, 1.5, (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)))
    places.fold(first)
    frontiers = places.frontiers()
    finder = places.pathfinder()
    assert frontiers and all(finder.is_navigable(frontier.position_m) for frontier in frontiers)
    assert all(frontier.glimpse in (None, first.record_id) for frontier in frontiers)
    assert any(frontier.glimpse == first.record_id for frontier in frontiers)
    # The agent looks along -z: what it does not know lies to its sides and behind it, none of it straight ahead.
    assert all(math.cos(frontier.direction_rad) < 0.75 for frontier in frontiers)
    for frontier in frontiers:
        if frontier.glimpse_box is not None:
            left, top, right, bottom = frontier.glimpse_box
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def test_frontiers_keep_their_names_from_look_to_look() -> None:
    places = Places()
    looks = list(turn_around(4.0, 3.0, (0.0, 0.0, 0.0), (8.0, 2.5, 6.0)))
    places.fold(looks[0])
    before = {frontier.frontier_id: frontier for frontier in places.frontiers()}
    places.fold(record(99, looks[0].pose, None))  # nothing new
    assert {frontier.frontier_id for frontier in places.frontiers()} == set(before)
    places.fold(looks[1])
    after = {frontier.frontier_id: frontier for frontier in places.frontiers()}
    kept = set(before) & set(after)
    assert kept
    assert all(np.linalg.norm(before[k].middle_m - after[k].middle_m) <= 1.0 for k in kept)
    assert all(after[k].first_s <= before[k].first_s for k in kept)


def test_the_floor_of_a_house_is_found(walk: tuple[House, list[Record]]) -> None:
    house, records = walk
    places = Places()
    for seen in records:
        places.fold(seen)
    (floor,) = places.floors
    true = true_on(house, floor)
    known = floor.free | floor.occupied
    assert (floor.free & true).sum() / (known & true).sum() > 0.95
    assert (floor.free & true).sum() / floor.free.sum() > 0.88


def test_order_between_agents_does_not_matter(walk: tuple[House, list[Record]]) -> None:
    _, records = walk
    records, half = records[:60], 30
    streams = [
        [record(i, r.pose, None if r.scan is None else r.scan.depth_m, name, r.stamp_s) for i, r in enumerate(part)]
        for name, part in (("a", records[:half]), ("b", records[half:]))
    ]
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(2):
        places, queues = Places(), [list(stream) for stream in streams]
        while any(queues):
            pick = int(rng.integers(2))
            if queues[pick]:
                places.fold(queues[pick].pop(0))
        maps.append(places)
    (one,), (other,) = (places.floors for places in maps)
    assert one.origin_m == other.origin_m and one.height_m == other.height_m
    assert np.array_equal(one.free, other.free) and np.array_equal(one.occupied, other.occupied)
    shown = [[(f.position_m.tolist(), f.glimpse, f.glimpse_box) for f in places.frontiers()] for places in maps]
    assert shown[0] == shown[1]


def test_what_was_seen_last_wins() -> None:
    low, high = (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)
    places = Places()
    count = 0

    def look(wall_x: float) -> None:
        nonlocal count
        for seen in turn_around(1.0, 1.5, low, (wall_x, high[1], high[2]), count):
            places.fold(seen)
            count += 1

    def free_at(x: float) -> bool:
        floor = places.floors[0]
        return bool(floor.free[floor.cell(x, 1.5)])

    look(2.5)
    assert free_at(2.0) and not free_at(3.0)
    for _ in range(3):
        look(4.0)
    assert free_at(2.52) and free_at(3.0)
    for _ in range(3):
        look(2.5)
    assert not free_at(2.52)


def test_a_second_floor_is_another_floor() -> None:
    places, count = Places(), 0
    for height in (0.0, 2.9):
        for seen in turn_around(2.0, 1.5, (0.0, height, 0.0), (4.0, height + 2.5, 3.0), count):
            places.fold(seen)
            count += 1
    lower, upper = places.floors
    assert (lower.height_m, upper.height_m) == (pytest.approx(0.0, abs=0.01), pytest.approx(2.9, abs=0.01))
    assert lower.free.sum() == pytest.approx(4800, rel=0.01) and upper.free.sum() == pytest.approx(4800, rel=0.01)
    assert places.pathfinder(floor=1).height_m == pytest.approx(2.9, abs=0.01)
    assert places.pathfinder().height_m == pytest.approx(2.9, abs=0.01)  # of the agent's own floor


def test_a_hall_below_is_not_the_floor_of_the_gallery() -> None:
    places = Places()
    for i in range(12):
        pose = pose_from(np.array([2.0, 3.9, 1.5]), i * math.pi / 6)
        gallery, hall = (box_depth(pose, (0.0, y, 0.0), (9.0, 6.0, 3.0)) for y in (2.9, 0.0))
        points = pose[:3, 3] + (CAMERA.directions() * gallery[..., None]) @ pose[:3, :3].T
        depth = np.where((points[..., 0] > 3.0) & (points[..., 1] < 2.95), hall, gallery)
        places.fold(record(i, pose, depth))
    (floor,) = places.floors
    assert floor.height_m == pytest.approx(2.9, abs=0.02)
    assert floor.free[floor.cell(2.5, 0.8)] and floor.occupied[floor.cell(4.5, 1.5)]


def test_records_that_say_nothing_change_nothing() -> None:
    places = Places()
    pose = pose_from(np.array([1.0, 1.0, 1.0]), 0.0)
    for number, (where, depth) in enumerate(
        [
            (None, np.ones((96, 96))),
            (pose, None),
            (pose, np.zeros((96, 96))),
            (pose, np.full((96, 96), np.nan)),
            (np.full((4, 4), np.nan), np.ones((96, 96))),
        ]
    ):
        places.fold(record(number, where, depth))
    assert places.version == 0 and places.floors == [] and places.frontiers() == []
    with pytest.raises(ValueError, match="floor must be one of the 0 known floors"):
        places.pathfinder()


def test_a_pose_that_jumps_smears_nothing() -> None:
    places = Places()
    looks = list(turn_around(2.0, 1.5, (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)))
    for seen in looks[:6]:
        places.fold(seen)
    before = int(places.floors[0].free.sum())
    far = pose_from(np.array([2e6, 1.0, 1.0]), 0.0)
    places.fold(record(50, far, box_depth(far, (2e6 - 2, 0.0, 0.0), (2e6 + 2, 2.5, 3.0))))
    assert int(places.floors[0].free.sum()) == before
    for seen in looks[6:]:
        places.fold(seen)
    assert places.floors[0].free.sum() == pytest.approx(4800, rel=0.01)


@pytest.mark.slow
def test_a_walk_by_frontiers_ends_with_the_whole_floor() -> None:
    house = House.generate(5, 5)
    env = HouseEnv(house, resolution=(96, 96), max_steps=10_000)
    seen, _ = env.reset(seed=0)
    places, count = Places(), 0
    for _ in range(60):  # teleporting: the map is under test, not the walking
        for _ in range(12):
            places.fold(record(count, seen["pose"], seen["depth"]))
            count += 1
            seen = env.step(Action.TURN_LEFT)[0]
        frontiers = places.frontiers()
        if not frontiers:
            break
        seen, _ = env.reset(options={"position": env.pathfinder.snap_point(frontiers[0].position_m)})
    (floor,) = places.floors
    true = true_on(house, floor)
    assert (floor.free & true).sum() / true.sum() > 0.9


def thing(object_id: str, name: str, position_m: tuple[float, float, float], state: str = "here") -> SceneObject:
    half = np.array([0.2, 0.2, 0.2])
    low, high = (tuple((np.array(position_m) + side * half).tolist()) for side in (-1, 1))
    return SceneObject(
        object_id,
        "robot",
        name,
        ((name, 1.0),),
        None,
        position_m,
        low,
        high,
        3,
        1.0,
        0.0,
        1.0,
        state,
        0.0,
        (),
        (),
        False,
    )


def room_under(house: House, seen: Record) -> TrueRoom | None:
    assert seen.position_m is not None
    return house.room_at(seen.position_m[0], seen.position_m[2])


def test_rooms_and_doors_of_a_plan_are_found(walk: tuple[House, list[Record]]) -> None:
    house, _ = walk
    free = np.pad(house.free, 20)
    inside = np.zeros_like(free)
    for room in house.rooms:
        rows, columns = (
            slice(round(a / CELL_M) + 20, round(b / CELL_M) + 20) for a, b in ((room.z0, room.z1), (room.x0, room.x1))
        )
        inside[rows, columns] = True
    for door in house.plan.doors:
        rows, columns = (
            slice(round(a / CELL_M) + 20, round(b / CELL_M) + 20) for a, b in ((door.z0, door.z1), (door.x0, door.x1))
        )
        inside[rows, columns] = True
    cut = cut_rooms(free, inside & ~free, ~inside)
    assert int(cut.labels.max()) == len(house.rooms)
    for room in house.rooms:
        label = cut.labels[round(room.centre[1] / CELL_M) + 20, round(room.centre[0] / CELL_M) + 20]
        assert (cut.labels == label).sum() * CELL_M**2 == pytest.approx(room.area_m2, rel=0.1)
    assert len(cut.doors) == len(house.plan.doors)
    for door in house.plan.doors:
        gaps = [
            math.hypot((c - 20 + 0.5) * CELL_M - door.centre[0], (r - 20 + 0.5) * CELL_M - door.centre[1])
            for _, (r, c), _ in cut.doors
        ]
        assert min(gaps) < 0.3


def test_rooms_of_a_walk_carry_their_things_and_names(walk: tuple[House, list[Record]]) -> None:
    house, records = walk
    places = Places()
    for seen in records:
        places.fold(seen)
    visited = {room_under(house, r) for r in records}
    things = [
        thing(f"robot:{o.id}", o.category, tuple(o.centre_m.tolist()))
        for o in house.objects
        if house.rooms[o.room_id] in visited
    ]
    rooms = places.rooms(things)
    room = places.room_at(records[-1].position_m, things)
    true = room_under(house, records[-1])
    assert room is not None and true is not None and room.name == true.type
    held = {name for room in rooms for name in room.object_ids}
    assert len(held) >= 0.9 * len(things)
    assert {r.room_id for r in places.rooms()} == {r.room_id for r in rooms}
    assert all(r.mask.shape == places.floors[0].free.shape and r.area_m2 > 0.4 for r in rooms)
    graph = places.graph(things)
    kinds = {graph.nodes[node]["kind"] for node in graph}
    assert kinds >= {"floor", "room", "door", "object"}
    for door in places.doors():
        assert set(graph[door.door_id]) == set(door.rooms)
    for name in held:
        assert [graph.edges[name, other]["relation"] for other in graph[name]] == ["contains"]
    assert places.room_at((500.0, 0.0, 500.0)) is None and places.room_at((1.0, -9.0, 1.0)) is None
    assert 0.2 < places.seen_share() < 1.0


def test_a_thing_that_is_gone_names_no_room() -> None:
    places = Places()
    for seen in turn_around(2.0, 1.5, (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)):
        places.fold(seen)
    assert [room.name for room in places.rooms()] == ["room"]
    assert [room.name for room in places.rooms([thing("robot:1", "red bed", (1.0, 0.3, 1.0))])] == ["bedroom"]
    assert [room.name for room in places.rooms([thing("robot:1", "bed", (1.0, 0.3, 1.0), "gone")])] == ["room"]
    texts = {"kitchen": np.array([1.0, 0.0], np.float32), "bathroom": np.array([0.0, 1.0], np.float32)}
    namer = view_namer(lambda record_id: np.array([0.1, 0.9], np.float32), texts)
    assert [room.name for room in places.rooms(namer=namer)] == ["bathroom"]


def test_stairs_tie_floors_that_an_agent_walked_between() -> None:
    places, count = Places(), 0
    for seen in turn_around(2.0, 1.5, (0.0, 0.0, 0.0), (4.0, 2.5, 3.0)):
        places.fold(seen)
        count += 1
    for height in np.arange(0.2, 2.9, 0.2):  # up, with nothing but a wall in view
        pose = pose_from(np.array([2.0, 1.0 + height, 1.5]), 0.0)
        places.fold(record(count, pose, np.full((96, 96), 1.0)))
        count += 1
    for seen in turn_around(2.0, 1.5, (0.0, 2.9, 0.0), (4.0, 5.4, 3.0), count):
        places.fold(seen)
    graph = places.graph()
    assert graph.edges["floor:0", "floor:1"]["relation"] == "stairs"
