"""Data sets of events: splits, windows, bins and groups, and training samples that change."""

import numpy as np
import pytest
from event_samples import drawn_events, same_events

from lava_nbp.data import (
    DATA_SETS,
    DataSet,
    Encoding,
    EventAugmentation,
    Events,
    EventSamples,
    EventSplit,
    load_dataset,
    load_event_dataset,
    load_latency_dataset,
)
from lava_nbp.data.event_maps import bin_times, group_units
from lava_nbp.data.events import join_events
from lava_nbp.data.identity import identity_of
from lava_nbp.errors import InputError


def made_up(options):
    rng = np.random.default_rng(0)

    def part(n):
        y = np.arange(n) % 2
        return EventSplit(join_events([(np.sort(rng.uniform(0, 50, 5)), np.full(5, k)) for k in y], 2), y)

    return EventSamples(part(20), part(10), ("left", "right"), source="generated")


def test_a_made_up_data_set():
    entry = DataSet("made_up", made_up, options=frozenset(), shape=(1, 2), classes=2, forms=("events",))
    with DATA_SETS.registered(entry):
        data = load_event_dataset("made_up", validation=4, train=10, test=6)
        assert (len(data.train), len(data.validation), len(data.test), data.n_in) == (10, 4, 6, 2)
        assert (data.name, data.source, data.classes) == ("made_up", "generated", ("left", "right"))
        for split in (data.train, data.validation, data.test):
            assert (split.events.counts(1, 50.0).argmax(axis=1) == split.y).all()
        every = load_event_dataset("made_up")
        assert (len(every.train), len(every.validation)) == (20, 0)
        held = data.validation.events.times
        assert np.isin(held, every.train.events.times).all()
        assert not np.isin(held, data.train.events.times).any()
        for bad, message in (
            ({"validation": 20}, "data.validation is 20, but made_up has 20 training samples"),
            ({"test": 11}, "data.test is 11, but made_up has 10 such samples"), ({"crop": 1}, "data.crop is 1"),
        ):  # fmt: skip
            with pytest.raises(InputError, match=message):
                load_event_dataset("made_up", **bad)
        with pytest.raises(InputError, match="data.name is 'made_up', whose samples become events, not bits"):
            load_dataset("made_up")
        with pytest.raises(InputError, match="whose samples become events, not spike times"):
            load_latency_dataset("made_up", Encoding(0.0, 1.0))
    with pytest.raises(InputError, match="data.name is 'digits', whose samples become .* spike times, not events"):
        load_event_dataset("digits")


def test_a_window():
    """Moved by 10 ms, and cut off at 40: in every split; and the arrays tell them apart."""
    with DATA_SETS.registered(DataSet("made_up", made_up, options=frozenset(), forms=("events",))):
        whole, part = load_event_dataset("made_up"), load_event_dataset("made_up", Encoding(10.0, 40.0))
        for split in ("train", "test"):
            before, after = getattr(whole, split).events, getattr(part, split).events
            assert np.array_equal(after.times, before.times[before.times <= 30.0] + 10.0)
            assert 0 < len(after.times) < len(before.times)
        assert identity_of(whole) != identity_of(part) != identity_of(load_event_dataset("made_up", validation=1))
        assert identity_of(whole) == identity_of(load_event_dataset("made_up"))
        with pytest.raises(InputError, match="bias is 3 ms, but samples that are events have no bias spike"):
            load_event_dataset("made_up", Encoding(0.0, 40.0, bias=3.0))
        with pytest.raises(InputError, match="encoding is 5"):
            load_event_dataset("made_up", 5)


def test_own_validation_samples():
    samples = made_up(None)
    own = EventSamples(samples.train, samples.test, samples.classes, samples.test)
    with DATA_SETS.registered(DataSet("own", lambda options: own, options=frozenset(), forms=("events",))):
        data = load_event_dataset("own", validation=3)
        assert (len(data.train), len(data.validation)) == (20, 3)
        assert np.array_equal(data.validation.events.times, samples.test.take(range(3)).events.times)
        with pytest.raises(InputError, match="data.validation is 11"):
            load_event_dataset("own", validation=11)


def test_entries_and_loaders_that_are_refused():
    with pytest.raises(InputError, match="samples that are events have no other form"):
        DataSet("mine", made_up, forms=("events", "times"))
    wrong = {
        "its loader returns tuple, not EventSamples": {"load": lambda options: (1, 2)},
        r"its entry says shape = \(1, 3\), but its loader gives \(1, 2\)": {"load": made_up, "shape": (1, 3)},
        "its entry says classes = 3, but its loader gives 2": {"load": made_up, "classes": 3},
    }
    for message, options in wrong.items():
        with (
            DATA_SETS.registered(DataSet("mine", forms=("events",), options=frozenset(), **options)),
            pytest.raises(InputError, match=message),
        ):
            load_event_dataset("mine")


