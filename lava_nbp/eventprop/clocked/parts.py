"""The parts of a clocked network, phase by phase, in plain NumPy: what the Lava Processes are shells of.

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

from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import (
    REGISTER_MAX,
    FixedPoint,
    Int64Array,
    adjoint,
    backward_step,
    forward_step,
    jump,
    rise,
    saturate,
    shift,
)
from lava_nbp.eventprop.clocked.losses import TTFSTables, VoltageTables, phantom_impulse
from lava_nbp.eventprop.clocked.optimizers import Allocate, IntegerOptimizer
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy

#: What a replay says of a neuron: a spike, or a silent neuron's largest voltage, which may get an error, too.
SPIKE, PHANTOM = 1, 2


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


class InputPart:
    """Relays input spikes forward, and replays them backward.

    Parameters
    ----------
    n : int
        Inputs.
    c : FixedPoint
        Arithmetic.
    """

    def __init__(self, n: int, c: FixedPoint, allocate: Allocate = np.zeros) -> None:
        self.n = check_integer(n, 1, None, "number of inputs")
        self.phases = Phases(c.steps, allocate)
        self._seen = allocate((c.steps, n), np.uint8)

    def reset(self) -> None:
        """Forget the sample at hand."""
        self.phases.reset()
        self._seen[...] = 0

    def run(self, spikes: Any) -> Int64Array:
        """One phase, with the external spikes (n,) of the step; what goes to the synapses."""
        phase, steps = self.phases.phase, self.phases.steps
        if self.phases.begins:
            self._seen[...] = 0
        if 0 <= phase < steps:
            self._seen[phase] = np.asarray(spikes) != 0
            return np.asarray(self._seen[phase], dtype=np.int64)
        if self.phases.backward >= 0:
            return np.asarray(self._seen[self.phases.backward], dtype=np.int64)
        return np.zeros(self.n, dtype=np.int64)


class LIFPart:
    """A layer of neurons: forward, and backward with stored spikes and one stored value per spike.

    Parameters
    ----------
    n : int
        Neurons.
    c : FixedPoint
        Arithmetic.
    phantom : bool
        Neurons that did not spike replay their largest voltage (for the output layer).
    max_spikes : int, optional
        Spikes per sample that fit; by default 8 per neuron and 64.
    layer : int
        For messages: the layer's number, from 0.
    """

    spiking = True

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        phantom: bool = False,
        max_spikes: int | None = None,
        layer: int = 0,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.n, self.c, self.phantom, self.layer = check_integer(n, 1, None, "number of neurons"), c, phantom, layer
        self.phases = Phases(c.steps, allocate)
        cap = 8 * n + 64 if max_spikes is None else check_integer(max_spikes, 1, None, "max_spikes")
        self.V, self.I, self.lV, self.lI = (allocate(n, np.int64) for _ in range(4))
        self._step, self._neuron, self._rise = (allocate(cap, np.int64) for _ in range(3))
        self._count = allocate(1, np.int64)
        self.peak, self.peak_step = allocate(n, np.int64), allocate(n, np.int64)
        #: Denominators at the floor, saturated adjoint variables, spikes, silent neurons, over all samples.
        self.counters = allocate(4, np.int64)
        self._most = allocate(1, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget the sample at hand; counters stay."""
        self.phases.reset()
        self._clear()

    def _clear(self) -> None:
        for array in (self.V, self.I, self.lV, self.lI, self._count, self.peak):
            array[...] = 0
        self.peak_step[...] = -1

    @property
    def most_spikes(self) -> int:
        """Largest number of spikes of a sample since `rewind`."""
        return int(self._most[0])

    def rewind(self) -> None:
        """Forget the largest number of spikes."""
        self._most[0] = 0

    def run(self, weighted: Any, errors: Any) -> tuple[Int64Array, Int64Array, Int64Array]:
        """One phase: spikes or replay (n,), lV - lI (n,) and lI (n,) to send.

        Raises
        ------
        InputError
            If a current overflows, or there are more spikes than fit.
        """
        nothing = np.zeros(self.n, dtype=np.int64)
        if self.phases.begins:
            self._clear()
        if self.phases.forward >= 0:
            return self._forward(self.phases.forward, weighted), nothing, nothing
        if self.phases.turns:
            self.counters[2] += self._count[0]
            self._most[0] = max(self._most[0], self._count[0])
            self.counters[3] += self.n - len(np.unique(self._neuron[: self._count[0]]))
        if self.phases.backward >= 0:
            self._backward(self.phases.backward, np.asarray(errors, dtype=np.int64))
            return self._replay(), adjoint(self.lV, self.lI), self.lI.copy()
        return self._replay(), nothing, nothing

    def _forward(self, k: int, weighted: Any) -> Int64Array:
        # The step function adds the input to I; here it is looked at in between.
        arrived = np.asarray(weighted, dtype=np.int64)
        summed = self.I + arrived
        if arrived.any() and np.abs(summed).max() > REGISTER_MAX:
            neuron = int(np.abs(summed).argmax())
            raise InputError(self.c.overflow(int(np.abs(summed).max()), self.layer, f"neuron {neuron}"))
        before = self.V.copy()
        forward_step(self.V, self.I, arrived, self.c)
        fired = (self.c.theta <= self.V) & self.spiking
        who = np.flatnonzero(fired)
        start = int(self._count[0])
        if start + len(who) > len(self._step):
            raise InputError(
                f"layer {self.layer + 1} spikes more than {len(self._step)} times in a sample; raise max_spikes, "
                f"or use smaller weights"
            )
        new = slice(start, start + len(who))
        self._step[new], self._neuron[new] = k, who
        self._rise[new] = rise(self.V[who], before[who], self.c)
        self._count[0] += len(who)
        self.V[who] = 0
        higher = self.peak < self.V
        self.peak[higher], self.peak_step[higher] = self.V[higher], k
        return fired.astype(np.int64)

    def _spikes_of(self, k: int) -> slice:
        low, high = np.searchsorted(self._step[: self._count[0]], [k, k + 1])
        return slice(int(low), int(high))

    def _backward(self, k: int, errors: Int64Array) -> None:
        mine = self._spikes_of(k)
        who = self._neuron[mine]
        self.lV[who], clipped, saturated = jump(self.lV[who], errors[who], self._rise[mine], self.c)
        self.lV += self._impulses(k, errors)
        self.counters[0] += clipped
        self.counters[1] += saturated + backward_step(self.lV, self.lI, self.c)

    def _silent(self) -> Any:
        silent = np.ones(self.n, dtype=bool)
        silent[self._neuron[: self._count[0]]] = False
        return silent

    def _impulses(self, k: int, errors: Int64Array) -> Int64Array:
        if not self.phantom:
            return np.zeros(self.n, dtype=np.int64)
        return np.where(self._silent() & (self.peak_step == k), errors, 0)

    def _replay(self) -> Int64Array:
        replayed = np.zeros(self.n, dtype=np.int64)
        k = self.phases.replayed
        if k < 0:
            return replayed
        if self.phantom:
            replayed[self._silent() & (self.peak_step == k)] = PHANTOM
        replayed[self._neuron[self._spikes_of(k)]] = SPIKE
        return replayed


