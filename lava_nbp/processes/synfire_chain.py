"""A synfire chain of gating neurons: the clock of a circuit."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_flag, check_integer, is_integer, shown
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.nbp.pulse_chain import ChainFault, PulseChain
from lava_nbp.nbp.work import Counters
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar, integers_into
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: Gating neurons of a chain at most.
_LONGEST = 1 << 16


class SynfireChain(LibraryProcess):
    """A ring or line of n gating neurons that one spike runs through, a neuron per step.

    Gating neurons have no bias, and links a weight of 9280 over the threshold of 1024
    (weight units)::

        v_0[t] = 9280 * (start_in[t - 1] + s_{n-1}[t - 1] in a ring),   v_k[t] = 9280 * s_{k-1}[t - 1]
        s_k[t] = v_k[t] > 1024

    What neuron k gates may fire in the step after it: connect `s_out` to the `gate_in`
    of a population made with ``n_gates=n`` and ``gates=[Gate(k)]``. Source: Renner et al.
    2024, Methods.

    Parameters
    ----------
    n : int
        Gating neurons, 1 or more.
    ring : bool
        The last starts the first again; False is a line.
    repeats : int, optional
        How often a start spike runs through a ring; None: for ever.
    autostart : bool
        Neuron 0 fires in step 1, without a start spike.
    strict : bool
        A lost or doubled pulse ends the run with an error; otherwise it is only reported.

    Ports
    -----
    start_in : (1,) spikes
        Neuron 0 fires in the next step.
    s_out : (n,) int32 0 or 1
        Spikes of all gating neurons in this step; entry k is phase k.
    phase0_out .. phase<n-1>_out : (1,) int32 0 or 1
        The same, one port per phase; see `phase`. A port that is not connected costs nothing.

    Vars
    ----
    alive : (n,) 0 or 1
        A dead gating neuron (0) loses the pulse; can be set.
    lost, doubled : (1,) int64
        How often a pulse did not fire the neuron it reached, and how often there was one
        more than before; read-only. `faults` says when and where.

    Raises
    ------
    InputError
        For a number of neurons or repeats that is not a positive integer, or repeats of a line.

    Examples
    --------
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava_nbp import LavaRuntime
    >>> chain, sink = SynfireChain(3, autostart=True), Sink(shape=(3,), buffer=5)
    >>> chain.s_out.connect(sink.a_in)
    >>> with LavaRuntime(chain) as runtime:
    ...     runtime.run(5)
    ...     print(sink.data.get().astype(int))
    ...     chain.alive.set(0, idx=2)
    ...     runtime.run(3)
    ...     print(chain.faults[0])
    [[1 0 0 1 0]
     [0 1 0 0 1]
     [0 0 1 0 0]]
    step 6: the pulse was lost at gating neuron 2
    """

    def __init__(
        self,
        n: int,
        *,
        ring: bool = True,
        repeats: int | None = None,
        autostart: bool = False,
        strict: bool = False,
        name: str | None = None,
    ) -> None:
        self.pulses = PulseChain(n, ring, repeats, check_flag(autostart, "autostart"), shared_zeros)
        n = check_integer(n, 1, _LONGEST, "number of gating neurons of a chain", "each has a port")
        super().__init__(pulses=self.pulses, strict=check_flag(strict, "strict"), name=name)
        self.start_in = InPort(shape=(1,))
        self.s_out = OutPort(shape=(n,))
        for k in range(n):
            setattr(self, f"phase{k}_out", OutPort(shape=(1,)))
        self.alive = SharedVar(lambda: self.pulses.alive, integers_into(self.pulses.alive, 0, 1, "SynfireChain.alive"))
        self.lost = SharedVar(lambda: self.pulses.lost)
        self.doubled = SharedVar(lambda: self.pulses.doubled)

    def phase(self, k: int) -> OutPort:
        """The (1,) output of gating neuron k.

        Raises
        ------
        InputError
            For a k outside 0 .. n - 1.
        """
        if not (is_integer(k) and 0 <= k < self.pulses.n):
            raise InputError(f"phase {shown(k)} of a chain of {self.pulses.n}: it must be in 0 .. {self.pulses.n - 1}")
        port: OutPort = getattr(self, f"phase{k}_out")
        return port

    @property
    def faults(self) -> list[ChainFault]:
        """The first 256 lost and doubled pulses, each with step and phase."""
        return self.pulses.faults

    @property
    def counters(self) -> Counters:
        """Work done so far: views that stay current."""
        return self.pulses.counters

    def reset(self) -> None:
        """Forget the pulse and all faults; with `autostart` the next step is phase 0. Call it between runs."""
        self.pulses.reset()


@implements(proc=SynfireChain, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt", "bit_accurate_loihi")
class PySynfireChain(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; spikes are the same in every arithmetic."""

    start_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=1)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    alive: Any = LavaPyType(np.ndarray, np.uint8, precision=1)
    lost: Any = LavaPyType(np.ndarray, np.int64)
    doubled: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.pulses: PulseChain = proc_params["pulses"]
        self.strict: bool = proc_params["strict"]

    def start(self) -> None:
        """Let the Vars be the chain's own memory, then serve the runtime."""
        self.alive, self.lost, self.doubled = self.pulses.alive, self.pulses.lost, self.pulses.doubled
        ports = [getattr(self, f"phase{k}_out") for k in range(self.pulses.n)]
        self.connected = [(k, port) for k, port in enumerate(ports) if port.csp_ports]
        super().start()

    def run_spk(self) -> None:
        """Fire, send, and take a start spike for the next step."""
        spikes = self.pulses.fire().astype(np.int32)
        self.s_out.send(spikes)
        for k, port in self.connected:
            port.send(spikes[k : k + 1])
        self.pulses.start(self.start_in.recv())
        if self.strict and self.pulses.faults:
            raise RuntimeFailure(f"synfire chain: {self.pulses.faults[0]}")
