"""Traces of EventProp runs: the same arrays on every target that shows spikes, and what is refused."""

import os

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, experiment

from lava_nbp import load_run, trace_run
from lava_nbp.errors import CheckpointError, InputError, MissingPackageError, OutputError
from lava_nbp.executors.eventprop_inference import EventPropInferenceExecutor
from lava_nbp.loihi.eventprop_stock import StockEventProp
from lava_nbp.runs.train import train

ON_CHIP = (
    YINYANG, "target=clocked", "clocked.neuron=loihi", "clocked.theta_bits=[12, 13]", "clocked.dt=2", "encoding.end=48",
    "data.test=12", "data.train=100", "network.hidden=[12]",
)  # fmt: skip
#: Delays, learned in steps, and recurrence; and largest voltages that rungs tell.
LATE = (
    "network.initial_delay=[6, 4]", "learning.delay_rate=50", "network.recurrent_deviation=[0.2, 0]",
    "network.recurrent_delay=[4, 0]", "network.delays_per=source",
)  # fmt: skip
RUNGS = (
    "loss.name=max_voltage", "clocked.rungs=5", "clocked.highest_rung=2.5", "network.initial_delay=[0, 4]",
    "clocked.refractory=[1, 3]",
)  # fmt: skip
STEPS = 24


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in (
        ("first", (*ON_CHIP, *LATE)),
        ("ladder", (*ON_CHIP, *RUNGS)),
        ("voltages", (*ON_CHIP, "loss.name=max_voltage", "epochs=1")),
        ("exact", (YINYANG, "target=clocked", "epochs=1", "data.train=20", "clocked.dt=2", "data.test=5")),
        ("nbp", (DIGITS, "epochs=1", "data.train=20", "data.test=5")),
    ):
        train(experiment(folder, *settings), folder / name)
    return folder


def loaded(path):
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize("name", ["first", "ladder"])
def test_two_targets_have_the_same_trace(runs, tmp_path, name):
    told = []
    traces = {
        target: trace_run(runs / name, target, tmp_path / f"{target}.npz", "0-3,9", lambda *what: told.append(what))
        for target in ("clocked", "lava-stock")
    }
    assert told[-5:] == [("lava-stock", k, 5) for k in range(5)]
    expected = traces["clocked"]
    for target, found in traces.items():
        written = loaded(tmp_path / f"{target}.npz")
        assert list(written) == list(found) == list(expected)
        for key, array in expected.items():
            assert found[key].dtype == written[key].dtype == array.dtype, key
            assert np.array_equal(found[key], array), key
            assert np.array_equal(written[key], array), key
    rungs = (5,) if name == "ladder" else ()
    shapes = {key: array.shape for key, array in expected.items()}
    assert shapes == {
        "samples": (5,), "spikes/input": (5, STEPS, 5), "spikes/hidden1": (5, STEPS, 12),
        "spikes/output": (5, STEPS, 3, *rungs), "weights/W1": (5, 12), "weights/W2": (12, 3),
        **({"delays/D2": (12, 3)} if rungs else {"weights/R1": (12, 12), "delays/D1": (5, 12), "delays/D2": (12, 3),
           "delays/E1": (12, 12)}),
    }  # fmt: skip
    assert expected["samples"].tolist() == [0, 1, 2, 3, 9]
    for layer in ("input", "hidden1", "output"):
        assert expected[f"spikes/{layer}"].dtype == np.uint8
        assert expected[f"spikes/{layer}"].any()


def test_what_a_trace_holds_is_what_the_run_says(runs, tmp_path):
    """First spikes, or levels, of the samples; their inputs; weights and delays of the chosen epoch."""
    for name in ("first", "ladder"):
        run, found = load_run(runs / name), trace_run(runs / name, "clocked", tmp_path / "out.npz")
        assert found["samples"].tolist() == list(range(10))  # of 12
        c, spikes = run.config.setup.c, found["spikes/output"]
        with run.learner.open(run.weights, {}) as session:
            said = session.answers("test").said[:10]
            trains, engine = session.trains("test"), session.engine
            for w, key in zip(engine.forward_weights, ("W1", "W2", "R1"), strict=False):
                assert np.array_equal(found[f"weights/{key}"], w)
            assert np.array_equal(found["delays/D2"], engine.delays[1])
        fired = spikes.any(axis=1)
        if name == "first":
            assert np.array_equal(np.where(fired, (spikes.argmax(axis=1) + 1) * c.dt, np.inf), said)
        else:
            assert np.array_equal(run.config.setup.rungs.heights[fired.sum(axis=-1)], said)
        counts = np.zeros((10, STEPS, 5), dtype=np.uint8)
        for k in range(10):
            mine = slice(*trains.offsets[k : k + 2])
            np.add.at(counts[k], (c.steps_of(trains.times[mine]), trains.sources[mine]), 1)
        assert np.array_equal(found["spikes/input"], counts)


def test_weights_are_read_from_what_runs(runs, tmp_path, monkeypatch):
    """A bit that is flipped in Lava's Processes is in the trace."""
    read = StockEventProp.read

    def flipped(stock):
        stock.matrices["W1"].weights.set(np.asarray(stock.matrices["W1"].weights.get()) ^ 2)
        return read(stock)

    monkeypatch.setattr(StockEventProp, "read", flipped)
    found, expected = (trace_run(runs / "first", t, tmp_path / "o.npz", "1") for t in ("lava-stock", "clocked"))
    assert (found["weights/W1"] != expected["weights/W1"]).all()
    assert np.array_equal(found["weights/R1"], expected["weights/R1"])


