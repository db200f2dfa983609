"""Checks of single values: what is a number, and what only looks like one."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from lava_nbp.base.checks import (
    check_arrays,
    check_integer,
    check_positive,
    check_real,
    check_reals,
    check_within,
    shown,
)
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


@pytest.mark.parametrize("dtype", [None, np.float32, np.int8, np.longdouble, ">u2"])
def test_arrays_of_numbers_become_float64(dtype):
    found = check_reals(np.array([[1, 2]], dtype), "they")
    assert found.dtype == np.float64
    assert found.tolist() == [[1.0, 2.0]]


def test_float64_is_not_copied():
    given = np.ones(3)
    assert check_reals(given, "they") is given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, math.nan], "holds nan"),
        ([1, -math.inf], "holds -inf"),
        (np.array([1, np.longdouble("1e400")]), "holds inf"),
        ([1, 11], "holds 11, but must hold numbers of magnitude 10 at most"),
        ([1, 2j], "has dtype complex128, but must hold real numbers"),
        (["1"], "has dtype <U1"),
        ([True], "has dtype bool"),
        ([None], "has dtype object"),
        ([[1], [1, 2]], "cannot be made an array"),
        ([10**30], "has dtype object"),
    ],
)
def test_arrays_of_what_is_none(given, said):
    with pytest.raises(CircuitError, match=f"they {said}.*; cure"):
        check_reals(given, "they", "cure", CircuitError, most=10)


def test_arrays_like_ones_own():
    own = {"steps": np.array(0), "m": np.zeros(3)}
    check_arrays({"m": np.ones(3), "steps": np.array(7)}, own, "state", "this needs")
    for given, message in (
        ({"m": np.ones(3)}, r"state has arrays {'m': \(3,\)}, but this needs {'steps': \(\), 'm': \(3,\)}"),
        ({**own, "v": np.ones(3)}, "state has arrays .*'v'"),
        ({**own, "m": np.ones((1, 3))}, r"state has arrays .*\(1, 3\)"),
        ({**own, "m": np.ones(3, np.float32)}, "state: m has dtype float32, but this needs float64"),
        ({**own, "m": np.array(["a", "b", "c"])}, "state: m has dtype <U1"),
        ({**own, "m": np.array([0, np.nan, np.inf])}, "state: m has an entry nan, but all must be a finite number"),
        ({**own, "m": [0.0, 0.0, 0.0]}, r"state: m is \[0.0, 0.0, 0.0\], but must be a ndarray"),
        (None, "state is None, but must be a Mapping"),
        ([own], "state is .*, but must be a Mapping"),
    ):
        with pytest.raises(InputError, match=message):
            check_arrays(given, own, "state", "this needs")


def test_entries_within():
    check_within(np.array([0, 5]), 0, 5, "steps")
    for bad in (-1, 6, np.nan, np.inf, -(2**63)):
        with pytest.raises(InputError, match=r"steps has an entry .*, but all must be in 0 .. 5"):
            check_within(np.array([0, bad]), 0, 5, "steps")


def test_what_is_shown_is_one_line():
    assert "\n" not in shown(np.eye(3))
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"


def test_numbers_of_numpy_are_shown_as_pythons():
    values = (np.float64("nan"), np.int8(-3), np.bool_(True), np.float32(0.5), np.str_("a"))
    assert [shown(value) for value in values] == ["nan", "-3", "True", "0.5", "'a'"]
    assert shown([np.int64(1), (np.int64(2), {np.int64(3): np.float64(4)})]) == "[1, (2, {3: 4.0})]"
    assert shown(np.array(3)) == "array(3)"
    endless = [1]
    endless.append(endless)
    assert shown(endless) == "a list that cannot be shown"
