"""The parts in their loop do what the compiled engine does: every state in every step, every weight."""

from itertools import pairwise

import numpy as np
import pytest
from clocked_loop import PartsLoop, same_states, saturating

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked import parts
from lava_nbp.eventprop.clocked.arithmetic import MEAN_BITS, FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.parts import LIFPart
from lava_nbp.eventprop.clocked.phases import Phases
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains

C = FixedPoint(NeuronParameters(), 1.0, 40.0)


def network(layers, loss, seed=0, looped=(), optimizer="adam"):
    """Layers in `looped`, counted from 0, have recurrent weights."""
    rng = np.random.default_rng(seed)
    means = [3.0, *[1.4] * (len(layers) - 2)]
    weights = [rng.normal(m, 0.9, s) for m, s in zip(means, pairwise(layers), strict=True)]
    loops = [rng.normal(0, 0.6, (n, n)) if k in looped else None for k, n in enumerate(layers[1:])]
    spiking = isinstance(loss, TTFSLoss) and loops[-1] is None
    silent = SilentPolicy("phantom", 2.0) if spiking else SilentPolicy()
    largest = [6.0] * len(weights) + [2.5] * len(looped)
    return ClockedEngine(weights, Setup(C, loss, silent, optimizer), recurrent=loops, largest=largest)


def in_a_loop(engine):
    return PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped)