SENSOR = (2, 3, 4)


def camera(options):
    """24 and 10 samples of a small event camera."""
    parts = (EventSplit(drawn_events(k, SENSOR, samples=n), np.arange(n) % 2) for k, n in ((0, 24), (1, 10)))
    return EventSamples(*parts, ("left", "right"), source="generated", sensor=SENSOR)


@pytest.fixture
def registered():
    with DATA_SETS.registered(DataSet("camera", camera, options=frozenset(), forms=("events",))):
        yield


@pytest.mark.usefixtures("registered")
def test_groups_bins_and_the_window_by_hand():
    """On the recording's own clock: a bin begins `early` ms later than it does there."""
    events = Events([0.0, 1.9, 2.0, 3.9, 3.9, 7.0], [0, 1, 5, 23, 22, 2], [0, 6], 24)

    def one(options):
        split = EventSplit(events, [0])
        return EventSamples(split, split, ("one",), sensor=SENSOR)

    with DATA_SETS.registered(DataSet("one", one, options=frozenset(), forms=("events",))):
        found = load_event_dataset("one", Encoding(1.0, 6.0), bin=2, group=2).train.events
    assert (found.times.tolist(), found.units.tolist()) == ([1.0, 3.0, 3.0], [0, 0, 7])
    assert found.n_units == 8
    data = load_event_dataset("camera", bin=2.0, group=2)
    for split, part in (("train", camera(None).train), ("test", camera(None).test)):
        expected = bin_times(group_units(part.events, SENSOR, 2), 2.0)
        assert same_events(getattr(data, split).events, expected)
        assert np.array_equal(getattr(data, split).y, part.y)
    assert data.n_in == 8
    assert identity_of(data) != identity_of(load_event_dataset("camera"))


@pytest.mark.usefixtures("registered")
def test_training_samples_of_an_epoch():
    """Changed first, then shown as the others are; the others stay; and so they do without an augmentation."""
    augmentation = EventAugmentation(stretch=(0.8, 1.2), jitter=0.5, shift=1)
    asked = {"validation": 4, "train": 15, "bin": 1.0, "group": 2}
    data, plain = (load_event_dataset("camera", Encoding(2.0, 15.0), a, **asked) for a in (augmentation, None))
    for split in ("train", "validation", "test"):
        assert same_events(getattr(data, split).events, getattr(plain, split).events)
    raw = load_event_dataset("camera", validation=4, train=15).train.events
    found = data.train_of_epoch(3, 2)
    expected = bin_times(group_units(augmentation.of_epoch(raw, SENSOR, 3, 2), SENSOR, 2), 1.0).moved(2.0, 15.0)
    assert same_events(found.events, expected)
    assert np.array_equal(found.y, data.train.y)
    assert not same_events(found.events, data.train.events)
    assert same_events(data.train_of_epoch(3, 2).events, found.events)
    assert plain.augmented is None
    assert plain.train_of_epoch(3, 2) is plain.train
    assert load_event_dataset("camera", augmentation=EventAugmentation()).augmented is None
    for seed, epoch in ((-1, 1), (0, 2**63), (0, 1.5)):
        with pytest.raises(InputError, match="seed is|epoch is"):
            data.train_of_epoch(seed, epoch)


@pytest.mark.usefixtures("registered")
def test_what_moves_in_was_cut_off():
    """A window leaves out what a shorter recording brings in."""
    augmentation = EventAugmentation(stretch=(0.5, 0.5))
    data = load_event_dataset("camera", Encoding(0.0, 10.0), augmentation)
    whole = load_event_dataset("camera").train.events
    assert len(data.train_of_epoch(0, 1).events.times) == len(whole.times) > len(data.train.events.times)


@pytest.mark.usefixtures("registered")
def test_options_that_the_samples_refuse():
    for options, message in (
        ({"group": 5}, r"data.group is 5, but must be an integer in 1 \.\. 4; the sensor has 3 x 4 units"),
        ({"augmentation": EventAugmentation(shift=3)}, r"shift is 3, but must be an integer in 0 \.\. 2"),
        ({"augmentation": {"shift": 3}}, "augmentation is .*, but must be a EventAugmentation"),
        ({"bin": 0}, "data.bin is 0"),
    ):
        with pytest.raises(InputError, match=message):
            load_event_dataset("camera", **options)
    for options, message in (({"bin": 1.0}, "data.bin is 1.0"), ({"group": 2}, "data.group is 2")):
        with pytest.raises(InputError, match=f"{message}, but means nothing for the data set digits"):
            load_dataset("digits", **options)
