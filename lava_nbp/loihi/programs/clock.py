"""When a neuron does what: steps of the chip from the one in which the start of a sample arrives.

===================  =====================================================================================
steps of the chip    what happens
===================  =====================================================================================
0                    states are cleared; the input spikes of step 0 are sent
1 .. T               forward, step k = clock - 1: neurons run; spikes act in the next step
T + 1 .. T + 3       the loss hears the last spikes, sums, and sends errors
T + 4 ..             backward: F steps of the chip for each step k, T - 1 first. In the first of them neurons run
                     step k; in all of them the pieces of d are sent, a piece at a time
===================  =====================================================================================

F is the number of pieces, see `lava_nbp.loihi.programs.arithmetic.limbs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lava_nbp.loihi.programs.writer import Writer

#: Steps between the last one forward and the first one backward.
TURN = 3
#: Port by which a sample begins.
START = "start_in"


@dataclass(frozen=True)
class Clock:
    """How long a sample takes, and what neurons know it by.

    Attributes
    ----------
    steps : int
        T.
    pieces : int
        F.
    """

    steps: int
    pieces: int

    @property
    def backward(self) -> int:
        """The first step of the chip that goes backward."""
        return self.steps + 1 + TURN

    @property
    def period(self) -> int:
        """Steps of the chip that a sample takes."""
        return self.backward + self.pieces * self.steps

    def words(self, w: Writer) -> None:
        """The words that it takes."""
        w.state("clock", "steps of the chip since the sample began; the period: none runs", self.period)
        w.state("k", "step that runs backward", self.steps)
        w.state("piece", "which piece of d is sent", self.pieces - 1)

    @contextmanager
    def running(self, w: Writer) -> Iterator[None]:
        """What is written within runs while a sample does. When it begins, all words get what they hold at first."""
        idle = w.label()
        w.least("clock", "clock", self.period - 1)
        w.add("clock", "clock", 1)
        with w.if_not_equal(START, 0):
            for word in w.words:
                w.mov(word.name, 0 if word.name == "clock" else word.initial)
        w.jump_if("GE", "clock", self.period, idle)
        yield
        w.put(idle)

    @contextmanager
    def going_back(self, w: Writer) -> Iterator[None]:
        """What is written within runs in every step of the chip that goes backward."""
        with w.if_least("clock", self.backward):
            w.add("piece", "piece", 1)
            with w.if_equal("piece", self.pieces):
                w.mov("piece", 0)
                w.add("k", "k", -1)
            yield
