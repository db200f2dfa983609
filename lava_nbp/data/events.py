"""Events, any number per input and each at its own time, and what the loader of a data set of them returns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, check_labels, check_positive, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.ragged import rows_at, without_entries
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.encodings import LATEST, check_window, spikes_in_steps
from lava_nbp.errors import InputError

#: How the units of a sensor lie: planes, height, width. A row of channels is (1, 1, channels).
Sensor = tuple[int, int, int]


@dataclass(frozen=True)
class Events:
    """Events of many samples, one sample after the other, in the order of time within each.

    Parameters
    ----------
    times : (events,) float64
        ms since the beginning of the sample, 0 .. 1e6.
    units : (events,) int64
        Which input each is of, 0 .. n_units - 1.
    offsets : (samples + 1,) int64
        Where each sample begins; the last is the number of events.
    n_units : int
        Inputs that there are.

    Raises
    ------
    InputError
        For arrays of other shapes or kinds, offsets that fall or do not end with the number of events, units that there
        are not, times that are no such numbers, or that run backward within a sample.

    Examples
    --------
    >>> two = Events([0.0, 1.5, 0.3], [0, 1, 1], [0, 2, 3], 2)
    >>> len(two), two.take([1]).times.tolist()
    (2, [0.3])
    """

    times: NDArray[np.float64]
    units: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n_units: int

    def __post_init__(self) -> None:
        check_integer(self.n_units, 1, NEURONS_PER_CHIP, "events: n_units")
        for name, dtype in (("times", np.float64), ("units", np.int64), ("offsets", np.int64)):
            array = as_array(getattr(self, name), f"events: {name}")
            kinds = "iuf" if dtype is np.float64 else "iu"
            if array.ndim != 1 or (array.size and array.dtype.kind not in kinds):
                raise InputError(
                    f"events: {name} have shape {array.shape} and dtype {array.dtype}, but must be (n,) "
                    f"{'real numbers' if dtype is np.float64 else 'integers'}"
                )
            object.__setattr__(self, name, array.astype(dtype, copy=False))
        self._check_offsets()
        if len(self.times) != len(self.units):
            raise InputError(
                f"events have {len(self.times)} times and {len(self.units)} units; give a unit for every time"
            )
        bad = ~((self.units >= 0) & (self.units < self.n_units))
        if bad.any():
            raise InputError(
                f"{self._event(bad)} is of unit {self.units[bad][0]}, but units are 0 .. {self.n_units - 1}"
            )
        bad = ~((self.times >= 0) & (self.times <= LATEST))
        if bad.any():
            raise InputError(f"{self._event(bad)} is at {self.times[bad][0]} ms, but times are 0 .. {LATEST:g} ms")
        earlier = np.zeros(len(self.times), dtype=bool)
        earlier[1:] = np.diff(self.times) < 0
        earlier[self.offsets[:-1][self.offsets[:-1] < len(earlier)]] = False
        if earlier.any():
            k = int(np.argmax(earlier))
            raise InputError(
                f"{self._event(earlier)} is at {self.times[k]} ms, after one at {self.times[k - 1]} ms; sort the "
                f"events of every sample by time"
            )

    def _check_offsets(self) -> None:
        o = self.offsets
        if not len(o) or o[0] != 0 or o[-1] != len(self.times) or (np.diff(o) < 0).any():
            raise InputError(
                f"events: offsets are {shown(o.tolist())}, but must begin with 0, never fall, and end with the number "
                f"of events, {len(self.times)}"
            )

    def _event(self, bad: NDArray[np.bool_]) -> str:
        k = int(np.argmax(bad))
        sample = int(np.searchsorted(self.offsets, k, side="right")) - 1
        return f"event {k - int(self.offsets[sample])} of sample {sample}"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, samples: Any) -> Events:
        """Some samples, in the order given.

        Raises
        ------
        InputError
            For samples that there are not.
        """
        chosen = as_array(samples, "samples")
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            raise InputError(f"samples are {shown(samples)}, but must be a list of integers")
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise InputError(f"samples are {chosen.min()} .. {chosen.max()}, but there are 0 .. {len(self) - 1}")
        where, offsets = rows_at(self.offsets, chosen.astype(np.int64))
        return Events(self.times[where], self.units[where], offsets, self.n_units)

    def moved(self, early: float, late: float) -> Events:
        """The events `early` ms later, without those that come after `late` ms then.

        Raises
        ------
        InputError
            For times that are not 0 <= early < late <= 1e6.
        """
        check_window(early, late)
        return self._until(self.times + early, late)

    def until(self, end: float) -> Events:
        """The events that are no later than `end`, in ms."""
        return self._until(self.times, end)

    def _until(self, times: NDArray[np.float64], end: float) -> Events:
        kept = times <= end
        return Events(times[kept], self.units[kept], without_entries(self.offsets, kept), self.n_units)

    def counts(self, bins: int, end: float) -> NDArray[np.int64]:
        """Events per unit and bin, (samples, n_units * bins): all bins of the first unit, then of the second.

        Bins are equally long, from 0 to `end` ms; what is later is left out.

        Raises
        ------
        InputError
            For a number of bins that is not positive, an end that is none, or counts that need more memory than there
            may be.
        """
        check_integer(bins, 1, 1_000_000, "bins")
        end = check_positive(end, "end (ms)")
        check_memory(8 * len(self) * self.n_units * bins, f"counts of {len(self)} samples", "take fewer bins")
        early = self.until(end)
        sample = early._samples()
        bin_ = np.minimum((early.times * (bins / end)).astype(np.int64), bins - 1)
        size = self.n_units * bins
        flat = np.bincount(sample * size + early.units * bins + bin_, minlength=len(self) * size)
        return flat.reshape(len(self), size)

    def in_steps(self, dt: float, steps: int) -> NDArray[np.float32]:
        """Spikes (steps, samples, n_units) of 0 and 1: `lava_nbp.data.step_spikes` for events.

        Each is in the step nearest to it, the first being step 0; those whose step lies beyond the last are left out. A
        unit that has several events in a step has one spike there.

        Raises
        ------
        InputError
            For a step in ms or a number of steps that is not positive, or more of them than the memory holds.
        """
        return spikes_in_steps(self.times, self._samples(), self.units, (len(self), self.n_units), dt, steps)

    def _samples(self) -> NDArray[np.int64]:
        """Which sample each event is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


