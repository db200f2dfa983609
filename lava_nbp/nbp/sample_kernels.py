"""Kernels of the per-sample engine: layers that learn by backpropagation of errors that are -1, 0 or 1.

Layer 0 is the input, the last is the output. Matrix k leads to layer k. All but the last are held (pre, post), so that
what fires adds rows; the last (post, pre), so that its inner loops, too, run over the larger layer. Of a matrix with a
mask, be it the last, only runs of neighbouring synapses are held, row after row (pre, post). Arrays of all layers lie
one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.compiled import inner, kernel
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp.draws import Skips
from lava_nbp.nbp.kernels import add_rows, add_runs, changed, noise_of, skip

# Compile-time constants of the kernels (numba freezes module globals).
_WMAX = PLASTIC_WEIGHT_MAX
#: Where fewer than one in so many change or send, they are taken one by one.
_FEW = 8


#: What a circuit's form says of a layer, and of the matrix that leads to it, in numbers; weights in weight units.
#: One array of them, because passing a tuple of arrays costs more than a small layer's work.
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "size",  # units
            "first",  # place of the first one, and of the one behind the last, among those of all layers
            "stop",
            "offset",  # where its matrix begins
            "rows",  # where the rows of a matrix with a mask begin in `row_first`; -1: it has all synapses
            "fire",  # a unit fires above this ...
            "shut",  # ... or, if it is dropped, above this
            "box_low",  # a hidden unit may learn if its pre-activation is above this ...
            "box_high",  # ... and at most this
            "copies",  # populations that the pre-activation reaches with an open gate,
            "low",  # and outside of which it leaves their register: this or less,
            "high",  # more than this
            "back_low",  # the same of the error that comes back to the layer below
            "back_high",
            "grow",  # what a synapse changes by where the error is 1, and where it is -1
            "shrink",
            "what_grows",  # by which such changes are drawn
            "what_shrinks",
            "noise",  # of the error that comes back
            "noise_first",  # its population's first neuron
            "noise_pos",  # phases in which it is positive and negative
            "noise_neg",
            "drop_noise",  # of what opens the units; 0: all are open
            "drop_level",  # it opens one if the noise is less than this
            "drop_first",
            "drop_phase",
            "least_fired",  # smallest limit of closed populations that the matrix reaches by what fires below it,
            "least_erred",  # by the errors below it,
            "least_answered",  # and, transposed, by the answer
            "low_fired",  # and the largest sums, all negative, at which these leave the register
            "low_erred",
            "low_answered",
        )
    ]
)
#: A matrix times what is sent through it, which reaches closed populations.
CLOSED = np.dtype(
    [
        (name, np.int64)
        for name in (
            "layer",  # to which the matrix leads
            "kind",  # times: 0 what the layer below fires, 1 or 2 its errors; 3: transposed, times the output
            "version",  # of the matrix: 0 before the sample, 1 potentiated, 2 depressed, too
            "limit",  # up to which the gates hold
            "low",  # at which the sum leaves the register
            "copies",  # populations that it reaches
        )
    ]
)


class Network(NamedTuple):
    """The weights, and what a circuit's form says in numbers."""

    weights: NDArray[np.int16]  #: all matrices, one after the other
    layers: NDArray[np.void]  #: LAYER, from the input to the output
    closed: NDArray[np.void]  #: CLOSED
    row_first: NDArray[np.int64]  #: first run of each row of a matrix with a mask
    runs: NDArray[np.int64]  #: (runs, 3) first column, number of columns, place of the first weight in the matrix
    fan_in: NDArray[np.int64]  #: synapses that lead to each unit of all layers
    error: NDArray[np.int8]  #: (16,) output error by t + 2 o + 4 (a > low_o) + 8 (a > high_o)
    low_o: int  #: copies of the output fire above these
    high_o: int
    period: int
    updated: bool  #: an error comes back through weights that are updated already


class Answers(NamedTuple):
    """Where answers go."""

    spikes: NDArray[np.uint8]  #: (samples, n_out)
    membrane: NDArray[np.int32]  #: (samples, n_out)


class Draws(NamedTuple):
    """What is drawn in a call."""

    key: np.uint64  #: of the epoch
    sample: int  #: place of the first sample in it
    skips: Skips


