"""NBPNetwork on Lava's simulator: every spike and weight as the spiking engine's, in both granularities."""

import time

import numpy as np
import pytest
from networks import random_samples, random_weights
from sessions import assert_same

from lava_nbp import run_config
from lava_nbp.errors import InputError, RuntimeFailure, WeightError
from lava_nbp.executors.lava_nbp import CircuitSession
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import NBPNetwork, SampleSink, SampleSource

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer

LAYERS = (12, 9, 4)
GRANULARITIES = ["sample", "step"]


def problem(seed, n=15, layers=LAYERS):
    rng = np.random.default_rng(seed)
    weights = {name: np.maximum(w, -100) for name, w in random_weights(layers, rng).items()}
    x, _, targets = random_samples(n, layers, rng, density=0.6)
    return weights, x, targets


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_population_at_every_step(granularity, guarded, seed, way):
    layers = (100, 20, 5) if seed else LAYERS  # the larger one breaches gates: the engine must agree on that too
    weights, x, targets = problem(seed, layers=layers)
    if seed:
        weights["W1"][:, ::2] = 254
    circuit = training_circuit(*layers, guarded=guarded)
    engine = SpikingEngine(Projections(circuit, weights))
    outcome, raster = engine.run(x, targets, record=True)
    assert (engine.counters.gate_breaches[0] > 0) == (seed == 1 and not guarded)
    session = CircuitSession(circuit, weights, granularity=granularity, raster=True, capacity=len(x))
    try:
        found = session.run(x, targets)
        first = 1 if granularity == "sample" else 0  # phase 0, before the first sample, has no Lava step there
        assert np.array_equal(session.sink.raster[first:], raster[first:])
        assert_same(session, engine, found, outcome)
        assert session.network.counters == engine.counters
    finally:
        session.close()


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_executor_equals_the_oracle_over_many_runs(granularity, way):
    weights, x, targets = problem(3, n=40)
    with (
        make_executor("lava", training_circuit(*LAYERS), weights, granularity=granularity) as lava,
        make_executor("reference", training_circuit(*LAYERS), weights) as oracle,
    ):
        for part in (slice(0, 1), slice(1, 14), slice(14, 40)):
            one, other = lava.train(x[part], targets[part]), oracle.train(x[part], targets[part])
            assert np.array_equal(one.spikes, other.spikes)
            assert np.array_equal(one.membrane, other.membrane)
            for name, w in oracle.read_weights().items():
                assert np.array_equal(lava.read_weights()[name], w)
            assert np.array_equal(lava.infer(x).membrane, oracle.infer(x).membrane)
            assert np.array_equal(lava.infer(x).spikes, oracle.infer(x).spikes)
        lava.begin_epoch()
        lava.write_weights(weights)
        oracle.write_weights(weights)
        lava.train(x, targets)
        oracle.train(x, targets)
        assert np.array_equal(lava.read_weights()["W1"], oracle.read_weights()["W1"])
        assert lava.work.gate_breaches == 0


def test_one_store_of_weights(way):
    """The network makes it, its parts view it, and there is no engine but in the model that runs."""
    weights, _, _ = problem(0)
    network = NBPNetwork(circuit=training_circuit(*LAYERS), weights=weights, granularity="step")
    assert not any(isinstance(value, SpikingEngine) for value in vars(network).values())
    with LavaRuntime(network, run_config("lava-primitives")):
        (dense,) = (part for part in network.parts if part.name == "W2")
        for name, w in dense.synapses.projections.items():
            assert np.shares_memory(w, network.projections.arrays[name])
        network.write_weights({**weights, "W2": np.full((9, 4), 8)})
        assert (dense.weights.get() == 8).all()
        dense.weights.set(np.full((9, 4), -8))
        assert (network.W2.get() == -8).all()


def test_with_plain_lava_run_configuration_and_stock_processes(way):
    """The usual way of running Lava, with a stock source; a Dense behind the output."""
    circuit = inference_circuit(3, 3, 2)
    weights = {"W1": 254 * np.eye(3, dtype=int) + 0, "W2": np.full((3, 2), 254)}
    weights["W1"][:] = 254
    network = NBPNetwork(circuit=circuit, weights=weights, granularity="sample")
    source = RingBuffer(data=np.array([[1, 0], [1, 0], [1, 1]]))  # two samples: all on, one on
    dense = Dense(weights=np.eye(2))
    sink = SampleSink(circuit=circuit, granularity="sample", capacity=4)
    source.s_out.connect(network.x_in)
    network.s_out.connect(dense.s_in)
    network.a_out.connect(sink.a_in)
    network.s_out.connect(sink.s_in)
    with LavaRuntime(network, run_config=Loihi2SimCfg(select_tag="fixed_pt")) as runtime:
        runtime.run(4)
        assert sink.spikes.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
        assert sink.membrane.tolist() == [[762, 762], [0, 0], [762, 762], [0, 0]]


