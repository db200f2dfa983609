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


def total(parts: Iterable[Counts]) -> Counts:
    """What several parts have counted together: sums, and of the most spikes of a layer the largest."""
    *sums, most = zip(*parts, strict=True)
    return Counts._make([*map(sum, sums), max(most)])


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
        """Add numbers; of the most spikes of a layer the larger stays."""
        self._numbers[...] = total((self.read(), counts))

    def read(self) -> Counts:
        """The numbers so far."""
        return Counts(*self._numbers.tolist())

    def rewind(self) -> None:
        """Forget the most spikes of a layer."""
        self._numbers[Counts._fields.index("most_spikes")] = 0
