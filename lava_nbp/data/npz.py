"""A user's own data set from an .npz file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz
from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Labelled, Samples
from lava_nbp.errors import DataError


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
    if options.path is None:
        raise DataError("data.name is 'npz', but data.path does not say which file")
    file = Path(options.path)
    if not file.is_file():
        raise DataError(
            f"{file} is missing; set data.path to an .npz file with train_images, train_labels, test_images and "
            f"test_labels"
        )
    try:
        arrays = read_npz(file)
    except ValueError as error:
        raise DataError(f"{file} cannot be read as .npz: {error}; write it with numpy.savez") from error
    train, test = (_labelled(file, arrays, part) for part in ("train", "test"))
    if test.x.dtype != train.x.dtype or test.x.shape[1:] != train.x.shape[1:]:
        raise DataError(f"{file}: train_images and test_images differ in dtype or in the size of the images")
    n_classes = int(max(train.y.max(), test.y.max())) + 1
    classes = tuple(str(c) for c in arrays.get("classes", np.arange(n_classes)))
    if len(classes) < n_classes:
        raise DataError(f"{file}: {len(classes)} class names, but labels up to {n_classes - 1}; name every class")
    return Samples(train, test, classes, full_scale=255.0 if train.x.dtype == np.uint8 else 1.0, source="file")


def _labelled(file: Path, arrays: Mapping[str, NDArray[Any]], part: str) -> Labelled:
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
    return Labelled(images if images.ndim == 3 else images[:, None, :], labels.astype(np.int64))
