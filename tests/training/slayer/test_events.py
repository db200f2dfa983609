"""SLAYER on events: what it is fed, by hand and beside the clocked target, and classes that only their order tells."""

import struct

import numpy as np
import pytest
from experiments import SLAYER, bursts, content, experiment, write_events

from lava_nbp.errors import ConfigError, InputError
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.train import train
from lava_nbp.seeing import plot
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.run import load_result, load_run
from lava_nbp.training.slayer import learner as slayer_learner

EVENTS = """
algorithm = "slayer"
epochs = 12
seed = 1
[data]
name = "events"
validation = 20
[encoding]
late = 60
end = 80
[network]
hidden = [16]
dt = 2
initial_scale = 3
[learning]
rate = 1e-2
batch = 8
"""
#: The same inputs for the clocked target.
CLOCKED = """
algorithm = "eventprop"
target = "clocked"
epochs = 2
seed = 1
[data]
name = "events"
validation = 20
[encoding]
late = 60
end = 80
[network]
hidden = [4]
initial_mean = [2.0, 0.3]
initial_deviation = [0.8, 0.3]
[loss]
name = "mean_voltage"
[learning]
batch = 8
[clocked]
dt = 2
"""
#: Everything that is done to events, or changes from epoch to epoch.
CHANGES = (
    "data.stretch=[0.8, 1.25]", "data.time_shift=3", "data.jitter=0.5", "data.shift=1", "data.group=2",
    "data.bin=0.5", "data.taps=[0, 7]",
)  # fmt: skip


@pytest.fixture
def config(tmp_path):
    write_events(
        tmp_path / "events.npz",
        3,
        train=bursts(80, np.random.default_rng(0)),
        test=bursts(40, np.random.default_rng(1)),
    )
    return lambda *settings, text=EVENTS: experiment(
        tmp_path, text, f"data.path='{tmp_path / 'events.npz'}'", *settings
    )


def test_what_it_is_fed_by_hand(tmp_path):
    """Steps of 2 ms, the nearest; twice in a step is once; a tap of 4 ms; what comes after `late` is left out."""
    first = [0.0, 0.9, 1.0, 1.2, 5.0, 9.1], [1, 0, 0, 0, 1, 1]
    write_events(tmp_path / "few.npz", 2, train=([first, ([3.0], [0])], [0, 1]), test=([([], [])], [1]))
    few = ("data.validation=0", "data.taps=[0, 4]", "encoding.late=9", "encoding.end=10")
    learner = make_learner(experiment(tmp_path, EVENTS, f"data.path='{tmp_path / 'few.npz'}'", *few))
    assert (learner.layers, learner.steps) == ((4, 16, 2), 5)
    found = learner.inputs(learner.dataset.train, np.array([1, 0])).numpy()
    expected = np.zeros((2, 4, 5), np.float32)
    expected[0, 0, 2] = 1  # 3.0 ms is as near to step 1 as to step 2: the later
    expected[0, 2, 4] = 1  # 7.0 ms
    expected[1, 1, [0, 3]] = 1  # 0.0 and 5.0 ms
    expected[1, 0, [0, 1]] = 1  # 0.9, and 1.0 and 1.2 ms
    expected[1, 3, 2] = 1  # 4.0 ms; 9.0 ms is nearest to a step behind the last
    expected[1, 2, [2, 3]] = 1  # 4.9, and 5.0 and 5.2 ms
    assert np.array_equal(found, expected)
    assert not learner.inputs(learner.dataset.test, np.array([0])).any()


def test_it_is_fed_what_the_clocked_target_is(config, monkeypatch):
    """In every epoch: the same samples in the same order, each changed alike, and spikes of the same inputs in the same
    steps; but several of an input in a step, which count there, are one."""
    clocked, slayer = make_learner(config(*CHANGES, text=CLOCKED)), make_learner(config(*CHANGES))
    assert clocked.identity == slayer.identity
    counted, spikes = [], []
    with clocked.open(clocked.initial_weights(), {}) as session:
        shape = clocked.layers[0], session.engine.c.steps
        run = session.engine._sample

        def seen(inputs, label, states):
            counts = np.zeros(shape)
            np.add.at(counts, (inputs.source, inputs.step), 1)
            counted.append(counts)
            return run(inputs, label, states)

        # What is asked for a gradient alone is not learned: the first sample of an epoch, to compile.
        monkeypatch.setattr(session.engine, "gradient", lambda *_: None)
        monkeypatch.setattr(session.engine, "_sample", seen)
        for epoch in (1, 2):
            session.train_epoch(epoch, lambda n: None)
    with slayer.open(slayer.initial_weights(), {}) as session:
        forward = session.forward
        monkeypatch.setattr(session, "forward", lambda x: spikes.append(x.numpy()) or forward(x))
        for epoch in (1, 2):
            session.train_epoch(epoch, lambda n: None)
    counted, spikes = np.array(counted), np.concatenate(spikes)
    assert np.array_equal(spikes, np.minimum(counted, 1))
    assert counted.max() > 1


