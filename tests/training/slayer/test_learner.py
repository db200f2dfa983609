"""The baseline: lava-dl's SLAYER in the training loop."""

import json
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from experiments import SLAYER, Notes, experiment, trained
from exported import run_netx, run_norse

from lava_nbp.errors import CheckpointError, ConfigError, InputError
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.export import export_run
from lava_nbp.runs.train import train
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.run import METRICS, load_result, load_run

SETTINGS = (
    "seed=3", "epochs=3", "data.validation=50", "data.train=300", "data.test=60", "encoding.end=16",
    "encoding.darkest=100", "network.hidden=[30]", "learning.rate=5e-3", "learning.true_rate=0.5",
)  # fmt: skip


@pytest.fixture
def config(tmp_path):
    return lambda *settings: experiment(tmp_path, SLAYER, *SETTINGS, *settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = trained(tmp_path_factory.mktemp("slayer"), SLAYER, *SETTINGS)
    return run.folder, load_result(run.folder)


def test_it_learns_and_says_what_it_costs(finished):
    _, result = finished
    assert (result["algorithm"], result["target"], result["layers"]) == ("slayer", "slayer", [64, 30, 10])
    assert result["test_accuracy_ties_right"] > 0.4  # chance is 0.1
    assert result["test_accuracy"] <= result["test_accuracy_ties_right"]
    cost = result["inference"]
    assert (cost["parameters"], cost["weight_bits"], cost["steps"]) == (64 * 30 + 300, 8, 16)
    assert 0 < cost["spikes"] < 40 * 16


def test_evaluate_gives_the_same_figures(finished):
    run, _ = finished
    assert evaluate_run(run)["last"] == {
        key: value for key, value in json.loads((run / METRICS).read_text().splitlines()[-1]).items() if "test_" in key
    }
    with pytest.raises(InputError, match="target of slayer is 'lava', but must be one of slayer"):
        evaluate_run(run, "lava")


def test_resume_goes_on_bit_for_bit(finished, config, tmp_path):
    run, _ = finished
    train(config("epochs=1"), tmp_path / "parts")
    train(config(), tmp_path / "parts", resume=True)
    whole, parts = load_checkpoint(run), load_checkpoint(tmp_path / "parts")
    for name, w in whole.weights.items():
        np.testing.assert_array_equal(w, parts.weights[name])
    for name, m in whole.memory.items():
        np.testing.assert_array_equal(m, parts.memory[name])
    assert [m["test_accuracy"] for m in whole.history] == [m["test_accuracy"] for m in parts.history]


def test_memory_is_whole_or_refused(finished, config, tmp_path):
    whole = load_checkpoint(finished[0])
    own = whole.memory
    for memory in (
        {},
        {name: array for name, array in own.items() if name != "exp_avg_sq1"},
        {**own, "step2": own["step0"]},
        {**own, "step0": -own["step0"]},
        {**own, "exp_avg0": own["exp_avg0"][:3]},
        {**own, "exp_avg0": own["exp_avg0"].astype(np.float64)},
        {**own, "exp_avg_sq0": -own["exp_avg_sq0"]},
        {**own, "exp_avg0": own["exp_avg0"] * np.float32("nan")},
    ):
        (tmp_path / "run").mkdir(exist_ok=True)
        replace(whole, memory=memory).save(tmp_path / "run")
        with pytest.raises(CheckpointError, match="checkpoint"):
            train(config("epochs=4"), tmp_path / "run", resume=True)
    w1 = whole.weights["W1"].astype(np.float64)
    replace(whole, weights={**whole.weights, "W1": w1}).save(tmp_path / "run")
    with pytest.raises(CheckpointError, match="W1 has dtype float64, but this network learns with float32"):
        evaluate_run(tmp_path / "run")


def test_exported_to_netx_it_has_the_registers_of_lava_dl_and_its_spikes_on_lava(finished, tmp_path):
    """Ours beside lava-dl's own export of the same block, and its spikes in PyTorch beside Lava's."""
    run, _ = finished
    path, _ = export_run(run, "netx", tmp_path / "ours.net")
    found = load_run(run)
    state, learner = found.state, found.learner
    with learner.open(state.chosen, {}) as session:
        x = learner.inputs(learner.dataset.test, np.arange(4))
        hidden, out = session.forward(x)[1:]
        with h5py.File(tmp_path / "theirs.net", "w") as file:
            for k, block in enumerate(session.blocks, 1):
                block.export_hdf5(file.create_group(f"layer/{k}"))
    with h5py.File(path) as ours, h5py.File(tmp_path / "theirs.net") as theirs:
        for k in (1, 2):
            np.testing.assert_array_equal(ours[f"layer/{k}/weight"][()], theirs[f"layer/{k}/weight"][()])
            for key in ("iDecay", "vDecay", "vThMant"):
                assert ours[f"layer/{k}/neuron/{key}"][()] == theirs[f"layer/{k}/neuron/{key}"][()]
    spikes = x.numpy().transpose(0, 2, 1).reshape(-1, 64)
    found = run_netx(path, spikes.astype(int), reset_interval=16).reshape(4, 16, 10)
    expected = out.detach().numpy().transpose(0, 2, 1)
    # In PyTorch a block's spikes leave it a step late; what comes back from Lava is without delays.
    np.testing.assert_array_equal(found[:, :-2], expected[:, 2:])
    assert hidden.any()
    assert expected.any()


def test_exported_to_nir_norse_answers_the_same(finished, tmp_path):
    run, _ = finished
    path, network = export_run(run, "nir", tmp_path / "ours.nir")
    found = load_run(run)
    state, learner = found.state, found.learner
    x = learner.inputs(learner.dataset.test, np.arange(60)).numpy()
    counts = run_norse(path, x.transpose(2, 0, 1), network.dt).sum(axis=0)
    clear = np.diff(np.sort(counts, axis=1)[:, -2:], axis=1)[:, 0] > 1
    np.testing.assert_array_equal(counts.argmax(axis=1)[clear], learner.infer(state.chosen).classes[clear])
    assert clear.mean() > 0.2


def test_a_trial_that_is_no_whole_number_of_steps(config, tmp_path):
    with pytest.raises(ConfigError, match=r"network.dt is 3.0 ms, which does not divide encoding.end = 16.0 ms"):
        train(config("network.dt=3"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_lava_dl(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lava.lib.dl.slayer", None)
    with pytest.raises(InputError, match=r"algorithm slayer needs the package lava-dl, .*'lava-nbp\[dl\]'"):
        train(config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (("encoding.end=100000",), ConfigError, "100000 steps, .* but the limit is 10000"),
        (("encoding.late=17",), ConfigError, "encoding.late is 17 ms, but the trial ends at encoding.end = 16 ms"),
        (("encoding.bias=17",), ConfigError, "encoding.bias is 17 ms"),
        (("neuron.threshold=0.01",), ConfigError, "neuron.threshold = 0.01: input should be greater than or equal to"),
        (("network.hidden=[2000]",), InputError, "a network of 64-2000-10 in 16 steps needs some .* of memory"),
    ],
)
def test_what_does_not_fit(config, monkeypatch, settings, error, message):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.1")
    with pytest.raises(error, match=message):
        make_learner(config(*settings))


def test_a_dead_network_is_noted_and_never_right(config, tmp_path):
    noted = Notes()
    result = train(config("epochs=1", "neuron.threshold=1e4"), tmp_path / "run", progress=noted)
    assert any("layer 1 of 2 did not spike once in epoch 1: start from larger weights" in text for text in noted.notes)
    metrics = json.loads((tmp_path / "run" / METRICS).read_text())
    assert metrics["train_accuracy"] == result["test_accuracy"] == result["test_accuracy_ties_right"] == 0.0


def test_gradients_without_numbers_end_the_run_before_their_step(config, tmp_path):
    plain = config("epochs=1")
    # Steeper than a configuration may ask for: that is what leaves the numbers soonest.
    steep = plain.model_copy(update={"neuron": plain.neuron.model_copy(update={"scale_grad": 1e38, "tau_grad": 10.0})})
    with pytest.raises(
        InputError, match=r"in epoch 1 the loss is .*, and the sum of all gradients (inf|nan): there is no"
    ):
        train(steep, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run").epoch == 0