def test_process_run_and_stop_as_in_any_lava_script():
    weights, x, targets = problem(0)
    circuit = training_circuit(*LAYERS)
    network = NBPNetwork(circuit=circuit, weights=weights)
    source = SampleSource(circuit=circuit, capacity=len(x))
    source.x_out.connect(network.x_in)
    source.t_out.connect(network.t_in)
    source.load(x, targets)
    network.run(condition=RunSteps(len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    through_lava = network.W2.get()
    assert network.gate_breaches.get().item() == 0
    network.W1.set(np.asarray(weights["W1"]))
    assert np.array_equal(network.read_projections()["W1_hi"], weights["W1"])
    network.stop()
    engine = SpikingEngine(Projections(circuit, weights))
    engine.run(x, targets)
    assert np.array_equal(through_lava, engine.projections.arrays["W2"])


def test_bulk_transfer_of_the_papers_network(way):
    rng = np.random.default_rng(0)
    weights = random_weights((400, 400, 10), rng)
    network = NBPNetwork(circuit=training_circuit(400, 400, 10), weights=weights)
    other = random_weights((400, 400, 10), rng)
    with LavaRuntime(network) as runtime:
        runtime.run(1)
        network.write_weights(other)
        runtime.run(1)  # nothing comes in, nothing changes
        back = network.read_weights()
    assert all(np.array_equal(back[name], other[name]) for name in other)


def test_source_is_silent_when_its_samples_are_over(way):
    weights, x, targets = problem(0, n=3)
    session = CircuitSession(training_circuit(*LAYERS), weights, capacity=5)
    try:
        session.run(x, targets)
        before = session.network.read_weights()
        session.runtime.run(5)
        assert all(np.array_equal(before[k], w) for k, w in session.network.read_weights().items())
    finally:
        session.close()


def test_more_samples_than_fit_go_in_parts(way):
    weights, x, targets = problem(0, n=11)
    engine = SpikingEngine(Projections(training_circuit(*LAYERS), weights))
    outcome, _ = engine.run(x, targets)
    for granularity in GRANULARITIES:
        session = CircuitSession(training_circuit(*LAYERS), weights, granularity=granularity, capacity=4)
        try:
            assert np.array_equal(session.run(x, targets).membrane, outcome.membrane)
            assert np.array_equal(session.network.read_weights()["W1"], engine.projections.arrays["W1"])
        finally:
            session.close()


def test_wrong_arguments():
    circuit = training_circuit(*LAYERS)
    weights, x, targets = problem(0)
    with pytest.raises(InputError, match="granularity is 'epoch', but must be 'step' or 'sample'"):
        NBPNetwork(circuit=circuit, weights=weights, granularity="epoch")
    for process in (SampleSource, SampleSink):
        with pytest.raises(InputError, match="granularity is 'steps', but must be 'step' or 'sample'"):
            process(circuit=circuit, granularity="steps", capacity=2)
    with pytest.raises(WeightError, match="W1 has shape"):
        NBPNetwork(circuit=circuit, weights={"W1": weights["W2"], "W2": weights["W2"]})
    with pytest.raises(InputError, match="capacity is 0"):
        SampleSource(circuit=circuit, capacity=0)
    with pytest.raises(InputError, match="capacity is 0"):
        SampleSink(circuit=circuit, capacity=0)
    source = SampleSource(circuit=circuit, capacity=2)
    with pytest.raises(InputError, match="15 samples, but the source holds 2"):
        source.load(x, targets)
    with pytest.raises(InputError, match="2 samples of x, but 1 of t"):
        source.load(x[:2], targets[:1])


def test_time_out_of_the_executor(way):
    """In the first of several thousand steps, or while it is started."""
    weights, x, targets = problem(0)
    start = time.monotonic()

    def use():
        with make_executor("lava", training_circuit(*LAYERS), weights, timeout=1e-6, chunk=10_000) as executor:
            executor.train(np.tile(x, (600, 1)), np.tile(targets, (600, 1)))

    with pytest.raises(RuntimeFailure, match="time-out"):
        use()
    assert time.monotonic() - start < 10


def test_vars_are_checked_and_moved_as_a_whole(way):
    weights, _, _ = problem(0)
    network = NBPNetwork(circuit=training_circuit(*LAYERS), weights=weights)
    with LavaRuntime(network) as runtime:
        runtime.run(1)
        assert network.W1.get().dtype == np.int16
        network.W2.set(np.full((9, 4), -20))
        network.W2.set(254, idx=(slice(0, 2), 1))
        assert network.W2.get(idx=(1, 1)) == 254
        runtime.run(1)
        for bad, message in ((3, r"W1\[0, 0\] is 3"), (300, r"W1\[0, 0\] is 300"), (0.5, "dtype float64")):
            with pytest.raises(WeightError, match=message):
                network.W1.set(np.full((12, 9), bad))
        with pytest.raises(WeightError, match="W1 has shape"):
            network.W1.set(np.zeros((9, 12), int))
        for bad, message in ((40_001, r"W1\[2, 3\] is 40001"), (0.5, "dtype float64")):
            with pytest.raises(WeightError, match=message):
                network.W1.set(bad, idx=(2, 3))
        held = network.read_projections()
    expected = np.full((9, 4), -20)
    expected[:2, 1] = 254
    assert np.array_equal(held["W2_lo"], expected)
    assert np.array_equal(held["W2_T_neg"], -expected.T)
    assert np.array_equal(held["W1_hi"], weights["W1"])
