"""Arrays that processes share."""

import numpy as np
import pytest

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.errors import InputError


@pytest.mark.parametrize("shape", [3, np.int64(3), (3,), (2, 3), (0,), (0, 5), ()])
def test_as_zeros_of_numpy(shape):
    for dtype in (np.uint8, np.float64):
        made, wanted = shared_zeros(shape, dtype), np.zeros(shape, dtype)
        assert (made.shape, made.dtype) == (wanted.shape, wanted.dtype)
        assert np.array_equal(made, wanted)


@pytest.mark.parametrize("shape", [10**14, (10**12, 4), (10**20, 10**20), (2**62, 8)])
def test_more_than_there_is_memory_is_refused_before_it_is_taken(shape):
    with pytest.raises(InputError, match="an array of shape .* that processes share needs some .* the limit is"):
        shared_zeros(shape, np.uint8)