def test_it_learns_the_order_of_events(config, tmp_path):
    """More than counts could tell: they are the same for both classes."""
    result = train(config(), tmp_path / "run")
    assert result["layers"] == [3, 16, 2]
    assert (result["samples"], result["dataset"]) == ("file", "events")
    assert result["test_accuracy"] > 0.8
    run = load_run(tmp_path / "run")
    assert run.inference.right.mean() == load_result(tmp_path / "run")["chosen"]["test_accuracy_ties_right"]
    assert evaluate_run(tmp_path / "run")["last"]["test_accuracy"] == result["test_accuracy"]
    names = {path.name for path in plot_run(tmp_path / "run")}
    assert {"raster.png", "learning_curve.png", "confusion_matrix.png"} <= names


@pytest.mark.parametrize("changing", ["events", "images"])
def test_a_resumed_run_with_samples_that_change(config, tmp_path, changing):
    """Bit for bit: what an epoch trains with follows from seed and epoch."""

    def made(epochs):
        if changing == "events":
            return config(*CHANGES, f"epochs={epochs}")
        return experiment(tmp_path, SLAYER, "data.shift=2", f"epochs={epochs}")

    train(made(4), tmp_path / "whole")
    train(made(1), tmp_path / "parts")
    train(made(3), tmp_path / "parts", resume=True)
    train(made(4), tmp_path / "parts", resume=True)
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


def test_images_are_shifted(tmp_path):
    learner = make_learner(experiment(tmp_path, SLAYER, "data.shift=2"))
    with learner.open(learner.initial_weights(), {}) as session:
        forward, seen = session.forward, []
        session.forward = lambda x: seen.append(x.numpy()) or forward(x)
        session.train_epoch(2, lambda n: None)
    order = np.random.default_rng([0, 2]).permutation(50)
    expected = learner.inputs(learner.dataset.train_of_epoch(0, 2), order).numpy()
    assert np.array_equal(np.concatenate(seen), expected)
    assert not np.array_equal(expected, learner.inputs(learner.dataset.train, order).numpy())


def test_long_trials_are_answered_in_parts(config, monkeypatch):
    """Of as many samples as have that many states, one at least; the answers do not depend on it."""
    learner = make_learner(config())
    weights = learner.initial_weights()
    whole = learner.infer(weights)
    assert learner.answered_at_once == 500
    for states, at_once in ((7 * 40 * (3 + 16 + 2), 7), (1, 1)):
        monkeypatch.setattr(slayer_learner, "_MOST_STATES", states)
        assert learner.answered_at_once == at_once
        told = []
        found = learner.infer(weights, lambda done, n, told=told: told.append(done))
        assert told == [*range(0, 40, at_once), 40]
        assert np.array_equal(found.said, whole.said)
        assert found.cost == whole.cost


def test_the_raster_of_a_long_trial(config, tmp_path, monkeypatch):
    """800 steps, in 40 shades."""
    train(config("epochs=1", "network.dt=0.1"), tmp_path / "run")
    periods, draw = [], plot.spike_raster
    monkeypatch.setattr(plot, "spike_raster", lambda *given: periods.append(given[2]) or draw(*given))
    paths = {path.name: path for path in plot_run(tmp_path / "run")}
    assert set(periods) == {20}
    width, _ = struct.unpack(">II", paths["raster.png"].read_bytes()[16:24])
    assert width == 28 * 150


def test_what_is_refused(config, tmp_path):
    for settings, message in (
        (("encoding.bias=0",), "bias is 0 ms, but samples that are events have no bias spike"),
        (("data.crop=1",), "data.crop is 1, but means nothing for the data set events"),
        (("data.threshold=0.5",), "unknown key data.threshold = 0.5"),
        (("data.shift=3",), r"shift is 3, but must be an integer in 0 \.\. 2; the sensor has 1 x 3 units"),
        (("encoding.late=90",), "encoding.late is 90 ms, but the trial ends at encoding.end = 80 ms"),
        (("network.dt=3",), r"network.dt is 3.0 ms, which does not divide encoding.end = 80.0 ms"),
        (("network.dt=0.001",), "80000 steps, .* but the limit is 10000"),
    ):
        with pytest.raises((ConfigError, InputError), match=message) as refused:
            train(config(*settings), tmp_path / "run")
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="data.jitter is 1.0, but means nothing for the data set digits, whose"):
        experiment(tmp_path, SLAYER, "data.jitter=1")
