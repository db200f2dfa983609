"""Neurons and synapses as a chip has them: one vocabulary for stock networks, plans and the models for the chip.

A circuit becomes these values in `lava_nbp.loihi.lowering`; the library's own parts become them here. Registers, and
what they mean in weight units (register / 64)::

    u = wrap24(64 * sum of mantissa * 2**exponent * spike)       du = 4095: all of u decays in a step
    v = saturate24(u + bias_mant * 2**bias_exp)                  dv = 4096: all of v decays in a step
    spike if v > 64 * vth, and none in the last refractory - 1 steps
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lava_nbp.base.checks import check_integer, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.integers import bias_mantissa_exponent, mantissa_exponent
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_BITS,
    CURRENT_DECAY_ALL,
    DELAY_MAX,
    NEURONS_PER_CHIP,
    REFRACTORY_MAX,
    STATE_BITS,
    THRESHOLD_BITS,
    VOLTAGE_DECAY_ALL,
    WEIGHT_EXPONENT_MAX,
)
from lava_nbp.errors import InputError
from lava_nbp.nbp.gated_group import GatedGroup, Neurons
from lava_nbp.nbp.levels import LINK, THRESHOLD
from lava_nbp.nbp.pulse_chain import PulseChain

#: Which neurons synapses connect: k to k; one of `pre` to every one of `post`; k to k + 1, the last to the first.
Pattern = Literal["one-to-one", "from-each", "ring"]


@dataclass(frozen=True)
class NeuronRegisters:
    """Neurons with common registers.

    Attributes
    ----------
    name, size
        Name of the population, and its neurons.
    vth : int
        Threshold, 17 bits; the register is 64 times it.
    bias_mant, bias_exp : int
        Bias in register units: bias_mant * 2**bias_exp, 13 and 3 bits.
    refractory : int
        Steps from a spike to the next possible one. Lava's LIF has none and ignores it; the
        lowering makes sure that it does not matter there.
    du, dv : int
        Decays, 12 bits: 4095 and 4096 forget all, 0 keeps all.
    v_first : int
        Initial voltage of the first neuron, register units, 24 bits; that of all others is 0.
    feeds_learning : bool
        Whether plastic synapses lead to it: then it is a `PlasticLIF`, which tells them of its spikes and the third
        factor.
    noise : int
        What raises the threshold in a step is drawn below it, in weight units; 0 or 1: nothing does. On the simulator
        a `PlasticLIF` draws it, see `lava_nbp.nbp.draws`; a chip has noise of its own.

    Raises
    ------
    InputError
        For a value that the chip's registers do not hold.
    """

    name: str
    size: int
    vth: int
    bias_mant: int = 0
    bias_exp: int = 0
    refractory: int = 1
    du: int = CURRENT_DECAY_ALL
    dv: int = VOLTAGE_DECAY_ALL
    v_first: int = 0
    feeds_learning: bool = False
    noise: int = 0

    @property
    def threshold(self) -> int:
        """Threshold in register units."""
        return self.vth << ALIGNMENT_BITS

    @property
    def bias(self) -> int:
        """Bias in register units."""
        return self.bias_mant << self.bias_exp

    @property
    def v(self) -> tuple[int, ...]:
        """Initial voltage of every neuron, register units."""
        return (self.v_first, *[0] * (self.size - 1))

    @property
    def keep_u(self) -> int:
        """What is kept of a current in a step, in 1/4096."""
        return CURRENT_DECAY_ALL - self.du

    @property
    def keep_v(self) -> int:
        """What is kept of a voltage in a step, in 1/4096."""
        return VOLTAGE_DECAY_ALL - self.dv

    def __post_init__(self) -> None:
        what = f"neurons {shown(self.name)}"
        settle(self, what, InputError)
        half = 1 << (BIAS_MANTISSA_BITS - 1)
        check_integer(self.size, 1, NEURONS_PER_CHIP, f"{what}: size")
        check_integer(self.vth, 0, (1 << THRESHOLD_BITS) - 1, f"{what}: vth")
        check_integer(self.bias_mant, -half, half - 1, f"{what}: bias_mant")
        check_integer(self.bias_exp, 0, BIAS_EXPONENT_MAX, f"{what}: bias_exp")
        check_integer(self.refractory, 1, REFRACTORY_MAX, f"{what}: refractory")
        check_integer(self.du, 0, CURRENT_DECAY_ALL, f"{what}: du")
        check_integer(self.dv, 0, VOLTAGE_DECAY_ALL, f"{what}: dv")
        check_integer(self.v_first, -(1 << (STATE_BITS - 1)), (1 << (STATE_BITS - 1)) - 1, f"{what}: v_first")


@dataclass(frozen=True)
class SynapseRegisters:
    """Fixed synapses of one sign, one exponent and one delay: weight = mantissa * 2**exponent.

    Attributes
    ----------
    name : str
        Of the synapses.
    pre : str
        A population, or what spikes from outside come by: a source, or a spike port.
    post : str
        A population.
    n_pre, n_post : int
        Their sizes.
    pattern : {"one-to-one", "from-each", "ring"}
        Which neurons they connect.
    mantissas : tuple of int
        One per neuron of `pre`, or a single one for all of them; 0 is no synapse.
    exponent, delay : int
        Spikes arrive `delay` steps later than the step transport takes.
    third_factor : bool
        Whether they lead to the third factor of `post` instead of its input.
    """

    name: str
    pre: str
    post: str
    n_pre: int
    n_post: int
    pattern: Pattern
    mantissas: tuple[int, ...]
    exponent: int
    delay: int = 0
    third_factor: bool = False

    def __post_init__(self) -> None:
        what = f"synapses {shown(self.name)}"
        settle(self, what, InputError)
        for name in ("n_pre", "n_post"):
            check_integer(getattr(self, name), 1, NEURONS_PER_CHIP, f"{what}: {name}")
        for name, high in (("exponent", WEIGHT_EXPONENT_MAX), ("delay", DELAY_MAX)):
            check_integer(getattr(self, name), 0, high, f"{what}: {name}")
        if len(self.mantissas) not in (1, self.n_pre):
            raise InputError(
                f"{what}: {len(self.mantissas)} mantissas; give 1, or one for each of {self.n_pre} neurons"
            )
        if (not self.to_all and self.n_pre > self.n_post) or (self.pattern == "ring" and self.n_pre != self.n_post):
            raise InputError(f"{what}: {self.n_pre} neurons to {self.n_post} cannot be connected {self.pattern}")

    @property
    def inhibitory(self) -> bool:
        """Whether the mantissas are negative."""
        return min(self.mantissas) < 0

    @property
    def to_all(self) -> bool:
        """Whether a neuron of `pre` reaches all of `post`, or one."""
        return self.pattern == "from-each"

    @property
    def senders(self) -> Sequence[int]:
        """Neurons of `pre` that have synapses, in order."""
        every = range(self.n_pre)
        return every if len(self.mantissas) == 1 else tuple(k for k in every if self.mantissas[k])

    def _of(self, sender: int) -> tuple[int, range]:
        """A sender's mantissa, and the neurons that it reaches."""
        mantissa = self.mantissas[sender if len(self.mantissas) > 1 else 0]
        if self.to_all:
            return mantissa, range(self.n_post)
        k = (sender + 1) % self.n_post if self.pattern == "ring" else sender
        return mantissa, range(k, k + 1)

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Neuron of `pre`, neuron of `post` and mantissa of every synapse."""
        for i in self.senders:
            mantissa, reached = self._of(i)
            for j in reached:
                yield i, j, mantissa

    @property
    def src(self) -> tuple[int, ...]:
        """Neuron of `pre` of every synapse."""
        return tuple(i for i, _, _ in self.entries())

    @property
    def dst(self) -> tuple[int, ...]:
        """Neuron of `post` of every synapse."""
        return tuple(j for _, j, _ in self.entries())

    @property
    def mantissa(self) -> tuple[int, ...]:
        """Mantissa of every synapse."""
        return tuple(m for _, _, m in self.entries())

    @property
    def n_synapses(self) -> int:
        """How many there are."""
        return len(self.senders) * (self.n_post if self.to_all else 1)

    def matrix(self) -> Any:
        """Mantissas as Lava's (post, pre) matrix."""
        matrix = np.zeros((self.n_post, self.n_pre), dtype=np.int32)
        for i in self.senders:
            mantissa, reached = self._of(i)
            matrix[reached, i] = mantissa
        return matrix


