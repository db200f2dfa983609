"""What of an EventProp experiment is planned on a chip: the network that answers, and how much it spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.data import find_data_set, input_and_classes
from lava_nbp.errors import DataError, InputError
from lava_nbp.loihi.demand import ASSUMED_SPIKES
from lava_nbp.loihi.eventprop_lowering import LoweredEventProp, lower_eventprop
from lava_nbp.loihi.programs.learning import LoweredLearning, lower_learning
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.learner import EventPropLearner, compiled_clocked
from lava_nbp.training.eventprop.session import EventPropSession
from lava_nbp.training.planned import Planned

if TYPE_CHECKING:
    from lava_nbp.training.run import Run


def planned(
    config: EventPropExperiment, run: Run | None = None, inference: bool | None = None, told: Count = uncounted
) -> Planned:
    """The network that answers, with a run's weights or the initial ones, and its spikes counted on the test set.

    Where the data are missing, but their sizes are known, spikes are assumed. inference: False: what learns.

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
        loihi = config.loihi
        lowered: LoweredEventProp | LoweredLearning
        if inference is False:
            lowered = lower_learning(session.engine, room=loihi.room, input_room=loihi.input_room)
        else:
            lowered = lower_eventprop(session.engine)
        if missing:
            spikes, source, found = [ASSUMED_SPIKES] * len(learner.layers), "assumed", [_no_data(missing)]
        else:
            spikes, found = _counted(session, told), []
            which = "trained" if learned else "initial"
            source = f"counted on {len(session.trains('test'))} test samples with the {which} weights"
            if isinstance(lowered, LoweredEventProp) and lowered.rungs:  # an engine's outputs only integrate
                spikes[-1], source = ASSUMED_SPIKES, f"{source}, of rungs assumed, one of each"
        found += _of_learning(lowered, spikes) if isinstance(lowered, LoweredLearning) else _refused(lowered)
        return Planned(lowered, None if missing else lowered.activity(spikes, source), tuple(found))


def _no_data(missing: str) -> str:
    return f"spikes are assumed, as nothing can be counted: {missing}"


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


def _counted(session: EventPropSession, told: Count) -> list[float]:
    """Spikes of the test set, per sample: of an input, and of a neuron of every layer."""
    trains = session.trains("test")
    _, spikes = session.counted_answers("test", told)
    n = len(trains)
    return [
        len(trains.sources) / (n * session.engine.sizes[0]),
        *(float(layer.sum()) / (n * layer.size) for layer in spikes),
    ]


def _refused(lowered: LoweredEventProp) -> list[str]:
    """Why the targets of chips do not run what is planned, if they do not."""
    try:
        lowered.check_chip()
    except InputError as error:
        return [str(error)]
    return []


def _of_learning(lowered: LoweredLearning, spikes: Sequence[float]) -> list[str]:
    """What a plan's tables do not tell."""
    programs = [f"{p.name} {len(p.program.code)} and {len(p.program.state)}" for p in lowered.populations]
    work, form = lowered.on_processors(spikes), lowered.form
    return [
        f"neurons run programs; operations, and words of state: {', '.join(programs)}; the estimate is that of neurons "
        f"with a few operations",
        f"{form.room} spikes of a neuron and {form.input_room} of an input are kept of a sample (loihi.room, "
        f"loihi.input_room); more are lost, and counted",
        f"{lowered.clock.pieces} steps of the chip go back for one step of the trial, as d is sent in so many pieces",
        f"embedded processors sum the gradients: at most {work['messages']:.0f} messages and {work['additions']:.0f} "
        f"additions per sample, {work['bytes'] / 1e6:.3g} MB, {work['writes']:.0f} synapses to be written per batch",
        "no program has run on a chip",
    ]
