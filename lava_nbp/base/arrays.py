"""Arrays in memory that a process and the children it forks share, with nothing to clean up.

Lava runs every process model in a forked child and moves a Var one number at a
time. Anonymous shared memory is inherited by a fork, has no name in /dev/shm,
and vanishes with its last user, however that user ends.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import shown
from lava_nbp.base.memory import check_memory

#: Makes an array of zeros from a shape and a type: numpy.zeros, or one in memory shared with child processes.
Allocate = Callable[[Any, Any], NDArray[Any]]

#: What is smaller is taken unasked, in bytes.
_SMALL = 1 << 24


def shared_zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Make an array of zeros that stays shared with children forked later; called like `numpy.zeros`.

    Raises
    ------
    InputError
        For more than there may be, see `lava_nbp.base.memory`.
    """
    dtype = np.dtype(dtype)
    count = math.prod(map(int, (shape,) if isinstance(shape, (int, np.integer)) else shape))
    if count * dtype.itemsize > _SMALL:
        what = f"an array of shape {shown(shape)} that processes share"
        check_memory(count * dtype.itemsize, what, "make what it is for smaller")
    memory = mmap.mmap(-1, max(count * dtype.itemsize, 1))  # MAP_SHARED | MAP_ANONYMOUS
    return np.frombuffer(memory, dtype=dtype, count=count).reshape(shape)