def join_events(samples: Sequence[tuple[Any, Any]], n_units: int) -> Events:
    """The events (times, units) of each of several samples, sorted already.

    Raises
    ------
    InputError
        As `Events`.
    """
    times = [np.asarray(t, dtype=np.float64) for t, _ in samples]
    units = [np.asarray(u, dtype=np.int64) for _, u in samples]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(t) for t in times], dtype=np.int64)])
    return Events(
        np.concatenate([np.zeros(0), *times]), np.concatenate([np.zeros(0, np.int64), *units]), offsets, n_units
    )


@dataclass(frozen=True)
class EventSplit:
    """Events of samples, and their labels y (n,).

    Raises
    ------
    InputError
        For labels that are no integers of 0 or more, one per sample.
    """

    events: Events
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_kind(self.events, Events, "split: events")
        object.__setattr__(self, "y", check_labels(self.y, len(self.events), 2**62))

    def __len__(self) -> int:
        return len(self.y)

    def take(self, samples: Any) -> EventSplit:
        """Some samples, in the order given; see `Events.take`."""
        return EventSplit(self.events.take(samples), self.y[np.asarray(samples, dtype=np.int64)])


@dataclass(frozen=True)
class EventSamples:
    """What the loader of a data set of events returns; as `Samples`, which are images or values.

    Attributes
    ----------
    train, test : EventSplit
        Events and labels.
    classes : tuple of str
        Their names; labels are 0 .. len(classes) - 1.
    validation : EventSplit, optional
        Validation samples that the set itself has; None: some of the training set are held back.
    source : str
        "published", "generated", or "file", which is the user's own.
    sensor : (planes, height, width), optional
        Of pixels: unit (plane * height + y) * width + x. None: units are channels in a row.

    Raises
    ------
    InputError
        For splits of other units, without a sample, or with labels outside the classes, or another sensor.
    """

    train: EventSplit
    test: EventSplit
    classes: tuple[str, ...]
    validation: EventSplit | None = None
    source: str = "published"
    sensor: Sensor | None = None

    def __post_init__(self) -> None:
        settle(self, "samples", InputError)
        parts = {part: getattr(self, part) for part in ("train", "validation", "test")}
        for part, found in parts.items():
            if found is not None and len(found) == 0:
                raise InputError(f"there are no {part} samples; give one or more")
        check_parts({part: found for part, found in parts.items() if found is not None}, len(self.classes))
        n_units = self.train.events.n_units
        if self.sensor is not None and (min(self.sensor) < 1 or math.prod(self.sensor) != n_units):
            raise InputError(
                f"the sensor has (planes, height, width) = {self.sensor}, but there are {n_units} units; give a pixel "
                f"for each"
            )

    @property
    def layout(self) -> Sensor:
        """The sensor, a row of channels too."""
        return self.sensor or (1, 1, self.train.events.n_units)


def check_parts(parts: Mapping[str, EventSplit], classes: int) -> None:
    """Raise InputError unless splits have as many units, and labels below `classes`."""
    units = {part: split.events.n_units for part, split in parts.items()}
    if len(set(units.values())) > 1:
        raise InputError(f"splits have {units} units; give each as many")
    for split in parts.values():
        check_labels(split.y, len(split), classes)
