"""A circuit as what the chip has: neuron groups with registers, synapses as mantissa times 2**exponent, one rule.

The result is data. The Lava network of stock processes (`lava_nbp.processes.NBPNetwork` with the
target "lava-stock"), the plan of cores and the models for the chip are made from it.

Registers, and what they mean in weight units (register / 64)::

    u = wrap24(64 * sum of mantissa * 2**exponent * spike)       du = 4095: all of u decays in a step
    v = saturate24(u + bias_mant * 2**bias_exp)                  dv = 4096: all of v decays in a step
    spike if v > 64 * vth

Lava's LIF takes 2**24 off a current once, where a 24-bit register wraps as often as it must; sums beyond 3 * 2**17 in
weight units, which more than 1548 saturated synapses can bring, therefore differ in a network that only infers (behind
plastic synapses stands `PlasticLIF`, which wraps as the engine does).

The gating neurons are one group, a ring. They have dv = 0, keep their voltage, and start with
the first one above its threshold: so the pulse starts by itself in the first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lava_nbp.base.integers import bias_mantissa_exponent, mantissa_exponent
from lava_nbp.base.widths import ALIGNMENT_BITS, CURRENT_DECAY_ALL, VOLTAGE_DECAY_ALL, WEIGHT_BITS
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import THRESHOLD, Circuit, DenseProjection

#: Name of the group of gating neurons.
CHAIN = "chain"
#: The learning rule in the chip's symbols, as the authors ran it on Loihi; y3 is the third factor r.
CHIP_RULE = "4*y3*x0*y0 - 2*x0*y0"
#: The same rule with saturation at +-254 for Lava's learning engine, which otherwise lets weights reach -256 and
#: rounds at random near +255. The engine keeps 7 bits below a weight and cuts its sum to -(2**15 + 1) .. 2**15 - 1
#: after every product, so w - 1/128 + 4, cut, and then - 2 + 1/128 is w + 2 up to 252 and 254 for 254; with
#: y3 - 1 = -1 the same happens on the other side. Seen to be exact for every even weight (tests/test_lava_stock.py).
SIMULATED_RULE = "-2^-7*x0*y0 + 4*x0*y0*y3 + 4*x0*y0*(y3-1) - 2*x0*y0*y3 - 2*x0*y0*(y3-1) + 2^-7*x0*y0"

Pattern = Literal["one-to-one", "from-each"]


@dataclass(frozen=True)
class NeuronGroup:
    """Neurons with common registers.

    Attributes
    ----------
    name, size
        Name of the population, or "chain".
    vth : int
        Threshold, 17 bits; the register is 64 times it.
    bias_mant, bias_exp : int
        Bias in register units: bias_mant * 2**bias_exp, 13 and 3 bits.
    du, dv : int
        Decays, 12 bits: 4095 and 4096 forget all, 0 keeps all.
    v : tuple of int
        Initial voltage of every neuron, register units, 24 bits.
    refractory : int
        Steps from a spike to the next possible one. Lava's LIF has none and ignores it; the
        lowering makes sure that it does not matter there.
    feeds_learning : bool
        Whether it is a `PlasticLIF`, which tells plastic synapses of its spikes and the third factor.
    """

    name: str
    size: int
    vth: int
    bias_mant: int
    bias_exp: int
    du: int
    dv: int
    v: tuple[int, ...]
    refractory: int
    feeds_learning: bool


@dataclass(frozen=True)
class FixedSynapses:
    """Fixed synapses of one sign, one exponent and one delay between two groups.

    Attributes
    ----------
    name, pre, post
        Names of the synapses and of the groups at their ends.
    mantissas : tuple of int
        Pattern "one-to-one": a single one, for every pair. Pattern "from-each": one per neuron of
        `pre`, to every neuron of `post`; 0 is no synapse.
    exponent, delay : int
        Weight = mantissa * 2**exponent; spikes arrive `delay` steps later than the step transport takes.
    third_factor : bool
        Whether they lead to the third factor of `post` instead of its input.
    """

    name: str
    pre: str
    post: str
    pattern: Pattern
    mantissas: tuple[int, ...]
    exponent: int
    delay: int
    third_factor: bool = False

    @property
    def inhibitory(self) -> bool:
        """Whether the mantissas are negative."""
        return min(self.mantissas) < 0

    def matrix(self, n_post: int) -> Any:
        """Mantissas as Lava's (post, pre) matrix."""
        if self.pattern == "one-to-one":
            return self.mantissas[0] * np.eye(n_post, dtype=np.int32)
        return np.tile(np.array(self.mantissas, dtype=np.int32), (n_post, 1))

    def n_synapses(self, n_post: int) -> int:
        """Synapses: entries of the matrix that are not 0."""
        return n_post if self.pattern == "one-to-one" else n_post * sum(m != 0 for m in self.mantissas)


