"""Chips and boards as data: capacities, memory formats, costs per operation, each with its source.

Plans, placements, estimates and the command line ask these values and nothing else; a board of your own is one more
entry of `BOARDS`.

Sources
-------
[D18] Davies et al., "Loihi: A neuromorphic manycore processor with on-chip learning", IEEE Micro 38 (2018).
[L2]  Intel, "Taking neuromorphic computing to the next level with Loihi 2", technology brief (2021).
[LV]  Lava 0.10.0, fixed-point models of `LIF` and `Dense` (bit widths as the simulator of the chip uses them).
[N]   nengo-loihi 1.1.0 (Applied Brain Research), block.py and builder: the limits and the format of synaptic
      memory that it checks networks against before it configures Loihi 1.
[D21] Davies et al., "Advancing neuromorphic computing with Loihi: a survey of results and outlook",
      Proceedings of the IEEE 109 (2021).
[R24] Renner et al., "The backpropagation algorithm implemented on spiking neuromorphic hardware",
      Nature Communications 15, 9691 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from lava_nbp.base.checks import check_integer, check_positive, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.registry import Registry, check_reference
from lava_nbp.base.widths import DELAY_MAX, NEURONS_PER_CHIP, REFRACTORY_MAX, SYNAPSES_PER_CHIP, WEIGHT_BITS
from lava_nbp.errors import InputError

#: No register, memory or count of a chip is larger; the largest system so far has 147456 neurocores.
_LARGEST, _MOST_CORES = 2**40, 2**22


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

    def __post_init__(self) -> None:
        settle(self, "capacity", InputError)
        check_integer(self.value, 0, _LARGEST, "capacity: value")


@dataclass(frozen=True)
class MemoryFormat:
    """How a core's memory holds a network, in bits. The defaults are Loihi 1's.

    Attributes
    ----------
    word_bits : int
        Synaptic memory is used in words of so many bits [N].
    synapses_per_block, block_header_bits : int
        A list of synapses is cut into blocks, each with a header [N].
    delay_bits : int
        Of a synapse that is delayed, beside its weight [N].
    index_bits : int
        Of a synapse in a list that leaves neurons out, which says whom it reaches: one of a core's compartments [N].
    neuron_state_bits : int
        State of a neuron, where neurons share a memory with synapses: Loihi 1's 24 bytes [L2].
    axon_entry_bits : int
        Entry of an axon table, likewise: a word of 32 bits, which nobody has published.
    delay_slots : int
        Sums of weights that a core keeps until their step has come: every neuron has 2**n of them, for delays of up to
        2**n - 2 steps. That 8 each leave room for 1024 neurons says [N]; on Loihi 2 nobody has published it.
    """

    word_bits: int = 64
    synapses_per_block: int = 64
    block_header_bits: int = 10
    delay_bits: int = 6
    index_bits: int = 10
    neuron_state_bits: int = 192
    axon_entry_bits: int = 32
    delay_slots: int = 8192

    def __post_init__(self) -> None:
        settle(self, "memory format", InputError)
        for f in fields(self):
            low = int(f.name in ("word_bits", "synapses_per_block", "delay_slots"))
            check_integer(getattr(self, f.name), low, _LARGEST, f"memory format: {f.name}")


@dataclass(frozen=True)
class Measurement:
    """Time and energy per sample of one network that was measured on a chip.

    Attributes
    ----------
    circuit : str
        "package.module:name" of what makes its circuit from a size per layer.
    layers : tuple of int
        Those sizes.
    milliseconds, millijoules : float
        Per sample.
    """

    circuit: str
    layers: tuple[int, ...]
    milliseconds: float
    millijoules: float

    def __post_init__(self) -> None:
        settle(self, "measurement", InputError)
        check_reference(self.circuit, "measurement: circuit")
        for size in self.layers:
            check_integer(size, 1, NEURONS_PER_CHIP, "measurement: size of a layer")
        for name in ("milliseconds", "millijoules"):
            check_positive(getattr(self, name), f"measurement: {name}")


@dataclass(frozen=True)
class Costs:
    """Time and energy of a chip per operation, and the measurements that calibrate them.

    The defaults are Loihi 1's [D18, R24]; see `lava_nbp.loihi.estimate` for what becomes of them.

    Attributes
    ----------
    neuron_ns, active_ns, synapse_ns, update_ns : float
        Update of a silent neuron, of one that fires, a synaptic operation, the update of a plastic synapse.
    neuron_pj, active_pj, synapse_pj, update_pj : float
        The same in picojoules.
    training, inference : Measurement
        Of a network that learns, and of one that does not.
    source : str
        For people.
    """

    neuron_ns: float = 5.3
    active_ns: float = 8.4
    synapse_ns: float = 3.5
    update_ns: float = 6.1
    neuron_pj: float = 52.0
    active_pj: float = 81.0
    synapse_pj: float = 23.6
    update_pj: float = 120.0
    training: Measurement = Measurement("lava_nbp.nbp.paper:training_circuit", (400, 400, 10), 1.48, 0.59)
    inference: Measurement = Measurement("lava_nbp.nbp.paper:inference_circuit", (400, 400, 10), 0.17, 0.0025)
    source: str = "operations of Davies et al. 2018, calibrated on Renner et al. 2024: Loihi 1, 400-400-10"

    def __post_init__(self) -> None:
        settle(self, "costs", InputError)
        for f in fields(self):
            if f.name.endswith(("_ns", "_pj")):
                check_positive(getattr(self, f.name), f"costs: {f.name}")


@dataclass(frozen=True)
class Chip:
    """All data of a chip; capacities are per neurocore unless it says otherwise.

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
    memory : MemoryFormat
        How a network lies in a core's memory.
    costs : Costs
        Time and energy.
    generation : str
        What `lava.utils.loihi.ChipGeneration` calls it; "" if Lava does not know it.
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
    memory: MemoryFormat = MemoryFormat()
    costs: Costs = Costs()
    generation: str = ""

    def __post_init__(self) -> None:
        what = f"chip {shown(self.name)}"
        settle(self, what, InputError)
        for name in ("neurocores", "neurons"):
            check_integer(getattr(self, name).value, 1, NEURONS_PER_CHIP, f"{what}: {name}")

    def capacities(self) -> dict[str, Capacity]:
        """All capacities by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: c for name, c in found.items() if isinstance(c, Capacity)}


@dataclass(frozen=True)
class Board:
    """Chips that run one network together: a row of the table.

    Attributes
    ----------
    name : str
        On the command line; a SLURM partition of such boards has a name that begins so.
    chip : Chip
        What is on it.
    chips : int
        How many.
    source : str
        Short name of the source, see this module's docstring.
    target : str
        The target of a run that means this board if nothing else is said; "": none does.
    """

    name: str
    chip: Chip
    chips: int
    source: str
    target: str = ""

    def __post_init__(self) -> None:
        what = f"board {shown(self.name)}"
        settle(self, what, InputError)
        check_integer(self.chips, 1, None, f"{what}: chips")
        check_integer(self.cores, 1, _MOST_CORES, f"{what}: neurocores of all chips")

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
    generation="N2A2",
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
    memory=MemoryFormat(delay_slots=8 * 8192),  # 8 for each of its neurons, as on Loihi 1: assumed
    generation="N3B3",  # most Loihi 2 boards of the NRC
)

#: All boards.
BOARDS: Registry[Board] = Registry("chip", Board)

for _board in (
    Board("loihi1", LOIHI1, 1, "D18"),
    Board("loihi2", LOIHI2, 1, "L2"),
    Board("oheogulch", LOIHI2, 1, "L2", target="loihi2"),
    Board("kapohopoint", LOIHI2, 8, "L2"),
    Board("nahuku32", LOIHI1, 32, "D21", target="loihi1"),
):
    BOARDS.register(_board)


def board_of(target: str) -> Board | None:
    """The board that a target means if nothing else is said; None: no board says that it is the target's."""
    return next((board for board in BOARDS.values() if board.target == target), None)
