"""What engines are given to run, checked before a kernel sees it: compiled code looks at no index itself.

Only the samples of the batch at hand are looked at, spike by spike, compiled: a training run comes by here with every
batch, and trains made by hand may have been changed since the last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_kind
from lava_nbp.base.compiled import BARE, kernel
from lava_nbp.errors import InputError
from lava_nbp.eventprop.trains import SpikeTrains, as_vector, bad_offsets, bad_sample, bad_time

#: What `first_fault` finds.
_NOTHING, _SAMPLE, _OFFSETS, _TIME, _ORDER = range(5)


def check_samples(trains: SpikeTrains, samples: Any, n_in: int, end: float) -> tuple[SpikeTrains, NDArray[np.int64]]:
    """Return the trains and the numbers of the samples to run (None: all), as kernels may have them.

    Parameters
    ----------
    trains : SpikeTrains
        Input spikes.
    samples : (batch,) of int, or None
        Which samples.
    n_in : int
        Inputs of the network.
    end : float
        Of a trial, ms.

    Raises
    ------
    InputError
        For what are no trains, samples that there are not, and in these samples: spikes that are not in the order of
        time, outside 0 .. end, or of inputs that the network does not have.
    """
    check_kind(trains, SpikeTrains, "trains")
    trains = trains.typed()
    chosen = np.arange(len(trains)) if samples is None else as_vector(samples, np.int64, "samples")
    fault, k, e = first_fault(*trains, chosen, n_in, end)
    if fault != _NOTHING:
        raise InputError(_explained(fault, k, e, trains, chosen, n_in, end))
    return trains, chosen


def check_batch(trains: SpikeTrains, samples: Any, n_in: int, end: float) -> tuple[SpikeTrains, NDArray[np.int64]]:
    """As `check_samples`, for a step of learning, which needs a sample."""
    trains, chosen = check_samples(trains, samples, n_in, end)
    if not len(chosen):
        raise InputError("a batch has no samples, but the mean of a gradient needs one or more")
    return trains, chosen


def _explained(
    fault: int, k: int, e: int, trains: SpikeTrains, chosen: NDArray[np.int64], n_in: int, end: float
) -> str:
    if fault == _SAMPLE:
        return bad_sample(chosen, k, len(trains))
    sample = int(chosen[k])
    if fault == _OFFSETS:
        return bad_offsets(trains, sample)
    if fault == _TIME:
        return bad_time(trains.times[e], end, f"sample {sample}: ")
    if fault == _ORDER:
        return (
            f"sample {sample}: input spike at {trains.times[e]} ms comes after one at {trains.times[e - 1]} ms, but "
            f"spikes must be in the order of time; make trains with spike_trains, which sorts"
        )
    return (
        f"sample {sample}: spike of input {trains.sources[e]}, but the network has inputs 0 .. {n_in - 1}; make the "
        f"trains for as many"
    )


@kernel(**BARE)
def first_fault(times, sources, offsets, samples, n_in, end):  # type: ignore[no-untyped-def]
    """What is wrong first, at which of the samples to run, and at which spike."""
    for k in range(samples.shape[0]):
        sample = samples[k]
        if not 0 <= sample < offsets.shape[0] - 1:
            return _SAMPLE, k, 0
        begin, stop = offsets[sample], offsets[sample + 1]
        if not 0 <= begin <= stop <= times.shape[0]:
            return _OFFSETS, k, 0
        before = 0.0
        for e in range(begin, stop):
            time = times[e]
            if not 0.0 <= time <= end:
                return _TIME, k, e
            if time < before:
                return _ORDER, k, e
            if not 0 <= sources[e] < n_in:
                return _ORDER + 1, k, e
            before = time
    return _NOTHING, 0, 0
