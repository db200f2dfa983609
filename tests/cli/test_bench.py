"""bench: what it prints, and that it writes only what it is asked to."""

import json
import os
from functools import partial

import pytest
from own_circuits import delta_circuit

from lava_nbp import save_circuit, training_circuit
from lava_nbp.executors import bench


@pytest.fixture
def short(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(bench, "bench", partial(bench.bench, samples=10))
    monkeypatch.setattr(bench, "_PRIMITIVES", ((12, 9, 4), 2))


def test_bench(run, tmp_path, short):
    code, out, _ = run("bench", "--network", "20-10-3", "--out", "b.json")
    assert (code, "x reference" in " ".join(out.split())) == (0, True)
    assert len(json.loads((tmp_path / "b.json").read_text())["executors"]) == 6
    assert "14 Lava processes" in " ".join(out.split())


def test_bench_writes_nothing_unasked(run, tmp_path, monkeypatch):
    measured = {
        "circuit": "nbp", "layers": [20, 10, 3], "learning": True, "data": "random", "executors": [], "left_out": [],
        "networks": [], "eventprop": {},
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
        }  # fmt: skip

    monkeypatch.setattr(bench, "bench", measured)
    monkeypatch.setattr("lava_nbp.cli.bench._show_eventprop", lambda exact: None)
    save_circuit(delta_circuit(5, 3), tmp_path / "own.json")
    code, out, _ = run("bench", "--circuit", "own.json")
    assert (code, "left out, sample: too [deep]" in out, "delta, training, 5-3" in out) == (0, True, True)
    run("bench", "--circuit", "nbp-guarded", "--network", "6-5-4")
    assert made == [delta_circuit(5, 3), training_circuit(6, 5, 4, guarded=True)]
