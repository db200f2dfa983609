"""The oracle: one sample at a time in plain NumPy, computing a circuit's per-sample form as it stands.

For the paper's circuit (Renner et al. 2024, Methods and supplement) that form is, with integers throughout (weight
units)::

    a1 = x @ W1;  h = a1 > 512;  box = (a1 > 0) & (a1 <= 1024)
    a2 = h @ W2;  o = a2 > 512
    d  = (t & ~o & (a2 > 0)) - (o & ~t & (a2 <= 1024))
    W2 = saturate(W2 + 2 * outer(h, d))
    e  = sign(W2 @ d) * box                        with the W2 just updated
    W1 = saturate(W1 + 2 * outer(x, e))

The spiking engine does it phase by phase. In the chip's order (`Circuit.chip_order`) e is that of the W2 before its
update. `lava_nbp.nbp.form` derives the form of any circuit that has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.integers import Int16Array, saturate
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import Epoch, check_epoch, chosen, rounding_of, thresholds_raised
from lava_nbp.nbp.executor import Executor, Int32Array, Outcome, UInt8Array, empty_answers
from lava_nbp.nbp.form import Above, AnyOf, Given, Noise, SampleForm, Signal, sample_form

Bits = NDArray[np.bool_]


class SampleRun:
    """One sample: every signal of a form, the weights after it, and the work that it takes.

    Parameters
    ----------
    form : SampleForm
        What to compute.
    weights : mapping
        Matrices (pre, post), before the sample.
    spikes : sequence of (size,) 0 or 1
        An array per source of the circuit.
    sample : int
        Its place in the epoch, from 0.
    epoch : Epoch, optional
        What is drawn in it. Default: epoch 0.

    Attributes
    ----------
    signals : list of (size,) bool
        As in `form.signals`.
    membrane : (n_out,) int32
        Pre-activation of the output, weight units.
    weights : dict
        Matrices after the sample.
    gate_breaches : int
        Spikes outside the schedule that the circuit would fire.
    spikes, synaptic_events, updates : int
        Of the layers' forward pass; of forward and backward pass; of all synapses.
    """

    def __init__(
        self,
        form: SampleForm,
        weights: Mapping[str, Int16Array],
        spikes: Sequence[UInt8Array],
        sample: int = 0,
        epoch: Epoch | None = None,
    ) -> None:
        self.form, self._sample = form, sample
        self._epoch = Epoch.of(form.circuit, 0) if epoch is None else epoch
        self._start = weights
        self._versions: dict[tuple[str, tuple[int, ...]], Int16Array] = {}
        self._given = {s.name: a.astype(bool) for s, a in zip(form.circuit.sources, spikes, strict=True)}
        self._sums: dict[int, Int32Array] = {}
        self.signals: list[Bits] = []
        for k, (size, signal) in enumerate(zip(form.sizes, form.signals, strict=True)):
            value = self._value(k, signal)
            self.signals.append(value if value.shape == (size,) else np.broadcast_to(value, size))
        #: Input of the output, without gates.
        self.membrane: Int32Array = self._input(form.layers[-1], np.zeros(form.circuit.layers[-1])).astype(np.int32)
        every = {
            m.name: tuple(k for k, u in enumerate(form.updates) if u.matrix == m.name) for m in form.circuit.matrices
        }
        self.weights = {name: self._matrix(name, updates) for name, updates in every.items()}

    def _value(self, k: int, signal: Signal) -> Bits:
        if isinstance(signal, Given):
            return self._given[signal.source]
        if isinstance(signal, AnyOf):
            return np.array([self.signals[signal.signal].any()])
        if isinstance(signal, Above):
            fires: Bits = self._input(k, 0) - self._noise(signal.noise) > signal.above
            return fires
        entry: Any = sum(self.signals[s].astype(np.int64) << k for k, s in enumerate(signal.signals))
        spikes: Bits = np.array(signal.table)[entry]
        return spikes

    def _input(self, k: int, none: Any) -> Any:
        """What a signal's sum is, relayed spikes included; none, if it is no sum."""
        above = self.form.above(k)
        if above is None:
            return none
        total: Any = self._sum(self.form.sum_of[k])
        for s, weight in above.spikes:
            total = total + weight * self.signals[s]
        return total

    def _noise(self, noise: Noise | None) -> Any:
        """By how much the thresholds of a population are raised, (size,), or 0."""
        if noise is None:
            return 0
        circuit = self.form.circuit
        step, population = self._sample * circuit.period + noise.phase, circuit[noise.population]
        return thresholds_raised(
            self._epoch.key, step, circuit.first_neuron(noise.population), population.size, noise.below
        )

    def _sum(self, place: int) -> Int32Array:
        if place not in self._sums:
            total: Any = 0
            for term in self.form.sums[place]:
                W, active = self._matrix(term.matrix, term.updates), self.signals[term.signal]
                part = (
                    W[:, active].sum(axis=1, dtype=np.int32)
                    if term.transposed
                    else W[active].sum(axis=0, dtype=np.int32)
                )
                total = total + term.sign * part
            self._sums[place] = total
        return self._sums[place]

    def _matrix(self, name: str, updates: tuple[int, ...]) -> Int16Array:
        """A matrix with some updates of this sample behind it."""
        if not updates:
            return self._start[name]
        key = (name, updates)
        if key not in self._versions:
            u = self.form.updates[updates[-1]]
            pres, posts = (np.flatnonzero(self.signals[end]) for end in (u.pre, u.post))
            what = rounding_of(self.form.circuit, name, u.change)
            rows, columns = self._synapses(name, pres, posts)
            made = chosen(self._epoch.skips, self._epoch.key, self._sample, what, len(rows))
            self._versions[key] = W = self._matrix(name, updates[:-1]).copy()
            if len(made):
                pairs = rows[made], columns[made]
                W[pairs] = saturate(W[pairs] + u.change, PLASTIC_WEIGHT_MAX)
        return self._versions[key]

    def _synapses(self, name: str, pres: NDArray[np.int64], posts: NDArray[np.int64]) -> Any:
        """Rows and columns of the synapses between some neurons, row by row."""
        if name in self.form.masks:
            rows, columns = np.nonzero(self.form.masks[name][np.ix_(pres, posts)])
        else:
            rows, columns = (k.ravel() for k in np.indices((len(pres), len(posts))))
        return pres[rows], posts[columns]

    # ------------------------------------------------------------------- work

    @property
    def answer(self) -> Bits:
        """The output's spikes."""
        return self.signals[self.form.answer]

    def of(self, population: str, phase: int) -> Bits:
        """What a population fires in a phase of its schedule."""
        return self.signals[self.form.fires[population, phase]]

    @property
    def gate_breaches(self) -> int:
        """Sums that leave the register; if none does, spikes of closed populations."""
        outside = sum(s.copies * self._outside(place, s.low, s.high) for place, s in self.form.open_sums.items())
        return outside or sum(
            n * self._outside(place, low, limit) for (place, limit, low), n in self.form.closed_sums.items()
        )

    def _outside(self, place: int, low: int, high: int) -> int:
        total = self._sum(place)
        return int(((total > high) | (total <= low)).sum())

    @property
    def spikes(self) -> int:
        """Spikes of the layers in the forward pass."""
        return sum(int(self.signals[s].sum()) for s in self.form.layers)

    @property
    def synaptic_events(self) -> int:
        """(spike, synapse) pairs of the sums that open populations fire by; copies of a matrix count once."""
        fans = self.form.fans
        return sum(int(fans[name, turned][self.signals[signal]].sum()) for signal, name, turned in self.form.sent)

    @property
    def updates(self) -> int:
        """Weight changes asked for; copies of a matrix count once."""
        found = 0
        for u in self.form.updates:
            ends = [np.flatnonzero(self.signals[end]) for end in (u.pre, u.post)]
            masked = u.matrix in self.form.masks
            found += len(self._synapses(u.matrix, *ends)[0]) if masked else len(ends[0]) * len(ends[1])
        return found

    def raster(self) -> dict[str, UInt8Array]:
        """Spikes of every population in phases 0 .. period of the sample, (period + 1, size), as the phase table says.

        The last row belongs to phase 0 of the next sample, and row 0 holds nothing of the sample before.
        """
        circuit = self.form.circuit
        rows = {p.name: np.zeros((circuit.period + 1, p.size), dtype=np.uint8) for p in circuit.populations}
        for k, name in enumerate(circuit.chain):
            rows[name][k] = 1
        rows[circuit.chain[0]][circuit.period] = 1
        for (name, phase), signal in self.form.fires.items():
            rows[name][phase] = self.signals[signal]
        return rows


