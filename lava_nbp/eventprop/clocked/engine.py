"""The clocked engine: EventProp in fixed steps and integers, the arithmetic of the Lava models without Lava.

See `lava_nbp.eventprop.clocked.arithmetic` for the equations and widths. Weights on the forward and mirrored
path are 8-bit; learning changes full-precision copies of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import (
    as_array,
    check_arrays,
    check_integer,
    check_kind,
    check_labels,
    check_real,
    check_sequence,
    shown,
)
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import ALIGNMENT_BITS, DELAY_MAX, PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MEAN_BITS, FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.delays import LARGEST_DELAY_RATE, Delays, LearnedDelays, check_every_delay, of_synapses
from lava_nbp.eventprop.clocked.kernels import (
    OVERFLOW,
    TOO_MANY_SPIKES,
    Coefficients,
    Layer,
    Rest,
    Seen,
    Spikes,
    Tape,
    backward,
    forward,
)
from lava_nbp.eventprop.clocked.losses import MeanTables, TTFSTables, first_ms, phantom_impulse, voltage_tables
from lava_nbp.eventprop.clocked.matrix_kernels import round_weights
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.layers import check_layers, check_loops, check_spike_room, spike_room
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.tally import Counts, total
from lava_nbp.eventprop.trains import SpikeTrains, as_vector
from lava_nbp.eventprop.trains_check import check_batch, check_samples, first_fault

_NONE = np.zeros((0, 0), dtype=np.int64)
#: Bytes per weight: in full precision, in 8 bits, gradient, Adam's means.
_PER_WEIGHT = 40
#: Per synapse with a delay: its steps, for programs and for kernels; per learned delay: in full precision, gradient,
#: Adam's means.
_PER_DELAY, _PER_LEARNED_DELAY = 16, 32


class LayerSeen(NamedTuple):
    """State of a layer (T, n) at the end of every step forward, and at its beginning backward."""

    V: Int64Array
    I: Int64Array  # noqa: E741 - the paper's symbol
    lV: Int64Array
    lI: Int64Array


#: Where nobody looks.
_UNSEEN = LayerSeen(_NONE, _NONE, _NONE, _NONE)


class ClockedEngine:
    """A network of layers in fixed steps and integers, with the gradients of EventProp.

    A spike at the end of step k acts in step k + 1, in the next layer and, through recurrent weights, in its own.

    Room for spikes grows as a sample needs it, up to one per neuron and step, or the limit on memory.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in thresholds.
    setup : Setup
        Arithmetic, loss and learning.
    recurrent : sequence of (n, n) float or None, optional
        Weights within each layer, (pre, post), in thresholds; None: a layer has none. An output layer that only
        integrates can have none.
    largest : sequence of float, optional
        Largest magnitude that the 8-bit weights of each matrix shall hold, in thresholds, in the order of `masters`; by
        default that of the initial ones.
    delays, recurrent_delays : sequence of (pre, post) or (pre,) int or None, optional
        Of every layer's weights and recurrent weights, in steps, 0 .. 62: how much later a spike reaches each neuron,
        or all from one source; see `lava_nbp.eventprop.clocked.delays`.
    delay_rate : float
        The rate, in thresholds, times this is that of the delays, in ms; 0: they stay.
    longest_delay : int
        In steps, beyond which no delay is given or learned, 62 at most.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same weights.

    Attributes
    ----------
    arithmetic : list of FixedPoint
        Of every layer.
    masters : list of int64 arrays
        What is learned, in full precision, 20 fractional bits. Weights (pre, post): a matrix per layer, then the
        recurrent ones of the layers that have them. All that follows is in this order. If delays are learned, those of
        every matrix that has some, in steps: (pre, post), or (pre,) of sources.
    gradients : list of int64 arrays
        By each of them, summed since the last `forget`.
    exponents : list of int
        Of each matrix's 8-bit weights.
    forward_weights : list of (pre, post) int64
        The 8-bit weights that spikes meet, in units of V.
    optimizers : list of IntegerOptimizer
        One per matrix.
    delays : list of (pre, post) int64 or None
        Whole steps, to be read only; None: the matrix has none.
    learned_delays : list of LearnedDelays or None
        What changes them; None: they stay, or there are none.

    Raises
    ------
    WeightError
        For matrices that do not fit together, entries that are not finite, or a layer whose inputs, all
        spiking at once, would overflow the current.
    InputError
        For delays, a policy or an optimizer that there cannot be, the policy "phantom" for an output layer with
        recurrent weights, or a network that needs more memory than the limit.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        recurrent: Sequence[Any] | None = None,
        largest: Sequence[float] | None = None,
        delays: Sequence[Any] | None = None,
        recurrent_delays: Sequence[Any] | None = None,
        delay_rate: float = 0.0,
        longest_delay: int = DELAY_MAX,
        allocate: Allocate = np.zeros,
    ) -> None:
        check_kind(setup, Setup, "setup")
        layers = check_layers(weights)
        self.setup, self.c = setup, setup.c
        self.sizes = [layers[0].shape[0], *(w.shape[1] for w in layers)]
        self.arithmetic = setup.arithmetic(len(layers))
        loops = check_loops(recurrent, self.sizes[1:], isinstance(setup.loss, TTFSLoss))
        setup.silent.check_output(isinstance(setup.loss, TTFSLoss), bool(loops[-1].size))
        matrices = [*layers, *(loop for loop in loops if loop.size)]
        #: Layers that have recurrent weights, counted from 0.
        self.looped = [k for k, loop in enumerate(loops) if loop.size]
        self._names = [f"weights of layer {k + 1}" for k in range(len(layers))]
        self._names += [f"recurrent weights of layer {k + 1}" for k in self.looped]
        most = check_integer(longest_delay, 0, DELAY_MAX, "longest delay", "it is in steps")
        learns = check_real(delay_rate, 0.0, LARGEST_DELAY_RATE, "delay_rate") > 0
        late = check_every_delay(recurrent_delays, [loop.shape for loop in loops], "recurrent delays", most)
        given = check_every_delay(delays, [w.shape for w in layers], "delays", most) + [late[k] for k in self.looped]
        delayed = [(d, w) for d, w in zip(given, matrices, strict=True) if d is not None]
        check_memory(
            _PER_WEIGHT * sum(w.size for w in matrices)
            + sum(_PER_DELAY * w.size + learns * _PER_LEARNED_DELAY * d.size for d, w in delayed),
            f"a network of {'-'.join(map(str, self.sizes))} neurons{' with delays' if delayed else ''}",
            "make layers smaller",
        )
        self.delays = [None if d is None else of_synapses(d, w.shape[1]) for d, w in zip(given, matrices, strict=True)]
        self.learned_delays = [
            None if d is None or not learns else LearnedDelays(d, setup.optimizer, self.c, delay_rate, most, allocate)
            for d in given
        ]
        if largest is not None:
            largest = check_sequence(largest, "largest weights", "give one per matrix")
        tops = [float(np.abs(w).max()) or 1.0 for w in matrices] if largest is None else list(largest)
        if len(tops) != len(matrices):
            raise InputError(f"{len(tops)} largest weights for {len(matrices)} matrices; give one per matrix")
        self.exponents = [c.weight_exponent(top) for c, top in zip(self._behind, tops, strict=True)]
        self.masters: list[Int64Array] = []
        for w, exponent, c in zip(matrices, self.exponents, self._behind, strict=True):
            self.masters.append(allocate(w.shape, np.int64))
            self.masters[-1][...] = c.masters(w, exponent)
        self.optimizers = [
            IntegerOptimizer(setup.optimizer, masters, c.weight_limits(exponent), c.weight_gradient, allocate)
            for masters, exponent, c in zip(self.masters, self.exponents, self._behind, strict=True)
        ]
        self._tables = (
            TTFSTables.of(setup.loss, self.c)
            if isinstance(setup.loss, TTFSLoss)
            else voltage_tables(setup.loss, self.arithmetic[-1])
        )
        self._rungs = setup.rungs
        self._tapes = [Tape.make(n, spike_room(n)) for n in self.sizes[1:]]
        self._rests = [self._rest(k, spike_room(n)) for k, n in enumerate(self.sizes[1:])]
        self.gradients = [allocate(w.shape, np.int64) for w in matrices]
        for name, own in zip(self._names[:], self.learned_delays, strict=True):
            if own is not None:
                self._names.append(name.replace("weights", "delays"))
                self.masters.append(own.masters)
                self.gradients.append(own.gradient)
        #: Spikes of each layer in the last sample.
        self._spikes = [0] * len(layers)
        #: What kernels get of every layer's delays.
        self._late: list[Delays | None] = []
        self._coefficients = [Coefficients.of(c) for c in self.arithmetic]
        self.write_forward()

    # ---------------------------------------------------------------- weights

    @property
    def weights(self) -> list[NDArray[np.float64]]:
        """The 8-bit weights that spikes meet, in thresholds, of every layer."""
        return [w / c.theta for w, c in zip(self.forward_weights, self.arithmetic, strict=False)]

    @property
    def loops(self) -> list[NDArray[np.float64] | None]:
        """Recurrent ones, of every layer; None where there are none."""
        return [
            None if (at := self.loop_at(k)) is None else self.forward_weights[at] / c.theta
            for k, c in enumerate(self.arithmetic)
        ]

    def loop_at(self, layer: int) -> int | None:
        """Which of the matrices are the recurrent weights of a layer, counted from 0, if it has any."""
        return len(self.sizes) - 1 + self.looped.index(layer) if layer in self.looped else None

    def write_masters(self, masters: Sequence[Int64Array]) -> None:
        """Replace what is learned, in full precision: weights, and delays if they are.

        Raises
        ------
        WeightError
            For another number of arrays, another shape, no integers, magnitudes that 8 bits do not hold or that would
            overflow a current, or delays beyond their limits; nothing is changed then.
        """
        if not isinstance(masters, (list, tuple)):
            raise WeightError(f"full-precision weights are {shown(masters)}, but must be a list of matrices")
        if len(masters) != len(self.masters):
            raise WeightError(f"{len(masters)} matrices, but the network has {len(self.masters)}; give one for each")
        arrays = [
            as_array(m, f"full-precision {name}", error=WeightError)
            for m, name in zip(masters, self._names, strict=True)
        ]
        for optimizer, new, name in zip(self._optimizers, arrays, self._names, strict=True):
            (low, high), shape = optimizer.limits, optimizer.masters.shape
            if new.shape != shape or new.dtype.kind != "i":
                raise WeightError(
                    f"full-precision {name} have shape {new.shape} and dtype {new.dtype}, but must be {shape} integers"
                )
            if new.max() > high or new.min() < low:
                raise WeightError(
                    f"full-precision {name} are {new.min()} .. {new.max()}, but must be in {low} .. {high}; cut them"
                )
        for new, exponent, name, c in zip(arrays, self.exponents, self._names, self._behind, strict=False):
            c.check_volley(c.forward_weights(new, exponent), name)
        for own, new in zip(self.masters, arrays, strict=True):
            own[...] = new
        self.write_forward()

    def write_forward(self) -> None:
        """Round the full-precision weights to 8 bits, and delays to steps; errors as for the constructor."""
        sums = [np.zeros((2, m.shape[1]), dtype=np.int64) for m in self.masters[: len(self._behind)]]
        self.forward_weights = [np.empty(m.shape, dtype=np.int64) for m in self.masters[: len(self._behind)]]
        for k, (c, exponent) in enumerate(zip(self._behind, self.exponents, strict=True)):
            masters = np.ascontiguousarray(self.masters[k])
            round_weights(
                masters, c.lost_bits(exponent), WEIGHT_STEP, PLASTIC_WEIGHT_MAX, exponent, self.forward_weights[k],
                *sums[k],
            )  # fmt: skip
        self._layers = [self._layer(k) for k in self._each]
        for at, own in enumerate(self.learned_delays):
            if own is not None:
                self.delays[at] = own.steps(self.forward_weights[at].shape[1])
        if not self._late or any(self.learned_delays):
            self._late = [self._delays(k) for k in self._each]
        for name, (up, down), c in zip(self._names, sums, self._behind, strict=False):
            c.check_sums(up, down, name)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of what training has to remember beside the weights, by name; `load_state` takes it back."""
        return {f"{name}{k}": a for k, o in enumerate(self._optimizers) for name, a in o.state().items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            If it is that of another network or optimizer, no state at all, or what no updates lead to; nothing is
            changed then.
        """
        check_arrays(state, self.state(), "optimizer state", "this network needs")
        parts = [{name: state[f"{name}{k}"] for name in o.state()} for k, o in enumerate(self._optimizers)]
        for optimizer, part in zip(self._optimizers, parts, strict=True):
            optimizer.check_state(part)
        for optimizer, part in zip(self._optimizers, parts, strict=True):
            optimizer.load(part)

    # ---------------------------------------------------------------- running

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all.

        Raises
        ------
        InputError
            For trains or samples that there cannot be, see `trains_check.check_samples`, spikes outside the window, or
            more spikes than the limit on memory allows.
        """
        return self._run(*self._checked(trains, samples))

    def infer_counted(
        self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[Int64Array]]:
        """As `infer`, with the spikes of every neuron of every layer; of an output that only integrates none."""
        spikes = [np.zeros(n, dtype=np.int64) for n in self.sizes[1:]]
        return self._run(*self._checked(trains, samples), spikes=spikes), spikes

    def gradient(
        self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[NDArray[np.float64]]]:
        """Run samples, and sum their gradients, as real numbers: by weights, and by delays (1/ms) that are learned.

        Raises
        ------
        InputError
            As `infer`, for labels outside the classes, or if a current overflows.
        """
        trains, chosen = self._checked(trains, samples)
        result = self._run(trains, chosen, check_labels(labels, len(trains), self.sizes[-1]))
        units = [c.weight_gradient for c in self._behind]
        units += [self.c.delay_gradient] * (len(self.gradients) - len(units))
        return result, [g * unit for g, unit in zip(self.gradients, units, strict=True)]

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64], rate: float) -> Result:
        """One step of the optimizer along the summed gradient of a batch.

        Raises
        ------
        InputError
            As `gradient`, and for a batch without samples, or a rate that is negative or beyond what integers hold.
        WeightError
            As `learn`.
        """
        trains, samples = check_batch(trains, samples, self.sizes[0], self.c.end)
        self.check_rate(len(samples), rate)
        result = self._run(trains, samples, check_labels(labels, len(trains), self.sizes[-1]))
        return replace(result, bounded=self.learn(len(samples), rate))

    def learn(self, n_samples: int, rate: float) -> int:
        """Change weights and delays by the gradient of the samples since the last `forget`.

        Returns how many delays would have left their limits.

        Raises
        ------
        InputError
            For a number of samples or a rate that there cannot be; nothing has changed then.
        WeightError
            If weights have grown so large that a volley would overflow a current.
        """
        self.check_rate(n_samples, rate)
        for optimizer, g in zip(self.optimizers, self.gradients, strict=False):
            optimizer.step(g, n_samples, rate)
        bounded = sum(own.learn(n_samples, rate) for own in self.learned_delays if own is not None)
        self.write_forward()
        return bounded

    def check_rate(self, n_samples: int, rate: float) -> None:
        """Raise InputError for a number of samples or a rate with which no step can be made."""
        for part in (*self.optimizers, *self.learned_delays):
            if part is not None:
                part.check(n_samples, rate)

    def forget(self) -> None:
        """Set the gradient to zero."""
        for g in self.gradients:
            g[...] = 0

    def run_sample(self, steps: Int64Array, sources: Int64Array, label: int | None) -> tuple[Int64Array, Counts]:
        """Run one sample, and add to the gradient if it has a label.

        Parameters
        ----------
        steps, sources : (spikes,)
            Input spikes in the order of time.
        label : int or None
            Class.

        Returns
        -------
        answer : (classes,) int64
            Steps of first spikes (T: silent), largest or mean voltages (with `MEAN_BITS` more fractional bits), or of a
            ladder the levels: how many rungs were reached.
        counts : Counts
            Of this sample.

        Raises
        ------
        InputError
            As `gradient`.
        """
        return self._sample(self._checked_spikes(steps, sources), label, [_UNSEEN] * len(self._layers))

    def said(self, answers: Int64Array) -> NDArray[np.float64]:
        """Answers in ms (inf: silent), or in thresholds; a level is as high as the highest rung that was reached."""
        if isinstance(self._tables, TTFSTables):
            return first_ms(answers, self.c)
        if self._rungs is not None:
            return np.asarray(self._rungs.heights[answers])
        theta = self.arithmetic[-1].theta
        return answers / (theta << MEAN_BITS if isinstance(self._tables, MeanTables) else theta)

    def watch(self, steps: Int64Array, sources: Int64Array, label: int) -> tuple[list[LayerSeen], list[Int64Array]]:
        """State of every layer in every step of one sample forward and backward, and its gradients."""
        seen = [LayerSeen(*(np.zeros((self.c.steps, n), dtype=np.int64) for _ in range(4))) for n in self.sizes[1:]]
        spikes = self._checked_spikes(steps, sources)
        self.forget()
        self._sample(spikes, label, seen)
        return seen, [g.copy() for g in self.gradients]

    def spikes(self, trains: SpikeTrains, sample: int) -> dict[str, NDArray[np.uint8]]:
        """Spikes (T, n) of one sample: hidden1, .., and output.

        Those of an output with a ladder are (T, n, rungs); of one that only integrates there are none.

        Raises
        ------
        InputError
            As `infer`.
        """
        trains, chosen = self._checked(trains, [sample])
        one = trains.take(chosen)
        steps = self.c.steps_of(one.times)
        self._sample(Spikes(steps, one.sources, len(steps), 0), None, [_UNSEEN] * len(self._layers))
        found = {f"hidden{k + 1}": self._raster(k, self._spikes[k]) for k in self._each[:-1]}
        top = self._each[-1]
        if self._layers[top].spiking:
            found["output"] = self._raster(top, self._spikes[top])
        elif self._rungs is not None:
            inputs = Spikes(steps, one.sources, len(steps), 0)
            if top:
                before = self._tapes[top - 1]
                inputs = Spikes(before.step, before.neuron, self._spikes[top - 1], 1)
            found["output"] = np.stack([self._rung(top, int(vth), inputs) for vth in self._rungs.vth], axis=-1)
        return found

    def _raster(self, k: int, n: int) -> NDArray[np.uint8]:
        """The first n spikes of a layer's tape, (T, neurons)."""
        z = np.zeros((self.c.steps, self.sizes[k + 1]), dtype=np.uint8)
        z[self._tapes[k].step[:n], self._tapes[k].neuron[:n]] = 1
        return z

    def _rung(self, k: int, vth: int, inputs: Spikes) -> NDArray[np.uint8]:
        """Spikes (T, n) of a layer whose neurons spike above another threshold."""
        return self._raster(k, self._forward(k, inputs, Seen(_NONE, _NONE), (vth << ALIGNMENT_BITS) + 1))

    # -------------------------------------------------------------- internals

    @property
    def _each(self) -> range:
        """Layers, counted from 0."""
        return range(len(self.sizes) - 1)

    @property
    def _optimizers(self) -> list[IntegerOptimizer]:
        """Of everything that is learned, in the order of `masters`."""
        return [*self.optimizers, *(own.optimizer for own in self.learned_delays if own is not None)]

    @property
    def _behind(self) -> list[FixedPoint]:
        """Arithmetic of the layer that each matrix leads to."""
        return [*self.arithmetic, *(self.arithmetic[k] for k in self.looped)]

    def _delays(self, k: int) -> Delays | None:
        """What the kernels get of a layer's delays, counted from 0."""
        at = self.loop_at(k)
        forward, loop = self.delays[k], None if at is None else self.delays[at]
        if forward is None and loop is None:
            return None
        n_pre, n = self.sizes[k : k + 2]
        forward = np.zeros((n_pre, n), dtype=np.int64) if forward is None else forward
        if loop is None:
            loop = _NONE if at is None else np.zeros((n, n), dtype=np.int64)
        learned = self.learned_delays[k], None if at is None else self.learned_delays[at]
        return Delays.make(forward, loop, *(_NONE if own is None else own.gradient for own in learned))

    def _rest(self, k: int, room: int) -> Rest | None:
        """What the kernels get of a layer's refractory periods, counted from 0; one that only integrates has none."""
        spikes = k < len(self.sizes) - 2 or isinstance(self._tables, TTFSTables)
        return Rest.make(self.sizes[k + 1], room, self.arithmetic[k].refractory if spikes else 0)

    def _layer(self, k: int) -> Layer:
        """What the kernels get of a layer, counted from 0."""
        top, at = len(self.sizes) - 2, self.loop_at(k)
        spiking = k < top or isinstance(self._tables, TTFSTables)
        loop = _NONE if at is None else self.forward_weights[at]
        mean = _NONE
        if k == top and isinstance(self._tables, MeanTables):
            mean = np.array([np.append(self._tables.counts, 0), self._tables.later])
        return Layer(self.forward_weights[k], loop, self._tapes[k], spiking, k == top, mean)

    def _checked(self, trains: SpikeTrains, samples: Any) -> tuple[SpikeTrains, NDArray[np.int64]]:
        return check_samples(trains, samples, self.sizes[0], self.c.end)

    def _checked_spikes(self, steps: Any, sources: Any) -> Spikes:
        """Input spikes of a sample as kernels may have them: steps and sources are an index each."""
        k, i = as_vector(steps, np.int64, "steps"), as_vector(sources, np.int64, "sources")
        if len(k) != len(i):
            raise InputError(f"{len(k)} steps, but {len(i)} sources; give one source per step")
        whole = np.array([0, len(k)]), np.zeros(1, np.int64)
        if first_fault(k.astype(np.float64), i, *whole, self.sizes[0], self.c.steps - 1.0)[0]:
            raise InputError(
                f"steps {shown(k.tolist())} of inputs {shown(i.tolist())}: steps must be 0 .. {self.c.steps - 1} and "
                f"not fall, and inputs 0 .. {self.sizes[0] - 1}"
            )
        return Spikes(k, i, len(k), 0)

    def _run(
        self,
        trains: SpikeTrains,
        samples: NDArray[np.int64],
        labels: NDArray[np.int64] | None = None,
        spikes: Sequence[Int64Array] = (),
    ) -> Result:
        """Run samples; `spikes` (n,) of every layer get those of every neuron."""
        chosen = trains.take(samples)
        steps = self.c.steps_of(chosen.times)
        if labels is not None:
            self.forget()
        answers = np.zeros((len(samples), self.sizes[-1]), dtype=np.int64)
        counted = [Counts()]
        for row in range(len(samples)):
            mine = slice(chosen.offsets[row], chosen.offsets[row + 1])
            label = None if labels is None else int(labels[samples[row]])
            sample = Spikes(steps[mine], chosen.sources[mine], mine.stop - mine.start, 0)
            answers[row], counts = self._sample(sample, label, [_UNSEEN] * len(self._layers))
            counted.append(counts)
            for count, tape, n in zip(spikes, self._tapes, self._spikes, strict=False):
                count += np.bincount(tape.neuron[:n], minlength=len(count))
        return Result(self.said(answers), voltages=not self._layers[-1].spiking, **total(counted)._asdict())

    def _sample(self, spikes: Spikes, label: int | None, seen: Sequence[LayerSeen]) -> tuple[Int64Array, Counts]:
        """Run a sample forward, and backward if it has a label; what it says, and what was counted."""
        if label is not None:
            label = check_integer(label, 0, self.sizes[-1] - 1, "label")
        inputs = [spikes]
        for k, states in enumerate(seen):
            n = self._spikes[k] = self._forward(k, inputs[k], Seen(states.V, states.I))
            inputs.append(Spikes(self._tapes[k].step, self._tapes[k].neuron, n, 1))
        hidden = range(len(self._layers) - 1)
        silent = sum(self._silent(k) for k in hidden)
        answer, errors = self._answer(self._spikes[-1], label)
        clipped, saturated = self._back(inputs, errors, seen) if label is not None else (0, 0)
        unheard = label is not None and self._layers[-1].spiking and answer[label] == self.c.steps
        spiked = sum(self._spikes[k] for k in hidden)
        deepest = max((k + 1 for k, n in enumerate(self._spikes) if n), default=0)
        overflowed = sum(int(tape.overflowed[0]) for tape in self._tapes)
        counts = Counts(spiked, silent, int(unheard), clipped, saturated, max(self._spikes), deepest)
        return answer, counts._replace(overflowed=overflowed)

    def _silent(self, k: int) -> int:
        """Neurons of a layer that did not spike in the last sample."""
        n = self.sizes[k + 1]
        return n - int(np.count_nonzero(np.bincount(self._tapes[k].neuron[: self._spikes[k]], minlength=n)))

    def _back(self, inputs: Sequence[Spikes], errors: Int64Array, seen: Sequence[LayerSeen]) -> tuple[int, int]:
        """Carry errors of the output's spikes back through all layers; denominators at the floor, saturated values."""
        clipped = saturated = 0
        for k in range(len(self._layers) - 1, -1, -1):
            self._tapes[k].error[: len(errors)] = errors
            errors = np.zeros(inputs[k].n if k else 0, dtype=np.int64)  # nobody asks for those of the network's input
            at = self.loop_at(k)
            counts = backward(
                self._coefficients[k], self._layers[k], self.gradients[k], _NONE if at is None else self.gradients[at],
                inputs[k], self._spikes[k], errors, Seen(seen[k].lV, seen[k].lI), self._late[k], self._rests[k],
            )  # fmt: skip
            clipped, saturated = clipped + counts[0], saturated + counts[1]
        return clipped, saturated

    def _forward(self, k: int, spikes: Spikes, seen: Seen, threshold: int | None = None) -> int:
        """Run a layer, counted from 0, and make room for its spikes; how many there are.

        With another threshold, the least voltage that spikes, its neurons spike even if they only integrate.
        """
        while True:
            c, layer = self._coefficients[k], self._layers[k]
            if threshold is not None:
                c, layer = c._replace(theta=threshold), layer._replace(spiking=True)
            spiked: int = forward(c, layer, spikes, seen, self._late[k], self._rests[k])
            if spiked == OVERFLOW:
                current = np.abs(self._tapes[k].I)
                where = f"layer {k + 1}, neuron {int(current.argmax())}"
                raise InputError(self.arithmetic[k].overflow(int(current.max()), where))
            if spiked != TOO_MANY_SPIKES:
                return spiked
            room = len(self._tapes[k].step)
            n, refractory = self.sizes[k + 1], self.arithmetic[k].refractory
            check_spike_room(Tape.bytes(n, 2 * room) + Rest.bytes(n, 2 * room, refractory), k, room)
            self._tapes[k], self._rests[k] = Tape.make(n, 2 * room), self._rest(k, 2 * room)
            self._layers[k] = self._layer(k)  # and once more from the start

    def _answer(self, n_spikes: int, label: int | None) -> tuple[Int64Array, Int64Array]:
        """What the output layer says, and the error of each of its spikes; impulses go into its tape."""
        tape = self._tapes[-1]
        tape.impulse[:] = 0
        errors = np.zeros(n_spikes, dtype=np.int64)
        if not isinstance(self._tables, TTFSTables):
            said = self._tables.means(tape.sum) if isinstance(self._tables, MeanTables) else tape.peak.copy()
            said = self.arithmetic[-1].in_thresholds(said)
            if label is not None:
                tape.impulse[:] = self._tables.impulses(said, label, self.arithmetic[-1])
            return said if self._rungs is None else self._rungs.levels(tape.peak), errors
        first, where = np.full(self.sizes[-1], self.c.steps), np.full(self.sizes[-1], -1)
        latest = slice(n_spikes - 1, None, -1) if n_spikes else slice(0)
        # Latest spikes first: of several spikes of a neuron the first is the last to be written.
        first[tape.neuron[latest]], where[tape.neuron[latest]] = tape.step[latest], np.arange(n_spikes)[::-1]
        if label is not None:
            heard = where >= 0
            errors[where[heard]] = self._tables.errors(first, label)[heard]
            if first[label] == self.c.steps:
                tape.impulse[label] = phantom_impulse(self.setup.silent.strength_of("phantom"), self.arithmetic[-1])
        return first, errors
