"""Training samples of events that are changed at random, anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_kind, check_real
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.ragged import order_within, without_entries
from lava_nbp.data.encodings import LATEST
from lava_nbp.data.events import Events, EventSplit, Sensor
from lava_nbp.errors import InputError

#: Sets the draws apart from the others of an epoch, which begin with its seed and number, too.
_STREAM = 2
#: Bytes that an event takes while samples are changed.
_EVENT_BYTES = 80
#: Limits of the factors of time.
_SLOWEST, _FASTEST = 1e-3, 1e3


@dataclass(frozen=True, kw_only=True)
class EventAugmentation:
    """How training samples differ from epoch to epoch. Of each event (t, unit) of a sample::

        t' = factor t + later + normal(0, jitter)          unit' = unit, moved on its sensor

    factor, later and by how much units move are drawn once per sample, normal(0, jitter) for every event. An event that
    comes before 0 or leaves the sensor is left out. Every key draws numbers of its own: what one draws does not depend
    on the others.

    Attributes
    ----------
    stretch : (float, float)
        Limits of the factor, which is uniform between them: 0.001 .. 1000. (1, 1): times stay.
    time_shift : float
        In ms: `later` is uniform in -time_shift .. time_shift.
    jitter : float
        In ms: the standard deviation of what is added to each time.
    shift : int
        Units move by -shift .. shift channels of a row; or so many pixels down, and so many to the right. All are
        equally likely.

    Raises
    ------
    InputError
        For limits that are not so, the first above the second, or times or a shift below 0.
    """

    stretch: tuple[float, float] = (1.0, 1.0)
    time_shift: float = 0.0
    jitter: float = 0.0
    shift: int = 0

    def __post_init__(self) -> None:
        settle(self, "augmentation", InputError, only=AUGMENTATIONS)
        for factor in self.stretch:
            check_real(factor, _SLOWEST, _FASTEST, "stretch", "it has the smallest and the largest factor of time")
        if self.stretch[0] > self.stretch[1]:
            raise InputError(f"stretch is {self.stretch}, but must be the smallest and the largest factor of time")
        for name in ("time_shift", "jitter"):
            check_real(getattr(self, name), 0, LATEST, name, "it is in ms")
        check_integer(self.shift, 0, None, "shift", "it is a number of channels or pixels")

    def of_epoch(self, events: Events, sensor: Sensor, seed: int, epoch: int) -> Events:
        """The events of samples in an epoch: they follow from seed, epoch and the place of each sample and event."""
        of_stretch, of_time_shift, of_jitter, of_shift = np.random.default_rng([seed, epoch, _STREAM]).spawn(4)
        n, sizes, times, units = len(events), np.diff(events.offsets), events.times, events.units
        kept = np.ones(len(times), dtype=bool)
        if self.stretch != (1.0, 1.0):
            times = times * np.repeat(of_stretch.uniform(*self.stretch, n), sizes)
        if self.time_shift:
            times = times + np.repeat(of_time_shift.uniform(-self.time_shift, self.time_shift, n), sizes)
        if self.jitter:
            times = times + of_jitter.normal(0.0, self.jitter, len(times))
        if self.shift:
            by = of_shift.integers(-self.shift, self.shift + 1, (n, 2))
            units, kept = _moved(units, sensor, np.repeat(by, sizes, axis=0))
        kept &= (times >= 0) & (times <= LATEST)
        times, units, offsets = times[kept], units[kept], without_entries(events.offsets, kept)
        order = order_within(offsets, times)
        if order is not None:
            times, units = times[order], units[order]
        return Events(times, units, offsets, events.n_units)


#: The keys of an augmentation.
AUGMENTATIONS = tuple(f.name for f in fields(EventAugmentation))


def _moved(
    units: NDArray[np.int64], sensor: Sensor, by: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Units moved down and to the right, by (units, 2), and whether they are still on the sensor; a row has no down."""
    _, height, width = sensor
    down, right = by[:, 0] * (height > 1), by[:, 1] * (width > 1)
    y, x = units // width % height + down, units % width + right
    return units + down * width + right, (y >= 0) & (y < height) & (x >= 0) & (x < width)


@dataclass(frozen=True)
class AugmentedTraining:
    """Training samples of events, and how they differ from epoch to epoch.

    Attributes
    ----------
    split : EventSplit
        As the data set has them: what is moved in may come from what is left out later.
    sensor : (planes, height, width)
        How their units lie.
    augmentation : EventAugmentation
        What is drawn.
    show : callable
        Makes of events what a network gets: bins, groups, the window.

    Raises
    ------
    InputError
        For a shift that leaves nothing of a sensor, or more events than the memory holds.
    """

    split: EventSplit
    sensor: Sensor
    augmentation: EventAugmentation
    show: Callable[[Events], Events]

    def __post_init__(self) -> None:
        check_kind(self.augmentation, EventAugmentation, "augmentation")
        _, height, width = self.sensor
        most = min(side for side in (height, width) if side > 1 or height == width == 1) - 1
        check_integer(self.augmentation.shift, 0, most, "shift", f"the sensor has {height} x {width} units")
        n = len(self.split.events.times)
        check_memory(_EVENT_BYTES * n, f"{n} events, changed anew in every epoch,", "use fewer training samples")

    def of_epoch(self, seed: int, epoch: int, samples: Any = None) -> EventSplit:
        """What an epoch trains with; of some samples only, if they are given: the same, and sooner.

        Raises
        ------
        InputError
            For samples that there are not.
        """
        changed = EventSplit(self.augmentation.of_epoch(self.split.events, self.sensor, seed, epoch), self.split.y)
        chosen = changed if samples is None else changed.take(samples)
        return replace(chosen, events=self.show(chosen.events))
