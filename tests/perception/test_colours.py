"""What colours a thing has, whatever light falls on it and whatever lies behind it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from placecell.perception.colours import NUM_COLOURS, colours_of, named_colours, shared_colours
from placecell.perception.detection import lift, pack_detections, unpack_detections

WHOLE = np.ones((16, 16), bool)


def a_picture(*rgb):
    return np.full((16, 16, 3), rgb, np.uint8)


def test_things_of_one_colour_share_it_in_more_and_less_light():
    red, dim = colours_of(a_picture(220, 30, 30), WHOLE), colours_of(a_picture(150, 20, 20), WHOLE)
    blue = colours_of(a_picture(30, 30, 220), WHOLE)
    assert shared_colours(red, dim) > 0.9 and shared_colours(red, blue) == 0.0
    assert np.isnan(shared_colours(red, np.zeros(NUM_COLOURS, np.uint8)))


def test_greys_are_told_apart_by_how_bright_they_are():
    black, grey, white = (colours_of(a_picture(v, v, v), WHOLE) for v in (5, 128, 250))
    assert shared_colours(black, white) == 0.0 and shared_colours(grey, white) < 0.2


def test_the_rim_of_a_mask_is_left_out_and_no_mask_has_no_colours():
    picture = a_picture(220, 30, 30)
    mask = np.zeros((16, 16), bool)
    mask[2:12, 2:12] = True
    picture[2], picture[11], picture[:, 2], picture[:, 11] = 4 * ((30, 30, 220),)
    assert shared_colours(colours_of(picture, mask), colours_of(a_picture(220, 30, 30), WHOLE)) > 0.99
    assert not colours_of(picture, ~WHOLE).any()


@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_shares_are_symmetric_whole_with_oneself_and_add_up(first, second):
    a, b = colours_of(a_picture(*first), WHOLE), colours_of(a_picture(*second), WHOLE)
    assert abs(int(a.sum()) - 255) <= NUM_COLOURS // 2
    assert shared_colours(a, b) == shared_colours(b, a) and 0 <= shared_colours(a, b) <= 1
    assert np.isclose(shared_colours(a, a), 1.0)


def test_a_detection_keeps_them_and_older_ones_have_none():
    points = np.dstack([*np.meshgrid(np.linspace(0, 1, 16), np.linspace(0, 1, 16)), np.full((16, 16), 2.0)])
    found = lift(WHOLE, points, rgb=a_picture(30, 220, 30))
    (back,) = unpack_detections(pack_detections([found]))
    assert np.array_equal(back.colours, found.colours) and found.colours.sum() > 200
    plain = pack_detections([lift(WHOLE, points)])
    assert unpack_detections(plain)[0].colours is None
    for missing in (1, 2):  # fields that were not kept before: identities, and colours
        older = bytes([plain[0], plain[1] - missing]) + plain[2:-missing]
        assert unpack_detections(older)[0].num_px == 256


def test_every_colour_goes_by_its_name_first():
    shown = {
        "red": (204, 23, 23), "orange": (247, 128, 18), "yellow": (245, 219, 41), "green": (31, 140, 46),
        "blue": (26, 71, 204), "purple": (117, 41, 168), "pink": (247, 143, 189), "black": (18, 18, 20),
        "white": (240, 240, 238),
    }  # fmt: skip
    for name, rgb in shown.items():
        shares = named_colours(colours_of(a_picture(*rgb), WHOLE))
        assert max(shares, key=shares.__getitem__) == name and shares[name] > 0.6
    assert named_colours(np.zeros(NUM_COLOURS, np.uint8)) == {}
