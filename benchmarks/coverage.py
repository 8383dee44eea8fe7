"""How much of the floor has been seen, by the simulator's own measure; and a tour that is told the whole map first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from placecell.benchmarks.floor_graph import FloorGraph
from placecell.envs.house import Action, HouseEnv, steps_to
from placecell.geometry import Camera, pose_from
from placecell.pathfinder import CELL_M

__all__ = ["RANGE_M", "FloorMeter", "Tour", "Traveller"]

RANGE_M: Final = 5.0  # floor further off than this is not taken for seen
_BODY_M: Final = 0.2  # what the agent stands on
_TOLERANCE_M, _TOLERANCE_SHARE = 0.04, 0.02
_SPACING_M: Final = 0.5  # between points that a tour may look around at
_NOTHING: Final = 0.002  # so small a share of the floor is not worth a turn


class FloorMeter:
    """Which cells of the largest island have been in a picture (privileged: it knows the true floor and the depth).

    A cell counts as seen when its middle falls into a picture, no further than `RANGE_M` away along the floor, and
    nothing stands before it; or when the agent has stood on it.

    Args:
        env: The house; its camera is that of the pictures.

    Example:
        >>> env = HouseEnv(seed=2_000_000, resolution=(64, 64))
        >>> observation, _ = env.reset(seed=0)
        >>> meter = FloorMeter(env)
        >>> 0.0 < meter.add(observation["depth"], observation["pose"]) < 1.0
        True
    """

    def __init__(self, env: HouseEnv) -> None:
        graph = FloorGraph(env.pathfinder)
        cells = graph.cells
        islands = env.pathfinder.islands[cells[:, 0], cells[:, 1]]
        self.points: Float64[np.ndarray, "n 3"] = graph.points[islands == env.pathfinder.largest_island]
        self.seen: Bool[np.ndarray, "n"] = np.zeros(len(self.points), bool)
        self._camera = env.camera

    @property
    def share(self) -> float:
        """Share of the floor that has been seen, in [0, 1]."""
        return float(self.seen.mean())

    def add(self, depth_m: Float32[np.ndarray, "h w"], pose: Float64[np.ndarray, "4 4"]) -> float:
        """Take note of one picture; returns `share`."""
        depth = depth_m[..., 0] if depth_m.ndim == 3 else depth_m
        self.seen |= in_view(self.points, depth, self._camera, pose)
        return self.share


def in_view(
    points: Float64[np.ndarray, "n 3"],
    depth_m: Float32[np.ndarray, "h w"],
    camera: Camera,
    pose: Float64[np.ndarray, "4 4"],
) -> Bool[np.ndarray, "n"]:
    """Which points of the floor a picture shows, or the camera stands over."""
    away = np.hypot(points[:, 0] - pose[0, 3], points[:, 2] - pose[2, 3])
    shown = away <= _BODY_M
    near = np.flatnonzero(away <= RANGE_M)
    local = (points[near] - pose[:3, 3]) @ pose[:3, :3]
    ahead = -local[:, 2]
    near, local, ahead = near[ahead > 0.05], local[ahead > 0.05], ahead[ahead > 0.05]
    column = np.floor(local[:, 0] / ahead * camera.focal_px + camera.width / 2).astype(int)
    row = np.floor(camera.height / 2 - local[:, 1] / ahead * camera.focal_px).astype(int)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    near, ahead, row, column = near[inside], ahead[inside], row[inside], column[inside]
    # One row of pixels covers much floor far away: the surface in the pixel may lie a little before the cell.
    slack = _TOLERANCE_M + _TOLERANCE_SHARE * ahead + 0.5 * ahead**2 / (camera.focal_px * max(pose[1, 3], 0.1))
    shown[near[depth_m[row, column] >= ahead - slack]] = True
    return np.asarray(shown, bool)


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour that sees the floor, planned with the whole map at hand.

    Args:
        stops_m: Points to look around at, in order, the start left out; `(n, 3)`.
        length_m: Geodesic length of the way through them from the start, open at its end.
        share: Share of the floor that is seen from the stops and the start.
    """

    stops_m: np.ndarray
    length_m: float
    share: float


