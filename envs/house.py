"""An agent with a camera in a seeded house: a Gymnasium environment with Habitat's actions, names and conventions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from placecell.envs.building import Change, House, HouseObject
from placecell.envs.catalogue import CATALOGUE, CATEGORIES, COLOURS
from placecell.envs.floorplan import ROOM_TYPES
from placecell.envs.stage import STRUCTURE
from placecell.envs.walker import AGENT_RADIUS_M, Action, Walker, wrap_rad
from placecell.pathfinder import ShortestPath

__all__ = [
    "CATALOGUE",
    "CATEGORIES",
    "COLOURS",
    "ROOM_TYPES",
    "STRUCTURE",
    "Action",
    "Change",
    "House",
    "HouseEnv",
    "HouseObject",
    "tour",
]


class HouseEnv(Walker):
    """One agent, a disc with a camera on a stick, in one house.

    Observations, actions and `info` are those of `Walker`; `semantic` holds ids of `house.objects` and of `STRUCTURE`,
    and `info` has `room` (type) and `room_id` besides.

    `semantic`, `info["room"]`, `house` and `pathfinder` are privileged: no real sensor gives them.

    Args:
        house: The house, or None to generate it.
        seed: Seed of the house when none is given.
        num_rooms: Rooms of that house, 5 to 16; drawn from 5 to 9 if not given.
        agent_radius_m: Radius of the disc that must not touch anything.
        settings: The other arguments of `Walker`, by name: `resolution`, `max_steps`, `turn_deg`, ...

    Example:
        >>> env = HouseEnv(seed=3, resolution=(64, 64))
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(Action.TURN_LEFT)
        >>> observation["rgb"].shape, round(float(observation["compass"][0]), 4), info["collided"]
        ((64, 64, 3), 0.5236, False)
    """

    def __init__(
        self,
        house: House | None = None,
        *,
        seed: int = 0,
        num_rooms: int | None = None,
        agent_radius_m: float = AGENT_RADIUS_M,
        **settings: Any,
    ) -> None:
        if agent_radius_m <= 0:
            raise ValueError(f"agent_radius_m must be positive, got {agent_radius_m}")
        self.house = House.generate(seed, num_rooms) if house is None else house
        finder = self.house.pathfinder(agent_radius_m)
        if not finder.is_loaded:
            raise ValueError(f"an agent of radius {agent_radius_m} m fits nowhere in this house")
        num_ids = max(thing.id for thing in self.house.objects) + 1000
        super().__init__(self.house.renderer, finder, num_ids=num_ids, **settings)

    def _info(self) -> dict[str, Any]:
        room = self.house.room_at(self._x, self._z)
        return super()._info() | {
            "room": None if room is None else room.type,
            "room_id": None if room is None else room.id,
        }


def steps_to(env: HouseEnv, goal: Sequence[float] | np.ndarray, goal_radius_m: float = 0.3) -> Iterator[Action]:
    """Actions that walk the agent along the shortest path to `goal`; each must be taken before the next is asked for.

    Where a corner blocks a step, it looks a few steps ahead for a way past it. Ends within `goal_radius_m` of the goal,
    or when there is no way, or none that its turns and steps can follow.
    """
    finder = env.pathfinder
    left_m = finder.distance_field(goal)
    for _ in range(2000):
        here = env.position_m
        path = ShortestPath(here, goal)
        if not finder.find_path(path) or path.geodesic_distance < goal_radius_m:
            return
        dx, dz = path.points[1][0] - here[0], path.points[1][2] - here[2]
        turn = wrap_rad(math.atan2(-dx, -dz) - env.yaw_rad)
        if abs(turn) > env.turn_rad * 0.55:
            yield Action.TURN_LEFT if turn > 0 else Action.TURN_RIGHT
            continue
        end = _step_end(env, float(here[0]), float(here[2]), env.yaw_rad)
        to_go = float(left_m[finder.cell(*end)])
        if to_go < float(left_m[finder.cell(*here[[0, 2]])]) - 0.02:
            yield Action.MOVE_FORWARD
            continue
        way = _nearer(env, left_m, float(left_m[finder.cell(*here[[0, 2]])]))
        if not way:
            return
        yield from way


def _nearer(env: HouseEnv, left_m: np.ndarray, here_m: float, depth: int = 4) -> list[Action]:
    """The fewest actions after which there is less way to go than `here_m`; none if `depth` steps do not do it."""
    half = round(math.pi / env.turn_rad)
    x, _, z = env.position_m.tolist()
    fringe: list[tuple[float, float, int, list[Action]]] = [(x, z, 0, [])]
    known = {(round(x, 1), round(z, 1))}
    for _ in range(depth):
        found: list[tuple[float, list[Action]]] = []
        ahead: list[tuple[float, float, int, list[Action]]] = []
        for x, z, facing, way in fringe:
            for turns in range(1 - half, half + 1):
                end = _step_end(env, x, z, env.yaw_rad + (facing + turns) * env.turn_rad)
                turning = Action.TURN_LEFT if turns > 0 else Action.TURN_RIGHT
                actions = [*way, *[turning] * abs(turns), Action.MOVE_FORWARD]
                there = float(left_m[env.pathfinder.cell(*end)])
                if there < here_m - 0.02:
                    found.append((there / env.forward_step_m + len(actions), actions))
                key = (round(end[0], 1), round(end[1], 1))
                if key not in known:
                    known.add(key)
                    ahead.append((*end, facing + turns, actions))
        if found:
            return min(found, key=lambda option: option[0])[1]
        fringe = ahead
    return []


def _step_end(env: HouseEnv, x: float, z: float, yaw_rad: float, parts: int = 10) -> tuple[float, float]:
    """Where (x, z) a step forward at this heading would end: at its length, or before what blocks it."""
    dx, dz = (-f(yaw_rad) * env.forward_step_m / parts for f in (math.sin, math.cos))
    for _ in range(parts):
        if not env.pathfinder.is_navigable((x + dx, env.pathfinder.height_m, z + dz)):
            break
        x, z = x + dx, z + dz
    return x, z


def tour(
    env: HouseEnv, rooms: Sequence[int] | None = None, max_steps: int | None = None, look_around: bool = True
) -> Iterator[Action]:
    """Actions of a visit to every room: nearest room first, a full turn in each.

    Args:
        env: After `reset`; take every action before asking for the next.
        rooms: Ids of the rooms to visit, all of them by default.
        max_steps: Give up after so many actions.
        look_around: Whether to turn once around in every room.

    Example:
        >>> env = HouseEnv(seed=3, resolution=(8, 8), max_steps=2000)
        >>> _ = env.reset(seed=0)
        >>> seen = {env.step(action)[4]["room_id"] for action in tour(env)}
        >>> seen >= set(range(len(env.house.rooms)))
        True
    """
    left = set(range(len(env.house.rooms)) if rooms is None else rooms)
    count, limit = 0, math.inf if max_steps is None else max_steps
    spots = {room_id: _viewpoint(env, room_id) for room_id in left}
    while left:

        def way(room_id: int) -> float:
            return env.pathfinder.geodesic_distance(env.position_m, spots[room_id])

        target = min(sorted(left), key=way)
        left.remove(target)
        for action in steps_to(env, spots[target]):
            if count >= limit:
                return
            count += 1
            yield action
        for _ in range(round(2 * math.pi / env.turn_rad) if look_around else 0):
            if count >= limit:
                return
            count += 1
            yield Action.TURN_LEFT


def _viewpoint(env: HouseEnv, room_id: int) -> Float64[np.ndarray, "3"]:
    """Where to stand in a room to see most of it: far from obstacles, near the middle."""
    room, finder = env.house.rooms[room_id], env.pathfinder
    best, best_score = np.array([*room.centre, 0.0])[[0, 2, 1]], -math.inf
    for x in np.arange(room.x0 + 0.2, room.x1 - 0.15, 0.15):
        for z in np.arange(room.z0 + 0.2, room.z1 - 0.15, 0.15):
            point = np.array([x, 0.0, z])
            if finder.get_island(point) != finder.largest_island:
                continue
            off = math.hypot(x - room.centre[0], z - room.centre[1])
            score = min(finder.distance_to_closest_obstacle(point), 0.6) - 0.5 * off
            if score > best_score:
                best, best_score = point, score
    return best
