"""A whole EventProp network as one Lava Process, or as a network of parts that exchange every message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_kind, check_positive, check_sequence
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.parts import check_counts
from lava_nbp.eventprop.clocked.setup import AnswerLog, Control, Setup
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.tally import Counts, Tally, total
from lava_nbp.loihi.learning_parts import PAUSE
from lava_nbp.loihi.programs.learning import DEFAULT_ROOM, LoweredLearning, check_room, lower_learning
from lava_nbp.on_lava.clock import Granularity, check_granularity
from lava_nbp.on_lava.eventprop_process import input_shape
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts
from lava_nbp.processes.eventprop_input import EventPropInput
from lava_nbp.processes.eventprop_lif import EventPropLIF
from lava_nbp.processes.eventprop_readout import EventPropReadout
from lava_nbp.processes.eventprop_ttfs import EventPropTTFS
from lava_nbp.processes.mirrored_dense import MirroredDense
from lava_nbp.processes.synfire_chain import SynfireChain

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

if TYPE_CHECKING:
    from lava_nbp.processes.embedded_learner import EmbeddedLearner


class EventPropNetwork(LibraryProcess):
    """A network of layers of LIF neurons that learns by EventProp, in integers.

    Every sample takes T steps forward and T steps backward in reversed time, driven by a synfire chain of
    2 T + 2 gating neurons; see `lava_nbp.eventprop.clocked.phases` for the phases, and
    `lava_nbp.eventprop.clocked.arithmetic` for equations and widths (Wunderlich & Pehle 2021).

    Models, chosen by the run configuration (`lava_nbp.run_config`), all bits the same: one Lava
    process, a sample per Lava step (target "lava", granularity "sample"), or a network of `SynfireChain`,
    `EventPropInput`, `MirroredDense`, `EventPropLIF` and a loss (target "lava-primitives", granularity "step"), in
    which n samples take 1 + n (2 T + 2) Lava steps. A third one is for Loihi 2 (target "loihi2", granularity "step";
    never yet run on a chip): neurons run programs, and n samples take 1 + n `chip_period` Lava steps, see
    `lava_nbp.loihi.programs`. What is learned there is what `read_masters` gives; there is no tally, and `control` is
    that of the moment in which the network is loaded.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        A matrix per layer, in thresholds.
    setup : Setup
        Arithmetic, loss and learning.
    recurrent : sequence of (n, n) float or None, optional
        Weights within each layer, (pre, post), in thresholds; None: a layer has none. A spike at the end of step k acts
        in step k + 1, in its own layer as in the next: between parts, a phase later.
    largest : sequence of float, optional
        Largest weight of each matrix that its 8 bits shall hold, in thresholds, in the order of `read_masters`.
    delays, recurrent_delays : sequence of (pre, post) or (pre,) int or None, optional
        Of every layer's weights and recurrent weights, in steps, 0 .. 62: how much later a spike reaches each neuron,
        or all from one source.
    delay_rate : float
        The rate, in thresholds, times this is that of the delays, in ms; 0: they stay.
    longest_delay : int
        In steps, beyond which no delay is given or learned, 62 at most.
    granularity : {"sample", "step"}
        What one Lava step is.
    batch : int
        Samples per update; 0: no learning.
    rate : float
        Of learning, in thresholds; `control` changes both between runs.
    capacity : int
        Answers that are kept, see `answers`.
    room, input_room : int
        On a chip: spikes of a neuron, and of an input, that are kept of a sample. A run ends with an error if there are
        more.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (n_in,) or (T, n_in) int32
        How many spikes each input has. Granularity "step": what arrives in phase k of 0 .. T - 1 is the input of step
        k. Granularity "sample": that of all steps, a row each.
    label_in : (n_classes,) spikes
        The label, one-hot, in any of the phases 0 .. T. A sample without one teaches nothing.
    said_out : (n_classes,) int32
        First spikes (steps, counted from 1; 0: silent), or largest voltages in units of V, mean ones in 128ths of that,
        or levels of a ladder; in granularity "step" in phase T + 1, on a chip in the last Lava step of a sample, and
        zero in all others.

    Raises
    ------
    WeightError
        For weights that do not fit together, or would overflow a current.
    InputError
        For a setup, delays, granularity, batch or rate that there is not, or samples whose messages need more memory
        than the limit. A run ends with one for a number of spikes below 0.

    Examples
    --------
    >>> from lava_nbp.eventprop import FixedPoint, NeuronParameters, Setup, TTFSLoss
    >>> from lava_nbp import LavaRuntime
    >>> setup = Setup(FixedPoint(NeuronParameters(), dt=0.5, end=30), TTFSLoss())
    >>> network = EventPropNetwork([[[9.0, 9.0]], [[8.0, 2.0], [2.0, 9.0]]], setup, capacity=2)
    >>> source = SpikeSource(1, 2, setup.c, capacity=2)
    >>> source.s_out.connect(network.s_in)
    >>> source.label_out.connect(network.label_in)
    >>> source.load([([0], [0]), ([10], [0])], labels=[1, 1])
    >>> with LavaRuntime(network) as runtime:
    ...     runtime.run(2)
    ...     print(network.answers)  # steps of first spikes: the label, which is 1, comes first
    [[12 11]
     [22 21]]
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        recurrent: Sequence[Any] | None = None,
        largest: Sequence[float] | None = None,
        delays: Sequence[Any] | None = None,
        recurrent_delays: Sequence[Any] | None = None,
        delay_rate: float = 0.0,
        longest_delay: int = DELAY_MAX,
        granularity: Granularity = "sample",
        batch: int = 1,
        rate: float = 5e-3,
        capacity: int = 0,
        room: int = DEFAULT_ROOM,
        input_room: int = 1,
        name: str | None = None,
    ) -> None:
        check_granularity(granularity)
        check_kind(setup, Setup, "setup")
        self._room = check_room(room, input_room)
        weights = check_sequence(weights, "weights", "give a matrix per layer")
        if largest is not None:
            largest = [check_positive(w, "largest weight of a matrix") for w in check_sequence(largest, "largest")]
        # Imported here because Lava executes this file at every compilation.
        from lava_nbp.eventprop.clocked.engine import ClockedEngine

        self.engine = ClockedEngine(
            weights, setup, recurrent=recurrent, largest=largest, delays=delays, recurrent_delays=recurrent_delays,
            delay_rate=delay_rate, longest_delay=longest_delay, allocate=shared_zeros,
        )  # fmt: skip
        self.setup, self.granularity = setup, granularity
        self.control = Control(batch, rate, shared_zeros)
        if batch:  # else whoever switches learning on says how fast
            self.engine.check_rate(batch, rate)
        n_in, n_out = self.engine.sizes[0], self.engine.sizes[-1]
        self.answer_log = AnswerLog(n_out, capacity, shared_zeros)
        # Of the fused model; parts count for themselves.
        self._tally, self._samples = Tally(shared_zeros), shared_zeros(1, np.int64)
        super().__init__(
            engine=self.engine, control=self.control, answer_log=self.answer_log, tally=self._tally,
            samples=self._samples, granularity=granularity, name=name,
        )  # fmt: skip
        self.s_in = InPort(shape=input_shape(n_in, setup.c, granularity))
        self.label_in = InPort(shape=(n_out,))
        self.said_out = OutPort(shape=(n_out,))

        #: On a chip, what learns.
        self._learner: EmbeddedLearner | None = None

    def lower(self) -> LoweredLearning:
        """The network as programs, synapses and messages of Loihi 2.

        Raises
        ------
        InputError
            For a network that the programs do not compute.
        """
        room, input_room = self._room
        return lower_learning(self.engine, room=room, input_room=input_room)

    @property
    def chip_period(self) -> int:
        """Lava steps of a sample on a chip; errors as `lower`."""
        return self.lower().clock.period + PAUSE

    def loaded(self, learner: EmbeddedLearner) -> None:
        """For the model on a chip: from now on this has what is learned."""
        self._learner = learner

    @property
    def learner(self) -> EmbeddedLearner | None:
        """What learns on a chip, once it is loaded there; its Vars can be read between runs."""
        return self._learner

    @property
    def parts(self) -> tuple[Any, ...]:
        """The Processes it is built from, once it runs with the target "lava-primitives"; else none."""
        return tuple(self.procs)

    @property
    def answers(self) -> Any:
        """Answers since `rewind`, (samples, n_classes): steps of first spikes (T: silent), voltages, or levels."""
        return self.answer_log.rows[: len(self.answer_log)].copy()

    @property
    def tally(self) -> dict[str, int]:
        """What was counted since the network was made; the largest of its numbers since `rewind`.

        Parts go back through samples without a label, too, and count the denominators at their floor that they meet.
        """
        counted = [self._tally.read()]
        counted += [part.tally for part in self.parts if isinstance(part, (MirroredDense, EventPropTTFS))]
        *hidden, output = [layer.tally for layer in self._layers()] or [Counts()]
        return total([*counted, *hidden, output._replace(hidden_spikes=0, silent_neurons=0)])._asdict()

    def _layers(self) -> list[EventPropLIF | EventPropReadout]:
        return [part for part in self.parts if isinstance(part, (EventPropLIF, EventPropReadout))]

    def rewind(self) -> None:
        """Forget the answers, and what the tally has the largest of. Call it between runs."""
        self.answer_log.rewind()
        self._tally.rewind()
        for layer in self._layers():
            layer.part.tally.rewind()

    def read_masters(self) -> list[Any]:
        """Copies of what is learned, 20 fractional bits: a matrix per layer, recurrent ones, and delays if they are.

        Call it between runs.
        """
        if self._learner is not None:
            return [var.get().astype(np.int64) for var in self._learner.masters]
        return [masters.copy() for masters in self.engine.masters]

    def write_masters(self, masters: Sequence[Any]) -> None:
        """Replace what is learned, as `read_masters` gives it; it acts from the next sample on. Call it between runs.

        Raises
        ------
        WeightError
            As `ClockedEngine.write_masters`; nothing is changed then.
        InputError
            If it is loaded on a chip.
        """
        self._check_not_loaded("write_masters")
        self.engine.write_masters(masters)

    def reset(self) -> None:
        """Forget the sample at hand and an unfinished batch; weights stay. Call it between runs, with its source."""
        self._check_not_loaded("reset")
        self.engine.forget()
        self._samples[0] = 0
        for part in self.parts:
            part.reset()

    def _check_not_loaded(self, what: str) -> None:
        if self._learner is not None:
            raise InputError(f"EventPropNetwork.{what}: the network is loaded on a chip; make a new one, and load that")


