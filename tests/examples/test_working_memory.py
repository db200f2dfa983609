"""The example does what its text says: every spike predicted by hand."""

import importlib.util
from pathlib import Path

import numpy as np

PATH = Path(__file__).parents[2] / "examples" / "working_memory.py"


def test_every_spike(tmp_path):
    spec = importlib.util.spec_from_file_location("working_memory", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    spikes = example.main(tmp_path / "raster.png")
    assert (tmp_path / "raster.png").stat().st_size > 10_000
    whole, rest = example.PATTERN, example.PATTERN & ~example.FORGET
    assert rest.sum() == 4
    cycles = {name: rows.reshape(7, 4, -1) for name, rows in spikes.items()}
    assert np.array_equal(cycles["clock"], np.tile(np.eye(4), (7, 1, 1)))
    memory, reader_a, reader_b, lif = (np.zeros_like(cycles[n]) for n in ("memory", "reader_a", "reader_b", "lif"))
    memory[:4, 1], memory[4:, 1] = whole, rest
    reader_a[2, 2] = whole
    reader_b[5, 2] = rest
    lif[5, 3] = 1  # 4 * 10 > 35, a step later through the stock Dense
    for name, expected in {"memory": memory, "reader_a": reader_a, "reader_b": reader_b, "lif": lif}.items():
        assert np.array_equal(cycles[name], expected), name
