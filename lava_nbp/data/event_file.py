"""A user's own events from an .npz file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.events import Events, EventSamples, EventSplit
from lava_nbp.data.npz import class_names, read_own
from lava_nbp.data.options import DataOptions
from lava_nbp.errors import DataError, InputError

_PARTS = ("times", "units", "offsets", "labels")


def event_samples(options: DataOptions) -> EventSamples:
    """Read the file that `path` of the options names.

    It holds `train_times` (ms), `train_units`, `train_offsets` and `train_labels`, as `Events` has them, the same of
    `test`, and, if it likes, of `validation`; `n_units`, else there are as many as the largest unit says; and
    `classes`, their names.

    Raises
    ------
    DataError
        Names the file, the array, and what is wrong with it.
    """
    needed = ", ".join(f"train_{name}" for name in _PARTS)
    file, arrays = read_own(options, "events", f"{needed}, and the same of test")
    n_units = _n_units(file, arrays)
    train, test = (_part(file, arrays, part, n_units) for part in ("train", "test"))
    validation = _part(file, arrays, "validation", n_units) if "validation_times" in arrays else None
    n = 1 + max(int(part.y.max()) for part in (train, test, validation) if part is not None)
    return EventSamples(train, test, class_names(file, arrays.get("classes"), n), validation, "file")


def _n_units(file: Path, arrays: Mapping[str, NDArray[Any]]) -> int:
    given = arrays.get("n_units")
    if given is not None:
        if given.size != 1 or given.dtype.kind not in "iu" or not 1 <= given.item() <= NEURONS_PER_CHIP:
            raise DataError(f"{file}: n_units must be one integer in 1 .. {NEURONS_PER_CHIP}")
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
