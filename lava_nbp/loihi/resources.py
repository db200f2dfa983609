"""What a lowered network needs of every core, for a given placement; formats are data of the chip."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import Chip
from lava_nbp.loihi.demand import Bundle, Demand, Int64Array, Plannable, list_bits

__all__ = ["RESOURCES", "Placement", "Slice", "core_memory", "least_use", "limits_of", "list_bits", "usage"]

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


def usage(lowered: Plannable, placement: Placement, chip: Chip, n_cores: int) -> dict[str, Int64Array]:
    """What is used of every resource on each of n_cores cores, (n_cores,) int64."""
    used = {name: np.zeros(n_cores, dtype=np.int64) for name in RESOURCES}
    state, more = np.zeros(n_cores, dtype=np.int64), lowered.demand.state_bits
    for name, slices in placement.items():
        for s in slices:
            used["neurons"][s.core] += s.size
            state[s.core] += s.size * more.get(name, 0)
    for b in lowered.demand.bundles:
        _add(used, b, placement, chip)
    if chip.core_memory is None:
        del used["core_memory"]
    else:
        used["core_memory"] = core_memory(used, chip) + state
    return used


def core_memory(used: Mapping[str, Any], chip: Chip) -> Any:
    """Shared memory of a core in bits: synapses, neurons' state, axons; of what is used of the other resources."""
    axons = (used["input_axons"] + used["output_axons"]) * chip.memory.axon_entry_bits
    return used["synapse_memory"] + used["neurons"] * chip.memory.neuron_state_bits + axons


def least_use(lowered: Plannable, chip: Chip) -> dict[str, int]:
    """What all cores together need at least, wherever neurons and synapses are; axons are left out."""
    demand = lowered.demand
    synapses = sum(b.n_synapses for b in demand.bundles)
    least = {"neurons": demand.n_neurons, "synapse_memory": synapses * chip.weight_bits.value}
    state = sum(demand.sizes[name] * bits for name, bits in demand.state_bits.items())
    return least | {"core_memory": core_memory(least | {"input_axons": 0, "output_axons": 0}, chip) + state}


def limits_of(chip: Chip, demand: Demand | None = None) -> dict[str, int]:
    """The limit of every resource of a core; of one that holds a network's delays, if that is given."""
    found = {name: getattr(chip, name) for name in RESOURCES}
    limits = {name: capacity.value for name, capacity in found.items() if capacity is not None}
    if demand is not None and demand.longest_delay:
        limits["neurons"] = min(limits["neurons"], chip.memory.delay_slots // slots_of(demand.longest_delay))
    return limits


def slots_of(delay: int) -> int:
    """Steps of input that a neuron keeps room for, where the longest delay is of so many steps: a power of two [N]."""
    return 1 << (delay + 1).bit_length()


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
