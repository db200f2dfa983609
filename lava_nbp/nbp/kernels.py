"""Compiled pieces that more than one engine uses.

Numba's on-disk cache does not see that a *called* function changed in another
file: after editing this module, touch the engines that import it.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.compiled import inner
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX

#: Rows that fit an int16 sum: 129 * 254 < 2**15.
_ROWS_PER_BLOCK = (2**15 - 1) // PLASTIC_WEIGHT_MAX
_WMAX = PLASTIC_WEIGHT_MAX


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
def changed(w, change):  # type: ignore[no-untyped-def]
    """w + change, saturating as a plastic weight does."""
    return min(max(w + change, -_WMAX), _WMAX)
