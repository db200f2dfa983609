"""Kernels of the per-sample engine: three layers that learn by backpropagation of the error's sign.

W1 is held (n_in, n_hidden), W2 transposed, so that every inner loop runs over hidden units, contiguous in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.compiled import inner, kernel
from lava_nbp.base.integers import INPUT_HALF_RANGE
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp.kernels import add_rows, changed

# Compile-time constants of the kernels (numba freezes module globals).
_WMAX = PLASTIC_WEIGHT_MAX
_HALF_RANGE = INPUT_HALF_RANGE


class Numbers(NamedTuple):
    """What a circuit's form says in numbers, in weight units."""

    fire_h: int  #: a hidden unit fires above this
    box_low: int  #: its weights may change if its pre-activation is above this ...
    box_high: int  #: ... and at most this
    fire_o: int  #: an output fires above this
    low_o: int  #: its copies fire above these
    high_o: int
    error: NDArray[np.int8]  #: (16,) output error d by t + 2 o + 4 (a2 > low_o) + 8 (a2 > high_o)
    grow1: int  #: what a synapse of W1 changes by where the hidden error is 1, and where it is -1
    shrink1: int
    grow2: int  #: the same of W2 and the output error
    shrink2: int
    copies_h: int  #: populations that W1 x reaches with an open gate, and W2 h
    copies_o: int
    updated: bool  #: the hidden error is that of the W2 just updated


class Closed(NamedTuple):
    """Dense sums that reach closed populations; versions: 0 before the sample, 1 potentiated, 2 depressed, too."""

    kind: NDArray[np.int64]  #: of sums that reach the output: W2 times 0 hidden spikes, 1 or 2 their errors e = 1, -1
    version: NDArray[np.int64]
    limit: NDArray[np.int64]
    copies: NDArray[np.int64]  #: populations that it reaches
    hidden_version: NDArray[np.int64]  #: of W1 x
    hidden_limit: NDArray[np.int64]
    hidden_copies: NDArray[np.int64]
    backward_limit: NDArray[np.int64]  #: of W2^T o
    backward_copies: NDArray[np.int64]
    least: NDArray[np.int64]  #: (4,) smallest limit: W2 h, W2 e, W1 x, W2^T o


class Network(NamedTuple):
    """The weights, and what their circuit says."""

    W1: NDArray[np.int16]  #: (n_in, n_hidden)
    W2T: NDArray[np.int16]  #: (n_out, n_hidden)
    numbers: Numbers
    closed: Closed


class Answers(NamedTuple):
    """Where answers go."""

    spikes: NDArray[np.uint8]  #: (samples, n_out)
    membrane: NDArray[np.int32]  #: (samples, n_out)


class Scratch(NamedTuple):
    """Memory of one call."""

    rows: NDArray[np.uint32]  #: (n_in + 1,) active inputs
    block: NDArray[np.int16]  #: (n_hidden,)
    a1: NDArray[np.int32]  #: (n_hidden,) pre-activation
    h: NDArray[np.int16]  #: (n_hidden,) 0 or -1, a mask
    back: NDArray[np.int32]  #: (n_hidden,)
    d: NDArray[np.int8]  #: (n_out,) output error
    e: NDArray[np.int8]  #: (n_hidden,) hidden error
    change: NDArray[np.int16]  #: (n_hidden,)
    masks: NDArray[np.int16]  #: (3, n_hidden) h, e = 1, e = -1 as masks
    versions: NDArray[np.int16]  #: (3, n_hidden) a row of W2 as it is, potentiated, and depressed, too


@inner(forceinline=True)
def _scratch(n_in, n_hidden, n_out):  # type: ignore[no-untyped-def]
    """The memory of a call: made by the kernel, so that the compiler knows that nothing else points there."""
    return Scratch(
        np.empty(n_in + 1, np.uint32),
        np.empty(n_hidden, np.int16),
        np.empty(n_hidden, np.int32),
        np.empty(n_hidden, np.int16),
        np.empty(n_hidden, np.int32),
        np.empty(n_out, np.int8),
        np.empty(n_hidden, np.int8),
        np.empty(n_hidden, np.int16),
        np.empty((3, n_hidden), np.int16),
        np.empty((3, n_hidden), np.int16),
    )


