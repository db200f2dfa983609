"""Models for Loihi's neurocores. Without Intel's lava-loihi this module is empty, and says nothing.

They only transcribe: registers and lists of synapses are computed, and tested, in `lava_nbp.loihi.registers`. The
calls are those of published models (lava-optimization, lava-dl); none of these models has ever run on a chip.
The neurons need a program: microcode that computes, per step, what the docstrings of the Processes say. The
environment variable LAVA_NBP_MICROCODE names its file; lava-loihi's own LIF comes with such a file.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("lava.magma.core.model.nc") is not None:
    from typing import Any

    import numpy as np

    from lava_nbp.base.widths import DELAY_MAX, STATE_BITS, TRACE_BITS, WEIGHT_BITS
    from lava_nbp.loihi.host import microcode
    from lava_nbp.loihi.registers import NeuronRegisters, SynapseRegisters, chain_registers, group_registers
    from lava_nbp.processes.error_neurons import ErrorNeurons
    from lava_nbp.processes.gated_lif import GatedLIF
    from lava_nbp.processes.plastic_lif import PlasticLIF
    from lava_nbp.processes.relay_memory import RelayMemory
    from lava_nbp.processes.surrogate_relu import SurrogateReLU
    from lava_nbp.processes.synfire_chain import SynfireChain

    from lava.magma.core.decorator import implements, requires
    from lava.magma.core.model.nc.model import AbstractNcProcessModel
    from lava.magma.core.model.nc.ports import NcInPort, NcOutPort
    from lava.magma.core.model.nc.type import LavaNcType
    from lava.magma.core.model.nc.var import NcVar
    from lava.magma.core.resources import NeuroCore
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

    class NcPorts(type(AbstractNcProcessModel)):  # type: ignore[misc]
        """Lets a model have the ports that its Process has, as `library_process.NamedPorts` does on the CPU."""

        def __getattr__(cls, name: str) -> Any:
            if name.endswith("_in"):
                return LavaNcType(NcInPort, np.int32, precision=STATE_BITS)
            if name.endswith("_out"):
                return LavaNcType(NcOutPort, np.int32, precision=STATE_BITS)
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}")

    class _NcNeurons(AbstractNcProcessModel, metaclass=NcPorts):  # type: ignore[misc]
        """Allocates populations and synapses from registers."""

        def transcribe(
            self, net: Any, populations: tuple[NeuronRegisters, ...], synapses: tuple[SynapseRegisters, ...]
        ) -> dict[str, Any]:
            """Allocate on a virtual neurocore, connect the ports; return the neurons by population."""
            neurons, axons = {}, {}
            for p in populations:
                config = net.neurons_cfg.allocate_ucode(
                    shape=(1,),
                    ucode=microcode(),
                    vth=p.threshold,
                    du=p.keep_u,
                    dv=p.keep_v,
                    refractory=p.refractory,
                )
                v = np.array(p.v, dtype=np.int32)
                neurons[p.name] = net.neurons.allocate_ucode(shape=(p.size,), u=0, v=v, bias=p.bias)
                axons[p.name] = net.ax_out.allocate(shape=(p.size,), num_message_bits=0)
                neurons[p.name].connect(config)
                neurons[p.name].connect(axons[p.name])
            for s in synapses:
                self._synapses(net, s, axons.get(s.pre), neurons[s.post])
            for name, axon in axons.items():
                axon.connect(getattr(self, f"{name}_out"))
            return neurons

        def _synapses(self, net: Any, s: SynapseRegisters, inside: Any, post: Any) -> None:
            bits = DELAY_MAX.bit_length() if s.delay else 0
            ax_in = net.ax_in.allocate(shape=(s.n_pre,))
            ax_in.connect(net.ax_in_cfg.allocate(shape=1, num_message_bits=0))
            syn = net.syn.allocate(shape=(s.n_synapses,), weights=np.array(s.mantissa), delays=s.delay)
            syn.connect(
                net.syn_cfg.allocate(
                    shape=1,
                    is_signed=int(s.inhibitory),
                    num_weight_bits=WEIGHT_BITS,
                    num_delay_bits=bits,
                    weights_exp=s.exponent,
                )
            )
            dend_acc = net.dend_acc.allocate(shape=post.shape)
            dend_acc.connect(net.dend_acc_cfg.allocate(shape=1, num_delay_bits=bits))
            (getattr(self, s.pre) if inside is None else inside).connect(ax_in)
            ax_in[np.array(s.src)].connect(syn)
            syn.connect(dend_acc[np.array(s.dst)])
            dend_acc.connect(post)

    class _NcGated(_NcNeurons):
        u: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)
        v: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)
        breaches: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)

        def allocate(self, net: Any) -> None:
            """Transcribe the group's registers; weighted input goes straight to the neurons, as with Lava's LIF."""
            neurons = self.transcribe(net, *group_registers(self.proc_params["group"]))
            for port, populations in self.proc_params["dense_ports"].items():
                for population in populations:
                    getattr(self, port).connect(neurons[population])

    @implements(proc=GatedLIF, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcGatedLIF(_NcGated):
        """Model of `GatedLIF`."""

    @implements(proc=RelayMemory, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcRelayMemory(_NcGated):
        """Model of `RelayMemory`."""

    @implements(proc=SurrogateReLU, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcSurrogateReLU(_NcGated):
        """Model of `SurrogateReLU`."""

    @implements(proc=ErrorNeurons, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcErrorNeurons(_NcGated):
        """Model of `ErrorNeurons`."""

    @implements(proc=SynfireChain, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcSynfireChain(_NcNeurons):
        """Model of `SynfireChain`."""

        alive: Any = LavaNcType(NcVar, np.int32, precision=1)
        lost: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)
        doubled: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)

        def allocate(self, net: Any) -> None:
            """Transcribe the chain's registers."""
            self.transcribe(net, *chain_registers(self.proc_params["pulses"]))

    @implements(proc=PlasticLIF, protocol=LoihiProtocol)
    @requires(NeuroCore)
    class NcPlasticLIF(_NcNeurons):
        """Model of `PlasticLIF`: its program also writes the third factor into the trace y3."""

        s_out_bap: Any = LavaNcType(NcOutPort, np.int32, precision=1)
        s_out_y1: Any = LavaNcType(NcOutPort, np.int32, precision=TRACE_BITS)
        s_out_y2: Any = LavaNcType(NcOutPort, np.int32, precision=TRACE_BITS)
        s_out_y3: Any = LavaNcType(NcOutPort, np.int32, precision=TRACE_BITS)
        u: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)
        v: Any = LavaNcType(NcVar, np.int32, precision=STATE_BITS)

        def allocate(self, net: Any) -> None:
            """Transcribe the registers of one population."""
            registers: NeuronRegisters = self.proc_params["registers"]
            neurons = self.transcribe(net, (registers,), ())[registers.name]
            self.a_in.connect(neurons)
            self.a_third_factor_in.connect(neurons)
            # On the chip the learning engine sees spikes and traces of its own core's neurons.
            for port in (self.s_out_bap, self.s_out_y1, self.s_out_y2, self.s_out_y3):
                neurons.connect(port)
