"""What the phase player is given: all of a circuit, whichever it is, and every spike."""

import json

import numpy as np
import pytest
from own_circuits import delta_circuit, feedforward_circuit, paper_under_other_names

from lava_nbp import CIRCUITS, initial_weights, make_circuit, one_hot, trace
from lava_nbp.training.nbp.player import Shown, player_data

RNG = np.random.default_rng(8)
CLASSES = ["zero", "one", "two"]
#: (place in the test set, label, answer, right)
SAMPLES = ((4, 2, 1, False), (9, 0, 0, True))
CIRCUITS_SHOWN = {
    **{name: make_circuit(name, (12, 9, 3)) for name in CIRCUITS},
    "other names and phases": paper_under_other_names(12, 9, 3),
    "delta rule": delta_circuit(12, 3),
    "delta rule of single spikes": delta_circuit(12, 3, "4*x0*y0*r - 2*x0"),
    "four layers": feedforward_circuit(12, 9, 7, 3),
}
NAMES = list(CIRCUITS_SHOWN)


def brought(circuit, label):
    """What the sources bring: random inputs, and a target if there is one."""
    x = (RNG.random(12) < 0.6).astype(np.uint8)
    return (x, one_hot([label], 3)[0])[: len(circuit.sources)]


def played(circuit):
    weights = initial_weights(circuit, RNG)
    samples = [Shown(k, label, answer, brought(circuit, label), right) for k, label, answer, right in SAMPLES]
    return weights, samples, player_data(circuit, weights, samples, CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_every_population_connection_and_spike_is_there(name):
    circuit = CIRCUITS_SHOWN[name]
    weights, samples, data = played(circuit)
    assert json.loads(json.dumps(data)) == data
    shown = {p["name"]: p["size"] for p in data["populations"]} | dict.fromkeys(data["chain"], 1)
    assert shown == {p.name: p.size for p in circuit.populations}
    assert len(data["fixed"]) == sum(c.role != "chain" for c in circuit.connections)
    assert [p["name"] for p in data["dense"]] == [p.name for p in circuit.projections]
    assert all(p["plastic"] == circuit.learning for p in data["dense"])
    assert [p["phase"] for p in data["phases"]] == [*range(circuit.period), 0]
    for sample, steps in zip(samples, [s["steps"] for s in data["samples"]], strict=True):
        found = trace("spiking", circuit, weights, *(spikes[None] for spikes in sample.spikes))
        assert found[f"spikes/{circuit.forward[0]}"].any()
        for step, lit in enumerate(steps):
            for population in circuit.populations:
                fired = np.zeros(population.size, dtype=np.uint8)
                fired[lit.get(population.name, [])] = 1
                np.testing.assert_array_equal(fired, found[f"spikes/{population.name}"][step])


@pytest.mark.parametrize("name", NAMES)
def test_a_column_per_layer(name):
    circuit = CIRCUITS_SHOWN[name]
    _, _, data = played(circuit)
    assert data["layers"] == list(circuit.forward)
    assert {p["column"] for p in data["populations"]} == set(range(len(circuit.forward)))
    for p in data["populations"]:
        assert circuit.forward[p["column"]] == circuit.layer_of(p["name"])


def test_phases_say_what_learns():
    phases = played(CIRCUITS_SHOWN["nbp"])[2]["phases"]
    assert phases[0]["learns"] == []  # nothing before the first sample
    assert (phases[8]["learns"], phases[8]["change"]) == (["W1", "W1_lo", "W1_hi"], "+2")
    assert (phases[12]["learns"], phases[12]["change"]) == (["W1", "W1_lo", "W1_hi"], "-2")
    assert phases[9]["inhibited"] == ["h1", "h1_lo", "h1_hi"]


def test_phases_of_other_circuits():
    phases = played(CIRCUITS_SHOWN["other names and phases"])[2]["phases"]
    assert (phases[10]["learns"], phases[10]["change"]) == (["my_W1", "my_W1_lo", "my_W1_hi"], "+2")
    assert (phases[14]["learns"], phases[14]["change"]) == (["my_W1", "my_W1_lo", "my_W1_hi"], "-2")
    phases = played(CIRCUITS_SHOWN["delta rule of single spikes"])[2]["phases"]
    assert (phases[5]["learns"], phases[5]["change"]) == (["V"], "-2 x0 +4 x0 y0")
    assert (phases[2]["learns"], phases[2]["change"]) == (["V"], "-2 x0")


def test_titles():
    titles = [s["title"] for s in played(CIRCUITS_SHOWN["nbp"])[2]["samples"]]
    assert titles == [
        "test sample 4: two, answered one (not as the target says)",
        "test sample 9: zero, answered zero",
    ]
