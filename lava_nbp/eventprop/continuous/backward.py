"""Kernels that run a layer backward through a sample: adjoint state, gradient, errors sent back."""

from __future__ import annotations

from lava_nbp.base.compiled import BARE, inner

# The first two are called for every event: they get the few arrays that they need, since handing over a whole
# Tape costs more than they do. The order of a sum is left to the compiler, once and for all: results do not
# change from run to run.


@inner(**BARE, fastmath={"reassoc", "contract"})
def _add_event(lV, lI, row, gradient, tau_s):  # type: ignore[no-untyped-def]
    """Add to the gradient of an input event's row; return the error that goes back to the event."""
    back = 0.0
    for j in range(row.shape[0]):
        gradient[j] -= tau_s * lI[j]
        back += row[j] * (lV[j] - lI[j])
    return back


@inner(**BARE)
def _add_to_gradient(lI, gradient, tau_s):  # type: ignore[no-untyped-def]
    """As `_add_event`, where nobody asks for the error."""
    for j in range(gradient.shape[0]):
        gradient[j] -= tau_s * lI[j]


@inner(**BARE)
def _flow_back(lV, lI, a, b, g):  # type: ignore[no-untyped-def]
    """Adjoint state of all neurons from the end of an interval to its beginning."""
    for j in range(lV.shape[0]):
        lI[j] = lI[j] * b + lV[j] * g
        lV[j] *= a


@inner(**BARE)
def backward_spiking(c, tape, W, by_W, n_events, n_spikes, asked):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer of spiking neurons; returns how often I - theta was below the floor.

    asked: whether the errors that go back to the input spikes are.
    """
    lV, lI, in_error, last = tape.lV, tape.lI, tape.in_error, tape.last
    lV[:] = 0.0
    lI[:] = 0.0
    last[:] = -1  # from here on: -2 marks neurons that spike in the interval at hand
    in_error[:n_events] = 0.0
    if n_spikes == 0:
        return 0
    ratio = c.tau_m / c.tau_s
    clipped = 0
    rank = n_spikes - 1  # of the latest spike not yet taken
    for e in range(tape.interval[tape.order[rank]], -1, -1):
        low = rank
        while low >= 0 and tape.interval[tape.order[low]] == e:
            s = tape.order[low]
            j = tape.neuron[s]
            if last[j] == -1:  # its latest spike here: back to it from the end of the interval
                last[j] = -2
                li = lI[j] * tape.behind[s, 1] + lV[j] * tape.behind[s, 2] * ratio
                lv = lV[j] * tape.behind[s, 0]
            else:
                lv, li = tape.V[j], tape.I[j]
            gap = tape.current[s] - c.theta
            if gap < c.floor:
                gap = c.floor
                clipped += 1
            lv += (c.theta * lv + tape.error[low]) / gap
            # Kept aside, in arrays that the forward pass needs no more, while all others flow.
            tape.I[j] = li * tape.before[s, 1] + lv * tape.before[s, 2] * ratio
            tape.V[j] = lv * tape.before[s, 0]
            low -= 1
        _flow_back(lV, lI, tape.flow[e, 0], tape.flow[e, 1], tape.flow[e, 2] * ratio)
        for k in range(low + 1, rank + 1):
            j = tape.neuron[tape.order[k]]
            lV[j], lI[j] = tape.V[j], tape.I[j]
            last[j] = -1
        rank = low
        source = tape.in_neuron[e]
        if asked:
            in_error[e] = _add_event(lV, lI, W[source], by_W[source], c.tau_s)
        else:
            _add_to_gradient(lI, by_W[source], c.tau_s)
    return clipped


@inner(**BARE)
def backward_recurrent(c, tape, W, by_W, R, by_R, n_merged):  # type: ignore[no-untyped-def]
    """Adjoint pass of a recurrent layer; returns how often I - theta was below the floor."""
    lV, lI = tape.lV, tape.lI
    lV[:] = 0.0
    lI[:] = 0.0
    ratio = c.tau_m / c.tau_s
    clipped = 0
    for m in range(n_merged - 1, -1, -1):
        _flow_back(lV, lI, tape.flow[m, 0], tape.flow[m, 1], tape.flow[m, 2] * ratio)
        e = tape.merged[m]
        if e >= 0:
            source = tape.in_neuron[e]
            tape.in_error[e] = _add_event(lV, lI, W[source], by_W[source], c.tau_s)
            continue
        s = -1 - e
        j = tape.neuron[s]
        tape.error[s] += _add_event(lV, lI, R[j], by_R[j], c.tau_s)
        gap = tape.current[s] - c.theta
        if gap < c.floor:
            gap = c.floor
            clipped += 1
        lV[j] += (c.theta * lV[j] + tape.error[s]) / gap
    return clipped


@inner(**BARE)
def backward_leaky(c, tape, W, by_W, n_events, by_peaks):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer that only integrates: an impulse at every neuron's maximum."""
    lV, lI, in_error = tape.lV, tape.lI, tape.in_error
    lV[:] = 0.0
    lI[:] = 0.0
    in_error[:n_events] = 0.0
    n = W.shape[1]
    latest = -1
    for j in range(n):
        latest = max(latest, tape.interval[j])
        if tape.interval[j] >= 0 and tape.previous[j] >= 0:
            # The maximum moves with the spike that ends the rise.
            in_error[tape.previous[j]] += by_peaks[j] * tape.current[j]
    ratio = c.tau_m / c.tau_s
    for e in range(latest, -1, -1):
        _flow_back(lV, lI, tape.flow[e, 0], tape.flow[e, 1], tape.flow[e, 2] * ratio)
        for j in range(n):
            if tape.interval[j] == e:
                impulse = -by_peaks[j] / c.tau_m
                lI[j] += impulse * tape.before[j, 2] * ratio
                lV[j] += impulse * tape.before[j, 0]
        source = tape.in_neuron[e]
        in_error[e] += _add_event(lV, lI, W[source], by_W[source], c.tau_s)
