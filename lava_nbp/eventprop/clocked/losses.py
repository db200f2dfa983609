"""The losses in integers: tables of exponentials, and errors with `adjoint_bits` fractional bits.

The maximum-voltage loss is the paper's: unlike the continuous engine it has no term for a maximum that moves with the
inhibitory spike that ends it, since the step of a maximum is all that a neuron keeps.

The loss of mean voltages sums V at the end of every step, times how much the step counts::

    m = sum_k g_k V_k / sum_k g_k,      g_k = exp(-k dt / tau), with 15 fractional bits, or 1

Sums have 62 bits, so that none is cut off, and m has 7 fractional bits more than V. Backward every step adds its share
of one number to lV. Shares are differences of integers that fall from that number to 0: what rounding takes from one
step the next one gets, and their sum is exact however small they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_nbp.eventprop.clocked.arithmetic import (
    EXPONENTIAL_BITS,
    MEAN_BITS,
    REGISTER_MAX,
    VOLTAGE_STEPS,
    FixedPoint,
    Int64Array,
)
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss

#: Fractional bits of what is left of a trial; of the factor on differences of means; most bits of a sum of g.
LATER_BITS, _FACTOR_BITS, _SUM_BITS = 24, 16, 31
#: Largest gain times threshold: a factor of 2**31 on differences of means, whose product fits 63 bits.
LARGEST_GAIN = (1 << 31) / (VOLTAGE_STEPS << _FACTOR_BITS)


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
        return cls(decay=_decay(c.p.theta), impulse=round(c.p.theta / c.p.tau_m * (1 << c.adjoint_bits)))

    def impulses(self, peaks: Int64Array, label: int, c: FixedPoint) -> Int64Array:
        """Impulses on lV (classes,) from largest voltages."""
        return _impulses(self, (peaks.max() - peaks) * VOLTAGE_STEPS >> c.theta_bits, label)


@dataclass(frozen=True)
class MeanTables:
    """dL/dV of mean voltages (see `MeanVoltageLoss`), as what the whole trial adds to lV: -dL/dm / tau_m.

    Attributes
    ----------
    counts : (T,) int64
        g, how much each step counts; of 15 fractional bits, or as many as let their sum have 31 bits.
    total : int
        Its sum.
    later : (T + 1,) int64
        Share of step k and those behind it in the total, with 24 fractional bits: 1 at first, 0 in the end.
    decay : int64
        exp(-n / 64), with 15 fractional bits.
    factor : int
        64 gain theta, with 16 fractional bits.
    impulse : int
        gain theta / tau_m.
    """

    counts: Int64Array
    total: int
    later: Int64Array
    decay: Int64Array
    factor: int
    impulse: int

    @classmethod
    def of(cls, loss: MeanVoltageLoss, c: FixedPoint) -> MeanTables:
        """The tables of a loss."""
        real = np.exp(-np.arange(c.steps) * c.dt * loss.fading)
        bits = min(EXPONENTIAL_BITS, _SUM_BITS - math.ceil(math.log2(real.sum())))
        counts = np.rint(real * (1 << bits)).astype(np.int64)
        left = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
        gain = loss.gain * c.p.theta
        return cls(
            counts=counts,
            total=int(left[0]),
            later=np.rint(left / left[0] * (1 << LATER_BITS)).astype(np.int64),
            decay=_decay(1.0),
            factor=round(gain * (VOLTAGE_STEPS << _FACTOR_BITS)),
            impulse=round(gain / c.p.tau_m * (1 << c.adjoint_bits)),
        )

    def means(self, sums: Int64Array) -> Int64Array:
        """Mean voltages (classes,), with 7 fractional bits beyond those of V, from the sums of g V; rounded."""
        return ((sums << (MEAN_BITS + 1)) + self.total) // (2 * self.total)

    def impulses(self, means: Int64Array, label: int, c: FixedPoint) -> Int64Array:
        """What the whole trial adds to lV (classes,), from mean voltages."""
        below = (means.max() - means) * self.factor >> (c.theta_bits + MEAN_BITS + _FACTOR_BITS)
        return _impulses(self, below, label)

    def injection(self, impulses: Int64Array, k: int) -> Int64Array:
        """What step k adds to lV."""
        share: Int64Array = (impulses * self.later[k] >> LATER_BITS) - (impulses * self.later[k + 1] >> LATER_BITS)
        return share


def voltage_tables(loss: MaxVoltageLoss | MeanVoltageLoss, c: FixedPoint) -> VoltageTables | MeanTables:
    """The tables of a loss of voltages."""
    return MeanTables.of(loss, c) if isinstance(loss, MeanVoltageLoss) else VoltageTables.of(c)


def _decay(theta: float) -> Int64Array:
    """exp(-n theta / 64), with 15 fractional bits, down to exp(-12)."""
    n = np.arange(1 + round(12 * VOLTAGE_STEPS / theta))
    return np.asarray(np.rint(np.exp(-n * theta / VOLTAGE_STEPS) * (1 << EXPONENTIAL_BITS)).astype(np.int64))


def _impulses(tables: VoltageTables | MeanTables, below: Int64Array, label: int) -> Int64Array:
    """One-hot minus softmax, times the impulse, from the steps of the table that each class is below the largest."""
    shares = tables.decay[np.minimum(below, len(tables.decay) - 1)]
    impulses: Int64Array = -(tables.impulse * shares // shares.sum())
    impulses[label] += tables.impulse
    return impulses


def phantom_impulse(strength: float, c: FixedPoint) -> int:
    """Impulse on lV where the voltage of a silent label was largest: strength theta / tau_m."""
    return round(strength * c.p.theta / c.p.tau_m * (1 << c.adjoint_bits))


def first_ms(first: Int64Array, c: FixedPoint) -> NDArray[np.float64]:
    """Times in ms of spikes in steps (T: silent, inf)."""
    return np.where(first < c.steps, (first + 1) * c.dt, np.inf)
