"""Kernels between two events, run as Python: roots against exact arithmetic, and who is marked against one by one."""

from fractions import Fraction

import numpy as np
import pytest

from lava_nbp.eventprop.continuous.constants import LayerConstants
from lava_nbp.eventprop.continuous.crossing import crossing, find_roots, may_cross, reduced, run_interval
from lava_nbp.eventprop.continuous.state import Constants, Network, Room
from lava_nbp.eventprop.equations import NeuronParameters

RATIOS = [2, 3, 4, 7, 16]


def constants(ratio, theta=1.0):
    return Constants.of(NeuronParameters(5.0 * ratio, 5.0, theta), 1e-9, 60.0)


def tape_of(n):
    p, none = NeuronParameters(), np.zeros((0, 0))
    own = LayerConstants(p, n, None).own(none, none)
    network = Network((Constants.of(p, 1e-9, 60.0),), (np.zeros((1, n)),), (none,), (np.zeros(n),), (own,))
    return Room.of(network, [n], 1, n, False).tapes[0]


def below(v, i, x, ratio, theta):
    """V - theta at a float x = exp(-h / tau_m), exactly."""
    v, i, x, theta = map(Fraction, (v, i, x, theta))
    return v * x + i / (ratio - 1) * (x - x**ratio) - theta


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("theta", [1.0, 37.5])
def test_roots_are_exact_and_the_first(ratio, theta):
    """The function changes its sign within some ulps, and has none on the way from x = 1: it is concave."""
    c, rng = constants(ratio, theta), np.random.default_rng([ratio, 1])
    n = 301  # not a multiple of 8
    i = theta * np.exp(rng.uniform(0.01, 5, n))
    v = theta * rng.uniform(-3, 0.999, n)
    q, t, x = (np.zeros(304) for _ in range(3))
    for k in range(n):
        q[k], t[k] = reduced(v[k], i[k], c)
    there = np.array([bool(may_cross(v[k], i[k], -np.inf, -np.inf, c)) for k in range(n)])
    find_roots(q, t, x, n, c)
    assert 20 < there.sum() < n - 20
    for k in range(n):
        at = min(1.0, (q[k] / ratio) ** (1 / (ratio - 1))) if q[k] > 0 else 1.0  # the maximum of V
        if not there[k]:
            assert x[k] == -1.0
            assert below(v[k], i[k], at, ratio, theta) < 0
            continue
        # Rounding of the function is some ulps of its terms; near the maximum it moves the root by more.
        near = 4e-16 * (x[k] + q[k] * x[k] / (ratio * x[k] ** (ratio - 1) - q[k]))
        assert at <= x[k] <= 1.0
        assert below(v[k], i[k], min(1.0, x[k] + near), ratio, theta) <= 0
        assert below(v[k], i[k], max(at, x[k] - near), ratio, theta) >= 0
        h, a, b = crossing(v[k], i[k], np.inf, 0.0, 0.0, 0.0, c)
        assert a == pytest.approx(x[k], rel=1e-14 + near)
        assert b == pytest.approx(a**ratio, rel=1e-14)
        assert np.exp(-h / c.tau_m) == pytest.approx(a, rel=1e-14)


@pytest.mark.parametrize("taus", [(20.0, 5.0), (20.0, 10.0), (10.0, 10.0), (13.0, 6.0)])
@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 16, 41])
def test_whoever_may_cross_is_found_however_wide_the_layer(n, taus):
    """State and list are those of one neuron after the other."""
    c, rng, tape = Constants.of(NeuronParameters(*taus), 1e-9, 60.0), np.random.default_rng(n), tape_of(n)
    found_any = 0
    for _ in range(20):
        now, current, row = rng.uniform(-1, 1, n), rng.uniform(0, 3, n), rng.uniform(-1, 3, n)
        tape.V[:], tape.I[:], tape.lV[:] = 7.0, current, now
        count = run_interval(c, tape.V, tape.I, tape.lV, row, 0.75, 0.8, 0.4, 0.1, tape.may, tape.found)
        i = current * 0.75 + row
        v_end = now * 0.8 + i * 0.1
        assert np.array_equal(tape.V, now)
        assert np.array_equal(tape.I, i)
        assert np.array_equal(tape.lV, v_end)
        expected = [j for j in range(n) if may_cross(now[j], i[j], v_end[j], i[j] * 0.4, c)]
        assert tape.found[:count].tolist() == expected
        found_any += count
    assert 0 < found_any < 20 * n


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_crossing_behind_the_end_is_at_the_end_if_rounding_hides_it(ratio):
    c = constants(ratio)
    h, x, y = crossing(0.0, 30.0, np.inf, 0.0, 0.0, 0.0, c)
    rest = h * (1 - 1e-15)
    assert crossing(0.0, 30.0, rest, 1.0, x, y, c) == (rest, x, y)
    assert crossing(0.0, 30.0, 0.9 * h, 0.9, x, y, c) == (-1.0, 0.0, 0.0)
