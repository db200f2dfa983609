"""Kernels of the spiking engine: every step, population, delay and refractory period of a circuit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.compiled import inner, kernel
from lava_nbp.base.integers import INPUT_HALF_RANGE
from lava_nbp.nbp.kernels import add_rows, add_runs, bits, changed, noise_of, skip
from lava_nbp.nbp.work import Counters

_HALF_RANGE = INPUT_HALF_RANGE


class Tables(NamedTuple):
    """A circuit as flat arrays: populations in order, their neurons one after the other."""

    first: NDArray[np.int64]  #: (P + 1,) first neuron of each population
    needed: NDArray[np.int64]  #: (P,) input above which it fires: threshold - bias
    refractory: NDArray[np.int64]  #: (P,)
    noise: NDArray[np.int64]  #: (P,) what raises `needed` is below this
    scheduled: NDArray[np.bool_]  #: (period, P)
    change: NDArray[np.int64]  #: (period, 3) what a plastic weight changes by for a spike of pre, of post, and of both
    learning: bool
    pairs_only: bool  #: nothing changes where only one end fires
    chip_order: bool  #: send, then learn
    fixed_first: NDArray[np.int64]  #: (P + 1,) first fixed connection by presynaptic population
    fixed_post: NDArray[np.int64]
    fixed_weight: NDArray[np.int32]
    fixed_delay: NDArray[np.int64]
    fixed_to_all: NDArray[np.bool_]
    fixed_to_one: NDArray[np.bool_]
    dense_first: NDArray[np.int64]  #: (P + 1,) first dense projection by presynaptic population
    dense_post: NDArray[np.int64]
    dense_offset: NDArray[np.int64]  #: where its weights start
    dense_what: NDArray[np.int64]  #: (D, 2) by which its changes are drawn, where it shrinks and where it grows
    dense_rows: NDArray[np.int64]  #: where its rows begin in `row_first`; -1: it has all synapses
    row_first: NDArray[np.int64]  #: first run of each row
    runs: NDArray[np.int64]  #: (runs, 3) first column, number of columns, place of the first weight
    dense_transposed: NDArray[np.bool_]
    source_first: NDArray[np.int64]  #: (S + 1,) columns of the external spikes
    source_post: NDArray[np.int64]
    source_phase: NDArray[np.int64]  #: phase in which the source's spikes leave
    source_weight: NDArray[np.int32]
    output: int  #: who answers
    output_phase: int  #: modulo the period
    summed: int  #: the last layer, whose input is shown
    sum_phase: int  #: in this phase, modulo the period
    sum_gate: int  #: what gating neurons add to its input then


class State(NamedTuple):
    """Everything that changes while a circuit runs."""

    arriving: NDArray[np.int32]  #: (slots, N) input by arrival time, a ring
    touched: NDArray[np.uint8]  #: (slots, P) whether anything arrives
    last: NDArray[np.int64]  #: (N,) step of the last spike
    fired: NDArray[np.uint32]  #: (N,) indices, within the population, of those that spiked in this step
    n_fired: NDArray[np.int64]  #: (P,)
    step: NDArray[np.int64]  #: (1,) steps done
    weights: NDArray[np.int16]  #: all dense projections, each (pre, post)
    counters: Counters
    block: NDArray[np.int16]  #: scratch
    key: NDArray[np.uint64]  #: (1,) of the epoch's draws


class EngineFaults(NamedTuple):
    """Faults as arrays; kernels get None instead where nothing is broken."""

    dead: NDArray[np.uint8]  #: (N,)
    frozen: NDArray[np.uint8]  #: one per dense synapse: keeps its weight
    gate: NDArray[np.uint8]  #: (P,) gating neurons
    dropped: float
    spurious: float
    pulse_loss: float
    seed: NDArray[np.uint64]  #: (1,) of the epoch
    first_gate: int  #: population g00
    second_gate: int
    link: int  #: weight with which the host starts the chain anew


@inner
def _draw(seed, step, neuron, salt):  # type: ignore[no-untyped-def]
    """A number in 0 .. 1 from seed, step and neuron."""
    return (bits(seed, step, neuron, salt) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inner
def _disturb(c, s, f, p, n):  # type: ignore[no-untyped-def]
    """What is left of the n spikes of population p, and those that come without reason; returns how many."""
    now, base = s.step[0], c.first[p]
    seed = f.seed[0]
    kept = 0
    for i in range(n):
        j = s.fired[base + i]
        lost = f.pulse_loss if f.gate[p] else f.dropped
        if not f.dead[base + j] and _draw(seed, now, base + j, 1) >= lost:
            s.fired[base + kept] = j
            kept += 1
    if f.spurious > 0 and not f.gate[p]:
        size, added = c.first[p + 1] - base, 0
        for j in range(size):
            if _draw(seed, now, base + j, 2) < f.spurious and not f.dead[base + j] and s.last[base + j] != now:
                s.fired[base + kept + added] = j
                s.last[base + j] = now
                added += 1
        kept += added
    return kept


@inner
def _start_anew(c, s, f):  # type: ignore[no-untyped-def]
    """At the end of a sample: if the pulse is gone, the host makes the second gating neuron fire next."""
    if s.n_fired[f.first_gate] == 0:
        slot = s.step[0] % s.arriving.shape[0]
        s.arriving[slot, c.first[f.second_gate]] = f.link
        s.touched[slot, f.second_gate] = 1


@inner
def _weight_of(c, k, row, column):  # type: ignore[no-untyped-def]
    """Place of the synapse from a row to a column of a projection with runs; -1 if there is none."""
    at = c.dense_rows[k] + row
    for q in range(c.row_first[at], c.row_first[at + 1]):
        behind = column - c.runs[q, 0]
        if 0 <= behind < c.runs[q, 1]:
            return c.dense_offset[k] + c.runs[q, 2] + behind
    return np.int64(-1)


@inner
def _learn_runs(c, s, f, skips, k, pre, post, change, sample):  # type: ignore[no-untyped-def]
    """dw = both * x0 * y0 of the synapses that there are, all or those drawn; returns how many were to change."""
    base, post_base = c.first[pre], c.first[post]
    n, m = s.n_fired[pre], s.n_fired[post]
    outer, within = (m, n) if c.dense_transposed[k] else (n, m)
    certain = skips.more[0] == 0
    what = c.dense_what[k, 1 if change > 0 else 0]
    left_out, drawn = (0, 0) if certain else skip(skips, s.key[0], sample, 0, what)
    asked = 0
    for a in range(outer):
        for b in range(within):
            i, j = (b, a) if c.dense_transposed[k] else (a, b)
            w = _weight_of(c, k, s.fired[base + i], s.fired[post_base + j])
            if w < 0:
                continue
            asked += 1
            if left_out > 0:
                left_out -= 1
                continue
            if not certain:
                left_out, drawn = skip(skips, s.key[0], sample, drawn, what)
            if f is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
                if f.frozen[w]:
                    continue
            s.weights[w] = np.int16(changed(s.weights[w], change))
    return asked


@inner(forceinline=True)
def _send(c, s, arrival, pre):  # type: ignore[no-untyped-def]
    """Deliver the spikes of population `pre` by its connections; `arrival` is the earliest slot."""
    slots = s.arriving.shape[0]
    n = s.n_fired[pre]
    base = c.first[pre]
    rows = s.fired[base : base + n]
    for k in range(c.fixed_first[pre], c.fixed_first[pre + 1]):
        post = c.fixed_post[k]
        slot = (arrival + c.fixed_delay[k]) % slots
        s.touched[slot, post] = 1
        target = s.arriving[slot, c.first[post] : c.first[post + 1]]
        weight = c.fixed_weight[k]
        if c.fixed_to_all[k]:
            for j in range(target.shape[0]):
                target[j] += weight
            s.counters.synaptic_events[0] += target.shape[0]
        elif c.fixed_to_one[k]:
            target[0] += weight * n
            s.counters.synaptic_events[0] += n
        else:
            for i in range(n):
                target[rows[i]] += weight
            s.counters.synaptic_events[0] += n
    slot = arrival % slots
    n_pre = c.first[pre + 1] - base
    for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
        post = c.dense_post[k]
        s.touched[slot, post] = 1
        target = s.arriving[slot, c.first[post] : c.first[post + 1]]
        offset = c.dense_offset[k]
        if c.dense_rows[k] >= 0:
            row_first, weights = c.row_first[c.dense_rows[k] :], s.weights[offset:]
            s.counters.synaptic_events[0] += add_runs(row_first, c.runs, weights, rows, n, s.block, target)
            continue
        W = s.weights[offset : offset + n_pre * target.shape[0]].reshape((n_pre, target.shape[0]))
        add_rows(W, rows, n, s.block, target)
        s.counters.synaptic_events[0] += n * target.shape[0]


@inner(forceinline=True)
def _learn(c, s, f, skips, phase):  # type: ignore[no-untyped-def]
    """dw = both * x0 * y0 of every plastic synapse, for rules that ask for both spikes."""
    change = np.int16(c.change[phase, 2])
    for pre in range(c.first.shape[0] - 1):
        n = s.n_fired[pre]
        if n == 0:
            continue
        base = c.first[pre]
        for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
            post = c.dense_post[k]
            m = s.n_fired[post]
            if m == 0 or change == 0:
                continue
            if c.dense_rows[k] >= 0:
                s.counters.updates[0] += _learn_runs(c, s, f, skips, k, pre, post, change, 0)
                continue
            post_base = c.first[post]
            n_post = c.first[post + 1] - post_base
            for i in range(n):
                offset = c.dense_offset[k] + s.fired[base + i] * n_post
                for j in range(m):
                    w = offset + s.fired[post_base + j]
                    if f is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
                        if f.frozen[w]:
                            continue
                    s.weights[w] = np.int16(changed(s.weights[w], change))
            s.counters.updates[0] += n * m


@inner
def _learn_at_random(c, s, f, skips, phase):  # type: ignore[no-untyped-def]
    """dw = both * x0 * y0 of some plastic synapses: those that are drawn, row by row of the matrix."""
    change = np.int16(c.change[phase, 2])
    sample = (s.step[0] - 1) // c.change.shape[0]
    for pre in range(c.first.shape[0] - 1):
        n = s.n_fired[pre]
        if n == 0 or change == 0:
            continue
        base = c.first[pre]
        for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
            post = c.dense_post[k]
            m = s.n_fired[post]
            if m == 0:
                continue
            if c.dense_rows[k] >= 0:
                s.counters.updates[0] += _learn_runs(c, s, f, skips, k, pre, post, change, sample)
                continue
            post_base = c.first[post]
            n_post = c.first[post + 1] - post_base
            what = c.dense_what[k, 1 if change > 0 else 0]
            at, drawn = skip(skips, s.key[0], sample, 0, what)
            while at < n * m:
                i, j = (at % n, at // n) if c.dense_transposed[k] else (at // m, at % m)
                w = c.dense_offset[k] + s.fired[base + i] * n_post + s.fired[post_base + j]
                left_out, drawn = skip(skips, s.key[0], sample, drawn, what)
                at += 1 + left_out
                if f is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
                    if f.frozen[w]:
                        continue
                s.weights[w] = np.int16(changed(s.weights[w], change))
            s.counters.updates[0] += n * m


@inner
def _learn_singly(c, s, f, phase):  # type: ignore[no-untyped-def]
    """dw = pre * x0 + post * y0 + both * x0 * y0: the spikes of a step as marks, and a look at every synapse."""
    for pre in range(c.first.shape[0] - 1):
        for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
            post = c.dense_post[k]
            if s.n_fired[pre] == 0 and s.n_fired[post] == 0:
                continue
            n_pre, n_post = c.first[pre + 1] - c.first[pre], c.first[post + 1] - c.first[post]
            x = np.zeros(n_pre, np.int64)
            y = np.zeros(n_post, np.int64)
            for i in range(s.n_fired[pre]):
                x[s.fired[c.first[pre] + i]] = 1
            for j in range(s.n_fired[post]):
                y[s.fired[c.first[post] + j]] = 1
            for i in range(n_pre):
                for j in range(n_post):
                    change = c.change[phase, 0] * x[i] + c.change[phase, 1] * y[j] + c.change[phase, 2] * x[i] * y[j]
                    w = c.dense_offset[k] + i * n_post + j if c.dense_rows[k] < 0 else _weight_of(c, k, i, j)
                    if change == 0 or w < 0:
                        continue
                    s.counters.updates[0] += 1
                    if f is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
                        if f.frozen[w]:
                            continue
                    s.weights[w] = np.int16(changed(s.weights[w], change))


@inner(forceinline=True)
def _fire(c, s, f, slot, phase):  # type: ignore[no-untyped-def]
    now = s.step[0]
    for p in range(c.first.shape[0] - 1):
        s.n_fired[p] = 0
        if not s.touched[slot, p]:  # without input nothing fires: no bias is over the threshold
            if f is not None:
                s.n_fired[p] = _disturb(c, s, f, p, 0)
                s.counters.spikes[0] += s.n_fired[p]
                if not c.scheduled[phase, p]:
                    s.counters.gate_breaches[0] += s.n_fired[p]
            continue
        s.touched[slot, p] = 0
        base = c.first[p]
        arriving = s.arriving[slot, base : c.first[p + 1]]
        largest = np.int32(0)
        smallest = np.int32(0)
        for j in range(arriving.shape[0]):
            largest = max(largest, arriving[j])
            smallest = min(smallest, arriving[j])
        needed = c.needed[p]
        wraps = largest > _HALF_RANGE or smallest <= -_HALF_RANGE
        n = 0
        # A neuron fires above needed + noise_of(...), which is drawn for those only that exceed what is needed.
        if largest > needed or wraps:
            for j in range(arriving.shape[0]):
                total = arriving[j]
                if wraps and (total > _HALF_RANGE or total <= -_HALF_RANGE):
                    total = _HALF_RANGE - (_HALF_RANGE - total) % (2 * _HALF_RANGE)
                    s.counters.gate_breaches[0] += 1
                if total > needed and now - s.last[base + j] >= c.refractory[p]:
                    if total - needed < c.noise[p] and total - needed <= noise_of(s.key[0], now, base + j, c.noise[p]):
                        continue
                    s.fired[base + n] = j
                    s.last[base + j] = now
                    n += 1
        arriving[:] = 0
        if f is not None:
            n = _disturb(c, s, f, p, n)
        s.n_fired[p] = n
        s.counters.spikes[0] += n
        if not c.scheduled[phase, p]:
            s.counters.gate_breaches[0] += n


@inner(forceinline=True)
def _follow_rule(c, s, f, skips, phase):  # type: ignore[no-untyped-def]
    if skips.more[0] > 0:
        _learn_at_random(c, s, f, skips, phase)
    elif c.pairs_only:
        _learn(c, s, f, skips, phase)
    else:
        _learn_singly(c, s, f, phase)


@kernel
def step(c, s, f, skips):  # type: ignore[no-untyped-def]
    """One step of the circuit, without the sources."""
    now = s.step[0]
    phase = now % c.change.shape[0]
    slots = s.arriving.shape[0]
    _fire(c, s, f, now % slots, phase)
    if c.learning and not c.chip_order:
        _follow_rule(c, s, f, skips, phase)
    for p in range(s.n_fired.shape[0]):
        if s.n_fired[p]:
            _send(c, s, now + 1, p)
    if c.learning and c.chip_order:
        _follow_rule(c, s, f, skips, phase)
    s.step[0] = now + 1


@kernel
def inject(c, s, source, spikes):  # type: ignore[no-untyped-def]
    """Send spikes of a source that left in the step just done: they arrive in the next."""
    slot = s.step[0] % s.arriving.shape[0]
    post = c.source_post[source]
    target = s.arriving[slot, c.first[post] : c.first[post + 1]]
    weight = c.source_weight[source]
    s.touched[slot, post] = 1
    for j in range(target.shape[0]):
        if spikes[j]:
            target[j] += weight
            s.counters.synaptic_events[0] += 1


@kernel
def record(c, s, row):  # type: ignore[no-untyped-def]
    """Mark, in a row of all neurons, those that fired in the step just done."""
    for p in range(s.n_fired.shape[0]):
        base = c.first[p]
        for i in range(s.n_fired[p]):
            row[base + s.fired[base + i]] = 1


@kernel
def run(c, s, f, skips, external, spikes, membrane, raster):  # type: ignore[no-untyped-def]
    """Phases 1 .. period of each sample; raster (n * period, N) or without rows if it is not wanted."""
    period = c.change.shape[0]
    slots = s.arriving.shape[0]
    out, summed = c.first[c.output], c.first[c.summed]
    row = 0
    for i in range(external.shape[0]):
        for _ in range(period):
            phase = s.step[0] % period
            if phase == c.sum_phase:
                slot = s.step[0] % slots
                for j in range(membrane.shape[1]):
                    membrane[i, j] = s.arriving[slot, summed + j] - c.sum_gate
            step(c, s, f, skips)
            if phase == c.output_phase:
                for j in range(s.n_fired[c.output]):
                    spikes[i, s.fired[out + j]] = 1
            for k in range(c.source_post.shape[0]):
                if c.source_phase[k] == phase:
                    inject(c, s, k, external[i, c.source_first[k] : c.source_first[k + 1]])
            if raster.shape[0]:
                record(c, s, raster[row])
                row += 1
        if f is not None:
            _start_anew(c, s, f)
