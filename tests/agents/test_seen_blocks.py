from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.agents.known_map import KnownMap
from placecell.agents.scouting import worth_seeing
from placecell.agents.seen_blocks import read_seen, write_seen
from placecell.memory.records import Record

AREAS = st.tuples(st.integers(1, 70), st.integers(1, 70))


@given(AREAS, st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60)
def test_whole_blocks_survive_being_written(area, seed, share):
    rng = np.random.default_rng(seed)
    blocks = rng.random((-(-area[0] // 4), -(-area[1] // 4))) < share
    seen = blocks.repeat(4, 0).repeat(4, 1)[: area[0], : area[1]]
    told = read_seen(f"3,4>g {write_seen(seen)} hello", area)
    # At the edge of the map, a block of which little lies within counts as seen.
    w, h = area[0] // 4 * 4, area[1] // 4 * 4
    assert (told[:w, :h] == seen[:w, :h]).all() and (told >= seen).all()


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=30)
def test_a_block_is_told_where_three_quarters_of_it_were_seen(seed, share):
    seen = np.random.default_rng(seed).random((32, 24)) < share
    told = read_seen(write_seen(seen), (32, 24))
    for x in range(0, 32, 4):
        for y in range(0, 24, 4):
            assert (told[x : x + 4, y : y + 4] == (seen[x : x + 4, y : y + 4].sum() >= 12)).all()


@given(st.text(max_size=40))
def test_words_that_are_none_are_passed_over(text):
    assert read_seen(f"{text} %", (16, 16)).shape == (16, 16)


@pytest.mark.parametrize("text", ["%" + "_" * 4000, "%0" + "_" * 9])
def test_runs_that_are_too_long_end_at_the_edge(text):
    assert read_seen(text, (8, 8)).shape == (8, 8)


def test_a_long_word_is_short():
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.random((8, 8)) < 0.5, np.ones((8, 8), bool))
    assert len(write_seen(blocks)) < 120
    assert write_seen(np.zeros((64, 64), bool)) == "%_0_0_0_04" and write_seen(np.ones((64, 64), bool))[:2] == "%0"


def test_where_others_looked_there_is_little_to_see_of_ores_but_wood_as_before():
    known, fresh = KnownMap((32, 32)), KnownMap((32, 32))
    seen = np.zeros((32, 32), bool)
    seen[8:16, 8:16] = True
    known.fold(Record("ann", 1, "text", 5.0, 5.0, text=write_seen(seen)))
    assert (known.told == seen).all() and not known.materials.any()
    for item in ("diamond", "iron"):
        worth, before = worth_seeing(known, item), worth_seeing(fresh, item)
        assert (worth[seen] < 0.5 * before[seen]).all() and (worth[~seen] == before[~seen]).all()
    assert (worth_seeing(known, "wood") == worth_seeing(fresh, "wood")).all()
    known.forget()
    assert not known.told.any()
