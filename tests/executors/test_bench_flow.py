"""What stands beside EventProp's engine in the bench: as many flows of neurons as it has."""

import numpy as np

from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.trains import spike_trains
from lava_nbp.executors import bench_flow


def test_a_flow_by_hand():
    """Two events: decay and response of what was there, then a row of weights."""
    V, I = np.array([1.0, -1.0]), np.array([0.5, 2.0])  # noqa: E741 - the paper's symbol
    weights = np.array([[10.0, 20.0], [1.0, 2.0], [30.0, 40.0]])
    bench_flow._flow(V, I, weights, np.array([2, 0]), 0.5, 0.25, 0.125)
    first_v, first_i = [0.5 + 0.0625, -0.5 + 0.25], [0.125 + 30.0, 0.5 + 40.0]
    assert V.tolist() == [0.5 * v + 0.125 * i for v, i in zip(first_v, first_i, strict=True)]
    assert I.tolist() == [0.25 * first_i[0] + 10.0, 0.25 * first_i[1] + 20.0]


def test_every_neuron_is_counted_once_per_event_and_direction(monkeypatch):
    """4 input spikes in 2 samples reach 2 neurons; the spikes of these reach 5 outputs."""
    flowed, learned = [], []
    engine = EventPropEngine([8.0 * np.eye(2), np.zeros((2, 5))], NeuronParameters(), TTFSLoss(), 60.0)
    trains = spike_trains([([1.0, 5.0], [0, 1]), ([1.0, 30.0], [0, 0])], 2, 60.0)
    _, counts = engine.infer_counted(trains)
    spikes = int(counts[0].sum())
    assert spikes > 0
    plain = bench_flow._flow

    def flow(V, I, weights, sources, *decays):  # noqa: E741 - the paper's symbol
        flowed.append((weights.shape, sources.tolist()))
        plain(V, I, weights, sources, *decays)

    monkeypatch.setattr(bench_flow, "_flow", flow)
    monkeypatch.setattr(bench_flow, "_TURNS", 2)
    clock = iter(range(100))
    monkeypatch.setattr(bench_flow.time, "process_time", lambda: float(next(clock)))
    said = bench_flow.beside_flow(engine, trains, lambda: learned.append(1))
    rows = [0] * int(counts[0][0]) + [1] * int(counts[0][1])
    both = [((2, 2), trains.sources.tolist())] * 2 + [((2, 5), rows)] * 2
    assert flowed == both * 3  # once to warm up, and in two turns
    assert len(learned) == 3
    assert said == {
        "layers": [2, 2, 5], "neuron_events_per_sample": 2 * (4 * 2 + spikes * 5) / 2,
        "flow_microseconds": 0.5e6, "microseconds_per_sample": 0.5e6, "times": 1.0,
    }  # fmt: skip
