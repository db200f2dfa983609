"""The oracle of EventProp: every event in the order of time, every equation as it stands; slow and obvious.

One sample at a time, any number of layers, optionally recurrent within a layer, with delays, and with time constants
of every neuron's own. Events of all neurons are processed in one list, forward and then backward; nothing is fused or
reordered as in the engine.

Of events at the same time (but for rounding, see `equations.AT_THRESHOLD`) spikes of neurons
come before spikes that arrive later than they are sent, and both before input spikes; those of later layers before
those of earlier ones: what reaches a neuron at the time of its spike finds it reset. Within a layer they come in the
order of neurons, and input spikes in the order given. Backward it is the other way round.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from lava_nbp.eventprop.equations import (
    AT_THRESHOLD,
    Float64Array,
    NeuronParameters,
    adjoint_current,
    adjoint_jump,
    adjoint_of_mean,
    adjoint_voltage,
    current,
    faded_integral,
    faded_integral_by_constants,
    flow_by_constants,
    membrane,
)
from lava_nbp.eventprop.layers import LayerNeurons, check_neurons
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss


@dataclass(frozen=True)
class Spike:
    """A spike of neuron `neuron` of layer `layer` (-1: the input) at `time` ms, with its synaptic current."""

    time: float
    layer: int
    neuron: int
    current: float = 0.0


@dataclass(frozen=True)
class Arrival:
    """A spike that reaches neuron `neuron` of layer `layer` at `time` ms, later than it was sent.

    `event` is the index of the spike among the run's events; `loop`: it was the layer's own.
    """

    time: float
    event: int
    layer: int
    neuron: int
    loop: bool


@dataclass(frozen=True)
class AdjointSpike:
    """The error sent back to a spike: dL/dt of the spike at `time` ms of a neuron (layer -1: the input), 1/ms."""

    time: float
    layer: int
    neuron: int
    error: float


@dataclass
class Run:
    """What one sample did.

    Attributes
    ----------
    events : list of Spike and Arrival
        Spikes of the input and all layers, and arrivals over synapses with delays, in the order of time.
    states : list of (V, I)
        Of all layers: at the beginning, and after each event.
    peaks, peak_times : (classes,)
        Largest voltages of a non-spiking output layer, and when.
    peak_places : (classes,)
        How many events there were before the maximum.
    peak_spikes : (classes,)
        Where an event ends the rise (its weight is negative), so that the maximum moves with
        it: its index, else -1; `peak_slopes` is dV/dt just before it, 1/ms.
    first : (classes,)
        First spikes of a spiking output layer, ms; inf for a silent output.
    means : (classes,)
        Mean voltages of a non-spiking output layer, as the loss that was asked for weights them.
    readings : (readings, classes)
        Voltages of a non-spiking output layer at the times that were asked for.
    """

    events: list[Spike | Arrival]
    states: list[tuple[list[Float64Array], list[Float64Array]]]
    peaks: Float64Array
    peak_times: Float64Array
    peak_places: NDArray[np.int64]
    peak_spikes: NDArray[np.int64]
    peak_slopes: Float64Array
    end: float
    first: Float64Array
    means: Float64Array
    readings: Float64Array

    @property
    def spikes(self) -> list[Spike]:
        """Of the input and all layers."""
        return [event for event in self.events if isinstance(event, Spike)]


class Gradients(NamedTuple):
    """Of a loss, by layer; None where there is nothing to differentiate by."""

    weights: list[Float64Array]  #: (pre, post)
    loops: list[Float64Array | None]  #: (n, n)
    delays: list[Float64Array | None]  #: (pre, post), 1/ms
    loop_delays: list[Float64Array | None]
    tau_m: list[Float64Array]  #: (n,) by every neuron's, 1/ms
    tau_s: list[Float64Array]


Matrices = Sequence[Float64Array | None] | None


def forward(
    weights: Sequence[Float64Array],
    times: Float64Array,
    neurons: NDArray[np.integer[Any]],
    p: Any,
    end: float,
    spiking_output: bool = True,
    recurrent: Matrices = None,
    mean: MeanVoltageLoss | None = None,
    *,
    delays: Matrices = None,
    recurrent_delays: Matrices = None,
    read: Sequence[float] = (),
) -> Run:
    """Run one sample.

    Parameters
    ----------
    weights : sequence of (pre, post)
        One matrix per layer.
    times, neurons : (spikes,)
        Input spikes, ms.
    p : NeuronParameters, or sequence
        As `EventPropEngine` takes them: for all, or per layer, or per neuron.
    end : float
        Length of the trial, ms.
    spiking_output : bool
        False: the last layer only integrates.
    recurrent : sequence of (n, n) or None, optional
        Weights within each layer.
    mean : MeanVoltageLoss, optional
        Which mean of the output's voltages to take; the flat one if there is none.
    delays, recurrent_delays : sequence of (pre, post) or (pre,) or None, optional
        Of both, ms.
    read : sequence of float
        When to read voltages of a non-spiking output layer, ms.
    """
    fading = 0.0 if mean is None else mean.fading
    n_layers = len(weights)
    times, neurons = np.asarray(times, dtype=np.float64), np.asarray(neurons)
    loops, late, late_loops = (_by_layer(matrices, n_layers) for matrices in (recurrent, delays, recurrent_delays))
    layers = check_neurons(p, [w.shape[1] for w in weights])
    V = [np.zeros(w.shape[1]) for w in weights]
    I = [np.zeros(w.shape[1]) for w in weights]  # noqa: E741 - the paper's symbol
    spiking = [True] * (n_layers - 1) + [spiking_output]
    pending = sorted(zip(times.tolist(), neurons.tolist(), strict=True), key=lambda event: event[0])
    arrivals: list[tuple[float, int, Arrival]] = []  # a heap; of arrivals at the same time the first that was sent
    events: list[Spike | Arrival] = []
    states = [([v.copy() for v in V], [i.copy() for i in I])]
    peaks, peak_times, peak_slopes = (np.zeros(weights[-1].shape[1]) for _ in range(3))
    integrals, readings = np.zeros(len(peaks)), np.zeros((len(read), len(peaks)))
    peak_places, peak_spikes = np.zeros(len(peaks), np.int64), np.full(len(peaks), -1)
    sent = 0

    def send(layer: int, neuron: int, w: Float64Array, delay: Float64Array | None, loop: bool) -> None:
        nonlocal sent
        if delay is None:
            I[layer] = I[layer] + w[neuron]
            return
        for n, d in enumerate(np.broadcast_to(delay[neuron], w.shape[1]).tolist()):
            heapq.heappush(arrivals, (now + d, sent, Arrival(now + d, len(events) - 1, layer, n, loop)))
            sent += 1

    now = 0.0
    while True:
        # The earliest crossing of any neuron, at what comes next at the latest.
        arrives = bool(arrivals) and arrivals[0][0] <= min(pending[0][0] if pending else end, end)
        until, crossing = arrivals[0][0] if arrives else min(pending[0][0], end) if pending else end, (-1, -1)
        for layer in range(n_layers):
            for n, (v, i) in enumerate(_states(V[layer], I[layer])) if spiking[layer] else ():
                q = _of(layers[layer], n)
                h = _first_crossing(v, i, until - now, q)
                t = until if h == until - now else min(now + h, until)
                if h < np.inf and (t < until or layer > crossing[0]):
                    until, crossing = t, (layer, n)
        layer, n = crossing
        arrives = arrives and layer < 0
        to_come = layer >= 0 or arrives or (bool(pending) and pending[0][0] <= end)
        if not spiking_output:
            integral = _each(faded_integral, layers[-1], (V[-1], I[-1]), until - now, fading)
            integrals += math.exp(-fading * now) * integral
            for m, t in enumerate(read):
                if now < t <= until:
                    readings[m] = _each(membrane, layers[-1], (V[-1], I[-1]), t - now)
            for k, (v, i) in enumerate(_states(V[-1], I[-1])):
                if i <= v:
                    continue  # it falls: it was higher before
                q = _of(layers[-1], k)
                h = _peak(v, i, until - now, q)
                top, slope = membrane(v, i, h, q), _slope(v, i, h, q)
                rising = h == until - now
                # Rising, it is behind the last event at this time that has left it so.
                if top > peaks[k] or (rising and top == peaks[k]):
                    if arrives:
                        reached = (arrivals[0][2].layer, arrivals[0][2].neuron) == (n_layers - 1, k)
                    else:
                        reached = layer == n_layers - 2 and late[-1] is None
                    ended = rising and to_come and reached
                    peaks[k], peak_times[k], peak_places[k] = top, now + h, len(events)
                    peak_spikes[k], peak_slopes[k] = (len(events), slope / q.tau_m) if ended else (-1, 0.0)
        for k, own in enumerate(layers):
            V[k] = _each(membrane, own, (V[k], I[k]), until - now)
            I[k] = _each(current, own, (I[k],), until - now)
        now = until
        if layer >= 0:
            events.append(Spike(now, layer, n, float(I[layer][n])))
            V[layer][n] = 0.0
            if layer + 1 < n_layers:
                send(layer + 1, n, weights[layer + 1], late[layer + 1], False)
            loop = loops[layer]
            if loop is not None:
                send(layer, n, loop, late_loops[layer], True)
        elif arrives:
            arrival = heapq.heappop(arrivals)[2]
            source = events[arrival.event]
            assert isinstance(source, Spike)
            events.append(arrival)
            w = loops[arrival.layer] if arrival.loop else weights[arrival.layer]
            assert w is not None
            I[arrival.layer] = I[arrival.layer].copy()
            I[arrival.layer][arrival.neuron] += w[source.neuron, arrival.neuron]
        elif to_come:
            _, i = pending.pop(0)
            events.append(Spike(now, -1, i))
            send(0, i, weights[0], late[0], False)
        else:
            break
        states.append(([v.copy() for v in V], [i.copy() for i in I]))
    first = np.full(len(peaks), np.inf)
    for event in reversed(events):
        if isinstance(event, Spike) and event.layer == n_layers - 1:
            first[event.neuron] = event.time
    means = integrals / _weight_of_all_times(fading, end)
    return Run(events, states, peaks, peak_times, peak_places, peak_spikes, peak_slopes, end, first, means, readings)


def gradient(
    weights: Sequence[Float64Array],
    run: Run,
    p: Any,
    loss: Loss,
    label: Any,
    recurrent: Matrices = None,
    sent: list[AdjointSpike] | None = None,
    floor: float = 1e-9,
    *,
    delays: Matrices = None,
    recurrent_delays: Matrices = None,
) -> Gradients:
    """Exact gradient of the loss by all that a sample which was run forward depends on.

    `label` is the class, or of a `VoltageErrorLoss` the targets (readings, classes); of the run it takes the voltages
    that were `read`. `sent` gets the adjoint spikes, latest spike first; `floor` bounds I - theta at a spike, as in the
    engine.

    By delays: the sum over arrivals of w (lV - lI), dL/dt of the arrival. By time constants: what they change in the
    flow between two events, which changes V and I at its end (`equations.flow_by_constants`), with dL/dV = -tau_m lV
    and dL/dI = -tau_s lI.
    """
    n_layers = len(weights)
    loops, late, late_loops = (_by_layer(matrices, n_layers) for matrices in (recurrent, delays, recurrent_delays))
    layers = check_neurons(p, [w.shape[1] for w in weights])
    tau_m, tau_s = ([np.array([getattr(_of(own, n), name) for n in range(w.shape[1])])
                     for own, w in zip(layers, weights, strict=True)] for name in ("tau_m", "tau_s"))  # fmt: skip
    by = Gradients(
        [np.zeros_like(w) for w in weights], _zeros(loops), _zeros(late), _zeros(late_loops),
        [np.zeros_like(values) for values in tau_m], [np.zeros_like(values) for values in tau_s],
    )  # fmt: skip
    lV = [np.zeros(w.shape[1]) for w in weights]
    lI = [np.zeros(w.shape[1]) for w in weights]
    by_times = loss.by_times(run.first, label) if isinstance(loss, TTFSLoss) else np.zeros(weights[-1].shape[1])
    # Events, and between them impulses, as they were forward in time: (twice the place, time, index of the event or of
    # the impulse); of an event, twice its index and one. An impulse is what lV of the output layer gets, all at once:
    # at every neuron's maximum, or at a reading.
    steps = [(2 * k + 1, e.time, k) for k, e in enumerate(run.events)]
    firsts = {
        e.neuron: k for k, e in reversed(list(enumerate(run.events)))
        if isinstance(e, Spike) and e.layer == n_layers - 1
    }  # fmt: skip
    impulses = np.zeros((0, weights[-1].shape[1]))
    explicit = np.zeros(len(run.events))  # dl_p/dt_k, and what arrivals send back
    if isinstance(loss, MaxVoltageLoss):
        by_peaks = loss.by_peaks(run.peaks, label)
        impulses = np.diag(-by_peaks / tau_m[-1])
        steps += [(2 * int(run.peak_places[n]), float(t), n) for n, t in enumerate(run.peak_times)]
        for n in np.flatnonzero(run.peak_spikes >= 0):
            explicit[run.peak_spikes[n]] += by_peaks[n] * run.peak_slopes[n]
    if isinstance(loss, VoltageErrorLoss):
        impulses = -loss.by_voltages(run.readings, np.asarray(label)) / tau_m[-1]
        # A spike at the very time comes after the reading.
        steps += [(2 * sum(e.time < t for e in run.events), t, m) for m, t in enumerate(loss.times)]
    fading, by_means = 0.0, np.zeros(weights[-1].shape[1])
    if isinstance(loss, MeanVoltageLoss):
        fading = loss.fading
        by_means = loss.by_means(run.means, label) / _weight_of_all_times(fading, run.end)
    now = run.end
    for place, time, k in sorted(steps, reverse=True):
        h = now - time
        V, I = _state_at(run, layers, place // 2 - (place % 2 == 0), time)  # noqa: E741 - the paper's symbol
        for own, v, i, lv, li, tau, by_m, by_s in zip(
            layers, V, I, lV, lI, zip(tau_m, tau_s, strict=True), by.tau_m, by.tau_s, strict=True
        ):
            of_m, of_s, of_i = _each(flow_by_constants, own, (v, i), h)
            by_m -= tau[0] * lv * of_m
            by_s -= tau[0] * lv * of_s + tau[1] * li * of_i
            li[...] = _each(adjoint_current, own, (lv, li), h)
            lv[...] = _each(adjoint_voltage, own, (lv,), h)
        if by_means.any():
            scale = by_means * math.exp(-fading * time)
            of_m, of_s = _each(faded_integral_by_constants, layers[-1], (V[-1], I[-1]), h, fading)
            by.tau_m[-1] += scale * of_m
            by.tau_s[-1] += scale * of_s
            from_mean = [adjoint_of_mean(now, h, fading, _of(layers[-1], n)) for n in range(len(by_means))]
            lV[-1] += by_means * [lv for lv, _ in from_mean]
            lI[-1] += by_means * [li for _, li in from_mean]
        now = time
        if place % 2 == 0:
            lV[-1] += impulses[k]
            continue
        event = run.events[k]
        layer, n, error = event.layer, event.neuron, float(explicit[k])
        if isinstance(event, Arrival):
            source = run.events[event.event]
            assert isinstance(source, Spike)
            kinds = (loops, by.loops, by.loop_delays) if event.loop else (weights, by.weights, by.delays)
            w, by_w, by_d = (_there(matrices[layer]) for matrices in kinds)
            by_w[source.neuron, n] -= tau_s[layer][n] * lI[layer][n]
            error += float(w[source.neuron, n] * (lV[layer][n] - lI[layer][n]))
            by_d[(source.neuron, n)[: by_d.ndim]] += error
            explicit[event.event] += error
            continue
        for to, matrix, by_matrix, delay in (
            (layer + 1, weights, by.weights, late), (layer, loops, by.loops, late_loops),
        ):  # fmt: skip
            if 0 <= to < n_layers and matrix[to] is not None and delay[to] is None:
                _there(by_matrix[to])[n] -= tau_s[to] * lI[to]
                error += float(_there(matrix[to])[n] @ (lV[to] - lI[to]))
        if layer == n_layers - 1 and firsts[n] == k:
            error += by_times[n]
        if sent is not None:
            sent.append(AdjointSpike(time, layer, n, error))
        if layer >= 0:
            lV[layer][n] = adjoint_jump(lV[layer][n], error, event.current, _of(layers[layer], n), floor)
    return by


def _by_layer(matrices: Matrices, n_layers: int) -> list[Float64Array | None]:
    return [None if m is None or not m.size else m for m in matrices or [None] * n_layers]


def _of(layer: LayerNeurons, n: int) -> NeuronParameters:
    return layer if isinstance(layer, NeuronParameters) else layer[n]


def _each(f: Callable[..., Any], layer: LayerNeurons, arrays: tuple[Float64Array, ...], *numbers: float) -> Any:
    """f of arrays with an entry per neuron, of numbers, and of the neurons' parameters."""
    if isinstance(layer, NeuronParameters):
        return np.asarray(f(*arrays, *numbers, layer))
    found = [f(*(a[n] for a in arrays), *numbers, q) for n, q in enumerate(layer)]
    return np.stack(found, axis=-1)


