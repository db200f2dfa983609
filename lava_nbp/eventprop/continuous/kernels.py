"""The compiled kernels of the EventProp engine: one layer of one sample, forward and backward.

Times in ms. Between two input events of a layer its neurons do not see each other, so a
layer is run event by event, all neurons at a time; a neuron that crosses the threshold
in between is taken out and followed from spike to spike. Every segment's decays are
kept, so that the backward pass needs no exponential.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Newton steps to a crossing; they converge quadratically unless the voltage only touches the threshold.
_NEWTON = 80
#: Result of a layer whose spikes do not fit their buffer.
OVERFLOW = -1


class Constants(NamedTuple):
    """Neuron parameters, and what follows from them."""

    tau_m: float
    tau_s: float
    theta: float
    floor: float  #: lower bound of I - theta at a spike
    end: float  #: of the trial
    delta: float  #: 1 / tau_s - 1 / tau_m
    kappa: float  #: tau_s / (tau_m - tau_s), unused if the two are (nearly) equal
    nearly_equal: bool
    power: int  #: tau_m / tau_s if that is an integer of 2 or more, else 0
    reach: float  #: r kappa (theta r / (r - 1))**(r - 1) for that integer r, see `_may_cross`


class Trace(NamedTuple):
    """What a layer keeps of a sample: input events, the intervals behind them, and its spikes."""

    alpha: NDArray[np.float64]  #: (events,) exp(-h / tau_m) of the interval behind each event
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]  #: response of V to I over the interval
    from_input: NDArray[np.float64]  #: (events,) error sent back to each input event
    V: NDArray[np.float64]  #: (n,)
    I: NDArray[np.float64]  # noqa: E741 - the paper's symbol
    lV: NDArray[np.float64]
    lI: NDArray[np.float64]
    last: NDArray[np.int64]  #: (n,) last spike of each neuron, or -1
    time: NDArray[np.float64]  #: (spikes,)
    neuron: NDArray[np.int64]
    interval: NDArray[np.int64]  #: behind which input event it lies
    current: NDArray[np.float64]  #: I at the spike
    before: NDArray[np.float64]  #: (spikes, 3) decays and response since the neuron's previous event
    behind: NDArray[np.float64]  #: (spikes, 3) likewise until the next input event, of a neuron's last spike before it
    previous: NDArray[np.int64]  #: previous spike of the same neuron, or -1
    order: NDArray[np.int64]  #: spikes in the order of time
    sorted_time: NDArray[np.float64]
    sorted_neuron: NDArray[np.int64]
    error: NDArray[np.float64]  #: (spikes,) error that reaches each spike from behind, in the order of time
    event: NDArray[np.int64]  #: (events,) of a recurrent layer: input event, or -1 - spike


@njit(cache=True, nogil=True, inline="always")
def _response(h, a, b, c):  # type: ignore[no-untyped-def]
    """V after h from I = 1; a and b are the two decays."""
    if c.nearly_equal:
        x = h * c.delta
        if abs(x) < 1e-12:
            return a * h / c.tau_m
        return -a * math.expm1(-x) / (c.delta * c.tau_m)
    return c.kappa * (a - b)


@njit(cache=True, nogil=True, inline="always")
def _may_cross(v, i, v_end, i_end, c):  # type: ignore[no-untyped-def]
    """Whether V may reach theta between two ends of an interval; exact if tau_m / tau_s is an integer.

    I > theta at the beginning: V follows I, which only falls, and else could not rise through theta.
    """
    if v_end >= c.theta:
        return True
    if i_end >= v_end:  # still rising at the end
        return False
    if c.power == 0:
        return True
    # V = q x - p x**r, x = exp(-h / tau_m), r = tau_m / tau_s, is largest where q = r p x**(r - 1), and
    # is q x (1 - 1 / r) there. That is theta or more if q**r >= r p (theta r / (r - 1))**(r - 1).
    q = v + c.kappa * i
    y = q
    for _ in range(c.power - 1):
        y *= q
    return q > 0.0 and y >= c.reach * i


@njit(cache=True, nogil=True)
def _crossing(v, i, rest, c):  # type: ignore[no-untyped-def]
    """First time in (0, rest] at which V reaches theta, and the decays until then; time -1 if there is none.

    V - theta, times a positive exponential, is concave until its maximum: Newton's steps from
    the left approach the root from the left, or find that the slope has turned.
    """
    if c.power > 0:
        # In x = exp(-h / tau_m): (v + kappa i) x - kappa i x**power - theta, from x = 1 downward.
        p = c.kappa * i
        q = v + p
        x = 1.0
        for _ in range(_NEWTON):
            y = x
            for _ in range(c.power - 2):
                y *= x
            slope = q - c.power * p * y
            if slope >= 0.0:
                return -1.0, 0.0, 0.0
            step = (q * x - p * y * x - c.theta) / slope
            if step <= 1e-16 * x:
                break
            x -= step
            if x <= 0.0:
                return -1.0, 0.0, 0.0
        h = -c.tau_m * math.log(x)
        if h > rest:
            return -1.0, 0.0, 0.0
        y = x
        for _ in range(c.power - 1):
            y *= x
        return h, x, y
    h = 0.0
    for _ in range(_NEWTON):
        a, b = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
        v_now = v * a + i * _response(h, a, b, c)
        # Of (V - theta) exp(h / tau), which is concave for the longer of the two time constants.
        slope = (i * b - v_now) / c.tau_m + (v_now - c.theta) / max(c.tau_m, c.tau_s)
        if slope <= 0.0:
            return -1.0, 0.0, 0.0
        step = (c.theta - v_now) / slope
        if step <= 1e-16 * h:
            break
        h += step
        if h > rest:
            return -1.0, 0.0, 0.0
    if h > rest:
        return -1.0, 0.0, 0.0
    return h, math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)


@njit(cache=True, nogil=True)
def _begin(c, tr, times, n_events):  # type: ignore[no-untyped-def]
    """Decays of the intervals behind all events, and the state of rest."""
    for e in range(n_events):
        h = (times[e + 1] if e + 1 < n_events else c.end) - times[e]
        a = math.exp(-h / c.tau_m)
        b = math.exp(-h / c.tau_s)
        tr.alpha[e] = a
        tr.beta[e] = b
        tr.gamma[e] = _response(h, a, b, c)
    tr.V[:] = 0.0
    tr.I[:] = 0.0
    tr.last[:] = -1


@njit(cache=True, nogil=True)
def forward_spiking(c, tr, W, times, sources, n_events, only_first):  # type: ignore[no-untyped-def]
    """Run a layer of spiking neurons; the number of spikes, or OVERFLOW.

    only_first: nothing behind a neuron's first spike matters (outputs of a time-to-first-spike loss).
    """
    _begin(c, tr, times, n_events)
    n = W.shape[1]
    count = 0
    silent = n
    # Names of their own for what the inner loops use: the compiler then keeps them in registers.
    theta = c.theta
    V, I, last = tr.V, tr.I, tr.last  # noqa: E741 - the paper's symbol
    V_end = tr.lV  # free until the backward pass
    for e in range(n_events):
        row = W[sources[e]]
        a, b, g = tr.alpha[e], tr.beta[e], tr.gamma[e]
        start = count
        for j in range(n):
            I[j] += row[j]
            V_end[j] = V[j] * a + I[j] * g
        for j in range(n):
            i = I[j]
            if i > theta and _may_cross(V[j], i, V_end[j], i * b, c) and not (only_first and last[j] >= 0):
                now = times[e]
                stop = times[e + 1] if e + 1 < n_events else c.end
                a_left, b_left = a, b
                h, x, y = _crossing(V[j], i, stop - now, c)
                while h >= 0.0:
                    if count == tr.time.shape[0]:
                        return OVERFLOW
                    now += h
                    i *= y
                    a_left /= x
                    b_left /= y
                    tr.time[count] = now
                    tr.neuron[count] = j
                    tr.interval[count] = e
                    tr.current[count] = i
                    tr.before[count, 0] = x
                    tr.before[count, 1] = y
                    tr.before[count, 2] = _response(h, x, y, c)
                    tr.previous[count] = tr.last[j]
                    if tr.last[j] < 0:
                        silent -= 1
                    tr.last[j] = count
                    # Spikes of an interval in the order of time: they come nearly sorted, neuron by neuron.
                    k = count
                    while k > start and tr.time[tr.order[k - 1]] > now:
                        tr.order[k] = tr.order[k - 1]
                        k -= 1
                    tr.order[k] = count
                    g_left = _response(stop - now, a_left, b_left, c)
                    tr.behind[count, 0] = a_left
                    tr.behind[count, 1] = b_left
                    tr.behind[count, 2] = g_left
                    count += 1
                    V_end[j] = i * g_left
                    h = -1.0
                    if i > theta and not only_first and _may_cross(0.0, i, V_end[j], i * b_left, c):
                        h, x, y = _crossing(0.0, i, stop - now, c)
        for j in range(n):
            V[j] = V_end[j]
            I[j] *= b
        if only_first and silent == 0:
            break
    for k in range(count):
        tr.sorted_time[k] = tr.time[tr.order[k]]
        tr.sorted_neuron[k] = tr.neuron[tr.order[k]]
    return count


# These two are called for every event: they get the few arrays that they need, since handing over a whole
# Trace costs more than they do. The order of a sum is left to the compiler, once and for all: results do not
# change from run to run.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _add_event(lV, lI, row, gradient, tau_s):  # type: ignore[no-untyped-def]
    """Add to the gradient of an input event's row; return the error that goes back to the event."""
    back = 0.0
    for j in range(row.shape[0]):
        gradient[j] -= tau_s * lI[j]
        back += row[j] * (lV[j] - lI[j])
    return back