class SampleFaults(NamedTuple):
    """Faults of the per-sample form, as arrays. Kernels get None instead where nothing is broken."""

    dead_h: NDArray[np.uint8]  #: (n_hidden,)
    dead_o: NDArray[np.uint8]  #: (n_out,)
    plastic1: NDArray[np.int16]  #: (n_in, n_hidden) 0 where a synapse keeps its weight, else 1
    plastic2: NDArray[np.int16]  #: (n_out, n_hidden)
    wrong_h: NDArray[np.uint8]  #: (samples, n_hidden) 1: the spike is lost, 2: there is one without reason
    wrong_o: NDArray[np.uint8]  #: (samples, n_out)
    learns: NDArray[np.uint8]  #: (samples,) 0: the pulse is lost before the sample is learned


@inner
def _go_wrong(h, wrong, dead):  # type: ignore[no-untyped-def]
    """Spikes h, as masks of 0 and -1, with the faults of a sample."""
    for j in range(h.shape[0]):
        if wrong[j] == 1:
            h[j] = 0
        elif wrong[j] == 2 and not dead[j]:
            h[j] = np.int16(-1)


@inner
def _silence(total, dead):  # type: ignore[no-untyped-def]
    for j in range(total.shape[0]):
        if dead[j]:
            total[j] = 0


@inner
def _active(x, indices):  # type: ignore[no-untyped-def]
    """Write the indices of the ones of x; return how many."""
    n = 0
    for i in range(x.shape[0]):
        indices[n] = i
        n += x[i]
    return n


@inner
def _output(W2T, h, membrane):  # type: ignore[no-untyped-def]
    """membrane = W2 h, where h holds 0 or -1 as int16 masks."""
    for k in range(W2T.shape[0]):
        row = W2T[k]
        total = np.int32(0)
        for j in range(row.shape[0]):
            total += np.int32(row[j] & h[j])
        membrane[k] = total


@inner(forceinline=True)
def _forward(x, i, net, s, membrane, faults):  # type: ignore[no-untyped-def]
    """Pre-activations and hidden spikes of a sample; returns how many inputs fire."""
    n_hidden = net.W1.shape[1]
    n = _active(x, s.rows)
    s.a1[:] = 0
    add_rows(net.W1, s.rows, n, s.block, s.a1)
    if faults is not None:
        _silence(s.a1, faults.dead_h)
    fire = np.int32(net.numbers.fire_h)  # as narrow as what it is compared with, so that the loop is
    for j in range(n_hidden):
        s.h[j] = np.int16(-1) if s.a1[j] > fire else np.int16(0)
    if faults is not None:
        _go_wrong(s.h, faults.wrong_h[i], faults.dead_h)
    _output(net.W2T, s.h, membrane)
    if faults is not None:
        _silence(membrane, faults.dead_o)
    return n


@inner(forceinline=True)
def _output_spike(a2, k, i, fire, faults):  # type: ignore[no-untyped-def]
    o = a2[k] > fire
    if faults is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
        if faults.wrong_o[i, k]:
            o = faults.wrong_o[i, k] == 2 and not faults.dead_o[k]
    return o


@kernel
def infer(x, net, answers, faults):  # type: ignore[no-untyped-def]
    """Answer samples x (samples, n_in)."""
    s = _scratch(net.W1.shape[0], net.W1.shape[1], net.W2T.shape[0])
    for i in range(x.shape[0]):
        a2 = answers.membrane[i]
        _forward(x[i], i, net, s, a2, faults)
        for k in range(net.W2T.shape[0]):
            answers.spikes[i, k] = _output_spike(a2, k, i, net.numbers.fire_o, faults)


@inner
def _could_fire(closed, a2_most, ups, downs):  # type: ignore[no-untyped-def]
    """Whether any sum of one output could pass its limit: the answer's at most, and those of so many errors."""
    for c in range(closed.kind.shape[0]):
        most = a2_most if closed.kind[c] == 0 else _WMAX * (ups if closed.kind[c] == 1 else downs)
        if most > closed.limit[c]:
            return True
    return False


