"""Which neuron goes on which core: as the paper's authors did it, or on as few cores as hold the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lava_nbp.loihi.boards import Chip
from lava_nbp.loihi.demand import Bundle, Demand, Int64Array, Plannable, list_bits
from lava_nbp.loihi.resources import Placement, Slice, core_memory, limits_of, reached_slices

#: The authors' ranges of cores, as published with the paper's code (lanl/spikingBackprop, network_parameters): the
#: first core, and over how many a population is spread. They begin at core 2; here that is core 0.
_PLASTIC_RANGE, _OTHER_RANGE, _CHAIN_CORE = (0, 78), (14, 79), 38
#: Over how many cores a group is spread where the authors have placed nothing like it: as widely as theirs at most.
_WIDEST = 79


def paper_placement(lowered: Plannable, chain_core: int = _CHAIN_CORE) -> Placement:
    """Spread every population evenly over the range of cores that the authors gave its kind.

    ceil(N / cores of the range) neurons per core: 6 of each large population of 400-400-10, on 81 cores in
    all. Spreading costs cores and saves time: a step takes as long as its slowest core.
    """
    found: dict[str, tuple[Slice, ...]] = {}
    for g in lowered.demand.groups:
        if g.name == lowered.demand.chain:
            found[g.name] = (Slice(chain_core, 0, g.size),)
            continue
        first, n_cores = _PLASTIC_RANGE if g.feeds_learning else _OTHER_RANGE
        found[g.name] = _spread(g.size, first, n_cores)
    return found


def spread_placement(lowered: Plannable) -> Placement:
    """As the paper's, but the chain, whose neurons reach every slice of all others, has a core of its own.

    What has no chain is spread evenly from the first core on, over as many as the authors took for a population.
    """
    if not lowered.demand.chain:
        return {g.name: _spread(g.size, 0, _WIDEST) for g in lowered.demand.groups}
    return paper_placement(lowered, int(cores_of(paper_placement(lowered)).max()) + 1)


def packed_placement(lowered: Plannable, chip: Chip) -> Placement:
    """Cut every group into as few slices as cores can hold one by one, and put them on few cores.

    What a slice needs follows from how many slices every group has: a neuron needs an axon per slice that it
    reaches, and a slice a list per neuron that reaches it. So the groups are cut first, until every slice
    fits a core of its own; then the slices go, the most demanding first, each to the first core with room.
    A slice that no cut makes fit, because a single neuron has too many lists, gets a core all the same:
    `Plan.fits` tells.
    """
    demand = lowered.demand
    limits, size = limits_of(chip, demand), demand.sizes
    parts = dict.fromkeys(size, 1)
    blocks = {name: _block(name, n, demand.bundles) for name, n in size.items()}
    while True:
        needs = {name: _need(name, -(-size[name] // parts[name]), demand, parts, blocks, chip) for name in parts}
        over = [
            name
            for name, need in needs.items()
            if parts[name] < size[name] and any(need[r] > limit for r, limit in limits.items())
        ]
        if not over:
            break
        for name in over:
            # In proportion to what is missing, so that few rounds are needed.
            factor = max(need / limits[r] for r, need in needs[name].items() if r in limits)
            parts[name] = min(size[name], max(parts[name] + 1, int(parts[name] * min(factor, 2))))
    return _first_fit(size, parts, blocks, needs, limits)


def _block(name: str, size: int, found: Sequence[Bundle]) -> int:
    """Neurons of a group that belong together, such as a member's of an ensemble: no list reaches into two blocks."""
    borders = np.ones(size + 1, dtype=bool)
    for b in found:
        if b.post == name and b.mask is not None:
            first, behind = b.mask.table[:, 1], b.mask.table[:, 1:].sum(axis=1)
            begun, ended = (np.bincount(places, minlength=size + 1) for places in (first + 1, behind))
            borders &= np.cumsum(begun - ended) == 0
    return size if borders.all() else int(np.gcd.reduce(np.flatnonzero(borders)))


def _need(
    name: str, n: int, demand: Demand, parts: Mapping[str, int], blocks: Mapping[str, int], chip: Chip
) -> dict[str, int]:
    """What a slice of n neurons of a group needs at most, if every group has so many parts."""
    inputs = outputs = memory = 0
    for b in demand.bundles:
        if b.post == name:
            if b.mask is None:
                lists = b.lists(0, n, chip)
                inputs, memory = inputs + lists.n, memory + lists.bits
            else:
                of_sender = b.per_sender(*_ends(b.shape[1], n, blocks[name]))
                inputs += int((of_sender > 0).sum(axis=0).max())
                memory += int(list_bits(chip, of_sender, b.delayed, indexed=True).sum(axis=0).max())
        if b.pre == name:
            post = b.shape[1]
            reached = reached_slices(b, *_ends(post, -(-post // parts[b.post]), blocks[b.post]))
            most = np.sort(reached)[::-1][: min(n, len(b.senders))]
            outputs += int(most.sum())
    need = {"neurons": n, "input_axons": inputs, "output_axons": outputs, "synapse_memory": memory}
    if chip.core_memory is not None:
        need["core_memory"] = core_memory(need, chip) + n * demand.state_bits.get(name, 0)
    return need


def _ends(size: int, n: int, block: int) -> tuple[Int64Array, Int64Array]:
    """First neuron of every slice of n of a group of so many, and the one behind its last.

    Slices that are smaller than a block end with it: half of one and half of the next would hear all that reaches both.
    """
    if n >= block:
        block = size
    firsts = (np.arange(0, size, block)[:, None] + np.arange(0, block, n)).ravel()
    return firsts, np.minimum(firsts + n, (firsts // block + 1) * block)


def _first_fit(
    size: Mapping[str, int],
    parts: Mapping[str, int],
    blocks: Mapping[str, int],
    needs: Mapping[str, dict[str, int]],
    limits: Mapping[str, int],
) -> Placement:
    names = list(limits)
    cap = np.array([limits[r] for r in names], dtype=np.int64)
    cores: list[Int64Array] = []
    placed: dict[str, list[Slice]] = {name: [] for name in parts}
    share = {name: max(needs[name][r] / limits[r] for r in names) for name in parts}
    for name in sorted(parts, key=lambda g: -share[g]):
        need, per_core = np.array([needs[name][r] for r in names], dtype=np.int64), -(-size[name] // parts[name])
        core = 0  # room only shrinks while slices of one group are placed: no core is asked twice
        for first, stop in zip(*(ends.tolist() for ends in _ends(size[name], per_core, blocks[name])), strict=True):
            while core < len(cores) and not (cores[core] + need <= cap).all():
                core += 1
            if core == len(cores):
                cores.append(np.zeros(len(names), dtype=np.int64))
            cores[core] = cores[core] + need
            placed[name].append(Slice(core, first, stop - first))
            if not (cores[core] <= cap).all():
                core += 1  # does not fit anywhere: it has a core of its own
    return {name: tuple(slices) for name, slices in placed.items()}


def cores_of(placement: Placement) -> Int64Array:
    """Cores in use, ascending."""
    return np.unique([s.core for slices in placement.values() for s in slices]).astype(np.int64)


def _spread(size: int, first: int, n_cores: int) -> tuple[Slice, ...]:
    per_core = -(-size // n_cores)
    return tuple(
        Slice(first + k, k * per_core, min(per_core, size - k * per_core)) for k in range(-(-size // per_core))
    )
