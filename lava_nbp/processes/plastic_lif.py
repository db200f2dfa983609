"""The neuron behind plastic synapses: a LIF that tells them of its spikes and of the third factor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_kind
from lava_nbp.base.integers import saturate_state, wrap_state
from lava_nbp.base.widths import ALIGNMENT_BITS, STATE_BITS, TRACE_BITS
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.nbp.draws import epoch_key, thresholds_raised
from lava_nbp.nbp.gated_group import check_shape
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class PlasticLIF(LibraryProcess):
    """Memoryless CUBA-LIF neurons with the ports that Lava's `LearningDense` learns from.

    Equation, in register units::

        u[t] = wrap24(64 * a_in[t])
        v[t] = saturate24(u[t] + bias_mant * 2**bias_exp)
        s[t] = v[t] > 64 * (vth + noise[t])  and no spike in the last refractory - 1 steps;  v = 0 after a spike
        y3[t] = a_third_factor_in[t]                 (0 .. 127; y1 = y2 = 0)

    Lava's own `LearningLIF` never sends its traces on the CPU simulator; this Process has the same
    learning ports and sends them in every step. Source: Renner et al. 2024, Methods.

    Parameters
    ----------
    shape : tuple of int
        Shape of the population.
    vth : int
        Threshold, 0 .. 2**17 - 1; the register holds 64 times it.
    bias_mant, bias_exp : int
        Bias in register units is bias_mant * 2**bias_exp: 13 bits with sign, and 0 .. 7.
    refractory : int
        Steps from a spike to the next possible one, 1 .. 63.
    noise : int
        In every step the threshold of each neuron is raised by an integer in 0 .. noise - 1, in weight units; see
        `lava_nbp.nbp.draws`. 0 or 1: by none.

    Ports
    -----
    a_in : shape, int32, weight units
        Weighted input that acts in the step it arrives in, as with Lava's LIF.
    a_third_factor_in : shape, int32
        Third factor of this step.
    s_out : shape, int32 0 or 1
        Spikes of this step.
    s_out_bap, s_out_y1, s_out_y2, s_out_y3 : shape
        The same spikes, and the traces: connect `s_in_bap`, `s_in_y1`, ... of a `LearningDense`.

    Vars
    ----
    u, v : shape, 24 bits, register units (64 times weight units)
        Synaptic current and membrane voltage of the last step; read-only.

    Raises
    ------
    InputError
        For a parameter out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> a, third = Source(data=np.array([[900, 1100, 1100, 1100]])), Source(data=np.array([[0, 0, 1, 1]]))
    >>> neuron, sink, y3 = PlasticLIF((1,), vth=1024, refractory=2), *(Sink(shape=(1,), buffer=4) for _ in "ab")
    >>> a.s_out.connect(neuron.a_in)
    >>> third.s_out.connect(neuron.a_third_factor_in)
    >>> neuron.s_out.connect(sink.a_in)
    >>> neuron.s_out_y3.connect(y3.a_in)
    >>> with LavaRuntime(neuron) as runtime:
    ...     runtime.run(4)
    ...     print(sink.data.get().astype(int), y3.data.get().astype(int))  # step 3 is refractory
    [[0 1 0 1]] [[0 0 1 1]]
    """

    def __init__(
        self,
        shape: Any,
        *,
        vth: int,
        bias_mant: int = 0,
        bias_exp: int = 0,
        refractory: int = 1,
        noise: int = 0,
        name: str | None = None,
    ) -> None:
        shape = check_shape(shape)
        called = "s" if name is None else name  # in messages
        registers = NeuronRegisters(
            called, math.prod(shape), vth, bias_mant, bias_exp, refractory, feeds_learning=True, noise=noise
        )
        self.registers = replace(registers, name="s")  # their port is s_out, whatever the Process is called
        #: u, v, and steps until the neuron may fire again.
        self.state = shared_zeros((3, *shape), np.int64)
        self._noise = Noise()
        super().__init__(shape=shape, registers=self.registers, state=self.state, noise_source=self._noise, name=name)
        self.a_in = InPort(shape=shape)
        self.a_third_factor_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.s_out_bap = OutPort(shape=shape)
        self.s_out_y1 = OutPort(shape=shape)
        self.s_out_y2 = OutPort(shape=shape)
        self.s_out_y3 = OutPort(shape=shape)
        self.u = SharedVar(lambda: self.state[0])
        self.v = SharedVar(lambda: self.state[1])

    @classmethod
    def of(cls, neurons: NeuronRegisters) -> PlasticLIF:
        """Make the neurons that a lowered circuit has behind plastic synapses."""
        check_kind(neurons, NeuronRegisters, "neurons")
        return cls(
            (neurons.size,),
            vth=neurons.vth,
            bias_mant=neurons.bias_mant,
            bias_exp=neurons.bias_exp,
            refractory=neurons.refractory,
            noise=neurons.noise,
            name=neurons.name,
        )

    def draw_by(self, key: Callable[[], int], first: int) -> None:
        """Let the noise follow from a key of the moment, and the first neuron be at a place among all others.

        What `lava_nbp.nbp.draws.epoch_key` returns is a key; as long as nobody says otherwise that of seed 0.
        """
        self._noise.key, self._noise.first = key, first

    def reset(self) -> None:
        """Forget the last spikes. Call it between runs."""
        self.state[...] = 0
        self._noise.steps[0] = 0


class Noise:
    """What a population's noise follows from; shared with the children.

    Attributes
    ----------
    key : callable
        Returns the 64 bits of the moment.
    first : int
        Place of the first neuron.
    steps : (1,) int64
        Steps done.
    """

    def __init__(self) -> None:
        self.key: Callable[[], int] = partial(epoch_key, 0, 0)
        self.first = 0
        self.steps = shared_zeros(1, np.int64)


@implements(proc=PlasticLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyPlasticLIF(PyLoihiProcessModel):  # type: ignore[misc]
    """Fixed-point CPU model, with the chip's wrap, saturation and refractory period."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=STATE_BITS)
    a_third_factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=TRACE_BITS)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    s_out_bap: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    s_out_y1: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=TRACE_BITS)
    s_out_y2: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=TRACE_BITS)
    s_out_y3: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=TRACE_BITS)
    u: Any = LavaPyType(np.ndarray, np.int64, precision=STATE_BITS)
    v: Any = LavaPyType(np.ndarray, np.int64, precision=STATE_BITS)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.registers: NeuronRegisters = proc_params["registers"]
        self.state = proc_params["state"]
        self._noise: Noise = proc_params["noise_source"]
        self._resting = int(saturate_state(self.registers.bias))

    def start(self) -> None:
        """Let the Vars be the memory that is shared with the parent, then serve the runtime."""
        self.u, self.v = self.state[0], self.state[1]
        super().start()

    def run_spk(self) -> None:
        """One step: input, spikes, and what the synapses learn from."""
        r, (u, v, silent) = self.registers, self.state
        arrived, third = self.a_in.recv(), self.a_third_factor_in.recv()
        spikes = np.zeros(v.shape, np.int32)
        fired: Any = False
        if np.count_nonzero(arrived) or self._resting > r.threshold:
            u[...] = wrap_state(arrived.astype(np.int64) << ALIGNMENT_BITS)
            v[...] = saturate_state(u + r.bias)
            fired = (v > r.threshold) & (silent == 0)
            if r.noise > 1 and np.count_nonzero(fired):
                source = self._noise
                raised = thresholds_raised(source.key(), int(source.steps[0]), source.first, v.size, r.noise)
                fired &= v > r.threshold + (raised.reshape(v.shape) << ALIGNMENT_BITS)
        else:
            u[...], v[...] = 0, self._resting
        if np.count_nonzero(silent):
            silent[...] = np.maximum(silent - 1, 0)
        if np.count_nonzero(fired):
            silent[fired] = r.refractory - 1
            v[fired] = 0
            spikes[fired] = 1
        if np.count_nonzero(third):
            third = np.clip(third, 0, (1 << TRACE_BITS) - 1)
        self._noise.steps[0] += 1
        none = np.zeros(v.shape, np.int32)
        self.s_out.send(spikes)
        self.s_out_bap.send(spikes)
        self.s_out_y1.send(none)
        self.s_out_y2.send(none)
        self.s_out_y3.send(third)
