"""Circuits of any depth and their rules as keys of a configuration: trained, resumed, evaluated, exported, refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from experiments import DIGITS, Notes, experiment, without_times

from lava_nbp.errors import CircuitError, ConfigError, InputError, LavaNBPError
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.export import export_run
from lava_nbp.runs.faults import sweep_run
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.report.page import write_report
from lava_nbp.runs.train import train
from lava_nbp.training.nbp.network import circuit_of
from lava_nbp.training.run import METRICS, load_run

FEWER = ("epochs=2", "data.train=200", "data.test=100", "data.validation=60", 'network.circuit="nbp-deep"')
RULES = (
    "network.n_hidden=[20,12]", "network.margin=2048", "network.graded=[100,200]", "network.dropout=0.1",
    "network.update_probability=[1.0,0.2,2]", "network.ramp=[2048,-1024,128]", "data.threshold=[0.3,0.7]",
    "data.shift=1", "network.per_class=2",
)  # fmt: skip


def metrics(folder):
    found = [without_times(json.loads(line)) for line in (folder / METRICS).read_text().splitlines()]
    for row in found:
        row.pop("updates")  # spike by spike those of every copy are counted
    return found


@pytest.fixture
def config(tmp_path):
    return lambda *settings: experiment(tmp_path, DIGITS, *FEWER, *settings)


def test_a_configuration_says_every_rule(config):
    found = circuit_of(config(*RULES, "seed=7"))
    assert found == training_circuit(
        layers=(128, 20, 12, 10), margin=2048, graded=[100, 200], dropout=0.1, update_probability=(1.0, 0.2, 2),
        ramp=(2048, -1024, 128), per_class=2,
    ).with_seed(7)  # fmt: skip
    assert circuit_of(config("network.n_hidden=[20,12]")) == training_circuit(layers=(64, 20, 12, 10))
    assert not circuit_of(config("network.n_hidden=9", "network.chip_order=false")).chip_order


def test_all_targets_learn_the_same_and_so_does_a_run_that_was_interrupted(config, tmp_path):
    for target in ("sample", "reference", "spiking", "lava"):
        train(config(*RULES, f"target={target}"), tmp_path / target)
    whole = load_run(tmp_path / "sample")
    for target in ("reference", "spiking", "lava"):
        other = load_run(tmp_path / target)
        assert metrics(tmp_path / target) == metrics(tmp_path / "sample")
        for name, w in whole.weights.items():
            np.testing.assert_array_equal(other.weights[name], w)
    train(config(*RULES, "epochs=1"), tmp_path / "two")
    train(config(*RULES), tmp_path / "two", resume=True)
    assert metrics(tmp_path / "two") == metrics(tmp_path / "sample")
    train(config(*RULES, "seed=3"), tmp_path / "other")
    assert not np.array_equal(load_run(tmp_path / "other").weights["W1"], whole.weights["W1"])


def test_what_reads_the_output_is_what_is_counted(config, tmp_path):
    """accuracy_spikes is that of the ramp's spikes; the same network without it answers otherwise, by the same sums."""
    train(config(*RULES), tmp_path / "ramp")
    run = load_run(tmp_path / "ramp")
    said = run.inference.said
    assert said.shape == (100, 20)
    assert (said.sum(axis=1) <= 20).all()
    report = evaluate_run(tmp_path / "ramp", "spiking")
    last = metrics(tmp_path / "ramp")[-1]
    assert report["last"]["test_accuracy_spikes"] == last["test_accuracy_spikes"]
    assert run.inference.right.shape == (100,)
    # Other tools read the output in ways of their own: what they get has the papers' threshold.
    assert export_run(tmp_path / "ramp", "nir", tmp_path / "a.nir")[1].theta == 513


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("network.marginn=3", "unknown key network.marginn = 3; did you mean margin?"),
        ("network.guarded=true", "network.guarded is true, but means nothing for circuit 'nbp-deep'"),
        ("network.lower_gate=3", "network.lower_gate = 3: must be true or false"),
        ("network.margin=100", "margin is 100, but must be a multiple of 64"),
        ("network.graded=[1,2,3]", "graded is .*, but there are 1 hidden layers"),
        ("network.dropout=nan", "dropout is nan"),
        ("network.update_probability=[1,2]", "must be three numbers"),
        ("network.ramp=[1,2]", "must be three integers"),
        ("data.threshold=[0.7,0.3]", "several must rise"),
        ("data.threshold=nan", "data.threshold is nan"),
        ("data.threshold=[]", "threshold is empty"),
        ("data.shift=8", "shift is 8, but must be an integer in 0 .. 7"),
        ("data.shift=-1", "data.shift"),
    ],
)
def test_impossible_settings_leave_nothing(config, tmp_path, setting, words):
    with pytest.raises(LavaNBPError, match=words) as caught:
        train(config("network.n_hidden=8", setting), tmp_path / "run")
    assert isinstance(caught.value, (ConfigError, InputError, CircuitError))
    assert not (tmp_path / "run").exists()


