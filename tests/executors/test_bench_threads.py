"""How the bench says what two threads are worth."""

import numpy as np
import pytest

from lava_nbp.errors import LavaNBPError
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.trains import latency_trains
from lava_nbp.executors import bench_threads

TRAINS = latency_trains(np.random.default_rng(0).uniform(0, 30, (40, 4)), 60.0)
LABELS = np.arange(40) % 3


def network(threads):
    weights = np.random.default_rng(1).uniform(4, 8, (4, 3))
    return EventPropEngine([weights], NeuronParameters(), TTFSLoss(), 60.0, threads=threads)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(bench_threads, "cores", lambda: 2)


class Timed:
    """Says what an engine takes, by a clock of its own: a batch of 16 of one thread 4 s, of two 1 s."""

    def __init__(self, monkeypatch, odd=1.0):
        self.now, self.learned, self.engines, self.odd = 0.0, {1: [], 2: []}, {}, odd
        monkeypatch.setattr(bench_threads.time, "perf_counter", lambda: self.now)

    def make(self, threads):
        engine = network(threads)
        learn = engine.train_batch

        def timed(trains, labels, samples, rate):
            self.learned[threads].append(samples.tolist())
            self.now += len(samples) / 16 * (4 if threads == 1 else 1)
            return learn(trains, labels, samples, rate * (self.odd if threads == 2 else 1.0))

        engine.train_batch = timed
        return engine


def test_it_says_the_ratio_and_both_learn_the_same_batches(monkeypatch):
    monkeypatch.setattr(bench_threads, "_PAIRS", 3)
    timed = Timed(monkeypatch)
    said = bench_threads.two_threads(timed.make, TRAINS, LABELS, (16, 8))
    assert said == [{"batch": 16, "times": 4.0}, {"batch": 8, "times": 4.0}]
    assert timed.learned[1] == timed.learned[2]
    assert timed.learned[1] == [list(range(16))] * 4 + [list(range(8))] * 4


def test_turns_are_long_enough(monkeypatch):
    monkeypatch.setattr(bench_threads, "_PAIRS", 1)
    monkeypatch.setattr(bench_threads, "_SECONDS", 9.0)
    timed = Timed(monkeypatch)
    bench_threads.two_threads(timed.make, TRAINS, LABELS, (16,))
    assert len(timed.learned[1]) == len(timed.learned[2]) == 1 + 2 + 4 + 4


def test_nothing_is_said_where_there_is_one_processor(monkeypatch):
    monkeypatch.setattr(bench_threads, "cores", lambda: 1)
    assert bench_threads.two_threads(network, TRAINS, LABELS, (16,)) == []


def test_who_learns_something_else_is_not_timed(monkeypatch):
    with pytest.raises(LavaNBPError, match="two threads learn something else"):
        bench_threads.two_threads(Timed(monkeypatch, odd=2.0).make, TRAINS, LABELS, (16,))
