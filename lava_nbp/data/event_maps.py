"""Fixed maps of events, the same for every sample: neighbouring units as one, and times in bins."""

from __future__ import annotations

import numpy as np

from lava_nbp.base.checks import check_integer, check_real
from lava_nbp.base.ragged import without_entries
from lava_nbp.data.events import Events, Sensor
from lava_nbp.data.options import BINS

#: Times are a few roundings away from what they mean: 0.3 ms is the beginning of the fourth bin of 0.1 ms.
_ROUNDING = 1 + 1e-15


def group_units(events: Events, sensor: Sensor, group: int) -> Events:
    """Neighbouring units as one, which has the events of all: group channels of a row, group x group pixels of a plane.

    Pixel (y, x) becomes (y // group, x // group); what is left at the ends is a smaller group.

    Raises
    ------
    InputError
        For a group that is not 1 .. the longer side of the sensor.
    """
    planes, height, width = sensor
    check_integer(group, 1, max(height, width), "data.group", f"the sensor has {height} x {width} units")
    if group == 1:
        return events
    rows, columns = -(-height // group), -(-width // group)
    plane, y, x = np.unravel_index(events.units, sensor)
    units = (plane * rows + y // group) * columns + x // group
    return Events(events.times, units.astype(np.int64), events.offsets, planes * rows * columns)


def bin_times(events: Events, width: float) -> Events:
    """Times rounded down to multiples of `width` ms; several events of a unit in a bin are one.

    Events of a bin are in the order of their units.

    Raises
    ------
    InputError
        For a width outside 0.001 .. 1e6 ms.
    """
    width = check_real(width, *BINS, "data.bin", "it is in ms")
    bins = np.floor(events.times / width * _ROUNDING)
    first = np.ones(len(bins), dtype=bool)  # whether an event is the first one of its sample and bin
    first[1:] = bins[1:] != bins[:-1]
    begins = events.offsets[:-1]
    first[begins[begins < len(bins)]] = True
    # Samples come one after the other, and bins in each: numbered on, times the units, they sort as one integer.
    keys = np.sort((np.cumsum(first) - 1) * events.n_units + events.units)
    kept = np.ones(len(keys), dtype=bool)
    kept[1:] = keys[1:] != keys[:-1]
    at, units = np.divmod(keys[kept], events.n_units)
    return Events(bins[first][at] * width, units, without_entries(events.offsets, kept), events.n_units)
