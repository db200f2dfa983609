"""Events that are changed at random: by hand with what was drawn, and what holds for any draw."""

import numpy as np
import pytest
from event_samples import drawn_events, same_events
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.data import EventAugmentation, Events
from lava_nbp.data.augmentation import AugmentedTraining
from lava_nbp.data.events import EventSplit
from lava_nbp.errors import InputError

ROW = (1, 1, 5)
NAMES = ("times", "units", "offsets")


def generators(seed, epoch):
    """Of stretch, time_shift, jitter and shift: the documented draws."""
    return np.random.default_rng([seed, epoch, 2]).spawn(4)


def two():
    return Events([1.0, 5.0, 9.0, 2.0, 2.0], [0, 4, 2, 3, 1], [0, 3, 3, 5], 5)


def test_stretch_by_hand():
    factors = generators(3, 7)[0].uniform(0.5, 2.0, 3)
    found = EventAugmentation(stretch=(0.5, 2.0)).of_epoch(two(), ROW, 3, 7)
    assert found.times.tolist() == [1.0 * factors[0], 5.0 * factors[0], 9.0 * factors[0], *[2.0 * factors[2]] * 2]
    assert found.units.tolist() == two().units.tolist()
    twice = EventAugmentation(stretch=(2.0, 2.0)).of_epoch(two(), ROW, 0, 1)
    assert twice.times.tolist() == [2.0, 10.0, 18.0, 4.0, 4.0]


def test_time_shift_by_hand():
    """What comes before 0 is left out."""
    left = 0
    for epoch in range(10):
        by = generators(0, epoch)[1].uniform(-4.0, 4.0, 3)
        found = EventAugmentation(time_shift=4).of_epoch(two(), ROW, 0, epoch)
        first, last = np.array([1.0, 5.0, 9.0]) + by[0], np.array([2.0, 2.0]) + by[2]
        assert found.times.tolist() == [*first[first >= 0], *last[last >= 0]]
        assert found.offsets.tolist() == [0, (first >= 0).sum(), (first >= 0).sum(), len(found.times)]
        left += 5 - len(found.times)
    assert left > 0


def test_jitter_by_hand():
    """Every event by its own, and sorted again."""
    swapped = 0
    for epoch in range(10):
        noise = generators(0, epoch)[2].normal(0.0, 3.0, 5)
        found = EventAugmentation(jitter=3.0).of_epoch(two(), ROW, 0, epoch)
        expected = []
        for begin, end in ((0, 3), (3, 3), (3, 5)):
            events = zip(two().times[begin:end] + noise[begin:end], two().units[begin:end], strict=True)
            expected.append(sorted((t, u) for t, u in events if t >= 0))
        assert list(zip(found.times, found.units, strict=True)) == [e for sample in expected for e in sample]
        assert np.diff(found.offsets).tolist() == [len(sample) for sample in expected]
        swapped += found.units.tolist() != two().units.tolist()
    assert swapped > 0


def test_shift_of_channels_by_hand():
    moved = set()
    for epoch in range(20):
        by = generators(1, epoch)[3].integers(-2, 3, (3, 2))[:, 1]
        found = EventAugmentation(shift=2).of_epoch(two(), ROW, 1, epoch)
        first = [(t, u + by[0]) for t, u in ((1.0, 0), (5.0, 4), (9.0, 2)) if 0 <= u + by[0] < 5]
        last = [(t, u + by[2]) for t, u in ((2.0, 3), (2.0, 1)) if 0 <= u + by[2] < 5]
        assert list(zip(found.times, found.units, strict=True)) == first + last
        moved.add(by[0])
    assert moved == {-2, -1, 0, 1, 2}