class Scratch(NamedTuple):
    """Memory of one call; arrays over the units of all layers, and of the largest."""

    rows: NDArray[np.uint32]  #: places of what fires in each layer
    n: NDArray[np.int64]  #: (layers,) how many places there are
    n_h: NDArray[np.int64]  #: (layers,) how many fire
    a: NDArray[np.int32]  #: pre-activations
    h: NDArray[np.int16]  #: what fires, as masks of 0 and -1
    kept: NDArray[np.uint8]  #: 0 where a unit is dropped
    e: NDArray[np.int16]  #: errors
    n_e: NDArray[np.int64]  #: (layers,) how many are not 0
    most: NDArray[np.int64]  #: (layers,) largest pre-activation, 0 or more
    least: NDArray[np.int64]  #: (layers,) smallest, 0 or less
    block: NDArray[np.int16]
    total: NDArray[np.int32]
    change: NDArray[np.int16]
    some: NDArray[np.uint32]  #: places of what errs
    before: NDArray[np.int64]  #: how many of these are before a unit
    events: NDArray[np.int64]  #: (layers,) synapses by which a layer was reached


@inner(forceinline=True)
def _scratch(net):  # type: ignore[no-untyped-def]
    """The memory of a call: made by the kernel, so that the compiler knows that nothing else points there."""
    n, largest = net.layers[-1].stop, 0
    for k in range(net.layers.shape[0]):
        largest = max(largest, net.layers[k].size)
    return Scratch(
        np.empty(n, np.uint32),
        np.zeros(net.layers.shape[0], np.int64),
        np.zeros(net.layers.shape[0], np.int64),
        np.empty(n, np.int32),
        np.empty(n, np.int16),
        np.ones(n, np.uint8),
        np.zeros(n, np.int16),
        np.zeros(net.layers.shape[0], np.int64),
        np.zeros(net.layers.shape[0], np.int64),
        np.zeros(net.layers.shape[0], np.int64),
        np.empty(largest, np.int16),
        np.empty(largest, np.int32),
        np.empty(largest, np.int16),
        np.empty(largest, np.uint32),
        np.empty(largest + 1, np.int64),
        np.zeros(net.layers.shape[0], np.int64),
    )


class SampleFaults(NamedTuple):
    """Faults of the per-sample form, as arrays. Kernels get None instead where nothing is broken."""

    dead: NDArray[np.uint8]  #: over the units of all layers
    plastic: NDArray[np.int16]  #: over all weights: 0 where a synapse keeps its weight, else 1
    wrong: NDArray[np.uint8]  #: (samples, units) 1: the spike is lost, 2: there is one without reason
    learns: NDArray[np.uint8]  #: (samples,) 0: the pulse is lost before the sample is learned, or answered


@inner
def _active(x, indices):  # type: ignore[no-untyped-def]
    """Write the indices of what is not 0 in x; return how many."""
    n = 0
    for i in range(x.shape[0]):
        indices[n] = i
        n += x[i] != 0
    return n


@inner(forceinline=True)
def _matrix(net, k):  # type: ignore[no-untyped-def]
    """The matrix that leads to layer k, as it is held; nothing of one with a mask."""
    n_pre, n_post = 0 if net.layers[k].rows >= 0 else net.layers[k - 1].size, net.layers[k].size
    held = net.weights[net.layers[k].offset : net.layers[k].offset + n_pre * n_post]
    return held.reshape((n_post, n_pre)) if k == net.layers.shape[0] - 1 else held.reshape((n_pre, n_post))


@inner(forceinline=True)
def _turned(net, k):  # type: ignore[no-untyped-def]
    """Whether a matrix is held (post, pre): the last one, if it has all synapses."""
    return k == net.layers.shape[0] - 1 and net.layers[k].rows < 0


@inner
def _output(W, h, membrane):  # type: ignore[no-untyped-def]
    """membrane = W h, W (post, pre), where h holds 0 or -1 as int16 masks."""
    for k in range(W.shape[0]):
        row = W[k]
        total = np.int32(0)
        for j in range(row.shape[0]):
            total += np.int32(row[j] & h[j])
        membrane[k] = total


@inner
def _fire(a, h, fire):  # type: ignore[no-untyped-def]
    """What fires, as masks; how many do, and the largest and the smallest sum."""
    most = least = np.int32(0)
    fired = np.int32(0)
    for j in range(a.shape[0]):
        total = a[j]
        mask = np.int32(-1) if total > fire else np.int32(0)
        h[j] = np.int16(mask)
        fired = np.int32(fired - mask)
        most = max(most, total)
        least = min(least, total)
    return fired, most, least


