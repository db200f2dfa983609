"""Executors against each other, against an independent simulator, and against a golden file."""

from pathlib import Path

import numpy as np
import pytest
from circuit_oracle import simulate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import random_samples, random_weights
from ways import in_ways

from lava_nbp.base.integers import wrap_state
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.executors.make import make_executor
from lava_nbp.executors.trace import trace
from lava_nbp.nbp.executor import one_hot
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine

GOLDEN = Path(__file__).parents[1] / "golden" / "trace_7-6-3.npz"
#: Targets that run here.
HERE = [name for name in targets_of("nbp") if not TARGETS[name].on_chip]


@st.composite
def problems(draw, largest=40):
    """Layer sizes, weights, samples; saturating weights as often as others."""
    layers = tuple(draw(st.integers(1, n)) for n in (largest, largest, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = random_weights(layers, rng, saturating=draw(st.booleans()))
    if draw(st.booleans()):
        weights = {name: np.abs(w) for name, w in weights.items()}
    x, labels, targets = random_samples(20, layers, rng, density=draw(st.sampled_from([0.1, 0.4, 0.9])))
    if draw(st.booleans()):
        targets = (rng.random(targets.shape) < 0.4).astype(np.uint8)  # not only one-hot
    return layers, weights, x, labels, targets


def run(target, layers, weights, x, targets, **variant):
    with make_executor(target, training_circuit(*layers, **variant), weights) as executor:
        half = len(x) // 2
        parts = [executor.train(x[:half], targets[:half]), executor.train(x[half:], targets[half:])]
        learned = executor.read_weights()
        answers = executor.infer(x)
        return {
            "train_spikes": np.concatenate([p.spikes for p in parts]),
            "train_membrane": np.concatenate([p.membrane for p in parts]),
            "infer_spikes": answers.spikes,
            "infer_membrane": answers.membrane,
            **learned,
        }, executor.work


def assert_same(one, other):
    for key in one:
        assert np.array_equal(one[key], other[key]), key


@given(problems(), st.booleans(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_reference_sample_and_spiking_agree(problem, guarded, chip_order):
    layers, weights, x, _, targets = problem
    variant = {"guarded": guarded, "chip_order": chip_order}
    reference, work = run("reference", layers, weights, x, targets, **variant)
    sample, sample_work = run("sample", layers, weights, x, targets, **variant)
    assert_same(reference, sample)
    assert work == sample_work
    spiking, spiking_work = run("spiking", layers, weights, x, targets, **variant)
    # The per-sample forms see a breach no later than it happens.
    assert (spiking_work.gate_breaches == 0) == (work.gate_breaches == 0)
    if work.gate_breaches == 0:
        assert_same(reference, spiking)


@given(problems(largest=36))
@settings(max_examples=25, deadline=None)
def test_where_no_breach_is_possible_none_happens(problem):
    layers, weights, x, _, targets = problem
    assert training_circuit(*layers).breach_bounds() == ()
    _, work = run("spiking", layers, weights, x, targets)
    assert work.gate_breaches == 0


@given(problems(largest=120), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_spike_and_every_matrix_agree_with_the_independent_simulator(problem, chip_order):
    _, weights, x, labels, _ = problem
    spikes, matrices = simulate(x[:8], labels[:8], weights["W1"], weights["W2"], chip_order)
    circuit = training_circuit(*weights["W1"].shape, weights["W2"].shape[1], chip_order=chip_order)
    found = trace("spiking", circuit, weights, x[:8], one_hot(labels[:8], circuit.layers[-1]))
    # Breaches included: the engine is a simulator of the circuit, not of what it is meant to do.
    for name, rows in spikes.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name
    for name, matrix in matrices.items():
        assert np.array_equal(found[f"weights/{name}"], matrix), name


def test_breaches_that_change_the_result_are_seen():
    """With 200 active inputs of weight 254 the paper's circuit leaves the per-sample form; guarded, it does not."""
    layers = (150, 20, 4)
    rng = np.random.default_rng(5)
    # 30 % of the hidden units get 150 * 254 = 38100 in phase 9; the others are inside the box and learn.
    weights = random_weights(layers, rng)
    weights["W1"] = np.where(rng.random(20) < 0.3, 254, 4) * np.ones((150, 1), int)
    x, _, targets = random_samples(30, layers, rng, density=1.0)
    reference, reference_work = run("reference", layers, weights, x, targets)
    spiking, spiking_work = run("spiking", layers, weights, x, targets)
    assert reference_work.gate_breaches > 0
    assert spiking_work.gate_breaches > 0
    assert any(not np.array_equal(reference[key], spiking[key]) for key in reference)
    reference, reference_work = run("reference", layers, weights, x, targets, guarded=True)
    spiking, spiking_work = run("spiking", layers, weights, x, targets, guarded=True)
    assert reference_work.gate_breaches == spiking_work.gate_breaches == 0
    assert_same(reference, spiking)


@pytest.mark.parametrize(("target", "way"), in_ways([t for t in HERE if not TARGETS[t].chip_order]), indirect=["way"])
def test_golden_trace(target, way):
    """A small trace, made by tests/support/circuit_oracle.py; see `python tests/golden/make.py`."""
    with np.load(GOLDEN) as golden:
        inputs = {key: golden[key] for key in ("x", "labels", "W1", "W2")}
        weights = {k: inputs[k] for k in ("W1", "W2")}
        found = trace(target, training_circuit(7, 6, 3), weights, inputs["x"], one_hot(inputs["labels"], 3))
        assert found.keys() | inputs.keys() == set(golden.files)
        for key, rows in found.items():
            assert np.array_equal(rows, golden[key]), key


# Of the stock processes of a whole circuit in processes of their own, see tests/loihi/test_stock.py.
@pytest.mark.parametrize(("target", "way"), in_ways(HERE, both=lambda target: target != "lava-stock"), indirect=["way"])
def test_the_chips_order_agrees_with_the_independent_simulator(target, way):
    with np.load(GOLDEN) as golden:
        x, labels, weights = golden["x"], golden["labels"], {k: golden[k] for k in ("W1", "W2")}
    found = trace(target, training_circuit(7, 6, 3, chip_order=True), weights, x, one_hot(labels, 3))
    spikes, matrices = simulate(x, labels, weights["W1"], weights["W2"], chip_order=True)
    for name, rows in spikes.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name
    for name, matrix in matrices.items():
        assert np.array_equal(found[f"weights/{name}"], matrix), name


def test_sums_that_leave_the_register_wrap():
    # 600 * 254 = 152400 > 2**17: wraps to a negative input, so h1 stays silent.
    layers = (600, 2, 1)
    weights = {"W1": np.full((600, 2), 254), "W2": np.full((2, 1), 254)}
    engine = SpikingEngine(Projections(training_circuit(*layers), weights))
    _, raster = engine.run(np.ones((1, 600), np.uint8), np.ones((1, 1), np.uint8), record=True)
    assert engine.counters.gate_breaches > 0
    assert engine.split(raster)["h1"][3].tolist() == [0, 0]
    for target in ("reference", "sample"):
        _, work = run(target, layers, weights, np.ones((2, 600), np.uint8), np.ones((2, 1), np.uint8))
        assert work.gate_breaches > 0
    # With its gate, 481 * 254 + 8704 = 130878 still fits: h1 fires.
    fits = {"W1": np.full((481, 2), 254), "W2": np.full((2, 1), 254)}
    engine = SpikingEngine(Projections(training_circuit(481, 2, 1), fits))
    _, raster = engine.run(np.ones((1, 481), np.uint8), np.ones((1, 1), np.uint8), record=True)
    assert engine.split(raster)["h1"][3].tolist() == [1, 1]


@pytest.mark.parametrize("n_in", [480, 481, 482, 516, 900, 996, 997, 998, 1000, 1514])
@pytest.mark.parametrize("weight", [254, -254])
def test_the_kernel_wraps_as_fixed_point_says(n_in, weight):
    weights = {"W1": np.full((n_in, 1), weight), "W2": np.zeros((1, 1), int)}
    engine = SpikingEngine(Projections(training_circuit(n_in, 1, 1), weights))
    _, raster = engine.run(np.ones((1, n_in), np.uint8), np.ones((1, 1), np.uint8), record=True)
    spikes = engine.split(raster)
    for population, gate in (("h1", 8704), ("h1_lo", 8704 + 512), ("h1_hi", 8192)):
        expected = (wrap_state(64 * (n_in * weight + gate)) >> 6) - 8192 > 1024
        assert spikes[population][3].item() == expected, population
