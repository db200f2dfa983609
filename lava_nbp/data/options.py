"""Which samples of a data set, and from where: one value, checked where it is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, check_name, check_real, check_sequence, check_text, shown
from lava_nbp.base.files import as_path
from lava_nbp.errors import DataError, InputError

#: Environment variable that names the folder of the data sets.
ROOT_VARIABLE = "LAVA_NBP_DATA"

#: What a data set's samples can be asked to be.
SOURCES = ("auto", "published", "generated")
#: Shortest and longest bin of events, in ms.
BINS = 1e-3, 1e6
#: Of a delay line.
MOST_TAPS = 256


@dataclass(frozen=True)
class DataOptions:
    """What is asked of a data set beside its name; which keys mean something for one says `DataSet.keys`.

    Attributes
    ----------
    root : str, optional
        Folder of the data sets' files; default: what the environment variable LAVA_NBP_DATA says.
    path : str, optional
        The file of data of one's own.
    tonic : str, optional
        Which data set of the package tonic: the name of a class of `tonic.datasets`.
    source : {"auto", "published", "generated"}
        Of Yin-Yang: the published samples if their files are there, else 5000, 1000 and 1000 generated ones; or
        one of the two in any case.
    crop : int
        Pixels to cut from each side of an image.
    side : int, optional
        Down-sample images to side x side pixels.
    bin : float, optional
        Of events: times are rounded down to multiples of so many ms of the recording, 0.001 .. 1e6, and events of a
        unit in the same bin are one.
    group : int
        Of events: so many neighbouring channels, or group x group neighbouring pixels, are one unit.
    taps : tuple of float
        Of events: a delay line. Every event comes again so many ms later, 0 .. 1e6, for each entry as an event of a
        unit of its own; without any, once.
    validation : int
        Samples of the validation split: held back from the training set, the same ones in every run; or, of a set
        that has validation samples of its own, the first ones of these.
    train, test : int, optional
        Use only so many training (after the validation split) and test samples.
    download : bool
        Let torchvision, or tonic, fetch files that are missing into the root folder.
    verify : bool
        Compare files of the published size with the published SHA-256.

    Raises
    ------
    InputError
        For a value of the wrong type, or one that no data set allows.

    Examples
    --------
    >>> DataOptions(crop=4, validation=5000).given
    {'crop': 4, 'validation': 5000}
    """

    root: str | None = None
    path: str | None = None
    tonic: str | None = None
    source: str = "auto"
    crop: int = 0
    side: int | None = None
    bin: float | None = None
    group: int = 1
    taps: tuple[float, ...] = ()
    validation: int = 0
    train: int | None = None
    test: int | None = None
    download: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        for key in ("root", "path"):
            value = getattr(self, key)
            if not (value is None or isinstance(value, (str, os.PathLike))):
                raise InputError(f"data.{key} is {shown(value)}, but must be the name of a folder or file")
            if value is not None:
                as_path(value, f"data.{key}")
                object.__setattr__(self, key, os.fspath(value))
        if self.tonic is not None:
            check_text(self.tonic, "data.tonic")
        check_name(self.source, "data.source", SOURCES)
        if self.bin is not None:
            object.__setattr__(self, "bin", check_real(self.bin, *BINS, "data.bin", "it is in ms"))
        object.__setattr__(self, "taps", check_taps(self.taps))
        for key, low in (("crop", 0), ("side", 1), ("group", 1), ("validation", 0), ("train", 1), ("test", 1)):
            value = getattr(self, key)
            if value is not None or key in ("crop", "group", "validation"):
                object.__setattr__(self, key, check_integer(value, low, None, f"data.{key}"))
        for key in ("download", "verify"):
            value = getattr(self, key)
            if not isinstance(value, (bool, np.bool_)):
                raise InputError(f"data.{key} is {shown(value)}, but must be true or false")
            object.__setattr__(self, key, bool(value))

    @property
    def given(self) -> dict[str, Any]:
        """The keys whose values are not the defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


def check_taps(taps: Any) -> tuple[float, ...]:
    """Return the taps of a delay line in ms.

    Raises
    ------
    InputError
        Unless they are 256 numbers in 0 .. 1e6 at most, each larger than the one before.
    """
    given = check_sequence(taps, "data.taps", "give delays in ms")
    if len(given) > MOST_TAPS:
        raise InputError(f"data.taps are {len(given)}, but must be {MOST_TAPS} at most; leave some out")
    checked = tuple(check_real(tap, 0.0, BINS[1], "a tap of data.taps", "it is in ms") for tap in given)
    if any(later <= earlier for earlier, later in pairwise(checked)):
        raise InputError(f"data.taps are {shown(list(checked))}, but each must be larger than the last; sort them")
    return checked


def root_of(options: DataOptions, name: str, holds: str) -> Path:
    """Folder of the data sets' files, in which a published one needs `holds`.

    Raises
    ------
    DataError
        If neither the options nor the environment say which.
    """
    root = options.root or os.environ.get(ROOT_VARIABLE)
    if not root:
        raise DataError(
            f"no folder for {name}: set the environment variable {ROOT_VARIABLE}, or data.root in the configuration, "
            f"to the folder that holds {holds}"
        )
    return Path(root)


def data_options(keys: Mapping[str, Any]) -> DataOptions:
    """The options of keywords.

    Raises
    ------
    InputError
        For a key that there is not, or as `DataOptions`.
    """
    known = [f.name for f in fields(DataOptions)]
    for key in keys:
        check_name(key, "option of a data set", known)
    return DataOptions(**keys)
