"""The table of algorithms: one that is made up here goes through everything, without touching the library."""

import json
from dataclasses import asdict
from typing import Annotated, Literal

import numpy as np
import pytest
from experiments import content, experiment, trained

from lava_nbp import (
    ALGORITHMS,
    Algorithm,
    AsSection,
    CheckpointError,
    ConfigError,
    DataConfig,
    Experiment,
    Inference,
    InputError,
    Learner,
    Session,
    compare_runs,
    evaluate_run,
    export_run,
    load_run,
    make_learner,
    plot_run,
    train,
    training_circuit,
    write_report,
)
from lava_nbp.base.progress import Progress
from lava_nbp.data import load_dataset
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.run import METRICS


# A made-up algorithm: whatever it sees, it answers the class that was most frequent so far.
class ConstantExperiment(Experiment):
    algorithm: Literal["constant"]
    target: str = "constant"
    data: Annotated[DataConfig, AsSection()]


class ConstantLearner(Learner):
    def __init__(self, config):
        self.dataset = load_dataset(**asdict(config.data))
        self.layers = (self.dataset.n_in, len(self.dataset.classes))

    def initial_weights(self):
        return {"counts": np.zeros(self.layers[-1], int)}

    def open(self, weights, memory):
        return ConstantSession(self.dataset, weights)

    def infer(self, weights, told=None):
        answers = np.full(len(self.dataset.test), weights["counts"].argmax())
        return Inference(answers, answers == self.dataset.test.y)


class ConstantSession(Session):
    def __init__(self, dataset, weights):
        self.dataset, self.counts = dataset, weights["counts"].copy()

    def train_epoch(self, epoch, advance):
        self.counts += np.bincount(self.dataset.train.y, minlength=len(self.counts))
        advance(len(self.dataset.train))
        return {"seconds_learning": 0.0}

    def evaluate(self, split, told=None):
        return {f"{split}_accuracy": float((getattr(self.dataset, split).y == self.counts.argmax()).mean())}

    def read_weights(self):
        return {"counts": self.counts.copy()}

    def write_weights(self, weights):
        self.counts[:] = weights["counts"]


CONSTANT = 'algorithm = "constant"\nepochs = 2\n[data]\nname = "digits"\nvalidation = 100\ntrain = 300\ntest = 90\n'


@pytest.fixture
def constant():
    made_up = Algorithm("constant", "answers one class", ConstantExperiment, ConstantLearner)
    with ALGORITHMS.registered(made_up):
        yield


@pytest.mark.usefixtures("constant")
class TestAMadeUpAlgorithm:
    def test_train_evaluate_compare(self, tmp_path):
        run = trained(tmp_path, CONSTANT)
        data = run.learner.dataset
        best = np.bincount(data.train.y).argmax()
        expected = float((data.test.y == best).mean())
        assert 0.05 < expected < 0.2
        assert evaluate_run(run.folder)["chosen"] == {"test_accuracy": expected}
        (row,) = compare_runs([run.folder])
        assert (row["algorithm"], row["target"], row["network"]) == ("constant", "constant", "64-10")
        assert (row["accuracy"], row["epoch"], row["spikes"]) == (expected, 1, 0)

    def test_resume_goes_on(self, tmp_path):
        class Stop(Progress):
            def epoch(self, record):
                raise KeyboardInterrupt

        config = experiment(tmp_path, CONSTANT)
        train(config, tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", progress=Stop())
        assert load_checkpoint(tmp_path / "parts").epoch == 1
        train(config, tmp_path / "parts", resume=True)
        assert content(tmp_path / "parts") == content(tmp_path / "whole")
        assert len((tmp_path / "parts" / METRICS).read_text().splitlines()) == 2

    def test_plot_and_report(self, tmp_path):
        run = trained(tmp_path, CONSTANT)
        assert {path.stem for path in plot_run(run.folder)} == {"learning_curve", "weights", "confusion_matrix"}
        page = write_report(run.folder).read_text()
        assert "constant: digits 64-10, seed 0" in page
        assert "constant has no lowering to the chip" in page

    def test_what_it_cannot(self, tmp_path):
        run = trained(tmp_path, CONSTANT)
        with pytest.raises(InputError, match="run of constant, whose networks have no form for export"):
            export_run(run.folder, "nir")
        with pytest.raises(InputError, match="circuit 'nbp' is given, but networks of constant are no circuits"):
            make_learner(run.config, training_circuit(64, 20, 10))
        with pytest.raises(InputError, match=r"target of constant is 'sample', but must be one of constant"):
            evaluate_run(run.folder, "sample")

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("target=sample", r"target is 'sample', but must be one of constant"),
            ("data.thresold=1", r"unknown key data.thresold = 1; did you mean threshold\?"),
            ("network.n_hidden=3", "unknown key network = .*allowed are algorithm, target, seed, epochs, lava, data"),
        ],
    )
    def test_its_configuration_is_as_strict(self, tmp_path, setting, message):
        with pytest.raises(ConfigError, match=message):
            experiment(tmp_path, CONSTANT, setting)


def test_without_it_registered_a_run_says_so(tmp_path, constant):
    run = trained(tmp_path, CONSTANT)
    entry = ALGORITHMS.unregister("constant")
    try:
        with pytest.raises(CheckpointError, match="algorithm is 'constant', but must be one of nbp, eventprop, slayer"):
            load_run(run.folder)
        with pytest.raises(ConfigError, match="algorithm is 'constant', but must be one of nbp, eventprop, slayer"):
            experiment(tmp_path, CONSTANT)
    finally:
        ALGORITHMS.register(entry)


def test_every_reference_of_the_table_can_be_found():
    from lava_nbp.base.registry import resolve

    for algorithm in ALGORITHMS.values():
        assert issubclass(algorithm.experiment, Experiment)
        assert issubclass(resolve(algorithm.learner), Learner)
        for reference in (
            algorithm.circuit,
            algorithm.checks,
            algorithm.figures,
            algorithm.sections,
            algorithm.network,
        ):
            assert reference is None or callable(resolve(reference))


def test_results_name_the_data_set_of_the_learner(tmp_path, constant):
    run = trained(tmp_path, CONSTANT)
    assert json.loads((run.folder / "result.json").read_text())["dataset"] == "digits"
