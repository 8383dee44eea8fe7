from __future__ import annotations

import math

import numpy as np

from placecell.geometry import Camera, pose_from
from placecell.memory.occupancy import sweep
from placecell.pathfinder import CELL_M
from placecell.perception.scan import Scan

EYE_M, TOP_M, FRONT_M = 0.9, 0.5, 2.0


def bed_before_a_wall(camera: Camera, wall_m: float, edge_m: float) -> Scan:
    """Depth of a flat top at `TOP_M` from `FRONT_M` to `edge_m` ahead, floor before it and a wall at `wall_m`."""
    v = (np.arange(camera.height) + 0.5 - camera.height / 2)[:, None] / camera.focal_px  # down is positive
    with np.errstate(divide="ignore"):
        top, floor = (EYE_M - TOP_M) / v, EYE_M / v
    depth = np.where((v > 0) & (floor < wall_m), floor, wall_m)
    depth = np.where((v > 0) & (top > FRONT_M) & (top <= edge_m), top, depth)
    depth = np.where((v > 0) & (top <= FRONT_M) & (floor > FRONT_M), FRONT_M, depth)
    return Scan(np.broadcast_to(depth, (camera.height, camera.width)).astype(np.float32), camera)


def test_the_top_of_a_bed_never_reaches_the_wall_behind_it() -> None:
    camera = Camera.from_degrees(96, 96, 90.0)
    v = (np.arange(96) + 0.5 - 48) / camera.focal_px
    tops = (EYE_M - TOP_M) / v[v > 0]
    edge_m, wall_m = float(tops[5]), float(tops[4])  # the wall is where the next row of a longer bed would be
    assert wall_m - edge_m > 0.7
    found = sweep(bed_before_a_wall(camera, wall_m, edge_m), pose_from(np.array([0.0, EYE_M, 0.0]), 0.0), 0.0)
    z = (found.row + np.arange(found.blocked.shape[0]) + 0.5) * CELL_M
    gap = (-z > edge_m + 2 * CELL_M) & (-z < wall_m - CELL_M)
    assert gap.sum() >= 10
    assert not found.blocked[gap].any()
    middle = math.floor(0.0 / CELL_M) - found.column
    bed = (-z > FRONT_M + CELL_M) & (-z < float(tops[6]))
    assert found.blocked[bed, middle - 4 : middle + 4].any(axis=1).all()  # but the top itself is filled
