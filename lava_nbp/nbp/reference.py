"""The oracle: one sample at a time in plain NumPy, written to be read next to the paper.

With integers throughout (weight units)::

    a1 = x @ W1;  h = a1 > 512;  box = (a1 > 0) & (a1 <= 1024)
    a2 = h @ W2;  o = a2 > 512
    d  = (t & ~o & (a2 > 0)) - (o & ~t & (a2 <= 1024))
    W2 = saturate(W2 + 2 * outer(h, d))
    e  = sign(W2 @ d) * box                        with the W2 just updated
    W1 = saturate(W1 + 2 * outer(x, e))

This is what the twelve phases compute (Renner et al. 2024, Methods and
supplement); the spiking engine does it phase by phase. In the chip's order
(`Circuit.chip_order`) e is that of the W2 before its update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.integers import INPUT_HALF_RANGE, Int16Array, saturate
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp.circuit import FIRE, FIRE_HIGH, FIRE_LOW, Circuit
from lava_nbp.nbp.executor import ClosedLimits, Executor, Int32Array, Outcome, UInt8Array
from lava_nbp.nbp.rule import STEP

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class SampleValues:
    """Everything one training sample makes the circuit compute; all vectors are 0/1 unless said."""

    x: Bits
    t: Bits
    h: Bits
    h_lo: Bits
    h_hi: Bits
    a2: Int32Array  #: output pre-activation, weight units
    o: Bits
    o_lo: Bits
    o_hi: Bits
    d_pos: Bits
    d_neg: Bits
    back_pos: Bits  #: W2 d > 0: h1_T in phase 7
    back_neg: Bits  #: W2 d < 0: h1_T in phase 11
    W1: Int16Array  #: after the sample
    W2: Int16Array  #: after the sample
    gate_breaches: int  #: spikes outside the schedule that this sample causes
    synaptic_events: int
    updates: int

    @property
    def box(self) -> Bits:
        """Derivative of the surrogate ReLU: c_h1."""
        return self.h_lo & ~self.h_hi

    @property
    def e_pos(self) -> Bits:
        """Hidden units whose weights grow: h1 in phase 8."""
        return self.back_pos & self.box

    @property
    def e_neg(self) -> Bits:
        """Hidden units whose weights shrink: h1 in phase 12."""
        return self.back_neg & self.box


def train_sample(
    W1: Int16Array, W2: Int16Array, x: UInt8Array, t: UInt8Array, closed: ClosedLimits, chip_order: bool = False
) -> SampleValues:
    """Compute one training sample: the forward pass, the backward pass, and the new weights.

    `closed` only serves to count the gate breaches that the circuit would have.
    """
    xb, tb = x.astype(bool), t.astype(bool)
    a1 = _sum(W1, xb)
    h, h_lo, h_hi = a1 > FIRE, a1 > FIRE_LOW, a1 > FIRE_HIGH
    a2 = _sum(W2, h)
    o, o_lo, o_hi = a2 > FIRE, a2 > FIRE_LOW, a2 > FIRE_HIGH
    d_pos = tb & ~o & o_lo
    d_neg = o & ~tb & ~o_hi

    W2_grown = _update(W2, h, d_pos, +STEP)
    W2_new = _update(W2_grown, h, d_neg, -STEP)
    back = (W2 if chip_order else W2_new).astype(np.int64) @ (d_pos.astype(np.int64) - d_neg)
    box = h_lo & ~h_hi
    e_pos, e_neg = (back > 0) & box, (back < 0) & box
    W1_grown = _update(W1, xb, e_pos, +STEP)
    W1_new = _update(W1_grown, xb, e_neg, -STEP)

    breaches = _out_of_range(a1) * 3 + _out_of_range(a2) * 3
    if not breaches:
        # The sums that reach closed populations, each with the weights as they then are; h1 and o have two copies.
        W1_9, W1_13 = (W1, W1_grown) if chip_order else (W1_grown, W1_new)
        W2_7, W2_11 = (W2, W2_grown) if chip_order else (W2_grown, W2_new)
        breaches += 3 * _over(_sum(W1_9, xb), closed.h1_phase9)
        breaches += 3 * _over(_sum(W1_13, xb), closed.h1_phase13)
        breaches += 3 * _over(_sum(W2_7, h), closed.o_phase7)
        breaches += 3 * _over(_sum(W2_grown, e_pos), closed.o_phase9)
        breaches += 3 * _over(_sum(W2_11, h), closed.o_phase11)
        breaches += 3 * _over(_sum(W2_new, e_neg), closed.o_phase13)
        breaches += _over(W2.astype(np.int64) @ o, closed.h1_T_phase5)
    n_d, n_e = int(d_pos.sum() + d_neg.sum()), int(e_pos.sum() + e_neg.sum())
    return SampleValues(
        x=xb, t=tb, h=h, h_lo=h_lo, h_hi=h_hi, a2=a2, o=o, o_lo=o_lo, o_hi=o_hi, d_pos=d_pos, d_neg=d_neg,
        back_pos=back > 0, back_neg=back < 0, W1=W1_new, W2=W2_new, gate_breaches=int(breaches),
        synaptic_events=int(xb.sum()) * W1.shape[1] + int(h.sum()) * W2.shape[1] + n_d * W2.shape[0],
        updates=int(h.sum()) * n_d + int(xb.sum()) * n_e,
    )  # fmt: skip


def infer_sample(W1: Int16Array, W2: Int16Array, x: UInt8Array) -> tuple[Bits, Int32Array]:
    """The forward pass alone: hidden spikes h, and the output pre-activation W2 h."""
    h = _sum(W1, x.astype(bool)) > FIRE
    return h, _sum(W2, h)


def _sum(W: Int16Array, active: Bits) -> Int32Array:
    total: Int32Array = W[active].sum(axis=0, dtype=np.int32)
    return total


def _update(W: Int16Array, pre: Bits, post: Bits, step: int) -> Int16Array:
    return saturate(W + step * np.outer(pre, post).astype(np.int64), PLASTIC_WEIGHT_MAX).astype(np.int16)


def _over(total: NDArray[np.integer[Any]], limit: int) -> int:
    return int((total > limit).sum())


def _out_of_range(total: Int32Array) -> int:
    return int(((total > INPUT_HALF_RANGE) | (total <= -INPUT_HALF_RANGE)).sum())


class ReferenceExecutor(Executor):
    """Runs the oracle over samples; about 100 times slower than `SampleExecutor`."""

    target = "reference"

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._write_weights(weights)

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        self._weights = weights

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of W1 and W2."""
        return {name: w.copy() for name, w in self._weights.items()}

    def _train(self, x: UInt8Array, t: UInt8Array) -> Outcome:
        spikes = np.zeros((len(x), self.n_out), dtype=np.uint8)
        membrane = np.zeros((len(x), self.n_out), dtype=np.int32)
        closed = ClosedLimits.of(self.circuit)
        for i in range(len(x)):
            values = train_sample(self._weights["W1"], self._weights["W2"], x[i], t[i], closed, self.circuit.chip_order)
            self._weights = {"W1": values.W1, "W2": values.W2}
            spikes[i], membrane[i] = values.o, values.a2
            self.work.spikes += int(values.x.sum() + values.h.sum() + values.o.sum())
            self.work.synaptic_events += values.synaptic_events
            self.work.updates += values.updates
            self.work.gate_breaches += values.gate_breaches
        return Outcome(spikes, membrane)

    def _infer(self, x: UInt8Array) -> Outcome:
        membrane = np.zeros((len(x), self.n_out), dtype=np.int32)
        for i in range(len(x)):
            _, membrane[i] = infer_sample(self._weights["W1"], self._weights["W2"], x[i])
        return Outcome((membrane > FIRE).astype(np.uint8), membrane)


