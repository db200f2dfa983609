"""A data set ready for training: input spikes and labels, split into train, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.data.encoding import binarise, crop, down_sample
from lava_nbp.data.images import Images, load_digits, load_npz, load_torchvision
from lava_nbp.errors import DataError, InputError

#: Seed of the permutation that picks the validation samples: the same for every run and seed.
_SPLIT_SEED = 2024


@dataclass(frozen=True)
class Split:
    """Input spikes x (n, n_in) uint8 and labels y (n,)."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits, the names of the classes, and the shape of the images behind the spikes."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    image_shape: tuple[int, int]

    @property
    def n_in(self) -> int:
        """Inputs per sample."""
        return self.train.x.shape[1]


def load_dataset(
    name: str,
    *,
    root: str | None = None,
    path: str | None = None,
    margin: int = 0,
    side: int | None = None,
    threshold: float = 0.5,
    validation: int = 0,
    train: int | None = None,
    test: int | None = None,
    download: bool = False,
    verify: bool = True,
) -> Dataset:
    """Load a data set and encode it: crop, down-sample, binarise, split.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion_mnist", "npz"}
        Which; "npz" is a file of your own, see `load_npz`.
    root, path : str, optional
        Folder for torchvision's data sets (default $LAVA_NBP_DATA); file for "npz".
    margin : int
        Pixels to crop from each side.
    side : int, optional
        Down-sample to side x side pixels.
    threshold : float
        A pixel brighter than this part of full scale is a spike.
    validation : int
        Samples held back from the training set, the same ones in every run.
    train, test : int, optional
        Use only so many training (after the validation split) and test samples.
    download, verify : bool
        See `load_torchvision`.

    Raises
    ------
    DataError
        A missing, truncated or corrupt file.
    InputError
        An encoding or split that the images do not allow.
    """
    splits = load_image_splits(
        name, root=root, path=path, margin=margin, side=side, validation=validation, train=train, test=test,
        download=download, verify=verify,
    )  # fmt: skip

    def encode(split: ImageSplit) -> Split:
        return Split(binarise(split.images, threshold, splits.full_scale), split.y)

    return Dataset(
        name=name,
        train=encode(splits.train),
        validation=encode(splits.validation),
        test=encode(splits.test),
        classes=splits.classes,
        image_shape=(splits.train.images.shape[1], splits.train.images.shape[2]),
    )


#: Sizes and numbers of classes of data sets that are always the same, so that they need not be read.
_KNOWN = {"digits": (8, 8, 10), "mnist": (28, 28, 10), "fashion_mnist": (28, 28, 10)}


def input_and_classes(
    name: str, *, path: str | None = None, margin: int = 0, side: int | None = None
) -> tuple[int, int]:
    """Numbers of inputs and of classes that a data set gives, without reading it if that can be known.

    Raises
    ------
    DataError, InputError
        As `load_dataset`.
    """
    if name in _KNOWN:
        height, width, classes = _KNOWN[name]
        shown: NDArray[Any] = np.zeros((1, height, width), dtype=np.uint8)
    else:
        images = _load_images(name, root=None, path=path, download=False, verify=False)
        shown, classes = images.train_images[:1], len(images.classes)
    cropped = crop(shown, margin)
    shown = cropped if side is None else down_sample(cropped, side)
    return shown.shape[1] * shown.shape[2], classes


@dataclass(frozen=True)
class ImageSplit:
    """Images (n, height, width) and labels y (n,)."""

    images: NDArray[Any]
    y: NDArray[np.int64]


@dataclass(frozen=True)
class ImageSplits:
    """Three disjoint splits of images from 0 to `full_scale`, and the names of the classes."""

    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    full_scale: float
    classes: tuple[str, ...]


def load_image_splits(
    name: str,
    *,
    root: str | None = None,
    path: str | None = None,
    margin: int = 0,
    side: int | None = None,
    validation: int = 0,
    train: int | None = None,
    test: int | None = None,
    download: bool = False,
    verify: bool = True,
) -> ImageSplits:
    """Load images, crop, down-sample and split them; arguments and errors as for `load_dataset`."""
    images = _load_images(name, root=root, path=path, download=download, verify=verify)

    def shown(raw: NDArray[Any]) -> NDArray[Any]:
        cropped = crop(raw, margin)
        return cropped if side is None else down_sample(cropped, side)

    x, x_test = shown(images.train_images), shown(images.test_images)
    y, y_test = images.train_labels, images.test_labels
    if not 0 <= validation < len(y):
        raise InputError(f"data.validation is {validation}, but {name} has {len(y)} training samples; hold back fewer")
    if validation:
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(y))
        held, kept = np.sort(order[:validation]), np.sort(order[validation:])
        validation_split = ImageSplit(x[held], y[held])
        x, y = x[kept], y[kept]
    else:
        validation_split = ImageSplit(x[:0], y[:0])
    train, test = limit("train", train, len(y), name), limit("test", test, len(y_test), name)
    return ImageSplits(
        train=ImageSplit(x[:train], y[:train]),
        validation=validation_split,
        test=ImageSplit(x_test[:test], y_test[:test]),
        full_scale=images.full_scale,
        classes=images.classes,
    )


def _load_images(name: str, *, root: str | None, path: str | None, download: bool, verify: bool) -> Images:
    if name == "digits":
        return load_digits()
    if name in ("mnist", "fashion_mnist"):
        return load_torchvision(name, root, download=download, verify=verify)
    if name == "npz":
        if path is None:
            raise DataError("data.name is 'npz', but data.path does not say which file")
        return load_npz(path)
    raise InputError(f"data.name is {name!r}, but must be digits, mnist, fashion_mnist or npz")


def limit(what: str, wanted: int | None, there: int, name: str) -> int:
    """How many samples of a split to use.

    Raises
    ------
    InputError
        If more are wanted than there are.
    """
    if wanted is not None and not 1 <= wanted <= there:
        raise InputError(f"data.{what} is {wanted}, but {name} has {there} such samples; use 1 .. {there}")
    return there if wanted is None else wanted