#: Populations and synapses of a part.
Registers = tuple[tuple[NeuronRegisters, ...], tuple[SynapseRegisters, ...]]


def group_registers(group: GatedGroup) -> Registers:
    """Registers of gated neurons: their populations, one-to-one synapses and gates (port gate_in)."""
    n = len(group.u[0].ravel())
    neurons = tuple(
        NeuronRegisters(p.name, n, p.vth, *bias_mantissa_exponent(p.bias, p.name), p.refractory) for p in group.neurons
    )
    synapses = []
    for s in group.synapses:
        mantissa, exponent = mantissa_exponent(s.weight, f"synapses {s.pre} -> {s.post}")
        name, n_pre = synapse_name(s.pre, s.post, mantissa, exponent, s.delay), s.senders or n
        pattern: Pattern = "one-to-one" if n_pre == n else "from-each"
        mantissas = (mantissa,) * (n_pre if n_pre > n else 1)
        synapses.append(SynapseRegisters(name, s.pre, s.post, n_pre, n, pattern, mantissas, exponent, s.delay))
    for p in group.neurons:
        for (exponent, _), row in _gates(p, group.n_gates).items():
            name = synapse_name("gate_in", p.name, min(row), exponent)
            synapses.append(
                SynapseRegisters(name, "gate_in", p.name, group.n_gates, n, "from-each", tuple(row), exponent)
            )
    return neurons, tuple(synapses)


