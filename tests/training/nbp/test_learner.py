"""Circuits of one's own in the training loop: given by the caller, by name, or by a file."""

import json
from dataclasses import replace

import numpy as np
import pytest
from experiments import DIGITS, Notes, content, experiment, without_times
from own_circuits import delta_circuit, renamed

from lava_nbp import save_circuit
from lava_nbp.errors import CheckpointError, CircuitError, ConfigError, InputError, WeightError
from lava_nbp.nbp.circuits import CIRCUITS, CircuitKind
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.reference import ReferenceExecutor
from lava_nbp.nbp.rule import ThreeFactorRule
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.export import export_run
from lava_nbp.runs.train import train
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.config import parse_config
from lava_nbp.training.nbp.config import GIVEN
from lava_nbp.training.run import METRICS, load_run

PAPER = training_circuit(64, 20, 10)
FEWER = ("epochs=2", "data.train=120")


def metrics(folder):
    return [without_times(json.loads(line)) for line in (folder / METRICS).read_text().splitlines()]


@pytest.fixture
def config(tmp_path):
    return lambda *settings: experiment(tmp_path, DIGITS, *FEWER, *settings)


@pytest.mark.parametrize("target", ["sample", "reference", "spiking"])
def test_the_papers_circuit_under_other_names_is_the_same_run(config, tmp_path, target):
    own = renamed(PAPER, lambda name: f"my_{name}")
    train(config(f"target={target}"), tmp_path / "paper")
    train(config(f"target={target}"), tmp_path / "own", own)
    paper, mine = load_run(tmp_path / "paper"), load_run(tmp_path / "own")
    assert (mine.circuit, paper.circuit) == (own, PAPER)
    assert list(mine.state.weights) == ["my_W1", "my_W2"]
    for name, w in paper.state.weights.items():
        np.testing.assert_array_equal(mine.state.weights[f"my_{name}"], w)
        np.testing.assert_array_equal(mine.state.chosen[f"my_{name}"], paper.state.chosen[name])
    assert metrics(tmp_path / "own") == metrics(tmp_path / "paper")
    # The circuit comes from the checkpoint: nobody gives it again.
    report = evaluate_run(tmp_path / "own", "reference")
    assert report["last"]["test_exact"] == metrics(tmp_path / "paper")[-1]["test_exact"]
    exported = [export_run(tmp_path / name, "nir", tmp_path / f"{name}.nir")[1] for name in ("paper", "own")]
    assert exported[0].theta == exported[1].theta == 513
    for one, other in zip(exported[0].weights, exported[1].weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_circuit_that_is_not_backpropagation_learns(config, tmp_path):
    own = delta_circuit(64, 10)
    result = train(config("target=spiking", "epochs=4", "data.train=600", "data.threshold=0.4"), tmp_path / "run", own)
    assert result["layers"] == [64, 10]
    assert result["test_accuracy_spikes"] > 0.4  # chance is 0.1
    assert result["inference"]["parameters"] == 640
    run = load_run(tmp_path / "run")
    assert list(run.weights) == ["V"]
    assert run.inference.classes.shape == (60,)
    assert (run.inference.classes == run.learner.dataset.test.y).mean() == result["chosen"]["test_accuracy_spikes"]


def test_what_an_inference_fires_is_what_the_executor_fires(config, tmp_path):
    """Counted by the circuit that only answers; beside it the oracle's answers, and a sum by hand."""
    train(config(), tmp_path / "run")
    run = load_run(tmp_path / "run")
    x = run.learner.dataset.test.x
    with ReferenceExecutor(run.circuit, run.weights) as oracle:
        np.testing.assert_array_equal(run.inference.said, oracle.infer(x).spikes)
    hidden = x.astype(int) @ run.weights["W1"] > 512
    np.testing.assert_array_equal(run.inference.spikes[0], hidden.sum(axis=0))
    np.testing.assert_array_equal(run.inference.synapses[0].spikes, x.sum(axis=0))
    assert run.infer() is run.inference  # once, for whoever asks


def test_circuits_by_name(config):
    for settings, circuit in (
        (("network.guarded=true",), training_circuit(64, 20, 10, guarded=True)),
        (("network.circuit=nbp-guarded",), training_circuit(64, 20, 10, guarded=True)),
        (("network.circuit=nbp-chip",), training_circuit(64, 20, 10, chip_order=True)),
        (("network.n_hidden=[7]",), training_circuit(64, 7, 10)),
    ):
        assert make_learner(config(*settings)).circuit == circuit


def test_a_circuit_of_a_file(config, tmp_path):
    save_circuit(training_circuit(64, 9, 10, guarded=True), tmp_path / "own.json")
    setting = f"network={{circuit='{tmp_path / 'own.json'}'}}"  # its hidden layers are those of the file
    train(config(setting), tmp_path / "run")
    assert load_run(tmp_path / "run").state.layers == (64, 9, 10)
    train(config(setting, "epochs=3"), tmp_path / "run", resume=True)
    (tmp_path / "own.json").unlink()
    assert evaluate_run(tmp_path / "run")["layers"] == [64, 9, 10]
    save_circuit(training_circuit(64, 9, 10), tmp_path / "own.json")
    with pytest.raises(CheckpointError, match="holds another circuit than this configuration, or its file, gives"):
        train(config(setting, "epochs=3"), tmp_path / "run", resume=True)
    with pytest.raises(CircuitError, match="has the layers 64-9-10, but 64-8-10 are asked for"):
        make_learner(config(f"network.circuit={tmp_path / 'own.json'}", "network.n_hidden=8"))


def test_a_run_with_a_circuit_of_its_own_goes_on_with_it(config, tmp_path):
    """The checkpoint holds it: whoever resumes need not give it again, and may not give another."""
    own = renamed(PAPER, lambda name: f"my_{name}")
    train(config("epochs=1"), tmp_path / "run", own)
    assert load_run(tmp_path / "run").state.config["network"]["circuit"] == GIVEN
    assert not {"n_hidden", "guarded", "chip_order"} & load_run(tmp_path / "run").state.config["network"].keys()
    train(config("epochs=2"), tmp_path / "run", resume=True)
    train(config("epochs=3", f"network={{circuit='{GIVEN}'}}"), tmp_path / "run", own, resume=True)
    train(config("epochs=3"), tmp_path / "whole")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    assert load_run(tmp_path / "run").circuit == own
    with pytest.raises(CheckpointError, match="holds another circuit"):
        train(config("epochs=4"), tmp_path / "run", PAPER, resume=True)
    with pytest.raises(CheckpointError, match="network.circuit = 'nbp', here '.given.'"):
        train(config("epochs=4"), tmp_path / "whole", own, resume=True)


def test_a_run_whose_circuit_file_is_gone_goes_on(config, tmp_path):
    save_circuit(training_circuit(64, 9, 10), tmp_path / "own.json")
    setting = f"network={{circuit='{tmp_path / 'own.json'}'}}"
    train(config(setting, "epochs=1"), tmp_path / "run")
    train(config(setting, "epochs=2"), tmp_path / "whole")
    (tmp_path / "own.json").unlink()
    train(config(setting, "epochs=2"), tmp_path / "run", resume=True)
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    with pytest.raises(InputError, match="own.json cannot be read: No such file"):
        train(config(setting), tmp_path / "new")


def test_a_circuit_that_should_be_given_but_is_not(config, tmp_path):
    given = config(f"network={{circuit='{GIVEN}'}}", "epochs=1", "target=lava-stock")
    with pytest.raises(InputError, match="network.circuit is '.given.': it came from Python.*pass it, as in train"):
        train(given, tmp_path / "run")
    with pytest.raises(ConfigError, match="target 'lava-stock' delivers .*; give circuit.in_chip_order"):
        train(given, tmp_path / "run", PAPER)
    assert not (tmp_path / "run").exists()


def test_options_of_a_circuit_of_ones_own_are_keys(config, tmp_path):
    """A circuit of the table says which options it has: the configuration takes these, and no others."""
    made = []

    def make(n_in, n_hidden, n_out, *, wide=False):
        made.append(wide)
        return training_circuit(n_in, n_hidden * (1 + wide), n_out)

    with CIRCUITS.registered(CircuitKind("mine", make, ("wide",))):
        plain, wide = (config("network.circuit=mine", *more) for more in ((), ("network.wide=true",)))
        assert (plain.network.options, wide.network.options) == ({"wide": False}, {"wide": True})
        assert make_learner(plain).circuit.layers == (64, 20, 10)
        assert wide == parse_config(wide.model_dump(mode="json", exclude_none=True), "checkpoint")
        with pytest.raises(ConfigError, match="network.guarded is true, but means nothing for circuit 'mine'"):
            config("network.circuit=mine", "network.guarded=true")
        assert config("network.circuit=mine", "network.guarded=false") == plain
        with pytest.raises(ConfigError, match="network.wide is true, but means nothing for circuit 'nbp'"):
            config("network.wide=true")
    assert made == [False]


@pytest.mark.parametrize(
    ("circuit", "settings", "error", "message"),
    [
        (training_circuit(65, 20, 10), (), InputError, "has the layers 65-20-10, but data set digits gives 64 inputs"),
        (inference_circuit(64, 20, 10), (), InputError, "circuit 'inference' does not learn; train one with a rule"),
        (
            delta_circuit(64, 10),
            (),
            CircuitError,
            "per-sample engine compiles .* from layer to layer, but this circuit has no hidden layer",
        ),
        (
            PAPER,
            ("target=lava-stock", "network.chip_order=true"),
            ConfigError,
            "delivers spikes before it learns.*; give circuit.in_chip_order",
        ),
    ],
)
def test_circuits_that_are_refused(config, tmp_path, circuit, settings, error, message):
    with pytest.raises(error, match=message):
        train(config(*settings), tmp_path / "run", circuit)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("network.circuit=npb", r"network.circuit is 'npb', but must be one of nbp, .* \(did you mean 'nbp'\?\), or a"),
        ("network={}", "network.n_hidden is missing, but circuit 'nbp' is made for any sizes; add it"),
        ("network={circuit='nbp-guarded', n_hidden=3, guarded=true}", "network.guarded is true, but means nothing for"),
        ("network={circuit='own.json', chip_order=true}", "network.chip_order is true, but means nothing for circuit"),
        ("network.n_hidden=[3, 0]", "network.n_hidden.1 = 0: input should be greater than or equal to 1"),
    ],
)
def test_configurations_that_are_refused(config, setting, message):
    with pytest.raises(ConfigError, match=message):
        config(setting)


