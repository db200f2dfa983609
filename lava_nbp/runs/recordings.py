"""What figures and reports show of a data set of events, whatever learns it: recordings, how many events, changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.events import EventSplit
from lava_nbp.eventprop.result import Result
from lava_nbp.seeing import events_plot
from lava_nbp.training.run import Run
from lava_nbp.training.sections import Drawing, Table

#: Names of the figures.
EVENT_FIGURES = ("recordings", "event_counts", "augmentation", "neuron_rates")
_SPLITS = ("train", "validation", "test")
#: Training recordings of which is shown what an epoch makes of them, each of another class; and which epoch.
_CHANGED, _EPOCH = 3, 1


def event_drawings(run: Run) -> dict[str, Drawing]:
    """Figures of the run's recordings, by name; none if its samples are no events."""
    data = run.learner.dataset
    if not isinstance(data, EventDataset):
        return {}
    found = {
        "recordings": Drawing(
            lambda path: events_plot.recordings(data.test, data.classes, path, f"{run.name}: test set"),
            "The first recording of every class, as the network gets it.",
        ),
        "event_counts": Drawing(
            lambda path: events_plot.event_counts(
                {split: getattr(data, split) for split in _SPLITS}, data.classes, path, run.name
            ),
            "Events of a recording, of an input, and of an input by class.",
        ),
    }
    if data.augmented is not None:
        found["augmentation"] = Drawing(
            lambda path: _changed(run, data, path), "Training recordings, and what an epoch makes of them."
        )
    if len(run.inference.spikes):
        found["neuron_rates"] = Drawing(
            lambda path: _rates(run, path), "How often neurons spike while the test set is answered."
        )
    return found


def _changed(run: Run, data: EventDataset, path: Path) -> Path:
    assert data.augmented is not None
    _, first = np.unique(data.train.y, return_index=True)
    samples = first[:_CHANGED]
    after = data.augmented.of_epoch(run.config.seed, _EPOCH, samples)
    return events_plot.changed_events(
        data.train.events.take(samples), after.events, samples.tolist(), path, f"{run.name}: training set",
        f"as epoch {_EPOCH} has it",
    )  # fmt: skip


def _rates(run: Run, path: Path) -> Path:
    """Of all layers that spike."""
    spikes = run.inference.spikes
    names = [f"hidden {k}" if len(spikes) > 2 else "hidden" for k in range(1, len(spikes))] + ["output"]
    layers = dict(zip(names, spikes, strict=True))
    if isinstance(run.inference.said, Result) and run.inference.said.voltages:
        del layers["output"]  # it only integrates
    return events_plot.neuron_rates(layers, len(run.inference.classes), path, f"{run.name}: test set")


def event_table(run: Run) -> Table | None:
    """Recordings and events of every split; None if the samples are no events."""
    data = run.learner.dataset
    if not isinstance(data, EventDataset):
        return None
    head = "split", "recordings", "fewest events", "mean", "most", "last event (ms)", "inputs without an event"
    parts = {split: getattr(data, split) for split in _SPLITS}
    return Table([(name, *_row(part)) for name, part in parts.items() if len(part)], head)


def _row(split: EventSplit) -> tuple[float, ...]:
    events = split.events
    sizes = np.diff(events.offsets)
    silent = events.n_units - len(np.unique(events.units))
    last = float(f"{events.times.max(initial=0.0):.6g}")
    return len(split), int(sizes.min()), round(float(sizes.mean()), 1), int(sizes.max()), last, silent
