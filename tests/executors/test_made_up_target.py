"""A target of one's own: one entry in the table, and every command knows it."""

import json
import signal
import sys

import numpy as np
import pytest
from circuit_simulator import simulate
from experiments import DIGITS
from networks import random_samples, random_weights

from lava_nbp import (
    TARGETS,
    Executor,
    Faults,
    InputError,
    Outcome,
    Target,
    make_executor,
    one_hot,
    trace,
    training_circuit,
)
from lava_nbp.cli import app
from lava_nbp.executors import bench

LAYERS = (9, 7, 4)


class Mine(Executor):
    """The slow simulator of the tests, as an executor: sees the output's spikes, but no membrane."""

    def _set_up(self, weights):
        self._weights = weights

    _write_weights = _set_up

    def read_weights(self):
        return {name: w.copy() for name, w in self._weights.items()}

    def _run(self, circuit, spikes):
        fired, held = simulate(circuit, {name: self._weights[name] for name in circuit.matrix_shapes}, *spikes)
        said = fired[circuit.output][circuit.output_phase :: circuit.period].astype(np.uint8)
        return Outcome(said, None), fired, held

    def _train(self, *spikes):
        outcome, _, held = self._run(self.circuit, spikes)
        plain = {p.matrix: p.name for p in self.circuit.projections if not p.transposed and p.matrix == p.name}
        self._weights = {name: held[plain[name]].astype(np.int16) for name in self._weights}
        self.work.spikes += 2 * len(spikes[0])
        self.work.synaptic_events += 3 * len(spikes[0])
        return outcome

    def _infer(self, *spikes):
        return self._run(self.circuit.answering, spikes)[0]


class Shows(Mine):
    """The same, and it shows every spike."""

    def _record(self, *spikes):
        _, fired, held = self._run(self.circuit, spikes)
        return {k: v.astype(np.uint8) for k, v in fired.items()}, {k: v.astype(np.int16) for k, v in held.items()}


@pytest.fixture(
    params=[{}, {"per_sample": True}, {"makes": {"nbp": Shows}}], ids=["answers only", "per sample", "shows spikes"]
)
def mine(request):
    with TARGETS.registered(Target("mine", "the tests' simulator", **{"makes": {"nbp": Mine}, **request.param})) as it:
        yield it


def problem(n=5):
    rng = np.random.default_rng(3)
    x, labels, _ = random_samples(n, LAYERS, rng, density=0.6)
    return training_circuit(*LAYERS), random_weights(LAYERS, rng), x, one_hot(labels, LAYERS[-1])


def test_made_and_run(mine):
    circuit, weights, *samples = problem()
    with make_executor("mine", circuit, weights) as made, make_executor("spiking", circuit, weights) as spiking:
        assert isinstance(made, Mine)
        assert np.array_equal(made.train(*samples).spikes, spiking.train(*samples).spikes)
        for name, w in spiking.read_weights().items():
            assert np.array_equal(made.read_weights()[name], w)


def test_traced_if_it_can_be(mine):
    circuit, weights, *samples = problem()
    if not mine.per_sample and mine.makes["nbp"] is Mine:
        with pytest.raises(InputError, match="Mine does not show every spike; trace with one of spiking, lava"):
            trace("mine", circuit, weights, *samples)
        return
    expected, found = (trace(target, circuit, weights, *samples) for target in ("spiking", "mine"))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_it_is_told_which_it_is_where_one_maker_serves_several():
    circuit, weights, *_ = problem()
    told = []

    class Several(Mine):
        def __init__(self, circuit, weights, *, target, timeout=None):
            told.append((target, timeout))
            super().__init__(circuit, weights)

    with TARGETS.registered(Target("another-lava", "mine", {"nbp": Several}, on_lava=True)):
        make_executor("another-lava", circuit, weights, timeout=3)
    assert told == [("another-lava", 3)]


def test_a_lava_target_of_ones_own_is_run_and_traced():
    """The same maker as for "lava": models are chosen by what the table says of a target."""
    circuit, weights, *samples = problem()
    entry = Target("my-lava", "one Process for the network", TARGETS["lava"].makes, on_lava=True)
    with TARGETS.registered(entry):
        found = trace("my-lava", circuit, weights, *samples)
        with make_executor("my-lava", circuit, weights) as executor:
            executor.train(*samples)
            assert np.array_equal(executor.read_weights()["W1"], found["weights/W1"])
    assert all(np.array_equal(found[key], rows) for key, rows in trace("spiking", circuit, weights, *samples).items())


def test_faults_are_refused_unless_the_table_allows_them(mine):
    circuit, weights, *_ = problem()
    make_executor("mine", circuit, weights, faults=Faults())  # none at all
    with pytest.raises(InputError, match="executor 'mine' cannot run with faults; use target sample or spiking"):
        make_executor("mine", circuit, weights, faults=Faults(dead=0.1))


@pytest.mark.timeout(200)
def test_measured_by_bench(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(bench, "bench_eventprop", lambda seed: {})
    monkeypatch.setattr(bench, "_networks", lambda seed: [])
    monkeypatch.setattr(bench, "_CHECKED", 4)
    with TARGETS.registered(Target("mine", "the tests' simulator", makes={"nbp": Mine})):
        rows = bench.bench(training_circuit(12, 9, 4), pre_train=20, samples=3)["executors"]
    (row,) = [row for row in rows if row["target"] == "mine"]
    assert (row["executor"], row["samples"], row["spikes_per_sample"], row["synaptic_events_per_sample"]) == (
        "mine", 3, 2, 3,
    )  # fmt: skip


def test_trained_with_and_evaluated_on_the_command_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(DIGITS)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lava-nbp", *arguments])
        with pytest.raises(SystemExit) as caught:
            app.main()
        assert caught.value.code == 0, capsys.readouterr().err

    small = [
        f"--set={key}" for key in ("data.train=20", "data.test=10", "data.validation=5", "data.side=3", "epochs=1")
    ]
    with TARGETS.registered(Target("mine", "the tests' simulator", makes={"nbp": Mine})):
        run("train", "config.toml", "--out", "mine", "--set=target=mine", *small)
        run("train", "config.toml", "--out", "sample", *small)
        run("evaluate", "sample", "--target", "mine", "--json")
    signal.signal(signal.SIGTERM, handler)
    found, expected = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("mine", "sample"))
    assert found["target"] == "mine"
    assert found["last"]["test_accuracy_spikes"] == expected["last"]["test_accuracy_spikes"]
    assert found["last"]["test_accuracy_membrane"] is None
