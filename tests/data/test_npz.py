"""Data of one's own."""

import os

import numpy as np
import pytest

from lava_nbp.data import Encoding, load_dataset, load_latency_dataset
from lava_nbp.errors import DataError


def own(**changes):
    arrays = {
        "train_images": np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8),
        "train_labels": np.arange(30) % 3,
        "test_images": np.zeros((9, 6, 5), np.uint8),
        "test_labels": np.arange(9) % 3,
    }
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def test_own_data(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **own(classes=np.array(["left", "right", "stop"])))
    data = load_dataset("npz", path=str(path), validation=5)
    assert data.classes == ("left", "right", "stop")
    assert data.train.x.shape == (25, 30)
    np.savez(path, **own(train_images=np.full((30, 7), 0.6), test_images=np.zeros((9, 7))))
    flat = load_dataset("npz", path=str(path))
    assert flat.n_in == 7
    assert flat.train.x.all()
    assert flat.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_labels": None}, "lacks test_images or test_labels; it holds test_images, train_images, train_labels"),
        ({"train_images": np.zeros(30)}, r"train_images has shape \(30,\)"),
        ({"train_labels": np.zeros(30)}, "train_labels has shape .* dtype float64"),
        ({"train_labels": np.arange(29)}, r"train_labels has shape \(29,\)"),
        ({"test_labels": np.arange(9) - 1}, "one integer of 0 or more"),
        ({"train_images": np.full((30, 6, 5), 7.0), "test_images": np.zeros((9, 6, 5))}, "floating point in 0 .. 1"),
        ({"train_images": np.full((30, 6, 5), np.nan), "test_images": np.zeros((9, 6, 5))}, "without NaN"),
        ({"test_images": np.zeros((9, 6, 4), np.uint8)}, "differ in dtype or in the size"),
        ({"classes": np.array(["one"])}, "1 class names, but labels up to 2"),
    ],
)
def test_wrong_own_data(tmp_path, changes, message):
    path = tmp_path / "own.npz"
    np.savez(path, **own(**changes))
    with pytest.raises(DataError, match=message):
        load_dataset("npz", path=str(path))


def test_unreadable_own_data(tmp_path):
    with pytest.raises(DataError, match="data.path does not say which file"):
        load_dataset("npz")
    path = tmp_path / "own.npz"
    with pytest.raises(DataError, match="own.npz is missing"):
        load_dataset("npz", path=str(path))
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read as .npz"):
        load_dataset("npz", path=str(path))
    np.savez(path, train_images=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="cannot be read as .npz"):
        load_dataset("npz", path=str(path))


def test_own_data_are_not_called_published(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **own())
    assert load_latency_dataset("npz", Encoding(0.0, 20.0), path=str(path)).source == "file"
    assert load_dataset("npz", path=str(path)).source == "file"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": np.array("one")}, r"classes has shape \(\), but must be"),
        ({"classes": np.array([["a", "b", "c"]])}, r"classes has shape \(1, 3\)"),
        ({"train_labels": np.full(30, 2**62)}, f"train_labels reach {2**62}, but a network has"),
        (
            {"train_labels": np.full(30, 2**63, np.uint64)},
            f"train_labels reach {2**63}, but",
        ),
        ({"train_labels": np.full(30, 10**7)}, "train_labels reach 10000000, but a network has"),
        ({"train_images": np.zeros((30, 0, 5), np.uint8)}, r"train_images has shape \(30, 0, 5\)"),
        ({"train_images": np.zeros((30, 6, 5), complex)}, "train_images' has dtype complex128"),
        ({"train_images": np.full((30, 6, 5), "x")}, "must be uint8, or floating"),
        ({"train_labels": np.array(3)}, r"train_labels has shape \(\)"),
        ({"train_labels": np.zeros(30, "m8[s]")}, "train_labels' has dtype timedelta64"),
    ],
)
def test_own_data_that_lie(tmp_path, changes, message):
    path = tmp_path / "own.npz"
    np.savez(path, **own(**changes))
    with pytest.raises(DataError, match=message):
        load_dataset("npz", path=path)


def test_classes_that_are_no_text(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **own(classes=np.frombuffer(b"\xff" * 12, "<U1")))
    with pytest.raises(DataError, match="array .classes. has numbers that are no letters"):
        load_dataset("npz", path=path)


def test_own_data_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "own.npz")
    with pytest.raises(DataError, match=r"own.npz cannot be read as .npz: it is a FIFO"):
        load_dataset("npz", path=tmp_path / "own.npz")
    with pytest.raises(DataError, match="File name too long"):
        load_dataset("npz", path="n" * 300)
