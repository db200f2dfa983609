"""SHD and SSC: files as they are published, packed ones, and damaged ones."""

import gzip
import os
from pathlib import Path

import h5py
import heidelberg_files
import numpy as np
import pytest

from lava_nbp.data import load_event_dataset
from lava_nbp.errors import DataError, InputError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)


def check(split, recordings, labels):
    for k, (times, units) in enumerate(recordings):
        one = split.events.take([k])
        assert np.array_equal(one.times, np.asarray(times, np.float16).astype(float) * 1000)
        assert np.array_equal(one.units, units)
    assert np.array_equal(split.y, labels)


def test_published_digits(tmp_path, monkeypatch):
    made = heidelberg_files.published(tmp_path)
    data = load_event_dataset("shd", root=tmp_path)
    check(data.train, *made["train"])
    check(data.test, *made["test"])
    assert (data.n_in, data.source, len(data.validation)) == (700, "published", 0)
    assert data.classes == tuple(f"word {k}" for k in range(20))
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    held = load_event_dataset("shd", validation=3)
    assert (len(held.train), len(held.validation)) == (9, 3)
    assert load_event_dataset("shd", group=10).n_in == 70


def test_published_words(tmp_path):
    """They have validation samples of their own."""
    made = heidelberg_files.published(tmp_path, "ssc", (("train", 9), ("valid", 6), ("test", 4)))
    data = load_event_dataset("ssc", root=tmp_path, validation=6)
    check(data.train, *made["train"])
    check(data.validation, *made["valid"])
    check(data.test, *made["test"])
    assert len(data.classes) == 35
    (tmp_path / "SSC" / "ssc_valid.h5").unlink()
    with pytest.raises(DataError, match=r"ssc_valid.h5 is missing; copy the published file there, unpacked"):
        load_event_dataset("ssc", root=tmp_path)


def test_times_by_hand(tmp_path):
    """Seconds as float16: 0.1 is 0.0999755859375; sorted, and equal ones as they stand in the file."""
    recordings = [([0.5, 0.1, 0.5, 0.25], [3, 9, 1, 699]), ([], []), ([0.0], [0])]
    for part in ("train", "test"):
        heidelberg_files.write(tmp_path / "SHD" / f"shd_{part}.h5", recordings, [0, 19, 7], [b"x"] * 20)
    events = load_event_dataset("shd", root=tmp_path).train.events
    assert events.times.tolist() == [99.9755859375, 250.0, 500.0, 500.0, 0.0]
    assert events.units.tolist() == [9, 699, 3, 1, 0]
    assert events.offsets.tolist() == [0, 4, 4, 5]


def replaced(file, name, value):
    del file[name]
    if value is not None:
        file[name] = value


def rows(file, name, values, dtype):
    del file[name]
    made = file.create_dataset(name, (len(values),), dtype=h5py.vlen_dtype(np.dtype(dtype)))
    for k, row in enumerate(values):
        made[k] = np.array(row, dtype)


