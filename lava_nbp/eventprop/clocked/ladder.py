"""How outputs that only integrate say their largest voltages by spikes, which are all that a chip sends.

Every output becomes several neurons with the same weights and delays, the rungs of a ladder, whose thresholds rise. Up
to its first spike a rung is, bit for bit, the output that only integrates; what it does after that does not matter. So
a rung spikes in a trial exactly if the largest voltage is above its threshold, and the number of rungs that spiked is
how high the voltage came: the level. The class of the highest level is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_real
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import ALIGNMENT_BITS, THRESHOLD_BITS
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint, Int64Array

#: Most rungs of an output: each is a neuron with synapses of its own.
MOST_RUNGS = 256
_LARGEST_VTH = (1 << THRESHOLD_BITS) - 1
#: In thresholds; a register holds less.
_HIGHEST = 1e9


class Rungs(NamedTuple):
    """A ladder in registers."""

    vth: Int64Array  #: (rungs,) of a chip, rising: a rung spikes above 64 times as much
    heights: NDArray[np.float64]  #: (rungs + 1,) of every level, in thresholds; 0: no rung was reached

    def levels(self, peaks: Int64Array) -> Int64Array:
        """How many rungs spike, of outputs with these largest voltages."""
        return np.searchsorted(self.vth << ALIGNMENT_BITS, peaks, side="left").astype(np.int64)


@dataclass(frozen=True)
class Ladder:
    """Rungs of every output, their thresholds being equally far apart.

    Parameters
    ----------
    rungs : int
        How many, 2 .. 256. A tie between outputs counts as wrong: the more rungs, the fewer ties.
    highest : float
        Threshold of the last rung, in thresholds of the output layer: about the largest voltage that there is.
    lowest : float, optional
        That of the first; default `highest` / `rungs`, as far above 0 as rungs are apart.

    Raises
    ------
    InputError
        For a number of rungs that there cannot be, or thresholds that are not positive and rising.
    """

    rungs: int
    highest: float
    lowest: float | None = None

    def __post_init__(self) -> None:
        check_integer(self.rungs, 2, MOST_RUNGS, "rungs of a ladder")
        check_real(self.highest, 0.0, _HIGHEST, "highest rung", "it is in thresholds", above=True)
        if self.lowest is not None:
            check_real(self.lowest, 0.0, _HIGHEST, "lowest rung", "it is in thresholds", above=True)
            if self.lowest >= self.highest:
                raise InputError(
                    f"lowest rung is {self.lowest:g} thresholds, but must be below the highest, {self.highest:g}; "
                    f"exchange them"
                )
        settle(self, "ladder", InputError)

    def of(self, c: FixedPoint) -> Rungs:
        """The rungs of outputs with this arithmetic.

        Raises
        ------
        InputError
            For neurons that are not the chip's, or thresholds that its registers do not hold, or not tell apart.
        """
        if not c.on_chip:
            raise InputError(
                f"neurons of the output layer are {c.neuron!r}, but rungs are a chip's; use neuron = 'loihi' "
                f"(clocked.neuron), or no rungs"
            )
        lowest = self.highest / self.rungs if self.lowest is None else self.lowest
        vth = np.rint(np.linspace(lowest, self.highest, self.rungs) * c.vth)
        if vth[-1] > _LARGEST_VTH:
            raise InputError(
                f"the highest rung is {self.highest:g} thresholds, but a chip's register holds "
                f"{_LARGEST_VTH / c.vth:.4g} at {c.theta_bits} theta_bits; lower it (clocked.highest_rung), or "
                f"theta_bits (clocked.theta_bits)"
            )
        if vth[0] < 1 or (np.diff(vth) < 1).any():
            raise InputError(
                f"{self.rungs} rungs from {lowest:g} to {self.highest:g} thresholds are not told apart by a chip's "
                f"register, whose unit is {1 / c.vth:.2g}; use fewer (clocked.rungs), set them wider apart "
                f"(clocked.highest_rung), or raise theta_bits (clocked.theta_bits)"
            )
        registers: Int64Array = vth.astype(np.int64)
        return Rungs(registers, np.append(0.0, registers / c.vth))
