"""How fast EventProp's engine is for what it has to do: beside plain loops that flow all neurons at every event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.compiled import BARE, kernel
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.trains import SpikeTrains

#: How often both are timed; the least of several times is what the machine can do.
_TURNS = 5
#: Decays and response of an interval; which ones does not matter.
_DECAYS = (0.95, 0.8145, 0.0451)


@kernel(**BARE)
def _flow(V, I, weights, sources, a, b, g):  # type: ignore[no-untyped-def] # noqa: E741 - the paper's symbol
    """Flow all neurons over an interval, and add a weight row to their currents, at every event."""
    for e in range(sources.shape[0]):
        row = weights[sources[e]]
        for j in range(V.shape[0]):
            V[j] = V[j] * a + I[j] * g
            I[j] = I[j] * b + row[j]


def beside_flow(engine: EventPropEngine, trains: SpikeTrains, learn: Callable[[], Any]) -> dict[str, Any]:
    """How many times longer an engine takes to learn than to flow every neuron once per event, forward and backward.

    Events of a layer are the spikes that it gets. What is not counted is what else there is to do: to find
    spikes, the loss, to change the weights. Both take turns, in CPU time.

    Parameters
    ----------
    engine : EventPropEngine
        A network without recurrent layers.
    trains : SpikeTrains
        The samples.
    learn : callable
        Learns all of them once.

    Returns
    -------
    dict
        ``layers``, ``neuron_events_per_sample``, ``flow_microseconds``, ``microseconds_per_sample``, ``times``.
    """
    learn()
    pieces = _events(engine, trains)

    def flow() -> None:
        for weights, sources in pieces:
            state = np.zeros((2, weights.shape[1]))
            for _ in ("forward", "backward"):
                _flow(state[0], state[1], weights, sources, *_DECAYS)

    flow()
    turns = [(_seconds(flow), _seconds(learn)) for _ in range(_TURNS)]
    plain, whole = (min(each) / len(trains) * 1e6 for each in zip(*turns, strict=True))
    return {
        "layers": list(engine.sizes),
        "neuron_events_per_sample": sum(2 * len(sources) * w.shape[1] for w, sources in pieces) / len(trains),
        "flow_microseconds": plain,
        "microseconds_per_sample": whole,
        "times": whole / plain,
    }


def _events(engine: EventPropEngine, trains: SpikeTrains) -> list[tuple[NDArray[Any], NDArray[np.int64]]]:
    """Weights of every layer, and which rows all its events add; those of hidden spikes neuron after neuron."""
    _, counts = engine.infer_counted(trains)
    sources = [trains.sources, *(np.repeat(np.arange(len(count)), count) for count in counts[:-1])]
    return list(zip([w.copy() for w in engine.weights], sources, strict=True))


def _seconds(run: Callable[[], Any]) -> float:
    """CPU seconds."""
    begin = time.process_time()
    run()
    return time.process_time() - begin