def test_a_cure_is_named_where_there_is_one(config):
    """64 inputs of weight 254 could breach a gate; only a circuit of the configuration can be guarded by a key."""
    for learner, cured in (
        (make_learner(config()), True),
        (make_learner(config("network.circuit=nbp-chip")), True),
        (make_learner(config(), renamed(PAPER, lambda name: f"my_{name}")), False),
    ):
        (note,) = learner.notes()
        assert ("network.guarded = true" in note) == cured
    assert make_learner(config("network.circuit=nbp-guarded")).notes() == []


def test_more_layers_than_the_circuit_has(config):
    with pytest.raises(CircuitError, match=r"circuit 'nbp' has 3 layers .*, but 64-7-6-10 are 4"):
        make_learner(config("network.n_hidden=[7, 6]"))


def test_initial_weights_of_any_names_from_a_file(config, tmp_path):
    own = delta_circuit(64, 10)
    np.savez(tmp_path / "v.npz", V=np.full((64, 10), -2))
    learner = make_learner(config("target=spiking", f"network.weights={tmp_path / 'v.npz'}"), own)
    assert (learner.initial_weights()["V"] == -2).all()
    np.savez(tmp_path / "v.npz", W1=np.full((64, 10), -2))
    with pytest.raises(WeightError, match=r"v.npz: weights named \['W1'\], but this network has \['V'\]"):
        learner.initial_weights()


