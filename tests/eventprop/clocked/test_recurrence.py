"""Recurrent layers of the clocked engine: by hand, against an oracle of another shape, and towards continuous time."""

from itertools import pairwise

import numpy as np
import pytest
from clocked_oracle import Oracle

from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains

P, END = NeuronParameters(20.0, 5.0), 48.0


def made(layers, loops, loss, dt=1.0, seed=0, bits=(17, 24, 17), **options):
    """A network of excitatory layers whose recurrent weights have both signs."""
    rng = np.random.default_rng(seed)
    means = [2.5, *[1.4] * (len(layers) - 2)]
    weights = [rng.normal(m, 0.7, s) for m, s in zip(means, pairwise(layers), strict=True)]
    recurrent = [rng.normal(0, 0.5, (n, n)) if loop else None for n, loop in zip(layers[1:], loops, strict=True)]
    setup = Setup(FixedPoint(P, dt, END, *bits), loss)
    return ClockedEngine(weights, setup, recurrent=recurrent, **options)


def sample(n_in, seed=0):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.uniform(0, 30, 8)), rng.integers(0, n_in, 8)


def test_a_spike_acts_on_its_own_layer_in_the_next_step_by_hand():
    """Two neurons: the first spikes at the end of step 1, and 0.75 thresholds reach the second's current in step 2."""
    c = FixedPoint(P, 1.0, 6.0)
    engine = ClockedEngine(
        [np.array([[30.0, 0.0]])], Setup(c, TTFSLoss(alpha=20.0)), recurrent=[np.array([[0.0, 0.75], [0.0, 0.0]])]
    )
    (seen,), (forward, recurrent) = engine.watch(np.array([1]), np.array([0]), 0)
    assert seen.V[1, 0] == 0 < seen.I[1, 0]  # spiked and reset: the input's current goes on
    assert seen.I[:2, 1].tolist() == [0, 0]
    w = engine.forward_weights[1][0, 1]
    assert w == int(0.75 * c.theta)
    assert seen.I[2, 1] == (c.beta * w + 2048) >> 12
    assert seen.V[2, 1] == (c.gamma * w + 2048) >> 12
    assert recurrent.shape == (2, 2)
    assert forward.any()
    assert not recurrent[1].any()  # the second never spikes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("layers", "loops", "loss"),
    [
        ((4, 6, 3), (True, False), TTFSLoss(tau0=3.0, alpha=0.02)),
        ((4, 6, 3), (True, True), TTFSLoss(tau0=3.0, alpha=0.02)),
        ((4, 5, 5, 3), (True, True, False), MaxVoltageLoss()),
        ((4, 3), (True,), TTFSLoss(tau0=3.0, alpha=0.02)),
    ],
)
def test_gradients_are_those_of_an_oracle_in_floating_point(layers, loops, loss, seed):
    """Wide integers: the same spikes, and gradients of every matrix but for rounding."""
    engine, label = made(layers, loops, loss, seed=seed), seed % layers[-1]
    c, (times, sources) = engine.c, sample(layers[0], seed)
    trains = spike_trains([(times, sources)], layers[0], END)
    result, found = engine.gradient(trains, np.array([label]))
    counts = np.zeros((c.steps, layers[0]))
    np.add.at(counts, (c.steps_of(times), sources), 1)
    oracle = Oracle(engine.weights, engine.loops, 20.0, 5.0, c.dt, c.steps, c.floor)
    spiking = isinstance(loss, TTFSLoss)
    spikes = oracle.forward(counts, spiking)
    at_spikes, impulses = np.zeros_like(spikes), np.zeros_like(spikes)
    if spiking:
        there = spikes[:, oracle.output].any(axis=0)
        first = np.where(there, spikes[:, oracle.output].argmax(axis=0), c.steps)
        assert np.array_equal(result.said[0], np.where(there, (first + 1) * c.dt, np.inf))
        t = (first + 1) * c.dt
        error = -np.where(there, np.exp(-(t - t.min()) / 3.0), 0)
        error /= 3.0 * -error.sum()
        error[label] += 1 / 3.0 + 0.02 / 6.4 * np.exp(t[label] / 6.4)
        if there[label]:
            where = np.arange(oracle.output.start, oracle.output.stop)[there]
            at_spikes[first[there], where] = error[there]
    else:
        peaks = oracle.V[:, oracle.output]
        share = np.exp(peaks.max(axis=0))
        impulses[peaks.argmax(axis=0), np.arange(oracle.output.start, oracle.output.stop)] = (
            np.eye(layers[-1])[label] - share / share.sum()
        ) / 20.0
    assert result.hidden_spikes == spikes[:, : oracle.output.start].sum() if len(layers) > 2 else spikes.any()
    expected, _ = oracle.backward(at_spikes, impulses)
    assert [g.shape for g in found] == [g.shape for g in expected]
    scale = max(np.abs(g).max() for g in expected)
    assert scale > 0
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() < 0.01 * scale


