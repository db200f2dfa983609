"""An algorithm and a data set that are made up here, through every command, without touching the library."""

import json
import re
import signal
import sys
from dataclasses import asdict
from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest
from drawn import Drawn, lines

from lava_nbp import (
    ALGORITHMS,
    TARGETS,
    Algorithm,
    AsSection,
    DataConfig,
    Experiment,
    Inference,
    Learner,
    Session,
    Target,
    compare_runs,
    evaluate_run,
    export_run,
    load_config,
    load_run,
    plot_run,
    train,
    write_report,
)
from lava_nbp.cli import app
from lava_nbp.data import DATA_SETS, DataSet, Labelled, Samples, load_dataset
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.seeing import plot
from lava_nbp.training.sections import Drawing, Section


# Twenty lines: it learns which class is the most frequent one, and answers nothing else.
class MajorityExperiment(Experiment):
    algorithm: Literal["majority"]
    target: str = "tally"
    data: Annotated[DataConfig, AsSection()]


class Majority(Learner):
    figures: ClassVar = {"hits": "the most frequent class"}

    def __init__(self, config):
        self.dataset = load_dataset(**asdict(config.data))
        self.layers = (self.dataset.n_in, len(self.dataset.classes))

    def initial_weights(self):
        return {"tally": np.zeros(self.layers)}

    def open(self, weights, memory):
        return Tally(self.dataset, weights["tally"].copy())

    def infer(self, weights, told=None):
        y = self.dataset.test.y
        classes = np.full(len(y), weights["tally"].sum(axis=0).argmax())
        return Inference(classes, classes == y)


class Tally(Session):
    def __init__(self, dataset, tally):
        self.dataset, self.tally = dataset, tally

    def train_epoch(self, epoch, advance):
        np.add.at(self.tally.T, self.dataset.train.y, 1.0)
        return {"seconds_learning": 0.0, "train_hits": self.evaluate("train")["train_hits"]}

    def evaluate(self, split, told=None):
        return {f"{split}_hits": float((getattr(self.dataset, split).y == self.tally.sum(axis=0).argmax()).mean())}

    def read_weights(self):
        return {"tally": self.tally.copy()}

    def write_weights(self, weights):
        self.tally[:] = weights["tally"]


# What it shows and exports beside what every run has.
def figures(run):
    tally = run.weights["tally"]
    return {"tally": Drawing(lambda path: plot.weight_images(tally.T[:, None], path, run.name), "How often each was.")}


def sections(run, stage):
    stage("counting", 0, 1)
    return [Section("counts", "Counts", [f"The most frequent class is {run.weights['tally'][0].argmax()}."])]


def network(run, dt):
    return DenseNetwork((run.weights["tally"],), 1.0, 0.0, 0.0, 1.0, dt or 1.0, about=run.about)


def stripes(options):
    """Images of 6 x 6 pixels with a stripe one way or the other; three of four go down."""
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.25).astype(int)
    x = np.where(y[:, None, None] == 0, np.eye(6), np.fliplr(np.eye(6)))
    return Samples(Labelled(x[:200], y[:200]), Labelled(x[200:], y[200:]), ("down", "up"), source="generated")


MAJORITY = """
algorithm = "majority"
epochs = 2
[data]
name = "stripes"
validation = 50
"""


@pytest.fixture(autouse=True)
def registered(tmp_path, monkeypatch):
    """The tables with one more entry each, in an empty folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(MAJORITY)
    algorithm = Algorithm(
        "majority", "answers the most frequent class", MajorityExperiment, Majority,
        figures=figures, sections=sections, network=network, accuracy="hits",
    )  # fmt: skip
    with (
        DATA_SETS.registered(DataSet("stripes", stripes, shape=(6, 6), classes=2)),
        TARGETS.registered(Target("tally", "counts", makes={"majority": Tally})),
        ALGORITHMS.registered(algorithm),
    ):
        yield


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command; its output."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["lava-nbp", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        captured = capsys.readouterr()
        assert ended.value.code == code, captured.err
        return captured.out + captured.err

    yield run
    signal.signal(signal.SIGTERM, handler)


def share():
    """Of the test samples, those of the most frequent class."""
    return float((stripes(None).test.y == 0).mean())


def test_in_python(tmp_path, monkeypatch):
    train(load_config("config.toml"), tmp_path / "run")
    assert evaluate_run(tmp_path / "run")["last"] == {"test_hits": share()}
    (row,) = compare_runs([tmp_path / "run"])
    assert (row["accuracy"], row["dataset"], row["network"]) == (share(), "stripes", "36-2")

    drawn, run = Drawn(monkeypatch), load_run(tmp_path / "run")
    plot_run(tmp_path / "run")
    assert drawn.keys() == {"learning_curve", "weights", "confusion_matrix", "weight_images", "tally"}
    assert lines(drawn["learning_curve"].axes[0]).keys() == {
        "training, while learning (hits)", "validation (hits)", "test, the most frequent class",
    }  # fmt: skip
    texts = {text.get_position(): text.get_text() for text in drawn["confusion_matrix"].axes[0].texts}
    wrong = int((stripes(None).test.y == 1).sum())
    assert texts == {(0, 0): str(100 - wrong), (0, 1): str(wrong)}
    assert drawn["tally"].get_suptitle().startswith("stripes 36-2, tally, seed 0")

    path, exported = export_run(tmp_path / "run", "nir")
    assert path.name == "network.nir"
    np.testing.assert_array_equal(exported.weights[0], run.weights["tally"])

    told = []
    html = write_report(tmp_path / "run", stage=lambda *what: told.append(what[0])).read_text()
    assert re.findall(r'<section id="(\w+)">', html) == [
        "result", "curves", "weights", "spikes", "counts", "plan", "configuration", "versions",
    ]  # fmt: skip
    assert "How often each was." in html
    assert "The most frequent class is 0." in html
    assert "majority has no lowering to the chip" in html
    assert "counting" in told


def test_by_commands(tmp_path, command):
    percent = f"{100 * share():.2f} %"
    assert percent in command("train", "config.toml", "--out", "run")
    assert percent in command("evaluate", "run")
    assert json.loads(command("evaluate", "run", "--target", "tally", "--json"))["chosen"] == {"test_hits": share()}
    assert "majority, tally" in command("compare", "run", "--style", "markdown")
    assert "tally.png" in command("plot", "run")
    assert "network.net" in command("export", "run", "--format", "netx")
    assert "report.html" in command("report", "run")
    assert "36-2" in (tmp_path / "run" / "report.html").read_text()
    command("train", "config.toml", "--out", "run", "--resume", "--set", "epochs=3")
    assert load_run(tmp_path / "run").state.epoch == 3


def test_what_it_has_not_is_refused_by_name(command):
    command("train", "config.toml", "--out", "run")
    for arguments, message in (
        (("train", "config.toml", "--set", "data.name=strips"), "did you mean 'stripes'?"),
        (("train", "config.toml", "--set", "target=sample"), "target is 'sample', but must be one of tally"),
        (("train", "config.toml", "--set", "data.source=generated"), "means nothing for the data set stripes"),
        (("faults", "run"), "is a run of majority, but faults are those of circuits"),
    ):
        out = command(*arguments, code=2)
        assert message in out
        assert out.count("\n") == 1, out