UNEVEN = replace(PAPER, rule=ThreeFactorRule("8*r*x0*y0 - 2*x0*y0"))


@pytest.mark.parametrize(
    ("circuit", "settings"),
    [
        (UNEVEN, ("target=spiking",)),
        (UNEVEN, ("target=lava",)),
        (PAPER, ("target=spiking", "faults.lost=0.1", "faults.apart=true")),
        (PAPER, ("target=spiking", "faults.stuck=0.1", "faults.apart=true")),
        (PAPER, ("target=spiking", "faults.dropped=0.02")),
    ],
)
def test_copies_that_learn_differently_go_on_bit_for_bit(config, tmp_path, circuit, settings):
    """Where the copies of a matrix drift apart the checkpoint holds them all: a resumed run is the run."""
    train(config("epochs=2", *settings), tmp_path / "whole", circuit)
    train(config("epochs=1", *settings), tmp_path / "parts", circuit)
    memory = load_run(tmp_path / "parts").state.memory
    assert not np.array_equal(memory["W2_T_neg"], -memory["W2"].T)
    train(config("epochs=2", *settings), tmp_path / "parts", circuit, resume=True)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_copies_that_learn_alike_are_not_kept(config, tmp_path):
    train(config("target=spiking"), tmp_path / "run")
    assert load_run(tmp_path / "run").state.memory == {}


def test_a_circuit_that_does_not_fit(config, tmp_path, monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.01")
    with pytest.raises(
        InputError, match=r"circuit 'nbp' of 64-9000-10 .* needs some .* MB of memory, but the limit is"
    ):
        train(config("network.n_hidden=9000"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_output_that_never_spikes_is_noted(config, tmp_path):
    """Its answers are the lowest class then, as the paper's readout has it; never one with the right spikes."""

    noted = Notes()
    np.savez(tmp_path / "zeros.npz", W1=np.zeros((64, 20), np.int16), W2=np.full((20, 10), -254, np.int16))
    settings = ("epochs=1", f"network.weights={tmp_path / 'zeros.npz'}")
    result = train(config(*settings), tmp_path / "run", progress=noted)
    assert result["test_exact"] == 0.0
    assert any("the output 'o' did not spike once in epoch 1" in text for text in noted.notes)
