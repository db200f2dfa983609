"""Faults as a chip has them: which neurons and synapses are broken, and how often spikes go wrong.

What is broken follows from the seed and the names of populations and matrices, so that a network of four phases has
the faults of that of twelve, and a resumed run those of the run before. What goes wrong in passing follows from the
seed, the epoch, the step and the neuron.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_flag, check_integer, is_real, shown
from lava_nbp.base.integers import Int16Array
from lava_nbp.base.widths import WEIGHT_BITS, WEIGHT_STEP
from lava_nbp.errors import InputError

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Faults:
    """Shares and probabilities of faults, each in 0 .. 1.

    Attributes
    ----------
    dead : float
        Share of neurons that never fire.
    lost, stuck : float
        Share of plastic synapses that are gone (weight 0), and that keep their weight.
    flips : float
        Probability, per bit of a weight's 8 bits, that it is flipped once, before anything runs.
    dropped : float
        Probability that a spike is lost on its way; executor "sample": the forward spikes of the layers.
    spurious : float
        Probability, per neuron and step, of a spike without reason; executor "sample": once per sample, in the
        forward pass of the layers. Of a circuit with a ramp, executor "spiking" only, as lost ones are.
    pulse_loss : float
        Probability, per gating neuron and time it fires, that the pulse is lost. What is left of the sample is not
        computed; the host starts the chain anew with the next sample. Executor "sample": then nothing of it is learned.
    apart : bool
        False: a broken unit or synapse is broken in every population and projection that holds a copy of it, as
        if they shared a core. True: every population and every projection has its own; executor "spiking" only.
    seed : int
        Of all of them.

    Raises
    ------
    InputError
        For a share or probability outside of 0 .. 1, or a seed that is no integer of 0 or more.
    """

    dead: float = 0.0
    lost: float = 0.0
    stuck: float = 0.0
    flips: float = 0.0
    dropped: float = 0.0
    spurious: float = 0.0
    pulse_loss: float = 0.0
    apart: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in KINDS:
            value = getattr(self, name)
            if not (is_real(value) and 0 <= value <= 1):
                raise InputError(f"faults.{name} is {shown(value)}, but must be a share or probability in 0 .. 1")
            object.__setattr__(self, name, float(value))  # a kernel is compiled once, not once more for a whole 1
        object.__setattr__(self, "apart", check_flag(self.apart, "faults.apart"))
        object.__setattr__(self, "seed", check_integer(self.seed, 0, 2**63 - 1, "faults.seed"))

    @property
    def any(self) -> bool:
        """Whether there is any fault while a network runs; flips happen before."""
        return any(getattr(self, name) for name in KINDS if name != "flips")

    def dead_units(self, name: str, size: int) -> BoolArray:
        """Which neurons of a population, or of a layer (x, h1, ..., o), never fire."""
        return self._draw("dead", name, size) < self.dead

    def lost_synapses(self, name: str, shape: tuple[int, int]) -> BoolArray:
        """Which synapses of a matrix or projection, (pre, post), are gone."""
        return self._draw("synapse", name, shape) < self.lost

    def stuck_synapses(self, name: str, shape: tuple[int, int]) -> BoolArray:
        """Which synapses keep their weight, the lost ones included: one draw, so that a synapse has one fault."""
        return self._draw("synapse", name, shape) < self.lost + self.stuck

    def flipped(self, name: str, weights: Int16Array) -> Int16Array:
        """Weights with bits flipped: 8 bits in two's complement, in steps of 2; -256 becomes -254."""
        bits = self._draw("flips", name, (*weights.shape, WEIGHT_BITS)) < self.flips
        mask = (bits * (1 << np.arange(WEIGHT_BITS))).sum(axis=-1)
        held = ((weights // WEIGHT_STEP).astype(np.int16) & 0xFF) ^ mask
        signed = np.where(held >= 128, held - 256, held)
        return np.maximum(signed * WEIGHT_STEP, -254).astype(np.int16)

    def generator(self, *what: int) -> np.random.Generator:
        """A generator for faults in passing, of its own for every epoch and chunk."""
        return np.random.default_rng([self.seed, *what])

    def _draw(self, kind: str, name: str, shape: int | tuple[int, ...]) -> NDArray[np.float64]:
        return np.random.default_rng([self.seed, zlib.crc32(f"{kind} {name}".encode())]).random(shape)


#: What can be broken, by name; each is swept by `lava-nbp faults`.
KINDS = tuple(f.name for f in fields(Faults) if f.name not in ("apart", "seed"))
