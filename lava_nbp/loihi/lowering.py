"""A circuit as what the chip has: neurons with registers, synapses as mantissa times 2**exponent, one rule.

The result is data, in the vocabulary of `lava_nbp.loihi.registers`. The Lava network of stock processes
(`lava_nbp.processes.NBPNetwork` with the target "lava-stock"), the plan of cores and the models for the chip are made
from it.

Lava's LIF takes 2**24 off a current once, where a 24-bit register wraps as often as it must; sums beyond 3 * 2**17 in
weight units, which more than 1548 saturated synapses can bring, therefore differ in a network that only infers (behind
plastic synapses stands `PlasticLIF`, which wraps as the engine does).

The gating neurons are one group, a ring. They have dv = 0, keep their voltage, and start with
the first one above its threshold: so the pulse starts by itself in the first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lava_nbp.base.checks import shown
from lava_nbp.base.fields import settle
from lava_nbp.base.integers import bias_mantissa_exponent, mantissa_exponent
from lava_nbp.base.widths import WEIGHT_BITS
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.loihi.demand import Activity, Bundle, Demand, Plannable
from lava_nbp.loihi.registers import (
    NeuronRegisters,
    Pattern,
    SynapseRegisters,
    gating_neurons,
    ring_links,
    synapse_name,
)
from lava_nbp.loihi.rules import chip_rule
from lava_nbp.nbp.circuit import Circuit, DenseProjection, check_circuit
from lava_nbp.nbp.levels import THRESHOLD
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.resized import with_hidden

#: Name of the group of gating neurons; with underscores behind it in a circuit that has a population of that name.
CHAIN_GROUP = "chain"
#: Share of a layer's neurons that fire in a phase of theirs; about what MNIST gives. Spikes from outside: as the input.
_INPUT_ACTIVITY, _HIDDEN_ACTIVITY, _OUTPUT_ACTIVITY = 0.25, 0.5, 0.1


@dataclass(frozen=True)
class DenseSynapses:
    """Synapses that hold a matrix: 8-bit mixed-sign mantissas, exponent 0, with or without the rule.

    All-to-all, or those of a mask (pre, post).
    """

    name: str
    pre: str
    post: str
    projection: DenseProjection
    plastic: bool
    mask: Mask | None = None

    def __post_init__(self) -> None:
        settle(self, f"synapses {shown(self.name)}", InputError)


@dataclass(frozen=True)
class Lowered(Plannable):
    """A circuit as the chip holds it; see the module.

    Attributes
    ----------
    circuit : Circuit
        What was lowered; its rule is that of all plastic synapses, see `lava_nbp.loihi.rules`.
    groups : tuple of NeuronRegisters
        The gating neurons, then the circuit's other populations.
    ring : SynapseRegisters
        The links of the gating neurons.
    fixed : tuple of SynapseRegisters
        All other fixed synapses, those of the third factor included.
    inputs : tuple of SynapseRegisters
        From outside: `pre` is a source of the circuit.
    dense : tuple of DenseSynapses
        Those that hold matrices.
    """

    circuit: Circuit
    groups: tuple[NeuronRegisters, ...]
    ring: SynapseRegisters
    fixed: tuple[SynapseRegisters, ...]
    inputs: tuple[SynapseRegisters, ...]
    dense: tuple[DenseSynapses, ...]

    def __post_init__(self) -> None:
        settle(self, "lowered circuit", InputError)

    @cached_property
    def by_name(self) -> dict[str, NeuronRegisters]:
        """Groups by name."""
        return {g.name: g for g in self.groups}

    @property
    def chain(self) -> str:
        """Name of the group of gating neurons."""
        return self.ring.pre

    @property
    def n_neurons(self) -> int:
        """Neurons of all groups."""
        return sum(g.size for g in self.groups)

    @property
    def n_plastic(self) -> int:
        """Synapses that learn."""
        return sum(self.circuit.size_of(d.projection) for d in self.dense if d.plastic)

    @property
    def n_synapses(self) -> int:
        """All synapses of the circuit, those from outside included; those of the third factor are not the circuit's."""
        fixed = sum(s.n_synapses for s in (self.ring, *self.fixed, *self.inputs) if not s.third_factor)
        return fixed + sum(self.circuit.size_of(d.projection) for d in self.dense)

    @cached_property
    def demand(self) -> Demand:
        """What it asks of a chip. Room for delays, which only circuits deeper than the paper's lack, is not counted."""
        circuit = self.circuit
        return Demand(
            circuit.name,
            circuit.layers,
            self.groups,
            self._bundles,
            Activity(circuit.period, _INPUT_ACTIVITY, {g.name: self._spikes(g.name) for g in self.groups}),
            circuit.n_synapses,
            chain=self.chain,
            measured=True,
        )

    @property
    def _bundles(self) -> tuple[Bundle, ...]:
        size, found = {g.name: g.size for g in self.groups}, []
        inside = [(s, s.pre) for s in (*self.fixed, self.ring)]
        for s, pre in (*inside, *((s, "") for s in self.inputs)):
            shape = len(s.senders), s.n_post
            found.append(Bundle(s.name, pre, s.post, s.senders, s.to_all, False, s.delay > 0, shape))
        for d in self.dense:
            shape = size[d.pre], size[d.post]
            found.append(Bundle(d.name, d.pre, d.post, range(shape[0]), True, d.plastic, False, shape, d.mask))
        return tuple(found)

    def _spikes(self, group: str) -> float:
        """Spikes of a neuron of a group per sample, assumed."""
        return 1.0 if group == self.chain else _activity(self.circuit, group) * len(self.circuit[group].phases)

    def with_hidden(self, n: int) -> Lowered:
        """See `Plannable`."""
        return lower(with_hidden(self.circuit, n))


