"""bench: what it prints, and that it writes only what it is asked to."""

import json
import os
from functools import partial

import pytest
from own_circuits import delta_circuit

from lava_nbp import save_circuit, training_circuit
from lava_nbp.executors import bench

#: What the parts that take their time would say: Lava's networks, and EventProp.
NETWORKS = [
    {"target": name, "layers": [12, 9, 4], "processes": n,
     "one_process": {"ms_per_step": ms, "start_seconds": 0.5, "stop_seconds": 0.25},
     "own_processes": {"ms_per_step": 8 * ms, "start_seconds": 2.0, "stop_seconds": 0.5},
     "times_faster": {"ms_per_step": 8.0, "start_seconds": 4.0, "stop_seconds": 2.0}}
    for name, n, ms in (("lava", 3, 0.5), ("lava-primitives", 14, 2.0))
]  # fmt: skip
EVENTPROP = {
    "yinyang_data": "generated samples", "gradient_error": 7e-15, "oracle_error": 6e-9,
    "yinyang_seconds_per_epoch": 0.125, "times_faster_than_oracle": 3e4,
    "clocked": [{"target": "clocked", "layers": [5, 200, 3], "ms_per_sample": 0.25}],
    "mnist_data": "MNIST", "mnist_ms_per_sample": 0.15625,
    "beside_flow": {
        "Yin-Yang": {"layers": [5, 200, 3], "neuron_events_per_sample": 2190.5, "flow_microseconds": 0.5,
                     "microseconds_per_sample": 6.25, "times": 12.5},
    },
    "two_threads": {"Yin-Yang": [{"batch": 16, "times": 1.0}, {"batch": 128, "times": 1.375}], "MNIST": []},
}  # fmt: skip


SHAPES = [
    {"shape": "three layers", "layers": [9, 8, 3], "microseconds_per_sample": 2.0, "synaptic_events_per_sample": 1e4,
     "microseconds_per_thousand": 0.2, "times_three_layers": 1.0},
    {"shape": "sparse", "layers": [99, 8, 3], "microseconds_per_sample": 9.0, "synaptic_events_per_sample": 3e4,
     "microseconds_per_thousand": 0.3, "times_three_layers": 1.5},
]  # fmt: skip
BESIDE = {"rows_microseconds": 1.25, "sample_microseconds": 2.0, "times": 1.6}


@pytest.fixture
def short(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(bench, "bench", partial(bench.bench, samples=4, pre_train=50))
    monkeypatch.setattr(bench, "_CHECKED", 5)
    monkeypatch.setattr(bench, "_networks", lambda seed: NETWORKS)
    monkeypatch.setattr(bench, "bench_eventprop", lambda seed: EVENTPROP)
    monkeypatch.setattr(bench, "shapes", lambda draw: SHAPES)
    monkeypatch.setattr(bench, "beside_rows", lambda *_: BESIDE)


def test_bench(run, tmp_path, short):
    code, out, _ = run("bench", "--network", "20-10-3", "--out", "b.json")
    assert (code, "x reference" in " ".join(out.split())) == (0, True)
    assert len(json.loads((tmp_path / "b.json").read_text())["executors"]) == 6
    shown = " ".join(out.split())
    assert (
        "lava-primitives, 12-9-4, 14 Processes of Lava, in one process (each in its own): 2.000 (16.000) ms per step, "
        "8.0 times faster; start 0.500 (2.000) s, 4.0 times faster; stop 0.250 (0.500) s"
    ) in shown
    assert "MNIST 784-350-10, batch 5: 0.16 ms per sample" in shown
    assert (
        "EventProp, Yin-Yang 5-200-3: to flow every neuron once per event, forward and backward, 2190 times per "
        "sample, takes 0.50 us; to learn takes 6.25 us, 12.5 times as long"
    ) in shown
    assert (
        "EventProp, Yin-Yang: two threads are 1.00 times as fast as one with batches of 16, 1.38 times with batches of "
        "128, and learn the same to the bit"
    ) in shown
    assert "EventProp, MNIST: two threads" not in shown  # where there is one processor only
    assert (
        "the weight rows of a forward pass alone, added up: 1.25 us per sample; sample takes 2.00 us, 1.60 times as "
        "long"
    ) in shown
    assert "sparse 99-8-3 9.0 us per sample, 0.300 us per thousand synaptic operations (x 1.50)" in shown
    assert "0.125 s per epoch of 5000, 30000 times faster than the oracle, gradients within 7e-15" in shown
    assert "ms per training sample: clocked 5-200-3 0.25" in shown


def test_bench_writes_nothing_unasked(run, tmp_path, monkeypatch):
    measured = {
        "circuit": "nbp", "layers": [20, 10, 3], "learning": True, "data": "random", "executors": [], "left_out": [],
        "networks": [], "eventprop": {}, "beside_weight_rows": None, "shapes": [],
    }  # fmt: skip
    monkeypatch.setattr(bench, "bench", lambda circuit, stage: measured)
    monkeypatch.setattr("lava_nbp.cli.bench._show_eventprop", lambda exact: None)
    code, out, _ = run("bench", "--network", "20-10-3")
    assert (code, "written" in out) == (0, False)
    assert os.listdir(tmp_path) == ["config.toml"]


def test_bench_takes_any_circuit(run, tmp_path, monkeypatch):
    """Of a file, with its own layers; what refuses it is said."""
    made = []

    def measured(circuit, stage):
        made.append(circuit)
        return {
            "circuit": circuit.name, "layers": [*circuit.layers], "learning": True, "data": "random", "executors": [],
            "left_out": [{"target": "sample", "reason": "too [deep]"}], "networks": [], "eventprop": {},
            "beside_weight_rows": None, "shapes": [],
        }  # fmt: skip

    monkeypatch.setattr(bench, "bench", measured)
    monkeypatch.setattr("lava_nbp.cli.bench._show_eventprop", lambda exact: None)
    save_circuit(delta_circuit(5, 3), tmp_path / "own.json")
    code, out, _ = run("bench", "--circuit", "own.json")
    assert (code, "left out, sample: too [deep]" in out, "delta, training, 5-3" in out) == (0, True, True)
    run("bench", "--circuit", "nbp-guarded", "--network", "6-5-4")
    assert made == [delta_circuit(5, 3), training_circuit(6, 5, 4, guarded=True)]
