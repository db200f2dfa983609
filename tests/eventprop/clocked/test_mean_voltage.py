"""Mean voltages in steps and integers: the discrete network's own derivative, and towards continuous time."""

import numpy as np
import pytest
from clocked_oracle import Oracle

from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MeanVoltageLoss
from lava_nbp.eventprop.trains import spike_trains

P, END = NeuronParameters(20.0, 5.0), 48.0
LOSSES = [MeanVoltageLoss(gain=6.0), MeanVoltageLoss(12.0, 6.0)]


def made(layers, loss, dt=1.0, seed=0, bits=(17, 24, 17)):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(2.5, 0.7, layers[:2])] if len(layers) > 2 else []
    weights.append(rng.normal(0, 0.8, layers[-2:]))
    return ClockedEngine(weights, Setup(FixedPoint(P, dt, END, *bits), loss))


def sample(seed):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.uniform(0, 40, 10)), rng.integers(0, 5, 10)


def shares_of(loss, c):
    g = np.exp(-np.arange(c.steps) * c.dt / loss.tau)
    return g / g.sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [(5, 3), (5, 8, 3)])
def test_what_is_said_and_learned_is_that_of_an_oracle(layers, loss, seed):
    """The mean over steps in floating point, and its gradient; without a hidden layer also by differences."""
    engine, label = made(layers, loss, seed=seed), seed % 3
    c, (times, sources) = engine.c, sample(seed)
    result, found = engine.gradient(spike_trains([(times, sources)], 5, END), np.array([label]))
    counts = np.zeros((c.steps, 5))
    np.add.at(counts, (c.steps_of(times), sources), 1)

    def loss_of(weights):
        oracle = Oracle(weights, [None] * len(weights), 20.0, 5.0, c.dt, c.steps, c.floor)
        oracle.forward(counts, spiking_output=False)
        means = shares_of(loss, c) @ oracle.V[:, oracle.output]
        score = np.exp(loss.gain * means)
        return oracle, means, score / score.sum(), -np.log(score[label] / score.sum())

    oracle, means, share, _ = loss_of(engine.weights)
    assert np.abs(result.said[0] - means).max() < 2e-5
    impulses = np.zeros_like(oracle.V)
    error = loss.gain * (np.eye(3)[label] - share) / 20.0
    impulses[:, oracle.output] = np.outer(shares_of(loss, c), error)
    expected, _ = oracle.backward(np.zeros_like(impulses), impulses)
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() < 0.02 * np.abs(expected[-1]).max()
    if len(layers) == 2:
        (w,) = engine.weights
        for at in np.ndindex(*w.shape):
            values = []
            for sign in (1, -1):
                moved = w.copy()
                moved[at] += sign * 1e-5
                values.append(loss_of([moved])[3])
            assert abs(found[0][at] - (values[0] - values[1]) / 2e-5) < 0.02 * np.abs(found[0]).max()


@pytest.mark.parametrize("loss", LOSSES)
def test_it_comes_nearer_to_continuous_time(loss):
    """Means, and the cosine of the angle between gradients, of the same 8-bit weights: medians of twelve samples."""
    said, cosines = [], []
    for dt in (2.0, 0.5, 0.125):
        errors, found = [], []
        for seed in range(12):
            clocked = made((5, 10, 3), loss, dt, seed, bits=(14, 22, 18))
            exact = EventPropEngine(clocked.weights, P, loss, END)
            trains, labels = spike_trains([sample(seed)], 5, END), np.array([seed % 3])
            (one, a), (other, b) = (e.gradient(trains, labels) for e in (clocked, exact))
            errors.append(np.abs(one.said - other.said).max())
            a, b = (np.concatenate([g.ravel() for g in gradients]) for gradients in (a, b))
            found.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        said.append(np.median(errors))
        cosines.append(np.median(found))
    assert said == sorted(said, reverse=True)
    assert said[0] / said[-1] > 6
    assert cosines[0] < min(cosines[1:])
    assert min(cosines[1:]) > 0.99


@pytest.mark.parametrize("loss", [MeanVoltageLoss(300.0, 30.0), MeanVoltageLoss(gain=30.0)])
def test_long_trials_of_long_steps_teach_the_right_way(loss):
    """Of 400 ms in steps of 1 ms: lV and lI differ by 2 %, and more than that within a step.

    What is sent back is the mean over the step. With lV - lI at its beginning the median is -0.6 where all times count
    alike, whose gradient comes from the trial's end only, and -0.2 where early ones count more.
    """
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        weights = [rng.normal(0.4, 0.5, (10, 20)), rng.normal(0, 0.1, (20, 4))]
        setup = Setup(FixedPoint(P, 1.0, 400.0, 14, 14, 18), loss)
        clocked = ClockedEngine(weights, setup)
        exact = EventPropEngine(clocked.weights, P, loss, 400.0)
        times = np.sort(rng.uniform(0, 390, 300))
        trains, labels = spike_trains([(times, rng.integers(0, 10, 300))], 10, 400.0), np.array([seed % 4])
        a, b = (e.gradient(trains, labels)[1][0].ravel() for e in (clocked, exact))
        found.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert min(found) > 0.2
    assert np.median(found) > 0.6


@pytest.mark.parametrize("loss", LOSSES)
def test_silence_says_nothing_and_teaches_nothing(loss):
    """Without spikes all means are 0: right in neither way of counting; no gradient, and weights as they were."""
    engine = made((5, 8, 3), loss)
    trains = spike_trains([([], [])], 5, END)
    before = [m.copy() for m in engine.masters]
    result = engine.train_batch(trains, np.array([1]), np.array([0]), 0.01)
    assert not result.said.any()
    assert result.silent().all()
    assert not result.right(np.array([1]), ties_right=True).any()
    assert all(np.array_equal(a, b) for a, b in zip(before, engine.masters, strict=True))


def test_a_spike_in_the_last_step_is_heard():
    """Long after the others: no step is left out because nothing seems to happen any more."""
    engine = made((5, 3), LOSSES[0])
    early, late = (engine.infer(spike_trains([(t, [0] * len(t))], 5, END)).said for t in ([0.0], [0.0, 47.0]))
    c, w = engine.c, engine.weights[0][0]
    assert np.abs(late - early - w * c.gamma / (1 << c.coefficient_bits) / c.steps).max() < 1e-5


def test_what_the_register_does_not_hold_is_counted():
    """Of 24 bits 20 are fractional, and the gain is large: errors that are cut off are counted, answers are whole."""
    setup = Setup(FixedPoint(P, 1.0, END, adjoint_bits=20), MeanVoltageLoss(gain=150.0))
    engine = ClockedEngine([np.full((1, 8), 3.0), np.tile([[12.0, -12.0]], (8, 1))], setup)
    trains = spike_trains([(np.arange(47.0), np.zeros(47, int))], 1, END)
    result, _ = engine.gradient(trains, np.array([1]))
    assert result.saturated > 0
    assert np.abs(result.said).max() > 0