@inner
def _output_breaches(net, s, a2, change):  # type: ignore[no-untyped-def]
    """Spikes that the closed output and its copies would fire; W2T is still that before the sample.

    change: the most that W2 h can change by.
    """
    closed, p = net.closed, net.numbers
    n_hidden = net.W2T.shape[1]
    count = ups = downs = 0
    for j in range(n_hidden):
        s.masks[0, j] = s.h[j]
        s.masks[1, j] = np.int16(-1) if s.e[j] == 1 else np.int16(0)
        s.masks[2, j] = np.int16(-1) if s.e[j] == -1 else np.int16(0)
        ups += s.e[j] == 1
        downs += s.e[j] == -1
    for k in range(net.W2T.shape[0]):
        if not _could_fire(closed, a2[k] + change, ups, downs):
            continue
        row = net.W2T[k]
        grown = np.int16(p.grow2 * (s.d[k] == 1))
        new = np.int16(p.shrink2 * (s.d[k] == -1))
        for j in range(n_hidden):
            s.versions[0, j] = row[j]
            s.versions[1, j] = np.int16(changed(row[j], s.h[j] & grown))
            s.versions[2, j] = np.int16(changed(s.versions[1, j], s.h[j] & new))
        for c in range(closed.kind.shape[0]):
            version, mask = s.versions[closed.version[c]], s.masks[closed.kind[c]]
            total = np.int32(0)
            for j in range(n_hidden):
                total += np.int32(version[j] & mask[j])
            count += closed.copies[c] * (total > closed.limit[c])
    return count


@inner
def _hidden_breaches(net, s, n):  # type: ignore[no-untyped-def]
    """Spikes that the closed hidden layer and its copies would fire; W1 is still that before the sample."""
    closed, p = net.closed, net.numbers
    largest = max(abs(p.grow1), abs(p.shrink1))
    count = 0
    for j in range(net.W1.shape[1]):
        old = grown = new = s.a1[j]  # what W1 x still is where nothing changes
        if s.e[j] and old + n * largest > closed.least[2]:
            grown = new = 0
            up, down = p.grow1 * (s.e[j] == 1), p.shrink1 * (s.e[j] == -1)
            for k in range(n):
                w = changed(net.W1[s.rows[k], j], up)
                grown += w
                new += changed(w, down)
        for c in range(closed.hidden_version.shape[0]):
            version = closed.hidden_version[c]
            total = old if version == 0 else grown if version == 1 else new
            count += closed.hidden_copies[c] * (total > closed.hidden_limit[c])
    return count


@inner
def _backward_breaches(net, o):  # type: ignore[no-untyped-def]
    """Spikes that the closed error population would fire for the output's answer; with W2 before the sample."""
    closed = net.closed
    count = 0
    for j in range(net.W2T.shape[1]):
        total = 0
        for k in range(o.shape[0]):
            total += o[k] * net.W2T[k, j]
        for c in range(closed.backward_limit.shape[0]):
            count += closed.backward_copies[c] * (total > closed.backward_limit[c])
    return count


@inner
def _out_of_range(total):  # type: ignore[no-untyped-def]
    count = 0
    for j in range(total.shape[0]):
        count += total[j] > _HALF_RANGE or total[j] <= -_HALF_RANGE
    return count


@inner(forceinline=True)
def _output_errors(t, i, net, s, a2, spikes, faults):  # type: ignore[no-untyped-def]
    """Answer and output error of a sample; returns how many outputs fire and how many err."""
    p = net.numbers
    n_o = n_d = 0
    for k in range(a2.shape[0]):
        o = _output_spike(a2, k, i, p.fire_o, faults)
        s.d[k] = p.error[t[k] + 2 * o + 4 * (a2[k] > p.low_o) + 8 * (a2[k] > p.high_o)]
        if faults is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
            if not faults.learns[i]:
                s.d[k] = 0
        spikes[k] = o
        n_o += o
        n_d += s.d[k] != 0
    return n_o, n_d


@inner(forceinline=True)
def _hidden_errors(net, s, faults):  # type: ignore[no-untyped-def]
    """Sign of the error that comes back, inside the box; returns how many hidden units err."""
    p = net.numbers
    n_hidden = net.W2T.shape[1]
    s.back[:] = 0
    for k in range(net.W2T.shape[0]):
        d = s.d[k]
        if d:
            row = net.W2T[k]
            step = np.int16(0 if not p.updated else p.grow2 if d > 0 else p.shrink2)
            for j in range(n_hidden):
                if faults is not None:
                    s.back[j] += d * changed(row[j], -s.h[j] * step * faults.plastic2[k, j])
                else:
                    s.back[j] += d * changed(row[j], s.h[j] & step)
    n_e = 0
    low, high = np.int32(p.box_low), np.int32(p.box_high)
    for j in range(n_hidden):
        if low < s.a1[j] <= high:
            s.e[j] = np.int8(s.back[j] > 0) - np.int8(s.back[j] < 0)
            n_e += s.e[j] != 0
    return n_e


