"""The neurons of a clocked network, phase by phase, in plain NumPy: what the Lava Processes are shells of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import (
    FixedPoint,
    Int64Array,
    adjoint,
    backward_step,
    forward_step,
    input_current,
    jump,
    release_error,
    rise,
)
from lava_nbp.eventprop.clocked.ladder import Rungs
from lava_nbp.eventprop.clocked.losses import MeanTables, voltage_tables
from lava_nbp.eventprop.clocked.phases import PHANTOM, SPIKE, LabelPart, Phases
from lava_nbp.eventprop.layers import check_spike_room, spike_room
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss
from lava_nbp.eventprop.tally import Counts, Tally


class InputPart:
    """Relays input spikes forward, and replays them backward: how many each input has in a step.

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
        self._seen = allocate((c.steps, n), np.int32)

    def reset(self) -> None:
        """Forget the sample at hand."""
        self.phases.reset()
        self._seen[...] = 0

    def run(self, spikes: Any) -> Int64Array:
        """One phase, with the numbers (n,) of external spikes of the step; what goes to the synapses.

        Raises
        ------
        InputError
            For a number below 0.
        """
        phase, steps = self.phases.phase, self.phases.steps
        if self.phases.begins:
            self._seen[...] = 0
        if 0 <= phase < steps:
            self._seen[phase] = check_counts(np.asarray(spikes))
            return np.asarray(self._seen[phase], dtype=np.int64)
        if self.phases.backward >= 0:
            return np.asarray(self._seen[self.phases.backward], dtype=np.int64)
        return np.zeros(self.n, dtype=np.int64)


