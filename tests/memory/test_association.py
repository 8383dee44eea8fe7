"""Which track a detection is of: what speaks for it raises the odds, and what is not known speaks neither way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from placecell.memory.association import belongs, nearness

shares = st.floats(0, 1)


def score(identity, gap=0.0, inside=0.5, covers=0.5, growth=0.0, cosine=0.8, names=0.5, clash=0.0, colours=0.8):
    values = (gap, inside, covers, growth, cosine, names, clash, colours, identity)
    return float(belongs(*(np.array([[value]]) for value in values))[0, 0])


@given(st.floats(-1, 1), st.floats(0.001, 1), shares, shares, shares)
def test_the_nearer_the_identities_the_likelier_it_is_the_tracks_thing(identity, more, inside, cosine, colours):
    rest = {"inside": inside, "cosine": cosine, "colours": colours}
    assert score(identity, **rest) < score(min(identity + more, 1.0), **rest) or identity == 1.0
    assert nearness(np.array(identity)) <= nearness(np.array(min(identity + more, 1.0)))


@given(st.floats(0, 0.3), shares, shares)
def test_overlap_looks_and_colours_speak_for_it_with_identities_and_without(gap, less, more):
    less, more = sorted((less, more))
    for identity in (np.nan, 0.7):
        for name in ("inside", "covers", "cosine", "names", "colours"):
            assert score(identity, gap, **{name: less}) <= score(identity, gap, **{name: more})
        assert score(identity, gap) <= score(identity, 0.0)


def test_each_pair_is_scored_by_itself():
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 1, (9, 3, 4))
    rows[-1, 0, 1] = rows[-1, 2, 2] = np.nan
    table = belongs(*rows)
    for i, j in np.ndindex(3, 4):
        assert np.isclose(table[i, j], belongs(*rows[:, i : i + 1, j : j + 1])[0, 0])
    assert np.isfinite(table).all()
