"""Optimizers by hand, and their state."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.optimizers import SGD, Adam, adam, make_optimizer


def test_adam_by_hand():
    """First step: m / (1 - beta1) = g and v / (1 - beta2) = g**2, so w moves by the rate against the sign of g."""
    w, g, m, v = np.array([1.0, 2.0]), np.array([0.5, -4.0]), np.zeros(2), np.zeros(2)
    adam(w, g, m, v, 1, 0.1, 0.9, 0.999, 0.0)
    assert np.allclose(w, [0.9, 2.1], rtol=1e-12)
    adam(w, np.zeros(2), m, v, 2, 0.1, 0.9, 0.999, 0.0)
    second = 0.1 * (0.09 / 0.19) / np.sqrt(0.999e-3 / (1 - 0.999**2))
    assert np.allclose(w, [0.9 - second, 2.1 + second], rtol=1e-12)


def test_adam_of_an_input_that_spikes_no_more_ends_at_zero():
    """Subnormal means would make every step many times slower."""
    w, m, v = np.ones(1), np.array([1e-200]), np.array([1e-250])
    for step in range(2, 5):
        adam(w, np.zeros(1), m, v, step, 0.1, 0.9, 0.999, 1e-8)
    assert m[0] == 0.0
    assert v[0] == 0.0
    assert w[0] == 1.0


def test_sgd_by_hand():
    w = np.array([[1.0, 2.0]])
    make_optimizer("sgd", [w]).step([np.array([[0.5, -4.0]])], 0.1)
    assert np.allclose(w, [[0.95, 2.4]])


def test_state_round_trip():
    gradients = [np.array([[0.5, -4.0]])]
    whole, first = np.ones((1, 2)), np.ones((1, 2))
    one, two = make_optimizer("adam", [whole]), make_optimizer("adam", [first])
    for _ in range(4):
        one.step(gradients, 0.1)
    for _ in range(2):
        two.step(gradients, 0.1)
    again = make_optimizer("adam", [first])
    again.load(two.state())
    two.step([np.ones((1, 2))], 0.1)  # the state was a copy
    first[...] = np.ones((1, 2))
    fresh = make_optimizer("adam", [first])
    for _ in range(2):
        fresh.step(gradients, 0.1)
    again.load(fresh.state())
    for _ in range(2):
        again.step(gradients, 0.1)
    assert np.array_equal(first, whole)
    with pytest.raises(InputError, match="optimizer state has arrays {}, but these matrices need"):
        again.load({})
    with pytest.raises(InputError, match=r"optimizer is 'adm', but must be one of adam, sgd \(did you mean 'adam'"):
        make_optimizer("adm", [])


@pytest.mark.parametrize("kind", [Adam, SGD])
def test_gradients_that_are_none_of_the_matrices_change_nothing(kind):
    w = np.ones((3, 2))
    optimizer = kind([w])
    kept = optimizer.state()
    for gradients in (
        [np.ones((2, 2))],
        [np.ones(6)],
        [],
        [np.ones((3, 2))] * 2,
        [np.ones((3, 2), int)],
        [[[1.0, 1.0]] * 3],
    ):
        with pytest.raises(InputError, match=r"but must be float64 arrays of \[\(3, 2\)\], one per matrix"):
            optimizer.step(gradients, 0.1)
    assert (w == 1.0).all()
    assert all(map(np.array_equal, kept.values(), optimizer.state().values()))
