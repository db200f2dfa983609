"""A population of spiking neurons that can fire only when a gate is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava_nbp.base.checks import check_sequence
from lava_nbp.nbp.gated_group import Gate, Neurons, Readout, Synapses
from lava_nbp.nbp.levels import GATED_BIAS, THRESHOLD
from lava_nbp.on_lava.gated_process import GatedFloatModel, GatedModel, GatedProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class GatedLIF(GatedProcess):
    """Memoryless CUBA-LIF neurons that can fire only when gated.

    Equation (du = dv = 4095, so nothing is remembered), in register units::

        u[t] = wrap24(64 * (a_in[t] + sum of w * spikes[t - 1 - delay] + sum of gate weights))
        v[t] = saturate24(u[t] + bias_mant * 2**bias_exp)
        s[t] = v[t] > 64 * (vth + noise[t])  and no spike in the last refractory - 1 steps;  v = 0 after a spike

    With the default bias of -8192 and threshold of 1024, input of up to 9216 cannot
    make a neuron fire; with an open gate of 8704 it fires if its other input is more
    than 512. Source: Renner et al. 2024, Methods.

    Parameters
    ----------
    shape : tuple of int
        Shape of the population.
    gates : sequence of Gate
        What opens (or, with a negative weight, inhibits) the population.
    n_gates : int
        Length of the gate vector: the length of the chain it is connected to.
    synapses : sequence of Synapses
        One-to-one spike inputs by port, with weight and delay; the population is named "s".
        Default: one port `s_in` with weight 520, just over 512, so that a gate lets a spike through.
    bias, vth, refractory, schedule, noise
        See `Neurons`.
    readout : int, optional
        Entry of the gate vector in whose steps `a_out` shows the pre-activation.

    Ports
    -----
    a_in : shape, int32 (floating-point model: real), weight units
        Weighted input that acts in the step it arrives in, as with Lava's LIF: connect
        Dense, `HebbianDense`, or any other Process that has already taken a step for it.
    s_in, or the ports that `synapses` names : shape, spikes
        Act in the next step, or `delay` steps later. Senders that arrive together add up.
    gate_in : (n_gates,) spikes
        Act in the next step: connect `SynfireChain.s_out`.
    s_out : shape, int32 0 or 1
        Spikes of this step.
    a_out : shape, int32, weight units
        With `readout`: input without gates in the step in which that gate is open, else 0.

    Vars
    ----
    u, v : shape, 24 bits, register units (64 times weight units)
        Synaptic current and membrane voltage of the last step; read-only.
    breaches : (1,) int64
        Spikes without an open gate, and sums that wrapped, so far; read-only.

    Raises
    ------
    InputError
        For a shape, bias, threshold, delay, refractory period or gate that does not fit the chip.
    WeightError
        For a weight that is no 8-bit mantissa times 2**0 .. 2**7.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> spikes, gate = Source(data=np.ones((2, 4), int)), Source(data=np.array([[0, 1, 0, 1]]))
    >>> population, sink = GatedLIF((2,)), Sink(shape=(2,), buffer=4)
    >>> spikes.s_out.connect(population.s_in)
    >>> gate.s_out.connect(population.gate_in)
    >>> population.s_out.connect(sink.a_in)
    >>> with LavaRuntime(population) as runtime:
    ...     runtime.run(4)
    ...     print(sink.data.get().astype(int))  # a gate in step 2 lets a spike through in step 3
    [[0 0 1 0]
     [0 0 1 0]]
    """

    def __init__(
        self,
        shape: Any,
        *,
        gates: Sequence[Gate] = (Gate(0),),
        n_gates: int = 1,
        synapses: Sequence[Synapses] = (Synapses("s_in", "s"),),
        bias: int = GATED_BIAS,
        vth: int = THRESHOLD,
        refractory: int = 1,
        schedule: tuple[int, ...] | None = None,
        readout: int | None = None,
        noise: int = 0,
        name: str | None = None,
    ) -> None:
        neurons = Neurons("s", check_sequence(gates, "gates"), bias, vth, refractory, schedule, noise)
        shown = None if readout is None else Readout("s", readout)
        super().__init__(shape, [neurons], synapses, n_gates, shown, dense=["s"], name=name)


@implements(proc=GatedLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyGatedLIFFixed(GatedModel):
    """Fixed-point CPU model, with the chip's wrap and saturation."""


@implements(proc=GatedLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyGatedLIFFloat(GatedFloatModel):
    """Floating-point CPU model: real `a_in`, no wrap, no saturation."""
