"""MNIST and Fashion-MNIST: where the files are, what is wrong with them, and the published ones."""

import hashlib
import os
import sys

import numpy as np
import pytest
from idx import write_mnist

from lava_nbp.data import load_dataset, mnist
from lava_nbp.errors import DataError, MissingPackageError

REAL_DATA = os.environ.get("LAVA_NBP_DATA")
IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_torchvision_layout_without_download(tmp_path, monkeypatch, name, folder):
    _, arrays = write_mnist(tmp_path, folder)
    data = load_dataset(name, root=str(tmp_path), crop=4)
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
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(
        MissingPackageError, match=r"data set .* needs the package torchvision.*pip install 'lava-nbp\[vision\]'"
    ):
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
    data = load_dataset("mnist", root=REAL_DATA, crop=4, validation=5000)
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.n_in == 400
    assert 95 < data.train.x.sum(axis=1).mean() < 105  # about 100 active inputs, as in the paper
    assert load_dataset("fashion_mnist", root=REAL_DATA).n_in == 784


def test_checksums_are_those_of_torchvisions_layout():
    assert set(mnist._MNIST.sha256) == set(mnist._FASHION_MNIST.sha256) == set(mnist._FILES)


def idx(shape, content=b""):
    """An IDX file of bytes whose header says a shape."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + content


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (IMAGES, idx((0, 28, 28)), "is empty: its header announces 0 x 28 x 28"),
        (IMAGES, idx((5, 0, 28)), "is empty: its header announces 5 x 0 x 28"),
        (LABELS, idx((0,)), "is empty: its header announces 0"),
        # Products that are small where integers have 64 bits.
        (IMAGES, idx((2**31, 2**31, 4)), f"is truncated: 16 bytes, but its header announces {2**64 + 16}"),
        (IMAGES, idx((2**32 - 1,) * 3), "is truncated"),
        (LABELS, idx((2**32 - 1,)), "is truncated"),
        (LABELS, b"\x1f\x8b\x08" + bytes(20), "does not begin like an IDX file"),  # still packed
    ],
)
def test_headers_that_lie(tmp_path, file, content, message):
    raw, _ = write_mnist(tmp_path)
    (raw / file).write_bytes(content)
    with pytest.raises(DataError, match=f"{raw / file} .*{message}"):
        load_dataset("mnist", root=str(tmp_path))


def test_what_is_no_file(tmp_path):
    raw, _ = write_mnist(tmp_path)
    (raw / IMAGES).unlink()
    os.mkfifo(raw / IMAGES)
    with pytest.raises(DataError, match=f"{raw / IMAGES} cannot be read: it is a FIFO"):
        load_dataset("mnist", root=str(tmp_path))
    with pytest.raises(DataError, match="File name too long"):
        load_dataset("mnist", root="n" * 300)


def test_only_the_files_that_are_checked_are_read(tmp_path):
    """Torchvision would rather load what its older versions have pickled."""
    _, arrays = write_mnist(tmp_path)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed" / name).write_bytes(b"anything")
    assert np.array_equal(load_dataset("mnist", root=str(tmp_path)).test.y, arrays["test"][1])