def _zeros(matrices: Sequence[Float64Array | None]) -> list[Float64Array | None]:
    return [None if m is None else np.zeros_like(m) for m in matrices]


def _there(matrix: Float64Array | None) -> Float64Array:
    assert matrix is not None
    return matrix


def _state_at(
    run: Run, layers: Sequence[LayerNeurons], k: int, time: float
) -> tuple[list[Float64Array], list[Float64Array]]:
    """V and I of all layers at a time behind event k (-1: the beginning), if nothing else happens."""
    V, I = run.states[k + 1]  # noqa: E741 - the paper's symbol
    h = time - (run.events[k].time if k >= 0 else 0.0)
    return (
        [_each(membrane, own, (v, i), h) for own, v, i in zip(layers, V, I, strict=True)],
        [_each(current, own, (i,), h) for own, i in zip(layers, I, strict=True)],
    )


def _weight_of_all_times(fading: float, end: float) -> float:
    """Integral of exp(-fading t) over a trial, ms."""
    return end if fading == 0 else -math.expm1(-fading * end) / fading


def _states(V: Float64Array, I: Float64Array) -> Iterator[tuple[float, float]]:  # noqa: E741 - the paper's symbol
    """Each neuron's V and I, as Python's numbers: NumPy's are slow one by one."""
    return zip(V.tolist(), I.tolist(), strict=True)


