"""Checks of single values: what is a number, and what only looks like one."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from lava_nbp.base.checks import check_integer, check_positive, check_real
from lava_nbp.errors import CircuitError, InputError


@pytest.mark.parametrize("given", [2, 2.0, np.float32(2), np.int8(2), Fraction(2), np.float16(2), np.longdouble(2)])
def test_what_is_a_number_becomes_a_float(given):
    found = check_real(given, 0, 2, "it")
    assert type(found) is float
    assert found == 2.0


@pytest.mark.parametrize(
    "given",
    [math.nan, math.inf, -math.inf, np.float32("nan"), 10**400, True, np.True_, "2", None, 2 + 0j, [2], np.array(2.0),
     Decimal(2), 2.1, -0.1],
)  # fmt: skip
def test_what_is_none_or_outside_is_refused(given):
    with pytest.raises(InputError, match=r"it is .*, but must be in 0 \.\. 2; cure"):
        check_real(given, 0, 2, "it", "cure")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ((0, math.inf, True), "positive and finite"),
        ((0, math.inf, False), "0 or more, and finite"),
        ((-math.inf, math.inf, False), "a finite number"),
        ((1, math.inf, False), "1 or more, and finite"),
        ((1, math.inf, True), "more than 1, and finite"),
        ((-math.inf, 3, False), "3 or less, and finite"),
        ((0, 3, True), "more than 0, and 3 at most"),
    ],
)
def test_the_limits_are_said(limits, said):
    low, high, above = limits
    with pytest.raises(CircuitError, match=f"it is nan, but must be {said}$"):
        check_real(math.nan, low, high, "it", error=CircuitError, above=above)


def test_positive_is_not_zero():
    assert check_positive(np.nextafter(0, 1), "it") > 0
    with pytest.raises(InputError, match=r"it is 0\.0, but must be positive and finite"):
        check_positive(0.0, "it")


def test_a_long_value_is_cut():
    for value in (10**4000, 10**5000):
        with pytest.raises(InputError) as told:
            check_integer(value, 1, 5, "it")
        assert len(str(told.value)) < 200
