"""The decoding benchmark runs, and its methods see the same moments."""

import json

import numpy as np
import pytest

from placecell.benchmarks import decode
from placecell.benchmarks.footage import moving_pictures


def test_the_decoding_benchmark_compares_like_with_like() -> None:
    peers = ["PyAV", "OpenCV, grab and retrieve", "OpenCV, set position"]
    result = decode.run(gops=(75,), seconds=5.0, repeats=2, size=(256, 144), peers=peers)
    methods = result["gop"]["75"]["methods"]
    assert set(methods) == {"placecell", "placecell, exact", *peers}
    for row in methods.values():
        assert row["pictures"] == 5 and 0 < row["low"] <= row["median"] <= row["high"]
        assert row["difference"] < 12  # another scaler, not another moment
    assert methods["placecell, exact"]["difference"] == 0
    assert "GOP 75" in decode.summary(json.loads(json.dumps(result)))


def test_unknown_peers_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown peers"):
        decode.run(peers=["abacus"])


def test_made_footage_moves_and_repeats_with_its_seed() -> None:
    first, again, other = moving_pictures((64, 48), 1), moving_pictures((64, 48), 1), moving_pictures((64, 48), 2)
    a, b, c = next(first), next(again), next(other)
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert not np.array_equal(next(first), a)