def test_outputs_that_only_integrate_have_no_spikes(runs, tmp_path):
    found = trace_run(runs / "voltages", "clocked", tmp_path / "out.npz", [3])
    assert [key for key in found if key.startswith("spikes/")] == ["spikes/input", "spikes/hidden1"]
    with pytest.raises(InputError, match="no spikes tell; give outputs rungs"):
        trace_run(runs / "voltages", "lava-stock", tmp_path / "out.npz", [3])


def test_the_chosen_epoch(runs, tmp_path):
    """As in every figure of a run: not the last, if validation chose another."""
    run = load_run(runs / "first")
    assert run.state.chosen is not None
    found = trace_run(runs / "first", "clocked", tmp_path / "out.npz", "0")
    layer = run.config.arithmetic_of("W1")
    exponent = layer.weight_exponent(run.config.largest_weights["W1"])
    assert np.array_equal(found["weights/W1"], layer.forward_weights(run.weights["W1"], exponent))


@pytest.mark.parametrize(
    ("name", "target", "samples", "message"),
    [
        ("nbp", "clocked", None, "nbp is a run of nbp, but those of eventprop can be traced; of nbp trace the circuit"),
        ("first", "sample", None, "target of eventprop is 'sample', but must be one of continuous, clocked, lava"),
        ("first", "continuous", None, "'continuous' shows no spikes of its layers in steps; trace with one of clocked"),
        (
            "first",
            "lava",
            None,
            "'lava' shows no spikes of its layers .*; trace with one of clocked, lava-stock$",
        ),
        ("first", "loihi2", None, "'loihi2' is a chip, which sends the output's spikes only; trace with one of clock"),
        ("exact", "lava-stock", None, "neurons of layer 1 are 'exact', whose arithmetic no chip has"),
        ("first", "clocked", "0-12", "samples reach 12, but the test set has 0 .. 11"),
        ("first", "clocked", "0-999999999", "samples reach 999999999, but the test set has 0 .. 11"),
        ("first", "clocked", [-1], "samples reach -1, but the test set has 0 .. 11"),
        ("first", "clocked", "3-1", "samples 3-1 go down; write 1-3"),
        ("first", "clocked", "", "samples are '', but must be numbers and ranges like 0-9 or 3,7,20-29"),
        ("first", "clocked", "1,-2", "samples are '1,-2', but must be numbers and ranges"),
        ("first", "clocked", "9999999999", "samples are '9999999999', but must be"),
        ("first", "clocked", "١", "samples are .* but must be numbers and ranges"),
        ("first", "clocked", [1.5], r"samples are \[1.5\], but must be numbers and ranges"),
        ("first", "clocked", 3, "samples are 3, but must be numbers and ranges"),
        ("first", "clocked", [], r"samples are \[\], but must be"),
    ],
)
def test_what_is_refused(runs, tmp_path, name, target, samples, message):
    with pytest.raises(InputError, match=message) as caught:
        trace_run(runs / name, target, tmp_path / "out.npz", samples)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_folders_outputs_memory_and_crowds(runs, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match=r"checkpoint.npz is missing"):
        trace_run(tmp_path / "none", "clocked", tmp_path / "out.npz")
    with pytest.raises(OutputError, match="No such file or directory"):
        trace_run(runs / "first", "clocked", tmp_path / "none" / "out.npz")
    monkeypatch.setattr("lava_nbp.training.eventprop.session._MOST_COUNTED", 0)
    with pytest.raises(InputError, match="sample 0: input . has 1 spikes in step .*, but a trace holds 0; trace anoth"):
        trace_run(runs / "first", "clocked", tmp_path / "out.npz")
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.05")
    with pytest.raises(InputError, match="a trace of 100000 samples needs some 96 MB of memory, .*; trace fewer samp"):
        trace_run(runs / "first", "clocked", tmp_path / "out.npz", [0] * 100_000)
    monkeypatch.undo()
    missing = MissingPackageError("no Lava")

    def without(*_, **__):
        raise missing

    monkeypatch.setattr("lava_nbp.base.targets.require_lava", without)
    with pytest.raises(MissingPackageError, match="no Lava"):
        trace_run(runs / "first", "lava-stock", tmp_path / "out.npz")
    assert os.listdir(tmp_path) == []


def test_weights_of_an_executor_before_it_runs(runs):
    """Those of the engine; and delays."""
    run = load_run(runs / "ladder")
    with run.learner.open(run.weights, {}) as session:
        engine = session.engine
        with EventPropInferenceExecutor(
            engine.weights, engine.setup, largest=list(run.config.largest_weights.values()), delays=engine.delays
        ) as executor:
            executor.write_masters(engine.masters)
            before = executor.forward_weights
            executor.infer(session.trains("test"), np.array([0]))
            for held in (before, executor.forward_weights):
                assert all(np.array_equal(a, b) for a, b in zip(held, engine.forward_weights, strict=True))
            assert np.array_equal(executor.delays[1], engine.delays[1])
