"""Data sets of experiments whose samples are times of spikes: one spike per input, or events."""

from __future__ import annotations

from dataclasses import asdict

from lava_nbp.data import find_data_set, load_event_dataset, load_latency_dataset
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.latency_dataset import LatencyDataset
from lava_nbp.errors import ConfigError
from lava_nbp.training.config import EncodingConfig, EventDataConfig


def load_timed_dataset(data: EventDataConfig, encoding: EncodingConfig) -> LatencyDataset | EventDataset:
    """Load what [data] and [encoding] say.

    Raises
    ------
    DataError, InputError
        See `load_latency_dataset` and `load_event_dataset`.
    ConfigError
        For events that come after the end of a trial.
    """
    name, options = data.name, asdict(data.options)
    if "events" not in find_data_set(name).forms:
        return load_latency_dataset(name, encoding, shift=data.shift, **options)
    if encoding.late > encoding.end:
        raise ConfigError(
            f"encoding.late is {encoding.late:g} ms, but a trial ends after {encoding.end:g} ms (encoding.end): events "
            f"must not come later; make late smaller, or end larger"
        )
    return load_event_dataset(name, encoding, data.augmentation, **options)
