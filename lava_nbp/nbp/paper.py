"""The papers' circuits: the twelve phases that learn, and the four that only answer.

Source: Renner, Sheldon, Zlotnik, Tao, Sornborger, "The backpropagation algorithm implemented on spiking
neuromorphic hardware", Nature Communications 15, 9691 (2024), Methods and the parameters published with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lava_nbp.base.checks import check_flag, check_integer, check_options, check_sequence, shown
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.nbp.building import connect, ring
from lava_nbp.nbp.circuit import Circuit, DenseProjection, Matrix, Population, Source
from lava_nbp.nbp.deep import deep_circuit
from lava_nbp.nbp.levels import (
    ANTI_RELAY,
    GATE,
    GATE_HIGH,
    GATE_LOW,
    INHIBIT,
    RELAY,
    STRONG_INHIBIT,
)
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule


def _check_sizes(layers: tuple[int, ...]) -> None:
    for size, what in zip(layers, ("n_in", "n_hidden", "n_out"), strict=True):
        check_integer(size, 1, NEURONS_PER_CHIP, what, error=CircuitError)


def paper_circuit(n_in: int, n_hidden: int, n_out: int, *, guarded: bool = False, chip_order: bool = False) -> Circuit:
    """Build the paper's twelve-phase circuit that infers and learns: backpropagation of x - h1 - o by gated spikes.

    Populations: x input, h1 hidden, o output; the copies `_lo` and `_hi` fire
    where the same input is > 0 and > 1024; m_x and m_h1 remember; c_h1 is the box
    derivative of the surrogate ReLU (lo and not hi); t target; d_pos and d_neg the
    signed output error, already times the derivative; o_T carries the negative part
    of the error into the backward weights; h1_T is the error propagated back.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        Neurons per layer.
    guarded : bool
        False is the paper's circuit. There dense input of more than 9216 makes h1 fire
        in phase 1, and of more than 17344 in phase 9, whose refractory period then
        swallows spikes of phase 10: with many active inputs (Fashion-MNIST) the circuit
        stops computing backpropagation. True inhibits with STRONG_INHIBIT, and h1 in
        phase 1 and o in phase 9 too, so that 41728 is needed.
    chip_order : bool
        See `Circuit`. With True the hidden error is that of the W2 before its update, as in
        backpropagation on paper; with False that of the W2 just updated.

    Raises
    ------
    CircuitError
        If a size is not an integer of 1 .. `lava_nbp.base.widths.NEURONS_PER_CHIP`.
    InputError
        If an option is neither True nor False.
    """
    _check_sizes((n_in, n_hidden, n_out))
    guarded, chip_order = check_flag(guarded, "guarded"), check_flag(chip_order, "chip_order")
    chain, links = ring(12)
    populations = [
        Population("x", n_in, (2, 8, 12)),
        Population("m_x", n_in, (7,), layer="x"),
        Population("h1", n_hidden, (3, 6, 8, 10, 12)),
        Population("h1_lo", n_hidden, (3, 8, 12), layer="h1"),
        Population("h1_hi", n_hidden, (3, 8, 12), layer="h1"),
        Population("h1_T", n_hidden, (6, 7, 10, 11), refractory=1, layer="h1"),
        Population("m_h1", n_hidden, (4,), layer="h1"),
        Population("c_h1", n_hidden, (7,), layer="h1"),
        Population("o", n_out, (4, 6, 10)),
        Population("o_lo", n_out, (4, 6, 10), layer="o"),
        Population("o_hi", n_out, (4, 6, 10), layer="o"),
        Population("o_T", n_out, (6, 10), layer="o"),
        Population("t", n_out, (4,), layer="o"),
        Population("d_pos", n_out, (5,), layer="o"),
        Population("d_neg", n_out, (5,), layer="o"),
        *chain,
    ]
    h_all, o_all = "h1 h1_lo h1_hi", "o o_lo o_hi"
    connections = [
        *links,
        # Gates of the chain: what g_k gates may fire in phase k + 1.
        *connect("gate", GATE, [
            ("g01 g07 g11", "x"),
            ("g02", "h1 h1_lo"),
            ("g03", "o o_lo t m_h1"),
            ("g05 g09", f"h1 h1_T o_T {o_all}"),
            ("g06", "m_x c_h1 h1_T"),
            ("g10", "h1_T"),
        ]),
        *connect("gate", GATE_LOW, [("g02", "h1_lo"), ("g03", "o_lo"), ("g06 g10", "h1_T")]),
        *connect("gate", GATE_HIGH, [("g02", "h1_hi"), ("g03", "o_hi")]),
        *connect("inhibit", STRONG_INHIBIT if guarded else INHIBIT, [
            ("g04", "h1_T o_T"),
            ("g06 g10 g00", o_all),
            ("g08", h_all),
            *([("g00", h_all), ("g08", o_all)] if guarded else []),
        ]),
        # Output error, phase 5: o_lo and o_hi make it zero outside the box of the surrogate.
        *connect("gate", GATE, [("o_lo", "d_pos d_neg")]),
        *connect("relay", RELAY, [("t", "d_pos"), ("o", "d_neg")]),
        *connect("relay", ANTI_RELAY, [("o", "d_pos"), ("t o_hi", "d_neg")]),
        # The error drives the output layer: d_pos in phase 6, d_neg in phase 10.
        *connect("relay", RELAY, [("d_pos", o_all), ("d_neg", "o_T")]),
        *connect("relay", RELAY, [("d_neg", o_all), ("d_pos", "o_T")], delays=(4,)),
        # What must be remembered until the error is there.
        *connect("relay", RELAY, [("h1", "m_h1")]),
        *connect("relay", RELAY, [("m_h1", "h1 h1_T")], delays=(1, 5)),
        *connect("relay", RELAY, [("x", "m_x")], delays=(4,)),
        *connect("relay", RELAY, [("m_x", "x")], delays=(0, 4)),
        # Box derivative of the hidden layer, and the error that it lets through.
        *connect("relay", RELAY, [("h1_lo", "c_h1")], delays=(3,)),
        *connect("relay", ANTI_RELAY, [("h1_hi", "c_h1")], delays=(3,)),
        *connect("gate", GATE, [("c_h1", h_all)], delays=(0, 4)),
        *connect("relay", RELAY, [("h1_T", h_all)]),
    ]  # fmt: skip
    projections = (
        DenseProjection("W1", "x", "h1", "W1"),
        DenseProjection("W1_lo", "x", "h1_lo", "W1"),
        DenseProjection("W1_hi", "x", "h1_hi", "W1"),
        DenseProjection("W2", "h1", "o", "W2"),
        DenseProjection("W2_lo", "h1", "o_lo", "W2"),
        DenseProjection("W2_hi", "h1", "o_hi", "W2"),
        DenseProjection("W2_T", "o", "h1_T", "W2", transposed=True),
        DenseProjection("W2_T_neg", "o_T", "h1_T", "W2", transposed=True, sign=-1),
    )
    return Circuit(
        name="nbp" + ("-chip" if chip_order else "") + ("-guarded" if guarded else ""),
        forward=("x", "h1", "o"),
        period=12,
        populations=tuple(populations),
        connections=tuple(connections),
        matrices=(Matrix("W1", (n_in, n_hidden)), Matrix("W2", (n_hidden, n_out))),
        projections=projections,
        sources=(Source("x", "x", 2), Source("t", "t", 4)),
        output_phase=4,
        rule=ThreeFactorRule(PAPER_RULE),
        reward_phases=frozenset({6, 8}),
        meanings=(
            (0, "W1 -= where the error is negative (of the sample before)"),
            (2, "input"),
            (3, "W1 x > 512, > 0, > 1024"),
            (4, "W2 h > 512, > 0, > 1024; target"),
            (5, "output error times box derivative"),
            (6, "W2 += where d_pos"),
            (7, "back-propagated error, positive part"),
            (8, "W1 += where the error is positive"),
            (10, "W2 -= where d_neg"),
            (11, "back-propagated error, negative part"),
        ),
        chip_order=chip_order,
    )


def training_circuit(
    n_in: int | None = None,
    n_hidden: int | None = None,
    n_out: int | None = None,
    *,
    layers: Sequence[int] | None = None,
    guarded: bool = False,
    chip_order: bool | None = None,
    **rules: Any,
) -> Circuit:
    """Build a circuit that infers and learns: the paper's, or one of any depth.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        Neurons per layer of the paper's circuit of twelve phases, see `lava_nbp.nbp.paper.paper_circuit`.
    layers : sequence of int
        Neurons per layer, from the input to the output, of a circuit with any number of hidden layers, K, which takes
        5 K + 6 phases: see `lava_nbp.nbp.deep`.
    guarded : bool
        Whether the paper's circuit inhibits more strongly; one of `layers` always does.
    chip_order : bool, optional
        See `Circuit`. Default: as in the paper's simulations False for the paper's circuit, True for `layers`.
    **rules
        For `layers`: margin, lower_gate, box, graded, dropout, update_probability, ramp, patch and image, see
        `deep_circuit`.

    Raises
    ------
    CircuitError
        If a size is not an integer of 1 .. `lava_nbp.base.widths.NEURONS_PER_CHIP`, or a rule is not possible.
    InputError
        If an option is neither True nor False or does not exist, or sizes are given both ways, or missing.
    """
    sizes = (n_in, n_hidden, n_out)
    if layers is None:
        if n_in is None or n_hidden is None or n_out is None:
            raise InputError(
                f"training_circuit got the sizes {sizes}; give n_in, n_hidden and n_out, or layers=(n_in, ..., n_out)"
            )
        check_options(paper_circuit, 3, rules, "the paper's circuit")
        return paper_circuit(
            n_in, n_hidden, n_out, guarded=guarded, chip_order=False if chip_order is None else chip_order
        )
    if any(n is not None for n in sizes):
        raise InputError(f"training_circuit got the sizes {sizes} and layers={shown(layers)}; give one of them")
    check_flag(guarded, "guarded")
    check_options(deep_circuit, 0, rules, "a circuit of layers")
    return deep_circuit(
        *check_sequence(layers, "layers"), chip_order=True if chip_order is None else chip_order, **rules
    )


def inference_circuit(n_in: int, n_hidden: int, n_out: int) -> Circuit:
    """Build the four-phase circuit that only infers: what x, h1 and o of the training circuit answer with.

    Raises
    ------
    CircuitError
        If a size is not an integer of 1 .. `lava_nbp.base.widths.NEURONS_PER_CHIP`.
    """
    whole = paper_circuit(n_in, n_hidden, n_out).answering
    meanings = ((0, "W2 h > 512 (of the sample before)"), (2, "input"), (3, "W1 x > 512"))
    return replace(whole, name="inference", meanings=meanings)
