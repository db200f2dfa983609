"""The synapses of a clocked network, phase by phase, in plain NumPy: weights, their mirror, and learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, Int64Array, clip_to_register, shift
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.clocked.phases import Phases
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.tally import Counts, Tally

#: Largest weighted input in a message of 32 bits, far beyond what a current holds: it overflows in any case.
_LARGEST_INPUT = REGISTER_MAX << 3


class MirroredPart:
    """One weight matrix: spikes forward, adjoint spikes backward, gradient and learning.

    Parameters
    ----------
    optimizer : IntegerOptimizer
        Holds the full-precision weights (pre, post), and changes them.
    exponent : int
        Of the 8-bit weights.
    c : FixedPoint
    control : Control
        When to learn, and how fast.
    layer : int
        For messages: the number of the layer behind, from 0.
    backward : bool
        Whether the layer in front gets errors; False: none are computed or counted (they would be those of a
        network's input).
    """

    def __init__(
        self,
        optimizer: IntegerOptimizer,
        exponent: int,
        c: FixedPoint,
        control: Control,
        layer: int = 0,
        backward: bool = True,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.optimizer, self.exponent, self.c, self.control, self.layer = optimizer, exponent, c, control, layer
        self.backward = backward
        self.masters = masters = optimizer.masters
        self.phases = Phases(c.steps, allocate)
        n_pre, n_post = masters.shape
        self._weighted, self._answer = allocate(n_post, np.int64), allocate(n_pre, np.int64)
        self.gradient = allocate(masters.shape, np.int64)
        self._samples = allocate(1, np.int64)
        self.tally = Tally(allocate)
        self.weights = c.forward_weights(masters, exponent)
        c.check_volley(self.weights, f"weights of layer {layer + 1}")

    def reset(self) -> None:
        """Forget the sample at hand, and the gradient of a batch that was not complete; weights stay."""
        self.phases.reset()
        for array in (self._weighted, self._answer, self.gradient, self._samples):
            array[...] = 0

    def send(self) -> tuple[Int64Array, Int64Array]:
        """Weighted input (post,) of the spikes of the phase before, and errors (pre,) of its replayed spikes."""
        return self._weighted.copy(), self._answer.copy()

    def receive(self, spikes: Any, sent_back: Any, lI: Any) -> None:
        """Take how often each neuron spikes, or spiked (pre,), and d and lI (post,) of the layer behind.

        Raises
        ------
        WeightError
            If weights have grown so large that a volley would overflow the current.
        """
        phases = self.phases
        if phases.begins:
            # The parent may have set the weights.
            self.weights = self.c.forward_weights(self.masters, self.exponent)
            if self._samples[0] == 0 or self.control.batch[0] == 0:  # a batch begins, or nothing is learned
                self.gradient[...] = 0
                self._samples[0] = 0
        self._weighted[...] = 0
        self._answer[...] = 0
        given = np.asarray(spikes, dtype=np.int64)
        who = np.flatnonzero(given > 0)
        if len(who) and 0 <= phases.phase <= phases.steps:
            self._weighted[...] = np.clip(given[who] @ self.weights[who], -_LARGEST_INPUT, _LARGEST_INPUT)
        elif len(who):
            self.gradient[who] -= given[who][:, None] * np.asarray(lI, dtype=np.int64)
            if self.backward:
                self._answer[who] = self._errors(who, np.asarray(sent_back, dtype=np.int64))
        if phases.ends and self.control.batch[0] > 0:
            self._samples[0] += 1
            if self._samples[0] >= self.control.batch[0]:
                self.learn()

    def _errors(self, who: NDArray[np.intp], sent_back: Int64Array) -> Int64Array:
        """Errors of replayed spikes from what the layer behind sends; saturated ones are counted."""
        errors: Int64Array = shift(self.weights[who] @ sent_back, self.c.theta_bits)
        saturated = clip_to_register(errors)
        if saturated:
            self.tally.add(Counts(saturated=saturated))
        return errors

    def learn(self) -> None:
        """Change the weights by the gradient of a batch."""
        self.optimizer.step(self.gradient, int(self._samples[0]), float(self.control.rate[0]))
        self._samples[0] = 0
        self.c.check_volley(self.c.forward_weights(self.masters, self.exponent), f"weights of layer {self.layer + 1}")
