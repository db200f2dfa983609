"""Kernels that run a recurrent layer in which neurons have constants, or synapses delays, of their own.

Every neuron has its state at the time of its own last event, and is touched by nothing but its own events: arrivals,
which change its current, and its spikes. The next event of the layer is the earliest that any neuron knows of: the
winner of a tournament, in which one neuron's change is log2(n) comparisons.

Functions that are called for every event get the few arrays that they need, for the reason that `backward` gives.
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import BARE, inner
from lava_nbp.eventprop.continuous.crossing import crossing, response, time_to_top
from lava_nbp.eventprop.continuous.forward import OVERFLOW
from lava_nbp.eventprop.continuous.own import add_delay, by_constants, constants_of, delay_of, sort_arrivals
from lava_nbp.eventprop.continuous.state import Constants
from lava_nbp.eventprop.equations import AT_THRESHOLD

#: Columns of `Lone.state`, of each neuron: V, I, the time at which it has them, when it will spike if nothing arrives
#: before, when the next own and the next input spike arrive, the earliest of these three; and its constants.
_V, _I, _NOW, _SPIKE, _OWN, _INPUT, _NEXT, _TAU_M, _TAU_S, _THETA, _DELTA, _KAPPA = range(12)
#: Columns of `Lone.segment`: how long it lasted, and V and I at its beginning.
_H, _V0, _I0 = range(3)


@inner(**BARE)
def _constants(state, j, c):  # type: ignore[no-untyped-def]
    """Those of a neuron."""
    theta, kappa = state[j, _THETA], state[j, _KAPPA]
    tau_m, tau_s, delta = state[j, _TAU_M], state[j, _TAU_S], state[j, _DELTA]
    return Constants(tau_m, tau_s, theta, theta * AT_THRESHOLD, c.floor, c.end, delta, kappa, kappa == 0.0, 0, 0.0)


@inner(**BARE)
def _begin(c, own, tape, lone, n_events):  # type: ignore[no-untyped-def]
    """All neurons at rest, with the input spikes that will arrive."""
    state, tree, half = lone.state, lone.tree, lone.tree.shape[0] // 2
    for j in range(state.shape[0]):
        own_c = constants_of(c, own, j)
        n = sort_arrivals(tape, lone, own.delays, j, n_events, c.end)
        state[j, _V], state[j, _I], state[j, _NOW], state[j, _SPIKE], state[j, _OWN] = 0.0, 0.0, 0.0, math.inf, math.inf
        state[j, _TAU_M], state[j, _TAU_S], state[j, _THETA] = own_c.tau_m, own_c.tau_s, own_c.theta
        state[j, _DELTA], state[j, _KAPPA] = own_c.delta, own_c.kappa
        lone.arrivals[j], lone.taken[j], lone.pending[j], tape.last[j] = n, 0, 0, -1
        state[j, _INPUT] = math.inf
        if n > 0:
            e = lone.arrival[j, 0]
            state[j, _INPUT] = tape.in_time[e] + delay_of(own.delays, tape.in_neuron[e], j)
        state[j, _NEXT] = state[j, _INPUT]
    for k in range(half):
        tree[half + k] = k if k < state.shape[0] else -1
    for k in range(half - 1, 0, -1):
        tree[k] = _winner(state, tree[2 * k], tree[2 * k + 1])


@inner(**BARE)
def forward_tangled(c, own, tape, lone, W, R, n_events):  # type: ignore[no-untyped-def]
    """Run the layer; the numbers of spikes (or OVERFLOW) and of events.

    `code` says what an event is: an input spike that arrives, n_events + an own spike that arrives, or -1 - an own
    spike that begins; `at` says at which neuron.
    """
    _begin(c, own, tape, lone, n_events)
    n, half, delays, loop_delays = W.shape[1], lone.tree.shape[0] // 2, own.delays, own.loop_delays
    state, tree, segment, at, code = lone.state, lone.tree, lone.segment, lone.at, lone.code
    times, neurons, previous = tape.time, tape.neuron, tape.previous
    queue_time, queue_spike, pending, taken = lone.queue_time, lone.queue_spike, lone.pending, lone.taken
    count, events = 0, 0
    while True:
        j = tree[1]
        now = state[j, _NEXT]
        if now > c.end:
            break
        own_c = _constants(state, j, c)
        v, i, h = state[j, _V], state[j, _I], now - state[j, _NOW]
        a, b = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
        v_end, i_end = v * a + i * response(h, a, b, own_c), i * b
        if state[j, _SPIKE] > now and state[j, _SPIKE] < math.inf and v_end >= own_c.reached:
            state[j, _SPIKE] = now  # it is there but for rounding, and comes before what arrives
        if state[j, _SPIKE] <= now and count == times.shape[0]:
            return OVERFLOW, 0  # with room for so many spikes there is room for all other events
        segment[events, _H], segment[events, _V0], segment[events, _I0], at[events] = h, v, i, j
        if state[j, _SPIKE] <= now:
            code[events] = -1 - count
            times[count], neurons[count], tape.current[count] = now, j, i_end
            previous[count], tape.last[j] = tape.last[j], count
            _continue(own_c, state, j, now, 0.0, i_end)
            _schedule(state, j)
            _play(state, tree, half, j)
            for m in range(n):
                time = now + delay_of(loop_delays, j, m)
                if time <= c.end:
                    _push(queue_time, queue_spike, m, pending[m], time, count)
                    pending[m] += 1
                    if time < state[m, _OWN]:
                        state[m, _OWN] = time
                        _schedule(state, m)
                        _play(state, tree, half, m)
            count += 1
        else:
            if state[j, _OWN] <= now:
                s = queue_spike[j, 0]
                pending[j] -= 1
                _pop(queue_time, queue_spike, j, pending[j])
                state[j, _OWN] = queue_time[j, 0] if pending[j] > 0 else math.inf
                code[events], w = n_events + s, R[neurons[s], j]
            else:
                e = lone.arrival[j, taken[j]]
                taken[j] += 1
                code[events], w = e, W[tape.in_neuron[e], j]
                state[j, _INPUT] = math.inf
                if taken[j] < lone.arrivals[j]:
                    e = lone.arrival[j, taken[j]]
                    state[j, _INPUT] = tape.in_time[e] + delay_of(delays, tape.in_neuron[e], j)
            _continue(own_c, state, j, now, v_end, i_end + w)
            _schedule(state, j)
            _play(state, tree, half, j)
        events += 1
    for s in range(count):
        tape.order[s], tape.sorted_time[s], tape.sorted_neuron[s] = s, times[s], neurons[s]
    return count, events


@inner(**BARE)
def _continue(c, state, j, now, v, i):  # type: ignore[no-untyped-def]
    """Give a neuron its state after an event, and foresee its next spike."""
    state[j, _V], state[j, _I], state[j, _NOW], state[j, _SPIKE] = v, i, now, math.inf
    if i <= c.theta or i <= v:
        return
    # V is largest where it meets I, which is quickly found; most neurons do not reach theta there.
    top = min(time_to_top(v, i, c), c.end - now)
    a, b = math.exp(-top / c.tau_m), math.exp(-top / c.tau_s)
    highest = v * a + i * response(top, a, b, c)
    if highest < c.theta:
        return
    h, _, _ = crossing(v, i, top, highest, a, b, c)
    if h >= 0.0:
        state[j, _SPIKE] = min(now + h, c.end)


@inner(**BARE)
def _schedule(state, j):  # type: ignore[no-untyped-def]
    """When the next event of a neuron is."""
    state[j, _NEXT] = min(state[j, _SPIKE], min(state[j, _OWN], state[j, _INPUT]))


@inner(**BARE)
def _winner(state, j, m):  # type: ignore[no-untyped-def]
    """Of two neurons that with the earlier event; of events at the same time a spike, and then the first neuron."""
    if j < 0 or m < 0:
        return max(j, m)
    if state[j, _NEXT] != state[m, _NEXT]:
        return j if state[j, _NEXT] < state[m, _NEXT] else m
    j_spikes, m_spikes = state[j, _SPIKE] <= state[j, _NEXT], state[m, _SPIKE] <= state[m, _NEXT]
    if j_spikes != m_spikes:
        return j if j_spikes else m
    return min(j, m)


@inner(**BARE)
def _play(state, tree, half, j):  # type: ignore[no-untyped-def]
    """Play a neuron's games again."""
    k = (half + j) // 2
    while k >= 1:
        tree[k] = _winner(state, tree[2 * k], tree[2 * k + 1])
        k //= 2


