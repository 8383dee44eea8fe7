"""What the agent of the demonstration does: it explores, looks for three things, goes away, comes back and looks again.

Nothing privileged reaches it but the exact pose; ground truth draws the goals and the thing that is moved, and judges.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from placecell.agents.embodied import pursue
from placecell.agents.explorer import Explorer
from placecell.agents.goals import Goal
from placecell.agents.navigator import Navigator
from placecell.agents.planner import LEFT, STOP, Decision, Experience, Sensed
from placecell.agents.roaming import Roamer
from placecell.agents.vocabulary import is_plural
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.goat import spl
from placecell.benchmarks.house_goals import GoalSite, agent_goal, draw_goals
from placecell.demo_questions import CLEAR_S, Sightings
from placecell.envs.house import Change, House, HouseEnv, HouseObject
from placecell.envs.walk import visible_objects
from placecell.geometry import Camera, pose_from
from placecell.memory.memory import Memory
from placecell.memory.object_states import ObjectChange, Sighting
from placecell.pathfinder import ShortestPath
from placecell.perception.objects import Detector

__all__ = ["AWAY_S", "Exploration", "Find", "Return", "explore", "find_all", "open_house", "rearranged", "walk_again"]

AWAY_S: Final = 3600.0
SIDE_PX: Final = 256
MAX_EXPLORE: Final = 400
ENOUGH: Final = 0.97  # share of what may be floor that was seen, by the agent's own map, at which it stops exploring
CHECK_EVERY: Final = 5
MAX_GOAL: Final = 300
MAX_AGAIN: Final = 400
TURNS: Final = 11  # and the first look make a full one
SUCCESS_M: Final = 1.0
NEAR_M: Final = 0.5  # a change counts if both its ends are so near to the truth
OPEN_PX: Final = 40  # of a picture of `SIDE_PX`: a thing that is to be noticed shows so large
EYE_M: Final = 0.88
_NEVER: Final = 10**9
_SMALL: Final = Camera(128, 128)
Point = tuple[float, float]  # x and z, metres


@dataclass(slots=True)
class Exploration:
    """A first walk: what was done, what it cost, and how much of the floor was truly seen."""

    num_steps: int = 0
    actions: list[int] = field(default_factory=list)
    way: list[Point] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)
    seen_share: float = 0.0
    reason: str = ""
    end_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Find:
    """What came of one goal.

    Args:
        goal: As the agent got it.
        truth: What it is and where, in words.
        way: Where the agent went.
        shortest: The shortest way to it, from the same start.
        shortest_m: Its length.
        path_m: Length of the agent's way.
        left_m: How far the nearest right place was in the end, geodesic.
        num_steps: Actions.
        reason: The agent's last word.
        is_right: Whether it stopped, of its own, less than a metre from where one can stand nearest to the goal.
        picture: What it saw when it stopped.
        end_s: When that was.
        seen: What it took for the goal as it stopped, or the best view of that from before; None if it took nothing.
        thing: What it took for the goal.
    """

    goal: Goal
    truth: str
    way: list[Point]
    shortest: list[Point]
    shortest_m: float
    path_m: float
    left_m: float
    num_steps: int
    reason: str
    is_right: bool
    picture: np.ndarray
    end_s: float
    seen: Sighting | None
    thing: str

    @property
    def spl(self) -> float:
        """Success weighted by path length."""
        return spl(self.is_right, self.shortest_m, self.path_m)


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """What the second walk found changed.

    Args:
        change: What was done to the house.
        noticed: The memory's change that is the true one, None if there is none.
        others: Changes that the memory tells and that did not happen.
        way: Where the agent went.
        num_steps: Actions.
        start_s: When it came back.
        words: The noticed change in words.
        before: The best view of the thing at its old place.
        after: The best view of it at the new one.
    """

    change: Change
    noticed: ObjectChange | None
    others: tuple[str, ...]
    way: list[Point]
    num_steps: int
    start_s: float
    words: str
    before: Sighting | None
    after: Sighting | None


def open_house(house: House) -> HouseEnv:
    """The house as the agent sees it."""
    return HouseEnv(house, resolution=(SIDE_PX, SIDE_PX), max_steps=_NEVER)


def explore(env: HouseEnv, memory: Memory, detector: Detector, seed: int) -> tuple[Exploration, Experience, Sensed]:
    """Look at everything that can be reached, from a start that is drawn."""
    experience = _Timed(memory, env.camera, detector)
    observation, info = env.reset(seed=seed)
    meter, done = FloorMeter(env), Exploration()

    def watch(sensed: Sensed, decision: Decision, _: Mapping[str, Any]) -> None:
        meter.add(sensed.depth_m, sensed.pose)
        if decision.action != STOP:
            done.actions.append(decision.action)

    sensed = experience.observe(observation, info)
    pursuit = pursue(env, _Enough(), experience, None, sensed, info, MAX_EXPLORE, watch)
    done.num_steps, done.way, done.step_s = len(done.actions), _floor(pursuit.way_m), experience.took_s
    done.seen_share, done.reason, done.end_s = meter.share, pursuit.decision.reason, pursuit.sensed.stamp_s
    return done, experience, pursuit.sensed


def find_all(
    env: HouseEnv, experience: Experience, sensed: Sensed, rng: np.random.Generator, say: Callable[[str], None]
) -> tuple[list[Find], Sensed]:
    """Three goals one after another: a category, a description, a picture; the memory is that of the exploration."""
    site, navigator, finds = GoalSite(env), Navigator(), []
    for number, wanted in enumerate(draw_goals(site, rng, 3)):
        goal = agent_goal(wanted, str(number))
        start, shortest_m = env.position_m, site.distance_m(env.position_m, wanted.object_ids)
        shortest = _shortest(site, start, wanted.object_ids)
        pursuit = pursue(env, navigator, experience, goal, sensed, None, MAX_GOAL)
        sensed, decision = pursuit.sensed, pursuit.decision
        left_m = site.distance_m(env.position_m, wanted.object_ids)
        thing = None if decision.object_id is None else experience.memory.objects.get(decision.object_id)
        views = () if thing is None else thing.sightings
        seen = next((each for each in views if each.record_id in sensed.record_ids), next(iter(views), None))
        truth = site.house.object(wanted.object_ids[0])
        find = Find(
            goal,
            f"the {truth.colour} {truth.category} in the {truth.room_type}"
            if wanted.kind != "category"
            else f"there are {len(wanted.object_ids)} in this house",
            _floor(pursuit.way_m),
            shortest,
            shortest_m,
            pursuit.path_m,
            left_m,
            pursuit.num_steps,
            decision.reason if pursuit.has_stopped else "out of steps",
            pursuit.has_stopped and not decision.is_refusal and left_m < SUCCESS_M,
            sensed.rgb,
            sensed.stamp_s,
            seen,
            "" if thing is None else thing.name,
        )
        finds.append(find)
        verdict = "found" if find.is_right else "NOT found"
        say(f"  {goal}: {verdict} after {find.path_m:.1f} m; the shortest way is {find.shortest_m:.1f} m")
    return finds, sensed


def rearranged(house: House, memory: Memory, sightings: Sightings, rng: np.random.Generator) -> tuple[House, Change]:
    """The house with one thing moved that was in clear view, has a name of its own, and lies open to view.

    Open to view is what shows clearly, at its old place before and at its new place after, to somebody in the middle of
    one of the rooms of the agent's map: who comes back can notice it, if he looks and remembers. Where no such thing
    comes up, one that does not lie open is taken.

    Raises:
        ValueError: If nothing with a name of its own was in clear view.
    """
    spots = [np.asarray(room.centre_m) for room in memory.places.rooms()]
    second_best: tuple[House, Change] | None = None
    for _ in range(200):
        changed, (change,) = house.relocate(rng, moved=1)
        thing, after = change.before, change.after
        if thing is None or after is None or not thing.colour_asked:
            continue
        is_clear = sightings.clear[thing.id] * sightings.frame_s >= CLEAR_S
        alike = [each for each in house.objects if (each.category, each.colour) == (thing.category, thing.colour)]
        is_elsewhere = math.dist(thing.centre_m, after.centre_m) > 1.0
        if not is_clear or len(alike) > 1 or not is_elsewhere:
            continue
        if _is_open(house, thing, spots) and _is_open(changed, after, spots):
            return changed, change
        second_best = second_best or (changed, change)
    if second_best is None:
        raise ValueError("nothing in this house was seen well enough to be missed; take another seed")
    return second_best


def _is_open(house: House, thing: HouseObject, spots: Sequence[np.ndarray]) -> bool:
    """Whether a level camera over one of these points, turned towards a thing, shows it clearly."""
    for spot in spots:
        dx, _, dz = thing.centre_m - spot
        pose = pose_from(spot + np.array([0.0, EYE_M, 0.0]), math.atan2(-dx, -dz))
        ids = house.renderer.render(pose, _SMALL, 1)[2]
        if visible_objects(ids, OPEN_PX * _SMALL.width // SIDE_PX, thing.id).get(thing.id):
            return True
    return False


def walk_again(
    house: House, change: Change, before: HouseEnv, memory: Memory, detector: Detector, start_s: float
) -> Return:
    """Come back into a house where one thing was moved, visit the known rooms, and say what the memory noticed."""
    env = open_house(house)
    experience = Experience(memory, env.camera, detector, start_s=start_s)
    here = env.pathfinder.snap_point(before.position_m)
    observation, info = env.reset(options={"position": here, "yaw_rad": before.yaw_rad})
    sensed = experience.observe(observation, info)
    pursuit = pursue(env, _Rounds(), experience, None, sensed, info, MAX_AGAIN)
    told = memory.objects.changes(start_s)
    noticed = next((each for each in told if _is_true(each, change)), None)
    others = tuple(change_words(memory, each) for each in told if each is not noticed)
    thing = None if noticed is None else memory.objects.get(noticed.object_id)
    views = () if thing is None else thing.sightings
    words = "" if noticed is None else change_words(memory, noticed)
    return Return(
        change, noticed, others, _floor(pursuit.way_m), pursuit.num_steps, start_s, words,
        next((each for each in views if each.stamp_s < start_s), None),
        next((each for each in views if each.stamp_s >= start_s), None),
    )  # fmt: skip


def change_words(memory: Memory, change: ObjectChange) -> str:
    """A change in words: what, and from which room to which."""
    things = memory.objects.objects()
    thing = memory.objects.get(change.object_id)

    def room(point: tuple[float, float, float] | None) -> str:
        found = None if point is None else memory.places.room_at(point, things)
        return "somewhere" if found is None else f"the {found.name}"

    name = "something" if thing is None or not thing.name else f"the {thing.name}"
    was, is_ = ("were", "are") if is_plural(name.split()[-1]) else ("was", "is")
    if change.kind == "moved":
        assert change.before_m is not None and change.after_m is not None
        far = f"{math.dist(change.before_m, change.after_m):.1f} m"
        return f"{name} {was} moved {far}, from {room(change.before_m)} to {room(change.after_m)}"
    return (
        f"{name} {is_} gone from {room(change.before_m)}"
        if change.kind == "gone"
        else f"{name} {is_} new in {room(change.after_m)}"
    )


def _is_true(told: ObjectChange, change: Change) -> bool:
    assert change.before is not None and change.after is not None
    return (
        told.kind == "moved"
        and told.before_m is not None
        and told.after_m is not None
        and math.dist(told.before_m, change.before.centre_m) < NEAR_M
        and math.dist(told.after_m, change.after.centre_m) < NEAR_M
    )


def _shortest(site: GoalSite, start: np.ndarray, object_ids: Sequence[int]) -> list[Point]:
    """Corners of the shortest way to the nearest of these things; none where there is no way."""
    nearest = site.distances(object_ids).nearest(start)
    path = ShortestPath(start, start if nearest is None else nearest)
    return _floor([np.asarray(point) for point in path.points]) if site.finder.find_path(path) else []


def _floor(points: list[np.ndarray]) -> list[Point]:
    return [(float(point[0]), float(point[2])) for point in points]


class _Enough(Explorer):
    """An explorer that is content when its own map says that next to nothing is missing."""

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        super().reset(goal, experience)
        self._places = experience.memory.places

    def act(self, sensed: Sensed) -> Decision:
        if sensed.step % CHECK_EVERY == CHECK_EVERY - 1 and self._places.seen_share() >= ENOUGH:
            return Decision(STOP, "next to nothing is missing on the map")
        return super().act(sensed)


class _Rounds:
    """Walks to the middle of every known room, nearest first, and turns around once there; and before it starts."""

    name, is_privileged, is_forgetful = "rounds", False, False

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        self._roamer = Roamer(experience)
        self._left = [np.asarray(room.centre_m) for room in experience.memory.places.rooms()]
        self._at: np.ndarray | None = None
        self._turns = TURNS

    def act(self, sensed: Sensed) -> Decision:
        self._roamer.update(sensed)
        while self._turns or self._left:
            if self._turns:
                self._turns -= 1
                return Decision(LEFT, "look around")
            if self._at is None:
                self._at = min(self._left, key=self._roamer.metres_to)
            action = self._roamer.go(self._at)
            if action is not None:
                return Decision(action, "to the next room")
            is_there = float(np.hypot(*(self._at - sensed.position_m)[[0, 2]])) < 1.0
            self._left = [point for point in self._left if point is not self._at]
            self._at, self._turns = None, TURNS if is_there else 0
        return Decision(STOP, "every room was visited")


class _Timed(Experience):
    """An experience that keeps what each observation took: perception and writing, in seconds."""

    def __init__(self, memory: Memory, camera: Any, detector: Detector) -> None:
        super().__init__(memory, camera, detector)
        self.took_s: list[float] = []

    def observe(self, observation: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> Sensed:
        start = time.perf_counter()
        sensed = super().observe(observation, info)
        self.took_s.append(time.perf_counter() - start)
        return sensed
