"""EventProp on Lava: the fused model, and the network of parts that exchange messages, do what the engine does."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from broken_trains import BROKEN, UNFIT
from clocked_loop import saturating
from feeding import feed

import lava_nbp
from lava_nbp.base.arrays import shared_zeros
from lava_nbp.errors import InputError, RuntimeFailure, WeightError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.ladder import Ladder
from lava_nbp.eventprop.clocked.setup import Control, Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains
from lava_nbp.executors import lava_eventprop
from lava_nbp.executors.lava_eventprop import LavaEventProp
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import (
    EventPropInput,
    EventPropLIF,
    EventPropNetwork,
    EventPropReadout,
    EventPropTTFS,
    MirroredDense,
    SpikeSource,
    SynfireChain,
)

from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

C = FixedPoint(NeuronParameters(), 1.0, 40.0)
LOSSES = [TTFSLoss(), MaxVoltageLoss(), MeanVoltageLoss(gain=9.0), MeanVoltageLoss(15.0, 9.0)]


def weights_of(layers, seed=0):
    rng = np.random.default_rng(seed)
    means = [3.0, *[1.4] * (len(layers) - 2)]
    return [rng.normal(m, 0.9, s) for m, s in zip(means, pairwise(layers), strict=True)]


def loops_of(layers, looped, seed=0):
    """Recurrent weights of the layers `looped`, counted from 0."""
    rng = np.random.default_rng([seed, 2])
    return [rng.normal(0, 0.6, (n, n)) if k in looped else None for k, n in enumerate(layers[1:])]


#: Of the layers, from the last to the first, where each has its own.
OWN = (
    replace(C, p=NeuronParameters(14.0, 4.0, 0.8), theta_bits=13, neuron="loihi"),
    replace(C, p=NeuronParameters(24.0, 7.0), theta_bits=15),
    replace(C, p=NeuronParameters(11.0, 3.0, 1.3), neuron="loihi"),
)


def setup_of(loss, optimizer="adam", silent=True, own=0):
    """`own`: how many layers there are, if each has an arithmetic of its own: constants, widths, a chip's neurons."""
    silent = silent and isinstance(loss, TTFSLoss)
    policy = SilentPolicy("phantom", 2.0) if silent else SilentPolicy()
    return Setup(C, loss, policy, optimizer, OWN[own - 1 :: -1] if own else None)


def samples_of(n, n_in, n_out, seed=0):
    """Up to two spikes per input; silence, one in the last step, and two and three at once, among them."""
    rng = np.random.default_rng([seed, 1])
    steps = rng.integers(0, C.steps - 8, (n, 2 * n_in))
    there = rng.random((n, 2 * n_in)) < 0.5
    there[0], steps[1, 0], there[1, 0] = False, C.steps - 1, True
    found = [(steps[k, there[k]] * C.dt, np.flatnonzero(there[k]) % n_in) for k in range(n)]
    for k, often in ((2, 2), (3, 3)):
        found[k % n] = (np.append(found[k % n][0], [7.0] * often), np.append(found[k % n][1], [n_in - 1] * often))
    return spike_trains(found, n_in, C.end), rng.integers(0, n_out, n)


#: Where learned delays end, in steps.
LONGEST = 8


def feeding_two(network):
    """A source for a network of 4 inputs and 3 classes, four samples and labels, and the spikes of the last two."""
    source = SpikeSource(4, 3, C, granularity="step", capacity=2)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    trains, labels = samples_of(4, 4, 3)
    spans = [slice(trains.offsets[k], trains.offsets[k + 1]) for k in (2, 3)]
    return source, trains, labels, [(C.steps_of(trains.times[s]), trains.sources[s]) for s in spans]


def late_of(layers, looped, delayed, seed=0, rate=150.0):
    """Delays of all weights and recurrent weights, of synapses and, in the last layer, of sources.

    `delayed`: "" for none, "kept", or "learned".
    """
    if not delayed:
        return {}
    rng = np.random.default_rng([seed, 3])
    delays = [rng.integers(0, 8, shape) for shape in pairwise(layers)]
    delays[-1] = delays[-1][:, 0]
    late = [rng.integers(0, 5, (n, n)) if k in looped else None for k, n in enumerate(layers[1:])]
    learning = {"delay_rate": rate, "longest_delay": LONGEST} if delayed == "learned" else {}
    return {"delays": delays, "recurrent_delays": late, **learning}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


#: Losses, which of three layers have recurrent weights, whether spikes are delayed, and constants each layer's own.
LOOPED = [*((loss, (), "", False) for loss in LOSSES), (LOSSES[0], (0, 2), "", False), (LOSSES[1], (0, 1), "", False)]
LOOPED += [(LOSSES[0], (0, 2), "kept", False), (LOSSES[3], (), "kept", False), (LOSSES[1], (0,), "", True)]
LOOPED += [(LOSSES[0], (0, 2), "learned", False)]
LOOPED += [(LOSSES[0], (0, 1), "learned", True), (LOSSES[3], (0, 1), "learned", True)]


