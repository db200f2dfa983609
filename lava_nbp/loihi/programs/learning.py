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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import ALIGNMENT_BITS, PLASTIC_WEIGHT_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.losses import TTFSTables
from lava_nbp.eventprop.losses import TTFSLoss
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

if TYPE_CHECKING:
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

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
class LoweredLearning:
    """A network that learns on Loihi 2.

    Attributes
    ----------
    clock : Clock
        How long a sample takes.
    populations : tuple of Population
    synapses : tuple of Synapses
    learned : tuple of LearnedMatrix
    room, input_room : int
        Spikes of a neuron, and of an input, that are kept of a sample.
    """

    clock: Clock
    populations: tuple[Population, ...]
    synapses: tuple[Synapses, ...]
    learned: tuple[LearnedMatrix, ...]
    room: int
    input_room: int

    def __post_init__(self) -> None:
        settle(self, "lowered learning network", InputError)

    def population(self, name: str) -> Population:
        """The one of a name."""
        return next(p for p in self.populations if p.name == name)


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
    for k, c in enumerate(engine.arithmetic, 1):
        _check_arithmetic(c, k)
    sizes, layers = engine.sizes, len(engine.sizes) - 1
    exponents = [engine.exponents[k] - ALIGNMENT_BITS for k in range(layers)]
    errors: list[Errors | None] = [
        _errors(engine.arithmetic[k], engine.exponents[k], sizes[k + 1], k + 1) for k in range(1, layers)
    ]
    clock = Clock(engine.c.steps, max((len(e.widths) for e in errors if e is not None), default=1))
    if clock.period > WORD_MAX:
        raise InputError(
            f"a sample takes {clock.period} steps of the chip, but a word counts {WORD_MAX}; use a larger dt"
        )
    names = ["input", *(f"hidden{k}" for k in range(1, layers)), "output"]
    populations = [Population("input", sizes[0], input_program(clock, input_room))]
    for k in range(layers):
        in_front = errors[k - 1] if k else None
        behind = errors[k] if k < layers - 1 else None
        program = lif_program(engine.arithmetic[k], clock, room, behind, in_front.widths if in_front else ())
        populations.append(Population(names[k + 1], sizes[k + 1], program))
    synapses: list[Synapses] = []
    for k in range(layers):
        pre, post, name = names[k], names[k + 1], f"W{k + 1}"
        mantissas = (engine.forward_weights[k] >> engine.exponents[k]).astype(np.int32)
        synapses.append(Synapses(name, pre, "s_out", post, "a_in", "matrix", mantissas, exponents[k], learned=name))
        if k:
            mirror = np.ascontiguousarray(mantissas.T)
            synapses.append(
                Synapses(f"{name} mirrored", post, "adjoint_out", pre, "adjoint_in", "matrix", mirror, learned=name)
            )
    loss = _loss(engine, clock)
    populations += loss[0]
    synapses += loss[1]
    synapses += [Synapses(f"start of {p.name}", "", "start", p.name, START, "all") for p in populations]
    synapses.append(Synapses("spikes", "", "spikes", "input", "s_in", "one-to-one"))
    learned = [LearnedMatrix(f"W{k + 1}", names[k], names[k + 1], engine.exponents[k]) for k in range(layers)]
    return LoweredLearning(clock, tuple(populations), tuple(synapses), tuple(learned), room, input_room)


def _loss(engine: ClockedEngine, clock: Clock) -> tuple[list[Population], list[Synapses]]:
    """The loss, and what plays its tables."""
    assert isinstance(engine.setup.loss, TTFSLoss)
    tables, n = TTFSTables.of(engine.setup.loss, engine.arithmetic[-1]), engine.sizes[-1]
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
        raise InputError(f"the silent policy is {setup.silent.name!r}, but programs have none; leave it out")
    if engine.looped:
        raise InputError(
            f"layer {engine.looped[0] + 1} has recurrent weights, whose mirror no program has; leave them out"
        )
    if any(d is not None for d in engine.delays):
        raise InputError("the network has delays, for whose adjoint spikes no program has room; leave them out")


def _check_arithmetic(c: FixedPoint, k: int) -> None:
    if not c.on_chip:
        raise InputError(f"neurons of layer {k} are {c.neuron!r}, which no program is; use clocked.neuron = 'loihi'")
    if c.coefficient_bits > MOST_COEFFICIENT_BITS:
        raise InputError(
            f"coefficient_bits is {c.coefficient_bits}, but of two products of 24-bit words programs hold "
            f"{MOST_COEFFICIENT_BITS}; lower it"
        )
    names: Sequence[tuple[str, int]] = [
        (name, c.coefficient_bits) for name in ("alpha", "beta", "gamma_back", "sent_V", "sent_I")
    ]
    for name, bits in (*names, ("slope", c.slope_bits)):
        if not 0 <= getattr(c, name) < 1 << bits:
            raise InputError(
                f"layer {k}: the coefficient {name} is {getattr(c, name) / (1 << bits):.4g}, but programs multiply by "
                f"less than 1; use another dt"
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
