"""What a lowered circuit needs of every core, for a given placement; see `limits` for the formats and their sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.widths import (
    AXON_ENTRY_BITS,
    BLOCK_HEADER_BITS,
    DELAY_BITS,
    MEMORY_WORD_BITS,
    NEURON_STATE_BITS,
    SYNAPSES_PER_BLOCK,
    WEIGHT_BITS,
    Chip,
)
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


#: Slices of every group, in order, by the group's name.
Placement = Mapping[str, tuple[Slice, ...]]


@dataclass(frozen=True)
class Bundle:
    """Synapses between two groups, as their memory sees them.

    Attributes
    ----------
    name, pre, post : str
        `pre` is "" for spikes from outside.
    senders : int
        Neurons of `pre` that have synapses; each has a list on every core of `post` that it reaches.
    to_all : bool
        Whether each of them reaches all neurons of `post`, or one.
    plastic, delayed : bool
        Whether they learn, and whether they need bits for a delay.
    """

    name: str
    pre: str
    post: str
    senders: tuple[int, ...]
    to_all: bool
    plastic: bool
    delayed: bool

    def n_synapses(self, n_post: int) -> int:
        """Synapses of all senders onto n_post neurons."""
        return len(self.senders) * n_post if self.to_all else n_post


def bundles(lowered: Lowered) -> Iterator[Bundle]:
    """All synapses of a lowered circuit."""
    size = {g.name: g.size for g in lowered.groups}
    for f in lowered.fixed:
        every = f.pattern == "from-each"
        senders = tuple(i for i, m in enumerate(f.mantissas) if m) if every else tuple(range(size[f.pre]))
        yield Bundle(f.name, f.pre, f.post, senders, every, False, f.delay > 0)
    ring = tuple(range(lowered.ring.size))
    yield Bundle(lowered.ring.name, "chain", "chain", ring, False, False, False)
    for i in lowered.inputs:
        yield Bundle(i.name, "", i.post, tuple(range(size[i.post])), False, False, False)
    for d in lowered.dense:
        yield Bundle(d.name, d.pre, d.post, tuple(range(size[d.pre])), True, d.plastic, False)


def list_bits(n: int, delayed: bool) -> int:
    """Synaptic memory, in bits, of a list of n synapses.

    Blocks of up to 64 synapses, each rounded up to words of 64 bits.
    """
    per_synapse = WEIGHT_BITS + (DELAY_BITS if delayed else 0)

    def block(k: int) -> int:
        return -(-(k * per_synapse + BLOCK_HEADER_BITS) // MEMORY_WORD_BITS) * MEMORY_WORD_BITS

    full, rest = divmod(n, SYNAPSES_PER_BLOCK)
    return full * block(SYNAPSES_PER_BLOCK) + (block(rest) if rest else 0)


def usage(lowered: Lowered, placement: Placement, chip: Chip, n_cores: int) -> dict[str, Int64Array]:
    """What is used of every resource on each of n_cores cores, (n_cores,) int64."""
    used = {name: np.zeros(n_cores, dtype=np.int64) for name in RESOURCES}
    for slices in placement.values():
        for s in slices:
            used["neurons"][s.core] += s.size
    for b in bundles(lowered):
        _add(used, b, placement)
    if chip.core_memory is None:
        del used["core_memory"]
    else:
        used["core_memory"] = core_memory(used)
    return used


def core_memory(used: Mapping[str, Any]) -> Any:
    """Shared memory of a core in bits: synapses, neurons' state, axons; of what is used of the other resources."""
    axons = (used["input_axons"] + used["output_axons"]) * AXON_ENTRY_BITS
    return used["synapse_memory"] + used["neurons"] * NEURON_STATE_BITS + axons


def limits_of(chip: Chip) -> dict[str, int]:
    """The limit of every resource of a core."""
    found = {name: getattr(chip, name) for name in RESOURCES}
    return {name: capacity.value for name, capacity in found.items() if capacity is not None}


def _add(used: dict[str, Int64Array], b: Bundle, placement: Placement) -> None:
    posts = placement[b.post]
    for s in posts:
        lists = len(b.senders) if b.to_all else s.size
        used["input_axons"][s.core] += lists
        used["synapse_memory"][s.core] += lists * list_bits(s.size if b.to_all else 1, b.delayed)
    if not b.pre:
        return
    # A neuron sends one message to every slice that it reaches.
    reached = len(posts) if b.to_all else 1
    senders = np.asarray(b.senders)
    for s in placement[b.pre]:
        first = np.searchsorted(senders, (s.first, s.first + s.size))
        used["output_axons"][s.core] += int(first[1] - first[0]) * reached
