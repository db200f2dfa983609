"""A user's own data set from an .npz file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Labelled, Samples
from lava_nbp.errors import DataError, Unreadable


def npz_samples(options: DataOptions) -> Samples:
    """Read the file that `path` of the options names.

    The file holds `train_images`, `train_labels`, `test_images`, `test_labels`, and
    optionally `classes` (names). Images are (n, height, width) or (n, features),
    uint8 (0 .. 255) or floating point (0 .. 1); labels are integers from 0. Features
    are pixels of an image of one row.

    Raises
    ------
    DataError
        Names the file, the array, and what is wrong with it.
    """
    file = own_file(options, "npz")
    arrays = read_own(file, "train_images, train_labels, test_images and test_labels")
    train, test = (_labelled(file, arrays, part) for part in ("train", "test"))
    if test.x.dtype != train.x.dtype or test.x.shape[1:] != train.x.shape[1:]:
        raise DataError(f"{file}: train_images and test_images differ in dtype or in the size of the images")
    classes = class_names(file, arrays.get("classes"), int(max(train.y.max(), test.y.max())) + 1)
    return Samples(train, test, classes, full_scale=255.0 if train.x.dtype == np.uint8 else 1.0, source="file")


def own_file(options: DataOptions, name: str) -> Path:
    """The file that `path` of the options names, for a data set of this name.

    Raises
    ------
    DataError
        For options without a path.
    """
    if options.path is None:
        raise DataError(f"data.name is {name!r}, but data.path does not say which file")
    return Path(options.path)


def read_own(file: Path, wanted: str) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file; `wanted` are those that a data set needs.

    Raises
    ------
    DataError
        For a file that is missing or damaged.
    """
    try:
        return read_npz(file)
    except Unreadable as error:
        if error.missing:
            raise DataError(f"{file} is missing; set data.path to an .npz file with {wanted}") from None
        raise DataError(f"{file} cannot be read as .npz: {error}; write it with numpy.savez") from error


def class_names(file: Path, names: NDArray[Any] | None, n: int) -> tuple[str, ...]:
    """The names of at least n classes: their numbers if the file has none."""
    if names is None:
        return tuple(map(str, range(n)))
    if names.ndim != 1 or len(names) > NEURONS_PER_CHIP:
        raise DataError(f"{file}: classes has shape {names.shape}, but must be (classes,): a name for each")
    classes = tuple(map(str, names))
    if len(classes) < n:
        raise DataError(f"{file}: {len(classes)} class names, but labels up to {n - 1}; name every class")
    return classes


def _labelled(file: Path, arrays: Mapping[str, NDArray[Any]], part: str) -> Labelled:
    images, labels = arrays.get(f"{part}_images"), arrays.get(f"{part}_labels")
    if images is None or labels is None:
        raise DataError(
            f"{file} lacks {part}_images or {part}_labels; it holds {', '.join(sorted(arrays)) or 'nothing'}"
        )
    if images.ndim not in (2, 3) or images.size == 0:
        raise DataError(
            f"{file}: {part}_images has shape {images.shape}, but must be (n, height, width) or (n, features)"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DataError(
            f"{file}: {part}_labels has shape {labels.shape} and dtype {labels.dtype}, but must be one integer "
            f"of 0 or more for each of the {len(images)} images"
        )
    if labels.max() >= NEURONS_PER_CHIP:
        raise DataError(
            f"{file}: {part}_labels reach {labels.max()}, but a network has {NEURONS_PER_CHIP} outputs at most; number "
            f"classes from 0"
        )
    if images.dtype != np.uint8 and not (
        np.issubdtype(images.dtype, np.floating) and images.min() >= 0 and images.max() <= 1
    ):
        raise DataError(
            f"{file}: {part}_images must be uint8, or floating point in 0 .. 1 without NaN (dtype {images.dtype})"
        )
    return Labelled(images if images.ndim == 3 else images[:, None, :], labels.astype(np.int64))
