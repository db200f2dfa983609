"""Circuits as files, and circuits by name."""

import json
import os
from dataclasses import replace

import pytest

from lava_nbp import lower, make_executor, make_plan, trace
from lava_nbp.errors import CircuitError, InputError, OutputError
from lava_nbp.executors.bench import bench
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict, load_circuit, save_circuit
from lava_nbp.nbp.circuits import CIRCUITS, CircuitKind, make_circuit
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.rule import ThreeFactorRule
from lava_nbp.processes import NBPNetwork, SampleSource

CIRCUIT = training_circuit(4, 3, 2, guarded=True)


@pytest.mark.parametrize(
    "circuit",
    [CIRCUIT, inference_circuit(4, 3, 2), replace(CIRCUIT, rule=ThreeFactorRule("6*r*x0*y0 - 4*x0*y0"), name="mine")],
)
def test_a_circuit_comes_back_as_it_was(circuit, tmp_path):
    path = tmp_path / "mine.json"
    save_circuit(circuit, path)
    assert load_circuit(path) == circuit
    assert make_circuit(path, (4, 3, 2)) == circuit
    assert circuit_from_dict(json.loads(json.dumps(circuit_to_dict(circuit)))) == circuit


def content(**changes):
    return {**json.loads(json.dumps(circuit_to_dict(CIRCUIT))), **changes}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "is no circuit of format 1"),
        ({"format": 2}, "is no circuit of format 1"),
        (content(period="12"), "period = '12'"),
        (content(period=12.5), "period = 12.5"),
        (content(colour="red"), "unknown key colour; remove it"),
        (
            content(populations=[{"name": "x", "size": 4, "phases": [2], "colour": 1}]),
            "has no population 'h1'; it has x",
        ),
        (content(rule={"dw": "3*x0*y0"}), "is odd"),
        (content(output_phase=5), "'o' is not scheduled in phase 5"),
        ({k: v for k, v in content().items() if k != "sources"}, ": sources is missing; add it$"),
    ],
)
def test_what_is_no_circuit(value, message):
    with pytest.raises(CircuitError, match=f"^circuit.*{message}"):
        circuit_from_dict(value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"missing.json cannot be read: No such file"):
        load_circuit(tmp_path / "missing.json")
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(InputError, match="is not valid JSON"):
        load_circuit(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not valid JSON"):
        load_circuit(path)
    with pytest.raises(InputError, match=r"must end in .json"):
        save_circuit(CIRCUIT, tmp_path / "circuit.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1, "period": ' + "9" * 5000 + "}", "an integer of 5000 digits"),
        ('{"format": 1, "format": 1}', "has 'format' twice"),
        ('{"format": 1, "name": "\\ud800"}', "half a character"),
        (json.dumps(content(period=float("nan"))), "period = nan"),
        (json.dumps(content(populations=None)), "populations = None"),
        (json.dumps(content(sources=[[]])), r"sources.0 = \[\]"),
        (json.dumps(content(rule=3)), "rule = 3"),
        ("null", "is no circuit of format 1"),
        ("\0", "is not valid JSON"),
    ],
)
def test_files_that_lie(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises((InputError, CircuitError), match=f"^circuit {path}.*{message}"):
        load_circuit(str(path))


def test_values_that_json_does_not_hold():
    deep = content()
    for _ in range(5000):
        deep = {"format": 1, "deeper": deep}
    for value in (content(name={1, 2}), content(period=object()), content(period=10**5000), deep):
        with pytest.raises(CircuitError, match="^circuit"):
            circuit_from_dict(value)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "mine.json")
    with pytest.raises(InputError, match=r"mine.json cannot be read: it is a FIFO \(pipe\), no file"):
        load_circuit(tmp_path / "mine.json")
    with pytest.raises(OutputError, match=r"mine.json cannot be written: it is a FIFO"):
        save_circuit(CIRCUIT, str(tmp_path / "mine.json"))
    for wrong in (3, None, ""):
        with pytest.raises(InputError, match="circuit file is"):
            load_circuit(wrong)


def test_circuits_by_name():
    assert make_circuit("nbp", (4, 3, 2), guarded=True, chip_order=False) == training_circuit(4, 3, 2, guarded=True)
    assert make_circuit("nbp-chip-guarded", (4, 3, 2)) == training_circuit(4, 3, 2, guarded=True, chip_order=True)
    with pytest.raises(InputError, match=r"circuit is 'nbb', but must be one of nbp.*did you mean 'nbp'"):
        make_circuit("nbb", (4, 3, 2))
    with pytest.raises(InputError, match="circuit 'inference' has no option guarded; it has none"):
        make_circuit("inference", (4, 3, 2), guarded=True)
    with pytest.raises(CircuitError, match=r"circuit 'nbp' has 3 layers \(n_in, n_hidden, n_out\), but 4-3-3-2 are 4"):
        make_circuit("nbp", (4, 3, 3, 2))


def test_a_file_says_its_own_layers_and_options(tmp_path):
    path = tmp_path / "mine.json"
    save_circuit(CIRCUIT, path)
    with pytest.raises(CircuitError, match="has the layers 4-3-2, but 4-5-2 are asked for"):
        make_circuit(path, (4, 5, 2))
    with pytest.raises(InputError, match="is a file, which has no option guarded"):
        make_circuit(path, (4, 3, 2), guarded=True)


def test_a_circuit_of_ones_own_is_one_entry():
    def mine(n_in, n_hidden, n_out, *, loud=False):
        return replace(training_circuit(n_in, n_hidden, n_out), name="loud" if loud else "mine")

    with CIRCUITS.registered(CircuitKind("mine", mine, ("loud",))):
        assert make_circuit("mine", (4, 3, 2), loud=True).name == "loud"
    with pytest.raises(InputError, match="circuit is 'mine'"):
        make_circuit("mine", (4, 3, 2))


def test_circuit_kinds_are_checked():
    with pytest.raises(InputError, match="circuit 'mine': make is 3, but must be a function"):
        CircuitKind("mine", 3)
    with pytest.raises(InputError, match=r"circuit 'mine': options is 'deep', but must be a tuple"):
        CircuitKind("mine", training_circuit, "deep")
    with pytest.raises(InputError, match="circuit 'mine': what makes it has no keyword deep"):
        CircuitKind("mine", lambda n_in, n_out, *, wide=False: None, ("wide", "deep"))
    with (
        CIRCUITS.registered(CircuitKind("mine", lambda n_in, n_out: (n_in, n_out))),
        pytest.raises(InputError, match=r"circuit 'mine': what makes it returns \(3, 2\), which is no Circuit"),
    ):
        make_circuit("mine", (3, 2))


def test_layers_are_no_circuit(tmp_path):
    """Where a circuit is asked for, everything else is refused in the same words."""
    doors = (
        lambda circuit: make_executor("sample", circuit, {}),
        lambda circuit: trace("spiking", circuit, {}),
        lambda circuit: make_plan(circuit, "loihi1"),
        lower,
        bench,
        lambda circuit: save_circuit(circuit, tmp_path / "mine.json"),
        lambda circuit: NBPNetwork(circuit=circuit, weights={}),
        lambda circuit: SampleSource(circuit=circuit, capacity=1),
    )
    for door in doors:
        for wrong in ((4, 3, 2), "nbp", None):
            with pytest.raises(InputError, match="circuit is .*, but must be a Circuit: make one with"):
                door(wrong)
