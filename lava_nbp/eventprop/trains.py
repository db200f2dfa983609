"""Input spikes of many samples, checked and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import Float64Array


class SpikeTrains(NamedTuple):
    """Input spikes of many samples, one after the other, in the order of time within a sample.

    Attributes
    ----------
    times : (spikes,) float64
        ms.
    sources : (spikes,) int64
        Input neuron of each.
    offsets : (samples + 1,) int64
        Where each sample begins.
    """

    times: Float64Array
    sources: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def without_some(self, share: float, rng: np.random.Generator) -> SpikeTrains:
        """Input dropout: every spike is left out with the probability `share`.

        Raises
        ------
        InputError
            For a share outside 0 .. 1.
        """
        if not 0 <= share <= 1:
            raise InputError(f"share of spikes to leave out is {share!r}, but must be in 0 .. 1")
        kept = rng.random(len(self.times)) >= share
        before = np.concatenate([[0], np.cumsum(kept)])
        return SpikeTrains(self.times[kept], self.sources[kept], before[self.offsets])

    def take(self, samples: NDArray[np.integer[Any]]) -> SpikeTrains:
        """Some samples, in the order given."""
        lengths = self.offsets[samples + 1] - self.offsets[samples]
        offsets = np.zeros(len(samples) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        where = np.arange(offsets[-1]) + np.repeat(self.offsets[samples] - offsets[:-1], lengths)
        return SpikeTrains(self.times[where], self.sources[where], offsets)


def latency_trains(times: Any, end: float) -> SpikeTrains:
    """Make spike trains of at most one spike per input: times (samples, n_in) in ms, inf for none.

    Raises
    ------
    InputError
        For times that are neither in 0 .. end nor inf.
    """
    rows = np.asarray(times, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(f"times have shape {rows.shape}, but must be (samples, n_in)")
    _check_times(rows[~np.isposinf(rows)], end, "")
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    finite = np.isfinite(ordered)
    offsets = np.concatenate([[0], np.cumsum(finite.sum(axis=1))])
    return SpikeTrains(ordered[finite], order[finite], offsets.astype(np.int64))


def join_trains(parts: Sequence[SpikeTrains]) -> SpikeTrains:
    """The samples of several trains, one after the other."""
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    return SpikeTrains(
        np.concatenate([np.zeros(0), *(part.times for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.sources for part in parts)]),
        np.cumsum(lengths),
    )


def spike_trains(samples: Sequence[tuple[Any, Any]], n_in: int, end: float) -> SpikeTrains:
    """Make checked spike trains of (times, sources) per sample; they need not be sorted.

    Raises
    ------
    InputError
        For times that are no numbers in 0 .. end, or sources outside 0 .. n_in - 1.
    """
    sorted_times, sorted_sources = [], []
    for k, (times, sources) in enumerate(samples):
        t, i = np.asarray(times, dtype=np.float64), np.asarray(sources)
        if t.ndim != 1 or t.shape != i.shape:
            raise InputError(f"sample {k}: times have shape {t.shape} and sources {i.shape}; give one source per time")
        _check_times(t, end, f"sample {k}: ")
        if len(i) and not (np.issubdtype(i.dtype, np.integer) and i.min() >= 0 and i.max() < n_in):
            raise InputError(f"sample {k}: sources must be integers in 0 .. {n_in - 1}")
        order = np.argsort(t, kind="stable")
        sorted_times.append(t[order])
        sorted_sources.append(i[order].astype(np.int64))
    lengths = np.array([len(t) for t in sorted_times], dtype=np.int64)
    return SpikeTrains(
        np.concatenate([np.zeros(0), *sorted_times]),
        np.concatenate([np.zeros(0, np.int64), *sorted_sources]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def bad_source(sources: NDArray[np.int64], n_in: int) -> str:
    """What to say of spikes of an input that a network does not have."""
    bad = sources[(sources < 0) | (sources >= n_in)][0]
    return f"spike of input {bad}, but the network has inputs 0 .. {n_in - 1}; make the trains for as many"


def _check_times(times: Float64Array, end: float, what: str) -> None:
    bad = ~((times >= 0) & (times <= end))
    if bad.any():
        raise InputError(
            f"{what}input spike at {times[bad][0]} ms, but the trial lasts from 0 to {end} ms; shift or rescale"
        )
