"""Programs as data: what is refused, and what a listing shows; and that the interpreter of the tests can fail."""

import numpy as np
import pytest
from program_machine import Neurons

from lava_nbp.errors import InputError
from lava_nbp.loihi.programs.machine import OPERATIONS, WORD_MAX, WORD_MIN, Instruction, Program, Word

V = (Word("v", "voltage"),)


def program(*code, state=V, ports=("a_in",), axons=("s_out",), labels=()):
    return Program("test", state, ports, axons, code, dict(labels))


def test_what_operations_do_by_hand():
    code = [
        Instruction("MOV", ("a_in",), "x"),
        Instruction("ADD", ("x", -3), "added"),
        Instruction("NEG", ("x",), "negative"),
        Instruction("MIN", ("x", 4), "least"),
        Instruction("AND", ("negative", 6), "bits"),
        Instruction("SHL", ("negative", 2), "left"),
        Instruction("MUL_SHR", ("negative", 3, 1), "product"),
        Instruction("MUL_SHR", (WORD_MAX, WORD_MAX, 23), "wide"),
        *(Instruction("MOV", (name,), f"v{n}") for n, name in enumerate(NAMES)),
        Instruction("SPIKE", ("added",), to="s_out"),
    ]
    made = Neurons(program(*code, state=tuple(Word(f"v{n}", name) for n, name in enumerate(NAMES))), 1)
    assert made.step({"a_in": 5})["s_out"] == 2
    found = [int(made.words[f"v{n}"][0]) for n in range(len(NAMES))]
    assert found == [2, -5, 4, 2, -20, -8, (1 << 23) - 2]  # -15 / 2 is rounded down


NAMES = ("added", "negative", "least", "bits", "left", "product", "wide")


@pytest.mark.parametrize(("compare", "expected"), [("LT", [1, 0, 0]), ("GE", [0, 1, 1]), ("EQ", [0, 1, 0])])
def test_branches(compare, expected):
    code = (
        Instruction(compare, ("a_in", 4)),
        Instruction("JMP_C", to="yes"),
        Instruction("JMP", to="end"),
        Instruction("MOV", (1,), "v"),
    )
    made = Neurons(program(*code, labels={"yes": 3, "end": 4}), 3)
    made.step({"a_in": np.array([3, 4, 5])})
    assert made.words["v"].tolist() == expected
    made.step({"a_in": 9})
    assert made.words["v"].tolist() == ([1, 1, 1] if compare == "GE" else expected), "a word outlasts the step"


@pytest.mark.parametrize(
    ("operation", "operands"),
    [("ADD", (WORD_MAX, 1)), ("NEG", (WORD_MIN,)), ("SHL", (1 << 22, 1)), ("MUL_SHR", (1 << 12, 1 << 12, 0))],
)
def test_what_does_not_fit_a_word_is_seen(operation, operands):
    with pytest.raises(AssertionError, match=operation):
        Neurons(program(Instruction(operation, operands, "v")), 1).step({})


def test_what_does_not_end_is_seen():
    with pytest.raises(AssertionError, match="does not end"):
        Neurons(program(Instruction("JMP", to="again"), labels={"again": 0}), 1).step({})


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (Instruction("DIV", ("v", 2), "x"), "no such operation; use one of MOV, ADD"),
        (Instruction("ADD", ("v",), "x"), "must have 2 operands and a result"),
        (Instruction("ADD", ("v", 1)), "must have 2 operands and a result"),
        (Instruction("LT", ("v", 1), "x"), "must have 2 operands and no result"),
        (Instruction("MOV", ("v",), "a_in"), "a result, which is no port"),
        (Instruction("MOV", ("x",), "y"), "nothing has been written to 'x' before"),
        (Instruction("MOV", (WORD_MAX + 1,), "x"), "8388608 is no number of 24 bits"),
        (Instruction("JMP", to="nowhere"), "no label 'nowhere'"),
        (Instruction("SPIKE", ("v",), to="other"), "no axon 'other'"),
        (Instruction("MOV", ("v",), "x", to="s_out"), "no axon 's_out'"),
    ],
)
def test_what_no_program_is(one, what):
    with pytest.raises(InputError, match=f"program 'test', instruction 0, .*{what}"):
        program(one)


def test_names_are_there_once():
    with pytest.raises(InputError, match="each may be there once only"):
        program(state=(Word("v", "voltage"), Word("a_in", "input")))


def test_a_listing():
    code = (Instruction("LT", ("a_in", 4)), Instruction("JMP_C", to="end"), Instruction("ADD", ("v", "a_in"), "v"))
    made = program(*code, state=(Word("v", "voltage", -1),), labels={"end": 3})
    assert made.listing().splitlines() == [
        "program test", "  state v = -1: voltage", "  port a_in", "  axon s_out", "  LT a_in 4", "  JMP_C end",
        "  ADD v v a_in", "end:",
    ]  # fmt: skip
    assert (made.registers, made.state_bits) == ((), 24)
    assert program(Instruction("MOV", (1,), "x"), Instruction("MOV", (2,), "x")).registers == ("x",)
    assert all(n in (0, 1, 2, 3) for n, _ in OPERATIONS.values())
