"""The EventProp engine: time-continuous, event-driven, any number of layers, batches over threads.

Spike times are exact (Newton's method to machine precision), and so are gradients; see
`lava_nbp.eventprop.reference` for the same thing without speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_labels
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.continuous.kernels import (
    CLIPPED,
    HIDDEN,
    MOST_SPIKES,
    SILENT_LABELS,
    SILENT_NEURONS,
    Constants,
    Trace,
    run_samples,
)
from lava_nbp.eventprop.continuous.optimizers import make_optimizer
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters
from lava_nbp.eventprop.losses import Loss, TTFSLoss
from lava_nbp.eventprop.policies import OptimizerName, SilentPolicy
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains

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
        if not floor > 0:
            raise InputError(f"floor is {floor!r}, but must be positive: I - theta is 0 where V only touches theta")
        check_integer(threads, 1, None, "threads")
        self.sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        self._caps = [8 * n + 64 if max_spikes is None else max_spikes for n in self.sizes[1:]]
        self._constants = _constants(p, floor, self.end)
        self._threads = threads
        self._parts: list[_Part] = []
        self._max_events = 0
        self.loops = _check_loops(recurrent, self.sizes[1:], isinstance(loss, TTFSLoss))
        self.matrices = [*self.weights, *(loop for loop in self.loops if loop.size)]
        self.optimizer = make_optimizer(optimizer, self.matrices)
        self.silent = silent or SilentPolicy()
        if self.silent.name == "phantom" and self.loops[-1].size:
            raise InputError("silent policy 'phantom' needs an output layer without recurrent weights; use another")
        taus = astuple(loss) if isinstance(loss, TTFSLoss) else (1.0, 1.0, 0.0)
        self._loss = (*taus, self.silent.strength_of("phantom"))
        #: Derivative of the loss by every spike time of a neuron, of the policy "spike_count".
        self._pulls = tuple(np.zeros(n) for n in self.sizes[1:])

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
        result = self.infer(trains, samples)
        return result, [np.sum([part.counts[k] for part in self._parts], axis=0) for k in range(len(self.weights))]

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
        pulls = {f"pull{k}": pull.copy() for k, pull in enumerate(self._pulls)}
        return self.optimizer.state() | (pulls if self.silent.name == "spike_count" else {})

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            If it is that of another network, optimizer or policy.
        """
        pulls = {name: array for name, array in state.items() if name.startswith("pull")}
        self.optimizer.load({name: array for name, array in state.items() if name not in pulls})
        for k, pull in enumerate(self._pulls if pulls else ()):
            pull[...] = pulls[f"pull{k}"]

    def _mind_silence(self, n_samples: int) -> None:
        counts = [
            np.sum([part.counts[k] for part in self._parts[: _parts_of(n_samples)]], axis=0)
            for k in range(len(self.weights))
        ]
        if self.silent.name == "bump":
            spiking = self.weights if isinstance(self.loss, TTFSLoss) else self.weights[:-1]
            for w, count in zip(spiking, counts, strict=False):
                w[:, count == 0] += self.silent.strength
        elif self.silent.name == "spike_count":
            for pull, count in zip(self._pulls[:-1], counts, strict=False):
                pull[...] = self.silent.strength * (self.silent.target - count / n_samples)

    # ------------------------------------------------------------- internals

    def _learn(self, trains: SpikeTrains, labels: Any, samples: Any) -> tuple[Result, tuple[Float64Array, ...]]:
        checked = check_labels(labels, len(trains), self.sizes[-1])
        result, _ = self._run(trains, samples, learn=True, labels=checked)
        return result, self._sum_of_parts(len(samples))

    def _sum_of_parts(self, n_samples: int) -> tuple[Float64Array, ...]:
        """Gradients of a batch, in the arrays of its first part, in the order of `matrices`."""
        first, *rest = self._parts[: _parts_of(n_samples)]
        for part in rest:
            for g, other in zip(first.gradients + first.by_loops, part.gradients + part.by_loops, strict=True):
                g += other
        return first.gradients + tuple(g for g in first.by_loops if g.size)

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
        spiking = isinstance(self.loss, TTFSLoss)
        said = np.zeros((len(samples), self.sizes[-1]))
        by_input = np.zeros(0 if given is None else len(trains.times))
        n_parts = _parts_of(len(samples))
        counters = np.zeros((n_parts, 6), dtype=np.int64)
        bounds = [k * len(samples) // n_parts for k in range(n_parts + 1)]

        def part(k: int) -> int:
            mine, rows = self._parts[k], slice(bounds[k], bounds[k + 1])
            for array in (*mine.gradients, *mine.by_loops, *mine.counts) if learn else ():
                array[...] = 0
            failed: int = run_samples(
                self._constants, mine.traces, tuple(self.weights), self.loops, mine.gradients, mine.by_loops,
                mine.counts, self._pulls, *trains, samples[rows], np.zeros(0, np.int64) if labels is None else labels,
                np.zeros((0, 0)) if given is None else given[rows],
                spiking, self._loss, learn, said[rows], by_input, counters[k],
            )  # fmt: skip
            return failed

        if self._threads == 1 or n_parts == 1:
            failed = [part(k) for k in range(n_parts)]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                failed = list(pool.map(part, range(n_parts)))
        layer = max(failed)
        if layer >= 0:
            raise InputError(
                f"layer {layer + 1} spikes more than {self._caps[layer]} times in a sample; raise max_spikes, or use "
                f"smaller weights"
            )
        total = counters.sum(axis=0)
        hidden, silent_neurons, silent_labels, clipped = (
            int(total[k]) for k in (HIDDEN, SILENT_NEURONS, SILENT_LABELS, CLIPPED)
        )
        most = int(counters[:, MOST_SPIKES].max())
        result = Result(said, hidden, silent_neurons, silent_labels, clipped, not spiking, most_spikes=most)
        return result, by_input

    def _make_room(self, spikes: NDArray[np.int64]) -> None:
        """Traces that hold samples of so many input spikes."""
        needed = int(spikes.max(initial=0))
        if needed <= self._max_events and self._parts:
            return
        self._max_events = needed
        events = [needed, *self._caps[:-1]]
        self._parts = [
            _Part(
                tuple(
                    _make_trace(n_events + (cap if loop.size else 0), n, cap)
                    for n_events, n, cap, loop in zip(events, self.sizes[1:], self._caps, self.loops, strict=True)
                ),
                tuple(np.zeros_like(w) for w in self.weights),
                tuple(np.zeros_like(w) for w in self.loops),
                tuple(np.zeros(n, dtype=np.int64) for n in self.sizes[1:]),
            )
            for _ in range(_PARTS)
        ]


class _Part(NamedTuple):
    """What a part of a batch works in: a trace, gradients and spike counts per layer."""

    traces: tuple[Trace, ...]
    gradients: tuple[Float64Array, ...]
    by_loops: tuple[Float64Array, ...]
    counts: tuple[NDArray[np.int64], ...]


def _parts_of(n_samples: int) -> int:
    return max(1, min(_PARTS, n_samples // _SAMPLES))


def check_layers(weights: Sequence[Any]) -> list[Float64Array]:
    """Return checked float64 copies of the matrices of a feed-forward network.

    Raises
    ------
    WeightError
        For matrices that do not fit together, or entries that are not finite.
    """
    if not len(weights):
        raise WeightError("no weights; give a matrix (pre, post) per layer")
    matrices = [np.array(w, dtype=np.float64, order="C") for w in weights]
    for k, w in enumerate(matrices):
        if w.ndim != 2 or 0 in w.shape or (k and w.shape[0] != matrices[k - 1].shape[1]):
            raise WeightError(
                f"weights have shapes {', '.join(str(m.shape) for m in matrices)}; every layer needs a matrix "
                f"(pre, post) whose pre is the layer before"
            )
        if not np.isfinite(w).all():
            raise WeightError(f"weights of layer {k + 1} hold {w[~np.isfinite(w)][0]}, but must be finite")
    return matrices


def _check_loops(recurrent: Sequence[Any] | None, sizes: Sequence[int], spiking: bool) -> tuple[Float64Array, ...]:
    """Recurrent weights of every layer; an empty matrix where there are none."""
    given = [None] * len(sizes) if recurrent is None else list(recurrent)
    if len(given) != len(sizes):
        raise WeightError(f"{len(given)} recurrent matrices for {len(sizes)} layers; give one or None per layer")
    loops = []
    for k, (loop, n) in enumerate(zip(given, sizes, strict=True)):
        matrix = np.zeros((0, 0)) if loop is None else np.array(loop, dtype=np.float64, order="C")
        if loop is not None and (matrix.shape != (n, n) or not np.isfinite(matrix).all()):
            raise WeightError(
                f"recurrent weights of layer {k + 1} have shape {matrix.shape}, but must be ({n}, {n}), and finite"
            )
        loops.append(matrix)
    if loops[-1].size and not spiking:
        raise WeightError("the output layer only integrates and has no spikes, but recurrent weights; give it None")
    return tuple(loops)


def _constants(p: NeuronParameters, floor: float, end: float) -> Constants:
    ratio = p.tau_m / p.tau_s
    nearly = abs(ratio - 1) < 1e-2
    power = round(ratio) if ratio == round(ratio) and 2 <= ratio <= 16 else 0
    kappa = 0.0 if nearly else p.tau_s / (p.tau_m - p.tau_s)
    reach = power * kappa * (p.theta * power / (power - 1)) ** (power - 1) if power else 0.0
    return Constants(
        float(p.tau_m), float(p.tau_s), float(p.theta), float(floor), end, 1 / p.tau_s - 1 / p.tau_m,
        kappa, nearly, power, reach,
    )  # fmt: skip


def _make_trace(n_events: int, n: int, cap: int) -> Trace:
    cap = max(cap, n)  # a layer that only integrates keeps its maxima where spikes would be

    def reals(*shape: int) -> Float64Array:
        return np.zeros(shape)

    def integers(size: int) -> NDArray[np.int64]:
        return np.zeros(size, dtype=np.int64)

    return Trace(
        alpha=reals(n_events), beta=reals(n_events), gamma=reals(n_events), from_input=reals(n_events),
        V=reals(n), I=reals(n), lV=reals(n), lI=reals(n), last=integers(n),
        time=reals(cap), neuron=integers(cap), interval=integers(cap), current=reals(cap),
        before=reals(cap, 3), behind=reals(cap, 3), previous=integers(cap), order=integers(cap),
        sorted_time=reals(cap), sorted_neuron=integers(cap), error=reals(cap), event=integers(n_events),
    )  # fmt: skip
