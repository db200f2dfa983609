"""Input neurons of an EventProp network: relay spikes forward, replay them backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_kind
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.parts import InputPart
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class EventPropInput(LibraryProcess):
    """n input neurons: what arrives in phase k is the input of step k; backward every spike is replayed.

    An input may have several spikes in a step: messages say how many.

    With T steps per sample, a spike that arrives in phase k of 0 .. T - 1 leaves in the same Lava
    step, and once more in phase 2 T + 1 - k, when the layer behind runs step k backward
    and a `MirroredDense` multiplies it with lI. Source: Wunderlich & Pehle 2021, Table 1.

    Parameters
    ----------
    n : int
        Inputs.
    c : FixedPoint
        Arithmetic; gives T.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (n,) int32
        How many spikes each input has, from anywhere. They act in the Lava step they arrive in.
    gate_in : (2 T + 2,) spikes
        `s_out` of a `SynfireChain` of ``c.period`` neurons.
    s_out : (n,) int32
        Spikes, then their replay: connect `MirroredDense.s_in`.
    adjoint_in : (n,) int32
        dL/dt of the spikes replayed in the phase before, 1/ms with ``c.adjoint_bits`` fractional bits.
        Nothing is done with it: connect it, or read it with a sink, where inputs are to be explained.

    Raises
    ------
    InputError
        For a number of inputs that is not a positive integer. A run ends with one for a number of spikes below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp.eventprop import FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> c = FixedPoint(NeuronParameters(), dt=1, end=2)
    >>> neuron, chain = EventPropInput(1, c), SynfireChain(c.period, autostart=True)
    >>> source, sink = Source(data=np.array([[0, 2, 0]])), Sink(shape=(1,), buffer=7)
    >>> for out, into in [(chain.s_out, neuron.gate_in), (source.s_out, neuron.s_in), (neuron.s_out, sink.a_in)]:
    ...     out.connect(into)
    >>> with LavaRuntime(neuron) as runtime:
    ...     runtime.run(7)
    ...     print(sink.data.get().ravel().astype(int))  # phase 0 is Lava step 2; its replay comes in phase 2 T + 1
    [0 2 0 0 0 0 2]
    """

    def __init__(self, n: int, c: FixedPoint, *, name: str | None = None) -> None:
        check_kind(c, FixedPoint, "c")
        self.part = InputPart(n, c, shared_zeros)
        super().__init__(part=self.part, name=name)
        self.s_in = InPort(shape=(n,))
        self.gate_in = InPort(shape=(c.period,))
        self.adjoint_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))

    def reset(self) -> None:
        """Forget the sample at hand. Call it between runs, with all parts of the network."""
        self.part.reset()


@implements(proc=EventPropInput, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEventPropInput(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model."""

    _graded = ("s_out",)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.part: InputPart = proc_params["part"]

    def run_spk(self) -> None:
        """Relay or replay, then take the answer and the next phase."""
        self.s_out.send(self.part.run(self.s_in.recv()).astype(np.int32))
        self.adjoint_in.recv()
        self.part.phases.receive(self.gate_in.recv())