@njit(cache=True, nogil=True)
def _flow_back(lV, lI, a, b, g):  # type: ignore[no-untyped-def]
    """Adjoint state of all neurons from the end of an interval to its beginning."""
    for j in range(lV.shape[0]):
        lI[j] = lI[j] * b + lV[j] * g
        lV[j] *= a


@njit(cache=True, nogil=True)
def backward_spiking(c, tr, W, G, sources, n_events, n_spikes):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer of spiking neurons; G -= tau_s lI. Returns how often I - theta was below the floor."""
    lV, lI, from_input, last = tr.lV, tr.lI, tr.from_input, tr.last
    lV[:] = 0.0
    lI[:] = 0.0
    last[:] = -1  # from here on: -2 marks neurons that spike in the interval at hand
    from_input[:n_events] = 0.0
    if n_spikes == 0:
        return 0
    ratio = c.tau_m / c.tau_s
    clipped = 0
    rank = n_spikes - 1  # of the latest spike not yet taken
    for e in range(tr.interval[tr.order[rank]], -1, -1):
        low = rank
        while low >= 0 and tr.interval[tr.order[low]] == e:
            s = tr.order[low]
            j = tr.neuron[s]
            if last[j] == -1:  # its latest spike here: back to it from the end of the interval
                last[j] = -2
                li = lI[j] * tr.behind[s, 1] + lV[j] * tr.behind[s, 2] * ratio
                lv = lV[j] * tr.behind[s, 0]
            else:
                lv, li = tr.V[j], tr.I[j]
            gap = tr.current[s] - c.theta
            if gap < c.floor:
                gap = c.floor
                clipped += 1
            lv += (c.theta * lv + tr.error[low]) / gap
            # Kept aside, in arrays that the forward pass needs no more, while all others flow.
            tr.I[j] = li * tr.before[s, 1] + lv * tr.before[s, 2] * ratio
            tr.V[j] = lv * tr.before[s, 0]
            low -= 1
        _flow_back(lV, lI, tr.alpha[e], tr.beta[e], tr.gamma[e] * ratio)
        for k in range(low + 1, rank + 1):
            j = tr.neuron[tr.order[k]]
            lV[j], lI[j] = tr.V[j], tr.I[j]
            last[j] = -1
        rank = low
        from_input[e] += _add_event(lV, lI, W[sources[e]], G[sources[e]], c.tau_s)
    return clipped


@njit(cache=True, nogil=True)
def forward_recurrent(c, tr, W, R, times, sources, n_events):  # type: ignore[no-untyped-def]
    """Run a layer whose spikes also reach itself; the numbers of spikes (or OVERFLOW) and of events.

    Every spike changes what follows, so events are the input's and the layer's own, one after
    the other, and an interval ends with the first neuron that crosses.
    """
    V, I, V_end = tr.V, tr.I, tr.lV  # noqa: E741 - the paper's symbol; lV is free until the backward pass
    V[:] = 0.0
    I[:] = 0.0
    tr.last[:] = -1
    count, n_merged, e, spiking = 0, 0, 0, -1
    if n_events == 0:
        return 0, 0
    now = times[0]
    while True:
        if spiking >= 0:
            row = R[spiking]
            tr.event[n_merged] = -count  # -1 - spike
        else:
            row = W[sources[e]]
            tr.event[n_merged] = e
            e += 1
        stop = times[e] if e < n_events else c.end
        rest = stop - now
        h, a, b = rest, math.exp(-rest / c.tau_m), math.exp(-rest / c.tau_s)
        g, b_whole = _response(rest, a, b, c), b
        for j in range(V.shape[0]):
            I[j] += row[j]
            V_end[j] = V[j] * a + I[j] * g
        spiking = -1
        for j in range(V.shape[0]):
            if I[j] > c.theta and _may_cross(V[j], I[j], V_end[j], I[j] * b_whole, c):
                crossing, x, y = _crossing(V[j], I[j], h, c)
                if crossing >= 0.0 and (spiking < 0 or crossing < h):
                    h, a, b, spiking = crossing, x, y, j
        if spiking >= 0:
            g = _response(h, a, b, c)
        tr.alpha[n_merged] = a
        tr.beta[n_merged] = b
        tr.gamma[n_merged] = g
        n_merged += 1
        for j in range(V.shape[0]):
            V[j] = V[j] * a + I[j] * g
            I[j] *= b
        now += h
        if spiking >= 0:
            if count == tr.time.shape[0]:
                return OVERFLOW, 0
            V[spiking] = 0.0
            tr.time[count] = now
            tr.sorted_time[count] = now
            tr.neuron[count] = spiking
            tr.sorted_neuron[count] = spiking
            tr.order[count] = count
            tr.current[count] = I[spiking]
            tr.previous[count] = tr.last[spiking]
            tr.last[spiking] = count
            count += 1
        elif e == n_events:
            return count, n_merged


@njit(cache=True, nogil=True)
def backward_recurrent(c, tr, W, G, R, G_loop, sources, n_merged):  # type: ignore[no-untyped-def]
    """Adjoint pass of a recurrent layer. Returns how often I - theta was below the floor."""
    lV, lI = tr.lV, tr.lI
    lV[:] = 0.0
    lI[:] = 0.0
    ratio = c.tau_m / c.tau_s
    clipped = 0
    for m in range(n_merged - 1, -1, -1):
        _flow_back(lV, lI, tr.alpha[m], tr.beta[m], tr.gamma[m] * ratio)
        e = tr.event[m]
        if e >= 0:
            tr.from_input[e] = _add_event(lV, lI, W[sources[e]], G[sources[e]], c.tau_s)
            continue
        s = -1 - e
        j = tr.neuron[s]
        error = tr.error[s] + _add_event(lV, lI, R[j], G_loop[j], c.tau_s)
        gap = tr.current[s] - c.theta
        if gap < c.floor:
            gap = c.floor
            clipped += 1
        lV[j] += (c.theta * lV[j] + error) / gap
    return clipped


@njit(cache=True, nogil=True)
def forward_leaky(c, tr, W, times, sources, n_events, peaks):  # type: ignore[no-untyped-def]
    """Run a layer that only integrates, and find the largest voltage of each neuron.

    `interval` holds behind which event the maximum lies (-1: at the start), `before` the decays since
    that event, `previous` the event that ends the rise (-1: none does), `current` dV/dt just before it.
    """
    _begin(c, tr, times, n_events)
    peaks[:] = 0.0
    n = W.shape[1]
    tr.interval[:n] = -1
    for e in range(n_events):
        row = W[sources[e]]
        a, b, g = tr.alpha[e], tr.beta[e], tr.gamma[e]
        for j in range(n):
            v, i = tr.V[j], tr.I[j] + row[j]
            v_end, i_end = v * a + i * g, i * b
            if i > v and i > peaks[j]:  # it rises; V = I at its maximum, so it stays below this I
                if i_end < v_end:
                    h = (1.0 - v / i) * c.tau_m
                    if abs(c.delta * c.tau_m) > 1e-12:
                        h = -math.log1p(-(1.0 - v / i) * (c.tau_m - c.tau_s) / c.tau_m) / c.delta
                    x, y = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
                    z = _response(h, x, y, c)
                    top, ended = v * x + i * z, -1
                else:
                    x, y, z = a, b, g
                    top, ended = v_end, e + 1 if e + 1 < n_events else -1
                if top > peaks[j]:
                    peaks[j] = top
                    tr.interval[j] = e
                    tr.before[j, 0], tr.before[j, 1], tr.before[j, 2] = x, y, z
                    tr.previous[j] = ended
                    tr.current[j] = (i_end - v_end) / c.tau_m
            tr.V[j] = v_end
            tr.I[j] = i_end


@njit(cache=True, nogil=True)
def backward_leaky(c, tr, W, G, sources, n_events, by_peaks):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer that only integrates: an impulse at every neuron's maximum."""
    lV, lI, from_input = tr.lV, tr.lI, tr.from_input
    lV[:] = 0.0
    lI[:] = 0.0
    from_input[:n_events] = 0.0
    n = W.shape[1]
    latest = -1
    for j in range(n):
        latest = max(latest, tr.interval[j])
        if tr.interval[j] >= 0 and tr.previous[j] >= 0:
            # The maximum moves with the spike that ends the rise.
            from_input[tr.previous[j]] += by_peaks[j] * tr.current[j]
    ratio = c.tau_m / c.tau_s
    for e in range(latest, -1, -1):
        _flow_back(lV, lI, tr.alpha[e], tr.beta[e], tr.gamma[e] * ratio)
        for j in range(n):
            if tr.interval[j] == e:
                impulse = -by_peaks[j] / c.tau_m
                lI[j] += impulse * tr.before[j, 2] * ratio
                lV[j] += impulse * tr.before[j, 0]
        from_input[e] += _add_event(lV, lI, W[sources[e]], G[sources[e]], c.tau_s)


