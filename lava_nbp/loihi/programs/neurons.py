"""The programs of a network's neurons: inputs, layers, the loss, and what plays its tables."""

from __future__ import annotations

from dataclasses import dataclass

from lava_nbp.base.widths import ALIGNMENT_BITS, STATE_BITS
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint
from lava_nbp.loihi.programs.arithmetic import (
    collect,
    decayed,
    jump,
    kept_pieces,
    piece,
    rounded_sum,
    saturated_sum,
    total,
    wrapped_sum,
)
from lava_nbp.loihi.programs.clock import START, Clock
from lava_nbp.loihi.programs.machine import Program
from lava_nbp.loihi.programs.stack import SpikeStack
from lava_nbp.loihi.programs.writer import Writer

#: Largest weighted input that, times 2**6, fits a word.
_LARGEST_INPUT = REGISTER_MAX >> ALIGNMENT_BITS


@dataclass(frozen=True)
class Errors:
    """How errors come to a layer from the one behind: sums of weighted pieces of d.

    Attributes
    ----------
    widths : tuple of int
        Bits of the pieces.
    shift : int
        What the sum is shifted by: theta_bits of the layer behind, less the exponent of its weights.
    """

    widths: tuple[int, ...]
    shift: int


def input_program(clock: Clock, room: int) -> Program:
    """An input: relays how many spikes it has in a step, and backward replays them.

    Ports: start_in, s_in. Axons: s_out.
    """
    w, stack = (
        Writer("EventPropInput", (START, "s_in"), ("s_out",)),
        SpikeStack(room, "how many spikes it had in the step"),
    )
    clock.words(w)
    stack.words(w)
    with clock.running(w):
        with w.if_less("clock", clock.steps), w.if_not_equal("s_in", 0):
            stack.push(w, "clock", "s_in")
            w.spike("s_out", "s_in")
        with clock.going_back(w), w.if_equal("piece", 0), stack.meets(w):
            w.spike("s_out", "value0")
    return w.program()


def lif_program(c: FixedPoint, clock: Clock, room: int, errors: Errors | None, sent: tuple[int, ...]) -> Program:
    """A LIF neuron, forward and backward: `lava_nbp.processes.EventPropLIF` in words.

    Ports: start_in, a_in (sums of mantissa * 2**exponent), adjoint_in. Axons: s_out, adjoint_out, lI_out. errors: None:
    those of the loss, which come whole, once, for the first spike. sent: bits of the pieces of d; none: nobody asks.
    """
    w = Writer("EventPropLIF", (START, "a_in", "adjoint_in"), ("s_out", *(["adjoint_out"] if sent else []), "lI_out"))
    stack = SpikeStack(room, "rise of V at the spike, times tau_m / dt")
    clock.words(w)
    for name, meaning in {
        "V": "voltage", "I": "current", "lV": "its adjoint variable", "lI": "its adjoint variable",
        "overflowed": "how often I wrapped or V saturated", "saturated": "how often an adjoint variable did",
        "clipped": "how many rises were at the floor",
    }.items():  # fmt: skip
        w.state(name, meaning)
    stack.words(w)
    if errors is None:
        w.state("error", "of the first spike")
    else:
        w.state("carry", "of the pieces' sums")
        for n in kept_pieces(errors.widths, max(errors.shift, 0)):
            w.state(f"piece{n}", "of the sum of weighted d")
    if len(sent) > 1:
        w.state("d", "what is sent back")
    with clock.running(w):
        with w.if_least("clock", 1), w.if_less("clock", clock.steps + 1):
            _forward(w, c, stack)
        with clock.going_back(w):
            _backward(w, c, clock, stack, errors, sent)
    return w.program()


def _forward(w: Writer, c: FixedPoint, stack: SpikeStack) -> None:
    decayed(w, "I", "I", c.keep_u)
    w.mov("S", "a_in")
    with w.if_least("S", _LARGEST_INPUT + 1):
        w.mov("S", _LARGEST_INPUT)
        w.add("lost", "lost", 1)
    with w.if_less("S", -_LARGEST_INPUT):
        w.mov("S", -_LARGEST_INPUT)
        w.add("lost", "lost", 1)
    w.shl("S", "S", ALIGNMENT_BITS)
    wrapped_sum(w, "I", "I", "S", "overflowed", "lost")
    w.mov("before", "V")
    decayed(w, "V", "V", c.keep_v)
    saturated_sum(w, "V", "V", "I", "overflowed")
    with w.if_least("V", c.threshold):
        w.neg("before", "before")
        rounded_sum(w, "rise", ("V", c.slope), ("before", c.slope), c.slope_bits)
        w.add("S", "clock", -1)
        stack.push(w, "S", "rise")
        w.mov("V", 0)
        w.spike("s_out", 1)


