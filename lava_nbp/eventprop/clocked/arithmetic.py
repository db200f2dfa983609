"""EventProp in fixed steps and integers: coefficients, widths, and the step functions that every model uses.

Units. Voltages and currents are integers, the threshold being 2**theta_bits; adjoint variables
are integers with `adjoint_bits` fractional bits (those of lV and lI in 1/ms, as for a threshold
of 1). Coefficients have `coefficient_bits` fractional bits. V, I, lV, lI and messages are 24-bit
(limits.STATE_BITS). ``x >> n`` below is rounded, (x + 2**(n - 1)) >> n.

Forward, in step k, which lasts from k dt to (k + 1) dt, with the summed weights S of the input
spikes of the step::

    I = I + S
    V, I = (alpha V + gamma I) >> coefficient_bits, (beta I) >> coefficient_bits
    a neuron with V >= theta spikes, at (k + 1) dt; V = 0, and one value is stored:
    rise = (V at the end - V at the beginning) tau_m / dt

    alpha = exp(-dt / tau_m), beta = exp(-dt / tau_s), gamma = response(dt), all times 2**coefficient_bits

The rise stands for tau_m dV/dt = I - theta at the spike. Where V crossed within the step is not known; the rise over
the step is right in the mean, and never negative, while I at the end has fallen since, perhaps below theta.

Backward, in step k from its end to its beginning, with the error e_n that is sent back to the spikes::

    a neuron that spiked:   lV = lV + ((lV + e) << theta_bits) // max(rise, floor)
    d = (tau_s / dt (gamma tau_m / tau_s lV - (1 - beta) lI)) >> coefficient_bits
    lI, lV = (beta lI + gamma tau_m / tau_s lV) >> coefficient_bits, (alpha lV) >> coefficient_bits
    an input spike of the step:  dL/dw_ij -= lI_j,   and its own error is  (sum_j w_ij d_j) >> theta_bits
    where its delay is learned:  dL/ddelay_ij += (w_ij d_j) >> theta_bits

d, the payload of an adjoint spike, is what lI gets in the step, times tau_s / dt: the mean of lV - lI over the step,
which is how the loss changes if the input spike comes a step later. At the beginning of the step lV - lI is too small
by half of what it changes in a step. That is little where a loss hears of spikes, but where it hears voltages all the
time, lV and lI are nearly the same, and half a step may be more than their difference: with mean voltages and dt = 1
ms, gradients of hidden layers would point the wrong way.

Losses of voltages have a term of lV instead of errors, at the end of a step, see `lava_nbp.eventprop.clocked.losses`.
lV, lI, d and errors are saturated to 24 bits.

With a refractory period of R steps V stays 0 in the R steps behind that of a spike, whatever I is, which goes on; so
there is no spike. In the step after those V goes on from 0. Its rise there is stored, too, as with the spike's time the
period ends later, and V is less by what it rises in so much of a step. Backward, lV has no past there, but for this::

    at the end of the step in which V goes on, behind all else:   e = e + (lV rise) >> theta_bits,  e that of the spike
    at its beginning:   lV = 0

A real refractory period that begins at the spike, wherever in its step that is, has this adjoint jump as dt tends to 0:
lV = (lV I + e) / (I - theta), with lV and I of its end. lV and e are 0 if the trial ends before the period does.

Neurons of the chips (`neuron` = "loihi") are forward, bit for bit, Lava's LIF and Loihi's, u being I and v being V::

    u = (u (4095 - du)) / 2**12 + S,  cut towards 0; beyond 24 bits it wraps round
    v = (v (4096 - dv)) / 2**12 + u,  cut towards 0; saturated to 24 bits
    a neuron with v > 64 vth spikes, and v = 0

    du + 1 = 4096 (1 - exp(-dt / tau_s)), dv = 4096 (1 - exp(-dt / tau_m)), 64 vth = 2**theta_bits / response(dt)

A current of 1 threshold is 2**theta_bits, as above; a voltage of 1 threshold is 64 vth, and becomes 2**theta_bits where
a loss reads it. Weights are 8-bit mantissas times 2**exponent with an exponent of 6 .. 13: the chip shifts all input by
6. Backward they have the same decays as alpha and beta, with 2**theta_bits / (64 vth) for gamma and what follows from
it: the adjoint of these very steps, but for what they cut off. Where u wraps or v saturates they are not smooth, and
backward it is as if they had not: training has to keep them away from there.

Source: the equations of `lava_nbp.eventprop.equations` with exact exponential updates; a spike is
late by dt / 2 in the mean, which is the error of first order in dt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_real
from lava_nbp.base.fields import settle
from lava_nbp.base.steps import nearest_steps
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    CURRENT_DECAY_ALL,
    PLASTIC_WEIGHT_MAX,
    REFRACTORY_MAX,
    STATE_BITS,
    THRESHOLD_BITS,
    VOLTAGE_DECAY_ALL,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_STEP,
)
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.eventprop.trains import check_end

Int64Array = NDArray[np.int64]

#: Default widths.
THETA_BITS, COEFFICIENT_BITS, ADJOINT_BITS = 14, 12, 14
#: Fractional bits of the full-precision weights that learning changes, in thresholds.
MASTER_BITS = 20
#: Largest magnitude of a 24-bit register, and of a graded spike's payload.
REGISTER_MAX = (1 << (STATE_BITS - 1)) - 1
#: Most steps of a trial, and what a step of 1000 neurons takes forward and backward, in seconds.
MOST_STEPS, _STEP_SECONDS = 1_000_000, 4e-6
#: Shortest step in ms, and highest floor in thresholds.
_SHORTEST_STEP, _HIGHEST_FLOOR = 1e-6, 1e6
#: Of any delay, in steps: a hundred times as long as any trial.
_LONGEST_DELAY = 1e8
#: A coefficient below this is rounded by more than 3 %: the step is too small for its bits.
_SMALLEST_COEFFICIENT = 16
#: Fractional bits of tau_m / dt; and of that of a chip's voltages, which are larger.
SLOPE_BITS, _CHIP_SLOPE_BITS = 8, 16
#: Of a chip: fractional bits of decays, the largest threshold, and the largest exponent of weights in units of u.
CHIP_DECAY_BITS, _LARGEST_VTH = 12, (1 << THRESHOLD_BITS) - 1
_LARGEST_EXPONENT = ALIGNMENT_BITS + WEIGHT_EXPONENT_MAX
#: Of a chip: the largest sum of a current and its input; messages of parts, and 32 bits of Lava's, hold a little more.
_LARGEST_CHIP_CURRENT = 3 << STATE_BITS
#: A threshold below this is rounded by more than 3 %.
_SMALLEST_VTH = 16
#: Whose arithmetic neurons have forward.
NeuronKind = Literal["exact", "loihi"]
#: Fractional bits of the loss's exponentials.
EXPONENTIAL_BITS = 15
#: Steps per threshold in the table of exp(-V).
VOLTAGE_STEPS = 64
#: Fractional bits of mean voltages beyond those of V: 31 bits in all, with the sign.
MEAN_BITS = 7


def shift(x: Any, bits: int) -> Any:
    """x / 2**bits, rounded to the nearest integer (halves upward)."""
    return (x + (1 << (bits - 1))) >> bits if bits > 0 else x << -bits


def divided(x: Int64Array, divisor: int) -> Int64Array:
    """x / divisor, rounded to the nearest integer (halves upward)."""
    nearest: Int64Array = (2 * x + divisor) // (2 * divisor)
    return nearest


@dataclass(frozen=True)
class FixedPoint:
    """Step, window and widths.

    Parameters
    ----------
    p : NeuronParameters
        Time constants in ms; the threshold is 2**theta_bits whatever `p.theta`.
    dt, end : float
        Step and length of a trial, ms.
    theta_bits, coefficient_bits, adjoint_bits : int
        Fractional bits of V and I, of coefficients, of adjoint variables.
    floor : float
        Lower bound of the rise in the adjoint jump, in thresholds; one unit at least. Without it neurons that just
        reach the threshold would rule the gradient.
    neuron : {"exact", "loihi"}
        What neurons do forward: exponential decays of `coefficient_bits`, rounded, or what Loihi and Lava's LIF do.
    refractory : int
        Steps behind that of a spike in which V is held at 0, 0 .. 62; as of Lava's LIFRefractory. Registers of a chip
        count from spike to spike, one more.

    Raises
    ------
    InputError
        If dt does not divide the window, is so small that its coefficients vanish, or for widths
        that do not fit the registers, of a chip, too.
    """

    p: NeuronParameters
    dt: float
    end: float
    theta_bits: int = THETA_BITS
    coefficient_bits: int = COEFFICIENT_BITS
    adjoint_bits: int = ADJOINT_BITS
    floor: float = 0.1
    neuron: NeuronKind = "exact"
    refractory: int = 0

    def __post_init__(self) -> None:
        for name, most in (("theta_bits", 20), ("coefficient_bits", 24), ("adjoint_bits", 20)):
            check_integer(getattr(self, name), 1, most, name)
        check_integer(self.refractory, 0, REFRACTORY_MAX - 1, "refractory", "it is in steps")
        settle(self, "clocked arithmetic", InputError)
        check_end(self.end)
        check_real(self.dt, _SHORTEST_STEP, math.inf, "dt", "it is in ms")
        check_real(self.floor, 0.0, _HIGHEST_FLOOR, "floor", "a rise may be 0", above=True)
        if self.steps > MOST_STEPS:
            seconds = self.steps * _STEP_SECONDS
            raise InputError(
                f"a window of {self.end:g} ms has {self.steps} steps of dt = {self.dt:g} ms, but may have "
                f"{MOST_STEPS}: a sample would take some {seconds:.3g} s per 1000 neurons; use a shorter window or a "
                f"larger dt"
            )
        if not math.isclose(self.steps * self.dt, self.end, rel_tol=1e-9) or self.steps < 1:
            raise InputError(
                f"dt is {self.dt} ms, which does not divide the window of {self.end} ms; use "
                f"{self.end / max(1, round(self.end / self.dt)):g} ms, or another window"
            )
        if self._smallest_coefficient(self.dt) < _SMALLEST_COEFFICIENT:
            bits, least = CHIP_DECAY_BITS if self.on_chip else self.coefficient_bits, self._smallest_dt()
            cure = f"no dt is usable with tau_m {self.p.tau_m:g} and tau_s {self.p.tau_s:g} ms; bring them nearer"
            if least is not None:
                cure = f"the smallest usable dt is {least:g} ms"
            raise InputError(
                f"dt is {self.dt} ms, for which a coefficient of {bits} bits is only "
                f"{self._smallest_coefficient(self.dt):.1f} of {1 << bits}; {cure}"
                + ("" if self.on_chip else ", or raise coefficient_bits")
            )
        if self.on_chip:
            self._check_chip()

    def _check_chip(self) -> None:
        if self.coefficient_bits < CHIP_DECAY_BITS:
            raise InputError(
                f"coefficient_bits is {self.coefficient_bits}, but a chip's decays have {CHIP_DECAY_BITS}; raise it"
            )
        reached = response(self.dt, self.p) * (1 << ALIGNMENT_BITS)  # may be 0: then no threshold is high enough
        wanted = self.theta / reached if reached > 0 else math.inf
        if not _SMALLEST_VTH <= wanted <= _LARGEST_VTH:
            what = "raise theta_bits"
            if wanted > _LARGEST_VTH:
                what = f"lower theta_bits, or use a {'larger' if self.dt < self._peak else 'smaller'} dt"
            raise InputError(
                f"with {self.theta_bits} theta_bits and dt = {self.dt:g} ms the threshold vth of a chip is "
                f"{wanted:.0f}, but must be {_SMALLEST_VTH} .. {_LARGEST_VTH}; {what}"
            )

    @property
    def _peak(self) -> float:
        """The step for which the most of I reaches V, in ms."""
        small = min(self.p.tau_m, self.p.tau_s)
        ratio = abs(self.p.tau_m - self.p.tau_s) / small
        return small * (1 + ratio) * (math.log1p(ratio) / ratio if ratio else 1.0)

    @property
    def on_chip(self) -> bool:
        """Whether neurons are those of the chips."""
        return self.neuron == "loihi"

    def _smallest_coefficient(self, dt: float) -> float:
        p = self.p
        parts = [-math.expm1(-dt / p.tau_m), -math.expm1(-dt / p.tau_s)]
        if self.on_chip:
            return min(parts) * (1 << CHIP_DECAY_BITS)
        return min(*parts, response(dt, p)) * (1 << self.coefficient_bits)

    def _smallest_dt(self) -> float | None:
        # Coefficients fall with dt below that for which the most of I reaches V.
        steps = max(1, math.ceil(self.end / self._peak))
        if self._smallest_coefficient(self.end / steps) < _SMALLEST_COEFFICIENT:
            return None
        while self._smallest_coefficient(self.end / (2 * steps)) >= _SMALLEST_COEFFICIENT:
            steps *= 2  # more of them as long as the coefficients allow it
        low, high = steps, 2 * steps
        while high - low > 1:
            middle = (low + high) // 2
            if self._smallest_coefficient(self.end / middle) >= _SMALLEST_COEFFICIENT:
                low = middle
            else:
                high = middle
        return self.end / low

    def _coefficient(self, value: float) -> int:
        return round(value * (1 << self.coefficient_bits))

    @cached_property
    def steps(self) -> int:
        """Steps of a trial, T."""
        return round(self.end / self.dt)

    @property
    def period(self) -> int:
        """Phases of a sample: T forward, T backward, one to begin and one to turn round."""
        return 2 * self.steps + 2

    @cached_property
    def theta(self) -> int:
        """The threshold."""
        return 1 << self.theta_bits

    @cached_property
    def floor_units(self) -> int:
        """Lower bound of a rise, an integer of 1 or more."""
        return max(1, round(self.floor * self.theta))

    @cached_property
    def dv(self) -> int:
        """Of a chip: what v loses, in 4096ths."""
        return round(-math.expm1(-self.dt / self.p.tau_m) * (1 << CHIP_DECAY_BITS))

    @cached_property
    def du(self) -> int:
        """Of a chip: what u loses, in 4096ths, less the one that the chip adds."""
        return round(-math.expm1(-self.dt / self.p.tau_s) * (1 << CHIP_DECAY_BITS)) - 1

    @cached_property
    def vth(self) -> int:
        """Of a chip: its threshold, of which a voltage has 64ths."""
        return round(self.theta / (response(self.dt, self.p) * (1 << ALIGNMENT_BITS)))

    @property
    def threshold(self) -> int:
        """The least voltage that spikes: 2**theta_bits, or what is more than a chip's threshold."""
        return (self.vth << ALIGNMENT_BITS) + 1 if self.on_chip else self.theta

    @property
    def largest_current(self) -> int:
        """Beyond which a current is refused: a register; of a chip, where it wraps round, several: Lava wraps once."""
        return _LARGEST_CHIP_CURRENT if self.on_chip else REGISTER_MAX

    @cached_property
    def reach(self) -> int:
        """Of a chip: at most so many times u can v grow without input, u falling all the while."""
        return -(-(1 << CHIP_DECAY_BITS) // (self.du + 1))

    def in_thresholds(self, V: Int64Array) -> Int64Array:
        """Voltages, which may have more fractional bits, in units of 2**-theta_bits thresholds."""
        return divided(V << self.theta_bits, self.vth << ALIGNMENT_BITS) if self.on_chip else V

    @cached_property
    def response(self) -> float:
        """What of I reaches V in a step, in thresholds."""
        return self.theta / (self.vth << ALIGNMENT_BITS) if self.on_chip else response(self.dt, self.p)

    @property
    def keep_u(self) -> int:
        """Of a chip: what is kept of a current in a step, in 4096ths."""
        return CURRENT_DECAY_ALL - self.du

    @property
    def keep_v(self) -> int:
        """Of a chip: what is kept of a voltage in a step, in 4096ths."""
        return VOLTAGE_DECAY_ALL - self.dv

    def _decay(self, tau: float, kept: int) -> int:
        """What is left after a step; of a chip what it keeps."""
        if self.on_chip:
            return kept << self.coefficient_bits - CHIP_DECAY_BITS
        return self._coefficient(math.exp(-self.dt / tau))

    @cached_property
    def alpha(self) -> int:
        """Decay of V and lV."""
        return self._decay(self.p.tau_m, self.keep_v)

    @cached_property
    def beta(self) -> int:
        """Decay of I and lI."""
        return self._decay(self.p.tau_s, self.keep_u)

    @cached_property
    def gamma(self) -> int:
        """From I to V."""
        return self._coefficient(self.response)

    @cached_property
    def gamma_back(self) -> int:
        """From lV to lI."""
        return self._coefficient(self.response * self.p.tau_m / self.p.tau_s)

    @cached_property
    def sent_V(self) -> int:
        """From lV to what is sent back: tau_s / dt times what comes from it to lI."""
        return round(self.gamma_back * self.p.tau_s / self.dt)

    @cached_property
    def sent_I(self) -> int:
        """From lI to what is sent back: tau_s / dt times what it loses."""
        return round(((1 << self.coefficient_bits) - self.beta) * self.p.tau_s / self.dt)

    @property
    def slope_bits(self) -> int:
        """Fractional bits of the slope."""
        return _CHIP_SLOPE_BITS if self.on_chip else SLOPE_BITS

    @cached_property
    def slope(self) -> int:
        """tau_m / dt times the unit of V in thresholds."""
        unit = self.response if self.on_chip else 1.0
        return round(self.p.tau_m / self.dt * unit * (1 << self.slope_bits))

    def steps_of(self, times: Any) -> Int64Array:
        """Steps at whose beginning spikes at times in ms act: the nearest.

        Raises
        ------
        InputError
            For times that are no numbers, negative, or beyond the window.
        """
        t = np.asarray(times, dtype=np.float64)
        bad = ~((t >= 0) & (t < self.end - self.dt / 2))
        if bad.any():
            raise InputError(
                f"input spike at {t[bad].flat[0]} ms, but the window is 0 .. {self.end} ms, and the last step of "
                f"{self.dt} ms begins at {self.end - self.dt:g} ms; shift or rescale"
            )
        return nearest_steps(t, self.dt)

    def delay_masters(self, delays: Any) -> Int64Array:
        """Full-precision delays, in steps with 20 fractional bits, of delays in ms."""
        steps = np.minimum(np.asarray(delays) / self.dt, _LONGEST_DELAY)
        masters: Int64Array = np.rint(steps * (1 << MASTER_BITS)).astype(np.int64)
        return masters

    @cached_property
    def delay_gradient(self) -> float:
        """The gradient by a delay, in 1/ms, that is 1 in integers."""
        return 1.0 / (1 << self.adjoint_bits)

    # ------------------------------------------------------------------ weights

    @cached_property
    def weight_gradient(self) -> float:
        """The gradient by a weight, in 1/threshold, that is 1 in integers."""
        return self.p.tau_s / (1 << self.adjoint_bits)

    def weight_exponent(self, largest: float) -> int:
        """Smallest exponent x for which 8-bit weights hold magnitudes up to `largest` thresholds: 254 * 2**x units.

        Raises
        ------
        WeightError
            For a largest weight that is not positive, or that one spike of would overflow the current.
        """
        held = f"it is in thresholds, and a 24-bit current holds so many at {self.theta_bits} theta_bits"
        largest = check_real(largest, 0.0, REGISTER_MAX / self.theta, "largest weight", held, WeightError, above=True)
        needed = math.ceil(math.log2(largest * self.theta / PLASTIC_WEIGHT_MAX))
        exponent = max(ALIGNMENT_BITS if self.on_chip else 0, needed)
        if self.on_chip and exponent > _LARGEST_EXPONENT:
            most = (PLASTIC_WEIGHT_MAX << _LARGEST_EXPONENT) / self.theta
            raise WeightError(
                f"largest weight is {largest:g} thresholds, but a chip's weights reach {most:g} at {self.theta_bits} "
                f"theta_bits; lower theta_bits"
            )
        return exponent

    def master_limit(self, exponent: int) -> int:
        """Largest magnitude of a full-precision weight: that of the largest 8-bit one."""
        return self._to_master(PLASTIC_WEIGHT_MAX << exponent)

    def weight_limits(self, exponent: int) -> tuple[int, int]:
        """Least and largest full-precision weight."""
        limit = self.master_limit(exponent)
        return -limit, limit

    def _to_master(self, units: int) -> int:
        return units << (MASTER_BITS - self.theta_bits)

    def masters(self, weights: Any, exponent: int) -> Int64Array:
        """Full-precision weights of real ones (thresholds), saturated to what the exponent allows."""
        limit = self.master_limit(exponent)
        masters: Int64Array = np.clip(np.rint(np.asarray(weights) * (1 << MASTER_BITS)), -limit, limit).astype(np.int64)
        return masters

    def forward_weights(self, masters: Int64Array, exponent: int) -> Int64Array:
        """Weights that spikes meet, in units: 8-bit mixed-sign mantissas (even, -254 .. 254) times 2**exponent."""
        steps = shift(masters, self.lost_bits(exponent))
        mantissa: Int64Array = np.clip(WEIGHT_STEP * steps, -PLASTIC_WEIGHT_MAX, PLASTIC_WEIGHT_MAX)
        return mantissa << exponent

    def lost_bits(self, exponent: int) -> int:
        """Bits of a full-precision weight that an even mantissa does not have, which does not use its lowest bit."""
        return MASTER_BITS - self.theta_bits + exponent + 1

    def check_volley(self, weights: Int64Array, what: str) -> None:
        """Check that a volley, one spike of everybody in front, does not overflow the current of any neuron.

        Raises
        ------
        WeightError
            Names the matrix (`what`), the neuron, and the scale that would fit.
        """
        self.check_sums(np.maximum(weights, 0).sum(axis=0), np.maximum(-weights, 0).sum(axis=0), what)

    def check_sums(self, up: Int64Array, down: Int64Array, what: str) -> None:
        """As `check_volley`, of the sums (post,) of positive weights and of magnitudes of negative ones."""
        volley = np.maximum(up, down)
        if volley.max(initial=0) > REGISTER_MAX:
            raise WeightError(
                self.overflow(int(volley.max()), f"{what}, neuron {int(volley.argmax())}, one spike of every input")
            )

    def overflow(self, current: int, where: str) -> str:
        """What to say of a current that does not fit."""
        return (
            f"{where}: the current reaches {current / self.theta:.1f} thresholds, but a 24-bit "
            f"register holds {REGISTER_MAX / self.theta:.1f} at {self.theta_bits} theta_bits; scale the weights by "
            f"{REGISTER_MAX / current:.2g} or less, or lower theta_bits"
        )


# ------------------------------------------------------------------ step functions


def forward_step(
    V: Int64Array,
    I: Int64Array,  # noqa: E741 - the paper's symbol
    S: Any,
    c: FixedPoint,
    held: Any = False,
) -> int:
    """V and I at the end of a step, in place; spikes and resets are the caller's. How many a chip's registers met.

    `held` (n,): where V stays 0.
    """
    if c.on_chip:
        return _chip_step(V, I, S, c, held)
    I += S  # noqa: E741
    V[...] = np.where(held, 0, shift(c.alpha * V + c.gamma * I, c.coefficient_bits))
    I[...] = shift(c.beta * I, c.coefficient_bits)
    return 0


def _chip_step(v: Int64Array, u: Int64Array, S: Any, c: FixedPoint, held: Any) -> int:
    """As `forward_step`, of a chip's neurons; Lava wraps once, whatever the sum. How many wrapped or saturated."""
    most = REGISTER_MAX + 1
    summed = input_current(u, S, c)
    u[...] = np.where(summed > most, summed - 2 * most, np.where(summed <= -most, summed + 2 * most, summed))
    wrapped = int(np.count_nonzero(u != summed))
    v[...] = np.where(held, 0, toward_zero(v * c.keep_v) + u)
    return wrapped + clip_to_register(v)


def input_current(I: Int64Array, S: Any, c: FixedPoint) -> Int64Array:  # noqa: E741 - the paper's symbol
    """A current with the input of a step; a chip's decays before."""
    summed: Int64Array = (toward_zero(I * c.keep_u) if c.on_chip else I) + S
    return summed


def toward_zero(x: Int64Array) -> Int64Array:
    """x / 2**12, cut towards 0, as a chip decays."""
    cut: Int64Array = np.sign(x) * (np.abs(x) >> CHIP_DECAY_BITS)
    return cut


def adjoint(lV: Int64Array, lI: Int64Array, c: FixedPoint) -> Int64Array:
    """What a neuron sends back through its mirrored connections, from its state at the end of a step; saturated."""
    sent: Int64Array = np.clip(shift(c.sent_V * lV - c.sent_I * lI, c.coefficient_bits), -REGISTER_MAX, REGISTER_MAX)
    return sent


def backward_step(lV: Int64Array, lI: Int64Array, c: FixedPoint) -> int:
    """Adjoint variables at the beginning of a step, in place; how many were saturated."""
    lI[...] = shift(c.beta * lI + c.gamma_back * lV, c.coefficient_bits)
    lV[...] = shift(c.alpha * lV, c.coefficient_bits)
    return clip_to_register(lI)


def rise(V: Int64Array, before: Int64Array, c: FixedPoint) -> Int64Array:
    """tau_m dV/dt of a step, from V at its end and at its beginning; saturated."""
    value: Int64Array = np.clip(shift((V - before) * c.slope, c.slope_bits), -REGISTER_MAX, REGISTER_MAX)
    return value


def jump(lV: Int64Array, error: Int64Array, rises: Int64Array, c: FixedPoint) -> tuple[Int64Array, int, int]:
    """lV before spikes from lV after them; how many denominators were at the floor, and how many results saturated."""
    before = lV + ((lV + error) << c.theta_bits) // np.maximum(rises, c.floor_units)
    saturated = clip_to_register(before)
    return before, int(np.count_nonzero(rises < c.floor_units)), saturated


def release_error(lV: Int64Array, rises: Int64Array, c: FixedPoint) -> tuple[Int64Array, int]:
    """What the end of a refractory period adds to the error of its spike, from lV and the rise in the step behind it.

    And how many of them were saturated.
    """
    errors: Int64Array = shift(lV * rises, c.theta_bits)
    return errors, clip_to_register(errors)


def clip_to_register(x: Int64Array) -> int:
    """Saturate to the register, in place; how many entries were outside."""
    outside = int(np.count_nonzero(np.abs(x) > REGISTER_MAX))
    np.clip(x, -REGISTER_MAX, REGISTER_MAX, out=x)
    return outside
