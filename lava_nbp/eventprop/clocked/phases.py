"""What all parts of a clocked network have in common: the phase of the sample at hand, and its label.

A chain of gating neurons, one per phase, drives all parts. A sample of T steps takes 2 T + 2 phases:

=================  ==========================  ==========================================================
phase p            step                        what happens
=================  ==========================  ==========================================================
0                                              states are cleared; the input spikes of step 0 are sent
1 .. T             forward, k = p - 1          neurons run; spikes act in the next step
T + 1                                          outputs are judged; spikes of the last step are replayed
T + 2 .. 2 T + 1   backward, k = 2 T + 1 - p   adjoint variables run; the spikes that acted in step k are
                                               replayed to the synapses, whose answer, an adjoint spike,
                                               comes back a phase later
=================  ==========================  ==========================================================

A replayed spike asks for its error, and meets the lI of the neurons behind: their product
is the gradient. At the end of phase 2 T + 1 synapses learn, if a batch is complete.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import Allocate

#: What a replay says of a neuron: a spike, or a silent neuron's largest voltage, which may get an error, too, but is no
#: spike. Of inputs a message says how many spikes they have: 0, 1, 2, ...
SPIKE, PHANTOM = 1, -1


class Phases:
    """Which phase it is, from the chain's spikes, and what that means.

    Parameters
    ----------
    steps : int
        T.
    """

    def __init__(self, steps: int, allocate: Allocate = np.zeros) -> None:
        self.steps, self.n = steps, 2 * steps + 2
        self._phase = allocate(1, np.int64)
        self.reset()

    def reset(self) -> None:
        """No phase: nothing happens until the chain's first spike."""
        self._phase[0] = -1

    @property
    def phase(self) -> int:
        """The phase at hand, or -1."""
        return int(self._phase[0])

    def receive(self, gates: Any) -> None:
        """Take the chain's spikes (2 T + 2,), which say what the next phase is."""
        self._phase[0] = int(np.argmax(gates)) if np.any(gates) else -1

    @property
    def begins(self) -> bool:
        """Whether a sample begins."""
        return self.phase == 0

    @property
    def forward(self) -> int:
        """Step that neurons run forward, or -1."""
        return self.phase - 1 if 1 <= self.phase <= self.steps else -1

    @property
    def turns(self) -> bool:
        """Whether outputs are judged."""
        return self.phase == self.steps + 1

    @property
    def backward(self) -> int:
        """Step that neurons run backward, or -1."""
        return 2 * self.steps + 1 - self.phase if self.phase >= self.steps + 2 else -1

    @property
    def replayed(self) -> int:
        """Step whose output spikes are replayed, or -1."""
        return 2 * self.steps - self.phase if self.steps < self.phase <= 2 * self.steps else -1

    @property
    def ends(self) -> bool:
        """Whether it is the last phase of a sample."""
        return self.phase == self.n - 1


class LabelPart:
    """Holds the label of the sample at hand, which may arrive in any phase before outputs are judged."""

    def __init__(self, allocate: Allocate = np.zeros) -> None:
        self._label = allocate(1, np.int64)
        self.clear()

    @property
    def value(self) -> int:
        """The label, or -1: the sample is not to be learned."""
        return int(self._label[0])

    def clear(self) -> None:
        """No label."""
        self._label[0] = -1

    def receive(self, target: Any) -> None:
        """Take a target (n,): the class that is not zero, if one is."""
        if np.any(target):
            self._label[0] = int(np.argmax(np.asarray(target) != 0))