@pytest.mark.parametrize(("loss", "looped", "delayed", "own"), LOOPED)
def test_every_state_in_every_step(loss, looped, delayed, own, way):
    """One Lava step at a time: V, I, lV and lI of every layer, and every gradient."""
    layers = (4, 5, 4, 3)
    setup = setup_of(loss, silent=2 not in looped, own=3 * own)
    options = {"recurrent": loops_of(layers, looped), **late_of(layers, looped, delayed)}
    engine = ClockedEngine(weights_of(layers), setup, **options)
    network = EventPropNetwork(weights_of(layers), setup, granularity="step", batch=0, **options)
    source = SpikeSource(4, 3, C, granularity="step", capacity=1)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    trains, _ = samples_of(3, 4, 3)
    mine = slice(trains.offsets[2], trains.offsets[3])
    steps, sources = C.steps_of(trains.times[mine]), trains.sources[mine]
    source.load([(steps, sources)], [1])
    seen, gradients = engine.watch(steps, sources, 1)
    moved = 0
    with LavaRuntime(network, lava_nbp.run_config("lava-primitives"), 60) as runtime:
        runtime.run(2)
        cells = [p for p in network.parts if isinstance(p, (EventPropLIF, EventPropReadout))]
        for p in range(1, C.period):
            runtime.run(1)
            for cell, states in zip(cells, seen, strict=True):
                if p <= C.steps:
                    assert np.array_equal(cell.V.get(), states.V[p - 1])
                    assert np.array_equal(cell.I.get(), states.I[p - 1])
                elif p >= C.steps + 2:
                    assert np.array_equal(cell.lV.get(), states.lV[2 * C.steps + 1 - p])
                    assert np.array_equal(cell.lI.get(), states.lI[2 * C.steps + 1 - p])
                    moved += np.count_nonzero(cell.lI.get())
        synapses = {p.name: p for p in network.parts if isinstance(p, MirroredDense)}
        names = [*(f"W{k}" for k in (1, 2, 3)), *(f"R{k + 1}" for k in looped)]
        assert synapses.keys() == set(names)
        by_delays = [own.gradient for own in network.engine.learned_delays if own is not None]
        assert len(by_delays) == (len(names) if delayed == "learned" else 0)
        assert same([*(synapses[name].gradient.get() for name in names), *by_delays], gradients)
        assert all(g.any() for g in gradients)
    assert moved > 0


@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
@pytest.mark.parametrize(
    ("loss", "optimizer", "looped", "delayed", "own"),
    [
        (LOSSES[0], "adam", (), "", False),
        (LOSSES[1], "adam", (), "", False),
        (LOSSES[0], "sgd", (), "", False),
        (LOSSES[0], "adam", (0, 1), "", False),
        (LOSSES[1], "sgd", (0,), "", False),
        (LOSSES[2], "adam", (), "", False),
        (LOSSES[3], "adam", (0,), "", False),
        (LOSSES[0], "adam", (0, 1), "kept", False),
        (LOSSES[2], "adam", (), "kept", True),
        (LOSSES[1], "sgd", (0,), "", True),
        (LOSSES[0], "adam", (0, 1), "learned", True),
        (LOSSES[0], "sgd", (0,), "learned", True),
        (LOSSES[3], "adam", (0,), "learned", True),
        (LOSSES[2], "sgd", (), "learned", False),
    ],
)
def test_training_changes_the_same_numbers(target, loss, optimizer, looped, delayed, own, way):
    """Three batches, the last smaller; answers, counters, masters, moments; inference in between; a state loaded."""
    layers, learned = (4, 6, 3), delayed == "learned"
    setup = setup_of(loss, optimizer, silent=1 not in looped, own=2 * own)
    rate = 150.0 if optimizer == "adam" else 6e3
    options = {"recurrent": loops_of(layers, looped), **late_of(layers, looped, delayed, rate=rate)}
    trains, labels = samples_of(8, 4, 3)
    engine = ClockedEngine(weights_of(layers), setup, **options)
    start, bounded = [m.copy() for m in engine.masters], 0
    steps = [None if d is None else d.copy() for d in engine.delays]
    assert len(start) == (2 + len(looped)) * (1 + learned)
    with LavaEventProp(weights_of(layers), setup, target=target, timeout=60, **options) as lava:

        def compare(expected, found):
            assert np.array_equal(found.said, expected.said)
            assert {**vars(found), "said": None} == {**vars(expected), "said": None}
            assert same(lava.masters, engine.masters)
            assert engine.state().keys() == lava.state().keys()
            assert same(engine.state().values(), lava.state().values())
            for part in lava.network.parts:
                if isinstance(part, MirroredDense):
                    at = engine.loop_at(int(part.name[1]) - 1) if part.name[0] == "R" else int(part.name[1]) - 1
                    assert np.array_equal(part.weights.get(), engine.forward_weights[at])
                    assert np.array_equal(part.delays, engine.delays[at])

        for batch in (np.arange(3), np.arange(3, 6), np.arange(6, 8)):
            expected, found = (e.train_batch(trains, labels, batch, 0.02) for e in (engine, lava))
            compare(expected, found)
            bounded += found.bounded
            compare(*(e.infer(trains, np.array([1, 7])) for e in (engine, lava)))
        assert not any(np.array_equal(a, b) for a, b in zip(start, engine.masters, strict=True))
        assert (bounded > 0) == learned
        if learned:
            moved = [now[now != before] for now, before in zip(engine.delays, steps, strict=True)]
            assert all(m.size for m in moved)
            assert {0, LONGEST} <= set(np.concatenate(moved))
        lava.write_masters(start)
        lava.load_state({name: np.zeros_like(a) for name, a in engine.state().items()})
        again = ClockedEngine(weights_of(layers), setup, **options)
        for e in (lava, again):
            e.train_batch(trains, labels, np.arange(4), 0.02)
        assert same(lava.masters, again.masters)


