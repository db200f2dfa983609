"""Values by hand: circuits, configurations, spike trains."""

from __future__ import annotations

import functools
import json

import experiments
import numpy as np
import tomli
from circuit_simulator import simulate
from hypothesis import strategies as st
from own_circuits import delta_circuit, feedforward_circuit

from fuzz.cases import changed
from fuzz.door import refused_in_a_line
from lava_nbp.eventprop import reference
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.trains import SpikeTrains
from lava_nbp.executors.trace import trace
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.training.config import parse_config


def circuits():
    values = (training_circuit(3, 2, 2), inference_circuit(3, 2, 2), delta_circuit(3, 2), feedforward_circuit(3, 2, 2))
    return st.sampled_from([json.loads(json.dumps(circuit_to_dict(c))) for c in values]).flatmap(changed)


def enter_circuit(content):
    """What passes as a circuit runs as the slow simulator has it."""
    circuit = None
    with refused_in_a_line():
        circuit = circuit_from_dict(content)
    if circuit is None or circuit.n_neurons > 100 or circuit.period > 40 or circuit.n_synapses > 2000:
        return
    rng = np.random.default_rng(1)
    sizes = {s.population: circuit[s.population].size for s in circuit.sources}
    samples = [(rng.random((3, sizes[s.population])) < 0.6).astype(np.uint8) for s in circuit.sources]
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    found = trace("spiking", circuit, weights, *samples)
    try:
        fired, held = simulate(circuit, weights, *samples)
    except AssertionError:  # a sum that leaves the register: not what the simulator is for
        return
    for name, spikes in fired.items():
        assert np.array_equal(found[f"spikes/{name}"], spikes), name
    for name, w in held.items():
        assert np.array_equal(found[f"weights/{name}"], w), name


def configurations():
    texts = (experiments.DIGITS, experiments.YINYANG, experiments.MAX_VOLTAGE, experiments.SLAYER)
    targets = {"nbp": ("sample", "lava"), "eventprop": ("continuous", "clocked"), "slayer": ("slayer",)}
    values = []
    for text in texts:
        content = tomli.loads(text)
        algorithm = content.get("algorithm", "nbp")
        values += [{"algorithm": algorithm, "target": target, **content} for target in targets[algorithm]]
    return st.sampled_from(values).flatmap(changed)


def enter_configuration(content):
    with refused_in_a_line():
        parse_config(content, "here")


def spike_trains():
    """Arrays of spikes by hand, most of them wrong, and samples to run."""
    number = st.one_of(st.floats(0, 12), st.sampled_from((0.0, 10.0, -1.0, np.nan, np.inf, 1e300)))
    times = st.one_of(st.lists(st.floats(0, 10), max_size=6).map(sorted), st.lists(number, max_size=6))
    index = st.one_of(st.integers(0, 2), st.sampled_from((-1, 3, 5, 2**31, 2**62)))
    whole = st.integers(0, 2)
    return times.flatmap(
        lambda t: st.tuples(
            st.just(t),
            st.one_of(st.lists(whole, min_size=len(t), max_size=len(t)), st.lists(index, max_size=len(t) + 1)),
            st.one_of(
                st.just([0, len(t)]), st.just([0, len(t) // 2, len(t)]), st.lists(st.integers(-2, 9), max_size=4)
            ),
            st.one_of(st.none(), st.lists(st.integers(-1, 2), max_size=3), st.just([0.5]), st.just([2**62])),
            st.booleans(),
        )
    )


@functools.cache
def engines():
    rng = np.random.default_rng(5)
    weights = [rng.normal(2.0, 1.0, (3, 4)), rng.normal(1.4, 0.6, (4, 2))]
    p, loss = NeuronParameters(), TTFSLoss()
    continuous = EventPropEngine(weights, p, loss, 10.0)
    return weights, continuous, ClockedEngine(weights, Setup(FixedPoint(p, 0.5, 10.0), loss))


def enter_trains(case):
    times, sources, offsets, samples, as_arrays = case
    weights, continuous, clocked = engines()
    made = (times, sources, offsets)
    if as_arrays:
        made = (np.array(times, float), np.array(sources, np.int64), np.array(offsets, np.int64))
    chosen = None if samples is None else np.array(samples)
    for engine in (clocked, continuous):
        with refused_in_a_line():
            trains = SpikeTrains(*made)
            said = engine.infer(trains, chosen).said
            if engine is clocked:
                continue
            numbers = range(len(trains)) if chosen is None else chosen
            for row, k in zip(said, numbers, strict=True):
                part = slice(offsets[k], offsets[k + 1])
                run = reference.forward(weights, times[part], sources[part], continuous.p, continuous.end)
                assert np.allclose(row, run.first, rtol=1e-9, atol=0, equal_nan=False), (row, run.first)
