"""A data set as bits, a spike or none per input: input spikes and labels, split into train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.base.fields import settle
from lava_nbp.data.encodings import binarise
from lava_nbp.data.options import DataOptions, data_options
from lava_nbp.data.samples import check_rows, check_splits, of_epoch, shown, split
from lava_nbp.data.sets import find_data_set
from lava_nbp.data.shifted import ShiftedTraining
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class Split:
    """Input spikes x (n, n_in) uint8 and labels y (n,).

    Raises
    ------
    InputError
        For spikes that are not 0 or 1, or other labels than an integer per sample.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        x, y = check_rows(self.x, self.y, "split")
        if ((x != 0) & (x != 1)).any():
            raise InputError("split: inputs are spikes, 0 or 1; binarise them first (lava_nbp.data.binarise)")
        object.__setattr__(self, "x", x.astype(np.uint8, copy=False))
        object.__setattr__(self, "y", y)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits, the names of the classes, the shape of the images behind the spikes, and their source.

    `source` is "published", "generated" or "file", which is the user's own. The inputs are those of all pixels, once
    for every threshold. `shifted` makes the training samples of an epoch, if they are not the same in all.
    """

    name: str
    source: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    shifted: ShiftedTraining | None = None

    def __post_init__(self) -> None:
        settle(self, "data set", InputError)
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        check_splits(self.name, {name: (part.x, part.y) for name, part in parts.items()}, len(self.classes))

    @property
    def n_in(self) -> int:
        """Inputs per sample."""
        return self.train.x.shape[1]

    def train_of_epoch(self, seed: int, epoch: int) -> Split:
        """The training samples of an epoch: shifted, or the same in all.

        Raises
        ------
        InputError
            For a seed or an epoch that is no integer of 0 .. 2**63 - 1.
        """
        split: Split = of_epoch(self.train, self.shifted, seed, epoch)
        return split


def load_dataset(name: str, *, threshold: float | Sequence[float] = 0.5, shift: int = 0, **options: Any) -> Dataset:
    """Load a data set and encode it: crop, down-sample, binarise, split.

    Parameters
    ----------
    name : str
        Which: an entry of `lava_nbp.data.DATA_SETS` that becomes bits; "npz" is a file of your own, see
        `lava_nbp.data.npz.npz_samples`.
    threshold : float or sequence of float
        A pixel brighter than this part of full scale is a spike. Several, rising: an input for each of them, see
        `lava_nbp.data.binarise`.
    shift : int
        Training images are moved by up to so many whole pixels, before they are cropped, anew in every epoch: see
        `Dataset.train_of_epoch`. Validation and test images stay.
    **options
        Keys of `DataOptions`.

    Raises
    ------
    DataError
        A missing, truncated or corrupt file.
    InputError
        A data set without this form, an option that means nothing for it, an encoding, shift or split that the images
        do not allow.
    """
    asked = data_options(options)
    samples = find_data_set(name, "bits").read(asked)
    parts = split(name, samples, asked)

    check_integer(shift, 0, None, "data.shift", "it is a number of pixels")
    shifted = None
    if shift:
        whole, *_ = split(name, samples, replace(asked, crop=0, side=None))
        shifted = ShiftedTraining(
            _as_images(whole.x), whole.y, shift, partial(_encoded, asked, threshold, samples.full_scale)
        )
    train, validation, test = (Split(binarise(part.x, threshold, samples.full_scale), part.y) for part in parts)
    shape = _height_and_width(parts[0].x)
    return Dataset(name, samples.source, train, validation, test, samples.classes, shape, shifted)


def _encoded(
    options: DataOptions, threshold: float | Sequence[float], full_scale: float, x: NDArray[Any], y: NDArray[np.int64]
) -> Split:
    """Whole images as input spikes."""
    return Split(binarise(shown(x, options), threshold, full_scale), y)


def input_and_classes(name: str, options: DataOptions) -> tuple[int, int]:
    """Numbers of pixels or values and of classes that a data set gives, without reading it if both are known.

    Raises
    ------
    DataError, InputError
        As `load_dataset`.
    """
    height, width, classes = image_and_classes(name, options)
    return height * width, classes


def image_and_classes(name: str, options: DataOptions) -> tuple[int, int, int]:
    """Height and width of the images of a data set, values being one row, and its classes; as `input_and_classes`."""
    entry = find_data_set(name)
    check_kind(options, DataOptions, "options")
    if entry.shape is not None and entry.classes is not None:
        entry.check(options)
        one: NDArray[Any] = np.zeros((1, *entry.shape), dtype=np.uint8)
        classes = entry.classes
    else:
        samples = entry.read(options)
        one, classes = samples.train.x[:1], len(samples.classes)
    return (*_height_and_width(shown(one, options)), classes)


def _height_and_width(x: NDArray[Any]) -> tuple[int, int]:
    """Of images (n, height, width); values (n, features) are one row."""
    return (x.shape[1], x.shape[2]) if x.ndim == 3 else (1, x.shape[1])


def _as_images(x: NDArray[Any]) -> NDArray[Any]:
    """Values (n, features) are images of one row."""
    return x if x.ndim == 3 else x[:, None, :]
