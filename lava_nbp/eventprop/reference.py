"""The oracle of EventProp: every event in the order of time, every equation as it stands; slow and obvious.

One sample at a time, any number of layers, optionally recurrent within a layer.
Events of all neurons are processed in one list, forward and then backward; nothing is
fused or reordered as in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from lava_nbp.eventprop.equations import (
    Float64Array,
    NeuronParameters,
    adjoint_current,
    adjoint_jump,
    adjoint_voltage,
    current,
    membrane,
)
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, TTFSLoss


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
    peak_spikes : (classes,)
        Where a spike ends the rise (its weight is negative), so that the maximum moves with
        it: that spike's index, else -1; `peak_slopes` is dV/dt just before it, 1/ms.
    first : (classes,)
        First spikes of a spiking output layer, ms; inf for a silent output.
    """

    spikes: list[Spike]
    peaks: Float64Array
    peak_times: Float64Array
    peak_spikes: NDArray[np.int64]
    peak_slopes: Float64Array
    end: float
    first: Float64Array


def forward(
    weights: Sequence[Float64Array],
    times: Float64Array,
    neurons: NDArray[np.integer[Any]],
    p: NeuronParameters,
    end: float,
    spiking_output: bool = True,
    recurrent: Sequence[Float64Array | None] | None = None,
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
    """
    n_layers = len(weights)
    loops = recurrent or [None] * n_layers
    V = [np.zeros(w.shape[1]) for w in weights]
    I = [np.zeros(w.shape[1]) for w in weights]  # noqa: E741 - the paper's symbol
    spiking = [True] * (n_layers - 1) + [spiking_output]
    pending = sorted(zip(times.tolist(), neurons.tolist(), strict=True))
    spikes: list[Spike] = []
    peaks, peak_times, peak_slopes = (np.zeros(weights[-1].shape[1]) for _ in range(3))
    peak_spikes = np.full(len(peaks), -1)
    now = 0.0
    while True:
        horizon = min(pending[0][0], end) if pending else end
        # The earliest crossing of any neuron before the next input spike.
        crossing = (horizon, -1, -1)
        for layer in range(n_layers):
            for n, (v, i) in enumerate(_states(V[layer], I[layer])) if spiking[layer] else ():
                t = now + _first_crossing(v, i, horizon - now, p)
                if t < crossing[0]:
                    crossing = (t, layer, n)
        if not spiking_output:
            for n, (v, i) in enumerate(_states(V[-1], I[-1])):
                h = _peak(v, i, crossing[0] - now, p)
                v = membrane(v, i, h, p)
                if v > peaks[n]:
                    peaks[n], peak_times[n] = v, now + h
                    peak_slopes[n] = (current(i, h, p) - v) / p.tau_m
                    ended = h == crossing[0] - now and crossing[1] >= 0
                    peak_spikes[n] = len(spikes) if ended else -1
        h, now = crossing[0] - now, crossing[0]
        for layer in range(n_layers):
            V[layer] = membrane(V[layer], I[layer], h, p)
            I[layer] = current(I[layer], h, p)
        _, layer, n = crossing
        if layer >= 0:
            spikes.append(Spike(now, layer, n, float(I[layer][n])))
            V[layer][n] = 0.0
            if layer + 1 < n_layers:
                I[layer + 1] = I[layer + 1] + weights[layer + 1][n]
            loop = loops[layer]
            if loop is not None:
                I[layer] = I[layer] + loop[n]
        elif pending and pending[0][0] <= end:
            _, i = pending.pop(0)
            spikes.append(Spike(now, -1, i))
            I[0] = I[0] + weights[0][i]
        else:
            break
    first = np.full(len(peaks), np.inf)
    for spike in reversed(spikes):
        if spike.layer == n_layers - 1:
            first[spike.neuron] = spike.time
    return Run(spikes, peaks, peak_times, peak_spikes, peak_slopes, end, first)


def gradient(
    weights: Sequence[Float64Array],
    run: Run,
    p: NeuronParameters,
    loss: Loss,
    label: int,
    recurrent: Sequence[Float64Array | None] | None = None,
    sent: list[AdjointSpike] | None = None,
) -> tuple[list[Float64Array], list[Float64Array | None]]:
    """Exact gradient of the loss by all weights (and recurrent weights) for a sample that was run forward.

    `sent` gets the adjoint spikes, latest spike first.
    """
    n_layers = len(weights)
    loops = recurrent or [None] * n_layers
    by_weights = [np.zeros_like(w) for w in weights]
    by_loops = [None if w is None else np.zeros_like(w) for w in loops]
    lV = [np.zeros(w.shape[1]) for w in weights]
    lI = [np.zeros(w.shape[1]) for w in weights]
    by_times = loss.by_times(run.first, label) if isinstance(loss, TTFSLoss) else np.zeros(weights[-1].shape[1])
    # Events, latest first: spikes, and the maxima of a non-spiking output layer (as impulses).
    # (time, whether it is a maximum, index of the spike or of the output)
    events = [(s.time, False, k) for k, s in enumerate(run.spikes)]
    impulses = np.zeros(weights[-1].shape[1])
    explicit = np.zeros(len(run.spikes))  # dl_p/dt_k
    if isinstance(loss, MaxVoltageLoss):
        by_peaks = loss.by_peaks(run.peaks, label)
        impulses = -by_peaks / p.tau_m
        events += [(float(t), True, n) for n, t in enumerate(run.peak_times)]
        for n in np.flatnonzero(run.peak_spikes >= 0):
            explicit[run.peak_spikes[n]] += by_peaks[n] * run.peak_slopes[n]
    now = run.end
    # A maximum at the very time of a spike lies before the spike's jump of the current: it comes later here.
    for time, is_maximum, k in sorted(events, key=lambda e: (-e[0], e[1])):
        for layer in range(n_layers):
            lI[layer] = adjoint_current(lV[layer], lI[layer], now - time, p)
            lV[layer] = adjoint_voltage(lV[layer], now - time, p)
        now = time
        if is_maximum:
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
        if layer == n_layers - 1 and time == run.first[n]:
            error += by_times[n]
        if sent is not None:
            sent.append(AdjointSpike(time, layer, n, error))
        lV[layer][n] = adjoint_jump(lV[layer][n], error, spike.current, p)
    return by_weights, by_loops


def _states(V: Float64Array, I: Float64Array) -> Iterator[tuple[float, float]]:  # noqa: E741 - the paper's symbol
    """Each neuron's V and I, as Python's numbers: NumPy's are slow one by one."""
    return zip(V.tolist(), I.tolist(), strict=True)


def _first_crossing(v: float, i: float, h: float, p: NeuronParameters) -> float:
    """Time until V first reaches theta, or inf if it does not within h."""
    if i <= p.theta:
        return np.inf  # V follows I, which only falls: it cannot rise through theta
    top = _peak(v, i, h, p)
    if membrane(v, i, top, p) <= p.theta:
        return np.inf
    return float(brentq(lambda t: membrane(v, i, t, p) - p.theta, 0.0, top, xtol=1e-14, rtol=8.9e-16))


def _peak(v: float, i: float, h: float, p: NeuronParameters) -> float:
    """Time of the largest V in 0 .. h: where V = I, or an end."""

    def slope(t: float) -> float:
        return float(current(i, t, p) - membrane(v, i, t, p))

    if slope(0.0) <= 0 or h == 0:
        return 0.0 if slope(0.0) <= 0 and v >= membrane(v, i, h, p) else h
    if slope(h) >= 0:
        return h
    return float(brentq(slope, 0.0, h, xtol=1e-14, rtol=8.9e-16))
