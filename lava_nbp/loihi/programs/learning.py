"""A clocked EventProp network that learns, as neuron programs, synapses and messages of Loihi 2.

Every layer, the inputs and the loss are populations of neurons that run a program; every matrix is there twice, for
spikes forward and, transposed, for the pieces of d backward. Gradients are summed where there is room for numbers of
more than 24 bits, on the chip's embedded processors: a replayed spike of neuron i and the lI_j that neurons behind send
in the same step are all that they need::

    dL/dw_ij = - sum over replayed spikes of i of lI_j

(The learning engine's traces have 7 bits, lI has 24.) After a batch they change their weights of full precision, and
write both synaptic memories anew.

Nothing of this has run on a chip. Tests run every instruction, and find every spike, every adjoint variable and every
gradient of `ClockedEngine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import ALIGNMENT_BITS, NEURONS_PER_CHIP, PLASTIC_WEIGHT_MAX, STATE_BITS
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.losses import TTFSTables
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.loihi.demand import ASSUMED, ASSUMED_SPIKES, Activity, Bundle, Demand, Plannable, spikes_of_layers
from lava_nbp.loihi.programs.arithmetic import MOST_COEFFICIENT_BITS, limbs
from lava_nbp.loihi.programs.clock import START, Clock
from lava_nbp.loihi.programs.machine import WORD_MAX, Program
from lava_nbp.loihi.programs.neurons import (
    LARGEST_SUM,
    Errors,
    input_program,
    lif_program,
    table_program,
    ttfs_program,
)
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.resized import evenly

if TYPE_CHECKING:
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

#: Axons whose spikes carry nothing; an input's say how many there are.
_PLAIN = ("heard_out",)
#: Which neurons synapses connect: all with all by a matrix, or with weights of 1; k with k; each with the first; k with
#: k + 1.
Pattern = Literal["matrix", "all", "one-to-one", "to-first", "to-next"]
#: Steps by which the start comes later to the table of late errors: as long as a spike takes to the loss.
_LATE = 2
#: Most spikes of a neuron in a sample that are kept, and how many are if nobody says.
MOST_ROOM, DEFAULT_ROOM = 1024, 8


@dataclass(frozen=True)
class Population:
    """Neurons that run one program.

    Attributes
    ----------
    name, size
        Name, and how many neurons.
    program : Program
    initial : dict
        Of words that neurons do not begin alike: (size,) int.
    """

    name: str
    size: int
    program: Program
    initial: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Synapses:
    """From an axon of a population to a port of another, or from outside.

    Attributes
    ----------
    name : str
    pre, axon : str
        "": from outside, by the name of what comes.
    post, port : str
    pattern : str
    mantissas : (pre, post) int, optional
        Of a matrix: even, -254 .. 254.
    exponent : int
        0 .. 7: weight = mantissa * 2**exponent.
    delay : int
        Steps beyond the one of transport.
    learned : str
        Name of the learned matrix that it holds, or holds transposed; "": none.
    """

    name: str
    pre: str
    axon: str
    post: str
    port: str
    pattern: Pattern
    mantissas: NDArray[np.int32] | None = None
    exponent: int = 0
    delay: int = 0
    learned: str = ""


@dataclass(frozen=True)
class LearnedMatrix:
    """A matrix whose gradient is summed on embedded processors.

    Attributes
    ----------
    name : str
        W1 .. Wn.
    pre, post : str
        Populations whose replayed spikes (axon s_out), and whose lI (axon lI_out), it takes.
    exponent : int
        Of the engine's weights.
    """

    name: str
    pre: str
    post: str
    exponent: int


@dataclass(frozen=True)
class LearningForm:
    """What a network that learns is made from, beside its weights.

    Attributes
    ----------
    arithmetic : tuple of FixedPoint
        Of every layer.
    loss : TTFSLoss
    exponents : tuple of int
        Of the engine's weights of every layer.
    room, input_room : int
        Spikes of a neuron, and of an input, that are kept of a sample.
    """

    arithmetic: tuple[FixedPoint, ...]
    loss: TTFSLoss
    exponents: tuple[int, ...]
    room: int
    input_room: int


@dataclass(frozen=True)
class LoweredLearning(Plannable):
    """A network that learns on Loihi 2.

    Attributes
    ----------
    form : LearningForm
        What it is made from.
    clock : Clock
        How long a sample takes.
    populations : tuple of Population
    synapses : tuple of Synapses
    learned : tuple of LearnedMatrix
    """

    form: LearningForm
    clock: Clock
    populations: tuple[Population, ...]
    synapses: tuple[Synapses, ...]
    learned: tuple[LearnedMatrix, ...]

    def __post_init__(self) -> None:
        settle(self, "lowered learning network", InputError)

    def population(self, name: str) -> Population:
        """The one of a name."""
        return next(p for p in self.populations if p.name == name)

    @property
    def mantissas(self) -> list[NDArray[np.int32]]:
        """Weights of every layer, (pre, post), as in the memory for spikes forward."""
        found = {s.name: s.mantissas for s in self.synapses if s.mantissas is not None}
        return [found[m.name] for m in self.learned]

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes, from the input to the output."""
        weights = self.mantissas
        return (weights[0].shape[0], *(w.shape[1] for w in weights))

    @cached_property
    def demand(self) -> Demand:
        """See `Plannable`. What it says of neurons are constants of their programs."""
        ways = {s.name: self._bundle(s) for s in self.synapses}
        return Demand(
            "eventprop, learning",
            self.layers,
            tuple(self._registers(p) for p in self.populations),
            tuple(ways.values()),
            self.activity([ASSUMED_SPIKES] * len(self.layers), ASSUMED),
            sum(b.n_synapses for b in ways.values()),
            state_bits={p.name: p.program.state_bits for p in self.populations},
            longest_delay=_LATE,
            hidden_key="network.hidden = [{}]",
        )

    def _registers(self, p: Population) -> NeuronRegisters:
        """Of a layer its constants, of all others none."""
        for learned, c in zip(self.learned, self.form.arithmetic, strict=True):
            if learned.post == p.name:
                return NeuronRegisters(p.name, p.size, c.vth, du=c.du, dv=c.dv)
        return NeuronRegisters(p.name, p.size, 0)

    def _bundle(self, s: Synapses) -> Bundle:
        n_pre, n_post = (self.population(name).size if name else 1 for name in (s.pre, s.post))
        if not s.pre and s.pattern == "one-to-one":
            n_pre = n_post
        senders = range(n_pre)  # of a chain the last one, too, to be on the safe side
        to_all = s.pattern in ("matrix", "all")
        graded = not s.pre or s.axon not in _PLAIN
        shape = len(senders), n_post
        mask = None
        if s.pattern == "to-first":  # a list of one synapse each
            mask = Mask.of(np.arange(n_post) == np.zeros((n_pre, 1), np.int64))
        return Bundle(
            s.name, s.pre, s.post, senders, to_all, False, s.delay > 0, shape, mask, STATE_BITS if graded else 0
        )

    def activity(self, spikes: Sequence[float], source: str) -> Activity:
        """What it does with a sample, given the spikes of an input, and of a neuron of every layer, per sample.

        On the way back every neuron sends lI in every step, to the embedded processors, and, if a hidden layer is in
        front, all pieces of d; every spike is replayed. What is 0 is not sent: this is the most that there can be.

        Raises
        ------
        InputError
            For other numbers than one per layer, or such as there cannot be.
        """
        counts = spikes_of_layers(spikes, len(self.layers))
        steps, pieces = self.clock.steps, self.clock.pieces
        groups, bundles = {"loss": 3.0, "decay": 1.0, "late": 1.0}, {"errors": 1.0, "shares": 1.0, "heard": 1.0}
        for k, (name, n) in enumerate(zip(["input", *(m.post for m in self.learned)], counts, strict=True)):
            sent = float(pieces * steps) if k > 1 else 0.0
            groups[name] = 2 * n + (sent + steps if k else 0.0)
            # Spikes and their replays go by the same axons.
            bundles |= {s.name: 2 * n for s in self.synapses if s.pre == name and s.axon == "s_out"}
            bundles |= {s.name: sent for s in self.synapses if s.pre == name and s.axon == "adjoint_out"}
        bundles |= {s.name: 1.0 for s in self.synapses if not s.pre and s.axon != "spikes"}
        return Activity(self.clock.period, counts[0], groups, source, bundles)

    def with_hidden(self, n: int) -> LoweredLearning:
        """See `Plannable`: rows and columns that are spread evenly over a matrix are left."""
        check_integer(n, 1, NEURONS_PER_CHIP, "hidden neurons", error=CircuitError)
        hidden = self.layers[1:-1]
        if not hidden:
            raise CircuitError("the EventProp network has no hidden layer, so that none can have another size")
        sizes = [self.layers[0], *(max(1, round(m * n / max(hidden))) for m in hidden), self.layers[-1]]
        return _lowered(self.form, [evenly(w, sizes[k : k + 2]) for k, w in enumerate(self.mantissas)])

    @property
    def room(self) -> int:
        """See `Plannable`: spikes of a neuron that are kept of a sample."""
        return self.form.room

    def with_room(self, room: int) -> LoweredLearning:
        """See `Plannable`.

        Raises
        ------
        InputError
            For a room that there cannot be.
        """
        room, _ = check_room(room, self.form.input_room)
        return _lowered(replace(self.form, room=room), self.mantissas)

    def on_processors(self, spikes: Sequence[float]) -> dict[str, float]:
        """What embedded processors get and do with a sample, given the spikes of inputs, and of neurons of each layer.

        messages: of replayed spikes and lI, the most that there can be; additions: of lI to gradients; bytes: of
        weights in full precision, gradients, and two means of Adam, 8 each; writes: of synapses, after a batch.
        """
        sizes, steps = self.layers, self.clock.steps
        pairs = list(zip(sizes, sizes[1:], spikes, strict=False))
        synapses = sum(pre * post for pre, post, _ in pairs)
        mirrored = synapses - sizes[0] * sizes[1]
        return {
            "messages": sum(pre * n + steps * post for pre, post, n in pairs),
            "additions": sum(pre * n * post for pre, post, n in pairs),
            "bytes": 32.0 * synapses,
            "writes": float(synapses + mirrored),
        }