@inner
def _only_fire(a, h, fire):  # type: ignore[no-untyped-def]
    for j in range(a.shape[0]):
        h[j] = np.int16(-1) if a[j] > fire else np.int16(0)


@inner
def _fire_some(layer, key, step, a, h, kept):  # type: ignore[no-untyped-def]
    """The same in a layer that drops units: it is drawn for those only for which it matters."""
    point = min(layer.fire, layer.box_low)
    most = least = fired = np.int32(0)
    for j in range(a.shape[0]):
        h[j] = 0
        most, least = max(most, a[j]), min(least, a[j])
        if a[j] > point:
            kept[j] = noise_of(key, step, layer.drop_first + j, layer.drop_noise) < layer.drop_level
            if a[j] > (layer.fire if kept[j] else layer.shut):
                h[j] = np.int16(-1)
                fired = np.int32(fired + 1)
    return fired, most, least


@inner(forceinline=True)
def _go_wrong(h, wrong, dead):  # type: ignore[no-untyped-def]
    """Spikes h, as masks of 0 and -1, with the faults of a sample; returns how many there are."""
    fired = 0
    for j in range(h.shape[0]):
        if wrong[j] == 1:
            h[j] = 0
        elif wrong[j] == 2 and not dead[j]:
            h[j] = np.int16(-1)
        fired += h[j] != 0
    return fired


@inner(forceinline=True)
def _silence(total, dead):  # type: ignore[no-untyped-def]
    for j in range(total.shape[0]):
        if dead[j]:
            total[j] = 0


@inner(forceinline=True)
def _rows_of(net, k):  # type: ignore[no-untyped-def]
    """Where the runs of a matrix with a mask are, and its weights."""
    layer = net.layers[k]
    return net.row_first[layer.rows :], net.runs, net.weights[layer.offset :]


@inner(forceinline=True)
def _forward(x, i, net, s, d, membrane, faults, training):  # type: ignore[no-untyped-def]
    """Pre-activations and spikes of a sample's hidden layers, and the output's pre-activation."""
    last = net.layers.shape[0] - 1
    s.n[0] = s.n_h[0] = _active(x, s.rows[: net.layers[0].size])
    for k in range(1, last):
        layer = net.layers[k]
        start, stop = layer.first, layer.stop
        a, h = s.a[start:stop], s.h[start:stop]
        for j in range(a.shape[0]):
            a[j] = 0
        if layer.rows >= 0:
            row_first, runs, weights = _rows_of(net, k)
            rows = s.rows[net.layers[k - 1].first :]
            s.events[k] = add_runs(row_first, runs, weights, rows, s.n[k - 1], s.block, a)
        else:
            add_rows(_matrix(net, k), s.rows[net.layers[k - 1].first :], s.n[k - 1], s.block, a)
            s.events[k] = s.n[k - 1] * layer.size
        if faults is not None:
            _silence(a, faults.dead[start:stop])
        if training and layer.drop_noise:
            step = (d.sample + i) * net.period + layer.drop_phase
            s.n_h[k], s.most[k], s.least[k] = _fire_some(layer, d.key, step, a, h, s.kept[start:stop])
        elif not training:
            _only_fire(a, h, np.int32(layer.fire))
        else:  # the threshold is as narrow as what it is compared with, so that the loop is
            s.n_h[k], s.most[k], s.least[k] = _fire(a, h, np.int32(layer.fire))
        if faults is not None:
            s.n_h[k] = _go_wrong(h, faults.wrong[i, start:stop], faults.dead[start:stop])
        if k < last - 1 or net.layers[last].rows >= 0:
            s.n[k] = _active(h, s.rows[start:stop])
    if net.layers[last].rows >= 0:
        for q in range(membrane.shape[0]):
            membrane[q] = 0
        row_first, runs, weights = _rows_of(net, last)
        rows = s.rows[net.layers[last - 1].first :]
        s.events[last] = add_runs(row_first, runs, weights, rows, s.n[last - 1], s.block[: membrane.shape[0]], membrane)
    else:
        _output(_matrix(net, last), s.h[net.layers[last - 1].first : net.layers[last].first], membrane)
        s.events[last] = s.n_h[last - 1] * net.layers[last].size
    if faults is not None:
        _silence(membrane, faults.dead[net.layers[last].first :])


@inner(forceinline=True)
def _output_spike(net, a, k, i, faults):  # type: ignore[no-untyped-def]
    o = a[k] > net.layers[-1].fire
    if faults is not None:
        wrong, unit = faults.wrong, net.layers[-1].first + k
        if wrong[i, unit]:
            o = wrong[i, unit] == 2 and not faults.dead[unit]
    return o