@inner(**BARE)
def _push(times, spikes, j, n, time, spike):  # type: ignore[no-untyped-def]
    """Add an arrival to a neuron's heap of n; of arrivals at the same time the earlier spike comes first."""
    k = n
    while k > 0:
        above = (k - 1) // 2
        if times[j, above] < time or (times[j, above] == time and spikes[j, above] < spike):
            break
        times[j, k], spikes[j, k] = times[j, above], spikes[j, above]
        k = above
    times[j, k], spikes[j, k] = time, spike


@inner(**BARE)
def _pop(times, spikes, j, n):  # type: ignore[no-untyped-def]
    """Take the first arrival from a neuron's heap, of which n are left."""
    time, spike, k = times[j, n], spikes[j, n], 0
    while 2 * k + 1 < n:
        below = 2 * k + 1
        if below + 1 < n and (
            times[j, below + 1] < times[j, below]
            or (times[j, below + 1] == times[j, below] and spikes[j, below + 1] < spikes[j, below])
        ):
            below += 1
        if time < times[j, below] or (time == times[j, below] and spike < spikes[j, below]):
            break
        times[j, k], spikes[j, k] = times[j, below], spikes[j, below]
        k = below
    times[j, k], spikes[j, k] = time, spike


@inner(**BARE)
def backward_tangled(c, own, tape, lone, W, R, by, n_events, events):  # type: ignore[no-untyped-def]
    """Adjoint pass: events in reverse, each neuron from event to event; how often I - theta was below the floor.

    It needs the constants that the forward pass has left in `state`.
    """
    lV, lI, state, segment = tape.lV, tape.lI, lone.state, lone.segment
    in_error, error, in_neuron, neurons = tape.in_error, tape.error, tape.in_neuron, tape.neuron
    lV[:] = 0.0
    lI[:] = 0.0
    in_error[:n_events] = 0.0
    clipped = 0
    for k in range(events - 1, -1, -1):
        j, e = lone.at[k], lone.code[k]
        own_c = _constants(state, j, c)
        lv, li = lV[j], lI[j]
        if e < 0:
            s = -1 - e
            gap = tape.current[s] - own_c.theta
            if gap < c.floor:
                gap = c.floor
                clipped += 1
            lv += (own_c.theta * lv + error[s]) / gap
        elif e < n_events:
            source = in_neuron[e]
            by.weights[source, j] -= own_c.tau_s * li
            back = W[source, j] * (lv - li)
            in_error[e] += back
            add_delay(by.delays, source, j, back)
        else:
            s = e - n_events
            source = neurons[s]
            by.loops[source, j] -= own_c.tau_s * li
            back = R[source, j] * (lv - li)
            error[s] += back
            add_delay(by.loop_delays, source, j, back)
        h, v, i = segment[k, _H], segment[k, _V0], segment[k, _I0]
        a, b = math.exp(-h / own_c.tau_m), math.exp(-h / own_c.tau_s)
        g = response(h, a, b, own_c)
        if own.learned:
            by_m, by_s = by_constants(lv, li, v, i, h, a, b, g, own_c)
            by.tau_m[j] += by_m
            by.tau_s[j] += by_s
        lI[j] = li * b + lv * g * (own_c.tau_m / own_c.tau_s)
        lV[j] = lv * a
    return clipped
