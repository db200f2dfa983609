import json

import pytest

from lava_nbp.errors import CheckpointError
from lava_nbp.runs.compare import compare_runs

RESULT = {
    "algorithm": "eventprop", "target": "clocked", "dataset": "yinyang", "seed": 3, "epochs": 7, "layers": [5, 20, 3],
    "last": {"epoch": 7, "test_accuracy": 0.5, "test_accuracy_ties_right": 0.6},
    "chosen": {"epoch": 4, "test_accuracy": 0.75, "test_accuracy_ties_right": 0.8},
    "seconds": 12.5, "microseconds_per_sample": 90.0,
    "inference": {"parameters": 160, "weight_bits": 8, "spikes": 3.5, "effective_acs": 40.0, "steps": 120},
}  # fmt: skip


def run(folder, **changed):
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(RESULT | changed))
    return folder


def test_a_row_per_run(tmp_path):
    last = {"epoch": 2, "test_accuracy_spikes": 0.9, "test_accuracy_membrane": 0.95, "test_exact": 0.8}
    rows = compare_runs(
        [
            run(tmp_path / "a"),
            run(tmp_path / "b", algorithm="nbp", chosen=None, last=last),
            run(tmp_path / "c", chosen=None),
        ]
    )
    assert rows[0] == {
        "run": "a", "algorithm": "eventprop", "target": "clocked", "dataset": "yinyang", "seed": 3, "epochs": 7,
        "network": "5-20-3", "accuracy": 0.75, "epoch": 4, "seconds": 12.5, "microseconds_per_sample": 90.0,
        "parameters": 160, "weight_bits": 8, "spikes": 3.5, "effective_acs": 40.0,
    }  # fmt: skip
    assert [(row["accuracy"], row["epoch"]) for row in rows] == [(0.75, 4), (0.9, 2), (0.5, 7)]


def test_runs_that_cannot_be_compared(tmp_path):
    with pytest.raises(CheckpointError, match=r"none/result.json cannot be read .* so the run is not finished"):
        compare_runs([tmp_path / "none"])
    old = run(tmp_path / "old")
    (old / "result.json").write_text(json.dumps({k: v for k, v in RESULT.items() if k != "inference"}))
    with pytest.raises(CheckpointError, match=r"has no 'inference': it is of an older version"):
        compare_runs([old])
