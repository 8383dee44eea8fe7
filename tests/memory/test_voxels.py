"""What is counted of small cubes of space, against a plain loop over them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from placecell.memory.voxels import VOXEL_M, Voxels

VIEW = st.tuples(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-1, 2)), min_size=1, max_size=8),  # voxel along x, verdict
    st.sampled_from([0.0, 30.0, 500.0, 900.0]),
    st.sampled_from([1000.0, 940.0, 1300.0]),
    st.integers(0, 1),
)


@given(st.lists(VIEW, max_size=12), st.sampled_from([np.inf, 1000.0]), st.booleans())
def test_counts_are_those_of_a_plain_loop(views, as_of, is_hint_enough):
    voxels, told = Voxels(), {}
    for points, then_s, now_s, turn in views:
        cell = (0, 0, 0, turn, 0)
        middles = np.array([[(x + 0.5) * VOXEL_M, 0.5 * VOXEL_M, -0.5 * VOXEL_M] for x, _ in points])
        voxels.tally(middles, np.array([verdict for _, verdict in points], np.int8), then_s, now_s, cell)
        for x in {x for x, verdict in points if verdict > 0}:
            row = told.setdefault(
                x, {"old": then_s, "new": now_s, "sure": 0, "likely": 0, "against": 0, "cells": set()}
            )
            row["likely"] += 1
            row["sure"] += (x, 2) in points
            row["old"] = max(row["old"], min(then_s, row["new"]))
            row["cells"].add(cell)
        for x in {x for x, verdict in points if verdict == 0} & told.keys():
            told[x]["against"] += then_s <= told[x]["old"]
    expected = {
        x: (row["sure"] >= 2, row["old"], row["new"])
        for x, row in told.items()
        if (is_hint_enough or (row["likely"] >= 2 and len(row["cells"]) >= 2))
        and row["against"] <= row["likely"]
        and row["new"] <= as_of
        and row["old"] < row["new"] - 60.0
    }
    found = voxels.volume(as_of, is_hint_enough)
    assert np.allclose(found.low_m[:, 1:], [0.0, -VOXEL_M])
    rows = zip(found.low_m[:, 0], found.is_sure, found.old_s, found.new_s, strict=True)
    assert {round(x / VOXEL_M): (bool(sure), old, new) for x, sure, old, new in rows} == expected
    assert len(found.low_m) == len(expected)


def test_nothing_counted_is_no_volume_and_many_voxels_fit():
    voxels = Voxels()
    assert voxels.volume().low_m.shape == (0, 3)
    points = np.stack([np.arange(5000) * VOXEL_M, np.zeros(5000), np.zeros(5000)], axis=1) + VOXEL_M / 2
    for turn in (0, 1):
        voxels.tally(points, np.full(5000, 2, np.int8), 0.0, 100.0, (0, 0, 0, turn, 0))
    assert len(voxels.volume().low_m) == 5000 and voxels.volume().is_sure.all()
