"""NBPNetwork as a network of parts: every spike of every population and every weight as the spiking engine's."""

from dataclasses import replace

import numpy as np
import pytest
from circuit_oracle import simulate
from networks import random_samples, random_weights
from sessions import assert_same
from ways import in_ways

import lava_nbp
from lava_nbp.errors import InputError
from lava_nbp.executors.lava_nbp import CircuitSession
from lava_nbp.executors.make import make_executor
from lava_nbp.executors.trace import trace
from lava_nbp.nbp.circuit import Connection, Population
from lava_nbp.nbp.executor import one_hot
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import NBPNetwork, SampleSource, SpikeRaster

from lava.magma.core.run_conditions import RunSteps
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF

LAYERS = (12, 9, 4)
#: Seeds and variants that are run in operating-system processes, too.
FEW = [(0, ""), (1, "chip_order")]


def problem(seed, layers=LAYERS, n=12, low=-100, saturating=False):
    rng = np.random.default_rng(seed)
    weights = {k: np.maximum(w, low) for k, w in random_weights(layers, rng, saturating).items()}
    x, labels, targets = random_samples(n, layers, rng, density=0.6)
    return weights, x, labels, targets


def compare(circuit, weights, x, targets):
    """Run a circuit both ways; return the engine, with everything compared."""
    engine = SpikingEngine(Projections(circuit, weights))
    samples = (x, targets)[: len(circuit.sources)]
    outcome, raster = engine.run(*samples, record=True)
    session = CircuitSession(circuit, weights, "lava-primitives", raster=True, capacity=len(x), timeout=100)
    try:
        found = session.run(*samples)
        assert_same(session, engine, found, outcome, raster)
        assert session.network.counters == engine.counters
        assert session.network.gate_breaches.get().tolist() == engine.counters.gate_breaches.tolist()
        return engine, session.runtime.processes
    finally:
        session.close()


@pytest.mark.parametrize(
    ("seed", "variant", "way"),
    in_ways([0, 1, 2], ["", "guarded", "chip_order"], both=lambda seed, variant: (seed, variant) in FEW),
    indirect=["way"],
)
def test_every_population_in_every_step(seed, variant, way):
    layers = [LAYERS, (5, 17, 3), (30, 6, 8)][seed]
    weights, x, _, targets = problem(seed, layers)
    engine, processes = compare(training_circuit(*layers, **{variant: True} if variant else {}), weights, x, targets)
    assert engine.counters.updates[0] > 0
    assert processes == 15  # 12 parts, source, sink and raster


def test_with_breaches_and_saturated_weights(way):
    """Where the circuit leaves its schedule the parts leave it likewise, mirrors included."""
    weights, x, _, targets = problem(1, (100, 20, 5), low=-254, saturating=True)
    weights["W1"][:, ::2] = 254
    engine, _ = compare(training_circuit(100, 20, 5), weights, x, targets)
    assert engine.counters.gate_breaches[0] > 0


def test_sums_that_wrap():
    layers = (530, 2, 2)
    weights = {"W1": np.full((530, 2), 254), "W2": np.full((2, 2), 100)}
    engine, _ = compare(training_circuit(*layers), weights, np.ones((2, 530), np.uint8), np.eye(2, dtype=np.uint8))
    assert engine.counters.gate_breaches[0] > 0


def test_inference(way):
    weights, x, _, targets = problem(3)
    _, processes = compare(inference_circuit(*LAYERS), weights, x, targets)
    assert processes == 9  # chain, x, h1, o, W1, W2, source, sink, raster


def test_a_circuit_that_is_not_the_papers():
    """Another population with two relays of its own, one delayed, and other error weights: parts of general kind."""
    circuit = training_circuit(*LAYERS)
    more = replace(
        circuit,
        populations=(*circuit.populations, Population("seen", 4, (6, 9), refractory=3, layer="o")),
        connections=(
            *(replace(c, weight=516) if (c.pre, c.post) == ("t", "d_pos") else c for c in circuit.connections),
            Connection("g05", "seen", "gate", 8704),
            Connection("g08", "seen", "gate", 8704),
            Connection("d_pos", "seen", "relay", 520),
            Connection("t", "seen", "relay", 520, 4),
        ),
    )
    weights, x, _, targets = problem(5)
    engine, processes = compare(more, weights, x, targets)
    assert engine.counters.updates[0] > 0
    assert processes == 17


