import json

import numpy as np
import pytest

from lava_nbp.nbp.circuit import CIRCUITS
from lava_nbp.nbp.rule import initial_weights
from lava_nbp.runs.report.player import Shown, player_data
from lava_nbp.executors.trace import trace

RNG = np.random.default_rng(8)
WEIGHTS = initial_weights((12, 9, 3), RNG)
SAMPLES = [
    Shown(index=4, label=2, answer=1, x=(RNG.random(12) < 0.6).astype(np.uint8), right=False),
    Shown(index=9, label=0, answer=0, x=(RNG.random(12) < 0.6).astype(np.uint8), right=True),
]


@pytest.mark.parametrize("name", list(CIRCUITS))
def test_every_population_connection_and_spike_is_there(name):
    data = player_data(name, WEIGHTS, SAMPLES, ["zero", "one", "two"])
    circuit = CIRCUITS[name](12, 9, 3)
    assert json.loads(json.dumps(data)) == data
    shown = {p["name"]: p["size"] for p in data["populations"]} | dict.fromkeys(data["chain"], 1)
    assert shown == {p.name: p.size for p in circuit.populations}
    assert len(data["fixed"]) == sum(c.role != "chain" for c in circuit.connections)
    assert [p["name"] for p in data["dense"]] == [p.name for p in circuit.projections]
    assert all(p["plastic"] == circuit.learning for p in data["dense"])
    assert [p["phase"] for p in data["phases"]] == [*range(circuit.period), 0]
    for sample, played in zip(SAMPLES, data["samples"], strict=True):
        found = trace("spiking", sample.x[None], np.array([sample.label]), WEIGHTS, name)
        for step, lit in enumerate(played["steps"]):
            for population in circuit.populations:
                fired = np.zeros(population.size, dtype=np.uint8)
                fired[lit.get(population.name, [])] = 1
                np.testing.assert_array_equal(fired, found[f"spikes/{population.name}"][step])


def test_phases_say_what_learns():
    phases = player_data("nbp", WEIGHTS, SAMPLES, ["a", "b", "c"])["phases"]
    assert phases[0]["learns"] == []  # nothing before the first sample
    assert (phases[8]["learns"], phases[8]["sign"]) == (["W1", "W1_lo", "W1_hi"], "+2")
    assert (phases[12]["learns"], phases[12]["sign"]) == (["W1", "W1_lo", "W1_hi"], "-2")
    assert phases[9]["inhibited"] == ["h1", "h1_lo", "h1_hi"]


def test_titles():
    titles = [s["title"] for s in player_data("nbp", WEIGHTS, SAMPLES, ["zero", "one", "two"])["samples"]]
    assert titles == [
        "test sample 4: two, answered one (not as the target says)",
        "test sample 9: zero, answered zero",
    ]
