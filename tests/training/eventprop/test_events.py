"""EventProp on events: classes that only the order of the units tells apart, on every target that takes events."""

import numpy as np
import pytest
from experiments import MAX_VOLTAGE, bursts, content, experiment, write_events
from ways import in_ways

from lava_nbp.errors import CheckpointError, ConfigError, InputError
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.eventprop.learner import EventPropLearner
from lava_nbp.training.run import load_result, load_run

EVENTS = """
algorithm = "eventprop"
epochs = 6
seed = 1
[data]
name = "events"
validation = 20
[encoding]
late = 60
end = 80
[network]
hidden = [12]
initial_mean = [2.0, 0.3]
initial_deviation = [0.8, 0.3]
[learning]
rate = 2e-2
batch = 8
"""


def written(folder, n_train=80, n_test=40):
    rng = np.random.default_rng(0)
    return write_events(folder / "events.npz", 3, train=bursts(n_train, rng), test=bursts(n_test, rng))


@pytest.fixture
def config(tmp_path):
    path = written(tmp_path)
    return lambda *settings: experiment(tmp_path, EVENTS, f"data.path='{path}'", *settings)


#: Losses of voltages, in continuous time and in steps.
MEAN = ("loss.name=mean_voltage", "loss.tau=30", "loss.gain=5")
IN_STEPS = ("target=clocked", "clocked.dt=1.0", "clocked.largest_weight=[8, 4]")
CLOCKED = ("loss.name=max_voltage", *IN_STEPS)


@pytest.mark.parametrize(
    "settings",
    [MEAN, (*MEAN, "network.recurrent_deviation=[0.1, 0]"), ("loss.name=max_voltage",), CLOCKED, (*MEAN, *IN_STEPS)],
)
def test_it_learns_the_order_of_events(config, tmp_path, settings):
    """More than counts could tell: they are the same for both classes."""
    result = train(config(*settings), tmp_path / "run")
    assert result["layers"] == [3, 12, 2]
    assert (result["samples"], result["dataset"]) == ("file", "events")
    assert result["test_accuracy"] > (0.9 if settings[0] == MEAN[0] else 0.75)
    run = load_run(tmp_path / "run")
    assert run.inference.right.mean() == load_result(tmp_path / "run")["chosen"]["test_accuracy"]


@pytest.mark.parametrize("loss", [("loss.name=ttfs",), ("loss.name=max_voltage",), MEAN])
@pytest.mark.parametrize(
    ("target", "way"), in_ways(["lava", "lava-primitives"], both=lambda target: target == "lava"), indirect=["way"]
)
def test_lava_learns_as_clocked_does(config, tmp_path, target, loss, way):
    """Answers, counters, weights and moments of every epoch; what is learned on Lava goes on as clocked, too."""
    fewer = (*loss, "epochs=2", "data.validation=4", "clocked.dt=4.0", "clocked.largest_weight=[8, 4]")
    fewer += ("learning.dropout=0.1",)
    written(tmp_path, n_train=20, n_test=6)
    for name in ("clocked", target):
        train(config(*fewer, f"target={name}"), tmp_path / name)
    assert content(tmp_path / "clocked")[:-1] == content(tmp_path / target)[:-1]
    expected, found = (load_checkpoint(tmp_path / name) for name in ("clocked", target))
    for arrays in ("weights", "memory"):
        one, other = getattr(expected, arrays), getattr(found, arrays)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert expected.history[-1]["hidden_spikes"] > 0


def test_a_resumed_run_and_dropout(config, tmp_path):
    train(config(*MEAN, "learning.dropout=0.2", "epochs=4"), tmp_path / "whole")
    train(config(*MEAN, "learning.dropout=0.2", "epochs=2"), tmp_path / "parts")
    train(config(*MEAN, "learning.dropout=0.2", "epochs=4"), tmp_path / "parts", resume=True)
    whole, parts = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    for name, w in whole.weights.items():
        assert np.array_equal(w, parts.weights[name])


#: Everything that changes from epoch to epoch, or is done to events before.
CHANGES = (
    "data.stretch=[0.8, 1.25]", "data.time_shift=3", "data.jitter=0.5", "data.shift=1", "data.bin=0.5",
    "learning.dropout=0.1",
)  # fmt: skip


