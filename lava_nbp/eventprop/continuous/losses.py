"""The losses' derivatives by what a network says, compiled.

Loops instead of NumPy's `min` and `max`: those can fail, and their messages take seconds to compile.
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import BARE, inner, kernel


@inner(**BARE)
def differentiate(criterion, said, label, by_said):  # type: ignore[no-untyped-def]
    """Derivative of the loss by what was said, into `by_said`; whether the label's output is silent."""
    if not criterion.spiking:
        softmax_by_voltages(said, label, criterion.gain, by_said)
        return False
    ttfs_by_times(said, label, criterion, by_said)
    return not math.isfinite(said[label])


@kernel(**BARE)
def ttfs_by_times(first, label, criterion, by_times):  # type: ignore[no-untyped-def]
    """As `TTFSLoss.by_times`."""
    by_times[:] = 0.0
    if not math.isfinite(first[label]):
        return
    tau0, tau1 = criterion.tau0, criterion.tau1
    smallest, total = math.inf, 0.0
    for k in range(first.shape[0]):
        smallest = min(smallest, first[k])
    for k in range(first.shape[0]):
        by_times[k] = math.exp(-(first[k] - smallest) / tau0)
        total += by_times[k]
    for k in range(first.shape[0]):
        by_times[k] /= -total * tau0
    late = 0.0
    if criterion.alpha > 0.0:  # the exponential may be inf, and 0 inf is no number
        late = criterion.alpha / tau1 * math.exp(first[label] / tau1)
    by_times[label] += 1.0 / tau0 + late


@kernel(**BARE)
def softmax_by_voltages(voltages, label, gain, by_voltages):  # type: ignore[no-untyped-def]
    """As `MeanVoltageLoss.by_means`, and, with a gain of 1, as `MaxVoltageLoss.by_peaks`."""
    largest, total = -math.inf, 0.0
    for k in range(voltages.shape[0]):
        largest = max(largest, voltages[k])
    for k in range(voltages.shape[0]):
        by_voltages[k] = math.exp(gain * (voltages[k] - largest))
        total += by_voltages[k]
    for k in range(voltages.shape[0]):
        by_voltages[k] *= gain / total
    by_voltages[label] -= gain
