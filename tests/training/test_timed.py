"""Data sets of experiments as times of spikes: [data] and [encoding] reach the loader that they are for."""

import numpy as np
import pytest
from event_samples import drawn_events, same_events

from lava_nbp.data import DATA_SETS, DataSet, EventDataset, EventSamples, EventSplit, LatencyDataset
from lava_nbp.errors import ConfigError
from lava_nbp.training.config import EncodingConfig, EventDataConfig
from lava_nbp.training.timed import load_timed_dataset


@pytest.fixture
def drawn():
    """A data set of events, "drawn"."""
    split = EventSplit(drawn_events(3, samples=12), np.arange(12) % 2)
    samples = EventSamples(split, split, ("a", "b"), source="generated")
    with DATA_SETS.registered(DataSet("drawn", lambda options: samples, forms=("events",))):
        yield split


def test_images_become_times_and_are_shifted():
    data = EventDataConfig(name="digits", crop=1, train=40, test=10, shift=2)
    found = load_timed_dataset(data, EncodingConfig(early=1, late=5, bias=0, end=6))
    assert isinstance(found, LatencyDataset)
    assert (found.n_in, len(found.train), len(found.test)) == (37, 40, 10)
    times = found.train.times()
    assert times[:, :-1].min() == 1
    assert (times[:, -1] == 0).all()
    assert not np.array_equal(found.train_of_epoch(0, 1).values, found.train.values)


def test_events_stay_events_and_are_augmented(drawn):
    data = EventDataConfig(name="drawn", group=2, validation=4, jitter=0.5)
    found = load_timed_dataset(data, EncodingConfig(early=1, late=15, end=16))
    assert isinstance(found, EventDataset)
    assert (found.n_in, len(found.train), len(found.validation), len(found.test)) == (3, 8, 4, 12)
    expected = drawn.events.moved(1, 15)
    assert np.array_equal(found.test.events.times, expected.times)
    assert np.array_equal(found.test.events.units, expected.units // 2)
    assert not same_events(found.train_of_epoch(0, 1).events, found.train.events)


def test_events_after_the_end_of_a_trial(drawn):
    load_timed_dataset(EventDataConfig(name="drawn"), EncodingConfig(late=15, end=15))
    with pytest.raises(ConfigError, match=r"late is 15 ms, but a trial ends after 14 ms \(encoding.end\): events must"):
        load_timed_dataset(EventDataConfig(name="drawn"), EncodingConfig(late=15, end=14))
