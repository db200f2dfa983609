"""Kernels of one neuron between two events: the response of its voltage, and when it crosses the threshold."""

from __future__ import annotations

import math

from numba import njit

from lava_nbp.base.compiled import inner

#: Newton steps to a crossing; they converge quadratically unless the voltage only touches the threshold.
_NEWTON = 80


@njit(cache=True, nogil=True, inline="always")
def response(h, a, b, c):  # type: ignore[no-untyped-def]
    """V after h from I = 1; a and b are the two decays."""
    if c.nearly_equal:
        if c.delta == 0.0:
            return a * h / c.tau_m
        delta = abs(c.delta)
        return -max(a, b) * math.expm1(-h * delta) / (delta * c.tau_m)
    return c.kappa * (a - b)


@njit(cache=True, nogil=True, inline="always")
def may_cross(v, i, v_end, i_end, c):  # type: ignore[no-untyped-def]
    """Whether V may reach theta between two ends of an interval; exact if tau_m / tau_s is an integer.

    I > theta at the beginning: V follows I, which only falls, and else could not rise through theta.
    """
    if v_end >= c.reached:
        return True
    if i_end > v_end:  # still rising at the end; both are 0 after a time that is long for both time constants
        return False
    if c.power == 0:
        return True
    # V = q x - p x**r, x = exp(-h / tau_m), r = tau_m / tau_s, is largest where q = r p x**(r - 1), and
    # is q x (1 - 1 / r) there. That is theta or more if q**r >= r p (theta r / (r - 1))**(r - 1).
    q = v + c.kappa * i
    y = q
    for _ in range(c.power - 1):
        y *= q
    return q > 0.0 and y >= c.reach * i


@njit(cache=True, nogil=True, inline="always")
def _at_end(rest, v_end, a_end, b_end, c):  # type: ignore[no-untyped-def]
    """What `crossing` says of a root that lies behind the end."""
    if v_end >= c.reached:
        return rest, a_end, b_end
    return -1.0, 0.0, 0.0


@inner
def crossing(v, i, rest, v_end, a_end, b_end, c):  # type: ignore[no-untyped-def]
    """First time in [0, rest] at which V reaches theta, and the decays until then; time -1 if there is none.

    V - theta, times a positive exponential, is concave until its maximum: Newton's steps from
    the left approach the root from the left, or find that the slope has turned. A root beyond the end is at the end if
    V has reached theta there but for rounding.
    """
    if c.power > 0:
        # In x = exp(-h / tau_m): (v + kappa i) x - kappa i x**power - theta, from x = 1 downward.
        p = c.kappa * i
        q = v + p
        x = 1.0
        for _ in range(_NEWTON):
            y = x
            for _ in range(c.power - 2):
                y *= x
            slope = q - c.power * p * y
            if slope >= 0.0:
                return -1.0, 0.0, 0.0
            step = (q * x - p * y * x - c.theta) / slope
            if step <= 1e-16 * x:
                break
            x -= step
            if x <= 0.0:
                return -1.0, 0.0, 0.0
        h = -c.tau_m * math.log(x)
        if h > rest:
            return _at_end(rest, v_end, a_end, b_end, c)
        y = x
        for _ in range(c.power - 1):
            y *= x
        return h, x, y
    h = 0.0
    for _ in range(_NEWTON):
        a, b = math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
        v_now = v * a + i * response(h, a, b, c)
        # Of (V - theta) exp(h / tau), which is concave for the longer of the two time constants.
        slope = (i * b - v_now) / c.tau_m + (v_now - c.theta) / max(c.tau_m, c.tau_s)
        if slope <= 0.0:
            return -1.0, 0.0, 0.0
        step = (c.theta - v_now) / slope
        if step <= 1e-16 * h:
            break
        h += step
        if h > rest:
            return _at_end(rest, v_end, a_end, b_end, c)
    return h, math.exp(-h / c.tau_m), math.exp(-h / c.tau_s)