@kernel
def infer(x, net, draws, answers, faults):  # type: ignore[no-untyped-def]
    """Answer samples x (samples, n_in)."""
    s = _scratch(net)
    for i in range(x.shape[0]):
        a = answers.membrane[i]
        _forward(x[i], i, net, s, draws, a, faults, False)
        for k in range(a.shape[0]):
            answers.spikes[i, k] = _output_spike(net, a, k, i, faults)


# ------------------------------------------------------------------ gate breaches


@inner
def _outside(total, low, high):  # type: ignore[no-untyped-def]
    """How many sums are low or less, or more than high."""
    count = 0
    for j in range(total.shape[0]):
        count += total[j] > high or total[j] <= low
    return count


@inner(forceinline=True)
def _could_breach(net, s, k):  # type: ignore[no-untyped-def]
    """Whether what a layer fires, or the output, could open a closed gate by matrix k: by a bound that costs little."""
    layer = net.layers[k]
    step = max(abs(layer.grow), abs(layer.shrink)) if s.n_e[k] else 0
    changes, answered = s.n_h[k - 1] * step, s.n_h[k] * _WMAX
    if s.most[k] + changes > layer.least_fired or s.least[k] - changes <= layer.low_fired:
        return True
    return answered > layer.least_answered or -answered <= layer.low_answered


@inner
def _errors_could_breach(net, s, k):  # type: ignore[no-untyped-def]
    """The same of the errors of the layer below."""
    layer, most = net.layers[k], s.n_e[k - 1] * _WMAX
    if layer.rows >= 0 and (most > layer.least_erred or -most <= layer.low_erred):
        most = _most_erring(net, s, k) * _WMAX
    return most > layer.least_erred or -most <= layer.low_erred


@inner
def _most_erring(net, s, k):  # type: ignore[no-untyped-def]
    """The most errors of the layer below that reach one unit by a matrix with a mask."""
    layer, first = net.layers[k], net.layers[k - 1].first
    begin = s.before[: layer.size + 1]
    begin[:] = 0
    for j in range(net.layers[k - 1].size):
        if s.e[first + j]:
            for q in range(net.row_first[layer.rows + j], net.row_first[layer.rows + j + 1]):
                begin[net.runs[q, 0]] += 1
                begin[net.runs[q, 0] + net.runs[q, 1]] -= 1
    most = here = 0
    for j in range(layer.size):
        here += begin[j]
        most = max(most, here)
    return most


@inner
def _sent(net, s, k, kind):  # type: ignore[no-untyped-def]
    """Places, in the layer below matrix k, of what is sent through it; returns how many."""
    first, n, m = net.layers[k - 1].first, net.layers[k - 1].size, 0
    for j in range(n):
        if kind > 0:
            sends = s.e[first + j] == (1 if kind == 1 else -1)
        elif k == 1:
            sends = j < s.n[0]
        else:
            sends = s.h[first + j] != 0
        if sends:
            s.some[m] = s.rows[first + j] if kind == 0 and k == 1 else j
            m += 1
    return m


@inner
def _closed_sums(net, s, k, version, o, errors):  # type: ignore[no-untyped-def]
    """Spikes that closed populations would fire by matrix k as it is now, if this is a version of it; -1: every one.

    errors: whether they are those by the errors of the layer below, or all others.
    """
    W, n_pre, n_post = _matrix(net, k), net.layers[k - 1].size, net.layers[k].size
    count = 0
    for c in range(net.closed.shape[0]):
        closed = net.closed[c]
        kind = closed.kind
        if closed.layer != k or (version >= 0 and closed.version != version) or errors != (0 < kind < 3):
            continue
        if kind == 3:
            if net.layers[k].rows >= 0:
                _gather(s, o)
            for j in range(n_pre):
                total = 0
                if net.layers[k].rows >= 0:
                    total = _by_runs(net, s, k, j, o)
                else:
                    for q in range(n_post):
                        if o[q]:
                            total += W[q, j]
                count += closed.copies * (total > closed.limit or total <= closed.low)
            continue
        m = _sent(net, s, k, kind)
        for q in range(n_post):
            s.total[q] = 0
        if net.layers[k].rows >= 0:
            row_first, runs, weights = _rows_of(net, k)
            add_runs(row_first, runs, weights, s.some, m, s.block, s.total[:n_post])
        elif not _turned(net, k):
            add_rows(W, s.some, m, s.block, s.total[:n_post])
        else:
            for q in range(n_post):
                for j in range(m):
                    s.total[q] += W[q, s.some[j]]
        count += closed.copies * _outside(s.total[:n_post], closed.low, closed.limit)
    return count


