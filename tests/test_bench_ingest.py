"""The benchmark of ingest runs both pipelines on the same video and compares like with like."""

import pytest

from placecell.benchmarks.ingest import run, summary


def test_both_pipelines_see_the_same_moments() -> None:
    result = run(
        seed=1, peers=["plain"], encoders=["builtin"], sizes=["360p"], seconds=6.0, repeats=1, with_decoding=False
    )
    assert [cell["vectors"] for cell in result["cells"]] == [1, 10]
    for cell in result["cells"]:
        ours, plain = cell["methods"]["placecell"], cell["methods"]["plain"]
        assert ours["moments"] == plain["moments"] == 6
        assert ours["ratio"] == 1.0 and plain["ratio"] == pytest.approx(ours["median"] / plain["median"], rel=0.01)
    assert summary(result).count("builtin, 360p") == 4


def test_unknown_peers_are_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        run(peers=["nobody"])
