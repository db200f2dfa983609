"""A user's own events, as .npz and as HDF5."""

import h5py
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


def save(path, **arrays):
    """In the format that the name says."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.astype(object) if array.dtype.kind == "U" else array


@pytest.fixture(params=["own.npz", "own.h5"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_own_events(path):
    save(path, **own())
    data = load_event_dataset("events", path=path, validation=1)
    assert (len(data.train), len(data.validation), len(data.test), data.n_in) == (3, 1, 2, 4)
    assert (data.source, data.classes) == ("file", ("0", "1"))
    assert data.test.events.take([1]).units.tolist() == [0, 3, 1]
    validation = {k.replace("test", "validation"): v for k, v in own().items() if k.startswith("test")}
    save(path, **own(n_units=np.array(10), classes=np.array(["a", "b", "c"]), **validation))
    data = load_event_dataset("events", path=str(path), validation=2)
    assert (len(data.train), len(data.validation), data.n_in, data.classes) == (4, 2, 10, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_units": None, "test_labels": None}, "lacks train_units; it holds test_offsets"),
        ({"test_labels": None}, "lacks test_labels"),
        ({"n_units": np.array(3)}, "own.(npz|h5): train event 1 of sample 0 is of unit 3, but units are 0 .. 2"),
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
        ({"sensor": np.array([1, 2])}, "sensor must be three integers of 1 .. 1048576: planes, height, width"),
        ({"sensor": np.array([1, 2, 0])}, "sensor must be three integers"),
        ({"sensor": np.array([1.0, 2, 2])}, "sensor must be three integers"),
        ({"sensor": np.array([1, 1, 3])}, "train event 1 of sample 0 is of unit 3, but units are 0 .. 2"),
        ({"sensor": np.array([1, 2, 2]), "n_units": np.array(5)}, "n_units is 5, but the sensor has 4 pixels"),
        ({"sensor": np.full(3, 2**20)}, "n_units must be one integer in 1 .. 1048576"),
        ({"classes": np.array(["one"])}, "1 class names, but labels up to 1"),
        (
            {"test_times": np.zeros(0), "test_units": np.zeros(0, int), "test_offsets": np.zeros(1, int),
             "test_labels": np.zeros(0, int)},
            "test has no samples",
        ),
    ],
)  # fmt: skip
def test_files_that_are_refused(path, changes, message):
    save(path, **own(**changes))
    with pytest.raises(DataError, match=message):
        load_event_dataset("events", path=path)


def test_a_sensor(path):
    """Pixels are grouped by two and two: (1, 2, 3) becomes (1, 1, 2)."""
    save(path, **own(sensor=np.array([1, 2, 3])))
    data = load_event_dataset("events", path=path)
    assert (data.n_in, load_event_dataset("events", path=path, group=2).n_in) == (6, 2)
    assert load_event_dataset("events", path=path, group=2).test.events.units.tolist() == [0, 0, 0] * 2


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="data.path does not say which file"):
        load_event_dataset("events")
    with pytest.raises(DataError, match="none.npz is missing; set data.path to an .npz file with train_times"):
        load_event_dataset("events", path=tmp_path / "none.npz")
    with pytest.raises(DataError, match="none.hdf5 is missing; set data.path to an HDF5 or .npz file with train_times"):
        load_event_dataset("events", path=tmp_path / "none.hdf5")
    with pytest.raises(DataError, match="cannot be read as .npz: Is a directory"):
        load_event_dataset("events", path=tmp_path)


def test_a_file_that_is_cut_anywhere(path):
    save(path, **own())
    whole = path.read_bytes()
    said = []
    for length in (0, 5, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"own.(npz|h5) cannot be read as .*; write it with") as refused:
            load_event_dataset("events", path=path)
        said.append(str(refused.value))
    assert all(len(text.splitlines()) == 1 for text in said)


def test_hdf5_by_another_name(tmp_path):
    """What it is, its first bytes say."""
    save(tmp_path / "own.h5", **own())
    (tmp_path / "own.h5").rename(tmp_path / "own.data")
    assert len(load_event_dataset("events", path=tmp_path / "own.data").train) == 4


def test_hdf5_with_other_things_in_it(tmp_path):
    """Groups and arrays that nobody asks for are left alone; what is asked for has to be numbers."""
    path = tmp_path / "own.h5"
    save(path, **own())
    with h5py.File(path, "r+") as file:
        file["notes/fields"] = np.zeros(2, [("a", "i4")])
        file.create_dataset("films", (1 << 50,), "f4")
    assert len(load_event_dataset("events", path=path).train) == 4
    texts = np.array(["a", "b"], object)
    for name, value, message in (
        ("train_units", texts, "train events: units has dtype <U1, but must hold numbers"),
        ("test_labels", np.array([0.0, 1.0]), "test labels have shape .* and dtype float64"),
        ("test_labels", np.array([0, 1j]), r"test_labels has shape \(2,\) and dtype complex128, but only numbers"),
        ("n_units", np.zeros(4, [("a", "i4")]), "n_units has shape .*, but only numbers and text are read"),
        ("n_units", texts[:1], "n_units must be one integer"),
    ):
        save(path, **own())
        with h5py.File(path, "r+") as file:
            file.pop(name, None)
            file[name] = value
        with pytest.raises(DataError, match=message):
            load_event_dataset("events", path=path)
    for name, chunks, message in (
        ("test_labels", (1,), "own.h5 cannot be read as HDF5: what it holds needs some .* of memory"),
        ("test_offsets", None, r"test_offsets promises shape \(3,\), but was never written"),
    ):
        save(path, **own())
        with h5py.File(path, "r+") as file:
            del file[name]
            file.create_dataset(name, (1 << 50 if chunks else 3,), "i8", chunks=chunks)
        with pytest.raises(DataError, match=message):
            load_event_dataset("events", path=path)
