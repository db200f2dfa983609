"""The oracle of EventProp: every event in the order of time, every equation as it stands; slow and obvious.

One sample at a time, any number of layers, optionally recurrent within a layer.
Events of all neurons are processed in one list, forward and then backward; nothing is
fused or reordered as in the engine.

Of events at the same time (but for rounding, see `equations.AT_THRESHOLD`) spikes of neurons
come before input spikes, and those of later layers before those of earlier ones: what reaches
a neuron at the time of its spike finds it reset. Within a layer they come in the order of
neurons, and input spikes in the order given. Backward it is the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
    membrane,
)
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss


@dataclass(frozen=True)
class Spike:
    """A spike of neuron `neuron` of layer `layer` (-1: the input) at `time` ms, with its synaptic current."""

    time: float
    layer: int
    neuron: int
    current: float = 0.0


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
    spikes : list of Spike
        Of the input and all layers, in the order of time.
    peaks, peak_times : (classes,)
        Largest voltages of a non-spiking output layer, and when.
    peak_places : (classes,)
        How many spikes there were before the maximum.
    peak_spikes : (classes,)
        Where a spike ends the rise (its weight is negative), so that the maximum moves with
        it: that spike's index, else -1; `peak_slopes` is dV/dt just before it, 1/ms.
    first : (classes,)
        First spikes of a spiking output layer, ms; inf for a silent output.
    means : (classes,)
        Mean voltages of a non-spiking output layer, as the loss that was asked for weights them.
    """

    spikes: list[Spike]
    peaks: Float64Array
    peak_times: Float64Array
    peak_places: NDArray[np.int64]
    peak_spikes: NDArray[np.int64]
    peak_slopes: Float64Array
    end: float
    first: Float64Array
    means: Float64Array


def forward(
    weights: Sequence[Float64Array],
    times: Float64Array,
    neurons: NDArray[np.integer[Any]],
    p: NeuronParameters,
    end: float,
    spiking_output: bool = True,
    recurrent: Sequence[Float64Array | None] | None = None,
    mean: MeanVoltageLoss | None = None,
) -> Run:
    """Run one sample.

    Parameters
    ----------
    weights : sequence of (pre, post)
        One matrix per layer.
    times, neurons : (spikes,)
        Input spikes, ms.
    end : float
        Length of the trial, ms.
    spiking_output : bool
        False: the last layer only integrates.
    recurrent : sequence of (n, n) or None, optional
        Weights within each layer.
    mean : MeanVoltageLoss, optional
        Which mean of the output's voltages to take; the flat one if there is none.
    """
    fading = 0.0 if mean is None else mean.fading
    n_layers = len(weights)
    times, neurons = np.asarray(times, dtype=np.float64), np.asarray(neurons)
    loops = recurrent or [None] * n_layers
    V = [np.zeros(w.shape[1]) for w in weights]
    I = [np.zeros(w.shape[1]) for w in weights]  # noqa: E741 - the paper's symbol
    spiking = [True] * (n_layers - 1) + [spiking_output]
    pending = sorted(zip(times.tolist(), neurons.tolist(), strict=True), key=lambda event: event[0])
    spikes: list[Spike] = []
    peaks, peak_times, peak_slopes = (np.zeros(weights[-1].shape[1]) for _ in range(3))
    integrals = np.zeros(len(peaks))
    peak_places, peak_spikes = np.zeros(len(peaks), np.int64), np.full(len(peaks), -1)
    now = 0.0
    while True:
        # The earliest crossing of any neuron, at the next input spike at the latest.
        until, crossing = min(pending[0][0], end) if pending else end, (-1, -1)
        for layer in range(n_layers):
            for n, (v, i) in enumerate(_states(V[layer], I[layer])) if spiking[layer] else ():
                h = _first_crossing(v, i, until - now, p)
                t = until if h == until - now else min(now + h, until)
                if h < np.inf and (t < until or layer > crossing[0]):
                    until, crossing = t, (layer, n)
        layer, n = crossing
        to_come = layer >= 0 or (bool(pending) and pending[0][0] <= end)
        if not spiking_output:
            integrals += math.exp(-fading * now) * faded_integral(V[-1], I[-1], until - now, fading, p)
            for k, (v, i) in enumerate(_states(V[-1], I[-1])):
                if i <= v:
                    continue  # it falls: it was higher before
                h = _peak(v, i, until - now, p)
                top, slope = membrane(v, i, h, p), _slope(v, i, h, p)
                rising = h == until - now
                # Rising, it is behind the last spike at this time that has left it so.
                if top > peaks[k] or (rising and top == peaks[k]):
                    ended = rising and to_come and layer == n_layers - 2
                    peaks[k], peak_times[k], peak_places[k] = top, now + h, len(spikes)
                    peak_spikes[k], peak_slopes[k] = (len(spikes), slope / p.tau_m) if ended else (-1, 0.0)
        for k in range(n_layers):
            V[k] = membrane(V[k], I[k], until - now, p)
            I[k] = current(I[k], until - now, p)
        now = until
        if layer >= 0:
            spikes.append(Spike(now, layer, n, float(I[layer][n])))
            V[layer][n] = 0.0
            if layer + 1 < n_layers:
                I[layer + 1] = I[layer + 1] + weights[layer + 1][n]
            loop = loops[layer]
            if loop is not None:
                I[layer] = I[layer] + loop[n]
        elif to_come:
            _, i = pending.pop(0)
            spikes.append(Spike(now, -1, i))
            I[0] = I[0] + weights[0][i]
        else:
            break
    first = np.full(len(peaks), np.inf)
    for spike in reversed(spikes):
        if spike.layer == n_layers - 1:
            first[spike.neuron] = spike.time
    means = integrals / _weight_of_all_times(fading, end)
    return Run(spikes, peaks, peak_times, peak_places, peak_spikes, peak_slopes, end, first, means)