def test_recurrent_weights_matter_and_are_learned():
    with_loops, without = (made((5, 8, 3), (loop, loop), TTFSLoss(), bits=(14, 20, 14)) for loop in (True, False))
    trains = spike_trains([sample(5, k) for k in range(6)], 5, END)
    labels = np.arange(6) % 3
    assert not np.array_equal(with_loops.infer(trains).said, without.infer(trains).said)
    before = [m.copy() for m in with_loops.masters]
    assert [m.shape for m in before] == [(5, 8), (8, 3), (8, 8), (3, 3)]
    again = made((5, 8, 3), (True, True), TTFSLoss(), bits=(14, 20, 14))
    with_loops.train_batch(trains, labels, np.arange(3), 0.01)
    again.write_masters(with_loops.masters)
    again.load_state(with_loops.state())
    for engine in (with_loops, again):
        engine.train_batch(trains, labels, np.arange(3, 6), 0.01)
    assert all(np.array_equal(a, b) for a, b in zip(with_loops.masters, again.masters, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before, with_loops.masters, strict=True))


@pytest.mark.parametrize("loss", [TTFSLoss(tau0=3.0, alpha=0.02), MaxVoltageLoss()])
def test_the_direction_comes_nearer_to_that_of_continuous_time(loss):
    """Cosine of the angle between both gradients of a sample, of the same 8-bit weights: the median of twelve."""
    medians = []
    for dt in (1.0, 0.25, 0.0625):
        found = []
        for seed in range(12):
            clocked = made((5, 10, 3), (True, False), loss, dt, seed, bits=(15, 22, 15))
            exact = EventPropEngine(clocked.weights, P, loss, END, recurrent=clocked.loops)
            trains, labels = spike_trains([sample(5, seed)], 5, END), np.array([seed % 3])
            a, b = (
                np.concatenate([g.ravel() for g in engine.gradient(trains, labels)[1]]) for engine in (clocked, exact)
            )
            if np.linalg.norm(a) * np.linalg.norm(b) > 1e-9:
                found.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        assert len(found) >= 8
        medians.append(np.median(found))
    assert medians == sorted(medians)
    assert medians[-1] > 0.99


def test_spikes_beyond_the_room_and_currents_beyond_the_register():
    """A layer that excites itself fires in every step; twice as strong it overflows."""
    setup = Setup(FixedPoint(P, 1.0, END), TTFSLoss())
    engine = ClockedEngine([np.full((1, 4), 40.0)], setup, recurrent=[np.full((4, 4), 20.0)])
    trains = spike_trains([([0.0], [0])], 1, END)
    result = engine.train_batch(trains, np.array([1]), np.array([0]), 0.01)
    assert result.most_spikes > 4 * 40
    engine = ClockedEngine([np.full((1, 4), 40.0)], setup, recurrent=[np.full((4, 4), 100.0)])
    with pytest.raises(InputError, match="layer 1, neuron 0: the current reaches .* thresholds, but a 24-bit register"):
        engine.infer(trains)


def test_what_is_refused():
    setup = Setup(FixedPoint(P, 1.0, END), TTFSLoss())
    layers, loop = [np.ones((2, 3)), np.ones((3, 2))], np.ones((3, 3))
    for recurrent, options, error, message in (
        ([loop], {}, WeightError, "1 recurrent matrices for 2 layers; give one or None per layer"),
        ([np.ones((2, 3)), None], {}, WeightError, r"recurrent weights of layer 1 have shape \(2, 3\), but must be"),
        ([np.full((3, 3), np.nan), None], {}, WeightError, "recurrent weights of layer 1"),
        ([np.full((3, 3), 200.0), None], {}, WeightError, "recurrent weights of layer 1, neuron 0, one spike of every"),
        ([loop, None], {"largest": [1.0, 1.0]}, InputError, "2 largest weights for 3 matrices; give one per matrix"),
    ):
        with pytest.raises(error, match=message):
            ClockedEngine(layers, setup, recurrent=recurrent, **options)
    for loss, silent, error, message in (
        (MaxVoltageLoss(), SilentPolicy(), WeightError, "the output layer only integrates and has no spikes"),
        (TTFSLoss(), SilentPolicy("phantom"), InputError, "'phantom' needs an output layer without recurrent weights"),
    ):
        with pytest.raises(error, match=message):
            ClockedEngine(layers, Setup(setup.c, loss, silent), recurrent=[None, np.ones((2, 2))])
    engine = ClockedEngine(layers, setup, recurrent=[loop, None])
    kept = [m.copy() for m in engine.masters]
    for masters, message in (
        (kept[:2], "2 matrices, but the network has 3; give one for each"),
        ([*kept[:2], kept[2][:2]], r"full-precision recurrent weights of layer 1 have shape \(2, 3\)"),
    ):
        with pytest.raises(WeightError, match=message):
            engine.write_masters(masters)
