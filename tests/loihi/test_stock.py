"""A lowered circuit on Lava's stock processes: every spike and weight as in the spiking engine."""

import json

import numpy as np
import pytest
from networks import random_samples, random_weights
from own_circuits import delta_circuit
from sessions import assert_same

from lava_nbp import run_config
from lava_nbp.errors import CircuitError, ConfigError, InputError
from lava_nbp.executors.lava_nbp import CircuitSession, LavaExecutor
from lava_nbp.loihi.rules import simulated_rule
from lava_nbp.loihi.stock import learning_rule
from lava_nbp.nbp.circuit_file import save_circuit
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.rule import ThreeFactorRule
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.runs.train import train
from lava_nbp.training.config import load_config

from lava.proc.dense.process import LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def compare(circuit, *problems):
    """Run a circuit both ways on problems, one after the other: new weights, and two runs with a reset between them.

    Returns an engine for each. All in one network: that its processes start takes longer than what they do here.
    """
    engines = [SpikingEngine(Projections(circuit, weights)) for weights, *_ in problems]
    (capacity,) = {len(x) for _, x, _ in problems}
    session = CircuitSession(circuit, problems[0][0], "lava-stock", raster=True, capacity=capacity, timeout=100)
    try:
        for k, (engine, (weights, *samples)) in enumerate(zip(engines, problems, strict=True)):
            samples = samples[: len(circuit.sources)]
            if k:
                session.network.write_weights(weights)
                session.reset()
            for again, part in enumerate((samples, [rows[:2] for rows in samples])):
                if again:
                    session.reset()
                    engine.reset()
                found, (outcome, raster) = session.run(*part), engine.run(*part, record=True)
                assert_same(session, engine, found, outcome, None if again else raster)
        return engines
    finally:
        session.close()


def problem(seed, layers, n=3, low=-150, saturating=False):
    rng = np.random.default_rng(seed)
    weights = {k: np.maximum(w, low) for k, w in random_weights(layers, rng, saturating).items()}
    x, _, targets = random_samples(n, layers, rng, density=0.6)
    return weights, x, targets


def test_training_and_breaches_too():
    """Where the circuit leaves its schedule Lava's processes leave it likewise: `PlasticLIF` has refractory periods."""
    layers = (100, 20, 5)
    breaching, x, targets = problem(1, layers, low=-100)
    breaching["W1"][:, ::2] = 254
    one, two = compare(training_circuit(*layers, chip_order=True), problem(1, layers), (breaching, x, targets))
    assert one.counters.updates[0] > 0
    assert two.counters.gate_breaches[0] > 0


def test_saturated_weights_on_both_sides(way):
    layers = (20, 15, 4)
    saturated = problem(2, layers, low=-254, saturating=True)
    circuit = training_circuit(*layers, chip_order=True, guarded=True)
    one, two = compare(circuit, problem(0, layers), saturated)
    assert one.counters.updates[0] > 0
    W2 = two.projections.arrays["W2"]
    assert (W2 == 254).any()
    assert (W2 == -254).any()


def test_sums_that_wrap_behind_plastic_synapses():
    layers = (530, 2, 2)
    weights = {"W1": np.full((530, 2), 254), "W2": np.full((2, 2), 100)}
    x, targets = np.ones((1, 530), np.uint8), np.eye(2, dtype=np.uint8)[:1]
    compare(training_circuit(*layers, chip_order=True), (weights, np.repeat(x, 2, 0), np.repeat(targets, 2, 0)))


def test_lavas_lif_wraps_only_once():
    """1600 * 254 is more than 3 * 2**17: the 24-bit register wraps to a negative sum, Lava's LIF to a positive one."""
    circuit, weights = inference_circuit(1600, 1, 1), {"W1": np.full((1600, 1), 254), "W2": np.full((1, 1), 254)}
    x = np.ones((1, 1600), np.uint8)
    engine = SpikingEngine(Projections(circuit, weights))
    _, raster = engine.run(x, record=True)
    session = CircuitSession(circuit, weights, "lava-stock", raster=True, capacity=1, timeout=100)
    try:
        session.run(x)
        assert not engine.split(raster)["h1"].any()
        assert session.network.split(session.sink.raster)["h1"].ravel().tolist() == [0, 0, 0, 1, 0]
    finally:
        session.close()


def test_inference(way):
    layers = (30, 20, 6)
    compare(inference_circuit(*layers), problem(3, layers, n=10, low=-254))


def test_a_run_says_what_it_does_not_see(tmp_path):
    """Stock processes count neither updates nor breaches: null in the metrics, not 0."""
    save_circuit(delta_circuit(9, 10), tmp_path / "delta.json")
    config = tmp_path / "a.toml"
    config.write_text(
        'target = "lava-stock"\nepochs = 1\n[data]\nname = "digits"\nside = 3\ntrain = 4\ntest = 3\n'
        f'[network]\ncircuit = "{tmp_path / "delta.json"}"\n'
    )
    result = train(load_config(config), tmp_path / "run")
    assert result["gate_breaches"] is None
    assert result["last"]["test_accuracy_membrane"] is not None
    (record,) = (json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert record["updates"] is None
    assert record["gate_breaches"] is None


# ------------------------------------------------- Lava's LearningDense by itself


def test_lavas_learning_dense_delivers_before_it_learns():
    """Why only circuits in the chip's order are lowered: spikes of a step carry the weight from before its learning.

    Pre and post fire in steps 1, 2 and 3, r = 1: the weight is 102, 104, 106 after them. Spikes of step t arrive in
    step t + 1, with 100, 102, 104; circuits in the other order need 102, 104, 106.
    """
    dense = LearningDense(weights=np.array([[100]]), learning_rule=learning_rule(simulated_rule(ThreeFactorRule())))
    ones, zeros = np.array([[1, 1, 1, 0]]), np.array([[0, 0, 0, 0]])
    for port in (dense.s_in, dense.s_in_bap, dense.s_in_y3):
        Source(data=ones).s_out.connect(port)
    for port in (dense.s_in_y1, dense.s_in_y2):
        Source(data=zeros).s_out.connect(port)
    sink = Sink(shape=(1,), buffer=4)
    dense.a_out.connect(sink.a_in)
    with LavaRuntime(dense, run_config("lava-stock"), timeout=60) as runtime:
        runtime.run(4)
        assert sink.data.get().astype(int).tolist() == [[0, 100, 102, 104]]
        assert dense.weights.get().tolist() == [[106]]


# ------------------------------------------------------------------- bad input


def test_circuits_in_the_other_order_are_refused():
    weights, x, targets = problem(0, (4, 3, 2))
    with LavaExecutor(training_circuit(4, 3, 2), weights, target="lava-stock") as executor:
        with pytest.raises(CircuitError, match="network.chip_order = true"):
            executor.train(x, targets)
        assert executor.infer(x).spikes.shape == (3, 2)  # inference has no such order


def test_a_configuration_is_refused_before_anything_begins(tmp_path):
    config = tmp_path / "a.toml"
    config.write_text('target = "lava-stock"\nepochs = 1\n[data]\nname = "digits"\n[network]\nn_hidden = 4\n')
    with pytest.raises(ConfigError, match="network.chip_order is false; set network.chip_order = true"):
        load_config(config)
    assert load_config(config, ["network.chip_order=true"]).target == "lava-stock"


def test_granularity_sample_is_refused():
    weights, _, _ = problem(0, (4, 3, 2))
    with pytest.raises(InputError, match="one circuit step per Lava step"):
        CircuitSession(inference_circuit(4, 3, 2), weights, "lava-stock", granularity="sample")