@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
def test_levels_of_a_ladder(target, way):
    """Answers are levels, and what is learned is that of the voltages; the network sends levels, too."""
    layers, c = (4, 6, 3), replace(C, theta_bits=13, neuron="loihi")
    setup = Setup(c, MaxVoltageLoss(), ladder=Ladder(6, 2.0))
    trains, labels = samples_of(6, 4, 3)
    weights = weights_of(layers)
    weights[1][:, 2] = -1.0
    engine, plain = ClockedEngine(weights, setup), ClockedEngine(weights, Setup(c, MaxVoltageLoss()))
    with LavaEventProp(weights, setup, target=target, timeout=60) as lava:
        found, expected = (e.infer(trains) for e in (lava, engine))
        assert np.array_equal(found.said, expected.said)
        assert set(found.said.ravel()) <= set(setup.rungs.heights)
        assert len(np.unique(found.said)) > 2
        assert (found.said[:, 2] == 0).all()
        assert found.voltages
        found, expected, _ = (e.train_batch(trains, labels, np.arange(5), 0.02) for e in (lava, engine, plain))
        assert np.array_equal(found.said, expected.said)
        assert same(lava.masters, engine.masters)
        assert same(engine.masters, plain.masters)
    said = engine.run_sample(np.array([1, 2]), np.array([0, 1]), None)[0]
    network = EventPropNetwork(
        [m / (1 << 20) for m in engine.masters], setup, batch=0, largest=[9.0, 9.0], capacity=1,
        granularity="sample" if target == "lava" else "step",
    )  # fmt: skip
    source = SpikeSource(4, 3, c, granularity=network.granularity, capacity=1)
    sink = Sink(shape=(3,), buffer=1 if target == "lava" else 1 + c.period)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    network.said_out.connect(sink.a_in)
    source.load([([1, 2], [0, 1])])
    with LavaRuntime(network, lava_nbp.run_config(target), 60) as runtime:
        runtime.run(1 if target == "lava" else 1 + c.period)
        sent = sink.data.get().T
        assert np.array_equal(network.answers, said[None])
        assert np.array_equal(sent[sent.any(axis=1)], said[None])
    assert said.any()


@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
@pytest.mark.parametrize(("learned", "saturated"), [(False, 1), (True, 5)])
def test_saturated_values_are_those_of_the_engine(target, learned, saturated, way):
    """Errors of the input would saturate, too; nobody asks for them, so nobody sends or counts them.

    Delays that are learned ask what each synapse adds to an error, those of the input's, too.
    """
    weights, (steps, sources), label = saturating()
    setup, one = Setup(C, TTFSLoss(alpha=1e4)), np.array([0])
    trains, labels = spike_trains([(steps * C.dt, sources)], 4, C.end), np.array([label])
    options = {"delays": [np.zeros(4, int), np.zeros((3, 2), int)], "delay_rate": 1.0} if learned else {}
    engine = ClockedEngine(weights, setup, **options)
    expected = engine.train_batch(trains, labels, one, 0.02)
    with LavaEventProp(weights, setup, target=target, timeout=60, **options) as lava:
        found = lava.train_batch(trains, labels, one, 0.02)
        matrices = [part for part in lava.network.parts if isinstance(part, MirroredDense)]
        assert [hasattr(part, "adjoint_back_out") for part in matrices] == [False, True][: len(matrices)]
        assert same(lava.masters, engine.masters)
    assert found.saturated == expected.saturated == saturated