# ------------------------------------------------------------------- losses


@njit(cache=True, nogil=True)
def ttfs_by_times(first, label, tau0, tau1, alpha, by_times):  # type: ignore[no-untyped-def]
    """As losses.TTFSLoss.by_times."""
    by_times[:] = 0.0
    if not math.isfinite(first[label]):
        return
    smallest = first.min()
    total = 0.0
    for k in range(first.shape[0]):
        by_times[k] = math.exp(-(first[k] - smallest) / tau0)
        total += by_times[k]
    for k in range(first.shape[0]):
        by_times[k] /= -total * tau0
    by_times[label] += 1.0 / tau0 + alpha / tau1 * math.exp(first[label] / tau1)


@njit(cache=True, nogil=True)
def softmax_by_peaks(peaks, label, by_peaks):  # type: ignore[no-untyped-def]
    """As losses.MaxVoltageLoss.by_peaks."""
    largest = peaks.max()
    total = 0.0
    for k in range(peaks.shape[0]):
        by_peaks[k] = math.exp(peaks[k] - largest)
        total += by_peaks[k]
    for k in range(peaks.shape[0]):
        by_peaks[k] /= total
    by_peaks[label] -= 1.0


# ------------------------------------------------------------------ samples

#: Counters of a run: spikes of hidden layers, spikes of a spiking output, silent label outputs, clipped denominators,
#: (sample, hidden neuron) pairs without a spike, and the largest number of spikes of a layer in a sample.
HIDDEN, OUTPUT, SILENT_LABELS, CLIPPED, SILENT_NEURONS, MOST_SPIKES = range(6)


