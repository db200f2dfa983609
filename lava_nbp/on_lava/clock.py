"""Which phase of which sample a step belongs to, for what runs beside a circuit."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import Circuit, check_circuit

#: What one Lava step is: one circuit step, or one sample, that is a period of circuit steps.
Granularity = Literal["step", "sample"]


def check_granularity(granularity: str) -> None:
    """Raise InputError unless it is "step" or "sample"."""
    if not isinstance(granularity, str) or granularity not in ("step", "sample"):
        raise InputError(f"granularity is {shown(granularity)}, but must be 'step' or 'sample'")


class SampleClock:
    """Counts the Lava steps of a circuit, and the samples loaded to run through it.

    Phases run 0, then 1 .. period for every sample: phase `period` closes a
    sample and is phase 0 of the next.

    Parameters
    ----------
    circuit : Circuit
        Gives the period.
    granularity : {"step", "sample"}
        What one Lava step is.
    allocate : callable
        As for `SpikingEngine`.

    Raises
    ------
    InputError
        For an unknown granularity.
    """

    def __init__(self, circuit: Circuit, granularity: str, allocate: Allocate = np.zeros) -> None:
        check_circuit(circuit)
        check_granularity(granularity)
        self._period = circuit.period
        self.whole_samples = granularity == "sample"
        self._state: Any = allocate(2, np.int64)  # Lava steps done since the reset; samples done since `rewind`

    def due(self, phase: int) -> bool:
        """Whether the step to come is, or contains, a phase of 1 .. period."""
        return self.whole_samples or self.phase == phase

    @property
    def phase(self) -> int:
        """Phase of the circuit step to come: 0 only after a reset, else 1 .. period."""
        steps = int(self._state[0])
        return 0 if steps == 0 else (steps - 1) % self._period + 1

    @property
    def sample(self) -> int:
        """Index, since `rewind`, of the sample that the step to come belongs to."""
        return int(self._state[1])

    def tick(self) -> None:
        """One Lava step is done."""
        if self.due(self._period):
            self._state[1] += 1
        self._state[0] += 1

    def rewind(self) -> None:
        """Count samples from 0 again; the phase goes on."""
        self._state[1] = 0

    def reset(self) -> None:
        """Start with phase 0 of sample 0."""
        self._state[:] = 0
