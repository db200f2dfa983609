"""Kernels that run a layer neuron by neuron: each with constants of its own, and synapses with delays of theirs.

Without recurrent weights neurons of a layer do not see each other. Every neuron takes the input spikes in the order in
which they arrive at it, and has its own segments between them. On the way back it is run once more from its spikes,
which are known: cheaper than to keep all segments of all neurons.
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import BARE, inner
from lava_nbp.eventprop.continuous.crossing import crossing, may_cross, response, time_to_top
from lava_nbp.eventprop.continuous.forward import OVERFLOW
from lava_nbp.eventprop.continuous.own import (
    add_delay,
    by_constants,
    constants_of,
    delay_of,
    sort_arrivals,
    sort_by_time,
)

#: Columns of `Lone.segment`: beginning, V and I there, and decays and response until the next.
_TIME, _V, _I, _A, _B, _G = range(6)


@inner(**BARE)
def forward_single(c, own, tape, lone, W, n_events, only_first):  # type: ignore[no-untyped-def]
    """Run a layer of spiking neurons; the number of spikes, or OVERFLOW. See `forward.forward_spiking`."""
    count = 0
    times, sources = tape.in_time, tape.in_neuron
    for j in range(W.shape[1]):
        own_c = constants_of(c, own, j)
        n = sort_arrivals(tape, lone, own.delays, j, n_events, c.end)
        order = lone.arrival[j]
        lone.first[j] = count
        v, i, last = 0.0, 0.0, -1
        for q in range(n):
            source = sources[order[q]]
            now = times[order[q]] + delay_of(own.delays, source, j)
            until = c.end
            if q + 1 < n:
                until = times[order[q + 1]] + delay_of(own.delays, sources[order[q + 1]], j)
            i += W[source, j]
            h = until - now
            a, b = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
            v_end, i_end = v * a + i * response(h, a, b, own_c), i * b
            if i > own_c.theta and may_cross(v, i, v_end, i_end, own_c) and not (only_first and last >= 0):
                h, _, y = crossing(v, i, h, v_end, a, b, own_c)
                while h >= 0.0:
                    if count == tape.time.shape[0]:
                        return OVERFLOW
                    now = min(now + h, until)
                    i *= y
                    tape.time[count], tape.neuron[count] = now, j
                    tape.interval[count], tape.current[count] = q, i
                    tape.previous[count] = last
                    last = count
                    count += 1
                    h = until - now
                    a, b = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
                    v_end, i_end = i * response(h, a, b, own_c), i * b
                    if i > own_c.theta and not only_first and may_cross(0.0, i, v_end, i_end, own_c):
                        h, _, y = crossing(0.0, i, h, v_end, a, b, own_c)
                    else:
                        h = -1.0
            if only_first and last >= 0:
                break
            v, i = v_end, i_end
    lone.first[W.shape[1]] = count
    for s in range(count):
        tape.order[s] = s
        tape.sorted_time[s] = tape.time[s]
    sort_by_time(tape.sorted_time, tape.order, count)
    for k in range(count):
        tape.sorted_neuron[k] = tape.neuron[tape.order[k]]
    return count


@inner(**BARE)
def _replay(c, own, tape, lone, W, j, n_arrivals, begin, end):  # type: ignore[no-untyped-def]
    """Segments of a neuron: behind so many arrivals, and its spikes begin .. end - 1; how many there are.

    `code` says what a segment begins with: an input spike, or -1 - a spike of its own.
    """
    segment, code, count, s = lone.segment, lone.code, 0, begin
    v, i, now = 0.0, 0.0, 0.0
    for q in range(n_arrivals):
        e = lone.arrival[j, q]
        source = tape.in_neuron[e]
        time = tape.in_time[e] + delay_of(own.delays, source, j)
        if count > 0:
            v, i = _close(segment, count - 1, time - now, c)
        i += W[source, j]
        segment[count, _TIME], segment[count, _V], segment[count, _I], code[count] = time, v, i, e
        count += 1
        now = time
        while s < end and tape.interval[s] == q:
            _close(segment, count - 1, tape.time[s] - now, c)
            now, v, i = tape.time[s], 0.0, tape.current[s]
            segment[count, _TIME], segment[count, _V], segment[count, _I], code[count] = now, v, i, -1 - s
            count += 1
            s += 1
    return count


@inner(**BARE)
def _close(segment, k, h, c):  # type: ignore[no-untyped-def]
    """End a segment after h ms; V and I there."""
    a, b = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
    g = response(h, a, b, c)
    segment[k, _A], segment[k, _B], segment[k, _G] = a, b, g
    return segment[k, _V] * a + segment[k, _I] * g, segment[k, _I] * b


@inner(**BARE)
def _go_back(c, own, tape, lone, W, j, n_segments, lv, li, by):  # type: ignore[no-untyped-def]
    """Adjoint state of a neuron from the end of the last segment but one to its beginning; how often I - theta was
    below the floor. The last segment's beginning, an event, is the first that is met."""
    segment, code = lone.segment, lone.code
    ratio = c.tau_m / c.tau_s
    clipped = 0
    for k in range(n_segments - 1, -1, -1):
        if k < n_segments - 1:
            a, b, g = segment[k, _A], segment[k, _B], segment[k, _G]
            h = segment[k + 1, _TIME] - segment[k, _TIME]
            if own.learned:
                by_m, by_s = by_constants(lv, li, segment[k, _V], segment[k, _I], h, a, b, g, c)
                by.tau_m[j] += by_m
                by.tau_s[j] += by_s
            li = li * b + lv * g * ratio
            lv *= a
        e = code[k]
        if e >= 0:
            source = tape.in_neuron[e]
            by.weights[source, j] -= c.tau_s * li
            back = W[source, j] * (lv - li)
            tape.in_error[e] += back
            add_delay(by.delays, source, j, back)
            continue
        s = -1 - e
        gap = tape.current[s] - c.theta
        if gap < c.floor:
            gap = c.floor
            clipped += 1
        lv += (c.theta * lv + tape.behind[s, 0]) / gap
    return clipped


