"""The value map, cell by cell, against the plain formula."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents.values import CELL_M, Glance, ValueMap
from placecell.geometry import Camera, pose_from
from placecell.memory.records import Record
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

CAMERA = Camera.from_degrees(32, 32, 90.0)


def glance(x: float, z: float, yaw_rad: float, depth_m: float) -> Glance:
    """A view of a wall that far ahead, with one vector."""
    scan = Scan.from_depth(np.full((32, 32), depth_m, np.float32), CAMERA)
    pose = pose_from(np.array([x, 1.25, z]), yaw_rad)
    scene = Scene.of(CAMERA, scan=scan)
    return Glance(
        Record("ann", 1, "moment", 0.0, 0.0, pose=pose, scene=scene, embeddings=np.eye(1, 2, dtype=np.float32))
    )


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-3, 3), st.floats(0.5, 8), st.floats(0, 1)),
        min_size=1,
        max_size=3,
    )
)
def test_views_are_fused_by_how_near_a_cell_lies_to_their_axis(views: list[tuple[float, ...]]) -> None:
    values = ValueMap()
    painted = [(glance(*view[:4]), view[4]) for view in views]
    for seen, chance in painted:
        values.paint(seen, np.array([chance]))
    x0, z0 = values.origin_m
    for row, column in np.random.default_rng(0).integers(0, values.value.shape, (200, 2)):
        value = confidence = 0.0
        for seen, chance in painted:
            rows = row + round(z0 / CELL_M) - math.floor(seen.z / CELL_M)
            columns = column + round(x0 / CELL_M) - math.floor(seen.x / CELL_M)
            off = math.atan2(-columns, -rows) - seen.heading_rad
            off = (off + math.pi) % (2 * math.pi) - math.pi
            half = seen.hfov_rad / 2
            if abs(off) >= half:
                continue
            number = min(int((1 - math.tan(off) / math.tan(half)) / 2 * 32), 31)
            if math.hypot(rows, columns) * CELL_M > min(seen.range_m[number] + CELL_M, 5.0) - 1e-6:
                if math.hypot(rows, columns) * CELL_M < min(seen.range_m[number] + CELL_M, 5.0) + 1e-6:
                    break  # on the very edge
                continue
            new = 0.25 + 0.75 * math.cos(off / half * math.pi / 2) ** 2
            value = (new * chance + confidence * value) / (new + confidence)
            confidence = (new * new + confidence * confidence) / (new + confidence)
        else:
            assert abs(float(values.value[row, column]) - value) < 1e-4
            assert abs(float(values.confidence[row, column]) - confidence) < 1e-4