# ------------------------------------------------------------------ learning


@inner(forceinline=True)
def _output_errors(t, i, net, s, a, spikes, faults):  # type: ignore[no-untyped-def]
    """Answer and error of the output."""
    last = net.layers.shape[0] - 1
    e = s.e[net.layers[last].first :]
    n_o = n_e = 0
    most = least = np.int32(0)
    for k in range(a.shape[0]):
        most, least = max(most, a[k]), min(least, a[k])
        o = _output_spike(net, a, k, i, faults)
        e[k] = net.error[t[k] + 2 * o + 4 * (a[k] > net.low_o) + 8 * (a[k] > net.high_o)]
        if faults is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
            if not faults.learns[i] or faults.dead[net.layers[last].first + k]:
                e[k] = 0
        spikes[k] = o
        n_o += o
        n_e += e[k] != 0
    s.n_h[last], s.n_e[last], s.most[last], s.least[last] = n_o, n_e, most, least


@inner
def _gather(s, e):  # type: ignore[no-untyped-def]
    """s.some: places of what is not 0 in e; s.before: how many of these are before each place, and in all."""
    m = 0
    for j in range(e.shape[0]):
        s.some[m] = j
        s.before[j] = m
        m += e[j] != 0
    s.before[e.shape[0]] = m


@inner
def _by_runs(net, s, k, j, e):  # type: ignore[no-untyped-def]
    """W e for the unit j below a matrix with a mask, after `_gather`."""
    layer, back = net.layers[k], np.int32(0)
    for q in range(net.row_first[layer.rows + j], net.row_first[layer.rows + j + 1]):
        first, length, at = net.runs[q, 0], net.runs[q, 1], layer.offset + net.runs[q, 2]
        begin, end = s.before[first], s.before[first + length]
        row, part = net.weights[at : at + length], e[first : first + length]
        if (end - begin) * _FEW < length:
            for i in range(begin, end):
                post = s.some[i] - first
                back += np.int32(row[post] * part[post])
        else:
            for i in range(length):
                back += np.int32(np.int16(row[i] * part[i]))
    return back


@inner
def _met(net, s, k, j):  # type: ignore[no-untyped-def]
    """How many of what was gathered the unit j below a matrix with a mask meets."""
    layer, count = net.layers[k], 0
    for q in range(net.row_first[layer.rows + j], net.row_first[layer.rows + j + 1]):
        first = net.runs[q, 0]
        count += s.before[first + net.runs[q, 1]] - s.before[first]
    return count


@inner
def _come_back(net, s, k, ahead, faults):  # type: ignore[no-untyped-def]
    """s.total = W e for the units below matrix k that may learn; ahead: through the last matrix as it will be."""
    n_pre, n_post = net.layers[k - 1].size, net.layers[k].size
    W, e, total = _matrix(net, k), s.e[net.layers[k].first : net.layers[k].stop], s.total[:n_pre]
    if _turned(net, k):
        h = s.h[net.layers[k - 1].first : net.layers[k - 1].stop]
        for j in range(n_pre):
            total[j] = 0
        for q in range(n_post):
            if e[q] == 0:
                continue
            row, sign = W[q], np.int32(e[q])
            step = np.int16(0 if not ahead else net.layers[k].grow if sign > 0 else net.layers[k].shrink)
            for j in range(n_pre):
                if faults is not None:
                    kept = faults.plastic[net.layers[k].offset + q * n_pre + j]
                    total[j] += sign * changed(row[j], -h[j] * step * kept)
                else:
                    total[j] += sign * changed(row[j], h[j] & step)
        return
    a = s.a[net.layers[k - 1].first : net.layers[k - 1].stop]
    low, high = net.layers[k - 1].box_low, net.layers[k - 1].box_high
    if net.layers[k].rows >= 0:
        _gather(s, e)
        for j in range(n_pre):
            total[j] = _by_runs(net, s, k, j, e) if low < a[j] <= high else 0
        return
    few = s.n_e[k] * _FEW < n_post
    m = _active(e, s.some) if few else 0
    for j in range(n_pre):
        total[j] = 0
        if low < a[j] <= high:
            row, back = W[j], np.int32(0)
            if few:
                for q in range(m):
                    back += np.int32(row[s.some[q]] * e[s.some[q]])
            else:
                for q in range(n_post):
                    back += np.int32(np.int16(row[q] * e[q]))
            total[j] = back


