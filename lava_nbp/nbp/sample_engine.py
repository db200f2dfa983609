"""The fast executor: one sample at a time, compiled, the same integers as the oracle.

With faults (`lava_nbp.nbp.faults`) it computes what they make of the per-sample form: broken units and synapses as
the circuit has them, spikes that go wrong in the forward pass, samples that a lost pulse leaves unlearned.

W1 is held (n_in, n_hidden), W2 transposed, so that every inner loop runs over
hidden units, contiguous in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lava_nbp.base.integers import INPUT_HALF_RANGE, Int16Array
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import FIRE, FIRE_HIGH, FIRE_LOW
from lava_nbp.nbp.executor import (
    BREACHES,
    EVENTS,
    SPIKES,
    UPDATES,
    ClosedLimits,
    Executor,
    Int32Array,
    Outcome,
    UInt8Array,
)
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.kernels import add_rows, changed
from lava_nbp.nbp.rule import STEP

# Compile-time constants of the kernels (numba freezes module globals).
_WMAX = PLASTIC_WEIGHT_MAX
_HALF_RANGE = INPUT_HALF_RANGE
_STEP = STEP


class SampleFaults(NamedTuple):
    """Faults of the per-sample form, as arrays. Kernels get None instead where nothing is broken."""

    dead_h: NDArray[np.uint8]  #: (n_hidden,)
    dead_o: NDArray[np.uint8]  #: (n_out,)
    plastic1: NDArray[np.int16]  #: (n_in, n_hidden) 0 where a synapse keeps its weight, else 1
    plastic2: NDArray[np.int16]  #: (n_out, n_hidden)
    wrong_h: NDArray[np.uint8]  #: (samples, n_hidden) 1: the spike is lost, 2: there is one without reason
    wrong_o: NDArray[np.uint8]  #: (samples, n_out)
    learns: NDArray[np.uint8]  #: (samples,) 0: the pulse is lost before the sample is learned


@njit(cache=True, nogil=True)
def _go_wrong(h, wrong, dead):  # type: ignore[no-untyped-def]
    """Spikes h, as masks of 0 and -1, with the faults of a sample."""
    for j in range(h.shape[0]):
        if wrong[j] == 1:
            h[j] = 0
        elif wrong[j] == 2 and not dead[j]:
            h[j] = np.int16(-1)


@njit(cache=True, nogil=True)
def _silence(total, dead):  # type: ignore[no-untyped-def]
    for j in range(total.shape[0]):
        if dead[j]:
            total[j] = 0


@njit(cache=True, nogil=True)
def _active(x, indices):  # type: ignore[no-untyped-def]
    """Write the indices of the ones of x; return how many."""
    n = 0
    for i in range(x.shape[0]):
        indices[n] = i
        n += x[i]
    return n


@njit(cache=True, nogil=True)
def _output(W2T, h, membrane):  # type: ignore[no-untyped-def]
    """membrane = W2 h, where h holds 0 or -1 as int16 masks."""
    for k in range(W2T.shape[0]):
        row = W2T[k]
        total = np.int32(0)
        for j in range(row.shape[0]):
            total += np.int32(row[j] & h[j])
        membrane[k] = total


@njit(cache=True, nogil=True)
def _infer(x, W1, W2T, spikes, membrane, faults):  # type: ignore[no-untyped-def]
    n_hidden = W1.shape[1]
    rows = np.empty(W1.shape[0] + 1, np.uint32)
    block = np.empty(n_hidden, np.int16)
    a1 = np.empty(n_hidden, np.int32)
    h = np.empty(n_hidden, np.int16)
    for i in range(x.shape[0]):
        n = _active(x[i], rows)
        a1[:] = 0
        add_rows(W1, rows, n, block, a1)
        if faults is not None:
            _silence(a1, faults.dead_h)
        for j in range(n_hidden):
            h[j] = np.int16(-1) if a1[j] > FIRE else np.int16(0)
        if faults is not None:
            _go_wrong(h, faults.wrong_h[i], faults.dead_h)
        _output(W2T, h, membrane[i])
        if faults is not None:
            _silence(membrane[i], faults.dead_o)
        for k in range(W2T.shape[0]):
            spikes[i, k] = membrane[i, k] > FIRE
            if faults is not None and faults.wrong_o[i, k]:
                spikes[i, k] = faults.wrong_o[i, k] == 2 and not faults.dead_o[k]


@njit(cache=True, nogil=True)
def _output_breaches(W2T, h, d, e, closed, chip_order):  # type: ignore[no-untyped-def]
    """Spikes that closed o, o_lo and o_hi would fire; W2T is still that before the sample.

    W2 has grown (d = 1) from phase 7 on and shrunk (d = -1) from phase 11 on; in the chip's order a phase later.
    """
    count = 0
    for k in range(W2T.shape[0]):
        row = W2T[k]
        phase7 = phase9 = phase11 = phase13 = 0
        for j in range(row.shape[0]):
            grown = changed(row[j], -h[j] * _STEP * (d[k] == 1))
            new = changed(row[j], -h[j] * _STEP * d[k])
            phase7 -= h[j] * (row[j] if chip_order else grown)
            phase9 += (e[j] == 1) * grown
            phase11 -= h[j] * (grown if chip_order else new)
            phase13 += (e[j] == -1) * new
        count += phase7 > closed.o_phase7
        count += phase9 > closed.o_phase9
        count += phase11 > closed.o_phase11
        count += phase13 > closed.o_phase13
    return 3 * count


@njit(cache=True, nogil=True)
def _hidden_breaches(W1, rows, n, a1, e, closed, chip_order):  # type: ignore[no-untyped-def]
    """Spikes that closed h1, h1_lo and h1_hi would fire in phases 9 and 13; W1 is still that before the sample."""
    count = 0
    for j in range(W1.shape[1]):
        phase9 = phase13 = a1[j]  # what W1 x still is where nothing changes
        if e[j] and a1[j] + n * _STEP > min(closed.h1_phase9, closed.h1_phase13):
            grown = new = 0
            for k in range(n):
                grown += changed(W1[rows[k], j], _STEP * (e[j] == 1))
                new += changed(W1[rows[k], j], _STEP * e[j])
            phase9, phase13 = (a1[j], grown) if chip_order else (grown, new)
        count += phase9 > closed.h1_phase9
        count += phase13 > closed.h1_phase13
    return 3 * count


@njit(cache=True, nogil=True)
def _backward_breaches(W2T, o, closed):  # type: ignore[no-untyped-def]
    """Spikes that closed h1_T would fire in phase 5; W2 is still that before the sample."""
    count = 0
    for j in range(W2T.shape[1]):
        total = 0
        for k in range(o.shape[0]):
            total += o[k] * W2T[k, j]
        count += total > closed.h1_T_phase5
    return count


@njit(cache=True, nogil=True)
def _out_of_range(total):  # type: ignore[no-untyped-def]
    count = 0
    for j in range(total.shape[0]):
        count += total[j] > _HALF_RANGE or total[j] <= -_HALF_RANGE
    return count


@njit(cache=True, nogil=True)
def _train(x, t, W1, W2T, spikes, membrane, work, closed, chip_order, faults):  # type: ignore[no-untyped-def]
    h1_limit = min(closed.h1_phase9, closed.h1_phase13)
    o_limit = min(closed.o_phase7, closed.o_phase11)
    e_limit = min(closed.o_phase9, closed.o_phase13)
    n_in, n_hidden = W1.shape
    n_out = W2T.shape[0]
    rows = np.empty(n_in + 1, np.uint32)
    block = np.empty(n_hidden, np.int16)
    a1 = np.empty(n_hidden, np.int32)
    h = np.empty(n_hidden, np.int16)  # 0 or -1, a mask
    back = np.empty(n_hidden, np.int32)
    d = np.empty(n_out, np.int8)
    e = np.empty(n_hidden, np.int8)
    change = np.empty(n_hidden, np.int16)
    for i in range(x.shape[0]):
        # Forward.
        n = _active(x[i], rows)
        a1[:] = 0
        add_rows(W1, rows, n, block, a1)
        if faults is not None:
            _silence(a1, faults.dead_h)
        n_h = 0
        a1_max = np.int32(0)
        for j in range(n_hidden):
            h[j] = np.int16(-1) if a1[j] > FIRE else np.int16(0)
        if faults is not None:
            _go_wrong(h, faults.wrong_h[i], faults.dead_h)
        for j in range(n_hidden):
            n_h -= h[j]
            a1_max = max(a1_max, a1[j])
        a2 = membrane[i]
        _output(W2T, h, a2)
        if faults is not None:
            _silence(a2, faults.dead_o)

        # Output error: d_pos - d_neg.
        n_o = n_d = 0
        a2_max = np.int32(0)
        for k in range(n_out):
            o = a2[k] > FIRE
            if faults is not None and faults.wrong_o[i, k]:
                o = faults.wrong_o[i, k] == 2 and not faults.dead_o[k]
            grows = t[i, k] and not o and a2[k] > FIRE_LOW
            shrinks = o and not t[i, k] and a2[k] <= FIRE_HIGH
            if faults is not None and not faults.learns[i]:
                grows = shrinks = False
            d[k] = np.int8(grows) - np.int8(shrinks)
            spikes[i, k] = o
            n_o += o
            n_d += grows or shrinks
            a2_max = max(a2_max, a2[k])

        # Hidden error: sign(W2 d) times the box, with the W2 about to be written (chip's order: the W2 that is).
        n_e = 0
        e[:] = 0
        if n_d:
            back[:] = 0
            for k in range(n_out):
                if d[k]:
                    row = W2T[k]
                    step = 0 if chip_order else _STEP * d[k]
                    for j in range(n_hidden):
                        if faults is not None:
                            back[j] += d[k] * changed(row[j], -h[j] * step * faults.plastic2[k, j])
                        else:
                            back[j] += d[k] * changed(row[j], -h[j] * step)
            for j in range(n_hidden):
                if FIRE_LOW < a1[j] <= FIRE_HIGH:
                    e[j] = np.int8(back[j] > 0) - np.int8(back[j] < 0)
                    n_e += e[j] != 0

        # Gate breaches: cheap bounds first, the exact count where one is passed.
        # With faults they are not counted: the bounds and sums below are those of whole synapses.
        out_of_range = 3 * (_out_of_range(a1) + _out_of_range(a2))
        if faults is not None:
            pass
        elif out_of_range:
            work[BREACHES] += out_of_range
        else:
            if a2_max + n_h * _STEP > o_limit or n_e * _WMAX > e_limit:
                work[BREACHES] += _output_breaches(W2T, h, d, e, closed, chip_order)
            if a1_max + n * _STEP > h1_limit:
                work[BREACHES] += _hidden_breaches(W1, rows, n, a1, e, closed, chip_order)
            if n_o * _WMAX > closed.h1_T_phase5:
                work[BREACHES] += _backward_breaches(W2T, spikes[i], closed)

        # Updates.
        for k in range(n_out):
            if d[k]:
                row = W2T[k]
                for j in range(n_hidden):
                    if faults is not None:
                        row[j] = np.int16(changed(row[j], -h[j] * _STEP * d[k] * faults.plastic2[k, j]))
                    else:
                        row[j] = np.int16(changed(row[j], -h[j] * _STEP * d[k]))
        if n_e:
            for j in range(n_hidden):
                change[j] = np.int16(_STEP * e[j])
            for k in range(n):
                row = W1[rows[k]]
                for j in range(n_hidden):
                    if faults is not None:
                        row[j] = np.int16(changed(row[j], change[j] * faults.plastic1[rows[k], j]))
                    else:
                        row[j] = np.int16(changed(row[j], change[j]))

        work[SPIKES] += n + n_h + n_o
        work[EVENTS] += n * n_hidden + n_h * n_out + n_d * n_hidden
        work[UPDATES] += n_h * n_d + n * n_e


class SampleExecutor(Executor):
    """Runs the per-sample form, compiled: the executor to train with on a CPU."""

    target = "sample"
    can_fault = True

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        if self.faults is not None and self.faults.apart:
            raise InputError(
                "faults.apart breaks copies of a unit one by one, but executor 'sample' has none; use target spiking"
            )
        self._counters = np.zeros(4, dtype=np.int64)
        self.counts_breaches = self.faults is None
        self._chunk = 0
        self._broken = None if self.faults is None else self._break(self.faults)
        self._write_weights(weights)

    def _break(self, faults: Faults) -> dict[str, Any]:
        n_in, n_hidden, n_out = self.layers
        shapes = {"W1": (n_in, n_hidden), "W2": (n_hidden, n_out)}
        plastic = {name: (~faults.stuck_synapses(name, shape)).astype(np.int16) for name, shape in shapes.items()}
        return {
            "alive_x": ~faults.dead_units("x", n_in),
            "dead_h": faults.dead_units("h1", n_hidden).astype(np.uint8),
            "dead_o": faults.dead_units("o", n_out).astype(np.uint8),
            "plastic1": plastic["W1"],
            "plastic2": np.ascontiguousarray(plastic["W2"].T),
        }

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        if self.faults is not None:
            lost = {name: self.faults.lost_synapses(name, (len(w), w.shape[1])) for name, w in weights.items()}
            weights = {name: np.where(lost[name], np.int16(0), w) for name, w in weights.items()}
        self._W1 = np.ascontiguousarray(weights["W1"])
        self._W2T = np.ascontiguousarray(weights["W2"].T)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of W1 and W2."""
        return {"W1": self._W1.copy(), "W2": np.ascontiguousarray(self._W2T.T)}

    def reset(self) -> None:
        """Faults in passing of the next epoch are new ones."""
        self._chunk = 0

    def _results(self, n: int) -> tuple[UInt8Array, Int32Array]:
        return np.zeros((n, self.n_out), dtype=np.uint8), np.zeros((n, self.n_out), dtype=np.int32)

    def _disturb(self, x: UInt8Array, training: bool) -> tuple[UInt8Array, SampleFaults | None]:
        """The input with its faults, and those behind it, for the samples of one call."""
        if self.faults is None or self._broken is None:
            return x, None
        f, (n_in, n_hidden, n_out) = self.faults, self.layers
        rng = f.generator(self.epoch, self._chunk, int(training))
        self._chunk += 1
        broken = dict(self._broken)
        alive = broken.pop("alive_x")

        def wrong(size: int) -> UInt8Array:
            draw = rng.random((len(x), size), dtype=np.float32)
            return np.where(draw < f.dropped, 1, np.where(draw >= 1 - f.spurious, 2, 0)).astype(np.uint8)

        wrong_x = wrong(n_in)
        x = np.where(wrong_x == 1, 0, np.where(wrong_x == 2, 1, x)) * alive
        # The phase in which the pulse is lost: up to 4 there is no answer, after that nothing is learned.
        phase = rng.geometric(f.pulse_loss, len(x)) if f.pulse_loss else np.full(len(x), 1 << 30)
        x[phase <= self.circuit.output_phase] = 0
        learns = (phase > self.circuit.period).astype(np.uint8)
        return np.ascontiguousarray(x, dtype=np.uint8), SampleFaults(
            wrong_h=wrong(n_hidden), wrong_o=wrong(n_out), learns=learns, **broken
        )

    def _train(self, x: UInt8Array, t: UInt8Array) -> Outcome:
        spikes, membrane = self._results(len(x))
        closed, chip_order = ClosedLimits.of(self.circuit), self.circuit.chip_order
        x, faults = self._disturb(x, training=True)
        _train(x, t, self._W1, self._W2T, spikes, membrane, self._counters, closed, chip_order, faults)
        self.work.take(self._counters)
        return Outcome(spikes, membrane)

    def _infer(self, x: UInt8Array) -> Outcome:
        spikes, membrane = self._results(len(x))
        x, faults = self._disturb(x, training=False)
        _infer(x, self._W1, self._W2T, spikes, membrane, faults)
        return Outcome(spikes, membrane)