def training_raster(circuit: Circuit, values: SampleValues) -> dict[str, UInt8Array]:
    """Spikes of every population in phases 0 .. 12 of one sample, as the phase table says.

    Each array has shape (13, size); row 12 belongs to phase 0 of the next sample,
    and row 0 holds nothing of the sample before.
    """
    v = values
    fired: dict[str, dict[int, Bits]] = {
        "x": dict.fromkeys((2, 8, 12), v.x),
        "m_x": {7: v.x},
        "h1": {3: v.h, 6: v.h, 8: v.e_pos, 10: v.h, 12: v.e_neg},
        "h1_lo": {3: v.h_lo, 8: v.e_pos, 12: v.e_neg},
        "h1_hi": {3: v.h_hi, 8: v.e_pos, 12: v.e_neg},
        "h1_T": {6: v.h, 7: v.back_pos, 10: v.h, 11: v.back_neg},
        "m_h1": {4: v.h},
        "c_h1": {7: v.box},
        "o": {4: v.o, 6: v.d_pos, 10: v.d_neg},
        "o_lo": {4: v.o_lo, 6: v.d_pos, 10: v.d_neg},
        "o_hi": {4: v.o_hi, 6: v.d_pos, 10: v.d_neg},
        "o_T": {6: v.d_neg, 10: v.d_pos},
        "t": {4: v.t},
        "d_pos": {5: v.d_pos},
        "d_neg": {5: v.d_neg},
    }
    return _raster(circuit, fired)


def inference_raster(circuit: Circuit, x: UInt8Array, h: Bits, o: Bits) -> dict[str, UInt8Array]:
    """Spikes of every population in phases 0 .. 4 of one inference sample; shapes (5, size)."""
    return _raster(circuit, {"x": {2: x.astype(bool)}, "h1": {3: h}, "o": {4: o}})


def _raster(circuit: Circuit, fired: dict[str, dict[int, Bits]]) -> dict[str, UInt8Array]:
    raster = {p.name: np.zeros((circuit.period + 1, p.size), dtype=np.uint8) for p in circuit.populations}
    for k, name in enumerate(circuit.chain):
        raster[name][k] = 1
    raster[circuit.chain[0]][circuit.period] = 1
    for name, phases in fired.items():
        for phase, spikes in phases.items():
            raster[name][phase] = spikes
    return raster
