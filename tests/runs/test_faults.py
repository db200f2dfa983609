"""Accuracy against fault rate, before and after learning on."""

import json
from pathlib import Path

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, experiment, trained
from own_circuits import delta_circuit, paper_under_other_names

from lava_nbp import Progress, Target, load_config, load_run, train
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import CircuitError, ConfigError, InputError
from lava_nbp.nbp.faults import Faults
from lava_nbp.runs.faults import sweep_run

#: What the paper's circuit compares sums with.
FIRE = 512
DIGITS_FILE = Path(__file__).parents[2] / "run_configs" / "digits.toml"
LEARNS = (
    DIGITS, "seed=1", "epochs=4", "data.threshold=0.4", "data.validation=200", "network.n_hidden=80",
    "network.initial_input_scale=0.5", "network.initial_output_mean=20",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(experiment(folder, *LEARNS, "data.train=1237", "data.test=360"), folder / "run")
    return folder / "run"


@pytest.mark.parametrize("target", ["sample", "spiking"])
def test_learning_with_faults_brings_accuracy_back(run, target):
    report, paths = sweep_run(run, ["flips", "lost"], [0.02, 0.2], 2, target, Progress())
    assert [path.name for path in paths] == ["faults.json", "faults.png"]
    assert json.loads(paths[0].read_text()) == report
    assert paths[1].read_bytes()[:4] == b"\x89PNG"
    rows = {(row["kind"], row["rate"]): row for row in report["rows"]}
    assert rows["flips", 0.2]["before"] < report["without"] - 0.1
    assert rows["flips", 0.2]["after"] > rows["flips", 0.2]["before"] + 0.1
    assert rows["lost", 0.02]["before"] > rows["lost", 0.2]["before"]


def test_bad_input(run, tmp_path):
    for arguments, message in [
        ((["deed"], [0.1], 1, "sample"), r"kind of fault is 'deed'.*did you mean 'dead'"),
        ((["dead"], [2.0], 1, "sample"), r"faults.dead is 2.0"),
        ((["dead"], [0.1], 1, "lava"), "target of a sweep of faults is 'lava'"),
    ]:
        with pytest.raises(InputError, match=message):
            sweep_run(run, *arguments, Progress())


def test_targets_that_can_are_those_of_the_table(run):
    mine = Target("mine", "the compiled one", TARGETS["sample"].makes, faults=True)
    with TARGETS.registered(mine):
        report, _ = sweep_run(run, ["flips"], [0.1], 0, "mine", Progress())
        with pytest.raises(InputError, match="must be one of sample, spiking, mine"):
            sweep_run(run, ["flips"], [0.1], 0, "lava", Progress())
    expected, _ = sweep_run(run, ["flips"], [0.1], 0, "sample", Progress())
    assert report["rows"] == expected["rows"]


@pytest.mark.parametrize(
    ("rates", "epochs", "message"),
    [
        ([0.1, float("nan")], 0, "faults.dead is nan"),
        ([float("inf")], 0, "faults.dead is inf"),
        ([-0.1], 0, "faults.dead is -0.1"),
        ([0.1], -1, "epochs of a sweep of faults is -1"),
        ([0.1], 0.5, "epochs of a sweep of faults is 0.5"),
        ([0.1], 10**30, r"epochs of a sweep of faults is 10+, but must be an integer in 0 \.\. 1000000"),
    ],
)
def test_numbers_that_no_sweep_has(run, rates, epochs, message):
    with pytest.raises(InputError, match=message):
        sweep_run(run, ["dead"], rates, epochs, "sample", Progress())


def test_another_algorithm(tmp_path):
    folder = trained(tmp_path, YINYANG).folder
    with pytest.raises(InputError, match="is a run of eventprop, but faults are those of circuits"):
        sweep_run(folder, ["dead"], [0.1], 1, "sample", Progress())


@pytest.mark.parametrize("target", ["sample", "spiking"])
def test_a_circuit_under_other_names(tmp_path, target):
    """What is broken follows from the circuit's own names: computed here with NumPy."""
    circuit = paper_under_other_names(64, 80, 10)
    train(experiment(tmp_path, *LEARNS), tmp_path / "run", circuit)
    report, _ = sweep_run(tmp_path / "run", ["flips", "dead"], [0.1], 1, target, Progress())
    run = load_run(tmp_path / "run")
    test, weights = run.learner.dataset.test, run.weights
    faults = Faults(dead=0.1)

    def accuracy(W1, W2, dead=lambda name, size: np.zeros(size, bool)):
        x, h, o = (~dead(name, size) for name, size in zip(circuit.forward, circuit.layers, strict=True))
        hidden = ((test.x * x).astype(int) @ W1 > FIRE) & h
        said = (hidden.astype(int) @ W2 > FIRE) & o
        return float((said.argmax(axis=1) == test.y).mean())

    assert list(weights) == ["my_W1", "my_W2"]
    assert report["without"] == accuracy(*weights.values()) > 0.3
    flipped = [Faults(flips=0.1).flipped(name, w) for name, w in weights.items()]
    found = {row["kind"]: row for row in report["rows"]}
    assert found["flips"]["before"] == accuracy(*flipped)
    assert found["dead"]["before"] == accuracy(*weights.values(), faults.dead_units)
    assert found["flips"]["after"] != found["flips"]["before"]


def test_a_circuit_that_is_not_backpropagation(tmp_path):
    circuit = delta_circuit(64, 10, chip_order=False)
    settings = ("target=spiking", "epochs=1", *LEARNS[1:2])
    train(experiment(tmp_path, DIGITS, *settings), tmp_path / "run", circuit)
    report, _ = sweep_run(tmp_path / "run", ["lost"], [0.5], 1, "spiking", Progress())
    assert report["rows"][0]["before"] < report["without"]
    with pytest.raises(CircuitError, match="circuit 'delta'.*"):
        sweep_run(tmp_path / "run", ["lost"], [0.5], 1, "sample", Progress())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["target=lava", "faults.dead=0.1"], "target 'lava' cannot run with faults.dead; use one of sample, spiking"),
        (["faults.lost=0.1", "faults.apart=true"], "target 'sample' has none; use target spiking"),
        (["faults.dropped=1.5"], "faults.dropped = 1.5"),
        (["faults.deaf=0.1"], "did you mean dead"),
    ],
)
def test_configurations_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(DIGITS_FILE, settings)


def test_training_with_faults_resumes_bit_for_bit(tmp_path):
    faults = {"dead": 0.05, "stuck": 0.1, "flips": 0.01, "dropped": 0.01, "spurious": 0.001, "pulse_loss": 0.01}
    settings = ("seed=1", "epochs=4", "data.threshold=0.4", *(f"faults.{kind}={rate}" for kind, rate in faults.items()))
    train(experiment(tmp_path, DIGITS, *settings), tmp_path / "whole")
    train(experiment(tmp_path, DIGITS, *settings, "epochs=2"), tmp_path / "parts")
    train(experiment(tmp_path, DIGITS, *settings), tmp_path / "parts", resume=True)
    whole, parts = (load_run(tmp_path / name).state for name in ("whole", "parts"))
    for name, w in whole.weights.items():
        assert (w == parts.weights[name]).all()
