import json
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from lava_nbp.base.progress import Progress
from lava_nbp.cli.tensorboard import FOLDER, TensorBoardLog
from lava_nbp.errors import InputError
from lava_nbp.runs.train import METRICS, train
from lava_nbp.training.config import load_config

CONFIG = 'epochs = 3\n[data]\nname = "digits"\ntrain = 100\ntest = 40\n[network]\nn_hidden = 15\n'


class Seen(Progress):
    """Counts what it is told."""

    def __init__(self):
        self.told = []

    def start(self, epochs, samples, done):
        self.told.append("start")

    def note(self, text):
        self.told.append("note")

    def advance(self, samples):
        self.told.append("advance")

    def evaluating(self, epoch, split, done, total):
        self.told.append("evaluating")

    def epoch(self, record):
        self.told.append("epoch")


def scalars(run):
    events = EventAccumulator(str(run / FOLDER))
    events.Reload()
    # Of those that TensorBoard's page of scalars shows.
    tags = [tag for tag in events.Tags()["tensors"] if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"]
    return {tag: [(e.step, float(make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)] for tag in tags}


def train_logged(tmp_path, shown, *settings, **options):
    (tmp_path / "config.toml").write_text(CONFIG)
    with TensorBoardLog(tmp_path / "run", shown) as log:
        train(load_config(tmp_path / "config.toml", settings), tmp_path / "run", progress=log, **options)


def test_every_number_of_every_epoch(tmp_path):
    shown = Seen()
    train_logged(tmp_path, shown, "epochs=2")
    assert {"start", "advance", "evaluating"} <= set(shown.told)
    assert shown.told.count("epoch") == 2
    train_logged(tmp_path, shown, resume=True)
    history = [json.loads(line) for line in (tmp_path / "run" / METRICS).read_text().splitlines()]
    found = scalars(tmp_path / "run")
    assert found.keys() == history[0].keys() - {"epoch"}
    for tag, points in found.items():
        assert points == [(m["epoch"], pytest.approx(m[tag], rel=1e-6)) for m in history]


def test_a_run_begun_anew_replaces_the_log(tmp_path):
    train_logged(tmp_path, Seen())
    train_logged(tmp_path, Seen(), "epochs=1", overwrite=True)
    assert [step for step, _ in scalars(tmp_path / "run")["test_accuracy_spikes"]] == [1]


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(InputError, match=r"--tensorboard needs the package tensorboard, .* 'lava-nbp\[tensorboard\]'"):
        TensorBoardLog(tmp_path, Seen())
