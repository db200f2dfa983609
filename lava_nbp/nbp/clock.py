"""Which phase of which sample a step belongs to, for what runs beside a circuit."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.spiking_engine import Allocate


class SampleClock:
    """Counts the steps of a circuit, and the samples loaded to run through it.

    Phases run 0, then 1 .. period for every sample: phase `period` closes a
    sample and is phase 0 of the next.

    Parameters
    ----------
    circuit : Circuit
        Gives the period.
    allocate : callable
        As for `SpikingEngine`.
    """

    def __init__(self, circuit: Circuit, allocate: Allocate = np.zeros) -> None:
        self._period = circuit.period
        self._state: Any = allocate(2, np.int64)  # steps done since the reset; samples done since `rewind`

    @property
    def phase(self) -> int:
        """Phase of the step to come: 0 only after a reset, else 1 .. period."""
        steps = int(self._state[0])
        return 0 if steps == 0 else (steps - 1) % self._period + 1

    @property
    def sample(self) -> int:
        """Index, since `rewind`, of the sample that the step to come belongs to."""
        return int(self._state[1])

    def tick(self) -> None:
        """One step is done."""
        if self.phase == self._period:
            self._state[1] += 1
        self._state[0] += 1

    def tick_sample(self) -> None:
        """A whole sample is done."""
        self._state[1] += 1

    def rewind(self) -> None:
        """Count samples from 0 again; the phase goes on."""
        self._state[1] = 0

    def reset(self) -> None:
        """Start with phase 0 of sample 0."""
        self._state[:] = 0
