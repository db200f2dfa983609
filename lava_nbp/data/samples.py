"""What a data set holds, as its loader gives it, and how it becomes three splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_labels, check_positive
from lava_nbp.base.fields import settle
from lava_nbp.data.encodings import crop, down_sample
from lava_nbp.data.options import DataOptions
from lava_nbp.errors import InputError

#: Seed of the permutation that picks the validation samples: the same for every run and seed.
_SPLIT_SEED = 2024


@dataclass(frozen=True)
class Labelled:
    """Images x (n, height, width) or values x (n, features), and their labels y (n,).

    Raises
    ------
    InputError
        For what is no array of numbers.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            object.__setattr__(self, name, as_array(getattr(self, name), f"samples: {name}"))

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, chosen: Any) -> Labelled:
        return Labelled(self.x[chosen], self.y[chosen])


@dataclass(frozen=True)
class Samples:
    """What the loader of a data set returns.

    Attributes
    ----------
    train, test : Labelled
        Images (n, height, width), of which the brighter pixels spike earlier, or values (n, features), of
        which the larger spike later; from 0 to `full_scale`.
    classes : tuple of str
        Their names; labels are 0 .. len(classes) - 1.
    full_scale : float
        The brightest pixel, the largest value.
    validation : Labelled, optional
        Validation samples that the set itself has; None: some of the training set are held back.
    source : str
        Where the samples come from: "published", "generated", or "file", which is the user's own.

    Raises
    ------
    InputError
        For arrays that do not fit each other, or that are outside of what they should be.
    """

    train: Labelled
    test: Labelled
    classes: tuple[str, ...]
    full_scale: float = 1.0
    validation: Labelled | None = None
    source: str = "published"

    def __post_init__(self) -> None:
        settle(self, "samples", InputError)
        check_positive(self.full_scale, "samples: full_scale")
        for part in ("train", "validation", "test"):
            found = getattr(self, part)
            if found is not None:
                self._check(part, found.x, found.y)

    def _check(self, part: str, x: NDArray[Any], y: NDArray[Any]) -> None:
        if x.ndim not in (2, 3) or x.shape[1:] != self.train.x.shape[1:] or len(x) == 0:
            raise InputError(
                f"{part} samples have shape {x.shape}, but must be (n, height, width) or (n, features), the same in "
                f"every split"
            )
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
            raise InputError(
                f"{part} labels have shape {y.shape} and dtype {y.dtype}, but must be {len(x)} integers, one per sample"
            )
        if y.min() < 0 or y.max() >= len(self.classes):
            raise InputError(f"{part} labels are {y.min()} .. {y.max()}, but there are {len(self.classes)} classes")
        if x.dtype.kind == "c" or not (x.min() >= 0 and x.max() <= self.full_scale):
            raise InputError(f"{part} samples are {x.min()} .. {x.max()}, but must be in 0 .. {self.full_scale:g}")


def check_rows(x: Any, y: Any, what: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return what a split holds: finite numbers (n, inputs), and a label of 0 or more per row.

    Raises
    ------
    InputError
        For anything else; `what` says whose it is.
    """
    rows = as_array(x, f"{what}: inputs")
    if rows.ndim != 2 or rows.dtype.kind == "c" or not np.isfinite(rows).all():
        raise InputError(
            f"{what}: inputs have shape {rows.shape} and dtype {rows.dtype}, but must be finite numbers (n, inputs)"
        )
    return rows, check_labels(y, len(rows), 2**62)


def check_splits(name: str, parts: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]], classes: int) -> None:
    """Raise InputError unless the splits of a data set have as many inputs, and labels below `classes`."""
    widths = {part: x.shape[1] for part, (x, _) in parts.items()}
    if len(set(widths.values())) > 1:
        raise InputError(f"data set {name!r}: its splits have {widths} inputs; give each as many")
    for _, y in parts.values():
        check_labels(y, len(y), classes)


def shown(x: NDArray[Any], options: DataOptions) -> NDArray[Any]:
    """Images (n, height, width) cropped and down-sampled as asked for; else, images or values, as they are.

    Raises
    ------
    InputError
        For a crop or side that the images do not allow.
    """
    if options.crop:
        x = crop(x, options.crop)
    return x if options.side is None else down_sample(x, options.side)


def split(name: str, samples: Samples, options: DataOptions) -> tuple[Labelled, Labelled, Labelled]:
    """Training, validation and test samples, disjoint, cropped and down-sampled.

    Raises
    ------
    InputError
        For more samples than the set has, or what `shown` refuses.
    """
    train, test = (Labelled(shown(part.x, options), part.y) for part in (samples.train, samples.test))
    if samples.validation is None and not options.validation:
        validation = train[:0]  # nothing is copied
    elif samples.validation is None:
        kept, held = hold_back(len(train), options.validation, name)
        train, validation = train[kept], train[held]
    else:
        own = Labelled(shown(samples.validation.x, options), samples.validation.y)
        validation = own[: limit("validation", options.validation, len(own), name) if options.validation else 0]
    n_train = limit("train", options.train, len(train), name)
    n_test = limit("test", options.test, len(test), name)
    return train[:n_train], validation, test[:n_test]


def of_epoch(still: Any, changing: Any, seed: int, epoch: int) -> Any:
    """The training samples of an epoch: what changes them makes of them, or the same ones in all.

    Parameters
    ----------
    still : split
        As they are.
    changing : object with a method of_epoch, or None
        Makes those of an epoch.

    Raises
    ------
    InputError
        For a seed or an epoch that is no integer of 0 .. 2**63 - 1.
    """
    check_integer(seed, 0, 2**63 - 1, "seed")
    check_integer(epoch, 0, 2**63 - 1, "epoch")
    return still if changing is None else changing.of_epoch(seed, epoch)


def hold_back(there: int, n: int, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the training samples without n of them, and of these n; both in their old order.

    Raises
    ------
    InputError
        If no training sample would be left.
    """
    if n >= there:
        raise InputError(f"data.validation is {n}, but {name} has {there} training samples; hold back fewer")
    order = np.random.default_rng(_SPLIT_SEED).permutation(there)
    return np.sort(order[n:]), np.sort(order[:n])


def limit(what: str, wanted: int | None, there: int, name: str) -> int:
    """How many samples of a split to use."""
    if wanted is not None and wanted > there:
        raise InputError(f"data.{what} is {wanted}, but {name} has {there} such samples; use 1 .. {there}")
    return there if wanted is None else wanted
