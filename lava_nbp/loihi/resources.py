"""What a lowered circuit needs of every core, for a given placement; formats are data of the chip."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import Chip
from lava_nbp.loihi.lowering import Lowered

Int64Array = NDArray[np.int64]
#: Resources of a core, in the order in which tables show them.
RESOURCES = ("neurons", "input_axons", "output_axons", "synapse_memory", "core_memory")


@dataclass(frozen=True)
class Slice:
    """Neurons first .. first + size - 1 of a group, on one core."""

    core: int
    first: int
    size: int

    def __post_init__(self) -> None:
        settle(self, "slice", InputError)
        for name, low in (("core", 0), ("first", 0), ("size", 1)):
            check_integer(getattr(self, name), low, NEURONS_PER_CHIP, f"slice: {name}")


#: Slices of every group, in order, by the group's name.
Placement = Mapping[str, tuple[Slice, ...]]


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
    """

    name: str
    pre: str
    post: str
    senders: Sequence[int]
    to_all: bool
    plastic: bool
    delayed: bool

    def n_synapses(self, n_post: int) -> int:
        """Synapses of all senders onto n_post neurons."""
        return len(self.senders) * n_post if self.to_all else n_post


def bundles(lowered: Lowered) -> Iterator[Bundle]:
    """All synapses of a lowered circuit."""
    size = {g.name: g.size for g in lowered.groups}
    for s in (*lowered.fixed, lowered.ring):
        yield Bundle(s.name, s.pre, s.post, s.senders, s.to_all, False, s.delay > 0)
    for s in lowered.inputs:
        yield Bundle(s.name, "", s.post, s.senders, s.to_all, False, s.delay > 0)
    for d in lowered.dense:
        yield Bundle(d.name, d.pre, d.post, range(size[d.pre]), True, d.plastic, False)


def list_bits(chip: Chip, n: int, delayed: bool) -> int:
    """Synaptic memory of a chip, in bits, of a list of n synapses: in blocks, each rounded up to words."""
    memory = chip.memory
    per_synapse = chip.weight_bits.value + (memory.delay_bits if delayed else 0)

    def block(k: int) -> int:
        return -(-(k * per_synapse + memory.block_header_bits) // memory.word_bits) * memory.word_bits

    full, rest = divmod(n, memory.synapses_per_block)
    return full * block(memory.synapses_per_block) + (block(rest) if rest else 0)


def usage(lowered: Lowered, placement: Placement, chip: Chip, n_cores: int) -> dict[str, Int64Array]:
    """What is used of every resource on each of n_cores cores, (n_cores,) int64."""
    used = {name: np.zeros(n_cores, dtype=np.int64) for name in RESOURCES}
    for slices in placement.values():
        for s in slices:
            used["neurons"][s.core] += s.size
    for b in bundles(lowered):
        _add(used, b, placement, chip)
    if chip.core_memory is None:
        del used["core_memory"]
    else:
        used["core_memory"] = core_memory(used, chip)
    return used


def core_memory(used: Mapping[str, Any], chip: Chip) -> Any:
    """Shared memory of a core in bits: synapses, neurons' state, axons; of what is used of the other resources."""
    axons = (used["input_axons"] + used["output_axons"]) * chip.memory.axon_entry_bits
    return used["synapse_memory"] + used["neurons"] * chip.memory.neuron_state_bits + axons


def least_use(lowered: Lowered, chip: Chip) -> dict[str, int]:
    """What all cores together need at least, wherever neurons and synapses are; axons are left out."""
    synapses = sum(lowered.by_name[d.pre].size * lowered.by_name[d.post].size for d in lowered.dense)
    least = {"neurons": lowered.n_neurons, "synapse_memory": synapses * chip.weight_bits.value}
    return least | {"core_memory": core_memory(least | {"input_axons": 0, "output_axons": 0}, chip)}


def limits_of(chip: Chip) -> dict[str, int]:
    """The limit of every resource of a core."""
    found = {name: getattr(chip, name) for name in RESOURCES}
    return {name: capacity.value for name, capacity in found.items() if capacity is not None}


def _add(used: dict[str, Int64Array], b: Bundle, placement: Placement, chip: Chip) -> None:
    posts = placement[b.post]
    for s in posts:
        lists = len(b.senders) if b.to_all else s.size
        used["input_axons"][s.core] += lists
        used["synapse_memory"][s.core] += lists * list_bits(chip, s.size if b.to_all else 1, b.delayed)
    if not b.pre:
        return
    # A neuron sends one message to every slice that it reaches.
    reached = len(posts) if b.to_all else 1
    for s in placement[b.pre]:
        first, last = (bisect_left(b.senders, k) for k in (s.first, s.first + s.size))
        used["output_axons"][s.core] += (last - first) * reached
