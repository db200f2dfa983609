"""HDF5 files: every kind of array, what is refused, and damage of any kind in one line."""

import os

import h5py
import numpy as np
import pytest

from lava_nbp.base import extras, hdf5
from lava_nbp.base.hdf5 import read_hdf5
from lava_nbp.errors import MissingPackageError, Unreadable


def written(path):
    with h5py.File(path, "w") as file:
        file["numbers"] = np.array([[1, 2], [3, 4]], ">i4")
        file.create_dataset("packed/reals", data=np.linspace(0, 1, 500), chunks=(100,), compression="gzip")
        file["one"] = np.uint16(7)
        file["flag"] = np.array([True, False])
        file["names"] = ["eins", "zwei", "größer"]
        file["bytes"] = np.array([b"null", b"eins"], "S7")
        rows = file.create_dataset("rows", (4,), dtype=h5py.vlen_dtype(np.dtype("<f2")))
        for k, row in enumerate(([0.5, 1.5], [], [2.0], [0.25, 0.125, 3.0])):
            rows[k] = np.array(row, np.float16)
        file.create_dataset("no_rows", (0,), dtype=h5py.vlen_dtype(np.uint16))
        file["empty"] = np.zeros((0, 3))
    return path


NAMES = ("numbers", "packed/reals", "one", "flag", "names", "bytes", "rows", "no_rows", "empty")


def test_every_kind_of_array(tmp_path, monkeypatch):
    path = written(tmp_path / "a.h5")
    found = read_hdf5(path, (*NAMES, "not there"), "this")
    assert sorted(found) == sorted([*NAMES, "rows/offsets", "no_rows/offsets"])
    assert found["numbers"].tolist() == [[1, 2], [3, 4]]
    assert found["numbers"].dtype == np.dtype("=i4")
    assert np.array_equal(found["packed/reals"], np.linspace(0, 1, 500))
    assert (found["one"].item(), found["flag"].tolist(), found["empty"].shape) == (7, [True, False], (0, 3))
    assert (found["names"].tolist(), found["bytes"].tolist()) == (["eins", "zwei", "größer"], ["null", "eins"])
    assert (found["rows"].tolist(), found["rows"].dtype) == ([0.5, 1.5, 2.0, 0.25, 0.125, 3.0], np.float16)
    assert found["rows/offsets"].tolist() == [0, 2, 2, 3, 6]
    assert (found["no_rows"].dtype, found["no_rows/offsets"].tolist()) == (np.uint16, [0])
    monkeypatch.setattr(hdf5, "_ROWS", 3)  # in more than one part
    again = read_hdf5(path, NAMES, "this")
    assert all(np.array_equal(again[name], found[name]) for name in found)


def test_what_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/inner"] = 1
        file["nothing"] = h5py.Empty("f4")
        file["fields"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
        file["complex"] = np.zeros(2, complex)
        file["opaque"] = np.zeros(2, "V5")
        file.create_dataset("references", (2,), dtype=h5py.ref_dtype)
        file.create_dataset("square", (2, 2), dtype=h5py.vlen_dtype(np.float32))[0, 0] = [1.0]
        file.create_dataset("texts", (2,), dtype=h5py.vlen_dtype(h5py.string_dtype()))
        file.create_dataset("never", (1000,), dtype="f4")
        file["bad letters"] = np.array([b"\xff\xfe"])
    for name, message in (
        ("group", "group is no array"),
        ("nothing", "nothing is no array"),
        ("fields", r"fields has shape \(2,\) and dtype .*, but only numbers and text are read"),
        ("complex", "complex has shape .* dtype complex128"),
        ("opaque", "opaque has shape"),
        ("references", "references"),
        ("square", r"square has shape \(2, 2\) and dtype object"),
        ("texts", "texts"),
        ("never", r"never promises shape \(1000,\), but was never written"),
        ("bad letters", "no HDF5 file, or a damaged one .*decode"),
    ):
        with pytest.raises(Unreadable, match=message):
            read_hdf5(tmp_path / "a.h5", (name,), "this")


def test_links_that_lead_nowhere(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["away"] = h5py.ExternalLink("none.h5", "x")
        file["soft"] = h5py.SoftLink("/nowhere")
    for name in ("away", "soft"):
        with pytest.raises(Unreadable, match="no HDF5 file, or a damaged one .*Unable to synchronously open object"):
            read_hdf5(tmp_path / "a.h5", (name,), "this")


def test_more_than_memory(tmp_path, monkeypatch):
    """A few bytes announce any size."""
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("x", (1 << 40, 1 << 10), dtype="f4", chunks=True)
    with pytest.raises(Unreadable, match="what it holds needs some .* of memory.*; give a smaller file"):
        read_hdf5(tmp_path / "huge.h5", ("x",), "this")
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["x"] = ["a" * 2000, *["b"] * 999]
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-3")
    with pytest.raises(Unreadable, match="what it holds needs some 8 MB of memory"):
        read_hdf5(tmp_path / "long.h5", ("x",), "this")


def test_no_file(tmp_path):
    with pytest.raises(Unreadable, match="No such file") as refused:
        read_hdf5(tmp_path / "none.h5", NAMES, "this")
    assert refused.value.missing
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="it is a FIFO"):
        read_hdf5(tmp_path / "pipe", NAMES, "this")
    (tmp_path / "text").write_text("no HDF5")
    with pytest.raises(Unreadable, match="no HDF5 file, or a damaged one"):
        read_hdf5(tmp_path / "text", NAMES, "this")


def test_without_h5py(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    path = written(tmp_path / "a.h5")
    with pytest.raises(MissingPackageError, match=r"my events needs the package h5py.*'lava-nbp\[exchange\]'"):
        read_hdf5(path, NAMES, "my events")


def test_a_file_that_is_cut_anywhere_or_has_other_bytes(tmp_path, monkeypatch):
    """Refused in a line, or read: bytes of numbers may be any. Some damage makes HDF5's library loop."""
    monkeypatch.setattr(hdf5, "_PATIENCE", 3)
    whole, path = written(tmp_path / "a.h5").read_bytes(), tmp_path / "b.h5"
    rng = np.random.default_rng(0)
    said = []
    for length in (0, 7, 100, 800, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable, match="no HDF5 file, or a damaged one") as found:
            read_hdf5(path, NAMES, "this")
        said.append(str(found.value))
    for _ in range(12):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 30):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_hdf5(path, NAMES, "this")
        except Unreadable as error:
            said.append(str(error))
    assert len(said) > 6
    assert all(len(text.splitlines()) == 1 for text in said)
