"""Losses of EventProp, for one sample: values, and derivatives by what the network says.

Source: Wunderlich & Pehle 2021, equations (8) to (11) of Methods ("time to first
spike" and "maximum voltage").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import Float64Array


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
        In ms, positive.
    alpha : float
        Not negative.

    Raises
    ------
    InputError
        For numbers outside these limits, or that are not finite.
    """

    tau0: float = 0.5
    tau1: float = 6.4
    alpha: float = 0.003

    def __post_init__(self) -> None:
        numbers = (self.tau0, self.tau1, self.alpha)
        if not (all(map(math.isfinite, numbers)) and self.tau0 > 0 and self.tau1 > 0 and self.alpha >= 0):
            raise InputError(
                f"TTFS loss with tau0 {self.tau0}, tau1 {self.tau1} and alpha {self.alpha}: the first two must be "
                f"positive, the last not negative, and all finite"
            )

    def value(self, times: Float64Array, label: int, end: float) -> float:
        """The loss of first spike times (classes,); `end` of the trial in ms."""
        t = times.copy()
        t[label] = min(t[label], end)
        first = t.min()  # subtracted, so that no exponential overflows and not all underflow
        total = np.exp(-(t - first) / self.tau0).sum()
        return float((t[label] - first) / self.tau0 + np.log(total) + self.alpha * np.expm1(t[label] / self.tau1))

    def by_times(self, times: Float64Array, label: int) -> Float64Array:
        """dL/dt_k (classes,), 1/ms; all zero if the label's output is silent (see the class)."""
        if not np.isfinite(times[label]):
            return np.zeros_like(times)
        softmax = np.exp(-(times - times.min()) / self.tau0)
        softmax /= softmax.sum()
        derivative: Float64Array = -softmax / self.tau0
        derivative[label] += 1 / self.tau0 + self.alpha / self.tau1 * np.exp(times[label] / self.tau1)
        return derivative


@dataclass(frozen=True)
class MaxVoltageLoss:
    """Cross-entropy of the softmax of the outputs' largest voltages: L = -log softmax(max_t V)_y."""

    def value(self, peaks: Float64Array, label: int) -> float:
        """The loss of the largest voltages (classes,)."""
        shifted = peaks - peaks.max()
        return float(np.log(np.exp(shifted).sum()) - shifted[label])

    def by_peaks(self, peaks: Float64Array, label: int) -> Float64Array:
        """dL/dV_k (classes,): softmax minus one-hot."""
        error = np.exp(peaks - peaks.max())
        error /= error.sum()
        error[label] -= 1
        return np.asarray(error)


Loss = TTFSLoss | MaxVoltageLoss
