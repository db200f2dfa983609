"""What is read from neurons that only integrate, beside their largest voltage: means over the trial, or single times.

Both are linear in the input spikes, since voltages add up: the sum over the spikes of w share(t). A share is what one
spike of weight 1 adds. Every neuron may have several numbers read, one for each reading time.
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import inner
from lava_nbp.eventprop.continuous.crossing import response
from lava_nbp.eventprop.continuous.own import add_delay, by_filters, constants_of, delay_of


@inner
def share_of(c, criterion, m, time):  # type: ignore[no-untyped-def]
    """Share of a spike at a time in the reading m, and its derivative by that time, 1/ms."""
    if criterion.times.shape[0] > 0:
        h = criterion.times[m] - time
        if h <= 0.0:
            return 0.0, 0.0
        b = math.exp(-h / c.tau_s)
        g = response(h, math.exp(-h / c.tau_m), b, c)
        return g, (g - b) / c.tau_m
    fading, left = criterion.fading, c.end - time
    of_m, of_s = 1.0 / c.tau_m + fading, 1.0 / c.tau_s + fading
    g = response(left, math.exp(-left / c.tau_m), math.exp(-left / c.tau_s), c)
    # The integral of exp(-fading h) response(h), by parts: what comes in, less what is left at the end.
    integral = (-math.expm1(-left * of_s) / (of_s * c.tau_m) - math.exp(-fading * left) * g) / of_m
    share = criterion.norm * math.exp(-fading * time) * integral
    return share, -criterion.norm * math.exp(-fading * c.end) * g - fading * share


@inner
def share_by_constants(c, criterion, m, time):  # type: ignore[no-untyped-def]
    """Derivatives of a share by tau_m and tau_s, 1/ms."""
    h = c.end - time
    if criterion.times.shape[0] > 0:
        h = criterion.times[m] - time
        if h <= 0.0:
            return 0.0, 0.0
    a, b = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
    g = response(h, a, b, c)
    twice_m, twice_s = by_filters(h, a, b, g, c)
    g_by_m, g_by_s = -(c.tau_m * g - twice_m) / c.tau_m**2, twice_s / c.tau_s**2
    if criterion.times.shape[0] > 0:
        return g_by_m, g_by_s
    fading = criterion.fading
    of_m, of_s, fades = 1.0 / c.tau_m + fading, 1.0 / c.tau_s + fading, math.exp(-fading * h)
    came = -math.expm1(-h * of_s) / of_s
    integral = (came / c.tau_m - fades * g) / of_m
    by_m = (integral - came) / c.tau_m**2 - fades * g_by_m
    by_s = (came - h * math.exp(-h * of_s)) / (of_s * c.tau_m * c.tau_s**2) - fades * g_by_s
    scale = criterion.norm * math.exp(-fading * time) / of_m
    return scale * by_m, scale * by_s


@inner
def forward_read(c, criterion, tape, W, n_events, said):  # type: ignore[no-untyped-def]
    """What is read of a layer of neurons that are alike: all numbers of the first reading, then of the next."""
    said[:] = 0.0
    n = W.shape[1]
    for m in range(said.shape[0] // n):
        for e in range(n_events):
            share, _ = share_of(c, criterion, m, tape.in_time[e])
            row = W[tape.in_neuron[e]]
            for j in range(n):
                said[m * n + j] += row[j] * share


@inner
def backward_read(c, criterion, tape, W, by_W, n_events, by_said):  # type: ignore[no-untyped-def]
    """Gradient and errors: every input spike counts by itself."""
    n = W.shape[1]
    tape.in_error[:n_events] = 0.0
    for m in range(by_said.shape[0] // n):
        for e in range(n_events):
            row, gradient = W[tape.in_neuron[e]], by_W[tape.in_neuron[e]]
            share, slope = share_of(c, criterion, m, tape.in_time[e])
            back = 0.0
            for j in range(n):
                gradient[j] += share * by_said[m * n + j]
                back += row[j] * by_said[m * n + j]
            tape.in_error[e] += back * slope


@inner
def forward_single_read(c, criterion, own, tape, W, n_events, said):  # type: ignore[no-untyped-def]
    """As `forward_read`, of neurons and synapses with constants or delays of their own."""
    n = W.shape[1]
    for j in range(n):
        own_c = constants_of(c, own, j)
        for m in range(said.shape[0] // n):
            total = 0.0
            for e in range(n_events):
                source = tape.in_neuron[e]
                time = tape.in_time[e] + delay_of(own.delays, source, j)
                if time <= c.end:
                    total += W[source, j] * share_of(own_c, criterion, m, time)[0]
            said[m * n + j] = total


@inner
def backward_single_read(c, criterion, own, tape, W, by, n_events, by_said):  # type: ignore[no-untyped-def]
    """As `backward_read`, with gradients by delays and constants."""
    n = W.shape[1]
    tape.in_error[:n_events] = 0.0
    for j in range(n):
        own_c = constants_of(c, own, j)
        for m in range(by_said.shape[0] // n):
            error = by_said[m * n + j]
            for e in range(n_events):
                source = tape.in_neuron[e]
                time = tape.in_time[e] + delay_of(own.delays, source, j)
                if time > c.end:
                    continue
                share, slope = share_of(own_c, criterion, m, time)
                by.weights[source, j] += error * share
                back = error * W[source, j] * slope
                tape.in_error[e] += back
                add_delay(by.delays, source, j, back)
                if own.learned:
                    by_m, by_s = share_by_constants(own_c, criterion, m, time)
                    by.tau_m[j] += error * W[source, j] * by_m
                    by.tau_s[j] += error * W[source, j] * by_s
