"""Groups and bins: by hand, and against loops over single events."""

import numpy as np
import pytest
from event_samples import drawn_events, same_events
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.data import Events
from lava_nbp.data.event_maps import bin_times, delay_lines, group_units
from lava_nbp.errors import InputError


def test_groups_by_hand():
    channels = Events([0.0, 1.0, 2.0, 3.0], [0, 1, 2, 4], [0, 4], 5)
    grouped = group_units(channels, (1, 1, 5), 2)
    assert (grouped.units.tolist(), grouped.n_units) == ([0, 0, 1, 2], 3)
    assert group_units(channels, (1, 1, 5), 5).units.tolist() == [0, 0, 0, 0]
    # Two planes of 2 x 3 pixels: blocks of 2 x 2 leave a column, so that a plane has two units.
    pixels = Events(np.zeros(12), np.arange(12), [0, 12], 12)
    grouped = group_units(pixels, (2, 2, 3), 2)
    assert grouped.units.tolist() == [0, 0, 1, 0, 0, 1, 2, 2, 3, 2, 2, 3]
    assert grouped.n_units == 4
    assert group_units(pixels, (2, 2, 3), 1) is pixels
    for group in (0, 4, 1.5, True):
        with pytest.raises(InputError, match=r"data.group is .* integer in 1 \.\. 3; the sensor has 2 x 3 units"):
            group_units(pixels, (2, 2, 3), group)


def test_bins_by_hand():
    """Two events of unit 1 in a bin are one; the same bin of the next sample is another."""
    events = Events([0.0, 0.4, 0.9, 0.9, 2.5, 0.0, 0.1, 7.0], [2, 1, 1, 0, 1, 1, 1, 0], [0, 5, 5, 8], 3)
    binned = bin_times(events, 1.0)
    assert binned.times.tolist() == [0.0, 0.0, 0.0, 2.0, 0.0, 7.0]
    assert binned.units.tolist() == [0, 1, 2, 1, 1, 0]
    assert binned.offsets.tolist() == [0, 4, 4, 6]
    assert bin_times(events, 1e6).times.tolist() == [0.0] * 5
    none = bin_times(Events([], [], [0, 0, 0], 3), 1.0)
    assert (len(none), len(none.times)) == (2, 0)
    for width in (0, -1, 1e-4, 1e7, np.nan, "1", None):
        with pytest.raises(InputError, match=r"data.bin is .* 0.001 \.\. 1e\+06; it is in ms"):
            bin_times(events, width)


def test_edges_of_bins_that_no_float_holds():
    """0.3 ms is the fourth bin of 0.1 ms, though 0.3 / 0.1 is 2.9999999999999996."""
    times = np.arange(1001) / 10
    binned = bin_times(Events(times, np.zeros(1001, int), [0, 1001], 1), 0.1)
    assert np.array_equal(np.rint(binned.times * 10), np.arange(1001))
    microseconds = bin_times(Events(np.arange(3000) / 1e3, np.zeros(3000, int), [0, 3000], 1), 0.025)
    assert len(microseconds.times) == 120


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.7, 1.0, 3.0, 50.0]))
@settings(max_examples=80, deadline=None)
def test_bins_as_a_loop(seed, width):
    events = drawn_events(seed)
    binned = bin_times(events, width)
    for k in range(len(events)):
        one, found = events.take([k]), binned.take([k])
        bins = [int(np.floor(t / width * (1 + 1e-15))) for t in one.times]
        expected = sorted(set(zip(bins, one.units, strict=True)))
        assert list(zip(found.times.tolist(), found.units.tolist(), strict=True)) == [
            (b * width, u) for b, u in expected
        ]
        assert (found.times <= one.times.max(initial=0) * (1 + 1e-12)).all()
    assert same_events(bin_times(binned, width), binned)


@given(st.integers(0, 2**32), st.sampled_from([(1, 1, 7), (2, 3, 4), (1, 5, 1)]), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_groups_as_a_loop(seed, sensor, group):
    """Events that are one unit after grouping lie in one block; times and samples stay."""
    events = drawn_events(seed, sensor)
    grouped = group_units(events, sensor, group)
    assert np.array_equal(grouped.times, events.times)
    assert np.array_equal(grouped.offsets, events.offsets)
    planes, height, width = sensor
    rows, columns = -(-height // group), -(-width // group)
    assert grouped.n_units == planes * rows * columns
    for before, after in zip(events.units.tolist(), grouped.units.tolist(), strict=True):
        plane, y, x = before // (height * width), before // width % height, before % width
        assert after == (plane * rows + y // group) * columns + x // group


def test_delay_lines_by_hand():
    """Two units, two samples: the second tap's events are those of units 2 and 3, and are sorted in."""
    events = Events([0.0, 5.0, 5.0, 1.0], [0, 1, 0, 1], [0, 3, 4], 2)
    lined = delay_lines(events, (0.0, 5.0))
    assert lined.times.tolist() == [0.0, 5.0, 5.0, 5.0, 10.0, 10.0, 1.0, 6.0]
    assert lined.units.tolist() == [0, 1, 0, 2, 3, 2, 1, 3]
    assert (lined.offsets.tolist(), lined.n_units) == ([0, 6, 8], 4)
    assert delay_lines(events, ()) is events
    alone = delay_lines(events, (2.5,))
    assert (alone.times.tolist(), alone.units.tolist()) == ((events.times + 2.5).tolist(), events.units.tolist())
    assert delay_lines(Events([999_999.0], [0], [0, 1], 1), (0.0, 2.0)).times.tolist() == [999_999.0]
    for taps, message in (
        ((3.0, 3.0), "each must be larger than the last"), ((-1.0,), "a tap of data.taps is -1.0"),
        ((float("nan"),), "a tap of data.taps is nan"), (3.0, "data.taps"),
        (list(range(300)), "data.taps are 300, but must be 256 at most"), (("1",), "a tap of data.taps is '1'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            delay_lines(events, taps)


@pytest.mark.parametrize("seed", range(5))
def test_delay_lines_as_a_loop(seed):
    """Sample by sample, event by event."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 6, 7)
    times = np.concatenate([np.sort(rng.integers(0, 30, size)).astype(float) for size in sizes])
    events = Events(times, rng.integers(0, 4, len(times)), np.concatenate([[0], np.cumsum(sizes)]), 4)
    taps = tuple(np.sort(rng.choice(40, 3, replace=False)).astype(float))
    lined = delay_lines(events, taps)
    assert lined.n_units == 12
    for sample in range(7):
        mine, theirs = events.take([sample]), lined.take([sample])
        expected = sorted(
            (t + tap, k, m, 4 * k + u)
            for k, tap in enumerate(taps)
            for m, (t, u) in enumerate(zip(mine.times.tolist(), mine.units.tolist(), strict=True))
        )
        found = list(zip(theirs.times.tolist(), theirs.units.tolist(), strict=True))
        assert found == [(t, u) for t, _, _, u in expected]
