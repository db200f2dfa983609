"""Loihi widths and capacities, each with its source.

Widths that arithmetic needs are constants; what a chip or board holds is data (`Chip`, `BOARDS`).

Sources
-------
[D18] Davies et al., "Loihi: A neuromorphic manycore processor with on-chip
      learning", IEEE Micro 38 (2018).
[L2]  Intel, "Taking neuromorphic computing to the next level with Loihi 2",
      technology brief (2021).
[LV]  Lava 0.10.0, fixed-point models of `LIF` and `Dense` (bit widths as the
      simulator of the chip uses them).
[N]   nengo-loihi 1.1.0 (Applied Brain Research), block.py and builder: the limits and the format of synaptic
      memory that it checks networks against before it configures Loihi 1.
[D21] Davies et al., "Advancing neuromorphic computing with Loihi: a survey of results and outlook",
      Proceedings of the IEEE 109 (2021).
[R24] Renner et al., "The backpropagation algorithm implemented on spiking
      neuromorphic hardware", Nature Communications 15, 9691 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

#: Synaptic input, threshold and state are aligned to the left by this many bits: u += 64 * w [LV].
ALIGNMENT_BITS = 6
#: Width of the state variables u (synaptic current) and v (membrane voltage), sign included [LV].
STATE_BITS = 24

#: Width of the mantissa of a bias, sign included [LV, LIF].
BIAS_MANTISSA_BITS = 13
#: Range of the exponent of a bias: register value = mantissa * 2**exponent [LV, LIF].
BIAS_EXPONENT_MAX = 7
#: Width of the mantissa of a threshold, unsigned; the register value is 64 times it [LV, LIF].
THRESHOLD_BITS = 17

#: Width of a synaptic weight mantissa; single-sign weights are 0 .. 255 [D18].
WEIGHT_BITS = 8
#: Mixed-sign weights lose the lowest bit to the sign, so they are even [LV].
WEIGHT_STEP = 2
#: Largest magnitude of a plastic weight. The chip holds -256 too; the circuit
#: avoids it so that mirrored weights (W and -W) stay exact negatives [R24].
PLASTIC_WEIGHT_MAX = 254
#: Range of the weight exponent: weight = mantissa * 2**exponent [LV].
WEIGHT_EXPONENT_MAX = 7

#: Largest synaptic delay, in steps beyond the one that transport takes [D18].
DELAY_MAX = 62
#: Largest refractory delay in steps [D18].
REFRACTORY_MAX = 63

#: Neurons of one Loihi 2 chip (128 neurocores of up to 8192) [L2].
NEURONS_PER_CHIP = 1_048_576
#: Synapses of one Loihi 2 chip [L2].
SYNAPSES_PER_CHIP = 120_000_000

#: Decays that forget everything in a step, in units of 1/4096. The current has an offset of 1 (ds_offset), so
#: 4095 is all of it; the voltage has none [LV, LIF].
CURRENT_DECAY_ALL, VOLTAGE_DECAY_ALL = 4095, 4096
#: Width of a pre- or postsynaptic trace of the learning engine, unsigned [D18].
TRACE_BITS = 7
#: Width of the learning engine's accumulator below the sign: weights have 7 bits behind the point there [LV].
ACCUMULATOR_BITS = 15
#: Exponents of the scaling constants of a learning rule's products, and width of their mantissas [LV].
RULE_EXPONENTS, RULE_MANTISSA_BITS = (-7, 9), 4
#: Longest learning epoch in steps [LV].
LEARNING_EPOCH_MAX = 63


@dataclass(frozen=True)
class Capacity:
    """What there is of a resource, and who says so.

    Attributes
    ----------
    value : int
        The limit.
    source : str
        Short name of the source, see this module's docstring.
    published : bool
        False: nobody has published the figure; `note` says what is assumed and why.
    note : str
        What else a reader should know.
    """

    value: int
    source: str
    published: bool = True
    note: str = ""


@dataclass(frozen=True)
class Chip:
    """Capacities of a chip, per neurocore unless it says otherwise.

    No other limit of a neuron's fan-in is published than the input axons and the synaptic memory of its core, and none
    of its fan-out than the core's output axons.

    Attributes
    ----------
    name : str
        For messages.
    neurocores : Capacity
        Per chip.
    neurons : Capacity
        Compartments of a core; a neuron of this library is one.
    synapse_memory : Capacity
        Bits of synaptic memory.
    input_axons, output_axons : Capacity
        Lists of synapses that messages can address, and messages that a core's neurons can send.
    core_memory : Capacity or None
        Bits of a memory that neurons, axons and synapses share; None: each has a memory of its own.
    neurons_per_chip, synapses_per_chip : Capacity
        What the vendor says of the whole chip.
    weight_bits, delay_max, refractory_max, spike_payload_bits : Capacity
        Weight without its sign; steps; steps; 0: spikes carry nothing.
    """

    name: str
    neurocores: Capacity
    neurons: Capacity
    synapse_memory: Capacity
    input_axons: Capacity
    output_axons: Capacity
    neurons_per_chip: Capacity
    synapses_per_chip: Capacity
    weight_bits: Capacity
    delay_max: Capacity
    refractory_max: Capacity
    spike_payload_bits: Capacity
    core_memory: Capacity | None = None

    def capacities(self) -> dict[str, Capacity]:
        """All capacities by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: c for name, c in found.items() if isinstance(c, Capacity)}


