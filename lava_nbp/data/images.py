"""The data sets as images and labels: scikit-learn's digits, MNIST and Fashion-MNIST, or a user's own file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz
from lava_nbp.errors import DataError

#: Environment variable that names the folder of the data sets.
ROOT_VARIABLE = "LAVA_NBP_DATA"

#: Held out of the digits for testing; the order is shuffled once, the same for everyone.
_DIGITS_TEST = 360
_DIGITS_SHUFFLE = 0

_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_FILES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
#: SHA-256 of the published files, unpacked.
_SHA256 = {
    "mnist": {
        "train images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


@dataclass(frozen=True)
class Images:
    """Images (n, height, width) from 0 to `full_scale`, and labels (n,), for training and for testing."""

    train_images: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_images: NDArray[Any]
    test_labels: NDArray[np.int64]
    full_scale: float
    classes: tuple[str, ...]


def load_digits() -> Images:
    """8 x 8 handwritten digits that ship with scikit-learn: 1437 to train with, 360 to test."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    order = np.random.default_rng(_DIGITS_SHUFFLE).permutation(len(bunch.images))
    images, labels = bunch.images[order], bunch.target[order].astype(np.int64)
    return Images(
        train_images=images[:-_DIGITS_TEST],
        train_labels=labels[:-_DIGITS_TEST],
        test_images=images[-_DIGITS_TEST:],
        test_labels=labels[-_DIGITS_TEST:],
        full_scale=16.0,
        classes=tuple(str(k) for k in range(10)),
    )


def load_torchvision(name: str, root: str | None, *, download: bool, verify: bool) -> Images:
    """MNIST or Fashion-MNIST, 28 x 28 pixels, through torchvision.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist"}
        Which.
    root : str, optional
        Folder that holds MNIST/raw or FashionMNIST/raw; default: $LAVA_NBP_DATA.
    download : bool
        Let torchvision fetch missing files into `root`.
    verify : bool
        Compare files of the published size with the published SHA-256.

    Raises
    ------
    DataError
        Names the file that is missing, truncated or corrupt, and the cure; or the missing package.
    """
    folder = root or os.environ.get(ROOT_VARIABLE)
    if not folder:
        raise DataError(
            f"no folder for {name}: set the environment variable {ROOT_VARIABLE}, or data.root in the configuration, "
            f"to the folder that holds {_class_name(name)}/raw"
        )
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError(
            f"{name} is read by torchvision, which is not installed ({error}); run: make install, "
            f"or pip install 'lava-nbp[vision]'"
        ) from None

    raw = Path(folder) / _class_name(name) / "raw"
    make = getattr(datasets, _class_name(name))
    if download:
        try:
            for train in (True, False):
                make(str(folder), train=train, download=True)
        except Exception as error:
            raise DataError(f"downloading {name} into {folder} failed: {error}; copy its files to {raw}") from error
    for key, file in _FILES.items():
        _check_idx(raw / file, _SHA256[name][key] if verify else None, labels=key.endswith("labels"))
    parts = {}
    for part, train in (("train", True), ("test", False)):
        held = make(str(folder), train=train, download=False)
        parts[part] = held.data.numpy(), held.targets.numpy().astype(np.int64)
        images, labels = parts[part]
        if len(images) != len(labels):
            raise DataError(
                f"{raw / _FILES[part + ' images']} holds {len(images)} images, but the labels file "
                f"{len(labels)} labels; {_cure(raw)}"
            )
        if labels.min() < 0 or labels.max() > 9:
            raise DataError(
                f"{raw / _FILES[part + ' labels']} holds the label {labels.max()}, outside 0 .. 9; {_cure(raw)}"
            )
    classes = _FASHION_CLASSES if name == "fashion_mnist" else tuple(str(k) for k in range(10))
    return Images(*parts["train"], *parts["test"], full_scale=255.0, classes=classes)


