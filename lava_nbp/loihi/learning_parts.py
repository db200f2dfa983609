"""A lowered network that learns, cut into what is loaded one by one: groups of neurons, and matrices between them.

Each of `EventPropInput`, `EventPropLIF` and `EventPropTTFS` is a group; the last has three populations, for the loss
and its tables. Each `MirroredDense` is a matrix in two synaptic memories, and what sums its gradient on the embedded
processors, see `lava_nbp.loihi.embedded`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.loihi.programs.learning import LoweredLearning, Population, Synapses

#: Word that counts what a neuron could not keep or hold; populations that have it are asked after every sample.
LOST = "lost"
#: Names of the first population and of the loss; populations that are loaded with that.
INPUT, LOSS = "input", "loss"
_LOSS = (LOSS, "decay", "late")
#: Steps of the chip between two samples: the last messages arrive, weights are written, and the host hears what was
#: lost.
PAUSE = 4


@dataclass(frozen=True)
class Group:
    """Populations that are loaded together; the first gives the name.

    Attributes
    ----------
    populations : tuple of Population
    synapses : tuple of Synapses
        All that lead to them; those of matrices are elsewhere, and their weighted sums come here.
    sends : tuple of str
        Axons of the first population that others hear.
    sizes : dict
        Neurons of every population of the network, by name.
    """

    populations: tuple[Population, ...]
    synapses: tuple[Synapses, ...]
    sends: tuple[str, ...]
    sizes: dict[str, int]

    def __post_init__(self) -> None:
        settle(self, "group of programmed neurons", InputError)

    @property
    def name(self) -> str:
        """Of its first population."""
        return self.populations[0].name

    def inside(self, synapses: Synapses) -> bool:
        """Whether they begin here, too."""
        return any(p.name == synapses.pre for p in self.populations)

    def port_of(self, synapses: Synapses) -> str:
        """By which port of the group comes what they carry: named by what the host sends, else as the program's."""
        return synapses.port if synapses.pre else f"{synapses.axon}_in"

    @property
    def ports(self) -> dict[str, int]:
        """Of every port by which something comes from elsewhere, how many it carries."""
        outside = [s for s in self.synapses if not self.inside(s)]
        return {self.port_of(s): self._width(s) for s in outside}

    def _width(self, s: Synapses) -> int:
        if s.pattern == "matrix":
            return self.sizes[s.post]
        if s.pre:
            return self.sizes[s.pre]
        return 1 if s.pattern in ("all", "to-first") else self.sizes[s.post]


def groups_of(lowered: LoweredLearning) -> tuple[Group, ...]:
    """The input, the layers and the loss."""
    names = [(p.name,) for p in lowered.populations if p.name not in _LOSS] + [_LOSS]
    sizes = {p.name: p.size for p in lowered.populations}
    found = []
    for members in names:
        heard = {s.axon for s in lowered.synapses if s.pre == members[0] and s.post not in members}
        heard |= {"s_out" for m in lowered.learned if m.pre == members[0]}
        heard |= {"lI_out" for m in lowered.learned if m.post == members[0]}
        populations = tuple(lowered.population(name) for name in members)
        sends = tuple(axon for axon in populations[0].program.axons if axon in heard)
        into = tuple(s for s in lowered.synapses if s.post in members)
        found.append(Group(populations, into, sends, sizes))
    return tuple(found)


def pairs(synapses: Synapses, n_pre: int, n_post: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which neurons a synapse of every pair connects, in front and behind."""
    everyone = np.arange(n_pre)
    if synapses.pattern in ("matrix", "all"):
        src, dst = np.indices((n_pre, n_post)).reshape(2, -1)
        return src, dst
    if synapses.pattern == "to-first":
        return everyone, np.zeros_like(everyone)
    if synapses.pattern == "to-next":
        return everyone[:-1], everyone[1:]
    return everyone, everyone
