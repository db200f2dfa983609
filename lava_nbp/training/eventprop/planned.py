"""What of an EventProp experiment is planned on a chip: the network that answers, and how much it spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.data import find_data_set, input_and_classes
from lava_nbp.errors import DataError
from lava_nbp.loihi.demand import Activity
from lava_nbp.loihi.eventprop_lowering import LoweredEventProp, lower_eventprop
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.learner import EventPropLearner, compiled_clocked
from lava_nbp.training.eventprop.session import EventPropSession
from lava_nbp.training.planned import Planned

if TYPE_CHECKING:
    from lava_nbp.training.run import Run


def planned(
    config: EventPropExperiment, run: Run | None = None, inference: bool = False, told: Count = uncounted
) -> Planned:
    """The network that answers, with a run's weights or the initial ones, and its spikes counted on the test set.

    Where the data are missing, but their sizes are known, spikes are assumed. On a chip it only answers, with or
    without `inference`.

    Raises
    ------
    InputError
        For neurons that are not the chip's, outputs that answer by voltages, or what else a clocked network lacks.
    DataError
        For data that are missing and of unknown sizes.
    CheckpointError
        If the data are not those of the run.
    """
    learner, missing = _learner(config, run)
    weights = learner.initial_weights() if run is None else run.weights
    learned = run is not None and run.state.history
    with EventPropSession(learner.on(compiled_clocked()), weights) as session:
        lowered = lower_eventprop(session.engine)
        if missing:
            return Planned(lowered, notes=(f"spikes are assumed, as nothing can be counted: {missing}",))
        return Planned(lowered, _counted(session, lowered, "trained" if learned else "initial", told))


def _learner(config: EventPropExperiment, run: Run | None) -> tuple[EventPropLearner, str]:
    """A learner; if there are no data, without them, and what says so."""
    try:
        learner = EventPropLearner(config) if run is None else run.learner
        assert isinstance(learner, EventPropLearner)
        return learner, ""
    except DataError as error:
        layers = _layers(config) if run is None else run.state.layers
        if layers is None:
            raise
        return EventPropLearner(config, layers), str(error)


def _layers(config: EventPropExperiment) -> tuple[int, ...] | None:
    """Sizes of a configuration's network, if they can be known without its data."""
    entry, options = find_data_set(config.data.name), config.data.options
    if entry.shape is None or entry.classes is None or options.given.keys() & {"group", "taps"}:
        return None
    values, classes = input_and_classes(config.data.name, options)
    bias = "events" not in entry.forms and config.encoding.bias is not None
    return (values + bias, *config.network.hidden, classes)


def _counted(session: EventPropSession, lowered: LoweredEventProp, which: str, told: Count) -> Activity:
    """Spikes of the test set."""
    trains = session.trains("test")
    _, spikes = session.counted_answers("test", told)
    n = len(trains)
    return lowered.activity(
        len(trains.sources) / (n * lowered.n_in),
        [float(layer.sum()) / (n * layer.size) for layer in spikes],
        f"counted on {n} test samples with the {which} weights",
    )
