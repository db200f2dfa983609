"""Time constants and thresholds of a network's layers as arrays: as they are given, or as they are learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.checks import check_real, shown
from lava_nbp.base.compiled import BARE, kernel
from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.state import Own, Sums
from lava_nbp.eventprop.equations import LARGEST_CONSTANT, SMALLEST_CONSTANT, Float64Array, NeuronParameters
from lava_nbp.eventprop.layers import LayerNeurons

#: Least and largest time constant that is learned, ms, unless the caller says another.
CONSTANTS_RANGE = (1.0, 1000.0)


class LayerConstants:
    """Those of one layer.

    Learned time constants are held by their logarithms, so that they stay positive and a step changes them by a factor:
    one of each kind if the layer's neurons are alike, else one per neuron.

    Parameters
    ----------
    neurons : NeuronParameters, or one per neuron
    n : int
        Neurons of the layer.
    limits : (float, float), optional
        Least and largest time constant that is learned, ms; None: they stay as they are.

    Attributes
    ----------
    tau_m, tau_s, theta : (n,)
        Of every neuron.
    logs : list of arrays
        Logarithms of tau_m and tau_s, (1,) or (n,) each, if they are learned; else none.
    """

    def __init__(self, neurons: LayerNeurons, n: int, limits: tuple[float, float] | None) -> None:
        self.alike = isinstance(neurons, NeuronParameters)
        given = (neurons,) if isinstance(neurons, NeuronParameters) else neurons
        self.first = given[0]
        tau_m, tau_s, theta = (
            np.array([getattr(p, name) for p in given]) for name in ("tau_m", "tau_s", "theta")
        )  # fmt: skip
        self.tau_m, self.tau_s, self.theta = (np.resize(values, n) for values in (tau_m, tau_s, theta))
        self.logs: list[Float64Array] = []
        if limits is not None:
            for name, values in (("tau_m", tau_m), ("tau_s", tau_s)):
                bad = ~((values >= limits[0]) & (values <= limits[1]))
                if bad.any():
                    raise InputError(
                        f"{name} is {values[bad][0]:g} ms, but must be {limits[0]:g} .. {limits[1]:g} ms where time "
                        f"constants are learned; start elsewhere, or change constants_range"
                    )
            self._limits = limits
            self.logs = [np.clip(np.log(values), *log_range(limits)) for values in (tau_m, tau_s)]
        self._taken = [log.copy() for log in self.logs]

    @property
    def kept(self) -> list[Float64Array]:
        """tau_m and tau_s, (1,) or (n,), views, where they are learned or each neuron's own; else none."""
        if self.alike and not self.logs:
            return []
        count = 1 if self.alike else len(self.tau_m)
        return [self.tau_m[:count], self.tau_s[:count]]

    def take_over(self) -> None:
        """Go on from what somebody has written into `kept`."""
        for log, taken, own, values in zip(self.logs, self._taken, self.kept, (self.tau_m, self.tau_s), strict=False):
            log[...] = taken[...] = np.log(own)
            values[...] = own

    def refresh(self) -> int:
        """Take logarithms over that have changed, cut to the limits; how many were outside."""
        outside = 0
        for log, taken, values in zip(self.logs, self._taken, (self.tau_m, self.tau_s), strict=False):
            if not np.array_equal(log, taken):  # exp(log(x)) is not x, and what is written must be what is read
                outside += cut(log, *log_range(self._limits))
                taken[...] = log
                values[...] = np.clip(np.exp(log), *self._limits)
        return outside

    def own(self, delays: Float64Array, loop_delays: Float64Array) -> Own:
        """As kernels have it; these very arrays."""
        if self.alike and not self.logs and not delays.size and not loop_delays.size:
            none, nowhere = np.zeros(0), np.zeros((0, 0))
            return Own(none, none, none, nowhere, nowhere, False)
        first, second = (d[:, None] if d.ndim == 1 else d for d in (delays, loop_delays))
        return Own(self.tau_m, self.tau_s, self.theta, first, second, bool(self.logs))

    def by_logs(self, sums: Sums) -> list[Float64Array]:
        """Gradients by the logarithms, of those by the time constants: d/dlog tau = tau d/dtau."""
        pairs = zip(self.logs, (self.tau_m * sums.tau_m, self.tau_s * sums.tau_s), strict=False) if self.logs else ()
        return [by.sum(keepdims=True) if len(log) < len(by) else by for log, by in pairs]

    def read(self) -> LayerNeurons:
        """As they are now."""
        count = 1 if self.alike else len(self.tau_m)
        columns = zip(self.tau_m[:count], self.tau_s[:count], self.theta[:count], strict=True)
        neurons = tuple(NeuronParameters(*map(float, column)) for column in columns)
        return neurons[0] if self.alike else neurons


def cut(values: Float64Array, low: float, high: float) -> int:
    """Cut entries to low .. high, in place; how many were outside. What is no number stays."""
    if all_within(values.reshape(-1), low, high):
        return 0
    outside = int(np.count_nonzero((values < low) | (values > high)))
    np.clip(values, low, high, out=values)
    return outside


@kernel(**BARE)
def all_within(values, low, high):  # type: ignore[no-untyped-def]
    """Whether all entries are numbers in low .. high; without a branch, as every run asks for every array."""
    good = True
    for k in range(values.shape[0]):
        good &= (values[k] >= low) & (values[k] <= high)
    return good


def log_range(limits: tuple[float, float]) -> tuple[float, float]:
    """Logarithms of the range of time constants."""
    low, high = np.log(limits)
    return float(low), float(high)


def check_limits(limits: Any) -> tuple[float, float]:
    """Return the range of learned time constants as two floats.

    Raises
    ------
    InputError
        Unless they are two numbers in 1e-9 .. 1e9, the first below the second.
    """
    if not isinstance(limits, (list, tuple)) or len(limits) != 2:
        raise InputError(f"constants_range is {shown(limits)}, but must be two numbers, in ms")
    low, high = (
        check_real(x, SMALLEST_CONSTANT, LARGEST_CONSTANT, "constants_range", "it is in ms") for x in limits
    )  # fmt: skip
    if low >= high:
        raise InputError(f"constants_range is {low:g} .. {high:g} ms, but the first must be smaller; swap them")
    return low, high