def gradient(
    weights: Sequence[Float64Array],
    run: Run,
    p: NeuronParameters,
    loss: Loss,
    label: int,
    recurrent: Sequence[Float64Array | None] | None = None,
    sent: list[AdjointSpike] | None = None,
    floor: float = 1e-9,
) -> tuple[list[Float64Array], list[Float64Array | None]]:
    """Exact gradient of the loss by all weights (and recurrent weights) for a sample that was run forward.

    `sent` gets the adjoint spikes, latest spike first; `floor` bounds I - theta at a spike, as in the engine.
    """
    n_layers = len(weights)
    loops = recurrent or [None] * n_layers
    by_weights = [np.zeros_like(w) for w in weights]
    by_loops = [None if w is None else np.zeros_like(w) for w in loops]
    lV = [np.zeros(w.shape[1]) for w in weights]
    lI = [np.zeros(w.shape[1]) for w in weights]
    by_times = loss.by_times(run.first, label) if isinstance(loss, TTFSLoss) else np.zeros(weights[-1].shape[1])
    # Spikes, and between them the maxima of a non-spiking output layer, as impulses, as they were forward in time:
    # (twice the place, time, index of the spike or of the output); of a spike, twice its index and one.
    events = [(2 * k + 1, s.time, k) for k, s in enumerate(run.spikes)]
    firsts = {s.neuron: k for k, s in reversed(list(enumerate(run.spikes))) if s.layer == n_layers - 1}
    impulses = np.zeros(weights[-1].shape[1])
    explicit = np.zeros(len(run.spikes))  # dl_p/dt_k
    if isinstance(loss, MaxVoltageLoss):
        by_peaks = loss.by_peaks(run.peaks, label)
        impulses = -by_peaks / p.tau_m
        events += [(2 * int(run.peak_places[n]), float(t), n) for n, t in enumerate(run.peak_times)]
        for n in np.flatnonzero(run.peak_spikes >= 0):
            explicit[run.peak_spikes[n]] += by_peaks[n] * run.peak_slopes[n]
    fading, by_means = 0.0, np.zeros(len(impulses))
    if isinstance(loss, MeanVoltageLoss):
        fading = loss.fading
        by_means = loss.by_means(run.means, label) / _weight_of_all_times(fading, run.end)
    now = run.end
    for place, time, k in sorted(events, reverse=True):
        for layer in range(n_layers):
            lI[layer] = adjoint_current(lV[layer], lI[layer], now - time, p)
            lV[layer] = adjoint_voltage(lV[layer], now - time, p)
        lv, li = adjoint_of_mean(now, now - time, fading, p)
        lV[-1] += by_means * lv
        lI[-1] += by_means * li
        now = time
        if place % 2 == 0:
            lV[-1][k] += impulses[k]
            continue
        spike = run.spikes[k]
        layer, n = spike.layer, spike.neuron
        error = float(explicit[k])
        if layer + 1 < n_layers:
            by_weights[layer + 1][n] -= p.tau_s * lI[layer + 1]
            error += float(weights[layer + 1][n] @ (lV[layer + 1] - lI[layer + 1]))
        if layer < 0:
            if sent is not None:
                sent.append(AdjointSpike(time, layer, n, error))
            continue
        loop, by_loop = loops[layer], by_loops[layer]
        if loop is not None and by_loop is not None:
            by_loop[n] -= p.tau_s * lI[layer]
            error += float(loop[n] @ (lV[layer] - lI[layer]))
        if layer == n_layers - 1 and firsts[n] == k:
            error += by_times[n]
        if sent is not None:
            sent.append(AdjointSpike(time, layer, n, error))
        lV[layer][n] = adjoint_jump(lV[layer][n], error, spike.current, p, floor)
    return by_weights, by_loops


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
