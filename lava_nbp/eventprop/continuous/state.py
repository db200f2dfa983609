"""What the kernels are handed: numbers and arrays by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.eventprop.equations import AT_THRESHOLD, Float64Array, NeuronParameters, rate_difference
from lava_nbp.eventprop.losses import Loss, MeanVoltageLoss, TTFSLoss

Int64Array = NDArray[np.int64]

#: How a run ends; else with the layer whose spikes did not fit.
DONE = -1


class Constants(NamedTuple):
    """Neuron parameters, and what follows from them."""

    tau_m: float
    tau_s: float
    theta: float
    reached: float  #: a rising voltage that is this high at an event has reached theta, see `equations.AT_THRESHOLD`
    floor: float  #: lower bound of I - theta at a spike
    end: float  #: of the trial
    delta: float  #: 1 / tau_s - 1 / tau_m
    kappa: float  #: tau_s / (tau_m - tau_s), unused if the two are (nearly) equal
    nearly_equal: bool  #: so much that kappa (a - b) would lose digits
    power: int  #: tau_m / tau_s if that is an integer of 2 or more, else 0
    reach: float  #: r kappa (theta r / (r - 1))**(r - 1) for that integer r, see `crossing.may_cross`

    @classmethod
    def of(cls, p: NeuronParameters, floor: float, end: float) -> Constants:
        """The constants of neurons, a floor and a trial."""
        ratio = p.tau_m / p.tau_s
        nearly = abs(ratio - 1) < 0.5
        power = round(ratio) if ratio == round(ratio) and 2 <= ratio <= 16 else 0
        kappa = 0.0 if nearly else p.tau_s / (p.tau_m - p.tau_s)
        reach = power * kappa * (p.theta * power / (power - 1)) ** (power - 1) if power else 0.0
        return cls(
            p.tau_m, p.tau_s, p.theta, p.theta * AT_THRESHOLD, float(floor), float(end),
            rate_difference(p.tau_m, p.tau_s), kappa, nearly, power, reach,
        )  # fmt: skip


class Criterion(NamedTuple):
    """The loss, and what a silent label is taught."""

    spiking: bool  #: first spikes, else voltages of an output layer that only integrates:
    averaged: bool  #: their means, else the largest
    fading: float  #: of the mean, 1/ms
    gain: float  #: of voltages in the softmax
    tau0: float
    tau1: float
    alpha: float
    phantom: float  #: strength of the policy "phantom", or 0

    @classmethod
    def of(cls, loss: Loss, phantom: float) -> Criterion:
        """The numbers of a loss."""
        if isinstance(loss, TTFSLoss):
            return cls(True, False, 0.0, 1.0, float(loss.tau0), float(loss.tau1), float(loss.alpha), phantom)
        if isinstance(loss, MeanVoltageLoss):
            return cls(False, True, loss.fading, float(loss.gain), 1.0, 1.0, 0.0, phantom)
        return cls(False, False, 0.0, 1.0, 1.0, 1.0, 0.0, phantom)


class Network(NamedTuple):
    """What all parts of a batch share, by layer."""

    weights: tuple[Float64Array, ...]  #: (pre, post)
    loops: tuple[Float64Array, ...]  #: (n, n) recurrent weights, or (0, 0)
    pulls: tuple[Float64Array, ...]  #: (n,) derivatives by the times of all spikes of a neuron, policy "spike_count"


class Tape(NamedTuple):
    """What a layer keeps of a sample for the way back: input spikes, the intervals behind them, and its spikes.

    Three arrays are those of the layer before, seen from here: its spikes in the order of time are this layer's input,
    and the errors that this layer sends back are the errors of those spikes.
    """

    in_time: Float64Array  #: (events,) `sorted_time` of the layer before
    in_neuron: Int64Array  #: `sorted_neuron` of the layer before
    in_error: Float64Array  #: `error` of the layer before
    flow: Float64Array  #: (events, 3) decays exp(-h / tau_m), exp(-h / tau_s) and response behind each input spike
    merged: Int64Array  #: (events,) of a recurrent layer: input spike, or -1 - own spike
    V: Float64Array  #: (n,)
    I: Float64Array  # noqa: E741 - the paper's symbol
    lV: Float64Array
    lI: Float64Array
    last: Int64Array  #: (n,) last spike of each neuron, or -1
    may: NDArray[np.uint8]  #: (n,) whose voltage may reach theta in the interval at hand; 0 up to a multiple of 8
    found: Int64Array  #: neurons that may, see `crossing.run_interval`
    roots: Float64Array  #: (3, n) of those: q, t and the root x of q x - x**r - t, see `crossing.find_roots`
    time: Float64Array  #: (spikes,)
    neuron: Int64Array
    interval: Int64Array  #: behind which input spike it lies
    current: Float64Array  #: I at the spike
    before: Float64Array  #: (spikes, 3) decays and response since the neuron's previous event
    behind: Float64Array  #: (spikes, 3) likewise until the next input spike, of a neuron's last spike before it
    previous: Int64Array  #: previous spike of the same neuron, or -1
    order: Int64Array  #: spikes in the order of time
    sorted_time: Float64Array
    sorted_neuron: Int64Array
    error: Float64Array  #: (spikes,) error that reaches each spike from behind, in the order of time


class Room(NamedTuple):
    """What one part of a batch works in, and sums, by layer."""

    tapes: tuple[Tape, ...]
    by_weights: tuple[Float64Array, ...]  #: gradients, summed over samples
    by_loops: tuple[Float64Array, ...]
    counts: tuple[Int64Array, ...]  #: (n,) spikes of every neuron, likewise
    numbers: Int64Array  #: (3, layers) of the sample at hand: input spikes, spikes, and events of a recurrent layer
    by_said: Float64Array  #: (classes,) derivatives by what is said to it

    @classmethod
    def of(cls, network: Network, caps: Sequence[int], n_events: int) -> Room:
        """Room for samples of so many input spikes, and so many spikes of every layer."""
        tapes: list[Tape] = []
        for w, loop, cap in zip(network.weights, network.loops, caps, strict=True):
            tapes.append(_make_tape(w.shape[1], cap, bool(loop.size), n_events, tapes[-1] if tapes else None))
        return cls(
            tuple(tapes),
            tuple(np.zeros_like(w) for w in network.weights),
            tuple(np.zeros_like(loop) for loop in network.loops),
            tuple(np.zeros(w.shape[1], dtype=np.int64) for w in network.weights),
            np.zeros((3, len(tapes)), dtype=np.int64),
            np.zeros(network.weights[-1].shape[1]),
        )

    @staticmethod
    def bytes(network: Network, caps: Sequence[int], n_events: int) -> int:
        """Memory that such a room takes."""
        numbers = 3 * n_events
        for w, loop, cap in zip(network.weights, network.loops, caps, strict=True):
            n = w.shape[1]
            # Per neuron, per event and per spike as many numbers as a `Tape` has, and what `Room` sums.
            numbers += w.size + loop.size + 12 * n + 24 + 4 * (n_events + (cap if loop.size else 0)) + 15 * max(cap, n)
            n_events = max(cap, n)
        return 8 * numbers

    @property
    def caps(self) -> list[int]:
        """Spikes of every layer that fit."""
        return [len(tape.time) for tape in self.tapes]

    @property
    def n_events(self) -> int:
        """Input spikes that fit."""
        return len(self.tapes[0].in_time)

    def clear(self) -> None:
        """Forget gradients and spike counts."""
        for array in (*self.by_weights, *self.by_loops, *self.counts):
            array[...] = 0


class Batch(NamedTuple):
    """Samples to run, and what they teach."""

    times: Float64Array  #: as in `SpikeTrains`
    sources: Int64Array
    offsets: Int64Array
    samples: Int64Array  #: (batch,) which of them
    labels: Int64Array  #: of all samples; empty where nothing is learned, or derivatives are given
    given: Float64Array  #: (batch, classes) derivatives by answers; (0, 0): those of the loss
    learn: bool


class Answers(NamedTuple):
    """What a run writes."""

    said: Float64Array  #: (batch, classes) first spike times, inf where silent, or largest voltages
    by_input: Float64Array  #: derivatives by the times of all input spikes; empty unless derivatives are given


def _make_tape(n: int, cap: int, recurrent: bool, n_events: int, before: Tape | None) -> Tape:
    def reals(*shape: int) -> Float64Array:
        return np.zeros(shape)

    def integers(size: int) -> Int64Array:
        return np.zeros(size, dtype=np.int64)

    if before is None:
        source = reals(n_events), integers(n_events), reals(n_events)
    else:
        source = before.sorted_time, before.sorted_neuron, before.error
    n_events = len(source[0]) + (cap if recurrent else 0)
    padded = 8 * -(-n // 8)
    cap = max(cap, n)  # a layer that only integrates keeps its maxima where spikes would be
    return Tape(
        *source, flow=reals(n_events, 3), merged=integers(n_events),
        V=reals(n), I=reals(n), lV=reals(n), lI=reals(n), last=integers(n),
        may=np.zeros(padded, dtype=np.uint8), found=integers(2 * padded), roots=reals(3, padded),
        time=reals(cap), neuron=integers(cap), interval=integers(cap), current=reals(cap),
        before=reals(cap, 3), behind=reals(cap, 3), previous=integers(cap), order=integers(cap),
        sorted_time=reals(cap), sorted_neuron=integers(cap), error=reals(cap),
    )  # fmt: skip
