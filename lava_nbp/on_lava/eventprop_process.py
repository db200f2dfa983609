"""What Processes of EventProp have in common: neurons' state and ports to and from synapses, and how input comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.memory import check_memory
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.parts import LIFPart
from lava_nbp.eventprop.tally import Counts
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType

#: Messages of a whole sample that exist at once: of the source, on the way, and at the network.
_MESSAGES = 4


def input_shape(n_in: int, c: FixedPoint, granularity: Granularity) -> tuple[int, ...]:
    """Shape of the numbers of input spikes in a message: (n_in,) of a step, or (T, n_in) of a whole sample.

    Raises
    ------
    InputError
        If messages of whole samples need more memory than the limit.
    """
    if granularity == "step":
        return (n_in,)
    check_memory(
        _MESSAGES * 4 * c.steps * n_in,
        f"a sample of {c.steps} steps and {n_in} inputs in one message",
        "use granularity 'step' (target lava-primitives), or fewer steps",
    )
    return c.steps, n_in


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
        """Send d and lI to the synapses in front."""
        self.adjoint_out.send(back.astype(np.int32))
        self.lI_out.send(lI.astype(np.int32))
