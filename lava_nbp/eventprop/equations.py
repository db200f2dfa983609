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
_LEAST, _MOST = 1e-9, 1e9
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
            object.__setattr__(self, name, check_real(value, _LEAST, _MOST, name, "use other units"))


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


def faded_integral(v: Any, i: Any, h: float, fading: float, p: NeuronParameters) -> Any:
    """Integral of exp(-fading t) V(t) over the next h ms without events, from V and I now.

    By parts, from the equation of V: nothing cancels for equal time constants.
    """
    of_m, of_s = 1 / p.tau_m + fading, 1 / p.tau_s + fading
    brought = v - i * math.expm1(-h * of_s) / (of_s * p.tau_m)
    left = math.exp(-fading * h) * membrane(v, i, h, p)
    return (brought - left) / of_m


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
