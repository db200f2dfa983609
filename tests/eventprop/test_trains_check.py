"""What reaches a kernel: trains by hand, in every engine, by every way in."""

import numpy as np
import pytest
from broken_trains import BROKEN, GOOD, UNFIT

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.eventprop.trains_check import check_samples

P, END = NeuronParameters(), 60.0
WEIGHTS = [np.full((2, 3), 9.0), np.full((3, 2), 5.0)]


def engines():
    return EventPropEngine(WEIGHTS, P, TTFSLoss(), END), ClockedEngine(
        WEIGHTS, Setup(FixedPoint(P, 1.0, END), TTFSLoss())
    )


def ways(engine, trains, samples=None):
    """Every way in, by name."""
    n = 2 if samples is not None else 1
    labels = np.zeros(n, int)
    some = np.arange(n) if samples is None else samples
    found = {
        "infer": lambda: engine.infer(trains, samples),
        "infer_counted": lambda: engine.infer_counted(trains, samples),
        "gradient": lambda: engine.gradient(trains, labels, samples),
        "train_batch": lambda: engine.train_batch(trains, labels, some, 0.1),
    }
    if isinstance(engine, EventPropEngine) and samples is None:
        found["backpropagate"] = lambda: engine.backpropagate(trains, np.zeros((1, 2)))
    return found


@pytest.mark.parametrize(("trains", "message"), [*BROKEN, *UNFIT])
def test_trains_that_are_none_reach_no_kernel(trains, message):
    for engine in engines():
        for way in ways(engine, trains).values():
            with pytest.raises(InputError, match=message):
                way()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([-1], r"samples\[0\] is -1, but the trains have samples 0 .. 1"), ([0, 2], r"samples\[1\] is 2"),
        ([10**12], "is 1000000000000"), ([-(2**63)], "is -9223372036854775808"), ([0.5], "samples have dtype float64"),
        ([[0]], r"samples have shape \(1, 1\)"), ([True, False], "samples have dtype bool"), (1, r"have shape \(\)"),
        (["0"], "samples has dtype"),
    ],
)  # fmt: skip
def test_samples_that_there_are_not_reach_no_kernel(samples, message):
    for engine in engines():
        for way in ways(engine, GOOD, samples).values():
            with pytest.raises(InputError, match=message):
                way()


def test_trains_of_a_wider_network_say_so():
    """Where they did not, this was a layer that spiked too often, or memory of somebody else."""
    for engine in engines():
        with pytest.raises(
            InputError, match="spike of input 2, but the network has inputs 0 .. 1; make the trains for as"
        ):
            engine.infer(latency_trains(np.arange(9.0)[None], END))


def test_lists_other_types_and_no_samples_will_do():
    for engine in engines():
        expected = engine.infer(GOOD).said
        for trains in (
            SpikeTrains([1, 2, 3], [0, 1, 0], [0, 2, 3]),
            SpikeTrains(GOOD.times.astype(np.float32), GOOD.sources.astype(np.int8), GOOD.offsets.astype(np.uint64)),
            SpikeTrains(np.repeat(GOOD.times, 2)[::2], np.repeat(GOOD.sources, 2)[::2], GOOD.offsets),
        ):
            assert np.array_equal(engine.infer(trains).said, expected)
            assert np.array_equal(engine.infer(trains, [1, 0, 1]).said, expected[[1, 0, 1]])
        assert engine.infer(GOOD, []).said.shape == (0, 2)
        assert engine.infer(SpikeTrains([], [], [0])).said.shape == (0, 2)
        assert np.isinf(engine.infer(SpikeTrains([], [], [0, 0])).said).all()


def test_what_is_in_order_is_not_copied():
    trains, samples = check_samples(GOOD, np.arange(2), 2, END)
    assert all(a is b for a, b in zip(trains, GOOD, strict=True))
    assert samples.tolist() == [0, 1]


def test_trains_that_were_changed_since_are_seen():
    trains = SpikeTrains(*(a.copy() for a in GOOD))
    for engine in engines():
        engine.infer(trains)
        trains.sources[2] = 10**9
        with pytest.raises(InputError, match="sample 1: spike of input 1000000000"):
            engine.infer(trains)
        trains.sources[2] = 0
