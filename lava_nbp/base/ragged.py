"""Rows of different lengths, one after the other: where each begins, and where some of them go."""

from __future__ import annotations

from typing import Any

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


def order_within(offsets: Int64Array, keys: NDArray[Any]) -> Int64Array | None:
    """Places of the entries when each row is sorted by its keys (entries,), equal ones as they were; None: they are.

    Only rows that are not sorted are looked at one by one.
    """
    fallen = np.flatnonzero(keys[1:] < keys[:-1]) + 1
    rows = np.searchsorted(offsets, fallen, side="right") - 1
    rows = np.unique(rows[offsets[rows] != fallen])  # a row may begin below the end of the one before
    if not len(rows):
        return None
    order = np.arange(len(keys))
    for row in rows:
        begin, end = offsets[row], offsets[row + 1]
        order[begin:end] = begin + np.argsort(keys[begin:end], kind="stable")
    return order
