"""A data set as spike times, one spike per input: Yin-Yang, or images of which the bright pixels spike first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_kind
from lava_nbp.base.fields import settle
from lava_nbp.data.encodings import Encoding, Times, flat_pixels, pixel_latency, value_latency
from lava_nbp.data.options import DataOptions, data_options
from lava_nbp.data.samples import check_rows, check_splits, of_epoch, shown, split
from lava_nbp.data.sets import find_data_set
from lava_nbp.data.shifted import ShiftedTraining
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class LatencySplit:
    """Values (n, features) float64 in 0 .. 1, or pixels uint8, their encoding, and labels y (n,).

    Raises
    ------
    InputError
        For other values or labels.
    """

    values: NDArray[Any]
    y: NDArray[np.int64]
    encoding: Encoding

    def __post_init__(self) -> None:
        values, y = check_rows(self.values, self.y, "split")
        check_kind(self.encoding, Encoding, "split: encoding")
        if values.dtype != np.uint8:
            values = values.astype(np.float64, copy=False)
            if values.size and not (values.min() >= 0 and values.max() <= 1):
                raise InputError(f"split: values are {values.min()} .. {values.max()}, but must be in 0 .. 1")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "y", y)

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

    `source` is "published", "generated" or "file", which is the user's own;
    `plane` tells that the first two values are a point in a plane. `shifted` makes the training samples of an epoch, if
    they are not the same in all.
    """

    name: str
    source: str
    train: LatencySplit
    validation: LatencySplit
    test: LatencySplit
    classes: tuple[str, ...]
    plane: bool = False
    shifted: ShiftedTraining | None = None

    def __post_init__(self) -> None:
        settle(self, "data set", InputError)
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        check_splits(self.name, {name: (part.values, part.y) for name, part in parts.items()}, len(self.classes))

    @property
    def n_in(self) -> int:
        """Inputs per sample, with the bias."""
        return self.train.n_in

    def train_of_epoch(self, seed: int, epoch: int) -> LatencySplit:
        """The training samples of an epoch: shifted, or the same in all.

        Raises
        ------
        InputError
            For a seed or an epoch that is no integer of 0 .. 2**63 - 1.
        """
        split: LatencySplit = of_epoch(self.train, self.shifted, seed, epoch)
        return split


def load_latency_dataset(name: str, encoding: Encoding, *, shift: int = 0, **options: Any) -> LatencyDataset:
    """Load a data set for time-to-first-spike coding.

    Parameters
    ----------
    name : str
        Which: an entry of `lava_nbp.data.DATA_SETS` that becomes spike times, as all of the library's do.
    encoding : Encoding
        How values become times.
    shift : int
        Training images are moved by up to so many whole pixels, before they are cropped, anew in every epoch: see
        `LatencyDataset.train_of_epoch`. Validation and test images stay.
    **options
        Keys of `DataOptions`.

    Raises
    ------
    DataError
        A missing, truncated or corrupt file.
    InputError
        A data set without this form, an option that means nothing for it, an encoding, shift or split that the samples
        do not allow.
    """
    asked, entry = data_options(options), find_data_set(name, "times")
    check_kind(encoding, Encoding, "encoding")
    check_integer(shift, 0, None, "data.shift", "it is a number of pixels")
    samples = entry.read(asked)
    shifted = None
    if shift:
        whole, *_ = split(name, samples, replace(asked, crop=0, side=None))
        if whole.x.ndim != 3:
            raise InputError(f"data.shift is {shift}, but the samples of {name} are no images; leave it out")
        # [seed, epoch, 1] is what leaves out input spikes.
        encode = partial(_encoded, asked, samples.full_scale, encoding)
        shifted = ShiftedTraining(whole.x, whole.y, shift, encode, stream=(3,))
    train, validation, test = (
        LatencySplit(_values(part.x, samples.full_scale), part.y, encoding) for part in split(name, samples, asked)
    )
    return LatencyDataset(name, samples.source, train, validation, test, samples.classes, entry.plane, shifted)


def _encoded(
    options: DataOptions, full_scale: float, encoding: Encoding, x: NDArray[Any], y: NDArray[np.int64]
) -> LatencySplit:
    """Whole images as the network gets them."""
    return LatencySplit(_values(shown(x, options), full_scale), y, encoding)


def _values(x: NDArray[Any], full_scale: float) -> NDArray[Any]:
    """Images as pixels (n, pixels) uint8, 0 .. 255; values (n, features) as parts of full scale."""
    if x.ndim == 2:
        return np.asarray(x / full_scale, dtype=np.float64)
    pixels = flat_pixels(x)
    if pixels.dtype == np.uint8 and full_scale == 255:
        return pixels
    rescaled: NDArray[np.uint8] = np.rint(pixels * (255.0 / full_scale)).astype(np.uint8)
    return rescaled
