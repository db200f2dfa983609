"""Answers and ties, by hand."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.result import Result


def test_ties_are_wrong_unless_asked():
    said = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 3.0], [np.inf, 5.0, np.inf], [np.inf] * 3])
    result, labels = Result(said), np.array([0, 1, 1, 2])
    assert result.answers().tolist() == [0, 0, 1, 0]
    assert result.right(labels).tolist() == [True, False, True, False]
    assert result.right(labels, ties_right=True).tolist() == [True, True, True, False]  # silence is never right
    assert result.silent().tolist() == [False, False, False, True]
    voltages = Result(np.array([[0.1, 0.5], [0.5, 0.5]]), voltages=True)
    assert voltages.answers().tolist() == [1, 0]
    assert voltages.right(np.array([1, 0])).tolist() == [True, False]


def test_silence_is_never_right():
    """Not with one output either, nor where no voltage rises above rest."""
    for result in (Result(np.full((2, 1), np.inf)), Result(np.zeros((2, 3)), voltages=True)):
        for ties_right in (False, True):
            assert not result.right(np.zeros(2, int), ties_right).any()


def test_labels_of_other_samples_are_refused():
    for labels, message in (([0, 3], r"labels\[1\] is 3"), ([0, -1], "is -1"), ([0], "must be 2 integers"),
                            ([0.0, 1.0], "must be 2 integers")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            Result(np.ones((2, 3))).right(np.array(labels))
