"""Models of EventProp's learning for Loihi 2. Without Intel's lava-loihi this module is empty, and says nothing.

They only transcribe what `lava_nbp.loihi.programs` and `lava_nbp.loihi.learning_parts` say; none has ever run on a
chip. Known from published models are the calls: microcode, words of neurons, axons, synapses, accumulators, and that a
C model has ports and a file. Not known, and guessed: that words of a program are initialised by their names, and what
tells a program which accumulator is which of its ports (here: `port`) and which axon which of its own (`axon`); that
reference ports write synaptic memory from an embedded processor; and the C program itself, which is not written: see
`lava_nbp.loihi.embedded` for what it computes.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("lava.magma.core.model.nc") is not None:
    from collections.abc import Mapping
    from typing import Any

    import numpy as np

    from lava_nbp.base.widths import DELAY_MAX, STATE_BITS, WEIGHT_BITS
    from lava_nbp.errors import InputError
    from lava_nbp.loihi.embedded import EmbeddedLearning, Learned
    from lava_nbp.loihi.learning_parts import INPUT, LOSS, LOST, Group, groups_of, pairs
    from lava_nbp.loihi.program_files import LEARNER, program_files
    from lava_nbp.processes.chip_answers import ChipAnswers
    from lava_nbp.processes.embedded_learner import EmbeddedLearner
    from lava_nbp.processes.eventprop_network import EventPropNetwork
    from lava_nbp.processes.mirrored_synapses import MirroredSynapses
    from lava_nbp.processes.ncmodels import NcPorts
    from lava_nbp.processes.programmed_neurons import ProgrammedNeurons

    from lava.magma.core.decorator import implements, requires, tag
    from lava.magma.core.model.c.model import CLoihiProcessModel
    from lava.magma.core.model.c.ports import CInPort, COutPort, CRefPort
    from lava.magma.core.model.c.type import LavaCType
    from lava.magma.core.model.nc.model import AbstractNcProcessModel
    from lava.magma.core.model.nc.type import LavaNcType
    from lava.magma.core.model.nc.var import NcVar
    from lava.magma.core.model.sub.model import AbstractSubProcessModel
    from lava.magma.core.resources import LMT, Loihi2NeuroCore
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
    from lava.proc.embedded_io.spike import NxToPyAdapter, PyToNxAdapter
    from lava.proc.io.source import RingBuffer

    #: Bits of Vars.
    _BITS = {LOST: STATE_BITS, "weights": WEIGHT_BITS, "mirror": WEIGHT_BITS}

    class _NcMembers(NcPorts):
        """Lets a model have the ports that its Process has, all of which are graded, and its Vars."""

        def __getattr__(cls, name: str) -> Any:
            if name in _BITS:
                return LavaNcType(NcVar, np.int32, precision=_BITS[name])
            return super().__getattr__(name)

    class _Nc(AbstractNcProcessModel, metaclass=_NcMembers):  # type: ignore[misc]
        """Allocates synapses whose spikes are graded."""

        def connect_synapses(
            self, net: Any, source: Any, ends: Any, into: Any, weights: Any, *, signed: bool = False, exponent: int = 0,
            delay: int = 0,
        ) -> None:  # fmt: skip
            """From a port or an axon, by pairs of neurons, to accumulators."""
            (src, dst), bits = ends, DELAY_MAX.bit_length() if delay else 0
            ax_in = net.ax_in.allocate(shape=(int(src.max()) + 1,))
            ax_in.connect(net.ax_in_cfg.allocate(shape=1, num_message_bits=STATE_BITS))
            syn = net.syn.allocate(shape=(len(src),), weights=weights, delays=delay)
            syn.connect(
                net.syn_cfg.allocate(
                    shape=1,
                    is_signed=int(signed),
                    num_weight_bits=WEIGHT_BITS,
                    num_delay_bits=bits,
                    weights_exp=exponent,
                )
            )
            source.connect(ax_in)
            ax_in[src].connect(syn)
            syn.connect(into[dst])

    @implements(proc=ProgrammedNeurons, protocol=LoihiProtocol)
    @requires(Loihi2NeuroCore)
    class NcProgrammedNeurons(_Nc):
        """Model of `ProgrammedNeurons`: what EventPropInput, EventPropLIF and EventPropTTFS are on the chip."""

        def allocate(self, net: Any) -> None:
            """Transcribe populations, their programs, words, accumulators and axons; then synapses between them."""
            group: Group = self.proc_params["group"]
            files: Mapping[str, str] = self.proc_params["files"]
            accumulators, axons = {}, {}
            for p in group.populations:
                words: dict[str, Any] = {word.name: word.initial for word in p.program.state} | p.initial
                if p is group.populations[0] and LOST in words:
                    words[LOST] = self.lost
                neurons = net.neurons.allocate_ucode(shape=(p.size,), **words)
                neurons.connect(net.neurons_cfg.allocate_ucode(shape=(1,), ucode=files[p.name]))
                for port in p.program.ports:
                    made = accumulators[p.name, port] = net.dend_acc.allocate(shape=(p.size,), port=port)
                    made.connect(net.dend_acc_cfg.allocate(shape=1, num_delay_bits=DELAY_MAX.bit_length()))
                    made.connect(neurons)
                for axon in p.program.axons:
                    sent = axons[p.name, axon] = net.ax_out.allocate(
                        shape=(p.size,), num_message_bits=STATE_BITS, axon=axon
                    )
                    neurons.connect(sent)
            for s in group.synapses:
                into = accumulators[s.post, s.port]
                if s.pattern == "matrix":  # weighted elsewhere
                    getattr(self, group.port_of(s)).connect(into)
                    continue
                source = axons[s.pre, s.axon] if group.inside(s) else getattr(self, group.port_of(s))
                n_pre = group.sizes[s.pre] if group.inside(s) else group.ports[group.port_of(s)]
                ends = pairs(s, n_pre, group.sizes[s.post])
                ones = np.ones(len(ends[0]), np.int32)  # of one sign: the least weight of mixed signs is 2
                self.connect_synapses(net, source, ends, into, ones, delay=s.delay)
            for axon in group.sends:
                axons[group.name, axon].connect(getattr(self, axon))

    @implements(proc=MirroredSynapses, protocol=LoihiProtocol)
    @requires(Loihi2NeuroCore)
    class NcMirroredSynapses(_Nc):
        """Model of `MirroredSynapses`: the two synaptic memories of MirroredDense."""

        def allocate(self, net: Any) -> None:
            """Transcribe one matrix, and its transposed copy."""
            self._matrix(net, self.s_in, self.weights, self.proc_params["exponent"], self.a_out)
            if self.proc_params["backward"]:
                self._matrix(net, self.adjoint_in, self.mirror, 0, self.adjoint_back_out)

        def _matrix(self, net: Any, source: Any, weights: Any, exponent: int, out: Any) -> None:
            n_pre, n_post = weights.shape
            accumulators = net.dend_acc.allocate(shape=(n_post,))
            accumulators.connect(net.dend_acc_cfg.allocate(shape=1, num_delay_bits=0))
            ends = np.indices((n_pre, n_post)).reshape(2, -1)
            self.connect_synapses(net, source, ends, accumulators, weights, signed=True, exponent=exponent)
            accumulators.connect(out)

    class _CPorts(type(CLoihiProcessModel)):  # type: ignore[misc]
        """Lets a model have the ports and Vars that its Process has."""

        def __getattr__(cls, name: str) -> Any:
            if name.endswith("_in"):
                return LavaCType(CInPort, np.int32, precision=32)
            if name.endswith("_out"):
                return LavaCType(COutPort, np.int32, precision=32)
            if name.endswith("_ref"):
                return LavaCType(CRefPort, np.int32, precision=32)
            if name.startswith("_"):
                raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
            return LavaCType(np.ndarray, np.int64, precision=64)

    @implements(proc=EmbeddedLearner, protocol=LoihiProtocol)
    @requires(LMT)
    class CEmbeddedLearner(CLoihiProcessModel, metaclass=_CPorts):  # type: ignore[misc]
        """Model of `EmbeddedLearner`, whose C program is not written; `EmbeddedLearning` is what it computes."""

        @property
        def source_file_name(self) -> Any:
            """The C program."""
            return self.proc_params["file"]

    @implements(proc=EventPropNetwork, protocol=LoihiProtocol)
    @tag("fixed_pt", "bit_accurate_loihi")
    class SubEventPropNetworkChip(AbstractSubProcessModel):  # type: ignore[misc]
        """Hierarchical model: neurons that run programs, matrices in two synaptic memories, and what learns.

        The host plays a metronome, starts, spikes and labels through lava-loihi's adapters, and hears outputs.
        """

        built_from = "chip"
        #: It needs graded spikes, and neurons that are programs.
        graded = True

        def __init__(self, proc: EventPropNetwork) -> None:
            if proc.granularity != "step":
                raise InputError(
                    f"a chip runs one step per Lava step, but granularity is {proc.granularity!r}; make the "
                    f"EventPropNetwork with granularity='step'"
                )
            lowered = proc.lower()
            files = program_files(lowered)
            neurons = {g.name: ProgrammedNeurons(g, files, name=g.name) for g in groups_of(lowered)}
            synapses = {
                s.name: MirroredSynapses(s.mantissas, s.exponent, backward=s.pre != INPUT, name=s.name)
                for s in lowered.synapses
                if s.learned == s.name
            }
            self._keep(*neurons.values(), *synapses.values())
            asked = [one for one in neurons.values() if hasattr(one, LOST)]
            optimizers = zip(lowered.learned, proc.engine.arithmetic, proc.engine.optimizers, strict=True)
            learning = EmbeddedLearning(
                [Learned(*one) for one in optimizers], lowered.clock, int(proc.control.batch[0]),
                float(proc.control.rate[0]),
            )  # fmt: skip
            learner = EmbeddedLearner(learning, asked, list(synapses.values()), files[LEARNER], name="learner")
            self._keep(learner)
            proc.loaded(learner)
            for matrix in lowered.learned:
                _connect(neurons[matrix.pre], synapses[matrix.name], neurons[matrix.post], learner)
            output, loss = neurons[lowered.learned[-1].post], neurons[LOSS]
            output.s_out.connect(loss.s_in)
            loss.adjoint_out.connect(output.adjoint_in)
            self._connect_host(proc, neurons, learner, asked, lowered.clock.steps)

        def _connect_host(
            self, proc: EventPropNetwork, neurons: Mapping[str, Any], learner: Any, asked: list[Any], steps: int
        ) -> None:
            start = np.zeros((1, proc.chip_period), np.int32)
            start[0, 1] = 1  # in Lava step 2, as the source's first spikes
            metronome = RingBuffer(data=start)
            answers = ChipAnswers(
                proc.engine.sizes[-1], steps, proc.chip_period, [str(one.name) for one in asked],
                "make the EventPropNetwork with a larger room or input_room, or smaller weights", proc.answer_log,
            )  # fmt: skip
            self._keep(metronome, answers)
            beat = self._adapted(metronome.s_out, PyToNxAdapter)
            for one in (*neurons.values(), learner):
                beat.connect(one.start_in)
            metronome.s_out.connect(answers.start_in)
            self._adapted(proc.s_in, PyToNxAdapter).connect(neurons[INPUT].spikes_in)
            self._adapted(proc.label_in, PyToNxAdapter).connect(neurons[LOSS].label_in)
            output = neurons[str(asked[-1].name)]
            self._adapted(output.s_out, NxToPyAdapter).connect(answers.s_in)
            self._adapted(learner.lost_out, NxToPyAdapter).connect(answers.lost_in)
            answers.said_out.connect(proc.said_out)

        def _keep(self, *processes: Any) -> None:
            for process in processes:
                setattr(self, f"part_{len(vars(self))}", process)

        def _adapted(self, port: Any, adapter: Any) -> Any:
            """What is behind a port and an adapter."""
            made = adapter(shape=port.shape)
            self._keep(made)
            port.connect(made.inp)
            return made.out

    def _connect(pre: Any, synapses: MirroredSynapses, post: Any, learner: EmbeddedLearner) -> None:
        """Spikes go through synapses to a layer, pieces of d the other way; the learner hears spikes and lI."""
        pre.s_out.connect(synapses.s_in)
        synapses.a_out.connect(post.a_in)
        if hasattr(synapses, "mirror"):
            post.adjoint_out.connect(synapses.adjoint_in)
            synapses.adjoint_back_out.connect(pre.adjoint_in)
        pre.s_out.connect(getattr(learner, f"{synapses.name}_s_in"))
        post.lI_out.connect(getattr(learner, f"{synapses.name}_lI_in"))