def test_rules_mean_nothing_for_the_papers_circuit(tmp_path):
    with pytest.raises(ConfigError, match="network.margin is 2048, but means nothing for circuit 'nbp'"):
        experiment(tmp_path, DIGITS, "network.margin=2048")


def test_a_run_with_patches_and_a_ramp_through_all_tools(config, tmp_path):
    """What a run's folder is good for: measures of inference, resumption, a sweep of faults, figures and a report."""
    folder = tmp_path / "run"
    settings = ("network.n_hidden=[40,12]", "network.patch=4", *RULES[1:])
    result = train(config(*settings), folder)
    circuit = load_run(folder).circuit
    inference = result["inference"]
    assert 0 < inference["activation_sparsity"] < 1
    assert inference["steps"] == 25  # the output may fire in each step of the ramp
    assert inference["parameters"] == circuit.answering.n_dense_synapses < 128 * 40
    report, _ = sweep_run(folder, ["flips", "stuck", "dead"], [0.1], 1, None, Notes())
    assert [row["kind"] for row in report["rows"]] == ["flips", "stuck", "dead"]
    assert len(plot_run(folder)) >= 4
    assert write_report(folder).stat().st_size > 10_000
    w = load_run(folder).weights["W1"]
    assert not w[~circuit.matrices[0].mask.matrix((128, 40))].any()


def test_a_target_that_cannot_answer_is_refused_before_anything_is_written(config, tmp_path):
    """While it learns, PlasticLIF keeps the output's refractory period; Lava's LIF, which only answers, would not."""
    circuit = training_circuit(64, 12, 10, chip_order=True)
    slow = replace(
        circuit, populations=tuple(replace(p, refractory=5) if p.name == "o" else p for p in circuit.populations)
    )
    with pytest.raises(
        CircuitError, match="'o' is scheduled in phases 0 and 0, nearer than its refractory period of 5"
    ):
        train(config("network.n_hidden=12", 'target="lava-stock"'), tmp_path / "run", slow)
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_ramp_on_every_target_that_has_steps(config, tmp_path):
    settings = (
        "network.n_hidden=8", "network.ramp=[1024,0,512]", "network.margin=512", "epochs=1", "data.train=4",
        "data.validation=4", "data.test=6",
    )  # fmt: skip
    for target in ("sample", "lava-primitives", "lava-stock"):
        train(config(*settings, f"target={target}"), tmp_path / target)
    seen = [
        {k: v for k, v in row.items() if k != "gate_breaches"}
        for target in ("sample", "lava-primitives", "lava-stock")
        for row in metrics(tmp_path / target)
    ]
    assert seen[0] == seen[1] == seen[2]


def test_of_several_outputs_for_a_class_the_class_is_what_is_right(config, tmp_path):
    settings = ("network.n_hidden=20", "network.margin=2048", "network.per_class=3", "network.ramp=[3072,-1024,128]")
    train(config(*settings), tmp_path / "run")
    inference = load_run(tmp_path / "run").inference
    labels = load_run(tmp_path / "run").learner.dataset.test.y
    voted = inference.said.reshape(100, 10, 3).sum(axis=2).argmax(axis=1)
    np.testing.assert_array_equal(inference.right, voted == labels)
    assert inference.right.mean() == metrics(tmp_path / "run")[-1]["test_accuracy_spikes"]
