"""What the benchmark of the object map takes for the truth, and that it runs."""

from __future__ import annotations

import numpy as np
import pytest

from placecell.benchmarks.object_walks import TrueChange, rearranged, true_changes
from placecell.benchmarks.objects import run, summary
from placecell.envs.house import Change, HouseObject

A, B = (1.0, 0.5, 1.0), (4.0, 0.5, 1.0)


def thing(at: tuple[float, float, float]) -> HouseObject:
    return HouseObject(12, "mug", "red", 0, "kitchen", np.array(at) - 0.1, np.array(at) + 0.1, None)


def changes_of(change: Change, seen: tuple[int, int], would: tuple[int, int]) -> list[str]:
    first, second = ({12: side} if side else {} for side in seen)
    must, may = true_changes([change], (first, second), ({12: would[0]}, {12: would[1]}))
    assert all(isinstance(change, TrueChange) for change in (*must, *may))
    return [change.kind for change in must]


def test_a_change_counts_if_the_walks_could_show_it():
    moved = Change("moved", 12, thing(A), thing(B))
    assert changes_of(moved, (40, 40), (0, 40)) == ["moved"]
    assert changes_of(moved, (40, 40), (40, 0)) == []  # nobody saw that it had left
    assert changes_of(moved, (40, 0), (0, 40)) == ["gone"]
    assert changes_of(moved, (0, 40), (40, 0)) == ["new"]
    assert changes_of(moved, (40, 20), (40, 40)) == []  # seen afterwards, but too small to ask for
    assert changes_of(Change("removed", 12, thing(A), None), (40, 0), (0, 40)) == ["gone"]
    assert changes_of(Change("removed", 12, thing(A), None), (40, 0), (0, 10)) == []
    assert changes_of(Change("added", 12, None, thing(B)), (0, 40), (40, 0)) == ["new"]


def test_a_house_is_rearranged_the_same_way_every_time():
    one, other = rearranged(5), rearranged(5)
    assert one[1].digest() == other[1].digest() != one[0].digest()


def test_unknown_detectors_are_refused():
    with pytest.raises(ValueError, match="masks, regions"):
        run(peers=["eyes"])


@pytest.mark.slow
def test_with_the_simulators_masks_a_house_is_mapped_and_its_changes_noticed():
    result = run(seed=2_000_001, num_rows=1, peers=["masks"])
    assert result["masks"]["found"]["value"] >= 0.9 and result["masks"]["spurious"]["value"] <= 0.15
    assert "changes, F1" in summary(result)
