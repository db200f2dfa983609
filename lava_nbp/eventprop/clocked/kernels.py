"""The compiled kernels of the clocked engine: one layer of one sample, step by step, in integers.

The arithmetic is that of `lava_nbp.eventprop.clocked.arithmetic`, written out once more for the compiler; tests prove
the two equal in every step. A layer is run through all its steps before the next: spikes only go forward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Coefficients(NamedTuple):
    """What the kernels need of a `FixedPoint`."""

    steps: int
    alpha: int
    beta: int
    gamma: int
    gamma_back: int
    bits: int
    theta: int
    theta_bits: int
    floor: int
    slope: int  #: tau_m / dt
    slope_bits: int
    limit: int  #: of a register


class Trace(NamedTuple):
    """What a layer keeps of a sample: its spikes, with one value each, and the state at hand."""

    V: NDArray[np.int64]  #: (n,)
    V_before: NDArray[np.int64]  #: (n,) at the beginning of the step
    I: NDArray[np.int64]  # noqa: E741 - the paper's symbol
    lV: NDArray[np.int64]
    lI: NDArray[np.int64]
    step: NDArray[np.int64]  #: (spikes,) in the order of time
    neuron: NDArray[np.int64]
    rise: NDArray[np.int64]
    error: NDArray[np.int64]  #: (spikes,) that reaches each spike from behind
    peak: NDArray[np.int64]  #: (n,) largest V, of neurons that do not spike
    peak_step: NDArray[np.int64]  #: (n,) its step, or -1
    impulse: NDArray[np.int64]  #: (n,) on lV at that step


#: Results of `forward` instead of a number of spikes.
TOO_MANY_SPIKES, OVERFLOW = -1, -2


@njit(cache=True, nogil=True)
def forward(  # type: ignore[no-untyped-def]
    c, tr, w, event_step, event_source, n_events, spiking, peaks, record, V_seen, I_seen,
):  # fmt: skip
    """Run a layer; the number of spikes, or what went wrong.

    `peaks`: largest voltages matter (of an output layer). `record`: rows of V_seen and I_seen get V and I at the end
    of every step.
    """
    V, I, V_before = tr.V, tr.I, tr.V_before  # noqa: E741
    V[:] = 0
    I[:] = 0
    tr.peak[:] = 0
    tr.peak_step[:] = -1
    n = V.shape[0]
    half, half_slope = 1 << (c.bits - 1), 1 << (c.slope_bits - 1)
    count, e = 0, 0
    start = event_step[0] if n_events > 0 else c.steps
    if record:
        start = 0
    for k in range(start, c.steps):
        arrived = False
        while e < n_events and event_step[e] == k:
            row = w[event_source[e]]
            for j in range(n):
                I[j] += row[j]
            e += 1
            arrived = True
        if arrived:
            largest = 0
            for j in range(n):
                largest = max(largest, abs(I[j]))
            if largest > c.limit:
                return OVERFLOW
        crossed = False
        for j in range(n):
            V_before[j] = V[j]
            v = (c.alpha * V[j] + c.gamma * I[j] + half) >> c.bits
            V[j] = v
            I[j] = (c.beta * I[j] + half) >> c.bits
            crossed |= v >= c.theta
        if spiking and crossed:
            for j in range(n):
                if V[j] >= c.theta:
                    if count == tr.step.shape[0]:
                        return TOO_MANY_SPIKES
                    tr.step[count] = k
                    tr.neuron[count] = j
                    risen = ((V[j] - V_before[j]) * c.slope + half_slope) >> c.slope_bits
                    tr.rise[count] = min(max(risen, -c.limit), c.limit)
                    count += 1
                    V[j] = 0
        if peaks:
            for j in range(n):
                if V[j] > tr.peak[j]:
                    tr.peak[j] = V[j]
                    tr.peak_step[j] = k
        if record:
            V_seen[k] = V
            I_seen[k] = I
        elif e == n_events and _is_over(V, I, tr.peak, c.theta, peaks):
            break
    return count


@njit(cache=True, nogil=True)
def _is_over(V, I, peak, theta, peaks):  # type: ignore[no-untyped-def]  # noqa: E741
    """Whether nothing can happen any more without input: V stays below the larger of V and I, and I falls."""
    for j in range(V.shape[0]):  # noqa: SIM110 - as the compiler likes it
        if I[j] > theta or (peaks and max(V[j], I[j]) > peak[j]):
            return False
    return True


@njit(cache=True, nogil=True)
def backward(  # type: ignore[no-untyped-def]
    c, tr, w, G, event_step, event_source, n_events, n_spikes, back, back_error, counters, record, lV_seen, lI_seen,
):  # fmt: skip
    """Adjoint pass of a layer: G -= lI; `back_error` gets the error of every input spike if `back`.

    counters: denominators at the floor, adjoint variables that were saturated.
    """
    lV, lI = tr.lV, tr.lI
    lV[:] = 0
    lI[:] = 0
    n = lV.shape[0]
    half = 1 << (c.bits - 1)
    half_theta = 1 << (c.theta_bits - 1)
    s, e = n_spikes - 1, n_events - 1
    while e >= 0 and event_step[e] >= c.steps:  # came after the last step
        if back:
            back_error[e] = 0
        e -= 1
    start = tr.step[s] if s >= 0 else -1
    for j in range(n):
        if tr.impulse[j] != 0:
            start = max(start, tr.peak_step[j])
    if record:
        start = c.steps - 1
    for k in range(c.steps - 1, -1, -1):
        if k <= start:
            while s >= 0 and tr.step[s] == k:
                j = tr.neuron[s]
                gap = tr.rise[s]
                if gap < c.floor:
                    gap = c.floor
                    counters[0] += 1
                v = lV[j] + ((lV[j] + tr.error[s]) << c.theta_bits) // gap
                if abs(v) > c.limit:
                    v = c.limit if v > 0 else -c.limit
                    counters[1] += 1
                lV[j] = v
                s -= 1
            for j in range(n):
                if tr.impulse[j] != 0 and tr.peak_step[j] == k:
                    lV[j] += tr.impulse[j]
            outside = 0
            for j in range(n):
                i = (c.beta * lI[j] + c.gamma_back * lV[j] + half) >> c.bits
                outside += abs(i) > c.limit
                lI[j] = min(max(i, -c.limit), c.limit)
                lV[j] = (c.alpha * lV[j] + half) >> c.bits
            counters[1] += outside
        while e >= 0 and event_step[e] == k:
            row, g = w[event_source[e]], G[event_source[e]]
            total = 0
            for j in range(n):
                g[j] -= lI[j]
                total += row[j] * min(max(lV[j] - lI[j], -c.limit), c.limit)
            if back:
                total = (total + half_theta) >> c.theta_bits
                if abs(total) > c.limit:
                    total = c.limit if total > 0 else -c.limit
                    counters[1] += 1
                back_error[e] = total
            e -= 1
        if record:
            lV_seen[k] = lV
            lI_seen[k] = lI
