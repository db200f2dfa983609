"""Compiled pieces that more than one engine uses.

Numba's on-disk cache does not see that a *called* function changed in another
file: after editing this module, touch the engines that import it.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.compiled import inner
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp import draws

#: Rows that fit an int16 sum: 129 * 254 < 2**15.
_ROWS_PER_BLOCK = (2**15 - 1) // PLASTIC_WEIGHT_MAX
_WMAX = PLASTIC_WEIGHT_MAX
_A, _B, _C, _D, _E = (np.uint64(n) for n in (draws.A, draws.B, draws.C, draws.D, draws.E))
_NOISE, _FRACTION, _CHANCE = draws.NOISE, draws.FRACTION, draws.CHANCE


@inner
def add_rows(W, rows, n, block, total):  # type: ignore[no-untyped-def]
    """total += sum of W[rows[:n]]; W int16 (pre, post), total int32 (post,), block int16 scratch of at least post."""
    size = total.shape[0]
    start = 0
    while start < n:
        stop = min(start + _ROWS_PER_BLOCK, n)
        for j in range(size):
            block[j] = 0
        k = start
        while k + 4 <= stop:
            a, b, c, d = W[rows[k]], W[rows[k + 1]], W[rows[k + 2]], W[rows[k + 3]]
            for j in range(size):
                block[j] = np.int16(block[j] + a[j] + b[j] + c[j] + d[j])
            k += 4
        while k < stop:
            a = W[rows[k]]
            for j in range(size):
                block[j] = np.int16(block[j] + a[j])
            k += 1
        for j in range(size):
            total[j] += block[j]
        start = stop


@inner
def add_runs(row_first, runs, weights, rows, n, block, total):  # type: ignore[no-untyped-def]
    """total += sum of rows[:n] of a matrix with a mask, as `add_rows`; returns how many synapses that are."""
    count = start = 0
    size = total.shape[0]
    while start < n:
        stop = min(start + _ROWS_PER_BLOCK, n)
        for j in range(size):
            block[j] = 0
        for i in range(start, stop):
            for q in range(row_first[rows[i]], row_first[rows[i] + 1]):
                first, length, at = runs[q, 0], runs[q, 1], runs[q, 2]
                part, w = block[first : first + length], weights[at : at + length]
                for j in range(length):
                    part[j] = np.int16(part[j] + w[j])
                count += length
        for j in range(size):
            total[j] += block[j]
        start = stop
    return count


@inner
def changed(w, change):  # type: ignore[no-untyped-def]
    """w + change, saturating as a plastic weight does."""
    return min(max(w + change, -_WMAX), _WMAX)


@inner
def bits(key, a, b, c):  # type: ignore[no-untyped-def]
    """64 bits of a key and three numbers, in kernels."""
    z = key + np.uint64(a) * _A + np.uint64(b) * _B + np.uint64(c) * _C
    z = (z ^ (z >> np.uint64(30))) * _D
    z = (z ^ (z >> np.uint64(27))) * _E
    return z ^ (z >> np.uint64(31))


@inner
def noise_of(key, step, neuron, noise):  # type: ignore[no-untyped-def]
    """An integer in 0 .. noise - 1, in kernels."""
    fraction = np.int64(bits(key, step, neuron, _NOISE) >> np.uint64(64 - _FRACTION))
    return (fraction * noise) >> _FRACTION


@inner
def skip(skips, key, sample, drawn, what):  # type: ignore[no-untyped-def]
    """How many changes are left out before the next is made, and how many were drawn by now, in kernels."""
    left_out, longest = 0, skips.more.shape[0]
    while True:
        draw = np.int64(bits(key, sample, drawn, what) >> np.uint64(64 - _CHANCE))
        drawn += 1
        k = skips.least[draw >> (_CHANCE - 10)]
        while k < longest and draw < skips.more[k]:
            k += 1
        left_out += k
        if k < longest or skips.more[longest - 1] == 0:
            return left_out, drawn
