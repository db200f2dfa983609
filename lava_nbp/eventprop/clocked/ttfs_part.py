"""The time-to-first-spike loss of a clocked network, phase by phase, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_integer
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.losses import TTFSTables, phantom_impulse
from lava_nbp.eventprop.clocked.phases import PHANTOM, SPIKE, LabelPart, Phases
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.tally import Counts, Tally


class TTFSPart:
    """The time-to-first-spike loss: watches the output layer forward, answers its replays backward.

    Parameters
    ----------
    n : int
        Classes.
    loss : TTFSLoss
    c : FixedPoint
    silent : SilentPolicy
        "none" or "phantom".
    """

    def __init__(
        self, n: int, loss: TTFSLoss, c: FixedPoint, silent: SilentPolicy | None = None, allocate: Allocate = np.zeros
    ) -> None:
        self.n, self.c = check_integer(n, 1, None, "number of classes"), c
        self.phases, self.label = Phases(c.steps, allocate), LabelPart(allocate)
        self._tables = TTFSTables.of(loss, c)
        self._impulse = phantom_impulse((silent or SilentPolicy()).strength_of("phantom"), c)
        self.first = allocate(n, np.int64)
        self._errors, self._answer = allocate(n, np.int64), allocate(n, np.int64)
        self.tally = Tally(allocate)
        self.reset()

    def reset(self) -> None:
        """Forget the sample at hand; the tally stays."""
        self.phases.reset()
        self._clear()

    def _clear(self) -> None:
        self.first[...] = self.c.steps
        self._errors[...] = 0
        self._answer[...] = 0
        self.label.clear()

    def answer(self) -> Int64Array:
        """Errors (n,) of the spikes that were replayed in the phase before."""
        return self._answer.copy()

    def receive(self, spikes: Any, target: Any) -> Int64Array | None:
        """Take the output layer's spikes or replay (n,) and the target; first steps (T: silent) when they are known."""
        if self.phases.begins:
            self._clear()
        self.label.receive(target)
        self._answer[...] = 0
        said = np.asarray(spikes)
        k = self.phases.forward
        if k >= 0:
            self.first[(said == SPIKE) & (self.first == self.c.steps)] = k
        label = self.label.value
        if self.phases.turns and label >= 0:
            self._errors[...] = self._tables.errors(self.first, label)
            self.tally.add(Counts(silent_labels=int(self.first[label] == self.c.steps)))
        replayed = self.phases.replayed
        if replayed >= 0 and label >= 0:
            is_first = (said == SPIKE) & (self.first == replayed)
            self._answer[is_first] = self._errors[is_first]
            if said[label] == PHANTOM:
                self._answer[label] = self._impulse
        return self.first.copy() if self.phases.turns else None