def samples(n, n_in, seed, classes):
    """Several spikes of every input; of one there are two in the same step."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for _ in range(n):
        times, sources = np.sort(rng.uniform(0, 38, 9)), rng.integers(0, n_in, 9)
        times[4], sources[4] = times[3], sources[3]
        found.append((times, sources))
    return found, rng.integers(0, classes, n)


#: Networks: layers, those with recurrent weights, loss.
NETWORKS = [
    (layers, (), loss) for layers in ((4, 3), (4, 6, 3), (4, 5, 5, 2)) for loss in (TTFSLoss(), MaxVoltageLoss())
]
NETWORKS += [((4, 6, 3), (0, 1), TTFSLoss()), ((4, 3), (0,), TTFSLoss()), ((4, 5, 5, 2), (0, 1), MaxVoltageLoss())]
NETWORKS += [((4, 3), (), MeanVoltageLoss(gain=9.0)), ((4, 6, 3), (0,), MeanVoltageLoss(15.0, 9.0))]


@pytest.mark.parametrize(("layers", "looped", "loss"), NETWORKS)
def test_every_state_in_every_step(layers, looped, loss):
    engine = network(layers, loss, looped=looped)
    loop = in_a_loop(engine)
    found, labels = samples(4, layers[0], 3, layers[-1])
    spikes = errors = 0
    for (times, sources), label in zip(found, labels, strict=True):
        steps = C.steps_of(times)
        seen, gradients = engine.watch(steps, sources, int(label))

        for dense in loop.dense:
            dense.gradient[...] = 0
        loop.sample(steps, sources, int(label), same_states(loop, seen))
        for dense, g in zip(loop.dense, gradients, strict=True):
            assert np.array_equal(dense.gradient, g)
            errors += np.abs(g).sum()
        spikes += (seen[0].V == 0).sum()
    assert errors > 0
    assert spikes > 0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("looped", "loss"),
    [
        ((), TTFSLoss()),
        ((), MaxVoltageLoss()),
        ((0, 1), TTFSLoss()),
        ((0,), MaxVoltageLoss()),
        ((), MeanVoltageLoss(gain=9.0)),
        ((0,), MeanVoltageLoss(15.0, 9.0)),
    ],
)
def test_training_changes_the_same_weights(looped, loss, optimizer):
    """Batches of 3, 3 and 2 samples; answers, counters and full-precision weights."""
    engine = network((4, 6, 3), loss, looped=looped, optimizer=optimizer)
    loop = in_a_loop(engine)
    found, labels = samples(8, 4, 5, 3)
    quantised = [(C.steps_of(t), s) for t, s in found]
    trains = spike_trains([(k * C.dt, s) for k, s in quantised], 4, C.end)
    start = [m.copy() for m in engine.masters]
    clipped = saturated = silent = hidden = 0
    for batch in (np.arange(3), np.arange(3, 6), np.arange(6, 8)):
        result = engine.train_batch(trains, labels, batch, 0.02)
        clipped, saturated = clipped + result.clipped, saturated + result.saturated
        silent, hidden = silent + result.silent_labels, hidden + result.hidden_spikes
        loop.set_learning(len(batch), 0.02)
        for k in batch:
            loop.sample(*quantised[k], int(labels[k]))
        said = np.array(loop.said[-len(batch) :])
        if isinstance(loss, TTFSLoss):
            assert np.array_equal(np.where(said < C.steps, (said + 1) * C.dt, np.inf), result.said)
        else:
            unit = C.theta << MEAN_BITS if isinstance(loss, MeanVoltageLoss) else C.theta
            assert np.array_equal(said / unit, result.said)
        for dense, m in zip(loop.dense, engine.masters, strict=True):
            assert np.array_equal(dense.masters, m)
    assert not any(np.array_equal(a, b) for a, b in zip(start, engine.masters, strict=True))
    assert sum(layer.tally.read().clipped for layer in loop.layers) == clipped
    assert sum(part.tally.read().saturated for part in (*loop.layers, *loop.dense)) == saturated
    assert loop.layers[0].tally.read().hidden_spikes == hidden > 0
    if isinstance(loss, TTFSLoss):
        assert loop.loss.tally.read().silent_labels == silent


def test_errors_of_the_input_are_not_counted():
    """Registers are full on the way back: as many saturated values as the engine has, which computes no others.

    What the first matrix would send to the input saturates, too, as it shows where it does send it.
    """
    weights, (steps, sources), label = saturating()
    engine = ClockedEngine(weights, Setup(C, TTFSLoss(alpha=1e4)))
    expected = engine.gradient(spike_trains([(steps * C.dt, sources)], 4, C.end), np.array([label]))[0].saturated
    found = {}
    for asked in (False, True):
        loop = in_a_loop(engine)
        loop.dense[0].backward |= asked
        loop.sample(steps, sources, label)
        found[asked] = [part.tally.read().saturated for part in (*loop.layers, *loop.dense)]
    assert found == {False: [0, 0, 0, 1], True: [0, 0, 2, 1]}
    assert expected == 1


def test_a_sample_without_a_label_teaches_nothing_and_leaves_nothing():
    engine = network((4, 6, 3), TTFSLoss())
    loop = in_a_loop(engine)
    found, labels = samples(2, 4, 5, 3)
    first, second = ((C.steps_of(t), s) for t, s in found)
    loop.sample(*first)
    assert not any(dense.gradient.any() for dense in loop.dense)
    loop.sample(*second, int(labels[1]))
    _, gradients = engine.watch(*second, int(labels[1]))
    assert all(np.array_equal(d.gradient, g) for d, g in zip(loop.dense, gradients, strict=True))


def test_phases_by_hand():
    """T = 2: 6 phases."""
    phases = Phases(2)
    rows = []
    for p in range(6):
        phases.receive(np.eye(6)[p])
        rows.append((phases.begins, phases.forward, phases.turns, phases.replayed, phases.backward, phases.ends))
    assert rows == [
        (True, -1, False, -1, -1, False),
        (False, 0, False, -1, -1, False),
        (False, 1, False, -1, -1, False),
        (False, -1, True, 1, -1, False),
        (False, -1, False, 0, 1, False),
        (False, -1, False, -1, 0, True),
    ]
    phases.receive(np.zeros(6))
    assert phases.phase == -1


def test_without_a_phase_nothing_happens():
    layer = LIFPart(3, C)
    spikes, back, lI = layer.run(np.full(3, 10**6), np.zeros(3, int))
    assert not any(array.any() for array in (spikes, back, lI, layer.I))


def test_overflow_is_an_error():
    layer = LIFPart(2, C, layer=1)
    layer.phases.receive(np.eye(C.period)[1])
    with pytest.raises(
        InputError, match=r"layer 2, neuron 1: the current reaches 512.1 thresholds, but a 24-bit register"
    ):
        layer.run([0, 2**23 + 2000], np.zeros(2, int))


def test_room_for_spikes_grows_and_nothing_else_changes(monkeypatch):
    """As if it had been there from the start, up to the limit on memory."""
    found = []
    for room in (1, 1000):
        monkeypatch.setattr(parts, "spike_room", lambda n, room=room: room)
        layer = LIFPart(2, C, layer=1)
        states = []
        for phase in range(C.period):
            layer.phases.receive(np.eye(C.period)[phase])
            arrays = layer.run([2**22 * (phase == 1), 2**21 * (phase == 2)], np.full(2, 1000))
            states.append([*map(np.copy, (*arrays, layer.V, layer.I, layer.lV, layer.lI))])
        assert layer.tally.read().most_spikes > 8
        assert layer.tally.read().deepest_layer == 2
        found.append(states)
    assert np.array_equal(*found)
    monkeypatch.setattr(parts, "spike_room", lambda n: 1)
    layer = LIFPart(2, C, layer=1)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-8")
    layer.phases.receive(np.eye(C.period)[1])
    with pytest.raises(
        InputError, match="layer 2 spikes more than 1 times in a sample, and room for more needs some 48"
    ):
        layer.run([2**22, 2**22], np.zeros(2, int))