def check_counts(spikes: NDArray[Any]) -> NDArray[Any]:
    """Return numbers of input spikes.

    Raises
    ------
    InputError
        Names an input that has less than 0.
    """
    if (spikes < 0).any():
        where = int(np.flatnonzero(spikes < 0)[0])
        raise InputError(
            f"input {where % spikes.shape[-1]} has {spikes.flat[where]} spikes in a step, but must have 0 or more; "
            f"send numbers of spikes"
        )
    return spikes


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
    layer : int
        For messages: the layer's number, from 0.
    """

    spiking = True

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        phantom: bool = False,
        layer: int = 0,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.n, self.c, self.phantom, self.layer = check_integer(n, 1, None, "number of neurons"), c, phantom, layer
        self.phases = Phases(c.steps, allocate)
        self.V, self.I, self.lV, self.lI = (allocate(n, np.int64) for _ in range(4))
        # Spikes, which only who runs the part asks for: they need not be shared, and may grow.
        self._step, self._neuron, self._rise = (np.zeros(spike_room(n), np.int64) for _ in range(3))
        self._release = np.zeros(spike_room(n) if c.refractory else 0, np.int64)
        self._count = allocate(1, np.int64)
        self.peak, self.peak_step = allocate(n, np.int64), allocate(n, np.int64)
        #: Of refractory periods: the last step of each neuron's, which spike began it, and what its end adds to the
        #: error of that spike.
        self._rest, self._began, self._later = (allocate(n, np.int64) for _ in range(3))
        #: Over all samples; the layer's own spikes count as hidden ones.
        self.tally = Tally(allocate)
        self.reset()

    def reset(self) -> None:
        """Forget the sample at hand; the tally stays."""
        self.phases.reset()
        self._clear()

    def _clear(self) -> None:
        for array in (self.V, self.I, self.lV, self.lI, self._count, self.peak, self._later):
            array[...] = 0
        self.peak_step[...] = -1
        self._rest[...] = -2

    def run(self, weighted: Any, errors: Any) -> tuple[Int64Array, Int64Array, Int64Array]:
        """One phase: spikes or replay (n,), and backward d (n,), see `arithmetic`, and lI (n,) to send.

        Raises
        ------
        InputError
            If a current overflows, or spikes need more memory than the limit.
        """
        nothing = np.zeros(self.n, dtype=np.int64)
        if self.phases.begins:
            self._clear()
        if self.phases.forward >= 0:
            return self._forward(self.phases.forward, weighted), nothing, nothing
        if self.phases.turns:
            spikes, silent = int(self._count[0]), int(np.count_nonzero(self._silent()))
            self.tally.add(
                Counts(
                    hidden_spikes=spikes, silent_neurons=silent, most_spikes=spikes,
                    deepest_layer=self.layer + 1 if spikes else 0,
                )
            )  # fmt: skip
        if self.phases.backward >= 0:
            sent = self._backward(self.phases.backward, np.asarray(errors, dtype=np.int64))
            return self._replay(), sent, self.lI.copy()
        return self._replay(), nothing, nothing

    def _forward(self, k: int, weighted: Any) -> Int64Array:
        # The step function adds the input to I; here it is looked at in between.
        arrived = np.asarray(weighted, dtype=np.int64)
        summed = input_current(self.I, arrived, self.c)
        if arrived.any() and np.abs(summed).max() > self.c.largest_current:
            neuron = int(np.abs(summed).argmax())
            raise InputError(self.c.overflow(int(np.abs(summed).max()), f"layer {self.layer + 1}, neuron {neuron}"))
        before = self.V.copy()
        if overflowed := forward_step(self.V, self.I, arrived, self.c, self._rest >= k):
            self.tally.add(Counts(overflowed=overflowed))
        if self.c.refractory:
            woken = np.flatnonzero(self._rest == k - 1)
            self._release[self._began[woken]] = rise(self.V[woken], before[woken], self.c)
        fired = (self.c.threshold <= self.V) & self.spiking
        who = np.flatnonzero(fired)
        start = int(self._count[0])
        while start + len(who) > len(self._step):
            self._grow()
        new = slice(start, start + len(who))
        self._step[new], self._neuron[new] = k, who
        self._rise[new] = rise(self.V[who], before[who], self.c)
        if self.c.refractory:
            self._release[new] = 0
            self._rest[who], self._began[who] = k + self.c.refractory, np.arange(new.start, new.stop)
        self._count[0] += len(who)
        self.V[who] = 0
        higher = self.peak < self.V
        self.peak[higher], self.peak_step[higher] = self.V[higher], k
        return fired.astype(np.int64)

    def _grow(self) -> None:
        """Room for twice as many spikes, behind those that there are."""
        arrays = self._step, self._neuron, self._rise, self._release
        check_spike_room(2 * sum(a.nbytes for a in arrays), self.layer, len(self._step))
        self._step, self._neuron, self._rise, self._release = (np.concatenate([a, np.zeros_like(a)]) for a in arrays)

    def _spikes_of(self, k: int) -> slice:
        low, high = np.searchsorted(self._step[: self._count[0]], [k, k + 1])
        return slice(int(low), int(high))

    def _backward(self, k: int, errors: Int64Array) -> Int64Array:
        """A step back; what goes to the synapses."""
        mine = self._spikes_of(k)
        who = self._neuron[mine]
        later = errors[who] + self._later[who]
        self.lV[who], clipped, saturated = jump(self.lV[who], later, self._rise[mine], self.c)
        self.lV += self._impulses(k, errors)
        woken = self._spikes_of(k - self.c.refractory - 1) if self.c.refractory else slice(0)
        awake = self._neuron[woken]
        if len(awake):
            self._later[awake], outside = release_error(self.lV[awake], self._release[woken], self.c)
            saturated += outside
        sent = adjoint(self.lV, self.lI, self.c)
        saturated += backward_step(self.lV, self.lI, self.c)
        self.lV[awake] = 0  # V was held before
        if clipped or saturated:
            self.tally.add(Counts(clipped=clipped, saturated=saturated))
        return sent

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
    """An output layer that only integrates, with a loss of voltages: an impulse at each largest one, or in every step.

    Parameters
    ----------
    loss : MaxVoltageLoss or MeanVoltageLoss
    rungs : Rungs, optional
        Of a ladder: what is said are its levels.
    """

    spiking = False

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        loss: MaxVoltageLoss | MeanVoltageLoss,
        layer: int = 0,
        allocate: Allocate = np.zeros,
        rungs: Rungs | None = None,
    ) -> None:
        check_integer(n, 1, None, "number of neurons")
        self._rungs = rungs
        self._impulse, self._sum = allocate(n, np.int64), allocate(n, np.int64)
        self.label = LabelPart(allocate)
        self._tables = voltage_tables(loss, c)
        super().__init__(n, c, layer=layer, allocate=allocate)

    def _clear(self) -> None:
        super()._clear()
        self.label.clear()
        self._impulse[...] = 0
        self._sum[...] = 0

    def _forward(self, k: int, weighted: Any) -> Int64Array:
        spikes = super()._forward(k, weighted)
        if isinstance(self._tables, MeanTables):
            self._sum += self._tables.counts[k] * self.V
        return spikes

    def judge(self, target: Any) -> Int64Array | None:
        """Take the target of the sample (n,) one-hot; what is said of voltages, in the phase in which it is known."""
        self.label.receive(target)
        if not self.phases.turns:
            return None
        said = self._tables.means(self._sum) if isinstance(self._tables, MeanTables) else self.peak.copy()
        said = self.c.in_thresholds(said)
        if self.label.value >= 0:
            self._impulse[...] = self._tables.impulses(said, self.label.value, self.c)
        return said if self._rungs is None else self._rungs.levels(self.peak)

    def _impulses(self, k: int, errors: Int64Array) -> Int64Array:
        if isinstance(self._tables, MeanTables):
            return self._tables.injection(self._impulse, k)
        return np.where(self.peak_step == k, self._impulse, 0)
