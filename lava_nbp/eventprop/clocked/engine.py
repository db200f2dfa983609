"""The clocked engine: EventProp in fixed steps and integers, the arithmetic of the Lava models without Lava.

See `lava_nbp.eventprop.clocked.arithmetic` for the equations and widths. Weights on the forward and mirrored
path are 8-bit; learning changes full-precision copies of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_labels
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, SLOPE_BITS, Int64Array
from lava_nbp.eventprop.clocked.kernels import OVERFLOW, TOO_MANY_SPIKES, Coefficients, Trace, backward, forward
from lava_nbp.eventprop.clocked.losses import TTFSTables, VoltageTables, first_ms, phantom_impulse
from lava_nbp.eventprop.clocked.optimizers import Allocate, IntegerOptimizer
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import check_layers
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains


class LayerSeen(NamedTuple):
    """State of a layer (T, n) at the end of every step forward, and at its beginning backward."""

    V: Int64Array
    I: Int64Array  # noqa: E741 - the paper's symbol
    lV: Int64Array
    lI: Int64Array


class ClockedEngine:
    """A feed-forward network in fixed steps and integers, with the gradients of EventProp.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in thresholds.
    setup : Setup
        Arithmetic, loss and learning.
    largest : sequence of float, optional
        Largest magnitude that the 8-bit weights of each layer shall hold, in thresholds; by default that
        of the initial ones.
    max_spikes : int, optional
        Spikes per sample and layer that fit; by default 8 per neuron.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same weights.

    Attributes
    ----------
    masters : list of (pre, post) int64
        Full-precision weights, 20 fractional bits.
    exponents : list of int
        Of each layer's 8-bit weights.
    gradients : list of (pre, post) int64
        Summed since the last `forget`.
    optimizers : list of IntegerOptimizer
        One per matrix.
    traces : list of Trace
        What the kernels work in.

    Raises
    ------
    WeightError
        For matrices that do not fit together, entries that are not finite, or a layer whose inputs, all
        spiking at once, would overflow the current.
    InputError
        For a policy or optimizer that there is not.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        largest: Sequence[float] | None = None,
        max_spikes: int | None = None,
        allocate: Allocate = np.zeros,
    ) -> None:
        matrices = check_layers(weights)
        self.setup, self.c = setup.check(), setup.c
        self.sizes = [matrices[0].shape[0], *(w.shape[1] for w in matrices)]
        tops = [float(np.abs(w).max()) or 1.0 for w in matrices] if largest is None else list(largest)
        if len(tops) != len(matrices):
            raise InputError(f"{len(tops)} largest weights for {len(matrices)} layers; give one per layer")
        self.exponents = [self.c.weight_exponent(top) for top in tops]
        self.masters: list[Int64Array] = []
        for w, exponent in zip(matrices, self.exponents, strict=True):
            self.masters.append(allocate(w.shape, np.int64))
            self.masters[-1][...] = self.c.masters(w, exponent)
        self.optimizers = [
            IntegerOptimizer(setup.optimizer, masters, self.c.master_limit(exponent), self.c, allocate)
            for masters, exponent in zip(self.masters, self.exponents, strict=True)
        ]
        spiking = isinstance(setup.loss, TTFSLoss)
        self._tables = (
            TTFSTables.of(setup.loss, self.c) if isinstance(setup.loss, TTFSLoss) else VoltageTables.of(self.c)
        )
        self._spiking = [True] * (len(matrices) - 1) + [spiking]
        caps = [
            8 * n + 64 if max_spikes is None else check_integer(max_spikes, 1, None, "max_spikes")
            for n in self.sizes[1:]
        ]
        self.traces = [_make_trace(n, cap) for n, cap in zip(self.sizes[1:], caps, strict=True)]
        self.gradients = [allocate(w.shape, np.int64) for w in matrices]
        #: Spikes of each layer in the last sample.
        self._spikes = [0] * len(matrices)
        c = self.c
        self._coefficients = Coefficients(
            c.steps, c.alpha, c.beta, c.gamma, c.gamma_back, c.coefficient_bits, c.theta, c.theta_bits, c.floor_units,
            c.slope, SLOPE_BITS, REGISTER_MAX,
        )  # fmt: skip
        self.write_forward()

    # ---------------------------------------------------------------- weights

    @property
    def weights(self) -> list[NDArray[np.float64]]:
        """The 8-bit weights that spikes meet, in thresholds."""
        return [w / self.c.theta for w in self.forward_weights]

    def write_masters(self, masters: Sequence[Int64Array]) -> None:
        """Replace the full-precision weights.

        Raises
        ------
        WeightError
            For another number of matrices, another shape, no integers, or magnitudes that 8 bits do not hold or that
            would overflow a current; nothing is changed then.
        """
        if len(masters) != len(self.masters):
            raise WeightError(f"{len(masters)} matrices for {len(self.masters)} layers; give one per layer")
        for layer, (own, new, exponent) in enumerate(zip(self.masters, masters, self.exponents, strict=True)):
            limit = self.c.master_limit(exponent)
            if new.shape != own.shape or new.dtype.kind != "i" or np.abs(new).max() > limit:
                raise WeightError(
                    f"full-precision weights of layer {layer + 1} have shape {new.shape} and dtype {new.dtype}, but "
                    f"must be {own.shape} integers of magnitude {limit} at most"
                )
            self.c.check_volley(self.c.forward_weights(new, exponent), layer)
        for own, new in zip(self.masters, masters, strict=True):
            own[...] = new
        self.write_forward()

    def write_forward(self) -> None:
        """Round the full-precision weights to 8 bits; errors as for the constructor."""
        self.forward_weights = [
            self.c.forward_weights(m, exponent) for m, exponent in zip(self.masters, self.exponents, strict=True)
        ]
        for layer, w in enumerate(self.forward_weights):
            self.c.check_volley(w, layer)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of what training has to remember beside the weights, by name; `load_state` takes it back."""
        return {f"{name}{k}": a for k, o in enumerate(self.optimizers) for name, a in o.state().items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            If it is that of another network or optimizer.
        """
        if state.keys() != self.state().keys():
            raise InputError(
                f"optimizer state has arrays {sorted(state)}, but this network needs {sorted(self.state())}"
            )
        for k, optimizer in enumerate(self.optimizers):
            optimizer.load({name: state[f"{name}{k}"] for name in optimizer.state()})

    # ---------------------------------------------------------------- running

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all."""
        chosen = np.arange(len(trains)) if samples is None else np.asarray(samples)
        return self._run(trains, None, chosen)

    def infer_counted(
        self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[Int64Array]]:
        """As `infer`, with the spikes of every neuron of every layer; of an output that only integrates none."""
        chosen = np.arange(len(trains)) if samples is None else np.asarray(samples)
        counts = [np.zeros(n, dtype=np.int64) for n in self.sizes[1:]]
        return self._run(trains, None, chosen, counts), counts

    def gradient(
        self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[NDArray[np.float64]]]:
        """Run samples, and sum their gradients by all weights, as real numbers.

        Raises
        ------
        InputError
            For labels outside the classes, spikes outside the window, or more spikes than fit.
        WeightError
            If a current overflows.
        """
        chosen = np.arange(len(trains)) if samples is None else np.asarray(samples)
        result = self._run(trains, check_labels(labels, len(trains), self.sizes[-1]), chosen)
        unit = self.c.p.tau_s / (1 << self.c.adjoint_bits)
        return result, [g * unit for g in self.gradients]

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64], rate: float) -> Result:
        """One step of the optimizer along the summed gradient of a batch; errors as for `gradient`."""
        result = self._run(trains, check_labels(labels, len(trains), self.sizes[-1]), np.asarray(samples))
        self.learn(len(samples), rate)
        return result

    def learn(self, n_samples: int, rate: float) -> None:
        """Change the weights by the gradient of the samples since the last `forget`.

        Raises
        ------
        WeightError
            If weights have grown so large that a volley would overflow a current.
        """
        for optimizer, g in zip(self.optimizers, self.gradients, strict=True):
            optimizer.step(g, n_samples, rate)
        self.write_forward()

    def forget(self) -> None:
        """Set the gradient to zero."""
        for g in self.gradients:
            g[...] = 0

    def run_sample(
        self, steps: Int64Array, sources: Int64Array, label: int | None, tally: Int64Array | None = None
    ) -> Int64Array:
        """Run one sample, and add to the gradient if it has a label.

        Parameters
        ----------
        steps, sources : (spikes,)
            Input spikes in the order of time.
        tally : (5,) int64, optional
            Is added to: clipped denominators, saturated adjoint variables, hidden spikes, silent hidden neurons; the
            last is the largest number of spikes of a layer.

        Returns
        -------
        (classes,) int64
            Steps of first spikes (T: silent), or largest voltages; errors as for `gradient`.
        """
        return self._sample(steps, sources, label, np.zeros(5, dtype=np.int64) if tally is None else tally)

    def said(self, answers: Int64Array) -> NDArray[np.float64]:
        """Answers in ms (inf: silent), or in thresholds."""
        return first_ms(answers, self.c) if self._spiking[-1] else answers / self.c.theta

    def watch(self, steps: Int64Array, sources: Int64Array, label: int) -> tuple[list[LayerSeen], list[Int64Array]]:
        """State of every layer in every step of one sample forward and backward, and its gradients by layer."""
        seen = [LayerSeen(*(np.zeros((self.c.steps, n), dtype=np.int64) for _ in range(4))) for n in self.sizes[1:]]
        self.forget()
        self._sample(steps, sources, label, np.zeros(5, dtype=np.int64), seen)
        return seen, [g.copy() for g in self.gradients]

    # -------------------------------------------------------------- internals

    def _run(
        self,
        trains: SpikeTrains,
        labels: NDArray[np.int64] | None,
        samples: NDArray[np.int64],
        counts: Sequence[Int64Array] = (),
    ) -> Result:
        if labels is not None:
            self.forget()
        answers = np.zeros((len(samples), self.sizes[-1]), dtype=np.int64)
        tally = np.zeros(5, dtype=np.int64)
        for row, sample in enumerate(samples):
            mine = slice(trains.offsets[sample], trains.offsets[sample + 1])
            label = None if labels is None else int(labels[sample])
            answers[row] = self._sample(self.c.steps_of(trains.times[mine]), trains.sources[mine], label, tally)
            for count, tr, n in zip(counts, self.traces, self._spikes, strict=False):
                count += np.bincount(tr.neuron[:n], minlength=len(count))
        clipped, saturated, hidden, silent, most = (int(n) for n in tally)
        said, silent_labels = self.said(answers), 0
        if labels is not None:
            silent_labels = int(np.isinf(said[np.arange(len(samples)), labels[samples]]).sum())
        return Result(said, hidden, silent, silent_labels, clipped, not self._spiking[-1], saturated, most)

    def _sample(
        self,
        steps: Int64Array,
        sources: Int64Array,
        label: int | None,
        counters: Int64Array,
        seen: Sequence[LayerSeen] | None = None,
    ) -> Int64Array:
        """Run a sample forward, and backward if it has a label; what it says."""
        events, none = [(steps, sources, len(steps))], np.zeros((0, 0), dtype=np.int64)
        for layer, (tr, w) in enumerate(zip(self.traces, self.forward_weights, strict=True)):
            V, I = (seen[layer].V, seen[layer].I) if seen else (none, none)  # noqa: E741
            last = layer == len(self.traces) - 1
            n = forward(self._coefficients, tr, w, *events[-1], self._spiking[layer], last, seen is not None, V, I)
            if n == TOO_MANY_SPIKES:
                raise InputError(
                    f"layer {layer + 1} spikes more than {len(tr.step)} times in a sample; raise max_spikes, or use "
                    f"smaller weights"
                )
            if n == OVERFLOW:
                raise InputError(
                    self.c.overflow(int(np.abs(tr.I).max()), layer, f"neuron {int(np.abs(tr.I).argmax())}")
                )
            events.append((tr.step + 1, tr.neuron, n))
            self._spikes[layer] = n
            counters[4] = max(counters[4], n)
            if not last:
                counters[2] += n
                counters[3] += len(tr.V) - len(np.unique(tr.neuron[:n]))
        said, by_output = self._answer(events[-1][2], label)
        if label is not None:
            back_error = by_output
            for layer in range(len(self.traces) - 1, -1, -1):
                tr, (event_step, event_source, n_events) = self.traces[layer], events[layer]
                tr.error[: len(back_error)] = back_error
                back_error = np.zeros(n_events if layer else 0, dtype=np.int64)
                lV, lI = (seen[layer].lV, seen[layer].lI) if seen else (none, none)
                backward(
                    self._coefficients, tr, self.forward_weights[layer], self.gradients[layer], event_step,
                    event_source, n_events, events[layer + 1][2], layer > 0, back_error, counters, seen is not None,
                    lV, lI,
                )  # fmt: skip
        return said

    def _answer(self, n_spikes: int, label: int | None) -> tuple[Int64Array, Int64Array]:
        """What the output layer says, and the error of each of its spikes; impulses go into its trace."""
        tr = self.traces[-1]
        tr.impulse[:] = 0
        errors = np.zeros(n_spikes, dtype=np.int64)
        if isinstance(self._tables, VoltageTables):
            if label is not None:
                tr.impulse[:] = self._tables.impulses(tr.peak, label, self.c)
            return tr.peak.copy(), errors
        first = np.full(self.sizes[-1], self.c.steps)
        is_first = np.zeros(n_spikes, dtype=bool)
        neurons, where = np.unique(tr.neuron[:n_spikes], return_index=True)
        first[neurons], is_first[where] = tr.step[where], True
        if label is not None:
            errors[is_first] = self._tables.errors(first, label)[tr.neuron[:n_spikes][is_first]]
            if first[label] == self.c.steps:
                tr.impulse[label] = phantom_impulse(self.setup.silent.strength_of("phantom"), self.c)
        return first, errors


def _make_trace(n: int, cap: int) -> Trace:
    def integers(size: int) -> Int64Array:
        return np.zeros(size, dtype=np.int64)

    return Trace(
        V=integers(n), V_before=integers(n), I=integers(n), lV=integers(n), lI=integers(n),
        step=integers(cap), neuron=integers(cap), rise=integers(cap), error=integers(cap),
        peak=integers(n), peak_step=integers(n), impulse=integers(n),
    )  # fmt: skip
