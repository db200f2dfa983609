"""How many times faster EventProp learns with two threads than with one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.threads import cores
from lava_nbp.errors import LavaNBPError
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.trains import SpikeTrains

#: Pairs of turns per size of batch; seconds that a turn of one thread takes at least; a rate at which a network stays.
_PAIRS, _SECONDS, _RATE = 7, 0.1, 1e-5


def two_threads(
    make: Callable[[int], EventPropEngine], trains: SpikeTrains, labels: NDArray[np.int64], sizes: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Let two engines, with one thread and with two, learn the same batches in turns.

    Parameters
    ----------
    make : callable
        Makes an engine of so many threads, always the same network.
    trains, labels : SpikeTrains, (samples,) int
        The samples.
    sizes : tuple of int
        Samples per batch.

    Returns
    -------
    list of dict
        For every size ``batch``, and ``times``, by how much two are faster: the median over pairs of turns, of the time
        that one waits. Empty where there is one processor only.

    Raises
    ------
    LavaNBPError
        If they do not learn the same, to the bit.
    """
    if cores() < 2:
        return []
    engines = make(1), make(2)
    found = [{"batch": size, "times": _faster(engines, trains, labels, size)} for size in sizes]
    if not all(map(np.array_equal, *(engine.matrices for engine in engines))):
        raise LavaNBPError("EventProp: two threads learn something else than one; do not trust either")
    return found


def _faster(engines: tuple[EventPropEngine, ...], trains: SpikeTrains, labels: NDArray[np.int64], size: int) -> float:
    batches = [np.arange(k, k + size) for k in range(0, len(trains) - size + 1, size)]

    def turn(engine: EventPropEngine, rounds: int) -> float:
        begin = time.perf_counter()
        for k in range(rounds):
            engine.train_batch(trains, labels, batches[k % len(batches)], _RATE)
        return time.perf_counter() - begin

    rounds, enough = 1, False
    while not enough:
        enough = turn(engines[0], rounds) >= _SECONDS
        turn(engines[1], rounds)
        rounds *= 1 if enough else 2
    pairs = [[turn(engine, rounds) for engine in engines] for _ in range(_PAIRS)]
    return statistics.median(alone / together for alone, together in pairs)
