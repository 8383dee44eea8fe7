"""Small things that single views tell of make things of their own, as sure as the views agree."""

from __future__ import annotations

import numpy as np
import pytest

from placecell.agents.glimpses import Glimpses, spots_of
from placecell.geometry import Camera, look_at
from placecell.memory.records import Record
from placecell.perception.detection import Detection
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene


def _detection(name: str, middle: tuple[float, float, float], size: float = 0.25, chance: float = 0.9) -> Detection:
    low, high = (tuple(float(x) + sign * size / 2 for x in middle) for sign in (-1, 1))
    vector = np.random.default_rng(len(name)).standard_normal(16)
    return Detection(
        (0.4, 0.4, 0.6, 0.6), 200, low, high, middle, vector / np.linalg.norm(vector), ((name, chance),), 0.8
    )


def _records(*views: tuple[Detection, ...]) -> list[Record]:
    scenes = [Scene.of(Camera(64, 64), view) for view in views]
    return [
        Record("robot", seq, "moment", float(seq), float(seq), pose=np.eye(4), scene=scene)
        for seq, scene in enumerate(scenes)
    ]


def test_views_that_agree_make_one_spot_and_others_their_own() -> None:
    bowl, other = (1.0, 0.8, 2.0), (3.0, 0.8, 2.0)
    views = [(_detection("bowl", (1.0 + 0.02 * i, 0.8, 2.0)), _detection("mug", other, 0.12)) for i in range(4)]
    spots = {spot.name: spot for spot in spots_of(Glimpses().read(_records(*views)))}
    assert set(spots) == {"bowl", "mug"}
    assert len(spots["bowl"].glimpses) == 4
    thing = spots["bowl"].thing(0, 0.5)
    assert np.allclose(thing.position_m, bowl, atol=0.1) and thing.name == "bowl" and thing.confidence == 0.5
    assert {sighting.record_id.seq for sighting in thing.sightings} == {0, 1, 2, 3}


def test_two_of_a_kind_apart_are_two() -> None:
    views = [(_detection("bowl", (1.0, 0.8, 2.0)), _detection("bowl", (1.8, 0.8, 2.0))) for _ in range(3)]
    assert len(spots_of(Glimpses().read(_records(*views)))) == 2


def test_chance_grows_with_views_with_what_carries_it_and_with_agreement() -> None:
    def spot(count: int, chance: float = 0.9, doubt: bool = False):  # type: ignore[no-untyped-def]
        views = [(_detection("bowl", (1.0, 0.8, 2.0), chance=chance),) for _ in range(count)]
        doubts = [(_detection("book", (1.0, 0.8, 2.0)),) for _ in range(count if doubt else 0)]
        return next(s for s in spots_of(Glimpses().read(_records(*views, *doubts))) if s.name == "bowl")

    assert spot(1).chance(1.0) < spot(5).chance(1.0)
    assert spot(5).chance(0.0) < spot(5).chance(1.0)
    assert spot(5, chance=0.4).chance(1.0) < spot(5).chance(1.0)
    assert spot(5, doubt=True).chance(1.0) < spot(5).chance(1.0)


def test_large_and_nameless_things_and_later_records_are_left_out() -> None:
    records = _records((_detection("bowl", (1.0, 0.8, 2.0), size=1.5),), (_detection("bowl", (1.0, 0.8, 2.0)),))
    glimpses = Glimpses()
    assert glimpses.read(records, as_of=0.5) == []
    assert len(glimpses.read(records)) == 1
    assert spots_of([]) == []


@pytest.mark.parametrize("name", ["bed", "sofa", "painting"])
def test_only_what_is_put_on_others_is_looked_for(name: str) -> None:
    assert spots_of(Glimpses().read(_records((_detection(name, (1.0, 0.8, 2.0)),)))) == []


CAMERA = Camera.from_degrees(96, 96, 90.0)
BOX = np.array([-0.15, 0.85, -0.15]), np.array([0.15, 1.15, 0.15])  # hangs in the middle of a room


def _look(seq: int, stamp_s: float, x: float, z: float, is_there: bool, is_told: bool = False) -> Record:
    """A view of the middle from (x, z), with a thing or through to a wall ten metres on."""
    pose = look_at(np.array([x, 1.0, z]), np.array([0.0, 1.0, 0.0]))
    rays = CAMERA.directions().reshape(-1, 3) @ pose[:3, :3].T
    rays = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    near, far = (BOX[0] - pose[:3, 3]) / rays, (BOX[1] - pose[:3, 3]) / rays
    enter, leave = np.minimum(near, far).max(axis=1), np.maximum(near, far).min(axis=1)
    depth = np.where((enter < leave) & is_there, enter, 10.0).reshape(96, 96).astype(np.float32)
    found = (_detection("bowl", (0.0, 1.0, 0.0), 0.3),) if is_told else ()
    scene = Scene.of(CAMERA, found, Scan.from_depth(depth, CAMERA))
    return Record("robot", seq, "moment", stamp_s, stamp_s, pose=pose, scene=scene)


@pytest.mark.parametrize(
    ("later", "has_left"),
    [
        ([(500.0, 0.0, 2.0, False), (501.0, 1.5, 0.0, False)], True),
        ([(500.0, 0.0, 2.0, False), (501.0, 0.1, 2.1, False)], False),  # twice from one place
        ([(500.0, 0.0, 4.0, False), (501.0, 4.0, 0.0, False)], False),  # from further away
        ([(30.0, 0.0, 2.0, False), (31.0, 1.5, 0.0, False)], False),  # while one looked
        ([(500.0, 0.0, 2.0, True), (501.0, 1.5, 0.0, True)], False),  # it is there, and no view told it apart
        ([(500.0, 0.0, 2.0, False), (501.0, 1.5, 0.0, False), (502.0, -1.5, 0.0, True), (503.0, 0, -2.0, True)], False),
    ],
)
def test_a_glimpse_holds_until_two_views_from_as_near_look_through_its_place(
    later: list[tuple[float, float, float, bool]], has_left: bool
) -> None:
    records = [_look(i, float(i), 0.1 * i, 2.2, is_there=True, is_told=True) for i in range(3)]
    records += [_look(3 + i, *row) for i, row in enumerate(later)]
    scans = {record.record_id: record.scan for record in records}
    glimpses = Glimpses()
    (spot,) = [spot for spot in spots_of(glimpses.read(records)) if spot.name == "bowl"]
    assert glimpses.has_left(spot, scans.__getitem__) == has_left
    assert not glimpses.has_left(spot, scans.__getitem__, as_of=400.0)
    assert not glimpses.has_left(spot, lambda record_id: None)