@inner(**BARE)
def backward_single(c, own, tape, lone, W, by, n_events, n_spikes):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer of spiking neurons; returns how often I - theta was below the floor."""
    tape.in_error[:n_events] = 0.0
    clipped = 0
    for k in range(n_spikes):
        tape.behind[tape.order[k], 0] = tape.error[k]
    for j in range(W.shape[1]):
        begin, end = lone.first[j], lone.first[j + 1]
        if begin == end:
            continue
        own_c = constants_of(c, own, j)
        n = _replay(own_c, own, tape, lone, W, j, tape.interval[end - 1] + 1, begin, end)
        clipped += _go_back(own_c, own, tape, lone, W, j, n, 0.0, 0.0, by)
    return clipped


@inner(**BARE)
def forward_single_leaky(c, own, tape, lone, W, n_events, peaks):  # type: ignore[no-untyped-def]
    """Run a layer that only integrates, and find the largest voltages; see `forward.forward_leaky`.

    `interval` holds behind which arrival the maximum lies (-1: at the start), `before` how long after it,
    `previous` the arrival that ends the rise (-1: none does), `current` dV/dt just before it.
    """
    for j in range(W.shape[1]):
        own_c = constants_of(c, own, j)
        n = sort_arrivals(tape, lone, own.delays, j, n_events, c.end)
        order = lone.arrival[j]
        tape.interval[j] = -1
        peak, v, i = 0.0, 0.0, 0.0
        for q in range(n):
            source = tape.in_neuron[order[q]]
            now = tape.in_time[order[q]] + delay_of(own.delays, source, j)
            until = c.end
            if q + 1 < n:
                until = tape.in_time[order[q + 1]] + delay_of(own.delays, tape.in_neuron[order[q + 1]], j)
            i += W[source, j]
            rest = until - now
            a, b = math.exp(-rest / own_c.tau_m), math.exp(-rest / own_c.tau_s)
            v_end, i_end = v * a + i * response(rest, a, b, own_c), i * b
            if i > v and i > peak:
                rising = i_end > v_end
                h, top, ended = rest, v_end, q + 1 if q + 1 < n else -1
                if not rising:
                    h = time_to_top(v, i, own_c)
                    x, y = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
                    top, ended = v * x + i * response(h, x, y, own_c), -1
                if top > peak or (rising and top == peak):
                    peak = top
                    tape.interval[j], tape.before[j, 0], tape.previous[j] = q, h, ended
                    tape.current[j] = (i_end - v_end) / own_c.tau_m
            v, i = v_end, i_end
        peaks[j] = peak


@inner(**BARE)
def backward_single_leaky(c, own, tape, lone, W, by, n_events, by_peaks):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer that only integrates: an impulse at every neuron's maximum."""
    tape.in_error[:n_events] = 0.0
    for j in range(W.shape[1]):
        q = tape.interval[j]
        if q < 0 or by_peaks[j] == 0.0:
            continue
        own_c = constants_of(c, own, j)
        if tape.previous[j] >= 0:  # the maximum moves with the arrival that ends the rise
            e = lone.arrival[j, tape.previous[j]]
            moved = by_peaks[j] * tape.current[j]
            tape.in_error[e] += moved
            add_delay(by.delays, tape.in_neuron[e], j, moved)
        n = _replay(own_c, own, tape, lone, W, j, q + 1, 0, 0)
        h, v, i = tape.before[j, 0], lone.segment[n - 1, _V], lone.segment[n - 1, _I]
        a, b = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
        g = response(h, a, b, own_c)
        impulse = -by_peaks[j] / own_c.tau_m
        if own.learned:
            by_m, by_s = by_constants(impulse, 0.0, v, i, h, a, b, g, own_c)
            by.tau_m[j] += by_m
            by.tau_s[j] += by_s
        ratio = own_c.tau_m / own_c.tau_s
        _go_back(own_c, own, tape, lone, W, j, n, impulse * a, impulse * g * ratio, by)
