"""The losses in integers: tables of exponentials, and errors with `adjoint_bits` fractional bits.

The maximum-voltage loss is the paper's: unlike the continuous engine it has no term for a maximum that moves with the
inhibitory spike that ends it, since the step of a maximum is all that a neuron keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_nbp.eventprop.clocked.arithmetic import EXPONENTIAL_BITS, REGISTER_MAX, VOLTAGE_STEPS, FixedPoint, Int64Array
from lava_nbp.eventprop.losses import TTFSLoss


@dataclass(frozen=True)
class TTFSTables:
    """dL/dt of first spikes (see `TTFSLoss`) from their steps.

    Attributes
    ----------
    decay : (T + 1,) int64
        exp(-n dt / tau0) by the number of steps n behind the first, with 15 fractional bits.
    late : (T,) int64
        alpha / tau1 exp((k + 1) dt / tau1) by the label's step k.
    weight : int
        1 / tau0.
    """

    decay: Int64Array
    late: Int64Array
    weight: int

    @classmethod
    def of(cls, loss: TTFSLoss, c: FixedPoint) -> TTFSTables:
        """The tables of a loss."""
        n, one = np.arange(c.steps + 1), 1 << c.adjoint_bits
        with np.errstate(over="ignore"):  # a late step's error saturates
            late = loss.alpha / loss.tau1 * np.exp((n[:-1] + 1) * c.dt / loss.tau1) if loss.alpha else np.zeros(c.steps)
            late = np.minimum(np.rint(late * one), REGISTER_MAX)
        return cls(
            decay=np.rint(np.exp(-n * c.dt / loss.tau0) * (1 << EXPONENTIAL_BITS)).astype(np.int64),
            late=late.astype(np.int64),
            weight=round(one / loss.tau0),
        )

    def errors(self, first: Int64Array, label: int) -> Int64Array:
        """dL/dt_k (classes,), 1/ms, from steps of first spikes (T: silent); all zero if the label is silent."""
        silent = len(self.late)
        errors = np.zeros(len(first), dtype=np.int64)
        if first[label] >= silent:
            return errors
        there = first < silent
        shares = np.where(there, self.decay[np.minimum(first - first.min(), silent)], 0)
        errors -= self.weight * shares // shares.sum()
        errors[label] += self.weight + self.late[first[label]]
        return errors


@dataclass(frozen=True)
class VoltageTables:
    """dL/dV of largest voltages (see `MaxVoltageLoss`), as impulses on lV: -dL/dV / tau_m.

    Attributes
    ----------
    decay : int64
        exp(-n theta / 64), n 64ths of a threshold below the largest voltage, with 15 fractional bits.
    impulse : int
        theta / tau_m.
    """

    decay: Int64Array
    impulse: int

    @classmethod
    def of(cls, c: FixedPoint) -> VoltageTables:
        """The tables of the maximum-voltage loss."""
        n = np.arange(1 + round(12 * VOLTAGE_STEPS / c.p.theta))
        return cls(
            decay=np.rint(np.exp(-n * c.p.theta / VOLTAGE_STEPS) * (1 << EXPONENTIAL_BITS)).astype(np.int64),
            impulse=round(c.p.theta / c.p.tau_m * (1 << c.adjoint_bits)),
        )

    def impulses(self, peaks: Int64Array, label: int, c: FixedPoint) -> Int64Array:
        """Impulses on lV (classes,) from largest voltages."""
        below = (peaks.max() - peaks) * VOLTAGE_STEPS >> c.theta_bits
        shares = self.decay[np.minimum(below, len(self.decay) - 1)]
        impulses: Int64Array = -(self.impulse * shares // shares.sum())
        impulses[label] += self.impulse
        return impulses


def phantom_impulse(strength: float, c: FixedPoint) -> int:
    """Impulse on lV where the voltage of a silent label was largest: strength theta / tau_m."""
    return round(strength * c.p.theta / c.p.tau_m * (1 << c.adjoint_bits))


def first_ms(first: Int64Array, c: FixedPoint) -> NDArray[np.float64]:
    """Times in ms of spikes in steps (T: silent, inf)."""
    return np.where(first < c.steps, (first + 1) * c.dt, np.inf)
