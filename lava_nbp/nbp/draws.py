"""What is random in a circuit: a function of seed, epoch and place, so that all executors draw the same.

Nothing here has a state that goes on. 64 bits, all of them arithmetic modulo 2**64, from a key and three numbers::

    z = key + a * A + b * B + c * C;   z = (z ^ z >> 30) * D;   z = (z ^ z >> 27) * E;   z ^ z >> 31

(the output function of SplitMix64: Steele, Lea, Flood, OOPSLA 2014). The key follows from the circuit's seed and the
epoch. Two things are drawn so:

- **noise**: an integer in 0 .. noise - 1 that raises a neuron's threshold in a step; a and b are the step since the
  epoch began and the neuron's place in the circuit, its populations one after the other;
- **rounding**: which of the changes that the rule asks for in a sample are made, each with the same probability. The
  synapses that are to change are counted row by row, and from one that does to the next a number of them is left out,
  which is geometrically distributed: a draw per change that is made, and not one per synapse. a and b are the
  sample and how many were drawn before, c the matrix and the sign. All copies of a matrix leave out the same.

On a chip it is the chip's own noise and rounding, another for every neuron and every copy of a synapse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_real
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import THRESHOLD_BITS
from lava_nbp.errors import CircuitError

if TYPE_CHECKING:
    from lava_nbp.nbp.circuit import Circuit

#: Noise is below a threshold's largest value.
NOISE_MAX = 1 << THRESHOLD_BITS
#: Multipliers of the three numbers, and of the two rounds.
A, B, C = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7
D, E = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
#: The third number: of noise, and of the rounding of the first matrix; faults have 1 and 2.
NOISE, ROUNDING = 3, 4
#: Bits of a noise's fraction, and of a probability.
FRACTION, CHANCE = 24, 32
#: More changes are left out by more than one draw.
_LONGEST = 1024


@dataclass(frozen=True)
class Decay:
    """A probability that falls from epoch to epoch, by the same factor::

        p(e) = first * (last / first) ** ((e - 1) / (epochs - 1))      for e = 1 .. epochs

    before them it is `first`, after them `last`.

    Parameters
    ----------
    first, last : float
        Probabilities, 2**-20 .. 1.
    epochs : int
        How many epochs it takes.

    Raises
    ------
    CircuitError
        For values outside of these.
    """

    first: float = 1.0
    last: float = 1.0
    epochs: int = 1

    def __post_init__(self) -> None:
        settle(self, "update probability", CircuitError)
        for name in ("first", "last"):
            check_real(getattr(self, name), 2.0**-20, 1, f"update probability: {name}", error=CircuitError)
        check_integer(self.epochs, 1, 10**6, "update probability: epochs", error=CircuitError)
        if self.epochs == 1 and self.first != self.last:
            raise CircuitError(
                f"update probability falls from {self.first} to {self.last} in one epoch, which has one probability; "
                f"give 2 epochs or more, or the same number twice"
            )

    @property
    def certain(self) -> bool:
        """Whether it is always 1."""
        return self.first == self.last == 1

    def at(self, epoch: int) -> float:
        """The probability in an epoch."""
        if epoch >= self.epochs:
            return self.last
        share = max(epoch - 1, 0) / max(self.epochs - 1, 1)
        return float(self.first * (self.last / self.first) ** share)


#: Every change is made.
ALWAYS = Decay()


def check_epoch(value: Any) -> int:
    """Return the number of an epoch; raise InputError for anything but an integer of 0 .. 2**63 - 1."""
    return check_integer(value, 0, 2**63 - 1, "epoch")


class Skips(NamedTuple):
    """A geometric distribution: how many changes are left out before one is made."""

    #: (k,) part of 2**32, at place j: that more than j are left out
    more: NDArray[np.int64]
    #: (1024,) by the upper bits of a draw: how many are left out at least
    least: NDArray[np.int64]


@lru_cache(maxsize=16)
def skips_of(probability: float) -> Skips:
    """The table of a probability, in whole numbers, so that it is the same everywhere."""
    whole = 1 << CHANCE
    left = whole - min(max(round(probability * whole), 1), whole)
    more: list[int] = []
    part = whole
    while len(more) < _LONGEST:
        part = part * left >> CHANCE
        more.append(part)
        if not part:
            break
    table = np.array(more, np.int64)
    last = (np.arange(1, 1025, dtype=np.int64) << (CHANCE - 10)) - 1
    return Skips(table, (table[None, :] > last[:, None]).sum(axis=1))


class Epoch(NamedTuple):
    """What the draws of an epoch follow from."""

    key: int
    skips: Skips

    @classmethod
    def of(cls, circuit: Circuit, epoch: int) -> Epoch:
        """That of a circuit, in an epoch."""
        return cls(epoch_key(circuit.seed, epoch), skips_of(circuit.update_probability.at(epoch)))


@lru_cache(maxsize=64)
def epoch_key(seed: int, epoch: int) -> int:
    """The 64 bits from which all draws of an epoch follow."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Rounding:
    """What a matrix needs to round its changes at random.

    Attributes
    ----------
    epoch : callable
        Returns the epoch of the moment.
    period : int
        Steps per sample: those that end with a multiple of it are one.
    shrinks, grows : int
        The third number of the draws of changes that take away from the matrix, and that add to it.
    """

    epoch: Callable[[], Epoch]
    period: int
    shrinks: int
    grows: int

    @classmethod
    def of(cls, circuit: Circuit, matrix: str, epoch: Callable[[], Epoch]) -> Rounding | None:
        """That of a matrix; None if all of its changes are made."""
        if circuit.update_probability.certain:
            return None
        return cls(epoch, circuit.period, *(rounding_of(circuit, matrix, change) for change in (-1, 1)))

    def chosen(self, step: int, change: int, n: int) -> NDArray[np.int64]:
        """Which of n changes are made in a step."""
        epoch = self.epoch()
        sample = (step - 1) // self.period
        return chosen(epoch.skips, epoch.key, sample, self.grows if change > 0 else self.shrinks, n)


