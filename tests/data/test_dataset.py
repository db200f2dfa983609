import hashlib
import os
import sys

import numpy as np
import pytest
from idx import write_mnist

from lava_nbp.data import images as images_module
from lava_nbp.data import load_dataset
from lava_nbp.errors import DataError, InputError

REAL_DATA = os.environ.get("LAVA_NBP_DATA")
IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)


def test_digits_are_embedded_and_split():
    data = load_dataset("digits", validation=237)
    assert (len(data.train), len(data.validation), len(data.test)) == (1200, 237, 360)
    assert data.n_in == 64
    assert data.image_shape == (8, 8)
    assert data.classes == tuple("0123456789")
    assert set(np.unique(data.train.x)) == {0, 1}
    assert np.bincount(data.test.y).min() > 20


def test_splits_are_disjoint_and_the_same_every_time():
    whole, one, two = (
        load_dataset("digits"),
        load_dataset("digits", validation=300),
        load_dataset("digits", validation=300),
    )
    assert np.array_equal(one.validation.x, two.validation.x)
    rows = [(*tuple(x), y) for split in (one.train, one.validation) for x, y in zip(split.x, split.y, strict=True)]
    assert sorted(rows) == sorted((*tuple(x), y) for x, y in zip(whole.train.x, whole.train.y, strict=True))


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_torchvision_layout_without_download(tmp_path, monkeypatch, name, folder):
    _, arrays = write_mnist(tmp_path, folder)
    data = load_dataset(name, root=str(tmp_path), margin=4)
    assert data.train.x.shape == (60, 400)
    assert np.array_equal(data.train.x, (arrays["train"][0][:, 4:24, 4:24] > 127.5).reshape(60, 400))
    assert np.array_equal(data.test.y, arrays["test"][1])
    assert data.classes[9] == ("9" if name == "mnist" else "Ankle boot")
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    assert load_dataset(name, side=14).n_in == 196
    assert len(load_dataset(name, train=10, test=5).train) == 10


@pytest.mark.parametrize("file", [IMAGES, LABELS])
def test_missing_file_is_named_with_its_cure(tmp_path, file):
    raw, _ = write_mnist(tmp_path)
    (raw / file).unlink()
    with pytest.raises(DataError, match=f"{raw / file} is missing; copy the original file to .*data.download=true"):
        load_dataset("mnist", root=str(tmp_path))


@pytest.mark.parametrize("file", [IMAGES, LABELS])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-1], "is truncated: .* bytes, but its header announces"),
        (lambda b: b[:3], "is truncated: 3 bytes, not even a header"),
        (lambda b: b"", "is truncated: 0 bytes"),
        (lambda b: b + b"x", "is corrupt: .* bytes, but its header announces"),
        (lambda b: b"<html>" + b, "is corrupt: it does not begin like an IDX file"),
    ],
)
def test_truncated_and_corrupt_files_are_named(tmp_path, file, change, message):
    raw, _ = write_mnist(tmp_path)
    (raw / file).write_bytes(change((raw / file).read_bytes()))
    with pytest.raises(DataError, match=f"{raw / file} {message}"):
        load_dataset("mnist", root=str(tmp_path))


def test_labels_and_images_must_belong_together(tmp_path):
    raw, _ = write_mnist(tmp_path)
    (raw / LABELS).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2]))
    with pytest.raises(DataError, match="holds 20 images, but the labels file 2 labels"):
        load_dataset("mnist", root=str(tmp_path))
    (raw / LABELS).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 20]) + bytes([77] * 20))
    with pytest.raises(DataError, match="holds the label 77, outside 0 .. 9"):
        load_dataset("mnist", root=str(tmp_path))


def test_changed_bytes_in_a_file_of_the_published_size(tmp_path):
    raw, _ = write_mnist(tmp_path)
    content = bytes([0, 0, 8, 1]) + (10_000).to_bytes(4, "big") + bytes(10_000)
    (raw / LABELS).write_bytes(content)
    with pytest.raises(
        DataError, match=f"{raw / LABELS} is corrupt: its SHA-256 is {hashlib.sha256(content).hexdigest()[:12]}"
    ):
        load_dataset("mnist", root=str(tmp_path))
    with pytest.raises(DataError, match="20 images, but the labels file 10000 labels"):
        load_dataset("mnist", root=str(tmp_path), verify=False)


def test_no_root_and_no_torchvision(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="set the environment variable LAVA_NBP_DATA, or data.root"):
        load_dataset("mnist")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match=r"pip install 'lava-nbp\[vision\]'"):
        load_dataset("mnist", root=str(tmp_path))


def test_failed_download_is_one_clear_error(tmp_path, monkeypatch):
    import torchvision

    def refuse(*_, **__):
        raise RuntimeError("connection refused")

    monkeypatch.setattr(torchvision.datasets, "MNIST", refuse)
    with pytest.raises(DataError, match="downloading mnist into .* failed: connection refused; copy its files to"):
        load_dataset("mnist", root=str(tmp_path), download=True)


@pytest.mark.skipif(REAL_DATA is None, reason="LAVA_NBP_DATA does not name a folder with the real files")
def test_the_published_files():
    mnist = load_dataset("mnist", root=REAL_DATA, margin=4, validation=5000)
    assert (len(mnist.train), len(mnist.validation), len(mnist.test)) == (55_000, 5_000, 10_000)
    assert mnist.n_in == 400
    assert 95 < mnist.train.x.sum(axis=1).mean() < 105  # about 100 active inputs, as in the paper
    assert load_dataset("fashion_mnist", root=REAL_DATA).n_in == 784


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nothing"}, "data.name is 'nothing'"),
        ({"name": "digits", "validation": 1437}, "data.validation is 1437, but digits has 1437 training samples"),
        ({"name": "digits", "validation": -1}, "data.validation is -1"),
        ({"name": "digits", "train": 0}, "data.train is 0"),
        ({"name": "digits", "test": 361}, "data.test is 361, but digits has 360"),
        ({"name": "digits", "margin": 4}, "crop is 4"),
        ({"name": "digits", "side": 9}, "side is 9"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(InputError, match=message):
        load_dataset(**options)


# ------------------------------------------------------------------ own data


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


def test_checksums_are_those_of_torchvisions_layout():
    assert set(images_module._SHA256["mnist"]) == set(images_module._FILES)
