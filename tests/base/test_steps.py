"""Times as whole steps, by hand."""

import numpy as np

from lava_nbp.base.steps import nearest_steps


def test_the_nearest_step_of_two_the_later():
    found = nearest_steps([0.0, 0.99, 1.0, 2.99, 3.0, 4.0, 5.5], 2.0)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert nearest_steps([], 0.5).tolist() == []


def test_steps_that_are_too_many_for_integers():
    """They are late, and not before the first."""
    assert nearest_steps([0.0, 1e6, 1.0], 1e-300).tolist() == [0, 2**53, 2**53]