class ReplayLearner:
    """What an embedded processor does for one matrix.

    Parameters
    ----------
    shape : (int, int)
        Neurons in front and behind.

    Attributes
    ----------
    gradient : (pre, post) int64
        Summed since it was last set to 0.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.gradient: Int64Array = np.zeros(shape, np.int64)

    def receive(self, replays: Any, lI: Any) -> None:
        """Take how many spikes neurons in front replay (pre,), and lI (post,) of those behind, in one step."""
        (who,) = np.nonzero(replays)
        self.gradient[who] -= np.asarray(replays, np.int64)[who, None] * np.asarray(lI, np.int64)


def check_room(room: int, input_room: int) -> tuple[int, int]:
    """Check how many spikes of a sample a neuron, and an input, has room for.

    Raises
    ------
    InputError
        For what are no such numbers.
    """
    return (
        check_integer(room, 1, MOST_ROOM, "room for spikes of a neuron"),
        check_integer(input_room, 1, MOST_ROOM, "room for spikes of an input"),
    )


def lower_learning(engine: ClockedEngine, *, room: int = DEFAULT_ROOM, input_room: int = 1) -> LoweredLearning:
    """Express a clocked network that learns in programs of Loihi 2.

    Parameters
    ----------
    engine : ClockedEngine
        With the chip's neurons, the loss `TTFSLoss`, and neither delays nor recurrent weights.
    room, input_room : int
        Spikes per sample that every neuron, and every input, has room for. More are lost, and counted.

    Raises
    ------
    InputError
        For a network that the programs do not compute, or widths beyond their words.
    """
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

    check_kind(engine, ClockedEngine, "engine")
    room, input_room = check_room(room, input_room)
    _check_network(engine)
    assert isinstance(engine.setup.loss, TTFSLoss)
    layers = len(engine.arithmetic)
    form = LearningForm(tuple(engine.arithmetic), engine.setup.loss, tuple(engine.exponents[:layers]), room, input_room)
    pairs = zip(engine.forward_weights, form.exponents, strict=False)
    return _lowered(form, [(w >> exponent).astype(np.int32) for w, exponent in pairs])


def _lowered(form: LearningForm, mantissas: Sequence[NDArray[np.int32]]) -> LoweredLearning:
    for k, c in enumerate(form.arithmetic, 1):
        _check_arithmetic(c, k)
    layers = len(mantissas)
    behind = [
        _errors(c, x, w.shape[1], k)
        for k, (c, x, w) in enumerate(zip(form.arithmetic, form.exponents, mantissas, strict=True), 1)
    ][1:]  # nobody asks for errors of inputs
    clock = Clock(form.arithmetic[0].steps, max((len(e.widths) for e in behind), default=1))
    if clock.period > WORD_MAX:
        raise InputError(
            f"a sample takes {clock.period} steps of the chip, but a word counts {WORD_MAX}; use a larger dt"
        )
    names = ["input", *(f"hidden{k}" for k in range(1, layers)), "output"]
    populations = [Population("input", len(mantissas[0]), input_program(clock, form.input_room))]
    for k, w in enumerate(mantissas):
        errors = behind[k] if k < layers - 1 else None
        sent = behind[k - 1].widths if k else ()
        program = lif_program(form.arithmetic[k], clock, form.room, errors, sent)
        populations.append(Population(names[k + 1], w.shape[1], program))
    synapses: list[Synapses] = []
    for k, w in enumerate(mantissas):
        pre, post, name = names[k], names[k + 1], f"W{k + 1}"
        exponent = form.exponents[k] - ALIGNMENT_BITS
        synapses.append(Synapses(name, pre, "s_out", post, "a_in", "matrix", w, exponent, learned=name))
        if k:
            mirror = np.ascontiguousarray(w.T)
            synapses.append(
                Synapses(f"{name} mirrored", post, "adjoint_out", pre, "adjoint_in", "matrix", mirror, learned=name)
            )
    loss = _loss(form, clock, mantissas[-1].shape[1])
    populations += loss[0]
    synapses += loss[1]
    synapses += [Synapses(f"start of {p.name}", "", "start", p.name, START, "all") for p in populations]
    synapses.append(Synapses("spikes", "", "spikes", "input", "s_in", "one-to-one"))
    learned = [LearnedMatrix(f"W{k + 1}", names[k], names[k + 1], x) for k, x in enumerate(form.exponents)]
    return LoweredLearning(form, clock, tuple(populations), tuple(synapses), tuple(learned))


def _loss(form: LearningForm, clock: Clock, n: int) -> tuple[list[Population], list[Synapses]]:
    """The loss of n outputs, and what plays its tables."""
    tables = TTFSTables.of(form.loss, form.arithmetic[-1])
    _check_tables(tables, n)
    decay = np.trim_zeros(tables.decay[:-1], "b")  # what is behind is 0
    found, synapses = [Population("loss", n, ttfs_program(clock, tables.weight))], []
    for name, values in (("decay", decay), ("late", tables.late)):
        found.append(Population(name, len(values), table_program(), {"value": values + 1}))
        synapses += [
            Synapses(f"{name}, entry by entry", name, "s_out", name, "s_in", "to-next"),
            Synapses(f"{name} to loss", name, "s_out", "loss", f"{name}_in", "all"),
        ]
    synapses += [
        Synapses("first output to decay", "output", "s_out", "decay", "s_in", "to-first"),
        Synapses("start to late", "", "start", "late", "s_in", "to-first", delay=_LATE),
        Synapses("output to loss", "output", "s_out", "loss", "s_in", "one-to-one"),
        Synapses("shares", "loss", "share_out", "loss", "share_in", "all"),
        Synapses("heard", "loss", "heard_out", "loss", "heard_in", "all"),
        Synapses("errors", "loss", "adjoint_out", "output", "adjoint_in", "one-to-one"),
        Synapses("label", "", "label", "loss", "label_in", "one-to-one"),
    ]
    return found, synapses


def _check_network(engine: ClockedEngine) -> None:
    setup = engine.setup
    if not isinstance(setup.loss, TTFSLoss):
        raise InputError(
            f"the loss is {type(setup.loss).__name__}, but programs are there for TTFSLoss only; train with ttfs, or "
            f"elsewhere"
        )
    if setup.silent.name != "none":
        raise InputError(
            f"the silent policy is {setup.silent.name!r}, but programs have none; use 'none' (learning.silent)"
        )
    if engine.looped:
        raise InputError(
            f"layer {engine.looped[0] + 1} has recurrent weights, whose mirror no program has; leave them out "
            f"(network.recurrent_deviation)"
        )
    if any(d is not None for d in engine.delays):
        raise InputError(
            "the network has delays, for whose adjoint spikes no program has room; leave them out "
            "(network.initial_delay)"
        )


def _check_arithmetic(c: FixedPoint, k: int) -> None:
    if not c.on_chip:
        raise InputError(f"neurons of layer {k} are {c.neuron!r}, which no program is; use clocked.neuron = 'loihi'")
    if c.refractory:
        raise InputError(
            f"layer {k} has a refractory period of {c.refractory} steps, but programs have none; make "
            f"clocked.refractory 0"
        )
    if c.coefficient_bits > MOST_COEFFICIENT_BITS:
        raise InputError(
            f"layer {k}: coefficient_bits is {c.coefficient_bits}, but of two products of 24-bit words programs hold "
            f"{MOST_COEFFICIENT_BITS}; lower clocked.coefficient_bits"
        )
    names: Sequence[tuple[str, int]] = [
        (name, c.coefficient_bits) for name in ("alpha", "beta", "gamma_back", "sent_V", "sent_I")
    ]
    for name, bits in (*names, ("slope", c.slope_bits)):
        if not 0 <= getattr(c, name) < 1 << bits:
            raise InputError(
                f"layer {k}: the coefficient {name} is {getattr(c, name) / (1 << bits):.4g}, but programs multiply by "
                f"less than 1; use another clocked.dt"
            )


def _errors(c: FixedPoint, exponent: int, n: int, k: int) -> Errors:
    """How errors come from a layer of n neurons, counted from 1, to the one in front."""
    shift = c.theta_bits - exponent
    widths = limbs(c.theta_bits, exponent, n, PLASTIC_WEIGHT_MAX)
    if not widths:
        raise InputError(f"layer {k} has {n} neurons, whose weighted errors no word of 24 bits sums; make it smaller")
    return Errors(widths, shift)


def _check_tables(tables: TTFSTables, n: int) -> None:
    most, largest = LARGEST_SUM // int(tables.decay[0]), int(tables.late.max()) + tables.weight
    if n > most:
        raise InputError(f"there are {n} classes, but a word sums the shares of {most}; use fewer")
    if largest > REGISTER_MAX:
        raise InputError(
            f"the error of a label that spikes last is {largest}, but a graded spike holds {REGISTER_MAX}; use a "
            f"smaller alpha, shorter trials, or fewer adjoint_bits"
        )
