"""The spiking executor: every step, population, delay and refractory period of a circuit, compiled.

It knows nothing of what the circuit is for. In every step t, for every
population (weight units; see `circuit` for the neuron model):

1. **fire**   v = wrap(input that arrives now) + bias; spike if v > threshold + noise and not refractory;
2. **learn**  every plastic projection, each with weights of its own, where pre and post fired
   in this step, by the circuit's rule: w += dw(x0, y0, r), saturating; of what is to change, as much as is drawn;
3. **send**   spikes arrive at t + 1 + delay; dense projections use the weights as just changed.

A circuit in the chip's order (`Circuit.chip_order`) sends before it learns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.integers import Int16Array
from lava_nbp.errors import InputError
from lava_nbp.nbp import spiking_kernels as kernels
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import Epoch, check_epoch, rounding_of
from lava_nbp.nbp.executor import Executor, Outcome, UInt8Array, empty_answers
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.levels import THRESHOLD
from lava_nbp.nbp.mask import Runs
from lava_nbp.nbp.projections import Projections, broken_synapses
from lava_nbp.nbp.work import Counters


def compile_circuit(circuit: Circuit, offsets: Mapping[str, int]) -> kernels.Tables:
    """Flatten a circuit into the arrays that the kernels read; `offsets` say where each projection's weights begin."""
    index = {p.name: k for k, p in enumerate(circuit.populations)}
    sizes = [p.size for p in circuit.populations]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    period = circuit.period
    fixed = sorted(circuit.connections, key=lambda c: index[c.pre])
    dense = sorted(circuit.projections, key=lambda p: index[p.pre])
    rewards = [circuit.reward(k) for k in range(period)]
    change = [(0, 0, 0) if circuit.rule is None else circuit.rule.coefficients(r) for r in rewards]
    sources = circuit.sources

    def bounds(pres: list[str]) -> NDArray[np.int64]:
        counts = np.bincount([index[pre] for pre in pres], minlength=len(index))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def integers(values: Any) -> NDArray[np.int64]:
        return np.array(list(values), dtype=np.int64)

    runs = Runs.of([(circuit.mask_of(p), circuit[p.pre].size) for p in dense])
    return kernels.Tables(
        first=first,
        needed=integers(THRESHOLD - p.bias for p in circuit.populations),
        refractory=integers(p.refractory for p in circuit.populations),
        noise=integers(p.noise for p in circuit.populations),
        scheduled=np.array([[k in circuit.reduced(p.name) for p in circuit.populations] for k in range(period)]),
        change=np.array(change, dtype=np.int64),
        learning=circuit.learning,
        pairs_only=not any(pre or post for pre, post, _ in change),
        chip_order=circuit.chip_order,
        fixed_first=bounds([c.pre for c in fixed]),
        fixed_post=integers(index[c.post] for c in fixed),
        fixed_weight=np.array([c.weight for c in fixed], dtype=np.int32),
        fixed_delay=integers(c.delay for c in fixed),
        fixed_to_all=np.array([circuit[c.pre].size == 1 for c in fixed], dtype=np.bool_),
        dense_first=bounds([p.pre for p in dense]),
        dense_post=integers(index[p.post] for p in dense),
        dense_offset=integers(offsets[p.name] for p in dense),
        dense_what=np.array(
            [[rounding_of(circuit, p.matrix, p.sign * change) for change in (-1, 1)] for p in dense], dtype=np.int64
        ),
        dense_rows=runs.begins,
        row_first=runs.row_first,
        runs=runs.runs,
        dense_transposed=np.array([p.transposed for p in dense], dtype=np.bool_),
        source_first=integers(np.concatenate([[0], np.cumsum([circuit[s.population].size for s in sources])])),
        source_post=integers(index[s.population] for s in sources),
        source_phase=integers((s.phase - 1) % period for s in sources),
        source_weight=np.array([s.weight for s in sources], dtype=np.int32),
        fixed_to_one=np.array([circuit[c.pre].size > circuit[c.post].size for c in fixed], dtype=np.bool_),
        output=index[circuit.answers],
        output_phase=circuit.output_phase % period,
        summed=index[circuit.output],
        sum_phase=circuit.sum_phase % period,
        sum_gate=circuit.gating(circuit.output, circuit.sum_phase),
    )


