"""SpikeRaster on Lava."""

import numpy as np
import pytest
from feeding import feed

from lava_nbp.errors import InputError
from lava_nbp.processes import SpikeRaster


def test_by_hand(way):
    raster = SpikeRaster({"a": (2,), "b": (1, 2)}, steps=2)
    inputs = {"a_in": [[1, 0], [0, 5], [1, 1]], "b_in": [[[0, 1]], [[1, 0]], [[1, 1]]]}
    found = feed(raster, inputs, ["raster_out"])
    assert found["raster_out"].tolist() == [[[1, 0, 0, 1]], [[0, 1, 1, 0]], [[1, 1, 1, 1]]]
    spikes = raster.spikes  # two of the three steps fit
    assert spikes["a"].tolist() == [[1, 0], [0, 1]]
    assert spikes["b"].tolist() == [[[0, 1]], [[1, 0]]]
    assert spikes["a"].dtype == np.uint8
    raster.reset()
    assert raster.spikes["a"].shape == (0, 2)


def test_in_another_order(way):
    raster = SpikeRaster({"a": (2,), "b": (1,)}, order=[2, 0, 1], steps=1)
    found = feed(raster, {"a_in": [[1, 0]], "b_in": [[0]]}, ["raster_out"])
    assert found["raster_out"].tolist() == [[[0, 1, 0]]]
    assert raster.spikes["a"].tolist() == [[1, 0]]
    with pytest.raises(InputError, match="order must name each of the 3 neurons once, counted from 0"):
        SpikeRaster({"a": (2,), "b": (1,)}, order=[0, 1, 1])


def test_wrong_arguments():
    with pytest.raises(InputError, match="without populations"):
        SpikeRaster({})
    with pytest.raises(InputError, match="steps is -1"):
        SpikeRaster({"a": (2,)}, steps=-1)
    with pytest.raises(InputError, match="shape is 0"):
        SpikeRaster({"a": 0})
