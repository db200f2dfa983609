"""An output layer that only integrates, with a loss of its largest or mean voltages."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.ladder import Ladder
from lava_nbp.eventprop.clocked.parts import ReadoutPart
from lava_nbp.eventprop.clocked.setup import AnswerLog, Setup
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss
from lava_nbp.on_lava.eventprop_process import NeuronModel, NeuronProcess
from lava_nbp.on_lava.ports import InPort, OutPort

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class EventPropReadout(NeuronProcess):
    """n leaky integrators, and the cross-entropy of their largest or mean voltages.

    Forward like `EventPropLIF`, without spikes. In phase T + 1 the loss is taken, and backward lV
    gets an impulse where the voltage of output k was largest::

        L = -log softmax(max_t V)_y,   lV_k = lV_k - (softmax(max_t V)_k - [k = y]) / tau_m

    or, of mean voltages m, in every step its share g / sum g, g = exp(-t / tau)::

        L = -log softmax(gain m)_y,    lV_k = lV_k - gain (softmax(gain m)_k - [k = y]) / tau_m g / sum g

    Sources: Wunderlich & Pehle 2021, Methods; Nowotny, Turner & Knight 2025. Widths:
    `lava_nbp.eventprop.clocked.losses`.

    Parameters
    ----------
    n : int
        Classes.
    c : FixedPoint
        Arithmetic.
    loss : MaxVoltageLoss or MeanVoltageLoss, optional
        Default the first.
    ladder : Ladder, optional
        With MaxVoltageLoss and a chip's neurons: what is said are levels, see `lava_nbp.eventprop.clocked.ladder`.
    layer : int
        Number of the layer in messages, from 0.
    log : AnswerLog, optional
        Gets the answer to every sample.
    name : str, optional
        Of the Process.

    Ports
    -----
    a_in : (n,) int32, units of V
        Weighted input, from `MirroredDense.a_out`.
    label_in : (n,) spikes
        The target, one-hot, in any of the phases 0 .. T; without it a sample teaches nothing.
    gate_in : (2 T + 2,) spikes
        `s_out` of a `SynfireChain` of ``c.period`` neurons.
    adjoint_out, lI_out : (n,) int32
        As of `EventPropLIF`, to `MirroredDense`.
    said_out : (n,) int32
        Largest voltages in units of V, mean voltages in 128ths of that, of 31 bits, or levels, in phase T + 1; zero in
        all others.

    Vars
    ----
    V, I, lV, lI : (n,) int64
        State; can be read.

    Raises
    ------
    InputError
        For a number of classes that is not a positive integer, another loss, or a ladder where there can be none.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp.eventprop import AnswerLog, FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> from lava_nbp.base.arrays import shared_zeros
    >>> c, log = FixedPoint(NeuronParameters(), dt=1, end=3), AnswerLog(2, 1, shared_zeros)
    >>> outputs, chain = EventPropReadout(2, c, log=log), SynfireChain(c.period, autostart=True)
    >>> source = Source(data=np.array([[0, 0, 2**14], [0, 0, -(2**14)]]))
    >>> chain.s_out.connect(outputs.gate_in)
    >>> source.s_out.connect(outputs.a_in)
    >>> with LavaRuntime(outputs) as runtime:
    ...     runtime.run(1 + c.period)
    ...     print(log.rows)  # of 2**14, the threshold; the largest voltage of the second is that of rest
    [[1704    0]]
    """

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        *,
        loss: MaxVoltageLoss | MeanVoltageLoss | None = None,
        ladder: Ladder | None = None,
        layer: int = 0,
        log: AnswerLog | None = None,
        name: str | None = None,
    ) -> None:
        check_kind(c, FixedPoint, "c")
        layer = check_integer(layer, 0, None, "layer")
        if log is not None:
            check_kind(log, AnswerLog, "log")
        loss = MaxVoltageLoss() if loss is None else loss
        check_kind(loss, (MaxVoltageLoss, MeanVoltageLoss), "loss")
        # What integers hold of a loss is for the setup of a network to say.
        rungs = Setup(c, loss, ladder=ladder).rungs
        super().__init__(ReadoutPart(n, c, loss, layer, shared_zeros, rungs), answer_log=log, name=name)
        self.label_in = InPort(shape=(n,))
        self.said_out = OutPort(shape=(n,))


@implements(proc=EventPropReadout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEventPropReadout(NeuronModel):
    """CPU model: a shell around `ReadoutPart`."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.answer_log: AnswerLog | None = proc_params["answer_log"]

    def run_spk(self) -> None:
        """Receive what acts now, run, send, take target and next phase."""
        part = self.part
        _, back, lI = part.run(self.a_in.recv(), np.zeros(part.n, np.int64))
        self.send_adjoint(back, lI)
        answer = part.judge(self.label_in.recv())
        if answer is not None and self.answer_log is not None:
            self.answer_log.keep(answer)
        self.said_out.send(np.zeros(part.n, np.int32) if answer is None else answer.astype(np.int32))
        part.phases.receive(self.gate_in.recv())
