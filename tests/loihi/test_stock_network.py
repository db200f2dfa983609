"""Stock Processes of circuits that are not the paper's: every spike of every population, and every weight."""

import numpy as np
import pytest
from own_circuits import delta_circuit, renamed
from ways import in_ways

from lava_nbp import run_config
from lava_nbp.errors import CircuitError
from lava_nbp.loihi.rules import chip_rule
from lava_nbp.loihi.stock import StockNetwork
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import PlasticLIF

from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def external(circuit, samples):
    """Spikes that leave every source, (size, steps): one phase before they make their population fire."""
    steps, found = 1 + circuit.period * len(samples[0]), {}
    for source, rows in zip(circuit.sources, samples, strict=True):
        found[source.name] = np.zeros((rows.shape[1], steps), np.int32)
        for k, row in enumerate(rows):
            found[source.name][:, k * circuit.period + source.phase - 1] = row
    return found


def run(circuit, weights, samples):
    """Spikes by group, (steps, size), and weights by projection, as Lava's own models leave them."""
    store = Projections(circuit, weights)
    network = StockNetwork(circuit, store.arrays, PlasticLIF.of)
    spikes = external(circuit, samples)
    steps = next(iter(spikes.values())).shape[1]
    for name, process in network.inputs.items():
        Source(data=spikes[name]).s_out.connect(process.s_in)
    sinks = {name: Sink(shape=group.s_out.shape, buffer=steps) for name, group in network.groups.items()}
    for name, sink in sinks.items():
        network.groups[name].s_out.connect(sink.a_in)
    with LavaRuntime(network.groups[network.lowered.chain], run_config("lava-stock"), timeout=100) as runtime:
        runtime.run(steps)
        network.pull()
        return {name: sink.data.get().astype(int).T for name, sink in sinks.items()}, store, network


def problem(n_in=6, n_out=4, n=6, saturating=False):
    rng = np.random.default_rng(int(saturating))
    weights = (
        rng.choice([-254, -252, 252, 254], (n_in, n_out)) if saturating else 2 * rng.integers(-120, 121, (n_in, n_out))
    )
    x = (rng.random((n, n_in)) < 0.6).astype(np.uint8)
    return {"V": weights}, (x, (rng.random((n, n_out)) < 0.5).astype(np.uint8))


@pytest.mark.parametrize(
    ("dw", "saturating", "way"),
    in_ways(
        ["4*r*x0*y0 - 2*x0*y0", "6*r*x0*y0 - 2*x0*y0", "20*r*x0*y0 - 4*x0*y0"],
        [False, True],
        both=lambda dw, saturating: dw.startswith("6") and saturating,
    ),
    indirect=["way"],
)
def test_a_delta_rule(dw, saturating, way):
    circuit = delta_circuit(6, 4, dw)
    weights, samples = problem(saturating=saturating)
    engine = SpikingEngine(Projections(circuit, weights))
    _, raster = engine.run(*samples, record=True)
    found, store, network = run(circuit, weights, samples)
    wanted = engine.split(raster)
    chain = network.lowered.chain
    assert np.array_equal(found.pop(chain), np.hstack([wanted.pop(name) for name in circuit.chain]))
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        assert np.array_equal(found[name], rows), name
    assert np.array_equal(store.arrays["V"], engine.projections.arrays["V"])
    assert not np.array_equal(store.arrays["V"], weights["V"])


def test_one_spike_alone_counts_too(way):
    """A rule that no circuit of the paper has: what does not say anything forgets what it sees."""
    circuit = delta_circuit(6, 4, "6*r*x0*y0 - 2*x0")
    weights, samples = problem()
    engine = SpikingEngine(Projections(circuit, weights))
    engine.run(*samples)
    _, store, _ = run(circuit, weights, samples)
    assert np.array_equal(store.arrays["V"], engine.projections.arrays["V"])


def test_a_population_may_be_called_as_the_chain_is():
    circuit = renamed(delta_circuit(3, 2), lambda name: {"see": "chain", "V": "V"}.get(name, f"{name}_"))
    weights, samples = problem(3, 2, n=2)
    engine = SpikingEngine(Projections(circuit, weights))
    _, raster = engine.run(*samples, record=True)
    found, _, network = run(circuit, weights, samples)
    assert network.lowered.chain == "chain_"
    assert np.array_equal(found["chain"], engine.split(raster)["chain"])


def test_weights_go_from_the_store_to_the_models_and_back(way):
    circuit = delta_circuit(3, 2)
    store = Projections(circuit, {"V": np.full((3, 2), 20)})
    network = StockNetwork(circuit, store.arrays, PlasticLIF.of)
    written = 2 * np.arange(-3, 3).reshape(3, 2)
    with LavaRuntime(network.groups[network.lowered.chain], run_config("lava-stock"), timeout=100) as runtime:
        runtime.run(1)
        store.write_weights({"V": written})
        network.push()
        store.flat[...] = 0
        network.pull([])
        assert not store.flat.any()
        network.pull(["V"])
        assert np.array_equal(store.arrays["V"], written)


def test_before_it_runs_the_store_is_left_alone():
    circuit = delta_circuit(3, 2)
    store = Projections(circuit, {"V": np.full((3, 2), 20)})
    network = StockNetwork(circuit, store.arrays, PlasticLIF.of, chip_rule)
    network.pull()
    network.push()
    network.reset()
    assert (store.flat == 20).all()
    assert len(network.processes) == len({id(p) for p in network.processes.values()}) == 23


def test_what_cannot_be_lowered():
    held = {"V": np.zeros((3, 2), np.int16)}
    with pytest.raises(CircuitError, match="use circuit.in_chip_order"):
        StockNetwork(delta_circuit(3, 2, chip_order=False), held, PlasticLIF.of)
