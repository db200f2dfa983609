"""Learning with integers: by hand, against Adam with real numbers, and its state."""

import math

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.matrix_kernels import root
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.equations import NeuronParameters

C = FixedPoint(NeuronParameters(), 0.5, 60.0)
UNIT = 1 << 20


def made(name, shape=(1, 2), limits=(-(1 << 30), 1 << 30), unit=C.weight_gradient):
    masters = np.zeros(shape, dtype=np.int64)
    return IntegerOptimizer(name, masters, limits, unit)


def test_sgd_by_hand():
    """g = 2**14 is a gradient of tau_s = 5: at a rate of 0.01 and a batch of 2 it moves a weight by 0.025."""
    optimizer = made("sgd")
    optimizer.step(np.array([[1 << 14, -(1 << 15)]]), 2, 0.01)
    assert np.abs(optimizer.masters / UNIT - [[-0.025, 0.05]]).max() < 2e-6


def test_the_first_step_of_adam_is_the_rate():
    optimizer = made("adam")
    optimizer.step(np.array([[100_000, -3_000_000]]), 1, 0.01)
    assert np.abs(optimizer.masters / UNIT - [[-0.01, 0.01]]).max() < 5e-6


def test_adam_with_real_numbers():
    """beta 7 / 8 and 1023 / 1024; weights that moved by about 2 agree to 1e-3."""
    optimizer, rng = made("adam", (4, 4)), np.random.default_rng(0)
    w, m, v = (np.zeros((4, 4)) for _ in range(3))
    for t in range(1, 1000):
        g = np.rint(1e5 * (rng.standard_t(2, (4, 4)) + 0.3)).astype(np.int64)
        optimizer.step(g, 32, 5e-3)
        m, v = m + (g - m) / 8, v + (g.astype(float) ** 2 - v) / 1024
        w -= 5e-3 * (m / (1 - 0.875**t)) / np.sqrt(v / (1 - (1023 / 1024) ** t))
    assert np.abs(w).max() > 0.5
    assert np.abs(optimizer.masters / UNIT - w).max() < 1e-3


def test_weights_and_gradients_are_bounded():
    """0.5 are 524 288 units: the first number leaves its limits at the first step, the other at the second."""
    optimizer = made("adam", limits=(-1000, 600_000))
    found = [optimizer.step(np.array([[2**62, -(2**62)]]), 1, 0.5) for _ in range(3)]
    assert optimizer.masters.tolist() == [[-1000, 600_000]]
    assert found == [1, 2, 2]


def test_adam_is_that_of_whole_numbers():
    """Compiled, against Python's integers, whose roots are exact; at the ends of all ranges, in any layout."""
    rng, largest = np.random.default_rng(0), 1 << 26
    for layout in (np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]):
        masters = layout(rng.integers(-(1 << 25), 1 << 25, (7, 11)))
        optimizer = IntegerOptimizer("adam", masters, (-(1 << 24), 1 << 24), C.weight_gradient)
        expected, m, v = masters.tolist(), np.zeros((7, 11), object), np.zeros((7, 11), object)
        for t in range(1, 6):
            g = layout(rng.integers(-(1 << 28), 1 << 28, (7, 11)) >> rng.integers(0, 28, (7, 11)))
            left, size = 0, round(0.5 * math.sqrt(1 - (1 - 2.0**-10) ** t) / (1 - (1 - 2.0**-3) ** t) * (1 << 20))
            for i, j in np.ndindex(7, 11):
                clipped = min(max(int(g[i, j]), -largest), largest)
                m[i, j] += ((clipped << 8) - m[i, j] + 4) >> 3
                v[i, j] += ((clipped**2 << 8) - v[i, j] + 512) >> 10
                change = size * abs(m[i, j]) // ((math.isqrt(v[i, j]) + 1) << 4)
                moved = expected[i][j] - (change if m[i, j] >= 0 else -change)
                expected[i][j] = min(max(moved, -(1 << 24)), 1 << 24)
                left += moved != expected[i][j]
            assert optimizer.step(g, 1, 0.5) == left
            assert np.array_equal(optimizer.masters, expected)
            assert optimizer.masters is masters
            assert np.array_equal(optimizer.state()["m"], m.astype(np.int64))
            assert np.array_equal(optimizer.state()["v"], v.astype(np.int64))


def test_integer_roots():
    x = [0, 1, 3, 4, 2**60 - 1, 2**60, (2**30 + 1) ** 2 - 1]
    assert [root(number) for number in x] == [0, 1, 1, 2, 2**30 - 1, 2**30, 2**30]


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_state_round_trip(name):
    whole, first = made(name), made(name)
    g = np.array([[50_000, -20_000]])
    for _ in range(4):
        whole.step(g, 1, 0.01)
    for _ in range(2):
        first.step(g, 1, 0.01)
    again = made(name)
    again.masters[...] = first.masters
    again.load(first.state())
    for _ in range(2):
        again.step(g, 1, 0.01)
    assert np.array_equal(again.masters, whole.masters)


def test_what_is_refused():
    with pytest.raises(InputError, match="optimizer is 'lion', but must be one of adam, sgd"):
        made("lion")
    masters = np.zeros(2, dtype=np.int64)
    for limits, unit, message in (
        (1000, 1.0, "limits are 1000, but must be two integers, the least and the largest number"),
        ((0, 1.5), 1.0, "upper limit is 1.5"),
        ((5, 4), 1.0, "upper limit is 4, but must be"),
        ((0, 1 << 61), 1.0, "upper limit is 2305843009213693952, but must be"),
        ((0, 4), 0.0, "unit of gradients is 0.0, but must be positive and finite"),
        ((0, 4), np.nan, "unit of gradients is nan, but must be positive and finite"),
    ):
        with pytest.raises(InputError, match=message):
            IntegerOptimizer("adam", masters, limits, unit)
    masters.flags.writeable = False
    with pytest.raises(InputError, match="masters are .* but must be an int64 array that can be written"):
        IntegerOptimizer("adam", masters, (-9, 9), 1.0)
    with pytest.raises(InputError, match="optimizer state has arrays {}, but this matrix needs"):
        made("adam").load({})


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize(
    "g",
    [
        None, 3, [[1, 2]], np.array([[1.0, 2.0]]), np.array([[np.nan, 2.0]]), np.array([[1, 2]], np.uint64),
        np.array([[1, 2]], np.int32), np.array([1, 2]), np.array([[1], [2]]), np.array([[[1, 2]], [[1, 2]]]),
        np.array([[None, 2]]),
    ],
)  # fmt: skip
def test_gradients_of_another_shape_or_type_change_nothing(name, g):
    optimizer = made(name)
    optimizer.step(np.array([[1 << 20, -(1 << 20)]]), 1, 0.01)
    masters, state = optimizer.masters.copy(), optimizer.state()
    with pytest.raises(InputError, match=r"gradient is .*, but must be an int64 array of shape \(1, 2\)") as caught:
        optimizer.step(g, 1, 0.01)
    assert "\n" not in str(caught.value)
    assert np.array_equal(optimizer.masters, masters)
    assert all(np.array_equal(optimizer.state()[key], array) for key, array in state.items())
