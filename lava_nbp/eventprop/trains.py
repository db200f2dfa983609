"""Input spikes of many samples, checked and sorted; engines check once more what they are given, see `trains_check`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, check_real, check_sequence, shown
from lava_nbp.base.ragged import rows_at, without_entries
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import Float64Array

#: What a sample is made of.
_PARTS = ("times", "sources")
#: Longest trial in ms, eleven days: no sum of times loses more than 1e-7 ms.
LONGEST_TRIAL = 1e9


_Made = TypeVar("_Made", bound=tuple[Any, ...])


class _Arrays(NamedTuple):
    times: Float64Array
    sources: NDArray[np.int64]
    offsets: NDArray[np.int64]


class SpikeTrains(_Arrays):
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

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def _make(cls: type[_Made], iterable: Iterable[Any]) -> _Made:  # type: ignore[override] # of any tuple
        """As of any named tuple, for `_replace`; theirs asks for the length, which is the number of samples here."""
        return tuple.__new__(cls, iterable)

    def checked(self) -> SpikeTrains:
        """The same in arrays of the declared types, whose offsets belong to the spikes.

        Neither times nor sources are looked at: which there may be, only a network knows.

        Raises
        ------
        InputError
            For arrays of other shapes or kinds, or offsets that do not begin with 0, fall, or end elsewhere than the
            spikes do.
        """
        typed = self.typed()
        if (np.diff(typed.offsets) < 0).any():
            k = int(np.argmax(np.diff(typed.offsets) < 0))
            raise InputError(bad_offsets(typed, k))
        return typed

    def typed(self) -> SpikeTrains:
        """As `checked`, without looking at the offsets in between: at no cost, however many samples there are."""
        trains = SpikeTrains(
            as_vector(self.times, np.float64, "times of the trains"),
            as_vector(self.sources, np.int64, "sources of the trains"),
            as_vector(self.offsets, np.int64, "offsets of the trains"),
        )
        if len(trains.times) != len(trains.sources):
            raise InputError(
                f"trains have {len(trains.times)} times and {len(trains.sources)} sources; give one source per time"
            )
        if not len(trains.offsets) or trains.offsets[0] != 0 or trains.offsets[-1] != len(trains.times):
            raise InputError(
                f"offsets of the trains are {shown(trains.offsets.tolist())}, but must begin with 0 and end with the "
                f"number of spikes, {len(trains.times)}; make trains with spike_trains or latency_trains"
            )
        return trains

    def without_some(self, share: float, rng: np.random.Generator) -> SpikeTrains:
        """Input dropout: every spike is left out with the probability `share`.

        Raises
        ------
        InputError
            For a share outside 0 .. 1, what is no generator, or trains that are none.
        """
        check_real(share, 0.0, 1.0, "share of spikes to leave out")
        check_kind(rng, np.random.Generator, "rng")
        own = self.checked()
        kept = rng.random(len(own.times)) >= share
        return SpikeTrains(own.times[kept], own.sources[kept], without_entries(own.offsets, kept))

    def take(self, samples: Any) -> SpikeTrains:
        """Some samples, in the order given.

        Raises
        ------
        InputError
            For samples that there are not, or trains that are none.
        """
        own, chosen = self.checked(), as_vector(samples, np.int64, "samples")
        if chosen.min(initial=0) < 0 or chosen.max(initial=-1) >= len(own):
            raise InputError(bad_sample(chosen, int(np.argmax((chosen < 0) | (chosen >= len(own)))), len(own)))
        where, offsets = rows_at(own.offsets, chosen)
        return SpikeTrains(own.times[where], own.sources[where], offsets)


def check_end(end: Any) -> float:
    """Return the length of a trial in ms as a float.

    Raises
    ------
    InputError
        Unless it is a number of more than 0, and 1e9 at most.
    """
    return check_real(end, 0.0, LONGEST_TRIAL, "end of the trial", "it is in ms", above=True)


def as_vector(value: Any, dtype: Any, what: str) -> NDArray[Any]:
    """Return (n,) float64 or int64 numbers as kernels are compiled for: the same array if it is one already.

    Raises
    ------
    InputError
        For other shapes, True and False, complex numbers, or fractions where integers are needed.
    """
    if type(value) is np.ndarray and value.dtype == dtype and value.ndim == 1 and value.flags.carray:
        return (
            value  # nearly always; `carray`: contiguous, aligned, and to be written to, or it is another type to numba
        )
    array = as_array(value, what)
    if array.ndim != 1:
        raise InputError(f"{what} have shape {array.shape}, but must be (n,)")
    kinds, wanted = ("iu", "integers") if dtype == np.int64 else ("iuf", "real numbers")
    if array.size and array.dtype.kind not in kinds:
        raise InputError(f"{what} have dtype {array.dtype}, but must be {wanted}")
    return np.array(array, dtype=dtype, order="C")


def latency_trains(times: Any, end: float) -> SpikeTrains:
    """Make spike trains of at most one spike per input: times (samples, n_in) in ms, inf for none.

    Raises
    ------
    InputError
        For times that are neither in 0 .. end nor inf.
    """
    end, given = check_end(end), as_array(times, "times")
    if given.ndim != 2 or given.dtype.kind not in "iuf":
        raise InputError(
            f"times have shape {given.shape} and dtype {given.dtype}, but must be (samples, n_in) and real numbers"
        )
    rows = given.astype(np.float64, copy=False)
    _check_times(rows[~np.isposinf(rows)], end, "")
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    finite = np.isfinite(ordered)
    offsets = np.concatenate([[0], np.cumsum(finite.sum(axis=1))])
    return SpikeTrains(ordered[finite], order[finite], offsets.astype(np.int64))


def join_trains(parts: Sequence[SpikeTrains]) -> SpikeTrains:
    """The samples of several trains, one after the other.

    Raises
    ------
    InputError
        For parts that are no trains.
    """
    check_kind(parts, (list, tuple), "parts to join")
    for part in parts:
        check_kind(part, SpikeTrains, "a part to join")
    checked = [part.checked() for part in parts]
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in checked)])
    return SpikeTrains(
        np.concatenate([np.zeros(0), *(part.times for part in checked)]),
        np.concatenate([np.zeros(0, np.int64), *(part.sources for part in checked)]),
        np.cumsum(lengths),
    )


def spike_trains(samples: Sequence[tuple[Any, Any]], n_in: int, end: float) -> SpikeTrains:
    """Make checked spike trains of (times, sources) per sample; they need not be sorted.

    Raises
    ------
    InputError
        For times that are no numbers in 0 .. end, or sources outside 0 .. n_in - 1.
    """
    n_in, end = check_integer(n_in, 1, NEURONS_PER_CHIP, "n_in"), check_end(end)
    if not hasattr(samples, "__iter__"):
        raise InputError(f"samples are {shown(samples)}, but must be a list of (times, sources)")
    sorted_times, sorted_sources = [], []
    for k, sample in enumerate(check_sequence(samples, "samples", "give (times, sources) of each")):
        if not isinstance(sample, (list, tuple)) or len(sample) != 2:
            raise InputError(f"sample {k} is {shown(sample)}, but must be (times, sources)")
        t, i = (as_array(part, f"{name} of sample {k}") for part, name in zip(sample, _PARTS, strict=True))
        if t.ndim != 1 or t.shape != i.shape or t.dtype.kind not in "iuf":
            raise InputError(
                f"sample {k}: times have shape {t.shape} and dtype {t.dtype}, and sources shape {i.shape}; give one "
                f"source per time, and times that are real numbers"
            )
        t = t.astype(np.float64, copy=False)
        _check_times(t, end, f"sample {k}: ")
        if len(i) and not (i.dtype.kind in "iu" and i.min() >= 0 and i.max() < n_in):
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


def bad_sample(samples: NDArray[np.int64], k: int, n: int) -> str:
    """What to say of a number of no sample."""
    return f"samples[{k}] is {samples[k]}, but the trains have samples 0 .. {n - 1}"


def bad_offsets(trains: SpikeTrains, sample: int) -> str:
    """What to say of a sample that lasts from nowhere to nowhere."""
    begin, stop = trains.offsets[sample], trains.offsets[sample + 1]
    return (
        f"offsets of the trains say that sample {sample} has the spikes {begin} .. {stop} (the last not), but there "
        f"are {len(trains.times)}, and offsets must not fall; make trains with spike_trains or latency_trains"
    )


def bad_time(time: float, end: float, what: str) -> str:
    """What to say of an input spike outside the trial."""
    return f"{what}input spike at {time} ms, but the trial lasts from 0 to {end} ms; shift or rescale"


def _check_times(times: Float64Array, end: float, what: str) -> None:
    bad = ~((times >= 0) & (times <= end))
    if bad.any():
        raise InputError(bad_time(times[bad][0], end, what))
