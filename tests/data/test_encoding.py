import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_nbp.data import binarise, crop, down_sample
from lava_nbp.errors import InputError


def test_crop():
    images = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    assert np.array_equal(crop(images, 2), images[:, 2:3, 2:4])
    assert crop(images, 0) is not None
    assert crop(np.zeros((1, 28, 28)), 4).shape == (1, 20, 20)


@pytest.mark.parametrize("margin", [-1, 3])
def test_crop_that_leaves_nothing(margin):
    with pytest.raises(InputError, match=f"crop is {margin}, but images of 5 x 6 pixels allow 0 .. 2"):
        crop(np.zeros((1, 5, 6)), margin)


def test_down_sample_by_hand():
    image = np.array([[[0, 4, 8], [8, 0, 0], [4, 4, 8]]])
    # Each new pixel covers 1.5 x 1.5 old ones: weights 1, 1/2, 1/4 over 9/4.
    upper_left = (0 + 4 / 2 + 8 / 2 + 0 / 4) / 2.25
    upper_right = (4 / 2 + 8 + 0 / 4 + 0 / 2) / 2.25
    lower_left = (8 / 2 + 0 / 4 + 4 + 4 / 2) / 2.25
    lower_right = (0 / 4 + 0 / 2 + 4 / 2 + 8) / 2.25
    assert np.allclose(down_sample(image, 2), [[[upper_left, upper_right], [lower_left, lower_right]]])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_down_sampling_keeps_the_mean(height, width, side):
    image = np.random.default_rng(side).random((3, height, width))
    if side > min(height, width):
        with pytest.raises(InputError, match=f"side is {side}"):
            down_sample(image, side)
    else:
        small = down_sample(image, side)
        assert small.shape == (3, side, side)
        assert np.allclose(small.mean(axis=(1, 2)), image.mean(axis=(1, 2)))


def test_down_sampling_to_the_same_size_changes_nothing():
    image = np.arange(49.0).reshape(1, 7, 7)
    assert np.allclose(down_sample(image, 7), image)


def test_binarise_is_strictly_greater():
    images = np.array([[[127, 128], [0, 255]]], dtype=np.uint8)
    assert binarise(images, 0.5, 255.0).tolist() == [[0, 1, 0, 1]]
    assert binarise(np.array([[[8.0, 8.1]]]), 0.5, 16.0).tolist() == [[0, 1]]
    assert binarise(images, 0.0, 255.0).dtype == np.uint8
