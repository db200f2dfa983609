import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_nbp.base import integers
from lava_nbp.errors import WeightError


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0, 0),
        (131_071, 131_071),
        (131_072, 131_072),  # u = 2**23 exactly is kept by Lava's LIF
        (131_073, -131_071),
        (-131_071, -131_071),
        (-131_072, 131_072),
        (200_000, 200_000 - 262_144),
    ],
)
def test_wrap_by_hand(total, expected):
    assert integers.wrap_state(64 * total) >> 6 == expected


@given(st.integers(-200_000, 200_000))
def test_wrap_is_that_of_lavas_lif(total):
    # lava/proc/lif/models.py, one fold of u = total << 6 into (-2**23, 2**23].
    u, limit = total << 6, 1 << 23
    if u > limit:
        u -= 2 * limit
    elif u <= -limit:
        u += 2 * limit
    assert int(integers.wrap_state(total << 6)) == u


def test_round_to_even_toward_zero():
    real = [0.0, 1.9, -1.9, 2.0, 3.99, -3.99, 239.9, -240.0]
    assert integers.round_to_even_toward_zero(real).tolist() == [0, 0, 0, 2, 2, -2, 238, -240]


@pytest.mark.parametrize(
    ("weight", "mantissa", "exponent"),
    [(8704, 136, 6), (520, 130, 2), (-520, -130, 2), (9280, 145, 6), (512, 128, 2), (8192, 128, 6), (-8128, -254, 5)],
)
def test_the_papers_constants_as_mantissa_and_exponent(weight, mantissa, exponent):
    assert integers.mantissa_exponent(weight) == (mantissa, exponent)
    assert mantissa * 2**exponent == weight


@pytest.mark.parametrize("weight", [257, 8705, 255 << 8, -(1 << 16)])
def test_weights_that_no_synapse_holds(weight):
    with pytest.raises(WeightError, match=str(weight)):
        integers.mantissa_exponent(weight)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((2, 2), int), r"W1 has shape \(2, 2\), but this network needs \(2, 3\)"),
        (np.zeros((2, 3)), "dtype float64"),
        (np.array([[0, 1, 0], [0, 0, 0]]), r"W1\[0, 1\] is 1, .* even integer in -254 .. 254"),
        (np.array([[0, 0, 0], [0, 0, 256]]), r"W1\[1, 2\] is 256"),
        (np.array([[0, 0, 0], [-256, 0, 0]]), r"W1\[1, 0\] is -256"),
        (np.full((2, 3), np.nan), "dtype float64"),
    ],
)
def test_plastic_weights_are_checked(weights, message):
    with pytest.raises(WeightError, match=message):
        integers.check_plastic_weights(weights, (2, 3), "W1")


def test_checked_weights_are_a_copy():
    given_weights = np.full((1, 1), 254)
    checked = integers.check_plastic_weights(given_weights, (1, 1), "W1")
    given_weights[0, 0] = 0
    assert checked.dtype == np.int16
    assert checked[0, 0] == 254