class Traveller:
    """Sees the floor in few steps because it is told the whole map, and every view of it, beforehand (privileged).

    Points to look around at are chosen greedily (most unseen floor first) from a grid of 0.5 m; their order is a
    travelling salesman's: nearest neighbour, then 2-opt and moves of single points until nothing gets shorter. No
    strict lower bound, since neither choice is proven best and a plan does not count what is seen on the way.

    Args:
        env: The house.
        meter: What has been seen so far.

    Source: Croes 1958 (2-opt); the greedy cover is within ln n of the fewest points (Chvatal 1979).
    """

    def __init__(self, env: HouseEnv, meter: FloorMeter) -> None:
        self._env, self._meter = env, meter
        points = meter.points
        step = round(_SPACING_M / CELL_M)
        rows, columns = np.floor(points[:, 2] / CELL_M).astype(int), np.floor(points[:, 0] / CELL_M).astype(int)
        self._spots = points[(rows % step == step // 2) & (columns % step == step // 2)]
        self._sample = np.flatnonzero((rows % 2 == 0) & (columns % 2 == 0))
        self._views = np.stack([_seen_around(env, spot, points[self._sample]) for spot in self._spots])
        self._graph = FloorGraph(env.pathfinder)

    def plan(self, share: float = 0.95) -> Tour:
        """A tour from where the agent is that sees what is missing to a share of the floor."""
        start = self._env.position_m
        seen = self._meter.seen[self._sample] | _seen_around(self._env, start, self._meter.points[self._sample])
        chosen: list[int] = []
        while seen.mean() < share:
            gains = (self._views & ~seen).sum(axis=1)
            best = int(gains.argmax())
            if gains[best] == 0:
                break
            chosen.append(best)
            seen |= self._views[best]
        if not chosen:
            return Tour(np.empty((0, 3)), 0.0, float(seen.mean()))
        stops = np.concatenate([start[None], self._spots[chosen]])
        distances = self._graph.between(stops, stops)
        order = shortest_order(distances)
        length = float(sum(distances[a, b] for a, b in zip(order[:-1], order[1:], strict=True)))
        return Tour(stops[order[1:]], length, float(seen.mean()))

    def actions(self, share: float = 0.95) -> Iterator[Action]:
        """Actions until a share of the floor was seen; each must be taken, and shown to the meter, before the next.

        Stops that show nothing new any more are passed over, and a turn ends when nothing unseen is left around. When
        less was seen than planned, the rest is planned anew.
        """
        for attempt in range(6):
            tour = self.plan(min(0.999, share + 0.01 * attempt))
            for stop in np.concatenate([self._env.position_m[None], tour.stops_m]):
                around = _seen_around(self._env, stop, self._meter.points)
                if (around & ~self._meter.seen).mean() <= _NOTHING:
                    continue
                for action in chain(steps_to(self._env, stop), self._look(around)):
                    yield action
                    if self._meter.share >= share:
                        return

    def _look(self, around: Bool[np.ndarray, "n"]) -> Iterator[Action]:
        """Turn towards the nearest unseen floor by angle, and on the same way round until nothing is unseen.

        What a picture does not show although it faces it is shown at another angle: turning back to it would not end.
        """
        turn: Action | None = None
        for _ in range(round(2 * math.pi / self._env.turn_rad)):
            hidden = self._meter.points[around & ~self._meter.seen]
            if len(hidden) <= _NOTHING * len(around):
                return
            if turn is None:
                dx, dz = hidden[:, 0] - self._env.position_m[0], hidden[:, 2] - self._env.position_m[2]
                off = (np.arctan2(-dx, -dz) - self._env.yaw_rad + math.pi) % (2 * math.pi) - math.pi
                turn = Action.TURN_LEFT if float(off[np.abs(off).argmin()]) > 0 else Action.TURN_RIGHT
            yield turn


def shortest_order(distances: Float64[np.ndarray, "n n"]) -> list[int]:
    """A short open way through all points from point 0: nearest neighbour, then 2-opt and moves of single points.

    Example:
        >>> x = np.array([0.0, 3.0, 1.0, 2.0])
        >>> shortest_order(abs(x[:, None] - x))
        [0, 2, 3, 1]
    """
    order, left = [0], set(range(1, len(distances)))
    while left:
        order.append(min(sorted(left), key=lambda j: distances[order[-1], j]))
        left.remove(order[-1])

    def length(way: Sequence[int]) -> float:
        return float(distances[list(way[:-1]), list(way[1:])].sum())

    best, is_better = length(order), True
    while is_better:
        is_better = False
        for i in range(1, len(order)):
            for j in range(i + 1, len(order) + 1):
                turned = order[:i] + order[i:j][::-1] + order[j:]
                rest = order[:i] + order[i + 1 :]
                for other in (turned, [*rest[:j], order[i], *rest[j:]]):
                    if length(other) < best - 1e-9:
                        order, best, is_better = other, length(other), True
    return order


def _seen_around(env: HouseEnv, point: np.ndarray, floor: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Which points of the floor are seen in a full turn on the spot."""
    eye = point + np.array([0.0, env.sensor_height_m, 0.0])
    camera = Camera(144, 144)
    seen = np.zeros(len(floor), bool)
    for quarter in range(4):
        pose = pose_from(eye, quarter * math.pi / 2)
        seen |= in_view(floor, env.render_at(pose, camera)[1], camera, pose)
    return seen
