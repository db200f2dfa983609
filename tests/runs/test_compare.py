import contextlib
import copy
import json
import os

import numpy as np
import pytest

from lava_nbp.errors import CheckpointError, InputError
from lava_nbp.runs.compare import compare_runs
from lava_nbp.training.run import load_result

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


def changed(at, value):
    """The result with another value at a place, written as Python writes JSON."""
    made = copy.deepcopy(RESULT)
    *outer, last = at
    inner = made
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return json.dumps(made)


PLACES = (
    ("algorithm",), ("target",), ("dataset",), ("seed",), ("epochs",), ("layers",), ("layers", 0), ("last",),
    ("chosen",), ("last", "epoch"), ("chosen", "test_accuracy"), ("seconds",), ("microseconds_per_sample",),
    ("inference", "parameters"), ("inference", "weight_bits"), ("inference", "spikes"), ("inference", "effective_acs"),
    ("inference", "steps"), ("inference",),
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=[".".join(map(str, place)) for place in PLACES])
@pytest.mark.parametrize("value", [True, -1, 2.5, np.nan, -np.inf, 10**400, "x", [], [None], {}, {"a": 1}], ids=str)
def test_results_of_wrong_types(tmp_path, place, value):
    """Either what is written could be a result, or it is one line."""
    folder = run(tmp_path / "a")
    (folder / "result.json").write_text(changed(place, value))
    with contextlib.suppress(CheckpointError, InputError):
        assert json.dumps(compare_runs([folder]), allow_nan=False)


@pytest.mark.parametrize(
    "content",
    [
        "null", "[]", "{}", "3", '"text"', "", "[" * 100_000, '{"last": ' * 100_000, '{"epochs": ' + "9" * 5000 + "}",
        changed(("last",), None), changed(("layers",), [5]), changed(("chosen",), {"epoch": 9, "test_accuracy": 0.5}),
        changed(("chosen",), {"epoch": 4, "accuracy": 0.5}), changed(("layers", 1), 0), changed(("seed",), "3"),
    ],
)  # fmt: skip
def test_files_that_are_no_results(tmp_path, content):
    folder = run(tmp_path / "a")
    (folder / "result.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"a/result.json (cannot be read|holds what no run writes|has no )"):
        compare_runs([folder])
    (folder / "result.json").unlink()
    os.mkfifo(folder / "result.json")
    with pytest.raises(CheckpointError, match="it is a FIFO"):
        compare_runs([folder])


def test_what_only_reports_need(tmp_path):
    folder = run(tmp_path / "a")
    with pytest.raises(CheckpointError, match="has no 'peak_memory_mb': it is of an older version"):
        load_result(folder, "peak_memory_mb")
    (folder / "result.json").write_text(changed(("last", "test_accuracy"), None))
    assert compare_runs([folder])[0]["accuracy"] == 0.75
    other = {"epoch": 7, "test_right": 0.5}
    (folder / "result.json").write_text(json.dumps(RESULT | {"last": other, "chosen": None}))
    with pytest.raises(CheckpointError, match="has no 'test_accuracy'"):
        compare_runs([folder])
