"""Input spikes: by hand, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from broken_trains import BROKEN, GOOD

from lava_nbp.errors import InputError
from lava_nbp.eventprop.trains import SpikeTrains, join_trains, latency_trains, spike_trains

END = 60.0


@pytest.mark.parametrize(
    ("times", "sources", "message"),
    [
        ([-0.1], [0], "sample 0: input spike at -0.1 ms, but the trial lasts from 0 to 60.0 ms"),
        ([60.5], [0], "input spike at 60.5 ms"),
        ([np.nan], [0], "input spike at nan ms"),
        ([1.0], [2], r"sources must be integers in 0 .. 1"),
        ([1.0], [0.5], "sources must be integers"),
        ([1.0, 2.0], [0], "give one source per time"),
    ],
)
def test_input_spikes_that_are_refused(times, sources, message):
    with pytest.raises(InputError, match=message):
        spike_trains([(times, sources)], 2, END)


def test_latency_trains_by_hand():
    trains = latency_trains([[3.0, np.inf, 1.0], [np.inf, np.inf, np.inf], [0.0, 0.0, 60.0]], END)
    assert trains.times.tolist() == [1.0, 3.0, 0.0, 0.0, 60.0]
    assert trains.sources.tolist() == [2, 0, 0, 1, 2]
    assert trains.offsets.tolist() == [0, 2, 2, 5]
    for bad in (-1.0, 61.0, np.nan, -np.inf):
        with pytest.raises(InputError, match=f"input spike at {bad} ms, but the trial lasts"):
            latency_trains([[0.0, bad]], END)
    with pytest.raises(InputError, match=r"must be \(samples, n_in\)"):
        latency_trains([0.0], END)


def test_input_dropout():
    trains = latency_trains(np.tile(np.arange(50.0), (40, 1)), END)
    kept = trains.without_some(0.2, np.random.default_rng(0))
    assert len(kept) == 40
    assert 0.75 < len(kept.times) / len(trains.times) < 0.85
    for k in range(40):
        mine = slice(kept.offsets[k], kept.offsets[k + 1])
        assert np.array_equal(kept.times[mine], kept.sources[mine])  # still its own spikes, in order
        assert (np.diff(kept.times[mine]) > 0).all()
    assert len(trains.without_some(1.0, np.random.default_rng(0)).times) == 0
    assert np.array_equal(trains.without_some(0.0, np.random.default_rng(0)).times, trains.times)
    with pytest.raises(InputError, match="share of spikes to leave out is 1.5"):
        trains.without_some(1.5, np.random.default_rng(0))


def test_joined_trains_by_hand():
    parts = [latency_trains([[3.0, 1.0], [np.inf, np.inf]], END), latency_trains([[np.inf, 2.0]], END)]
    joined = join_trains(parts)
    assert joined.times.tolist() == [1.0, 3.0, 2.0]
    assert joined.sources.tolist() == [1, 0, 1]
    assert joined.offsets.tolist() == [0, 2, 2, 3]
    assert len(join_trains([])) == 0


def test_they_are_a_named_tuple_whose_length_is_the_number_of_samples():
    trains = SpikeTrains(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0]), np.array([0, 3]))
    later = trains._replace(times=trains.times + 1)
    assert type(later) is SpikeTrains
    assert (len(later), later.times.tolist(), later.sources is trains.sources) == (1, [2, 3, 4], True)
    for other in (pickle.loads(pickle.dumps(trains)), copy.deepcopy(trains), SpikeTrains(**trains._asdict())):
        assert type(other) is SpikeTrains
        assert all(map(np.array_equal, other, trains))
    times, *_ = trains
    assert times is trains.times


def test_samples_are_taken_in_the_order_given():
    samples = [([1.0, 2.0], [0, 1]), ([], []), ([3.0], [1])]
    trains = spike_trains(samples, 2, 10.0)
    taken = trains.take(np.array([2, 1, 0, 2]))
    again = spike_trains([samples[k] for k in (2, 1, 0, 2)], 2, 10.0)
    assert all(np.array_equal(a, b) for a, b in zip(taken, again, strict=True))
    assert len(trains.take(np.arange(0))) == 0


@pytest.mark.parametrize(("trains", "message"), BROKEN)
def test_trains_by_hand_that_are_none(trains, message):
    for use in (
        lambda: trains.take([0]), lambda: trains.without_some(0.5, np.random.default_rng(0)),
        lambda: join_trains([trains]),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            use()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([2], r"samples\[0\] is 2, but the trains have samples 0 .. 1"), ([0, -1], r"samples\[1\] is -1"),
        ([0.0], "samples have dtype float64, but must be integers"), ([True, False], "samples have dtype bool"),
        ([[0]], r"samples have shape \(1, 1\)"), (None, "samples has dtype object"), (0, r"samples have shape \(\)"),
    ],
)  # fmt: skip
def test_samples_that_there_are_not(samples, message):
    with pytest.raises(InputError, match=message):
        GOOD.take(samples)


def test_lists_and_other_types_of_numbers_will_do():
    by_hand = SpikeTrains([1, 2, 3], np.array([0, 1, 0], np.uint8), (0, 2, 3)).checked()
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(by_hand, GOOD, strict=True))
    assert GOOD.take(np.array([1], np.int16)).times.tolist() == [3.0]
    frozen = GOOD.times.copy()
    frozen.flags.writeable = False  # another type to numba
    assert SpikeTrains(frozen, *GOOD[1:]).checked().times.flags.writeable
    assert all(a is b for a, b in zip(GOOD.checked(), GOOD, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: latency_trains([[1.0]], np.nan), "end of the trial is nan"),
        (lambda: latency_trains([[1.0]], "60"), "end of the trial is '60'"),
        (lambda: latency_trains([[1.0]], 1e308), r"end of the trial is 1e\+308"),
        (lambda: latency_trains([[1.0], [1.0, 2.0]], END), "times cannot be made an array"),
        (lambda: latency_trains([["1"]], END), "times has dtype <U1"),
        (lambda: latency_trains([[1j]], END), "dtype complex128"),
        (lambda: spike_trains([([1.0], [0])], 0, END), "n_in is 0"),
        (lambda: spike_trains([([1.0], [0])], 2, np.inf), "end of the trial is inf"),
        (lambda: spike_trains([[1.0, 2.0, 3.0]], 2, END), "sample 0 is .*, but must be .times, sources."),
        (lambda: spike_trains([(["1"], [0])], 2, END), "times of sample 0 has dtype <U1"),
        (lambda: spike_trains([([1.0], [True])], 2, END), "sources must be integers"),
        (lambda: GOOD.without_some(np.nan, np.random.default_rng(0)), "share of spikes to leave out is nan"),
        (lambda: GOOD.without_some("0.5", np.random.default_rng(0)), "share of spikes to leave out is '0.5'"),
        (lambda: GOOD.without_some(0.5, 0), "rng is 0, but must be a Generator"),
        (lambda: join_trains(GOOD), "a part to join is"),
        (lambda: join_trains([GOOD, None]), "a part to join is None, but must be a SpikeTrains"),
    ],
)
def test_arguments_that_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
