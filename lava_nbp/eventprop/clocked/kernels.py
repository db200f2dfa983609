"""The compiled kernels of the clocked engine: one layer of one sample, step by step, in integers.

The arithmetic is that of `lava_nbp.eventprop.clocked.arithmetic`, written out once more for the compiler; tests prove
the two equal in every step. A layer is run through all its steps before the next: spikes go forward, or back to their
own layer, where they act in the next step, as those of the layer before do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lava_nbp.base.compiled import inner, kernel
from lava_nbp.eventprop.clocked.arithmetic import CHIP_DECAY_BITS, REGISTER_MAX, FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.losses import LATER_BITS


class Coefficients(NamedTuple):
    """What the kernels need of a `FixedPoint`."""

    steps: int
    alpha: int
    beta: int
    gamma: int
    gamma_back: int
    sent_V: int
    sent_I: int
    bits: int
    theta: int  #: the least voltage that spikes
    theta_bits: int
    floor: int
    slope: int  #: tau_m / dt
    slope_bits: int
    limit: int  #: of a register
    most: int  #: of a current
    on_chip: bool  #: neurons are those of the chips
    keep_u: int  #: of a chip: 4096ths of u that are left after a step
    keep_v: int
    reach: int  #: of a chip: how many times u v may still grow

    @classmethod
    def of(cls, c: FixedPoint) -> Coefficients:
        """The coefficients of an arithmetic."""
        return cls(
            c.steps, c.alpha, c.beta, c.gamma, c.gamma_back, c.sent_V, c.sent_I, c.coefficient_bits, c.threshold,
            c.theta_bits, c.floor_units, c.slope, c.slope_bits, REGISTER_MAX, c.largest_current, c.on_chip,
            c.keep_u, c.keep_v, c.reach,
        )  # fmt: skip


class Spikes(NamedTuple):
    """Input spikes of a layer, in the order of time; only the first n count."""

    step: Int64Array
    source: Int64Array
    n: int
    late: int  #: steps until they act: 1 for spikes of the layer before, which come at the end of a step


class Tape(NamedTuple):
    """What a layer keeps of a sample for the way back: its spikes, with one value each, and the state at hand."""

    V: Int64Array  #: (n,)
    V_before: Int64Array  #: (n,) at the beginning of the step
    I: Int64Array  # noqa: E741 - the paper's symbol
    lV: Int64Array
    lI: Int64Array
    sent: Int64Array  #: (n,) to the spikes that came in a step
    step: Int64Array  #: (spikes,) in the order of time
    neuron: Int64Array
    rise: Int64Array
    error: Int64Array  #: (spikes,) that reaches each spike from behind
    peak: Int64Array  #: (n,) largest V, of neurons that do not spike
    peak_step: Int64Array  #: (n,) its step, or -1
    impulse: Int64Array  #: (n,) on lV at that step, or over the whole trial
    sum: Int64Array  #: (n,) of V, times how much each step counts
    overflowed: Int64Array  #: (1,) how often a chip's current wrapped, or a voltage was saturated

    @classmethod
    def make(cls, n: int, cap: int) -> Tape:
        """Room for so many neurons and spikes."""
        per_spike = ("step", "neuron", "rise", "error")
        sizes = {name: cap if name in per_spike else n for name in cls._fields} | {"overflowed": 1}
        return cls(**{name: np.zeros(size, dtype=np.int64) for name, size in sizes.items()})

    @staticmethod
    def bytes(n: int, cap: int) -> int:
        """Memory that it takes."""
        return 8 * (4 * cap + 10 * n)


class Rest(NamedTuple):
    """What the kernels need of a layer with refractory periods; without, they get None, and are compiled without."""

    steps: int  #: in which V is 0 after a spike
    until: Int64Array  #: (n,) the last step of a neuron's period
    began: Int64Array  #: (n,) which spike began it
    rise: Int64Array  #: (spikes,) of V, in the step behind each period

    @classmethod
    def make(cls, n: int, cap: int, steps: int) -> Rest | None:
        """Room for so many neurons and spikes, if there are such periods."""
        return cls(steps, *(np.zeros(size, dtype=np.int64) for size in (n, n, cap))) if steps else None

    @staticmethod
    def bytes(n: int, cap: int, steps: int) -> int:
        """Memory that it takes."""
        return 8 * (cap + 2 * n) if steps else 0


class Layer(NamedTuple):
    """A layer of neurons and the weights in front of it."""

    weights: Int64Array  #: (pre, post) that spikes meet
    loop: Int64Array  #: (n, n) that its own spikes meet, or (0, 0)
    tape: Tape
    spiking: bool  #: else it only integrates
    output: bool  #: largest voltages matter
    mean: Int64Array  #: (2, T + 1) how much each step's V counts, and the share of it and those behind; (0, 0): no mean


class Seen(NamedTuple):
    """Voltage and current (T, n), or their adjoint variables, that a kernel notes in every step; (0, 0): none."""

    V: Int64Array
    I: Int64Array  # noqa: E741 - the paper's symbol


#: Results of `forward` instead of a number of spikes.
TOO_MANY_SPIKES, OVERFLOW = -1, -2


@kernel
def forward(c, layer, spikes, seen, delays, rest):  # type: ignore[no-untyped-def]
    """Run a layer; the number of its spikes, or what went wrong. `delays` and `rest` may be None."""
    # Names of their own for what the loops use: the compiler then keeps them in registers.
    tape, w, spiking, output = layer.tape, layer.weights, layer.spiking, layer.output
    V, I, V_before, peak = tape.V, tape.I, tape.V_before, tape.peak  # noqa: E741
    event_step, event_source, n_events, late = spikes
    loop, recurrent = layer.loop, layer.loop.shape[0] > 0
    mean, averaged, sums = layer.mean, layer.mean.shape[0] > 0, tape.sum
    V[:] = 0
    sums[:] = 0
    I[:] = 0
    peak[:] = 0
    tape.peak_step[:] = -1
    n = V.shape[0]
    half, half_slope = 1 << (c.bits - 1), 1 << (c.slope_bits - 1)
    record = seen.V.shape[0] > 0
    overflowed = 0
    if rest is not None:
        rest.until[:] = -2
        awake = -1  # all are, behind this step
    count, e, heard, until = 0, 0, 0, -1  # nothing more is on its way behind step `until`
    if delays is not None:
        coming = delays.ring[0]
        coming[:] = 0
        depth = coming.shape[0]
    start = event_step[0] + late if n_events > 0 else c.steps
    if record:
        start = 0
    for k in range(start, c.steps):
        if c.on_chip:
            for j in range(n):
                I[j] = _toward_zero(I[j] * c.keep_u)
        arrived = False
        while e < n_events and event_step[e] + late == k:
            source = event_source[e]
            row = w[source]
            if delays is None:
                for j in range(n):
                    I[j] += row[j]
            else:
                _delay(coming, k, row, delays.forward[source])
                until = k + depth - 1
            e += 1
            arrived = True
        while recurrent and heard < count:  # its own spikes of the step before
            source = tape.neuron[heard]
            row = loop[source]
            if delays is None:
                for j in range(n):
                    I[j] += row[j]
            else:
                _delay(coming, k, row, delays.loop[source])
                until = k + depth - 1
            heard += 1
            arrived = True
        if delays is not None:  # noqa: SIM102 - where it is None, the compiler leaves out what stands alone
            if k <= until:
                now = coming[k % depth]
                for j in range(n):
                    I[j] += now[j]
                now[:] = 0
                arrived = True
        if arrived:
            largest = 0
            for j in range(n):
                largest = max(largest, abs(I[j]))
            if largest > c.most:
                return OVERFLOW
        crossed = False
        if c.on_chip:
            for j in range(n):
                V_before[j] = V[j]
                i = I[j]
                round_ = int(i <= -c.limit - 1) - int(i > c.limit + 1)
                i += 2 * (c.limit + 1) * round_
                full = _toward_zero(V[j] * c.keep_v) + i
                v = min(max(full, -c.limit), c.limit)
                overflowed += abs(round_) + int(v != full)
                V[j] = v
                I[j] = i
                crossed |= v >= c.theta
        else:
            for j in range(n):
                V_before[j] = V[j]
                v = (c.alpha * V[j] + c.gamma * I[j] + half) >> c.bits
                V[j] = v
                I[j] = (c.beta * I[j] + half) >> c.bits
                crossed |= v >= c.theta
        if rest is not None:  # noqa: SIM102 - as above
            if k <= awake:
                crossed = False
                for j in range(n):
                    if rest.until[j] >= k:
                        overflowed -= int(I[j] > c.limit)  # all that there was of V, which was saturated then
                        V[j] = 0
                    elif rest.until[j] == k - 1:
                        risen = (V[j] * c.slope + half_slope) >> c.slope_bits
                        rest.rise[rest.began[j]] = min(max(risen, -c.limit), c.limit)
                    crossed |= V[j] >= c.theta
        if spiking and crossed:
            for j in range(n):
                if V[j] >= c.theta:
                    if count == tape.step.shape[0]:
                        return TOO_MANY_SPIKES
                    tape.step[count] = k
                    tape.neuron[count] = j
                    risen = ((V[j] - V_before[j]) * c.slope + half_slope) >> c.slope_bits
                    tape.rise[count] = min(max(risen, -c.limit), c.limit)
                    if rest is not None:
                        rest.until[j], rest.began[j], rest.rise[count] = k + rest.steps, count, 0
                        awake = k + rest.steps + 1
                    count += 1
                    V[j] = 0
        if output:
            for j in range(n):
                if V[j] > peak[j]:
                    peak[j] = V[j]
                    tape.peak_step[j] = k
        if averaged:
            for j in range(n):
                sums[j] += mean[0, k] * V[j]
        if record:
            for j in range(n):
                seen.V[k, j], seen.I[k, j] = V[j], I[j]
        elif averaged or e < n_events or (recurrent and heard < count) or k < until:
            continue
        elif _is_over(c, V, I, peak, output):
            if rest is not None:  # noqa: SIM102
                if k < awake:
                    continue
            break
    tape.overflowed[0] = overflowed
    return count


@inner
def _delay(coming, k, row, steps):  # type: ignore[no-untyped-def]
    """A spike in step k is on its way to every neuron."""
    for j in range(row.shape[0]):
        coming[(k + steps[j]) % coming.shape[0], j] += row[j]


@inner
def _is_over(c, V, I, peak, peaks):  # type: ignore[no-untyped-def]  # noqa: E741
    """Whether nothing can happen any more without input: V stays below the larger of V and I, and I falls.

    A chip's v grows by u in every step.
    """
    for j in range(V.shape[0]):
        if c.on_chip:
            most = max(V[j], 0) + max(I[j], 0) * c.reach
            if most >= c.theta or (peaks and most > peak[j]):
                return False
            if min(V[j], 0) + min(I[j], 0) * c.reach < -c.limit:  # may still be saturated, which is counted
                return False
        elif I[j] > c.theta or (peaks and max(V[j], I[j]) > peak[j]):
            return False
    return True


@inner
def _toward_zero(x):  # type: ignore[no-untyped-def]
    """x / 2**12, cut towards 0, as a chip decays; without a branch: -1 >> 63 has all bits, and a shift rounds down."""
    return (x + ((x >> 63) & ((1 << CHIP_DECAY_BITS) - 1))) >> CHIP_DECAY_BITS


@kernel
def backward(c, layer, gradient, loop_gradient, spikes, n_spikes, errors, seen, delays, rest):  # type: ignore[no-untyped-def]
    """Adjoint pass of a layer that had so many spikes; how many denominators were at the floor, and values saturated.

    The gradients get -lI, and errors of its own spikes what comes back to them; `errors` (spikes,) the error of every
    input spike, unless it is empty: nobody asks for it.
    `delays` and `rest` may be None.
    """
    tape, w, loop, recurrent = layer.tape, layer.weights, layer.loop, layer.loop.shape[0] > 0
    lV, lI, impulse, peak_step = tape.lV, tape.lI, tape.impulse, tape.peak_step
    mean, averaged = layer.mean, layer.mean.shape[0] > 0
    spike_step, (event_step, event_source, n_events, late) = tape.step, spikes
    sent = tape.sent
    learns, learns_loop = False, False
    if delays is not None:
        learns, learns_loop = delays.by_forward.shape[0] > 0, delays.by_loop.shape[0] > 0
        past_lI, past_sent = delays.ring[1], delays.ring[2]
        delays.ring[:] = 0
        depth = past_lI.shape[0]
    lV[:] = 0
    lI[:] = 0
    sent[:] = 0
    n = lV.shape[0]
    half = 1 << (c.bits - 1)
    record, back = seen.V.shape[0] > 0, errors.shape[0] > 0
    clipped, saturated = 0, 0
    s, e, heard = n_spikes - 1, n_events - 1, n_spikes - 1
    if rest is not None:
        asleep = n_spikes - 1
    while e >= 0 and event_step[e] + late >= c.steps:  # came after the last step
        if back:
            errors[e] = 0
        e -= 1
    while heard >= 0 and spike_step[heard] + 1 >= c.steps:
        heard -= 1
    start = spike_step[s] if s >= 0 else -1
    for j in range(n):
        if impulse[j] != 0:
            start = max(start, c.steps - 1 if averaged else peak_step[j])
    if record:
        start = c.steps - 1
    for k in range(c.steps - 1, -1, -1):
        if k <= start:
            while s >= 0 and spike_step[s] == k:
                j = tape.neuron[s]
                gap = tape.rise[s]
                if gap < c.floor:
                    gap = c.floor
                    clipped += 1
                v = lV[j] + ((lV[j] + tape.error[s]) << c.theta_bits) // gap
                if abs(v) > c.limit:
                    v = c.limit if v > 0 else -c.limit
                    saturated += 1
                lV[j] = v
                s -= 1
            if averaged:
                for j in range(n):
                    lV[j] += (impulse[j] * mean[1, k] >> LATER_BITS) - (impulse[j] * mean[1, k + 1] >> LATER_BITS)
            else:
                for j in range(n):
                    if impulse[j] != 0 and peak_step[j] == k:
                        lV[j] += impulse[j]
            if rest is not None:
                while asleep >= 0 and spike_step[asleep] + rest.steps + 1 > k:
                    asleep -= 1
                woken = asleep
                while asleep >= 0 and spike_step[asleep] + rest.steps + 1 == k:
                    later, outside = _as_error(c, lV[tape.neuron[asleep]] * rest.rise[asleep])
                    tape.error[asleep] += later
                    saturated += outside
                    asleep -= 1
            if back or recurrent or learns:
                for j in range(n):
                    sent[j] = (c.sent_V * lV[j] - c.sent_I * lI[j] + half) >> c.bits
            outside = 0
            for j in range(n):
                i = (c.beta * lI[j] + c.gamma_back * lV[j] + half) >> c.bits
                outside += abs(i) > c.limit
                lI[j] = min(max(i, -c.limit), c.limit)
                lV[j] = (c.alpha * lV[j] + half) >> c.bits
            saturated += outside
            if rest is not None:
                for at in range(asleep + 1, woken + 1):
                    lV[tape.neuron[at]] = 0  # V was held before
            if delays is not None:
                past_lI[k % depth], past_sent[k % depth] = lI, sent
        while e >= 0 and event_step[e] + late == k:
            source = event_source[e]
            g = gradient[source]
            if delays is None:
                for j in range(n):
                    g[j] -= lI[j]
            else:
                when = delays.forward[source]
                _learn_late(g, past_lI, k, when)
                if learns:
                    saturated += _learn_delays(c, delays.by_forward[source], w[source], past_sent, k, when)
            if back:
                if delays is None:
                    errors[e], outside = _error(c, w[source], sent)
                else:
                    errors[e], outside = _late_error(c, w[source], past_sent, k, when)
                saturated += outside
            e -= 1
        while recurrent and heard >= 0 and spike_step[heard] + 1 == k:
            source = tape.neuron[heard]
            g = loop_gradient[source]
            if delays is None:
                for j in range(n):
                    g[j] -= lI[j]
                error, outside = _error(c, loop[source], sent)
            else:
                when = delays.loop[source]
                _learn_late(g, past_lI, k, when)
                if learns_loop:
                    saturated += _learn_delays(c, delays.by_loop[source], loop[source], past_sent, k, when)
                error, outside = _late_error(c, loop[source], past_sent, k, when)
            tape.error[heard] += error
            saturated += outside
            heard -= 1
        if record:
            for j in range(n):
                seen.V[k, j], seen.I[k, j] = lV[j], lI[j]
    return clipped, saturated


@inner
def _error(c, row, sent):  # type: ignore[no-untyped-def]
    """The error of a spike that met these weights, and whether it was saturated."""
    total = 0
    for j in range(row.shape[0]):
        total += row[j] * min(max(sent[j], -c.limit), c.limit)
    return _as_error(c, total)


@inner
def _as_error(c, total):  # type: ignore[no-untyped-def]
    """A sum as an error, and whether it was saturated."""
    error = (total + (1 << (c.theta_bits - 1))) >> c.theta_bits
    return min(max(error, -c.limit), c.limit), int(abs(error) > c.limit)


@inner
def _learn_late(gradient, past, k, steps):  # type: ignore[no-untyped-def]
    """The gradient of a spike of step k gets -lI of the steps in which it acted."""
    for j in range(steps.shape[0]):
        gradient[j] -= past[(k + steps[j]) % past.shape[0], j]


@inner
def _learn_delays(c, gradient, row, past, k, steps):  # type: ignore[no-untyped-def]
    """The gradient of a spike's delays gets w d of the steps in which it acted; how many products were saturated."""
    outside, last = 0, gradient.shape[0] - 1  # a source's delays have one gradient
    for j in range(row.shape[0]):
        d = min(max(past[(k + steps[j]) % past.shape[0], j], -c.limit), c.limit)
        part, beyond = _as_error(c, row[j] * d)
        gradient[min(j, last)] += part
        outside += beyond
    return outside


@inner
def _late_error(c, row, past, k, steps):  # type: ignore[no-untyped-def]
    """As `_error`, of a spike of step k that acted so many steps later."""
    total = 0
    for j in range(row.shape[0]):
        total += row[j] * min(max(past[(k + steps[j]) % past.shape[0], j], -c.limit), c.limit)
    return _as_error(c, total)