@pytest.mark.parametrize("settings", [MEAN, CLOCKED])
def test_a_resumed_run_with_samples_that_change(config, tmp_path, settings):
    """Bit for bit: what an epoch trains with follows from seed and epoch."""
    settings = (*settings, *CHANGES)
    train(config(*settings, "epochs=4"), tmp_path / "whole")
    train(config(*settings, "epochs=1"), tmp_path / "parts")
    train(config(*settings, "epochs=3"), tmp_path / "parts", resume=True)
    train(config(*settings, "epochs=4"), tmp_path / "parts", resume=True)
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


def test_what_an_epoch_trains_with(config, tmp_path):
    """The engine gets the augmented samples of that epoch, the others as they are; neutral keys change nothing."""
    learner = EventPropLearner(config(*MEAN, *CHANGES[:-1]))
    with learner.open(learner.initial_weights(), {}) as session:
        given = []
        batch = session.engine.train_batch
        session.engine.train_batch = lambda trains, *rest: given.append(trains) or batch(trains, *rest)
        for epoch in (1, 2):
            given.clear()
            session.train_epoch(epoch, lambda n: None)
            expected = learner.dataset.train_of_epoch(1, epoch).events
            for trains in given:
                assert np.array_equal(trains.times, expected.times)
                assert np.array_equal(trains.sources, expected.units)
                assert np.array_equal(trains.offsets, expected.offsets)
            assert not np.array_equal(expected.times, learner.dataset.train.events.times)
        assert np.array_equal(session.trains("train").times, learner.dataset.train.events.times)
    neutral = ("data.stretch=[1, 1]", "data.time_shift=0", "data.jitter=0", "data.shift=0", "data.group=1")
    train(config(*MEAN, *neutral, "epochs=1"), tmp_path / "neutral")
    train(config(*MEAN, "epochs=1"), tmp_path / "plain")
    assert content(tmp_path / "neutral") == content(tmp_path / "plain")


def test_other_changes_are_another_experiment(config, tmp_path):
    train(config(*MEAN, "epochs=1", "data.stretch=[0.8, 1.2]"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="data.stretch"):
        train(config(*MEAN, "epochs=2", "data.stretch=[0.8, 1.3]"), tmp_path / "run", resume=True)


def test_other_events_are_other_data(config, tmp_path):
    train(config(*MEAN, "epochs=1"), tmp_path / "run")
    written(tmp_path, n_test=39)
    with pytest.raises(CheckpointError, match="but what is loaded now are file samples of events"):
        train(config(*MEAN, "epochs=2"), tmp_path / "run", resume=True)


def test_figures(config, tmp_path):
    train(config(*MEAN, "epochs=2"), tmp_path / "run")
    names = {path.name for path in plot_run(tmp_path / "run")}
    assert {"raster.png", "gradient_check.png", "learning_curve.png", "confusion_matrix.png"} <= names


def test_what_is_refused(config, tmp_path):
    for settings, message in (
        (("encoding.bias=0",), "bias is 0 ms, but samples that are events have no bias spike"),
        (("data.crop=1",), "data.crop is 1, but means nothing for the data set events"),
        (("data.stretch=[1.2, 0.8]",), r"data.stretch = \[1.2, 0.8\]: must be the smallest and the largest factor"),
        (("data.stretch=1.1",), "data.stretch = 1.1"),
        (("data.jitter=-1",), r"data.jitter = -1: must be in 0 \.\. 1e\+06; it is in ms"),
        (("data.shift=3",), r"shift is 3, but must be an integer in 0 \.\. 2; the sensor has 1 x 3 units"),
        (("data.group=4",), r"data.group is 4, but must be an integer in 1 \.\. 3"),
        (("data.taps=[5, 5]",), r"data.taps are \[5.0, 5.0\], but each must be larger than the last"),
        (("data.taps=[-1]",), "a tap of data.taps is -1"),
        (("data.bin=0",), r"data.bin = 0: must be in 0.001 \.\. 1e\+06"),
        (("data.shfit=3",), r"unknown key data.shfit = 3; did you mean shift\?"),
        (
            ("encoding.late=90", "encoding.end=40"),
            r"encoding.late is 90 ms, but a trial ends after 40 ms \(encoding.end\)",
        ),
    ):
        with pytest.raises((ConfigError, InputError), match=message):
            train(config(*settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="data.jitter is 1.0, but means nothing for the data set digits, whose"):
        experiment(tmp_path, MAX_VOLTAGE, "data.jitter=1")
