"""Kernels of neurons between two events: the response of their voltage, and when it crosses the threshold.

What a layer does for all its neurons stands in loops without a branch, which compilers turn into a few neurons at a
time: `run_interval`, which also says who may cross the threshold, and `find_roots`. A division that may raise an
exception is a branch, too, hence NumPy's rule for it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from lava_nbp.base.compiled import BARE, DIVIDING, inner

#: Newton steps to a crossing; they converge quadratically unless the voltage only touches the threshold.
_NEWTON = 80
#: Rounds of three of Halley's steps; they converge cubically unless the voltage only touches the threshold.
_ROUNDS = 27
#: Neurons that are looked at one by one: to mark them first would take longer.
_FEW = 8


@njit(cache=True, nogil=True, inline="always")
def power_of(x, n):  # type: ignore[no-untyped-def]
    """x**n for n in 0 .. 31, without a branch."""
    y = 1.0
    y = y * x if n & 1 else y
    x = x * x
    y = y * x if n & 2 else y
    x = x * x
    y = y * x if n & 4 else y
    x = x * x
    y = y * x if n & 8 else y
    x = x * x
    return y * x if n & 16 else y


@njit(cache=True, nogil=True, inline="always")
def decays(h, c):  # type: ignore[no-untyped-def]
    """exp(-h / tau_m), exp(-h / tau_s), and the response after h."""
    a = math.exp(-h / c.tau_m)
    b = power_of(a, c.power) if c.power > 0 else math.exp(-h / c.tau_s)
    return a, b, response(h, a, b, c)


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
def time_to_top(v, i, c):  # type: ignore[no-untyped-def]
    """Time until V, which rises, is largest: where it meets I, if nothing happens before."""
    if c.delta == 0.0:
        return (1.0 - v / i) * c.tau_m
    return -math.log1p(-(1.0 - v / i) * (c.tau_m - c.tau_s) / c.tau_m) / c.delta


@njit(cache=True, nogil=True, inline="always")
def _peaks(v, i, c):  # type: ignore[no-untyped-def]
    """Whether the maximum of V reaches theta; exact if tau_m / tau_s is an integer, else nobody knows."""
    # V = q x - p x**r, x = exp(-h / tau_m), r = tau_m / tau_s, is largest where q = r p x**(r - 1), and
    # is q x (1 - 1 / r) there. That is theta or more if q**r >= r p (theta r / (r - 1))**(r - 1).
    q = v + c.kappa * i
    return (c.power == 0) | ((q > 0.0) & (power_of(q, c.power) >= c.reach * i))


@njit(cache=True, nogil=True, inline="always")
def may_cross(v, i, v_end, i_end, c):  # type: ignore[no-untyped-def]
    """Whether V may reach theta between two ends of an interval.

    I > theta at the beginning: V follows I, which only falls, and else could not rise through theta. Still rising at
    the end, it has no maximum before; both are 0 after a time that is long for both time constants.
    """
    return i > c.theta and (v_end >= c.reached or (i_end <= v_end and _peaks(v, i, c)))


@inner(**BARE, forceinline=True)
def run_interval(c, V, I, V_end, row, decayed, a, b, g, may, found):  # type: ignore[no-untyped-def]  # noqa: E741
    """Run neurons from an input spike to the end of the interval behind it; how many may cross the threshold meanwhile.

    Before, I is that behind the input spike before and has `decayed` since, and V_end is V now. Behind, V and I
    are those just after the input spike, V_end is V at the end, and `found` begins with those who may cross.
    a, b and g are decays and response of the interval.
    """
    n = V.shape[0]
    count = 0
    if n < _FEW:
        for j in range(n):
            v, i = V_end[j], I[j] * decayed + row[j]
            v_end = v * a + i * g
            V[j], I[j], V_end[j] = v, i, v_end
            if may_cross(v, i, v_end, i * b, c):
                found[count] = j
                count += 1
        return count
    for j in range(n):
        v, i = V_end[j], I[j] * decayed + row[j]
        v_end = v * a + i * g
        V[j], I[j], V_end[j] = v, i, v_end
        # As `may_cross`, but all of it is computed, whatever the first condition says: no branch.
        may[j] = (i > c.theta) & ((v_end >= c.reached) | ((i * b <= v_end) & _peaks(v, i, c)))
    # Neither loop has a branch in it, which no one could foretell. Eight marks are looked at as one number.
    eights = may.view(np.uint64)
    few, behind = 0, may.shape[0]
    for w in range(eights.shape[0]):
        found[behind + few] = 8 * w
        few += 1 if eights[w] != 0 else 0
    for k in range(few):
        begin = found[behind + k]
        for j in range(begin, begin + 8):
            found[count] = j
            count += may[j]
    return count


@njit(cache=True, nogil=True, inline="always")
def reduced(v, i, c):  # type: ignore[no-untyped-def]
    """q and t: V reaches theta where q x - x**r - t is 0, x = exp(-h / tau_m). Moderate, whatever V and I are."""
    p = c.kappa * i
    return 1.0 + v / p, c.theta / p


@njit(cache=True, nogil=True, inline="always")
def _start(q, t, c):  # type: ignore[no-untyped-def]
    """A first guess of the root of q x - x**r - t that is next to x = 1: that of the parabola there.

    The third derivative being positive, V is above the parabola when x falls from 1: its root, or its
    maximum where it has none, lies before the maximum of V.
    """
    below, slope, bend = 1.0 - q + t, c.power - q, c.power * (c.power - 1.0)
    square = slope * slope - 2.0 * below * bend
    return 1.0 - 2.0 * below / (slope + math.sqrt(max(square, 0.0)))


@njit(cache=True, nogil=True, inline="always")
def _closer(x, q, t, c):  # type: ignore[no-untyped-def]
    """One of Halley's steps to the root of f = q x - x**r - t; -1 if there is none. And whether that is it.

    They are Newton's for f / sqrt(slope of f), which is concave before the root and convex behind it, up to the maximum
    of V: so they approach the root from the side that they are on, or find that the slope has turned.
    """
    y = power_of(x, c.power - 2)
    f = (q - y * x) * x - t
    slope, bend = c.power * y * x - q, c.power * (c.power - 1.0) * y
    below = 2.0 * slope * slope + f * bend
    step = 2.0 * f * slope / below
    there = (x > 0.0) & (slope > 0.0) & (below > 0.0) & (x + step > 0.0)
    # The next step would be less than (bend / slope)**2 / 4 of the third power of this one.
    done = bend * bend * abs(step * step * step) <= 4e-17 * x * slope * slope
    return (x + step if there else -1.0), done | (not there)


@inner(**DIVIDING)
def find_roots(q, t, x, n, c):  # type: ignore[no-untyped-def]
    """First roots x of n functions q x - x**r - t, x falling from 1; -1 where there is none.

    The arrays are as long as a multiple of 8, and what is behind n is overwritten.
    """
    # As many as are handled at once: to handle those that are left one by one would take longer.
    full = 8 * ((n + 7) // 8)
    for k in range(n, full):
        q[k], t[k] = q[0], t[0]
    for k in range(full):
        x[k] = _start(q[k], t[k], c)
    for _ in range(_ROUNDS):
        unsure = 0
        for k in range(full):
            nearer, _ = _closer(x[k], q[k], t[k], c)
            nearer, _ = _closer(nearer, q[k], t[k], c)
            x[k], done = _closer(nearer, q[k], t[k], c)
            unsure += not done
        if unsure == 0:
            return


@njit(cache=True, nogil=True, inline="always")
def _at_end(rest, v_end, a_end, b_end, c):  # type: ignore[no-untyped-def]
    """What `crossing` says of a root that lies behind the end."""
    if v_end >= c.reached:
        return rest, a_end, b_end
    return -1.0, 0.0, 0.0


@njit(cache=True, nogil=True, inline="always")
def crossing_at(x, rest, v_end, a_end, b_end, c):  # type: ignore[no-untyped-def]
    """As `crossing`, of a root x of `find_roots`."""
    if x < 0.0:
        return -1.0, 0.0, 0.0
    x = min(x, 1.0)
    h = -c.tau_m * math.log(x)
    if h > rest:
        return _at_end(rest, v_end, a_end, b_end, c)
    return h, x, power_of(x, c.power)


@inner(**DIVIDING)
def crossing(v, i, rest, v_end, a_end, b_end, c):  # type: ignore[no-untyped-def]
    """First time in [0, rest] at which V reaches theta, and the decays until then; time -1 if there is none.

    A root beyond the end is at the end if V has reached theta there but for rounding.
    """
    if c.power > 0:
        q, t = reduced(v, i, c)
        x = _start(q, t, c)
        for _ in range(3 * _ROUNDS):
            x, done = _closer(x, q, t, c)
            if done:
                break
        return crossing_at(x, rest, v_end, a_end, b_end, c)
    # V - theta, times a positive exponential, is concave until its maximum: Newton's steps from the left approach the
    # root from the left, or find that the slope has turned.
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
