"""What the host hears of an EventProp network that learns on a chip: first spikes, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.setup import AnswerLog
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: Lava steps from that in which the host sends the start of a sample to that in which spikes of step 0 come back:
#: the start takes one to the neurons, whose step 0 is one after it.
_BEFORE = 2


class ChipAnswers(LibraryProcess):
    """Keeps first spikes of n outputs, on the host, and ends the run when a neuron has lost a spike.

    Parameters
    ----------
    n : int
        Classes.
    steps, period : int
        Of a sample, T; and in all.
    asked : sequence of str
        Whose neurons may lose spikes, by name.
    cure : str
        What to do then, for messages.
    log : AnswerLog
        Gets the answer to every sample.
    name : str, optional
        Of the Process.

    Ports
    -----
    start_in : (1,) spikes
        The start of a sample, as the chip gets it.
    s_in : (n,) spikes
        Of the outputs.
    lost_in : (asked,) int32
        How many of the neurons of each have lost something.
    said_out : (n,) int32
        In the last Lava step of a sample the steps of first spikes, counted from 1; 0: silent. Else 0.

    Raises
    ------
    InputError
        For numbers that are no positive integers. A run ends with one if anything was lost.
    """

    #: Feeds or reads a chip from its host.
    on_host = True

    def __init__(
        self, n: int, steps: int, period: int, asked: Sequence[str], cure: str, log: AnswerLog, *,
        name: str | None = None,
    ) -> None:  # fmt: skip
        for value, what in ((n, "n"), (steps, "steps"), (period, "period")):
            check_integer(value, 1, None, what)
        check_kind(log, AnswerLog, "log")
        super().__init__(steps=steps, period=period, asked=tuple(asked), cure=cure, log=log, name=name)
        self.start_in, self.s_in = InPort(shape=(1,)), InPort(shape=(n,))
        self.lost_in = InPort(shape=(len(asked),))
        self.said_out = OutPort(shape=(n,))


@implements(proc=ChipAnswers, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyChipAnswers(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """Model for the host."""

    _graded = ("said_out",)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.steps, self.period = proc_params["steps"], proc_params["period"]
        self.asked, self.cure, self.log = (proc_params[name] for name in ("asked", "cure", "log"))
        #: Lava steps since the start; before the first there is none.
        self.since = -1
        self.first: Any = None

    def run_spk(self) -> None:
        """Note first spikes, and tell them at the end of the sample."""
        start, spikes, lost = self.start_in.recv(), self.s_in.recv(), self.lost_in.recv()
        if lost.any():
            names = ", ".join(f"{n} of {name}" for name, n in zip(self.asked, lost, strict=True) if n)
            raise InputError(f"neurons lost spikes of the last sample ({names}), which was not learned; {self.cure}")
        if start.any():
            self.since, self.first = 0, np.full(spikes.shape, self.steps)
        elif self.since >= 0:
            self.since += 1
        said = np.zeros(spikes.shape, np.int32)
        if self.since >= 0:
            step = self.since - _BEFORE
            if 0 <= step < self.steps:  # what comes later is replayed
                self.first[(spikes != 0) & (self.first == self.steps)] = step
            if self.since == self.period - 1:
                said[...] = np.where(self.first < self.steps, self.first + 1, 0)
                self.log.keep(self.first)
        self.said_out.send(said)
