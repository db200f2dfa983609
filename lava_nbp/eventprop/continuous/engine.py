"""The EventProp engine: time-continuous, event-driven, any number of layers, batches over threads.

Spike times are exact (Newton's method to machine precision), and so are gradients; see
`lava_nbp.eventprop.reference` for the same thing without speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import (
    as_array,
    check_arrays,
    check_integer,
    check_kind,
    check_labels,
    check_name,
    check_real,
    check_reals,
)
from lava_nbp.base.helpers import Helpers, InOrder
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.constants import CONSTANTS_RANGE
from lava_nbp.eventprop.continuous.kernels import run_samples
from lava_nbp.eventprop.continuous.optimizers import average, check_rate, make_optimizer
from lava_nbp.eventprop.continuous.parameters import LONGEST_DELAY, Parameters, called
from lava_nbp.eventprop.continuous.state import DONE, Answers, Batch, Constants, Criterion, Network, Room
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters
from lava_nbp.eventprop.layers import LARGEST_WEIGHT, LayerNeurons, check_spike_room, spike_room
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss
from lava_nbp.eventprop.policies import OPTIMIZERS, OptimizerName, SilentPolicy
from lava_nbp.eventprop.result import LayerSpikes, Result
from lava_nbp.eventprop.tally import Counts, total
from lava_nbp.eventprop.trains import SpikeTrains, as_vector, check_end
from lava_nbp.eventprop.trains_check import check_batch, check_samples

#: A batch is cut into at most so many parts of at least so many samples, whatever the number of threads, so that
#: sums of gradients do not depend on it.
_PARTS, _SAMPLES = 8, 16
#: Of I - theta in the adjoint jump.
_LARGEST_FLOOR = 1e30
_MOST_THREADS = 1024
#: Spikes of an output that may be said.
_MOST_SAID = 1 << 16
#: A recurrent layer may feed its spikes to itself for ever: updates of a neuron by a spike in a sample, some seconds'
#: worth, and spikes per neuron that there may be anyhow.
_MOST_UPDATES, _MOST_SPIKES = 4e7, 100
#: By how much an update takes longer in a layer that goes neuron by neuron.
_SLOWER = 20


class EventPropEngine:
    """A network of layers of LIF neurons with exact gradients.

    Room for spikes grows as a sample needs it, up to the limit on memory (`lava_nbp.base.memory`): results are as if
    it had been there from the start.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in units of the threshold; the engine keeps and trains copies.
    p : NeuronParameters, or sequence of them
        Time constants and thresholds: of all layers, or of each; and for a layer, of all its neurons, or a sequence
        with those of each.
    loss : TTFSLoss, MaxVoltageLoss, MeanVoltageLoss or VoltageErrorLoss
        With all but the first the output layer only integrates. The last teaches numbers (samples, readings, outputs)
        where the others teach labels (samples,); the network says the numbers of the first reading, then of the next.
    end : float
        Length of a trial, ms. Spikes do not reach beyond it, nor into the next sample.
    floor : float
        Lower bound of I - theta in the adjoint jump.
    threads : int
        Threads for the parts of a batch; results do not depend on it.
    recurrent : sequence of (n, n) float or None, optional
        Weights within each layer, (pre, post); None: a layer has none. An output layer that only integrates
        can have none.
    delays, recurrent_delays : sequence of (pre, post) or (pre,) or None, optional
        Of every layer's weights and recurrent weights, in ms: a spike of i reaches j by delays[i, j] later, or
        delays[i], which is that of all synapses of a source. What would arrive after the end does not.
    longest_delay : float
        Of all delays, given or learned, ms.
    constants_range : (float, float)
        Least and largest time constant that may be learned, ms.
    delay_rate, constant_rate : float
        What is learned beside the weights, and how fast: the rate of `train_batch` times this is that of delays, in
        ms, and of the natural logarithms of time constants. With 0 they stay as they are. A layer whose `p` is given
        for all its neurons learns one tau_m and one tau_s.
    said_spikes : int
        With a `TTFSLoss`: how many spikes of each output are said, one neuron after the other; 1: the first ones, and
        what follows them is not computed. With more the network answers, and `backpropagate` takes derivatives by all
        of them; the loss, which is one of first spikes, teaches nothing.
    silent : SilentPolicy
        What silent neurons are taught.
    optimizer : {"adam", "sgd"}
        What `train_batch` does with a gradient.

    Attributes
    ----------
    weights : list of (pre, post)
        One per layer.
    loops : tuple of (n, n)
        Recurrent weights of every layer, empty where there are none.
    delays, loop_delays : tuple of (pre, post), (pre,) or empty
        Of both.
    matrices : list of arrays
        All that is trained, and the order of gradients: `weights`, recurrent weights of the layers that have them; if
        they are learned, delays of both likewise, then the logarithms of tau_m (n,) or (1,) and of tau_s of every
        layer.
    names : list of str
        Of `matrices`: W1, W2, .., R1, .., D1, .. (delays of W1), E1, .. (of R1), tau_m1, .., tau_s1, ..
    limits : list of (float, float)
        Least and largest entry of each of `matrices`; what a step would carry beyond those of delays and constants is
        cut back.

    Raises
    ------
    WeightError
        For matrices that do not fit together, or entries that are not finite.
    InputError
        For a trial, floor or number that is not positive, a policy or optimizer that there is not, or a network that
        needs more memory than the limit.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        p: NeuronParameters | Sequence[NeuronParameters | Sequence[NeuronParameters]],
        loss: Loss,
        end: float,
        *,
        floor: float = 1e-9,
        threads: int = 1,
        recurrent: Sequence[Any] | None = None,
        delays: Sequence[Any] | None = None,
        recurrent_delays: Sequence[Any] | None = None,
        longest_delay: float = LONGEST_DELAY,
        constants_range: tuple[float, float] = CONSTANTS_RANGE,
        delay_rate: float = 0.0,
        constant_rate: float = 0.0,
        said_spikes: int = 1,
        silent: SilentPolicy | None = None,
        optimizer: OptimizerName = "adam",
    ) -> None:
        check_kind(loss, (TTFSLoss, MaxVoltageLoss, MeanVoltageLoss, VoltageErrorLoss), "loss")
        self.loss, self.end = loss, check_end(end)
        floor = check_real(floor, 0.0, _LARGEST_FLOOR, "floor", "I - theta is 0 where V only touches theta", above=True)
        self._helpers = Helpers(check_integer(threads, 1, _MOST_THREADS, "threads"))
        self._parts: list[Room] = []
        self._parameters = own = Parameters(
            weights, p, isinstance(loss, TTFSLoss), recurrent=recurrent, delays=delays,
            recurrent_delays=recurrent_delays, longest_delay=longest_delay, constants_range=constants_range,
            delay_rate=delay_rate, constant_rate=constant_rate,
        )  # fmt: skip
        self.sizes, self.weights, self.loops = own.sizes, own.weights, own.loops
        self.delays, self.loop_delays = own.delays, own.loop_delays
        self.matrices, self.names, self.limits = own.matrices, own.names, own.limits
        check_name(optimizer, "optimizer", OPTIMIZERS)
        self.optimizer = make_optimizer(optimizer, self.matrices, own.factors(optimizer))
        self.silent = SilentPolicy() if silent is None else silent
        check_kind(self.silent, SilentPolicy, "silent")
        if self.silent.name == "spike_count":
            self.silent.bounds(len(self.weights) - 1)
        self.silent.check_output(isinstance(loss, TTFSLoss), bool(self.loops[-1].size))
        kept = check_integer(said_spikes, 1, _MOST_SAID, "said_spikes", "how many spikes of every output are said")
        if kept > 1 and not isinstance(loss, TTFSLoss):
            raise InputError(f"said_spikes is {kept}, but an output layer that only integrates has none; leave it out")
        self._criterion = Criterion.of(loss, self.silent.strength_of("phantom"), self.end, kept)
        if isinstance(loss, VoltageErrorLoss) and loss.times[-1] > self.end:
            raise InputError(
                f"the loss reads voltages at {loss.times[-1]:g} ms, but the trial ends at {self.end:g} ms; read earlier"
            )
        #: Numbers that the network says to a sample.
        self.said = self.sizes[-1] * max(kept, len(self._criterion.times))
        pulls = tuple(np.zeros(n) for n in self.sizes[1:])
        constants = tuple(Constants.of(layer.first, floor, self.end) for layer in own.layers)
        self._network = Network(constants, tuple(self.weights), self.loops, pulls, own.views())
        self._make_room(0)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copy of a view is an array of its own.
        self._network = self._network._replace(own=self._parameters.views())

    # -------------------------------------------------------------- running

    @property
    def p(self) -> NeuronParameters | tuple[LayerNeurons, ...]:
        """Time constants and thresholds as they are now: one for all, or those of every layer."""
        return self._parameters.p

    @property
    def is_uniform(self) -> bool:
        """Whether its neurons are all alike, and no synapse has a delay."""
        return self._parameters.is_uniform

    def parameters(self) -> dict[str, Float64Array]:
        """Copies of all numbers that the network has of its own, by the names of `names`.

        Delays are among them whether they are learned or not, and so are time constants, in ms, where they are learned
        or each neuron's own.
        """
        return self._parameters.read()

    def load_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Go on from `parameters`.

        Raises
        ------
        InputError
            For others than this network has; nothing is changed then.
        """
        self._parameters.write(parameters)

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all.

        Raises
        ------
        InputError
            For trains or samples that there cannot be, see `trains_check.check_samples`, more spikes than the limit
            on memory allows, a recurrent layer that seems to spike without end, or weights and delays in which somebody
            has written what there cannot be.
        """
        return self._run(*self._checked(trains, samples), learn=False)[0]

    def infer_counted(
        self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[NDArray[np.int64]]]:
        """As `infer`, with the spikes of every neuron of every layer; of an output that only integrates none."""
        checked = self._checked(trains, samples)
        for part in self._parts:
            for counts in part.counts:
                counts[...] = 0
        return self._run(*checked, learn=False)[0], self._counts(len(self._parts))

    def gradient(
        self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[Float64Array]]:
        """Run samples, and sum their gradients by all weights.

        Raises
        ------
        InputError
            As `infer`, and for labels outside the classes, or of another number than samples.
        """
        result, gradients = self._learn(*self._checked(trains, samples), labels)
        return result, [g.copy() for g in gradients]

    def backpropagate(self, trains: SpikeTrains, by_said: Any) -> tuple[Result, list[Float64Array], Float64Array]:
        """Run all samples, and carry the derivative of any loss back through the network.

        Parameters
        ----------
        trains : SpikeTrains
            Samples.
        by_said : (samples, said)
            dL/dt of the spikes that are said, 1/ms, or dL/dV of what voltages are; that of a spike that is not there
            does not matter.

        Returns
        -------
        result : Result
        by_weights : list of (pre, post)
            Summed over the samples.
        by_times : (spikes,)
            dL/dt of every input spike, in the order of `trains`, 1/ms.

        Raises
        ------
        InputError
            As `infer`, and for derivatives of another shape, or that are not finite.
        """
        trains, every = self._checked(trains, None)
        given = self._derivatives(by_said, len(trains))
        result, by_times = self._run(trains, every, learn=True, given=given)
        return result, [g.copy() for g in self._gradients()], by_times

    def watch(self, trains: SpikeTrains, sample: int, by_said: Any = None) -> list[LayerSpikes]:
        """Every spike of one sample, and, if there is a derivative to carry back, the error that is sent back to it.

        Parameters
        ----------
        trains : SpikeTrains
            Samples.
        sample : int
            Which.
        by_said : (said,), optional
            As a row of `backpropagate`'s.

        Returns
        -------
        list of LayerSpikes
            Of the input, and of every layer behind it. An output layer that only integrates has none; with a `TTFSLoss`
            and said_spikes = 1 an output has its first spike only.

        Raises
        ------
        InputError
            As `backpropagate`, and for a sample that there is not.
        """
        trains, chosen = self._checked(trains, [sample])
        alone = trains.take(chosen)
        given = None if by_said is None else self._derivatives(as_array(by_said, "derivatives")[None], 1)
        _, by_times = self._run(alone, np.zeros(1, np.int64), learn=given is not None, given=given)
        room = self._parts[0]
        found = [LayerSpikes(alone.times, alone.sources, by_times)]
        for tape, n in zip(room.tapes, room.numbers[1].tolist(), strict=True):
            errors = tape.error[: 0 if given is None else n]
            found.append(LayerSpikes(tape.sorted_time[:n].copy(), tape.sorted_neuron[:n].copy(), errors.copy()))
        return found

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64], rate: float) -> Result:
        """One step of the optimizer along the mean gradient of a batch, and what the policy does about silence.

        Raises
        ------
        InputError
            As `gradient`, and for a batch without samples, a rate that is negative or beyond 1e9, or a gradient that
            is not finite or so large that the optimizer could not go on. Nothing has changed then.
        """
        rate = check_rate(rate)
        trains, samples = check_batch(trains, samples, self.sizes[0], self.end)
        result, gradients = self._learn(trains, samples, labels)
        largest = self.optimizer.largest_gradient(rate)
        for k, g in enumerate(gradients):
            if not average(g.reshape(-1), float(len(samples)), largest):
                raise InputError(self._too_large(k, g, largest))
        self.optimizer.step(gradients, rate)
        bounded = self._parameters.cut()
        if self.silent.name != "none":
            self._mind_silence(len(samples))
        return replace(result, bounded=bounded) if bounded else result

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of what training has to remember beside the weights, by name; `load_state` takes it back."""
        pulls = {f"pull{k}": pull.copy() for k, pull in enumerate(self._network.pulls)}
        return self.optimizer.state() | (pulls if self.silent.name == "spike_count" else {})

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            If it is that of another network, optimizer or policy, or no state at all.
        """
        check_arrays(state, self.state(), "optimizer state", "this network needs")
        pulls = {name: array for name, array in state.items() if name.startswith("pull")}
        self.optimizer.load({name: array for name, array in state.items() if name not in pulls})
        for k, pull in enumerate(self._network.pulls if pulls else ()):
            pull[...] = pulls[f"pull{k}"]

    def _mind_silence(self, n_samples: int) -> None:
        spikes = self._counts(_parts_of(n_samples))
        if self.silent.name == "bump":
            spiking = self.weights if isinstance(self.loss, TTFSLoss) else self.weights[:-1]
            for w, count in zip(spiking, spikes, strict=False):
                w[:, count == 0] += self.silent.strength
        self._pull(spikes, n_samples)

    def pull_counts(self, trains: SpikeTrains) -> None:
        """What the policy "spike_count" makes of all samples' spikes: it acts on the next gradient; else nothing."""
        if self.silent.name == "spike_count":
            _, counts = self.infer_counted(trains)
            self._pull(counts, max(len(trains), 1))

    def _pull(self, spikes: Sequence[NDArray[np.int64]], n_samples: int) -> None:
        """Derivatives by the spike times of hidden neurons, of their counts."""
        if self.silent.name == "spike_count":
            bounds = self.silent.bounds(len(self.weights) - 1)
            for pull, count, (lower, upper) in zip(self._network.pulls[:-1], spikes, bounds, strict=False):
                mean = count / n_samples
                pull[...] = self.silent.strength * (np.clip(mean, lower, upper) - mean)

    # ------------------------------------------------------------- internals

    def _counts(self, n_parts: int) -> list[NDArray[np.int64]]:
        """Spikes of every neuron of every layer that the first parts have counted."""
        return [np.sum(counts, axis=0) for counts in zip(*(part.counts for part in self._parts[:n_parts]), strict=True)]

    def _too_large(self, k: int, g: Float64Array, largest: float) -> str:
        """What to say of a gradient with which no optimizer can go on."""
        reached = np.abs(g).max()
        what = f"reaches {reached:.3g}" if np.isfinite(reached) else "is not finite"
        return (
            f"the gradient of the {called(self.names[k])} {what}, but {largest:.3g} is the most that a step can be "
            f"made of, so nothing was changed; {self.loss.cure}"
        )

    def _checked(self, trains: SpikeTrains, samples: Any) -> tuple[SpikeTrains, NDArray[np.int64]]:
        return check_samples(trains, samples, self.sizes[0], self.end)

    def _derivatives(self, by_said: Any, n: int) -> Float64Array:
        """Those by what is said to n samples, checked."""
        array = as_array(by_said, "derivatives")
        fits = array.shape == (n, self.said) and array.dtype.kind in "iuf"
        if not fits or not np.isfinite(array).all():
            raise InputError(
                f"derivatives have shape {array.shape} and dtype {array.dtype}, but must be ({n}, {self.said}) real "
                f"numbers, and finite"
            )
        return np.require(array, np.float64, ["C", "A", "W"])

    def _learn(
        self, trains: SpikeTrains, samples: NDArray[np.int64], labels: Any
    ) -> tuple[Result, tuple[Float64Array, ...]]:
        if self._criterion.kept > 1:
            raise InputError(
                f"said_spikes is {self._criterion.kept}, but the loss is one of first spikes; use backpropagate, or "
                f"leave said_spikes out"
            )
        if self._criterion.labelled:
            checked = as_vector(check_labels(labels, len(trains), self.sizes[-1]), np.int64, "labels")
            result, _ = self._run(trains, samples, learn=True, labels=checked)
        else:
            result, _ = self._run(trains, samples, learn=True, targets=self._targets(labels, len(trains)))
        return result, self._gradients()

    def _targets(self, targets: Any, n: int) -> Float64Array:
        """Numbers to be taught, (samples, said)."""
        array = check_reals(targets, "targets", most=LARGEST_WEIGHT)
        if array.shape not in ((n, self.said), (n, len(self._criterion.times), self.sizes[-1])):
            raise InputError(
                f"targets have shape {array.shape}, but must be ({n}, {len(self._criterion.times)}, {self.sizes[-1]}): "
                f"samples, readings, outputs"
            )
        return np.require(array.reshape(n, self.said), np.float64, ["C", "A", "W"])

    def _add_part(self, k: int) -> None:
        """Add the sums of a part to those of the first, which has those of all parts before it."""
        if k:
            first, part = self._parts[0], self._parts[k]
            for sums, others in zip(first.by, part.by, strict=True):
                for g, other in zip(sums, others, strict=True):
                    g += other

    def _gradients(self) -> tuple[Float64Array, ...]:
        """Those that a run with `learn` has summed, in the order of `matrices`."""
        return self._parameters.gradients(self._parts[0].by)

    def _run(
        self,
        trains: SpikeTrains,
        samples: NDArray[np.int64],
        learn: bool,
        labels: NDArray[np.int64] | None = None,
        targets: Float64Array | None = None,
        given: Float64Array | None = None,
    ) -> tuple[Result, Float64Array]:
        self._parameters.refresh()  # whoever has changed an array need do nothing else
        self._make_room(int((trains.offsets[samples + 1] - trains.offsets[samples]).max(initial=0)))
        labels = np.zeros(0, np.int64) if labels is None else labels
        targets = np.zeros((0, 0)) if targets is None else targets
        said = np.zeros((len(samples), self.said))
        by_input = np.zeros(0 if given is None else len(trains.times))
        n_parts = _parts_of(len(samples))
        bounds = [k * len(samples) // n_parts for k in range(n_parts + 1)]

        sums = InOrder(self._add_part)

        def run_part(k: int) -> Counts:
            rows = slice(bounds[k], bounds[k + 1])
            if learn:
                self._parts[k].clear()
            by_said = np.zeros((0, 0)) if given is None else given[rows]
            batch = Batch(*trains, samples[rows], labels, targets, by_said, learn)
            answers = Answers(said[rows], by_input)
            while True:
                end, *counted = run_samples(self._criterion, self._network, self._parts[k], batch, answers)
                if end == DONE:
                    if learn:
                        sums.ready(k)
                    return Counts(*counted)
                self._grow(k, end)  # once more from the start: whatever was summed was in the room before

        parts = self._helpers.do(run_part, n_parts)
        voltages, kept = not self._criterion.spiking, self._criterion.kept
        return Result(said, voltages=voltages, per_output=kept, **total(parts)._asdict()), by_input

    def _make_room(self, n_events: int) -> None:
        """Layers that hold samples of so many input spikes."""
        if self._parts and n_events <= self._parts[0].n_events:
            return
        caps = [part.caps for part in self._parts] or [[spike_room(n) for n in self.sizes[1:]]] * _PARTS
        sums = 3 * sum(matrix.nbytes for matrix in self.matrices)  # the weights, and Adam's means
        check_memory(
            sums + sum(Room.bytes(self._network, of_part, n_events) for of_part in caps),
            f"a network of {'-'.join(map(str, self.sizes))} neurons, for samples of {n_events} input spikes,",
            "make layers or samples smaller",
        )
        self._parts = [self._room(of_part, n_events) for of_part in caps]

    def _room(self, caps: list[int], n_events: int) -> Room:
        return Room.of(self._network, caps, n_events, self.said, self._parameters.learns_delays)

    def _grow(self, k: int, layer: int) -> None:
        """A part with room for twice as many spikes of a layer; any of the others may need as much."""
        part = self._parts[k]
        caps = part.caps
        caps[layer] *= 2
        n = self.sizes[layer + 1]
        updates = _MOST_UPDATES / (_SLOWER if self._network.own[layer].is_asked else 1)
        if self.loops[layer].size and part.caps[layer] > max(updates / n, _MOST_SPIKES * n):
            raise InputError(
                f"layer {layer + 1}, of {n} neurons, spikes more than {part.caps[layer]} times in a sample, and every "
                f"spike of a recurrent layer reaches all of it, which takes seconds per sample: it seems to spike "
                f"without end; use smaller weights, or a shorter trial"
            )
        check_spike_room(_PARTS * Room.bytes(self._network, caps, part.n_events), layer, part.caps[layer])
        self._parts[k] = self._room(caps, part.n_events)


def _parts_of(n_samples: int) -> int:
    return max(1, min(_PARTS, n_samples // _SAMPLES))