def _activity(circuit: Circuit, population: str) -> float:
    layer = circuit.layer_of(population)
    if layer == circuit.output:
        return _OUTPUT_ACTIVITY
    return _INPUT_ACTIVITY if layer == circuit.forward[0] else _HIDDEN_ACTIVITY


def lower(circuit: Circuit) -> Lowered:
    """Express a circuit in what the chip has.

    Raises
    ------
    CircuitError
        For a learning circuit that is not in the chip's order, populations whose refractory period matters
        but that Lava's LIF would not keep, or a chain that something else than its links reaches.
    RuleError
        For a learning rule that the chip's learning engine does not have.
    WeightError, InputError
        For a weight or bias that no mantissa and exponent give.
    """
    check_circuit(circuit)
    if circuit.rule is not None:
        if not circuit.chip_order:
            raise CircuitError(
                f"circuit {circuit.name!r} delivers spikes with the weights that the same step's learning has changed; "
                f"the chip and Lava's LearningDense deliver first: use circuit.in_chip_order() (in configurations "
                f"network.chip_order = true, if the circuit has this option; on the command line --circuit nbp-chip)"
            )
        chip_rule(circuit.rule)  # refused here, if it is
    name = CHAIN_GROUP
    while name in {p.name for p in circuit.populations}:
        name += "_"
    groups = _groups(circuit, name)
    return Lowered(
        circuit=circuit,
        groups=groups,
        ring=ring_links(name, len(circuit.chain), _link(circuit)),
        fixed=(*_gates(circuit, name), *_one_to_one(circuit), *_third_factors(circuit, name, groups)),
        inputs=_inputs(circuit),
        dense=tuple(
            DenseSynapses(p.name, p.pre, p.post, p, circuit.learning, circuit.mask_of(p)) for p in circuit.projections
        ),
    )


def _link(circuit: Circuit) -> int:
    """The weight of the chain's links, which must be one, and alone in reaching it."""
    for c in circuit.connections:
        if c.post in circuit.chain and c.role != "chain":
            raise CircuitError(
                f"connection {c.pre} -> {c.post}: gating neurons keep their voltage on the chip, so nothing but the "
                f"links of the chain may reach them; remove it"
            )
    weights = {c.weight for c in circuit.connections if c.role == "chain"}
    if len(weights) > 1:
        raise CircuitError(
            f"circuit {circuit.name!r}: the links of the chain have different weights; give them the same"
        )
    return weights.pop()