def test_shift_of_pixels_by_hand():
    """Two planes of 3 x 4: nothing passes from a line, or a plane, to the next."""
    sensor, pixels = (2, 3, 4), Events(np.arange(24.0), np.arange(24), [0, 24], 24)
    for epoch in range(20):
        down, right = generators(1, epoch)[3].integers(-2, 3, (1, 2))[0]
        found = EventAugmentation(shift=2).of_epoch(pixels, sensor, 1, epoch)
        images = np.full((2, 3, 4), -1.0)
        images.ravel()[found.units] = found.times
        expected = np.full((2, 3, 4), -1.0)
        for plane, y, x in np.ndindex(2, 3, 4):
            if 0 <= y + down < 3 and 0 <= x + right < 4:
                expected[plane, y + down, x + right] = (plane * 3 + y) * 4 + x
        assert np.array_equal(images, expected)
    column = Events([0.0, 1.0, 2.0], [0, 1, 2], [0, 3], 3)
    down = generators(1, 0)[3].integers(-1, 2, (1, 2))[0, 0]
    found = EventAugmentation(shift=1).of_epoch(column, (1, 3, 1), 1, 0)
    assert found.units.tolist() == [u + down for u in range(3) if 0 <= u + down < 3]


def test_each_draws_its_own():
    """What one key draws does not depend on the others."""
    events = drawn_events(5, samples=30)
    stretch = EventAugmentation(stretch=(0.5, 1.5)).of_epoch(events, ROW, 0, 1)
    both = EventAugmentation(stretch=(0.5, 1.5), shift=2).of_epoch(events, ROW, 0, 1)
    alone = EventAugmentation(shift=2).of_epoch(events, ROW, 0, 1)
    assert set(both.times) <= set(stretch.times)
    assert np.array_equal(both.units, alone.units)


def test_as_often_as_it_says():
    """Means and spreads of 4000 samples of one event; 5 standard errors."""
    n = 4000
    events = Events(np.full(n, 100.0), np.full(n, 2), np.arange(n + 1), 5)

    def times(**keys):
        return EventAugmentation(**keys).of_epoch(events, ROW, 0, 1).times

    assert abs(times(stretch=(0.8, 1.4)).mean() - 110) < 5 * 60 / 12**0.5 / n**0.5
    assert abs(times(time_shift=30).mean() - 100) < 5 * 60 / 12**0.5 / n**0.5
    assert abs(times(jitter=4).std() - 4) < 5 * 4 / (2 * n) ** 0.5
    counts = np.bincount(EventAugmentation(shift=1).of_epoch(events, ROW, 0, 1).units, minlength=5)
    assert (counts[[0, 4]] == 0).all()
    assert (abs(counts[1:4] - n / 3) < 5 * (n * 2 / 9) ** 0.5).all()


SENSORS = (ROW, (2, 3, 4), (1, 4, 1), (3, 1, 1))
KEYS = st.fixed_dictionaries(
    {
        "stretch": st.sampled_from([(1.0, 1.0), (0.5, 1.5), (2.0, 2.0)]),
        "time_shift": st.sampled_from([0.0, 5.0]),
        "jitter": st.sampled_from([0.0, 2.0]),
        "shift": st.integers(0, 2),
    }
)


