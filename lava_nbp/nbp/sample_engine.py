"""The fast executor: one sample at a time, compiled, the same integers as the oracle.

It compiles one shape of a per-sample form, `lava_nbp.nbp.sample_shape`. With faults (`lava_nbp.nbp.faults`) it
computes what they make of that form: broken units and synapses as the circuit has them, spikes that go wrong in the
forward pass, samples that a lost pulse leaves unlearned.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from lava_nbp.base.integers import Int16Array
from lava_nbp.errors import InputError
from lava_nbp.nbp import sample_kernels as kernels
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import Epoch, check_epoch
from lava_nbp.nbp.executor import Executor, Outcome, UInt8Array, empty_answers
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.readout import Readout
from lava_nbp.nbp.sample_shape import sample_shape
from lava_nbp.nbp.work import Counters


class SampleExecutor(Executor):
    """Runs the per-sample form, compiled: the executor to train with on a CPU.

    Parameters
    ----------
    circuit, weights
        As for every `Executor`.
    faults : Faults, optional
        What is broken.

    Raises
    ------
    CircuitError
        For a circuit without a per-sample form, or one of a shape that is not compiled: with the reason.
    InputError
        For faults.apart, and for spikes that go wrong where a readout hears the output more than once.
    """

    def __init__(self, circuit: Circuit, weights: Mapping[str, Any], *, faults: Faults | None = None) -> None:
        if faults is not None and faults.apart:
            raise InputError(
                "faults.apart breaks copies of a unit one by one, but executor 'sample' has none; use target spiking"
            )
        if faults is not None and (faults.dropped or faults.spurious) and (circuit.ramp or circuit.readout):
            kind = "dropped" if faults.dropped else "spurious"
            raise InputError(
                f"faults.{kind} meets every spike of a readout's phases, but executor 'sample' reads sums, all phases "
                f"at once; use target spiking, or a circuit without a ramp"
            )
        self._shape = sample_shape(circuit)
        self._faults = faults
        self._counters = Counters.make()
        self.counts_breaches = faults is None
        self._sizes = circuit.layers
        self.circuit = circuit
        self._broken = None if faults is None else self._break(circuit, faults)
        super().__init__(circuit, weights)

    def _break(self, circuit: Circuit, faults: Faults) -> dict[str, Any]:
        dead = np.concatenate(
            [faults.dead_units(name, size) for name, size in zip(circuit.forward, circuit.layers, strict=True)]
        )
        stuck = [faults.stuck_synapses(name, circuit.matrix_shapes[name]) for name in self._shape.matrices]
        held = self._held([(~broken).astype(np.int16) for broken in stuck])
        return {"alive_x": ~dead[: circuit.layers[0]], "dead": dead.astype(np.uint8), "plastic": held}

    def _held(self, matrices: list[Any]) -> Any:
        """Matrices as the kernels hold them, one after the other: as their mask says, else the last (post, pre)."""
        parts, names = [], self._shape.matrices
        for name, matrix in zip(names, matrices, strict=True):
            mask = self.circuit.matrix(name).mask
            whole = matrix.T if name == names[-1] else matrix
            parts.append(whole.ravel() if mask is None else mask.taken(matrix))
        return np.concatenate(parts)

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._write_weights(weights)
        self.begin_epoch()

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        if self._faults is not None:
            lost = {name: self._faults.lost_synapses(name, (len(w), w.shape[1])) for name, w in weights.items()}
            weights = {name: np.where(lost[name], np.int16(0), w) for name, w in weights.items()}
        held = self._held([weights[name] for name in self._shape.matrices])
        self._net = self._shape.numbers._replace(weights=held)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices."""
        held = {}
        for k, name in enumerate(self._shape.matrices, 1):
            matrix, offset = self.circuit.matrix(name), int(self._net.layers[k]["offset"])
            flat = self._net.weights[offset : offset + matrix.n_synapses]
            if matrix.mask is not None:
                held[name] = matrix.mask.spread(flat, matrix.shape)
            elif k == len(self._shape.matrices):
                held[name] = np.array(flat.reshape(matrix.shape[::-1]).T, order="C")
            else:
                held[name] = flat.reshape(matrix.shape).copy()
        return {name: held[name] for name in self.circuit.matrix_shapes}

    def begin_epoch(self, epoch: int = 0) -> None:
        """See `Executor`; here there are no spikes under way."""
        self._epoch, self._chunk = check_epoch(epoch), 0
        self._draws, self._sample = Epoch.of(self.circuit, self._epoch), 0

    def _disturb(self, x: UInt8Array, training: bool) -> tuple[UInt8Array, kernels.SampleFaults | None]:
        """The input with its faults, and those behind it, for the samples of one call."""
        if self._faults is None or self._broken is None:
            return x, None
        f, n_in = self._faults, self._sizes[0]
        rng = f.generator(self._epoch, self._chunk, int(training))
        self._chunk += 1
        broken = dict(self._broken)
        alive = broken.pop("alive_x")

        def wrong(size: int) -> UInt8Array:
            draw = rng.random((len(x), size), dtype=np.float32)
            return np.where(draw < f.dropped, 1, np.where(draw >= 1 - f.spurious, 2, 0)).astype(np.uint8)

        wrong_x = wrong(n_in)
        x = np.where(wrong_x == 1, 0, np.where(wrong_x == 2, 1, x)) * alive
        # The phase in which the pulse is lost: up to that of the answer there is none, after it nothing is learned.
        phase = rng.geometric(f.pulse_loss, len(x)) if f.pulse_loss else np.full(len(x), 1 << 30)
        runs = self.circuit if training else self.circuit.answering
        x[phase <= runs.output_phase] = 0
        learns = (phase > (runs.period if training else runs.output_phase)).astype(np.uint8)
        return np.ascontiguousarray(x, dtype=np.uint8), kernels.SampleFaults(
            wrong=np.hstack([wrong_x, *(wrong(size) for size in self._sizes[1:])]), learns=learns, **broken
        )

    def _drawn(self) -> kernels.Draws:
        return kernels.Draws(np.uint64(self._draws.key), self._sample, self._draws.skips)

    def _train(self, *spikes: UInt8Array) -> Outcome:
        x, t = spikes[self._shape.input], spikes[self._shape.target]
        answers = kernels.Answers(*empty_answers(len(x), self.layers[-1]))
        x, faults = self._disturb(x, training=True)
        kernels.train(x, t, self._net, self._drawn(), answers, self._counters, faults)
        self._sample += len(x)
        self.work.take(self._counters)
        return Outcome(*answers)

    def _infer(self, *spikes: UInt8Array) -> Outcome:
        (x,) = spikes
        answers = kernels.Answers(*empty_answers(len(x), self.layers[-1]))
        x, faults = self._disturb(x, training=False)
        kernels.infer(x, self._net, self._drawn(), answers, faults)
        if self._readout is not None:
            sums = answers.membrane
            if faults is not None:  # dead outputs never fire, nor any without a pulse, however far the gate opens
                silent = faults.dead[-self._sizes[-1] :] | (1 - faults.learns)[:, None]
                sums = np.where(silent, np.int32(-(1 << 30)), sums)
            answers = answers._replace(spikes=self._readout.answers(sums))
        return Outcome(*answers)

    @cached_property
    def _readout(self) -> Readout | None:
        """What reads the output, if it does not answer itself."""
        answering = self.circuit.answering
        return Readout(sample_form(answering)) if answering.readout else None