def _gates(p: Neurons, n_gates: int) -> dict[tuple[int, bool], list[int]]:
    """Mantissas of the gate vector's entries, for every exponent and sign."""
    found: dict[tuple[int, bool], list[int]] = {}
    for gate in p.gates:
        mantissa, exponent = mantissa_exponent(gate.weight, f"gate of {p.name}")
        found.setdefault((exponent, mantissa < 0), [0] * n_gates)[gate.entry] += mantissa
    return found


def chain_registers(pulses: PulseChain) -> Registers:
    """Registers of a synfire chain: gating neurons keep their voltage, so that a first one can start above threshold.

    Raises
    ------
    InputError
        For a chain that counts its laps, which needs a model on the host.
    """
    if pulses.repeats is not None:
        raise InputError(
            f"a synfire chain that ends after {pulses.repeats} laps counts them, which gating neurons of the chip "
            f"cannot; leave out repeats, or use a line (ring=False) and a start spike per lap"
        )
    neurons = gating_neurons("s", pulses.n, started=pulses.started)
    start = SynapseRegisters("start", "start_in", "s", 1, pulses.n, "one-to-one", *_single(LINK))
    links = () if pulses.n == 1 and not pulses.ring else (ring_links("s", pulses.n, LINK, closed=pulses.ring),)
    return (neurons,), (start, *links)


def gating_neurons(name: str, n: int, *, started: bool = True) -> NeuronRegisters:
    """The neurons of a chain: they keep their voltage; a started one's first neuron begins above its threshold."""
    first = (THRESHOLD + 1) << ALIGNMENT_BITS if started else 0
    return NeuronRegisters(name, n, THRESHOLD, dv=0, v_first=first)


def ring_links(name: str, n: int, weight: int, *, closed: bool = True) -> SynapseRegisters:
    """The links of a chain: neuron k to neuron k + 1; the last to the first if it is closed."""
    (mantissa,), exponent = _single(weight)
    mantissas = (mantissa,) if closed else (*[mantissa] * (n - 1), 0)
    return SynapseRegisters("ring", name, name, n, n, "ring", mantissas, exponent)


def _single(weight: int) -> tuple[tuple[int], int]:
    mantissa, exponent = mantissa_exponent(weight, "link of the chain")
    return (mantissa,), exponent


def synapse_name(pre: str, post: str, mantissa: int, exponent: int, delay: int = 0) -> str:
    """Name of fixed synapses: their ends, sign, exponent and, if they have one, delay."""
    return f"{pre}-{post}-{'inh' if mantissa < 0 else 'exc'}{exponent}" + (f"-d{delay}" if delay else "")