@njit(cache=True, nogil=True)
def run_samples(  # type: ignore[no-untyped-def]
    c, traces, weights, loops, gradients, loop_gradients, counts, pulls, times, sources, offsets, samples, labels,
    given, spiking, loss, learn, said, by_input, counters,
):  # fmt: skip
    """Run samples forward, and backward if `learn`; `said` gets first spike times or largest voltages, a row each.

    The derivative by what is said is that of the loss, or, if there are rows in `given`, those; then
    `by_input` gets the derivative by the time of every input spike, too. `loops` are recurrent weights (empty: none).
    `counts` gets the spikes of every neuron; `pulls` are derivatives by the times of all spikes of a neuron.
    Returns -1, or the layer whose spikes did not fit.
    """
    back_to_input = given.shape[0] > 0
    layers = len(weights)
    by_said = np.zeros(said.shape[1])
    n_spikes = np.zeros(layers, dtype=np.int64)
    n_events = np.zeros(layers, dtype=np.int64)
    n_merged = np.zeros(layers, dtype=np.int64)
    for q in range(samples.shape[0]):
        begin, stop = offsets[samples[q]], offsets[samples[q] + 1]
        out = said[q]
        t, src, n = times[begin:stop], sources[begin:stop], stop - begin
        for k in range(layers):
            tr = traces[k]
            n_events[k] = n
            last = k == layers - 1
            if last and not spiking:
                forward_leaky(c, tr, weights[k], t, src, n, out)
                continue
            if loops[k].shape[0] > 0:
                n, n_merged[k] = forward_recurrent(c, tr, weights[k], loops[k], t, src, n)
            else:
                n = forward_spiking(c, tr, weights[k], t, src, n, last)
            if n == OVERFLOW:
                return k
            n_spikes[k] = n
            counters[MOST_SPIKES] = max(counters[MOST_SPIKES], n)
            silent = tr.last.shape[0]
            for s in range(n):
                counts[k][tr.neuron[s]] += 1
                silent -= tr.previous[s] < 0
            counters[OUTPUT if last else HIDDEN] += n
            if not last:
                counters[SILENT_NEURONS] += silent
                t, src = tr.sorted_time, tr.sorted_neuron
        top = traces[layers - 1]
        if spiking:
            out[:] = np.inf
            for k in range(n_spikes[layers - 1] - 1, -1, -1):  # the first of a neuron comes last
                out[top.sorted_neuron[k]] = top.sorted_time[k]
        if not learn:
            continue
        leaky = not spiking
        if back_to_input:
            by_said[:] = given[q]
        elif spiking:
            label = labels[samples[q]]
            ttfs_by_times(out, label, loss[0], loss[1], loss[2], by_said)
            if not math.isfinite(out[label]):
                counters[SILENT_LABELS] += 1
                if loss[3] > 0.0:
                    # All else is zero: teach the label's output, which never reset, by its largest voltage.
                    forward_leaky(c, top, weights[layers - 1], t, src, n_events[layers - 1], by_said)
                    by_said[:] = 0.0
                    by_said[label] = -loss[3]
                    leaky = True
        else:
            softmax_by_peaks(out, labels[samples[q]], by_said)
        if not leaky:
            for k in range(n_spikes[layers - 1]):
                top.error[k] = by_said[top.sorted_neuron[k]] if top.previous[top.order[k]] < 0 else 0.0
        for k in range(layers - 1, -1, -1):
            tr, n = traces[k], n_events[k]
            if k < layers - 1:
                src = sources[begin:stop] if k == 0 else traces[k - 1].sorted_neuron
                for s in range(n_spikes[k]):
                    tr.error[s] += pulls[k][tr.sorted_neuron[s]]
            if k == layers - 1 and leaky:
                backward_leaky(c, tr, weights[k], gradients[k], src, n, by_said)
            elif loops[k].shape[0] > 0:
                counters[CLIPPED] += backward_recurrent(
                    c, tr, weights[k], gradients[k], loops[k], loop_gradients[k], src, n_merged[k]
                )
            else:
                counters[CLIPPED] += backward_spiking(c, tr, weights[k], gradients[k], src, n, n_spikes[k])
            if k > 0:
                traces[k - 1].error[:n] = tr.from_input[:n]
        if back_to_input:
            by_input[begin:stop] = traces[0].from_input[: stop - begin]
    return -1
