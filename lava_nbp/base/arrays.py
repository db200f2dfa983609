"""Arrays in memory that a process and the children it forks share, with nothing to clean up.

Lava runs every process model in a forked child and moves a Var one number at a
time. Anonymous shared memory is inherited by a fork, has no name in /dev/shm,
and vanishes with its last user, however that user ends.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Makes an array of zeros from a shape and a type: numpy.zeros, or one in memory shared with child processes.
Allocate = Callable[[Any, Any], NDArray[Any]]


def shared_zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Make an array of zeros that stays shared with children forked later; called like `numpy.zeros`."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    memory = mmap.mmap(-1, max(size, 1))  # MAP_SHARED | MAP_ANONYMOUS
    return np.frombuffer(memory, dtype=dtype, count=int(np.prod(shape))).reshape(shape)
