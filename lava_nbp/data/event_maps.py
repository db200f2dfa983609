"""Fixed maps of events, the same for every sample: neighbouring units as one, times in bins, delay lines."""

from __future__ import annotations

import numpy as np

from lava_nbp.base.checks import check_integer, check_real
from lava_nbp.base.memory import check_memory
from lava_nbp.base.ragged import order_within, without_entries
from lava_nbp.data.encodings import LATEST
from lava_nbp.data.events import Events, Sensor
from lava_nbp.data.options import BINS, check_taps
from lava_nbp.errors import InputError

#: Times are a few roundings away from what they mean: 0.3 ms is the beginning of the fourth bin of 0.1 ms.
_ROUNDING = 1 + 1e-15
#: Of an event while it is sorted: a time, a unit, and where it goes.
_EVENT_BYTES = 40


def group_units(events: Events, sensor: Sensor, group: int) -> Events:
    """Neighbouring units as one, which has the events of all: group channels of a row, group x group pixels of a plane.

    Pixel (y, x) becomes (y // group, x // group); what is left at the ends is a smaller group.

    Raises
    ------
    InputError
        For a group that is not 1 .. the longer side of the sensor, or a sensor of fewer units.
    """
    planes, height, width = sensor
    check_integer(group, 1, max(height, width), "data.group", f"the sensor has {height} x {width} units")
    if events.n_units > planes * height * width:
        raise InputError(
            f"events are of {events.n_units} units, but the sensor has {planes} x {height} x {width}; give theirs"
        )
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


def delay_lines(events: Events, taps: tuple[float, ...]) -> Events:
    """Every event again `taps` ms later: that of unit u over tap k is one of unit k n_units + u.

    A neuron behind them sees what was, beside what is. Without taps events stay as they are; of those at the same time
    the one of the earlier tap comes first. What would come after 1e6 ms is left out.

    Raises
    ------
    InputError
        For taps that are none, or more events or units than there may be.
    """
    taps = check_taps(taps)
    if not taps:
        return events
    n, sizes = len(taps), np.diff(events.offsets)
    check_memory(_EVENT_BYTES * n * len(events.times), f"{n} taps of {len(events.times)} events", "use fewer taps")
    offsets = n * events.offsets
    first = np.repeat(offsets[:-1] - events.offsets[:-1], sizes) + np.arange(len(events.times))
    times, units = np.empty(offsets[-1]), np.empty(offsets[-1], dtype=np.int64)
    for k, tap in enumerate(taps):
        at = first + k * np.repeat(sizes, sizes)
        times[at], units[at] = events.times + tap, events.units + k * events.n_units
    kept = times <= LATEST
    times, units, offsets = times[kept], units[kept], without_entries(offsets, kept)
    order = order_within(offsets, times)
    if order is not None:
        times, units = times[order], units[order]
    return Events(times, units, offsets, n * events.n_units)