class ReferenceExecutor(Executor):
    """Runs the oracle over samples; about 100 times slower than `SampleExecutor`.

    Raises
    ------
    CircuitError
        For a circuit without a per-sample form: with the reason.
    """

    def __init__(self, circuit: Circuit, weights: Mapping[str, Any]) -> None:
        self._form = sample_form(circuit)
        super().__init__(circuit, weights)

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._write_weights(weights)
        self.begin_epoch()

    def begin_epoch(self, epoch: int = 0) -> None:
        """See `Executor`."""
        self._epoch, self._sample = Epoch.of(self.circuit, check_epoch(epoch)), 0

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        self._weights = weights

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices."""
        return {name: w.copy() for name, w in self._weights.items()}

    def _train(self, *spikes: UInt8Array) -> Outcome:
        answers, membrane = empty_answers(len(spikes[0]), self.layers[-1])
        for i in range(len(spikes[0])):
            run = SampleRun(self._form, self._weights, [array[i] for array in spikes], self._sample, self._epoch)
            self._weights, self._sample = run.weights, self._sample + 1
            answers[i], membrane[i] = run.answer, run.membrane
            self.work.spikes += run.spikes
            self.work.synaptic_events += run.synaptic_events
            self.work.updates += run.updates
            self.work.gate_breaches += run.gate_breaches
        return Outcome(answers, membrane)

    def _infer(self, *spikes: UInt8Array) -> Outcome:
        form = sample_form(self.circuit.answering)
        weights = {m.name: self._weights[m.name] for m in form.circuit.matrices}
        answers, membrane = empty_answers(len(spikes[0]), self.layers[-1])
        for i in range(len(spikes[0])):
            run = SampleRun(form, weights, [array[i] for array in spikes])
            answers[i], membrane[i] = run.answer, run.membrane
        return Outcome(answers, membrane)