def _class_name(name: str) -> str:
    return {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[name]


def _cure(raw: Path) -> str:
    return f"copy the original file to {raw}, or let torchvision fetch it with --set data.download=true"


def _check_idx(path: Path, sha256: str | None, *, labels: bool) -> None:
    """Check that an IDX file is there, as long as its header says, and, if it has the published size, as published."""
    if not path.is_file():
        raise DataError(f"{path} is missing; {_cure(path.parent)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    n_dimensions = 1 if labels else 3
    header = 4 + 4 * n_dimensions
    if len(content) < header:
        raise DataError(f"{path} is truncated: {len(content)} bytes, not even a header; {_cure(path.parent)}")
    if content[:4] != bytes((0, 0, 8, n_dimensions)):
        raise DataError(
            f"{path} is corrupt: it does not begin like an IDX file of {n_dimensions} dimension(s) "
            f"of bytes; {_cure(path.parent)}"
        )
    shape = np.frombuffer(content, dtype=">u4", count=n_dimensions, offset=4).astype(np.int64)
    expected = header + int(np.prod(shape))
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "corrupt"
        raise DataError(
            f"{path} is {state}: {len(content)} bytes, but its header announces {expected}; {_cure(path.parent)}"
        )
    published = (60_000, 10_000)
    if sha256 and shape[0] in published and (labels or tuple(shape[1:]) == (28, 28)):
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise DataError(
                f"{path} is corrupt: its SHA-256 is {found[:12]}..., that of the published file {sha256[:12]}...; "
                f"{_cure(path.parent)} (if it is data of your own: --set data.verify=false)"
            )


def load_npz(path: str) -> Images:
    """A user's own data set from an .npz file.

    The file holds `train_images`, `train_labels`, `test_images`, `test_labels`, and
    optionally `classes` (names). Images are (n, height, width) or (n, features),
    uint8 (0 .. 255) or floating point (0 .. 1); labels are integers from 0.

    Raises
    ------
    DataError
        Names the file, the array, and what is wrong with it.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(
            f"{file} is missing; set data.path to an .npz file with train_images, train_labels, test_images and "
            f"test_labels"
        )
    try:
        arrays = read_npz(file)
    except ValueError as error:
        raise DataError(f"{file} cannot be read as .npz: {error}; write it with numpy.savez") from error
    for part in ("train", "test"):
        images, labels = arrays.get(f"{part}_images"), arrays.get(f"{part}_labels")
        if images is None or labels is None:
            raise DataError(
                f"{file} lacks {part}_images or {part}_labels; it holds {', '.join(sorted(arrays)) or 'nothing'}"
            )
        if images.ndim not in (2, 3) or len(images) == 0:
            raise DataError(
                f"{file}: {part}_images has shape {images.shape}, but must be (n, height, width) or (n, features)"
            )
        if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise DataError(
                f"{file}: {part}_labels has shape {labels.shape} and dtype {labels.dtype}, but must be one integer "
                f"of 0 or more for each of the {len(images)} images"
            )
        if images.dtype != np.uint8 and not (
            np.issubdtype(images.dtype, np.floating) and images.min() >= 0 and images.max() <= 1
        ):
            raise DataError(
                f"{file}: {part}_images must be uint8, or floating point in 0 .. 1 without NaN (dtype {images.dtype})"
            )
        if images.dtype != arrays["train_images"].dtype or images.shape[1:] != arrays["train_images"].shape[1:]:
            raise DataError(f"{file}: train_images and test_images differ in dtype or in the size of the images")
    n_classes = int(max(arrays["train_labels"].max(), arrays["test_labels"].max())) + 1
    classes = tuple(str(c) for c in arrays.get("classes", np.arange(n_classes)))
    if len(classes) < n_classes:
        raise DataError(f"{file}: {len(classes)} class names, but labels up to {n_classes - 1}; name every class")

    def as_images(array: NDArray[Any]) -> NDArray[Any]:
        return array if array.ndim == 3 else array[:, None, :]

    return Images(
        train_images=as_images(arrays["train_images"]),
        train_labels=arrays["train_labels"].astype(np.int64),
        test_images=as_images(arrays["test_images"]),
        test_labels=arrays["test_labels"].astype(np.int64),
        full_scale=255.0 if arrays["train_images"].dtype == np.uint8 else 1.0,
        classes=classes,
    )