def _backward(
    w: Writer, c: FixedPoint, clock: Clock, stack: SpikeStack, errors: Errors | None, sent: tuple[int, ...]
) -> None:
    if errors is None:
        with w.if_equal("clock", clock.backward):
            w.mov("error", "adjoint_in")
    else:
        for n in range(len(errors.widths)):
            with w.if_equal("piece", (n + 1) % clock.pieces):
                # Before the first step backward nothing has been sent: what comes then is 0.
                collect(w, "adjoint_in", errors.widths, n, errors.shift)
    with w.if_equal("piece", 0):
        with stack.meets(w):
            _jump(w, c, errors)
        if sent:
            w.neg("minus_lI", "lI")
            rounded_sum(w, "d", ("lV", c.sent_V), ("minus_lI", c.sent_I), c.coefficient_bits)
        rounded_sum(w, "lI", ("lI", c.beta), ("lV", c.gamma_back), c.coefficient_bits, "saturated")
        rounded_sum(w, "lV", ("lV", c.alpha), None, c.coefficient_bits)
        w.spike("lI_out", "lI")
        w.add("next", "k", -1)
        with w.if_equal("step0", "next"), w.if_least("k", 1):
            w.spike("s_out", 1)
    for n in range(len(sent)):
        with w.if_equal("piece", n):
            piece(w, "part", "d", sent, n)
            w.spike("adjoint_out", "part")


def _jump(w: Writer, c: FixedPoint, errors: Errors | None) -> None:
    if errors is None:
        w.mov("e", 0)
        with w.if_equal("spikes", 1):  # the only one that is left is the first
            w.mov("e", "error")
    else:
        total(w, "e", errors.widths, errors.shift, "saturated")
    w.mov("divisor", "value0")
    with w.if_less("divisor", c.floor_units):
        w.mov("divisor", c.floor_units)
        w.add("clipped", "clipped", 1)
    jump(w, "lV", "e", "divisor", c.theta_bits, "saturated")


def table_program() -> Program:
    """A neuron that plays an entry of a table: once in a sample, when it is reached, it sends its value.

    Ports: start_in, s_in. Axons: s_out. A chain of them plays the table, an entry a step.
    """
    w = Writer("Table", (START, "s_in"), ("s_out",))
    w.state("value", "entry of the table, and one more, so that it is never 0")
    w.state("played", "whether it has been sent in this sample")
    with w.if_not_equal(START, 0):
        w.mov("played", 0)
    with w.if_not_equal("s_in", 0), w.if_equal("played", 0):
        w.mov("played", 1)
        w.spike("s_out", "value")
    return w.program()


def ttfs_program(clock: Clock, weight: int) -> Program:
    """The loss of an output's first spike: `lava_nbp.eventprop.clocked.losses.TTFSTables` in words.

    Ports: start_in, label_in, s_in (its own output), decay_in and late_in (tables; see `table_program`), share_in and
    heard_in (from all neurons of the loss). Axons: share_out, heard_out, adjoint_out.
    """
    ports = START, "label_in", "s_in", "decay_in", "late_in", "share_in", "heard_in"
    w = Writer("EventPropTTFS", ports, ("share_out", "heard_out", "adjoint_out"))
    clock.words(w)
    for name, meaning in {
        "label": "whether it is the label's", "heard": "whether the label's output spiked", "spiked": "whether it did",
        "arrived": "whether its own did in the step before", "share": "exp(-t / tau0), relative to the first output",
        "late": "alpha / tau1 exp(t / tau1)", "sum": "of all shares",
    }.items():  # fmt: skip
        w.state(name, meaning)
    with clock.running(w):
        with w.if_not_equal("label_in", 0):
            w.mov("label", 1)
        with w.if_not_equal("heard_in", 0):
            w.mov("heard", 1)
        w.add("sum", "sum", "share_in")
        with w.if_less("clock", clock.backward - 1):  # replays are no first spikes
            with w.if_equal("arrived", 1), w.if_equal("spiked", 0):
                w.mov("spiked", 1)
                with w.if_not_equal("decay_in", 0):
                    w.add("share", "decay_in", -1)
                w.add("late", "late_in", -1)
                w.spike("share_out", "share")
            w.mov("arrived", "s_in")
        with w.if_equal("clock", clock.backward - 2), w.if_equal("spiked", 1):
            w.spike("heard_out", "label")
        with w.if_equal("clock", clock.backward - 1), w.if_equal("heard", 1):
            _quotient(w, weight)
            with w.if_equal("label", 1):
                w.add("error", "error", weight)
                w.add("error", "error", "late")
            w.spike("adjoint_out", "error")
    return w.program()


def _quotient(w: Writer, weight: int) -> None:
    """error = -(weight share // sum), bit by bit of the weight, which may be the larger factor; share <= sum."""
    w.mov("remainder", 0)
    w.mov("error", 0)
    bits = weight.bit_length()
    w.mov("left", weight)
    with w.repeat("turns", bits):
        w.shr("bit", "left", bits - 1)
        w.bits("left", "left", (1 << (bits - 1)) - 1)
        w.shl("left", "left", 1)
        w.mul("bit", "bit", "share")
        w.shl("remainder", "remainder", 1)
        w.add("remainder", "remainder", "bit")
        w.shl("error", "error", 1)
        for _ in range(2):
            with w.if_least("remainder", "sum"):
                w.sub("remainder", "remainder", "sum")
                w.add("error", "error", -1)


#: Largest sum of shares for which a remainder fits a word.
LARGEST_SUM = REGISTER_MAX // 3
assert STATE_BITS == 24  # what the bounds in these programs are made for
