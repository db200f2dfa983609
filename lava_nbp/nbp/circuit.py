"""The nBP circuit as data: what is connected to what, who may fire when, and what learns.

Source: Renner, Sheldon, Zlotnik, Tao, Sornborger, "The backpropagation
algorithm implemented on spiking neuromorphic hardware", Nature Communications
15, 9691 (2024), Methods and the parameters published with it.

A circuit is a value. Executors, the Lava processes, the tables in the docs and
the plots are all derived from it; to run another circuit, write another value.

Neuron model of every population (Loihi CUBA-LIF with both decays complete,
hence without memory), in weight units (register value / 64)::

    v[t] = wrap(sum of w * s_pre[t - 1 - delay]) + bias
    s[t] = v[t] > THRESHOLD and no spike in the last (refractory - 1) steps

A *gated* population has the bias GATED_BIAS, so that its input alone
(<= THRESHOLD - GATED_BIAS = 9216) cannot make it fire; a gate adds most of that.
Time is counted in *phases*: steps since gating neuron g00 fired. A circuit
repeats every `period` phases, one sample per period; phase `period` of a
sample is phase 0 of the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np

from lava_nbp.base.checks import check_integer
from lava_nbp.base.integers import Int16Array, mantissa_exponent
from lava_nbp.base.widths import (
    DELAY_MAX,
    NEURONS_PER_CHIP,
    PLASTIC_WEIGHT_MAX,
    REFRACTORY_MAX,
    SYNAPSES_PER_CHIP,
)
from lava_nbp.errors import CircuitError, WeightError

#: Firing threshold of every neuron, in weight units.
THRESHOLD = 1024
#: Bias of every gated population; gating neurons have none.
GATED_BIAS = -8192
#: Gate: half-way to the threshold; the target fires if its other input is > 512.
GATE = 8704
#: On top of a gate: the target fires if its other input is > 0.
GATE_LOW = 512
#: Instead of a gate: the target fires if its other input is > 1024.
GATE_HIGH = 8192
#: One-to-one copy of a spike, given a gate (just over 512).
RELAY = 520
#: One-to-one cancellation of a relay.
ANTI_RELAY = -520
#: Link of the synfire chain (gating neurons have no bias).
CHAIN = 9280
#: A gated population fires if its other input exceeds this; its copies `_lo` and `_hi` above the other two.
FIRE = THRESHOLD - GATED_BIAS - GATE
FIRE_LOW = FIRE - GATE_LOW
FIRE_HIGH = THRESHOLD - GATED_BIAS - GATE_HIGH
#: Keeps a population silent whatever a relay or a moderate dense input says.
INHIBIT = -8128
#: The same with the largest weight exponent, for layers whose dense input overcomes INHIBIT.
STRONG_INHIBIT = -32512

Role = Literal["gate", "relay", "inhibit", "chain"]


@dataclass(frozen=True)
class Population:
    """Neurons that share parameters and a schedule.

    Parameters
    ----------
    name : str
        Letters, digits and underscores; the paper's symbols.
    size : int
        Number of neurons.
    phases : tuple of int
        Phases, counted from the start of the population's own sample, in which it
        may fire; phase `period` is phase 0 of the next sample.
    bias : int
        Constant input in weight units; negative for gated populations.
    refractory : int
        Steps from a spike to the next possible one; 1 means none is skipped.
    """

    name: str
    size: int
    phases: tuple[int, ...]
    bias: int = GATED_BIAS
    refractory: int = 2

    @property
    def gated(self) -> bool:
        """Whether the population needs a gate to fire."""
        return self.bias < 0


@dataclass(frozen=True)
class Connection:
    """Fixed synapses between two populations: one-to-one, or from one neuron to all.

    A spike of `pre` in step t adds `weight` to the input of `post` in step
    t + 1 + `delay`. The pattern follows from the sizes: a single neuron reaches
    every neuron of `post`, equal sizes are connected one-to-one.
    """

    pre: str
    post: str
    role: Role
    weight: int
    delay: int = 0


@dataclass(frozen=True)
class Matrix:
    """A weight matrix of the network, shape (pre, post), that projections hold copies of."""

    name: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class DenseProjection:
    """All-to-all 8-bit synapses that hold their own copy of a matrix, and learn if the circuit does.

    Its weights, shape (size of pre, size of post), start as `sign` times the
    matrix, transposed if `transposed`; the learning rule is the same for all.
    """

    name: str
    pre: str
    post: str
    matrix: str
    transposed: bool = False
    sign: Literal[1, -1] = 1

    def copy_of(self, matrix: Int16Array) -> Int16Array:
        """What this projection holds, (pre, post), of a matrix."""
        copy: Int16Array = (self.sign * (matrix.T if self.transposed else matrix)).astype(np.int16)
        return copy


@dataclass(frozen=True)
class Source:
    """Spikes from outside: a sample's vector enters one-to-one, so that `population` can fire in `phase`.

    The spikes leave the source one phase earlier; transport takes a step.
    """

    name: str
    population: str
    phase: int
    weight: int = RELAY


@dataclass(frozen=True)
class Circuit:
    """A validated circuit: populations, connections, gates, plastic projections, reward phases.

    Parameters
    ----------
    name : str
        For messages and tables.
    layers : tuple of int
        Neurons per layer of the network that the circuit computes.
    period : int
        Steps per sample; also the length of the chain of gating neurons.
    populations, connections, matrices, projections, sources
        See the classes of this module. The gating neurons are the populations
        that `chain` connections link, in a ring.
    output, output_phase
        The population, and the phase of its spikes, that is the network's answer.
    reward_phases : frozenset of int
        Phases with r = 1. In a circuit with reward phases every projection learns.
    meanings : tuple of (int, str)
        What happens in a phase, for the table.
    chip_order : bool
        What spikes of a step are delivered with. False: with the weights as that step's learning
        changed them. True: with those from before, as Loihi (deliver, then learn: Davies et al. 2018)
        and Lava's LearningDense do.

    Raises
    ------
    CircuitError
        If the circuit cannot work: names the population, the phase and the cure.
    """

    name: str
    layers: tuple[int, ...]
    period: int
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    matrices: tuple[Matrix, ...]
    projections: tuple[DenseProjection, ...]
    sources: tuple[Source, ...]
    output: str
    output_phase: int
    reward_phases: frozenset[int] = frozenset()
    meanings: tuple[tuple[int, str], ...] = ()
    chip_order: bool = False

    def __post_init__(self) -> None:
        _check_populations(self)
        _check_connections(self)
        _check_chain(self)
        _check_schedule(self)
        _check_drive(self)
        _check_projections(self)

    # ------------------------------------------------------------ look-ups

    def __getitem__(self, name: str) -> Population:
        try:
            return self._by_name[name]
        except KeyError:
            raise CircuitError(
                f"circuit {self.name!r} has no population {name!r}; it has {', '.join(self._by_name)}"
            ) from None

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def matrix_shapes(self) -> dict[str, tuple[int, int]]:
        """Shape (pre, post) of each weight matrix, by name."""
        return {m.name: m.shape for m in self.matrices}

    @property
    def learning(self) -> bool:
        """Whether the projections are plastic."""
        return bool(self.reward_phases)

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """The gating neurons, in the order in which they fire."""
        names = {c.pre for c in self.connections if c.role == "chain"}
        return tuple(sorted(names, key=lambda name: self[name].phases))

    @property
    def n_neurons(self) -> int:
        """Neurons of all populations."""
        return sum(p.size for p in self.populations)

    @property
    def n_dense_synapses(self) -> int:
        """Synapses of the dense projections (plastic, if the circuit learns)."""
        return sum(math.prod(self.shape_of(p)) for p in self.projections)

    def shape_of(self, projection: DenseProjection) -> tuple[int, int]:
        """Shape (pre, post) of the weights that a projection holds."""
        return self[projection.pre].size, self[projection.post].size

    @property
    def n_synapses(self) -> int:
        """All synapses, those from the sources and the one that starts the chain included."""
        fixed = sum(self[c.post].size for c in self.connections)
        return self.n_dense_synapses + fixed + sum(self[s.population].size for s in self.sources) + 1

    def fires(self, phase: int) -> tuple[str, ...]:
        """Populations scheduled in a phase (taken modulo the period)."""
        return tuple(p.name for p in self.populations if phase % self.period in self.reduced(p.name))

    def reduced(self, population: str) -> frozenset[int]:
        """Phases in which a population may fire, modulo the period."""
        return frozenset(phase % self.period for phase in self[population].phases)

    def arrivals(self, post: str, *roles: Role) -> dict[int, tuple[Connection, ...]]:
        """Fixed connections of the given roles by the phase (modulo the period) in which they reach `post`."""
        found: dict[int, tuple[Connection, ...]] = {}
        for c in self.connections:
            if c.post == post and c.role in roles:
                for phase in self[c.pre].phases:
                    arrival = (phase + 1 + c.delay) % self.period
                    found[arrival] = (*found.get(arrival, ()), c)
        return found

    def learning_pairs(self, phase: int) -> tuple[DenseProjection, ...]:
        """Plastic projections whose both ends are scheduled in a phase: there the rule acts."""
        firing = set(self.fires(phase))
        return tuple(p for p in self.projections if self.learning and {p.pre, p.post} <= firing)

    def reward(self, phase: int) -> int:
        """The third factor r of a phase: 1 potentiates, 0 depresses."""
        return int(phase % self.period in self.reward_phases)

    # ------------------------------------------------- where it could go wrong

    def closed_limit(self, population: str, phase: int) -> int:
        """Input above which a population fires in a phase in which no gate is open for it."""
        p = self[population]
        inhibition = self.arrivals(population, "inhibit").get(phase % self.period, ())
        return THRESHOLD - p.bias - sum(c.weight for c in inhibition)

    def breach_bounds(self) -> tuple[BreachBound, ...]:
        """Where dense input alone could make a silent population fire, in the worst case.

        A *gate breach* is a spike outside the schedule; after one, the circuit no
        longer computes the per-sample form. Worst case: every presynaptic neuron
        fires into a weight of 254. Executors count the breaches that do happen.
        """
        bounds = []
        for projection in self.projections:
            pre, post = self[projection.pre], self[projection.post]
            for phase in sorted({(p + 1) % self.period for p in pre.phases} - self.reduced(post.name)):
                needed = self.closed_limit(post.name, phase)
                worst = pre.size * PLASTIC_WEIGHT_MAX
                if worst > needed:
                    bounds.append(BreachBound(projection.name, post.name, phase, needed, worst))
        return tuple(bounds)

    # ------------------------------------------------------------- rendering

    def table(self, style: Literal["text", "markdown"] = "text") -> str:
        """The phase table: per phase what fires, what is kept silent, what learns, and what it means."""
        rows = [("phase", "chain", "fires", "inhibited", "learns", "meaning"), *self._rows()]
        if style == "markdown":
            lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
            return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        meanings = dict(self.meanings)
        inhibited = {p.name: self.arrivals(p.name, "inhibit") for p in self.populations}
        for phase in range(self.period):
            pairs = self.learning_pairs(phase)
            sign = "+2" if self.reward(phase) else "-2"
            yield (
                str(phase),
                next((g for g in self.chain if phase in self.reduced(g)), ""),
                ", ".join(name for name in self.fires(phase) if name not in self.chain),
                ", ".join(name for name, phases in inhibited.items() if phase in phases),
                f"{', '.join(p.name for p in pairs)} ({sign})" if pairs else "",
                meanings.get(phase, ""),
            )


@dataclass(frozen=True)
class BreachBound:
    """A projection that could make `population` fire in a silent `phase`: `worst` exceeds what is `needed`."""

    projection: str
    population: str
    phase: int
    needed: int
    worst: int

    def __str__(self) -> str:
        return (
            f"{self.population} in phase {self.phase}: fires if {self.projection} delivers more than "
            f"{self.needed} (worst case {self.worst})"
        )


# ------------------------------------------------------------------- checks


def _check_populations(circuit: Circuit) -> None:
    _check_int(circuit.period, 1, None, f"circuit {circuit.name!r}: period")
    seen: set[str] = set()
    for p in circuit.populations:
        if not re.fullmatch(r"[A-Za-z]\w*", p.name):
            raise CircuitError(f"population name {p.name!r}: use a letter, then letters, digits or underscores")
        if p.name in seen:
            raise CircuitError(f"population {p.name!r} is defined twice; rename one of them")
        seen.add(p.name)
        _check_int(p.size, 1, NEURONS_PER_CHIP, f"population {p.name!r}: size")
        _check_int(p.refractory, 1, REFRACTORY_MAX, f"population {p.name!r}: refractory")
        if p.bias > THRESHOLD:
            raise CircuitError(
                f"population {p.name!r}: its bias {p.bias} is over the threshold {THRESHOLD}, so it fires in "
                f"every step; use {GATED_BIAS} for a gated population"
            )
        for phase in p.phases:
            _check_int(phase, 0, circuit.period, f"population {p.name!r}: phase")
        if not p.phases:
            raise CircuitError(f"population {p.name!r} never fires; give it a phase or remove it")
        if len({phase % circuit.period for phase in p.phases}) < len(p.phases):
            raise CircuitError(f"population {p.name!r}: phases {p.phases} name one phase twice; remove it")


def _check_connections(circuit: Circuit) -> None:
    for c in circuit.connections:
        what = f"connection {c.pre} -> {c.post}"
        pre, post = circuit[c.pre], circuit[c.post]
        if pre.size not in (1, post.size):
            raise CircuitError(
                f"{what}: sizes {pre.size} and {post.size}; fixed connections are one-to-one or from one neuron to all"
            )
        _check_int(c.delay, 0, DELAY_MAX, f"{what}: delay")
        try:
            mantissa_exponent(c.weight, f"{what}: weight")
        except WeightError as error:
            raise CircuitError(str(error)) from None
        if (c.role in ("gate", "chain") and c.weight <= 0) or (c.role == "inhibit" and c.weight >= 0):
            raise CircuitError(f"{what}: a connection of role {c.role!r} cannot have weight {c.weight}; flip its sign")
    for s in circuit.sources:
        if s.phase not in circuit[s.population].phases:
            raise CircuitError(
                f"source {s.name!r} reaches population {s.population!r} in phase {s.phase}, in which it is not "
                f"scheduled; use one of {circuit[s.population].phases}"
            )
        if s.phase < 2:
            raise CircuitError(
                f"source {s.name!r}: spikes for phase {s.phase} would leave before the sample begins (phase 1); "
                f"use phase 2 or a later one"
            )
    if circuit.output_phase not in circuit[circuit.output].phases or circuit.output_phase == 0:
        raise CircuitError(
            f"output population {circuit.output!r} is not scheduled in phase {circuit.output_phase}; "
            f"use one of {circuit[circuit.output].phases}"
        )


def _check_chain(circuit: Circuit) -> None:
    links = [c for c in circuit.connections if c.role == "chain"]
    chain = circuit.chain
    if len(chain) != circuit.period:
        raise CircuitError(
            f"circuit {circuit.name!r}: {len(chain)} gating neurons for a period of {circuit.period}; "
            f"the chain needs one per phase"
        )
    expected = {(name, chain[(k + 1) % len(chain)]) for k, name in enumerate(chain)}
    for k, name in enumerate(chain):
        if circuit[name].size != 1 or circuit[name].phases != (k,) or circuit[name].gated:
            raise CircuitError(
                f"gating neuron {name!r}: link {k} of the chain is one neuron without bias that fires in phase {k} only"
            )
    for c in links:
        expected.discard((c.pre, c.post))
        if (
            c.delay != 0
            or c.weight <= THRESHOLD
            or circuit[c.post].name != chain[(chain.index(c.pre) + 1) % len(chain)]
        ):
            raise CircuitError(
                f"chain link {c.pre} -> {c.post}: a link leads to the next gating neuron without delay and "
                f"with a weight over {THRESHOLD}"
            )
    if expected:
        pre, post = sorted(expected)[0]
        raise CircuitError(f"the chain is broken between {pre!r} and {post!r}; connect them with role 'chain'")


def _check_schedule(circuit: Circuit) -> None:
    for p in circuit.populations:
        if not p.gated:
            if p.name not in circuit.chain:
                raise CircuitError(
                    f"population {p.name!r} is neither gated nor a gating neuron; give it the bias {GATED_BIAS}"
                )
            continue
        gates = circuit.arrivals(p.name, "gate")
        silent = circuit.arrivals(p.name, "inhibit")
        scheduled = circuit.reduced(p.name)
        for phase in sorted(scheduled - gates.keys()):
            raise CircuitError(
                f"population {p.name!r} is scheduled in phase {phase} but no gate reaches it then; gate it "
                f"from {circuit.chain[(phase - 1) % circuit.period]!r} or take phase {phase} from its schedule"
            )
        for phase in sorted(gates.keys() & silent.keys()):
            raise CircuitError(
                f"population {p.name!r} is gated by {gates[phase][0].pre!r} and inhibited by "
                f"{silent[phase][0].pre!r} in phase {phase}; remove one of the two"
            )
        for phase, by in sorted(gates.items()):
            opening = [c.pre for c in by if c.pre in circuit.chain]
            if opening and phase not in scheduled:
                raise CircuitError(
                    f"gating neuron {opening[0]!r} opens population {p.name!r} in phase {phase}, which is not in "
                    f"its schedule {p.phases}; add the phase or remove the gate"
                )


def _check_drive(circuit: Circuit) -> None:
    """No population may fire without input in an open phase, nor from fixed input in a closed one."""
    for p in circuit.populations:
        if p.name in circuit.chain:
            continue
        arrivals = circuit.arrivals(p.name, "gate", "relay")
        sourced = {s.phase % circuit.period: s.weight for s in circuit.sources if s.population == p.name}
        for phase, connections in sorted(arrivals.items()):
            if phase in circuit.reduced(p.name):
                always = sum(c.weight for c in connections if c.pre in circuit.chain)
                if p.bias + always > THRESHOLD:
                    raise CircuitError(
                        f"population {p.name!r} fires in phase {phase} without input: its gates add up to {always}, "
                        f"over {THRESHOLD - p.bias}; weaken one"
                    )
            elif not any(c.role == "gate" for c in connections):
                total = sourced.get(phase, 0) + sum(max(c.weight, 0) for c in connections)
                limit = circuit.closed_limit(p.name, phase)
                if total > limit:
                    raise CircuitError(
                        f"population {p.name!r} can fire in phase {phase} without a gate: its fixed input adds up "
                        f"to {total}, over {limit}; weaken it or inhibit the population then"
                    )


def _check_projections(circuit: Circuit) -> None:
    for matrix in circuit.matrices:
        if matrix.shape[0] * matrix.shape[1] > SYNAPSES_PER_CHIP:
            raise CircuitError(
                f"matrix {matrix.name!r} of shape {matrix.shape} has more than the {SYNAPSES_PER_CHIP} synapses "
                f"of a chip; make a layer smaller"
            )
    seen: set[str] = set()
    for p in circuit.projections:
        what = f"projection {p.name!r} ({p.pre} -> {p.post})"
        if p.name in seen:
            raise CircuitError(f"{what} is defined twice; rename one of them")
        seen.add(p.name)
        if p.matrix not in circuit.matrix_shapes:
            raise CircuitError(f"{what}: no matrix {p.matrix!r}; define it in `matrices`")
        shape = circuit.matrix_shapes[p.matrix]
        wanted = shape[::-1] if p.transposed else shape
        sizes = circuit.shape_of(p)
        if sizes != wanted:
            raise CircuitError(f"{what}: sizes {sizes} do not fit {p.matrix!r} of shape {shape}, that is {wanted} here")
        if not circuit.learning:
            continue
        rewards = {circuit.reward(k) for k in circuit.reduced(p.pre) & circuit.reduced(p.post)}
        for value, verb in ((1, "potentiates"), (0, "depresses")):
            if value not in rewards:
                raise CircuitError(
                    f"{what} is plastic but no phase {verb} it: {p.pre!r} fires in {sorted(circuit.reduced(p.pre))}, "
                    f"{p.post!r} in {sorted(circuit.reduced(p.post))}, reward in {sorted(circuit.reward_phases)}; "
                    f"schedule both in one phase with r = {value}"
                )


_check_int = partial(check_integer, error=CircuitError)


# ------------------------------------------------------- the paper's circuits


def _connect(
    role: Role, weight: int, pairs: Iterable[tuple[str, str]], delays: Sequence[int] = (0,)
) -> list[Connection]:
    """Connections of one role and weight: every pre to every post it names, once per delay."""
    return [
        Connection(pre, post, role, weight, delay)
        for pres, posts in pairs
        for pre in pres.split()
        for post in posts.split()
        for delay in delays
    ]


def _ring(n: int) -> tuple[list[Population], list[Connection]]:
    names = [f"g{k:02d}" for k in range(n)]
    populations = [Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(names)]
    links = [Connection(name, names[(k + 1) % n], "chain", CHAIN) for k, name in enumerate(names)]
    return populations, links


def _check_layers(layers: tuple[int, ...]) -> None:
    for size, what in zip(layers, ("n_in", "n_hidden", "n_out"), strict=True):
        _check_int(size, 1, NEURONS_PER_CHIP, what)


def training_circuit(
    n_in: int, n_hidden: int, n_out: int, *, guarded: bool = False, chip_order: bool = False
) -> Circuit:
    """Build the twelve-phase circuit that infers and learns: backpropagation of x - h1 - o by gated spikes.

    Populations: x input, h1 hidden, o output; the copies `_lo` and `_hi` fire
    where the same input is > 0 and > 1024; m_x and m_h1 remember; c_h1 is the box
    derivative of the surrogate ReLU (lo and not hi); t target; d_pos and d_neg the
    signed output error, already times the derivative; o_T carries the negative part
    of the error into the backward weights; h1_T is the error propagated back.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        Neurons per layer.
    guarded : bool
        False is the paper's circuit. There dense input of more than 9216 makes h1 fire
        in phase 1, and of more than 17344 in phase 9, whose refractory period then
        swallows spikes of phase 10: with many active inputs (Fashion-MNIST) the circuit
        stops computing backpropagation. True inhibits with STRONG_INHIBIT, and h1 in
        phase 1 and o in phase 9 too, so that 41728 is needed.
    chip_order : bool
        See `Circuit`. With True the hidden error is that of the W2 before its update, as in
        backpropagation on paper; with False that of the W2 just updated.

    Raises
    ------
    CircuitError
        If a size is not an integer of 1 .. `limits.NEURONS_PER_CHIP`.
    """
    layers = (n_in, n_hidden, n_out)
    _check_layers(layers)
    chain, links = _ring(12)
    populations = [
        Population("x", n_in, (2, 8, 12)),
        Population("m_x", n_in, (7,)),
        Population("h1", n_hidden, (3, 6, 8, 10, 12)),
        Population("h1_lo", n_hidden, (3, 8, 12)),
        Population("h1_hi", n_hidden, (3, 8, 12)),
        Population("h1_T", n_hidden, (6, 7, 10, 11), refractory=1),
        Population("m_h1", n_hidden, (4,)),
        Population("c_h1", n_hidden, (7,)),
        Population("o", n_out, (4, 6, 10)),
        Population("o_lo", n_out, (4, 6, 10)),
        Population("o_hi", n_out, (4, 6, 10)),
        Population("o_T", n_out, (6, 10)),
        Population("t", n_out, (4,)),
        Population("d_pos", n_out, (5,)),
        Population("d_neg", n_out, (5,)),
        *chain,
    ]
    h_all, o_all = "h1 h1_lo h1_hi", "o o_lo o_hi"
    connections = [
        *links,
        # Gates of the chain: what g_k gates may fire in phase k + 1.
        *_connect("gate", GATE, [
            ("g01 g07 g11", "x"),
            ("g02", "h1 h1_lo"),
            ("g03", "o o_lo t m_h1"),
            ("g05 g09", f"h1 h1_T o_T {o_all}"),
            ("g06", "m_x c_h1 h1_T"),
            ("g10", "h1_T"),
        ]),
        *_connect("gate", GATE_LOW, [("g02", "h1_lo"), ("g03", "o_lo"), ("g06 g10", "h1_T")]),
        *_connect("gate", GATE_HIGH, [("g02", "h1_hi"), ("g03", "o_hi")]),
        *_connect("inhibit", STRONG_INHIBIT if guarded else INHIBIT, [
            ("g04", "h1_T o_T"),
            ("g06 g10 g00", o_all),
            ("g08", h_all),
            *([("g00", h_all), ("g08", o_all)] if guarded else []),
        ]),
        # Output error, phase 5: o_lo and o_hi make it zero outside the box of the surrogate.
        *_connect("gate", GATE, [("o_lo", "d_pos d_neg")]),
        *_connect("relay", RELAY, [("t", "d_pos"), ("o", "d_neg")]),
        *_connect("relay", ANTI_RELAY, [("o", "d_pos"), ("t o_hi", "d_neg")]),
        # The error drives the output layer: d_pos in phase 6, d_neg in phase 10.
        *_connect("relay", RELAY, [("d_pos", o_all), ("d_neg", "o_T")]),
        *_connect("relay", RELAY, [("d_neg", o_all), ("d_pos", "o_T")], delays=(4,)),
        # What must be remembered until the error is there.
        *_connect("relay", RELAY, [("h1", "m_h1")]),
        *_connect("relay", RELAY, [("m_h1", "h1 h1_T")], delays=(1, 5)),
        *_connect("relay", RELAY, [("x", "m_x")], delays=(4,)),
        *_connect("relay", RELAY, [("m_x", "x")], delays=(0, 4)),
        # Box derivative of the hidden layer, and the error that it lets through.
        *_connect("relay", RELAY, [("h1_lo", "c_h1")], delays=(3,)),
        *_connect("relay", ANTI_RELAY, [("h1_hi", "c_h1")], delays=(3,)),
        *_connect("gate", GATE, [("c_h1", h_all)], delays=(0, 4)),
        *_connect("relay", RELAY, [("h1_T", h_all)]),
    ]  # fmt: skip
    projections = (
        DenseProjection("W1", "x", "h1", "W1"),
        DenseProjection("W1_lo", "x", "h1_lo", "W1"),
        DenseProjection("W1_hi", "x", "h1_hi", "W1"),
        DenseProjection("W2", "h1", "o", "W2"),
        DenseProjection("W2_lo", "h1", "o_lo", "W2"),
        DenseProjection("W2_hi", "h1", "o_hi", "W2"),
        DenseProjection("W2_T", "o", "h1_T", "W2", transposed=True),
        DenseProjection("W2_T_neg", "o_T", "h1_T", "W2", transposed=True, sign=-1),
    )
    return Circuit(
        name="nbp" + ("-chip" if chip_order else "") + ("-guarded" if guarded else ""),
        layers=layers,
        period=12,
        populations=tuple(populations),
        connections=tuple(connections),
        matrices=(Matrix("W1", (n_in, n_hidden)), Matrix("W2", (n_hidden, n_out))),
        projections=projections,
        sources=(Source("input", "x", 2), Source("target", "t", 4)),
        output="o",
        output_phase=4,
        reward_phases=frozenset({6, 8}),
        meanings=(
            (0, "W1 -= where the error is negative (of the sample before)"),
            (2, "input"),
            (3, "W1 x > 512, > 0, > 1024"),
            (4, "W2 h > 512, > 0, > 1024; target"),
            (5, "output error times box derivative"),
            (6, "W2 += where d_pos"),
            (7, "back-propagated error, positive part"),
            (8, "W1 += where the error is positive"),
            (10, "W2 -= where d_neg"),
            (11, "back-propagated error, negative part"),
        ),
        chip_order=chip_order,
    )


def inference_circuit(n_in: int, n_hidden: int, n_out: int) -> Circuit:
    """Build the four-phase circuit that only infers: x, h1 and o of the training circuit, fixed weights.

    Raises
    ------
    CircuitError
        If a size is not an integer of 1 .. `limits.NEURONS_PER_CHIP`.
    """
    layers = (n_in, n_hidden, n_out)
    _check_layers(layers)
    chain, links = _ring(4)
    return Circuit(
        name="inference",
        layers=layers,
        period=4,
        populations=(
            Population("x", n_in, (2,)),
            Population("h1", n_hidden, (3,)),
            Population("o", n_out, (4,)),
            *chain,
        ),
        connections=(*links, *_connect("gate", GATE, [("g01", "x"), ("g02", "h1"), ("g03", "o")])),
        matrices=(Matrix("W1", (n_in, n_hidden)), Matrix("W2", (n_hidden, n_out))),
        projections=(DenseProjection("W1", "x", "h1", "W1"), DenseProjection("W2", "h1", "o", "W2")),
        sources=(Source("input", "x", 2),),
        output="o",
        output_phase=4,
        meanings=((0, "W2 h > 512 (of the sample before)"), (2, "input"), (3, "W1 x > 512")),
    )


def layer_of(population: str) -> str:
    """The layer whose units a population of the paper's circuits belongs to: x, h1 or o."""
    return "x" if population in ("x", "m_x") else "h1" if "h1" in population else "o"


#: The circuits by name: each makes one for (n_in, n_hidden, n_out).
CIRCUITS: dict[str, Callable[[int, int, int], Circuit]] = {
    "nbp": training_circuit,
    "nbp-guarded": partial(training_circuit, guarded=True),
    "nbp-chip": partial(training_circuit, chip_order=True),
    "nbp-chip-guarded": partial(training_circuit, guarded=True, chip_order=True),
    "inference": inference_circuit,
}
