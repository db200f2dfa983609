"""Compiled: what is done with every number of a matrix after a batch, in one pass instead of some forty."""

from __future__ import annotations

import math

from lava_nbp.base.compiled import BARE, DIVIDING, inner, kernel


@kernel(**DIVIDING)
def adam(masters, m, v, g, largest, extra, first, second, size, low, high):  # type: ignore[no-untyped-def]
    """A step of Adam in integers, in place, of arrays of one dimension; how many would have left low .. high."""
    left = 0
    for i in range(masters.shape[0]):
        clipped = min(max(g[i], -largest), largest)
        m[i] += ((clipped << extra) - m[i] + (1 << (first - 1))) >> first
        v[i] += ((clipped * clipped << extra) - v[i] + (1 << (second - 1))) >> second
        magnitude = (size * abs(m[i])) // ((root(v[i]) + 1) << (extra // 2))
        moved = masters[i] - (magnitude if m[i] >= 0 else -magnitude)
        left += int(moved < low or moved > high)
        masters[i] = min(max(moved, low), high)
    return left


@inner(**DIVIDING)
def root(x):  # type: ignore[no-untyped-def]
    """Integer square root, rounded down; that of a float may be one too large or too small."""
    root = int(math.sqrt(float(x)))
    root -= int(root * root > x)
    root += int((root + 1) * (root + 1) <= x)
    return root


@kernel(**BARE)
def round_weights(masters, bits, step, largest, exponent, weights, up, down):  # type: ignore[no-untyped-def]
    """`FixedPoint.forward_weights` into `weights`; sums (post,) of positive and of negative ones into `up`, `down`."""
    up[:] = 0
    down[:] = 0
    for i in range(masters.shape[0]):
        for j in range(masters.shape[1]):
            mantissa = step * ((masters[i, j] + (1 << (bits - 1))) >> bits)
            w = min(max(mantissa, -largest), largest) << exponent
            weights[i, j] = w
            up[j] += max(w, 0)
            down[j] += max(-w, 0)
