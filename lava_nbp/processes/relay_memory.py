"""A memory of one binary vector: spikes wait in a delay, and leave when the gate is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_sequence
from lava_nbp.errors import InputError
from lava_nbp.nbp.gated_group import Gate, Neurons, Synapses
from lava_nbp.nbp.levels import GATED_BIAS, RELAY, THRESHOLD
from lava_nbp.on_lava.gated_process import GatedModel, GatedProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class RelayMemory(GatedProcess):
    """Holds a binary vector for `delays` steps behind a gate.

    A spike that arrives in step t leaves in step t + 1 + d, for every d in `delays`, if a
    gate arrives in step t + d; otherwise it is forgotten. In weight units, one-to-one::

        v[t] = 520 * sum over d of s_in[t - 1 - d] + sum of gate weights + bias
        s[t] = v[t] > vth  and no spike in the last refractory - 1 steps

    Registers as for `GatedLIF`. Source: Renner et al. 2024, Methods (relays m_x and m_h1).

    Parameters
    ----------
    shape : tuple of int
        Shape of the vector.
    delays : int or sequence of int
        How long spikes wait, 0 .. 62 steps (the chip's limit) beyond the one of transport;
        several: the vector comes back as often. For more, connect memories in a row.
    gates, n_gates, bias, vth, refractory, schedule
        As for `GatedLIF`.
    port : str
        Name of the spike input.

    Ports
    -----
    s_in (or `port`) : shape, spikes
        The vector to hold.
    gate_in : (n_gates,) spikes
        Opens in the next step: connect `SynfireChain.s_out`.
    s_out : shape, int32 0 or 1
        The vector that was held, in the step after its gate.

    Vars
    ----
    u, v : shape, 24 bits, register units
        Synaptic current and membrane voltage of the last step; read-only.
    breaches : (1,) int64
        Spikes without an open gate so far: none, unless many spikes arrive at once; read-only.

    Raises
    ------
    InputError, WeightError
        As for `GatedLIF`; for a delay outside 0 .. 62, or none at all.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> vector = Source(data=np.array([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]))
    >>> gate, memory = Source(data=np.array([[0, 0, 0, 1, 0, 0]])), RelayMemory((2,), delays=3)
    >>> sink = Sink(shape=(2,), buffer=6)
    >>> vector.s_out.connect(memory.s_in)
    >>> gate.s_out.connect(memory.gate_in)
    >>> memory.s_out.connect(sink.a_in)
    >>> with LavaRuntime(memory) as runtime:
    ...     runtime.run(6)
    ...     print(sink.data.get().astype(int))  # in at step 1, gate at step 1 + 3, out at step 1 + 1 + 3
    [[0 0 0 0 1 0]
     [0 0 0 0 0 0]]
    """

    def __init__(
        self,
        shape: Any,
        *,
        delays: int | Sequence[int] = 0,
        gates: Sequence[Gate] = (Gate(0),),
        n_gates: int = 1,
        bias: int = GATED_BIAS,
        vth: int = THRESHOLD,
        refractory: int = 1,
        schedule: tuple[int, ...] | None = None,
        port: str = "s_in",
        name: str | None = None,
    ) -> None:
        held = check_sequence(delays, "delays") if isinstance(delays, (list, tuple, np.ndarray)) else (delays,)
        if not held:
            raise InputError("RelayMemory without delays: nothing would reach it; give it one, or several")
        synapses = [Synapses(port, "s", RELAY, delay) for delay in held]
        neurons = Neurons("s", check_sequence(gates, "gates"), bias, vth, refractory, schedule)
        super().__init__(shape, [neurons], synapses, n_gates, name=name)


@implements(proc=RelayMemory, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt", "bit_accurate_loihi")
class PyRelayMemory(GatedModel):
    """CPU model; spikes and weights are integers, so that it is the same in every arithmetic."""