def _first_crossing(v: float, i: float, h: float, p: NeuronParameters) -> float:
    """Time until V first reaches theta, or inf if it does not within h."""
    if i <= p.theta:
        return np.inf  # V follows I, which only falls: it cannot rise through theta
    if v >= p.theta:
        return 0.0  # but for rounding, it is there
    top = _peak(v, i, h, p)
    highest = membrane(v, i, top, p)
    if highest < p.theta:
        return h if top == h and highest >= p.theta * AT_THRESHOLD else np.inf
    return _root(lambda t: membrane(v, i, t, p) - p.theta, top)


def _peak(v: float, i: float, h: float, p: NeuronParameters) -> float:
    """Time of the largest V in 0 .. h, of one that rises at 0: where V = I, or h."""
    # After a time that is long for both time constants V and I are 0, and where it was is found nearer by.
    while h > 0 and membrane(v, i, h, p) == current(i, h, p) == 0:
        h /= 2
    return h if _slope(v, i, h, p) >= 0 else _root(lambda t: _slope(v, i, t, p), h)


def _slope(v: float, i: float, h: float, p: NeuronParameters) -> float:
    """tau_m dV/dt after h."""
    return float(current(i, h, p) - membrane(v, i, h, p))


def _root(of: Callable[[float], float], high: float) -> float:
    """Where a function that changes its sign between 0 and `high` is 0."""
    return float(brentq(of, 0.0, high, xtol=1e-300, rtol=8.9e-16, maxiter=1000))
