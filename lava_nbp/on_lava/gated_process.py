"""What the Processes of gated neurons have in common: ports and Vars from a table, and their CPU models.

Order of a step, which makes rings of such Processes possible without deadlock:

1. weighted input (`a_in`) is received; it acts in this very step, as with Lava's LIF;
2. the neurons fire and send;
3. spikes and gates are received; they act in the next step, or `delay` steps later.

So a spike connection costs one step and needs no Process of its own, and weighted
input comes from Processes that send before they receive (`HebbianDense`, Lava's
Dense), whose step it has already cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.widths import STATE_BITS
from lava_nbp.errors import InputError
from lava_nbp.nbp.gated_group import GatedGroup, Neurons, Readout, Synapses
from lava_nbp.nbp.work import Counters
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType


class GatedProcess(LibraryProcess):
    """A `GatedGroup` as a Process; see there for equations, widths and units.

    Parameters
    ----------
    shape, neurons, synapses, n_gates, readout
        As for `GatedGroup`.
    dense : sequence of str
        Groups of populations, joined by "+", that share a port for weighted input: "s"
        gets `a_in`, and so does "s+lo" with both; another population p `p_a_in`.
    """

    def __init__(
        self,
        shape: Any,
        neurons: Sequence[Neurons],
        synapses: Sequence[Synapses] = (),
        n_gates: int = 1,
        readout: Readout | None = None,
        dense: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        self.group = group = GatedGroup(shape, neurons, synapses, n_gates, readout, shared_zeros)
        names = [part.split("+") for part in dense]
        ports = {_dense_port(populations[0]): tuple(populations) for populations in names}
        outs = {f"{population}_out": population for population in group.names}
        taken = [*ports, *group.ports, *outs, *(["gate_in"] if n_gates else [])]
        double = next((port for port in taken if taken.count(port) > 1), None)
        if double is not None:
            raise InputError(f"port {double!r} would be there twice; give the synapses another port name")
        super().__init__(group=group, dense_ports=ports, out_ports_of=outs, name=name)
        for port, senders in {**dict.fromkeys(ports, 0), **group.ports}.items():
            self.add_member(port, InPort(shape=(senders,) if senders else group.shape), "synapses")
        if n_gates:
            self.gate_in = InPort(shape=(n_gates,))
        for port, population in outs.items():
            self.add_member(port, OutPort(shape=group.shape), f"population {population!r}")
        if readout is not None:
            self.a_out = OutPort(shape=group.shape)
        self.u = SharedVar(lambda: _state(group, group.u))
        self.v = SharedVar(lambda: _state(group, group.v))
        self.breaches = SharedVar(lambda: group.counters.gate_breaches)

    @property
    def counters(self) -> Counters:
        """Work done so far: views that stay current."""
        return self.group.counters

    def reset(self) -> None:
        """Forget every spike under way. Call it between runs."""
        self.group.reset()


def _state(group: GatedGroup, state: Any) -> Any:
    """State as its Var shows it: (populations, *shape), or shape if there is one population."""
    return state if len(group.names) > 1 else state[0]


def _dense_port(population: str) -> str:
    return "a_in" if population == "s" else f"{population}_a_in"


class GatedModel(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """Fixed-point CPU model of a `GatedProcess`: a shell around the group that it shares with the parent."""

    _weighted: Any = np.int32

    u: Any = LavaPyType(np.ndarray, np.int64, precision=STATE_BITS)
    v: Any = LavaPyType(np.ndarray, np.int64, precision=STATE_BITS)
    breaches: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.group: GatedGroup = proc_params["group"]
        self.dense_ports: dict[str, tuple[str, ...]] = proc_params["dense_ports"]
        self.outs: dict[str, str] = proc_params["out_ports_of"]

    def start(self) -> None:
        """Let the Vars be the group's own memory, then serve the runtime."""
        self.u, self.v = _state(self.group, self.group.u), _state(self.group, self.group.v)
        self.breaches = self.group.counters.gate_breaches
        # Looked up once: in most steps little else is to be done.
        self._dense_in = [(getattr(self, port).recv, names) for port, names in self.dense_ports.items()]
        self._spikes_in = [(port, getattr(self, port).recv) for port in self.group.ports]
        outs = [(getattr(self, port), population) for port, population in self.outs.items()]
        self._spikes_out = [(port.send, population) for port, population in outs if port.csp_ports]
        self._shows = hasattr(self, "a_out")
        self._no_spikes = np.zeros(self.group.shape, np.int32)
        super().start()

    def run_spk(self) -> None:
        """One step; see the module for the order."""
        dense = {}
        for receive, populations in self._dense_in:
            weighted = receive()
            dense.update(dict.fromkeys(populations, weighted))
        group = self.group
        fired = group.fire(dense)
        silent = fired is group.silence
        for send, population in self._spikes_out:
            send(self._no_spikes if silent else fired[population].astype(np.int32))
        if self._shows:
            self.a_out.send(group.pre_activation)
        if not silent:
            for population, spikes in fired.items():
                group.receive(population, spikes)
        for port, receive in self._spikes_in:
            group.receive(port, receive())
        if group.n_gates:
            group.receive_gates(self.gate_in.recv())


class GatedFloatModel(GatedModel):
    """Floating-point CPU model of a `GatedProcess`: real input, no wrap, no saturation."""

    _weighted = np.float64

    u: Any = LavaPyType(np.ndarray, np.float64)
    v: Any = LavaPyType(np.ndarray, np.float64)

    def start(self) -> None:
        """Switch the group to real numbers, then serve the runtime."""
        self.group.use_floating_point()
        super().start()
