import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.perception.tiles import cut_square, cut_tiles, encode_moments, resize, tile_boxes


class MeanColour:
    """Stands in for an encoder where only the cutting matters: a picture's vector is its mean colour."""

    name, dim, image_size, calibration, prompts, notice = "mean", 3, 32, None, {}, ""

    def encode_images(self, images):
        return np.asarray(images, np.float32).reshape(len(images), -1, 3).mean(axis=1) / 255

    def encode_texts(self, texts):
        raise NotImplementedError

    def unknown_words(self, text):
        return ()


@given(st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=30, deadline=None)
def test_tiles_cover_the_view_and_stay_inside_it(width, height):
    boxes = tile_boxes(width, height)
    assert boxes[0].tolist() == [0, 0, 1, 1]
    assert (boxes >= 0).all() and (boxes <= 1 + 1e-9).all() and (boxes[:, :2] < boxes[:, 2:]).all()
    x, y = (axis.reshape(-1, 1) for axis in np.meshgrid(np.linspace(0.001, 0.999, 41), np.linspace(0.001, 0.999, 41)))
    left, top, right, bottom = boxes[1:].T
    assert ((left <= x) & (x <= right) & (top <= y) & (y <= bottom)).any(axis=1).all()


@given(st.floats(0, 0.75), st.floats(0, 0.75))
@settings(deadline=None)
def test_whatever_is_a_quarter_wide_lies_whole_in_some_half_tile(x, y):
    b = tile_boxes(256, 256)[1:]
    inside = (b[:, 0] <= x + 1e-9) & (b[:, 1] <= y + 1e-9) & (b[:, 2] >= x + 0.25 - 1e-9) & (b[:, 3] >= y + 0.25 - 1e-9)
    assert inside.any()


@pytest.mark.parametrize("shape", [(256, 256), (240, 320), (480, 640), (3, 5), (1, 1), (101, 77)])
def test_moments_equal_cutting_and_encoding_one_by_one(shape):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(5)]
    encoder = MeanColour()
    vectors = encode_moments(encoder, images, batch=23)
    boxes = tile_boxes(shape[1], shape[0])
    assert vectors.shape == (5, len(boxes), 3)
    for i, image in enumerate(images):
        assert np.allclose(vectors[i], encoder.encode_images(cut_tiles(image, boxes, 32)), atol=1e-6)
        assert np.allclose(vectors[i, 0], encoder.encode_images(resize(image, 32)[None])[0], atol=1e-6)


def test_a_small_thing_fills_more_of_a_tile_than_of_the_view():
    image = np.zeros((256, 256, 3), np.uint8)
    image[16:48, 200:232, 0] = 255
    vectors = encode_moments(MeanColour(), [image])[0]
    assert vectors[1:, 0].max() > 3.9 * vectors[0, 0]


def test_a_square_crop_keeps_proportions_and_repeats_the_edge():
    image = np.arange(100 * 60 * 3, dtype=np.uint32).reshape(100, 60, 3).astype(np.uint8)
    crop = cut_square(image, (0, 40, 20, 80), margin=0.25)
    assert crop.shape == (60, 60, 3)
    assert np.array_equal(crop[:, 20:40], image[30:90, 0:20])
    assert (crop[:, :20] == crop[:, 20:21]).all()


@pytest.mark.parametrize("call", [
    lambda: tile_boxes(0, 5), lambda: tile_boxes(5, 5, [1]), lambda: encode_moments(MeanColour(), []),
    lambda: encode_moments(MeanColour(), [np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]),
    lambda: cut_square(np.zeros((4, 4, 3), np.uint8), (2, 2, 2, 3)),
])  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(call):
    with pytest.raises(ValueError) as caught:
        call()
    assert "\n" not in str(caught.value)
