"""What a lowered network asks of a chip, as data: all that placements, plans, estimates and pictures know of it.

Whatever is lowered says it in this way, a circuit (`lava_nbp.loihi.lowering.Lowered`) and an EventProp network
(`lava_nbp.loihi.eventprop_lowering.LoweredEventProp`) alike. A third kind of network is one more `Plannable`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_real, check_sequence, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import DELAY_MAX, STATE_BITS
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import Chip
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.nbp.mask import Mask

Int64Array = NDArray[np.int64]
#: More spikes of a neuron, or steps, than any sample has; and more bits than any neuron keeps.
_MOST, _MOST_BITS = 1e12, 2**40


@dataclass(frozen=True)
class Bundle:
    """Synapses between two groups, as their memory sees them.

    Attributes
    ----------
    name, pre, post : str
        `pre` is "" for spikes from outside.
    senders : sequence of int
        Neurons of `pre` that have synapses, in order; each has a list on every core of `post` that it reaches.
    to_all : bool
        Whether each of them reaches all neurons of `post`, or one.
    plastic, delayed : bool
        Whether they learn, and whether they need bits for a delay.
    shape : (int, int)
        Senders, and neurons of `post`.
    mask : Mask, optional
        Which synapses (senders, post) there are, if not all.
    payload_bits : int
        What each spike carries beside its address; 0: nothing, it is not graded.
    """

    name: str
    pre: str
    post: str
    senders: Sequence[int]
    to_all: bool
    plastic: bool
    delayed: bool
    shape: tuple[int, int]
    mask: Mask | None = None
    payload_bits: int = 0

    @property
    def n_synapses(self) -> int:
        """All of them."""
        if self.mask is not None:
            return self.mask.n_synapses
        return len(self.senders) * self.shape[1] if self.to_all else self.shape[1]

    def per_sender(self, firsts: Any, stops: Any) -> Int64Array:
        """(senders,) or (senders, slices): synapses of each onto neurons firsts .. stops - 1 of `post`, of a mask."""
        assert self.mask is not None
        up_to = _synapses_up_to(self.mask, self.shape)
        found: Int64Array = (up_to[stops] - up_to[firsts]).astype(np.int64).T
        return found

    def synapses(self, first: int, size: int) -> int:
        """Synapses of all senders onto neurons first .. first + size - 1 of `post`."""
        if self.mask is not None:
            return int(self.per_sender(first, first + size).sum())
        return len(self.senders) * size if self.to_all else size

    def lists(self, first: int, size: int, chip: Chip) -> Lists:
        """What is on a core that holds neurons first .. first + size - 1 of `post`."""
        if self.mask is not None:
            of_sender = self.per_sender(first, first + size)
            bits = list_bits(chip, of_sender, self.delayed, indexed=True)
            return Lists(int((of_sender > 0).sum()), int(bits.sum()))
        n, each = (len(self.senders), size) if self.to_all else (size, 1)
        return Lists(n, n * int(list_bits(chip, each, self.delayed)))


@lru_cache(maxsize=8)  # all copies of a matrix have the same mask, or its transpose
def _synapses_up_to(mask: Mask, shape: tuple[int, int]) -> NDArray[np.int32]:
    """(post + 1, pre) synapses of each row onto the first columns: of a slice of columns, two rows tell."""
    check_memory(4 * shape[0] * (shape[1] + 1), f"a mask of {shape[0]} x {shape[1]} synapses", "make a layer smaller")
    found = np.zeros((shape[1] + 1, shape[0]), np.int32)
    np.cumsum(mask.matrix(shape).T, axis=0, dtype=np.int32, out=found[1:])
    return found


class Lists(NamedTuple):
    """Lists of synapses of a bundle on a core: how many, and their bits."""

    n: int
    bits: int


def list_bits(chip: Chip, n: Any, delayed: bool, *, indexed: bool = False) -> Any:
    """Synaptic memory of a chip, in bits, of a list of n synapses: in blocks, each rounded up to words.

    n may be an array, of several lists. indexed: synapses say whom they reach, where a list leaves neurons out.
    """
    memory = chip.memory
    per_synapse = chip.weight_bits.value + (memory.delay_bits if delayed else 0) + (memory.index_bits * indexed)

    def block(k: Any) -> Any:
        return -(-(k * per_synapse + memory.block_header_bits) // memory.word_bits) * memory.word_bits

    full, rest = n // memory.synapses_per_block, n % memory.synapses_per_block
    return full * block(memory.synapses_per_block) + block(rest) * (rest > 0)


@dataclass(frozen=True)
class Activity:
    """What a network does with a sample.

    Attributes
    ----------
    steps : int
        Of a sample, until the next may begin.
    input : float
        Spikes of an input per sample, in the mean.
    groups : mapping
        By the name of every group: spikes of one of its neurons per sample, in the mean.
    source : str
        Where these numbers are from, for people; "" for what `lava_nbp.loihi.lowering` assumes of circuits.
    bundles : mapping
        By the name of a bundle: messages that it gets of one of its senders per sample, where these are not all of its
        group's spikes.

    Raises
    ------
    InputError
        For a number that there cannot be.
    """

    steps: int
    input: float
    groups: Mapping[str, float]
    source: str = ""
    bundles: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settle(self, "activity", InputError)
        check_integer(self.steps, 1, int(_MOST), "activity: steps")
        check_real(self.input, 0.0, _MOST, "activity: input", "it is a mean number of spikes")
        for name, spikes in self.groups.items():
            check_real(spikes, 0.0, _MOST, f"activity: group {shown(name)}", "it is a mean number of spikes")
        for name, messages in self.bundles.items():
            check_real(messages, 0.0, _MOST, f"activity: bundle {shown(name)}", "it is a mean number of messages")

    def met(self, bundle: Bundle) -> float:
        """Messages that a bundle gets of one of its senders per sample."""
        spikes = self.groups[bundle.pre] if bundle.pre else self.input
        return self.bundles.get(bundle.name, spikes)


#: What is assumed where nobody has counted: spikes of every input and neuron per sample; and how that is said.
ASSUMED_SPIKES, ASSUMED = 1.0, "assumed, one of every input and neuron"


def spikes_of_layers(spikes: Any, n: int) -> list[float]:
    """Spikes per sample of an input, and of a neuron of every layer, as numbers.

    Raises
    ------
    InputError
        For other numbers than one per layer.
    """
    found = check_sequence(spikes, "spikes of layers")
    if len(found) != n:
        raise InputError(f"spikes of {len(found)} layers, but there are {n}, with the input; give one for each")
    return [check_real(k, 0.0, _MOST, "spikes of a layer", "it is a mean number of spikes") for k in found]


@dataclass(frozen=True)
class Demand:
    """What a network asks of a chip.

    Attributes
    ----------
    name : str
        Of the network, for titles.
    layers : tuple of int
        Sizes, from the input to the output.
    groups : tuple of NeuronRegisters
        Its neurons.
    bundles : tuple of Bundle
        Its synapses, those from outside included.
    activity : Activity
        Steps of a sample, and spikes, if nobody has counted any.
    n_synapses : int
        As plans show it.
    chain : str
        The group whose few neurons reach every slice of all others, which nBP's authors gave a core beside those of
        the rest; "": there is none, and no placement of theirs.
    state_bits : mapping
        By the name of a group: bits of state that its neurons have beyond those of any neuron of the chip, buffers
        included.
    longest_delay : int
        In steps, for which every core keeps room; 0: it is not counted.
    hidden_key : str
        What says the size of a single hidden layer in a configuration, with {} in its place.
    measured : bool
        Whether it is of the kind that the chips' measurements are of; an estimate of all others is an extrapolation.

    Raises
    ------
    InputError
        For bundles, spikes or bits of groups that are not there.
    """

    name: str
    layers: tuple[int, ...]
    groups: tuple[NeuronRegisters, ...]
    bundles: tuple[Bundle, ...]
    activity: Activity
    n_synapses: int
    chain: str = ""
    state_bits: Mapping[str, int] = field(default_factory=dict)
    longest_delay: int = 0
    hidden_key: str = "network.n_hidden = {}"
    measured: bool = False

    def __post_init__(self) -> None:
        what = f"demand of {shown(self.name)}"
        settle(self, what, InputError)
        check_integer(self.longest_delay, 0, DELAY_MAX, f"{what}: longest_delay")
        sizes = self.sizes
        for bundle in self.bundles:
            for end in (bundle.pre, bundle.post):
                if end and end not in sizes:
                    raise InputError(f"{what}: bundle {shown(bundle.name)} has group {shown(end)}, which is not there")
            check_integer(bundle.payload_bits, 0, STATE_BITS, f"{what}: payload_bits of {shown(bundle.name)}")
        for name, bits in self.state_bits.items():
            check_integer(bits, 0, _MOST_BITS, f"{what}: state_bits of {shown(name)}")
            if name not in sizes:
                raise InputError(f"{what}: state_bits are of group {shown(name)}, which is not there")
        self.check(self.activity)

    def check(self, activity: Activity) -> None:
        """Check that an activity is one of this network.

        Raises
        ------
        InputError
            Names the group that is missing, or is not there, or a bundle that is not.
        """
        for name in self.sizes.keys() ^ activity.groups.keys():
            there = "has no group of that name" if name in activity.groups else "needs its spikes"
            raise InputError(f"activity: group {shown(name)}, but the network {self.name} {there}")
        for name in activity.bundles.keys() - {b.name for b in self.bundles}:
            raise InputError(f"activity: bundle {shown(name)}, but the network {self.name} has none of that name")

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Neurons of every group."""
        return {g.name: g.size for g in self.groups}

    @property
    def n_neurons(self) -> int:
        """Neurons of all groups."""
        return sum(self.sizes.values())

    @property
    def n_plastic(self) -> int:
        """Synapses that learn."""
        return sum(b.n_synapses for b in self.bundles if b.plastic)

    @property
    def learns(self) -> bool:
        """Whether any do."""
        return self.n_plastic > 0

    @property
    def placements(self) -> tuple[str, ...]:
        """Names of the placements that it may have, in the order in which they are tried."""
        return ("paper", "spread", "packed") if self.chain else ("spread", "packed")

    @property
    def title(self) -> str:
        """Its name, and its layers."""
        return f"{self.name} {'-'.join(map(str, self.layers))}"


class Plannable(ABC):
    """A lowered network that can be planned."""

    @property
    @abstractmethod
    def demand(self) -> Demand:
        """What it asks of a chip."""

    @property
    def room(self) -> int:
        """Spikes that a neuron keeps of a sample; 0: it keeps none."""
        return 0

    def with_room(self, room: int) -> Plannable:
        """The same network with room for so many."""
        raise NotImplementedError(f"{type(self).__name__} keeps no spikes")

    @abstractmethod
    def with_hidden(self, n: int) -> Plannable:
        """The same network with n neurons in its largest hidden layer, and as many in proportion in the others.

        Raises
        ------
        CircuitError
            For a size that it cannot have.
        """