@dataclass(frozen=True)
class Board:
    """Chips that run one network together."""

    name: str
    chip: Chip
    chips: int
    source: str

    @property
    def cores(self) -> int:
        """Neurocores of all chips."""
        return self.chips * self.chip.neurocores.value


LOIHI1 = Chip(
    name="Loihi 1",
    neurocores=Capacity(128, "D18"),
    neurons=Capacity(1024, "D18"),
    synapse_memory=Capacity(1 << 20, "D18", note="128 KB, in words of 64 bits"),
    input_axons=Capacity(4096, "D18, N"),
    output_axons=Capacity(4096, "D18, N"),
    neurons_per_chip=Capacity(131_072, "D18"),
    synapses_per_chip=Capacity(130_000_000, "D18", note="at one bit each"),
    weight_bits=Capacity(WEIGHT_BITS, "D18"),
    delay_max=Capacity(DELAY_MAX, "D18"),
    refractory_max=Capacity(REFRACTORY_MAX, "D18"),
    spike_payload_bits=Capacity(0, "L2"),
)
LOIHI2 = Chip(
    name="Loihi 2",
    neurocores=Capacity(
        120,
        "L2",
        published=False,
        note="the brief says 128; boards in use are reported with 120, which is planned with",
    ),
    neurons=Capacity(8192, "L2"),
    synapse_memory=Capacity(192 * 8192, "L2", note="192 KB, shared with neurons and axons"),
    input_axons=Capacity(4096, "D18", published=False, note="not published; Loihi 1's is assumed"),
    output_axons=Capacity(4096, "D18", published=False, note="not published; Loihi 1's is assumed"),
    neurons_per_chip=Capacity(NEURONS_PER_CHIP, "L2"),
    synapses_per_chip=Capacity(SYNAPSES_PER_CHIP, "L2"),
    weight_bits=Capacity(WEIGHT_BITS, "LV"),
    delay_max=Capacity(63, "LV", note="DelayDense; the library keeps to Loihi 1's 62"),
    refractory_max=Capacity(REFRACTORY_MAX, "D18", published=False, note="the neuron is a program; Loihi 1's is kept"),
    spike_payload_bits=Capacity(32, "L2", note="24 with Lava's processes [LV]"),
    core_memory=Capacity(192 * 8192, "L2"),
)
#: What `lava-nbp plan --chip` knows.
BOARDS: dict[str, Board] = {
    "loihi1": Board("loihi1", LOIHI1, 1, "D18"),
    "loihi2": Board("loihi2", LOIHI2, 1, "L2"),
    "oheogulch": Board("oheogulch", LOIHI2, 1, "L2"),
    "kapohopoint": Board("kapohopoint", LOIHI2, 8, "L2"),
    "nahuku32": Board("nahuku32", LOIHI1, 32, "D21"),
}

#: Synaptic memory is used in words of 64 bits; a list of synapses is cut into blocks of at most 64, each with a
#: header of 10 bits; a synapse has its weight and, if it is delayed, 6 bits of delay [N].
MEMORY_WORD_BITS, SYNAPSES_PER_BLOCK, BLOCK_HEADER_BITS, DELAY_BITS = 64, 64, 10, 6
#: State of a neuron, and an entry of an axon table, where they share one memory: Loihi 1's 24 bytes [L2], and a
#: word of 32 bits, which nobody has published.
NEURON_STATE_BITS, AXON_ENTRY_BITS = 192, 32
