"""Events: values by hand, splits, and a made-up data set of them."""

import numpy as np
import pytest

from lava_nbp.data import (
    DATA_SETS,
    DataSet,
    Encoding,
    Events,
    EventSamples,
    EventSplit,
    load_dataset,
    load_event_dataset,
    load_latency_dataset,
)
from lava_nbp.data.events import join_events
from lava_nbp.data.identity import identity_of
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
    samples = made_up(None)
    with pytest.raises(InputError, match="there are no test samples; give one or more"):
        EventSamples(samples.train, samples.test.take([]), samples.classes)
    with pytest.raises(InputError, match="splits have .*'validation': 3.* units; give each as many"):
        EventSamples(samples.train, samples.test, samples.classes, EventSplit(three(), [0, 1, 0]))
    with pytest.raises(InputError, match="is 1"):
        EventSamples(samples.train, samples.test, ("one",))
    with pytest.raises(InputError, match="split: events is"):
        EventSplit([1.0], [0])
    with pytest.raises(InputError, match="must be 3 integers"):
        EventSplit(three(), [0, 1])