@pytest.mark.parametrize("delayed", ["", "learned"])
@pytest.mark.parametrize(("target", "granularity"), [("lava", "sample"), ("lava-primitives", "step")])
def test_samples_that_are_not_learned_leave_no_gradient(target, granularity, delayed, way):
    """Labelled, but with 0 samples per update; then a batch of one: as if the first had never been."""
    layers, options = (4, 5, 3), late_of((4, 5, 3), (), delayed)
    network = EventPropNetwork(weights_of(layers), setup_of(TTFSLoss()), granularity=granularity, batch=0, **options)
    source = SpikeSource(4, 3, C, granularity=granularity, capacity=2)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    trains, labels = samples_of(4, 4, 3)
    spans = [slice(trains.offsets[k], trains.offsets[k + 1]) for k in (2, 3)]
    samples = [(C.steps_of(trains.times[s]), trains.sources[s]) for s in spans]
    steps = 1 if granularity == "sample" else C.period
    engine = ClockedEngine(weights_of(layers), setup_of(TTFSLoss()), **options)
    start = network.read_masters()
    with LavaRuntime(network, lava_nbp.run_config(target), 60) as runtime:
        source.load(samples[:1], labels[2:3])
        runtime.run(steps + (granularity == "step"))
        assert same(start, network.read_masters())
        network.control.set(1, 0.02)
        source.load(samples[1:], labels[3:4])
        runtime.run(steps)
        engine.train_batch(trains, labels, np.array([3]), 0.02)
        assert same(network.read_masters(), engine.masters)
        assert not any(np.array_equal(a, b) for a, b in zip(start, engine.masters, strict=True))


@pytest.mark.parametrize("delayed", ["", "learned"])
@pytest.mark.parametrize("stopped", [C.steps - 30, C.period - 5])
def test_a_reset_forgets_the_sample_at_hand(stopped, delayed, way):
    """Stopped in the midst of a sample and reset, it learns as if that sample had never been."""
    layers, options = (4, 5, 3), late_of((4, 5, 3), (), delayed)
    network = EventPropNetwork(
        weights_of(layers), setup_of(TTFSLoss()), granularity="step", batch=1, rate=0.02, capacity=2, **options
    )
    source, trains, labels, samples = feeding_two(network)
    engine = ClockedEngine(weights_of(layers), setup_of(TTFSLoss()), **options)
    by_delays = [own.gradient for own in network.engine.learned_delays if own is not None]
    with LavaRuntime(network, lava_nbp.run_config("lava-primitives"), 60) as runtime:
        source.load(samples[:1], labels[2:3])
        runtime.run(stopped)
        assert any(g.any() for g in by_delays) == (delayed == "learned" and stopped > C.steps)
        network.reset()
        assert not any(g.any() for g in by_delays)
        network.rewind()
        source.reset()
        source.load(samples[1:], labels[3:4])
        runtime.run(1 + C.period)
        engine.train_batch(trains, labels, np.array([3]), 0.02)
        assert same(network.read_masters(), engine.masters)
        assert len(network.answers) == 1


@pytest.mark.parametrize(("target", "granularity"), [("lava", "sample"), ("lava-primitives", "step")])
def test_batches_that_end_in_the_midst_of_a_run(target, granularity, way):
    """Five samples in batches of two, and three more: the third batch begins in one run, and ends in the other.

    Weights and delays that the parent writes between them act from the next sample on; what was summed stays.
    """
    layers, looped, setup = (4, 5, 3), (0,), setup_of(TTFSLoss(), own=2)
    options = {"recurrent": loops_of(layers, looped), **late_of(layers, looped, "learned")}
    engine = ClockedEngine(weights_of(layers), setup, **options)
    network = EventPropNetwork(
        weights_of(layers), setup, granularity=granularity, batch=2, rate=0.02, capacity=8, **options
    )
    source = SpikeSource(4, 3, C, granularity=granularity, capacity=8)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    trains, labels = samples_of(8, 4, 3, seed=1)
    spans = [slice(trains.offsets[k], trains.offsets[k + 1]) for k in range(8)]
    samples = [(C.steps_of(trains.times[s]), trains.sources[s]) for s in spans]
    answers, bounded = [], 0

    def run_engine(which):
        nonlocal bounded
        for k in which:
            answers.append(engine.run_sample(*samples[k], int(labels[k]))[0])
            if k % 2:
                bounded += engine.learn(2, 0.02)
                engine.forget()

    with LavaRuntime(network, lava_nbp.run_config(target), 60) as runtime:
        for part, first in ((range(5), True), (range(5, 8), False)):
            source.load([samples[k] for k in part], labels[part.start : part.stop])
            runtime.run(len(part) if granularity == "sample" else first + len(part) * C.period)
            run_engine(part)
            assert np.array_equal(network.answers, answers)
            assert same(network.read_masters(), engine.masters)
            assert network.tally["bounded"] == bounded
            written = [m[..., ::-1].copy() for m in engine.masters]
            network.write_masters(written)
            engine.write_masters(written)
        assert same(network.engine.state().values(), engine.state().values())
    assert bounded > 0
    assert len({a.tobytes() for a in answers}) > 1


