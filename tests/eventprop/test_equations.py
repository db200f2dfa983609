"""Flows between events: against numerical integration, at equal time constants, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import (
    NeuronParameters,
    adjoint_current,
    adjoint_jump,
    adjoint_voltage,
    current,
    membrane,
    rate_difference,
    response,
)

PARAMETERS = [(20.0, 5.0), (5.0, 20.0), (10.0, 10.0), (10.0, 10.0 * (1 + 1e-9)), (7.0, 6.9)]


@pytest.mark.parametrize(("tau_m", "tau_s"), PARAMETERS)
def test_forward_flow_solves_its_differential_equations(tau_m, tau_s):
    p = NeuronParameters(tau_m, tau_s)
    solved = solve_ivp(
        lambda _, s: [(s[1] - s[0]) / tau_m, -s[1] / tau_s], (0, 13), [0.3, 2.0], rtol=1e-11, atol=1e-13
    ).y[:, -1]
    assert np.allclose([membrane(0.3, 2.0, 13.0, p), current(2.0, 13.0, p)], solved, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("tau_m", "tau_s"), PARAMETERS)
def test_adjoint_flow_solves_its_differential_equations(tau_m, tau_s):
    p = NeuronParameters(tau_m, tau_s)
    solved = solve_ivp(
        lambda _, s: [-s[0] / tau_m, (s[0] - s[1]) / tau_s], (0, 13), [0.7, 0.4], rtol=1e-11, atol=1e-13
    ).y[:, -1]
    found = [adjoint_voltage(0.7, 13.0, p), adjoint_current(0.7, 0.4, 13.0, p)]
    assert np.allclose(found, solved, rtol=1e-9, atol=0)


def test_response_by_hand():
    """tau_s / (tau_m - tau_s) (exp(-h / tau_m) - exp(-h / tau_s)); h / tau exp(-h / tau) if they are equal."""
    h = 4.0
    assert np.isclose(response(h, NeuronParameters(20, 5)), (np.exp(-0.2) - np.exp(-0.8)) / 3, rtol=1e-14)
    assert np.isclose(response(h, NeuronParameters(8, 8)), 0.5 * np.exp(-0.5), rtol=1e-14)
    assert response(0.0, NeuronParameters()) == 0


def test_jump_by_hand():
    """lV+ + (theta lV+ + e) / (I - theta) = 2 + (1 * 2 + 3) / (3 - 1)."""
    assert adjoint_jump(2.0, 3.0, 3.0, NeuronParameters()) == 4.5
    assert adjoint_jump(2.0, 3.0, 1.0, NeuronParameters(), floor=0.5) == 12.0


@pytest.mark.parametrize("name", ["tau_m", "tau_s", "theta"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "20"])
def test_parameters_that_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} is {value!r}, but must be positive and finite"):
        NeuronParameters(**{name: value})


@pytest.mark.parametrize(
    ("tau_m", "tau_s"), [*PARAMETERS, (20.0, 19.999999), (np.nextafter(20.0, 0), 20.0), (1e-3, 1.0)]
)
def test_the_difference_of_rates_loses_no_digits(tau_m, tau_s):
    exact = 1 / Fraction(tau_s) - 1 / Fraction(tau_m)
    assert abs(Fraction(rate_difference(tau_m, tau_s)) - exact) <= abs(exact) * Fraction(1e-15)


def test_no_exponential_overflows():
    """A long time for both time constants, whichever is longer."""
    for taus in ((5.0, 20.0), (20.0, 5.0), (0.01, 0.0101)):
        assert 0 <= response(60000.0, NeuronParameters(*taus)) < 1e-300


def test_parameters_of_numpy_become_floats():
    p = NeuronParameters(np.float32(20), np.int64(5), 1)
    assert p == NeuronParameters(20.0, 5.0, 1.0)
    assert all(type(x) is float for x in (p.tau_m, p.tau_s, p.theta))
    for value in (1e-10, 1e10):
        with pytest.raises(InputError, match=r"tau_s is .*, but must be in 1e-09 .. 1e\+09; use other units"):
            NeuronParameters(20.0, value)
