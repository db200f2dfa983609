"""The synapses of a clocked network, phase by phase, in plain NumPy: weights, their mirror, and learning."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, Int64Array, clip_to_register, shift
from lava_nbp.eventprop.clocked.delays import LearnedDelays
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.clocked.phases import Phases
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.tally import Counts, Tally

#: Numbers of parts, none of which is given twice.
_TOKENS = itertools.count(1)
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
    delays : (pre, post) int64 or LearnedDelays, optional
        Steps that spikes take beyond their own, 0 .. 62, or what holds and changes them.
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
        delays: Int64Array | LearnedDelays | None = None,
    ) -> None:
        self.optimizer, self.exponent, self.c, self.control, self.layer = optimizer, exponent, c, control, layer
        self.backward = backward
        self.masters = masters = optimizer.masters
        self.learned_delays = delays if isinstance(delays, LearnedDelays) else None
        self._fixed_delays = None if isinstance(delays, LearnedDelays) else delays
        self._delays = self.read_delays()
        self.phases = Phases(c.steps, allocate)
        n_pre, n_post = masters.shape
        #: A row per step that a spike may take.
        self._depth = 1 if self._delays is None else int(self._delays.max()) + 1
        if self.learned_delays is not None:
            self._depth = self.learned_delays.longest + 1
        self._coming, self._past_lI, self._past_sent = (allocate((self._depth, n_post), np.int64) for _ in range(3))
        self._answer = allocate(n_pre, np.int64)
        self.gradient = allocate(masters.shape, np.int64)
        self._samples = allocate(1, np.int64)
        self.tally = Tally(allocate)
        #: By which learned delays know who learns them.
        self._token = next(_TOKENS)
        self.weights = c.forward_weights(masters, exponent)
        c.check_volley(self.weights, f"weights of layer {layer + 1}")

    def read_delays(self) -> Int64Array | None:
        """Whole steps (pre, post), as they are now; they act from the next sample on."""
        own = self.learned_delays
        return self._fixed_delays if own is None else own.steps(self.masters.shape[1])

    def reset(self) -> None:
        """Forget the sample at hand, and the gradient of a batch that was not complete; weights stay."""
        self.phases.reset()
        for array in (self._coming, self._past_lI, self._past_sent, self._answer, self._samples):
            array[...] = 0
        self._forget()

    def _forget(self) -> None:
        """Set the gradient to zero."""
        self.gradient[...] = 0
        if self.learned_delays is not None:
            self.learned_delays.gradient[...] = 0

    def send(self) -> tuple[Int64Array, Int64Array]:
        """Weighted input (post,) of spikes of the phase before, or earlier ones, and errors (pre,) of replayed ones."""
        now = self._coming[self.phases.phase % self._depth]
        weighted = np.clip(now, -_LARGEST_INPUT, _LARGEST_INPUT)
        now[...] = 0
        return weighted, self._answer.copy()

    def receive(self, spikes: Any, sent_back: Any, lI: Any) -> None:
        """Take how often each neuron spikes, or spiked (pre,), and d and lI (post,) of the layer behind.

        Raises
        ------
        WeightError
            If weights have grown so large that a volley would overflow the current.
        InputError
            If another part learns the same delays.
        """
        phases, late = self.phases, self.learned_delays
        if late is not None:
            if phases.begins:
                late.learner[0] = self._token
            elif phases.turns and self.control.batch[0] > 0 and late.learner[0] != self._token:
                raise InputError(
                    f"weights of layer {self.layer + 1}: their LearnedDelays are learned by other weights, too, whose "
                    f"gradient would be added, and every step made twice; give each its own"
                )
        if phases.begins:
            # The parent may have set them.
            self.weights = self.c.forward_weights(self.masters, self.exponent)
            self._delays = self.read_delays()
            if self._samples[0] == 0 or self.control.batch[0] == 0:  # a batch begins, or nothing is learned
                self._forget()
                self._samples[0] = 0
            self._past_lI[...] = 0
            self._past_sent[...] = 0
        if phases.begins or phases.turns:
            self._coming[...] = 0  # what would have come behind the last step
        self._answer[...] = 0
        given = np.asarray(spikes, dtype=np.int64)
        who = np.flatnonzero(given > 0)
        if 0 <= phases.phase <= phases.steps:
            self._spread(given[who], who)
        elif phases.backward >= 0:
            at = phases.backward % self._depth
            self._past_lI[at], self._past_sent[at] = lI, sent_back
            if len(who):
                self._meet(given[who], who)
        if phases.ends and self.control.batch[0] > 0:
            self._samples[0] += 1
            if self._samples[0] >= self.control.batch[0]:
                self.learn()

    def _spread(self, often: Int64Array, who: NDArray[np.intp]) -> None:
        """Spikes of these neurons are on their way: without a delay to the next phase."""
        if not len(who):
            return
        delays = self._delays
        if delays is None:
            self._coming[0] = often @ self.weights[who]
            return
        rows = (self.phases.phase + 1 + delays[who]) % self._depth
        columns = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
        np.add.at(self._coming, (rows, columns), often[:, None] * self.weights[who])

    def _meet(self, often: Int64Array, who: NDArray[np.intp]) -> None:
        """Replayed spikes of these neurons meet lI, and get their errors, of the steps in which they acted."""
        delays = self._delays
        if delays is None:
            lI, sent = self._past_lI[0], self._past_sent[0]
        else:
            rows = (self.phases.backward + delays[who]) % self._depth
            columns = np.arange(rows.shape[1])
            lI, sent = self._past_lI[rows, columns], self._past_sent[rows, columns]
        self.gradient[who] -= often[:, None] * lI
        if self.learned_delays is None and not self.backward:
            return
        shares, saturated = self.weights[who] * sent, 0
        if self.learned_delays is not None:
            parts: Int64Array = shift(shares, self.c.theta_bits)
            saturated += int(often @ np.count_nonzero(np.abs(parts) > REGISTER_MAX, axis=1))
            parts = often[:, None] * np.clip(parts, -REGISTER_MAX, REGISTER_MAX)
            by = self.learned_delays.gradient
            by[who] += parts if by.ndim == 2 else parts.sum(axis=1)
        if self.backward:
            errors: Int64Array = shift(shares.sum(axis=1), self.c.theta_bits)
            saturated += clip_to_register(errors)
            self._answer[who] = errors
        if saturated:
            self.tally.add(Counts(saturated=saturated))

    def check_rate(self, batch: int, rate: float) -> None:
        """Raise InputError for samples per update or a rate with which no step can be made."""
        for learner in (self.optimizer, self.learned_delays):
            if learner is not None:
                learner.check(batch, rate)

    def learn(self) -> None:
        """Change the weights, and delays that are learned, by the gradient of a batch."""
        batch, rate = int(self._samples[0]), float(self.control.rate[0])
        self.check_rate(batch, rate)
        self.optimizer.step(self.gradient, batch, rate)
        if self.learned_delays is not None and (bounded := self.learned_delays.learn(batch, rate)):
            self.tally.add(Counts(bounded=bounded))
        self._samples[0] = 0
        self.c.check_volley(self.c.forward_weights(self.masters, self.exponent), f"weights of layer {self.layer + 1}")
