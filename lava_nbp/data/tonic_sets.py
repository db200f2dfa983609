"""Data sets of the package tonic: whatever it has of labelled recordings with training and test samples.

tonic (https://tonic.readthedocs.io) reads, and fetches, many published data sets of event cameras and of sounds. Its
samples are arrays with the fields t (us), x, and often y and p, the polarity; a sensor has X x Y pixels and P
polarities. Here a unit is::

    (p Y + y) X + x                    y is 0 where there is none, and p where P is 1

so that `EventSamples.sensor` is (P, Y, X).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_name, is_integer, one_line, shown
from lava_nbp.base.extras import require
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.events import EventSamples, EventSplit, Sensor, join_events
from lava_nbp.data.options import DataOptions, root_of
from lava_nbp.errors import DataError, InputError

#: Bytes that an event takes in memory, with its copies; samples between two looks at how many there are.
_EVENT_BYTES, _LOOKS = 80, 256
#: How tonic's classes are asked for a part: by one of these parameters.
_PARTS: dict[str, dict[str, bool | str]] = {
    "train": {"train": True, "test": False},
    "split": {"train": "train", "validation": "valid", "test": "test"},
}


def tonic_samples(options: DataOptions) -> EventSamples:
    """The data set that `tonic` of the options names, from `root`, where tonic keeps it (extra `tonic`).

    Raises
    ------
    DataError
        For a data set that is not there, unless `download` lets tonic fetch it; one without training and test samples,
        or labels; or events that `from_tonic` refuses.
    MissingPackageError
        Without tonic.
    """
    module = require("tonic.datasets", "tonic", "the data set tonic")
    if options.tonic is None:
        raise DataError(
            f"data.name is 'tonic', but data.tonic does not say which of its data sets: {', '.join(module.__all__)}"
        )
    name = check_name(options.tonic, "data.tonic", module.__all__)
    root, kind = root_of(options, f"tonic's {name}", name), getattr(module, name)
    parameters = inspect.signature(kind).parameters
    by = next((parameter for parameter in _PARTS if parameter in parameters), None)
    if by is None:
        raise DataError(f"data.tonic is {name!r}, which has no test samples of its own; use another data set")
    if not options.download:
        # Of the same name, by which it finds its folder.
        kind = type(name, (kind,), {"download": _refused, "__module__": kind.__module__})
    try:
        made = {part: kind(str(root), **{by: value}) for part, value in _PARTS[by].items()}
    except _Refused:
        raise DataError(
            f"{root} has no {name} of tonic's, or not all of it; set data.download = true to let tonic fetch it"
        ) from None
    except Exception as error:  # whatever its readers raise
        raise DataError(f"tonic cannot read its {name} in {root}: {_said(error)}; restore it") from error
    return from_tonic(made["train"], made["test"], made.get("validation"))


class _Refused(Exception):
    """tonic would have to fetch something."""


def _refused(*_: Any, **__: Any) -> None:
    raise _Refused


def from_tonic(train: Any, test: Any, validation: Any = None, *, source: str = "published") -> EventSamples:
    """Data sets of tonic, or that look like one, as a loader returns them: for those that need arguments of their own.

    Parameters
    ----------
    train, test : dataset
        With `sensor_size` (X, Y, P), a length, and samples (events, label); `classes` may name the classes. Events are
        sorted by time.
    validation : dataset, optional
        Validation samples, if there are any.
    source : str
        As of `EventSamples`.

    Raises
    ------
    DataError
        For a data set without a sensor, whose samples cannot be read, events without t or x, or outside the sensor or
        the times that there are, or labels that are no integers.
    """
    parts = {
        part: _split(part, dataset)
        for part, dataset in (("train", train), ("test", test), ("validation", validation))
        if part != "validation" or dataset is not None
    }
    labels = max(int(split.y.max()) for split in parts.values()) + 1
    names = getattr(train, "classes", None)
    classes = tuple(map(str, range(labels))) if names is None else tuple(map(_text, names))
    if len(classes) < labels:
        raise DataError(f"tonic's {_name(train)} has labels up to {labels - 1}, but {len(classes)} classes")
    try:
        return EventSamples(parts["train"], parts["test"], classes, parts.get("validation"), source, _sensor(train))
    except InputError as error:
        raise DataError(f"tonic's {_name(train)}: {error}") from None


def _split(part: str, dataset: Any) -> EventSplit:
    sensor = _sensor(dataset)
    try:
        n = len(dataset)
    except Exception as error:
        raise DataError(f"tonic's {_name(dataset)} does not say how many samples it has: {_said(error)}") from error
    samples: list[tuple[NDArray[np.float64], NDArray[np.int64]]] = []
    labels, count = [], 0
    for k in range(n):
        where = f"tonic's {_name(dataset)}, {part} sample {k}"
        try:
            events, label = dataset[k]
        except Exception as error:  # whatever its readers raise
            raise DataError(f"{where} cannot be read: {_said(error)}; restore the data set") from error
        if isinstance(label, np.ndarray) and label.ndim == 0:
            label = label[()]
        if not is_integer(label) or not 0 <= label < NEURONS_PER_CHIP:
            raise DataError(f"{where} has the label {shown(label)}, but must have the number of its class")
        samples.append(_sample(events, sensor, where))
        labels.append(int(label))
        count += len(samples[-1][0])
        if k % _LOOKS == 0:
            check_memory(_EVENT_BYTES * count, f"{count} events of {_name(dataset)}", "use a smaller data set")
    if not samples:
        raise DataError(f"tonic's {_name(dataset)} has no {part} samples; restore the data set")
    planes, height, width = sensor
    try:
        return EventSplit(join_events(samples, planes * height * width), np.array(labels))
    except InputError as error:
        raise DataError(f"tonic's {_name(dataset)}: {part} {error}") from None


def _sample(events: Any, sensor: Sensor, where: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times in ms and units, sorted by time."""
    fields = getattr(getattr(events, "dtype", None), "names", None) or ()
    if "t" not in fields or "x" not in fields or events.ndim != 1:
        raise DataError(f"{where} is {shown(events)}, but must be an array of events with the fields t and x")
    planes, height, width = sensor
    places = []
    for name, most in (("p", planes), ("y", height), ("x", width)):
        if name == "x" or (name in fields and most > 1):
            if events.dtype[name].kind not in "iub":
                raise DataError(f"{where}: {name} has dtype {events.dtype[name]}, but must hold integers")
            place = events[name].astype(np.int64)
            outside = (place < 0) | (place >= most)
            if outside.any():
                k = int(np.argmax(outside))
                raise DataError(f"{where}: event {k} is at {name} = {place[k]}, but the sensor has 0 .. {most - 1}")
        else:
            place = np.zeros(len(events), np.int64)
        places.append(place)
    p, y, x = places
    if events.dtype["t"].kind not in "iuf":
        raise DataError(f"{where}: t has dtype {events.dtype['t']}, but must hold microseconds")
    times = events["t"].astype(np.float64) / 1e3
    order = np.argsort(times, kind="stable")
    return times[order], ((p * height + y) * width + x)[order]


def _sensor(dataset: Any) -> Sensor:
    size = getattr(dataset, "sensor_size", None)
    if not (isinstance(size, Sequence) and len(size) == 3 and all(is_integer(n) and n > 0 for n in size)):
        raise DataError(
            f"tonic's {_name(dataset)} has sensor_size {shown(size)}, but must have one sensor for all samples, (x, y, "
            f"polarities)"
        )
    width, height, planes = map(int, size)
    return planes, height, width


def _name(dataset: Any) -> str:
    return type(dataset).__name__


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
