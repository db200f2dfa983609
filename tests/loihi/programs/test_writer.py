"""Branches and loops, as they run."""

import numpy as np
import pytest
from program_machine import Neurons

from lava_nbp.loihi.programs.writer import Writer


def run(write, a, *, b=0):
    """The word `out` after what was written, for inputs a and b."""
    w = Writer("test", ("a", "b"), ("s_out",))
    w.state("out", "result")
    write(w)
    made = Neurons(w.program(), len(a))
    sent = made.step({"a": np.array(a), "b": b})
    return made.words["out"].tolist(), sent["s_out"].tolist()


@pytest.mark.parametrize(
    ("branch", "expected"),
    [("if_less", [1, 0, 0]), ("if_least", [0, 1, 1]), ("if_equal", [0, 1, 0]), ("if_not_equal", [1, 0, 1])],
)
def test_branches(branch, expected):
    def write(w):
        with getattr(w, branch)("a", 4):
            w.mov("out", 1)

    assert run(write, [3, 4, 5])[0] == expected


@pytest.mark.parametrize(("compare", "expected"), [("LT", [7, 1, 1]), ("GE", [1, 7, 7]), ("EQ", [1, 7, 1])])
def test_either(compare, expected):
    def write(w):
        with w.either(compare, "a", 4) as branch:
            w.add("out", "out", 1)
            branch.otherwise()
            w.add("out", "out", 7)

    assert run(write, [3, 4, 5])[0] == expected


def test_branches_in_a_loop():
    def write(w):
        with w.repeat("turns", 5), w.if_less("out", "a"):
            w.add("out", "out", "turns")

    assert run(write, [0, 5, 6, 100])[0] == [0, 5, 9, 15]


def test_arithmetic():
    def write(w):
        w.sub("x", "a", "b")
        w.shr("x", "x", 1)
        w.mul("out", "x", 3)
        w.least("out", "out", 9)

    assert run(write, [5, 0, -9, 100], b=2)[0] == [3, -3, -18, 9]


def test_a_payload_of_0_is_no_spike():
    w = Writer("test", ("a",), ("s_out",))
    w.spike("s_out", "a")
    operations = [one.operation for one in w.program().code]
    assert operations == ["EQ", "JMP_C", "SPIKE"]
    assert run(lambda w: w.spike("s_out", "a"), [0, 3])[1] == [0, 3]
