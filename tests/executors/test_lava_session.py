"""Executors on Lava: whoever drops or closes one has ended it, and a closed one says so."""

import multiprocessing

import numpy as np
import pytest

from lava_nbp import InputError, RuntimeFailure, initial_weights, make_executor, training_circuit
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.trains import SpikeTrains
from lava_nbp.executors.lava_eventprop import LavaEventProp

pytestmark = pytest.mark.timeout(60)
CIRCUIT = training_circuit(4, 3, 2)
WEIGHTS = initial_weights(CIRCUIT, np.random.default_rng(0))
TRAINS = SpikeTrains(np.array([1.0, 2.0]), np.array([0, 1]), np.array([0, 2]))


def make_nbp(**options):
    return make_executor("lava", CIRCUIT, WEIGHTS, **options)


def make_eventprop(**options):
    setup = Setup(FixedPoint(NeuronParameters(), 1.0, 5.0), TTFSLoss())
    return LavaEventProp([np.ones((2, 2))], setup, delays=[[0, 1]], delay_rate=1.0, **options)


NBP_USES = {
    "train": lambda e: e.train([[1, 0, 1, 1]], [[0, 1]]),
    "infer": lambda e: e.infer([[1, 0, 1, 1]]),
    "write_weights": lambda e: e.write_weights(WEIGHTS),
    "write_copies": lambda e: e.write_copies({}),
    "begin_epoch": lambda e: e.begin_epoch(),
    "processes": lambda e: e.processes,
}
EVENTPROP_USES = {
    "train": lambda e: e.train_batch(TRAINS, np.array([0]), np.array([0]), 0.1),
    "infer": lambda e: e.infer(TRAINS),
    "write_masters": lambda e: e.write_masters(e.masters),
    "load_state": lambda e: e.load_state(e.state()),
}


@pytest.mark.parametrize(("make", "uses"), [(make_nbp, NBP_USES), (make_eventprop, EVENTPROP_USES)])
def test_closed_twice_and_used(make, uses, way):
    executor = make()
    uses["infer"](executor)
    assert bool(multiprocessing.active_children()) != way
    executor.close()
    executor.close()
    assert not multiprocessing.active_children()
    for use in uses.values():
        with pytest.raises(RuntimeFailure, match="this network is closed; make it anew"):
            use(executor)
    assert not multiprocessing.active_children()


def test_weights_can_be_read_from_a_closed_one(way):
    executor = make_nbp()
    executor.train([[1, 0, 1, 1]], [[0, 1]])
    before = executor.read_weights()
    executor.close()
    assert all(np.array_equal(w, before[name]) for name, w in executor.read_weights().items())


@pytest.mark.parametrize(("make", "uses"), [(make_nbp, NBP_USES), (make_eventprop, EVENTPROP_USES)])
def test_dropped_ones_end(make, uses, way):
    for _ in range(3):  # as a cell of a notebook does that is executed again
        executor = make()
        uses["infer"](executor)
    del executor
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("make", [make_nbp, make_eventprop])
@pytest.mark.parametrize("timeout", ["3", 0, float("nan"), float("inf"), True])
def test_time_outs_that_are_none(make, timeout):
    with pytest.raises(InputError, match="^timeout is .*, but must be a positive number of seconds"):
        make(timeout=timeout)
    assert not multiprocessing.active_children()
