"""Views that region sources are judged on, and how a set of masks is held against the true ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Integer, UInt8

from placecell.envs.house import House, HouseEnv
from placecell.geometry import Camera, pose_from
from placecell.perception.objects import FIRST_THING

__all__ = ["MIN_IOU", "MIN_SIDE_PX", "JudgedView", "Match", "match_masks", "views_of_house"]

MIN_SIDE_PX, MIN_IOU = 32, 0.5
_PITCHES_RAD = (0.0, 0.0, 0.0, -math.pi / 6)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedView:
    """One picture with everything that is true of it.

    Args:
        seed: The house.
        rgb: Colour.
        depth_m: Planar depth.
        ids: Instance ids; structure lies below `FIRST_THING`.
        pose: `world_from_camera`.
        camera: Intrinsics.
        names: Category by id.
        centres_m: Middle of each thing's box by id, world frame.
    """

    seed: int
    rgb: UInt8[np.ndarray, "h w 3"]
    depth_m: Float32[np.ndarray, "h w"]
    ids: Int32[np.ndarray, "h w"]
    pose: Float64[np.ndarray, "4 4"]
    camera: Camera
    names: dict[int, str]
    centres_m: dict[int, np.ndarray]


def views_of_house(seed: int, num_views: int = 16) -> list[JudgedView]:
    """Views from random navigable points by the agent's camera (256 x 256, 90 degrees, 0.88 m), three in four level."""
    house = House.generate(seed)
    env = HouseEnv(house)
    rng = np.random.default_rng([seed, 5])
    env.pathfinder.seed(int(rng.integers(2**31)))
    names = {thing.id: thing.category for thing in house.objects}
    centres = {thing.id: thing.aabb.mean(axis=0) for thing in house.objects}
    views = []
    for i in range(num_views):
        x, _, z = env.pathfinder.get_random_navigable_point()
        pose = pose_from(np.array([x, 0.88, z]), rng.uniform(-math.pi, math.pi), _PITCHES_RAD[i % len(_PITCHES_RAD)])
        views.append(JudgedView(seed, *env.render_at(pose), pose, env.camera, names, centres))
    return views


@dataclass(frozen=True, slots=True)
class Match:
    """A true thing and a region that cover each other, or one of them alone.

    Args:
        thing: Id of the true thing, 0 for a region that matches none.
        region: Number of the region, 0 for a thing that none matches.
        side_px: Longer side of the box of the true mask, or of the region where there is none.
        num_px: Pixels of that mask.
        iou: Of the two masks.
        on_structure: Share of the region's pixels that lie on structure.
    """

    thing: int
    region: int
    side_px: int
    num_px: int
    iou: float
    on_structure: float


def match_masks(ids: Integer[np.ndarray, "h w"], labels: Integer[np.ndarray, "h2 w2"]) -> list[Match]:
    """Every true thing and every region, matched where their masks overlap by `MIN_IOU` (so no one twice).

    Args:
        ids: True instances.
        labels: Regions, 0 where there is none; a coarser grid is spread over the picture.

    Example:
        >>> ids = np.array([[12, 12], [12, 1]])
        >>> [(found.thing, found.region, found.iou) for found in match_masks(ids, np.array([[1, 1], [1, 0]]))]
        [(12, 1, 1.0)]
    """
    h, w = ids.shape
    rows, columns = np.arange(h) * labels.shape[0] // h, np.arange(w) * labels.shape[1] // w
    regions = labels[rows[:, None], columns[None, :]]
    things = np.where(ids >= FIRST_THING, ids, 0)
    truth, t = np.unique(things, return_inverse=True)
    found, r = np.unique(regions, return_inverse=True)
    both = np.bincount(t.ravel() * len(found) + r.ravel(), minlength=len(truth) * len(found))
    both = both.reshape(len(truth), len(found))
    of_thing, of_region = both.sum(axis=1), both.sum(axis=0)
    iou = both / (of_thing[:, None] + of_region[None] - both)
    structure = both[0] / of_region if truth[0] == 0 else np.zeros(len(found))
    matches, used = [], set[int]()
    for i, thing in enumerate(truth):
        if thing == 0:
            continue
        best = int(np.argmax(np.where(found > 0, iou[i], -1.0)))
        is_match = found[best] > 0 and iou[i, best] >= MIN_IOU
        used |= {best} if is_match else set()
        side = _side(t.reshape(h, w) == i)
        region = int(found[best]) if is_match else 0
        value = float(iou[i, best]) if found[best] > 0 else 0.0
        matches.append(Match(int(thing), region, side, int(of_thing[i]), value, float(structure[best])))
    for j, region in enumerate(found):
        if region > 0 and j not in used:
            side = _side(r.reshape(h, w) == j)
            matches.append(Match(0, int(region), side, int(of_region[j]), 0.0, float(structure[j])))
    return matches


def _side(mask: np.ndarray) -> int:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