N = 5
RAGGED = [[0.5]] * N


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: replaced(f, "labels", None), " lacks labels"),
        (lambda f: replaced(f, "spikes/units", None), " lacks spikes/units"),
        (lambda f: replaced(f, "extra/keys", None), " lacks extra/keys"),
        (lambda f: replaced(f, "spikes/times", np.zeros(N)), "has no rows of different lengths in spikes/times"),
        (lambda f: replaced(f, "spikes/times", np.zeros((N, 3))), "has no rows of different lengths in spikes/times"),
        (lambda f: rows(f, "spikes/times", RAGGED, "f2"), "recordings have other numbers of times than of units"),
        (
            lambda f: replaced(f, "extra/keys", np.array([b"a"] * 19)),
            r"extra/keys has shape \(19,\), but .* 20 classes",
        ),
        (lambda f: replaced(f, "labels", np.arange(4)), "labels have shape .*, but must be 5 integers"),
        (lambda f: replaced(f, "labels", np.zeros(N)), "labels have shape .* dtype float64"),
        (lambda f: replaced(f, "labels", np.full(N, -1)), "labels.0. is -1"),
        (lambda f: replaced(f, "labels", np.full(N, 20)), "has labels up to 20, but should have some of 20 classes"),
        (lambda f: f["spikes/units"].__setitem__(1, [700] * 20), "other numbers of times"),
        (
            lambda f: rows(f, "spikes/units", [[700] * len(row) for row in f["spikes/times"]], "u2"),
            "event 0 of sample 0 is of unit 700, but units are 0 .. 699",
        ),
        (
            lambda f: rows(f, "spikes/units", [[0.5] * len(row) for row in f["spikes/times"]], "f4"),
            "units have shape .* dtype float32, but must be .* integers",
        ),
        (
            lambda f: rows(f, "spikes/times", [[-1] * len(row) for row in f["spikes/units"]], "f2"),
            "event 0 of sample 0 is at -1000.0 ms",
        ),
        (
            lambda f: rows(f, "spikes/times", [[np.nan] * len(row) for row in f["spikes/units"]], "f2"),
            "event 0 of sample 0 is at nan ms",
        ),
        (lambda f: rows(f, "spikes/times", [], "f2"), "other numbers of times"),
        (lambda f: replaced(f, "labels", np.array([b"a"] * N)), "labels has dtype <U1, but must hold numbers"),
    ],
)
def test_damaged_files(tmp_path, damage, message):
    heidelberg_files.published(tmp_path, sizes=(("train", 3), ("test", N)))
    with h5py.File(tmp_path / "SHD" / "shd_test.h5", "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=f"shd_test.h5.*{message}.*; restore the published file"):
        load_event_dataset("shd", root=tmp_path)


def test_no_recordings(tmp_path):
    heidelberg_files.published(tmp_path)
    heidelberg_files.write(tmp_path / "SHD" / "shd_test.h5", [], [], [b"x"] * 20)
    with pytest.raises(DataError, match="shd_test.h5 has no recordings, but should have some of 20 classes"):
        load_event_dataset("shd", root=tmp_path)


def test_files_that_are_cut(tmp_path):
    heidelberg_files.published(tmp_path)
    path = tmp_path / "SHD" / "shd_train.h5"
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="shd_train.h5 cannot be read: no HDF5 file, or a damaged one"):
            load_event_dataset("shd", root=tmp_path)


def test_packed_files(tmp_path):
    """As they are published: told how to unpack them."""
    heidelberg_files.published(tmp_path)
    path = tmp_path / "SHD" / "shd_test.h5"
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match="shd_test.h5 is missing; copy the published file there, unpacked"):
        load_event_dataset("shd", root=tmp_path)
    for ending, command in ((".zip", "unzip"), (".gz", "gunzip")):
        Path(f"{path}{ending}").write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=f"is still packed: unpack shd_test.h5{ending} beside it, with {command}"):
            load_event_dataset("shd", root=tmp_path)
    path.write_bytes(gzip.compress(content))  # by its name alone unpacked
    with pytest.raises(DataError, match="shd_test.h5 cannot be read: no HDF5 file"):
        load_event_dataset("shd", root=tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="no folder for shd: set the environment variable LAVA_NBP_DATA.* holds SHD"):
        load_event_dataset("shd")
    with pytest.raises(DataError, match="shd_train.h5 is missing"):
        load_event_dataset("shd", root=tmp_path)


def test_more_events_than_memory(tmp_path, monkeypatch):
    made = heidelberg_files.published(tmp_path)
    n = sum(len(times) for times, _ in made["train"][0])
    monkeypatch.setenv("LAVA_NBP_MEMORY", str(59 * n / 1e9))
    with pytest.raises(InputError, match=f"{n} events of .*shd_train.h5 needs some .*; use files of fewer recordings"):
        load_event_dataset("shd", root=tmp_path)


DATA = Path(os.environ.get("LAVA_NBP_DATA", ""))


@pytest.mark.skipif(not (DATA / "SHD").is_dir(), reason="LAVA_NBP_DATA has no SHD")
def test_the_real_digits():
    data = load_event_dataset("shd", root=DATA)
    assert (len(data.train), len(data.test), data.n_in) == (8156, 2264, 700)
    assert data.train.events.times.max() < 1500
