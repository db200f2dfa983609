"""MNIST and Fashion-MNIST, as torchvision keeps and fetches them; nothing is fetched unasked."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.extras import require
from lava_nbp.base.files import read_file
from lava_nbp.data.options import DataOptions, root_of
from lava_nbp.data.samples import Labelled, Samples
from lava_nbp.errors import DataError, Unreadable

UInt8Array = NDArray[np.uint8]

_FILES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True)
class _Published:
    """A set of four IDX files: torchvision's name for it, its classes, and the SHA-256 of the files, unpacked."""

    name: str
    folder: str
    classes: tuple[str, ...]
    sha256: dict[str, str]


_MNIST = _Published(
    "mnist",
    "MNIST",
    tuple(str(k) for k in range(10)),
    {
        "train images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)
_FASHION_MNIST = _Published(
    "fashion_mnist",
    "FashionMNIST",
    (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    {
        "train images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)  # fmt: skip


def mnist_samples(options: DataOptions) -> Samples:
    """MNIST: 60 000 and 10 000 handwritten digits of 28 x 28 pixels.

    Of the options, `root` is the folder that holds MNIST/raw (default: $LAVA_NBP_DATA); `download` and `verify`
    as `DataOptions` says.

    Raises
    ------
    DataError
        Names the file that is missing, truncated or corrupt, and the cure; or the missing package.
    """
    return _samples(_MNIST, options)


def fashion_mnist_samples(options: DataOptions) -> Samples:
    """Fashion-MNIST: 60 000 and 10 000 pieces of clothing of 28 x 28 pixels, in FashionMNIST/raw.

    Options and errors as for `mnist_samples`.
    """
    return _samples(_FASHION_MNIST, options)


def _samples(published: _Published, options: DataOptions) -> Samples:
    root = root_of(options, published.name, f"{published.folder}/raw")
    datasets = require("torchvision.datasets", "vision", f"data set {published.name}")
    raw = root / published.folder / "raw"
    if options.download:
        try:
            for part in ("train", "test"):
                getattr(datasets, published.folder)(root, train=part == "train", download=True)
        except Exception as error:
            raise DataError(
                f"downloading {published.name} into {root} failed: {error}; copy its files to {raw}"
            ) from error
    parts = {
        key: _read_idx(raw / file, published.sha256[key] if options.verify else None, labels=key.endswith("labels"))
        for key, file in _FILES.items()
    }
    train, test = (_labelled(parts, raw, part) for part in ("train", "test"))
    return Samples(train, test, published.classes, full_scale=255.0)


def _labelled(parts: Mapping[str, UInt8Array], raw: Path, part: str) -> Labelled:
    images, labels = parts[f"{part} images"], parts[f"{part} labels"].astype(np.int64)
    if len(images) != len(labels):
        raise DataError(
            f"{raw / _FILES[part + ' images']} holds {len(images)} images, but the labels file {len(labels)} labels; "
            f"{_cure(raw)}"
        )
    if labels.max() > 9:
        raise DataError(
            f"{raw / _FILES[part + ' labels']} holds the label {labels.max()}, outside 0 .. 9; {_cure(raw)}"
        )
    return Labelled(images, labels)


def _cure(raw: Path) -> str:
    return f"copy the original file to {raw}, or let torchvision fetch it with --set data.download=true"


def _read_idx(path: Path, sha256: str | None, *, labels: bool) -> UInt8Array:
    """The array of an IDX file, which has to be as long as its header says, and, if it has the published size, as
    published."""
    try:
        content = read_file(path)
    except Unreadable as error:
        reason = "is missing" if error.missing else f"cannot be read: {error}"
        raise DataError(f"{path} {reason}; {_cure(path.parent)}") from None
    n_dimensions = 1 if labels else 3
    header = 4 + 4 * n_dimensions
    if len(content) < header:
        raise DataError(f"{path} is truncated: {len(content)} bytes, not even a header; {_cure(path.parent)}")
    if content[:4] != bytes((0, 0, 8, n_dimensions)):
        raise DataError(
            f"{path} is corrupt: it does not begin like an IDX file of {n_dimensions} dimension(s) "
            f"of bytes; {_cure(path.parent)}"
        )
    shape = struct.unpack_from(f">{n_dimensions}I", content, 4)
    expected = header + math.prod(shape)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "corrupt"
        raise DataError(
            f"{path} is {state}: {len(content)} bytes, but its header announces {expected}; {_cure(path.parent)}"
        )
    if len(content) == header:
        raise DataError(f"{path} is empty: its header announces {' x '.join(map(str, shape))}; {_cure(path.parent)}")
    published = (60_000, 10_000)
    if sha256 and shape[0] in published and (labels or shape[1:] == (28, 28)):
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise DataError(
                f"{path} is corrupt: its SHA-256 is {found[:12]}..., that of the published file {sha256[:12]}...; "
                f"{_cure(path.parent)} (if it is data of your own: --set data.verify=false)"
            )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
