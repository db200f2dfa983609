"""What neurons and synapses of a layer have of their own: constants, delays, and derivatives by both."""

from __future__ import annotations

from lava_nbp.base.compiled import BARE, inner
from lava_nbp.eventprop.continuous.state import Constants
from lava_nbp.eventprop.equations import AT_THRESHOLD

#: As in `equations.twice_filtered`.
_SMALL, _TERMS = 0.5, 18


@inner(**BARE)
def constants_of(c, own, j):  # type: ignore[no-untyped-def]
    """As `Constants.of`, for one neuron of a layer."""
    tau_m, tau_s, theta = own.tau_m[j], own.tau_s[j], own.theta[j]
    ratio = tau_m / tau_s
    nearly = abs(ratio - 1.0) < 0.5
    kappa = 0.0 if nearly else tau_s / (tau_m - tau_s)
    delta = (tau_m - tau_s) * (1.0 / tau_m) * (1.0 / tau_s)
    # Constants of one's own are seldom in a ratio that makes the crossing a polynomial: power 0.
    return Constants(tau_m, tau_s, theta, theta * AT_THRESHOLD, c.floor, c.end, delta, kappa, nearly, 0, 0.0)


@inner(**BARE)
def delay_of(delays, i, j):  # type: ignore[no-untyped-def]
    """Of a synapse: a column for each neuron behind, or one for all."""
    if delays.shape[0] == 0:
        return 0.0
    return delays[i, j if delays.shape[1] > 1 else 0]


@inner(**BARE)
def add_delay(by_delays, i, j, error):  # type: ignore[no-untyped-def]
    """Add the error of an arrival to the gradient of its delay."""
    if by_delays.shape[0] > 0:
        by_delays[i, j if by_delays.shape[1] > 1 else 0] += error


@inner(**BARE)
def by_filters(h, a, b, g, c):  # type: ignore[no-untyped-def]
    """As `equations.twice_filtered`."""
    x = h * c.delta
    if abs(x) < _SMALL:
        series = 0.0
        for k in range(_TERMS, 1, -1):
            series = (1.0 - x * series) / k
        twice = h * h / c.tau_m * a * series
        return twice, h * g - twice
    kappa = c.tau_s / (c.tau_m - c.tau_s)
    return kappa * (h * a - c.tau_m * g), kappa * (c.tau_m * g - h * b)


@inner(**BARE)
def by_constants(lv, li, v, i, h, a, b, g, c):  # type: ignore[no-untyped-def]
    """Derivatives by tau_m and tau_s of a segment of h ms, from V and I to the adjoint state at its end.

    As `equations.flow_by_constants`, with dL/dV = -tau_m lV and dL/dI = -tau_s lI.
    """
    twice_m, twice_s = by_filters(h, a, b, g, c)
    by_v = -c.tau_m * lv
    by_m = by_v * (h * v * a - i * (c.tau_m * g - twice_m)) / c.tau_m**2
    return by_m, (by_v * i * twice_s - c.tau_s * li * i * h * b) / c.tau_s**2


@inner(**BARE)
def sort_arrivals(tape, lone, delays, j, n_events, end):  # type: ignore[no-untyped-def]
    """Put the input spikes in the order in which they arrive at a neuron; how many do before the end."""
    order, times = lone.arrival[j], tape.in_time
    if delays.shape[0] == 0:
        for e in range(n_events):
            order[e] = e
        return n_events
    count = 0
    when = lone.when
    for e in range(n_events):
        time = times[e] + delay_of(delays, tape.in_neuron[e], j)
        if time <= end:
            when[count] = time
            order[count] = e
            count += 1
    sort_by_time(when, order, count)
    return count


@inner(**BARE)
def sort_by_time(when, order, n):  # type: ignore[no-untyped-def]
    """Sort by time, and by number where times are equal, in place: Shell's sort, with Ciura's gaps."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for k in range(gap, n):
            time, number = when[k], order[k]
            m = k
            while m >= gap and (when[m - gap] > time or (when[m - gap] == time and order[m - gap] > number)):
                when[m], order[m] = when[m - gap], order[m - gap]
                m -= gap
            when[m], order[m] = time, number
