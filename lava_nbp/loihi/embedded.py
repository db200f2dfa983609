"""What Loihi 2's embedded processors compute for a network that learns: gradients, and weights after every batch.

A C program of lava-loihi would do this there; how such a program is written is not public, and nobody has written it.
This says which messages it takes, what it computes of them, and what it writes into which memory, so that it can be
written, and so that the stand-in can run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_nbp.eventprop.clocked.arithmetic import FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.loihi.programs.clock import Clock
from lava_nbp.loihi.programs.learning import LearnedMatrix, ReplayLearner


@dataclass(frozen=True)
class Learned:
    """A matrix that is learned there.

    Attributes
    ----------
    matrix : LearnedMatrix
    c : FixedPoint
        Arithmetic of the layer behind.
    optimizer : IntegerOptimizer
        Holds the weights of full precision; copied.
    """

    matrix: LearnedMatrix
    c: FixedPoint
    optimizer: IntegerOptimizer


class EmbeddedLearning:
    """Gradients and weights of all matrices, in memory of the embedded processors.

    Parameters
    ----------
    learned : sequence of Learned
    clock : Clock
        Of the network.
    batch : int
        Samples per update; 0: no learning.
    rate : float
        In thresholds.

    Attributes
    ----------
    masters, gradients : dict
        By the name of the matrix, (pre, post) int64; a gradient is of the batch at hand, until the next begins.
    """

    def __init__(self, learned: Sequence[Learned], clock: Clock, batch: int, rate: float) -> None:
        self._learned, self._batch, self._rate = tuple(learned), batch, rate
        #: Steps since the start, after which the last message of a sample has come.
        self._end = clock.period + 1
        self._step, self._samples, self._halted = self._end + 1, 0, False
        self.masters: dict[str, Int64Array] = {}
        self.gradients: dict[str, Int64Array] = {}
        self._sums: dict[str, ReplayLearner] = {}
        self._optimizers: dict[str, IntegerOptimizer] = {}
        for one in self._learned:
            name, own = one.matrix.name, one.optimizer.masters.copy()
            optimizer = IntegerOptimizer(one.optimizer.name, own, one.optimizer.limits, one.c.weight_gradient)
            if state := one.optimizer.state():
                optimizer.load(state)
            self._optimizers[name], self.masters[name] = optimizer, own
            self._sums[name] = ReplayLearner((own.shape[0], own.shape[1]))
            self.gradients[name] = self._sums[name].gradient

    def step(self, start: bool, messages: Mapping[str, tuple[NDArray[np.int32], NDArray[np.int32]]]) -> bool:
        """Take what came in a step: by the name of a matrix, spikes in front and lI behind.

        Forward, and between the steps backward, no lI is sent, so that spikes add nothing. Returns whether the sample
        is over: then read the neurons' words `lost`, and call `end`.
        """
        self._step = 0 if start else min(self._step + 1, self._end + 1)
        if start and self._samples == 0:
            for g in self.gradients.values():
                g[...] = 0
        for name, (spikes, lI) in messages.items():
            self._sums[name].receive(spikes, lI)
        return self._step == self._end

    def end(self, lost: bool) -> dict[str, NDArray[np.int32]]:
        """End a sample; by name, the mantissas (pre, post) that are to be written into both synaptic memories, if any.

        If anything was lost, the gradient is not what it should be: nothing is learned from then on.
        """
        self._halted |= lost
        if self._halted:
            return {}
        self._samples += 1
        if self._samples < self._batch:
            return {}
        n, self._samples = self._samples, 0
        if not self._batch:
            return {}
        for name, optimizer in self._optimizers.items():
            optimizer.step(self.gradients[name], n, self._rate)
        return self.mantissas()

    def mantissas(self) -> dict[str, NDArray[np.int32]]:
        """Of all weights, rounded to 8 bits."""
        found = {}
        for one in self._learned:
            name, exponent = one.matrix.name, one.matrix.exponent
            found[name] = (one.c.forward_weights(self.masters[name], exponent) >> exponent).astype(np.int32)
        return found