@inner
def _hidden_errors(net, s, k, key, step, faults):  # type: ignore[no-untyped-def]
    """Errors of the layer below matrix k, from s.total: its sign inside the box, if it is larger than the noise.

    step: that in which the sample's phase 0 is.
    """
    below = net.layers[k - 1]
    a, e, kept = s.a[below.first : below.stop], s.e[below.first : below.stop], s.kept[below.first : below.stop]
    low, high, noise = np.int32(below.box_low), np.int32(below.box_high), below.noise
    n_e = 0
    for j in range(a.shape[0]):
        e[j] = 0
        if faults is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
            if faults.dead[below.first + j]:
                continue
        if low < a[j] <= high and kept[j]:
            e[j] = np.int16(s.total[j] > 0) - np.int16(s.total[j] < 0)
            n_e += e[j] != 0
    if noise > 1 and n_e:
        n_e = 0
        for j in range(a.shape[0]):
            if e[j]:
                size, phase = abs(s.total[j]), below.noise_pos if e[j] > 0 else below.noise_neg
                if size < noise and size <= noise_of(key, step + phase, below.noise_first + j, noise):
                    e[j] = 0
                n_e += e[j] != 0
    s.n_e[k - 1] = n_e


@inner
def _back_out_of_range(net, s, k):  # type: ignore[no-untyped-def]
    """Sums of errors, of both signs, that leave the register; whether or not a unit may learn."""
    layer = net.layers[k]
    most = min(layer.back_high, -layer.back_low - 1) // _WMAX  # so many errors leave it in no case
    if s.n_e[k] <= most:
        return 0
    turned, count = _turned(net, k), 0
    W, e = _matrix(net, k), s.e[net.layers[k].first : net.layers[k].stop]
    if layer.rows >= 0:
        _gather(s, e)
    for j in range(net.layers[k - 1].size):
        total = 0
        if layer.rows >= 0:
            if _met(net, s, k, j) <= most:
                continue
            total = _by_runs(net, s, k, j, e)
        else:
            for q in range(net.layers[k].size):
                total += e[q] * (W[q, j] if turned else W[j, q])
        count += (total > layer.back_high or total <= layer.back_low) + (
            -total > layer.back_high or -total <= layer.back_low
        )
    return count


@inner
def _update_runs(net, s, k, rows, faults):  # type: ignore[no-untyped-def]
    """Change a matrix with a mask by s.change in the rows of what fired."""
    layer = net.layers[k]
    for i in range(s.n[k - 1]):
        for q in range(net.row_first[layer.rows + rows[i]], net.row_first[layer.rows + rows[i] + 1]):
            first, length, at = net.runs[q, 0], net.runs[q, 1], layer.offset + net.runs[q, 2]
            w, change = net.weights[at : at + length], s.change[first : first + length]
            for j in range(length):
                if faults is not None:
                    w[j] = np.int16(changed(w[j], change[j] * faults.plastic[at + j]))
                else:
                    w[j] = np.int16(changed(w[j], change[j]))


@inner
def _asked(net, s, k):  # type: ignore[no-untyped-def]
    """How many synapses of a matrix are to change: those between what fired below it and what errs."""
    layer, count = net.layers[k], 0
    if layer.rows < 0:
        return s.n_h[k - 1] * s.n_e[k]
    rows = s.rows[net.layers[k - 1].first :]
    _gather(s, s.e[layer.first : layer.stop])
    for i in range(s.n[k - 1]):
        count += _met(net, s, k, rows[i])
    return count