def test_what_is_written_in_the_midst_of_a_sample_acts_from_the_next_one_on(way):
    """The first sample ends as if nothing had been written; its gradient, of the old delays, changes the new ones."""
    layers, setup = (4, 5, 3), setup_of(TTFSLoss())
    options = late_of(layers, (), "learned")
    engine = ClockedEngine(weights_of(layers), setup, **options)
    network = EventPropNetwork(weights_of(layers), setup, granularity="step", batch=1, rate=0.02, capacity=2, **options)
    source, _, labels, samples = feeding_two(network)
    source.load(samples, labels[2:])
    written = [m[..., ::-1].copy() for m in engine.masters]
    with LavaRuntime(network, lava_nbp.run_config("lava-primitives"), 60) as runtime:
        runtime.run(10)
        network.write_masters(written)
        runtime.run(1 + 2 * C.period - 10)
        answers = [engine.run_sample(*samples[0], int(labels[2]))[0]]
        engine.write_masters(written)
        engine.learn(1, 0.02)
        engine.forget()
        answers.append(engine.run_sample(*samples[1], int(labels[3]))[0])
        engine.learn(1, 0.02)
        assert np.array_equal(network.answers, answers)
        assert same(network.read_masters(), engine.masters)


def test_adjoint_spikes_are_messages(way):
    """A forward spike, and the adjoint spike that answers a replayed one, by hand from the ports."""
    c = FixedPoint(NeuronParameters(), 1.0, 12.0)
    dense = MirroredDense([[9.0, 0.0]], c, exponent=c.weight_exponent(12.0))
    spikes = np.zeros((c.period + 1, 1), int)
    spikes[1 + 11] = 1  # the phase in which an input spike of step 3 is replayed is 2 T + 1 - 3 = 22 ...
    spikes[1 + 22] = 1  # ... and this is it; that in phase 11 is a forward one
    back = np.zeros((c.period + 1, 2), int)
    back[1 + 22] = [1000, 7]
    gates = np.eye(c.period, dtype=int)
    inputs = {"s_in": spikes, "adjoint_in": back, "lI_in": back, "gate_in": np.vstack([gates, gates[:1] * 0])}
    found = feed(dense, inputs, ["a_out", "adjoint_back_out"])
    weight = dense.weights.get()[0, 0]
    assert weight == 9 * c.theta
    assert found["a_out"][1 + 12].tolist() == [weight, 0]
    assert np.count_nonzero(found["a_out"]) == 1
    assert found["adjoint_back_out"][1 + 23].tolist() == [9000]
    assert np.count_nonzero(found["adjoint_back_out"]) == 1


