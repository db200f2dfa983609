"""A synfire chain of gating neurons: one pulse that travels, watched.

Gating neurons have no bias. Link k -> k + 1 has the weight LINK = 9280 > threshold,
so in weight units::

    v_k[t] = 9280 * (s_{k-1}[t - 1] + start[t - 1] if k = 0),   s_k[t] = v_k[t] > 1024

and a pulse moves by one neuron per step. Source: Renner et al. 2024, Methods.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_flag, check_integer
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.nbp.work import Counters

#: Faults that are kept with step and phase; all are counted.
_KEPT = 256


class ChainFault(NamedTuple):
    """A pulse that went missing, or one too many."""

    step: int  #: counted from 1, as Lava counts
    kind: Literal["lost", "doubled"]
    phase: int  #: the gating neuron that did not fire; of a doubled pulse the first that did

    def __str__(self) -> str:
        if self.kind == "lost":
            return f"step {self.step}: the pulse was lost at gating neuron {self.phase}"
        return f"step {self.step}: more than one pulse is under way, the first at gating neuron {self.phase}"


class PulseChain:
    """The chain and its watch.

    Parameters
    ----------
    n : int
        Gating neurons, 1 or more.
    ring : bool
        Whether the last starts the first again.
    repeats : int, optional
        How often a pulse runs through a ring; None: for ever. A line runs once.
    started : bool
        Whether a start spike is under way at the beginning, so that neuron 0 fires in step 1.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same state.

    Raises
    ------
    InputError
        For a number of neurons or repeats that is not a positive integer, or repeats of a line.
    """

    def __init__(
        self,
        n: int,
        ring: bool = True,
        repeats: int | None = None,
        started: bool = False,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.n = check_integer(n, 1, NEURONS_PER_CHIP, "number of gating neurons of a chain")
        if repeats is not None:
            repeats = check_integer(repeats, 1, None, "repeats", "None means no end")
        if repeats is not None and not ring:
            raise InputError(f"repeats is {repeats}, but a line runs once per start; use ring=True")
        self.ring, self.started = check_flag(ring, "ring"), check_flag(started, "started")
        self.repeats = repeats
        self.alive = allocate(self.n, np.uint8)
        self.alive[...] = 1
        self._arriving = allocate(self.n, np.uint8)
        self._laps = allocate(1, np.int64)
        self._step = allocate(1, np.int64)
        self._under_way = allocate(1, np.int64)
        self.lost = allocate(1, np.int64)
        self.doubled = allocate(1, np.int64)
        self._log = allocate((_KEPT, 3), np.int64)
        self.counters = Counters.make(allocate)
        self.reset()

    def reset(self) -> None:
        """Forget every pulse and fault; `alive` stays."""
        for array in (self._arriving, self._laps, self._step, self._under_way, self.lost, self.doubled):
            array[...] = 0
        self._arriving[0] = self.started

    @property
    def faults(self) -> list[ChainFault]:
        """The first 256 faults; `lost` and `doubled` count all."""
        kept = min(int(self.lost[0] + self.doubled[0]), _KEPT)
        return [
            ChainFault(int(step), "lost" if kind == 0 else "doubled", int(phase))
            for step, kind, phase in self._log[:kept]
        ]

    def fire(self) -> NDArray[np.bool_]:
        """Run one step; which gating neurons fire, (n,)."""
        self._step[0] += 1
        expected = self._arriving != 0
        fired: NDArray[np.bool_] = expected & (self.alive != 0)
        pulses = int(np.count_nonzero(fired))
        if np.count_nonzero(expected) > pulses:
            for phase in np.flatnonzero(expected & ~fired):
                self._report(0, int(phase))
                self.lost[0] += 1
        if pulses > max(1, int(self._under_way[0])):
            self._report(1, int(np.argmax(fired)))
            self.doubled[0] += 1
        self._under_way[0] = pulses
        self._arriving[0] = 0
        self._arriving[1:] = fired[:-1]
        links = pulses
        if fired[-1]:
            self._laps[0] += 1
            again = self.ring and (self.repeats is None or self._laps[0] < self.repeats)
            self._arriving[0] = again
            links -= not again
        self.counters.spikes[0] += pulses
        self.counters.synaptic_events[0] += links
        return fired

    def _report(self, kind: int, phase: int) -> None:
        k = int(self.lost[0] + self.doubled[0])
        if k < _KEPT:
            self._log[k] = self._step[0], kind, phase

    def start(self, spikes: Any) -> None:
        """Take the start spikes of this step: neuron 0 fires in the next."""
        if np.count_nonzero(spikes):
            self._arriving[0] = 1
            self._laps[0] = 0
