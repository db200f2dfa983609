"""The Yin-Yang data set: three classes in a disc, small and not separable by lines.

Source: Kriener, Göltz, Petrovici, "The Yin-Yang dataset", NICE 2022 (arXiv 2102.08211).
The disc has the radius 0.5 and the centre (0.5, 0.5); two dots of radius 0.1 lie at
(0.25, 0.5) and (0.75, 0.5). A sample is (x, y, 1 - x, 1 - y).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, shown
from lava_nbp.base.files import AnyPath, as_path, read_npy
from lava_nbp.base.memory import check_memory
from lava_nbp.data.options import ROOT_VARIABLE, DataOptions
from lava_nbp.data.samples import Labelled, Samples
from lava_nbp.errors import DataError, InputError, Unreadable

CLASSES = ("yin", "yang", "dot")
_R_BIG, _R_SMALL = 0.5, 0.1

#: Seed and sizes where the published samples are not there: the same for every run and seed.
_SEED, _SIZES = 2021, {"train": 5000, "validation": 1000, "test": 1000}

Points = NDArray[np.float64]
Labels = NDArray[np.int64]


def yinyang_samples(options: DataOptions) -> Samples:
    """The data set: the published samples or generated ones, as `source` of the options asks for.

    Raises
    ------
    DataError
        As `load_yinyang`.
    """
    published = options.source == "published" or (options.source == "auto" and has_yinyang(options.root))
    if published:
        parts = load_yinyang(options.root)
    else:
        rng = np.random.default_rng(_SEED)
        parts = {part: generate_yinyang(n, rng) for part, n in _SIZES.items()}
    train, validation, test = (Labelled(*parts[part]) for part in ("train", "validation", "test"))
    return Samples(train, test, CLASSES, validation=validation, source="published" if published else "generated")


def yinyang_classes(points: Points) -> Labels:
    """Class of points (n, 2) in the disc: 0 yin, 1 yang, 2 dot.

    A point within 0.1 of a dot's centre is a dot. Of the others yang is what lies within 0.25 of the
    left centre, and what lies above the middle but not within 0.25 of the right one.

    Raises
    ------
    InputError
        For points of another shape, or outside the disc.
    """
    points = as_array(points, "points")
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"points have shape {points.shape}, but must be (n, 2)")
    x, y = points.T
    outside = ~(np.hypot(x - _R_BIG, y - _R_BIG) <= _R_BIG)  # NaN, too
    if outside.any():
        raise InputError(f"point {points[outside][0]} is outside the disc of radius 0.5 around (0.5, 0.5)")
    left, right = (np.hypot(x - centre * _R_BIG, y - _R_BIG) for centre in (0.5, 1.5))
    dot = (left < _R_SMALL) | (right < _R_SMALL)
    yang = (right <= _R_SMALL) | ((left > _R_SMALL) & (left <= _R_BIG / 2)) | ((y > _R_BIG) & (right > _R_BIG / 2))
    return np.where(dot, 2, yang).astype(np.int64)


def generate_yinyang(n: int, rng: np.random.Generator) -> tuple[Points, Labels]:
    """Draw n samples: a class at random, then points in the disc until one is of that class.

    Returns
    -------
    samples : (n, 4)
        (x, y, 1 - x, 1 - y).
    labels : (n,)

    Raises
    ------
    InputError
        For a number that is not a positive integer.
    """
    check_integer(n, 1, None, "number of samples")
    check_memory(200 * n, f"{shown(n)} samples", "draw fewer")
    check_kind(rng, np.random.Generator, "rng")
    labels = rng.integers(0, len(CLASSES), n)
    points = np.zeros((n, 2))
    missing = np.arange(n)
    while len(missing):
        drawn = rng.random((len(missing), 2)) * (2 * _R_BIG)
        inside = np.flatnonzero(np.hypot(*(drawn - _R_BIG).T) <= _R_BIG)
        fits = inside[yinyang_classes(drawn[inside]) == labels[missing[inside]]]
        points[missing[fits]] = drawn[fits]
        missing = np.delete(missing, fits)
    return np.hstack([points, 1 - points]), labels


def load_yinyang(root: AnyPath | None = None) -> dict[str, tuple[Points, Labels]]:
    """Read the published samples: "train" (5000), "validation" (1000) and "test" (1000).

    Parameters
    ----------
    root : path, optional
        Folder that holds YinYang/{train,validation,test}_{samples,labels}.npy; default $LAVA_NBP_DATA.

    Raises
    ------
    DataError
        For a missing or damaged file.
    """
    folder = _folder(root)
    return {part: _read(folder, part) for part in ("train", "validation", "test")}


def has_yinyang(root: AnyPath | None = None) -> bool:
    """Whether there is a folder of the published samples; `root` as for `load_yinyang`."""
    return os.path.isdir(_folder(root))


def _folder(root: AnyPath | None) -> Path:
    return (
        as_path(os.environ.get(ROOT_VARIABLE) or "." if root is None else root, "folder of the data sets") / "YinYang"
    )


def _read(folder: Path, part: str) -> tuple[Points, Labels]:
    samples, labels = (_read_array(folder / f"{part}_{what}.npy", part) for what in ("samples", "labels"))
    if not _belong_together(samples, labels):
        raise DataError(
            f"Yin-Yang: the {part} samples in {folder} and their labels do not belong together; restore them"
        )
    return samples, labels.astype(np.int64)


def _read_array(path: Path, part: str) -> NDArray[Any]:
    try:
        return read_npy(path)
    except Unreadable as error:
        if error.missing:
            raise DataError(
                f"Yin-Yang: {path} is missing; set LAVA_NBP_DATA to the folder that holds YinYang, or generate "
                f"samples with lava_nbp.data.generate_yinyang"
            ) from None
        raise DataError(f"Yin-Yang: {path}, a damaged file of the {part} set: {error}; restore it") from error


def _belong_together(samples: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Whether samples are (x, y, 1 - x, 1 - y), of which (x, y) are points of the classes that labels say."""
    if samples.ndim != 2 or samples.shape[1] != 4 or labels.shape != samples.shape[:1] or len(labels) == 0:
        return False
    if samples.dtype.kind != "f" or labels.dtype.kind not in "iu" or not np.isfinite(samples).all():
        return False
    points = samples[:, :2]
    try:
        return np.array_equal(yinyang_classes(points), labels) and np.allclose(samples[:, 2:], 1 - points)
    except InputError:  # a point outside the disc
        return False
