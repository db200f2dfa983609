"""Rows of different lengths, one after the other: where each begins, and where some of them go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]


def rows_at(offsets: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Places of the entries of some rows, in the order given, and where these rows begin when they are alone.

    offsets (n + 1,) begin with 0 and never fall; rows are in 0 .. n - 1. Neither is checked.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    begins = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=begins[1:])
    return np.arange(begins[-1]) + np.repeat(offsets[rows] - begins[:-1], lengths), begins


def without_entries(offsets: Int64Array, kept: NDArray[np.bool_]) -> Int64Array:
    """Where rows begin when only the entries that are kept, (entries,), are left."""
    before = np.zeros(len(kept) + 1, dtype=np.int64)
    np.cumsum(kept, out=before[1:])
    return before[offsets]