def test_against_the_independent_simulator():
    weights, x, labels, _ = problem(7, n=5)
    found = trace("lava-primitives", training_circuit(*LAYERS), weights, x, one_hot(labels, 4))
    spikes, projections = simulate(x, labels, weights["W1"], weights["W2"])
    for name, rows in spikes.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name
    for name, w in projections.items():
        assert np.array_equal(found[f"weights/{name}"], w), name


def test_as_an_executor_over_many_runs():
    weights, x, _, targets = problem(4, n=20)
    with (
        make_executor("lava-primitives", training_circuit(*LAYERS), weights, timeout=60) as parts,
        make_executor("reference", training_circuit(*LAYERS), weights) as oracle,
    ):
        for part in (slice(0, 1), slice(1, 8), slice(8, 20)):
            assert np.array_equal(
                parts.train(x[part], targets[part]).membrane, oracle.train(x[part], targets[part]).membrane
            )
            assert np.array_equal(parts.infer(x[:3]).spikes, oracle.infer(x[:3]).spikes)
        parts.begin_epoch()
        for executor in (parts, oracle):
            executor.write_weights(weights)
            executor.train(x, targets)
        for name, w in oracle.read_weights().items():
            assert np.array_equal(parts.read_weights()[name], w)
        assert parts.work.samples == 40
        assert parts.work.updates > 0


def test_process_run_beside_stock_processes(way):
    weights, x, _, targets = problem(0, n=3)
    circuit = training_circuit(*LAYERS)
    network = NBPNetwork(circuit=circuit, weights=weights, granularity="step")
    source = SampleSource(circuit=circuit, granularity="step", capacity=3)
    dense, lif = Dense(weights=np.eye(4) * 100), LIF(shape=(4,), du=4095, dv=4095, vth=10)
    answers, raster = Sink(shape=(4,), buffer=37), SpikeRaster({"o": (4,)}, steps=37)
    source.x_out.connect(network.x_in)
    source.t_out.connect(network.t_in)
    network.s_out.connect(dense.s_in)
    network.s_out.connect(raster.o_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(answers.a_in)
    source.load(x, targets)
    network.run(RunSteps(37), lava_nbp.run_config("lava-primitives"))
    spikes = raster.spikes["o"]
    assert np.array_equal(answers.data.get().T[1:], spikes[:-1])  # a step later, through Dense and LIF
    network.stop()
    engine = SpikingEngine(Projections(circuit, weights))
    _, expected = engine.run(x, targets, record=True)
    assert np.array_equal(spikes, engine.split(expected)["o"])
    assert np.array_equal(network.read_weights()["W1"], engine.projections.arrays["W1"])
    assert [type(part).__name__ for part in network.parts].count("SurrogateReLU") == 2


def test_one_neuron_that_reaches_many():
    """It is no gating neuron."""
    circuit = inference_circuit(1, 3, 2)
    more = replace(circuit, connections=(*circuit.connections, Connection("x", "h1", "relay", 4)))
    weights = {"W1": np.full((1, 3), 254), "W2": np.full((3, 2), 254)}
    expected = trace("spiking", more, weights, [[1], [0]])
    for target in ("lava", "lava-primitives"):
        found = trace(target, more, weights, [[1], [0]])
        for name, rows in expected.items():
            assert np.array_equal(found[name], rows), (target, name)


def test_whole_samples_per_step_are_refused():
    weights, _, _, _ = problem(0)
    network = NBPNetwork(circuit=training_circuit(*LAYERS), weights=weights)
    with pytest.raises(InputError, match="granularity is 'sample'; make the NBPNetwork with granularity='step'"):
        LavaRuntime(network, lava_nbp.run_config("lava-primitives"))
    with pytest.raises(InputError, match="granularity='step'"):
        make_executor("lava-primitives", training_circuit(*LAYERS), weights, granularity="sample")
