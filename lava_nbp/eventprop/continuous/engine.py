"""The EventProp engine: time-continuous, event-driven, any number of layers, batches over threads.

Spike times are exact (Newton's method to machine precision), and so are gradients; see
`lava_nbp.eventprop.reference` for the same thing without speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_arrays, check_integer, check_kind, check_labels, check_real
from lava_nbp.base.helpers import Helpers
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.kernels import run_samples
from lava_nbp.eventprop.continuous.optimizers import average, check_rate, make_optimizer
from lava_nbp.eventprop.continuous.state import DONE, Answers, Batch, Constants, Criterion, Network, Room
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters
from lava_nbp.eventprop.layers import check_layers, check_loops, check_spike_room, spike_room
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import OptimizerName, SilentPolicy
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.tally import Counts, total
from lava_nbp.eventprop.trains import SpikeTrains, as_vector, check_end
from lava_nbp.eventprop.trains_check import check_batch, check_samples

#: A batch is cut into at most so many parts of at least so many samples, whatever the number of threads, so that
#: sums of gradients do not depend on it.
_PARTS, _SAMPLES = 8, 16
#: Of I - theta in the adjoint jump.
_LARGEST_FLOOR = 1e30
_MOST_THREADS = 1024
#: A recurrent layer may feed its spikes to itself for ever: updates of a neuron by a spike in a sample, some seconds'
#: worth, and spikes per neuron that there may be anyhow.
_MOST_UPDATES, _MOST_SPIKES = 4e7, 100


class EventPropEngine:
    """A network of layers of LIF neurons with exact gradients.

    Room for spikes grows as a sample needs it, up to the limit on memory (`lava_nbp.base.memory`): results are as if
    it had been there from the start.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in units of the threshold; the engine keeps and trains copies.
    p : NeuronParameters
        Time constants and threshold of all layers.
    loss : TTFSLoss, MaxVoltageLoss or MeanVoltageLoss
        With the latter two the output layer only integrates.
    end : float
        Length of a trial, ms. Spikes do not reach beyond it, nor into the next sample.
    floor : float
        Lower bound of I - theta in the adjoint jump.
    threads : int
        Threads for the parts of a batch; results do not depend on it.
    recurrent : sequence of (n, n) float or None, optional
        Weights within each layer, (pre, post); None: a layer has none. An output layer that only integrates
        can have none.
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
    matrices : list of arrays
        All that is trained, and the order of gradients: `weights`, then recurrent weights of the
        layers that have them.

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
        p: NeuronParameters,
        loss: Loss,
        end: float,
        *,
        floor: float = 1e-9,
        threads: int = 1,
        recurrent: Sequence[Any] | None = None,
        silent: SilentPolicy | None = None,
        optimizer: OptimizerName = "adam",
    ) -> None:
        self.weights = check_layers(weights)
        check_kind(p, NeuronParameters, "neuron parameters p")
        check_kind(loss, (TTFSLoss, MaxVoltageLoss, MeanVoltageLoss), "loss")
        self.p, self.loss, self.end = p, loss, check_end(end)
        floor = check_real(floor, 0.0, _LARGEST_FLOOR, "floor", "I - theta is 0 where V only touches theta", above=True)
        self._helpers = Helpers(check_integer(threads, 1, _MOST_THREADS, "threads"))
        self.sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        self._parts: list[Room] = []
        self.loops = check_loops(recurrent, self.sizes[1:], isinstance(loss, TTFSLoss))
        self.matrices = [*self.weights, *(loop for loop in self.loops if loop.size)]
        self.optimizer = make_optimizer(optimizer, self.matrices)
        self.silent = SilentPolicy() if silent is None else silent
        check_kind(self.silent, SilentPolicy, "silent")
        if self.silent.name == "phantom" and self.loops[-1].size:
            raise InputError("silent policy 'phantom' needs an output layer without recurrent weights; use another")
        self._constants = Constants.of(p, floor, self.end)
        self._criterion = Criterion.of(loss, self.silent.strength_of("phantom"))
        pulls = tuple(np.zeros(n) for n in self.sizes[1:])
        self._network = Network(tuple(self.weights), self.loops, pulls)
        self._make_room(0)

    # -------------------------------------------------------------- running

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all.

        Raises
        ------
        InputError
            For trains or samples that there cannot be, see `trains_check.check_samples`, more spikes than the limit
            on memory allows, or a recurrent layer that seems to spike without end.
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
        self, trains: SpikeTrains, labels: NDArray[np.int64], samples: NDArray[np.int64] | None = None
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
        by_said : (samples, classes)
            dL/dt_k of first spikes, 1/ms, or dL/dV_k of largest or mean voltages; that of a silent
            output does not matter.

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
        array = as_array(by_said, "derivatives")
        fits = array.shape == (len(trains), self.sizes[-1]) and array.dtype.kind in "iuf"
        if not fits or not np.isfinite(array).all():
            raise InputError(
                f"derivatives have shape {array.shape} and dtype {array.dtype}, but must be "
                f"({len(trains)}, {self.sizes[-1]}) real numbers, and finite"
            )
        given = np.require(array, np.float64, ["C", "A", "W"])
        result, by_times = self._run(trains, every, learn=True, given=given)
        return result, [g.copy() for g in self._sum_of_parts(len(trains))], by_times

    def train_batch(
        self, trains: SpikeTrains, labels: NDArray[np.int64], samples: NDArray[np.int64], rate: float
    ) -> Result:
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
        if self.silent.name != "none":
            self._mind_silence(len(samples))
        return result

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
        elif self.silent.name == "spike_count":
            for pull, count in zip(self._network.pulls[:-1], spikes, strict=False):
                pull[...] = self.silent.strength * (self.silent.target - count / n_samples)

    # ------------------------------------------------------------- internals

    def _counts(self, n_parts: int) -> list[NDArray[np.int64]]:
        """Spikes of every neuron of every layer that the first parts have counted."""
        return [np.sum(counts, axis=0) for counts in zip(*(part.counts for part in self._parts[:n_parts]), strict=True)]

    def _too_large(self, k: int, g: Float64Array, largest: float) -> str:
        """What to say of a gradient with which no optimizer can go on."""
        reached = np.abs(g).max()
        what = f"reaches {reached:.3g}" if np.isfinite(reached) else "is not finite"
        return (
            f"the gradient of {'the weights' if k < len(self.weights) else 'recurrent weights'} of layer "
            f"{self._layer_of(k) + 1} {what}, but {largest:.3g} is the most that a step can be made of, so nothing was "
            f"changed; {self.loss.cure}"
        )

    def _layer_of(self, k: int) -> int:
        """Layer of a matrix of `matrices`."""
        n = len(self.weights)
        return k if k < n else [layer for layer, loop in enumerate(self.loops) if loop.size][k - n]

    def _checked(self, trains: SpikeTrains, samples: Any) -> tuple[SpikeTrains, NDArray[np.int64]]:
        return check_samples(trains, samples, self.sizes[0], self.end)

    def _learn(
        self, trains: SpikeTrains, samples: NDArray[np.int64], labels: Any
    ) -> tuple[Result, tuple[Float64Array, ...]]:
        checked = as_vector(check_labels(labels, len(trains), self.sizes[-1]), np.int64, "labels")
        result, _ = self._run(trains, samples, learn=True, labels=checked)
        return result, self._sum_of_parts(len(samples))

    def _sum_of_parts(self, n_samples: int) -> tuple[Float64Array, ...]:
        """Gradients of a batch, in the arrays of its first part, in the order of `matrices`."""
        first, *rest = self._parts[: _parts_of(n_samples)]
        for part in rest:
            for g, other in zip(first.by_weights + first.by_loops, part.by_weights + part.by_loops, strict=True):
                g += other
        return first.by_weights + tuple(g for g in first.by_loops if g.size)

    def _run(
        self,
        trains: SpikeTrains,
        samples: NDArray[np.int64],
        learn: bool,
        labels: NDArray[np.int64] | None = None,
        given: Float64Array | None = None,
    ) -> tuple[Result, Float64Array]:
        self._make_room(int((trains.offsets[samples + 1] - trains.offsets[samples]).max(initial=0)))
        labels = np.zeros(0, np.int64) if labels is None else labels
        said = np.zeros((len(samples), self.sizes[-1]))
        by_input = np.zeros(0 if given is None else len(trains.times))
        n_parts = _parts_of(len(samples))
        bounds = [k * len(samples) // n_parts for k in range(n_parts + 1)]

        def run_part(k: int) -> Counts:
            rows = slice(bounds[k], bounds[k + 1])
            if learn:
                self._parts[k].clear()
            by_said = np.zeros((0, 0)) if given is None else given[rows]
            batch = Batch(*trains, samples[rows], labels, by_said, learn)
            answers = Answers(said[rows], by_input)
            while True:
                end, *counted = run_samples(
                    self._constants, self._criterion, self._network, self._parts[k], batch, answers
                )
                if end == DONE:
                    return Counts(*counted)
                self._grow(k, end)  # once more from the start: whatever was summed was in the room before

        parts = self._helpers.do(run_part, n_parts)
        return Result(said, voltages=not self._criterion.spiking, **total(parts)._asdict()), by_input

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
        self._parts = [Room.of(self._network, of_part, n_events) for of_part in caps]

    def _grow(self, k: int, layer: int) -> None:
        """A part with room for twice as many spikes of a layer; any of the others may need as much."""
        part = self._parts[k]
        caps = part.caps
        caps[layer] *= 2
        n = self.sizes[layer + 1]
        if self.loops[layer].size and caps[layer] > max(_MOST_UPDATES / n, _MOST_SPIKES * n):
            raise InputError(
                f"layer {layer + 1}, of {n} neurons, spikes more than {part.caps[layer]} times in a sample, and every "
                f"spike of a recurrent layer reaches all of it, which takes seconds per sample: it seems to spike "
                f"without end; use smaller weights, or a shorter trial"
            )
        check_spike_room(_PARTS * Room.bytes(self._network, caps, part.n_events), layer, part.caps[layer])
        self._parts[k] = Room.of(self._network, caps, part.n_events)


def _parts_of(n_samples: int) -> int:
    return max(1, min(_PARTS, n_samples // _SAMPLES))
