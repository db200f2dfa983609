"""Arrays that processes share."""

import itertools
import os
import threading

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


@pytest.mark.parametrize("shape", [-1, (3, -2), (-2, -3)])
def test_negative_sizes(shape):
    with pytest.raises(InputError, match="that processes share: sizes are 0 or more"):
        shared_zeros(shape, np.uint8)


#: Around the size up to which arrays are cut from blocks.
SIZES = (0, 1, 63, 64, 65, 1000, 4095, 4096, 4097, 70_000)


def overlap(arrays):
    """Whether two arrays share memory, by the addresses of their bytes."""
    spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in arrays if a.nbytes)
    return any(end > begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_each_has_memory_of_its_own():
    arrays = [shared_zeros(n, np.uint8) for _ in range(40) for n in SIZES]
    assert not overlap(arrays)
    for k, array in enumerate(arrays):
        array[...] = k % 251
    assert all((array == k % 251).all() for k, array in enumerate(arrays))
    assert all(shared_zeros(n, np.float64).flags.aligned for n in SIZES)


def test_threads_take_different_memory():
    arrays = []

    def take():
        arrays.extend([shared_zeros(100, np.uint8) for _ in range(500)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrays) == 2000
    assert not overlap(arrays)


@pytest.mark.parametrize("size", [8, 10_000])
def test_a_child_writes_to_what_was_there_and_takes_memory_of_its_own(size):
    shared = shared_zeros(size, np.uint8)
    pid = os.fork()
    if pid == 0:
        shared[...] = 3
        shared_zeros(size, np.uint8)[...] = 7  # where the parent's next would be, if both went on with the same block
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (shared == 3).all()
    assert not shared_zeros(size, np.uint8).any()


def test_memory_is_let_go_with_the_last_array_of_a_block():
    def mapped():
        with open("/proc/self/maps") as maps:
            return sum("/dev/zero" in line for line in maps)

    before = mapped()
    kept = [shared_zeros(64, np.uint8) for _ in range(10_000)]
    assert mapped() > before + 5
    del kept
    assert mapped() <= before + 1  # the block that the next ones are cut from