@inner(forceinline=True)
def _update(net, s, k, signs, faults):  # type: ignore[no-untyped-def]
    """Change matrix k where what fired below it meets an error: signs 1 where it grows, -1 where it shrinks, 0 both."""
    n_pre, n_post = net.layers[k - 1].size, net.layers[k].size
    W, e = _matrix(net, k), s.e[net.layers[k].first : net.layers[k].stop]
    up = np.int16(net.layers[k].grow if signs >= 0 else 0)
    down = np.int16(net.layers[k].shrink if signs <= 0 else 0)
    if _turned(net, k):
        h = s.h[net.layers[k - 1].first : net.layers[k - 1].stop]
        for q in range(n_post):
            if e[q]:
                row, step = W[q], up if e[q] > 0 else down
                for j in range(n_pre):
                    if faults is not None:
                        kept = faults.plastic[net.layers[k].offset + q * n_pre + j]
                        row[j] = np.int16(changed(row[j], -h[j] * step * kept))
                    else:
                        row[j] = np.int16(changed(row[j], h[j] & step))
        return
    rows = s.rows[net.layers[k - 1].first :]
    if net.layers[k].rows < 0 and s.n_e[k] * _FEW < n_post:
        m = _active(e, s.some)
        for i in range(s.n[k - 1]):
            row = W[rows[i]]
            for q in range(m):
                j = s.some[q]
                step = up if e[j] > 0 else down
                if faults is not None:
                    step *= faults.plastic[net.layers[k].offset + rows[i] * n_post + j]
                row[j] = np.int16(changed(row[j], step))
        return
    for j in range(n_post):
        s.change[j] = up if e[j] > 0 else down if e[j] < 0 else np.int16(0)
    if net.layers[k].rows >= 0:
        _update_runs(net, s, k, rows, faults)
        return
    for i in range(s.n[k - 1]):
        row = W[rows[i]]
        for j in range(n_post):
            if faults is not None:
                row[j] = np.int16(
                    changed(row[j], s.change[j] * faults.plastic[net.layers[k].offset + rows[i] * n_post + j])
                )
            else:
                row[j] = np.int16(changed(row[j], s.change[j]))


@inner
def _update_runs_at_random(net, s, k, sign, sample, draws, faults):  # type: ignore[no-untyped-def]
    """The same of a matrix with a mask; s.some are the places of the errors of that sign."""
    layer = net.layers[k]
    change = np.int16(layer.grow if sign > 0 else layer.shrink)
    what = layer.what_grows if sign > 0 else layer.what_shrinks
    e, rows = s.e[layer.first : layer.stop], s.rows[net.layers[k - 1].first :]
    m = 0
    for j in range(layer.size):
        s.before[j] = m
        m += e[j] == sign
    s.before[layer.size] = m
    left_out, drawn = skip(draws.skips, draws.key, sample, 0, what)
    for i in range(s.n[k - 1]):
        for q in range(net.row_first[layer.rows + rows[i]], net.row_first[layer.rows + rows[i] + 1]):
            first, length, at = net.runs[q, 0], net.runs[q, 1], layer.offset + net.runs[q, 2]
            begin, there = s.before[first], s.before[first + length] - s.before[first]
            while left_out < there:
                w = at + s.some[begin + left_out] - first
                if faults is not None:
                    net.weights[w] = np.int16(changed(net.weights[w], change * faults.plastic[w]))
                else:
                    net.weights[w] = np.int16(changed(net.weights[w], change))
                more, drawn = skip(draws.skips, draws.key, sample, drawn, what)
                left_out += 1 + more
            left_out -= there


@inner
def _update_at_random(net, s, k, sign, sample, draws, faults):  # type: ignore[no-untyped-def]
    """The same for some of the synapses that are to change in one direction: those that are drawn, row by row."""
    turned, n_pre, n_post = _turned(net, k), net.layers[k - 1].size, net.layers[k].size
    e = s.e[net.layers[k].first : net.layers[k].stop]
    change = np.int16(net.layers[k].grow if sign > 0 else net.layers[k].shrink)
    what = net.layers[k].what_grows if sign > 0 else net.layers[k].what_shrinks
    m = 0
    for j in range(n_post):
        s.some[m] = j
        m += e[j] == sign
    if turned:
        s.n[k - 1] = _active(
            s.h[net.layers[k - 1].first : net.layers[k - 1].stop],
            s.rows[net.layers[k - 1].first : net.layers[k - 1].stop],
        )
    rows, n = s.rows[net.layers[k - 1].first :], s.n[k - 1]
    if m == 0 or n == 0:
        return
    if net.layers[k].rows >= 0:
        _update_runs_at_random(net, s, k, sign, sample, draws, faults)
        return
    i, j = 0, 0
    left_out, drawn = skip(draws.skips, draws.key, sample, 0, what)
    while True:
        j += left_out
        if j >= m:
            i += j // m
            j %= m
            if i >= n:
                return
        pre, post = rows[i], s.some[j]
        w = net.layers[k].offset + (post * n_pre + pre if turned else pre * n_post + post)
        if faults is not None:
            net.weights[w] = np.int16(changed(net.weights[w], change * faults.plastic[w]))
        else:
            net.weights[w] = np.int16(changed(net.weights[w], change))
        left_out, drawn = skip(draws.skips, draws.key, sample, drawn, what)
        j += 1


