"""Values and pixels as spike times."""

import numpy as np
import pytest

from lava_nbp.data import pixel_latency, step_spikes, value_latency
from lava_nbp.errors import InputError


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