def _groups(circuit: Circuit, chain: str) -> tuple[NeuronRegisters, ...]:
    groups = [gating_neurons(chain, circuit.period)]
    plastic = {p.post for p in circuit.projections} if circuit.learning else set()
    for p in circuit.populations:
        if p.name in circuit.chain:
            continue
        feeds = p.name in plastic
        if not feeds and p.noise <= 1:
            _check_refractory(circuit, p.name)
        bias = bias_mantissa_exponent(p.bias, p.name)
        groups.append(
            NeuronRegisters(p.name, p.size, THRESHOLD, *bias, p.refractory, feeds_learning=feeds, noise=p.noise)
        )
    return tuple(groups)


def _check_refractory(circuit: Circuit, name: str) -> None:
    phases, refractory = sorted(circuit.reduced(name)), circuit[name].refractory
    later = [*phases[1:], phases[0] + circuit.period]
    for phase, following in zip(phases, later, strict=True):
        if following - phase < refractory:
            raise CircuitError(
                f"population {name!r} is scheduled in phases {phase} and {following % circuit.period}, nearer than "
                f"its refractory period of {refractory} steps, which Lava's LIF does not have; give it a refractory "
                f"period of {following - phase}"
            )


def _gates(circuit: Circuit, chain: str) -> list[SynapseRegisters]:
    """What the chain sends, per population, sign, exponent and delay: as many synapses as it takes to hold it."""
    rows: dict[tuple[str, int, int, bool], list[list[int]]] = {}
    for c in circuit.connections:
        if c.pre not in circuit.chain or c.role == "chain":
            continue
        mantissa, exponent = mantissa_exponent(c.weight, f"connection {c.pre} -> {c.post}: weight")
        found = rows.setdefault((c.post, exponent, c.delay, mantissa < 0), [])
        k = circuit.chain.index(c.pre)
        row = next((row for row in found if abs(row[k] + mantissa) < 1 << WEIGHT_BITS), None)
        if row is None:
            found.append(row := [0] * circuit.period)
        row[k] += mantissa
    return [
        SynapseRegisters(
            synapse_name(chain, post, min(row), exponent, delay) + (f"#{n}" if n > 1 else ""), chain, post,
            circuit.period, circuit[post].size, "from-each", tuple(row), exponent, delay,
        )
        for (post, exponent, delay, _), found in rows.items()
        for n, row in enumerate(found, 1)
    ]  # fmt: skip


def _one_to_one(circuit: Circuit) -> list[SynapseRegisters]:
    found: list[SynapseRegisters] = []
    for c in circuit.connections:
        if c.pre in circuit.chain:
            continue
        mantissa, exponent = mantissa_exponent(c.weight, f"connection {c.pre} -> {c.post}: weight")
        n_pre, n_post = circuit[c.pre].size, circuit[c.post].size
        pattern: Pattern = "one-to-one" if n_pre == n_post else "from-each"
        name = synapse_name(c.pre, c.post, mantissa, exponent, c.delay)
        taken = sum(s.name == name or s.name.startswith(f"{name}#") for s in found)
        name += f"#{taken + 1}" if taken else ""
        mantissas = (mantissa,) * (n_pre if n_pre > n_post else 1)
        found.append(SynapseRegisters(name, c.pre, c.post, n_pre, n_post, pattern, mantissas, exponent, c.delay))
    return found


def _third_factors(circuit: Circuit, chain: str, groups: tuple[NeuronRegisters, ...]) -> list[SynapseRegisters]:
    """r of a phase comes from the gating neuron that fired a step before."""
    row = tuple(circuit.reward(k + 1) for k in range(circuit.period))
    if not any(row):
        return []
    return [
        SynapseRegisters(
            f"{chain}-{g.name}-r", chain, g.name, circuit.period, g.size, "from-each", row, 0, third_factor=True
        )
        for g in groups
        if g.feeds_learning
    ]


def _inputs(circuit: Circuit) -> tuple[SynapseRegisters, ...]:
    found = []
    for s in circuit.sources:
        mantissa, exponent = mantissa_exponent(s.weight, f"source {s.name}: weight")
        n = circuit[s.population].size
        name = f"input-{s.name}"
        found.append(SynapseRegisters(name, s.name, s.population, n, n, "one-to-one", (mantissa,), exponent))
    return tuple(found)
