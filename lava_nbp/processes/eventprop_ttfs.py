"""The time-to-first-spike loss as a Process: watches outputs, and answers their replayed spikes with errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_kind
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import AnswerLog
from lava_nbp.eventprop.clocked.ttfs_part import TTFSPart
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.tally import Counts
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class EventPropTTFS(LibraryProcess):
    """Cross-entropy of the first spikes of n outputs.

    It notes the first spikes of the forward phases; when one is replayed, its error goes back::

        L = -log( exp(-t_y / tau0) / sum_k exp(-t_k / tau0) ) + alpha (exp(t_y / tau1) - 1)
        adjoint_out_k = dL/dt_k                       exponentials are tables, all else is integer

    Source: Wunderlich & Pehle 2021, Methods.

    Parameters
    ----------
    n : int
        Classes.
    c : FixedPoint
        Arithmetic.
    loss : TTFSLoss, optional
        Time constants; default the paper's.
    silent : SilentPolicy, optional
        "none", or "phantom" for a label's output that is silent; then the output layer must be
        made with ``phantom=True``.
    log : AnswerLog, optional
        Gets the answer to every sample.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (n,) int32 0, 1 or -1
        `EventPropLIF.s_out` of the output layer.
    label_in : (n,) spikes
        The target, one-hot, in any of the phases 0 .. T; without it a sample teaches nothing.
    gate_in : (2 T + 2,) spikes
        `s_out` of a `SynfireChain` of ``c.period`` neurons.
    adjoint_out : (n,) int32
        Errors, 1/ms with ``c.adjoint_bits`` fractional bits, to `EventPropLIF.adjoint_in`.
    said_out : (n,) int32
        In phase T + 1: step of each first spike, counted from 1, or 0 for a silent output; zero in all other phases.

    Raises
    ------
    InputError
        For a number of classes that is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp.eventprop import AnswerLog, FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> from lava_nbp.base.arrays import shared_zeros
    >>> c, log = FixedPoint(NeuronParameters(), dt=1, end=3), AnswerLog(2, 1, shared_zeros)
    >>> loss, chain = EventPropTTFS(2, c, log=log), SynfireChain(c.period, autostart=True)
    >>> outputs = Source(data=np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]))
    >>> chain.s_out.connect(loss.gate_in)
    >>> outputs.s_out.connect(loss.s_in)
    >>> with LavaRuntime(loss) as runtime:
    ...     runtime.run(1 + c.period)
    ...     print(log.rows)  # the first spikes in step 1, the second never (T = 3)
    [[1 3]]
    """

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        *,
        loss: TTFSLoss | None = None,
        silent: SilentPolicy | None = None,
        log: AnswerLog | None = None,
        name: str | None = None,
    ) -> None:
        check_kind(c, FixedPoint, "c")
        for value, kind, what in ((loss, TTFSLoss, "loss"), (silent, SilentPolicy, "silent"), (log, AnswerLog, "log")):
            if value is not None:
                check_kind(value, kind, what)
        self.part = TTFSPart(n, TTFSLoss() if loss is None else loss, c, silent, shared_zeros)
        super().__init__(part=self.part, answer_log=log, name=name)
        self.s_in = InPort(shape=(n,))
        self.label_in = InPort(shape=(n,))
        self.gate_in = InPort(shape=(c.period,))
        self.adjoint_out = OutPort(shape=(n,))
        self.said_out = OutPort(shape=(n,))

    @property
    def tally(self) -> Counts:
        """Samples so far whose label's output was silent."""
        return self.part.tally.read()

    def reset(self) -> None:
        """Forget the sample at hand. Call it between runs, with all parts of the network."""
        self.part.reset()


@implements(proc=EventPropTTFS, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEventPropTTFS(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model: a shell around `TTFSPart`."""

    _graded = ("adjoint_out", "said_out")

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.part: TTFSPart = proc_params["part"]
        self.answer_log: AnswerLog | None = proc_params["answer_log"]

    def run_spk(self) -> None:
        """Answer the phase before, then watch this one."""
        part = self.part
        self.adjoint_out.send(part.answer().astype(np.int32))
        answer = part.receive(self.s_in.recv(), self.label_in.recv())
        said = np.zeros(part.n, np.int32)
        if answer is not None:
            said[...] = np.where(answer < part.c.steps, answer + 1, 0)
            if self.answer_log is not None:
                self.answer_log.keep(answer)
        self.said_out.send(said)
        part.phases.receive(self.gate_in.recv())
