"""The equations of EventProp: how state flows between events, and how it jumps at a spike.

Source: Wunderlich & Pehle, "Event-based backpropagation can compute exact gradients
for spiking neural networks", Scientific Reports 11, 12829 (2021); Table 1 there lists
the forward dynamics, the transitions and the adjoint dynamics.

Current-based leaky integrate-and-fire neurons; times in ms, voltages in units in which
the resting potential is 0, currents likewise (resistance 1)::

    tau_m dV/dt = -V + I        tau_s dI/dt = -I
    an input spike of i:        I_j += w_ij            (weights are (pre, post) here)
    a spike of j, at V_j = theta with dV/dt > 0:       V_j = 0

Backward in time (' is -d/dt), starting from 0 at the end of the trial::

    tau_m lV' = -lV - dl_V/dV   tau_s lI' = -lI + lV
    at spike k of neuron n:     lV- = lV+ + (theta lV+ + e_n + dl_p/dt_k) / (I(t_k) - theta)
    e_n = sum over j of w_nj (lV_j+ - lI_j)            the error sent back through the mirrored connection
    dL/dw_ij = -tau_s * sum over the spikes of i of lI_j at that spike

I(t_k) - theta is tau_m dV/dt just before the spike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_positive, check_real

Float64Array = NDArray[np.float64]

#: Limits of time constants and threshold: far beyond any use, and no power of them overflows.
SMALLEST_CONSTANT, LARGEST_CONSTANT = 1e-9, 1e9
#: Where the difference of two exponentials is taken from its series instead, and how many terms that has.
_SMALL, _TERMS = 0.5, 18
#: In thresholds: a rising voltage that is this high when something else happens has reached theta, and its neuron
#: spikes first. No more than rounding: without it, which of two events that fall together comes first would depend on
#: the last bit, and a spike could be lost.
AT_THRESHOLD = 1 - 1e-14


@dataclass(frozen=True)
class NeuronParameters:
    """Time constants in ms, and the threshold; any real numbers will do, and become floats.

    Raises
    ------
    InputError
        Unless all three are positive and finite, and neither below 1e-9 nor beyond 1e9.
    """

    tau_m: float = 20.0
    tau_s: float = 5.0
    theta: float = 1.0

    def __post_init__(self) -> None:
        for name in ("tau_m", "tau_s", "theta"):
            value = check_positive(getattr(self, name), name)
            object.__setattr__(
                self, name, check_real(value, SMALLEST_CONSTANT, LARGEST_CONSTANT, name, "use other units")
            )


def current(i: Any, h: float, p: NeuronParameters) -> Any:
    """Synaptic current after h ms without events: I exp(-h / tau_s)."""
    return i * math.exp(-h / p.tau_s)


def membrane(v: Any, i: Any, h: float, p: NeuronParameters) -> Any:
    """Membrane voltage after h ms without events, from V and I::

    V exp(-h / tau_m) + I tau_s / (tau_m - tau_s) (exp(-h / tau_m) - exp(-h / tau_s))

    For equal time constants its limit, (V + I h / tau) exp(-h / tau).
    """
    return v * math.exp(-h / p.tau_m) + i * response(h, p)


def rate_difference(tau_m: float, tau_s: float) -> float:
    """1 / tau_s - 1 / tau_m, without the cancellation of nearly equal time constants."""
    return (tau_m - tau_s) * (1 / tau_m) * (1 / tau_s)


def response(h: float, p: NeuronParameters) -> float:
    """Membrane voltage h ms after a current of 1, from rest."""
    # The slower decay times (1 - exp(-x)) / x, which is 1 at x = 0: nothing cancels, whatever the time constants.
    x = h * abs(rate_difference(p.tau_m, p.tau_s))
    slower = math.exp(-h / max(p.tau_m, p.tau_s))
    return slower * (h / p.tau_m) * (-math.expm1(-x) / x if x else 1.0)


def adjoint_voltage(lv: Any, h: float, p: NeuronParameters) -> Any:
    """Adjoint voltage h ms earlier, without events: lV exp(-h / tau_m)."""
    return lv * math.exp(-h / p.tau_m)


def adjoint_current(lv: Any, li: Any, h: float, p: NeuronParameters) -> Any:
    """Adjoint current h ms earlier, without events.

    lI exp(-h / tau_s) + lV tau_m / (tau_m - tau_s) (exp(-h / tau_m) - exp(-h / tau_s)).
    """
    return li * math.exp(-h / p.tau_s) + lv * response(h, p) * (p.tau_m / p.tau_s)


def twice_filtered(h: float, p: NeuronParameters) -> tuple[float, float]:
    """Responses after h ms, in ms, to what one filter more leaves of a current of 1.

    G, the integral over s in 0 .. h of exp(-(h - s) / tau_m) response(s): a second membrane.
    F, that of exp(-(h - s) / tau_m) s / tau_m exp(-s / tau_s): a second synapse. Together they are h response(h).

    With x = h (1 / tau_s - 1 / tau_m), G is h**2 / tau_m exp(-h / tau_m) (x - 1 + exp(-x)) / x**2.
    """
    x, g, a = h * rate_difference(p.tau_m, p.tau_s), response(h, p), math.exp(-h / p.tau_m)
    if abs(x) < _SMALL:  # the terms cancel: their series
        series = 0.0
        for k in range(_TERMS, 1, -1):
            series = (1 - x * series) / k
        twice = h * h / p.tau_m * a * series
        return twice, h * g - twice
    kappa = p.tau_s / (p.tau_m - p.tau_s)
    return kappa * (h * a - p.tau_m * g), kappa * (p.tau_m * g - h * math.exp(-h / p.tau_s))


def flow_by_constants(v: Any, i: Any, h: float, p: NeuronParameters) -> tuple[Any, Any, Any]:
    """How V and I after h ms without events change with the time constants: dV/dtau_m, dV/dtau_s, dI/dtau_s.

    ::

        dV/dtau_m = (h V exp(-h / tau_m) - I (tau_m g - G)) / tau_m**2
        dV/dtau_s = I F / tau_s**2
        dI/dtau_s = I h exp(-h / tau_s) / tau_s**2

    where g = response(h) and G, F = twice_filtered(h): what tau_m dV/dt = -V + I becomes when it is differentiated,
    solved.
    """
    twice_m, twice_s = twice_filtered(h, p)
    by_m = (h * v * math.exp(-h / p.tau_m) - i * (p.tau_m * response(h, p) - twice_m)) / p.tau_m**2
    return by_m, i * twice_s / p.tau_s**2, i * h * math.exp(-h / p.tau_s) / p.tau_s**2


def faded_integral(v: Any, i: Any, h: float, fading: float, p: NeuronParameters) -> Any:
    """Integral of exp(-fading t) V(t) over the next h ms without events, from V and I now.

    By parts, from the equation of V: nothing cancels for equal time constants.
    """
    of_m, of_s = 1 / p.tau_m + fading, 1 / p.tau_s + fading
    brought = v - i * math.expm1(-h * of_s) / (of_s * p.tau_m)
    left = math.exp(-fading * h) * membrane(v, i, h, p)
    return (brought - left) / of_m


def faded_integral_by_constants(v: Any, i: Any, h: float, fading: float, p: NeuronParameters) -> tuple[Any, Any]:
    """How `faded_integral` changes with tau_m and with tau_s, V and I being what they are: its terms differentiated."""
    of_m, of_s = 1 / p.tau_m + fading, 1 / p.tau_s + fading
    came = -np.expm1(-h * of_s) / of_s
    by_m, by_s, _ = flow_by_constants(v, i, h, p)
    left = math.exp(-fading * h)
    whole = faded_integral(v, i, h, fading, p)
    return (
        (-i * came / p.tau_m**2 - left * by_m + whole / p.tau_m**2) / of_m,
        (i * (came - h * math.exp(-h * of_s)) / (of_s * p.tau_m * p.tau_s**2) - left * by_s) / of_m,
    )


def adjoint_of_mean(now: float, h: float, fading: float, p: NeuronParameters) -> tuple[float, float]:
    """Adjoint voltage and current at now - h, from 0 at now, of a loss with dl_V/dV = exp(-fading t).

    ::

        lV = -(exp(-fading (now - h)) - exp(-fading now) exp(-h / tau_m)) / (1 + fading tau_m)
        lI likewise, filtered by tau_s
    """
    earlier, later = math.exp(-fading * (now - h)), math.exp(-fading * now)  # neither overflows
    scale = -1 / (1 + fading * p.tau_m)
    lv = scale * (earlier - later * math.exp(-h / p.tau_m))
    filtered = (earlier - later * math.exp(-h / p.tau_s)) / (1 + fading * p.tau_s)
    return lv, scale * (filtered - later * response(h, p) * (p.tau_m / p.tau_s))


def adjoint_jump(lv: Any, error: Any, i: Any, p: NeuronParameters, floor: float = 0.0) -> Any:
    """Adjoint voltage just before a spike, from just after it.

    Parameters
    ----------
    lv : float
        lV+.
    error : float
        e_n + dl_p/dt_k: what the neurons behind send back, and the derivative of the loss by the spike time.
    i : float
        Synaptic current at the spike.
    floor : float
        Lower bound of I - theta, which is 0 where the voltage only touches the threshold.
    """
    return lv + (p.theta * lv + error) / np.maximum(i - p.theta, floor)
