"""What the kernels are handed: numbers and arrays by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.eventprop.equations import AT_THRESHOLD, Float64Array, NeuronParameters, rate_difference
from lava_nbp.eventprop.losses import Loss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss

Int32Array = NDArray[np.int32]
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

    spiking: bool  #: spikes, else voltages of an output layer that only integrates:
    read: bool  #: means, or voltages at `times`, else the largest
    labelled: bool  #: whether classes are taught, else numbers
    kept: int  #: how many spikes of each output are said
    times: Float64Array  #: (readings,) when voltages are read, ms; (0,): means are taken
    fading: float  #: of the mean, 1/ms
    norm: float  #: one over the integral of exp(-fading t) over a trial, 1/ms
    gain: float  #: of voltages in the softmax
    tau0: float
    tau1: float
    alpha: float
    phantom: float  #: strength of the policy "phantom", or 0

    @classmethod
    def of(cls, loss: Loss, phantom: float, end: float, kept: int) -> Criterion:
        """The numbers of a loss."""
        none = np.zeros(0)
        if isinstance(loss, TTFSLoss):
            numbers = float(loss.tau0), float(loss.tau1), float(loss.alpha)
            return cls(True, False, True, kept, none, 0.0, 0.0, 1.0, *numbers, phantom)
        if isinstance(loss, VoltageErrorLoss):
            return cls(False, True, False, 1, np.array(loss.times), 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, phantom)
        if isinstance(loss, MeanVoltageLoss):
            fading = loss.fading
            norm = 1.0 / end if fading == 0 else fading / -math.expm1(-fading * end)
            return cls(False, True, True, 1, none, fading, norm, float(loss.gain), 1.0, 1.0, 0.0, phantom)
        return cls(False, False, True, 1, none, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, phantom)


class Own(NamedTuple):
    """What neurons and synapses of a layer have of their own; empty where they are all alike, and have no delays.

    A delay is that of a synapse, or, in an array of one column, of all synapses of a source.
    """

    tau_m: Float64Array  #: (n,) ms
    tau_s: Float64Array
    theta: Float64Array
    delays: Float64Array  #: (pre, post), (pre, 1) or (0, 0), ms
    loop_delays: Float64Array  #: (n, n), (n, 1) or (0, 0)
    learned: bool  #: whether gradients by time constants are asked for

    @property
    def is_asked(self) -> bool:
        """Whether the layer needs kernels that go neuron by neuron."""
        return bool(self.tau_m.size)


class Sums(NamedTuple):
    """Gradients of a layer, summed over samples; empty where there is nothing to learn."""

    weights: Float64Array
    loops: Float64Array
    delays: Float64Array  #: as `Own` has them
    loop_delays: Float64Array
    tau_m: Float64Array
    tau_s: Float64Array

    @classmethod
    def of(cls, weights: Float64Array, loops: Float64Array, own: Own, learned_delays: bool) -> Sums:
        """Zeros."""
        delays = (own.delays, own.loop_delays) if learned_delays else (np.zeros((0, 0)),) * 2
        constants = (own.tau_m, own.tau_s) if own.learned else (np.zeros(0),) * 2
        return cls(*(np.zeros_like(a) for a in (weights, loops, *delays, *constants)))


class Network(NamedTuple):
    """What all parts of a batch share, by layer."""

    constants: tuple[Constants, ...]
    weights: tuple[Float64Array, ...]  #: (pre, post)
    loops: tuple[Float64Array, ...]  #: (n, n) recurrent weights, or (0, 0)
    pulls: tuple[Float64Array, ...]  #: (n,) derivatives by the times of all spikes of a neuron, policy "spike_count"
    own: tuple[Own, ...]


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


class Lone(NamedTuple):
    """What a layer that goes neuron by neuron, for constants or delays of its own, keeps beside its `Tape`."""

    when: Float64Array  #: (events,) arrivals at a neuron while they are sorted
    arrival: Int32Array  #: (n, events) input spikes in the order in which they arrive at each neuron
    first: Int64Array  #: (n + 1,) where the spikes of each neuron begin
    segment: Float64Array  #: (segments, 6) of the neuron at hand, see `single`, or of all, see `tangled`
    code: Int32Array  #: (segments,) what each begins with
    # If it is also recurrent.
    at: Int32Array  #: (events,) at which neuron an event is
    state: Float64Array  #: (n, 12)
    arrivals: Int64Array  #: (n,) input spikes that arrive before the end
    taken: Int64Array  #: (n,) input spikes that have arrived
    pending: Int64Array  #: (n,) own spikes that have not arrived yet:
    queue_time: Float64Array  #: (n, spikes) when they do, a heap per neuron
    queue_spike: Int32Array  #: (n, spikes)
    tree: Int64Array  #: a tournament of neurons


class Room(NamedTuple):
    """What one part of a batch works in, and sums, by layer."""

    tapes: tuple[Tape, ...]
    lones: tuple[Lone, ...]
    by: tuple[Sums, ...]
    counts: tuple[Int64Array, ...]  #: (n,) spikes of every neuron, likewise
    numbers: Int64Array  #: (3, layers) of the sample at hand: input spikes, spikes, and events of a recurrent layer
    by_said: Float64Array  #: (said,) derivatives by what is said to it

    @classmethod
    def of(cls, network: Network, caps: Sequence[int], n_events: int, said: int, learned_delays: bool) -> Room:
        """Room for samples of so many input spikes, so many spikes of every layer, and so many numbers said."""
        tapes: list[Tape] = []
        lones = []
        for w, loop, own, cap in zip(network.weights, network.loops, network.own, caps, strict=True):
            tapes.append(_make_tape(w.shape[1], cap, bool(loop.size), n_events, tapes[-1] if tapes else None))
            lones.append(_make_lone(own, tapes[-1], bool(loop.size)))
        layers = zip(network.weights, network.loops, network.own, strict=True)
        return cls(
            tuple(tapes),
            tuple(lones),
            tuple(Sums.of(w, loop, own, learned_delays) for w, loop, own in layers),
            tuple(np.zeros(w.shape[1], dtype=np.int64) for w in network.weights),
            np.zeros((3, len(tapes)), dtype=np.int64),
            np.zeros(said),
        )

    @staticmethod
    def bytes(network: Network, caps: Sequence[int], n_events: int) -> int:
        """Memory that such a room takes."""
        numbers = 3 * n_events
        for w, loop, own, cap in zip(network.weights, network.loops, network.own, caps, strict=True):
            n = w.shape[1]
            # Per neuron, per event and per spike as many numbers as a `Tape` has, and what `Room` sums.
            numbers += w.size + loop.size + 12 * n + 24 + 4 * (n_events + (cap if loop.size else 0)) + 15 * max(cap, n)
            if own.is_asked:
                segments = _segments(n, max(cap, n), bool(loop.size), n_events)
                numbers += (
                    own.delays.size
                    + own.loop_delays.size
                    + 18 * n
                    + (4 if loop.size else 7) * segments
                    + n * n_events // 2
                )
                numbers += 2 * n * cap if loop.size else 0
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
        for sums in self.by:
            for array in sums:
                array[...] = 0
        for counts in self.counts:
            counts[...] = 0


class Batch(NamedTuple):
    """Samples to run, and what they teach."""

    times: Float64Array  #: as in `SpikeTrains`
    sources: Int64Array
    offsets: Int64Array
    samples: Int64Array  #: (batch,) which of them
    labels: Int64Array  #: of all samples; empty where nothing is learned, or derivatives are given
    targets: Float64Array  #: likewise, (samples, said) numbers to be taught
    given: Float64Array  #: (batch, said) derivatives by answers; (0, 0): those of the loss
    learn: bool


class Answers(NamedTuple):
    """What a run writes."""

    said: Float64Array  #: (batch, said) spike times, inf where there is none, or voltages
    by_input: Float64Array  #: derivatives by the times of all input spikes; empty unless derivatives are given


def _segments(n: int, cap: int, recurrent: bool, n_events: int) -> int:
    """Segments for which there is room: of one neuron, or, of a recurrent layer, events of all."""
    return n * (n_events + cap) + cap if recurrent else n_events + cap


def _reals(*shape: int) -> Float64Array:
    return np.zeros(shape)


def _integers(size: int) -> Int64Array:
    return np.zeros(size, dtype=np.int64)


def _small(*shape: int) -> Int32Array:
    return np.zeros(shape, dtype=np.int32)


def _make_tape(n: int, cap: int, recurrent: bool, n_events: int, before: Tape | None) -> Tape:
    if before is None:
        source = _reals(n_events), _integers(n_events), _reals(n_events)
    else:
        source = before.sorted_time, before.sorted_neuron, before.error
    cap = max(cap, n)  # a layer that only integrates keeps its maxima where spikes would be
    n_events = len(source[0]) + (cap if recurrent else 0)
    padded = 8 * -(-n // 8)
    return Tape(
        *source, flow=_reals(n_events, 3), merged=_integers(n_events),
        V=_reals(n), I=_reals(n), lV=_reals(n), lI=_reals(n), last=_integers(n),
        may=np.zeros(padded, dtype=np.uint8), found=_integers(2 * padded), roots=_reals(3, padded),
        time=_reals(cap), neuron=_integers(cap), interval=_integers(cap), current=_reals(cap),
        before=_reals(cap, 3), behind=_reals(cap, 3), previous=_integers(cap), order=_integers(cap),
        sorted_time=_reals(cap), sorted_neuron=_integers(cap), error=_reals(cap),
    )  # fmt: skip


def _make_lone(own: Own, tape: Tape, recurrent: bool) -> Lone:
    n, cap, n_events = (len(a) if own.is_asked else 0 for a in (tape.V, tape.time, tape.in_time))
    tangled = n if recurrent else 0
    segments = _segments(n, cap, recurrent, n_events)
    tree = 2 << (max(tangled, 2) - 1).bit_length() if tangled else 0
    return Lone(
        when=_reals(n_events), arrival=_small(n, n_events), first=_integers(n + 1),
        segment=_reals(segments, 3 if tangled else 6), code=_small(segments), at=_small(segments if tangled else 0),
        state=_reals(tangled, 12), arrivals=_integers(tangled), taken=_integers(tangled), pending=_integers(tangled),
        queue_time=_reals(tangled, cap), queue_spike=_small(tangled, cap), tree=_integers(tree),
    )  # fmt: skip