@implements(proc=EventPropNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEventPropNetwork(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """Fixed-point CPU model: a shell around `ClockedEngine`, whose memory it shares with the parent."""

    _graded = ("said_out",)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        if proc_params["granularity"] != "sample":
            raise InputError(
                "target lava runs one sample per Lava step, but granularity is 'step'; make the EventPropNetwork with "
                "granularity='sample', or run it with the target lava-primitives"
            )
        self.engine = proc_params["engine"]
        self.control: Control = proc_params["control"]
        self.answer_log: AnswerLog = proc_params["answer_log"]
        self.tally: Tally = proc_params["tally"]
        #: Of the batch at hand, so far.
        self.samples: Any = proc_params["samples"]

    def run_spk(self) -> None:
        """One sample."""
        engine, spikes = self.engine, check_counts(self.s_in.recv())
        target = self.label_in.recv()
        steps, inputs = np.nonzero(spikes)  # in the order of time
        often = spikes[steps, inputs]
        label = int(np.argmax(target != 0)) if target.any() else None
        # The parent may have set the weights.
        engine.write_forward()
        if self.samples[0] == 0 or self.control.batch[0] == 0:  # a batch begins, or nothing is learned
            engine.forget()
            self.samples[0] = 0
        answer, counts = engine.run_sample(np.repeat(steps, often), np.repeat(inputs, often), label)
        self.tally.add(counts)
        self.answer_log.keep(answer)
        if self.control.batch[0] > 0:
            self.samples[0] += 1
            if self.samples[0] >= self.control.batch[0]:
                bounded = engine.learn(int(self.samples[0]), float(self.control.rate[0]))
                self.tally.add(Counts(bounded=bounded))
                self.samples[0] = 0
        spiking = isinstance(engine.setup.loss, TTFSLoss)
        said = np.where(answer < engine.c.steps, answer + 1, 0) if spiking else answer
        self.said_out.send(said.astype(np.int32))


@implements(proc=EventPropNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubEventPropNetwork(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: layers and synapses as Processes of their own; the weights live in the network's memory."""

    built_from = "parts"

    def __init__(self, proc: EventPropNetwork) -> None:
        engine, setup, c = proc.engine, proc.setup, proc.setup.c
        if proc.granularity != "step":
            raise InputError(
                f"target lava-primitives runs one phase per Lava step, but granularity is {proc.granularity!r}; make "
                f"the EventPropNetwork with granularity='step'"
            )
        self.part_chain = SynfireChain(c.period, autostart=True, name="chain")
        self.part_input = EventPropInput(engine.sizes[0], c, name="input")
        proc.s_in.connect(self.part_input.s_in)
        layers = [self.part_input]
        gated: list[Any] = [self.part_input]

        def matrix(at: int, k: int, name: str, backward: bool) -> MirroredDense:
            """The synapses of one of the engine's matrices, into layer k."""
            made = MirroredDense(
                engine.optimizers[at], engine.arithmetic[k], exponent=engine.exponents[at], control=proc.control,
                layer=k, backward=backward, delays=engine.learned_delays[at] or engine.delays[at], name=name,
            )  # fmt: skip
            setattr(self, f"part_{name}", made)
            gated.append(made)
            return made

        for k, n in enumerate(engine.sizes[1:]):
            last = k == len(engine.sizes) - 2
            own = engine.arithmetic[k]
            synapses = matrix(k, k, f"W{k + 1}", backward=k > 0)
            if last and not isinstance(setup.loss, TTFSLoss):
                layer: Any = EventPropReadout(
                    n, own, loss=setup.loss, ladder=setup.ladder, layer=k, log=proc.answer_log, name="output"
                )
            else:
                name = "output" if last else f"hidden{k + 1}"
                layer = EventPropLIF(n, own, phantom=last, layer=k, name=name)
            setattr(self, f"part_layer{k + 1}", layer)
            _connect(layers[-1], synapses, layer)
            if (at := engine.loop_at(k)) is not None:
                _connect(layer, matrix(at, k, f"R{k + 1}", backward=True), layer)
            layers.append(layer)
            gated.append(layer)
        judge = layers[-1]
        if isinstance(setup.loss, TTFSLoss):
            judge = self.part_loss = EventPropTTFS(
                engine.sizes[-1], engine.arithmetic[-1], loss=setup.loss, silent=setup.silent, log=proc.answer_log,
                name="loss",
            )  # fmt: skip
            layers[-1].s_out.connect(judge.s_in)
            judge.adjoint_out.connect(layers[-1].adjoint_in)
            gated.append(judge)
        proc.label_in.connect(judge.label_in)
        judge.said_out.connect(proc.said_out)
        for part in gated:
            self.part_chain.s_out.connect(part.gate_in)


def _connect(pre: Any, synapses: MirroredDense, post: Any) -> None:
    """Spikes go through synapses to a layer, which may be their own; adjoint spikes the other way."""
    pre.s_out.connect(synapses.s_in)
    synapses.a_out.connect(post.a_in)
    post.adjoint_out.connect(synapses.adjoint_in)
    post.lI_out.connect(synapses.lI_in)
    if synapses.part.backward:
        synapses.adjoint_back_out.connect(pre.adjoint_in)