@inner(forceinline=True)
def _update(net, s, n, n_e, faults):  # type: ignore[no-untyped-def]
    p, n_hidden = net.numbers, net.W1.shape[1]
    for k in range(net.W2T.shape[0]):
        if s.d[k]:
            row = net.W2T[k]
            step = np.int16(p.grow2 if s.d[k] > 0 else p.shrink2)
            for j in range(n_hidden):
                if faults is not None:
                    row[j] = np.int16(changed(row[j], -s.h[j] * step * faults.plastic2[k, j]))
                else:
                    row[j] = np.int16(changed(row[j], s.h[j] & step))
    if n_e:
        up, down = np.int16(p.grow1), np.int16(p.shrink1)
        for j in range(n_hidden):
            s.change[j] = up if s.e[j] > 0 else down if s.e[j] < 0 else np.int16(0)
        for k in range(n):
            row = net.W1[s.rows[k]]
            for j in range(n_hidden):
                if faults is not None:
                    row[j] = np.int16(changed(row[j], s.change[j] * faults.plastic1[s.rows[k], j]))
                else:
                    row[j] = np.int16(changed(row[j], s.change[j]))


@inner(forceinline=True)
def _hidden_spikes(s):  # type: ignore[no-untyped-def]
    """How many hidden units fire, and their largest pre-activation."""
    n_h = a1_max = np.int32(0)
    for j in range(s.h.shape[0]):
        n_h -= s.h[j]
        a1_max = max(a1_max, s.a1[j])
    return n_h, a1_max


class Fired(NamedTuple):
    """What bounds a sample's gate breaches: how many fire, how many hidden units err, and the largest sum."""

    inputs: int
    hidden: int
    outputs: int
    errors: int
    a1_max: int


@inner
def _breaches(net, s, fired, a2, o):  # type: ignore[no-untyped-def]
    """Gate breaches of a sample: cheap bounds first, the exact count where one is passed."""
    closed, p = net.closed, net.numbers
    outside = p.copies_h * _out_of_range(s.a1) + p.copies_o * _out_of_range(a2)
    if outside:
        return outside
    a2_max = np.int32(0)
    for k in range(a2.shape[0]):
        a2_max = max(a2_max, a2[k])
    count = 0
    largest1, largest2 = max(abs(p.grow1), abs(p.shrink1)), max(abs(p.grow2), abs(p.shrink2))
    if a2_max + fired.hidden * largest2 > closed.least[0] or fired.errors * _WMAX > closed.least[1]:
        count += _output_breaches(net, s, a2, fired.hidden * largest2)
    if fired.a1_max + fired.inputs * largest1 > closed.least[2]:
        count += _hidden_breaches(net, s, fired.inputs)
    if fired.outputs * _WMAX > closed.least[3]:
        count += _backward_breaches(net, o)
    return count


@kernel
def train(x, t, net, answers, counters, faults):  # type: ignore[no-untyped-def]
    """Learn from samples x (samples, n_in) with targets t (samples, n_out), one after the other."""
    n_hidden, n_out = net.W1.shape[1], net.W2T.shape[0]
    s = _scratch(net.W1.shape[0], n_hidden, n_out)
    for i in range(x.shape[0]):
        a2, o = answers.membrane[i], answers.spikes[i]
        n = _forward(x[i], i, net, s, a2, faults)
        n_o, n_d = _output_errors(t[i], i, net, s, a2, o, faults)
        n_h, a1_max = _hidden_spikes(s)
        n_e = 0
        s.e[:] = 0
        if n_d:
            n_e = _hidden_errors(net, s, faults)
        # With faults breaches are not counted: the bounds and sums are those of whole synapses.
        if faults is None:
            fired = Fired(n, n_h, n_o, n_e, a1_max)
            counters.gate_breaches[0] += _breaches(net, s, fired, a2, o)
        _update(net, s, n, n_e, faults)
        counters.spikes[0] += n + n_h + n_o
        counters.synaptic_events[0] += n * n_hidden + n_h * n_out + n_d * n_hidden
        counters.updates[0] += n_h * n_d + n * n_e
