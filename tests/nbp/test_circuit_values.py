"""Circuit values and rules by hand that once passed, or ended in something else than one line."""

from dataclasses import replace

import numpy as np
import pytest

from lava_nbp import Connection, DenseProjection, Population, Source, ThreeFactorRule, training_circuit
from lava_nbp.errors import CircuitError, RuleError

CIRCUIT = training_circuit(4, 3, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseProjection("p", "a", "b", "W", sign=2),
        lambda: DenseProjection("p", "a", "b", "W", sign=0),
        lambda: Connection("a", "b", "sideways", 520),
        lambda: Connection("a", "b", "relay", 520.0),
        lambda: Population("a", 1, (1,), bias=float("nan")),
        lambda: Population(10**5000, 1, (1,)),
        lambda: replace(CIRCUIT, period=10**9),
        lambda: replace(CIRCUIT, output_phase=10**5000),
        lambda: replace(CIRCUIT, meanings=((99, "never"),)),
        lambda: replace(CIRCUIT, sources=(replace(CIRCUIT.sources[0], weight=10**9), *CIRCUIT.sources[1:])),
        lambda: replace(CIRCUIT, sources=(replace(CIRCUIT.sources[0], weight=-5), *CIRCUIT.sources[1:])),
        lambda: replace(CIRCUIT, populations=CIRCUIT.populations * 5000),
        lambda: replace(CIRCUIT, populations=(*CIRCUIT.populations, Population("x" * 101, 4, (2,)))),
        lambda: CIRCUIT[[]],
        lambda: Source("x", "a", True),
    ],
)
def test_values_that_no_circuit_has(make):
    with pytest.raises(CircuitError) as error:
        make()
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400 + "x0" + ")" * 400 + "*2",
        "x0**10**9",
        "9**9**9*x0",
        "(((((x0 + r)**8)**8)**8)**8)*2",
        f"{10**400}*x0",
        "2*x0 +" * 300 + "2*x0",
        "2*x0\0",
        "2*x0*\ud800",
        "2*é*x0",
        "lambda: x0",
        "2*x0 if x0 else 4*x0",
        "",
        None,
        3,
        b"2*x0",
    ],
)
def test_rules_that_no_synapse_follows(text):
    with pytest.raises(RuleError) as error:
        ThreeFactorRule(text)
    assert len(str(error.value)) < 1400


def test_numpy_numbers_are_welcome():
    assert Population("a", np.int32(2), np.array([1, 2])) == Population("a", 2, (1, 2))
    assert training_circuit(np.int64(4), np.int8(3), 2) == CIRCUIT
    assert training_circuit(4, 3, 2, guarded=np.bool_(False)) == CIRCUIT