@given(st.integers(0, 2**32), st.sampled_from(SENSORS), KEYS, st.integers(0, 2**63 - 1), st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_what_holds_for_any_draw(data_seed, sensor, keys, seed, epoch):
    """Sorted, in range, nothing invented; the same again; neutral keys change nothing. `Events` checks its order."""
    events, augmentation = drawn_events(data_seed, sensor), EventAugmentation(**keys)
    before = tuple(getattr(events, name).copy() for name in NAMES)
    found = augmentation.of_epoch(events, sensor, seed, epoch)
    assert same_events(found, augmentation.of_epoch(events, sensor, seed, epoch))
    assert all(np.array_equal(a, getattr(events, n)) for a, n in zip(before, NAMES, strict=True))
    assert len(found) == len(events)
    assert (np.diff(found.offsets) <= np.diff(events.offsets)).all()
    if augmentation == EventAugmentation():
        assert same_events(found, events)
    elif augmentation == EventAugmentation(shift=keys["shift"]):
        for k in range(len(events)):  # times are some of those there were
            assert not set(found.take([k]).times) - set(events.take([k]).times)
    elif keys["shift"] == 0:
        for k in range(len(events)):
            counts = [np.bincount(e.take([k]).units, minlength=events.n_units) for e in (found, events)]
            assert (counts[0] <= counts[1]).all()


def test_epochs_and_seeds_differ():
    events, augmentation = drawn_events(1, samples=20), EventAugmentation(jitter=1.0)
    found = [augmentation.of_epoch(events, ROW, seed, epoch) for seed, epoch in ((0, 1), (0, 2), (1, 1))]
    assert not any(same_events(a, b) for a, b in ((found[0], found[1]), (found[0], found[2]), (found[1], found[2])))


def test_some_samples_of_an_epoch_are_those_of_the_epoch():
    """Whoever wants to see a few need not have all of them shown to a network."""
    split = EventSplit(drawn_events(2, samples=9), np.arange(9))
    augmentation = EventAugmentation(stretch=(0.5, 2.0), time_shift=3.0, jitter=1.0, shift=1)
    shown = []
    training = AugmentedTraining(split, ROW, augmentation, lambda events: shown.append(len(events)) or events)
    some = training.of_epoch(3, 2, [7, 1])
    assert same_events(some.events, training.of_epoch(3, 2).events.take([7, 1]))
    assert some.y.tolist() == [7, 1]
    assert shown == [2, 9]


def test_times_stay_in_range():
    """A quarter of an hour is the latest that there is."""
    events = Events([1.0, 9e5], [0, 1], [0, 2], 5)
    assert EventAugmentation(stretch=(2.0, 2.0)).of_epoch(events, ROW, 0, 1).times.tolist() == [2.0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"stretch": 2.0}, "augmentation: stretch is 2.0, but must be a tuple of 2"),
        ({"stretch": (1.0, 1.0, 1.0)}, "stretch is .*, but must be a tuple of 2"),
        ({"stretch": (1.2, 0.8)}, r"stretch is \(1.2, 0.8\), but must be the smallest and the largest"),
        ({"stretch": (0.0, 1.0)}, r"stretch is 0.0, but must be in 0.001 \.\. 1000"),
        ({"stretch": (1.0, np.inf)}, "stretch is"),
        ({"stretch": (1.0, 1e4)}, "stretch is 10000.0"),
        ({"time_shift": -1}, r"time_shift is -1.0, but must be in 0 \.\. 1e\+06; it is in ms"),
        ({"jitter": np.nan}, "jitter is nan"),
        ({"jitter": "2"}, "jitter is '2'"),
        ({"shift": -1}, "shift is -1, but must be an integer of 0 or more; it is a number of channels or pixels"),
        ({"shift": 1.5}, "shift is 1.5"),
    ],
)
def test_what_is_refused(keys, message):
    with pytest.raises(InputError, match=message):
        EventAugmentation(**keys)


def test_what_a_sensor_refuses(monkeypatch):
    split = EventSplit(two(), [0, 1, 0])
    for sensor, most in ((ROW, 4), ((1, 5, 1), 4), ((5, 1, 1), 0)):
        AugmentedTraining(split, sensor, EventAugmentation(shift=most), lambda events: events)
        with pytest.raises(InputError, match=rf"shift is {most + 1}, but .* in 0 \.\. {most}; the sensor"):
            AugmentedTraining(split, sensor, EventAugmentation(shift=most + 1), lambda events: events)
    with pytest.raises(InputError, match="augmentation is 3"):
        AugmentedTraining(split, ROW, 3, lambda events: events)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-7")
    with pytest.raises(InputError, match="5 events, changed anew in every epoch, needs some 400 bytes"):
        AugmentedTraining(split, ROW, EventAugmentation(jitter=1), lambda events: events)
