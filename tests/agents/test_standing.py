"""Where an agent stands, squeezes and hunts, in rooms made by hand: boxes on a bare floor, seen by ray casting."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placecell.agents.embodied import pursue
from placecell.agents.goals import Goal
from placecell.agents.navigator import Navigator, NavigatorConfig
from placecell.agents.planner import FORWARD, LEFT, LOOK_DOWN, LOOK_UP, RIGHT, Experience, Sensed
from placecell.agents.roaming import SQUEEZE, Roamer
from placecell.agents.room_priors import RoomPriors
from placecell.agents.standing import Stand, floor_gap_m
from placecell.agents.surroundings import Surroundings
from placecell.geometry import Camera, pose_from
from placecell.memory.frontiers import BEHIND_M
from placecell.memory.memory import Memory
from placecell.memory.object_states import SceneObject, Sighting
from placecell.memory.records import RecordId
from placecell.perception.detection import Detection

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
ROOM: Box = ((0.0, 0.0, 0.0), (5.0, 2.5, 4.0))
RED, GREY = (200, 0, 0), (90, 90, 90)


class RedEncoder:
    """A picture is as much a violin as it is red."""

    name, dim, image_size, notice = "red", 2, 8, ""
    calibration: tuple[float, float] | None = (20.0, -10.0)
    prompts = {"object": "{}", "colour": "{}", "room": "{}"}

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def encode_images(self, images: Any) -> np.ndarray:
        reds = np.array([(image[..., 0] > image[..., 1] + 50).mean() for image in images])
        return np.stack([reds, np.sqrt(1 - reds**2)], axis=1).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "violin" in text else [0.0, 1.0] for text in texts], np.float32)


class BoxEnv:
    """A room with boxes in it; the agent is a point that walks through nothing."""

    def __init__(self, x: float, z: float, boxes: Sequence[Box] = (), red: Box | None = None) -> None:
        self.boxes, self.red, self.camera = boxes, red, Camera(64, 64)
        self.x, self.z, self.yaw, self.pitch = x, z, 0.0, 0.0

    def observe(self) -> dict[str, np.ndarray]:
        pose = pose_from(np.array([self.x, 1.0, self.z]), self.yaw, self.pitch)
        rays = self.camera.directions().astype(np.float64) @ pose[:3, :3].T
        eye = pose[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(rays > 0, (np.array(ROOM[1]) - eye) / rays, (np.array(ROOM[0]) - eye) / rays).min(axis=-1)
            for low, high in self.boxes:
                a, b = (np.array(low) - eye) / rays, (np.array(high) - eye) / rays
                enter, leave = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
                depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
        points = eye + rays * depth[..., None]
        rgb = np.full((64, 64, 3), GREY, np.uint8)
        if self.red is not None:
            inside = ((points >= np.array(self.red[0]) - 0.01) & (points <= np.array(self.red[1]) + 0.01)).all(axis=-1)
            rgb[inside] = RED
        return {"rgb": rgb, "depth": depth.astype(np.float32), "pose": pose}

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        self.yaw += {LEFT: math.pi / 6, RIGHT: -math.pi / 6}.get(action, 0.0)
        self.pitch += {LOOK_UP: math.pi / 6, LOOK_DOWN: -math.pi / 6}.get(action, 0.0)
        collided = False
        if action == FORWARD:
            x, z = self.x - 0.25 * math.sin(self.yaw), self.z - 0.25 * math.cos(self.yaw)
            collided = not (0.18 <= x <= ROOM[1][0] - 0.18 and 0.18 <= z <= ROOM[1][2] - 0.18) or any(
                low[0] - 0.1 <= x <= high[0] + 0.1 and low[2] - 0.1 <= z <= high[2] + 0.1 for low, high in self.boxes
            )
            if not collided:
                self.x, self.z = x, z
        return self.observe(), 0.0, False, False, {"collided": collided}


def looked_around(env: BoxEnv, spots: Sequence[tuple[float, float]]) -> tuple[Experience, Sensed]:
    """Experience of whole turns at some spots, the last of which is where the agent is."""
    experience = Experience(Memory(RedEncoder()), env.camera)
    for env.x, env.z in spots:
        for _ in range(12):
            env.yaw += math.pi / 6
            sensed = experience.observe(env.observe())
    return experience, sensed


def thing_at(box: Box) -> SceneObject:
    (x0, y0, z0), (x1, y1, z1) = box
    middle = ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)
    return SceneObject(
        "robot:1", "robot", "box", (("box", 1.0),), None, middle, *box, 5, 0.9, 0.0, 1.0, "here", 0.0, (), ()
    )


# A wall across the room, with a gap in it that is narrower than the agent.
WALL = (((2.4, 0.0, 0.0), (2.6, 2.5, 1.8)), ((2.4, 0.0, 2.1), (2.6, 2.5, 4.0)))
BESIDE, BEYOND = ((0.3, 0.0, 0.2), (0.9, 0.6, 0.8)), ((4.0, 0.0, 1.6), (4.6, 0.6, 2.4))
SPOTS = ((4.0, 3.2), (1.2, 2.0))


@pytest.fixture(scope="module")
def walled() -> tuple[Experience, Sensed]:
    return looked_around(BoxEnv(1.2, 2.0, (*WALL, BESIDE, BEYOND)), SPOTS)


@pytest.mark.parametrize(("box", "is_squeezed"), [(BESIDE, False), (BEYOND, True)])
def test_gaps_are_squeezed_through_only_where_that_leads_nearer(
    walled: tuple[Experience, Sensed], box: Box, is_squeezed: bool
) -> None:
    experience, sensed = walled
    roamer, thing = Roamer(experience), thing_at(box)
    assert roamer.update(sensed)
    spot = Stand(experience.memory, roamer, lambda point: None).at(sensed, thing)
    assert spot is not None and floor_gap_m(spot, thing) < 0.4
    assert math.isfinite(roamer.metres_to(spot)) and (roamer.walker.caution == SQUEEZE[1][1]) == is_squeezed
    roamer.squeeze(0)
    assert math.isinf(roamer.metres_to(spot)) == is_squeezed


def test_a_narrow_gap_is_tried_before_slits_that_open_nothing() -> None:
    box: Box = ((0.6, 0.0, 0.6), (1.0, 1.2, 1.0))  # nothing but slits behind it is left to see on this side
    experience, sensed = looked_around(BoxEnv(1.2, 2.0, (*WALL, box)), ((1.2, 2.0),))
    roamer = Roamer(experience)
    assert roamer.update(sensed)
    slits = roamer.frontiers()
    (floor,) = experience.memory.places.floors
    unknown = np.argwhere(~(floor.free | floor.occupied))
    middles = [floor.cell(float(slit.frontier.middle_m[0]), float(slit.frontier.middle_m[2])) for slit in slits]
    off_m = [np.abs(unknown - middle).max(axis=1) * floor.cell_m for middle in middles]
    unknown_m2 = [np.count_nonzero(off <= BEHIND_M) * floor.cell_m**2 for off in off_m]
    assert slits and not roamer.is_squeezing
    assert all(slit.frontier.opens_m2 < 1.0 < m2 for slit, m2 in zip(slits, unknown_m2, strict=True))
    assert max(reach.frontier.opens_m2 for reach in roamer.frontiers(0.5)) > 10.0 and roamer.is_squeezing


@pytest.mark.parametrize("is_seen_from_here", [True, False])
def test_behind_a_wall_is_not_beside(is_seen_from_here: bool) -> None:
    wall, box = ((2.4, 0.0, 0.0), (2.6, 2.5, 4.0)), ((2.6, 0.0, 1.8), (2.7, 0.6, 2.2))
    experience, sensed = looked_around(BoxEnv(1.2, 2.0, (wall,)), [(4.0, 2.0), (1.2, 2.0)])
    eye = RecordId("robot", 20 if is_seen_from_here else 2)
    thing = replace(thing_at(box), sightings=(Sighting(eye, 1.0, 0.9, (0.4, 0.4, 0.6, 0.6)),))
    roamer = Roamer(experience)
    roamer.update(sensed)
    spot = Stand(experience.memory, roamer, lambda point: None).at(sensed, thing)
    assert (spot is not None) == is_seen_from_here  # it was seen on the other side, to which no way is known


def test_a_place_that_was_not_got_to_is_avoided(walled: tuple[Experience, Sensed]) -> None:
    experience, sensed = walled
    roamer, thing = Roamer(experience), thing_at(BESIDE)
    roamer.update(sensed)
    stand = Stand(experience.memory, roamer, lambda point: None)
    first = stand.at(sensed, thing)
    assert first is not None
    stand.avoid(first)
    second = stand.at(sensed, thing)
    assert second is not None and float(np.hypot(*(second - first)[[0, 2]])) >= 0.35
    assert floor_gap_m(second, thing) < 0.6


@pytest.mark.parametrize("hunts", [0, 2])
def test_before_it_refuses_it_goes_near_what_looked_like_the_goal(hunts: int) -> None:
    red: Box = ((4.9, 0.6, 0.2), (5.0, 1.8, 1.6))
    env = BoxEnv(1.0, 2.5, red=red)
    experience = Experience(Memory(RedEncoder()), env.camera)
    sensed, nearest_m, hunted = experience.observe(env.observe()), math.inf, 0

    def watch(now: Sensed, decision: Any, info: dict[str, Any]) -> None:
        nonlocal nearest_m, hunted
        if decision.reason == "to where it may have been overlooked":
            hunted += 1
            nearest_m = math.hypot(now.position_m[0] - 4.9, now.position_m[2] - 0.9)

    planner = Navigator(NavigatorConfig(hunts=hunts))
    found = pursue(env, planner, experience, Goal.from_text("violin"), sensed, max_steps=150, watch=watch)
    assert found.has_stopped and found.decision.is_refusal and found.decision.covered == pytest.approx(1.0, abs=0.05)
    assert re.search(r"looked at \d+% of the known floor$", found.decision.reason)
    assert (hunted > 0) == (hunts > 0) and (nearest_m < 1.2) == (hunts > 0)


def test_what_looked_like_the_goal_is_gone_near_before_it_squeezes_anywhere() -> None:
    env = BoxEnv(1.4, 1.2, WALL, red=((0.0, 0.1, 2.2), (0.1, 2.2, 4.0)))
    experience, reasons = Experience(Memory(RedEncoder()), env.camera), []
    sensed, planner = experience.observe(env.observe()), Navigator(NavigatorConfig(hunts=1))

    def watch(now: Sensed, decision: Any, info: dict[str, Any]) -> None:
        reasons.append((decision.reason.split()[0:4], planner.is_squeezing))

    pursue(env, planner, experience, Goal.from_text("violin"), sensed, max_steps=60, watch=watch)
    hunts = [i for i, (words, _) in enumerate(reasons) if words == ["to", "where", "it", "may"]]
    squeezes = [i for i, (_, is_squeezing) in enumerate(reasons) if is_squeezing]
    assert hunts and squeezes and max(hunts) < min(squeezes)


def test_what_was_given_up_lately_is_not_gone_to_for_the_next_goal_either() -> None:
    experience, sensed = looked_around(BoxEnv(1.2, 2.0, WALL), ((1.2, 2.0),))
    first = Roamer(experience)
    assert first.update(sensed)
    before = first.frontiers()
    first.drop(before[0].frontier)
    second, later = Roamer(experience, before=first), Roamer(experience)
    assert second.update(sensed) and later.update(sensed)
    assert len(second.frontiers()) < len(before) == len(later.frontiers())


def test_of_views_from_one_place_only_the_last_is_kept_from_goal_to_goal() -> None:
    env = BoxEnv(1.2, 2.0)
    experience, sensed = looked_around(env, ((1.2, 2.0), (3.2, 2.0), (1.2, 2.0)))
    roamer, around = Roamer(experience), Surroundings(experience, RoomPriors())
    assert roamer.update(sensed)
    around.note()
    seen = list(around.glances)
    around.begin(experience, roamer)
    assert len(seen) == 36 and around.glances == seen[12:]


class Glances:
    """A detector that finds a violin in the pictures of these numbers, and in no other."""

    name, is_privileged = "glances", False

    def __init__(self, box: Box, numbers: Sequence[int]) -> None:
        self.box, self.numbers, self.num_looks = box, numbers, 0

    def detect(self, rgb: Any, depth_m: Any, camera: Any, pose: Any, instances: Any = None) -> list[Detection]:
        self.num_looks += 1
        low, high = self.box
        middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        found = Detection(
            (0.4, 0.4, 0.6, 0.6), 90, low, high, (middle[0], middle[1], middle[2]), None, (("violin", 0.9),), 0.8
        )
        return [found] if self.num_looks in self.numbers else []


@pytest.mark.parametrize(
    ("x", "numbers", "is_near", "is_taken"),
    [(2.5, (1, 4), True, True), (2.5, (1,), True, False), (1.0, (1,), False, False)],
    ids=["two views from near", "one view from near", "one from afar"],
)
def test_what_one_view_shows_is_gone_to_and_not_taken_for_the_goal_where_no_other_does(
    x: float, numbers: tuple[int, ...], is_near: bool, is_taken: bool
) -> None:
    box: Box = ((4.0, 0.0, 0.4), (4.5, 0.7, 0.9))
    env, nearest_m = BoxEnv(x, 2.5, (box,)), math.inf
    experience = Experience(Memory(RedEncoder()), env.camera, Glances(box, numbers))
    sensed, targets = experience.observe(env.observe()), []

    def watch(now: Sensed, decision: Any, info: dict[str, Any]) -> None:
        nonlocal nearest_m
        nearest_m = min(nearest_m, floor_gap_m(now.position_m, thing_at(box)))
        targets.append(decision.reason.startswith("to violin"))

    found = pursue(env, Navigator(), experience, Goal.from_text("violin"), sensed, max_steps=150, watch=watch)
    assert len(experience.memory.objects.objects()) == (len(numbers) > 1)
    assert found.has_stopped and found.decision.is_refusal != is_taken
    assert any(targets) == is_near and (nearest_m < 0.6 or not is_near)


class GlassEnv(BoxEnv):
    """The same with a pane across the room that no picture shows."""

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        x, z = self.x, self.z
        result = super().step(action)
        if self.x <= 1.8:
            return result
        self.x, self.z = x, z
        return self.observe(), 0.0, False, False, {"collided": True}


def test_another_way_is_looked_for_where_the_known_one_is_blocked() -> None:
    box: Box = ((4.4, 0.0, 0.4), (4.8, 0.7, 0.8))
    env = GlassEnv(1.0, 2.0, (box,))
    env.yaw = -math.pi / 2
    experience = Experience(Memory(RedEncoder()), env.camera, Glances(box, tuple(range(1, 8))))
    sensed, planner, step = experience.observe(env.observe()), Navigator(), 0

    def watch(now: Sensed, decision: Any, info: dict[str, Any]) -> None:
        nonlocal step
        step = step or now.step * bool(planner.rejected)

    found = pursue(env, planner, experience, Goal.from_text("violin"), sensed, max_steps=200, watch=watch)
    assert 0 < step < 120  # nothing else is left to look at here: it comes back, and says how it ended
    assert found.has_stopped and found.decision.is_refusal and found.decision.reason.startswith("found no way to")
