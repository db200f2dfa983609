"""What an executor has done: spikes, synaptic events, updates, gate breaches."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_integer
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError


class Counters(NamedTuple):
    """Counters that an engine raises, each (1,) int64: views of one array, which may be shared with other processes."""

    spikes: NDArray[np.int64]
    synaptic_events: NDArray[np.int64]
    updates: NDArray[np.int64]
    gate_breaches: NDArray[np.int64]

    @classmethod
    def over(cls, memory: NDArray[np.int64]) -> Counters:
        """Counters in an array of `Counters.size()` entries."""
        return cls(*(memory[k : k + 1] for k in range(cls.size())))

    @classmethod
    def make(cls, allocate: Allocate = np.zeros) -> Counters:
        """New counters at 0."""
        return cls.over(allocate(cls.size(), np.int64))

    @classmethod
    def size(cls) -> int:
        """How many there are."""
        return len(cls._fields)


@dataclass
class Work:
    """What an executor has done since it was made.

    Attributes
    ----------
    samples : int
        Training samples.
    spikes, synaptic_events : int
        Spikes fired, and (spike, synapse) pairs delivered, in training.
    updates : int
        Weight changes asked for (saturated ones included).
    gate_breaches : int
        Spikes outside the schedule, and sums that left the 24-bit register, each
        of which makes the circuit differ from the per-sample form.
    """

    samples: int = 0
    spikes: int = 0
    synaptic_events: int = 0
    updates: int = 0
    gate_breaches: int = 0

    def __post_init__(self) -> None:
        settle(self, "work", InputError)
        for f in fields(self):
            check_integer(getattr(self, f.name), 0, None, f"work: {f.name}")

    def take(self, counters: Counters) -> None:
        """Set all but the samples to what an engine has counted since it was made."""
        for name in Counters._fields:
            setattr(self, name, int(getattr(counters, name)[0]))
