"""Losses of EventProp, for one sample: values, and derivatives by what the network says.

Source: Wunderlich & Pehle 2021, equations (8) to (11) of Methods ("time to first
spike" and "maximum voltage").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lava_nbp.base.checks import check_real
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import Float64Array

#: Limits of what a loss may have: times in ms, and weights of its terms.
_SHORTEST, _LONGEST, _HEAVIEST = 1e-6, 1e9, 1e9
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
        shifted = peaks - peaks.max()
        return float(np.log(np.exp(shifted).sum()) - shifted[label])

    def by_peaks(self, peaks: Float64Array, label: int) -> Float64Array:
        """dL/dV_k (classes,): softmax minus one-hot."""
        error = np.exp(peaks - peaks.max())
        error /= error.sum()
        error[label] -= 1
        return np.asarray(error)


def _quietly(f: np.ufunc, x: float) -> float:
    """An exponential, or inf without a warning: a late spike of a long trial."""
    return float(f(x)) if x < 709 else math.inf


Loss = TTFSLoss | MaxVoltageLoss
