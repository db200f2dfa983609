"""A neuron's spikes of a sample, kept until they are met again on the way back: the newest one first.

A stack of so many places, each a step and a value, which moves down by a place for each spike: so no address has to be
computed. A spike that finds it full is lost, and counted: what is learned from such a sample is not what it should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lava_nbp.loihi.programs.machine import Operand
from lava_nbp.loihi.programs.writer import Writer


@dataclass(frozen=True)
class SpikeStack:
    """So many places.

    Attributes
    ----------
    room : int
        Places.
    value : str
        What is kept of a spike beside its step, in words.
    """

    room: int
    value: str

    def words(self, w: Writer) -> None:
        """The words that it takes."""
        w.state("spikes", "how many spikes are kept")
        w.state("lost", "how many did not find room")
        for n in range(self.room):
            w.state(f"step{n}", f"step of spike {n}, the newest being 0; -1: none", -1)
            w.state(f"value{n}", self.value)

    def push(self, w: Writer, step: Operand, value: Operand) -> None:
        """Keep a spike."""
        with w.either("GE", "spikes", self.room) as full:
            for n in range(self.room - 1, 0, -1):
                w.mov(f"step{n}", f"step{n - 1}")
                w.mov(f"value{n}", f"value{n - 1}")
            w.mov("step0", step)
            w.mov("value0", value)
            w.add("spikes", "spikes", 1)
            full.otherwise()
            w.add("lost", "lost", 1)

    @contextmanager
    def meets(self, w: Writer) -> Iterator[None]:
        """What is written within runs if the newest spike is of step k; then it is dropped."""
        with w.if_equal("step0", "k"):
            yield
            for n in range(self.room - 1):
                w.mov(f"step{n}", f"step{n + 1}")
                w.mov(f"value{n}", f"value{n + 1}")
            w.mov(f"step{self.room - 1}", -1)
            w.add("spikes", "spikes", -1)
