"""A user's own events."""

import numpy as np
import pytest

from lava_nbp.data import load_event_dataset
from lava_nbp.errors import DataError


def own(**changes):
    arrays = {}
    for part, n in (("train", 4), ("test", 2)):
        arrays[f"{part}_times"] = np.tile([1.0, 2.5, 2.5], n)
        arrays[f"{part}_units"] = np.tile([0, 3, 1], n)
        arrays[f"{part}_offsets"] = np.arange(0, 3 * n + 1, 3)
        arrays[f"{part}_labels"] = np.arange(n) % 2
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def test_own_events(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **own())
    data = load_event_dataset("events", path=path, validation=1)
    assert (len(data.train), len(data.validation), len(data.test), data.n_in) == (3, 1, 2, 4)
    assert (data.source, data.classes) == ("file", ("0", "1"))
    assert data.test.events.take([1]).units.tolist() == [0, 3, 1]
    validation = {k.replace("test", "validation"): v for k, v in own().items() if k.startswith("test")}
    np.savez(path, **own(n_units=np.array(10), classes=np.array(["a", "b", "c"]), **validation))
    data = load_event_dataset("events", path=str(path), validation=2)
    assert (len(data.train), len(data.validation), data.n_in, data.classes) == (4, 2, 10, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_units": None, "test_labels": None}, "lacks train_units; it holds test_offsets"),
        ({"test_labels": None}, "lacks test_labels"),
        ({"n_units": np.array(3)}, "own.npz: train event 1 of sample 0 is of unit 3, but units are 0 .. 2"),
        ({"n_units": np.array(0)}, "n_units must be one integer in 1 .. "),
        ({"n_units": np.array([4, 4])}, "n_units must be one integer"),
        ({"n_units": np.array(4.0)}, "n_units must be one integer"),
        ({"test_units": np.array([0, -3, 1] * 2)}, "test event 1 of sample 0 is of unit -3"),
        ({"test_units": np.array([0, 2**40, 1] * 2)}, "test event 1 of sample 0 is of unit 1099511627776"),
        ({"test_times": np.array([1.0, 0.5, 2.0] * 2)}, "test event 1 of sample 0 is at 0.5 ms, after one at 1.0 ms"),
        ({"test_times": np.array([1.0, np.nan, 2.0] * 2)}, "test event 1 of sample 0 is at nan ms"),
        ({"test_offsets": np.array([0, 3])}, "test events: offsets are"),
        ({"test_labels": np.array([0, -1])}, "test labels"),
        ({"test_labels": np.array([0, 10**7])}, "test_labels reach 10000000; number classes from 0"),
        ({"classes": np.array(["one"])}, "1 class names, but labels up to 1"),
        (
            {"test_times": np.zeros(0), "test_units": np.zeros(0, int), "test_offsets": np.zeros(1, int),
             "test_labels": np.zeros(0, int)},
            "test has no samples",
        ),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path, changes, message):
    path = tmp_path / "own.npz"
    np.savez(path, **own(**changes))
    with pytest.raises(DataError, match=message):
        load_event_dataset("events", path=path)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="data.path does not say which file"):
        load_event_dataset("events")
    with pytest.raises(DataError, match="none.npz is missing; set data.path to an .npz file with train_times"):
        load_event_dataset("events", path=tmp_path / "none.npz")
    path = tmp_path / "own.npz"
    np.savez(path, **own())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="own.npz cannot be read as .npz: .*; write it with numpy.savez"):
        load_event_dataset("events", path=path)