class SpikingEngine:
    """A circuit and its state, step by step or sample by sample.

    Parameters
    ----------
    projections : Projections
        The circuit and its weights, which the engine changes where they are.
    allocate : callable
        Makes the state's arrays of zeros; the default is `numpy.zeros`. With arrays
        in shared memory, parent and child processes see the same state.
    counters : Counters, optional
        To go on counting in; default: new ones.
    faults : Faults, optional
        What is broken, and how often spikes go wrong.
    """

    def __init__(
        self,
        projections: Projections,
        allocate: Allocate = np.zeros,
        counters: Counters | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.projections = projections
        self.circuit = circuit = projections.circuit
        self._faults = faults
        self._tables = tables = compile_circuit(circuit, projections.offsets)
        n, p = circuit.n_neurons, len(circuit.populations)
        slots = max(c.delay for c in circuit.connections) + 2
        self._state = kernels.State(
            arriving=allocate((slots, n), np.int32),
            touched=allocate((slots, p), np.uint8),
            last=allocate(n, np.int64),
            fired=allocate(n, np.uint32),
            n_fired=allocate(p, np.int64),
            step=allocate(1, np.int64),
            weights=projections.flat,
            counters=Counters.make(allocate) if counters is None else counters,
            block=allocate(max(q.size for q in circuit.populations), np.int16),
            key=allocate(1, np.uint64),
        )
        self._widths = [circuit[source.population].size for source in circuit.sources]
        self._slices = {
            q.name: slice(int(tables.first[k]), int(tables.first[k + 1])) for k, q in enumerate(circuit.populations)
        }
        self._index = {q.name: k for k, q in enumerate(circuit.populations)}
        self._broken = None if faults is None else self._break(faults)
        self.begin_epoch(0)

    def _break(self, faults: Faults) -> kernels.EngineFaults:
        circuit = self.circuit
        dead = np.zeros(circuit.n_neurons, dtype=np.uint8)
        for p in circuit.populations:
            if p.name not in circuit.chain:
                name = p.name if faults.apart else circuit.layer_of(p.name)
                # One neuron for all units, as that of a ramp, is none of them: it breaks by itself, or not.
                if faults.apart or p.size == circuit[name].size:
                    dead[self._slices[p.name]] = faults.dead_units(name, p.size)
        frozen = np.zeros(circuit.n_dense_synapses, dtype=np.uint8)
        for q in circuit.projections:
            broken, offset = broken_synapses(circuit, q, faults, "stuck"), self.projections.offsets[q.name]
            held = self.projections.held(q, broken).ravel()
            frozen[offset : offset + held.size] = held
        chain = circuit.chain
        return kernels.EngineFaults(
            dead=dead,
            frozen=frozen,
            gate=np.array([p.name in chain for p in circuit.populations], dtype=np.uint8),
            dropped=faults.dropped,
            spurious=faults.spurious,
            pulse_loss=faults.pulse_loss,
            seed=np.zeros(1, dtype=np.uint64),
            first_gate=self._index[chain[0]],
            second_gate=self._index[chain[1 % len(chain)]],
            link=next(c.weight for c in circuit.connections if c.role == "chain"),
        )

    def begin_epoch(self, epoch: int) -> None:
        """Forget every spike under way, as `reset`; what is drawn from now on is that of another epoch."""
        self._state.key[0], self._skips = Epoch.of(self.circuit, epoch)
        if self._broken is not None and self._faults is not None:
            self._broken.seed[0] = self._faults.generator(epoch).integers(1 << 63)
        self.reset()

    def reset(self) -> None:
        """Forget every spike under way; the next step is the one in which g00 fires."""
        s = self._state
        for array in (s.arriving, s.touched, s.n_fired, s.step):
            array[...] = 0
        s.last[...] = -(1 << 32)
        start = self.circuit.chain[0]
        link = next(c for c in self.circuit.connections if c.role == "chain" and c.post == start)
        s.arriving[0, self._slices[start]] = link.weight
        s.touched[0, self._index[start]] = 1

    # ----------------------------------------------------------------- running

    @property
    def steps(self) -> int:
        """Steps done since the last reset."""
        return int(self._state.step[0])

    @property
    def counters(self) -> Counters:
        """What was done since the engine was made, as views that stay current."""
        return self._state.counters

    def run(self, *external: UInt8Array, record: bool = False) -> tuple[Outcome, UInt8Array | None]:
        """Run samples, a period of steps each: phases 1 .. period, so that the last update is done.

        The very first call after a reset also runs phase 0, in which g00 fires.

        Parameters
        ----------
        *external : (n, size) uint8
            Spikes of each source, in the order of `circuit.sources`.
        record : bool
            Also return the spikes of all steps, (steps, neurons) uint8; see `split`.

        Raises
        ------
        InputError
            For arrays of another number, shape or type.
        """
        c, s = self._tables, self._state
        n = self._check(external, 2)
        period = self.circuit.period
        rows = n * period + (self.steps == 0)
        raster = np.zeros((rows if record else 0, self.circuit.n_neurons), dtype=np.uint8)
        body = raster
        if self.steps == 0:
            kernels.step(c, s, self._broken, self._skips)
            if record:
                kernels.record(c, s, raster[0])
                body = raster[1:]
        outcome = Outcome(*empty_answers(n, self.circuit.layers[-1]))
        kernels.run(c, s, self._broken, self._skips, np.hstack(external), outcome.spikes, outcome.membrane, body)
        return outcome, raster if record else None

    def step(self, *external: UInt8Array) -> None:
        """Run one step; `external` are the spikes (size,) that leave each source in this very step, as for `run`."""
        self._check(external, 1)
        kernels.step(self._tables, self._state, self._broken, self._skips)
        for k, spikes in enumerate(external):
            if spikes.any():  # a call costs more than the look: sources are silent in most phases
                kernels.inject(self._tables, self._state, k, spikes)

    def _check(self, external: Sequence[UInt8Array], ndim: int) -> int:
        """Check the shapes by which kernels index, a look at each array; how many rows they have."""
        if not external and ndim == 1:
            return 0  # no spikes
        arrays = [a for a in external if isinstance(a, np.ndarray) and a.dtype == np.uint8 and a.ndim == ndim]
        widths, rows = [a.shape[-1] for a in arrays], {a.shape[0] for a in arrays if ndim == 2}
        if len(arrays) != len(external) or widths != self._widths or len(rows) != ndim - 1:
            given = [f"{getattr(a, 'dtype', type(a).__name__)} {np.shape(a)}" for a in external]
            wanted = [(*("n",) * (ndim - 1), size) for size in self._widths]
            raise InputError(
                f"spikes of the sources are {', '.join(given) or 'none'}, but circuit {self.circuit.name!r} needs "
                f"uint8 arrays of {', '.join(map(str, wanted))}"
            )
        return max(rows, default=1)

    def input_of(self, population: str) -> NDArray[np.int32]:
        """Input, in weight units, that arrives at a population in the step to come; a copy."""
        slot = self.steps % self._state.arriving.shape[0]
        return self._state.arriving[slot, self._slices[population]].copy()

    @property
    def sums(self) -> bool:
        """Whether the last layer's input is its pre-activation in the step to come."""
        return self.steps % self.circuit.period == self._tables.sum_phase

    def membrane(self) -> NDArray[np.int32]:
        """Pre-activation of the output in the step to come, in weight units; zero unless it `sums`."""
        arriving = self.input_of(self.circuit.output)
        return arriving - np.int32(self._tables.sum_gate) if self.sums else np.zeros_like(arriving)

    def spikes_of(self, population: str) -> UInt8Array:
        """Spikes of a population in the step just done, (size,) uint8."""
        where = self._slices[population]
        n = self._state.n_fired[self._index[population]]
        spikes = np.zeros(where.stop - where.start, dtype=np.uint8)
        spikes[self._state.fired[where.start : where.start + n]] = 1
        return spikes

    def all_spikes(self) -> UInt8Array:
        """Spikes of every neuron in the step just done, (neurons,) uint8; see `split`."""
        row = np.zeros(self.circuit.n_neurons, dtype=np.uint8)
        kernels.record(self._tables, self._state, row)
        return row

    def split(self, raster: UInt8Array) -> dict[str, UInt8Array]:
        """Cut (..., neurons) spikes into one array per population."""
        return {name: raster[..., where] for name, where in self._slices.items()}


class SpikingExecutor(Executor):
    """Runs a circuit spike by spike, and what is cut out of it for answers without learning.

    Parameters
    ----------
    circuit, weights
        As for every `Executor`.
    faults : Faults, optional
        What is broken.
    """

    def __init__(self, circuit: Circuit, weights: Mapping[str, Any], *, faults: Faults | None = None) -> None:
        self._faults = faults
        self._epoch = 0
        super().__init__(circuit, weights)

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._training = self._engine(self.circuit, weights)

    @cached_property
    def _inference(self) -> SpikingEngine:
        """Made when it is first asked: not every circuit that learns can answer alone."""
        weights, answering = self.read_weights(), self.circuit.answering
        return self._engine(answering, {m.name: weights[m.name] for m in answering.matrices})

    def _engine(self, circuit: Circuit, weights: Mapping[str, Int16Array]) -> SpikingEngine:
        return SpikingEngine(Projections(circuit, weights, faults=self._faults), faults=self._faults)

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        self._training.projections.write_weights(weights)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices."""
        return self._training.projections.read_weights()

    def read_copies(self) -> dict[str, Int16Array]:
        """See `Executor`."""
        return self._training.projections.read_copies()

    def write_copies(self, copies: Mapping[str, Any]) -> None:
        """See `Executor`."""
        self._training.projections.write_copies(copies)

    def begin_epoch(self, epoch: int = 0) -> None:
        """See `Executor`."""
        self._epoch = epoch = check_epoch(epoch)
        self._training.begin_epoch(epoch)

    def _train(self, *spikes: UInt8Array) -> Outcome:
        outcome, _ = self._training.run(*spikes)
        self.work.take(self._training.counters)
        return outcome

    def _record(self, *spikes: UInt8Array) -> tuple[dict[str, UInt8Array], dict[str, Int16Array]]:
        self._training.reset()
        _, raster = self._training.run(*spikes, record=True)
        assert raster is not None
        return self._training.split(raster), self._training.projections.matrices()

    def _infer(self, *spikes: UInt8Array) -> Outcome:
        engine, weights = self._inference, self._training.projections.read_weights()
        engine.projections.write_weights({name: weights[name] for name in engine.circuit.matrix_shapes})
        engine.begin_epoch(self._epoch)
        outcome, _ = engine.run(*spikes)
        return outcome
