"""Rows of different lengths: by hand, and against lists."""

from itertools import pairwise

import numpy as np

from lava_nbp.base.ragged import order_within, rows_at, without_entries


def test_by_hand():
    offsets = np.array([0, 2, 2, 5])
    where, begins = rows_at(offsets, np.array([2, 0, 2]))
    assert (where.tolist(), begins.tolist()) == ([2, 3, 4, 0, 1, 2, 3, 4], [0, 3, 5, 8])
    where, begins = rows_at(offsets, np.zeros(0, np.int64))
    assert (where.tolist(), begins.tolist()) == ([], [0])
    assert without_entries(offsets, np.array([True, False, False, True, True])).tolist() == [0, 1, 1, 3]
    assert without_entries(np.array([0]), np.zeros(0, bool)).tolist() == [0]


def test_as_lists():
    rng = np.random.default_rng(0)
    for _ in range(50):
        lengths = rng.integers(0, 4, rng.integers(1, 8))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        lists = [list(range(a, b)) for a, b in pairwise(offsets)]
        rows = rng.integers(0, len(lists), rng.integers(0, 6))
        where, begins = rows_at(offsets, rows)
        assert [where[a:b].tolist() for a, b in pairwise(begins)] == [lists[r] for r in rows]
        kept = rng.random(offsets[-1]) < 0.5
        left = without_entries(offsets, kept)
        assert np.diff(left).tolist() == [sum(kept[k] for k in row) for row in lists]


def test_order_within():
    """By hand: a row that is sorted, none, one of which equal ones stay as they are; then against lists."""
    order = order_within(np.array([0, 2, 2, 6]), np.array([1.0, 3.0, 2.0, 0.5, 2.0, 0.5]))
    assert order.tolist() == [0, 1, 3, 5, 2, 4]
    assert order_within(np.array([0, 2, 4]), np.array([5.0, 6.0, 1.0, 1.0])) is None
    assert order_within(np.array([0, 0]), np.zeros(0)) is None
    rng = np.random.default_rng(0)
    for _ in range(100):
        lengths = rng.integers(0, 5, rng.integers(1, 6))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        keys = rng.integers(0, 4, offsets[-1])
        order = order_within(offsets, keys)
        expected = [k for a, b in pairwise(offsets) for k in sorted(range(a, b), key=keys.__getitem__)]
        assert (np.arange(len(keys)) if order is None else order).tolist() == expected
