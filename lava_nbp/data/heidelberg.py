"""Spiking Heidelberg Digits (SHD) and Spiking Speech Commands (SSC): speech as an inner ear's 700 channels send it.

Source: Cramer, Stradmann, Schemmel, Zenke, "The Heidelberg spiking data sets for the systematic evaluation of spiking
neural networks", IEEE Trans. Neural Netw. Learn. Syst. 33 (2022). The published HDF5 files hold, for every recording,
`spikes/times` (s, float16) and `spikes/units` (0 .. 699) as rows of different lengths; `labels`; and the names of the
classes, `extra/keys`. SHD has 20 classes, digits in German and English, SSC 35 words.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lava_nbp.base.hdf5 import read_hdf5
from lava_nbp.base.memory import check_memory
from lava_nbp.base.ragged import order_within
from lava_nbp.data.events import Events, EventSamples, EventSplit
from lava_nbp.data.options import DataOptions, root_of
from lava_nbp.errors import DataError, InputError, Unreadable

CHANNELS = 700
_TIMES, _UNITS, _LABELS, _KEYS = _NAMES = ("spikes/times", "spikes/units", "labels", "extra/keys")
#: How the files are packed where they are published.
_PACKED = {".gz": "gunzip", ".zip": "unzip"}
#: Bytes that an event takes in memory, with its copies.
_EVENT_BYTES = 60


def shd_samples(options: DataOptions) -> EventSamples:
    """The files SHD/shd_train.h5 and SHD/shd_test.h5 in the folder of the data sets (extra `exchange`).

    Raises
    ------
    DataError
        For a file that is missing, still packed, damaged, or not as published.
    MissingPackageError
        Without h5py.
    """
    folder = root_of(options, "shd", "SHD") / "SHD"
    (train, classes), (test, _) = (_read(folder / f"shd_{part}.h5", 20) for part in ("train", "test"))
    return EventSamples(train, test, classes)


def ssc_samples(options: DataOptions) -> EventSamples:
    """The files SSC/ssc_train.h5, ssc_valid.h5 and ssc_test.h5 in the folder of the data sets; as `shd_samples`."""
    folder = root_of(options, "ssc", "SSC") / "SSC"
    (train, classes), (valid, _), (test, _) = (
        _read(folder / f"ssc_{part}.h5", 35) for part in ("train", "valid", "test")
    )
    return EventSamples(train, test, classes, valid)


def _read(path: Path, n_classes: int) -> tuple[EventSplit, tuple[str, ...]]:
    """The recordings of a file, and the names of their classes."""
    cure = "restore the published file"
    try:
        arrays = read_hdf5(path, _NAMES, f"the data set in {path.name}")
    except Unreadable as error:
        packed = next((ending for ending in _PACKED if Path(f"{path}{ending}").is_file()), None)
        if error.missing and packed:
            raise DataError(
                f"{path} is still packed: unpack {path.name}{packed} beside it, with {_PACKED[packed]}"
            ) from None
        if error.missing:
            raise DataError(f"{path} is missing; copy the published file there, unpacked") from None
        raise DataError(f"{path} cannot be read: {error}; {cure}") from error
    offsets = [f"{name}/offsets" for name in (_TIMES, _UNITS)]
    for name in (*_NAMES, *offsets):
        if name not in arrays:
            has = "has no rows of different lengths in" if name in offsets else "lacks"
            raise DataError(f"{path} {has} {name.removesuffix('/offsets')}; {cure}")
    if not np.array_equal(arrays[offsets[0]], arrays[offsets[1]]):
        raise DataError(f"{path}: recordings have other numbers of times than of units; {cure}")
    keys = arrays[_KEYS]
    if keys.shape != (n_classes,):
        raise DataError(f"{path}: {_KEYS} has shape {keys.shape}, but there are {n_classes} classes; {cure}")
    n = len(arrays[_TIMES])
    check_memory(_EVENT_BYTES * n, f"{n} events of {path}", "use files of fewer recordings")
    times = arrays[_TIMES].astype(np.float64) * 1e3
    units = arrays[_UNITS]
    order = order_within(arrays[offsets[0]], times)
    if order is not None:
        times, units = times[order], units[order]
    try:
        split = EventSplit(Events(times, units, arrays[offsets[0]], CHANNELS), arrays[_LABELS])
    except InputError as error:
        raise DataError(f"{path}: {error}; {cure}") from None
    if not len(split) or split.y.max() >= n_classes:
        found = f"labels up to {split.y.max()}" if len(split) else "no recordings"
        raise DataError(f"{path} has {found}, but should have some of {n_classes} classes; {cure}")
    return split, tuple(map(str, keys))
