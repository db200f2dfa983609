"""Fields of a dataclass are brought to the types that it declares, or refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from lava_nbp.base.fields import settle
from lava_nbp.errors import CircuitError


@dataclass(frozen=True)
class Inner:
    n: int


@dataclass(frozen=True)
class Thing:
    name: str = "thing"
    size: int = 1
    flag: bool = False
    pair: tuple[int, int] = (1, 2)
    many: tuple[int, ...] = ()
    inside: tuple[Inner, ...] = ()
    apart: frozenset[int] = frozenset()
    sign: Literal[1, -1] = 1
    role: Literal["a", "b"] = "a"
    perhaps: Inner | None = None
    share: float = 0.5
    rates: tuple[float, ...] = ()
    limit: float | None = None

    def __post_init__(self):
        settle(self, "thing 'it'", CircuitError)


@pytest.mark.parametrize(
    ("field", "given", "found"),
    [
        ("size", np.int64(7), 7),
        ("name", np.str_("x"), "x"),
        ("flag", np.bool_(True), True),
        ("pair", [3, np.int16(4)], (3, 4)),
        ("many", np.array([2, 8]), (2, 8)),
        ("many", (), ()),
        ("inside", [Inner(1)], (Inner(1),)),
        ("apart", {6, 8}, frozenset({6, 8})),
        ("apart", [6, 6], frozenset({6})),
        ("sign", np.int8(-1), -1),
        ("perhaps", Inner(2), Inner(2)),
        ("share", 1, 1.0),
        ("share", np.float32(0.5), 0.5),
        ("rates", [1, 0.5, np.float16(2)], (1.0, 0.5, 2.0)),
        ("limit", 3, 3.0),
        ("limit", None, None),
    ],
)
def test_what_is_meant_becomes_what_is_declared(field, given, found):
    value = getattr(Thing(**{field: given}), field)
    assert value == found
    assert type(value) is type(found)
    if isinstance(value, tuple):
        assert [type(entry) for entry in value] == [type(entry) for entry in found]
    hash(Thing(**{field: given}))


@pytest.mark.parametrize(
    ("field", "given", "must"),
    [
        ("size", 7.0, "an integer"),
        ("size", True, "an integer"),
        ("size", "7", "an integer"),
        ("size", None, "an integer"),
        ("size", float("nan"), "an integer"),
        ("name", 3, "text"),
        ("name", None, "text"),
        ("flag", 1, "True or False"),
        ("flag", "no", "True or False"),
        ("pair", (1, 2, 3), "a tuple of 2: an integer and an integer"),
        ("pair", 5, "a tuple of 2: an integer and an integer"),
        ("many", 5, "a tuple, each entry of it an integer"),
        ("many", {2, 8}, "a tuple, each entry of it an integer"),
        ("many", "28", "a tuple, each entry of it an integer"),
        ("many", [2, 8.5], "a tuple, each entry of it an integer"),
        ("many", [[2], [8]], "a tuple, each entry of it an integer"),
        ("inside", ({"n": 1},), "a tuple, each entry of it a Inner"),
        ("apart", {"six"}, "a frozenset, each entry of it an integer"),
        ("sign", 2, "one of 1, -1"),
        ("sign", True, "one of 1, -1"),
        ("sign", 1.0, "one of 1, -1"),
        ("role", "c", "one of 'a', 'b'"),
        ("perhaps", 1, "a Inner or None"),
        ("share", float("nan"), "a finite number"),
        ("share", float("inf"), "a finite number"),
        ("share", "0.5", "a finite number"),
        ("share", True, "a finite number"),
        ("share", 1j, "a finite number"),
        ("rates", [0.5, float("nan")], "a tuple, each entry of it a finite number"),
        ("limit", float("inf"), "a finite number or None"),
    ],
)
def test_what_cannot_be_meant_is_refused(field, given, must):
    with pytest.raises(CircuitError) as error:
        Thing(**{field: given})
    assert str(error.value) == f"thing 'it': {field} is {given!r}, but must be {must}"


def test_a_number_beyond_all_floats_is_refused_in_a_line():
    with pytest.raises(CircuitError, match="share is .*, but must be a finite number"):
        Thing(share=10**5000)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(CircuitError, match=r"many is \['.{40,70}\.\.\., but must be"):
        Thing(many=["x"] * 1000)


@pytest.mark.parametrize("declared", [Sequence[int], set[int], type[int]])
def test_types_that_no_field_may_have_take_nothing(declared):
    @dataclass(frozen=True)
    class Odd:
        value: declared | int

        def __post_init__(self):
            settle(self, "odd", CircuitError)

    Odd.__annotations__["value"] = declared | int
    assert Odd(1).value == 1
    with pytest.raises(CircuitError, match="odd: value is "):
        Odd((1, 2))
