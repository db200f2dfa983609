"""Arrays in memory that a process and the children it forks share, with nothing to clean up.

Lava runs every process model in a forked child and moves a Var one number at a
time. Anonymous shared memory is inherited by a fork, has no name in /dev/shm,
and vanishes with its last user, however that user ends.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import shown
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError

#: Makes an array of zeros from a shape and a type: numpy.zeros, or one in memory shared with child processes.
Allocate = Callable[[Any, Any], NDArray[Any]]

#: What is smaller is taken unasked, in bytes.
_SMALL = 1 << 24
#: Arrays up to a size come from blocks of several, in bytes: a mapping of its own costs more than they do, and in every
#: fork again. Each begins at a multiple of a line of the processor's cache.
_BLOCK, _IN_BLOCK, _LINE = 1 << 16, 1 << 12, 64


def shared_zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Make an array of zeros that stays shared with children forked later; called like `numpy.zeros`.

    Raises
    ------
    InputError
        For a negative size, or more than there may be, see `lava_nbp.base.memory`.
    """
    dtype = np.dtype(dtype)
    sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if min(sizes, default=0) < 0:
        raise InputError(f"an array of shape {shown(shape)} that processes share: sizes are 0 or more")
    count = math.prod(sizes)
    if count * dtype.itemsize > _SMALL:
        what = f"an array of shape {shown(shape)} that processes share"
        check_memory(count * dtype.itemsize, what, "make what it is for smaller")
    size = count * dtype.itemsize
    memory, offset = (_mapped(size), 0) if size > _IN_BLOCK else _block.take(size)
    return np.frombuffer(memory, dtype=dtype, count=count, offset=offset).reshape(shape)


def _mapped(size: int) -> mmap.mmap:
    return mmap.mmap(-1, max(size, 1))  # MAP_SHARED | MAP_ANONYMOUS


class _Block(threading.local):
    """A block that arrays are cut from, each thread's own: nobody waits for a lock that a fork has left closed.

    A child does not go on with its parent's: both would take the same places. What is cut is never given again; the
    block is let go with its last array.
    """

    def __init__(self) -> None:
        self._memory, self._taken, self._owner = _mapped(0), _BLOCK, 0

    def take(self, size: int) -> tuple[mmap.mmap, int]:
        """Memory of so many bytes, and where in it they begin."""
        needed = -(-max(size, 1) // _LINE) * _LINE
        if self._taken + needed > _BLOCK or self._owner != os.getpid():
            self._memory, self._taken, self._owner = _mapped(_BLOCK), 0, os.getpid()
        offset = self._taken
        self._taken += needed
        return self._memory, offset


_block = _Block()