@dataclass(frozen=True)
class RingSynapses:
    """The links of the chain: neuron k to neuron k + 1, the last to the first."""

    name: str
    mantissa: int
    exponent: int
    size: int

    def matrix(self) -> Any:
        """Mantissas as Lava's (post, pre) matrix."""
        return self.mantissa * np.roll(np.eye(self.size, dtype=np.int32), 1, axis=0)


@dataclass(frozen=True)
class DenseSynapses:
    """All-to-all synapses that hold a matrix: 8-bit mixed-sign mantissas, exponent 0, with or without the rule."""

    name: str
    pre: str
    post: str
    projection: DenseProjection
    plastic: bool


@dataclass(frozen=True)
class InputSynapses:
    """One-to-one synapses from outside."""

    name: str
    source: str
    post: str
    mantissa: int
    exponent: int


@dataclass(frozen=True)
class Lowered:
    """A circuit as the chip holds it; see the module."""

    circuit: Circuit
    groups: tuple[NeuronGroup, ...]
    ring: RingSynapses
    fixed: tuple[FixedSynapses, ...]
    dense: tuple[DenseSynapses, ...]
    inputs: tuple[InputSynapses, ...]

    @cached_property
    def by_name(self) -> dict[str, NeuronGroup]:
        """Groups by name."""
        return {g.name: g for g in self.groups}

    @property
    def n_neurons(self) -> int:
        """Neurons of all groups."""
        return sum(g.size for g in self.groups)

    @property
    def n_plastic(self) -> int:
        """Synapses that learn."""
        return sum(_size(self, d) for d in self.dense if d.plastic)

    @property
    def n_synapses(self) -> int:
        """All synapses of the circuit, those from outside included; those of the third factor are not the circuit's."""
        fixed = sum(f.n_synapses(self.by_name[f.post].size) for f in self.fixed if not f.third_factor)
        inputs = sum(self.by_name[i.post].size for i in self.inputs)
        return fixed + self.ring.size + inputs + sum(_size(self, d) for d in self.dense)


def _size(lowered: Lowered, dense: DenseSynapses) -> int:
    return lowered.by_name[dense.pre].size * lowered.by_name[dense.post].size


def lower(circuit: Circuit) -> Lowered:
    """Express a circuit in what the chip has.

    Raises
    ------
    CircuitError
        For a learning circuit that is not in the chip's order, populations whose refractory period matters
        but that Lava's LIF would not keep, or a chain that something else than its links reaches.
    WeightError, InputError
        For a weight or bias that no mantissa and exponent give.
    """
    if circuit.learning and not circuit.chip_order:
        raise CircuitError(
            f"circuit {circuit.name!r} delivers spikes with the weights that the same step's learning has changed; "
            f"the chip and Lava's LearningDense deliver first: make the circuit with chip_order=True "
            f"(configuration: network.chip_order = true; lava-nbp trace: --circuit nbp-chip)"
        )
    groups = _groups(circuit)
    chain = circuit.chain
    links = [c for c in circuit.connections if c.role == "chain"]
    for c in circuit.connections:
        if c.post in chain and c.role != "chain":
            raise CircuitError(
                f"connection {c.pre} -> {c.post}: gating neurons keep their voltage on the chip, so nothing but the "
                f"links of the chain may reach them; remove it"
            )
    if len({c.weight for c in links}) > 1:
        raise CircuitError(
            f"circuit {circuit.name!r}: the links of the chain have different weights; give them the same"
        )
    mantissa, exponent = mantissa_exponent(links[0].weight, "link of the chain")
    by_name = {g.name: g for g in groups}
    return Lowered(
        circuit=circuit,
        groups=groups,
        ring=RingSynapses("ring", mantissa, exponent, len(chain)),
        fixed=(*_gates(circuit), *_one_to_one(circuit), *_third_factors(circuit, by_name)),
        dense=tuple(DenseSynapses(p.name, p.pre, p.post, p, circuit.learning) for p in circuit.projections),
        inputs=tuple(
            InputSynapses(f"{s.name}-{s.population}", s.name, s.population, *mantissa_exponent(s.weight, s.name))
            for s in circuit.sources
        ),
    )


