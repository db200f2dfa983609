"""Events: values by hand, splits, and a made-up data set of them."""

import math

import numpy as np
import pytest
from event_samples import drawn_events
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.data import (
    Events,
    EventSamples,
    EventSplit,
)
from lava_nbp.data.events import join_events
from lava_nbp.errors import InputError


def three():
    """Two events, none, and three of which two are at once."""
    return Events([0.0, 4.0, 1.0, 1.0, 9.5], [2, 0, 1, 1, 0], [0, 2, 2, 5], 3)


def test_samples_by_hand():
    events = three()
    assert (len(events), events.times.dtype, events.units.dtype) == (3, np.float64, np.int64)
    chosen = events.take([2, 0])
    assert chosen.times.tolist() == [1.0, 1.0, 9.5, 0.0, 4.0]
    assert chosen.units.tolist() == [1, 1, 0, 2, 0]
    assert chosen.offsets.tolist() == [0, 3, 5]
    assert len(events.take([])) == 0
    early = events.until(4.0)
    assert early.times.tolist() == [0.0, 4.0, 1.0, 1.0]
    assert early.offsets.tolist() == [0, 2, 2, 4]
    # Bins of 5 ms: unit 0 first. What is at the end belongs to the last bin, what is later to none.
    assert events.counts(2, 10.0).tolist() == [[1, 0, 0, 0, 1, 0], [0] * 6, [0, 1, 2, 0, 0, 0]]
    assert events.counts(2, 9.5)[2].tolist() == [0, 1, 2, 0, 0, 0]
    assert events.counts(1, 1.0).tolist() == [[0, 0, 1], [0, 0, 0], [0, 2, 0]]
    joined = join_events([([0.0, 4.0], [2, 0]), ([], []), ([1.0, 1.0, 9.5], [1, 1, 0])], 3)
    for name in ("times", "units", "offsets"):
        assert np.array_equal(getattr(joined, name), getattr(events, name))


def test_in_steps_by_hand():
    """Of 2 ms: two events of unit 1 in step 1 are one spike, and 9.5 ms is nearest to a sixth step, if there is one."""
    spikes = three().in_steps(2.0, 5)
    assert (spikes.shape, spikes.dtype) == ((5, 3, 3), np.float32)
    expected = np.zeros((5, 3, 3))
    expected[0, 0, 2] = expected[2, 0, 0] = expected[1, 2, 1] = 1
    assert np.array_equal(spikes, expected)
    expected = np.zeros((6, 3, 3))
    expected[0, 0, 2] = expected[2, 0, 0] = expected[1, 2, 1] = expected[5, 2, 0] = 1
    assert np.array_equal(three().in_steps(2.0, 6), expected)
    assert three().take([]).in_steps(2.0, 3).shape == (3, 0, 3)


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.7, 1.0, 3.0]), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_in_steps_as_a_loop(seed, dt, steps):
    events = drawn_events(seed)
    expected = np.zeros((steps, len(events), events.n_units))
    for k in range(len(events)):
        one = events.take([k])
        for time, unit in zip(one.times, one.units, strict=True):
            step = math.floor(time / dt + 0.5)
            if step < steps:
                expected[step, k, unit] = 1
    assert np.array_equal(events.in_steps(dt, steps), expected)


