"""Losses of EventProp, for one sample: values, and derivatives by what the network says.

Sources: Wunderlich & Pehle 2021, equations (8) to (11) of Methods ("time to first spike" and "maximum voltage");
Nowotny, Turner & Knight, "Loss shaping enhances exact gradient learning with Eventprop in spiking neural networks",
Neuromorph. Comput. Eng. 5 (2025) (means of the voltage, flat and exponentially weighted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from lava_nbp.base.checks import check_real, is_real, shown
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import Float64Array

#: Limits of what a loss may have: times in ms, and weights of its terms.
_SHORTEST, _LONGEST, _HEAVIEST = 1e-6, 1e9, 1e9
#: Readings of a trial.
_MOST_READINGS = 1 << 16
#: A derivative of a loss from which gradients may come out of Adam's numbers, whose squares end at 1e308.
_HUGE = 1e100


@dataclass(frozen=True)
class TTFSLoss:
    """Cross-entropy of first spike times: the label's output shall spike first, and early.

    L = -log( exp(-t_y / tau0) / sum_k exp(-t_k / tau0) ) + alpha (exp(t_y / tau1) - 1)

    Times in ms. An output that does not spike has t = inf: it takes no part in the sum.
    If the label's output is silent the loss is that of a spike at the end of the trial,
    and there is nothing to differentiate: what such a sample teaches is a policy, see
    `lava_nbp.eventprop.policies.SilentPolicy`.

    Parameters
    ----------
    tau0, tau1 : float
        In ms, 1e-6 .. 1e9.
    alpha : float
        0 .. 1e9.

    Raises
    ------
    InputError
        For numbers outside these limits, or that are not finite.
    """

    tau0: float = 0.5
    tau1: float = 6.4
    alpha: float = 0.003

    def __post_init__(self) -> None:
        settle(self, "TTFS loss", InputError, ("tau0", "tau1", "alpha"))
        for name in ("tau0", "tau1"):
            check_real(getattr(self, name), _SHORTEST, _LONGEST, name, "it is in ms")
        check_real(self.alpha, 0.0, _HEAVIEST, "alpha")

    def value(self, times: Float64Array, label: int, end: float) -> float:
        """The loss of first spike times (classes,); `end` of the trial in ms."""
        t = times.copy()
        t[label] = min(t[label], end)
        first = t.min()  # subtracted, so that no exponential overflows and not all underflow
        total = np.exp(-(t - first) / self.tau0).sum()
        late = self.alpha * _quietly(np.expm1, t[label] / self.tau1) if self.alpha else 0.0
        return float((t[label] - first) / self.tau0 + np.log(total) + late)

    def by_times(self, times: Float64Array, label: int) -> Float64Array:
        """dL/dt_k (classes,), 1/ms; all zero if the label's output is silent (see the class)."""
        if not np.isfinite(times[label]):
            return np.zeros_like(times)
        softmax = np.exp(-(times - times.min()) / self.tau0)
        softmax /= softmax.sum()
        derivative: Float64Array = -softmax / self.tau0
        late = self.alpha / self.tau1 * _quietly(np.exp, times[label] / self.tau1) if self.alpha else 0.0
        derivative[label] += 1 / self.tau0 + late
        return derivative

    def warnings(self, end: float) -> list[str]:
        """What to say before training of a trial in which this loss may ask for steps that no number holds."""
        logarithm = math.log10(self.alpha / self.tau1) + end / self.tau1 / math.log(10) if self.alpha else -math.inf
        if logarithm < math.log10(_HUGE):
            return []
        return [
            f"a label's output that spikes at the end of a trial of {end:g} ms has a gradient of alpha / tau1 "
            f"exp(end / tau1) = 1e{logarithm:.0f} with loss.tau1 = {self.tau1:g}; if one does, training ends with an "
            f"error: {self.cure}"
        ]

    @property
    def cure(self) -> str:
        """What keeps gradients of late spikes small."""
        return "raise loss.tau1, or lower the trial's end or loss.alpha, whose term is alpha exp(t / tau1)"


@dataclass(frozen=True)
class MaxVoltageLoss:
    """Cross-entropy of the softmax of the outputs' largest voltages: L = -log softmax(max_t V)_y."""

    #: What keeps gradients small.
    cure = "use smaller weights, or a larger floor"

    def warnings(self, end: float) -> list[str]:
        """As `TTFSLoss.warnings`: there are none, whatever the end."""
        return []

    def value(self, peaks: Float64Array, label: int) -> float:
        """The loss of the largest voltages (classes,)."""
        return _cross_entropy(peaks, label)

    def by_peaks(self, peaks: Float64Array, label: int) -> Float64Array:
        """dL/dV_k (classes,): softmax minus one-hot."""
        return _softmax_error(peaks, label)


