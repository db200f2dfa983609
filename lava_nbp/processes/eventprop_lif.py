"""LIF neurons that run forward in time, and backward with adjoint variables."""

from __future__ import annotations

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_flag, check_integer, check_kind
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.parts import LIFPart
from lava_nbp.on_lava.eventprop_process import NeuronModel, NeuronProcess
from lava_nbp.on_lava.ports import InPort, OutPort

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class EventPropLIF(NeuronProcess):
    """A layer of n LIF neurons with the gradients of EventProp, in integers.

    Forward, in phases 1 .. T, with a = alpha, b = beta, g = gamma of `FixedPoint`::

        I = I + a_in;   V, I = (a V + g I) >> bits, (b I) >> bits
        V >= theta: a spike; its rise is stored; V = 0         rise: change of V in the step, times tau_m / dt

    Backward, in phases T + 2 .. 2 T + 1, through the same steps in reversed order::

        at a spike:   lV = lV + ((lV + adjoint_in) << theta_bits) // max(rise, floor)
        d = (tau_s / dt (g tau_m / tau_s lV - (1 - b) lI)) >> bits       the mean of lV - lI over the step
        lI, lV = (b lI + g tau_m / tau_s lV) >> bits, (a lV) >> bits

    With a refractory period (`FixedPoint.refractory`, R steps) V is 0 in so many steps behind a spike's. In the one
    after them its rise is stored; backward, (lV rise) >> theta_bits adds to what is sent to that spike, and lV is 0.

    Source: Wunderlich & Pehle 2021, Table 1; widths: `lava_nbp.eventprop.clocked.arithmetic`.

    Parameters
    ----------
    n : int
        Neurons.
    c : FixedPoint
        Arithmetic.
    phantom : bool
        For an output layer: a neuron that did not spike replays the step of its largest voltage, as -1,
        and adds the answer to lV there.
    layer : int
        Number of the layer in messages, from 0.
    name : str, optional
        Of the Process.

    Ports
    -----
    a_in : (n,) int32, units of V
        Weighted input of the step, from `MirroredDense.a_out`; several connections add up.
    adjoint_in : (n,) int32
        Errors of the spikes replayed in the phase before: from the `adjoint_back_out` of every `MirroredDense`
        behind, or from `EventPropTTFS.adjoint_out`. 1/ms, ``c.adjoint_bits`` fractional bits.
    gate_in : (2 T + 2,) spikes
        `s_out` of a `SynfireChain` of ``c.period`` neurons.
    s_out : (n,) int32 0, 1 or -1
        Spikes, and backward their replay, one phase before the neuron itself comes back to them.
    adjoint_out, lI_out : (n,) int32
        d, and lI at the beginning of the step, to `MirroredDense`. Zero outside the backward phases.

    Vars
    ----
    V, I, lV, lI : (n,) int64
        State; can be read.

    Raises
    ------
    InputError
        For numbers that are no positive integers. A run ends with one if a current overflows its 24
        bits, or its spikes need more memory than the limit (`lava_nbp.base.memory`).

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp.eventprop import FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> c = FixedPoint(NeuronParameters(), dt=1, end=3)
    >>> neuron, chain = EventPropLIF(1, c), SynfireChain(c.period, autostart=True)
    >>> source = Source(data=np.array([[0, 0, 2**19]]))
    >>> raster = SpikeRaster({"s": (1,)}, steps=9)
    >>> for out, into in [(chain.s_out, neuron.gate_in), (source.s_out, neuron.a_in), (neuron.s_out, raster.s_in)]:
    ...     out.connect(into)
    >>> with LavaRuntime(neuron) as runtime:
    ...     runtime.run(9)
    ...     print(raster.spikes["s"].ravel())  # spikes of steps 0 and 1; then 1 and 0 once more
    [0 0 1 1 0 0 1 1 0]
    """

    def __init__(
        self,
        n: int,
        c: FixedPoint,
        *,
        phantom: bool = False,
        layer: int = 0,
        name: str | None = None,
    ) -> None:
        check_kind(c, FixedPoint, "c")
        phantom, layer = check_flag(phantom, "phantom"), check_integer(layer, 0, None, "layer")
        super().__init__(LIFPart(n, c, phantom, layer, shared_zeros), name=name)
        self.adjoint_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))


@implements(proc=EventPropLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEventPropLIF(NeuronModel):
    """CPU model: a shell around `LIFPart`."""

    def run_spk(self) -> None:
        """Receive what acts now, run, send, take the next phase."""
        spikes, back, lI = self.part.run(self.a_in.recv(), self.adjoint_in.recv())
        self.s_out.send(spikes.astype(np.int32))
        self.send_adjoint(back, lI)
        self.part.phases.receive(self.gate_in.recv())
