"""A data set as events: as they are, or in bins, groups and delay lines, and changed at random in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_kind
from lava_nbp.base.fields import settle
from lava_nbp.data.augmentation import AugmentedTraining, EventAugmentation
from lava_nbp.data.encodings import Encoding
from lava_nbp.data.event_maps import bin_times, delay_lines, group_units
from lava_nbp.data.events import Events, EventSamples, EventSplit, Sensor, check_parts
from lava_nbp.data.options import DataOptions, data_options
from lava_nbp.data.samples import hold_back, limit, of_epoch
from lava_nbp.data.sets import find_data_set
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class EventDataset:
    """Three disjoint splits, the names of the classes, and where the samples come from, as `Dataset.source`.

    `augmented` makes the training samples of an epoch, if they are not the same in all.
    """

    name: str
    source: str
    train: EventSplit
    validation: EventSplit
    test: EventSplit
    classes: tuple[str, ...]
    augmented: AugmentedTraining | None = None

    def __post_init__(self) -> None:
        settle(self, "data set", InputError)
        check_parts({"train": self.train, "validation": self.validation, "test": self.test}, len(self.classes))

    @property
    def n_in(self) -> int:
        """Inputs: units of the events."""
        return self.train.events.n_units

    def train_of_epoch(self, seed: int, epoch: int) -> EventSplit:
        """The training samples of an epoch: augmented, or the same in all.

        Raises
        ------
        InputError
            For a seed or an epoch that is no integer of 0 .. 2**63 - 1.
        """
        split: EventSplit = of_epoch(self.train, self.augmented, seed, epoch)
        return split


def load_event_dataset(
    name: str, encoding: Encoding | None = None, augmentation: EventAugmentation | None = None, **options: Any
) -> EventDataset:
    """Load a data set of events: split, groups, bins, taps, the window; in this order.

    Parameters
    ----------
    name : str
        Which: an entry of `lava_nbp.data.DATA_SETS` whose samples are events.
    encoding : Encoding, optional
        The window: events are moved to begin with its `early`, and those after its `late` are left out.
    augmentation : EventAugmentation, optional
        How training samples differ from epoch to epoch, before anything else is done with them: see
        `EventDataset.train_of_epoch`. Validation and test samples stay, and so does `train`.
    **options
        Keys of `DataOptions`.

    Raises
    ------
    DataError
        A missing, truncated or corrupt file.
    InputError
        A data set without events, an option that means nothing for it, a split, a group or an augmentation that it does
        not allow, or a bias.
    """
    asked = data_options(options)
    entry = find_data_set(name, "events")
    if encoding is not None:
        check_kind(encoding, Encoding, "encoding")
        if encoding.bias is not None:
            raise InputError(
                f"bias is {encoding.bias:g} ms, but samples that are events have no bias spike; leave it out"
            )
    if augmentation is not None:
        check_kind(augmentation, EventAugmentation, "augmentation")
    samples = entry.read_events(asked)
    train, validation, test = _split(name, samples, asked)
    show = partial(_shown, samples.layout, asked, encoding)
    augmented = None
    if augmentation not in (None, EventAugmentation()):
        augmented = AugmentedTraining(train, samples.layout, augmentation, show)
    train, validation, test = (replace(part, events=show(part.events)) for part in (train, validation, test))
    return EventDataset(name, samples.source, train, validation, test, samples.classes, augmented)


def _split(name: str, samples: EventSamples, options: DataOptions) -> tuple[EventSplit, EventSplit, EventSplit]:
    """Training, validation and test samples, disjoint."""
    own = samples.validation
    kept, held = hold_back(len(samples.train), 0 if own is not None else options.validation, name)
    if own is not None:
        held = np.arange(limit("validation", options.validation, len(own), name))
    n_train = limit("train", options.train, len(kept), name)
    n_test = limit("test", options.test, len(samples.test), name)
    return (
        samples.train.take(kept[:n_train]),
        (samples.train if own is None else own).take(held),
        samples.test.take(np.arange(n_test)),
    )


def _shown(sensor: Sensor, options: DataOptions, encoding: Encoding | None, events: Events) -> Events:
    """What a network gets of events."""
    events = group_units(events, sensor, options.group)
    if options.bin is not None:
        events = bin_times(events, options.bin)
    events = delay_lines(events, options.taps)
    return events if encoding is None else events.moved(encoding.early, encoding.late)