@dataclass(frozen=True)
class MeanVoltageLoss:
    """Cross-entropy of the softmax of the outputs' mean voltages, over the trial, early times counting more or alike.

    m_k = integral of g(t) V_k(t) dt / integral of g(t) dt over 0 .. end, where g(t) = exp(-t / tau), or 1 if tau is inf
    L = -log softmax(gain m)_y

    Every input spike of an output changes its mean, not the largest voltage only: the remedy of Nowotny et al. for data
    whose classes are told apart by what happens over time.

    Parameters
    ----------
    tau : float
        In ms, 1e-6 .. 1e9, or inf.
    gain : float
        Of mean voltages, in 1 / voltage: more than 0, and 1e9 at most. Means over a long trial are small; the softmax
        of numbers that are nearly equal teaches little.

    Raises
    ------
    InputError
        For numbers outside these limits, or that are none.
    """

    tau: float = math.inf
    gain: float = 1.0

    #: What keeps gradients small.
    cure: ClassVar[str] = "use smaller weights, a larger floor, or a smaller loss.gain"

    def __post_init__(self) -> None:
        settle(self, "mean voltage loss", InputError, ("gain",))
        if not (is_real(self.tau) and self.tau == math.inf):
            check_real(self.tau, _SHORTEST, _LONGEST, "tau", "it is in ms; or inf, and all times count alike")
        object.__setattr__(self, "tau", float(self.tau))
        check_real(self.gain, 0.0, _HEAVIEST, "gain", above=True)

    @property
    def fading(self) -> float:
        """1 / tau in 1/ms."""
        return 1 / self.tau

    def warnings(self, end: float) -> list[str]:
        """As `TTFSLoss.warnings`: there are none, whatever the end."""
        return []

    def value(self, means: Float64Array, label: int) -> float:
        """The loss of mean voltages (classes,)."""
        return _cross_entropy(self.gain * means, label)

    def by_means(self, means: Float64Array, label: int) -> Float64Array:
        """dL/dm_k (classes,)."""
        return self.gain * _softmax_error(self.gain * means, label)


@dataclass(frozen=True)
class VoltageErrorLoss:
    """Mean squared error of the outputs' voltages at given times: for regression, targets being numbers.

    L = mean over readings m and outputs k of (V_k(t_m) - y_mk)**2

    A spike that arrives at a reading's very time has not changed the voltage yet.

    Parameters
    ----------
    times : tuple of float
        When voltages are read, in ms after the beginning of the trial, each later than the one before; 1e-6 .. 1e9.

    Raises
    ------
    InputError
        For times that are none, or in no order.
    """

    times: tuple[float, ...]

    #: What keeps gradients small.
    cure: ClassVar[str] = "use smaller weights, smaller targets, or a larger floor"

    def __post_init__(self) -> None:
        settle(self, "voltage error loss", InputError, ("times",))
        if not 0 < len(self.times) <= _MOST_READINGS:
            raise InputError(f"voltages are read {len(self.times)} times, but must be 1 .. {_MOST_READINGS} times")
        for time in self.times:
            check_real(time, _SHORTEST, _LONGEST, "time of a reading", "it is in ms")
        if any(later <= earlier for earlier, later in pairwise(self.times)):
            raise InputError(f"times of readings are {shown(list(self.times))}, but each must be later than the last")

    def warnings(self, end: float) -> list[str]:
        """As `TTFSLoss.warnings`: there are none, whatever the end."""
        return []

    def value(self, voltages: Float64Array, targets: Float64Array) -> float:
        """The loss of voltages and targets of the same shape."""
        return float(np.mean((voltages - targets) ** 2))

    def by_voltages(self, voltages: Float64Array, targets: Float64Array) -> Float64Array:
        """dL/dV_k(t_m), of the same shape."""
        return np.asarray(2 * (voltages - targets) / voltages.size)


def _cross_entropy(scores: Float64Array, label: int) -> float:
    shifted = scores - scores.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[label])


def _softmax_error(scores: Float64Array, label: int) -> Float64Array:
    error = np.exp(scores - scores.max())
    error /= error.sum()
    error[label] -= 1
    return np.asarray(error)


def _quietly(f: np.ufunc, x: float) -> float:
    """An exponential, or inf without a warning: a late spike of a long trial."""
    return float(f(x)) if x < 709 else math.inf


#: Those that teach labels, which clocked networks have, too, and all.
LabelLoss = TTFSLoss | MaxVoltageLoss | MeanVoltageLoss
Loss = LabelLoss | VoltageErrorLoss
