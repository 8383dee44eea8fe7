"""Aligning frames: known transforms are found again, through noise and outliers; what is unclear is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.geometry import Camera, pose_from
from placecell.memory.alignment import Landmark, Landmarks, Transform, align
from placecell.memory.frames import SharedSpace, mapped
from placecell.memory.memory import Memory
from placecell.memory.records import Record
from placecell.memory.storeys import Floor
from placecell.perception.detection import Detection
from placecell.perception.observation import Observation
from placecell.perception.scene import Scene

NAMES = ("mug", "chair", "lamp", "sofa", "plant", "table")
SIDE_M = 8.0
turns = st.floats(-math.pi, math.pi)
shifts = st.floats(-20.0, 20.0)


def scene(seed: int, num: int, is_symmetric: bool = False) -> list[Landmark]:
    """Things in a room around the origin; with symmetry, each again on the other side."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(num):
        x, z = rng.uniform(-SIDE_M / 2 + 0.5, SIDE_M / 2 - 0.5, 2)
        y, name = float(rng.uniform(0.2, 1.5)), NAMES[int(rng.integers(len(NAMES)))]
        size = float(rng.uniform(0.2, 1.5))
        found.append(Landmark((float(x), y, float(z)), ((name, 1.0),), size))
        if is_symmetric:
            found.append(Landmark((-float(x), y, -float(z)), ((name, 1.0),), size))
    return found