class ReadoutPart(LIFPart):
    """An output layer that only integrates, with the maximum-voltage loss: an impulse at each largest voltage."""

    spiking = False

    def __init__(self, n: int, c: FixedPoint, layer: int = 0, allocate: Allocate = np.zeros) -> None:
        self._impulse = allocate(check_integer(n, 1, None, "number of neurons"), np.int64)
        self.label = LabelPart(allocate)
        self._tables = VoltageTables.of(c)
        super().__init__(n, c, layer=layer, allocate=allocate)

    def _clear(self) -> None:
        super()._clear()
        self.label.clear()
        self._impulse[...] = 0

    def judge(self, target: Any) -> Int64Array | None:
        """Take the target of the sample (n,) one-hot; largest voltages, in the phase in which they are known."""
        self.label.receive(target)
        if not self.phases.turns:
            return None
        if self.label.value >= 0:
            self._impulse[...] = self._tables.impulses(self.peak, self.label.value, self.c)
        return self.peak.copy()

    def _impulses(self, k: int, errors: Int64Array) -> Int64Array:
        return np.where(self.peak_step == k, self._impulse, 0)


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


class TTFSPart:
    """The time-to-first-spike loss: watches the output layer forward, answers its replays backward.

    Parameters
    ----------
    n : int
        Classes.
    loss : TTFSLoss
    c : FixedPoint
    silent : SilentPolicy
        "none" or "phantom".
    """

    def __init__(
        self, n: int, loss: TTFSLoss, c: FixedPoint, silent: SilentPolicy | None = None, allocate: Allocate = np.zeros
    ) -> None:
        self.n, self.c = check_integer(n, 1, None, "number of classes"), c
        self.phases, self.label = Phases(c.steps, allocate), LabelPart(allocate)
        self._tables = TTFSTables.of(loss, c)
        self._impulse = phantom_impulse((silent or SilentPolicy()).strength_of("phantom"), c)
        self.first = allocate(n, np.int64)
        self._errors, self._answer = allocate(n, np.int64), allocate(n, np.int64)
        #: Samples whose label's output was silent.
        self.counters = allocate(1, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget the sample at hand; counters stay."""
        self.phases.reset()
        self._clear()

    def _clear(self) -> None:
        self.first[...] = self.c.steps
        self._errors[...] = 0
        self._answer[...] = 0
        self.label.clear()

    def answer(self) -> Int64Array:
        """Errors (n,) of the spikes that were replayed in the phase before."""
        return self._answer.copy()

    def receive(self, spikes: Any, target: Any) -> Int64Array | None:
        """Take the output layer's spikes or replay (n,) and the target; first steps (T: silent) when they are known."""
        if self.phases.begins:
            self._clear()
        self.label.receive(target)
        self._answer[...] = 0
        said = np.asarray(spikes)
        k = self.phases.forward
        if k >= 0:
            self.first[(said == SPIKE) & (self.first == self.c.steps)] = k
        label = self.label.value
        if self.phases.turns and label >= 0:
            self._errors[...] = self._tables.errors(self.first, label)
            self.counters[0] += self.first[label] == self.c.steps
        replayed = self.phases.replayed
        if replayed >= 0 and label >= 0:
            is_first = (said == SPIKE) & (self.first == replayed)
            self._answer[is_first] = self._errors[is_first]
            if said[label] == PHANTOM:
                self._answer[label] = self._impulse
        return self.first.copy() if self.phases.turns else None


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
    """

    def __init__(
        self,
        optimizer: IntegerOptimizer,
        exponent: int,
        c: FixedPoint,
        control: Control,
        layer: int = 0,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.optimizer, self.exponent, self.c, self.control, self.layer = optimizer, exponent, c, control, layer
        self.masters = masters = optimizer.masters
        self.phases = Phases(c.steps, allocate)
        n_pre, n_post = masters.shape
        self._forward, self._backward = allocate(n_post, np.int64), allocate(n_pre, np.int64)
        self.gradient = allocate(masters.shape, np.int64)
        self._samples = allocate(1, np.int64)
        #: Saturated errors.
        self.counters = allocate(1, np.int64)
        self.weights = c.forward_weights(masters, exponent)
        c.check_volley(self.weights, layer)

    def reset(self) -> None:
        """Forget the sample at hand, and the gradient of a batch that was not complete; weights stay."""
        self.phases.reset()
        for array in (self._forward, self._backward, self.gradient, self._samples):
            array[...] = 0

    def send(self) -> tuple[Int64Array, Int64Array]:
        """Weighted input (post,) of the spikes of the phase before, and errors (pre,) of its replayed spikes."""
        return self._forward.copy(), self._backward.copy()

    def receive(self, spikes: Any, sent_back: Any, lI: Any) -> None:
        """Take spikes or a replay (pre,), and lV - lI and lI (post,) of the layer behind.

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
        self._forward[...] = 0
        self._backward[...] = 0
        who = np.flatnonzero(np.asarray(spikes) == SPIKE)
        if len(who) and 0 <= phases.phase <= phases.steps:
            self._forward[...] = self.weights[who].sum(axis=0)
        elif len(who):
            self.gradient[who] -= np.asarray(lI, dtype=np.int64)
            errors = shift(self.weights[who] @ np.asarray(sent_back, dtype=np.int64), self.c.theta_bits)
            self.counters[0] += saturate(errors)
            self._backward[who] = errors
        if phases.ends and self.control.batch[0] > 0:
            self._samples[0] += 1
            if self._samples[0] >= self.control.batch[0]:
                self.learn()

    def learn(self) -> None:
        """Change the weights by the gradient of a batch."""
        self.optimizer.step(self.gradient, int(self._samples[0]), float(self.control.rate[0]))
        self._samples[0] = 0
        self.c.check_volley(self.c.forward_weights(self.masters, self.exponent), self.layer)
