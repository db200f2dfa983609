"""A data set as spike times, one spike per input: Yin-Yang, or images of which the bright pixels spike first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.data.dataset import limit, load_image_splits
from lava_nbp.data.latency import Times, pixel_latency, value_latency
from lava_nbp.data.yinyang import CLASSES, generate_yinyang, has_yinyang, load_yinyang
from lava_nbp.errors import InputError

#: Seed and sizes of Yin-Yang where the published samples are not there: the same for every run and seed.
_YINYANG_SEED, _YINYANG_SIZES = 2021, {"train": 5000, "validation": 1000, "test": 1000}


@dataclass(frozen=True)
class Encoding:
    """How values become times: window in ms, time of a bias spike (None: there is none), darkest pixel that spikes.

    Values in 0 .. 1 spike at early + value (late - early); pixels, of 0 .. 255, the earlier the
    brighter, and not at all up to `darkest`.
    """

    early: float
    late: float
    bias: float | None = None
    darkest: int = 1


@dataclass(frozen=True)
class LatencySplit:
    """Values (n, features) float64 in 0 .. 1, or pixels uint8, their encoding, and labels y (n,)."""

    values: NDArray[Any]
    y: NDArray[np.int64]
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_in(self) -> int:
        """Inputs per sample, with the bias."""
        return self.values.shape[1] + (self.encoding.bias is not None)

    def times(self, samples: Any = slice(None)) -> Times:
        """Spike times (n, n_in) in ms of some samples, inf for none. The bias is the last input."""
        values, e = self.values[samples], self.encoding
        if values.dtype == np.uint8:
            times = pixel_latency(values, e.early, e.late, e.darkest)
        else:
            times = value_latency(values, e.early, e.late)
        return times if e.bias is None else np.hstack([times, np.full((len(times), 1), e.bias)])


@dataclass(frozen=True)
class LatencyDataset:
    """Three disjoint splits, the names of the classes, and where the samples come from.

    `source` is "published" or "generated"; `plane` tells that the first two values are a point in a plane.
    """

    name: str
    source: str
    train: LatencySplit
    validation: LatencySplit
    test: LatencySplit
    classes: tuple[str, ...]
    plane: bool = False

    @property
    def n_in(self) -> int:
        """Inputs per sample, with the bias."""
        return self.train.n_in


def load_latency_dataset(
    name: str,
    encoding: Encoding,
    *,
    root: str | None = None,
    path: str | None = None,
    source: str = "auto",
    margin: int = 0,
    side: int | None = None,
    validation: int = 0,
    train: int | None = None,
    test: int | None = None,
    download: bool = False,
    verify: bool = True,
) -> LatencyDataset:
    """Load a data set for time-to-first-spike coding.

    Parameters
    ----------
    name : {"yinyang", "digits", "mnist", "fashion_mnist", "npz"}
        Which.
    encoding : Encoding
        How values become times.
    source : {"auto", "published", "generated"}
        Of Yin-Yang: the published samples if their files are there, else 5000, 1000 and 1000 generated ones; or
        one of the two in any case. Other data sets are as published.
    root, path, margin, side, train, test, download, verify
        As for `load_dataset`.
    validation : int
        Samples of the validation split: held back from the training set, or, with Yin-Yang, the first of
        its validation set.

    Raises
    ------
    DataError
        A missing, truncated or corrupt file.
    InputError
        An encoding or split that the samples do not allow.
    """
    if name == "yinyang":
        return _yinyang(encoding, root, source, validation, train, test, crop=margin, side=side)
    splits = load_image_splits(
        name, root=root, path=path, margin=margin, side=side, validation=validation, train=train, test=test,
        download=download, verify=verify,
    )  # fmt: skip

    def pixels(part: Any) -> LatencySplit:
        flat = part.images.reshape(len(part.images), int(np.prod(part.images.shape[1:])))
        if flat.dtype != np.uint8:
            flat = np.rint(flat * (255.0 / splits.full_scale)).astype(np.uint8)
        return LatencySplit(flat, part.y, encoding)

    return LatencyDataset(
        name, "published", pixels(splits.train), pixels(splits.validation), pixels(splits.test), splits.classes
    )


def _yinyang(
    encoding: Encoding,
    root: str | None,
    source: str,
    validation: int,
    train: int | None,
    test: int | None,
    **image_options: Any,
) -> LatencyDataset:
    for option, value in image_options.items():
        if value:
            raise InputError(f"data.{option} is {value}, but Yin-Yang has no images; leave it out")
    if source == "auto":
        source = "published" if has_yinyang(root) else "generated"
    if source == "published":
        parts = load_yinyang(root)
    else:
        rng = np.random.default_rng(_YINYANG_SEED)
        parts = {part: generate_yinyang(n, rng) for part, n in _YINYANG_SIZES.items()}
    sizes = {
        "train": limit("train", train, len(parts["train"][1]), "yinyang"),
        "validation": limit("validation", validation, len(parts["validation"][1]), "yinyang") if validation else 0,
        "test": limit("test", test, len(parts["test"][1]), "yinyang"),
    }
    splits = {part: LatencySplit(parts[part][0][:n], parts[part][1][:n], encoding) for part, n in sizes.items()}
    return LatencyDataset("yinyang", source, **splits, classes=CLASSES, plane=True)
