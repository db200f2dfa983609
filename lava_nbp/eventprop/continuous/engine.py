"""The EventProp engine: time-continuous, event-driven, any number of layers, batches over threads.

Spike times are exact (Newton's method to machine precision), and so are gradients; see
`lava_nbp.eventprop.reference` for the same thing without speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_arrays, check_integer, check_labels
from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.kernels import run_samples
from lava_nbp.eventprop.continuous.optimizers import make_optimizer
from lava_nbp.eventprop.continuous.state import (
    BAD_SOURCE,
    DONE,
    Answers,
    Batch,
    Constants,
    Criterion,
    Network,
    Room,
)
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters
from lava_nbp.eventprop.layers import check_layers, check_loops, spike_room
from lava_nbp.eventprop.losses import Loss, TTFSLoss
from lava_nbp.eventprop.policies import OptimizerName, SilentPolicy
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.tally import Counts, total
from lava_nbp.eventprop.trains import SpikeTrains, bad_source

#: A batch is cut into at most so many parts of at least so many samples, whatever the number of threads, so that
#: sums of gradients do not depend on it.
_PARTS, _SAMPLES = 8, 16


class EventPropEngine:
    """A network of layers of LIF neurons with exact gradients.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in units of the threshold; the engine keeps and trains copies.
    p : NeuronParameters
        Time constants and threshold of all layers.
    loss : TTFSLoss or MaxVoltageLoss
        With the latter the output layer only integrates.
    end : float
        Length of a trial, ms. Spikes do not reach beyond it, nor into the next sample.
    floor : float
        Lower bound of I - theta in the adjoint jump.
    max_spikes : int
        Spikes per sample and layer that fit; by default 8 per neuron.
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
        For a trial, floor or number that is not positive, or a policy or optimizer that there is not.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        p: NeuronParameters,
        loss: Loss,
        end: float,
        *,
        floor: float = 1e-9,
        max_spikes: int | None = None,
        threads: int = 1,
        recurrent: Sequence[Any] | None = None,
        silent: SilentPolicy | None = None,
        optimizer: OptimizerName = "adam",
    ) -> None:
        self.weights = check_layers(weights)
        self.p, self.loss, self.end = p, loss, float(end)
        if not (np.isfinite(end) and end > 0):
            raise InputError(f"end of the trial is {end!r} ms, but must be positive and finite")
        if not (np.isfinite(floor) and floor > 0):
            raise InputError(
                f"floor is {floor!r}, but must be positive and finite: I - theta is 0 where V only touches theta"
            )
        check_integer(threads, 1, None, "threads")
        self.sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        self._caps = [spike_room(n, max_spikes) for n in self.sizes[1:]]
        self._threads = threads
        self._parts: list[Room] = []
        self._max_events = 0
        self.loops = check_loops(recurrent, self.sizes[1:], isinstance(loss, TTFSLoss))
        self.matrices = [*self.weights, *(loop for loop in self.loops if loop.size)]
        self.optimizer = make_optimizer(optimizer, self.matrices)
        self.silent = silent or SilentPolicy()
        if self.silent.name == "phantom" and self.loops[-1].size:
            raise InputError("silent policy 'phantom' needs an output layer without recurrent weights; use another")
        self._constants = Constants.of(p, floor, self.end)
        self._criterion = Criterion.of(loss, self.silent.strength_of("phantom"))
        pulls = tuple(np.zeros(n) for n in self.sizes[1:])
        self._network = Network(self.sizes[0], tuple(self.weights), self.loops, pulls)

    # -------------------------------------------------------------- running

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all."""
        chosen = np.arange(len(trains)) if samples is None else samples
        return self._run(trains, chosen, learn=False)[0]

    def infer_counted(
        self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[NDArray[np.int64]]]:
        """As `infer`, with the spikes of every neuron of every layer; of an output that only integrates none."""
        for part in self._parts:
            for counts in part.counts:
                counts[...] = 0
        return self.infer(trains, samples), self._counts(len(self._parts))

    def gradient(
        self, trains: SpikeTrains, labels: NDArray[np.int64], samples: NDArray[np.int64] | None = None
    ) -> tuple[Result, list[Float64Array]]:
        """Run samples, and sum their gradients by all weights.

        Raises
        ------
        InputError
            For labels outside the classes, or of another number than samples.
        """
        chosen = np.arange(len(trains)) if samples is None else samples
        result, gradients = self._learn(trains, labels, chosen)
        return result, [g.copy() for g in gradients]

    def backpropagate(self, trains: SpikeTrains, by_said: Any) -> tuple[Result, list[Float64Array], Float64Array]:
        """Run all samples, and carry the derivative of any loss back through the network.

        Parameters
        ----------
        trains : SpikeTrains
            Samples.
        by_said : (samples, classes)
            dL/dt_k of first spikes, 1/ms, or dL/dV_k of largest voltages; that of a silent output
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
            For derivatives of another shape, or that are not finite.
        """
        given = np.ascontiguousarray(by_said, dtype=np.float64)
        if given.shape != (len(trains), self.sizes[-1]) or not np.isfinite(given).all():
            raise InputError(
                f"derivatives have shape {given.shape}, but must be ({len(trains)}, {self.sizes[-1]}), and finite"
            )
        result, by_times = self._run(trains, np.arange(len(trains)), learn=True, given=given)
        return result, [g.copy() for g in self._sum_of_parts(len(trains))], by_times

    def train_batch(
        self, trains: SpikeTrains, labels: NDArray[np.int64], samples: NDArray[np.int64], rate: float
    ) -> Result:
        """One step of the optimizer along the mean gradient of a batch, and what the policy does about silence."""
        result, gradients = self._learn(trains, labels, samples)
        for g in gradients:
            g /= len(samples)
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

    def _learn(self, trains: SpikeTrains, labels: Any, samples: Any) -> tuple[Result, tuple[Float64Array, ...]]:
        checked = check_labels(labels, len(trains), self.sizes[-1])
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
        samples: Any,
        learn: bool,
        labels: NDArray[np.int64] | None = None,
        given: Float64Array | None = None,
    ) -> tuple[Result, Float64Array]:
        samples = np.ascontiguousarray(samples, dtype=np.int64)
        self._make_room(trains.offsets[samples + 1] - trains.offsets[samples])
        labels = np.zeros(0, np.int64) if labels is None else labels
        said = np.zeros((len(samples), self.sizes[-1]))
        by_input = np.zeros(0 if given is None else len(trains.times))
        n_parts = _parts_of(len(samples))
        bounds = [k * len(samples) // n_parts for k in range(n_parts + 1)]

        def run_part(k: int) -> tuple[int, Counts]:
            rows = slice(bounds[k], bounds[k + 1])
            if learn:
                self._parts[k].clear()
            by_said = np.zeros((0, 0)) if given is None else given[rows]
            batch = Batch(*trains, samples[rows], labels, by_said, learn)
            answers = Answers(said[rows], by_input)
            done: tuple[int, Counts] = run_samples(
                self._constants, self._criterion, self._network, self._parts[k], batch, answers
            )
            return done

        if self._threads == 1 or n_parts == 1:
            parts = [run_part(k) for k in range(n_parts)]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                parts = list(pool.map(run_part, range(n_parts)))
        self._check_end([end for end, _ in parts], trains)
        counts = total(counted for _, counted in parts)
        return Result(said, voltages=not self._criterion.spiking, **counts._asdict()), by_input

    def _check_end(self, ends: Sequence[int], trains: SpikeTrains) -> None:
        if BAD_SOURCE in ends:
            raise InputError(bad_source(trains.sources, self.sizes[0]))
        layer = max(ends)
        if layer != DONE:
            raise InputError(
                f"layer {layer + 1} spikes more than {self._caps[layer]} times in a sample; raise max_spikes, or use "
                f"smaller weights"
            )

    def _make_room(self, spikes: NDArray[np.int64]) -> None:
        """Layers that hold samples of so many input spikes."""
        needed = int(spikes.max(initial=0))
        if needed <= self._max_events and self._parts:
            return
        self._max_events = needed
        self._parts = [Room.of(self._network, self._caps, needed) for _ in range(_PARTS)]


def _parts_of(n_samples: int) -> int:
    return max(1, min(_PARTS, n_samples // _SAMPLES))
