"""Images cropped, down-sampled and as bits; values and pixels as spike times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_nbp.data import Encoding, binarise, crop, down_sample, pixel_latency, step_spikes, value_latency
from lava_nbp.data.encodings import shift_images
from lava_nbp.errors import InputError


def test_crop():
    images = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    assert np.array_equal(crop(images, 2), images[:, 2:3, 2:4])
    assert crop(images, 0) is not None
    assert crop(np.zeros((1, 28, 28)), 4).shape == (1, 20, 20)


@pytest.mark.parametrize("pixels", [-1, 3])
def test_crop_that_leaves_nothing(pixels):
    with pytest.raises(InputError, match=f"crop is {pixels}, but images of 5 x 6 pixels allow 0 .. 2"):
        crop(np.zeros((1, 5, 6)), pixels)


@pytest.mark.parametrize("change", [crop, down_sample])
def test_values_are_no_images(change):
    with pytest.raises(InputError, match=r"images to crop or down-sample have shape \(3, 4\)"):
        change(np.zeros((3, 4)), 1)


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


@pytest.mark.parametrize("threshold", [-0.1, 1, 1.5, np.nan])
def test_impossible_thresholds(threshold):
    with pytest.raises(InputError, match=f"threshold is {threshold}, but must be a part of full scale"):
        binarise(np.zeros((1, 2, 2)), threshold, 1.0)


def test_a_thermometer_by_hand():
    """All pixels by the first threshold, then all by the second: the brighter, the more spikes."""
    images = np.array([[[0.2, 0.4], [0.6, 0.8]]])
    assert binarise(images, [0.3, 0.5, 0.7], 1.0).tolist() == [[0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1]]
    assert np.array_equal(binarise(images, [0.5], 1.0), binarise(images, 0.5, 1.0))
    with pytest.raises(InputError, match=r"threshold is \[0.5, 0.3\], but several must rise"):
        binarise(images, [0.5, 0.3], 1.0)
    with pytest.raises(InputError, match="several must rise"):
        binarise(images, (0.3, 0.3), 1.0)
    with pytest.raises(InputError, match="threshold is empty"):
        binarise(images, [], 1.0)
    with pytest.raises(InputError, match="threshold is nan"):
        binarise(images, [0.3, np.nan], 1.0)


# ------------------------------------------------------------------ moved images


def test_images_move_by_hand():
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    moved = shift_images(np.stack([image] * 3), np.array([[0, 0], [1, 0], [-2, 1]]))
    assert moved.dtype == np.uint8
    assert moved.tolist() == [
        image.tolist(),
        [[0, 0, 0], [1, 2, 3], [4, 5, 6]],
        [[0, 7, 8], [0, 0, 0], [0, 0, 0]],
    ]


@pytest.mark.parametrize("offsets", [[[0]], [[0.5, 0]], [[3, 0]], [[0, 0], [0, 0]], [[np.nan, 0]]])
def test_impossible_offsets(offsets):
    with pytest.raises(InputError, match="offsets have shape|shift is"):
        shift_images(np.zeros((1, 3, 4)), offsets)


# ------------------------------------------------------------------ spike times


def test_values_by_hand():
    assert value_latency([[0.0, 0.25], [1.0, 0.5]], 2.0, 30.0).tolist() == [[2.0, 9.0], [30.0, 16.0]]


def test_pixels_by_hand():
    """255 at the beginning, the darkest would be at the end; what is not brighter does not spike."""
    images = np.array([[[255, 1], [128, 0]]], np.uint8)
    assert pixel_latency(images, 0.0, 20.0).tolist() == [[0.0, np.inf, 20.0 * 127 / 254, np.inf]]
    assert pixel_latency(images, 5.0, 10.0, darkest=127).tolist() == [[5.0, np.inf, 5 + 5 * 127 / 128, np.inf]]


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_values_out_of_range(value):
    with pytest.raises(InputError, match=f"value {value} is outside 0 .. 1"):
        value_latency([0.5, value], 0, 30)


@pytest.mark.parametrize("window", [(-1, 5), (5, 5), (6, 5), (0, np.inf), (np.nan, 3)])
def test_impossible_windows(window):
    with pytest.raises(InputError, match="the first must be 0 or more and before the last"):
        value_latency([0.5], *window)
    with pytest.raises(InputError, match="the first must be 0 or more"):
        pixel_latency(np.zeros((1, 2), np.uint8), *window)


def test_wrong_images():
    with pytest.raises(InputError, match="images have dtype float64, but must be uint8"):
        pixel_latency(np.zeros((1, 2, 2)), 0, 20)
    with pytest.raises(InputError, match="darkest is 255"):
        pixel_latency(np.zeros((1, 2, 2), np.uint8), 0, 20, darkest=255)


def test_spikes_in_steps():
    """0.74 and 0.76 ms are nearest to the beginnings of steps 1 and 2 of 0.5 ms; 1.8 ms lies beyond the last."""
    times = np.array([[0.0, 0.74, 0.76], [np.inf, 1.0, 1.8]])
    expected = np.zeros((3, 2, 3))
    expected[0, 0, 0] = expected[1, 0, 1] = expected[2, 0, 2] = expected[2, 1, 1] = 1
    np.testing.assert_array_equal(step_spikes(times, 0.5, 3), expected)
    assert np.argwhere(step_spikes([[1e6, 0.0]], 1e-300, 3)).tolist() == [[0, 0, 1]]  # the other is far behind the end


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5.0, 5.0), "spikes from 5.0 to 5.0 ms: the first must be 0 or more and before the last"),
        ((0.0, 20.0, -1.0), "bias is -1.0 ms, but must be 0 or more"),
        ((0.0, 20.0, None, 255), "darkest is 255"),
    ],
)
def test_an_encoding_is_checked_where_it_is_made(arguments, message):
    with pytest.raises(InputError, match=message):
        Encoding(*arguments)
