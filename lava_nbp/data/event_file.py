"""A user's own events from an .npz or an HDF5 file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import open_file
from lava_nbp.base.hdf5 import read_hdf5
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.events import Events, EventSamples, EventSplit, Sensor
from lava_nbp.data.npz import class_names, own_file, read_own
from lava_nbp.data.options import DataOptions
from lava_nbp.errors import DataError, InputError, Unreadable

_PARTS, _SPLITS = ("times", "units", "offsets", "labels"), ("train", "validation", "test")
_NAMES = (*(f"{split}_{part}" for split in _SPLITS for part in _PARTS), "n_units", "sensor", "classes")
#: How an HDF5 file begins, unless something stands before it: then its name has to say what it is.
_SIGNATURE, _ENDINGS = b"\x89HDF\r\n\x1a\n", (".h5", ".hdf5")


def event_samples(options: DataOptions) -> EventSamples:
    """Read the file that `path` of the options names: .npz, or HDF5 with the same arrays (extra `exchange`).

    It holds `train_times` (ms), `train_units`, `train_offsets` and `train_labels`, as `Events` has them, the same of
    `test`, and, if it likes, of `validation`; `n_units`, else there are as many as the largest unit says; `sensor`
    (planes, height, width), if units are pixels, see `EventSamples`; and `classes`, their names.

    Raises
    ------
    DataError
        Names the file, the array, and what is wrong with it.
    MissingPackageError
        For an HDF5 file, without h5py.
    """
    file = own_file(options, "events")
    arrays = _arrays(file)
    sensor = _sensor(file, arrays)
    n_units = _n_units(file, arrays, sensor)
    train, test = (_part(file, arrays, part, n_units) for part in ("train", "test"))
    validation = _part(file, arrays, "validation", n_units) if "validation_times" in arrays else None
    n = 1 + max(int(part.y.max()) for part in (train, test, validation) if part is not None)
    return EventSamples(train, test, class_names(file, arrays.get("classes"), n), validation, "file", sensor)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    wanted = f"{', '.join(f'train_{part}' for part in _PARTS)}, and the same of test"
    if not _is_hdf5(file):
        return read_own(file, wanted)
    try:
        return read_hdf5(file, _NAMES, "an HDF5 file of events")
    except Unreadable as error:
        if error.missing:
            raise DataError(f"{file} is missing; set data.path to an HDF5 or .npz file with {wanted}") from None
        raise DataError(f"{file} cannot be read as HDF5: {error}; write it with h5py") from error


def _is_hdf5(file: Path) -> bool:
    try:
        with open_file(file) as stream:
            begins = stream.read(len(_SIGNATURE)) == _SIGNATURE
    except Unreadable:  # whoever reads it says why
        begins = False
    return begins or file.suffix.lower() in _ENDINGS


def _sensor(file: Path, arrays: Mapping[str, NDArray[Any]]) -> Sensor | None:
    given = arrays.get("sensor")
    if given is None:
        return None
    if given.shape != (3,) or given.dtype.kind not in "iu" or not 1 <= given.min() <= given.max() <= NEURONS_PER_CHIP:
        raise DataError(f"{file}: sensor must be three integers of 1 .. {NEURONS_PER_CHIP}: planes, height, width")
    planes, height, width = map(int, given)
    return planes, height, width


def _n_units(file: Path, arrays: Mapping[str, NDArray[Any]], sensor: Sensor | None) -> int:
    pixels = None if sensor is None else math.prod(sensor)
    given = arrays.get("n_units", None if pixels is None else np.array(pixels))
    if given is not None:
        if given.size != 1 or given.dtype.kind not in "iu" or not 1 <= given.item() <= NEURONS_PER_CHIP:
            raise DataError(f"{file}: n_units must be one integer in 1 .. {NEURONS_PER_CHIP}")
        if pixels not in (None, given.item()):
            raise DataError(f"{file}: n_units is {given.item()}, but the sensor has {pixels} pixels; correct one")
        return int(given.item())
    units = [a for name, a in arrays.items() if name.endswith("_units") and a.dtype.kind in "iu" and a.size]
    return min(1 + max((max(int(a.max()), 0) for a in units), default=0), NEURONS_PER_CHIP)


def _part(file: Path, arrays: Mapping[str, NDArray[Any]], part: str, n_units: int) -> EventSplit:
    missing = [f"{part}_{name}" for name in _PARTS if f"{part}_{name}" not in arrays]
    if missing:
        raise DataError(f"{file} lacks {', '.join(missing)}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    times, units, offsets, labels = (arrays[f"{part}_{name}"] for name in _PARTS)
    try:
        found = EventSplit(Events(times, units, offsets, n_units), labels)
    except InputError as error:
        raise DataError(f"{file}: {part} {error}") from None
    if not len(found):
        raise DataError(f"{file}: {part} has no samples; give one or more")
    if found.y.max() >= NEURONS_PER_CHIP:
        raise DataError(f"{file}: {part}_labels reach {found.y.max()}; number classes from 0")
    return found