def _groups(circuit: Circuit) -> tuple[NeuronGroup, ...]:
    start = (THRESHOLD + 1) << ALIGNMENT_BITS
    n = circuit.period
    initial = (start, *[0] * (n - 1))
    groups = [NeuronGroup(CHAIN, n, THRESHOLD, 0, 0, CURRENT_DECAY_ALL, 0, initial, 1, False)]
    plastic = {p.post for p in circuit.projections} if circuit.learning else set()
    for p in circuit.populations:
        if p.name in circuit.chain:
            continue
        feeds = p.name in plastic
        if not feeds:
            _check_refractory(circuit, p.name)
        mant, exp = bias_mantissa_exponent(p.bias, p.name)
        groups.append(
            NeuronGroup(
                p.name, p.size, THRESHOLD, mant, exp, CURRENT_DECAY_ALL, VOLTAGE_DECAY_ALL,
                (0,) * p.size, p.refractory, feeds,
            )
        )  # fmt: skip
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


def _gates(circuit: Circuit) -> list[FixedSynapses]:
    """What the chain sends, per population, sign, exponent and delay."""
    rows: dict[tuple[str, int, int, bool], list[int]] = {}
    for c in circuit.connections:
        if c.pre not in circuit.chain or c.role == "chain":
            continue
        mantissa, exponent = mantissa_exponent(c.weight, f"connection {c.pre} -> {c.post}: weight")
        key = (c.post, exponent, c.delay, mantissa < 0)
        row, k = rows.setdefault(key, [0] * circuit.period), circuit.chain.index(c.pre)
        row[k] += mantissa
        if abs(row[k]) >= 1 << WEIGHT_BITS:
            raise CircuitError(
                f"connections {c.pre} -> {c.post} with delay {c.delay} add up to {row[k] << exponent}, more than a "
                f"synapse of exponent {exponent} holds; use one connection of another weight"
            )
    return [
        FixedSynapses(_name(CHAIN, *key), CHAIN, key[0], "from-each", tuple(row), exponent=key[1], delay=key[2])
        for key, row in rows.items()
    ]


def _one_to_one(circuit: Circuit) -> list[FixedSynapses]:
    found: list[FixedSynapses] = []
    for c in circuit.connections:
        if c.pre in circuit.chain:
            continue
        mantissa, exponent = mantissa_exponent(c.weight, f"connection {c.pre} -> {c.post}: weight")
        same = circuit[c.pre].size == circuit[c.post].size
        pattern: Pattern = "one-to-one" if same else "from-each"
        name = _name(c.pre, c.post, exponent, c.delay, mantissa < 0)
        taken = sum(f.name == name or f.name.startswith(f"{name}#") for f in found)
        name += f"#{taken + 1}" if taken else ""
        found.append(FixedSynapses(name, c.pre, c.post, pattern, (mantissa,), exponent, c.delay))
    return found


def _third_factors(circuit: Circuit, groups: Mapping[str, NeuronGroup]) -> list[FixedSynapses]:
    """r of a phase comes from the gating neuron that fired a step before."""
    row = tuple(circuit.reward(k + 1) for k in range(circuit.period))
    return [
        FixedSynapses(f"{CHAIN}-{g.name}-r", CHAIN, g.name, "from-each", row, 0, 0, third_factor=True)
        for g in groups.values()
        if g.feeds_learning
    ]


def _name(pre: str, post: str, exponent: int, delay: int, inhibits: bool) -> str:
    return f"{pre}-{post}-{'inh' if inhibits else 'exc'}{exponent}" + (f"-d{delay}" if delay else "")
