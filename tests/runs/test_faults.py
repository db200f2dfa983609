"""Accuracy against fault rate, before and after learning on."""

import json
from pathlib import Path

import pytest

from lava_nbp.base.progress import Progress
from lava_nbp.errors import ConfigError, InputError
from lava_nbp.runs.faults import sweep_run
from lava_nbp.runs.train import load_run, train
from lava_nbp.training.config import load_config

DIGITS = Path(__file__).parents[2] / "run_configs" / "digits.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = folder / "a.toml"
    config.write_text(
        'seed = 1\nepochs = 4\n[data]\nname = "digits"\nthreshold = 0.4\nvalidation = 200\n'
        "[network]\nn_hidden = 80\ninitial_input_scale = 0.5\ninitial_output_mean = 20\n"
    )
    train(load_config(config), folder / "run")
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
        load_config(DIGITS, settings)


def test_training_with_faults_resumes_bit_for_bit(tmp_path):
    config = tmp_path / "a.toml"
    config.write_text(
        'seed = 1\nepochs = 4\n[data]\nname = "digits"\nthreshold = 0.4\n[network]\nn_hidden = 20\n'
        "[faults]\ndead = 0.05\nstuck = 0.1\nflips = 0.01\ndropped = 0.01\nspurious = 0.001\npulse_loss = 0.01\n"
    )
    train(load_config(config), tmp_path / "whole")
    train(load_config(config, ["epochs=2"]), tmp_path / "parts")
    train(load_config(config), tmp_path / "parts", resume=True)
    whole, parts = (load_run(tmp_path / name)[0] for name in ("whole", "parts"))
    for name, w in whole.weights.items():
        assert (w == parts.weights[name]).all()
