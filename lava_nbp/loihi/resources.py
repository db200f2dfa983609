"""What a lowered circuit needs of every core, for a given placement; formats are data of the chip."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import Chip
from lava_nbp.loihi.lowering import Lowered
from lava_nbp.nbp.mask import Mask

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
    mask : Mask, optional
        Which synapses (senders, post) there are, if not all.
    shape : (int, int)
        Senders, and neurons of `post`.
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


def bundles(lowered: Lowered) -> Iterator[Bundle]:
    """All synapses of a lowered circuit."""
    size = {g.name: g.size for g in lowered.groups}
    for s in (*lowered.fixed, lowered.ring):
        yield Bundle(s.name, s.pre, s.post, s.senders, s.to_all, False, s.delay > 0, (len(s.senders), s.n_post))
    for s in lowered.inputs:
        yield Bundle(s.name, "", s.post, s.senders, s.to_all, False, s.delay > 0, (len(s.senders), s.n_post))
    for d in lowered.dense:
        shape = size[d.pre], size[d.post]
        yield Bundle(d.name, d.pre, d.post, range(shape[0]), True, d.plastic, False, shape, d.mask)


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
    synapses = sum(lowered.circuit.size_of(d.projection) for d in lowered.dense)
    least = {"neurons": lowered.n_neurons, "synapse_memory": synapses * chip.weight_bits.value}
    return least | {"core_memory": core_memory(least | {"input_axons": 0, "output_axons": 0}, chip)}


def limits_of(chip: Chip) -> dict[str, int]:
    """The limit of every resource of a core."""
    found = {name: getattr(chip, name) for name in RESOURCES}
    return {name: capacity.value for name, capacity in found.items() if capacity is not None}


def _add(used: dict[str, Int64Array], b: Bundle, placement: Placement, chip: Chip) -> None:
    posts = placement[b.post]
    for s in posts:
        lists = b.lists(s.first, s.size, chip)
        used["input_axons"][s.core] += lists.n
        used["synapse_memory"][s.core] += lists.bits
    if not b.pre:
        return
    # A neuron sends one message to every slice that it reaches.
    reached = reached_slices(b, [s.first for s in posts], [s.first + s.size for s in posts])
    for s in placement[b.pre]:
        first, last = (bisect_left(b.senders, k) for k in (s.first, s.first + s.size))
        used["output_axons"][s.core] += int(reached[first:last].sum())


def reached_slices(b: Bundle, firsts: Any, stops: Any) -> Int64Array:
    """(senders,) how many slices of `post` each sender of a bundle reaches."""
    if b.mask is not None:
        found: Int64Array = (b.per_sender(firsts, stops) > 0).sum(axis=1)
        return found
    return np.full(len(b.senders), len(firsts) if b.to_all else 1, np.int64)
