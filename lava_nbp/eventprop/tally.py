"""What is counted while samples run: the same names for engines, parts and Processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lava_nbp.base.arrays import Allocate


class Counts(NamedTuple):
    """Numbers by the names that they have in `Result`."""

    hidden_spikes: int = 0
    silent_neurons: int = 0
    silent_labels: int = 0
    clipped: int = 0
    saturated: int = 0
    most_spikes: int = 0
    deepest_layer: int = 0
    bounded: int = 0
    overflowed: int = 0


#: Those of which several parts have the largest; of all others the sum.
_LARGEST = ("most_spikes", "deepest_layer")


def total(parts: Iterable[Counts]) -> Counts:
    """What several parts have counted together: sums, but the largest `most_spikes` and `deepest_layer`."""
    columns = zip(Counts._fields, zip(*parts, strict=True), strict=True)
    return Counts._make(max(column) if name in _LARGEST else sum(column) for name, column in columns)


def since(before: Counts, now: Counts) -> Counts:
    """What was counted since `before`, of what is summed; the largest are those of now."""
    columns = zip(Counts._fields, before, now, strict=True)
    return Counts._make(new if name in _LARGEST else new - old for name, old, new in columns)


class Tally:
    """Counters at 0, in memory that may be shared with other processes.

    Parameters
    ----------
    allocate : callable
        Makes arrays of zeros.
    """

    def __init__(self, allocate: Allocate = np.zeros) -> None:
        self._numbers = allocate(len(Counts._fields), np.int64)

    def add(self, counts: Counts) -> None:
        """Add numbers, as `total` does."""
        self._numbers[...] = total((self.read(), counts))

    def read(self) -> Counts:
        """The numbers so far."""
        return Counts(*self._numbers.tolist())

    def rewind(self) -> None:
        """Forget what is no sum."""
        self._numbers[[Counts._fields.index(name) for name in _LARGEST]] = 0
