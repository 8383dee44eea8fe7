"""The object map in a world of boxes, whose views are cast ray by ray."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.geometry import Camera, look_at, unproject
from placecell.memory.emptiness import KeyViews, gaze
from placecell.memory.object_states import SceneObject
from placecell.memory.objects import ObjectMap
from placecell.memory.records import Record
from placecell.memory.track import KEPT_VIEWS
from placecell.perception.detection import NUM_IDENTITY, Detection, lift
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

CAMERA = Camera.from_degrees(96, 96, 90.0)
ROOM = (np.array([-3.0, 0.0, -3.0]), np.array([3.0, 2.6, 3.0]))
SPOTS = {"a": (-1.5, 0.3, -1.5), "b": (1.5, 0.3, -1.5), "c": (1.5, 0.3, 1.5), "d": (-1.5, 0.3, 1.5)}


@dataclass(frozen=True)
class Thing:
    name: str
    at: tuple[float, float, float]
    size: tuple[float, float, float] = (0.5, 0.6, 0.5)
    rgb: tuple[int, int, int] | None = None
    look: str | None = None  # its name's, if none is given
    identity: int | None = None

    @property
    def low(self) -> np.ndarray:
        return np.array(self.at) - np.array(self.size) / 2

    @property
    def high(self) -> np.ndarray:
        return np.array(self.at) + np.array(self.size) / 2

    @property
    def vector(self) -> np.ndarray:
        """One direction per look."""
        vector = np.random.default_rng(list((self.look or self.name).encode())).normal(size=32) + 0.3
        return (vector / np.linalg.norm(vector)).astype(np.float16)


def record(
    seq: int,
    pose: np.ndarray | None,
    found: list[Detection] = (),
    scan: Scan | None = None,
    agent_id: str = "robot",
    stamp_s: float | None = None,
) -> Record:
    stamp_s = float(seq) if stamp_s is None else stamp_s
    return Record(agent_id, seq, "moment", stamp_s, stamp_s, pose=pose, scene=Scene.of(CAMERA, found, scan))


def cast(pose: np.ndarray, things: list[Thing]) -> tuple[np.ndarray, np.ndarray]:
    """Planar depth, and the number of the thing that each pixel shows, -1 for the room."""
    towards = CAMERA.directions().astype(float).reshape(-1, 3) @ pose[:3, :3].T
    towards = np.where(np.abs(towards) < 1e-9, 1e-9, towards)
    eye = pose[:3, 3]
    depth = np.maximum((ROOM[0] - eye) / towards, (ROOM[1] - eye) / towards).min(axis=1)
    owner = np.full(len(depth), -1)
    for number, thing in enumerate(things):
        near, far = (thing.low - eye) / towards, (thing.high - eye) / towards
        enter, leave = np.minimum(near, far).max(axis=1), np.maximum(near, far).min(axis=1)
        hit = (enter < leave) & (enter > 0) & (enter < depth)
        depth[hit], owner[hit] = enter[hit], number
    shape = CAMERA.height, CAMERA.width
    return depth.reshape(shape).astype(np.float32), owner.reshape(shape)


def view(
    seq: int,
    pose: np.ndarray,
    things: list[Thing],
    agent_id: str = "robot",
    stamp_s: float | None = None,
    more: tuple[Detection, ...] = (),
) -> Record:
    depth, owner = cast(pose, things)
    points = unproject(depth, CAMERA, pose)
    found = [_found(thing, owner == i, points) for i, thing in enumerate(things)]
    scan = Scan.from_depth(depth, CAMERA)
    return record(seq, pose, [*(d for d in found if d), *more], scan, agent_id, stamp_s)


def _found(thing: Thing, mask: np.ndarray, points: np.ndarray) -> Detection | None:
    picture = None if thing.rgb is None else np.full((*mask.shape, 3), thing.rgb, np.uint8)
    identity = None if thing.identity is None else 5 * np.eye(NUM_IDENTITY)[thing.identity]
    return lift(mask, points, thing.vector, ((thing.name, 0.9),), rgb=picture, identity=identity)


@cache
def _trip(things: tuple[Thing, ...], first_seq: int, start_s: float, agent_id: str, spots: int) -> tuple[Record, ...]:
    return tuple(_views(list(things), first_seq, start_s, agent_id, spots))


def round_trip(
    things: list[Thing], first_seq: int = 0, start_s: float = 0.0, agent_id: str = "robot", spots: int = 8
) -> list[Record]:
    """Views from a circle around the middle of the room, each looking across it."""
    return list(_trip(tuple(things), first_seq, start_s, agent_id, spots))


def _views(things: list[Thing], first_seq: int, start_s: float, agent_id: str, spots: int) -> list[Record]:
    views: list[Record] = []
    for i in range(spots):
        angle = 2 * math.pi * i / spots
        eye = np.array([0.8 * math.cos(angle), 1.2, 0.8 * math.sin(angle)])
        for turn in (-0.8, 0.8):
            to = np.array([math.cos(angle + math.pi + turn), -0.45, math.sin(angle + math.pi + turn)])
            seq = first_seq + len(views)
            views.append(view(seq, look_at(eye, eye + to), things, agent_id, start_s + len(views)))
    return views


def mapped(*views: list[Record]) -> ObjectMap:
    found = ObjectMap()
    for seen in (seen for part in views for seen in part):
        found.fold(seen)
    return found


def told(things: list[SceneObject]) -> list[tuple[str, str, tuple[float, ...]]]:
    return sorted((thing.name, thing.state, tuple(round(x, 2) for x in thing.position_m)) for thing in things)


def furniture() -> list[Thing]:
    return [Thing("sofa", (0.0, 0.4, -2.5), (1.8, 0.8, 0.8)), Thing("table", (2.4, 0.35, 0.0), (0.8, 0.7, 1.2)),
            Thing("chair", SPOTS["a"]), Thing("lamp", SPOTS["c"], (0.3, 0.6, 0.3))]  # fmt: skip


def test_every_thing_of_a_room_is_mapped_once_where_it_stands():
    things = furniture()
    found = mapped(round_trip(things)).objects()
    assert sorted(thing.name for thing in found) == sorted(thing.name for thing in things)
    for thing in things:
        (match,) = [candidate for candidate in found if candidate.name == thing.name]
        assert math.dist(match.position_m, thing.at) < 0.25
        assert match.state == "here" and match.num_sightings >= 3 and match.confidence > 0.7
        assert match.embedding @ thing.vector.astype(np.float32) > 0.99
        assert match.sightings and all(0 <= s.quality <= 1 for s in match.sightings)


def test_of_many_views_of_a_thing_the_best_are_told_and_the_newest():
    chair, at = [Thing("chair", SPOTS["a"])], np.array(SPOTS["a"])
    eyes = [np.array([x, 1.2, z]) for x in np.linspace(-0.4, 2.4, 10) for z in np.linspace(0.4, 2.4, 10)]
    views = [view(seq, look_at(eye, at), chair) for seq, eye in enumerate(eyes)]
    quality = {s.record_id: s.quality for half in (views[:50], views[50:]) for s in mapped(half).objects()[0].sightings}
    (match,) = mapped(views).objects()
    kept = {s.record_id for s in match.sightings}
    assert match.num_sightings == len(quality) == 100 and len(kept) == KEPT_VIEWS and views[-1].record_id in kept
    left_out = max(quality[key] for key in quality.keys() - kept)
    assert all(quality[key] >= left_out for key in kept - {views[-1].record_id})


def test_what_vanished_is_gone_what_came_is_new_and_what_stayed_stays():
    before = [*furniture(), Thing("ball", SPOTS["b"], (0.3, 0.3, 0.3))]
    after = [*furniture(), Thing("vase", SPOTS["d"], (0.3, 0.5, 0.3))]
    found = mapped(round_trip(before), round_trip(after, 100, 3600.0))
    states = {thing.name: thing.state for thing in found.objects()}
    assert states == {"sofa": "here", "table": "here", "chair": "here", "lamp": "here", "ball": "gone", "vase": "here"}
    assert sorted((change.kind, found.get(change.object_id).name) for change in found.changes()) == [
        ("gone", "ball"),
        ("new", "vase"),
    ]
    assert found.changes(since_s=1e6) == []


def test_a_thing_that_moved_keeps_its_identity_and_both_places():
    before = [*furniture(), Thing("ball", SPOTS["b"], (0.3, 0.3, 0.3))]
    after = [*furniture(), Thing("ball", SPOTS["d"], (0.3, 0.3, 0.3))]
    found = mapped(round_trip(before))
    (ball,) = [thing for thing in found.objects() if thing.name == "ball"]
    for seen in round_trip(after, 100, 3600.0):
        found.fold(seen)
    now = found.get(ball.object_id)
    assert now.state == "moved" and [stay.to_s is None for stay in now.stays] == [False, True]
    assert math.dist(now.stays[0].position_m, SPOTS["b"]) < 0.2 and math.dist(now.position_m, SPOTS["d"]) < 0.2
    (change,) = found.changes()
    assert (change.kind, change.object_id) == ("moved", ball.object_id) and change.stamp_s >= 3600
    (then,) = [thing for thing in found.objects(as_of=100.0) if thing.name == "ball"]
    assert then.state == "here" and math.dist(then.position_m, SPOTS["b"]) < 0.2


def overlooking(name: str, views: list[Record]) -> list[Record]:
    """Views in which no detection is of a name."""
    return [
        record(r.seq, r.pose, [d for d in r.detections if d.labels[0][0] != name], r.scan, stamp_s=r.stamp_s)
        for r in views
    ]


def test_what_no_view_told_apart_is_gone_and_linked_to_nothing():
    box = Thing("box", SPOTS["b"])
    views = overlooking("box", round_trip([*furniture(), box], spots=24))
    assert {d.labels[0][0] for r in views for d in r.detections} == {thing.name for thing in furniture()}
    later = round_trip([*furniture(), Thing("crate", SPOTS["d"])], len(views), 3600.0, spots=24)
    changes = {change.kind: change for change in mapped(views, later).changes()}
    assert set(changes) == {"gone", "new"}  # of one size, but that says too little
    assert math.dist(changes["gone"].before_m, box.at) < 0.2
    assert math.dist(changes["new"].after_m, SPOTS["d"]) < 0.2


def test_what_filled_is_told_as_new_unless_hardly_anything_speaks_for_it():
    before, crate = round_trip(furniture(), spots=24), Thing("crate", SPOTS["d"])
    after = round_trip([*furniture(), crate], len(before), 3600.0, spots=24)
    shown = [r.seq for r in after if any(d.labels[0][0] == "crate" for d in r.detections)]
    unsure = (("crate", 0.2), ("box", 0.1))
    for confidence, names, is_told in ((0.9, (("crate", 0.9),), True), (0.4, unsure, False)):
        doubtful = [
            record(r.seq, r.pose, [
                replace(d, confidence=confidence, labels=names) if d.labels[0][0] == "crate" else d
                for d in r.detections if d.labels[0][0] != "crate" or r.seq in shown[:2]
            ], r.scan, stamp_s=r.stamp_s)
            for r in after
        ]  # fmt: skip
        assert [change.kind for change in mapped(before, doubtful).changes()] == ["new"] * is_told


def test_the_rest_of_a_thing_that_left_is_not_told_as_another():
    jar, lid = Thing("jar", (1.5, 0.3, -1.5), (0.5, 0.5, 0.5)), Thing("lid", (1.5, 0.7, -1.5), (0.4, 0.3, 0.4))
    views = overlooking("lid", round_trip([*furniture(), jar, lid], spots=24))
    later = round_trip(furniture(), len(views), 3600.0, spots=24)
    (gone,) = mapped(views, later).changes()
    assert gone.kind == "gone" and math.dist(gone.before_m, jar.at) < 0.2


JAR = Thing("jar", (1.34, 0.3, -1.66), (0.3, 0.6, 0.3), (200, 160, 40), identity=1)
JUG = Thing("jar", (1.66, 0.3, -1.34), (0.3, 0.6, 0.3), (200, 160, 40), identity=1)  # as like as two peas


def one_at_a_time(views: list[Record]) -> list[Record]:
    """Views that show of what goes by one name now this and now that, never both."""
    shown = []
    for seen in views:
        jars = [d for d in seen.detections if d.labels[0][0] == "jar"]
        left_out = jars[seen.seq % 2 :: 2] if len(jars) > 1 else []
        kept = [d for d in seen.detections if d not in left_out]
        shown.append(record(seen.seq, seen.pose, kept, seen.scan, stamp_s=seen.stamp_s))
    return shown


@pytest.mark.parametrize("stays", [JAR, JUG])
def test_of_two_things_in_one_track_the_space_that_emptied_tells_which_one_left(stays):
    left = JUG if stays is JAR else JAR
    views = one_at_a_time(round_trip([*furniture(), JAR, JUG], spots=24))
    (both,) = [thing for thing in mapped(views).objects() if thing.name == "jar"]
    assert min(math.dist(both.position_m, at) for at in (JAR.at, JUG.at)) > 0.1  # taken for one
    elsewhere = replace(left, at=SPOTS["d"])
    after = mapped(views, round_trip([*furniture(), stays, elsewhere], len(views), 3600.0, spots=24))
    (moved,) = after.changes()
    assert moved.kind == "moved" and math.dist(moved.after_m, SPOTS["d"]) < 0.2
    assert math.dist(moved.before_m, left.at) < 0.1
    here, there = sorted((t for t in after.objects() if t.name == "jar"), key=lambda thing: thing.state)
    assert (here.state, there.state) == ("here", "moved") and math.dist(here.position_m, stays.at) < 0.1
    assert here.object_id != there.object_id and {here.object_id, there.object_id} <= after.touched(0)


def test_of_two_things_in_one_track_the_space_that_filled_tells_which_one_came():
    before = round_trip([*furniture(), JAR], spots=24)
    after = one_at_a_time(round_trip([*furniture(), JAR, JUG], len(before), 3600.0, spots=24))
    (new,) = mapped(before, after).changes()
    assert new.kind == "new" and math.dist(new.after_m, JUG.at) < 0.1


def test_of_two_things_that_changed_places_each_is_recognised():
    size = (0.3, 0.3, 0.3)
    before = [*furniture()[:2], Thing("ball", SPOTS["a"], size), Thing("vase", SPOTS["b"], size)]
    after = [*furniture()[:2], Thing("ball", SPOTS["c"], size), Thing("vase", SPOTS["d"], size)]
    found = mapped(round_trip(before), round_trip(after, 100, 3600.0))
    moved = {found.get(c.object_id).name: c for c in found.changes() if c.kind == "moved"}
    assert len(found.changes()) == 2
    assert math.dist(moved["ball"].after_m, SPOTS["c"]) < 0.2 and math.dist(moved["vase"].after_m, SPOTS["d"]) < 0.2


def test_of_two_vases_that_were_carried_off_the_colours_tell_which_is_where():
    red, blue = (200, 40, 40), (40, 40, 200)
    before = [Thing("vase", SPOTS["a"], rgb=red), Thing("vase", SPOTS["b"], rgb=blue)]
    for first, second in (("c", "d"), ("d", "c")):
        after = [Thing("vase", SPOTS[first], rgb=red), Thing("vase", SPOTS[second], rgb=blue)]
        changes = mapped(round_trip(before), round_trip(after, 100, 3600.0)).changes()
        assert [change.kind for change in changes] == ["moved", "moved"]
        for place, target in (("a", first), ("b", second)):
            (change,) = [c for c in changes if math.dist(c.before_m, SPOTS[place]) < 0.2]
            assert math.dist(change.after_m, SPOTS[target]) < 0.2


def test_of_two_vases_of_one_colour_that_were_carried_off_the_identities_tell_which_is_where():
    red = (200, 40, 40)
    before = [Thing("vase", SPOTS["a"], rgb=red, identity=1), Thing("vase", SPOTS["b"], rgb=red, identity=2)]
    for first, second in (("c", "d"), ("d", "c")):
        after = [
            Thing("jug", SPOTS[first], rgb=red, identity=1),  # what it is called changes with the side that one sees
            Thing("jug", SPOTS[second], rgb=red, identity=2),
        ]
        changes = mapped(round_trip(before), round_trip(after, 100, 3600.0)).changes()
        assert [change.kind for change in changes] == ["moved", "moved"]
        for place, target in (("a", first), ("b", second)):
            (change,) = [c for c in changes if math.dist(c.before_m, SPOTS[place]) < 0.2]
            assert math.dist(change.after_m, SPOTS[target]) < 0.2
    others = [Thing("vase", SPOTS["c"], rgb=red, identity=3), Thing("vase", SPOTS["d"], rgb=red, identity=4)]
    kinds = [change.kind for change in mapped(round_trip(before), round_trip(others, 100, 3600.0)).changes()]
    assert sorted(kinds) == ["gone", "gone", "new", "new"]


def test_a_thing_put_where_another_stood_is_told_from_it_by_its_colours():
    before, after = ([*furniture()[:2], Thing("vase", SPOTS["a"], (0.3, 0.5, 0.3), rgb)]
                     for rgb in ((200, 40, 40), (40, 40, 200)))  # fmt: skip
    found = mapped(round_trip(before), round_trip(after, 100, 3600.0))
    assert sorted(change.kind for change in found.changes()) == ["gone", "new"]
    assert sorted(thing.state for thing in found.objects() if thing.name == "vase") == ["gone", "here"]
    assert mapped(round_trip(before), round_trip(before, 100, 3600.0)).changes() == []


def test_a_thing_of_the_same_name_and_colours_put_where_another_stood_is_told_from_it_by_its_look():
    before, after = (
        [*furniture()[:2], Thing("kettle", SPOTS["b"], (0.3, 0.3, 0.3), (200, 40, 40), look)]
        for look in ("round", "square")
    )
    found = mapped(round_trip(before), round_trip(after, 100, 3600.0))
    assert sorted(change.kind for change in found.changes()) == ["gone", "new"]
    assert len({change.object_id for change in found.changes()}) == 2
    again = mapped(round_trip(before), round_trip(before, 100, 3600.0))
    assert again.changes() == []


def test_a_thing_of_another_identity_put_where_one_stood_is_told_from_it_and_one_of_its_own_is_not():
    kettle = Thing("kettle", SPOTS["b"], (0.3, 0.3, 0.3), (200, 40, 40), identity=1)
    other, turned = replace(kettle, identity=2), replace(kettle, look="square")
    before = round_trip([*furniture()[:2], kettle])
    kinds = [
        [change.kind for change in mapped(before, round_trip([*furniture()[:2], later], 100, 3600.0)).changes()]
        for later in (other, turned)
    ]
    assert sorted(kinds[0]) == ["gone", "new"] and kinds[1] == []


def test_a_thing_is_gone_when_a_larger_one_stands_in_its_place():
    before = [*furniture()[:2], Thing("ball", SPOTS["b"], (0.4, 0.4, 0.4), (200, 40, 40))]
    after = [*furniture()[:2], Thing("box", SPOTS["b"], (0.5, 0.6, 0.5), (40, 40, 200))]
    found = mapped(round_trip(before), round_trip(after, 100, 3600.0))
    assert sorted((change.kind, found.get(change.object_id).name) for change in found.changes()) == [
        ("gone", "ball"),
        ("new", "box"),
    ]


def test_a_thing_behind_another_is_not_gone():
    ball = Thing("ball", (0.0, 0.3, -2.5), (0.3, 0.3, 0.3))
    screen = Thing("wardrobe", (0.0, 0.8, -1.5), (2.0, 1.6, 0.3))
    eyes = [np.array([x, 0.8, 1.5]) for x in (-0.6, -0.3, 0.0, 0.3, 0.6)]
    found = ObjectMap()
    for i, eye in enumerate(eyes):
        found.fold(view(i, look_at(eye, np.array([0.0, 0.5, -2.5])), [ball]))
    for i, eye in enumerate(eyes):
        found.fold(view(10 + i, look_at(eye, np.array([0.0, 0.5, -2.5])), [screen], stamp_s=1000.0 + i))
    assert {thing.name: thing.state for thing in found.objects()}["ball"] == "here"


def test_one_empty_view_makes_the_map_unsure_and_seeing_it_again_sure():
    things = [*furniture(), Thing("ball", SPOTS["b"], (0.3, 0.3, 0.3))]
    found = mapped(round_trip(things))
    eye, target = np.array([0.0, 1.2, 0.0]), np.array(SPOTS["b"])
    found.fold(view(100, look_at(eye, target), things[:-1], stamp_s=1000.0))
    (ball,) = [thing for thing in found.objects() if thing.name == "ball"]
    assert (ball.state, ball.since_s) == ("unsure", 1000.0) and found.changes() == []
    found.fold(view(101, look_at(eye, target), things, stamp_s=1001.0))
    assert found.get(ball.object_id).state == "here"


def test_a_large_thing_seen_in_parts_is_one():
    sofa = [Thing("sofa", (0.0, 0.4, -2.4), (2.6, 0.8, 0.8))]
    found = ObjectMap()
    for i, x in enumerate((-1.6, -1.2, -0.4, 0.4, 1.2, 1.6)):
        eye = np.array([x, 1.0, -0.9])
        found.fold(view(i, look_at(eye, eye + (0.0, -0.3, -1.0)), sofa))
    (one,) = found.objects()
    assert one.size_m[0] > 2.3


def test_what_was_seen_once_and_badly_is_not_told():
    things = furniture()
    views = round_trip(things)
    ghost = Detection((0.4, 0.4, 0.5, 0.5), 30, (-0.5, 1.0, -0.5), (-0.3, 1.2, -0.3), (-0.4, 1.1, -0.4), None,
                      (("mug", 0.4),), 0.5)  # fmt: skip
    views[3] = record(3, views[3].pose, [*views[3].detections, ghost], views[3].scan)
    found = mapped(views)
    assert "mug" not in {thing.name for thing in found.objects()}


def test_answers_do_not_depend_on_how_agents_interleave():
    things = [*furniture(), Thing("ball", SPOTS["b"], (0.3, 0.3, 0.3))]
    a, b = round_trip(things, agent_id="a"), round_trip(furniture(), start_s=5000.0, agent_id="b")
    one, other = mapped(a, b), mapped([seen for pair in zip(b, a, strict=True) for seen in pair])
    assert told(one.objects()) == told(other.objects())
    assert [thing.object_id for thing in one.objects()] == [thing.object_id for thing in other.objects()]
    assert len(one.objects()) == len(things)  # what both saw is one thing


def test_the_same_records_give_the_same_map():
    views = round_trip(furniture())
    one, other = mapped(views), mapped(views)
    assert one.version == other.version and told(one.objects()) == told(other.objects())


def test_a_map_that_was_read_at_every_view_tells_what_one_read_at_the_end_tells():
    before = [Thing("vase", SPOTS["a"]), Thing("lamp", SPOTS["b"])]
    after = [Thing("vase", SPOTS["c"]), Thing("lamp", SPOTS["b"])]
    records = round_trip(before) + round_trip(after, first_seq=100, start_s=600.0)
    often, once = ObjectMap(), ObjectMap()
    for one in records:
        often.fold(one)
        once.fold(one)
        often.objects(as_of=300.0)
        often.objects()
    assert [repr(thing) for thing in often.objects()] == [repr(thing) for thing in once.objects()]
    assert often.changes() == once.changes() and often.changes()


def test_versions_tell_what_was_touched():
    found = mapped(round_trip(furniture()))
    ids, version = {thing.object_id for thing in found.objects()}, found.version
    assert ids <= found.touched(0) and found.touched(version) == set()
    eye = np.array([0.0, 1.2, 0.0])
    found.fold(view(100, look_at(eye, np.array(SPOTS["a"])), furniture()[2:3], stamp_s=100.0))
    assert found.version > version
    assert {found.get(i).name for i in found.touched(version) & ids} == {"chair"}


def test_bad_records_change_nothing():
    found = mapped(round_trip(furniture()))
    before = told(found.objects())
    blind = Scan.from_depth(np.zeros((96, 96), np.float32), CAMERA)
    holes = Scan.from_depth(np.full((96, 96), np.nan, np.float32), CAMERA)
    pose = look_at(np.array([0.0, 1.2, 0.0]), np.array(SPOTS["a"]))
    for i, bad in enumerate(
        (record(100, None), record(101, pose), record(102, pose, scan=blind), record(103, pose, scan=holes))
    ):
        found.fold(bad)
        assert told(found.objects()) == before, i
    jump = pose.copy()
    jump[:3, 3] += (300.0, 0.0, 0.0)  # for one record the agent believes to be elsewhere
    seen = view(104, pose, furniture(), stamp_s=104.0)
    found.fold(record(104, jump, list(seen.detections), seen.scan))
    assert told(found.objects()) == before


def test_a_pose_that_is_off_does_not_empty_the_room():
    found = mapped(round_trip(furniture()))
    for i, seen in enumerate(round_trip(furniture(), 100, 100.0)):
        shifted = seen.pose.copy()
        shifted[:3, 3] += (0.0, 1.0, 0.0)
        if i % 5 == 0:
            found.fold(record(seen.seq, shifted, [], seen.scan))
    assert "gone" not in {thing.state for thing in found.objects()}


def test_things_are_found_by_name_and_by_look():
    found = mapped(round_trip(furniture()))
    ((chair, chance),) = found.find("chair")
    assert chair.name == "chair" and 0.5 < chance <= 1
    by_look = found.find(vector=furniture()[3].vector.astype(np.float32), calibration=(40.0, -30.0), k=2)
    assert by_look[0][0].name == "lamp" and by_look[0][1] > 0.9 * by_look[0][0].confidence > by_look[1][1]
    assert found.find("unicorn") == []
    with pytest.raises(ValueError, match="neither"):
        found.find()


def test_an_unknown_id_names_nothing():
    assert ObjectMap().get("robot:7") is None and ObjectMap().resolve("robot:7") == "robot:7"


@settings(max_examples=30, deadline=None)
@given(
    at=st.tuples(st.floats(-2, 2), st.floats(0.2, 1.8), st.floats(-2.5, -1.5)),
    size=st.floats(0.2, 0.8),
    eye=st.tuples(st.floats(-1, 1), st.floats(0.5, 1.8), st.floats(0.5, 2)),
)
def test_a_gaze_meets_what_stands_there_and_passes_where_nothing_does(at, size, eye):
    thing = Thing("box", at, (size, size, size))
    pose = look_at(np.array(eye), np.array(at))
    box = thing.low[None], thing.high[None]
    full, empty = (gaze(Scan.from_depth(cast(pose, things)[0], CAMERA), pose, *box) for things in ([thing], []))
    inside = (thing.low >= ROOM[0]).all() and (thing.high <= ROOM[1]).all()
    if full.is_clear[0]:
        assert full.hits[0] > 0.9
    if empty.is_clear[0] and inside:
        assert empty.hits[0] < 0.1


def test_key_views_are_bounded_by_space_and_not_by_time():
    keys, pose = KeyViews(), look_at(np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, -2.0]))
    scan = Scan.from_depth(cast(pose, [])[0], CAMERA)
    for i in range(200):
        keys.add(100.0 * i, pose, scan)
    assert len(keys) == 2
    box = np.array([-0.2, 0.8, -2.2]), np.array([0.2, 1.2, -1.8])
    assert [stamp for stamp, _ in keys.before(1e9, *box)] == [19800.0, 19900.0]
    assert all(hits == 0 for _, hits in keys.before(1e9, *box)) and keys.before(0.0, *box) == []
