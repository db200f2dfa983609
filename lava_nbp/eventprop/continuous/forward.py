"""Kernels that run a layer forward through one sample, from event to event.

Between two input spikes of a layer its neurons do not see each other, so all neurons go from input spike to input
spike together; a neuron that crosses the threshold in between is taken out and followed from spike to spike. Every
segment's decays are kept, so that the backward pass needs no exponential.
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import BARE, DIVIDING, inner
from lava_nbp.eventprop.continuous.crossing import (
    crossing,
    crossing_at,
    decays,
    find_roots,
    may_cross,
    reduced,
    response,
    run_interval,
    time_to_top,
)

#: Result of a layer whose spikes do not fit their arrays.
OVERFLOW = -1


@inner(**DIVIDING)
def _find_decays(c, times, flow, n_events):  # type: ignore[no-untyped-def]
    """Decays and response of the intervals behind all input spikes."""
    for e in range(n_events):
        h = (times[e + 1] if e + 1 < n_events else c.end) - times[e]
        flow[e, 0], flow[e, 1], flow[e, 2] = decays(h, c)


@inner(**DIVIDING)
def forward_spiking(c, tape, W, n_events, only_first):  # type: ignore[no-untyped-def]
    """Run a layer of spiking neurons; the number of spikes, or OVERFLOW.

    only_first: nothing behind a neuron's first spike matters (outputs of a time-to-first-spike loss).
    """
    count, silent, decayed = 0, W.shape[1], 1.0
    # Names of their own for what the inner loops use: the compiler then keeps them in registers. A neuron is followed
    # in place: a function that is handed the tape for it, even inlined, makes Yin-Yang a third slower.
    V, I, last, found, times = tape.V, tape.I, tape.last, tape.found, tape.in_time  # noqa: E741 - the paper's symbol
    V_end = tape.lV  # free until the backward pass
    q, t, x_found = tape.roots[0], tape.roots[1], tape.roots[2]
    _find_decays(c, times, tape.flow, n_events)
    I[:] = 0.0
    V_end[:] = 0.0
    last[:] = -1
    for e in range(n_events):
        end = times[e + 1] if e + 1 < n_events else c.end
        a, b, g = tape.flow[e, 0], tape.flow[e, 1], tape.flow[e, 2]
        row = W[tape.in_neuron[e]]
        n_found = run_interval(c, V, I, V_end, row, decayed, a, b, g, tape.may, found)
        decayed = b
        if only_first:
            n_found = _that_are_silent(found, n_found, last)
        for k in range(n_found):
            q[k], t[k] = reduced(V[found[k]], I[found[k]], c)
        if c.power > 0 and n_found > 0:
            find_roots(q, t, x_found, n_found, c)
        start = count
        for k in range(n_found):
            j = found[k]
            i, now, a_left, b_left = I[j], times[e], a, b
            if c.power > 0:
                h, x, y = crossing_at(x_found[k], end - now, V_end[j], a, b, c)
            else:
                h, x, y = crossing(V[j], i, end - now, V_end[j], a, b, c)
            while h >= 0.0:
                if count == tape.time.shape[0]:
                    return OVERFLOW
                now = min(now + h, end)
                i *= y
                if a_left == 0.0 or b_left == 0.0:  # what has vanished over the interval need not have since the spike
                    a_left, b_left = math.exp(-(end - now) / c.tau_m), math.exp(-(end - now) / c.tau_s)
                else:
                    a_left /= x
                    b_left /= y
                g_left = response(end - now, a_left, b_left, c)
                tape.time[count], tape.neuron[count] = now, j
                tape.interval[count], tape.current[count] = e, i
                tape.before[count, 0], tape.before[count, 1], tape.before[count, 2] = x, y, response(h, x, y, c)
                tape.behind[count, 0], tape.behind[count, 1], tape.behind[count, 2] = a_left, b_left, g_left
                silent -= last[j] < 0
                tape.previous[count] = last[j]
                last[j] = count
                _place(tape.time, tape.order, start, count)
                count += 1
                V_end[j] = i * g_left
                h = -1.0
                if not only_first and may_cross(0.0, i, V_end[j], i * b_left, c):
                    h, x, y = crossing(0.0, i, end - now, V_end[j], a_left, b_left, c)
        if only_first and silent == 0:
            break
    for k in range(count):
        tape.sorted_time[k] = tape.time[tape.order[k]]
        tape.sorted_neuron[k] = tape.neuron[tape.order[k]]
    return count


@inner(**BARE)
def _that_are_silent(found, n_found, last):  # type: ignore[no-untyped-def]
    """Keep those of the neurons that have not spiked; how many."""
    kept = 0
    for k in range(n_found):
        j = found[k]
        if last[j] < 0:
            found[kept] = j
            kept += 1
    return kept


@inner(**BARE)
def _place(time, order, start, spike):  # type: ignore[no-untyped-def]
    """Put a spike into the order of time, behind `start`: spikes come nearly sorted, neuron by neuron."""
    k = spike
    while k > start and time[order[k - 1]] > time[spike]:
        order[k] = order[k - 1]
        k -= 1
    order[k] = spike


@inner(**DIVIDING)
def forward_recurrent(c, tape, W, R, n_events):  # type: ignore[no-untyped-def]
    """Run a layer whose spikes also reach itself; the numbers of spikes (or OVERFLOW) and of events.

    Every spike changes what follows, so events are the input spikes and the layer's own, one after
    the other, and an interval ends with the first neuron that crosses.
    """
    V, I, V_end = tape.V, tape.I, tape.lV  # noqa: E741 - the paper's symbol; lV is free until the backward pass
    times, sources, flow, found = tape.in_time, tape.in_neuron, tape.flow, tape.found
    q, t, x_found = tape.roots[0], tape.roots[1], tape.roots[2]
    I[:] = 0.0
    V_end[:] = 0.0
    tape.last[:] = -1
    count, n_merged, e, spiking, decayed = 0, 0, 0, -1, 1.0
    if n_events == 0:
        return 0, 0
    now = times[0]
    while True:
        if spiking >= 0:
            row = R[spiking]
            tape.merged[n_merged] = -count  # -1 - spike
        else:
            row = W[sources[e]]
            tape.merged[n_merged] = e
            e += 1
        end = times[e] if e < n_events else c.end
        rest = h = end - now
        a_end, b_end, g = decays(rest, c)
        a, b = a_end, b_end
        n_found = run_interval(c, V, I, V_end, row, decayed, a, b, g, tape.may, found)
        if c.power > 0 and n_found > 0:
            for k in range(n_found):
                q[k], t[k] = reduced(V[found[k]], I[found[k]], c)
            find_roots(q, t, x_found, n_found, c)
        spiking, first = -1, -1.0
        for k in range(n_found):
            j = found[k]
            if c.power == 0:
                time, x, y = crossing(V[j], I[j], rest, V_end[j], a_end, b_end, c)
            elif x_found[k] > first:
                time, x, y = crossing_at(x_found[k], rest, V_end[j], a_end, b_end, c)
            else:
                continue
            if time >= 0.0 and (spiking < 0 or time < h):
                spiking, h, a, b, first = j, time, x, y, x_found[k]
        if spiking >= 0:
            if count == tape.time.shape[0]:
                return OVERFLOW, 0
            g = response(h, a, b, c)
            for j in range(V.shape[0]):
                V_end[j] = V[j] * a + I[j] * g
        flow[n_merged, 0], flow[n_merged, 1], flow[n_merged, 2] = a, b, g
        n_merged += 1
        decayed = b
        now = min(now + h, end) if spiking >= 0 else end
        if spiking >= 0:
            V_end[spiking] = 0.0
            tape.time[count] = tape.sorted_time[count] = now
            tape.neuron[count] = tape.sorted_neuron[count] = spiking
            tape.order[count] = count
            tape.current[count] = I[spiking] * b
            tape.previous[count] = tape.last[spiking]
            tape.last[spiking] = count
            count += 1
        elif e == n_events:
            return count, n_merged


@inner(**BARE)
def forward_leaky(c, tape, W, n_events, peaks):  # type: ignore[no-untyped-def]
    """Run a layer that only integrates, and find the largest voltage of each neuron.

    `interval` holds behind which input spike the maximum lies (-1: at the start), `before` the decays since
    that spike, `previous` the input spike that ends the rise (-1: none does), `current` dV/dt just before it.
    """
    _find_decays(c, tape.in_time, tape.flow, n_events)
    tape.V[:] = 0.0
    tape.I[:] = 0.0
    peaks[:] = 0.0
    n = W.shape[1]
    tape.interval[:n] = -1
    for e in range(n_events):
        row = W[tape.in_neuron[e]]
        a, b, g = tape.flow[e, 0], tape.flow[e, 1], tape.flow[e, 2]
        for j in range(n):
            v, i = tape.V[j], tape.I[j] + row[j]
            v_end, i_end = v * a + i * g, i * b
            if i > v and i > peaks[j]:  # it rises; V = I at its maximum, so it stays below this I
                rising = i_end > v_end
                if not rising:
                    h = time_to_top(v, i, c)
                    x, y = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
                    z = response(h, x, y, c)
                    top, ended = v * x + i * z, -1
                else:
                    x, y, z = a, b, g
                    top, ended = v_end, e + 1 if e + 1 < n_events else -1
                # Of inputs at the same time, it is behind the last that leaves V rising: errors see that order.
                if top > peaks[j] or (rising and top == peaks[j]):
                    peaks[j] = top
                    tape.interval[j] = e
                    tape.before[j, 0], tape.before[j, 1], tape.before[j, 2] = x, y, z
                    tape.previous[j] = ended
                    tape.current[j] = (i_end - v_end) / c.tau_m
            tape.V[j] = v_end
            tape.I[j] = i_end
