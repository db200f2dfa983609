"""What the Processes of EventProp's neurons have in common: state, and ports to and from synapses."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.eventprop.clocked.parts import LIFPart
from lava_nbp.eventprop.tally import Counts
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType


class NeuronProcess(LibraryProcess):
    """A layer of neurons around a `LIFPart`: weighted input, gate, outgoing adjoint variables, state as Vars."""

    def __init__(self, part: LIFPart, **parameters: Any) -> None:
        self.part = part
        super().__init__(part=part, **parameters)
        self.a_in = InPort(shape=(part.n,))
        self.gate_in = InPort(shape=(part.c.period,))
        self.adjoint_out = OutPort(shape=(part.n,))
        self.lI_out = OutPort(shape=(part.n,))
        self.V = SharedVar(lambda: part.V)
        self.I = SharedVar(lambda: part.I)
        self.lV = SharedVar(lambda: part.lV)
        self.lI = SharedVar(lambda: part.lI)

    @property
    def tally(self) -> Counts:
        """What was counted so far; the largest of its numbers since the network's `rewind`."""
        return self.part.tally.read()

    def reset(self) -> None:
        """Forget the sample at hand. Call it between runs, with all parts of the network."""
        self.part.reset()


class NeuronModel(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model of a `NeuronProcess`."""

    _graded = ("s_out", "adjoint_out", "lI_out", "said_out")

    V: Any = LavaPyType(np.ndarray, np.int64)
    I: Any = LavaPyType(np.ndarray, np.int64)  # noqa: E741 - the paper's symbol
    lV: Any = LavaPyType(np.ndarray, np.int64)
    lI: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.part: Any = proc_params["part"]

    def start(self) -> None:
        """Let the Vars be the part's own memory, then serve the runtime."""
        self.V, self.I, self.lV, self.lI = self.part.V, self.part.I, self.part.lV, self.part.lI
        super().start()

    def send_adjoint(self, back: Any, lI: Any) -> None:
        """Send lV - lI and lI to the synapses in front."""
        self.adjoint_out.send(back.astype(np.int32))
        self.lI_out.send(lI.astype(np.int32))
