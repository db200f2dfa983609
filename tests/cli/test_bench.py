"""bench: what it prints, and that it writes only what it is asked to."""

import json
import os
from functools import partial

import pytest

from lava_nbp.executors import bench


@pytest.fixture
def short(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(bench, "bench", partial(bench.bench, samples=10))
    monkeypatch.setattr(bench, "_PRIMITIVES", ((12, 9, 4), 2))


def test_bench(run, tmp_path, short):
    code, out, _ = run("bench", "--network", "20-10-3", "--out", "b.json")
    assert (code, "NumPy loop" in out) == (0, True)
    assert len(json.loads((tmp_path / "b.json").read_text())["executors"]) == 6
    assert "14 Lava processes" in " ".join(out.split())


def test_bench_writes_nothing_unasked(run, tmp_path, monkeypatch):
    measured = {"layers": [20, 10, 3], "data": "random", "executors": [], "primitives": {}, "eventprop": {}}
    monkeypatch.setattr(bench, "bench", lambda layers, stage: measured)
    monkeypatch.setattr("lava_nbp.cli.bench._show_parts", lambda parts: None)
    monkeypatch.setattr("lava_nbp.cli.bench._show_eventprop", lambda exact: None)
    code, out, _ = run("bench", "--network", "20-10-3")
    assert (code, "written" in out) == (0, False)
    assert os.listdir(tmp_path) == ["config.toml"]
