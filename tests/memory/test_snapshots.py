"""Snapshots: complete after any history, near the smallest cover, the same in whatever order things were seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from placecell.benchmarks.sightings import Sighting, SightingTable, Step, world_steps
from placecell.memory.covering import fewest, members
from placecell.memory.covisibility import CoVisibility
from placecell.memory.records import RecordId
from placecell.memory.snapshots import FLOOR, Snapshot, SnapshotCover


@dataclass(frozen=True)
class Thing:
    object_id: str
    sightings: tuple[Sighting, ...]
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Things:
    """The smallest map there can be."""

    def __init__(self) -> None:
        self.version = 0
        self.seen: dict[str, dict[RecordId, float]] = {}
        self._when: dict[str, int] = {}

    def change(self, name: str, views: dict[RecordId, float] | None) -> None:
        self.version += 1
        self._when[name] = self.version
        self.seen.pop(name, None)
        if views is not None:
            self.seen[name] = views

    def touched(self, since_version: int) -> set[str]:
        return {name for name, version in self._when.items() if version > since_version}

    def objects(self) -> list[Thing]:
        return [Thing(name, tuple(Sighting(*pair) for pair in views.items())) for name, views in self.seen.items()]


def view(number: int) -> RecordId:
    return RecordId("robot", number)


def judged(things: Things, cover: SnapshotCover, floor: float) -> list[Snapshot]:
    """The snapshots, after checking that each object is shown well by one, and that what they say is true."""
    snapshots = cover.snapshots()
    shown: set[str] = set()
    for snapshot in snapshots:
        qualities = [things.seen[name][snapshot.record_id] for name in snapshot.object_ids]
        assert snapshot.quality == pytest.approx(fsum(qualities) / len(qualities), abs=1e-5)
        for name, quality in zip(snapshot.object_ids, qualities, strict=True):
            assert quality >= floor * max(things.seen[name].values()) - 1e-6
        shown |= set(snapshot.object_ids)
    assert shown == {name for name, views in things.seen.items() if views}
    return snapshots


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.none() | st.dictionaries(st.integers(0, 9), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), max_size=5),
        st.booleans(),
    ),
    max_size=30,
)


@given(changes=CHANGES, floor=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_after_any_changes_the_cover_is_complete_and_the_same_as_one_made_at_once(
    changes: list[tuple[int, dict[int, float] | None, bool]], floor: float
) -> None:
    things = Things()
    cover = SnapshotCover(things, floor)
    for number, views, is_read in changes:
        things.change(f"robot:{number}", None if views is None else {view(v): q for v, q in views.items()})
        if is_read:
            judged(things, cover, floor)
    assert judged(things, cover, floor) == SnapshotCover(things, floor).snapshots()


@given(st.lists(st.integers(1, 2**7 - 1), min_size=1, max_size=9))
@settings(max_examples=100, deadline=None)
def test_small_covers_are_the_smallest(shown: list[int]) -> None:
    present = sorted({thing for objects in shown for thing in members(objects)})
    packed = [sum(1 << i for i, thing in enumerate(present) if objects >> thing & 1) for objects in shown]
    whole = (1 << len(present)) - 1

    def union(chosen: Iterable[int]) -> int:
        total = 0
        for number in chosen:
            total |= packed[number]
        return total

    least = next(
        size for size in range(1, len(packed) + 1)
        if any(union(chosen) == whole for chosen in combinations(range(len(packed)), size))
    )  # fmt: skip
    found = fewest(packed, len(present))
    assert union(found) == whole and len(found) == least


def test_large_covers_keep_the_bound_of_the_greedy_choice_and_need_no_view_twice() -> None:
    rng = np.random.default_rng(3)
    shown = [0] * 300
    for thing in range(200):
        for number in rng.integers(0, 300, 6).tolist():
            shown[number] |= 1 << thing
    found = fewest(shown, 200)
    left, greedy = (1 << 200) - 1, 0
    while left:
        best = max(shown, key=lambda objects: (objects & left).bit_count())
        left, greedy = left & ~best, greedy + 1
    total = 0
    for number in found:
        total |= shown[number]
    assert total == (1 << 200) - 1 and len(found) <= greedy


def test_among_covers_of_one_size_the_better_one_is_kept() -> None:
    things = Things()
    things.change("a", {view(1): 0.5, view(2): 0.9})
    things.change("b", {view(1): 0.5, view(2): 0.8})
    (found,) = judged(things, SnapshotCover(things), 0.0)
    assert found.record_id == view(2) and found.object_ids == ("a", "b")


def test_an_object_may_lean_on_more_than_one_view() -> None:
    things = Things()
    for name in "abc":
        things.change(name, {view(1): 0.5, view(ord(name)): 1.0})
    shared = SnapshotCover(things, worth=9.0)
    assert [snapshot.record_id for snapshot in shared.snapshots()] == [view(1)]
    rich = SnapshotCover(things, worth=0.4)
    found = judged(things, rich, 0.5)
    assert len(found) >= 3 and {1.0} == {max(s.quality for s in found if name in s.object_ids) for name in "abc"}


def test_a_change_leaves_other_rooms_as_they_are() -> None:
    things = Things()
    for number in range(40):
        things.change(f"robot:{number}", {view(number // 4): 0.9, view(100 + number // 2): 0.8})
    cover = SnapshotCover(things)
    before = cover.snapshots()
    things.change("robot:0", {view(500): 1.0})
    after = cover.snapshots()
    assert [s for s in before if "robot:1" not in s.object_ids] == [
        s for s in after if not {"robot:0", "robot:1"} & set(s.object_ids)
    ]


def test_a_world_grown_step_by_step_has_the_cover_of_the_whole() -> None:
    table = SightingTable()
    cover = SnapshotCover(table)
    for step in world_steps(5, num_objects=60, num_views=80):
        table.add(step)
        cover.update()
    whole = SnapshotCover(table)
    assert cover.snapshots() == whole.snapshots() and len(whole.snapshots()) > 3


def test_covers_of_worlds_are_as_small_as_integer_programming_proves_that_they_can_be() -> None:
    kept = smallest = 0
    for seed in range(6):
        table = SightingTable()
        for step in world_steps(seed, num_objects=60, num_views=120):
            table.add(step)
        kept += len(SnapshotCover(table, worth=1e9).snapshots())
        things = [{s.record_id: s.quality for s in thing.sightings} for thing in table.objects()]
        good = [[view for view, q in views.items() if q >= FLOOR * max(views.values())] for views in things]
        views = sorted({view for those in good for view in those})
        shows = np.array([[view in those for view in views] for those in good], float)
        found = milp(np.ones(len(views)), constraints=LinearConstraint(shows, lb=1.0),
                     integrality=np.ones(len(views)), bounds=Bounds(0.0, 1.0))  # fmt: skip
        smallest += round(found.fun)
    assert smallest <= kept <= 1.02 * smallest


@pytest.mark.parametrize(("floor", "worth"), [(-0.1, 1.0), (1.1, 1.0), (0.5, 0.0), (0.5, float("nan"))])
def test_numbers_out_of_range_are_refused(floor: float, worth: float) -> None:
    with pytest.raises(ValueError, match="floor must lie"):
        SnapshotCover(Things(), floor, worth)


def test_clusters_of_the_baseline_are_a_partition_and_each_is_seen_in_its_view() -> None:
    baseline, table = CoVisibility(), SightingTable()
    frames: dict[RecordId, set[str]] = {}
    for step in world_steps(2, num_objects=60, num_views=60):
        table.add(step)
        advance(baseline, step)
        frames[step.record_id] = {glimpse.object_id for glimpse in step.glimpses}
        placed = [name for cluster in baseline.clusters.values() for name in cluster]
        assert sorted(placed) == sorted(thing.object_id for thing in table.objects())
        assert all(cluster <= frames[key] for key, cluster in baseline.clusters.items())


def advance(baseline: CoVisibility, step: Step) -> None:
    shown = {glimpse.object_id: glimpse.confidence for glimpse in step.glimpses}
    centres = {glimpse.object_id: glimpse.centre for glimpse in step.glimpses}
    baseline.update({step.record_id: shown}, centres, step.position)


def test_the_baseline_prefers_views_that_show_more_and_splits_what_no_view_shows_whole() -> None:
    baseline = CoVisibility()
    centres = {"a": (0.0, 0.0), "b": (0.1, 0.0), "c": (3.0, 0.0)}
    baseline.update({view(1): {"a": 1.0, "b": 1.0}, view(2): {"a": 0.5, "b": 0.5, "d": 0.5}, view(3): {"c": 1.0}},
                    {**centres, "d": (0.0, 0.2)}, (0.0, 0.0))  # fmt: skip
    assert baseline.clusters == {view(2): {"a", "b", "d"}, view(3): {"c"}}
    baseline.update({}, {}, (0.0, 0.0), gone=["d"])
    assert set().union(*baseline.clusters.values()) == {"a", "b", "c"}


def test_a_large_map_is_cut_at_a_grid_and_is_still_complete_and_the_same_as_one_made_at_once() -> None:
    table = SightingTable()
    cover = SnapshotCover(table)
    for number, step in enumerate(world_steps(3, 400, 520)):
        table.add(step)
        if number > 500 or number in (100, 300):
            cover.update()
    assert len(table.seen) > 256
    found = cover.snapshots()  # what the updates left for later included
    assert found == SnapshotCover(table).snapshots()
    shown = {name for snapshot in found for name in snapshot.object_ids}
    assert shown == table.seen.keys()
    for snapshot in found:  # no view could be left out without a loss
        others = {name for other in found if other != snapshot for name in other.object_ids}
        worth = sum(table.seen[name][snapshot.record_id] for name in snapshot.object_ids)
        assert worth > 1.0 or not set(snapshot.object_ids) <= others