def stands(things: list[Landmark], x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Walls of the room, and a block below each thing."""
    is_wall = (np.maximum(abs(x), abs(z)) > SIDE_M / 2) & (np.maximum(abs(x), abs(z)) < SIDE_M / 2 + 0.3)
    for thing in things:
        is_wall |= (abs(x - thing.position_m[0]) < 0.25) & (abs(z - thing.position_m[2]) < 0.25)
    return is_wall


def seen(things: list[Landmark], frame: Transform, room: list[Landmark] | None = None) -> Landmarks:
    """The scene as an agent with this frame (from its own to the world) knows it."""
    back = frame.inverse()
    corner = np.array([[x, 0.0, z] for x in (-5.0, 5.0) for z in (-5.0, 5.0)])
    low, high = back.apply(corner).min(axis=0), back.apply(corner).max(axis=0)
    origin = math.floor(low[0] / 0.05), math.floor(low[2] / 0.05)
    shape = math.ceil(high[2] / 0.05) - origin[1], math.ceil(high[0] / 0.05) - origin[0]
    r, c = np.indices(shape)
    points = np.zeros((r.size, 3))
    points[:, 0], points[:, 2] = ((c.ravel() + 0.5) + origin[0]) * 0.05, ((r.ravel() + 0.5) + origin[1]) * 0.05
    world = frame.apply(points)
    x, z = world[:, 0].reshape(shape), world[:, 2].reshape(shape)
    occupied = stands(things if room is None else room, x, z)
    free = (np.maximum(abs(x), abs(z)) < SIDE_M / 2) & ~occupied
    floor = Floor(0, float(back.y_m), (origin[0] * 0.05, origin[1] * 0.05), free, occupied, occupied)
    moved = []
    for thing in things:
        at = back.apply(np.array([thing.position_m]))[0].tolist()
        moved.append(Landmark((at[0], at[1], at[2]), thing.names, thing.size_m, thing.look))
    return Landmarks(tuple(moved), floor)


def noisy(landmarks: Landmarks, seed: int, sigma_m: float, num_false: int = 0) -> Landmarks:
    rng = np.random.default_rng(seed)
    things = [
        Landmark(tuple((np.array(t.position_m) + rng.normal(0, sigma_m, 3)).tolist()), t.names, t.size_m)  # type: ignore[arg-type]
        for t in landmarks.things
    ]
    middle = np.mean([t.position_m for t in landmarks.things], axis=0)
    for _ in range(num_false):
        at = (middle + rng.uniform(-4, 4, 3) * (1, 0.1, 1)).tolist()
        things.append(Landmark((at[0], at[1], at[2]), ((NAMES[int(rng.integers(len(NAMES)))], 1.0),), 0.6))
    order = rng.permutation(len(things))
    return Landmarks(tuple(things[i] for i in order), landmarks.floor)


@settings(max_examples=8, deadline=None)
@given(turns, shifts, shifts, st.floats(-1, 1), st.integers(0, 1000))
def test_a_known_transform_is_found_again(yaw: float, x: float, z: float, y: float, seed: int) -> None:
    things, frame = scene(seed, 20), Transform(yaw, x, y, z)
    found = align(seen(things, Transform(0.0, 0.0, 0.0, 0.0)), seen(things, frame))
    assert found.transform is not None, found
    metres, radians = found.transform.off(frame, frame.inverse().apply(np.zeros((1, 3)))[0])
    assert metres < 1e-6 and radians < 1e-6 and found.num_shared == 20 and found.agreement > 0.9


@settings(max_examples=6, deadline=None)
@given(turns, shifts, st.integers(0, 1000))
def test_noise_and_as_many_false_things_as_true_ones_do_not_mislead(yaw: float, x: float, seed: int) -> None:
    things, frame = scene(seed, 18), Transform(yaw, x, 0.3, 2.0)
    ours = noisy(seen(things, Transform(0.0, 0.0, 0.0, 0.0)), seed, 0.05, 18)
    found = align(ours, noisy(seen(things, frame), seed + 1, 0.05, 18))
    assert found.transform is not None, found
    metres, radians = found.transform.off(frame, frame.inverse().apply(np.zeros((1, 3)))[0])
    assert metres < 0.12 and radians < math.radians(3)


@settings(max_examples=5, deadline=None)
@given(turns, st.integers(0, 1000))
def test_a_home_whose_halves_are_alike_is_refused(yaw: float, seed: int) -> None:
    things = scene(seed, 9, is_symmetric=True)
    found = align(seen(things, Transform(0.0, 0.0, 0.0, 0.0)), seen(things, Transform(yaw, 3.0, 0.0, -1.0)))
    assert found.transform is None and "evidence" in found.reason and found.rival > 0.9


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_two_different_homes_are_refused(seed: int) -> None:
    found = align(
        seen(scene(seed, 20), Transform(0.0, 0.0, 0.0, 0.0)),
        seen(scene(seed + 5000, 20), Transform(1.0, 3.0, 0.0, -1.0)),
    )
    assert found.transform is None and found.reason


def test_weak_evidence_is_refused_and_says_why() -> None:
    things, frame = scene(3, 20), Transform(1.0, 2.0, 0.0, 1.0)
    ours, theirs = seen(things, Transform(0.0, 0.0, 0.0, 0.0)), seen(things, frame)
    assert "no map" in align(Landmarks(ours.things), theirs).reason
    assert "fewer than 5" in align(Landmarks(ours.things[:3], ours.floor), theirs).reason
    # The things fit, and what stands on the floor does not.
    other = seen(things, frame, room=scene(99, 40))
    assert "agree" in align(ours, other).reason
    assert align(ours, theirs) == align(ours, theirs)


def test_transforms_compose_with_their_inverse() -> None:
    there = Transform(0.7, 1.0, -0.5, 3.0)
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.allclose(there.inverse().apply(there.apply(points)), points)
    assert np.allclose(there.matrix @ there.inverse().matrix, np.eye(4))
    assert there.off(there) == (0.0, 0.0)
    assert there.off(Transform(0.7 + 2 * math.pi, 2.0, -0.5, 3.0)) == pytest.approx((1.0, 0.0))


def test_records_are_mapped_when_read_and_the_log_keeps_them_as_sent() -> None:
    there = Transform(math.pi / 2, 1.0, 0.0, 0.0)
    thing = Detection(
        (0.0, 0.0, 1.0, 1.0), 9, (0.0, 0.0, -3.0), (1.0, 1.0, -2.0), (0.5, 0.5, -2.5), labels=(("mug", 1.0),)
    )
    pose = pose_from(np.array([0.0, 0.9, 0.0]), 0.0)
    record = Record("bob", 1, "moment", 0.0, 0.0, pose=pose, scene=Scene.of(Camera(8, 8), [thing]))
    moved = mapped(record, there)
    assert np.allclose(moved.pose[:3, 3], (1.0, 0.9, 0.0)) and mapped(record, None) is record
    (found,) = moved.detections
    assert np.allclose((found.low_m, found.high_m), ((-2.0, 0.0, -1.0), (-1.0, 1.0, 0.0)))
    assert np.allclose(found.position_m, (-1.5, 0.5, -0.5))

    memory = Memory()
    memory.observe(
        Observation(
            0.0, "bob", pose=pose, camera=Camera(8, 8), detections=(thing,), embeddings=np.eye(1, 4, dtype=np.float32)
        )
    )
    space = SharedSpace(memory, "ann", {"bob": there})
    assert [np.round(o.position_m, 3).tolist() for o in space.objects.objects()] == [[-1.5, 0.5, -0.5]]
    assert SharedSpace(memory, "ann").objects.objects() == []
    (kept,) = memory.records()
    assert kept.detections[0].position_m == thing.position_m
    memory.retract(kept.record_id)
    assert space.objects.objects() == []
