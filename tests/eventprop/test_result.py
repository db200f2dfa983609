"""Answers and ties, by hand."""

import numpy as np

from lava_nbp.eventprop.result import Result


def test_ties_are_wrong_unless_asked():
    said = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 3.0], [np.inf, 5.0, np.inf], [np.inf] * 3])
    result, labels = Result(said), np.array([0, 1, 1, 2])
    assert result.answers().tolist() == [0, 0, 1, 0]
    assert result.right(labels).tolist() == [True, False, True, False]
    assert result.right(labels, ties_right=True).tolist() == [True, True, True, True]
    voltages = Result(np.array([[0.1, 0.5], [0.5, 0.5]]), voltages=True)
    assert voltages.answers().tolist() == [1, 0]
    assert voltages.right(np.array([1, 0])).tolist() == [True, False]
