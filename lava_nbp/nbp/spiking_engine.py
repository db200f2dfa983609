"""The spiking executor: every step, population, delay and refractory period of a circuit, compiled.

It knows nothing of what the circuit is for. In every step t, for every
population (weight units; see `circuit` for the neuron model):

1. **fire**   v = wrap(input that arrives now) + bias; spike if v > threshold and not refractory;
2. **learn**  every plastic projection, each with weights of its own, where pre and post fired
   in this step: w += 4 r x0 y0 - 2 x0 y0, saturating;
3. **send**   spikes arrive at t + 1 + delay; dense projections use the weights as just changed.

A circuit in the chip's order (`Circuit.chip_order`) sends before it learns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lava_nbp.base.integers import INPUT_HALF_RANGE, Int16Array, check_plastic_weights
from lava_nbp.errors import WeightError
from lava_nbp.nbp.circuit import THRESHOLD, Circuit, DenseProjection, inference_circuit, layer_of
from lava_nbp.nbp.executor import (
    BREACHES,
    EVENTS,
    SPIKES,
    UPDATES,
    Allocate,
    Executor,
    Outcome,
    UInt8Array,
    check_network_weights,
)
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.kernels import add_rows, changed
from lava_nbp.nbp.rule import STEP

_HALF_RANGE = INPUT_HALF_RANGE
_STEP = STEP


class Tables(NamedTuple):
    """A circuit as flat arrays: populations in order, their neurons one after the other."""

    first: NDArray[np.int64]  #: (P + 1,) first neuron of each population
    needed: NDArray[np.int64]  #: (P,) input above which it fires: threshold - bias
    refractory: NDArray[np.int64]  #: (P,)
    scheduled: NDArray[np.bool_]  #: (period, P)
    reward: NDArray[np.int64]  #: (period,) the third factor r
    learning: bool
    chip_order: bool  #: send, then learn
    fixed_first: NDArray[np.int64]  #: (P + 1,) first fixed connection by presynaptic population
    fixed_post: NDArray[np.int64]
    fixed_weight: NDArray[np.int32]
    fixed_delay: NDArray[np.int64]
    fixed_to_all: NDArray[np.bool_]
    dense_first: NDArray[np.int64]  #: (P + 1,) first dense projection by presynaptic population
    dense_post: NDArray[np.int64]
    dense_offset: NDArray[np.int64]  #: where its weights start
    source_first: NDArray[np.int64]  #: (S + 1,) columns of the external spikes
    source_post: NDArray[np.int64]
    source_phase: NDArray[np.int64]  #: phase in which the source's spikes leave
    source_weight: NDArray[np.int32]
    output: int
    output_phase: int  #: modulo the period
    output_gate: int  #: what the gates add to the output's input in that phase


class State(NamedTuple):
    """Everything that changes while a circuit runs."""

    arriving: NDArray[np.int32]  #: (slots, N) input by arrival time, a ring
    touched: NDArray[np.uint8]  #: (slots, P) whether anything arrives
    last: NDArray[np.int64]  #: (N,) step of the last spike
    fired: NDArray[np.uint32]  #: (N,) indices, within the population, of those that spiked in this step
    n_fired: NDArray[np.int64]  #: (P,)
    step: NDArray[np.int64]  #: (1,) steps done
    weights: NDArray[np.int16]  #: all dense projections, each (pre, post)
    counters: NDArray[np.int64]  #: spikes, synaptic events, updates, gate breaches
    block: NDArray[np.int16]  #: scratch


class EngineFaults(NamedTuple):
    """Faults as arrays; kernels get None instead where nothing is broken."""

    dead: NDArray[np.uint8]  #: (N,)
    frozen: NDArray[np.uint8]  #: one per dense synapse: keeps its weight
    gate: NDArray[np.uint8]  #: (P,) gating neurons
    dropped: float
    spurious: float
    pulse_loss: float
    seed: NDArray[np.uint64]  #: (1,) of the epoch
    first_gate: int  #: population g00
    second_gate: int
    link: int  #: weight with which the host starts the chain anew


@njit(cache=True, nogil=True)
def _draw(seed, step, neuron, salt):  # type: ignore[no-untyped-def]
    """A number in 0 .. 1 from seed, step and neuron: splitmix64, which needs no state."""
    z = seed + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(neuron) * np.uint64(0xD1B54A32D192ED03)
    z += np.uint64(salt) * np.uint64(0x8CB92BA72F3D8DD7)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def _disturb(c, s, f, p, n):  # type: ignore[no-untyped-def]
    """What is left of the n spikes of population p, and those that come without reason; returns how many."""
    now, base = s.step[0], c.first[p]
    seed = f.seed[0]
    kept = 0
    for i in range(n):
        j = s.fired[base + i]
        lost = f.pulse_loss if f.gate[p] else f.dropped
        if not f.dead[base + j] and _draw(seed, now, base + j, 1) >= lost:
            s.fired[base + kept] = j
            kept += 1
    if f.spurious > 0 and not f.gate[p]:
        size, added = c.first[p + 1] - base, 0
        for j in range(size):
            if _draw(seed, now, base + j, 2) < f.spurious and not f.dead[base + j] and s.last[base + j] != now:
                s.fired[base + kept + added] = j
                s.last[base + j] = now
                added += 1
        kept += added
    return kept


@njit(cache=True, nogil=True)
def _start_anew(c, s, f):  # type: ignore[no-untyped-def]
    """At the end of a sample: if the pulse is gone, the host makes the second gating neuron fire next."""
    if s.n_fired[f.first_gate] == 0:
        slot = s.step[0] % s.arriving.shape[0]
        s.arriving[slot, c.first[f.second_gate]] = f.link
        s.touched[slot, f.second_gate] = 1


@njit(cache=True, nogil=True)
def _send(c, s, arrival, pre):  # type: ignore[no-untyped-def]
    """Deliver the spikes of population `pre` by its connections; `arrival` is the earliest slot."""
    slots = s.arriving.shape[0]
    n = s.n_fired[pre]
    base = c.first[pre]
    rows = s.fired[base : base + n]
    for k in range(c.fixed_first[pre], c.fixed_first[pre + 1]):
        post = c.fixed_post[k]
        slot = (arrival + c.fixed_delay[k]) % slots
        s.touched[slot, post] = 1
        target = s.arriving[slot, c.first[post] : c.first[post + 1]]
        weight = c.fixed_weight[k]
        if c.fixed_to_all[k]:
            for j in range(target.shape[0]):
                target[j] += weight
            s.counters[EVENTS] += target.shape[0]
        else:
            for i in range(n):
                target[rows[i]] += weight
            s.counters[EVENTS] += n
    slot = arrival % slots
    n_pre = c.first[pre + 1] - base
    for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
        post = c.dense_post[k]
        s.touched[slot, post] = 1
        target = s.arriving[slot, c.first[post] : c.first[post + 1]]
        offset = c.dense_offset[k]
        W = s.weights[offset : offset + n_pre * target.shape[0]].reshape((n_pre, target.shape[0]))
        add_rows(W, rows, n, s.block, target)
        s.counters[EVENTS] += n * target.shape[0]


@njit(cache=True, nogil=True)
def _learn(c, s, f, r):  # type: ignore[no-untyped-def]
    change = np.int16(2 * _STEP * r - _STEP)
    for pre in range(c.first.shape[0] - 1):
        n = s.n_fired[pre]
        if n == 0:
            continue
        base = c.first[pre]
        for k in range(c.dense_first[pre], c.dense_first[pre + 1]):
            post = c.dense_post[k]
            m = s.n_fired[post]
            if m == 0:
                continue
            post_base = c.first[post]
            n_post = c.first[post + 1] - post_base
            for i in range(n):
                offset = c.dense_offset[k] + s.fired[base + i] * n_post
                for j in range(m):
                    w = offset + s.fired[post_base + j]
                    if f is not None:  # noqa: SIM102 - numba prunes branches that ask for None only
                        if f.frozen[w]:
                            continue
                    s.weights[w] = np.int16(changed(s.weights[w], change))
            s.counters[UPDATES] += n * m


@njit(cache=True, nogil=True)
def _fire(c, s, f, slot, phase):  # type: ignore[no-untyped-def]
    now = s.step[0]
    for p in range(c.first.shape[0] - 1):
        s.n_fired[p] = 0
        if not s.touched[slot, p]:  # without input nothing fires: no bias is over the threshold
            if f is not None:
                s.n_fired[p] = _disturb(c, s, f, p, 0)
                s.counters[SPIKES] += s.n_fired[p]
                if not c.scheduled[phase, p]:
                    s.counters[BREACHES] += s.n_fired[p]
            continue
        s.touched[slot, p] = 0
        base = c.first[p]
        arriving = s.arriving[slot, base : c.first[p + 1]]
        largest = np.int32(0)
        smallest = np.int32(0)
        for j in range(arriving.shape[0]):
            largest = max(largest, arriving[j])
            smallest = min(smallest, arriving[j])
        needed = c.needed[p]
        wraps = largest > _HALF_RANGE or smallest <= -_HALF_RANGE
        n = 0
        if largest > needed or wraps:
            for j in range(arriving.shape[0]):
                total = arriving[j]
                if wraps and (total > _HALF_RANGE or total <= -_HALF_RANGE):
                    total = _HALF_RANGE - (_HALF_RANGE - total) % (2 * _HALF_RANGE)
                    s.counters[BREACHES] += 1
                if total > needed and now - s.last[base + j] >= c.refractory[p]:
                    s.fired[base + n] = j
                    s.last[base + j] = now
                    n += 1
        arriving[:] = 0
        if f is not None:
            n = _disturb(c, s, f, p, n)
        s.n_fired[p] = n
        s.counters[SPIKES] += n
        if not c.scheduled[phase, p]:
            s.counters[BREACHES] += n


@njit(cache=True, nogil=True)
def _step(c, s, f):  # type: ignore[no-untyped-def]
    """One step of the circuit, without the sources."""
    now = s.step[0]
    phase = now % c.reward.shape[0]
    slots = s.arriving.shape[0]
    _fire(c, s, f, now % slots, phase)
    if c.learning and not c.chip_order:
        _learn(c, s, f, c.reward[phase])
    for p in range(s.n_fired.shape[0]):
        if s.n_fired[p]:
            _send(c, s, now + 1, p)
    if c.learning and c.chip_order:
        _learn(c, s, f, c.reward[phase])
    s.step[0] = now + 1


@njit(cache=True, nogil=True)
def _inject(c, s, source, spikes):  # type: ignore[no-untyped-def]
    """Send spikes of a source that left in the step just done: they arrive in the next."""
    slot = s.step[0] % s.arriving.shape[0]
    post = c.source_post[source]
    target = s.arriving[slot, c.first[post] : c.first[post + 1]]
    weight = c.source_weight[source]
    s.touched[slot, post] = 1
    for j in range(target.shape[0]):
        if spikes[j]:
            target[j] += weight
            s.counters[EVENTS] += 1


@njit(cache=True, nogil=True)
def _record(c, s, row):  # type: ignore[no-untyped-def]
    for p in range(s.n_fired.shape[0]):
        base = c.first[p]
        for i in range(s.n_fired[p]):
            row[base + s.fired[base + i]] = 1


@njit(cache=True, nogil=True)
def _run(c, s, f, external, spikes, membrane, raster):  # type: ignore[no-untyped-def]
    """Phases 1 .. period of each sample; raster (n * period, N) or without rows if it is not wanted."""
    period = c.reward.shape[0]
    slots = s.arriving.shape[0]
    out = c.first[c.output]
    row = 0
    for i in range(external.shape[0]):
        for _ in range(period):
            phase = s.step[0] % period
            if phase == c.output_phase:
                slot = s.step[0] % slots
                for j in range(membrane.shape[1]):
                    membrane[i, j] = s.arriving[slot, out + j] - c.output_gate
            _step(c, s, f)
            if phase == c.output_phase:
                for j in range(s.n_fired[c.output]):
                    spikes[i, s.fired[out + j]] = 1
            for k in range(c.source_post.shape[0]):
                if c.source_phase[k] == phase:
                    _inject(c, s, k, external[i, c.source_first[k] : c.source_first[k + 1]])
            if raster.shape[0]:
                _record(c, s, raster[row])
                row += 1
        if f is not None:
            _start_anew(c, s, f)


def compile_circuit(circuit: Circuit) -> Tables:
    """Flatten a circuit into the arrays that the kernels read."""
    index = {p.name: k for k, p in enumerate(circuit.populations)}
    sizes = [p.size for p in circuit.populations]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    period = circuit.period
    fixed = sorted(circuit.connections, key=lambda c: index[c.pre])
    dense = sorted(circuit.projections, key=lambda p: index[p.pre])
    dense_sizes = [math.prod(circuit.shape_of(p)) for p in dense]
    sources = circuit.sources

    def bounds(pres: list[str]) -> NDArray[np.int64]:
        counts = np.bincount([index[pre] for pre in pres], minlength=len(index))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def integers(values: Any) -> NDArray[np.int64]:
        return np.array(list(values), dtype=np.int64)

    output_phase = circuit.output_phase % period
    gates = circuit.arrivals(circuit.output, "gate")[output_phase]
    return Tables(
        first=first,
        needed=integers(THRESHOLD - p.bias for p in circuit.populations),
        refractory=integers(p.refractory for p in circuit.populations),
        scheduled=np.array([[k in circuit.reduced(p.name) for p in circuit.populations] for k in range(period)]),
        reward=integers(circuit.reward(k) for k in range(period)),
        learning=circuit.learning,
        chip_order=circuit.chip_order,
        fixed_first=bounds([c.pre for c in fixed]),
        fixed_post=integers(index[c.post] for c in fixed),
        fixed_weight=np.array([c.weight for c in fixed], dtype=np.int32),
        fixed_delay=integers(c.delay for c in fixed),
        fixed_to_all=np.array([circuit[c.pre].size == 1 for c in fixed], dtype=np.bool_),
        dense_first=bounds([p.pre for p in dense]),
        dense_post=integers(index[p.post] for p in dense),
        dense_offset=integers(np.concatenate([[0], np.cumsum(dense_sizes)])[:-1]),
        source_first=integers(np.concatenate([[0], np.cumsum([circuit[s.population].size for s in sources])])),
        source_post=integers(index[s.population] for s in sources),
        source_phase=integers((s.phase - 1) % period for s in sources),
        source_weight=np.array([s.weight for s in sources], dtype=np.int32),
        output=index[circuit.output],
        output_phase=output_phase,
        output_gate=sum(c.weight for c in gates),
    )


class SpikingEngine:
    """A circuit and its state, step by step or sample by sample.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    weights : mapping
        One matrix per name in `circuit.matrices`; every projection gets its copy.
    allocate : callable
        Makes the state's arrays of zeros; the default is `numpy.zeros`. With arrays
        in shared memory, parent and child processes see the same state.
    faults : Faults, optional
        What is broken, and how often spikes go wrong.

    Raises
    ------
    WeightError
        For weights that do not belong to the circuit or that synapses cannot hold.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        allocate: Allocate = np.zeros,
        faults: Faults | None = None,
    ) -> None:
        self.circuit = circuit
        self._faults = faults
        self._tables = tables = compile_circuit(circuit)
        n, p = circuit.n_neurons, len(circuit.populations)
        slots = max(c.delay for c in circuit.connections) + 2
        self._state = State(
            arriving=allocate((slots, n), np.int32),
            touched=allocate((slots, p), np.uint8),
            last=allocate(n, np.int64),
            fired=allocate(n, np.uint32),
            n_fired=allocate(p, np.int64),
            step=allocate(1, np.int64),
            weights=allocate(circuit.n_dense_synapses, np.int16),
            counters=allocate(4, np.int64),
            block=allocate(max(q.size for q in circuit.populations), np.int16),
        )
        self._slices = {
            q.name: slice(int(tables.first[k]), int(tables.first[k + 1])) for k, q in enumerate(circuit.populations)
        }
        self._index = {q.name: k for k, q in enumerate(circuit.populations)}
        self.projections: dict[str, Int16Array] = {}
        for projection, offset in self._dense_offsets():
            shape = circuit.shape_of(projection)
            held = self._state.weights[offset : offset + math.prod(shape)]
            self.projections[projection.name] = held.reshape(shape)
        self._broken = None if faults is None else self._break(faults)
        self.write_weights(weights)
        self.reset()

    def _break(self, faults: Faults) -> EngineFaults:
        circuit = self.circuit
        dead = np.zeros(circuit.n_neurons, dtype=np.uint8)
        for p in circuit.populations:
            if p.name not in circuit.chain:
                name = p.name if faults.apart else layer_of(p.name)
                dead[self._slices[p.name]] = faults.dead_units(name, p.size)
        frozen = np.zeros(circuit.n_dense_synapses, dtype=np.uint8)
        for q, offset in self._dense_offsets():
            broken = self._synapses(q, faults.stuck_synapses)
            frozen[offset : offset + broken.size] = broken.ravel()
        chain = circuit.chain
        return EngineFaults(
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

    def _dense_offsets(self) -> list[tuple[DenseProjection, int]]:
        dense = sorted(self.circuit.projections, key=lambda q: self._index[q.pre])
        return [(q, int(offset)) for q, offset in zip(dense, self._tables.dense_offset, strict=True)]

    def _synapses(self, q: DenseProjection, which: Callable[[str, tuple[int, int]], Any]) -> Any:
        """Which synapses of a projection are broken, (pre, post): by its own name, or those of its matrix."""
        assert self._faults is not None
        shape = self.circuit.shape_of(q)
        if self._faults.apart:
            return which(q.name, shape)
        return which(q.matrix, (shape[1], shape[0])).T if q.transposed else which(q.matrix, shape)

    def disturb(self, epoch: int) -> None:
        """Draw the faults in passing of another epoch."""
        if self._broken is not None and self._faults is not None:
            self._broken.seed[0] = self._faults.generator(epoch).integers(1 << 63)

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

    # ------------------------------------------------------------- weights

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Set every projection from W1, W2, ...: mirrored and negated copies follow.

        Raises
        ------
        WeightError
            For weights that do not belong to the circuit or that synapses cannot hold.
        """
        checked = check_network_weights(self.circuit, weights)
        for projection in self.circuit.projections:
            self.projections[projection.name][...] = projection.copy_of(checked[projection.matrix])
            if self._faults is not None:
                self.projections[projection.name][self._synapses(projection, self._faults.lost_synapses)] = 0

    def write_projection(self, name: str, weights: Any) -> None:
        """Set one projection alone, shape (pre, post); the copies of the same matrix stay as they are.

        Raises
        ------
        WeightError
            For an unknown projection, a wrong shape, or values that synapses cannot hold.
        """
        if name not in self.projections:
            raise WeightError(f"no projection {name!r}; the circuit has {', '.join(self.projections)}")
        held = self.projections[name]
        held[...] = check_plastic_weights(weights, (held.shape[0], held.shape[1]), name)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the network's matrices, from the projections that hold them as they are."""
        plain = {p.matrix: p.name for p in reversed(self.circuit.projections) if not p.transposed and p.sign == 1}
        return {m.name: self.projections[plain[m.name]].copy() for m in self.circuit.matrices}

    # ----------------------------------------------------------------- running

    @property
    def steps(self) -> int:
        """Steps done since the last reset."""
        return int(self._state.step[0])

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """Spikes, synaptic events, updates and gate breaches since the engine was made."""
        spikes, events, updates, breaches = (int(v) for v in self._state.counters)
        return spikes, events, updates, breaches

    @property
    def breach_counter(self) -> NDArray[np.int64]:
        """The (1,) counter of gate breaches itself, as a view that stays current."""
        return self._state.counters[BREACHES : BREACHES + 1]

    def run(self, *external: UInt8Array, record: bool = False) -> tuple[Outcome, UInt8Array | None]:
        """Run samples, a period of steps each: phases 1 .. period, so that the last update is done.

        The very first call after a reset also runs phase 0, in which g00 fires.

        Parameters
        ----------
        *external : (n, size) uint8
            Spikes of each source, in the order of `circuit.sources`.
        record : bool
            Also return the spikes of all steps, (steps, neurons) uint8; see `split`.
        """
        c, s = self._tables, self._state
        n = len(external[0])
        period = self.circuit.period
        rows = n * period + (self.steps == 0)
        raster = np.zeros((rows if record else 0, self.circuit.n_neurons), dtype=np.uint8)
        body = raster
        if self.steps == 0:
            _step(c, s, self._broken)
            if record:
                _record(c, s, raster[0])
                body = raster[1:]
        n_out = self.circuit[self.circuit.output].size
        outcome = Outcome(np.zeros((n, n_out), np.uint8), np.zeros((n, n_out), np.int32))
        _run(c, s, self._broken, np.hstack(external), outcome.spikes, outcome.membrane, body)
        return outcome, raster if record else None

    def step(self, *external: UInt8Array) -> None:
        """Run one step; `external` are the spikes that leave each source in this very step."""
        _step(self._tables, self._state, self._broken)
        for k, spikes in enumerate(external):
            if spikes.any():  # a call costs more than the look: sources are silent in most phases
                _inject(self._tables, self._state, k, spikes)

    def input_of(self, population: str) -> NDArray[np.int32]:
        """Input, in weight units, that arrives at a population in the step to come; a copy."""
        slot = self.steps % self._state.arriving.shape[0]
        return self._state.arriving[slot, self._slices[population]].copy()

    @property
    def answers(self) -> bool:
        """Whether the output answers in the step to come."""
        return self.steps % self.circuit.period == self._tables.output_phase

    def membrane(self) -> NDArray[np.int32]:
        """Pre-activation of the output in the step to come, in weight units; zero unless it `answers`."""
        arriving = self.input_of(self.circuit.output)
        return arriving - np.int32(self._tables.output_gate) if self.answers else np.zeros_like(arriving)

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
        _record(self._tables, self._state, row)
        return row

    def split(self, raster: UInt8Array) -> dict[str, UInt8Array]:
        """Cut (..., neurons) spikes into one array per population."""
        return {name: raster[..., where] for name, where in self._slices.items()}


class SpikingExecutor(Executor):
    """Runs the training circuit spike by spike, and the inference circuit for answers without learning."""

    target = "spiking"
    can_fault = True

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._training = SpikingEngine(self.circuit, weights, faults=self.faults)
        self._inference = SpikingEngine(inference_circuit(*self.layers), weights, faults=self.faults)

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        self._training.write_weights(weights)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of W1 and W2."""
        return self._training.read_weights()

    def reset(self) -> None:
        """Forget spikes under way and start the chain anew."""
        self._training.reset()
        self._training.disturb(self.epoch)

    def _train(self, x: UInt8Array, t: UInt8Array) -> Outcome:
        outcome, _ = self._training.run(x, t)
        self.work.take(self._training.counters)
        return outcome

    def _infer(self, x: UInt8Array) -> Outcome:
        self._inference.write_weights(self._training.read_weights())
        self._inference.reset()
        self._inference.disturb(self.epoch)
        outcome, _ = self._inference.run(x)
        return outcome