@dataclass(frozen=True)
class ProjectionRounding:
    """The same for synapses that hold a copy of a matrix.

    Attributes
    ----------
    of_matrix : Rounding
        That of the matrix.
    transposed, sign
        How they hold it, see `lava_nbp.nbp.circuit.DenseProjection`.
    steps : (1,) int64
        Steps since phase 0 of the first sample; whoever runs them counts here.
    """

    of_matrix: Rounding
    transposed: bool
    sign: int
    steps: NDArray[np.int64]

    def chosen(self, change: int, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which synapses between those who fire change, in the step that was counted last.

        there: where there is one, (n_pre, n_post).
        """
        of_matrix = there.T if self.transposed else there
        places = np.flatnonzero(of_matrix)
        made = np.zeros(there.size, dtype=bool)
        made[places[self.of_matrix.chosen(int(self.steps[0]) - 1, self.sign * change, len(places))]] = True
        shaped = made.reshape(of_matrix.shape)
        return shaped.T if self.transposed else shaped


def rounding_of(circuit: Circuit, matrix: str, change: int) -> int:
    """The third number of a matrix's changes, those that add to it and those that take away."""
    return ROUNDING + 2 * list(circuit.matrix_shapes).index(matrix) + (change > 0)


def bits_of(key: int, a: int, b: NDArray[np.uint64], c: int) -> NDArray[np.uint64]:
    """64 bits for every b."""
    start = np.uint64((key + a * A + c * C) % 2**64)
    with np.errstate(over="ignore"):
        z = start + b * np.uint64(B)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(D)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(E)
    found: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return found


def thresholds_raised(key: int, step: int, first: int, size: int, noise: int) -> NDArray[np.int64]:
    """By how much the noise raises the thresholds of neurons first .. first + size - 1 in a step, (size,)."""
    drawn = bits_of(key, step, np.arange(first, first + size, dtype=np.uint64), NOISE)
    return (drawn >> np.uint64(64 - FRACTION)).astype(np.int64) * noise >> FRACTION


def chosen(skips: Skips, key: int, sample: int, what: int, n: int) -> NDArray[np.int64]:
    """Which of n changes are made, in order."""
    if skips.more[0] == 0:
        return np.arange(n)
    found: list[NDArray[np.int64]] = []
    at, drawn, longest = -1, 0, len(skips.more)
    while at < n:
        draws = bits_of(key, sample, np.arange(drawn, drawn + 256, dtype=np.uint64), what) >> np.uint64(64 - CHANCE)
        drawn += 256
        left_out = longest - np.searchsorted(skips.more[::-1], draws.astype(np.int64), side="right")
        makes = (left_out < longest) | (skips.more[-1] == 0)
        places = at + np.cumsum(left_out + makes)
        found.append(places[makes])
        at = int(places[-1])
    places = np.concatenate(found)
    return places[places < n]