def test_parts_in_a_network_of_ones_own(way):
    """Two matrices side by side, from Lava's stock source, into one layer: input adds up forward, errors backward.

    The layer and every gradient are those of one matrix with the sum of the weights; so are the adjoint spikes of the
    inputs.
    """
    first, second, out = (
        np.array([[6.0, 2.0], [1.0, 5.0]]),
        np.array([[2.0, 4.0], [1.0, 3.0]]),
        np.array([[9.0], [8.0]]),
    )
    setup, control = setup_of(TTFSLoss(alpha=20.0)), Control(0, allocate=shared_zeros)
    engine = ClockedEngine([first + second, out], setup, largest=[15.0, 15.0])
    exponents = [C.weight_exponent(15.0)] * 3
    seen, gradients = engine.watch(np.array([2, 5]), np.array([1, 0]), 0)
    dense = [
        MirroredDense(w, C, exponent=x, control=control, layer=k // 2)
        for k, (w, x) in enumerate(zip((first, second, out), exponents, strict=True))
    ]
    chain, inputs = SynfireChain(C.period, autostart=True), EventPropInput(2, C)
    hidden, output = EventPropLIF(2, C), EventPropLIF(1, C, phantom=True)
    loss = EventPropTTFS(1, C, loss=setup.loss, silent=setup.silent)
    spikes, label = np.zeros((2, C.period + 1), int), np.zeros((1, C.period + 1), int)
    spikes[1, 1 + 2] = spikes[0, 1 + 5] = label[0, 1] = 1
    source, target, back = Source(data=spikes), Source(data=label), Sink(shape=(2,), buffer=C.period + 1)
    source.s_out.connect(inputs.s_in)
    target.s_out.connect(loss.label_in)
    for d in dense[:2]:
        connect(inputs, d, hidden)
        d.adjoint_back_out.connect(back.a_in)
    connect(hidden, dense[2], output)
    output.s_out.connect(loss.s_in)
    loss.adjoint_out.connect(output.adjoint_in)
    for part in (inputs, hidden, output, loss, *dense):
        chain.s_out.connect(part.gate_in)
    with LavaRuntime(chain, lava_nbp.run_config("lava"), 60) as runtime:
        runtime.run(1 + C.period)
        adjoint = back.data.get().astype(int)
        for d, g in zip(dense, (gradients[0], gradients[0], gradients[1]), strict=True):
            assert np.array_equal(d.gradient.get(), g)
            assert g.any()
        assert np.array_equal(hidden.lI.get(), seen[0].lI[0])
    # The spikes of steps 5 and 2 are replayed in phases 2 T + 1 - 5 and - 2, and answered one phase later.
    # What is sent is what lI gets in the step, times tau_s / dt = 5, which also multiplies by how much lI was rounded.
    for i, k in enumerate((5, 2)):
        w, found = engine.weights[0][i], adjoint[i, 1 + 2 * C.steps + 2 - k]
        assert abs(found - 5 * (seen[0].lI[k] - seen[0].lI[k + 1]) @ w) < 3 * w.sum() + 2 < abs(found) / 20
    assert np.count_nonzero(adjoint) == 2


def connect(pre, dense, post):
    pre.s_out.connect(dense.s_in)
    dense.a_out.connect(post.a_in)
    post.adjoint_out.connect(dense.adjoint_in)
    post.lI_out.connect(dense.lI_in)
    if isinstance(pre, EventPropLIF):
        dense.adjoint_back_out.connect(pre.adjoint_in)


def test_what_is_refused():
    setup = setup_of(TTFSLoss())
    with pytest.raises(
        WeightError, match="weights of layer 1, neuron 0, one spike of every input: the current reaches 600"
    ):
        EventPropNetwork([np.full((200, 2), 3.0), np.ones((2, 2))], setup)
    with pytest.raises(
        InputError, match="samples per update is -1, but must be an integer in 0 .. 2147483647; 0 switches"
    ):
        EventPropNetwork(weights_of((2, 2)), setup, batch=-1)
    with pytest.raises(InputError, match="rate is nan"):
        EventPropNetwork(weights_of((2, 2)), setup, rate=float("nan"))
    with pytest.raises(InputError, match="granularity is 'steps'"):
        EventPropNetwork(weights_of((2, 2)), setup, granularity="steps")
    with pytest.raises(InputError, match="silent policy is 'bump', but a clocked network has only none and phantom"):
        EventPropNetwork(weights_of((2, 2)), Setup(C, TTFSLoss(), SilentPolicy("bump")))
    with pytest.raises(WeightError, match="must be a matrix"):
        MirroredDense([1.0], C)
    with pytest.raises(InputError, match="delays of a MirroredDense hold 63, but must be 0 .. 62 steps"):
        MirroredDense([[1.0]], C, delays=[63])
    late = np.array([[0, 9], [1, 2]])
    for options, message in (
        ({"delays": [[-1, 0]]}, "delays of layer 1 hold -1"),
        ({"delays": [late], "longest_delay": 8}, "delays of layer 1 hold 9, .* 0 .. 8 steps; raise the longest delay"),
        ({"delays": [late], "longest_delay": 63}, "longest delay is 63, but must be an integer in 0 .. 62; it is in"),
        ({"delays": [late], "delay_rate": -1.0}, "delay_rate is -1.0, but must be in 0 .."),
        # 0.005 thresholds, by default, times 1e5 ms are 500 steps.
        (
            {"delays": [late], "delay_rate": 1e5},
            "delays: rate is 500.0, but must be in 0 .. 256; .* smaller delay_r",
        ),
    ):
        with pytest.raises(InputError, match=message):
            EventPropNetwork(weights_of((2, 2)), setup, **options)
    with pytest.raises(InputError, match="layers has 3 entries, but there are 1 layers; give one for each"):
        EventPropNetwork(weights_of((2, 2)), setup_of(TTFSLoss(), own=3))
    source = SpikeSource(2, 2, C, capacity=1, room=2)
    for samples, labels, message in (
        ([([0], [0])] * 2, None, "2 samples, but the capacity is 1; load them in parts"),
        ([([40], [0])], None, "sample 0: spike of step 40, but the steps are 0 .. 39"),
        ([([-1], [0])], None, "sample 0: spike of step -1"),
        ([([1, 2, 2], [0, 0, 1])], None, "3 spikes, but there is room for 2; load samples in parts, or raise room"),
        ([([1], [2])], None, "sample 0: spike of input 2, but the inputs are 0 .. 1"),
        ([([1], [1])], [2], "outside the classes 0 .. 1"),
    ):
        with pytest.raises(InputError, match=message):
            source.load(samples, labels)


def test_a_message_of_whole_samples_that_does_not_fit(monkeypatch):
    for make in (
        lambda granularity: EventPropNetwork([[[2.0, 2.0]]], setup_of(TTFSLoss()), granularity=granularity),
        lambda granularity: SpikeSource(8, 2, C, granularity=granularity, capacity=1),
    ):
        monkeypatch.setenv("LAVA_NBP_MEMORY", "6e-7")
        with pytest.raises(InputError, match="a sample of 40 steps and . inputs in one message needs some .* 'step'"):
            make("sample")
        monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-6")
        make("step")


@pytest.mark.parametrize(("target", "granularity"), [("lava", "sample"), ("lava-primitives", "step")])
def test_less_than_no_spikes(target, granularity, way):
    network = EventPropNetwork(weights_of((3, 2)), setup_of(TTFSLoss()), granularity=granularity)
    message = np.zeros(network.s_in.shape, int)
    message[..., 1] = -2
    source = Source(data=np.stack([message] * 4, axis=-1))
    source.s_out.connect(network.s_in)
    with (
        pytest.raises(RuntimeFailure, match="input 1 has -2 spikes in a step, but must have 0 or more"),
        LavaRuntime(network, lava_nbp.run_config(target), 20) as runtime,
    ):
        runtime.run(4)


@pytest.mark.parametrize("delayed", ["", "learned"])
@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
def test_samples_come_in_parts_that_fit(target, delayed, monkeypatch, way):
    """Room for 12 spikes, and at least one sample: a batch is one batch nevertheless; what never fits is refused."""
    monkeypatch.setattr(lava_eventprop, "ROOM", 12)
    trains, labels = samples_of(7, 4, 3)
    lengths = np.diff(trains.offsets)
    assert lengths.sum() > 24
    assert lengths.max() <= 12
    options = late_of((4, 5, 3), (), delayed)
    engine = ClockedEngine(weights_of((4, 5, 3)), setup_of(TTFSLoss()), **options)
    order = np.array([6, 2, 0, 3, 1, 5, 4])
    expected = engine.train_batch(trains, labels, order, 0.02)
    with LavaEventProp(weights_of((4, 5, 3)), setup_of(TTFSLoss()), target=target, timeout=60, **options) as lava:
        found = lava.train_batch(trains, labels, order, 0.02)
        assert np.array_equal(found.said, expected.said)
        assert {**vars(found), "said": None} == {**vars(expected), "said": None}
        assert same(lava.masters, engine.masters)
        many = spike_trains([([1.0], [0]), (np.full(13, 1.0), np.zeros(13, int))], 4, C.end)
        with pytest.raises(InputError, match="sample 1 has 13 spikes, but Lava's targets take 12; use target clocked"):
            lava.train_batch(many, labels[:2], np.array([0, 1]), 0.02)
        assert same(lava.masters, engine.masters)


@pytest.mark.parametrize(("granularity", "rows"), [("sample", (C.steps, 3)), ("step", (3,))])
def test_a_source_says_how_many_spikes_there_are(granularity, rows, way):
    """Out of the order of time, two at once; then a sample without spikes; then nothing."""
    source = SpikeSource(3, 2, C, granularity=granularity, capacity=2, room=4)
    n = 3 if granularity == "sample" else 1 + 3 * C.period
    spikes, labels = Sink(shape=rows, buffer=n), Sink(shape=(2,), buffer=n)
    source.s_out.connect(spikes.a_in)
    source.label_out.connect(labels.a_in)
    source.load([([5, 0, 5, 39], [1, 2, 1, 0]), ([], [])], [1, 0])
    with LavaRuntime(source, timeout=30) as runtime:
        runtime.run(n)
        found, taught = (np.moveaxis(sink.data.get(), -1, 0).astype(int) for sink in (spikes, labels))
    first = np.zeros((C.steps, 3), int)
    first[5, 1], first[0, 2], first[39, 0] = 2, 1, 1
    if granularity == "sample":
        assert np.array_equal(found, [first, first * 0, first * 0])
        assert taught.tolist() == [[0, 1], [1, 0], [0, 0]]
    else:
        assert np.array_equal(found[1 : 1 + C.steps], first)
        assert not found[1 + C.steps :].any()
        assert taught[[1, 1 + C.period]].tolist() == [[0, 1], [1, 0]]
        assert taught.sum() == 2


def test_a_message_has_32_bits():
    """As many spikes at once as no message of 32 bits could hold the sum of: an error about the current, no other."""
    trains = spike_trains([(np.zeros(9000), np.zeros(9000, int))], 1, C.end)
    for target in ("lava", "lava-primitives"):
        with (
            pytest.raises(RuntimeFailure, match="layer 1, neuron 0: the current reaches .* thresholds, but a 24-bit"),
            LavaEventProp([[[400.0]]], setup_of(TTFSLoss()), target=target, timeout=60) as lava,
        ):
            lava.infer(trains)


@pytest.mark.parametrize(
    ("target", "granularity", "message"),
    [
        ("lava", "step", "target lava runs one sample per Lava step"),
        ("lava-primitives", "sample", "target lava-primitives runs one phase per Lava step"),
    ],
)
def test_a_granularity_that_the_target_does_not_have(target, granularity, message):
    network = EventPropNetwork(weights_of((2, 2)), setup_of(TTFSLoss()), granularity=granularity)
    with (
        pytest.raises((InputError, RuntimeFailure), match=message),
        LavaRuntime(network, lava_nbp.run_config(target), 20) as runtime,
    ):
        runtime.run(1)


@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
def test_room_for_spikes_grows_on_lava(target, monkeypatch, way):
    """Forty neurons that fire in every step for a while, more often than there is room for at first; then too often."""
    weights = [np.full((4, 40), 120.0), np.ones((40, 2))]
    trains = spike_trains([([0.0, 1.0, 2.0, 3.0], [0, 1, 2, 3])] * 2, 4, C.end)
    expected = ClockedEngine(weights, Setup(C, TTFSLoss())).train_batch(trains, np.zeros(2, int), [0, 1], 0.1)
    assert expected.most_spikes > 384
    with LavaEventProp(weights, Setup(C, TTFSLoss()), target=target, timeout=60) as lava:
        found = lava.train_batch(trains, np.zeros(2, int), [0, 1], 0.1)
        assert np.array_equal(found.said, expected.said)
        assert {**vars(found), "said": None} == {**vars(expected), "said": None}
        # What no engine may run reaches no Process: the network goes on.
        for broken, _ in (*BROKEN, *UNFIT):
            with pytest.raises(InputError):
                lava.infer(broken)
        for samples, rate, message in (([], 0.1, "no samples"), ([-1], 0.1, "is -1"), ([0], np.nan, "rate is nan")):
            with pytest.raises(InputError, match=message):
                lava.train_batch(trains, np.zeros(2, int), samples, rate)
        lava.infer(trains)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-5")
    with (
        pytest.raises(RuntimeFailure, match="layer 1 spikes more than 384 times in a sample, and room for more needs"),
        LavaEventProp(weights[:1], Setup(C, TTFSLoss()), target=target, timeout=60) as lava,
    ):
        lava.infer(trains)


@pytest.mark.parametrize("target", ["lava", "lava-primitives"])
def test_a_rate_is_that_of_a_run(target, way):
    """A network that nobody has told how fast to learn takes any rate of delays; a step too large changes nothing."""
    layers, setup = (4, 5, 3), setup_of(TTFSLoss(), "sgd")
    options, some = late_of(layers, (), "learned", rate=1e5), np.array([2, 3])
    trains, labels = samples_of(4, 4, 3)
    engine = ClockedEngine(weights_of(layers), setup, **options)
    with LavaEventProp(weights_of(layers), setup, target=target, timeout=60, **options) as lava:
        for e in (engine, lava):
            with pytest.raises(InputError, match="delays: rate is 2000.0, but must be in 0 .. 128; .* smaller delay_r"):
                e.train_batch(trains, labels, some, 0.02)
            e.train_batch(trains, labels, some, 1e-3)
        assert same(lava.masters, engine.masters)


def test_plain_lava_runs_it():
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    layers, options = (4, 5, 3), late_of((4, 5, 3), (), "learned")
    network = EventPropNetwork(weights_of(layers), setup_of(TTFSLoss()), batch=1, rate=0.02, capacity=1, **options)
    source = SpikeSource(4, 3, C, capacity=1)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    trains, labels = samples_of(3, 4, 3)
    mine = slice(trains.offsets[2], trains.offsets[3])
    source.load([(C.steps_of(trains.times[mine]), trains.sources[mine])], labels[2:])
    models = {"exception_proc_model_map": lava_nbp.run_config("lava").exception_proc_model_map}
    network.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt", **models))
    answers, masters = network.answers, network.read_masters()
    network.stop()
    engine = ClockedEngine(weights_of(layers), setup_of(TTFSLoss()), **options)
    expected = engine.train_batch(trains, labels, np.array([2]), 0.02)
    assert np.array_equal(engine.said(answers), expected.said)
    assert same(masters, engine.masters)


def test_a_source_keeps_the_period_of_its_network():
    """On a chip a sample takes other steps than 2 T + 2: spikes in the first T of them, the label in the first."""
    c = FixedPoint(NeuronParameters(), 1.0, 3.0)
    source = SpikeSource(2, 2, c, granularity="step", period=5, capacity=2)
    spikes, labels = Sink(shape=(2,), buffer=11), Sink(shape=(2,), buffer=11)
    source.s_out.connect(spikes.a_in)
    source.label_out.connect(labels.a_in)
    source.load([([0, 2], [1, 0]), ([1], [1])], labels=[0, 1])
    with LavaRuntime(source) as runtime:
        runtime.run(11)
        rows, said = spikes.data.get().astype(int), labels.data.get().astype(int)
    assert np.argwhere(rows.T).tolist() == [[1, 1], [3, 0], [7, 1]]  # Lava step 2 is phase 0
    assert np.argwhere(said.T).tolist() == [[1, 0], [6, 1]]
    with pytest.raises(InputError, match="period is 3"):
        SpikeSource(2, 2, c, granularity="step", period=3, capacity=2)
    with pytest.raises(InputError, match="period is 5, but with granularity 'sample' a sample takes one step"):
        SpikeSource(2, 2, c, period=5, capacity=2)


def test_a_network_says_how_long_a_sample_takes_on_a_chip():
    c = FixedPoint(NeuronParameters(), 1.0, 12.0, neuron="loihi")
    network = EventPropNetwork(weights_of((3, 4, 2)), Setup(c, TTFSLoss()), room=3, input_room=2)
    lowered = network.lower()
    assert (lowered.room, lowered.form.input_room) == (3, 2)
    assert network.chip_period == lowered.clock.period + 4
    assert network.learner is None
    with pytest.raises(InputError, match="room for spikes of a neuron is 0"):
        EventPropNetwork(weights_of((3, 4, 2)), Setup(c, TTFSLoss()), room=0)
    with pytest.raises(InputError, match="which no program is"):
        _ = EventPropNetwork(weights_of((3, 4, 2)), Setup(C, TTFSLoss())).chip_period