def test_steps_that_there_are_not(monkeypatch):
    with pytest.raises(InputError, match=r"step \(ms\) is 0"):
        three().in_steps(0, 5)
    with pytest.raises(InputError, match="number of steps is 0"):
        three().in_steps(1.0, 0)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.001")
    with pytest.raises(InputError, match="3 samples in 100000 steps needs some .* of memory"):
        three().in_steps(1.0, 100_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": [2, 0, 3, 1, 0]}, r"event 0 of sample 2 is of unit 3, but units are 0 .. 2"),
        ({"units": [2, -1, 1, 1, 0]}, "event 1 of sample 0 is of unit -1"),
        ({"units": [2, 0, 1, 1]}, "events have 5 times and 4 units"),
        ({"units": [2.0, 0, 1, 1, 0]}, r"units have shape \(5,\) and dtype float64, but must be .* integers"),
        (
            {"times": [0.0, 4.0, 1.0, 0.5, 9.5]},
            "event 1 of sample 2 is at 0.5 ms, after one at 1.0 ms; sort the events",
        ),
        ({"times": [0.0, -4.0, 1.0, 1.0, 9.5]}, "event 1 of sample 0 is at -4.0 ms, but times are 0 .. 1e"),
        ({"times": [0.0, np.nan, 1.0, 1.0, 9.5]}, "event 1 of sample 0 is at nan ms"),
        ({"times": [0.0, 4.0, 1.0, 1.0, np.inf]}, "event 2 of sample 2 is at inf ms"),
        ({"times": [[0.0]]}, r"times have shape \(1, 1\)"),
        ({"times": ["0"] * 5}, "times has dtype <U1, but must hold numbers"),
        (
            {"offsets": [0, 2, 1, 5]},
            r"offsets are \[0, 2, 1, 5\], but must begin with 0, never fall",
        ),
        ({"offsets": [0, 2, 4]}, "offsets are"),
        ({"offsets": [1, 2, 5]}, "offsets are"),
        ({"offsets": []}, "offsets are"),
        ({"n_units": 0}, "events: n_units is 0"),
        ({"n_units": 2.5}, "events: n_units is 2.5"),
    ],
)
def test_events_that_are_refused(changes, message):
    good = {"times": [0.0, 4.0, 1.0, 1.0, 9.5], "units": [2, 0, 1, 1, 0], "offsets": [0, 2, 2, 5], "n_units": 3}
    with pytest.raises(InputError, match=message):
        Events(**good | changes)


def test_a_sample_may_begin_before_the_one_before_it_ends():
    assert len(Events([5.0, 1.0], [0, 0], [0, 1, 1, 2], 1)) == 3


@pytest.mark.parametrize("samples", [[3], [-1], [0.0], [[0]]])
def test_samples_that_there_are_not(samples):
    with pytest.raises(InputError, match="samples are"):
        three().take(samples)


def test_counts_that_are_refused(monkeypatch):
    for bins, end, message in (
        (0, 1.0, "bins is 0"),
        (1.5, 1.0, "bins is 1.5"),
        (1, 0, "end .* is 0"),
        (1, np.nan, "end"),
    ):
        with pytest.raises(InputError, match=message):
            three().counts(bins, end)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-6")
    with pytest.raises(InputError, match="counts of 3 samples needs some"):
        three().counts(1000, 10.0)


def test_samples_that_are_refused():
    split = EventSplit(three(), [0, 1, 0])
    with pytest.raises(InputError, match="there are no test samples; give one or more"):
        EventSamples(split, split.take([]), ("a", "b"))
    with pytest.raises(InputError, match="splits have .*'validation': 2.* units; give each as many"):
        EventSamples(split, split, ("a", "b"), EventSplit(Events([], [], [0, 0], 2), [0]))
    with pytest.raises(InputError, match="is 1"):
        EventSamples(split, split, ("one",))
    with pytest.raises(InputError, match="split: events is"):
        EventSplit([1.0], [0])
    with pytest.raises(InputError, match="must be 3 integers"):
        EventSplit(three(), [0, 1])
    for sensor in ((1, 1, 4), (0, 1, 3), (3, 3, 3)):
        with pytest.raises(InputError, match=r"the sensor has \(planes, height, width\) = .*, but there are 3 units"):
            EventSamples(split, split, ("a", "b"), sensor=sensor)
    with pytest.raises(InputError, match="samples: sensor is"):
        EventSamples(split, split, ("a", "b"), sensor=(1, 3))
    assert EventSamples(split, split, ("a", "b")).layout == (1, 1, 3)
    assert EventSamples(split, split, ("a", "b"), sensor=(1, 3, 1)).layout == (1, 3, 1)
