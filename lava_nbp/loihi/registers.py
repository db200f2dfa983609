"""The library's own neurons as registers and lists of synapses: what a model for the chip transcribes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lava_nbp.base.integers import mantissa_exponent
from lava_nbp.base.widths import ALIGNMENT_BITS, CURRENT_DECAY_ALL, VOLTAGE_DECAY_ALL
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import CHAIN as CHAIN_WEIGHT
from lava_nbp.nbp.circuit import THRESHOLD
from lava_nbp.nbp.gated_group import GatedGroup, Neurons
from lava_nbp.nbp.pulse_chain import PulseChain


@dataclass(frozen=True)
class NeuronRegisters:
    """A population: registers in the chip's units (voltage and threshold: 64 times weight units)."""

    name: str
    size: int
    vth: int
    bias: int
    refractory: int
    #: What is kept of current and voltage in a step, in 1/4096.
    keep_u: int = 4096 - CURRENT_DECAY_ALL - 1
    keep_v: int = 4096 - VOLTAGE_DECAY_ALL
    #: Initial voltage of the first neuron.
    v_first: int = 0


@dataclass(frozen=True)
class SynapseRegisters:
    """Synapses of one sign, exponent and delay: neuron src[k] of `pre` to dst[k] of `post`, mantissa[k] * 2**exponent.

    `pre` is a spike port of n_pre entries, or a population of the same Process.
    """

    pre: str
    n_pre: int
    post: str
    src: tuple[int, ...]
    dst: tuple[int, ...]
    mantissa: tuple[int, ...]
    exponent: int
    delay: int


Registers = tuple[tuple[NeuronRegisters, ...], tuple[SynapseRegisters, ...]]


def group_registers(group: GatedGroup) -> Registers:
    """Registers of gated neurons: their populations, one-to-one synapses and gates (port gate_in)."""
    n = len(group.u[0].ravel())
    neurons = tuple(
        NeuronRegisters(p.name, n, p.vth << ALIGNMENT_BITS, int(group.bias_mant[k] << group.bias_exp[k]), p.refractory)
        for k, p in enumerate(group.neurons)
    )
    every = tuple(range(n))
    synapses = []
    for s in group.synapses:
        mantissa, exponent = mantissa_exponent(s.weight, f"synapses {s.pre} -> {s.post}")
        synapses.append(SynapseRegisters(s.pre, n, s.post, every, every, (mantissa,) * n, exponent, s.delay))
    for p in group.neurons:
        for (exponent, _), entries in _gates(p).items():
            src = tuple(entry for entry in entries for _ in every)
            mantissas = tuple(m for m in entries.values() for _ in every)
            synapses.append(
                SynapseRegisters("gate_in", group.n_gates, p.name, src, every * len(entries), mantissas, exponent, 0)
            )
    return neurons, tuple(synapses)


def plastic_registers(registers: Mapping[str, int], size: int) -> Registers:
    """Registers of a population behind plastic synapses, from the parameters of `PlasticLIF`."""
    bias = registers["bias_mant"] << registers["bias_exp"]
    return (NeuronRegisters("s", size, registers["vth"] << ALIGNMENT_BITS, bias, registers["refractory"]),), ()


def _gates(p: Neurons) -> dict[tuple[int, bool], dict[int, int]]:
    """Mantissas by entry of the gate vector, for every exponent and sign."""
    found: dict[tuple[int, bool], dict[int, int]] = {}
    for gate in p.gates:
        mantissa, exponent = mantissa_exponent(gate.weight, f"gate of {p.name}")
        row = found.setdefault((exponent, mantissa < 0), {})
        row[gate.entry] = row.get(gate.entry, 0) + mantissa
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
    n, vth = pulses.n, THRESHOLD << ALIGNMENT_BITS
    first = (THRESHOLD + 1) << ALIGNMENT_BITS if pulses.started else 0
    neurons = NeuronRegisters("s", n, vth, 0, 1, keep_v=4096, v_first=first)
    mantissa, exponent = mantissa_exponent(CHAIN_WEIGHT, "link of the chain")
    links = n if pulses.ring else n - 1
    src, dst = tuple(range(links)), tuple((k + 1) % n for k in range(links))
    synapses = [SynapseRegisters("start_in", 1, "s", (0,), (0,), (mantissa,), exponent, 0)]
    if links:
        synapses.append(SynapseRegisters("s", n, "s", src, dst, (mantissa,) * links, exponent, 0))
    return (neurons,), tuple(synapses)