@inner(forceinline=True)
def _learn(net, s, k, signs, sample, draws, faults):  # type: ignore[no-untyped-def]
    if draws.skips.more[0] == 0:
        _update(net, s, k, signs, faults)
        return
    if signs >= 0:
        _update_at_random(net, s, k, 1, sample, draws, faults)
    if signs <= 0:
        _update_at_random(net, s, k, -1, sample, draws, faults)


@inner
def _no_errors(net, s, k):  # type: ignore[no-untyped-def]
    """A layer without errors."""
    if s.n_e[k]:
        s.n_e[k] = 0
        for j in range(net.layers[k].first, net.layers[k].stop):
            s.e[j] = 0


@inner(forceinline=True)
def _backward(net, s, draws, sample, o, faults):  # type: ignore[no-untyped-def]
    """Every matrix learns, from the last to the first; returns the gate breaches: those of closed populations, and of
    sums that leave the register."""
    last = net.layers.shape[0] - 1
    certain, count, outside = draws.skips.more[0] == 0, 0, 0
    for k in range(last, 0, -1):
        if s.n_e[k] == 0:
            if k > 1:
                _no_errors(net, s, k - 1)
            if faults is None and _could_breach(net, s, k):
                count += _closed_sums(net, s, k, -1, o, False)
            continue
        # Through weights that are updated already the error comes back when they are, or as they will be.
        late = net.updated and not (certain and _turned(net, k))
        if k > 1 and not late:
            _come_back(net, s, k, net.updated, faults)
            _hidden_errors(net, s, k, draws.key, sample * net.period, faults)
        if k > 1 and faults is None and not net.updated:
            outside += _back_out_of_range(net, s, k)
        careful = faults is None and _could_breach(net, s, k)
        errors = faults is None and k > 1 and not late and _errors_could_breach(net, s, k)
        if careful or errors:
            for version in range(3):
                if version:
                    _learn(net, s, k, 1 if version == 1 else -1, sample, draws, faults)
                if careful:
                    count += _closed_sums(net, s, k, version, o, False)
                if errors:
                    count += _closed_sums(net, s, k, version, o, True)
        else:
            _learn(net, s, k, 0, sample, draws, faults)
        if k > 1 and late:
            _come_back(net, s, k, False, faults)
            _hidden_errors(net, s, k, draws.key, sample * net.period, faults)
            if faults is None and _errors_could_breach(net, s, k):
                count += _closed_sums(net, s, k, 2, o, True)
        if k > 1 and faults is None and net.updated:
            outside += _back_out_of_range(net, s, k)
    return count, outside


@kernel
def train(x, t, net, draws, answers, counters, faults):  # type: ignore[no-untyped-def]
    """Learn from samples x (samples, n_in) with targets t (samples, n_out), one after the other."""
    s = _scratch(net)
    last = net.layers.shape[0] - 1
    spikes = events = updates = breaches = 0
    for i in range(x.shape[0]):
        a, o = answers.membrane[i], answers.spikes[i]
        _forward(x[i], i, net, s, draws, a, faults, True)
        _output_errors(t[i], i, net, s, a, o, faults)
        count = outside = 0
        calm = s.n_e[last] == 0
        for k in range(1, last + 1):
            calm &= s.n_e[k] == 0 and not _could_breach(net, s, k)
        if not calm:
            count, outside = _backward(net, s, draws, draws.sample + i, o, faults)
        spikes += s.n_h[0]
        for k in range(1, last + 1):
            spikes += s.n_h[k]
            events += s.events[k]
            if s.n_e[k]:
                updates += _asked(net, s, k)
                if k > 1 and net.layers[k].rows < 0:
                    events += s.n_e[k] * net.layers[k - 1].size
                elif k > 1:
                    for j in range(net.layers[k].first, net.layers[k].stop):
                        events += net.fan_in[j] * (s.e[j] != 0)
            layer = net.layers[k]
            if s.most[k] > layer.high or s.least[k] <= layer.low:
                sums = a if k == last else s.a[net.layers[k].first : net.layers[k].stop]
                outside += layer.copies * _outside(sums, layer.low, layer.high)
        # With faults breaches are not counted: the bounds and sums are those of whole synapses.
        if faults is None:
            breaches += outside if outside else count
    counters.spikes[0] += spikes
    counters.synaptic_events[0] += events
    counters.updates[0] += updates
    counters.gate_breaches[0] += breaches
